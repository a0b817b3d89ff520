package waku

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pubsubpb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

// RelayProtocol is gossipsub 1.1 under Waku's name (11/WAKU2-RELAY).
const RelayProtocol protocol.ID = "/vac/waku/relay/2.0.0"

// Sizes of gossipsub's queues. They hold bursts of thousands of messages; what
// does not fit is dropped by gossipsub and counted by the tracer.
const (
	peerQueue  = 8192 // for each peer
	shardQueue = 8192 // between gossipsub and the pump of a shard
	// seenTime is how long gossipsub remembers a message.
	seenTime = 2 * time.Minute
)

// relay is gossipsub on the shards of a node.
type relay struct {
	n      *Node
	tracer *tracer
	pubsub *pubsub.PubSub
	seen   seen // what has passed, if light nodes publish here
	shards map[uint16]*shard
}

// shard is one pubsub topic.
type shard struct {
	name   string
	topic  *pubsub.Topic
	sub    *pubsub.Subscription
	events *pubsub.TopicEventHandler
}

// shardName returns the pubsub topic of a shard (static sharding, 51).
func shardName(cluster, shard uint16) string {
	return fmt.Sprintf("/waku/2/rs/%d/%d", cluster, shard)
}

// newRelay joins the shards of the node.
func newRelay(ctx context.Context, n *Node) (*relay, error) {
	r := &relay{n: n, tracer: newTracer(&n.count, n.healthChanged), shards: map[uint16]*shard{}}
	var err error
	r.pubsub, err = pubsub.NewGossipSub(ctx, n.host, r.options()...)
	if err != nil {
		return nil, fmt.Errorf("waku: gossipsub: %w", err)
	}
	for _, number := range n.opts.Shards {
		s := &shard{name: shardName(n.opts.Cluster, number)}
		if s.topic, err = r.pubsub.Join(s.name); err != nil {
			return nil, fmt.Errorf("waku: shard %d: %w", number, err)
		}
		if s.events, err = s.topic.EventHandler(); err != nil {
			return nil, fmt.Errorf("waku: shard %d: %w", number, err)
		}
		if s.sub, err = s.topic.Subscribe(pubsub.WithBufferSize(shardQueue), pubsub.WithMessageFilter(r.tracer.begin)); err != nil {
			return nil, fmt.Errorf("waku: shard %d: %w", number, err)
		}
		r.shards[number] = s
		n.spawn(func() { r.pump(ctx, s) })
		n.spawn(func() { r.countPeers(ctx, s) })
	}
	return r, nil
}

// options returns Waku's gossipsub: not signed, without authors, a message known
// by its bytes. There are no validators: messages then stay in order and pass no
// queue that could overflow, since a peer that sends faster than we read has to
// wait. inspect does what a validator would.
func (r *relay) options() []pubsub.Option {
	p := pubsub.DefaultGossipSubParams()
	p.D, p.Dlo, p.Dhi, p.Dout, p.Dlazy = 6, 4, 12, 2, 6
	p.HistoryLength, p.HistoryGossip, p.GossipFactor = 6, 3, 0.25
	p.PruneBackoff, p.UnsubscribeBackoff = time.Minute, 5*time.Second
	p.HeartbeatInterval = r.n.opts.pace.heartbeat
	return []pubsub.Option{
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(func(m *pubsubpb.Message) string {
			sum := sha256.Sum256(m.GetData())
			return string(sum[:])
		}),
		pubsub.WithGossipSubProtocols(relayProtocols, relayFeature),
		pubsub.WithGossipSubParams(p),
		pubsub.WithFloodPublish(true), // own messages to all peers, not only the mesh
		pubsub.WithSeenMessagesTTL(seenTime),
		pubsub.WithPeerOutboundQueueSize(peerQueue),
		pubsub.WithRawTracer(r.tracer),
		pubsub.WithAppSpecificRpcInspector(r.inspect),
		pubsub.WithLogger(r.n.opts.Log),
	}
}

