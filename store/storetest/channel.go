package storetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
)

var channelTests = []test{
	{"EmptyStore", emptyStore},
	{"MetaRoundTrips", metaRoundTrips},
	{"MessagesRoundTrip", messagesRoundTrip},
	{"WeirdIDs", weirdIDs},
	{"ReplaceByID", replaceByID},
	{"ForgottenGoes", forgottenGoes},
	{"FirstBytesStay", firstBytesStay},
	{"LargeBytes", largeBytes},
	{"LoadWindow", loadWindow},
	{"LoadNamedBelowWindow", loadNamed},
	{"Lookup", lookup},
	{"LogByPlace", logByPlace},
	{"LogByPosition", logByPosition},
	{"LogHasOnlyTheLog", logHasOnlyTheLog},
	{"NoBytes", noBytes},
	{"Digest", digest},
	{"CompleteTo", completeTo},
	{"Hints", hints},
	{"Channels", channels},
	{"Drop", drop},
}

func emptyStore(e *env) {
	e.same("Channels", must(e.s.Channels(e.ctx))(e, "Channels"), []sds.ChannelID{})
	e.same("Load", e.load("c", 10), store.Channel{})
	e.same("Lookup", must(e.s.Lookup(e.ctx, "c", []sds.MessageID{"b", "a"}))(e, "Lookup"), []sds.Lookup{{ID: "b"}, {ID: "a"}})
	e.same("Log", e.log(store.LogQuery{Limit: 10}), []sds.MessageID(nil))
	e.same("Digest", must(e.s.Digest(e.ctx, "c"))(e, "Digest"), store.Digest{Hash: sha256.Sum256(nil)})
	e.same("Gaps", must(e.s.Gaps(e.ctx, "c", "", 10))(e, "Gaps"), []store.Gap{})
	e.same("Events", must(e.s.Events(e.ctx, "", 0, 10))(e, "Events"), []store.Event{})
	e.same("Journal", must(e.s.Journal(e.ctx, "j", 0, 10))(e, "Journal"), []store.Entry{})
	_, err := e.s.Message(e.ctx, "c", "a")
	e.is("Message", err, store.ErrNotFound)
	_, err = e.s.Receipt(e.ctx, "c", "a")
	e.is("Receipt", err, store.ErrNotFound)
	_, err = e.s.Value(e.ctx, "v")
	e.is("Value", err, store.ErrNotFound)
	e.forget("j", 0, 5)
	forgotten, newest, err := e.s.Cursors(e.ctx)
	if forgotten != 0 || newest != 0 || err != nil {
		e.Errorf("Cursors: %d, %d, %v", forgotten, newest, err)
	}
}

func metaRoundTrips(e *env) {
	const top = math.MaxUint64
	meta := sds.Meta{Incarnation: math.MaxUint32, Lamport: top, Sequence: top - 1, Ordinal: top - 2, Position: top - 3, Base: top - 4,
		BaseFixed: true, Sum: sds.Sum{Words: [4]uint64{top, 0, 1 << 63, 1}, Count: top - 5}, Forgotten: top - 6, ForgottenMax: top - 7,
		Heads: weird, Nonce: top - 8}
	e.change(store.ChannelBatch{Channel: "c", Changes: sds.Changes{Meta: &meta}})
	e.twice(func() { e.same("Meta", e.load("c", 10).State.Meta, meta) })
	e.messages(logged("a", 1, 1)) // a batch without Meta leaves it
	e.same("Meta", e.load("c", 10).State.Meta, meta)
	e.change(store.ChannelBatch{Channel: "c", Changes: sds.Changes{Meta: &sds.Meta{Lamport: 1}}})
	e.twice(func() { e.same("Meta", e.load("c", 10).State.Meta, sds.Meta{Lamport: 1}) })
}

