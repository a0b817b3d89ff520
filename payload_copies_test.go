//go:build go1.25

package causeway_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/segment"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// The same payload twice is two messages, also to one who gets the second before
// the first has its place: spec R142.
func TestSamePayloadTwiceWhileOneWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 3}, "alice", "bob")
		alice, bob := w.start("alice", cutting(0, 0)), w.start("bob", cutting(0, 0))
		time.Sleep(time.Minute)
		first := true
		w.network.SetFilter(func(from, to string, e transport.Envelope) bool {
			drop := first && from == "alice" && len(decoded(e).Content) > 0
			first = first && !drop
			return drop
		})
		alice.send("before")
		large := noise(1, 700)
		one, two := alice.sendBytes(large, causeway.Everyone), alice.sendBytes(large, causeway.Everyone)
		alice.send("after")
		until(t, time.Hour, "the logs are equal", func() bool { return alice.digest() == bob.digest() })
		sizes := func() (sizes []int) {
			for _, text := range bob.log(true) {
				sizes = append(sizes, len(text))
			}
			return sizes
		}
		equal(t, "sizes in bob's log", sizes(), []int{6, 700, 700, 5})
		var delivered []sds.MessageID
		for _, e := range bob.events() {
			if e.Kind == causeway.EventDelivered && e.Message.Segments > 0 {
				delivered = append(delivered, e.ID)
			}
		}
		equal(t, "delivered", delivered, []sds.MessageID{one.ID(), two.ID()})
		bob.restart()
		alice.sendBytes(large, causeway.Everyone)
		until(t, time.Hour, "the third is there", func() bool { return slices.Equal(sizes(), []int{6, 700, 700, 5, 700}) })
	})
}

// Whoever reads events holds no more of their content at once than one page may
// have, however many large payloads there are.
func TestEventsOfLargePayloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 3}, "alice")
		alice := w.start("alice")
		const count, size = 6, 4 << 20
		for i := range count {
			alice.sendBytes(noise(uint64(i), size), causeway.AtLeastOne)
		}
		page, err := alice.node.ReadEvents(t.Context(), 0, 1000)
		check(t, err)
		bytes := 0
		for _, e := range page {
			if e.Message != nil {
				bytes += len(e.Message.Content)
			}
		}
		if bytes == 0 || bytes >= count*size {
			t.Errorf("a page has %d bytes of content", bytes)
		}
		delivered := 0
		for _, e := range alice.events() {
			if e.Kind == causeway.EventDelivered && len(e.Message.Content) == size {
				delivered++
			}
		}
		if delivered != count {
			t.Errorf("%d of %d were told of", delivered, count)
		}
	})
}

// Messages that somebody has make room for a payload, as they do for a message: where
// one member is away for good none of them is ever done.
func TestRoomForPayload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 3}, "alice", "bob", "carol")
		alice, bob := w.start("alice", cutting(0, 0)), w.start("bob", cutting(0, 0))
		for i := range sds.MaxOutgoing - 1 {
			alice.send("x")
			if i%1000 == 0 {
				time.Sleep(time.Second)
			}
		}
		last := alice.send("last")
		waitFor(t, last, causeway.Seen)
		until(t, time.Minute, "bob has all", func() bool { return bob.status().Messages == sds.MaxOutgoing })
		if n := alice.status().Unacknowledged; n != sds.MaxOutgoing {
			t.Fatalf("%d are tracked", n)
		}
		r := alice.sendBytes(noise(1, 2000), causeway.AtLeastOne)
		waitFor(t, r, causeway.Reached)
		alice.send("and another")
	})
}

