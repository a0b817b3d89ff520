package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
)

var atomicTests = []test{
	{"Epochs", epochs},
	{"InsideFails", insideFails},
	{"InsidePanics", insidePanics},
	{"ContextEnds", contextEnds},
	{"InvalidBatch", invalidBatch},
	{"InputsAreNotKept", inputsNotKept},
	{"OutputsAreNotShared", outputsNotShared},
	{"ReadersSeeWholeBatches", wholeBatches},
	{"ConcurrentWriters", concurrentWriters},
}

func epochs(e *env) {
	old := e.epoch
	e.change(store.ChannelBatch{Channel: "c", CompleteTo: 1})
	e.begin()
	if e.epoch <= old {
		e.Fatalf("epoch %d after %d", e.epoch, old)
	}
	b := &store.Batch{Channels: []store.ChannelBatch{{Channel: "c", CompleteTo: 2}}, Inside: func(store.Tx) error {
		e.Errorf("Inside of a fenced batch was called")
		return nil
	}}
	for _, epoch := range []uint64{old, 0, e.epoch + 1, 1 << 63} {
		b.Epoch = epoch
		e.is("older epoch", e.s.Commit(e.ctx, b), store.ErrFenced)
	}
	b.Inside = nil
	e.same("CompleteTo", e.load("c", 1).CompleteTo, sds.Time(1))
	e.commit(b)
	last := e.epoch
	e.reopen() // an epoch survives its process
	if e.epoch <= last {
		e.Fatalf("epoch %d after a new start, %d before", e.epoch, last)
	}
	b.Epoch = last
	e.is("epoch of before", e.s.Commit(e.ctx, b), store.ErrFenced)
}

// first is a store with something of everything.
func first(e *env) {
	e.Helper()
	e.commit(&store.Batch{
		Channels: []store.ChannelBatch{{Channel: "c", CompleteTo: 1,
			Changes: sds.Changes{Meta: &sds.Meta{Position: 2}, Messages: []sds.MessageRecord{logged("a", 1, 1), logged("b", 2, 2), inState("p", sds.StateParked)},
				Outgoing: []sds.OutgoingRecord{{ID: "a", HasAudience: true, Members: []sds.PersonID{"p", "q"}}},
				Seen:     []sds.SeenRecord{{ID: "a", Person: "p"}}},
			Sealed:      []store.Sealed{{ID: "a", Bytes: []byte("bytes of a"), Plain: []byte("plain")}},
			Transitions: []store.Transition{{ID: "a", Level: 1, At: 1}},
			Gaps:        []store.Gap{{Gap: sds.Gap{ID: "g", State: sds.GapMissing}, At: 1}}},
			{Channel: "d", CompleteTo: 1}},
		Events: []store.Event{{Cursor: 1, Channel: "c"}, {Cursor: 2, Channel: "d"}},
		Values: map[string][]byte{"v": []byte("1"), "w": []byte("1")},
		Inside: func(tx store.Tx) error { return tx.Append("j", []byte("1")) },
	})
}

// second changes everything that first wrote.
func second(e *env) *store.Batch {
	return &store.Batch{Epoch: e.epoch,
		Channels: []store.ChannelBatch{{Channel: "c", CompleteTo: 2,
			Changes: sds.Changes{Meta: &sds.Meta{Position: 3}, Messages: []sds.MessageRecord{logged("c", 3, 3), {ID: "p", State: sds.StateForgotten}},
				Outgoing: []sds.OutgoingRecord{{ID: "a", Done: true}, {ID: "c", HasAudience: true, Members: []sds.PersonID{"p", "x"}}},
				Seen:     []sds.SeenRecord{{ID: "a", Person: "q"}, {ID: "c", Person: "x"}}},
			Sealed:      []store.Sealed{{ID: "b", Bytes: []byte("bytes of b")}},
			Transitions: []store.Transition{{ID: "a", Level: 2, At: 2}},
			Gaps:        []store.Gap{{Gap: sds.Gap{ID: "g", State: sds.GapRecovered}, At: 2}, {Gap: sds.Gap{ID: "h", State: sds.GapLost}, At: 2}}},
			{Channel: "d", Drop: true}, {Channel: "e", CompleteTo: 1}},
		Events: []store.Event{{Cursor: 3, Channel: "e"}}, Forget: 1,
		Values: map[string][]byte{"v": []byte("2"), "w": nil, "x": []byte("3")},
	}
}

