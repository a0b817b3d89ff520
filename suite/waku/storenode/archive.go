package storenode

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/causeway-im/causeway/suite/waku/wire"
)

// schemaVersion is what this program writes.
const schemaVersion = 1

// schema makes the tables. Rows are numbered as they arrive, and forgotten in
// that order: the times that senders give don't decide it. The first index serves
// queries by topic without looking at rows, the second those without a topic.
const schema = `
CREATE TABLE IF NOT EXISTS storenode_schema (version INTEGER NOT NULL);
INSERT INTO storenode_schema SELECT 1 WHERE NOT EXISTS (SELECT * FROM storenode_schema);
CREATE TABLE IF NOT EXISTS storenode_messages (
	seq INTEGER PRIMARY KEY,
	kept INTEGER NOT NULL, -- when it arrived, in ns
	time INTEGER NOT NULL, -- when its sender says that it was sent, in ns
	hash BLOB NOT NULL UNIQUE,
	pubsub_topic TEXT NOT NULL,
	content_topic TEXT NOT NULL,
	message BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS storenode_by_topic ON storenode_messages (pubsub_topic, content_topic, time, hash);
CREATE INDEX IF NOT EXISTS storenode_by_time ON storenode_messages (time, hash);
`

// errNoCursor: the message that a cursor names is not there.
var errNoCursor = errors.New("cursor not found")

// archive is the table of messages. Readers may be concurrent; there is one
// writer.
type archive struct{ db *sql.DB }

func openArchive(ctx context.Context, db *sql.DB) (archive, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return archive{}, err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, schema); err != nil {
		return archive{}, err
	}
	var version int
	if err := tx.QueryRowContext(ctx, `SELECT max(version) FROM storenode_schema`).Scan(&version); err != nil {
		return archive{}, err
	}
	if version != schemaVersion {
		return archive{}, fmt.Errorf("tables are of version %d, this program knows %d", version, schemaVersion)
	}
	return archive{db}, tx.Commit()
}

// position is a place in the order of messages: by time, then by hash.
type position struct {
	time int64
	hash [32]byte
}

func (p position) compare(o position) int {
	return cmp.Or(cmp.Compare(p.time, o.time), slices.Compare(p.hash[:], o.hash[:]))
}

// criteria say which messages a page has.
type criteria struct {
	query *wire.StoreQuery
	limit int // messages
	bytes int // of messages; one may go beyond it
	kept  int64
}

// page returns the entries of a page from oldest to newest, and the cursor for
// the next.
func (a archive) page(ctx context.Context, c criteria) (entries []wire.StoreEntry, cursor []byte, err error) {
	tx, err := a.db.BeginTx(ctx, nil) // one state of the table for all that is read
	if err != nil {
		return nil, nil, err
	}
	defer tx.Rollback()
	var after *position
	if c.query.Cursor != nil {
		if after, err = findCursor(ctx, tx, c.query.Cursor); err != nil {
			return nil, nil, err
		}
	}
	found, err := c.find(ctx, tx, after)
	if err != nil {
		return nil, nil, err
	}
	more := len(found) > c.limit
	found = found[:min(len(found), c.limit)]
	if c.query.IncludeData {
		var full bool
		entries, full, err = c.load(ctx, tx, found)
		if err != nil {
			return nil, nil, err
		}
		more = more || full
	} else {
		for _, f := range found {
			entries = append(entries, wire.StoreEntry{Hash: f.hash})
		}
	}
	if more {
		cursor = slices.Clone(entries[len(entries)-1].Hash[:])
	}
	if !c.query.Forward {
		slices.Reverse(entries)
	}
	return entries, cursor, nil
}

func findCursor(ctx context.Context, tx *sql.Tx, cursor []byte) (*position, error) {
	var at position
	if len(cursor) != len(at.hash) {
		return nil, errNoCursor
	}
	copy(at.hash[:], cursor)
	err := tx.QueryRowContext(ctx, `SELECT time FROM storenode_messages WHERE hash = ?`, cursor).Scan(&at.time)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoCursor
	}
	return &at, err
}

// row is where a message is.
type row struct {
	position
	seq int64
}

