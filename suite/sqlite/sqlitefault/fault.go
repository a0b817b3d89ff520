// Package sqlitefault opens SQLite databases whose driver fails when it is told
// to, for tests of what is written on top: what is left when the n-th operation
// of a transaction fails, or when the process ends there.
package sqlitefault

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"

	"github.com/causeway-im/causeway/suite/sqlite"
)

// Err is what an operation fails with, wrapped.
var Err = errors.New("injected fault")

// Mode says how an operation fails.
type Mode uint8

const (
	// Before: it is not done.
	Before Mode = iota
	// After: it is done, and reports an error all the same, as when the answer
	// gets lost. Transactions begin and statements are prepared then, too.
	After
	// CrashBefore: it is not done, and nothing works any more, as in a process
	// that has ended. Close and open the database again to see what is left.
	CrashBefore
	// CrashAfter: it is done, and nothing works any more.
	CrashAfter
)

// String returns the name of the mode.
func (m Mode) String() string {
	return [...]string{"before", "after", "crash before", "crash after"}[m]
}

func (m Mode) crashes() bool { return m >= CrashBefore }
func (m Mode) does() bool    { return m == After || m == CrashAfter }

// Faults says when to fail. The zero value never does. It is safe for concurrent
// use.
type Faults struct {
	mu      sync.Mutex
	count   int
	at      int // 0 for never
	mode    Mode
	crashed bool
	failed  string
}

// Arm makes the n-th operation from now fail, counted from 1; 0 makes none fail.
// Operations are to begin and commit a transaction, to prepare a statement, and
// to execute or query one. To roll back is none: it fails only after a crash.
func (f *Faults) Arm(n int, m Mode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count, f.at, f.mode, f.crashed, f.failed = 0, n, m, false, ""
}

// Count returns how many operations there were since Arm.
func (f *Faults) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// Failed says which operation failed, or "" if none did.
func (f *Faults) Failed() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// do does an operation, or fails.
func (f *Faults) do(what string, op func() error) error {
	f.mu.Lock()
	f.count++
	n, mode := f.count, f.mode
	fails := n == f.at
	if f.crashed {
		f.mu.Unlock()
		return fmt.Errorf("%w: the process has ended", Err)
	}
	if fails {
		f.crashed, f.failed = mode.crashes(), what
	}
	f.mu.Unlock()
	if fails && !mode.does() {
		return fmt.Errorf("%w: %s", Err, what)
	}
	err := op()
	if fails && err == nil {
		err = fmt.Errorf("%w: %s was done", Err, what)
	}
	return err
}

func (f *Faults) alive() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crashed {
		return fmt.Errorf("%w: the process has ended", Err)
	}
	return nil
}

// Open opens a database by its data source name, as sqlite.DSN makes it.
func Open(name string, f *Faults) (*sql.DB, error) {
	db, err := sql.Open(sqlite.Driver, name)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return sql.OpenDB(&connector{db.Driver(), name, f}), nil
}

type connector struct {
	driver driver.Driver
	name   string
	faults *Faults
}

func (c *connector) Driver() driver.Driver { return c.driver }

func (c *connector) Connect(context.Context) (driver.Conn, error) {
	if err := c.faults.alive(); err != nil {
		return nil, err
	}
	inner, err := c.driver.Open(c.name)
	if err != nil {
		return nil, err
	}
	return &conn{inner, c.faults}, nil
}

// conn has only the old interfaces and BeginTx: database/sql comes to the
// operations by one way each.
type conn struct {
	driver.Conn
	faults *Faults
}

func (c *conn) Prepare(query string) (s driver.Stmt, err error) {
	err = c.faults.do("prepare "+query, func() error {
		s, err = c.Conn.Prepare(query)
		return err
	})
	if err != nil {
		if s != nil {
			s.Close()
		}
		return nil, err
	}
	return &stmt{s, c.faults, query}, nil
}

func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (t driver.Tx, err error) {
	err = c.faults.do("begin", func() error {
		t, err = c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
		return err
	})
	if err != nil {
		if t != nil { // nobody will end it
			t.Rollback()
		}
		return nil, err
	}
	return &tx{t, c.faults}, nil
}

type stmt struct {
	driver.Stmt
	faults *Faults
	query  string
}

func (s *stmt) Exec(args []driver.Value) (r driver.Result, err error) {
	err = s.faults.do("exec "+s.query, func() error {
		//lint:ignore SA1019 see conn
		r, err = s.Stmt.Exec(args)
		return err
	})
	return r, err
}

func (s *stmt) Query(args []driver.Value) (r driver.Rows, err error) {
	err = s.faults.do("query "+s.query, func() error {
		//lint:ignore SA1019 see conn
		r, err = s.Stmt.Query(args)
		return err
	})
	if err != nil && r != nil {
		r.Close()
		r = nil
	}
	return r, err
}

type tx struct {
	driver.Tx
	faults *Faults
}

// Commit leaves the transaction open when it fails before, as SQLite does when
// it is busy, and some drivers after it.
func (t *tx) Commit() error { return t.faults.do("commit", t.Tx.Commit) }

func (t *tx) Rollback() error {
	if err := t.faults.alive(); err != nil {
		return err
	}
	return t.Tx.Rollback()
}
