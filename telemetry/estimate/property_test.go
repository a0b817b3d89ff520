package estimate

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/causeway-im/causeway/telemetry/report"
)

// fate is the truth of one cell: the latency in seconds, or −1 for never.
type fate map[string]float64

// town is a group whose truth is known: members with a device each that reports all
// or a part.
type town struct {
	phones   []*phone
	messages []string
	fates    map[string]fate // message → member → latency
	parts    [][]part        // uploads of each phone
}

type part struct {
	u       *report.Upload
	arrived int64
}

const (
	townEnd = 2 * 86400.0
	townCut = 7200.0 // all messages are composed before
)

// drawTown plays a group. If complete, all journals cover all time and arrive.
func drawTown(t *rapid.T, complete bool) *town {
	seed := rapid.Uint64().Draw(t, "seed")
	d := rand.New(rand.NewPCG(seed, 7))
	w := &town{fates: map[string]fate{}}
	n := rapid.IntRange(2, 6).Draw(t, "members")
	for i := range n {
		p := newPhone(fmt.Sprint("p", i))
		p.like.Platform = []report.Platform{report.Android, report.Linux}[d.IntN(2)]
		p.skew = d.Int64N(600_001) - 300_000
		p.delay = 0
		p.joined(at(1), true).state(at(1), report.Online)
		w.phones = append(w.phones, p)
	}
	loss := d.Float64()
	type event struct {
		when float64
		do   func()
	}
	var plan []event
	for i := range rapid.IntRange(1, 25).Draw(t, "messages") {
		m, from, when := fmt.Sprint("m", i), d.IntN(n), 10+d.Float64()*3000
		w.messages = append(w.messages, m)
		w.fates[m] = fate{}
		plan = append(plan, event{when, func() { w.phones[from].composed(at(when), m, n-1) }})
		for k, p := range w.phones {
			if k == from {
				continue
			}
			latency := []float64{1, 30, 3000, 7}[d.IntN(4)]
			if d.Float64() < loss {
				w.fates[m][p.member] = -1
				continue
			}
			w.fates[m][p.member] = latency
			plan = append(plan, event{when + latency, func() { p.received(at(when+latency), m, fmt.Sprint("p", from)) }})
		}
	}
	for len(plan) > 0 { // in order of time
		first := 0
		for i := range plan {
			if plan[i].when < plan[first].when {
				first = i
			}
		}
		plan[first].do()
		plan = append(plan[:first], plan[first+1:]...)
	}
	for _, p := range w.phones {
		w.parts = append(w.parts, w.split(d, p, complete))
	}
	return w
}

// split cuts a journal into uploads. If it is not complete, the coverage has holes.
func (w *town) split(d *rand.Rand, p *phone, complete bool) []part {
	var parts []part
	all := p.events
	from := 0
	covered := 0.0
	for from < len(all) || covered < townEnd {
		to := min(from+1+d.IntN(8), len(all))
		until := townEnd
		if to < len(all) {
			until = float64(all[to-1].At-p.skew-at(0)) / 1000
		}
		u := &report.Upload{Schema: 1, Install: p.install, Epoch: 1, Device: p.like, First: uint64(from) + 1, Last: uint64(to),
			Events: all[from:to], Clock: report.Clock{Sent: at(until+1) + p.skew}}
		if until > covered && (complete || d.IntN(3) > 0) {
			u.Coverage = []report.Span{{From: at(covered) + p.skew, To: at(until) + p.skew}}
		}
		covered = max(covered, until)
		parts = append(parts, part{u, at(until + 1)})
		from = to
	}
	return parts
}

func (w *town) list() []part {
	var out []part
	for _, parts := range w.parts {
		out = append(out, parts...)
	}
	return out
}

func townOptions() Options {
	return Options{From: at(-60), To: at(townCut), Now: at(townEnd), Baseline: &Baseline{}}
}

// truth is how many cells were received within a time.
func (w *town) truth(seconds float64) (delivered, all float64) {
	for _, f := range w.fates {
		for _, latency := range f {
			all++
			if latency >= 0 && latency <= seconds {
				delivered++
			}
		}
	}
	return delivered, all
}

