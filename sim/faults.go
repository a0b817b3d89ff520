package sim

import (
	"maps"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// CrashPoint is where the program of a member ends while it handles a Ready.
type CrashPoint uint8

const (
	// BeforeCommit loses everything since the last commit: nothing of it was
	// written, and nothing of it left.
	BeforeCommit CrashPoint = iota + 1
	// AfterCommit keeps what the Ready changed; nothing of it left.
	AfterCommit
	// Halfway keeps what the Ready changed; the first half of its packets left.
	Halfway
)

// Crash ends a member's program at this point of its next Ready and starts it
// again from what was written. After Stall, everything since then is lost or
// kept together.
func (g *Group) Crash(member int, at CrashPoint) {
	m := g.Members[member]
	m.crash = at
	if m.stalled {
		g.Resume(member)
	}
}

// Stall makes a member unable to write: what it wants done piles up until Resume
// or Crash.
func (g *Group) Stall(member int) { g.Members[member].stalled = true }

// Resume ends Stall.
func (g *Group) Resume(member int) {
	m := g.Members[member]
	m.stalled = false
	g.handle(m)
}

// Restart throws away a member's channel and opens it again from its durable
// state. What was under way to it still comes.
func (g *Group) Restart(member int) error {
	m := g.Members[member]
	m.stalled = false
	if err := g.reopen(m); err != nil {
		return err
	}
	g.handle(m)
	return nil
}

// Partition cuts the group: packets arrive only between members whose side is
// the same. Without side the group is whole.
func (g *Group) Partition(side func(member int) int) {
	for _, m := range g.Members {
		m.side = 0
		if side != nil {
			m.side = side(m.Index)
		}
	}
}

// crashes tells whether m crashes here. If so it is open again.
func (g *Group) crashes(m *Member, at CrashPoint) bool {
	if m.crash != at {
		return false
	}
	m.crash, m.crashed = 0, true
	if err := g.reopen(m); err != nil {
		g.Check.violated("member %d can't be restored: %v", m.Index, err)
	}
	return true
}

func (g *Group) reopen(m *Member) error {
	clear(m.pending)
	c, err := sds.Restore(m.cfg, m.State.Clone(), func(id sds.MessageID) (wire.Message, error) {
		return wire.Decode(m.Bytes[id])
	}, g.clock(m))
	if err != nil {
		return err
	}
	m.Channel = c
	if !m.Online {
		c.SetOnline(g.clock(m), false)
	}
	if g.model != nil {
		g.model.reopened(m)
	}
	return nil
}

// commit writes what a Ready changes: what a host does in one transaction.
func (m *Member) commit(r sds.Ready) {
	for _, p := range r.Packets {
		if p.Payload != nil && m.Bytes[p.ID] == nil {
			m.Bytes[p.ID] = p.Payload
		}
	}
	maps.Copy(m.Bytes, m.pending)
	clear(m.pending)
	m.State.Apply(r.Changes)
	m.Log = append(m.Log, r.Deliveries...)
}
