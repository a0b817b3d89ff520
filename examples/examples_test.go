package examples

import (
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// prints runs an example and compares what it prints.
func prints(t *testing.T, example, want string) {
	t.Helper()
	var out, errOut strings.Builder
	cmd := exec.Command("go", "run", "./"+example)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, out.String(), errOut.String())
	}
	if out.String() != want {
		t.Errorf("it prints\n%s", out.String())
	}
}

// The README shows what func main of chat does, as it is, in at most 25 lines.
func TestChat(t *testing.T) {
	source, err := os.ReadFile("chat/main.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, body, ok := strings.Cut(string(source), "func main() {\n")
	body = strings.TrimSuffix(body, "}\n")
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "\t")
	}
	if len(lines) > 25 || !ok {
		t.Errorf("it has %d lines", len(lines))
	}
	if !strings.Contains(string(readme), "```go\n"+strings.Join(lines, "\n")+"\n```\n") {
		t.Error("the README does not show examples/chat/main.go as it is")
	}
	prints(t, "chat", "bob reads: who wants tea?\nalice knows that 1 of 1 have it: [Bob]\n")
}

func TestCore(t *testing.T) {
	prints(t, "core", `alice: 1. who wants tea?
alice: 2. anyone?
bob: a message of alice is missing
bob: 1. who wants tea?
bob: 2. anyone?
bob: a message of alice is recovered
bob: 3. me
alice: 3. me
alice knows who has her question: [bob]
`)
}

func TestScreen(t *testing.T) {
	prints(t, "screen", "alice-laptop: who wants tea?\n✓✓ all have it\n")
}

func TestMembers(t *testing.T) {
	prints(t, "members", `who wants tea? 1 of 1: [Bob]
still nobody? 2 of 2: [Bob Carol]
anybody else? 1 of 1: [Carol]
the first is 1 of 1 as before
`)
}

func TestSealed(t *testing.T) {
	prints(t, "sealed", "bob reads: tea is ready\nothers can read it: false; the receipt is a claim: false\n")
}

func TestParcel(t *testing.T) {
	prints(t, "parcel", "bob has 900000 bytes, in 9 parts\nalice knows that 1 has all of it\n")
}

// Each promise of the README names tests, and they exist.
func TestPromises(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "| promise | test |\n|---|---|\n")
	table, _, ok := strings.Cut(table, "\n\n")
	if !ok {
		t.Fatal("no table of promises")
	}
	var sources strings.Builder
	files := map[string]bool{}
	tree := os.DirFS("..")
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && (strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, ".txt")) {
			files[name] = true
			var text []byte
			text, err = fs.ReadFile(tree, name)
			sources.Write(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`\b(?:Test|Fuzz)\w+`)
	file := regexp.MustCompile(`[\w/]+(?:_test\.go|\.txt)`)
	for _, promise := range strings.Split(table, "\n") {
		_, tests, _ := strings.Cut(strings.TrimSuffix(promise, " |"), " | ")
		if tests == "" {
			t.Errorf("no test: %s", promise)
		}
		for _, n := range name.FindAllString(tests, -1) {
			if !strings.Contains(sources.String(), "func "+n+"(") {
				t.Errorf("there is no %s: %s", n, promise)
			}
		}
		for _, f := range file.FindAllString(tests, -1) {
			if !files[f] && !anyEnds(files, "/"+f) {
				t.Errorf("there is no %s: %s", f, promise)
			}
		}
	}
}

func anyEnds(files map[string]bool, end string) bool {
	for f := range files {
		if strings.HasSuffix(f, end) {
			return true
		}
	}
	return false
}
