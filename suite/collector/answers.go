package collector

import (
	"context"
	"net/http"

	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/telemetry/estimate"
	"github.com/causeway-im/causeway/telemetry/report"
)

// ranged is what an answer about days begins with.
type ranged struct {
	From archive.DayName `json:"from"`
	To   archive.DayName `json:"to"`
	// Now is the moment of the answer.
	Now int64 `json:"now"`
}

func (p *params) ranged(first, last archive.Day) ranged {
	return ranged{first.Name(), last.Name(), p.now.UnixMilli()}
}

// estimates is GET /v1/estimates: the days together, by a dimension.
func (s *Service) estimates(ctx context.Context, p *params) (any, error) {
	first, last := p.days()
	by := oneOf(p, "by", dimensions...)
	points := oneOf(p, "curves", "no", "yes") == "yes"
	if p.err != nil {
		return nil, nil
	}
	v, err := s.reader.view(ctx, first, last)
	if err != nil {
		return nil, err
	}
	list := []estimate.Estimate{}
	for _, e := range v.by(by) {
		copied := *e
		if !points {
			copied.Latency.Points, copied.Ack.Points, copied.Repair.Points = nil, nil, nil
		}
		list = append(list, copied)
	}
	return struct {
		ranged
		Provisional bool                `json:"provisional"`
		Estimates   []estimate.Estimate `json:"estimates"`
	}{p.ranged(first, last), v.provisional, list}, nil
}

// point is one of a series.
type point struct {
	At      string            `json:"at"` // hour or day
	Bounds  estimate.Interval `json:"bounds"`
	Outer   estimate.Interval `json:"interval"`
	Value   *float64          `json:"estimate"`
	Why     string            `json:"why,omitempty"`
	Cells   float64           `json:"cells"`
	Silent  float64           `json:"silent"` // cells of messages that were perhaps written in silence
	Unknown float64           `json:"unknown"`
	Legacy  *float64          `json:"legacy"`
}

func points(v *view, step estimate.Dimension, m estimate.Measure, everyone bool) []point {
	legacy := v.legacy(step)
	out := []point{}
	for _, e := range v.steps(step) {
		r := rateOf(e, m, everyone)
		x := point{At: e.Value, Bounds: r.Bounds, Outer: r.Interval, Value: r.Estimate, Why: r.Why, Cells: r.Count.All(), Silent: r.Silent.Mean, Unknown: r.Unknown}
		if l, ok := legacy[e.Value]; ok {
			x.Legacy = &l
		}
		out = append(out, x)
	}
	return out
}

func rateOf(e *estimate.Estimate, m estimate.Measure, everyone bool) estimate.Rate {
	if everyone {
		return e.Everyone[m]
	}
	return e.Covered[m]
}

// series is GET /v1/series: a measure over time.
func (s *Service) series(ctx context.Context, p *params) (any, error) {
	first, last := p.days()
	m := p.measure()
	step := oneOf(p, "step", estimate.ByHour, estimate.ByDay)
	row := oneOf(p, "row", "covered", "everyone")
	if p.err != nil {
		return nil, nil
	}
	v, err := s.reader.view(ctx, first, last)
	if err != nil {
		return nil, err
	}
	return struct {
		ranged
		Measure estimate.Measure `json:"measure"`
		Points  []point          `json:"points"`
	}{p.ranged(first, last), m, points(v, step, m, row == "everyone")}, nil
}

// compare is GET /v1/compare: how one group does against another.
func (s *Service) compare(ctx context.Context, p *params) (any, error) {
	first, last := p.days()
	m := p.measure()
	by := oneOf(p, "by", append([]estimate.Dimension{estimate.ByProtocol}, dimensions...)...)
	if p.err != nil {
		return nil, nil
	}
	v, err := s.reader.view(ctx, first, last)
	if err != nil {
		return nil, err
	}
	a, b := v.tallies.Find(estimate.Group{By: by, Value: p.text("a")}), v.tallies.Find(estimate.Group{By: by, Value: p.text("b")})
	if a == nil || b == nil || a == b {
		return nil, fail(http.StatusNotFound, "a and b must be two groups that have data")
	}
	c := estimate.Compare(a, b, m)
	c.From.Effective, c.To.Effective = min(c.From.Effective, mostEffective), min(c.To.Effective, mostEffective)
	return struct {
		ranged
		By         estimate.Dimension  `json:"by"`
		A          string              `json:"a"`
		B          string              `json:"b"`
		Comparison estimate.Comparison `json:"comparison"`
	}{p.ranged(first, last), by, p.text("a"), p.text("b"), c}, nil
}

// incidentList is GET /v1/incidents.
func (s *Service) incidentList(ctx context.Context, p *params) (any, error) {
	first, last := p.days()
	if p.err != nil {
		return nil, nil
	}
	list, err := s.reader.incidents(ctx, first.Start(), last.End())
	return struct {
		ranged
		Incidents []estimate.Incident `json:"incidents"`
	}{p.ranged(first, last), list}, err
}

// gapList is GET /v1/gaps.
func (s *Service) gapList(ctx context.Context, p *params) (any, error) {
	first, last := p.days()
	if p.err != nil {
		return nil, nil
	}
	list, err := s.opts.Archive.Gaps(ctx, first.Start(), last.End())
	return struct {
		ranged
		Gaps []report.Span `json:"gaps"`
	}{p.ranged(first, last), orEmpty(list)}, err
}

// orEmpty makes an empty list of none.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// liveState is GET /v1/live.
func (s *Service) liveState(ctx context.Context, _ *params) (any, error) {
	note, err := s.reader.live(ctx)
	if err == nil && note == nil {
		return nil, fail(http.StatusNotFound, "nothing has been estimated yet")
	}
	if err != nil {
		return nil, err
	}
	note.Timeline = orEmpty(note.Timeline)
	return note, nil
}

// dayList is GET /v1/days: what there is, and how far it can be relied on.
func (s *Service) dayList(ctx context.Context, p *params) (any, error) {
	first, last := p.days()
	if p.err != nil {
		return nil, nil
	}
	v, err := s.reader.view(ctx, first, last)
	if err != nil {
		return nil, err
	}
	type row struct {
		Day         archive.DayName `json:"day"`
		Revision    int64           `json:"revision"`
		At          int64           `json:"at"`
		Provisional bool            `json:"provisional"`
		Trust       estimate.Trust  `json:"trust"`
		Legacy      legacyNote      `json:"legacy"`
	}
	list := []row{}
	for _, d := range v.days {
		list = append(list, row{d.Day.Name(), d.Revision, d.At, d.Provisional, d.trust, d.legacy})
	}
	return struct {
		ranged
		Days []row `json:"days"`
	}{p.ranged(first, last), list}, nil
}

// channelList is GET /v1/channels.
func (s *Service) channelList(ctx context.Context, _ *params) (any, error) {
	channels, err := s.opts.Archive.Channels(ctx)
	list := []archive.Channel{}
	for _, c := range channels {
		list = append(list, c)
	}
	sortChannels(list)
	return struct {
		Channels []archive.Channel `json:"channels"`
	}{list}, err
}
