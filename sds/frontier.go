package sds

import (
	"slices"

	"github.com/causeway-im/causeway/sds/wire"
)

// The frontier acknowledgement (rule P5, spec R50 … R58). A participant's causal
// history names the heads of everything that it delivered; the fingerprint
// covers that whole set. If ours, less what is not an ancestor of those heads,
// gives the same fingerprint, the participant has every ancestor.

// frontier is a claim that waits for messages which it names.
type frontier struct {
	heads       []HistoryEntry
	fingerprint uint64
	base        uint64
	holes       []uint64
	claimed     bool // not authenticated
}

// claim fills in the frontier part of the extension of a message whose causal
// history names all our heads.
func (c *Channel) claim(e *wire.Extension, complete bool) {
	if !complete {
		return
	}
	for id, a := range c.skipped {
		if a.cold() || !a.trusted {
			continue // most likely nobody has it: then sums agree without naming it
		}
		if len(e.Holes) == MaxNamedHoles {
			e.Holes = nil
			return
		}
		e.Holes = append(e.Holes, ShortID(c.cfg.Channel, id))
	}
	for _, id := range c.notForMe[:min(len(c.notForMe), MaxNamedHoles-len(e.Holes))] {
		e.Holes = append(e.Holes, ShortID(c.cfg.Channel, id))
	}
	slices.Sort(e.Holes)
	e.Holes = slices.Compact(e.Holes) // what is not for us may be looked for again
	e.Base = c.meta.Base
	e.Fingerprint = c.meta.Sum.Fingerprint(c.cfg.Participant, c.cfg.Channel, c.meta.Base)
	e.HasFingerprint = true
}

// weigh evaluates a frontier of p, now or when the messages that it names are
// here.
func (c *Channel) weigh(p *peer, f frontier) {
	p.waiting = nil
	heads := c.claimed[:0]
	for i := range f.heads {
		id := f.heads[i].MessageID
		n := c.nodes[id]
		if n == nil {
			if a := c.awaited[id]; a != nil {
				p.waiting = &f
				if !slices.Contains(a.waiting, p) {
					a.waiting = append(a.waiting, p)
				}
			}
			return
		}
		heads = append(heads, n)
	}
	c.claimed = heads
	reach := c.meta.Ordinal // what p lacks of it, the comparison tells
	if reach <= p.high || len(c.outgoing) == 0 {
		return // nothing of ours that p has not proved already
	}
	except, ok := c.matches(p, f, heads)
	if !ok {
		return
	}
	if except > 0 {
		reach = min(reach, except-1)
	}
	inHand := c.authenticated
	c.authenticated = !f.claimed // the claim may have waited
	c.proved(p, f.base, reach)
	c.authenticated = inHand
}

// matches tells whether p's claim covers exactly the ancestors of heads, as far
// as we know them. The first result is the lowest ordinal of an own message
// that p lacks, or 0.
func (c *Channel) matches(p *peer, f frontier, heads []*node) (uint64, bool) {
	above, ok := c.sumAbove(f.base)
	if !ok || !c.walkOthers(heads) {
		return 0, false
	}
	sum := above
	var except uint64
	for _, n := range c.others {
		if n.lamport > f.base {
			sum.Sub(n.leaf)
		}
		if n.ordinal > 0 && (except == 0 || n.ordinal < except) {
			except = n.ordinal
		}
	}
	for _, short := range f.holes {
		n := c.byShortID(short)
		if n == nil || n.foreign || n.lamport <= f.base || n.mark == c.walk && n.ofOther {
			continue // takes no part in the sum as it is
		}
		sum.Sub(n.leaf)
		if n.ordinal > 0 && (except == 0 || n.ordinal < except) {
			except = n.ordinal
		}
	}
	if sum.Fingerprint(p.id, c.cfg.Channel, f.base) != f.fingerprint {
		return 0, false
	}
	c.keepBase(f.base, above)
	return except, true
}

