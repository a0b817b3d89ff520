package sds

import (
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// spec R51: the leaf, written out.
func TestLeaf(t *testing.T) {
	content := sha256.Sum256([]byte("hello"))
	b := []byte{0, 0, 0, 2, 'm', '1', 0, 0, 0, 2, 0, 0, 0, 1, 'a', 0, 0, 0, 2, 'b', 'c'}
	if got, want := NewLeaf("m1", []MessageID{"a", "bc"}, content), Leaf(sha256.Sum256(append(b, content[:]...))); got != want {
		t.Errorf("leaf is %x, want %x", got, want)
	}
}

// spec R51: the sum is addition modulo 2^256, whatever the order.
func TestSumIsAdditionModulo(t *testing.T) {
	modulus := new(big.Int).Lsh(big.NewInt(1), 256)
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SampledFrom([]uint64{0, 1, 1 << 63, ^uint64(0)})
		leaves := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Leaf {
			var l Leaf
			for i := 0; i < 32; i += 8 {
				binary.LittleEndian.PutUint64(l[i:], words.Draw(t, "word"))
			}
			return l
		}), 0, 20).Draw(t, "leaves")
		var s Sum
		want := new(big.Int)
		for _, l := range leaves {
			s.Add(l)
			bytes := slices.Clone(l[:])
			slices.Reverse(bytes)
			want.Mod(want.Add(want, new(big.Int).SetBytes(bytes)), modulus)
		}
		got := new(big.Int)
		for _, w := range slices.Backward(s.Words[:]) {
			got.Or(got.Lsh(got, 64), new(big.Int).SetUint64(w))
		}
		if got.Cmp(want) != 0 || s.Count != uint64(len(leaves)) {
			t.Fatalf("sum is %x of %d, want %x of %d", got, s.Count, want, len(leaves))
		}
		half := Sum{}
		for _, l := range leaves[:len(leaves)/2] {
			half.Add(l)
		}
		rest := s.Minus(half)
		for _, l := range slices.Backward(leaves[len(leaves)/2:]) {
			rest.Sub(l)
		}
		if rest != (Sum{}) {
			t.Fatalf("taking everything away leaves %+v", rest)
		}
	})
}

// spec R52: the fingerprint commits to each of its parts.
func TestFingerprintCommitsToItsParts(t *testing.T) {
	var s Sum
	s.Add(NewLeaf("m", nil, [32]byte{}))
	base := s.Fingerprint("alice", "room", 7)
	more := s
	more.Count++
	var other Sum
	other.Add(NewLeaf("n", nil, [32]byte{}))
	for name, fp := range map[string]uint64{
		"participant": s.Fingerprint("alicf", "room", 7),
		"channel":     s.Fingerprint("alice", "rooms", 7),
		"base":        s.Fingerprint("alice", "room", 8),
		"count":       more.Fingerprint("alice", "room", 7),
		"sum":         other.Fingerprint("alice", "room", 7),
		"boundary":    s.Fingerprint("alic", "eroom", 7),
	} {
		if fp == base {
			t.Errorf("another %s gives the same fingerprint", name)
		}
	}
	if again := s.Fingerprint("alice", "room", 7); again != base {
		t.Error("the fingerprint is not a function")
	}
}
