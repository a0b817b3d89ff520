//go:build go1.25

package causeway_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/transport/loopback"
)

// Content whose key is gone is not here; the log and the events around it are.
func TestKeyIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 5}, "alice", "bob")
		alice, bob := w.start("alice", keyed(t, 1, true)), w.start("bob", keyed(t, 1, true))
		alice.send("before")
		alice.sendBytes(noise(1, 3000), causeway.AtLeastOne)
		until(t, time.Minute, "bob has both", func() bool { return len(bob.log(true)) == 2 })
		for _, m := range []*member{alice, bob} {
			keyed(t, 2, true)(m)
			m.restart()
		}
		alice.send("after")
		until(t, time.Minute, "bob has all", func() bool { return alice.digest() == bob.digest() && bob.status().Messages > 4 })
		for _, m := range []*member{alice, bob} {
			page, _, err := m.ch.Messages(t.Context(), causeway.Log{ByPosition: true})
			if err != nil {
				t.Errorf("the log can't be read: %v", err)
				continue
			}
			if n := len(page); n < 2 || page[0].Content != nil || string(page[n-1].Content) != "after" {
				t.Errorf("the log is %+v", page)
			}
			payload := slices.IndexFunc(page, func(m causeway.Message) bool { return m.Segments > 1 })
			if payload < 0 || !page[payload].Damaged || page[payload].Content != nil {
				t.Errorf("the payload is in %+v", page)
			}
			events, err := m.node.ReadEvents(t.Context(), 0, 1000)
			if err != nil || len(events) == 0 || events[len(events)-1].Cursor < 5 {
				t.Errorf("%d events, %v", len(events), err)
			}
		}
	})
}
