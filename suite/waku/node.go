package waku

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"

	"github.com/causeway-im/causeway/suite/waku/storenode"
	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

// Node is a node of a Waku network, as a transport. All methods are safe for
// concurrent use.
type Node struct {
	opts  Options
	host  host.Host
	swarm *swarm.Swarm
	gate  gate
	count counters
	subs  subscriptions
	stamp atomic.Int64 // of the newest own message

	ctx    context.Context // ends with Close
	stop   context.CancelFunc
	closed sync.Once

	mu      sync.Mutex
	closing bool
	work    sync.WaitGroup // all goroutines but those of subscriptions

	health  signal
	keepers map[peer.ID]*keeper
	roles   map[peer.ID]role
	// keepersInOrder are the same, as configured.
	keepersInOrder []*keeper

	relay  *relay        // of a relay
	light  *light        // of a light node
	filter *filterServer // nil: not served
	push   *pushServer   // nil: not served
	store  Store         // nil: none
	stores *storenode.Client
}

// New starts a node. It returns when the node listens, not when it is connected.
// ctx bounds the start alone; the node runs until Close.
func New(ctx context.Context, o Options) (*Node, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	key, err := o.identity()
	if err != nil {
		return nil, err
	}
	n := &Node{opts: o}
	n.subs.count = &n.count
	n.ctx, n.stop = context.WithCancel(context.Background())
	if n.host, n.swarm, err = newHost(key, &n.gate); err != nil {
		n.stop()
		return nil, fmt.Errorf("waku: host: %w", err)
	}
	if err := n.start(ctx); err != nil {
		n.Close()
		return nil, err
	}
	o.Log.Info("waku: started", "mode", o.Mode, "cluster", o.Cluster, "shards", o.Shards, "addrs", n.Addrs())
	return n, nil
}

// start sets up all protocols before the first peer can come.
func (n *Node) start(ctx context.Context) (err error) {
	if err := n.addKeepers(); err != nil {
		return err
	}
	n.handle(wire.MetadataProtocol, n.serveMetadata)
	events, err := n.host.EventBus().Subscribe([]any{
		new(event.EvtPeerIdentificationCompleted), new(event.EvtPeerProtocolsUpdated), new(event.EvtPeerConnectednessChanged),
	}, eventbus.BufSize(256))
	if err != nil {
		return fmt.Errorf("waku: events: %w", err)
	}
	if n.opts.Mode == Light {
		err = n.startLight()
	} else {
		err = n.startRelay(ctx)
	}
	if err != nil {
		return err
	}
	if err := n.openStores(); err != nil {
		return err
	}
	n.spawn(func() { n.follow(events) })
	if err := start(n.host, n.swarm, n.opts.Listen); err != nil {
		return err
	}
	for _, k := range n.keepers {
		n.spawn(k.run)
	}
	return ctx.Err()
}

func (n *Node) startRelay(ctx context.Context) (err error) {
	if n.opts.Store != nil {
		store, err := n.opts.Store(ctx, n.host)
		if err != nil { // store may be a nil pointer in an interface: there is nothing to close
			return fmt.Errorf("waku: store: %w", err)
		}
		n.store = store
	}
	if n.opts.ServeFilter {
		n.filter = newFilterServer(n)
	}
	if n.opts.ServeLightpush {
		n.push = newPushServer(n)
	}
	n.relay, err = newRelay(n.ctx, n)
	return err
}

// Close ends the node: all subscriptions, watchers and connections. It waits for
// every receive and changed that is running, so they must not call it, and for
// all goroutines of the node; those of libp2p end soon after. It may be called
// again.
func (n *Node) Close() error {
	n.closed.Do(func() {
		n.mu.Lock()
		n.closing = true
		n.mu.Unlock()
		n.stop()
		n.subs.close()
		n.host.Close()
		if n.filter != nil {
			n.filter.close()
		}
		n.work.Wait()
		if n.store != nil {
			if err := n.store.Close(); err != nil {
				n.opts.Log.Warn("waku: store", "error", err)
			}
		}
		n.opts.Log.Info("waku: closed")
	})
	return nil
}

