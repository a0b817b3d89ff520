package prove

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/causeway-im/causeway/telemetry/estimate"
	"github.com/causeway-im/causeway/telemetry/estimate/legacy"
)

// Line is what one seed of a scenario shows for one measure.
type Line struct {
	Truth, Everyone float64 // of reporters, of everyone
	Covered, All    estimate.Rate
	Old             float64
	OldKnown        bool
}

// seen is one seed: a line for each measure, and the comparison of protocols.
type seen struct {
	lines     map[estimate.Measure]Line
	verdict   estimate.Verdict
	incidents []estimate.Incident
}

// Shown are the measures that are compared with the truth.
var Shown = []estimate.Measure{estimate.Within60s, estimate.Within24h}

// play runs one seed.
func play(s Scenario, seed uint64) (seen, error) {
	w, err := newTown(s, seed)
	if err != nil {
		return seen{}, err
	}
	now := s.Seen
	if now == 0 {
		now = ending
	}
	uploads := slices.DeleteFunc(w.uploads(), func(u upload) bool { return u.arrived > now })
	var f estimate.Facts
	for _, u := range uploads {
		if err := f.Add(u.Upload, u.arrived); err != nil {
			return seen{}, err
		}
	}
	if s.Collector {
		f.Gap(dropFrom, dropTo)
	}
	r := f.Estimate(estimate.Options{From: from, To: to, Now: now})
	e := r.Find(estimate.Group{By: estimate.Everything})
	old, known := old(uploads, now)
	out := seen{lines: map[estimate.Measure]Line{}, incidents: r.Incidents}
	for _, m := range Shown {
		within := m.Deadline().Milliseconds()
		out.lines[m] = Line{w.truth(within, now, false), w.truth(within, now, true), e.Covered[m], e.Everyone[m], old, known}
	}
	if s.Protocols {
		first := r.Tallies.Find(estimate.Group{By: estimate.ByProtocol, Value: "sds"})
		second := r.Tallies.Find(estimate.Group{By: estimate.ByProtocol, Value: "causeway 1"})
		out.verdict = estimate.Compare(first, second, estimate.Within60s).Verdict
	}
	return out, nil
}

// old is what the old service would have said of the two hours, as the mean of its
// runs over them: each an hour after the hour that it is about.
func old(uploads []upload, now int64) (float64, bool) {
	list := make([]legacy.Upload, len(uploads))
	for i, u := range uploads {
		list[i] = legacy.Upload{Upload: u.Upload, Arrived: u.arrived}
	}
	slices.SortStableFunc(list, func(a, b legacy.Upload) int { return cmp.Compare(a.Arrived, b.Arrived) })
	rows := legacy.Rows(list)
	sum, n := 0.0, 0
	for run := from + 2*hour; run <= to+hour && run <= now; run += hour {
		if r := legacy.Aggregate(rows, run/1000, legacy.Hour); len(r.Chats) > 0 {
			sum, n = sum+r.Global, n+1
		}
	}
	return sum / float64(max(n, 1)), n > 0
}

// Result sums up the seeds of a scenario for one measure.
type Result struct {
	Scenario string           `json:"scenario"`
	Measure  estimate.Measure `json:"measure"`
	Seeds    int              `json:"seeds"`
	// Of reporters: the mean truth, bounds, point estimate and how many seeds had one.
	Truth     float64           `json:"truth"`
	Bounds    estimate.Interval `json:"bounds"`
	Estimate  float64           `json:"estimate"`
	Estimated int               `json:"estimated"`
	Old       float64           `json:"old"`
	OldKnown  int               `json:"oldKnown"`
	// Covers is the share of seeds whose bounds hold the truth, Above that of those
	// whose lower bound is above it; Width is that of the bounds and Unknown the share
	// of unknown cells, both on average.
	Covers  float64 `json:"covers"`
	Above   float64 `json:"above"`
	Width   float64 `json:"width"`
	Unknown float64 `json:"unknown"`
	// Of everyone, with the interval around the bounds.
	AllTruth    float64           `json:"allTruth"`
	AllInterval estimate.Interval `json:"allInterval"`
	AllCovers   float64           `json:"allCovers"`
	AllAbove    float64           `json:"allAbove"`
	AllWidth    float64           `json:"allWidth"`
	AllUnknown  float64           `json:"allUnknown"`
	// Better and Worse are how often that was the verdict on the second protocol.
	Better float64 `json:"better"`
	Worse  float64 `json:"worse"`
	// Named is how often the drop was found, at its time and as one of everybody.
	Named float64 `json:"named"`
}

// hair is what rounding may do.
const hair = 1e-9

func (r *Result) add(l Line) {
	n := float64(r.Seeds)
	one := func(yes bool) float64 {
		if yes {
			return 1 / n
		}
		return 0
	}
	b, i := l.Covered.Bounds, l.All.Interval
	r.Truth += l.Truth / n
	r.Bounds.Low += b.Low / n
	r.Bounds.High += b.High / n
	r.Width += b.Width() / n
	r.Unknown += l.Covered.Unknown / n
	r.Covers += one(b.Low <= l.Truth+hair && l.Truth <= b.High+hair)
	r.Above += one(b.Low > l.Truth+hair)
	if p := l.Covered.Estimate; p != nil {
		r.Estimate += *p
		r.Estimated++
	}
	if l.OldKnown {
		r.Old += l.Old
		r.OldKnown++
	}
	r.AllTruth += l.Everyone / n
	r.AllInterval.Low += i.Low / n
	r.AllInterval.High += i.High / n
	r.AllWidth += i.Width() / n
	r.AllUnknown += l.All.Unknown / n
	r.AllCovers += one(i.Low <= l.Everyone+hair && l.Everyone <= i.High+hair)
	r.AllAbove += one(i.Low > l.Everyone+hair)
}

// Run plays seeds of a scenario and sums up, a result for each measure. All
// processors work on it; the result does not depend on how many there are.
func Run(ctx context.Context, s Scenario, seeds int, first uint64) ([]Result, error) {
	all := make([]seen, seeds)
	errs := make([]error, seeds)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), seeds) {
		wg.Go(func() {
			for k := next.Add(1) - 1; k < int64(seeds) && ctx.Err() == nil; k = next.Add(1) - 1 {
				all[k], errs[k] = play(s, first+uint64(k))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return nil, fmt.Errorf("prove: %s: %w", s.Name, err)
	}
	return sum(s, all), nil
}

// sum sums up seeds, in their order.
func sum(s Scenario, all []seen) []Result {
	results := make([]Result, len(Shown))
	for i, m := range Shown {
		r := &results[i]
		*r = Result{Scenario: s.Name, Measure: m, Seeds: len(all)}
		for _, got := range all {
			r.add(got.lines[m])
			if slices.ContainsFunc(got.incidents, names) {
				r.Named += 1 / float64(len(all))
			}
			switch got.verdict {
			case estimate.Better:
				r.Better += 1 / float64(len(all))
			case estimate.Worse:
				r.Worse += 1 / float64(len(all))
			}
		}
		r.Estimate /= float64(max(r.Estimated, 1))
		r.Old /= float64(max(r.OldKnown, 1))
	}
	return results
}

// names tells whether an incident is the drop.
func names(in estimate.Incident) bool {
	const loose = 4 * minute
	begins := in.From > dropFrom-loose && in.From < dropFrom+loose
	ends := in.Open || in.To > dropTo-loose && in.To < dropTo+loose
	return in.Scope == estimate.Everybody && begins && ends
}
