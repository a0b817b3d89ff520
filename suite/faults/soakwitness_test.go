package faults

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
)

// soakWitness remembers what all members of a soak have said in all their lives,
// and complains about what can't be. Whoever calls it holds a lock.
type soakWitness struct {
	members  []*testimony
	spoken   map[causeway.MessageID]*spoken
	all      map[causeway.MessageID]bool // all that was sent or delivered anywhere
	complain func(format string, args ...any)
}

// testimony is what one member has said.
type testimony struct {
	name      causeway.ParticipantID
	cursor    causeway.Cursor
	delivered map[causeway.MessageID]bool
	receipts  map[causeway.MessageID]*counted
	gaps      map[causeway.MessageID]causeway.GapState
	retrieved int // of what was delivered came from a store of the network
}

// counted is what a sender has said of a receipt.
type counted struct {
	level   causeway.Level
	persons map[causeway.PersonID]bool
}

// spoken is a message that Send accepted.
type spoken struct {
	sent, known time.Time // known to have reached all
}

func newSoakWitness(names []causeway.ParticipantID, complain func(string, ...any)) *soakWitness {
	w := &soakWitness{spoken: map[causeway.MessageID]*spoken{}, all: map[causeway.MessageID]bool{}, complain: complain}
	for _, name := range names {
		w.members = append(w.members, &testimony{name: name, delivered: map[causeway.MessageID]bool{},
			receipts: map[causeway.MessageID]*counted{}, gaps: map[causeway.MessageID]causeway.GapState{}})
	}
	return w
}

// sent notes that a Send has returned.
func (w *soakWitness) sent(id causeway.MessageID, now time.Time) {
	if w.spoken[id] != nil {
		w.complain("%s was sent twice", id)
		return
	}
	w.spoken[id] = &spoken{sent: now}
	w.all[id] = true
}

// event notes an entry of a member's event log.
func (w *soakWitness) event(member int, e *soakEvent, now time.Time) {
	m := w.members[member]
	if e.Cursor != m.cursor+1 {
		w.complain("%s: after event %d comes %d", m.name, m.cursor, e.Cursor)
	}
	m.cursor = e.Cursor
	switch e.Kind {
	case causeway.EventDelivered:
		if m.delivered[e.ID] {
			w.complain("%s: %s was delivered twice", m.name, e.ID)
		}
		m.delivered[e.ID] = true
		w.all[e.ID] = true
		if e.Retrieved {
			m.retrieved++
		}
	case causeway.EventReceipt:
		w.receipt(m, e, now)
	case causeway.EventGap:
		m.gaps[e.ID] = e.Gap
	}
}

// receipt: a receipt moves only forward, whatever happens to its node.
func (w *soakWitness) receipt(m *testimony, e *soakEvent, now time.Time) {
	c := m.receipts[e.ID]
	if c == nil {
		c = &counted{persons: map[causeway.PersonID]bool{}}
		m.receipts[e.ID] = c
	}
	if e.Level < c.level {
		w.complain("%s: %s was at %v and is at %v", m.name, e.ID, c.level, e.Level)
	}
	c.level = e.Level
	for _, p := range e.Persons {
		if c.persons[p] || p == causeway.PersonID(m.name) {
			w.complain("%s: %s counts %s again", m.name, e.ID, p)
		}
		c.persons[p] = true
	}
	if e.Seen != len(c.persons) {
		w.complain("%s: %s says that %d have it, and has named %d", m.name, e.ID, e.Seen, len(c.persons))
	}
	if s := w.spoken[e.ID]; s != nil && s.known.IsZero() && e.Level >= causeway.SeenByAll {
		s.known = now
	}
}

// even tells whether all members have said that they have all.
func (w *soakWitness) even() bool {
	for _, m := range w.members {
		if len(m.delivered) < len(w.all) {
			return false
		}
	}
	return true
}

// settled complains about each message that a member does not have, by its events
// and by its database, or still calls missing, and about each whose sender does not
// know of all.
func (w *soakWitness) settled(has func(member int, id causeway.MessageID) bool) {
	for id := range w.all {
		senders := 0
		for i, m := range w.members {
			if !m.delivered[id] || !has(i, id) {
				w.complain("%s is lost: %s does not have it (event: %v)", id, m.name, m.delivered[id])
			}
			if state := m.gaps[id]; state != 0 && state != causeway.GapRecovered {
				w.complain("%s is %v, says %s, who has it", id, state, m.name)
			}
			if c := m.receipts[id]; c != nil {
				senders++
				if c.level != causeway.SeenByAll || len(c.persons) != len(w.members)-1 {
					w.complain("%s: %s is at %v, known of %d", m.name, id, c.level, len(c.persons))
				}
			}
		}
		if senders != 1 {
			w.complain("%d members have receipts of %s", senders, id)
		}
	}
}

// delays returns how long it took until senders knew that all have a message,
// sorted.
func (w *soakWitness) delays() (all []time.Duration) {
	for _, s := range w.spoken {
		if !s.known.IsZero() {
			all = append(all, s.known.Sub(s.sent))
		}
	}
	slices.Sort(all)
	return all
}