func (e *env) snapshot() map[string]any {
	e.Helper()
	r, err := Snapshot(e.ctx, e.s, []sds.ChannelID{"c", "d", "e"}, []string{"j"}, []string{"v", "w", "x"})
	if err != nil {
		e.Fatalf("snapshot: %v", err)
	}
	return r
}

func (e *env) unchanged(before map[string]any) {
	e.Helper()
	e.twice(func() {
		e.Helper()
		if d := Difference(e.snapshot(), before); d != "" {
			e.Fatalf("something of a failed batch was written: %s", d)
		}
	})
}

func insideFails(e *env) {
	first(e)
	before := e.snapshot()
	wanted := errors.New("the host says no")
	b := second(e)
	b.Inside = func(tx store.Tx) error {
		if err := tx.Append("j", []byte("2")); err != nil {
			e.Errorf("Append: %v", err)
		}
		return fmt.Errorf("no: %w", wanted)
	}
	e.is("Commit", e.s.Commit(e.ctx, b), wanted)
	e.unchanged(before)
	b = second(e) // the same again, and nobody says no
	b.Inside = func(tx store.Tx) error { return tx.Append("j", []byte("2")) }
	e.commit(b)
	e.twice(func() {
		e.same("Journal", e.journal("j", 0, 10), "11 22 ")
		e.same("Position", e.load("c", 10).State.Meta.Position, sds.Position(3))
		if d := Difference(e.snapshot(), before); d == "" {
			e.Errorf("nothing was written")
		}
	})
}

func insidePanics(e *env) {
	first(e)
	before := e.snapshot()
	func() {
		defer func() {
			if recover() == nil {
				e.Errorf("the panic of Inside was swallowed")
			}
		}()
		b := second(e)
		b.Inside = func(store.Tx) error { panic("in the host") }
		e.s.Commit(e.ctx, b)
	}()
	e.unchanged(before)
	e.commit(second(e)) // and nothing is locked
}

func contextEnds(e *env) {
	first(e)
	before := e.snapshot()
	ctx, cancel := context.WithCancel(e.ctx)
	b := second(e)
	b.Inside = func(tx store.Tx) error {
		cancel()
		tx.Append("j", []byte("2")) // may fail already
		return nil
	}
	e.is("Commit", e.s.Commit(ctx, b), context.Canceled)
	e.unchanged(before)
	e.is("Commit", e.s.Commit(ctx, second(e)), context.Canceled)
	_, err := e.s.Epoch(ctx)
	e.is("Epoch", err, context.Canceled)
	_, err = e.s.Load(ctx, "c", 10)
	e.is("Load", err, context.Canceled)
	_, err = e.s.Log(ctx, "c", store.LogQuery{Limit: 1})
	e.is("Log", err, context.Canceled)
	forget := func(tx store.Tx) error { return tx.Forget("j", 0, 9) }
	e.is("Write", e.s.Write(ctx, forget), context.Canceled)
	ctx, cancel = context.WithCancel(e.ctx)
	e.is("Write", e.s.Write(ctx, func(tx store.Tx) error {
		forget(tx)
		cancel()
		return nil
	}), context.Canceled)
	e.unchanged(before)
	e.commit(second(e))
}

func invalidBatch(e *env) {
	first(e)
	before := e.snapshot()
	c := store.ChannelBatch{Channel: "c", CompleteTo: 9}
	d := store.ChannelBatch{Channel: "d", CompleteTo: 9}
	large, far := logged("x", 1<<63, 1), logged("x", 1, 1<<63)
	for name, bad := range map[string][]store.ChannelBatch{
		"a channel twice":      {c, d, c},
		"a channel without id": {d, {CompleteTo: 9}},
		"a large timestamp":    {d, {Channel: "c", Changes: sds.Changes{Messages: []sds.MessageRecord{large}}}},
		"a large position":     {d, {Channel: "c", Changes: sds.Changes{Messages: []sds.MessageRecord{far}}}},
	} {
		e.is(name, e.s.Commit(e.ctx, &store.Batch{Epoch: e.epoch, Channels: bad}), store.ErrInvalid)
	}
	e.unchanged(before)
}

