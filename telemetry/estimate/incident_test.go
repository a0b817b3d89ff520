package estimate

import (
	"fmt"
	"slices"
	"testing"

	"github.com/causeway-im/causeway/telemetry/report"
)

// fleet is many devices that upload every minute, by a plan of what happens to them.
type fleet struct {
	phones []*phone
	facts  Facts
	now    float64
}

func newFleet(n int) *fleet {
	f := &fleet{}
	for i := range n {
		p := newPhone(fmt.Sprintf("p%02d", i))
		if i%3 == 0 {
			p.like.Platform, p.like.Mode = report.Linux, report.Relay
		}
		p.joined(at(1), true).state(at(1), report.Online)
		f.phones = append(f.phones, p)
	}
	return f
}

// run lets a time pass until a second. Devices for which silent is true upload
// nothing, and keep what they cover.
func (f *fleet) run(t *testing.T, until float64, silent func(i int) bool) {
	t.Helper()
	for ; f.now < until; f.now += 60 {
		for i, p := range f.phones {
			if i == 0 || i == 1 { // somebody writes
				p.composed(at(f.now+30), fmt.Sprintf("m%d-%v", i, f.now), len(f.phones)-1)
			}
			p.covered(at(f.now), at(f.now+60))
			if silent == nil || !silent(i) {
				feed(t, &f.facts, at(f.now+60), p)
			}
		}
	}
}

// states lets all devices note a state.
func (f *fleet) states(when float64, s report.State) {
	for _, p := range f.phones {
		p.state(at(when), s)
	}
}

func (f *fleet) report() *Report {
	return f.facts.Estimate(Options{From: at(0), To: at(7200), Now: at(f.now) + 1000, Baseline: &Baseline{}})
}

func wide(list []Incident) []Incident {
	return slices.DeleteFunc(slices.Clone(list), func(in Incident) bool { return in.Scope == OneDevice })
}

// checkIncident looks for one incident beyond single devices.
func checkIncident(t *testing.T, list []Incident, scope Scope, name string, from, to float64, open bool) Incident {
	t.Helper()
	list = wide(list)
	if len(list) != 1 {
		t.Fatalf("incidents %+v, want one", list)
	}
	in := list[0]
	if in.Scope != scope || in.Name != name || in.Open != open {
		t.Errorf("incident %+v, want %s %q, open %v", in, scope, name, open)
	}
	if d := in.From - at(from); d < -2*minute || d > 2*minute {
		t.Errorf("it begins %d s from when it should", d/1000)
	}
	if d := in.To - at(to); d < -2*minute || d > 2*minute {
		t.Errorf("it ends %d s from when it should", d/1000)
	}
	if in.P > 1e-5 {
		t.Errorf("p = %g", in.P)
	}
	return in
}

// §3.7: a full drop is recognised while it lasts, the lower bound falls at once, and
// it settles when the journals come.
func TestFullDropLive(t *testing.T) {
	f := newFleet(30)
	f.run(t, 3600, nil)
	before := everything(t, &f.facts, Options{From: at(0), To: at(7200), Now: at(f.now) + 1000, Baseline: &Baseline{}})
	if in := wide(f.report().Incidents); len(in) != 0 {
		t.Fatalf("incidents before: %+v", in)
	}
	all := func(int) bool { return true }
	f.states(3600, report.Isolated)
	f.run(t, 3600+240, all) // four minutes into it
	r := f.report()
	in := checkIncident(t, r.Incidents, Everybody, "", 3600, 3600+240, true)
	if in.Silent != 30 || in.Isolated != 0 || in.Watched != 30 || in.Remaining != 30 || in.Settled > 0.05 {
		t.Errorf("incident %+v, want 30 of 30 silent and nothing settled", in)
	}
	during := r.Find(Group{By: Everything})
	hour := r.Find(Group{ByHour, "2026-01-05T11Z"})
	if hour.Covered[Within60s].Bounds.Low > 0.01 {
		t.Errorf("of the drop's hour the lower bound is %v", hour.Covered[Within60s].Bounds)
	}
	if s := during.Covered[Within60s].Silent.Mean; s < 29*2 {
		t.Errorf("%v silent cells, want those of several messages to 29 members", s)
	}
	if before.Covered[Within60s].Unknown > 0.05 || during.Covered[Within60s].Unknown < before.Covered[Within60s].Unknown {
		t.Errorf("unknown before %v, during %v", before.Covered[Within60s].Unknown, during.Covered[Within60s].Unknown)
	}
	f.run(t, 3600+1800, all)
	f.states(3600+1800, report.Online)
	f.run(t, 3600+1800+1200, func(i int) bool { return i >= 27 }) // three do not return
	r = f.report()
	in = checkIncident(t, r.Incidents, Everybody, "", 3600, 3600+1800, false)
	if in.Settled < 0.85 || in.Settled > 0.95 || in.Isolated != 27 || in.Silent != 3 {
		t.Errorf("incident %+v, want nine tenths settled and three missing", in)
	}
	f.run(t, f.now+60, nil)
	in = checkIncident(t, f.report().Incidents, Everybody, "", 3600, 3600+1800, false)
	if in.Settled < 0.99 || in.Isolated != 30 || in.Silent != 0 {
		t.Errorf("incident %+v, want everything settled", in)
	}
}

