package crowd

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sim/trace"
)

// Each of these would pass with a constant in place of what it is about only if
// the constant were different every time.

func TestLossDecidesWhatIsMissed(t *testing.T) {
	before := -1
	for _, loss := range []float64{0, 0.05, 0.2} {
		sc := small(100, loss)
		sc.Load.Rate = 1
		r := run(t, sc)
		near(t, "missed", r.Missed, r.Messages*99, loss)
		if r.Missed <= before || r.MissedDetected != r.Missed || !r.Consistent || r.Unrepaired != 0 {
			t.Errorf("at %v: missed %d, detected %d, unrepaired %d", loss, r.Missed, r.MissedDetected, r.Unrepaired)
		}
		before = r.Missed
		if loss > 0 && (r.Detect.P50 < 260 || r.Repair.P50 == 0 || r.RepairsPerIncident == 0 || r.RepairsMax == 0) {
			t.Errorf("at %v: %+v", loss, r)
		}
		if r.Fairness < 1 || r.Fairness > 100 {
			t.Errorf("fairness is %v", r.Fairness)
		}
	}
}

func TestLoadDecidesWhatIsWritten(t *testing.T) {
	sc := small(10, 0)
	r := run(t, sc)
	sc.Load.Rate, sc.Load.Content = 2, 1000
	more := run(t, sc)
	if more.Messages < 2*r.Messages || r.Bytes.Content != 100*int64(r.Messages) || more.Bytes.Content != 1000*int64(more.Messages) {
		t.Errorf("%d messages with %d bytes, %d with %d", r.Messages, r.Bytes.Content, more.Messages, more.Bytes.Content)
	}
	if r.Seed != 1 || r.Members != 10 || r.Policy != Causeway || r.VirtualSeconds != 180 || r.WallSeconds <= 0 {
		t.Errorf("%+v", r)
	}
	if want := float64(r.Bytes.Content+r.Bytes.Control) * 10 * 5.4; math.Abs(r.Bytes.Mesh-want) > 1 {
		t.Errorf("the mesh carries %v bytes, want %v", r.Bytes.Mesh, want)
	}
}

func TestDelayDecidesWhenItComes(t *testing.T) {
	sc := small(10, 0)
	for _, d := range []time.Duration{50 * time.Millisecond, 2 * time.Second} {
		sc.Network.Delay = Delay{Min: d, Max: d}
		r := run(t, sc)
		if r.Consistency.P50 != ms(d) || r.AckFirst.P50 < 2*ms(d) {
			t.Errorf("delay %v: consistency %+v, acknowledged %+v", d, r.Consistency, r.AckFirst)
		}
	}
}

func TestIdleBytes(t *testing.T) {
	sc := small(5, 0)
	if r := run(t, sc); r.Bytes.IdlePerSecond != nil {
		t.Errorf("idle for %v s, and %v bytes per second", r.VirtualSeconds, *r.Bytes.IdlePerSecond)
	}
	w := &witness{}
	sc.Tail, sc.Workers, sc.Kinds = 2*time.Hour+time.Minute, 1, map[Kind]Constructor{Ours: w.seat}
	r := run(t, sc)
	if r.Bytes.IdlePerSecond == nil {
		t.Fatal("idle bytes are missing")
	}
	last, idle := int64(0), 0
	for _, e := range w.log {
		if e.sent != nil {
			last = max(last, e.at)
		}
	}
	for _, e := range w.log {
		if e.at >= last+3_600_000 && e.at < last+7_200_000 {
			for _, p := range e.out.Packets {
				idle += len(p.Payload)
			}
		}
	}
	if got, want := *r.Bytes.IdlePerSecond, float64(idle)/3600; got != want || got == 0 {
		t.Errorf("%v bytes per second, the witness says %v", got, want)
	}
}

