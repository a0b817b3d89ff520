package causeway_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// tea is the channel of these tests.
const tea = causeway.ChannelID("tea")

// world is a network and the roster of those who may meet on it.
type world struct {
	t       *testing.T
	network *loopback.Network
	roster  *causeway.Roster
	seed    uint64
}

func newWorld(t *testing.T, o loopback.Options, names ...string) *world {
	t.Helper()
	network, err := loopback.New(o)
	check(t, err)
	t.Cleanup(network.Close)
	w := &world{t: t, network: network, roster: &causeway.Roster{Members: map[causeway.ParticipantID]causeway.PersonID{}}}
	for _, name := range names {
		w.roster.Members[causeway.ParticipantID(name)] = causeway.PersonID(name)
	}
	return w
}

// member is one participant: what it is made of, and the node that runs.
type member struct {
	w       *world
	end     *loopback.Endpoint
	options causeway.Options
	config  causeway.ChannelConfig
	node    *causeway.Node
	ch      *causeway.Channel
}

// start opens a member with a store in memory, unless change says otherwise.
func (w *world) start(name string, change ...func(*member)) *member {
	w.t.Helper()
	w.seed++
	m := &member{w: w, options: causeway.Options{Store: store.NewMemory(), Seed: w.seed},
		config: causeway.ChannelConfig{Channel: tea, Participant: causeway.ParticipantID(name), Roster: w.roster}}
	m.attach()
	for _, f := range change {
		f(m)
	}
	m.open()
	return m
}

func (m *member) attach() {
	m.w.t.Helper()
	end, err := m.w.network.Attach(string(m.config.Participant))
	check(m.w.t, err)
	m.end, m.options.Transport = end, end
}

func (m *member) open() {
	m.w.t.Helper()
	ctx := m.w.t.Context()
	node, err := causeway.Open(ctx, m.options)
	check(m.w.t, err)
	m.w.t.Cleanup(func() { node.Close() })
	m.node = node
	m.ch, err = node.Join(ctx, m.config)
	check(m.w.t, err)
}

func (m *member) restart() {
	m.w.t.Helper()
	check(m.w.t, m.node.Close())
	m.open()
}

func (m *member) send(text string, want ...causeway.Want) *causeway.Receipt {
	m.w.t.Helper()
	o := causeway.SendOptions{}
	if len(want) > 0 {
		o.Want = want[0]
	}
	r, err := m.ch.Send(m.w.t.Context(), []byte(text), o)
	check(m.w.t, err)
	return r
}

// log returns what was written, by position or by place.
func (m *member) log(byPosition bool) (texts []string) {
	m.w.t.Helper()
	q := causeway.Log{ByPosition: byPosition, Limit: 1000}
	for {
		page, _, err := m.ch.Messages(m.w.t.Context(), q)
		check(m.w.t, err)
		if len(page) == 0 {
			return texts
		}
		for _, message := range page {
			texts = append(texts, string(message.Content))
		}
		q.After, q.AfterPosition = page[len(page)-1].Place(), page[len(page)-1].Position
	}
}

// events returns the whole event log, and checks that cursors ascend.
func (m *member) events() (all []causeway.Event) {
	m.w.t.Helper()
	var after causeway.Cursor
	for {
		page, err := m.node.ReadEvents(m.w.t.Context(), after, 1000)
		check(m.w.t, err)
		if len(page) == 0 {
			return all
		}
		for _, e := range page {
			if e.Cursor <= after {
				m.w.t.Fatalf("cursor %d after %d", e.Cursor, after)
			}
			after = e.Cursor
		}
		all = append(all, page...)
	}
}

func (m *member) digest() store.Digest {
	m.w.t.Helper()
	d, err := m.ch.Digest(m.w.t.Context())
	check(m.w.t, err)
	return d
}

func (m *member) status() causeway.ChannelStatus {
	m.w.t.Helper()
	s, err := m.ch.Status(m.w.t.Context())
	check(m.w.t, err)
	return s
}

func (m *member) now(r *causeway.Receipt) causeway.ReceiptNow {
	m.w.t.Helper()
	now, err := r.Now(m.w.t.Context())
	check(m.w.t, err)
	return now
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func checkIs(t testing.TB, what string, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("%s: error %v, want one that wraps %q", what, err, target)
		}
	}
}

