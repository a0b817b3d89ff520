package estimate

import (
	"cmp"
	"slices"
	"time"

	"github.com/causeway-im/causeway/telemetry/report"
)

// DefaultHorizon is how long after its last sign of life a device counts as a
// reporter, and how long after its end a bucket stays provisional.
const DefaultHorizon = 24 * time.Hour

// Options say what to estimate, and what is known beside the uploads.
type Options struct {
	// From and To bound the messages by when they were composed, Now is the moment of
	// the estimate: Unix milliseconds by the collector's clock.
	From, To, Now int64
	// Horizon is how long silence may last. Default DefaultHorizon.
	Horizon time.Duration
	// Baseline is what is usual. Without one it is learned from the same facts.
	Baseline *Baseline
	// Population is how many members there are of each sort, in any unit, if that is
	// known from elsewhere. Without it reporters are taken to be on such devices as
	// everyone.
	Population map[Stratum]float64
	// Each, if it is set, is called by Estimate for every cell, member by member and
	// each member's in order of time. The cell is lent for the call.
	Each func(*Cell)
}

func (o Options) horizon() int64 {
	if o.Horizon <= 0 {
		return DefaultHorizon.Milliseconds()
	}
	return o.Horizon.Milliseconds()
}

// Stratum is a sort of members for post-stratification.
type Stratum struct {
	Form string // desktop, mobile
	Mode report.Mode
	Size string // of the channel, see ByChannelSize
}

// world is all facts, corrected and put in order: nothing in it depends on the order
// in which they came.
type world struct {
	facts    *Facts
	opts     Options
	gaps     spans
	devices  []*device
	channels []*channel
	byID     map[int32]*channel
	strata   map[Stratum]float64 // weights
	lent     Cell                // to Options.Each
	shards   map[*device][]string
}

// channel is what is known of one channel.
type channel struct {
	id                  int32
	name, topic, pubsub string
	audience            int // greatest number of members that anybody has seen, without the author
	persons             []*person
	byMember            map[int32]*person
	messages            []*message
	byName              map[int32]*message

	weights map[int64]hourWeight // by hour
	overall hourWeight
	mine    int // messages that are counted
	others  int // messages of members who do not report
}

// person is a member of one channel with all devices that report.
type person struct {
	member   int32
	name     string
	devices  []*device
	reporter spans
	in       spans // is a member
	eligible spans // both
	known    spans // what is not in the journals then did not happen
	online   spans // with any device
	changes  []change
	receipts []receipt
	number   int32 // among all persons
}

type change struct {
	at     int64
	joined bool
}

// receipt is that a device got a message, or could not read it.
type receipt struct {
	message *message
	at      int64
	wrong   int64 // how wrong at may be
	device  *device
	path    path
	bad     bool
}

// message is one message to all members.
type message struct {
	name   int32
	class  class
	at     int64 // when it was composed
	wrong  int64 // how wrong at may be
	order  int   // in its channel, by time
	author int32 // pseudonym
	sender *person
	device *device // that composed it, nil if its journal is not here
	// counted is set if the author is a reporter, so that what this author wrote is
	// known also where nobody got it. Only then are the cells counted.
	counted bool

	stamp     int64 // the author's own timestamp
	first     int64 // first receipt by anybody, or forever
	audience  int
	attempts  int
	resent    int
	handed    bool
	gaveUp    bool
	left      bool // proved to have left
	kept      answer
	acked     int64 // first acknowledgement, or forever
	noticed   int64 // first notice of its missing anywhere, or forever
	noticedBy int
}

