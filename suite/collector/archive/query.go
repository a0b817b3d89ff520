package archive

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
)

// Buckets implements Results.
func (s *SQL) Buckets(ctx context.Context, first, last Day, channel int64, tallies bool) (out []BucketRow, err error) {
	column := `NULL`
	if tallies {
		column = `tallies`
	}
	err = s.read(ctx, func(t *tx) error {
		return t.each(func(r *sql.Rows) error {
			var b BucketRow
			var provisional int64
			err := r.Scan(&b.Channel, &b.Day, &b.Revision, &provisional, &b.At, &b.Late, &b.Cells, &b.Low, &b.High, &b.Tallies)
			b.Provisional = provisional != 0
			out = append(out, b)
			return err
		}, `SELECT channel, day, revision, provisional, at, late, cells, low, high, `+column+` FROM buckets
			WHERE day BETWEEN ? AND ? AND (channel = ? OR ? = 0) ORDER BY day, channel`, int64(first), int64(last), channel, channel)
	})
	return out, wrap(err)
}

// Revisions implements Results.
func (s *SQL) Revisions(ctx context.Context, b Bucket) (out []RevisionRow, err error) {
	err = s.read(ctx, func(t *tx) error {
		return t.each(func(r *sql.Rows) error {
			var v RevisionRow
			var provisional int64
			err := r.Scan(&v.Revision, &v.At, &provisional, &v.Cells, &v.Low, &v.High)
			v.Provisional = provisional != 0
			out = append(out, v)
			return err
		}, `SELECT revision, at, provisional, cells, low, high FROM revisions WHERE channel = ? AND day = ? ORDER BY revision`, b.Channel, int64(b.Day))
	})
	return out, wrap(err)
}

// SaveDay implements Results.
func (s *SQL) SaveDay(ctx context.Context, d DayRow) error {
	digest := hash(string(d.Tallies), string(d.Estimates), string(d.Trust), string(d.Legacy), fmt.Sprint(d.Provisional))
	return wrap(s.write(ctx, func(t *tx) error {
		if err := t.exec(`DELETE FROM dirty WHERE channel = 0 AND day = ? AND id <= ?`, int64(d.Day), d.UpTo); err != nil {
			return err
		}
		return t.exec(`INSERT INTO days (day, at, revision, provisional, digest, tallies, estimates, trust, legacy) VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (day) DO UPDATE SET at = excluded.at, revision = days.revision + 1, provisional = excluded.provisional,
			digest = excluded.digest, tallies = excluded.tallies, estimates = excluded.estimates, trust = excluded.trust, legacy = excluded.legacy
			WHERE days.digest <> excluded.digest`,
			int64(d.Day), d.At, number(d.Provisional), digest, d.Tallies, string(d.Estimates), string(d.Trust), string(d.Legacy))
	}))
}

// DayRevisions implements Results.
func (s *SQL) DayRevisions(ctx context.Context, first, last Day) (map[Day]int64, error) {
	out := map[Day]int64{}
	err := s.read(ctx, func(t *tx) error {
		return t.each(func(r *sql.Rows) error {
			var d Day
			var revision int64
			err := r.Scan(&d, &revision)
			out[d] = revision
			return err
		}, `SELECT day, revision FROM days WHERE day BETWEEN ? AND ?`, int64(first), int64(last))
	})
	return out, wrap(err)
}

// Days implements Results.
func (s *SQL) Days(ctx context.Context, first, last Day) (out []DayRow, err error) {
	err = s.read(ctx, func(t *tx) error {
		return t.each(func(r *sql.Rows) error {
			var d DayRow
			var provisional int64
			var estimates, trust, legacy string
			err := r.Scan(&d.Day, &d.At, &d.Revision, &provisional, &d.Tallies, &estimates, &trust, &legacy)
			d.Provisional = provisional != 0
			d.Estimates, d.Trust, d.Legacy = json.RawMessage(estimates), json.RawMessage(trust), json.RawMessage(legacy)
			out = append(out, d)
			return err
		}, `SELECT day, at, revision, provisional, tallies, estimates, trust, legacy FROM days WHERE day BETWEEN ? AND ? ORDER BY day`, int64(first), int64(last))
	})
	return out, wrap(err)
}

