package archive

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/causeway-im/causeway/suite/sqlite"
)

//go:embed sqlite.sql
var sqliteSchema string

//go:embed postgres.sql
var postgresSchema string

//go:embed results.sql
var resultsSchema string

// version is that of the tables.
const version = 1

// ErrVersion: the database was made by a newer program, or by something else.
var ErrVersion = errors.New("the database has tables of another version")

// SQL is an Archive in a SQL database. Make one with Open.
type SQL struct {
	db *sql.DB
	// writer is db for PostgreSQL. For SQLite it has one connection, so that writers
	// wait here, in order, and not in its busy loop.
	writer   *sql.DB
	postgres bool

	mu         sync.Mutex
	channels   map[string]Channel // some that are in the database
	partitions map[Day]bool       // of events, that exist
}

var _ Archive = (*SQL)(nil)

// Open opens an archive by its name: a postgres:// or postgresql:// address, of a
// database that belongs to collectors alone, or the path of a SQLite file. Tables
// and views are made if there are none.
func Open(ctx context.Context, name string) (*SQL, error) {
	if strings.HasPrefix(name, "postgres://") || strings.HasPrefix(name, "postgresql://") {
		return OpenPostgres(ctx, name)
	}
	return OpenSQLite(ctx, name)
}

// OpenSQLite opens an archive in a file, for one collector at a time.
func OpenSQLite(ctx context.Context, path string) (*SQL, error) {
	probe, err := sqlite.Open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	defer probe.Close()
	name, err := sqlite.DSN(path)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	db, err := sql.Open(sqlite.Driver, name+"&_pragma=temp_store(MEMORY)&_pragma=cache_size(-4096)")
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	db.SetMaxOpenConns(6)
	db.SetMaxIdleConns(6)
	writer, err := sql.Open(sqlite.Driver, name+"&_txlock=immediate&_pragma=temp_store(MEMORY)&_pragma=cache_size(-131072)&_pragma=wal_autocheckpoint(4000)")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("archive: %w", err), db.Close())
	}
	writer.SetMaxOpenConns(1)
	s := &SQL{db: db, writer: writer, channels: map[string]Channel{}, partitions: map[Day]bool{}}
	if err := s.prepare(ctx, sqliteSchema); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// OpenPostgres opens an archive in a PostgreSQL database, 13 or newer, which several
