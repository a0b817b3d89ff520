package sds

import "slices"

// Messages that replace older ones of their sender (rule P14, spec R130 … R132): a
// reaction that was taken back, say. Subjects are the sender's business alone, and
// never on the wire.

// MaxSubject is how many bytes SendOptions.Replace may have.
const MaxSubject = 256

// Priority orders what waits for a quota. The channel only keeps it.
type Priority int8

// The priorities.
const (
	PriorityLow    Priority = -1
	PriorityNormal Priority = 0
	PriorityHigh   Priority = 1
)

// String returns "low", "normal" or "high".
func (p Priority) String() string {
	switch p {
	case PriorityLow:
		return "low"
	case PriorityNormal:
		return "normal"
	case PriorityHigh:
		return "high"
	}
	return "unknown"
}

// Replaceable returns the last own message about a subject if it can be withdrawn
// as if it had never been sent: nothing that was made since names it. If packet is
// set, a packet of it was given to the host, and it is for the host to know that
// none has left and none will.
func (c *Channel) Replaceable(subject string) (id MessageID, packet, ok bool) {
	o := c.subjects[subject]
	if o == nil || c.cfg.Dialect != LIP || o.handed || o.known() || o.attempts > 0 {
		return "", false, false
	}
	n := c.nodes[o.id]
	if n == nil || !n.head || n.voiced && !n.own {
		return "", false, false
	}
	for _, r := range []*Ready{&c.out, &c.taken} {
		if slices.ContainsFunc(r.Deliveries, func(d Delivery) bool { return d.ID == o.id }) {
			return "", false, false // it is in the hands of the host, and perhaps not durable
		}
	}
	if o.draft != nil {
		return o.id, false, true
	}
	// Whatever was made after its packet may name it, or be numbered after it.
	ok = o.pending == 1 && o.serial == c.serial && o.sequence == c.meta.Sequence
	return o.id, true, ok
}

// withdraw takes a message that Replaceable returned out of the log.
func (c *Channel) withdraw(o *outgoing) {
	n := c.nodes[o.id]
	c.unhead(n)
	for _, p := range n.parents {
		if p.namedIn == o.ordinal {
			p.namedIn = 0
		}
		if !p.gone && !p.head && !c.hasChild(p, n) {
			c.addHead(p)
		}
	}
	n.gone = true
	delete(c.nodes, n.id)
	c.window.remove(n)
	if c.shortIDs != nil {
		delete(c.shortIDs, ShortID(c.cfg.Channel, n.id))
	}
	c.meta.Sum.Sub(n.leaf)
	for i := range c.prefixes {
		if n.lamport <= c.prefixes[i].base {
			c.prefixes[i].sum.Sub(n.leaf)
		}
	}
	c.meta.Forgotten++ // its position is not given again
	if o.draft == nil {
		c.meta.Sequence-- // nobody was told this number
		delete(c.inflight, o.serial)
	}
	c.metaChanged = true
	c.out.Changes.Messages = append(c.out.Changes.Messages, MessageRecord{ID: n.id, State: StateForgotten})
}

// hasChild tells whether a message of the window other than n names p.
func (c *Channel) hasChild(p, n *node) bool {
	return slices.ContainsFunc(c.window.all(), func(m *node) bool { return m != n && slices.Contains(m.parents, p) })
}

// supersede notes that id replaces o. Nobody needs o any more: it goes out again
// only if somebody asks for it.
func (c *Channel) supersede(o *outgoing, id MessageID, withdrawn bool) {
	o.superseded = id
	c.timers.stop(&o.timer)
	c.receipt(o)
	if withdrawn {
		o.draft, o.entries = nil, nil
		c.finish(o)
		return
	}
	c.keep(o)
}

// about notes that o is the last message about its subject.
func (c *Channel) about(o *outgoing) {
	if o.subject == "" {
		return
	}
	if c.subjects == nil {
		c.subjects = map[string]*outgoing{}
	}
	c.subjects[o.subject] = o
}
