package storetest

import (
	"fmt"
	"math"
	"slices"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
)

var receiptTests = []test{
	{"OutgoingRoundTrips", outgoingRoundTrips},
	{"ReceiptOutlivesTracking", receiptOutlives},
	{"SeenNeedsAnOwnMessage", seenNeedsOwn},
	{"TrackedAnew", trackedAnew},
	{"FirstTransitionStays", firstTransition},
	{"LargeAudience", largeAudience},
	{"AudienceChangedInPlace", audienceChanged},
	{"Gaps", gaps},
}

func (e *env) outgoing(records ...sds.OutgoingRecord) {
	e.Helper()
	e.change(store.ChannelBatch{Channel: "c", Changes: sds.Changes{Outgoing: records}})
}

func outgoingRoundTrips(e *env) {
	records := []sds.OutgoingRecord{
		{ID: "none"},
		{ID: "full", Want: sds.Persons("p", "\x00\xff", ""), HasAudience: true, Members: []sds.PersonID{"a", "b", "c"},
			Stewards: []sds.PersonID{"c", "a"}, Level: sds.LevelReached, Handed: true, Stored: true, SentAt: 1 << 50,
			Draft: []byte("draft"), Sequence: math.MaxUint64},
		{ID: "fraction", Want: sds.Fraction(1.0 / 3), HasAudience: true, SentAt: -1}, // an empty audience is one
		{ID: "unsorted", Want: sds.Stewards, HasAudience: true, Members: []sds.PersonID{"z", "a", "z", ""}, Stewards: []sds.PersonID{"not a member"}},
		{ID: "everyone", Want: sds.Everyone, HasAudience: true, Members: []sds.PersonID{"a", "b", "c"}, Draft: []byte{}, Handed: true},
		{ID: "stored", Stored: true, Level: sds.LevelStored, HasAudience: true, Stewards: []sds.PersonID{"a"}},
	}
	e.outgoing(records...)
	want := map[sds.MessageID]sds.OutgoingRecord{}
	for _, r := range records {
		want[r.ID] = r
	}
	e.twice(func() {
		got := e.load("c", 1).State.Outgoing
		e.same("Outgoing", got, want)
		if got["none"].Draft != nil || got["everyone"].Draft == nil {
			e.Errorf("no draft and an empty one came back as %#v and %#v", got["none"].Draft, got["everyone"].Draft)
		}
		for id, r := range want {
			e.same("Receipt", e.receipt(id), store.Receipt{Outgoing: r})
		}
	})
	replaced := sds.OutgoingRecord{ID: "full", Level: sds.LevelSent} // no audience any more
	e.outgoing(replaced)
	e.twice(func() { e.same("Outgoing", e.load("c", 1).State.Outgoing["full"], replaced) })
}

func receiptOutlives(e *env) {
	o := sds.OutgoingRecord{ID: "a", HasAudience: true, Members: []sds.PersonID{"p", "q", "r"}, Level: sds.LevelSent}
	o2 := sds.OutgoingRecord{ID: "b", HasAudience: true, Members: []sds.PersonID{"p", "q", "r"}}
	e.outgoing(o, o2)
	e.change(store.ChannelBatch{Channel: "c", Changes: sds.Changes{Seen: []sds.SeenRecord{{ID: "a", Person: "r"}, {ID: "b", Person: "q"}}}})
	done := o
	done.Level, done.Done = sds.LevelEveryone, true
	// As the channel does: the last proofs and the end of tracking come together.
	e.change(store.ChannelBatch{Channel: "c", Changes: sds.Changes{Outgoing: []sds.OutgoingRecord{done},
		Seen: []sds.SeenRecord{{ID: "a", Person: "q"}, {ID: "a", Person: "p"}, {ID: "a", Person: "r"}}},
		Transitions: []store.Transition{{ID: "a", Level: sds.LevelEveryone, At: 7}}})
	e.twice(func() {
		st := e.load("c", 1).State
		e.same("Outgoing", st.Outgoing, map[sds.MessageID]sds.OutgoingRecord{"b": o2})
		e.same("Seen", st.Seen, map[sds.MessageID]map[sds.PersonID]struct{}{"b": {"q": {}}})
		e.same("Receipt", e.receipt("a"), store.Receipt{Outgoing: done, Persons: []sds.PersonID{"p", "q", "r"},
			Transitions: []store.Transition{{ID: "a", Level: sds.LevelEveryone, At: 7}}})
	})
}