func messagesRoundTrip(e *env) {
	want := map[sds.MessageID]sds.MessageRecord{}
	for i, s := range []sds.MessageState{sds.StateLogged, sds.StateParked, sds.StateMissing, sds.StateGap, sds.StateMet, sds.StateLost, sds.StateNotForMe} {
		m := logged(sds.MessageID(fmt.Sprint("m", i)), uint64(i)+5, sds.Position(i+1))
		if m.State = s; s != sds.StateLogged {
			m.Position = 0
		}
		want[m.ID] = m
		bare := sds.MessageRecord{ID: sds.MessageID(fmt.Sprint("bare", i)), State: s}
		want[bare.ID] = bare
		big := m
		big.ID, big.Lamport, big.Reach, big.Ordinal = m.ID+"big", sds.MaxLamport-1, math.MaxUint64, math.MaxUint64
		want[big.ID] = big
	}
	for _, m := range want {
		e.messages(m)
	}
	e.twice(func() {
		e.same("Load", e.load("c", 100).State.Messages, want)
		for id, m := range want {
			e.same("Message", e.message(id), store.Message{MessageRecord: m})
		}
	})
}

func weirdIDs(e *env) {
	for _, ch := range []sds.ChannelID{"c\x00", "\xff", sds.ChannelID(long(0)), "c"} {
		b := store.ChannelBatch{Channel: ch}
		for i, id := range weird {
			m := logged(id, 1, sds.Position(i+1)) // all at one timestamp: the id decides
			m.Sender, m.Parents = sds.ParticipantID(id), weird
			if i%2 == 0 {
				m.Sender = ""
			}
			b.Changes.Messages = append(b.Changes.Messages, m)
			b.Sealed = append(b.Sealed, store.Sealed{ID: id, Bytes: []byte(id)})
			b.Changes.Outgoing = append(b.Changes.Outgoing, sds.OutgoingRecord{ID: id, HasAudience: true, Members: weirdPersons})
			for _, p := range weirdPersons {
				b.Changes.Seen = append(b.Changes.Seen, sds.SeenRecord{ID: id, Person: p})
			}
			b.Gaps = append(b.Gaps, store.Gap{Gap: sds.Gap{ID: id, State: sds.GapMissing, Sender: sds.ParticipantID(id)}})
			b.Transitions = append(b.Transitions, store.Transition{ID: id, Level: 1, At: 1})
		}
		e.change(b)
		e.twice(func() { checkWeird(e, ch, b) })
	}
	e.same("Channels", must(e.s.Channels(e.ctx))(e, "Channels"), []sds.ChannelID{sds.ChannelID(long(0)), "c", "c\x00", "\xff"})
}

var weirdPersons = func() (persons []sds.PersonID) {
	for _, id := range weird {
		persons = append(persons, sds.PersonID(id))
	}
	slices.Sort(persons)
	return persons
}()

func checkWeird(e *env, ch sds.ChannelID, b store.ChannelBatch) {
	e.Helper()
	var state sds.State
	state.Apply(b.Changes)
	e.same("State", e.load(ch, 100).State, state)
	sorted := slices.Sorted(slices.Values(weird))
	e.same("Log", idsOf(must(e.s.Log(e.ctx, ch, store.LogQuery{Limit: 100}))(e, "Log")), sorted)
	for i, id := range sorted {
		rest := must(e.s.Log(e.ctx, ch, store.LogQuery{Limit: 100, After: sds.Place{Lamport: 1, ID: id}}))(e, "Log")
		e.same("Log after", idsOf(rest), sorted[i+1:])
		gaps := must(e.s.Gaps(e.ctx, ch, id, 100))(e, "Gaps")
		if len(gaps) != len(sorted)-1-i || len(gaps) > 0 && (gaps[0].ID != sorted[i+1] || string(gaps[0].Sender) != string(gaps[0].ID)) {
			e.Fatalf("gaps after %q: %d", id, len(gaps))
		}
		m := must(e.s.Message(e.ctx, ch, id))(e, "Message")
		if string(m.Sealed) != string(id) {
			e.Fatalf("bytes of %q: %q", id, m.Sealed)
		}
		r := must(e.s.Receipt(e.ctx, ch, id))(e, "Receipt")
		e.same("Persons", r.Persons, weirdPersons)
	}
}

