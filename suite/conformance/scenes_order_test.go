package conformance

import (
	"fmt"
	"slices"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// logged is an element of the history in the event "state".
func logged(m said) with { return with{"id": m.id} }

// orderScenes: clocks, the log, what is named, what waits.
func orderScenes() []scene {
	return []scene{
		{"the clock takes over what enters the log", "R20", every, "", func(s *script) {
			s.do("a message from ahead", receive(s.by("bob", "hi", 5)), sweep)
			s.do("ours comes after it", send("tea?")).expect(out("m1", with{"lamport": offset(s.dialect, 6)}))
		}},
		{"the clock follows the time", "R20", every, "", func(s *script) {
			s.do("an hour later", advance(3_600_000), send("tea?"))
			hour := uint64(3_600_000)
			if s.dialect == sds.Nim {
				hour /= 1000
			}
			s.expect(out("m1", with{"lamport": offset(s.dialect, hour)}))
		}},
		{"a timestamp of 2^53 is refused and moves no clock", "R21", every, "", func(s *script) {
			m := s.changed("bob", "hi", 5, func(m *wire.Message) { m.Lamport, m.MessageID = 1<<53, "m-late" })
			s.do("a message", receive(s.by("bob", "now", 5)), sweep)
			s.do("one from the end of time", receive(m), sweep).never(with{"event": "delivered", "id": "m-late"})
			s.do("ours comes after the first", send("tea?"), command("state")).expect(with{"event": "state", "lamport": offset(s.dialect, 6)})
		}},
		{"a timestamp far ahead has no place until two others name it", "R22 R35", every, "", vouched},
		{"or until its time comes", "R22", "lip js", "", func(s *script) {
			far := s.by("bob", "from tomorrow", 3_600_000)
			s.do("a message from an hour ahead", receive(far), sweep).expect(arrived(far)).never(delivered(far))
			m := s.by("bob", "hi", 3_599_000)
			s.do("an hour later, and a message of then", advance(3_600_000), receive(m), sweep, sweep).expect(delivered(far))
		}},
		{"the log is ordered by timestamp, then by id", "R23", every, "", func(s *script) {
			list := []said{s.by("carol", "c", 7), s.by("bob", "b", 5), s.by("bob", "a", 6), s.by("carol", "d", 6)}
			s.do("messages in another order", receive(list[0]), receive(list[1]), receive(list[2]), receive(list[3]), sweep, state)
			same := []said{list[2], list[3]}
			slices.SortFunc(same, func(a, b said) int { return compare(a.id, b.id) })
			s.expect(with{"event": "state", "history": []with{logged(list[1]), logged(same[0]), logged(same[1]), logged(list[0])}})
		}},
		{"a message waits for what it names", "R32 R35", every, "", waits(false)},
		{"also for what waits itself", "R32", every, "", waits(true)},
		{"a message waits for 32 at most", "R39", every, "", bounded},
		{"a copy changes nothing", "R33", every, "", func(s *script) {
			m := s.by("bob", "hi", 5)
			s.do("a message", receive(m), sweep).expect(delivered(m))
			s.do("a copy", receive(m), sweep, state).never(arrived(m), delivered(m)).expect(with{"event": "state", "history": []with{logged(m)}})
		}},
		{"our own echo is known", "R33", every, "", func(s *script) {
			s.do("a message of ours", send("tea?")).expect(out("m1", with{}))
			s.do("its echo", with{"cmd": "receive", "payload": "$m1"}, sweep, state).never(with{"event": "delivered"}, with{"event": "acked"}).
				expect(with{"event": "state", "history": []with{{"id": "#m1"}}})
		}},
		{"an unknown message of our own is taken, and acknowledges nothing", "R34", every, "", func(s *script) {
			old := s.by("alice", "before the restart", 9)
			s.do("a message of ours", send("tea?")).expect(out("m1", with{}))
			b := Build{As: "b1", Sender: "alice", Lamport: s.lamport(8), Content: []byte("forgotten"), Names: []string{"#m1"}}
			s.do("one of our own that we don't know, and one that names it", receive(old), built(b), sweep).expect(delivered(old)).never(with{"event": "acked"})
			s.do("the next is after it", send("milk?")).expect(out("m2", with{"lamport": offset(s.dialect, 10)}))
		}},
		{"the history names the heads", "R30", "lip", "", heads},
		{"the history has at most 20 heads, in content the oldest", "R30", "lip", "", func(s *script) { oldest(s, 25, 20) }},
		{"a JavaScript history names what nobody named, at most 200", "R80", "js", "", func(s *script) { atMost(s, 205, 200) }},
		{"a nim history has at most 10", "R81", "nim", "", func(s *script) { atMost(s, 15, 10) }},
		{"messages of the other dialect are not named", "R31", every, "", func(s *script) {
			m := message(s.other(), "bob", "hi", 5, nil)
			s.do("a message in the other numbering, and ours", receive(m), sweep, send("tea?")).expect(out("m1", with{"history": []string{}}))
		}},
		{"the history has hints", "R37", every, "", func(s *script) {
			m := s.by("bob", "hi", 5)
			r := receive(m)
			r["retrievalHint"] = []byte("where")
			s.do("a message that a store has", r, sweep, send("tea?")).expect(out("m1", with{"history": []any{m.id}, "hints": [][]byte{[]byte("where")}}))
		}},
		{"what does not come in time is a gap, and may come late", "R65", every, "--lost-timeout-ms 1000", gap},
	}
}

func compare(a, b wire.MessageID) int {
	if a < b {
		return -1
	}
	return 1
}

// waits: messages in the wrong order are delivered in the right one.
func waits(chain bool) func(*script) {
	return func(s *script) {
		a := s.by("bob", "one", 5)
		b := s.by("bob", "two", 6, a)
		c := s.by("carol", "three", 7, b)
		if chain {
			s.do("the last of three", receive(c), sweep).expect(arrived(c)).never(delivered(c))
		}
		s.do("one that names what is not here", receive(b), sweep).expect(arrived(b), with{"event": "missing", "ids": []any{a.id}}).never(delivered(b))
		s.do("the first", receive(a), sweep).expect(delivered(a), delivered(b))
		if chain {
			s.expect(delivered(c))
		}
	}
}

func heads(s *script) {
	a, b := s.by("bob", "one", 5), s.by("carol", "two", 6)
	c := s.by("bob", "three", 7, a)
	s.do("two that don't know each other, and one that names the first", receive(a), receive(b), receive(c), sweep)
	s.do("ours names those that nobody named, oldest first", send("tea?")).expect(out("m1", with{"history": []any{b.id, c.id}}))
	s.do("and the next ours", send("milk?")).expect(out("m2", with{"history": []any{"#m1"}}))
}

// many are n messages that name nothing.
func many(s *script, n int) (commands []with, ids []any) {
	for i := range n {
		m := s.by("bob", fmt.Sprint("message ", i), uint64(6+i))
		commands = append(commands, receive(m))
		ids = append(ids, m.id)
	}
	return append(commands, sweep), ids
}

// oldest: of n messages that nobody named a history has the oldest.
func oldest(s *script, n, limit int) {
	commands, ids := many(s, n)
	s.do(fmt.Sprint(n, " messages that name nothing"), commands...)
	s.do(fmt.Sprint("ours names ", limit), send("tea?")).expect(out("m1", with{"history": ids[:limit]}))
}

// atMost: a history begins with the oldest, and has no more than limit, whichever.
func atMost(s *script, n, limit int) {
	a, b := s.by("bob", "one", 4), s.by("carol", "two", 5)
	s.do("two messages, and ours", receive(a), receive(b), sweep, send("tea?")).expect(out("m1", with{"history": []any{a.id, b.id}}))
	commands, _ := many(s, n)
	s.do(fmt.Sprint(n, " messages that name nothing"), commands...)
	var any []string
	for i := range limit {
		any = append(any, fmt.Sprint("#h", i))
	}
	s.do(fmt.Sprint("ours names ", limit), send("milk?")).expect(out("m2", with{"history": any}))
}

func gap(s *script) {
	a := s.by("bob", "one", 5)
	b := s.by("bob", "two", 6, a)
	s.do("one that names what is not here", receive(b), sweep).never(delivered(b))
	s.do("a second later", advance(1_001), sweep).
		expect(with{"event": "lost", "ids": []any{a.id}}, with{"event": "delivered", "id": b.id, "gaps": []any{a.id}})
	s.do("it comes late", receive(a), sweep, state).
		expect(delivered(a), with{"event": "state", "history": []with{logged(a), logged(b)}}).never(delivered(b))
}

// vouched: one other participant does not make a timestamp plausible, nor its sender.
func vouched(s *script) {
	ahead := uint64(3_600_000)
	if s.dialect == sds.Nim {
		ahead = 2_000_000
	}
	far := s.by("bob", "from tomorrow", ahead)
	s.do("a message from far ahead", receive(far), sweep).expect(arrived(far)).never(delivered(far))
	hi := s.by("carol", "hi", 5)
	s.do("it moves no clock, and is not named", receive(hi), sweep, send("tea?")).
		expect(out("m1", with{"history": []any{hi.id}, "lamport": offset(s.dialect, 6)}))
	s.do("its sender names it, and one other", receive(s.by("bob", "really", ahead+1, far)), receive(s.by("carol", "so?", 7, far)), sweep).never(delivered(far))
	s.do("a second one", receive(s.by("dave", "well", 8, far)), sweep).expect(delivered(far))
}

// bounded: of 40 that are not here the newest 32 are waited for.
func bounded(s *script) {
	var parents []said
	for i := range 40 {
		parents = append(parents, s.by("bob", fmt.Sprint("message ", i), uint64(6+i)))
	}
	m := s.by("carol", "to all of these", 60, parents...)
	s.do("one that names 40 that are not here", receive(m), sweep).expect(arrived(m)).never(delivered(m))
	commands := []with{}
	for _, p := range parents[9:] {
		commands = append(commands, receive(p))
	}
	s.do("the last 31 of them", append(commands, sweep)...).expect(delivered(parents[9])).never(delivered(m))
	s.do("the one before", receive(parents[8]), sweep).expect(delivered(parents[8]), with{"event": "delivered", "id": m.id, "gaps": gapsOf(parents[:8])})
}

func gapsOf(list []said) (ids []any) {
	for _, m := range list {
		ids = append(ids, m.id)
	}
	return ids
}
