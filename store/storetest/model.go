package storetest

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
)

// model is a store that is too simple to be wrong: it keeps lists, and looks
// through all of them for every answer.
type model struct {
	channels          map[sds.ChannelID]*modelChannel
	events            []store.Event
	forgotten, newest store.Cursor
	values            map[string][]byte
	journals          map[string][]store.Entry // all entries that ever were
	gone              map[gone]bool            // that were forgotten
}

type modelChannel struct {
	state       sds.State
	own         map[sds.MessageID]sds.OutgoingRecord // done ones, too
	seen        []sds.SeenRecord
	sealed      []store.Sealed
	transitions []store.Transition
	gaps        []store.Gap
	completeTo  sds.Time
}

func newModel() *model {
	return &model{channels: map[sds.ChannelID]*modelChannel{}, values: map[string][]byte{},
		journals: map[string][]store.Entry{}, gone: map[gone]bool{}}
}

// gone is an entry of a journal.
type gone struct {
	journal string
	seq     uint64
}

func (m *model) forget(name string, first, last uint64) {
	for _, e := range m.journals[name] {
		if first <= e.Seq && e.Seq <= last {
			m.gone[gone{name, e.Seq}] = true
		}
	}
}

type appended struct {
	journal string
	n       int
	data    []byte
}

func (m *model) commit(b *store.Batch, entries []appended) {
	for _, cb := range b.Channels {
		if cb.Drop {
			delete(m.channels, cb.Channel)
			maps.DeleteFunc(m.values, func(k string, _ []byte) bool { return strings.HasPrefix(k, store.ChannelKey(cb.Channel, "")) })
			m.events = slices.DeleteFunc(m.events, func(e store.Event) bool { return e.Channel == cb.Channel })
		}
		if !cb.Changes.Empty() || len(cb.Sealed)+len(cb.Transitions)+len(cb.Gaps)+len(cb.Hints) > 0 || cb.CompleteTo != 0 {
			if m.channels[cb.Channel] == nil {
				m.channels[cb.Channel] = &modelChannel{own: map[sds.MessageID]sds.OutgoingRecord{}}
			}
			m.channels[cb.Channel].commit(cb)
		}
	}
	for _, e := range b.Events {
		m.events = append(m.events, e)
		m.newest = e.Cursor
	}
	m.forgotten = max(m.forgotten, min(b.Forget, m.newest))
	m.events = slices.DeleteFunc(m.events, func(e store.Event) bool { return e.Cursor <= m.forgotten })
	for k, v := range b.Values {
		if m.values[k] = v; v == nil {
			delete(m.values, k)
		}
	}
	for _, a := range entries {
		all, last := m.journals[a.journal], uint64(0)
		if len(all) > 0 {
			last = all[len(all)-1].Seq
		}
		m.journals[a.journal] = append(all, store.Entry{Seq: last + uint64(a.n), Data: a.data})
	}
}

func (c *modelChannel) commit(b store.ChannelBatch) {
	c.state.Apply(b.Changes)
	for _, o := range b.Changes.Outgoing {
		if old, ok := c.own[o.ID]; ok && old.Done && !o.Done {
			c.seen = slices.DeleteFunc(c.seen, func(r sds.SeenRecord) bool { return r.ID == o.ID })
		}
		c.own[o.ID] = o
	}
	for _, r := range b.Changes.Seen {
		if _, ok := c.own[r.ID]; ok && !slices.Contains(c.seen, r) {
			c.seen = append(c.seen, r)
		}
	}
	gone := func(id sds.MessageID) {
		c.sealed = slices.DeleteFunc(c.sealed, func(s store.Sealed) bool { return s.ID == id })
	}
	last := map[sds.MessageID]sds.MessageState{}
	for _, r := range b.Changes.Messages {
		if last[r.ID] = r.State; r.State == sds.StateForgotten {
			gone(r.ID)
		}
	}
	for _, s := range b.Sealed {
		if !slices.ContainsFunc(c.sealed, func(old store.Sealed) bool { return old.ID == s.ID }) {
			c.sealed = append(c.sealed, s)
		}
	}
	for id, state := range last {
		if state == sds.StateForgotten {
			gone(id)
		}
	}
	for _, t := range b.Transitions {
		same := func(old store.Transition) bool { return old.ID == t.ID && old.Level == t.Level }
		if !slices.ContainsFunc(c.transitions, same) {
			c.transitions = append(c.transitions, t)
		}
	}
	for _, g := range b.Gaps {
		c.gaps = slices.DeleteFunc(c.gaps, func(old store.Gap) bool { return old.ID == g.ID })
		if g.State != sds.GapRecovered && g.State != sds.GapBelowJoin {
			c.gaps = append(c.gaps, g)
		}
	}
	for _, h := range b.Hints {
		if m, ok := c.state.Messages[h.ID]; ok {
			m.Hint = h.Hint
			c.state.Messages[h.ID] = m
		}
	}
	if b.CompleteTo != 0 {
		c.completeTo = b.CompleteTo
	}
}