func replaceByID(e *env) {
	e.messages(inState("a", sds.StateGap), logged("b", 5, 1))
	e.messages(inState("a", sds.StateParked))
	a := logged("a", 5, 2)
	e.messages(inState("a", sds.StateParked), a) // in one batch the last counts
	e.twice(func() {
		e.same("Message", e.message("a").MessageRecord, a)
		e.same("Log", e.log(store.LogQuery{Limit: 10}), []sds.MessageID{"a", "b"})
	})
	// The same id at another place and position: the old ones are gone.
	a = logged("a", 9, 3)
	e.messages(a)
	e.twice(func() {
		e.same("Log", e.log(store.LogQuery{Limit: 10}), []sds.MessageID{"b", "a"})
		e.same("Log", e.log(store.LogQuery{Limit: 10, ByPosition: true}), []sds.MessageID{"b", "a"})
		e.same("Message", e.message("a").MessageRecord, a)
	})
}

func forgottenGoes(e *env) {
	sealed := func(ids ...sds.MessageID) (list []store.Sealed) {
		for _, id := range ids {
			list = append(list, store.Sealed{ID: id, Bytes: []byte("of " + id)})
		}
		return list
	}
	e.change(store.ChannelBatch{Channel: "c", Sealed: sealed("a", "b", "d"), Changes: sds.Changes{Messages: []sds.MessageRecord{
		inState("a", sds.StateParked), inState("b", sds.StateParked), logged("d", 1, 1)}}})
	forget := func(id sds.MessageID) sds.MessageRecord { return sds.MessageRecord{ID: id, State: sds.StateForgotten} }
	// "n" comes and goes in one batch; "b" goes and comes; "never" was not there.
	e.change(store.ChannelBatch{Channel: "c", Sealed: append(sealed("n"), store.Sealed{ID: "b", Bytes: []byte("new")}),
		Changes: sds.Changes{Messages: []sds.MessageRecord{forget("a"), inState("n", sds.StateParked), forget("n"), forget("never"),
			forget("b"), inState("b", sds.StateParked)}}})
	e.twice(func() {
		for _, id := range []sds.MessageID{"a", "n", "never"} {
			_, err := e.s.Message(e.ctx, "c", id)
			e.is("Message of a forgotten one", err, store.ErrNotFound)
		}
		e.same("bytes of one that came back", string(e.message("b").Sealed), "new")
		e.same("bytes of another", string(e.message("d").Sealed), "of d")
	})
	e.messages(forget("d"))
	e.same("Log", e.log(store.LogQuery{Limit: 10}), []sds.MessageID(nil))
	e.messages(inState("n", sds.StateParked)) // back, without bytes
	if m := e.message("n"); m.Sealed != nil {
		e.Errorf("bytes that came with a forgotten message stayed: %q", m.Sealed)
	}
	// The bytes went with the record: new ones are first again.
	e.change(store.ChannelBatch{Channel: "c", Changes: sds.Changes{Messages: []sds.MessageRecord{inState("a", sds.StateParked)}},
		Sealed: []store.Sealed{{ID: "a", Bytes: []byte("second life")}}})
	e.twice(func() { e.same("Sealed", string(e.message("a").Sealed), "second life") })
}

func firstBytesStay(e *env) {
	put := func(id sds.MessageID, bytes, plain []byte) {
		e.change(store.ChannelBatch{Channel: "c", Sealed: []store.Sealed{{ID: id, Bytes: bytes, Plain: plain}}})
	}
	put("a", []byte("first"), []byte("plain")) // the bytes may come before the record
	put("a", []byte("second"), []byte("other"))
	put("e", []byte{}, nil)
	put("e", []byte("late"), []byte("late"))
	e.change(store.ChannelBatch{Channel: "c", Sealed: []store.Sealed{{ID: "b", Bytes: []byte("one")}, {ID: "b", Bytes: []byte("two")}}})
	e.messages(logged("a", 1, 1), logged("b", 2, 2), logged("e", 3, 3), logged("none", 4, 4))
	e.twice(func() {
		e.same("Message", e.message("a"), store.Message{MessageRecord: logged("a", 1, 1), Sealed: []byte("first"), Plain: []byte("plain")})
		e.same("Sealed", string(e.message("b").Sealed), "one")
		if m := e.message("e"); m.Sealed == nil || len(m.Sealed) > 0 || m.Plain != nil {
			e.Errorf("empty bytes came back as %#v and %#v", m.Sealed, m.Plain)
		}
		if m := e.message("none"); m.Sealed != nil || m.Plain != nil || m.Draft != nil {
			e.Errorf("bytes of a message without: %+v", m)
		}
	})
}

