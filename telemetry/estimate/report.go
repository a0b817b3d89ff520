package estimate

import (
	"slices"

	"github.com/causeway-im/causeway/telemetry/report"
)

// Report is everything that facts tell about the messages of a window.
type Report struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
	Now  int64 `json:"now"`
	// Tallies are what was counted, to be kept and merged; Estimates say what they
	// mean. Both are in order of group.
	Tallies   Tallies    `json:"-"`
	Estimates []Estimate `json:"estimates"`
	Incidents []Incident `json:"incidents,omitempty"`
	Phantoms  []Phantom  `json:"phantoms,omitempty"`
	Overlap   []Overlap  `json:"overlap,omitempty"`
	Trust     Trust      `json:"trust"`
}

// Find returns the estimate of a group, or nil.
func (r *Report) Find(g Group) *Estimate {
	i, ok := slices.BinarySearchFunc(r.Estimates, g, func(e Estimate, g Group) int { return compareGroups(e.Group, g) })
	if !ok {
		return nil
	}
	return &r.Estimates[i]
}

// Estimate works out everything for the messages of a window. The same facts and
// options give the same report. It costs a microsecond or two for each cell.
func (f *Facts) Estimate(o Options) *Report {
	w := f.world(o)
	b := o.Baseline
	if b == nil {
		b = w.baseline()
	}
	r := &Report{From: o.From, To: o.To, Now: o.Now, Incidents: w.incidents(b)}
	k := newCounter(w)
	k.group(Group{Everything, ""})
	for _, c := range w.channels {
		k.channel(c)
		k.messages(c)
		r.Phantoms = append(r.Phantoms, w.phantoms(c)...)
		if c.others > 0 {
			r.Overlap = append(r.Overlap, c.overlap())
		}
	}
	for _, d := range w.devices {
		k.device(d)
	}
	k.silent(b)
	r.Tallies = k.finish()
	for _, t := range r.Tallies {
		r.Estimates = append(r.Estimates, t.Estimate(o.To, o.Now, o.Horizon))
	}
	r.Trust = w.trust()
	return r
}

// baseline is what is usual by these facts alone: first all of them, then those
// outside of incidents.
func (w *world) baseline() *Baseline {
	var out []span
	for _, in := range w.incidents(&Baseline{}) {
		if in.Scope != OneDevice {
			out = append(out, span{From: in.From, To: in.To})
		}
	}
	return w.learn(union(out))
}

// Phantom is a message that others name and that nobody reported: it was written,
// and no reporter wrote or got it.
type Phantom struct {
	Channel string `json:"channel"`
	Message string `json:"message"`
	Author  string `json:"author,omitempty"` // if those who name it know
	Noticed int64  `json:"noticed"`          // first
	By      int    `json:"by"`               // how many devices
	// Counted phantoms are of a reporting author: their cells are in the estimates.
	Counted bool `json:"counted"`
}

func (w *world) phantoms(c *channel) []Phantom {
	var out []Phantom
	s := &w.facts.strings
	for _, m := range c.messages {
		if m.phantom() {
			out = append(out, Phantom{c.name, s.string(m.name), s.string(m.author), m.noticed, m.noticedBy, m.counted})
		}
	}
	return out
}

// Trust says how much the uploads tell.
type Trust struct {
	Devices   int `json:"devices"`   // that reported in the window
	Reporters int `json:"reporters"` // members, each channel by itself
	// Share is Reporters among all members of the channels.
	Share float64 `json:"share"`
	// Covered is the share of the reporters' time that journals tell of, Idle the share
	// in which the program is known not to have run. The rest is unknown.
	Covered float64 `json:"covered"`
	Idle    float64 `json:"idle"`
	// Events are here, Dropped were given up by devices, Absent have not come.
	Events  uint64 `json:"events"`
	Dropped uint64 `json:"dropped"`
	Absent  uint64 `json:"absent"`
	// Skewed devices have clocks that are wrong by more than five minutes, Unsteady
	// ones clocks that cannot be relied on at some time.
	Skewed   int `json:"skewed"`
	Unsteady int `json:"unsteady"`
	// CollectorDown is time in which the collector itself was down, in milliseconds.
	CollectorDown int64 `json:"collectorDown"`
}

func (w *world) trust() Trust {
	window := spans{{From: w.opts.From, To: min(w.opts.To, w.opts.Now)}}
	if window[0].To <= window[0].From {
		window = nil
	}
	t := Trust{CollectorDown: w.gaps.both(window).length()}
	all, covered, idle := int64(0), int64(0), int64(0)
	for _, d := range w.devices {
		reporter := d.reporter(w.opts.horizon()).both(window)
		if len(reporter) == 0 {
			continue
		}
		t.Devices++
		all += reporter.length()
		covered += reporter.both(d.covered).length()
		idle += reporter.both(d.idle).length()
		t.Events += d.present
		t.Dropped += d.dropped
		t.Absent += d.absent
		if d.skewed {
			t.Skewed++
		}
		if d.unsteady {
			t.Unsteady++
		}
	}
	members := 0
	for _, c := range w.channels {
		n := 0
		for _, p := range c.persons {
			if len(p.eligible.both(window)) > 0 {
				n++
			}
		}
		t.Reporters += n
		members += max(c.audience+1, n)
	}
	if members > 0 {
		t.Share = float64(t.Reporters) / float64(members)
	}
	if all > 0 {
		t.Covered, t.Idle = float64(covered)/float64(all), float64(idle)/float64(all)
	}
	return t
}