// walkOthers collects in c.others what is in the log and neither one of heads
// nor an ancestor of them. It goes down from all heads by place, as children
// have later places than their parents; where that does not hold, where the
// window ends or where it takes too long it gives up.
func (c *Channel) walkOthers(heads []*node) bool {
	c.walk++
	h := &c.walkHeap
	clear(c.others) // of the last walk: what left the window since must not live on in them
	clear(h.items)
	c.others, h.items = c.others[:0], h.items[:0]
	open := 0
	push := func(n *node, other bool) {
		if n.mark != c.walk {
			n.mark, n.ofOther = c.walk, other
			h.push(n)
			if other {
				open++
			}
		} else if n.ofOther && !other {
			n.ofOther = false
			open--
		}
	}
	for _, n := range heads {
		push(n, false)
	}
	for _, n := range c.heads {
		push(n, true)
	}
	ok := true
	for steps := 0; ok && open > 0; steps++ {
		n := h.pop()
		if n.ofOther {
			open--
			c.others = append(c.others, n)
		}
		if steps == MaxWalk || n.gone && n.ofOther {
			ok = false
		}
		for _, p := range n.parents {
			if p.place().Compare(n.place()) >= 0 {
				ok = false
				break
			}
			push(p, n.ofOther)
		}
		for _, p := range n.past {
			push(p, n.ofOther)
		}
	}
	return ok
}

// proved notes that p has all our messages above base up to the ordinal reach.
func (c *Channel) proved(p *peer, base, reach uint64) {
	for i := c.outIndex(p.high + 1); i < len(c.outOrder) && c.outOrder[i].ordinal <= reach; i++ {
		if o := c.outOrder[i]; !o.done && o.lamport > base {
			c.seen(o, p)
		}
	}
	p.high = max(p.high, reach)
}

// prefix is the sum of what the log holds at or below a join point.
type prefix struct {
	base uint64
	sum  Sum
}

// sumAbove returns the sum of the log above base. It is unknown below our own
// join point, and for a join point that is first heard of when messages above it
// have left the window.
func (c *Channel) sumAbove(base uint64) (Sum, bool) {
	if base == c.meta.Base {
		return c.meta.Sum, true
	}
	if base < c.meta.Base {
		return Sum{}, false
	}
	for _, p := range c.prefixes {
		if p.base == base {
			return c.meta.Sum.Minus(p.sum), true
		}
	}
	if c.meta.Forgotten > 0 && c.meta.ForgottenMax > base {
		return Sum{}, false
	}
	var above Sum
	for _, n := range c.window.all() {
		if n.lamport > base && !n.foreign {
			above.Add(n.leaf)
		}
	}
	return above, true
}

// keepBase remembers the sum below a join point that a claim has matched, so that
// it is known also when what is above it leaves the window.
func (c *Channel) keepBase(base uint64, above Sum) {
	if base == c.meta.Base || slices.ContainsFunc(c.prefixes, func(p prefix) bool { return p.base == base }) {
		return
	}
	if len(c.prefixes) >= maxBases {
		c.prefixes = slices.Delete(c.prefixes, 0, 1)
	}
	c.prefixes = append(c.prefixes, prefix{base, c.meta.Sum.Minus(above)})
	c.highestBase = max(c.highestBase, base)
}

func (c *Channel) addToPrefixes(n *node) {
	if n.lamport > c.highestBase {
		return
	}
	for i := range c.prefixes {
		if n.lamport <= c.prefixes[i].base {
			c.prefixes[i].sum.Add(n.leaf)
		}
	}
}

// byShortID finds a message of the window. The index is made when first needed:
// holes are rarely named.
func (c *Channel) byShortID(short uint64) *node {
	if c.shortIDs == nil {
		c.shortIDs = map[uint64]*node{}
		for id, n := range c.nodes {
			c.shortIDs[ShortID(c.cfg.Channel, id)] = n
		}
	}
	return c.shortIDs[short]
}
