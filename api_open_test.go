//go:build go1.25

package causeway_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport/loopback"
)

// "ErrOptions: an option is missing or out of range. The text names it."
func TestOpenNamesTheOption(t *testing.T) {
	for name, o := range map[string]causeway.Options{
		"Store":          {},
		"KeepEvents":     {Store: store.NewMemory(), KeepEvents: -1},
		"PublishTimeout": {Store: store.NewMemory(), PublishTimeout: -1},
	} {
		node, err := causeway.Open(t.Context(), o)
		if node != nil {
			node.Close()
		}
		checkIs(t, name, err, causeway.ErrOptions)
		if err != nil && !strings.Contains(err.Error(), name) {
			t.Errorf("%q does not name %s", err, name)
		}
	}
}

// "ErrOptions: an option is missing or out of range. The text names it."
func TestJoinNamesTheOption(t *testing.T) {
	node, err := causeway.Open(t.Context(), causeway.Options{Store: store.NewMemory()})
	check(t, err)
	defer node.Close()
	long := strings.Repeat("x", 513)
	for name, change := range map[string]func(*causeway.ChannelConfig){
		"Channel":                 func(c *causeway.ChannelConfig) { c.Channel = "" },
		"Channel ":                func(c *causeway.ChannelConfig) { c.Channel = causeway.ChannelID(long) },
		"Participant":             func(c *causeway.ChannelConfig) { c.Participant = "" },
		"Participant ":            func(c *causeway.ChannelConfig) { c.Participant = causeway.ParticipantID(long) },
		"Dialect":                 func(c *causeway.ChannelConfig) { c.Profile.Dialect = 17 },
		"RoundTrip":               func(c *causeway.ChannelConfig) { c.Profile.RoundTrip = -1 },
		"RoundTrip ":              func(c *causeway.ChannelConfig) { c.Profile.RoundTrip = time.Hour },
		"Window":                  func(c *causeway.ChannelConfig) { c.Profile.Window = -1 },
		"GapAfter":                func(c *causeway.ChannelConfig) { c.Profile.GapAfter = -1 },
		"LostAfter":               func(c *causeway.ChannelConfig) { c.Profile.LostAfter = -1 },
		"UndeliveredAfter":        func(c *causeway.ChannelConfig) { c.Profile.UndeliveredAfter = -1 },
		"JoinPoint":               func(c *causeway.ChannelConfig) { c.JoinPoint = sds.MaxLamport },
		"Channel and Participant": func(c *causeway.ChannelConfig) { *c = causeway.ChannelConfig{} },
	} {
		cfg := causeway.ChannelConfig{Channel: tea, Participant: "alice"}
		change(&cfg)
		_, err := node.Join(t.Context(), cfg)
		if !errors.Is(err, causeway.ErrOptions) && !errors.Is(err, sds.ErrConfig) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if first, _, _ := strings.Cut(strings.TrimSpace(name), " "); !strings.Contains(err.Error(), first) {
			t.Errorf("%q does not name %s", err, first)
		}
	}
	known, err := node.KnownChannels(t.Context())
	if err != nil || len(known) != 0 || len(node.Channels()) != 0 {
		t.Errorf("what was refused is there: %v, %v, %v", known, node.Channels(), err)
	}
}

// "ErrJoined: the channel is joined already."
func TestJoinTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		_, err := alice.node.Join(t.Context(), alice.config)
		checkIs(t, "again", err, causeway.ErrJoined)
		other := alice.config
		other.Participant = "alice's phone"
		_, err = alice.node.Join(t.Context(), other)
		checkIs(t, "again, as somebody else", err, causeway.ErrJoined)
		if alice.node.Channel(tea) != alice.ch || alice.node.Channel("coffee") != nil {
			t.Error("Channel does not return the joined channel alone")
		}
		waitFor(t, alice.send("still here"), causeway.SeenByAll)
		equal(t, "bob's log", bob.log(true), []string{"still here"})
	})
}

