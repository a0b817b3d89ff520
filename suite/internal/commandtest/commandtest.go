// Package commandtest builds the program for tests that run it in processes.
package commandtest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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

// OtherPorts writes free ports into a script, in the place of those that it names. They
// are below those that systems give to whoever asks for any, so that nobody else has
// taken one when the script gets there.
func OtherPorts(t testing.TB, script string, ports ...string) string {
	t.Helper()
	for _, port := range ports {
		for {
			free := fmt.Sprint(10_000 + rand.IntN(20_000))
			l, err := net.Listen("tcp", "127.0.0.1:"+free)
			if err != nil {
				continue // somebody has it
			}
			defer l.Close() // when all are chosen: no two are the same
			script = strings.ReplaceAll(script, port, free)
			break
		}
	}
	return script
}
