package bloom

import (
	"errors"
	"math"
	"slices"
	"testing"
)

// Whatever ParseNim accepts is within the limits, can be looked up and added
// to, does not touch its input, and survives a round trip.
func FuzzParseNim(f *testing.F) {
	v := loadNim(f)
	for _, d := range v.Farm.Decode {
		f.Add(unhex(f, d.Hex), "test1")
	}
	for _, c := range v.Farm.Filters {
		if c.Hex != "" {
			f.Add(unhex(f, c.Hex), "test1")
		}
	}
	for _, r := range v.Farm.Rolling[10:14] {
		f.Add(unhex(f, r.Hex), "test13")
	}
	f.Add(container(make([]byte, 8), 1, 1000, 1<<40, 64), "k")
	f.Add(container(make([]byte, 8), 1, 1000, 1, 1<<40), "m")
	f.Add(container(make([]byte, 80), 1<<63, 1<<63, 64, 640), "αβγ😀")
	f.Fuzz(func(t *testing.T, in []byte, id string) {
		checkParsed(t, in, id, func(b []byte) (*Filter, error) { return ParseNim(b) })
	})
}

// The same for ParseJS, with the parameters from the fuzzer too.
func FuzzParseJS(f *testing.F) {
	v := loadJS(f)
	for _, b := range v.Bloom {
		if b.Hex != "" {
			f.Add(unhex(f, b.Hex), b.K, b.TotalBits, "test1")
		}
	}
	for _, h := range v.Hash.NonASCII.Vectors {
		f.Add(make([]byte, 16), 3, 64, h.Input)
	}
	f.Add([]byte{}, 10, 150_000, "")
	f.Add(make([]byte, 8), 0, 0, "")
	f.Add(make([]byte, 8), math.MaxInt, math.MinInt, "\xff\xfe")
	f.Fuzz(func(t *testing.T, in []byte, k, m int, id string) {
		p := Params{K: k, Bits: m, Capacity: 1, PPM: 1}
		checkParsed(t, in, id, func(b []byte) (*Filter, error) { return ParseJS(b, p) })
	})
}

func checkParsed(t *testing.T, in []byte, id string, parse func([]byte) (*Filter, error)) {
	before := slices.Clone(in)
	f, err := parse(in)
	if err != nil {
		for _, known := range []error{ErrMalformed, ErrHashes, ErrBits, ErrShort, ErrTooLarge} {
			if errors.Is(err, known) {
				return
			}
		}
		t.Fatalf("unnamed error %v", err)
	}
	p := f.Params()
	if p.K < 1 || p.K > MaxK || p.Bits < 1 || p.Bits > 8*len(f.words) || len(in) > MaxEncoded {
		t.Fatalf("accepted %+v over %d bytes", p, len(f.words))
	}
	had := f.Contains(id)
	wire := f.Append(nil)
	if len(wire) != f.Len() {
		t.Fatalf("Append made %d bytes, Len is %d", len(wire), f.Len())
	}
	g, err := parse(wire)
	if err != nil {
		t.Fatalf("round trip: %v", err)
	}
	if g.Params() != p || g.Contains(id) != had || !slices.Equal(g.Append(nil), wire) {
		t.Fatalf("round trip: %+v, found %v; was %+v, found %v", g.Params(), g.Contains(id), p, had)
	}
	if r := f.FalsePositiveRate(); !(r >= 0 && r <= 1) {
		t.Fatalf("false-positive rate %g", r)
	}
	f.Add(id)
	if !f.Contains(id) {
		t.Fatalf("%q was added and is not found", id)
	}
	if !slices.Equal(in, before) {
		t.Fatal("the input was written to")
	}
}
