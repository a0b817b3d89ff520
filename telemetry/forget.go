package telemetry

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/causeway-im/causeway/store"
)

// Forgotten says what Forget deleted.
type Forgotten struct {
	Events  int  // that were recorded and not uploaded
	Install bool // the pseudonym of this installation
}

// Forget deletes what a journal has: what was recorded and not uploaded, the pseudonym
// of this installation, what it covered and how the device was described. Only a number
// stays, of as many events as there ever were, so that none is given twice. Where
// nothing was recorded, nothing is deleted. After an error, call it again.
//
// It needs no Telemetry. One that has the journal, in this process or another, stops
// for good with its next write, within a second of what it witnesses, sends nothing from
// then on, and what it wrote in between is deleted, too. What is on its way to the
// collector at that moment may arrive. The next New with a consent begins anew, with
// another pseudonym. See Telemetry.Disable for one that is to go on.
func Forget(ctx context.Context, j Journal) (Forgotten, error) {
	return forget(ctx, j, func(*state) bool { return true })
}

// forget does it if the state is one that may be forgotten.
func forget(ctx context.Context, j Journal, may func(*state) bool) (f Forgotten, err error) {
	events, newest := 0, uint64(0)
	err = scan(ctx, j, func(e store.Entry) { events, newest = events+eventsIn(e.Data), e.Seq })
	if err != nil {
		return f, err
	}
	err = j.Write(ctx, func(tx store.Tx) error {
		f = Forgotten{}
		raw, err := tx.Value(stateKey)
		if errors.Is(err, store.ErrNotFound) && events == 0 {
			return nil
		}
		st, err := readState(raw, err)
		if err != nil && !errors.Is(err, store.ErrCorrupt) {
			return err
		}
		if !may(&st) {
			return nil
		}
		f = Forgotten{Events: events, Install: st.Install != ""}
		if err := tx.Forget(journalName, 0, math.MaxUint64); err != nil {
			return err
		}
		return set(tx, &state{Acked: max(st.Acked, newest)})
	})
	if err != nil {
		return Forgotten{}, fmt.Errorf("telemetry: %w", err)
	}
	return f, nil
}

// forgotten tells whether nobody has the journal, since somebody forgot it.
func (st *state) forgotten() bool { return st.Owner == "" }
