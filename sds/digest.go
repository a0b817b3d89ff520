package sds

import (
	"slices"
	"time"

	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/sketch"
	"github.com/causeway-im/causeway/sds/wire"
)

// The digest (rule P9, spec R45 … R49): when members who name the same heads do
// not have the same messages, or a message was lost that nobody names, a sync
// carries a sketch of what its sender has in a range. Everybody who hears it finds
// what it lacks itself, and asks for that by short id, and what the sender lacks,
// and answers that.

const (
	// digestSymbols of a first digest; the next has twice as many if the first could
	// not be decoded.
	digestSymbols, digestSymbolsMore = 16, 32
	// digestRest is how long we rest after a digest of ours at least; the rest
	// doubles, to digestRestMax, while digests bring nothing.
	digestRest, digestRestMax = 8 * time.Second, time.Hour
	// digestLook is how often we decode what others send.
	digestLook = time.Second
	// digestKeep is how long the index of a range is kept: for who asks for it again.
	digestKeep = 5 * time.Minute
	// wantTries is how often short ids are asked for.
	wantTries = 6
)

// digesting is the state of digests.
type digesting struct {
	send   timer
	wanted bool // ours would help
	since  Time // not before
	more   bool // 16 symbols did not do
	rest   time.Duration
	restTo Time
	looked Time
	ask    timer
	want   map[uint64]bool // short ids that we lack
	from   uint64          // of their range
	to     uint64
	key    sketch.Key
	tries  int

	index    map[uint64]MessageID // of the range that others asked for last
	indexOf  [2]uint64
	indexKey sketch.Key
	indexAt  Time
}

func (d *digesting) init() { d.send.kind, d.ask.kind = timerDigest, timerWant }

// seek plans a digest: something is missing, and nobody names what. It waits until
// what came last is settled, as the digest must reach beyond what is missing.
func (c *Channel) seek(newest Time) {
	d := &c.digest
	if c.cfg.Dialect == Nim || c.now < d.restTo || d.send.set() {
		return
	}
	d.wanted, d.since = true, max(c.now, newest.Add(c.settled())+1)
	c.timers.schedule(&d.send, d.since.Add(c.suppression()))
}

// settled is how long after a message everybody should have it.
func (c *Channel) settled() time.Duration { return 2 * c.trip }

func (c *Channel) digestDue() {
	if c.digest.wanted {
		c.sendSync(ClassSync, nil, nil)
	}
}

// attachDigest adds a digest to a sync if one is wanted.
func (c *Channel) attachDigest(e *wire.Extension) {
	d := &c.digest
	if !d.wanted || c.now < d.since {
		return
	}
	d.wanted = false
	c.timers.stop(&d.send)
	c.restDigest()
	from, to, ok := c.digestRange()
	if !ok {
		return
	}
	m := digestSymbols
	if d.more {
		m, d.more = digestSymbolsMore, false
	}
	made, err := sketch.Encode(c.cfg.Secret, from, to, c.heldIn(from, to), m)
	if err != nil {
		return
	}
	if e.Digest, err = made.Append(nil); err != nil {
		e.Digest = nil
	}
}

// restDigest makes the next digest of ours wait, after one of ours or of others.
// What a digest brings resets it.
func (c *Channel) restDigest() {
	d := &c.digest
	d.rest = min(max(2*d.rest, digestRest), digestRestMax)
	d.restTo = c.now.Add(d.rest)
}

// digestRange is where our newest settled messages are: what is still under way is
// not in it, and not more than a digest covers.
func (c *Channel) digestRange() (from, to uint64, ok bool) {
	var stamps []uint64
	settled := c.now.Add(-c.settled())
	for _, n := range c.window.all() {
		if !n.foreign && n.copied < settled && c.covers(n.lamport) {
			stamps = append(stamps, n.lamport)
		}
	}
	if len(stamps) == 0 {
		return 0, 0, false
	}
	slices.Sort(stamps)
	to = stamps[len(stamps)-1] + 1
	for len(stamps) > 0 {
		first := max(0, len(stamps)-sketch.MaxMessages*3/4) // others may have more
		from = stamps[first]
		if first > 0 && stamps[first-1] == from {
			from++
		}
		if n := len(c.heldIn(from, to)); n > 0 && n <= sketch.MaxMessages {
			return from, to, true
		}
		stamps = stamps[len(stamps)/2+1:]
	}
	return 0, 0, false
}

// heldIn lists what we have with a Lamport timestamp in [from, to), whether or not
// it has its place in the log.
func (c *Channel) heldIn(from, to uint64) []MessageID {
	var ids []MessageID
	for _, n := range c.window.all() {
		if !n.foreign && n.lamport >= from && n.lamport < to {
			ids = append(ids, n.id)
		}
	}
	for _, q := range c.parkedQueue {
		if q != nil && c.parked[q.id] == q && !q.foreign && !q.quarantined && q.lamport >= from && q.lamport < to {
			ids = append(ids, q.id)
		}
	}
	return ids
}

// covers tells whether our memory reaches down to a Lamport timestamp, so that
// what is not in it is not here.
func (c *Channel) covers(from uint64) bool {
	return from > c.meta.Base && (c.meta.Forgotten == 0 || from > c.meta.ForgottenMax)
}

