package waku

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/causeway-im/causeway/suite/internal/freeport"
	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

const topic transport.Topic = "/causeway-test/1/chat/proto"

// listen subscribes and returns what arrives.
func listen(t testing.TB, n *Node) <-chan transport.Received {
	t.Helper()
	c := make(chan transport.Received, 10000)
	cancel, err := n.Subscribe(topic, func(r transport.Received) { c <- r })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cancel)
	return c
}

func publish(t testing.TB, n *Node, payload string) (hint []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	hint, err := n.Publish(ctx, transport.Envelope{Topic: topic, Payload: []byte(payload)})
	if err != nil {
		t.Fatalf("Publish: %v", err)
	}
	return hint
}

// burst publishes 1,000 messages of 1 KiB from several goroutines and waits until
// all receivers have all of them.
func burst(t *testing.T, from *Node, to ...<-chan transport.Received) {
	t.Helper()
	const count, senders = 1000, 8
	var next atomic.Int32
	var work sync.WaitGroup
	for range senders {
		work.Go(func() {
			for {
				i := next.Add(1)
				if i > count {
					return
				}
				_, err := from.Publish(context.Background(), transport.Envelope{
					Topic: topic, Payload: fmt.Appendf(nil, "%04d %s", i, strings.Repeat("x", 1019)),
				})
				if err != nil {
					t.Errorf("message %d: %v", i, err)
				}
			}
		})
	}
	work.Wait()
	for _, c := range to {
		got := map[string]bool{}
		for len(got) < count {
			got[string(receive(t, fmt.Sprint("message ", len(got)+1), c).Payload)] = true
		}
	}
}

// noDrops fails if a node has dropped anything.
func noDrops(t *testing.T, nodes ...*Node) {
	t.Helper()
	for i, n := range nodes {
		if s := n.Stats(); s.Dropped != (Dropped{}) {
			t.Errorf("node %d dropped: %+v", i, s.Dropped)
		}
	}
}

// TestBurst: over a chain, so that the middle has to forward.
func TestBurst(t *testing.T) {
	a := open(t, Options{})
	b := open(t, Options{Peers: a.Addrs()})
	c := open(t, Options{Peers: b.Addrs()})
	await(t, a, "a mesh", meshed(1))
	await(t, b, "a mesh", meshed(2))
	await(t, c, "a mesh", meshed(1))
	burst(t, a, listen(t, b), listen(t, c))
	noDrops(t, a, b, c)
	if s := a.Stats(); s.Published != 1000 || s.Taken != 1000 || s.Received != 0 {
		t.Errorf("the sender: %+v", s)
	}
	// What b forwards is counted when it is written: c may have it before that.
	until(t, "the middle to count what left", func() bool { return b.Stats().Taken >= 1000 })
	if s := b.Stats(); s.Received != 1000 || s.Taken != 1000 {
		t.Errorf("the middle: %+v", s)
	}
	if s := c.Stats(); s.Received != 1000 {
		t.Errorf("the end: %+v", s)
	}
}

func services(t testing.TB, change func(i int, o *Options)) (nodes []*Node, addrs []string) {
	nodes = relays(t, 2, func(i int, o *Options) {
		o.ServeFilter, o.ServeLightpush = true, true
		if change != nil {
			change(i, o)
		}
	})
	for _, n := range nodes {
		addrs = append(addrs, n.Addrs()...)
	}
	return nodes, addrs
}

// TestBurstLight: each message comes twice and is received once.
func TestBurstLight(t *testing.T) {
	nodes, addrs := services(t, nil)
	a := open(t, Options{Mode: Light, ServiceNodes: addrs})
	b := open(t, Options{Mode: Light, ServiceNodes: addrs})
	c := listen(t, b)
	await(t, a, "service nodes", receiving(2))
	await(t, b, "service nodes", receiving(2))
	burst(t, a, c)
	noDrops(t, append(nodes, a)...)
	s := b.Stats()
	if s.Received != 1000 || len(c) > 0 || s.Dropped != (Dropped{}) {
		t.Errorf("the receiver: %+v", s)
	}
	if pushed := nodes[0].Stats().Pushed + nodes[1].Stats().Pushed; pushed != 1000 {
		t.Errorf("the service nodes published %d messages", pushed)
	}
}

