package waku

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pubsubpb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

// TestListensAtHome: who says nothing can be reached from this machine alone, or
// not at all.
func TestListensAtHome(t *testing.T) {
	relay := open(t, Options{ServeFilter: true, ServeLightpush: true})
	addrs, err := relay.host.Network().InterfaceListenAddresses()
	if err != nil || len(addrs) == 0 {
		t.Fatalf("listens on %v, %v", addrs, err)
	}
	for _, a := range append(addrs, relay.host.Network().ListenAddresses()...) {
		if !strings.HasPrefix(a.String(), "/ip4/127.0.0.1/tcp/") {
			t.Errorf("listens on %v", a)
		}
	}
	light := open(t, Options{Mode: Light, ServiceNodes: relay.Addrs()})
	if addrs := light.host.Network().ListenAddresses(); len(addrs) > 0 {
		t.Errorf("a light node listens on %v", addrs)
	}
}

// TestNoDiscovery: nodes speak nothing by which they could find others, and are
// connected with whom they were told of.
func TestNoDiscovery(t *testing.T) {
	a := open(t, Options{})
	b := open(t, Options{Peers: a.Addrs(), ServeFilter: true, ServeLightpush: true, Store: withStore(t)})
	c := open(t, Options{Peers: b.Addrs()})
	light := open(t, Options{Mode: Light, ServiceNodes: b.Addrs(), StoreNodes: b.Addrs()})
	await(t, a, "a mesh", meshed(1))
	await(t, b, "a mesh", meshed(2))
	await(t, c, "a mesh", meshed(1))
	await(t, light, "a service node", receiving(1))
	known := func(more ...protocol.ID) []protocol.ID {
		return append(more, wire.MetadataProtocol, "/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0", "/ipfs/ping/1.0.0")
	}
	relays := append(known(), relayProtocols...)
	for what, x := range map[string]struct {
		n    *Node
		want []protocol.ID
	}{
		"relay":        {a, relays},
		"service node": {b, append(slices.Clone(relays), wire.LightpushProtocol, wire.FilterSubscribeProtocol, wire.StoreProtocol)},
		"light node":   {light, known(wire.FilterPushProtocol)},
	} {
		speaks := x.n.host.Mux().Protocols()
		slices.Sort(speaks)
		slices.Sort(x.want)
		if !slices.Equal(speaks, x.want) {
			t.Errorf("a %s speaks %q, want %q", what, speaks, x.want)
		}
	}
	got := listen(t, c)
	publish(t, a, "by way of b")
	receive(t, "the message", got)
	for _, n := range []*Node{a, c, light} {
		if peers := n.host.Network().Peers(); !slices.Equal(peers, []peer.ID{b.ID()}) {
			t.Errorf("connected with %v, want %v alone", peers, b.ID())
		}
	}
}

// TestLargestMessage: a whole message has 150 KiB at most, as for others of the
// network.
func TestLargestMessage(t *testing.T) {
	n := open(t, Options{})
	m := wire.Message{Payload: make([]byte, n.MaxPayload(topic)), ContentTopic: string(topic), Timestamp: time.Now().UnixNano(), Ephemeral: true}
	if size := len(m.Marshal()); size != 150<<10 {
		t.Errorf("the largest message has %d bytes", size)
	}
}

func TestPauseAfter(t *testing.T) {
	const first, most = time.Second, 10 * time.Second
	for failures, want := range []time.Duration{1, 2, 4, 8, 10, 10, 10} {
		want *= time.Second
		var least, longest time.Duration = time.Hour, 0
		for range 1000 {
			d := pauseAfter(first, most, failures)
			least, longest = min(least, d), max(longest, d)
		}
		if least < want/2 || longest >= want*3/2 || longest-least < want/2 {
			t.Errorf("after %d failures: %v to %v, want %v to %v", failures, least, longest, want/2, want*3/2)
		}
	}
	if d := pauseAfter(first, most, 1<<30); d < most/2 || d >= most*3/2 {
		t.Errorf("after very many failures: %v", d)
	}
}

