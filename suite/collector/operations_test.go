package collector_test

import (
	"database/sql"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/suite/collector/internal/pgtest"
)

// TestOperationsBackup runs the commands of docs/operations.md that back PostgreSQL up,
// while the service runs, and restore it: what was acknowledged is there again.
func TestOperationsBackup(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	check(t, err)
	block := regexp.MustCompile("(?s)<!-- run by TestOperationsBackup of suite/collector -->\n```sh\n(.*?)```").FindSubmatch(text)
	if block == nil {
		t.Fatal("the page says nothing of it")
	}
	if os.Getenv("CAUSEWAY_TEST_POSTGRES") != "" {
		t.Skip("its user may make schemas, and here databases are made")
	}
	server, err := url.Parse(pgtest.Database(t))
	check(t, err)
	address := func(database string) string {
		u := *server
		q := u.Query()
		q.Del("search_path")
		u.Path, u.RawQuery = "/"+database, q.Encode()
		return u.String()
	}
	db, err := sql.Open("pgx", address("postgres"))
	check(t, err)
	t.Cleanup(func() {
		for _, database := range []string{"telemetry", "restored"} {
			_, err := db.Exec("DROP DATABASE IF EXISTS " + database + " WITH (FORCE)")
			check(t, err)
		}
		db.Close()
	})
	_, err = db.Exec("CREATE DATABASE telemetry")
	check(t, err)

	r := startOn(t, address("telemetry"))
	r.upload(newDevice("a", noon-hour).add(received("green", "m", noon)).upload(noon))
	script := regexp.MustCompile(`postgres://collector@db\.example/(\w+)`).ReplaceAllStringFunc(string(block[1]), func(s string) string {
		return "'" + address(s[strings.LastIndex(s, "/")+1:]) + "'"
	})
	bash := exec.Command("bash", "-e", "-c", script)
	bash.Dir = t.TempDir()
	tools, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // where Debian has them
	bash.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":"+strings.Join(tools, ":"))
	if out, err := bash.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, script, out)
	}
	restored, err := archive.Open(t.Context(), address("restored"))
	check(t, err)
	defer restored.Close()
	if counts := countEvents(t, restored, noon); len(counts) != 1 || counts["install-a 1"] != 1 {
		t.Errorf("in what was restored are %v", counts)
	}
}
