package arch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// TestTree applies the rules to this tree.
func TestTree(t *testing.T) {
	problems, err := Check(os.DirFS(root(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

// root returns the folder of go.work.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.work in any folder above")
		}
		dir = parent
	}
}

func TestRules(t *testing.T) {
	const doc = "// Package p is for tests.\npackage p\n"
	ours := func(folder string) string {
		return doc + "import _ \"" + strings.TrimSuffix(module+"/"+folder, "/") + "\"\n"
	}
	tests := []struct {
		name, file, src string
		want            string // part of the only problem; "" for none
	}{
		{"down", "sds/p.go", ours("sds/wire"), ""},
		{"down to the ground", "sim/p.go", ours("sds/pace"), ""},
		{"same floor", "sim/classic/p.go", ours("sim"), ""},
		{"below the ground floor's own folder", "sds/wire/p.go", ours("sds/wire/internal/x"), ""},
		{"door", "rest/p.go", ours(""), ""},
		{"suite to suite", "suite/cmd/causeway/p.go", ours("suite/inspect"), ""},
		{"test files are free", "sds/wire/p_test.go", ours("sim"), ""},
		{"testdata is free", "sds/testdata/p.go", ours("sim"), ""},
		{"other modules are not ours", "sds/p.go", doc + `import _ "github.com/causeway-im/causewayx"`, ""},

		{"sideways on the ground", "sds/wire/p.go", ours("sds/bloom"), "sds/wire must not import sds/bloom"},
		{"up from the ground", "sds/pace/p.go", ours("sds"), "sds/pace must not import sds"},
		{"up to the door", "store/p.go", ours(""), "store must not import ."},
		{"up from the door", "p.go", ours("sim"), ". must not import sim"},
		{"up to the suite", "rest/p.go", ours("suite/inspect"), "rest must not import suite/inspect"},
		{"up to tools", "sds/p.go", ours("internal/arch"), "sds must not import internal/arch"},
		{"no floor", "attic/p.go", doc, "attic: stands on no floor"},
		{"import without a floor", "suite/p.go", ours("attic"), "suite must not import attic"},

		{"file system", "sds/p.go", doc + `import _ "os"`, "must not import os"},
		{"part of the network", "sds/wire/p.go", doc + `import _ "net/http"`, "must not import net/http"},
		{"randomness", "sds/p.go", doc + `import _ "math/rand/v2"`, "must not import math/rand/v2"},
		{"locks", "sds/p.go", doc + `import _ "sync/atomic"`, "must not import sync/atomic"},
		{"similar name", "sds/p.go", doc + `import _ "math/bits"`, ""},
		{"outside the core", "transport/p.go", doc + `import _ "net"`, ""},

		{"duration", "sds/p.go", doc + "import \"time\"\nvar x = time.Second\n", ""},
		{"clock", "sds/p.go", doc + "import \"time\"\nvar x = time.Now\n", "must not read a clock: time.Now"},
		{"clock under another name", "sds/p.go", doc + "import t \"time\"\nvar x = t.Now()\n", "must not read a clock: time.Now"},
		{"clock without a name", "sds/p.go", doc + "import . \"time\"\nvar x = Now()\n", "must not dot-import time"},
		{"another Now", "sds/p.go", doc + "import \"time\"\nvar _ time.Time\nvar x = channel.Now()\n", ""},
		{"goroutine", "sds/p.go", doc + "func f() { go f() }\n", "must not start goroutines"},
		{"channel", "sds/p.go", doc + "var c chan int\n", "must not use channels"},

		{"no doc", "sim/p.go", "package p\n", "sim: package without a doc comment"},
		{"as long as may be", "sim/p.go", doc + strings.Repeat("\n", maxLines-2), ""},
		{"too long", "sim/p.go", doc + strings.Repeat("\n", maxLines-1), "601 lines"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			problems, err := Check(fstest.MapFS{tt.file: {Data: []byte(tt.src)}})
			switch {
			case err != nil:
				t.Fatal(err)
			case tt.want == "" && len(problems) > 0:
				t.Errorf("rejected: %q", problems)
			case tt.want != "" && (len(problems) != 1 || !strings.Contains(problems[0], tt.want)):
				t.Errorf("got %q, want one problem with %q", problems, tt.want)
			}
		})
	}
}

func TestDocInAnyFile(t *testing.T) {
	tree := fstest.MapFS{
		"sim/a.go": {Data: []byte("package sim\n")},
		"sim/b.go": {Data: []byte("// Package sim is documented here.\npackage sim\n")},
	}
	if problems, err := Check(tree); err != nil || len(problems) > 0 {
		t.Errorf("got %q, %v", problems, err)
	}
}

func TestBrokenSource(t *testing.T) {
	if _, err := Check(fstest.MapFS{"sim/a.go": {Data: []byte("package")}}); err == nil {
		t.Error("a file that does not parse passed")
	}
}
