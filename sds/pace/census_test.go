package pace

import (
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Rule P10: the bound of the hash is ⌊A·2⁶⁴/N⌋ (spec R121). The values are of
// Python's integers.
func TestCensusLimit(t *testing.T) {
	for _, c := range []struct {
		size, n int
		want    uint64
	}{
		{80, 79, math.MaxUint64}, {80, 80, math.MaxUint64}, {80, 1, math.MaxUint64}, {80, 0, math.MaxUint64}, {80, -5, math.MaxUint64},
		{80, 81, 18219006492552643571}, {80, 100, 14757395258967641292}, {80, 160, 1 << 63}, {80, 1000, 1475739525896764129},
		{80, 10_000, 147573952589676412}, {1, 2, 1 << 63}, {160, 999, 2954433485278807065}, {80, 1_000_000, 1475739525896764},
		{80, 1 << 40, 1475739525896764},   // as a million
		{0, 2, 1 << 63}, {-7, 2, 1 << 63}, // at least one
	} {
		if got := CensusLimit(c.size, c.n); got != c.want {
			t.Errorf("CensusLimit(%d, %d) = %d, want %d", c.size, c.n, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		size, n := rapid.IntRange(1, 500).Draw(t, "size"), rapid.IntRange(1, 1_000_000).Draw(t, "n")
		want := new(big.Int).Lsh(big.NewInt(int64(size)), 64)
		if want.Div(want, big.NewInt(int64(n))); n <= size {
			want.SetUint64(math.MaxUint64)
		}
		if got := CensusLimit(size, n); got != want.Uint64() {
			t.Fatalf("CensusLimit(%d, %d) = %d, want %d", size, n, got, want)
		}
	})
}

// spec R124: where want + δ/2 and want − δ are equally likely. The values are of
// Python's decimal arithmetic with 50 digits.
func TestCensusEnough(t *testing.T) {
	for _, c := range []struct {
		want      float64
		sample, n int
		enough    int
	}{
		// Everybody was asked: the share itself.
		{0.9, 59, 59, 54}, {0.9, 60, 60, 54}, {0.5, 33, 33, 17}, {1, 40, 40, 40}, {0.1, 10, 10, 1}, {0.7, 10, 10, 7}, {0.3, 10, 10, 3},
		{0.9, 99, 60, 54},
		// A sample: 0.8897 for 0.9, 0.4612 for 0.5, 0.9454 for 0.95, 0.9892 for 0.99, …
		{0.9, 80, 10_000, 72}, {0.9, 79, 199, 71}, {0.9, 100, 1000, 89}, {0.9, 1000, 10_000, 890}, {0.9, 1, 50, 1},
		{0.5, 80, 1000, 37}, {0.95, 80, 1000, 76}, {0.99, 80, 1000, 80}, {0.75, 100, 1000, 73},
		{0.1, 80, 1000, 9}, {0.01, 80, 1000, 3}, // p₀ is at least half of what is wanted
		// All of a large group can't be shown by a sample.
		{1, 80, 1000, 81}, {1.5, 80, 1000, 81},
	} {
		if got := CensusEnough(c.want, c.sample, c.n); got != c.enough {
			t.Errorf("CensusEnough(%v, %d, %d) = %d, want %d", c.want, c.sample, c.n, got, c.enough)
		}
	}
}

// spec R124: at that point both hypotheses are as likely, for any want.
func TestCensusEnoughIsTheMiddle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := float64(rapid.IntRange(1, 99).Draw(t, "percent")) / 100
		sample := rapid.IntRange(50, 160).Draw(t, "sample")
		k := CensusEnough(want, sample, 100_000)
		delta := math.Min(1-want, 0.15)
		p1, p0 := want+delta/2, math.Max(want-delta, want/2)
		// How much likelier k of the sample are at p₁ than at p₀.
		ratio := func(k int) float64 {
			return float64(k)*math.Log(p1/p0) + float64(sample-k)*math.Log((1-p1)/(1-p0))
		}
		if ratio(k) < -1e-9 || ratio(k-1) >= 0 {
			t.Fatalf("want %v of %d: enough is %d, ratios %v there and %v before", want, sample, k, ratio(k), ratio(k-1))
		}
	})
}

