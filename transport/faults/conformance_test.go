package faults_test

import (
	"testing"
	"time"

	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/faults"
	"github.com/causeway-im/causeway/transport/loopback"
	"github.com/causeway-im/causeway/transport/transporttest"
)

// TestConformance: without a fault it is the transport that it was.
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
				ends := map[transport.Transport]*loopback.Endpoint{}
				controls := map[transport.Transport]*faults.Faults{}
				attach := func(name string) transport.Transport {
					e, err := network.Attach(name)
					if err != nil {
						t.Fatal(err)
					}
					tr, f := faults.Wrap(e, faults.Options{})
					ends[tr], controls[tr] = e, f
					t.Cleanup(f.Close)
					return tr
				}
				return transporttest.Network{
					A: attach("a"), B: attach("b"), C: attach("c"),
					NoStore:    o.Store == nil,
					MaxPayload: loopback.DefaultMaxPayload,
					SetOnline:  func(tr transport.Transport, online bool) { controls[tr].SetOnline(online) },
					Close:      func(tr transport.Transport) { ends[tr].Close() },
				}
			})
		})
	}
}

// TestKeepsInterfaces: what the transport below can't do, the one above does not
// pretend to.
func TestKeepsInterfaces(t *testing.T) {
	network, err := loopback.New(loopback.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer network.Close()
	e, err := network.Attach("a")
	if err != nil {
		t.Fatal(err)
	}
	type retriever struct {
		transport.Transport
		transport.Retriever
	}
	type confirmer struct {
		transport.Transport
		transport.Confirmer
	}
	for _, tt := range []struct {
		inner               transport.Transport
		retrieves, confirms bool
	}{
		{e, true, true},
		{retriever{e, e}, true, false},
		{confirmer{e, e}, false, true},
		{struct{ transport.Transport }{e}, false, false},
	} {
		tr, _ := faults.Wrap(tt.inner, faults.Options{})
		_, retrieves := tr.(transport.Retriever)
		_, confirms := tr.(transport.Confirmer)
		if retrieves != tt.retrieves || confirms != tt.confirms {
			t.Errorf("%T: retrieves %v, confirms %v", tt.inner, retrieves, confirms)
		}
	}
}
