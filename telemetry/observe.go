package telemetry

import (
	"sync"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/telemetry/report"
)

var _ causeway.Witness = (*Telemetry)(nil)

// Committing implements causeway.Observer: evidence becomes durable with what it
// is about.
func (t *Telemetry) Committing(tx store.Tx, events []causeway.Event) error {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	s.events = t.witnessed(s.events[:0], events)
	defer clear(s.events)
	size, err := appendRows(tx, s, s.events, 0)
	if err == nil {
		t.events.Add(int64(len(s.events)))
		t.bytes.Add(size)
	}
	return err
}

// scratch is room to work in that a commit leaves to the next one: a Tx copies what it
// is given.
type scratch struct {
	events []report.Event
	row    []byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// witnessed turns a node's events into evidence, and adds it to out.
func (t *Telemetry) witnessed(out []report.Event, events []causeway.Event) []report.Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.on || len(events) == 0 {
		return out
	}
	at := t.stamp()
	var recovered map[causeway.MessageID]bool
	for i := range events {
		if g := events[i].Gap; g != nil && g.State == causeway.GapRecovered {
			if recovered == nil {
				recovered = map[causeway.MessageID]bool{}
			}
			recovered[events[i].ID] = true
		}
	}
	for i := range events {
		c := t.channels[string(events[i].Channel)]
		if c == nil || c.names == nil {
			continue
		}
		e, m := c.event("", at), events[i].Message
		e.Message, e.Class = t.message(c, string(events[i].ID), m == nil || m.Own), c.class
		switch ev := &events[i]; {
		case ev.Message != nil:
			out = t.ofMessage(out, c, e, ev, recovered[ev.ID])
		case ev.Receipt != nil:
			out = t.ofReceipt(out, c, e, ev.Receipt)
		case ev.Gap != nil:
			out = ofGap(out, c, e, ev.Gap)
		}
	}
	if len(out) > 0 {
		t.touch()
	}
	return out
}

// ofMessage: an own message is composed when it takes its place; another one is
// received when it arrives.
func (t *Telemetry) ofMessage(out []report.Event, c *channel, e report.Event, ev *causeway.Event, recovered bool) []report.Event {
	m := ev.Message
	e.Member, e.Size = c.sender(m.Sender), len(m.Content)
	if m.Ephemeral {
		e.Class = report.Ephemeral
	}
	switch {
	case ev.Kind == causeway.EventDelivered && m.Own:
		e.Kind, e.Audience = report.Composed, max(c.persons-1, 0)
		return append(out, e)
	case m.Waited:
		return out
	}
	e.Kind, e.Path = report.Received, report.ByRelay
	switch {
	case m.Retrieved:
		e.Path = report.ByStore
	case recovered:
		e.Path = report.ByRepair
	case t.opts.Device.Mode == report.Light:
		e.Path = report.ByFilter
	}
	e.Sent = written(m.Lamport, e.At)
	if out = append(out, e); recovered {
		e.Kind, e.Member, e.Size, e.Sent = report.Repaired, "", 0, 0
		out = append(out, e)
	}
	return out
}

// written returns the time that a Lamport timestamp is, where it can be one in
// milliseconds: it has no unit, and in nim channels it counts seconds.
func written(lamport uint64, now int64) int64 {
	const seconds = 100_000_000_000 // what counts them is below it for 3,000 years
	if lamport < seconds || lamport > uint64(now+24*time.Hour.Milliseconds()) {
		return 0
	}
	return int64(lamport)
}

// ofReceipt: the furthest that a receipt says. It may say so again. What comes back at
// once makes it say more than that the message was sent, which is told then, too.
func (t *Telemetry) ofReceipt(out []report.Event, c *channel, e report.Event, r *causeway.ReceiptNow) []report.Event {
	if !r.Undelivered && r.Level > causeway.Sent {
		n := t.tries.of(c, string(r.ID))
		if n.further = true; n.taken && !n.handed {
			sent := *r
			sent.Level = causeway.Sent
			out = t.ofReceipt(out, c, e, &sent)
		}
	}
	switch {
	case r.Undelivered:
		e.Kind = report.GaveUp
	case r.Level >= causeway.Seen: // in a legacy channel somebody has it, and nobody knows who
		e.Kind, e.Count, e.Audience = report.Acknowledged, max(r.Seen, 1), r.Of
	case r.Level == causeway.Stored:
		e.Kind, e.Answer = report.Stored, string(Yes)
	case r.Level == causeway.Sent:
		n := t.tries.of(c, string(r.ID))
		n.handed = true
		e.Kind, e.Attempt, e.Envelope = report.Handed, n.count, n.envelope
	default:
		return out
	}
	return append(out, e)
}

