package demo

import (
	"maps"
	"time"

	"github.com/causeway-im/causeway/sds"
)

// Status is where a run stands.
type Status struct {
	Seed            uint64
	Loss            float64
	Elapsed, Length time.Duration
	Total           int // messages of the conversation
	Written         int // messages so far, drafts included
	Known           int // of them known to their senders to have reached all
	Handed, Lost    int
	Packets         map[sds.Class]int
	Members         []MemberStatus
	Said            string // the last message and who wrote it
}

// MemberStatus is what one member has.
type MemberStatus struct {
	Has    int // messages in its log
	Gaps   int // messages that it knows to be missing
	Drafts int // messages that wait for the network
	Online bool
	Cut    bool // it is the member that is cut off, now
}

// Status returns where the run stands.
func (r *Run) Status() Status {
	s := &r.group.Stats
	status := Status{Seed: r.opts.Seed, Loss: r.opts.Loss, Elapsed: r.Elapsed(), Length: r.Length(),
		Total: r.trace.Messages(), Written: s.Messages, Known: s.Acknowledged(), Handed: s.Handed, Lost: s.Lost,
		Packets: maps.Clone(s.Packets), Said: r.said}
	for _, m := range r.group.Members {
		status.Members = append(status.Members, MemberStatus{Has: len(m.Log), Gaps: m.Channel.Sizes().Awaited,
			Drafts: r.rec.drafts[m.Index], Online: m.Online, Cut: r.cutNow && m.Index == r.cut})
	}
	return status
}
