package sds

import (
	"crypto/sha256"
	"encoding/binary"
	"iter"
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

	table *rosterTable // made by ShareRoster
}

// ShareRoster returns a roster that many channels can be given at the cost of
// one: what each would prepare for itself is prepared here. The maps and slices of
// r must not change afterwards. The result may be given to channels of different
// goroutines.
func ShareRoster(r Roster) *Roster {
	r.table = newRosterTable(&r)
	return &r
}

// rosterTable is a roster prepared for counting. It does not change.
type rosterTable struct {
	participants []ParticipantID // sorted
	names        []PersonID      // sorted; a person's index is its place here
	index        map[PersonID]int
	stewards     []PersonID // as given
	version      uint32     // of participants and persons: the same for all who know the same
}

func newRosterTable(r *Roster) *rosterTable {
	t := &rosterTable{index: make(map[PersonID]int, len(r.Members)), stewards: slices.Clone(r.Stewards)}
	t.participants = slices.Sorted(maps.Keys(r.Members))
	t.names = slices.Compact(slices.Sorted(maps.Values(r.Members)))
	for i, name := range t.names {
		t.index[name] = i
	}
	h := sha256.New()
	for _, id := range t.participants {
		h.Write(appendPart(appendPart(nil, id), r.Members[id]))
	}
	t.version = binary.BigEndian.Uint32(h.Sum(nil))
	return t
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

// all yields the members of the set in ascending order.
func (s personSet) all() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, w := range s {
			for ; w != 0; w &= w - 1 {
				if !yield(64*i + bits.TrailingZeros64(w)) {
					return
				}
			}
		}
	}
}

// common counts the members that both sets have.
func (s personSet) common(t personSet) int {
	n := 0
	for i, w := range s[:min(len(s), len(t))] {
		n += bits.OnesCount64(w & t[i])
	}
	return n
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

	stewardNames []PersonID
	names        []PersonID // sorted, for records; made when one is needed
}

// memberNames lists the persons of the audience.
func (a *audience) memberNames(p *persons) []PersonID {
	if a.names == nil && a.count > 0 {
		a.names = make([]PersonID, 0, a.count)
		for i := range a.members.all() {
			a.names = append(a.names, p.name(i))
		}
		slices.Sort(a.names)
	}
	return a.names
}

// persons gives every person that was ever heard or listed an index. Those of the
// first roster have the indices of its table, which channels may share.
type persons struct {
	base  *rosterTable
	index map[PersonID]int // of the others
	extra []PersonID
}

func (p *persons) of(name PersonID) int {
	first := 0
	if p.base != nil {
		if i, ok := p.base.index[name]; ok {
			return i
		}
		first = len(p.base.names)
	}
	i, ok := p.index[name]
	if !ok {
		if p.index == nil {
			p.index = map[PersonID]int{}
		}
		i = first + len(p.extra)
		p.index[name] = i
		p.extra = append(p.extra, name)
	}
	return i
}

func (p *persons) name(i int) PersonID {
	if p.base != nil {
		if i < len(p.base.names) {
			return p.base.names[i]
		}
		i -= len(p.base.names)
	}
	return p.extra[i]
}

// SetRoster replaces the roster. Messages that were sent keep the audience that
// they had; nil goes back to counting whoever is heard.
func (c *Channel) SetRoster(r *Roster) {
	c.cfg.Roster, c.table, c.audience = r, nil, nil
	if r != nil {
		if c.table = r.table; c.table == nil {
			c.table = newRosterTable(r)
		}
		if c.persons.base == nil && len(c.persons.extra) == 0 {
			c.persons.base = c.table
		}
	}
	c.self = c.personOf(c.cfg.Participant)
	for _, id := range slices.Sorted(maps.Keys(c.peers)) {
		p := c.peers[id]
		if person := c.personOf(id); person != p.person {
			p.person, p.high = person, 0 // what it proved counts for somebody else now
		}
	}
	c.recent = slices.DeleteFunc(c.recent, func(p *peer) bool { return !c.counts(p.id) })
	if r != nil {
		c.audience = c.newAudience(c.table.names, c.table.stewards)
	}
}

func (c *Channel) newAudience(members, stewards []PersonID) *audience {
	a := &audience{stewardNames: stewards}
	for _, person := range members {
		if i := c.persons.of(person); i != c.self && a.members.add(i) {
			a.count++
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
