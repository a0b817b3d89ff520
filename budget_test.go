//go:build go1.25

package causeway_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// toll notes what a node hands to its transport, and when.
type toll struct {
	*loopback.Endpoint
	mu   sync.Mutex
	left []passage
	slow time.Duration // how long a hand-over takes; the packet leaves at its end
	err  error         // of each hand-over
}

type passage struct {
	at        time.Time
	channel   causeway.ChannelID
	kind      wire.Kind
	content   string
	ephemeral bool // for stores
}

func tolled(x *toll) func(*member) {
	return func(m *member) { x.Endpoint, m.options.Transport = m.end, x }
}

func (x *toll) Publish(ctx context.Context, e transport.Envelope) ([]byte, error) {
	x.mu.Lock()
	slow, err := x.slow, x.err
	x.mu.Unlock()
	time.Sleep(slow)
	if err != nil {
		return nil, err
	}
	hint, err := x.Endpoint.Publish(ctx, e)
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	m := decoded(e)
	x.left = append(x.left, passage{time.Now(), m.ChannelID, m.Kind(), string(m.Content), e.Ephemeral})
	return hint, nil
}

func (x *toll) set(slow time.Duration, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.slow, x.err = slow, err
}

// passages returns what left.
func (x *toll) passages() []passage {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.left)
}

// content counts what left with content of the application that is stored.
func (x *toll) content() (n int) {
	for _, p := range x.passages() {
		if p.kind == wire.Content && !p.ephemeral {
			n++
		}
	}
	return n
}

// most returns the most packets that left in any window.
func (x *toll) most(window time.Duration) (most int) {
	left := x.passages()
	first := 0
	for i := range left {
		for !left[first].at.After(left[i].at.Add(-window)) {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

func under(q causeway.Quota) func(*member) {
	return func(m *member) { m.options.Quota = q }
}

func (m *member) budget() causeway.Budget {
	m.w.t.Helper()
	b, err := m.node.Budget(m.w.t.Context())
	check(m.w.t, err)
	return b
}

// spec R110: in no window does more leave than the quota, though there is more to
// say, packets are lost and hand-overs are slow; and all ends well.
func TestQuotaHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1, Loss: 0.1, MinDelay: 50 * time.Millisecond, MaxDelay: 300 * time.Millisecond}, "alice", "bob", "carol")
		tolls := []*toll{{slow: time.Second}, {}, {}}
		var members []*member
		for i, name := range []string{"alice", "bob", "carol"} {
			members = append(members, w.start(name, tolled(tolls[i]), under(causeway.QuotaRLN)))
		}
		for i, text := range lines(300) { // alice says more than she may
			members[[]int{0, 0, 0, 1}[i%4]].send(text, causeway.Everyone)
			time.Sleep(time.Second)
		}
		until(t, 3*time.Hour, "all logs are equal", func() bool {
			d := members[0].digest()
			return d.Count == 300 && d == members[1].digest() && d == members[2].digest()
		})
		for i, x := range tolls {
			if n := x.most(600 * time.Second); n > 100 || i == 0 && n < 75 {
				t.Errorf("member %d: %d packets in a window", i, n)
			}
		}
		if m := members[0].node.Metrics(); m.Deferred[sds.ClassContent] < 100 || m.Dropped[sds.ClassContent] > 0 {
			t.Errorf("deferred %v, dropped %v", m.Deferred, m.Dropped)
		}
	})
}

