package telemetry

import (
	"context"
	"time"

	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/telemetry/report"
)

// add puts an event where the next flush finds it. t.mu is held.
func (t *Telemetry) add(e report.Event) {
	if len(t.buffer) >= maxBuffer { // the store has not taken anything for long
		t.cover.lose(e.At + 1)
		return
	}
	t.buffer = append(t.buffer, e)
	t.touch()
}

// touch makes the writer flush soon. t.mu is held.
func (t *Telemetry) touch() {
	if !t.dirty {
		t.dirty = true
		t.signal(t.wake)
	}
}

// writes is the goroutine that makes things durable.
func (t *Telemetry) writes() {
	defer t.tasks.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var flushAt, beatAt time.Time // zero: not set
	for {
		select {
		case <-t.life.Done():
			return
		case <-t.wake:
		case <-timer.C:
		}
		now := time.Now()
		due, wait := t.look(now, &flushAt, &beatAt)
		if due {
			flushAt, beatAt = time.Time{}, time.Time{}
			if err := t.flush(); err != nil {
				flushAt = now.Add(retryFlush)
			}
			t.makeRoom()
			_, wait = t.look(time.Now(), &flushAt, &beatAt)
		}
		timer.Stop()
		if wait > 0 {
			timer.Reset(wait)
		}
	}
}

// look does what is due by the clock, and returns whether to flush now, or else
// how long there is nothing to do, 0 for ever.
func (t *Telemetry) look(now time.Time, flushAt, beatAt *time.Time) (due bool, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.stamp()
	if p := &t.presence; p.changing() && !now.Before(p.due) {
		t.settle(p.next, p.since)
	}
	if t.dirty && flushAt.IsZero() {
		*flushAt = now.Add(flushAfter)
		if t.presence.asleep() { // there may be no time left
			*flushAt = now
		}
	}
	awake := t.on && !t.presence.asleep()
	if next := now.Add(t.beat()); awake && (beatAt.IsZero() || next.Before(*beatAt)) {
		*beatAt = next
	}
	if awake && !now.Before(*beatAt) {
		t.measure(at)
		return true, 0
	}
	if !flushAt.IsZero() && !now.Before(*flushAt) {
		return true, 0
	}
	next := func(d time.Duration) {
		if wait == 0 || d < wait {
			wait = d
		}
	}
	if awake {
		next(min(t.tick(), beatAt.Sub(now)))
	}
	if !flushAt.IsZero() {
		next(flushAt.Sub(now))
	}
	if t.presence.changing() {
		next(t.presence.due.Sub(now))
	}
	return false, wait
}

