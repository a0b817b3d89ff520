package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

func TestOpen(t *testing.T) {
	ctx := context.Background()
	for _, name := range []string{"plain.db", "with space & 100% ?x=#y.db", ":memory:", "ü"} {
		path := filepath.Join(t.TempDir(), name)
		db, err := Open(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(`CREATE TABLE t (x)`); err != nil {
			t.Fatal(err)
		}
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "10000"} {
			var got string
			if err := db.QueryRow(`PRAGMA ` + pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s: %s = %q, %v, want %s", name, pragma, got, err, want)
			}
		}
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if info, err := os.Stat(path + suffix); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
				t.Errorf("%s%s: %v, %v", name, suffix, info, err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if db, err = Open(ctx, path); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(`INSERT INTO t VALUES (1)`); err != nil {
			t.Errorf("%s: table is gone after reopening: %v", name, err)
		}
		db.Close()
	}
}

func TestOpenRefuses(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("this is not a database, it is a text that is longer than the header of one: that has 100 bytes\n\n\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, text); !errors.Is(err, ErrNotDatabase) {
		t.Errorf("text file: %v", err)
	}
	for _, path := range []string{"", dir, filepath.Join(dir, "no folder", "x.db")} {
		if db, err := Open(ctx, path); err == nil {
			db.Close()
			t.Errorf("%q was opened", path)
		}
	}
}

// TestOpenTogether: several programs may make the same file.
func TestOpenTogether(t *testing.T) {
	for i := range 10 {
		path := filepath.Join(t.TempDir(), fmt.Sprint(i, ".db"))
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				db, err := Open(context.Background(), path)
				if err != nil {
					t.Error(err)
					return
				}
				defer db.Close()
				if _, err := db.Exec(`CREATE TABLE IF NOT EXISTS t (x)`); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
}
