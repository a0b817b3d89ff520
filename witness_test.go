//go:build go1.25

package causeway_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// told is a Witness that writes down what it is told.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (w *told) add(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
}

// take returns what was told since the last time.
func (w *told) take() []string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := w.lines
	w.lines = nil
	return lines
}

func (w *told) Committing(store.Tx, []causeway.Event) error { return nil }

func (w *told) Joined(ch causeway.ChannelID, who causeway.Person, self causeway.PersonID, persons int) {
	w.add("joined %s as %s of %d, bob is %s", ch, self, persons, who("bob"))
}

func (w *told) Left(ch causeway.ChannelID) { w.add("left %s", ch) }

func (w *told) Publishing(ch causeway.ChannelID, id causeway.MessageID, class causeway.Class) {
	w.add("publishing %s %s %v", ch, id, class)
}

func (w *told) Published(ch causeway.ChannelID, id causeway.MessageID, class causeway.Class, hint []byte, err error) {
	w.add("published %s %s %v %v %v", ch, id, class, hint != nil, err)
}

func (w *told) Unusable(ch causeway.ChannelID, id causeway.MessageID, why causeway.Unusable) {
	w.add("unusable %s %q %s", ch, id, why)
}

func (w *told) Connected(online, suspended bool) { w.add("online %v suspended %v", online, suspended) }

func TestWitness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Store: &loopback.StoreOptions{}}, "alice", "alice's phone")
		w.roster.Members["alice's phone"] = "alice"
		w.roster.Members["bob"] = "Bob"
		o := &told{}
		alice := w.start("alice", func(m *member) { m.options.Observer = o })
		expect := func(want ...string) {
			t.Helper()
			got := o.take()
			slices.Sort(got) // network and loop tell at the same time
			slices.Sort(want)
			equal(t, "told", got, want)
		}
		expect("joined tea as alice of 2, bob is Bob", "online true suspended false")

		id := alice.send("nobody listens").ID()
		expect(fmt.Sprintf("publishing tea %s content", id), fmt.Sprintf("published tea %s content true <nil>", id))
		check(t, alice.ch.SetRoster(t.Context(), nil))
		expect("joined tea as alice of 0, bob is bob")
		check(t, alice.node.Suspend(t.Context()))
		expect("online false suspended true")
		check(t, alice.node.Resume(t.Context()))
		if got := o.take(); len(got) < 2 || got[0] != "online false suspended false" || got[1] != "online true suspended false" {
			t.Errorf("after Resume: %q", got)
		}
		check(t, alice.ch.Leave(t.Context(), false))
		if got := o.take(); !slices.Contains(got, "left tea") {
			t.Errorf("after Leave: %q", got)
		}
	})
}

func TestWitnessOfResends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		o := &told{}
		id := w.start("alice", func(m *member) { m.options.Observer = o }).send("nobody listens").ID()
		time.Sleep(10 * time.Second)
		if got := o.take(); !slices.Contains(got, fmt.Sprintf("published tea %s resend false <nil>", id)) {
			t.Errorf("nothing about a resend: %q", got)
		}
	})
}

func TestWitnessOfBadPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		o := &told{}
		w.start("alice", func(m *member) { m.options.Observer = o })
		end, err := w.network.Attach("mallory")
		check(t, err)
		o.take()
		_, err = end.Publish(t.Context(), transport.Envelope{Topic: transport.Topic(tea), Payload: []byte("rubbish")})
		check(t, err)
		time.Sleep(time.Second)
		if got := strings.Join(o.take(), "\n"); !strings.Contains(got, `unusable tea "" undecodable`) {
			t.Errorf("told %q", got)
		}
	})
}

// A message that is delivered after it arrived says so, once, and across
// restarts; one from a store of the network does.
func TestEventsSayHowTheyCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 2, Loss: 0.2, MaxDelay: 300 * time.Millisecond, Store: &loopback.StoreOptions{}}, "alice", "bob")
		alice, bob := w.start("alice"), w.start("bob")
		var last *causeway.Receipt
		for i, text := range lines(150) {
			last = []*member{alice, bob}[i%2].send(text, causeway.Everyone)
			time.Sleep(300 * time.Millisecond)
			switch i {
			case 20, 30, 33, 73, 105:
				bob.restart()
			case 40:
				check(t, bob.node.Suspend(t.Context()))
			case 50:
				check(t, bob.node.Resume(t.Context()))
			}
		}
		waitFor(t, last, causeway.SeenByAll)
		arrived, waited, retrieved := map[causeway.MessageID]bool{}, 0, 0
		for _, e := range bob.events() {
			switch {
			case e.Kind == causeway.EventArrived:
				arrived[e.ID] = true
			case e.Kind != causeway.EventDelivered:
				continue
			case e.Message.Waited != arrived[e.ID]:
				t.Errorf("%s: Waited is %v", e.ID, e.Message.Waited)
			case e.Message.Waited:
				waited++
			}
			if e.Message.Retrieved {
				retrieved++
				if e.Message.Own {
					t.Errorf("own message %s was retrieved", e.ID)
				}
			}
		}
		if waited == 0 || retrieved == 0 || retrieved > 100 {
			t.Errorf("%d waited, %d were retrieved", waited, retrieved)
		}
	})
}
