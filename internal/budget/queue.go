package budget

import (
	"slices"
	"time"

	"github.com/causeway-im/causeway/sds"
)

const (
	// Patience is how long packets of the protocol wait. What they say is stale
	// then: timers have gone on, and something newer is on its way.
	Patience = 10 * time.Second
	// MaxContent and MaxOther bound what waits: content, and packets of each other
	// class.
	MaxContent = 16384
	MaxOther   = 1024
)

// Item is a packet that asks to leave.
type Item[T any] struct {
	Class   sds.Class
	Channel sds.ChannelID
	ID      sds.MessageID
	Bytes   int64
	// Packets is what it counts as; 0 is 1.
	Packets int64
	// Priority orders the channels of a class: in a channel the order stays, since
	// what is later names what is earlier.
	Priority sds.Priority
	Value    T

	since sds.Time
}

func (it *Item[T]) amount() Amount { return Amount{max(it.Packets, 1), it.Bytes} }

// Queue holds what waits, and lets go of it as the quota allows: the classes in
// the order of their numbers; within a class one channel after the other, of those
// in which something has the highest priority; and of a channel the oldest first.
// What is content waits as long as it takes.
type Queue[T any] struct {
	ledger  ledger
	lines   [classes]line[T]
	called  []*Item[T] // content that was granted out of turn
	level   Level
	busy    bool
	content map[contentKey]*Item[T] // that waits
	size    Amount                  // of it
}

type contentKey struct {
	channel sds.ChannelID
	id      sds.MessageID
}

// line is what waits of a class.
type line[T any] struct {
	lanes []*lane[T] // whose turn is next is first, among equals
	count int
	next  int // the lane whose turn it is; below 0 it is not known
}

// lane is what waits of a channel in a class, oldest first.
type lane[T any] struct {
	channel sds.ChannelID
	items   []*Item[T]
}

// priority is the highest of what waits: what is before it must leave first.
func (a *lane[T]) priority() sds.Priority {
	highest := sds.PriorityLow
	for _, it := range a.items {
		if highest = max(highest, it.Priority); highest == sds.PriorityHigh {
			break
		}
	}
	return highest
}

func newQueue[T any](q Quota) *Queue[T] {
	return &Queue[T]{ledger: newLedger(q), content: map[contentKey]*Item[T]{}}
}

// Offer puts a packet in line, before the next Grant. It returns false if the
// packet is not worth it:
//
//   - there are too many, or it is larger than what its class may ever send;
//   - it is a resend of content that still waits itself;
//   - it is a repair of content that still waits itself. The content then goes at
//     once in its place, from the share of repairs, if that has room.
func (q *Queue[T]) Offer(now sds.Time, it Item[T]) bool {
	q.ledger.advance(now)
	key := contentKey{it.Channel, it.ID}
	waiting := q.content[key]
	switch {
	case waiting != nil && it.Class == sds.ClassRepair:
		q.call(waiting)
		return false
	case waiting != nil && (it.Class == sds.ClassContent || it.Class == sds.ClassResend):
		return false
	case !q.Possible(it.Class, it.amount()):
		return false
	}
	limit := MaxOther
	if it.Class == sds.ClassContent {
		limit = MaxContent
	}
	if q.lines[it.Class].count >= limit {
		return false
	}
	it.since = now
	q.lines[it.Class].add(&it)
	if it.Class == sds.ClassContent {
		q.content[key] = &it
		q.size = q.size.Add(it.amount())
	}
	return true
}

// call grants content that somebody asks for while it waits.
func (q *Queue[T]) call(it *Item[T]) {
	if !q.ledger.fits(&q.ledger.used, sds.ClassRepair, it.amount()) {
		return
	}
	q.lines[sds.ClassContent].remove(it)
	q.forget(it)
	it.Class = sds.ClassRepair
	q.ledger.take(it.Class, it.amount())
	q.called = append(q.called, it)
}

// forget says that content no longer waits.
func (q *Queue[T]) forget(it *Item[T]) {
	delete(q.content, contentKey{it.Channel, it.ID})
	q.size = q.size.sub(it.amount())
}

// Grant returns what may leave now, in the order in which it should. Each item is
// to be followed by Landed or GivenBack, with the class that it has here.
func (q *Queue[T]) Grant(now sds.Time) []*Item[T] {
	q.ledger.advance(now)
	granted := q.called
	q.called = nil
	for c := range q.lines {
		for {
			it := q.lines[c].first()
			if it == nil || !q.ledger.fits(&q.ledger.used, it.Class, it.amount()) {
				break
			}
			q.lines[c].pop()
			if it.Class == sds.ClassContent {
				q.forget(it)
			}
			q.ledger.take(it.Class, it.amount())
			granted = append(granted, it)
		}
	}
	return granted
}

// Expire returns what is no longer worth waiting for: it is dropped. That is
// ephemeral messages at once, content never, and the rest after Patience.
func (q *Queue[T]) Expire(now sds.Time) (dropped []*Item[T]) {
	for c := range q.lines {
		if c != int(sds.ClassContent) {
			patience := Patience
			if c == int(sds.ClassEphemeral) {
				patience = 0
			}
			dropped = append(dropped, q.lines[c].before(now.Add(-patience))...)
		}
	}
	return dropped
}