// TestSlowReceive: what does not fit into the queue of a slow receive is dropped
// and counted, and nobody else suffers.
func TestSlowReceive(t *testing.T) {
	const extra = 10
	s := subscriptions{count: &counters{}}
	entered, release := make(chan struct{}, maxQueued+1), make(chan struct{})
	slow, err := s.add(topic, func(transport.Received) {
		entered <- struct{}{}
		<-release
	})
	if err != nil {
		t.Fatal(err)
	}
	arrived := make(chan struct{}, 2*maxQueued)
	fine, err := s.add(topic, func(transport.Received) { arrived <- struct{}{} })
	if err != nil {
		t.Fatal(err)
	}
	m := &wire.Message{ContentTopic: string(topic)}
	s.deliver(m, [32]byte{})
	receive(t, "receive", entered) // so the queue is empty again
	receive(t, "the other", arrived)
	for range maxQueued + extra {
		s.deliver(m, [32]byte{})
		receive(t, "the other", arrived)
	}
	if got := s.count.subscription.Load(); got != extra {
		t.Errorf("%d messages dropped, want %d", got, extra)
	}
	close(release)
	for range maxQueued {
		receive(t, "receive", entered)
	}
	s.remove(topic, slow)
	s.remove(topic, fine)
	if got := s.count.cancelled.Load(); got != 0 {
		t.Errorf("%d messages were cancelled", got)
	}
}

func TestQueueBounds(t *testing.T) {
	q := newQueue[int]()
	for i := range 3 {
		if taken := q.put(i, maxQueuedBytes/2); taken != (i < 2) {
			t.Errorf("item %d of half of all bytes: taken is %v", i, taken)
		}
	}
	if dropped := q.close(); dropped != 2 {
		t.Errorf("%d dropped", dropped)
	}
	if !q.put(1, 1) {
		t.Error("a closed queue refuses")
	}
	go q.run(func(int) { t.Error("a closed queue goes on") })
	receive(t, "end", q.done)
}

func TestOtherCluster(t *testing.T) {
	a := open(t, Options{Cluster: 16})
	b := open(t, Options{Cluster: 17, Peers: a.Addrs()})
	refused := func(h Health) bool { return len(h.Peers) == 0 || !h.Peers[0].Connected && h.Peers[0].Err != nil }
	await(t, b, "the refusal", func(h Health) bool {
		return refused(h) && h.Peers[0].Err != nil && strings.Contains(h.Peers[0].Err.Error(), "cluster")
	})
	await(t, a, "no peers", refused)
	until(t, "it to be counted", func() bool { return b.Stats().OtherCluster > 0 })
	before := b.Stats().Dials
	if _, err := b.Publish(context.Background(), transport.Envelope{Topic: topic, Payload: []byte("x")}); !errors.Is(err, transport.ErrOffline) {
		t.Errorf("Publish: %v", err)
	}
	// Both stay away from each other, while others come and go.
	c := open(t, Options{Cluster: 17, Peers: b.Addrs()})
	got := listen(t, b)
	await(t, c, "a mesh", meshed(1))
	publish(t, c, "hello")
	receive(t, "hello", got)
	if more := b.Stats().Dials - before; more > 1 { // one may have begun before
		t.Errorf("%d dials after the refusal", more)
	}
}

// cut is a stream that brings a request, and ends with the answer.
type cut struct {
	network.Stream
	*bytes.Buffer
	from peer.ID
}

func (c *cut) Read(b []byte) (int, error)  { return c.Buffer.Read(b) }
func (c *cut) Write(b []byte) (int, error) { return len(b), nil }
func (c *cut) CloseWrite() error           { return network.ErrReset }
func (c *cut) Close() error                { return nil }
func (c *cut) Reset() error                { return nil }
func (c *cut) SetDeadline(time.Time) error { return nil }
func (c *cut) Conn() network.Conn          { return remote{from: c.from} }

type remote struct {
	network.Conn
	from peer.ID
}

func (r remote) RemotePeer() peer.ID { return r.from }