var relayProtocols = []protocol.ID{RelayProtocol, pubsub.GossipSubID_v11, pubsub.GossipSubID_v10, pubsub.FloodSubID}

// relayFeature tells what a protocol can do. None can exchange peers: the node
// connects to nobody that it was not told of.
func relayFeature(f pubsub.GossipSubFeature, p protocol.ID) bool {
	return f == pubsub.GossipSubFeatureMesh && p != pubsub.FloodSubID
}

// inspect takes out of an RPC what is not a WakuMessage of the right size, so
// that it is neither received nor forwarded.
func (r *relay) inspect(from peer.ID, rpc *pubsub.RPC) error {
	good := rpc.Publish[:0]
	for _, m := range rpc.Publish {
		message, err := wire.UnmarshalMessage(m.GetData())
		if err == nil {
			err = message.Check() // who forwards it is shunned
		}
		if err != nil || len(m.Data) > r.n.opts.MaxMessage {
			r.n.count.malformed.Add(1)
			r.n.opts.Log.Debug("waku: malformed message", "peer", from, "error", err)
			continue
		}
		good = append(good, m)
	}
	rpc.Publish = good
	return nil
}

// ownMark marks messages that this node publishes for itself, in contrast to those
// for light nodes.
type ownMark struct{}

// pump hands over what arrives on a shard. Nothing in it waits for anybody.
func (r *relay) pump(ctx context.Context, s *shard) {
	for {
		p, err := s.sub.Next(ctx)
		if err != nil {
			return
		}
		m, err := wire.UnmarshalMessage(p.Data)
		if err != nil {
			r.n.count.malformed.Add(1)
			continue
		}
		if r.n.push != nil && len(p.ID) == sha256.Size {
			id := [32]byte([]byte(p.ID))
			r.seen.add(seenKey{hash: id}, false)
			r.tracer.passed(id, p.Data)
		}
		_, own := p.ValidatorData.(ownMark)
		r.n.passed(s.name, &m, own)
	}
}

// countPeers follows which peers are on a shard.
func (r *relay) countPeers(ctx context.Context, s *shard) {
	for {
		e, err := s.events.NextPeerEvent(ctx)
		if err != nil {
			return
		}
		r.tracer.setMember(s.name, e.Peer, e.Type == pubsub.PeerJoin)
	}
}

var errNotTaken = fmt.Errorf("waku: no peer took the message: %w", transport.ErrOffline)

// publish hands a message to the peers on its shard and returns when the first
// connection has taken it. local: somebody here gets it too, so that it need not
// be a peer.
func (r *relay) publish(ctx context.Context, s *shard, data []byte, own, local bool) error {
	if r.tracer.reach(s.name) == 0 && !local {
		return errNotTaken
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	h, end := r.tracer.expect(data)
	defer end()
	var mark any
	if own {
		mark = ownMark{}
	} else if r.seen.has(seenKey{hash: h.id}) {
		return nil // a light node pushes it to several, or again
	}
	if err := s.topic.Publish(ctx, data, pubsub.WithValidatorData(mark)); err != nil {
		return r.ended(err)
	}
	stop := r.n.ctx.Done()
	select {
	case <-h.turn:
	case <-ctx.Done():
		return ctx.Err()
	case <-stop:
		return transport.ErrClosed
	}
	// Whoever gets it is decided in that turn of gossipsub's loop. When the loop
	// answers a question, it has left the turn.
	s.topic.ListPeers()
	if local {
		return nil
	}
	if r.tracer.hopeless(h) {
		return errNotTaken
	}
	select {
	case <-h.taken:
		return nil
	case <-h.gone:
		return errNotTaken
	case <-ctx.Done():
		return ctx.Err()
	case <-stop:
		return transport.ErrClosed
	}
}

// ended says ErrClosed if the node was closed meanwhile.
func (r *relay) ended(err error) error {
	if r.n.ctx.Err() != nil || errors.Is(err, pubsub.ErrTopicClosed) {
		return transport.ErrClosed
	}
	return fmt.Errorf("waku: gossipsub: %w", err)
}
