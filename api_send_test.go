//go:build go1.25

package causeway_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport/loopback"
)

// "at most what the profile's segments carry" "102,400 bytes for an ephemeral message"
// "sds.MaxContent without segments" "After an error nothing was sent"
func TestSendRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{MaxPayload: 2 << 20}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		send := func(content []byte, o causeway.SendOptions) error {
			r, err := alice.ch.Send(t.Context(), content, o)
			if (r == nil) != (err != nil) {
				t.Errorf("receipt %v with error %v", r, err)
			}
			return err
		}
		checkIs(t, "nil", send(nil, causeway.SendOptions{}), sds.ErrEmptyContent)
		checkIs(t, "empty", send([]byte{}, causeway.SendOptions{}), sds.ErrEmptyContent)
		checkIs(t, "ephemeral, empty", send(nil, causeway.SendOptions{Ephemeral: true}), sds.ErrEmptyContent)
		checkIs(t, "large", send(make([]byte, 102272*256+1), causeway.SendOptions{}), sds.ErrContentTooLarge)
		checkIs(t, "ephemeral, large", send(make([]byte, 102401), causeway.SendOptions{Ephemeral: true}), sds.ErrContentTooLarge)
		checkIs(t, "large, and replacing", send(make([]byte, 102401), causeway.SendOptions{Replace: "x"}), causeway.ErrOptions)
		for _, f := range []float64{0, -0.5, 1.5, math.NaN(), math.Inf(1)} {
			if send([]byte("x"), causeway.SendOptions{Want: causeway.Fraction(f)}) == nil {
				t.Errorf("Fraction(%v) was accepted, but it is \"above 0 and up to 1\"", f)
			}
		}
		if send([]byte("x"), causeway.SendOptions{ID: "mine"}) == nil {
			t.Error("an ID was accepted, but it is \"for ProfileNim alone\"")
		}
		time.Sleep(time.Hour)
		if alice.digest().Count != 0 || bob.digest().Count != 0 || len(alice.events()) != 0 {
			t.Errorf("what was refused is there: %d messages", len(bob.log(true)))
		}
		check(t, send(make([]byte, 102400), causeway.SendOptions{Ephemeral: true, Replace: ""}))
		check(t, send(make([]byte, sds.MaxContent), causeway.SendOptions{}))
		until(t, time.Minute, "large content arrives", func() bool { return len(bob.log(true)) == 1 })

		cfg := alice.config
		cfg.Channel, cfg.Profile = "coffee", causeway.ProfileJS
		alice.ch, _ = alice.node.Join(t.Context(), cfg)
		checkIs(t, "large without segments", send(make([]byte, sds.MaxContent+1), causeway.SendOptions{}), sds.ErrContentTooLarge)
		check(t, send(make([]byte, sds.MaxContent), causeway.SendOptions{}))
	})
}

// "After an error nothing was sent, unless ... is that of ctx while the message
// was being written": with a context that ended before, nothing is.
func TestSendCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 100 { // a select between two that are ready would choose by chance
			_, err := alice.ch.Send(ctx, []byte("never"), causeway.SendOptions{})
			checkIs(t, "Send", err, context.Canceled)
		}
		time.Sleep(time.Hour)
		alice.restart()
		time.Sleep(time.Hour)
		if alice.digest().Count != 0 || bob.digest().Count != 0 {
			t.Errorf("sent although cancelled: %d times", bob.digest().Count)
		}
	})
}

