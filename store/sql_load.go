package store

import (
	"cmp"
	"context"
	"slices"

	"github.com/causeway-im/causeway/sds"
)

// Load implements Store. It reads window messages, those that are not of the
// log and those that are named, by indexes: the length of the history costs
// nothing. Outgoing records of one audience share its list.
func (s *SQL) Load(ctx context.Context, ch sds.ChannelID, window int) (Channel, error) {
	r := Channel{State: emptyState()}
	err := s.reading(ctx, "load", func(x *session) error {
		l := loader{session: x, ch: ch, state: &r.State}
		var meta []byte
		var hasMeta bool
		found, err := x.row(`SELECT num, meta IS NOT NULL, meta, complete_to FROM {p}channel WHERE id = ?`,
			[]any{blob(ch)}, []any{&l.num, &hasMeta, &meta, &r.CompleteTo})
		if err != nil || !found {
			return err
		}
		if hasMeta {
			var ok bool
			if r.State.Meta, ok = decodeMeta(meta); !ok {
				return x.corrupt("channel", ch, string(ch), nil)
			}
		}
		if err := l.messages(window); err != nil {
			return err
		}
		if err := l.parked(&r.Parked); err != nil {
			return err
		}
		return l.outgoing()
	})
	if err != nil {
		return Channel{}, err
	}
	return r, nil
}

// loader reads one channel.
type loader struct {
	*session
	ch    sds.ChannelID
	num   int64
	state *sds.State
}

func (l *loader) messages(window int) error {
	keep := func(m sds.MessageRecord) { l.state.Messages[m.ID] = m }
	for _, q := range []struct {
		query string
		args  []any
	}{
		{`SELECT ` + messageColumns + ` FROM {p}message m WHERE m.state = 1 AND m.channel = ?
			ORDER BY m.position DESC LIMIT ?`, []any{l.num, atMost(window)}},
		{`SELECT ` + messageColumns + ` FROM {p}message m WHERE m.state <> 1 AND m.channel = ?`, []any{l.num}},
		{`SELECT ` + messageColumns + ` FROM {p}outgoing o JOIN {p}message m ON m.channel = o.channel AND m.id = o.id
			WHERE o.channel = ? AND o.done = 0`, []any{l.num}},
	} {
		if err := l.session.messages(l.ch, q.query, q.args, keep); err != nil {
			return err
		}
	}
	for _, id := range l.state.Meta.Heads {
		if _, ok := l.state.Messages[id]; ok {
			continue
		}
		err := l.session.messages(l.ch, `SELECT `+messageColumns+` FROM {p}message m WHERE m.channel = ? AND m.id = ?`,
			[]any{l.num, blob(id)}, keep)
		if err != nil {
			return err
		}
	}
	return nil
}

// parked reads the messages that wait, with their bytes. (state <> 1, and no ORDER
// BY, let the database use its index of the few that are not of the log.)
func (l *loader) parked(all *[]Message) error {
	err := l.rows(`SELECT `+messageColumns+withBytes+` WHERE m.state <> 1 AND m.state = ? AND m.channel = ?`,
		[]any{int(sds.StateParked), l.num}, func(scan scanner) error {
			m, err := l.fullMessage(l.ch, scan)
			*all = append(*all, m)
			return err
		})
	slices.SortFunc(*all, func(a, b Message) int { return cmp.Compare(a.ID, b.ID) })
	return err
}

// outgoing reads the own messages that are still tracked.
func (l *loader) outgoing() error {
	type row struct {
		outgoingRow
		hasSeen *int64
		seen    []byte
	}
	var rows []row
	err := l.rows(`SELECT o.id, o.done, o.audience, o.record, s.outgoing, s.persons FROM {p}outgoing o
		LEFT JOIN {p}seen s ON s.outgoing = o.num WHERE o.channel = ? AND o.done = 0`, []any{l.num}, func(scan scanner) error {
		var r row
		var err error
		r.outgoingRow, err = l.scanOutgoing(l.ch, scan, &r.hasSeen, &r.seen)
		rows = append(rows, r)
		return err
	})
	if err != nil || len(rows) == 0 {
		return err
	}
	persons, err := l.dictionary(l.num)
	if err != nil {
		return err
	}
	audiences := map[int64]*audience{}
	for _, r := range rows {
		if err := l.setAudience(l.ch, &r.outgoingRow, persons, audiences); err != nil {
			return err
		}
		l.state.Outgoing[r.record.ID] = r.record
		if r.hasSeen == nil {
			continue
		}
		set, ok := persons.decodeSeen(r.seen)
		if !ok {
			return l.corrupt("seen", l.ch, string(r.record.ID), nil)
		}
		who := map[sds.PersonID]struct{}{}
		set.each(func(n number) { who[persons.byNumber[n]] = struct{}{} })
		l.state.Seen[r.record.ID] = who
	}
	return nil
}

