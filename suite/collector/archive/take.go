package archive

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/causeway-im/causeway/telemetry/report"
)

const (
	// after is how long after a message something may still change its cells, and
	// before what clocks are allowed to be wrong by.
	after  = 25 * time.Hour
	before = 10 * time.Minute
	// horizon is how long after its coverage a device still counts.
	horizon = 24 * time.Hour
	// wrongClock is by how much a clock may be wrong before its times are corrected
	// when they are sorted by days.
	wrongClock = 24 * time.Hour
)

// journal is the row of one.
type journal struct {
	id, installID int64
	install       string
	epoch         uint64
	base, last    uint64
	got           Numbers
	dropped       Numbers
	rejected      Numbers
	device        report.Device

	changed bool
	days    map[Day]*claims // that this transaction needs
	touched map[Day]bool    // that it changes
}

// batch is one transaction of Take.
type batch struct {
	*tx
	uploads  []Arrival
	taken    []Taken
	installs map[string]installRow
	journals map[journalKey]*journal
	channels map[string]Channel
	members  map[member]bool
	dirty    map[Bucket]int64
	events   []row
	marks    []any
	grown    []grown
}

type installRow struct {
	id  int64
	key string
}

type journalKey struct {
	install string
	epoch   uint64
}

type member struct{ channel, install int64 }

// grown is time that a journal tells more about: it matters to all channels of its
// installation.
type grown struct {
	install  int64
	from, to int64
	at       int64
}

// row is an event to be inserted.
type row struct {
	day     Day
	channel int64
	journal int64
	arrived int64
	*report.Event
}

// Take implements Intake.
func (s *SQL) Take(ctx context.Context, uploads []Arrival) ([]Taken, error) {
	if len(uploads) == 0 {
		return nil, nil
	}
	if err := s.partition(ctx, uploads); err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	var taken []Taken
	var found map[string]Channel
	err := s.write(ctx, func(t *tx) error {
		b := &batch{tx: t, uploads: uploads, taken: make([]Taken, len(uploads)), installs: map[string]installRow{},
			journals: map[journalKey]*journal{}, channels: map[string]Channel{}, members: map[member]bool{}, dirty: map[Bucket]int64{}}
		taken, found = b.taken, b.channels
		return b.run()
	})
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	s.remember(found)
	return taken, nil
}