// spec R111: content stops at its share and waits; Budget says until when, and
// what is left for others.
func TestContentWaitsForQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1}, "alice", "bob")
		w.network.SetFilter(func(from, to string, _ transport.Envelope) bool { return true }) // nobody hears
		x := &toll{}
		alice := w.start("alice", tolled(x), under(causeway.QuotaRLN))
		if b := alice.budget(); b.NextContent.After(b.Now) || b.Level != causeway.BudgetNormal || b.Quota != causeway.QuotaRLN ||
			b.Content.Share.Packets != 70 || b.Repair.Share.Packets != 15 || b.Request.Share.Packets != 10 || b.Sync.Share.Packets != 5 ||
			b.Content.Room.Packets != 70 {
			t.Errorf("at first: %+v", b)
		}
		synctest.Wait()
		start := time.Now()
		for i, text := range lines(75) {
			r := alice.send(text)
			if wait := r.Leaves().Sub(start); wait != 0 && i < 70 || i >= 70 && (wait < 600*time.Second || wait > 612*time.Second) {
				t.Errorf("%d should leave in %v", i, wait)
			}
		}
		synctest.Wait()
		if n := x.content(); n != 70 {
			t.Errorf("%d left at once", n)
		}
		b := alice.budget()
		if wait := b.NextContent.Sub(start); wait < 600*time.Second || wait > 612*time.Second || b.Level != causeway.BudgetFull || !b.Busy {
			t.Errorf("after 75: next in %v, %+v", wait, b)
		}
		if b.Content.Used.Packets != 70 || b.Content.Waiting != 5 || b.Content.Room.Packets != 0 || b.Request.Room.Packets == 0 || b.Used.Packets < 70 {
			t.Errorf("after 75: %+v", b)
		}
		st, err := alice.node.Status(t.Context())
		check(t, err)
		if st.Queued < 5 {
			t.Errorf("%d queued", st.Queued)
		}
		time.Sleep(time.Until(b.NextContent) - time.Millisecond)
		synctest.Wait()
		if n := x.content(); n != 70 {
			t.Errorf("%d left before the time", n)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if n := x.content(); n < 75 {
			t.Errorf("%d left at the time", n)
		}
		if n := x.most(600 * time.Second); n > 100 {
			t.Errorf("%d packets in a window", n)
		}
		m := alice.node.Metrics()
		if m.Deferred[sds.ClassContent] != 5 || m.Sent[sds.ClassContent].Packets != 75 {
			t.Errorf("deferred %v, sent %v", m.Deferred, m.Sent)
		}
	})
}

// spec R114: a crash forgets nothing of what has left, not even what was under
// way; what waited leaves after it as what it is, not as a resend.
func TestQuotaSurvivesCrashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1}, "alice", "bob")
		w.network.SetFilter(func(from, to string, _ transport.Envelope) bool { return true })
		x := &toll{}
		var f *faulty
		alice := w.start("alice", tolled(x), under(causeway.QuotaRLN), withFaults(&f))
		for i := range 120 {
			if i == 50 {
				synctest.Wait()
				x.set(15*time.Second, nil) // the rest is still under way when it ends
			}
			alice.send(fmt.Sprint(i))
		}
		for range 5 {
			time.Sleep(20 * time.Second)
			f.setDown(true)
			check(t, alice.node.Close())
			f = &faulty{Store: f.Store}
			alice.options.Store = f
			alice.open()
		}
		time.Sleep(time.Minute)
		if n := x.most(600 * time.Second); n > 100 || n < 50 {
			t.Errorf("%d packets in a window", n)
		}
		if b := alice.budget(); b.Content.Used.Packets < 60 || b.Content.Waiting < 50 {
			t.Errorf("%+v", b)
		}
		x.set(0, nil)
		texts := map[string]bool{}
		until(t, time.Hour, "all have left", func() bool {
			for _, p := range x.passages() {
				if p.kind == wire.Content && !p.ephemeral {
					texts[p.content] = true
				}
			}
			return len(texts) == 120
		})
		if n := x.most(600 * time.Second); n > 100 {
			t.Errorf("%d packets in a window", n)
		}
	})
}

// What is known to have left is not taken for something under way after a restart.
func TestQuotaForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1}, "alice")
		alice := w.start("alice", under(causeway.QuotaRLN))
		for _, text := range lines(10) {
			alice.send(text)
		}
		synctest.Wait()
		check(t, alice.node.Close())
		time.Sleep(5 * time.Minute)
		alice.open()
		if b := alice.budget(); b.Content.Used.Packets != 10 {
			t.Errorf("after 5 minutes: %+v", b)
		}
		check(t, alice.node.Close())
		time.Sleep(6 * time.Minute)
		alice.options.Transport = nil
		alice.open()
		if b := alice.budget(); b.Content.Used.Packets != 0 {
			t.Errorf("after 11 minutes: %+v", b)
		}
	})
}

