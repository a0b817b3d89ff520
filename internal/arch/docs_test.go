package arch

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	namedTest = regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)`")
	madeTest  = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)\(`)
)

// TestNamedTestsExist: what docs/security.md and README.md say is proved by a test
// that is there, and each fuzz target is in the table of what comes from the network.
func TestNamedTestsExist(t *testing.T) {
	made := map[string]bool{}
	err := filepath.WalkDir(root(t), func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && (e.Name() == "node_modules" || e.Name() == ".git"):
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		b, err := os.ReadFile(path)
		for _, m := range madeTest.FindAllSubmatch(b, -1) {
			made[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []string{"docs/security.md", "README.md"} {
		b, err := os.ReadFile(filepath.Join(root(t), doc))
		if err != nil {
			t.Fatal(err)
		}
		named := map[string]bool{}
		for _, m := range namedTest.FindAllSubmatch(b, -1) {
			named[string(m[1])] = true
			if !made[string(m[1])] {
				t.Errorf("%s names %s, which there is not", doc, m[1])
			}
		}
		if len(named) < 20 {
			t.Errorf("%s names %d tests", doc, len(named))
		}
		for name := range made {
			if strings.HasPrefix(name, "Fuzz") && doc == "docs/security.md" && !named[name] {
				t.Errorf("%s is not in %s", name, doc)
			}
		}
	}
}
