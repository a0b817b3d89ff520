package conformance

import (
	"bytes"
	"strconv"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

const every = "lip js nim"

// scenes are all cases. A dialogue goes through "sweep" where the js dialect delivers
// what waited only then.
func scenes() []scene {
	return append(append(wireScenes(), orderScenes()...), append(proofScenes(), repairScenes()...)...)
}

// wireScenes: what is read, what is refused, and what a message looks like.
func wireScenes() []scene {
	return []scene{
		{"content of its own dialect is read", "R1 R6", every, "", func(s *script) {
			m := s.by("bob", "hi", 5)
			s.do("a message", receive(m), sweep).expect(delivered(m))
		}},
		{"content of the other dialect is read", "R1", every, "", func(s *script) {
			m := message(s.other(), "bob", "hi", 5, nil)
			s.do("a message in the other numbering", receive(m), sweep)
			if s.dialect == sds.Nim {
				s.expect(arrived(m)) // milliseconds are too far ahead for a place in the log (R22)
			} else {
				s.expect(delivered(m))
			}
		}},
		{"bare ids of old nim peers are read", "R4", "nim", "", func(s *script) {
			a := s.by("bob", "one", 5)
			b := s.changed("bob", "two", 6, func(m *wire.Message) { m.CausalHistory[0] = wire.HistoryEntry{MessageID: a.id, Plain: true} }, a)
			s.do("two messages, the second names the first", receive(a), receive(b), sweep).expect(delivered(a), delivered(b))
		}},
		{"what can't be read is refused, and harms nothing", "R3", every, "", refusals},
		{"an id above the limit is refused", "R5", every, "", func(s *script) {
			m := message(s.dialect, string(bytes.Repeat([]byte("b"), 513)), "hi", 5, nil)
			s.do("a sender id of 513 bytes", receive(m), sweep).never(arrived(m), delivered(m))
		}},
		{"unknown fields are skipped", "R3", every, "", func(s *script) {
			m := s.changed("bob", "hi", 5, func(m *wire.Message) { m.Unknown = []byte{0x9a, 0x06, 0x02, 'h', 'i'} })
			s.do("a message with field 99", receive(m), sweep).expect(delivered(m))
		}},
		{"a bad extension does not cost the message", "R7", every, "", func(s *script) {
			m := s.changed("bob", "hi", 5, func(m *wire.Message) { m.Extension = []byte{0x0a} })
			s.do("a message whose extension is cut off", receive(m), sweep).expect(delivered(m))
		}},
		{"a bad filter does not cost the message", "R8", every, "", func(s *script) {
			m := s.changed("bob", "hi", 5, func(m *wire.Message) {
				m.BloomFilter = []byte{0x0a, 0x00, 0x10, 0x01, 0x18, 0x01, 0x20, 0x00, 0x28, 0x00}
			})
			s.do("a message with a filter of ten bytes", receive(m), sweep).expect(delivered(m))
		}},
		{"a sync has no place in the log, and is not named", "R6 R36", every, "", func(s *script) {
			m := s.by("bob", "", 5)
			s.do("a sync", receive(m), sweep, state).expect(with{"event": "syncReceived", "id": m.id}, with{"event": "state", "history": []string{}}).never(delivered(m))
			s.do("a message of ours", send("tea?")).expect(out("m1", with{"history": []string{}}))
		}},
		{"an ephemeral message has no place in the log, and is not named", "R6 R36", "lip js", "", func(s *script) {
			m := s.changed("bob", "typing", 5, func(m *wire.Message) {
				m.HasLamport, m.MessageID = false, sds.ContentID(m.Content)
			})
			s.do("an ephemeral message", receive(m), sweep, state).expect(with{"event": "ephemeral", "id": m.id}, with{"event": "state", "history": []string{}}).never(delivered(m))
			s.do("a message of ours", send("tea?")).expect(out("m1", with{"history": []string{}}))
		}},
		{"ids are made from the message", "R10", "lip", "", func(s *script) {
			s.do("two messages of the same text", send("tea?"), send("tea?")).
				expect(out("m1", with{"kind": "content", "verified": "verified", "senderId": "alice", "channelId": "tea"}), out("m2", with{"verified": "verified"}))
		}},
		{"an id does not depend on the extension", "R11", "lip", "", func(s *script) {
			e := wire.Extension{Version: 1, Incarnation: 7, Sequence: 1}
			m := s.changed("bob", "hi", 5, func(m *wire.Message) { m.Extension = e.Encode() })
			bare := s.by("bob", "hi", 5)
			s.do("a message with an extension", receive(m), sweep).expect(delivered(m))
			s.do("a copy without", receive(bare), sweep).never(delivered(m))
		}},
		{"an id that is not of its message is refused, and the true one is not lost", "R12", "lip js", "", func(s *script) {
			m := s.by("bob", "hi", 5)
			s.do("other content under the id", receive(s.changed("bob", "hi", 5, func(m *wire.Message) { m.Content = []byte("rum") })), sweep).never(arrived(m), delivered(m))
			s.do("the message", receive(m), sweep).expect(delivered(m))
		}},
		{"a sync under the id of content does not stand in its way", "R12", "lip js", "", func(s *script) {
			m := s.by("bob", "hi", 5)
			s.do("a sync under the id", receive(s.changed("bob", "hi", 5, func(m *wire.Message) { m.Content = nil })), sweep).never(delivered(m))
			s.do("the message", receive(m), sweep).expect(delivered(m))
		}},
		{"other ids are opaque", "R13", every, "", func(s *script) {
			m := s.changed("bob", "hi", 5, func(m *wire.Message) { m.MessageID = "m1" })
			s.do("a message whose id says nothing", receive(m), sweep).expect(with{"event": "delivered", "id": "m1"})
		}},
		{"64 hex digits are opaque in nim", "R13", "nim", "", func(s *script) {
			id := sds.ContentID([]byte("something else"))
			s.do("a message", receive(s.changed("bob", "hi", 5, func(m *wire.Message) { m.MessageID = id })), sweep).expect(with{"event": "delivered", "id": id})
		}},
		{"JavaScript ids are the hash of the content", "R80", "js", "", func(s *script) {
			s.do("a message", send("tea?")).expect(out("m1", with{"id": sds.ContentID([]byte("tea?")), "verified": "verified"}))
		}},
	}
}

// refusals are bytes that nobody reads, one after the other, and then a message.
func refusals(s *script) {
	good := s.by("bob", "hi", 5)
	for _, bad := range []struct {
		does string
		b    []byte
	}{
		{"nothing", nil}, {"cut off", good.payload[:len(good.payload)-1]}, {"a field that is a group", append(bytes.Clone(good.payload), 0x7b)},
		{"a varint of eleven bytes", append([]byte{0x9a}, bytes.Repeat([]byte{0xff}, 11)...)},
	} {
		s.do(bad.does, raw(bad.b), sweep).never(arrived(good), delivered(good))
	}
	s.do("the message", receive(good), sweep).expect(delivered(good))
}

func offset(d sds.Dialect, at uint64) string { return strconv.FormatUint(lamportIn(d, at), 10) }
