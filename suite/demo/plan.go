package demo

import (
	"cmp"
	"slices"
	"time"

	"github.com/causeway-im/causeway/sim/trace"
)

// A conversation is shortened in two steps: silence is cut to maxSilence, then
// everything is sped up by one factor, so that who answers whom and how fast, and
// the bursts, stay as they were. It is never slower than it was recorded.
const (
	maxSilence = 2 * time.Minute
	// playFor is how long a conversation takes then; longer if its messages would
	// come faster than one every leastStep.
	playFor   = time.Minute
	leastStep = 150 * time.Millisecond
)

// action is what happens in a step.
type action uint8

const (
	say    action = iota
	leave         // the trace says that the member goes offline
	join          // and that it is back
	cutOff        // the member is cut off
	reunite
)

// step is something that happens at a moment.
type step struct {
	at     time.Duration
	do     action
	member int
	text   string
}

// plan is everything that happens in a run, in order.
type plan struct {
	steps    []step
	messages int
	length   time.Duration // of the conversation
}

// makePlan plans the conversation for a number of members, of whom one is cut
// off in its middle third: the index of a member, Talker or Nobody. It returns
// who that is.
func makePlan(t *trace.Trace, members, offline int) (plan, int) {
	var p plan
	at := shorten(t)
	for i, e := range t.Events {
		s := step{at: at[i], member: e.Member % members, text: e.Text}
		switch e.Kind {
		case trace.Message:
			p.messages++
		case trace.Join:
			s.do = join
		case trace.Leave:
			s.do = leave
		}
		p.steps = append(p.steps, s)
	}
	p.length = at[len(at)-1]
	if offline == Talker {
		offline = p.talker(members)
	}
	if offline >= 0 {
		p.steps = append(p.steps,
			step{at: p.cutFrom(), do: cutOff, member: offline}, step{at: p.cutTo(), do: reunite, member: offline})
	}
	slices.SortStableFunc(p.steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	// Whoever has left comes back in the end: what it misses is to be repaired.
	for i := range members {
		p.steps = append(p.steps, step{at: p.length, do: join, member: i})
	}
	return p, offline
}

// slow makes everything take longer by a factor.
func (p *plan) slow(factor float64) {
	for i := range p.steps {
		p.steps[i].at = time.Duration(float64(p.steps[i].at) * factor)
	}
	p.length = time.Duration(float64(p.length) * factor)
}

// cutFrom returns when the cut begins, and cutTo when it ends.
func (p *plan) cutFrom() time.Duration { return p.length / 3 }
func (p *plan) cutTo() time.Duration   { return 2 * p.length / 3 }

// talker returns who writes most in the middle third: cut off, it has most to
// catch up on in both directions.
func (p *plan) talker(members int) int {
	count := make([]int, members)
	for _, s := range p.steps {
		if s.do == say && s.at >= p.cutFrom() && s.at < p.cutTo() {
			count[s.member]++
		}
	}
	return slices.Index(count, slices.Max(count))
}

// shorten returns when the events of a trace happen in a run.
func shorten(t *trace.Trace) []time.Duration {
	at := make([]time.Duration, len(t.Events))
	var now, last time.Duration
	for i, e := range t.Events {
		if i == 0 {
			last = e.At // a run begins with its first event
		}
		now += min(e.At-last, maxSilence)
		at[i], last = now, e.At
	}
	wanted := max(playFor, time.Duration(t.Messages())*leastStep)
	if now <= wanted {
		return at
	}
	for i := range at {
		at[i] = time.Duration(float64(at[i]) * float64(wanted) / float64(now))
	}
	return at
}
