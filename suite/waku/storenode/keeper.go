package storenode

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	// gather is how long the first message of a batch waits for others, so that a
	// busy relay costs some 40 commits a second and not one for each message.
	gather = 25 * time.Millisecond
	// maxBatch bounds the messages of one commit: queries by others go on
	// meanwhile, but Flush waits for it.
	maxBatch = 1000
	// maxQueued and maxQueuedBytes bound what waits to be written.
	maxQueued      = 20_000
	maxQueuedBytes = 64 << 20
	// writePause is how long the writer waits after an error of the database.
	writePause = time.Second
	// expireEvery is how often age is looked at when nothing else happens.
	expireEvery = time.Minute
)

// keeper writes messages behind a queue. Only its goroutine changes the archive,
// or who holds writing.
type keeper struct {
	archive   archive
	retention time.Duration
	most      int64
	now       func() time.Time
	log       *slog.Logger
	count     func(func(*ServerStats))

	writing sync.Mutex
	stored  int64 // messages in the archive; writing is held

	mu       sync.Mutex
	queue    []kept
	bytes    int
	accepted uint64 // messages ever queued
	settled  uint64 // of these, written or given up
	waiting  []waiter
	closed   bool

	wake  chan struct{} // there is something in the queue
	hurry chan struct{} // somebody waits
	done  chan struct{} // the goroutine has ended
	err   error         // of the last write; done is closed
}

// waiter waits until a number of messages is settled.
type waiter struct {
	settled uint64
	done    chan<- error
}

func newKeeper(ctx context.Context, a archive, o *ServerOptions, count func(func(*ServerStats))) (*keeper, error) {
	stored, err := a.count(ctx)
	if err != nil {
		return nil, err
	}
	k := &keeper{
		archive: a, retention: o.Retention, most: int64(o.MaxMessages), now: o.now, log: o.Log, count: count, stored: stored,
		wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), done: make(chan struct{}),
	}
	count(func(s *ServerStats) { s.Stored = stored })
	go k.run()
	return k, nil
}

// push queues a message. It returns false if the queue is full, or closed.
func (k *keeper) push(m kept) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed || len(k.queue) >= maxQueued || k.bytes+len(m.message) > maxQueuedBytes {
		return false
	}
	k.queue = append(k.queue, m)
	k.bytes += len(m.message)
	k.accepted++
	signal(k.wake)
	return true
}

// flush returns when all that was pushed before is written, or can't be for now.
// Then it forgets what is too old.
func (k *keeper) flush(ctx context.Context) error {
	done := make(chan error, 1)
	k.mu.Lock()
	k.waiting = append(k.waiting, waiter{k.accepted, done})
	signal(k.wake)
	k.mu.Unlock()
	signal(k.hurry)
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-k.done:
		select {
		case err := <-done: // the goroutine's last deed
			return err
		default:
			return errClosed
		}
	}
}

// close writes what is queued and ends the goroutine. The error says that
// messages were lost.
func (k *keeper) close() error {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	signal(k.wake)
	signal(k.hurry)
	<-k.done
	return k.err
}

func (k *keeper) run() {
	defer close(k.done)
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		select {
		case <-k.wake:
			k.pause(gather)
		case <-tick.C:
		}
		closing, err := k.drain()
		if closing {
			k.err = err
			return
		}
		if err != nil {
			k.log.Warn("storenode: messages can't be written; trying again", "error", err)
			k.pause(writePause)
			signal(k.wake)
		}
	}
}

// pause waits, or until somebody is in a hurry.
func (k *keeper) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-k.hurry:
	}
}

// drain writes all that is queued, and lets those go on who wait for it. closing
// means that nothing more will come; an error then says that messages were lost.
func (k *keeper) drain() (closing bool, err error) {
	var lost error
	for {
		k.mu.Lock()
		batch := k.queue[:min(len(k.queue), maxBatch)]
		closing = k.closed
		k.mu.Unlock()
		err := k.write(batch) // without a batch, this is for what is too old
		if err != nil && !closing {
			k.release(err)
			return false, err
		}
		if err != nil && len(batch) > 0 {
			lost = err
			k.count(func(s *ServerStats) { s.Lost += len(batch) })
		}
		k.settle(len(batch))
		if k.idle(closing) {
			k.release(lost)
			return closing, lost
		}
	}
}

// idle tells whether the queue is empty, and if closing that it stays so.
func (k *keeper) idle(closing bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.queue) == 0 && k.closed == closing
}

// settle takes n messages off the queue.
func (k *keeper) settle(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range n {
		k.bytes -= len(k.queue[i].message)
	}
	clear(k.queue[:n]) // the array lives on
	if k.queue = k.queue[n:]; len(k.queue) == 0 {
		k.queue = nil
	}
	k.settled += uint64(n)
}

// release lets those go on whose messages are settled, or all if there is an
// error.
func (k *keeper) release(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	still := k.waiting[:0]
	for _, w := range k.waiting {
		if err == nil && w.settled > k.settled {
			still = append(still, w)
			continue
		}
		w.done <- err
	}
	k.waiting = still
}

func (k *keeper) write(batch []kept) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	l := limits{count: k.stored, most: k.most}
	if k.retention > 0 {
		l.before = k.now().Add(-k.retention).UnixNano()
	}
	total := 0
	for {
		added, expired, err := k.archive.write(context.Background(), batch, l)
		if err != nil {
			k.count(func(s *ServerStats) { s.WriteErrors++ })
			return err
		}
		k.stored += int64(added - expired)
		k.count(func(s *ServerStats) {
			s.Kept += added
			s.Repeated += len(batch) - added
			s.Expired += expired
			s.Stored = k.stored
			s.Commits++
		})
		if total += expired; expired < expireAtOnce {
			return nil
		}
		batch, l.count = nil, k.stored // there may be more that is too old
	}
}

// forget deletes what chosen says from the archive.
func (k *keeper) forget(ctx context.Context, chosen func(hash [32]byte) bool) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	n, err := k.archive.forget(ctx, chosen)
	if err != nil {
		return err
	}
	k.stored -= int64(n)
	k.count(func(s *ServerStats) {
		s.Forgotten += n
		s.Stored = k.stored
	})
	return nil
}

var errClosed = errors.New("storenode: server is closed")

// signal makes a channel of capacity 1 ready.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
