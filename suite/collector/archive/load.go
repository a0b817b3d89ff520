package archive

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/causeway-im/causeway/telemetry/report"
)

// An upload to a sink has at most so many events: they are read in the order of the
// database, in which those of all devices are mixed.
const feedEvents = 64

// feeder gives the content of journals back as uploads.
type feeder struct {
	to       Sink
	journals map[int64]*feed
	// strangers are events of journals that claim nothing of these days.
	strangers map[int64][]report.Event
}

// feed is what is given back of one journal.
type feed struct {
	journal
	claims []claims
	events []report.Event
	look   report.Clock // some look at its clock, with arrived
	seen   int64
	begun  bool
}

// journalColumns are what journal.scan reads.
const journalColumns = `j.id, j.install, j.epoch, j.base, j.last, j.got, j.dropped, j.rejected, j.device`

// take notes a row of a journal.
func (f *feeder) take(r *sql.Rows, more ...any) (*feed, error) {
	var name string
	var j feed
	if err := j.scan(r, append([]any{&name}, more...)...); err != nil {
		return nil, err
	}
	if have := f.journals[j.id]; have != nil {
		return have, nil
	}
	j.install = name
	f.journals[j.id] = &j
	return &j, nil
}

// begin feeds what journals claim. Those without a look at their clocks come with
// the last that is known of them.
func (f *feeder) begin() error {
	for _, id := range slices.Sorted(maps.Keys(f.journals)) {
		if err := f.journals[id].feed(f.to); err != nil {
			return err
		}
	}
	return nil
}

func (j *feed) feed(to Sink) error {
	u := report.Upload{Schema: report.Version, Install: j.install, Epoch: j.epoch, First: 1, Device: j.device}
	for i := range j.claims {
		u.Coverage = append(u.Coverage, j.claims[i].Covered...)
	}
	u.Coverage = union(u.Coverage)
	u.Dropped = append(slices.Clone([]report.Range(j.dropped)), j.rejected...)
	add := func(c report.Clock, arrived int64) error {
		u.Clock = c
		if !j.begun {
			j.look, j.seen, j.begun = c, arrived, true
		}
		err := to.Add(&u, arrived)
		u.Coverage, u.Dropped = nil, nil
		return err
	}
	for i := range j.claims {
		for _, l := range j.claims[i].Looks {
			u.Device = j.claims[i].deviceAt(l.Sent)
			if err := add(report.Clock{Sent: l.Sent, Offset: l.Offset}, l.Sent+l.Later); err != nil {
				return err
			}
		}
	}
	if !j.begun && (len(j.events) > 0 || len(u.Coverage) > 0) {
		at := j.seen
		if err := add(report.Clock{Sent: at}, at); err != nil {
			return err
		}
	}
	for _, r := range j.got {
		to.Held(j.install, j.epoch, r)
	}
	return nil
}

// event feeds an event, with others of its journal.
func (f *feeder) event(id int64, e *report.Event) error {
	j := f.journals[id]
	if j == nil {
		if f.strangers == nil {
			f.strangers = map[int64][]report.Event{}
		}
		f.strangers[id] = append(f.strangers[id], *e)
		return nil
	}
	j.events = append(j.events, *e)
	if len(j.events) < feedEvents {
		return nil
	}
	return j.flush(f.to)
}

func (j *feed) flush(to Sink) error {
	if len(j.events) == 0 {
		return nil
	}
	u := report.Upload{Schema: report.Version, Install: j.install, Epoch: j.epoch, First: j.events[0].Seq, Last: j.events[0].Seq,
		Clock: j.look, Device: j.device, Events: j.events}
	for i := range j.claims {
		if len(j.claims[i].Looks) > 0 {
			u.Device = j.claims[i].deviceAt(j.look.Sent)
			break
		}
	}
	for i := range j.events {
		u.First, u.Last = min(u.First, j.events[i].Seq), max(u.Last, j.events[i].Seq)
	}
	err := to.Add(&u, j.seen)
	j.events = j.events[:0]
	return err
}

func (f *feeder) end() error {
	for _, id := range slices.Sorted(maps.Keys(f.journals)) {
		if err := f.journals[id].flush(f.to); err != nil {
			return err
		}
	}
	return nil
}

// evening is how much of the day before is loaded.
const evening = 3 * time.Hour

