package sds

import (
	"slices"
	"time"

	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/wire"
)

// peer is what we know about another participant. It is not durable: it is
// learned again from the next message.
type peer struct {
	id          ParticipantID
	person      int // index in Channel.persons
	heard       Time
	lamport     uint64
	groupSize   uint8 // as it claims, in the code of the wire
	roundTrip   uint8 // likewise
	sequence    sequenceWindow
	suspect     bool // is in Channel.suspects
	incarnation uint32
	high        uint64 // it proved to have our messages up to this ordinal
	mentioned   uint64 // highest own ordinal that it named
	waiting     *frontier
	holes       int  // open holes that only it named
	asksUntil   Time // what it asked for lasts until then, at askEvery
}

// peerOf returns the state of a participant, made when there is room. Members
// of the roster always have a place; others share MaxPeers.
func (c *Channel) peerOf(id ParticipantID) *peer {
	if p := c.peers[id]; p != nil {
		return p
	}
	if c.cfg.Roster != nil && len(c.peers) >= c.peerLimit {
		c.forgetPeers()
	}
	if len(c.peers) >= MaxPeers && !c.inRoster(id) {
		return nil
	}
	p := &peer{id: id, person: c.personOf(id)}
	c.peers[id] = p
	return p
}

// forgetPeers drops peers of whom nothing is known that the next message of theirs
// would not tell again. Where a roster says who is there, nobody else needs them:
// a listener of a large group keeps few.
func (c *Channel) forgetPeers() {
	for id, p := range c.peers {
		if p.idle() && c.now.Sub(p.heard) > idlePeer && !slices.Contains(c.recent, p) {
			delete(c.peers, id)
		}
	}
	c.peerLimit = max(maxIdlePeers, 2*len(c.peers))
}

// idle tells whether nothing was inferred from what p said.
func (p *peer) idle() bool {
	return p.high == 0 && p.mentioned == 0 && p.waiting == nil && p.holes == 0
}

// countHeard counts participants heard in the last 24 hours: a second after
// somebody new came, and once an hour, as it looks at all.
func (c *Channel) countHeard() {
	since := c.now.Sub(c.counted)
	if c.cfg.Roster != nil || c.counted != 0 && (since < time.Second || !c.newcomers && since < time.Hour) {
		return
	}
	c.counted, c.newcomers = c.now, false
	n := 0
	for _, p := range c.peers {
		if p.heard != 0 && c.now.Sub(p.heard) <= 24*time.Hour {
			n++
		}
	}
	c.estimate = c.estimate.WithHeard(n)
}

// counts tells whether a participant has a say: a member of the roster, if there
// is one.
func (c *Channel) counts(id ParticipantID) bool { return c.cfg.Roster == nil || c.inRoster(id) }

func (c *Channel) inRoster(id ParticipantID) bool {
	if c.cfg.Roster == nil {
		return false
	}
	_, ok := c.cfg.Roster.Members[id]
	return ok
}

// hear notes a message of another participant.
func (c *Channel) hear(p *peer, m *wire.Message, e *wire.Extension) {
	if c.now.Sub(c.lastHeard) > pace.LivelyWithin {
		c.hurry() // somebody is there again
	}
	c.lastHeard = c.now
	if m.Dialect == wire.Nim && m.Extension == nil {
		c.old.nimHeard = c.now
	}
	if p == nil {
		return
	}
	if c.now.Sub(p.heard) > pace.LivelyWithin && c.lacks(p) {
		c.planAsk(c.nextAsk()) // it may have lost what we asked it
	}
	c.presence.note(c.now, p.person)
	c.newcomers = c.newcomers || p.heard == 0 || c.now.Sub(p.heard) > 24*time.Hour
	p.heard = c.now
	c.countHeard()
	if m.HasLamport && m.Lamport < maxPlaced { // no honest clock is beyond
		p.lamport = max(p.lamport, m.Lamport)
		if c.counts(p.id) {
			c.believe(p, c.remember(p), e)
		}
	}
	if m.Kind() == wire.Sync {
		c.countSync()
	}
	if e.Incarnation != 0 && e.Incarnation != p.incarnation && p.incarnation != 0 && m.Lamport < p.lamport {
		e.HasFingerprint = false // from before it lost its state
		return
	}
	if e.Incarnation != 0 && e.Incarnation != p.incarnation {
		// It lost its state: what it proved before says nothing any more.
		if p.incarnation != 0 {
			p.high, p.mentioned, p.waiting = 0, 0, nil
		}
		p.incarnation = e.Incarnation
	}
}

// lively tells whether anybody was heard in the last minute.
func (c *Channel) lively() bool {
	return c.lastHeard != 0 && c.now.Sub(c.lastHeard) <= pace.LivelyWithin
}
