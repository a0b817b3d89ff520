//go:build go1.25

package causeway_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/transport/loopback"
)

// spec R141: who acknowledged the last part of a payload and got another one later is
// asked about that, too. With these seeds a member acknowledges only the last of its
// own accord.
func TestPayloadKnownByAll(t *testing.T) {
	for _, restart := range []bool{false, true} {
		for _, seed := range []int{77, 133, 158, 203, 245} {
			synctest.Test(t, func(t *testing.T) {
				names := []string{"alice", "bob", "carol", "dave", "erin"}[:2+seed%4]
				w := newWorld(t, loopback.Options{Seed: uint64(seed), Loss: []float64{0.2, 0.35, 0.5}[seed%3],
					MinDelay: 10 * time.Millisecond, MaxDelay: 400 * time.Millisecond}, names...)
				all := map[string]*member{}
				for _, name := range names {
					all[name] = w.start(name, cutting(0, 0))
				}
				var receipts []*causeway.Receipt
				for i := range 3 {
					sender := all[names[i%len(names)]]
					receipts = append(receipts, sender.sendBytes(noise(uint64(seed*10+i), 300+seed*37%2000), causeway.Everyone))
					time.Sleep(time.Duration(seed%7) * time.Second)
				}
				if restart {
					time.Sleep(time.Minute)
					for _, name := range names {
						all[name].restart()
					}
				}
				for i, r := range receipts {
					id, sender := r.ID(), all[names[i%len(names)]]
					until(t, 15*time.Minute, "everybody is known to have it", func() bool {
						now, err := sender.ch.Receipt(id).Now(t.Context())
						check(t, err)
						return now.Level == causeway.SeenByAll
					})
				}
			})
		}
	}
}
