package estimate

import "math"

// Verdict is what a comparison shows.
type Verdict string

// The verdicts.
const (
	Better       Verdict = "better"
	Worse        Verdict = "worse"
	NoDifference Verdict = "no difference shown"
	TooLittle    Verdict = "not enough data"
)

// Comparison is how the second of two groups differs from the first.
type Comparison struct {
	Measure Measure `json:"measure"`
	From    Rate    `json:"from"`
	To      Rate    `json:"to"`
	// Difference of the estimates with its 95 % interval, from −1 to 1. It rests on
	// unknown cells being like known ones, in both. Nil where one has no estimate.
	Difference *float64 `json:"difference,omitempty"`
	Interval   Interval `json:"interval"`
	// Outer is where the difference lies whatever is assumed of unknown cells.
	Outer   Interval `json:"outer"`
	Verdict Verdict  `json:"verdict"`
}

const (
	// compareEffective is how many effective cells both sides need.
	compareEffective = 100
	// wideInterval is how uncertain a difference may be and still show that there is
	// none, as half of its interval.
	wideInterval = 0.02
)

// Compare tells how a second group does better or worse than a first, which must
// not have cells in common: two protocols, for example.
func Compare(first, second *Tally, m Measure) Comparison {
	a := first.Covered.rate(m, first.Hidden[m], first.drawn(m, false))
	b := second.Covered.rate(m, second.Hidden[m], second.drawn(m, false))
	c := Comparison{Measure: m, From: a, To: b, Interval: Interval{-1, 1}, Verdict: TooLittle,
		Outer: Interval{b.Interval.Low - a.Interval.High, b.Interval.High - a.Interval.Low}}
	if a.Estimate == nil || b.Estimate == nil || min(a.Effective, b.Effective) < compareEffective {
		return c
	}
	d, low, high := Newcombe(*a.Estimate, a.EstimateInterval, *b.Estimate, b.EstimateInterval)
	c.Difference, c.Interval = &d, Interval{low, high}
	switch {
	case low > 0:
		c.Verdict = Better
	case high < 0:
		c.Verdict = Worse
	case c.Interval.Width()/2 <= wideInterval:
		c.Verdict = NoDifference
	default:
		c.Difference = nil
	}
	return c
}

// CellsToTell is how many effective cells each of two groups needs so that a true
// difference of their shares is found in 80 % of cases, at 5 %.
func CellsToTell(p1, p2 float64) float64 {
	const power80 = 0.8416212335729143
	if p1 == p2 {
		return math.Inf(1)
	}
	z := normal95 + power80
	return z * z * (p1*(1-p1) + p2*(1-p2)) / ((p1 - p2) * (p1 - p2))
}
