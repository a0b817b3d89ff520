package loopback

import "sync"

// mailbox calls a function with what is put into it: one call at a time, in
// order, from its own goroutine. What waits is not bounded, so that putting
// never blocks. All methods are safe for concurrent use.
type mailbox[T any] struct {
	mu     sync.Mutex
	change sync.Cond // of queue or closed
	queue  []T
	closed bool
	done   chan struct{} // run has ended
}

func newMailbox[T any]() *mailbox[T] {
	m := &mailbox[T]{done: make(chan struct{})}
	m.change.L = &m.mu
	return m
}

// run calls f until close. No lock is held meanwhile.
func (m *mailbox[T]) run(f func(T)) {
	defer close(m.done)
	for {
		x, ok := m.take()
		if !ok {
			return
		}
		f(x)
	}
}

// take waits for the first in the queue; ok is false when the mailbox is closed.
func (m *mailbox[T]) take() (x T, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.queue) == 0 && !m.closed {
		m.change.Wait()
	}
	if m.closed {
		return x, false
	}
	var none T
	x, m.queue[0] = m.queue[0], none
	m.queue = m.queue[1:]
	return x, true
}

// put adds to the queue. A closed mailbox takes nothing.
func (m *mailbox[T]) put(x T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.queue = append(m.queue, x)
	m.change.Signal()
}

// close empties the queue and returns how much was in it. A call that is
// running goes on; done is closed after it.
func (m *mailbox[T]) close() (dropped int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dropped, m.queue = len(m.queue), nil
	m.closed = true
	m.change.Signal()
	return dropped
}
