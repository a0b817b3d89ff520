package pace

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// These tests run suppression rounds as anchors.md, appendix A, models them:
// every member draws a delay, and speaks when it is over unless it heard
// somebody before. What is said arrives after U(0.26, 0.63) s at each member,
// drawn for each, or not at all with probability loss. GRTT is 1 s.

const roundSeed = 20240607

// round runs one suppression round of members who all reckon with n̂ = estimate.
// It returns how many spoke, and when the first did.
func round(r *rand.Rand, members, estimate int, loss float64) (spoke int, first time.Duration) {
	due := make([]time.Duration, members)
	for i := range due {
		due[i] = SuppressionDelay(r.Float64(), estimate, time.Second)
	}
	slices.Sort(due)
	var said []time.Duration
	for _, at := range due {
		if !reached(r, said, at, loss) {
			said = append(said, at)
		}
	}
	return len(said), said[0]
}

// reached reports whether any of what was said reached a member before at.
func reached(r *rand.Rand, said []time.Duration, at time.Duration, loss float64) bool {
	for _, s := range said {
		delay := 260*time.Millisecond + time.Duration(r.Float64()*370e6)
		if r.Float64() >= loss && s+delay < at {
			return true
		}
	}
	return false
}

// rounds runs a number of rounds and returns the mean number of transmissions
// and the mean moment of the first, in seconds.
func rounds(r *rand.Rand, count, members, estimate int, loss float64) (spoke, first float64) {
	for range count {
		s, f := round(r, members, estimate, loss)
		spoke += float64(s) / float64(count)
		first += f.Seconds() / float64(count)
	}
	return spoke, first
}

var groups = []int{2, 8, 16, 32, 100, 256, 1000, 10_000}

// Rule P7: at any group size few speak, and soon.
func TestRoundIsQuiet(t *testing.T) {
	t.Logf("seed %d", roundSeed)
	r := rand.New(rand.NewPCG(roundSeed, 1))
	for _, loss := range []float64{0, 0.05} {
		for _, n := range groups {
			spoke, first := rounds(r, 200, n, n, loss)
			expected := ExpectedTransmissions(n)
			t.Logf("loss %.2f  n %5d  K %d: %.2f transmissions (formula %.2f), first at %.2f s of %v",
				loss, n, K(n), spoke, expected, first, Period(n, time.Second))
			if spoke > StormTransmissions {
				t.Errorf("n %d, loss %g: %.2f transmissions, want at most %d", n, loss, spoke, StormTransmissions)
			}
			if first < 0 || first > Period(n, time.Second).Seconds() {
				t.Errorf("n %d, loss %g: first at %.2f s, after the round", n, loss, first)
			}
			// The claim in the documentation of ExpectedTransmissions.
			if loss == 0 && (spoke > 1.05*expected || spoke < 0.75*expected) {
				t.Errorf("n %d: %.2f transmissions, the formula says %.2f", n, spoke, expected)
			}
			if loss > 0 && (spoke > expected+1.5 || spoke < 0.75*expected) {
				t.Errorf("n %d, loss %g: %.2f transmissions, the formula says %.2f", n, loss, spoke, expected)
			}
		}
	}
}

// The published figures: 10,000 members, K = 4: 4.3 transmissions, the first at
// 0.44 s; with 5 % loss 5.3 or less.
func TestRoundOfTenThousand(t *testing.T) {
	t.Logf("seed %d", roundSeed)
	r := rand.New(rand.NewPCG(roundSeed, 2))
	spoke, first := rounds(r, 200, 10_000, 10_000, 0)
	t.Logf("no loss: %.2f transmissions, first at %.2f s", spoke, first)
	if math.Abs(spoke-4.3) > 1 || math.Abs(first-0.44) > 0.1 {
		t.Errorf("%.2f transmissions, first at %.2f s, want about 4.3 and 0.44", spoke, first)
	}
	spoke, _ = rounds(r, 200, 10_000, 10_000, 0.05)
	t.Logf("5 %% loss: %.2f transmissions", spoke)
	if math.Abs(spoke-5) > 1.2 {
		t.Errorf("5 %% loss: %.2f transmissions, want about 5", spoke)
	}
}

// Too small an estimate is a storm, too large a one only slow: why sizes are
// rounded up.
func TestRoundWithWrongEstimate(t *testing.T) {
	t.Logf("seed %d", roundSeed)
	r := rand.New(rand.NewPCG(roundSeed, 3))
	spoke, _ := rounds(r, 50, 10_000, 64, 0)
	if spoke <= StormTransmissions {
		t.Errorf("10,000 members who think they are 64: %.1f transmissions, want a storm", spoke)
	}
	large, first := rounds(r, 200, 1000, 10_000, 0)
	if large > ExpectedTransmissions(1000) || first > 2 {
		t.Errorf("1,000 members who think they are 10,000: %.1f transmissions, first at %.1f s", large, first)
	}
	t.Logf("n̂ 64 of 10,000: %.1f transmissions; n̂ 10,000 of 1,000: %.1f, first at %.1f s", spoke, large, first)
}

// A group that learns only from its rounds finds its size: from StartGroup to no
// more storms within five rounds, and back when most have left.
func TestGroupSizeSettles(t *testing.T) {
	t.Logf("seed %d", roundSeed)
	r := rand.New(rand.NewPCG(roundSeed, 4))
	var g GroupSize
	play := func(members int) (spoke int) {
		spoke, first := round(r, members, g.N(), 0.05)
		g = g.AfterRound(spoke, first, Period(g.N(), time.Second))
		return spoke
	}
	for range 5 {
		play(10_000)
	}
	storms := 0
	for range 100 {
		if play(10_000) > 2*StormTransmissions {
			storms++
		}
	}
	if storms > 5 || g.N() < 2000 {
		t.Errorf("10,000 members: %d storms in 100 rounds after five, n̂ = %d", storms, g.N())
	}
	t.Logf("10,000 members: %d storms in 100 rounds after five, n̂ = %d", storms, g.N())
	for range 200 {
		play(5)
	}
	t.Logf("5 members after 200 rounds: n̂ = %d", g.N())
	if g.N() > 1024 {
		t.Errorf("5 members after 200 rounds: n̂ = %d", g.N())
	}
}
