package waku

import (
	"bytes"
	"sync"
	"time"

	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

// subscriptions are those of this node's users. Each has a queue and a goroutine,
// so that a receive that does not return delays nobody else.
type subscriptions struct {
	count *counters

	mu     sync.Mutex
	topics map[transport.Topic]map[*subscription]struct{}
	closed bool
}

type subscription struct {
	receive func(transport.Received)
	queue   *queue[transport.Received]
}

// add starts a subscription.
func (s *subscriptions) add(topic transport.Topic, receive func(transport.Received)) (*subscription, error) {
	sub := &subscription{receive, newQueue[transport.Received]()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, transport.ErrClosed
	}
	if s.topics == nil {
		s.topics = map[transport.Topic]map[*subscription]struct{}{}
	}
	if s.topics[topic] == nil {
		s.topics[topic] = map[*subscription]struct{}{}
	}
	s.topics[topic][sub] = struct{}{}
	go sub.queue.run(receive)
	return sub, nil
}

// remove ends a subscription and waits until its receive is not running.
func (s *subscriptions) remove(topic transport.Topic, sub *subscription) {
	s.mu.Lock()
	if subs := s.topics[topic]; subs != nil {
		if delete(subs, sub); len(subs) == 0 {
			delete(s.topics, topic)
		}
	}
	s.mu.Unlock()
	s.count.cancelled.Add(uint64(sub.queue.close()))
	<-sub.queue.done
}

// close ends all.
func (s *subscriptions) close() {
	s.mu.Lock()
	topics := s.topics
	s.topics, s.closed = nil, true
	s.mu.Unlock()
	for topic, subs := range topics {
		for sub := range subs {
			s.remove(topic, sub)
		}
	}
}

// has tells whether anybody here listens on a topic.
func (s *subscriptions) has(topic transport.Topic) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.topics[topic]) > 0
}

// deliver puts a message into the queues of all who listen.
func (s *subscriptions) deliver(m *wire.Message, hash [32]byte) {
	topic := transport.Topic(m.ContentTopic)
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub := range s.topics[topic] {
		r := received(m, hash)
		if !sub.queue.put(r, len(r.Payload)) {
			s.count.subscription.Add(1)
		}
	}
}

// received returns a copy of a message for a receive of its own.
func received(m *wire.Message, hash [32]byte) transport.Received {
	return transport.Received{
		Topic:   transport.Topic(m.ContentTopic),
		Payload: bytes.Clone(m.Payload),
		Hint:    hash[:],
		Meta:    append([]byte(nil), m.Meta...),
		Time:    time.Unix(0, m.Timestamp),
	}
}

// passed is called with every message on a shard of a relay, own ones included.
func (n *Node) passed(shard string, m *wire.Message, own bool) {
	if n.store != nil {
		n.store.Keep(shard, m)
	}
	if n.filter != nil {
		n.filter.push(shard, m)
	}
	if !own {
		n.arrived(m, m.Hash(shard))
	}
}

// arrived gives a message of somebody else to this node's subscriptions.
func (n *Node) arrived(m *wire.Message, hash [32]byte) {
	switch {
	case !n.subs.has(transport.Topic(m.ContentTopic)):
		n.count.elsewhere.Add(1)
	case n.opts.Lose != nil && n.opts.Lose(m):
		n.count.lost.Add(1)
	default:
		n.count.received.Add(1)
		n.subs.deliver(m, hash)
	}
}
