package estimate

import (
	"math"
	"math/rand/v2"
	"testing"
)

// matrix is cells by member and author, to be counted and to be drawn from.
type matrix struct {
	members, senders int
	cells            [][]Outcome // by member, then sender
}

func (x *matrix) row() *Row {
	var r Row
	member, sender := make([]sums3, x.members), make([]sums3, x.senders)
	for i, line := range x.cells {
		for k, o := range line {
			var v [3]float64
			v[0] = 1
			if o == Delivered {
				v[1] = 1
			}
			if o == Censored {
				v[2] = 1
			}
			r.Counts[Within60s].add(o, 1)
			r.ByCell[Within60s].add(v[0], v[1], v[2])
			member[i].add(v)
			sender[k].add(v)
		}
	}
	for _, s := range member {
		r.ByMember[Within60s].add(s[0], s[1], s[2])
	}
	for _, s := range sender {
		r.BySender[Within60s].add(s[0], s[1], s[2])
	}
	return &r
}

type sums3 [3]float64

func (s *sums3) add(v [3]float64) {
	for i := range s {
		s[i] += v[i]
	}
}

// draw makes cells with effects of members and of senders.
func draw(d *rand.Rand, members, senders int, p, memberEffect, senderEffect float64) *matrix {
	x := &matrix{members: members, senders: senders}
	byMember, bySender := make([]float64, members), make([]float64, senders)
	for i := range byMember {
		byMember[i] = memberEffect * d.NormFloat64()
	}
	for k := range bySender {
		bySender[k] = senderEffect * d.NormFloat64()
	}
	logit := math.Log(p / (1 - p))
	for i := range members {
		line := make([]Outcome, senders)
		for k := range senders {
			line[k] = Lost
			if d.Float64() < 1/(1+math.Exp(-(logit+byMember[i]+bySender[k]))) {
				line[k] = Delivered
			}
		}
		x.cells = append(x.cells, line)
	}
	return x
}

// bootstrap is the pigeonhole bootstrap (A. B. Owen, 2007): members and senders are
// drawn anew, independently, and a cell counts as often as both.
func (x *matrix) bootstrap(d *rand.Rand, runs int) float64 {
	sum, squares := 0.0, 0.0
	for range runs {
		member, sender := make([]float64, x.members), make([]float64, x.senders)
		for range x.members {
			member[d.IntN(x.members)]++
		}
		for range x.senders {
			sender[d.IntN(x.senders)]++
		}
		got, all := 0.0, 0.0
		for i, line := range x.cells {
			for k, o := range line {
				w := member[i] * sender[k]
				all += w
				if o == Delivered {
					got += w
				}
			}
		}
		sum += got / all
		squares += got / all * got / all
	}
	mean := sum / float64(runs)
	return squares/float64(runs) - mean*mean
}

// The variance by sums over clusters is that of the pigeonhole bootstrap, which is
// known to count what belongs to single cells three times.
func TestClusteredVarianceAgainstBootstrap(t *testing.T) {
	d := rand.New(rand.NewPCG(5, 6))
	for _, c := range []struct{ member, sender float64 }{{1, 0}, {0, 1}, {1, 1}} {
		x := draw(d, 30, 60, 0.8, c.member, c.sender)
		r := x.row()
		count := r.Counts[Within60s]
		p, n := count.Delivered/count.All(), count.All()
		single := r.ByCell[Within60s].square(-p, 1, 0) / (n * n)
		got, want := r.variance(Within60s, [3]float64{-p, 1, 0}, n, drawn{cells: n}), x.bootstrap(d, 1500)-2*single
		if ratio := got / want; ratio < 0.8 || ratio > 1.25 {
			t.Errorf("effects %+v: variance %.3g, the bootstrap says %.3g", c, got, want)
		}
		if design := n / r.effective(Within60s, p, [3]float64{-p, 1, 0}, n, drawn{cells: n}); design < 3 {
			t.Errorf("effects %+v: design effect %.2f, want much more than 1", c, design)
		}
	}
}

