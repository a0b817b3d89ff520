package sds

import (
	"math"
	"slices"
	"time"

	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/wire"
)

// Repair (SDS-R with the timers of rule P8): asking for what is missing, and
// answering others. Requests travel in field 13, as deployed peers send and
// understand them.

// answerTimer is a repair that we may send.
type answerTimer struct {
	id    MessageID
	timer timer
}

// requestDue asks for everything that is due, in a sync of its own. Channels
// without syncs wait for the next content instead.
func (c *Channel) requestDue() {
	if c.cfg.Dialect == Nim {
		c.nimAck()
		return
	}
	if c.askedAt != 0 && c.now.Sub(c.askedAt) < c.trip {
		return // one packet at a time
	}
	entries := c.dueRequests(c.maxRequests())
	if len(entries) > 0 {
		c.askedAt = c.now
		c.sendSync(ClassRequest, entries, nil)
	}
}

func (c *Channel) maxRequests() int {
	if c.cfg.Dialect == LIP {
		return MaxRequestIDs
	}
	return MaxRequestIDsLegacy
}

// requested handles the repair requests of m.
func (c *Channel) requested(m *wire.Message, p *peer) {
	if len(m.RepairRequest) == 0 {
		return
	}
	var top uint64
	u := c.random()
	for i := range m.RepairRequest[:min(len(m.RepairRequest), MaxRequestIDs)] {
		id := m.RepairRequest[i].MessageID
		if a := c.awaited[id]; a != nil {
			// Somebody asked already: ours waits longer, and stays.
			if a.next != 0 {
				c.backOff(a, u)
			}
			if c.parked[id] == nil {
				continue
			}
		}
		n := c.nodes[id]
		met, isMet := c.metIDs.index[id]
		switch {
		case n != nil:
			top = max(top, n.lamport)
			c.answerNode(n, p)
		case c.parked[id] != nil:
			c.answer(id, p, false)
		case isMet && met.own:
			c.answer(id, p, true)
		case c.meta.Forgotten > 0 && len(c.sought) < MaxAnswers:
			if _, ok := c.sought[id]; !ok {
				c.sought[id] = p
				c.out.Lookups = append(c.out.Lookups, id)
			}
		}
	}
	if top > 0 && p != nil {
		c.catchUp(m, p, top)
	}
}

// catchUp answers also with what the sender of a request lacks of the history of
// what it asks for: it named its heads, so we know. Otherwise somebody who missed
// a hundred messages would learn of each only when the one after it has come.
func (c *Channel) catchUp(m *wire.Message, p *peer, top uint64) {
	heads := c.claimed[:0]
	for i := range m.CausalHistory {
		n := c.nodes[m.CausalHistory[i].MessageID]
		if n == nil {
			return // it knows of things that we don't
		}
		heads = append(heads, n)
	}
	c.claimed = heads
	if len(heads) == 0 || len(heads) >= MaxParentsLIP || !c.walkOthers(heads) {
		return
	}
	settled := 2 * c.trip
	lacks := slices.DeleteFunc(slices.Clone(c.others), func(n *node) bool {
		return n.lamport >= top || c.now.Sub(n.copied) < settled
	})
	slices.SortFunc(lacks, func(a, b *node) int { return a.place().Compare(b.place()) })
	for _, n := range lacks[:min(len(lacks), MaxCatchUp)] {
		c.answerNode(n, p)
	}
}

// answerNode answers for a message of the window, once in the ignore window.
func (c *Channel) answerNode(n *node, p *peer) {
	n.asked = c.now
	if n.repaired == 0 || c.now.Sub(n.repaired) >= c.ignores(n) {
		c.answer(n.id, p, n.own)
	}
}

// ignores is how long requests for a message that we sent are ignored. Who asks
// again and again does not lack it, or can't be helped: a defence against those who
// have a small request answered with many large messages.
func (c *Channel) ignores(n *node) time.Duration {
	again := max(0, int(n.answers)-freeAnswers)
	return min(pace.IgnoreWindow(c.trip)<<min(again, 8), maxIgnore)
}

// answer plans a repair: at once if the message is ours, early if we are a
// steward or one of the hashed holders, later otherwise. Hearing the message
// meanwhile cancels it.
func (c *Channel) answer(id MessageID, p *peer, own bool) {
	if c.answers[id] != nil || len(c.answers) >= MaxAnswers {
		return
	}
	holder := pace.Other
	switch {
	case own:
		holder = pace.Author
	case c.cfg.Steward && !c.busy || pace.IsHolder(string(id), string(c.cfg.Participant), c.groupSize()):
		holder = pace.Early
	}
	a := &answerTimer{id: id, timer: timer{kind: timerAnswer, id: id}}
	c.answers[id] = a
	c.timers.schedule(&a.timer, c.now.Add(pace.ResponseDelay(c.random(), holder, c.groupSize(), c.trip)))
}

// SetBusy says whether half of the sender's quota is used. A steward that is busy
// leaves early answers to the others (rule P11).
func (c *Channel) SetBusy(now Time, busy bool) {
	c.advance(now)
	c.busy = busy
}

// answerDue sends a repair: the identical bytes, in a fresh envelope.
func (c *Channel) answerDue(a *answerTimer) {
	delete(c.answers, a.id)
	if n := c.nodes[a.id]; n != nil {
		n.repaired, n.copied = c.now, c.now
		n.answers += min(1, math.MaxUint8-n.answers)
	} else {
		c.answered.add(a.id, c.now)
	}
	c.send(Packet{Class: ClassRepair, ID: a.id})
}

// recentIDs remembers when something happened to an id; the oldest make room.
type recentIDs struct {
	at   map[MessageID]Time
	ring []MessageID
	next int
}

func (r *recentIDs) add(id MessageID, at Time) {
	if r.at == nil {
		r.at = map[MessageID]Time{}
	}
	if _, ok := r.at[id]; !ok {
		if len(r.ring) < MaxAnswers {
			r.ring = append(r.ring, id)
		} else {
			delete(r.at, r.ring[r.next])
			r.ring[r.next] = id
			r.next = (r.next + 1) % len(r.ring)
		}
	}
	r.at[id] = at
}

// remove forgets that something happened to an id.
func (r *recentIDs) remove(id MessageID) {
	if _, ok := r.at[id]; ok {
		r.at[id] = math.MinInt64 / 2
	}
}

func (r *recentIDs) within(id MessageID, now Time, d time.Duration) bool {
	at, ok := r.at[id]
	return ok && now.Sub(at) < d
}

// Again sends a message once more, at once: the identical bytes, in a fresh
// envelope. It is for tests and for users who want it; the protocol needs none. It
// returns false if the message is not here, or the transport can't send.
func (c *Channel) Again(now Time, id MessageID) bool {
	c.advance(now)
	if !c.online {
		return false
	}
	if o := c.outgoing[id]; o != nil && o.draft == nil {
		c.send(Packet{Class: ClassResend, ID: id})
		return true
	}
	n := c.nodes[id]
	if n == nil {
		return false
	}
	n.repaired, n.copied = c.now, c.now
	c.send(Packet{Class: ClassRepair, ID: id})
	return true
}
