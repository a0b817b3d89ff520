// Package pgtest gives tests a real PostgreSQL: one cluster for each test process,
// made when the first test asks, and a schema of its own for each test, which costs
// less than a database.
//
// With CAUSEWAY_TEST_POSTGRES set to the postgres:// address of a server whose user
// may make schemas, that server is used. Otherwise initdb and postgres have to be
// on this machine, in PATH or where Debian puts them; run by root, they run as the
// user postgres or nobody. Where they are missing the test is skipped, and fails if
// CI=true.
package pgtest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// patience is how long the cluster may take to start.
const patience = 60 * time.Second

var (
	mu     sync.Mutex
	server *cluster
	number atomic.Int64
)

// errMissing: there is no PostgreSQL on this machine.
var errMissing = errors.New("PostgreSQL is not installed: apt-get install postgresql, or set CAUSEWAY_TEST_POSTGRES")

// cluster is a server that this process has started, or one that was there.
type cluster struct {
	address string // of the database postgres
	dir     string
	life    io.Closer // it ends when this is closed
	done    chan struct{}
}

// Database returns the address of a database without tables, whose content goes with
// the test.
func Database(t testing.TB) string {
	t.Helper()
	c, err := start()
	if errors.Is(err, errMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("causeway_test_%d_%d", os.Getpid(), number.Add(1))
	if err := c.run(`CREATE SCHEMA ` + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.run(`DROP SCHEMA ` + name + ` CASCADE`); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(c.address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}

// Stop ends the cluster, if there is one. TestMain calls it.
func Stop() {
	mu.Lock()
	defer mu.Unlock()
	if server == nil || server.life == nil {
		return
	}
	server.life.Close()
	<-server.done
	os.RemoveAll(server.dir)
	server = nil
}

// Main runs the tests of a package and stops the cluster.
func Main(m *testing.M) {
	code := m.Run()
	Stop()
	os.Exit(code)
}

func start() (*cluster, error) {
	mu.Lock()
	defer mu.Unlock()
	if server != nil {
		return server, nil
	}
	if address := os.Getenv("CAUSEWAY_TEST_POSTGRES"); address != "" {
		server = &cluster{address: address}
		return server, nil
	}
	c, err := launch()
	if err != nil {
		return nil, err
	}
	server = c
	return server, nil
}

// launch makes and starts a cluster that listens on a socket in its own folder only.
func launch() (*cluster, error) {
	initdb, err := find("initdb")
	if err != nil {
		return nil, err
	}
	postgres, err := find("postgres")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "causeway-pg")
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: dir, done: make(chan struct{})}
	data := filepath.Join(dir, "data")
	// Only what a test checks has to survive: no test cuts the power.
	cmd := exec.Command(initdb, "--no-sync", "--auth=trust", "--username=causeway", "--encoding=UTF8", "--locale=C", "-D", data)
	err = asOther(cmd, dir)
	if err == nil {
		var out []byte
		if out, err = cmd.CombinedOutput(); err != nil {
			err = fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
		}
	}
	if err == nil {
		err = c.serve(postgres, data)
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return c, nil
}

// serve starts the server. The shell around it ends it when this process closes a
// pipe, or ends in whatever way.
func (c *cluster) serve(postgres, data string) error {
	cmd := exec.Command("sh", "-c", `"$@" >"$0/log" 2>&1 & cat >/dev/null; kill -INT $!; wait`, c.dir,
		postgres, "-D", data, "-k", c.dir, "-c", "listen_addresses=", "-c", "fsync="+fsync(), "-c", "max_connections=60", "-c", "shared_buffers=64MB")
	if err := asOther(cmd, c.dir); err != nil {
		return err
	}
	life, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.life = life
	go func() {
		cmd.Wait()
		close(c.done)
	}()
	c.address = "postgres://causeway@/postgres?host=" + url.QueryEscape(c.dir)
	for end := time.Now().Add(patience); ; {
		err := c.run(`SELECT 1`)
		if err == nil {
			return nil
		}
		select {
		case <-c.done:
			return c.failed(errors.New("it ended"))
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(end) {
			life.Close()
			return c.failed(err)
		}
	}
}

// fsync is off but for benchmarks of what is durable.
func fsync() string {
	if os.Getenv("CAUSEWAY_TEST_FSYNC") != "" {
		return "on"
	}
	return "off"
}

func (c *cluster) failed(err error) error {
	log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
	return fmt.Errorf("postgres: %w: %s", err, bytes.TrimSpace(log))
}

func (c *cluster) run(query string) error {
	db, err := sql.Open("pgx", c.address)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err = db.ExecContext(ctx, query)
	return err
}

// find finds a program of PostgreSQL: the newest, if Debian has several.
func find(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		return "", errMissing
	}
	return found[len(found)-1], nil
}

// other finds the user that PostgreSQL runs as for root: it refuses to be root.
func other() (uid, gid int, err error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, e := user.Lookup(name)
		if e != nil {
			err = e
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err = errors.Join(err1, err2); err == nil {
			return uid, gid, nil
		}
	}
	return 0, 0, err
}
