package causeway

import (
	"context"
	"errors"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport"
)

// queries are messages to ask a store about, by id.
type queries struct {
	byID    map[MessageID]*query
	at      sds.Time // nothing is due before
	notYet  sds.Time // no question before: what becomes due meanwhile shares one
	running bool
}

type query struct {
	hints [][]byte // newest last
	due   sds.Time
	tries int
}

const (
	// fetchDelay is the grace before a store is asked for what is missing, and
	// proveDelay what a store gets to take in a message; both times four after
	// each try.
	fetchDelay = time.Second
	proveDelay = 2 * time.Second
	// proveEvery is the time between two questions about own messages: who writes
	// all the time asks about all that was written since.
	proveEvery = 3 * time.Second
	maxTries   = 6
	// maxHintsKept is how many envelopes of one message are remembered: more than
	// there are before a message counts as undelivered and is no longer resent.
	maxHintsKept = 16
	// maxAsked bounds the messages to ask about.
	maxAsked = 4096
)

// add asks about a message after d.
func (q *queries) add(now sds.Time, id MessageID, hint []byte, d time.Duration) {
	if len(hint) == 0 || len(q.byID) >= maxAsked {
		return
	}
	if q.byID == nil {
		q.byID = map[MessageID]*query{}
	}
	e := q.byID[id]
	if e == nil {
		e = &query{due: now.Add(d)}
		q.byID[id] = e
		if len(q.byID) == 1 || e.due < q.at {
			q.at = e.due
		}
	}
	for _, known := range e.hints {
		if string(known) == string(hint) {
			return
		}
	}
	e.hints = append(e.hints, hint)
	if len(e.hints) > maxHintsKept {
		e.hints = e.hints[1:]
	}
}

// next returns when something may be due.
func (q *queries) next() sds.Time {
	if q.running || len(q.byID) == 0 {
		return never
	}
	return max(q.at, q.notYet)
}

// hurry starts all waits anew.
func (q *queries) hurry(now sds.Time) {
	for _, e := range q.byID {
		e.due, e.tries = now, 0
	}
	q.at, q.notYet = now, 0
}

// take returns the hints that are due, and whose they are. Unless more are due than
// fit into one question, the next one comes after every at the earliest.
func (q *queries) take(now sds.Time, delay, every time.Duration) (hints [][]byte, ids []MessageID) {
	if q.next() > now {
		return nil, nil
	}
	q.at, q.notYet = never, now.Add(every)
	for id, e := range q.byID {
		if e.due <= now && len(hints)+len(e.hints) > transport.MaxHints {
			q.notYet = 0
		} else if e.due <= now {
			for _, h := range e.hints {
				hints, ids = append(hints, h), append(ids, id)
			}
			if e.tries++; e.tries > maxTries {
				delete(q.byID, id)
				continue
			}
			e.due = now.Add(delay << (2 * e.tries))
		}
		q.at = min(q.at, e.due)
	}
	return hints, ids
}

// gapMoved notes a message that a store may have, or that is no longer missing.
func (s *session) gapMoved(l *loop, g sds.Gap) {
	switch g.State {
	case sds.GapMissing, sds.GapSkipped:
		if s.retriever() != nil {
			s.missing.add(l.now, g.ID, g.Hint, fetchDelay)
		}
	default:
		delete(s.missing.byID, g.ID)
	}
}

// seek notes what was missing when the channel was restored.
func (s *session) seek(messages map[MessageID]sds.MessageRecord) {
	if s.retriever() == nil {
		return
	}
	for id, m := range messages {
		if m.State == sds.StateMissing || m.State == sds.StateGap {
			s.missing.add(s.n.now(), id, m.Hint, fetchDelay)
		}
	}
}

// retrieveDue asks stores for missing messages.
func (s *session) retrieveDue(l *loop) {
	hints, ids := s.missing.take(l.now, fetchDelay, 0)
	if len(hints) == 0 {
		return
	}
	s.missing.running = true
	s.inBackground(&s.missing, func(ctx context.Context) error {
		var received []transport.Received
		err := s.n.query(ctx, func(ctx context.Context) (err error) {
			received, err = s.retriever().Retrieve(ctx, s.cfg.Topic, hints)
			return err
		})
		batch := s.openAll(received)
		s.n.run(func(l *loop) {
			s.receiveStored(l, nil, batch)
			s.notForMe(l, batch, hints, ids)
		})
		return err
	})
}

// notForMe tells the channel about missing messages that can't be opened. Where only
// content is sealed, a packet says itself which message it is; else whoever gave the
// hint is believed.
func (s *session) notForMe(l *loop, batch []incoming, hints [][]byte, ids []MessageID) {
	for i := range batch {
		if !errors.Is(batch[i].err, ErrNotForMe) || s.core == nil {
			continue
		}
		for k, h := range hints {
			m, trust := &batch[i].message, sds.Opaque // what gives no id is what the hint says
			if m.MessageID != "" {
				trust = sds.VerifyID(m)
			}
			if string(h) == string(batch[i].origin.Hint) && (m.MessageID == "" || m.MessageID == ids[k] && trust != sds.Forged) {
				s.core.NotForMe(l.now, ids[k], unproved(trust, h))
				delete(s.missing.byID, ids[k])
				l.touch(s)
			}
		}
	}
}

// unproved is the hint of a packet, unless that proves itself which message it is.
func unproved(trust sds.Trust, hint []byte) []byte {
	if trust == sds.Verified {
		return nil
	}
	return hint
}

// inBackground runs one question to a store, unless the connection ends.
func (s *session) inBackground(q *queries, ask func(context.Context) error) {
	work := s.work
	s.n.goTask(func() {
		if err := ask(work); err != nil {
			s.n.opts.Log.Info("causeway: store did not answer", "channel", s.cfg.Channel, "error", err)
		}
		s.n.box.post(func(*loop) {
			if s.work == work {
				q.running = false
			}
		})
	})
}

// confirmLater notes an own message, to ask a store whether it has it.
func (s *session) confirmLater(l *loop, id MessageID, hint []byte) {
	if _, ok := s.n.opts.Transport.(transport.Confirmer); ok {
		s.unproved.add(l.now, id, hint, proveDelay)
	}
}

// confirmDue asks stores whether they have own messages.
func (s *session) confirmDue(l *loop) {
	hints, ids := s.unproved.take(l.now, proveDelay, proveEvery)
	if len(hints) == 0 {
		return
	}
	s.unproved.running = true
	s.inBackground(&s.unproved, func(ctx context.Context) error {
		var stored []bool
		err := s.n.query(ctx, func(ctx context.Context) (err error) {
			stored, err = s.n.opts.Transport.(transport.Confirmer).Stored(ctx, s.cfg.Topic, hints)
			return err
		})
		if err != nil || len(stored) != len(hints) {
			return err
		}
		s.n.run(func(l *loop) {
			for i, yes := range stored {
				if yes && s.core != nil {
					s.confirmed(l, ids[i], hints[i])
				}
			}
		})
		return nil
	})
}

// confirmed tells the channel that a store has an own message.
func (s *session) confirmed(l *loop, id MessageID, hint []byte) {
	delete(s.unproved.byID, id)
	if hint != nil {
		s.hints = append(s.hints, store.Hint{ID: id, Hint: hint})
	}
	s.core.Stored(l.now, id, hint)
	l.touch(s)
}
