package archive

import (
	"context"
	"database/sql"
	"time"

	"github.com/causeway-im/causeway/telemetry/report"
)

// Alive implements Service.
func (s *SQL) Alive(ctx context.Context, now int64, patience time.Duration) (gap *report.Span, err error) {
	err = s.write(ctx, func(t *tx) error {
		var last int64
		lock := ``
		if s.postgres {
			lock = ` FOR UPDATE`
		}
		if err := t.row(`SELECT alive FROM service WHERE id = 1` + lock).Scan(&last); err != nil {
			return err
		}
		if now <= last {
			return nil // another collector, whose clock is ahead
		}
		if last > 0 && now-last > patience.Milliseconds() {
			gap = &report.Span{From: last, To: now}
			if err := t.exec(`INSERT INTO gaps (since, until) VALUES (?, ?) ON CONFLICT DO NOTHING`, last, now); err != nil {
				return err
			}
			if err := t.markAll(DayOf(last-after.Milliseconds()), DayOf(now), now); err != nil {
				return err
			}
		}
		return t.exec(`UPDATE service SET alive = ? WHERE id = 1`, now)
	})
	return gap, wrap(err)
}

// markAll marks all buckets of some days that there are.
func (t *tx) markAll(first, last Day, now int64) error {
	return t.exec(`INSERT INTO dirty (channel, day, at) SELECT channel, day, CAST(? AS BIGINT) FROM buckets WHERE day BETWEEN ? AND ?`, now, int64(first), int64(last))
}

func (t *tx) gaps(from, to int64) (out []report.Span, err error) {
	err = t.each(func(r *sql.Rows) error {
		var g report.Span
		err := r.Scan(&g.From, &g.To)
		out = append(out, g)
		return err
	}, `SELECT since, until FROM gaps WHERE until > ? AND since < ? ORDER BY since`, from, to)
	return out, err
}

// Gaps implements Service.
func (s *SQL) Gaps(ctx context.Context, from, to int64) (out []report.Span, err error) {
	err = s.read(ctx, func(t *tx) error {
		out, err = t.gaps(from, to)
		return err
	})
	return out, wrap(err)
}

// Lead implements Service.
func (s *SQL) Lead(ctx context.Context, collector string, now, until int64) (leads bool, err error) {
	err = s.write(ctx, func(t *tx) error {
		n, err := t.count(`UPDATE service SET leader = ?, leads_until = ? WHERE id = 1 AND (leader = ? OR leads_until < ?)`,
			collector, until, collector, now)
		leads = n > 0
		return err
	})
	return leads, wrap(err)
}

// Retain implements Archive.
func (s *SQL) Retain(ctx context.Context, now int64, keep Retention) (done Removed, err error) {
	if keep.Raw > 0 {
		if done.Raw, err = s.retainRaw(ctx, DayOf(now-keep.Raw.Milliseconds())); err != nil {
			return done, wrap(err)
		}
	}
	if keep.Cells > 0 {
		done.Cells, err = s.retainCells(ctx, DayOf(now-keep.Cells.Milliseconds()))
	}
	return done, wrap(err)
}

// retainRaw deletes what belongs to days before one. Of each journal the last state
// stays, and who is a member of what.
func (s *SQL) retainRaw(ctx context.Context, d Day) (int64, error) {
	total, err := s.dropPartitions(ctx, d)
	if err != nil {
		return total, err
	}
	err = s.write(ctx, func(t *tx) error {
		for _, q := range []string{
			`DELETE FROM events WHERE day < ?`,
			`DELETE FROM claims WHERE day < ?`,
			`DELETE FROM old WHERE day < ?`,
			`DELETE FROM marks WHERE channel = 0 AND day < ? AND seq < (SELECT max(n.seq) FROM marks n WHERE n.journal = marks.journal AND n.channel = 0)`,
			`DELETE FROM dirty WHERE day < ?`, // what is left would make its buckets empty
		} {
			n, err := t.count(q, int64(d))
			if err != nil {
				return err
			}
			total += n
		}
		return nil
	})
	return total, err
}

// retainCells deletes what was worked out of days before one, but for the days
// themselves, and installations that were not seen since.
func (s *SQL) retainCells(ctx context.Context, d Day) (total int64, err error) {
	err = s.write(ctx, func(t *tx) error {
		for _, q := range []struct {
			statement string
			before    int64
		}{
			{`DELETE FROM messages WHERE day < ?`, int64(d)},
			{`DELETE FROM phantoms WHERE day < ?`, int64(d)},
			{`DELETE FROM buckets WHERE day < ?`, int64(d)},
			{`DELETE FROM revisions WHERE day < ?`, int64(d)},
			{`DELETE FROM marks WHERE journal IN (SELECT j.id FROM journals j WHERE j.seen < ?)`, d.Start()},
			{`DELETE FROM journals WHERE seen < ?`, d.Start()},
			{`DELETE FROM members WHERE install IN (SELECT i.id FROM installs i WHERE i.seen < ?)`, d.Start()},
			{`DELETE FROM installs WHERE seen < ?`, d.Start()},
		} {
			n, err := t.count(q.statement, q.before)
			if err != nil {
				return err
			}
			total += n
		}
		return nil
	})
	return total, err
}

// SaveNote implements Results.
func (s *SQL) SaveNote(ctx context.Context, name, body string) error {
	return wrap(s.write(ctx, func(t *tx) error {
		return t.exec(`INSERT INTO notes (name, body) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body`, name, body)
	}))
}

// Note implements Results.
func (s *SQL) Note(ctx context.Context, name string) (body string, err error) {
	err = s.read(ctx, func(t *tx) error {
		return t.each(func(r *sql.Rows) error { return r.Scan(&body) }, `SELECT body FROM notes WHERE name = ?`, name)
	})
	return body, wrap(err)
}

// Settle implements Results.
func (s *SQL) Settle(ctx context.Context, name, body string) (kept string, err error) {
	err = s.write(ctx, func(t *tx) error {
		if err := t.exec(`INSERT INTO notes (name, body) VALUES (?, ?) ON CONFLICT DO NOTHING`, name, body); err != nil {
			return err
		}
		return t.row(`SELECT body FROM notes WHERE name = ?`, name).Scan(&kept)
	})
	return kept, wrap(err)
}
