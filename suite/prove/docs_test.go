package prove

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The review names tests that exist, and figures of the expected table.
func TestReview(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	review, table := read("../../docs/telemetry-review.md"), read("testdata/prove-200.txt")
	tests := read("../../telemetry/estimate/legacy/legacy_test.go") + read("../../telemetry/estimate/incident_test.go")
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(review, -1)
	if len(named) < 15 {
		t.Errorf("the review names %d tests", len(named))
	}
	for _, n := range named {
		if !strings.Contains(tests, "func "+n[1]+"(t *testing.T)") {
			t.Errorf("the review names %s, which does not exist", n[1])
		}
	}
	rows := regexp.MustCompile(`(?m)^\| ([^|]+) \| (0\.\d{3}) \| (0\.\d{3}–[01]\.\d{3}) \| ([01]\.\d{3}) \|$`).FindAllStringSubmatch(review, -1)
	if len(rows) < 8 {
		t.Errorf("the review has %d rows of the table", len(rows))
	}
	for _, r := range rows {
		line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(r[1]) + ` +60s +` + r[2] + ` +` + r[3] + ` .* ` + r[4] + ` `)
		if !line.MatchString(table) {
			t.Errorf("the table does not say of %q what the review says", r[1])
		}
	}
}
