//go:build go1.25

package causeway_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// follow reads n events after a cursor and breaks out of the loop.
func follow(t *testing.T, m *member, after causeway.Cursor, n int) (events []causeway.Event) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for e, err := range m.node.Events(ctx, after) {
		if err != nil {
			t.Fatalf("after %d events: %v", len(events), err)
		}
		events = append(events, e)
		if len(events) == n {
			break
		}
	}
	return events
}

func cursors(events []causeway.Event) (all []causeway.Cursor) {
	for _, e := range events {
		all = append(all, e.Cursor)
	}
	return all
}

// deliveries are what the events say was delivered, in order.
func deliveries(events []causeway.Event) (texts []string) {
	for _, e := range events {
		if e.Kind == causeway.EventDelivered {
			texts = append(texts, string(e.Message.Content))
		}
	}
	return texts
}

// "A consumer that keeps the cursor of the last event that it has dealt with
// misses none and, but for that one, sees none twice, across restarts"; "over
// all channels".
func TestEventsResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1, Loss: 0.1, MaxDelay: time.Second}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		coffee := alice.config
		coffee.Channel = "coffee"
		second, err := alice.node.Join(t.Context(), coffee)
		check(t, err)
		var seen []causeway.Event
		var after causeway.Cursor
		step := func(n int) {
			part := follow(t, alice, after, n)
			after = part[len(part)-1].Cursor
			seen = append(seen, part...)
		}
		for i := range 10 {
			alice.send(fmt.Sprint("tea ", i))
			bob.send(fmt.Sprint("bob's tea ", i))
			_, err = second.Send(t.Context(), fmt.Append(nil, "coffee ", i), causeway.SendOptions{})
			check(t, err)
			step(2)
			time.Sleep(10 * time.Second)
			if i == 5 {
				alice.restart()
				second, err = alice.node.Join(t.Context(), coffee)
				check(t, err)
			}
		}
		time.Sleep(time.Hour)
		_, newest, err := alice.node.Cursors(t.Context())
		check(t, err)
		for after < newest {
			step(1)
		}
		all := alice.events()
		equal(t, "cursors", cursors(seen), cursors(all))
		of := map[causeway.ChannelID]int{}
		for i, e := range all {
			if e.Kind == causeway.EventDelivered {
				of[e.Channel]++
			}
			if seen[i].Kind != e.Kind || seen[i].ID != e.ID || seen[i].Channel != e.Channel || !seen[i].At.Equal(e.At) {
				t.Errorf("followed %+v, read %+v", seen[i], e)
			}
		}
		if of[tea] != 20 || of["coffee"] != 10 {
			t.Errorf("deliveries: %v", of)
		}
	})
}

// "Events is like Node.Events, for one channel. The cursors are the same."
func TestEventsOfOneChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice")
		alice := w.start("alice")
		coffee := alice.config
		coffee.Channel = "coffee"
		second, err := alice.node.Join(t.Context(), coffee)
		check(t, err)
		for _, text := range lines(20) {
			alice.send(text)
			_, err := second.Send(t.Context(), []byte(text), causeway.SendOptions{})
			check(t, err)
		}
		synctest.Wait()
		var want []causeway.Cursor
		for _, e := range alice.events() {
			if e.Channel == "coffee" {
				want = append(want, e.Cursor)
			}
		}
		var got, read []causeway.Cursor
		for e, err := range second.Events(t.Context(), 0) {
			check(t, err)
			if got = append(got, e.Cursor); len(got) == len(want) {
				break
			}
		}
		equal(t, "followed", got, want)
		for after := causeway.Cursor(0); ; after = read[len(read)-1] {
			page, err := second.ReadEvents(t.Context(), after, 7)
			check(t, err)
			if read = append(read, cursors(page)...); len(page) == 0 {
				break
			}
		}
		equal(t, "read", read, want)
	})
}

