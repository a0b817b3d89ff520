package loopback

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/causeway-im/causeway/transport"
)

// Endpoint is one member's connection to a Network: a transport.Transport, a
// transport.Retriever and a transport.Confirmer. All methods are safe for
// concurrent use. Callbacks may call Publish, Subscribe and queries; they must
// not call Close, nor the cancel function that would wait for them.
//
// Calls of one receive come one at a time, in the order of arrival. A receive
// that takes its time delays only itself.
type Endpoint struct {
	network *Network
	member  *member
	name    string
	gone    chan struct{}  // closed by Close
	work    sync.WaitGroup // the goroutines of subscriptions and watchers

	// Guarded by network.mu.
	closed    bool
	online    bool
	blackhole bool
	loss      float64
	subs      map[transport.Topic][]*subscription
	watchers  []*mailbox[bool]
}

var (
	_ transport.Transport = (*Endpoint)(nil)
	_ transport.Retriever = (*Endpoint)(nil)
	_ transport.Confirmer = (*Endpoint)(nil)
)

type subscription struct {
	*mailbox[*packet]
	after uint64 // packets up to this number were published before it
}

// Name returns the name that the endpoint attached with.
func (e *Endpoint) Name() string { return e.name }

// Close cancels all subscriptions and watchers and returns when none of their
// callbacks is running; so it must not be called from within one. What is on its
// way to the endpoint is lost. All other calls return transport.ErrClosed then.
// Further calls of Close do nothing.
func (e *Endpoint) Close() {
	n := e.network
	n.mu.Lock()
	if !e.closed {
		e.closed = true
		close(e.gone)
		e.member.open = nil
		n.endpoints = slices.DeleteFunc(n.endpoints, func(other *Endpoint) bool { return other == e })
		for _, subs := range e.subs {
			for _, s := range subs {
				e.member.stats.Discarded += s.close()
			}
		}
		for _, w := range e.watchers {
			w.close()
		}
	}
	n.mu.Unlock()
	e.work.Wait()
}

// SetLoss sets Options.Loss for this receiver.
func (e *Endpoint) SetLoss(p float64) error {
	if err := probability("Loss", p); err != nil {
		return err
	}
	e.network.mu.Lock()
	defer e.network.mu.Unlock()
	e.loss = p
	return nil
}

// SetOnline connects or disconnects the endpoint, which knows it: watchers are
// told, Publish returns transport.ErrOffline, and queries return an error that
// wraps it and transport.ErrUnavailable.
func (e *Endpoint) SetOnline(online bool) {
	e.network.mu.Lock()
	defer e.network.mu.Unlock()
	if e.online == online || e.closed {
		return
	}
	e.online = online
	for _, w := range e.watchers {
		w.put(online)
	}
}

// SetBlackhole lets all that the endpoint sends or is sent vanish without its
// knowing, as a dead connection does that nobody has noticed: watchers are told
// nothing, Publish succeeds and reaches neither members nor the store, and
// queries fail after SilenceTimeout.
func (e *Endpoint) SetBlackhole(on bool) {
	e.network.mu.Lock()
	defer e.network.mu.Unlock()
	e.blackhole = on
}

// Publish implements transport.Transport. It does not block. nil means that the
// network has taken the envelope, even if there is nobody to receive it. The
// hint is the SHA-256 of topic, payload and time; it is nil for an ephemeral
// envelope and in a network without a store.
func (e *Endpoint) Publish(ctx context.Context, env transport.Envelope) (hint []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("loopback: publish: %w", err)
	}
	n := e.network
	n.mu.Lock()
	defer n.mu.Unlock()
	filtered, err := e.ask(env)
	if err != nil {
		return nil, fmt.Errorf("loopback: publish: %w", err)
	}
	p := n.pack(env)
	e.member.stats.Published++
	e.member.stats.PublishedBytes += len(env.Payload)
	for _, to := range n.endpoints {
		if to != e && len(to.subs[env.Topic]) > 0 {
			n.hand(e, to, p, filtered[to.name])
		}
	}
	if !env.Ephemeral {
		n.keep(e, p, filtered[StoreName])
	}
	return slices.Clone(p.hint), nil
}

// ask returns an error if the endpoint can't publish the envelope, and otherwise
// the names that the filter keeps it from. n.mu is held, except while the filter
// runs.
func (e *Endpoint) ask(env transport.Envelope) (filtered map[string]bool, err error) {
	n := e.network
	if err := e.refuse(env); err != nil || n.filter == nil {
		return nil, err
	}
	var names []string
	for _, to := range n.endpoints {
		if to != e && len(to.subs[env.Topic]) > 0 {
			names = append(names, to.name)
		}
	}
	if !env.Ephemeral && n.store != nil {
		names = append(names, StoreName)
	}
	filter := n.filter
	n.mu.Unlock()
	defer func() { // also if the filter panics
		n.mu.Lock()
		if err == nil {
			err = e.refuse(env)
		}
	}()
	filtered = map[string]bool{}
	for _, name := range names {
		filtered[name] = filter(e.name, name, env)
	}
	return filtered, nil
}

