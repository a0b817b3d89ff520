package store

import (
	"cmp"
	"context"
	"slices"

	"github.com/causeway-im/causeway/sds"
)

// read calls f with the channel, or nil, while nothing changes.
func (s *Memory) read(ctx context.Context, ch sds.ChannelID, f func(*memoryChannel) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return f(s.channels[ch])
}

// Channels implements Store.
func (s *Memory) Channels(ctx context.Context) (ids []sds.ChannelID, err error) {
	err = s.read(ctx, "", func(*memoryChannel) error {
		ids = sortedKeys(s.channels)
		return nil
	})
	return ids, err
}

// Load implements Store.
func (s *Memory) Load(ctx context.Context, ch sds.ChannelID, window int) (Channel, error) {
	r := Channel{State: emptyState()}
	err := s.read(ctx, ch, func(c *memoryChannel) error {
		if c != nil {
			r.State, r.CompleteTo = c.load(max(window, 0)), c.completeTo
			r.Parked = c.parked()
		}
		return nil
	})
	return r, err
}

func emptyState() sds.State {
	return sds.State{Messages: map[sds.MessageID]sds.MessageRecord{}, Outgoing: map[sds.MessageID]sds.OutgoingRecord{},
		Seen: map[sds.MessageID]map[sds.PersonID]struct{}{}}
}

func (c *memoryChannel) load(window int) sds.State {
	st := emptyState()
	st.Meta = cloneMeta(c.meta)
	for _, a := range c.arrivals[max(0, len(c.arrivals)-window):] {
		st.Messages[a.id] = cloneMessage(c.messages[a.id])
	}
	need := func(id sds.MessageID) {
		if m, ok := c.messages[id]; ok {
			st.Messages[id] = cloneMessage(m)
		}
	}
	for _, id := range c.meta.Heads {
		need(id)
	}
	for id, m := range c.messages {
		if m.State != sds.StateLogged {
			need(id)
		}
	}
	copies := map[*audience]*audience{} // what is returned shares nothing with c
	for id, o := range c.outgoing {
		if o.record.Done {
			continue
		}
		need(id)
		st.Outgoing[id] = o.clone(copies)
		if len(o.seen) > 0 {
			st.Seen[id] = map[sds.PersonID]struct{}{}
			for p := range o.seen {
				st.Seen[id][p] = struct{}{}
			}
		}
	}
	return st
}

func (o *memoryOutgoing) clone(copies map[*audience]*audience) sds.OutgoingRecord {
	r := o.record
	r.Want.Persons, r.Draft = slices.Clone(r.Want.Persons), slices.Clone(r.Draft)
	if o.audience != nil {
		a := copies[o.audience]
		if a == nil {
			a = &audience{slices.Clone(o.audience.members), slices.Clone(o.audience.stewards)}
			copies[o.audience] = a
		}
		r.Members, r.Stewards = a.members, a.stewards
	}
	return r
}

// Lookup implements Store.
func (s *Memory) Lookup(ctx context.Context, ch sds.ChannelID, ids []sds.MessageID) ([]sds.Lookup, error) {
	answers := make([]sds.Lookup, len(ids))
	err := s.read(ctx, ch, func(c *memoryChannel) error {
		for i, id := range ids {
			answers[i].ID = id
			if c == nil {
				continue
			}
			if m := c.messages[id]; m.State == sds.StateLogged {
				answers[i] = sds.Lookup{ID: id, Known: true, Sender: m.Sender, Reach: m.Reach}
			}
		}
		return nil
	})
	return answers, err
}

// Message implements Store.
func (s *Memory) Message(ctx context.Context, ch sds.ChannelID, id sds.MessageID) (m Message, err error) {
	err = s.read(ctx, ch, func(c *memoryChannel) error {
		if c == nil {
			return ErrNotFound
		}
		if _, ok := c.messages[id]; !ok {
			return ErrNotFound
		}
		m = c.message(id, true)
		return nil
	})
	return m, err
}

