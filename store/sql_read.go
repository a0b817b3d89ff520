package store

import (
	"context"
	"fmt"
	"math"

	"github.com/causeway-im/causeway/sds"
)

// reading calls f in a transaction and says what failed.
func (s *SQL) reading(ctx context.Context, what string, f func(*session) error) error {
	if err := s.view(ctx, f); err != nil {
		return fmt.Errorf("store: %s: %w", what, err)
	}
	return nil
}

// clamp makes an unsigned bound fit for a comparison with a column.
func clamp[T ~uint64](v T) int64 { return int64(min(v, math.MaxInt64)) }

// atMost makes a limit fit for LIMIT, where a negative one means none.
func atMost(limit int) int64 { return int64(max(limit, 0)) }

// Channels implements Store.
func (s *SQL) Channels(ctx context.Context) (ids []sds.ChannelID, err error) {
	err = s.reading(ctx, "channels", func(x *session) error {
		return x.rows(`SELECT id FROM {p}channel ORDER BY id`, nil, func(scan scanner) error {
			var id []byte
			if err := scan(&id); err != nil {
				return x.corrupt("channel", "", "", err)
			}
			ids = append(ids, sds.ChannelID(id))
			return nil
		})
	})
	return ids, err
}

// channel returns the number of a channel.
func (x *session) channel(ch sds.ChannelID) (num int64, found bool, err error) {
	found, err = x.row(`SELECT num FROM {p}channel WHERE id = ?`, []any{blob(ch)}, []any{&num})
	return num, found, err
}

