package crowd

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sim/trace"
)

func planOf(t *testing.T, sc Scenario) *plan {
	t.Helper()
	sc = sc.withDefaults()
	if err := sc.check(); err != nil {
		t.Fatal(err)
	}
	return newPlan(&sc)
}

func TestPoissonLoad(t *testing.T) {
	sc := Scenario{Members: 100, Seed: 4, Load: Load{Rate: 2, Duration: time.Hour, Content: 250, Asked: 0.2, Everyone: 0.3}}
	p := planOf(t, sc)
	if n := float64(len(p.sends)); math.Abs(n-7200) > 5*math.Sqrt(7200) {
		t.Errorf("%v messages, want about 7,200", n)
	}
	short, wants, senders := 0, map[wantKind]int{}, map[int]bool{}
	contents := map[string]bool{}
	for i, s := range p.sends {
		if i > 0 && s.at-p.sends[i-1].at < 500 {
			short++
		}
		wants[s.want]++
		senders[s.member] = true
		content := p.contentOf(i)
		if len(content) != 250 || contents[string(content)] {
			t.Fatalf("message %d has %d bytes or was said before", i, len(content))
		}
		contents[string(content)] = true
	}
	n := len(p.sends)
	near(t, "pauses below the mean", short, n-1, 1-math.Exp(-1))
	near(t, "asked", wants[wantVerdict], n, 0.2)
	near(t, "everyone", wants[wantEveryone], n, 0.3)
	if len(senders) != 100 {
		t.Errorf("%d senders", len(senders))
	}
	sc.Load.Senders = 7
	senders = map[int]bool{}
	for _, s := range planOf(t, sc).sends {
		senders[s.member] = true
	}
	if len(senders) != 7 {
		t.Errorf("%d senders, want 7", len(senders))
	}
}

func TestBurstsOfLoad(t *testing.T) {
	sc := Scenario{Members: 100, Seed: 4, Load: Load{Rate: 1, Duration: time.Hour, BurstSize: 10, BurstSpread: 2 * time.Second}}
	p := planOf(t, sc)
	if n := float64(len(p.sends)); math.Abs(n-3600) > 5*10*math.Sqrt(360) || int(n)%10 != 0 {
		t.Errorf("%v messages, want about 3,600 in tens", n)
	}
	close := 0
	for i, s := range p.sends[1:] {
		if s.at-p.sends[i].at < 1000 {
			close++
		}
	}
	if share := float64(close) / float64(len(p.sends)); share < 0.8 { // 0.63 without bursts
		t.Errorf("%.2f of the messages follow within a second", share)
	}
}

const conversation = `{"t": 0, "event": "msg", "member": 3, "bytes": 5, "text": "hello"}
{"t": 10, "event": "join", "member": 7}
{"t": 20, "event": "msg", "member": 7, "bytes": 2}
{"t": 30, "event": "leave", "member": 3}
{"t": 40, "event": "msg", "member": 9, "bytes": 40}
{"t": 50, "event": "join", "member": 3}
{"t": 60, "event": "leave", "member": 9}
{"t": 70, "event": "msg", "member": 3, "bytes": 8}
{"t": 80, "event": "msg", "member": 9, "bytes": 8}
`

