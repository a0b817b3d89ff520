// Package demo lets a group of state machines have a recorded conversation
// again, in virtual time, over a network that loses much of it, and tells how
// that went.
//
// While they talk, one of them is cut off for the middle third of the
// conversation; everybody goes on writing. After the last message the run goes
// on until every sender knows that everybody has every message, or until its
// patience is at an end. The same Options give the same Result, byte for byte.
package demo

import (
	"bytes"
	"cmp"
	_ "embed" // for builtIn
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sim"
	"github.com/causeway-im/causeway/sim/trace"
)

// Bounds of the Options: what can be watched on a screen, and what a network
// may lose and still be called one.
const (
	MinMembers, MaxMembers = 2, 64
	MaxLoss                = 0.9
)

// patience is how long a run goes on after the last message.
const patience = 30 * time.Minute

// builtIn is two hours in a channel for help with Ubuntu: testdata/README.md
// says where it comes from.
//
//go:embed testdata/chat-with-text-2015-01-20.jsonl
var builtIn []byte

func builtInTrace() (*trace.Trace, error) {
	return trace.Read(bytes.NewReader(builtIn), "built-in conversation")
}

// Options describe a run. Only Members is required.
type Options struct {
	Members int     // MinMembers … MaxMembers
	Loss    float64 // 0 … MaxLoss: the share that each member loses of what it is handed
	Seed    uint64
	// Trace is the conversation; nil is the built-in one. Its members are mapped
	// onto the group by their index modulo Members.
	Trace *trace.Trace
	// KeepCut leaves the member that is cut off without a network until the end,
	// so that the group cannot finish.
	KeepCut bool
}

// Run is one run of the demo. It is not safe for concurrent use.
type Run struct {
	opts   Options
	trace  *trace.Trace
	group  *sim.Group
	plan   []step
	next   int // of plan
	cut    int // the member that is cut off
	cutNow bool
	left   []bool // by member: offline because the trace says so
	rec    *recorder
	said   string // by whom and what, last
	done   bool
}

// step is something that happens at a moment.
type step struct {
	at time.Duration
	do func() error
}

// New prepares a run.
func New(o Options) (*Run, error) {
	switch {
	case o.Members < MinMembers || o.Members > MaxMembers:
		return nil, fmt.Errorf("demo: Members is %d, must be from %d to %d", o.Members, MinMembers, MaxMembers)
	case !(o.Loss >= 0 && o.Loss <= MaxLoss):
		return nil, fmt.Errorf("demo: Loss is %v, must be from 0 to %v", o.Loss, MaxLoss)
	}
	r := &Run{opts: o, trace: o.Trace, left: make([]bool, o.Members)}
	var err error
	if r.trace == nil {
		if r.trace, err = builtInTrace(); err != nil {
			return nil, err
		}
	}
	if r.trace.Messages() == 0 {
		return nil, errors.New("demo: the trace has no messages")
	}
	if r.group, err = sim.NewGroup(sim.Options{Members: o.Members, Seed: o.Seed, Loss: o.Loss}); err != nil {
		return nil, err
	}
	r.rec = newRecorder(r.group)
	r.schedule()
	return r, nil
}

