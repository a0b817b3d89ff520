package sketch

// Symbol is a coded symbol: what is left of the ids in it.
type Symbol struct {
	Sum   uint64 // XOR of their short ids
	Check uint32 // XOR of their checks
	Count uint8  // their number modulo 256
}

// toggle puts an id in (count 1) or takes it out (count 255).
func (s *Symbol) toggle(short, hash uint64, count uint8) {
	s.Sum ^= short
	s.Check ^= uint32(hash)
	s.Count += count
}

const (
	in  uint8 = 1
	out uint8 = 255 // −1
)

// Sketch is the first coded symbols of a set of messages that changes. It does
// not keep the set: an id must be added once, and removed only if it is in.
// Whether it is so shows in Digest, if at all.
//
// A Sketch is not safe for concurrent use. Add and Remove allocate nothing.
type Sketch struct {
	key      Key
	from, to uint64
	messages int
	symbols  []Symbol
}

// New returns the sketch of an empty set, to hold the ids of messages with
// Lamport timestamps in [from, to), with m symbols. It returns an *Error unless
// from < to ≤ MaxTo and MinSymbols ≤ m ≤ MaxSymbols.
func New(secret []byte, from, to uint64, m int) (*Sketch, error) {
	if err := checkRange(from, to); err != nil {
		return nil, err
	}
	if err := checkSymbols(m); err != nil {
		return nil, err
	}
	return &Sketch{key: NewKey(secret, from, to), from: from, to: to, symbols: make([]Symbol, m)}, nil
}

// Encode returns the digest with m symbols of the messages with these ids, which
// are all different and all that the sender has in [from, to). It returns an
// *Error as New and Sketch.Digest do.
func Encode[ID ~string](secret []byte, from, to uint64, ids []ID, m int) (Digest, error) {
	s, err := New(secret, from, to, m)
	if err != nil {
		return Digest{}, err
	}
	if err := checkMessages(len(ids)); err != nil {
		return Digest{}, err // before hashing them
	}
	for _, id := range ids {
		s.Add(string(id))
	}
	return s.Digest(m)
}

// Add puts a message into the set and returns its short id, which is what Decode
// names it by.
func (s *Sketch) Add(id string) (short uint64) {
	s.messages++
	return s.toggle(id, in)
}

// Remove takes a message out of the set and returns its short id.
func (s *Sketch) Remove(id string) (short uint64) {
	s.messages--
	return s.toggle(id, out)
}

// Len returns how many messages are in the set.
func (s *Sketch) Len() int { return s.messages }

func (s *Sketch) toggle(id string, count uint8) uint64 {
	short := s.key.ShortID(id)
	hash := s.key.hash(short)
	for set := places(hash, len(s.symbols)); set != 0; {
		var i int
		i, set = next(set)
		s.symbols[i].toggle(short, hash, count)
	}
	return short
}

// Digest returns the first m symbols for the wire. It returns an *Error if there
// are more than MaxMessages, if m is below MinSymbols, or if the sketch has fewer.
func (s *Sketch) Digest(m int) (Digest, error) {
	if err := between("symbols", int64(m), MinSymbols, int64(len(s.symbols))); err != nil {
		return Digest{}, err
	}
	d := Digest{From: s.from, To: s.to, Messages: s.messages, Symbols: append([]Symbol(nil), s.symbols[:m]...)}
	if err := d.check(); err != nil {
		return Digest{}, err
	}
	return d, nil
}
