package waku

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"

	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

// filterServer sends to light nodes what they subscribed to. Each has a queue and
// a goroutine of its own. A light node that disconnects is forgotten; it
// subscribes again when it is back. The methods are safe for concurrent use, and
// those that others call do nothing for a nil server.
type filterServer struct {
	n *Node

	mu      sync.Mutex
	members map[peer.ID]*member
	topics  map[criterion]map[*member]struct{}
}

// criterion is what a light node subscribes to.
type criterion struct{ shard, topic string }

// member is a light node.
type member struct {
	id    peer.ID
	wants map[criterion]struct{} // guarded by filterServer.mu
	queue *queue[[]byte]         // of frames
	open  chan struct{}          // has one for each stream that is not closed yet
}

// pushStreams is how many messages may be on their way to one light node: each
// has a stream, and a light node far away takes a round trip to say that it has
// it. libp2p takes 64 streams of one protocol from one peer if nobody tells it
// otherwise, and go-yamux opens 256 that the peer has not accepted yet.
const pushStreams = 32

func newFilterServer(n *Node) *filterServer {
	f := &filterServer{n: n, members: map[peer.ID]*member{}, topics: map[criterion]map[*member]struct{}{}}
	n.handle(wire.FilterSubscribeProtocol, func(s network.Stream) { n.serve(s, f.handle) })
	return f
}

func (f *filterServer) handle(p peer.ID, request []byte) []byte {
	r, err := wire.UnmarshalFilterRequest(request)
	if err != nil {
		return nil
	}
	answer := wire.FilterResponse{RequestID: r.RequestID, Status: wire.StatusOK}
	answer.Status, answer.Desc = f.do(p, &r)
	return answer.Marshal()
}

func (f *filterServer) do(p peer.ID, r *wire.FilterRequest) (status uint32, desc string) {
	f.mu.Lock()
	defer f.n.healthChanged()
	defer f.mu.Unlock()
	m := f.members[p]
	if m == nil && r.Type != wire.FilterSubscribe {
		return wire.StatusNotFound, "no subscription"
	}
	switch r.Type {
	case wire.FilterPing:
	case wire.FilterSubscribe:
		return f.subscribe(p, r)
	case wire.FilterUnsubscribe:
		for _, topic := range r.ContentTopics {
			f.removeCriterion(m, criterion{r.PubsubTopic, topic})
		}
		if len(m.wants) == 0 {
			f.remove(m)
		}
	case wire.FilterUnsubscribeAll:
		f.remove(m)
	default:
		return wire.StatusBadRequest, "unknown request"
	}
	return wire.StatusOK, ""
}

// subscribe is called with the lock held.
func (f *filterServer) subscribe(p peer.ID, r *wire.FilterRequest) (status uint32, desc string) {
	limits := f.n.opts.Limits
	if len(r.ContentTopics) == 0 || !f.n.carries(r.PubsubTopic) {
		return wire.StatusBadRequest, "not a topic of this node"
	}
	m := f.members[p]
	if m == nil {
		if len(f.members) >= limits.Subscribers {
			return wire.StatusUnavailable, "too many subscribers"
		}
		m = &member{id: p, wants: map[criterion]struct{}{}, queue: newQueue[[]byte](), open: make(chan struct{}, pushStreams)}
		if !f.n.spawn(func() { m.queue.run(func(frame []byte) { f.send(m, frame) }) }) {
			return wire.StatusUnavailable, "closing"
		}
		f.members[p] = m
	}
	if len(m.wants)+len(r.ContentTopics) > limits.Topics {
		return wire.StatusUnavailable, "too many topics"
	}
	for _, topic := range r.ContentTopics {
		c := criterion{r.PubsubTopic, topic}
		m.wants[c] = struct{}{}
		if f.topics[c] == nil {
			f.topics[c] = map[*member]struct{}{}
		}
		f.topics[c][m] = struct{}{}
	}
	return wire.StatusOK, ""
}

// removeCriterion and remove are called with the lock held.
func (f *filterServer) removeCriterion(m *member, c criterion) {
	delete(m.wants, c)
	if delete(f.topics[c], m); len(f.topics[c]) == 0 {
		delete(f.topics, c)
	}
}

func (f *filterServer) remove(m *member) {
	for c := range m.wants {
		f.removeCriterion(m, c)
	}
	delete(f.members, m.id)
	f.n.count.lightFailed.Add(uint64(m.queue.close()))
}

// push queues a message for all who want it.
func (f *filterServer) push(shard string, m *wire.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	members := f.topics[criterion{shard, m.ContentTopic}]
	if len(members) == 0 {
		return
	}
	frame := (&wire.FilterPush{Message: *m, PubsubTopic: shard}).Marshal()
	for member := range members {
		if !member.queue.put(frame, len(frame)) {
			f.n.count.lightQueue.Add(1)
		}
	}
}

// send opens a stream for one message: known light nodes read one message of a
// stream. It returns when the message is written, so that messages leave in
// order, and leaves the rest to another goroutine.
func (f *filterServer) send(m *member, frame []byte) {
	select {
	case m.open <- struct{}{}:
	case <-f.n.ctx.Done():
		f.sent(m, f.n.ctx.Err())
		return
	}
	s, err := f.write(m.id, frame)
	if err != nil || !f.n.spawn(func() { f.finish(m, s) }) {
		if s != nil {
			err = errors.Join(err, s.Reset())
		}
		<-m.open
		f.sent(m, cmp.Or(err, transport.ErrClosed))
	}
}