// spec R113: a channel with one message is not behind one with a hundred.
func TestQuotaIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1}, "alice")
		x := &toll{}
		alice := w.start("alice", tolled(x), under(causeway.Quota{Packets: 20, Window: time.Minute}))
		cfg := alice.config
		cfg.Channel = "coffee"
		coffee, err := alice.node.Join(t.Context(), cfg)
		check(t, err)
		for _, text := range lines(100) {
			alice.send(text)
		}
		synctest.Wait()
		for i := range 5 {
			_, err = coffee.Send(t.Context(), fmt.Append(nil, i), causeway.SendOptions{})
			check(t, err)
		}
		until(t, time.Hour, "coffee's have left", func() bool {
			n := 0
			for _, p := range x.passages() {
				if p.channel == "coffee" && p.kind == wire.Content {
					n++
				}
			}
			return n == 5
		})
		if n := x.content(); n > 14+2*5+14 {
			t.Errorf("%d packets of content before they had", n)
		}
	})
}

// spec R115: what can't leave in time is dropped and counted: ephemeral messages
// at once, from nine tenths on, and acknowledgements after 10 s.
func TestQuotaDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1}, "alice", "bob")
		x := &toll{}
		alice, bob := w.start("alice"), w.start("bob", tolled(x), under(causeway.Quota{Packets: 20, Window: 10 * time.Minute}))
		time.Sleep(20 * time.Second)
		for _, text := range lines(14) {
			bob.send(text)
		}
		for range 30 {
			_, err := bob.ch.Send(t.Context(), []byte("typing"), causeway.SendOptions{Ephemeral: true})
			check(t, err)
		}
		synctest.Wait()
		typing := 0
		for _, p := range x.passages() {
			if p.kind == wire.Ephemeral {
				typing++
			}
		}
		m := bob.node.Metrics()
		if typing > 4 || int(m.Dropped[sds.ClassEphemeral])+typing != 30 || m.Deferred[sds.ClassEphemeral] != m.Dropped[sds.ClassEphemeral] {
			t.Errorf("%d typing, deferred %v, dropped %v", typing, m.Deferred, m.Dropped)
		}
		var receipts []*causeway.Receipt
		for _, text := range lines(20) {
			receipts = append(receipts, alice.send("alice's "+text, causeway.Everyone))
			time.Sleep(10 * time.Second)
		}
		time.Sleep(10 * time.Second)
		m = bob.node.Metrics()
		if voice := m.Dropped[sds.ClassAck] + m.Dropped[sds.ClassSync] + m.Dropped[sds.ClassRequest]; voice == 0 || m.Deferred[sds.ClassAck] < m.Dropped[sds.ClassAck] {
			t.Errorf("deferred %v, dropped %v", m.Deferred, m.Dropped)
		}
		if b := bob.budget(); b.Used.Packets > 20 {
			t.Errorf("%+v", b)
		}
		for _, r := range receipts {
			waitFor(t, r, causeway.SeenByAll) // later, all the same
		}
		if n := x.most(10 * time.Minute); n > 20 {
			t.Errorf("%d packets in a window", n)
		}
	})
}

// spec R116: content that somebody asks for while it waits leaves as a repair,
// once.
func TestAskedForContentLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1}, "alice", "bob")
		x := &toll{}
		alice, bob := w.start("alice", tolled(x), under(causeway.QuotaRLN)), w.start("bob")
		for _, text := range lines(75) {
			alice.send(text)
		}
		// Alice's acknowledgements name what waits: bob asks for it.
		for i := range 10 {
			bob.send(fmt.Sprint("bob ", i), causeway.Everyone)
			time.Sleep(10 * time.Second)
		}
		until(t, 5*time.Minute, "bob has all", func() bool { return bob.digest().Count == 85 })
		if n := x.content(); n != 75 {
			t.Errorf("%d packets of content", n)
		}
		if b := alice.budget(); b.Content.Waiting != 0 || b.Content.Used.Packets != 70 || b.Repair.Used.Packets < 5 {
			t.Errorf("%+v", b)
		}
	})
}