func (f *Facts) world(o Options) *world {
	w := &world{facts: f, opts: o, gaps: union(slices.Clone(f.gaps)), byID: map[int32]*channel{}}
	installs := slices.Clone(f.order)
	slices.SortFunc(installs, func(a, b *install) int { return cmp.Compare(f.strings.string(a.name), f.strings.string(b.name)) })
	for _, in := range installs {
		d := f.device(in)
		w.watch(d)
		w.devices = append(w.devices, d)
	}
	for _, d := range w.devices {
		for i, e := range d.epochs {
			for k := range e.events {
				w.take(d, &d.clocks[i], &e.events[k])
			}
		}
	}
	for _, c := range w.byID {
		w.channels = append(w.channels, c)
	}
	slices.SortFunc(w.channels, func(a, b *channel) int { return cmp.Compare(a.name, b.name) })
	number := int32(0)
	for _, c := range w.channels {
		w.finish(c)
		for _, p := range c.persons {
			p.number = number
			number++
		}
	}
	w.shards = w.shardsOf()
	w.stratify()
	return w
}

// channelOf finds or makes the channel of an event.
func (w *world) channelOf(ev *event) *channel {
	s := &w.facts.strings
	c := w.byID[ev.channel]
	if c == nil {
		c = &channel{id: ev.channel, name: s.string(ev.channel), byMember: map[int32]*person{}, byName: map[int32]*message{}}
		w.byID[ev.channel] = c
	}
	if t := s.string(ev.topic); t != "" && (c.topic == "" || t < c.topic) {
		c.topic = t
	}
	if t := s.string(ev.pubsub); t != "" && (c.pubsub == "" || t < c.pubsub) {
		c.pubsub = t
	}
	return c
}

// personOf finds or makes who uses a device in a channel. A device that never says
// whose it is counts as a person of its own.
func (w *world) personOf(c *channel, d *device) *person {
	member, ok := d.members[c.id]
	name := w.facts.strings.string(member)
	if !ok {
		name = "install " + d.name
		member = w.facts.strings.number(name)
		d.members[c.id] = member
	}
	p := c.byMember[member]
	if p == nil {
		p = &person{member: member, name: name}
		c.byMember[member] = p
		c.persons = append(c.persons, p)
	}
	if !slices.Contains(p.devices, d) {
		p.devices = append(p.devices, d)
	}
	return p
}

func (w *world) messageOf(c *channel, name int32) *message {
	m := c.byName[name]
	if m == nil {
		m = &message{name: name, at: forever, first: forever, acked: forever, noticed: forever}
		c.byName[name] = m
		c.messages = append(c.messages, m)
	}
	return m
}

// phantom tells whether a message is proved to exist and nobody reported it.
func (m *message) phantom() bool { return m.device == nil && m.first == forever && m.noticed < forever }

// take reads one event.
func (w *world) take(d *device, c *clock, ev *event) {
	if ev.channel == 0 {
		return
	}
	ch := w.channelOf(ev)
	p := w.personOf(ch, d)
	at, wrong := c.correct(ev.at)
	if ev.kind == membership {
		p.changes = append(p.changes, change{at, ev.joined})
		ch.audience = max(ch.audience, int(ev.audience)-1)
		return
	}
	if ev.message == 0 {
		return
	}
	m := w.messageOf(ch, ev.message)
	switch ev.kind {
	case composed:
		ch.audience = max(ch.audience, int(ev.audience))
		if m.device == nil || at < m.at {
			m.at, m.wrong, m.device, m.sender, m.audience = at, wrong, d, p, int(ev.audience)
		}
		m.class = ev.class
	case received, repaired, undecodable:
		w.receive(ch, m, p, receipt{m, at, wrong, d, ev.path, ev.kind == undecodable}, ev)
	case missing:
		m.noticed = min(m.noticed, at)
		m.noticedBy++
		m.author = w.facts.strings.later(m.author, ev.member)
	default:
		m.own(ev, at)
	}
}

// own takes what a sender witnessed of its message.
func (m *message) own(ev *event, at int64) {
	switch ev.kind {
	case attempted:
		m.attempts++
	case handed:
		m.handed = true
	case stored:
		if ev.answer == yes || ev.answer == no && m.kept == 0 {
			m.kept = ev.answer
		}
		m.left = m.left || ev.answer == yes
	case acknowledged:
		if ev.count > 0 {
			m.left = true
			m.acked = min(m.acked, at)
		}
	case resent:
		m.resent++
	case gaveUp:
		m.gaveUp = true
	}
}

