package sketch

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// Decode finds what can be found, and says so: it agrees with the second
// implementation, which knows both sets, on both lists and on whether that is all.
func TestDecodeAgrees(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	full, partial := 0, 0
	for round := range uint64(400) {
		m := []int{16, 24, 32, 64}[round%4]
		common := names("common", rnd.IntN(20))
		theirs, ours := names("theirs", rnd.IntN(m/2)), names("ours", rnd.IntN(m/2))
		a := dumbSet{"secret", round, testTo, slices.Concat(common, theirs)}
		b := dumbSet{"secret", round, testTo, slices.Concat(ours, common)}
		d := digestOf(t, sketchOf(t, round, m, a.ids), m)
		wantTheirs, wantOurs, want := dumbDecode(&a, &b, m)
		gotTheirs, gotOurs, got := sketchOf(t, round, m, b.ids).Decode(d)
		if !slices.Equal(gotTheirs, wantTheirs) || !slices.Equal(gotOurs, wantOurs) || got != want {
			t.Fatalf("range from %d: %x, %x, %v, want %x, %x, %v",
				round, gotTheirs, gotOurs, got, wantTheirs, wantOurs, want)
		}
		if key := NewKey([]byte("secret"), round, testTo); got &&
			(!slices.Equal(gotTheirs, shorts(key, theirs...)) || !slices.Equal(gotOurs, shorts(key, ours...))) {
			t.Fatalf("range from %d: complete with %x, %x", round, gotTheirs, gotOurs)
		}
		if got {
			full++
		} else if len(gotTheirs)+len(gotOurs) > 0 {
			partial++
		}
	}
	if full < 100 || partial < 20 {
		t.Errorf("%d complete and %d partial results: the test has lost its point", full, partial)
	}
}

// A sketch and a digest with different numbers of symbols decode what the
// smaller number decodes.
func TestDecodeCommonPrefix(t *testing.T) {
	ids := names("a", 4)
	for _, m := range []int{16, 20, 64} {
		for _, n := range []int{16, 24, 64} {
			onlyTheirs, onlyOurs, complete := sketchOf(t, 2, n).Decode(digestOf(t, sketchOf(t, 2, m, ids), m))
			if !complete || len(onlyOurs) > 0 || !slices.Equal(onlyTheirs, shorts(NewKey([]byte("secret"), 2, testTo), ids...)) {
				t.Errorf("digest of %d, sketch of %d: %x, %x, %v", m, n, onlyTheirs, onlyOurs, complete)
			}
		}
	}
}

// Equal sets, of every size modulo 256, differ in nothing; and neither sketch nor
// digest is changed.
func TestDecodeEqual(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 1000} {
		s := sketchOf(t, 3, 16, names("a", n))
		d := digestOf(t, s, 16)
		before := slices.Clone(d.Symbols)
		onlyTheirs, onlyOurs, complete := s.Decode(d)
		if !complete || len(onlyTheirs)+len(onlyOurs) > 0 {
			t.Errorf("%d messages: %x, %x, %v", n, onlyTheirs, onlyOurs, complete)
		}
		s.Add("b")
		s.Decode(d)
		s.Remove("b")
		if !slices.Equal(before, d.Symbols) || !slices.Equal(before, s.symbols) {
			t.Errorf("%d messages: Decode changes its operands", n)
		}
	}
}

// Counts are kept modulo 256, which no difference that can be decoded notices:
// sets of up to 1,000 with a few differences decode, sets with hundreds of
// differences, also with 254 … 258 in symbol 0, never name an id that is none.
func TestCountsModulo256(t *testing.T) {
	common := names("common", 980)
	a, b := names("theirs", 5), names("ours", 5)
	onlyTheirs, onlyOurs, complete := sketchOf(t, 4, 32, b, common).Decode(digestOf(t, sketchOf(t, 4, 32, common, a), 32))
	key := NewKey([]byte("secret"), 4, testTo)
	if !complete || !slices.Equal(onlyTheirs, shorts(key, a...)) || !slices.Equal(onlyOurs, shorts(key, b...)) {
		t.Errorf("%x, %x, %v", onlyTheirs, onlyOurs, complete)
	}
	for _, c := range [][2]int{{65, 1}, {100, 100}, {128, 128}, {255, 254}, {257, 256}, {300, 260}, {500, 500}, {1000, 1000}} {
		for seed := range uint64(10) {
			a, b := names("theirs", c[0]), names("ours", c[1])
			d := digestOf(t, sketchOf(t, seed, 64, a), 64)
			key := NewKey([]byte("secret"), seed, testTo)
			onlyTheirs, onlyOurs, complete := sketchOf(t, seed, 64, b).Decode(d)
			if complete || !subset(onlyTheirs, shorts(key, a...)) || !subset(onlyOurs, shorts(key, b...)) {
				t.Errorf("%v differences: %x, %x, %v", c, onlyTheirs, onlyOurs, complete)
			}
		}
	}
	for _, n := range []int{65, 255, 256, 257, 512} { // modulo 256 some of these look small
		d := digestOf(t, sketchOf(t, 4, 64, names("theirs", n)), 64)
		if onlyTheirs, onlyOurs, complete := sketchOf(t, 4, 64).Decode(d); complete || len(onlyTheirs)+len(onlyOurs) > 0 {
			t.Errorf("%d messages against none: %x, %x, %v", n, onlyTheirs, onlyOurs, complete)
		}
	}
}

