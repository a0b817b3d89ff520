//go:build go1.25

package causeway_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

func (m *member) suspend() {
	m.w.t.Helper()
	check(m.w.t, m.node.Suspend(m.w.t.Context()))
}

func (m *member) resume() {
	m.w.t.Helper()
	check(m.w.t, m.node.Resume(m.w.t.Context()))
}

func (m *member) suspended() bool {
	m.w.t.Helper()
	s, err := m.node.Status(m.w.t.Context())
	check(m.w.t, err)
	return s.Suspended
}

// quiet checks that a member does nothing at all on its connection meanwhile.
func (m *member) quiet(what string, meanwhile func()) {
	m.w.t.Helper()
	count := func() loopback.Stats {
		s := m.end.Stats()
		s.InFlight, s.Unheard = 0, 0 // what was on its way to the member
		return s
	}
	before := count()
	meanwhile()
	if after := count(); after != before {
		m.w.t.Errorf("%s: was\n%+v, is\n%+v", what, before, after)
	}
}

// spec R105: "it ends all subscriptions, sends and fetches nothing and sets no
// timer". Something is under way of every kind: a message that nobody has, one
// that no store has confirmed, a gap, requests of others.
func TestSuspendIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1, Loss: 0.1, MaxDelay: time.Second, Store: &loopback.StoreOptions{}}, "alice", "bob", "carol")
		var f *faulty
		alice, bob, carol := w.start("alice", withFaults(&f)), w.start("bob"), w.start("carol")
		for i, text := range lines(20) {
			[]*member{alice, bob, carol}[i%3].send(text, causeway.Everyone)
			time.Sleep(300 * time.Millisecond)
		}
		w.network.SetFilter(func(from, to string, _ transport.Envelope) bool { return from == "alice" })
		unheard := alice.send("unheard", causeway.Everyone)
		time.Sleep(100 * time.Millisecond)
		alice.suspend()
		synctest.Wait()
		commits := alice.node.Metrics().Commits
		f.onCommit(func(_ *store.Batch, apply func() error) error {
			t.Error("a commit")
			return apply()
		})
		alice.quiet("24 hours", func() {
			for range 144 {
				bob.send("is alice there?", causeway.Everyone)
				carol.send("no", causeway.Everyone)
				time.Sleep(10 * time.Minute)
			}
		})
		if n := alice.node.Metrics().Commits; n != commits {
			t.Errorf("%d commits", n-commits)
		}
		f.onCommit(nil)
		if st := alice.status(); !alice.suspended() || st.Online || st.CatchingUp {
			t.Errorf("%+v", st)
		}
		if now := alice.now(unheard); now.Undelivered || now.Level > causeway.Sent {
			t.Errorf("unheard: %+v", now)
		}
		w.network.SetFilter(nil)
		alice.resume()
		waitFor(t, unheard, causeway.SeenByAll)
		until(t, time.Hour, "logs are equal", func() bool { return alice.digest() == bob.digest() && alice.digest() == carol.digest() })
		if n := alice.digest().Count; n != 20+1+288 {
			t.Errorf("%d messages", n)
		}
	})
}

// spec R105: "the clocks of the protocol (patience, back-off, Undelivered) stand
// still".
func TestSuspendStopsPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		lift := keepBack(w, "one", "alice", -1)
		alice := w.start("alice", func(m *member) {
			m.config.Profile.UndeliveredAfter, m.config.Profile.GapAfter, m.config.Profile.LostAfter = 5*time.Minute, 30*time.Second, time.Hour
		})
		bob := w.start("bob")
		time.Sleep(time.Minute)
		bob.send("one")
		bob.send("two")
		synctest.Wait()
		check(t, bob.node.Close())
		bob.end.Close()
		hello := alice.send("anybody?")
		time.Sleep(10 * time.Second)
		alice.suspend()
		events := len(alice.events())
		time.Sleep(24 * time.Hour)
		if n := len(alice.events()); n != events {
			t.Errorf("events while suspended: %+v", alice.events()[events:])
		}
		if st := alice.status(); st.Waiting != 1 || st.Missing != 1 || st.Skipped != 0 || st.Messages != 1 {
			t.Errorf("while suspended: %+v", st)
		}
		alice.resume()
		time.Sleep(10 * time.Second)
		if now := alice.now(hello); now.Undelivered || alice.status().Skipped != 0 {
			t.Errorf("10 s after Resume: %+v, %+v", now, alice.status())
		}
		until(t, time.Minute, "the gap is given up", func() bool { return alice.status().Skipped == 1 })
		until(t, 10*time.Minute, "Undelivered", func() bool { return alice.now(hello).Undelivered })
		alice.suspend()
		time.Sleep(24 * time.Hour) // LostAfter would be over
		gaps, err := alice.ch.Gaps(t.Context(), "", 10)
		if err != nil || len(gaps) != 1 || gaps[0].State != causeway.GapSkipped {
			t.Errorf("gaps %+v, %v", gaps, err)
		}
		lift()
		bob.attach()
		bob.open()
		alice.resume()
		waitFor(t, hello, causeway.SeenByAll)
		until(t, time.Minute, "logs are equal", func() bool { return alice.digest() == bob.digest() && bob.digest().Count == 3 })
	})
}