// compareDigest takes a digest of p. Outsiders have none to offer: theirs would
// silence ours.
func (c *Channel) compareDigest(p *peer, b []byte) {
	d := &c.digest
	if !c.counts(p.id) || d.looked != 0 && c.now.Sub(d.looked) < digestLook {
		return
	}
	heard, err := sketch.Parse(b)
	if err != nil || !c.covers(heard.From) {
		return
	}
	d.looked = c.now
	ids := c.heldIn(heard.From, heard.To)
	if len(ids) > sketch.MaxMessages+sketch.MaxSymbols || !heard.CanDecode(len(ids)) {
		d.more = true
		return
	}
	local, err := sketch.New(c.cfg.Secret, heard.From, heard.To, len(heard.Symbols))
	if err != nil {
		return
	}
	byShort := make(map[uint64]MessageID, len(ids))
	for _, id := range ids {
		byShort[local.Add(string(id))] = id
	}
	theirs, ours, complete := local.Decode(heard)
	d.more = d.more || !complete
	d.wanted = false // this one tells all that ours would, or the next is longer
	c.timers.stop(&d.send)
	c.restDigest()
	for _, short := range ours {
		if id, ok := byShort[short]; ok {
			c.answerHeld(id, p)
		}
	}
	c.lack(heard.From, heard.To, theirs)
}

// answerHeld plans a repair of something that p lacks.
func (c *Channel) answerHeld(id MessageID, p *peer) {
	if n := c.nodes[id]; n != nil {
		c.answerNode(n, p)
	} else if c.parked[id] != nil {
		c.answer(id, p, false)
	}
}

// lack notes short ids of messages that we lack, but for those that are none of
// our business.
func (c *Channel) lack(from, to uint64, shorts []uint64) {
	d := &c.digest
	key := sketch.NewKey(c.cfg.Secret, from, to)
	for id := range c.metIDs.index {
		if len(shorts) == 0 {
			return
		}
		if i := slices.Index(shorts, key.ShortID(string(id))); i >= 0 {
			shorts = slices.Delete(shorts, i, i+1)
		}
	}
	if len(shorts) == 0 {
		return
	}
	if d.want == nil || d.from != from || d.to != to {
		d.want, d.from, d.to, d.key, d.tries = map[uint64]bool{}, from, to, key, 0
	}
	for _, short := range shorts {
		if !d.want[short] && len(d.want) < wire.MaxWant {
			d.want[short] = true
			c.out.Losses = append(c.out.Losses, Loss{ShortID: short})
		}
	}
	if !d.ask.set() {
		c.timers.schedule(&d.ask, c.now.Add(c.suppression()))
	}
}

// wantDue asks for what we lack by short id.
func (c *Channel) wantDue() {
	d := &c.digest
	if len(d.want) == 0 {
		return
	}
	if d.tries >= wantTries {
		d.want = nil
		return
	}
	c.sendSync(ClassRequest, []HistoryEntry{}, nil)
	if !d.ask.set() { // it could not be sent
		c.restWant()
	}
}

// restWant makes the next request wait, after ours and after hearing the same of
// somebody else.
func (c *Channel) restWant() {
	rest := pace.RequestBackoff(max(c.digest.tries, 1), c.trip, c.lively())
	c.timers.schedule(&c.digest.ask, c.now.Add(rest+c.suppression()))
}

// attachWant asks for what we lack by short id, in a request.
func (c *Channel) attachWant(e *wire.Extension) {
	d := &c.digest
	if len(d.want) == 0 {
		return
	}
	for short := range d.want {
		e.Want = append(e.Want, short)
	}
	slices.Sort(e.Want)
	e.WantFrom, e.WantTo = d.from, d.to
	d.tries++
	c.restWant()
}

// wanted answers short ids that p asks for, and leaves asking for the same to it.
// Only our own requests count as tries: nobody can talk us out of asking.
func (c *Channel) wanted(p *peer, e *wire.Extension) {
	d := &c.digest
	if len(e.Want) == 0 || e.WantFrom >= e.WantTo || e.WantTo > sketch.MaxTo || !c.covers(e.WantFrom) {
		return
	}
	if d.from == e.WantFrom && d.to == e.WantTo && len(d.want) > 0 && c.allAsked(e.Want) {
		c.restWant()
	}
	if !c.indexRange(e.WantFrom, e.WantTo) {
		return
	}
	for _, short := range e.Want {
		if id, ok := d.index[short]; ok {
			c.answerHeld(id, p)
		}
	}
}

// indexRange makes the index of a range, at most once in digestLook. It tells
// whether there is one.
func (c *Channel) indexRange(from, to uint64) bool {
	d := &c.digest
	if d.index != nil && d.indexOf == [2]uint64{from, to} {
		return true
	}
	if d.indexAt != 0 && c.now.Sub(d.indexAt) < digestLook {
		return false
	}
	d.index, d.indexOf, d.indexAt = map[uint64]MessageID{}, [2]uint64{from, to}, c.now
	d.indexKey = sketch.NewKey(c.cfg.Secret, from, to)
	for _, id := range c.heldIn(from, to) {
		c.indexID(id)
	}
	return true
}

func (c *Channel) indexID(id MessageID) {
	if d := &c.digest; len(d.index) < 2*sketch.MaxMessages {
		d.index[d.indexKey.ShortID(string(id))] = id
	}
}

func (c *Channel) allAsked(shorts []uint64) bool {
	for short := range c.digest.want {
		if !slices.Contains(shorts, short) {
			return false
		}
	}
	return true
}

// found notes that a message came: it may be one that we knew by its short id.
func (c *Channel) found(id MessageID, lamport uint64) {
	d := &c.digest
	switch {
	case d.index == nil:
	case c.now.Sub(d.indexAt) > digestKeep:
		d.index = nil
	case lamport >= d.indexOf[0] && lamport < d.indexOf[1]:
		c.indexID(id)
	}
	if len(d.want) == 0 || lamport < d.from || lamport >= d.to {
		return
	}
	short := d.key.ShortID(string(id))
	if !d.want[short] {
		return
	}
	d.rest, d.restTo = 0, 0 // digests help
	if delete(d.want, short); len(d.want) == 0 {
		c.timers.stop(&d.ask)
	}
}