// "ErrNotJoined: the channel was left." "Leave ends taking part."
func TestUseAfterLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		receipt := alice.send("hello")
		waitFor(t, receipt, causeway.SeenByAll)
		check(t, bob.ch.Leave(t.Context(), false))
		_, err := bob.ch.Send(t.Context(), []byte("too late"), causeway.SendOptions{})
		checkIs(t, "Send", err, causeway.ErrNotJoined)
		_, err = bob.ch.Status(t.Context())
		checkIs(t, "Status", err, causeway.ErrNotJoined)
		checkIs(t, "SetRoster", bob.ch.SetRoster(t.Context(), nil), causeway.ErrNotJoined)
		checkIs(t, "Leave", bob.ch.Leave(t.Context(), false), causeway.ErrNotJoined)
		checkIs(t, "Leave, forgetting", bob.ch.Leave(t.Context(), true), causeway.ErrNotJoined)
		if bob.node.Channel(tea) != nil || len(bob.node.Channels()) != 0 {
			t.Error("the channel is still listed")
		}
		known, err := bob.node.KnownChannels(t.Context())
		check(t, err)
		equal(t, "known channels", known, []causeway.ChannelID{tea})
		synctest.Wait() // what he said before has left
		published := bob.end.Stats().Published
		alice.send("anybody?")
		time.Sleep(time.Hour)
		if after := bob.end.Stats(); after.Published != published {
			t.Errorf("bob published %d packets after he left", after.Published-published)
		}
	})
}

// A Leave whose context has ended has either left or not: the channel does not
// stay joined and deaf.
func TestLeaveCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		waitFor(t, alice.send("one"), causeway.SeenByAll)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := bob.ch.Leave(ctx, false); err != nil {
			checkIs(t, "Leave", err, context.Canceled)
		}
		listed := bob.node.Channel(tea) != nil
		_, err := bob.ch.Send(t.Context(), []byte("two"), causeway.SendOptions{})
		if listed != (err == nil) {
			t.Errorf("the channel is listed: %v; Send says %v", listed, err)
		}
		_, err = bob.node.Join(t.Context(), bob.config)
		if listed != errors.Is(err, causeway.ErrJoined) {
			t.Errorf("the channel is listed: %v; Join says %v", listed, err)
		}
		bob.ch = bob.node.Channel(tea)
		waitFor(t, alice.send("three"), causeway.SeenByAll)
		until(t, time.Minute, "logs are equal", func() bool { return alice.digest() == bob.digest() })
		checkPositions(t, bob)
	})
}

// README: "A lost message is found also when it was the last one, in silence":
// who joins or comes back, without a store to ask, has all within a minute, since
// the protocol says one sync at once (rule P7).
func TestJoinerHearsOfHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice := w.start("alice")
		alice.send("one")
		alice.send("two")
		time.Sleep(5 * time.Hour)
		bob := w.start("bob")
		time.Sleep(time.Minute)
		equal(t, "a minute after bob joined", bob.log(true), []string{"one", "two"})
		check(t, bob.node.Close())
		time.Sleep(5 * time.Hour)
		alice.send("three")
		time.Sleep(5 * time.Hour)
		bob.open()
		time.Sleep(time.Minute)
		equal(t, "a minute after bob came back", bob.log(true), []string{"one", "two", "three"})
	})
}

// ChannelStatus: "Participants is how many were heard lately or are in the
// roster."
func TestStatusParticipants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob", "carol")
		alice := w.start("alice")
		if n := alice.status().Participants; n != 2 && n != 3 {
			t.Errorf("%d participants, there are 3 in the roster", n)
		}
	})
}

