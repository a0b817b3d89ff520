package waku

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

// receiveFrom is through how many service nodes a light node receives.
const receiveFrom = 2

// light is a light node: it publishes through one service node and receives
// through two of them, and goes on to another if one fails.
//
// Which of the service nodes it receives through (chosen) is a function of their
// state. Each has a goroutine (serviceNode.run) that brings what the service node
// knows of our subscriptions in line with what is wanted.
type light struct {
	n       *Node
	seen    seen
	changed signal // anything below
	request atomic.Uint64

	mu     sync.Mutex
	nodes  []*serviceNode // as configured
	wanted map[transport.Topic]int
	// lastPush is the service node that published last.
	lastPush *serviceNode
}

// serviceNode is the state of one; guarded by light.mu.
type serviceNode struct {
	id        peer.ID
	connected bool
	epoch     int // of the connection
	failures  int // in a row
	badUntil  time.Time
	limited   int       // times in a row that it answered that this was too much
	waitUntil time.Time // before, it is asked nothing; it is as good as before
	err       error
	known     map[transport.Topic]bool // what it is subscribed to for us
	pinged    time.Time                // when it last answered anything
}

// startLight prepares a light node.
func (n *Node) startLight() error {
	l := &light{n: n, wanted: map[transport.Topic]int{}}
	for _, k := range n.keepersInOrder {
		if n.roles[k.info.ID]&roleService != 0 {
			l.nodes = append(l.nodes, &serviceNode{id: k.info.ID, known: map[transport.Topic]bool{}})
		}
	}
	if len(l.nodes) == 0 {
		return errors.New("waku: a light node needs ServiceNodes")
	}
	n.light = l
	n.handle(wire.FilterPushProtocol, l.receive)
	for _, s := range l.nodes {
		n.spawn(func() { l.run(s) })
	}
	return nil
}

// find returns a service node, or nil.
func (l *light) find(p peer.ID) *serviceNode {
	i := slices.IndexFunc(l.nodes, func(s *serviceNode) bool { return s.id == p })
	if i < 0 {
		return nil
	}
	return l.nodes[i]
}

// connection is told that a service node has come, or gone.
func (l *light) connection(p peer.ID, connected bool) {
	s := l.find(p)
	if s == nil {
		return
	}
	able := connected && l.n.speaks(p, wire.LightpushProtocol) && l.n.speaks(p, wire.FilterSubscribeProtocol)
	l.mu.Lock()
	switch {
	case able && !s.connected:
		s.epoch++
		s.connected, s.err, s.failures, s.badUntil = true, nil, 0, time.Time{}
		s.limited, s.waitUntil = 0, time.Time{}
		clear(s.known)
	case !connected && s.connected:
		s.epoch++
		s.connected, s.err = false, errGone
		clear(s.known)
	}
	l.mu.Unlock()
	l.fire()
}

var errGone = errors.New("the connection ended")

func (l *light) fire() {
	l.changed.fire()
	l.n.healthChanged()
}

// usable tells whether a service node works, as far as known.
func (s *serviceNode) usable(now time.Time) bool { return s.connected && !now.Before(s.badUntil) }

// chosen tells whether we receive through a service node: the first that work.
func (l *light) chosen(s *serviceNode, now time.Time) bool {
	count := 0
	for _, other := range l.nodes {
		if !other.usable(now) {
			continue
		}
		if other == s {
			return true
		}
		if count++; count == receiveFrom {
			break
		}
	}
	return false
}

func (l *light) online() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	return slices.ContainsFunc(l.nodes, func(s *serviceNode) bool { return s.usable(now) })
}

// health returns whether we receive through a peer, and why it is not used.
func (l *light) health(p peer.ID) (receiving bool, err error) {
	s := l.find(p)
	if s == nil {
		return false, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chosen(s, time.Now()) && l.settled(s), s.err
}

// settled tells whether a service node knows all that is wanted.
func (l *light) settled(s *serviceNode) bool {
	for topic := range l.wanted {
		if !s.known[topic] {
			return false
		}
	}
	return true
}

// covered tells whether all chosen service nodes know all that is wanted: only then
// another is given up.
func (l *light) covered(now time.Time) bool {
	for _, s := range l.nodes {
		if l.chosen(s, now) && !l.settled(s) {
			return false
		}
	}
	return true
}

// want subscribes to a topic and waits until all chosen service nodes know it, or
// none is left that could.
func (l *light) want(topic transport.Topic) {
	l.mu.Lock()
	l.wanted[topic]++
	l.mu.Unlock()
	l.fire()
	timeout := time.NewTimer(2 * l.n.opts.pace.request)
	defer timeout.Stop()
	for {
		changed := l.changed.wait()
		if l.known(topic) {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			return
		case <-l.n.ctx.Done():
			return
		}
	}
}

// known tells whether all chosen service nodes know a topic.
func (l *light) known(topic transport.Topic) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, s := range l.nodes {
		if l.chosen(s, now) && !s.known[topic] {
			return false
		}
	}
	return true
}