// spec R117: an event when 80 and 100 % are reached, once each, and when it is
// over; a restart between says nothing again.
func TestBudgetEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1}, "alice")
		alice := w.start("alice", under(causeway.Quota{Packets: 100, Window: time.Minute}))
		moves := func() (levels []causeway.BudgetLevel) {
			for _, e := range alice.events() {
				if e.Kind == causeway.EventBudget {
					if e.Channel != "" || e.Budget.Of != 100 || e.Kind.String() != "budget" || e.At.IsZero() {
						t.Errorf("%+v", e)
					}
					levels = append(levels, e.Budget.Level)
				}
			}
			return levels
		}
		for i, text := range lines(75) {
			alice.send(text)
			if i == 60 {
				synctest.Wait()
				equal(t, "at 61", moves(), []causeway.BudgetLevel{causeway.BudgetNear})
				alice.restart()
			}
		}
		synctest.Wait()
		equal(t, "at 75", moves(), []causeway.BudgetLevel{causeway.BudgetNear, causeway.BudgetFull})
		alice.restart()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		got := moves()
		if len(got) < 3 || got[len(got)-1] != causeway.BudgetNormal || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("in the end %v", got)
		}
		page, err := alice.ch.ReadEvents(t.Context(), 0, 1000)
		check(t, err)
		for _, e := range page {
			if e.Kind == causeway.EventBudget {
				t.Error("it is among the events of a channel")
			}
		}
	})
}

// What fails before it leaves costs nothing: a commit, and a transport that says
// that it is offline. What may have left does.
func TestQuotaOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1}, "alice", "bob")
		x := &toll{}
		var f *faulty
		alice := w.start("alice", tolled(x), withFaults(&f), under(causeway.QuotaRLN))
		time.Sleep(10 * time.Second)
		before := alice.budget().Content.Used.Packets
		f.onCommit(func(b *store.Batch, apply func() error) error { return errDisk })
		for _, text := range lines(50) {
			_, err := alice.ch.Send(t.Context(), []byte(text), causeway.SendOptions{})
			checkIs(t, "send", err, causeway.ErrStore)
			time.Sleep(10 * time.Second)
		}
		f.onCommit(nil)
		time.Sleep(10 * time.Second)
		if b := alice.budget(); b.Content.Used.Packets != before || x.content() != 0 {
			t.Errorf("after failed commits: %+v, %d left", b, x.content())
		}
		x.set(0, transport.ErrOffline)
		alice.send("one")
		synctest.Wait()
		if b := alice.budget(); b.Content.Used.Packets != before {
			t.Errorf("offline: %+v", b)
		}
		x.set(0, errors.New("no answer"))
		alice.send("two")
		synctest.Wait()
		if b := alice.budget(); b.Content.Used.Packets != before+1 {
			t.Errorf("no answer: %+v", b)
		}
	})
}

// While there is no connection content keeps its place and the rest is dropped; a
// suspended node has no timer for it.
func TestQuotaOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1}, "alice", "bob")
		x := &toll{}
		var f *faulty
		alice := w.start("alice", tolled(x), withFaults(&f), under(causeway.QuotaRLN))
		for _, text := range lines(75) {
			alice.send(text)
		}
		synctest.Wait()
		alice.suspend()
		synctest.Wait()
		f.onCommit(func(_ *store.Batch, apply func() error) error {
			t.Error("a commit")
			return apply()
		})
		alice.quiet("an hour", func() { time.Sleep(time.Hour) })
		f.onCommit(nil)
		for range 2 { // the first wakes the node: its quota is free by now
			if b := alice.budget(); b.Content.Waiting != 5 {
				t.Errorf("%+v", b)
			}
		}
		alice.resume()
		synctest.Wait()
		if n := x.content(); n < 75 {
			t.Errorf("%d left", n)
		}
		if b := alice.budget(); b.Content.Waiting != 0 {
			t.Errorf("%+v", b)
		}
	})
}