// receive takes a receipt.
func (w *world) receive(ch *channel, m *message, p *person, r receipt, ev *event) {
	p.receipts = append(p.receipts, r)
	if ev.kind == received {
		m.author = w.facts.strings.later(m.author, ev.member)
		if m.class == 0 {
			m.class = ev.class
		}
		if ev.sent > 0 && (m.stamp == 0 || ev.sent < m.stamp) {
			m.stamp = ev.sent
		}
	}
	if !r.bad {
		m.first = min(m.first, r.at)
	}
}

// finish puts a channel in order, when everything of it is known.
func (w *world) finish(c *channel) {
	slices.SortFunc(c.persons, func(a, b *person) int { return cmp.Compare(a.name, b.name) })
	for _, p := range c.persons {
		p.finish(w.opts.horizon())
		for _, r := range p.receipts {
			if m := r.message; m.sender != p && m.author != p.member {
				m.left = true
			}
		}
	}
	for _, m := range c.messages {
		w.date(c, m)
	}
	s := &w.facts.strings
	c.messages = slices.DeleteFunc(c.messages, func(m *message) bool {
		m.order = -1
		return m.at < w.opts.From || m.at >= w.opts.To || m.class != multicast && !m.phantom()
	})
	slices.SortFunc(c.messages, func(a, b *message) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(s.string(a.name), s.string(b.name)))
	})
	for i, m := range c.messages {
		m.order = i
		m.counted = m.sender != nil && m.sender.reporter.has(m.at)
		c.audience = max(c.audience, m.audience)
	}
	c.audience = max(c.audience, len(c.persons)-1)
	c.weigh()
}

// date works out who wrote a message and when, where its author's journal is not
// here.
func (w *world) date(c *channel, m *message) {
	if m.device != nil {
		return
	}
	m.sender = c.byMember[m.author]
	m.wrong = skewLimit.Milliseconds()
	switch {
	case m.first == forever && m.noticed == forever:
		m.at = forever // only its own sender's events about it, without composed
	case m.first == forever:
		m.at = m.noticed
	case m.stamp == 0:
		m.at = m.first
	default:
		m.at = m.stamp
		if m.sender != nil {
			m.at, m.wrong = m.sender.devices[0].correct(m.stamp)
		}
		m.at = min(m.at, m.first)
	}
}

// finish joins the devices of a person. A device that is no reporter at a time has
// no say then.
func (p *person) finish(horizon int64) {
	var reporter, onl []span
	always := spans{{From: -forever, To: forever}}
	p.known = always
	for _, d := range p.devices {
		r := d.reporter(horizon)
		reporter = append(reporter, r...)
		onl = append(onl, d.online...)
		d.known = union(slices.Concat(d.accounted, always.without(r)))
		p.known = p.known.both(d.known)
	}
	p.reporter, p.online = union(reporter), union(onl)
	p.in = p.membership()
	p.eligible = p.reporter.both(p.in)
}

// membership is when somebody was in the channel, from what the devices said. Who
// never said is in it.
func (p *person) membership() spans {
	slices.SortFunc(p.changes, func(a, b change) int { return cmp.Compare(a.at, b.at) })
	if len(p.changes) == 0 {
		return spans{{From: -forever, To: forever}}
	}
	var list []span
	since := int64(-forever)
	in := !p.changes[0].joined
	for _, c := range p.changes {
		switch {
		case c.joined && !in:
			since, in = c.at, true
		case !c.joined && in:
			list = append(list, span{From: since, To: c.at})
			in = false
		}
	}
	if in {
		list = append(list, span{From: since, To: forever})
	}
	return union(list)
}
