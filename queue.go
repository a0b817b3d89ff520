package causeway

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/causeway-im/causeway/internal/budget"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport"
)

// The queues around the loop. What comes from the network is bounded and
// dropped beyond; what the node's own work produces is bounded by that work.
const (
	// maxWaiting and maxWaitingBytes bound packets that were received and not
	// opened yet. More are dropped and counted: a network that loses messages is
	// what the protocol is for.
	maxWaiting      = 8192
	maxWaitingBytes = 32 << 20
	// publishers is how many packets are handed over to the transport at once. Those
	// of one channel leave one after the other: a sync that overtakes the content
	// that it names looks like a loss.
	publishers = 8
	// maxQueued bounds packets that wait for one publisher. More are reported to
	// the protocol as not sent, which tries again.
	maxQueued = 2048
	// maxInputs is how many inputs share a transaction.
	maxInputs = 1024
)

// mailbox holds what the loop is to do.
type mailbox struct {
	mu     sync.Mutex
	items  []func(*loop)
	signal chan struct{}
}

func (b *mailbox) init() { b.signal = make(chan struct{}, 1) }

// post hands an input to the loop and never blocks.
func (b *mailbox) post(f func(*loop)) {
	b.mu.Lock()
	b.items = append(b.items, f)
	b.mu.Unlock()
	b.wake()
}

func (b *mailbox) wake() {
	select {
	case b.signal <- struct{}{}:
	default:
	}
}

// take returns up to maxInputs inputs.
func (b *mailbox) take() []func(*loop) {
	b.mu.Lock()
	defer b.mu.Unlock()
	items := b.items
	if len(items) <= maxInputs {
		b.items = nil
		return items
	}
	b.items = items[maxInputs:]
	b.wake()
	return items[:maxInputs:maxInputs]
}

// packet is something received, not opened yet.
type packet struct {
	c        *Channel
	received transport.Received
}

// intake holds packets until they are opened.
type intake struct {
	mu     sync.Mutex
	queue  []packet
	bytes  int
	signal chan struct{}
}

func (i *intake) init() { i.signal = make(chan struct{}, 1) }

// offer takes a packet or drops it. It never blocks: transports call it.
func (i *intake) offer(n *Node, p packet) {
	i.mu.Lock()
	full := len(i.queue) >= maxWaiting || i.bytes+len(p.received.Payload) > maxWaitingBytes
	if !full {
		i.queue = append(i.queue, p)
		i.bytes += len(p.received.Payload)
	}
	i.mu.Unlock()
	n.metrics.add(func(m *Metrics) {
		m.Received.Packets++
		m.Received.Bytes += uint64(len(p.received.Payload))
		if full {
			m.DroppedQueue++
		}
	})
	select {
	case i.signal <- struct{}{}:
	default:
	}
}

func (i *intake) take() []packet {
	i.mu.Lock()
	defer i.mu.Unlock()
	count := min(len(i.queue), maxInputs)
	taken := i.queue[:count:count]
	i.queue = i.queue[count:]
	if len(i.queue) == 0 {
		i.queue = nil
	}
	for _, p := range taken {
		i.bytes -= len(p.received.Payload)
	}
	return taken
}

// openPackets decrypts and decodes what comes, outside the loop, and gives the
// loop one batch at a time.
func (n *Node) openPackets() {
	for {
		taken := n.in.take()
		if len(taken) == 0 {
			select {
			case <-n.in.signal:
				continue
			case <-n.ended:
				return
			}
		}
		batch := make([]incoming, len(taken))
		for i, p := range taken {
			batch[i] = p.c.open(p.received)
		}
		if !n.run(func(l *loop) {
			for i := range batch {
				l.receive(&batch[i], sds.Live)
			}
		}) {
			return
		}
	}
}

// run lets the loop run f and waits until what f did is durable, or has failed.
// It returns false when the loop has ended.
func (n *Node) run(f func(*loop)) bool {
	done := make(chan struct{})
	n.box.post(func(l *loop) {
		f(l)
		l.afterwards(func() { close(done) })
	})
	select {
	case <-done:
		return true
	case <-n.ended:
		return false
	}
}

// incoming is a packet, opened and decoded.
type incoming struct {
	c       *Channel
	message wire.Message
	sealed  []byte
	plain   []byte // nil when it is the same as sealed
	origin  sds.Origin
	err     error
}

// open decrypts and decodes a packet.
func (c *Channel) open(r transport.Received) incoming {
	in := incoming{c: c, sealed: r.Payload, origin: sds.Origin{Hint: r.Hint}}
	plain := r.Payload
	if m := c.cfg.Profile.Marker; m != "" && m != string(r.Meta) {
		in.err = errUnmarked
		return in
	}
	if c.cfg.Sealer != nil && !c.cfg.Profile.SealContent {
		opened, err := c.cfg.Sealer.Open(c.cfg.Channel, r.Payload)
		if err != nil {
			in.err = &openError{err}
			return in
		}
		plain, in.plain = opened.Message, opened.Message
		in.origin.Sender, in.origin.Authenticated = opened.Sender, opened.Authenticated
	}
	var err error
	if in.message, err = wire.Decode(plain); err != nil {
		in.err = fmt.Errorf("%w: %w", errUndecodable, err)
		return in
	}
	if c.cfg.Profile.SealContent {
		c.tryContent(&in)
	}
	return in
}