// TestOtherClusterLeavesFirst: a peer of another cluster that leaves while it is being
// answered has told where it belongs.
func TestOtherClusterLeavesFirst(t *testing.T) {
	n := open(t, Options{Cluster: 16})
	request := new(bytes.Buffer)
	if err := wire.WriteFrame(request, (&wire.Metadata{Cluster: 17}).Marshal()); err != nil {
		t.Fatal(err)
	}
	n.serveMetadata(&cut{Buffer: request, from: "somebody"})
	if why := n.gate.banOf("somebody").why; why == nil || n.Stats().OtherCluster != 1 {
		t.Errorf("it may come again: %v, counted %d", why, n.Stats().OtherCluster)
	}
}

// TestRedial: a peer restarts on the same port and identity.
func TestRedial(t *testing.T) {
	key, listenAddr := filepath.Join(t.TempDir(), "key"), freeport.Multiaddr(t)
	a, err := New(context.Background(), Options{KeyFile: key, Listen: []string{listenAddr}, pace: fast})
	if err != nil {
		t.Fatal(err)
	}
	addr := a.Addrs()
	b := open(t, Options{Peers: addr})
	await(t, b, "a mesh", meshed(1))
	online := make(chan bool, 10)
	defer b.Watch(func(up bool) { online <- up })()
	if !receive(t, "changed", online) {
		t.Error("not online")
	}
	a.Close()
	if receive(t, "changed", online) {
		t.Error("online again, or still")
	}
	await(t, b, "a failed dial", func(h Health) bool { return h.Peers[0].Err != nil })
	again := open(t, Options{KeyFile: key, Listen: []string{listenAddr}})
	if again.ID() != a.ID() {
		t.Error("another identity")
	}
	got := listen(t, again)
	if !receive(t, "changed", online) {
		t.Error("not online")
	}
	publish(t, b, "welcome back")
	receive(t, "the message", got)
	if b.Health().Peers[0].Err != nil {
		t.Error("the error stays")
	}
}

// TestFailover: a light node goes on through the second service node when the
// first stops, and through the third for receiving.
func TestFailover(t *testing.T) {
	all := relays(t, 3, func(_ int, o *Options) { o.ServeFilter, o.ServeLightpush = true, true })
	var addrs []string
	for _, n := range all {
		addrs = append(addrs, n.Addrs()...)
	}
	a := open(t, Options{Mode: Light, ServiceNodes: addrs})
	b := open(t, Options{Mode: Light, ServiceNodes: addrs})
	got := listen(t, b)
	for _, n := range []*Node{a, b} {
		await(t, n, "service nodes", func(h Health) bool { return receiving(2)(h) && connected(3)(h) })
	}
	publish(t, a, "one")
	receive(t, "one", got)
	all[0].Close()
	publish(t, a, "two") // whether or not a has noticed
	if r := receive(t, "two", got); string(r.Payload) != "two" {
		t.Errorf("received %q", r.Payload)
	}
	await(t, b, "the third", func(h Health) bool { return receiving(2)(h) && h.Peers[2].Receiving })
	all[1].Close()
	publish(t, a, "three")
	receive(t, "three", got)
	await(t, a, "one left", connected(1))
	all[2].Close()
	await(t, a, "nobody", func(h Health) bool { return !h.Online })
	if _, err := a.Publish(context.Background(), transport.Envelope{Topic: topic, Payload: []byte("x")}); !errors.Is(err, transport.ErrOffline) {
		t.Errorf("Publish: %v", err)
	}
}

// TestServiceNodeForgets: a service node that has lost its subscriptions, without
// the connection, is noticed by a ping.
func TestServiceNodeForgets(t *testing.T) {
	nodes, addrs := services(t, nil)
	p := fast
	p.ping = 20 * time.Millisecond
	b := open(t, Options{Mode: Light, ServiceNodes: addrs, pace: p})
	got := listen(t, b)
	await(t, b, "service nodes", receiving(2))
	for _, n := range nodes {
		n.filter.forget(b.ID())
	}
	for _, n := range nodes {
		await(t, n, "the light node again", func(h Health) bool { return h.LightNodes == 1 })
	}
	publish(t, nodes[0], "hello")
	receive(t, "hello", got)
}

