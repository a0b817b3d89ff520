package loopback

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/causeway-im/causeway/transport"
)

const (
	// DefaultMaxPayload is what Waku relays carry at most, 150 KiB.
	DefaultMaxPayload = 150 << 10

	// StoreName is the name of the store in partitions and in filters. No
	// endpoint can have it.
	StoreName = "store"
)

// Options are the conditions that a network begins with. The zero value is a
// network without faults and without a store.
type Options struct {
	// Seed decides what chance does: the same seed loses the same copies.
	Seed uint64
	// Loss is the probability, from 0 to 1, that a receiver does not get its copy
	// of an envelope, for each receiver by itself.
	Loss float64
	// Duplicate is the probability, from 0 to 1, that a receiver gets a second
	// copy of what it was not denied, with its own delay.
	Duplicate float64
	// MinDelay and MaxDelay bound how long a copy flies. It is drawn for each copy
	// evenly between them, so envelopes overtake each other.
	MinDelay, MaxDelay time.Duration
	// MaxPayload is the size in bytes above which Publish returns
	// transport.ErrTooLarge; 0 stands for DefaultMaxPayload.
	MaxPayload int
	// Store is what the store is like; nil is a network without one, where
	// envelopes have no hints.
	Store *StoreOptions
}

func (o Options) validate() error {
	return errors.Join(
		probability("Loss", o.Loss),
		probability("Duplicate", o.Duplicate),
		atLeast("MinDelay", o.MinDelay, 0),
		atLeast("MaxDelay", o.MaxDelay, max(0, o.MinDelay)), // MinDelay may be what is wrong
		atLeast("MaxPayload", o.MaxPayload, 0),
		o.Store.validate(),
	)
}

// probability returns an error unless p is one. NaN is none.
func probability(field string, p float64) error {
	if p >= 0 && p <= 1 {
		return nil
	}
	return fmt.Errorf("loopback: %s is %v, must be from 0 to 1", field, p)
}

func atLeast[T cmp.Ordered](field string, value, least T) error {
	if value >= least {
		return nil
	}
	return fmt.Errorf("loopback: %s is %v, must be at least %v", field, value, least)
}

// Filter returns whether the copy of an envelope that from publishes is kept
// from to, which is an endpoint's name or StoreName. It is called from within
// Publish with no lock held, once for each receiver, perhaps for several
// envelopes at the same time. It must not change the payload.
type Filter func(from, to string, e transport.Envelope) (drop bool)

// Network connects endpoints. All methods are safe for concurrent use, and
// faults may be changed at any time: they apply to what is published from then on.
type Network struct {
	seed       uint64
	maxPayload int

	mu                 sync.Mutex
	closed             bool
	loss, duplicate    float64
	minDelay, maxDelay time.Duration
	filter             Filter
	sides              map[string]int // number of the group of each name that Partition was given
	members            map[string]*member
	endpoints          []*Endpoint // the open ones, in the order in which they attached
	store              *store      // nil: the network has none
	flying             flights
	published          uint64 // how many packets there were
	lastStamp          int64

	wake chan struct{} // the first flight is another one
	quit chan struct{}
	done chan struct{} // the network's goroutine has ended
}

// member is what stays of a name when its endpoint closes and another attaches.
type member struct {
	name      string
	open      *Endpoint // nil: none
	addressed uint64    // how many packets were addressed to it
	stats     Stats
}

// packet is a published envelope. It is shared and never changed.
type packet struct {
	number  uint64 // counts from 1
	topic   transport.Topic
	payload []byte
	meta    []byte
	hint    []byte // nil: no store can have it
	stamp   int64  // Unix nanoseconds; no two packets of a network have the same
}

// received returns a copy that is the caller's alone.
func (p *packet) received() transport.Received {
	return transport.Received{
		Topic:   p.topic,
		Payload: slices.Clone(p.payload),
		Hint:    slices.Clone(p.hint),
		Meta:    slices.Clone(p.meta),
		Time:    stampTime(p.stamp),
	}
}

func stampTime(stamp int64) time.Time { return time.Unix(0, stamp).UTC() }

