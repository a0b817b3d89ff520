package crash

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
)

// rule is a promise that the witness watches.
type rule string

const (
	ruleLost        rule = "lost"        // what was acknowledged or delivered is in the log
	ruleTwice       rule = "twice"       // and once
	ruleRefused     rule = "refused"     // what failed is nowhere
	ruleDurable     rule = "durable"     // what left is in the log, with these bytes
	ruleTorn        rule = "torn"        // of a transaction there is all or nothing
	ruleEvent       rule = "event"       // no cursor changes its meaning, and none is left out
	rulePosition    rule = "position"    // no position is given twice
	ruleSequence    rule = "sequence"    // no sequence number is
	ruleClock       rule = "clock"       // clocks never run back
	ruleIncarnation rule = "incarnation" // the state is never a new one
	ruleReceipt     rule = "receipt"     // receipts never go back
	ruleFalse       rule = "false"       // who counts has the message
	ruleChild       rule = "child"       // nothing else goes wrong
)

// complaint is a broken promise.
type complaint struct {
	rule rule
	text string
}

// tracked is what is known of an own message.
type tracked struct {
	level   causeway.Level // as receipts said
	persons map[causeway.PersonID]bool
	event   line // the newest event about it
}

// witness remembers what a member has said in all its lives. It is not safe for
// concurrent use.
type witness struct {
	complaints []complaint
	// holds tells whether somebody else has a message now.
	holds func(causeway.PersonID, causeway.MessageID) bool

	last      causeway.Cursor // of the newest event that was reported
	expected  causeway.Cursor // of the next event in this life
	events    map[causeway.Cursor]string
	names     map[causeway.Cursor]eventName
	positions map[causeway.Position]causeway.MessageID
	places    map[causeway.MessageID]causeway.Position
	own       map[causeway.MessageID]*tracked
	pending   map[causeway.MessageID]bool // own messages that are not known to have reached all
	clock     uint64

	sent      map[string]causeway.MessageID
	refused   map[string]bool
	published map[causeway.MessageID][sha256.Size]byte
	sequences map[uint64]causeway.MessageID
	state     uint32 // its incarnation

	durable  causeway.Cursor // of the newest event that must be there
	inflight []eventName     // of a transaction whose end was not reported
	unread   map[causeway.MessageID]bool

	ephemerals, refusals, packets, receipts, undone, done int
}

func newWitness(holds func(causeway.PersonID, causeway.MessageID) bool) *witness {
	return &witness{holds: holds, events: map[causeway.Cursor]string{}, names: map[causeway.Cursor]eventName{},
		positions: map[causeway.Position]causeway.MessageID{}, places: map[causeway.MessageID]causeway.Position{}, own: map[causeway.MessageID]*tracked{},
		pending: map[causeway.MessageID]bool{}, sent: map[string]causeway.MessageID{}, refused: map[string]bool{},
		published: map[causeway.MessageID][sha256.Size]byte{}, sequences: map[uint64]causeway.MessageID{},
		unread: map[causeway.MessageID]bool{}}
}

func (w *witness) complain(r rule, format string, args ...any) {
	w.complaints = append(w.complaints, complaint{r, fmt.Sprintf(format, args...)})
}

// begin begins a life whose application goes on after a cursor.
func (w *witness) begin(after causeway.Cursor) { w.expected = after + 1 }

// hear takes a line of the child.
func (w *witness) hear(x *line) {
	switch x.Kind {
	case lineFound:
		w.found(x)
	case lineSent:
		w.accepted(x)
	case lineRefused:
		w.refusals++
		w.refused[x.Text] = true
	case lineEvent:
		w.event(x)
	case lineReceipt:
		w.receipt(x)
	case lineCommitting:
		w.inflight = x.Events
	case lineCommitted:
		if n := len(w.inflight); n > 0 && x.Error == "" {
			w.durable = w.inflight[n-1].Cursor
		}
		w.inflight = nil
	case lineHeld:
		if n := len(w.inflight); n > 0 && x.Committed {
			w.durable = w.inflight[n-1].Cursor
		}
	case linePublish:
		w.publish(x.Payload)
	case lineFailed:
		w.complain(ruleChild, "%s", x.Error)
	}
}

