package wire

import (
	"math"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

func TestScanner(t *testing.T) {
	b := protowire.AppendTag(nil, 1, protowire.VarintType)
	b = protowire.AppendVarint(b, math.MaxUint64)
	b = protowire.AppendTag(b, 2, protowire.Fixed32Type)
	b = protowire.AppendFixed32(b, 0xdeadbeef)
	b = protowire.AppendTag(b, 3, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, 0x0123456789abcdef)
	b = protowire.AppendTag(b, protowire.MaxValidNumber, protowire.BytesType)
	b = protowire.AppendBytes(b, []byte("abc"))

	want := []rawField{
		{number: 1, typ: protowire.VarintType, value: math.MaxUint64},
		{number: 2, typ: protowire.Fixed32Type, value: 0xdeadbeef},
		{number: 3, typ: protowire.Fixed64Type, value: 0x0123456789abcdef},
		{number: uint64(protowire.MaxValidNumber), typ: protowire.BytesType, data: []byte("abc")},
	}
	s := scanner{b: b}
	end := 0
	for _, w := range want {
		var f rawField
		if e := s.next(&f); e != nil {
			t.Fatal(e)
		}
		if f.number != w.number || f.typ != w.typ || string(f.data) != string(w.data) ||
			f.typ != protowire.BytesType && f.value != w.value {
			t.Errorf("got %+v, want %+v", f, w)
		}
		if f.start != end {
			t.Errorf("field %d starts at %d, want %d", f.number, f.start, end)
		}
		end = f.end
	}
	if s.more() || end != len(b) {
		t.Errorf("stopped at %d of %d", end, len(b))
	}
}

// TestScannerTruncated: no prefix of a field is a field.
func TestScannerTruncated(t *testing.T) {
	for _, h := range []string{"988006ac02", "9a800603616263", "9d800601020304", "998006" + "0102030405060708"} {
		b := unhex(t, h)
		var f rawField
		s := scanner{b: b}
		if e := s.next(&f); e != nil {
			t.Fatalf("%s: %v", h, e)
		}
		for i := range b {
			s := scanner{b: b[:i]}
			if e := s.next(&f); e == nil || e.Err != ErrTruncated {
				t.Errorf("%s, first %d bytes: %v", h, i, e)
			}
		}
	}
}

func TestScannerMinimal(t *testing.T) {
	for _, h := range []string{
		"8800" + "01", // the tag is longer than need be
		"088100",      // the value
		"0a810061",    // the length
		"088080808080808080808000",
	} {
		b := unhex(t, h)
		var f rawField
		strict, lax := scanner{b: b, minimal: true}, scanner{b: b}
		if e := strict.next(&f); e == nil || e.Err != ErrVarint {
			t.Errorf("%s: minimal: %v", h, e)
		}
		if e := lax.next(&f); (e == nil) != (len(b) < 12) {
			t.Errorf("%s: %v", h, e)
		}
	}
}
