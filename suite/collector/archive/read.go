package archive

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/causeway-im/causeway/telemetry/report"
)

func (t *tx) channelsByID() (map[int64]Channel, error) {
	out := map[int64]Channel{}
	err := t.each(func(r *sql.Rows) error {
		var c Channel
		err := r.Scan(&c.ID, &c.Name, &c.Community, &c.Topic, &c.Pubsub)
		out[c.ID] = c
		return err
	}, `SELECT id, name, community, topic, pubsub FROM channels`)
	return out, err
}

// Channels implements Facts.
func (s *SQL) Channels(ctx context.Context) (out map[int64]Channel, err error) {
	err = s.read(ctx, func(t *tx) error {
		out, err = t.channelsByID()
		return err
	})
	return out, wrap(err)
}

// wrap says where an error comes from.
func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("archive: %w", err)
}

// Active implements Facts.
func (s *SQL) Active(ctx context.Context, d Day, since int64) (out []Bucket, err error) {
	err = s.read(ctx, func(t *tx) error {
		return t.each(func(r *sql.Rows) error {
			b := Bucket{Day: d}
			err := r.Scan(&b.Channel)
			out = append(out, b)
			return err
		}, `SELECT DISTINCT m.channel FROM members m JOIN installs i ON i.id = m.install WHERE i.seen >= ? ORDER BY m.channel`, since)
	})
	return out, wrap(err)
}

// Events implements Facts.
func (s *SQL) Events(ctx context.Context, b Bucket, message string, limit int) (out []Witnessed, err error) {
	err = s.read(ctx, func(t *tx) error {
		var ids []any
		of := map[int64][]int{}
		err := t.eachEvent(func(journal, _ int64, e *report.Event) error {
			if of[journal] == nil {
				ids = append(ids, journal)
			}
			of[journal] = append(of[journal], len(out))
			out = append(out, Witnessed{Event: *e})
			return nil
		}, `channel = ? AND day BETWEEN ? AND ? AND message = ? ORDER BY at, journal, seq LIMIT ?`,
			b.Channel, int64(b.Day-1), int64(b.Day+30), message, limit)
		if err != nil {
			return err
		}
		return t.bulkOf(integer, `SELECT j.id, j.epoch, i.name FROM journals j JOIN installs i ON i.id = j.install WHERE j.id IN (VALUES`, 1, `)`,
			ids, func(r *sql.Rows) error {
				var id, epoch int64
				var name string
				err := r.Scan(&id, &epoch, &name)
				for _, i := range of[id] {
					out[i].Install, out[i].Epoch = name, uint64(epoch)
				}
				return err
			})
	})
	return out, wrap(err)
}

// TakeOld implements Intake. What was reported twice has the same id.
func (s *SQL) TakeOld(ctx context.Context, records []OldRecord) error {
	values := make([]any, 0, len(records)*14)
	days := map[Bucket]int64{}
	for i := range records {
		r := &records[i]
		values = append(values, r.id(), int64(DayOf(r.Sent)), r.At, r.Type, r.Who, r.Chat, r.Message, r.Topic, r.Pubsub, r.Sent,
			r.Platform, r.App, r.Kind, number(r.Failed))
		days[dayMark(DayOf(r.Sent))] = r.At
	}
	return wrap(s.write(ctx, func(t *tx) error {
		if err := t.mark(days); err != nil {
			return err
		}
		return t.bulk(`INSERT INTO old (id, day, arrived, type, who, chat, message, topic, pubsub, sent, platform, app, kind, failed) VALUES`, 14,
			`ON CONFLICT (id) DO NOTHING`, values, nil)
	}))
}

// id is what makes a record another one.
func (r *OldRecord) id() string {
	return hash(r.Type, r.Who, r.Chat, r.Message, r.Topic, fmt.Sprint(r.Sent), r.Kind, fmt.Sprint(r.Failed))
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Old implements Facts.
func (s *SQL) Old(ctx context.Context, d Day) (out []OldRecord, err error) {
	err = s.read(ctx, func(t *tx) error {
		return t.each(func(r *sql.Rows) error {
			var o OldRecord
			var failed int64
			err := r.Scan(&o.At, &o.Type, &o.Who, &o.Chat, &o.Message, &o.Topic, &o.Pubsub, &o.Sent, &o.Platform, &o.App, &o.Kind, &failed)
			o.Failed = failed != 0
			out = append(out, o)
			return err
		}, `SELECT arrived, type, who, chat, message, topic, pubsub, sent, platform, app, kind, failed FROM old WHERE day = ? ORDER BY sent, id`, int64(d))
	})
	return out, wrap(err)
}
