package sds

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/wire"
)

// The census (rule P10, spec R120 … R127): a sender that wants a share of a large
// group to have its message asks a sample of it. Silence counts as "has not".

// Verdict is the answer to "has the wanted share of the audience got it?".
type Verdict uint8

const (
	Undecided Verdict = iota // nobody was asked, or the time is not up
	Yes                      // proved, or shown by the sample
	No                       // not yet: asked again later, it may still turn
)

// String returns the verdict in lower case.
func (v Verdict) String() string {
	switch v {
	case Yes:
		return "yes"
	case No:
		return "no"
	}
	return "undecided"
}

// Estimate is what the members that were asked say about the whole audience.
type Estimate struct {
	Verdict Verdict
	// Sample persons were asked, drawn at random (or all), and Heard of them are known
	// to have the message.
	Sample, Heard int
	// Low and High bound the share of the audience that has it, with 95 %
	// confidence, when silence counts as "has not".
	Low, High float64
}

const (
	// smallVerdict is when a small group has had time to answer, twice.
	smallVerdict = 2950 * time.Millisecond
	// censusMapAfter is when those that were not heard are told so: the slowest
	// report should be here. censusVerdict is when they have answered.
	censusMapAfter = pace.CensusWait + pace.CensusSpread + 1200*time.Millisecond
	censusVerdict  = 10500 * time.Millisecond
	// censusRest is how long after a No the same is asked again; it doubles.
	censusRest, censusRestMax = 10 * time.Minute, 24 * time.Hour
	// censusNewest is about how many of our newest messages is asked again.
	censusNewest = 8
	// maxCensusSize bounds what a stranger's ask may draw.
	maxCensusSize = 8 * wire.MaxCensusMap
	// reportRest is how long after a report the next one of ours may follow: what is
	// due meanwhile goes together, and nobody can make us speak more often.
	reportRest = 2 * time.Second
)

// census is what the sender of a message knows of the members that it asked.
type census struct {
	short    uint64    // of the message
	seed     uint64    // short id of the message whose sample it is
	version  uint32    // of the roster that the sample was drawn from
	sample   personSet // whom it asks
	size     int
	order    []int // their indices by hash, in a large group
	askedAt  Time
	stage    censusStage
	timer    timer
	rest     time.Duration
	estimate Estimate
}

type censusStage uint8

const (
	censusAsked   censusStage = iota // a large group: the map comes next
	censusLast                       // the verdict comes next
	censusRested                     // it was No: asked again when the rest is over
	censusDecided                    // it was Yes
)

// reporting is our part in the censuses of others.
type reporting struct {
	timer    timer
	subjects []uint64 // what we have of what was asked
	seed     uint64   // of the latest census that anybody asked for
	seedAt   Time
	spoke    Time // when we last reported
}

// surveys tells whether a census is to be made about o.
func (c *Channel) surveys(o *outgoing) bool {
	return o.audience != nil && o.audience.count > 0 && c.cfg.Dialect != Nim &&
		(o.want.Kind == WantFraction || o.want.Kind == WantEveryone)
}

// newCensus makes the census of o, and lets reports find it.
func (c *Channel) newCensus(o *outgoing) *census {
	s := &census{short: ShortID(c.cfg.Channel, o.id), askedAt: c.now, rest: censusRest, timer: timer{kind: timerCensus, id: o.id}}
	s.seed = s.short
	if c.surveyed == nil {
		c.surveyed = map[uint64]*outgoing{}
	}
	o.census, c.surveyed[s.short] = s, o
	return s
}

// startCensus begins to ask about o, when it is handed over. It returns what goes
// with the message, in a large group.
func (c *Channel) startCensus(o *outgoing) []byte {
	if !c.surveys(o) {
		return nil
	}
	s := c.newCensus(o)
	if o.audience.count+1 <= smallGroup || c.table == nil {
		s.sample, s.size, s.stage = o.audience.members, o.audience.count, censusLast
		c.planCensus(o)
		return nil
	}
	r := &c.reports
	if r.seedAt != 0 && c.now.Sub(r.seedAt) < pace.CensusShared {
		s.seed = r.seed
	} else {
		r.seed, r.seedAt = s.short, c.now
	}
	c.drawSample(o)
	c.planCensus(o)
	ask := s.ask()
	ask.Subject = 0 // the message that it goes with
	return ask.Encode()
}

// ask is what a large group is asked. It keeps to the roster that the sample was
// drawn from, whatever that is now.
func (s *census) ask() wire.Census {
	return wire.Census{Asks: true, Size: pace.CensusSize, Spread: uint32(pace.CensusSpread.Milliseconds()),
		Roster: s.version, Subject: s.short, Seed: s.seed}
}

