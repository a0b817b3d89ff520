package segment

import (
	"fmt"
	"math/bits"

	"github.com/klauspost/reedsolomon"
)

// code is a Reed–Solomon code for one number of data and parity shards.
type code struct{ encoder reedsolomon.Encoder }

// newCode returns the code of a format. Which of the two Leopard codes it is must
// be told to the library: left to itself, or to its own rule, it computes another
// code for some numbers and panics for others (225 + 29 among them).
func newCode(f Format, data, parity int) (c code, err error) {
	defer guard(&err)
	options := []reedsolomon.Option{
		reedsolomon.WithMaxGoroutines(1),
		// The cache grows with each pattern of loss, which a sender chooses.
		reedsolomon.WithInversionCache(false),
	}
	switch n := nextPow2(nextPow2(parity) + data); {
	case f == Status:
		if data+parity > maxStatusShards {
			return c, fmt.Errorf("segment: %d data and %d parity segments, at most %d with parity", data, parity, maxStatusShards)
		}
	case data+parity > MaxSegments || parity > data:
		return c, fmt.Errorf("segment: no code for %d data and %d parity segments", data, parity)
	case n <= 256 || parity == 1:
		options = append(options, reedsolomon.WithLeopardGF(true))
	default:
		options = append(options, reedsolomon.WithLeopardGF16(true))
	}
	c.encoder, err = reedsolomon.New(data, parity, options...)
	return c, err
}

// nextPow2 returns the smallest power of two that is at least n ≥ 1.
func nextPow2(n int) int { return 1 << bits.Len(uint(n-1)) }

// encode computes the parity shards, which stand behind the data. All have the
// same length.
func (c code) encode(shards [][]byte) (err error) {
	defer guard(&err)
	return c.encoder.Encode(shards)
}

// recover computes the data shards that are nil.
func (c code) recover(shards [][]byte) (err error) {
	defer guard(&err)
	return c.encoder.ReconstructData(shards)
}

// guard turns a panic of the library into an error: a sender chooses the numbers.
func guard(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("segment: Reed–Solomon code: %v", r)
	}
}

// maxCodes bounds a cache: a group uses few shapes.
const maxCodes = 8

// codes remembers the codes that were used last.
type codes struct {
	format Format
	recent []shapedCode // newest last
}

type shapedCode struct {
	data, parity int
	code         code
}

func (c *codes) get(data, parity int) (code, error) {
	for i, known := range c.recent {
		if known.data == data && known.parity == parity {
			copy(c.recent[i:], c.recent[i+1:])
			c.recent[len(c.recent)-1] = known
			return known.code, nil
		}
	}
	fresh, err := newCode(c.format, data, parity)
	if err != nil {
		return fresh, err
	}
	if len(c.recent) == maxCodes {
		c.recent = append(c.recent[:0], c.recent[1:]...)
	}
	c.recent = append(c.recent, shapedCode{data, parity, fresh})
	return fresh, nil
}