// schedule makes the plan: what the trace says, and the cut.
func (r *Run) schedule() {
	from, to := r.CutFrom(), r.CutTo()
	r.cut = r.talker(from, to)
	r.plan = append(r.plan, step{from, func() error { r.cutNow = true; r.connect(r.cut); return nil }})
	if !r.opts.KeepCut {
		r.plan = append(r.plan, step{to, func() error { r.cutNow = false; r.connect(r.cut); return nil }})
	}
	for _, e := range r.trace.Events {
		r.plan = append(r.plan, step{e.At, func() error { return r.event(e) }})
	}
	slices.SortStableFunc(r.plan, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	// Whoever has left comes back in the end: what it misses is to be repaired.
	r.plan = append(r.plan, step{r.trace.Duration(), func() error {
		for i := range r.left {
			r.left[i] = false
			r.connect(i)
		}
		return nil
	}})
}

// CutFrom returns when the cut begins, and CutTo when it ends.
func (r *Run) CutFrom() time.Duration { return r.trace.Duration() / 3 }

// CutTo returns when the cut ends, if it does.
func (r *Run) CutTo() time.Duration { return 2 * r.trace.Duration() / 3 }

// caughtUp returns how long after the cut its member had everything that was
// written before the end of the cut; false if it still has not.
func (r *Run) caughtUp() (time.Duration, bool) {
	back := sim.DefaultStart.Add(r.CutTo())
	last := back
	for _, t := range r.rec.order {
		if t.sent >= back || t.sender == r.cut {
			continue
		}
		at, ok := t.arrived[r.cut]
		if !ok {
			return 0, false
		}
		last = max(last, at)
	}
	return last.Sub(back), !r.opts.KeepCut
}

// talker returns who writes most in a part of the trace: cut off, it has most
// to catch up on in both directions.
func (r *Run) talker(from, to time.Duration) int {
	count := make([]int, r.opts.Members)
	for _, e := range r.trace.Events {
		if e.Kind == trace.Message && e.At >= from && e.At < to {
			count[r.member(e)]++
		}
	}
	return slices.Index(count, slices.Max(count))
}

func (r *Run) member(e trace.Event) int { return e.Member % r.opts.Members }

// connect gives a member the network that it should have.
func (r *Run) connect(member int) {
	online := !r.left[member] && !(r.cutNow && member == r.cut)
	if r.group.Members[member].Online == online {
		return
	}
	r.rec.online(member, online)
	r.group.SetOnline(member, online)
}

// event does what the trace says.
func (r *Run) event(e trace.Event) error {
	member := r.member(e)
	switch e.Kind {
	case trace.Join, trace.Leave:
		r.left[member] = e.Kind == trace.Leave
		r.connect(member)
		return nil
	}
	if _, err := r.group.Send(member, []byte(e.Text), sds.SendOptions{Want: sds.Everyone}); err != nil {
		return fmt.Errorf("at %s: member %d cannot send: %w", r.Clock(), member, err)
	}
	r.said = fmt.Sprintf("member %d: %s", member, e.Text)
	return r.rec.err
}

// Advance runs the group until a moment of virtual time, or until the run is
// done.
func (r *Run) Advance(to time.Duration) error {
	for r.next < len(r.plan) && r.plan[r.next].at <= to {
		s := r.plan[r.next]
		r.group.RunFor(s.at - r.Elapsed())
		if err := s.do(); err != nil {
			return err
		}
		r.next++
	}
	if r.next < len(r.plan) {
		r.group.RunFor(to - r.Elapsed())
		return nil
	}
	limit := r.Limit()
	r.done = r.group.RunUntil(min(to, limit)-r.Elapsed(), r.finished) || r.Elapsed() >= limit
	return nil
}

// finished tells whether there is nothing left to find out.
func (r *Run) finished() bool {
	if r.group.Stats.Acknowledged() < r.group.Stats.Messages {
		return false
	}
	for _, m := range r.group.Members {
		if len(m.Log) < r.group.Stats.Messages {
			return false
		}
	}
	return true
}

// Done tells whether the run is over.
func (r *Run) Done() bool { return r.done }

// Elapsed returns the virtual time since the beginning.
func (r *Run) Elapsed() time.Duration { return r.group.Elapsed() }

// Length returns when the last event of the trace is.
func (r *Run) Length() time.Duration { return r.trace.Duration() }

// Limit returns when the run is over in any case.
func (r *Run) Limit() time.Duration { return r.trace.Duration() + patience }

// Clock returns the virtual time since the beginning as h:mm:ss.
func (r *Run) Clock() string { return clock(r.Elapsed()) }

// clock writes d as h:mm:ss.
func clock(d time.Duration) string {
	s := int(d / time.Second)
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}
