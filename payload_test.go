//go:build go1.25

package causeway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/segment"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// noise is content that no part of looks like another.
func noise(seed uint64, size int) []byte {
	b := make([]byte, size)
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	source.Read(b)
	return b
}

// cutting makes a member cut into small segments.
func cutting(segments causeway.Segments, parity float64) func(*member) {
	return func(m *member) {
		m.config.Profile.Segments, m.config.Profile.SegmentSize, m.config.Profile.ParityRate = segments, 320, parity // 192 of payload
	}
}

func (m *member) sendBytes(content []byte, want causeway.Want) *causeway.Receipt {
	m.w.t.Helper()
	r, err := m.ch.Send(m.w.t.Context(), content, causeway.SendOptions{Want: want})
	check(m.w.t, err)
	return r
}

// kinds returns what an application was told of content: the kind and what it is.
func (m *member) told() (all []string) {
	m.w.t.Helper()
	for _, e := range m.events() {
		switch e.Kind {
		case causeway.EventArrived, causeway.EventDelivered:
			all = append(all, fmt.Sprintf("%v %d bytes in %d", e.Kind, len(e.Message.Content), e.Message.Segments))
		case causeway.EventProgress:
			all = append(all, fmt.Sprintf("%d of %d", e.Progress.Held, e.Progress.Of))
		}
	}
	return all
}

// spec R140, R141, R143: a payload that is too large for one message comes whole,
// as one message, whatever gets lost, with one receipt.
func TestLargePayload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 3, Loss: 0.2, MinDelay: 10 * time.Millisecond, MaxDelay: 400 * time.Millisecond}, "alice", "bob", "carol")
		alice, bob, carol := w.start("alice", cutting(0, 0)), w.start("bob", cutting(0, 0)), w.start("carol", cutting(0, 0))
		large := noise(1, 5000) // 27 data segments
		alice.send("before")
		r := alice.sendBytes(large, causeway.Everyone)
		alice.send("after")
		now := waitFor(t, r, causeway.SeenByAll)
		if now.Seen != 2 || now.Of != 2 || !slices.Equal(now.Persons, []causeway.PersonID{"bob", "carol"}) {
			t.Errorf("receipt %+v", now)
		}
		until(t, time.Minute, "all logs are equal", func() bool { return alice.digest() == bob.digest() && bob.digest() == carol.digest() })
		for _, m := range []*member{alice, bob, carol} {
			for _, byPosition := range []bool{true, false} {
				equal(t, "log", m.log(byPosition), []string{"before", string(large), "after"})
			}
			one, err := m.ch.Message(t.Context(), r.ID())
			if err != nil || !bytes.Equal(one.Content, large) || one.Segments != 27 || one.Part || one.Own != (m == alice) {
				t.Errorf("message: %d bytes, %+v, %v", len(one.Content), one.Segments, err)
			}
			var delivered []string
			for _, e := range m.events() {
				if e.Kind == causeway.EventDelivered {
					delivered = append(delivered, string(e.Message.Content))
				}
			}
			equal(t, "delivered", delivered, []string{"before", string(large), "after"})
		}
		levels := []causeway.Level{}
		for _, e := range alice.events() {
			if e.Kind == causeway.EventReceipt && e.ID == r.ID() {
				levels = append(levels, e.Receipt.Level)
			}
		}
		if !slices.IsSorted(levels) || levels[len(levels)-1] != causeway.SeenByAll || len(levels) > 6 {
			t.Errorf("levels %v", levels)
		}
		if len(now.Transitions) == 0 || now.Transitions[0].Level != causeway.Queued {
			t.Errorf("transitions %+v", now.Transitions)
		}
		for _, m := range now.Transitions {
			if m.At.IsZero() {
				t.Errorf("transitions %+v", now.Transitions)
			}
		}
	})
}

