package rest

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/causeway-im/causeway"
)

// Receipt is what is known about an own message.
type Receipt struct {
	ID          Text         `json:"id"`
	Level       string       `json:"level"` // queued, sent, stored, seen, reached or everyone
	Seen        int          `json:"seen"`
	Of          int          `json:"of"` // 0 without a roster
	Present     int          `json:"present"`
	Possibly    int          `json:"possibly"`
	Claimed     bool         `json:"claimed"`
	Undelivered bool         `json:"undelivered"`
	Superseded  Text         `json:"superseded,omitempty"`
	Persons     []Text       `json:"persons"` // in an event, those that are new
	Estimate    *Estimate    `json:"estimate,omitempty"`
	Want        *Want        `json:"want,omitempty"`        // not in events
	Transitions []Transition `json:"transitions,omitempty"` // not in events
}

// Estimate is what those say that were asked.
type Estimate struct {
	Verdict string  `json:"verdict"` // undecided, yes or no
	Sample  int     `json:"sample"`
	Heard   int     `json:"heard"`
	Low     float64 `json:"low"`
	High    float64 `json:"high"`
}

// Want is how far a message was to come.
type Want struct {
	Kind     string  `json:"kind"`
	Fraction float64 `json:"fraction,omitempty"`
	Persons  []Text  `json:"persons,omitempty"`
}

// Transition says when a level was reached.
type Transition struct {
	Level     string `json:"level"`
	Timestamp int64  `json:"timestamp"`
}

// wants are the names of the kinds of a want.
var wants = [...]string{"one", "fraction", "persons", "stewards", "everyone"}

func receiptOf(r *causeway.ReceiptNow, event bool) *Receipt {
	out := &Receipt{ID: Text(r.ID), Level: r.Level.String(), Seen: r.Seen, Of: r.Of, Present: r.Present, Possibly: r.Possibly,
		Claimed: r.Claimed, Undelivered: r.Undelivered, Superseded: Text(r.Superseded), Persons: texts(r.Persons)}
	if e := r.Estimate; e != (causeway.Estimate{}) {
		out.Estimate = &Estimate{e.Verdict.String(), e.Sample, e.Heard, e.Low, e.High}
	}
	if event {
		return out
	}
	if k := int(r.Want.Kind); k < len(wants) {
		out.Want = &Want{wants[k], r.Want.Fraction, texts(r.Want.Persons)}
	}
	for _, t := range r.Transitions {
		out.Transitions = append(out.Transitions, Transition{t.Level.String(), nanos(t.At)})
	}
	return out
}

// levels are the levels by name.
var levels = func() map[string]causeway.Level {
	m := map[string]causeway.Level{}
	for l := causeway.Queued; l <= causeway.SeenByAll; l++ {
		m[l.String()] = l
	}
	return m
}()

// receipt tells what is known, now or when a level is reached.
func (c *call) receipt() (any, error) {
	ch, id, err := c.named()
	if err != nil {
		return nil, err
	}
	q, err := c.query("level", "wait")
	if err != nil {
		return nil, err
	}
	wait, err := waitOf(q)
	if err != nil {
		return nil, err
	}
	level, ok := levels[cmp.Or(q.Get("level"), "reached")]
	if !ok {
		return nil, bad("level", []string{"queued", "sent", "stored", "seen", "reached", "everyone"}, "must be queued, sent, stored, seen, reached or everyone")
	}
	receipt := ch.Receipt(id)
	if wait > 0 {
		ctx, done, err := c.patient(wait)
		if err != nil {
			return nil, err
		}
		defer done()
		_, err = receipt.WaitFor(ctx, level)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			return nil, err
		}
		var cancel context.CancelFunc
		c.ctx, cancel = context.WithTimeout(c.r.Context(), requestTime)
		defer cancel()
	}
	now, err := receipt.Now(c.ctx)
	if err != nil {
		return nil, err
	}
	return receiptOf(&now, false), nil
}

// comparison says which logs are the same.
type comparison struct {
	Same   bool    `json:"same"`
	Groups []group `json:"groups"` // largest first
}

type group struct {
	Digest
	Names []Text `json:"names"`
}

func compareDigests(digests map[Text]Digest) comparison {
	by := map[Digest][]Text{}
	for name, d := range digests {
		by[d] = append(by[d], name)
	}
	out := comparison{Same: len(by) == 1}
	for d, names := range by {
		slices.Sort(names)
		out.Groups = append(out.Groups, group{d, names})
	}
	slices.SortFunc(out.Groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(len(b.Names), len(a.Names)), cmp.Compare(a.Names[0], b.Names[0]))
	})
	return out
}
