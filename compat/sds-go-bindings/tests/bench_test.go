package tests

import (
	"fmt"
	"testing"
	"time"

	"github.com/waku-org/sds-go-bindings/sds"
)

// pair is two members who talk in turns, in virtual time.
type pair struct {
	tb   testing.TB
	a, b *sds.ReliabilityManager
	now  time.Time
	n    int
}

func newPair(tb testing.TB) *pair {
	p := &pair{tb: tb, now: time.Unix(1_700_000_000, 0)}
	p.a, p.b = p.member(), p.member()
	return p
}

func (p *pair) member() *sds.ReliabilityManager {
	rm, err := sds.NewReliabilityManagerWithOptions(nil, sds.Options{Now: func() time.Time { return p.now }})
	if err != nil {
		p.tb.Fatal(err)
	}
	p.tb.Cleanup(func() { rm.Cleanup() })
	return rm
}

// id has the length of those of status-go.
func (p *pair) id() sds.MessageID {
	p.n++
	p.now = p.now.Add(time.Second)
	return sds.MessageID(fmt.Sprintf("0x%064x", p.n))
}

const benchChannel = "0x0213a8e14f9a1f4dd0c1a4cdb2d1b3c5f3f0dfbe5e4a7d30f9e65e0f1e6b7d4c2a"

func (p *pair) wrap(rm *sds.ReliabilityManager, content []byte) []byte {
	b, err := rm.WrapOutgoingMessage(content, p.id(), benchChannel)
	if err != nil {
		p.tb.Fatal(err)
	}
	return b
}

func (p *pair) unwrap(rm *sds.ReliabilityManager, b []byte) {
	u, err := rm.UnwrapReceivedMessage(b)
	if err != nil {
		p.tb.Fatal(err)
	}
	if len(*u.MissingDeps) != 0 {
		p.tb.Fatalf("%d missing", len(*u.MissingDeps))
	}
}

func (p *pair) talk(n int, content []byte) {
	for range n {
		p.unwrap(p.b, p.wrap(p.a, content))
		p.a, p.b = p.b, p.a
	}
}

var (
	benchSizes     = []int{256, 4096, 65536}
	benchHistories = []int{0, 1_000, 100_000}
)

// burst is how many messages one member says in a row, so that stopping the clock
// costs little of what is measured.
const burst = 64

// BenchmarkWrap is WrapOutgoingMessage, with the full history of ten and, after the
// other's burst, the filter. Unwrapping is not counted.
func BenchmarkWrap(b *testing.B) {
	benchmark(b, func(b *testing.B, p *pair, content []byte, n int) {
		packets := make([][]byte, n)
		b.StartTimer()
		for i := range packets {
			packets[i] = p.wrap(p.a, content)
		}
		b.StopTimer()
		for _, packet := range packets {
			p.unwrap(p.b, packet)
		}
	})
}

// BenchmarkUnwrap is UnwrapReceivedMessage of the same messages.
func BenchmarkUnwrap(b *testing.B) {
	benchmark(b, func(b *testing.B, p *pair, content []byte, n int) {
		packets := make([][]byte, n)
		for i := range packets {
			packets[i] = p.wrap(p.a, content)
		}
		b.StartTimer()
		for _, packet := range packets {
			p.unwrap(p.b, packet)
		}
		b.StopTimer()
	})
}

// benchmark runs one burst after the other, by turns. A conversation of a length
// is laid once.
func benchmark(all *testing.B, run func(b *testing.B, p *pair, content []byte, n int)) {
	pairs := map[int]*pair{}
	for _, history := range benchHistories {
		for _, size := range benchSizes {
			all.Run(fmt.Sprintf("history=%d/content=%d", history, size), func(b *testing.B) {
				b.StopTimer()
				if history == 0 || pairs[history] == nil {
					pairs[history] = newPair(all)
					pairs[history].talk(max(history, 1), make([]byte, 64))
				}
				p := pairs[history]
				b.ReportAllocs()
				b.ResetTimer()
				for left := b.N; left > 0; left -= burst {
					run(b, p, make([]byte, size), min(left, burst))
					p.a, p.b = p.b, p.a
				}
			})
		}
	}
}
