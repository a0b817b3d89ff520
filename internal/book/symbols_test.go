package book

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// named is a link from a name in code to a Go file.
var named = regexp.MustCompile("\\[`([\\w.]+)`[^\\]]*\\]\\(([\\w./]+\\.go)\\)")

// TestSymbols: what docs/architecture.md and the guide say is in a file is in that file.
func TestSymbols(t *testing.T) {
	checked := 0
	for _, page := range []string{"docs/architecture.md", "docs/guide.md", "docs/operations.md", "docs/faq.md"} {
		for _, m := range named.FindAllStringSubmatch(read(t, page), -1) {
			file := path.Join("docs", m[2])
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			checked++
			if path.Base(m[2]) != "doc.go" && !declares(parsed, m[1]) {
				t.Errorf("%s says that %s is in %s", page, m[1], file)
			}
		}
	}
	if checked < 60 {
		t.Errorf("%d names: are they read?", checked)
	}
}

func TestDeclares(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "p.go", "package p\ntype T struct{}\nfunc (t *T) M() {}\ntype I interface{ N() }\nconst c = 1\nfunc f() {}\n", 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"T": true, "T.M": true, "I.N": true, "c": true, "f": true, "p.T.M": true, "p": true, "T.N": false, "M": false, "g": false, "I.M": false} {
		if declares(parsed, name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// declares tells whether a file declares a name, such as f, T, T.Method or p.T.Method,
// or belongs to a package of that name.
func declares(file *ast.File, name string) bool {
	if name == file.Name.Name {
		return true
	}
	name = strings.TrimPrefix(name, file.Name.Name+".")
	of, member, _ := strings.Cut(name, ".")
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.Name == name || d.Recv != nil && member == d.Name.Name && receiver(d) == of {
				return true
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					if i, ok := s.Type.(*ast.InterfaceType); s.Name.Name == of && (member == "" || ok && has(i, member)) {
						return true
					}
				case *ast.ValueSpec:
					for _, n := range s.Names {
						if n.Name == name {
							return true
						}
					}
				}
			}
		}
	}
	return false
}

func receiver(d *ast.FuncDecl) string {
	t := d.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

func has(i *ast.InterfaceType, method string) bool {
	for _, m := range i.Methods.List {
		if len(m.Names) == 1 && m.Names[0].Name == method {
			return true
		}
	}
	return false
}
