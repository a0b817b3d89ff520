package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/telemetry/report"
)

// Names in the store.
const (
	journalName = "telemetry"
	stateKey    = "telemetry"
)

// state is what the journal knows beside its entries. It is written with them, in
// one transaction, and read in each: no copy of it is kept that could be wrong.
type state struct {
	// Owner is the Telemetry that writes. One that finds another here stops.
	Owner string `json:"owner"`
	// Batch numbers the flushes: after an error it tells whether the last one took
	// place all the same.
	Batch   uint64        `json:"batch"`
	Install string        `json:"install,omitempty"` // "" before consent
	Born    int64         `json:"born,omitempty"`    // when Install was made
	Device  report.Device `json:"device"`
	// Acked is the number up to which all is at the collector, or given up.
	Acked uint64 `json:"acked"`
	// Refused are numbers above Acked whose events the collector does not take: they
	// are as good as gone, though their rows have others. Ascending.
	Refused []uint64 `json:"refused,omitempty"`
	// Runs are those that the collector has not been told all of, oldest first. The
	// last one is the present one.
	Runs   []run `json:"runs,omitempty"`
	Epochs int   `json:"epochs,omitempty"` // that Install has had
	Closed bool  `json:"closed,omitempty"` // the run ended in order
	// Dropped and Rejected count events that were given up to make room, and that
	// the collector did not take.
	Dropped  uint64 `json:"dropped,omitempty"`
	Rejected uint64 `json:"rejected,omitempty"`
}

// run is an epoch: its events are those with a number above Base, up to the next one's,
// and told with Base subtracted.
type run struct {
	Epoch uint64 `json:"epoch"`
	Base  uint64 `json:"base"`
	// Floor is a time before which nothing is claimed any more: the collector has
	// been told, or events were given up.
	Floor int64         `json:"floor,omitempty"`
	Spans []report.Span `json:"spans,omitempty"`
}

// Bounds of the state, which is written with each flush.
const (
	maxRuns = 64
	// maxEpochs of one install is less than what collectors take. What follows more
	// runs that ended badly goes on in the last epoch.
	maxEpochs = 500
	maxSpans  = 1000
	// maxRefused is more than there ever are between two uploads that are taken. Of
	// more, the first are sent again.
	maxRefused = 1000
)

// cover adds a span that may begin within the last one or be an extension of it.
func (r *run) cover(s report.Span) {
	s.From = max(s.From, r.Floor)
	if n := len(r.Spans); n > 0 && s.From <= r.Spans[n-1].To {
		r.Spans[n-1].To = max(r.Spans[n-1].To, s.To)
		return
	}
	if s.To <= s.From {
		return
	}
	if r.Spans = append(r.Spans, s); len(r.Spans) > maxSpans {
		r.Spans = r.Spans[len(r.Spans)-maxSpans:]
	}
}

// raise raises the floor.
func (r *run) raise(floor int64) {
	r.Floor = max(r.Floor, floor)
	r.Spans = after(r.Spans, r.Floor)
}

// after returns what of spans is not before a time.
func after(spans []report.Span, from int64) (rest []report.Span) {
	for _, s := range spans {
		if s.From = max(s.From, from); s.From < s.To {
			rest = append(rest, s)
		}
	}
	return rest
}

// before returns what of spans is before a time.
func before(spans []report.Span, to int64) (rest []report.Span) {
	for _, s := range spans {
		if s.To = min(s.To, to); s.From < s.To {
			rest = append(rest, s)
		}
	}
	return rest
}

// begin begins an epoch above base, now.
func (st *state) begin(base uint64, now int64) {
	epoch, floor := uint64(max(now, 1)), int64(0)
	if n := len(st.Runs); n > 0 {
		last := &st.Runs[n-1]
		epoch, floor = max(epoch, last.Epoch+1), last.end()
		if st.Acked >= base && len(last.Spans) == 0 { // there is nothing to tell of it
			st.Runs = st.Runs[:n-1]
		}
	}
	st.Epochs++
	st.Runs = append(st.Runs, run{Epoch: epoch, Base: base, Floor: floor})
}

// end is the latest time that the run claims. The next one claims none before it.
func (r *run) end() int64 {
	if n := len(r.Spans); n > 0 {
		return max(r.Floor, r.Spans[n-1].To)
	}
	return r.Floor
}

// current returns the present run, nil before consent.
func (st *state) current() *run {
	if len(st.Runs) == 0 {
		return nil
	}
	return &st.Runs[len(st.Runs)-1]
}

// refuse makes a number one of those whose events the collector does not take.
func (st *state) refuse(n uint64) {
	i, there := slices.BinarySearch(st.Refused, n)
	if there || n <= st.Acked {
		return
	}
	st.Refused = slices.Insert(st.Refused, i, n)
	st.Refused = st.Refused[max(0, len(st.Refused)-maxRefused):]
}

// ledger writes the state.
type ledger struct {
	journal Journal
	owner   string
	fence   func()     // called when the journal is somebody else's, before its lock is given back
	mu      sync.Mutex // one writer at a time
}

func readState(raw []byte, err error) (st state, _ error) {
	if errors.Is(err, store.ErrNotFound) {
		return state{}, nil
	}
	if err == nil {
		if err = json.Unmarshal(raw, &st); err != nil {
			err = fmt.Errorf("%w: %w", store.ErrCorrupt, err)
		}
	}
	return st, err
}

// update changes the state, and entries with it, in one transaction. After an
// error it is not known whether it did. Where Forget was called it does so once more:
// a node may have written since.
func (l *ledger) update(f func(store.Tx, *state) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), writeLimit)
	defer cancel()
	forgotten := false
	err := l.journal.Write(ctx, func(tx store.Tx) error {
		st, err := readState(tx.Value(stateKey))
		if err != nil {
			return err
		}
		if st.Owner != l.owner {
			l.fence() // no transaction that comes after this one records
			forgotten = st.forgotten()
			return store.ErrFenced
		}
		if err := f(tx, &st); err != nil {
			return err
		}
		return set(tx, &st)
	})
	if forgotten {
		_, again := forget(ctx, l.journal, (*state).forgotten)
		err = errors.Join(err, again)
	}
	if err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	return nil
}

func set(tx store.Tx, st *state) error {
	raw, err := json.Marshal(st)
	if err != nil {
		return err
	}
	return tx.Set(stateKey, raw)
}

// take makes l the owner, and begins an epoch if the last run did not end in order.
func (l *ledger) take(ctx context.Context, newest uint64, d report.Device, now int64) (batch uint64, err error) {
	err = l.journal.Write(ctx, func(tx store.Tx) error {
		st, err := readState(tx.Value(stateKey))
		if errors.Is(err, store.ErrCorrupt) { // what it said is lost, and what it was about with it
			st, err = state{Acked: newest}, tx.Forget(journalName, 0, newest)
		}
		if err != nil {
			return err
		}
		if !st.Closed && st.Install != "" && len(st.Runs) < maxRuns && st.Epochs < maxEpochs {
			st.begin(max(newest, st.Acked), now)
		}
		st.Owner, st.Closed, st.Device = l.owner, false, d
		batch = st.Batch
		return set(tx, &st)
	})
	if err != nil {
		return 0, fmt.Errorf("telemetry: %w", err)
	}
	return batch, nil
}
