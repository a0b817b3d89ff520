package book

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/causeway-im/causeway/suite/internal/commandtest"
)

// patience is how long the commands of a page may take.
const patience = 3 * time.Minute

// command is the program, built once.
var command string

func TestMain(m *testing.M) { commandtest.Main(m, &command) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// needs skips a test where a tool is missing, except in CI.
func needs(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}

// commandBlock is a block of commands in a page, and the comment before it.
var commandBlock = regexp.MustCompile("(?s)(<!-- run by [^\n]+ -->\n)?```sh\n(.*?)```")

// commands returns the commands of a page, but for those that another test runs.
func commands(t *testing.T, page string) (all string) {
	t.Helper()
	for _, m := range commandBlock.FindAllStringSubmatch(read(t, page), -1) {
		if m[1] == "" {
			all += m[2]
		}
	}
	if all == "" {
		t.Fatalf("%s has no commands", page)
	}
	return all
}

// read returns a page.
func read(t *testing.T, page string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", page))
	check(t, err)
	return string(b)
}

// bash runs commands in a folder, and returns what they print.
func bash(t *testing.T, folder, script string, env ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", "set -e -o pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"+script)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		logs := ""
		files, _ := filepath.Glob(filepath.Join(folder, "*.log"))
		for _, f := range files {
			b, _ := os.ReadFile(f)
			logs += fmt.Sprintf("\n%s:\n%s", f, b[max(0, len(b)-2000):])
		}
		t.Fatalf("%v\n%s%s", err, out, logs)
	}
	return string(out)
}

// inOrder makes sure that a text has parts, one after the other.
func inOrder(t *testing.T, text string, parts ...string) {
	t.Helper()
	at := 0
	for _, part := range parts {
		i := strings.Index(text[at:], part)
		if i < 0 {
			t.Fatalf("there is no %q after the first %d bytes of:\n%s", part, at, text)
		}
		at += i + len(part)
	}
}

// TestGuide begins as a reader does, in a folder beside a checkout. What the page says
// that is printed is printed.
func TestGuide(t *testing.T) {
	needs(t, "bash")
	root, err := filepath.Abs("../..")
	check(t, err)
	folder := t.TempDir()
	check(t, os.Symlink(root, filepath.Join(folder, "causeway")))
	settings, err := exec.Command("go", "env", "GOMODCACHE", "GOPROXY").Output()
	check(t, err)
	cache, proxy, _ := strings.Cut(strings.TrimSpace(string(settings)), "\n")
	// Most of what the driver needs is here, in the versions of suite.
	downloads := "file://" + filepath.ToSlash(filepath.Join(cache, "cache", "download")) + "," + proxy
	out := bash(t, folder, commands(t, "docs/guide.md"), "GOPROXY="+downloads, "GOSUMDB=off", "GOFLAGS=", "GOWORK=")
	var want []string
	for _, m := range regexp.MustCompile("(?s)```sh\n[^`]*```\n+(?:It prints\n\n)?```\n(.*?)```").FindAllStringSubmatch(read(t, "docs/guide.md"), -1) {
		want = append(want, strings.TrimSpace(m[1]))
	}
	if len(want) != 3 {
		t.Errorf("the page says of %d blocks what they print", len(want))
	}
	inOrder(t, out, want...)
}

// TestOperations runs the commands of docs/operations.md, with other ports and the
// program that is built already.
func TestOperations(t *testing.T) {
	needs(t, "bash", "curl", "sqlite3")
	const page = "docs/operations.md"
	script := commands(t, page)
	build := "go build -o causeway ./suite/cmd/causeway\n"
	if !strings.Contains(script, build) {
		t.Fatal("the page does not build the program")
	}
	folder := t.TempDir()
	check(t, os.Symlink(command, filepath.Join(folder, "causeway")))
	script = strings.Replace(script, build, "", 1)
	script = commandtest.OtherPorts(t, script, "8641", "8642", "8643", "8080")
	out := bash(t, folder, script)
	inOrder(t, out, `"status":"ok"`, `"messages":0`, `"peers":[`, `"id":"`, "the first ends with 1\n", "OK", "OK")
	text := read(t, page)
	t.Run("metrics", func(t *testing.T) {
		served, err := os.ReadFile(filepath.Join(folder, "metrics.txt"))
		check(t, err)
		sameNames(t, regexp.MustCompile(`causeway_node_[a-z_]+`).FindAllString(text, -1),
			firsts(regexp.MustCompile(`(?m)^# TYPE (causeway_node_[a-z_]+)`).FindAllStringSubmatch(string(served), -1)))
	})
	t.Run("data folder", func(t *testing.T) {
		for _, member := range []string{"alice", "bob"} {
			files, err := os.ReadDir(filepath.Join(folder, "ops", member))
			check(t, err)
			for _, f := range files {
				name := strings.TrimSuffix(strings.TrimSuffix(f.Name(), "-wal"), "-shm")
				if !strings.Contains(text, "| `"+name+"`") {
					t.Errorf("the page says nothing of %s", f.Name())
				}
			}
		}
	})
	t.Run("flags", func(t *testing.T) {
		help, err := exec.Command(command, "node", "--help").Output()
		check(t, err)
		_, section, _ := strings.Cut(text, "| | flags |")
		section, _, _ = strings.Cut(section, "\n\n")
		flags := firsts(regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z-]+)`).FindAllStringSubmatch(string(help), -1))
		flags = slices.DeleteFunc(flags, func(f string) bool { return f == "help" })
		sameNames(t, firsts(regexp.MustCompile("`--([a-z-]+)`").FindAllStringSubmatch(section, -1)), flags)
	})
}

// firsts returns the first group of each match.
func firsts(matches [][]string) (names []string) {
	for _, m := range matches {
		names = append(names, m[1])
	}
	return names
}

// sameNames makes sure that a page names what there is, and nothing else.
func sameNames(t *testing.T, told, there []string) {
	t.Helper()
	slices.Sort(told)
	slices.Sort(there)
	if told, there = slices.Compact(told), slices.Compact(there); !slices.Equal(told, there) {
		t.Errorf("the page has\n%s\nthere are\n%s", strings.Join(told, "\n"), strings.Join(there, "\n"))
	}
}

// TestReadme runs what README.md says to begin with: the demo in a form that does not
// take a minute. That make test does what it says is not tried from within it.
func TestReadme(t *testing.T) {
	needs(t, "bash", "make")
	folder := t.TempDir()
	chat := filepath.Join(folder, "chat.jsonl")
	check(t, os.WriteFile(chat, []byte(`{"t": 0, "event": "msg", "member": 0, "bytes": 5, "text": "hello"}
{"t": 1, "event": "msg", "member": 2, "bytes": 3, "text": "bye"}
`), 0o600))
	short := strings.NewReplacer("go run ./suite/cmd/causeway demo", command+" demo --members 4 --offline none --trace "+chat,
		"go run ./suite/cmd/causeway", command)
	for line := range strings.Lines(commands(t, "README.md")) {
		words := strings.Fields(line)
		if words[0] == "make" {
			recipe, err := exec.Command("make", "-n", "-C", "../..", "--no-print-directory", words[1]).Output()
			check(t, err)
			if line = string(recipe); words[1] == "test" && strings.Contains(line, "go test work") {
				continue
			}
		}
		out := bash(t, folder, short.Replace(line))
		if words[0] == "make" {
			inOrder(t, out, "4 members wrote 2 messages", "OK: all 4 logs are identical")
		} else {
			inOrder(t, out, "content message, lip dialect")
		}
	}
}
