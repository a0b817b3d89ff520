package storenode

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/causeway-im/causeway/suite/waku/wire"
)

// Faults are what a server does wrong on purpose, for tests. The zero value is a
// server without.
type Faults struct {
	// Absent resets every stream, as if there were no store.
	Absent bool
	// Delay is how long each answer takes longer.
	Delay time.Duration
	// Status, for example 429 or 503, is the answer to each Every-th query instead
	// of a page; to all of them if Every is 0 or 1. 0 is none.
	Status uint32
	Every  int
	// Forget is the fraction of messages that the store does not have, from 0 to
	// 1: which ones is decided by Seed and the hash of a message. What it has of
	// them already is deleted for good, what comes is not kept.
	Forget float64
	Seed   uint64
	// Lag is how long after it arrived a message can be queried.
	Lag time.Duration
}

// SetFaults replaces the faults. It is for queries that come afterwards and
// returns when what is to be forgotten is gone.
func (s *Server) SetFaults(ctx context.Context, f Faults) error {
	if f.Forget < 0 || f.Forget > 1 {
		return errors.New("storenode: Forget is not from 0 to 1")
	}
	s.faults.Store(&f)
	s.questions.Store(0)
	if f.Forget == 0 {
		return nil
	}
	return s.forget(ctx, f.forgets)
}

// Forget deletes the messages with these hashes, if it has them.
func (s *Server) Forget(ctx context.Context, hashes ...[32]byte) error {
	chosen := map[[32]byte]bool{}
	for _, h := range hashes {
		chosen[h] = true
	}
	return s.forget(ctx, func(h [32]byte) bool { return chosen[h] })
}

func (s *Server) forget(ctx context.Context, chosen func([32]byte) bool) error {
	if err := s.Flush(ctx); err != nil {
		return err
	}
	if err := s.keeper.forget(ctx, chosen); err != nil {
		return fmt.Errorf("storenode: forget: %w", err)
	}
	return nil
}

// status returns what the n-th query is answered instead of a page, or 0.
func (f *Faults) status(n uint64) uint32 {
	if f.Every > 1 && n%uint64(f.Every) != 0 {
		return 0
	}
	return f.Status
}

func (f *Faults) forgets(hash [32]byte) bool {
	if f.Forget == 0 {
		return false
	}
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(hash[:], f.Seed))
	return float64(binary.BigEndian.Uint64(sum[:])>>11)/(1<<53) < f.Forget
}

// ServerStats counts what a server has done. What was offered is in exactly one
// place:
//
//	Offered = Ephemeral + Invalid + Withheld + Overflown + Lost + Kept + Repeated + those that are queued
type ServerStats struct {
	Offered   int // calls of Keep
	Ephemeral int // not kept, as their senders ask
	Invalid   int // without a time, topic or payload, too large, or too far from the present
	Withheld  int // not kept because of Faults.Forget
	Overflown int // came while the queue was full, or after Close
	Lost      int // could not be written before Close
	Kept      int // written
	Repeated  int // were there already

	Stored    int64 // messages that are there
	Expired   int   // deleted because of Retention and MaxMessages
	Forgotten int   // deleted because of Faults.Forget and Forget

	Commits     int // of the database
	WriteErrors int // of the database; what was to be written is tried again

	Answered      int // queries with a page
	Messages      int // in these pages, with data or without
	AnsweredBytes int // sent, refusals included
	Limited       int // queries answered 429
	Refused       int // queries with another 4xx
	Failed        int // queries with a 5xx
	Resets        int // streams without an answer, or with one that did not get through
}

func (s *ServerStats) answered(a *wire.StoreAnswer, bytes int) {
	s.AnsweredBytes += bytes
	switch {
	case a.Status == wire.StoreOK:
		s.Answered++
		s.Messages += len(a.Entries)
	case a.Status == wire.StoreTooMany:
		s.Limited++
	case a.Status < 500:
		s.Refused++
	default:
		s.Failed++
	}
}

// Stats returns what is counted since NewServer.
func (s *Server) Stats() ServerStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

func (s *Server) count(f func(*ServerStats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.stats)
}
