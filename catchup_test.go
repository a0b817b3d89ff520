//go:build go1.25

package causeway

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway/transport/loopback"
)

func withStore() loopback.Options {
	return loopback.Options{Seed: 1, Loss: 0.05, MinDelay: 100 * time.Millisecond, MaxDelay: 300 * time.Millisecond,
		Store: &loopback.StoreOptions{}}
}

func TestCatchUpTenThousand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 3, withStore())
		for i := range 20 {
			g.send(i%3, "before", Everyone)
			time.Sleep(time.Second)
		}
		g.ends[2].SetOnline(false)
		time.Sleep(time.Minute)
		for i := range 10_000 {
			g.send(i%2, fmt.Sprintf("missed %d", i), AtLeastOne)
			time.Sleep(100 * time.Millisecond)
		}
		own := g.send(2, "mine", Everyone)
		g.ends[2].SetOnline(true)
		begin := time.Now()
		for !g.equal(10_021) {
			time.Sleep(100 * time.Millisecond)
			if time.Since(begin) > time.Hour {
				st, err := g.channels[2].Status(t.Context())
				t.Fatal("not caught up: ", st, err)
			}
		}
		t.Log("caught up in virtual", time.Since(begin))
		waitAll(t, []*Receipt{own}, SeenByAll)
		t.Logf("%+v", g.nodes[2].Metrics())
	})
}
