package sketch

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// digestBytes writes what a digest would be, checking nothing.
func digestBytes(from, width, messages uint64, symbols ...Symbol) []byte {
	b := binary.AppendUvarint(nil, from)
	b = binary.AppendUvarint(b, width)
	b = binary.AppendUvarint(b, messages)
	for _, s := range symbols {
		b = binary.LittleEndian.AppendUint64(b, s.Sum)
		b = binary.LittleEndian.AppendUint32(b, s.Check)
		b = append(b, s.Count)
	}
	return b
}

func TestDigestRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 257, MaxMessages} {
		for _, m := range []int{MinSymbols, 32, MaxSymbols} {
			d := digestOf(t, sketchOf(t, 1_700_000_000_000, m, names("a", n)), m)
			b, err := d.Append([]byte("before"))
			if err != nil || !bytes.HasPrefix(b, []byte("before")) {
				t.Fatalf("%d messages, %d symbols: %v", n, m, err)
			}
			b = b[len("before"):]
			got, err := Parse(b)
			if err != nil || !reflect.DeepEqual(got, d) {
				t.Fatalf("%d messages, %d symbols: %v, %v, want %v", n, m, got, err, d)
			}
			b[len(b)-1]++
			if !reflect.DeepEqual(got, d) {
				t.Fatal("the digest aliases its bytes")
			}
		}
	}
}

// What 16, 32 and 64 symbols take on the wire, in the published figures too.
func TestDigestSize(t *testing.T) {
	for m, want := range map[int]int{16: 220, 24: 324, 32: 428, 64: 844} {
		// A quarter of an hour of 1,000 messages, in milliseconds.
		s, err := New(nil, 1_700_000_000_000, 1_700_000_900_000, m)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range names("a", MaxMessages) {
			s.Add(id)
		}
		d := digestOf(t, s, m)
		b, err := d.Append(nil)
		if err != nil || len(b) > want || len(b) < want-2 {
			t.Errorf("%d symbols: %d bytes (%v), want at most %d", m, len(b), err, want)
		}
	}
	s, err := New(nil, 0, MaxTo, 64)
	if err != nil {
		t.Fatal(err)
	}
	d := digestOf(t, s, 64)
	b, err := d.Append(nil)
	if err != nil || len(b) > MaxBytes || MaxBytes > 2<<10 {
		t.Errorf("%d bytes (%v); limit %d, at most 2 kB", len(b), err, MaxBytes)
	}
}

