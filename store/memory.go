package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/causeway-im/causeway/sds"
)

// Memory is a Store that ends with its process, for tests, simulations and nodes
// that need no history. Reading a page of a log is O(log n), Load and Digest are
// linear in the channel. Make one with NewMemory; it is safe for concurrent use.
type Memory struct {
	// writing is held by Commit from the check of the epoch to the last change,
	// Inside included; mu only for moments, so that readers don't wait for Inside.
	writing sync.Mutex
	mu      sync.RWMutex

	epoch             uint64
	newest, forgotten Cursor
	channels          map[sds.ChannelID]*memoryChannel
	events            []Event // by cursor
	values            map[string][]byte
	journals          map[string]*memoryJournal
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{channels: map[sds.ChannelID]*memoryChannel{}, values: map[string][]byte{},
		journals: map[string]*memoryJournal{}}
}

type memoryJournal struct {
	last    uint64 // number given
	entries []Entry
}

// Epoch implements Store.
func (s *Memory) Epoch(ctx context.Context) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	return s.epoch, nil
}

// Commit implements Store. Tx.SQL is nil.
func (s *Memory) Commit(ctx context.Context, b *Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := check(b); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.admit(b); err != nil {
		return err
	}
	// Whatever may fail comes first: what follows can't, so nothing is undone.
	tx := memoryTx{s: s, values: s.dropped(b)}
	maps.Copy(tx.values, b.Values)
	if b.Inside != nil {
		if err := b.Inside(&tx); err != nil {
			return fmt.Errorf("store: commit: %w", err)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apply(b)
	tx.apply()
	return nil
}

// Write implements Store. Tx.SQL is nil.
func (s *Memory) Write(ctx context.Context, f func(Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	tx := memoryTx{s: s}
	if err := f(&tx); err != nil {
		return fmt.Errorf("store: write: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	tx.apply()
	return nil
}

// dropped returns the values that go with channels, as nil.
func (s *Memory) dropped(b *Batch) map[string][]byte {
	values := map[string][]byte{}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := range b.Channels {
		if !b.Channels[i].Drop {
			continue
		}
		prefix := channelPrefix(b.Channels[i].Channel)
		for key := range s.values {
			if strings.HasPrefix(key, prefix) {
				values[key] = nil
			}
		}
	}
	return values
}

func (s *Memory) admit(b *Batch) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if b.Epoch != s.epoch {
		return fmt.Errorf("store: commit: %w", ErrFenced)
	}
	return checkFollows(b.Events, s.newest)
}

// memoryTx collects what is to be written.
type memoryTx struct {
	s       *Memory
	changes []func()          // of journals, in order
	values  map[string][]byte // nil deletes
}

func (t *memoryTx) Append(journal string, data []byte) error { return t.AppendMany(journal, 1, data) }

func (t *memoryTx) AppendMany(journal string, n int, data []byte) error {
	if err := checkMany(n); err != nil {
		return err
	}
	data = orNil(slices.Clone(data))
	t.changes = append(t.changes, func() {
		j := t.s.journal(journal)
		j.last += uint64(n)
		j.entries = append(j.entries, Entry{Seq: j.last, Data: data})
	})
	return nil
}

func (t *memoryTx) Forget(journal string, first, last uint64) error {
	t.changes = append(t.changes, func() {
		j := t.s.journal(journal)
		j.entries = slices.DeleteFunc(j.entries, func(e Entry) bool { return first <= e.Seq && e.Seq <= last })
	})
	return nil
}

func (t *memoryTx) Value(key string) ([]byte, error) {
	v, changed := t.values[key]
	if !changed {
		t.s.mu.RLock()
		v = t.s.values[key]
		t.s.mu.RUnlock()
	}
	if v == nil {
		return nil, ErrNotFound
	}
	return slices.Clone(v), nil
}

func (t *memoryTx) Set(key string, value []byte) error {
	if t.values == nil {
		t.values = map[string][]byte{}
	}
	t.values[key] = slices.Clone(value)
	return nil
}

func (t *memoryTx) SQL() *sql.Tx { return nil }

// apply writes; who calls it holds mu.
func (t *memoryTx) apply() {
	for _, change := range t.changes {
		change()
	}
	t.s.setValues(t.values)
}

func (s *Memory) journal(name string) *memoryJournal {
	j := s.journals[name]
	if j == nil {
		j = &memoryJournal{}
		s.journals[name] = j
	}
	return j
}

// setValues sets values by key; nil deletes.
func (s *Memory) setValues(values map[string][]byte) {
	for key, v := range values {
		if v == nil {
			delete(s.values, key)
		} else {
			s.values[key] = slices.Clone(v)
		}
	}
}

func (s *Memory) apply(b *Batch) {
	for i := range b.Channels {
		c := &b.Channels[i]
		if c.Drop {
			delete(s.channels, c.Channel)
			s.events = slices.DeleteFunc(s.events, func(e Event) bool { return e.Channel == c.Channel })
		}
		if c.empty() {
			continue
		}
		if s.channels[c.Channel] == nil {
			s.channels[c.Channel] = newMemoryChannel()
		}
		s.channels[c.Channel].apply(c)
	}
	for _, e := range b.Events {
		e.Data = orNil(slices.Clone(e.Data))
		s.events = append(s.events, e)
		s.newest = e.Cursor
	}
	if upTo := min(b.Forget, s.newest); upTo > s.forgotten {
		s.forgotten = upTo
		s.events = slices.Clone(s.events[s.eventsAfter(upTo):])
	}
	s.setValues(b.Values)
}

// eventsAfter is the index of the first event above a cursor.
func (s *Memory) eventsAfter(after Cursor) int {
	i, found := slices.BinarySearchFunc(s.events, after, func(e Event, c Cursor) int { return cmp.Compare(e.Cursor, c) })
	if found {
		i++
	}
	return i
}

// memoryChannel is one channel. Records in it are never changed, only replaced.
type memoryChannel struct {
	meta        sds.Meta
	completeTo  sds.Time
	messages    map[sds.MessageID]sds.MessageRecord
	outgoing    map[sds.MessageID]*memoryOutgoing
	sealed      map[sds.MessageID]Sealed
	transitions map[sds.MessageID]map[sds.Level]sds.Time
	gaps        map[sds.MessageID]Gap

	places    []sds.Place // of the log, sorted
	arrivals  []arrival   // of the log, by position
	audiences []*audience // all that were ever used, newest last
}

type arrival struct {
	position sds.Position
	id       sds.MessageID
}

func (a arrival) compare(b arrival) int {
	if a.position != b.position {
		return cmp.Compare(a.position, b.position)
	}
	return cmp.Compare(a.id, b.id)
}

type memoryOutgoing struct {
	record   sds.OutgoingRecord // without Members and Stewards
	audience *audience
	seen     map[sds.PersonID]struct{}
}

func newMemoryChannel() *memoryChannel {
	return &memoryChannel{messages: map[sds.MessageID]sds.MessageRecord{}, outgoing: map[sds.MessageID]*memoryOutgoing{},
		sealed: map[sds.MessageID]Sealed{}, transitions: map[sds.MessageID]map[sds.Level]sds.Time{},
		gaps: map[sds.MessageID]Gap{}}
}

func (c *memoryChannel) apply(b *ChannelBatch) {
	if b.Changes.Meta != nil {
		c.meta = cloneMeta(*b.Changes.Meta)
	}
	for i := range b.Changes.Messages {
		c.setMessage(&b.Changes.Messages[i])
	}
	for i := range b.Changes.Outgoing {
		c.setOutgoing(&b.Changes.Outgoing[i])
	}
	for _, r := range b.Changes.Seen {
		if o := c.outgoing[r.ID]; o != nil {
			o.seen[r.Person] = struct{}{}
		}
	}
	for _, m := range b.Sealed {
		if _, ok := c.sealed[m.ID]; !ok {
			c.sealed[m.ID] = Sealed{m.ID, append([]byte{}, m.Bytes...), orNil(slices.Clone(m.Plain))}
		}
	}
	for _, id := range finallyForgotten(b.Changes.Messages) {
		delete(c.sealed, id)
	}
	for _, t := range b.Transitions {
		if c.transitions[t.ID] == nil {
			c.transitions[t.ID] = map[sds.Level]sds.Time{}
		}
		if _, ok := c.transitions[t.ID][t.Level]; !ok {
			c.transitions[t.ID][t.Level] = t.At
		}
	}
	for _, g := range b.Gaps {
		if closed(g.State) {
			delete(c.gaps, g.ID)
			continue
		}
		c.gaps[g.ID] = cloneGap(g)
	}
	for _, h := range b.Hints {
		if m, ok := c.messages[h.ID]; ok {
			m.Hint = slices.Clone(h.Hint)
			c.messages[h.ID] = m
		}
	}
	if b.CompleteTo != 0 {
		c.completeTo = b.CompleteTo
	}
}

func (c *memoryChannel) setMessage(m *sds.MessageRecord) {
	if old, ok := c.messages[m.ID]; ok && old.State == sds.StateLogged {
		c.places = remove(c.places, sds.Place{Lamport: old.Lamport, ID: old.ID}, sds.Place.Compare)
		c.arrivals = remove(c.arrivals, arrival{old.Position, old.ID}, arrival.compare)
	}
	if m.State == sds.StateForgotten {
		delete(c.messages, m.ID)
		delete(c.sealed, m.ID)
		return
	}
	c.messages[m.ID] = cloneMessage(*m)
	if m.State == sds.StateLogged {
		c.places = insert(c.places, sds.Place{Lamport: m.Lamport, ID: m.ID}, sds.Place.Compare)
		c.arrivals = insert(c.arrivals, arrival{m.Position, m.ID}, arrival.compare)
	}
}

func (c *memoryChannel) setOutgoing(r *sds.OutgoingRecord) {
	o := c.outgoing[r.ID]
	if o == nil || o.record.Done && !r.Done { // tracked anew: nothing is proved yet
		o = &memoryOutgoing{seen: map[sds.PersonID]struct{}{}}
		c.outgoing[r.ID] = o
	}
	o.record = *r
	o.record.Members, o.record.Stewards, o.audience = nil, nil, nil
	o.record.Want.Persons = slices.Clone(r.Want.Persons)
	o.record.Draft = slices.Clone(r.Draft)
	if r.HasAudience {
		o.audience = c.intern(r.Members, r.Stewards)
	}
}

// intern returns the one copy of an audience: a record with 10,000 persons is
// written again at every level.
func (c *memoryChannel) intern(members, stewards []sds.PersonID) *audience {
	for _, a := range slices.Backward(c.audiences) {
		if a.is(members, stewards) {
			return a
		}
	}
	a := &audience{slices.Clone(members), slices.Clone(stewards)}
	c.audiences = append(c.audiences, a)
	return a
}

// audience is who counts for some outgoing messages.
type audience struct{ members, stewards []sds.PersonID }

// is compares with lists. Strings that are the same memory compare at once, so
// that 10,000 persons take some 20 µs.
func (a *audience) is(members, stewards []sds.PersonID) bool {
	return slices.Equal(a.members, members) && slices.Equal(a.stewards, stewards)
}

// insert adds x to a sorted list.
func insert[T any](list []T, x T, compare func(T, T) int) []T {
	if n := len(list); n == 0 || compare(list[n-1], x) < 0 {
		return append(list, x) // nearly always
	}
	i, found := slices.BinarySearchFunc(list, x, compare)
	if found {
		return list
	}
	return slices.Insert(list, i, x)
}

// remove takes x out of a sorted list.
func remove[T any](list []T, x T, compare func(T, T) int) []T {
	if i, found := slices.BinarySearchFunc(list, x, compare); found {
		return slices.Delete(list, i, i+1)
	}
	return list
}

func cloneMeta(m sds.Meta) sds.Meta {
	m.Heads = slices.Clone(m.Heads)
	return m
}

func cloneMessage(m sds.MessageRecord) sds.MessageRecord {
	m.Parents, m.Hint = slices.Clone(m.Parents), slices.Clone(m.Hint)
	return m
}

func cloneGap(g Gap) Gap {
	g.Hint = slices.Clone(g.Hint)
	return g
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[K ~string, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
