package crowd

import (
	"fmt"
	"slices"
	"time"
)

// FaultKind is what goes wrong.
type FaultKind string

const (
	// FaultOffline takes members offline, and they know it.
	FaultOffline FaultKind = "offline"
	// FaultCut cuts members off without their noticing: what they send reaches
	// nobody, and nothing reaches them.
	FaultCut FaultKind = "cut"
	// FaultPartition splits the group; packets reach only members of the same side.
	FaultPartition FaultKind = "partition"
	// FaultLoss adds loss.
	FaultLoss FaultKind = "loss"
	// FaultRestart stops the programs of members at From and starts them again from
	// what they made durable.
	FaultRestart FaultKind = "restart"
)

var faultKinds = []FaultKind{FaultOffline, FaultCut, FaultPartition, FaultLoss, FaultRestart}

// Fault is something that happens from a time until another.
type Fault struct {
	Kind FaultKind     `yaml:"kind"`
	From time.Duration `yaml:"from"`
	// Until is when it ends. 0 is the end of the run, and nothing goes on longer for
	// its sake.
	Until time.Duration `yaml:"until"`
	// Share of the members, by hash, is affected; stewards never are. Members adds
	// some by index. Neither means everybody. A partition and a loss concern all.
	Share   float64 `yaml:"share"`
	Members []int   `yaml:"members"`
	// Sides of a partition: default 2.
	Sides int `yaml:"sides"`
	// Loss is independent per receiver, BranchLoss common to each branch of
	// Network.Branches.
	Loss       float64 `yaml:"loss"`
	BranchLoss float64 `yaml:"branch_loss"`
}

func (f *Fault) limits(name string) []limit {
	limits := []limit{
		seconds(name+"from", f.From, 0, maxRun),
		seconds(name+"until", f.Until, 0, maxRun),
		share(name+"share", f.Share),
		{name + "loss", f.Loss, 0, 1, ""},
		{name + "branch_loss", f.BranchLoss, 0, 1, ""},
		{name + "sides", float64(f.Sides), 0, maxMembers, ""},
	}
	for i, m := range f.Members {
		limits = append(limits, limit{fmt.Sprintf("%smembers[%d]", name, i), float64(m), 0, maxMembers, ""})
	}
	return limits
}

func (f *Fault) check() error {
	switch {
	case !slices.Contains(faultKinds, f.Kind):
		return fmt.Errorf("kind is %q, must be of %q", f.Kind, faultKinds)
	case f.Until != 0 && f.Until < f.From:
		return fmt.Errorf("until is %v, must not be before from, %v", f.Until, f.From)
	case f.Kind == FaultLoss && f.Loss == 0 && f.BranchLoss == 0:
		return fmt.Errorf("loss and branch_loss are 0, one must be above")
	case f.Kind != FaultLoss && (f.Loss != 0 || f.BranchLoss != 0):
		return fmt.Errorf("loss and branch_loss belong to kind %q, not %q", FaultLoss, f.Kind)
	}
	return nil
}

// span is a stretch of virtual time: from ≤ t < to.
type span struct{ from, to int64 }

func (f *Fault) span(end int64) span {
	s := span{f.From.Milliseconds(), f.Until.Milliseconds()}
	if f.Until == 0 {
		s.to = end
	}
	return s
}

func (s span) has(t int64) bool { return s.from <= t && t < s.to }

// spans are in order and apart.
type spans []span

// has tells whether t is in one of them.
func (s spans) has(t int64) bool { return s.meets(t, t+1) }

// meets tells whether any of them has a moment from from to before to.
func (s spans) meets(from, to int64) bool {
	if len(s) == 0 {
		return false
	}
	i, _ := slices.BinarySearchFunc(s, from, func(s span, t int64) int { return int(min(max(s.to-1-t, -1), 1)) })
	return i < len(s) && s[i].from < to
}

// union puts overlapping spans together.
func union(list []span) spans {
	slices.SortFunc(list, func(a, b span) int { return int(min(max(a.from-b.from, -1), 1)) })
	var merged spans
	for _, s := range list {
		if s.to <= s.from {
			continue
		}
		if n := len(merged); n > 0 && s.from <= merged[n-1].to {
			merged[n-1].to = max(merged[n-1].to, s.to)
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

// Churn is members coming and going at random: a Share of them, never stewards,
// is online and offline for exponential times with these means, until the last
// message; then all come back. Off unless Share is set.
type Churn struct {
	Share   float64       `yaml:"share"`
	Online  time.Duration `yaml:"online"`  // default 10 min
	Offline time.Duration `yaml:"offline"` // default 2 min
	// Unaware members do not notice.
	Unaware bool `yaml:"unaware"`
}

func (c Churn) withDefaults() Churn {
	setDefault(&c.Online, 10*time.Minute)
	setDefault(&c.Offline, 2*time.Minute)
	return c
}

func (c *Churn) limits() []limit {
	return []limit{
		share("churn.share", c.Share),
		seconds("churn.online", c.Online, time.Second, maxRun),
		seconds("churn.offline", c.Offline, time.Second, maxRun),
	}
}

// spans draws when a member is away, up to end.
func (c *Churn) spans(seed uint64, member int, end int64) []span {
	draws := newStream(seed, forChurn, uint64(member))
	var list []span
	t := draws.exponential(ms(c.Online))
	for t < float64(end) {
		away := draws.exponential(ms(c.Offline))
		list = append(list, span{int64(t), min(int64(t+away), end)})
		t += away + draws.exponential(ms(c.Online))
	}
	return list
}
