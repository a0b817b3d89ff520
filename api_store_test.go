//go:build go1.25

package causeway_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport/loopback"
)

// checkPositions checks that positions begin at 1, without holes.
func checkPositions(t *testing.T, m *member) {
	t.Helper()
	page, _, err := m.ch.Messages(t.Context(), causeway.Log{ByPosition: true, Limit: 1000})
	check(t, err)
	for i, message := range page {
		if message.Position != causeway.Position(i+1) {
			t.Fatalf("message %d has position %d", i, message.Position)
		}
	}
}

// patient fails the test when a node tries again and again without a pause, and
// ends the fault then: in virtual time that would go on for ever.
func patient(t *testing.T, hook func(*store.Batch, func() error) error) func(*store.Batch, func() error) error {
	begin, n := time.Now(), 0
	return func(b *store.Batch, apply func() error) error {
		if n++; n > 1000+int(time.Since(begin)/time.Millisecond) {
			if n < 1_000_000 {
				n = 1_000_000
				t.Errorf("1000 commits within %v after a failure", time.Since(begin))
			}
			return apply()
		}
		return hook(b, apply)
	}
}

// "ErrStore: the store failed, so nothing was sent. It also wraps the store's
// error." "When a transaction fails, nothing of its turn leaves".
func TestStoreFailsACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		var f *faulty
		alice, bob := w.start("alice", withFaults(&f)), w.start("bob")
		waitFor(t, alice.send("before"), causeway.SeenByAll)
		time.Sleep(time.Hour)
		f.onCommit(patient(t, func(*store.Batch, func() error) error { return errDisk }))
		published := alice.end.Stats().Published
		for range 3 {
			_, err := alice.ch.Send(t.Context(), []byte("never"), causeway.SendOptions{})
			checkIs(t, "Send", err, causeway.ErrStore, errDisk)
			if errors.Is(err, causeway.ErrUncertain) {
				t.Errorf("the store can be read, and Send is not certain: %v", err)
			}
		}
		synctest.Wait()
		if n := alice.end.Stats().Published; n != published {
			t.Errorf("%d packets left", n-published)
		}
		if s, err := alice.node.Status(t.Context()); err != nil || !errors.Is(s.StoreError, errDisk) {
			t.Errorf("status %+v, %v", s, err)
		}
		f.onCommit(nil)
		time.Sleep(10 * time.Second) // the node may leave the store alone for a while
		waitFor(t, alice.send("after"), causeway.SeenByAll)
		if s, err := alice.node.Status(t.Context()); err != nil || s.StoreError != nil {
			t.Errorf("status %+v, %v", s, err)
		}
		time.Sleep(time.Hour)
		equal(t, "bob's log", bob.log(true), []string{"before", "after"})
		equal(t, "alice's log", alice.log(true), []string{"before", "after"})
		equal(t, "alice's events", deliveries(alice.events()), []string{"before", "after"})
		checkPositions(t, alice)
		if m := alice.node.Metrics(); m.CommitFailures == 0 || m.Own != 2 || m.Messages != 2 {
			t.Errorf("metrics: %+v", m)
		}
	})
}

// store.Commit: "After an error ... the caller doesn't know which, and reads what
// is there": a commit that was applied and reported as failed makes one message.
func TestStoreAppliesAndFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		var f *faulty
		alice, bob := w.start("alice", withFaults(&f)), w.start("bob")
		waitFor(t, alice.send("before"), causeway.SeenByAll)
		f.onCommit(patient(t, func(_ *store.Batch, apply func() error) error { return errors.Join(apply(), errDisk) }))
		during := alice.send("during")
		bob.send("from bob")
		time.Sleep(time.Minute)
		f.onCommit(nil)
		time.Sleep(10 * time.Second)
		waitFor(t, during, causeway.SeenByAll)
		waitFor(t, alice.send("after"), causeway.SeenByAll)
		time.Sleep(time.Hour)
		want := []string{"after", "before", "during", "from bob"}
		equal(t, "by place", alice.log(false), bob.log(false))
		for _, m := range []*member{alice, bob} {
			equal(t, "log", slices.Sorted(slices.Values(m.log(true))), want)
			equal(t, "events", slices.Sorted(slices.Values(deliveries(m.events()))), want)
		}
		checkPositions(t, alice)
	})
}

