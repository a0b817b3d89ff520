package estimate

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway/telemetry/report"
)

// finished is when everything of a test has come.
var finished = at(2 * 86400)

func reportAt(t *testing.T, now int64, phones ...*phone) *Report {
	t.Helper()
	var f Facts
	feed(t, &f, now, phones...)
	return f.Estimate(window(now))
}

// A device that claims no coverage is no reporter: what it wrote is a message of
// others, and what it got proves that a message left.
func TestWithoutCoverage(t *testing.T) {
	ann, bob := pair()
	cid := newPhone("cid")
	cid.composed(at(70), "m2", 2).received(at(61), "m1", "ann")
	r := reportAt(t, finished, ann, bob, cid)
	e := r.Find(Group{By: Everything})
	wantCount(t, e, Within60s, Count{Lost: 1})
	if e.Others != 1 || e.Funnel.Left != 1 || e.Funnel.Composed != 1 || r.Trust.Devices != 2 {
		t.Errorf("%v of others, funnel %+v, %d devices; want 1, 1 of 1 left, 2", e.Others, e.Funnel, r.Trust.Devices)
	}
}

// Everyone: each reporter stands for the members of its channel, each message for
// those of authors who do not report.
func TestWeights(t *testing.T) {
	ann, bob := newPhone("ann"), newPhone("bob")
	for _, p := range []*phone{ann, bob} {
		p.joined(at(1), true).state(at(1), report.Online).covered(at(0), finished)
	}
	// tea: 10 members, 2 of them report. 1 of 2 of ann's messages comes, and 6 of others.
	ann.composed(at(60), "t1", 9).composed(at(61), "t2", 9)
	bob.received(at(61), "t1", "ann")
	for i := range 6 {
		bob.received(at(100), fmt.Sprint("o", i), "zoe")
	}
	// coffee: 101 members, 2 of them report, all comes.
	coffee := func(e report.Event) report.Event { e.Channel = "coffee"; return e }
	for _, p := range []*phone{ann, bob} {
		p.write(at(1), report.Event{Kind: report.Membership, Member: p.member, Joined: true})
		p.events[len(p.events)-1].Channel = "coffee"
	}
	ann.composed(at(70), "c1", 100)
	bob.received(at(71), "c1", "ann")
	ann.events[len(ann.events)-1] = coffee(ann.events[len(ann.events)-1])
	bob.events[len(bob.events)-1] = coffee(bob.events[len(bob.events)-1])

	r := reportAt(t, finished, ann, bob)
	e := r.Find(Group{By: Everything})
	wantCount(t, e, Within60s, Count{Delivered: 2, Lost: 1})
	// tea: 2 messages to 9 members, times 8 messages of 2. coffee: 1 message to 100.
	got, want := e.Everyone[Within60s].Count, Count{Delivered: 9*4 + 100, Lost: 9 * 4}
	near(t, "delivered", got.Delivered, want.Delivered, 1e-9)
	near(t, "lost", got.Lost, want.Lost, 1e-9)
	if r.Trust.Reporters != 4 {
		t.Errorf("%d reporters, want 4", r.Trust.Reporters)
	}
	near(t, "share of reporters", r.Trust.Share, 4.0/(10+101), 1e-9)
	near(t, "latencies of everyone", r.Tallies.Find(Group{By: Everything}).Everyone.Latency.total(), 9*8+100, 1e-9)
}