func seenNeedsOwn(e *env) {
	e.change(store.ChannelBatch{Channel: "c", Changes: sds.Changes{Messages: []sds.MessageRecord{logged("a", 1, 1)},
		Seen: []sds.SeenRecord{{ID: "a", Person: "p"}, {ID: "never", Person: "p"}}}})
	_, err := e.s.Receipt(e.ctx, "c", "a")
	e.is("Receipt of a message of others", err, store.ErrNotFound)
	e.outgoing(sds.OutgoingRecord{ID: "a"})
	e.twice(func() {
		e.same("Seen", e.load("c", 1).State.Seen, map[sds.MessageID]map[sds.PersonID]struct{}{})
		e.same("Persons", e.receipt("a").Persons, []sds.PersonID(nil))
	})
}

func trackedAnew(e *env) {
	seen := func(p sds.PersonID) []sds.SeenRecord { return []sds.SeenRecord{{ID: "a", Person: p}} }
	e.change(store.ChannelBatch{Channel: "c", Changes: sds.Changes{Outgoing: []sds.OutgoingRecord{{ID: "a"}}, Seen: seen("p")}})
	e.outgoing(sds.OutgoingRecord{ID: "a", Level: 2}) // still tracked: what is proved stays
	e.same("Persons", e.receipt("a").Persons, []sds.PersonID{"p"})
	e.outgoing(sds.OutgoingRecord{ID: "a", Done: true})
	e.outgoing(sds.OutgoingRecord{ID: "a", Done: true, Level: 3})
	e.same("Persons", e.receipt("a").Persons, []sds.PersonID{"p"})
	e.outgoing(sds.OutgoingRecord{ID: "a"}) // as sds.State.Apply: it begins without proof
	e.same("Seen", e.load("c", 1).State.Seen, map[sds.MessageID]map[sds.PersonID]struct{}{})
	e.change(store.ChannelBatch{Channel: "c", Changes: sds.Changes{Seen: seen("q")}})
	e.twice(func() { e.same("Persons", e.receipt("a").Persons, []sds.PersonID{"q"}) })
}

func firstTransition(e *env) {
	move := func(level sds.Level, at sds.Time) store.Transition {
		return store.Transition{ID: "a", Level: level, At: at}
	}
	e.outgoing(sds.OutgoingRecord{ID: "a"})
	e.change(store.ChannelBatch{Channel: "c", Transitions: []store.Transition{move(3, 30), move(1, 10), move(1, 11)}})
	e.change(store.ChannelBatch{Channel: "c", Transitions: []store.Transition{move(3, 5), move(0, 0), move(5, -1)}})
	e.twice(func() {
		e.same("Transitions", e.receipt("a").Transitions, []store.Transition{move(0, 0), move(1, 10), move(3, 30), move(5, -1)})
	})
}

func largeAudience(e *env) {
	var persons []sds.PersonID
	for i := range 10_000 {
		persons = append(persons, sds.PersonID(fmt.Sprintf("person-%05d", i)))
	}
	joined := slices.Concat(persons[:5000], []sds.PersonID{"person-04999a"}, persons[5000:]) // one more, in between
	left := slices.Concat(persons[:77], persons[78:])
	records := []sds.OutgoingRecord{
		{ID: "a", HasAudience: true, Members: persons, Stewards: persons[9990:]},
		{ID: "b", HasAudience: true, Members: persons, Stewards: persons[9990:], Want: sds.Everyone},
		{ID: "c", HasAudience: true, Members: joined},
		{ID: "d", HasAudience: true, Members: left},
	}
	b := store.ChannelBatch{Channel: "c", Changes: sds.Changes{Outgoing: records}}
	for _, p := range persons {
		b.Changes.Seen = append(b.Changes.Seen, sds.SeenRecord{ID: "a", Person: p})
	}
	b.Changes.Seen = append(b.Changes.Seen, sds.SeenRecord{ID: "b", Person: persons[9999]})
	e.change(b)
	for level := range sds.LevelEveryone { // the record is written again at every level
		records[0].Level = level
		e.outgoing(records[0])
	}
	var state sds.State
	state.Apply(b.Changes)
	state.Outgoing["a"] = records[0]
	e.twice(func() {
		e.same("State", e.load("c", 10).State, state)
		e.same("Receipt", e.receipt("a"), store.Receipt{Outgoing: records[0], Persons: persons})
		e.same("Receipt", e.receipt("b"), store.Receipt{Outgoing: records[1], Persons: persons[9999:]})
	})
}