func ofGap(out []report.Event, c *channel, e report.Event, g *causeway.Gap) []report.Event {
	switch g.State {
	case causeway.GapMissing:
		e.Kind, e.Member = report.Missing, c.sender(g.Sender)
	case causeway.GapLost:
		e.Kind = report.Lost
	default: // what is recovered is told with the message
		return out
	}
	return append(out, e)
}

// Joined implements causeway.Witness.
func (t *Telemetry) Joined(ch causeway.ChannelID, who causeway.Person, self causeway.PersonID, persons int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.channel(string(ch))
	c.who, c.own = who, string(self)
	c.self = c.person(c.own)
	t.setMember(c, true, persons)
}

// Left implements causeway.Witness.
func (t *Telemetry) Left(ch causeway.ChannelID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.channel(string(ch))
	t.setMember(c, false, c.persons)
}

// Publishing implements causeway.Witness.
func (t *Telemetry) Publishing(ch causeway.ChannelID, id causeway.MessageID, class causeway.Class) {
	t.Attempted(published(ch, id, class))
}

// Published implements causeway.Witness. That content was handed over the first
// time comes out of the node's transaction, unless that said more already.
func (t *Telemetry) Published(ch causeway.ChannelID, id causeway.MessageID, class causeway.Class, hint []byte, err error) {
	m := published(ch, id, class)
	switch {
	case err != nil:
		t.Refused(m, err)
	case class == sds.ClassResend:
		t.Resent(m, string(hint))
	case class == sds.ClassEphemeral:
		t.Handed(m, string(hint))
	case t.overtaken(m, string(hint)):
		t.Handed(m, string(hint))
	}
}

// overtaken notes that a message was handed over, and tells whether its receipt said
// more before that.
func (t *Telemetry) overtaken(m Message, hint string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.channels[m.Channel]
	if !t.on || c == nil || c.names == nil {
		return false
	}
	n := t.tries.of(c, m.ID)
	n.taken, n.envelope = true, c.names.Envelope(hint)
	told := n.handed
	n.handed = n.handed || n.further
	return n.further && !told
}

func published(ch causeway.ChannelID, id causeway.MessageID, class causeway.Class) Message {
	m := Message{Channel: string(ch), ID: string(id)}
	if class == sds.ClassEphemeral {
		m.Class = report.Ephemeral
	}
	return m
}

// Unusable implements causeway.Witness.
func (t *Telemetry) Unusable(ch causeway.ChannelID, id causeway.MessageID, why causeway.Unusable) {
	t.Undecodable(Message{Channel: string(ch), ID: string(id)}, report.Unknown, Code(why))
}

// Connected implements causeway.Witness. It does not know whether the system has a
// network: a host that does says so with Presence(report.Offline), which holds
// until the node is connected, or the host says otherwise.
func (t *Telemetry) Connected(online, suspended bool) {
	t.mu.Lock()
	s := report.Isolated
	offline := t.presence.state == report.Offline && !t.presence.changing() || t.presence.next == report.Offline
	t.mu.Unlock()
	switch {
	case suspended:
		s = report.Suspended
	case online:
		s = report.Online
	case offline:
		return
	}
	t.Presence(s)
}

// meter follows the traffic of a node.
type meter struct {
	read func() causeway.Metrics
	last causeway.Metrics
}

// Follow records the traffic of a node, with each upload and at stop: metrics is
// Node.Metrics.
func (t *Telemetry) Follow(metrics func() causeway.Metrics) (stop func()) {
	m := &meter{read: metrics, last: metrics()}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.traffic = append(t.traffic, m)
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		for i, other := range t.traffic {
			if other == m {
				t.measure(t.stamp())
				t.traffic = append(t.traffic[:i], t.traffic[i+1:]...)
				return
			}
		}
	}
}

// measure records what nodes sent and received since the last time. t.mu is held.
func (t *Telemetry) measure(at int64) {
	for _, m := range t.traffic {
		now := m.read()
		bytes := map[string]int64{}
		put := func(class string, n uint64) {
			if n > 0 {
				bytes[class] = int64(n)
			}
		}
		for i, sent := range now.Sent {
			put(causeway.Class(i).String(), sent.Bytes-m.last.Sent[i].Bytes)
		}
		put("received", now.Received.Bytes-m.last.Received.Bytes)
		put("retrieved", now.Retrieved.Bytes-m.last.Retrieved.Bytes)
		m.last = now
		if t.on && len(bytes) > 0 {
			t.add(report.Event{Kind: report.Traffic, At: at, Bytes: bytes})
		}
	}
}