// What can't wait is dropped when the connection ends, and what waits of a channel
// when that is left. What waits when a commit fails leaves all the same, once.
func TestQuotaOfWhatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1}, "alice", "bob")
		x := &toll{}
		var f *faulty
		alice, bob := w.start("alice", tolled(x), withFaults(&f), under(causeway.Quota{Packets: 20, Window: 10 * time.Minute})), w.start("bob")
		time.Sleep(20 * time.Second)
		var receipts []*causeway.Receipt
		for _, text := range lines(20) {
			receipts = append(receipts, alice.send(text, causeway.AtLeastOne))
		}
		for i := 0; alice.budget().Request.Waiting == 0 && i < 100; i++ {
			bob.send(fmt.Sprint(i), causeway.Everyone)
			time.Sleep(time.Second)
		}
		b := alice.budget()
		if b.Request.Waiting == 0 || b.Content.Waiting == 0 {
			t.Fatalf("%+v", b)
		}
		alice.end.SetOnline(false)
		synctest.Wait()
		if now := alice.budget(); now.Request.Waiting != 0 || now.Content.Waiting != b.Content.Waiting {
			t.Errorf("offline: %+v", now)
		}
		alice.end.SetOnline(true)
		synctest.Wait()
		check(t, alice.ch.Leave(t.Context(), false))
		if now := alice.budget(); now.Content.Waiting+now.Request.Waiting+now.Repair.Waiting+now.Sync.Waiting != 0 {
			t.Errorf("left: %+v", now)
		}
		var err error
		alice.ch, err = alice.node.Join(t.Context(), alice.config)
		check(t, err)
		receipts = append(receipts, alice.send("one more"))
		time.Sleep(time.Minute)
		f.onCommit(func(b *store.Batch, apply func() error) error { return errDisk })
		_, err = alice.ch.Send(t.Context(), []byte("lost"), causeway.SendOptions{})
		checkIs(t, "send", err, causeway.ErrStore)
		f.onCommit(nil)
		for _, r := range receipts {
			waitFor(t, r, causeway.Seen)
		}
		time.Sleep(time.Hour)
		// The state machine has offered all of it again, since it did not know that
		// anything was waiting. What waited before must not leave as well.
		if n := alice.node.Metrics().Sent[sds.ClassContent].Packets; n != uint64(len(receipts)) {
			t.Errorf("%d of %d messages left for the first time", n, len(receipts))
		}
	})
}

// Without a quota there is nothing of it, not even in the store.
func TestNoQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1}, "alice", "bob")
		x := &toll{}
		alice := w.start("alice", tolled(x))
		for _, text := range lines(500) {
			alice.send(text)
		}
		synctest.Wait()
		if n := x.content(); n != 500 {
			t.Errorf("%d left", n)
		}
		if b := alice.budget(); b != (causeway.Budget{}) {
			t.Errorf("%+v", b)
		}
		_, err := alice.options.Store.Value(t.Context(), "causeway/budget")
		checkIs(t, "record", err, store.ErrNotFound)
		_, err = causeway.Open(t.Context(), causeway.Options{Store: store.NewMemory(), Quota: causeway.Quota{Packets: 5}})
		checkIs(t, "no window", err, causeway.ErrOptions)
		s := store.NewMemory()
		epoch, err := s.Epoch(t.Context())
		check(t, err)
		check(t, s.Commit(t.Context(), &store.Batch{Epoch: epoch, Values: map[string][]byte{"causeway/budget": {77}}}))
		_, err = causeway.Open(t.Context(), causeway.Options{Store: s, Quota: causeway.QuotaRLN})
		checkIs(t, "bad record", err, causeway.ErrStore, store.ErrCorrupt)
	})
}
