package reliability

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/causeway-im/causeway"
)

// Migrations are numbered from 1 without holes. One that was released is never
// changed: a new one follows it.
//
//go:embed migrations/*.sql
var migrations embed.FS

const (
	// keepMessages is how long stores of the network keep envelopes: older hints fetch
	// nothing, and nobody acknowledges that late.
	keepMessages = 30 * 24 * time.Hour
	// pruneEvery is how many messages come between two looks for old ones.
	pruneEvery = 1000
	// maxMessages is from how many on those of others are forgotten: anybody can make us
	// note one.
	maxMessages = 200_000
	// tableTimeout is how long one statement may take.
	tableTimeout = 30 * time.Second
	// maxUndelivered bounds what Start looks at.
	maxUndelivered = 10_000
)

// table has a row for each message of the last 30 days: what the application calls
// it, and how others fetch it. It is safe for concurrent use.
type table struct {
	db     *sql.DB
	prefix string
	now    func() time.Time
	limit  int // of messages: maxMessages

	mu    sync.Mutex
	added int
}

// own is a message of ours.
type own struct {
	channel string
	id      causeway.MessageID
	app     string
}

// openTable makes or updates the table. The store has checked the prefix.
func openTable(ctx context.Context, db *sql.DB, prefix string, now func() time.Time) (*table, error) {
	t := &table{db: db, prefix: prefix, now: now, limit: maxMessages}
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return nil, err
	}
	for version := 1; version <= len(files); version++ {
		if err := t.migrate(ctx, version); err != nil {
			return nil, fmt.Errorf("migrating %sstatus_messages to version %d: %w", prefix, version, err)
		}
	}
	return t, t.prune(ctx)
}

// migrate takes one step, unless it was taken.
func (t *table) migrate(ctx context.Context, version int) error {
	step, err := migrations.ReadFile(fmt.Sprintf("migrations/%d.sql", version))
	if err != nil {
		return err
	}
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, t.text(`CREATE TABLE IF NOT EXISTS {p}status_version (version INTEGER PRIMARY KEY)`)); err != nil {
		return err
	}
	result, err := tx.ExecContext(ctx, t.text(`INSERT INTO {p}status_version (version) VALUES (?) ON CONFLICT DO NOTHING`), version)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return err
	}
	for _, statement := range strings.Split(string(step), ";\n") {
		if _, err := tx.ExecContext(ctx, t.text(statement)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (t *table) text(query string) string { return strings.ReplaceAll(query, "{p}", t.prefix) }

func (t *table) exec(query string, args ...any) (changed bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), tableTimeout)
	defer cancel()
	result, err := t.db.ExecContext(ctx, t.text(query), args...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// row reads one row, and tells whether there is one.
func (t *table) row(query string, args []any, into ...any) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), tableTimeout)
	defer cancel()
	err := t.db.QueryRowContext(ctx, t.text(query), args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// compose notes a message of ours. One that is sent again keeps its first name.
func (t *table) compose(m own) error {
	if err := t.pruneSometimes(); err != nil {
		return err
	}
	_, err := t.exec(`INSERT INTO {p}status_messages (channel, sds_id, app_id, at, delivered) VALUES (?, ?, ?, ?, 0)
		ON CONFLICT (channel, sds_id) DO UPDATE SET app_id = excluded.app_id WHERE app_id = ''`,
		m.channel, string(m.id), m.app, t.now().Unix())
	return err
}

// receive notes a message that came, and tells whether it is the first copy. A hint
// that is there already stays.
func (t *table) receive(channel string, id causeway.MessageID, hint []byte) (first bool, err error) {
	if err := t.pruneSometimes(); err != nil {
		return false, err
	}
	first, err = t.exec(`INSERT INTO {p}status_messages (channel, sds_id, app_id, hint, at, delivered) VALUES (?, ?, '', ?, ?, 0)
		ON CONFLICT DO NOTHING`, channel, string(id), hint, t.now().Unix())
	if err == nil && !first && hint != nil {
		_, err = t.exec(`UPDATE {p}status_messages SET hint = ? WHERE channel = ? AND sds_id = ? AND hint IS NULL`, hint, channel, string(id))
	}
	return first, err
}

// setHint says in which envelopes a message of ours went out last.
func (t *table) setHint(id causeway.MessageID, hint []byte) error {
	_, err := t.exec(`UPDATE {p}status_messages SET hint = ? WHERE sds_id = ? AND app_id <> ''`, hint, string(id))
	return err
}

func (t *table) hint(id causeway.MessageID) (hint []byte, err error) {
	_, err = t.row(`SELECT hint FROM {p}status_messages WHERE sds_id = ? AND hint IS NOT NULL LIMIT 1`, []any{string(id)}, &hint)
	return hint, err
}

// named returns our messages with this value of a column, the newest first.
func (t *table) named(column, value string) (all []own, err error) {
	return t.owns(`SELECT channel, sds_id, app_id FROM {p}status_messages WHERE `+column+` = ? AND app_id <> '' ORDER BY at DESC LIMIT ?`, value, maxUndelivered)
}

// alias returns what the application calls a message, and whether it knows already
// that somebody has it. app is empty for a message that is not ours.
func (t *table) alias(channel string, id causeway.MessageID) (app string, delivered bool, err error) {
	_, err = t.row(`SELECT app_id, delivered FROM {p}status_messages WHERE channel = ? AND sds_id = ?`, []any{channel, string(id)}, &app, &delivered)
	return app, delivered, err
}

func (t *table) markDelivered(channel string, id causeway.MessageID) error {
	_, err := t.exec(`UPDATE {p}status_messages SET delivered = 1 WHERE channel = ? AND sds_id = ?`, channel, string(id))
	return err
}

// undelivered returns the newest messages of ours that nobody is known to have.
func (t *table) undelivered() ([]own, error) {
	return t.owns(`SELECT channel, sds_id, app_id FROM {p}status_messages WHERE app_id <> '' AND delivered = 0 ORDER BY at DESC LIMIT ?`, maxUndelivered)
}

func (t *table) owns(query string, args ...any) (all []own, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), tableTimeout)
	defer cancel()
	rows, err := t.db.QueryContext(ctx, t.text(query), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var m own
		if err := rows.Scan(&m.channel, &m.id, &m.app); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, rows.Err()
}

func (t *table) pruneSometimes() error {
	t.mu.Lock()
	t.added++
	due := t.added%pruneEvery == 0
	t.mu.Unlock()
	if !due {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), tableTimeout)
	defer cancel()
	return t.prune(ctx)
}

// prune forgets what is old and, of others', what is too much.
func (t *table) prune(ctx context.Context) error {
	_, err := t.db.ExecContext(ctx, t.text(`DELETE FROM {p}status_messages WHERE at < ? OR app_id = '' AND at <
		ifnull((SELECT at FROM {p}status_messages ORDER BY at DESC LIMIT 1 OFFSET ?), 0)`), t.now().Add(-keepMessages).Unix(), t.limit)
	return err
}
