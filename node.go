package causeway

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"sync"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/transport"
)

// Node takes part in channels over one transport, and keeps them in one store.
// All methods are safe for concurrent use. None of the host's code (Sealer,
// Observer, iterators) runs under a lock.
type Node struct {
	opts     Options
	epoch    uint64
	box      mailbox
	in       intake
	out      [publishers]chan outgoing
	air      gate // to the transport
	reads    gate // to the store, but for the loop
	news     news
	metrics  metrics
	evidence evidence

	quit  chan struct{} // closed to end the loop
	ended chan struct{} // closed when the loop has ended
	tasks sync.WaitGroup

	switching sync.Mutex // one Suspend, Resume or Close at a time
	mu        sync.Mutex
	closed    bool
	silent    bool                   // nothing subscribes
	joined    map[ChannelID]*Channel // those on their way, too
	unwatch   func()
	cause     error // why the loop ended by itself
	spread    maphash.Seed
}

// Open starts a node on a store. It takes the store over: a node that has it
// open stops, with store.ErrFenced, before it could write again. The channels of
// the store are silent until they are joined. ctx bounds Open alone; Close ends
// the node.
func Open(ctx context.Context, o Options) (*Node, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if o.Seed == 0 {
		var b [8]byte
		rand.Read(b[:])
		o.Seed = binary.LittleEndian.Uint64(b[:])
	}
	epoch, err := o.Store.Epoch(ctx)
	if err != nil {
		return nil, storeError(err)
	}
	forgotten, newest, err := o.Store.Cursors(ctx)
	if err != nil {
		return nil, storeError(err)
	}
	n := &Node{opts: o, epoch: epoch, spread: maphash.MakeSeed(), joined: map[ChannelID]*Channel{},
		quit: make(chan struct{}), ended: make(chan struct{})}
	n.evidence.Witness, _ = o.Observer.(Witness)
	n.box.init()
	n.in.init()
	n.air.open()
	n.reads.open()
	n.news.init()
	l := &loop{n: n, now: sds.At(o.Clock()), cursor: newest, forgotten: forgotten, sessions: map[ChannelID]*session{}}
	if l.budget, err = openBudget(ctx, &o, l.now); err != nil {
		return nil, err
	}
	for i := range n.out {
		queue := make(chan outgoing, maxQueued)
		n.out[i] = queue
		n.goTask(func() { n.publish(queue) })
	}
	n.goTask(n.openPackets)
	go l.run()
	n.watch()
	return n, nil
}

// goTask runs f until Close waits for it.
func (n *Node) goTask(f func()) {
	n.tasks.Add(1)
	go func() {
		defer n.tasks.Done()
		f()
	}()
}

// watch follows the transport's connection.
func (n *Node) watch() {
	if n.opts.Transport == nil {
		n.box.post(func(l *loop) { l.setOnline(false) })
		return
	}
	stop := n.opts.Transport.Watch(func(online bool) {
		n.box.post(func(l *loop) { l.setOnline(online) })
	})
	n.mu.Lock()
	n.unwatch = stop
	n.mu.Unlock()
}

// Close ends the node: the turn in hand is finished, transport and store are
// left alone from then on, and what was not sent yet will be sent by the next
// node on the same store. It returns when nothing of the node runs any more.
// Calls in flight and iterators end with ErrClosed. Closing twice is fine.
func (n *Node) Close() error {
	n.switching.Lock()
	defer n.switching.Unlock()
	n.mu.Lock()
	if !n.closed {
		n.closed = true
		close(n.quit)
	}
	n.mu.Unlock()
	n.silence()
	<-n.ended
	n.reads.shut()
	n.tasks.Wait()
	return nil
}

// silence ends all subscriptions and calls of the transport, and waits for them.
func (n *Node) silence() {
	n.mu.Lock()
	n.silent = true
	var stops []func()
	if n.unwatch != nil {
		stops = append(stops, n.unwatch)
		n.unwatch = nil
	}
	for _, c := range n.joined {
		if c.unsubscribe != nil {
			stops = append(stops, c.unsubscribe)
			c.unsubscribe = nil
		}
	}
	n.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
	n.air.shut()
}

// Suspend makes the node silent, for a mobile application in the background: it
// ends all subscriptions, sends and fetches nothing and sets no timer, and the
// clocks of the protocol (patience, back-off, Undelivered) stand still. What is
// sent meanwhile is made durable and leaves after Resume. It returns when the
// node is silent.
//
// When ctx ends while it waits for the loop, the node is suspended all the same.
func (n *Node) Suspend(ctx context.Context) error {
	n.switching.Lock()
	defer n.switching.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	n.silence()
	return n.order(ctx, func(l *loop) { l.suspend(true) })
}

// Resume ends Suspend: the node subscribes again, catches up with what it
// missed, and then sends what waits. An error of the transport says which
// channels hear nothing; the node has resumed all the same, and it has when ctx
// ends while Resume waits for the loop.
func (n *Node) Resume(ctx context.Context) error {
	n.switching.Lock()
	defer n.switching.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	n.mu.Lock()
	if n.closed || !n.silent {
		n.mu.Unlock()
		return n.order(ctx, func(*loop) {})
	}
	n.silent = false
	channels := slices.Collect(maps.Values(n.joined))
	n.mu.Unlock()
	n.air.open()
	var failed error
	for _, c := range channels {
		failed = errors.Join(failed, n.subscribe(c))
	}
	err := n.order(ctx, func(l *loop) { l.suspend(false) })
	n.watch()
	return errors.Join(err, failed)
}

