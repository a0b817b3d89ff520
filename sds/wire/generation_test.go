package wire

import (
	"errors"
	"math"
	"testing"
)

// notCanonical lists the decode vectors that are accepted, but that nobody
// would write so. All others are encoded again byte for byte.
var notCanonical = map[string]string{
	"reordered_fields":                     "fields out of order",
	"duplicate_scalar_last_wins":           "fields 1 and 2 twice",
	"wrong_wiretype_field2_as_len_then_ok": "unknown field not at the end",
	"overlong_varint_lamport":              "timestamp longer than need be",
	"history_entry_unknown_field":          "unknown members of entries are not kept",
	"history_entry_dup_hint_last_wins":     "hint twice",

	"history_entry_empty_id_string":            "history after content",
	"legacy_causal_history_plain_string_msg0":  "history after content",
	"legacy_causal_history_plain_string_hexid": "history after content",
}

func TestVectorsGenerationC(t *testing.T) {
	for _, v := range load[nimVectors](t, "nim.json").Master.Decode {
		t.Run(v.Name, func(t *testing.T) {
			wire := unhex(t, v.WireHex)
			m, err := GenerationC.Decode(wire)
			if (err == nil) != (v.Result == "ok") {
				t.Fatalf("error %v, recorded %s", err, v.Result)
			}
			if err != nil {
				wantClass(t, err)
				return
			}
			d := v.Decoded
			if m.Dialect != Nim || string(m.MessageID) != string(unhex(t, d.MessageIDHex)) ||
				m.Lamport != number(t, d.Lamport) || !m.HasLamport ||
				string(m.ChannelID) != string(unhex(t, d.ChannelIDHex)) ||
				string(m.Content) != string(unhex(t, d.ContentHex)) || m.Content == nil ||
				string(m.BloomFilter) != string(unhex(t, d.BloomHex)) ||
				string(m.SenderID) != string(unhex(t, d.SenderHex)) ||
				len(m.CausalHistory) != len(d.Causal) || len(m.RepairRequest) != d.RepairCount {
				t.Fatalf("decoded %+v, recorded %+v", m, d)
			}
			for i, want := range d.Causal {
				e := m.CausalHistory[i]
				if string(e.MessageID) != string(unhex(t, want.MessageIDHex)) ||
					string(e.RetrievalHint) != string(unhex(t, want.HintHex)) ||
					string(e.SenderID) != string(unhex(t, want.SenderHex)) {
					t.Errorf("entry %d: %+v, recorded %+v", i, e, want)
				}
			}
			wantReencoded(t, GenerationC.Decode, m, wire, notCanonical[v.Name] != "")
		})
	}
}

func TestVectorsGenerationD(t *testing.T) {
	v := load[nimVectors](t, "nim.json")
	for i, v04 := range v.V04.Decode {
		t.Run(v04.Name, func(t *testing.T) {
			if v04.Name != v.Master.Decode[i].Name {
				t.Fatal("vectors out of step")
			}
			wire := unhex(t, v04.WireHex)
			m, err := GenerationD.Decode(wire)
			if (err == nil) != (v04.Result == "ok") {
				t.Fatalf("error %v, recorded %s", err, v04.Result)
			}
			if err != nil {
				wantClass(t, err)
				return
			}
			if m.Dialect != Nim || string(m.MessageID) != string(unhex(t, v04.MessageIDHex)) ||
				m.Lamport != number(t, v04.Lamport) || len(m.CausalHistory) != v04.CausalCount {
				t.Errorf("decoded %+v, recorded %+v", m, v04)
			}
			wantReencoded(t, GenerationD.Decode, m, wire, notCanonical[v04.Name] != "")
		})
	}
}

// TestVectorsAnyGeneration: what C or D reads, AnyGeneration reads in the same
// way; of what both refuse, only the plain ids of generation A.
func TestVectorsAnyGeneration(t *testing.T) {
	plain := map[string]MessageID{
		"legacy_causal_history_plain_string_msg0":  "msg0",
		"legacy_causal_history_plain_string_hexid": "0xabcdef",
	}
	used := 0
	for _, v := range load[nimVectors](t, "nim.json").Master.Decode {
		t.Run(v.Name, func(t *testing.T) {
			wire := unhex(t, v.WireHex)
			c, errC := GenerationC.Decode(wire)
			d, errD := GenerationD.Decode(wire)
			m, err := AnyGeneration.Decode(wire)
			id, legacy := plain[v.Name]
			if want := errC == nil || errD == nil || legacy; (err == nil) != want {
				t.Fatalf("error %v", err)
			}
			if err != nil {
				wantClass(t, err)
				return
			}
			if errC == nil {
				wantEqual(t, m, c)
			}
			if errD == nil {
				wantEqual(t, m, d)
			}
			if legacy {
				used++
				h := m.CausalHistory
				if len(h) != 1 || !h[0].Plain || h[0].MessageID != id {
					t.Errorf("history %+v", h)
				}
			}
			wantReencoded(t, AnyGeneration.Decode, m, wire, notCanonical[v.Name] != "")
		})
	}
	if used != len(plain) {
		t.Errorf("%d plain ids seen, want %d", used, len(plain))
	}
}