func largeBytes(e *env) {
	big := make([]byte, 1<<20)
	for i := range big {
		big[i] = byte(i * i >> 8)
	}
	draft := slices.Concat([]byte("draft"), big)
	e.change(store.ChannelBatch{Channel: "c", Sealed: []store.Sealed{{ID: "a", Bytes: big, Plain: big[1:]}}, Changes: sds.Changes{
		Messages: []sds.MessageRecord{logged("a", 1, 1)}, Outgoing: []sds.OutgoingRecord{{ID: "a", Draft: draft}}}})
	e.twice(func() {
		m := e.message("a")
		if !bytes.Equal(m.Sealed, big) || !bytes.Equal(m.Plain, big[1:]) || !bytes.Equal(m.Draft, draft) {
			e.Errorf("1 MiB came back as %d, %d and %d bytes", len(m.Sealed), len(m.Plain), len(m.Draft))
		}
		if o := e.load("c", 10).State.Outgoing["a"]; !bytes.Equal(o.Draft, draft) {
			e.Errorf("draft of %d bytes", len(o.Draft))
		}
	})
}

// numbered is a log of n messages at places and positions 1 to n.
func (e *env) numbered(n int) {
	e.Helper()
	var records []sds.MessageRecord
	for i := range n {
		records = append(records, logged(numberedID(i+1), uint64(i+1), sds.Position(i+1)))
	}
	e.messages(records...)
}

func numberedID(i int) sds.MessageID { return sds.MessageID(fmt.Sprintf("m%03d", i)) }

func loadWindow(e *env) {
	e.numbered(20)
	e.messages(logged("late", 3, 21)) // a low place, the newest position
	others := []sds.MessageID{"parked", "gap", "met", "lost"}
	e.messages(inState("parked", sds.StateParked), inState("gap", sds.StateGap), inState("met", sds.StateMet), inState("lost", sds.StateLost))
	for _, window := range []int{0, 1, 5, 21, 1000} {
		e.twice(func() {
			got := e.load("c", window).State.Messages
			if want := min(window, 21) + len(others); len(got) != want {
				e.Errorf("window %d: %d messages, want %d", window, len(got), want)
			}
			for _, id := range others {
				if _, ok := got[id]; !ok {
					e.Errorf("window %d: %s is missing", window, id)
				}
			}
			if _, ok := got["late"]; ok != (window > 0) {
				e.Errorf("window %d: newest position loaded: %v", window, ok)
			}
		})
	}
}

func loadNamed(e *env) {
	e.numbered(20)
	e.change(store.ChannelBatch{Channel: "c", Changes: sds.Changes{
		Meta: &sds.Meta{Position: 20, Heads: []sds.MessageID{numberedID(3), numberedID(20), "unknown"}},
		Outgoing: []sds.OutgoingRecord{{ID: numberedID(5)}, {ID: numberedID(6), Done: true}, {ID: numberedID(7)},
			{ID: "without record"}}}})
	e.change(store.ChannelBatch{Channel: "c", Changes: sds.Changes{Outgoing: []sds.OutgoingRecord{{ID: numberedID(7), Done: true}}}})
	e.twice(func() {
		var got []sds.MessageID
		st := e.load("c", 2).State
		for id := range st.Messages {
			got = append(got, id)
		}
		slices.Sort(got)
		e.same("Messages", got, []sds.MessageID{numberedID(3), numberedID(5), numberedID(19), numberedID(20)})
		e.same("Outgoing", st.Outgoing, map[sds.MessageID]sds.OutgoingRecord{
			numberedID(5): {ID: numberedID(5)}, "without record": {ID: "without record"}})
	})
}

func lookup(e *env) {
	e.numbered(5)
	e.messages(inState("parked", sds.StateParked), inState("gap", sds.StateGap), inState("met", sds.StateMet), inState("lost", sds.StateLost))
	known := func(i int) sds.Lookup {
		m := logged(numberedID(i), uint64(i), sds.Position(i))
		return sds.Lookup{ID: m.ID, Known: true, Sender: m.Sender, Reach: m.Reach}
	}
	// In the order of the question, repetitions too. Only what is of the log is known.
	ids := []sds.MessageID{numberedID(4), "never", numberedID(1), "parked", "gap", "met", "lost", numberedID(4)}
	want := []sds.Lookup{known(4), {ID: "never"}, known(1), {ID: "parked"}, {ID: "gap"}, {ID: "met"}, {ID: "lost"}, known(4)}
	e.twice(func() {
		e.same("Lookup", must(e.s.Lookup(e.ctx, "c", ids))(e, "Lookup"), want)
		e.same("Lookup of nothing", must(e.s.Lookup(e.ctx, "c", nil))(e, "Lookup"), []sds.Lookup{})
	})
}

