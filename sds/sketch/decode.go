package sketch

import "slices"

// CanDecode reports whether somebody who holds this many messages of the range
// should try. If not, the two sets differ in more messages than the digest has
// symbols, and Decode fails whatever they are.
func (d *Digest) CanDecode(messages int) bool {
	return d.check() == nil && messages >= 0 &&
		messages <= d.Messages+len(d.Symbols) && d.Messages <= messages+len(d.Symbols)
}

// Decode compares the set of the sketch with that of the digest, as far as both
// have symbols. It returns, sorted, the short ids of messages that only the
// sender of the digest has and of those that only the sketch has.
//
// With complete set, these are all differences. Without, there are others, and
// each id returned is a difference all the same, but for the chance of 2⁻³² at
// each of at most a few hundred symbols looked at: to ask for onlyTheirs is right,
// to conclude that the sender has everything else is not.
//
// Nothing is returned for a digest of another range, or one that CanDecode
// refuses, or that contradicts itself: it names an id twice or more ids than it has
// symbols. What a digest says is only as true as its sender; in particular
// onlyOurs may hold ids that nobody has, which a caller notices because it has the
// short ids that Add returned. Both lists together have at most MaxSymbols ids.
//
// The sketch and the digest are not changed.
func (s *Sketch) Decode(d Digest) (onlyTheirs, onlyOurs []uint64, complete bool) {
	if d.From != s.from || d.To != s.to || !d.CanDecode(s.messages) {
		return nil, nil, false
	}
	p := s.difference(d.Symbols)
	if !p.peel() {
		return nil, nil, false
	}
	slices.Sort(p.theirs)
	slices.Sort(p.ours)
	return p.theirs, p.ours, !slices.ContainsFunc(p.symbols, func(s Symbol) bool { return s != Symbol{} })
}

// difference returns the symbols of the difference, as far as both sets have them.
func (s *Sketch) difference(theirs []Symbol) peeler {
	symbols := slices.Clone(theirs[:min(len(theirs), len(s.symbols))])
	for i, t := range s.symbols[:len(symbols)] {
		symbols[i].Sum ^= t.Sum
		symbols[i].Check ^= t.Check
		symbols[i].Count -= t.Count
	}
	return peeler{key: &s.key, symbols: symbols}
}

// peeler takes the ids that show out of the symbols of a difference.
type peeler struct {
	key          *Key
	symbols      []Symbol
	theirs, ours []uint64
	looks        int // how many symbols were looked at
}

// peel works until no symbol shows an id. It returns false if that cannot be
// the difference of two sets.
//
// Taking an id out empties the symbol that showed it, and of two true sets for
// good: all ids in it are gone. So there are at most m ids, no two the same. With
// that enforced, the loop looks at each symbol once and at up to m after each id.
func (p *peeler) peel() bool {
	m := len(p.symbols)
	for look := ^uint64(0) >> (64 - m); look != 0; {
		var i int
		i, look = next(look)
		p.looks++
		s := p.symbols[i]
		if s.Count != in && s.Count != out {
			continue
		}
		hash := p.key.hash(s.Sum)
		set := places(hash, m)
		if uint32(hash) != s.Check || set>>i&1 == 0 {
			continue
		}
		if len(p.theirs)+len(p.ours) == m || slices.Contains(p.theirs, s.Sum) || slices.Contains(p.ours, s.Sum) {
			return false
		}
		if s.Count == in {
			p.theirs = append(p.theirs, s.Sum)
		} else {
			p.ours = append(p.ours, s.Sum)
		}
		look |= set
		for set != 0 {
			i, set = next(set)
			p.symbols[i].toggle(s.Sum, hash, -s.Count)
		}
	}
	return true
}