// Overlap tells how many messages the members of a channel wrote who do not report,
// from how often several reporters got the same one. A message that never left its
// author's device is in none of these figures, and where losses are common to
// several reporters all of them are too low.
type Overlap struct {
	Channel string `json:"channel"`
	Seen    int    `json:"seen"`
	// Chapman compares two halves of the reporters, Chao looks at the messages that
	// only one or two reporters got; a lower bound.
	Chapman float64 `json:"chapman"`
	Chao    float64 `json:"chao"`
}

// Chapman estimates the size of a population of which two samples have a and b, and
// both of them ab.
func Chapman(a, b, ab int) float64 {
	return float64(a+1)*float64(b+1)/float64(ab+1) - 1
}

// Chao estimates, from below, the size of a population of which seen were found, f1
// of them by only one observer and f2 by two.
func Chao(seen, f1, f2 int) float64 {
	return float64(seen) + float64(f1)*float64(f1-1)/(2*float64(f2+1))
}

func (c *channel) overlap() Overlap {
	holders := map[*message][]int{}
	for i, p := range c.persons {
		for _, r := range p.receipts {
			if m := r.message; !r.bad && !m.counted && m.order >= 0 && m.class == multicast {
				if list := holders[m]; len(list) == 0 || list[len(list)-1] != i {
					holders[m] = append(list, i)
				}
			}
		}
	}
	var a, b, ab, f1, f2 int
	for _, list := range holders {
		even := slices.ContainsFunc(list, func(i int) bool { return i%2 == 0 })
		odd := slices.ContainsFunc(list, func(i int) bool { return i%2 == 1 })
		switch {
		case even && odd:
			a, b, ab = a+1, b+1, ab+1
		case even:
			a++
		case odd:
			b++
		}
		switch len(list) {
		case 1:
			f1++
		case 2:
			f2++
		}
	}
	return Overlap{c.name, len(holders), Chapman(a, b, ab), Chao(len(holders), f1, f2)}
}

// Story is one message in detail.
type Story struct {
	Channel  string  `json:"channel"`
	Message  string  `json:"message"`
	Author   string  `json:"author,omitempty"`
	Composed int64   `json:"composed"`
	Left     bool    `json:"left"`
	Handed   bool    `json:"handed"`
	Attempts int     `json:"attempts"`
	Acked    int64   `json:"acked,omitempty"`
	Members  []Chain `json:"members"`
}

// Chain is what became of a message at one member.
type Chain struct {
	Member   string            `json:"member"`
	Latency  int64             `json:"latency"` // milliseconds, −1 if it was not received
	Path     report.Path       `json:"path,omitempty"`
	Known    int64             `json:"known"` // until when it is known
	Outcomes [measures]Outcome `json:"outcomes"`
}

// Story tells what became of one message, and whether it is in the window.
func (f *Facts) Story(channelName, messageName string, o Options) (Story, bool) {
	w := f.world(o)
	in := &f.strings
	c := w.byID[in.numbers[channelName]]
	if c == nil || c.name != channelName {
		return Story{}, false
	}
	m := c.byName[in.numbers[messageName]]
	if m == nil || m.order < 0 {
		return Story{}, false
	}
	s := Story{Channel: channelName, Message: messageName, Author: in.string(m.author), Composed: m.at, Left: m.left,
		Handed: m.handed, Attempts: m.attempts}
	if m.sender != nil {
		s.Author = m.sender.name
	}
	if m.acked < forever {
		s.Acked = m.acked
	}
	w.cells(c, func(x *cell) {
		if x.message == m {
			s.Members = append(s.Members, Chain{x.person.name, x.latency, pathNames[x.path], x.reach, x.outcomes})
		}
	})
	return s, true
}

var pathNames = map[path]report.Path{live: report.ByRelay, byStore: report.ByStore, byRepair: report.ByRepair}

// Line is a device's row of an outage timeline.
type Line struct {
	Device   string        `json:"device"`
	Platform string        `json:"platform"`
	Online   []report.Span `json:"online,omitempty"`
	Cut      []report.Span `json:"cut,omitempty"`     // isolated or offline, and it said so
	Covered  []report.Span `json:"covered,omitempty"` // running, no matter whether online
	Idle     []report.Span `json:"idle,omitempty"`    // known not to run
	Silent   []report.Span `json:"silent,omitempty"`  // nothing is known
}

// Timeline tells what each device was doing in a window.
func (f *Facts) Timeline(o Options) []Line {
	w := f.world(o)
	window := spans{{From: o.From, To: min(o.To, o.Now)}}
	var out []Line
	for _, d := range w.devices {
		reporter := d.reporter(o.horizon()).both(window)
		if len(reporter) == 0 {
			continue
		}
		out = append(out, Line{Device: d.name, Platform: string(d.profileAt(o.From).Platform),
			Online: d.online.both(window), Cut: d.cut.both(window), Covered: d.covered.both(window), Idle: d.idle.both(window),
			Silent: w.silence(d)})
	}
	return out
}
