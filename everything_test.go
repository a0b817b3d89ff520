//go:build go1.25

package causeway_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport/loopback"
)

// Everything at once: three members write, replace, send payloads, lose their network,
// restart, sleep and leave, over a network and stores that fail. What a receipt says is
// so at every moment, and in the end all logs are equal and all that Send took is told
// of once.
func TestEverythingAtOnce(t *testing.T) {
	for seed := range uint64(24) {
		synctest.Test(t, func(t *testing.T) { everything(t, seed) })
	}
}

// turmoil is one run of it.
type turmoil struct {
	t *testing.T
	*world
	r        *rand.Rand
	payload  []byte // that is sent again and again
	parity   float64
	members  []*member
	faults   []*faulty
	mu       sync.Mutex
	disk     *rand.Rand
	diskRate float64 // of commits that fail, half of them after they took place
	sent     []sentBy
}

type sentBy struct {
	member int
	id     causeway.MessageID
}

func (x *turmoil) commit(_ *store.Batch, apply func() error) error {
	x.mu.Lock()
	p := x.disk.Float64()
	x.mu.Unlock()
	if p < x.diskRate/2 {
		return errDisk
	}
	err := apply()
	if err == nil && p < x.diskRate {
		err = errDisk
	}
	return err
}

// send notes what Send took. It may fail only because the store does.
func (x *turmoil) send(i int, content []byte, o causeway.SendOptions) {
	r, err := x.members[i].ch.Send(x.t.Context(), content, o)
	switch {
	case err == nil:
		x.sent = append(x.sent, sentBy{i, r.ID()})
	case !errors.Is(err, causeway.ErrStore):
		x.t.Fatal(err)
	}
}

func everything(t *testing.T, seed uint64) {
	x := &turmoil{t: t, r: rand.New(rand.NewPCG(seed, 1)), disk: rand.New(rand.NewPCG(seed, 2)), payload: noise(seed, 900)}
	o := loopback.Options{Seed: seed, Loss: 0.3 * x.r.Float64(), MinDelay: time.Millisecond,
		MaxDelay: time.Duration(1+x.r.IntN(2000)) * time.Millisecond}
	if x.r.IntN(2) == 0 {
		o.Store = &loopback.StoreOptions{}
	}
	x.world = newWorld(t, o, "alice", "bob", "carol")
	x.parity = []float64{0, 0.3}[x.r.IntN(2)]
	x.diskRate = []float64{0, 0.02, 0.1}[x.r.IntN(3)]
	quota := causeway.Quota{Packets: 40 + x.r.IntN(100), Window: time.Duration(1+x.r.IntN(5)) * time.Minute}
	limited, sealed := x.r.IntN(2) == 0, x.r.IntN(4) == 0
	x.faults = make([]*faulty, 3)
	for i, name := range []string{"alice", "bob", "carol"} {
		how := []func(*member){withFaults(&x.faults[i])}
		if limited {
			how = append(how, under(quota))
		}
		if sealed {
			how = append(how, keyed(t, 1, true))
		}
		x.members = append(x.members, x.start(name, append(how, cutting(causeway.SegmentsLarge, x.parity))...))
		x.faults[i].onCommit(x.commit)
	}
	for step := range 60 {
		x.step(step)
		time.Sleep([]time.Duration{0, 0, time.Millisecond, time.Second, 10 * time.Second}[x.r.IntN(5)])
		x.checkReceipts(seed)
	}
	x.settle(seed)
}

// step is something that happens to somebody.
func (x *turmoil) step(n int) {
	i := x.r.IntN(3)
	m := x.members[i]
	switch x.r.IntN(14) {
	case 0, 1, 2, 3:
		x.send(i, fmt.Append(nil, "text ", n), causeway.SendOptions{})
	case 4, 5, 6:
		x.send(i, fmt.Append(nil, "about ", n), causeway.SendOptions{Replace: fmt.Sprint(x.r.IntN(2))})
	case 7:
		x.send(i, x.payload, causeway.SendOptions{Want: causeway.Everyone})
	case 8:
		x.send(i, noise(uint64(1000+n), 200+x.r.IntN(1500)), causeway.SendOptions{})
	case 9:
		m.end.SetOnline(false)
	case 10:
		m.end.SetOnline(true)
	case 11:
		m.restart()
	case 12:
		check(x.t, m.node.Suspend(x.t.Context()))
		x.send(i, fmt.Append(nil, "asleep ", n), causeway.SendOptions{})
		time.Sleep(time.Duration(x.r.IntN(20)) * time.Second)
		check(x.t, m.node.Resume(x.t.Context()))
	case 13:
		check(x.t, m.ch.Leave(x.t.Context(), false))
		var err error
		m.ch, err = m.node.Join(x.t.Context(), m.config)
		check(x.t, err)
	}
}

// checkReceipts: whoever is said to have something has it.
func (x *turmoil) checkReceipts(seed uint64) {
	x.t.Helper()
	for _, s := range x.sent {
		m := x.members[s.member]
		for _, p := range m.now(m.ch.Receipt(s.id)).Persons {
			other := x.members[slices.Index([]causeway.PersonID{"alice", "bob", "carol"}, p)]
			own, err := m.ch.Message(x.t.Context(), s.id)
			check(x.t, err)
			got, err := other.ch.Message(x.t.Context(), s.id)
			// Parts of one payload that is sent twice may come together in another way.
			comparable := x.parity == 0 && !slices.Equal(own.Content, x.payload)
			if err != nil || comparable && !slices.Equal(got.Content, own.Content) {
				x.t.Fatalf("seed %d: %s does not have %s of %d: %v", seed, p, s.id, s.member, err)
			}
		}
	}
}

// settle ends all faults, and checks what there is in the end.
func (x *turmoil) settle(seed uint64) {
	t, all := x.t, x.members
	check(t, x.network.SetLoss(0))
	for i, m := range all {
		m.end.SetOnline(true)
		x.faults[i].onCommit(nil)
	}
	until(t, 6*time.Hour, fmt.Sprintf("seed %d: the logs are equal", seed), func() bool {
		return all[0].digest() == all[1].digest() && all[1].digest() == all[2].digest()
	})
	for i, m := range all {
		want, got := all[0].log(false), m.log(false)
		if x.parity > 0 { // a payload stands where what made it complete does
			slices.Sort(want)
			slices.Sort(got)
		}
		if !slices.Equal(got, want) {
			t.Errorf("seed %d: the log of %d has %d entries, that of the first %d", seed, i, len(got), len(want))
		}
		delivered := map[causeway.MessageID]int{}
		for _, e := range m.events() {
			if e.Kind == causeway.EventDelivered {
				delivered[e.ID]++
			}
		}
		for _, s := range x.sent {
			_, err := m.ch.Message(t.Context(), s.id)
			withdrawn := errors.Is(err, store.ErrNotFound) && all[s.member].now(all[s.member].ch.Receipt(s.id)).Superseded != ""
			if n := delivered[s.id]; n > 1 || n == 0 && !withdrawn && x.parity == 0 {
				t.Errorf("seed %d: %d was told %d times of %s", seed, i, n, s.id)
			}
		}
	}
}
