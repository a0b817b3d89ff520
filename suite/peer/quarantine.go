package peer

import (
	"slices"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// A message whose timestamp is far ahead has no place until two others name it, or its
// time comes (spec R22).
const (
	maxSkew   = 60_000    // ms
	maxLead   = 1_000_000 // s, in nim
	maxFollow = 64        // above a message of the log that it names
	maxPlaced = 1 << 52   // from here on there never is a place
	newest    = 32        // senders whose timestamps count
)

// clocks are the highest timestamps of those who spoke last, the newest at the end.
type clocks struct {
	highest map[wire.ParticipantID]uint64
	order   []wire.ParticipantID
}

func (c *clocks) note(sender wire.ParticipantID, lamport uint64) {
	if lamport < maxPlaced {
		c.highest[sender] = max(c.highest[sender], lamport)
	}
	c.order = append(slices.DeleteFunc(c.order, func(other wire.ParticipantID) bool { return other == sender }), sender)
}

// median is the lower one of what they said and now.
func (c *clocks) median(now uint64) uint64 {
	all := []uint64{now}
	for _, sender := range c.order[max(0, len(c.order)-newest):] {
		all = append(all, c.highest[sender])
	}
	slices.Sort(all)
	return all[(len(all)-1)/2]
}

// plausible tells whether n may have a place now.
func (m *machine) plausible(n *message) bool {
	if n.lamport >= maxPlaced {
		return false
	}
	for i := range n.parents {
		if p := m.known[n.parents[i].MessageID]; p != nil && p.logged && n.lamport <= p.lamport+maxFollow {
			return true
		}
	}
	now := m.floor(m.now)
	if m.cfg.Dialect == sds.Nim {
		return n.lamport <= max(now, m.lamport)+maxLead
	}
	return n.lamport <= max(now, m.clocks.median(now))+maxSkew
}

// vouch notes whom a message of somebody names: the second other one lets a message out
// of quarantine.
func (m *machine) vouch(w *wire.Message) {
	for i := range w.CausalHistory {
		n := m.known[w.CausalHistory[i].MessageID]
		if n == nil || !n.far || n.sender == w.SenderID || slices.Contains(n.vouchers, w.SenderID) {
			continue
		}
		n.vouchers = append(n.vouchers, w.SenderID)
		n.far = len(n.vouchers) < 2 || n.lamport >= maxPlaced
	}
}
