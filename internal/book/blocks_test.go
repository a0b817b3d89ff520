package book

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// block is an example of code in a page. The comment before it names its file.
var block = regexp.MustCompile("(?s)(?:<!-- ([^\n]+) -->\n)?```go\n(.*?)```")

// TestBlocks: the Go code of the guide stands in files that compile and run with the
// tests, as it is but for the tabs that all of its lines begin with.
func TestBlocks(t *testing.T) {
	blocks := block.FindAllStringSubmatch(read(t, "docs/guide.md"), -1)
	if len(blocks) < 8 {
		t.Errorf("the guide has %d blocks of Go", len(blocks))
	}
	for _, b := range blocks {
		file, code := b[1], b[2]
		switch {
		case file == "":
			t.Errorf("no comment names the file of\n%s", code)
		case !contains(read(t, file), code):
			t.Errorf("%s does not have\n%s", file, code)
		}
	}
}

// contains tells whether a file has the lines of a block, one after the other, each
// with the same number of tabs before it.
func contains(file, code string) bool {
	for tabs := ""; len(tabs) < 4; tabs += "\t" {
		var indented strings.Builder
		for line := range strings.Lines(code) {
			if line != "\n" {
				indented.WriteString(tabs)
			}
			indented.WriteString(line)
		}
		if strings.Contains("\n"+file, "\n"+indented.String()) {
			return true
		}
	}
	return false
}

func TestContains(t *testing.T) {
	const file = "func f() {\n\tif a {\n\t\tb()\n\n\t\tc()\n\t}\n}\n"
	for code, want := range map[string]bool{
		"b()\n\nc()\n": true, "if a {\n\tb()\n": true, "func f() {\n": true,
		"b()\nc()\n": false, "() {\n": false, "if a {\nb()\n": false, "d()\n": false,
	} {
		if contains(file, code) != want {
			t.Errorf("%q: %v", code, !want)
		}
	}
}

// TestErrors: the guide says of each error of the library's door what to do.
func TestErrors(t *testing.T) {
	guide := read(t, "docs/guide.md")
	for folder, qualifier := range map[string]string{".": "causeway.", "store": "store.", "transport": "transport."} {
		files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, name := range exportedErrors(t, file) {
				found++
				if !strings.Contains(guide, "`"+qualifier+name+"`") {
					t.Errorf("the guide does not explain %s%s", qualifier, name)
				}
			}
		}
		if found < 4 {
			t.Errorf("%s has %d errors: are they read?", folder, found)
		}
	}
}

// exportedErrors lists the variables of a file whose names begin with Err.
func exportedErrors(t *testing.T, file string) (names []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range parsed.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
			for _, s := range g.Specs {
				for _, name := range s.(*ast.ValueSpec).Names {
					if strings.HasPrefix(name.Name, "Err") {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}
