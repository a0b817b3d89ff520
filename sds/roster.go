package sds

import (
	"maps"
	"math/bits"
	"slices"
)

// Roster says which participants belong to a channel and who they are. A channel
// keeps the roster that it was given: do not change it afterwards, set a new one.
type Roster struct {
	// Members maps installations to persons. Several may be one person.
	Members map[ParticipantID]PersonID
	// Stewards are persons whose nodes are mostly online (owners, control nodes).
	Stewards []PersonID
}

// personSet is a set of persons by index.
type personSet []uint64

func (s *personSet) add(i int) bool {
	if i < 0 {
		return false
	}
	for len(*s) <= i/64 {
		*s = append(*s, 0)
	}
	bit := uint64(1) << (i % 64)
	if (*s)[i/64]&bit != 0 {
		return false
	}
	(*s)[i/64] |= bit
	return true
}

func (s personSet) remove(i int) {
	if i >= 0 && i/64 < len(s) {
		s[i/64] &^= 1 << (i % 64)
	}
}

func (s personSet) has(i int) bool {
	return i >= 0 && i/64 < len(s) && s[i/64]&(1<<(i%64)) != 0
}

func (s personSet) hasAll(t personSet) bool {
	for i, w := range t {
		if i < len(s) {
			w &^= s[i]
		}
		if w != 0 {
			return false
		}
	}
	return true
}

func (s personSet) len() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// audience is a roster prepared for counting: a snapshot that outgoing messages
// share (rule P1: the denominator is the roster at Send, without the sender).
type audience struct {
	members  personSet
	stewards personSet
	count    int

	names, stewardNames []PersonID // sorted, for records
}

// persons gives every person that was ever heard or listed an index.
type persons struct {
	index map[PersonID]int
	names []PersonID
}

func (p *persons) of(name PersonID) int {
	i, ok := p.index[name]
	if !ok {
		if p.index == nil {
			p.index = map[PersonID]int{}
		}
		i = len(p.names)
		p.index[name] = i
		p.names = append(p.names, name)
	}
	return i
}

// SetRoster replaces the roster. Messages that were sent keep the audience that
// they had; nil goes back to counting whoever is heard.
func (c *Channel) SetRoster(r *Roster) {
	c.cfg.Roster = r
	c.audience = nil
	c.self = c.personOf(c.cfg.Participant)
	for _, id := range slices.Sorted(maps.Keys(c.peers)) {
		p := c.peers[id]
		if person := c.personOf(id); person != p.person {
			p.person, p.high = person, 0 // what it proved counts for somebody else now
		}
	}
	c.recent = slices.DeleteFunc(c.recent, func(p *peer) bool { return !c.counts(p.id) })
	if r == nil {
		return
	}
	var names []PersonID
	for _, person := range r.Members {
		names = append(names, person)
	}
	slices.Sort(names)
	c.audience = c.newAudience(slices.Compact(names), slices.Clone(r.Stewards))
}

func (c *Channel) newAudience(members, stewards []PersonID) *audience {
	a := &audience{stewardNames: stewards}
	for _, person := range members {
		if i := c.persons.of(person); i != c.self && a.members.add(i) {
			a.count++
			a.names = append(a.names, person)
		}
	}
	for _, person := range stewards {
		if i := c.persons.of(person); a.members.has(i) {
			a.stewards.add(i)
		}
	}
	return a
}

// noPerson stands for participants that a roster does not list: they are nobody,
// whatever their name.
const noPerson = -1

// personOf returns the index of a participant's person.
func (c *Channel) personOf(p ParticipantID) int {
	if c.cfg.Roster == nil {
		return c.persons.of(PersonID(p))
	}
	if person, ok := c.cfg.Roster.Members[p]; ok {
		return c.persons.of(person)
	}
	return noPerson
}

// groupSize is how many participants timers reckon with (rule P7).
func (c *Channel) groupSize() int {
	if c.cfg.Roster != nil && len(c.cfg.Roster.Members) > 0 {
		return len(c.cfg.Roster.Members)
	}
	return c.estimate.N()
}