// "content ... is copied", and what is read shares no memory.
func TestSendCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		alice.end.SetOnline(false)
		content := []byte("as it was")
		receipt, err := alice.ch.Send(t.Context(), content, causeway.SendOptions{})
		check(t, err)
		copy(content, "CHANGED!!")
		mine, err := alice.ch.Message(t.Context(), receipt.ID())
		check(t, err)
		if string(mine.Content) != "as it was" {
			t.Errorf("the log says %q", mine.Content)
		}
		copy(mine.Content, "CHANGED!!")
		alice.end.SetOnline(true)
		waitFor(t, receipt, causeway.SeenByAll)
		equal(t, "bob's log", bob.log(true), []string{"as it was"})
		page, _, err := bob.ch.Messages(t.Context(), causeway.Log{})
		check(t, err)
		copy(page[0].Content, "CHANGED!!")
		equal(t, "bob's log", bob.log(true), []string{"as it was"})
	})
}

// "Send ... returns when it is durable: it will go out now, when the network is
// back, or after a restart." The process is killed as soon as Send has returned.
func TestSendIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for i := range 10 {
			w := newWorld(t, loopback.Options{}, "alice", "bob")
			var f *faulty
			alice, bob := w.start("alice", withFaults(&f)), w.start("bob")
			if i%2 == 0 {
				alice.end.SetOnline(false)
			}
			alice.send("first")
			id := alice.send("last words", causeway.Everyone).ID()
			alice.crash(f)
			now := waitFor(t, alice.ch.Receipt(id), causeway.SeenByAll)
			if now.Want.Kind != sds.WantEveryone || now.Of != 1 {
				t.Errorf("receipt after the restart: %+v", now)
			}
			equal(t, "bob's log", bob.log(true), []string{"first", "last words"})
		}
	})
}

// "it will go out now, when the network is back"
func TestSendOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		alice.end.SetOnline(false)
		synctest.Wait()
		texts := lines(30)
		var receipts []*causeway.Receipt
		for _, text := range texts {
			receipts = append(receipts, alice.send(text))
		}
		time.Sleep(5 * time.Hour) // no patience runs out meanwhile (rule P6)
		for _, r := range receipts {
			if now := alice.now(r); now.Level != causeway.Queued || now.Undelivered {
				t.Fatalf("offline: %+v", now)
			}
		}
		alice.end.SetOnline(true)
		for _, r := range receipts {
			waitFor(t, r, causeway.SeenByAll)
		}
		equal(t, "bob's log", bob.log(true), texts)
	})
}

// "Without one the node is offline." It works, and a node with a transport sends
// what it wrote.
func TestSendWithoutTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		bob := w.start("bob")
		var network *loopback.Endpoint
		alice := w.start("alice", func(m *member) { network, m.options.Transport = m.end, nil })
		receipt := alice.send("hello?")
		time.Sleep(time.Hour)
		if s, err := alice.node.Status(t.Context()); err != nil || s.Online || alice.status().Online {
			t.Errorf("online without a transport: %+v, %v", s, err)
		}
		alice.options.Transport = network
		alice.restart()
		waitFor(t, alice.ch.Receipt(receipt.ID()), causeway.SeenByAll)
		equal(t, "bob's log", bob.log(true), []string{"hello?"})
	})
}

// "Ephemeral messages are delivered to whoever is there: they take no place in
// the log and are neither acknowledged nor repaired." "An ephemeral message ...
// has no receipt: the error wraps store.ErrNotFound."
func TestSendEphemeral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		until(t, time.Minute, "alice is online", func() bool { return alice.status().Online })
		receipt, err := alice.ch.Send(t.Context(), []byte("typing"), causeway.SendOptions{Ephemeral: true})
		check(t, err)
		_, err = receipt.Now(t.Context())
		checkIs(t, "Now", err, store.ErrNotFound)
		_, err = receipt.Wait(t.Context())
		checkIs(t, "Wait", err, store.ErrNotFound)
		synctest.Wait()
		events := bob.events()
		if len(events) != 1 || events[0].Message == nil {
			t.Fatalf("bob's events: %+v", events)
		}
		m := events[0].Message
		if string(m.Content) != "typing" || !m.Ephemeral || m.Sender != "alice" || m.Own || m.ID != receipt.ID() || m.Position != 0 {
			t.Errorf("%v: %+v", events[0].Kind, m)
		}
		_, err = bob.ch.Message(t.Context(), receipt.ID())
		checkIs(t, "bob's Message", err, store.ErrNotFound)
		if alice.digest().Count+bob.digest().Count != 0 {
			t.Error("it is in a log")
		}
	})
}