// Many who never come back do not make the drop longer than it was.
func TestManyDoNotReturn(t *testing.T) {
	f := newFleet(30)
	f.run(t, 1800, nil)
	f.states(1800, report.Offline)
	f.run(t, 3600, func(int) bool { return true })
	f.states(3600, report.Online)
	f.run(t, 7200, func(i int) bool { return i >= 18 })
	in := checkIncident(t, f.report().Incidents, Everybody, "", 1800, 3600, false)
	if in.Remaining != 12 || in.Settled > 0.65 {
		t.Errorf("incident %+v, want 12 who did not return", in)
	}
}

// A silence that was not the network's: the journals say so when they come.
func TestSilenceThatWasNone(t *testing.T) {
	f := newFleet(30)
	f.run(t, 1800, nil)
	f.run(t, 3600, func(int) bool { return true })
	checkIncident(t, f.report().Incidents, Everybody, "", 1800, 3600, true)
	f.run(t, 3660, nil)
	if in := wide(f.report().Incidents); len(in) != 0 {
		t.Errorf("when all journals say that all was well: %+v", in)
	}
}

// HTTPS works and Waku is dead: the devices say so at once.
func TestIsolatedLive(t *testing.T) {
	f := newFleet(30)
	f.run(t, 3600, nil)
	f.states(3600, report.Isolated)
	f.run(t, 3600+600, nil)
	in := checkIncident(t, f.report().Incidents, Everybody, "", 3600, 4200, true)
	if in.Isolated != 30 || in.Silent != 0 || in.Settled < 0.99 {
		t.Errorf("incident %+v, want 30 isolated that are known", in)
	}
	f.states(4200, report.Online)
	f.run(t, 4200+600, nil)
	checkIncident(t, f.report().Incidents, Everybody, "", 3600, 4200, false)
}

func TestOnePlatform(t *testing.T) {
	f := newFleet(45)
	f.run(t, 1800, nil)
	f.run(t, 3600, func(i int) bool { return i%3 == 0 })
	checkIncident(t, f.report().Incidents, OnePlatform, "linux", 1800, 3600, true)
}

func TestOneShard(t *testing.T) {
	f := newFleet(40)
	for i, p := range f.phones {
		if i%4 == 1 {
			p.events[0].Pubsub, p.events[0].Channel = "/waku/2/rs/16/64", "coffee"
		}
	}
	f.phones = slices.DeleteFunc(f.phones, func(p *phone) bool { return p.install == "i-p01" }) // who writes to tea
	f.phones[0].like.Platform = report.Android
	f.run(t, 1800, nil)
	coffee := func(i int) bool { return f.phones[i].events[0].Channel == "coffee" }
	f.run(t, 3600, coffee)
	checkIncident(t, f.report().Incidents, OneShard, "/waku/2/rs/16/64", 1800, 3600, true)
}

func TestOneDevice(t *testing.T) {
	f := newFleet(30)
	f.run(t, 1800, nil)
	f.run(t, 3600, func(i int) bool { return i == 7 })
	r := f.report()
	if len(r.Incidents) != 1 || r.Incidents[0].Scope != OneDevice || r.Incidents[0].Name != "i-p07" || !r.Incidents[0].Open {
		t.Errorf("incidents %+v, want one of i-p07", r.Incidents)
	}
}

