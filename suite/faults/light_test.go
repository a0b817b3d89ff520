package faults

import (
	"testing"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/suite/internal/freeport"
	"github.com/causeway-im/causeway/suite/waku"
)

// service is a relay for light nodes that can be closed and started again.
type service struct {
	g       *group
	options waku.Options
	waku    *waku.Node
}

func (s *service) start() {
	var err error
	s.waku, err = waku.New(s.g.t.Context(), s.options)
	check(s.g.t, err)
	node := s.waku
	s.g.t.Cleanup(func() { node.Close() })
}

func newService(g *group, peers []string) *service {
	key, err := waku.NewKey()
	check(g.t, err)
	s := &service{g: g, options: waku.Options{Key: key, Listen: []string{freeport.Multiaddr(g.t)}, Peers: peers, ServeFilter: true, ServeLightpush: true}}
	s.start()
	return s
}

// from is true when a light node receives through so many service nodes.
func from(services int) func(waku.Health) bool {
	return func(h waku.Health) bool {
		n := 0
		for _, p := range h.Peers {
			if p.Receiving {
				n++
			}
		}
		return n == services
	}
}

// TestLight: the service nodes of a light member die one after the other, one
// comes back, and all go on talking.
func TestLight(t *testing.T) {
	t.Parallel()
	g := newGroup(t, "alice", "bob", "luna")
	one := newService(g, nil)
	two := newService(g, one.waku.Addrs())
	g.peers = append(one.waku.Addrs(), two.waku.Addrs()...)
	alice, bob, luna := g.members[0], g.members[1], g.members[2]
	onDisk(luna)
	luna.options = waku.Options{Mode: waku.Light, ServiceNodes: g.peers}
	for _, m := range g.members[:2] {
		m.options.Peers = g.peers
		m.connect()
		m.await("the services", reaches(2))
	}
	luna.connect()
	luna.await("two services", from(2))
	for _, m := range g.members {
		m.open()
	}
	g.chat(5)

	alice.say(5)
	luna.say(5)
	one.waku.Close()
	alice.say(5)
	luna.say(5)
	g.allHave(alice, bob, luna)
	luna.await("one service", from(1))
	g.chat(5)
	luna.acknowledged(causeway.SeenByAll)

	two.waku.Close()
	luna.await("no service", offline)
	alice.await("no service", offline)
	bob.await("no service", offline)
	for _, m := range g.members {
		m.say(5)
	}
	one.start()
	luna.await("a service", from(1))
	g.heal()
	g.chat(5)
	g.settle()
	s := luna.waku.Stats()
	t.Logf("luna: %+v", s)
	if s.Dropped != (waku.Dropped{}) {
		t.Errorf("luna dropped %+v", s.Dropped)
	}
}