func TestParseErrors(t *testing.T) {
	const from, width = 1_700_000_000_000, 900_000
	symbols := make([]Symbol, 16)
	good := digestBytes(from, width, 0, symbols...)
	if _, err := Parse(good); err != nil {
		t.Fatal(err)
	}
	one := append([]Symbol{{Count: 1}}, symbols[1:]...)
	for _, c := range []struct {
		name  string
		b     []byte
		field string
		err   error
	}{
		{"nothing", nil, "from", ErrTruncated},
		{"inside from", good[:5], "from", ErrTruncated},
		{"before the width", good[:6], "to", ErrTruncated},
		{"before messages", good[:9], "messages", ErrTruncated},
		{"no symbols", good[:10], "symbols", ErrLimit},
		{"15 symbols", digestBytes(from, width, 0, symbols[1:]...), "symbols", ErrLimit},
		{"65 symbols, short head", digestBytes(0, 1, 0, make([]Symbol, 65)...), "symbols", ErrLimit},
		{"too long", digestBytes(from, width, 0, make([]Symbol, 65)...), "bytes", ErrLimit},
		{"a megabyte", make([]byte, 1<<20), "bytes", ErrLimit},
		{"inside a symbol", good[:len(good)-1], "symbols", ErrTruncated},
		{"one byte more", append(bytes.Clone(good), 0), "symbols", ErrTruncated},
		{"from too long", append([]byte{0x80, 0}, good[6:]...), "from", ErrVarint},
		{"from above 64 bits", append(bytes.Repeat([]byte{0xff}, 10), good[6:]...), "from", ErrVarint},
		{"empty range", digestBytes(from, 0, 0, symbols...), "to", ErrLimit},
		{"from at 2⁵³", digestBytes(MaxTo, 1, 0, symbols...), "from", ErrLimit},
		{"to above 2⁵³", digestBytes(MaxTo-1, 2, 0, symbols...), "to", ErrLimit},
		{"to overflows", digestBytes(1, 1<<64-1, 0, symbols...), "to", ErrLimit},
		{"from and to overflow", digestBytes(1<<64-1, 1<<64-1, 0, symbols...), "from", ErrLimit},
		{"1001 messages", digestBytes(from, width, 1001, symbols...), "messages", ErrLimit},
		{"2⁶⁴ − 1 messages", digestBytes(from, width, 1<<64-1, symbols...), "messages", ErrLimit},
		{"1 message, none in symbol 0", digestBytes(from, width, 1, symbols...), "messages", ErrContradiction},
		{"no message, 1 in symbol 0", digestBytes(from, width, 0, one...), "messages", ErrContradiction},
	} {
		d, err := Parse(c.b)
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, c.err) || e.Field != c.field || !reflect.DeepEqual(d, Digest{}) {
			t.Errorf("%s: %v, error %v, want %v of %s", c.name, d, err, c.err, c.field)
		}
		if err != nil && !strings.Contains(err.Error(), c.field) {
			t.Errorf("%s: the error %q does not name %s", c.name, err, c.field)
		}
	}
}

func TestErrorNamesLimit(t *testing.T) {
	_, err := Parse(digestBytes(0, 1, 1001, make([]Symbol, 16)...))
	if got, want := err.Error(), "sketch: limit exceeded: messages 1001, want 0 to 1000"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Append refuses what Parse refuses, and returns dst as it was.
func TestAppendErrors(t *testing.T) {
	for _, d := range []Digest{
		{},
		{From: 1, To: 2},
		{From: 1, To: 2, Symbols: make([]Symbol, 15)},
		{From: 1, To: 2, Symbols: make([]Symbol, 65)},
		{From: 2, To: 2, Symbols: make([]Symbol, 16)},
		{From: 1, To: MaxTo + 1, Symbols: make([]Symbol, 16)},
		{From: 1, To: 2, Messages: -1, Symbols: make([]Symbol, 16)},
		{From: 1, To: 2, Messages: -256, Symbols: make([]Symbol, 16)},
		{From: 1, To: 2, Messages: 1024, Symbols: make([]Symbol, 16)},
		{From: 1, To: 2, Messages: 1, Symbols: make([]Symbol, 16)},
	} {
		b, err := d.Append([]byte{7})
		var e *Error
		if !errors.As(err, &e) || hex.EncodeToString(b) != "07" {
			t.Errorf("%+v: %x, %v", d, b, err)
		}
		if d.CanDecode(0) {
			t.Errorf("%+v can be decoded", d)
		}
	}
}

// The caps come before the allocation: a digest costs its symbols, and one that
// is refused costs its error.
func TestParseAllocations(t *testing.T) {
	for name, c := range map[string]struct {
		b     []byte
		limit float64
	}{
		"good":            {digestBytes(0, 1, 0, make([]Symbol, 64)...), 1},
		"a megabyte":      {make([]byte, 1<<20), 1},
		"65 symbols":      {digestBytes(0, 1, 0, make([]Symbol, 65)...), 1},
		"2⁶⁴ messages":    {digestBytes(0, 1, 1<<64-1), 1},
		"inside a symbol": {digestBytes(0, 1, 0, make([]Symbol, 64)...)[:800], 1},
	} {
		if n := testing.AllocsPerRun(20, func() { Parse(c.b) }); n > c.limit {
			t.Errorf("%s: %v allocations, want at most %v", name, n, c.limit)
		}
	}
}
