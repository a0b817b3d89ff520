package telemetry

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/telemetry/report"
)

// Telemetry keeps a journal and uploads it. Make one with New, end it with Close.
// All methods are safe for concurrent use, and those that record return at once.
type Telemetry struct {
	opts   Options
	ledger ledger
	life   context.Context // ends with Close
	end    context.CancelFunc
	tasks  sync.WaitGroup
	wake   chan struct{} // the writer: there is something to do
	nudge  chan struct{} // the uploader: conditions changed
	send   uploader

	// events and bytes are at least what the journal has.
	events, bytes atomic.Int64

	flushing sync.Mutex // one flush at a time; guards what follows
	attempts []attempt  // flushes of which it is not known whether they took place
	batch    uint64

	switching sync.Mutex // one Enable, Disable or Close at a time

	mu       sync.Mutex
	on       bool
	closed   bool
	fenced   bool
	channels map[string]*channel
	traffic  []*meter
	tries    tries
	recent   recent
	buffer   []report.Event // not durable yet
	dirty    bool           // something was written since the last flush, or is to be
	presence presence
	cond     Conditions
	cover    cover
	last     int64 // the newest time that was given
}

// attempt is a flush that failed, as far as is known, or several alike.
type attempt struct {
	batch  uint64
	events int   // of buffer, from its beginning
	size   int64 // of their rows
}

// Conditions are what a host knows about its surroundings.
type Conditions struct {
	// Background: nobody looks at the application. Uploads come every 5 minutes
	// instead of every minute.
	Background bool
	// Metered: the network costs money. Uploads come every 30 minutes.
	Metered bool
}

// New opens the journal. With a consent in o it records from now on; what was
// recorded before, and was not uploaded, will be, in any case not without one.
// ctx bounds New alone.
func New(ctx context.Context, o Options) (*Telemetry, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	t := &Telemetry{opts: o, ledger: ledger{journal: o.Journal, owner: random()},
		wake: make(chan struct{}, 1), nudge: make(chan struct{}, 1), channels: map[string]*channel{}}
	t.ledger.fence = t.fence
	t.life, t.end = context.WithCancel(context.Background())
	t.send.init(t)
	newest, err := t.count(ctx)
	if err != nil {
		return nil, err
	}
	t.opts.Device.Consent = o.Consent
	if t.batch, err = t.ledger.take(ctx, newest, t.opts.Device, o.Clock().UnixMilli()); err != nil {
		return nil, err
	}
	if o.Consent > 0 {
		if err := t.enable(o.Consent); err != nil {
			return nil, err
		}
	}
	t.tasks.Add(2)
	go t.writes()
	go t.send.run()
	return t, nil
}

// random returns 128 bits in 22 characters.
func random() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// count finds out how large the journal is, and its newest entry.
func (t *Telemetry) count(ctx context.Context) (newest uint64, err error) {
	events, bytes := int64(0), int64(0)
	err = scan(ctx, t.opts.Journal, func(e store.Entry) {
		events, bytes, newest = events+int64(eventsIn(e.Data)), bytes+int64(len(e.Data)), e.Seq
	})
	t.events.Store(events)
	t.bytes.Store(bytes)
	return newest, err
}

// scan calls f with every entry.
func scan(ctx context.Context, j Journal, f func(store.Entry)) error {
	for after := uint64(0); ; {
		page, err := j.Journal(ctx, journalName, after, maxUploadEvents)
		if err != nil {
			return fmt.Errorf("telemetry: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		for _, e := range page {
			after = e.Seq
			f(e)
		}
	}
}

// Enable begins to record and to upload: the user has agreed to this version of
// the text. It may be called again with another version.
func (t *Telemetry) Enable(consent int) error {
	t.switching.Lock()
	defer t.switching.Unlock()
	if consent < 1 {
		return fmt.Errorf("telemetry: %w: consent is %d, must be at least 1", ErrOptions, consent)
	}
	if t.isClosed() {
		return ErrClosed
	}
	return t.enable(consent)
}

// ErrClosed: the Telemetry was closed, or another one writes its journal, or somebody
// forgot that (Forget).
var ErrClosed = errors.New("telemetry is closed")

func (t *Telemetry) isClosed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed || t.fenced
}

// fence ends recording and sending: the journal is no longer ours.
func (t *Telemetry) fence() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fenced, t.on, t.cover.on = true, false, false
	t.buffer = nil
	t.events.Store(0)
	t.bytes.Store(0)
}