// The population is known: who is rare among reporters counts for more.
func TestPopulation(t *testing.T) {
	ann, bob := pair()
	ann.events = ann.events[:2] // m1 goes
	ann.seq = 2
	ann.composed(at(60), "m1", 4)
	bob.received(at(61), "m1", "ann")
	var phones []*phone
	for i := range 3 { // desktops that get nothing
		p := newPhone(fmt.Sprint("desk", i))
		p.like.Platform, p.like.Mode = report.Windows, report.Relay
		p.joined(at(1), true).covered(at(0), finished)
		phones = append(phones, p)
	}
	var f Facts
	feed(t, &f, finished, append(phones, ann, bob)...)
	o := window(finished)
	if c := everything(t, &f, o).Everyone[Within60s].Count; c != (Count{Delivered: 1, Lost: 3}) {
		t.Errorf("without a population %+v", c)
	}
	o.Population = map[Stratum]float64{{"mobile", report.Light, "2–9"}: 800, {"desktop", report.Relay, "2–9"}: 200}
	c := everything(t, &f, o).Everyone[Within60s].Count
	// Phones are 0.8 of all and 0.4 of the reporters, desktops 0.2 and 0.6.
	near(t, "delivered", c.Delivered, 2, 1e-9)
	near(t, "lost", c.Lost, 1, 1e-9)
}

// Curves of acknowledgement and repair, with what did not happen while it was seen.
func TestAckAndRepairCurves(t *testing.T) {
	ann, bob := pair()
	ann.composed(at(100), "m2", 1)
	ann.write(at(104), report.Event{Kind: report.Acknowledged, Message: "m2", Count: 1})
	ann.write(at(110), report.Event{Kind: report.Acknowledged, Message: "m2", Count: 2})
	ann.write(at(110), report.Event{Kind: report.Acknowledged, Message: "m1"}) // of nobody
	bob.write(at(200), report.Event{Kind: report.Missing, Message: "m1"})
	bob.write(at(201), report.Event{Kind: report.Missing, Message: "m1"})
	bob.write(at(203), report.Event{Kind: report.Repaired, Message: "m1", Path: report.ByRepair})
	bob.write(at(210), report.Event{Kind: report.Missing, Message: "m2"})
	e := reportAt(t, finished, ann, bob).Find(Group{By: Everything})
	// Half of two acknowledged after 4 s, the other never in two days.
	if a := e.Ack; a.Cases != 2 || a.P50 < 4000 || a.P50 > 4300 || a.P90 != -1 {
		t.Errorf("acknowledgements %+v, want half after 4 s and no more", a)
	}
	if a := e.Repair; a.Cases != 2 || a.P50 < 3000 || a.P50 > 3200 || a.P90 != -1 {
		t.Errorf("repairs %+v, want half after 3 s and no more", a)
	}
	if l := e.Latency; l.Cases != 2 || l.P50 < 143_000 || l.P50 > 152_000 {
		t.Errorf("latencies %+v, want half after 143 s", l)
	}
}

// Bytes are counted by class, where their channel is.
func TestTraffic(t *testing.T) {
	ann, bob := pair()
	ann.write(at(100), report.Event{Kind: report.Traffic, Bytes: map[string]int64{"content": 500, "ack": 20}})
	bob.write(at(100), report.Event{Kind: report.Traffic, Bytes: map[string]int64{"content": 7}})
	bob.events[len(bob.events)-1].Channel = ""
	bob.write(at(9000), report.Event{Kind: report.Traffic, Bytes: map[string]int64{"content": 1000}}) // of another hour
	r := reportAt(t, finished, ann, bob)
	if got := r.Find(Group{By: Everything}).Traffic; got["content"] != 507 || got["ack"] != 20 || len(got) != 2 {
		t.Errorf("bytes of everything %v", got)
	}
	if got := r.Find(Group{ByChannel, "tea"}).Traffic; got["content"] != 500 || got["ack"] != 20 {
		t.Errorf("bytes of tea %v", got)
	}
}

