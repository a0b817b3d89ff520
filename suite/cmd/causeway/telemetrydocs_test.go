package main

import (
	"bufio"
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// The commands of docs/telemetry.md work: each is run, on a file of its own and a port
// that is free.
func TestTelemetryGuide(t *testing.T) {
	guide, err := os.ReadFile("../../../docs/telemetry.md")
	if err != nil {
		t.Fatal(err)
	}
	var serves [][]string
	var asked []string
	forgets := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllSubmatch(guide, -1) {
		for line := range strings.Lines(string(block[1])) {
			words := strings.Fields(line)
			switch {
			case strings.HasPrefix(line, "causeway telemetry serve"):
				serves = append(serves, words[3:])
			case strings.HasPrefix(line, "causeway telemetry demo"):
				guideDemo(t, words[1:])
			case strings.HasPrefix(line, "causeway telemetry forget"):
				guideForget(t, words[1:])
				forgets++
			case strings.HasPrefix(line, "curl -s "):
				asked = append(asked, strings.TrimPrefix(strings.Trim(words[2], `"`), "http://127.0.0.1:8080"))
			case !strings.HasPrefix(line, "createdb ") && !strings.HasPrefix(line, "sqlite3 ") && !strings.HasPrefix(line, "pg_dump "):
				t.Errorf("nobody tests %q", line)
			}
		}
	}
	if len(serves) != 3 || len(asked) != 4 || forgets != 1 {
		t.Fatalf("%d ways to serve, %d queries, %d times forget", len(serves), len(asked), forgets)
	}
	for i, args := range serves {
		url, stop := guideServe(t, args)
		paths := []string{"/health"}
		if i == 0 {
			paths = asked
		}
		for _, path := range paths {
			resp, err := http.Get(url + path)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", path, resp.Status)
			}
		}
		stop()
	}
}

// guideDemo runs the demonstration, shorter than it is.
func guideDemo(t *testing.T, args []string) {
	t.Helper()
	var out, errOut bytes.Buffer
	if code := run(newRoot(), append(args, "--once", "--speed=3600", "--members=12"), strings.NewReader(""), &out, &errOut); code != 0 {
		t.Errorf("demo: exit code %d, %s", code, errOut.String())
	}
	for _, want := range []string{"The page: http://127.0.0.1:", "names it: an outage of everybody", "the old formula says"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demonstration does not say %q:\n%s", want, out.String())
		}
	}
}

// guideForget deletes what a node has recorded.
func guideForget(t *testing.T, args []string) {
	t.Helper()
	t.Chdir(t.TempDir())
	data := args[len(args)-1]
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	tellsAll(t, data)
	var out, errOut bytes.Buffer
	if code := run(newRoot(), args, strings.NewReader(""), &out, &errOut); code != 0 || !strings.HasPrefix(out.String(), "Deleted: 41 events that were not uploaded, ") {
		t.Errorf("forget: exit code %d, %s%s", code, &out, &errOut)
	}
}

// guideServe starts a service in a process of its own, and returns its address and
// what stops it in good order.
func guideServe(t *testing.T, args []string) (url string, stop func()) {
	t.Helper()
	dir := t.TempDir()
	for i := range args {
		switch {
		case args[i] == "127.0.0.1:8080":
			args[i] = "127.0.0.1:0"
		case strings.HasPrefix(args[i], "postgres://"):
			args[i] = "telemetry.db" // PostgreSQL is tested where it is used
		case strings.HasSuffix(args[i], ".txt"):
			if err := os.WriteFile(filepath.Join(dir, args[i]), []byte("secret\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !strings.Contains(strings.Join(args, " "), "--listen") {
		args = append(args, "--listen", "127.0.0.1:0")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{"telemetry", "serve"}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stderr = dir, append(os.Environ(), asCommand+"=1"), os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	lines.Scan()
	url, ok := strings.CutPrefix(lines.Text(), "listening on ")
	if !ok {
		t.Fatalf("serve %v says %q", args, lines.Text())
	}
	return url, func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("serve %v: %v", args, err)
		}
	}
}
