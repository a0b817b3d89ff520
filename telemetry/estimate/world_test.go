package estimate

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway/telemetry/report"
)

// monday is 2026-01-05T00:00Z, a Monday.
const monday = int64(1_767_571_200_000)

// at is so many seconds after Monday 10:00.
func at(seconds float64) int64 { return monday + 10*hour + int64(seconds*1000) }

// phone is a device that a test plays: it writes a journal, and uploads it.
type phone struct {
	install, member string
	like            report.Device
	skew            int64 // its clock is so many milliseconds ahead
	delay           int64 // of its uploads
	events          []report.Event
	uploaded        int // events
	seq             uint64
	coverage        []report.Span
	dropped         []report.Range
	epoch           uint64
}

func newPhone(name string) *phone {
	return &phone{install: "i-" + name, member: name, epoch: 1, delay: 100,
		like: report.Device{App: "1.0", Platform: report.Android, Mode: report.Light, Protocol: "sds", Consent: 1}}
}

func (p *phone) write(at int64, e report.Event) *phone {
	p.seq++
	e.Seq, e.At = p.seq, at+p.skew
	if e.Kind != report.Presence {
		e.Community, e.Channel, e.Topic, e.Pubsub = "club", "tea", "/t/1/tea/proto", "/waku/2/rs/16/32"
	}
	p.events = append(p.events, e)
	return p
}

func (p *phone) composed(at int64, message string, audience int) *phone {
	return p.write(at, report.Event{Kind: report.Composed, Message: message, Member: p.member, Class: report.Multicast, Audience: audience})
}

func (p *phone) received(at int64, message, author string) *phone {
	return p.write(at, report.Event{Kind: report.Received, Message: message, Member: author, Class: report.Multicast, Path: report.ByRelay})
}

func (p *phone) joined(at int64, in bool) *phone {
	return p.write(at, report.Event{Kind: report.Membership, Member: p.member, Joined: in, Audience: 3})
}

func (p *phone) state(at int64, s report.State) *phone {
	return p.write(at, report.Event{Kind: report.Presence, State: s})
}

// covered claims a span by the true clock.
func (p *phone) covered(from, to int64) *phone {
	p.coverage = append(p.coverage, report.Span{From: from + p.skew, To: to + p.skew})
	return p
}

// upload sends what was not sent, at a time, and returns it with its arrival.
func (p *phone) upload(at int64) (*report.Upload, int64) {
	u := &report.Upload{Schema: 1, Install: p.install, Epoch: p.epoch, Device: p.like, Clock: report.Clock{Sent: at + p.skew},
		Coverage: p.coverage, Dropped: p.dropped, Last: p.seq, Events: slices.Clone(p.events[p.uploaded:])}
	u.First = u.Last + 1 - uint64(len(u.Events))
	p.uploaded, p.coverage = len(p.events), nil
	return u, at + p.delay
}

// feed uploads everything of some phones.
func feed(t *testing.T, f *Facts, when int64, phones ...*phone) {
	t.Helper()
	for _, p := range phones {
		u, arrived := p.upload(when)
		if err := f.Add(u, arrived); err != nil {
			t.Fatal(err)
		}
	}
}

// window is Monday from 10:00 to 11:00, seen at now.
func window(now int64) Options {
	return Options{From: at(0), To: at(3600), Now: now, Baseline: &Baseline{}}
}

func everything(t *testing.T, f *Facts, o Options) *Estimate {
	t.Helper()
	e := f.Estimate(o).Find(Group{By: Everything})
	if e == nil {
		t.Fatal("there is no estimate of everything")
	}
	return e
}

func wantCount(t *testing.T, e *Estimate, m Measure, want Count) {
	t.Helper()
	if got := e.Covered[m].Count; got != want {
		t.Errorf("%v: %+v, want %+v", m, got, want)
	}
}