// subset reports whether all of a are in the sorted list b.
func subset(a, b []uint64) bool {
	return !slices.ContainsFunc(a, func(v uint64) bool { _, ok := slices.BinarySearch(b, v); return !ok })
}

func TestCanDecode(t *testing.T) {
	d := digestOf(t, sketchOf(t, 5, 16, names("a", 100)), 16)
	for n, want := range map[int]bool{-1: false, 0: false, 83: false, 84: true, 100: true, 116: true, 117: false, math.MaxInt: false} {
		if d.CanDecode(n) != want {
			t.Errorf("CanDecode(%d) = %v", n, !want)
		}
	}
}

func TestDecodeAnotherRange(t *testing.T) {
	d := digestOf(t, sketchOf(t, 5, 16, names("a", 3)), 16)
	for _, r := range [][2]uint64{{4, testTo}, {5, testTo + 1}, {6, testTo}} {
		s, err := New([]byte("secret"), r[0], r[1], 16)
		if err != nil {
			t.Fatal(err)
		}
		if onlyTheirs, onlyOurs, complete := s.Decode(d); onlyTheirs != nil || onlyOurs != nil || complete {
			t.Errorf("range %v: %x, %x, %v", r, onlyTheirs, onlyOurs, complete)
		}
		if _, _, complete := s.Decode(Digest{From: 5, To: testTo, Symbols: make([]Symbol, 16)}); complete {
			t.Errorf("range %v: nothing equals nothing of another range", r)
		}
	}
}

// forge returns m empty symbols with x in those of its places that choose admits.
func forge(key *Key, m int, x uint64, count uint8, choose func(nth int) bool) []Symbol {
	symbols := make([]Symbol, m)
	hash := key.hash(x)
	for nth, i := range list(places(hash, m)) {
		if choose(nth) {
			symbols[i].toggle(x, hash, count)
		}
	}
	return symbols
}

// Crafted digests, by somebody who knows the secret: whatever they say, the cost
// is bounded, and lies that show give nothing.
func TestHostile(t *testing.T) {
	const seed, m = 6, MaxSymbols
	key := NewKey([]byte("secret"), seed, testTo)
	rnd := rand.New(rand.NewPCG(5, 6))
	var deep uint64 // takes part in five symbols and more
	for len(list(places(key.hash(deep), m))) < 5 {
		deep++
	}
	fill := func(f func(i int) Symbol) []Symbol {
		symbols := make([]Symbol, m)
		for i := range symbols {
			symbols[i] = f(i)
		}
		return symbols
	}
	for name, symbols := range map[string][]Symbol{
		"an id in its first place only": forge(&key, m, deep, in, func(nth int) bool { return nth == 0 }),
		"an id in its last place only":  forge(&key, m, deep, out, func(nth int) bool { return nth == 4 }),
		"an id but for its last place":  forge(&key, m, deep, in, func(nth int) bool { return nth < 4 }),
		"all counts 1":                  fill(func(int) Symbol { return Symbol{Count: 1} }),
		"all counts 127":                fill(func(int) Symbol { return Symbol{Sum: 1, Check: 2, Count: 127} }),
		"all counts −128":               fill(func(int) Symbol { return Symbol{Sum: 1, Check: 2, Count: 128} }),
		"all ones":                      fill(func(int) Symbol { return Symbol{^uint64(0), ^uint32(0), 255} }),
		"noise": fill(func(int) Symbol {
			return Symbol{rnd.Uint64(), rnd.Uint32(), uint8(rnd.IntN(3) - 1)}
		}),
		"the same id everywhere": fill(func(int) Symbol { return Symbol{deep, uint32(key.hash(deep)), 1} }),
		"another id in each": fill(func(i int) Symbol {
			x := rnd.Uint64()
			for places(key.hash(x), m)>>i&1 == 0 {
				x++
			}
			return Symbol{x, uint32(key.hash(x)), in + uint8(i%2)*254}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			for _, have := range [][2]int{{0, 0}, {1, 0}, {64, 0}, {1, 1}, {0, 64}, {255, 255}, {256, 255}, {1000, 1000}} {
				d := Digest{From: seed, To: testTo, Messages: have[0], Symbols: slices.Clone(symbols)}
				d.Symbols[0].Count = uint8(have[0]) // or Parse would refuse it
				local := sketchOf(t, seed, m, names("ours", have[1]))
				onlyTheirs, onlyOurs, complete := local.Decode(d)
				if complete {
					t.Errorf("complete: %x, %x", onlyTheirs, onlyOurs)
				}
				checkBounded(t, local, d)
			}
		})
	}
}

