package bloom

import (
	"fmt"
	"math"
)

// Sliding is a Nim filter over the newest ids, always the same number of them:
// byte for byte the Filter that New would give for these ids, but an id costs
// O(k), not a new filter. For that it counts how many of the ids set each bit,
// 2 bytes per bit.
//
// A Sliding is not safe for concurrent use.
type Sliding struct {
	filter *Filter
	counts []uint16 // how many ids set each bit
	keys   []Key    // of the ids, a ring
	next   int      // where the next key goes once the ring is full
}

// NewSliding returns an empty filter over the newest capacity ids, sized for
// them. It fails as Size does, and with ErrTooLarge if capacity times hashes is
// above 65,535: ids are chosen by peers and may all set the same bit.
func NewSliding(capacity int, rate float64) (*Sliding, error) {
	p, err := Size(capacity, rate)
	if err != nil {
		return nil, err
	}
	if capacity*p.K > math.MaxUint16 {
		return nil, fmt.Errorf("%w: %d ids of %d hashes, limit %d", ErrTooLarge, capacity, p.K, math.MaxUint16)
	}
	f, err := New(Nim, p)
	if err != nil {
		return nil, err
	}
	return &Sliding{filter: f, counts: make([]uint16, p.Bits), keys: make([]Key, 0, capacity)}, nil
}

// Add puts an id into the filter. If that is one too many, the oldest goes. An
// id that is added twice counts twice.
func (s *Sliding) Add(id string) {
	var key Key
	key, s.filter.buf = Nim.key(id, s.filter.buf)
	if len(s.keys) < cap(s.keys) {
		s.keys = append(s.keys, key)
	} else {
		s.count(s.keys[s.next], false)
		s.keys[s.next] = key
		s.next = (s.next + 1) % len(s.keys)
	}
	s.count(key, true)
}

// count adds one id to the bits of a key, or takes one away.
func (s *Sliding) count(key Key, more bool) {
	at, b, m := s.filter.walk(key)
	for range s.filter.params.K {
		i, mask := s.filter.at(at)
		n := &s.counts[abs(at)]
		if more {
			*n++
		} else {
			*n--
		}
		if *n > 0 {
			s.filter.words[i] |= mask
		} else {
			s.filter.words[i] &^= mask
		}
		at = step(at, b, m)
	}
}

// Contains reports whether an id is possibly among the newest. False is certain.
func (s *Sliding) Contains(id string) bool { return s.filter.Contains(id) }

// Len returns the number of ids that are held, repetitions included.
func (s *Sliding) Len() int { return len(s.keys) }

// Params returns the parameters of the filter.
func (s *Sliding) Params() Params { return s.filter.Params() }

// Append appends the filter to dst in the Nim container.
func (s *Sliding) Append(dst []byte) []byte { return s.filter.Append(dst) }