var errUnmarked = errors.New("without the profile's marker")

var errUndecodable = errors.New("not an SDS message")

// openError says that a Sealer could not open something.
type openError struct{ error }

func (e *openError) Unwrap() error { return e.error }

// outgoing is a packet for the transport.
type outgoing struct {
	s          *session
	generation uint64
	serial     uint64
	class      Class
	id         MessageID
	payload    []byte // nil: the bytes that the store has
	failed     error  // it could not be sealed
	priority   sds.Priority
	part       bool // of a payload, and not what gives it its id

	charge *budget.Item[*outgoing] // what it costs of the quota; nil without one
	left   bool                    // or may have
}

// publish hands packets over to the transport until the node ends.
func (n *Node) publish(queue <-chan outgoing) {
	for {
		var o outgoing
		select {
		case o = <-queue:
		case <-n.ended:
			return
		}
		hint, err := n.publishOne(&o)
		n.box.post(func(l *loop) { l.published(&o, hint, err) })
	}
}

func (n *Node) publishOne(o *outgoing) (hint []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), n.opts.PublishTimeout)
	defer cancel()
	n.evidence.publishing(o)
	if o.payload == nil {
		m, err := n.opts.Store.Message(ctx, o.s.cfg.Channel, o.id)
		if err != nil {
			return nil, err
		}
		if m.Sealed == nil {
			return nil, errors.New("no bytes")
		}
		o.payload = m.Sealed
	}
	e := transport.Envelope{Topic: o.s.cfg.Topic, Payload: o.payload, Meta: []byte(o.s.cfg.Profile.Marker),
		Ephemeral: o.class != sds.ClassContent && o.class != sds.ClassResend}
	err = n.network(ctx, func(ctx context.Context) error {
		hint, err = n.opts.Transport.Publish(ctx, e)
		o.left = ctx.Err() != nil || !errors.Is(err, transport.ErrOffline) && !errors.Is(err, transport.ErrTooLarge)
		return err
	})
	n.metrics.add(func(m *Metrics) {
		if err != nil {
			m.Failed[o.class]++
			return
		}
		m.Sent[o.class].Packets++
		m.Sent[o.class].Bytes += uint64(len(o.payload))
	})
	return hint, err
}

// gate is the way to something that can be shut: the transport while the node is
// suspended, the store after Close.
type gate struct {
	mu     sync.Mutex
	idle   sync.Cond // no calls are under way
	calls  int
	ctx    context.Context
	cancel context.CancelFunc
}

var errShut = errors.New("shut")

func (g *gate) open() {
	g.mu.Lock()
	g.idle.L = &g.mu
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.mu.Unlock()
}

// shut ends the calls under way and returns when none is left.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cancel()
	for g.calls > 0 {
		g.idle.Wait()
	}
}

// call runs f with a context that shut cancels too. A gate that is shut is
// errShut.
func (g *gate) call(ctx context.Context, f func(context.Context) error) error {
	g.mu.Lock()
	open := g.ctx
	if open.Err() != nil {
		g.mu.Unlock()
		return errShut
	}
	g.calls++
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		if g.calls--; g.calls == 0 {
			g.idle.Broadcast()
		}
		g.mu.Unlock()
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(open, cancel)()
	err := f(ctx)
	if err != nil && open.Err() != nil {
		return fmt.Errorf("%w: %w", errShut, err)
	}
	return err
}

// network calls the transport.
func (n *Node) network(ctx context.Context, f func(context.Context) error) error {
	err := n.air.call(ctx, f)
	if errors.Is(err, errShut) {
		return transport.ErrOffline
	}
	return err
}

// read calls the store for somebody else than the loop.
func (n *Node) read(ctx context.Context, f func(context.Context) error) error {
	err := n.reads.call(ctx, f)
	switch {
	case errors.Is(err, errShut):
		return n.closedError()
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("causeway: %w", err)
	case errors.Is(err, store.ErrCorrupt), errors.Is(err, ErrCursorForgotten), err == nil:
		return err
	}
	return storeError(err)
}

// news tells waiters that something was committed.
type news struct {
	mu      sync.Mutex
	changed chan struct{}                    // closed at the next commit with events
	waiters map[receiptKey][]chan<- struct{} // by message
}

type receiptKey struct {
	channel ChannelID
	id      MessageID
}

func (w *news) init() {
	w.changed = make(chan struct{})
	w.waiters = map[receiptKey][]chan<- struct{}{}
}

// next returns a channel that is closed when there are more events.
func (w *news) next() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

// moved tells that events were committed, among them receipts of these messages.
func (w *news) moved(keys []receiptKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
	for _, k := range keys {
		for _, c := range w.waiters[k] {
			select {
			case c <- struct{}{}:
			default:
			}
		}
	}
}

// follow signals on the returned channel whenever a receipt moves, until stop.
func (w *news) follow(k receiptKey) (signal <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	w.mu.Lock()
	w.waiters[k] = append(w.waiters[k], c)
	w.mu.Unlock()
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		rest := w.waiters[k][:0]
		for _, other := range w.waiters[k] {
			if other != c {
				rest = append(rest, other)
			}
		}
		if w.waiters[k] = rest; len(rest) == 0 {
			delete(w.waiters, k)
		}
	}
}
