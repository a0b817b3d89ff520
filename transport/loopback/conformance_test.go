package loopback_test

import (
	"testing"
	"time"

	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
	"github.com/causeway-im/causeway/transport/transporttest"
)

// TestConformance runs the suite in real time: without delay, and with one that
// reorders.
func TestConformance(t *testing.T) {
	for name, o := range map[string]loopback.Options{
		"instant":   {Store: &loopback.StoreOptions{}},
		"reordered": {MaxDelay: time.Millisecond, Store: &loopback.StoreOptions{Lag: 2 * time.Millisecond}},
		"no store":  {},
	} {
		t.Run(name, func(t *testing.T) {
			transporttest.Run(t, func(t *testing.T) transporttest.Network {
				network, err := loopback.New(o)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(network.Close)
				attach := func(name string) transport.Transport {
					e, err := network.Attach(name)
					if err != nil {
						t.Fatal(err)
					}
					return e
				}
				return transporttest.Network{
					A: attach("a"), B: attach("b"), C: attach("c"),
					NoStore:    o.Store == nil,
					MaxPayload: loopback.DefaultMaxPayload,
					SetOnline:  func(tr transport.Transport, online bool) { tr.(*loopback.Endpoint).SetOnline(online) },
					Close:      func(tr transport.Transport) { tr.(*loopback.Endpoint).Close() },
				}
			})
		})
	}
}
