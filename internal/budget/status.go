package budget

import "github.com/causeway-im/causeway/sds"

// Level tells how near the quota is. It rises at 80 and 100 % and falls again 10
// points lower, so that it does not flicker.
type Level uint8

// The levels.
const (
	LevelNormal Level = iota
	LevelNear         // 80 % of the quota, or of what own content may use
	LevelFull         // all of it: content has to wait
)

// slack is by how many points of percent less something ends than it began at.
const slack = 10

// NextLevel returns the level that there should be now. SetLevel takes it over,
// once the host has made it durable.
func (q *Queue[T]) NextLevel(now sds.Time) Level {
	q.ledger.advance(now)
	full := q.ledger.fullness()
	above := func(percent int, l Level) bool {
		return full >= percent || q.level >= l && full >= percent-slack
	}
	switch {
	case above(100, LevelFull):
		return LevelFull
	case above(80, LevelNear):
		return LevelNear
	}
	return LevelNormal
}

// SetLevel takes over what NextLevel returned.
func (q *Queue[T]) SetLevel(l Level) { q.level = l }

// Level is what SetLevel was told last, also before the Record was made.
func (q *Queue[T]) Level() Level { return q.level }

// Busy tells whether half of the quota counts: who serves others early, a
// steward, leaves that to them from then on, until it is 40 %.
func (q *Queue[T]) Busy(now sds.Time) bool {
	q.ledger.advance(now)
	p := q.ledger.percent()
	q.busy = p >= 50 || q.busy && p >= 50-slack
	return q.busy
}

// Waiting counts the packets of a class that wait.
func (q *Queue[T]) Waiting(c sds.Class) int { return q.lines[c].count }

// Status is what there is of a share.
type Status struct {
	Used Amount // what counts
	Of   Amount // the share; Bytes is 0 without a limit
	Room Amount // what could leave now, lent shares included
}

// Status returns the state of a share.
func (q *Queue[T]) Status(now sds.Time, s Share) Status {
	q.ledger.advance(now)
	l := &q.ledger
	packets, bytes := l.used.shares()
	st := Status{Used: Amount{packets[s], bytes[s]}, Of: Amount{Packets: l.packets.share(s)},
		Room: Amount{Packets: max(l.packets.room(&packets, s), 0)}}
	if l.quota.Bytes > 0 {
		st.Of.Bytes, st.Room.Bytes = l.bytes.share(s), max(l.bytes.room(&bytes, s), 0)
	}
	return st
}

// NextContent returns when the last of so many packets of content that are offered
// now should be able to leave, if nothing else is sent before but the content that
// waits.
func (q *Queue[T]) NextContent(now sds.Time, packets int) sds.Time {
	q.ledger.advance(now)
	n := q.size.Packets
	return q.ledger.forecast(now, n+int64(packets), q.size.Bytes/max(n, 1))
}
