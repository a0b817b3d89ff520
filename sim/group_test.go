package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
)

func TestSmoke(t *testing.T) {
	for _, loss := range []float64{0, 0.2} {
		g, err := NewGroup(Options{Members: 8, Seed: 1, Loss: loss})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			if _, err := g.Send(i%8, fmt.Appendf(nil, "message %d", i), sds.SendOptions{Want: sds.Everyone}); err != nil {
				t.Fatal(err)
			}
			g.RunFor(1500 * time.Millisecond)
		}
		ok := g.RunUntil(10*time.Minute, func() bool { return g.Stats.Acknowledged() == 100 })
		s := g.Stats
		t.Logf("loss %v: all acked %v after %v, consistent %v", loss, ok, g.Elapsed(), g.Consistent())
		t.Logf("packets %v bytes %v control per message %d", s.Packets, s.Bytes, s.Control()/s.Messages)
		t.Logf("missed %d repaired %d detect p50 %v p90 %v repair p50 %v p95 %v max %v", s.Missed, s.Repaired, Percentile(s.Detect, 50), Percentile(s.Detect, 90), Percentile(s.Repair, 50), Percentile(s.Repair, 95), Percentile(s.Repair, 100))
		t.Logf("first ack p50 %v p95 %v; full p50 %v p95 %v max %v", Percentile(s.FirstAck, 50), Percentile(s.FirstAck, 95), Percentile(s.FullAck, 50), Percentile(s.FullAck, 95), Percentile(s.FullAck, 100))
		if !ok || !g.Consistent() || len(g.Check.Violations) > 0 {
			t.Errorf("violations: %q, acknowledged %d", g.Check.Violations, s.Acknowledged())
		}
	}
}