// spec R105: "What is sent meanwhile is made durable and leaves after Resume",
// whatever becomes of the process.
func TestSuspendKeepsWhatIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		var f *faulty
		alice, bob := w.start("alice", withFaults(&f)), w.start("bob")
		waitFor(t, alice.send("before"), causeway.SeenByAll)
		alice.suspend()
		var ids []causeway.MessageID
		alice.quiet("sending", func() {
			_, err := alice.ch.Send(t.Context(), []byte("typing"), causeway.SendOptions{Ephemeral: true}) // goes nowhere
			check(t, err)
			for _, text := range []string{"one", "two"} {
				r := alice.send(text, causeway.Everyone)
				ids = append(ids, r.ID())
				if now := alice.now(r); now.Level != causeway.Queued {
					t.Errorf("%+v", now)
				}
				time.Sleep(time.Hour)
			}
			equal(t, "delivered", deliveries(alice.events()), []string{"before", "one", "two"})
			check(t, alice.node.Close())
		})
		alice.options.Transport = nil // so that nothing leaves before it is suspended
		alice.open()
		alice.suspend()
		ids = append(ids, alice.send("three", causeway.Everyone).ID())
		alice.crash(f)
		alice.suspend()
		ids = append(ids, alice.send("four", causeway.Everyone).ID())
		time.Sleep(time.Hour)
		check(t, alice.node.Close())
		time.Sleep(time.Hour)
		alice.open()
		for _, id := range ids {
			waitFor(t, alice.ch.Receipt(id), causeway.SeenByAll)
		}
		equal(t, "bob's log", bob.log(true), []string{"before", "one", "two", "three", "four"})
		equal(t, "delivered to bob", deliveries(bob.events()), bob.log(true))
		if slices.ContainsFunc(bob.events(), func(e causeway.Event) bool { return e.Message != nil && e.Message.Ephemeral }) {
			t.Error("an ephemeral message came")
		}
	})
}

// spec R105: after Resume the node "catches up with what it missed, and then
// sends what waits".
func TestResumeCatchesUpFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Store: &loopback.StoreOptions{QueryDelay: time.Second}}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		waitFor(t, alice.send("before"), causeway.SeenByAll)
		time.Sleep(time.Minute)
		alice.suspend()
		mine := []*causeway.Receipt{alice.send("mine"), alice.send("mine too")}
		for _, text := range lines(250) {
			time.Sleep(time.Second)
			bob.send(text)
		}
		synctest.Wait()
		var mu sync.Mutex
		var left []uint64 // how many messages alice had when content of hers left
		w.network.SetFilter(func(from, to string, e transport.Envelope) bool {
			if m := decoded(e); from == "alice" && to == "bob" && m.Kind() == wire.Content {
				mu.Lock()
				left = append(left, alice.digest().Count)
				mu.Unlock()
			}
			return false
		})
		alice.resume()
		for _, r := range mine {
			waitFor(t, r, causeway.SeenByAll)
		}
		synctest.Wait()
		if len(left) == 0 || slices.Min(left) != 253 || alice.digest() != bob.digest() {
			t.Errorf("own messages left when alice had %v of 253 messages", left)
		}
	})
}