// Load implements Facts. What matters to a message is what happened within a day of
// it; of the day before, that is who composed what, so that its receipts are known
// to be no messages of this one, and its last hours.
func (s *SQL) Load(ctx context.Context, b Bucket, to Sink) error {
	first, last := int64(b.Day-1), int64(b.Day+2)
	err := s.read(ctx, func(t *tx) error {
		f := &feeder{to: to, journals: map[int64]*feed{}}
		ofChannel := `journals j JOIN installs i ON i.id = j.install JOIN members m ON m.install = j.install AND m.channel = ?`
		if err := t.claims(f, ofChannel, b.Channel, first, last); err != nil {
			return err
		}
		var marks []mark
		if err := t.membership(f, &marks, ofChannel, []any{b.Channel}, `k.channel = ?`, b.Channel); err != nil {
			return err
		}
		if err := t.presence(f, &marks, first, last); err != nil {
			return err
		}
		where := `channel = ? AND day IN (?, ?, ?)`
		if !s.postgres { // in the order of the table, in which each page is read once
			where = `rowid IN (SELECT n.rowid FROM events n WHERE n.channel = ? AND n.day IN (?, ?, ?))`
		}
		return t.feedAll(f, b.Day, marks, where+` AND (day >= ? OR kind = 'composed' OR at >= ?)`,
			b.Channel, int64(b.Day-1), int64(b.Day), int64(b.Day+1), int64(b.Day), b.Day.Start()-evening.Milliseconds())
	})
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	return nil
}

// LoadDevices implements Facts.
func (s *SQL) LoadDevices(ctx context.Context, first, last Day, composed bool, to Sink) error {
	err := s.read(ctx, func(t *tx) error {
		f := &feeder{to: to, journals: map[int64]*feed{}}
		all := `journals j JOIN installs i ON i.id = j.install AND ? = 0`
		if err := t.claims(f, all, 0, int64(first), int64(last)); err != nil {
			return err
		}
		var marks []mark
		if err := t.membership(f, &marks, all, []any{0}, `k.channel <> 0`); err != nil {
			return err
		}
		if err := t.presence(f, &marks, int64(first), int64(last)); err != nil {
			return err
		}
		where := `day BETWEEN ? AND ? AND kind = 'composed'`
		if !composed {
			where += ` AND 1 = 0`
		}
		return t.feedAll(f, first, marks, where, int64(first), int64(last))
	})
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	return nil
}

// claims reads those of the journals that have any in the days, and of each the next
// ones, since the upload after an event tells most about the clock.
func (t *tx) claims(f *feeder, from string, channel, first, last int64) error {
	err := t.each(func(r *sql.Rows) error { return f.claim(r) },
		`SELECT `+journalColumns+`, i.name, c.body FROM `+from+` JOIN claims c ON c.journal = j.id
		WHERE c.day BETWEEN ? AND ? ORDER BY c.journal, c.day`, channel, first, last)
	if err != nil {
		return err
	}
	return t.each(func(r *sql.Rows) error {
		before := len(f.journals)
		var body string
		j, err := f.take(r, &body)
		if err != nil || len(f.journals) > before {
			if j != nil {
				delete(f.journals, j.id)
			}
			return err
		}
		c, err := readClaims(body)
		c.Covered = nil
		j.claims = append(j.claims, c)
		return err
	}, `SELECT `+journalColumns+`, i.name, c.body FROM `+from+` JOIN claims c ON c.journal = j.id
		WHERE c.day = (SELECT min(n.day) FROM claims n WHERE n.journal = j.id AND n.day > ?)`, channel, last)
}

func (f *feeder) claim(r *sql.Rows) error {
	var body string
	j, err := f.take(r, &body)
	if err != nil {
		return err
	}
	c, err := readClaims(body)
	j.claims = append(j.claims, c)
	return err
}

// mark is an event of presence or membership.
type mark struct {
	journal int64
	event   report.Event
}

// membership reads who was when in channels, of all times, with their journals.
func (t *tx) membership(f *feeder, marks *[]mark, from string, args []any, where string, more ...any) error {
	return t.each(func(r *sql.Rows) error {
		var body string
		var at int64
		j, err := f.take(r, &body, &at)
		if err != nil {
			return err
		}
		if len(j.claims) == 0 {
			j.seen = at
		}
		return addMark(marks, j.id, body)
	}, `SELECT `+journalColumns+`, i.name, k.body, k.at FROM `+from+` JOIN marks k ON k.journal = j.id
		WHERE `+where+` ORDER BY k.journal, k.seq`, append(args, more...)...)
}

func addMark(marks *[]mark, journal int64, body string) error {
	m := mark{journal: journal}
	err := json.Unmarshal([]byte(body), &m.event)
	*marks = append(*marks, m)
	return err
}

