package waku

import (
	"crypto/sha256"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// tracer sees everything that gossipsub does. It counts what is dropped, knows
// the mesh of each shard, and tells a Publish what became of its message. Most
// methods are called by gossipsub's only loop and must return at once.
type tracer struct {
	count   *counters
	changed func() // the mesh

	mu      sync.Mutex
	mesh    map[string]map[peer.ID]struct{} // by pubsub topic
	pending map[peer.ID]int                 // messages in the queue for a peer
	streams map[peer.ID]struct{}            // peers that messages can be sent to
	members map[string]map[peer.ID]struct{} // peers on a pubsub topic

	// handovers are the messages of running Publish calls, by the address of their
	// first byte: gossipsub passes the bytes on as they are.
	handovers map[*byte]*handover
	open      atomic.Int32 // len(handovers)
}

func newTracer(count *counters, changed func()) *tracer {
	return &tracer{
		count: count, changed: changed,
		mesh:      map[string]map[peer.ID]struct{}{},
		pending:   map[peer.ID]int{},
		streams:   map[peer.ID]struct{}{},
		members:   map[string]map[peer.ID]struct{}{},
		handovers: map[*byte]*handover{},
	}
}

// handover is a message on its way to the first peer.
type handover struct {
	id    [32]byte      // sha256 of the bytes
	turn  chan struct{} // closed when gossipsub begins to distribute it
	taken chan struct{} // closed when one peer's connection has taken it
	gone  chan struct{} // closed when all peers in takers are gone
	// takers are the peers that have it in their queues; guarded by tracer.mu.
	takers map[peer.ID]struct{}
}

// expect begins to follow a message. end must be called.
func (t *tracer) expect(data []byte) (h *handover, end func()) {
	h = &handover{
		id:   sha256.Sum256(data),
		turn: make(chan struct{}), taken: make(chan struct{}), gone: make(chan struct{}),
		takers: map[peer.ID]struct{}{},
	}
	t.mu.Lock()
	t.handovers[&data[0]] = h
	t.mu.Unlock()
	t.open.Add(1)
	return h, func() {
		t.mu.Lock()
		delete(t.handovers, &data[0])
		t.mu.Unlock()
		t.open.Add(-1)
	}
}

// hopeless tells whether no connection has taken a message and none is going to.
func (t *tracer) hopeless(h *handover) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-h.taken:
		return false
	default:
		return len(h.takers) == 0
	}
}

// following calls f with the handovers of an RPC, if there are any.
func (t *tracer) following(rpc *pubsub.RPC, f func(*handover)) {
	if t.open.Load() == 0 {
		return
	}
	for _, m := range rpc.GetPublish() {
		if len(m.Data) > 0 {
			if h := t.handovers[&m.Data[0]]; h != nil {
				f(h)
			}
		}
	}
}

// begin is called by gossipsub's loop when it takes up a message; it decides in
// the same turn who gets it. It is a subscription's filter, since the tracer is
// not told of own messages.
func (t *tracer) begin(m *pubsub.Message) bool {
	if t.open.Load() > 0 && len(m.Data) > 0 {
		t.mu.Lock()
		defer t.mu.Unlock()
		if h := t.handovers[&m.Data[0]]; h != nil {
			closeOnce(h.turn)
		}
	}
	return true
}

// passed tells those who are handing over the same message in other bytes that it
// has passed already: gossipsub drops theirs, without telling anybody.
func (t *tracer) passed(id [32]byte, data []byte) {
	if t.open.Load() == 0 || len(data) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for at, h := range t.handovers {
		if h.id == id && at != &data[0] {
			closeOnce(h.turn)
			closeOnce(h.taken)
		}
	}
}

// SendRPC: something was put into the queue for a peer.
func (t *tracer) SendRPC(rpc *pubsub.RPC, p peer.ID) {
	n := len(rpc.GetPublish())
	if n == 0 {
		return
	}
	t.count.sent.Add(uint64(n))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pending[p] += n; t.pending[p] == 0 {
		delete(t.pending, p)
	}
	t.following(rpc, func(h *handover) { h.takers[p] = struct{}{} })
}

// SendRPCCompleted: something was written to the connection with a peer. It is
// called concurrently, and perhaps before SendRPC.
func (t *tracer) SendRPCCompleted(rpc *pubsub.RPC, p peer.ID, _ time.Duration) {
	n := len(rpc.GetPublish())
	if n == 0 {
		return
	}
	t.count.taken.Add(uint64(n))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pending[p] -= n; t.pending[p] == 0 {
		delete(t.pending, p)
	}
	t.following(rpc, func(h *handover) {
		closeOnce(h.taken)
	})
}