// "with forget all of it is deleted."
func TestLeaveForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		receipt := alice.send("hello")
		waitFor(t, receipt, causeway.SeenByAll)
		waitFor(t, bob.send("hi"), causeway.SeenByAll)
		_, newest, err := alice.node.Cursors(t.Context())
		check(t, err)
		check(t, alice.ch.Leave(t.Context(), true))
		known, err := alice.node.KnownChannels(t.Context())
		if err != nil || len(known) != 0 {
			t.Errorf("known: %v, %v", known, err)
		}
		if events := alice.events(); len(events) != 0 {
			t.Errorf("%d events are left", len(events))
		}
		alice.end.SetOnline(false) // or else bob brings all back
		ch, err := alice.node.Join(t.Context(), alice.config)
		check(t, err)
		alice.ch = ch
		if d := alice.digest(); d.Count != 0 || len(alice.log(false)) != 0 {
			t.Errorf("log is left: %+v", d)
		}
		_, err = alice.ch.Message(t.Context(), receipt.ID())
		checkIs(t, "message", err, store.ErrNotFound)
		_, err = alice.ch.Receipt(receipt.ID()).Now(t.Context())
		checkIs(t, "receipt", err, store.ErrNotFound)
		alice.end.SetOnline(true)
		waitFor(t, alice.send("again"), causeway.SeenByAll)
		until(t, time.Hour, "logs are equal", func() bool { return alice.digest() == bob.digest() })
		equal(t, "bob's log", bob.log(true), []string{"hello", "hi", "again"})
		if e := alice.events(); e[0].Cursor <= newest {
			t.Errorf("cursor %d was given again after %d", e[0].Cursor, newest)
		}
	})
}

// "The store keeps what it has, and Join goes on from there"
func TestRejoinGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		receipt := alice.send("one", causeway.Everyone)
		before := waitFor(t, receipt, causeway.SeenByAll)
		bob.send("two")
		synctest.Wait()
		check(t, alice.ch.Leave(t.Context(), false))
		bob.send("three, unheard")
		time.Sleep(time.Minute)
		ch, err := alice.node.Join(t.Context(), alice.config)
		check(t, err)
		alice.ch = ch
		equal(t, "alice's log", alice.log(true), []string{"one", "two"})
		now, err := alice.ch.Receipt(receipt.ID()).Now(t.Context())
		if err != nil || now.Level != before.Level || now.Seen != 1 || len(now.Transitions) != len(before.Transitions) {
			t.Errorf("receipt %+v, %v; was %+v", now, err, before)
		}
		waitFor(t, alice.send("four"), causeway.SeenByAll)
		until(t, time.Hour, "logs are equal", func() bool { return alice.digest() == bob.digest() })
		page, _, err := alice.ch.Messages(t.Context(), causeway.Log{ByPosition: true})
		check(t, err)
		for i, m := range page {
			if m.Position != causeway.Position(i+1) {
				t.Errorf("message %d has position %d", i, m.Position)
			}
		}
	})
}

// "Calls in flight and iterators end with ErrClosed. Closing twice is fine."
func TestCloseEndsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice := w.start("alice")
		receipt := alice.send("nobody is here")
		synctest.Wait()
		ends := make(chan error, 3)
		go func() {
			_, err := receipt.Wait(t.Context())
			ends <- err
		}()
		go func() {
			_, err := receipt.WaitFor(t.Context(), causeway.SeenByAll)
			ends <- err
		}()
		go func() {
			for _, err := range alice.node.Events(t.Context(), 0) {
				if err != nil {
					ends <- err
				}
			}
		}()
		synctest.Wait()
		check(t, alice.node.Close())
		check(t, alice.node.Close())
		for range 3 {
			checkIs(t, "in flight", <-ends, causeway.ErrClosed)
		}
		checkAllClosed(t, alice)
	})
}

