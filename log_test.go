//go:build go1.25

package causeway_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// page reads one page and returns it with what was written.
func (m *member) page(q causeway.Log) (page []causeway.Message, texts []string) {
	m.w.t.Helper()
	page, _, err := m.ch.Messages(m.w.t.Context(), q)
	check(m.w.t, err)
	for _, message := range page {
		texts = append(texts, string(message.Content))
	}
	return page, texts
}

// walk reads all pages from one end to the other.
func (m *member) walk(q causeway.Log) (all []string) {
	m.w.t.Helper()
	for {
		page, more, err := m.ch.Messages(m.w.t.Context(), q)
		check(m.w.t, err)
		for _, message := range page {
			all = append(all, string(message.Content))
		}
		if !more {
			return all
		}
		last := page[len(page)-1]
		if q.ByPosition {
			q.AfterPosition = last.Position
		} else {
			q.After = last.Place()
		}
	}
}

func reversed(texts []string) []string {
	texts = slices.Clone(texts)
	slices.Reverse(texts)
	return texts
}

// "Log is a page of a channel's log. The zero value of After or AfterPosition
// begins at the oldest message or, descending, at the newest." "Limit is from 1
// to 1000; 0 means 100."
func TestLogPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice")
		alice := w.start("alice")
		if page, _ := alice.page(causeway.Log{}); len(page) != 0 {
			t.Errorf("an empty log has %d messages", len(page))
		}
		texts := lines(1001)
		for _, text := range texts {
			alice.send(text)
		}
		for range 2 {
			for _, byPosition := range []bool{false, true} {
				for _, limit := range []int{0, 1, 13, 77, 1000} { // 13 · 77 = 1001: the last page is empty
					what := fmt.Sprintf("by position %v, limit %d", byPosition, limit)
					q := causeway.Log{ByPosition: byPosition, Limit: limit}
					equal(t, what, alice.walk(q), texts)
					q.Descending = true
					equal(t, what+", descending", alice.walk(q), reversed(texts))
				}
			}
			alice.restart()
		}
		if page, _ := alice.page(causeway.Log{}); len(page) != 100 {
			t.Errorf("without a limit a page has %d messages", len(page))
		}
		for _, limit := range []int{-1, -1 << 40, 1001, 1 << 40} {
			_, _, err := alice.ch.Messages(t.Context(), causeway.Log{Limit: limit})
			checkIs(t, fmt.Sprint("limit ", limit), err, causeway.ErrOptions)
		}
	})
}

// reader notes the most content that one reading of the log brought.
type reader struct {
	store.Store
	most atomic.Int64
}

func (r *reader) Log(ctx context.Context, ch causeway.ChannelID, q store.LogQuery) ([]store.Message, error) {
	page, err := r.Store.Log(ctx, ch, q)
	size := 0
	for i := range page {
		size += len(page[i].Sealed)
	}
	r.most.Store(max(r.most.Load(), int64(size)))
	return page, err
}

// A page has a bound in bytes too, and says that there is more. Not much more than that
// is read at once.
func TestLogOfLargeMessages(t *testing.T) {
	for _, segments := range []causeway.Segments{causeway.SegmentsLarge, causeway.SegmentsNone} {
		logOfLarge(t, segments)
	}
}

func logOfLarge(t *testing.T, segments causeway.Segments) {
	synctest.Test(t, func(t *testing.T) {
		const count = 20
		w := newWorld(t, loopback.Options{MaxPayload: 2 << 20}, "alice", "bob")
		r := &reader{}
		alice := w.start("alice", func(m *member) {
			r.Store, m.options.Store = m.options.Store, r
			m.config.Profile.Segments = segments
		})
		for i := range count {
			alice.sendBytes(noise(uint64(i), 1<<20), causeway.AtLeastOne)
		}
		for _, byPosition := range []bool{true, false} {
			q := causeway.Log{ByPosition: byPosition}
			first, more, err := alice.ch.Messages(t.Context(), q)
			check(t, err)
			if len(first) != 16 || !more {
				t.Fatalf("%d messages of 1 MiB, more %v", len(first), more)
			}
			q.After, q.AfterPosition = first[15].Place(), first[15].Position
			rest, more, err := alice.ch.Messages(t.Context(), q)
			check(t, err)
			if len(rest) != count-16 || more || !bytes.Equal(rest[len(rest)-1].Content, noise(count-1, 1<<20)) {
				t.Errorf("then %d, more %v", len(rest), more)
			}
		}
		if most := r.most.Load(); most > 17<<20 {
			t.Errorf("%d bytes were read at once", most)
		}
	})
}

