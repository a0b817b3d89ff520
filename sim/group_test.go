package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
)

// A conversation ends with one log and everybody's acknowledgement, and the
// figures of a lossy run are those of a lossy run. (Without loss a sync may still
// overtake what it names.)
func TestGroup(t *testing.T) {
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
		all := g.RunUntil(10*time.Minute, func() bool { return g.Stats.Acknowledged() == 100 })
		if s := g.Stats; !all || !g.Consistent() || len(g.Check.Violations) > 0 || s.Repaired != s.Missed || s.Missed > 2 && loss == 0 || s.Missed < 50 && loss > 0 {
			t.Errorf("loss %v: %d acknowledged, consistent %v, %d missed, %d repaired, violations %q",
				loss, s.Acknowledged(), g.Consistent(), s.Missed, s.Repaired, g.Check.Violations)
		}
	}
}
