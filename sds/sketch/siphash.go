package sketch

import "math/bits"

// SipHash-2-4 (Aumasson, Bernstein 2012): fast on short input, and without the
// key nobody can find inputs whose outputs are related. The state is in four
// variables and not in a struct, because only those stay in registers.

// sipKey is a key: two little-endian words.
type sipKey [2]uint64

// sipString hashes the bytes of a string.
func sipString(k sipKey, in string) uint64 {
	v0, v1, v2, v3 := sipStart(k)
	last := uint64(len(in)) << 56
	for ; len(in) >= 8; in = in[8:] {
		w := uint64(in[0]) | uint64(in[1])<<8 | uint64(in[2])<<16 | uint64(in[3])<<24 |
			uint64(in[4])<<32 | uint64(in[5])<<40 | uint64(in[6])<<48 | uint64(in[7])<<56
		v3 ^= w
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
		v0 ^= w
	}
	for i := range len(in) {
		last |= uint64(in[i]) << (8 * i)
	}
	return sipFinish(v0, v1, v2, v3, last)
}

// sipWord hashes the eight bytes of a little-endian integer.
func sipWord(k sipKey, w uint64) uint64 {
	v0, v1, v2, v3 := sipStart(k)
	v3 ^= w
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0 ^= w
	return sipFinish(v0, v1, v2, v3, 8<<56)
}

func sipStart(k sipKey) (v0, v1, v2, v3 uint64) {
	return k[0] ^ 0x736f6d6570736575, k[1] ^ 0x646f72616e646f6d,
		k[0] ^ 0x6c7967656e657261, k[1] ^ 0x7465646279746573
}

func sipRound(v0, v1, v2, v3 uint64) (uint64, uint64, uint64, uint64) {
	v0 += v1
	v2 += v3
	v1 = bits.RotateLeft64(v1, 13) ^ v0
	v3 = bits.RotateLeft64(v3, 16) ^ v2
	v0 = bits.RotateLeft64(v0, 32)
	v2 += v1
	v0 += v3
	v1 = bits.RotateLeft64(v1, 17) ^ v2
	v3 = bits.RotateLeft64(v3, 21) ^ v0
	v2 = bits.RotateLeft64(v2, 32)
	return v0, v1, v2, v3
}

// sipFinish takes the last word, which holds the length, and returns the hash.
func sipFinish(v0, v1, v2, v3, last uint64) uint64 {
	v3 ^= last
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0 ^= last
	v2 ^= 0xff
	for range 4 {
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	}
	return v0 ^ v1 ^ v2 ^ v3
}