// A witness has nothing to say about a talk as it should be, and says what is wrong
// with any other.
func TestSoakWitness(t *testing.T) {
	t.Parallel()
	const m, n = causeway.MessageID("m"), causeway.MessageID("n")
	delivered := func(cursor causeway.Cursor, id causeway.MessageID) *soakEvent {
		return &soakEvent{Cursor: cursor, Kind: causeway.EventDelivered, ID: id}
	}
	receipt := func(cursor causeway.Cursor, level causeway.Level, seen int, persons ...causeway.PersonID) *soakEvent {
		return &soakEvent{Cursor: cursor, Kind: causeway.EventReceipt, ID: m, Level: level, Seen: seen, Persons: persons}
	}
	gap := func(cursor causeway.Cursor, state causeway.GapState) *soakEvent {
		return &soakEvent{Cursor: cursor, Kind: causeway.EventGap, ID: m, Gap: state}
	}
	for _, c := range []struct {
		name, want string
		events     [3][]*soakEvent            // of alice, who has sent m, of bob and of carol
		lacks      map[causeway.MessageID]int // the member whose database lacks it
	}{
		{name: "all is well", events: [3][]*soakEvent{
			{delivered(1, m), receipt(2, causeway.Seen, 1, "bob"), receipt(3, causeway.SeenByAll, 2, "carol")}, {delivered(1, m)},
			{gap(1, causeway.GapMissing), delivered(2, m), gap(3, causeway.GapRecovered)}}},
		{name: "an event is missing", want: "comes 3", events: [3][]*soakEvent{
			{delivered(1, m), receipt(3, causeway.SeenByAll, 2, "bob", "carol")}, {delivered(1, m)}, {delivered(1, m)}}},
		{name: "delivered twice", want: "delivered twice", events: [3][]*soakEvent{
			{delivered(1, m), receipt(2, causeway.SeenByAll, 2, "bob", "carol")}, {delivered(1, m), delivered(2, m)}, {delivered(1, m)}}},
		{name: "a receipt goes back", want: "was at", events: [3][]*soakEvent{
			{delivered(1, m), receipt(2, causeway.SeenByAll, 2, "bob", "carol"), receipt(3, causeway.Sent, 2)}, {delivered(1, m)}, {delivered(1, m)}}},
		{name: "somebody is counted twice", want: "again", events: [3][]*soakEvent{
			{delivered(1, m), receipt(2, causeway.SeenByAll, 2, "bob", "carol"), receipt(3, causeway.SeenByAll, 2, "bob")}, {delivered(1, m)}, {delivered(1, m)}}},
		{name: "somebody is counted and not named", want: "has named 1", events: [3][]*soakEvent{
			{delivered(1, m), receipt(2, causeway.SeenByAll, 2, "bob")}, {delivered(1, m)}, {delivered(1, m)}}},
		{name: "lost", want: "carol does not have it", events: [3][]*soakEvent{
			{delivered(1, m), receipt(2, causeway.SeenByAll, 2, "bob", "carol")}, {delivered(1, m)}, nil}},
		{name: "lost on disk", want: "bob does not have it", lacks: map[causeway.MessageID]int{m: 1}, events: [3][]*soakEvent{
			{delivered(1, m), receipt(2, causeway.SeenByAll, 2, "bob", "carol")}, {delivered(1, m)}, {delivered(1, m)}}},
		{name: "not known", want: "is at", events: [3][]*soakEvent{
			{delivered(1, m), receipt(2, causeway.Seen, 1, "bob")}, {delivered(1, m)}, {delivered(1, m)}}},
		{name: "still missing", want: "is missing", events: [3][]*soakEvent{
			{delivered(1, m), receipt(2, causeway.SeenByAll, 2, "bob", "carol")}, {gap(1, causeway.GapMissing), delivered(2, m)}, {delivered(1, m)}}},
		{name: "nobody's", want: "0 members have receipts of n", events: [3][]*soakEvent{
			{delivered(1, m), receipt(2, causeway.SeenByAll, 2, "bob", "carol"), delivered(3, n)}, {delivered(1, m), delivered(2, n)}, {delivered(1, m), delivered(2, n)}}},
	} {
		var said complaints
		w := newSoakWitness([]causeway.ParticipantID{"alice", "bob", "carol"}, said.Errorf)
		began := time.Now()
		w.sent(m, began)
		for i, events := range c.events {
			for _, e := range events {
				w.event(i, e, began.Add(time.Second))
			}
		}
		if even, want := w.even(), c.name != "lost"; even != want {
			t.Errorf("%s: even is %v", c.name, even)
		}
		w.settled(func(member int, id causeway.MessageID) bool { who, some := c.lacks[id]; return !some || who != member })
		if c.want == "" {
			if len(said) > 0 {
				t.Errorf("%s: %q", c.name, said)
			}
			if d := w.delays(); len(d) != 1 || d[0] != time.Second {
				t.Errorf("known after %v", d)
			}
		} else if !strings.Contains(fmt.Sprint(said), c.want) {
			t.Errorf("%s: %q", c.name, said)
		}
	}
}
