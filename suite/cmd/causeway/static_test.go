package main

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// goTool runs the go command in this folder.
func goTool(t *testing.T, cgo string, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	var errOut strings.Builder
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, &errOut)
	}
	return strings.TrimSpace(string(out))
}

// TestNoCgo: nothing in the command uses cgo where there is cgo, and nothing is
// missing where there is none. TestStaticBinary builds it, which takes longer.
func TestNoCgo(t *testing.T) {
	if users := goTool(t, "1", "list", "-deps", "-f", `{{if and (not .Standard) .CgoFiles}}{{.ImportPath}}{{end}}`, "."); users != "" {
		t.Errorf("cgo is used by %s", users)
	}
	goTool(t, "0", "list", "-deps", ".") // an error if a package has no files without cgo
}

// TestStaticBinary: the command is one file that needs no other.
func TestStaticBinary(t *testing.T) {
	if os.Getenv("CAUSEWAY_NIGHTLY") == "" {
		t.Skip("it compiles everything again without cgo: CAUSEWAY_NIGHTLY=1")
	}
	file := filepath.Join(t.TempDir(), "causeway")
	goTool(t, "0", "build", "-o", file, ".")
	if out, err := exec.Command(file, "--help").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if runtime.GOOS != "linux" {
		return // what static means elsewhere is another matter
	}
	f, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("it has a segment of type %v", p.Type)
		}
	}
}
