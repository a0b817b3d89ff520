package sim

import (
	"flag"
	"fmt"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/causeway-im/causeway/sds"
)

// Groups that are too large for everybody to acknowledge: a census asks. Up to 80
// members it asks all, so that its verdict must be true; the Model counts its
// reports as proofs.

// censusLimits of what is drawn: a step costs as much as hundreds in a small group.
const (
	censusLeast, censusMost = 34, 60
	censusSteps             = 9
	// fewer is by how much fewer cases this property has.
	fewer = 25
)

// verdictIn is how long after a message there is a verdict, and verdictAgain after
// a restart: it asks first.
const verdictIn, verdictAgain = 10500 * time.Millisecond, 20500 * time.Millisecond

func drawCensus(d drawer) script {
	s := script{opts: Options{
		Members:  d.between("members", censusLeast, censusMost),
		Seed:     uint64(d.between("seed", 0, 1<<20)),
		Loss:     float64(d.between("loss %", 0, 40)) / 100,
		MinDelay: time.Duration(d.between("least delay", 0, 300)) * time.Millisecond,
		Devices:  d.between("devices", 1, 2),
	}, gapAfter: 30 * time.Second}
	if s.opts.Devices == 2 {
		s.opts.Members = min(2*s.opts.Members, 80) // persons count
	}
	s.opts.MaxDelay = s.opts.MinDelay + time.Duration(d.between("jitter", 0, 700))*time.Millisecond
	s.window, s.skews, s.joins = make([]int, s.opts.Members), make([]time.Duration, s.opts.Members), make([]time.Duration, s.opts.Members)
	for i := range d.between("steps", 2, censusSteps) {
		// A few do it all, as what happens to senders matters.
		st := step{action: say, who: d.between("who", 0, 2) * (s.opts.Members - 1) / 2, n: 1, want: drawShare(d)}
		if i > 0 {
			st.action = []action{say, say, wait, wait, restart, offline, online, online, partition, heal}[d.between("action", 0, 9)]
		}
		st.d = time.Duration(d.between("tenths", 1, 150)) * 100 * time.Millisecond
		if st.action == partition {
			st.n = d.between("sides", 1, 1<<20)
		}
		s.steps = append(s.steps, st)
	}
	return s
}

func drawShare(d drawer) sds.Want {
	switch percent := d.between("percent", 50, 115); {
	case percent > 110:
		return sds.AtLeastOne
	case percent > 100:
		return sds.Everyone
	default:
		return sds.Fraction(float64(percent) / 100)
	}
}

// asked is a message of which a verdict is due.
type asked struct {
	id sds.MessageID
	by int
	at sds.Time // when the time for it began
	in time.Duration
}

// census plays a script and requires of each message that wants a share a verdict
// in time, and "yes" in the end: after the faults everybody gets everything.
func census(s script) error {
	g, err := s.start()
	if err != nil {
		return err
	}
	model := NewModel(g)
	var open []asked
	count := 0
	for i, st := range s.steps {
		before := len(model.Own(st.who))
		if err := st.do(g, &count); err != nil {
			return fmt.Errorf("step %d, %s: %w", i, st, err)
		}
		for _, id := range model.Own(st.who)[before:] { // what was written offline leaves when back
			if kind := g.Members[st.who].State.Outgoing[id].Want.Kind; kind == sds.WantFraction || kind == sds.WantEveryone {
				open = append(open, asked{id, st.who, g.Now(), verdictIn})
			}
		}
		open = disturbed(g, open, st)
		if st.action != wait {
			g.RunFor(st.d)
		}
		if err := sound(g, model); err != nil {
			return fmt.Errorf("step %d, %s: %w", i, st, err)
		}
		if err := inTime(g, open); err != nil {
			return fmt.Errorf("step %d, %s: %w", i, st, err)
		}
	}
	for i, m := range g.Members {
		if !m.Online {
			open = disturbed(g, open, step{action: online, who: i})
		}
	}
	calm(g)
	for range 100 { // the first question of all comes again within 40 min
		g.RunFor(30 * time.Second)
		if err := sound(g, model); err != nil {
			return err
		}
		if err := inTime(g, open); err != nil {
			return err
		}
		if allYes(g, open) {
			return nil
		}
	}
	return fmt.Errorf("after %v not all verdicts are yes: %v", g.Elapsed(), open)
}

// disturbed begins the time anew for the messages of a member that something
// happened to.
func disturbed(g *Group, open []asked, st step) []asked {
	for i := range open {
		if open[i].by != st.who {
			continue
		}
		switch st.action {
		case restart:
			open[i].at, open[i].in = g.Now(), verdictAgain
		case online:
			open[i].at = g.Now()
		}
	}
	return open
}

// inTime requires verdicts of whoever is online and had the time.
func inTime(g *Group, open []asked) error {
	for _, a := range open {
		m := g.Members[a.by]
		if !m.Online || g.Now().Sub(a.at) <= a.in {
			continue
		}
		if r, tracked := m.Channel.Receipt(a.id); tracked && r.Estimate.Verdict == sds.Undecided {
			return fmt.Errorf("at %v there is no verdict on %s of member %d, asked at %v: %+v", g.Elapsed(), a.id, a.by, a.at.Sub(g.opts.Start), r)
		}
	}
	return nil
}

func allYes(g *Group, open []asked) bool {
	for _, a := range open {
		if r, tracked := g.Members[a.by].Channel.Receipt(a.id); tracked && r.Estimate.Verdict != sds.Yes {
			return false
		}
	}
	return true
}

// TestPropertyCensus: in groups of 34 to 60 persons verdicts are given in time, are
// yes if and only if enough are proved to have the message, and become yes; reports
// prove what they say and are believed (spec R56 R59 R120 R122 R123 R124 R125).
func TestPropertyCensus(t *testing.T) {
	f := flag.Lookup("rapid.checks")
	n, err := strconv.Atoi(f.Value.String())
	if err != nil {
		t.Fatal(err)
	}
	// Not parallel: the flag is for this test alone.
	if err := flag.Set(f.Name, strconv.Itoa(max(n/fewer, 1))); err != nil {
		t.Fatal(err)
	}
	defer flag.Set(f.Name, strconv.Itoa(n))
	rapid.Check(t, func(t *rapid.T) {
		s := drawCensus(rapidDrawer{t})
		if err := census(s); err != nil {
			t.Fatalf("%v\n%v", err, s)
		}
	})
}

// TestGateCensus plays a few of them.
func TestGateCensus(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		s := drawCensus(newSeedDrawer(seed))
		if err := census(s); err != nil {
			t.Fatalf("seed %d: %v\n%v", seed, err, s)
		}
	}
}
