package crowd

import (
	"os"
	"testing"
	"time"
)

// TestLargeGroup plays 1,000 members, and 10,000 for ten minutes with
// CAUSEWAY_NIGHTLY=1.
func TestLargeGroup(t *testing.T) {
	sc := Scenario{Members: 1000, Seed: 1, Network: Network{Loss: 0.05},
		Load: Load{Rate: 0.2, Duration: 30 * time.Second, Asked: 0.2}, Tail: time.Minute}
	if os.Getenv("CAUSEWAY_NIGHTLY") == "1" {
		sc.Members, sc.Load.Duration = 10_000, 10*time.Minute
	}
	r := run(t, sc)
	t.Logf("%d receives in %.1f s", r.Receives, r.WallSeconds)
	near(t, "missed", r.Missed, r.Messages*(sc.Members-1), 0.05)
	if !r.Consistent || r.FalseAcks != 0 || r.Unrepaired != 0 || r.MissedDetected < r.Missed*999/1000 || r.AckFirst.Never > 0 {
		t.Errorf("consistent %v, %d false acknowledgements, %d unrepaired, %d of %d noticed", r.Consistent, r.FalseAcks,
			r.Unrepaired, r.MissedDetected, r.Missed)
	}
}

// BenchmarkReceive tells what one receive costs, everything included.
func BenchmarkReceive(b *testing.B) {
	sc := Scenario{Members: 1000, Network: Network{Loss: 0.05}, Load: Load{Rate: 0.2, Duration: 2 * time.Minute}}
	receives, spent := int64(0), 0.0
	for b.Loop() {
		sc.Seed++
		r, err := Run(b.Context(), sc, nil)
		if err != nil {
			b.Fatal(err)
		}
		receives += r.Receives
		spent += r.WallSeconds
	}
	b.ReportMetric(1e9*spent/float64(receives), "ns/receive")
	b.ReportMetric(0, "ns/op")
}