// What replaces something is one message, also where every payload is wrapped and has
// parity.
func TestReplaceWhereAllIsWrapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 3}, "alice", "bob")
		how := cutting(causeway.SegmentsAll, 0.5)
		alice, bob := w.start("alice", how), w.start("bob", how)
		first := alice.replace("on", "heart")
		waitFor(t, first, causeway.SeenByAll)
		second := alice.replace("off", "heart")
		waitFor(t, second, causeway.SeenByAll)
		equal(t, "bob's log", bob.log(true), []string{"on", "off"})
		_, err := alice.ch.Send(t.Context(), noise(1, 400), causeway.SendOptions{Replace: "heart"})
		checkIs(t, "a large one", err, causeway.ErrOptions)
	})
}

// An ephemeral message stays one, also where every payload is wrapped and has parity.
func TestEphemeralWhereAllIsWrapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 3}, "alice", "bob")
		how := cutting(causeway.SegmentsAll, 0.5)
		alice, bob := w.start("alice", how), w.start("bob", how)
		time.Sleep(time.Minute)
		_, err := alice.ch.Send(t.Context(), []byte("typing"), causeway.SendOptions{Ephemeral: true})
		check(t, err)
		synctest.Wait()
		if n, k := alice.digest().Count, bob.digest().Count; n+k > 0 {
			t.Errorf("%d messages in alice's log, %d in bob's", n, k)
		}
		var told []string
		for _, e := range bob.events() {
			if e.Message != nil && e.Message.Ephemeral {
				told = append(told, string(e.Message.Content))
			}
		}
		equal(t, "bob is told", told, []string{"typing"})
		_, err = alice.ch.Send(t.Context(), noise(1, 300), causeway.SendOptions{Ephemeral: true}) // of 192 bytes it would be one
		checkIs(t, "a large one", err, sds.ErrContentTooLarge)
		if !strings.Contains(err.Error(), "300 bytes, at most 192") {
			t.Errorf("error %v", err)
		}
	})
}

// Where ids are made of content alone, a payload that was sent once is a duplicate for
// ever, as a message is.
func TestPayloadOfJSAgain(t *testing.T) {
	for _, size := range []int{100, 700} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, loopback.Options{Seed: 3}, "alice", "bob")
			js := func(m *member) {
				m.config.Profile = causeway.ProfileJS
				m.config.Profile.Window = 16
				cutting(causeway.SegmentsAll, 0)(m)
			}
			alice, bob := w.start("alice", js), w.start("bob", js)
			waitFor(t, alice.sendBytes(noise(1, size), causeway.Everyone), causeway.Reached)
			for _, text := range lines(40) {
				waitFor(t, alice.send(text), causeway.Reached)
			}
			time.Sleep(time.Minute)
			_, err := alice.ch.Send(t.Context(), noise(1, size), causeway.SendOptions{})
			checkIs(t, "again", err, sds.ErrDuplicateContent)
			if n, k := len(alice.log(true)), len(bob.log(true)); n != 41 || k != 41 {
				t.Errorf("%d and %d messages", n, k)
			}
		})
	}
}

// A witness is told of no part, also when one of parity goes out again after everybody
// has the payload.
func TestWitnessOfLateParity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 3}, "alice", "bob")
		o := &told{}
		alice := w.start("alice", cutting(0, 1), func(m *member) { m.options.Observer = o })
		w.start("bob", cutting(0, 1))
		time.Sleep(time.Minute)
		again := 0
		w.network.SetFilter(func(from, to string, e transport.Envelope) bool {
			x, err := segment.Decode(decoded(e).Content, segment.Config{SegmentSize: 320})
			late := err == nil && x.Parity && from == "alice"
			if late {
				again++
			}
			return late
		})
		o.take()
		r := alice.sendBytes(noise(1, 350), causeway.Everyone) // two of each
		waitFor(t, r, causeway.SeenByAll)
		time.Sleep(10 * time.Minute)
		for _, line := range o.take() {
			if strings.HasPrefix(line, "published") && !strings.Contains(line, string(r.ID())) {
				t.Errorf("told of %s", line)
			}
		}
		if again < 4 {
			t.Errorf("parity left %d times", again)
		}
	})
}
