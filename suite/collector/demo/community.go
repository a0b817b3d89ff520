package demo

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/causeway-im/causeway/telemetry/report"
)

// Times are Unix milliseconds.
const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
)

// sort is what some of the devices are like, and how well messages reach them.
type sort struct {
	device report.Device
	loss   float64 // of first copies
	repair float64 // share of lost ones that come later
}

var sorts = []sort{
	{report.Device{App: "2.31.0", Platform: report.Linux, Mode: report.Relay, Protocol: "causeway", ProtocolVersion: "1"}, 0.02, 0.97},
	{report.Device{App: "2.31.0", Platform: report.Darwin, Mode: report.Relay, Protocol: "causeway", ProtocolVersion: "1"}, 0.02, 0.97},
	{report.Device{App: "2.31.0", Platform: report.Android, Mode: report.Light, Protocol: "causeway", ProtocolVersion: "1"}, 0.05, 0.95},
	{report.Device{App: "2.30.2", Platform: report.Windows, Mode: report.Relay, Protocol: "sds"}, 0.03, 0.6},
	{report.Device{App: "2.30.2", Platform: report.IOS, Mode: report.Light, Protocol: "sds"}, 0.07, 0.5},
}

// channel is a room of a community whose members use one protocol.
type channel struct {
	name, community, topic, pubsub string
	members                        []*member
	perHour                        float64 // messages
}

// member is a person with one device.
type member struct {
	name    string
	sort    sort
	reports bool
	gone    bool // never comes back from the outage
	asleep  bool

	install  string
	epoch    uint64
	next     uint64
	told     int64 // covered up to here
	events   []report.Event
	channels []*channel
	later    []later // what this device will witness
}

// later is an event that lies ahead.
type later struct {
	at    int64
	event report.Event
}

// community is all of them.
type community struct {
	rng      *rand.Rand
	members  []*member
	channels []*channel
	cutFrom  int64 // the network is away
	cutTo    int64
	number   int

	mu    sync.Mutex
	truth map[int64]*[2]truth // by hour, of reporters and of everyone
}

// truth is what became of the cells of all members within a minute.
type truth struct{ cells, delivered int }

func newCommunity(seed uint64, people int, from int64) *community {
	c := &community{rng: rand.New(rand.NewPCG(seed, 1)), truth: map[int64]*[2]truth{}}
	rooms := []*channel{
		{name: "lounge", community: "tea", topic: "/waku/1/0x7e3a1c02/rfc26", pubsub: "/waku/2/rs/16/32", perHour: 60},
		{name: "workshop", community: "tea", topic: "/waku/1/0x5b90d411/rfc26", pubsub: "/waku/2/rs/16/32", perHour: 30},
		{name: "harbour", community: "boats", topic: "/waku/1/0x0c44ee9a/rfc26", pubsub: "/waku/2/rs/16/64", perHour: 40},
	}
	c.channels = rooms
	for i := range people {
		m := &member{name: c.pseudonym("member"), sort: sorts[i%len(sorts)], reports: i%6 != 5, install: c.pseudonym("install"), epoch: 1, next: 1, told: from}
		m.sort.device.Consent = 1
		if m.sort.device.Protocol == "sds" {
			m.channels = rooms[2:]
		} else {
			m.channels = rooms[:2]
		}
		m.event(report.Event{At: from, Kind: report.Presence, State: report.Online})
		c.members = append(c.members, m)
		for _, r := range m.channels {
			r.members = append(r.members, m)
		}
	}
	for _, r := range rooms {
		for _, m := range r.members {
			m.event(r.in(report.Event{At: from, Kind: report.Membership, Member: m.name, Joined: true, Audience: len(r.members)}))
		}
	}
	return c
}

// pseudonym makes one that looks as devices make them.
func (c *community) pseudonym(kind string) string {
	return fmt.Sprintf("%s-%012x", kind, c.rng.Uint64()>>16)
}