// Calling twice changes nothing, nor does Resume without Suspend: there are not
// two subscriptions.
func TestSuspendTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		alice.resume()
		alice.resume()
		waitFor(t, bob.send("one"), causeway.SeenByAll)
		alice.suspend()
		alice.suspend()
		alice.quiet("suspended twice", func() {
			bob.send("two")
			time.Sleep(time.Hour)
		})
		alice.resume()
		alice.resume()
		if alice.suspended() {
			t.Error("one Resume is not enough")
		}
		until(t, time.Minute, "logs are equal", func() bool { return alice.digest() == bob.digest() })
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { check(t, alice.node.Suspend(t.Context())) })
			wg.Go(func() { check(t, alice.node.Resume(t.Context())) })
		}
		wg.Wait()
		alice.resume()
		waitFor(t, bob.send("three"), causeway.SeenByAll)
		synctest.Wait()
		if m, s := alice.node.Metrics(), alice.end.Stats(); m.Received.Packets != uint64(s.Delivered-s.Discarded) {
			t.Errorf("%d packets were received, the network delivered %d: there are two subscriptions", m.Received.Packets, s.Delivered)
		}
	})
}

// Close ends a suspended node as any other.
func TestCloseWhileSuspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Store: &loopback.StoreOptions{}}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		alice.suspend()
		receipt := alice.send("hello")
		ended := make(chan error, 1)
		go func() {
			_, err := receipt.Wait(t.Context())
			ended <- err
		}()
		synctest.Wait()
		begin := time.Now()
		check(t, alice.node.Close())
		checkIs(t, "in flight", <-ended, causeway.ErrClosed)
		checkAllClosed(t, alice)
		if took := time.Since(begin); took > time.Second {
			t.Errorf("Close took %v", took)
		}
		alice.quiet("closed", func() {
			bob.send("and you?")
			time.Sleep(time.Hour)
		})
		alice.open()
		if alice.suspended() {
			t.Error("suspended before it was told to")
		}
		waitFor(t, alice.ch.Receipt(receipt.ID()), causeway.SeenByAll)
		until(t, time.Minute, "logs are equal", func() bool { return alice.digest() == bob.digest() })
	})
}

// A channel that is joined while the node is suspended is silent until Resume.
func TestJoinWhileSuspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Store: &loopback.StoreOptions{}}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		coffee := bob.config
		coffee.Channel = "coffee"
		bobs, err := bob.node.Join(t.Context(), coffee)
		check(t, err)
		time.Sleep(time.Minute)
		alice.suspend()
		var receipt *causeway.Receipt
		alice.quiet("joined while suspended", func() {
			coffee.Participant = "alice"
			alice.ch, err = alice.node.Join(t.Context(), coffee)
			check(t, err)
			receipt = alice.send("with milk")
			_, err = bobs.Send(t.Context(), []byte("without"), causeway.SendOptions{})
			check(t, err)
			time.Sleep(time.Hour)
		})
		if st := alice.status(); st.Online || st.CatchingUp || !st.LastHeard.IsZero() || st.Messages != 1 {
			t.Errorf("%+v", st)
		}
		alice.resume()
		waitFor(t, receipt, causeway.SeenByAll)
		digest, err := bobs.Digest(t.Context())
		if err != nil || digest != alice.digest() || digest.Count != 2 {
			t.Errorf("bob has %v of coffee, %v; alice has %v", digest, err, alice.digest())
		}
	})
}

// A channel that is left while the node is suspended stays silent after Resume,
// and can be joined again in either state.
func TestLeaveWhileSuspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		waitFor(t, alice.send("before"), causeway.SeenByAll)
		alice.suspend()
		alice.quiet("left", func() {
			unsent := alice.send("unsent").ID()
			check(t, alice.ch.Leave(t.Context(), false))
			if _, err := alice.ch.Message(t.Context(), unsent); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Hour)
			alice.resume()
			bob.send("meanwhile")
			time.Sleep(time.Hour)
			alice.suspend()
			var err error
			alice.ch, err = alice.node.Join(t.Context(), alice.config)
			check(t, err)
			time.Sleep(time.Hour)
		})
		alice.resume()
		until(t, time.Minute, "logs are equal", func() bool { return alice.digest() == bob.digest() && bob.digest().Count == 3 })
		alice.suspend()
		check(t, alice.ch.Leave(t.Context(), true))
		if known, err := alice.node.KnownChannels(t.Context()); err != nil || len(known) != 0 {
			t.Errorf("known: %v, %v", known, err)
		}
	})
}

