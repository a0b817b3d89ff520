// Package sqlite opens SQLite databases for programs of the suite, with the
// settings that a store of Causeway wants. It uses modernc.org/sqlite, which
// needs no C compiler.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// ErrNotDatabase: the file is something else than a SQLite database, or it is
// encrypted.
var ErrNotDatabase = errors.New("not a SQLite database")

// BusyTimeout is how long a statement waits for another process.
const BusyTimeout = 10 * time.Second

// Driver is the name that Open's driver has in database/sql, for programs that
// wrap it.
const Driver = "sqlite"

// Open opens or makes the database in a file. A new file can be read and written
// by its owner only, and so can the files -wal and -shm that SQLite puts beside
// it. The context limits the opening alone; the caller closes the database.
//
// Settings, on every connection:
//
//   - journal_mode=WAL: readers go on while one writes, and a process that is
//     killed loses nothing that was committed.
//   - synchronous=FULL: neither does a machine that loses power. It costs one
//     fsync for each commit. With NORMAL the last commits could be undone, and a
//     member that forgot what it said gives positions and sequence numbers twice.
//   - busy_timeout of 10 s, for several processes on one file.
//
// WAL needs shared memory: a file on a network share is refused.
func Open(ctx context.Context, path string) (*sql.DB, error) {
	name, err := DSN(path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	// SQLite would make the file with what the umask leaves.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	db, err := sql.Open(Driver, name)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	if err := patiently(ctx, func() error { return probe(ctx, db) }); err != nil {
		db.Close()
		return nil, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	return db, nil
}

// DSN returns the name by which the driver opens a file as Open does.
func DSN(path string) (string, error) {
	if path == "" {
		return "", errors.New("no path")
	}
	full, err := filepath.Abs(path) // also makes ":memory:" a file like others
	if err != nil {
		return "", err
	}
	full = filepath.ToSlash(full)
	if !strings.HasPrefix(full, "/") { // C:/…
		full = "/" + full
	}
	q := url.Values{"_pragma": {
		fmt.Sprintf("busy_timeout(%d)", BusyTimeout.Milliseconds()), "journal_mode(WAL)", "synchronous(FULL)"}}
	return "file://" + (&url.URL{Path: full}).EscapedPath() + "?" + q.Encode(), nil
}

// patiently repeats f while the database is busy. Of several programs that make
// one file at the same time, SQLite lets one switch to WAL, and refuses the others
// at once: busy_timeout does not count there.
func patiently(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, BusyTimeout)
	defer cancel()
	for {
		err := f()
		if !isCode(err, lib.SQLITE_BUSY) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// isCode tells whether an error is SQLite's with this primary code.
func isCode(err error, code int) bool {
	var e *driver.Error
	return errors.As(err, &e) && e.Code()&0xff == code
}

// probe finds out whether the file is a database that we can use.
func probe(ctx context.Context, db *sql.DB) error {
	var mode string
	err := db.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode)
	if err == nil {
		var tables int // reads the first page, which the pragma may not
		err = db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master`).Scan(&tables)
	}
	switch {
	case isCode(err, lib.SQLITE_NOTADB):
		return fmt.Errorf("%w: %w", ErrNotDatabase, err)
	case err != nil:
		return err
	case mode != "wal":
		return fmt.Errorf("the file system does not support journal_mode=WAL: SQLite uses %q", mode)
	}
	return nil
}
