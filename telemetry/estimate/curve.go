package estimate

import (
	"math"
	"slices"
)

// Step is what happened at one time of a curve, in milliseconds: so many cases had
// what they waited for, and so many went out of sight without it.
type Step struct {
	At       int64
	Happened float64
	Censored float64
}

// Point is one of a curve: at At milliseconds this share had happened, with its
// 95 % interval.
type Point struct {
	At    int64   `json:"at"`
	Share float64 `json:"share"`
	Interval
	// AtRisk is how many cases were still waiting and in sight before.
	AtRisk float64 `json:"atRisk"`
	// Censored is how many went out of sight since the point before.
	Censored float64 `json:"censored"`
}

// KaplanMeier estimates the share of the cases that has happened by each time, from
// steps in order of time. A case that went out of sight counts as long as it was
// seen; of one time, those that happened come first. The interval is Greenwood's on
// the scale log(−log); design is the design effect by which the variance is larger
// than that of independent cases, at least 1.
//
// It rests on one assumption: what goes out of sight does not do so because of what
// would have happened. A closed application is of that sort, an outage is not.
func KaplanMeier(steps []Step, design float64) []Point {
	atRisk := 0.0
	for _, s := range steps {
		atRisk += s.Happened + s.Censored
	}
	var curve []Point
	waiting, greenwood := 1.0, 0.0
	for _, s := range steps {
		if s.Happened == 0 && s.Censored == 0 {
			continue
		}
		if s.Happened > 0 {
			waiting *= 1 - s.Happened/atRisk
			if atRisk > s.Happened {
				greenwood += s.Happened / (atRisk * (atRisk - s.Happened))
			} else {
				waiting = 0 // exactly
			}
		}
		p := Point{At: s.At, Share: 1 - waiting, Interval: logLog(waiting, greenwood*max(design, 1)), AtRisk: atRisk, Censored: s.Censored}
		if waiting == 0 && len(curve) > 0 { // there is no variance any more
			p.Low = curve[len(curve)-1].Low
		}
		curve = append(curve, p)
		atRisk -= s.Happened + s.Censored
	}
	return curve
}

// logLog is the interval of 1 − waiting.
func logLog(waiting, greenwood float64) Interval {
	if waiting <= 0 {
		return Interval{0, 1}
	}
	if waiting >= 1 {
		return Interval{0, 0}
	}
	half := normal95 * math.Sqrt(greenwood) / math.Abs(math.Log(waiting))
	return Interval{1 - math.Pow(waiting, math.Exp(-half)), 1 - math.Pow(waiting, math.Exp(half))}
}

// At returns the share that had happened by a time.
func shareAt(curve []Point, at int64) float64 {
	i, found := slices.BinarySearchFunc(curve, at, func(p Point, at int64) int { return compare(p.At, at) })
	if !found {
		i--
	}
	if i < 0 {
		return 0
	}
	return curve[i].Share
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Quantile returns the time by which a share of all cases had happened, and whether
// the curve reaches it.
func quantile(curve []Point, share float64) (int64, bool) {
	for _, p := range curve {
		if p.Share >= share {
			return p.At, true
		}
	}
	return 0, false
}

// Histogram counts waiting times on a grid that is 5 % wide, from 1 ms to 30 days;
// each counts with the end of its cell, so that times are rounded up. The deadlines
// of the measures are on the grid. The zero value is empty.
type Histogram struct {
	Happened []float64 `json:"happened,omitempty"`
	Censored []float64 `json:"censored,omitempty"`
}

// grid holds the ends of the cells.
var grid = func() []int64 {
	const day = 24 * 3600 * 1000
	ends := []int64{0}
	for at := 1.0; at < 30*day; at = max(at*1.05, at+1) {
		ends = append(ends, int64(at))
	}
	ends = append(ends, deadlines[:]...)
	slices.Sort(ends)
	return append(slices.Compact(ends), 30*day)
}()

// cellOf finds the cell of a waiting time.
func cellOf(t int64) int {
	i, _ := slices.BinarySearch(grid, t)
	return min(i, len(grid)-1)
}

func (h *Histogram) add(list *[]float64, cell int, weight float64) {
	if len(*list) <= cell {
		*list = append(*list, make([]float64, cell+1-len(*list))...)
	}
	(*list)[cell] += weight
}

func (h *Histogram) happened(t int64, weight float64) { h.add(&h.Happened, cellOf(t), weight) }

// censored counts a time in the cell that it has passed: rounded down.
func (h *Histogram) censored(t int64, weight float64) { h.add(&h.Censored, cellBefore(t), weight) }

// cellBefore finds the last cell that a waiting time has passed.
func cellBefore(t int64) int {
	cell := cellOf(t)
	if grid[cell] > t {
		cell--
	}
	return max(cell, 0)
}

// merge adds the counts of another.
func (h *Histogram) merge(o *Histogram) {
	for cell, n := range o.Happened {
		h.add(&h.Happened, cell, n)
	}
	for cell, n := range o.Censored {
		h.add(&h.Censored, cell, n)
	}
}

func (h *Histogram) steps() []Step {
	var steps []Step
	for cell, at := range grid {
		s := Step{At: at}
		if cell < len(h.Happened) {
			s.Happened = h.Happened[cell]
		}
		if cell < len(h.Censored) {
			s.Censored = h.Censored[cell]
		}
		if s.Happened > 0 || s.Censored > 0 {
			steps = append(steps, s)
		}
	}
	return steps
}

func (h *Histogram) total() float64 {
	n := 0.0
	for _, v := range h.Happened {
		n += v
	}
	for _, v := range h.Censored {
		n += v
	}
	return n
}
