package examples

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The README shows core as it is, and what it prints is true.
func TestCore(t *testing.T) {
	source, err := os.ReadFile("core/main.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```go\n"+string(source)+"```\n") {
		t.Error("the README does not show examples/core/main.go as it is")
	}
	out, err := exec.Command("go", "run", "./core").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const want = `alice: 1. who wants tea?
alice: 2. anyone?
bob: a message of alice is missing
bob: 1. who wants tea?
bob: 2. anyone?
bob: a message of alice is recovered
bob: 3. me
alice: 3. me
alice knows who has her question: [bob]
`
	if string(out) != want {
		t.Errorf("it prints\n%s", out)
	}
}
