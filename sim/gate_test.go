package sim

import (
	"math/rand/v2"
	"testing"
)

// The part of the properties that the mutation gate runs: the same checks on a
// few fixed scripts, in a second. See internal/mutation.

// seedDrawer makes the choices of a seed.
type seedDrawer struct{ rng *rand.Rand }

func (d seedDrawer) between(_ string, low, high int) int { return low + d.rng.IntN(high-low+1) }

func newSeedDrawer(seed uint64) seedDrawer { return seedDrawer{rand.New(rand.NewPCG(seed, 1))} }

func gate(t *testing.T, scripts uint64, l limits, check func(s script) error) {
	t.Parallel()
	for seed := range scripts {
		s := drawScript(newSeedDrawer(seed), l)
		if err := check(s); err != nil {
			t.Fatalf("seed %d: %v\n%v", seed, err, s)
		}
	}
}

// TestGateConverges plays groups that lose, crash, restart and split (spec R23
// R24 R32 R50 R53 R54 R56 R60).
func TestGateConverges(t *testing.T) { gate(t, 60, limits{members: 6, steps: 25}, run) }

// TestGateForgets plays groups whose windows are small (spec R92).
func TestGateForgets(t *testing.T) { gate(t, 40, limits{members: 6, steps: 25, smallTails: true}, run) }

// TestGateJoins plays groups whose members join one after the other (spec R70).
func TestGateJoins(t *testing.T) { gate(t, 30, limits{members: 6, steps: 20, joiners: true}, joins) }

// TestGateRepeats plays everything twice (spec R91).
func TestGateRepeats(t *testing.T) {
	gate(t, 10, limits{members: 5, steps: 15, smallTails: true, joiners: true, dialects: true}, repeats)
}

// TestGateHostile plays groups under attack (spec R12 R21 R22 R57).
func TestGateHostile(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		s := drawAttack(newSeedDrawer(seed))
		if err := s.play(); err != nil {
			t.Fatalf("seed %d: %v\n%v", seed, err, s)
		}
	}
}
