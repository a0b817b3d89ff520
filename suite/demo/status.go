package demo

import (
	"slices"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sim"
)

// Status is where a run stands.
type Status struct {
	Transport       Transport
	Connecting      bool // the members are not all connected yet, and nobody speaks
	Ready           int  // how many of them are, then
	Seed            uint64
	Loss            float64
	Elapsed, Length time.Duration
	Total           int // messages of the conversation
	Messages        []MessageStatus
	Members         []MemberStatus
	Known           int // messages that are known by their senders to have reached all
	Found, Closed   int // misses that were detected, and of them those that were repaired
	FromStore       int // of these, by what the store has; the others, by members
	Handed, Lost    int // copies of packets that members were handed while online, and those that were lost
	FirstAck        time.Duration
	FullAck         time.Duration // medians so far; 0 if there is none
	Notes           []Note
}

// MessageStatus is what is known about one message, in the order of writing.
type MessageStatus struct {
	Sender int
	Text   string
	Held   uint64 // who has it, as bits by member
	Known  uint64 // who of them is known by its sender to have it
	Unsent bool   // the network has not taken it
}

// MemberStatus is what one member has.
type MemberStatus struct {
	Has     int // messages in its log
	Missing int // messages that it knows to be missing
	Waiting int // messages that arrived and wait for others
	Unsent  int // own messages that wait for the network
	Away    bool
	Cut     bool // it is the member that is cut off, now
	Behind  int  // messages that it still lacks of those written while it was cut off
}

// isLight tells whether a member has a light node.
func (s *Status) isLight(member int) bool { return s.Transport == Waku && member == len(s.Members)-1 }

// Status returns where the run stands.
func (r *Run) Status() Status {
	s := r.rec.status()
	s.Seed, s.Loss, s.Length, s.Total = r.opts.Seed, r.opts.Loss, r.plan.length, r.plan.messages
	s.Transport = r.opts.Transport
	if network := r.network.Load(); network != nil {
		n := (*network).counts()
		s.Handed, s.Lost = n.handed, n.lost
	}
	return s
}

func (r *recorder) status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Status{Elapsed: time.Since(r.start), Known: r.known, Found: r.detected, Closed: r.repaired.total(), Notes: slices.Clone(r.notes),
		Connecting: !r.begun, Ready: r.ready, FromStore: r.repaired[fromHint] + r.repaired[fromCatchUp]}
	var first, full []time.Duration
	for _, t := range r.order {
		s.Messages = append(s.Messages, MessageStatus{t.sender, t.text, t.held, t.known, t.level < causeway.Sent})
		if !t.first.IsZero() {
			first = append(first, t.first.Sub(t.written))
		}
		if !t.full.IsZero() {
			full = append(full, t.full.Sub(t.written))
		}
	}
	s.FirstAck, s.FullAck = sim.Percentile(first, 50), sim.Percentile(full, 50)
	for i := range r.members {
		o := &r.members[i]
		m := MemberStatus{Has: len(o.log), Missing: len(o.gaps), Waiting: len(o.waiting), Unsent: o.unsent, Away: o.away, Cut: o.cut}
		if c := r.returned; c != nil && c.member == i {
			m.Behind = len(c.owed)
		}
		s.Members = append(s.Members, m)
	}
	return s
}
