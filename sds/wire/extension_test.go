package wire

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// TestExtensionMembers: every member alone, as it stands on the wire.
func TestExtensionMembers(t *testing.T) {
	tests := []struct {
		name string
		x    Extension
		hex  string
	}{
		{"nothing", Extension{}, ""},
		{"version", Extension{Version: 1}, "0801"},
		{"version, max", Extension{Version: math.MaxUint32}, "08ffffffff0f"},
		{"incarnation", Extension{Incarnation: 0x01020304}, "1504030201"},
		{"sequence", Extension{Sequence: 300}, "18ac02"},
		{"sequence, max", Extension{Sequence: math.MaxUint64}, "18ffffffffffffffffff01"},
		{"group size", Extension{GroupSize: 255}, "20ff01"},
		{"round trip", Extension{RoundTrip: 9}, "2809"},
		{"fingerprint", Extension{Fingerprint: 0x0102, HasFingerprint: true}, "310201000000000000"},
		{"fingerprint 0", Extension{HasFingerprint: true}, "310000000000000000"},
		{"base", Extension{Base: 5}, "3805"},
		{"holes", Extension{Holes: []uint64{1, 2}}, "421001000000000000000200000000000000"},
		{"want", Extension{Want: []uint64{3}}, "4a080300000000000000"},
		{"range of want", Extension{Want: []uint64{3}, WantFrom: 5, WantTo: 300}, "4a080300000000000000" + "6805" + "70ac02"},
		{"census", Extension{Census: []byte{1, 2}}, "52020102"},
		{"digest", Extension{Digest: []byte{3}}, "5a0103"},
		{"ask", Extension{Ask: []uint32{0x0a0b}, HasAsk: true}, "62040b0a0000"},
		{"ask everybody", Extension{HasAsk: true}, "6200"},
		{"unknown", Extension{Unknown: []byte{0x78, 0x01}}, "7801"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, tt.hex)
			if got := tt.x.Encode(); !bytes.Equal(got, b) {
				t.Errorf("encoded %x, want %x", got, b)
			}
			if got := tt.x.Size(); got != len(b) {
				t.Errorf("Size() = %d, want %d", got, len(b))
			}
			got, err := ParseExtension(b)
			if err != nil || !reflect.DeepEqual(got, tt.x) {
				t.Errorf("parsed %+v, %v, want %+v", got, err, tt.x)
			}
		})
	}
}

// fullExtension uses every member as far as its limit goes.
func fullExtension() Extension {
	return Extension{
		Version: 1, Incarnation: 2, Sequence: 3, GroupSize: 4, RoundTrip: 5,
		Fingerprint: 6, HasFingerprint: true, Base: 7,
		Holes: make([]uint64, MaxHoles), Want: make([]uint64, MaxWant), WantFrom: 8, WantTo: 9,
		Census: make([]byte, MaxCensus), Digest: make([]byte, MaxDigest),
		Ask: make([]uint32, MaxAsk), HasAsk: true,
		Unknown: []byte{0x78, 0x01},
	}
}

func TestExtensionLimits(t *testing.T) {
	x := fullExtension()
	b := x.Encode()
	if got, err := ParseExtension(b); err != nil || !reflect.DeepEqual(got, x) {
		t.Fatalf("at the limits: %+v, %v", got, err)
	}
	if len(b) > MaxExtension/2 {
		t.Errorf("%d bytes: MaxExtension leaves no room", len(b))
	}
	tests := []struct {
		name  string
		limit int
		set   func(x *Extension)
	}{
		{"holes", MaxHoles * 8, func(x *Extension) { x.Holes = make([]uint64, MaxHoles+1) }},
		{"want", MaxWant * 8, func(x *Extension) { x.Want = make([]uint64, MaxWant+1) }},
		{"census", MaxCensus, func(x *Extension) { x.Census = make([]byte, MaxCensus+1) }},
		{"digest", MaxDigest, func(x *Extension) { x.Digest = make([]byte, MaxDigest+1) }},
		{"ask", MaxAsk * 4, func(x *Extension) { x.Ask = make([]uint32, MaxAsk+1) }},
		{"", MaxExtension, func(x *Extension) { x.Unknown = make([]byte, MaxExtension) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := fullExtension()
			tt.set(&x)
			_, err := ParseExtension(x.Encode())
			var e *Error
			if !errors.Is(err, ErrTooLarge) || !errors.As(err, &e) || e.Limit != tt.limit || e.Name != tt.name {
				t.Errorf("above the limit: %v", err)
			}
		})
	}
}

