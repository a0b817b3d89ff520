package sketch

import (
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"math/bits"
	"slices"
)

// The same protocol once more, from the package documentation: slow, simple, and
// with nothing of the package in it. What Sketch does must agree with it.

// dumbSip is SipHash-2-4, from the paper, over bytes.
func dumbSip(key, in []byte) uint64 {
	word := func(b []byte) uint64 {
		var w uint64
		for i := range 8 {
			w += uint64(b[i]) << (8 * i)
		}
		return w
	}
	length := byte(len(in))
	in = append(slices.Clone(in), make([]byte, 8-len(in)%8)...)
	in[len(in)-1] = length
	var v [4]uint64
	for i, text := range []string{"somepseu", "dorandom", "lygenera", "tedbytes"} {
		v[i] = binary.BigEndian.Uint64([]byte(text)) ^ word(key[i%2*8:])
	}
	add := func(a, b, rotation int) {
		v[a] += v[b]
		v[b] = bits.RotateLeft64(v[b], rotation) ^ v[a]
	}
	rounds := func(n int) {
		for range n {
			add(0, 1, 13)
			add(2, 3, 16)
			v[0] = bits.RotateLeft64(v[0], 32)
			add(2, 1, 17)
			add(0, 3, 21)
			v[2] = bits.RotateLeft64(v[2], 32)
		}
	}
	for ; len(in) > 0; in = in[8:] {
		v[3] ^= word(in)
		rounds(2)
		v[0] ^= word(in)
	}
	v[2] ^= 0xff
	rounds(4)
	return v[0] ^ v[1] ^ v[2] ^ v[3]
}

// dumbSet is a set of messages of one range.
type dumbSet struct {
	secret   string
	from, to uint64
	ids      []string
}

// keys returns the two keys of SipHash.
func (s *dumbSet) keys() (id, check []byte) {
	b := []byte("causeway/digest/1")
	b = append(b, 0, 0, byte(len(s.secret)>>8), byte(len(s.secret)))
	b = append(b, s.secret...)
	for _, v := range []uint64{s.from, s.to} {
		for shift := 56; shift >= 0; shift -= 8 {
			b = append(b, byte(v>>shift))
		}
	}
	sum := sha256.Sum256(b)
	return sum[:16], sum[16:]
}

func (s *dumbSet) short(id string) uint64 {
	key, _ := s.keys()
	return dumbSip(key, []byte(id))
}

func (s *dumbSet) hash(short uint64) uint64 {
	_, key := s.keys()
	return dumbSip(key, binary.LittleEndian.AppendUint64(nil, short))
}

// dumbPlaces returns the symbols below m that an id takes part in, by trying
// each in turn with numbers of any size.
func dumbPlaces(hash uint64, m int) []int {
	draw := func() *big.Int {
		hash += 0x9e3779b97f4a7c15
		z := hash
		z ^= z >> 30
		z *= 0xbf58476d1ce4e5b9
		z ^= z >> 27
		z *= 0x94d049bb133111eb
		z ^= z >> 31
		return new(big.Int).SetUint64(z >> 32)
	}
	square := func(i int) *big.Int { return big.NewInt(int64((i + 2) * (i + 2))) }
	list, u := []int{0}, draw()
	for i, j := 0, 1; j < m; j++ {
		bar := new(big.Int).Lsh(square(i), 32)
		if new(big.Int).Mul(u, square(j)).Cmp(bar) >= 0 {
			list, i, u = append(list, j), j, draw()
		}
	}
	return list
}

// symbol returns coded symbol i of m, going through all ids.
func (s *dumbSet) symbol(i, m int) (sum uint64, check uint32, count int) {
	for _, id := range s.ids {
		hash := s.hash(s.short(id))
		if slices.Contains(dumbPlaces(hash, m), i) {
			sum ^= s.short(id)
			check ^= uint32(hash % (1 << 32))
			count++
		}
	}
	return sum, check, count
}

// digest returns the set on the wire.
func (s *dumbSet) digest(m int) []byte {
	var b []byte
	for _, v := range []uint64{s.from, s.to - s.from, uint64(len(s.ids))} {
		for ; v >= 128; v /= 128 {
			b = append(b, byte(v%128+128))
		}
		b = append(b, byte(v))
	}
	for i := range m {
		sum, check, count := s.symbol(i, m)
		for range 8 {
			b = append(b, byte(sum))
			sum >>= 8
		}
		for range 4 {
			b = append(b, byte(check))
			check >>= 8
		}
		b = append(b, byte(count%256))
	}
	return b
}

// dumbDecode says which differences m symbols can show, knowing both sets.
func dumbDecode(theirs, ours *dumbSet, m int) (onlyTheirs, onlyOurs []uint64, complete bool) {
	hidden := map[string][]int{} // differences not found yet, with their places
	for _, pair := range [][2]*dumbSet{{theirs, ours}, {ours, theirs}} {
		for _, id := range pair[0].ids {
			if !slices.Contains(pair[1].ids, id) {
				hidden[id] = dumbPlaces(theirs.hash(theirs.short(id)), m)
			}
		}
	}
	for found := true; found; {
		found = false
		for i := range m {
			var in []string
			for id, list := range hidden {
				if slices.Contains(list, i) {
					in = append(in, id)
				}
			}
			if len(in) != 1 {
				continue
			}
			found = true
			delete(hidden, in[0])
			if slices.Contains(theirs.ids, in[0]) {
				onlyTheirs = append(onlyTheirs, theirs.short(in[0]))
			} else {
				onlyOurs = append(onlyOurs, theirs.short(in[0]))
			}
		}
	}
	slices.Sort(onlyTheirs)
	slices.Sort(onlyOurs)
	return onlyTheirs, onlyOurs, len(hidden) == 0
}
