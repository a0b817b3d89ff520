package hub

import (
	"net"
	"testing"

	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/transporttest"
)

// TestTransport runs the suite that every transport has to pass.
func TestTransport(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) transporttest.Network {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan struct{})
		go func() { defer close(served); Serve(l) }()
		t.Cleanup(func() { l.Close(); <-served })
		dial := func() transport.Transport {
			tr := Dial(l.Addr().String())
			t.Cleanup(tr.Close)
			online := make(chan struct{}, 1)
			defer tr.Watch(func(up bool) {
				if up {
					online <- struct{}{}
				}
			})()
			<-online
			return tr
		}
		return transporttest.Network{A: dial(), B: dial(), C: dial(), MaxPayload: MaxPayload, NoStore: true,
			Close: func(tr transport.Transport) { tr.(*Transport).Close() }}
	})
}
