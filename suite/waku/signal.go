package waku

import "sync"

// signal wakes those who wait for a change of something. Its zero value is ready
// to use; safe for concurrent use.
type signal struct {
	mu   sync.Mutex
	next chan struct{}
}

// wait returns a channel that is closed at the next change. What is read after
// the call is older than no change that the channel misses.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.next = make(chan struct{})
	}
	return s.next
}

// fire tells of a change.
func (s *signal) fire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next != nil {
		close(s.next)
		s.next = nil
	}
}

// watch calls tell before it returns, and then from a goroutine of its own after
// each change; changes in quick succession may be one. It ends with cancel, which
// waits until tell is not running, or when ended is closed.
func (s *signal) watch(spawn func(func()) bool, ended <-chan struct{}, tell func()) (cancel func()) {
	stop, done := make(chan struct{}), make(chan struct{})
	changed := s.wait()
	tell()
	started := spawn(func() {
		defer close(done)
		for {
			select {
			case <-changed:
			case <-stop:
				return
			case <-ended:
				return
			}
			select { // a cancel that came first wins: tell must not run after it
			case <-stop:
				return
			default:
			}
			changed = s.wait()
			tell()
		}
	})
	if !started {
		close(done)
	}
	var once sync.Once
	return func() {
		once.Do(func() { close(stop) })
		<-done
	}
}