func (t *Telemetry) enable(consent int) error {
	now := t.opts.Clock().UnixMilli()
	err := t.ledger.update(func(_ store.Tx, st *state) error {
		st.Device.Consent = consent
		if st.Install == "" {
			st.Install, st.Born = random(), now
			st.begin(st.Acked, now)
		}
		return nil
	})
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.on {
		t.on = true
		at := t.stamp()
		t.cover.open(at)
		t.announce(at)
	}
	t.signal(t.nudge)
	return nil
}

// announce records what is so already: where we are a member, and the presence.
func (t *Telemetry) announce(at int64) {
	for _, c := range t.channels {
		c.announced = false
		t.announceMember(c, at)
	}
	if s := t.presence.state; s != "" {
		t.add(report.Event{At: at, Kind: report.Presence, State: s})
	}
}

// Disable ends recording and uploading: the user no longer agrees. With forget,
// what was not uploaded is deleted, and with it the pseudonym of this install;
// otherwise it stays here until Enable.
func (t *Telemetry) Disable(forget bool) error {
	t.switching.Lock()
	defer t.switching.Unlock()
	if t.isClosed() {
		return ErrClosed
	}
	t.mu.Lock()
	if t.on {
		t.cover.close(t.stamp())
	}
	t.on = false
	t.mu.Unlock()
	t.send.interrupt()
	if !forget {
		return t.flush()
	}
	return t.forget()
}

func (t *Telemetry) forget() error {
	t.flushing.Lock() // no flush may bring back what waits
	defer t.flushing.Unlock()
	t.mu.Lock()
	t.buffer, t.attempts, t.cover.closed = nil, nil, nil
	t.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), writeLimit)
	defer cancel()
	newest, err := t.count(ctx)
	if err != nil {
		return err
	}
	err = t.ledger.update(func(tx store.Tx, st *state) error {
		*st = state{Owner: st.Owner, Batch: st.Batch, Device: st.Device, Acked: max(st.Acked, newest)}
		return tx.Forget(journalName, 0, math.MaxUint64)
	})
	if err == nil {
		t.events.Store(0)
		t.bytes.Store(0)
	}
	return err
}

// Set says what the surroundings are like from now on.
func (t *Telemetry) Set(c Conditions) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cond = c
	t.signal(t.wake)
	t.signal(t.nudge)
}

// beat is how often something is uploaded, at least. t.mu is held.
func (t *Telemetry) beat() time.Duration {
	switch {
	case t.cond.Metered:
		return beatMetered
	case t.cond.Background:
		return beatBackground
	}
	return beatForeground
}

func (t *Telemetry) signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Stats says how the journal fares.
type Stats struct {
	Enabled  bool
	Pending  int    // events that are not uploaded, about
	Bytes    int64  // of them
	Dropped  uint64 // events that were given up to make room
	Rejected uint64 // events that the collector did not take
	Uploads  uint64 // requests that a collector took, since New
	Failures int    // requests that failed, since the last that did not
	// LastError is why the last request failed; nil when it did not.
	LastError error
}

// Stats returns what is known. An error is one of the journal.
func (t *Telemetry) Stats(ctx context.Context) (Stats, error) {
	st, err := readState(t.opts.Journal.Value(ctx, stateKey))
	if err != nil {
		return Stats{}, fmt.Errorf("telemetry: %w", err)
	}
	s := t.send.stats()
	t.mu.Lock()
	defer t.mu.Unlock()
	s.Enabled, s.Dropped, s.Rejected = t.on, st.Dropped, st.Rejected
	s.Pending, s.Bytes = int(t.events.Load())+len(t.buffer), t.bytes.Load()
	return s, nil
}

// Close ends the Telemetry: it says goodbye, makes everything durable and tries
// once to upload it, until ctx ends or, if that has no deadline, for 5 s. Close
// the node first. What is not uploaded will be by the next one on the same
// journal. An error is one of the journal.
func (t *Telemetry) Close(ctx context.Context) error {
	t.switching.Lock()
	defer t.switching.Unlock()
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	if t.on {
		t.measure(t.stamp())
		t.become(report.Goodbye, t.stamp())
	}
	t.mu.Unlock()
	t.end()
	t.tasks.Wait()
	err := t.flush()
	if t.uploading() {
		if _, ok := ctx.Deadline(); !ok {
			limited, cancel := context.WithTimeout(ctx, closeLimit)
			defer cancel()
			ctx = limited
		}
		t.send.last(ctx)
	}
	t.mu.Lock()
	fenced := t.fenced
	t.on = false
	t.mu.Unlock()
	if fenced {
		return err
	}
	return errors.Join(err, t.ledger.update(func(_ store.Tx, st *state) error {
		st.Closed = err == nil
		return nil
	}))
}