// pair is ann and bob, both covered and online from 10:00 for two days, and ann's
// message of 10:01.
func pair() (ann, bob *phone) {
	ann, bob = newPhone("ann"), newPhone("bob")
	for _, p := range []*phone{ann, bob} {
		p.joined(at(1), true).state(at(1), report.Online).covered(at(0), at(2*86400))
	}
	ann.composed(at(60), "m1", 1)
	return ann, bob
}

// §3.2: what becomes of a cell, by the evidence of the member's journal.
func TestOutcomes(t *testing.T) {
	const later = 2 * 86400
	d, l, c, x := Count{Delivered: 1}, Count{Lost: 1}, Count{Censored: 1}, Count{Undecodable: 1}
	none := Count{}
	for _, test := range []struct {
		name string
		play func(ann, bob *phone)
		want [measures]Count
	}{
		{"received at once", func(_, bob *phone) { bob.received(at(62), "m1", "ann") }, [measures]Count{d, d, d, d, d, d}},
		{"received after half a minute", func(_, bob *phone) { bob.received(at(90), "m1", "ann") }, [measures]Count{l, d, d, l, d, d}},
		{"received after an hour", func(_, bob *phone) { bob.received(at(3660), "m1", "ann") }, [measures]Count{l, l, d, l, l, d}},
		{"never received", func(_, _ *phone) {}, [measures]Count{l, l, l, l, l, l}},
		{"not readable", func(_, bob *phone) {
			bob.write(at(63), report.Event{Kind: report.Undecodable, Message: "m1", Code: "undecodable"})
		}, [measures]Count{x, x, x, x, x, x}},
		{"not readable and then repaired", func(_, bob *phone) {
			bob.write(at(63), report.Event{Kind: report.Undecodable, Message: "m1"})
			bob.write(at(75), report.Event{Kind: report.Repaired, Message: "m1", Path: report.ByRepair})
		}, [measures]Count{l, d, d, l, d, d}},
		{"the journal ends after 5 s", func(_, bob *phone) {
			bob.coverage = []report.Span{{From: at(0), To: at(65)}}
		}, [measures]Count{c, c, c, c, c, c}},
		{"the journal ends after 30 s", func(_, bob *phone) {
			bob.coverage = []report.Span{{From: at(0), To: at(90)}}
		}, [measures]Count{l, c, c, l, c, c}},
		{"a crash for two seconds at the wrong time", func(_, bob *phone) {
			bob.coverage = []report.Span{{From: at(0), To: at(62)}, {From: at(64), To: at(later)}}
		}, [measures]Count{c, c, c, c, c, c}},
		{"received after a crash", func(_, bob *phone) {
			bob.coverage = []report.Span{{From: at(0), To: at(62)}, {From: at(100), To: at(later)}}
			bob.received(at(161), "m1", "ann")
		}, [measures]Count{l, l, d, c, c, d}},
		{"suspended, and received on waking up", func(_, bob *phone) {
			bob.state(at(30), report.Suspended)
			bob.coverage = []report.Span{{From: at(0), To: at(30)}, {From: at(1000), To: at(later)}}
			bob.state(at(1000), report.Online).received(at(1001), "m1", "ann")
		}, [measures]Count{l, l, d, none, none, d}},
		{"suspended, and never received", func(_, bob *phone) {
			bob.state(at(30), report.Suspended)
			bob.coverage = []report.Span{{From: at(0), To: at(30)}, {From: at(1000), To: at(later)}}
			bob.state(at(1000), report.Online)
		}, [measures]Count{l, l, l, none, none, l}},
		{"suspended, and not heard of since", func(_, bob *phone) {
			bob.state(at(30), report.Suspended)
			bob.coverage = []report.Span{{From: at(0), To: at(30)}}
		}, [measures]Count{c, c, c, c, c, c}},
		{"offline, and it said so", func(_, bob *phone) { bob.state(at(30), report.Offline) },
			[measures]Count{l, l, l, none, none, none}},
		{"isolated half a minute later", func(_, bob *phone) { bob.state(at(90), report.Isolated) },
			[measures]Count{l, l, l, l, none, l}},
		{"not a member yet", func(_, bob *phone) {
			bob.events[0].At = at(61)
		}, [measures]Count{}},
		{"no member any more", func(_, bob *phone) { bob.joined(at(50), false) }, [measures]Count{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			ann, bob := pair()
			test.play(ann, bob)
			var f Facts
			feed(t, &f, at(later), ann, bob)
			e := everything(t, &f, window(at(later)))
			for _, m := range Measures() {
				wantCount(t, e, m, test.want[m])
			}
		})
	}
}