// Ephemeral messages that nobody could hear are not kept for later: they are for
// "whoever is there".
func TestSendEphemeralUnheard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice := w.start("alice")
		_, err := alice.ch.Send(t.Context(), []byte("typing"), causeway.SendOptions{Ephemeral: true})
		check(t, err)
		time.Sleep(time.Minute)
		bob := w.start("bob")
		waitFor(t, alice.send("said"), causeway.SeenByAll)
		time.Sleep(time.Hour)
		for _, e := range bob.events() {
			if e.Message != nil && e.Message.Ephemeral {
				t.Errorf("an ephemeral message came when it was over: %+v", e)
			}
		}
	})
}

// Own messages stand in the log in the order of the calls of Send, everywhere.
func TestSendOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 3, MaxDelay: time.Second}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		texts := lines(200)
		var last *causeway.Receipt
		for _, text := range texts {
			last = alice.send(text)
		}
		equal(t, "alice's log", alice.log(true), texts)
		waitFor(t, last, causeway.SeenByAll)
		equal(t, "bob's log", bob.log(true), texts)
		equal(t, "bob's log by place", bob.log(false), texts)
	})
}

// On a network that neither loses nor reorders, nothing is ever found missing:
// the node hands its packets over in their order.
func TestSendInOrderOnTheNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		time.Sleep(time.Minute)
		texts := lines(300)
		for i, text := range texts {
			alice.send(text)
			if i%50 == 49 {
				time.Sleep(time.Minute)
			}
		}
		equal(t, "bob's log", bob.log(true), texts)
		if m := bob.node.Metrics(); m.GapsFound != 0 {
			t.Errorf("%d of %d messages were found missing", m.GapsFound, len(texts))
		}
	})
}

// Concurrent calls of Send: each goroutine's messages keep their order.
func TestSendConcurrently(t *testing.T) {
	w := newWorld(t, loopback.Options{}, "alice", "bob")
	alice, bob := w.start("alice"), w.start("bob")
	var wg sync.WaitGroup
	for _, who := range []string{"a", "b", "c", "d"} {
		wg.Go(func() {
			for i := range 50 {
				alice.send(fmt.Sprintf("%s%03d", who, i))
			}
		})
	}
	wg.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	delivered := 0
	for e, err := range bob.node.Events(ctx, 0) {
		check(t, err)
		if e.Kind == causeway.EventDelivered {
			delivered++
		}
		if delivered == 200 {
			break
		}
	}
	all := bob.log(true)
	equal(t, "bob's log", all, alice.log(true))
	for _, who := range []string{"a", "b", "c", "d"} {
		own := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return !strings.HasPrefix(s, who) })
		if len(own) != 50 || !slices.IsSorted(own) {
			t.Errorf("messages of %s: %v", who, own)
		}
	}
}

// A message that the transport never takes stands in nobody's way.
func TestSendTooLargeForTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{MaxPayload: 10_000}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		large := alice.send(string(bytes.Repeat([]byte("x"), 20_000)))
		small := alice.send("small")
		until(t, time.Minute, "the small one is delivered", func() bool { return slices.Contains(bob.log(true), "small") })
		time.Sleep(time.Hour)
		if now := alice.now(large); now.Level != causeway.Queued || !now.Undelivered {
			t.Errorf("the large one: %+v", now)
		}
		if now := alice.now(small); now.Level < causeway.Seen {
			t.Errorf("the small one: %+v", now)
		}
		if m := alice.node.Metrics(); m.Failed[sds.ClassContent] == 0 {
			t.Errorf("no failure is counted: %v", m.Failed)
		}
	})
}