// DropOthers returns all that waits and is not content, and drops it: there is
// no connection.
func (q *Queue[T]) DropOthers() []*Item[T] { return q.Expire(1<<62 - 1) }

// Possible tells whether something could leave if nothing else had.
func (q *Queue[T]) Possible(c sds.Class, a Amount) bool { return q.ledger.fits(&tally{}, c, a) }

// Waits tells whether content still waits, as Withdraw can undo.
func (q *Queue[T]) Waits(ch sds.ChannelID, id sds.MessageID) bool {
	return q.content[contentKey{ch, id}] != nil
}

// Withdraw drops content that still waits.
func (q *Queue[T]) Withdraw(ch sds.ChannelID, id sds.MessageID) {
	if it := q.content[contentKey{ch, id}]; it != nil {
		q.lines[sds.ClassContent].remove(it)
		q.forget(it)
	}
}

// Remove drops all that waits of a channel.
func (q *Queue[T]) Remove(ch sds.ChannelID) {
	for c := range q.lines {
		for _, it := range q.lines[c].removeLane(ch) {
			if it.Class == sds.ClassContent {
				q.forget(it)
			}
		}
	}
	for _, it := range q.called {
		if it.Channel == ch {
			q.ledger.giveBack(it.Class, it.amount())
		}
	}
	q.called = slices.DeleteFunc(q.called, func(it *Item[T]) bool { return it.Channel == ch })
}

// Landed says that what Grant returned has left by now, or may have.
func (q *Queue[T]) Landed(now sds.Time, it *Item[T]) {
	q.ledger.advance(now)
	q.ledger.land(now, it.Class, it.amount())
}

// GivenBack says that what Grant returned did not leave and will not.
func (q *Queue[T]) GivenBack(it *Item[T]) { q.ledger.giveBack(it.Class, it.amount()) }

// Deadline returns when there is something to Grant, to Expire or to notice, if
// nothing else happens before.
func (q *Queue[T]) Deadline(now sds.Time) (at sds.Time, ok bool) {
	q.ledger.advance(now)
	consider := func(t sds.Time) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	for c := range q.lines {
		it := q.lines[c].first()
		if it == nil {
			continue
		}
		if t, ok := q.ledger.fitsAt(now, it.Class, it.amount()); ok {
			consider(t)
		}
		if c != int(sds.ClassContent) {
			consider(q.lines[c].oldest().Add(Patience))
		}
	}
	if (q.level > LevelNormal || q.busy) && len(q.ledger.slots) > 0 {
		consider(q.ledger.ends(q.ledger.slots[0].index))
	}
	return at, ok
}

func (l *line[T]) add(it *Item[T]) {
	l.count++
	l.next = -1
	for _, a := range l.lanes {
		if a.channel == it.Channel {
			a.items = append(a.items, it)
			return
		}
	}
	l.lanes = append(l.lanes, &lane[T]{channel: it.Channel, items: []*Item[T]{it}})
}

// first returns what is to leave next.
func (l *line[T]) first() *Item[T] {
	if len(l.lanes) == 0 {
		return nil
	}
	return l.lanes[l.turn()].items[0]
}

// turn returns whose turn it is.
func (l *line[T]) turn() int {
	if l.next >= 0 && l.next < len(l.lanes) {
		return l.next
	}
	l.next = 0
	if len(l.lanes) == 1 {
		return 0
	}
	highest := l.lanes[0].priority()
	for i, a := range l.lanes[1:] {
		if highest == sds.PriorityHigh {
			break
		}
		if p := a.priority(); p > highest {
			l.next, highest = i+1, p
		}
	}
	return l.next
}

// pop removes the first, and gives the turn to the next channel.
func (l *line[T]) pop() {
	i := l.turn()
	a := l.lanes[i]
	a.items[0] = nil
	a.items = a.items[1:]
	l.count--
	l.next = -1
	l.lanes = slices.Delete(l.lanes, i, i+1)
	if len(a.items) > 0 {
		l.lanes = append(l.lanes, a)
	}
}

func (l *line[T]) remove(it *Item[T]) {
	l.next = -1
	for i, a := range l.lanes {
		if at := slices.Index(a.items, it); at >= 0 {
			l.count--
			if a.items = slices.Delete(a.items, at, at+1); len(a.items) == 0 {
				l.lanes = slices.Delete(l.lanes, i, i+1)
			}
			return
		}
	}
}

func (l *line[T]) removeLane(ch sds.ChannelID) []*Item[T] {
	l.next = -1
	for i, a := range l.lanes {
		if a.channel == ch {
			l.count -= len(a.items)
			l.lanes = slices.Delete(l.lanes, i, i+1)
			return a.items
		}
	}
	return nil
}

// before removes what has waited since that moment or longer.
func (l *line[T]) before(t sds.Time) (removed []*Item[T]) {
	l.next = -1
	for _, a := range l.lanes {
		n := 0
		for n < len(a.items) && a.items[n].since <= t {
			n++
		}
		removed = append(removed, a.items[:n]...)
		a.items = a.items[n:]
		l.count -= n
	}
	l.lanes = slices.DeleteFunc(l.lanes, func(a *lane[T]) bool { return len(a.items) == 0 })
	return removed
}

// oldest returns since when something waits; there is something.
func (l *line[T]) oldest() sds.Time {
	t := l.lanes[0].items[0].since
	for _, a := range l.lanes {
		t = min(t, a.items[0].since)
	}
	return t
}