// scribble changes every byte of the slices.
func scribble(slices ...[]byte) {
	for _, s := range slices {
		for i := range s {
			s[i] ^= 0x55
		}
	}
}

func inputsNotKept(e *env) {
	full := func() *store.Batch {
		return &store.Batch{Channels: []store.ChannelBatch{{Channel: "c",
			Changes: sds.Changes{Meta: &sds.Meta{Heads: []sds.MessageID{"h"}}, Messages: []sds.MessageRecord{logged("a", 1, 1)},
				Outgoing: []sds.OutgoingRecord{{ID: "a", Draft: []byte("draft"), Want: sds.Persons("w"), HasAudience: true,
					Members: []sds.PersonID{"p"}, Stewards: []sds.PersonID{"s"}}}},
			Sealed: []store.Sealed{{ID: "a", Bytes: []byte("bytes"), Plain: []byte("plain")}},
			Gaps:   []store.Gap{{Gap: sds.Gap{ID: "g", State: sds.GapMissing, Hint: []byte("hint")}}}}},
			Events: []store.Event{{Cursor: 1, Channel: "c", Data: []byte("data")}}, Values: map[string][]byte{"v": []byte("value")}}
	}
	entry := []byte("entry")
	b, copied := full(), full()
	b.Inside = func(tx store.Tx) error { return tx.Append("j", entry) }
	e.commit(b)
	before := e.snapshot()
	b.Inside, copied.Epoch = nil, b.Epoch
	e.same("the batch, after Commit", *b, *copied)
	c := &b.Channels[0]
	o := &c.Changes.Outgoing[0]
	c.Changes.Meta.Heads[0], c.Changes.Meta.Lamport = "x", 77
	c.Changes.Messages[0].Parents[0] = "x"
	o.Members[0], o.Stewards[0], o.Want.Persons[0] = "x", "x", "x"
	scribble(c.Changes.Messages[0].Hint, o.Draft, c.Sealed[0].Bytes, c.Sealed[0].Plain, c.Gaps[0].Hint, b.Events[0].Data,
		b.Values["v"], entry)
	e.unchanged(before)
}

func outputsNotShared(e *env) {
	first(e)
	e.change(store.ChannelBatch{Channel: "c", Changes: sds.Changes{Meta: &sds.Meta{Heads: []sds.MessageID{"a"}},
		Outgoing: []sds.OutgoingRecord{{ID: "b", Draft: []byte("draft"), Want: sds.Persons("w"), HasAudience: true,
			Members: []sds.PersonID{"p"}, Stewards: []sds.PersonID{"s"}}}}})
	before := e.snapshot()
	for range 2 { // what is broken first would show in the second round
		st := e.load("c", 10).State
		st.Meta.Heads[0] = "x"
		for _, m := range st.Messages {
			m.Parents[0] = "x"
			scribble(m.Hint)
		}
		spoil := func(o sds.OutgoingRecord) {
			o.Members[0], o.Stewards[0], o.Want.Persons[0] = "x", "x", "x"
			scribble(o.Draft)
		}
		spoil(st.Outgoing["b"])
		spoil(e.receipt("b").Outgoing)
		clear(st.Seen["a"])
		clear(st.Messages)
		e.receipt("a").Persons[0] = "x"
		m := e.message("a")
		scribble(m.Sealed, m.Plain, m.Hint)
		scribble(e.message("b").Draft)
		for _, m := range must(e.s.Log(e.ctx, "c", store.LogQuery{Limit: 10}))(e, "Log") {
			scribble(m.Sealed, m.Plain, m.Draft, m.Hint)
			m.Parents[0] = "x"
		}
		scribble(must(e.s.Value(e.ctx, "v"))(e, "Value"))
		scribble(must(e.s.Journal(e.ctx, "j", 0, 10))(e, "Journal")[0].Data)
		if d := Difference(e.snapshot(), before); d != "" {
			e.Fatalf("what was returned is the store's: %s", d)
		}
	}
}

