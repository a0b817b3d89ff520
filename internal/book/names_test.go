package book

import (
	"path"
	"regexp"
	"strings"
	"testing"

	"io/fs"
	"os"
)

var (
	testName    = regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)`")
	testMade    = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z]\w*)\(`)
	requirement = regexp.MustCompile(`\[R(\d+)\]\(([\w./-]+\.md)(?:#[\w-]+)?\)`)
)

// TestProofs: the tests that pages name exist, and a requirement that is linked is
// in the page that it leads to.
func TestProofs(t *testing.T) {
	made := map[string]bool{}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && e.Name() == "node_modules":
			return fs.SkipDir
		case strings.HasSuffix(name, "_test.go"):
			for _, m := range testMade.FindAllStringSubmatch(read(t, name), -1) {
				made[m[1]] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	tests, requirements := 0, 0
	for _, page := range pages(t) {
		text := read(t, page)
		for _, m := range testName.FindAllStringSubmatch(text, -1) {
			if tests++; !made[m[1]] {
				t.Errorf("%s names %s, which there is not", page, m[1])
			}
		}
		for _, m := range requirement.FindAllStringSubmatch(text, -1) {
			if requirements++; !strings.Contains(read(t, path.Join(path.Dir(page), m[2])), "**R"+m[1]+"**") {
				t.Errorf("%s: %s is not in %s", page, m[1], m[2])
			}
		}
	}
	if tests < 100 || requirements < 4 {
		t.Errorf("%d tests and %d requirements: are they read?", tests, requirements)
	}
}

// runners are the tests that run the commands of a page.
var runners = map[string]string{
	"README.md":          "TestReadme",         // suite/book
	"docs/guide.md":      "TestGuide",          // suite/book
	"docs/operations.md": "TestOperations",     // suite/book
	"docs/qa.md":         "TestGuide",          // suite/qa
	"docs/telemetry.md":  "TestTelemetryGuide", // suite/cmd/causeway
}

// TestCommands: a page with commands has a test that runs them.
func TestCommands(t *testing.T) {
	ran := read(t, "suite/book/book_test.go") + read(t, "suite/qa/guide_test.go") + read(t, "suite/cmd/causeway/telemetrydocs_test.go")
	for _, page := range pages(t) {
		if !strings.Contains(read(t, page), "```sh\n") {
			continue
		}
		if runner := runners[page]; runner == "" || !strings.Contains(ran, "func "+runner+"(") || !strings.Contains(ran, page) {
			t.Errorf("%s has commands, and no test runs them", page)
		}
	}
	for page := range runners {
		if !strings.Contains(read(t, page), "```sh\n") {
			t.Errorf("%s has no commands", page)
		}
	}
}
