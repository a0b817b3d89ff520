package crowd

import (
	"math"
	"slices"
	"testing"
	"time"
)

// lab is a network with members and nothing to say, for looking at it directly.
type lab struct {
	e       *engine
	flights uint64
}

func newLab(t *testing.T, sc Scenario) *lab {
	t.Helper()
	sc.Load = Load{Rate: 1, Duration: time.Second}
	sc = sc.withDefaults()
	if err := sc.check(); err != nil {
		t.Fatal(err)
	}
	e, err := newEngine(&sc)
	if err != nil {
		t.Fatal(err)
	}
	return &lab{e: e}
}

// send broadcasts a packet of some bytes and returns the delay at each member in
// milliseconds: 0 if it was lost.
func (l *lab) send(from int, at int64, bytes int) []uint32 {
	f := &flight{Packet: Packet{Bytes: make([]byte, bytes)}, number: l.flights, from: from, sent: at, due: l.e.array()}
	l.flights++
	for _, sh := range l.e.shards {
		sh.distribute([]*flight{f})
	}
	due := slices.Clone(f.due)
	l.e.spare = append(l.e.spare, f.due)
	return due
}

// near fails unless a share of n cases is what it should be, within five standard
// deviations of chance.
func near(t *testing.T, what string, hits, n int, want float64) {
	t.Helper()
	got := float64(hits) / float64(n)
	if off := math.Abs(got - want); off > 5*math.Sqrt(want*(1-want)/float64(n))+1e-12 {
		t.Errorf("%s: %.4f of %d, want %.4f", what, got, n, want)
	}
}

func TestIndependentLoss(t *testing.T) {
	for _, loss := range []float64{0, 0.05, 0.3} {
		l := newLab(t, Scenario{Members: 101, Seed: 2, Network: Network{Loss: loss}})
		const packets = 1000
		lost, both, perMember := 0, 0, make([]int, 101)
		for n := range packets {
			due := l.send(0, int64(n*100), 300)
			for i := 1; i <= 100; i++ {
				if due[i] == 0 {
					lost++
					perMember[i]++
					if due[1+i%100] == 0 { // its neighbour
						both++
					}
				}
			}
		}
		near(t, "lost", lost, 100*packets, loss)
		near(t, "lost by two neighbours", both, 100*packets, loss*loss)
		for i := 1; i <= 100; i++ {
			near(t, "lost by one member", perMember[i], packets, loss)
		}
	}
}

func TestBurstyLoss(t *testing.T) {
	b := Bursts{Good: 20 * time.Second, Bad: 4 * time.Second, Loss: 0.8, GoodLoss: 0.01}
	l := newLab(t, Scenario{Members: 201, Seed: 2, Network: Network{Bursts: b}})
	// A packet every 100 ms for 20 virtual minutes.
	const packets = 12_000
	lost, pairs, after := 0, 0, 0
	previous := make([]uint32, 201)
	for n := range packets {
		due := l.send(0, int64(n*100), 300)
		for i := 1; i <= 200; i++ {
			if due[i] == 0 {
				lost++
			}
			if n > 0 && previous[i] == 0 {
				pairs++
				if due[i] == 0 {
					after++
				}
			}
		}
		copy(previous, due)
	}
	// Bursts make neighbours in time alike, so the spread of the share is not that of
	// independent cases: 200 members have about 50 bursts each, 10,000 in all.
	share := float64(lost) / (200 * packets)
	if want := b.Share(); math.Abs(want-(0.8*4+0.01*20)/24) > 1e-9 || math.Abs(share-want) > 0.05*want {
		t.Errorf("lost %.4f, want %.4f", share, want)
	}
	// After a loss the link is bad with probability q, stays so for another 100 ms with
	// e^(−100/4000), or turns.
	bad := 4.0 / 24
	q := bad * 0.8 / (bad*0.8 + (1-bad)*0.01)
	rate := 1/4000.0 + 1/20_000.0
	stay := bad + (1-bad)*math.Exp(-rate*100)       // bad → bad
	turn := bad - bad*math.Exp(-rate*100)           // good → bad
	stillBad := q*stay + (1-q)*turn                 // bad at the next packet
	want := stillBad*0.8 + (1-stillBad)*0.01        // lost again
	got := float64(after) / float64(pairs)          //
	if math.Abs(got-want) > 0.02 || got < 2*share { // independent loss would give the share
		t.Errorf("after a loss %.4f are lost, want %.4f", got, want)
	}
}