// parked returns the messages that wait, by id.
func (c *memoryChannel) parked() (all []Message) {
	for id, m := range c.messages {
		if m.State == sds.StateParked {
			all = append(all, c.message(id, true))
		}
	}
	slices.SortFunc(all, func(a, b Message) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

func (c *memoryChannel) message(id sds.MessageID, withBytes bool) Message {
	m := Message{MessageRecord: cloneMessage(c.messages[id])}
	if withBytes {
		m.Sealed, m.Plain = slices.Clone(c.sealed[id].Bytes), slices.Clone(c.sealed[id].Plain)
		if o := c.outgoing[id]; o != nil {
			m.Draft = slices.Clone(o.record.Draft)
		}
	}
	return m
}

// Log implements Store.
func (s *Memory) Log(ctx context.Context, ch sds.ChannelID, q LogQuery) (page []Message, err error) {
	err = s.read(ctx, ch, func(c *memoryChannel) error {
		if c == nil {
			return nil
		}
		for _, id := range c.page(q) {
			page = append(page, c.message(id, !q.NoBytes))
		}
		return nil
	})
	return page, err
}

// page returns the ids that q selects.
func (c *memoryChannel) page(q LogQuery) []sds.MessageID {
	if q.ByPosition {
		from, to := cut(c.arrivals, q.AfterPosition == 0, q.Descending, func(a arrival) int {
			return cmp.Compare(a.position, q.AfterPosition)
		})
		return ids(c.arrivals[from:to], q, func(a arrival) sds.MessageID { return a.id })
	}
	from, to := cut(c.places, q.After == sds.Place{}, q.Descending, func(p sds.Place) int { return p.Compare(q.After) })
	return ids(c.places[from:to], q, func(p sds.Place) sds.MessageID { return p.ID })
}

// cut returns the part of a sorted list above what compare returns 0 for or,
// descending, below it; all of it when there is no limit.
func cut[T any](list []T, all, descending bool, compare func(T) int) (from, to int) {
	if all {
		return 0, len(list)
	}
	i, found := slices.BinarySearchFunc(list, 0, func(x T, _ int) int { return compare(x) })
	switch {
	case descending:
		return 0, i
	case found:
		return i + 1, len(list)
	}
	return i, len(list)
}

// ids returns up to q.Limit ids of a sorted list, from the end that q begins at.
func ids[T any](list []T, q LogQuery, id func(T) sds.MessageID) []sds.MessageID {
	var page []sds.MessageID
	for i := range min(len(list), max(q.Limit, 0)) {
		if q.Descending {
			i = len(list) - 1 - i
		}
		page = append(page, id(list[i]))
	}
	return page
}

// Digest implements Store.
func (s *Memory) Digest(ctx context.Context, ch sds.ChannelID) (Digest, error) {
	d := newDigester()
	err := s.read(ctx, ch, func(c *memoryChannel) error {
		if c != nil {
			for _, p := range c.places {
				d.add([]byte(p.ID))
			}
		}
		return nil
	})
	return d.digest(), err
}

// Receipt implements Store.
func (s *Memory) Receipt(ctx context.Context, ch sds.ChannelID, id sds.MessageID) (r Receipt, err error) {
	err = s.read(ctx, ch, func(c *memoryChannel) error {
		if c == nil || c.outgoing[id] == nil {
			return ErrNotFound
		}
		o := c.outgoing[id]
		r.Outgoing = o.clone(map[*audience]*audience{})
		r.Persons = sortedKeys(o.seen)
		for level, at := range c.transitions[id] {
			r.Transitions = append(r.Transitions, Transition{ID: id, Level: level, At: at})
		}
		slices.SortFunc(r.Transitions, func(a, b Transition) int { return cmp.Compare(a.Level, b.Level) })
		return nil
	})
	return r, err
}

// Gaps implements Store.
func (s *Memory) Gaps(ctx context.Context, ch sds.ChannelID, after sds.MessageID, limit int) (gaps []Gap, err error) {
	err = s.read(ctx, ch, func(c *memoryChannel) error {
		if c == nil {
			return nil
		}
		for _, id := range sortedKeys(c.gaps) {
			if id > after && len(gaps) < limit {
				gaps = append(gaps, cloneGap(c.gaps[id]))
			}
		}
		return nil
	})
	return gaps, err
}

// Events implements Store.
func (s *Memory) Events(ctx context.Context, ch sds.ChannelID, after Cursor, limit int) (events []Event, err error) {
	err = s.read(ctx, ch, func(*memoryChannel) error {
		for _, e := range s.events[s.eventsAfter(after):] {
			if len(events) >= limit {
				break
			}
			if ch == "" || e.Channel == ch {
				e.Data = slices.Clone(e.Data)
				events = append(events, e)
			}
		}
		return nil
	})
	return events, err
}

// Cursors implements Store.
func (s *Memory) Cursors(ctx context.Context) (forgotten, newest Cursor, err error) {
	err = s.read(ctx, "", func(*memoryChannel) error {
		forgotten, newest = s.forgotten, s.newest
		return nil
	})
	return forgotten, newest, err
}

// Value implements Store.
func (s *Memory) Value(ctx context.Context, key string) (v []byte, err error) {
	err = s.read(ctx, "", func(*memoryChannel) error {
		stored, ok := s.values[key]
		if !ok {
			return ErrNotFound
		}
		v = slices.Clone(stored)
		return nil
	})
	return v, err
}

// Journal implements Store.
func (s *Memory) Journal(ctx context.Context, name string, after uint64, limit int) (entries []Entry, err error) {
	err = s.read(ctx, "", func(*memoryChannel) error {
		j := s.journals[name]
		if j == nil {
			return nil
		}
		i, _ := slices.BinarySearchFunc(j.entries, after, func(e Entry, n uint64) int { return cmp.Compare(e.Seq, n) })
		for _, e := range j.entries[i:] {
			if e.Seq > after && len(entries) < limit {
				entries = append(entries, Entry{Seq: e.Seq, Data: slices.Clone(e.Data)})
			}
		}
		return nil
	})
	return entries, err
}