// Why cells ended as they did.
func TestCauses(t *testing.T) {
	ann, bob := pair() // m1 was never handed over
	cid := newPhone("cid")
	cid.joined(at(1), true).state(at(1), report.Offline).covered(at(0), finished)
	ann.composed(at(70), "handed", 2).write(at(70), report.Event{Kind: report.Handed, Message: "handed"})
	for i, path := range []report.Path{report.ByFilter, report.ByStore, report.ByRepair, report.Unknown} {
		m := fmt.Sprint("came", i)
		ann.composed(at(80), m, 2)
		bob.write(at(81), report.Event{Kind: report.Received, Message: m, Member: "ann", Class: report.Multicast, Path: path})
	}
	ann.composed(at(90), "stored", 2).write(at(91), report.Event{Kind: report.Stored, Message: "stored", Answer: "yes"})
	ann.composed(at(95), "unread", 2)
	bob.write(at(96), report.Event{Kind: report.Undecodable, Message: "unread"})
	got := reportAt(t, finished, ann, bob, cid).Find(Group{By: Everything}).Causes
	want := Causes{Live: 1, Store: 1, Repair: 1, Somehow: 1, Unsent: 2, Unproven: 2, Network: 1, Unread: 1,
		Offline:    6, // cid, of what left: four that bob got, one stored, one unread
		Present:    6, // bob, of what left
		LiveInTime: 1, Late: 11, Recovered: 3}
	if got != want {
		t.Errorf("causes\n%+v, want\n%+v", got, want)
	}
}

// Halves of the reporters, and those that one or two of them got.
func TestOverlap(t *testing.T) {
	ann, bob := pair()
	cid, dan := newPhone("cid"), newPhone("dan")
	for _, p := range []*phone{cid, dan} {
		p.joined(at(1), true).covered(at(0), finished)
	}
	got := func(message string, phones ...*phone) {
		for _, p := range phones {
			p.received(at(100), message, "zoe")
		}
	}
	got("o1", ann)           // even
	got("o2", bob)           // odd
	got("o3", ann, bob)      // both
	got("o4", ann, cid)      // even
	got("o5", ann, bob, dan) // both
	r := reportAt(t, finished, ann, bob, cid, dan)
	want := Overlap{Channel: "tea", Seen: 5, Chapman: Chapman(4, 3, 2), Chao: Chao(5, 2, 2)}
	if len(r.Overlap) != 1 || r.Overlap[0] != want {
		t.Errorf("overlap %+v, want %+v", r.Overlap, want)
	}
}

// How much the uploads tell.
func TestTrust(t *testing.T) {
	ann, bob := pair()
	ann.coverage = []report.Span{{From: at(0), To: at(900)}}
	ann.state(at(900), report.Suspended)
	ann.covered(at(1800), at(2700))
	bob.coverage = []report.Span{{From: at(0), To: at(1800)}}
	bob.dropped = []report.Range{{First: 90, Last: 95}}
	bob.seq = 99 // 3 to 89 and 96 to 99 have not come
	bob.skew = -10 * 60_000
	u, arrived := bob.upload(finished)
	u.First = 1
	for i := range u.Events {
		u.Events[i].At += bob.skew
	}
	u.Coverage = []report.Span{{From: at(0) + bob.skew, To: at(1) + bob.skew}}
	var f Facts
	feed(t, &f, finished, ann)
	if err := f.Add(u, arrived); err != nil {
		t.Fatal(err)
	}
	got := f.Estimate(window(finished)).Trust
	if got.Dropped != 6 || got.Absent != 91 || got.Skewed != 1 || got.Devices != 2 || got.Events != 6 {
		t.Errorf("trust %+v", got)
	}
	// Of ann 900 + 900 s of an hour, and 900 idle; of bob nothing: his numbers are
	// missing from the first event on.
	if got.Covered < 0.24 || got.Covered > 0.26 || got.Idle < 0.12 || got.Idle > 0.13 {
		t.Errorf("covered %v, idle %v; want a quarter and an eighth", got.Covered, got.Idle)
	}
}

// The author's other device is no proof that a message left.
func TestOwnReceiptIsNoDeparture(t *testing.T) {
	ann, bob := pair()
	desk := newPhone("ann")
	desk.install = "i-desk"
	desk.joined(at(1), true).covered(at(0), finished).received(at(61), "m1", "ann")
	if f := reportAt(t, finished, ann, bob, desk).Find(Group{By: Everything}).Funnel; f.Left != 0 {
		t.Errorf("funnel %+v, want none to have left", f)
	}
}

