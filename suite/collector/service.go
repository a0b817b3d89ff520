package collector

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// Service is a collector. Make one with New; safe for concurrent use.
type Service struct {
	opts      Options
	name      string // of this collector among others
	meters    *meters
	addresses *limiters
	installs  *limiters
	buffer    *semaphore.Weighted
	gate      *gate
	queue     *queue
	estimator *estimator
	old       *oldIntake
	reader    *reader
	handler   http.Handler
	patterns  []string           // of what is in the description of the API
	abort     context.CancelFunc // of everything that goes on
}

// New returns a collector that takes uploads from now on. Close or Serve ends it.
func New(o Options) (*Service, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	ctx, abort := context.WithCancel(context.Background())
	s := &Service{opts: o, name: rand.Text(), meters: newMeters(), abort: abort,
		addresses: newLimiters(o.Limits.PerAddress, o.Limits.BurstAddress),
		installs:  newLimiters(o.Limits.PerInstall, o.Limits.BurstInstall),
		buffer:    semaphore.NewWeighted(o.Limits.Buffer), gate: newGate(o.Limits.Parallel, o.Limits.Waiting)}
	s.queue = newQueue(ctx, o.Archive, o.Limits.Queue, writers, s.meters)
	s.reader = newReader(&s.opts, s.meters)
	s.estimator = newEstimator(&s.opts, s.name, s.meters)
	if s.old, err = newOldIntake(ctx, &s.opts); err != nil {
		abort()
		s.queue.stop()
		return nil, err
	}
	s.handler = s.routes()
	return s, nil
}

// writers is how many transactions go on at a time. SQLite has one anyway.
const writers = 2

// Handler answers all requests.
func (s *Service) Handler() http.Handler { return s.handler }

// The times of the HTTP server. A client that is slower than this is no device.
const (
	headerLimit = 10 * time.Second
	readLimit   = 30 * time.Second
	answerLimit = time.Minute
	idleLimit   = 2 * time.Minute
	headerBytes = 16 << 10
	stopLimit   = 20 * time.Second
)

// Serve answers on a listener, estimates and deletes what is too old, until the
// context ends. Then it takes no more, finishes what it has begun to answer, and
// returns nil. The archive stays open.
func (s *Service) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: s.handler, ReadHeaderTimeout: headerLimit, ReadTimeout: readLimit, WriteTimeout: answerLimit,
		IdleTimeout: idleLimit, MaxHeaderBytes: headerBytes}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	var loops sync.WaitGroup
	loops.Go(func() { s.Run(ctx) })
	var err error
	select {
	case err = <-served:
		err = fmt.Errorf("collector: %w", err)
	case <-ctx.Done():
		stop, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		if err = server.Shutdown(stop); err != nil {
			err = errors.Join(fmt.Errorf("collector: %w", err), server.Close())
		}
		<-served
	}
	cancel()
	loops.Wait()
	return errors.Join(err, s.Close())
}

// Run gives signs of life, estimates and deletes what is too old, until the context
// ends. Serve does it, too: it is for those who have a server of their own.
func (s *Service) Run(ctx context.Context) {
	s.alive(ctx)
	var loops sync.WaitGroup
	loops.Go(func() { every(ctx, s.opts.Beat, func() { s.alive(ctx) }) })
	loops.Go(func() { s.estimator.run(ctx) })
	loops.Go(func() { every(ctx, retainEvery, func() { s.retain(ctx) }) })
	loops.Wait()
}

// retainEvery is how often it is looked for what is too old.
const retainEvery = time.Hour

// Close takes no more uploads, and waits for those that wait. A last sign of life
// then says until when the collector was there.
func (s *Service) Close() error {
	s.queue.stop()
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	s.alive(ctx)
	s.abort()
	return nil
}

// every calls f again and again.
func every(ctx context.Context, interval time.Duration, f func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f()
		}
	}
}

// alive gives a sign of life.
func (s *Service) alive(ctx context.Context) {
	patience := time.Duration(float64(s.opts.Patience) * s.opts.Speed)
	gap, err := s.opts.Archive.Alive(ctx, s.opts.Now().UnixMilli(), patience)
	switch {
	case err != nil && ctx.Err() == nil:
		s.opts.Log.Error("collector: sign of life", "error", err)
	case gap != nil:
		s.opts.Log.Warn("collector: no collector was there", "from", time.UnixMilli(gap.From), "to", time.UnixMilli(gap.To))
		s.meters.gap(gap.To - gap.From)
	}
}

func (s *Service) retain(ctx context.Context) {
	removed, err := s.opts.Archive.Retain(ctx, s.opts.Now().UnixMilli(), s.opts.Keep)
	if err != nil && ctx.Err() == nil {
		s.opts.Log.Error("collector: retention", "error", err)
	}
	s.meters.removed(removed)
}