// A payload of 25 MB goes through a store of its own and comes out again.
func TestLargestPayload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 3, Loss: 0.02}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		large := noise(2, 25e6)
		r := alice.sendBytes(large, causeway.Everyone)
		waitFor(t, r, causeway.SeenByAll)
		page, _, err := bob.ch.Messages(t.Context(), causeway.Log{})
		check(t, err)
		if len(page) != 1 || !bytes.Equal(page[0].Content, large) || page[0].Segments != 245 {
			t.Errorf("%d messages", len(page))
		}
	})
}

// spec R141: nobody has a payload who lacks a part of it.
func TestNobodyHasHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 3}, "alice", "bob", "carol")
		alice, bob := w.start("alice", cutting(0, 0)), w.start("bob", cutting(0, 0))
		w.start("carol", cutting(0, 0))
		time.Sleep(time.Minute)
		// Bob never gets the third packet of content, by whomever.
		var third []byte
		n := 0
		w.network.SetFilter(func(from, to string, e transport.Envelope) bool {
			m := decoded(e)
			if from == "alice" && len(m.Content) > 0 && !e.Ephemeral && to == "bob" {
				if n++; n == 3 {
					third = []byte(m.MessageID)
				}
			}
			return to == "bob" && third != nil && string(m.MessageID) == string(third)
		})
		r := alice.sendBytes(noise(1, 1000), causeway.Everyone)
		now := waitFor(t, r, causeway.Seen)
		time.Sleep(10 * time.Minute) // bob has given the part up for now, and says what follows it
		if now = alice.now(r); now.Level != causeway.Seen || now.Seen != 1 {
			t.Errorf("without bob: %+v", now)
		}
		if got := bob.log(true); len(got) != 0 {
			t.Errorf("bob has %d messages", len(got))
		}
		alice.restart() // what was known of the parts is known again
		if now = alice.now(alice.ch.Receipt(r.ID())); now.Level != causeway.Seen || now.Seen != 1 {
			t.Errorf("after a restart: %+v", now)
		}
		w.network.SetFilter(nil)
		alice.send("go on")
		waitFor(t, alice.ch.Receipt(r.ID()), causeway.SeenByAll)
		until(t, time.Hour, "bob has it", func() bool { return len(bob.log(true)) == 2 })
	})
}

// spec R142: of what carries parity, any parts do.
func TestParity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 3}, "alice", "bob")
		alice, bob := w.start("alice", cutting(0, 0.5)), w.start("bob", cutting(0, 0.5))
		time.Sleep(time.Minute)
		n := 0
		w.network.SetFilter(func(from, to string, e transport.Envelope) bool {
			if from == "alice" && len(decoded(e).Content) > 0 {
				n++
				return n == 2 || n == 6 // of 6 data and 3 parity segments; the last data segment too
			}
			return false
		})
		large := noise(1, 1100)
		alice.sendBytes(large, causeway.AtLeastOne)
		synctest.Wait()
		equal(t, "at once", bob.told(), []string{"1 of 6", "2 of 6", "3 of 6", "4 of 6", "5 of 6", "6 of 6", "arrived 1100 bytes in 9"})
		until(t, time.Minute, "it has its place", func() bool { return slices.Contains(bob.told(), "delivered 1100 bytes in 9") })
		until(t, time.Minute, "the logs are equal", func() bool { return alice.digest() == bob.digest() })
		equal(t, "bob's log", bob.log(true), []string{string(large)})
	})
}

// Parts are kept over restarts, and in any order.
func TestPartsSurviveRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 3, Loss: 0.5, MinDelay: time.Millisecond, MaxDelay: 3 * time.Second}, "alice", "bob")
		alice, bob := w.start("alice", cutting(0, 0.2)), w.start("bob", cutting(0, 0.2))
		large := noise(1, 2000)
		r := alice.sendBytes(large, causeway.Everyone)
		for range 30 {
			time.Sleep(time.Second)
			bob.restart()
			alice.restart()
		}
		check(t, w.network.SetLoss(0))
		until(t, time.Hour, "the logs are equal", func() bool { return alice.digest() == bob.digest() && len(bob.log(true)) == 1 })
		equal(t, "bob's log", bob.log(true), []string{string(large)})
		waitFor(t, alice.ch.Receipt(r.ID()), causeway.SeenByAll)
		delivered := 0
		for _, line := range bob.told() {
			if line == "delivered 2000 bytes in 14" {
				delivered++
			}
		}
		if delivered != 1 {
			t.Errorf("told: %v", bob.told())
		}
	})
}

