package conformance

import (
	"github.com/causeway-im/causeway/sds/wire"
)

func acked(name string) with { return with{"event": "acked", "id": "#" + name} }

// proofScenes: what acknowledges, and what does not.
func proofScenes() []scene {
	return []scene{
		{"who names a message has it", "R50", every, "", func(s *script) {
			s.do("a message of ours", send("tea?")).expect(out("m1", with{}))
			s.do("bob names it", built(Build{As: "b1", Sender: "bob", Lamport: s.lamport(5), Content: []byte("yes"), Names: []string{"#m1"}}), sweep).expect(acked("m1"))
		}},
		{"a sync that names it proves the same", "R50", "lip js", "", func(s *script) {
			s.do("a message of ours", send("tea?")).expect(out("m1", with{}))
			s.do("bob names it", built(Build{As: "b1", Sender: "bob", Lamport: s.lamport(5), Names: []string{"#m1"}}), sweep).expect(acked("m1"))
		}},
		{"a mention proves nothing else", "R50", every, "", func(s *script) {
			s.do("two messages of ours", send("tea?"), send("milk?")).expect(out("m1", with{}), out("m2", with{}))
			s.do("bob names the second", built(Build{As: "b1", Sender: "bob", Lamport: s.lamport(5), Content: []byte("yes"), Names: []string{"#m2"}}), sweep).
				expect(acked("m2")).never(acked("m1"))
		}},
		{"to answer is not to acknowledge", "R50", every, "", func(s *script) {
			s.do("a message of ours", send("tea?")).expect(out("m1", with{}))
			s.do("bob says something", receive(s.by("bob", "hi", 5)), sweep).never(acked("m1"))
		}},
		{"a filter is possibly", "R55", every, "--possible-acks 9", func(s *script) {
			s.do("a message of ours", send("tea?")).expect(out("m1", with{}))
			s.do("bob's filter has it", built(Build{As: "b1", Sender: "bob", Lamport: s.lamport(5), Content: []byte("hi"), Filter: []string{"#m1"}}), sweep).
				expect(with{"event": "possiblyAcked", "id": "#m1"}).never(acked("m1"))
			s.do("a copy counts nothing", with{"cmd": "receive", "payload": "$b1"}, sweep).never(with{"event": "possiblyAcked"}, acked("m1"))
		}},
		{"a filter without it is nothing", "R55", every, "", func(s *script) {
			s.do("a message of ours", send("tea?")).expect(out("m1", with{}))
			s.do("bob's filter has something else", built(Build{As: "b1", Sender: "bob", Lamport: s.lamport(5), Content: []byte("hi"), Filter: []string{"else"}}), sweep).
				never(with{"event": "possiblyAcked"}, acked("m1"))
		}},
		{"a JavaScript filter has its full size, and has what came", "R80", "js", "", func(s *script) {
			commands, ids := many(s, 205)
			s.do("more messages than a history names, and ours", append(commands, send("tea?"))...).
				expect(out("m1", with{"filter": 18_752, "filterHas": []any{ids[0], ids[204]}}))
		}},
		{"an empty JavaScript filter has its full size, or is absent", "R80", "js", "", func(s *script) {
			for _, n := range []int{0, 8, 16, 18_751} {
				if n == 0 {
					s.do("a message", send("tea?"))
				}
				s.never(with{"event": "out", "message": with{"filter": n}})
			}
		}},
		{"the fields of nim are always present", "R81", "nim", "", func(s *script) {
			s.do("a message", send("tea?")).expect(out("m1", with{"dialect": "nim", "kind": "content", "lamport": "#t", "channelId": "tea", "filter": 0}))
			s.do("one of bob, and one without content", receive(s.by("bob", "hi", 5)), sweep, advance(120_000), syncNow).expect(out("m2", with{"dialect": "nim", "kind": "sync", "content": ""}))
		}},
		{"a nim filter has what the history does not name", "R82", "nim", "", nimFilter},
	}
}

func nimFilter(s *script) {
	var commands []with
	var ids []any
	for i, text := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"} {
		m := s.by("bob", text, uint64(5+i))
		commands = append(commands, receive(m))
		ids = append(ids, m.id)
	}
	s.do("two messages, and ours: the history names them all", append(commands[:2:2], send("tea?"))...).expect(out("m1", with{"filter": 0}))
	s.do("ten more: it can't", append(commands[2:], send("milk?"))...).expect(out("m2", with{"filterHas": ids}))
}

// repairScenes: asking and answering. The waits of SDS-R are set to next to nothing.
func repairScenes() []scene {
	const quick = "--t-min 1000 --t-max 1001"
	return []scene{
		{"what is missing is asked for", "R62 R66", every, quick, func(s *script) {
			a := s.by("bob", "one", 5)
			s.do("one that names what is not here", receive(s.by("bob", "two", 6, a)), sweep)
			s.do("later, ours asks", advance(2_000), send("tea?")).expect(out("m1", with{"requests": []any{a.id}}))
		}},
		{"what came is not asked for", "R62", every, quick, func(s *script) {
			a := s.by("bob", "one", 5)
			s.do("one that names what is not here, and that", receive(s.by("bob", "two", 6, a)), receive(a), sweep)
			s.do("later", advance(2_000), send("tea?")).expect(out("m1", with{"requests": []any{}}))
		}},
		{"a request that nobody answers is made again", "R63", every, quick, func(s *script) {
			a := s.by("bob", "one", 5)
			s.do("one that names what is not here", receive(s.by("bob", "two", 6, a)), sweep)
			s.do("ours asks", advance(2_000), send("tea?")).expect(out("m1", with{"requests": []any{a.id}}))
			s.do("and again", advance(600_000), send("milk?")).expect(out("m2", with{"requests": []any{a.id}}))
		}},
		{"another's request does not delete ours", "R63", every, quick, func(s *script) {
			a := s.by("bob", "one", 5)
			s.do("one that names what is not here", receive(s.by("bob", "two", 6, a)), sweep)
			ask := s.changed("carol", "me too", 7, func(m *wire.Message) {
				m.RepairRequest = []wire.HistoryEntry{{MessageID: a.id, SenderID: "bob"}}
			})
			s.do("carol asks", receive(ask), sweep)
			s.do("much later ours asks, too", advance(600_000), send("tea?")).expect(out("m1", with{"requests": []any{a.id}}))
		}},
		{"what is asked for is sent again, in the same bytes", "R64 R66", every, quick, func(s *script) {
			s.do("a message of ours", send("tea?")).expect(out("m1", with{}))
			s.do("bob asks", built(Build{As: "b1", Sender: "bob", Lamport: s.lamport(5), Content: []byte("what?"), Requests: []string{"#m1"}}))
			s.do("later", advance(600_000), sweep).expect(with{"event": "out", "kind": "repair", "payload": "$m1", "id": "#m1"})
			s.do("once", advance(600_000), sweep).never(with{"event": "out", "kind": "repair"})
		}},
		{"hearing the answer cancels ours", "R64", every, "--t-min 1000 --t-max 5000", func(s *script) {
			a := s.by("bob", "one", 5)
			s.do("a message", receive(a), sweep)
			ask := s.changed("carol", "what?", 7, func(m *wire.Message) {
				m.RepairRequest = []wire.HistoryEntry{{MessageID: a.id, SenderID: "bob"}}
			})
			s.do("carol asks for it, and gets it from bob", receive(ask), receive(a))
			s.do("later", advance(600_000), sweep).never(with{"event": "out", "kind": "repair"})
		}},
	}
}
