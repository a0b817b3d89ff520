package reliability

import (
	"context"
	"slices"
	"sync"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/telemetry"
	"github.com/waku-org/sds-go-bindings/sds"
)

// maxOutbox is how many messages of the library wait for a network. Of more, the
// oldest are left out: the library comes back to what matters.
const maxOutbox = 1024

// outbox holds what the library wants sent.
type outbox struct {
	mu    sync.Mutex
	items []Outgoing
	going bool
	wake  chan struct{} // holds one: look again
}

// add puts a message at the end, in place of an older one of the same kind.
func (b *outbox) add(o Outgoing) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.items = slices.DeleteFunc(b.items, func(x Outgoing) bool {
		return x.ChannelID == o.ChannelID && x.Kind == o.Kind && (x.ID == o.ID || o.Kind == sds.OutgoingAcknowledgement)
	})
	if len(b.items) == maxOutbox {
		b.items = b.items[1:]
	}
	b.items = append(b.items, o)
	b.look()
}

// open says whether messages may go.
func (b *outbox) open(going bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.going = going
	b.look()
}

func (b *outbox) look() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// next takes the first message that may go.
func (b *outbox) next() (o Outgoing, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.going || len(b.items) == 0 {
		return o, false
	}
	o = b.items[0]
	b.items = b.items[1:]
	return o, true
}

func (r *Reliability) queueOutgoing(o sds.OutgoingMessage) {
	r.out.add(Outgoing{Kind: o.Kind, ID: causeway.MessageID(o.MessageID), ChannelID: o.ChannelID, Payload: o.Message})
}

// dispatchAll lets the host send, one message after the other.
func (r *Reliability) dispatchAll(ctx context.Context) {
	for {
		if ctx.Err() != nil {
			return
		}
		o, ok := r.out.next()
		if !ok {
			select {
			case <-r.out.wake:
			case <-ctx.Done():
				return
			}
			continue
		}
		r.dispatch(ctx, o)
	}
}

func (r *Reliability) dispatch(ctx context.Context, o Outgoing) {
	hashes, err := r.o.Dispatch(ctx, o)
	if err != nil {
		r.warn("sending "+o.Kind.String(), err)
		return
	}
	if o.Kind != sds.OutgoingResend {
		return
	}
	r.warn("noting envelopes", r.track(o.ID, hashes))
	if t := r.o.Telemetry; t != nil && len(hashes) > 0 {
		t.Resent(telemetry.Message{Channel: o.ChannelID, ID: string(o.ID)}, hashes[0].String())
	}
}
