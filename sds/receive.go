package sds

import (
	"fmt"
	"slices"

	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/wire"
)

// Receive takes a message that came from the network. An error says why it was
// refused; nothing of it has been used then. m.Content is kept until the message is
// delivered, and all of m while a lookup for it is open: its bytes must not change.
func (c *Channel) Receive(now Time, m wire.Message, o Origin) error {
	return c.ReceivePrepared(now, Prepare(m), o)
}

// ReceivePrepared is Receive for a message that Prepare has looked at: what does
// not depend on who receives it is done once, for all channels that it is given to.
func (c *Channel) ReceivePrepared(now Time, in *Incoming, o Origin) error {
	c.advance(now)
	trust, err := c.check(in, o)
	if err != nil {
		return err
	}
	c.receive(in, o, trust, false)
	return nil
}

// check refuses what can't be a message of this channel.
func (c *Channel) check(in *Incoming, o Origin) (Trust, error) {
	m := &in.m
	switch {
	case m.ChannelID != c.cfg.Channel:
		return 0, fmt.Errorf("sds: %w: %q", ErrWrongChannel, clip(string(m.ChannelID)))
	case in.err != nil:
		return 0, in.err
	case o.Authenticated && o.Sender != "" && o.Sender != m.SenderID:
		return 0, fmt.Errorf("sds: %w: %q sent a message of %q", ErrForgedSender, clip(string(o.Sender)), clip(string(m.SenderID)))
	}
	trust := in.trust
	if trust == Opaque && c.cfg.Dialect == JS && m.Dialect == wire.Nim && formOf(m.MessageID) == formHex {
		trust = Forged // it would stand in the way of the message that has this id
	}
	if trust == Forged {
		return 0, fmt.Errorf("sds: %w: %s", ErrIDMismatch, clip(string(m.MessageID)))
	}
	if o.Authenticated && o.Sender != "" {
		trust = Verified
	}
	return trust, nil
}

func clip(s string) string { return s[:min(len(s), 80)] }

// receive takes a message that passed check. looked says that the host was
// asked and does not have it.
func (c *Channel) receive(in *Incoming, o Origin, trust Trust, looked bool) {
	m := &in.m
	if in.kind == wire.Ephemeral {
		c.ephemeral(m)
		return
	}
	if c.duplicate(m, o) {
		return
	}
	if !looked && in.kind == wire.Content && c.mayBeOld(m) {
		c.hold(in, o, trust)
		return
	}
	c.authenticated = o.Authenticated && o.Sender != ""
	var p *peer // nil for ourselves, and for nobody in particular
	own := m.SenderID == c.cfg.Participant
	ext := in.ext
	if own {
		c.pastOwn(m, &ext)
	} else {
		if m.SenderID != "" {
			p = c.peerOf(m.SenderID)
		}
		c.hear(p, m, &ext)
		c.evidence(m, p)
	}
	switch in.kind {
	case wire.Sync:
		c.receiveSync(m, p, trust)
	case wire.Content:
		c.receiveContent(in, o, p, trust, own)
		if p != nil && m.Lamport > c.meta.Base {
			c.numbered(p, m, &ext)
		}
	}
	if !own {
		c.requested(m, p)
		c.completeJS(m, p)
		if p != nil {
			c.heed(m, p, &ext)
		}
	}
	c.recheck()
}

// mayBeOld tells whether m may be in the log below the window. Ids of our form
// commit to their timestamp, so those above what was forgotten are new; others
// may come again under any.
func (c *Channel) mayBeOld(m *wire.Message) bool {
	return c.meta.Forgotten > 0 && (m.Lamport <= c.meta.ForgottenMax || formOf(m.MessageID) != formContent)
}

// pastOwn raises clock and sequence past a message that we once wrote and no
// longer know. It never acknowledges anything (rule P1).
func (c *Channel) pastOwn(m *wire.Message, e *wire.Extension) {
	if e.Incarnation == c.meta.Incarnation && e.Sequence > c.meta.Sequence && e.Sequence < MaxLamport {
		c.meta.Sequence = e.Sequence
		c.metaChanged = true
	}
	if c.isPlausible(c.now, m.Lamport) {
		c.observe(m.Lamport)
	}
}

// evidence takes what a causal history and a filter prove.
func (c *Channel) evidence(m *wire.Message, p *peer) {
	for i := range m.CausalHistory {
		id := m.CausalHistory[i].MessageID
		if p != nil || m.Dialect == wire.Nim {
			c.mentioned(p, id)
		}
		if n := c.nodes[id]; n != nil {
			if n.sender != m.SenderID {
				n.voiced, n.named = true, true
			}
			if n.hint == nil && m.CausalHistory[i].RetrievalHint != nil {
				n.hint = slices.Clone(m.CausalHistory[i].RetrievalHint)
			}
		} else if q := c.parked[id]; q != nil && q.quarantined && m.SenderID != q.sender {
			c.vouch(q, m.SenderID)
		}
	}
	c.possible(p, m)
	c.quiet()
}

