package bloom

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// Filter is one bloom filter. Make it with New, ParseNim or ParseJS. The zero
// value contains nothing and cannot be added to.
//
// A Filter is not safe for concurrent use, not even for two calls of Contains,
// which share a buffer. ContainsKey, Append and the other methods that change
// nothing are safe beside each other.
type Filter struct {
	params Params
	kind   Kind
	words  []byte // whole 64-bit words in the byte order of kind
	shared bool   // words belongs to the caller of ParseNim or ParseJS
	buf    []byte // for Kind.key
}

// New returns an empty filter. It fails with ErrHashes, ErrBits or ErrTooLarge
// if the parameters are outside the limits.
func New(kind Kind, p Params) (*Filter, error) {
	if kind != Nim && kind != JS {
		return nil, fmt.Errorf("bloom: no such kind of filter: %d", kind)
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	return &Filter{params: p, kind: kind, words: make([]byte, 8*p.Words())}, nil
}

// Params returns the parameters of the filter, for a parsed one those that the
// wire or the caller gave.
func (f *Filter) Params() Params { return f.params }

// Kind returns whose filter it is.
func (f *Filter) Kind() Kind { return f.kind }

// Add puts an id into the filter. If the filter was parsed, the first Add copies
// its bits: the bytes that it was parsed from are never written to.
func (f *Filter) Add(id string) {
	var key Key
	key, f.buf = f.kind.key(id, f.buf)
	f.AddKey(key)
}

// AddKey is Add for an id that is hashed already. It panics if the Key was made
// for filters of the other Kind.
func (f *Filter) AddKey(key Key) {
	if f.shared {
		f.words, f.shared = slices.Clone(f.words), false
	}
	s, b, m := f.walk(key)
	for range f.params.K {
		i, mask := f.at(s)
		f.words[i] |= mask
		s = step(s, b, m)
	}
}

// Contains reports whether an id is possibly in the filter. False is certain:
// the id was not added. It does not allocate (after the first call, for Nim).
func (f *Filter) Contains(id string) bool {
	if f.params.K == 0 {
		return false
	}
	var key Key
	key, f.buf = f.kind.key(id, f.buf)
	return f.ContainsKey(key)
}

// ContainsKey is Contains for an id that is hashed already. It panics if the Key
// was made for filters of the other Kind.
func (f *Filter) ContainsKey(key Key) bool {
	if f.params.K == 0 {
		return false
	}
	s, b, m := f.walk(key)
	for range f.params.K {
		i, mask := f.at(s)
		if f.words[i]&mask == 0 {
			return false
		}
		s = step(s, b, m)
	}
	return true
}

// FalsePositiveRate estimates the chance that an id which was never added is
// found, from the share of bits that are set: (set/m)^k, in [0, 1]. It reads the
// whole filter.
//
// It tells whether a hit still means something. A JS filter never rolls: its
// rate is 0.0007 at 10,000 ids, 0.05 at 20,000, and 0.7 at 50,000. A hostile one
// may have all bits set.
func (f *Filter) FalsePositiveRate() float64 {
	if f.params.K == 0 {
		return 0
	}
	set := 0
	for _, b := range f.words {
		set += bits.OnesCount8(b)
	}
	share := math.Min(1, float64(set)/float64(f.params.Bits))
	return math.Pow(share, float64(f.params.K))
}

// Append appends the filter to dst as its kind serializes it, the value of
// the bloom_filter field: the protobuf container for Nim, the bare words for JS.
func (f *Filter) Append(dst []byte) []byte {
	if f.kind == Nim {
		return appendNim(dst, f.words, f.params)
	}
	return append(dst, f.words...)
}

// Len returns the number of bytes that Append appends.
func (f *Filter) Len() int {
	if f.kind == Nim {
		return nimLen(len(f.words), f.params)
	}
	return len(f.words)
}

// walk starts at the first bit of a key and says how to go on: the i-th bit is
// |a + i·b| mod m, and s stands for a + i·b.
func (f *Filter) walk(key Key) (s, b, m int64) {
	if key.kind != f.kind {
		panic("bloom: the key was made for another kind of filter")
	}
	m = int64(f.params.Bits)
	return key.a % m, key.b % m, m
}

// step adds b to s and takes off a multiple of m, so that |s| < m stays true.
//
// s is negative for one hash in 2⁶⁴ (see abs). It reaches ±m only while it moves
// away from zero, where |s| mod m goes on as if nothing had been taken off.
func step(s, b, m int64) int64 {
	s += b
	if s >= m {
		return s - m
	}
	if s <= -m {
		return s + m
	}
	return s
}

// at returns the byte and the mask of bit |s|. It is within the words, because
// New and the parsers checked that they hold m bits.
func (f *Filter) at(s int64) (index int64, mask byte) {
	bit := abs(s)
	index = bit >> 3
	if f.kind == JS {
		index ^= 7 // big-endian words
	}
	return index, 1 << (bit & 7)
}