// An id shows only in a symbol that it takes part in; that others hold it too
// leaves a rest that cannot be decoded.
func TestIDInAllSymbols(t *testing.T) {
	const seed, m = 6, 16
	local := sketchOf(t, seed, m)
	symbols := make([]Symbol, m)
	for i := range symbols {
		symbols[i].toggle(1, local.key.hash(1), in)
	}
	onlyTheirs, onlyOurs, complete := local.Decode(Digest{From: seed, To: testTo, Messages: 1, Symbols: symbols})
	if !slices.Equal(onlyTheirs, []uint64{1}) || onlyOurs != nil || complete {
		t.Errorf("%x, %x, %v", onlyTheirs, onlyOurs, complete)
	}
}

// checkBounded checks what holds for any digest at all.
func checkBounded(t *testing.T, local *Sketch, d Digest) {
	t.Helper()
	onlyTheirs, onlyOurs, complete := local.Decode(d)
	all := slices.Concat(onlyTheirs, onlyOurs)
	slices.Sort(all)
	m := min(len(d.Symbols), len(local.symbols))
	if len(all) > m || len(slices.Compact(all)) != len(onlyTheirs)+len(onlyOurs) {
		t.Errorf("%d symbols give %d and %d ids, or one of them twice", m, len(onlyTheirs), len(onlyOurs))
	}
	if !slices.IsSorted(onlyTheirs) || !slices.IsSorted(onlyOurs) {
		t.Error("the lists are not sorted")
	}
	if complete && len(onlyTheirs)-len(onlyOurs) != d.Messages-local.Len() {
		t.Errorf("complete with %d and %d ids, but %d messages against %d",
			len(onlyTheirs), len(onlyOurs), d.Messages, local.Len())
	}
	p := local.difference(d.Symbols)
	p.peel()
	if p.looks > m+m*m {
		t.Errorf("peeling looks at %d symbols, at most %d", p.looks, m+m*m)
	}
}

// A digest that names an id twice yields nothing, not even what else is in it.
func TestContradiction(t *testing.T) {
	const seed, m = 7, 16
	local := sketchOf(t, seed, m)
	key := &local.key
	good := forge(key, m, 1, in, func(int) bool { return true })
	var twice uint64 = 2 // not in the places of 1 but for symbol 0
	for places(key.hash(twice), m)&places(key.hash(1), m) != 1 || len(list(places(key.hash(twice), m))) < 3 {
		twice++
	}
	last := forge(key, m, twice, in, func(nth int) bool { return nth == 1 })
	d := Digest{From: seed, To: testTo, Messages: 1, Symbols: good}
	if onlyTheirs, _, complete := local.Decode(d); !complete || !slices.Equal(onlyTheirs, []uint64{1}) {
		t.Fatalf("%x, %v", onlyTheirs, complete)
	}
	for i := range good {
		good[i].Sum ^= last[i].Sum
		good[i].Check ^= last[i].Check
		good[i].Count += last[i].Count
	}
	if onlyTheirs, onlyOurs, complete := local.Decode(d); onlyTheirs != nil || onlyOurs != nil || complete {
		t.Errorf("%x, %x, %v", onlyTheirs, onlyOurs, complete)
	}
	checkBounded(t, local, d)
}

// An id that shows twice on the same side, in symbols that would come to rest
// with it twice in the list.
func TestSameIDTwice(t *testing.T) {
	const m = 16
	key := NewKey([]byte("secret"), 7, testTo)
	var x, y uint64
	for len(list(places(key.hash(x), m))) < 4 {
		x++
	}
	at := list(places(key.hash(x), m))
	a, b, c := at[len(at)-3], at[len(at)-2], at[len(at)-1]
	for set := places(key.hash(y), m); set>>a&1 == 1 || set>>b&1 == 0 || set>>c&1 == 0; set = places(key.hash(y), m) {
		y++
	}
	for _, one := range []uint8{in, out} {
		symbols := make([]Symbol, m)
		for i := range symbols {
			symbols[i].Count = 100 // will not show anything
		}
		symbols[a] = Symbol{Count: 2 * one}                                     // x when x was taken out once
		symbols[b] = Symbol{Sum: y, Check: uint32(key.hash(y)), Count: 3 * one} // y when x was taken out twice
		symbols[c] = Symbol{Sum: x, Check: uint32(key.hash(x)), Count: one}     // x now; then, without y, nothing
		p := peeler{key: &key, symbols: symbols}
		if p.peel() {
			t.Errorf("count %d: no contradiction in %x, %x", int8(one), p.theirs, p.ours)
		}
	}
}

