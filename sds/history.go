package sds

import (
	"cmp"
	"slices"
)

// node is a message in the log. Content is not kept.
type node struct {
	id       MessageID
	sender   ParticipantID
	lamport  uint64
	position Position
	parents  []*node // those that are in the log, of the same wire format
	past     []*node // its sender's earlier messages that mergeOwnPast took from the heads
	leaf     Leaf
	reach    uint64 // highest own ordinal among its ancestors and itself
	ordinal  uint64 // of an own message
	hint     []byte
	copied   Time   // when a copy of it last went by
	repaired Time   // when that was more than another path of the same broadcast
	asked    Time   // when somebody asked for it
	namedIn  uint64 // ordinal of the own message that first named it

	answers uint8  // how often we sent it again for others
	mark    uint32 // of the walk that last met it
	ofOther bool   // that walk found it not to be an ancestor of what it asked for
	own     bool   // written by this participant, with this state or an older one
	head    bool   // nothing in the log depends on it
	merged  bool   // nor on this, and mergeOwnPast took it from the heads
	voiced  bool   // somebody other than its sender named it, or we did
	named   bool   // somebody else named it
	foreign bool   // its bytes are of the other wire format
	gone    bool   // it left the window
}

func (n *node) place() Place { return Place{n.lamport, n.id} }

func (n *node) record(parents []MessageID) MessageRecord {
	return MessageRecord{ID: n.id, State: StateLogged, Sender: n.sender, Lamport: n.lamport, Position: n.position,
		Parents: parents, Leaf: n.leaf, Reach: n.reach, Ordinal: n.ordinal, Foreign: n.foreign, Hint: n.hint}
}

// enter puts n into the log: window, sums, heads and clock.
func (c *Channel) enter(n *node, parents []MessageID, hasChild bool) {
	c.meta.Position++
	n.position = c.meta.Position
	n.reach = max(n.reach, n.ordinal)
	n.copied = c.now
	for _, id := range parents {
		p := c.nodes[id]
		if p == nil || p.foreign != n.foreign {
			continue
		}
		if n.parents == nil {
			n.parents = make([]*node, 0, len(parents))
		}
		n.parents = append(n.parents, p)
		n.reach = max(n.reach, p.reach)
		c.unhead(p)
		p.merged = false
	}
	c.nodes[n.id] = n
	c.window.push(n)
	if c.shortIDs != nil {
		c.shortIDs[ShortID(c.cfg.Channel, n.id)] = n
	}
	if !n.foreign {
		c.meta.Sum.Add(n.leaf)
		c.addToPrefixes(n)
		if !hasChild {
			c.addHead(n)
		}
	}
	c.observe(n.lamport)
	c.metaChanged = true
	c.forgetOld()
}

// raiseReach brings the reach of all nodes up to date after parents came late.
func raiseReach(nodes []*node) {
	byPlace := slices.SortedFunc(slices.Values(nodes), func(a, b *node) int { return a.place().Compare(b.place()) })
	for _, n := range byPlace {
		for _, p := range n.parents {
			n.reach = max(n.reach, p.reach)
		}
	}
}

// mergeOwnPast takes earlier messages of n's sender from the heads: a sender's
// messages are a chain, and n shows a gap in what is between them. Without that, a
// reader who misses messages for good collects heads that nothing will ever name.
func (c *Channel) mergeOwnPast(n *node) {
	if n.foreign || n.own {
		return
	}
	for _, h := range slices.Clone(c.heads) {
		if h != n && h.sender == n.sender && h.lamport < n.lamport && !c.leads(h) {
			n.past = append(n.past, h) // walks from the heads must come by
			c.unhead(h)
			h.merged = true
		}
	}
}

// unmerge makes a head again of what mergeOwnPast took, if a late parent showed
// that it leads to our own last message and no head does.
func (c *Channel) unmerge() {
	var by *node
	furthest := 0
	for _, n := range c.window.all() {
		for i, h := range n.past {
			if h.merged && !h.gone && (by == nil || h.reach > by.past[furthest].reach) {
				by, furthest = n, i
			}
		}
	}
	if by != nil && c.leads(by.past[furthest]) {
		c.addHead(by.past[furthest])
		by.past[furthest].merged = false
		by.past = slices.Delete(by.past, furthest, furthest+1)
	}
}