// Cells that do not hang together have a design effect of 1, and clusters that are
// all alike one of their size (Kish).
func TestDesignEffect(t *testing.T) {
	d := rand.New(rand.NewPCG(7, 8))
	x := draw(d, 40, 200, 0.7, 0, 0)
	r := x.row()
	p, n := r.Counts[Within60s].Delivered/8000, 8000.0
	if e := r.effective(Within60s, p, [3]float64{-p, 1, 0}, n, drawn{cells: n}); n/e > 1.5 {
		t.Errorf("independent cells: design effect %.2f, want about 1", n/e)
	}
	for i := range x.cells { // each member gets all or nothing
		for k := range x.cells[i] {
			x.cells[i][k] = Lost
			if i%2 == 0 {
				x.cells[i][k] = Delivered
			}
		}
	}
	r = x.row()
	// 40 clusters, whose variance is known as well as Student's t with 39 degrees.
	alike := 200 * 40.0 / 39 * math.Pow(2.0227/1.96, 2)
	e := r.effective(Within60s, 0.5, [3]float64{-0.5, 1, 0}, n, drawn{cells: n})
	near(t, "design effect", n/e, alike, 1)
	// Half of the members were seen: half of the variance is left.
	e = r.effective(Within60s, 0.5, [3]float64{-0.5, 1, 0}, n, drawn{cells: n, members: 0.5})
	near(t, "of a finite number", n/e, alike/2, 1)
	// All were seen: none is.
	if e := r.effective(Within60s, 0.5, [3]float64{-0.5, 1, 0}, n, drawn{n, 1, 1}); !math.IsInf(e, 1) {
		t.Errorf("with everything seen %v effective cells, want no limit", e)
	}
}

// The interval covers the rate that the cells were drawn with, members and senders
// differing, in 95 % of cases or nearly.
func TestIntervalCovers(t *testing.T) {
	d := rand.New(rand.NewPCG(9, 10))
	hits, runs := 0, 300
	truth := 0.0 // mean over effects
	for range 200_000 {
		truth += 1 / (1 + math.Exp(-(math.Log(0.9/0.1) + math.Hypot(0.7, 0.7)*d.NormFloat64()))) / 200_000
	}
	for range runs {
		r := draw(d, 40, 60, 0.9, 0.7, 0.7).row()
		if r.rate(Within60s, 0, drawn{cells: 2400}).Interval.Has(truth) {
			hits++
		}
	}
	if hits < runs*92/100 {
		t.Errorf("%d of %d intervals have the truth", hits, runs)
	}
}

// Where nothing failed, the interval still allows for failures: a few members are
// no proof for all.
func TestNoFailures(t *testing.T) {
	x := draw(rand.New(rand.NewPCG(1, 1)), 10, 100, 0.5, 0, 0)
	for i := range x.cells {
		for k := range x.cells[i] {
			x.cells[i][k] = Delivered
		}
	}
	r := x.row().rate(Within60s, 0, drawn{cells: 1000})
	if r.Bounds != (Interval{1, 1}) {
		t.Errorf("bounds %v, want 1", r.Bounds)
	}
	// Kish: 1 + 0.05 × (99 + 9) = 6.4, of 1,000 cells.
	near(t, "effective", r.Effective, 1000/6.4, 0.01)
	near(t, "low", r.Interval.Low, math.Pow(0.025, 6.4/1000), 1e-6)
	if r.Estimate == nil || *r.Estimate != 1 {
		t.Errorf("estimate %v, want 1", r.Estimate)
	}
}

// §3.4: no point estimate where too much is unknown, or too little was seen.
func TestNoPointEstimate(t *testing.T) {
	cells := func(delivered, lost, censored int) *Row {
		x := &matrix{members: delivered + lost + censored, senders: 1}
		for i := range x.members {
			o := Delivered
			if i >= delivered {
				o = Lost
			}
			if i >= delivered+lost {
				o = Censored
			}
			x.cells = append(x.cells, []Outcome{o})
		}
		return x.row()
	}
	for _, c := range []struct {
		delivered, lost, censored int
		silent, hidden            float64
		why                       string
	}{
		{0, 0, 0, 0, 0, NoCells},
		{0, 0, 10, 0, 0, MuchHidden},
		{5, 5, 0, 0, 0, NotEnough},
		{300, 300, 149, 0, 0, ""},
		{300, 300, 151, 0, 0, MuchHidden},
		{300, 300, 0, 151, 0, MuchHidden},
		{300, 300, 40, 0, 14, InSilence},
		{300, 300, 40, 0, 12, ""},
		{300, 300, 0, 14, 0, InSilence},
		{300, 300, 0, 12, 0, ""},
	} {
		r := cells(c.delivered, c.lost, c.censored)
		r.Silent = Moments{c.silent, c.silent}
		got := r.rate(Within60s, c.hidden, drawn{cells: float64(c.delivered + c.lost + c.censored)})
		if got.Why != c.why || (got.Estimate == nil) != (c.why != "") {
			t.Errorf("%+v: %q, %v", c, got.Why, got.Estimate)
		}
	}
}

