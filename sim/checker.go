package sim

import (
	"fmt"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// Checker holds what sds promises against a dumb model: for each member the set
// of messages that it holds and the order in which they came, nothing else.
// Every violation is kept in Violations.
type Checker struct {
	Violations []string
	// Liars are persons that may say what is not so. Unsigned says that others may
	// speak in the name of members: then only receipts that are not marked as
	// claimed must be true.
	Liars    map[sds.PersonID]bool
	Unsigned bool

	g         *Group
	holds     []map[sds.MessageID]bool // by member: it was handed to the host
	logged    []map[sds.MessageID]bool // by member: it is in the log
	positions []map[sds.Position]sds.MessageID
	last      []sds.Position
	levels    map[sds.MessageID]sds.Level
	lamports  []uint64
	sequences []uint64
}

func newChecker(g *Group) *Checker {
	c := &Checker{g: g, levels: map[sds.MessageID]sds.Level{}}
	for range g.opts.Members {
		c.holds = append(c.holds, map[sds.MessageID]bool{})
		c.logged = append(c.logged, map[sds.MessageID]bool{})
		c.positions = append(c.positions, map[sds.Position]sds.MessageID{})
		c.last = append(c.last, 0)
		c.lamports = append(c.lamports, 0)
		c.sequences = append(c.sequences, 0)
	}
	return c
}

func (c *Checker) violated(format string, args ...any) {
	if len(c.Violations) < 20 {
		c.Violations = append(c.Violations, fmt.Sprintf("at %v: ", c.g.Elapsed())+fmt.Sprintf(format, args...))
	}
}

// ready checks one Ready of m, before its packets leave.
func (c *Checker) ready(m *Member, r sds.Ready) {
	i := m.Index
	if meta := r.Changes.Meta; meta != nil {
		if meta.Lamport < c.lamports[i] || meta.Sequence < c.sequences[i] {
			c.violated("member %d: clock or sequence ran back", i)
		}
		c.lamports[i], c.sequences[i] = meta.Lamport, meta.Sequence
	}
	for _, a := range r.Arrivals {
		if a.Kind != wire.Content {
			continue // what is ephemeral may have the id of content, in JavaScript channels of the same
		}
		if c.holds[i][a.ID] {
			c.violated("member %d: %s arrived twice", i, a.ID)
		}
		c.holds[i][a.ID] = true
	}
	for _, d := range r.Deliveries {
		c.delivery(m, d)
	}
	for _, receipt := range r.Receipts {
		c.receipt(m, receipt)
	}
}

func (c *Checker) delivery(m *Member, d sds.Delivery) {
	i := m.Index
	c.holds[i][d.ID] = true
	if c.logged[i][d.ID] {
		c.violated("member %d: %s delivered twice", i, d.ID)
	}
	if d.Position != c.last[i]+1 {
		c.violated("member %d: position %d after %d", i, d.Position, c.last[i])
	}
	if old, ok := c.positions[i][d.Position]; ok {
		c.violated("member %d: position %d given to %s and %s", i, d.Position, old, d.ID)
	}
	c.last[i] = d.Position
	c.positions[i][d.Position] = d.ID
	gaps := map[sds.MessageID]bool{}
	for _, id := range d.Gaps {
		gaps[id] = true
	}
	for _, id := range m.State.Messages[d.ID].Parents {
		if _, ours := c.g.Stats.tracks[id]; ours && !c.logged[i][id] && !gaps[id] && m.cfg.JoinPoint == 0 {
			c.violated("member %d: %s delivered before %s, on which it depends", i, d.ID, id)
		}
	}
	c.logged[i][d.ID] = true
}

func (c *Checker) receipt(m *Member, r sds.Receipt) {
	if r.Level < c.levels[r.ID] {
		c.violated("member %d: receipt of %s went back from %v to %v", m.Index, r.ID, c.levels[r.ID], r.Level)
	}
	c.levels[r.ID] = r.Level
	for _, person := range r.Persons {
		if !c.has(person, r.ID) && !c.Liars[person] && !(c.Unsigned && r.Claimed) {
			c.violated("FALSE ACKNOWLEDGEMENT: member %d counts %s for %s", m.Index, person, r.ID)
		}
		if person == m.Person {
			c.violated("member %d counts itself for %s", m.Index, r.ID)
		}
	}
	if r.Of > 0 && r.Seen > r.Of {
		c.violated("member %d: %d of %d have %s", m.Index, r.Seen, r.Of, r.ID)
	}
}

func (c *Checker) has(person sds.PersonID, id sds.MessageID) bool {
	for _, m := range c.g.Members {
		if m.Person == person && c.holds[m.Index][id] {
			return true
		}
	}
	return false
}

// sizes checks that every buffer is within its bound.
func (c *Checker) sizes(m *Member) {
	s := m.Channel.Sizes()
	switch {
	case s.Awaited > sds.MaxHoles, s.Answers > sds.MaxAnswers, s.Held > sds.MaxHeld, s.Outgoing > sds.MaxOutgoing,
		s.Met > sds.MaxMet, s.Peers > sds.MaxPeers+len(c.g.Members), s.ParkedBytes > sds.MaxParkedBytes:
		c.violated("member %d: a buffer is above its bound: %+v", m.Index, s)
	}
}