func equal[T comparable](t testing.TB, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// waitFor waits at most a long time for a level.
func waitFor(t testing.TB, r *causeway.Receipt, level causeway.Level) causeway.ReceiptNow {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	now, err := r.WaitFor(ctx, level)
	if err != nil {
		t.Fatalf("waiting for level %v: %v; known is %+v", level, err, now)
	}
	return now
}

// until waits in virtual time until cond holds.
func until(t testing.TB, atMost time.Duration, what string, cond func() bool) {
	t.Helper()
	end := time.Now().Add(atMost)
	for !cond() {
		if !time.Now().Before(end) {
			t.Fatalf("not after %v: %s", atMost, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// faulty is a store whose calls can be made to fail. Its zero hooks change
// nothing.
type faulty struct {
	store.Store
	mu     sync.Mutex
	commit func(b *store.Batch, apply func() error) error
	down   error // of every call
	failed int   // calls while it was down
}

var errDisk = errors.New("the disk is on fire")

// onCommit sets what happens in place of each Commit.
func (f *faulty) onCommit(hook func(b *store.Batch, apply func() error) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commit = hook
}

// setDown lets every call fail, or none.
func (f *faulty) setDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = nil
	if down {
		f.down = errDisk
	}
}

func (f *faulty) failing() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		f.failed++
	}
	return f.down
}

// calls returns how many calls there were while it was down.
func (f *faulty) calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

func (f *faulty) Commit(ctx context.Context, b *store.Batch) error {
	if err := f.failing(); err != nil {
		return err
	}
	f.mu.Lock()
	hook := f.commit
	f.mu.Unlock()
	apply := func() error { return f.Store.Commit(ctx, b) }
	if hook != nil {
		return hook(b, apply)
	}
	return apply()
}

func (f *faulty) Epoch(ctx context.Context) (uint64, error) {
	if err := f.failing(); err != nil {
		return 0, err
	}
	return f.Store.Epoch(ctx)
}

func (f *faulty) Load(ctx context.Context, ch causeway.ChannelID, window int) (store.Channel, error) {
	if err := f.failing(); err != nil {
		return store.Channel{}, err
	}
	return f.Store.Load(ctx, ch, window)
}

func (f *faulty) Message(ctx context.Context, ch causeway.ChannelID, id causeway.MessageID) (store.Message, error) {
	if err := f.failing(); err != nil {
		return store.Message{}, err
	}
	return f.Store.Message(ctx, ch, id)
}

func (f *faulty) Receipt(ctx context.Context, ch causeway.ChannelID, id causeway.MessageID) (store.Receipt, error) {
	if err := f.failing(); err != nil {
		return store.Receipt{}, err
	}
	return f.Store.Receipt(ctx, ch, id)
}

func (f *faulty) Events(ctx context.Context, ch causeway.ChannelID, after store.Cursor, limit int) ([]store.Event, error) {
	if err := f.failing(); err != nil {
		return nil, err
	}
	return f.Store.Events(ctx, ch, after, limit)
}

func (f *faulty) Cursors(ctx context.Context) (forgotten, newest store.Cursor, err error) {
	if err := f.failing(); err != nil {
		return 0, 0, err
	}
	return f.Store.Cursors(ctx)
}

func (f *faulty) Channels(ctx context.Context) ([]causeway.ChannelID, error) {
	if err := f.failing(); err != nil {
		return nil, err
	}
	return f.Store.Channels(ctx)
}

// withFaults puts a faulty store before the member's own.
func withFaults(f **faulty) func(*member) {
	return func(m *member) {
		*f = &faulty{Store: m.options.Store}
		m.options.Store = *f
	}
}

// lines are n short messages.
func lines(n int) (texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprintf("line %03d", i))
	}
	return texts
}

// decoded is the SDS message in an unsealed envelope.
func decoded(e transport.Envelope) wire.Message {
	m, err := wire.Decode(e.Payload)
	if err != nil {
		return wire.Message{}
	}
	return m
}

// carries tells whether an unsealed envelope is a copy of the message with this
// content.
func carries(e transport.Envelope, text string) bool { return string(decoded(e).Content) == text }

// crash ends a member as kill -9 does: nothing more passes between its node and
// its store or the network. It begins again on what the store has.
func (m *member) crash(f *faulty) {
	m.w.t.Helper()
	f.setDown(true)
	m.end.Close()
	m.options.Store = f.Store
	m.attach()
	m.open()
}
