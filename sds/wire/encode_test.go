package wire

import (
	"bytes"
	"math"
	"testing"
)

// full has every field, in dialect d.
func full(d Dialect) Message {
	return Message{
		Dialect: d, SenderID: "alice", MessageID: "m3", ChannelID: "chat",
		Lamport: 300, HasLamport: true,
		CausalHistory: []HistoryEntry{
			{MessageID: "m1", RetrievalHint: []byte{1, 2}, SenderID: "bob"}, {MessageID: "m2"},
		},
		RepairRequest: []HistoryEntry{{MessageID: "r1"}},
		BloomFilter:   []byte{0xb1},
		Content:       []byte("hi"),
		Extension:     []byte{0xee},
		Unknown:       []byte{0x98, 0x06, 0x01},
	}
}

func TestEncodeOrder(t *testing.T) {
	lip := full(LIP)
	wantBytes(t, &lip, unhex(t, "0a05616c696365"+"12026d33"+"1a0463686174"+"50ac02"+
		"5a0d0a026d31120201021a03626f62"+"5a040a026d32"+"6201b1"+"6a040a027231"+
		"a201026869"+"a20601ee"+"980601"))
	nim := full(Nim)
	wantBytes(t, &nim, unhex(t, "0a026d33"+"10ac02"+"1a0d0a026d31120201021a03626f62"+
		"1a040a026d32"+"220463686174"+"2a026869"+"3201b1"+"3a05616c696365"+
		"6a040a027231"+"a20601ee"+"980601"))
}

func TestEncodePresence(t *testing.T) {
	tests := []struct {
		name     string
		m        Message
		lip, nim string
	}{
		{"nothing", Message{}, "", ""},
		{"lamport 0", Message{HasLamport: true}, "5000", "1000"},
		{"lamport without its flag", Message{Lamport: 7}, "", ""},
		{"lamport max", Message{Lamport: math.MaxUint64, HasLamport: true},
			"50ffffffffffffffffff01", "10ffffffffffffffffff01"},
		{"empty slices", Message{BloomFilter: []byte{}, Content: []byte{}, Extension: []byte{}},
			"6200a20100a20600", "2a003200a20600"},
		{"empty lists", Message{CausalHistory: []HistoryEntry{}, RepairRequest: []HistoryEntry{}}, "", ""},
		{"explicit sender", Message{Explicit: FieldSenderID}, "0a00", "3a00"},
		{"explicit message", Message{Explicit: FieldMessageID}, "1200", "0a00"},
		{"explicit channel", Message{Explicit: FieldChannelID}, "1a00", "2200"},
		{"explicit, not empty", Message{Explicit: FieldChannelID, ChannelID: "c"}, "1a0163", "220163"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.m.Dialect = LIP
			wantBytes(t, &tt.m, unhex(t, tt.lip))
			tt.m.Dialect = 0
			wantBytes(t, &tt.m, unhex(t, tt.lip))
			tt.m.Dialect = Nim
			wantBytes(t, &tt.m, unhex(t, tt.nim))
		})
	}
}

func TestAppend(t *testing.T) {
	for _, d := range []Dialect{LIP, Nim} {
		m := full(d)
		got := m.Append([]byte("prefix"))
		if want := append([]byte("prefix"), m.Encode()...); !bytes.Equal(got, want) {
			t.Errorf("%v: %x, want %x", d, got, want)
		}
		buf := make([]byte, 0, m.Size())
		if n := testing.AllocsPerRun(100, func() { m.Append(buf) }); n != 0 {
			t.Errorf("%v: Append allocates %v times", d, n)
		}
		if n := testing.AllocsPerRun(100, func() { m.Size() }); n != 0 {
			t.Errorf("%v: Size allocates %v times", d, n)
		}
		if n := testing.AllocsPerRun(100, func() { m.Encode() }); n > 1 {
			t.Errorf("%v: Encode allocates %v times", d, n)
		}
	}
}
