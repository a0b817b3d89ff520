//go:build go1.25

package causeway_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/transport/loopback"
)

func (m *member) replace(text, subject string) *causeway.Receipt {
	m.w.t.Helper()
	r, err := m.ch.Send(m.w.t.Context(), []byte(text), causeway.SendOptions{Replace: subject})
	check(m.w.t, err)
	return r
}

// spec R131: of versions that wait, for the quota or for the network, only the
// last leaves, and the log has no other.
func TestReplaceWhatWaits(t *testing.T) {
	for _, offline := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, loopback.Options{Seed: 1}, "alice", "bob")
			x := &toll{}
			alice, bob := w.start("alice", tolled(x), under(causeway.Quota{Packets: 20, Window: 10 * time.Minute})), w.start("bob")
			want := lines(3)
			if offline {
				alice.end.SetOnline(false)
			} else {
				want = lines(14)
			}
			for _, text := range want {
				alice.send(text)
			}
			time.Sleep(time.Second)
			var receipts []*causeway.Receipt
			for i := range 7 { // somebody clicks eagerly
				receipts = append(receipts, alice.replace(fmt.Sprint("heart ", i), "heart"))
			}
			want = append(want, "heart 6")
			alice.end.SetOnline(true)
			until(t, time.Hour, "the logs are equal", func() bool {
				return alice.digest() == bob.digest() && slices.Equal(bob.log(true), want)
			})
			equal(t, "alice's log", alice.log(true), want)
			if n := x.content(); n != len(want) {
				t.Errorf("%d packets of content", n)
			}
			waitFor(t, receipts[6], causeway.SeenByAll)
			alice.restart()
			for i := range 6 {
				now := alice.now(alice.ch.Receipt(receipts[i].ID()))
				if now.Level != causeway.Queued || now.Superseded != receipts[i+1].ID() {
					t.Errorf("heart %d: %+v", i, now)
				}
			}
			superseded := 0
			for _, e := range alice.events() {
				if e.Kind == causeway.EventReceipt && e.Receipt.Superseded != "" {
					superseded++
				}
			}
			if superseded != 6 {
				t.Errorf("%d events say superseded", superseded)
			}
			alice.send("more")
			until(t, time.Hour, "more is there", func() bool { return alice.digest() == bob.digest() && len(bob.log(true)) == len(want)+1 })
		})
	}
}

// spec R132: what left and got lost does not go out again by itself; it comes when
// somebody notices, and the log has both.
func TestReplaceWhatLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1}, "alice", "bob")
		x := &toll{}
		alice, bob := w.start("alice", tolled(x)), w.start("bob")
		time.Sleep(time.Minute)
		check(t, w.network.Partition([]string{"alice"}, []string{"bob"}))
		alice.replace("on", "heart")
		time.Sleep(time.Second)
		alice.replace("off", "heart")
		time.Sleep(time.Second)
		w.network.Heal()
		until(t, time.Minute, "bob has both", func() bool { return slices.Equal(bob.log(false), []string{"on", "off"}) })
		if alice.digest() != bob.digest() {
			t.Error("the logs differ")
		}
	})
}

// Priorities are kept over a restart: spec R113.
func TestUrgentFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1}, "alice")
		x := &toll{}
		alice := w.start("alice", tolled(x), under(causeway.Quota{Packets: 20, Window: 10 * time.Minute}))
		for _, text := range lines(14) { // one after the other makes room
			alice.send(text)
			time.Sleep(20 * time.Second)
		}
		join := func(id causeway.ChannelID) *causeway.Channel {
			cfg := alice.config
			cfg.Channel = id
			ch, err := alice.node.Join(t.Context(), cfg)
			check(t, err)
			return ch
		}
		for i, p := range []causeway.Priority{causeway.PriorityLow, causeway.PriorityNormal, causeway.PriorityHigh} {
			ch := join(causeway.ChannelID(fmt.Sprint("c", i)))
			for j := range 3 {
				_, err := ch.Send(t.Context(), fmt.Appendf(nil, "%d.%d", i, j), causeway.SendOptions{Priority: p})
				check(t, err)
			}
		}
		synctest.Wait()
		alice.restart()
		for i := range 3 {
			join(causeway.ChannelID(fmt.Sprint("c", i)))
		}
		left := map[string]time.Time{}
		until(t, time.Hour, "all have left", func() bool {
			for _, p := range x.passages() {
				if p.kind == wire.Content && p.channel != tea {
					left[p.content] = p.at
				}
			}
			return len(left) == 9
		})
		order := []string{"2.0", "2.1", "2.2", "1.0", "1.1", "1.2", "0.0", "0.1", "0.2"}
		if !slices.IsSortedFunc(order, func(a, b string) int { return left[a].Compare(left[b]) }) || !left["2.2"].Before(left["0.0"]) {
			t.Errorf("they left at %v", left)
		}
	})
}
