package storenode

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"

	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

// store is a store node as the client knows it.
type store struct {
	index int
	info  peer.AddrInfo

	mu    sync.Mutex
	until time.Time     // it is left alone
	pause time.Duration // how long the last time
	mute  bool          // it did not answer at all
	daily bool          // it refuses windows of more than a day
}

// failed leaves the store alone and returns for how long. Requests that were
// under way at once count as one. mute says that there was no answer.
func (s *store) failed(now time.Time, o *Options, mute bool) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.until) {
		return 0
	}
	s.mute = mute
	s.pause = max(o.MinBackoff, min(2*s.pause, o.MaxBackoff))
	s.until = now.Add(s.pause)
	return s.pause
}

func (s *store) succeeded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pause, s.until, s.mute = 0, time.Time{}, false
}

// reached is told that a connection with the store has come.
func (s *store) reached() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mute {
		s.pause, s.until, s.mute = 0, time.Time{}, false
	}
}

// resting tells whether the store is left alone.
func (s *store) resting(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Before(s.until)
}

func (s *store) setDaily() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.daily = true
}

func (s *store) isDaily() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.daily
}

// errResting: a store was not asked.
var errResting = fmt.Errorf("%w: left alone after failures", transport.ErrUnavailable)

// each calls ask for one store after the other, the preferred one first, until it
// says that this is enough. Stores that are resting are passed over. It returns
// the errors of all stores together, or that of ctx.
func (c *Client) each(ctx context.Context, preferred int, ask func(*store) (enough bool, err error)) error {
	var failures error
	for i := range c.stores {
		s := c.stores[c.place(i, preferred)]
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.resting(c.options.now()) {
			c.count(func(st *Stats) { st.PassedOver++ })
			failures = join(failures, fmt.Errorf("store %v: %w", s.info.ID, errResting))
			continue
		}
		enough, err := ask(s)
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			failures = join(failures, err)
		}
		if enough {
			if failures != nil {
				c.count(func(st *Stats) { st.Failovers++ })
			}
			return nil
		}
	}
	if len(c.stores) == 0 {
		return fmt.Errorf("%w: there is none", transport.ErrUnavailable)
	}
	return failures
}

// join is errors.Join in one line.
func join(all, err error) error {
	if all == nil {
		return err
	}
	return fmt.Errorf("%w; %w", all, err)
}

// place returns the i-th store in an order that begins with the preferred one.
func (c *Client) place(i, preferred int) int {
	switch {
	case preferred < 0 || i > preferred:
		return i
	case i == 0:
		return preferred
	default:
		return i - 1
	}
}

// request sends a query to a store and returns its answer: a page. All that is
// known about the store afterwards is noted.
func (c *Client) request(ctx context.Context, s *store, q wire.StoreQuery) (wire.StoreAnswer, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return wire.StoreAnswer{}, ctx.Err()
	}
	q.RequestID = rand.Text()
	start := time.Now()
	attempt, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	answer, size, err := c.exchange(attempt, s, &q)
	if err == nil {
		err = c.judge(s, &q, &answer)
	}
	timedOut := errors.Is(attempt.Err(), context.DeadlineExceeded)
	var status *StatusError
	if errors.As(err, &status) {
		timedOut = false
	}
	c.count(func(st *Stats) { st.requested(size, err, status, timedOut, ctx.Err() != nil) })
	switch {
	case err == nil, status != nil && !status.temporary():
		s.succeeded()
		return answer, err
	case status == nil && ctx.Err() != nil:
		// It says something about the store only if that had its time.
		if timedOut && time.Since(start) > c.options.Timeout/4 {
			c.rest(s, ctx.Err(), true)
		}
		return answer, ctx.Err()
	case timedOut:
		err = fmt.Errorf("no answer in %v", c.options.Timeout)
	}
	c.rest(s, err, status == nil)
	return answer, fmt.Errorf("store %v: %w: %w", s.info.ID, transport.ErrUnavailable, err)
}

// rest leaves a store alone.
func (c *Client) rest(s *store, why error, mute bool) {
	if pause := s.failed(c.options.now(), &c.options, mute); pause > 0 {
		c.options.Log.Info("storenode: store is left alone", "store", s.info.ID, "for", pause, "error", why)
	}
}

func (s *Stats) requested(size int, err error, status *StatusError, timedOut, ended bool) {
	s.Requests++
	s.Bytes += size
	switch {
	case err == nil:
		s.Answered++
	case status != nil && status.Code == wire.StoreTooMany:
		s.Limited++
	case status != nil && status.temporary():
		s.Failed++
	case status != nil:
		s.Refused++
	case ended:
	case timedOut:
		s.TimedOut++
	default:
		s.Broken++
	}
}

// judge checks an answer as a whole.
func (c *Client) judge(s *store, q *wire.StoreQuery, a *wire.StoreAnswer) error {
	switch {
	case a.Status/100 != 2:
		return &StatusError{Store: s.info.ID, Code: a.Status, Description: a.Description}
	case a.RequestID != q.RequestID && a.RequestID != "":
		return errors.New("an answer to something else")
	case uint64(len(a.Entries)) > q.Limit:
		return fmt.Errorf("%d messages, at most %d were asked for", len(a.Entries), q.Limit)
	case a.Cursor != nil && string(a.Cursor) == string(q.Cursor):
		return errors.New("a page that leads to itself")
	}
	return nil
}

// exchange carries a query to a store and its answer back, of size bytes.
func (c *Client) exchange(ctx context.Context, s *store, q *wire.StoreQuery) (a wire.StoreAnswer, size int, err error) {
	// The swarm leaves peers alone that it could not reach. That is decided here.
	if sw, ok := c.host.Network().(*swarm.Swarm); ok {
		sw.Backoff().Clear(s.info.ID)
	}
	if err := c.host.Connect(ctx, s.info); err != nil {
		return a, 0, err
	}
	stream, err := c.host.NewStream(network.WithNoDial(ctx, "connected"), s.info.ID, wire.StoreProtocol)
	if err != nil {
		return a, 0, err
	}
	stop := context.AfterFunc(ctx, func() { stream.Reset() })
	defer stop()
	b, err := transact(stream, q)
	if err != nil {
		stream.Reset()
		return a, 0, err
	}
	stream.Close()
	a, err = wire.UnmarshalStoreAnswer(b)
	return a, len(b), err
}

// transact writes and reads. An answer counts even if the query did not get
// through: nwaku refuses what is too much without reading it.
func transact(stream network.Stream, q *wire.StoreQuery) ([]byte, error) {
	writeErr := wire.WriteFrame(stream, q.Marshal())
	if writeErr == nil {
		writeErr = stream.CloseWrite()
	}
	b, err := wire.ReadFrame(bufio.NewReader(stream), wire.MaxStoreAnswer)
	if err != nil && writeErr != nil {
		return nil, writeErr
	}
	return b, err
}