func talk(t *testing.T) *trace.Trace {
	t.Helper()
	tr, err := trace.Read(strings.NewReader(conversation), "conversation")
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestTracePlan(t *testing.T) {
	p := planOf(t, Scenario{Members: 5, Seed: 4, Load: Load{Trace: talk(t)}})
	if len(p.sends) != 5 || p.end != 200_000 || p.lastSend != 80_000 {
		t.Errorf("%d messages, the last at %d ms of %d", len(p.sends), p.lastSend, p.end)
	}
	if got := string(p.contentOf(0)); got != "hello" {
		t.Errorf("the first says %q", got)
	}
	if got := string(p.contentOf(2)); len(got) != 40 {
		t.Errorf("the third says %q", got)
	}
	// 3, 7 and 9 are members 0, 1 and 2; 3 and 4 listen.
	absent := []spans{{{30_000, 50_000}}, {{0, 10_000}}, {{60_000, 80_000}}, nil, nil}
	for i, want := range absent {
		if got := p.members[i].absent; !slices.Equal(got, want) {
			t.Errorf("member %d is away %v, want %v", i, got, want)
		}
	}
	kinds := func(i int) (k []actionKind) {
		for _, a := range p.members[i].actions {
			k = append(k, a.kind)
		}
		return k
	}
	for i, want := range [][]actionKind{
		{actSend, actOffline, actJoin, actOnline, actSend},
		{actOffline, actJoin, actOnline, actSend},
		{actSend, actOffline, actOnline, actSend},
	} {
		if got := kinds(i); !slices.Equal(got, want) {
			t.Errorf("member %d does %v, want %v", i, got, want)
		}
	}
	if p.members[1].begins != 10_000 || p.members[0].begins != 0 {
		t.Errorf("they begin at %d and %d", p.members[1].begins, p.members[0].begins)
	}
}

func TestTraceRun(t *testing.T) {
	// Who joins knows nothing of before, who left gets what was said meanwhile only if
	// it did not join anew.
	w := &witness{}
	sc := Scenario{Members: 5, Seed: 4, Load: Load{Trace: talk(t)}, Workers: 1, Kinds: map[Kind]Constructor{Ours: w.seat}}
	r := run(t, sc)
	if r.Messages != 5 || !r.Consistent || r.VirtualSeconds != 200 || r.Missed != 0 || r.Bytes.Content != 63 {
		t.Errorf("%d messages, consistent %v, %v s, missed %d, %d bytes", r.Messages, r.Consistent, r.VirtualSeconds, r.Missed, r.Bytes.Content)
	}
	delivered := map[int]int{}
	for _, e := range w.log {
		for _, d := range e.out.Deliveries {
			if !d.Own {
				delivered[e.member]++
			}
		}
	}
	// 0 wrote two and lacks the third; 1 came after the first and wrote one; 2 wrote
	// two, was away for the fourth and got it when it was back; 3 and 4 only listened.
	if want := map[int]int{0: 2, 1: 3, 2: 3, 3: 5, 4: 5}; !maps.Equal(delivered, want) {
		t.Errorf("they delivered %v, want %v", delivered, want)
	}
}

func TestMixOfMembers(t *testing.T) {
	sc := Scenario{Members: 200, Seed: 4, Load: Load{Rate: 1, Duration: time.Minute},
		Mix: Mix{Classic: 0.25, Hostile: 0.1, Light: 0.2, Stewards: 3}}
	number := func(p *plan) map[Kind]int {
		n := map[Kind]int{}
		for _, k := range p.kinds {
			n[k]++
		}
		return n
	}
	got := number(planOf(t, sc))
	for k, want := range map[Kind]int{Classic: 50, Hostile: 20, Light: 40, Steward: 3, Ours: 87} {
		if got[k] != want {
			t.Errorf("%d members are %s, want %d", got[k], k, want)
		}
	}
	sc.Policy, sc.Mix = ClassicPolicy, Mix{}
	if got := number(planOf(t, sc)); got[Classic] != 200 {
		t.Errorf("members are %v", got)
	}
	// Who speaks in a trace is no liar while there are others.
	sc = Scenario{Members: 5, Seed: 4, Load: Load{Trace: talk(t)}, Mix: Mix{Hostile: 0.4}}
	if p := planOf(t, sc); p.kinds[3] != Hostile || p.kinds[4] != Hostile {
		t.Errorf("members are %v", p.kinds)
	}
}

func TestFaultsAndChurn(t *testing.T) {
	minute := time.Minute
	sc := Scenario{Members: 400, Seed: 4, Load: Load{Rate: 1, Duration: time.Hour}, Mix: Mix{Stewards: 10},
		Faults: []Fault{
			{Kind: FaultOffline, From: minute, Until: 2 * minute, Share: 0.25},
			{Kind: FaultCut, From: minute, Until: 2 * minute, Share: 0.25, Members: []int{7}},
			{Kind: FaultRestart, From: 3 * minute, Share: 0.5},
			{Kind: FaultOffline, From: 50 * minute},
		}}
	p := planOf(t, sc)
	absent, outage, restarts, all := 0, 0, 0, 0
	for i, m := range p.members {
		at := minute.Milliseconds() + 1
		if m.absent.has(at) {
			absent++
		}
		if m.outage.has(at) {
			outage++
		}
		if m.absent.has((51 * minute).Milliseconds()) {
			all++
		}
		for _, a := range m.actions {
			if a.kind == actRestart {
				restarts++
			}
		}
		if p.kinds[i] == Steward && (len(m.absent) > 0 || len(m.outage) > 0) {
			t.Errorf("steward %d is away", i)
		}
	}
	if absent != 100 || restarts != 200 || all != 390 || (outage != 100 && outage != 101) || !p.members[7].outage.has(61_000) {
		t.Errorf("%d away, %d cut off, %d restarts, %d away for good", absent, outage, restarts, all)
	}
	sc.Faults = nil
	sc.Churn = Churn{Share: 0.5, Online: 4 * minute, Offline: minute}
	p = planOf(t, sc)
	movers, away := 0, int64(0)
	for _, m := range p.members {
		if len(m.absent) > 0 {
			movers++
		}
		for _, s := range m.absent {
			away += s.to - s.from
		}
	}
	if share := float64(away) / float64(200*time.Hour.Milliseconds()); movers != 200 || math.Abs(share-0.2) > 0.02 {
		t.Errorf("%d come and go, away for %.3f of the time", movers, share)
	}
	for i, s := range p.sends {
		if p.members[s.member].absent.has(s.at) {
			t.Errorf("message %d comes from somebody who is away", i)
		}
	}
	sc.Churn.Unaware = true
	if p := planOf(t, sc); slices.ContainsFunc(p.members, func(m schedule) bool { return len(m.absent) > 0 }) {
		t.Error("who does not notice is away")
	}
}

func TestSpans(t *testing.T) {
	s := union([]span{{50, 60}, {10, 20}, {15, 30}, {30, 31}, {40, 40}, {70, 80}})
	if !slices.Equal(s, spans{{10, 31}, {50, 60}, {70, 80}}) {
		t.Fatalf("%v", s)
	}
	for at := int64(0); at < 90; at++ {
		in := at >= 10 && at < 31 || at >= 50 && at < 60 || at >= 70 && at < 80
		if s.has(at) != in {
			t.Errorf("%d: %v", at, s.has(at))
		}
		for to := at + 1; to < 90; to++ {
			meets := false
			for x := at; x < to; x++ {
				meets = meets || s.has(x)
			}
			if s.meets(at, to) != meets {
				t.Fatalf("%d to %d: %v", at, to, s.meets(at, to))
			}
		}
	}
}

func TestScenarioErrors(t *testing.T) {
	good := func() Scenario { return Scenario{Members: 10, Load: Load{Rate: 1, Duration: time.Minute}} }
	if err := new(Scenario).Check(); err == nil || err.Error() != "crowd: members is 0, must be from 2 to 100000" {
		t.Errorf("the empty scenario: %v", err)
	}
	for _, test := range []struct {
		change func(*Scenario)
		want   string
	}{
		{func(sc *Scenario) {}, ""},
		{func(sc *Scenario) { sc.Members = 100_001 }, "members is 100001, must be from 2 to 100000"},
		{func(sc *Scenario) { sc.Policy = "best" }, `policy is "best", must be "causeway" or "classic"`},
		{func(sc *Scenario) { sc.Dialect = "dutch" }, `dialect is "dutch", must be "lip", "js" or "nim"`},
		{func(sc *Scenario) { sc.Mix.Flavour = "lip" }, `mix.flavour is "lip", must be "js" or "nim"`},
		{func(sc *Scenario) { sc.Network.Loss = 1 }, "network.loss is 1, must be from 0 to 0.99"},
		{func(sc *Scenario) { sc.Network.Loss = math.NaN() }, "network.loss is NaN, must be from 0 to 0.99"},
		{func(sc *Scenario) { sc.Network.Duplicate = -0.1 }, "network.duplicate is -0.1, must be from 0 to 1"},
		{func(sc *Scenario) { sc.Network.Delay = Delay{Min: time.Second, Max: time.Millisecond} },
			"network.delay.max is 0.001 s, must be from 1 to 30 s"},
		{func(sc *Scenario) { sc.Network.Delay.Max = time.Second }, "network.delay.min is 0 s, must be from 0.001 to 30 s"},
		{func(sc *Scenario) { sc.Network.Branches.Loss = 2 }, "network.branches.loss is 2, must be from 0 to 0.99"},
		{func(sc *Scenario) { sc.Network.MeshCopies = 0.5 }, "network.mesh_copies is 0.5, must be from 1 to 1000"},
		{func(sc *Scenario) { sc.Load.Rate = 0 }, "load.rate is 0 /s, must be from 1e-06 to 100000 /s"},
		{func(sc *Scenario) { sc.Load.Duration = 0 }, "load.duration is 0 s, must be from 0.001"},
		{func(sc *Scenario) { sc.Load.Rate, sc.Load.Duration = 1e5, time.Hour }, "load.rate × load.duration is 3.6e+08 messages, must be from 0 to 1e+07 messages"},
		{func(sc *Scenario) { sc.Load.Content = 5 }, "load.content is 5 bytes, must be from 12"},
		{func(sc *Scenario) { sc.Load.Senders = 11 }, "load.senders is 11, must be from 0 to 10"},
		{func(sc *Scenario) { sc.Load.Asked, sc.Load.Everyone = 0.6, 0.6 }, "load.asked + load.everyone is 1.2, must be from 0 to 1"},
		{func(sc *Scenario) { sc.Load = Load{Trace: talk(t), Rate: 1} }, "load.rate beside a trace is 1, must be from 0 to 0"},
		{func(sc *Scenario) { sc.Load, sc.Members = Load{Trace: talk(t)}, 2 }, "members is 2, but 3 members have events in the trace"},
		{func(sc *Scenario) { sc.Mix.Hostile = 1.5 }, "mix.hostile is 1.5, must be from 0 to 1"},
		{func(sc *Scenario) { sc.Mix.Hostile, sc.Mix.Classic = 0.6, 0.6 }, "mix.classic + mix.hostile + mix.light is 1.2, must be from 0 to 1"},
		{func(sc *Scenario) { sc.Mix.Hostile = 0.9 }, "mix leaves 1 honest members, must be at least 2"},
		{func(sc *Scenario) { sc.Mix.Attacks = []Attack{"tickles"} }, `mix.attacks has "tickles", must be of ["acks"`},
		{func(sc *Scenario) { sc.Mix.Stewards = 11 }, "mix.stewards is 11, must be from 0 to 10"},
		{func(sc *Scenario) { sc.Faults = []Fault{{}, {Kind: "flood"}} }, `faults[0].kind is "", must be of ["offline"`},
		{func(sc *Scenario) { sc.Faults = []Fault{{Kind: FaultCut, From: time.Hour, Until: time.Minute}} },
			"faults[0].until is 1m0s, must not be before from, 1h0m0s"},
		{func(sc *Scenario) { sc.Faults = []Fault{{Kind: FaultLoss}} }, "faults[0].loss and branch_loss are 0, one must be above"},
		{func(sc *Scenario) { sc.Faults = []Fault{{Kind: FaultCut, Loss: 0.1}} }, `faults[0].loss and branch_loss belong to kind "loss", not "cut"`},
		{func(sc *Scenario) { sc.Faults = []Fault{{Kind: FaultCut, Share: 2}} }, "faults[0].share is 2, must be from 0 to 1"},
		{func(sc *Scenario) { sc.Faults = []Fault{{Kind: FaultCut, Members: []int{-1}}} }, "faults[0].members[0] is -1, must be from 0"},
		{func(sc *Scenario) { sc.Churn = Churn{Share: 1, Online: time.Millisecond} }, "churn.online is 0.001 s, must be from 1"},
		{func(sc *Scenario) { sc.ClockSkew = -1 }, "clock_skew is -1e-09 s, must be from 0 to 86400 s"},
		{func(sc *Scenario) { sc.Tail = 31 * 24 * time.Hour; sc.Load.Duration = 48 * time.Hour }, "the run lasts 792h0m0s with its tail, must be at most 768h0m0s"},
	} {
		sc := good()
		test.change(&sc)
		err := sc.Check()
		if _, ran := Run(t.Context(), sc, nil); err != nil && (ran == nil || ran.Error() != err.Error()) {
			t.Errorf("Check says %v, Run says %v", err, ran)
		}
		switch {
		case test.want == "" && err != nil:
			t.Errorf("a good scenario: %v", err)
		case test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), "crowd: "+test.want)):
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}

func TestMemberIDs(t *testing.T) {
	for _, i := range []int{0, 7, 99_999} {
		if id := memberID(i); len(id) != idLength || memberOf(sds.PersonID(id)) != i {
			t.Errorf("%d is %s, and back %d", i, id, memberOf(sds.PersonID(id)))
		}
	}
	for _, p := range []sds.PersonID{"", "member-1", "nobody-0000000000001", "member-000000000000x"} {
		if i := memberOf(p); i != -1 {
			t.Errorf("%q is member %d", p, i)
		}
	}
}
