package bloom

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var kinds = []Kind{Nim, JS}

func default10k(t testing.TB, kind Kind) *Filter {
	return filled(t, kind, Default(), numbered("test", 1, 10_000))
}

// test_bloom of nim-sds, "basic operations"
func TestBasic(t *testing.T) {
	for _, kind := range kinds {
		f := filled(t, kind, Default(), []string{"test1", "test2", "test3"})
		for _, id := range []string{"test1", "test2", "test3"} {
			if !f.Contains(id) || !f.ContainsKey(kind.Key(id)) {
				t.Errorf("%v: %s was added and is not found", kind, id)
			}
		}
		for _, id := range []string{"test4", "test5", "", "test1 "} {
			if f.Contains(id) {
				t.Errorf("%v: %q was not added and is found", kind, id)
			}
		}
		if f.Kind() != kind || f.Params() != Default() {
			t.Errorf("made %v with %+v, is %v with %+v", kind, Default(), f.Kind(), f.Params())
		}
	}
}

// test_bloom of nim-sds, "perfect recall" and "error rate"; js bloom.spec.ts,
// "no false negatives" and "false positive rate".
func TestRecallAndErrorRate(t *testing.T) {
	for _, kind := range kinds {
		f := default10k(t, kind)
		for _, id := range numbered("test", 1, 10_000) {
			if !f.Contains(id) {
				t.Fatalf("%v: %s is lost", kind, id)
			}
		}
		found := 0
		for _, id := range numbered("absent", 1, 5000) {
			if f.Contains(id) {
				found++
			}
		}
		if rate := float64(found) / 5000; rate >= 1.5*0.001 {
			t.Errorf("%v: error rate %g, want less than 0.0015", kind, rate)
		}
	}
}

// test_bloom of nim-sds, "different patterns of strings"
func TestPatterns(t *testing.T) {
	patterns := []string{
		"", "a", strings.Repeat("x", 1000), strings.Repeat("long", 5000), "!@#$%^&*()_+-=[]{}|;:,.<>?",
		"unicode→★∑≈", "αβγδε", "😀", "a b", " b", "\x00\x01\xff", "\xff\xfe", "tab\tnewline\n",
	}
	for _, kind := range kinds {
		f := filled(t, kind, Default(), patterns)
		for _, id := range patterns {
			if !f.Contains(id) {
				t.Errorf("%v: %.20q is lost", kind, id)
			}
		}
		for _, id := range numbered("some", 1, 10_000-len(patterns)) {
			f.Add(id)
		}
		found := 0
		for _, id := range numbered("other", 1, 5000) {
			if f.Contains(id) {
				found++
			}
		}
		if found > 7 {
			t.Errorf("%v: %d of 5000 false positives", kind, found)
		}
	}
}

// The two kinds share the parameters and nothing else: of the 100 bits of
// test1 … test10 none is common, and 34 if nim-sds is built with its older hash
// (nim-bloom.json murmurBuildBloom).
func TestKindsDiffer(t *testing.T) {
	ids := numbered("test", 1, 10)
	js := setBits(filled(t, JS, Default(), ids))
	nim := setBits(filled(t, Nim, Default(), ids))
	v := loadNimBloom(t).OldHash
	if got := common(js, nim); got != 0 {
		t.Errorf("%d bits are common to JS and Nim", got)
	}
	if got := common(js, v.Test1To10); got != v.Common.Common || got != 34 {
		t.Errorf("%d bits are common to JS and the older hash, want %d", got, v.Common.Common)
	}
}

func common(a, b []int) (n int) {
	for _, x := range a {
		if slices.Contains(b, x) {
			n++
		}
	}
	return n
}

func TestKeyOfOtherKindPanics(t *testing.T) {
	for name, call := range map[string]func(*Filter, Key){
		"AddKey":      func(f *Filter, k Key) { f.AddKey(k) },
		"ContainsKey": func(f *Filter, k Key) { f.ContainsKey(k) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s took a key of the other kind", name)
				}
			}()
			call(filled(t, Nim, Default(), nil), JS.Key("id"))
		}()
	}
}

func TestZeroFilter(t *testing.T) {
	var f Filter
	if f.Contains("id") || f.ContainsKey(Nim.Key("id")) || f.FalsePositiveRate() != 0 {
		t.Error("the zero filter contains something")
	}
}

// The figures of Filter.FalsePositiveRate (facts: 0.07 %, 4.7 %, 70 %).
func TestFalsePositiveRate(t *testing.T) {
	if got := filled(t, JS, Default(), nil).FalsePositiveRate(); got != 0 {
		t.Errorf("empty: %g", got)
	}
	f := filled(t, JS, Default(), nil)
	for _, c := range []struct {
		ids  int
		want float64
	}{{10_000, 0.0007}, {20_000, 0.047}, {30_000, 0.23}, {50_000, 0.70}} {
		for _, id := range numbered("id", 1, c.ids) {
			f.Add(id)
		}
		if got := f.FalsePositiveRate(); math.Abs(got-c.want) > 0.08*c.want {
			t.Errorf("%d ids: %g, want about %g", c.ids, got, c.want)
		}
	}
	full, err := ParseJS([]byte(strings.Repeat("\xff", 8*Default().Words())), Default())
	if err != nil || full.FalsePositiveRate() != 1 {
		t.Errorf("all bits set: %v, %v, want 1", full.FalsePositiveRate(), err)
	}
}