// audienceChanged hands in the same slice with other persons: a store must not
// know an audience by its address.
func audienceChanged(e *env) {
	members, stewards := []sds.PersonID{"a", "b"}, []sds.PersonID{"a"}
	e.outgoing(sds.OutgoingRecord{ID: "1", HasAudience: true, Members: members, Stewards: stewards})
	members[1] = "z"
	e.outgoing(sds.OutgoingRecord{ID: "2", HasAudience: true, Members: members, Stewards: stewards})
	stewards[0] = "z"
	e.outgoing(sds.OutgoingRecord{ID: "3", HasAudience: true, Members: members, Stewards: stewards},
		sds.OutgoingRecord{ID: "4", HasAudience: true, Members: members[:1], Stewards: stewards},
		sds.OutgoingRecord{ID: "5", HasAudience: true, Members: members, Stewards: stewards})
	e.twice(func() {
		for id, want := range map[sds.MessageID][2]string{"1": {"ab", "a"}, "2": {"az", "a"}, "3": {"az", "z"}, "4": {"a", "z"}, "5": {"az", "z"}} {
			o := e.receipt(id).Outgoing
			e.same("audience of "+string(id), [2]string{joinPersons(o.Members), joinPersons(o.Stewards)}, want)
		}
	})
}

func joinPersons(persons []sds.PersonID) (s string) {
	for _, p := range persons {
		s += string(p)
	}
	return s
}

func gaps(e *env) {
	gap := func(id sds.MessageID, s sds.GapState, at sds.Time) store.Gap {
		return store.Gap{Gap: sds.Gap{ID: id, State: s, Sender: "bob\x00", Hint: []byte("hint")}, At: at}
	}
	all := []store.Gap{gap("\x00", sds.GapMissing, -1), gap("a", sds.GapSkipped, 1<<51), gap("b", sds.GapLost, 3), gap("\xff", sds.GapNotForMe, 4)}
	e.change(store.ChannelBatch{Channel: "c", Gaps: []store.Gap{all[3], gap("a", sds.GapMissing, 1), all[0], gap("x", sds.GapMissing, 1),
		gap("y", sds.GapMissing, 1), all[2], gap("z", sds.GapMissing, 1), gap("z", sds.GapRecovered, 1)}})
	e.change(store.ChannelBatch{Channel: "c", Gaps: []store.Gap{all[1], gap("x", sds.GapRecovered, 2), gap("y", sds.GapBelowJoin, 2),
		gap("never", sds.GapRecovered, 2)}})
	page := func(after sds.MessageID, limit int) []store.Gap {
		return must(e.s.Gaps(e.ctx, "c", after, limit))(e, "Gaps")
	}
	e.twice(func() {
		e.same("Gaps", page("", 10), all)
		e.same("a page", page("", 2), all[:2])
		e.same("the next", page("a", 2), all[2:])
		e.same("after one that isn't there", page("a\x00", 1), all[2:3])
		e.same("after the last", page("\xff", 10), []store.Gap{})
		e.same("limit 0", page("", 0), []store.Gap{})
		e.same("limit -1", page("", -1), []store.Gap{})
	})
	again := gap("x", sds.GapMissing, 9) // it may be missing again
	e.change(store.ChannelBatch{Channel: "c", Gaps: []store.Gap{again}})
	e.same("missing again", page("b", 1), []store.Gap{again})
}
