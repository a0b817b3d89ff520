package prove

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/causeway-im/causeway/telemetry/report"
)

// Times are milliseconds. The traffic of a town lasts four hours, the second and
// third of which are estimated.
const (
	second  = int64(1000)
	minute  = 60 * second
	hour    = 60 * minute
	opening = int64(1_767_600_000_000) // 2026-01-05T08:00Z
	from    = opening + hour
	to      = opening + 3*hour
	closing = opening + 4*hour
	ending  = opening + 30*hour // the last journals that come have come
	never   = int64(1) << 60
)

// Scenario is a town and what happens in it. Shares are from 0 to 1.
type Scenario struct {
	Name string
	What string // for people

	Members int
	PerHour float64 // messages of the whole town
	OptIn   float64 // share of members who report

	Loss   float64 // of first copies, for each member by itself
	Repair float64 // share of those that a store makes good in seconds
	Shared float64 // messages that leave and that nobody gets
	Unsent float64 // messages that never leave
	Cut    int     // reporting members who get nothing, without their noticing

	Drop      float64 // share of devices that are offline for the half hour from 60 min
	NoReturn  float64 // share of them that are never heard of again
	Asleep    float64 // share of devices that sleep most of the time
	Crashes   float64 // per device and hour
	Skew      int64   // clocks are wrong by up to so much, either way
	Copies    bool    // uploads arrive several times and in any order
	Collector bool    // the collector is down for the half hour from 60 min
	Protocols bool    // half of the members are a group of their own, with half of the Loss
	Same      bool    // that group has the same Loss

	Seen  int64 // when the estimate is made, 0 for when everything has come
	Large bool  // of which everyone's interval must be narrow, too
	Crowd bool  // package sds among all members, instead of Loss after Repair, Shared and Unsent
}

const (
	dropFrom = from + hour
	dropTo   = dropFrom + 30*minute
)

// drawer makes the random numbers of a seed.
type drawer struct{ *rand.Rand }

func (d drawer) chance(p float64) bool { return d.Float64() < p }

// between is even from a to b.
func (d drawer) between(a, b int64) int64 { return a + d.Int64N(b-a+1) }

// gamma has this shape, which must not be below 1, and the mean 1 (Marsaglia and
// Tsang).
func (d drawer) gamma(shape float64) float64 {
	a := shape - 1.0/3
	for {
		x := d.NormFloat64()
		v := math.Pow(1+x/math.Sqrt(9*a), 3)
		if v > 0 && math.Log(d.Float64()) < x*x/2+a-a*v+a*math.Log(v) {
			return a * v / shape
		}
	}
}

// member is one person with one device, and what truly happens to them.
type member struct {
	index   int
	name    string
	reports bool
	device  report.Device
	skew    int64
	rate    float64 // messages an hour
	town    int     // 1 is the part with the other protocol
	cut     bool
	gone    int64         // since when it is never heard of again
	asleep  []report.Span // the program sleeps, and says so
	crashed []report.Span // the program does not run
	offline []report.Span // there is no network, and the device knows it
	got     []receipt     // messages of others
	noticed []notice      // messages that others name and that it lacks
}

// message is one message and who truly got it when.
type message struct {
	name     string
	author   *member
	composed int64
	left     int64 // when it left the device, or never
	acked    int64 // when its author knew of a first receipt, or never
	got      []receipt
}

// receipt is that a member got a message.
type receipt struct {
	*message
	member *member
	at     int64
	path   report.Path
}

// notice is that a member knows of a message that it lacks.
type notice struct {
	message string
	author  string
	at      int64
}

// town is a community with its truth.
type town struct {
	Scenario
	d        drawer
	members  []*member
	messages []*message
}

func newTown(s Scenario, seed uint64) (*town, error) {
	w := &town{Scenario: s, d: drawer{rand.New(rand.NewPCG(seed, 0x70726f7665))}}
	for i := range s.Members {
		w.members = append(w.members, w.newMember(i))
	}
	reporters := int(math.Round(s.OptIn * float64(s.Members)))
	for n, i := range w.d.Perm(s.Members) {
		w.members[i].reports = n < reporters
		w.members[i].cut = n < s.Cut
	}
	if s.Crowd {
		if err := w.crowd(seed); err != nil {
			return nil, err
		}
	} else {
		w.write()
		for _, m := range w.messages {
			w.spread(m)
		}
	}
	for _, p := range w.members {
		slices.SortFunc(p.noticed, func(a, b notice) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.message, b.message)) })
		slices.SortFunc(p.got, func(a, b receipt) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.name, b.name)) })
	}
	return w, nil
}