// "transport and store are left alone from then on": what the host closes after
// Close is not touched any more, so all that is going on ends with ErrClosed.
func TestCloseLeavesStoreAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		var f *faulty
		alice := w.start("alice", withFaults(&f))
		receipt := alice.send("hello")
		alice.send("hello again")
		ended := make(chan error, 2)
		inBody, goOn := make(chan bool), make(chan bool)
		go func() {
			first := true
			for _, err := range alice.node.Events(t.Context(), 0) {
				if err != nil {
					ended <- err
				}
				if first {
					first = false
					inBody <- true
					<-goOn
				}
			}
		}()
		go func() {
			_, err := receipt.Wait(t.Context())
			ended <- err
		}()
		<-inBody
		synctest.Wait()
		check(t, alice.node.Close())
		alice.end.Close()
		f.setDown(true)
		close(goOn)
		checkIs(t, "in flight", <-ended, causeway.ErrClosed)
		checkIs(t, "in flight", <-ended, causeway.ErrClosed)
		_, err := receipt.Now(t.Context())
		checkIs(t, "Receipt.Now", err, causeway.ErrClosed)
		_, err = receipt.Wait(t.Context())
		checkIs(t, "Receipt.Wait", err, causeway.ErrClosed)
		_, err = alice.node.ReadEvents(t.Context(), 0, 10)
		checkIs(t, "ReadEvents", err, causeway.ErrClosed)
		_, err = alice.ch.Message(t.Context(), receipt.ID())
		checkIs(t, "Message", err, causeway.ErrClosed)
		_, err = alice.node.KnownChannels(t.Context())
		checkIs(t, "KnownChannels", err, causeway.ErrClosed)
		if n := f.calls(); n != 0 {
			t.Errorf("the store was called %d times after Close", n)
		}
	})
}

// checkAllClosed calls everything that asks the node for something.
func checkAllClosed(t *testing.T, m *member, also ...error) {
	t.Helper()
	ctx := t.Context()
	is := append(also, causeway.ErrClosed)
	_, err := m.ch.Send(ctx, []byte("late"), causeway.SendOptions{})
	checkIs(t, "Send", err, is...)
	_, err = m.node.Join(ctx, causeway.ChannelConfig{Channel: "coffee", Participant: "alice"})
	checkIs(t, "Join", err, is...)
	_, err = m.node.Status(ctx)
	checkIs(t, "Node.Status", err, is...)
	_, err = m.ch.Status(ctx)
	checkIs(t, "Channel.Status", err, is...)
	checkIs(t, "Leave", m.ch.Leave(ctx, false), is...)
	checkIs(t, "SetRoster", m.ch.SetRoster(ctx, nil), is...)
	checkIs(t, "Suspend", m.node.Suspend(ctx), is...)
	checkIs(t, "Resume", m.node.Resume(ctx), is...)
	for _, err := range m.node.Events(ctx, 0) {
		if err != nil {
			checkIs(t, "Events", err, is...)
		}
	}
}

// "Of two nodes on one store the older stops." "ErrClosed: the node was closed,
// or stopped because another node opened its store (then it also wraps
// store.ErrFenced)."
func TestOlderNodeStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob", "carol")
		bob := w.start("bob")
		older := w.start("alice")
		receipt := older.send("from the older")
		waitFor(t, receipt, causeway.Seen)
		followed := make(chan error, 1)
		go func() {
			for _, err := range older.node.Events(context.Background(), 0) {
				if err != nil {
					followed <- err
				}
			}
		}()
		newer := w.start("carol", func(m *member) { // another name on the network alone
			m.options.Store, m.config.Participant = older.options.Store, "alice"
		})
		published := older.end.Stats().Published
		_, err := older.ch.Send(t.Context(), []byte("never"), causeway.SendOptions{})
		checkIs(t, "Send", err, causeway.ErrClosed, store.ErrFenced)
		checkIs(t, "Events", <-followed, causeway.ErrClosed, store.ErrFenced)
		newer.send("from the newer")
		bob.send("a question for whoever is alice")
		time.Sleep(3 * time.Hour)
		if n := older.end.Stats().Published; n != published {
			t.Errorf("the older node published %d packets after it was fenced", n-published)
		}
		checkAllClosed(t, older, store.ErrFenced)
		check(t, older.node.Close())
		if newer.digest() != bob.digest() || newer.digest().Count != 3 {
			t.Errorf("newer %v, bob %v", newer.log(false), bob.log(false))
		}
	})
}
