//go:build go1.25

package causeway_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

func (m *member) syncs() (all []causeway.SyncChange) {
	m.w.t.Helper()
	for _, e := range m.events() {
		if e.Kind == causeway.EventSync {
			all = append(all, *e.Sync)
		}
	}
	return all
}

func (m *member) gaps() []causeway.Gap {
	m.w.t.Helper()
	gaps, err := m.ch.Gaps(m.w.t.Context(), "", 100)
	check(m.w.t, err)
	return gaps
}

// A member that misses something says so, and that it has it again: also when it
// was restarted in between.
func TestSyncStatus(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, loopback.Options{Seed: 1}, "alice", "bob")
			alice, bob := w.start("alice"), w.start("bob")
			alice.send("one")
			time.Sleep(time.Minute)
			if got := bob.syncs(); len(got) != 0 {
				t.Errorf("at first: %+v", got)
			}
			check(t, bob.end.SetLoss(1))
			alice.send("two")
			alice.send("three")
			synctest.Wait()
			check(t, bob.end.SetLoss(0))
			check(t, alice.end.SetLoss(1)) // nobody answers
			alice.send("four")
			until(t, time.Minute, "bob misses something", func() bool { return len(bob.syncs()) > 0 })
			if got := bob.syncs()[0]; got.Synced || got.Missing < 1 || got.Lost != 0 || got.Received != 1 {
				t.Errorf("bob misses: %+v", got)
			}
			if restarted {
				bob.restart()
			}
			check(t, alice.end.SetLoss(0))
			until(t, 10*time.Minute, "bob has all", func() bool { return alice.digest() == bob.digest() })
			synctest.Wait()
			got := bob.syncs()
			last := got[len(got)-1]
			if !last.Synced || last.Missing != 0 || last.Lost != 0 || last.Received < 2 {
				t.Errorf("at the end: %+v", got)
			}
			for i := range got[1:] {
				if got[i].Synced && got[i+1].Synced {
					t.Errorf("said twice: %+v", got)
				}
			}
			if st := bob.status(); st.Lost != 0 || st.Missing != 0 {
				t.Errorf("status %+v", st)
			}
		})
	}
}

// What is given up for good is counted, and all is well without it; when it comes
// after all, it is no longer counted.
func TestSyncStatusLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1}, "alice", "bob")
		alice := w.start("alice")
		bob := w.start("bob", func(m *member) { m.config.Profile.LostAfter = 10 * time.Minute })
		alice.send("one")
		time.Sleep(time.Minute)
		check(t, bob.end.SetLoss(1))
		alice.send("two")
		synctest.Wait()
		check(t, bob.end.SetLoss(0))
		alice.send("three")
		synctest.Wait()
		check(t, alice.node.Close())
		until(t, time.Hour, "bob gives up", func() bool { return bob.status().Lost == 1 })
		synctest.Wait()
		got := bob.syncs()
		if last := got[len(got)-1]; !last.Synced || last.Lost != 1 || last.Missing != 0 {
			t.Errorf("given up: %+v", got)
		}
		alice.open()
		alice.send("four")
		until(t, time.Hour, "bob has all", func() bool { return alice.digest() == bob.digest() })
		synctest.Wait()
		got = bob.syncs()
		if last := got[len(got)-1]; !last.Synced || last.Lost != 0 {
			t.Errorf("it came: %+v", got)
		}
	})
}

// What was missing is missing after a restart, too, although nothing here waits for
// it: it is asked for, and when it is here no gap is left.
func TestMissingSurvivesRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1}, "alice", "bob", "carol")
		alice, bob, carol := w.start("alice"), w.start("bob"), w.start("carol")
		alice.send("one")
		time.Sleep(time.Minute)
		check(t, bob.end.SetLoss(1))
		alice.send("two")
		synctest.Wait()
		check(t, bob.end.SetLoss(0))
		until(t, time.Minute, "bob hears of it", func() bool { return bob.status().Missing == 1 })
		for _, m := range []*member{alice, carol} { // nobody answers
			check(t, m.end.SetLoss(1))
		}
		synctest.Wait()
		if gaps := bob.gaps(); len(gaps) != 1 || gaps[0].State != causeway.GapMissing || bob.status().Waiting != 0 {
			t.Fatalf("before: %+v, %+v", gaps, bob.status())
		}
		before := len(bob.events())
		bob.restart()
		if st := bob.status(); st.Missing != 1 {
			t.Errorf("after the restart: %+v", st)
		}
		for _, m := range []*member{alice, carol} {
			check(t, m.end.SetLoss(0))
		}
		until(t, 10*time.Minute, "bob has all", func() bool { return alice.digest() == bob.digest() })
		synctest.Wait()
		if gaps := bob.gaps(); len(gaps) != 0 {
			t.Errorf("bob has all and misses %+v", gaps)
		}
		var states []causeway.GapState
		for _, e := range bob.events()[before:] {
			if e.Kind == causeway.EventGap {
				states = append(states, e.Gap.State)
			}
		}
		if len(states) != 1 || states[0] != causeway.GapRecovered {
			t.Errorf("after the restart gaps are %v", states)
		}
	})
}

// byHint is an end whose store finds nothing by time.
type byHint struct{ *loopback.Endpoint }

func (byHint) Query(context.Context, transport.Query) (transport.Page, error) {
	return transport.Page{}, nil
}

// What is missing after a restart is asked for at the network's store, by its hint:
// also when nobody is left who has it.
func TestMissingIsRetrievedAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1, Store: &loopback.StoreOptions{FailEvery: 1}}, "alice", "bob", "carol")
		alice, carol := w.start("alice"), w.start("carol")
		bob := w.start("bob", func(m *member) { m.options.Transport = byHint{m.end} })
		alice.send("one")
		time.Sleep(time.Minute)
		check(t, bob.end.SetLoss(1))
		alice.send("two")
		synctest.Wait()
		check(t, bob.end.SetLoss(0))
		until(t, time.Minute, "bob hears of it", func() bool { return bob.status().Missing == 1 })
		check(t, alice.node.Close())
		check(t, carol.node.Close())
		if gaps := bob.gaps(); len(gaps) != 1 || gaps[0].State != causeway.GapMissing || len(gaps[0].Hint) == 0 {
			t.Fatalf("before: %+v", gaps)
		}
		bob.restart()
		check(t, w.network.SetStore(loopback.StoreOptions{}))
		until(t, 10*time.Second, "bob has all", func() bool { return slices.Equal(bob.log(true), []string{"one", "two"}) })
	})
}
