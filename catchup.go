package causeway

import (
	"context"
	"errors"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/transport"
)

// After an absence the stores of the network are asked first (rule P12): for
// what was said since the last complete time, newest page first, before own
// messages leave; then, by hint, for what is still missing. All of it is
// optional: without stores the protocol's own repair does it.
const (
	// overlap is how far before the last complete time a query begins, and how far
	// after now it ends: clocks of senders and stores differ.
	overlap = 20 * time.Second
	// maxAbsence is how far back a query goes.
	maxAbsence = 30 * 24 * time.Hour
	// holdBack is how long own messages wait for a slow store, and failBack for one
	// that does not answer: after a cut it may just be coming back, or rest.
	holdBack = 30 * time.Second
	failBack = 5 * time.Second
	// silence is how long a channel may be silent before a store is asked: the
	// subscription may be dead. It doubles while there was nothing.
	silence    = 30 * time.Second
	maxSilence = 10 * time.Minute
	// queryTimeout bounds one question to a store.
	queryTimeout  = 30 * time.Second
	minQueryPause = time.Second
	maxQueryPause = 5 * time.Minute
	// settleTime is how far behind the newest packet a channel without holes
	// counts as complete.
	settleTime = 60 * time.Second
)

// catchUp is one query, over all its pages.
type catchUp struct {
	from, to time.Time
	begun    sds.Time
	holding  bool     // own messages wait for it
	failedAt sds.Time // since when the store has not answered; 0: it does
	arrivals uint64   // at its beginning
}

// releaseAt returns when own messages wait no longer.
func (cu *catchUp) releaseAt() sds.Time {
	at := cu.begun.Add(holdBack)
	if cu.failedAt > 0 {
		at = min(at, cu.failedAt.Add(failBack))
	}
	return at
}

// connect brings the channel online or offline, as the node is.
func (s *session) connect(l *loop) {
	if s.core == nil {
		return
	}
	l.touch(s)
	if !l.online || l.suspended {
		s.stopWork()
		s.core.SetOnline(l.now, false)
		return
	}
	if s.work != nil {
		return
	}
	s.work, s.stop = context.WithCancel(context.Background())
	s.quietSince, s.quietFor, s.heardAt = l.now, sds.Time(silence.Milliseconds()), 0
	s.missing.hurry(l.now)
	s.unproved.hurry(l.now)
	if s.retriever() == nil {
		s.speak(l)
		return
	}
	s.startCatchUp(l, true)
}

// speak lets the channel send, unless it is muted.
func (s *session) speak(l *loop) {
	if l.now >= s.mutedUntil {
		s.mutedUntil = 0
		s.core.SetOnline(l.now, true)
		l.touch(s)
	}
}

// stopWork ends all calls to the transport for this channel.
func (s *session) stopWork() {
	if s.work != nil {
		s.stop()
		s.work, s.stop = nil, nil
	}
	s.catch = nil
	s.missing.running, s.unproved.running = false, false
}

func (s *session) retriever() transport.Retriever {
	r, _ := s.n.opts.Transport.(transport.Retriever)
	return r
}

func (s *session) startCatchUp(l *loop, hold bool) {
	cu := &catchUp{from: s.since(l), to: timeOf(l.now), begun: l.now, holding: hold, arrivals: s.arrivals}
	s.catch = cu
	work := s.work
	s.n.goTask(func() { s.n.catchUp(work, s, cu) })
}

// since returns from when on the channel may lack something.
func (s *session) since(l *loop) time.Time {
	from := timeOf(s.completeTo)
	if s.completeTo == 0 && s.cfg.JoinPoint > 0 {
		from = time.UnixMilli(int64(s.cfg.JoinPoint))
		if s.cfg.Profile.Dialect == sds.Nim {
			from = time.Unix(int64(s.cfg.JoinPoint), 0)
		}
	}
	oldest := timeOf(l.now).Add(-maxAbsence)
	if from.Before(oldest) || from.After(timeOf(l.now).Add(overlap)) { // or the clock was ahead
		return oldest
	}
	return from.Add(-overlap)
}

// catchUp asks the store page by page. The loop has committed a page before the
// next is asked for.
func (n *Node) catchUp(ctx context.Context, s *session, cu *catchUp) {
	q := transport.Query{Topic: s.cfg.Topic, From: cu.from, To: cu.to.Add(overlap), Limit: transport.MaxPage}
	pause := minQueryPause
	for {
		var page transport.Page
		err := n.query(ctx, func(ctx context.Context) (err error) {
			page, err = s.retriever().Query(ctx, q)
			return err
		})
		if err != nil {
			n.opts.Log.Info("causeway: store query failed", "channel", s.cfg.Channel, "error", err)
			n.box.post(func(l *loop) { s.unanswered(l, cu, err) })
			if !n.pause(ctx, pause) {
				return
			}
			pause = min(2*pause, maxQueryPause)
			if !errors.Is(err, transport.ErrUnavailable) {
				q.Cursor = nil // the cursor may be what it does not like
			}
			continue
		}
		pause = minQueryPause
		batch := s.openAll(page.Messages)
		if !n.run(func(l *loop) { s.receiveStored(l, cu, batch) }) {
			return
		}
		if q.Cursor = page.Next; q.Cursor == nil {
			n.box.post(func(l *loop) { s.caughtUp(l, cu) })
			return
		}
	}
}