func reportOf(t *rapid.T, parts []part) *Report {
	var f Facts
	for _, p := range parts {
		if err := f.Add(p.u, p.arrived); err != nil {
			t.Fatal(err)
		}
	}
	return f.Estimate(townOptions())
}

func asJSON(t *rapid.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The same uploads in any order, and any of them again, give the same report.
func TestPropertyOrderAndRepetition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := drawTown(t, rapid.Bool().Draw(t, "complete")).list()
		want := reportOf(t, parts)
		shuffled := rapid.Permutation(parts).Draw(t, "order")
		again := rapid.SliceOfN(rapid.SampledFrom(parts), 0, 10).Draw(t, "again")
		got := reportOf(t, append(shuffled, again...))
		if asJSON(t, want) != asJSON(t, got) {
			t.Fatal("the report depends on the order of the uploads")
		}
		if asJSON(t, want.Tallies) != asJSON(t, got.Tallies) {
			t.Fatal("the tallies depend on the order of the uploads")
		}
	})
}

// When everybody reports everything, the bounds are the truth.
func TestPropertyExactWhenAllReport(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTown(t, true)
		e := reportOf(t, w.list()).Find(Group{By: Everything})
		for _, m := range []Measure{Within10s, Within60s, Within24h} {
			d, all := w.truth(m.Deadline().Seconds())
			r := e.Covered[m]
			if r.Delivered != d || r.All() != all {
				t.Fatalf("%v: %v of %v delivered, want %v of %v", m, r.Delivered, r.All(), d, all)
			}
			if b := r.Bounds; b.Low != d/all || b.High != d/all {
				t.Fatalf("%v: bounds %v, want exactly %v", m, b, d/all)
			}
			if i := e.Everyone[m].Interval; !i.Has(d/all) || i.Width() > 1e-9 {
				t.Fatalf("%v: of everyone %v, want exactly %v", m, i, d/all)
			}
		}
	})
}

// With holes in the coverage the cells that are called delivered are, those called
// lost are lost, and so the bounds hold the truth. More coverage leaves no more
// unknown, and the bounds within the former ones.
func TestPropertyBoundsHoldAndShrink(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawTown(t, false)
		var previous *Estimate
		for range 4 {
			e := reportOf(t, w.list()).Find(Group{By: Everything})
			for _, m := range []Measure{Within10s, Within60s, Within24h} {
				r := e.Covered[m]
				if previous != nil && r.All() == previous.Covered[m].All() {
					q := previous.Covered[m]
					if r.Censored > q.Censored || r.Delivered < q.Delivered || r.Delivered+r.Censored > q.Delivered+q.Censored {
						t.Fatalf("%v: more coverage turned %+v into %+v", m, q.Count, r.Count)
					}
				}
				if r.Bounds.Low > r.Bounds.High {
					t.Fatalf("%v: bounds %v", m, r.Bounds)
				}
				w.check(t, m, r.Count)
			}
			previous = e
			i := rapid.IntRange(0, len(w.phones)-1).Draw(t, "who")
			k := rapid.IntRange(0, len(w.parts[i])-1).Draw(t, "which")
			w.cover(i, k)
		}
	})
}

// cover claims the time before an upload.
func (w *town) cover(i, k int) {
	from := at(0) + w.phones[i].skew
	if k > 0 {
		from = w.parts[i][k-1].u.Clock.Sent - 1000
	}
	if to := w.parts[i][k].u.Clock.Sent - 1000; to > from {
		w.parts[i][k].u.Coverage = []report.Span{{From: from, To: to}}
	}
}

