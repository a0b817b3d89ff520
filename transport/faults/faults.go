package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/transport"
)

// About is what can be said of a packet.
type About struct {
	ID      wire.MessageID
	Sender  wire.ParticipantID
	Kind    wire.Kind
	Content []byte
}

// Options configure Wrap. The zero value is for a network that carries plain SDS
// messages.
type Options struct {
	// Seed is where all chance comes from.
	Seed uint64
	// Describe says what a payload is, false if it can't: then only rules that ask
	// for nothing of it match. It must return soon, keep nothing and not call Faults.
	// Default: SDS messages in plain bytes.
	Describe func(topic transport.Topic, payload []byte) (About, bool)
}

// Describe decodes a plain SDS message: the default of Options.Describe.
func Describe(_ transport.Topic, payload []byte) (About, bool) {
	m, err := wire.Decode(payload)
	if err != nil {
		return About{}, false
	}
	return About{m.MessageID, m.SenderID, m.Kind(), m.Content}, true
}

// Stats counts packets since Wrap. All numbers but Held only grow.
type Stats struct {
	// Sent and Received are packets that came to the faults, Retrieved those that
	// stores returned.
	Sent, Received, Retrieved uint64
	// Offline, Partitioned and Dropped are those of them that are gone.
	Offline, Partitioned, Dropped uint64
	Delayed, Reordered            uint64
	Duplicated                    uint64 // copies
	// Overflow could not be held since MaxHeld were; Failed are delayed packets that
	// the network did not take in the end.
	Overflow, Failed uint64
	Held             int // now
}

// Faults are the faults of one transport. All methods are safe for concurrent use.
type Faults struct {
	inner    transport.Transport
	seed     uint64
	describe func(transport.Topic, []byte) (About, bool)
	ctx      context.Context // of what is published late
	stop     context.CancelFunc

	mu       sync.Mutex
	closed   bool
	rules    []*rule
	numbers  uint64
	cut      map[wire.ParticipantID]bool // on the other side
	online   bool
	stats    Stats
	held     map[*held]struct{}
	running  sync.WaitGroup // timers that fire
	watchers map[*watcher]struct{}
}

// Wrap returns a transport that has the faults that the second result sets. It is
// a transport.Retriever or a transport.Confirmer if inner is.
func Wrap(inner transport.Transport, o Options) (transport.Transport, *Faults) {
	if o.Describe == nil {
		o.Describe = Describe
	}
	ctx, stop := context.WithCancel(context.Background())
	f := &Faults{inner: inner, seed: o.Seed, describe: o.Describe, ctx: ctx, stop: stop, online: true,
		held: map[*held]struct{}{}, watchers: map[*watcher]struct{}{}}
	faults := faulty{f}
	retriever, retrieves := inner.(transport.Retriever)
	confirmer, confirms := inner.(transport.Confirmer)
	switch {
	case retrieves && confirms:
		return struct {
			faulty
			retrieving
			confirming
		}{faults, retrieving{f, retriever}, confirming{f, confirmer}}, f
	case retrieves:
		return struct {
			faulty
			retrieving
		}{faults, retrieving{f, retriever}}, f
	case confirms:
		return struct {
			faulty
			confirming
		}{faults, confirming{f, confirmer}}, f
	}
	return faults, f
}

// Add adds a rule. What it returns for a rule that can't be wraps ErrRule and
// names the field.
func (f *Faults) Add(r Rule) (Status, error) {
	if err := r.check(); err != nil {
		return Status{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.rules) >= MaxRules {
		return Status{}, fmt.Errorf("faults: %w: there are %d rules, at most that many", ErrRule, MaxRules)
	}
	f.numbers++
	added := &rule{Status: Status{Number: f.numbers, Rule: r}, chance: rand.New(rand.NewPCG(f.seed, f.numbers))}
	f.rules = append(f.rules, added)
	return added.Status, nil
}

// Remove ends a rule. What it holds goes on at its time. It returns false if
// there is no such rule.
func (f *Faults) Remove(number uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.rules)
	f.rules = slices.DeleteFunc(f.rules, func(r *rule) bool { return r.Number == number })
	return len(f.rules) < before
}

// Clear ends all rules, the partition and the offline state.
func (f *Faults) Clear() {
	f.mu.Lock()
	f.rules, f.cut = nil, nil
	f.mu.Unlock()
	f.SetOnline(true)
}

// Rules returns the rules, oldest first, those that are done included.
func (f *Faults) Rules() []Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]Status, len(f.rules))
	for i, r := range f.rules {
		all[i] = r.Status
	}
	return all
}

// Rule returns one rule, false if there is no such one.
func (f *Faults) Rule(number uint64) (Status, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.rules {
		if r.Number == number {
			return r.Status, true
		}
	}
	return Status{}, false
}

// Stats returns what happened so far.
func (f *Faults) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.Held = len(f.held)
	return s
}

