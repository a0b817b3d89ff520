package collector

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/telemetry/estimate"
)

// The rhythm of the estimator.
const (
	// A bucket rests for so many times what it cost, so that one that is large does not
	// keep all others waiting.
	restFactor = 10
	// slower is how much less often than today's buckets those of yesterday are
	// estimated only because time has passed.
	slower = 12
	// leaseBeats is for how many beats of the clock a collector leads.
	leaseBeats = 6
)

// The names of notes that the estimator leaves for all collectors.
const (
	noteLive     = "live"
	noteBaseline = "baseline"
)

// estimator works out buckets, then days and incidents, if no other collector does.
type estimator struct {
	opts     *Options
	name     string
	meters   *meters
	baseline *estimate.Baseline
	learned  archive.Day
	ended    archive.Day // on which days that became final were looked for

	mu    sync.Mutex
	last  map[archive.Bucket]time.Time     // when it was worked out
	cost  map[archive.Bucket]time.Duration // how long that took
	known map[archive.Bucket]known         // of late days
}

type known struct {
	revision int64
	*content
}

func newEstimator(o *Options, name string, m *meters) *estimator {
	return &estimator{opts: o, name: name, meters: m, last: map[archive.Bucket]time.Time{}, cost: map[archive.Bucket]time.Duration{},
		known: map[archive.Bucket]known{}}
}

// run works until the context ends.
func (e *estimator) run(ctx context.Context) {
	for {
		began := time.Now()
		if err := e.round(ctx); err != nil && ctx.Err() == nil {
			e.opts.Log.Error("collector: estimate", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(e.opts.Pause, time.Since(began))):
		}
	}
}

// round looks once at everything that is due.
func (e *estimator) round(ctx context.Context) error {
	now := e.opts.Now()
	lease := time.Duration(float64(leaseBeats*e.opts.Beat) * e.opts.Speed)
	leads, err := e.opts.Archive.Lead(ctx, e.name, now.UnixMilli(), now.Add(lease).UnixMilli())
	if err != nil || !leads {
		return err
	}
	if err := e.learn(ctx, now); err != nil {
		return err
	}
	if err := e.live(ctx, now); err != nil {
		return err
	}
	due, err := e.due(ctx, now)
	if err != nil {
		return err
	}
	e.meters.backlog.Set(float64(len(due)))
	if err := e.buckets(ctx, due, now.UnixMilli()); err != nil {
		return err
	}
	if err := e.days(ctx, now); err != nil {
		return err
	}
	e.ended = archive.DayOf(now.UnixMilli())
	e.forget(e.ended)
	e.meters.rounds.Inc()
	return nil
}

// workers is how many buckets are worked out at the same time: one is read while
// another is counted. More would take the machine from who uploads.
const workers = 2

// buckets works out buckets, in about the given order.
func (e *estimator) buckets(ctx context.Context, due []archive.Mark, now int64) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan archive.Mark)
	var group sync.WaitGroup
	for range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			for m := range next {
				if err := e.timed(ctx, m, now); err != nil {
					cancel(err)
				}
			}
		}()
	}
	for _, m := range due {
		select {
		case next <- m:
		case <-ctx.Done():
		}
	}
	close(next)
	group.Wait()
	return context.Cause(ctx)
}

// timed works out a bucket, and notes how long that took.
func (e *estimator) timed(ctx context.Context, m archive.Mark, now int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	began := time.Now()
	done, err := e.bucket(ctx, m.Bucket, m.UpTo)
	if err != nil {
		return err
	}
	took := time.Since(began)
	e.mu.Lock()
	e.last[m.Bucket], e.cost[m.Bucket] = time.Now(), took
	e.mu.Unlock()
	e.meters.estimated.Observe(took.Seconds())
	if done.Changed {
		e.meters.revised.Inc()
		if !provisional(m.Day, now) && done.Revision > 1 {
			e.meters.late.Inc()
		}
	}
	return nil
}

