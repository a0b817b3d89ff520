package faults

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// soakSize is how large a soak is. What happens in it is counted in messages: all
// members' words together are its clock.
type soakSize struct {
	relays, lights int // members; the first relays serve the light ones
	// spared is how many members nobody kills, of each kind at most: what they use in
	// the end is compared with what they used before.
	spared int
	// pause is the mean of what a member waits between its words.
	pause time.Duration
	loss  float64 // of each receiver
	// gap and away are how many messages at most pass between two kills, and until who
	// was killed comes back.
	gap, away int
	// It ends after so many kills, or when it has lasted for so long.
	kills int
	lasts time.Duration
	every int // messages between two samples of what all use
}

func (z *soakSize) members() int { return z.relays + z.lights }

// store is the index of the store node, after those of the members.
func (z *soakSize) store() int { return z.members() }

// mayDie lists the indices of those who are killed.
func (z *soakSize) mayDie() (all []int) {
	for i := z.spared; i < z.relays; i++ {
		all = append(all, i)
	}
	for i := z.relays + min(z.spared, z.lights/2); i <= z.store(); i++ {
		all = append(all, i)
	}
	return all
}

// kill is one thing that happens.
type kill struct {
	at      int // when so many messages were said
	victims []int
	back    []int // when each victim comes back
}

// soakPlan says what happens. It depends on the seed and the size alone.
type soakPlan struct {
	size *soakSize
	rng  *rand.Rand
	at   int
}

func newSoakPlan(size *soakSize, seed uint64) *soakPlan {
	return &soakPlan{size: size, rng: rand.New(rand.NewPCG(seed, 0))}
}

// next returns the next kill: of one, now and then of two or three at once, the
// store node among them as often as anybody else.
func (p *soakPlan) next() kill {
	p.at += 1 + p.rng.IntN(p.size.gap)
	k := kill{at: p.at}
	victims := 1
	switch draw := p.rng.IntN(10); {
	case draw < 1:
		victims = 3
	case draw < 3:
		victims = 2
	}
	who := p.size.mayDie()
	p.rng.Shuffle(len(who), func(i, j int) { who[i], who[j] = who[j], who[i] })
	for _, v := range who[:min(victims, len(who))] {
		away := p.rng.IntN(1 + p.size.away)
		switch p.rng.IntN(12) {
		case 0:
			away *= 5
		case 1: // and perhaps killed again before it is up
			away = 0
		}
		k.victims, k.back = append(k.victims, v), append(k.back, p.at+away)
	}
	return k
}

// The same seed makes the same plan, which kills everybody who is not spared and
// nobody else, one and several at a time.
func TestSoakPlan(t *testing.T) {
	size := &soakSize{relays: 8, lights: 2, spared: 1, gap: 15, away: 25}
	one, two, other := newSoakPlan(size, 1), newSoakPlan(size, 1), newSoakPlan(size, 2)
	killed, together, same := map[int]int{}, map[int]int{}, 0
	last := 0
	for range 1000 {
		k := one.next()
		if again := two.next(); !reflect.DeepEqual(k, again) {
			t.Fatalf("%+v is then %+v", k, again)
		}
		if reflect.DeepEqual(k, other.next()) {
			same++
		}
		if k.at <= last {
			t.Errorf("%+v is not after %d", k, last)
		}
		last = k.at
		together[len(k.victims)]++
		for i, v := range k.victims {
			killed[v]++
			if k.back[i] < k.at {
				t.Errorf("%+v comes back before", k)
			}
		}
	}
	if same > 10 {
		t.Errorf("%d of 1000 kills are the same with another seed", same)
	}
	for i := range size.members() + 1 {
		spared := i == 0 || i == 8 // a relay and a light member
		if n := killed[i]; spared != (n == 0) || !spared && n < 100 {
			t.Errorf("%d was killed %d times", i, n)
		}
	}
	if together[1] < 500 || together[2] < 100 || together[3] < 50 {
		t.Errorf("victims at once: %v", together)
	}
}
