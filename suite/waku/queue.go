package waku

import "sync"

// Bounds of a queue in front of somebody slow. A burst of 1,000 messages of 1 KiB
// uses a small part of both.
const (
	maxQueued      = 16384
	maxQueuedBytes = 64 << 20
)

// queue holds what waits for one consumer. Putting never blocks: what does not fit
// is refused. All methods are safe for concurrent use.
type queue[T any] struct {
	mu     sync.Mutex
	change sync.Cond // of items or closed
	items  []sized[T]
	bytes  int
	closed bool
	done   chan struct{} // run has ended
}

type sized[T any] struct {
	item T
	size int
}

func newQueue[T any]() *queue[T] {
	q := &queue[T]{done: make(chan struct{})}
	q.change.L = &q.mu
	return q
}

// put adds an item of so many bytes. It returns false if there is no room; a
// closed queue swallows it.
func (q *queue[T]) put(item T, size int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return true
	}
	if len(q.items) >= maxQueued || q.bytes+size > maxQueuedBytes {
		return false
	}
	q.items = append(q.items, sized[T]{item, size})
	q.bytes += size
	q.change.Signal()
	return true
}

// run calls f with one item after the other, until close. No lock is held
// meanwhile.
func (q *queue[T]) run(f func(T)) {
	defer close(q.done)
	for {
		item, ok := q.take()
		if !ok {
			return
		}
		f(item)
	}
}

// take waits for the first item; ok is false when the queue is closed.
func (q *queue[T]) take() (item T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.closed {
		q.change.Wait()
	}
	if q.closed {
		return item, false
	}
	first := q.items[0]
	q.items[0] = sized[T]{}
	q.items = q.items[1:]
	q.bytes -= first.size
	return first.item, true
}

// close empties the queue and returns how much was in it. A call of f that is
// running goes on; done is closed after it.
func (q *queue[T]) close() (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	dropped, q.items, q.bytes = len(q.items), nil, 0
	q.closed = true
	q.change.Signal()
	return dropped
}
