package faults

import (
	"testing"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/suite/waku"
)

// TestRestart: a member's nodes are closed in the middle of a talk, and opened
// again with the same key, port and database.
func TestRestart(t *testing.T) {
	t.Parallel()
	for _, withStore := range []bool{false, true} {
		t.Run(map[bool]string{false: "alone", true: "with a store"}[withStore], func(t *testing.T) {
			t.Parallel()
			g := newGroup(t, "alice", "bob", "carol")
			if withStore {
				openStore(g)
			}
			carol := g.members[2]
			onDisk(carol)
			g.join()
			for life := range 3 {
				g.chat(3)
				id, addrs := carol.waku.ID(), carol.waku.Addrs()
				g.members[0].say(2)
				carol.say(3) // which may not leave any more
				carol.stop()
				for _, m := range g.members[:2] {
					m.await("the end of carol", func(h waku.Health) bool { return h.Shards[0].Peers == 1+len(g.stores) })
					m.say(10)
				}
				g.allHave(g.members[:2]...)
				carol.start()
				if carol.waku.ID() != id || carol.waku.Addrs()[0] != addrs[0] {
					t.Errorf("she was %v at %v and is %v at %v", id, addrs, carol.waku.ID(), carol.waku.Addrs())
				}
				g.heal()
				g.allHave(g.members...)
				t.Logf("life %d: she has all", life+2)
			}
			g.settle()
			for _, m := range g.members {
				ctx := within(t)
				for _, id := range m.sent {
					now, err := m.channel.Receipt(id).Now(ctx)
					check(t, err)
					if now.Level != causeway.SeenByAll || len(now.Persons) != 2 {
						t.Errorf("%s: %s is at %v, known of %v", m.name, id, now.Level, now.Persons)
					}
				}
			}
		})
	}
}