// drawSample finds whom the census of o asks.
func (c *Channel) drawSample(o *outgoing) {
	s := o.census
	s.version = c.table.version
	limit := pace.CensusLimit(pace.CensusSize, o.audience.count)
	hashes := map[int]uint64{}
	for i := range o.audience.members.all() {
		if h := sampleHash(s.seed, s.version, c.persons.name(i)); h < limit {
			hashes[i] = h
			s.order = append(s.order, i)
			s.sample.add(i)
		}
	}
	slices.SortFunc(s.order, func(a, b int) int {
		if hashes[a] < hashes[b] {
			return -1
		}
		return 1
	})
	s.size = len(s.order)
}

// sampleHash decides whether a person is asked: the first 8 bytes of SHA-256 over
// seed, roster version and person. Nobody can choose it without choosing the
// message.
func sampleHash(seed uint64, version uint32, person PersonID) uint64 {
	b := make([]byte, 0, 96)
	b = append(b, "causeway/census/1"...)
	b = binary.BigEndian.AppendUint64(b, seed)
	b = binary.BigEndian.AppendUint32(b, version)
	b = append(b, person...)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:])
}

// planCensus sets o's timer to what is next, if anything is.
func (c *Channel) planCensus(o *outgoing) {
	s := o.census
	if o.done || s.stage == censusDecided || s.stage == censusRested && !c.asksAgain(o) {
		c.timers.stop(&s.timer)
		return
	}
	c.timers.schedule(&s.timer, max(s.due(), c.now+1))
}

// asksAgain tells whether a No is worth another census: in a large group, about one
// of our newest messages. In a small one those that lack it are asked by name.
func (c *Channel) asksAgain(o *outgoing) bool {
	return o.census.order != nil && o.ordinal+censusNewest > c.meta.Ordinal
}

func (s *census) due() Time {
	switch {
	case s.stage == censusAsked:
		return s.askedAt.Add(censusMapAfter)
	case s.stage == censusRested:
		return s.askedAt.Add(s.rest)
	case s.order == nil:
		return s.askedAt.Add(smallVerdict)
	}
	return s.askedAt.Add(censusVerdict)
}

// censusDue does what is next for a message that we ask about.
func (c *Channel) censusDue(o *outgoing) {
	s := o.census
	switch s.stage {
	case censusAsked:
		s.stage = censusLast
		c.askAgain(o, c.heardMap(s, o))
	case censusLast:
		if s.estimate.Verdict != Yes {
			s.estimate.Verdict = No
			s.stage = censusRested
			c.receipt(o)
		}
	case censusRested:
		s.askedAt, s.rest = c.now, min(max(2*s.rest, censusRest), censusRestMax)
		s.stage = censusAsked
		c.askAgain(o, nil)
	}
	c.planCensus(o)
}

// heardMap has a bit for everybody of the sample that was heard; nil if all were.
func (c *Channel) heardMap(s *census, o *outgoing) []byte {
	n := min(len(s.order), maxCensusSize)
	m := make([]byte, (n+7)/8)
	all := true
	for i, person := range s.order[:n] {
		if o.persons.has(person) {
			m[i/8] |= 1 << (i % 8)
		} else {
			all = false
		}
	}
	if all {
		return nil
	}
	return m
}

// askAgain asks those of the sample of o that were not heard, or all.
func (c *Channel) askAgain(o *outgoing, heard []byte) {
	if heard == nil && o.census.stage == censusLast {
		return
	}
	ask := o.census.ask()
	ask.Map = heard
	c.sendCensus(ask.Encode())
}

func (c *Channel) sendCensus(census []byte) {
	c.v.census = census
	c.sendSync(ClassAck, nil, nil)
	c.v.census = nil
}

// resumeCensus asks again about a message after a restart, as the answers may have
// come meanwhile. Also if it never left: it is sent again then.
func (c *Channel) resumeCensus(o *outgoing) {
	if !c.surveys(o) || c.table == nil {
		return
	}
	if o.level >= LevelReached {
		s := c.newCensus(o)
		s.stage, s.estimate.Verdict, s.estimate.High = censusDecided, Yes, 1
		return
	}
	c.startCensus(o)
	o.census.stage, o.census.rest = censusRested, pace.CensusShared
	if c.judge(o); o.census.stage != censusDecided {
		c.planCensus(o)
	}
}

