package bloom

import (
	"errors"
	"fmt"
	"math"
)

// Limits for every filter, ours or a peer's. They are far above what deployed
// peers use (10 hashes, 22,520 bytes) and keep a hostile filter harmless: the
// dearest lookup that fits is 64 bit tests, and no number from the wire is ever
// multiplied out of 64 bits or used to allocate.
const (
	// MaxK is the largest number of hashes (bits per id).
	MaxK = 64
	// MaxEncoded is the largest serialized filter, in bytes.
	MaxEncoded = 128 << 10
)

// Errors of this package, to be tested with errors.Is. The messages of the
// errors that wrap them name the field, its value and the limit.
var (
	// ErrMalformed: the bytes are not the protobuf container of a Nim filter.
	ErrMalformed = errors.New("bloom: malformed filter")
	// ErrHashes: the number of hashes is outside 1 … MaxK.
	ErrHashes = errors.New("bloom: number of hashes out of range")
	// ErrBits: the number of bits is below 1.
	ErrBits = errors.New("bloom: number of bits out of range")
	// ErrShort: the bit array is shorter than the number of bits requires.
	ErrShort = errors.New("bloom: bit array too short")
	// ErrTooLarge: the serialized filter is or would be above MaxEncoded.
	ErrTooLarge = errors.New("bloom: filter too large")
	// ErrSizing: no filter has the capacity and error rate asked for.
	ErrSizing = errors.New("bloom: cannot size the filter")
)

// Params fixes the size of a filter. Only K and Bits matter for adding and
// looking up. Capacity and PPM say what the filter was sized for; they travel in
// the Nim container and are informational there too.
type Params struct {
	K        int    // hashes, that is bits set per id, 1 … MaxK
	Bits     int    // m, the number of bits in use, at least 1
	Capacity uint64 // ids that the filter is meant to hold
	PPM      uint64 // false-positive rate at Capacity in millionths, truncated
}

// Default returns the parameters that both deployed implementations use:
// 10,000 ids at 0.001, that is 10 hashes and 150,000 bits in 2,344 words.
func Default() Params {
	return Params{K: 10, Bits: 150_000, Capacity: 10_000, PPM: 1_000}
}

// Size returns the parameters that both implementations compute for capacity
// ids at a false-positive rate of rate: ⌈−ln rate / (ln 2)²⌉ bits per id and
// round(ln 2 · bits per id) hashes. The error is ErrSizing for a capacity below
// 1 or a rate outside (0, 1), and ErrHashes or ErrTooLarge beyond the limits.
func Size(capacity int, rate float64) (Params, error) {
	if err := checkSizing(capacity, rate); err != nil {
		return Params{}, err
	}
	perID := math.Ceil(-math.Log(rate) / (math.Ln2 * math.Ln2))
	k := math.Round(math.Ln2 * perID)
	return sized(capacity, rate, int(k), int(perID))
}

// SizeWithK is Size with a chosen number of hashes. Both implementations have
// it as a helper; neither uses it in the protocol. perID is the number of bits
// per id; 0 takes the smallest of 2 … 32 for which k ≤ 12 hashes stay below
// rate.
//
// The implementations look that number up in a table of (1−e^(−k/b))^k to
// three digits; this one computes it. (The row k = 3 of the table in
// @waku/sds 0.0.8 has four values too many and gives more bits.)
func SizeWithK(capacity int, rate float64, k, perID int) (Params, error) {
	if err := checkSizing(capacity, rate); err != nil {
		return Params{}, err
	}
	if perID > 0 {
		return sized(capacity, rate, k, perID)
	}
	if k < 1 || k > 12 {
		return Params{}, fmt.Errorf("%w: %d, want 1 … 12 if the bits per id are not given", ErrHashes, k)
	}
	for b := 2; b <= 32; b++ {
		if math.Pow(1-math.Exp(-float64(k)/float64(b)), float64(k)) < rate {
			return sized(capacity, rate, k, b)
		}
	}
	return Params{}, fmt.Errorf("%w: %d hashes need more than 32 bits per id for error rate %g", ErrSizing, k, rate)
}

func checkSizing(capacity int, rate float64) error {
	if capacity < 1 {
		return fmt.Errorf("%w: capacity %d, want at least 1", ErrSizing, capacity)
	}
	if !(rate > 0 && rate < 1) {
		return fmt.Errorf("%w: error rate %g, want more than 0 and less than 1", ErrSizing, rate)
	}
	return nil
}

func sized(capacity int, rate float64, k, perID int) (Params, error) {
	// Compared before it is multiplied: capacity may be any int.
	if capacity > MaxEncoded*8/perID {
		return Params{}, fmt.Errorf("%w: capacity %d × %d bits, limit %d bytes", ErrTooLarge, capacity, perID, MaxEncoded)
	}
	p := Params{K: k, Bits: capacity * perID, Capacity: uint64(capacity), PPM: uint64(rate * 1_000_000)}
	return p, p.check()
}

// check returns nil if a filter of these parameters can be made and, in either
// container, be serialized within the limits.
func (p Params) check() error {
	if err := p.checkNumbers(); err != nil {
		return err
	}
	if p.Capacity > math.MaxInt64 {
		return fmt.Errorf("%w: capacity is %d, limit 2⁶³−1", ErrSizing, p.Capacity)
	}
	if n := nimLen(8*p.Words(), p); n > MaxEncoded {
		return fmt.Errorf("%w: %d bits make %d bytes, limit %d", ErrTooLarge, p.Bits, n, MaxEncoded)
	}
	return nil
}

// checkNumbers checks K and Bits alone. Bits has no upper limit of its own: it
// is bounded by the array that must hold it.
func (p Params) checkNumbers() error {
	if p.K < 1 || p.K > MaxK {
		return fmt.Errorf("%w: k is %d, want 1 … %d", ErrHashes, p.K, MaxK)
	}
	if p.Bits < 1 {
		return fmt.Errorf("%w: mBits is %d, want at least 1", ErrBits, p.Bits)
	}
	if p.Bits > MaxEncoded*8 {
		return fmt.Errorf("%w: mBits is %d, limit %d", ErrTooLarge, p.Bits, MaxEncoded*8)
	}
	return nil
}

// Words returns the number of 64-bit words of a new filter: one more than
// needed when 64 divides Bits, as both implementations have it.
func (p Params) Words() int { return 1 + p.Bits/64 }

// String describes the parameters for logs.
func (p Params) String() string {
	return fmt.Sprintf("%d hashes, %d bits, for %d ids at error rate %.1e", p.K, p.Bits, p.Capacity, float64(p.PPM)/1e6)
}
