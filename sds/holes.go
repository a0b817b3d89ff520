package sds

import (
	"bytes"
	"slices"
	"time"

	"github.com/causeway-im/causeway/sds/pace"
)

// awaited is a message that somebody named and that is not in the log: a hole,
// or a message that waits itself.
type awaited struct {
	id     MessageID
	sender ParticipantID // as those who named it say
	hint   []byte

	namer    ParticipantID // the first who named it
	trusted  bool          // a verified id or two senders name it: worth asking for
	blame    *peer         // whose share of open holes it uses
	children []*parked     // blocked by it
	waiting  []*peer       // have a frontier that names it
	skippers []*node       // in the log although they depend on it

	parked   bool // it waits itself: no hole, and nobody is to blame
	looking  bool // the host was asked whether it is in the log
	skipped  bool // given up for now
	quiet    bool // named around the join point: reported only if it stays away
	reported bool
	recorded bool // the host has a record of it
	restored bool // who named it is not known any more
	here     bool // it came, which was reported, and waits itself
	again    bool // it could not be opened, and is looked for by another hint
	since    Time // policy time
	attempts int  // requests for it, ours and others'
	steps    int  // how often the wait doubled
	next     Time // of the next request; 0 for none
	timer    timer
}

// await notes that e.MessageID is missing. trusted says that a verified id
// names it. It returns nil when the bounds of rule P13 are reached: then nobody
// waits for it.
func (c *Channel) await(e *HistoryEntry, namer *peer, trusted bool) *awaited {
	a := c.awaited[e.MessageID]
	if a == nil {
		parked := c.parked[e.MessageID] != nil
		if !parked && !c.roomFor(namer) {
			return nil
		}
		a = &awaited{id: e.MessageID, parked: parked, since: c.policyNow(), quiet: c.joining()}
		a.timer = timer{kind: timerHole, id: a.id}
		if namer != nil {
			a.namer = namer.id
		}
		if c.metIDs.index[a.id].notForMe {
			a.again, a.quiet, a.reported, a.recorded = true, true, true, true
		}
		if parked {
			c.awaitedParked++
		} else if namer != nil {
			a.blame = namer
			namer.holes++
		}
		c.awaited[a.id] = a
		if c.meta.Forgotten > 0 {
			a.looking = true
			c.out.Lookups = append(c.out.Lookups, a.id)
		}
	}
	if a.sender == "" {
		a.sender = e.SenderID
	}
	if a.hint == nil {
		a.hint = slices.Clone(e.RetrievalHint) // it outlives the packet
	}
	if a.restored && namer != nil {
		a.restored, a.namer = false, namer.id
	}
	if !a.trusted && (trusted || namer != nil && namer.id != a.namer) {
		a.trusted = true
		c.plan(a)
	}
	if !a.looking {
		c.open(a)
	}
	return a
}

// open reports a as missing and starts its clock, once.
func (c *Channel) open(a *awaited) {
	if a.timer.set() {
		return
	}
	if !a.quiet && !a.reported && !a.skipped && c.parked[a.id] == nil {
		c.report(a, GapMissing)
		c.record(a, StateMissing)
	}
	c.rearm(a)
}

// plan sets when a is asked for: after a second of grace for reordering and the
// suppression delay (rule P8).
func (c *Channel) plan(a *awaited) {
	a.attempts, a.steps = 0, 0
	if c.planned != c.now { // what is found together is asked for together
		c.planned, c.planDraw = c.now, c.random()
	}
	a.next = c.now.Add(pace.RequestDelay(c.planDraw, c.groupSize(), c.trip))
	if a.timer.set() {
		c.rearm(a)
	}
}

// rearm sets a's timer to whatever is next for it: a request, giving it up, or
// no longer asking.
func (c *Channel) rearm(a *awaited) {
	limit := c.cfg.GapAfter
	if a.skipped && !(a.quiet && !a.reported) {
		limit = c.cfg.LostAfter
	}
	at := c.now.Add(max(limit-c.policyNow().Sub(a.since), 0))
	if c.asksFor(a) {
		at = min(at, a.next)
	}
	if a.looking { // the host's answer comes first
		c.timers.stop(&a.timer)
		return
	}
	c.timers.schedule(&a.timer, at)
}