func scanMessage(r *sql.Rows) (m MessageRow, err error) {
	var left, handed int64
	var without string
	if err := r.Scan(&m.Channel, &m.Day, &m.Message, &m.At, &m.Author, &left, &handed, &m.Attempts, &m.Acked,
		&m.Day24[0], &m.Day24[1], &m.Day24[2], &m.Day24[3], &m.Minute[0], &m.Minute[1], &m.Minute[2], &m.Minute[3], &without); err != nil {
		return m, err
	}
	m.Left, m.Handed = left != 0, handed != 0
	return m, json.Unmarshal([]byte(without), &m.Without)
}

// Messages implements Results. It asks day by day, since then the index has those
// first that are wanted.
func (s *SQL) Messages(ctx context.Context, q MessageQuery) (out []MessageRow, err error) {
	err = s.read(ctx, func(t *tx) error {
		for d := q.First; d <= q.Last; d++ {
			err := t.each(func(r *sql.Rows) error {
				m, err := scanMessage(r)
				out = append(out, m)
				return err
			}, `SELECT `+messageColumns+`, without FROM messages WHERE day = ? AND (channel = ? OR ? = 0)
				ORDER BY lacking DESC, message DESC LIMIT ?`, int64(d), q.Channel, q.Channel, q.Limit)
			if err != nil {
				return err
			}
		}
		return nil
	})
	slices.SortFunc(out, func(a, b MessageRow) int {
		return cmp.Or(cmp.Compare(b.lacking(), a.lacking()), cmp.Compare(b.At, a.At), cmp.Compare(a.Message, b.Message))
	})
	return out[:min(len(out), q.Limit)], wrap(err)
}

// lacking is how many members have not got it, or are not known to.
func (m *MessageRow) lacking() int { return m.Day24[1] + m.Day24[2] + m.Day24[3] }

// Message implements Results.
func (s *SQL) Message(ctx context.Context, channel int64, name string) (m MessageRow, found bool, err error) {
	err = s.read(ctx, func(t *tx) error {
		return t.each(func(r *sql.Rows) error {
			found = true
			m, err = scanMessage(r)
			return err
		}, `SELECT `+messageColumns+`, without FROM messages WHERE message = ? AND (channel = ? OR ? = 0) ORDER BY day DESC LIMIT 1`, name, channel, channel)
	})
	return m, found, wrap(err)
}

// Phantoms implements Results.
func (s *SQL) Phantoms(ctx context.Context, first, last Day, limit int) (out []PhantomRow, err error) {
	err = s.read(ctx, func(t *tx) error {
		return t.each(func(r *sql.Rows) error {
			var p PhantomRow
			var counted int64
			err := r.Scan(&p.Channel, &p.Day, &p.Message, &p.Author, &p.Noticed, &p.By, &counted)
			p.Counted = counted != 0
			out = append(out, p)
			return err
		}, `SELECT channel, day, message, author, noticed, noticed_by, counted FROM phantoms WHERE day BETWEEN ? AND ?
			ORDER BY noticed_by DESC, noticed DESC, message LIMIT ?`, int64(first), int64(last), limit)
	})
	return out, wrap(err)
}

// SaveIncidents implements Results.
func (s *SQL) SaveIncidents(ctx context.Context, from, to int64, list []IncidentRow) error {
	return wrap(s.write(ctx, func(t *tx) error {
		if err := t.exec(`DELETE FROM incidents WHERE since >= ? AND since < ?`, from, to); err != nil {
			return err
		}
		var values []any
		for _, i := range list {
			if i.From >= from && i.From < to {
				values = append(values, i.From, i.To, number(i.Open), i.Scope, i.Name, string(i.Body))
			}
		}
		return t.bulk(`INSERT INTO incidents (since, until, open, scope, name, body) VALUES`, 6, ``, values, nil)
	}))
}

// Incidents implements Results.
func (s *SQL) Incidents(ctx context.Context, from, to int64, limit int) (out []IncidentRow, err error) {
	err = s.read(ctx, func(t *tx) error {
		return t.each(func(r *sql.Rows) error {
			var i IncidentRow
			var open int64
			var body string
			err := r.Scan(&i.From, &i.To, &open, &i.Scope, &i.Name, &body)
			i.Open, i.Body = open != 0, json.RawMessage(body)
			out = append(out, i)
			return err
		}, `SELECT since, until, open, scope, name, body FROM incidents WHERE until >= ? AND since < ? ORDER BY since DESC, scope, name LIMIT ?`, from, to, limit)
	})
	return out, wrap(err)
}
