package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
)

// random commits random batches to a store and to the model, and compares
// everything that can be read. Ids come from small sets, so that they meet.
func random(t *testing.T, open Open) {
	rapid.Check(t, func(rt *rapid.T) {
		e := begin(t, rt, open)
		r := &randomRun{T: rt, env: e, model: newModel(), positions: map[sds.ChannelID]sds.Position{}}
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			r.step()
			if r.upTo(3, "compare") == 0 {
				r.compare()
			}
		}
		r.compare()
	})
}

type randomRun struct {
	*rapid.T
	env       *env
	model     *model
	cursor    store.Cursor
	positions map[sds.ChannelID]sds.Position
}

var (
	someChannels = []sds.ChannelID{"c", "c\x00", "\xff"}
	someIDs      = []sds.MessageID{"a", "a\x00", "b", "c", "\x00", "\xff", "\xff\xff", "m", "n", "o"}
	somePersons  = []sds.PersonID{"", "p", "p\x00", "q", "r", "\xff"}
	someJournals = []string{"j", "j\x00", ""}
	someKeys     = []string{"v", "w", "", store.ChannelKey("c", "v"), store.ChannelKey("c\x00", "v")}
)

func pick[T any](r *randomRun, what string, from []T) T {
	return rapid.SampledFrom(from).Draw(r.T, what)
}

func (r *randomRun) upTo(n int, what string) int { return rapid.IntRange(0, n).Draw(r.T, what) }

func (r *randomRun) flip(what string) bool { return rapid.Bool().Draw(r.T, what) }

func (r *randomRun) bytes(what string) []byte {
	return rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(r.T, what)
}

func several[T any](r *randomRun, what string, from []T, n int) (list []T) {
	for range r.upTo(n, what+"s") {
		list = append(list, pick(r, what, from))
	}
	return list
}

func (r *randomRun) step() {
	switch k := r.upTo(9, "kind"); k {
	case 0:
		r.env.reopen()
	case 1:
		name, first, last := pick(r, "journal", someJournals), uint64(r.upTo(9, "first")), uint64(r.upTo(9, "last"))
		r.env.forget(name, first, last)
		r.model.forget(name, first, last)
	default:
		b, entries := r.batch()
		fails := k == 2 // the model must not see this one
		failure := errors.New("failure")
		b.Inside = func(tx store.Tx) error {
			for _, a := range entries {
				if err := tx.AppendMany(a.journal, a.n, a.data); err != nil {
					return err
				}
			}
			if fails {
				return failure
			}
			return nil
		}
		b.Epoch = r.env.epoch
		switch err := r.env.s.Commit(r.env.ctx, b); {
		case fails && !errors.Is(err, failure), !fails && err != nil:
			r.Fatalf("Commit: %v", err)
		case !fails:
			r.model.commit(b, entries)
		}
	}
}

func (r *randomRun) batch() (b *store.Batch, entries []appended) {
	b = &store.Batch{Values: map[string][]byte{}}
	for _, ch := range slices.Compact(slices.Sorted(slices.Values(several(r, "channel", someChannels, 2)))) {
		b.Channels = append(b.Channels, r.channel(ch))
	}
	for range r.upTo(3, "events") {
		if b.Events == nil { // a failed batch leaves its numbers free
			r.cursor = max(r.cursor, r.model.newest)
		}
		r.cursor += store.Cursor(1 + r.upTo(1, "skip"))
		b.Events = append(b.Events, store.Event{Cursor: r.cursor, Channel: pick(r, "channel", append(someChannels, "")),
			At: sds.Time(r.upTo(9, "at")), Kind: uint8(r.upTo(255, "kind")), ID: pick(r, "id", append(someIDs, "")), Data: r.bytes("data")})
	}
	if r.flip("forget") {
		b.Forget = store.Cursor(r.upTo(int(r.cursor)+2, "forget"))
	}
	for _, k := range several(r, "key", someKeys, 2) {
		if b.Values[k] = nil; r.flip("set") {
			b.Values[k] = r.bytes("value")
		}
	}
	for range r.upTo(2, "entries") {
		entries = append(entries, appended{pick(r, "journal", someJournals), 1 + r.upTo(2, "many"), r.bytes("entry")})
	}
	return b, entries
}