func TestExtensionErrors(t *testing.T) {
	tests := []struct {
		name, hex, text string
		class           error
	}{
		{"wire type", "08012801" + "220100", // group size as bytes
			"wire: extension field 4 (group_size) at byte 4: wire type 2, want 0", ErrWireType},
		{"incarnation as varint", "1001",
			"wire: extension field 2 (incarnation) at byte 0: wire type 0, want 5", ErrWireType},
		{"fingerprint as fixed32", "3501020304",
			"wire: extension field 6 (fingerprint) at byte 0: wire type 5, want 1", ErrWireType},
		{"holes not packed", "410102030405060708",
			"wire: extension field 8 (holes) at byte 0: wire type 1, want 2", ErrWireType},
		{"holes cut", "42070000000000000000",
			"wire: extension field 8 (holes) at byte 0: 7 bytes, elements have 8", ErrMalformed},
		{"ask cut", "6203000000",
			"wire: extension field 12 (ask) at byte 0: 3 bytes, elements have 4", ErrMalformed},
		{"version above 32 bits", "088080808010",
			"wire: extension field 1 (version) at byte 0: 4294967296, limit 4294967295", ErrTooLarge},
		{"group size above 8 bits", "208002",
			"wire: extension field 4 (group_size) at byte 0: 256, limit 255", ErrTooLarge},
		{"round trip above 8 bits", "288002",
			"wire: extension field 5 (round_trip) at byte 0: 256, limit 255", ErrTooLarge},
		{"truncated", "080152056162",
			"wire: extension field 10 (census) at byte 2: truncated", ErrTruncated},
		{"unknown, truncated", "7a0561",
			"wire: extension field 15 at byte 0: truncated", ErrTruncated},
		{"varint", "18ffffffffffffffffff02",
			"wire: extension field 3 (sequence) at byte 0: bad varint", ErrVarint},
		{"group", "7b",
			"wire: extension field 15 at byte 0: wire type 3", ErrWireType},
		{"field 0", "0001",
			"wire: extension at byte 0: field number 0", ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseExtension(unhex(t, tt.hex))
			if !errors.Is(err, tt.class) {
				t.Fatalf("error %v, want %v", err, tt.class)
			}
			wantClass(t, err)
			if err.Error() != tt.text && strconv.IntSize == 64 { // limits are ints
				t.Errorf("text %q,\nwant %q", err, tt.text)
			}
		})
	}
}

// TestExtensionNotCanonical: what is read although we do not write it.
func TestExtensionNotCanonical(t *testing.T) {
	tests := []struct {
		name, hex string
		want      Extension
	}{
		{"zeroes", "08001500000000180020002800380042004a0052005a00", Extension{}},
		{"last wins", "1801180242080100000000000000" + "42080200000000000000",
			Extension{Sequence: 2, Holes: []uint64{2}}},
		{"last wins, empty", "42080100000000000000" + "4200" + "6204000000ff" + "6200",
			Extension{HasAsk: true}},
		{"any order", "1801" + "0801", Extension{Version: 1, Sequence: 1}},
		{"unknown between", "7801" + "0801" + "7802",
			Extension{Version: 1, Unknown: []byte{0x78, 0x01, 0x78, 0x02}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseExtension(unhex(t, tt.hex))
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("parsed %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

// TestExtensionFlags: without its flag a value is not written.
func TestExtensionFlags(t *testing.T) {
	x := Extension{Fingerprint: 1, Ask: []uint32{1}, Census: []byte{}, Digest: []byte{}}
	if b := x.Encode(); len(b) != 0 || x.Size() != 0 {
		t.Errorf("%x, Size() = %d", b, x.Size())
	}
}

// TestExtensionIsOpaque: a message with a bad extension is a good message.
//
// spec R7
func TestExtensionIsOpaque(t *testing.T) {
	for _, d := range []Dialect{LIP, Nim} {
		m := full(d)
		m.Extension = []byte(strings.Repeat("\xff", 100))
		got, err := Decode(m.Encode())
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, got, m)
		if _, err := ParseExtension(got.Extension); err == nil {
			t.Error("accepted")
		}
	}
}

func TestExtensionAppend(t *testing.T) {
	x := fullExtension()
	if got, want := x.Append([]byte("prefix")), append([]byte("prefix"), x.Encode()...); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	buf := make([]byte, 0, x.Size())
	if n := testing.AllocsPerRun(100, func() { x.Append(buf) }); n != 0 {
		t.Errorf("Append allocates %v times", n)
	}
}
