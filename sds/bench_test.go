package sds_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// Two members talk in turns: what one sends the other receives. History and
// unacknowledged messages are laid before the clock starts. Ids are verified;
// the hosts apply changes to nothing, as the in-memory store is not this
// package's.
type pair struct {
	tb   testing.TB
	a, b *sds.Channel
	now  sds.Time
	big  bool // the host's log goes back further than the window
}

func newPair(tb testing.TB, d sds.Dialect, configure func(*sds.Config)) *pair {
	p := &pair{tb: tb, now: 1_700_000_000_000}
	open := func(who sds.ParticipantID) *sds.Channel {
		cfg := sds.Config{Channel: "0123456789abcdef0123456789abcdef", Participant: who, Seed: 1, Dialect: d,
			Roster: &sds.Roster{Members: map[sds.ParticipantID]sds.PersonID{
				"alice-alice-alice-al": "alice", "bobby-bobby-bobby-bo": "bob", "carol-carol-carol-ca": "carol"}}}
		if configure != nil {
			configure(&cfg)
		}
		c, err := sds.New(cfg, p.now)
		if err != nil {
			tb.Fatal(err)
		}
		return c
	}
	p.a, p.b = open("alice-alice-alice-al"), open("bobby-bobby-bobby-bo")
	return p
}

// turn takes everything of a Ready and returns its content packet.
func (p *pair) turn(c *sds.Channel) []byte {
	var content []byte
	r := c.Ready()
	c.Advance()
	for _, packet := range r.Packets {
		if packet.Class == sds.ClassContent {
			content = packet.Payload
		}
		c.Handed(p.now, packet.Serial, nil, nil)
	}
	if len(r.Lookups) > 0 {
		answers := make([]sds.Lookup, len(r.Lookups))
		for i, id := range r.Lookups {
			answers[i].ID = id
		}
		c.Found(p.now, answers)
	}
	c.Ready()
	c.Advance()
	return content
}

func (p *pair) send(c *sds.Channel, content []byte) []byte {
	p.now += 1000
	if _, err := c.Send(p.now, content, sds.SendOptions{Want: sds.Everyone}); err != nil {
		p.tb.Fatal(err)
	}
	return p.turn(c)
}

func (p *pair) receive(c *sds.Channel, packet []byte) {
	m, err := wire.Decode(packet)
	if err != nil {
		p.tb.Fatal(err)
	}
	if err := c.Receive(p.now, m, sds.Origin{}); err != nil {
		p.tb.Fatal(err)
	}
	p.turn(c)
}

func (p *pair) talk(n int, content []byte) {
	for range n {
		p.receive(p.b, p.send(p.a, content))
		p.a, p.b = p.b, p.a
	}
}

func text(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(i%26)
	}
	return b
}

// BenchmarkSendReceive is one message: Send, encode, decode, verify, Receive and
// both Readys. carol never acknowledges, so that messages stay outgoing; the
// channel keeps as many as its bound allows.
func BenchmarkSendReceive(b *testing.B) {
	for _, size := range []int{256, 4096} {
		for _, history := range []int{0, 1_000, 100_000, 1_000_000} {
			b.Run(fmt.Sprintf("content=%d/history=%d", size, history), func(b *testing.B) {
				p := newPair(b, sds.LIP, nil)
				p.talk(history, text(64))
				b.ReportAllocs()
				b.ResetTimer()
				p.talk(b.N, text(size))
			})
		}
		b.Run(fmt.Sprintf("content=%d/unacknowledged=10000", size), func(b *testing.B) {
			p := newPair(b, sds.LIP, nil)
			for range 10_000 { // nobody ever receives these
				p.send(p.a, text(64))
			}
			b.ReportAllocs()
			b.ResetTimer()
			p.talk(b.N, text(size))
		})
	}
}

// BenchmarkMemory reports what 10,000 messages of history cost beside content.
func BenchmarkMemory(b *testing.B) {
	for range b.N {
		var before, after runtime.MemStats
		p := newPair(b, sds.LIP, nil)
		runtime.GC()
		runtime.ReadMemStats(&before)
		p.b, p.a = p.a, p.b
		for range 10_000 {
			p.now += 1000
			if _, err := p.a.Send(p.now, text(100), sds.SendOptions{}); err != nil {
				b.Fatal(err)
			}
			p.turn(p.a)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB/10k-own-messages")
		runtime.KeepAlive(p)
	}
}
