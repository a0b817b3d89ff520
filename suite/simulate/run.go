package simulate

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/causeway-im/causeway/sim/crowd"
	"github.com/causeway-im/causeway/suite/internal/numbers"
)

// Run plays a scenario with each of the policies, one after the other.
func Run(ctx context.Context, sc crowd.Scenario, policies []crowd.Policy, p *Progress) ([]*crowd.Result, error) {
	var results []*crowd.Result
	for _, sc.Policy = range policies {
		r, err := crowd.Run(ctx, sc, p.watch(fmt.Sprintf("%s, %s members", sc.Policy, numbers.Number(sc.Members))))
		p.clear()
		if err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	return results, nil
}

// Failed tells what is wrong with a run: nothing if its members were consistent
// and no receipt was false.
func Failed(r *crowd.Result) []string {
	var failures []string
	if !r.Consistent {
		failures = append(failures, "members do not hold the same messages at the end")
	}
	if r.FalseAcks > 0 {
		failures = append(failures, numbers.Plural(r.FalseAcks, "acknowledgement was", "acknowledgements were")+" false")
	}
	return failures
}

// Sizes returns the group sizes to compare up to members, smallest first: half
// powers of ten, not below the members of a trace.
func Sizes(sc *crowd.Scenario) []int {
	least := 10
	if t := sc.Load.Trace; t != nil {
		least = max(least, t.Members())
	}
	sizes := []int{sc.Members}
	for _, n := range []int{10, 32, 100, 316, 1000, 3162, 10_000, 31_623} {
		if n >= least && n < sc.Members {
			sizes = append(sizes, n)
		}
	}
	slices.Sort(sizes)
	return sizes
}

// Progress shows on a terminal how far a run is. A nil Progress shows nothing.
type Progress struct {
	w     io.Writer
	width func() int
	now   func() time.Time
	began time.Time
	shown time.Time
	drawn bool
}

// NewProgress returns one that draws on w, which has so many columns; 0 if that is not
// known.
func NewProgress(w io.Writer, width func() int) *Progress {
	return &Progress{w: w, width: width, now: time.Now}
}

// frame is how often it is drawn.
const frame = 200 * time.Millisecond

// watch returns what crowd.Run calls.
func (p *Progress) watch(what string) func(crowd.Progress) {
	if p == nil {
		return nil
	}
	p.began = p.now()
	return func(c crowd.Progress) {
		now := p.now()
		if now.Sub(p.shown) < frame {
			return
		}
		p.shown = now
		took := now.Sub(p.began)
		left := time.Duration(float64(took) * float64(c.Total-c.Virtual) / float64(max(c.Virtual, 1)))
		p.say("%s: %s of %s, about %s left; %s, %s received", what, clock(c.Virtual), clock(c.Total), clock(left),
			numbers.Plural(c.Messages, "message", "messages"), numbers.Number(int(c.Receives)))
	}
}

// say shows a line in place of a run.
func (p *Progress) say(format string, args ...any) {
	if p == nil {
		return
	}
	p.drawn = true
	line := []rune(fmt.Sprintf(format, args...))
	if width := p.width(); width > 0 && len(line) >= width { // what wraps is not drawn over
		line = line[:width-1]
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", string(line))
}

// clear takes away what was drawn.
func (p *Progress) clear() {
	if p != nil && p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
}
