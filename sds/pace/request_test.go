package pace

import (
	"math"
	"testing"
	"time"
)

func TestRequestDelay(t *testing.T) {
	if got := RequestDelay(0, 100, time.Second); got != time.Second {
		t.Errorf("the earliest request is after %v, want 1s", got)
	}
	if got := RequestDelay(0.5, 10_000, time.Second); !near(got, 4_728_467_272) {
		t.Errorf("RequestDelay(0.5, 10000, 1s) = %v", got)
	}
	if got := RequestDelay(1, 2, 0); got != 3*time.Second-1 {
		t.Errorf("the latest request of two is after %v", got)
	}
}

// Rule P8: ×2 up to 8·GRTT while lively, up to 5 minutes otherwise.
func TestRequestBackoff(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		attempt int
		grtt    time.Duration
		lively  bool
		want    time.Duration
	}{
		{1, s, true, 2 * s}, {2, s, true, 4 * s}, {3, s, true, 8 * s}, {4, s, true, 8 * s}, {math.MaxInt, s, true, 8 * s},
		{1, s, false, 2 * s}, {4, s, false, 16 * s}, {8, s, false, 256 * s}, {9, s, false, 300 * s}, {math.MaxInt, s, false, 300 * s},
		{0, s, true, 2 * s}, {math.MinInt, s, false, 2 * s},
		{1, 100 * time.Millisecond, true, 200 * time.Millisecond}, {9, 100 * time.Millisecond, true, 800 * time.Millisecond},
		{1, 0, true, 2 * s}, {9, 0, true, 8 * s},
		{3, time.Hour, true, 300 * s}, {1, time.Hour, false, 120 * s}, {3, time.Hour, false, 300 * s},
	} {
		if got := RequestBackoff(c.attempt, c.grtt, c.lively); got != c.want {
			t.Errorf("RequestBackoff(%d, %v, %v) = %v, want %v", c.attempt, c.grtt, c.lively, got, c.want)
		}
	}
}

func TestJitter(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		d    time.Duration
		u    float64
		want time.Duration
	}{
		{4 * s, 0, 3 * s}, {4 * s, 0.5, 4 * s}, {4 * s, 0.75, 4*s + s/2}, {4 * s, math.Nextafter(1, 0), 5*s - 1},
		{4 * s, math.NaN(), 5*s - 1}, {0, 0.5, 0}, {-s, 0.5, 0}, {1, 0.5, 1},
	} {
		if got := Jitter(c.d, c.u); got != c.want {
			t.Errorf("Jitter(%v, %g) = %v, want %v", c.d, c.u, got, c.want)
		}
	}
}

// Rule P6: [5, 10) s, doubling, up to [5, 10) min.
func TestResendDelay(t *testing.T) {
	last := math.Nextafter(1, 0)
	const s = time.Second
	for _, c := range []struct {
		attempt     int
		first, last time.Duration
	}{
		{math.MinInt, 5 * s, 10*s - 1}, {0, 5 * s, 10*s - 1}, {1, 5 * s, 10*s - 1},
		{2, 10 * s, 20*s - 1}, {3, 20 * s, 40*s - 1}, {6, 160 * s, 320*s - 1},
		{7, 300 * s, 600*s - 1}, {8, 300 * s, 600*s - 1}, {math.MaxInt, 300 * s, 600*s - 1},
	} {
		if got := ResendDelay(c.attempt, 0); got != c.first {
			t.Errorf("ResendDelay(%d, 0) = %v, want %v", c.attempt, got, c.first)
		}
		if got := ResendDelay(c.attempt, 0.5); got != (c.first+c.last+1)/2 {
			t.Errorf("ResendDelay(%d, 0.5) = %v", c.attempt, got)
		}
		for _, u := range []float64{last, 1, math.NaN()} {
			if got := ResendDelay(c.attempt, u); got < c.last-time.Microsecond || got > c.last {
				t.Errorf("ResendDelay(%d, %g) = %v, want %v", c.attempt, u, got, c.last)
			}
		}
	}
}
