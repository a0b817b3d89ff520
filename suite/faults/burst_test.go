package faults

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/transport"
)

// TestBurst: one member sends 1,000 messages of 1 KiB as fast as it can, and all
// four others get all of them.
func TestBurst(t *testing.T) {
	t.Parallel()
	const count, senders = 1000, 50
	g := newGroup(t, "alice", "bob", "carol", "dave", "erin")
	alice := g.members[0]
	onDisk(alice)
	g.join()
	ids := make([]causeway.MessageID, count)
	var work sync.WaitGroup
	for s := range senders {
		work.Go(func() {
			for i := s; i < count; i += senders {
				text := fmt.Appendf(nil, "%04d %s", i, strings.Repeat("x", 1019))
				r, err := alice.channel.Send(t.Context(), text, causeway.SendOptions{Want: causeway.Everyone})
				if err != nil {
					t.Errorf("message %d: %v", i, err)
					return
				}
				ids[i] = r.ID()
			}
		})
	}
	work.Wait()
	alice.sent = ids
	t.Logf("sent in %v, in %d transactions", time.Since(g.healed).Round(time.Millisecond), alice.node.Metrics().Commits)
	g.heal()
	g.settle()
	g.noDrops() // before what waits for members that become silent is dropped
	g.account()
}

// TestSlowConsumer: an application that does not read its events, and a
// subscription of the network that does not return, hold up nobody; in the end they
// have missed nothing.
func TestSlowConsumer(t *testing.T) {
	t.Parallel()
	const each = 50
	g := newGroup(t, "alice", "bob", "carol")
	g.join()
	carol := g.members[2]
	entered, release := make(chan struct{}), make(chan struct{})
	var work sync.WaitGroup
	var events []causeway.Event
	work.Go(func() {
		for e, err := range carol.channel.Events(t.Context(), 0) {
			if err != nil {
				t.Errorf("events: %v", err)
				return
			}
			if len(events) == 0 {
				close(entered)
				<-release
			}
			events = append(events, e)
			if e.Kind == causeway.EventReceipt && e.Receipt.Level == causeway.SeenByAll && e.ID == carol.sent[each-1] {
				return
			}
		}
	})
	var once sync.Once
	var heard int
	all := make(chan struct{})
	cancel, err := carol.waku.Subscribe(topic, func(transport.Received) {
		once.Do(func() { <-release })
		if heard++; heard == 2*each {
			close(all)
		}
	})
	check(t, err)
	for _, m := range g.members {
		m.say(each)
	}
	<-entered
	g.settle()
	close(release)
	work.Wait()
	delivered := map[causeway.MessageID]bool{}
	for i, e := range events {
		if i > 0 && e.Cursor != events[i-1].Cursor+1 {
			t.Errorf("after event %d comes %d", events[i-1].Cursor, e.Cursor)
		}
		if e.Kind == causeway.EventDelivered {
			delivered[e.ID] = true
		}
	}
	if len(delivered) != 3*each {
		t.Errorf("the slow reader saw %d messages", len(delivered))
	}
	<-all
	g.noDrops() // before what waits for a subscription is dropped with it
	cancel()
}
