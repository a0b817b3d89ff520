package estimate

import (
	"cmp"
	"slices"

	"github.com/causeway-im/causeway/telemetry/report"
)

// slack is how far an event may be from the end of the coverage that it belongs to:
// coverage grows in steps.
const slack = 5000

// device is one installation, with all its times corrected.
type device struct {
	name   string
	epochs []*epoch
	clocks []clock // of the epochs

	// covered is time of which the journal tells everything; nothing is missing in
	// it. idle is time in which the program is known not to have run. accounted is
	// both: what is not in the journal then did not happen.
	// known adds the time in which the device is no reporter and has no say.
	covered, idle, accounted, known spans
	// online, and cut: isolated or offline. Both within covered.
	online, cut spans
	// watched is when it should be well, unwell when it was not: silent or cut.
	watched, unwell, silent spans
	// goodbye is since when the device is silent in order: forever if it is not.
	goodbye  int64
	profiles []profile
	members  map[int32]int32 // channel → the pseudonym of who uses the device

	skewed, unsteady         bool
	dropped, absent, present uint64 // events
	quiet                    int64  // longest usual time between uploads
}

// reporter is the time in which the device counts: from each coverage until the
// horizon after it.
func (d *device) reporter(horizon int64) spans {
	list := make([]span, len(d.covered))
	for i, c := range d.covered {
		list[i] = span{From: c.From - slack, To: c.To + horizon}
	}
	return union(list)
}

// profileAt is what the device was like at a time: as the upload after it says.
func (d *device) profileAt(t int64) *report.Device {
	i, _ := slices.BinarySearchFunc(d.profiles, t, func(p profile, t int64) int { return cmp.Compare(p.sent, t) })
	return &d.profiles[min(i, len(d.profiles)-1)].of
}

// device works out what an installation tells. Events come out sorted.
func (f *Facts) device(in *install) *device {
	d := &device{name: f.strings.string(in.name), goodbye: forever, members: map[int32]int32{}}
	for _, e := range in.epochs {
		d.epochs = append(d.epochs, e)
	}
	slices.SortFunc(d.epochs, func(a, b *epoch) int { return cmp.Compare(a.number, b.number) })
	var covered, idle, onl, cut []span
	for i, e := range d.epochs {
		e.sort()
		c := newClock(e.samples)
		d.clocks = append(d.clocks, c)
		j := journal{epoch: e}
		j.read()
		covered = append(covered, c.spans(j.covered)...)
		idle = append(idle, c.spans(j.idle)...)
		onl = append(onl, c.spans(j.online)...)
		cut = append(cut, c.spans(j.cut)...)
		d.goodbye = forever
		if j.goodbye != forever && i == len(d.epochs)-1 {
			d.goodbye, _ = c.correct(j.goodbye)
		}
		d.note(&f.strings, e, &c)
	}
	d.covered = union(covered)
	d.idle = union(idle).without(d.covered)
	d.accounted = union(slices.Concat(d.covered, d.idle))
	d.cut = union(cut)
	d.online = union(onl).without(d.cut)
	slices.SortFunc(d.profiles, func(a, b profile) int {
		return cmp.Or(cmp.Compare(a.sent, b.sent), compareDevices(&a.of, &b.of))
	})
	last := d.profiles[:0]
	for i, p := range d.profiles { // of those that are alike the last
		if i+1 == len(d.profiles) || d.profiles[i+1].of != p.of {
			last = append(last, p)
		}
	}
	d.profiles = last
	if len(d.profiles) == 0 {
		d.profiles = []profile{{}}
	}
	return d
}

func compareDevices(a, b *report.Device) int {
	return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.Mode, b.Mode),
		cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.ProtocolVersion, b.ProtocolVersion), cmp.Compare(a.Consent, b.Consent))
}

// note takes the plain figures of a journal.
func (d *device) note(in *interner, e *epoch, c *clock) {
	for i := range e.events {
		ev := &e.events[i]
		if ev.channel != 0 && ev.member != 0 && (ev.kind == membership || ev.kind == composed) {
			d.members[ev.channel] = in.later(d.members[ev.channel], ev.member)
		}
	}
	for _, p := range e.profiles {
		p.sent, _ = c.correct(p.sent)
		d.profiles = append(d.profiles, p)
	}
	for i, wrong := range c.errors {
		if wrong > unsure.Milliseconds() {
			d.unsteady = true
		}
		if o := c.offsets[i]; o < -skewLimit.Milliseconds() || o > (skewLimit+delayLimit).Milliseconds() {
			d.skewed = true
		}
	}
	d.dropped += e.dropped.count()
	d.present += e.got.count()
	for _, r := range e.missing() {
		d.absent += r.Last - r.First + 1
	}
	d.quiet = max(d.quiet, c.rhythm())
}

