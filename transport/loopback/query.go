package loopback

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/causeway-im/causeway/transport"
)

// SilenceTimeout is how long a query of a black-holed endpoint waits for an
// answer, unless its context ends before.
const SilenceTimeout = 20 * time.Second

// Query implements transport.Retriever. A cursor belongs to its topic and to
// networks with the same seed; another one is an error. Envelopes that appear
// behind the cursor after a Lag are not in the pages that follow.
func (e *Endpoint) Query(ctx context.Context, q transport.Query) (transport.Page, error) {
	var page transport.Page
	if q.Limit < 1 || q.Limit > transport.MaxPage {
		return page, fmt.Errorf("loopback: query: Limit is %d, must be from 1 to %d", q.Limit, transport.MaxPage)
	}
	before := q.To
	if q.Cursor != nil {
		stamp, err := e.network.readCursor(q.Topic, q.Cursor)
		if err != nil {
			return page, fmt.Errorf("loopback: query: %w", err)
		}
		if stamp.Before(before) {
			before = stamp
		}
	}
	err := e.visit(ctx, func(s *store, now time.Time) {
		packets, more := s.page(q, before, now)
		for _, p := range packets {
			page.Messages = append(page.Messages, p.received())
		}
		if more {
			page.Next = e.network.cursor(q.Topic, packets[0].stamp)
		}
	})
	if err != nil {
		return transport.Page{}, fmt.Errorf("loopback: query: %w", err)
	}
	return page, nil
}

// Retrieve implements transport.Retriever. What is on another topic is left out,
// and a hint that is given twice is answered once.
func (e *Endpoint) Retrieve(ctx context.Context, topic transport.Topic, hints [][]byte) ([]transport.Received, error) {
	if err := checkHints(hints); err != nil {
		return nil, fmt.Errorf("loopback: retrieve: %w", err)
	}
	var found []transport.Received
	err := e.visit(ctx, func(s *store, now time.Time) {
		seen := map[*packet]bool{}
		for _, hint := range hints {
			if p := s.find(topic, hint, now); p != nil && !seen[p] {
				seen[p] = true
				found = append(found, p.received())
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("loopback: retrieve: %w", err)
	}
	return found, nil
}

// Stored implements transport.Confirmer. What is on another topic is not there.
func (e *Endpoint) Stored(ctx context.Context, topic transport.Topic, hints [][]byte) ([]bool, error) {
	if err := checkHints(hints); err != nil {
		return nil, fmt.Errorf("loopback: stored: %w", err)
	}
	has := make([]bool, len(hints))
	err := e.visit(ctx, func(s *store, now time.Time) {
		for i, hint := range hints {
			has[i] = s.find(topic, hint, now) != nil
		}
	})
	if err != nil {
		return nil, fmt.Errorf("loopback: stored: %w", err)
	}
	return has, nil
}

func checkHints(hints [][]byte) error {
	if len(hints) > transport.MaxHints {
		return fmt.Errorf("%d hints, at most %d at once", len(hints), transport.MaxHints)
	}
	return nil
}

// visit lets the endpoint ask the store: it waits as long as a query takes and
// calls read with the lock of the network held. The error says why it did not.
func (e *Endpoint) visit(ctx context.Context, read func(s *store, now time.Time)) (err error) {
	n := e.network
	n.mu.Lock()
	defer n.mu.Unlock()
	e.member.stats.Queries++
	defer func() {
		if err != nil {
			e.member.stats.QueriesFailed++
		}
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	delay, failure := e.reach()
	if delay > 0 {
		n.mu.Unlock()
		err := e.wait(ctx, delay)
		n.mu.Lock()
		if err != nil {
			return err
		}
	}
	if failure != nil {
		return failure
	}
	now := time.Now()
	n.store.retain(now)
	read(n.store, now)
	return nil
}

// reach returns how long a query takes and why it fails then, if it does.
// n.mu is held.
func (e *Endpoint) reach() (delay time.Duration, failure error) {
	s := e.network.store
	switch {
	case e.closed:
		return 0, transport.ErrClosed
	case !e.online:
		return 0, fmt.Errorf("%w: %w", transport.ErrUnavailable, transport.ErrOffline)
	case e.blackhole:
		return SilenceTimeout, fmt.Errorf("%w: no answer", transport.ErrUnavailable)
	case s == nil:
		return 0, fmt.Errorf("%w: the network has none", transport.ErrUnavailable)
	case s.options.Down:
		return 0, fmt.Errorf("%w: it is down", transport.ErrUnavailable)
	case e.network.apart(e.name, StoreName):
		return 0, fmt.Errorf("%w: it is in another partition", transport.ErrUnavailable)
	}
	s.queries++
	if every := s.options.FailEvery; every > 0 && s.queries%every == 0 {
		failure = fmt.Errorf("%w: each query number %d fails", transport.ErrUnavailable, every)
	}
	return s.options.QueryDelay, failure
}

// wait returns early if the context ends or the endpoint closes.
func (e *Endpoint) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-e.gone:
		return transport.ErrClosed
	}
}

const cursorSize = 8 + sha256.Size

// cursor names the place in a topic before a stamp: the stamp, and a proof that
// it was made here.
func (n *Network) cursor(topic transport.Topic, stamp int64) []byte {
	proof := binary.BigEndian.AppendUint64([]byte(topic), n.seed)
	proof = binary.BigEndian.AppendUint64(proof, uint64(stamp))
	sum := sha256.Sum256(proof)
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, cursorSize), uint64(stamp)), sum[:]...)
}

func (n *Network) readCursor(topic transport.Topic, cursor []byte) (before time.Time, err error) {
	if len(cursor) == cursorSize {
		stamp := int64(binary.BigEndian.Uint64(cursor))
		if bytes.Equal(cursor, n.cursor(topic, stamp)) {
			return stampTime(stamp), nil
		}
	}
	return before, errors.New("the cursor is none that this store gave for this topic")
}