func (e *Endpoint) refuse(env transport.Envelope) error {
	switch most := e.network.maxPayload; {
	case e.closed:
		return transport.ErrClosed
	case len(env.Payload) > most:
		return fmt.Errorf("%w: payload of %d bytes, at most %d", transport.ErrTooLarge, len(env.Payload), most)
	case len(env.Meta) > transport.MaxMeta:
		return fmt.Errorf("%w: meta of %d bytes, at most %d", transport.ErrTooLarge, len(env.Meta), transport.MaxMeta)
	case !e.online:
		return transport.ErrOffline
	}
	return nil
}

// pack makes a packet of an envelope. n.mu is held.
func (n *Network) pack(env transport.Envelope) *packet {
	n.published++
	// No two packets have the same time: so hints differ, and the store has one
	// order. In virtual time, all that is published between two waits would
	// otherwise have the same.
	n.lastStamp = max(n.lastStamp+1, time.Now().UnixNano())
	p := &packet{
		number:  n.published,
		topic:   env.Topic,
		payload: slices.Clone(env.Payload),
		meta:    append([]byte(nil), env.Meta...),
		stamp:   n.lastStamp,
	}
	if n.store != nil && !env.Ephemeral {
		p.hint = hintOf(p)
	}
	return p
}

func hintOf(p *packet) []byte {
	h := sha256.New()
	var number [8]byte
	for _, part := range [][]byte{[]byte(p.topic), p.payload, p.meta} {
		h.Write(binary.BigEndian.AppendUint64(number[:0], uint64(len(part))))
		h.Write(part)
	}
	h.Write(binary.BigEndian.AppendUint64(number[:0], uint64(p.stamp)))
	return h.Sum(nil)
}

// arrive takes a copy that is due. n.mu is held.
func (e *Endpoint) arrive(p *packet) {
	stats := &e.member.stats
	stats.InFlight--
	switch {
	case e.closed || !e.online:
		stats.Offline++
		return
	case e.blackhole:
		stats.Blackholed++
		return
	}
	heard := false
	for _, s := range e.subs[p.topic] {
		if s.after < p.number {
			heard = true
			s.put(p)
		}
	}
	if !heard {
		stats.Unheard++
		return
	}
	stats.Delivered++
	stats.DeliveredBytes += len(p.payload)
}

// Subscribe implements transport.Transport.
func (e *Endpoint) Subscribe(topic transport.Topic, receive func(transport.Received)) (cancel func(), err error) {
	if receive == nil {
		return nil, errors.New("loopback: subscribe: receive is nil")
	}
	n := e.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if e.closed {
		return nil, fmt.Errorf("loopback: subscribe: %w", transport.ErrClosed)
	}
	s := &subscription{mailbox: newMailbox[*packet](), after: n.published}
	e.subs[topic] = append(e.subs[topic], s)
	e.work.Add(1)
	go func() {
		defer e.work.Done()
		s.run(func(p *packet) { receive(p.received()) })
	}()
	return func() {
		n.mu.Lock()
		e.subs[topic] = slices.DeleteFunc(e.subs[topic], func(other *subscription) bool { return other == s })
		if len(e.subs[topic]) == 0 {
			delete(e.subs, topic)
		}
		e.member.stats.Discarded += s.close()
		n.mu.Unlock()
		<-s.done
	}, nil
}

// Watch implements transport.Transport. The first call of changed is over when
// Watch returns. A watcher of a closed endpoint is told false, and nothing more.
func (e *Endpoint) Watch(changed func(online bool)) (cancel func()) {
	n := e.network
	n.mu.Lock()
	if e.closed {
		n.mu.Unlock()
		changed(false)
		return func() {}
	}
	online := e.online
	w := newMailbox[bool]()
	e.watchers = append(e.watchers, w)
	e.work.Add(1)
	n.mu.Unlock()

	changed(online)
	go func() { // what changed meanwhile is in the mailbox
		defer e.work.Done()
		w.run(changed)
	}()
	return func() {
		n.mu.Lock()
		e.watchers = slices.DeleteFunc(e.watchers, func(other *mailbox[bool]) bool { return other == w })
		w.close()
		n.mu.Unlock()
		<-w.done
	}
}