// TestPushLimit: a service node that refuses is passed over, and without another
// the error says why.
func TestPushLimit(t *testing.T) {
	nodes, addrs := services(t, func(i int, o *Options) {
		if i == 0 {
			o.Limits = Limits{PushRate: 1e-9, PushBurst: 1}
		}
	})
	a := open(t, Options{Mode: Light, ServiceNodes: addrs})
	await(t, a, "service nodes", receiving(2))
	publish(t, a, "one")
	publish(t, a, "two")
	publish(t, a, "three")
	if s := a.Stats(); s.Failovers != 1 || nodes[0].Stats().Dropped.PushRefused != 1 || nodes[1].Stats().Pushed != 2 {
		t.Errorf("%+v", s)
	}
	alone := open(t, Options{Mode: Light, ServiceNodes: nodes[0].Addrs()})
	await(t, alone, "service node", receiving(1))
	publish(t, alone, "one")
	if _, err := alone.Publish(context.Background(), transport.Envelope{Topic: topic, Payload: []byte("x")}); err == nil || !strings.Contains(err.Error(), errTooFast.Error()) {
		t.Errorf("Publish: %v", err)
	}
}

// TestPushTwice: the same message pushed through two service nodes, or again,
// goes out once and is a success each time.
func TestPushTwice(t *testing.T) {
	nodes, addrs := services(t, nil)
	a := open(t, Options{Mode: Light, ServiceNodes: addrs})
	await(t, a, "service nodes", receiving(2))
	got := listen(t, nodes[1])
	_, shard, _ := a.shardOf(topic)
	request := wire.PushRequest{PubsubTopic: shard, Message: wire.Message{Payload: []byte("x"), ContentTopic: string(topic), Timestamp: 1}}
	for range 2 {
		for _, s := range a.light.nodes {
			if err := a.light.push(context.Background(), s, request.Marshal()); err != nil {
				t.Error(err)
			}
		}
	}
	publish(t, a, "fence")
	if first, second := receive(t, "x", got), receive(t, "fence", got); string(first.Payload) != "x" || string(second.Payload) != "fence" {
		t.Errorf("received %q and %q", first.Payload, second.Payload)
	}
}

func TestTooLarge(t *testing.T) {
	nodes := relays(t, 2, nil)
	got := listen(t, nodes[1])
	limit := nodes[0].MaxPayload(topic)
	_, err := nodes[0].Publish(context.Background(), transport.Envelope{Topic: topic, Payload: make([]byte, limit+1)})
	if !errors.Is(err, transport.ErrTooLarge) || !strings.Contains(err.Error(), fmt.Sprint(limit)) {
		t.Errorf("error is %v", err)
	}
	_, err = nodes[0].Publish(context.Background(), transport.Envelope{Topic: topic, Payload: make([]byte, limit), Ephemeral: true})
	if err != nil {
		t.Error(err)
	}
	if r := receive(t, "the largest", got); len(r.Payload) != limit {
		t.Errorf("%d bytes", len(r.Payload))
	}
	noDrops(t, nodes...)
}

func TestLose(t *testing.T) {
	nodes := relays(t, 2, func(_ int, o *Options) {
		o.Lose = func(m *wire.Message) bool { return bytes.HasPrefix(m.Payload, []byte("lost")) }
	})
	got := listen(t, nodes[1])
	publish(t, nodes[0], "lost")
	publish(t, nodes[0], "kept")
	if r := receive(t, "kept", got); string(r.Payload) != "kept" {
		t.Errorf("received %q", r.Payload)
	}
	if s := nodes[1].Stats(); s.Dropped.Lost != 1 || s.Received != 1 {
		t.Errorf("%+v", s)
	}
}

// TestShards: topics lie where Options.Shard says.
func TestShards(t *testing.T) {
	nodes := relays(t, 2, func(_ int, o *Options) {
		o.Shards = []uint16{64, 32}
		o.Shard = func(tp transport.Topic) uint16 {
			if tp == topic {
				return 64
			}
			return uint16(len(tp))
		}
	})
	got := listen(t, nodes[1])
	hint := publish(t, nodes[0], "x")
	r := receive(t, "x", got)
	m := wire.Message{Payload: []byte("x"), ContentTopic: string(topic), Timestamp: r.Time.UnixNano()}
	if want := m.Hash("/waku/2/rs/16/64"); !bytes.Equal(hint, want[:]) || !bytes.Equal(r.Hint, hint) {
		t.Errorf("the hint is %x, want %x", hint, want)
	}
	if _, err := nodes[0].Subscribe("/elsewhere", func(transport.Received) {}); err == nil {
		t.Error("no error with a topic on a shard of others")
	}
	if h := nodes[0].Health(); len(h.Shards) != 2 || h.Shards[0].Shard != 32 || h.Shards[1].Peers != 1 {
		t.Errorf("%+v", h.Shards)
	}
}

