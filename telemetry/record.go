package telemetry

import (
	"context"
	"errors"
	"time"

	"github.com/causeway-im/causeway/telemetry/report"
	"github.com/causeway-im/causeway/transport"
)

// Message names a message of the application. All its envelopes (resends,
// segments) have the same.
type Message struct {
	Channel string // as it was described
	ID      string
	// Class is what it is for. Default: that of the channel.
	Class report.Class
}

// Arrival is how a message came.
type Arrival struct {
	Author   string // the person who wrote it
	Path     report.Path
	Size     int       // of the content, in bytes
	Sent     time.Time // when its author says to have written it, if it says so
	Envelope string    // what the network knows the envelope by
}

// Answer is what a store of the network says about a message.
type Answer string

// The answers.
const (
	Yes      Answer = "yes"
	No       Answer = "no"
	NoAnswer Answer = "unknown"
)

// Bounds of numbers in events.
const (
	maxSize   = 1 << 30
	maxCounts = 1 << 20
)

// record adds an event about a message. fill completes it, if it is to be at all.
func (t *Telemetry) record(kind report.Kind, m Message, fill func(*channel, *report.Event)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.channels[m.Channel]
	if !t.on || c == nil || c.names == nil {
		return
	}
	e := c.event(kind, t.stamp())
	e.Message, e.Class = t.message(c, m.ID, kind != report.Received), m.Class
	if e.Class == "" {
		e.Class = c.class
	}
	if fill != nil {
		fill(c, &e)
	}
	t.add(e)
}

// Composed: our message of size bytes is durable, online or not.
func (t *Telemetry) Composed(m Message, size int) {
	t.record(report.Composed, m, func(c *channel, e *report.Event) {
		e.Member, e.Size, e.Audience = c.self, bound(size, maxSize), max(c.persons-1, 0)
	})
}

// Attempted: our message is about to be handed to the network, for the first time
// or again.
func (t *Telemetry) Attempted(m Message) {
	t.record(report.Attempted, m, func(c *channel, e *report.Event) {
		n := t.tries.of(c, m.ID)
		n.count++
		e.Attempt = n.count
	})
}

// Handed: the network layer took it. envelope is what the network knows it by.
func (t *Telemetry) Handed(m Message, envelope string) {
	t.record(report.Handed, m, func(c *channel, e *report.Event) {
		n := t.tries.of(c, m.ID)
		n.envelope = c.names.Envelope(envelope)
		e.Attempt, e.Envelope = n.count, n.envelope
	})
}

// Refused: the network layer did not take it. Of why only a code of a fixed list is
// kept.
func (t *Telemetry) Refused(m Message, why error) {
	t.record(report.Refused, m, func(c *channel, e *report.Event) {
		e.Attempt, e.Code = t.tries.of(c, m.ID).count, codeOf(why)
	})
}

// codeOf returns the code of an error of a transport.
func codeOf(err error) string {
	switch {
	case errors.Is(err, transport.ErrOffline):
		return "offline"
	case errors.Is(err, transport.ErrTooLarge):
		return "tooLarge"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, transport.ErrClosed):
		return "closed"
	}
	return "failed"
}

// Stored: what a store said about our message.
func (t *Telemetry) Stored(m Message, a Answer) {
	t.record(report.Stored, m, func(_ *channel, e *report.Event) {
		if e.Answer = string(a); a != Yes && a != No {
			e.Answer = string(NoAnswer)
		}
	})
}

// Acknowledged: count members of an audience of so many are known to have our
// message.
func (t *Telemetry) Acknowledged(m Message, count, audience int) {
	t.record(report.Acknowledged, m, func(_ *channel, e *report.Event) {
		e.Count, e.Audience = bound(count, maxCounts), bound(audience, maxCounts)
	})
}

// Resent: our message was handed to the network again.
func (t *Telemetry) Resent(m Message, envelope string) {
	t.record(report.Resent, m, func(c *channel, e *report.Event) {
		e.Attempt, e.Envelope = t.tries.of(c, m.ID).count, c.names.Envelope(envelope)
	})
}

// GaveUp: nobody is known to have our message, and it is no longer sent.
func (t *Telemetry) GaveUp(m Message) { t.record(report.GaveUp, m, nil) }

// Received: a message came, for the first time.
func (t *Telemetry) Received(m Message, a Arrival) {
	t.record(report.Received, m, func(c *channel, e *report.Event) {
		e.Member, e.Path, e.Size, e.Envelope = c.person(a.Author), pathOf(a.Path), bound(a.Size, maxSize), c.names.Envelope(a.Envelope)
		if !a.Sent.IsZero() {
			e.Sent = max(a.Sent.UnixMilli(), 0)
		}
	})
}

// Undecodable: something came that can't be read. m.ID may be empty.
func (t *Telemetry) Undecodable(m Message, p report.Path, why Code) {
	t.record(report.Undecodable, m, func(_ *channel, e *report.Event) {
		e.Path, e.Code = pathOf(p), string(why)
		switch why {
		case CodeTampered, CodeUndecodable, CodeRefused:
		default:
			e.Code = string(CodeUndecodable)
		}
	})
}

// Code says why something can't be read.
type Code string

// The codes.
const (
	CodeTampered    Code = "tampered"
	CodeUndecodable Code = "undecodable"
	CodeRefused     Code = "refused"
)

// Missing: others name a message that is not here. author may be empty.
func (t *Telemetry) Missing(m Message, author string) {
	t.record(report.Missing, m, func(c *channel, e *report.Event) { e.Member = c.person(author) })
}

// Repaired: a message that was missing came. It is Received, too.
func (t *Telemetry) Repaired(m Message, p report.Path) {
	t.record(report.Repaired, m, func(_ *channel, e *report.Event) { e.Path = pathOf(p) })
}

// Lost: a missing message is no longer asked for.
func (t *Telemetry) Lost(m Message) { t.record(report.Lost, m, nil) }

// classes are the keys of report.Event.Bytes.
var classes = map[string]bool{"content": true, "resend": true, "repair": true, "request": true, "ack": true, "sync": true,
	"ephemeral": true, "received": true, "retrieved": true}

// Traffic: so many bytes since the last time, by the classes of
// report.Event.Bytes; others are left out. ch may be empty. A node's are counted by
// Follow.
func (t *Telemetry) Traffic(ch string, bytes map[string]int64) {
	kept := map[string]int64{}
	for class, n := range bytes {
		if classes[class] && n > 0 {
			kept[class] = n
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.channels[ch]
	if !t.on || len(kept) == 0 || ch != "" && (c == nil || c.names == nil) {
		return
	}
	e := report.Event{Kind: report.Traffic, At: t.stamp(), Bytes: kept}
	if ch != "" {
		e = c.event(e.Kind, e.At)
		e.Bytes = kept
	}
	t.add(e)
}

func bound(n, most int) int { return min(max(n, 0), most) }

func pathOf(p report.Path) report.Path {
	switch p {
	case report.ByRelay, report.ByFilter, report.ByStore, report.ByRepair:
		return p
	}
	return report.Unknown
}