// After means after: the message itself is not on the page, its neighbours are,
// and places where nothing stands are as good as others.
func TestLogBoundaries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice := w.start("alice")
		texts := lines(5)
		for _, text := range texts {
			alice.send(text)
			time.Sleep(time.Minute) // timestamps with gaps between them
		}
		all, _ := alice.page(causeway.Log{})
		between := func(i int) causeway.Place { return causeway.Place{Lamport: all[i].Lamport + 1, ID: "x"} }
		last := all[4]
		for what, c := range map[string]struct {
			q    causeway.Log
			want []string
		}{
			"after the first":              {causeway.Log{After: all[0].Place()}, texts[1:]},
			"after the last":               {causeway.Log{After: last.Place()}, nil},
			"after all":                    {causeway.Log{After: causeway.Place{Lamport: 1<<53 - 1, ID: "~"}}, nil},
			"just before the third":        {causeway.Log{After: causeway.Place{Lamport: all[2].Lamport}}, texts[2:]},
			"between second and third":     {causeway.Log{After: between(1)}, texts[2:]},
			"before the first, descending": {causeway.Log{After: all[0].Place(), Descending: true}, nil},
			"below the last":               {causeway.Log{After: last.Place(), Descending: true}, reversed(texts[:4])},
			"below all that can be":        {causeway.Log{After: causeway.Place{Lamport: 1<<53 - 1, ID: "~"}, Descending: true}, reversed(texts)},
			"below between":                {causeway.Log{After: between(1), Descending: true}, []string{texts[1], texts[0]}},
			"position 1":                   {causeway.Log{ByPosition: true, AfterPosition: 1}, texts[1:]},
			"position 4, one":              {causeway.Log{ByPosition: true, AfterPosition: 4, Limit: 1}, texts[4:]},
			"position 5":                   {causeway.Log{ByPosition: true, AfterPosition: 5}, nil},
			"position 6":                   {causeway.Log{ByPosition: true, AfterPosition: 6}, nil},
			"below position 1":             {causeway.Log{ByPosition: true, AfterPosition: 1, Descending: true}, nil},
			"below position 2":             {causeway.Log{ByPosition: true, AfterPosition: 2, Descending: true}, texts[:1]},
			"below position 6":             {causeway.Log{ByPosition: true, AfterPosition: 6, Descending: true}, reversed(texts)},
			"far below":                    {causeway.Log{ByPosition: true, AfterPosition: 1 << 62, Descending: true, Limit: 2}, []string{texts[4], texts[3]}},
		} {
			_, got := alice.page(c.q)
			equal(t, what, got, c.want)
		}
	})
}

// "the order of arrival, which only grows at its end. Otherwise it is the order
// by place, which all members agree on and in which late messages appear further
// up."
func TestLogOfALateMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		lift := keepBack(w, "line 003", "bob", -1)
		alice, bob := w.start("alice"), w.start("bob")
		time.Sleep(time.Minute)
		texts := lines(10)
		var receipts []*causeway.Receipt
		for _, text := range texts {
			receipts = append(receipts, alice.send(text))
			time.Sleep(time.Second)
		}
		time.Sleep(2 * time.Minute)
		first, _ := bob.page(causeway.Log{ByPosition: true})
		if len(first) != 9 {
			t.Fatalf("%d messages", len(first))
		}
		if bob.digest() == alice.digest() {
			t.Error("digests are equal, logs are not")
		}
		lift()
		late := receipts[3]
		waitFor(t, late, causeway.SeenByAll)
		time.Sleep(time.Minute)
		for range 2 {
			equal(t, "by place", bob.walk(causeway.Log{Limit: 3}), texts)
			equal(t, "by place, descending", bob.walk(causeway.Log{Limit: 3, Descending: true}), reversed(texts))
			page, _ := bob.page(causeway.Log{ByPosition: true, AfterPosition: first[8].Position})
			if len(page) != 1 || page[0].ID != late.ID() || page[0].Position != 10 || string(page[0].Content) != "line 003" || page[0].Own {
				t.Errorf("after what was read before: %+v", page)
			}
			again, _ := bob.page(causeway.Log{ByPosition: true, Limit: 9})
			for i := range again {
				if again[i].ID != first[i].ID || again[i].Position != first[i].Position {
					t.Errorf("position %d has changed", i+1)
				}
			}
			if bob.digest() != alice.digest() {
				t.Error("digests differ, logs do not")
			}
			bob.restart()
		}
	})
}

