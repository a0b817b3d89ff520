package wire

import "testing"

// TestEntryPresence: what is written of an entry, by dialect.
func TestEntryPresence(t *testing.T) {
	tests := []struct {
		name     string
		e        HistoryEntry
		lip, nim string // the entry without tag and length
	}{
		{"nothing", HistoryEntry{}, "", "0a00"},
		{"id", HistoryEntry{MessageID: "m"}, "0a016d", "0a016d"},
		{"hint", HistoryEntry{MessageID: "m", RetrievalHint: []byte{7}}, "0a016d120107", "0a016d120107"},
		{"empty hint", HistoryEntry{MessageID: "m", RetrievalHint: []byte{}}, "0a016d1200", "0a016d1200"},
		{"sender", HistoryEntry{MessageID: "m", SenderID: "s"}, "0a016d1a0173", "0a016d1a0173"},
		{"empty sender", HistoryEntry{MessageID: "m", HasSender: true}, "0a016d1a00", "0a016d1a00"},
		{"empty members", HistoryEntry{RetrievalHint: []byte{}, HasSender: true}, "12001a00", "0a0012001a00"},
		{"plain", HistoryEntry{MessageID: "m", Plain: true}, "0a016d", "6d"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, v := range []struct {
				d         Dialect
				head, tag string
				value     string
			}{
				{LIP, "12016d5001", "5a", tt.lip},
				{Nim, "0a016d1001", "1a", tt.nim},
			} {
				m := Message{
					Dialect: v.d, MessageID: "m", HasLamport: true, Lamport: 1,
					CausalHistory: []HistoryEntry{tt.e},
				}
				value := unhex(t, v.value)
				want := append(unhex(t, v.head+v.tag), byte(len(value)))
				wantBytes(t, &m, append(want, value...))
			}
		})
	}
}

// TestEntryPlainRepair: a repair request is never plain, whatever the flag says.
func TestEntryPlainRepair(t *testing.T) {
	m := Message{
		Dialect: Nim, MessageID: "m", ChannelID: "c", HasLamport: true,
		RepairRequest: []HistoryEntry{{MessageID: "r", Plain: true}},
	}
	wantBytes(t, &m, unhex(t, "0a016d10002201636a030a0172"))
}

// TestEntrySendersAreShared: 200 entries of one sender need one copy of it.
func TestEntrySendersAreShared(t *testing.T) {
	sameSender := Message{Dialect: LIP, SenderID: "alice-the-first", Lamport: 1, HasLamport: true}
	for range 200 {
		sameSender.CausalHistory = append(sameSender.CausalHistory, HistoryEntry{SenderID: "alice-the-first"})
	}
	b := sameSender.Encode()
	if n := testing.AllocsPerRun(100, func() {
		if _, err := Decode(b); err != nil {
			t.Error(err)
		}
	}); n > 2 { // the entries, one id
		t.Errorf("%v allocations", n)
	}
}