// judge brings the estimate of o up to date: somebody else has it.
func (c *Channel) judge(o *outgoing) {
	s := o.census
	if s == nil || o.audience == nil {
		return
	}
	e := &s.estimate
	e.Sample, e.Heard = s.size, s.sample.common(o.persons)
	e.Low, e.High = pace.ShareInterval(e.Heard, e.Sample, o.audience.count)
	want := 1.0
	if o.want.Kind == WantFraction {
		want = o.want.Fraction
	}
	if o.reached() || e.Sample > 0 && e.Heard >= pace.CensusEnough(want, e.Sample, o.audience.count) {
		e.Verdict = Yes
		s.stage = censusDecided
		c.timers.stop(&s.timer)
	}
}

// census takes what an extension says about censuses.
func (c *Channel) census(p *peer, m *wire.Message, b []byte) {
	x, ok := wire.ParseCensus(b)
	if !ok {
		return
	}
	for _, subject := range x.Reports {
		if o := c.surveyed[subject]; o != nil {
			c.seen(o, p)
		}
	}
	if !x.Asks || c.cfg.Dialect == Nim || c.table == nil || x.Size == 0 || p.person == noPerson {
		return // what outsiders want to know is none of their business
	}
	subject := x.Subject
	if subject == 0 {
		if m.Kind() != wire.Content {
			return
		}
		subject = ShortID(c.cfg.Channel, m.MessageID)
	}
	if x.Seed == 0 {
		x.Seed = subject
	}
	if r := &c.reports; x.Map == nil && (r.seedAt == 0 || c.now.Sub(r.seedAt) >= pace.CensusShared) {
		r.seed, r.seedAt = x.Seed, c.now
	}
	c.consider(&x, subject, m, p)
}

// consider plans a report on subject if we are in the sample, or a steward, and
// have it.
func (c *Channel) consider(x *wire.Census, subject uint64, m *wire.Message, p *peer) {
	if c.self == noPerson || c.self == p.person {
		return
	}
	person := c.persons.name(c.self)
	hash := sampleHash(x.Seed, x.Roster, person)
	limit := pace.CensusLimit(int(min(x.Size, maxCensusSize)), len(c.table.names)-1)
	if hash >= limit && !(c.cfg.Steward && x.Map == nil) {
		return
	}
	if x.Subject != 0 && c.byShortID(subject) == nil {
		return // silence says that we don't have it
	}
	spread := time.Duration(min(x.Spread, uint32(pace.CensusSpread.Milliseconds()))) * time.Millisecond
	delay := pace.CensusWait
	switch {
	case x.Map != nil:
		if x.Roster == c.table.version && c.wasHeard(x, p, hash, limit) {
			return
		}
		delay, spread = 0, pace.CensusAgain
	case x.Subject != 0 || m.Kind() == wire.Content && c.isLate(m):
		delay = 0 // it was asked a while ago
	}
	r := &c.reports
	if !slices.Contains(r.subjects, subject) {
		if len(r.subjects) == wire.MaxReports {
			r.subjects = slices.Delete(r.subjects, 0, 1)
		}
		r.subjects = append(r.subjects, subject)
	}
	at := c.now.Add(delay + time.Duration(c.random()*float64(spread)))
	if r.spoke != 0 {
		at = max(at, r.spoke.Add(reportRest))
	}
	if !r.timer.set() || at < r.timer.at {
		c.timers.schedule(&r.timer, at)
	}
}

// isLate tells whether a message came well after it was written: as a repair.
func (c *Channel) isLate(m *wire.Message) bool {
	return c.cfg.Dialect != Nim && uint64(max(c.now, 0)) > m.Lamport+uint64((2*c.trip).Milliseconds())
}

// wasHeard finds our bit in the map of whom an asker heard: its place is our rank
// in the sample.
func (c *Channel) wasHeard(x *wire.Census, asker *peer, own, limit uint64) bool {
	rank := 0
	for _, name := range c.table.names {
		if person := c.persons.of(name); person == c.self || person == asker.person {
			continue
		}
		if h := sampleHash(x.Seed, x.Roster, name); h < limit && h < own {
			rank++
		}
	}
	return rank/8 < len(x.Map) && x.Map[rank/8]>>(rank%8)&1 == 1
}

// reportDue reports what we have of what was asked.
func (c *Channel) reportDue() {
	r := &c.reports
	if len(r.subjects) == 0 {
		return
	}
	report := wire.Census{Reports: r.subjects}
	r.subjects, r.spoke = nil, c.now
	c.sendCensus(report.Encode())
}
