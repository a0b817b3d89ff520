package segmented_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/causeway-im/causeway/segment"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
	"github.com/causeway-im/causeway/transport/segmented"
	"github.com/causeway-im/causeway/transport/transporttest"
)

// configs are those that the tests run with. With Status and so small a segment, all
// texts of the suite are cut.
var configs = map[string]segment.Config{
	"Status": {Format: segment.Status, SegmentSize: 4, ParityRate: 0.125},
	"LIP243": {SegmentSize: 192, MaxSegments: 16},
	"parity": {SegmentSize: 192, MaxSegments: 16, ParityRate: 0.5},
}

// TestConformance runs the suite over loopback, with payloads of one segment and of
// several. With parity no reordering: which segments a payload is made of depends on
// which came first, so receivers differ in hint and time.
func TestConformance(t *testing.T) {
	instant := loopback.Options{Store: &loopback.StoreOptions{}}
	reordered := loopback.Options{MaxDelay: time.Millisecond, Store: &loopback.StoreOptions{Lag: 2 * time.Millisecond}}
	for _, tt := range []struct {
		name, config string
		options      loopback.Options
		pad          int
	}{
		{"Status", "Status", instant, 0},
		{"LIP243 wrapped", "LIP243", reordered, 0},
		{"LIP243 in several", "LIP243", reordered, 300},
		{"parity", "parity", instant, 300},
		{"no store", "Status", loopback.Options{}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			transporttest.Run(t, func(t *testing.T) transporttest.Network { return open(t, configs[tt.config], tt.options, tt.pad) })
		})
	}
}

func open(t *testing.T, cfg segment.Config, o loopback.Options, pad int) transporttest.Network {
	network, err := loopback.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(network.Close)
	inside := map[transport.Transport]*loopback.Endpoint{}
	attach := func(name string) transport.Transport {
		e, err := network.Attach(name)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := segmented.New(e, segmented.Options{Config: cfg})
		if err != nil {
			t.Fatal(err)
		}
		tr = &padded{tr, tr.(transport.Retriever), tr.(transport.Confirmer), pad}
		inside[tr] = e
		return tr
	}
	return transporttest.Network{
		A: attach("a"), B: attach("b"), C: attach("c"),
		NoStore:    o.Store == nil,
		MaxPayload: largest(t, cfg) - pad,
		SetOnline:  func(tr transport.Transport, online bool) { inside[tr].SetOnline(online) },
		Close:      func(tr transport.Transport) { inside[tr].Close() },
	}
}

// largest returns how large a payload may be.
func largest(t *testing.T, cfg segment.Config) int {
	n := 0
	for {
		_, _, err := segment.Count(n+1, cfg)
		if errors.Is(err, segment.ErrOversized) {
			return n
		} else if err != nil {
			t.Fatal(err)
		}
		n++
	}
}

// padded makes all payloads larger by so many bytes, so that the suite's small ones
// are cut.
type padded struct {
	transport.Transport
	retriever transport.Retriever
	transport.Confirmer
	by int
}

func (p *padded) Publish(ctx context.Context, e transport.Envelope) ([]byte, error) {
	e.Payload = append(bytes.Repeat([]byte{7}, p.by), e.Payload...)
	return p.Transport.Publish(ctx, e)
}

func (p *padded) Subscribe(topic transport.Topic, receive func(transport.Received)) (func(), error) {
	return p.Transport.Subscribe(topic, func(r transport.Received) {
		r.Payload = r.Payload[p.by:]
		receive(r)
	})
}

func (p *padded) Query(ctx context.Context, q transport.Query) (transport.Page, error) {
	page, err := p.retriever.Query(ctx, q)
	for i := range page.Messages {
		page.Messages[i].Payload = page.Messages[i].Payload[p.by:]
	}
	return page, err
}

func (p *padded) Retrieve(ctx context.Context, topic transport.Topic, hints [][]byte) ([]transport.Received, error) {
	got, err := p.retriever.Retrieve(ctx, topic, hints)
	for i := range got {
		got[i].Payload = got[i].Payload[p.by:]
	}
	return got, err
}