// spec R125: Wilson's interval with n−sample/(n−1) of the variance. The values are of
// the quadratic that defines it, (p̂ − x)² = z²·x(1 − x)/sample, solved by Python's
// decimal arithmetic.
func TestShareInterval(t *testing.T) {
	for _, c := range []struct {
		heard, sample, n int
		low, high        float64
	}{
		{72, 80, 10_000, 0.815302511047, 0.948319416022}, {80, 80, 10_000, 0.954527408836, 1}, {0, 80, 10_000, 0, 0.045472591164},
		{40, 80, 160, 0.423204529914, 0.576795470086}, {1, 2, 3, 0.150038989152, 0.849961010848}, {79, 80, 81, 0.984470752802, 0.989944376012},
		{54, 60, 60, 0.9, 0.9}, {3, 4, 2, 0.75, 0.75}, {1, 1, 1, 1, 1}, // all were asked
		{0, 0, 100, 0, 1}, {0, -1, 100, 0, 1}, // nobody was
	} {
		low, high := ShareInterval(c.heard, c.sample, c.n)
		if math.Abs(low-c.low) > 1e-11 || math.Abs(high-c.high) > 1e-11 {
			t.Errorf("ShareInterval(%d, %d, %d) = %.12f, %.12f, want %.12f, %.12f", c.heard, c.sample, c.n, low, high, c.low, c.high)
		}
	}
}

// A sample larger by one at the same share never makes it wider, and the share
// is in it.
func TestShareIntervalHoldsTheShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 10_000).Draw(t, "n")
		sample := rapid.IntRange(1, n).Draw(t, "sample")
		heard := rapid.IntRange(0, sample).Draw(t, "heard")
		low, high := ShareInterval(heard, sample, n)
		share := float64(heard) / float64(sample)
		if !(low >= 0 && low <= share+1e-12 && share <= high+1e-12 && high <= 1) {
			t.Fatalf("ShareInterval(%d, %d, %d) = %v, %v", heard, sample, n, low, high)
		}
		if more, less := ShareInterval(2*heard, 2*sample, 2*n); more < low-1e-12 || less > high+1e-12 {
			t.Fatalf("twice as many of twice as many: %v, %v instead of %v, %v", more, less, low, high)
		}
	})
}

// Rule P4, spec R44: longer if most say so, at most 4 times, never shorter.
func TestGroupRoundTrip(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		own    time.Duration
		claims []time.Duration
		want   time.Duration
	}{
		{s, nil, s}, {s, []time.Duration{9 * s, 9 * s}, s},
		{s, []time.Duration{3 * s, 2 * s, 4 * s}, 3 * s}, {s, []time.Duration{s, 2 * s, 3 * s, 4 * s}, 2 * s},
		{s, []time.Duration{s, s, 4 * s}, s}, {s, []time.Duration{s / 9, s / 9, s / 9}, s},
		{s, []time.Duration{5 * s, 5 * s, 5 * s}, 4 * s}, {2 * s, []time.Duration{time.Hour, time.Hour, time.Hour}, 8 * s},
		{30 * s, []time.Duration{time.Hour, time.Hour, time.Hour}, time.Minute}, {s, []time.Duration{-1, 0, 0}, s},
	} {
		given := append([]time.Duration(nil), c.claims...)
		if got := GroupRoundTrip(c.own, c.claims); got != c.want {
			t.Errorf("GroupRoundTrip(%v, %v) = %v, want %v", c.own, given, got, c.want)
		}
		for i := range given {
			if given[i] != c.claims[i] {
				t.Fatal("the caller's claims changed")
			}
		}
	}
}