func (r *channel) in(e report.Event) report.Event {
	e.Community, e.Channel, e.Topic, e.Pubsub = r.community, r.name, r.topic, r.pubsub
	return e
}

// event writes into the journal.
func (m *member) event(e report.Event) {
	e.Seq = m.next
	m.next++
	m.events = append(m.events, e)
}

func (c *community) cut(at int64) bool { return c.cutFrom <= at && at < c.cutTo }

// drop cuts the network of everybody for some time, from which a share never returns.
func (c *community) drop(from, to int64, never float64) {
	c.cutFrom, c.cutTo = from, to
	for _, m := range c.members {
		m.gone = c.rng.Float64() < never
	}
}

// step plays the time from from to before to, and returns the uploads at its end.
func (c *community) step(from, to int64) (out []*report.Upload) {
	for _, m := range c.members {
		c.presence(m, from, to)
	}
	for _, r := range c.channels {
		for n := c.poisson(r.perHour * float64(to-from) / float64(hour)); n > 0; n-- {
			c.write(r, from+c.rng.Int64N(to-from))
		}
	}
	for _, m := range c.members {
		m.settle(to)
		if m.reports && !m.asleep && !c.cut(to) && (!m.gone || to < c.cutFrom) {
			out = append(out, m.upload(to))
		}
	}
	return out
}

// presence plays the network's going and coming, and phones that sleep.
func (c *community) presence(m *member, from, to int64) {
	if m.gone && from >= c.cutTo {
		return
	}
	within := func(at int64) bool { return from <= at && at < to }
	switch {
	case within(c.cutFrom):
		m.later = append(m.later, later{c.cutFrom + 2*second, report.Event{Kind: report.Presence, State: report.Isolated}})
	case within(c.cutTo) && !m.gone:
		m.later = append(m.later, later{c.cutTo + 3*second, report.Event{Kind: report.Presence, State: report.Online}})
	case m.sort.device.Platform.Mobile() && !c.cut(from) && !m.gone:
		switch {
		case m.asleep && c.rng.Float64() < 0.25:
			m.asleep, m.told = false, from
			m.event(report.Event{At: from, Kind: report.Presence, State: report.Online})
		case !m.asleep && c.rng.Float64() < 0.03:
			m.event(report.Event{At: from, Kind: report.Presence, State: report.Suspended})
			m.asleep = true
		}
	}
}

func (c *community) poisson(mean float64) (n int) {
	for left := c.rng.ExpFloat64(); left < mean; left += c.rng.ExpFloat64() {
		n++
	}
	return n
}