func (b *batch) run() error {
	for _, step := range []func() error{b.lockInstalls, b.lockJournals, b.loadClaims, b.findChannels, b.takeAll,
		b.saveMembers, b.saveEvents, b.saveMarks, b.saveJournals, b.saveClaims, b.saveDirty} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// shift is what is added to the times of an upload before they are sorted by days.
func (a *Arrival) shift() int64 {
	if d := a.At - a.Upload.Clock.Sent; d > wrongClock.Milliseconds() || d < -wrongClock.Milliseconds() {
		return d
	}
	return 0
}

// lockInstalls makes and locks the installations. Rows are locked in order of their
// names, so that batches don't wait for each other in a circle.
func (b *batch) lockInstalls() error {
	first := map[string]*Arrival{}
	for i := range b.uploads {
		a := &b.uploads[i]
		if have := first[a.Upload.Install]; have == nil || have.Key == "" && a.Key != "" {
			first[a.Upload.Install] = a
		}
	}
	var values []any
	for _, name := range slices.Sorted(maps.Keys(first)) {
		a := first[name]
		values = append(values, name, a.Key, a.At, a.At)
	}
	return b.bulk(`INSERT INTO installs (name, key, first_seen, seen) VALUES`, 4,
		`ON CONFLICT (name) DO UPDATE SET seen = excluded.seen, key = CASE WHEN installs.key = '' THEN excluded.key ELSE installs.key END
		RETURNING id, name, key`, values, func(r *sql.Rows) error {
			var in installRow
			var name string
			err := r.Scan(&in.id, &name, &in.key)
			b.installs[name] = in
			return err
		})
}

// lockJournals makes and locks the journals of those who have the right key.
func (b *batch) lockJournals() error {
	keys := map[journalKey]*Arrival{}
	for i := range b.uploads {
		a := &b.uploads[i]
		if in := b.installs[a.Upload.Install]; in.key != "" && in.key != a.Key {
			b.taken[i].Err = ErrKey
			continue
		}
		k := journalKey{a.Upload.Install, a.Upload.Epoch}
		if keys[k] == nil || a.Upload.First < keys[k].Upload.First {
			keys[k] = a
		}
	}
	var values []any
	order := slices.SortedFunc(maps.Keys(keys), func(x, y journalKey) int {
		return cmp.Or(cmp.Compare(x.install, y.install), cmp.Compare(x.epoch, y.epoch))
	})
	byID := map[[2]int64]journalKey{}
	for _, k := range order {
		a, id := keys[k], b.installs[k.install].id
		byID[[2]int64{id, int64(k.epoch)}] = k
		values = append(values, id, int64(k.epoch), int64(a.Upload.First-1), 0, "", "", "", "{}", a.At)
	}
	return b.bulk(`INSERT INTO journals (install, epoch, base, last, got, dropped, rejected, device, seen) VALUES`, 9,
		`ON CONFLICT (install, epoch) DO UPDATE SET seen = excluded.seen,
		base = CASE WHEN excluded.base < journals.base THEN excluded.base ELSE journals.base END
		RETURNING id, install, epoch, base, last, got, dropped, rejected, device`, values, func(r *sql.Rows) error {
			j := &journal{days: map[Day]*claims{}, touched: map[Day]bool{}}
			if err := j.scan(r); err != nil {
				return err
			}
			k := byID[[2]int64{j.installID, int64(j.epoch)}]
			j.install = k.install
			b.journals[k] = j
			return nil
		})
}

// scan reads id, install, epoch, base, last, got, dropped, rejected, device.
func (j *journal) scan(r *sql.Rows, more ...any) (err error) {
	var epoch, base, last int64
	var got, dropped, rejected, device string
	if err := r.Scan(append([]any{&j.id, &j.installID, &epoch, &base, &last, &got, &dropped, &rejected, &device}, more...)...); err != nil {
		return err
	}
	j.epoch, j.base, j.last = uint64(epoch), uint64(base), uint64(last)
	for _, f := range []struct {
		to   *Numbers
		text string
	}{{&j.got, got}, {&j.dropped, dropped}, {&j.rejected, rejected}} {
		if *f.to, err = ParseNumbers(f.text); err != nil {
			return err
		}
	}
	return json.Unmarshal([]byte(device), &j.device)
}

// claimDays are the days about which an upload claims something beside its events.
func (a *Arrival) claimDays(yield func(Day, report.Span)) {
	shift := a.shift()
	for _, s := range a.Upload.Coverage {
		for from := s.From; from < s.To; {
			d := DayOf(from + shift)
			to := min(s.To, d.End()-shift)
			yield(d, report.Span{From: from, To: to})
			from = to
		}
	}
	yield(DayOf(a.Upload.Clock.Sent+shift), report.Span{})
}

// loadClaims reads what the journals say of the days that uploads are about.
func (b *batch) loadClaims() error {
	byID := map[int64]*journal{}
	var values []any
	for i := range b.uploads {
		a := &b.uploads[i]
		j := b.journal(i)
		if j == nil {
			continue
		}
		byID[j.id] = j
		a.claimDays(func(d Day, _ report.Span) {
			if j.days[d] == nil {
				j.days[d] = &claims{}
				values = append(values, j.id, int64(d))
			}
		})
	}
	return b.bulkOf(integer, `SELECT journal, day, body FROM claims WHERE (journal, day) IN (VALUES`, 2, `)`, values, func(r *sql.Rows) error {
		var id, day int64
		var body string
		if err := r.Scan(&id, &day, &body); err != nil {
			return err
		}
		c, err := readClaims(body)
		*byID[id].days[Day(day)] = c
		return err
	})
}

// journal returns that of an upload, nil if the upload is refused.
func (b *batch) journal(i int) *journal {
	if b.taken[i].Err != nil {
		return nil
	}
	return b.journals[journalKey{b.uploads[i].Upload.Install, b.uploads[i].Upload.Epoch}]
}

// takeAll takes the uploads one by one, in memory.
func (b *batch) takeAll() error {
	for i := range b.uploads {
		a, j := &b.uploads[i], b.journal(i)
		if j == nil {
			continue
		}
		got, dropped, rejected := slices.Clone(j.got), slices.Clone(j.dropped), slices.Clone(j.rejected)
		for k := range a.Upload.Events {
			seq := a.Upload.Events[k].Seq
			got.Add(seq, seq)
		}
		dropped.Union(a.Upload.Dropped)
		for _, seq := range a.Rejected {
			rejected.Add(seq, seq)
		}
		if len(got)+len(dropped)+len(rejected) > MaxRanges {
			b.taken[i].Err = ErrHoles
			continue
		}
		if err := b.take(i, a, j); err != nil {
			return err
		}
		changed := got.Count() + dropped.Count() + rejected.Count() - j.got.Count() - j.dropped.Count() - j.rejected.Count()
		j.changed = j.changed || changed > 0
		j.got, j.dropped, j.rejected = got, dropped, rejected
		j.last = max(j.last, a.Upload.Last)
		done := slices.Clone(got)
		done.Union(dropped)
		done.Union(rejected)
		b.taken[i].Acknowledged = done.Reach(j.base + 1)
	}
	return nil
}

// take notes what is new in an upload.
func (b *batch) take(i int, a *Arrival, j *journal) error {
	shift, fresh := a.shift(), false
	for k := range a.Upload.Events {
		e := &a.Upload.Events[k]
		if j.got.Has(e.Seq) {
			continue
		}
		fresh = true
		b.taken[i].New++
		if err := b.event(a, j, e, DayOf(e.At+shift)); err != nil {
			return err
		}
	}
	a.claimDays(func(d Day, s report.Span) {
		if s.To > s.From && j.days[d].cover(s) {
			fresh = true
			j.touched[d] = true
			b.grown = append(b.grown, grown{j.installID, s.From + shift, s.To + shift, a.At})
		}
	})
	if fresh || a.Upload.Last > j.last {
		d := DayOf(a.Upload.Clock.Sent + shift)
		j.days[d].see(look{a.Upload.Clock.Sent, a.At - a.Upload.Clock.Sent, a.Upload.Clock.Offset})
		j.days[d].describe(a.Upload.Clock.Sent, a.Upload.Device)
		j.touched[d] = true
		j.device, j.changed = a.Upload.Device, true
	}
	return nil
}

// event notes an event that is new.
func (b *batch) event(a *Arrival, j *journal, e *report.Event, d Day) error {
	at := e.At + a.shift()
	c := b.channels[e.Channel]
	if e.Channel != "" {
		b.members[member{c.ID, j.installID}] = true
		b.touch(c.ID, at, at, a.At)
	}
	if e.Kind == report.Presence || e.Kind == report.Membership {
		body, err := json.Marshal(e)
		if err != nil {
			return err
		}
		b.marks = append(b.marks, j.id, int64(e.Seq), int64(d), c.ID, e.At, string(body))
		b.grown = append(b.grown, grown{j.installID, at, at, a.At})
		return nil
	}
	b.events = append(b.events, row{d, c.ID, j.id, a.At, e})
	return nil
}

// touch marks the buckets of a channel that something from from to to may change.
func (b *batch) touch(channel, from, to, now int64) {
	last := min(DayOf(to+before.Milliseconds()), max(DayOf(now), DayOf(from)))
	for d := DayOf(from - after.Milliseconds()); d <= last; d++ {
		b.dirty[Bucket{channel, d}] = now
	}
}