// The lower bound takes all that is unknown for lost, the upper for delivered.
func TestBounds(t *testing.T) {
	var r Row
	r.Counts[Within60s] = Count{Delivered: 60, Lost: 20, Censored: 15, Undecodable: 5}
	got := r.rate(Within60s, 0, drawn{cells: 100})
	near(t, "low", got.Bounds.Low, 0.60, 1e-12)
	near(t, "high", got.Bounds.High, 0.75, 1e-12)
	near(t, "unknown", got.Unknown, 0.15, 1e-12)
	r.Silent = Moments{Mean: 10, Variance: 20}
	got = r.rate(Within60s, 0, drawn{cells: 100})
	high := r.Silent.high()
	near(t, "low", got.Bounds.Low, 60/(100+high), 1e-12)
	near(t, "high", got.Bounds.High, (75+high)/(100+high), 1e-12)
	if high < 21 || high > 25 {
		t.Errorf("%v of 10 ± 4.5 expected cells, want about 23", high)
	}
}

// §3.8: what is too little says so.
func TestCompare(t *testing.T) {
	group := func(d *rand.Rand, p float64, members, senders int) *Tally {
		x := draw(d, members, senders, p, 0, 0)
		return &Tally{Covered: *x.row()}
	}
	d := rand.New(rand.NewPCG(11, 12))
	for _, c := range []struct {
		first, second *Tally
		want          Verdict
	}{
		{group(d, 0.95, 40, 100), group(d, 0.97, 40, 100), Better},
		{group(d, 0.97, 40, 100), group(d, 0.95, 40, 100), Worse},
		{group(d, 0.95, 40, 100), group(d, 0.95, 40, 100), NoDifference},
		{group(d, 0.95, 5, 10), group(d, 0.97, 5, 10), TooLittle},
		{group(d, 0.3, 8, 9), group(d, 0.9, 8, 9), TooLittle}, // a large difference of too few
		{&Tally{}, &Tally{}, TooLittle},
	} {
		got := Compare(c.first, c.second, Within60s)
		if got.Verdict != c.want || (got.Difference == nil) != (c.want == TooLittle) {
			t.Errorf("%+v, want %s", got, c.want)
		}
		if got.Difference != nil && (!got.Interval.Has(*got.Difference) || got.Outer.Low > *got.Difference || got.Outer.High < *got.Difference) {
			t.Errorf("%v is not in %v and %v", *got.Difference, got.Interval, got.Outer)
		}
	}
}

// Of everyone, the interval leaves room for members of a sort that no reporter is.
func TestHiddenMembers(t *testing.T) {
	x := &matrix{members: 12, senders: 400}
	for range x.members {
		line := make([]Outcome, 400)
		for k := range line {
			line[k] = Delivered
		}
		x.cells = append(x.cells, line)
	}
	i := x.row().rate(Within60s, 0, drawn{4800, 12.0 / 30, 12.0 / 30}).Interval
	// Drawing 12 of 30 misses all of 6 with 3 %, and all of 7 with 1.6 %.
	if i.Low > 1-6.0/30 || i.Low < 1-8.0/30 || i.High != 1 {
		t.Errorf("12 of 30 members got everything: %v, want to leave room for about 6 others", i)
	}
	if i := x.row().rate(Within60s, 0, drawn{4800, 1, 1}).Interval; i != (Interval{1, 1}) {
		t.Errorf("all members got everything: %v", i)
	}
}