// "ErrUncertain: it is not known whether the message was made durable. If it was,
// it will be sent." The store is gone before the node can look.
func TestStoreUncertain(t *testing.T) {
	for _, applied := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, loopback.Options{}, "alice", "bob")
			var f *faulty
			alice, bob := w.start("alice", withFaults(&f)), w.start("bob")
			time.Sleep(time.Minute)
			f.onCommit(func(_ *store.Batch, apply func() error) error {
				if applied {
					check(t, apply())
				}
				f.setDown(true)
				return errDisk
			})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			_, err := alice.ch.Send(ctx, []byte("perhaps"), causeway.SendOptions{})
			checkIs(t, "Send", err, causeway.ErrUncertain)
			f.onCommit(nil)
			f.setDown(false)
			time.Sleep(time.Hour)
			waitFor(t, alice.send("certainly"), causeway.SeenByAll)
			want := []string{"certainly"}
			if applied {
				want = []string{"perhaps", "certainly"}
			}
			equal(t, "alice's log", alice.log(true), want)
			equal(t, "bob's log", bob.log(true), want)
			checkPositions(t, alice)
		})
	}
}

// A store that is down for a while: Status tells it, nothing is lost, nothing is
// there twice, and nobody has to do anything.
func TestStoreDownForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 4, MaxDelay: time.Second}, "alice", "bob", "carol")
		var f *faulty
		alice, bob, carol := w.start("alice", withFaults(&f)), w.start("bob"), w.start("carol")
		waitFor(t, alice.send("before"), causeway.SeenByAll)
		f.setDown(true)
		for _, text := range lines(20) {
			bob.send(text)
			time.Sleep(time.Second)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if _, err := alice.ch.Send(ctx, []byte("never"), causeway.SendOptions{}); err == nil || ctx.Err() != nil {
			t.Errorf("Send without a store: %v", err)
		}
		if s, err := alice.node.Status(t.Context()); err != nil || !errors.Is(s.StoreError, errDisk) {
			t.Errorf("status %+v, %v", s, err)
		}
		time.Sleep(10 * time.Minute)
		f.setDown(false)
		until(t, time.Hour, "alice has all", func() bool { return alice.digest() == bob.digest() })
		until(t, time.Minute, "StoreError goes", func() bool {
			s, err := alice.node.Status(t.Context())
			return err == nil && s.StoreError == nil
		})
		waitFor(t, alice.send("after", causeway.Everyone), causeway.SeenByAll)
		until(t, time.Hour, "logs are equal", func() bool { return alice.digest() == bob.digest() && alice.digest() == carol.digest() })
		if alice.digest().Count != 22 {
			t.Errorf("%v", alice.log(false))
		}
		checkPositions(t, alice)
	})
}

// All members' stores fail by chance, before or after applying, while they
// restart: afterwards all logs are the same, without double positions, and all
// that was accepted is there.
func TestStoreChaos(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 5, Loss: 0.1, MaxDelay: time.Second}, "alice", "bob", "carol")
		random := rand.New(rand.NewPCG(7, 7))
		faults := make([]*faulty, 3)
		all := []*member{}
		for i, name := range []string{"alice", "bob", "carol"} {
			all = append(all, w.start(name, withFaults(&faults[i])))
		}
		faulting := func(on bool) {
			for i, f := range faults {
				random := rand.New(rand.NewPCG(8, uint64(i)))
				f.onCommit(func(_ *store.Batch, apply func() error) error {
					switch {
					case !on || random.IntN(4) > 0:
						return apply()
					case random.IntN(2) == 0:
						return errDisk
					}
					return errors.Join(apply(), errDisk)
				})
			}
		}
		accepted := map[causeway.MessageID]bool{}
		for i, text := range lines(100) {
			faulting(i%20 > 5)
			r, err := all[i%3].ch.Send(t.Context(), []byte(text), causeway.SendOptions{Want: causeway.Everyone})
			if err == nil {
				accepted[r.ID()] = true
			}
			time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
			if i%20 == 19 {
				faulting(false)
				all[random.IntN(3)].restart()
			}
		}
		faulting(false)
		until(t, time.Hour, "logs are equal", func() bool { return all[0].digest() == all[1].digest() && all[0].digest() == all[2].digest() })
		for _, m := range all {
			checkPositions(t, m)
			for id := range accepted {
				if _, err := m.ch.Message(t.Context(), id); err != nil {
					t.Errorf("accepted: %v", err)
				}
			}
			if int(m.digest().Count) != len(accepted) || len(deliveries(m.events())) != len(accepted) {
				t.Errorf("%d accepted, %d in the log, %d delivered", len(accepted), m.digest().Count, len(deliveries(m.events())))
			}
		}
	})
}

