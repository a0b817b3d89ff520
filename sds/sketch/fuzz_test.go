package sketch

import (
	"bytes"
	"testing"
)

// Whatever Parse accepts is within the limits, is written in the same bytes, and
// decodes within bounds against sets of several sizes.
func FuzzParse(f *testing.F) {
	for _, n := range []int{0, 1, 8, 300} {
		d := digestOf(f, sketchOf(f, 5, 16, names("theirs", n)), 16)
		b, err := d.Append(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint16(n))
		f.Add(b, uint16(n+3))
		f.Add(b[:len(b)-1], uint16(0))
	}
	key := NewKey([]byte("secret"), 5, testTo)
	cycle := forge(&key, 16, 1, in, func(nth int) bool { return nth == 0 })
	f.Add(digestBytes(5, testTo-5, 1, cycle...), uint16(0))
	f.Add(digestBytes(0, 1, 256, make([]Symbol, 64)...), uint16(250))
	f.Add(digestBytes(MaxTo, MaxTo, 1<<63, make([]Symbol, 16)...), uint16(1))
	f.Fuzz(func(t *testing.T, b []byte, have uint16) {
		before := bytes.Clone(b)
		d, err := Parse(b)
		if !bytes.Equal(b, before) {
			t.Fatal("Parse changes its input")
		}
		if err != nil {
			return
		}
		if d.From >= d.To || d.To > MaxTo || d.Messages < 0 || d.Messages > MaxMessages ||
			len(d.Symbols) < MinSymbols || len(d.Symbols) > MaxSymbols {
			t.Fatalf("outside the limits: %+v", d)
		}
		if again, err := d.Append(nil); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x is written as %x, %v", b, again, err)
		}
		local, err := New([]byte("secret"), d.From, d.To, MinSymbols+int(have)%(MaxSymbols-MinSymbols+1))
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range names("ours", int(have)%(MaxMessages+1)) {
			local.Add(id)
		}
		checkBounded(t, local, d)
	})
}