// "Message returns one message, or an error that wraps store.ErrNotFound." It is
// the one of the page.
func TestLogMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Store: &loopback.StoreOptions{}}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		one := alice.send("one")
		two := alice.send("two")
		waitFor(t, two, causeway.SeenByAll)
		time.Sleep(time.Minute)
		for _, m := range []*member{alice, bob, alice} {
			page, _ := m.page(causeway.Log{})
			if len(page) != 2 {
				t.Fatalf("%d messages", len(page))
			}
			for _, listed := range page {
				got, err := m.ch.Message(t.Context(), listed.ID)
				check(t, err)
				if got.Lamport == 0 || got.Place() != (causeway.Place{Lamport: got.Lamport, ID: got.ID}) || got.Place() != listed.Place() ||
					got.Sender != "alice" || got.Position != listed.Position || string(got.Content) != string(listed.Content) ||
					got.Own != (m.config.Participant == "alice") || got.Own != listed.Own || len(got.Hint) == 0 {
					t.Errorf("Message returns %+v, the page has %+v", got, listed)
				}
			}
			second, err := m.ch.Message(t.Context(), two.ID())
			check(t, err)
			equal(t, "parents", second.Parents, []causeway.MessageID{one.ID()})
			for _, id := range []causeway.MessageID{"", "nobody's", one.ID() + "x"} {
				_, err := m.ch.Message(t.Context(), id)
				if checkIs(t, fmt.Sprintf("id %q", id), err, store.ErrNotFound); errors.Is(err, causeway.ErrStore) {
					t.Errorf("id %q: %v, but the store did not fail", id, err)
				}
			}
			coffee := m.config
			coffee.Channel = "coffee"
			other, err := m.node.Join(t.Context(), coffee)
			check(t, err)
			_, err = other.Message(t.Context(), one.ID())
			checkIs(t, "in another channel", err, store.ErrNotFound)
			m.restart()
		}
	})
}

// spec R35: what waits has no place, and can be read. "Content is nil if the
// message is known and its bytes are not here."
func TestLogMessageWithoutPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		lift := keepBack(w, "one", "bob", -1)
		alice, bob := w.start("alice"), w.start("bob")
		time.Sleep(time.Minute)
		one, two := alice.send("one"), alice.send("two")
		synctest.Wait()
		for range 2 {
			waits, err := bob.ch.Message(t.Context(), two.ID())
			if err != nil || waits.Position != 0 || string(waits.Content) != "two" || waits.Sender != "alice" || waits.Own {
				t.Errorf("what waits: %+v, %v", waits, err)
			}
			if missing, err := bob.ch.Message(t.Context(), one.ID()); err == nil && (missing.Content != nil || missing.Position != 0) {
				t.Errorf("what is missing: %+v", missing)
			} else if err != nil {
				checkIs(t, "what is missing", err, store.ErrNotFound)
			}
			if page, _ := bob.page(causeway.Log{}); len(page) != 0 || bob.digest().Count != 0 {
				t.Errorf("the log has %+v", page)
			}
			bob.restart()
		}
		time.Sleep(10 * time.Minute)
		if gap, err := bob.ch.Message(t.Context(), one.ID()); err == nil && (gap.Content != nil || gap.Position != 0) {
			t.Errorf("the gap: %+v", gap)
		}
		equal(t, "without the gap", bob.log(false), []string{"two"})
		lift()
		waitFor(t, one, causeway.SeenByAll)
		equal(t, "with the gap", bob.log(false), []string{"one", "two"})
	})
}