// spawn runs f in a goroutine that Close waits for. Once the node is being closed
// it returns false instead.
func (n *Node) spawn(f func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing {
		return false
	}
	n.work.Go(f)
	return true
}

// handle serves a protocol, with goroutines that Close waits for.
func (n *Node) handle(id protocol.ID, serve func(network.Stream)) {
	n.host.SetStreamHandler(id, func(s network.Stream) {
		n.mu.Lock()
		closing := n.closing
		if !closing {
			n.work.Add(1)
		}
		n.mu.Unlock()
		if closing {
			s.Reset()
			return
		}
		defer n.work.Done()
		serve(s)
	})
}

// ID returns the peer id.
func (n *Node) ID() peer.ID { return n.host.ID() }

// Host returns the libp2p host, for further protocols. It belongs to the node.
func (n *Node) Host() host.Host { return n.host }

// Addrs returns where the node listens, with /p2p/ and its peer id: what another
// needs as one of Options.Peers.
func (n *Node) Addrs() []string {
	info := host.InfoFromHost(n.host)
	addrs, err := peer.AddrInfoToP2pAddrs(info)
	if err != nil || len(info.Addrs) == 0 {
		return nil
	}
	all := make([]string, len(addrs))
	for i, a := range addrs {
		all[i] = a.String()
	}
	return all
}

// SetOnline cuts the node off, or connects it again. Cut off it has no connection
// and takes none. It is for devices without a network, and for tests.
func (n *Node) SetOnline(online bool) {
	n.gate.setShut(!online)
	if !online {
		for _, p := range n.host.Network().Peers() {
			n.host.Network().ClosePeer(p)
		}
	}
	for _, k := range n.keepers {
		k.hurry()
	}
}

// follow does what is due when peers come and go.
func (n *Node) follow(events event.Subscription) {
	defer events.Close()
	for {
		select {
		case <-n.ctx.Done():
			return
		case e := <-events.Out():
			switch e := e.(type) {
			case event.EvtPeerIdentificationCompleted:
				n.greet(e.Peer)
			case event.EvtPeerProtocolsUpdated:
				if n.light != nil {
					n.light.connection(e.Peer, n.isConnected(e.Peer))
				}
			case event.EvtPeerConnectednessChanged:
				n.connectednessChanged(e.Peer, e.Connectedness == network.Connected)
			}
			n.healthChanged()
		}
	}
}

func (n *Node) connectednessChanged(p peer.ID, connected bool) {
	if k := n.keepers[p]; k != nil {
		k.poke()
	}
	if connected {
		n.stores.Connected(p)
	}
	if n.light != nil {
		n.light.connection(p, connected)
	}
	if n.filter != nil && !connected && !n.isConnected(p) {
		n.filter.forget(p)
	}
}

// greet is called when it is known what a new peer speaks.
func (n *Node) greet(p peer.ID) {
	if n.light != nil {
		n.light.connection(p, true)
	}
	if k := n.keepers[p]; k != nil {
		k.poke()
	}
	if n.speaks(p, wire.MetadataProtocol) {
		n.spawn(func() { n.askMetadata(p) })
	}
}

// shardOf returns the pubsub topic that a content topic lies on.
func (n *Node) shardOf(topic transport.Topic) (number uint16, name string, err error) {
	number = n.opts.Shards[0]
	if n.opts.Shard != nil {
		number = n.opts.Shard(topic)
		if !slices.Contains(n.opts.Shards, number) {
			return 0, "", fmt.Errorf("waku: topic %q lies on shard %d, which is not one of this node", topic, number)
		}
	}
	return number, shardName(n.opts.Cluster, number), nil
}

// MaxPayload returns the largest payload in bytes that Publish takes on a topic,
// without Meta.
func (n *Node) MaxPayload(topic transport.Topic) int {
	frame := wire.Message{
		ContentTopic: string(topic),
		Timestamp:    time.Now().UnixNano(),
		Ephemeral:    true,
		Payload:      make([]byte, 1<<14), // its length takes as many bytes as any above
	}
	return max(0, n.opts.MaxMessage-frame.Size()+len(frame.Payload))
}

