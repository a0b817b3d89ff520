package reliability

import (
	"slices"
	"sync"

	"github.com/causeway-im/causeway"
)

// maxRecent bounds a recent.
const maxRecent = 4096

// recent is a set of messages; the oldest make room. The zero value is ready to use,
// also concurrently.
type recent struct {
	mu    sync.Mutex
	set   map[key]bool
	order []key
}

type key struct {
	channel string
	id      causeway.MessageID
}

// add tells whether it was not there.
func (s *recent) add(channel string, id causeway.MessageID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key{channel, id}
	if s.set[k] {
		return false
	}
	if s.set == nil {
		s.set = map[key]bool{}
	}
	if len(s.order) == maxRecent {
		delete(s.set, s.order[0])
		s.order = s.order[1:]
	}
	s.set[k] = true
	s.order = append(s.order, k)
	return true
}

// take tells whether it was there, and takes it out.
func (s *recent) take(channel string, id causeway.MessageID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key{channel, id}
	if !s.set[k] {
		return false
	}
	delete(s.set, k)
	i := slices.Index(s.order, k)
	s.order = slices.Delete(s.order, i, i+1)
	return true
}