func (r *randomRun) channel(ch sds.ChannelID) store.ChannelBatch {
	c := store.ChannelBatch{Channel: ch, Drop: r.upTo(9, "drop") == 9}
	if r.flip("meta") {
		c.Changes.Meta = &sds.Meta{Lamport: rapid.Uint64().Draw(r.T, "lamport"), Heads: several(r, "head", someIDs, 3)}
	}
	for range r.upTo(5, "messages") {
		m := sds.MessageRecord{ID: pick(r, "id", someIDs), State: sds.MessageState(1 + r.upTo(5, "state")),
			Sender: sds.ParticipantID(pick(r, "sender", someIDs)), Lamport: uint64(r.upTo(3, "lamport")),
			Parents: several(r, "parent", someIDs, 3), Reach: rapid.Uint64().Draw(r.T, "reach"), Hint: r.bytes("hint")}
		if m.State == sds.StateLogged {
			r.positions[ch]++
			m.Position = r.positions[ch]
		}
		c.Changes.Messages = append(c.Changes.Messages, m)
	}
	for range r.upTo(3, "outgoing") {
		o := sds.OutgoingRecord{ID: pick(r, "id", someIDs), Level: sds.Level(r.upTo(5, "level")), Done: r.flip("done"),
			SentAt: sds.Time(rapid.Int64().Draw(r.T, "sent at")), Draft: r.bytes("draft"), Want: sds.Persons(several(r, "wanted", somePersons, 2)...)}
		if r.flip("audience") {
			o.HasAudience, o.Members, o.Stewards = true, several(r, "member", somePersons, 4), several(r, "steward", somePersons, 2)
			if r.flip("sorted") {
				o.Members = slices.Compact(slices.Sorted(slices.Values(o.Members)))
			}
		}
		c.Changes.Outgoing = append(c.Changes.Outgoing, o)
	}
	for range r.upTo(4, "seen") {
		c.Changes.Seen = append(c.Changes.Seen, sds.SeenRecord{ID: pick(r, "id", someIDs), Person: pick(r, "person", somePersons)})
	}
	for range r.upTo(3, "sealed") {
		c.Sealed = append(c.Sealed, store.Sealed{ID: pick(r, "id", someIDs), Bytes: r.bytes("bytes"), Plain: r.bytes("plain")})
	}
	for range r.upTo(2, "transitions") {
		c.Transitions = append(c.Transitions, store.Transition{ID: pick(r, "id", someIDs), Level: sds.Level(r.upTo(5, "level")), At: sds.Time(r.upTo(9, "at"))})
	}
	for range r.upTo(3, "gaps") {
		c.Gaps = append(c.Gaps, store.Gap{Gap: sds.Gap{ID: pick(r, "id", someIDs), State: sds.GapState(1 + r.upTo(5, "state")), Hint: r.bytes("hint")},
			At: sds.Time(r.upTo(9, "at"))})
	}
	for range r.upTo(2, "hints") {
		c.Hints = append(c.Hints, store.Hint{ID: pick(r, "id", someIDs), Hint: r.bytes("hint")})
	}
	if r.flip("complete") {
		c.CompleteTo = sds.Time(r.upTo(9, "to"))
	}
	return c
}

// compare reads everything from both.
func (r *randomRun) compare() {
	e := r.env
	e.same("Channels", must(e.s.Channels(e.ctx))(e, "Channels"), slices.Sorted(maps.Keys(r.model.channels)))
	for _, ch := range someChannels {
		c := r.model.channels[ch]
		if c == nil {
			c = &modelChannel{}
		}
		r.compareChannel(ch, c)
	}
	e.same("Cursors", e.cursors(), [2]store.Cursor{r.model.forgotten, r.model.newest})
	for _, ch := range append(someChannels, "") {
		after, limit := store.Cursor(r.upTo(int(r.cursor), "after")), r.upTo(9, "limit")
		e.same("Events", e.events(ch, after, limit), r.model.eventsAfter(ch, after, limit))
	}
	for _, k := range someKeys {
		want, ok := r.model.values[k]
		got, err := e.s.Value(e.ctx, k)
		r.found("Value", err, ok)
		e.same("Value", string(got), string(want))
	}
	for _, j := range someJournals {
		after, limit := uint64(r.upTo(9, "after")), r.upTo(9, "limit")
		e.same("Journal", must(e.s.Journal(e.ctx, j, after, limit))(e, "Journal"), r.model.journalAfter(j, after, limit))
	}
}

func (r *randomRun) found(what string, err error, want bool) {
	if err != nil && !errors.Is(err, store.ErrNotFound) || (err == nil) != want {
		r.Fatalf("%s: %v, there is one: %v", what, err, want)
	}
}

func (r *randomRun) compareChannel(ch sds.ChannelID, c *modelChannel) {
	e := r.env
	for _, window := range []int{0, r.upTo(9, "window"), 100} {
		e.same(fmt.Sprintf("Load %q", ch), must(e.s.Load(e.ctx, ch, window))(e, "Load"), c.load(window))
	}
	var lookups []sds.Lookup
	for _, id := range someIDs {
		l := sds.Lookup{ID: id}
		if m, _ := c.message(id); m.State == sds.StateLogged {
			l = sds.Lookup{ID: id, Known: true, Sender: m.Sender, Reach: m.Reach}
		}
		lookups = append(lookups, l)
	}
	e.same("Lookup", must(e.s.Lookup(e.ctx, ch, someIDs))(e, "Lookup"), lookups)
	for range 3 {
		id := pick(r, "id", someIDs)
		m, ok := c.message(id)
		got, err := e.s.Message(e.ctx, ch, id)
		r.found("Message", err, ok)
		if ok {
			e.same("Message", got, m)
		}
		receipt, ok := c.receipt(id)
		gotReceipt, err := e.s.Receipt(e.ctx, ch, id)
		r.found("Receipt", err, ok)
		if ok {
			e.same("Receipt", gotReceipt, receipt)
		}
	}
	q := store.LogQuery{ByPosition: r.flip("by position"), Descending: r.flip("descending"), NoBytes: r.flip("no bytes"),
		Limit: r.upTo(6, "limit"), AfterPosition: sds.Position(r.upTo(9, "after")),
		After: sds.Place{Lamport: uint64(r.upTo(4, "after")), ID: pick(r, "after", append(someIDs, ""))}}
	e.same(fmt.Sprintf("Log %+v", q), must(e.s.Log(e.ctx, ch, q))(e, "Log"), c.log(q))
	e.same("Digest", must(e.s.Digest(e.ctx, ch))(e, "Digest"), c.digest())
	after, limit := pick(r, "after", append(someIDs, "")), r.upTo(9, "limit")
	e.same("Gaps", must(e.s.Gaps(e.ctx, ch, after, limit))(e, "Gaps"), c.gapsAfter(after, limit))
}