// days adds up those that are marked. The mark of a day is made together with what
// changes it, and so outlives a collector that ends in between.
func (e *estimator) days(ctx context.Context, now time.Time) error {
	list, err := e.opts.Archive.Dirty(ctx)
	if err != nil {
		return err
	}
	for _, m := range list {
		if !m.OfDay() || m.Day > archive.DayOf(now.UnixMilli()) {
			continue
		}
		if err := e.day(ctx, m.Day, m.UpTo); err != nil {
			return err
		}
	}
	return nil
}

// due lists what to work out: what is marked, and what changes because time passes.
func (e *estimator) due(ctx context.Context, now time.Time) ([]archive.Mark, error) {
	today := archive.DayOf(now.UnixMilli())
	list, err := e.opts.Archive.Dirty(ctx)
	if err != nil {
		return nil, err
	}
	marked := map[archive.Bucket]bool{}
	due := slices.DeleteFunc(list, func(m archive.Mark) bool {
		marked[m.Bucket] = true
		return m.OfDay() || m.Day > today || !e.rested(m.Bucket, e.opts.Every)
	})
	for d, interval := range map[archive.Day]time.Duration{today: e.opts.Every, today - 1: slower * e.opts.Every} {
		active, err := e.opts.Archive.Active(ctx, d, now.Add(-2*estimate.DefaultHorizon).UnixMilli())
		if err != nil {
			return nil, err
		}
		for _, b := range active {
			if !marked[b] && e.rested(b, interval) {
				due = append(due, archive.Mark{Bucket: b})
			}
		}
	}
	if e.ended < today {
		over, err := e.over(ctx, today)
		if err != nil {
			return nil, err
		}
		for _, b := range over {
			if !marked[b] {
				due = append(due, archive.Mark{Bucket: b})
			}
		}
	}
	slices.SortStableFunc(due, func(a, b archive.Mark) int { return int(b.Day - a.Day) }) // today's first
	return due, nil
}

// lookBack is how many days may have become final while no collector was there.
const lookBack = 14

// over lists the buckets whose time is over and that are not final yet, but for those
// whose reports are being deleted.
func (e *estimator) over(ctx context.Context, today archive.Day) (out []archive.Bucket, err error) {
	first := today - lookBack
	if raw := e.opts.Keep.Raw; raw > 0 {
		first = max(first, today+2-archive.Day(raw/(24*time.Hour)))
	}
	rows, err := e.opts.Archive.Buckets(ctx, first, today-2, 0, false)
	for _, r := range rows {
		if r.Provisional {
			out = append(out, r.Bucket)
		}
	}
	return out, err
}

func (e *estimator) rested(b archive.Bucket, interval time.Duration) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return time.Since(e.last[b]) >= max(interval, restFactor*e.cost[b])
}

// learn keeps the baseline up to date: every day that is final teaches once.
func (e *estimator) learn(ctx context.Context, now time.Time) error {
	if e.baseline == nil {
		text, err := e.opts.Archive.Note(ctx, noteBaseline)
		if err != nil {
			return err
		}
		var note baselineNote
		if text != "" {
			if err := json.Unmarshal([]byte(text), &note); err != nil {
				return err
			}
		}
		e.learned = note.Day
		if note.Day > 0 {
			e.baseline = &note.Baseline
		}
	}
	final := archive.DayOf(now.UnixMilli()) - 2
	if e.learned >= final {
		return nil
	}
	var f estimate.Facts
	if err := e.opts.Archive.LoadDevices(ctx, final-1, final+1, true, &f); err != nil {
		return err
	}
	b := f.Learn(estimate.Options{From: final.Start(), To: final.End(), Now: now.UnixMilli(), Baseline: e.baseline})
	e.learned = final
	if *b == (estimate.Baseline{}) {
		return nil // nobody was there
	}
	if e.baseline != nil {
		b.Add(e.baseline)
	}
	e.baseline = b
	text, err := json.Marshal(baselineNote{final, *b})
	if err != nil {
		return err
	}
	return e.opts.Archive.SaveNote(ctx, noteBaseline, string(text))
}

type baselineNote struct {
	Day      archive.Day       `json:"day"`
	Baseline estimate.Baseline `json:"baseline"`
}

// maxLines is how many devices a timeline shows.
const maxLines = 60

