package mutation

import (
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the folder of the module.
const root = "../.."

var (
	failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	hung   = regexp.MustCompile(`panic: test timed out after \S+\s+running tests:\s+(\S+)`)
)

// part is which share of the gate make test has time for: every part-th bug. All
// take a quarter of an hour, in make nightly.
const part = 8

// TestGate requires every mutation to be noticed. To see what one of them does:
//
//	go test ./internal/mutation -run 'TestGate/ancestors' -v
func TestGate(t *testing.T) {
	for i, m := range All {
		if os.Getenv("CAUSEWAY_NIGHTLY") != "1" && i%part != 0 {
			continue
		}
		t.Run(strings.SplitN(m.Name, ":", 2)[0], func(t *testing.T) {
			t.Parallel()
			by, out := run(t, m)
			if by == "" {
				t.Errorf("%s: no test notices\n%s", m.Name, out)
				return
			}
			t.Logf("%s: noticed by %s", m.Name, by)
		})
	}
}

// TestGateIsOpen runs the same tests on the code as it is: a gate that always
// fails proves nothing.
func TestGateIsOpen(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"sds/doc.go", "doc.go"} {
		if by, out := run(t, Mutation{File: file}); by != "" {
			t.Errorf("without a mutation %s fails:\n%s", by, out)
		}
	}
}

// run returns the first tests that fail under m, or "".
func run(t *testing.T, m Mutation) (by, output string) {
	args := []string{"test", "-count=1", "-failfast", "-vet=off", "-timeout=150s"}
	if path.Dir(m.File) == "." { // of the node's tests those that are about what is mutated
		args = append(args, "-run", "TestEveryCommit|TestOwnMessages|TestSilence|TestMissing|TestStore|TestUnreliable|TestCloseLeaves|TestSuspend")
	}
	if m.Tests != "" {
		args = append(args, "-run", m.Tests)
	}
	if m.Old != "" {
		args = append(args, "-overlay", overlay(t, m))
	}
	return goTest(t, append(args, "./"+path.Dir(m.File)))
}

func goTest(t *testing.T, args []string) (by, output string) {
	cmd := exec.Command("go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CAUSEWAY_NIGHTLY=") // as make test has them: a bug must be noticed there
	out, err := cmd.CombinedOutput()
	if err == nil {
		return "", string(out)
	}
	if m := hung.FindSubmatch(out); m != nil {
		return string(m[1]) + " (it hangs)", string(out)
	}
	names := failed.FindAllSubmatch(out, -1)
	if len(names) == 0 {
		t.Fatalf("go %v: %v, but no test failed\n%s", args, err, out) // it does not compile
	}
	var list []string
	for _, n := range names[:min(len(names), 3)] {
		list = append(list, string(n[1]))
	}
	return strings.Join(list, ", "), string(out)
}

// Every mutation still applies: its text stands once in its file.
func TestMutationsApply(t *testing.T) {
	for _, m := range All {
		source, err := os.ReadFile(filepath.Join(root, m.File))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(source), m.Old); n != 1 {
			t.Errorf("%s: its text stands %d times in %s", m.Name, n, m.File)
		}
	}
}

// overlay writes the mutated file and returns the overlay that replaces it.
func overlay(t *testing.T, m Mutation) string {
	path, err := filepath.Abs(filepath.Join(root, m.File))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), m.Old); n != 1 {
		t.Fatalf("%s no longer applies: its text stands %d times in %s", m.Name, n, m.File)
	}
	mutated := filepath.Join(t.TempDir(), filepath.Base(path))
	if err := os.WriteFile(mutated, []byte(strings.Replace(string(source), m.Old, m.New, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{path: mutated}})
	if err != nil {
		t.Fatal(err)
	}
	file := mutated + ".json"
	if err := os.WriteFile(file, list, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Names of subtests must tell mutations apart.
func TestNamesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range All {
		if seen[m.Name] || m.Old == m.New || m.File == "" {
			t.Errorf("%q is there twice or changes nothing", m.Name)
		}
		seen[m.Name] = true
	}
}
