package collector_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/causeway-im/causeway/suite/collector/archive"
)

// guide is docs/telemetry.md.
func guide(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/telemetry.md")
	check(t, err)
	return string(text)
}

// blocks are its examples of a language.
func blocks(t *testing.T, language string) (out []string) {
	t.Helper()
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(guide(t), -1) {
		out = append(out, m[1])
	}
	if len(out) == 0 {
		t.Fatalf("the guide has no example of %s", language)
	}
	return out
}

// guideQueries runs the queries of the guide: there is one for each view, and each has
// an answer.
func guideQueries(t *testing.T, db *sql.DB) {
	t.Helper()
	all := strings.Join(blocks(t, "sql"), "")
	for view := range viewColumns {
		if !strings.Contains(all, " "+view) {
			t.Errorf("the guide has no example of %s", view)
		}
	}
	for _, query := range blocks(t, "sql") {
		rows, err := db.QueryContext(t.Context(), query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if !rows.Next() {
			t.Errorf("no answer to %s", query)
		}
		check(t, rows.Close())
		check(t, rows.Err())
	}
}

// TestGuideUpload: the upload of the guide is answered as the guide says.
func TestGuideUpload(t *testing.T) {
	r := start(t)
	a := r.post("/v1/uploads", blocks(t, "json")[0])
	if want := regexp.MustCompile("`(\\{\"acknowledged\".*?\\})`").FindStringSubmatch(guide(t)); want == nil || strings.TrimSpace(a.body) != want[1] {
		t.Errorf("%d %s, the guide says %v", a.status, a.body, want)
	}
}

// TestGuideBackup: the backup of the guide holds what was acknowledged, while the
// service runs.
func TestGuideBackup(t *testing.T) {
	command := regexp.MustCompile(`sqlite3 telemetry.db "(.*)"`).FindStringSubmatch(guide(t))
	if command == nil {
		t.Fatal("the guide says nothing of it")
	}
	t.Chdir(t.TempDir())
	r := startOn(t, "telemetry.db")
	r.upload(newDevice("a", noon-hour).add(received("green", "m", noon)).upload(noon))
	_, err := r.archive.(*archive.SQL).DB().ExecContext(t.Context(), command[1])
	check(t, err)
	copied, err := archive.Open(t.Context(), "backup.db")
	check(t, err)
	defer copied.Close()
	if counts := countEvents(t, copied, noon); len(counts) != 1 || counts["install-a 1"] != 1 {
		t.Errorf("in the backup are %v", counts)
	}
}

// TestGuideMetrics: the guide lists the metrics that there are.
func TestGuideMetrics(t *testing.T) {
	r := start(t, roomy)
	w := newTown("green", 4, noon, noon+10*minute)
	r.feed(w.play())
	check(t, r.archive.SaveNote(t.Context(), "nothing", ""))
	r.post("/record-metrics", oldBatch(noon))
	r.settled()
	told := regexp.MustCompile("`(causeway_[a-z_]+)`").FindAllStringSubmatch(guide(t), -1)
	var listed, served []string
	for _, m := range told {
		listed = append(listed, m[1])
	}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (causeway_[a-z_]+)`).FindAllStringSubmatch(r.get("/metrics").body, -1) {
		served = append(served, m[1])
	}
	// Only once something was deleted.
	served = append(served, "causeway_collector_deleted_rows_total")
	slices.Sort(listed)
	slices.Sort(served)
	if listed, served = slices.Compact(listed), slices.Compact(served); !slices.Equal(listed, served) {
		t.Errorf("the guide lists\n%s\nthere are\n%s", strings.Join(listed, "\n"), strings.Join(served, "\n"))
	}
}

// TestGuidePictures: its pictures are there, and small.
func TestGuidePictures(t *testing.T) {
	names := regexp.MustCompile(`\((telemetry/[a-z]+\.png)\)`).FindAllStringSubmatch(guide(t), -1)
	if len(names) < 5 {
		t.Errorf("%d pictures", len(names))
	}
	for _, n := range names {
		info, err := os.Stat(filepath.Join("../../docs", n[1]))
		check(t, err)
		if info.Size() > 200_000 {
			t.Errorf("%s has %d bytes", n[1], info.Size())
		}
	}
}
