package bloom

import (
	"math/bits"

	farm "github.com/dgryski/go-farm"
)

// Kind says whose filter a filter is. It fixes hash, bit order and container.
type Kind uint8

const (
	// Nim is the filter of nim-sds, compiled with Nim 2.2 or newer for 64 bits.
	Nim Kind = iota + 1
	// JS is the filter of @waku/sds.
	JS
)

// String returns "nim", "js" or "unknown".
func (k Kind) String() string {
	switch k {
	case Nim:
		return "nim"
	case JS:
		return "js"
	}
	return "unknown"
}

// suffix is what both implementations append to an id for its second hash.
const suffix = " b"

// Key is an id as the filters of one Kind see it. It costs the two hashes of
// the id once; looking a Key up in many filters, or adding it to several, then
// costs a few divisions. A Key is a value without pointers; it does not hold the
// id.
type Key struct {
	kind Kind
	// |h(id)| and |h(id+" b")|. As in nim, the absolute value of the smallest
	// int64 is itself, so one hash in 2⁶⁴ is negative.
	a, b int64
}

// Key returns the Key of an id for filters of this Kind. It allocates once for
// Nim and never for JS.
//
// JS hashes the first UTF-16 unit of each code point. For an id that is not
// valid UTF-8 (JS itself never makes one) each bad byte counts as U+FFFD.
func (k Kind) Key(id string) Key {
	key, _ := k.key(id, nil)
	return key
}

// key is Key with a buffer to work in, which it returns for the next call.
//
// The buffer cannot live on the stack: the assembly of Fingerprint64 is not
// declared noescape.
func (k Kind) key(id string, buf []byte) (Key, []byte) {
	switch k {
	case JS:
		var m murmur
		m.write(id)
		a := m.sum()
		m.write(suffix)
		return Key{kind: JS, a: abs(int64(int32(a))), b: abs(int64(int32(m.sum())))}, buf
	case Nim:
		if need := len(id) + len(suffix); cap(buf) < need {
			buf = make([]byte, 0, max(need, 80))
		}
		buf = append(append(buf[:0], id...), suffix...)
		a := farm.Fingerprint64(buf[:len(id)])
		b := farm.Fingerprint64(buf)
		return Key{kind: Nim, a: abs(int64(a)), b: abs(int64(b))}, buf
	}
	panic("bloom: no such kind of filter")
}

// abs is nim's abs with overflow checks off.
func abs(x int64) int64 {
	if x < 0 {
		return -x
	}
	return x
}

// murmur is MurmurHash3_x86_32 with seed 0 in the form that JS runs: over
// units instead of bytes. Units above 0xff overlap when four of them are packed
// into a block; for ASCII it is the ordinary hash. The zero value is ready to
// use, and sum may be taken between writes.
type murmur struct {
	hash, block uint32
	n           uint32 // units written
}

func (m *murmur) write(s string) {
	for _, r := range s {
		if r > 0xffff {
			r = 0xd800 + (r-0x10000)>>10 // the first of the surrogate pair
		}
		m.block |= uint32(r) << (8 * (m.n & 3))
		if m.n++; m.n&3 == 0 {
			m.hash = bits.RotateLeft32(m.hash^scramble(m.block), 13)*5 + 0xe6546b64
			m.block = 0
		}
	}
}

func (m *murmur) sum() uint32 {
	h := m.hash ^ scramble(m.block) ^ m.n
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}

func scramble(block uint32) uint32 {
	return bits.RotateLeft32(block*0xcc9e2d51, 15) * 0x1b873593
}
