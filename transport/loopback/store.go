package loopback

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/causeway-im/causeway/transport"
)

// StoreOptions say what the store is like. The zero value keeps all envelopes
// that are not ephemeral, for ever, and answers at once.
type StoreOptions struct {
	// Down: queries return transport.ErrUnavailable, and nothing is kept.
	Down bool
	// Lag is how long an envelope has been published before queries find it.
	Lag time.Duration
	// KeepCount is how many envelopes it keeps, of all topics together; older ones
	// are forgotten. 0 is no limit.
	KeepCount int
	// KeepFor is how long it keeps an envelope; 0 is no limit.
	KeepFor time.Duration
	// Forget is the share of envelopes, from 0 to 1, that it takes and then does
	// not have. A higher share forgets more of what is there.
	Forget float64
	// FailEvery lets each n-th query return transport.ErrUnavailable; 1 is every
	// query, 0 none.
	FailEvery int
	// QueryDelay is how long each query takes. What it returns is what the store
	// has at the end.
	QueryDelay time.Duration
	// PageLimit is how many messages a page has at most, if the query asks for
	// more; 0 is transport.MaxPage.
	PageLimit int
}

// validate accepts nil.
func (o *StoreOptions) validate() error {
	if o == nil {
		return nil
	}
	return errors.Join(
		atLeast("Store.Lag", o.Lag, 0),
		atLeast("Store.KeepCount", o.KeepCount, 0),
		atLeast("Store.KeepFor", o.KeepFor, 0),
		probability("Store.Forget", o.Forget),
		atLeast("Store.FailEvery", o.FailEvery, 0),
		atLeast("Store.QueryDelay", o.QueryDelay, 0),
		atLeast("Store.PageLimit", o.PageLimit, 0),
	)
}

// store keeps packets in the order of their stamps, which is that of their
// arrival. It is guarded by Network.mu.
type store struct {
	options StoreOptions
	seed    uint64
	taken   uint64 // how many packets it ever took
	queries int
	all     []*kept // some may be forgotten, never the first
	topics  map[transport.Topic][]*kept
	hints   map[string]*kept // without the forgotten ones
}

// kept is a packet in the store.
type kept struct {
	*packet
	from      *member
	since     time.Time // not the stamp, which may run ahead
	draw      float64   // forgotten if below StoreOptions.Forget
	forgotten bool
}

func newStore(seed uint64, o StoreOptions) *store {
	return &store{options: o, seed: seed, topics: map[transport.Topic][]*kept{}, hints: map[string]*kept{}}
}

// keep gives a packet to the store. n.mu is held.
func (n *Network) keep(from *Endpoint, p *packet, filtered bool) {
	s, stats := n.store, &from.member.stats
	if s == nil || s.options.Down || from.blackhole || filtered || n.apart(from.name, StoreName) {
		stats.Unstored++
		return
	}
	stats.Stored++
	s.taken++
	chance := newChance(s.seed, StoreName, s.taken)
	k := &kept{packet: p, from: from.member, since: time.Now(), draw: chance.next()}
	if k.draw < s.options.Forget {
		stats.Forgotten++
		return
	}
	s.all = append(s.all, k)
	s.topics[p.topic] = append(s.topics[p.topic], k)
	s.hints[string(p.hint)] = k
	s.retain(k.since)
}

func (s *store) configure(o StoreOptions, now time.Time) {
	s.options = o
	for _, k := range s.all {
		if !k.forgotten && k.draw < o.Forget {
			s.forget(k)
		}
	}
	s.retain(now)
}

func (s *store) forget(k *kept) {
	k.forgotten = true
	k.from.stats.Forgotten++
	delete(s.hints, string(k.hint))
}

// retain forgets what is too old or too much.
func (s *store) retain(now time.Time) {
	for len(s.all) > 0 {
		oldest := s.all[0]
		tooMany := s.options.KeepCount > 0 && len(s.hints) > s.options.KeepCount
		tooOld := s.options.KeepFor > 0 && now.Sub(oldest.since) >= s.options.KeepFor
		if !oldest.forgotten {
			if !tooMany && !tooOld {
				return
			}
			s.forget(oldest)
		}
		s.all[0] = nil
		s.all = s.all[1:]
		s.dropOldest(oldest.topic)
	}
}

// dropOldest lets go of what is forgotten at the front of a topic's list.
func (s *store) dropOldest(topic transport.Topic) {
	list := s.topics[topic]
	for len(list) > 0 && list[0].forgotten {
		list[0] = nil
		list = list[1:]
	}
	if len(list) == 0 {
		delete(s.topics, topic)
		return
	}
	s.topics[topic] = list
}

// shows returns whether queries find k at a time.
func (s *store) shows(k *kept, now time.Time) bool {
	return !k.forgotten && now.Sub(k.since) >= s.options.Lag
}

// find returns the packet with the hint on the topic, or nil.
func (s *store) find(topic transport.Topic, hint []byte, now time.Time) *packet {
	k := s.hints[string(hint)]
	if k == nil || k.topic != topic || !s.shows(k, now) {
		return nil
	}
	return k.packet
}

// page returns the newest packets of the query that are older than before,
// oldest first, and whether there are more.
func (s *store) page(q transport.Query, before, now time.Time) (page []*packet, more bool) {
	limit := min(q.Limit, cmp.Or(s.options.PageLimit, q.Limit))
	list := s.topics[q.Topic]
	end, _ := slices.BinarySearchFunc(list, before, func(k *kept, t time.Time) int {
		return stampTime(k.stamp).Compare(t)
	})
	for _, k := range slices.Backward(list[:end]) {
		if stampTime(k.stamp).Before(q.From) {
			break
		}
		if !s.shows(k, now) {
			continue
		}
		if len(page) == limit {
			more = true
			break
		}
		page = append(page, k.packet)
	}
	slices.Reverse(page)
	return page, more
}