// check compares counts with the truth of the cells that are counted: at least as
// many were delivered, and not more than with the censored ones.
func (w *town) check(t *rapid.T, m Measure, c Count) {
	var f Facts
	for _, p := range w.list() {
		if err := f.Add(p.u, p.arrived); err != nil {
			t.Fatal(err)
		}
	}
	delivered := 0.0
	for _, name := range w.messages {
		s, ok := f.Story("tea", name, townOptions())
		if !ok {
			continue
		}
		for _, chain := range s.Members {
			latency := w.fates[name][chain.Member]
			truly := latency >= 0 && latency <= m.Deadline().Seconds()
			if truly {
				delivered++
			}
			switch o := chain.Outcomes[m]; {
			case o == Delivered && !truly, (o == Lost || o == Undecodable) && truly:
				t.Fatalf("%s at %s, latency %v, is called %v within %v", name, chain.Member, latency, o, m)
			}
		}
	}
	if delivered < c.Delivered || delivered > c.Delivered+c.Censored {
		t.Fatalf("%v: %v were delivered, counted are %+v", m, delivered, c)
	}
}

// Tallies of halves of the time add up to those of all of it, in all counts.
func TestPropertyMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := drawTown(t, true).list()
		var f Facts
		for _, p := range parts {
			if err := f.Add(p.u, p.arrived); err != nil {
				t.Fatal(err)
			}
		}
		o := townOptions()
		whole := f.Estimate(o).Tallies.Find(Group{By: Everything})
		a, b := o, o
		a.To = at(1500)
		b.From = at(1500)
		sum := MergeTallies(f.Estimate(a).Tallies, f.Estimate(b).Tallies).Find(Group{By: Everything})
		if whole.Covered.Counts != sum.Covered.Counts || whole.Causes != sum.Causes || whole.Funnel.Composed != sum.Funnel.Composed {
			t.Fatalf("%+v, want %+v", sum.Covered.Counts, whole.Covered.Counts)
		}
		if whole.Covered.Latency.total() != sum.Covered.Latency.total() {
			t.Fatal("latencies do not add up")
		}
	})
}

// Sets of numbers and spans against bits.
func TestPropertySets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) ([]span, [64]bool) {
			var list []span
			var bits [64]bool
			for range rapid.IntRange(0, 6).Draw(t, label) {
				s := span{From: rapid.Int64Range(0, 63).Draw(t, "from"), To: rapid.Int64Range(0, 63).Draw(t, "to")}
				list = append(list, s)
				for i := s.From; i < s.To; i++ {
					bits[i] = true
				}
			}
			return list, bits
		}
		x, inX := draw("x")
		y, inY := draw("y")
		a, b := union(x), union(y)
		both, less := a.both(b), a.without(b)
		walk := walker{spans: a}
		length := int64(0)
		for i := range int64(64) {
			if a.has(i) != inX[i] || both.has(i) != (inX[i] && inY[i]) || less.has(i) != (inX[i] && !inY[i]) {
				t.Fatalf("%d is wrong in %v, %v", i, a, b)
			}
			reach := i
			for reach < 64 && inX[reach] {
				reach++
			}
			if a.reach(i) != reach || walk.reach(i) != reach {
				t.Fatalf("from %d %v reaches %d, want %d", i, a, a.reach(i), reach)
			}
			if inX[i] {
				length++
			}
		}
		if a.length() != length {
			t.Fatalf("%v has length %d, want %d", a, a.length(), length)
		}
	})
}

func TestPropertyNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var n numbers
		var bits [70]bool
		for range rapid.IntRange(0, 12).Draw(t, "ranges") {
			first := rapid.Uint64Range(0, 63).Draw(t, "first")
			last := first + rapid.Uint64Range(0, 5).Draw(t, "more")
			n.add(first, last)
			for i := first; i <= last; i++ {
				bits[i] = true
			}
		}
		count := uint64(0)
		for i, in := range bits {
			if n.has(uint64(i)) != in {
				t.Fatalf("%d in %v: %v, want %v", i, n, !in, in)
			}
			if in {
				count++
			}
		}
		for i := 1; i < len(n); i++ {
			if n[i].First <= n[i-1].Last+1 {
				t.Fatalf("%v is not in order and apart", n)
			}
		}
		if n.count() != count {
			t.Fatalf("%v has %d, want %d", n, n.count(), count)
		}
		n.add(5, ^uint64(0))
		if !n.has(^uint64(0)) || len(n) > 6 {
			t.Fatalf("%v", n)
		}
	})
}
