package simulate

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sim/crowd"
)

func grid() Grid {
	return Grid{Base: crowd.Scenario{Load: crowd.Load{Duration: 20 * time.Second}, Tail: 30 * time.Second}, Policies: both,
		Members: []int{6, 12}, Loss: []float64{0, 0.2}, Rate: []float64{0.5}, Seeds: []uint64{1, 2}}
}

func TestSweep(t *testing.T) {
	g := grid()
	if err := g.Check(); err != nil {
		t.Fatal(err)
	}
	var first string
	for _, g.Parallel = range []int{1, 3} {
		rows, err := g.Run(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := WriteCSV(&b, rows); err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = b.String()
		}
		if b.String() != first {
			t.Error("the order of the work shows")
		}
		if g.Parallel == 1 {
			plots(t, &g, rows)
		}
	}
	lines, err := csv.NewReader(strings.NewReader(first)).ReadAll()
	if err != nil || len(lines) != 1+2*2*2*2 {
		t.Fatalf("%v, %d lines", err, len(lines))
	}
	at := map[string]int{}
	for i, name := range lines[0] {
		at[name] = i
	}
	// The last line is the run that it says it is.
	sc := g.Base
	sc.Policy, sc.Members, sc.Network.Loss, sc.Load.Rate, sc.Seed = crowd.ClassicPolicy, 12, 0.2, 0.5, 2
	r, err := crowd.Run(t.Context(), sc, nil)
	if err != nil {
		t.Fatal(err)
	}
	last := lines[len(lines)-1]
	for name, want := range map[string]any{"policy": "classic", "members": 12, "loss": 0.2, "rate": 0.5, "seed": 2, "messages": r.Messages,
		"receives": r.Receives, "consistent": r.Consistent, "missed": r.Missed, "missed_detected": r.MissedDetected, "unrepaired": r.Unrepaired,
		"false_acks": r.FalseAcks, "ack_first_ms.p95": r.AckFirst.P95, "ack_wanted_ms.never": r.AckWanted.Never, "detect_ms.p90": r.Detect.P90,
		"repair_ms.p50": r.Repair.P50, "consistency_ms.p99": r.Consistency.P99, "consistency_ms.max": r.Consistency.Max,
		"bytes.content": r.Bytes.Content, "bytes.control": r.Bytes.Control, "bytes.control_in_message_p50": r.Bytes.ControlInMessageP50,
		"verdicts.asked": 0} {
		if i, ok := at[name]; !ok || last[i] != fmt.Sprint(want) {
			t.Errorf("%s is %q, want %v", name, last[i], want)
		}
	}
}

func plots(t *testing.T, g *Grid, rows []Row) {
	t.Helper()
	charts := g.Plots(rows)
	if len(charts) != 5 {
		t.Fatalf("%d charts", len(charts))
	}
	c := charts["control"]
	if len(c.Lines) != 4 || c.Lines[0].Name != "causeway, loss 0 %" || c.Lines[3].Name != "classic, loss 20 %" {
		t.Fatalf("%+v", c.Lines)
	}
	want := 0.0 // classic, 12 members, 20 % loss, both seeds
	for _, r := range rows[len(rows)-2:] {
		want += r.Result.Bytes.ControlPerMessageGroup / 2
	}
	if p := c.Lines[3].Points[1]; p.X != 12 || math.Abs(p.Y-want) > 1e-9 {
		t.Errorf("%v, want %v", p, want)
	}
	var b strings.Builder
	if err := c.WriteSVG(&b); err != nil || !strings.Contains(b.String(), "classic, loss 20 %") {
		t.Errorf("%v", err)
	}
}

func TestSweepStops(t *testing.T) {
	g := grid()
	g.Loss = append(g.Loss, 2)
	if err := g.Check(); err == nil || !strings.Contains(err.Error(), "network.loss is 2") {
		t.Errorf("got %v", err)
	}
	if rows, err := g.Run(t.Context(), nil); rows != nil || err == nil || !strings.Contains(err.Error(), "network.loss is 2") {
		t.Errorf("got %v", err)
	}
	g = grid()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if rows, err := g.Run(ctx, nil); rows != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	g.Seeds = nil
	if err := g.Check(); err == nil || err.Error() != "the grid is empty" {
		t.Errorf("got %v", err)
	}
}
