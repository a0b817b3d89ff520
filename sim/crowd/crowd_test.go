package crowd

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
)

// small is a short conversation of a few members.
func small(members int, loss float64) Scenario {
	return Scenario{Members: members, Seed: 1, Network: Network{Loss: loss},
		Load: Load{Rate: 0.5, Duration: time.Minute}}
}

func run(t *testing.T, sc Scenario) *Result {
	t.Helper()
	r, err := Run(t.Context(), sc, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// text is everything of a result that may not vary, curves included.
func text(t *testing.T, r *Result) string {
	t.Helper()
	same := *r
	same.WallSeconds = 0
	b, err := json.Marshal(struct {
		Result
		Curves Curves
	}{same, same.Curves})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// everything is a scenario in which all that can happen does.
func everything() Scenario {
	return Scenario{Members: 130, Seed: 3, Authenticated: true, ClockSkew: 2 * time.Second,
		Network: Network{Loss: 0.03, Duplicate: 0.05, Reorder: 0.05, Delay: Delay{BySize: true},
			Bursts:   Bursts{Bad: 2 * time.Second},
			Branches: Branches{Loss: 0.02}, Service: Service{Loss: 0.02}},
		Load: Load{Rate: 0.3, Duration: time.Minute, BurstSize: 2, BurstSpread: time.Second, Asked: 0.3, Everyone: 0.1},
		Mix:  Mix{Hostile: 0.05, Light: 0.2, Stewards: 2, AttackEvery: time.Minute},
		Faults: []Fault{
			{Kind: FaultOffline, From: 10 * time.Second, Until: 40 * time.Second, Share: 0.1},
			{Kind: FaultCut, From: 20 * time.Second, Until: 30 * time.Second, Share: 0.1},
			{Kind: FaultPartition, From: 45 * time.Second, Until: 50 * time.Second},
			{Kind: FaultLoss, From: 50 * time.Second, Until: 55 * time.Second, BranchLoss: 0.3},
			{Kind: FaultRestart, From: 35 * time.Second, Share: 0.1},
		},
		Churn: Churn{Share: 0.1, Online: 30 * time.Second, Offline: 10 * time.Second},
		Tail:  90 * time.Second}
}

func TestTheSameForAllWorkers(t *testing.T) {
	sc := everything()
	var first string
	for _, sc.Workers = range []int{1, 2, 3} {
		r := run(t, sc)
		if first == "" {
			first = text(t, r)
			continue
		}
		if again := text(t, r); again != first {
			t.Fatalf("%d workers:\n%s\none:\n%s", sc.Workers, again, first)
		}
	}
	sc.Seed++
	if text(t, run(t, sc)) == first {
		t.Error("another seed gives the same")
	}
}

// No copy appears from nowhere, and none vanishes.
func TestCopiesAreConserved(t *testing.T) {
	for name, sc := range map[string]Scenario{"quiet": small(20, 0), "lossy": small(20, 0.3), "everything": everything()} {
		r := run(t, sc)
		c := r.Copies
		if all := c.Broadcasts * int64(r.Members-1); all == 0 || c.Arrived+c.Lost+c.Away+c.Underway != all {
			t.Errorf("%s: %+v do not add up to %d", name, c, all)
		}
		if (c.Lost == 0) != (name == "quiet") || (c.Again > 0) != (name == "everything") || (c.Away > 0) != (name == "everything") {
			t.Errorf("%s: %+v", name, c)
		}
		if r.Receives != c.Arrived+c.Again {
			t.Errorf("%s: %d receives, %+v", name, r.Receives, c)
		}
		packets := int64(0)
		for _, n := range r.Bytes.Packets {
			packets += n
		}
		if name != "everything" && packets != c.Broadcasts {
			t.Errorf("%s: %d packets, %d broadcasts", name, packets, c.Broadcasts)
		}
	}
}

func TestRunStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var last Progress
	r, err := Run(ctx, small(10, 0.1), func(p Progress) {
		if last = p; p.Virtual > 20*time.Second {
			cancel()
		}
	})
	if r != nil || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "stopped after 2") {
		t.Errorf("%v, %v", r, err)
	}
	if last.Total != 3*time.Minute || last.Receives == 0 || last.Messages == 0 || last.Virtual > 30*time.Second {
		t.Errorf("last heard: %+v", last)
	}
}

// broken is a participant that panics.
type broken struct{ Participant }

func (broken) Receive(sds.Time, *Packet) error { panic("out of cheese") }

func TestPanicIsAnError(t *testing.T) {
	before := runtime.NumGoroutine()
	sc := small(200, 0)
	sc.Workers = 4
	sc.Kinds = map[Kind]Constructor{Ours: func(seat Seat, sc *Scenario, now sds.Time) (Participant, error) {
		p, err := NewOurs(seat, sc, now)
		return broken{p}, err
	}}
	if _, err := Run(t.Context(), sc, nil); err == nil || !strings.Contains(err.Error(), "out of cheese") {
		t.Errorf("got %v", err)
	}
	sc.Kinds[Ours] = func(Seat, *Scenario, sds.Time) (Participant, error) { return nil, errors.New("no seats") }
	if _, err := Run(t.Context(), sc, nil); err == nil || !strings.Contains(err.Error(), "no seats") {
		t.Errorf("got %v", err)
	}
	if after := runtime.NumGoroutine(); after > before { // Run waits for its workers
		t.Errorf("%d goroutines before, %d after", before, after)
	}
}