// presence reads the states of the journals in the days, and the last before.
func (t *tx) presence(f *feeder, marks *[]mark, first, last int64) error {
	var ids []any
	for _, id := range slices.Sorted(maps.Keys(f.journals)) {
		if len(f.journals[id].claims) > 0 {
			ids = append(ids, id)
		}
	}
	scan := func(r *sql.Rows) error {
		var id int64
		var body string
		if err := r.Scan(&id, &body); err != nil {
			return err
		}
		return addMark(marks, id, body)
	}
	err := t.bulkOf(integer, `SELECT journal, body FROM marks WHERE channel = 0 AND day BETWEEN `+fmt.Sprint(first)+` AND `+
		fmt.Sprint(last)+` AND journal IN (VALUES`, 1, `) ORDER BY journal, seq`, ids, scan)
	if err != nil {
		return err
	}
	return t.bulkOf(integer, `SELECT k.journal, k.body FROM marks k JOIN (SELECT journal, max(seq) AS seq FROM marks
		WHERE channel = 0 AND day < `+fmt.Sprint(first)+` AND journal IN (VALUES`, 1, `) GROUP BY journal) l
		ON l.journal = k.journal AND l.seq = k.seq`, ids, scan)
}

// feedAll feeds everything that was read, the events as they come, and the gaps.
func (t *tx) feedAll(f *feeder, around Day, marks []mark, where string, args ...any) error {
	for _, m := range marks {
		f.journals[m.journal].events = append(f.journals[m.journal].events, m.event)
	}
	if err := f.begin(); err != nil {
		return err
	}
	rows, _ := f.to.(RowSink)
	err := t.eachEvent(func(id, arrived int64, e *report.Event) error {
		if j := f.journals[id]; j != nil && rows != nil {
			rows.Row(j.install, arrived, e)
		}
		return f.event(id, e)
	}, where, args...)
	if err != nil {
		return err
	}
	if err := f.end(); err != nil {
		return err
	}
	if err := t.feedStrangers(f, around); err != nil {
		return err
	}
	for _, m := range marks {
		if rows != nil {
			rows.Row(f.journals[m.journal].install, 0, &m.event)
		}
	}
	gaps, err := t.gaps((around - 2).Start(), (around + 4).End())
	for _, g := range gaps {
		f.to.Gap(g.From, g.To)
	}
	return err
}

// eachEvent reads events. The channel's names are left out but for its own.
func (t *tx) eachEvent(f func(journal, arrived int64, e *report.Event) error, where string, args ...any) error {
	channels, err := t.channelsByID()
	if err != nil {
		return err
	}
	var e report.Event
	return t.each(func(r *sql.Rows) error {
		var journal, channel, seq, at, sent, size, audience, count, attempt, arrived int64
		var kind, class, path, bytes string
		e = report.Event{}
		if err := r.Scan(&journal, &channel, &seq, &at, &sent, &size, &audience, &count, &attempt, &arrived,
			&e.Message, &kind, &e.Member, &class, &path, &e.Answer, &e.Code, &e.Envelope, &bytes); err != nil {
			return err
		}
		c := channels[channel]
		e.Seq, e.At, e.Sent, e.Size = uint64(seq), at, sent, int(size)
		e.Audience, e.Count, e.Attempt = int(audience), int(count), int(attempt)
		e.Kind, e.Class, e.Path = report.Kind(kind), report.Class(class), report.Path(path)
		e.Channel, e.Community, e.Topic, e.Pubsub = c.Name, c.Community, c.Topic, c.Pubsub
		if bytes != "" {
			if err := json.Unmarshal([]byte(bytes), &e.Bytes); err != nil {
				return err
			}
		}
		return f(journal, arrived, &e)
	}, `SELECT journal, channel, seq, at, sent, size, audience, count, attempt, arrived, message, kind, member, class, path,
		answer, code, envelope, bytes FROM events WHERE `+where, args...)
}

// feedStrangers feeds the events of journals that claim nothing of these days: their
// devices crashed, or began to cover their time only later.
func (t *tx) feedStrangers(f *feeder, around Day) error {
	var ids []any
	for _, id := range slices.Sorted(maps.Keys(f.strangers)) {
		ids = append(ids, id)
	}
	others := &feeder{to: f.to, journals: map[int64]*feed{}}
	err := t.bulkOf(integer, `SELECT `+journalColumns+`, i.name, c.body FROM journals j JOIN installs i ON i.id = j.install
		JOIN claims c ON c.journal = j.id AND c.day = (SELECT n.day FROM claims n WHERE n.journal = j.id
		ORDER BY CASE WHEN n.day < `+fmt.Sprint(int64(around))+` THEN 1 ELSE 0 END, n.day LIMIT 1)
		WHERE j.id IN (VALUES`, 1, `)`, ids, others.claim)
	if err != nil {
		return err
	}
	for id, j := range others.journals {
		for i := range j.claims {
			j.claims[i].Covered = nil
		}
		j.events = f.strangers[id]
	}
	if err := others.begin(); err != nil {
		return err
	}
	return others.end()
}