// closeOnce closes a channel that may be closed; the caller holds tracer.mu.
func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// DropRPC: the queue for a peer is full, or there is none: the peer has gone, or
// is only coming.
func (t *tracer) DropRPC(rpc *pubsub.RPC, p peer.ID) {
	n := uint64(len(rpc.GetPublish()))
	if n == 0 {
		return
	}
	t.mu.Lock()
	_, here := t.streams[p]
	t.mu.Unlock()
	if here {
		t.count.peerQueue.Add(n)
	} else {
		t.count.peerGone.Add(n)
	}
}

// OnNewOutboundStream: a peer can be sent to.
func (t *tracer) OnNewOutboundStream(p peer.ID, _ protocol.ID) {
	t.mu.Lock()
	t.streams[p] = struct{}{}
	t.mu.Unlock()
	t.changed()
}

// setMember notes whether a peer is on a pubsub topic.
func (t *tracer) setMember(topic string, p peer.ID, on bool) {
	t.mu.Lock()
	if t.members[topic] == nil {
		t.members[topic] = map[peer.ID]struct{}{}
	}
	if on {
		t.members[topic][p] = struct{}{}
	} else {
		delete(t.members[topic], p)
	}
	t.mu.Unlock()
	t.changed()
}

// reach returns how many peers on a pubsub topic can be sent to. A peer may be on
// it before there is a stream to it; gossipsub then drops what is for it.
func (t *tracer) reach(topic string) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for p := range t.members[topic] {
		if _, ok := t.streams[p]; ok {
			n++
		}
	}
	return n
}

// OnClosedOutboundStream: the connection with a peer ended.
func (t *tracer) OnClosedOutboundStream(p peer.ID) {
	t.mu.Lock()
	if lost := t.pending[p]; lost > 0 {
		t.count.peerGone.Add(uint64(lost))
	}
	delete(t.pending, p)
	delete(t.streams, p)
	for _, h := range t.handovers {
		if _, ok := h.takers[p]; !ok {
			continue
		}
		if delete(h.takers, p); len(h.takers) == 0 {
			closeOnce(h.gone)
		}
	}
	for _, members := range t.mesh {
		delete(members, p)
	}
	t.mu.Unlock()
	t.changed()
}

// Graft and Prune: a peer joins or leaves the mesh of a shard.
func (t *tracer) Graft(p peer.ID, topic string) {
	t.mu.Lock()
	if t.mesh[topic] == nil {
		t.mesh[topic] = map[peer.ID]struct{}{}
	}
	t.mesh[topic][p] = struct{}{}
	t.mu.Unlock()
	t.changed()
}

// Prune is the opposite of Graft.
func (t *tracer) Prune(p peer.ID, topic string) {
	t.mu.Lock()
	delete(t.mesh[topic], p)
	t.mu.Unlock()
	t.changed()
}

// meshOf returns the peers in the mesh of a shard.
func (t *tracer) meshOf(topic string) map[peer.ID]struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.mesh[topic])
}

// RejectMessage: a message was refused.
func (t *tracer) RejectMessage(_ *pubsub.Message, reason string) {
	switch reason {
	case pubsub.RejectValidationQueueFull, pubsub.RejectValidationThrottled:
		t.count.validationQueue.Add(1)
	case pubsub.RejectUnexpectedSignature, pubsub.RejectUnexpectedAuthInfo, pubsub.RejectSelfOrigin:
		t.count.malformed.Add(1)
	default:
		t.count.invalid.Add(1)
	}
}

// DuplicateMessage: a further copy.
func (t *tracer) DuplicateMessage(*pubsub.Message) { t.count.duplicates.Add(1) }

// UndeliverableMessage: the buffer of a shard is full.
func (t *tracer) UndeliverableMessage(*pubsub.Message) { t.count.shardQueue.Add(1) }

// What the node does not need to know.
func (t *tracer) Join(string)                     {}
func (t *tracer) Leave(string)                    {}
func (t *tracer) DeliverMessage(*pubsub.Message)  {}
func (t *tracer) ValidateMessage(*pubsub.Message) {}
func (t *tracer) ThrottlePeer(peer.ID)            {}
func (t *tracer) RecvRPC(*pubsub.RPC)             {}
