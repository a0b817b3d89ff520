package causeway

import (
	"context"
	"math"
	"slices"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
)

// tally adds up the receipts of the parts of an own payload: a person has it who
// has every data segment.
type tally struct {
	data   int
	want   Want
	index  map[MessageID]int // of the data segments
	levels []Level
	lost   []bool // Undelivered
	claims bool
	asked  bool             // about all parts
	has    map[PersonID]int // how many of them
	last   int              // how many persons have the last
	whole  []PersonID       // who have all, sorted
	of     int
	level  Level
}

func newTally(a *assembly) *tally {
	t := &tally{data: a.data, index: map[MessageID]int{}, levels: make([]Level, a.data), lost: make([]bool, a.data), has: map[PersonID]int{}}
	for i := range a.data {
		t.index[a.parts[i]] = i
	}
	return t
}

// add takes what is news about a part: persons are those that have it since. It
// returns who has the payload since.
func (t *tally) add(id MessageID, level Level, of int, persons []PersonID, claimed, undelivered bool) (since []PersonID) {
	i, ok := t.index[id]
	if !ok {
		return nil // parity
	}
	t.levels[i], t.lost[i] = max(t.levels[i], level), undelivered
	t.claims = t.claims || claimed
	t.of = max(t.of, of)
	for _, p := range persons {
		if t.has[p]++; t.has[p] == t.data {
			since = append(since, p)
		}
		if i == t.data-1 {
			t.last++
		}
	}
	t.whole = append(t.whole, since...)
	slices.Sort(t.whole)
	t.level = max(t.level, t.now())
	return since
}

// now is the level that the parts allow.
func (t *tally) now() Level {
	least := slices.Min(t.levels)
	switch {
	case t.of > 0 && len(t.whole) == t.of:
		return SeenByAll
	case len(t.whole) > 0 && t.reached():
		return Reached
	case len(t.whole) > 0:
		return Seen
	}
	if least > Stored { // somebody has each, nobody all
		return Sent
	}
	return least
}

// reached tells whether what was wanted is so. It was asked about the last data
// segment: what holds of that holds of the payload when everybody who has that has
// the others too.
func (t *tally) reached() bool {
	switch t.want.Kind {
	case sds.WantOne:
		return true
	case sds.WantFraction:
		if t.of > 0 && len(t.whole) >= int(math.Ceil(t.want.Fraction*float64(t.of)-1e-9)) {
			return true
		}
	}
	return t.levels[t.data-1] >= Reached && len(t.whole) == t.last
}

// lags tells whether what was wanted is known of the last part and not of the others.
func (t *tally) lags() bool { return t.levels[t.data-1] >= Reached && !t.reached() }

func (t *tally) undelivered() bool { return len(t.whole) == 0 && slices.Contains(t.lost, true) }

// final tells whether nothing can change any more.
func (t *tally) final() bool { return t.level == SeenByAll }

// readTally adds up what the store has of the parts of an own payload.
func (s *session) readTally(ctx context.Context, a *assembly) error {
	_, err := s.readParts(ctx, a.tally, a.id)
	return err
}

// readReceipt reads the receipt of an own message. Of a payload that travels in
// several it is that of the last data segment, with the sum over all.
func (c *Channel) readReceipt(ctx context.Context, id MessageID) (kept store.Receipt, whole *tally, err error) {
	r, err := c.n.payload(ctx, c.cfg.Channel, id)
	if err != nil {
		return kept, nil, err
	}
	if r == nil || !r.Own {
		kept, err = c.n.opts.Store.Receipt(ctx, c.cfg.Channel, id)
		return kept, nil, err
	}
	a, err := assemblyOf(r)
	if err != nil {
		return kept, nil, err
	}
	whole = newTally(a)
	if kept, err = c.readParts(ctx, whole, id); err != nil {
		return kept, nil, err
	}
	return kept, whole, nil
}

// readParts adds up the receipts of all data segments, and returns that of the last.
func (c *Channel) readParts(ctx context.Context, t *tally, last MessageID) (kept store.Receipt, err error) {
	db, ch := c.n.opts.Store, c.cfg.Channel
	if kept, err = db.Receipt(ctx, ch, last); err != nil {
		return kept, err
	}
	t.want = kept.Outgoing.Want
	for id := range t.index {
		r, err := db.Receipt(ctx, ch, id)
		if err != nil {
			return kept, err
		}
		o := &r.Outgoing
		t.add(id, o.Level, len(o.Members), r.Persons, o.Claimed, o.Undelivered)
	}
	for _, moved := range kept.Transitions { // levels never go back
		t.level = max(t.level, moved.Level)
	}
	return kept, nil
}

// partReceipt takes what is news about a part of an own payload.
func (j *job) partReceipt(l *loop, a *assembly, r *sds.Receipt) {
	t := a.tally
	level, undelivered, claims := t.level, t.undelivered(), t.claims
	since := t.add(r.ID, r.Level, r.Of, r.Persons, r.Claimed, r.Undelivered)
	if t.lags() && !t.asked {
		l.afterwards(func() { j.s.pursue(l, a) })
	}
	asked := r.ID == a.id && r.Estimate != (Estimate{})
	if t.level == level && len(since) == 0 && undelivered == t.undelivered() && claims == t.claims && !asked {
		return
	}
	now := &ReceiptNow{ID: a.id, Level: t.level, Seen: len(t.whole), Of: t.of, Claimed: t.claims, Undelivered: t.undelivered(), Persons: since}
	if r.ID == a.id {
		now.Present, now.Estimate, now.Possibly = r.Present, r.Estimate, r.Possibly
	}
	if t.level > level {
		j.batch.Transitions = append(j.batch.Transitions, store.Transition{ID: a.id, Level: t.level, At: l.now})
	}
	j.add(l, Event{Kind: EventReceipt, ID: a.id, Receipt: now})
	j.moved = append(j.moved, a.id)
	if t.final() {
		j.s.assemblies.touch(a)
	}
}

// pursue has members asked about all parts of an own payload, where what is known of
// the last is not known of the others: whoever acknowledged that without them has got
// them since, or will, and need not speak of it by itself.
func (s *session) pursue(l *loop, a *assembly) {
	t := a.tally
	if s.core == nil || t.asked || !t.lags() {
		return
	}
	t.asked = true
	for id := range t.index {
		s.core.Pursue(l.now, id, t.want)
	}
	l.touch(s)
}