// Suspend "returns when the node is silent", which is soon: a query that is under
// way is given up.
func TestSuspendCancelsCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Store: &loopback.StoreOptions{}}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		waitFor(t, alice.send("before"), causeway.SeenByAll)
		time.Sleep(time.Minute)
		alice.end.SetOnline(false)
		synctest.Wait()
		for _, text := range lines(250) {
			bob.send(text)
		}
		time.Sleep(time.Minute)
		check(t, w.network.SetStore(loopback.StoreOptions{QueryDelay: 8 * time.Second}))
		alice.end.SetOnline(true)
		time.Sleep(12 * time.Second) // within the second page
		if st := alice.status(); !st.CatchingUp || st.Online {
			t.Errorf("%+v", st)
		}
		begin := time.Now()
		alice.suspend()
		if took := time.Since(begin); took > time.Second {
			t.Errorf("Suspend took %v", took)
		}
		alice.quiet("suspended", func() { time.Sleep(24 * time.Hour) })
		if n := alice.digest().Count; n == 251 {
			t.Error("nothing was under way")
		}
		check(t, w.network.SetStore(loopback.StoreOptions{}))
		alice.resume()
		until(t, time.Minute, "logs are equal", func() bool { return alice.digest() == bob.digest() })
	})
}

// slow is a transport that takes its time to publish.
type slow struct {
	*loopback.Endpoint
	takes     atomic.Int64 // a time.Duration
	cancelled atomic.Int64
}

func (s *slow) Publish(ctx context.Context, e transport.Envelope) ([]byte, error) {
	select {
	case <-time.After(time.Duration(s.takes.Load())):
		return s.Endpoint.Publish(ctx, e)
	case <-ctx.Done():
		s.cancelled.Add(1)
		return nil, ctx.Err()
	}
}

// The same with packets on their way to the transport.
func TestSuspendCancelsPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		network := &slow{}
		alice := w.start("alice", func(m *member) { network.Endpoint, m.options.Transport = m.end, network })
		bob := w.start("bob")
		waitFor(t, alice.send("before"), causeway.SeenByAll)
		time.Sleep(time.Hour)
		network.takes.Store(int64(15 * time.Second))
		var last *causeway.Receipt
		for _, text := range lines(10) {
			last = alice.send(text)
		}
		time.Sleep(time.Second)
		begin := time.Now()
		alice.suspend()
		if took := time.Since(begin); took > time.Second || network.cancelled.Load() != 1 {
			t.Errorf("Suspend took %v and cancelled %d calls", took, network.cancelled.Load())
		}
		alice.quiet("suspended", func() { time.Sleep(time.Hour) })
		if now := alice.now(last); now.Level != causeway.Queued || now.Undelivered {
			t.Errorf("%+v", now)
		}
		network.takes.Store(0)
		alice.resume()
		waitFor(t, last, causeway.SeenByAll)
		until(t, time.Minute, "logs are equal", func() bool { return alice.digest() == bob.digest() && bob.digest().Count == 11 })
	})
}

// What the transport says meanwhile changes nothing before Resume.
func TestSuspendIgnoresTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Store: &loopback.StoreOptions{}}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		waitFor(t, alice.send("before"), causeway.SeenByAll)
		for _, online := range []bool{false, true} {
			alice.suspend()
			receipt := alice.send("mine")
			bob.send("missed")
			alice.quiet("the transport comes and goes", func() {
				for range 5 {
					alice.end.SetOnline(!online)
					time.Sleep(time.Hour)
					alice.end.SetOnline(online)
					time.Sleep(time.Hour)
					if s, err := alice.node.Status(t.Context()); err != nil || s.Online || !s.Suspended || alice.status().Online {
						t.Errorf("%+v, %v", s, err)
					}
				}
			})
			published := alice.end.Stats().Published
			alice.resume()
			if !online {
				time.Sleep(time.Hour)
				if alice.suspended() || alice.status().Online || alice.end.Stats().Published != published {
					t.Errorf("resumed offline: %+v", alice.status())
				}
				alice.end.SetOnline(true)
			}
			waitFor(t, receipt, causeway.SeenByAll)
			until(t, time.Minute, "logs are equal", func() bool { return alice.digest() == bob.digest() })
		}
	})
}

