package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/causeway-im/causeway/sds"
)

// SQLOptions configure a SQL store.
type SQLOptions struct {
	// Prefix begins the name of every table and index. It keeps the store apart
	// from the host's tables, and several stores in one database from each other.
	// Lower-case letters, digits and underscores, a letter first. Default
	// "causeway_".
	Prefix string
}

// SQL is a Store in a database of the host: SQLite 3.33 or newer, or SQLCipher
// (interop/sqlcipher), with any driver that takes "?" placeholders. It is safe for concurrent use,
// also by several processes. Make one with OpenSQL.
//
// The database stays the host's: SQL sets no pragma, touches no table without
// its prefix, and never closes the database; it works with a single connection
// (SetMaxOpenConns(1)), too. What the host sets decides what survives:
//
//   - A process that is killed loses no Commit that returned, whatever is set
//     except journal_mode=OFF or MEMORY: those can leave the file damaged.
//   - journal_mode=WAL lets readers go on while one commits. Together with
//     synchronous=NORMAL, a power loss or a crash of the system may take back the
//     last Commits, in order: what is left is the store as it was some seconds
//     ago. To peers that looks like a member who gives a position and a sequence
//     number twice. synchronous=FULL keeps every Commit that returned, for one
//     fsync each.
//   - busy_timeout is how long a Commit waits for another process, or for the
//     host's own writing on another connection, before it fails. At least 5000 ms
//     is wise; with 0 it fails at once.
//
// A Commit that fails because the disk is full or the database is busy changes
// nothing, and the store can be used on.
type SQL struct {
	db     *sql.DB
	prefix string
	// writing holds a token while somebody writes, so that writers of this process
	// queue here, whatever busy_timeout is.
	writing chan struct{}
	// audiences are those that were written of late. Only who holds writing may
	// touch it.
	audiences audienceCache
	prepared  statements // by text with the braces
}

var _ Store = (*SQL)(nil)

var validPrefix = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// OpenSQL makes or updates the tables and returns the store. Tables of a newer
// version, or tables of these names that are not ours, are ErrSchema and stay as
// they are. The database must stay open as long as the store is used.
func OpenSQL(ctx context.Context, db *sql.DB, o SQLOptions) (*SQL, error) {
	if o.Prefix == "" {
		o.Prefix = "causeway_"
	}
	if !validPrefix.MatchString(o.Prefix) {
		return nil, fmt.Errorf("store: prefix %q is not 1 to 64 lower-case letters, digits and underscores", o.Prefix)
	}
	s := &SQL{db: db, prefix: o.Prefix, writing: make(chan struct{}, 1)}
	if err := s.migrate(ctx); err != nil {
		return nil, fmt.Errorf("store: open: %w", err)
	}
	return s, nil
}

// text puts the prefix into a statement.
func (s *SQL) text(query string) string { return strings.ReplaceAll(query, "{p}", s.prefix) }

// write calls f in a transaction of its own and commits it, or undoes it when f
// fails or ctx ends.
func (s *SQL) write(ctx context.Context, f func(*session) error) error {
	select {
	case s.writing <- struct{}{}:
		defer func() { <-s.writing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.transaction(ctx, nil, f)
}

// view calls f in a transaction that sees one state of the store throughout.
func (s *SQL) view(ctx context.Context, f func(*session) error) error {
	return s.transaction(ctx, &sql.TxOptions{ReadOnly: true}, f)
}

func (s *SQL) transaction(ctx context.Context, o *sql.TxOptions, f func(*session) error) error {
	x := &session{ctx: ctx, store: s, statements: map[string]*sql.Stmt{}}
	err := s.within(ctx, o, x, f)
	if err == nil {
		s.prepared.keep(ctx, s, x.fresh) // now that x has no connection any more
	}
	return err
}

// within calls f with x in a transaction.
func (s *SQL) within(ctx context.Context, o *sql.TxOptions, x *session, f func(*session) error) error {
	// Closing a connection of our own waits until database/sql has undone the
	// transaction of a context that ended: who comes next finds no lock.
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return because(ctx, err)
	}
	defer conn.Close()
	tx, err := conn.BeginTx(ctx, o)
	if err != nil {
		return because(ctx, err)
	}
	defer tx.Rollback() // also if f panics; after Commit it does nothing
	x.tx = tx
	if err := f(x); err != nil {
		return because(ctx, err)
	}
	if err := tx.Commit(); err != nil {
		// Some drivers leave the transaction open when COMMIT fails, and
		// database/sql takes it for closed. Without one this is an error, too.
		conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return because(ctx, err)
	}
	return nil
}

// because adds the end of the context to an error that comes from it: drivers
// say "interrupted", database/sql that the transaction is done.
func because(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		return fmt.Errorf("%w: %w", ended, err)
	}
	return err
}

// session runs statements in one transaction. Each is prepared once, when it is
// first needed by the store, or by the transaction if that is the first.
type session struct {
	ctx        context.Context
	store      *SQL
	tx         *sql.Tx
	statements map[string]*sql.Stmt
	fresh      []string // that the store does not have prepared
}

func (x *session) prepare(query string) (*sql.Stmt, error) {
	if st := x.statements[query]; st != nil {
		return st, nil
	}
	// Either is closed with the transaction.
	if kept := x.store.prepared.of(query); kept != nil {
		x.statements[query] = x.tx.StmtContext(x.ctx, kept)
		return x.statements[query], nil
	}
	st, err := x.tx.PrepareContext(x.ctx, x.store.text(query))
	if err != nil {
		return nil, err
	}
	x.statements[query], x.fresh = st, append(x.fresh, query)
	return st, nil
}

// exec returns how many rows were changed.
func (x *session) exec(query string, args ...any) (int64, error) {
	st, err := x.prepare(query)
	if err != nil {
		return 0, err
	}
	r, err := st.ExecContext(x.ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// row scans the only row of a query and tells whether there is one.
func (x *session) row(query string, args, dest []any) (bool, error) {
	found := false
	err := x.rows(query, args, func(scan scanner) error {
		found = true
		err := scan(dest...)
		if err != nil && x.ctx.Err() == nil {
			err = fmt.Errorf("%w: %s: %w", ErrCorrupt, x.store.text(query), err)
		}
		return err
	})
	return found, err
}

// scanner reads the columns of a row.
type scanner func(dest ...any) error

// rows calls f for every row of a query.
func (x *session) rows(query string, args []any, f func(scanner) error) error {
	st, err := x.prepare(query)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(x.ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// corrupt says which record can't be read. cause may be nil.
func (x *session) corrupt(table string, ch sds.ChannelID, id string, cause error) error {
	if x.ctx.Err() != nil && cause != nil {
		return cause // the row was taken away while it was read
	}
	err := fmt.Errorf("store: %w: table %s%s, channel %q, id %q", ErrCorrupt, x.store.prefix, table, short(ch), short(id))
	if cause != nil {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

// blob binds a string as the bytes that it is.
func blob[T ~string](s T) []byte { return append([]byte{}, s...) }
