package sds

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/causeway-im/causeway/sds/bloom"
	"github.com/causeway-im/causeway/sds/wire"
)

// WantKind says how a Want is measured.
type WantKind uint8

const (
	WantOne      WantKind = iota // one other person
	WantFraction                 // a fraction of the audience
	WantPersons                  // these persons
	WantStewards                 // one of the stewards
	WantEveryone                 // the whole audience
)

// Want is how far a message must have come for its sender to be content. It
// decides how much acknowledgement is collected, never how often content is
// repeated (rule P6). The zero value is AtLeastOne.
type Want struct {
	Kind     WantKind
	Fraction float64
	Persons  []PersonID
}

// The wants. Persons outside the roster at Send don't count.
var (
	AtLeastOne = Want{Kind: WantOne}
	Stewards   = Want{Kind: WantStewards}
	Everyone   = Want{Kind: WantEveryone}
)

// Fraction wants a share of the audience, above 0 and up to 1.
func Fraction(f float64) Want { return Want{Kind: WantFraction, Fraction: f} }

// Persons wants all of these.
func Persons(ids ...PersonID) Want { return Want{Kind: WantPersons, Persons: ids} }

func (w Want) check() error {
	if w.Kind > WantEveryone || w.Kind == WantFraction && !(w.Fraction > 0 && w.Fraction <= 1) {
		return fmt.Errorf("sds: %w: Want fraction must be above 0 and at most 1", ErrConfig)
	}
	return nil
}

// Level is how far a message is known to have come. It never goes back.
type Level uint8

const (
	LevelQueued   Level = iota // not handed to the transport
	LevelSent                  // the transport took it
	LevelStored                // a store confirmed it
	LevelSeen                  // at least one other person has it
	LevelReached               // what was wanted is reached
	LevelEveryone              // the whole audience has it
)

// String returns the level in lower case.
func (l Level) String() string {
	names := [...]string{"queued", "sent", "stored", "seen", "reached", "everyone"}
	if int(l) < len(names) {
		return names[l]
	}
	return "unknown"
}

// Receipt tells how far an own message has come. Seen counts persons of the
// audience that are proved to have it: none is ever counted that does not
// (rule P5), as long as its evidence is honest.
type Receipt struct {
	ID    MessageID
	Level Level
	Seen  int
	// Of is the size of the audience: the roster at Send without the sender, or 0
	// when there was none.
	Of int
	// Possibly counts persons that may have it: a legacy filter said so, once each.
	Possibly int
	// Claimed is set when some of the evidence was not authenticated.
	Claimed bool
	// Persons are those that were proved to have it since the last Receipt.
	Persons []PersonID
	// Present is how many of the audience were heard in the last 15 minutes.
	Present int
	// Estimate is what a census says, for a message that wants a share of its
	// audience, or all of it.
	Estimate Estimate
	// Part is SendOptions.Part.
	Part bool
	// Superseded is the newer message that replaces it (SendOptions.Replace).
	Superseded MessageID
	// Undelivered says that nobody is known to have it after
	// Config.UndeliveredAfter online. It may still turn.
	Undelivered bool
}

// outgoing is an own message whose acknowledgements are tracked.
type outgoing struct {
	id       MessageID
	ordinal  uint64
	lamport  uint64
	sequence uint64
	want     Want
	audience *audience
	wanted   personSet
	draft    []byte // content, until a packet is made
	entries  []HistoryEntry

	subject    string    // SendOptions.Replace
	superseded MessageID // by this one, which is about the same
	priority   Priority
	part       bool
	serial     uint64 // of its first packet

	level       Level
	persons     personSet
	count       int
	possibly    personSet
	somebody    bool // somebody without a name mentioned it
	claimed     bool
	undelivered bool
	handed      bool
	pending     int // packets of it that were given to the host
	stored      bool
	done        bool
	pursued     bool // asked about although its level is reached
	sent        Want // what it was sent with, if it is pursued
	// As they are durable.
	wasClaimed, wasUndelivered bool

	sentAt   Time
	started  Time // policy time
	attempts int
	timer    timer
	census   *census
	slot     int       // of its Receipt in Ready plus one
	key      bloom.Key // the id as filters of keyKind see it
	keyKind  bloom.Kind
}