// outgoingRow is a row of outgoing, as far as it says everything by itself.
type outgoingRow struct {
	record   sds.OutgoingRecord
	audience *int64
}

// scanOutgoing reads id, done, audience, record and more.
func (x *session) scanOutgoing(ch sds.ChannelID, scan scanner, more ...any) (r outgoingRow, err error) {
	var id, record []byte
	var done int64
	if err := scan(append([]any{&id, &done, &r.audience, &record}, more...)...); err != nil {
		return r, x.corrupt("outgoing", ch, string(id), err)
	}
	r.record.ID, r.record.Done = sds.MessageID(id), done != 0
	if !decodeOutgoing(&r.record, record) {
		return r, x.corrupt("outgoing", ch, string(id), nil)
	}
	return r, nil
}

// setAudience fills in Members and Stewards. known are those that were read.
func (x *session) setAudience(ch sds.ChannelID, r *outgoingRow, persons *dictionary, known map[int64]*audience) error {
	if r.audience == nil {
		return nil
	}
	a := known[*r.audience]
	if a == nil {
		var record []byte
		found, err := x.row(`SELECT record FROM {p}audience WHERE num = ?`, []any{*r.audience}, []any{&record})
		if err != nil {
			return err
		}
		decoded, ok := persons.decodeAudience(record)
		if !found || !ok {
			return x.corrupt("audience", ch, string(r.record.ID), nil)
		}
		a = &decoded
		known[*r.audience] = a
	}
	r.record.HasAudience, r.record.Members, r.record.Stewards = true, a.members, a.stewards
	return nil
}

// Receipt implements Store.
func (s *SQL) Receipt(ctx context.Context, ch sds.ChannelID, id sds.MessageID) (r Receipt, err error) {
	err = s.reading(ctx, "receipt", func(x *session) error {
		num, found, err := x.channel(ch)
		if err != nil {
			return err
		}
		if !found {
			return ErrNotFound
		}
		if err := x.receipt(ch, num, id, &r); err != nil {
			return err
		}
		return x.rows(`SELECT level, at FROM {p}transition WHERE channel = ? AND id = ?`, []any{num, blob(id)},
			func(scan scanner) error {
				t := Transition{ID: id}
				if err := scan(&t.Level, &t.At); err != nil {
					return x.corrupt("transition", ch, string(id), err)
				}
				r.Transitions = append(r.Transitions, t)
				return nil
			})
	})
	if err != nil {
		return Receipt{}, err
	}
	slices.SortFunc(r.Transitions, func(a, b Transition) int { return cmp.Compare(a.Level, b.Level) })
	return r, nil
}

func (x *session) receipt(ch sds.ChannelID, num int64, id sds.MessageID, r *Receipt) error {
	var row outgoingRow
	var hasSeen *int64
	var seen []byte
	found := false
	err := x.rows(`SELECT o.id, o.done, o.audience, o.record, s.outgoing, s.persons FROM {p}outgoing o
		LEFT JOIN {p}seen s ON s.outgoing = o.num WHERE o.channel = ? AND o.id = ?`, []any{num, blob(id)},
		func(scan scanner) (err error) {
			found = true
			row, err = x.scanOutgoing(ch, scan, &hasSeen, &seen)
			return err
		})
	if err != nil {
		return err
	}
	if !found {
		return ErrNotFound
	}
	persons, err := x.dictionary(num)
	if err != nil {
		return err
	}
	if err := x.setAudience(ch, &row, persons, map[int64]*audience{}); err != nil {
		return err
	}
	r.Outgoing = row.record
	if hasSeen != nil {
		set, ok := persons.decodeSeen(seen)
		if !ok {
			return x.corrupt("seen", ch, string(id), nil)
		}
		r.Persons = persons.named(set)
	}
	return nil
}
