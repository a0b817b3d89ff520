package budget

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/causeway-im/causeway/sds"
)

// ErrRecord: a record can't be read.
var ErrRecord = errors.New("bad budget record")

const recordVersion = 1

// Record returns what has to be durable before anything that Grant returned is
// let go. level is what SetLevel will be told then.
func (q *Queue[T]) Record(level Level) []byte {
	l := &q.ledger
	b := []byte{recordVersion, byte(level)}
	b = binary.AppendUvarint(b, uint64(len(l.slots)))
	last := uint64(0)
	for i := range l.slots {
		end := uint64(max((l.slots[i].index+1)*l.length, 0)) // when it is over: what is in it has left by then
		b = binary.AppendUvarint(b, end-last)
		b = appendTally(b, &l.slots[i].used)
		last = end
	}
	return appendTally(b, &l.flying)
}

// appendTally writes which classes there are, and their amounts.
func appendTally(b []byte, t *tally) []byte {
	mask := byte(0)
	for c, a := range t {
		if a != (Amount{}) {
			mask |= 1 << c
		}
	}
	b = append(b, mask)
	for _, a := range t {
		if a != (Amount{}) {
			b = binary.AppendUvarint(b, uint64(a.Packets))
			b = binary.AppendUvarint(b, uint64(a.Bytes))
		}
	}
	return b
}

// Load makes a Queue that goes on where a Record ends; a nil record is a new one.
// What was under way then may have left until now. The quota may be another one
// than before: what the record has counts in it, also when it is more. It has
// only as much as the window was then, so a longer one is not full of memory at
// once.
func Load[T any](quota Quota, record []byte, now sds.Time) (*Queue[T], error) {
	if err := quota.Check(); err != nil {
		return nil, err
	}
	q := newQueue[T](quota)
	if record == nil {
		return q, nil
	}
	r := reader{b: record}
	if v := r.byte(); r.err == nil && v != recordVersion {
		return nil, fmt.Errorf("budget: %w: version %d, this program knows %d", ErrRecord, v, recordVersion)
	}
	q.level = min(Level(r.byte()), LevelFull)
	end := uint64(0)
	for range r.uvarint(1 << 10) {
		end += r.uvarint(1 << 52)
		used := r.tally()
		if r.err != nil || end > 1<<53 {
			return nil, r.failed("slots")
		}
		// Slots may have another length now: the last moment of the old one counts.
		q.ledger.slotAt(sds.Time(max(end, 1) - 1)).used.add(&used)
		q.ledger.used.add(&used)
	}
	flying := r.tally()
	if r.err != nil || len(r.b) > 0 {
		return nil, r.failed("end")
	}
	q.ledger.advance(now)
	q.ledger.slotAt(now).used.add(&flying)
	q.ledger.used.add(&flying)
	return q, nil
}

// reader takes a record apart. After an error it returns zeroes.
type reader struct {
	b   []byte
	err error
}

func (r *reader) failed(where string) error {
	if r.err == nil {
		r.err = ErrRecord
	}
	return fmt.Errorf("budget: %w at its %s", r.err, where)
}

func (r *reader) byte() byte {
	if r.err != nil || len(r.b) == 0 {
		r.err = ErrRecord
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if r.err != nil || n <= 0 || v > limit {
		r.err = ErrRecord
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) tally() (t tally) {
	mask := r.byte()
	for c := range t {
		if mask&(1<<c) != 0 {
			t[c] = Amount{int64(r.uvarint(maxPackets)), int64(r.uvarint(maxBytes))}
		}
	}
	if mask&1 != 0 { // no class has this number
		r.err = ErrRecord
	}
	return t
}
