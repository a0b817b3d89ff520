package sim

import (
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/causeway-im/causeway/sds"
)

// A script is one case: a group, its network, and what happens. It is drawn
// completely before it runs, so it can be run again and compared.
type script struct {
	opts       Options
	skews      []time.Duration
	window     []int
	maxParents int
	gapAfter   time.Duration
	dialect    sds.Dialect
	joins      []time.Duration // when a member joins, 0 for the beginning
	steps      []step
	roster     func(*sds.Roster) // changes the roster, if set
}

type action uint8

const (
	say action = iota
	burst
	whisper
	wait
	offline
	online
	restart
	crash
	stall
	resume
	partition
	heal
	deafen
	actions
)

type step struct {
	action action
	who    int
	n      int
	d      time.Duration
	want   sds.Want
}

// A drawer makes choices.
type drawer interface {
	between(label string, low, high int) int
}

type rapidDrawer struct{ t *rapid.T }

func (d rapidDrawer) between(label string, low, high int) int {
	return rapid.IntRange(low, high).Draw(d.t, label)
}

// limits narrow what is drawn.
type limits struct {
	members, steps   int
	skew, smallTails bool // clocks that differ; windows and histories so small that they overflow
	joiners          bool
	dialects         bool
}

func drawScript(d drawer, l limits) script {
	s := script{opts: Options{
		Members:   d.between("members", 2, l.members),
		Seed:      uint64(d.between("seed", 0, 1<<20)),
		Loss:      float64(d.between("loss %", 0, 50)) / 100,
		Duplicate: float64(d.between("duplicate %", 0, 30)) / 100,
		MinDelay:  time.Duration(d.between("least delay", 0, 500)) * time.Millisecond,
		Devices:   1,
	}}
	s.opts.MaxDelay = s.opts.MinDelay + time.Duration(d.between("jitter", 0, 3000))*time.Millisecond
	if s.opts.Members > 3 && d.between("devices", 0, 3) == 3 {
		s.opts.Devices = 2
	}
	s.gapAfter = time.Duration(d.between("gap after", 2, 40)) * time.Second
	for range s.opts.Members {
		window := 0
		if l.smallTails && d.between("small window", 0, 2) == 2 {
			window = d.between("window", 4, 12)
		}
		s.window = append(s.window, window)
		skew := 0
		if l.skew && d.between("skewed", 0, 2) == 2 {
			skew = d.between("skew", -100, 100)
		}
		s.skews = append(s.skews, time.Duration(skew)*time.Second)
		join := 0
		if l.joiners && d.between("joins later", 0, 1) == 1 {
			join = d.between("joins after", 1, 60)
		}
		s.joins = append(s.joins, time.Duration(join)*time.Second)
	}
	if l.smallTails && d.between("few parents", 0, 2) == 2 {
		s.maxParents = d.between("parents", 2, 4)
	}
	if l.dialects {
		s.dialect = sds.Dialect(d.between("dialect", 0, 2))
	}
	for range d.between("steps", 1, l.steps) {
		s.steps = append(s.steps, drawStep(d, s.opts))
	}
	return s
}

func drawStep(d drawer, o Options) step {
	// Half of what happens is that somebody speaks or time goes by.
	st := step{action: action(d.between("action", 0, 2*int(actions)-1)), who: d.between("who", 0, o.Members-1)}
	if st.action >= actions {
		st.action = []action{say, wait}[st.action%2]
	}
	switch st.action {
	case say, burst:
		st.n = d.between("burst", 2, 6)
		st.want = drawWant(d, o)
	case wait:
		st.d = time.Duration(d.between("tenths", 1, 100)) * 100 * time.Millisecond
		if d.between("long", 0, 4) == 4 {
			st.d *= 10
		}
	case crash:
		st.n = d.between("point", int(BeforeCommit), int(Halfway))
	case partition:
		st.n = d.between("sides", 1, 1<<o.Members-1)
	case deafen:
		st.n = d.between("own loss %", 0, 100)
	}
	return st
}

