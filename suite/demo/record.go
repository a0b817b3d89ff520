package demo

import (
	"fmt"
	"slices"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sim"
)

// calmFor is how long everybody must have stayed online after a message was
// written for it to count as one that was sent while everybody was online. It
// is longer than it takes everybody to get it, or nearly so.
const calmFor = time.Minute

// recorder watches a group. It adds to the group's Stats what a demo wants to
// tell beyond them: the figures of messages that were sent while everybody was
// online, what single messages cost, and what deployed implementations would
// have sent.
type recorder struct {
	group   *sim.Group
	tracks  map[sds.MessageID]*track
	order   []*track // in the order of sending
	offline int      // how many members are
	drafts  []int    // by member: messages written and not yet sent
	drafted int      // all that were drafts once
	inOne   []int    // control bytes of each content message
	other   sim.Deployed
	err     error
}

// track follows one message.
type track struct {
	sender  int
	sent    sds.Time
	calm    bool // everybody was online when it was written, and for a while after
	content int  // bytes
	first   sds.Time
	full    sds.Time
	noticed map[int]sds.Time // by member: found to be missing
	arrived map[int]sds.Time
}

func newRecorder(g *sim.Group) *recorder {
	r := &recorder{group: g, tracks: map[sds.MessageID]*track{}, drafts: make([]int, len(g.Members))}
	g.Observe = r.observe
	return r
}

// online notes that a member's network goes or comes back.
func (r *recorder) online(member int, online bool) {
	if online {
		r.offline--
		r.drafts[member] = 0
		return
	}
	r.offline++
	for _, t := range slices.Backward(r.order) {
		if r.group.Now().Sub(t.sent) >= calmFor {
			break
		}
		t.calm = false
	}
}

func (r *recorder) observe(m *sim.Member, ready sds.Ready) {
	now := r.group.Now()
	for _, d := range ready.Deliveries {
		if d.Own {
			r.sent(m, d)
		}
	}
	for _, a := range ready.Arrivals {
		if t := r.tracks[a.ID]; t != nil {
			t.arrived[m.Index] = now
		}
	}
	for _, gap := range ready.Gaps {
		if t := r.tracks[gap.ID]; t != nil && gap.State == sds.GapMissing && t.arrived[m.Index] == 0 && t.noticed[m.Index] == 0 {
			t.noticed[m.Index] = now
		}
	}
	for _, receipt := range ready.Receipts {
		t := r.tracks[receipt.ID]
		if t == nil {
			continue
		}
		if t.first == 0 && receipt.Seen > 0 {
			t.first = now
		}
		if t.full == 0 && receipt.Level == sds.LevelEveryone {
			t.full = now
		}
	}
	for _, p := range ready.Packets {
		if t := r.tracks[p.ID]; t != nil && p.Class == sds.ClassContent {
			r.inOne = append(r.inOne, len(p.Payload)-t.content)
		}
	}
}

// sent begins to follow a message, which a member has just written.
func (r *recorder) sent(m *sim.Member, d sds.Delivery) {
	t := &track{sender: m.Index, sent: r.group.Now(), calm: r.offline == 0, content: len(d.Content),
		noticed: map[int]sds.Time{}, arrived: map[int]sds.Time{}}
	r.tracks[d.ID] = t
	r.order = append(r.order, t)
	if !m.Online {
		r.drafts[m.Index]++
		r.drafted++
	}
	before := m.Log[:d.Position-1]
	if err := r.other.Sent(m.ID, r.group.Now(), d.ID, d.Content, before); err != nil && r.err == nil {
		r.err = fmt.Errorf("cost of deployed implementations: %w", err)
	}
}

// latencies are how long things took, over a set of messages.
type latencies struct {
	messages                          int
	detect, repair, firstAck, fullAck []time.Duration
}

// latencies collects those of all messages, or of those that were written while
// everybody was online.
func (r *recorder) latencies(calm bool) latencies {
	var l latencies
	for _, t := range r.order {
		if calm && !t.calm {
			continue
		}
		l.messages++
		for i := range r.group.Members {
			l.missing(t, i)
		}
		if t.first != 0 {
			l.firstAck = append(l.firstAck, t.first.Sub(t.sent))
		}
		if t.full != 0 {
			l.fullAck = append(l.fullAck, t.full.Sub(t.sent))
		}
	}
	return l
}

func (l *latencies) missing(t *track, member int) {
	noticed, arrived := t.noticed[member], t.arrived[member]
	if noticed == 0 {
		return
	}
	l.detect = append(l.detect, noticed.Sub(t.sent))
	if arrived != 0 {
		l.repair = append(l.repair, arrived.Sub(noticed))
	}
}