// SetPartition drops what is received, or comes from a store, of these authors;
// nobody ends it. A broadcast can't leave anybody out, so the other side has to do
// the same. It knows a packet by the author of its message: a repair by somebody on
// this side is dropped, too.
func (f *Faults) SetPartition(authors []wire.ParticipantID) {
	cut := make(map[wire.ParticipantID]bool, len(authors))
	for _, a := range authors {
		cut[a] = true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut = cut
}

// Partition returns who stands on the other side, sorted.
func (f *Faults) Partition() []wire.ParticipantID {
	f.mu.Lock()
	defer f.mu.Unlock()
	authors := make([]wire.ParticipantID, 0, len(f.cut))
	for a := range f.cut {
		authors = append(authors, a)
	}
	slices.Sort(authors)
	return authors
}

// SetOnline disconnects the transport, or connects it again; it knows: watchers
// are told, what it publishes and asks fails with transport.ErrOffline, and what it
// would hear is lost.
func (f *Faults) SetOnline(online bool) {
	f.mu.Lock()
	f.online = online
	all := make([]*watcher, 0, len(f.watchers))
	for w := range f.watchers {
		all = append(all, w)
	}
	f.mu.Unlock()
	for _, w := range all {
		w.update(nil)
	}
}

// Online tells whether SetOnline(false) does not hold.
func (f *Faults) Online() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.online
}

// Close drops what is held, tells watchers nothing more, and returns when nothing of
// it is on its way.
// The transport below stays open. Rules that would hold packets let them pass then.
func (f *Faults) Close() {
	f.stop()
	f.mu.Lock()
	f.closed = true
	for h := range f.held {
		if h.timer.Stop() {
			f.running.Done()
		}
		delete(f.held, h)
	}
	f.mu.Unlock()
	f.running.Wait()
}

// Errors of a transport that is offline.
var (
	errOffline      = fmt.Errorf("faults: %w", transport.ErrOffline)
	errStoreOffline = fmt.Errorf("faults: %w: %w", transport.ErrUnavailable, transport.ErrOffline)
)

// fate is what becomes of a packet.
type fate struct {
	gone    bool
	copies  int // besides the one
	delay   time.Duration
	reorder time.Duration // it is held until the next goes by, or so long; 0: not held
}

// judge decides the fate of a packet, and counts. f.mu is held.
func (f *Faults) judge(on Direction, p *packet) (fate, error) {
	f.counter(on)
	if !f.online {
		f.stats.Offline++
		return fate{gone: true}, errOffline
	}
	if len(f.cut) > 0 && on != Send {
		if m, ok := p.message(); ok && f.cut[m.Sender] {
			f.stats.Partitioned++
			return fate{gone: true}, nil
		}
	}
	var t fate
	for _, r := range f.rules {
		if r.Rule.On&on == 0 || !r.hits(p) {
			continue
		}
		switch r.Rule.Action {
		case Drop:
			f.stats.Dropped++
			return fate{gone: true}, nil
		case Delay:
			t.delay += r.Rule.Delay
		case Duplicate:
			t.copies += r.Rule.Copies
		case Reorder:
			t.reorder = max(t.reorder, r.Rule.Delay)
		}
	}
	f.countKept(&t)
	return t, nil
}

func (f *Faults) counter(on Direction) {
	switch on {
	case Send:
		f.stats.Sent++
	case Receive:
		f.stats.Received++
	default:
		f.stats.Retrieved++
	}
}

// countKept counts what happens to a packet that is not gone. Many rules that
// duplicate must not make a flood: their copies are bounded together.
func (f *Faults) countKept(t *fate) {
	t.copies = min(t.copies, MaxCopies)
	t.delay = min(t.delay, MaxDelay)
	f.stats.Duplicated += uint64(t.copies)
	if t.delay > 0 || t.reorder > 0 {
		if f.closed || len(f.held) >= MaxHeld {
			f.stats.Overflow++
			t.delay, t.reorder = 0, 0
		}
	}
	if t.delay > 0 {
		f.stats.Delayed++
	}
	if t.reorder > 0 {
		f.stats.Reordered++
	}
}

// held is a packet that waits.
type held struct {
	on    Direction
	topic transport.Topic
	timer *time.Timer
	next  bool // the next packet of its topic sets it free
	run   func()
}

// hold keeps a packet until its time. f.mu is held.
func (f *Faults) hold(on Direction, topic transport.Topic, t fate, run func()) {
	h := &held{on: on, topic: topic, next: t.reorder > 0 && t.delay == 0, run: run}
	f.held[h] = struct{}{}
	f.running.Add(1)
	h.timer = time.AfterFunc(max(t.delay, t.reorder), func() {
		defer f.running.Done()
		f.mu.Lock()
		_, waits := f.held[h]
		delete(f.held, h)
		f.mu.Unlock()
		if waits {
			h.run()
		}
	})
}

// overtaken sets free what waits for the next packet of a topic. f.mu is held; the
// caller runs the result when it is not.
func (f *Faults) overtaken(on Direction, topic transport.Topic) (free []*held) {
	for h := range f.held {
		if h.next && h.on == on && h.topic == topic && h.timer.Stop() {
			delete(f.held, h)
			free = append(free, h)
		}
	}
	return free
}

// release lets go what was overtaken.
func (f *Faults) release(free []*held) {
	for _, h := range free {
		h.run()
		f.running.Done()
	}
}

// failed counts a delayed packet that the network did not take.
func (f *Faults) failed(err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	f.mu.Lock()
	f.stats.Failed++
	f.mu.Unlock()
}
