package waku

import (
	"sync"

	"github.com/causeway-im/causeway/suite/waku/wire"
)

// seenKey names a message. The hash alone does not: it is one of the fields put
// together without their lengths. With two of the lengths it does.
type seenKey struct {
	hash           [32]byte
	payload, topic int
}

func keyOf(m *wire.Message, hash [32]byte) seenKey {
	return seenKey{hash, len(m.Payload), len(m.ContentTopic)}
}

// seenHalf is how many messages seen remembers at least; at most twice as many.
const seenHalf = 16384

// seen remembers messages, so that what comes twice is taken once. Its zero value is ready to use; safe for concurrent use.
type seen struct {
	mu       sync.Mutex
	now, old map[seenKey]bool // true: our own
}

// add remembers a message and tells whether it was new, and if not whether it is
// our own.
func (s *seen) add(k seenKey, own bool) (fresh, wasOwn bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if was, ok := s.now[k]; ok {
		return false, was
	}
	if was, ok := s.old[k]; ok {
		return false, was
	}
	if s.now == nil || len(s.now) >= seenHalf {
		s.old, s.now = s.now, make(map[seenKey]bool)
	}
	s.now[k] = own
	return true, false
}

// has tells whether a message is remembered.
func (s *seen) has(k seenKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.now[k]; ok {
		return true
	}
	_, ok := s.old[k]
	return ok
}