func TestProvisional(t *testing.T) {
	ann, bob := pair()
	for _, c := range []struct {
		now     int64
		horizon time.Duration
		want    bool
	}{{at(3600), 0, true}, {at(3600 + 86399), 0, true}, {at(3600 + 86400), 0, false}, {at(3600 + 3600), time.Hour, false}} {
		var f Facts
		feed(t, &f, at(3599), ann, bob)
		o := window(c.now)
		o.Horizon = c.horizon
		if got := everything(t, &f, o).Provisional; got != c.want {
			t.Errorf("%d s after the window: provisional %v", (c.now-at(3600))/1000, got)
		}
		ann, bob = pair()
	}
}

// The estimate is that of the Kaplan–Meier curve: cells that went out of sight
// early count for what was seen of them.
func TestEstimateUsesTheCurve(t *testing.T) {
	ann := newPhone("ann")
	ann.joined(at(1), true).covered(at(0), finished)
	phones := []*phone{ann}
	const members = 40
	for i := range members {
		p := newPhone(fmt.Sprintf("p%02d", i))
		p.joined(at(1), true).covered(at(0), finished)
		phones = append(phones, p)
	}
	for k := range 40 {
		m, when := fmt.Sprint("m", k), at(float64(60+60*k))
		ann.composed(when, m, members)
		for i, p := range phones[1:] {
			switch (i + k) % 10 {
			case 0: // after 50 s
				p.received(when+50_000, m, "ann")
			case 1: // never
			default:
				p.received(when+1000, m, "ann")
			}
		}
	}
	for i, p := range phones[1:] {
		slices.SortStableFunc(p.events, func(a, b report.Event) int { return int(a.At - b.At) })
		for n := range p.events {
			p.events[n].Seq = uint64(n + 1)
		}
		if i%8 == 0 { // each message finds them out of sight after 30 s
			p.coverage = nil
			for k := range 42 {
				p.covered(at(float64(60*k)), at(float64(60*k+30)))
			}
			p.events = slices.DeleteFunc(p.events, func(e report.Event) bool { return (e.At-at(0))/1000%60 >= 30 })
			for n := range p.events {
				p.events[n].Seq = uint64(n + 1)
			}
			p.seq = uint64(len(p.events))
			p.covered(at(42*60), finished)
		}
	}
	r := reportAt(t, finished, phones...).Find(Group{By: Everything}).Covered[Within60s]
	if r.Censored == 0 || r.Unknown > maxUnknown {
		t.Fatalf("%+v: the test needs some censored cells", r)
	}
	if r.Estimate == nil {
		t.Fatalf("no estimate: %s", r.Why)
	}
	known := r.Delivered / (r.All() - r.Censored)
	// Truly 0.9. Of the known ones more, since those out of sight are all that came
	// late or never.
	near(t, "estimate", *r.Estimate, 0.9, 0.005)
	if known < 0.905 {
		t.Errorf("of the known cells %.3f were delivered: the test shows nothing", known)
	}
}

// What each device was doing.
func TestTimeline(t *testing.T) {
	ann, bob := pair()
	ann.coverage = []report.Span{{From: at(0), To: at(900)}}
	ann.state(at(900), report.Suspended).covered(at(1800), at(2700)).state(at(1800), report.Online)
	bob.coverage = []report.Span{{From: at(0), To: at(1800)}}
	bob.state(at(600), report.Isolated)
	var f Facts
	feed(t, &f, finished, ann, bob)
	lines := f.Timeline(window(finished))
	if len(lines) != 2 || lines[0].Device != "i-ann" || lines[1].Device != "i-bob" {
		t.Fatalf("lines %+v", lines)
	}
	const d = 100 // the delay of the upload
	spans := func(s ...int64) (out []report.Span) {
		for i := 0; i < len(s); i += 2 {
			out = append(out, report.Span{From: at(float64(s[i])) + d, To: at(float64(s[i+1])) + d})
		}
		return out
	}
	end := report.Span{From: at(2700) + d, To: at(3600)}
	for _, c := range []struct {
		what      string
		got, want []report.Span
	}{
		{"ann online", lines[0].Online, spans(1, 900, 1800, 2700)},
		{"ann covered", lines[0].Covered, spans(0, 900, 1800, 2700)},
		{"ann idle", lines[0].Idle, spans(900, 1800)},
		{"ann silent", lines[0].Silent, []report.Span{{From: at(0), To: at(0) + d}, end}},
		{"ann cut", lines[0].Cut, nil},
		{"bob cut", lines[1].Cut, spans(600, 1800)},
		{"bob online", lines[1].Online, spans(1, 600)},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, c.got, c.want)
		}
	}
}