// collectors may share.
func OpenPostgres(ctx context.Context, address string) (*SQL, error) {
	db, err := sql.Open("pgx", address)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	db.SetMaxOpenConns(12)
	db.SetMaxIdleConns(12)
	s := &SQL{db: db, writer: db, postgres: true, channels: map[string]Channel{}, partitions: map[Day]bool{}}
	if err := s.prepare(ctx, postgresSchema); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// prepare makes the tables unless they are there.
func (s *SQL) prepare(ctx context.Context, schema string) error {
	err := s.write(ctx, func(tx *tx) error {
		if s.postgres { // of several collectors that start, one makes the tables
			if err := tx.exec(`SELECT pg_advisory_xact_lock(7215620123)`); err != nil {
				return err
			}
		}
		have, err := tx.hasTable("archive_version")
		if err != nil {
			return err
		}
		if have {
			var v int
			if err := tx.row(`SELECT version FROM archive_version`).Scan(&v); err != nil {
				return err
			}
			if v != version {
				return fmt.Errorf("%w: %d, want %d", ErrVersion, v, version)
			}
			return tx.script(s.views())
		}
		results := resultsSchema
		if s.postgres {
			results = strings.ReplaceAll(results, " BLOB ", " BYTEA ")
		}
		return tx.script(schema + results + s.views())
	})
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	return nil
}

// Ping tells whether the archive can be used.
func (s *SQL) Ping(ctx context.Context) error {
	var one int
	return s.db.QueryRowContext(ctx, `SELECT 1 FROM service WHERE id = 1`).Scan(&one)
}

// Close closes the database.
func (s *SQL) Close() error { return errors.Join(s.db.Close(), s.writer.Close()) }

// DB is the database, for those who read its views.
func (s *SQL) DB() *sql.DB { return s.db }

// tx is a transaction with the placeholders of its database.
type tx struct {
	*sql.Tx
	ctx context.Context
	s   *SQL
}

// write runs f in a transaction.
func (s *SQL) write(ctx context.Context, f func(*tx) error) error {
	return s.run(ctx, s.writer, &sql.TxOptions{}, f)
}

// read runs f in a transaction that sees one state of the database.
func (s *SQL) read(ctx context.Context, f func(*tx) error) error {
	o := &sql.TxOptions{ReadOnly: true}
	if s.postgres {
		o.Isolation = sql.LevelRepeatableRead
	}
	return s.run(ctx, s.db, o, f)
}

func (s *SQL) run(ctx context.Context, db *sql.DB, o *sql.TxOptions, f func(*tx) error) error {
	t, err := db.BeginTx(ctx, o)
	if err != nil {
		return err
	}
	if err := f(&tx{t, ctx, s}); err != nil {
		return errors.Join(err, ignoreDone(t.Rollback()))
	}
	return t.Commit()
}

// ignoreDone forgets that a transaction is over: its context was.
func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// bind writes the placeholders of a query, "?", as the database wants them.
func (s *SQL) bind(query string) string {
	if !s.postgres {
		return query
	}
	var b strings.Builder
	n := 0
	for _, r := range query {
		if r != '?' {
			b.WriteRune(r)
			continue
		}
		n++
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
	}
	return b.String()
}

func (t *tx) exec(query string, args ...any) error {
	_, err := t.ExecContext(t.ctx, t.s.bind(query), args...)
	return err
}

// count is how many rows a statement changed.
func (t *tx) count(query string, args ...any) (int64, error) {
	r, err := t.ExecContext(t.ctx, t.s.bind(query), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (t *tx) row(query string, args ...any) *sql.Row {
	return t.QueryRowContext(t.ctx, t.s.bind(query), args...)
}

// each calls f for every row.
func (t *tx) each(f func(*sql.Rows) error, query string, args ...any) error {
	rows, err := t.QueryContext(t.ctx, t.s.bind(query), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// maxParameters is how many values one statement takes. SQLite's driver looks through
// all values for each of them, so that many are slow.
func (t *tx) maxParameters() int {
	if t.s.postgres {
		return 8000
	}
	return 400
}

// bulk runs a statement for many rows of values: head, (?, ?, …), (?, ?, …), tail. f
// gets what it returns and may be nil.
func (t *tx) bulk(head string, columns int, tail string, values []any, f func(*sql.Rows) error) error {
	return t.bulkOf("?", head, columns, tail, values, f)
}

// integer is a placeholder whose type the database can't find out by itself.
const integer = "CAST(? AS BIGINT)"

func (t *tx) bulkOf(cell, head string, columns int, tail string, values []any, f func(*sql.Rows) error) error {
	tuple := "(" + strings.TrimSuffix(strings.Repeat(cell+",", columns), ",") + ")"
	for len(values) > 0 {
		n := min(len(values), t.maxParameters()/columns*columns)
		query := head + " " + strings.TrimSuffix(strings.Repeat(tuple+",", n/columns), ",") + " " + tail
		var err error
		if f == nil {
			err = t.exec(query, values[:n]...)
		} else {
			err = t.each(f, query, values[:n]...)
		}
		if err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}

// script runs statements that have no parameters.
func (t *tx) script(text string) error {
	for _, statement := range strings.Split(text, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := t.ExecContext(t.ctx, statement); err != nil {
			return fmt.Errorf("%w in %s", err, statement)
		}
	}
	return nil
}

func (t *tx) hasTable(name string) (bool, error) {
	query := `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?`
	if t.s.postgres {
		query = `SELECT count(*) FROM pg_class WHERE oid = to_regclass(?)`
	}
	n := 0
	err := t.row(query, name).Scan(&n)
	return n > 0, err
}