// find returns up to limit+1 rows in the direction of the query. Each content
// topic is a query of its own, so that the index gives its rows in order.
func (c criteria) find(ctx context.Context, tx *sql.Tx, after *position) ([]row, error) {
	topics := slices.Clone(c.query.ContentTopics)
	slices.Sort(topics)
	topics = slices.Compact(topics)
	if len(topics) == 0 {
		topics = []string{""} // any
	}
	var found []row
	for _, topic := range topics {
		text, args := c.statement(topic, after)
		rows, err := tx.QueryContext(ctx, text, args...)
		if err != nil {
			return nil, err
		}
		if found, err = appendRows(found, rows); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(found, func(x, y row) int {
		if c.query.Forward {
			return x.compare(y.position)
		}
		return y.compare(x.position)
	})
	return found[:min(len(found), c.limit+1)], nil
}

func appendRows(to []row, rows *sql.Rows) ([]row, error) {
	defer rows.Close()
	for rows.Next() {
		var r row
		var hash sql.RawBytes
		if err := rows.Scan(&r.seq, &r.time, &hash); err != nil {
			return nil, err
		}
		copy(r.hash[:], hash)
		to = append(to, r)
	}
	return to, rows.Err()
}

// statement returns the query for the rows of one content topic, or of all.
func (c criteria) statement(topic string, after *position) (text string, args []any) {
	var where []string
	and := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	q := c.query
	if len(q.Hashes) > 0 {
		hashes := make([]any, len(q.Hashes))
		for i := range q.Hashes {
			hashes[i] = q.Hashes[i][:]
		}
		and("hash IN (?"+strings.Repeat(", ?", len(hashes)-1)+")", hashes...)
	}
	if q.PubsubTopic != "" {
		and("pubsub_topic = ?", q.PubsubTopic)
	}
	if topic != "" {
		and("content_topic = ?", topic)
	}
	if q.TimeStart != nil {
		and("time >= ?", *q.TimeStart)
	}
	if q.TimeEnd != nil {
		and("time < ?", *q.TimeEnd)
	}
	if c.kept != math.MaxInt64 {
		and("kept <= ?", c.kept)
	}
	comparison, order := "<", "DESC"
	if q.Forward {
		comparison, order = ">", "ASC"
	}
	if after != nil {
		and("(time, hash) "+comparison+" (?, ?)", after.time, after.hash[:])
	}
	text = "SELECT seq, time, hash FROM storenode_messages"
	if len(where) > 0 {
		text += " WHERE " + strings.Join(where, " AND ")
	}
	text += fmt.Sprintf(" ORDER BY time %[1]s, hash %[1]s LIMIT %[2]d", order, c.limit+1)
	return text, args
}

// load returns the messages of rows until they are c.bytes together; full means
// that it left some out.
func (c criteria) load(ctx context.Context, tx *sql.Tx, found []row) (entries []wire.StoreEntry, full bool, err error) {
	get, err := tx.PrepareContext(ctx, `SELECT message, pubsub_topic FROM storenode_messages WHERE seq = ?`)
	if err != nil {
		return nil, false, err
	}
	defer get.Close()
	total := 0
	for _, f := range found {
		e := wire.StoreEntry{Hash: f.hash}
		if err := get.QueryRowContext(ctx, f.seq).Scan(&e.Message, &e.PubsubTopic); err != nil {
			return nil, false, err
		}
		if total += len(e.Message); total > c.bytes && len(entries) > 0 {
			return entries, true, nil
		}
		entries = append(entries, e)
	}
	return entries, false, nil
}

// kept is a message on its way into the archive.
type kept struct {
	position
	pubsubTopic, contentTopic string
	message                   []byte
	at                        int64 // when it arrived, in ns
}

// write adds messages, and then forgets the oldest until there are limits.count,
// and those that arrived before limits.before. It returns how many were new, and
// how many were forgotten. It does all of it or nothing.
func (a archive) write(ctx context.Context, batch []kept, limits limits) (added, expired int, err error) {
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, 0, err
	}
	defer tx.Rollback()
	put, err := tx.PrepareContext(ctx, `INSERT INTO storenode_messages
		(kept, time, hash, pubsub_topic, content_topic, message) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
	if err != nil {
		return 0, 0, err
	}
	defer put.Close()
	for i := range batch {
		k := &batch[i]
		n, err := affected(put.ExecContext(ctx, k.at, k.time, k.hash[:], k.pubsubTopic, k.contentTopic, k.message))
		if err != nil {
			return 0, 0, err
		}
		added += n
	}
	if expired, err = limits.expire(ctx, tx, added); err != nil {
		return 0, 0, err
	}
	return added, expired, tx.Commit()
}

// limits bound what the archive keeps.
type limits struct {
	count  int64 // messages before this write
	most   int64 // messages; 0 for no bound
	before int64 // in ns; 0 for no bound
}

// expireAtOnce bounds the messages that one write forgets, so that it stays short.
const expireAtOnce = 2000

func (l limits) expire(ctx context.Context, tx *sql.Tx, added int) (expired int, err error) {
	// Rows are in the order in which they arrived, so the oldest are looked at
	// alone.
	const oldest = ` FROM storenode_messages ORDER BY seq LIMIT ?`
	if l.before > 0 {
		expired, err = affected(tx.ExecContext(ctx, `DELETE FROM storenode_messages
			WHERE seq IN (SELECT seq`+oldest+`) AND kept < ?`, expireAtOnce, l.before))
		if err != nil {
			return 0, err
		}
	}
	if excess := l.count + int64(added-expired) - l.most; l.most > 0 && excess > 0 {
		n, err := affected(tx.ExecContext(ctx, `DELETE FROM storenode_messages
			WHERE seq IN (SELECT seq`+oldest+`)`, excess))
		if err != nil {
			return 0, err
		}
		expired += n
	}
	return expired, nil
}

// forget deletes what chosen says and returns how much that was.
func (a archive) forget(ctx context.Context, chosen func(hash [32]byte) bool) (n int, err error) {
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	rows, err := tx.QueryContext(ctx, `SELECT seq, time, hash FROM storenode_messages`)
	if err != nil {
		return 0, err
	}
	all, err := appendRows(nil, rows)
	if err != nil {
		return 0, err
	}
	for _, r := range all {
		if !chosen(r.hash) {
			continue
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM storenode_messages WHERE seq = ?`, r.seq); err != nil {
			return 0, err
		}
		n++
	}
	return n, tx.Commit()
}

func (a archive) count(ctx context.Context) (n int64, err error) {
	err = a.db.QueryRowContext(ctx, `SELECT count(*) FROM storenode_messages`).Scan(&n)
	return n, err
}

func affected(r sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	return int(n), err
}