// Publish implements transport.Transport. Its hint is the hash by which stores
// know the message. A relay returns when the connection of one peer on the shard
// has taken the message; a light node when a service node says that it has
// published it.
func (n *Node) Publish(ctx context.Context, e transport.Envelope) (hint []byte, err error) {
	if n.ctx.Err() != nil {
		return nil, transport.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("waku: publish: %w", err)
	}
	number, name, err := n.shardOf(e.Topic)
	if err != nil {
		return nil, err
	}
	if len(e.Meta) > transport.MaxMeta {
		return nil, fmt.Errorf("waku: meta of %d bytes, at most %d: %w", len(e.Meta), transport.MaxMeta, transport.ErrTooLarge)
	}
	limit := n.MaxPayload(e.Topic)
	if len(e.Meta) > 0 {
		limit = max(0, limit-len(e.Meta)-2) // with its tag and length
	}
	if len(e.Payload) > limit {
		return nil, fmt.Errorf("waku: payload of %d bytes on a topic that takes %d, in messages of %d: %w",
			len(e.Payload), limit, n.opts.MaxMessage, transport.ErrTooLarge)
	}
	m := wire.Message{
		Payload:      bytes.Clone(e.Payload),
		ContentTopic: string(e.Topic),
		Timestamp:    n.nextStamp(),
		Ephemeral:    e.Ephemeral,
		Meta:         bytes.Clone(e.Meta),
	}
	if err := m.Check(); err != nil {
		return nil, err
	}
	hash := m.Hash(name)
	if n.light != nil {
		err = n.light.publish(ctx, name, &m, hash)
	} else {
		err = n.relay.publish(ctx, n.relay.shards[number], m.Marshal(), true, n.filter.reaches(name, e.Topic, ""))
	}
	if err != nil {
		n.count.publishFailed.Add(1)
		return nil, fmt.Errorf("waku: publish: %w", err)
	}
	n.count.published.Add(1)
	return hash[:], nil
}

// nextStamp returns the time, later than any before: no two own messages are the
// same.
func (n *Node) nextStamp() int64 {
	for {
		last := n.stamp.Load()
		next := max(time.Now().UnixNano(), last+1)
		if n.stamp.CompareAndSwap(last, next) {
			return next
		}
	}
}

// Subscribe implements transport.Transport. A light node returns when its service
// nodes know of the subscription, or have not answered in time; it goes on trying.
// There may be any number of messages in the queue of a slow receive up to a bound;
// what does not fit is dropped and counted.
func (n *Node) Subscribe(topic transport.Topic, receive func(transport.Received)) (cancel func(), err error) {
	if _, _, err := n.shardOf(topic); err != nil {
		return nil, err
	}
	sub, err := n.subs.add(topic, receive)
	if err != nil {
		return nil, fmt.Errorf("waku: subscribe: %w", err)
	}
	if n.light != nil {
		n.light.want(topic)
	}
	var once sync.Once
	return func() {
		n.subs.remove(topic, sub)
		once.Do(func() {
			if n.light != nil {
				n.light.unwant(topic)
			}
		})
	}, nil
}

// Watch implements transport.Transport. A relay is online if a peer is on one of
// its shards, or a light node subscribed to it; a light node if it has a service
// node that works.
func (n *Node) Watch(changed func(online bool)) (cancel func()) {
	told, last := false, false
	return n.watch(func() {
		online := n.online()
		if told && online == last {
			return
		}
		told, last = true, online
		changed(online)
	})
}

// watch calls tell at once and after each change of the node's health. After
// Close it calls it once at most.
func (n *Node) watch(tell func()) (cancel func()) {
	return n.health.watch(n.spawn, n.ctx.Done(), tell)
}

func (n *Node) healthChanged() { n.health.fire() }

func (n *Node) online() bool {
	if n.ctx.Err() != nil || n.gate.isShut() {
		return false
	}
	if n.light != nil {
		return n.light.online()
	}
	if n.filter.clients() > 0 {
		return true
	}
	for _, s := range n.relay.shards {
		if n.relay.tracer.reach(s.name) > 0 {
			return true
		}
	}
	return false
}