// A member is a person: any of the devices will do, and all must be known to lack it.
func TestTwoDevicesOfOneMember(t *testing.T) {
	for _, test := range []struct {
		name string
		play func(phone, desk *phone)
		want Count
	}{
		{"one has it", func(p, _ *phone) { p.received(at(61), "m1", "ann") }, Count{Delivered: 1}},
		{"one has it, nothing is known of the other", func(p, q *phone) {
			p.received(at(61), "m1", "ann")
			q.coverage = []report.Span{{From: at(0), To: at(30)}}
		}, Count{Delivered: 1}},
		{"neither has it", func(_, _ *phone) {}, Count{Lost: 1}},
		{"one lacks it, nothing is known of the other", func(_, q *phone) {
			q.coverage = []report.Span{{From: at(0), To: at(30)}}
		}, Count{Censored: 1}},
		{"the other lacks it, nothing is known of the first", func(p, _ *phone) {
			p.coverage = []report.Span{{From: at(0), To: at(30)}}
		}, Count{Censored: 1}},
		{"late, nothing is known of the other", func(p, q *phone) {
			p.received(at(200), "m1", "ann")
			q.coverage = []report.Span{{From: at(0), To: at(30)}}
		}, Count{Censored: 1}},
		{"late on both", func(p, q *phone) {
			p.received(at(200), "m1", "ann")
			q.received(at(300), "m1", "ann")
		}, Count{Lost: 1}},
		{"the other had not reported for a month", func(_, q *phone) {
			q.coverage = []report.Span{{From: at(-30 * 86400), To: at(-29 * 86400)}}
		}, Count{Lost: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			ann, bob := pair()
			desk := newPhone("bob")
			desk.install = "i-desk"
			desk.joined(at(1), true).covered(at(0), at(2*86400))
			test.play(bob, desk)
			var f Facts
			feed(t, &f, at(2*86400), ann, bob, desk)
			wantCount(t, everything(t, &f, window(at(2*86400))), Within60s, test.want)
		})
	}
}

// Numbers that have not come make the time around them unknown; numbers that were
// given up do not, since the device withdraws its claim where that matters.
func TestMissingNumbers(t *testing.T) {
	play := func(dropped bool, upTo int) Count {
		ann, bob := pair()
		bob.write(at(50), report.Event{Kind: report.Lost, Message: "z1"})
		first, arrived := bob.upload(at(55))
		bob.write(at(61), report.Event{Kind: report.Resent, Message: "z2"}) // number 4
		second, arrivedSecond := bob.upload(at(65))
		bob.write(at(70), report.Event{Kind: report.Lost, Message: "z3"}).covered(at(0), at(2*86400))
		if dropped {
			bob.dropped = []report.Range{{First: 4, Last: 4}}
		}
		third, arrivedThird := bob.upload(at(2 * 86400))
		var f Facts
		feed(t, &f, at(2*86400), ann)
		for i, u := range []*report.Upload{first, third, second} {
			if i < upTo {
				if err := f.Add(u, []int64{arrived, arrivedThird, arrivedSecond}[i]); err != nil {
					t.Fatal(err)
				}
			}
		}
		return everything(t, &f, window(at(2*86400))).Covered[Within60s].Count
	}
	if got := play(false, 2); got != (Count{Censored: 1}) {
		t.Errorf("with number 4 on its way: %+v, want censored", got)
	}
	if got := play(false, 3); got != (Count{Lost: 1}) {
		t.Errorf("when it has come: %+v, want lost", got)
	}
	if got := play(true, 2); got != (Count{Lost: 1}) {
		t.Errorf("with number 4 given up: %+v, want lost", got)
	}
}

