package storetest

import (
	"errors"
	"fmt"
	"math"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
)

var listTests = []test{
	{"Events", events},
	{"EventsAreNumberedOnce", eventsOnce},
	{"ForgetEvents", forgetEvents},
	{"Values", values},
	{"Journals", journals},
	{"EntriesOfMany", entriesOfMany},
	{"ForgetEntries", forgetEntries},
	{"Write", writeAlone},
}

func (e *env) events(ch sds.ChannelID, after store.Cursor, limit int) []store.Event {
	e.Helper()
	return must(e.s.Events(e.ctx, ch, after, limit))(e, "Events")
}

func (e *env) cursors() [2]store.Cursor {
	e.Helper()
	forgotten, newest, err := e.s.Cursors(e.ctx)
	if err != nil {
		e.Fatalf("Cursors: %v", err)
	}
	return [2]store.Cursor{forgotten, newest}
}

func events(e *env) {
	all := []store.Event{
		{Cursor: 1, Channel: "c", At: 1 << 51, Kind: 255, ID: "\x00\xff", Data: []byte{0, 255}},
		{Cursor: 2, Channel: "d", At: -1, Kind: 1, ID: "b", Data: []byte("x")},
		{Cursor: 5, Channel: "c"}, // numbers may be left out
		{Cursor: 6},               // of no channel
		{Cursor: 900, Channel: "c\x00", ID: "e"},
	}
	e.commit(&store.Batch{Events: all[:2]})
	e.commit(&store.Batch{Events: all[2:]})
	e.twice(func() {
		e.same("all", e.events("", 0, 10), all)
		e.same("a page", e.events("", 0, 2), all[:2])
		e.same("the next", e.events("", 2, 2), all[2:4])
		e.same("after one that isn't there", e.events("", 3, 1), all[2:3])
		e.same("after the last", e.events("", 900, 10), []store.Event{})
		e.same("far above", e.events("", math.MaxUint64, 10), []store.Event{})
		e.same("of one channel", e.events("c", 0, 10), []store.Event{all[0], all[2]})
		e.same("of one channel, after", e.events("c", 1, 10), all[2:3])
		e.same("of one channel, limit", e.events("c", 0, 1), all[:1])
		e.same("of another", e.events("c\x00", 0, 10), all[4:])
		e.same("of none", e.events("never", 0, 10), []store.Event{})
		e.same("limit 0", e.events("", 0, 0), []store.Event{})
		e.same("limit -1", e.events("", 0, -1), []store.Event{})
		e.same("Cursors", e.cursors(), [2]store.Cursor{0, 900})
	})
}

func eventsOnce(e *env) {
	e.commit(&store.Batch{Events: []store.Event{{Cursor: 7, Channel: "c"}}, Forget: 7})
	for name, bad := range map[string][]store.Event{
		"again":          {{Cursor: 7}},
		"below":          {{Cursor: 6}, {Cursor: 8}},
		"zero":           {{}},
		"descending":     {{Cursor: 9}, {Cursor: 8}},
		"twice":          {{Cursor: 9}, {Cursor: 9}},
		"too large":      {{Cursor: 1 << 63}},
		"above 2^63 - 1": {{Cursor: 8}, {Cursor: math.MaxUint64}},
	} {
		err := e.s.Commit(e.ctx, &store.Batch{Epoch: e.epoch, Events: bad, Values: map[string][]byte{"v": {1}}})
		e.is(name, err, store.ErrInvalid)
	}
	_, err := e.s.Value(e.ctx, "v")
	e.is("Value of a refused batch", err, store.ErrNotFound)
	e.twice(func() { e.same("Cursors", e.cursors(), [2]store.Cursor{7, 7}) })
	e.commit(&store.Batch{Events: []store.Event{{Cursor: 8}}})
}

func forgetEvents(e *env) {
	add := func(forget store.Cursor, cursors ...store.Cursor) {
		b := &store.Batch{Forget: forget}
		for _, c := range cursors {
			b.Events = append(b.Events, store.Event{Cursor: c, Channel: "c"})
		}
		e.commit(b)
	}
	left := func(forgotten, newest store.Cursor, cursors ...store.Cursor) {
		e.Helper()
		e.twice(func() {
			e.Helper()
			var got []store.Cursor
			for _, ev := range e.events("", 0, 100) {
				got = append(got, ev.Cursor)
			}
			e.same("cursors left", got, cursors)
			e.same("of the channel", len(e.events("c", 0, 100)), len(cursors))
			e.same("Cursors", e.cursors(), [2]store.Cursor{forgotten, newest})
		})
	}
	add(0, 1, 2, 3, 5, 8)
	add(2)
	left(2, 8, 3, 5, 8)
	add(1) // never back
	left(2, 8, 3, 5, 8)
	add(4) // one that was left out
	left(4, 8, 5, 8)
	add(9, 9, 10) // what the batch brought, too
	left(9, 10, 10)
	add(100) // above all that were given
	left(10, 10)
	add(0, 11)
	left(10, 11, 11)
	e.change(store.ChannelBatch{Channel: "c", Drop: true})
	left(10, 11)
}

