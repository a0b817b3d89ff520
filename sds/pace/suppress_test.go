package pace

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// near reports whether two durations agree to a microsecond: the last bits of
// the logarithm differ between platforms.
func near(a, b time.Duration) bool { return (a - b).Abs() <= time.Microsecond }

// spec R61
func TestLambdaAndK(t *testing.T) {
	for _, c := range []struct {
		n      int
		lambda float64
		k      int
	}{
		{math.MinInt, 1, 2}, {-1, 1, 2}, {0, 1, 2}, {1, 1, 2}, {2, 1.693147, 2},
		{16, 3.772589, 2}, {17, 3.833213, 3}, {256, 6.545177, 3}, {257, 6.549076, 4},
		{1000, 7.907755, 4}, {10_000, 10.210340, 4},
		{MaxMembers, 14.815511, 4}, {MaxMembers + 1, 14.815511, 4}, {math.MaxInt, 14.815511, 4},
	} {
		if got := Lambda(c.n); math.Abs(got-c.lambda) > 1e-6 {
			t.Errorf("Lambda(%d) = %f, want %f", c.n, got, c.lambda)
		}
		if got := K(c.n); got != c.k {
			t.Errorf("K(%d) = %d, want %d", c.n, got, c.k)
		}
	}
}

func TestPeriod(t *testing.T) {
	for _, c := range []struct {
		n          int
		grtt, want time.Duration
	}{
		{2, time.Second, 2 * time.Second},
		{100, time.Second, 3 * time.Second},
		{10_000, 250 * time.Millisecond, time.Second},
		{10_000, 0, 4 * time.Second}, // not known: DefaultRoundTrip
		{10_000, -5, 4 * time.Second},
		{2, time.Nanosecond, 2 * time.Millisecond},
		{2, time.Hour, 2 * time.Minute},
		{2, math.MaxInt64, 2 * time.Minute},
	} {
		if got := Period(c.n, c.grtt); got != c.want {
			t.Errorf("Period(%d, %v) = %v, want %v", c.n, c.grtt, got, c.want)
		}
	}
}

// Rule P7: (T/λ)·ln(1 + u·(e^λ − 1)), computed elsewhere.
//
// spec R61
func TestSuppressionDelay(t *testing.T) {
	for _, c := range []struct {
		u    float64
		n    int
		grtt time.Duration
		want time.Duration
	}{
		{0, 1, time.Second, 0},
		{0, 10_000, time.Second, 0},
		{0.5, 1, time.Second, 1_240_229_014},
		{0.5, 2, time.Second, 1_380_680_471},
		{0.5, 16, time.Second, 1_644_586_193},
		{0.5, 17, time.Second, 2_474_275_518},
		{0.5, 256, time.Second, 2_682_952_286},
		{0.5, 257, time.Second, 3_577_517_954},
		{0.5, 1000, time.Second, 3_649_569_647},
		{0.5, 10_000, time.Second, 3_728_467_272},
		{0.0001, 10_000, time.Second, 514_472_484},
		{0.001, 10_000, time.Second, 1_307_959_150},
		{0.9, 10_000, time.Second, 3_958_725_596},
		{0.5, 10_000, 250 * time.Millisecond, 932_116_818},
		{0.01, 32, 2 * time.Second, 833_675_729},
		{0.25, 8, time.Second, 1_183_578_102},
		// Hostile inputs.
		{0.5, 0, time.Second, 1_240_229_014},
		{0.5, math.MinInt, time.Second, 1_240_229_014},
		{0.5, 10_000, 0, 3_728_467_272},
		{-1, 10_000, time.Second, 0},
		{math.Inf(-1), 10_000, time.Second, 0},
		{1, 10_000, time.Second, 4*time.Second - 1},
		{math.Inf(1), 10_000, time.Second, 4*time.Second - 1},
		{math.NaN(), 10_000, time.Second, 4*time.Second - 1},
	} {
		if got := SuppressionDelay(c.u, c.n, c.grtt); !near(got, c.want) {
			t.Errorf("SuppressionDelay(%g, %d, %v) = %d, want %d", c.u, c.n, c.grtt, got, c.want)
		}
	}
	if SuppressionDelay(0.5, MaxMembers, time.Second) != SuppressionDelay(0.5, math.MaxInt, time.Second) {
		t.Error("groups above MaxMembers are not clamped")
	}
}

// For any input: in [0, T), grows with u, and shrinks with nothing but n.
func TestSuppressionDelayIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := rapid.Float64().Draw(t, "u")
		v := rapid.Float64().Draw(t, "v")
		n := rapid.Int().Draw(t, "n")
		grtt := time.Duration(rapid.Int64().Draw(t, "grtt"))
		d, e := SuppressionDelay(u, n, grtt), SuppressionDelay(v, n, grtt)
		if period := Period(n, grtt); d < 0 || d >= period {
			t.Fatalf("%v is not in [0, %v)", d, period)
		}
		if u <= v && d > e {
			t.Fatalf("u %g gives %v, u %g gives %v", u, d, v, e)
		}
	})
}

func TestExpectedTransmissions(t *testing.T) {
	for n, want := range map[int]float64{
		1: 1.3499, 2: 1.6619, 16: 3.1012, 17: 2.1525, 256: 3.7026, 257: 2.6708, 1000: 3.2745, 10_000: 4.6253,
	} {
		if got := ExpectedTransmissions(n); math.Abs(got-want) > 1e-4 {
			t.Errorf("ExpectedTransmissions(%d) = %.4f, want %.4f", n, got, want)
		}
	}
}

func TestBetween(t *testing.T) {
	for _, c := range []struct {
		u              float64
		from, to, want time.Duration
	}{
		{0, 10, 20, 10}, {0.5, 10, 20, 15}, {math.Nextafter(1, 0), 10, 20, 19}, {math.NaN(), 10, 20, 19},
		{7, 10, 20, 19}, {-7, 10, 20, 10}, {0.5, 10, 10, 10}, {0.5, 0, math.MaxInt64, 1 << 62},
	} {
		if got := between(c.u, c.from, c.to); got != c.want {
			t.Errorf("between(%g, %d, %d) = %d, want %d", c.u, c.from, c.to, got, c.want)
		}
	}
}
