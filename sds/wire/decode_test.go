package wire

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

// spec R3
func TestDecodeLIPIsStrict(t *testing.T) {
	const head = "12016d5001"
	tests := []struct {
		name, tail string
		class      error // nil: accepted
	}{
		{"sender as varint", "0801", ErrWireType},
		{"channel as fixed32", "1d00000000", ErrWireType},
		{"lamport as fixed64", "510000000000000000", ErrWireType},
		{"history as varint", "5801", ErrWireType},
		{"bloom as varint", "6001", ErrWireType},
		{"repair as fixed32", "6d00000000", ErrWireType},
		{"content as varint", "a00101", ErrWireType},
		{"extension as varint", "a00601", ErrWireType},
		{"entry id as varint", "5a020801", ErrWireType},
		{"entry sender as fixed32", "6a051d00000000", ErrWireType},
		{"entry with a group", "5a0123", ErrWireType},
		{"entry with field 0", "5a020000", ErrMalformed},
		{"field 0", "0000", ErrMalformed},
		{"group", "23", ErrWireType},
		{"end of group", "24", ErrWireType},
		{"wire type 6", "26", ErrWireType},
		{"wire type 7", "27", ErrWireType},
		{"unknown varint", "2001", nil},
		{"unknown fixed64", "210000000000000000", nil},
		{"unknown bytes", "220178", nil},
		{"unknown fixed32", "2500000000", nil},
		{"entry without id", "5a00", nil},
		{"entry with an unknown member", "5a050a01644801", nil},
		{"over-long varint", "50818000", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, head+tt.tail)
			_, err := Decode(b)
			if !errors.Is(err, tt.class) {
				t.Errorf("error %v, want %v", err, tt.class)
			}
			if err != nil {
				wantClass(t, err)
			}
		})
	}
}

func TestDecodeLastWins(t *testing.T) {
	tests := []struct {
		name, hex string
		want      Message
	}{
		{"values", "12016112016250015002a2010161a2010162", Message{
			Dialect: LIP, MessageID: "b", Lamport: 2, HasLamport: true, Content: []byte("b"),
		}},
		{"empty after value", "12016112005001a2010161a20100", Message{
			Dialect: LIP, Explicit: FieldMessageID, Lamport: 1, HasLamport: true, Content: []byte{},
		}},
		{"value after empty", "120012016150015a040a000a00", Message{
			Dialect: LIP, MessageID: "a", Lamport: 1, HasLamport: true, CausalHistory: []HistoryEntry{{}},
		}},
		{"in an entry", "12016150015a100a01610a0162120012011f1a01611a00", Message{
			Dialect: LIP, MessageID: "a", Lamport: 1, HasLamport: true,
			CausalHistory: []HistoryEntry{
				{MessageID: "b", RetrievalHint: []byte{0x1f}, HasSender: true},
			},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Decode(unhex(t, tt.hex))
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, got, tt.want)
		})
	}
}

// TestDecodeAliases: slices are the input's bytes, cut so that an append cannot
// reach the next field; strings are not.
func TestDecodeAliases(t *testing.T) {
	in := Message{
		Dialect: LIP, SenderID: "alice", MessageID: "m", ChannelID: "c",
		Lamport: 1, HasLamport: true,
		CausalHistory: []HistoryEntry{{MessageID: "p", RetrievalHint: []byte("hint"), SenderID: "bob"}},
		BloomFilter:   []byte("bloom"), Content: []byte("content"),
		Extension: []byte("extension"), Unknown: []byte{0x98, 0x06, 0x01},
	}
	b := in.Encode()
	before := bytes.Clone(b)
	m, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range [][]byte{m.CausalHistory[0].RetrievalHint, m.BloomFilter, m.Content, m.Extension, m.Unknown} {
		if i := bytes.Index(b, s); i < 0 || &b[i] != &s[0] {
			t.Errorf("%q is a copy", s)
		}
		_ = append(s, '!')
	}
	if !bytes.Equal(b, before) {
		t.Error("append to a member wrote into the input")
	}
	clear(b)
	if m.SenderID != "alice" || m.MessageID != "m" || m.ChannelID != "c" ||
		m.CausalHistory[0].MessageID != "p" || m.CausalHistory[0].SenderID != "bob" {
		t.Error("strings alias the input")
	}
}

// spec R3
func TestDecodeUnknownFields(t *testing.T) {
	// Three runs: field 4, field 99, fields 5 and 99.
	b := unhex(t, "220178"+"12016d"+"980601"+"5001"+"2801980602")
	m, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if want := unhex(t, "220178"+"980601"+"2801980602"); !bytes.Equal(m.Unknown, want) {
		t.Errorf("unknown %x, want %x", m.Unknown, want)
	}
	again, err := Decode(m.Encode())
	if err != nil || !reflect.DeepEqual(again, m) {
		t.Errorf("again %+v, %v", again, err)
	}
}

// TestDecodeCrashers: the inputs that end nim-sds, or occupy it for seconds.
// Here they are refused or decode to a message whose filter the bloom package
// will not accept.
func TestDecodeCrashers(t *testing.T) {
	ids := Message{
		Dialect: Nim, MessageID: "m1", ChannelID: "ch", Lamport: 7, HasLamport: true, Content: []byte{9},
	}
	withLamport := func(v uint64) Message { m := ids; m.Lamport = v; return m }
	withBloom := func(s string) Message { m := ids; m.BloomFilter = unhex(t, s); return m }
	tests := []struct {
		name string
		m    Message
	}{
		{"lamport 2^63", withLamport(1 << 63)},
		{"lamport 2^63-1", withLamport(1<<63 - 1)},
		{"mBits 0", withBloom("0a080000000000000000100118e80720012800")},
		{"mBits above the array", withBloom("0a080000000000000000100118e807200328a08d06")},
		{"k 10^7", withBloom("0a080000000000000000100118e8072080ade2042840")},
		{"k 2^40", withBloom("0a080000000000000000100118e8072080808080802028" + "40")},
		{"k 0", withBloom("0a080000000000000000100118e80720002840")},
		{"all ones", withBloom("0a08ffffffffffffffff100118e80720012840")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Decode(tt.m.Encode())
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, got, tt.m)
		})
	}
}