// The same payload twice is two messages.
func TestSamePayloadTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 3, Loss: 0.1}, "alice", "bob")
		alice, bob := w.start("alice", cutting(0, 0.5)), w.start("bob", cutting(0, 0.5))
		large := noise(1, 700)
		for range 3 {
			alice.sendBytes(large, causeway.AtLeastOne)
			time.Sleep(time.Minute)
		}
		until(t, time.Hour, "bob has three", func() bool { return len(bob.log(true)) == 3 })
		if bob.log(true)[2] != string(large) {
			t.Error("the third is another")
		}
	})
}

// Whether a payload is wrapped or not, and whatever it looks like, it comes as it
// was: spec R140.
func TestWhatLooksCut(t *testing.T) {
	parts, err := segment.Split(noise(1, 1000), segment.Config{SegmentSize: 320})
	check(t, err)
	single, err := segment.Split([]byte("hello"), segment.Config{SegmentSize: 320})
	check(t, err)
	for _, segments := range []causeway.Segments{causeway.SegmentsLarge, causeway.SegmentsAll, causeway.SegmentsNone} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, loopback.Options{Seed: 3}, "alice", "bob")
			alice, bob := w.start("alice", cutting(segments, 0)), w.start("bob", cutting(segments, 0))
			want := []string{string(parts[1][:200]), string(single[0]), "\x0a\x20", "hello", string(single[0][:30]), string(noise(3, 320))}
			for _, text := range want {
				alice.send(text)
			}
			until(t, time.Minute, "all are there", func() bool { return len(bob.log(true)) == len(want) })
			equal(t, "log", bob.log(true), want)
		})
	}
}

// spec R144: one who fills the room for what is incomplete loses its own, and
// costs nobody else anything.
func TestFloodOfHalves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 3}, "alice", "bob", "eve")
		alice, bob, eve := w.start("alice", cutting(0, 0)), w.start("bob", cutting(0, 0)), w.start("eve", cutting(causeway.SegmentsNone, 0))
		held := 0
		w.network.SetFilter(func(from, to string, e transport.Envelope) bool { // alice's last part has to wait
			if m := decoded(e); from == "alice" && to == "bob" && len(m.Content) > 0 {
				held++
				return held == 4
			}
			return false
		})
		large := noise(1, 700)
		alice.sendBytes(large, causeway.AtLeastOne)
		synctest.Wait()
		for i := range 300 {
			parts, err := segment.Split(noise(uint64(1000+i), 1000), segment.Config{SegmentSize: 320})
			check(t, err)
			eve.send(string(parts[i%3]))
		}
		until(t, time.Minute, "alice's payload is there", func() bool { return len(bob.log(true)) == 1 })
		equal(t, "bob's log", bob.log(true), []string{string(large)})
		synctest.Wait()
		time.Sleep(time.Minute)
		dropped := 0
		for _, e := range bob.events() {
			if e.Kind == causeway.EventProgress && e.Progress.Dropped {
				if dropped++; e.Progress.Sender != "eve" {
					t.Errorf("dropped what %s sent", e.Progress.Sender)
				}
			}
		}
		if dropped < 190 {
			t.Errorf("%d dropped", dropped)
		}
	})
}

