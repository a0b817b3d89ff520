package collector

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/causeway-im/causeway/suite/collector/archive"
)

// How much of the queue goes into one transaction.
const (
	batchUploads = 128
	batchEvents  = 8000
)

var (
	errBusy    = errors.New("too many uploads are waiting")
	errStopped = errors.New("the collector stops")
)

// queue puts uploads that come at the same time into one transaction, so that they
// share its flush.
type queue struct {
	intake  archive.Intake
	jobs    chan *job
	workers sync.WaitGroup
	meters  *meters

	mu      sync.RWMutex // sending holds it shared, closing alone
	stopped bool
}

// job is an upload that waits.
type job struct {
	arrival archive.Arrival
	taken   archive.Taken
	err     error
	done    chan struct{}
}

// newQueue starts workers. ctx ends what they are doing, at once.
func newQueue(ctx context.Context, intake archive.Intake, size, workers int, m *meters) *queue {
	q := &queue{intake: intake, jobs: make(chan *job, size), meters: m}
	m.watch(q.jobs)
	for range workers {
		q.workers.Go(func() { q.work(ctx) })
	}
	return q
}

// take waits until an upload is durable. It fails at once when too many wait.
func (q *queue) take(ctx context.Context, a archive.Arrival) (archive.Taken, error) {
	j := &job{arrival: a, done: make(chan struct{})}
	if err := q.put(j); err != nil {
		return archive.Taken{}, err
	}
	select {
	case <-j.done:
		return j.taken, j.err
	case <-ctx.Done(): // it may be taken all the same, which is no harm
		return archive.Taken{}, ctx.Err()
	}
}

func (q *queue) put(j *job) error {
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.stopped {
		return errStopped
	}
	select {
	case q.jobs <- j:
		return nil
	default:
		return errBusy
	}
}

// stop waits until everything in the queue is done. Nothing more is taken.
func (q *queue) stop() {
	q.mu.Lock()
	if !q.stopped {
		q.stopped = true
		close(q.jobs)
	}
	q.mu.Unlock()
	q.workers.Wait()
}

func (q *queue) work(ctx context.Context) {
	for j := range q.jobs {
		batch, events := []*job{j}, len(j.arrival.Upload.Events)
	more:
		for len(batch) < batchUploads && events < batchEvents {
			select {
			case next, ok := <-q.jobs:
				if !ok {
					break more
				}
				batch = append(batch, next)
				events += len(next.arrival.Upload.Events)
			default:
				break more
			}
		}
		q.write(ctx, batch)
	}
}

// write takes a batch. If that fails, each upload is taken by itself: one of them
// may be what is wrong.
func (q *queue) write(ctx context.Context, batch []*job) {
	began := time.Now()
	arrivals := make([]archive.Arrival, len(batch))
	for i, j := range batch {
		arrivals[i] = j.arrival
	}
	taken, err := q.intake.Take(ctx, arrivals)
	if err != nil && len(batch) > 1 && ctx.Err() == nil {
		for _, j := range batch {
			q.write(ctx, []*job{j})
		}
		return
	}
	q.meters.commit(len(batch), time.Since(began), err)
	for i, j := range batch {
		if j.err = err; err == nil {
			j.taken = taken[i]
		}
		close(j.done)
	}
}
