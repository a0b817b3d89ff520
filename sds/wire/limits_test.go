package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// entriesOf returns n entries with ids of size bytes.
func entriesOf(n, size int) []HistoryEntry {
	list := make([]HistoryEntry, n)
	for i := range list {
		list[i].MessageID = MessageID(idOf(size))
	}
	return list
}

func idOf(n int) string { return strings.Repeat("x", n) }

// limitTests set in a small message what a limit is about to n.
var limitTests = []struct {
	name  string // as the error names it
	limit int
	set   func(m *Message, n int)
}{
	{"sender_id", MaxID, func(m *Message, n int) { m.SenderID = ParticipantID(idOf(n)) }},
	{"message_id", MaxID, func(m *Message, n int) { m.MessageID = MessageID(idOf(n)) }},
	{"channel_id", MaxID, func(m *Message, n int) { m.ChannelID = ChannelID(idOf(n)) }},
	{"causal_history[0].message_id", MaxID, func(m *Message, n int) {
		m.CausalHistory = entriesOf(1, n)
	}},
	{"causal_history[1].retrieval_hint", MaxHint, func(m *Message, n int) {
		m.CausalHistory = entriesOf(2, 1)
		m.CausalHistory[1].RetrievalHint = make([]byte, n)
	}},
	{"repair_request[0].sender_id", MaxID, func(m *Message, n int) {
		m.RepairRequest = entriesOf(1, 1)
		m.RepairRequest[0].SenderID = ParticipantID(idOf(n))
	}},
	{"causal_history and repair_request", MaxEntries, func(m *Message, n int) {
		m.CausalHistory, m.RepairRequest = entriesOf(n-100, 1), entriesOf(100, 1)
	}},
	{"causal_history and repair_request", MaxEntryBytes, func(m *Message, n int) {
		// 63 entries of 131 + 893 = 1024 bytes, and one to fill up.
		m.CausalHistory = entriesOf(63, 128)
		for i := range m.CausalHistory {
			m.CausalHistory[i].RetrievalHint = make([]byte, 890)
		}
		m.RepairRequest = entriesOf(1, 1)
		rest := n - 63*1024 - 3
		m.RepairRequest[0].RetrievalHint = make([]byte, rest-3)
	}},
	{"bloom_filter", MaxBloomFilter, func(m *Message, n int) { m.BloomFilter = make([]byte, n) }},
	{"extension", MaxExtension, func(m *Message, n int) { m.Extension = make([]byte, n) }},
	{"unknown fields", MaxUnknown, func(m *Message, n int) {
		m.Unknown = append([]byte{0xf2, 0x0f}, appendLength(nil, n-5)...)
		m.Unknown = append(m.Unknown, make([]byte, n-5)...)
	}},
	{"", MaxMessage, func(m *Message, n int) {
		const most = MaxMessage - 100 // long enough for the length of the length
		m.Content = make([]byte, most)
		m.Content = make([]byte, most+n-m.Size())
	}},
}

// TestLimits: each limit can be used up and not exceeded, in both dialects.
//
// spec R5
func TestLimits(t *testing.T) {
	for _, tt := range limitTests {
		for _, d := range []Dialect{LIP, Nim} {
			t.Run(d.String()+"/"+tt.name, func(t *testing.T) {
				m := Message{Dialect: d, MessageID: "m", ChannelID: "c", Lamport: 1, HasLamport: true}
				tt.set(&m, tt.limit)
				got, err := Decode(m.Encode())
				if err != nil {
					t.Fatalf("at the limit: %v", err)
				}
				wantEqual(t, got, m)

				tt.set(&m, tt.limit+1)
				_, err = Decode(m.Encode())
				var e *Error
				if !errors.Is(err, ErrTooLarge) || !errors.As(err, &e) || e.Limit != tt.limit || e.Name != tt.name {
					t.Errorf("above the limit: %v", err)
				}
			})
		}
	}
}

// TestLimitsUnknownRuns: the limit is on all unknown fields together.
func TestLimitsUnknownRuns(t *testing.T) {
	b := unhex(t, "12016d5001")
	piece := append(unhex(t, "22fd01"), make([]byte, 253)...) // field 4, 256 bytes
	for range MaxUnknown / len(piece) {
		b = append(b, piece...)
		b = append(b, 0x50, 0x01)
	}
	m, err := Decode(b)
	if err != nil || len(m.Unknown) != MaxUnknown {
		t.Fatalf("%d bytes, %v", len(m.Unknown), err)
	}
	wantError(t, append(b, 0x20, 0x01), ErrTooLarge)
}

// TestLimitsFields: repetitions are counted, and nothing is decoded if there
// are too many.
func TestLimitsFields(t *testing.T) {
	for d, field := range map[Dialect]string{LIP: "5001", Nim: "1001"} {
		head := unhex(t, map[Dialect]string{LIP: "12016d", Nim: "0a016d" + "220163"}[d])
		fields := map[Dialect]int{LIP: 1, Nim: 2}[d]
		b := append(head, bytes.Repeat(unhex(t, field), MaxFields-fields)...)
		if _, err := Decode(b); err != nil {
			t.Errorf("%v: at the limit: %v", d, err)
		}
		b = append(b, unhex(t, field)...)
		_, err := Decode(b)
		var e *Error
		if !errors.Is(err, ErrTooLarge) || !errors.As(err, &e) || e.Limit != MaxFields || e.Dialect != d {
			t.Errorf("%v: above the limit: %v", d, err)
		}
	}
}
