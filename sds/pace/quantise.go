package pace

import (
	"math/bits"
	"time"
)

// One byte holds a group size or a round trip on the wire, as GSIZE and GRTT do
// in NORM (RFC 5740 §4.2). Both codes are small floating-point numbers with 16
// steps to the octave, so that a value is rounded up by at most 1/16 (6.25 %).
// Rounding is always up, the side on which a wrong value is harmless. 0 means
// "absent" in both, and a greater code never means a smaller value.

const (
	// MaxCodedGroup is the largest group size that has a code.
	MaxCodedGroup = 31 << 14 // 507,904

	// tripUnit is the unit in which round trips are coded; MinRoundTrip is 16.
	tripUnit = MinRoundTrip / 16 // 62.5 µs
)

// EncodeGroupSize returns the code of the smallest coded size that is not below
// n: 1 … 31 are exact, above them the steps are 1/16 of an octave. A size below
// 1 has the code 0, and one above MaxCodedGroup the code 255.
func EncodeGroupSize(n int) uint8 {
	switch {
	case n < 1:
		return 0
	case n < 16:
		return uint8(n)
	case n >= MaxCodedGroup:
		return 255
	}
	e, m := split(uint64(n))
	return uint8((e+1)<<4 + m - 16)
}

// DecodeGroupSize returns the size that a code stands for, 0 for code 0:
//
//	c < 16:  c          else:  (16 + c mod 16) · 2^(c/16 − 1)
func DecodeGroupSize(code uint8) int {
	if code < 16 {
		return int(code)
	}
	return (16 + int(code&15)) << (code>>4 - 1)
}

// EncodeRoundTrip returns the code of the shortest coded round trip that is not
// below d. Zero or less, "not known", has the code 0; up to MinRoundTrip it is 1,
// and above MaxRoundTrip 255.
func EncodeRoundTrip(d time.Duration) uint8 {
	switch {
	case d <= 0:
		return 0
	case d <= MinRoundTrip:
		return 1
	case d >= MaxRoundTrip:
		return 255
	}
	e, m := split(uint64((d + tripUnit - 1) / tripUnit))
	return uint8(1 + e<<4 + m - 16)
}

// DecodeRoundTrip returns the round trip that a code stands for, 0 for code 0:
//
//	(16 + (c−1) mod 16)/16 · 2^((c−1)/16) ms,   at most MaxRoundTrip
func DecodeRoundTrip(code uint8) time.Duration {
	if code == 0 {
		return 0
	}
	i := code - 1
	return min(time.Duration(16+i&15)<<(i>>4)*tripUnit, MaxRoundTrip)
}

// split returns the smallest m·2^e that is not below v, with m in 16 … 32, for
// v ≥ 16. An m of 32 carries into the exponent when the two are put together.
func split(v uint64) (e, m uint64) {
	e = uint64(bits.Len64(v)) - 5
	return e, (v + 1<<e - 1) >> e
}