// liveNote is what is known of now: the timeline is that of the last day.
type liveNote struct {
	Now      int64           `json:"now"`
	Timeline []estimate.Line `json:"timeline"`
	Devices  int             `json:"devices"` // of which the timeline has some
	Trust    estimate.Trust  `json:"trust"`
}

// What an incident has to do with may lie so long before the days it is looked for in,
// or after them.
const (
	incidentBefore = 12 * time.Hour
	incidentAfter  = 24 * time.Hour
)

// live looks at all devices of today and yesterday.
func (e *estimator) live(ctx context.Context, now time.Time) error {
	yesterday := archive.DayOf(now.UnixMilli()) - 1
	f, r, err := e.outages(ctx, yesterday, now.UnixMilli(), now.UnixMilli())
	if err != nil {
		return err
	}
	if err := e.saveIncidents(ctx, yesterday.Start(), now.Add(maxFuture).UnixMilli(), r.Incidents); err != nil {
		return err
	}
	lines := f.Timeline(estimate.Options{From: now.Add(-24 * time.Hour).UnixMilli(), To: now.UnixMilli(), Now: now.UnixMilli()})
	e.meters.live(r, unwell(lines, now.UnixMilli()))
	sortLines(lines, now.UnixMilli())
	note := liveNote{Now: now.UnixMilli(), Timeline: lines[:min(len(lines), maxLines)], Devices: len(lines), Trust: r.Trust}
	text, err := json.Marshal(note)
	if err != nil {
		return err
	}
	return e.opts.Archive.SaveNote(ctx, noteLive, string(text))
}

// sortLines puts those first that are not well, and otherwise those together that are
// of one platform.
func sortLines(lines []estimate.Line, now int64) {
	slices.SortStableFunc(lines, func(a, b estimate.Line) int {
		return cmp.Or(unwell([]estimate.Line{b}, now)-unwell([]estimate.Line{a}, now), cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.Device, b.Device))
	})
}

// freshSilence is how long a device may be silent before it is drawn and counted as
// such: the next upload is on its way.
const freshSilence = 3 * time.Minute

// outages estimates what devices say of themselves, from some time before a day on.
func (e *estimator) outages(ctx context.Context, d archive.Day, to, now int64) (*estimate.Facts, *estimate.Report, error) {
	f := &estimate.Facts{}
	if err := e.opts.Archive.LoadDevices(ctx, d-2, archive.DayOf(to), false, f); err != nil {
		return nil, nil, err
	}
	return f, f.Estimate(estimate.Options{From: d.Start() - incidentBefore.Milliseconds(), To: to, Now: now, Baseline: e.baseline}), nil
}

// saveIncidents keeps those that began in a time.
func (e *estimator) saveIncidents(ctx context.Context, from, to int64, list []estimate.Incident) error {
	rows := make([]archive.IncidentRow, 0, len(list))
	for _, in := range list {
		body, err := json.Marshal(in)
		if err != nil {
			return err
		}
		rows = append(rows, archive.IncidentRow{From: in.From, To: in.To, Open: in.Open, Scope: string(in.Scope), Name: in.Name, Body: body})
	}
	return e.opts.Archive.SaveIncidents(ctx, from, to, rows)
}

// unwell counts the devices that are silent or cut off at a moment.
func unwell(lines []estimate.Line, now int64) (n int) {
	for _, l := range lines {
		for _, s := range slices.Concat(l.Silent, l.Cut) {
			if s.From < now-freshSilence.Milliseconds() && now <= s.To {
				n++
				break
			}
		}
	}
	return n
}

// remember keeps what a bucket holds, to add up its day.
func (e *estimator) remember(b archive.Bucket, revision int64, c *content) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.known[b] = known{revision, c}
}

// forget drops what is not needed every few seconds.
func (e *estimator) forget(today archive.Day) {
	e.mu.Lock()
	defer e.mu.Unlock()
	maps.DeleteFunc(e.known, func(b archive.Bucket, _ known) bool { return b.Day < today-1 })
	maps.DeleteFunc(e.last, func(b archive.Bucket, at time.Time) bool { return b.Day < today-1 && time.Since(at) > time.Hour })
	maps.DeleteFunc(e.cost, func(b archive.Bucket, _ time.Duration) bool { _, ok := e.last[b]; return !ok })
}
