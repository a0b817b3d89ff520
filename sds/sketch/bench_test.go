package sketch

import (
	"encoding/binary"
	"testing"
)

// benchIDs returns ids of 29 characters as rule P3 makes them, all different.
func benchIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		b := append([]byte("c1"), make([]byte, 27)...)
		for j := range 3 {
			binary.LittleEndian.PutUint64(b[2+8*j:], mix(uint64(3*i+j)))
		}
		ids[i] = string(b)
	}
	return ids
}

// A digest of 1,000 messages with 32 symbols from nothing.
func BenchmarkEncode(b *testing.B) {
	ids := benchIDs(1000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Encode([]byte("secret"), 1, 2, ids, 32); err != nil {
			b.Fatal(err)
		}
	}
}

// One more message in a sketch of 32 symbols.
func BenchmarkAdd(b *testing.B) {
	ids := benchIDs(1 << 14)
	s := sketchOf(b, 1, 32)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Add(ids[i%len(ids)])
	}
}

// A listener that lacks 12 of 1,000 messages, with its sketch at hand.
func BenchmarkDecode(b *testing.B) {
	ids := benchIDs(1000)
	d := digestOf(b, sketchOf(b, 1, 32, ids), 32)
	local := sketchOf(b, 1, 32, ids[12:])
	b.ReportAllocs()
	for b.Loop() {
		if _, _, complete := local.Decode(d); !complete {
			b.Fatal("not decoded")
		}
	}
}

func BenchmarkParse(b *testing.B) {
	d := digestOf(b, sketchOf(b, 1, 32, benchIDs(1000)), 32)
	in, err := d.Append(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(in); err != nil {
			b.Fatal(err)
		}
	}
}