// The collector may feed a part of a journal and say that it has the rest.
func TestHeldNumbersAreNotMissing(t *testing.T) {
	ann, bob := pair()
	bob.seq = 100 // numbers 3 to 100 are about other channels
	bob.write(at(70), report.Event{Kind: report.Lost, Message: "z"})
	u, arrived := bob.upload(at(2 * 86400))
	u.First = 1
	var f Facts
	feed(t, &f, at(2*86400), ann)
	if err := f.Add(u, arrived); err != nil {
		t.Fatal(err)
	}
	wantCount(t, everything(t, &f, window(at(2*86400))), Within60s, Count{Censored: 1})
	f.Held("i-bob", 1, report.Range{First: 3, Last: 100})
	wantCount(t, everything(t, &f, window(at(2*86400))), Within60s, Count{Lost: 1})
}

// Only messages to many count, and only those of reporting authors.
func TestOnlyMulticastOfReporters(t *testing.T) {
	ann, bob := pair()
	for i, c := range []report.Class{report.Control, report.Ephemeral, report.Direct} {
		ann.write(at(61), report.Event{Kind: report.Composed, Message: fmt.Sprint("x", i), Member: "ann", Class: c})
		bob.write(at(62), report.Event{Kind: report.Received, Message: fmt.Sprint("x", i), Member: "ann", Class: c})
	}
	bob.received(at(70), "m2", "cid")
	bob.write(at(71), report.Event{Kind: report.Received, Message: "m3", Member: "cid", Class: report.Direct})
	var f Facts
	feed(t, &f, at(2*86400), ann, bob)
	e := everything(t, &f, window(at(2*86400)))
	wantCount(t, e, Within60s, Count{Lost: 1})
	if e.Others != 1 {
		t.Errorf("%v messages of others, want 1", e.Others)
	}
}

// A reporting author whose journal has not come: what a receiver tells of its
// message counts, and what nobody got is expected from its habits.
func TestSilentAuthor(t *testing.T) {
	ann, bob := pair()
	ann.coverage = []report.Span{{From: at(0), To: at(1800)}}
	for i := range 30 {
		ann.composed(at(float64(100+50*i)), fmt.Sprint("a", i), 1)
		bob.received(at(float64(101+50*i)), fmt.Sprint("a", i), "ann")
	}
	bob.received(at(62), "m1", "ann")
	var before Facts
	feed(t, &before, at(2*86400), ann, bob)
	e := everything(t, &before, window(at(2*86400)))
	// 31 messages in half an hour, and none of bob in two days: fewer than 31 in the
	// other half.
	if s := e.Covered[Within60s].Silent.Mean; s < 10 || s > 31 {
		t.Errorf("%v silent cells, want from 10 to 31", s)
	}
	if b := e.Covered[Within60s].Bounds; b.Low > 0.65 || b.High != 1 {
		t.Errorf("bounds %v, want from below 0.65", b)
	}
	bob.write(at(2000), report.Event{Kind: report.Received, Message: "b1", Member: "ann", Class: report.Multicast, Sent: at(1999)})
	bob.covered(at(0), at(2*86400))
	feed(t, &before, at(2*86400), bob)
	after := everything(t, &before, window(at(2*86400)))
	if got, want := after.Covered[Within60s].Silent.Mean, e.Covered[Within60s].Silent.Mean-1; got < want-1e-9 || got > want+1e-9 {
		t.Errorf("%v silent cells after one was heard, want %v", got, want)
	}
	if after.Covered[Within60s].Delivered != e.Covered[Within60s].Delivered+1 {
		t.Error("the message that was heard is not counted")
	}
	ann.covered(at(1800), at(2*86400))
	feed(t, &before, at(2*86400), ann)
	if s := everything(t, &before, window(at(2*86400))).Covered[Within60s].Silent; s != (Moments{}) {
		t.Errorf("%+v silent cells when the journal has come", s)
	}
}

