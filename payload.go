package causeway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/segment"
	"github.com/causeway-im/causeway/store"
)

// Payloads that are too large for one message travel as several (rule P15, spec
// R140 … R145). The log of package sds knows each part as a message of its own; what
// an application sees is the payload, under the id of its last data segment.

// Segments says how a profile carries payloads.
type Segments uint8

const (
	// SegmentsLarge cuts what is too large for one message, and leaves the rest as
	// it is. A small payload that could be taken for a segment is wrapped.
	SegmentsLarge Segments = iota
	// SegmentsAll wraps every payload, as LIP-243 does.
	SegmentsAll
	// SegmentsNone cuts nothing, and reads no segments.
	SegmentsNone
)

// looksCut tells whether content could be a segment: all begin with a hash of 32
// bytes in field 1.
func looksCut(content []byte) bool {
	return len(content) > 34 && content[0] == 0x0a && content[1] == 0x20
}

func (p *Profile) segments() segment.Config {
	return segment.Config{SegmentSize: p.SegmentSize, ParityRate: p.ParityRate}
}

// cut returns the messages that a payload travels as.
func (c *Channel) cut(payload []byte, o *SendOptions) ([][]byte, error) {
	p := &c.cfg.Profile
	size := p.SegmentSize
	if size == 0 {
		size = segment.DefaultSegmentSize
	}
	whole := p.Segments == SegmentsNone || len(payload) == 0 || p.Segments == SegmentsLarge && len(payload) <= size && !looksCut(payload)
	if whole {
		return [][]byte{payload}, nil
	}
	cfg, alone := p.segments(), o.Ephemeral || o.Replace != "" || o.ID != ""
	if alone { // what must be one message has no room for parity
		cfg.ParityRate = 0
	}
	parts, err := segment.Split(payload, cfg)
	if err != nil {
		return nil, fmt.Errorf("causeway: %w: %w", sds.ErrContentTooLarge, err)
	}
	if alone && len(parts) > 1 {
		if p.Segments == SegmentsAll || looksCut(payload) { // it has to be wrapped
			if x, err := segment.Decode(parts[0], cfg); err == nil {
				size = len(x.Payload)
			}
		}
		if o.Ephemeral {
			return nil, fmt.Errorf("causeway: %w: an ephemeral message has %d bytes, at most %d", sds.ErrContentTooLarge, len(payload), size)
		}
		return nil, fmt.Errorf("causeway: %w: Replace and ID are for what fits into one message: the content has %d bytes, at most %d",
			ErrOptions, len(payload), size)
	}
	return parts, nil
}

// uncut returns the payload that content of a message carries, or the part of one
// that it is.
func (c *Channel) uncut(content []byte) (payload []byte, part *segment.Segment) {
	p := &c.cfg.Profile
	if p.Segments == SegmentsNone || !looksCut(content) {
		return content, nil
	}
	s, err := segment.Decode(content, p.segments())
	switch {
	case err != nil || s.DataCount == 1 && !s.Parity && segment.Hash(s.Payload) != s.Hash:
		return content, nil // it only looks like one
	case s.DataCount == 1 && s.ParityCount == 0:
		return s.Payload, nil
	}
	return nil, &s
}

// sendParts gives the parts of a payload to the channel's state machine: all of
// them, or none.
func (s *session) sendParts(l *loop, parts [][]byte, o *SendOptions) (MessageID, error) {
	if len(parts) == 1 {
		return s.sendOne(l, parts[0], o, false)
	}
	if !s.core.Room(l.now, len(parts)) {
		l.touch(s)
		return "", fmt.Errorf("causeway: %w: %d messages are tracked that nobody is known to have, and these are %d more",
			sds.ErrOutgoingFull, s.core.Sizes().Outgoing, len(parts))
	}
	a := &assembly{own: true, parts: map[int]MessageID{}}
	for i, part := range parts {
		x, err := segment.Decode(part, s.cfg.Profile.segments())
		if err == nil && i == 0 {
			a.name, a.data, a.parity = assemblyName{s.cfg.Participant, x.Key}, x.DataCount, x.ParityCount
		}
		each := SendOptions{Priority: o.Priority}
		if i == a.data-1 { // whoever has it has been told of all before it
			each.Want = o.Want
		}
		if err == nil {
			a.parts[i], err = s.sendOne(l, part, &each, true)
		}
		if err != nil && i > 0 { // as if the others had never been sent
			s.fail(l, err)
			s.settle(l, err)
			s.retryAt = l.now
			l.revive(s)
		}
		if err != nil {
			return "", err
		}
	}
	a.complete()
	s.assemblies.own(a, o.Want)
	return a.id, nil
}

