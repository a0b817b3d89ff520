package bloom

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// nim.json farmhash64.filters
func TestNimFilters(t *testing.T) {
	v := loadNim(t).Farm.Filters
	if len(v) != 16 {
		t.Fatalf("%d vectors, want 16", len(v))
	}
	for i, v := range v {
		p, ids := Default(), v.Inserted
		var err error
		switch {
		case v.FalsePositives != nil: // test1 … test10000 in a default filter
			ids = numbered("test", 1, 10_000)
		case v.Note != "": // explicit k = 4
			p, err = SizeWithK(v.Capacity, v.ErrorRate, v.K, 0)
			ids = numbered("test", 1, 5)
		default:
			p, err = Size(v.Capacity, v.ErrorRate)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range v.InsertedHex {
			ids = append(ids, nimInput(t, h))
		}
		f := filled(t, Nim, p, ids)
		b := f.Append(nil)
		if v.M != 0 && (p.K != v.K || p.Bits != v.M) {
			t.Errorf("filter %d: %+v, want k %d, %d bits", i, p, v.K, v.M)
		}
		if len(b) != v.Len || sum(b) != v.SHA256 {
			t.Errorf("filter %d (%d ids): %d bytes, want %d, or other bytes", i, len(ids), len(b), v.Len)
		}
		if v.Hex != "" && hex.EncodeToString(b) != v.Hex {
			t.Errorf("filter %d: %x, want %s", i, b, v.Hex)
		}
		if v.Nonzero != nil && fmt.Sprint(nonzero(f)) != fmt.Sprint(v.Nonzero) {
			t.Errorf("filter %d: words %v, want %v", i, nonzero(f), v.Nonzero)
		}
		if v.FalsePositives != nil {
			if got := len(setBits(f)); got != v.BitsSet {
				t.Errorf("filter %d: %d bits set, want %d", i, got, v.BitsSet)
			}
			if got := present(f, numbered("absent", 1, 5000)); !slices.Equal(got, v.FalsePositives) {
				t.Errorf("filter %d: false positives %v, want %v", i, got, v.FalsePositives)
			}
		}
	}
}

// nimInput decodes an input that the vectors give in hex.
func nimInput(t testing.TB, h string) string { return string(unhex(t, h)) }

func nonzero(f *Filter) [][]any {
	words := [][]any{}
	for i := 0; i < len(f.words); i += 8 {
		if w := binary.LittleEndian.Uint64(f.words[i:]); w != 0 {
			words = append(words, []any{i / 8, fmt.Sprintf("%016x", w)})
		}
	}
	return words
}

func present(f *Filter, ids []string) (found []string) {
	for _, id := range ids {
		if f.Contains(id) {
			found = append(found, id)
		}
	}
	return found
}

// nim-bloom.json bloom
func TestNimBloomFilters(t *testing.T) {
	v := loadNimBloom(t).Bloom
	if len(v) != 3 {
		t.Fatalf("%d vectors, want 3", len(v))
	}
	for _, v := range v {
		f := filled(t, Nim, Default(), idsOf(t, []byte(strconv.Quote(v.Inserted))))
		set := setBits(f)
		if len(set) != v.SetCount || v.SetBits != nil && !slices.Equal(set, v.SetBits) {
			t.Errorf("%s: %d bits set, want %d, or others", v.Name, len(set), v.SetCount)
		}
		if sum(f.words) != v.WordsSHA256 {
			t.Errorf("%s: other words", v.Name)
		}
		b := f.Append(nil)
		if sum(b) != v.WrappedSHA256 || v.WrappedHex != "" && hex.EncodeToString(b) != v.WrappedHex {
			t.Errorf("%s: other bytes", v.Name)
		}
		if !strings.HasSuffix(hex.EncodeToString(b), "10904e18e807200a28f09309") {
			t.Errorf("%s: other tail: %x", v.Name, b[len(b)-12:])
		}
	}
}

// nim.json release_v0_4: the newer branch writes the same filter.
func TestNimV04Filter(t *testing.T) {
	p, err := Size(10, 0.01)
	if err != nil {
		t.Fatal(err)
	}
	f := filled(t, Nim, p, numbered("test", 1, 3))
	if got := hex.EncodeToString(f.Append(nil)); got != loadNim(t).V04.Hex {
		t.Errorf("%s, want %s", got, loadNim(t).V04.Hex)
	}
}

// nim.json farmhash64.bloom_decode and release_v0_4.bloom_decode: the verdict
// of each generation on each input, and ours. Ours is that of master, except
// where master accepts what harms it later.
func TestNimDecodeVerdicts(t *testing.T) {
	all := loadNim(t)
	master, v04 := all.Farm.Decode, all.V04.Decode
	if len(master) != 10 || len(v04) != 10 {
		t.Fatalf("%d and %d vectors, want 10 each", len(master), len(v04))
	}
	ours := map[string]error{
		"empty":                        ErrMalformed,
		"garbage_010203":               ErrMalformed,
		"ok_8bytes":                    nil,
		"missing_field1":               ErrMalformed,
		"empty_field1":                 ErrShort, // master: accepted, and then an index error
		"not_multiple_of_8 (12 bytes)": nil,
		"missing_k":                    ErrMalformed,
		"k_over_int63":                 ErrHashes,
		"mbits_larger_than_array (accepted here; crashes later at lookup)": ErrShort,
		"mbits_zero (accepted here; SIGFPE later at lookup)":               ErrBits,
	}
	for i, v := range master {
		in := unhex(t, v.Hex)
		c, syntax := scanNim(in)
		if got := masterAccepts(c, syntax); got != (v.Result == "ok") {
			t.Errorf("%s: as master %v, want %s", v.Name, got, v.Result)
		}
		if v.Result == "ok" {
			got := fmt.Sprintln(c.capacity, float64(c.rate)/1e6, c.k, c.bits, len(c.words)/8)
			want := fmt.Sprintln(v.Decoded.Capacity, v.Decoded.Rate, v.Decoded.K, v.Decoded.M, v.Decoded.Words)
			if got != want {
				t.Errorf("%s: read %s, want %s", v.Name, got, want)
			}
		}
		if v04[i].Name != v.Name {
			t.Fatalf("vector %d: %q beside %q", i, v04[i].Name, v.Name)
		}
		if got := v04Verdict(in, c, syntax); got != v04[i].Result {
			t.Errorf("%s: as v0.4 %s, want %s", v.Name, got, v04[i].Result)
		}
		want, known := ours[v.Name]
		if !known {
			t.Errorf("%s: no verdict of ours", v.Name)
		}
		if _, err := ParseNim(in); !errors.Is(err, want) {
			t.Errorf("%s: ParseNim: %v, want %v", v.Name, err, want)
		}
	}
}

// masterAccepts is the verdict of nim-sds master: all five fields, and three of
// the numbers below 2⁶³.
func masterAccepts(c nimContainer, syntax error) bool {
	return syntax == nil && c.seen == nimAll &&
		c.k <= math.MaxInt64 && c.capacity <= math.MaxInt64 && c.bits <= math.MaxInt64
}

// v04Verdict is the verdict of branch release/v0.4: nothing is required, and a k
// of 2⁶³ or more ends the process.
func v04Verdict(in []byte, c nimContainer, syntax error) string {
	switch {
	case syntax != nil || len(in) == 0:
		return "err:reDeserializationError"
	case c.k > math.MaxInt64:
		return "CRASH:RangeDefect"
	}
	return "ok"
}

// container makes a Nim filter of any numbers.
func container(words []byte, capacity, rate, k, m uint64) []byte {
	b := protowire.AppendTag(nil, 1, protowire.BytesType)
	b = protowire.AppendBytes(b, words)
	for i, v := range []uint64{capacity, rate, k, m} {
		b = protowire.AppendTag(b, protowire.Number(i+2), protowire.VarintType)
		b = protowire.AppendVarint(b, v)
	}
	return b
}

// Inputs that crash or stall nim-sds (facts: [run]), and their neighbours. Each
// is refused, by name, at the cost of the error value.
//
// spec R8
func TestNimHostile(t *testing.T) {
	words := make([]byte, 16)
	for _, c := range []struct {
		name     string
		in       []byte
		want     error
		contains string
	}{
		{"mBits 0", container(words, 1, 1000, 1, 0), ErrBits, "mBits is 0"},
		{"mBits above the array", container(words, 1, 1000, 1, 129), ErrShort, "mBits is 129, the array has 128"},
		{"mBits 100000 over one word", container(words[:8], 1, 1000, 3, 100_000), ErrShort, "100000"},
		{"mBits in bytes after the last word", container(words[:15], 1, 1000, 1, 65), ErrShort, "65"},
		{"mBits 2^31", container(words, 1, 1000, 1, 1<<31), ErrTooLarge, "mBits"},
		{"mBits 2^32+64, 64 after truncation", container(words, 1, 1000, 1, 1<<32+64), ErrTooLarge, "mBits"},
		{"mBits 2^63", container(words, 1, 1000, 1, 1<<63), ErrTooLarge, "mBits"},
		{"mBits 2^64-1", container(words, 1, 1000, 1, math.MaxUint64), ErrTooLarge, "mBits"},
		{"no words", container(nil, 1, 1000, 1, 1), ErrShort, "the array has 0"},
		{"k 0", container(words, 1, 1000, 0, 64), ErrHashes, "k is 0"},
		{"k 65", container(words, 1, 1000, 65, 64), ErrHashes, "k is 65, want 1 … 64"},
		{"k 10^7", container(words, 1, 1000, 10_000_000, 64), ErrHashes, "k is 10000000"},
		{"k 2^32+1, 1 after truncation", container(words, 1, 1000, 1<<32+1, 64), ErrHashes, "k is"},
		{"k 2^40", container(words, 1, 1000, 1<<40, 64), ErrHashes, "k is"},
		{"k 2^63", container(words, 1, 1000, 1<<63, 64), ErrHashes, "k is"},
		{"k 2^64-1", container(words, 1, 1000, math.MaxUint64, 64), ErrHashes, "k is"},
		{"capacity 2^63", container(words, 1<<63, 1000, 1, 64), ErrMalformed, "capacity"},
		{"too large", make([]byte, MaxEncoded+1), ErrTooLarge, "limit 131072"},
		{"truncated words", container(words, 1, 1000, 1, 64)[:10], ErrMalformed, "field 1"},
		{"length 2^64-1", []byte("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), ErrMalformed, "field 1"},
		{"over-long varint", []byte("\x0a\x08\x00\x00\x00\x00\x00\x00\x00\x00\x10\x81\x00\x18\x01\x20\x01\x28\x40"), ErrMalformed, "field 2"},
		{"over-long tag", append([]byte("\x90\x80\x00\x01"), container(words, 1, 1, 1, 1)...), ErrMalformed, "tag"},
		{"endless varint", []byte(strings.Repeat("\xff", 1000)), ErrMalformed, "tag"},
		{"group", append([]byte{0x33}, container(words, 1, 1, 1, 1)...), ErrMalformed, "wire type 3"},
		{"wire type 7", append([]byte{0x37}, container(words, 1, 1, 1, 1)...), ErrMalformed, "wire type 7"},
		{"short fixed64", []byte{0x31, 1, 2, 3}, ErrMalformed, "cut off"},
		{"short fixed32", []byte{0x35, 1, 2, 3}, ErrMalformed, "cut off"},
	} {
		f, err := ParseNim(c.in)
		if !errors.Is(err, c.want) || f != nil || !strings.Contains(fmt.Sprint(err), c.contains) {
			t.Errorf("%s: %v, want %v with %q", c.name, err, c.want, c.contains)
		}
		if n := testing.AllocsPerRun(10, func() { _, _ = ParseNim(c.in) }); n > 6 {
			t.Errorf("%s: refusing it allocates %v times", c.name, n)
		}
	}
	for i := range 5 { // each of the five fields is required
		parts := [][]byte{
			protowire.AppendBytes([]byte{0x0a}, words), {0x10, 1}, {0x18, 1}, {0x20, 1}, {0x28, 64},
		}
		in := slices.Concat(slices.Delete(parts, i, i+1)...)
		if _, err := ParseNim(in); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), fmt.Sprintf("field %d", i+1)) {
			t.Errorf("without field %d: %v", i+1, err)
		}
	}
}

// What nim-sds master reads, we read: the reader's own leniency.
func TestNimLenient(t *testing.T) {
	words := make([]byte, 8)
	words[0] = 1
	plain := container(words, 1, 1000, 1, 64)
	for name, in := range map[string][]byte{
		"plain":                        plain,
		"order":                        slices.Concat(plain[10:], plain[:10]),
		"last one wins":                slices.Concat(container(nil, 9, 9, 0, 0), plain),
		"unknown varint":               append(slices.Clone(plain), 0x30, 0x05),
		"unknown bytes":                append(slices.Clone(plain), 0x32, 0x01, 0xff),
		"unknown fixed64":              append(slices.Clone(plain), 0x31, 1, 2, 3, 4, 5, 6, 7, 8),
		"unknown fixed32":              append(slices.Clone(plain), 0x35, 1, 2, 3, 4),
		"field 0":                      append(slices.Clone(plain), 0x00, 0x00),
		"field 2^60":                   append(protowire.AppendVarint(slices.Clone(plain), 1<<63), 0x00),
		"k as bytes, skipped":          append(slices.Clone(plain), 0x22, 0x01, 0x07),
		"words as varint, skipped":     append(slices.Clone(plain), 0x08, 0x07),
		"bytes after the last word":    container(append(slices.Clone(words), 1, 2, 3), 1, 1000, 1, 64),
		"rate of 2^64-1, never looked": container(words, 1, math.MaxUint64, 1, 64),
	} {
		f, err := ParseNim(in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p := f.Params(); p.K != 1 || p.Bits != 64 || p.Capacity != 1 || len(f.words) != 8 || f.words[0] != 1 {
			t.Errorf("%s: %+v, words %x", name, p, f.words)
		}
	}
	// Exactly at the limits: k = 64, every bit of the array in use, 128 KiB.
	big := make([]byte, MaxEncoded-16)
	in := container(big, 200, 200, MaxK, uint64(8*len(big)))
	if f, err := ParseNim(in); err != nil || len(in) != MaxEncoded || f.Contains("id") {
		t.Errorf("%d bytes at the limits: %v", len(in), err)
	}
}

// A filter that the peer made with other sizes is looked up with its sizes, and
// more words than necessary are kept.
func TestNimOtherSizes(t *testing.T) {
	p := Params{K: 64, Bits: 129, Capacity: 3, PPM: 7}
	f := filled(t, Nim, p, []string{"x"})
	wide := container(append(slices.Clone(f.words), make([]byte, 16)...), p.Capacity, p.PPM, uint64(p.K), uint64(p.Bits))
	g, err := ParseNim(wide)
	if err != nil || !g.Contains("x") || g.Params() != p || string(g.Append(nil)) != string(wide) {
		t.Errorf("%v: found %v, %+v", err, err == nil && g.Contains("x"), g)
	}
}
