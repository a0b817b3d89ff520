package archive

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// historyStep is how often a bucket that still changes all the time leaves a line in
// its history.
const historyStep = 10 * time.Minute

// hash is that of a list of texts.
func hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
}

// Dirty implements Results.
func (s *SQL) Dirty(ctx context.Context) (out []Mark, err error) {
	err = s.read(ctx, func(t *tx) error {
		return t.each(func(r *sql.Rows) error {
			var m Mark
			err := r.Scan(&m.Channel, &m.Day, &m.Since, &m.UpTo)
			out = append(out, m)
			return err
		}, `SELECT channel, day, min(at), max(id) FROM dirty GROUP BY channel, day ORDER BY min(id)`)
	})
	return out, wrap(err)
}

// Revise implements Results.
func (s *SQL) Revise(ctx context.Context, r Revision) (done Revised, err error) {
	digest := hash(string(r.Tallies), fmt.Sprint(r.Provisional))
	for i := range r.Messages {
		digest = hash(digest, r.Messages[i].digest())
	}
	for i := range r.Phantoms {
		digest = hash(digest, fmt.Sprint(r.Phantoms[i]))
	}
	err = s.write(ctx, func(t *tx) error {
		old := struct {
			digest            string
			revision, late    int64
			provisional, told int64
		}{}
		err := t.each(func(rows *sql.Rows) error {
			return rows.Scan(&old.digest, &old.revision, &old.late, &old.provisional)
		}, `SELECT digest, revision, late, provisional FROM buckets WHERE channel = ? AND day = ?`, r.Channel, int64(r.Day))
		if err != nil {
			return err
		}
		done = Revised{old.revision, old.digest != digest}
		if done.Changed {
			done.Revision++
			late := old.late
			if old.revision > 0 && old.provisional == 0 {
				late++
			}
			if err := t.revise(&r, done.Revision, late, digest); err != nil {
				return err
			}
			if err := t.mark(map[Bucket]int64{dayMark(r.Day): r.At}); err != nil {
				return err
			}
		}
		return t.exec(`DELETE FROM dirty WHERE channel = ? AND day = ? AND id <= ?`, r.Channel, int64(r.Day), r.UpTo)
	})
	return done, wrap(err)
}

func (t *tx) revise(r *Revision, revision, late int64, digest string) error {
	err := t.exec(`INSERT INTO buckets (channel, day, revision, provisional, at, late, cells, low, high, digest, tallies)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (day, channel) DO UPDATE SET revision = excluded.revision,
		provisional = excluded.provisional, at = excluded.at, late = excluded.late, cells = excluded.cells, low = excluded.low,
		high = excluded.high, digest = excluded.digest, tallies = excluded.tallies`,
		r.Channel, int64(r.Day), revision, number(r.Provisional), r.At, late, r.Figures.Cells, r.Figures.Low, r.Figures.High, digest, r.Tallies)
	if err != nil {
		return err
	}
	// A line that is young and provisional makes room for the new one, but for the first.
	err = t.exec(`DELETE FROM revisions WHERE channel = ? AND day = ? AND revision = ? AND revision > 1 AND provisional = 1 AND at > (
		SELECT max(p.at) FROM revisions p WHERE p.channel = ? AND p.day = ? AND p.revision < ?) AND ? - (
		SELECT max(p.at) FROM revisions p WHERE p.channel = ? AND p.day = ? AND p.revision < ?) < ?`,
		r.Channel, int64(r.Day), revision-1, r.Channel, int64(r.Day), revision-1, r.At, r.Channel, int64(r.Day), revision-1, historyStep.Milliseconds())
	if err != nil {
		return err
	}
	err = t.exec(`INSERT INTO revisions (channel, day, revision, at, provisional, cells, low, high) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		r.Channel, int64(r.Day), revision, r.At, number(r.Provisional), r.Figures.Cells, r.Figures.Low, r.Figures.High)
	if err != nil {
		return err
	}
	if err := t.saveMessages(r); err != nil {
		return err
	}
	return t.savePhantoms(r)
}

func (m *MessageRow) digest() string {
	b, _ := json.Marshal(m) // plain values: can be written
	return hash(string(b))
}

// saveMessages writes those that have changed.
func (t *tx) saveMessages(r *Revision) error {
	old := map[string]string{}
	err := t.each(func(rows *sql.Rows) error {
		var name, digest string
		err := rows.Scan(&name, &digest)
		old[name] = digest
		return err
	}, `SELECT message, digest FROM messages WHERE channel = ? AND day = ?`, r.Channel, int64(r.Day))
	if err != nil {
		return err
	}
	var values []any
	for i := range r.Messages {
		m := &r.Messages[i]
		digest := m.digest()
		was, ok := old[m.Message]
		delete(old, m.Message)
		if ok && was == digest {
			continue
		}
		without, err := json.Marshal(m.Without)
		if err != nil {
			return err
		}
		values = append(values, r.Channel, int64(r.Day), m.Message, m.At, m.Author, number(m.Left), number(m.Handed), m.Attempts, m.Acked,
			m.Day24[0], m.Day24[1], m.Day24[2], m.Day24[3], m.Minute[0], m.Minute[1], m.Minute[2], m.Minute[3], m.lacking(), string(without), digest)
	}
	for name := range old {
		if err := t.exec(`DELETE FROM messages WHERE channel = ? AND day = ? AND message = ?`, r.Channel, int64(r.Day), name); err != nil {
			return err
		}
	}
	return t.bulk(`INSERT INTO messages (`+messageColumns+`, lacking, without, digest) VALUES`, 20,
		`ON CONFLICT (channel, day, message) DO UPDATE SET at = excluded.at, author = excluded.author, has_left = excluded.has_left,
		handed = excluded.handed, attempts = excluded.attempts, acked = excluded.acked, delivered = excluded.delivered,
		lost = excluded.lost, censored = excluded.censored, undecodable = excluded.undecodable, delivered60 = excluded.delivered60,
		lost60 = excluded.lost60, censored60 = excluded.censored60, undecodable60 = excluded.undecodable60,
		lacking = excluded.lacking, without = excluded.without, digest = excluded.digest`, values, nil)
}

const messageColumns = `channel, day, message, at, author, has_left, handed, attempts, acked, delivered, lost, censored, undecodable,
	delivered60, lost60, censored60, undecodable60`

func (t *tx) savePhantoms(r *Revision) error {
	if err := t.exec(`DELETE FROM phantoms WHERE channel = ? AND day = ?`, r.Channel, int64(r.Day)); err != nil {
		return err
	}
	var values []any
	for _, p := range r.Phantoms {
		values = append(values, r.Channel, int64(r.Day), p.Message, p.Author, p.Noticed, p.By, number(p.Counted))
	}
	return t.bulk(`INSERT INTO phantoms (channel, day, message, author, noticed, noticed_by, counted) VALUES`, 7, ``, values, nil)
}