// "Digest returns a count and a hash over the log: two members have the same log
// if and only if these are equal." "Hash is SHA-256 over the ids by place, each
// with its length before it (8 bytes, little-endian)."
func TestLogDigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 3, Loss: 0.2, MaxDelay: time.Second}, "alice", "bob", "carol")
		all := []*member{w.start("alice"), w.start("bob"), w.start("carol")}
		seen := map[store.Digest]string{}
		checkDigests := func() {
			t.Helper()
			for _, m := range all {
				ids := ""
				h := sha256.New()
				page, _ := m.page(causeway.Log{Limit: 1000})
				for _, message := range page {
					ids += string(message.ID) + " "
					h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(message.ID))))
					h.Write([]byte(message.ID))
				}
				d := m.digest()
				if d.Count != uint64(len(page)) || d.Hash != [32]byte(h.Sum(nil)) {
					t.Fatalf("digest %+v of %d messages", d, len(page))
				}
				if other, ok := seen[d]; ok && other != ids {
					t.Fatalf("two logs have one digest: %q and %q", other, ids)
				}
				seen[d] = ids
			}
		}
		checkDigests()
		for i, text := range lines(30) {
			all[i%3].send(text)
			checkDigests()
			time.Sleep(time.Second)
			checkDigests()
		}
		until(t, time.Hour, "logs are equal", func() bool {
			return all[0].digest() == all[1].digest() && all[0].digest() == all[2].digest() && all[0].digest().Count == 30
		})
		equal(t, "alice's and bob's", all[0].log(false), all[1].log(false))
		equal(t, "alice's and carol's", all[0].log(false), all[2].log(false))
		before := all[0].digest()
		all[0].restart()
		if all[0].digest() != before {
			t.Error("the digest changed with a restart")
		}
		checkDigests()
	})
}

// noter keeps the gaps that an Observer is shown.
type noter struct {
	mu   sync.Mutex
	gaps []causeway.Gap
}

func (n *noter) Committing(_ store.Tx, events []causeway.Event) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range events {
		if e.Gap != nil {
			n.gaps = append(n.gaps, *e.Gap)
		}
	}
	return nil
}

// withGaps is bob with 24 messages, every second of which he misses, and will
// not get before lift.
func withGaps(t *testing.T, w *world, change ...func(*member)) (bob *member, missing map[causeway.MessageID]bool, lift func()) {
	t.Helper()
	alice, bob := w.start("alice"), w.start("bob", change...)
	time.Sleep(time.Minute)
	missing = map[causeway.MessageID]bool{}
	var mu sync.Mutex
	w.network.SetFilter(func(_, to string, e transport.Envelope) bool {
		mu.Lock()
		defer mu.Unlock()
		m := decoded(e)
		return to == "bob" && len(m.Content) > 4 && string(m.Content[:4]) == "lost"
	})
	for i := range 12 {
		missing[alice.send(fmt.Sprint("lost ", i)).ID()] = true
		alice.send(fmt.Sprint("here ", i))
		time.Sleep(time.Second)
	}
	return bob, missing, func() { w.network.SetFilter(nil) }
}

// "Gaps returns messages that are missing, were given up, or are not for us; by
// id, above after, at most limit."
func TestGapsPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		bob, missing, lift := withGaps(t, w, func(m *member) { m.config.Profile.LostAfter = time.Hour })
		read := func(limit int) (all []causeway.Gap) {
			for after := causeway.MessageID(""); ; after = all[len(all)-1].ID {
				page, err := bob.ch.Gaps(t.Context(), after, limit)
				check(t, err)
				if all = append(all, page...); len(page) < limit {
					return all
				}
			}
		}
		for _, state := range []causeway.GapState{causeway.GapMissing, causeway.GapSkipped, causeway.GapLost} {
			for _, limit := range []int{1, 5, 12, 1000} { // 12: the last page is empty
				all := read(limit)
				if len(all) != len(missing) || !slices.IsSortedFunc(all, func(a, b causeway.Gap) int { return map[bool]int{true: -1, false: 1}[a.ID < b.ID] }) {
					t.Errorf("%v, limit %d: %d gaps, want %d by id: %v", state, limit, len(all), len(missing), all)
				}
				for _, g := range all {
					if !missing[g.ID] || g.State != state || g.Sender != "alice" {
						t.Errorf("%+v, want %v", g, state)
					}
				}
			}
			bob.restart()
			if state == causeway.GapMissing {
				time.Sleep(5 * time.Minute)
			} else {
				time.Sleep(3 * time.Hour)
			}
		}
		for _, limit := range []int{-1, 0, 1001} {
			_, err := bob.ch.Gaps(t.Context(), "", limit)
			checkIs(t, fmt.Sprint("limit ", limit), err, causeway.ErrOptions)
		}
		lift()
	})
}

