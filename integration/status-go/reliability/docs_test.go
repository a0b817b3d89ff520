package reliability_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReplaceLines builds a program with the lines of docs/status-go.md, as a module of
// its own beside a checkout, without network.
func TestReplaceLines(t *testing.T) {
	root, err := filepath.Abs("../../..")
	check(t, err)
	docs, err := os.ReadFile(filepath.Join(root, "docs", "status-go.md"))
	check(t, err)
	lines := regexp.MustCompile("(?s)<!-- layer: from a checkout -->\n```\n(.*?)```").FindSubmatch(docs)
	if lines == nil {
		t.Fatal("the page has no lines for the layer")
	}
	folder := filepath.Join(t.TempDir(), "status-go")
	check(t, os.Mkdir(folder, 0o755))
	check(t, os.Symlink(root, filepath.Join(filepath.Dir(folder), "causeway")))
	write := func(name, text string) {
		t.Helper()
		check(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644))
	}
	write("go.mod", "module github.com/status-im/status-go\n\ngo 1.24.0\n\n"+string(lines[1]))
	write("main.go", `package main

import (
	"fmt"

	"github.com/causeway-im/causeway/integration/status-go/reliability"
)

func main() {
	_, err := reliability.New(reliability.Options{})
	fmt.Println(err)
}
`)
	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	check(t, err)
	run := exec.Command("go", "run", ".")
	run.Dir = folder
	run.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod -buildvcs=false", "GOSUMDB=off", "CGO_ENABLED=0",
		"GOPROXY=file://"+filepath.ToSlash(filepath.Join(strings.TrimSpace(string(cache)), "cache", "download")))
	out, err := run.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "DB is required") {
		t.Errorf("it says %q, %v", out, err)
	}
}
