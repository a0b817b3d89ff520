package collector

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/telemetry/estimate"
)

// maxRange is how many days a query may be about.
const maxRange = 366

// How much the reader remembers.
const (
	maxDaysKept  = 120
	maxViewsKept = 16
)

// reader answers queries from what the estimator left in the archive. Days change
// seldom, so that what was read of one is kept while it has the same revision.
type reader struct {
	opts   *Options
	meters *meters

	mu    sync.Mutex
	days  map[archive.Day]*dayView
	views map[viewKey]*view
}

func newReader(o *Options, m *meters) *reader {
	return &reader{opts: o, meters: m, days: map[archive.Day]*dayView{}, views: map[viewKey]*view{}}
}

// dayView is a day as it was read.
type dayView struct {
	archive.DayRow
	tallies   estimate.Tallies
	estimates []estimate.Estimate
	trust     estimate.Trust
	legacy    legacyNote
}

type viewKey struct {
	first, last archive.Day
	revisions   string
}

// view is some days together.
type view struct {
	first, last archive.Day
	days        []*dayView
	tallies     estimate.Tallies
	estimates   []estimate.Estimate // of all days together, but for those by hour and day
	provisional bool
}

// view returns what is known of some days. It is shared: nobody may change it.
func (r *reader) view(ctx context.Context, first, last archive.Day) (*view, error) {
	revisions, err := r.opts.Archive.DayRevisions(ctx, first, last)
	if err != nil {
		return nil, err
	}
	key := viewKey{first, last, ""}
	for _, d := range slices.Sorted(maps.Keys(revisions)) {
		key.revisions += fmt.Sprint(d, ":", revisions[d], " ")
	}
	r.mu.Lock()
	v := r.views[key]
	r.mu.Unlock()
	if v != nil {
		return v, nil
	}
	v = &view{first: first, last: last}
	for _, d := range slices.Sorted(maps.Keys(revisions)) {
		day, err := r.day(ctx, d, revisions[d])
		if err != nil {
			return nil, err
		}
		if day != nil {
			v.days = append(v.days, day)
		}
	}
	v.sum(r.opts.Now().UnixMilli())
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.views) >= maxViewsKept {
		clear(r.views)
	}
	r.views[key] = v
	return v, nil
}

// day returns one of at least some revision.
func (r *reader) day(ctx context.Context, d archive.Day, revision int64) (*dayView, error) {
	r.mu.Lock()
	have := r.days[d]
	r.mu.Unlock()
	if have != nil && have.Revision >= revision {
		return have, nil
	}
	rows, err := r.opts.Archive.Days(ctx, d, d)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	day := &dayView{DayRow: rows[0]}
	c, err := unpackContent(day.Tallies)
	if err != nil {
		return nil, err
	}
	day.tallies, day.Tallies = c.Tallies, nil
	for _, f := range []struct {
		text json.RawMessage
		to   any
	}{{day.Estimates, &day.estimates}, {day.Trust, &day.trust}, {day.Legacy, &day.legacy}} {
		if err := json.Unmarshal(f.text, f.to); err != nil {
			return nil, fmt.Errorf("collector: %s: %w", d, err)
		}
	}
	day.Estimates = nil
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.days) >= maxDaysKept {
		clear(r.days)
	}
	r.days[d] = day
	return day, nil
}

// sum adds up the days.
func (v *view) sum(now int64) {
	var parts []estimate.Tallies
	for _, d := range v.days {
		v.provisional = v.provisional || d.Provisional
		parts = append(parts, slices.DeleteFunc(slices.Clone(d.tallies), func(t *estimate.Tally) bool { return t.By == estimate.ByHour || t.By == estimate.ByDay }))
	}
	if len(v.days) == 1 {
		v.tallies = parts[0]
		for _, e := range v.days[0].estimates {
			if e.By != estimate.ByHour && e.By != estimate.ByDay {
				v.estimates = append(v.estimates, e)
			}
		}
		return
	}
	v.tallies = estimate.MergeTallies(parts...)
	for _, t := range v.tallies {
		v.estimates = append(v.estimates, finite(t.Estimate(v.last.End(), now, estimate.DefaultHorizon)))
	}
}

// by lists the estimates of a dimension.
func (v *view) by(d estimate.Dimension) (out []*estimate.Estimate) {
	for i := range v.estimates {
		if v.estimates[i].By == d {
			out = append(out, &v.estimates[i])
		}
	}
	return out
}

// all is the estimate of everything, nil if there is none.
func (v *view) all() *estimate.Estimate {
	if list := v.by(estimate.Everything); len(list) > 0 {
		return list[0]
	}
	return nil
}

// steps lists the estimates by hour or by day, in order of time.
func (v *view) steps(d estimate.Dimension) (out []*estimate.Estimate) {
	for _, day := range v.days {
		for i := range day.estimates {
			if day.estimates[i].By == d {
				out = append(out, &day.estimates[i])
			}
		}
	}
	return out
}

// legacy is what the old service would have said, by hour or by day, where a day has
// the mean of its hours.
func (v *view) legacy(d estimate.Dimension) map[string]float64 {
	out := map[string]float64{}
	for _, day := range v.days {
		if d == estimate.ByHour {
			maps.Copy(out, day.legacy.Hours)
			continue
		}
		sum := 0.0
		for _, r := range day.legacy.Hours {
			sum += r
		}
		if n := len(day.legacy.Hours); n > 0 {
			out[day.Day.String()] = sum / float64(n)
		}
	}
	return out
}

// live is what is known of now, nil if nothing is yet.
func (r *reader) live(ctx context.Context) (*liveNote, error) {
	text, err := r.opts.Archive.Note(ctx, noteLive)
	if err != nil || text == "" {
		return nil, err
	}
	note := &liveNote{}
	if err := json.Unmarshal([]byte(text), note); err != nil {
		return nil, fmt.Errorf("collector: %w", err)
	}
	return note, nil
}

// incidents are those of a window, the latest first.
func (r *reader) incidents(ctx context.Context, from, to int64) ([]estimate.Incident, error) {
	rows, err := r.opts.Archive.Incidents(ctx, from, to, maxIncidents)
	if err != nil {
		return nil, err
	}
	out := make([]estimate.Incident, len(rows))
	for i, row := range rows {
		if err := json.Unmarshal(row.Body, &out[i]); err != nil {
			return nil, fmt.Errorf("collector: %w", err)
		}
	}
	return out, nil
}

const maxIncidents = 200
