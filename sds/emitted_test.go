package sds

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/causeway-im/causeway/sds/wire"
)

// TestEmitted freezes the wire: what a channel of each dialect sends, byte for byte.
// What changes in these files, times of packets apart, others have to be able to read;
// -rewrite writes them.
func TestEmitted(t *testing.T) {
	datadriven.Walk(t, "testdata/emitted", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			dialect := map[string]Dialect{"lip": LIP, "js": JS, "nim": Nim}[d.Cmd]
			if d.Cmd != dialect.String() {
				d.Fatalf(t, "dialect %q", d.Cmd)
			}
			return emitted(t, dialect)
		})
	})
}

// emitted plays a short life and returns its packets in hexadecimal.
func emitted(t *testing.T, d Dialect) string {
	t.Helper()
	c := testChannel(t, d, func(cfg *Config) { cfg.Roster = rosterOf(4) })
	now := testStart
	var b strings.Builder
	kinds := map[Class]int{}
	turn := func() {
		for i := 0; i < 100; i++ {
			c.Tick(now)
			r := drain(c)
			for _, p := range r.Packets {
				c.Handed(now, p.Serial, nil, nil)
				if kinds[p.Class]++; p.Payload != nil && kinds[p.Class] <= 3 {
					fmt.Fprintf(&b, "%s\n%x\n", p.Class, p.Payload)
				}
			}
			if at, ok := c.Deadline(); (!ok || at > now) && r.Empty() {
				return
			}
		}
		t.Fatal("it never comes to rest")
	}
	other := func(i int, parents ...MessageID) wire.Message {
		at := now.Add(time.Duration(i) * time.Second)
		switch d {
		case JS:
			return jsContent("p1", uint64(at), fmt.Sprint("theirs ", i), parents...)
		case Nim:
			return nimContent("p1", MessageID(fmt.Sprint("0x", i)), uint64(at)/1000, parents...)
		}
		return lip("p1", uint64(at), fmt.Sprint("theirs ", i), parents...)
	}
	send := func(text string, o SendOptions) {
		if d == Nim {
			o.ID = MessageID("0x" + text)
		}
		if _, err := c.Send(now, []byte(text), o); err != nil {
			t.Fatal(err)
		}
		turn()
	}
	send("first", SendOptions{})
	first, missing := other(0), other(1)
	receive(t, c, now, first)
	send("second", SendOptions{Want: Everyone})
	receive(t, c, now.Add(2*time.Second), other(2, missing.MessageID))
	for range 120 { // acknowledgements, requests, syncs
		now = now.Add(500 * time.Millisecond)
		turn()
	}
	send("third", SendOptions{Want: Persons("P1", "P2")})
	if d != Nim { // which has none
		send("ephemeral", SendOptions{Ephemeral: true})
	}
	return b.String()
}
