package segmented

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/causeway-im/causeway/transport"
)

// maxRounds is how many pages of the inner transport one Query reads until its own
// is full. The caller goes on with what there is after that, perhaps nothing.
const maxRounds = 16

// retriever is the part of a transport around a Retriever.
type retriever struct {
	inner   transport.Retriever
	options Options
	walks   *walks
}

// Query implements transport.Retriever. A page has at most q.Limit payloads, and
// may have none though more follow.
func (r *retriever) Query(ctx context.Context, q transport.Query) (transport.Page, error) {
	ask := q
	ask.From = q.From.Add(-r.options.Spread) // to see that something began before
	ask.To = q.To.Add(r.options.Spread)      // for the rest of what began before
	w := r.walks.at(q.Topic, q.Cursor)
	var page transport.Page
	for range maxRounds {
		got, err := r.inner.Query(ctx, ask)
		if err != nil {
			return transport.Page{}, err
		}
		var whole []transport.Received
		whole, w = w.take(q.Topic, got.Messages, got.Next == nil, r.options)
		whole = slices.DeleteFunc(whole, func(m transport.Received) bool {
			return !m.Time.Before(q.To) || m.Time.Before(q.From)
		})
		page.Messages = append(whole, page.Messages...) // each page is older than the one before
		page.Next, ask.Cursor = got.Next, got.Next
		if ask.Limit = q.Limit - len(page.Messages); got.Next == nil || ask.Limit <= 0 {
			break
		}
	}
	if page.Next != nil {
		r.walks.keep(q.Topic, page.Next, w)
	}
	return page, nil
}

// Retrieve implements transport.Retriever. A payload of several envelopes is there if
// the store has enough of them.
func (r *retriever) Retrieve(ctx context.Context, topic transport.Topic, hints [][]byte) ([]transport.Received, error) {
	if err := checkHints(hints); err != nil {
		return nil, fmt.Errorf("segmented: retrieve: %w", err)
	}
	var all []transport.Received
	seen := map[string]bool{}
	var distinct [][]byte
	for _, h := range hints {
		if !seen[string(h)] {
			seen[string(h)] = true
			distinct = append(distinct, h)
		}
	}
	for first := true; first || len(distinct) > 0; first = false {
		asked, parts := batch(distinct)
		distinct = distinct[len(asked):]
		got, err := r.inner.Retrieve(ctx, topic, parts)
		if err != nil {
			return nil, err
		}
		byHint := map[string]transport.Received{}
		for _, m := range got {
			byHint[string(m.Hint)] = m
		}
		for _, h := range asked {
			if m, ok := r.assemble(topic, h, byHint); ok {
				all = append(all, m)
			}
		}
	}
	return all, nil
}

// batch returns as many of the hints as the inner transport takes at once, and what
// they name.
func batch(hints [][]byte) (asked, parts [][]byte) {
	for i, h := range hints {
		more := splitHints(h)
		if i > 0 && len(parts)+len(more) > transport.MaxHints {
			return hints[:i], parts
		}
		parts = append(parts, more...)
	}
	return hints, parts
}

// assemble makes the payload of a hint.
func (r *retriever) assemble(topic transport.Topic, hint []byte, byHint map[string]transport.Received) (transport.Received, bool) {
	var found []transport.Received
	for _, part := range splitHints(hint) {
		if m, ok := byHint[string(part)]; ok {
			m.Payload, m.Hint = append([]byte(nil), m.Payload...), append([]byte(nil), m.Hint...) // two hints may name it
			found = append(found, m)
		}
	}
	whole, _ := walk{}.take(topic, found, true, r.options)
	if len(whole) != 1 {
		return transport.Received{}, false
	}
	whole[0].Hint = append([]byte(nil), hint...) // of what was made of fewer envelopes too
	return whole[0], true
}

// confirmer is the part of a transport around a Confirmer.
type confirmer struct{ inner transport.Confirmer }

// Stored implements transport.Confirmer. A payload is stored if all envelopes that
// its hint names are.
func (c *confirmer) Stored(ctx context.Context, topic transport.Topic, hints [][]byte) ([]bool, error) {
	if err := checkHints(hints); err != nil {
		return nil, fmt.Errorf("segmented: stored: %w", err)
	}
	has := make([]bool, 0, len(hints))
	for first := true; first || len(hints) > 0; first = false {
		asked, parts := batch(hints)
		hints = hints[len(asked):]
		stored, err := c.inner.Stored(ctx, topic, parts)
		if err != nil {
			return nil, err
		}
		if len(stored) != len(parts) {
			return nil, errors.New("segmented: stored: the inner transport gave another number of answers")
		}
		for _, h := range asked {
			n, all := len(splitHints(h)), true
			for _, yes := range stored[:n] {
				all = all && yes
			}
			has, stored = append(has, all), stored[n:]
		}
	}
	return has, nil
}

func checkHints(hints [][]byte) error {
	if len(hints) > transport.MaxHints {
		return fmt.Errorf("%d hints, at most %d at once", len(hints), transport.MaxHints)
	}
	return nil
}