// wholeBatches reads while one commits: everything of a batch is there, or
// nothing.
func wholeBatches(e *env) {
	const batches = 60
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Add(1)
		go func() {
			defer readers.Done()
			for running := true; running; {
				select {
				case <-done:
					running = false // once more, for the end
				default:
				}
				readWhole(e)
			}
		}()
	}
	for i := 1; i <= batches; i++ {
		id := numberedID(i)
		e.commit(&store.Batch{Channels: []store.ChannelBatch{{Channel: "c", CompleteTo: sds.Time(i),
			Changes: sds.Changes{Meta: &sds.Meta{Position: sds.Position(i), Heads: []sds.MessageID{id}},
				Messages: []sds.MessageRecord{logged(id, uint64(i), sds.Position(i))},
				Outgoing: []sds.OutgoingRecord{{ID: id, HasAudience: true, Members: []sds.PersonID{sds.PersonID(id)}}},
				Seen:     []sds.SeenRecord{{ID: id, Person: sds.PersonID(id)}}},
			Sealed: []store.Sealed{{ID: id, Bytes: []byte(id)}}}},
			Events: []store.Event{{Cursor: store.Cursor(i), Channel: "c", ID: id}}, Forget: store.Cursor(i / 2)})
	}
	close(done)
	readers.Wait()
	e.same("count", must(e.s.Digest(e.ctx, "c"))(e, "Digest").Count, uint64(batches))
}

func readWhole(e *env) {
	c, err := e.s.Load(e.ctx, "c", 1000)
	if err != nil {
		e.Errorf("Load: %v", err)
		return
	}
	n := int(c.State.Meta.Position)
	if int(c.CompleteTo) != n || len(c.State.Messages) != n || len(c.State.Outgoing) != n || len(c.State.Seen) != n {
		e.Errorf("at position %d: complete to %d, %d messages, %d outgoing, %d seen", n, c.CompleteTo, len(c.State.Messages),
			len(c.State.Outgoing), len(c.State.Seen))
	}
	log, err := e.s.Log(e.ctx, "c", store.LogQuery{Limit: 1000})
	if err != nil || len(log) < n {
		e.Errorf("Log: %d messages after %d, %v", len(log), n, err)
	}
	for i, m := range log {
		if m.ID != numberedID(i+1) || string(m.Sealed) != string(m.ID) {
			e.Errorf("message %d is %q with bytes %q", i+1, m.ID, m.Sealed)
		}
	}
	forgotten, newest, err := e.s.Cursors(e.ctx)
	if err != nil || int(newest) < len(log) || forgotten != newest/2 {
		e.Errorf("Cursors: %d, %d after %d messages, %v", forgotten, newest, len(log), err)
	}
}

// concurrentWriters: commits, epochs of nobody and trims don't disturb each
// other, and every entry of a journal gets a number of its own.
func concurrentWriters(e *env) {
	const writers, each = 4, 10
	var all sync.WaitGroup
	for w := range writers {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := range each {
				b := &store.Batch{Epoch: e.epoch, Channels: []store.ChannelBatch{{Channel: sds.ChannelID(fmt.Sprint(w)), CompleteTo: sds.Time(i + 1)}},
					Inside: func(tx store.Tx) error { return tx.Append("j", fmt.Append(nil, w)) }}
				if err := e.s.Commit(e.ctx, b); err != nil {
					e.Errorf("Commit: %v", err)
				}
				if err := e.s.Write(e.ctx, func(tx store.Tx) error {
					return errors.Join(tx.Forget("other", 0, uint64(i)), tx.Append("k", fmt.Append(nil, w)))
				}); err != nil {
					e.Errorf("Write: %v", err)
				}
			}
		}()
	}
	all.Wait()
	for _, name := range []string{"j", "k"} {
		counts := map[string]int{}
		for i, entry := range must(e.s.Journal(e.ctx, name, 0, 1000))(e, "Journal") {
			counts[string(entry.Data)]++
			if entry.Seq != uint64(i+1) {
				e.Fatalf("entry %d has number %d", i+1, entry.Seq)
			}
		}
		for w := range writers {
			e.same("entries", counts[fmt.Sprint(w)], each)
		}
	}
	for w := range writers {
		e.same("CompleteTo", e.load(sds.ChannelID(fmt.Sprint(w)), 1).CompleteTo, sds.Time(each))
	}
}