// duplicate tells whether m is known, and takes what a copy tells.
func (c *Channel) duplicate(m *wire.Message, o Origin) bool {
	id := m.MessageID
	if met, ok := c.metIDs.index[id]; ok && !(met.notForMe && m.Kind() == wire.Content) || c.syncs.has(id) {
		return true
	}
	q := c.parked[id]
	n := c.nodes[id]
	if q == nil && n == nil {
		return false
	}
	c.cancelAnswer(id)
	if n == nil {
		return true
	}
	if n.hint == nil && o.Hint != nil {
		n.hint = slices.Clone(o.Hint)
	}
	since := c.now.Sub(n.copied)
	n.copied = c.now
	if since > c.trip { // not just another path of the same broadcast
		n.repaired = c.now
	}
	asked := n.asked != 0 && c.now.Sub(n.asked) < repairTalk
	if since > pace.IgnoreWindow(c.trip) && o.Path == Live && !n.own && !asked {
		c.poke() // its author may not know that we have it
	}
	return true
}

// cancelAnswer notes that somebody else sent a message that we would have.
func (c *Channel) cancelAnswer(id MessageID) {
	if a := c.answers[id]; a != nil {
		c.timers.stop(&a.timer)
		delete(c.answers, id)
	}
}

func (c *Channel) ephemeral(m *wire.Message) {
	if m.SenderID == c.cfg.Participant && c.echoes.has(m.MessageID) {
		return
	}
	c.out.Arrivals = append(c.out.Arrivals, Arrival{ID: m.MessageID, Kind: wire.Ephemeral,
		Sender: m.SenderID, Content: m.Content})
}

// receiveSync notes a sync message: nothing of it enters the log. What it names
// and we lack is missing.
func (c *Channel) receiveSync(m *wire.Message, p *peer, trust Trust) {
	var missing []HistoryEntry
	if c.meta.BaseFixed { // before, everything named is most likely below the join point
		missing = c.missingOf(m)
	}
	for i := range missing {
		if c.nodes[missing[i].MessageID] != nil {
			continue // as in blockOn
		}
		if a := c.await(&missing[i], p, trust == Verified || c.trusts(p, wire.Sync)); a != nil && a.quiet {
			c.skip(a)
		}
	}
	if len(missing) > 0 {
		c.unsettle()
	}
	if isSync(m.MessageID) && m.Dialect == wire.LIP {
		c.syncs.add(m.MessageID, metInfo{})
	} else {
		c.met(m.MessageID, GapRecovered, metInfo{})
	}
}

// trusts tells whether p is taken at its word about missing messages although
// the id of its message is opaque: syncs of members of the roster, and where all
// ids are opaque, in a JavaScript channel syncs, and in a nim channel whatever
// members of the roster say.
func (c *Channel) trusts(p *peer, kind wire.Kind) bool {
	switch {
	case c.cfg.TrustNames:
		return true
	case p == nil:
		return false
	case c.inRoster(p.id):
		return kind == wire.Sync || c.cfg.Dialect == Nim
	}
	return kind == wire.Sync && c.cfg.Roster == nil && c.cfg.Dialect == JS
}

// receiveContent takes a message towards the log.
func (c *Channel) receiveContent(in *Incoming, o Origin, p *peer, trust Trust, own bool) {
	m := &in.m
	c.settleBase(m)
	opened := c.openedAfterAll(m.MessageID)
	arrival := Arrival{ID: m.MessageID, Kind: wire.Content, Sender: m.SenderID, Lamport: m.Lamport, Content: m.Content}
	if m.Lamport <= c.meta.Base && c.meta.Base > 0 {
		arrival.BelowJoin = true
		c.out.Arrivals = append(c.out.Arrivals, arrival)
		c.out.Changes.Messages = append(c.out.Changes.Messages, MessageRecord{ID: m.MessageID, State: StateMet})
		c.met(m.MessageID, GapBelowJoin, metInfo{recorded: true})
		return
	}
	if opened.notForMe { // what named it is in the log
		c.evicted(c.lost.add(m.MessageID, metInfo{recorded: true, named: opened.named}))
		c.out.Changes.Messages = append(c.out.Changes.Messages, MessageRecord{ID: m.MessageID, State: StateLost})
	}
	q := &parked{id: m.MessageID, sender: m.SenderID, lamport: m.Lamport, content: m.Content, own: own,
		parents: in.parents, leaf: in.leaf, foreign: m.Dialect != c.cfg.Dialect.wire(), hint: slices.Clone(o.Hint)}
	arrival.Missing = c.missingOf(m)
	c.found(m.MessageID, m.Lamport)
	q.quarantined = !c.isPlausible(c.now, m.Lamport) && !c.follows(m.Lamport, q.parents)
	arrival.Quarantined = q.quarantined
	c.out.Arrivals = append(c.out.Arrivals, arrival)
	c.received(q.id)
	c.block(q, arrival.Missing, p, trust)
	if q.missing == 0 && !q.quarantined {
		c.release(q)
		return
	}
	if q.quarantined {
		c.quarantine(q)
	} else {
		c.unsettle()
	}
	c.park(q)
}