// New returns a network that runs until Close. The error names each field of
// the options that is out of its range.
func New(o Options) (*Network, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	n := &Network{
		seed:       o.Seed,
		maxPayload: cmp.Or(o.MaxPayload, DefaultMaxPayload),
		loss:       o.Loss,
		duplicate:  o.Duplicate,
		minDelay:   o.MinDelay,
		maxDelay:   o.MaxDelay,
		members:    map[string]*member{},
		wake:       make(chan struct{}, 1),
		quit:       make(chan struct{}),
		done:       make(chan struct{}),
	}
	if o.Store != nil {
		n.store = newStore(o.Seed, *o.Store)
	}
	go n.run()
	return n, nil
}

// Attach adds an endpoint: online, with the loss of the network. A name may
// attach again once its endpoint is closed, as a host does that restarts: its
// partition, its statistics and its place in the sequence of chance are those of
// the name. The error wraps transport.ErrClosed after Close.
func (n *Network) Attach(name string) (*Endpoint, error) {
	if name == "" || name == StoreName {
		return nil, fmt.Errorf("loopback: %q can't be the name of an endpoint", name)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, fmt.Errorf("loopback: attach %s: %w", name, transport.ErrClosed)
	}
	m := n.memberOf(name)
	if m.open != nil {
		return nil, fmt.Errorf("loopback: %s is attached already", name)
	}
	m.open = &Endpoint{
		network: n,
		member:  m,
		name:    name,
		loss:    n.loss,
		online:  true,
		subs:    map[transport.Topic][]*subscription{},
		gone:    make(chan struct{}),
	}
	n.endpoints = append(n.endpoints, m.open)
	return m.open, nil
}

// memberOf returns the member of a name. n.mu is held.
func (n *Network) memberOf(name string) *member {
	m := n.members[name]
	if m == nil {
		m = &member{name: name}
		n.members[name] = m
	}
	return m
}

// Close closes all endpoints, drops what is in flight and returns when all
// goroutines of the network have ended. It must not be called from within a
// callback. Further calls do nothing.
func (n *Network) Close() {
	n.mu.Lock()
	first := !n.closed
	n.closed = true
	open := slices.Clone(n.endpoints)
	n.mu.Unlock()
	for _, e := range open {
		e.Close()
	}
	if first {
		close(n.quit)
	}
	<-n.done
}

// SetLoss sets Options.Loss for all endpoints, also for those that have been
// given another one and for those that attach later.
func (n *Network) SetLoss(p float64) error {
	if err := probability("Loss", p); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.loss = p
	for _, e := range n.endpoints {
		e.loss = p
	}
	return nil
}

// SetDuplicate sets Options.Duplicate.
func (n *Network) SetDuplicate(p float64) error {
	if err := probability("Duplicate", p); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.duplicate = p
	return nil
}

// SetDelay sets Options.MinDelay and Options.MaxDelay.
func (n *Network) SetDelay(least, most time.Duration) error {
	if err := (Options{MinDelay: least, MaxDelay: most}).validate(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.minDelay, n.maxDelay = least, most
	return nil
}

// SetFilter sets what decides for single copies; nil keeps none back. A receiver
// that subscribes while the filter is asked about an envelope may get that
// envelope unasked.
func (n *Network) SetFilter(f Filter) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.filter = f
}

// Partition divides the network into groups of names: no copy passes from one
// to another. Endpoints that no group names, now or later, form one more group.
// The store serves the group that names it, or else all of them. A partition
// replaces the one before. A name in two groups is an error, and nothing changes.
func (n *Network) Partition(groups ...[]string) error {
	sides := map[string]int{}
	for i, group := range groups {
		for _, name := range group {
			if other, ok := sides[name]; ok && other != i+1 {
				return fmt.Errorf("loopback: %s is in two groups", name)
			}
			sides[name] = i + 1 // 0 is the group of those that are not named
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sides = sides
	return nil
}

// Heal ends the partition.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sides = nil
}

// apart returns whether a partition lies between two endpoints, or between an
// endpoint and the store. n.mu is held.
func (n *Network) apart(a, b string) bool {
	if _, named := n.sides[b]; b == StoreName && !named {
		return false
	}
	return n.sides[a] != n.sides[b]
}

// SetStore changes what the store is like; a network without a store gets an
// empty one. What the store has it keeps, unless the new options make it forget.
func (n *Network) SetStore(o StoreOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.store == nil {
		n.store = newStore(n.seed, o)
		return nil
	}
	n.store.configure(o, time.Now())
	return nil
}