// pages reads the whole log in pages.
func (e *env) pages(q store.LogQuery) (all []sds.MessageID) {
	e.Helper()
	for range 1000 {
		page := must(e.s.Log(e.ctx, "c", q))(e, "Log")
		if len(page) > q.Limit {
			e.Fatalf("page of %d, limit %d", len(page), q.Limit)
		}
		if len(page) == 0 {
			return all
		}
		all = append(all, idsOf(page)...)
		last := page[len(page)-1]
		q.After, q.AfterPosition = sds.Place{Lamport: last.Lamport, ID: last.ID}, last.Position
	}
	e.Fatalf("%+v has no end", q)
	return nil
}

func checkPages(e *env, byPosition bool, want []sds.MessageID) {
	e.Helper()
	backwards := slices.Clone(want)
	slices.Reverse(backwards)
	e.twice(func() {
		for _, limit := range []int{1, 2, 3, 7, len(want), 100} {
			e.same("pages", e.pages(store.LogQuery{ByPosition: byPosition, Limit: limit}), want)
			e.same("pages backwards", e.pages(store.LogQuery{ByPosition: byPosition, Limit: limit, Descending: true}), backwards)
		}
		for _, limit := range []int{0, -1} {
			e.same("no limit", e.log(store.LogQuery{ByPosition: byPosition, Limit: limit}), []sds.MessageID(nil))
		}
	})
}

func logByPlace(e *env) {
	e.messages(logged("b", 5, 1), logged("a", 5, 2), logged("c", 5, 3), logged("z", 1, 4), logged("0", 9, 5),
		logged("a\x00", 5, 6), logged("\xff", 5, 7), logged("top", sds.MaxLamport-1, 8), logged("zero", 0, 9))
	want := []sds.MessageID{"zero", "z", "a", "a\x00", "b", "c", "\xff", "0", "top"}
	checkPages(e, false, want)
	at := func(lamport uint64, id sds.MessageID, descending bool) []sds.MessageID {
		return e.log(store.LogQuery{After: sds.Place{Lamport: lamport, ID: id}, Descending: descending, Limit: 100})
	}
	e.same("above a place between", at(5, "aa", false), want[4:])
	e.same("below a place between", at(5, "aa", true), []sds.MessageID{"a\x00", "a", "z", "zero"})
	e.same("above a timestamp", at(5, "", false), want[2:])
	e.same("above the end", at(math.MaxUint64, "x", false), []sds.MessageID(nil))
	e.same("below the end", at(math.MaxUint64, "x", true)[0], sds.MessageID("top"))
	e.same("below the beginning", at(0, "a", true), []sds.MessageID(nil))
}

func logByPosition(e *env) {
	e.messages(logged("d", 1, 40), logged("a", 9, 10), logged("c", 2, 30), logged("b", 8, 20))
	checkPages(e, true, []sds.MessageID{"a", "b", "c", "d"})
	at := func(p sds.Position, descending bool) []sds.MessageID {
		return e.log(store.LogQuery{ByPosition: true, AfterPosition: p, Descending: descending, Limit: 100})
	}
	e.same("above", at(20, false), []sds.MessageID{"c", "d"})
	e.same("above one between", at(25, false), []sds.MessageID{"c", "d"})
	e.same("below", at(20, true), []sds.MessageID{"a"})
	e.same("above the end", at(math.MaxUint64, false), []sds.MessageID(nil))
	e.same("below the end", at(math.MaxUint64, true), []sds.MessageID{"d", "c", "b", "a"})
}

