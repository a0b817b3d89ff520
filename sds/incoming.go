package sds

import (
	"bytes"
	"slices"

	"github.com/causeway-im/causeway/sds/wire"
)

// The incoming buffer: messages that wait for others, and the messages that are
// waited for. Each awaited message knows who waits for it, so that its arrival
// costs O(1) for each of them.

// parked is content that is not in the log yet.
type parked struct {
	id          MessageID
	sender      ParticipantID
	lamport     uint64
	content     []byte
	parents     []MessageID
	leaf        Leaf
	foreign     bool
	own         bool
	hint        []byte
	ordinal     uint64 // of an own message
	reach       uint64 // at least this, of parents below the window
	missing     int    // awaited messages that block it
	quarantined bool   // its timestamp is implausible
	namer       ParticipantID
	gaps        []MessageID
	timer       timer
}

// cost is what a waiting message counts for.
func (p *parked) cost() int {
	n := 256 + len(p.content) + len(p.hint)
	for _, id := range p.parents {
		n += 16 + len(id)
	}
	return n
}

// park keeps a message until nothing blocks it.
func (c *Channel) park(p *parked) {
	c.parked[p.id] = p
	c.parkedBytes += p.cost()
	c.parkedQueue = append(c.parkedQueue, p)
	c.out.Changes.Messages = append(c.out.Changes.Messages, p.record())
	if a := c.awaited[p.id]; a != nil {
		if a.reported && !a.here {
			c.report(a, GapRecovered)
		}
		c.rearm(a) // no need to ask for it
		if !a.parked {
			a.parked = true
			c.awaitedParked++
			c.excuse(a)
		}
	}
	for c.parkedBytes > MaxParkedBytes && len(c.parkedQueue) > 1 {
		c.force()
	}
}

func (p *parked) record() MessageRecord {
	return MessageRecord{ID: p.id, State: StateParked, Sender: p.sender, Lamport: p.lamport,
		Parents: p.parents, Foreign: p.foreign, Hint: p.hint}
}

// force makes room: the message that waited longest is delivered with gaps, or
// forgotten if its timestamp keeps it out of the log.
func (c *Channel) force() {
	oldest := c.parkedQueue[0]
	c.parkedQueue[0] = nil
	c.parkedQueue = c.parkedQueue[1:]
	if c.parked[oldest.id] != oldest {
		return // it was delivered meanwhile
	}
	for _, id := range oldest.parents {
		a := c.awaited[id]
		if a == nil || a.skipped {
			continue
		}
		if a.looking { // the host's answer comes too late for this one
			a.children = slices.DeleteFunc(a.children, func(q *parked) bool { return q == oldest })
			oldest.gaps = append(oldest.gaps, id)
			c.unblock(oldest)
		} else {
			c.skip(a)
		}
	}
	if c.parked[oldest.id] == oldest { // in quarantine
		c.unpark(oldest)
		c.unrecord(oldest.id)
	}
}

func (c *Channel) unpark(p *parked) {
	delete(c.parked, p.id)
	c.parkedBytes -= p.cost()
	p.content = nil // the queue may hold p for a while
	c.timers.stop(&p.timer)
	if len(c.parkedQueue) > 2*len(c.parked)+maxGone {
		c.parkedQueue = slices.DeleteFunc(c.parkedQueue, func(q *parked) bool { return c.parked[q.id] != q })
	}
}

// release delivers p if nothing blocks it, and whatever that unblocks, in the
// order of the log among those that become ready together.
func (c *Channel) release(p *parked) {
	c.ready.push(p)
	if c.releasing {
		return
	}
	c.releasing = true
	for c.ready.len() > 0 {
		next := c.ready.pop()
		switch {
		case next.missing > 0 || next.quarantined:
		case c.nodes[next.id] == nil:
			c.deliver(next)
		case c.parked[next.id] == next:
			c.unpark(next)
		}
	}
	c.releasing = false
}

// deliver gives p its place in the log.
func (c *Channel) deliver(p *parked) {
	content := p.content
	if c.parked[p.id] == p {
		c.unpark(p)
	}
	n := &node{id: p.id, sender: p.sender, lamport: p.lamport, foreign: p.foreign, own: p.own, hint: p.hint,
		reach: p.reach, ordinal: p.ordinal, leaf: p.leaf}
	a := c.awaited[p.id]
	late := a != nil && len(a.skippers) > 0 || c.lost.has(p.id)
	c.enter(n, p.parents, late && c.named(a, n))
	c.out.Changes.Messages = append(c.out.Changes.Messages, n.record(p.parents))
	c.out.Deliveries = append(c.out.Deliveries, Delivery{ID: p.id, Sender: p.sender, Lamport: p.lamport,
		Position: n.position, Content: content, Own: p.own, Late: late, Gaps: p.gaps})
	for _, id := range p.parents {
		if g := c.skipped[id]; g != nil && len(g.skippers) < maxSkippers {
			g.skippers = append(g.skippers, n)
		}
		if !n.foreign {
			c.metIDs.name(id)
			c.lost.name(id)
		}
	}
	if a != nil {
		stale := false
		for _, child := range a.skippers {
			if child.foreign == n.foreign && !child.gone {
				child.parents = append(child.parents, n)
				stale = stale || n.reach > child.reach
			}
		}
		if stale {
			raiseReach(c.window.all())
			c.unmerge()
		}
		c.meet(a, GapRecovered)
	}
	if c.lost.has(p.id) {
		c.lost.remove(p.id)
	}
	if late && a == nil {
		c.out.Gaps = append(c.out.Gaps, Gap{ID: p.id, State: GapRecovered, Sender: p.sender})
	}
	if len(n.parents) < len(p.parents) {
		c.mergeOwnPast(n)
	}
	c.voice(n)
}

// named tells whether something in the log names n, which comes late. What is of the
// other dialect does not count: it leads nowhere (spec R31).
func (c *Channel) named(a *awaited, n *node) bool {
	return c.lost.index[n.id].named || a != nil && a.named()
}

// named tells whether something in the log names a. Of what is forgotten it is assumed.
func (a *awaited) named() bool {
	return len(a.skippers) >= maxSkippers || slices.ContainsFunc(a.skippers, func(s *node) bool { return !s.foreign })
}

// isMet tells whether what e names counts as met. What could not be opened is looked
// for again when it is named with another hint: the first may have been a lie.
func (c *Channel) isMet(e *HistoryEntry) bool {
	met, ok := c.metIDs.index[e.MessageID]
	if !ok || len(met.hints) == 0 || len(met.hints) >= maxSealedHints || len(e.RetrievalHint) == 0 {
		return ok
	}
	return slices.ContainsFunc(met.hints, func(h []byte) bool { return bytes.Equal(h, e.RetrievalHint) })
}

// missingOf returns the entries of m's causal history that are neither in the
// log nor count as met, oldest first.
func (c *Channel) missingOf(m *wire.Message) []HistoryEntry {
	var missing []HistoryEntry
	for i := range m.CausalHistory {
		id := m.CausalHistory[i].MessageID
		if id == m.MessageID || c.nodes[id] != nil || c.isMet(&m.CausalHistory[i]) || c.cfg.Dialect != Nim && isSync(id) {
			continue
		}
		missing = append(missing, m.CausalHistory[i])
	}
	return missing
}