// Symbols of no messages are those of the empty set, and of nothing else.
func TestAllZero(t *testing.T) {
	d := Digest{From: 8, To: testTo, Symbols: make([]Symbol, 16)}
	if onlyTheirs, onlyOurs, complete := sketchOf(t, 8, 16).Decode(d); !complete || onlyTheirs != nil || onlyOurs != nil {
		t.Errorf("against nothing: %x, %x, %v", onlyTheirs, onlyOurs, complete)
	}
	local := sketchOf(t, 8, 16, names("a", 3))
	onlyTheirs, onlyOurs, complete := local.Decode(d)
	if !complete || onlyTheirs != nil || !slices.Equal(onlyOurs, shorts(local.key, names("a", 3)...)) {
		t.Errorf("against three: %x, %x, %v", onlyTheirs, onlyOurs, complete)
	}
	d.Messages = 256
	if onlyTheirs, onlyOurs, complete := sketchOf(t, 8, 16).Decode(d); complete || onlyTheirs != nil || onlyOurs != nil {
		t.Errorf("256 messages that are none: %x, %x, %v", onlyTheirs, onlyOurs, complete)
	}
}

// More ids than symbols, which takes a collision of checks, is a contradiction.
func TestMoreIDsThanSymbols(t *testing.T) {
	const m = 16
	key := NewKey(nil, 1, 2)
	for found, want := range map[int]bool{m - 1: true, m: false} {
		p := peeler{key: &key, symbols: forge(&key, m, 1, in, func(int) bool { return true })}
		for i := range found {
			p.theirs = append(p.theirs, uint64(100+i))
		}
		if p.peel() != want {
			t.Errorf("one more id after %d: %v, want %v", found, !want, want)
		}
	}
}

// The memory of Decode is bounded by the symbols, whatever they say.
func TestDecodeMemory(t *testing.T) {
	ids := names("a", 32)
	d := digestOf(t, sketchOf(t, 9, 64, ids[:16]), 64)
	local := sketchOf(t, 9, 64, ids[16:])
	if onlyTheirs, onlyOurs, complete := local.Decode(d); !complete || len(onlyTheirs)+len(onlyOurs) != 32 {
		t.Fatalf("%x, %x, %v", onlyTheirs, onlyOurs, complete)
	}
	var before, after runtime.MemStats
	const runs = 100
	runtime.ReadMemStats(&before)
	for range runs {
		local.Decode(d)
	}
	runtime.ReadMemStats(&after)
	if per := (after.TotalAlloc - before.TotalAlloc) / runs; per > 3<<10 {
		t.Errorf("%d bytes, want at most %d", per, 3<<10)
	}
}

// How often m symbols decode d differences, as the package documentation says,
// to within 2 points: 3,000 keys give a standard deviation of at most 0.9.
func TestDecodeOdds(t *testing.T) {
	const keys = 3000
	for _, c := range []struct {
		m, d    int
		percent float64
	}{
		{16, 5, 96.7}, {16, 8, 81.7},
		{24, 8, 97.3}, {24, 12, 85.6},
		{32, 12, 97.1}, {32, 16, 88.7}, {32, 20, 60.3},
		{64, 32, 96.7},
	} {
		t.Run(fmt.Sprintf("%d of %d", c.d, c.m), func(t *testing.T) {
			ids := names("a", c.d)
			complete := 0
			for seed := range uint64(keys) {
				ours := int(seed) % (c.d + 1)
				d := digestOf(t, sketchOf(t, seed, c.m, ids[ours:]), c.m)
				if _, _, ok := sketchOf(t, seed, c.m, ids[:ours]).Decode(d); ok {
					complete++
				}
			}
			got := 100 * float64(complete) / keys
			t.Logf("m = %d, d = %d: %.1f %% (ranges from 0 … %d)", c.m, c.d, got, keys-1)
			if got < c.percent-2 || got > c.percent+2 {
				t.Errorf("%.1f %%, want %.1f ± 2", got, c.percent)
			}
		})
	}
}