func values(e *env) {
	big := make([]byte, 1<<16)
	e.commit(&store.Batch{Values: map[string][]byte{"a": []byte("1"), "": []byte("empty key"), "\x00\xff": {0, 255}, "e": {}, "big": big, "gone": nil}})
	want := map[string]string{"a": "1", "": "empty key", "\x00\xff": "\x00\xff", "e": "", "big": string(big)}
	check := func() {
		e.Helper()
		for k, v := range want {
			got, err := e.s.Value(e.ctx, k)
			if err != nil || string(got) != v || got == nil {
				e.Errorf("value %q: %q, %v", k, clip(string(got)), err)
			}
		}
		for _, k := range []string{"gone", "never", "A", "a\x00"} {
			_, err := e.s.Value(e.ctx, k)
			e.is("Value", err, store.ErrNotFound)
		}
	}
	e.twice(check)
	e.commit(&store.Batch{Values: map[string][]byte{"a": []byte("2"), "big": nil, "e": nil}})
	want = map[string]string{"a": "2", "": "empty key", "\x00\xff": "\x00\xff"}
	e.twice(check)
	_, err := e.s.Value(e.ctx, "e")
	e.is("Value", err, store.ErrNotFound)
}

// write appends to journals: name, data, name, data, …
func (e *env) write(pairs ...string) {
	e.Helper()
	e.commit(&store.Batch{Inside: func(tx store.Tx) error {
		for i := 0; i < len(pairs); i += 2 {
			if err := tx.Append(pairs[i], []byte(pairs[i+1])); err != nil {
				return err
			}
		}
		return nil
	}})
}

func (e *env) journal(name string, after uint64, limit int) (s string) {
	e.Helper()
	for _, entry := range must(e.s.Journal(e.ctx, name, after, limit))(e, "Journal") {
		s += fmt.Sprintf("%d%s ", entry.Seq, entry.Data)
	}
	return s
}

func journals(e *env) {
	e.write("j", "a", "k", "x", "j", "b", "", "unnamed", "j\x00", "y")
	e.write("j", "", "j", "c\x00\xff")
	e.twice(func() {
		e.same("Journal", e.journal("j", 0, 10), "1a 2b 3 4c\x00\xff ")
		e.same("a page", e.journal("j", 0, 2), "1a 2b ")
		e.same("the next", e.journal("j", 2, 1), "3 ")
		e.same("after the last", e.journal("j", 4, 10), "")
		e.same("far above", e.journal("j", math.MaxUint64, 10), "")
		e.same("limit 0", e.journal("j", 0, 0), "")
		e.same("limit -1", e.journal("j", 0, -1), "")
		e.same("another", e.journal("k", 0, 10), "1x ")
		e.same("without a name", e.journal("", 0, 10), "1unnamed ")
		e.same("with a NUL", e.journal("j\x00", 0, 10), "1y ")
		e.same("one that isn't there", e.journal("never", 0, 10), "")
	})
}

// entriesOfMany: an entry takes as many numbers as it stands for, has the highest, and
// is forgotten with that one alone.
func entriesOfMany(e *env) {
	many := func(n int, data string) {
		e.Helper()
		e.is("Write", e.s.Write(e.ctx, func(tx store.Tx) error { return tx.AppendMany("j", n, []byte(data)) }), nil)
	}
	many(3, "a")
	e.write("j", "b")
	many(1, "c")
	many(store.MaxMany, "d")
	e.twice(func() {
		e.same("Journal", e.journal("j", 0, 10), "3a 4b 5c 65541d ")
		e.same("from within", e.journal("j", 2, 1), "3a ")
		e.same("after it", e.journal("j", 3, 1), "4b ")
	})
	e.forget("j", 1, 2)
	e.forget("j", 6, 65540)
	e.twice(func() { e.same("numbers that it has taken", e.journal("j", 0, 10), "3a 4b 5c 65541d ") })
	e.forget("j", 3, 3)
	e.forget("j", 65541, 65541)
	many(2, "e")
	e.twice(func() { e.same("forgotten", e.journal("j", 0, 10), "4b 5c 65543e ") })
	before := e.snapshot()
	for _, n := range []int{0, -1, store.MaxMany + 1, math.MinInt, math.MaxInt} {
		e.is("AppendMany", e.s.Write(e.ctx, func(tx store.Tx) error { return tx.AppendMany("j", n, nil) }), store.ErrInvalid)
	}
	e.unchanged(before)
}

