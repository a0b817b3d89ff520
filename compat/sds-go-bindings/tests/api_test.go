package tests

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/waku-org/sds-go-bindings/sds"
)

// The signatures that status-go compiles against, for the compiler to check.
var (
	_ func(*zap.Logger) (*sds.ReliabilityManager, error)                           = sds.NewReliabilityManager
	_ func(*sds.ReliabilityManager, sds.EventCallbacks)                            = (*sds.ReliabilityManager).RegisterCallbacks
	_ func(*sds.ReliabilityManager, []byte, sds.MessageID, string) ([]byte, error) = (*sds.ReliabilityManager).WrapOutgoingMessage
	_ func(*sds.ReliabilityManager, []byte) (*sds.UnwrappedMessage, error)         = (*sds.ReliabilityManager).UnwrapReceivedMessage
	_ func(*sds.ReliabilityManager, []sds.MessageID, string) error                 = (*sds.ReliabilityManager).MarkDependenciesMet
	_ func(*sds.ReliabilityManager) error                                          = (*sds.ReliabilityManager).Reset
	_ func(*sds.ReliabilityManager) error                                          = (*sds.ReliabilityManager).Cleanup
	_ func(*sds.ReliabilityManager) error                                          = (*sds.ReliabilityManager).StartPeriodicTasks
	_ func(*sds.ReliabilityManager, string)                                        = (*sds.ReliabilityManager).OnEvent
	_ func(*sds.ReliabilityManager, int, string)                                   = (*sds.ReliabilityManager).OnCallbackError
	_ [1024]struct{}                                                               = [sds.EventChanBufferSize]struct{}{}
	_                                                                              = sds.EventCallbacks(struct { // no field more, in this order: literals without keys compile, too
		OnMessageReady        func(sds.MessageID, string)
		OnMessageSent         func(sds.MessageID, string)
		OnMissingDependencies func(sds.MessageID, []sds.HistoryEntry, string)
		OnPeriodicSync        func()
		RetrievalHintProvider func(sds.MessageID) []byte
	}{})
	_ = struct {
		MessageID     sds.MessageID
		RetrievalHint []byte
	}(sds.HistoryEntry{})
	_ = struct {
		Message     *[]byte
		MissingDeps *[]sds.HistoryEntry
		ChannelId   *string
	}(sds.UnwrappedMessage{})
)

// TestAPI compares the exported names with a list: first what the bindings have,
// all of it, then what is ours.
func TestAPI(t *testing.T) {
	golden, err := os.ReadFile("testdata/api.txt")
	if err != nil {
		t.Fatal(err)
	}
	theirs, ours, ok := strings.Cut(string(golden), "\n--\n")
	if !ok {
		t.Fatal("api.txt has no line between theirs and ours")
	}
	want := append(strings.Split(strings.TrimSpace(theirs), "\n"), strings.Split(strings.TrimSpace(ours), "\n")...)
	got := exported(t, "../sds")
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("missing: %s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("not in api.txt: %s", line)
		}
	}
}

func TestJSONNames(t *testing.T) {
	for _, tt := range []struct {
		of   any
		want []string
	}{
		{sds.HistoryEntry{}, []string{"messageId", "retrievalHint"}},
		{sds.UnwrappedMessage{}, []string{"message", "missingDeps", "channelId"}},
	} {
		of := reflect.TypeOf(tt.of)
		for i, want := range tt.want {
			if got := of.Field(i).Tag.Get("json"); got != want {
				t.Errorf("%v.%s is %q in JSON, want %q", of, of.Field(i).Name, got, want)
			}
		}
	}
}

// exported lists the exported declarations of a package as they would be called:
// without the names of parameters, bodies and comments. Files under a build tag are
// marked with it.
func exported(t *testing.T, folder string) []string {
	t.Helper()
	files := token.NewFileSet()
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		tag := ""
		for _, c := range file.Comments {
			if line, ok := strings.CutPrefix(c.List[0].Text, "//go:build "); ok {
				tag = line + ": "
			}
		}
		for _, d := range file.Decls {
			for _, line := range declared(t, files, d) {
				lines = append(lines, tag+line)
			}
		}
	}
	slices.Sort(lines)
	return lines
}

func declared(t *testing.T, files *token.FileSet, d ast.Decl) (lines []string) {
	text := func(n any) string {
		var b bytes.Buffer
		if err := printer.Fprint(&b, files, n); err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(b.String()), " ")
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		if !d.Name.IsExported() {
			return nil
		}
		line := "func "
		if d.Recv != nil {
			line += "(" + text(d.Recv.List[0].Type) + ") "
		}
		nameless(d.Type)
		return []string{line + d.Name.Name + strings.TrimPrefix(text(d.Type), "func")}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() {
					lines = append(lines, typeLines(text, s)...)
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if n.IsExported() {
						line := d.Tok.String() + " " + n.Name
						if d.Tok == token.CONST && len(s.Values) == 1 && s.Type == nil {
							line += " = " + text(s.Values[0])
						}
						lines = append(lines, line)
					}
				}
			}
		}
	}
	return lines
}

// typeLines gives a line for a type and one for each exported field.
func typeLines(text func(any) string, s *ast.TypeSpec) []string {
	fields, ok := s.Type.(*ast.StructType)
	if !ok {
		return []string{"type " + s.Name.Name + " " + text(s.Type)}
	}
	lines := []string{"type " + s.Name.Name + " struct"}
	for _, f := range fields.Fields.List {
		if call, ok := f.Type.(*ast.FuncType); ok {
			nameless(call)
		}
		for _, n := range f.Names {
			if n.IsExported() {
				line := "field " + s.Name.Name + "." + n.Name + " " + text(f.Type)
				if f.Tag != nil {
					line += " " + f.Tag.Value
				}
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// nameless takes the names of parameters away, one parameter for each.
func nameless(f *ast.FuncType) {
	for _, list := range []*ast.FieldList{f.Params, f.Results} {
		if list == nil {
			continue
		}
		var each []*ast.Field
		for _, p := range list.List {
			for range max(1, len(p.Names)) {
				each = append(each, &ast.Field{Type: p.Type})
			}
		}
		list.List = each
	}
}