func TestBranchLoss(t *testing.T) {
	l := newLab(t, Scenario{Members: 401, Seed: 2, Network: Network{Branches: Branches{Count: 5, Loss: 0.2}}})
	members := map[uint32]int{}
	for i := 1; i <= 400; i++ {
		members[l.e.net.branch[i]]++
	}
	if len(members) != 5 || slices.Min([]int{members[0], members[1], members[2], members[3], members[4]}) < 50 {
		t.Fatalf("branches have %v members", members)
	}
	const packets = 4000
	lost := 0
	for n := range packets {
		due := l.send(0, int64(n*100), 300)
		state := map[uint32]bool{}
		for i := 1; i <= 400; i++ {
			b, gone := l.e.net.branch[i], due[i] == 0
			if before, seen := state[b]; seen && before != gone {
				t.Fatalf("packet %d: branch %d is lost in part", n, b)
			}
			state[b] = gone
		}
		for _, gone := range state {
			if gone {
				lost++
			}
		}
	}
	near(t, "branches lost", lost, 5*packets, 0.2)
}

func TestDelays(t *testing.T) {
	l := newLab(t, Scenario{Members: 1001, Seed: 2})
	var all []float64
	for n := range 100 {
		for _, d := range l.send(0, int64(n), 300)[1:] {
			all = append(all, float64(d))
		}
	}
	slices.Sort(all)
	if all[0] < 260 || all[len(all)-1] > 630 {
		t.Errorf("delays from %v to %v ms", all[0], all[len(all)-1])
	}
	for _, p := range []float64{0.05, 0.5, 0.95} { // even from 260 to 630
		if got, want := all[int(p*float64(len(all)))], 260+p*370; math.Abs(got-want) > 3 {
			t.Errorf("%v of the delays are below %v ms, want %v", p, got, want)
		}
	}
}

func TestDelaysBySize(t *testing.T) {
	l := newLab(t, Scenario{Members: 1001, Seed: 2, Network: Network{Delay: Delay{BySize: true}}})
	sizes := append(slices.Clone(SizeDelays),
		SizeDelay{300, 497 * time.Millisecond, 597 * time.Millisecond},
		SizeDelay{17_500, 632 * time.Millisecond, 778_500 * time.Microsecond}, // half way
		SizeDelay{900_000, 986 * time.Millisecond, 1213 * time.Millisecond})
	for _, s := range sizes {
		var all []float64
		sum := 0.0
		for n := range 30 {
			for _, d := range l.send(0, int64(n), s.Bytes)[1:] {
				all = append(all, float64(d))
				sum += float64(d)
			}
		}
		slices.Sort(all)
		if got := sum / float64(len(all)); math.Abs(got-ms(s.Mean)) > 5 {
			t.Errorf("%d bytes take %.0f ms on average, want %v", s.Bytes, got, s.Mean)
		}
		if got := all[len(all)*95/100]; math.Abs(got-ms(s.P95)) > 5 {
			t.Errorf("%d bytes take %.0f ms at p95, want %v", s.Bytes, got, s.P95)
		}
		if int64(all[0]) < l.e.window || int64(all[len(all)-1]) > l.e.net.longest {
			t.Errorf("%d bytes take %v to %v ms, beyond %d and %d", s.Bytes, all[0], all[len(all)-1], l.e.window, l.e.net.longest)
		}
	}
}

func TestReordering(t *testing.T) {
	l := newLab(t, Scenario{Members: 1001, Seed: 2, Network: Network{Reorder: 0.1, ReorderBy: 3 * time.Second}})
	late, latest := 0, uint32(0)
	for n := range 100 {
		for _, d := range l.send(0, int64(n), 300)[1:] {
			latest = max(latest, d)
			if d > 630 {
				late++
			}
		}
	}
	// What is delayed by less than what is left to 630 ms does not show.
	near(t, "late", late, 100_000, 0.1*(1-185.0/3000))
	if latest < 3000 || latest > 3630 {
		t.Errorf("the latest took %d ms", latest)
	}
}

func TestDuplicates(t *testing.T) {
	l := newLab(t, Scenario{Members: 1001, Seed: 2, Network: Network{Duplicate: 0.1, Loss: 0.2}})
	copies, firsts, other := 0, 0, 0
	for n := range 100 {
		due := l.send(0, int64(n), 300)
		for i := 1; i <= 1000; i++ {
			m := &l.e.members[i]
			if due[i] > 0 {
				firsts++
			}
			if due[i] == 0 && len(m.late) > 0 {
				t.Fatal("a lost packet came as a duplicate")
			}
			for _, a := range m.late {
				copies++
				if a.at-a.flight.sent != int64(due[i]) {
					other++
				}
			}
			m.late = nil
		}
	}
	near(t, "duplicates", copies, firsts, 0.1)
	if other < copies*9/10 {
		t.Errorf("%d of %d duplicates have a delay of their own", other, copies)
	}
}

