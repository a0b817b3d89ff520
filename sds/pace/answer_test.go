package pace

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// Rule P8: the sender first, then holders after 0.7 – 2.7 s, then everybody.
func TestResponseDelay(t *testing.T) {
	const ms = time.Millisecond
	last := math.Nextafter(1, 0)
	for _, c := range []struct {
		u    float64
		h    Holder
		n    int
		grtt time.Duration
		want time.Duration
	}{
		{0, Author, 100, time.Second, 0}, {last, Author, 100, time.Second, 0},
		{0, Early, 100, time.Second, 700 * ms}, {0.5, Early, 100, time.Second, 1700 * ms},
		{last, Early, 100, time.Second, 2700*ms - 1}, {math.NaN(), Early, 100, time.Second, 2700*ms - 1},
		{0.5, Early, 100, 100 * ms, 170 * ms}, {0, Early, 100, 0, 700 * ms},
		{0, Other, 100, time.Second, 2700 * ms}, {0.5, Other, 10_000, time.Second, 2700*ms + 3_728_467_272},
		{1, Other, 10_000, time.Second, 6700*ms - 1}, {0, Other, 100, 100 * ms, 270 * ms},
		{0, Holder(9), 100, time.Second, 2700 * ms},
	} {
		if got := ResponseDelay(c.u, c.h, c.n, c.grtt); !near(got, c.want) {
			t.Errorf("ResponseDelay(%g, %v, %d, %v) = %v, want %v", c.u, c.h, c.n, c.grtt, got, c.want)
		}
	}
}

func TestIgnoreWindow(t *testing.T) {
	if got := IgnoreWindow(500 * time.Millisecond); got != 1500*time.Millisecond {
		t.Errorf("IgnoreWindow(500ms) = %v", got)
	}
	if got := IgnoreWindow(0); got != 3*time.Second {
		t.Errorf("IgnoreWindow(0) = %v", got)
	}
}

// The hash, computed elsewhere. Lengths keep "m1"+"alice" and "m1a"+"lice" apart.
func TestHolderHash(t *testing.T) {
	for _, c := range []struct {
		id, participant string
		hash            uint64
		upTo            int // the largest n for which it is a holder
	}{
		{"m1", "alice", 0xce2ab178882991a1, 7},
		{"m1", "bob", 0xd0dfde6ec72e554d, 7},
		{"m1a", "lice", 0x6fa64d2d502ebbbb, 13},
		{"", "", 0xaf5570f5a1810b7a, 8},
		{"c1AAAAAAAAAAAAAAAAAAAAAAAAAAA", "0x04abcdef", 0xa49d2c96081a0a5f, 9},
	} {
		if got := holderHash(c.id, c.participant); got != c.hash {
			t.Errorf("%q, %q: %x, want %x", c.id, c.participant, got, c.hash)
		}
		for _, n := range []int{math.MinInt, 0, 1, 6, 7, 8, 9, 10, 13, 14, 10_000, math.MaxInt} {
			if got := IsHolder(c.id, c.participant, n); got != (n <= c.upTo) {
				t.Errorf("IsHolder(%q, %q, %d) = %v", c.id, c.participant, n, got)
			}
		}
	}
}

// About six of n, at any n; and the holders at a larger n are among those at a
// smaller one.
func TestHoldersAreAboutSix(t *testing.T) {
	for _, n := range []int{7, 32, 100, 1000, 10_000} {
		const messages = 50
		total := 0
		for m := range messages {
			for p := range n {
				id, participant := fmt.Sprint("m", m), fmt.Sprint("p", p)
				if !IsHolder(id, participant, n) {
					continue
				}
				total++
				if !IsHolder(id, participant, n/2) {
					t.Fatalf("%s holds %s at %d and not at %d", participant, id, n, n/2)
				}
			}
		}
		if mean := float64(total) / messages; math.Abs(mean-Holders) > 1 {
			t.Errorf("n %d: %.2f holders on average", n, mean)
		}
	}
}

func TestHolderString(t *testing.T) {
	for h, want := range map[Holder]string{Author: "author", Early: "early", Other: "other", 7: "other"} {
		if h.String() != want {
			t.Errorf("%d is %q, want %q", h, h, want)
		}
	}
}