// found takes what a child found in its file: what the transaction in flight
// did, it did as a whole.
func (w *witness) found(x *line) {
	if x.Cursor < w.durable {
		w.complain(ruleLost, "event %d was committed, and the newest is %d", w.durable, x.Cursor)
	}
	for _, e := range x.Events {
		if known, ok := w.names[e.Cursor]; ok && known != e {
			w.complain(ruleEvent, "event %d was %v and is %v", e.Cursor, known, e)
		}
	}
	if n := len(w.inflight); n > 0 {
		first, last := w.inflight[0].Cursor, w.inflight[n-1].Cursor
		switch x.Cursor {
		case first - 1:
			w.undone++
		case last:
			w.done++
		default:
			w.complain(ruleTorn, "events %d to %d were committed together, and the newest is %d", first, last, x.Cursor)
		}
		for _, e := range x.Events {
			if e.Cursor >= first && e.Cursor <= last && e != w.inflight[e.Cursor-first] {
				w.complain(ruleTorn, "event %d was written as %v and is %v", e.Cursor, w.inflight[e.Cursor-first], e)
			}
		}
	}
	w.durable, w.inflight = max(w.durable, x.Cursor), nil
}

// accepted takes what Send returned.
func (w *witness) accepted(x *line) {
	if x.Ephemeral {
		w.ephemerals++
		w.refused[x.Text] = true // it has no place in any log
		return
	}
	w.sent[x.Text] = x.ID
	w.unread[x.ID] = true
}

// event takes an event that the application has dealt with.
func (w *witness) event(x *line) {
	b, err := json.Marshal(x)
	if err != nil {
		panic(err)
	}
	if x.Cursor != w.expected {
		w.complain(ruleEvent, "after event %d comes %d", w.expected-1, x.Cursor)
	}
	w.expected = x.Cursor + 1
	meaning, known := w.events[x.Cursor]
	if known {
		if meaning != string(b) {
			w.complain(ruleEvent, "event %d was %s and is %s", x.Cursor, meaning, b)
		}
		return
	}
	w.last = max(w.last, x.Cursor)
	w.events[x.Cursor] = string(b)
	w.names[x.Cursor] = eventName{x.Cursor, x.Event, x.ID}
	switch x.Event {
	case causeway.EventDelivered:
		w.delivered(x)
	case causeway.EventReceipt:
		w.moved(x)
	}
}

func (w *witness) delivered(x *line) {
	if id, used := w.positions[x.Position]; used && id != x.ID {
		w.complain(rulePosition, "position %d was given to %s and %s", x.Position, id, x.ID)
	}
	w.positions[x.Position], w.places[x.ID] = x.ID, x.Position
	w.unread[x.ID] = true
	if !x.Own {
		return
	}
	if w.own[x.ID] != nil {
		w.complain(ruleTwice, "%q (%s) was delivered twice", x.Text, x.ID)
	}
	if x.Lamport <= w.clock {
		w.complain(ruleClock, "the clock ran from %d to %d", w.clock, x.Lamport)
	}
	w.clock = max(w.clock, x.Lamport)
	w.own[x.ID] = &tracked{persons: map[causeway.PersonID]bool{}}
	w.pending[x.ID] = true
}

// moved takes an event about a receipt.
func (w *witness) moved(x *line) {
	t := w.own[x.ID]
	if t == nil {
		w.complain(ruleLost, "a receipt of %s, which was never delivered", x.ID)
		return
	}
	if x.Level < t.event.Level || x.Seen < t.event.Seen {
		w.complain(ruleReceipt, "%s went from %v with %d to %v with %d", x.ID, t.event.Level, t.event.Seen, x.Level, x.Seen)
	}
	t.event = *x
	t.level = max(t.level, x.Level)
	w.count(x.ID, t, x.Persons)
	if len(t.persons) != x.Seen {
		w.complain(ruleReceipt, "%s: %d persons were named, and %d counted", x.ID, len(t.persons), x.Seen)
	}
	if x.Level == causeway.SeenByAll {
		delete(w.pending, x.ID)
	}
}

// count takes persons that are said to have a message.
func (w *witness) count(id causeway.MessageID, t *tracked, persons []causeway.PersonID) {
	for _, p := range persons {
		if !t.persons[p] && !w.holds(p, id) {
			w.complain(ruleFalse, "%s counts %s, who doesn't have it", id, p)
		}
		t.persons[p] = true
	}
}

