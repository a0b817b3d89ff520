package crowd

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// The table of what is to be reached, row by row: a message in five seconds, 5 %
// loss. CAUSEWAY_NIGHTLY=1 plays all group sizes, ten virtual minutes each, and an
// idle group of 10,000 for more than two hours; its output is in docs/runs.md.

// sizes are the groups, and how long each is played.
func tableSizes() ([]int, time.Duration) {
	if os.Getenv("CAUSEWAY_NIGHTLY") == "1" {
		return []int{10, 16, 32, 100, 300, 1_000, 3_000, 10_000}, 10 * time.Minute
	}
	return []int{10, 32, 100}, 3 * time.Minute
}

func tableScenario(n int, d time.Duration, loss float64) Scenario {
	sc := Scenario{Members: n, Seed: 1}
	sc.Network.Loss = loss
	sc.Load.Rate, sc.Load.Duration = 0.2, d
	return sc
}

// bar fails if a figure is above what is to be reached.
func bar(t *testing.T, n int, what string, got, limit float64) {
	t.Helper()
	if got > limit {
		t.Errorf("%d members: %s is %.0f, must be at most %.0f", n, what, got, limit)
	}
}

func TestTable(t *testing.T) {
	sizes, d := tableSizes()
	t.Log("| members | messages | control in a message p50 / p99 | control per message | first ack p95 | noticed p90 | of misses | repaired p50 / p95 | in order p99 / last | wall, µs per receive |")
	t.Log("|---|---|---|---|---|---|---|---|---|---|")
	for _, n := range sizes {
		r := play(t, tableScenario(n, d, 0.05))
		t.Logf("| %d | %d | %.0f / %.0f B | %.0f B | %.2f s | %.2f s | %d of %d | %.1f / %.1f s | %.1f / %.1f s | %.1f s, %.1f |",
			n, r.Messages, r.Bytes.ControlInMessageP50, r.Bytes.ControlInMessageP99, r.Bytes.ControlPerMessageGroup, r.AckFirst.P95/1000,
			r.Detect.P90/1000, r.MissedDetected, r.Missed, r.Repair.P50/1000, r.Repair.P95/1000, r.Consistency.P99/1000,
			r.Consistency.Max/1000, r.WallSeconds, 1e6*r.WallSeconds/float64(r.Receives))
		if !r.Consistent || r.Unrepaired > 0 || r.FalseAcks > 0 {
			t.Errorf("%d members: consistent %v, unrepaired %d, false acks %d", n, r.Consistent, r.Unrepaired, r.FalseAcks)
		}
		control := 3500.0
		if n > 1000 {
			control = 5000
		}
		bar(t, n, "control in a message, p50", r.Bytes.ControlInMessageP50, 300)
		bar(t, n, "control in a message, p99", r.Bytes.ControlInMessageP99, 600)
		bar(t, n, "control per message", r.Bytes.ControlPerMessageGroup, control)
		bar(t, n, "first acknowledgement, p95 in ms", r.AckFirst.P95, 3000)
		bar(t, n, "misses not noticed, in a thousand", 1000*float64(r.Missed-r.MissedDetected)/float64(max(r.Missed, 1)), 1)
		bar(t, n, "noticed, p90 in ms", r.Detect.P90, 3500)
		bar(t, n, "repaired, p50 in ms", r.Repair.P50, 5000)
		bar(t, n, "repaired, p95 in ms", r.Repair.P95, 8000)
		bar(t, n, "in order, p99 in ms", r.Consistency.P99, 15_000)
	}
}

// 20 % loss: everybody has everything within half a minute.
func TestTableHighLoss(t *testing.T) {
	sizes, d := tableSizes()
	for _, n := range sizes {
		if n > 1_000 {
			continue
		}
		r := play(t, tableScenario(n, d, 0.2))
		t.Logf("| %d | 20 %% | in order p99 %.1f s, last %.1f s | noticed p90 %.2f s | repaired p50 %.1f s, p95 %.1f s | %.0f B per message |",
			n, r.Consistency.P99/1000, r.Consistency.Max/1000, r.Detect.P90/1000, r.Repair.P50/1000, r.Repair.P95/1000, r.Bytes.ControlPerMessageGroup)
		if !r.Consistent || r.Unrepaired > 0 || r.FalseAcks > 0 {
			t.Errorf("%d members: consistent %v, unrepaired %d, false acks %d", n, r.Consistent, r.Unrepaired, r.FalseAcks)
		}
		bar(t, n, "in order, p99 in ms", r.Consistency.P99, 30_000)
	}
}

// Verdicts on "90 % have it": in time, and right in 95 of 100 cases, whether a
// quarter of the group is away or nobody is.
func TestTableVerdicts(t *testing.T) {
	sizes, d := tableSizes()
	messages := 60.0
	if os.Getenv("CAUSEWAY_NIGHTLY") == "1" {
		messages = 100
	}
	for _, n := range sizes {
		for _, away := range []float64{0, 0.25} {
			t.Run(fmt.Sprintf("%d/%.0f%% away", n, 100*away), func(t *testing.T) { verdicts(t, n, d, messages, away) })
		}
	}
}

func verdicts(t *testing.T, n int, d time.Duration, messages, away float64) {
	sc := tableScenario(n, d, 0.05)
	sc.Load.Rate = 0.05
	sc.Load.Duration = time.Duration(messages / sc.Load.Rate * float64(time.Second))
	if n > 3_000 {
		sc.Load.Duration /= 5
	}
	plain := play(t, sc)
	sc.Load.Asked = 1
	if away > 0 {
		sc.Faults = []Fault{{Kind: FaultOffline, Share: away}}
	}
	r := play(t, sc)
	extra := r.Bytes.ControlPerMessageGroup - plain.Bytes.ControlPerMessageGroup
	v := r.Verdicts
	t.Logf("| %d | %.0f %% away | %d asked, %d right, %d undecided | p95 %.1f s | %.0f B more per verdict |",
		n, 100*away, v.Asked, v.Right, v.Undecided, v.P95Ms/1000, extra)
	limit, cost := 3000.0, 8000.0
	if n > 32 {
		limit, cost = 11_000, 25_000
	}
	bar(t, n, "wrong verdicts in a thousand", 1000*float64(v.Asked-v.Right)/float64(v.Asked), 50)
	bar(t, n, "verdict, p95 in ms", v.P95Ms, limit)
	bar(t, n, "bytes of a verdict", extra, cost)
}

// A group in which nobody says anything is nearly silent.
func TestTableIdle(t *testing.T) {
	n := 100
	if os.Getenv("CAUSEWAY_NIGHTLY") == "1" {
		n = 10_000
	}
	sc := tableScenario(n, time.Minute, 0.05)
	sc.Tail = 2*time.Hour + 10*time.Minute
	r := play(t, sc)
	if r.Bytes.IdlePerSecond == nil {
		t.Fatal("the second idle hour was not measured")
	}
	t.Logf("| %d | idle | %.2f B/s in the second hour |", n, *r.Bytes.IdlePerSecond)
	bar(t, n, "idle bytes per second", *r.Bytes.IdlePerSecond, 100)
}
