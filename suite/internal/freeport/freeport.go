// Package freeport chooses ports for tests in which something closes and listens on the
// same port again. One that the system chose may be somebody else's by then: the system
// gives it to whoever asks for any port, and to connections.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// The ports from first to last are given to nobody who did not ask for that very one: Linux
// begins at 32768 with what it chooses, others above.
const first, last = 20_000, 32_000

var given struct {
	sync.Mutex
	ports map[int]bool
}

// Multiaddr returns an address on this machine for Options.Listen of a Waku node, on which
// nobody listens.
func Multiaddr(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", Port(t))
}

// Port returns a TCP port of this machine on which nobody listens, another one each time.
func Port(t testing.TB) int {
	t.Helper()
	given.Lock()
	defer given.Unlock()
	if given.ports == nil {
		given.ports = map[int]bool{}
	}
	for range 1000 {
		port := first + rand.IntN(last-first)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		l.Close()
		if !given.ports[port] {
			given.ports[port] = true
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}