// asksFor tells whether a is to be asked for at a.next.
func (c *Channel) asksFor(a *awaited) bool {
	return a.trusted && !a.looking && a.next != 0 && c.parked[a.id] == nil
}

// holeDue is what a's timer does.
func (c *Channel) holeDue(a *awaited) {
	age := c.policyNow().Sub(a.since)
	switch {
	case age >= c.cfg.LostAfter && a.skipped:
		c.lose(a)
	case age >= c.cfg.GapAfter && !a.skipped && c.waitsItself(a.id):
		a.since = c.policyNow() // it is here; what it waits for has its own time
	case age >= c.cfg.GapAfter && !a.skipped:
		c.skip(a)
	case age >= c.cfg.GapAfter && a.quiet && !a.reported:
		c.report(a, GapSkipped)
	}
	if c.awaited[a.id] != a {
		return
	}
	if c.asksFor(a) && a.next <= c.now {
		c.requestDue()
		if a.next <= c.now { // there was no room for it
			a.next = c.now.Add(time.Second)
		}
	}
	c.rearm(a)
}

// backOff moves the next request of a away: after our own, and after hearing
// somebody else's. The wait doubles and the entry is never deleted.
// u is the draw that all of one packet share, so that they stay together.
func (c *Channel) backOff(a *awaited, u float64) {
	a.attempts++
	calm := c.lively() && !a.cold()
	if !calm || a.steps < calmSteps {
		a.steps++
	}
	rest := pace.RequestBackoff(a.steps, c.trip, calm)
	if a.attempts > nimPatience && c.nimPeers() {
		rest = max(rest, nimAnswer)
	}
	a.next = c.now.Add(rest + pace.SuppressionDelay(u, c.groupSize(), c.trip))
	if a.timer.set() {
		c.rearm(a)
	}
}

// cold tells whether nobody present seems to have a.
func (a *awaited) cold() bool { return a.attempts > coldAfter }

// dueRequests returns up to limit entries to ask for now, most overdue first,
// and backs them off. What would be due within the suppression period rides
// along: one packet asks for many.
func (c *Channel) dueRequests(limit int) []HistoryEntry {
	if len(c.awaited) == 0 {
		return nil
	}
	var due []*awaited
	soon := c.now.Add(pace.Period(c.groupSize(), c.trip))
	for _, a := range c.awaited {
		if c.asksFor(a) && a.next <= soon {
			due = append(due, a)
		}
	}
	slices.SortFunc(due, func(a, b *awaited) int {
		return Place{uint64(a.next), a.id}.Compare(Place{uint64(b.next), b.id})
	})
	if len(due) > limit {
		due = due[:limit]
	}
	if len(due) == 0 {
		return nil
	}
	entries := make([]HistoryEntry, 0, len(due))
	u := c.random()
	for _, a := range due {
		entries = append(entries, HistoryEntry{MessageID: a.id, RetrievalHint: a.hint, SenderID: a.sender})
		c.backOff(a, u)
	}
	return entries
}

// record makes what a is durable.
func (c *Channel) record(a *awaited, s MessageState) {
	a.recorded = true
	c.out.Changes.Messages = append(c.out.Changes.Messages,
		MessageRecord{ID: a.id, State: s, Sender: a.sender, Hint: a.hint})
}

func (c *Channel) report(a *awaited, s GapState) {
	a.reported, a.here = true, s == GapRecovered
	c.out.Gaps = append(c.out.Gaps, Gap{ID: a.id, State: s, Sender: a.sender, Hint: a.hint})
}

// roomFor makes room for one more hole that namer names (rule P13): what was
// given up longest ago is no longer asked for. It tells whether there is room.
func (c *Channel) roomFor(namer *peer) bool {
	if namer != nil && namer.holes >= MaxHolesPerSender && !c.loseOldest(namer) {
		return false
	}
	return len(c.awaited)-c.awaitedParked < MaxHoles || c.loseOldest(nil)
}

func (c *Channel) loseOldest(blame *peer) bool {
	for _, a := range c.skipOrder {
		if c.skipped[a.id] == a && (blame == nil || a.blame == blame) {
			c.lose(a)
			return true
		}
	}
	return false
}

