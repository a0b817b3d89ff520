package sds_test

import (
	"fmt"
	"runtime"
	"slices"
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
				content := text(size)
				b.ReportAllocs()
				for b.Loop() { // the history is laid once
					p.talk(1, content)
				}
			})
		}
		b.Run(fmt.Sprintf("content=%d/unacknowledged=10000", size), func(b *testing.B) {
			p := newPair(b, sds.LIP, nil)
			for range 10_000 { // nobody ever receives these: bob joins later
				p.send(p.a, text(64))
			}
			p.b = newPair(b, sds.LIP, func(c *sds.Config) { c.JoinPoint = uint64(p.now) }).b
			content := text(size)
			b.ReportAllocs()
			for b.Loop() {
				p.talk(1, content)
			}
		})
	}
}

// BenchmarkMemory reports what a window of 10,000 received messages costs beside
// content, and 10,000 own messages that nobody acknowledged.
func BenchmarkMemory(b *testing.B) {
	measure := func(b *testing.B, unit string, fill func() any) {
		for b.Loop() {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			keep := fill()
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/1e6, unit)
			runtime.KeepAlive(keep)
		}
	}
	b.Run("history=10000", func(b *testing.B) {
		p := newPair(b, sds.LIP, nil)
		packets := make([][]byte, 10_000)
		for i := range packets {
			packets[i] = p.send(p.a, text(100))
		}
		measure(b, "MB", func() any {
			q := newPair(b, sds.LIP, nil)
			q.now = p.now
			for _, packet := range packets {
				q.receive(q.b, packet)
			}
			return q
		})
	})
	b.Run("unacknowledged=10000", func(b *testing.B) {
		measure(b, "MB", func() any {
			q := newPair(b, sds.LIP, nil)
			for range 10_000 {
				q.send(q.a, text(100))
			}
			return q
		})
	})
}

// BenchmarkOverhead reports the bytes around 100 bytes of content when members
// speak in turns: the median of 50 messages, and what one head more costs. The
// sender has 20 characters, the channel 32, own ids 29, nobody has hints; with
// "long", as Status has them: senders of 66, channels of 40, hints of 32.
func BenchmarkOverhead(b *testing.B) {
	for _, d := range []sds.Dialect{sds.LIP, sds.JS, sds.Nim} {
		for _, long := range []bool{false, true} {
			name := d.String()
			if long {
				name += "/long"
			}
			b.Run(name, func(b *testing.B) {
				p := newPair(b, d, func(c *sds.Config) {
					if long {
						c.Channel = "0123456789abcdef0123456789abcdef01234567"
						c.Participant += sds.ParticipantID(text(46))
					}
				})
				var sizes []int
				for i := range 50 {
					content := append(text(96), fmt.Sprintf("%04d", i%10_000)...)
					packet := p.send(p.a, content)
					p.receive(p.b, packet)
					if long {
						m, _ := wire.Decode(packet)
						for _, c := range []*sds.Channel{p.a, p.b} {
							c.SetHint(m.MessageID, text(32))
						}
					}
					p.a, p.b = p.b, p.a
					sizes = append(sizes, len(packet)-len(content))
				}
				slices.Sort(sizes)
				b.ReportMetric(float64(sizes[len(sizes)/2]), "control-B")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
