package causeway

import (
	"errors"
	"sync"

	"github.com/causeway-im/causeway/sds"
)

// Count is a number of packets and their bytes, as they are on the wire.
type Count struct{ Packets, Bytes uint64 }

// Classes is how many packet classes there are, for arrays indexed by Class.
const Classes = int(sds.ClassEphemeral) + 1

// Metrics counts what a node did since it was opened. All numbers only grow.
type Metrics struct {
	// Sent counts what the transport took, Failed packets that it did not take or
	// was not given since its way was shut or full, by class.
	Sent   [Classes]Count
	Failed [Classes]uint64
	// Deferred counts packets that had to wait for the quota, Dropped those that
	// were given up since it was used up, by class.
	Deferred, Dropped [Classes]uint64
	// Received counts packets from the transport's broadcast, Retrieved those from
	// its stores.
	Received, Retrieved Count

	// Of the received and retrieved: not decodable, not openable by us, tampered
	// with, for another channel, and refused by the protocol.
	Undecodable, NotForMe, Tampered, OtherChannel, Refused uint64
	// Unmarked came without the marker of the profile.
	Unmarked uint64
	// DroppedQueue were dropped since they came faster than they could be opened,
	// DroppedStore since the store failed, or the channel was left or not yet joined.
	DroppedQueue, DroppedStore uint64

	// Commits are transactions, CommitFailures those that failed.
	Commits, CommitFailures uint64
	// Events is how many entries the event log got.
	Events uint64
	// Messages are messages that took a place in a log, Own those of them that
	// were sent here.
	Messages, Own uint64
	// GapsFound are messages found missing, GapsRecovered those that came after
	// that, GapsLost those that are no longer asked for.
	GapsFound, GapsRecovered, GapsLost uint64
	// LossesInferred are messages that must exist, as their senders' numbers or
	// somebody's digest show, found missing before their ids were known.
	LossesInferred uint64
	// Queries are calls of the transport's stores, QueryFailures those that failed.
	Queries, QueryFailures uint64
}

// Metrics returns the counters.
func (n *Node) Metrics() Metrics {
	n.metrics.mu.Lock()
	defer n.metrics.mu.Unlock()
	return n.metrics.m
}

type metrics struct {
	mu sync.Mutex
	m  Metrics
}

func (m *metrics) add(f func(*Metrics)) {
	m.mu.Lock()
	f(&m.m)
	m.mu.Unlock()
}

// refused counts a packet that nobody could use.
func (m *Metrics) refused(err error) {
	var opening *openError
	switch {
	case errors.Is(err, errUnmarked):
		m.Unmarked++
	case errors.Is(err, ErrNotForMe):
		m.NotForMe++
	case errors.As(err, &opening):
		m.Tampered++
	case errors.Is(err, errUndecodable):
		m.Undecodable++
	default:
		m.Refused++
	}
}

// committed counts a transaction.
func (m *Metrics) committed(jobs []*job, events int, err error) {
	if err != nil {
		m.CommitFailures++
		return
	}
	m.Commits++
	m.Events += uint64(events)
	for _, j := range jobs {
		m.Messages += uint64(len(j.ready.Deliveries))
		m.LossesInferred += uint64(len(j.ready.Losses))
		for _, d := range j.ready.Deliveries {
			if d.Own {
				m.Own++
			}
		}
		for _, g := range j.ready.Gaps {
			switch g.State {
			case GapMissing:
				m.GapsFound++
			case GapRecovered:
				m.GapsRecovered++
			case GapLost:
				m.GapsLost++
			}
		}
	}
}