// write sends a frame, and the end of the stream. It does not wait for an answer.
func (f *filterServer) write(p peer.ID, frame []byte) (network.Stream, error) {
	ctx, cancel := context.WithTimeout(f.n.ctx, f.n.opts.pace.request)
	defer cancel()
	s, err := f.n.host.NewStream(network.WithNoDial(ctx, "light nodes come by themselves"), p, wire.FilterPushProtocol)
	if err != nil {
		return nil, err
	}
	s.SetDeadline(time.Now().Add(f.n.opts.pace.request))
	if err := wire.WriteFrame(s, frame); err != nil {
		return s, err
	}
	return s, s.CloseWrite()
}

// finish waits until the light node has closed the stream: it has read the message
// then. If it resets it, it has not taken it. Who does neither gets the next ones
// somewhat later.
func (f *filterServer) finish(m *member, s network.Stream) {
	s.SetReadDeadline(time.Now().Add(f.n.opts.pace.pushClose))
	_, err := s.Read(make([]byte, 1))
	if errors.Is(err, io.EOF) || isTimeout(err) {
		err = nil
	}
	err = errors.Join(err, s.Close())
	<-m.open
	f.sent(m, err)
}

// isTimeout tells whether a deadline was the reason: libp2p has an error of its own.
func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// sent counts a message as pushed, or not.
func (f *filterServer) sent(m *member, err error) {
	if err != nil {
		f.n.count.lightFailed.Add(1)
		f.n.opts.Log.Debug("waku: can't push to light node", "peer", m.id, "error", err)
		return
	}
	f.n.count.served.Add(1)
}

// reaches tells whether a light node other than except wants a topic.
func (f *filterServer) reaches(shard string, topic transport.Topic, except peer.ID) bool {
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for m := range f.topics[criterion{shard, string(topic)}] {
		if m.id != except {
			return true
		}
	}
	return false
}

// clients returns how many light nodes are subscribed.
func (f *filterServer) clients() int {
	if f == nil {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.members)
}

// forget drops a light node that has disconnected.
func (f *filterServer) forget(p peer.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.members[p]; m != nil {
		f.remove(m)
	}
}

// close ends the goroutines.
func (f *filterServer) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		f.remove(m)
	}
}

// carries tells whether a pubsub topic is one of the node's shards.
func (n *Node) carries(shard string) bool {
	for _, number := range n.opts.Shards {
		if shard == shardName(n.opts.Cluster, number) {
			return true
		}
	}
	return false
}

// pushServer publishes for light nodes.
type pushServer struct {
	n *Node

	mu     sync.Mutex
	limits map[peer.ID]*rate.Limiter
}

// maxLimiters bounds the light nodes whose rate is remembered.
const maxLimiters = 4096

func newPushServer(n *Node) *pushServer {
	s := &pushServer{n: n, limits: map[peer.ID]*rate.Limiter{}}
	n.handle(wire.LightpushProtocol, func(stream network.Stream) { n.serve(stream, s.handle) })
	return s
}

func (s *pushServer) handle(p peer.ID, request []byte) []byte {
	r, err := wire.UnmarshalPushRequest(request)
	if err != nil {
		s.n.count.pushRefused.Add(1)
		return nil
	}
	answer := wire.PushResponse{RequestID: r.RequestID}
	if err := s.publish(p, &r); err != nil {
		s.n.count.pushRefused.Add(1)
		answer.Info = err.Error()
	} else {
		s.n.count.pushed.Add(1)
		answer.Success = true
	}
	return answer.Marshal()
}

var (
	errTooFast  = errors.New("too many requests")
	errNotOurs  = errors.New("not a topic of this node")
	errTooLarge = errors.New("message is too large")
)

func (s *pushServer) publish(p peer.ID, r *wire.PushRequest) error {
	n := s.n
	if !s.allow(p) {
		return errTooFast
	}
	var at *shard
	for _, shard := range n.relay.shards {
		if shard.name == r.PubsubTopic {
			at = shard
		}
	}
	if at == nil {
		return errNotOurs
	}
	if err := r.Message.Check(); err != nil {
		return err
	}
	data := r.Message.Marshal()
	if len(data) > n.opts.MaxMessage {
		return errTooLarge
	}
	topic := transport.Topic(r.Message.ContentTopic)
	local := n.store != nil || n.subs.has(topic) || n.filter.reaches(at.name, topic, p)
	ctx, cancel := context.WithTimeout(n.ctx, n.opts.pace.request)
	defer cancel()
	return n.relay.publish(ctx, at, data, false, local)
}

// allow takes one from what a light node may do.
func (s *pushServer) allow(p peer.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.limits[p]
	if l == nil {
		if len(s.limits) >= maxLimiters {
			clear(s.limits) // generous for once, rather than growing
		}
		l = rate.NewLimiter(rate.Limit(s.n.opts.Limits.PushRate), s.n.opts.Limits.PushBurst)
		s.limits[p] = l
	}
	return l.Allow()
}