// unwant ends a subscription; the service nodes are told in the background.
func (l *light) unwant(topic transport.Topic) {
	l.mu.Lock()
	if l.wanted[topic]--; l.wanted[topic] == 0 {
		delete(l.wanted, topic)
	}
	l.mu.Unlock()
	l.fire()
}

// run keeps one service node informed.
func (l *light) run(s *serviceNode) {
	for l.n.ctx.Err() == nil {
		changed := l.changed.wait()
		job, again := l.next(s)
		if job != nil {
			l.do(s, job)
			continue
		}
		timer := time.NewTimer(again)
		select {
		case <-changed:
		case <-timer.C:
			l.fire() // it may be usable again
		case <-l.n.ctx.Done():
		}
		timer.Stop()
	}
}

// job is a request to a service node.
type job struct {
	epoch  int
	typ    wire.FilterType
	shard  string
	topics []transport.Topic
	forgot []transport.Topic // taken out of serviceNode.known on its account
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// next returns what a service node has to be told, or when to look again.
func (l *light) next(s *serviceNode) (*job, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !s.connected {
		return nil, time.Hour
	}
	if until := latest(s.badUntil, s.waitUntil); now.Before(until) {
		return nil, until.Sub(now)
	}
	if !l.chosen(s, now) {
		if len(s.known) > 0 && l.covered(now) {
			j := &job{epoch: s.epoch, typ: wire.FilterUnsubscribeAll, forgot: slices.Collect(maps.Keys(s.known))}
			clear(s.known)
			return j, 0
		}
		return nil, time.Hour
	}
	if j := l.difference(s, wire.FilterSubscribe); j != nil {
		return j, 0
	}
	if j := l.difference(s, wire.FilterUnsubscribe); j != nil {
		return j, 0
	}
	ping := l.n.opts.pace.ping
	if len(s.known) == 0 {
		return nil, time.Hour
	}
	if due := s.pinged.Add(ping); now.Before(due) {
		return nil, due.Sub(now)
	}
	return &job{epoch: s.epoch, typ: wire.FilterPing}, 0
}

// difference returns topics of one shard that a service node has to learn, or to
// forget.
func (l *light) difference(s *serviceNode, typ wire.FilterType) *job {
	j := &job{epoch: s.epoch, typ: typ}
	add := func(topic transport.Topic) {
		_, shard, err := l.n.shardOf(topic)
		if err != nil || len(j.topics) == wire.MaxContentTopics || j.shard != "" && j.shard != shard {
			return
		}
		j.shard, j.topics = shard, append(j.topics, topic)
	}
	if typ == wire.FilterSubscribe {
		for topic := range l.wanted {
			if !s.known[topic] {
				add(topic)
			}
		}
	} else {
		for topic := range s.known {
			if l.wanted[topic] == 0 {
				add(topic)
			}
		}
	}
	if len(j.topics) == 0 {
		return nil
	}
	if typ == wire.FilterUnsubscribe {
		// Now, not when it has answered: who subscribes meanwhile has to wait.
		for _, topic := range j.topics {
			delete(s.known, topic)
		}
		j.forgot = j.topics
	}
	return j
}

// do sends a request and notes its outcome.
func (l *light) do(s *serviceNode, j *job) {
	r := wire.FilterRequest{RequestID: l.requestID(), Type: j.typ, PubsubTopic: j.shard}
	for _, topic := range j.topics {
		r.ContentTopics = append(r.ContentTopics, string(topic))
	}
	var answer wire.FilterResponse
	b, err := l.n.call(l.n.ctx, s.id, wire.FilterSubscribeProtocol, r.Marshal())
	if err == nil {
		answer, err = wire.UnmarshalFilterResponse(b)
	}
	l.mu.Lock()
	defer l.fire()
	defer l.mu.Unlock()
	if s.epoch != j.epoch {
		return // the connection that it was about is gone
	}
	gone := err == nil && answer.Status == wire.StatusNotFound
	switch {
	case gone && j.typ != wire.FilterSubscribe:
		clear(s.known) // it has forgotten us; what is wanted is asked again
	case err == nil && answer.Status == wire.StatusTooMany && s.limited < maxLimited:
		l.wait(s, j)
		return
	case err == nil && answer.Status != wire.StatusOK:
		err = fmt.Errorf("filter: status %d: %s", answer.Status, answer.Desc)
	}
	if err != nil {
		l.fail(s, err)
		return
	}
	s.err, s.failures, s.limited, s.pinged = nil, 0, 0, time.Now()
	if j.typ == wire.FilterSubscribe {
		for _, topic := range j.topics {
			s.known[topic] = true
		}
	}
}

// maxLimited is how many times in a row a service node may say that it was asked
// too much before it counts as failed. By default that takes it a minute.
const maxLimited = 5

// wait asks a service node again later that was asked too much: it still pushes
// what it knows of. It is called with the lock held.
func (l *light) wait(s *serviceNode, j *job) {
	for _, topic := range j.forgot {
		s.known[topic] = true // it still is
	}
	l.n.count.limited.Add(1)
	s.waitUntil = time.Now().Add(pauseAfter(l.n.opts.pace.serviceRetry, l.n.opts.RedialMax, s.limited))
	s.limited++
}

// fail leaves a service node alone for a while. It is called with the lock held.
func (l *light) fail(s *serviceNode, err error) {
	s.err = err
	s.badUntil = time.Now().Add(pauseAfter(l.n.opts.pace.serviceRetry, l.n.opts.RedialMax, s.failures))
	s.failures++
	clear(s.known)
	l.n.opts.Log.Info("waku: service node failed", "peer", s.id, "error", err)
}

func (l *light) requestID() string { return strconv.FormatUint(l.request.Add(1), 10) }

// receive takes what a service node pushes: one message, or several one after the
// other.
func (l *light) receive(stream network.Stream) {
	defer stream.Close()
	p := stream.Conn().RemotePeer()
	if l.find(p) == nil {
		l.n.count.stranger.Add(1)
		stream.Reset()
		return
	}
	r := bufio.NewReader(stream)
	for l.n.ctx.Err() == nil {
		b, err := wire.ReadFrame(r, wire.MaxRequest)
		if err != nil {
			return
		}
		push, err := wire.UnmarshalFilterPush(b)
		if err != nil {
			l.n.count.malformed.Add(1)
			stream.Reset()
			return
		}
		l.pushed(&push)
	}
}

// pushed takes one message.
func (l *light) pushed(p *wire.FilterPush) {
	topic := transport.Topic(p.Message.ContentTopic)
	_, shard, err := l.n.shardOf(topic)
	if p.PubsubTopic == "" {
		p.PubsubTopic = shard // it is optional
	}
	if err != nil || p.PubsubTopic != shard || !l.n.subs.has(topic) {
		l.n.count.stranger.Add(1)
		return
	}
	hash := p.Message.Hash(shard)
	if fresh, _ := l.seen.add(keyOf(&p.Message, hash), false); !fresh {
		l.n.count.duplicates.Add(1)
		return
	}
	l.n.arrived(&p.Message, hash)
}

// publish pushes a message to one service node after the other until one says
// that it has published it. All get the same envelope, so that the network knows
// it as one message.
func (l *light) publish(ctx context.Context, shard string, m *wire.Message, hash [32]byte) error {
	l.seen.add(keyOf(m, hash), true) // it comes back through the filter
	request := wire.PushRequest{RequestID: l.requestID(), PubsubTopic: shard, Message: *m}
	b := request.Marshal()
	var failures error
	for i, s := range l.pushOrder() {
		if i > 0 {
			l.n.count.failovers.Add(1)
		}
		err := l.push(ctx, s, b)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		if l.n.ctx.Err() != nil {
			return transport.ErrClosed
		}
		failures = errors.Join(failures, fmt.Errorf("service node %s: %w", s.id, err))
	}
	if failures == nil || len(l.pushOrder()) == 0 {
		failures = errors.Join(fmt.Errorf("no service node is connected: %w", transport.ErrOffline), failures)
	}
	return failures
}

// pushOrder returns the connected service nodes: the one that did it last, then
// those that work, then the others.
func (l *light) pushOrder() []*serviceNode {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	var order []*serviceNode
	for _, s := range l.nodes {
		if s.connected && l.n.isConnected(s.id) { // the news may not be here yet
			order = append(order, s)
		}
	}
	rank := func(s *serviceNode) int {
		switch {
		case !s.usable(now):
			return 2
		case s == l.lastPush:
			return 0
		}
		return 1
	}
	slices.SortStableFunc(order, func(a, b *serviceNode) int { return rank(a) - rank(b) })
	return order
}

// errRefused: a service node did not publish a message.
var errRefused = errors.New("refused")

// push asks one service node.
func (l *light) push(ctx context.Context, s *serviceNode, request []byte) error {
	b, err := l.n.call(ctx, s.id, wire.LightpushProtocol, request)
	var answer wire.PushResponse
	if err == nil {
		answer, err = wire.UnmarshalPushResponse(b)
	}
	if err == nil && !answer.Success {
		err = fmt.Errorf("%w: %s", errRefused, answer.Info)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.lastPush = s
	case ctx.Err() != nil || errors.Is(err, errRefused):
		// Not the fault of the service node, or of this one message: its
		// subscriptions go on.
		if l.lastPush == s {
			l.lastPush = nil
		}
	case s.connected:
		l.fail(s, err)
		defer l.fire()
	}
	return err
}
