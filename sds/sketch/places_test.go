package sketch

import (
	"math"
	"slices"
	"testing"
)

// list turns a set of bits into indices.
func list(set uint64) (out []int) {
	for set != 0 {
		var i int
		i, set = next(set)
		out = append(out, i)
	}
	return out
}

// The published output for seed 1234567.
func TestSplitMix(t *testing.T) {
	state := uint64(1234567)
	for i, want := range []uint64{
		6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821,
	} {
		state += 0x9e3779b97f4a7c15
		if got := mix(state); got != want {
			t.Errorf("output %d: %d, want %d", i, got, want)
		}
	}
}

// The rule as it is written, tried symbol by symbol, gives the same places; and
// how many symbols there are changes none of them.
func TestPlacesFollowTheRule(t *testing.T) {
	for n := range uint64(3000) {
		hash := mix(n)
		all := dumbPlaces(hash, MaxSymbols)
		for _, m := range []int{1, 2, 16, 31, 32, 63, 64} {
			want := slices.DeleteFunc(slices.Clone(all), func(i int) bool { return i >= m })
			if got := list(places(hash, m)); !slices.Equal(got, want) {
				t.Fatalf("hash %x, %d symbols: %v, want %v", hash, m, got, want)
			}
		}
	}
	for _, m := range []int{math.MinInt, -1, 0, 65, math.MaxInt} {
		if got := places(1, m); got != 0 {
			t.Errorf("%d symbols: %b, want none", m, got)
		}
	}
}

// How the next place follows from u, at the borders of every step, u = 0 and the
// greatest u among them.
func TestEveryBorder(t *testing.T) {
	for i := range MaxSymbols - 1 {
		for j := i + 1; j < MaxSymbols; j++ {
			// The least u that does not skip symbol j.
			u := (square(i)<<32 + square(j) - 1) / square(j)
			if got := int(firstWith[(square(i)<<32+u-1)/u]); got != j {
				t.Fatalf("from %d with u = %d: %d, want %d", i, u, got, j)
			}
			if j+1 < MaxSymbols {
				if got := int(firstWith[(square(i)<<32+u-2)/(u-1)]); got != j+1 {
					t.Fatalf("from %d with u = %d: %d, want %d", i, u-1, got, j+1)
				}
			}
		}
		u := uint64(math.MaxUint32)
		if got := int(firstWith[(square(i)<<32+u-1)/u]); got != i+1 {
			t.Fatalf("from %d with the greatest u: %d, want %d", i, got, i+1)
		}
	}
}

// unmix is the inverse of mix.
func unmix(z uint64) uint64 {
	inverse := func(odd uint64) uint64 {
		x := odd // right in 3 bits, then in twice as many each time
		for range 5 {
			x *= 2 - odd*x
		}
		return x
	}
	z = (z ^ z>>31 ^ z>>62) * inverse(0x94d049bb133111eb)
	z = (z ^ z>>27 ^ z>>54) * inverse(0xbf58476d1ce4e5b9)
	return z ^ z>>30 ^ z>>60
}

// The same borders for the last of m symbols, from the first one: with the least
// u that reaches it, it is the second place; with one less there is none.
func TestLastSymbol(t *testing.T) {
	for m := 2; m <= MaxSymbols; m++ {
		least := (square(0)<<32 + square(m-1) - 1) / square(m-1)
		for _, u := range []uint64{least - 1, least, 0} {
			hash := unmix(u<<32) - 0x9e3779b97f4a7c15
			got, want := list(places(hash, m)), dumbPlaces(hash, m)
			if !slices.Equal(got, want) || slices.Contains(got, m-1) != (u == least) {
				t.Errorf("%d symbols, u = %d: %v, want %v", m, u, got, want)
			}
		}
	}
}

// density is the share of ids that take part in symbol k.
func density(k int) float64 {
	if k == 0 {
		return 1
	}
	skip := float64(k+1) / float64(k+2)
	return 1 - skip*skip
}

// The density follows from the thresholds that the integers give, to 10⁻⁸, and
// is what a quarter of a million ids do.
func TestDensity(t *testing.T) {
	var share [MaxSymbols]float64
	share[0] = 1
	for i := range share {
		// skipped is how many u, of 2³², skip all symbols up to j.
		skipped := func(j int) float64 { return float64((square(i)<<32 + square(j) - 1) / square(j)) }
		for j := i + 1; j < MaxSymbols; j++ {
			share[j] += share[i] * (skipped(j-1) - skipped(j)) / (1 << 32)
		}
	}
	const ids = 1 << 18
	var seen [MaxSymbols]int
	touches := 0
	for n := range uint64(ids) {
		set := places(mix(n), MaxSymbols)
		for _, i := range list(set) {
			seen[i]++
			if i < 32 {
				touches++
			}
		}
	}
	for i, got := range share {
		if math.Abs(got-density(i)) > 1e-8 {
			t.Errorf("symbol %d: density %.10f, want %.10f", i, got, density(i))
		}
		deviation := math.Sqrt(ids * got * (1 - got))
		if math.Abs(float64(seen[i])-ids*got) > 5*deviation {
			t.Errorf("symbol %d: %d of %d ids, want %.0f ± %.0f", i, seen[i], ids, ids*got, 5*deviation)
		}
	}
	if got := float64(touches) / ids; math.Abs(got-5.81) > 0.02 {
		t.Errorf("an id takes part in %.3f of 32 symbols, want 5.81", got)
	}
}

// Two symbols are independent of each other: the sampling has no memory.
func TestPlacesAreIndependent(t *testing.T) {
	const ids = 1 << 17
	var both [16][16]int
	for n := range uint64(ids) {
		in := list(places(mix(n), 16))
		for _, i := range in {
			for _, j := range in {
				both[i][j]++
			}
		}
	}
	for i := range both {
		for j := range i {
			p := density(i) * density(j)
			if deviation := math.Sqrt(ids * p * (1 - p)); math.Abs(float64(both[i][j])-ids*p) > 5*deviation {
				t.Errorf("symbols %d and %d: %d of %d ids, want %.0f ± %.0f", j, i, both[i][j], ids, ids*p, 5*deviation)
			}
		}
	}
}
