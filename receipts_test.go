//go:build go1.25

package causeway_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// checkReceipt checks what holds of every receipt at every moment.
func checkReceipt(t *testing.T, now causeway.ReceiptNow) {
	t.Helper()
	if now.Seen != len(now.Persons) || !slices.IsSorted(now.Persons) || len(slices.Compact(slices.Clone(now.Persons))) != now.Seen {
		t.Errorf("Seen is %d, Persons %v", now.Seen, now.Persons)
	}
	if now.Of > 0 && now.Seen > now.Of {
		t.Errorf("%d of %d", now.Seen, now.Of)
	}
	level, at := causeway.Queued, time.Time{}
	for i, tr := range now.Transitions {
		if tr.At.IsZero() || tr.At.Before(at) || (i > 0 && tr.Level <= level) {
			t.Errorf("transitions %+v", now.Transitions)
		}
		level, at = tr.Level, tr.At
	}
	if level != now.Level {
		t.Errorf("level %v, transitions %+v", now.Level, now.Transitions)
	}
}

// "Queued", "Sent: the transport took it", "Stored: a store of the network
// confirmed it", "Seen: at least one other person has it", "Reached",
// "SeenByAll"; each is waited for by WaitFor.
func TestReceiptLevels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{MinDelay: time.Second, MaxDelay: time.Second, Store: &loopback.StoreOptions{}}, "alice", "bob", "carol", "dave")
		alice := w.start("alice")
		alice.end.SetOnline(false)
		synctest.Wait()
		receipt := alice.send("hello", causeway.Fraction(0.6)) // two of three
		seen := make(chan causeway.ReceiptNow, 6)
		for level := causeway.Queued; level <= causeway.SeenByAll; level++ {
			go func() {
				now, err := receipt.WaitFor(t.Context(), level)
				if err != nil || now.Level < level {
					t.Errorf("WaitFor(%v): %+v, %v", level, now, err)
				}
				seen <- now
			}()
		}
		expect := func(level causeway.Level, persons ...causeway.PersonID) {
			t.Helper()
			now := alice.now(receipt)
			checkReceipt(t, now)
			if now.Level != level || now.Of != 3 || now.ID != receipt.ID() {
				t.Errorf("want level %v: %+v", level, now)
			}
			equal(t, level.String(), now.Persons, persons)
		}
		synctest.Wait()
		expect(causeway.Queued)
		alice.end.SetOnline(true)
		time.Sleep(time.Minute)
		expect(causeway.Stored)
		w.start("carol")
		time.Sleep(2 * time.Minute)
		expect(causeway.Seen, "carol")
		w.start("bob")
		time.Sleep(2 * time.Minute)
		expect(causeway.Reached, "bob", "carol")
		w.start("dave")
		time.Sleep(2 * time.Minute)
		expect(causeway.SeenByAll, "bob", "carol", "dave")
		for range 6 {
			<-seen
		}
	})
}

// "WaitFor ... returns what is known then, or when ctx ends, with its error."
func TestReceiptWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice := w.start("alice")
		receipt := alice.send("hello", causeway.Everyone)
		synctest.Wait()
		for _, wait := range []func(context.Context) (causeway.ReceiptNow, error){
			receipt.Wait,
			func(ctx context.Context) (causeway.ReceiptNow, error) { return receipt.WaitFor(ctx, causeway.Seen) },
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			now, err := wait(ctx)
			cancel()
			checkIs(t, "ctx ended", err, context.DeadlineExceeded)
			if now.Level != causeway.Sent || now.ID != receipt.ID() || now.Of != 1 {
				t.Errorf("known then: %+v", now)
			}
			now, err = wait(ctx) // it has ended before
			checkIs(t, "ctx had ended", err, context.DeadlineExceeded)
			if now.Level != causeway.Sent && now.ID != "" {
				t.Errorf("known then: %+v", now)
			}
		}
		_, err := alice.ch.Receipt("no such message").Wait(t.Context())
		checkIs(t, "unknown", err, store.ErrNotFound)
	})
}

// "one that is not ours, has no receipt"
func TestReceiptOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		receipt := alice.send("mine")
		waitFor(t, receipt, causeway.SeenByAll)
		_, err := bob.ch.Receipt(receipt.ID()).Now(t.Context())
		checkIs(t, "Now", err, store.ErrNotFound)
		_, err = bob.ch.Receipt(receipt.ID()).WaitFor(t.Context(), causeway.Queued)
		checkIs(t, "WaitFor", err, store.ErrNotFound)
	})
}

