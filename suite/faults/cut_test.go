package faults

import (
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/suite/waku"
)

// cutTimes are how long cuts last: 10 s, which TCP survives, and 60 s, which it
// does not, take too long for each run of the tests.
func cutTimes() []time.Duration {
	if nightly {
		return []time.Duration{10 * time.Second, time.Minute}
	}
	return []time.Duration{3 * time.Second}
}

// Over a hole connections stay up for keepUp at least, and for giveUp at most: yamux
// gives up 10 s after a keep-alive without an answer, and sends one every 30 s.
const (
	keepUp = 9 * time.Second
	giveUp = 45 * time.Second
)

// newCutGroup joins alice, bob and carol, who reaches them through proxies alone.
func newCutGroup(t *testing.T, withStore bool) (g *group, carol *member, links []*proxy) {
	g = newGroup(t, "alice", "bob", "carol")
	if withStore {
		openStore(g)
	}
	alice, bob, carol := g.members[0], g.members[1], g.members[2]
	onDisk(carol)
	for i, m := range g.members[:2] {
		m.options.Peers = append(m.options.Peers, g.stores...)
		m.options.StoreNodes = g.stores
		if i > 0 {
			m.options.Peers = append(m.options.Peers, alice.waku.Addrs()...)
		}
		m.connect()
		links = append(links, newProxy(t, m.waku))
		carol.options.Peers = append(carol.options.Peers, links[i].addrs...)
	}
	carol.options.Listen = []string{} // nobody can dial her
	if withStore {
		link := newProxy(t, g.store.waku)
		links = append(links, link)
		carol.options.Peers = append(carol.options.Peers, link.addrs...)
		carol.options.StoreNodes = link.addrs
	}
	carol.connect()
	onlyBy(t, carol.waku)
	for _, m := range []*member{alice, bob, carol} {
		m.await("the others", reaches(2+len(g.stores)))
	}
	for _, m := range g.members {
		m.open()
	}
	return g, carol, links
}

// chat lets each member say something, and waits until all have all of it.
func (g *group) chat(each int) {
	g.t.Helper()
	for _, m := range g.members {
		m.say(each)
	}
	g.allHave(g.members...)
}

// allHave waits until these members have all that was said by them.
func (g *group) allHave(members ...*member) {
	g.t.Helper()
	g.await("messages among some members", func() bool {
		for _, from := range members {
			for _, to := range members {
				for _, id := range from.sent {
					if !to.got(id) {
						return false
					}
				}
			}
		}
		return true
	})
}

// TestCut: a member is cut off for a while, and all go on talking.
func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		withStore bool
		begin     func(carol *member, links []*proxy)
		end       func(carol *member, links []*proxy)
	}{
		{"hole", false, setAll(hole), setAll(open)},
		{"hole with a store", true, setAll(hole), setAll(open)},
		{"reset", false, setAll(reset), setAll(open)},
		{"reset with a store", true, setAll(reset), setAll(open)},
		{"offline", false, setOnline(false), setOnline(true)},
		{"offline with a store", true, setOnline(false), setOnline(true)},
	} {
		for _, d := range cutTimes() {
			t.Run(c.name+" "+d.String(), func(t *testing.T) {
				t.Parallel()
				g, carol, links := newCutGroup(t, c.withStore)
				g.chat(3)
				dials := carol.waku.Stats().Dials
				unknown := c.name[0] == 'h'
				begun := time.Now()
				c.begin(carol, links)
				over := time.NewTimer(d)
				if !unknown {
					carol.await("the cut", offline)
				}
				carol.say(5)
				if unknown && d < keepUp {
					carol.acknowledged(causeway.Sent) // to somebody who does not answer
				}
				g.members[0].say(10)
				g.members[1].say(10)
				g.allHave(g.members[:2]...)
				if carol.got(g.members[0].sent[3]) || g.members[0].got(carol.sent[3]) {
					t.Error("something comes through the cut")
				}
				<-over.C
				certain := !unknown || time.Since(begun) > giveUp
				c.end(carol, links)
				lasted := time.Since(begun) // at most: the machine may have stood still
				g.heal()
				g.settle()
				if again := carol.waku.Stats().Dials > dials; certain && !again || unknown && lasted < keepUp && again {
					t.Errorf("connections died: %v, after %v", again, lasted)
				}
			})
		}
	}
}

func setAll(mode cut) func(*member, []*proxy) {
	return func(_ *member, links []*proxy) {
		for _, p := range links {
			p.set(mode)
		}
	}
}

func setOnline(online bool) func(*member, []*proxy) {
	return func(carol *member, _ []*proxy) { carol.waku.SetOnline(online) }
}

// TestPartition: the network falls into two halves, which talk, and heals.
func TestPartition(t *testing.T) {
	t.Parallel()
	g := newGroup(t, "alice", "bob", "carol", "dave")
	west, east := g.members[:2], g.members[2:]
	var links []*proxy
	connect := func(m *member, direct []*member, through []*member) {
		for _, other := range direct {
			m.options.Peers = append(m.options.Peers, other.waku.Addrs()...)
		}
		for _, other := range through {
			link := newProxy(t, other.waku)
			links = append(links, link)
			m.options.Peers = append(m.options.Peers, link.addrs...)
		}
		m.connect()
		if len(through) > 0 {
			onlyBy(t, m.waku)
		}
	}
	connect(west[0], nil, nil)
	connect(west[1], west[:1], nil)
	connect(east[0], nil, west)
	connect(east[1], east[:1], west)
	for _, m := range g.members {
		m.await("the others", reaches(3))
	}
	for _, m := range g.members {
		m.open()
	}
	g.chat(2)
	setAll(reset)(nil, links)
	for _, m := range g.members {
		m.await("the other half to go", func(h waku.Health) bool { return h.Shards[0].Peers == 1 })
	}
	for _, m := range g.members {
		m.say(10)
	}
	g.allHave(west...)
	g.allHave(east...)
	for _, m := range g.members {
		m.acknowledged(causeway.Seen)
		if m.has() != 8+20 {
			t.Errorf("%s has %d messages", m.name, m.has())
		}
	}
	setAll(open)(nil, links)
	g.heal()
	g.settle()
}
