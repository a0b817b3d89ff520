package sim

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/causeway-im/causeway/sds"
)

// The properties of a group, for random scripts. A failure prints its seed and
// a file; run it again with
//
//	go test ./sim -run TestProperty… -rapid.seed=N     (or -rapid.failfile=F)
//
// checks is how many cases each property has; CAUSEWAY_NIGHTLY=1 has 50 times
// as many, -rapid.checks=N sets it.
const checks = 1000

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		n := checks
		if os.Getenv("CAUSEWAY_NIGHTLY") == "1" {
			n *= 50
		}
		if err := flag.Set("rapid.checks", fmt.Sprint(n)); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// rotatesHeads: with more heads than a causal history holds, syncs name the same
// ones each time. What they leave out is acknowledged only after somebody says
// something, so cases with few parents do not settle before that.
const rotatesHeads = false

// joinersHear: a fingerprint above a low join point can't be checked by a member
// with a higher one, so who joined later does not hear from all who were there
// before that they have its messages. Receipts of such groups are only required
// to be true.
const joinersHear = false

// settleIn is how long after the last fault everybody agrees at the latest.
const settleIn = 4 * time.Hour

// play runs a script to its end and ends all faults.
func play(s script) (*Group, *Model, error) {
	g, err := s.start()
	if err != nil {
		return nil, nil, err
	}
	model := NewModel(g)
	count := 0
	for i, st := range s.steps {
		err := st.do(g, &count)
		if err == nil {
			err = sound(g, model)
		}
		if err != nil {
			return g, model, fmt.Errorf("step %d, %s: %w", i, st, err)
		}
	}
	calm(g)
	return g, model, nil
}

// run plays a script and requires everybody to agree.
func run(s script) error {
	g, model, err := play(s)
	if err != nil {
		return err
	}
	if s.maxParents == 0 || rotatesHeads {
		if err := settle(g, model, func() error { return unsettled(g, model, false) }); err != nil {
			return err
		}
	}
	// One more message of everybody proves what came before (spec R53).
	if err := sayBye(g); err != nil {
		return err
	}
	return settle(g, model, func() error { return unsettled(g, model, true) })
}

// sayBye lets everybody say something, one after the other.
func sayBye(g *Group) error {
	for i := range g.Members {
		if _, err := g.Send(i, fmt.Appendf(nil, "bye from %d", i), sds.SendOptions{Want: sds.Everyone}); err != nil {
			return err
		}
		g.RunFor(10 * time.Second)
	}
	return nil
}

// sound is what holds at every moment.
func sound(g *Group, model *Model) error {
	if len(g.Check.Violations) > 0 {
		return fmt.Errorf("%v: %s", g.Elapsed(), g.Check.Violations[0])
	}
	for i, m := range g.Members {
		for _, id := range model.Own(i) {
			if _, tracked := m.Channel.Receipt(id); !tracked && !m.stalled && m.State.Outgoing[id].ID == "" {
				if _, level := model.Counted(i, id); level != sds.LevelEveryone {
					return fmt.Errorf("member %d forgot %s at level %v", i, id, level)
				}
			}
		}
	}
	return nil
}

// settle waits until open has nothing to say.
func settle(g *Group, model *Model, open func() error) error {
	for end := g.Now().Add(settleIn); ; g.RunFor(15 * time.Second) {
		err := open()
		if bad := sound(g, model); bad != nil {
			return bad
		}
		if err == nil || g.Now() >= end {
			return err
		}
	}
}

// unsettled says what is still open: logs that differ, and messages that are not
// known to have reached everybody: those that want it, or all.
func unsettled(g *Group, model *Model, all bool) error {
	total := 0
	for i, m := range g.Members {
		own := model.Own(i)
		total += len(own)
		for _, id := range own {
			seen, level := model.Counted(i, id)
			wants := m.State.Outgoing[id].Want.Kind
			if level != sds.LevelEveryone && (all || wants == sds.WantEveryone) {
				return fmt.Errorf("member %d: %s is at level %v, %d have it", i, id, level, seen)
			}
		}
	}
	first := model.Ordered(g.Members[0])
	for _, m := range g.Members {
		if log := model.Ordered(m); !slices.Equal(log, first) {
			return fmt.Errorf("members 0 and %d have different logs:\n%q\n%q", m.Index, first, log)
		}
	}
	if len(first) != total {
		return fmt.Errorf("the log has %d messages of %d", len(first), total)
	}
	return nil
}