// query calls a store.
func (n *Node) query(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	err := n.network(ctx, f)
	n.metrics.add(func(m *Metrics) {
		m.Queries++
		if err != nil {
			m.QueryFailures++
		}
	})
	return err
}

// pause waits. It returns false if ctx or the node ended.
func (n *Node) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-n.ended:
	}
	return false
}

func (s *session) openAll(received []transport.Received) []incoming {
	batch := make([]incoming, len(received))
	bytes := 0
	for i, r := range received {
		batch[i] = s.open(r)
		bytes += len(r.Payload)
	}
	s.n.metrics.add(func(m *Metrics) {
		m.Retrieved.Packets += uint64(len(received))
		m.Retrieved.Bytes += uint64(bytes)
	})
	return batch
}

// receiveStored takes what a store had. An own message among it is confirmed.
func (s *session) receiveStored(l *loop, cu *catchUp, batch []incoming) {
	if cu != nil {
		if s.catch != cu {
			return
		}
		cu.failedAt, s.answered = 0, true
	}
	for i := range batch {
		in := &batch[i]
		if l.receive(in, sds.Stored) && in.message.SenderID == s.cfg.Participant {
			s.confirmed(l, in.message.MessageID, in.origin.Hint)
		}
	}
}

// unanswered notes that a store failed. Own messages wait for one that has answered
// and may do so again soon; not for one that refuses, or was never there.
func (s *session) unanswered(l *loop, cu *catchUp, err error) {
	if cu.failedAt == 0 {
		cu.failedAt = l.now
	}
	if !s.answered || !errors.Is(err, transport.ErrUnavailable) {
		s.release(l, cu)
	}
}

// release lets own messages leave.
func (s *session) release(l *loop, cu *catchUp) {
	if s.catch != cu || !cu.holding || s.core == nil {
		return
	}
	cu.holding = false
	s.speak(l)
}

// caughtUp ends a catch-up: all pages are in.
func (s *session) caughtUp(l *loop, cu *catchUp) {
	if s.catch != cu || s.core == nil {
		return
	}
	s.release(l, cu)
	s.catch = nil
	s.completeTo, s.completed = sds.At(cu.to), true
	if s.arrivals == cu.arrivals && !cu.holding {
		s.quietFor = min(2*s.quietFor, sds.Time(maxSilence.Milliseconds()))
	} else {
		s.quietFor = sds.Time(silence.Milliseconds())
	}
	s.quietSince = l.now
	s.missing.hurry(l.now)
	l.touch(s)
}

// heard notes that the subscription is alive.
func (s *session) heard(l *loop) {
	s.heardAt = l.now
	s.quietSince, s.quietFor = l.now, sds.Time(silence.Milliseconds())
}

// complete moves the last complete time forward while the channel is heard and
// has no holes, so that an absence begins where it began.
func (s *session) complete(l *loop) {
	if s.catch != nil || s.work == nil || s.heardAt == 0 || s.retriever() == nil {
		return
	}
	if z := s.core.Sizes(); z.Awaited > 0 || z.Skipped > 0 || z.Held > 0 {
		return
	}
	if to := s.heardAt.Add(-settleTime); to.Sub(s.completeTo) > settleTime {
		s.completeTo, s.completed = to, true
	}
}

// deadline returns when something is due for the channel.
func (s *session) deadline(l *loop) sds.Time {
	if s.core == nil || s.pausing(l) {
		return s.retryAt
	}
	at := s.tamperedDue()
	if d, ok := s.core.Deadline(); ok {
		at = min(at, d)
	}
	if s.work == nil {
		return at
	}
	holding := s.catch != nil && s.catch.holding
	at = min(at, s.unproved.next())
	if s.catch == nil {
		at = min(at, s.missing.next())
	}
	if s.catch == nil && s.retriever() != nil {
		at = min(at, s.quietSince+s.quietFor)
	}
	if holding {
		at = min(at, s.catch.releaseAt())
	}
	if s.mutedUntil > 0 && !holding {
		at = min(at, s.mutedUntil)
	}
	return at
}

// fetchDue does what is due of the above.
func (s *session) fetchDue(l *loop) {
	if s.work == nil {
		return
	}
	if s.mutedUntil > 0 && (s.catch == nil || !s.catch.holding) {
		s.speak(l)
	}
	if s.catch != nil {
		if s.catch.holding && s.catch.releaseAt() <= l.now {
			s.release(l, s.catch)
		}
	} else if s.retriever() != nil && s.quietSince+s.quietFor <= l.now {
		s.startCatchUp(l, false)
	}
	if s.catch == nil {
		s.retrieveDue(l)
	}
	s.confirmDue(l)
}