// record is how the store keeps what a payload is made of.
type payloadRecord struct {
	Sender text         `json:"sender"`
	Hash   []byte       `json:"hash"`
	Length uint64       `json:"length"`
	Data   int          `json:"data"`
	Parity int          `json:"parity,omitempty"`
	Parts  map[int]text `json:"parts"`
	Own    bool         `json:"own,omitempty"`
	ID     text         `json:"id,omitempty"` // once it is joined
	Told   bool         `json:"told,omitempty"`
	// Position and Lamport are those of the message that gave it its place.
	Position Position `json:"position,omitempty"`
	Lamport  uint64   `json:"lamport,omitempty"`
}

func payloadKey(ch ChannelID, id MessageID) string {
	return store.ChannelKey(ch, "payload/"+string(id))
}

// payload reads what a payload is made of; nil if id is none.
func (n *Node) payload(ctx context.Context, ch ChannelID, id MessageID) (*payloadRecord, error) {
	b, err := n.opts.Store.Value(ctx, payloadKey(ch, id))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	r := &payloadRecord{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("causeway: payload %s: %w: %w", id, store.ErrCorrupt, err)
	}
	return r, nil
}

// errDamaged: the parts of a payload do not fit together, or can't be opened. Its
// sender lied, or keys are missing.
var errDamaged = errors.New("payload is damaged")

// join puts a payload together from the messages of the store.
func (c *Channel) join(ctx context.Context, r *payloadRecord) ([]byte, error) {
	var parts []segment.Segment
	for i := range r.Data + r.Parity {
		id, ok := r.Parts[i]
		if !ok {
			continue
		}
		m, err := c.n.opts.Store.Message(ctx, c.cfg.Channel, MessageID(id))
		if err != nil {
			return nil, err
		}
		content, err := c.contentOf(&m)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errDamaged, err)
		}
		if _, x := c.uncut(content); x != nil {
			parts = append(parts, *x)
		}
		if len(parts) == r.Data {
			break
		}
	}
	payload, err := segment.Join(parts, c.cfg.Profile.segments())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return payload, nil
}

// contentOf decodes the content of a stored message: nil if its bytes are not here.
func (c *Channel) contentOf(m *store.Message) ([]byte, error) {
	content := m.Draft
	if m.Sealed != nil {
		decoded, err := wire.Decode(plainBytes(m))
		if err != nil {
			return nil, fmt.Errorf("causeway: message %s: %w: %w", m.ID, store.ErrCorrupt, err)
		}
		content = decoded.Content
	}
	content, err := c.unseal(content)
	if err != nil {
		return nil, fmt.Errorf("causeway: message %s: %w: %w", m.ID, errKeyGone, err)
	}
	return content, nil
}

// errKeyGone: the content of a message that could be opened when it came can't be any
// more.
var errKeyGone = errors.New("content can't be opened any more")

// reveal puts what an application sees of a stored message into out: its payload,
// or that it is a part of one.
func (c *Channel) reveal(ctx context.Context, m *store.Message, out *Message) error {
	content, err := c.contentOf(m)
	gone := errors.Is(err, errKeyGone)
	if err != nil && !gone { // one message must not hide all others
		return err
	}
	payload, x := c.uncut(content)
	if x == nil && !gone {
		out.Content = payload
		return nil
	}
	r, err := c.n.payload(ctx, c.cfg.Channel, m.ID)
	if err != nil {
		return err
	}
	if r == nil {
		out.Content, out.Part = content, !gone
		return nil
	}
	out.Segments = r.Data + r.Parity
	out.Content, err = c.join(ctx, r)
	if out.Damaged = errors.Is(err, errDamaged); out.Damaged {
		return nil
	}
	return err
}