// receipt takes an answer of Receipt.Now.
func (w *witness) receipt(x *line) {
	w.receipts++
	t := w.own[x.ID]
	if t == nil { // the application has not come to its event yet
		return
	}
	if x.Level < t.level {
		w.complain(ruleReceipt, "%s went from %v to %v", x.ID, t.level, x.Level)
	}
	said := map[causeway.PersonID]bool{}
	for _, p := range x.Persons {
		said[p] = true
		if !w.holds(p, x.ID) {
			w.complain(ruleFalse, "%s counts %s, who doesn't have it", x.ID, p)
		}
	}
	for p := range t.persons {
		if !said[p] {
			w.complain(ruleReceipt, "%s does not count %s any more", x.ID, p)
		}
	}
}

// publish takes a packet that left.
func (w *witness) publish(payload []byte) {
	m, err := wire.Decode(payload)
	if err != nil {
		w.complain(ruleChild, "an undecodable packet: %v", err)
		return
	}
	e, err := wire.ParseExtension(m.Extension)
	if err != nil {
		w.complain(ruleChild, "an undecodable extension: %v", err)
		return
	}
	w.packets++
	own := m.SenderID == alice // or she repairs
	if own && e.Incarnation != 0 {
		if w.state != 0 && e.Incarnation != w.state {
			w.complain(ruleIncarnation, "it was %d and is %d", w.state, e.Incarnation)
		}
		w.state = e.Incarnation
	}
	if m.Kind() != wire.Content {
		return
	}
	sum := sha256.Sum256(payload)
	if known, ok := w.published[m.MessageID]; ok && known != sum {
		w.complain(ruleDurable, "%s left with other bytes", m.MessageID)
	}
	w.published[m.MessageID] = sum
	w.unread[m.MessageID] = true
	if own {
		w.number(&m, &e)
	}
}

// number takes the sequence number of an own message.
func (w *witness) number(m *wire.Message, e *wire.Extension) {
	if id, used := w.sequences[e.Sequence]; used && id != m.MessageID {
		w.complain(ruleSequence, "%d was given to %s and %s", e.Sequence, id, m.MessageID)
	}
	w.sequences[e.Sequence] = m.MessageID // a message with another number has other bytes
}

// audit compares what was said since the last audit with the store that is left,
// and what was said before, if all is set.
func (w *witness) audit(ctx context.Context, db store.Store, all bool) {
	ids := w.unread
	if all {
		ids = map[causeway.MessageID]bool{}
		for id := range w.places {
			ids[id] = true
		}
		for id := range w.published {
			ids[id] = true
		}
		for _, id := range w.sent {
			ids[id] = true
		}
	}
	for id := range ids {
		w.auditMessage(ctx, db, id)
	}
	w.unread = map[causeway.MessageID]bool{}
}

func (w *witness) auditMessage(ctx context.Context, db store.Store, id causeway.MessageID) {
	sum, left := w.published[id]
	at, delivered := w.places[id]
	m, err := db.Message(ctx, room, id)
	switch {
	case errors.Is(err, store.ErrNotFound) && left:
		w.complain(ruleDurable, "%s left, and is not there", id)
		return
	case errors.Is(err, store.ErrNotFound):
		w.complain(ruleLost, "%s is not there", id)
		return
	case err != nil:
		w.complain(ruleChild, "%s: %v", id, err)
		return
	}
	if m.State != sds.StateLogged && (delivered || m.Sender == alice) {
		w.complain(ruleLost, "%s is not in the log: state %d", id, m.State)
	}
	if delivered && m.Position != at {
		w.complain(rulePosition, "%s was at %d and is at %d", id, at, m.Position)
	}
	if left && sha256.Sum256(m.Sealed) != sum {
		w.complain(ruleDurable, "%s has other bytes than those that left", id)
	}
}

// compare compares a whole log with what is known. Everybody must have one like
// this at the end.
func (w *witness) compare(whose string, log []string) {
	count := map[string]int{}
	for _, text := range log {
		count[text]++
		if count[text] == 2 {
			w.complain(ruleTwice, "%s has %q twice", whose, text)
		}
		if w.refused[text] {
			w.complain(ruleRefused, "%s has %q", whose, text)
		}
	}
	for text, id := range w.sent {
		if count[text] == 0 {
			w.complain(ruleLost, "%s does not have %q (%s)", whose, text, id)
		}
	}
}

// textOf returns the part of content that says which message it is.
func textOf(content []byte) string {
	text, _, _ := strings.Cut(string(content), "\n")
	return text
}