// Members that are cut off without knowing it miss what the others say and are
// heard when they are back.
func TestCutOff(t *testing.T) {
	sc := small(20, 0)
	sc.Faults = []Fault{{Kind: FaultCut, From: 20 * time.Second, Until: 40 * time.Second, Members: []int{1, 2, 3}}}
	r := run(t, sc)
	if r.Missed == 0 || r.MissedDetected != r.Missed || !r.Consistent || r.Unheard == 0 {
		t.Errorf("missed %d, detected %d, consistent %v, %d not heard", r.Missed, r.MissedDetected, r.Consistent, r.Unheard)
	}
	// Offline and aware of it, they miss nothing, and are consistent afterwards too.
	sc.Faults[0].Kind = FaultOffline
	r = run(t, sc)
	if r.Missed != 0 || !r.Consistent || r.Copies.Away == 0 || r.Unheard != 0 {
		t.Errorf("missed %d, consistent %v, %d away, %d not heard", r.Missed, r.Consistent, r.Copies.Away, r.Unheard)
	}
	sc.Faults[0].Until = 0 // never back: the others are consistent without them
	if r = run(t, sc); !r.Consistent || r.Undelivered != 0 {
		t.Errorf("consistent %v, undelivered %d", r.Consistent, r.Undelivered)
	}
}

func TestPartitionHeals(t *testing.T) {
	sc := small(20, 0)
	sc.Faults = []Fault{{Kind: FaultPartition, From: 20 * time.Second, Until: 40 * time.Second}}
	r := run(t, sc)
	if r.Missed == 0 || !r.Consistent || r.Unrepaired != 0 {
		t.Errorf("missed %d, consistent %v", r.Missed, r.Consistent)
	}
	sc.Faults[0].Until = 0
	if r = run(t, sc); r.Consistent || r.Unrepaired == 0 || r.Missed == r.MissedDetected {
		t.Errorf("apart for good: consistent %v, %d unrepaired, detected %d of %d", r.Consistent, r.Unrepaired, r.MissedDetected, r.Missed)
	}
}

func TestRestartsKeepEverything(t *testing.T) {
	sc := small(20, 0.2)
	for at := 5 * time.Second; at < time.Minute; at += 5 * time.Second {
		sc.Faults = append(sc.Faults, Fault{Kind: FaultRestart, From: at, Share: 0.5})
	}
	restarts := 0
	sc.Workers = 1
	sc.Kinds = map[Kind]Constructor{Ours: func(seat Seat, sc *Scenario, now sds.Time) (Participant, error) {
		o, err := openOurs(seat, sc, now)
		if !seat.Restarts {
			t.Errorf("member %d does not know that it will restart", seat.Index)
		}
		return &counted{o, &restarts}, err
	}}
	r := run(t, sc)
	if restarts != 11*10 || !r.Consistent || r.FalseAcks != 0 || r.Undelivered != 0 {
		t.Errorf("%d restarts, consistent %v, %d undelivered", restarts, r.Consistent, r.Undelivered)
	}
}

type counted struct {
	*ours
	n *int
}

func (c *counted) Restart(now sds.Time, stored func(sds.MessageID) []byte) error {
	*c.n++
	return c.ours.Restart(now, stored)
}

func TestClockSkew(t *testing.T) {
	sc := small(50, 0.1)
	sc.ClockSkew = 5 * time.Second
	least, most := time.Hour, -time.Hour
	sc.Workers = 1
	sc.Kinds = map[Kind]Constructor{Ours: func(seat Seat, sc *Scenario, now sds.Time) (Participant, error) {
		least, most = min(least, now.Sub(start)), max(most, now.Sub(start))
		return NewOurs(seat, sc, now)
	}}
	r := run(t, sc)
	if least < -5*time.Second || least > -4*time.Second || most > 5*time.Second || most < 4*time.Second {
		t.Errorf("clocks are off by %v to %v", least, most)
	}
	if !r.Consistent || r.FalseAcks != 0 {
		t.Errorf("consistent %v", r.Consistent)
	}
}

func TestVerdictsFollowTheTruth(t *testing.T) {
	for _, away := range []float64{0, 0.25} {
		sc := Scenario{Members: 100, Seed: 1, Network: Network{Loss: 0.02},
			Load: Load{Rate: 0.1, Duration: 5 * time.Minute, Asked: 1}}
		if away > 0 {
			sc.Faults = []Fault{{Kind: FaultOffline, Share: away}}
		}
		r := run(t, sc)
		v := r.Verdicts
		if v.Asked != r.Messages || v.Right < v.Asked*9/10 || v.P95Ms > 11_000 || v.P95Ms < 500 {
			t.Errorf("%.0f %% away: %+v of %d", 100*away, v, r.Messages)
		}
	}
	// Who never answers is wrong outside the zone between.
	sc := small(10, 0)
	sc.Load.Asked = 1
	sc.Kinds = map[Kind]Constructor{Ours: func(seat Seat, sc *Scenario, now sds.Time) (Participant, error) {
		o, err := openOurs(seat, sc, now)
		return deaf{o}, err
	}}
	if v := run(t, sc).Verdicts; v.Asked == 0 || v.Right != 0 || v.Undecided != v.Asked {
		t.Errorf("without receipts: %+v", v)
	}
}

