package freeport

import (
	"net"
	"strings"
	"testing"
)

func TestMultiaddr(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		a := Multiaddr(t)
		if seen[a] {
			t.Errorf("%s was given twice", a)
		}
		seen[a] = true
		port := a[strings.LastIndex(a, "/")+1:]
		if len(port) != 5 || port < "20000" || port >= "32000" {
			t.Errorf("%s may be somebody else's at any time", a)
		}
	}
	for a := range seen {
		l, err := net.Listen("tcp", "127.0.0.1:"+a[strings.LastIndex(a, "/")+1:])
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		break
	}
}
