package pace

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestGroupSizeCode(t *testing.T) {
	for _, c := range []struct {
		n       int
		code    uint8
		decoded int
	}{
		{math.MinInt, 0, 0}, {-1, 0, 0}, {0, 0, 0},
		{1, 1, 1}, {2, 2, 2}, {15, 15, 15}, {16, 16, 16}, {17, 17, 17}, {31, 31, 31},
		{32, 32, 32}, {33, 33, 34}, {34, 33, 34}, {63, 48, 64}, {64, 48, 64}, {65, 49, 68},
		{100, 57, 100}, {101, 58, 104}, {256, 80, 256}, {1000, 112, 1024}, {1024, 112, 1024},
		{5000, 148, 5120}, {10_000, 164, 10_240}, {10_240, 164, 10_240}, {10_241, 165, 10_752},
		{30<<14 + 1, 255, 31 << 14}, {MaxCodedGroup, 255, MaxCodedGroup},
		{MaxCodedGroup + 1, 255, MaxCodedGroup}, {math.MaxInt, 255, MaxCodedGroup},
	} {
		if got := EncodeGroupSize(c.n); got != c.code {
			t.Errorf("EncodeGroupSize(%d) = %d, want %d", c.n, got, c.code)
		}
		if got := DecodeGroupSize(c.code); got != c.decoded {
			t.Errorf("DecodeGroupSize(%d) = %d, want %d", c.code, got, c.decoded)
		}
	}
}

func TestRoundTripCode(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		d       time.Duration
		code    uint8
		decoded time.Duration
	}{
		{math.MinInt64, 0, 0}, {0, 0, 0},
		{1, 1, ms}, {ms, 1, ms}, {ms + 1, 2, 1_062_500}, {1_062_500, 2, 1_062_500},
		{1_900_000, 16, 1_937_500}, {1_937_501, 17, 2 * ms}, {2 * ms, 17, 2 * ms},
		{100 * ms, 106, 100 * ms}, {101 * ms, 107, 104 * ms},
		{496 * ms, 144, 496 * ms}, {500 * ms, 145, 512 * ms}, {512 * ms, 145, 512 * ms},
		{time.Second, 161, 1024 * ms}, {1024 * ms, 161, 1024 * ms}, {1025 * ms, 162, 1088 * ms},
		{30 * time.Second, 239, 30_720 * ms}, {59 * time.Second, 254, 59_392 * ms},
		{59_392*ms + 1, 255, time.Minute}, {time.Minute, 255, time.Minute},
		{time.Minute + 1, 255, time.Minute}, {math.MaxInt64, 255, time.Minute},
	} {
		if got := EncodeRoundTrip(c.d); got != c.code {
			t.Errorf("EncodeRoundTrip(%v) = %d, want %d", c.d, got, c.code)
		}
		if got := DecodeRoundTrip(c.code); got != c.decoded {
			t.Errorf("DecodeRoundTrip(%d) = %v, want %v", c.code, got, c.decoded)
		}
	}
}

// Every code is the code of what it stands for, and codes are strictly monotone.
func TestCodesAreExact(t *testing.T) {
	for c := range 256 {
		code := uint8(c)
		if got := EncodeGroupSize(DecodeGroupSize(code)); got != code {
			t.Errorf("group size code %d becomes %d", code, got)
		}
		if got := EncodeRoundTrip(DecodeRoundTrip(code)); got != code {
			t.Errorf("round trip code %d becomes %d", code, got)
		}
		if c > 0 && DecodeGroupSize(code) <= DecodeGroupSize(code-1) {
			t.Errorf("group size code %d is not above %d", code, code-1)
		}
		if c > 0 && DecodeRoundTrip(code) <= DecodeRoundTrip(code-1) {
			t.Errorf("round trip code %d is not above %d", code, code-1)
		}
	}
}

// Rounded up by at most 1/16, and monotone.
func TestCodesRoundUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, MaxCodedGroup).Draw(t, "n")
		got := DecodeGroupSize(EncodeGroupSize(n))
		if got < n || got-n > n/16 {
			t.Fatalf("size %d becomes %d", n, got)
		}
		m := rapid.Int().Draw(t, "m")
		if (n <= m) != (EncodeGroupSize(n) <= EncodeGroupSize(m)) && EncodeGroupSize(n) != EncodeGroupSize(m) {
			t.Fatalf("sizes %d and %d have codes %d and %d", n, m, EncodeGroupSize(n), EncodeGroupSize(m))
		}
		d := time.Duration(rapid.Int64Range(int64(MinRoundTrip), int64(MaxRoundTrip)).Draw(t, "d"))
		trip := DecodeRoundTrip(EncodeRoundTrip(d))
		if trip < d || trip-d > d/16 {
			t.Fatalf("round trip %v becomes %v", d, trip)
		}
		e := time.Duration(rapid.Int64().Draw(t, "e"))
		if (d <= e) != (EncodeRoundTrip(d) <= EncodeRoundTrip(e)) && EncodeRoundTrip(d) != EncodeRoundTrip(e) {
			t.Fatalf("round trips %v and %v have codes %d and %d", d, e, EncodeRoundTrip(d), EncodeRoundTrip(e))
		}
	})
}
