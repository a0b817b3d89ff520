package sds

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// Fingerprints of sets of messages (rule P5, spec R50 … R53).

// Leaf is what one message adds to a Sum: SHA-256 over its id, the ids of its
// causal history in order, and the SHA-256 of its content.
type Leaf [32]byte

// NewLeaf returns the leaf of a message.
func NewLeaf(id MessageID, parents []MessageID, contentHash [32]byte) Leaf {
	var small [1024]byte
	b := appendPart(small[:0], id)
	b = binary.BigEndian.AppendUint32(b, uint32(len(parents)))
	for _, p := range parents {
		b = appendPart(b, p)
	}
	b = append(b, contentHash[:]...)
	return sha256.Sum256(b)
}

// Sum is the sum of leaves modulo 2^256, and their count. The zero value is the
// empty set. Unlike XOR, addition can't be collided by plain elimination; it is
// not a cryptographic hash of a set that somebody else chooses freely.
type Sum struct {
	Words [4]uint64 // little-endian
	Count uint64
}

// Add adds one leaf.
func (s *Sum) Add(l Leaf) {
	var carry uint64
	for i := range s.Words {
		s.Words[i], carry = bits.Add64(s.Words[i], binary.LittleEndian.Uint64(l[8*i:]), carry)
	}
	s.Count++
}

// Sub takes one leaf away.
func (s *Sum) Sub(l Leaf) {
	var borrow uint64
	for i := range s.Words {
		s.Words[i], borrow = bits.Sub64(s.Words[i], binary.LittleEndian.Uint64(l[8*i:]), borrow)
	}
	s.Count--
}

// Minus returns the sum of what is in s and not in t, a subset of s.
func (s Sum) Minus(t Sum) Sum {
	var borrow uint64
	for i := range s.Words {
		s.Words[i], borrow = bits.Sub64(s.Words[i], t.Words[i], borrow)
	}
	s.Count -= t.Count
	return s
}

// Fingerprint returns the first 8 bytes of SHA-256 over participant, channel,
// sum, count and base: a participant's claim that it delivered exactly this set
// of messages above its base. It names the participant, so nobody can repeat
// the claim of another as its own.
func (s Sum) Fingerprint(p ParticipantID, ch ChannelID, base uint64) uint64 {
	var small [256]byte
	b := appendPart(small[:0], p)
	b = appendPart(b, ch)
	for _, w := range s.Words {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	b = binary.BigEndian.AppendUint64(b, s.Count)
	b = binary.BigEndian.AppendUint64(b, base)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:])
}