// "The consumer may take its time: events wait in the store, and nobody waits
// for the consumer." "It yields what is there, then waits for more, until ctx
// ends".
func TestEventsSlowConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		var slow []string
		ended := make(chan error, 1)
		go func() {
			for e, err := range bob.node.Events(ctx, 0) {
				if err != nil {
					ended <- err
					continue
				}
				time.Sleep(time.Hour)
				mu.Lock()
				slow = append(slow, deliveries([]causeway.Event{e})...)
				mu.Unlock()
			}
		}()
		texts := lines(50)
		for _, text := range texts {
			waitFor(t, alice.send(text), causeway.SeenByAll)
		}
		if got := deliveries(follow(t, bob, 0, len(bob.events()))); len(got) != 50 {
			t.Errorf("a second consumer sees %d", len(got))
		}
		time.Sleep(100 * time.Hour)
		mu.Lock()
		equal(t, "slow consumer", slow, texts)
		mu.Unlock()
		cancel()
		checkIs(t, "the end", <-ended, context.Canceled)
	})
}

// An iterator may use the node from its body, and breaking out leaves nothing
// behind.
func TestEventsBodyUsesNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice")
		alice := w.start("alice")
		alice.send("0")
		for e, err := range alice.node.Events(t.Context(), 0) {
			check(t, err)
			if e.Kind != causeway.EventDelivered {
				continue
			}
			if e.Message.Position == 10 {
				break
			}
			alice.send(fmt.Sprint(e.Message.Position))
			alice.status()
		}
		if n := alice.digest().Count; n != 10 {
			t.Errorf("%d messages", n)
		}
	})
}

// "ErrCursorForgotten: events after this cursor have been forgotten."; Cursors:
// "the oldest cursor that Events can go on from without missing an event, and the
// newest"; "KeepEvents is how many events the event log holds at least".
func TestEventsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice")
		alice := w.start("alice", func(m *member) { m.options.KeepEvents = 50 })
		oldest, newest, err := alice.node.Cursors(t.Context())
		if err != nil || oldest != 0 || newest != 0 {
			t.Errorf("cursors of an empty log: %d, %d, %v", oldest, newest, err)
		}
		for _, text := range lines(1000) {
			alice.send(text)
		}
		time.Sleep(time.Hour) // until nothing happens any more
		for range 2 {
			oldest, newest, err = alice.node.Cursors(t.Context())
			check(t, err)
			if oldest == 0 || newest-oldest < 50 {
				t.Fatalf("cursors %d to %d", oldest, newest)
			}
			_, err = alice.node.ReadEvents(t.Context(), oldest-1, 10)
			checkIs(t, "ReadEvents", err, causeway.ErrCursorForgotten)
			_, err = alice.ch.ReadEvents(t.Context(), oldest-1, 10)
			checkIs(t, "Channel.ReadEvents", err, causeway.ErrCursorForgotten)
			for _, err := range alice.node.Events(t.Context(), oldest-1) {
				checkIs(t, "Events", err, causeway.ErrCursorForgotten)
				break
			}
			_, err = alice.ch.ReadEvents(t.Context(), 0, 10)
			checkIs(t, "ReadEvents from the beginning", err, causeway.ErrCursorForgotten)
			events := follow(t, alice, oldest, int(newest-oldest))
			if events[0].Cursor != oldest+1 || events[len(events)-1].Cursor != newest {
				t.Errorf("events from %d to %d, want above %d to %d", events[0].Cursor, events[len(events)-1].Cursor, oldest, newest)
			}
			alice.restart()
			time.Sleep(time.Hour)
		}
		if alice.digest().Count != 1000 {
			t.Error("the log forgot messages")
		}
	})
}

// "ReadEvents returns events after a cursor, oldest first, at most limit (1 to
// 1000), without waiting."
func TestReadEventsLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice")
		alice := w.start("alice")
		for _, text := range lines(600) { // each is delivered and sent: two events
			alice.send(text)
		}
		synctest.Wait()
		_, newest, err := alice.node.Cursors(t.Context())
		check(t, err)
		for _, limit := range []int{1, 2, 999, 1000} {
			page, err := alice.node.ReadEvents(t.Context(), 0, limit)
			if err != nil || len(page) != min(limit, int(newest)) || page[0].Cursor != 1 {
				t.Errorf("limit %d: %d events, %v", limit, len(page), err)
			}
		}
		for _, limit := range []int{-1, 0, 1001} {
			_, err := alice.node.ReadEvents(t.Context(), 0, limit)
			checkIs(t, fmt.Sprint("limit ", limit), err, causeway.ErrOptions)
		}
		if page, err := alice.node.ReadEvents(t.Context(), newest, 10); err != nil || len(page) != 0 {
			t.Errorf("at the end: %v, %v", page, err)
		}
		if page, err := alice.node.ReadEvents(t.Context(), newest+1000, 10); err != nil || len(page) != 0 {
			t.Errorf("beyond the end: %v, %v", page, err)
		}
	})
}

