package archive

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
)

// copyEvents inserts events as columns, which costs PostgreSQL a fraction of what rows
// of parameters do.
func (b *batch) copyEvents() error {
	if len(b.events) == 0 {
		return nil
	}
	n := len(b.events)
	var numbers [11][]int64
	var texts [9][]string
	for i := range numbers {
		numbers[i] = make([]int64, 0, n)
	}
	for i := range texts {
		texts[i] = make([]string, 0, n)
	}
	for i := range b.events {
		r := &b.events[i]
		for k, v := range [...]int64{int64(r.day), r.channel, r.journal, int64(r.Seq), r.At, r.Sent, int64(r.Size), int64(r.Audience), int64(r.Count), int64(r.Attempt), r.arrived} {
			numbers[k] = append(numbers[k], v)
		}
		for k, v := range [...]string{r.Message, string(r.Kind), r.Member, string(r.Class), string(r.Path), r.Answer, r.Code, r.Envelope, r.bytes()} {
			texts[k] = append(texts[k], v)
		}
	}
	args := make([]any, 0, 20)
	for _, c := range numbers {
		args = append(args, c)
	}
	for _, c := range texts {
		args = append(args, c)
	}
	return b.exec(`INSERT INTO events (day, channel, journal, seq, at, sent, size, audience, count, attempt, arrived,
		message, kind, member, class, path, answer, code, envelope, bytes)
		SELECT * FROM unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[],
		?::bigint[], ?::bigint[], ?::bigint[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[])`, args...)
}

// aheadDays is how many days' partitions are made ahead.
const aheadDays = 2

// partition makes the partitions that events will need, before the transaction that
// inserts them.
func (s *SQL) partition(ctx context.Context, uploads []Arrival) error {
	if !s.postgres {
		return nil
	}
	var days []Day
	s.mu.Lock()
	for i := range uploads {
		a := &uploads[i]
		for k := range a.Upload.Events {
			if d := DayOf(a.Upload.Events[k].At + a.shift()); !s.partitions[d] && !slices.Contains(days, d) {
				days = append(days, d)
			}
		}
	}
	s.mu.Unlock()
	for _, d := range days {
		for ahead := range Day(aheadDays + 1) {
			if err := s.makePartition(ctx, d+ahead); err != nil {
				return err
			}
		}
	}
	return nil
}

// makePartition makes that of a day unless it is there. Attaching a table stops
// neither readers nor writers, as making it in place would.
func (s *SQL) makePartition(ctx context.Context, d Day) error {
	name := partitionName(d)
	err := s.write(ctx, func(t *tx) error {
		if err := t.exec(`SELECT pg_advisory_xact_lock(7215620124)`); err != nil {
			return err
		}
		if have, err := t.hasTable(name); have || err != nil {
			return err
		}
		if err := t.exec(`CREATE TABLE ` + name + ` (LIKE events INCLUDING DEFAULTS INCLUDING INDEXES)`); err != nil {
			return err
		}
		return t.exec(fmt.Sprintf(`ALTER TABLE events ATTACH PARTITION %s FOR VALUES IN (%d)`, name, d))
	})
	if err != nil {
		return fmt.Errorf("partition of %s: %w", d, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.partitions[d] = true
	return nil
}

func partitionName(d Day) string { return fmt.Sprintf("events_%d", d) }

// dropPartitions drops those of days before one, and returns how many rows they had.
func (s *SQL) dropPartitions(ctx context.Context, before Day) (total int64, err error) {
	if !s.postgres {
		return 0, nil
	}
	var days []Day
	err = s.read(ctx, func(t *tx) error {
		return t.each(func(r *sql.Rows) error {
			var d int64
			err := r.Scan(&d)
			days = append(days, Day(d))
			return err
		}, `SELECT CAST(substr(c.relname, 8) AS BIGINT) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
			WHERE i.inhparent = to_regclass('events')`)
	})
	for _, d := range days {
		if d >= before || err != nil {
			continue
		}
		var n int64
		err = s.write(ctx, func(t *tx) error {
			if err := t.row(`SELECT count(*) FROM ` + partitionName(d)).Scan(&n); err != nil {
				return err
			}
			return t.exec(`DROP TABLE ` + partitionName(d))
		})
		total += n
		s.mu.Lock()
		delete(s.partitions, d)
		s.mu.Unlock()
	}
	return total, err
}