// TestDroppedIsCounted: each way in which a message can be dropped has its counter.
func TestDroppedIsCounted(t *testing.T) {
	rpc := func() *pubsub.RPC {
		return &pubsub.RPC{RPC: pubsubpb.RPC{Publish: []*pubsubpb.Message{{Data: []byte("\xff")}}}}
	}
	stranger := open(t, Options{Listen: []string{}}).ID()
	m := wire.Message{Payload: []byte("x"), ContentTopic: string(topic), Timestamp: 1}
	shard := shardName(DefaultCluster, DefaultShard)
	reject := func(reason string) func(*Node) { return func(n *Node) { n.relay.tracer.RejectMessage(nil, reason) } }
	// a light node that takes nothing, so that its queue is full in the end
	fill := func(n *Node) {
		n.filter.do(stranger, &wire.FilterRequest{Type: wire.FilterSubscribe, PubsubTopic: shard, ContentTopics: []string{string(topic)}})
		n.filter.mu.Lock()
		member := n.filter.members[stranger]
		n.filter.mu.Unlock()
		for range pushStreams {
			member.open <- struct{}{}
		}
		for n.Stats().Dropped.LightQueue == 0 {
			n.filter.push(shard, &m)
		}
	}
	subscribe := func(n *Node) (end func()) {
		entered, release := make(chan struct{}, 1), make(chan struct{}) // it may enter before somebody waits for that
		cancel, err := n.Subscribe(topic, func(transport.Received) {
			select {
			case entered <- struct{}{}:
			default:
			}
			<-release
		})
		if err != nil {
			t.Fatal(err)
		}
		n.arrived(&m, [32]byte{})
		receive(t, "a slow receive", entered)
		return func() {
			work := make(chan struct{})
			go func() { cancel(); close(work) }()
			until(t, "the queue to be emptied", func() bool { return n.Stats().Dropped.Cancelled > 0 })
			close(release)
			receive(t, "the end", work)
		}
	}
	ways := map[string]func(n *Node){
		"Malformed":       func(n *Node) { n.relay.inspect(stranger, rpc()) },
		"Invalid":         reject(pubsub.RejectValidationIgnored),
		"ValidationQueue": reject(pubsub.RejectValidationQueueFull),
		"ShardQueue":      func(n *Node) { n.relay.tracer.UndeliverableMessage(nil) },
		"Subscription": func(n *Node) {
			end := subscribe(n)
			for n.Stats().Dropped.Subscription == 0 {
				n.arrived(&m, [32]byte{})
			}
			end()
		},
		"Cancelled": func(n *Node) {
			end := subscribe(n)
			n.arrived(&m, [32]byte{})
			end()
		},
		"Lost": func(n *Node) {
			cancel, err := n.Subscribe(topic, func(transport.Received) {})
			if err != nil {
				t.Fatal(err)
			}
			defer cancel()
			n.arrived(&wire.Message{Payload: []byte("lose"), ContentTopic: string(topic)}, [32]byte{})
		},
		"PeerQueue": func(n *Node) {
			n.relay.tracer.OnNewOutboundStream(stranger, RelayProtocol)
			n.relay.tracer.DropRPC(rpc(), stranger)
		},
		"PeerGone": func(n *Node) {
			n.relay.tracer.SendRPC(rpc(), stranger)
			n.relay.tracer.OnClosedOutboundStream(stranger)
		},
		"LightQueue":  fill,
		"LightFailed": func(n *Node) { fill(n); n.filter.forget(stranger) },
		"PushRefused": func(n *Node) { n.push.handle(stranger, []byte("\xff")) },
		"Stranger": func(n *Node) {
			light := open(t, Options{Mode: Light, ServiceNodes: n.Addrs()})
			light.light.pushed(&wire.FilterPush{Message: m, PubsubTopic: shard})
			n.count.stranger.Add(light.Stats().Dropped.Stranger)
		},
	}
	for name, drop := range ways {
		t.Run(name, func(t *testing.T) {
			n := open(t, Options{ServeFilter: true, ServeLightpush: true, Lose: func(m *wire.Message) bool { return bytes.Equal(m.Payload, []byte("lose")) }})
			drop(n)
			if f := reflect.ValueOf(n.Stats().Dropped).FieldByName(name); !f.IsValid() || f.Uint() == 0 {
				t.Errorf("not counted: %+v", n.Stats().Dropped)
			}
		})
	}
	for f := range reflect.TypeFor[Dropped]().Fields() {
		if ways[f.Name] == nil {
			t.Errorf("nothing here is counted as %s", f.Name)
		}
	}
}
