package sds

import (
	"slices"
	"time"
)

// The Lamport clock (rule P2, spec R20 … R24). It starts at, and never falls
// behind, the wall clock of the dialect, and never runs backwards.

// floor is the wall clock in the dialect's unit.
func (d Dialect) floor(now Time) uint64 {
	if now < 0 {
		return 0
	}
	if d == Nim {
		return uint64(now) / 1000
	}
	return uint64(now)
}

// units is d in the dialect's unit.
func (d Dialect) units(t time.Duration) uint64 {
	if d == Nim {
		return uint64(t / time.Second)
	}
	return uint64(t / time.Millisecond)
}

// nextLamport returns the timestamp of the next message and advances the clock.
func (c *Channel) nextLamport(now Time) uint64 {
	c.meta.Lamport = min(max(c.cfg.Dialect.floor(now), c.meta.Lamport+1, c.meta.Base+1), MaxLamport-1)
	c.metaChanged = true
	return c.meta.Lamport
}

// observe takes over the timestamp of a delivered message, if it is greater.
func (c *Channel) observe(lamport uint64) {
	if lamport > c.meta.Lamport {
		c.meta.Lamport = lamport
		c.metaChanged = true
	}
}

// plausible is the highest timestamp that a message may have to take its place
// at once. In LIP: 60 s above the larger of our own clock and the lower median of
// what the newest 32 senders and we ourselves say; so one liar moves nothing, and
// a device whose clock is behind follows the group. Where only one other person
// belongs to the channel, that person's word is as good as ours, within a year.
// With a roster only its members have a word.
func (c *Channel) plausible(now Time) uint64 {
	own := c.cfg.Dialect.floor(now)
	if c.cfg.Dialect == Nim {
		return max(own, c.meta.Lamport) + nimLead
	}
	said := make([]uint64, 0, maxRecentSenders+1)
	if c.audience != nil && c.audience.count == 1 && len(c.recent) > 0 {
		return max(own, min(c.recent[0].lamport, own+oneWordLead)) + uint64(ClockSkew.Milliseconds())
	}
	said = append(said, own)
	for _, p := range c.recent {
		said = append(said, p.lamport)
	}
	slices.Sort(said)
	return max(own, said[(len(said)-1)/2]) + uint64(ClockSkew.Milliseconds())
}

// isPlausible is plausible with the common answer first, as it is asked for
// every message.
func (c *Channel) isPlausible(now Time, lamport uint64) bool {
	return lamport <= c.cfg.Dialect.floor(now) || lamport < maxPlaced && lamport <= c.plausible(now)
}

// follows tells whether a timestamp is what an honest clock gives right after
// one of these messages of the log: once the log has moved ahead of the wall
// clock, everybody's messages are there. It moves a clock by next to nothing.
func (c *Channel) follows(lamport uint64, parents []MessageID) bool {
	for _, id := range parents {
		if n := c.nodes[id]; n != nil && lamport <= n.lamport+clockSlack && lamport < maxPlaced {
			return true
		}
	}
	return false
}

// remember moves p to the front of the recent senders. It returns the one whose
// place p takes: p itself, the one that is no longer recent, or nil.
func (c *Channel) remember(p *peer) (gone *peer) {
	if len(c.recent) > 0 && c.recent[0] == p {
		return p
	}
	i := slices.Index(c.recent, p)
	if i < 0 {
		if len(c.recent) < maxRecentSenders {
			c.recent = append(c.recent, nil)
		}
		i = len(c.recent) - 1
	}
	gone = c.recent[i]
	copy(c.recent[1:i+1], c.recent[:i])
	c.recent[0] = p
	return gone
}
