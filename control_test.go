//go:build go1.25

package causeway_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// TestForced: each of the calls does at once what would come later, and only that.
func TestForced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Store: &loopback.StoreOptions{}}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		waitFor(t, alice.send("one", causeway.Everyone), causeway.SeenByAll)
		time.Sleep(time.Hour)
		synctest.Wait()

		sent := func(class causeway.Class) uint64 { return alice.node.Metrics().Sent[class].Packets }
		expect := func(what string, got, want uint64) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %d more packets, want %d", what, got, want)
			}
		}
		before := sent(sds.ClassSync)
		check(t, alice.ch.Sync(t.Context()))
		synctest.Wait()
		expect("sync", sent(sds.ClassSync)-before, 1)

		before = sent(sds.ClassRepair)
		id := alice.page1()
		check(t, bob.ch.Resend(t.Context(), id))
		check(t, alice.ch.Resend(t.Context(), id))
		synctest.Wait()
		expect("resend", sent(sds.ClassRepair)+sent(sds.ClassResend)-before, 1)
		checkIs(t, "an unknown message", alice.ch.Resend(t.Context(), "nothing"), causeway.ErrNotHere)

		check(t, bob.end.SetLoss(1))
		alice.send("two")
		synctest.Wait()
		equal(t, "bob has lost it", bob.log(true), []string{"one"})
		queries := bob.node.Metrics().Queries
		check(t, bob.ch.Sweep(t.Context()))
		synctest.Wait()
		equal(t, "the store had it", bob.log(true), []string{"one", "two"})
		if bob.node.Metrics().Queries == queries {
			t.Error("the store was not asked")
		}

		alice.end.SetOnline(false)
		synctest.Wait()
		for what, err := range map[string]error{"sync": alice.ch.Sync(t.Context()), "sweep": alice.ch.Sweep(t.Context()),
			"resend": alice.ch.Resend(t.Context(), id)} {
			checkIs(t, what+" while offline", err, transport.ErrOffline)
		}
	})
}

// page1 is the id of the oldest message.
func (m *member) page1() causeway.MessageID {
	page, _, err := m.ch.Messages(m.w.t.Context(), causeway.Log{Limit: 1})
	check(m.w.t, err)
	return page[0].ID
}

// TestSweepNeedsStores: where there is none, nobody pretends.
func TestSweepNeedsStores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice")
		alice := w.start("alice", func(m *member) { m.options.Transport = struct{ transport.Transport }{m.end} })
		checkIs(t, "sweep", alice.ch.Sweep(t.Context()), transport.ErrUnavailable)
	})
}

// TestConfig: the roster is the one that holds, and a copy.
func TestConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice := w.start("alice", func(m *member) { m.config.Topic = "over there" })
		cfg, err := alice.ch.Config(t.Context())
		check(t, err)
		if cfg.Channel != tea || cfg.Participant != "alice" || cfg.Topic != "over there" || len(cfg.Roster.Members) != 2 {
			t.Errorf("%+v", cfg)
		}
		delete(cfg.Roster.Members, "bob")
		again, err := alice.ch.Config(t.Context())
		check(t, err)
		if len(again.Roster.Members) != 2 {
			t.Error("the roster was handed out")
		}
		check(t, alice.ch.SetRoster(t.Context(), nil))
		if again, err = alice.ch.Config(t.Context()); err != nil || again.Roster != nil {
			t.Errorf("%+v, %v", again, err)
		}
	})
}