// deaf never tells of a receipt.
type deaf struct{ *ours }

func (d deaf) Drain(now sds.Time, out *Outputs) bool {
	any := d.ours.Drain(now, out)
	out.Receipts = nil
	return any
}

// Members of different kinds are told apart.
func TestByKind(t *testing.T) {
	sc := small(40, 0.1)
	sc.Mix = Mix{Light: 0.5, Stewards: 2}
	sc.Network.Service.Loss = 0.3
	r := run(t, sc)
	if len(r.ByKind) != 3 || r.ByKind[Light].Members != 20 || r.ByKind[Ours].Members != 18 || r.ByKind[Steward].Members != 2 {
		t.Fatalf("kinds: %+v", r.ByKind)
	}
	missed := 0
	for _, k := range r.ByKind {
		missed += k.Missed
	}
	light, ours := r.ByKind[Light], r.ByKind[Ours]
	if missed != r.Missed || float64(light.Missed)/20 < 1.5*float64(ours.Missed)/18 {
		t.Errorf("light members missed %d, others %d, of %d", light.Missed, ours.Missed, r.Missed)
	}
	if !r.Consistent || light.Consistency.P50 <= ours.Consistency.P50 {
		t.Errorf("consistency %v and %v", light.Consistency, ours.Consistency)
	}
}

func TestCurves(t *testing.T) {
	sc := small(50, 0.2)
	r := run(t, sc)
	for name, c := range map[string]Curve{"detect": r.Curves.Detect, "repair": r.Curves.Repair, "first": r.Curves.AckFirst,
		"wanted": r.Curves.AckWanted, "consistency": r.Curves.Consistency} {
		if len(c) == 0 || len(c) > maxPoints || c[len(c)-1].Share != 1 {
			t.Errorf("%s has %d points", name, len(c))
			continue
		}
		for i := 1; i < len(c); i++ {
			if c[i].Ms <= c[i-1].Ms || c[i].Share <= c[i-1].Share {
				t.Errorf("%s goes from %v to %v", name, c[i-1], c[i])
			}
		}
	}
	if last := r.Curves.Detect[len(r.Curves.Detect)-1].Ms; last != r.Detect.Max {
		t.Errorf("the curve ends at %v, the distribution at %v", last, r.Detect.Max)
	}
	var h histogram // half of the cases never happen
	for i := range int64(100) {
		h.add(i * 1000)
		h.addNever(5)
	}
	if c := h.curve(); c[len(c)-1] != (Point{99_000, 0.5}) {
		t.Errorf("ends at %v", c[len(c)-1])
	}
	if d := h.distribution(); d.Count != 200 || d.Never != 100 || d.P50 != 5 || d.Max != 99_000 {
		t.Errorf("%+v", d)
	}
}

func TestRosterOrNone(t *testing.T) {
	sc := small(10, 0.05)
	rosters := 0
	count := func(seat Seat, sc *Scenario, now sds.Time) (Participant, error) {
		if seat.Roster != nil {
			rosters++
		}
		return NewOurs(seat, sc, now)
	}
	sc.Workers, sc.Kinds = 1, map[Kind]Constructor{Ours: count}
	with := run(t, sc)
	sc.NoRoster = true
	without := run(t, sc)
	if rosters != 10 || !with.Consistent || !without.Consistent || text(t, with) == text(t, without) {
		t.Errorf("%d rosters", rosters)
	}
}