// lose stops asking for a. It is remembered: should it come, it takes its place.
func (c *Channel) lose(a *awaited) {
	named := a.named()
	c.forget(a)
	if met := c.metIDs.index[a.id]; met.notForMe {
		if named {
			c.metIDs.name(a.id)
		}
		c.recordNotForMe(a.id, &met)
		return
	}
	if !a.again { // else it was reported as what it is
		c.report(a, GapLost)
	}
	if c.parked[a.id] == nil {
		c.evicted(c.lost.add(a.id, metInfo{recorded: true, named: named}))
		c.record(a, StateLost)
	}
}

// forget ends that a is awaited.
func (c *Channel) forget(a *awaited) {
	c.timers.stop(&a.timer)
	delete(c.awaited, a.id)
	delete(c.skipped, a.id)
	a.skippers = nil // skipOrder may hold a for a while
	if len(c.skipOrder) > 2*len(c.skipped)+maxGone {
		c.skipOrder = slices.DeleteFunc(c.skipOrder, func(b *awaited) bool { return c.skipped[b.id] != b })
	}
	if a.parked {
		a.parked = false
		c.awaitedParked--
	}
	c.excuse(a)
}

// excuse ends that a uses somebody's share of open holes.
func (c *Channel) excuse(a *awaited) {
	if a.blame != nil {
		a.blame.holes--
		a.blame = nil
	}
}

// waitsItself tells whether a message is here and waits for others, which have
// their own time.
func (c *Channel) waitsItself(id MessageID) bool {
	q := c.parked[id]
	return q != nil && !q.quarantined
}

// meet ends the wait for a.
func (c *Channel) meet(a *awaited, s GapState) {
	c.forget(a)
	if a.reported && !a.here && !(a.again && s == GapNotForMe) {
		c.report(a, s)
	}
	for _, child := range a.children {
		c.unblock(child)
	}
	for _, p := range a.waiting {
		if f := p.waiting; f != nil {
			c.weigh(p, *f)
		}
	}
	a.children, a.waiting = nil, nil
}

// unblock takes one blocker away from p.
func (c *Channel) unblock(p *parked) {
	if p.missing--; p.missing == 0 {
		c.release(p)
	}
}

// skip gives a up for now: what it blocks is delivered with a gap. It is still
// asked for, and named in our claims as a hole.
func (c *Channel) skip(a *awaited) {
	if a.skipped || a.looking {
		return
	}
	a.skipped = true
	c.skipped[a.id] = a
	c.skipOrder = append(c.skipOrder, a)
	if !a.quiet {
		c.report(a, GapSkipped)
	}
	if c.parked[a.id] == nil {
		c.record(a, StateGap)
	}
	children := a.children
	a.children = nil
	for _, child := range children {
		child.gaps = append(child.gaps, a.id)
		c.unblock(child)
	}
}

// met notes that id needs no place in the log.
func (c *Channel) met(id MessageID, s GapState, info metInfo) {
	a := c.awaited[id]
	info.recorded = info.recorded || a != nil && a.recorded
	c.evicted(c.metIDs.add(id, info))
	if a != nil {
		if a.recorded {
			c.out.Changes.Messages = append(c.out.Changes.Messages, MessageRecord{ID: id, State: StateMet})
		}
		c.meet(a, s)
	}
}

// unrecord lets the host forget a record that nothing needs any more.
func (c *Channel) unrecord(id MessageID) {
	if id != "" {
		c.out.Changes.Messages = append(c.out.Changes.Messages, MessageRecord{ID: id, State: StateForgotten})
	}
}

// evicted is unrecord for what made room in a metSet, unless its record says something
// else by now.
func (c *Channel) evicted(id MessageID) {
	if c.nodes[id] == nil && c.parked[id] == nil && c.awaited[id] == nil && !c.metIDs.has(id) && !c.lost.has(id) {
		c.unrecord(id)
	}
}

// maxSealedHints is by how many hints a message that could not be opened is looked for.
const maxSealedHints = 4

