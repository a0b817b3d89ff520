package classic

import (
	"github.com/causeway-im/causeway/sds/bloom"
	"github.com/causeway-im/causeway/sds/wire"
)

// Prepared is a message with all that does not depend on who receives it: a
// simulation with a thousand receivers works this out once. It is immutable, and
// may be used by many Peers at the same time.
//
// Peers tell messages apart by fingerprints of their ids, 64 bits that are equal
// for two different ids once in 2⁶⁴ pairs.
type Prepared struct {
	message     *wire.Message
	kind        wire.Kind
	fingerprint uint64
	key         bloom.Key
	parents     []uint64 // fingerprints of the causal history
	list        uint64   // a fingerprint of all of it
	filter      *bloom.Filter
	badFilter   bool // it has a filter, which can't be read
}

// Prepare prepares a message, which must not be changed any more.
func Prepare(m *wire.Message) *Prepared {
	kind, filter := bloom.JS, (*bloom.Filter)(nil)
	var err error
	switch {
	case m.Dialect == wire.Nim:
		kind = bloom.Nim
		if len(m.BloomFilter) > 0 {
			filter, err = bloom.ParseNim(m.BloomFilter)
		}
	case m.BloomFilter != nil:
		filter, err = bloom.ParseJS(m.BloomFilter, bloom.Default())
	}
	parents := make([]uint64, len(m.CausalHistory))
	for i := range parents {
		parents[i] = fingerprint(string(m.CausalHistory[i].MessageID))
	}
	in := prepare(m, kind, parents, listFingerprint(parents))
	in.filter, in.badFilter = filter, err != nil
	return in
}

// prepare is Prepare for the sender, who knows most of it.
func prepare(m *wire.Message, kind bloom.Kind, parents []uint64, list uint64) *Prepared {
	return &Prepared{message: m, kind: m.Kind(), fingerprint: fingerprint(string(m.MessageID)),
		key: kind.Key(string(m.MessageID)), parents: parents, list: list}
}

// Message returns the message, which must not be changed.
func (in *Prepared) Message() *wire.Message { return in.message }

const fnvOffset, fnvPrime = 14695981039346656037, 1099511628211

// fingerprint is FNV-1a, never 0.
func fingerprint(id string) uint64 {
	h := uint64(fnvOffset)
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * fnvPrime
	}
	return max(h, 1)
}

func listFingerprint(parents []uint64) uint64 {
	h := uint64(fnvOffset)
	for _, p := range parents {
		h = (h ^ p) * fnvPrime
		h ^= h >> 29
	}
	return max(h, 1)
}

// idSet is a set of fingerprints. It takes a third of the time of a map, and a
// JS peer looks up 200 for every message. The zero value is an empty set.
type idSet struct {
	slots []uint64 // 0: free
	n     int
}

func (s *idSet) has(f uint64) bool {
	if s.n == 0 {
		return false
	}
	for i := f & uint64(len(s.slots)-1); ; i = (i + 1) & uint64(len(s.slots)-1) {
		switch s.slots[i] {
		case f:
			return true
		case 0:
			return false
		}
	}
}

// add adds f and returns whether it is new.
func (s *idSet) add(f uint64) bool {
	if s.has(f) {
		return false
	}
	if 2*(s.n+1) > len(s.slots) {
		old := s.slots
		s.slots, s.n = make([]uint64, max(16, 2*len(old))), 0
		for _, o := range old {
			if o != 0 {
				s.place(o)
			}
		}
	}
	s.place(f)
	return true
}

// place puts f, which is not in the set, into a free slot.
func (s *idSet) place(f uint64) {
	i := f & uint64(len(s.slots)-1)
	for s.slots[i] != 0 {
		i = (i + 1) & uint64(len(s.slots)-1)
	}
	s.slots[i] = f
	s.n++
}