// TestMalformed: what is no WakuMessage is neither received nor forwarded.
func TestMalformed(t *testing.T) {
	a := open(t, Options{})
	b := open(t, Options{Peers: a.Addrs()})
	c := open(t, Options{Peers: b.Addrs()})
	await(t, a, "a mesh", meshed(1))
	await(t, b, "a mesh", meshed(2))
	await(t, c, "a mesh", meshed(1))
	got := listen(t, c)
	s := a.relay.shards[DefaultShard]
	for _, data := range []string{"\xff\xff", string(make([]byte, wire.MaxMessage+1))} {
		if err := s.topic.Publish(context.Background(), []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, a, "fine")
	receive(t, "fine", got)
	if b, c := b.Stats().Dropped.Malformed, c.Stats().Dropped.Malformed; b != 2 || c != 0 {
		t.Errorf("%d dropped by the first peer, want 2; %d by the second, want 0", b, c)
	}
}

func TestOptions(t *testing.T) {
	self := open(t, Options{Listen: []string{}})
	for name, o := range map[string]Options{
		"mode":           {Mode: 7},
		"no service":     {Mode: Light},
		"light serves":   {Mode: Light, ServeFilter: true},
		"no shards":      {Shards: []uint16{}},
		"large":          {MaxMessage: wire.MaxMessage + 1},
		"address":        {Peers: []string{"localhost"}},
		"no peer id":     {Peers: []string{"/ip4/127.0.0.1/tcp/1"}},
		"listen":         {Listen: []string{"nowhere"}},
		"key":            {Key: []byte("secret")},
		"key file":       {KeyFile: t.TempDir()},
		"port of others": {Listen: []string{"/ip4/192.0.2.1/tcp/1"}},
	} {
		if n, err := New(context.Background(), o); err == nil {
			n.Close()
			t.Errorf("%s: no error", name)
		}
	}
	if len(self.Addrs()) != 0 {
		t.Errorf("listens on %v", self.Addrs())
	}
	if _, err := self.Publish(context.Background(), transport.Envelope{Topic: topic, Payload: []byte("x")}); !errors.Is(err, transport.ErrOffline) {
		t.Errorf("Publish: %v", err)
	}
	if _, ok := self.Transport().(transport.Retriever); ok {
		t.Error("a node without store nodes is a Retriever")
	}
}

// TestClose: nothing of ours is left, and of libp2p nothing stays.
func TestClose(t *testing.T) {
	nodes, addrs := services(t, func(_ int, o *Options) { o.Store = withStore(t) })
	l := open(t, Options{Mode: Light, ServiceNodes: addrs, StoreNodes: addrs})
	listen(t, l)
	l.Watch(func(bool) {})
	await(t, l, "service nodes", receiving(2))
	publish(t, l, "x")
	for _, n := range append(nodes, l) {
		n.Close()
		n.Close()
	}
	stacks := make([]byte, 1<<20)
	deadline := time.Now().Add(patience)
	for {
		all := string(stacks[:runtime.Stack(stacks, true)])
		var ours, theirs int
		for _, g := range strings.Split(all, "\n\n")[1:] {
			if strings.Contains(g, "suite/waku.(") {
				ours++
				t.Errorf("left behind: %s", g)
			}
			if strings.Contains(g, "libp2p") {
				theirs++
			}
		}
		if ours > 0 || theirs == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines of libp2p are left:\n%s", theirs, all)
		}
		runtime.Gosched()
	}
}

// TestSubscribeAgain: a subscription holds when Subscribe returns, also while
// service nodes are being told that the one before has ended.
func TestSubscribeAgain(t *testing.T) {
	nodes, addrs := services(t, nil)
	l := open(t, Options{Mode: Light, ServiceNodes: addrs})
	await(t, l, "service nodes", receiving(2))
	for i := range 100 {
		got := make(chan transport.Received, 1)
		cancel, err := l.Subscribe(topic, func(r transport.Received) { got <- r })
		if err != nil {
			t.Fatal(err)
		}
		publish(t, nodes[0], fmt.Sprint(i))
		receive(t, fmt.Sprint("message ", i), got)
		cancel()
	}
}
