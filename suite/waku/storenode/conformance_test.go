package storenode

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
	"github.com/causeway-im/causeway/transport/transporttest"
)

// relayed is a transport over the loopback network whose envelopes are Waku
// messages, with a real store beside it.
type relayed struct {
	*loopback.Endpoint // without its own store
	*Client
	server *Server
	last   *atomic.Int64 // timestamps are all different
}

func (r *relayed) Publish(ctx context.Context, e transport.Envelope) ([]byte, error) {
	m := wire.Message{Payload: e.Payload, ContentTopic: string(e.Topic), Timestamp: r.last.Add(1), Ephemeral: e.Ephemeral, Meta: bytes.Clone(e.Meta)}
	if len(e.Meta) > transport.MaxMeta {
		return nil, transport.ErrTooLarge
	}
	e.Payload = m.Marshal()
	if _, err := r.Endpoint.Publish(ctx, e); err != nil {
		return nil, err
	}
	r.server.Keep(shard, &m)
	return hashOf(&m), nil
}

func (r *relayed) Subscribe(topic transport.Topic, receive func(transport.Received)) (func(), error) {
	return r.Endpoint.Subscribe(topic, func(got transport.Received) {
		m, err := wire.UnmarshalMessage(got.Payload)
		if err != nil {
			return
		}
		receive(transport.Received{Topic: topic, Payload: m.Payload, Hint: hashOf(&m), Meta: m.Meta, Time: time.Unix(0, m.Timestamp)})
	})
}

func (r *relayed) Query(ctx context.Context, q transport.Query) (transport.Page, error) {
	return r.Client.Query(ctx, q)
}

func (r *relayed) Retrieve(ctx context.Context, topic transport.Topic, hints [][]byte) ([]transport.Received, error) {
	return r.Client.Retrieve(ctx, topic, hints)
}

func (r *relayed) Stored(ctx context.Context, topic transport.Topic, hints [][]byte) ([]bool, error) {
	return r.Client.Stored(ctx, topic, hints)
}

func TestConformance(t *testing.T) {
	for name, f := range map[string]Faults{"prompt": {}, "lags": {Lag: 30 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			transporttest.Run(t, func(t *testing.T) transporttest.Network {
				bus, err := loopback.New(loopback.Options{})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(bus.Close)
				server, info := newServer(t, ServerOptions{})
				server.SetFaults(within(t), f)
				last := new(atomic.Int64)
				last.Store(time.Now().UnixNano())
				attach := func(name string) transport.Transport {
					e, err := bus.Attach(name)
					if err != nil {
						t.Fatal(err)
					}
					return &relayed{e, newClient(t, Options{}, info), server, last}
				}
				return transporttest.Network{A: attach("a"), B: attach("b"), C: attach("c")}
			})
		})
	}
}
