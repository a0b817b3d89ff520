package classic

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
)

const start = sds.Time(1_700_000_000_000)

// world is a group of peers and a network that loses and delays, in virtual time.
type world struct {
	t     testing.TB
	now   sds.Time
	peers []*Peer
	rng   *rand.Rand
	loss  float64
	delay func() time.Duration

	// What is to come, by millisecond.
	ring [1 << 17][]event
	next []sds.Time // when a peer is ticked, 0 for never

	receives int
	sent     func(from int, p Packet)
	done     func(peer int, r *Ready)
	lose     func(p Packet, to int) bool
}

type event struct {
	peer int
	in   *Prepared // nil: a tick
}

// waku is the spread of delays measured on Waku for 10 kB.
func waku(r *rand.Rand) func() time.Duration {
	return func() time.Duration { return time.Duration(260+r.IntN(371)) * time.Millisecond }
}

func newWorld(t testing.TB, n int, seed uint64, cfg Config) *world {
	t.Helper()
	w := &world{t: t, now: start, rng: rand.New(rand.NewPCG(seed, 1)), next: make([]sds.Time, n)}
	w.delay = waku(w.rng)
	for i := range n {
		c := cfg
		c.Channel, c.Seed = "general", seed
		c.Participant += name(i)
		w.peers = append(w.peers, newPeer(t, c))
		w.drain(i)
	}
	return w
}

func newPeer(t testing.TB, c Config) *Peer {
	t.Helper()
	p, err := New(c, start)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// name is an id of 20 bytes.
func name(i int) sds.ParticipantID {
	b := []byte("participant-00000000")
	for k := len(b) - 1; i > 0; k, i = k-1, i/10 {
		b[k] += byte(i % 10)
	}
	return sds.ParticipantID(b)
}

func (w *world) at(t sds.Time) *[]event { return &w.ring[int(t)&(len(w.ring)-1)] }

// drain broadcasts what a peer has to say and plans its next tick.
func (w *world) drain(i int) {
	r := w.peers[i].Ready()
	for _, p := range r.Packets {
		if w.sent != nil {
			w.sent(i, p)
		}
		for to := range w.peers {
			if to == i || w.loss > 0 && w.rng.Float64() < w.loss || w.lose != nil && w.lose(p, to) {
				continue
			}
			slot := w.at(w.now.Add(w.delay()))
			*slot = append(*slot, event{to, p.Prepared})
		}
	}
	if w.done != nil {
		w.done(i, &r)
	}
	at, ok := w.peers[i].Deadline()
	if !ok {
		return
	}
	at = min(max(at, w.now+1), w.now+sds.Time(len(w.ring)-1))
	if w.next[i] == 0 || at < w.next[i] {
		w.next[i] = at
		slot := w.at(at)
		*slot = append(*slot, event{peer: i})
	}
}

// run lets time pass, until stop says so.
func (w *world) run(d time.Duration, stop func() bool) {
	for end := w.now.Add(d); w.now < end && (stop == nil || !stop()); {
		w.now++
		slot := w.at(w.now)
		for k := 0; k < len(*slot); k++ {
			e := (*slot)[k]
			switch {
			case e.in != nil:
				w.receives++
				w.peers[e.peer].ReceivePrepared(w.now, e.in)
			case w.next[e.peer] > w.now:
				continue
			default:
				w.next[e.peer] = 0
				w.peers[e.peer].Tick(w.now)
			}
			w.drain(e.peer)
		}
		clear(*slot)
		*slot = (*slot)[:0]
	}
}

func (w *world) send(i int, content string) sds.MessageID {
	w.t.Helper()
	id, err := w.peers[i].Send(w.now, []byte(content))
	if err != nil {
		w.t.Fatal(err)
	}
	w.drain(i)
	return id
}
