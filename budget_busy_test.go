//go:build go1.25

package causeway

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/transport/loopback"
)

// told notes what a state machine is told.
type told struct{ busy []bool }

func (x *told) SetBusy(_ sds.Time, busy bool) { x.busy = append(x.busy, busy) }

// spec R118: a channel is told when half of the quota is used, when it is 40 %
// again, and when it begins while that is so.
func TestStewardsLearnOfHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &told{}
		g := newGroup(t, 1, loopback.Options{Seed: 1}, func(g *group) {
			g.options = func(_ int, o *Options) { o.Quota = Quota{Packets: 40, Window: time.Minute} }
		})
		in := func(f func(l *loop, s *session)) {
			t.Helper()
			if err := g.channels[0].live(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
		in(func(_ *loop, s *session) { s.busier = x })
		heard := func() (busy []bool) {
			in(func(*loop, *session) { busy = slices.Clone(x.busy) })
			return busy
		}
		used := func() int {
			b, err := g.nodes[0].Budget(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if b.Busy != (b.Used.Packets >= 20) {
				t.Errorf("%+v", b)
			}
			return int(b.Used.Packets)
		}
		for i := 0; used() < 20; i++ {
			if len(heard()) > 0 {
				t.Fatalf("told too early: %v", heard())
			}
			g.send(0, fmt.Sprint(i), Want{})
			synctest.Wait()
		}
		if !slices.Equal(heard(), []bool{true}) {
			t.Errorf("at half: %v", heard())
		}
		in(func(l *loop, s *session) { s.begin(l) }) // as after a failed commit
		if !slices.Equal(heard(), []bool{true, true}) {
			t.Errorf("begun again: %v", heard())
		}
		time.Sleep(62 * time.Second)
		synctest.Wait()
		if !slices.Equal(heard(), []bool{true, true, false}) {
			t.Errorf("after a window: %v", heard())
		}
	})
}
