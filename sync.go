package causeway

import (
	"context"
	"errors"

	"github.com/causeway-im/causeway/store"
)

// SyncChange says that a channel began to miss something, has all of it again, or
// gave something up for good.
type SyncChange struct {
	// Synced is set when nothing is known to be missing that may still come.
	Synced bool
	// Received is how many messages took a place in the log so far.
	Received Position
	// Missing are those that are still asked for, Lost those that no longer are. One
	// that comes all the same is taken from either.
	Missing, Lost int
}

// syncKey is where the store keeps what the last EventSync of a channel said, while
// that is not that all is well.
func syncKey(ch ChannelID) string { return store.ChannelKey(ch, "sync") }

// readSync finds out what the last EventSync said.
func (s *session) readSync(ctx context.Context) error {
	kept, err := s.n.opts.Store.Value(ctx, syncKey(s.cfg.Channel))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return storeError(err)
	}
	s.sync = syncState{behind: len(kept) > 0, lost: s.core.Sizes().Lost}
	s.resync = s.sync.behind // it may be well by now
	return nil
}

// syncState is what the last EventSync said.
type syncState struct {
	behind bool
	lost   int
}

// syncNow adds an EventSync when there is something to say.
func (j *job) syncNow(l *loop) {
	s := j.s
	if len(j.ready.Gaps) == 0 && !s.resync {
		return
	}
	missing, _ := s.core.Missing()
	j.sync = syncState{behind: missing > 0, lost: s.core.Sizes().Lost}
	j.synced = j.sync.behind != s.sync.behind || j.sync.lost != s.sync.lost || s.resync
	if !j.synced {
		return
	}
	j.add(l, Event{Kind: EventSync, Sync: &SyncChange{Synced: !j.sync.behind, Received: s.core.Meta().Position,
		Missing: missing, Lost: j.sync.lost}})
	j.set(syncKey(s.cfg.Channel), nil)
	if j.sync.behind {
		j.set(syncKey(s.cfg.Channel), []byte{1})
	}
}

// set has a value written with the job.
func (j *job) set(key string, value []byte) {
	if j.values == nil {
		j.values = map[string][]byte{}
	}
	j.values[key] = value
}