func logHasOnlyTheLog(e *env) {
	e.messages(logged("a", 1, 1), inState("parked", sds.StateParked), inState("gap", sds.StateGap), inState("met", sds.StateMet),
		inState("lost", sds.StateLost))
	e.change(store.ChannelBatch{Channel: "other", Changes: sds.Changes{Messages: []sds.MessageRecord{logged("o", 1, 1)}}})
	for _, byPosition := range []bool{false, true} {
		for _, descending := range []bool{false, true} {
			e.same("Log", e.log(store.LogQuery{ByPosition: byPosition, Descending: descending, Limit: 10}), []sds.MessageID{"a"})
		}
	}
	e.same("count", must(e.s.Digest(e.ctx, "c"))(e, "Digest").Count, uint64(1))
}

func noBytes(e *env) {
	e.change(store.ChannelBatch{Channel: "c", Sealed: []store.Sealed{{ID: "a", Bytes: []byte("bytes"), Plain: []byte("plain")}},
		Changes: sds.Changes{Messages: []sds.MessageRecord{logged("a", 1, 1), logged("b", 2, 2)},
			Outgoing: []sds.OutgoingRecord{{ID: "b", Draft: []byte("draft")}}}})
	e.twice(func() {
		for _, byPosition := range []bool{false, true} {
			q := store.LogQuery{ByPosition: byPosition, Limit: 10}
			full := []store.Message{{MessageRecord: logged("a", 1, 1), Sealed: []byte("bytes"), Plain: []byte("plain")},
				{MessageRecord: logged("b", 2, 2), Draft: []byte("draft")}}
			e.same("Log", must(e.s.Log(e.ctx, "c", q))(e, "Log"), full)
			q.NoBytes = true
			e.same("Log without bytes", must(e.s.Log(e.ctx, "c", q))(e, "Log"),
				[]store.Message{{MessageRecord: logged("a", 1, 1)}, {MessageRecord: logged("b", 2, 2)}})
		}
	})
}

func digest(e *env) {
	of := func(ids ...string) store.Digest {
		var b []byte
		for _, id := range ids {
			b = binary.LittleEndian.AppendUint64(b, uint64(len(id)))
			b = append(b, id...)
		}
		return store.Digest{Count: uint64(len(ids)), Hash: sha256.Sum256(b)}
	}
	e.messages(logged("b", 2, 1), logged("\x00", 9, 2), inState("gap", sds.StateGap))
	e.same("Digest", must(e.s.Digest(e.ctx, "c"))(e, "Digest"), of("b", "\x00"))
	e.messages(logged("a", 1, 3)) // positions don't matter
	e.twice(func() { e.same("Digest", must(e.s.Digest(e.ctx, "c"))(e, "Digest"), of("a", "b", "\x00")) })
}

func completeTo(e *env) {
	e.change(store.ChannelBatch{Channel: "c", CompleteTo: 1 << 51})
	e.messages(logged("a", 1, 1)) // 0 leaves it
	e.twice(func() { e.same("CompleteTo", e.load("c", 1).CompleteTo, sds.Time(1<<51)) })
	e.change(store.ChannelBatch{Channel: "c", CompleteTo: -5}) // set, not raised
	e.twice(func() { e.same("CompleteTo", e.load("c", 1).CompleteTo, sds.Time(-5)) })
}

func hints(e *env) {
	e.messages(logged("a", 1, 1), logged("b", 2, 2))
	e.change(store.ChannelBatch{Channel: "c", Hints: []store.Hint{{ID: "a", Hint: []byte("here")}, {ID: "unknown", Hint: []byte("x")}}})
	e.twice(func() {
		a, b := e.load("c", 9).State.Messages["a"], e.load("c", 9).State.Messages["b"]
		e.same("Hint", string(a.Hint), "here")
		e.same("Hint of another", string(b.Hint), string(logged("b", 2, 2).Hint))
		e.same("the rest", a.Position, sds.Position(1))
		e.same("Messages", len(e.load("c", 9).State.Messages), 2)
	})
}

func channels(e *env) {
	for _, ch := range []sds.ChannelID{"b", "\xff", "a", "a\x00"} {
		e.change(store.ChannelBatch{Channel: ch, CompleteTo: 1})
	}
	e.change(store.ChannelBatch{Channel: "nothing"}) // says nothing: it wasn't written to
	e.twice(func() {
		e.same("Channels", must(e.s.Channels(e.ctx))(e, "Channels"), []sds.ChannelID{"a", "a\x00", "b", "\xff"})
	})
}

