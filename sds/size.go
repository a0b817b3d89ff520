package sds

import (
	"time"

	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/wire"
)

// How large the group is and how long its round trip takes (rules P4 and P7, spec
// R43 and R44). A host that gives a roster says the first; otherwise it is
// estimated from who was heard, from how many speak in a round of acknowledgements
// and from what peers claim.

// round counts the syncs of one round of acknowledgements.
type round struct {
	on    bool
	start Time
	count int
	first Time
}

// groupSize is how many participants timers reckon with.
func (c *Channel) groupSize() int {
	if c.cfg.Roster != nil && len(c.cfg.Roster.Members) > 0 {
		return len(c.cfg.Roster.Members)
	}
	return c.estimate.N()
}

// describe adds what we claim about the group, where others may not know it.
func (c *Channel) describe(e *wire.Extension) {
	if c.cfg.Roster == nil {
		e.GroupSize = pace.EncodeGroupSize(c.estimate.Claim())
	}
	if c.cfg.RoundTrip != pace.DefaultRoundTrip {
		e.RoundTrip = pace.EncodeRoundTrip(c.cfg.RoundTrip)
	}
}

// believe takes what p claims about the group, in the place of gone among the
// recent senders. Their claims count: whoever is gone has no say.
func (c *Channel) believe(p, gone *peer, e *wire.Extension) {
	same := gone != nil && gone.groupSize == e.GroupSize && gone.roundTrip == e.RoundTrip
	p.groupSize, p.roundTrip = e.GroupSize, e.RoundTrip
	if same {
		return
	}
	sizes := make([]int, 0, maxRecentSenders)
	trips := make([]time.Duration, 0, maxRecentSenders)
	for _, q := range c.recent {
		sizes = append(sizes, pace.DecodeGroupSize(q.groupSize))
		trip := pace.DefaultRoundTrip // who claims nothing
		if q.roundTrip != 0 {
			trip = pace.DecodeRoundTrip(q.roundTrip)
		}
		trips = append(trips, trip)
	}
	c.estimate = c.estimate.WithClaims(sizes)
	c.trip = pace.GroupRoundTrip(c.cfg.RoundTrip, trips)
}

// beginRound starts to count syncs: content came that somebody should acknowledge.
func (c *Channel) beginRound() {
	if c.cfg.Roster == nil && !c.round.on {
		c.round = round{on: true, start: c.now}
	}
}

// countSync counts a sync, our own included.
func (c *Channel) countSync() {
	if !c.round.on {
		return
	}
	period := pace.Period(c.groupSize(), c.trip)
	if c.now.Sub(c.round.start) < period {
		if c.round.count++; c.round.count == 1 {
			c.round.first = c.now
		}
		return
	}
	c.endRound()
}

// endRound learns from a round that is over.
func (c *Channel) endRound() {
	period := pace.Period(c.groupSize(), c.trip)
	if !c.round.on || c.now.Sub(c.round.start) < period {
		return
	}
	c.round.on = false
	c.estimate = c.estimate.AfterRound(c.round.count, c.round.first.Sub(c.round.start), period)
}