func (c *modelChannel) load(window int) store.Channel {
	log := c.log(store.LogQuery{ByPosition: true, Descending: true, Limit: window})
	st := sds.State{Meta: c.state.Meta, Messages: map[sds.MessageID]sds.MessageRecord{}, Outgoing: c.state.Outgoing, Seen: c.state.Seen}
	for id, r := range c.state.Messages {
		_, tracked := c.state.Outgoing[id]
		inWindow := slices.ContainsFunc(log, func(m store.Message) bool { return m.ID == id })
		if r.State != sds.StateLogged || tracked || inWindow || slices.Contains(c.state.Meta.Heads, id) {
			st.Messages[id] = r
		}
	}
	loaded := store.Channel{State: st, CompleteTo: c.completeTo}
	for _, id := range slices.Sorted(maps.Keys(st.Messages)) {
		if st.Messages[id].State == sds.StateParked {
			m, _ := c.message(id)
			loaded.Parked = append(loaded.Parked, m)
		}
	}
	return loaded
}

func (c *modelChannel) message(id sds.MessageID) (store.Message, bool) {
	r, ok := c.state.Messages[id]
	m := store.Message{MessageRecord: r, Draft: c.own[id].Draft}
	for _, s := range c.sealed {
		if s.ID == id {
			m.Sealed, m.Plain = s.Bytes, s.Plain
		}
	}
	return m, ok
}

func (c *modelChannel) log(q store.LogQuery) (page []store.Message) {
	log := c.state.Log()
	before := func(r sds.MessageRecord) int { return sds.Place{Lamport: r.Lamport, ID: r.ID}.Compare(q.After) }
	none := q.After == sds.Place{}
	if q.ByPosition {
		slices.SortFunc(log, func(a, b sds.MessageRecord) int { return int(a.Position) - int(b.Position) })
		before = func(r sds.MessageRecord) int { return int(r.Position) - int(q.AfterPosition) }
		none = q.AfterPosition == 0
	}
	if q.Descending {
		slices.Reverse(log)
	}
	for _, r := range log {
		if way := before(r); !none && (way == 0 || (way < 0) != q.Descending) || len(page) >= q.Limit {
			continue
		}
		m := store.Message{MessageRecord: r}
		if !q.NoBytes {
			m, _ = c.message(r.ID)
		}
		page = append(page, m)
	}
	return page
}

func (c *modelChannel) receipt(id sds.MessageID) (store.Receipt, bool) {
	o, ok := c.own[id]
	r := store.Receipt{Outgoing: o}
	for _, s := range c.seen {
		if s.ID == id {
			r.Persons = append(r.Persons, s.Person)
		}
	}
	slices.Sort(r.Persons)
	for _, t := range c.transitions {
		if t.ID == id {
			r.Transitions = append(r.Transitions, t)
		}
	}
	slices.SortFunc(r.Transitions, func(a, b store.Transition) int { return int(a.Level) - int(b.Level) })
	return r, ok
}

func (c *modelChannel) gapsAfter(after sds.MessageID, limit int) (page []store.Gap) {
	all := slices.Clone(c.gaps)
	slices.SortFunc(all, func(a, b store.Gap) int { return sds.Place{ID: a.ID}.Compare(sds.Place{ID: b.ID}) })
	for _, g := range all {
		if g.ID > after && len(page) < limit {
			page = append(page, g)
		}
	}
	return page
}

func (c *modelChannel) digest() store.Digest {
	var b []byte
	log := c.state.Log()
	for _, m := range log {
		b = binary.LittleEndian.AppendUint64(b, uint64(len(m.ID)))
		b = append(b, m.ID...)
	}
	return store.Digest{Count: uint64(len(log)), Hash: sha256.Sum256(b)}
}

func (m *model) eventsAfter(ch sds.ChannelID, after store.Cursor, limit int) (page []store.Event) {
	for _, e := range m.events {
		if e.Cursor > after && (ch == "" || e.Channel == ch) && len(page) < limit {
			page = append(page, e)
		}
	}
	return page
}

func (m *model) journalAfter(name string, after uint64, limit int) (page []store.Entry) {
	for _, e := range m.journals[name] {
		if e.Seq > after && !m.gone[gone{name, e.Seq}] && len(page) < limit {
			page = append(page, e)
		}
	}
	return page
}