// A device is described by the upload after an event.
func TestDeviceChanges(t *testing.T) {
	ann, bob := pair()
	var f Facts
	first, arrived := bob.upload(at(900))
	bob.like.App = "2.0"
	bob.received(at(1201), "m2", "ann").received(at(61), "m1", "ann")
	ann.composed(at(1200), "m2", 1)
	second, arrivedSecond := bob.upload(finished)
	feed(t, &f, finished, ann)
	for _, u := range []part{{first, arrived}, {second, arrivedSecond}} {
		if err := f.Add(u.u, u.arrived); err != nil {
			t.Fatal(err)
		}
	}
	r := f.Estimate(window(finished))
	for _, app := range []string{"1.0", "2.0"} {
		e := r.Find(Group{ByApp, app})
		if e == nil {
			t.Fatalf("no estimate of version %s", app)
		}
		wantCount(t, e, Within60s, Count{Delivered: 1})
	}
}

// Everything of a tally adds up.
func TestMergeAddsEverything(t *testing.T) {
	ann, bob := pair()
	ann.write(at(100), report.Event{Kind: report.Traffic, Bytes: map[string]int64{"content": 5}})
	ann.write(at(104), report.Event{Kind: report.Acknowledged, Message: "m1", Count: 1})
	bob.write(at(200), report.Event{Kind: report.Missing, Message: "m1"}).received(at(203), "m1", "ann").received(at(204), "o", "zoe")
	bob.coverage = []report.Span{{From: at(0), To: at(1800)}}
	one := reportAt(t, finished, ann, bob).Tallies
	two := MergeTallies(one, one).Find(Group{By: Everything})
	x := one.Find(Group{By: Everything})
	for _, c := range []struct {
		what     string
		got, one float64
	}{
		{"cells", two.Covered.Counts[Within60s].All(), x.Covered.Counts[Within60s].All()},
		{"everyone", two.Everyone.Counts[Within60s].All(), x.Everyone.Counts[Within60s].All()},
		{"members", two.Members, x.Members}, {"messages", two.Messages, x.Messages},
		{"clusters", two.Covered.ByMember[Within60s].NN, x.Covered.ByMember[Within60s].NN},
		{"authors", two.Covered.BySender[Within60s].Number, x.Covered.BySender[Within60s].Number},
		{"single cells", two.Covered.ByCell[Within60s].NN, x.Covered.ByCell[Within60s].NN},
		{"latencies", two.Covered.Latency.total(), x.Covered.Latency.total()},
		{"silent", two.Covered.Silent.Mean, x.Covered.Silent.Mean},
		{"silent messages", two.Funnel.Silent.Variance, x.Funnel.Silent.Variance},
		{"composed", two.Funnel.Composed, x.Funnel.Composed}, {"acknowledged", two.Funnel.Acked, x.Funnel.Acked},
		{"acknowledgements", two.Ack.total(), x.Ack.total()}, {"repairs", two.Repair.total(), x.Repair.total()},
		{"others", two.Others, x.Others}, {"bytes", float64(two.Traffic["content"]), float64(x.Traffic["content"])},
		{"late", two.Causes.Late, x.Causes.Late},
	} {
		if c.one == 0 || c.got != 2*c.one {
			t.Errorf("%s: %v, want twice %v, which should not be 0", c.what, c.got, c.one)
		}
	}
}