// Lookup implements Store.
func (s *SQL) Lookup(ctx context.Context, ch sds.ChannelID, ids []sds.MessageID) ([]sds.Lookup, error) {
	answers := make([]sds.Lookup, len(ids))
	err := s.reading(ctx, "lookup", func(x *session) error {
		num, found, err := x.channel(ch)
		if err != nil {
			return err
		}
		for i, id := range ids {
			answers[i].ID = id
			if !found {
				continue
			}
			err := x.messages(ch, `SELECT `+messageColumns+` FROM {p}message m WHERE m.channel = ? AND m.id = ? AND m.state = 1`,
				[]any{num, blob(id)}, func(m sds.MessageRecord) {
					answers[i] = sds.Lookup{ID: id, Known: true, Sender: m.Sender, Reach: m.Reach}
				})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answers, nil
}

// messageColumns are what scanMessage reads, first.
const messageColumns = `m.id, m.state, m.lamport, m.position, m.record`

// scanMessage reads a row of messageColumns and more.
func (x *session) scanMessage(ch sds.ChannelID, scan scanner, more ...any) (m sds.MessageRecord, err error) {
	var id, record []byte
	var state uint8
	var lamport, position int64
	if err := scan(append([]any{&id, &state, &lamport, &position, &record}, more...)...); err != nil {
		return m, x.corrupt("message", ch, string(id), err)
	}
	m.ID, m.State = sds.MessageID(id), sds.MessageState(state)
	m.Lamport, m.Position = uint64(lamport), sds.Position(position)
	if !decodeMessage(&m, record) || lamport < 0 || position < 0 {
		return m, x.corrupt("message", ch, string(id), nil)
	}
	return m, nil
}

// messages calls f for every message of a query of messageColumns.
func (x *session) messages(ch sds.ChannelID, query string, args []any, f func(sds.MessageRecord)) error {
	return x.rows(query, args, func(scan scanner) error {
		m, err := x.scanMessage(ch, scan)
		if err == nil {
			f(m)
		}
		return err
	})
}

// withBytes joins what a Message has beside its record.
const withBytes = `, s.num, s.bytes, s.plain, o.num, o.record FROM {p}message m
	LEFT JOIN {p}sealed s ON s.channel = m.channel AND s.id = m.id
	LEFT JOIN {p}outgoing o ON o.channel = m.channel AND o.id = m.id`

// fullMessage reads a row of messageColumns and withBytes.
func (x *session) fullMessage(ch sds.ChannelID, scan scanner) (m Message, err error) {
	var sealed, outgoing []byte
	var sealedRow, outgoingRow *int64 // drivers return empty bytes as nil: only these tell whether there is a row
	m.MessageRecord, err = x.scanMessage(ch, scan, &sealedRow, &sealed, &m.Plain, &outgoingRow, &outgoing)
	if err != nil {
		return m, err
	}
	m.Plain = orNil(m.Plain)
	if sealedRow != nil {
		m.Sealed = append([]byte{}, sealed...)
	}
	if outgoingRow != nil {
		var o sds.OutgoingRecord
		if !decodeOutgoing(&o, outgoing) {
			return m, x.corrupt("outgoing", ch, string(m.ID), nil)
		}
		m.Draft = o.Draft
	}
	return m, nil
}

// Message implements Store.
func (s *SQL) Message(ctx context.Context, ch sds.ChannelID, id sds.MessageID) (m Message, err error) {
	err = s.reading(ctx, "message", func(x *session) error {
		found := false
		err := x.rows(`SELECT `+messageColumns+withBytes+` WHERE m.channel = (SELECT num FROM {p}channel WHERE id = ?) AND m.id = ?`,
			[]any{blob(ch), blob(id)}, func(scan scanner) (err error) {
				found = true
				m, err = x.fullMessage(ch, scan)
				return err
			})
		if err == nil && !found {
			err = ErrNotFound
		}
		return err
	})
	if err != nil {
		return Message{}, err
	}
	return m, nil
}

// Log implements Store.
func (s *SQL) Log(ctx context.Context, ch sds.ChannelID, q LogQuery) (page []Message, err error) {
	from := withBytes
	if q.NoBytes {
		from = ` FROM {p}message m`
	}
	where, args := q.where()
	query := `SELECT ` + messageColumns + from + ` WHERE m.state = 1 AND m.channel = ? AND ` + where + ` LIMIT ?`
	err = s.reading(ctx, "log", func(x *session) error {
		num, found, err := x.channel(ch)
		if err != nil || !found {
			return err
		}
		all := append(append([]any{num}, args...), atMost(q.Limit))
		return x.rows(query, all, func(scan scanner) error {
			var m Message
			var err error
			if q.NoBytes {
				m.MessageRecord, err = x.scanMessage(ch, scan)
			} else {
				m, err = x.fullMessage(ch, scan)
			}
			page = append(page, m)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// where returns the condition and order of a page.
func (q *LogQuery) where() (string, []any) {
	switch {
	case q.ByPosition && q.Descending:
		before := clamp(q.AfterPosition)
		if before == 0 {
			return `m.position <= ? ORDER BY m.position DESC`, []any{int64(math.MaxInt64)}
		}
		return `m.position < ? ORDER BY m.position DESC`, []any{before}
	case q.ByPosition:
		return `m.position > ? ORDER BY m.position`, []any{clamp(q.AfterPosition)}
	case q.Descending && q.After == (sds.Place{}):
		return `m.lamport <= ? ORDER BY m.lamport DESC, m.id DESC`, []any{int64(math.MaxInt64)}
	case q.Descending:
		return `(m.lamport, m.id) < (?, ?) ORDER BY m.lamport DESC, m.id DESC`, []any{clamp(q.After.Lamport), blob(q.After.ID)}
	}
	return `(m.lamport, m.id) > (?, ?) ORDER BY m.lamport, m.id`, []any{clamp(q.After.Lamport), blob(q.After.ID)}
}

// Digest implements Store.
func (s *SQL) Digest(ctx context.Context, ch sds.ChannelID) (Digest, error) {
	d := newDigester()
	err := s.reading(ctx, "digest", func(x *session) error {
		num, found, err := x.channel(ch)
		if err != nil || !found {
			return err
		}
		return x.rows(`SELECT id FROM {p}message WHERE state = 1 AND channel = ? ORDER BY lamport, id`, []any{num},
			func(scan scanner) error {
				var id []byte
				if err := scan(&id); err != nil {
					return x.corrupt("message", ch, "", err)
				}
				d.add(id)
				return nil
			})
	})
	if err != nil {
		return Digest{}, err
	}
	return d.digest(), nil
}

// Gaps implements Store.
func (s *SQL) Gaps(ctx context.Context, ch sds.ChannelID, after sds.MessageID, limit int) (gaps []Gap, err error) {
	err = s.reading(ctx, "gaps", func(x *session) error {
		return x.rows(`SELECT id, record FROM {p}gap WHERE channel = (SELECT num FROM {p}channel WHERE id = ?) AND id > ?
			ORDER BY id LIMIT ?`, []any{blob(ch), blob(after), atMost(limit)}, func(scan scanner) error {
			var id, record []byte
			if err := scan(&id, &record); err != nil {
				return x.corrupt("gap", ch, string(id), err)
			}
			g := Gap{Gap: sds.Gap{ID: sds.MessageID(id)}}
			if !decodeGap(&g, record) {
				return x.corrupt("gap", ch, string(id), nil)
			}
			gaps = append(gaps, g)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return gaps, nil
}

// Events implements Store.
func (s *SQL) Events(ctx context.Context, ch sds.ChannelID, after Cursor, limit int) (events []Event, err error) {
	query := `SELECT cursor, channel, at, kind, id, data FROM {p}event WHERE cursor > ? ORDER BY cursor LIMIT ?`
	args := []any{clamp(after), atMost(limit)}
	if ch != "" {
		query = `SELECT cursor, channel, at, kind, id, data FROM {p}event WHERE channel = ? AND cursor > ? ORDER BY cursor LIMIT ?`
		args = append([]any{blob(ch)}, args...)
	}
	err = s.reading(ctx, "events", func(x *session) error {
		return x.rows(query, args, func(scan scanner) error {
			var e Event
			var cursor int64
			var channel, id []byte
			if err := scan(&cursor, &channel, &e.At, &e.Kind, &id, &e.Data); err != nil {
				return x.corrupt("event", sds.ChannelID(channel), fmt.Sprint("cursor ", cursor), err)
			}
			e.Cursor, e.Channel, e.ID, e.Data = Cursor(cursor), sds.ChannelID(channel), sds.MessageID(id), orNil(e.Data)
			events = append(events, e)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return events, nil
}

// Cursors implements Store.
func (s *SQL) Cursors(ctx context.Context) (forgotten, newest Cursor, err error) {
	err = s.reading(ctx, "cursors", func(x *session) error {
		f, err := x.counter("forgotten")
		if err != nil {
			return err
		}
		n, err := x.counter("newest")
		forgotten, newest = Cursor(f), Cursor(n)
		return err
	})
	return forgotten, newest, err
}

// Value implements Store.
func (s *SQL) Value(ctx context.Context, key string) (v []byte, err error) {
	err = s.reading(ctx, "value", func(x *session) error {
		v, err = x.value(key)
		return err
	})
	return v, err
}

func (x *session) value(key string) (v []byte, err error) {
	found, err := x.row(`SELECT value FROM {p}value WHERE key = ?`, []any{blob(key)}, []any{&v})
	if err == nil && !found {
		err = ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return append([]byte{}, v...), nil
}

// Journal implements Store.
func (s *SQL) Journal(ctx context.Context, name string, after uint64, limit int) (entries []Entry, err error) {
	err = s.reading(ctx, "journal", func(x *session) error {
		return x.rows(`SELECT seq, data FROM {p}entry WHERE journal = (SELECT num FROM {p}journal WHERE name = ?) AND seq > ?
			ORDER BY seq LIMIT ?`, []any{blob(name), clamp(after), atMost(limit)}, func(scan scanner) error {
			var seq int64
			var data []byte
			if err := scan(&seq, &data); err != nil {
				return x.corrupt("entry", "", name, err)
			}
			entries = append(entries, Entry{Seq: uint64(seq), Data: orNil(data)})
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}