func property(t *testing.T, l limits, check func(s script) error) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawScript(rapidDrawer{t}, l)
		if err := check(s); err != nil {
			t.Fatalf("%v\n%v", err, s)
		}
	})
}

// TestPropertyConverges: whatever was lost, doubled, delayed, cut or restarted,
// everybody ends with the same log and every sender knows it, and at no moment
// was anything claimed that is not so (spec R23 R24 R32 R33 R50 R53 R54 R56).
func TestPropertyConverges(t *testing.T) {
	property(t, limits{members: 7, steps: 25}, run)
}

// TestPropertyForgets: the same with windows of a few messages and histories of
// a few entries, so that most of the log must be looked up (spec R30 R92).
func TestPropertyForgets(t *testing.T) {
	property(t, limits{members: 7, steps: 25, smallTails: true}, run)
}

// TestPropertySkew: the same with clocks that differ by up to 200 s (spec R20
// R22).
func TestPropertySkew(t *testing.T) {
	property(t, limits{members: 5, steps: 25, skew: true}, run)
}

// TestPropertyJoins: members who join later have no business with what came
// before. Whatever is above everybody's join point ends in every log, and nobody
// is counted for what it does not have (spec R70).
func TestPropertyJoins(t *testing.T) {
	property(t, limits{members: 6, steps: 25, joiners: true}, joins)
}

// TestPropertyDialects: groups that speak as deployed peers do end with the same
// log, and their receipts are true (spec R80 R81 R82).
func TestPropertyDialects(t *testing.T) {
	property(t, limits{members: 5, steps: 20, dialects: true}, joins)
}

// joins plays a script and requires all logs to agree above the highest join
// point.
func joins(s script) error {
	g, model, err := play(s)
	if err != nil {
		return err
	}
	// Who has no message yet does not look for any.
	if err := sayBye(g); err != nil {
		return err
	}
	return settle(g, model, func() error { return joined(g, model) })
}

func joined(g *Group, model *Model) error {
	var base uint64
	for _, m := range g.Members {
		base = max(base, m.cfg.JoinPoint)
	}
	above := func(m *Member) []sds.MessageID {
		return slices.DeleteFunc(model.Ordered(m), func(id sds.MessageID) bool { return model.msgs[id].lamport <= base })
	}
	first := above(g.Members[0])
	for i, m := range g.Members {
		if log := above(m); !slices.Equal(log, first) {
			return fmt.Errorf("members 0 and %d have different logs:\n%q\n%q", i, first, log)
		}
		for _, id := range model.Own(i) {
			if model.msgs[id].lamport <= base {
				continue
			}
			if !slices.Contains(first, id) {
				return fmt.Errorf("nobody has %s of member %d", id, i)
			}
			if _, level := model.Counted(i, id); joinersHear && level != sds.LevelEveryone {
				return fmt.Errorf("member %d: %s is at level %v", i, id, level)
			}
		}
	}
	return nil
}

// TestPropertyRepeats: the same calls give the same outputs, byte for byte, also
// across restarts and crashes (spec R91).
func TestPropertyRepeats(t *testing.T) {
	property(t, limits{members: 5, steps: 15, smallTails: true, joiners: true, dialects: true}, repeats)
}

func repeats(s script) error {
	first, err := outputs(s)
	if err != nil {
		return err
	}
	second, err := outputs(s)
	if err != nil {
		return err
	}
	for i := range min(len(first), len(second)) {
		if first[i] != second[i] {
			return fmt.Errorf("output %d differs:\n%s\n%s", i, first[i], second[i])
		}
	}
	if len(first) != len(second) {
		return fmt.Errorf("%d outputs, then %d", len(first), len(second))
	}
	return nil
}

// outputs plays a script and a minute more, and returns all outputs as text.
func outputs(s script) ([]string, error) {
	g, err := s.start()
	if err != nil {
		return nil, err
	}
	var all []string
	g.Observe = func(m *Member, r sds.Ready) {
		meta := r.Changes.Meta
		r.Changes.Meta = nil
		all = append(all, fmt.Sprintf("%v member %d: %+v %+v", g.Elapsed(), m.Index, r, meta))
	}
	count := 0
	for _, st := range s.steps {
		if err := st.do(g, &count); err != nil {
			return nil, err
		}
	}
	calm(g)
	g.RunFor(time.Minute)
	return all, nil
}