// block makes q wait for what it depends on: for the newest MaxBlocking of the
// missing, unless they were given up already.
func (c *Channel) block(q *parked, missing []HistoryEntry, p *peer, trust Trust) {
	first := max(0, len(missing)-MaxBlocking)
	for i := first; i < len(missing); i++ { // the newest first in line for room
		c.blockOn(q, &missing[i], p, trust, true)
	}
	for i := range first {
		c.blockOn(q, &missing[i], p, trust, false)
	}
}

func (c *Channel) blockOn(q *parked, e *HistoryEntry, p *peer, trust Trust, wait bool) {
	if c.nodes[e.MessageID] != nil {
		return // it waited for one before it in the list, and that was given up
	}
	a := c.await(e, p, trust == Verified || c.trusts(p, wire.Content))
	if a == nil { // nobody asks for it, but should it come it is late
		switch id := e.MessageID; {
		case c.metIDs.has(id):
			return // it is not for us, and not looked for again
		case c.meta.Forgotten > 0 && !c.lost.has(id):
			c.doubt(id, doubt{sender: e.SenderID})
		default:
			c.loseAtOnce(id, e.SenderID)
		}
		q.gaps = append(q.gaps, e.MessageID)
		return
	}
	if !a.looking && (a.quiet || !wait) {
		c.skip(a)
	}
	if a.skipped {
		if !a.quiet {
			q.gaps = append(q.gaps, a.id)
		}
		return
	}
	a.children = append(a.children, q)
	q.missing++
}

// loseAtOnce notes a message that there was no room to wait for.
func (c *Channel) loseAtOnce(id MessageID, sender ParticipantID) {
	if c.lost.has(id) {
		return
	}
	c.evicted(c.lost.add(id, metInfo{recorded: true, named: true}))
	c.out.Changes.Messages = append(c.out.Changes.Messages, MessageRecord{ID: id, State: StateLost, Sender: sender})
	c.out.Gaps = append(c.out.Gaps, Gap{ID: id, State: GapLost, Sender: sender})
}

// quarantine keeps q out of the log until its time comes or two others name it.
func (c *Channel) quarantine(q *parked) {
	q.timer = timer{kind: timerParked, id: q.id}
	c.far = append(c.far, q)
	if len(c.far) > MaxFar {
		oldest := c.far[0]
		c.far = slices.Delete(c.far, 0, 1)
		if c.parked[oldest.id] == oldest && oldest.quarantined {
			c.unpark(oldest)
			c.unrecord(oldest.id)
		}
	}
	c.retryQuarantine(q)
}

func (c *Channel) retryQuarantine(q *parked) {
	at := Time(q.lamport).Add(-ClockSkew)
	if c.cfg.Dialect == Nim {
		at = c.now.Add(c.cfg.GapAfter) // a number without a unit: look again
	}
	c.timers.schedule(&q.timer, max(at, c.now+1))
}

// recheck lets messages out of quarantine that have become plausible: their time
// came, more senders were heard, or the log moved.
func (c *Channel) recheck() {
	if len(c.far) == 0 {
		return
	}
	limit := c.plausible(c.now)
	if limit == c.farLimit && c.meta.Position == c.farPosition {
		return // nothing changed
	}
	c.farLimit, c.farPosition = limit, c.meta.Position
	for i := 0; i < len(c.far); i++ {
		q := c.far[i]
		switch {
		case c.parked[q.id] != q || !q.quarantined: // it is out already
		case q.lamport < maxPlaced && q.lamport <= limit || c.follows(q.lamport, q.parents):
			c.admit(q)
		default:
			continue
		}
		c.far = slices.Delete(c.far, i, i+1)
		i = -1 // the log moved: look again
	}
}

// admit ends the quarantine of q.
func (c *Channel) admit(q *parked) {
	q.quarantined = false
	c.timers.stop(&q.timer)
	if q.missing == 0 {
		c.release(q)
	}
}