func TestServices(t *testing.T) {
	l := newLab(t, Scenario{Members: 401, Seed: 2, Mix: Mix{Light: 0.5},
		Network: Network{Service: Service{Count: 2, Loss: 0.1, Delay: time.Second}}})
	light := func(i int) bool { return l.e.members[i].kind == Light }
	relay := slices.IndexFunc(l.e.plan.kinds, func(k Kind) bool { return k == Ours })
	client := slices.IndexFunc(l.e.plan.kinds, func(k Kind) bool { return k == Light })
	const packets = 2000
	lost, slow, n := map[int32]int{}, 0, 0
	for p := range packets {
		due := l.send(relay, int64(p*100), 300)
		state := map[int32]bool{}
		for i := range 401 {
			if i == relay {
				continue
			}
			if !light(i) {
				if due[i] == 0 || due[i] > 630 {
					t.Fatalf("a relay got it after %d ms", due[i])
				}
				continue
			}
			n++
			if due[i] > 630 {
				slow++
			}
			s := l.e.net.service[i]
			if before, seen := state[s]; seen && before != (due[i] == 0) {
				t.Fatal("a service lost a packet for a part of its clients")
			}
			state[s] = due[i] == 0
		}
		for s, gone := range state {
			if gone {
				lost[s]++
			}
		}
	}
	for s := range int32(2) {
		near(t, "lost by a service", lost[s], packets, 0.1)
	}
	if share := float64(slow) / float64(n); share < 0.6 || share > 0.85 { // 0.9 × (1 − 0.185)
		t.Errorf("%.2f of the packets for light members came late", share)
	}
	everywhere := 0
	for p := range packets {
		due := l.send(client, int64(p*100), 300)
		if due[relay] == 0 {
			everywhere++
		}
	}
	near(t, "of a light member's packets lost on the way to its service", everywhere, packets, 0.1)
}

func TestFaultsOfTheNetwork(t *testing.T) {
	minute := time.Minute
	l := newLab(t, Scenario{Members: 301, Seed: 2, Network: Network{Loss: 0.1}, Faults: []Fault{
		{Kind: FaultPartition, From: minute, Until: 2 * minute, Sides: 3},
		{Kind: FaultLoss, From: 3 * minute, Until: 4 * minute, Loss: 0.5},
		{Kind: FaultLoss, From: 5 * minute, Until: 6 * minute, BranchLoss: 0.25},
	}})
	const packets = 500
	share := func(from time.Duration) (lost, other int) {
		for p := range packets {
			for i, d := range l.send(0, (from + time.Duration(p)*100*time.Millisecond).Milliseconds(), 300)[1:] {
				if d == 0 {
					lost++
				} else if i%2 == 0 {
					other++
				}
			}
		}
		return lost, other
	}
	lost, _ := share(0)
	near(t, "lost before", lost, 300*packets, 0.1)
	lost, _ = share(minute)
	if got := float64(lost) / (300 * packets); math.Abs(got-(1-0.9*100.0/300)) > 0.01 { // 100 or 101 are on its side
		t.Errorf("the partition loses %.3f", got)
	}
	lost, _ = share(2 * minute)
	near(t, "lost after the partition", lost, 300*packets, 0.1)
	lost, _ = share(3 * minute)
	near(t, "lost with more loss", lost, 300*packets, 1-0.9*0.5)
	lost, _ = share(5 * minute)
	if got := float64(lost) / (300 * packets); math.Abs(got-(1-0.9*0.75)) > 0.03 { // whole branches at once
		t.Errorf("with branch loss %.3f are lost", got)
	}
}

// Draws for different purposes have nothing to do with each other.
func TestHashIsEven(t *testing.T) {
	const n = 200_000
	var bins [64]int
	equal := 0
	for i := range uint64(n) {
		u := unit(hash(1, 7, i))
		if u < 0 || u >= 1 {
			t.Fatalf("%v", u)
		}
		bins[int(64*u)]++
		if (unit(hash(1, i, 7)) < 0.5) == (u < 0.5) {
			equal++
		}
		if (unit(mix(hash(1, 7, i)+2)) < 0.5) == (u < 0.5) {
			equal++
		}
	}
	for i, k := range bins {
		near(t, "bin "+string(rune('A'+i)), k, n, 1.0/64)
	}
	near(t, "equal halves", equal, 2*n, 0.5)
}