func drop(e *env) {
	fill := func(ch sds.ChannelID) store.ChannelBatch {
		return store.ChannelBatch{Channel: ch, CompleteTo: 5, Sealed: []store.Sealed{{ID: "a", Bytes: []byte("old")}},
			Changes: sds.Changes{Meta: &sds.Meta{Lamport: 9}, Messages: []sds.MessageRecord{logged("a", 1, 1), inState("g", sds.StateGap)},
				Outgoing: []sds.OutgoingRecord{{ID: "a", HasAudience: true, Members: []sds.PersonID{"p", "q"}}},
				Seen:     []sds.SeenRecord{{ID: "a", Person: "q"}}},
			Transitions: []store.Transition{{ID: "a", Level: 1, At: 1}}, Gaps: []store.Gap{{Gap: sds.Gap{ID: "g", State: sds.GapLost}}}}
	}
	e.commit(&store.Batch{Channels: []store.ChannelBatch{fill("c"), fill("d")},
		Events: []store.Event{{Cursor: 1, Channel: "c"}, {Cursor: 2, Channel: "d"}, {Cursor: 3, Channel: "c"}},
		Values: map[string][]byte{store.ChannelKey("c", "x"): {1}, store.ChannelKey("c", "y/z"): {2}, store.ChannelKey("c0", "x"): {3},
			store.ChannelKey("", "x"): {4}, store.ChannelKey("c/", "x"): {5}}})
	kept := e.load("d", 10)
	e.commit(&store.Batch{Channels: []store.ChannelBatch{{Channel: "c", Drop: true}, {Channel: "never", Drop: true}},
		Events: []store.Event{{Cursor: 4, Channel: "c", Kind: 1}}, // that it is gone
		Values: map[string][]byte{store.ChannelKey("c", "new"): {6}}})
	e.twice(func() {
		e.same("Channels", must(e.s.Channels(e.ctx))(e, "Channels"), []sds.ChannelID{"d"})
		e.same("Load", e.load("c", 10), store.Channel{})
		e.same("Load of another", e.load("d", 10), kept)
		_, err := e.s.Message(e.ctx, "c", "a")
		e.is("Message", err, store.ErrNotFound)
		_, err = e.s.Receipt(e.ctx, "c", "a")
		e.is("Receipt", err, store.ErrNotFound)
		e.same("Gaps", must(e.s.Gaps(e.ctx, "c", "", 10))(e, "Gaps"), []store.Gap{})
		e.same("Events", must(e.s.Events(e.ctx, "", 0, 10))(e, "Events"),
			[]store.Event{{Cursor: 2, Channel: "d"}, {Cursor: 4, Channel: "c", Kind: 1}})
		_, newest, _ := e.s.Cursors(e.ctx)
		e.same("newest", newest, store.Cursor(4))
		for _, name := range []string{"x", "y/z"} {
			_, err = e.s.Value(e.ctx, store.ChannelKey("c", name))
			e.is("Value", err, store.ErrNotFound)
		}
		for ch, want := range map[sds.ChannelID]byte{"c0": 3, "": 4, "c/": 5} {
			e.same("Value of another", must(e.s.Value(e.ctx, store.ChannelKey(ch, "x")))(e, "Value"), []byte{want})
		}
		e.same("new Value", must(e.s.Value(e.ctx, store.ChannelKey("c", "new")))(e, "Value"), []byte{6})
	})
	// Begun again, in the same batch as another end: nothing of before is there.
	again := store.ChannelBatch{Channel: "c", Drop: true, Sealed: []store.Sealed{{ID: "a", Bytes: []byte("new")}}, Changes: sds.Changes{
		Messages: []sds.MessageRecord{logged("a", 3, 1)},
		Outgoing: []sds.OutgoingRecord{{ID: "a", HasAudience: true, Members: []sds.PersonID{"z"}}}}}
	e.change(fill("c"))
	e.change(again)
	e.twice(func() {
		var state sds.State
		state.Apply(again.Changes)
		e.same("State", e.load("c", 10), store.Channel{State: state})
		e.same("Sealed", string(e.message("a").Sealed), "new")
		e.same("Receipt", e.receipt("a"), store.Receipt{Outgoing: again.Changes.Outgoing[0]})
	})
}
