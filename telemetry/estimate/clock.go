package estimate

import (
	"cmp"
	"slices"
	"time"
)

const (
	// skewLimit is how wrong a clock may be and still tell latencies.
	skewLimit = 5 * time.Minute
	// delayLimit is how long a request may take without being taken for a wrong
	// clock, or for one that was changed.
	delayLimit = time.Minute
	// clockWindow is how far around an upload others are looked at for the one that
	// took the shortest way.
	clockWindow = 30 * time.Minute
	// sure is how exact an offset is that several uploads or a time service agree
	// on, unsure one of a few uploads.
	sure, unsure = 250 * time.Millisecond, time.Second
	several      = 4
	// doubtful is how wrong a latency may be to count in a curve.
	doubtful = 5 * time.Second
)

// clock corrects the times of one journal. A request arrives after it was sent, so
// that arrival minus sending is the offset of the clock plus a delay, and the
// smallest of several uploads is the best guess. If a time service was asked, and
// its answer fits the arrival, that is the offset.
type clock struct {
	samples []sample
	offsets []int64
	errors  []int64 // how wrong a corrected time may be
}

func newClock(samples []sample) clock {
	c := clock{samples: slices.Clone(samples)}
	slices.SortFunc(c.samples, func(a, b sample) int {
		return cmp.Or(cmp.Compare(a.sent, b.sent), cmp.Compare(a.arrived, b.arrived), cmp.Compare(a.offset, b.offset))
	})
	// A copy of an upload says nothing new: the first to arrive is the one.
	c.samples = slices.CompactFunc(c.samples, func(a, b sample) bool { return a.sent == b.sent })
	c.offsets, c.errors = make([]int64, len(c.samples)), make([]int64, len(c.samples))
	var near []int64
	first, last := 0, 0
	for i, s := range c.samples {
		for s.sent-c.samples[first].sent > clockWindow.Milliseconds() {
			first++
		}
		for last < len(c.samples) && c.samples[last].sent-s.sent <= clockWindow.Milliseconds() {
			last++
		}
		near = near[:0]
		for _, o := range c.samples[first:last] {
			near = append(near, o.arrived-o.sent)
		}
		c.offsets[i], c.errors[i] = judge(s, near)
	}
	return c
}

// judge returns the offset of a clock and how wrong that may be.
func judge(s sample, near []int64) (offset, wrong int64) {
	if s.asked {
		if delay := s.arrived - s.sent - s.offset; delay > -5000 && delay <= delayLimit.Milliseconds() {
			return s.offset, sure.Milliseconds()
		}
	}
	slices.Sort(near)
	offset, wrong = near[0], unsure.Milliseconds()
	if len(near) >= several {
		wrong = sure.Milliseconds()
	}
	if spread := near[len(near)/2] - offset; spread > delayLimit.Milliseconds() {
		wrong = spread // it was changed, or uploads wait for minutes
	}
	if offset < -skewLimit.Milliseconds() || offset > (skewLimit+delayLimit).Milliseconds() {
		wrong = max(wrong, offset, -offset)
	}
	return offset, wrong
}

// correct returns what the collector's clock showed when this one showed t, and how
// wrong that may be. The upload after t tells.
func (c *clock) correct(t int64) (at, wrong int64) {
	if len(c.samples) == 0 {
		return t, 0
	}
	i, _ := slices.BinarySearchFunc(c.samples, t, func(s sample, t int64) int { return cmp.Compare(s.sent, t) })
	i = min(i, len(c.samples)-1)
	return t + c.offsets[i], c.errors[i]
}

// spans corrects spans.
func (c *clock) spans(list spans) spans {
	out := make([]span, len(list))
	for i, s := range list {
		out[i].From, _ = c.correct(s.From)
		out[i].To, _ = c.correct(s.To)
	}
	return union(out)
}