// Nothing is expected after a goodbye.
func TestGoodbye(t *testing.T) {
	ann, bob := pair()
	ann.coverage = []report.Span{{From: at(0), To: at(1800)}}
	ann.state(at(1800), report.Goodbye)
	var f Facts
	feed(t, &f, at(1801), ann)
	feed(t, &f, at(2*86400), bob)
	if s := everything(t, &f, window(at(2*86400))).Covered[Within60s].Silent; s != (Moments{}) {
		t.Errorf("%+v silent cells after a goodbye", s)
	}
}

// A clock that is wrong by five minutes makes no loss of a delivery, and no delivery
// of a loss.
func TestSkewedClocks(t *testing.T) {
	for _, skew := range []time.Duration{-5 * time.Minute, -time.Minute, 0, 3 * time.Minute, 5 * time.Minute} {
		for _, other := range []time.Duration{-5 * time.Minute, 0, 5 * time.Minute} {
			ann, bob := newPhone("ann"), newPhone("bob")
			ann.skew, bob.skew = skew.Milliseconds(), other.Milliseconds()
			for _, p := range []*phone{ann, bob} {
				p.joined(at(1), true).state(at(1), report.Online).covered(at(0), at(2*86400))
			}
			ann.composed(at(60), "m1", 1).composed(at(120), "m2", 1).composed(at(180), "m3", 1)
			bob.received(at(61), "m1", "ann").received(at(140), "m2", "ann")
			var f Facts
			feed(t, &f, at(2*86400), ann, bob)
			e := everything(t, &f, window(at(2*86400)))
			wantCount(t, e, Within10s, Count{Delivered: 1, Lost: 2})
			wantCount(t, e, Within60s, Count{Delivered: 2, Lost: 1})
		}
	}
}

// A clock that is wrong by hours tells no latency, and still who has what.
func TestWrongClock(t *testing.T) {
	ann, _ := pair()
	bob := newPhone("bob")
	bob.skew = 3 * hour
	bob.joined(at(1), true).covered(at(0), at(2*86400))
	bob.received(at(61), "m1", "ann")
	var f Facts
	feed(t, &f, at(2*86400), ann, bob)
	r := f.Estimate(window(at(2 * 86400)))
	e := r.Find(Group{By: Everything})
	wantCount(t, e, Within10s, Count{Censored: 1})
	wantCount(t, e, Within24h, Count{Delivered: 1})
	if e.Latency.Cases != 0 {
		t.Errorf("%v cases in the latency curve, want none", e.Latency.Cases)
	}
	if r.Trust.Skewed != 1 {
		t.Errorf("%d skewed devices, want 1", r.Trust.Skewed)
	}
}

// A time service's answer is taken where it fits the arrival.
func TestTimeService(t *testing.T) {
	ann, _ := pair()
	bob := newPhone("bob")
	bob.skew, bob.delay = 3*hour, 30_000
	bob.joined(at(1), true).covered(at(0), at(2*86400)).received(at(61), "m1", "ann")
	u, arrived := bob.upload(at(2 * 86400))
	offset := -bob.skew
	u.Clock.Offset = &offset
	var f Facts
	feed(t, &f, at(2*86400), ann)
	if err := f.Add(u, arrived); err != nil {
		t.Fatal(err)
	}
	wantCount(t, everything(t, &f, window(at(2*86400))), Within10s, Count{Delivered: 1})
}

