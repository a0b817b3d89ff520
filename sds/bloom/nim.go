package bloom

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Fields of the container in which nim-sds serializes a filter. It always
// writes all five, in this order.
const (
	nimWords    protowire.Number = 1 // bytes: 64-bit words, little-endian
	nimCapacity protowire.Number = 2
	nimRate     protowire.Number = 3 // error rate · 1,000,000, truncated
	nimK        protowire.Number = 4
	nimBits     protowire.Number = 5

	nimAll = 1<<nimWords | 1<<nimCapacity | 1<<nimRate | 1<<nimK | 1<<nimBits
)

// ParseNim reads a Nim filter. The filter points into b, which must not change
// while the filter is in use; nothing is copied.
//
// What nim-sds master refuses is refused with ErrMalformed: a missing field, a
// varint longer than necessary, a wire type that it does not know, a capacity
// of 2⁶³ or more. Bytes after the last whole word are ignored, as it does.
// (Branch release/v0.4 reads a missing number as 0 and so accepts filters that
// no peer writes.)
//
// What nim-sds accepts and is then harmed by is refused too: ErrHashes for k
// outside 1 … MaxK, ErrBits for no bits, ErrShort for more bits than the words
// hold, ErrTooLarge above MaxEncoded bytes. The cost of a refusal is one pass
// over at most MaxEncoded bytes.
func ParseNim(b []byte) (*Filter, error) {
	if len(b) > MaxEncoded {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, len(b), MaxEncoded)
	}
	c, err := scanNim(b)
	if err != nil {
		return nil, err
	}
	if err := c.complete(); err != nil {
		return nil, err
	}
	p := Params{K: clampInt(c.k), Bits: clampInt(c.bits), Capacity: c.capacity, PPM: c.rate}
	words := c.words[: len(c.words)&^7 : len(c.words)&^7]
	if err := p.checkNumbers(); err != nil {
		return nil, err
	}
	if p.Bits > 8*len(words) {
		return nil, fmt.Errorf("%w: mBits is %d, the array has %d", ErrShort, p.Bits, 8*len(words))
	}
	return &Filter{params: p, kind: Nim, words: words, shared: true}, nil
}

// clampInt keeps an unbounded number from the wire in an int, on every platform.
func clampInt(v uint64) int { return int(min(v, math.MaxInt32)) }

// nimContainer is the container as read, with nothing judged but its syntax.
type nimContainer struct {
	words                   []byte // points into the input
	capacity, rate, k, bits uint64
	seen                    uint // bit n: field n is present
}

// complete applies what nim-sds master requires beyond the syntax, except for k
// and mBits, whose limits are tighter here.
func (c *nimContainer) complete() error {
	for n := nimWords; n <= nimBits; n++ {
		if c.seen&(1<<n) == 0 {
			return fmt.Errorf("%w: field %d is missing", ErrMalformed, n)
		}
	}
	if c.capacity > math.MaxInt64 {
		return fmt.Errorf("%w: capacity is %d, limit 2⁶³−1", ErrMalformed, c.capacity)
	}
	return nil
}

// scanNim reads the container as the protobuf reader of nim-sds master does:
// fields in any order, the last of several wins, unknown fields and known ones
// of another wire type are skipped.
func scanNim(b []byte) (nimContainer, error) {
	var c nimContainer
	for len(b) > 0 {
		tag, n := consumeVarint(b)
		if n < 0 {
			return c, fmt.Errorf("%w: bad tag", ErrMalformed)
		}
		b = b[n:]
		num, typ := tag>>3, protowire.Type(tag&7)
		switch typ {
		case protowire.VarintType:
			v, n := consumeVarint(b)
			if n < 0 {
				return c, fmt.Errorf("%w: bad varint in field %d", ErrMalformed, num)
			}
			c.set(num, v)
			b = b[n:]
		case protowire.BytesType:
			v, n := consumeVarint(b)
			if n < 0 || v > uint64(len(b)-n) {
				return c, fmt.Errorf("%w: bad length in field %d", ErrMalformed, num)
			}
			if num == uint64(nimWords) {
				c.words = b[n : n+int(v)]
				c.seen |= 1 << nimWords
			}
			b = b[n+int(v):]
		case protowire.Fixed64Type, protowire.Fixed32Type:
			size := 8
			if typ == protowire.Fixed32Type {
				size = 4
			}
			if len(b) < size {
				return c, fmt.Errorf("%w: field %d is cut off", ErrMalformed, num)
			}
			b = b[size:]
		default:
			return c, fmt.Errorf("%w: wire type %d", ErrMalformed, typ)
		}
	}
	return c, nil
}

func (c *nimContainer) set(num, v uint64) {
	switch protowire.Number(min(num, math.MaxInt32)) {
	case nimCapacity:
		c.capacity = v
	case nimRate:
		c.rate = v
	case nimK:
		c.k = v
	case nimBits:
		c.bits = v
	default:
		return
	}
	c.seen |= 1 << num
}

// consumeVarint reads a varint and refuses one that is longer than necessary.
func consumeVarint(b []byte) (v uint64, n int) {
	v, n = protowire.ConsumeVarint(b)
	if n > 0 && n != protowire.SizeVarint(v) {
		return 0, -1
	}
	return v, n
}

func appendNim(dst, words []byte, p Params) []byte {
	dst = protowire.AppendTag(dst, nimWords, protowire.BytesType)
	dst = protowire.AppendBytes(dst, words)
	dst = protowire.AppendTag(dst, nimCapacity, protowire.VarintType)
	dst = protowire.AppendVarint(dst, p.Capacity)
	dst = protowire.AppendTag(dst, nimRate, protowire.VarintType)
	dst = protowire.AppendVarint(dst, p.PPM)
	dst = protowire.AppendTag(dst, nimK, protowire.VarintType)
	dst = protowire.AppendVarint(dst, uint64(p.K))
	dst = protowire.AppendTag(dst, nimBits, protowire.VarintType)
	return protowire.AppendVarint(dst, uint64(p.Bits))
}

// nimLen is the length of what appendNim appends for n bytes of words: five
// tags of one byte each, the words with their length, four varints.
func nimLen(n int, p Params) int {
	return 5 + protowire.SizeBytes(n) + protowire.SizeVarint(p.Capacity) +
		protowire.SizeVarint(p.PPM) + protowire.SizeVarint(uint64(p.K)) + protowire.SizeVarint(uint64(p.Bits))
}
