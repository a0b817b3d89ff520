package pace

import (
	"math"
	"testing"
	"time"
)

func TestTrickleNext(t *testing.T) {
	for _, c := range []struct{ in, want time.Duration }{
		{math.MinInt64, 4 * time.Second}, {-1, 4 * time.Second}, {0, 4 * time.Second},
		{time.Second, 4 * time.Second}, {2 * time.Second, 4 * time.Second},
		{4 * time.Second, 8 * time.Second}, {8 * time.Second, 16 * time.Second},
		{2048 * time.Second, time.Hour}, {30 * time.Minute, time.Hour},
		{time.Hour, time.Hour}, {math.MaxInt64, time.Hour},
	} {
		if got := TrickleNext(c.in); got != c.want {
			t.Errorf("TrickleNext(%v) = %v, want %v", c.in, got, c.want)
		}
	}
	steps := 0
	for i := TrickleNext(0); i < TrickleMax; i = TrickleNext(i) {
		steps++
	}
	if steps != 10 { // 4 s · 2¹⁰ is above an hour
		t.Errorf("an hour is reached after %d doublings, want 10", steps)
	}
}

func TestTricklePoint(t *testing.T) {
	for _, c := range []struct {
		interval time.Duration
		u        float64
		want     time.Duration
	}{
		{4 * time.Second, 0, 2 * time.Second},
		{4 * time.Second, 0.5, 3 * time.Second},
		{4 * time.Second, math.Nextafter(1, 0), 4*time.Second - 1},
		{time.Hour, 0.25, 37*time.Minute + 30*time.Second},
		{0, 0, 2 * time.Second},
		{math.MaxInt64, 0, 30 * time.Minute},
		{4 * time.Second, math.NaN(), 4*time.Second - 1},
		{4 * time.Second, -1, 2 * time.Second},
	} {
		if got := TricklePoint(c.interval, c.u); got != c.want {
			t.Errorf("TricklePoint(%v, %g) = %v, want %v", c.interval, c.u, got, c.want)
		}
	}
}

func TestLossDelay(t *testing.T) {
	for _, c := range []struct{ in, want time.Duration }{
		{time.Second, 1125 * time.Millisecond}, {800 * time.Millisecond, 900 * time.Millisecond},
		{0, 1125 * time.Millisecond}, {1, 1125 * time.Microsecond}, {math.MaxInt64, 67_500 * time.Millisecond},
	} {
		if got := LossDelay(c.in); got != c.want {
			t.Errorf("LossDelay(%v) = %v, want %v", c.in, got, c.want)
		}
	}
	if LossNewer != 3 {
		t.Errorf("LossNewer = %d", LossNewer)
	}
}
