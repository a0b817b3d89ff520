package store

import (
	"crypto/sha256"
	"slices"

	"github.com/causeway-im/causeway/sds"
)

// An audience may be 10,000 persons, and each own message's record names it at
// every level that it reaches. It is written once and found again by comparing
// it with the last ones, which takes some 20 µs, or by its hash.

// audienceRow is an audience that has a row, or had one when it was last used:
// its row is found by its hash.
type audienceRow struct {
	audience
	channel, num int64
	hash         [sha256.Size]byte
}

// audienceCache saves the hashing of audiences that were used of late, newest last.
type audienceCache struct{ rows []*audienceRow }

// maxAudiences is how many audiences are remembered: one for each channel that
// is written to at the moment. 10,000 persons are 160 KB.
const maxAudiences = 16

func (a *audienceCache) add(r *audienceRow) {
	if len(a.rows) >= maxAudiences {
		a.rows = slices.Delete(a.rows, 0, 1)
	}
	a.rows = append(a.rows, r)
}

func (a *audienceCache) find(channel int64, members, stewards []sds.PersonID) *audienceRow {
	for _, r := range slices.Backward(a.rows) {
		if r.channel == channel && r.is(members, stewards) {
			return r
		}
	}
	return nil
}

// audience returns the row of an audience, written when it is new.
func (c *channelWriter) audience(members, stewards []sds.PersonID) (int64, error) {
	if c.last != nil && sameList(c.given.members, members) && sameList(c.given.stewards, stewards) {
		return c.last.num, nil
	}
	cache := &c.store.audiences
	r := cache.find(c.num, members, stewards)
	if r == nil {
		// The strings are shared with the caller: they never change.
		r = &audienceRow{audience: audience{slices.Clone(members), slices.Clone(stewards)}, channel: c.num}
		r.hash = r.digest()
		cache.add(r)
	}
	// What is remembered may not be there: its transaction failed, or the channel
	// was dropped, perhaps by another program.
	find := func() (found bool, err error) {
		return c.row(`SELECT num FROM {p}audience WHERE channel = ? AND hash = ?`, []any{c.num, r.hash[:]}, []any{&r.num})
	}
	found, err := find()
	if err == nil && !found {
		if err = c.writeAudience(r); err == nil {
			_, err = find()
		}
	}
	if err != nil {
		return 0, err
	}
	c.last, c.given = r, audience{members, stewards}
	return r.num, nil
}

// digest is what an audience is found by.
func (a *audience) digest() (hash [sha256.Size]byte) {
	h := sha256.New()
	for _, list := range [][]sds.PersonID{a.members, a.stewards} {
		var e encoder
		encodeStrings(&e, list)
		h.Write(e)
	}
	h.Sum(hash[:0])
	return hash
}

func (c *channelWriter) writeAudience(r *audienceRow) error {
	record, err := c.encodeAudience(r.members, r.stewards)
	if err != nil {
		return err
	}
	_, err = c.exec(`INSERT INTO {p}audience (channel, hash, record) VALUES (?, ?, ?)`, c.num, r.hash[:], record)
	return err
}

// sameList tells whether two slices are the same memory. It says nothing about
// the past: only within one call may it be taken for equality.
func sameList[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// encodeAudience writes members as a set when their order says nothing, and
// otherwise as a list, as the stewards.
func (c *channelWriter) encodeAudience(members, stewards []sds.PersonID) ([]byte, error) {
	numbers, err := c.numbers(members)
	if err != nil {
		return nil, err
	}
	first, err := c.numbers(stewards)
	if err != nil {
		return nil, err
	}
	e := newEncoder(len(numbers)/8 + 64)
	sorted := sortedUnique(members)
	e.flags(sorted)
	if sorted {
		var set numberSet
		for _, n := range numbers {
			set.add(n)
		}
		set.encode(&e)
	} else {
		encodeNumbers(&e, numbers)
	}
	encodeNumbers(&e, first)
	return e, nil
}

// sortedUnique tells whether persons ascend strictly.
func sortedUnique(persons []sds.PersonID) bool {
	for i := 1; i < len(persons); i++ {
		if persons[i-1] >= persons[i] {
			return false
		}
	}
	return true
}

func encodeNumbers(e *encoder, list []number) {
	e.uint(uint64(len(list)))
	for _, n := range list {
		e.uint(uint64(n))
	}
}

// dictionary is all persons of a channel.
type dictionary struct {
	byName   []person
	byNumber []sds.PersonID
}

type person struct {
	id  sds.PersonID
	num number
}

func (x *session) dictionary(channel int64) (*dictionary, error) {
	d := &dictionary{}
	err := x.rows(`SELECT num, id FROM {p}person WHERE channel = ? ORDER BY id`, []any{channel}, func(scan scanner) error {
		var n int64
		var id []byte
		if err := scan(&n, &id); err != nil {
			return x.corrupt("person", "", "", err)
		}
		if n != int64(number(n)) {
			return x.corrupt("person", "", string(id), nil)
		}
		d.byName = append(d.byName, person{sds.PersonID(id), number(n)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	d.byNumber = make([]sds.PersonID, len(d.byName))
	for _, p := range d.byName {
		if int(p.num) >= len(d.byNumber) {
			return nil, x.corrupt("person", "", string(p.id), nil) // numbers are dense
		}
		d.byNumber[p.num] = p.id
	}
	return d, nil
}

func (d *dictionary) size() number { return number(len(d.byNumber)) }

// named returns the persons of a set, by name.
func (d *dictionary) named(set numberSet) []sds.PersonID {
	var names []sds.PersonID
	for _, p := range d.byName {
		if set.has(p.num) {
			names = append(names, p.id)
		}
	}
	return names
}

// decodeAudience reads what encodeAudience wrote.
func (d *dictionary) decodeAudience(record []byte) (a audience, ok bool) {
	r := newDecoder(record)
	var sorted bool
	r.flags(&sorted)
	if sorted {
		a.members = d.named(decodeSet(r, d.size()))
	} else {
		a.members = d.decodeList(r)
	}
	a.stewards = d.decodeList(r)
	return a, r.ok()
}

func (d *dictionary) decodeList(r *decoder) []sds.PersonID {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail()
	}
	var list []sds.PersonID
	for ; n > 0 && !r.bad; n-- {
		i := r.uint()
		if i >= uint64(d.size()) {
			r.fail()
			return nil
		}
		list = append(list, d.byNumber[i])
	}
	return list
}

// decodeSeen reads the persons of a row of seen.
func (d *dictionary) decodeSeen(record []byte) (set numberSet, ok bool) {
	r := newDecoder(record)
	set = decodeSet(r, d.size())
	return set, r.ok()
}
