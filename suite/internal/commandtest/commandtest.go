// Package commandtest builds the program for tests that run it in processes.
package commandtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/causeway-im/causeway/suite/internal/freeport"
)

// Main is the TestMain of a package whose tests start the program: it builds
// that once, puts its path into command, and runs the tests.
func Main(m *testing.M, command *string) {
	folder, err := os.MkdirTemp("", "causeway-test")
	if err == nil {
		*command = filepath.Join(folder, "causeway")
		var out []byte
		if out, err = exec.Command("go", "build", "-o", *command, "github.com/causeway-im/causeway/suite/cmd/causeway").CombinedOutput(); err != nil {
			err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// OtherPorts writes free ports into a script, in the place of those that it names.
func OtherPorts(t testing.TB, script string, ports ...string) string {
	t.Helper()
	var pairs []string
	for _, port := range ports {
		pairs = append(pairs, port, fmt.Sprint(freeport.Port(t)))
	}
	return strings.NewReplacer(pairs...).Replace(script) // at once: a free port may have another's digits
}