// A lookup in a parsed filter allocates nothing, and Add does not write to the
// bytes that it was parsed from.
func TestParsedFilterAliases(t *testing.T) {
	const id = "0xb0bf45126fdcae4c3cb4d0fc8bca3e089f8113b85a56ae89e1ee751499488dd8"
	for _, kind := range kinds {
		wire := filled(t, kind, Default(), []string{id}).Append(nil)
		before := sum(wire)
		f := parse(t, kind, wire)
		if !f.Contains(id) {
			t.Errorf("%v: id is lost", kind)
		}
		if n := testing.AllocsPerRun(100, func() { f.Contains(id) }); n != 0 {
			t.Errorf("%v: Contains allocates %v times", kind, n)
		}
		key := kind.Key(id)
		if n := testing.AllocsPerRun(100, func() { f.ContainsKey(key) }); n != 0 {
			t.Errorf("%v: ContainsKey allocates %v times", kind, n)
		}
		if n := testing.AllocsPerRun(100, func() { parse(t, kind, wire) }); n > 1 {
			t.Errorf("%v: parsing allocates %v times", kind, n)
		}
		f.Add("another")
		if !f.Contains("another") || sum(wire) != before {
			t.Errorf("%v: Add on a parsed filter: found %v, input changed %v", kind, f.Contains("another"), sum(wire) != before)
		}
		if n := testing.AllocsPerRun(100, func() { f.Add("another") }); n != 0 {
			t.Errorf("%v: a later Add allocates %v times", kind, n)
		}
	}
}

func parse(t testing.TB, kind Kind, wire []byte) *Filter {
	t.Helper()
	var f *Filter
	var err error
	if kind == Nim {
		f, err = ParseNim(wire)
	} else {
		f, err = ParseJS(wire, Default())
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Append appends.
func TestAppendKeepsPrefix(t *testing.T) {
	for _, kind := range kinds {
		f := filled(t, kind, Default(), []string{"a"})
		got := f.Append([]byte("prefix"))
		if string(got[:6]) != "prefix" || len(got) != 6+f.Len() {
			t.Errorf("%v: Append to 6 bytes made %d, Len is %d", kind, len(got), f.Len())
		}
	}
}

// Against a model: a set of bits, filled by the definition in doc.go with no
// regard to bytes, for any size.
func TestFilterIsItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		p := Params{
			K:        rapid.IntRange(1, MaxK).Draw(t, "k"),
			Bits:     rapid.IntRange(1, 2000).Draw(t, "m"),
			Capacity: rapid.Uint64Range(0, math.MaxInt64).Draw(t, "capacity"),
			PPM:      rapid.Uint64().Draw(t, "ppm"),
		}
		f, err := New(kind, p)
		if err != nil {
			t.Fatal(err)
		}
		model := map[int]bool{}
		for _, id := range rapid.SliceOfN(rapid.String(), 0, 20).Draw(t, "ids") {
			f.Add(id)
			key := kind.Key(id)
			a, b := key.a%int64(p.Bits), key.b%int64(p.Bits)
			for i := range int64(p.K) {
				model[int(abs(a+i*b)%int64(p.Bits))] = true
			}
		}
		set := setBits(f)
		if len(set) != len(model) {
			t.Fatalf("%d bits are set, want %d", len(set), len(model))
		}
		for _, b := range set {
			if !model[b] {
				t.Fatalf("bit %d is set", b)
			}
		}
		wire := f.Append(nil)
		var g *Filter
		if kind == Nim {
			g, err = ParseNim(wire)
		} else {
			g, err = ParseJS(wire, p)
		}
		if err != nil {
			t.Fatal(err)
		}
		if g.Params() != p || string(g.Append(nil)) != string(wire) {
			t.Fatalf("round trip: %+v, want %+v", g.Params(), p)
		}
	})
}

func ExampleFilter() {
	p, _ := Size(256, 1e-4)
	ours, _ := New(Nim, p)
	ours.Add("0xb0bf45126fdcae4c")
	wire := ours.Append(nil)

	theirs, err := ParseNim(wire)
	fmt.Println(len(wire), err, theirs.Contains("0xb0bf45126fdcae4c"), theirs.Contains("0x00"))
	// Output: 661 <nil> true false
}

func benchIDs() []string {
	r := rand.New(rand.NewPCG(1, 2))
	ids := make([]string, 1024)
	for i := range ids {
		ids[i] = fmt.Sprintf("0x%016x%016x%016x%016x", r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64())
	}
	return ids
}

func BenchmarkAdd(b *testing.B) {
	for _, kind := range kinds {
		b.Run(kind.String(), func(b *testing.B) {
			f := filled(b, kind, Default(), nil)
			ids := benchIDs()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				f.Add(ids[i%len(ids)])
			}
		})
	}
}

func BenchmarkContains(b *testing.B) {
	for _, kind := range kinds {
		ids := benchIDs()
		wire := filled(b, kind, Default(), ids).Append(nil)
		f := parse(b, kind, wire)
		b.Run(kind.String()+"/hit", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				f.Contains(ids[i%len(ids)])
			}
		})
		b.Run(kind.String()+"/key", func(b *testing.B) {
			keys := make([]Key, len(ids))
			for i, id := range ids {
				keys[i] = kind.Key(id)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				f.ContainsKey(keys[i%len(keys)])
			}
		})
	}
}

func BenchmarkParseNim(b *testing.B) {
	wire := default10k(b, Nim).Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseNim(wire); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRolling(b *testing.B) {
	r, err := NewRolling(10_000, 0.001)
	if err != nil {
		b.Fatal(err)
	}
	ids := benchIDs()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.Add(ids[i%len(ids)])
	}
}
