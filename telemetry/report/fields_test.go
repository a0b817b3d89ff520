package report_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/causeway-im/causeway/telemetry/report"
)

var update = flag.Bool("update", false, "write docs/telemetry-fields.md")

const fieldsPage = "../../docs/telemetry-fields.md"

// docs/telemetry-fields.md is the doc comments of this package: every field that
// leaves a device is in it. To write it: go test ./telemetry/report -run Fields -update
func TestFieldsAreDocumented(t *testing.T) {
	want := fields(t)
	if *update {
		if err := os.WriteFile(fieldsPage, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(fieldsPage)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the comments say: go test ./telemetry/report -run Fields -update", fieldsPage)
	}
	// And not only by our own parsing: what encoding/json would write is in it.
	for _, v := range []any{report.Upload{}, report.Range{}, report.Span{}, report.Clock{}, report.Device{}, report.Event{}, report.Reply{}, report.Rejection{}} {
		typ := reflect.TypeOf(v)
		_, section, _ := strings.Cut(string(got), "\n## "+typ.Name()+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if name == "" || !strings.Contains(section, "\n| `"+name+"` |") {
				t.Errorf("field %s.%s (%q) is not documented", typ.Name(), typ.Field(i).Name, name)
			}
		}
	}
}

// fields makes the page.
func fields(t *testing.T) []byte {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	out := bytes.NewBufferString(`# What a device tells a collector, field by field

This page is made from the comments of package ` + "`telemetry/report`" + ` by
` + "`go test ./telemetry/report -run Fields -update`" + `, and a test compares the two. What the next upload of a device
is, to the byte, ` + "`causeway telemetry show --data DIR`" + ` prints. Nothing is recorded or sent before the user has agreed.
`)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if name == "doc.go" {
			_, about, _ := strings.Cut(f.Doc.Text(), "\n\n")
			fmt.Fprintf(out, "\n%s", about)
		}
		for _, d := range f.Decls {
			if g, ok := d.(*ast.GenDecl); ok && name == "report.go" {
				page(t, out, g)
			}
		}
	}
	return out.Bytes()
}

// page writes a type or a list of constants.
func page(t *testing.T, out *bytes.Buffer, g *ast.GenDecl) {
	t.Helper()
	for _, s := range g.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			fmt.Fprintf(out, "\n## %s\n\n%s", s.Name.Name, g.Doc.Text())
			if st, ok := s.Type.(*ast.StructType); ok {
				out.WriteString("\n| field | type | what it is |\n|---|---|---|\n")
				for _, f := range st.Fields.List {
					row(t, out, f)
				}
			}
		case *ast.ValueSpec:
			if lit, ok := s.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text := s.Doc.Text() + s.Comment.Text()
				fmt.Fprintf(out, "\n* `%s` %s", strings.Trim(lit.Value, `"`), line(strings.TrimPrefix(text, s.Names[0].Name+":")))
			}
		}
	}
	if g.Tok == token.CONST {
		out.WriteString("\n")
	}
}

func row(t *testing.T, out *bytes.Buffer, f *ast.Field) {
	t.Helper()
	name, _, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json"), ",")
	text := line(f.Doc.Text() + f.Comment.Text())
	if len(f.Names) != 1 || name == "" || text == "" {
		t.Errorf("field %v has no name in JSON, or no comment", f.Names)
	}
	fmt.Fprintf(out, "| `%s` | %s | %s |\n", name, typeName(f.Type), text)
}

func line(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, "|", "\\|")), " ")
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.ArrayType:
		return "list of " + typeName(e.Elt)
	case *ast.MapType:
		return typeName(e.Value) + " by " + typeName(e.Key)
	}
	return fmt.Sprintf("%T", e)
}