func drawWant(d drawer, o Options) sds.Want {
	switch d.between("want", 0, 4) {
	case 1:
		return sds.Fraction(float64(d.between("percent", 1, 100)) / 100)
	case 2:
		return sds.Persons(sds.PersonID(fmt.Sprintf("person-%03d", d.between("person", 0, (o.Members-1)/o.Devices))))
	case 3:
		return sds.Stewards
	case 4:
		return sds.AtLeastOne
	}
	return sds.Everyone
}

func (s script) String() string {
	var b strings.Builder
	o := s.opts
	fmt.Fprintf(&b, "%d members (%d devices each), seed %d, loss %v, duplicates %v, delay %v … %v, gap after %v, %v\n",
		o.Members, o.Devices, o.Seed, o.Loss, o.Duplicate, o.MinDelay, o.MaxDelay, s.gapAfter, s.dialect)
	fmt.Fprintf(&b, "windows %v, skews %v, joins %v, parents %d\n", s.window, s.skews, s.joins, s.maxParents)
	for _, st := range s.steps {
		fmt.Fprintf(&b, "  %s\n", st)
	}
	return b.String()
}

func (st step) String() string {
	names := [...]string{"say", "burst", "whisper", "wait", "offline", "online", "restart", "crash", "stall", "resume", "partition", "heal", "deafen"}
	switch st.action {
	case wait:
		return fmt.Sprintf("wait %v", st.d)
	case say, burst:
		return fmt.Sprintf("%s %d: %d, wants %v", names[st.action], st.who, st.n, st.want)
	}
	return fmt.Sprintf("%s %d: %d", names[st.action], st.who, st.n)
}

// start makes the group of a script.
func (s script) start() (*Group, error) {
	o := s.opts
	o.Skew = func(i int) time.Duration { return s.skews[i] }
	o.Config = func(i int, cfg *sds.Config) {
		cfg.Window, cfg.MaxParents, cfg.GapAfter, cfg.Dialect = s.window[i], s.maxParents, s.gapAfter, s.dialect
		if s.roster != nil {
			s.roster(cfg.Roster)
		}
		cfg.Roster.Stewards = []sds.PersonID{"person-000"}
		cfg.Steward = i == 0
		if s.joins[i] > 0 {
			cfg.JoinPoint = uint64(DefaultStart.Add(s.joins[i]))
			if s.dialect == sds.Nim {
				cfg.JoinPoint /= 1000
			}
		}
	}
	return NewGroup(o)
}

// do takes one step.
func (st step) do(g *Group, count *int) error {
	m := g.Members[st.who]
	switch st.action {
	case say, burst, whisper:
		if st.action == whisper && m.cfg.Dialect == sds.Nim {
			return nil // knows none
		}
		n := st.n
		if st.action != burst {
			n = 1
		}
		for range n {
			*count++
			content := fmt.Appendf(nil, "message %d of %d", *count, st.who)
			id, err := g.Send(st.who, content, sds.SendOptions{Want: st.want, Ephemeral: st.action == whisper})
			if err != nil {
				return fmt.Errorf("member %d can't send: %w", st.who, err)
			}
			if _, ok := m.State.Messages[id]; !ok && st.action != whisper && !m.stalled && !m.crashed {
				return fmt.Errorf("member %d: %s was sent and is not in the state", st.who, id)
			}
		}
	case wait:
		g.RunFor(st.d)
	case offline, online:
		g.SetOnline(st.who, st.action == online)
	case restart:
		return g.Restart(st.who)
	case crash:
		g.Crash(st.who, CrashPoint(st.n))
	case stall:
		g.Stall(st.who)
	case resume:
		g.Resume(st.who)
	case partition:
		g.Partition(func(i int) int { return st.n >> i & 1 })
	case heal:
		g.Partition(nil)
		g.SetLoss(st.who, -1)
	case deafen:
		g.SetLoss(st.who, float64(st.n)/100)
	}
	return nil
}

// calm ends all faults.
func calm(g *Group) {
	g.StopFaults()
	g.Partition(nil)
	for i, m := range g.Members {
		m.crash = 0
		g.Resume(i)
		g.SetOnline(i, true)
	}
}
