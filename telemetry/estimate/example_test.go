package estimate_test

import (
	"fmt"

	"github.com/causeway-im/causeway/telemetry/estimate"
	"github.com/causeway-im/causeway/telemetry/report"
)

// Ann writes two messages. Bob's phone got the first, and covers the time of both;
// Cid's was silent from the second on.
func Example() {
	const second, start = 1000, 1_767_600_000_000
	device := func(name string, covered int64, events ...report.Event) *report.Upload {
		u := &report.Upload{Schema: 1, Install: "phone of " + name, Epoch: 1, First: 1, Last: uint64(len(events)), Events: events,
			Clock: report.Clock{Sent: start + covered}, Coverage: []report.Span{{From: start, To: start + covered}},
			Device: report.Device{App: "1.0", Platform: report.Android, Mode: report.Light, Protocol: "causeway"}}
		for i := range u.Events {
			e := &u.Events[i]
			e.Seq, e.Channel, e.Class = uint64(i+1), "tea", report.Multicast
			e.At += start
		}
		return u
	}
	got := func(at int64, message string) report.Event {
		return report.Event{At: at, Kind: report.Received, Message: message, Member: "ann", Path: report.ByRelay}
	}
	var facts estimate.Facts
	for _, u := range []*report.Upload{
		device("ann", 600*second,
			report.Event{At: 10 * second, Kind: report.Composed, Message: "m1", Member: "ann", Audience: 2},
			report.Event{At: 300 * second, Kind: report.Composed, Message: "m2", Member: "ann", Audience: 2}),
		device("bob", 600*second, got(11*second, "m1")),
		device("cid", 290*second, got(12*second, "m1")),
	} {
		if err := facts.Add(u, u.Clock.Sent+100); err != nil {
			fmt.Println(err)
		}
	}
	r := facts.Estimate(estimate.Options{From: start, To: start + 600*second, Now: start + 600*second})
	rate := r.Find(estimate.Group{By: estimate.Everything}).Rate(estimate.Within60s)
	fmt.Printf("%+v\n", rate.Count)
	fmt.Println("no estimate:", rate.Why)
	// Output:
	// {Delivered:2 Lost:1 Censored:1 Undecodable:0}
	// no estimate: not enough data
}
