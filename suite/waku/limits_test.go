package waku

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pubsubpb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

// limited makes a service node answer "too many requests" while refuse says so.
func limited(n *Node, refuse func(wire.FilterType) bool) (asked *atomic.Int32) {
	asked = new(atomic.Int32)
	n.host.SetStreamHandler(wire.FilterSubscribeProtocol, func(s network.Stream) {
		n.serve(s, func(p peer.ID, request []byte) []byte {
			asked.Add(1)
			r, err := wire.UnmarshalFilterRequest(request)
			if err != nil || !refuse(r.Type) {
				return n.filter.handle(p, request)
			}
			answer := wire.FilterResponse{RequestID: r.RequestID, Status: wire.StatusTooMany, Desc: "too many requests"}
			return answer.Marshal()
		})
	})
	return asked
}

// TestFilterTooMany: a service node that was asked too much is asked again, and
// stays one that we receive through.
func TestFilterTooMany(t *testing.T) {
	all := relays(t, 3, func(_ int, o *Options) { o.ServeFilter, o.ServeLightpush = true, true })
	var addrs []string
	for _, n := range all {
		addrs = append(addrs, n.Addrs()...)
	}
	var refusals atomic.Int32
	limited(all[0], func(wire.FilterType) bool { return refusals.Add(-1) >= 0 })
	spare := limited(all[2], func(wire.FilterType) bool { return false })
	l := open(t, Options{Mode: Light, ServiceNodes: addrs})
	await(t, l, "service nodes", func(h Health) bool { return h.Peers[0].Receiving && h.Peers[1].Receiving })
	subscribe := func(topic transport.Topic) (got chan transport.Received, cancel func()) {
		got = make(chan transport.Received, 10)
		cancel, err := l.Subscribe(topic, func(r transport.Received) { got <- r })
		if err != nil {
			t.Fatal(err)
		}
		return got, cancel
	}
	first, cancel1 := subscribe(topic)
	refusals.Store(3)
	_, cancel2 := subscribe(topic + "/2")
	if s := l.Stats(); s.Limited != 3 {
		t.Errorf("%d requests were refused for now, want 3", s.Limited)
	}
	if h := l.Health(); !h.Peers[0].Receiving || h.Peers[0].Err != nil {
		t.Errorf("the service node counts as failed: %+v", h.Peers[0])
	}
	if n := spare.Load(); n > 0 {
		t.Errorf("the third service node was asked %d times, and was not needed", n)
	}
	all[1].Close() // so that all comes through the first
	publish(t, all[0], "hello")
	receive(t, "hello", first)
	refusals.Store(2)
	cancel1()
	cancel2()
	await(t, all[0], "the end of all subscriptions", func(h Health) bool { return h.LightNodes == 0 })
}

// TestFilterTooManyForEver: but not for ever, if there is another; that one stays
// while the others are tried again.
func TestFilterTooManyForEver(t *testing.T) {
	all := relays(t, 3, func(_ int, o *Options) { o.ServeFilter, o.ServeLightpush = true, true })
	var addrs []string
	var asked *atomic.Int32
	for _, n := range all {
		addrs = append(addrs, n.Addrs()...)
	}
	for _, n := range all[:2] {
		asked = limited(n, func(typ wire.FilterType) bool { return typ == wire.FilterSubscribe })
	}
	var ended atomic.Int32
	limited(all[2], func(typ wire.FilterType) bool {
		if typ == wire.FilterUnsubscribeAll {
			ended.Add(1)
		}
		return false
	})
	l := open(t, Options{Mode: Light, ServiceNodes: addrs})
	await(t, l, "service nodes", connected(3))
	got := make(chan transport.Received, 10)
	var work sync.WaitGroup
	work.Go(func() {
		if _, err := l.Subscribe(topic, func(r transport.Received) { got <- r }); err != nil {
			t.Error(err)
		}
	})
	await(t, all[2], "the light node", func(h Health) bool { return h.LightNodes == 1 })
	for range 5 {
		before := asked.Load()
		await(t, l, "another try", func(Health) bool { return asked.Load() > before })
		publish(t, all[0], "hello")
		receive(t, "hello", got)
	}
	if n := ended.Load(); n > 0 {
		t.Errorf("the only service node that works was given up %d times", n)
	}
	work.Wait()
}

// TestStoreIsBack: a store that could not be asked during a cut does not rest any
// longer when it is connected again.
func TestStoreIsBack(t *testing.T) {
	store := open(t, Options{Store: withStore(t)})
	p := fast
	p.storeRest = time.Hour
	n := open(t, Options{StoreNodes: store.Addrs(), pace: p})
	await(t, n, "the store", connected(1))
	ask := func() error {
		_, err := n.Query(t.Context(), transport.Query{Topic: topic, To: time.Now(), Limit: 1})
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	store.SetOnline(false)
	await(t, n, "the cut", connected(0))
	if err := ask(); !errors.Is(err, transport.ErrUnavailable) {
		t.Errorf("error is %v", err)
	}
	store.SetOnline(true)
	await(t, n, "an answer", func(Health) bool { return ask() == nil })
}

// TestRedialPace: Options.Redial and RedialMax say how often a peer is dialled.
func TestRedialPace(t *testing.T) {
	gone := open(t, Options{})
	nobody := gone.Addrs()
	gone.Close()
	seldom := open(t, Options{Peers: nobody, Redial: time.Hour, RedialMax: time.Hour})
	often := open(t, Options{Peers: nobody, Redial: time.Millisecond, RedialMax: 2 * time.Millisecond})
	await(t, seldom, "a dial", func(h Health) bool { return h.Peers[0].Err != nil })
	await(t, often, "dials", func(Health) bool { return often.Stats().Dials > 1000 })
	if n := seldom.Stats().Dials; n != 1 {
		t.Errorf("%d dials within the first hour", n)
	}
	for _, o := range []Options{{Redial: -1}, {RedialMax: -1}, {Redial: 2, RedialMax: 1}} {
		if n, err := New(context.Background(), o); err == nil {
			n.Close()
			t.Errorf("Redial %v, RedialMax %v: no error", o.Redial, o.RedialMax)
		}
	}
}

// TestPeerGone: what is for a peer that is not there is not counted as for one
// that is slow.
func TestPeerGone(t *testing.T) {
	var c counters
	tr := newTracer(&c, func() {})
	rpc := &pubsub.RPC{RPC: pubsubpb.RPC{Publish: []*pubsubpb.Message{{Data: []byte("x")}, {Data: []byte("y")}}}}
	tr.DropRPC(rpc, "p")
	tr.OnNewOutboundStream("p", RelayProtocol)
	tr.DropRPC(&pubsub.RPC{}, "p") // control
	if queue, gone := c.peerQueue.Load(), c.peerGone.Load(); queue != 0 || gone != 2 {
		t.Errorf("peer not there: %d for its queue, %d for its absence, want 0 and 2", queue, gone)
	}
	tr.DropRPC(rpc, "p")
	if queue, gone := c.peerQueue.Load(), c.peerGone.Load(); queue != 2 || gone != 2 {
		t.Errorf("peer slow: %d for its queue, %d for its absence, want 2 and 2", queue, gone)
	}
	tr.OnClosedOutboundStream("p")
	tr.DropRPC(rpc, "p")
	if queue, gone := c.peerQueue.Load(), c.peerGone.Load(); queue != 2 || gone != 4 {
		t.Errorf("peer gone again: %d for its queue, %d for its absence, want 2 and 4", queue, gone)
	}
}
