package estimate

import (
	"encoding/json"
	"testing"

	"github.com/causeway-im/causeway/telemetry/report"
)

// Whatever devices send, there is a report, and its numbers are numbers.
func FuzzFacts(f *testing.F) {
	ann, bob := pair()
	bob.received(at(61), "m1", "ann").state(at(90), report.Suspended)
	for _, p := range []*phone{ann, bob} {
		u, _ := p.upload(at(100))
		text, err := json.Marshal(u)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, at(100), at(50))
	}
	f.Fuzz(func(t *testing.T, text []byte, arrived, gap int64) {
		var facts Facts
		known, other := pair()
		for _, p := range []*phone{known, other} {
			u, a := p.upload(at(3000))
			if err := facts.Add(u, a); err != nil {
				t.Fatal(err)
			}
		}
		var u report.Upload
		if json.Unmarshal(text, &u) != nil {
			return
		}
		if facts.Add(&u, min(max(arrived, 0), 7_258_118_400_000)) != nil {
			return
		}
		facts.Gap(gap, gap+1000)
		r := facts.Estimate(window(at(4000)))
		if _, err := json.Marshal(r); err != nil { // NaN and infinity have no JSON
			t.Fatal(err)
		}
		for _, e := range r.Estimates {
			for _, rate := range append(e.Covered, e.Everyone...) {
				for _, i := range []Interval{rate.Bounds, rate.Interval} {
					if !(0 <= i.Low && i.Low <= i.High && i.High <= 1) {
						t.Fatalf("%v: %+v", e.Group, rate)
					}
				}
			}
		}
	})
}
