package segment

import (
	"fmt"
	"testing"
)

const large = 25_000_000

func BenchmarkSplit(b *testing.B) {
	payload := bytesOf(1, large)
	for _, cfg := range benchConfigs {
		b.Run(benchName(cfg), func(b *testing.B) {
			b.SetBytes(large)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Split(payload, cfg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkReassemble decodes and adds 25 MB: all data segments, or all but as many
// as parity makes up for.
func BenchmarkReassemble(b *testing.B) {
	payload := bytesOf(1, large)
	for _, cfg := range benchConfigs {
		parts, err := Split(payload, cfg)
		if err != nil {
			b.Fatal(err)
		}
		_, parity, err := Count(large, cfg)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%s/lost=%d", benchName(cfg), parity), func(b *testing.B) {
			b.SetBytes(large)
			b.ReportAllocs()
			for b.Loop() {
				reassemble(b, cfg, parts[parity:])
			}
		})
	}
}

func reassemble(b *testing.B, cfg Config, parts [][]byte) {
	r := newReassembler(b, cfg, Limits{})
	for _, part := range parts {
		s, err := Decode(part, cfg)
		if err != nil {
			b.Fatal(err)
		}
		result, err := r.Add(start, "alice", s)
		if err != nil {
			b.Fatal(err)
		}
		if result.Complete {
			return
		}
	}
	b.Fatal("not complete")
}

// The default size has no room for 25 MB with parity, so that is of 128 KiB.
var benchConfigs = []Config{
	{},
	{SegmentSize: 128 << 10, ParityRate: 0.125},
	{Format: Status, SegmentSize: 115200},
	{Format: Status, SegmentSize: 115200, ParityRate: 0.125},
}

func benchName(cfg Config) string { return fmt.Sprintf("%v/parity=%v", cfg.Format, cfg.ParityRate) }
