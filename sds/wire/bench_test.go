package wire

import (
	"fmt"
	"testing"
)

// benchMessage is a content message as a chat sends it: two parents, ids of 28
// (LIP) or 66 (nim) bytes, senders of 66.
func benchMessage(d Dialect, size int) Message {
	sender := func(i int) ParticipantID { return ParticipantID(fmt.Sprintf("0x%064x", i)) }
	id := func(i int) MessageID {
		if d == Nim {
			return MessageID(fmt.Sprintf("0x%064x", i))
		}
		return MessageID(fmt.Sprintf("c1%026x", i))
	}
	x := Extension{Version: 1, Incarnation: 7, Sequence: 300, GroupSize: 9, RoundTrip: 3, HasFingerprint: true}
	return Message{
		Dialect: d, SenderID: sender(1), MessageID: id(3), ChannelID: "a-channel-of-some-length",
		Lamport: 1700000000000, HasLamport: true,
		CausalHistory: []HistoryEntry{
			{MessageID: id(1), SenderID: sender(1)}, {MessageID: id(2), SenderID: sender(2)},
		},
		Content:   make([]byte, size),
		Extension: x.Encode(),
	}
}

func benchEach(b *testing.B, f func(b *testing.B, m Message)) {
	for _, d := range []Dialect{LIP, Nim} {
		for _, size := range []int{256, 4096} {
			b.Run(fmt.Sprintf("%v-%d", d, size), func(b *testing.B) { f(b, benchMessage(d, size)) })
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	benchEach(b, func(b *testing.B, m Message) {
		wire := m.Encode()
		b.ReportAllocs()
		b.SetBytes(int64(len(wire)))
		for b.Loop() {
			if _, err := Decode(wire); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkDecodeJS: what @waku/sds sends, 200 parents and a full-size filter.
func BenchmarkDecodeJS(b *testing.B) {
	m := benchMessage(LIP, 256)
	m.BloomFilter = make([]byte, 18752)
	for len(m.CausalHistory) < 200 {
		m.CausalHistory = append(m.CausalHistory, m.CausalHistory...)[:min(200, 2*len(m.CausalHistory))]
	}
	wire := m.Encode()
	b.ReportAllocs()
	b.SetBytes(int64(len(wire)))
	for b.Loop() {
		if _, err := Decode(wire); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDetectDialect(b *testing.B) {
	m := benchMessage(LIP, 256)
	wire := m.Encode()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DetectDialect(wire); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	benchEach(b, func(b *testing.B, m Message) {
		b.ReportAllocs()
		b.SetBytes(int64(m.Size()))
		for b.Loop() {
			m.Encode()
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	benchEach(b, func(b *testing.B, m Message) {
		buf := make([]byte, 0, m.Size())
		b.ReportAllocs()
		b.SetBytes(int64(m.Size()))
		for b.Loop() {
			buf = m.Append(buf[:0])
		}
	})
}

func BenchmarkParseExtension(b *testing.B) {
	wire := benchMessage(LIP, 256).Extension
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseExtension(wire); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWorstCase: the most that one message can cost.
func BenchmarkWorstCase(b *testing.B) {
	for name, wire := range hostile() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Decode(wire)
			}
		})
	}
}
