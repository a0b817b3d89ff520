package storenode

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// maxBuckets bounds the peers that a limiter tells apart. A peer costs its
// sender a key pair, so there can be any number.
const maxBuckets = 4096

// limiter gives each peer a number of queries per second, and at most one
// second's worth at once. It is safe for concurrent use.
type limiter struct {
	rate float64

	mu      sync.Mutex
	buckets map[peer.ID]*bucket
	others  bucket // of all peers beyond maxBuckets together
	cleared time.Time
}

// bucket holds what a peer may still ask.
type bucket struct {
	tokens float64
	at     time.Time
}

func newLimiter(rate float64, now time.Time) *limiter {
	l := &limiter{rate: rate, buckets: map[peer.ID]*bucket{}}
	l.others = bucket{l.burst(), now}
	return l
}

func (l *limiter) burst() float64 { return max(1, l.rate) }

// allow takes one query of a peer, if it may ask.
func (l *limiter) allow(p peer.ID, now time.Time) bool {
	if l.rate <= 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[p]
	if b == nil {
		b = l.enter(p, now)
	}
	l.refill(b, now)
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

func (l *limiter) refill(b *bucket, now time.Time) {
	if d := now.Sub(b.at); d > 0 {
		b.tokens, b.at = min(l.burst(), b.tokens+d.Seconds()*l.rate), now
	}
}

// enter makes a bucket. When there are too many it drops those that are full,
// which say no more than that there is none; but not all the time.
func (l *limiter) enter(p peer.ID, now time.Time) *bucket {
	if len(l.buckets) >= maxBuckets && now.Sub(l.cleared) >= time.Second {
		l.cleared = now
		for id, b := range l.buckets {
			if l.refill(b, now); b.tokens >= l.burst() {
				delete(l.buckets, id)
			}
		}
	}
	if len(l.buckets) >= maxBuckets {
		return &l.others
	}
	b := &bucket{l.burst(), now}
	l.buckets[p] = b
	return b
}
