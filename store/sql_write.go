package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/causeway-im/causeway/sds"
)

// Epoch implements Store.
func (s *SQL) Epoch(ctx context.Context) (epoch uint64, err error) {
	err = s.write(ctx, func(x *session) error {
		if _, err := x.exec(`UPDATE {p}counter SET value = value + 1 WHERE name = 'epoch'`); err != nil {
			return err
		}
		epoch, err = x.counter("epoch")
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("store: epoch: %w", err)
	}
	return epoch, nil
}

func (x *session) counter(name string) (uint64, error) {
	var v int64
	found, err := x.row(`SELECT value FROM {p}counter WHERE name = ?`, []any{name}, []any{&v})
	if err == nil && (!found || v < 0) {
		err = x.corrupt("counter", "", name, nil)
	}
	return uint64(v), err
}

func (x *session) setCounter(name string, v uint64) error {
	_, err := x.exec(`UPDATE {p}counter SET value = ? WHERE name = ?`, int64(v), name)
	return err
}

// Commit implements Store.
func (s *SQL) Commit(ctx context.Context, b *Batch) error {
	if err := check(b); err != nil {
		return err
	}
	err := s.write(ctx, func(x *session) error { return x.batch(b) })
	if err != nil {
		return fmt.Errorf("store: commit: %w", err)
	}
	return nil
}

// Write implements Store.
func (s *SQL) Write(ctx context.Context, f func(Tx) error) error {
	err := s.write(ctx, func(x *session) error {
		// As in batch: the lock first.
		if _, err := x.exec(`UPDATE {p}counter SET value = value WHERE name = 'epoch'`); err != nil {
			return err
		}
		return f(sqlTx{x})
	})
	if err != nil {
		return fmt.Errorf("store: write: %w", err)
	}
	return nil
}

func (x *session) batch(b *Batch) error {
	// The fence is a write that changes nothing. It takes the lock before anything
	// is read: a transaction that reads first fails in WAL mode, without waiting,
	// when somebody else writes between its reading and its writing.
	current, err := x.exec(`UPDATE {p}counter SET value = value WHERE name = 'epoch' AND value = ?`, int64(b.Epoch))
	if err != nil {
		return err
	}
	if current == 0 {
		return ErrFenced
	}
	for i := range b.Channels {
		if err := x.channelBatch(&b.Channels[i]); err != nil {
			return err
		}
	}
	if err := x.addEvents(b.Events); err != nil {
		return err
	}
	if err := x.forgetEvents(b.Forget); err != nil {
		return err
	}
	for key, v := range b.Values {
		if err := x.setValue(key, v); err != nil {
			return err
		}
	}
	if b.Inside != nil {
		return b.Inside(sqlTx{x})
	}
	return nil
}

// sqlTx is what Batch.Inside gets.
type sqlTx struct{ x *session }

func (t sqlTx) SQL() *sql.Tx { return t.x.tx }

func (t sqlTx) Append(journal string, data []byte) error { return t.AppendMany(journal, 1, data) }

func (t sqlTx) AppendMany(journal string, n int, data []byte) error {
	if err := checkMany(n); err != nil {
		return err
	}
	// One statement, since this is on the path of every message that somebody
	// observes: the number is above all that are there and journal.last, which is
	// where those were that Forget deleted.
	const insert = `INSERT INTO {p}entry (journal, seq, data)
		SELECT num, ? + max(last, coalesce((SELECT max(seq) FROM {p}entry WHERE journal = num), 0)), ? FROM {p}journal WHERE name = ?`
	name := blob(journal)
	added, err := t.x.exec(insert, n, orNil(data), name)
	if err != nil || added > 0 {
		return err
	}
	if _, err = t.x.exec(`INSERT INTO {p}journal (name, last) VALUES (?, 0)`, name); err == nil {
		_, err = t.x.exec(insert, n, orNil(data), name)
	}
	return err
}

func (t sqlTx) Forget(journal string, first, last uint64) error {
	name := blob(journal)
	_, err := t.x.exec(`UPDATE {p}journal SET last = max(last, coalesce((SELECT max(seq) FROM {p}entry WHERE journal = num), 0))
		WHERE name = ?`, name)
	if err != nil {
		return err
	}
	_, err = t.x.exec(`DELETE FROM {p}entry WHERE seq >= ? AND seq <= ? AND journal = (SELECT num FROM {p}journal WHERE name = ?)`,
		clamp(first), clamp(last), name)
	return err
}

func (t sqlTx) Value(key string) ([]byte, error) { return t.x.value(key) }

func (t sqlTx) Set(key string, value []byte) error { return t.x.setValue(key, value) }

func (x *session) addEvents(events []Event) error {
	if len(events) == 0 {
		return nil
	}
	newest, err := x.counter("newest")
	if err != nil {
		return err
	}
	if err := checkFollows(events, Cursor(newest)); err != nil {
		return err
	}
	for i := range events {
		e := &events[i]
		_, err := x.exec(`INSERT INTO {p}event (cursor, channel, at, kind, id, data)
			VALUES (?, coalesce(?, x''), ?, ?, coalesce(?, x''), ?)`,
			int64(e.Cursor), blob(e.Channel), int64(e.At), int64(e.Kind), blob(e.ID), orNil(e.Data))
		if err != nil {
			return err
		}
	}
	return x.setCounter("newest", uint64(events[len(events)-1].Cursor))
}

func (x *session) forgetEvents(upTo Cursor) error {
	if upTo == 0 {
		return nil
	}
	newest, err := x.counter("newest")
	if err != nil {
		return err
	}
	forgotten, err := x.counter("forgotten")
	if err != nil {
		return err
	}
	upTo = min(upTo, Cursor(newest))
	if uint64(upTo) <= forgotten {
		return nil
	}
	if _, err := x.exec(`DELETE FROM {p}event WHERE cursor <= ?`, int64(upTo)); err != nil {
		return err
	}
	return x.setCounter("forgotten", uint64(upTo))
}

func (x *session) setValue(key string, v []byte) (err error) {
	if v == nil {
		_, err = x.exec(`DELETE FROM {p}value WHERE key = ?`, blob(key))
		return err
	}
	_, err = x.exec(`INSERT INTO {p}value (key, value) VALUES (coalesce(?, x''), coalesce(?, x''))
		ON CONFLICT (key) DO UPDATE SET value = excluded.value`, blob(key), v)
	return err
}

// channelBatch writes one channel.
func (x *session) channelBatch(b *ChannelBatch) error {
	if b.Drop {
		if err := x.drop(b.Channel); err != nil {
			return err
		}
	}
	if b.empty() {
		return nil
	}
	num, found, err := x.channel(b.Channel)
	if err == nil && !found {
		if _, err = x.exec(`INSERT INTO {p}channel (id) VALUES (?)`, blob(b.Channel)); err == nil {
			num, _, err = x.channel(b.Channel)
		}
	}
	if err != nil {
		return err
	}
	return (&channelWriter{session: x, id: b.Channel, num: num}).write(b)
}

// drop deletes a channel and everything of it.
func (x *session) drop(ch sds.ChannelID) error {
	id := blob(ch)
	if _, err := x.exec(`DELETE FROM {p}event WHERE channel = ?`, id); err != nil {
		return err
	}
	from := channelPrefix(ch)
	to := from[:len(from)-1] + "0" // the byte after "/"
	if _, err := x.exec(`DELETE FROM {p}value WHERE key >= ? AND key < ?`, blob(from), blob(to)); err != nil {
		return err
	}
	for _, query := range []string{
		`DELETE FROM {p}seen WHERE outgoing IN (SELECT num FROM {p}outgoing
			WHERE channel = (SELECT num FROM {p}channel WHERE id = ?))`,
		`DELETE FROM {p}outgoing WHERE channel = (SELECT num FROM {p}channel WHERE id = ?)`,
		`DELETE FROM {p}audience WHERE channel = (SELECT num FROM {p}channel WHERE id = ?)`,
		`DELETE FROM {p}person WHERE channel = (SELECT num FROM {p}channel WHERE id = ?)`,
		`DELETE FROM {p}transition WHERE channel = (SELECT num FROM {p}channel WHERE id = ?)`,
		`DELETE FROM {p}gap WHERE channel = (SELECT num FROM {p}channel WHERE id = ?)`,
		`DELETE FROM {p}sealed WHERE channel = (SELECT num FROM {p}channel WHERE id = ?)`,
		`DELETE FROM {p}message WHERE channel = (SELECT num FROM {p}channel WHERE id = ?)`,
		`DELETE FROM {p}channel WHERE id = ?`,
	} {
		if _, err := x.exec(query, id); err != nil {
			return err
		}
	}
	return nil
}