// The shortest of several requests tells the offset.
func TestClockTakesTheShortestRequest(t *testing.T) {
	c := newClock([]sample{{sent: 1000, arrived: 1000 + 7000}, {sent: 60_000, arrived: 60_000 + 5200}, {sent: 120_000, arrived: 120_000 + 6000}})
	for _, sent := range []int64{500, 1000, 60_000, 200_000} {
		if at, wrong := c.correct(sent); at != sent+5200 || wrong != 1000 {
			t.Errorf("%d is corrected to %d ± %d, want %d", sent, at, wrong, sent+5200)
		}
	}
}

// A phantom is a message that is named and that nobody wrote or got, as far as is
// known.
func TestPhantoms(t *testing.T) {
	ann, bob := pair()
	ann.coverage = []report.Span{{From: at(0), To: at(1000)}}
	bob.write(at(1500), report.Event{Kind: report.Missing, Message: "p1", Member: "ann"})
	bob.write(at(1501), report.Event{Kind: report.Missing, Message: "p2", Member: "cid"})
	bob.write(at(1502), report.Event{Kind: report.Missing, Message: "m9", Member: "cid"})
	bob.received(at(1503), "m9", "cid")
	var f Facts
	feed(t, &f, at(2*86400), ann, bob)
	r := f.Estimate(window(at(2 * 86400)))
	if len(r.Phantoms) != 2 || r.Phantoms[0].Message != "p1" || !r.Phantoms[0].Counted || r.Phantoms[1].Message != "p2" || r.Phantoms[1].Counted {
		t.Errorf("phantoms %+v, want p1 of a reporter and p2 of another", r.Phantoms)
	}
	// m1 and p1 are cells that bob lacks.
	wantCount(t, r.Find(Group{By: Everything}), Within60s, Count{Lost: 2})
}

// Departure needs a proof; only what was never handed over certainly did not leave.
func TestDeparture(t *testing.T) {
	ann, bob := pair()
	for i, play := range []func(m string){
		func(m string) { bob.received(at(200), m, "ann") },
		func(m string) { ann.write(at(200), report.Event{Kind: report.Stored, Message: m, Answer: "yes"}) },
		func(m string) { ann.write(at(200), report.Event{Kind: report.Acknowledged, Message: m, Count: 1}) },
		func(m string) { ann.write(at(200), report.Event{Kind: report.Handed, Message: m}) },
		func(m string) { ann.write(at(200), report.Event{Kind: report.Stored, Message: m, Answer: "no"}) },
		func(m string) { ann.write(at(200), report.Event{Kind: report.Stored, Message: m, Answer: "unknown"}) },
	} {
		m := fmt.Sprint("d", i)
		ann.composed(at(100), m, 1)
		play(m)
	}
	var f Facts
	feed(t, &f, at(2*86400), ann, bob)
	e := everything(t, &f, window(at(2*86400)))
	// d0 to d2 of 7 left; d4, d5 and m1 were never handed over.
	near(t, "low", e.Departure.Low, 3.0/7, 1e-9)
	near(t, "high", e.Departure.High, 4.0/7, 1e-9)
	if e.Funnel.Acked != 1 || e.Funnel.Stored != 1 || e.Funnel.Refused != 1 || e.Funnel.Handed != 1 {
		t.Errorf("funnel %+v", e.Funnel)
	}
}

