package sds_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/logos-messaging/sds-go-bindings/sds"
	waku "github.com/waku-org/sds-go-bindings/sds"
)

// A program may use both names at once.
var _ func(*waku.ReliabilityManager) *sds.ReliabilityManager = func(rm *waku.ReliabilityManager) *sds.ReliabilityManager { return rm }

// Everything that the one package exports the other does, too.
func TestForwardsEverything(t *testing.T) {
	theirs, ours := names(t, "../../sds-go-bindings/sds"), names(t, ".")
	if len(theirs) < 10 {
		t.Fatalf("found only %v", theirs)
	}
	for n := range theirs {
		if !ours[n] {
			t.Errorf("%s is not forwarded", n)
		}
	}
}

func TestWorks(t *testing.T) {
	for _, open := range []func() (*sds.ReliabilityManager, error){
		func() (*sds.ReliabilityManager, error) { return sds.NewReliabilityManager(nil) },
		func() (*sds.ReliabilityManager, error) {
			return sds.NewReliabilityManagerWithOptions(nil, sds.Options{})
		},
	} {
		rm, err := open()
		if err != nil {
			t.Fatal(err)
		}
		packet, err := rm.WrapOutgoingMessage([]byte("hello"), "m1", "ch")
		if err != nil {
			t.Fatal(err)
		}
		if u, err := rm.UnwrapReceivedMessage(packet); err != nil || string(*u.Message) != "hello" {
			t.Error(u, err)
		}
		if err := rm.Cleanup(); err != nil {
			t.Error(err)
		}
	}
}

// names returns the exported names at the top of a package.
func names(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	note := func(n *ast.Ident) {
		if n.IsExported() {
			found[n.Name] = true
		}
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					note(d.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						note(s.Name)
					case *ast.ValueSpec:
						for _, n := range s.Names {
							note(n)
						}
					}
				}
			}
		}
	}
	return found
}