func (o *outgoing) known() bool { return o.count > 0 || o.stored || o.somebody }

// seen counts p's person, once.
func (c *Channel) seen(o *outgoing, p *peer) {
	if o.done || p.person == noPerson || p.person == c.self || o.audience != nil && !o.audience.members.has(p.person) {
		return
	}
	if !o.persons.add(p.person) {
		return
	}
	o.count++
	o.possibly.remove(p.person)
	o.claimed = o.claimed || !c.authenticated
	o.undelivered = false
	name := c.persons.name(p.person)
	c.out.Changes.Seen = append(c.out.Changes.Seen, SeenRecord{o.id, name})
	c.judge(o)
	r := c.receipt(o)
	r.Persons = append(r.Persons, name)
	c.raise(o)
	if o.awaits() {
		c.planAsk(c.nextAsk())
	}
}

// receipt returns o's entry in the next Ready, made when needed and kept up to
// date.
func (c *Channel) receipt(o *outgoing) *Receipt {
	if o.slot == 0 || o.slot > len(c.out.Receipts) || c.out.Receipts[o.slot-1].ID != o.id {
		c.out.Receipts = append(c.out.Receipts, Receipt{ID: o.id})
		o.slot = len(c.out.Receipts)
	}
	r := &c.out.Receipts[o.slot-1]
	r.Level, r.Seen, r.Possibly = o.level, o.count, o.possibly.len()
	r.Claimed, r.Undelivered = o.claimed, o.undelivered
	c.fillReceipt(o, r)
	return r
}

func (c *Channel) fillReceipt(o *outgoing, r *Receipt) {
	r.Superseded, r.Part = o.superseded, o.part
	if o.audience != nil {
		r.Of, r.Present = o.audience.count, c.presence.of(c.now, o.audience.members)
	}
	if o.census != nil {
		r.Estimate = o.census.estimate
	}
}

// raise moves o to the level that its evidence allows.
func (c *Channel) raise(o *outgoing) {
	level := o.level
	if o.handed {
		level = max(level, LevelSent)
	}
	if o.stored {
		level = max(level, LevelStored)
	}
	if o.count > 0 || o.somebody {
		level = max(level, LevelSeen)
	}
	if o.reached() || o.pursued && o.meets(o.sent) || o.census != nil && o.census.estimate.Verdict == Yes {
		level = max(level, LevelReached)
	}
	if o.audience != nil && o.audience.count > 0 && o.count == o.audience.count {
		level = LevelEveryone
	}
	changed := level != o.level || o.claimed != o.wasClaimed || o.undelivered != o.wasUndelivered
	if o.level = level; changed {
		c.keep(o)
	}
	c.receipt(o)
	if level == LevelEveryone {
		c.finish(o)
	}
}

// reached tells whether what is wanted is so.
func (o *outgoing) reached() bool { return o.meets(o.want) }

func (o *outgoing) meets(want Want) bool {
	if want.Kind == WantOne {
		return o.count > 0 || o.somebody
	}
	a := o.audience
	if a == nil {
		return false // without an audience there is nothing to be a part of
	}
	switch want.Kind {
	case WantFraction:
		return a.count > 0 && o.count >= int(math.Ceil(want.Fraction*float64(a.count)-1e-9))
	case WantStewards:
		for i, w := range o.persons {
			if i < len(a.stewards) && w&a.stewards[i] != 0 {
				return true
			}
		}
		return false
	case WantPersons:
		return len(o.wanted) > 0 && o.persons.hasAll(o.wanted)
	}
	return a.count > 0 && o.count == a.count
}

// keep makes o durable as it is.
func (c *Channel) keep(o *outgoing) {
	o.wasClaimed, o.wasUndelivered = o.claimed, o.undelivered
	c.out.Changes.Outgoing = append(c.out.Changes.Outgoing, c.outgoingRecord(o))
}