// spec R4
func TestPlainEntries(t *testing.T) {
	const head = "0a026d311007220263682a0109"
	long := make([]byte, MaxPlainID+1)
	for i := range long {
		long[i] = 'x'
	}
	tests := []struct {
		name  string
		field string // of the message
		value []byte
		ok    bool
	}{
		{"hex id", "1a", []byte("0xdeadbeef"), true},
		{"one byte", "1a", []byte("!"), true},
		{"longest", "1a", long[:MaxPlainID], true},
		{"too long", "1a", long, false},
		{"empty", "1a", nil, false},
		{"blank", "1a", []byte("a b"), false},
		{"del", "1a", []byte("a\x7f"), false},
		{"utf-8", "1a", []byte("é"), false},
		{"damaged entry", "1a", []byte("\x0a\x05abc"), false},
		{"repair request", "6a", []byte("0xdeadbeef"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wire := append(unhex(t, head+tt.field), appendLength(nil, len(tt.value))...)
			wire = append(wire, tt.value...)
			m, err := Decode(wire)
			if (err == nil) != tt.ok {
				t.Fatalf("error %v", err)
			}
			if err == nil {
				if e := m.CausalHistory[0]; !e.Plain || string(e.MessageID) != string(tt.value) {
					t.Errorf("entry %+v", e)
				}
			}
			for _, g := range []Generation{GenerationC, GenerationD} {
				if _, err := g.Decode(wire); err == nil {
					t.Errorf("generation %v reads a plain id", g)
				}
			}
		})
	}
}

func appendLength(b []byte, n int) []byte {
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// TestGenerationDecodeIsNim: a generation reads nim, whatever the bytes look
// like.
func TestGenerationDecodeIsNim(t *testing.T) {
	// No timestamp, but an unknown field 10 and a field 2 of the wrong type.
	wire := unhex(t, "0a026d31"+"120178"+"220263682a0109"+"5001")
	if d, err := DetectDialect(wire); d != LIP || err != nil {
		t.Fatalf("DetectDialect: %v, %v", d, err)
	}
	for _, g := range []Generation{AnyGeneration, GenerationD, 99} {
		m, err := g.Decode(wire)
		if err != nil || m.Dialect != Nim || m.HasLamport || len(m.Unknown) != 5 {
			t.Errorf("generation %v: %+v, %v", g, m, err)
		}
	}
	_, err := GenerationC.Decode(wire)
	var e *Error
	if !errors.As(err, &e) || e.Field != 2 || e.Dialect != Nim || !errors.Is(err, ErrMissingField) {
		t.Errorf("generation c: %v", err)
	}
	// A generation's errors name nim fields, whatever survey guessed.
	_, err = GenerationC.Decode(unhex(t, "1201780a05"))
	if !errors.As(err, &e) || e.Dialect != Nim || e.Name != "message_id" {
		t.Errorf("generation c: %v", err)
	}
}

func TestGenerationCLamport(t *testing.T) {
	m := Message{Dialect: Nim, MessageID: "m", ChannelID: "c", HasLamport: true, Content: []byte{1}}
	for _, v := range []struct {
		lamport uint64
		ok      bool
	}{
		{0, true}, {math.MaxInt64 - 1, true}, {math.MaxInt64, true},
		{math.MaxInt64 + 1, false}, {math.MaxUint64, false},
	} {
		m.Lamport = v.lamport
		b := m.Encode()
		if _, err := GenerationC.Decode(b); (err == nil) != v.ok {
			t.Errorf("%d: %v", v.lamport, err)
		}
		for _, g := range []Generation{AnyGeneration, GenerationD} {
			if got, err := g.Decode(b); err != nil || got.Lamport != v.lamport {
				t.Errorf("generation %v: %d, %v", g, got.Lamport, err)
			}
		}
	}
}

// TestFieldNumbers: 0 and numbers above 2^29-1 are no protobuf, but nim-sds
// master reads over them.
func TestFieldNumbers(t *testing.T) {
	const head = "0a026d311007220263682a0109"
	for _, tail := range []string{"0000", "020178", "808080801001"} {
		wire := unhex(t, head+tail)
		for _, g := range []Generation{AnyGeneration, GenerationC} {
			m, err := g.Decode(wire)
			if err != nil || len(m.Unknown) != len(tail)/2 {
				t.Errorf("%s: generation %v: %x, %v", tail, g, m.Unknown, err)
			}
		}
		if _, err := GenerationD.Decode(wire); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: generation d: %v", tail, err)
		}
		lip := unhex(t, "12016d5001"+tail)
		if _, err := Decode(lip); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: lip: %v", tail, err)
		}
	}
}

func TestGenerationString(t *testing.T) {
	got := AnyGeneration.String() + GenerationC.String() + GenerationD.String() + Generation(9).String()
	if got != "anycdunknown" {
		t.Error(got)
	}
}