// A commit that hangs: Send ends with its context, "that of ctx while the message
// was being written", and the node goes on when the store does.
func TestStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		var f *faulty
		alice, bob := w.start("alice", withFaults(&f)), w.start("bob")
		time.Sleep(time.Minute)
		release := make(chan struct{})
		f.onCommit(func(b *store.Batch, _ func() error) error {
			<-release
			return f.Store.Commit(context.Background(), b) // it heeds no context
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := alice.ch.Send(ctx, []byte("written in the end"), causeway.SendOptions{})
		checkIs(t, "Send", err, context.DeadlineExceeded)
		_, err = alice.ch.Send(ctx, []byte("never begun"), causeway.SendOptions{})
		checkIs(t, "Send", err, context.DeadlineExceeded)
		alice.node.Metrics()
		bob.send("meanwhile")
		closed := make(chan error, 1)
		go func() { closed <- alice.node.Close() }()
		time.Sleep(time.Hour)
		select {
		case <-closed:
			t.Error("\"the turn in hand is finished\", but Close did not wait for it")
		default:
		}
		close(release)
		check(t, <-closed)
		f.onCommit(nil)
		alice.open()
		until(t, time.Hour, "logs are equal", func() bool { return alice.digest() == bob.digest() && bob.digest().Count == 2 })
		equal(t, "alice's log", alice.log(true), []string{"written in the end", "meanwhile"})
	})
}

// A slow store makes a slow node, not a wrong one.
func TestStoreSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		var f *faulty
		alice, bob := w.start("alice", withFaults(&f)), w.start("bob")
		f.onCommit(func(_ *store.Batch, apply func() error) error {
			time.Sleep(2 * time.Second)
			return apply()
		})
		var last *causeway.Receipt
		for i, text := range lines(40) {
			if i%2 == 0 {
				last = bob.send(text)
			} else {
				alice.send(text)
			}
		}
		waitFor(t, last, causeway.SeenByAll)
		until(t, time.Hour, "logs are equal", func() bool { return alice.digest() == bob.digest() && bob.digest().Count == 40 })
		checkPositions(t, alice)
	})
}

// "nothing of its turn leaves": what a member's receipt says and what it
// acknowledged stays true when the process dies at any commit.
func TestStoreDiesAtEachCommit(t *testing.T) {
	for at := range 12 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, loopback.Options{}, "alice", "bob")
			var f *faulty
			alice := w.start("alice")
			bob := w.start("bob", withFaults(&f))
			n := 0
			f.onCommit(func(_ *store.Batch, apply func() error) error {
				if n++; n > at {
					f.setDown(true)
					return errDisk
				}
				return apply()
			})
			for _, text := range lines(8) {
				alice.send(text)
				time.Sleep(3 * time.Second)
			}
			acknowledged := map[causeway.MessageID]bool{}
			for _, e := range alice.events() {
				if e.Kind == causeway.EventReceipt && e.Receipt.Seen > 0 {
					acknowledged[e.ID] = true
				}
			}
			bob.crash(f)
			for id := range acknowledged {
				if _, err := bob.ch.Message(t.Context(), id); err != nil {
					t.Errorf("died after %d commits: a receipt counts bob, who lost it: %v", at, err)
				}
			}
			until(t, time.Hour, "logs are equal", func() bool { return alice.digest() == bob.digest() })
		})
	}
}
