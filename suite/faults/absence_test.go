package faults

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/suite/waku"
	"github.com/causeway-im/causeway/suite/waku/storenode"
	"github.com/causeway-im/causeway/transport"
)

// missed is how many messages an absent member misses: two pages of a store.
const missed = 150

// absence is a store that fails while a member comes back to it.
type absence struct {
	name string
	// from are the faults while messages are sent, and back those when the member
	// comes back.
	from, back storenode.Faults
	// never: there is no store at its address. dies: it closes after its first page.
	never, dies bool
	// fetched is how many messages at least the member gets from the store, and most
	// at most.
	fetched, most int
	// told tells whether the counters name the fault.
	told func(storenode.Stats, storenode.ServerStats) bool
}

func absences() []absence {
	return []absence{
		{name: "good", fetched: 100, most: 2 * missed,
			told: func(c storenode.Stats, _ storenode.ServerStats) bool { return c.Answered > 0 }},
		{name: "never there", never: true,
			told: func(c storenode.Stats, _ storenode.ServerStats) bool { return c.Broken > 0 && c.Answered == 0 }},
		{name: "dies after a page", dies: true, fetched: 1, most: 100,
			told: func(c storenode.Stats, _ storenode.ServerStats) bool { return c.Broken > 0 && c.Answered > 0 }},
		{name: "resets", back: storenode.Faults{Absent: true},
			told: func(c storenode.Stats, s storenode.ServerStats) bool { return c.Broken > 0 && s.Resets > 0 }},
		// The client waits for 10 s.
		{name: "slow", back: storenode.Faults{Delay: 5 * time.Second}, most: 2 * missed,
			told: func(c storenode.Stats, _ storenode.ServerStats) bool { return c.TimedOut == 0 && c.Answered > 0 }},
		{name: "too slow", back: storenode.Faults{Delay: 12 * time.Second},
			told: func(c storenode.Stats, _ storenode.ServerStats) bool { return c.TimedOut > 0 && c.Answered == 0 }},
		{name: "429 always", back: storenode.Faults{Status: 429},
			told: func(c storenode.Stats, s storenode.ServerStats) bool { return c.Limited > 0 && s.Limited > 0 }},
		{name: "503 always", back: storenode.Faults{Status: 503},
			told: func(c storenode.Stats, s storenode.ServerStats) bool { return c.Failed > 0 && s.Failed > 0 }},
		{name: "429 every other time", back: storenode.Faults{Status: 429, Every: 2}, most: 2 * missed,
			told: func(c storenode.Stats, s storenode.ServerStats) bool { return s.Limited > 0 && c.Answered > 0 }},
		{name: "503 every other time", back: storenode.Faults{Status: 503, Every: 2}, most: 2 * missed,
			told: func(c storenode.Stats, s storenode.ServerStats) bool { return s.Failed > 0 && c.Answered > 0 }},
		{name: "forgets", from: storenode.Faults{Forget: 0.3, Seed: 1}, back: storenode.Faults{Forget: 0.3, Seed: 1}, most: missed,
			told: func(_ storenode.Stats, s storenode.ServerStats) bool { return s.Withheld > missed/10 }},
		{name: "lags", from: storenode.Faults{Lag: 4 * time.Second}, back: storenode.Faults{Lag: 4 * time.Second}, most: 2 * missed,
			told: func(c storenode.Stats, _ storenode.ServerStats) bool { return c.Answered > 0 }},
	}
}

// TestAbsence: whatever the store does, a member that was away gets what it missed.
func TestAbsence(t *testing.T) {
	t.Parallel()
	for _, a := range absences() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			g := newGroup(t, "alice", "bob", "carol")
			s := openStore(g)
			carol := g.members[2]
			onDisk(carol)
			if a.dies {
				carol.over = func(n *waku.Node) transport.Transport {
					return &afterPage{Node: n, then: sync.OnceFunc(func() { s.waku.Close() })}
				}
			}
			if a.never {
				check(t, s.waku.Close())
				g.extra = 0
			}
			g.join()
			carol.waku.SetOnline(false)
			carol.await("absence", offline)
			for _, m := range g.members[:2] {
				m.await("her absence", func(h waku.Health) bool { return h.Shards[0].Peers == 1+g.extra })
			}
			if !a.never {
				check(t, s.server.SetFaults(t.Context(), a.from))
			}
			for _, m := range g.members[:2] {
				m.say(missed / 2)
			}
			g.allHave(g.members[:2]...)
			for _, m := range g.members[:2] {
				m.acknowledged(causeway.Seen)
			}
			if !a.never {
				check(t, s.server.SetFaults(t.Context(), a.back))
				check(t, s.server.Flush(t.Context()))
			}
			g.heal()
			before := carol.waku.StoreStats()
			carol.waku.SetOnline(true)
			carol.say(3)
			g.settle()
			a.judge(g, s, before, carol)
		})
	}
}

func (a *absence) judge(g *group, s *storeNode, before storenode.Stats, carol *member) {
	t := g.t
	stats := func() (storenode.Stats, storenode.ServerStats) {
		c := carol.waku.StoreStats()
		c.Answered -= before.Answered
		c.Broken -= before.Broken
		return c, s.server.Stats()
	}
	// A question may still be under way, though others have told her all.
	g.poll("counters that tell of the fault", func() bool { return a.told(stats()) }, func() string { return fmt.Sprint(stats()) })
	c, server := stats()
	t.Logf("her questions: %d, answered %d, 429 %d, 5xx %d, timed out %d, broken %d, not asked %d",
		c.Requests-before.Requests, c.Answered, c.Limited, c.Failed, c.TimedOut, c.Broken, c.PassedOver)
	most := a.most
	if most >= missed { // what was sent again meanwhile is there too
		most = max(most, 2*server.Kept)
	}
	if n := int(carol.node.Metrics().Retrieved.Packets); n < a.fetched || n > most {
		t.Errorf("%d messages from the store, want %d to %d", n, a.fetched, most)
	}
	s.account(g)
}

// afterPage is a transport on which something happens after the first page of
// messages from a store.
type afterPage struct {
	*waku.Node
	then func()
}

func (p *afterPage) Query(ctx context.Context, q transport.Query) (transport.Page, error) {
	page, err := p.Node.Query(ctx, q)
	if len(page.Messages) > 0 {
		p.then()
	}
	return page, err
}