// "Everything in it is durable": an event shows the message with all that is
// known of it, the same after a restart.
func TestEventsHoldContents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		time.Sleep(1234 * time.Millisecond)
		receipt := alice.send("hello")
		waitFor(t, receipt, causeway.SeenByAll)
		for _, m := range []*member{alice, bob, alice} {
			delivered := false
			for _, e := range m.events() {
				if e.Kind != causeway.EventDelivered {
					continue
				}
				delivered = true
				own := m.config.Participant == "alice"
				if e.ID != receipt.ID() || e.Message.ID != e.ID || string(e.Message.Content) != "hello" || e.Message.Sender != "alice" ||
					e.Message.Own != own || e.Message.Position != 1 || e.Message.Lamport == 0 || e.Message.Late || e.Receipt != nil || e.Gap != nil {
					t.Errorf("%+v %+v", e, e.Message)
				}
				if at := time.Date(2000, 1, 1, 0, 0, 1, 234e6, time.UTC); !e.At.Equal(at) {
					t.Errorf("at %v, want %v", e.At, at)
				}
			}
			if !delivered {
				t.Error("no delivery")
			}
			m.restart()
		}
	})
}

// gapStory is bob's events about two messages, in order, as "kind state".
func gapStory(m *member, names map[causeway.MessageID]string) (story []string) {
	for _, e := range m.events() {
		switch e.Kind {
		case causeway.EventGap:
			story = append(story, fmt.Sprintf("%s %v", names[e.ID], e.Gap.State))
		case causeway.EventArrived, causeway.EventDelivered:
			story = append(story, fmt.Sprintf("%s %v", names[e.ID], e.Kind))
		}
	}
	return story
}

// inOrder checks that the story tells all of this once, and in this order where
// first comes before second.
func inOrder(t *testing.T, story []string, once []string, before ...[2]string) {
	t.Helper()
	sorted := slices.Sorted(slices.Values(story))
	equal(t, fmt.Sprintf("all of %q", story), sorted, slices.Sorted(slices.Values(once)))
	for _, pair := range before {
		if slices.Index(story, pair[0]) > slices.Index(story, pair[1]) {
			t.Errorf("%q is not before %q in %q", pair[0], pair[1], story)
		}
	}
}

// keepBack drops copies of a message to one receiver; how many is up to *n.
func keepBack(w *world, text, receiver string, n int) (lift func()) {
	var mu sync.Mutex
	w.network.SetFilter(func(_, to string, e transport.Envelope) bool {
		mu.Lock()
		defer mu.Unlock()
		if to != receiver || n == 0 || !carries(e, text) {
			return false
		}
		n--
		return true
	})
	return func() { w.network.SetFilter(nil) }
}

// "EventArrived: a message came that has no place in the log yet"; "EventGap: the
// state of a missing message changed"; what a message depends on is delivered
// first.
func TestEventsOfARepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		keepBack(w, "one", "bob", 1)
		alice, bob := w.start("alice"), w.start("bob")
		time.Sleep(time.Minute) // or else bob asks at once, as who comes online does
		names := map[causeway.MessageID]string{alice.send("one").ID(): "one"}
		two := alice.send("two")
		names[two.ID()] = "two"
		synctest.Wait()
		st := bob.status()
		if st.Waiting != 1 || st.Missing != 1 || st.Skipped != 0 || st.Messages != 0 {
			t.Errorf("while it is missing: %+v", st)
		}
		waitFor(t, two, causeway.SeenByAll)
		inOrder(t, gapStory(bob, names), []string{"two arrived", "one missing", "one delivered", "two delivered", "one recovered"},
			[2]string{"two arrived", "one delivered"}, [2]string{"one missing", "one recovered"}, [2]string{"one delivered", "two delivered"})
		arrived := bob.events()[0].Message
		if len(arrived.Missing) != 1 || names[arrived.Missing[0]] != "one" || string(arrived.Content) != "two" || arrived.Position != 0 || arrived.Quarantined {
			t.Errorf("arrived: %+v", arrived)
		}
		if m := bob.node.Metrics(); m.GapsFound != 1 || m.GapsRecovered != 1 || m.GapsLost != 0 {
			t.Errorf("metrics %+v", m)
		}
		if gaps, err := bob.ch.Gaps(t.Context(), "", 10); err != nil || len(gaps) != 0 {
			t.Errorf("gaps %+v, %v", gaps, err)
		}
	})
}