// Who says goodbye does not alarm.
func TestGoodbyesAreNoIncident(t *testing.T) {
	f := newFleet(30)
	f.run(t, 1800, nil)
	for _, p := range f.phones {
		p.state(at(1800), report.Goodbye)
		feed(t, &f.facts, at(1801), p)
	}
	f.now = 7200
	r := f.report()
	if len(r.Incidents) != 0 {
		t.Errorf("incidents %+v, want none", r.Incidents)
	}
	if s := r.Find(Group{By: Everything}).Covered[Within60s].Silent; s != (Moments{}) {
		t.Errorf("%+v silent cells after goodbyes", s)
	}
}

// A gap of the collector is not the network's fault: no incident, and no loss.
func TestCollectorGap(t *testing.T) {
	for _, known := range []bool{false, true} {
		f := newFleet(30)
		f.run(t, 1800, nil)
		f.run(t, 3600, func(int) bool { return true })
		if known {
			f.facts.Gap(at(1800), at(3600))
		}
		r := f.report()
		if got := len(wide(r.Incidents)); (got == 0) != known {
			t.Errorf("gap known: %v, %d incidents", known, got)
		}
		e := r.Find(Group{By: Everything})
		// Nobody got anything: all that is known is lost, and of the gap nothing.
		if c := e.Covered[Within60s]; c.Lost > 2*29*30 {
			t.Errorf("%v cells are lost, more than before the gap", c.Lost)
		}
		if known && r.Trust.CollectorDown != 1800_000 {
			t.Errorf("the collector was down for %d ms, want half an hour", r.Trust.CollectorDown)
		}
		// It settles to what it was.
		f.run(t, 3660, nil)
		if got := wide(f.report().Incidents); len(got) != 0 {
			t.Errorf("gap known: %v, when the journals have come: %+v", known, got)
		}
	}
}

// What is usual at that hour of the week is no incident.
func TestBaselineOfTheHour(t *testing.T) {
	f := newFleet(30)
	f.run(t, 3600, func(i int) bool { return i%3 == 1 && f.now >= 1200 })
	if got := wide(f.report().Incidents); len(got) == 0 {
		t.Fatal("a third of the devices is silent, and there is no incident")
	}
	usual := &Baseline{}
	for h := range hoursOfWeek {
		usual.Watched[h], usual.Unwell[h] = 100_000, 1000
	}
	usual.Unwell[hourOfWeek(at(0))] = 34_000
	o := Options{From: at(0), To: at(7200), Now: at(f.now) + 1000, Baseline: usual}
	if got := wide(f.facts.Estimate(o).Incidents); len(got) != 0 {
		t.Errorf("it is usual at this hour, and there is %+v", got)
	}
}

// A baseline learns how much is written and how many are unwell, and leaves out
// incidents.
func TestLearn(t *testing.T) {
	f := newFleet(30)
	f.run(t, 3000, nil)
	b := f.facts.Learn(Options{From: at(0), To: at(3600), Now: at(3000)})
	h := hourOfWeek(at(0))
	if h != 10 {
		t.Errorf("Monday 10:00 is hour %d of the week", h)
	}
	near(t, "hours", b.Exposure[h], 30*3000.0/3600, 0.1)
	near(t, "messages", b.Composed[h], 2*50, 2)
	near(t, "unwell", b.Unwell[h], 0, 1e-9)
	f.run(t, 3600, func(int) bool { return true })
	f.run(t, 3660, func(i int) bool { return i > 2 })
	with := f.facts.Learn(Options{From: at(0), To: at(3600), Now: at(3660)})
	if with.Unwell[h] > 0.5 {
		t.Errorf("%v hours unwell are learned from an incident", with.Unwell[h])
	}
	b.Add(with)
	near(t, "hours", b.Exposure[h], 30*3000.0/3600+with.Exposure[h], 0.1)
	var hours [hoursOfWeek]float64
	addHours(&hours, spans{{From: at(1800), To: at(1800) + (3*hoursOfWeek+1)*hour}})
	near(t, "of three weeks and an hour", hours[h], 3.5, 1e-9)
	near(t, "of three weeks and an hour", hours[h+1], 3.5, 1e-9)
	near(t, "of three weeks and an hour", hours[h+2], 3, 1e-9)
	busy := &Baseline{}
	busy.Composed[h], busy.Exposure[h], busy.Exposure[h+1] = 9000, 3000, 3000
	if p := busy.profile(); p[h] < 1.8 || p[h+1] > 0.1 || p[h+2] != 1 {
		t.Errorf("of a busy hour, a quiet one and one that was not seen the profile is %v, %v, %v", p[h], p[h+1], p[h+2])
	}
}