// leads tells whether no other head leads as far as n to what we ourselves said.
// Then n must be a head, whatever its sender says next: who lacks our messages
// learns of them from us.
func (c *Channel) leads(n *node) bool {
	return n.reach > 0 && !slices.ContainsFunc(c.heads, func(h *node) bool { return h != n && h.reach >= n.reach })
}

// dropHead takes the oldest from the heads, but not the one that leads to our
// own last message.
func (c *Channel) dropHead() {
	byPlace := func(a, b *node) int { return a.place().Compare(b.place()) }
	oldest := slices.MinFunc(c.heads, byPlace)
	if c.leads(oldest) {
		rest := slices.DeleteFunc(slices.Clone(c.heads), func(n *node) bool { return n == oldest })
		oldest = slices.MinFunc(rest, byPlace)
	}
	c.unhead(oldest)
}

func (c *Channel) addHead(n *node) {
	n.head = true
	c.heads = append(c.heads, n)
	c.headsChanged = true
	if len(c.heads) > MaxHeads {
		c.dropHead()
	}
}

func (c *Channel) unhead(n *node) {
	if !n.head {
		return
	}
	n.head = false
	c.headsChanged = true
	i := slices.Index(c.heads, n)
	c.heads = slices.Delete(c.heads, i, i+1)
}

// forgetOld keeps the window at its size. Heads stay: they are what the next
// message names.
func (c *Channel) forgetOld() {
	for tries := 0; c.window.len() > c.cfg.Window && tries <= len(c.heads); tries++ {
		n := c.window.pop()
		if n.head {
			c.window.push(n)
			continue
		}
		n.gone = true
		n.parents, n.past = nil, nil
		delete(c.nodes, n.id)
		if c.shortIDs != nil {
			delete(c.shortIDs, ShortID(c.cfg.Channel, n.id))
		}
		c.meta.Forgotten++
		c.meta.ForgottenMax = max(c.meta.ForgottenMax, n.lamport)
	}
}

// queue is a first-in first-out queue of nodes that reuses its memory.
type queue struct {
	items []*node
	start int
}

func (q *queue) len() int { return len(q.items) - q.start }

func (q *queue) push(n *node) {
	if q.start > 1024 && q.start > len(q.items)/2 {
		k := copy(q.items, q.items[q.start:])
		clear(q.items[k:])
		q.items, q.start = q.items[:k], 0
	}
	q.items = append(q.items, n)
}

func (q *queue) pop() *node {
	n := q.items[q.start]
	q.items[q.start] = nil
	q.start++
	return n
}

func (q *queue) remove(n *node) {
	if i := slices.Index(q.all(), n); i >= 0 {
		q.items = slices.Delete(q.items, q.start+i, q.start+i+1)
	}
}

func (q *queue) all() []*node { return q.items[q.start:] }

// metSet remembers ids that count as met without a place in the log; the oldest
// make room.
type metSet struct {
	index map[MessageID]metInfo
	ring  []MessageID
	next  int
	max   int // how many; 0 for MaxMet
}

type metInfo struct {
	own      bool     // ours, and repairable
	notForMe bool     // could not be opened here
	hints    [][]byte // of the packets that could not; none if it is known to be them
	recorded bool     // the host has a record of it
	named    bool     // a message of the log names it
	slot     int      // its place in the ring
}

// add returns an id whose record nobody needs any more, or "".
func (s *metSet) add(id MessageID, info metInfo) (gone MessageID) {
	if s.index == nil {
		s.index = map[MessageID]metInfo{}
	}
	if _, ok := s.index[id]; ok {
		return ""
	}
	limit := cmp.Or(s.max, MaxMet)
	if info.slot = len(s.ring); info.slot < limit {
		s.ring = append(s.ring, id)
	} else {
		info.slot = s.next
		old := s.ring[s.next]
		if was, ok := s.index[old]; ok && was.slot == s.next { // else it was taken out since
			if was.recorded {
				gone = old
			}
			delete(s.index, old)
		}
		s.ring[s.next] = id
		s.next = (s.next + 1) % limit
	}
	s.index[id] = info
	return gone
}

// name notes that a message of the log names id.
func (s *metSet) name(id MessageID) {
	if info, ok := s.index[id]; ok && !info.named {
		info.named = true
		s.index[id] = info
	}
}

func (s *metSet) remove(id MessageID) { delete(s.index, id) }

func (s *metSet) has(id MessageID) bool {
	_, ok := s.index[id]
	return ok
}
