//go:build go1.25

package causeway

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// group is some nodes on one network.
type group struct {
	t        *testing.T
	network  *loopback.Network
	nodes    []*Node
	channels []*Channel
	ends     []*loopback.Endpoint
	stores   []store.Store
	roster   *Roster
	options  func(i int, o *Options)
	config   func(i int, c *ChannelConfig)
}

const room = ChannelID("room")

func newGroup(t *testing.T, members int, o loopback.Options, change ...func(*group)) *group {
	t.Helper()
	network, err := loopback.New(o)
	if err != nil {
		t.Fatal(err)
	}
	g := &group{t: t, network: network, nodes: make([]*Node, members), channels: make([]*Channel, members),
		roster: &Roster{Members: map[ParticipantID]PersonID{}}}
	for _, f := range change {
		f(g)
	}
	for i := range members {
		name := fmt.Sprintf("member-%d", i)
		g.roster.Members[ParticipantID(name)] = PersonID(name)
		end, err := network.Attach(name)
		if err != nil {
			t.Fatal(err)
		}
		g.ends = append(g.ends, end)
		g.stores = append(g.stores, store.NewMemory())
	}
	for i := range members {
		g.open(i)
	}
	t.Cleanup(g.close)
	return g
}

// open starts a member on its store.
func (g *group) open(i int) {
	g.t.Helper()
	o := Options{Store: g.stores[i], Transport: g.ends[i], Seed: uint64(i + 1)}
	if g.options != nil {
		g.options(i, &o)
	}
	n, err := Open(g.t.Context(), o)
	if err != nil {
		g.t.Fatal(err)
	}
	cfg := ChannelConfig{Channel: room, Participant: ParticipantID(fmt.Sprintf("member-%d", i)), Roster: g.roster}
	if g.config != nil {
		g.config(i, &cfg)
	}
	c, err := n.Join(g.t.Context(), cfg)
	if err != nil {
		g.t.Fatal(err)
	}
	g.nodes[i], g.channels[i] = n, c
}

func (g *group) close() {
	for _, n := range g.nodes {
		n.Close()
	}
	g.network.Close()
}

func (g *group) send(i int, text string, want Want) *Receipt {
	g.t.Helper()
	r, err := g.channels[i].Send(g.t.Context(), []byte(text), SendOptions{Want: want})
	if err != nil {
		g.t.Fatal(err)
	}
	return r
}

// equal tells whether all logs are the same and have n messages.
func (g *group) equal(n int) bool {
	g.t.Helper()
	first, err := g.channels[0].Digest(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	for _, c := range g.channels {
		if d, _ := c.Digest(g.t.Context()); d != first || d.Count != uint64(n) {
			return false
		}
	}
	return true
}

func waitAll(t *testing.T, receipts []*Receipt, level Level) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	for _, r := range receipts {
		if now, err := r.WaitFor(ctx, level); err != nil {
			t.Fatalf("%s: %v, %+v", r.ID(), err, now)
		}
	}
}

func TestGroupConverges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 8, loopback.Options{Seed: 1, Loss: 0.2, MinDelay: 100 * time.Millisecond, MaxDelay: 300 * time.Millisecond})
		begin := time.Now()
		var receipts []*Receipt
		for i := range 40 {
			receipts = append(receipts, g.send(i%8, fmt.Sprintf("message %d", i), Everyone))
			time.Sleep(500 * time.Millisecond)
		}
		waitAll(t, receipts, SeenByAll)
		if !g.equal(40) {
			t.Error("logs differ")
		}
		t.Log("virtual time", time.Since(begin), g.nodes[0].Metrics())
	})
}

// readers counts the messages that are read one at a time.
type readers struct {
	store.Store
	messages atomic.Int64
}

func (r *readers) Message(ctx context.Context, ch ChannelID, id MessageID) (store.Message, error) {
	r.messages.Add(1)
	return r.Store.Message(ctx, ch, id)
}

// Messages that wait come back with their channel, all at once, and are delivered
// when what they wait for is there.
func TestParkedAreReadAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &readers{Store: store.NewMemory()}
		g := newGroup(t, 2, loopback.Options{Seed: 1}, func(g *group) {
			g.options = func(i int, o *Options) {
				if i == 1 {
					o.Store = db
				}
			}
		})
		waitAll(t, []*Receipt{g.send(0, "hello", Everyone)}, SeenByAll)
		g.network.SetFilter(func(_, to string, e transport.Envelope) bool {
			m, err := wire.Decode(e.Payload)
			return to == "member-1" && (err != nil || string(m.Content) == "lost")
		})
		g.send(0, "lost", AtLeastOne)
		const waiting = 50
		for i := range waiting {
			g.send(0, fmt.Sprintf("waits %d", i), AtLeastOne)
		}
		holds := func(n int) func() bool {
			return func() bool {
				st, err := g.channels[1].Status(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return st.Waiting == n
			}
		}
		until(t, time.Minute, holds(waiting))
		g.nodes[1].Close()
		db.messages.Store(0)
		g.open(1)
		if !holds(waiting)() {
			t.Error("not all wait after a restart")
		}
		if n := db.messages.Load(); n > 0 {
			t.Errorf("%d messages were read one at a time", n)
		}
		g.network.SetFilter(nil)
		until(t, time.Minute, func() bool { return g.equal(waiting + 2) })
	})
}

// A clock that was a day ahead and is set right: the channel goes on at once, and
// numbers what it says above all that it said.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		g := newGroup(t, 2, withStore(), func(g *group) {
			g.options = func(i int, o *Options) {
				if i == 0 {
					o.Clock = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
				}
			}
			ahead.Store(int64(24 * time.Hour))
		})
		first := g.send(0, "from tomorrow", AtLeastOne)
		time.Sleep(time.Minute)
		ahead.Store(0)
		second := g.send(0, "today", Everyone)
		waitAll(t, []*Receipt{second, g.send(1, "today too", Everyone)}, SeenByAll)
		a, errA := g.channels[0].Message(t.Context(), first.ID())
		b, errB := g.channels[0].Message(t.Context(), second.ID())
		if errA != nil || errB != nil || b.Lamport <= a.Lamport || b.Position <= a.Position {
			t.Errorf("%+v, %v; then %+v, %v", a, errA, b, errB)
		}
		g.ends[0].SetOnline(false)
		g.send(1, "missed", AtLeastOne)
		time.Sleep(time.Minute)
		g.ends[0].SetOnline(true)
		until(t, time.Minute, func() bool {
			_, _, err := g.channels[0].Messages(t.Context(), Log{})
			d, _ := g.channels[0].Digest(t.Context())
			return err == nil && d.Count == 4
		})
	})
}