// The cells are counted in the groups that they belong to.
func TestGroups(t *testing.T) {
	ann, bob := pair()
	bob.like = report.Device{App: "2.0", Platform: report.Linux, Mode: report.Relay, Protocol: "causeway", ProtocolVersion: "1"}
	cid := newPhone("cid")
	cid.joined(at(1), true).covered(at(0), at(2*86400)).received(at(61), "m1", "ann")
	var f Facts
	feed(t, &f, at(2*86400), ann, bob, cid)
	r := f.Estimate(window(at(2 * 86400)))
	for _, c := range []struct {
		g    Group
		want Count
	}{
		{Group{Everything, ""}, Count{Delivered: 1, Lost: 1}},
		{Group{ByTopic, "/t/1/tea/proto"}, Count{Delivered: 1, Lost: 1}},
		{Group{ByChannel, "tea"}, Count{Delivered: 1, Lost: 1}},
		{Group{ByShard, "/waku/2/rs/16/32"}, Count{Delivered: 1, Lost: 1}},
		{Group{ByChannelSize, "2–9"}, Count{Delivered: 1, Lost: 1}},
		{Group{ByHour, "2026-01-05T10Z"}, Count{Delivered: 1, Lost: 1}},
		{Group{ByDay, "2026-01-05"}, Count{Delivered: 1, Lost: 1}},
		{Group{ByForm, "desktop"}, Count{Lost: 1}},
		{Group{ByForm, "mobile"}, Count{Delivered: 1}},
		{Group{ByPlatform, "linux"}, Count{Lost: 1}},
		{Group{ByMode, "relay"}, Count{Lost: 1}},
		{Group{ByMode, "light"}, Count{Delivered: 1}},
		{Group{ByApp, "2.0"}, Count{Lost: 1}},
		{Group{ByProtocol, "sds"}, Count{Delivered: 1}},
		{Group{ByProtocol, "mixed"}, Count{Lost: 1}},
	} {
		e := r.Find(c.g)
		if e == nil {
			t.Errorf("%v: no estimate", c.g)
			continue
		}
		if got := e.Covered[Within60s].Count; got != c.want {
			t.Errorf("%v: %+v, want %+v", c.g, got, c.want)
		}
	}
}

// A message in detail.
func TestStory(t *testing.T) {
	ann, bob := pair()
	bob.received(at(63), "m1", "ann")
	var f Facts
	feed(t, &f, at(2*86400), ann, bob)
	s, ok := f.Story("tea", "m1", window(at(2*86400)))
	if !ok || s.Author != "ann" || s.Composed != at(60)+100 || len(s.Members) != 1 {
		t.Fatalf("story %+v, %v", s, ok)
	}
	if m := s.Members[0]; m.Member != "bob" || m.Latency != 3000 || m.Outcomes[Within10s] != Delivered || m.Path != report.ByRelay {
		t.Errorf("bob: %+v", m)
	}
	if _, ok := f.Story("tea", "m2", window(at(2*86400))); ok {
		t.Error("there is a story of a message that does not exist")
	}
	if _, ok := f.Story("", "", window(at(2*86400))); ok {
		t.Error("there is a story of nothing")
	}
}

func TestAddRefuses(t *testing.T) {
	good := func() *report.Upload {
		u, _ := newPhone("ann").composed(at(1), "m", 1).covered(at(0), at(9)).upload(at(9))
		return u
	}
	for name, spoil := range map[string]func(*report.Upload){
		"schema":      func(u *report.Upload) { u.Schema = 2 },
		"install":     func(u *report.Upload) { u.Install = "" },
		"last":        func(u *report.Upload) { u.Last = u.First - 1 },
		"seq":         func(u *report.Upload) { u.Events[0].Seq = 7 },
		"at":          func(u *report.Upload) { u.Events[0].At = -1 },
		"coverage":    func(u *report.Upload) { u.Coverage[0].To = u.Coverage[0].From - 1 },
		"clock":       func(u *report.Upload) { u.Clock.Sent = 1 << 60 },
		"many ranges": func(u *report.Upload) { u.Dropped = make([]report.Range, maxRanges+1) },
	} {
		var f Facts
		u := good()
		if err := f.Add(u, at(9)); err != nil {
			t.Fatal(err)
		}
		u = good()
		u.Install = "other"
		spoil(u)
		if err := f.Add(u, at(9)); err == nil {
			t.Errorf("%s: no error", name)
		}
		if len(f.installs) != 1 {
			t.Errorf("%s: something of the upload counts", name)
		}
	}
	var f Facts
	if f.Add(nil, 0) == nil {
		t.Error("nil: no error")
	}
}