// forget deletes entries of a journal.
func (e *env) forget(name string, first, last uint64) {
	e.Helper()
	if err := e.s.Write(e.ctx, func(tx store.Tx) error { return tx.Forget(name, first, last) }); err != nil {
		e.Fatalf("Write: %v", err)
	}
}

func forgetEntries(e *env) {
	trim := func(name string, upTo uint64) { e.Helper(); e.forget(name, 0, upTo) }
	trim("never", 5)
	e.write("j", "a", "j", "b", "j", "c", "k", "x")
	trim("j", 0)
	e.forget("j", 3, 2)
	e.same("forget none", e.journal("j", 0, 10), "1a 2b 3c ")
	trim("j", 2)
	e.twice(func() { e.same("trim 2", e.journal("j", 0, 10), "3c ") })
	trim("j", 1)
	e.write("j", "d")
	e.twice(func() { e.same("appended", e.journal("j", 0, 10), "3c 4d ") })
	trim("j", 4)
	e.twice(func() { e.same("trim all", e.journal("j", 0, 10), "") })
	e.write("j", "e") // no number is given again, nor left out
	e.twice(func() { e.same("after trimming all", e.journal("j", 0, 10), "5e ") })
	trim("j", math.MaxUint64)
	e.write("j", "f")
	e.twice(func() {
		e.same("after trimming above the end", e.journal("j", 0, 10), "6f ")
		e.same("another", e.journal("k", 0, 10), "1x ")
	})
	e.write("j", "g", "j", "h", "j", "i", "j", "j")
	e.forget("j", 8, 9)
	e.twice(func() {
		e.same("with a hole", e.journal("j", 0, 10), "6f 7g 10j ")
		e.same("after a hole", e.journal("j", 8, 10), "10j ")
		e.same("a page", e.journal("j", 6, 1), "7g ")
	})
	e.forget("j", 10, 10)
	e.write("j", "k")
	e.twice(func() { e.same("after forgetting the end", e.journal("j", 0, 10), "6f 7g 11k ") })
}

// writeAlone: Write is a transaction of its own, in order, and of no epoch.
func writeAlone(e *env) {
	e.commit(&store.Batch{Values: map[string][]byte{"a": []byte("1"), "b": {}}})
	write := func(fails error, f func(store.Tx)) error {
		return e.s.Write(e.ctx, func(tx store.Tx) error { f(tx); return fails })
	}
	value := func(tx store.Tx, key, want string) {
		e.Helper()
		if v, err := tx.Value(key); err != nil || string(v) != want {
			e.Errorf("Value(%q) is %q, %v, want %q", key, v, err, want)
		}
	}
	before := e.snapshot()
	wanted := errors.New("the host says no")
	e.is("Write", write(wanted, func(tx store.Tx) {
		tx.Set("a", []byte("2"))
		tx.Append("j", []byte("x"))
		tx.Forget("j", 0, 9)
	}), wanted)
	e.unchanged(before)
	err := write(nil, func(tx store.Tx) {
		value(tx, "a", "1")
		value(tx, "b", "")
		_, err := tx.Value("c")
		e.is("Value", err, store.ErrNotFound)
		given := []byte("2")
		tx.Set("a", given)
		scribble(given)
		value(tx, "a", "2")
		tx.Set("b", nil)
		_, err = tx.Value("b")
		e.is("Value", err, store.ErrNotFound)
		for _, s := range []string{"x", "y", "z"} {
			tx.Append("j", []byte(s))
		}
		tx.Forget("j", 2, 2)
		tx.Append("j", []byte("!"))
	})
	e.is("Write", err, nil)
	e.twice(func() {
		e.same("Journal", e.journal("j", 0, 10), "1x 3z 4! ")
		e.same("Value", must(e.s.Value(e.ctx, "a"))(e, "Value"), []byte("2"))
		_, err := e.s.Value(e.ctx, "b")
		e.is("Value", err, store.ErrNotFound)
	})
	e.commit(&store.Batch{Values: map[string][]byte{"v": []byte("mine")}, Inside: func(tx store.Tx) error {
		value(tx, "v", "mine") // "when everything else is written"
		value(tx, "a", "2")
		return tx.Set("v", []byte("theirs"))
	}})
	e.twice(func() { e.same("Value", must(e.s.Value(e.ctx, "v"))(e, "Value"), []byte("theirs")) })
}
