package qa

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/causeway-im/causeway/suite/internal/commandtest"
)

// TestGuide runs the commands of docs/qa.md as they stand, but for the ports and for
// the program, which is built already.
func TestGuide(t *testing.T) {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil && os.Getenv("CI") != "true" {
			t.Skip(err)
		}
	}
	b, err := os.ReadFile("../../docs/qa.md")
	check(t, err)
	script := "set -e -o pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
	for _, block := range strings.Split(string(b), "```sh\n")[1:] {
		commands, _, _ := strings.Cut(block, "```")
		script += commands
	}
	build := "go build -o causeway ./suite/cmd/causeway\n"
	if !strings.Contains(script, build) {
		t.Fatal("the guide does not build the program")
	}
	folder := t.TempDir()
	check(t, os.Symlink(command, filepath.Join(folder, "causeway")))
	script = strings.Replace(script, build, "", 1)
	script = commandtest.OtherPorts(t, script, "8641", "8642", "8643")
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	bash := exec.CommandContext(ctx, "bash", "-c", script)
	bash.Dir = folder
	bash.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	bash.Cancel = func() error { return syscall.Kill(-bash.Process.Pid, syscall.SIGKILL) }
	bash.WaitDelay = time.Second
	out, err := bash.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	at := 0
	for _, want := range []string{`"participant":"carol"`, `"action":"drop"`, `"state":"missing"`, `"state":"recovered"`, `"level":"everyone"`, `"same":true`} {
		i := strings.Index(string(out)[at:], want)
		if i < 0 {
			t.Fatalf("the guide does not show %s after the first %d bytes of:\n%s", want, at, out)
		}
		at += i
	}
}
