package js

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/causeway-im/causeway/suite/peer"
)

// asPeer makes the test binary a peer: its value is the peer.Config.
const asPeer = "CAUSEWAY_TEST_AS_PEER"

// folder is where the JavaScript is.
var folder = filepath.Join("..", "..", "..", "interop", "js")

func TestMain(m *testing.M) {
	if config := os.Getenv(asPeer); config != "" {
		var c peer.Config
		err := json.Unmarshal([]byte(config), &c)
		if err == nil {
			err = peer.Serve(c, os.Stdin, os.Stdout)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	for _, p := range idle.programs {
		p.kill(nil)
	}
	whole := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == ""
	if code == 0 && whole && ready() == nil {
		if err := compareMatrix(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// errNoNode: there is no Node.js here.
var errNoNode = errors.New("no node or no npm: install Node.js 18 or newer")

// ready fetches @waku/sds, once, if it is not here.
var ready = sync.OnceValue(func() error {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			return errNoNode
		}
	}
	// Reading the files makes go test run again when they change.
	for _, name := range []string{"peer.mjs", "package.json", ".npmrc"} {
		if _, err := os.ReadFile(filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	lock, err := os.ReadFile(filepath.Join(folder, "package-lock.json"))
	if err != nil {
		return err
	}
	stamp := filepath.Join(folder, "node_modules", ".causeway-lock") // what was installed
	if old, err := os.ReadFile(stamp); err == nil && bytes.Equal(old, lock) {
		return nil
	}
	c := exec.Command("npm", "ci")
	c.Dir = folder
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci in interop/js: %w\n%s", err, out)
	}
	return os.WriteFile(stamp, lock, 0o644)
})

// need skips a test that can't run here, and fails it where it must run.
func need(t *testing.T) {
	t.Helper()
	err := ready()
	if errors.Is(err, errNoNode) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}