func TestClassic(t *testing.T) {
	sc := small(30, 0.1)
	sc.Policy = ClassicPolicy
	sc.Tail = 10 * time.Minute
	r := run(t, sc)
	if r.Policy != ClassicPolicy || r.Messages < 20 || r.Missed == 0 || r.AckFirst.Count != r.Messages || r.AckFirst.Never > 0 {
		t.Errorf("%+v", r)
	}
	// A filter in every message, and syncs by the clock.
	if r.Bytes.ControlInMessageP50 < 18_752 || r.Bytes.Packets["sync"] < 100 {
		t.Errorf("%v bytes in a message, %d syncs", r.Bytes.ControlInMessageP50, r.Bytes.Packets["sync"])
	}
	sc.Policy = Causeway
	ours := run(t, sc)
	if ours.Messages != r.Messages || ours.Bytes.Content != r.Bytes.Content || ours.Repair.P50 >= r.Repair.P50 {
		t.Errorf("ours: %d messages, %d bytes, repaired in %v; classic %d, %d, %v", ours.Messages, ours.Bytes.Content,
			ours.Repair.P50, r.Messages, r.Bytes.Content, r.Repair.P50)
	}
}

func TestHalfLegacy(t *testing.T) {
	for _, flavour := range []string{"js", "nim"} {
		sc := small(20, 0.05)
		sc.Mix = Mix{Classic: 0.5, Flavour: flavour}
		sc.Tail = 10 * time.Minute
		r := run(t, sc)
		ours, theirs := r.ByKind[Ours], r.ByKind[Classic]
		if ours.Members != 10 || theirs.Members != 10 || !r.Consistent || !ours.Consistent {
			t.Errorf("%s: %+v", flavour, r.ByKind)
		}
		if theirs.AckFirst.Count == 0 || theirs.Consistency.Count == 0 || ours.AckFirst.Count == 0 {
			t.Errorf("%s: %+v", flavour, r.ByKind)
		}
		sc.Mix.Classic, sc.Policy = 0, ClassicPolicy
		alone := run(t, sc)
		if flavour == "nim" != (alone.Bytes.Packets["sync"] == 0) { // only JavaScript has any
			t.Errorf("%s: %v", flavour, alone.Bytes.Packets)
		}
	}
}

// What a member missed counts from when it joined, and anew when it joins again.
func TestJoinersMissFromThenOn(t *testing.T) {
	var events []trace.Event
	at := func(s int, kind trace.Kind, member int) {
		events = append(events, trace.Event{At: time.Duration(s) * time.Second, Kind: kind, Member: member, Text: "hello"})
	}
	for s := range 40 {
		if s == 20 || s == 30 {
			at(s, trace.Join, 1)
		}
		at(s, trace.Message, 0)
	}
	at(60, trace.Message, 1)
	w := &witness{}
	sc := Scenario{Members: 2, Seed: 3, Network: Network{Loss: 0.5}, Load: Load{Trace: &trace.Trace{Events: events}},
		Workers: 1, Kinds: map[Kind]Constructor{Ours: w.seat}}
	r := run(t, sc)
	// Count for member 1: messages after its last join whose content did not come.
	came := map[sds.MessageID]bool{}
	for _, e := range w.log {
		if e.packet != nil && e.member == 1 && e.packet.Class == sds.ClassContent {
			came[e.packet.Message.MessageID] = true
		}
	}
	missed, before := 0, 0
	for _, e := range w.log {
		if e.sent == nil || e.member != 0 || came[e.sent.id] {
			continue
		}
		if e.at >= 30_000 {
			missed++
		} else {
			before++
		}
	}
	// The second join forgets what was not there yet of the first, not what was.
	if got := r.Missed - lostOf(w, 1, 0); before < 5 || got < missed || got > missed+10 {
		t.Errorf("missed %d, at least %d; %d before", got, missed, before)
	}
	if !r.Consistent || r.Unrepaired > 0 || r.MissedDetected != r.Missed {
		t.Errorf("consistent %v, unrepaired %d, detected %d of %d", r.Consistent, r.Unrepaired, r.MissedDetected, r.Missed)
	}
	sh := &shard{tallies: map[Kind]*tally{}}
	sh.tally(Ours).missed, sh.tally(Ours).detected = 5, 3
	m := &member{kind: Ours, missing: map[int32]int64{1: -1, 2: 7, 3: -1}}
	if sh.rejoined(m); sh.tally(Ours).missed != 2 || sh.tally(Ours).detected != 2 || len(m.missing) != 0 {
		t.Errorf("%+v, %v", sh.tally(Ours), m.missing)
	}
}