// Gap.At is "when its state changed", wherever a Gap is shown.
func TestGapsTellWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		n := &noter{}
		bob, missing, lift := withGaps(t, w, func(m *member) { m.options.Observer = n })
		time.Sleep(5 * time.Minute)
		kept, err := bob.ch.Gaps(t.Context(), "", 1000)
		check(t, err)
		newest := map[causeway.MessageID]causeway.Gap{}
		for _, e := range bob.events() {
			if e.Kind == causeway.EventGap {
				newest[e.ID] = *e.Gap
				if e.Gap.ID != e.ID || !e.Gap.At.Equal(e.At) || e.At.After(time.Now()) || time.Since(e.At) > time.Hour {
					t.Errorf("event %+v of %+v", e, e.Gap)
				}
			}
		}
		for _, g := range kept {
			if !g.At.Equal(newest[g.ID].At) || g.State != newest[g.ID].State {
				t.Errorf("Gaps says %+v, the last event %+v", g, newest[g.ID])
			}
		}
		lift()
		until(t, time.Hour, "bob has all", func() bool { return bob.digest().Count == 24 })
		if kept, err = bob.ch.Gaps(t.Context(), "", 1000); err != nil || len(kept) != 0 {
			t.Errorf("%d gaps are left of %d, %v", len(kept), len(missing), err)
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, g := range n.gaps {
			if g.At.IsZero() {
				t.Fatalf("an Observer is shown %+v", g)
			}
		}
	})
}

// ChannelStatus, field by field.
func TestStatusNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Store: &loopback.StoreOptions{}}, "alice", "bob", "carol")
		began := time.Now()
		alice := w.start("alice")
		synctest.Wait()
		st := alice.status()
		if !st.Online || st.CatchingUp || st.Messages != 0 || st.Waiting+st.Missing+st.Skipped+st.Unacknowledged != 0 ||
			st.Participants != 3 || !st.LastHeard.IsZero() || !st.CompleteTo.Equal(began) {
			t.Errorf("at the beginning: %+v", st)
		}
		time.Sleep(time.Minute)
		alice.send("one", causeway.Everyone)
		two := alice.send("two")
		if st = alice.status(); st.Messages != 2 || st.Unacknowledged != 2 {
			t.Errorf("alone: %+v", st)
		}
		bob := w.start("bob")
		waitFor(t, two, causeway.Seen)
		heard := time.Now()
		if st = alice.status(); st.Unacknowledged != 2 || !st.LastHeard.Equal(heard) {
			t.Errorf("seen by one of two, heard at %v: %+v", heard, st)
		}
		w.start("carol")
		waitFor(t, two, causeway.SeenByAll)
		bobs := bob.send("three")
		waitFor(t, bobs, causeway.SeenByAll)
		message, err := alice.ch.Message(t.Context(), bobs.ID())
		check(t, err)
		if st = alice.status(); st.Messages != 3 || st.Unacknowledged != 0 || st.Lamport < message.Lamport {
			t.Errorf("with all: %+v, the newest message is %+v", st, message)
		}
		before := st
		alice.restart()
		synctest.Wait()
		if st = alice.status(); st.Messages != 3 || st.Lamport < before.Lamport || st.CompleteTo.Before(before.CompleteTo) || !st.LastHeard.IsZero() {
			t.Errorf("after a restart: %+v, before %+v", st, before)
		}
		check(t, alice.ch.SetRoster(t.Context(), nil))
		waitFor(t, bob.send("four"), causeway.SeenByAll)
		time.Sleep(time.Hour)
		if st = alice.status(); st.Participants != 2 {
			t.Errorf("without a roster, having heard two: %+v", st)
		}
		alice.end.SetOnline(false)
		synctest.Wait()
		if st = alice.status(); st.Online {
			t.Errorf("offline: %+v", st)
		}
		node, err := alice.node.Status(t.Context())
		if err != nil || node.Online || node.Suspended || node.StoreError != nil || node.Channels != 1 || node.Queued != 0 {
			t.Errorf("%+v, %v", node, err)
		}
	})
}