// "Seen counts persons of the audience": several installations of one person
// count once, and those of the sender not at all.
func TestReceiptCountsPersons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{})
		w.roster.Members = map[causeway.ParticipantID]causeway.PersonID{"alice-1": "alice", "alice-2": "alice",
			"bob-1": "bob", "bob-2": "bob", "bob-3": "bob", "carol-1": "carol"}
		alice := w.start("alice-1")
		for _, name := range []string{"alice-2", "bob-1", "bob-2", "bob-3"} {
			w.start(name)
		}
		receipt := alice.send("hello", causeway.Everyone)
		time.Sleep(10 * time.Minute)
		now := alice.now(receipt)
		checkReceipt(t, now)
		equal(t, "persons", now.Persons, []causeway.PersonID{"bob"})
		if now.Of != 2 || now.Level >= causeway.SeenByAll {
			t.Errorf("without carol: %+v", now)
		}
		w.start("carol-1")
		now = waitFor(t, receipt, causeway.SeenByAll)
		equal(t, "persons", now.Persons, []causeway.PersonID{"bob", "carol"})
	})
}

// Want: "how far the message must come for its Receipt to say Reached", and no
// less.
func TestReceiptWants(t *testing.T) {
	group := []string{"alice", "bob", "carol", "dave", "erin"}
	for name, test := range map[string]struct {
		want    causeway.Want
		comes   []string // in this order
		reaches int      // with how many of them it is reached
	}{
		"zero value":  {causeway.Want{}, []string{"erin", "bob"}, 1},
		"AtLeastOne":  {causeway.AtLeastOne, []string{"dave", "bob"}, 1},
		"Fraction":    {causeway.Fraction(0.5), []string{"dave", "bob", "carol"}, 2},
		"Fraction up": {causeway.Fraction(0.51), []string{"dave", "bob", "carol", "erin"}, 3},
		"Fraction 1":  {causeway.Fraction(1), []string{"dave", "bob", "carol", "erin"}, 4},
		"Persons":     {causeway.Persons("erin", "carol"), []string{"dave", "carol", "erin", "bob"}, 3},
		"Stewards":    {causeway.Stewards, []string{"bob", "dave", "erin"}, 2},
		"Everyone":    {causeway.Everyone, []string{"erin", "dave", "carol", "bob"}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, loopback.Options{}, group...)
				w.roster.Stewards = []causeway.PersonID{"dave", "erin"}
				alice := w.start("alice")
				receipt := alice.send("hello", test.want)
				for i, who := range test.comes {
					if now := alice.now(receipt); now.Level >= causeway.Reached {
						t.Fatalf("reached with %d: %+v", i, now)
					}
					w.start(who)
					time.Sleep(10 * time.Minute)
					checkReceipt(t, alice.now(receipt))
					if i+1 == test.reaches {
						break
					}
				}
				now, err := receipt.Wait(t.Context())
				check(t, err)
				if now.Level < causeway.Reached || now.Seen != test.reaches || now.Want.Kind != test.want.Kind {
					t.Errorf("reached: %+v", now)
				}
			})
		})
	}
}

// "Undelivered says that nobody is known to have it although it had the time. It
// may still turn."
func TestReceiptUndelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice := w.start("alice", func(m *member) { m.config.Profile.UndeliveredAfter = time.Minute })
		receipt := alice.send("hello?")
		time.Sleep(50 * time.Second)
		if now := alice.now(receipt); now.Undelivered {
			t.Errorf("too early: %+v", now)
		}
		time.Sleep(20 * time.Second)
		if now := alice.now(receipt); !now.Undelivered || now.Level != causeway.Sent {
			t.Errorf("after its time: %+v", now)
		}
		events := 0
		for _, e := range alice.events() {
			if e.Kind == causeway.EventReceipt && e.Receipt.Undelivered {
				events++
			}
		}
		if events != 1 {
			t.Errorf("%d events tell it", events)
		}
		alice.restart()
		if now := alice.now(alice.ch.Receipt(receipt.ID())); !now.Undelivered {
			t.Errorf("after a restart: %+v", now)
		}
		w.start("bob")
		now := waitFor(t, alice.ch.Receipt(receipt.ID()), causeway.SeenByAll)
		checkReceipt(t, now)
		if now.Undelivered {
			t.Errorf("it turned, and still says so: %+v", now)
		}
	})
}

// A receipt "can be had again with Channel.Receipt after a restart", also when
// it is complete and nobody tracks it any more.
func TestReceiptAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob", "carol")
		alice := w.start("alice")
		bob := w.start("bob")
		half := alice.send("half", causeway.Everyone)
		waitFor(t, half, causeway.Seen)
		alice.restart()
		now := alice.now(alice.ch.Receipt(half.ID()))
		equal(t, "persons", now.Persons, []causeway.PersonID{"bob"})
		w.start("carol")
		before := waitFor(t, alice.ch.Receipt(half.ID()), causeway.SeenByAll)
		checkReceipt(t, before)
		for i := range 5 {
			alice.send(fmt.Sprint("later ", i))
			bob.send(fmt.Sprint("also later ", i))
			time.Sleep(time.Minute)
		}
		if n := alice.status().Unacknowledged; n != 0 {
			t.Errorf("%d are unacknowledged", n)
		}
		alice.restart()
		after, err := alice.ch.Receipt(half.ID()).Wait(t.Context())
		check(t, err)
		if after.Level != causeway.SeenByAll || after.Of != 2 || after.Seen != 2 || after.Undelivered {
			t.Errorf("after the end of tracking: %+v", after)
		}
		equal(t, "persons", after.Persons, before.Persons)
		equal(t, "transitions", after.Transitions, before.Transitions)
	})
}

