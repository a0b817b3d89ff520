package estimate

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/causeway-im/causeway/telemetry/report"
)

// day makes the uploads of a day of about a million cells: 100 members of one
// channel, each uploading every five minutes, 10,100 messages, 97 % received.
func day() []part {
	const members, messages = 100, 10_100
	d := rand.New(rand.NewPCG(1, 2))
	phones := make([]*phone, members)
	for i := range phones {
		p := newPhone(fmt.Sprintf("member-%016d", i))
		p.like.Platform = []report.Platform{report.Android, report.IOS, report.Linux, report.Windows}[i%4]
		p.like.App = []string{"2.30", "2.31", "2.32"}[i%3]
		p.like.Protocol = []string{"sds", "causeway"}[i%2]
		p.joined(at(0), true).state(at(0), report.Online)
		phones[i] = p
	}
	var out []part
	sent := 0
	for at5 := 0; at5 < 288; at5++ {
		from, to := float64(at5*300), float64(at5*300+300)
		for ; sent < messages*(at5+1)/288; sent++ {
			author := d.IntN(members)
			when := from + 250*d.Float64()
			m := fmt.Sprintf("message-%014d", sent)
			phones[author].composed(at(when), m, members-1)
			for i, p := range phones {
				if i != author && d.Float64() < 0.97 {
					p.received(at(when+d.ExpFloat64()), m, phones[author].member)
				}
			}
		}
		for i, p := range phones {
			if d.IntN(50) > 0 || at5 == 287 {
				p.covered(at(from), at(to))
			}
			u, arrived := p.upload(at(to + float64(i)/10))
			out = append(out, part{u, arrived})
		}
	}
	return out
}

// A day of a million cells: feeding the uploads, and the whole estimate of them.
func BenchmarkDay(b *testing.B) {
	parts := day()
	load := func() *Facts {
		f := &Facts{}
		for _, p := range parts {
			if err := f.Add(p.u, p.arrived); err != nil {
				b.Fatal(err)
			}
		}
		return f
	}
	o := Options{From: at(0), To: at(86400), Now: at(2 * 86400)}
	b.Run("feed", func(b *testing.B) {
		for b.Loop() {
			load()
		}
	})
	b.Run("estimate", func(b *testing.B) {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		f := load()
		runtime.GC()
		runtime.ReadMemStats(&after)
		cells := 0.0
		for b.Loop() {
			cells = f.Estimate(o).Find(Group{By: Everything}).Covered[Within60s].All()
		}
		b.ReportMetric(cells, "cells")
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB-facts")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/cells, "ns/cell")
	})
}
