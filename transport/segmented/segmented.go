package segmented

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/causeway-im/causeway/segment"
	"github.com/causeway-im/causeway/transport"
)

// DefaultSpread is Options.Spread unless it is set.
const DefaultSpread = time.Minute

// Options say how payloads are cut, and what is kept of those that are incomplete.
// The zero value is LIP-243 with its defaults.
type Options struct {
	// Config is the format, and must be that of all members. In LIP243 every payload
	// is wrapped; in Status only a payload larger than SegmentSize is cut. SegmentSize
	// is what the inner transport can carry (Status: less 128 bytes).
	Config segment.Config
	// Limits bound what each subscription keeps, as much again that it keeps of second
	// copies, and what all queries together keep. All that is received counts as of one
	// sender.
	Limits segment.Limits
	// Spread is the longest time between the first and the last segment of a payload
	// that a query bridges: it reads so much more at both ends of its window. 0 stands
	// for DefaultSpread.
	Spread time.Duration
	// Dropped, if not nil, is told of each incomplete payload that a subscription
	// gives up. It returns at once, and may be called concurrently.
	Dropped func(transport.Topic, segment.Dropped)
}

// New returns a transport around inner, which is a Retriever and a Confirmer if
// inner is. It holds no resources of its own: to close inner closes it. The error
// names each field of the options that is out of its range.
func New(inner transport.Transport, o Options) (transport.Transport, error) {
	if inner == nil {
		return nil, errors.New("segmented: the inner transport is nil")
	}
	if o.Spread < 0 {
		return nil, fmt.Errorf("segmented: Spread is %v, must be at least 0", o.Spread)
	}
	o.Spread = cmp.Or(o.Spread, DefaultSpread)
	if _, err := segment.NewReassembler(o.Config, o.Limits); err != nil {
		return nil, fmt.Errorf("segmented: %w", err)
	}
	b := &broadcaster{inner, o}
	retrieves, canRetrieve := inner.(transport.Retriever)
	confirms, canConfirm := inner.(transport.Confirmer)
	r := &retriever{inner: retrieves, options: o, walks: newWalks(o)}
	c := &confirmer{confirms}
	switch {
	case canRetrieve && canConfirm:
		return &struct {
			*broadcaster
			*retriever
			*confirmer
		}{b, r, c}, nil
	case canRetrieve:
		return &struct {
			*broadcaster
			*retriever
		}{b, r}, nil
	case canConfirm:
		return &struct {
			*broadcaster
			*confirmer
		}{b, c}, nil
	}
	return b, nil
}

// broadcaster is the part that each transport has.
type broadcaster struct {
	inner   transport.Transport
	options Options
}

// Publish implements transport.Transport. The segments leave one after the other.
// An error that wraps transport.ErrOffline or transport.ErrTooLarge says that none
// has left; after others some may have. Publishing again sends all of them again,
// and what receivers have of the first time counts.
func (b *broadcaster) Publish(ctx context.Context, e transport.Envelope) (hint []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("segmented: publish: %w", err)
	}
	parts, err := segment.Split(e.Payload, b.options.Config)
	if errors.Is(err, segment.ErrOversized) {
		err = fmt.Errorf("%w: %w", transport.ErrTooLarge, err)
	}
	if err != nil {
		return nil, fmt.Errorf("segmented: publish: %w", err)
	}
	var hints [][]byte
	for i, part := range parts {
		hint, err := b.inner.Publish(ctx, transport.Envelope{Topic: e.Topic, Payload: part, Ephemeral: e.Ephemeral, Meta: e.Meta})
		switch {
		case err == nil:
		case i > 0 && (errors.Is(err, transport.ErrOffline) || errors.Is(err, transport.ErrTooLarge)):
			return nil, fmt.Errorf("segmented: publish: %d of %d segments left: %v", i, len(parts), err)
		default:
			return nil, fmt.Errorf("segmented: publish: segment %d of %d: %w", i+1, len(parts), err)
		}
		if s, err := segment.Decode(part, b.options.Config); err != nil || !s.Parity {
			hints = append(hints, hint)
		}
	}
	return joinHints(hints), nil
}

// Messages implements transport.Divider: a payload is as many messages as it has
// segments.
func (b *broadcaster) Messages(length int) int {
	data, parity, err := segment.Count(length, b.options.Config)
	if err != nil {
		return 1 // Publish will refuse it
	}
	return data + parity
}

// Subscribe implements transport.Transport.
func (b *broadcaster) Subscribe(topic transport.Topic, receive func(transport.Received)) (cancel func(), err error) {
	if receive == nil {
		return nil, errors.New("segmented: subscribe: receive is nil")
	}
	s, err := newStream(topic, b.options)
	if err != nil {
		return nil, fmt.Errorf("segmented: subscribe: %w", err)
	}
	return b.inner.Subscribe(topic, func(r transport.Received) {
		whole, dropped := s.take(r)
		if b.options.Dropped != nil {
			for _, d := range dropped {
				b.options.Dropped(topic, d)
			}
		}
		for _, w := range whole {
			receive(w)
		}
	})
}

// Watch implements transport.Transport.
func (b *broadcaster) Watch(changed func(online bool)) (cancel func()) { return b.inner.Watch(changed) }