// Whatever Suspend and Resume return when their context ends, the node is in one
// of its two states: what Status says is so, and the next call works.
func TestSuspendCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Store: &loopback.StoreOptions{}}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		waitFor(t, alice.send("before"), causeway.SeenByAll)
		time.Sleep(time.Minute)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := alice.node.Suspend(ended); err != nil {
			checkIs(t, "Suspend", err, context.Canceled)
		}
		agrees := func(after string) {
			t.Helper()
			heard, said, suspended := alice.node.Metrics().Received.Packets, alice.end.Stats().Published, alice.suspended()
			bob.send("from bob, after " + after)
			mine := alice.send("mine, after " + after)
			time.Sleep(10 * time.Second)
			heard, said = alice.node.Metrics().Received.Packets-heard, alice.end.Stats().Published-said
			if now := alice.now(mine); suspended != (heard == 0) || suspended != (said == 0) || suspended != (now.Level == causeway.Queued) {
				t.Errorf("after %s: suspended %v, but heard %d packets, sent %d, and the receipt says %v", after, suspended, heard, said, now.Level)
			}
		}
		agrees("a cancelled Suspend")
		alice.suspend()
		agrees("Suspend")
		if err := alice.node.Resume(ended); err != nil {
			checkIs(t, "Resume", err, context.Canceled)
		}
		agrees("a cancelled Resume")
		alice.resume()
		agrees("Resume")
		if alice.suspended() {
			t.Error("Resume returned nil, and the node is suspended")
		}
	})
}

// "What is sent meanwhile is made durable": also after a commit that failed, as
// when the node is not suspended.
func TestSuspendStoreRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		var f *faulty
		alice, bob := w.start("alice", withFaults(&f)), w.start("bob")
		waitFor(t, alice.send("before"), causeway.SeenByAll)
		alice.suspend()
		f.onCommit(func(*store.Batch, func() error) error { return errDisk })
		_, err := alice.ch.Send(t.Context(), []byte("never"), causeway.SendOptions{})
		checkIs(t, "Send", err, causeway.ErrStore, errDisk)
		f.onCommit(nil)
		var receipt *causeway.Receipt
		alice.quiet("the store recovers", func() {
			time.Sleep(time.Minute)
			receipt, err = alice.ch.Send(t.Context(), []byte("after"), causeway.SendOptions{})
			if err != nil {
				t.Fatalf("Send, a minute after the store was well again: %v", err)
			}
			alice.status()
			time.Sleep(time.Hour)
		})
		alice.resume()
		waitFor(t, receipt, causeway.SeenByAll)
		until(t, time.Minute, "logs are equal", func() bool { return alice.digest() == bob.digest() })
	})
}

// A Join that is on its way while the node is suspended or resumed ends in the
// state that the node ends in.
func TestJoinDuringSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		var f *faulty
		alice, bob := w.start("alice", withFaults(&f)), w.start("bob")
		for _, suspend := range []bool{true, false} {
			other := bob.config
			other.Channel = causeway.ChannelID(fmt.Sprint("suspend ", suspend))
			bobs, err := bob.node.Join(t.Context(), other)
			check(t, err)
			f.onCommit(func(_ *store.Batch, apply func() error) error {
				time.Sleep(5 * time.Second)
				return apply()
			})
			var wg sync.WaitGroup
			wg.Go(func() { alice.send("keeps the node busy") })
			synctest.Wait()
			var joined *causeway.Channel
			other.Participant = "alice"
			wg.Go(func() { joined, err = alice.node.Join(t.Context(), other) })
			synctest.Wait()
			if suspend {
				alice.suspend()
			} else {
				alice.resume()
			}
			wg.Wait()
			f.onCommit(nil)
			check(t, err)
			heard := alice.node.Metrics().Received.Packets
			_, err = bobs.Send(t.Context(), []byte("for alice"), causeway.SendOptions{})
			check(t, err)
			time.Sleep(time.Minute)
			heard = alice.node.Metrics().Received.Packets - heard
			digest, err := joined.Digest(t.Context())
			check(t, err)
			if suspend != (heard == 0) || suspend != (digest.Count == 0) {
				t.Errorf("suspended %v, and heard %d packets on %s, of %d messages", suspend, heard, joined.ID(), digest.Count)
			}
		}
	})
}