func (c *Channel) outgoingRecord(o *outgoing) OutgoingRecord {
	r := OutgoingRecord{ID: o.id, Want: o.want, Level: o.level, Handed: o.handed, Stored: o.stored,
		SentAt: o.sentAt, Draft: o.draft, Sequence: o.sequence, Done: o.done,
		Claimed: o.claimed, Undelivered: o.undelivered,
		Subject: o.subject, Superseded: o.superseded, Priority: o.priority, Part: o.part}
	if o.pursued {
		r.Want = o.sent
	}
	if o.audience != nil {
		r.HasAudience, r.Members, r.Stewards = true, o.audience.memberNames(&c.persons), o.audience.stewardNames
	}
	return r
}

// finish stops tracking o.
func (c *Channel) finish(o *outgoing) {
	if o.done {
		return
	}
	o.done = true
	c.timers.stop(&o.timer)
	delete(c.outgoing, o.id)
	if c.subjects[o.subject] == o {
		delete(c.subjects, o.subject)
	}
	if o.census != nil {
		c.timers.stop(&o.census.timer)
		delete(c.surveyed, o.census.short)
	}
	c.keep(o)
}

// dropDone takes messages that are no longer tracked out of the order.
func (c *Channel) dropDone() {
	if len(c.outOrder) > 2*len(c.outgoing)+maxGone {
		c.outOrder = slices.DeleteFunc(c.outOrder, func(o *outgoing) bool { return o.done })
	}
}

// outIndex is the first tracked message with at least this ordinal.
func (c *Channel) outIndex(ordinal uint64) int {
	return sort.Search(len(c.outOrder), func(i int) bool { return c.outOrder[i].ordinal >= ordinal })
}

// mentioned notes that p named id in its causal history: p has it, and nothing
// else follows (rule P5).
func (c *Channel) mentioned(p *peer, id MessageID) {
	o := c.outgoing[id]
	if o == nil {
		return
	}
	if p == nil {
		if !o.somebody {
			o.somebody, o.claimed = true, true
			c.raise(o)
		}
		return
	}
	p.mentioned = max(p.mentioned, o.ordinal)
	c.seen(o, p)
}

// possible asks a legacy peer's filter about our newest messages. A hit is a
// "possibly", once per person: filters have false positives, the same ones
// everywhere.
func (c *Channel) possible(p *peer, m *wire.Message) {
	if len(m.BloomFilter) == 0 || len(c.outOrder) == 0 || p == nil || p.person == noPerson || p.person == c.self {
		return
	}
	var f *bloom.Filter
	var err error
	if m.Dialect == wire.Nim {
		f, err = bloom.ParseNim(m.BloomFilter)
	} else {
		f, err = bloom.ParseJS(m.BloomFilter, bloom.Default())
	}
	if err != nil {
		return // a filter that can't be read says nothing
	}
	for _, o := range slices.Backward(c.outOrder[max(0, len(c.outOrder)-maxPossible):]) {
		if o.done || o.persons.has(p.person) || o.audience != nil && !o.audience.members.has(p.person) {
			continue
		}
		if o.keyKind != f.Kind() {
			o.key, o.keyKind = f.Kind().Key(string(o.id)), f.Kind()
		}
		if f.ContainsKey(o.key) && o.possibly.add(p.person) {
			c.receipt(o)
		}
	}
}

// Receipt returns what is known about an own message that is still tracked.
// Persons lists everybody who is proved to have it.
func (c *Channel) Receipt(id MessageID) (Receipt, bool) {
	o := c.outgoing[id]
	if o == nil {
		return Receipt{}, false
	}
	r := Receipt{ID: id, Level: o.level, Seen: o.count, Possibly: o.possibly.len(),
		Claimed: o.claimed, Undelivered: o.undelivered}
	c.fillReceipt(o, &r)
	for i := range o.persons.all() {
		r.Persons = append(r.Persons, c.persons.name(i))
	}
	slices.Sort(r.Persons)
	return r, true
}