// "GapSkipped: given up for now, and still asked for" after GapAfter; "Late is
// set when messages that depend on this one were delivered before it"; "Gaps are
// dependencies that were given up when it was delivered."
func TestEventsOfAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		lift := keepBack(w, "one", "bob", -1)
		alice := w.start("alice")
		bob := w.start("bob", func(m *member) { m.config.Profile.GapAfter = 20 * time.Second })
		time.Sleep(time.Minute)
		one, two := alice.send("one"), alice.send("two")
		names := map[causeway.MessageID]string{one.ID(): "one", two.ID(): "two"}
		time.Sleep(19 * time.Second)
		equal(t, "waiting", bob.log(true), nil)
		time.Sleep(2 * time.Second)
		equal(t, "delivered without", bob.log(true), []string{"two"})
		gaps, err := bob.ch.Gaps(t.Context(), "", 10)
		if err != nil || len(gaps) != 1 || gaps[0].ID != one.ID() || gaps[0].State != causeway.GapSkipped || gaps[0].Sender != "alice" {
			t.Errorf("gaps %+v, %v", gaps, err)
		}
		m, err := bob.ch.Message(t.Context(), two.ID())
		check(t, err)
		equal(t, "parents", m.Parents, []causeway.MessageID{one.ID()})
		if st := bob.status(); st.Skipped != 1 || st.Waiting != 0 || st.Missing != 0 || st.Messages != 1 {
			t.Errorf("skipped: %+v", st)
		}
		bob.restart()
		lift()
		waitFor(t, one, causeway.SeenByAll)
		inOrder(t, gapStory(bob, names), []string{"two arrived", "one missing", "one skipped", "two delivered", "one delivered", "one recovered"},
			[2]string{"two arrived", "one skipped"}, [2]string{"one missing", "one skipped"}, [2]string{"two delivered", "one delivered"},
			[2]string{"one skipped", "one recovered"})
		for _, e := range bob.events() {
			if e.Kind == causeway.EventDelivered && (e.Message.Late != (e.ID == one.ID()) || len(e.Message.Gaps) != map[bool]int{true: 0, false: 1}[e.Message.Late]) {
				t.Errorf("%+v", e.Message)
			}
		}
		equal(t, "by place", bob.log(false), []string{"one", "two"})
		equal(t, "by position", bob.log(true), []string{"two", "one"})
		if bob.digest() != alice.digest() {
			t.Error("logs differ")
		}
	})
}

// "GapRecovered: it came": as soon as it came, also when it has to wait for
// another one in its turn.
func TestEventsRecoveredWhenItCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		var mu sync.Mutex
		lost := false
		w.network.SetFilter(func(_, to string, e transport.Envelope) bool {
			mu.Lock()
			defer mu.Unlock()
			drop := to == "bob" && (carries(e, "one") || carries(e, "two") && !lost)
			lost = lost || carries(e, "two")
			return drop
		})
		alice, bob := w.start("alice"), w.start("bob")
		time.Sleep(time.Minute)
		alice.send("one")
		two := alice.send("two").ID()
		alice.send("three")
		until(t, 20*time.Second, "two is repaired", func() bool { return bob.status().Waiting == 2 })
		var states []causeway.GapState
		for _, e := range bob.events() {
			if e.Kind == causeway.EventGap && e.ID == two {
				states = append(states, e.Gap.State)
			}
		}
		equal(t, "states of two", states, []causeway.GapState{causeway.GapMissing, causeway.GapRecovered})
		gaps, err := bob.ch.Gaps(t.Context(), "", 10)
		check(t, err)
		for _, gap := range gaps {
			if gap.ID == two {
				t.Errorf("it came, and is listed as %v", gap.State)
			}
		}
		if st := bob.status(); st.Missing != 1 {
			t.Errorf("%d are missing", st.Missing)
		}
	})
}