func (w *town) newMember(i int) *member {
	d := w.d
	p := &member{index: i, name: fmt.Sprintf("p%04d", i), gone: never, rate: w.PerHour / float64(w.Members) * d.gamma(1.5)}
	p.device = report.Device{App: "1.0", Platform: report.Android, Mode: report.Light, Protocol: "sds", Consent: 1}
	if d.chance(0.4) {
		p.device.Platform, p.device.Mode = report.Linux, report.Relay
	}
	if w.Protocols && i%2 == 1 {
		p.town, p.device.Protocol, p.device.ProtocolVersion = 1, "causeway", "1"
	}
	if w.Skew > 0 {
		p.skew = d.between(-w.Skew, w.Skew)
	}
	if d.chance(w.Drop) {
		p.offline = []report.Span{{From: dropFrom + d.between(0, 3*second), To: dropTo + d.between(0, 20*second)}}
		if d.chance(w.NoReturn) {
			p.gone, p.offline[0].To = p.offline[0].From, never
		}
	}
	if d.chance(w.Asleep) {
		p.asleep = w.absences(6*minute, 20*minute)
	}
	if w.Crashes > 0 {
		p.crashed = w.absences(int64(float64(hour)/w.Crashes), 5*minute)
	}
	return p
}

// absences draws spans, with exponential times of presence and absence.
func (w *town) absences(present, absent int64) []report.Span {
	var list []report.Span
	draw := func(mean int64) int64 { return int64(float64(mean)*w.d.ExpFloat64()) + 10*second }
	for t := opening + draw(present); t < closing; {
		s := report.Span{From: t, To: t + draw(absent)}
		list = append(list, s)
		t = s.To + draw(present)
	}
	return list
}

// next is the first moment from t on that is in none of the spans.
func next(list []report.Span, t int64) int64 {
	for _, s := range list {
		if s.From <= t && t < s.To {
			return s.To
		}
	}
	return t
}

// running is the first moment from t on at which the program runs.
func (p *member) running(t int64) int64 { return next(p.crashed, next(p.asleep, t)) }

// online is the first moment from t on at which the device has a network, or never.
func (p *member) online(t int64) int64 {
	for {
		u := next(p.offline, p.running(t))
		if u == t || u >= never {
			return u
		}
		t = u
	}
}

// write lets everybody write, who runs the program: also who is offline, and who is
// never heard of again.
func (w *town) write() {
	for _, p := range w.members {
		for t := opening; ; {
			t += int64(w.d.ExpFloat64()*float64(hour)/p.rate) + 1
			if t >= closing {
				break
			}
			t = p.running(t)
			if near(t, from) || near(t, to) { // clocks do not decide on which side
				continue
			}
			w.messages = append(w.messages, &message{author: p, composed: t, left: never, acked: never})
		}
	}
	w.order()
	for i, m := range w.messages {
		m.name = fmt.Sprintf("m%06d", i)
	}
}

func (w *town) order() {
	slices.SortFunc(w.messages, func(a, b *message) int {
		return cmp.Or(cmp.Compare(a.composed, b.composed), cmp.Compare(a.author.index, b.author.index), cmp.Compare(a.name, b.name))
	})
}

func near(t, edge int64) bool { return t > edge-3*second && t < edge+3*second }

// spread decides who gets a message.
func (w *town) spread(m *message) {
	d := w.d
	m.left = m.author.online(m.composed)
	if d.chance(w.Unsent) {
		m.left = never
	}
	lost := d.chance(w.Shared)
	if m.left >= never {
		return
	}
	m.left += 50
	m.got = make([]receipt, 0, len(w.members))
	for _, p := range w.members {
		if p == m.author || p.town != m.author.town {
			continue
		}
		if at, path := w.arrival(m, p); at < never && !lost && !p.cut {
			m.add(receipt{m, p, at, path})
			m.acked = min(m.acked, at+second)
		}
	}
	if m.acked < never {
		m.acked = m.author.online(m.acked)
	}
}

// add notes a receipt; a device writes it down only if it reports.
func (m *message) add(r receipt) {
	m.got = append(m.got, r)
	if r.member.reports {
		r.member.got = append(r.member.got, r)
	}
}

// arrival is when and how a message comes to a member.
func (w *town) arrival(m *message, p *member) (int64, report.Path) {
	d := w.d
	at := m.left + d.between(200, 2000)
	loss := w.Loss
	if p.town == 1 && !w.Same {
		loss /= 2
	}
	first, repaired, wait := d.chance(1-loss), d.chance(w.Repair), int64(d.ExpFloat64()*5000)+second
	switch back := p.online(at); {
	case back >= never:
		return never, ""
	case back > at: // the store has it on return
		return back + d.between(1, 3)*second, report.ByStore
	case first:
		return at, report.ByRelay
	case repaired:
		if at = p.online(at + wait); at < never {
			return at, report.ByStore
		}
	}
	return never, ""
}

// truth is the share of cells that were delivered within a time, of messages that
// were composed in the window before until. Of everyone, or of those who report.
func (w *town) truth(within, until int64, everyone bool) float64 {
	delivered, all := 0, 0
	for _, m := range w.messages {
		if m.composed < from || m.composed >= min(to, until) || !everyone && !m.author.reports {
			continue
		}
		for _, p := range w.members {
			if p == m.author || p.town != m.author.town || !everyone && !p.reports {
				continue
			}
			all++
		}
		for _, r := range m.got {
			if (everyone || r.member.reports) && r.at-m.composed <= within {
				delivered++
			}
		}
	}
	return float64(delivered) / float64(all)
}