// flush makes durable what waits, and claims the time until now. When it returns
// nil, everything that was recorded before it was called is durable.
func (t *Telemetry) flush() error {
	t.flushing.Lock()
	defer t.flushing.Unlock()
	t.mu.Lock()
	t.dirty = false
	if t.fenced {
		t.mu.Unlock()
		return ErrClosed
	}
	// Whatever is witnessed from here on is given a time at or after this one. What a
	// node has written with an earlier time is in a transaction that has ended or
	// holds the store, which ours then waits for.
	events := t.buffer[:len(t.buffer):len(t.buffer)]
	spans, upTo := t.claim(t.stamp())
	closed := len(t.cover.closed)
	t.mu.Unlock()

	if n := len(t.attempts); n == 0 || t.attempts[n-1].events != len(events) {
		t.batch++
		t.attempts = append(t.attempts, attempt{batch: t.batch, events: len(events)})
	}
	this := &t.attempts[len(t.attempts)-1]
	err := t.ledger.update(func(tx store.Tx, st *state) error {
		done := t.tookPlace(st.Batch)
		size, err := appendRows(tx, &scratch{}, events[done.events:], upTo)
		if err != nil {
			return err
		}
		this.size = done.size + size
		if st.Batch = t.batch; st.current() == nil {
			return nil
		}
		for _, s := range spans {
			st.current().cover(s)
		}
		return nil
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.opts.Log.Error("telemetry: the journal can't be written", "error", err)
		return err
	}
	t.events.Add(int64(this.events))
	t.bytes.Add(this.size)
	t.attempts = nil
	t.buffer = append([]report.Event(nil), t.buffer[len(events):]...)
	t.cover.closed = t.cover.closed[min(closed, len(t.cover.closed)):]
	return nil
}

// tookPlace returns the attempt that the state names: its events are durable already.
func (t *Telemetry) tookPlace(batch uint64) attempt {
	for _, a := range t.attempts {
		if a.batch == batch {
			return a
		}
	}
	return attempt{}
}

// appendRows writes events to the journal, the last ones with the claim, and returns
// how many bytes those are.
func appendRows(tx store.Tx, s *scratch, events []report.Event, claim int64) (size int64, err error) {
	for len(events) > 0 {
		n, last := rowOf(events), int64(0)
		if n == len(events) {
			last = claim
		}
		s.row = appendRow(s.row[:0], events[:n], last)
		if err := tx.AppendMany(journalName, n, s.row); err != nil {
			return size, err
		}
		size, events = size+int64(len(s.row)), events[n:]
	}
	return size, nil
}

// rowOf returns how many of events go into the next row: what can be spared is in
// rows of its own, since a row is given up as a whole.
func rowOf(events []report.Event) int {
	n, first := 1, spared(&events[0])
	for n < min(len(events), maxRow) && spared(&events[n]) == first {
		n++
	}
	return n
}

// spared tells whether the journal says who has what without this event.
func spared(e *report.Event) bool {
	switch e.Kind {
	case report.Attempted, report.Handed, report.Refused, report.Resent, report.Traffic:
		return true
	}
	return e.Class != "" && e.Class != report.Multicast
}

// makeRoom gives events up when there are too many.
func (t *Telemetry) makeRoom() {
	if t.events.Load() <= int64(t.opts.MaxEvents) && t.bytes.Load() <= t.opts.MaxBytes {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeLimit)
	defer cancel()
	if err := t.prune(ctx); err != nil {
		t.opts.Log.Error("telemetry: no room could be made", "error", err)
	}
}

// prune gives up a tenth of the bounds beyond what is too much: first the oldest
// of what can be spared, then the oldest of all, and with those the claim.
func (t *Telemetry) prune(ctx context.Context) error {
	type kept struct {
		seq    uint64
		at     int64 // of its newest event
		events int
		size   int64
		spared bool
		gone   bool
	}
	var all []kept
	count, bytes := 0, int64(0)
	err := scan(ctx, t.opts.Journal, func(s store.Entry) {
		k := kept{seq: s.Seq, events: eventsIn(s.Data), size: int64(len(s.Data))}
		if r, err := readRow(s.Data); err == nil {
			k.spared = spared(&r.events[0])
			for i := range r.events {
				k.at = max(k.at, r.events[i].At)
			}
		}
		all = append(all, k)
		count, bytes = count+k.events, bytes+k.size
	})
	t.events.Store(int64(count))
	t.bytes.Store(bytes)
	if err != nil || count <= t.opts.MaxEvents && bytes <= t.opts.MaxBytes {
		return err
	}
	lostTo := int64(0)
	for _, essential := range []bool{false, true} {
		for i := range all[:len(all)-1] { // the last one tells what number was given
			k := &all[i]
			if count <= t.opts.MaxEvents-t.opts.MaxEvents/10 && bytes <= t.opts.MaxBytes-t.opts.MaxBytes/10 {
				break
			}
			if k.gone || k.spared == essential {
				continue
			}
			k.gone, count, bytes = true, count-k.events, bytes-k.size
			if essential {
				lostTo = max(lostTo, k.at+1)
			}
		}
	}
	err = t.ledger.update(func(tx store.Tx, st *state) error {
		for i := 0; i < len(all); i++ {
			if !all[i].gone {
				continue
			}
			j := i
			for ; j < len(all) && all[j].gone; j++ {
				st.Dropped += uint64(all[j].events)
			}
			if err := tx.Forget(journalName, all[i].seq, all[j-1].seq); err != nil {
				return err
			}
			i = j
		}
		for i := range st.Runs {
			st.Runs[i].raise(lostTo)
		}
		return nil
	})
	if err == nil {
		t.events.Store(int64(count))
		t.bytes.Store(bytes)
	}
	return err
}