func (c *Channel) parkedDue(q *parked) {
	c.recheck()
	if c.parked[q.id] == q && q.quarantined {
		c.retryQuarantine(q)
	}
}

// vouch notes that somebody else names a quarantined message. The second who
// does releases it.
func (c *Channel) vouch(q *parked, by ParticipantID) {
	if !c.counts(by) || q.lamport >= maxPlaced {
		return
	}
	if q.namer == "" {
		q.namer = by
		return
	}
	if q.namer == by {
		return
	}
	c.admit(q)
}

// settleBase fixes the join point at the first content. A joiner whose clock is
// ahead would take what follows for history; the first message it hears moves
// the join point back, a little.
func (c *Channel) settleBase(m *wire.Message) {
	if c.meta.BaseFixed || c.cfg.JoinPoint == 0 {
		return
	}
	base := c.cfg.JoinPoint
	if m.Lamport <= base && base-m.Lamport < c.cfg.Dialect.units(joinOverlap) {
		base = m.Lamport - min(m.Lamport, 1)
	}
	c.fixBase(base)
}

func (c *Channel) fixBase(base uint64) {
	c.meta.Base, c.meta.BaseFixed, c.metaChanged = base, true, true
	c.joinedAt = c.now
}

// held is a message that may be in the log below the window.
type held struct {
	in    *Incoming
	o     Origin
	trust Trust
	size  int
}

func (c *Channel) hold(in *Incoming, o Origin, trust Trust) {
	m := &in.m
	if c.answers[m.MessageID] != nil { // we know it: the host has it
		c.cancelAnswer(m.MessageID)
		c.answered.add(m.MessageID, c.now)
		return
	}
	if _, ok := c.held[m.MessageID]; ok {
		return // the same again
	}
	size := m.Size()
	if len(c.held) >= MaxHeld || c.heldBytes+size > MaxHeldBytes {
		return // as if the network had lost it
	}
	c.out.Lookups = append(c.out.Lookups, m.MessageID)
	c.heldBytes += size
	c.held[m.MessageID] = held{in, o, trust, size}
}

// doubt is what a message below the window would be if it is not in the host's log:
// not for us, or one that there was no room to wait for.
type doubt struct {
	sealed bool
	hint   []byte
	sender ParticipantID
}

func (c *Channel) doubt(id MessageID, d doubt) {
	if old, ok := c.doubted[id]; ok {
		if d.sealed && (!old.sealed || len(d.hint) == 0) {
			c.doubted[id] = d
		}
		return
	}
	if len(c.doubted) >= MaxHeld {
		return // as if the network had lost it
	}
	c.doubted[id] = d
	c.out.Lookups = append(c.out.Lookups, id)
}

// resolve ends a doubt: id is not in the log.
func (c *Channel) resolve(id MessageID, d *doubt) {
	switch {
	case d.sealed:
		c.sealed(id, d.hint)
	case c.nodes[id] == nil && c.parked[id] == nil && c.awaited[id] == nil && !c.metIDs.has(id):
		c.loseAtOnce(id, d.sender)
	}
}

// Lookup is the host's answer about one id: whether the message is in its log.
type Lookup struct {
	ID    MessageID
	Known bool
	// Sender is MessageRecord.Sender of a known message.
	Sender ParticipantID
	// Reach is MessageRecord.Reach of a known message.
	Reach uint64
}

// Found answers Ready.Lookups.
func (c *Channel) Found(now Time, results []Lookup) {
	c.advance(now)
	for _, r := range results {
		if h, ok := c.held[r.ID]; ok {
			delete(c.held, r.ID)
			c.heldBytes -= h.size
			if r.Known {
				c.answered.add(r.ID, c.now)
			} else {
				c.receive(h.in, h.o, h.trust, true)
			}
		}
		if a := c.awaited[r.ID]; a != nil && a.looking {
			a.looking = false
			c.foundAwaited(a, r)
		}
		if d, ok := c.doubted[r.ID]; ok {
			delete(c.doubted, r.ID)
			if !r.Known {
				c.resolve(r.ID, &d)
			}
		}
		if p, ok := c.sought[r.ID]; ok {
			delete(c.sought, r.ID)
			if r.Known && !c.answered.within(r.ID, c.now, pace.IgnoreWindow(c.trip)) {
				c.answer(r.ID, p, r.Sender == c.cfg.Participant)
			}
		}
	}
}

func (c *Channel) foundAwaited(a *awaited, r Lookup) {
	if r.Known {
		for _, child := range a.children {
			child.reach = max(child.reach, r.Reach)
		}
		c.met(a.id, GapRecovered, metInfo{})
		return
	}
	if a.trusted {
		c.plan(a)
	}
	c.open(a)
	if a.quiet {
		c.skip(a)
	}
}