// spec R145: parts that do not make what they claim are no payload, and are said to
// be none.
func TestDamagedPayload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 3}, "bob", "eve")
		bob, eve := w.start("bob", cutting(0, 0)), w.start("eve", cutting(causeway.SegmentsNone, 0))
		parts, err := segment.Split(noise(1, 1000), segment.Config{SegmentSize: 320})
		check(t, err)
		parts[2][len(parts[2])-1] ^= 1
		for _, p := range parts {
			eve.send(string(p))
		}
		eve.send("well")
		until(t, time.Minute, "all is there", func() bool { return len(bob.log(true)) == 2 })
		page, _, err := bob.ch.Messages(t.Context(), causeway.Log{})
		check(t, err)
		if !page[0].Damaged || page[0].Content != nil || page[1].Damaged || string(page[1].Content) != "well" {
			t.Errorf("%+v", page)
		}
		for _, e := range bob.events() {
			if e.Kind == causeway.EventDelivered && e.Message.Damaged != (e.Message.Segments > 0) {
				t.Errorf("event %+v", e.Message)
			}
		}
	})
}

// What a channel keeps of payloads goes with it.
func TestLeaveForgetsPayloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 3}, "alice", "bob")
		alice := w.start("alice", cutting(0, 0))
		r := alice.sendBytes(noise(1, 1000), causeway.AtLeastOne)
		check(t, alice.ch.Leave(t.Context(), true))
		var err error
		alice.ch, err = alice.node.Join(t.Context(), alice.config)
		check(t, err)
		if _, err := alice.ch.Receipt(r.ID()).Now(t.Context()); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("error %v", err)
		}
		alice.sendBytes(noise(1, 1000), causeway.AtLeastOne)
		if n := len(alice.log(true)); n != 1 {
			t.Errorf("%d messages", n)
		}
	})
}

// Nobody else's part gets into a payload: spec R142.
func TestPoisonedPayload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 3}, "alice", "bob", "eve")
		alice, bob, eve := w.start("alice", cutting(0, 0)), w.start("bob", cutting(0, 0)), w.start("eve", cutting(causeway.SegmentsNone, 0))
		large := noise(1, 700)
		parts, err := segment.Split(large, segment.Config{SegmentSize: 320})
		check(t, err)
		for _, p := range parts[:3] { // she knows what alice will say
			p[len(p)-1] ^= 1
			eve.send(string(p))
		}
		synctest.Wait()
		alice.sendBytes(large, causeway.AtLeastOne)
		until(t, time.Minute, "bob has it", func() bool { return len(bob.log(true)) == 1 })
		equal(t, "bob's log", bob.log(true), []string{string(large)})
	})
}

// A payload that everybody has is not followed any more, and no receipt is told of a
// part.
func TestPayloadIsFollowedToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 3}, "alice", "bob")
		alice := w.start("alice", cutting(0, 0.5))
		followed := func() (slots []uint64) {
			b, err := alice.options.Store.Value(t.Context(), store.ChannelKey(tea, "parts"))
			check(t, err)
			check(t, json.Unmarshal(b, &slots))
			return slots
		}
		r := alice.sendBytes(noise(0, 700), causeway.Everyone)
		if n := len(followed()); n != 1 {
			t.Errorf("%d are followed", n)
		}
		alice.restart()
		w.start("bob", cutting(0, 0.5))
		now := waitFor(t, alice.ch.Receipt(r.ID()), causeway.SeenByAll)
		until(t, time.Minute, "nothing is followed", func() bool { return len(followed()) == 0 })
		for _, e := range alice.events() {
			if e.Kind == causeway.EventReceipt && e.ID != r.ID() {
				t.Errorf("a receipt of %s, which is no message", e.ID)
			}
		}
		if now.Seen != 1 {
			t.Errorf("receipt %+v", now)
		}
	})
}

// A witness is told of a payload once, when its last data segment leaves.
func TestWitnessOfPayload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 3}, "alice", "bob")
		o := &told{}
		alice := w.start("alice", cutting(0, 0.5), func(m *member) { m.options.Observer = o })
		time.Sleep(time.Minute)
		o.take()
		r := alice.sendBytes(noise(1, 700), causeway.AtLeastOne)
		synctest.Wait()
		published := 0
		for _, line := range o.take() {
			if strings.HasPrefix(line, "published") {
				if published++; !strings.Contains(line, string(r.ID())) {
					t.Errorf("told of a part: %s", line)
				}
			}
		}
		if published != 1 {
			t.Errorf("told %d times", published)
		}
	})
}