// write lets somebody write a message.
func (c *community) write(r *channel, at int64) {
	author := r.members[c.rng.IntN(len(r.members))]
	if author.asleep || author.gone && at >= c.cutTo {
		return
	}
	c.number++
	id := c.pseudonym("message")
	size := 40 + c.rng.IntN(400)
	own := func(after int64, e report.Event) {
		e.Message = id
		author.later = append(author.later, later{at + after, r.in(e)})
	}
	own(0, report.Event{Kind: report.Composed, Member: author.name, Class: report.Multicast, Size: size, Audience: len(r.members) - 1})
	own(5, report.Event{Kind: report.Attempted, Attempt: 1})
	leaves := at
	if c.cut(at) {
		own(20, report.Event{Kind: report.Refused, Attempt: 1, Code: "offline"})
		if leaves = c.cutTo + 5*second; author.gone {
			leaves = -1
		}
	}
	if leaves >= 0 {
		own(leaves-at+30, report.Event{Kind: report.Handed, Attempt: 1 + btoi(leaves > at)})
	}
	got := 0
	for _, m := range r.members {
		if m == author {
			continue
		}
		after := c.reach(r, m, author, id, at, leaves, size)
		c.count(at, author.reports && m.reports, 0 <= after && after <= minute)
		if after >= 0 {
			got++
		}
	}
	if got > 0 && c.rng.Float64() < 0.98 {
		own(leaves-at+int64(900+c.rng.IntN(4000)), report.Event{Kind: report.Acknowledged, Count: 1, Audience: len(r.members) - 1})
	}
	if got > len(r.members)/2 {
		own(leaves-at+1500, report.Event{Kind: report.Stored, Answer: "yes"})
	}
	own(leaves-at+9000, report.Event{Kind: report.Traffic, Bytes: map[string]int64{"content": int64(size) + 260, "ack": 90, "sync": int64(c.rng.IntN(120)), "repair": int64(c.rng.IntN(60))}})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// reach plays the way of a message to one member, and returns after how long it was
// there, −1 for never.
func (c *community) reach(r *channel, m, author *member, id string, at, leaves int64, size int) int64 {
	if leaves < 0 || m.gone && leaves >= c.cutFrom || m.asleep && c.rng.Float64() < 0.3 {
		return -1
	}
	path, delay := report.ByRelay, int64(150+c.rng.IntN(900))
	if m.sort.device.Mode == report.Light {
		path = report.ByFilter
	}
	witness := func(after int64, e report.Event) {
		e.Message, e.Member = id, author.name
		m.later = append(m.later, later{leaves + after, r.in(e)})
	}
	switch lost := c.rng.Float64() < m.sort.loss; {
	case m.asleep:
		path, delay = report.ByStore, 3*minute+c.rng.Int64N(20*minute)
	case lost && c.rng.Float64() < m.sort.repair:
		path, delay = report.ByRepair, 2500+c.rng.Int64N(9*second)
		witness(2000, report.Event{Kind: report.Missing})
		witness(delay, report.Event{Kind: report.Repaired, Path: path})
	case lost && !m.gone:
		witness(2000, report.Event{Kind: report.Missing})
		witness(9*minute, report.Event{Kind: report.Lost})
		return -1
	case lost:
		return -1
	}
	witness(delay, report.Event{Kind: report.Received, Class: report.Multicast, Path: path, Size: size, Sent: at})
	return leaves - at + delay
}

// count counts a cell of an hour.
func (c *community) count(at int64, reported, delivered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := at / hour * hour
	if c.truth[h] == nil {
		c.truth[h] = &[2]truth{}
	}
	for row := range c.truth[h] {
		if row == 0 && !reported {
			continue
		}
		c.truth[h][row].cells++
		c.truth[h][row].delivered += btoi(delivered)
	}
}

// share is the share of an hour's cells that was delivered within a minute.
func (c *community) share(at int64, everyone bool) (share float64, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rows := c.truth[at/hour*hour]
	if rows == nil || rows[btoi(everyone)].cells == 0 {
		return 0, false
	}
	t := rows[btoi(everyone)]
	return float64(t.delivered) / float64(t.cells), true
}

// settle writes down what has happened by now. A device that is gone wrote to a
// journal that nobody will read.
func (m *member) settle(now int64) {
	rest := m.later[:0]
	var due []later
	for _, l := range m.later {
		if l.at < now && !m.asleep {
			due = append(due, l)
		} else {
			rest = append(rest, l)
		}
	}
	m.later = rest
	for i := 1; i < len(due); i++ { // nearly in order already
		for k := i; k > 0 && due[k].at < due[k-1].at; k-- {
			due[k], due[k-1] = due[k-1], due[k]
		}
	}
	for _, l := range due {
		l.event.At = max(l.at, m.told)
		m.event(l.event)
	}
}

// upload is everything since the last one.
func (m *member) upload(at int64) *report.Upload {
	u := &report.Upload{Schema: report.Version, Install: m.install, Epoch: m.epoch, First: m.next - uint64(len(m.events)), Last: m.next - 1,
		Clock: report.Clock{Sent: at}, Device: m.sort.device, Events: m.events}
	if at > m.told {
		u.Coverage = []report.Span{{From: m.told, To: at}}
	}
	m.events, m.told = nil, at
	return u
}