// NotForMe says that the message with this id can't be opened by this
// participant: nothing waits for it, and it is not asked for (rule P1). If it
// was awaited, one Gap reports it. hint is the one by which the host got what it could
// not open; it is empty if the packet itself proves that it is that message. Should
// the message be received after all, it takes its place like one that was lost.
func (c *Channel) NotForMe(now Time, id MessageID, hint []byte) {
	c.advance(now)
	if a := c.awaited[id]; c.meta.Forgotten > 0 && (a == nil || a.looking) && !c.Has(id) && !c.metIDs.has(id) {
		c.doubt(id, doubt{sealed: true, hint: slices.Clone(hint)}) // it may be in the log, and its key gone since
		return
	}
	c.sealed(id, hint)
}

// sealed is NotForMe for what is not in the log below the window.
func (c *Channel) sealed(id MessageID, hint []byte) {
	if c.nodes[id] != nil || c.parked[id] != nil {
		return
	}
	met, known := c.metIDs.index[id]
	if known && !met.notForMe {
		return
	}
	switch {
	case len(hint) == 0:
		met.hints = nil
	case known && met.hints == nil, len(met.hints) == maxSealedHints: // it is known to be sealed, or to be looked for in vain
	case !slices.ContainsFunc(met.hints, func(h []byte) bool { return bytes.Equal(h, hint) }):
		met.hints = append(met.hints, slices.Clone(hint))
	}
	a := c.awaited[id]
	c.recordNotForMe(id, &met)
	met.notForMe, met.recorded, met.named = true, true, met.named || a != nil && a.named()
	if known {
		c.metIDs.index[id] = met
	} else {
		c.evicted(c.metIDs.add(id, met))
		c.sumsLack(id)
	}
	if a != nil { // what waits for it names it
		a.reported = true
		c.meet(a, GapNotForMe)
	}
}

// OtherHint returns the hint by which a message is looked for that could not be opened by
// the ones before it, or nil if it is not. No Gap says so: it was reported already.
func (c *Channel) OtherHint(id MessageID) []byte {
	if a := c.awaited[id]; a != nil && a.again && c.parked[id] == nil {
		return a.hint
	}
	return nil
}

func (c *Channel) recordNotForMe(id MessageID, met *metInfo) {
	r := MessageRecord{ID: id, State: StateNotForMe}
	if len(met.hints) > 0 {
		r.Hint = met.hints[0]
	}
	c.out.Changes.Messages = append(c.out.Changes.Messages, r)
}

// sumsLack notes the id of a message of others, to be named in claims.
func (c *Channel) sumsLack(id MessageID) {
	if len(c.notForMe) == MaxNamedHoles {
		c.notForMe = slices.Delete(c.notForMe, 0, 1)
	}
	c.notForMe = append(c.notForMe, id)
}

// openedAfterAll takes back that id is not for us, if that was said of it: here it is,
// and was opened. Whoever gave the hint of what could not be opened may have lied, and a
// key may come late.
func (c *Channel) openedAfterAll(id MessageID) (was metInfo) {
	c.notForMe = slices.DeleteFunc(c.notForMe, func(other MessageID) bool { return other == id })
	if was = c.metIDs.index[id]; was.notForMe {
		c.metIDs.remove(id)
	}
	return was
}

// GiveUp says that nothing shall wait for the message with this id any longer, as
// if LostAfter had passed: what waits is delivered with a gap. Should the message
// come, it takes its place. It does nothing if nothing waits for the message.
func (c *Channel) GiveUp(now Time, id MessageID) {
	c.advance(now)
	a := c.awaited[id]
	if a == nil || a.looking {
		return
	}
	c.skip(a)
	if c.awaited[id] == a && c.parked[id] == nil {
		c.lose(a)
	}
}

// policyNow is the time that counts for giving up: it stands still while
// offline (rule P6).
func (c *Channel) policyNow() Time {
	now := c.now
	if !c.online {
		now = c.offlineSince
	}
	return now - c.offlineTotal
}

// joining tells whether the join point was set so short a time ago that what
// messages name is mostly below it. Then nothing waits.
func (c *Channel) joining() bool {
	return c.cfg.JoinPoint > 0 && (!c.meta.BaseFixed || c.now.Sub(c.joinedAt) < joinSettle)
}

const joinSettle = 10 * time.Second