// lostOf counts messages of one member whose content did not come to another.
func lostOf(w *witness, from, to int) int {
	sent, came := 0, 0
	for _, e := range w.log {
		if e.sent != nil && e.member == from {
			sent++
		}
		if e.packet != nil && e.member == to && e.packet.Class == sds.ClassContent && e.packet.Message.SenderID == memberID(from) {
			came++
		}
	}
	return sent - came
}

// Who came back a moment before the end is not blamed for what it lacks.
func TestBackAMomentAgo(t *testing.T) {
	sc := small(10, 0)
	sc.Tail = 400 * time.Millisecond // nobody has heard it yet
	sc.Faults = []Fault{{Kind: FaultOffline, From: 20 * time.Second, Until: time.Minute, Members: []int{4}}}
	r := run(t, sc)
	if !r.Consistent || r.Unrepaired != 0 || r.Copies.Away == 0 {
		t.Errorf("consistent %v, %d unrepaired, %d undelivered", r.Consistent, r.Unrepaired, r.Undelivered)
	}
	// Cut off instead, it was there all the time, as far as it knows.
	sc.Faults[0].Kind = FaultCut
	if r = run(t, sc); r.Consistent || r.Unrepaired == 0 {
		t.Errorf("consistent %v, %d unrepaired", r.Consistent, r.Unrepaired)
	}
}

// punctual complains of a Tick before or after the time that it asked for.
type punctual struct {
	*ours
	t *testing.T
}

func (p *punctual) Tick(now sds.Time) {
	at, ok := p.ours.Deadline()
	if !ok || now < at || now > at+1 {
		p.t.Errorf("ticked at %d, the deadline is %d, %v", now, at, ok)
	}
	p.ours.Tick(now)
}

func TestTicksAreOnTime(t *testing.T) {
	sc := small(10, 0.1)
	sc.ClockSkew = 20 * time.Second
	sc.Kinds = map[Kind]Constructor{Ours: func(seat Seat, sc *Scenario, now sds.Time) (Participant, error) {
		o, err := openOurs(seat, sc, now)
		return &punctual{o, t}, err
	}}
	run(t, sc)
}

// restless always has something to do at once.
type restless struct{ *ours }

func (r restless) Deadline() (sds.Time, bool) { return start, true }

func TestNobodyStopsTheTime(t *testing.T) {
	sc := Scenario{Members: 2, Load: Load{Rate: 1, Duration: 2 * time.Second}, Tail: time.Second}
	sc.Kinds = map[Kind]Constructor{Ours: func(seat Seat, sc *Scenario, now sds.Time) (Participant, error) {
		o, err := openOurs(seat, sc, now)
		return restless{o}, err
	}}
	if r := run(t, sc); r.VirtualSeconds != 3 {
		t.Errorf("%v s", r.VirtualSeconds)
	}
}

// Within a window the truth is that of the very moment.
func TestTruthWithinAWindow(t *testing.T) {
	sc := small(130, 0).withDefaults()
	e, err := newEngine(&sc)
	if err != nil {
		t.Fatal(err)
	}
	w := newMessage(e, 0, "m", &e.members[0], 0, 100)
	w.holders = 3 // before the window
	for i, at := range map[int]int64{5: 1000, 70: 1100, 71: 1200} {
		w.has[i/64] |= 1 << (i % 64)
		sh := e.shardOf(i)
		sh.held = append(sh.held, held{at, w, i})
		slices.SortFunc(sh.held, func(a, b held) int { return a.member - b.member })
	}
	w.has[100/64] |= 1 << (100 % 64) // long ago
	for _, test := range []struct {
		member int
		at     int64
		had    bool
	}{{5, 999, false}, {5, 1000, true}, {70, 1099, false}, {70, 1100, true}, {71, 1199, false}, {100, 900, true}, {101, 5000, false}} {
		if had := e.hadBy(w, test.member, test.at); had != test.had {
			t.Errorf("member %d at %d: %v", test.member, test.at, had)
		}
	}
	for at, want := range map[int64]int{999: 3, 1000: 4, 1150: 5, 1200: 6} {
		if n := e.holdersAt(w, at); n != want {
			t.Errorf("at %d: %d, want %d", at, n, want)
		}
	}
}