// Join takes part in a channel: a new one, or one that the store knows, as it
// was left. Reading and sending may begin at once.
func (n *Node) Join(ctx context.Context, cfg ChannelConfig) (*Channel, error) {
	cfg.Roster = cloneRoster(cfg.Roster)
	if cfg.Topic == "" {
		cfg.Topic = transport.Topic(cfg.Channel)
	}
	if cfg.Profile.Name == "" && cfg.Profile.Dialect == sds.LIP {
		cfg.Profile.Name = ProfileLIP.Name
	}
	if err := cfg.Profile.check(); err != nil {
		return nil, err
	}
	c := &Channel{n: n, cfg: cfg}
	if err := n.reserve(c); err != nil {
		return nil, err
	}
	s := &session{Channel: c, queue: int(maphash.String(n.spread, string(cfg.Channel)) % publishers)}
	err := s.restore(ctx)
	if err == nil {
		err = n.subscribe(c)
	}
	if err == nil {
		err = n.ask(ctx, func(l *loop) error { return l.join(s) })
	}
	if err != nil {
		n.unsubscribe(c)
		n.run(func(l *loop) { l.part(s) })
		return nil, err
	}
	return c, nil
}

// unsubscribe stops listening to a channel's topic.
func (n *Node) unsubscribe(c *Channel) {
	n.mu.Lock()
	stop := c.unsubscribe
	c.unsubscribe = nil
	n.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// setReady says that a channel can be used.
func (n *Node) setReady(c *Channel) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c.ready = true
}

// free lets a channel be joined again.
func (n *Node) free(ch ChannelID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.joined, ch)
}

// reserve makes sure that a channel is joined once.
func (n *Node) reserve(c *Channel) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.joined[c.cfg.Channel] != nil {
		return fmt.Errorf("causeway: %w: %s", ErrJoined, c.cfg.Channel)
	}
	n.joined[c.cfg.Channel] = c
	return nil
}

// subscribe listens to a channel's topic, unless the node is suspended or has
// no transport.
func (n *Node) subscribe(c *Channel) error {
	n.mu.Lock()
	silent := n.silent
	n.mu.Unlock()
	if n.opts.Transport == nil || silent {
		return nil
	}
	stop, err := n.opts.Transport.Subscribe(c.cfg.Topic, func(r transport.Received) {
		n.in.offer(n, packet{c: c, received: r})
	})
	if err != nil {
		return fmt.Errorf("causeway: subscribe to %s: %w", c.cfg.Topic, err)
	}
	n.mu.Lock()
	late := n.silent || c.unsubscribe != nil // Suspend or Resume came between
	if !late {
		c.unsubscribe = stop
	}
	n.mu.Unlock()
	if late {
		stop()
	}
	return nil
}

// Channels returns the joined channels, by id.
func (n *Node) Channels() []*Channel {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []*Channel
	for _, c := range n.joined {
		if c.ready {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b *Channel) int {
		if a.cfg.Channel < b.cfg.Channel {
			return -1
		}
		return 1
	})
	return all
}

// Channel returns a joined channel, or nil.
func (n *Node) Channel(id ChannelID) *Channel {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.joined[id]; c != nil && c.ready {
		return c
	}
	return nil
}

// KnownChannels lists the channels that the store has, joined or not, by id.
func (n *Node) KnownChannels(ctx context.Context) ([]ChannelID, error) {
	var ids []ChannelID
	err := n.read(ctx, func(ctx context.Context) (err error) {
		ids, err = n.opts.Store.Channels(ctx)
		return err
	})
	return ids, err
}

// Status is the state of a node.
type Status struct {
	Online    bool // the transport says that it can send
	Suspended bool
	// StoreError is why the store does not take commits now; nil when it does.
	StoreError error
	Channels   int
	// Queued counts packets that wait for the transport or for the quota.
	Queued int
}

// Status returns the state of the node.
func (n *Node) Status(ctx context.Context) (Status, error) {
	var s Status
	err := n.ask(ctx, func(l *loop) error {
		s = Status{Online: l.online, Suspended: l.suspended, StoreError: l.broken, Channels: len(l.sessions), Queued: n.queued() + l.waiting()}
		return nil
	})
	return s, err
}

// queued counts the packets that wait for the transport.
func (n *Node) queued() (count int) {
	for _, queue := range n.out {
		count += len(queue)
	}
	return count
}

// ask lets the loop run f and waits until what f did is durable.
func (n *Node) ask(ctx context.Context, f func(*loop) error) error {
	done := make(chan error, 1)
	n.box.post(func(l *loop) {
		if err := ctx.Err(); err != nil {
			done <- err
			return
		}
		if err := f(l); err != nil {
			done <- err
			return
		}
		l.afterwards(func() { done <- nil })
	})
	return n.await(ctx, done)
}

// order lets the loop run f, even if ctx ends while it waits for that.
func (n *Node) order(ctx context.Context, f func(*loop)) error {
	done := make(chan error, 1)
	n.box.post(func(l *loop) {
		f(l)
		l.afterwards(func() { done <- nil })
	})
	return n.await(ctx, done)
}

// await waits for an answer of the loop.
func (n *Node) await(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-n.ended:
		select {
		case err := <-done:
			return err
		default:
			return n.closedError()
		}
	}
}

func (n *Node) closedError() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cause != nil {
		return fmt.Errorf("causeway: %w: %w", ErrClosed, n.cause)
	}
	return fmt.Errorf("causeway: %w", ErrClosed)
}

func storeError(err error) error {
	return fmt.Errorf("causeway: %w: %w", ErrStore, err)
}

func cloneRoster(r *Roster) *Roster {
	if r == nil {
		return nil
	}
	c := &Roster{Members: make(map[ParticipantID]PersonID, len(r.Members)), Stewards: slices.Clone(r.Stewards)}
	for p, person := range r.Members {
		c.Members[p] = person
	}
	return c
}

func (n *Node) now() sds.Time { return sds.At(n.opts.Clock()) }
