package faults

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/suite/waku"
	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

// lossy returns a Lose that loses a fraction of the room's messages.
func lossy(fraction float64, seed uint64) func(*wire.Message) bool {
	rng := rand.New(rand.NewPCG(seed, 1))
	var mu sync.Mutex
	return func(m *wire.Message) bool {
		mu.Lock()
		defer mu.Unlock()
		return m.ContentTopic == string(topic) && rng.Float64() < fraction
	}
}

// TestLoss: each receiver loses a fifth of all messages, above gossip, so that
// gossip does not repair it.
func TestLoss(t *testing.T) {
	t.Parallel()
	g := newGroup(t, "alice", "bob", "carol", "dave", "erin")
	onDisk(g.members[:2]...)
	for i, m := range g.members {
		m.options.Lose = lossy(0.2, uint64(i))
	}
	g.join()
	for range 8 {
		for _, m := range g.members {
			m.say(1)
		}
		for _, m := range g.members {
			m.acknowledged(causeway.Sent)
		}
	}
	g.settle()
	g.account()
	var lost, received uint64
	for _, m := range g.members {
		s := m.waku.Stats()
		lost, received = lost+s.Dropped.Lost, received+s.Received
	}
	t.Logf("%d of %d packets were lost: %.1f %%", lost, lost+received, 100*float64(lost)/float64(lost+received))
	if lost == 0 {
		t.Error("nothing was lost")
	}
}

// endTopic is where members say that they have said all.
const endTopic transport.Topic = "/causeway-faults/1/end/proto"

// account makes the members of a full mesh silent and fails if a packet that
// somebody published is in no counter of somebody else.
func (g *group) account() {
	g.t.Helper()
	ctx := within(g.t)
	others := len(g.members) - 1
	ends := make([]int, len(g.members))
	var mu sync.Mutex
	for i, m := range g.members {
		check(g.t, m.node.Suspend(ctx))
		_, err := m.waku.Subscribe(endTopic, func(transport.Received) {
			mu.Lock()
			defer mu.Unlock()
			ends[i]++
			g.poke()
		})
		check(g.t, err)
	}
	for _, m := range g.members {
		_, err := m.waku.Publish(ctx, transport.Envelope{Topic: endTopic, Payload: []byte(m.name)})
		check(g.t, err)
	}
	g.await("the ends", func() bool { // each link carries packets in order
		mu.Lock()
		defer mu.Unlock()
		for _, n := range ends {
			if n < others {
				return false
			}
		}
		return true
	})
	var published, failed uint64
	for _, m := range g.members {
		s := m.waku.Stats()
		published, failed = published+s.Published, failed+s.PublishFailed
	}
	for _, m := range g.members {
		s, x := m.waku.Stats(), m.node.Metrics()
		d := s.Dropped
		known := s.Received + s.Elsewhere + d.Malformed + d.Invalid + d.ValidationQueue + d.ShardQueue + d.Lost
		// Of what failed since the member became silent nobody knows whether it left.
		if sent := published - s.Published; known < sent || known > sent+failed {
			g.t.Errorf("%s: the others have published %d packets, %d are counted; %d failed: %+v", m.name, sent, known, failed, s)
		}
		if handed := s.Received - d.Subscription - d.Cancelled - uint64(others); x.Received.Packets != handed {
			g.t.Errorf("%s: the network handed over %d packets, %d have arrived", m.name, handed, x.Received.Packets)
		}
		if bad := x.Undecodable + x.NotForMe + x.Tampered + x.OtherChannel + x.Refused; bad > 0 {
			g.t.Errorf("%s: %d packets were refused: %+v", m.name, bad, x)
		}
	}
}

// noDrops fails if a member has dropped anything inside.
func (g *group) noDrops() {
	g.t.Helper()
	for _, m := range g.members {
		if d, x := m.waku.Stats().Dropped, m.node.Metrics(); d != (waku.Dropped{}) || x.DroppedQueue > 0 || x.DroppedStore > m.early {
			g.t.Errorf("%s dropped %+v, and %d and %d", m.name, d, x.DroppedQueue, x.DroppedStore)
		}
	}
}