// rhythm is the usual time between two uploads.
func (c *clock) rhythm() int64 {
	if len(c.samples) < 2 {
		return 0
	}
	gaps := make([]int64, 0, len(c.samples)-1)
	for i := 1; i < len(c.samples); i++ {
		gaps = append(gaps, c.samples[i].sent-c.samples[i-1].sent)
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2]
}

// correct corrects a time of which only the installation is known.
func (d *device) correct(t int64) (at, wrong int64) {
	for i := range d.clocks {
		if s := d.clocks[i].samples; len(s) > 0 && s[len(s)-1].sent >= t {
			return d.clocks[i].correct(t)
		}
	}
	return d.clocks[len(d.clocks)-1].correct(t)
}

func (e *epoch) sort() {
	if !e.sorted {
		slices.SortFunc(e.events, func(a, b event) int { return cmp.Compare(a.seq, b.seq) })
		e.sorted = true
	}
}

// missing returns the numbers from 1 on that exist and have not come to the
// collector. Those that the device gave up are not missing: it does not claim the
// time in which that matters.
func (e *epoch) missing() numbers {
	var have numbers
	for _, r := range e.got {
		have.add(r.First, r.Last)
	}
	for _, r := range slices.Concat(e.held, e.dropped) {
		have.add(r.First, r.Last)
	}
	var out numbers
	next := uint64(1)
	for _, r := range have {
		if r.First > next && next <= e.last {
			out = append(out, report.Range{First: next, Last: min(r.First-1, e.last)})
		}
		next = max(next, r.Last+1)
	}
	if next <= e.last && next > 0 {
		out = append(out, report.Range{First: next, Last: e.last})
	}
	return out
}

// journal reads one epoch, by the device's own clock.
type journal struct {
	*epoch
	covered, idle, online, cut spans
	goodbye                    int64 // since when it is silent in order, or forever
}

func (j *journal) read() {
	gone := j.missing()
	holes := j.holes(gone)
	j.covered = union(slices.Clone(j.claims)).without(holes)
	j.goodbye = forever
	var states []*event
	for i := range j.events {
		if j.events[i].kind == presence {
			states = append(states, &j.events[i])
		}
	}
	var onl, cut, idle []span
	for i, ev := range states {
		until := forever
		if i+1 < len(states) {
			until = states[i+1].at
		}
		switch ev.state {
		case online:
			onl = append(onl, j.within(ev.at, until))
		case isolated, offline:
			cut = append(cut, j.within(ev.at, until))
		case suspended, goodbye:
			s := j.away(ev.at)
			if s.To < forever {
				idle = append(idle, s)
			} else if until == forever && (len(gone) == 0 || gone[len(gone)-1].First < ev.seq) {
				j.goodbye = s.From
			}
		}
	}
	j.online, j.cut = union(onl), union(cut)
	j.idle = union(idle).without(holes)
}

// holes are the times around events that are missing.
func (j *journal) holes(gone numbers) spans {
	var list []span
	i := 0
	for _, r := range gone {
		for i < len(j.events) && j.events[i].seq < r.First {
			i++
		}
		s := span{From: -forever, To: forever}
		if i > 0 {
			s.From = j.events[i-1].at
		}
		if i < len(j.events) {
			s.To = j.events[i].at
		}
		list = append(list, span{From: min(s.From, s.To), To: max(s.From, s.To) + 1})
	}
	return union(list)
}

// within returns the covered time from at on, until the state changes or the
// coverage ends, after which the state is not known.
func (j *journal) within(at, until int64) span {
	i := j.covered.find(at)
	if i == len(j.covered) || j.covered[i].From > at+slack {
		return span{}
	}
	return span{From: max(at, j.covered[i].From), To: min(until, j.covered[i].To)}
}

// away returns the time from a suspension at this time until the journal goes on,
// or forever.
func (j *journal) away(at int64) span {
	next := 0 // first coverage that begins later
	for next < len(j.covered) && j.covered[next].From <= at {
		next++
	}
	from := at
	if next > 0 {
		switch end := j.covered[next-1].To; {
		case end > at+slack:
			return span{} // the journal went on: no suspension after all
		case end > at-slack:
			from = end
		}
	}
	if next == len(j.covered) {
		return span{From: from, To: forever}
	}
	return span{From: from, To: j.covered[next].From}
}