// "EventReceipt: more is known about who has an own message"; "in an event,
// [Persons are] those that were proved to since the event before".
func TestReceiptEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob", "carol", "dave")
		alice := w.start("alice")
		receipt := alice.send("hello", causeway.Everyone)
		for _, who := range []string{"dave", "bob", "carol"} {
			w.start(who)
			time.Sleep(10 * time.Minute)
		}
		var persons []causeway.PersonID
		level := causeway.Queued
		for _, e := range alice.events() {
			if e.Kind != causeway.EventReceipt {
				continue
			}
			if e.ID != receipt.ID() || e.Receipt.ID != e.ID || e.Receipt.Level < level || e.Channel != tea {
				t.Errorf("event %+v, %+v", e, e.Receipt)
			}
			level = e.Receipt.Level
			persons = append(persons, e.Receipt.Persons...)
			if e.Receipt.Seen != len(persons) || e.Receipt.Of != 3 {
				t.Errorf("after %v: %+v", persons, e.Receipt)
			}
		}
		equal(t, "persons, in the order of events", persons, []causeway.PersonID{"dave", "bob", "carol"})
		if level != causeway.SeenByAll {
			t.Errorf("the last event says %v", level)
		}
	})
}

// "Without Authenticated all receipts say Claimed."
func TestReceiptClaimed(t *testing.T) {
	for _, authenticated := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, loopback.Options{}, "alice", "bob")
			sealed := func(m *member) { m.config.Sealer = &gcm{who: m.config.Participant, proves: authenticated} }
			alice := w.start("alice", sealed)
			w.start("bob", sealed)
			receipt := alice.send("hello")
			if now := waitFor(t, receipt, causeway.SeenByAll); now.Claimed == authenticated {
				t.Errorf("authenticated %v: %+v", authenticated, now)
			}
			alice.restart()
			if now := alice.now(alice.ch.Receipt(receipt.ID())); now.Claimed == authenticated {
				t.Errorf("after a restart, authenticated %v: %+v", authenticated, now)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice := w.start("alice")
		w.start("bob")
		if now := waitFor(t, alice.send("plain"), causeway.SeenByAll); !now.Claimed {
			t.Errorf("without a Sealer: %+v", now)
		}
	})
}

// "Without [a roster] every participant heard counts as a person."
func TestReceiptWithoutRoster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{})
		w.roster = nil
		alice, bob := w.start("alice"), w.start("bob")
		w.start("carol")
		bob.send("hello")
		synctest.Wait()
		now, err := alice.send("hi").Wait(t.Context())
		check(t, err)
		checkReceipt(t, now)
		if now.Of != 0 || now.Seen == 0 {
			t.Errorf("%+v", now)
		}
	})
}

// "SetRoster replaces the roster. Messages that were sent keep the audience that
// they had."
func TestReceiptKeepsAudience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob", "carol")
		alice := w.start("alice")
		w.start("bob")
		old := alice.send("to both", causeway.Everyone)
		check(t, alice.ch.SetRoster(t.Context(), &causeway.Roster{Members: map[causeway.ParticipantID]causeway.PersonID{
			"alice": "alice", "bob": "bob"}}))
		fresh := alice.send("to bob", causeway.Everyone)
		if now := waitFor(t, fresh, causeway.SeenByAll); now.Of != 1 {
			t.Errorf("fresh: %+v", now)
		}
		time.Sleep(time.Hour)
		if now := alice.now(old); now.Of != 2 || now.Seen != 1 || now.Level >= causeway.Reached {
			t.Errorf("old: %+v", now)
		}
	})
}

// A store's word counts only for what it has: of a message that it does not have
// Stored is never said.
func TestReceiptStoredOnlyIfStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Store: &loopback.StoreOptions{}}, "alice", "bob")
		w.network.SetFilter(func(from, to string, e transport.Envelope) bool {
			return to == loopback.StoreName && carries(e, "kept back")
		})
		alice := w.start("alice")
		kept, stored := alice.send("kept back"), alice.send("stored")
		waitFor(t, stored, causeway.Stored)
		time.Sleep(time.Hour)
		if now := alice.now(kept); now.Level != causeway.Sent || !now.Undelivered {
			t.Errorf("kept back: %+v", now)
		}
	})
}