// "GapLost: no longer asked for; it may still come."
func TestEventsOfALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		keepBack(w, "one", "bob", -1)
		alice := w.start("alice")
		bob := w.start("bob", func(m *member) { m.config.Profile.LostAfter = 5 * time.Minute })
		time.Sleep(time.Minute)
		one, two := alice.send("one"), alice.send("two")
		names := map[causeway.MessageID]string{one.ID(): "one", two.ID(): "two"}
		time.Sleep(10 * time.Minute)
		story := gapStory(bob, names)
		inOrder(t, story, []string{"two arrived", "one missing", "one skipped", "two delivered", "one lost"},
			[2]string{"one skipped", "one lost"})
		if m := bob.node.Metrics(); m.GapsLost != 1 {
			t.Errorf("metrics %+v", m)
		}
		bob.restart()
		gaps, err := bob.ch.Gaps(t.Context(), "", 10)
		if err != nil || len(gaps) != 1 || gaps[0].State != causeway.GapLost {
			t.Errorf("gaps %+v, %v", gaps, err)
		}
		w.network.SetFilter(nil)
		alice.restart() // and an answer comes by itself: nobody asks
		bob.send("hello")
		time.Sleep(24 * time.Hour)
		if log := bob.log(false); slices.Contains(log, "one") && bob.digest() != alice.digest() {
			t.Errorf("it came, and logs differ: %v", log)
		}
	})
}

// raw publishes a message that no node would make.
func raw(t *testing.T, w *world, name string, lamport uint64, text string) causeway.MessageID {
	t.Helper()
	end, err := w.network.Attach("raw " + text)
	check(t, err)
	m := wire.Message{Dialect: wire.LIP, SenderID: causeway.ParticipantID(name), ChannelID: tea, Lamport: lamport, HasLamport: true,
		Content: []byte(text), MessageID: sds.NewMessageID(tea, causeway.ParticipantID(name), lamport, nil, []byte(text))}
	_, err = end.Publish(t.Context(), transport.Envelope{Topic: transport.Topic(tea), Payload: m.Encode()})
	check(t, err)
	end.Close()
	return m.MessageID
}

// "Quarantined is set when its Lamport timestamp is implausible: it takes a place
// when others confirm it or its time comes." "BelowJoin is set when it is older
// than the join point: it never takes a place in this log."
func TestEventsOfOddTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob", "carol")
		begin := uint64(time.Now().UnixMilli())
		bob := w.start("bob", func(m *member) { m.config.JoinPoint = begin - 1000 })
		bob.send("here I am")
		time.Sleep(time.Second)
		old := raw(t, w, "carol", begin-100_000, "old")
		far := raw(t, w, "carol", begin+600_000, "far")
		synctest.Wait()
		quarantined, below := 0, 0
		for _, e := range bob.events() {
			if e.Kind == causeway.EventArrived {
				m := e.Message
				if m.Quarantined && m.ID == far && string(m.Content) == "far" && !m.BelowJoin {
					quarantined++
				}
				if m.BelowJoin && m.ID == old && string(m.Content) == "old" && !m.Quarantined {
					below++
				}
			}
		}
		if quarantined != 1 || below != 1 {
			t.Errorf("%d quarantined, %d below", quarantined, below)
		}
		equal(t, "at first", bob.log(true), []string{"here I am"})
		if st := bob.status(); st.Lamport > begin+10_000 {
			t.Errorf("the clock was moved by %d ms", st.Lamport-begin)
		}
		bob.restart()
		time.Sleep(15 * time.Minute)
		equal(t, "when its time has come", bob.log(true), []string{"here I am", "far"})
		equal(t, "events", deliveries(bob.events()), []string{"here I am", "far"})
	})
}
