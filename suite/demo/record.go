package demo

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/internal/numbers"
)

// calmFor is how long everybody must have stayed online after a message was
// written for it to count as one that was sent while everybody was online. It is
// longer than it takes everybody to get it, or nearly so.
const calmFor = 10 * time.Second

// recorder collects what the witnesses see. It is safe for concurrent use.
type recorder struct {
	mu         sync.Mutex
	start      time.Time
	members    []observed
	origins    []origins // by member; not guarded by mu
	index      map[causeway.ParticipantID]int
	tracks     map[causeway.MessageID]*track
	order      []*track // in the order of writing
	offline    int      // how many members are
	drafted    int      // messages that were written offline
	known      int      // messages that are known to have reached all
	detected   int      // times that a member found a message missing
	repaired   sources  // times that it came after that
	unmissed   sources  // times that a message came before anybody found it missing
	begun      bool     // the conversation has
	ready      int      // members that are connected, until it has begun
	notes      []Note
	violations []string
	changed    chan struct{} // has room for one token

	// Since the member that was cut off is back: what it lacks of what was written
	// before.
	returned *comeback
}

// observed is what one member has, as its store says.
type observed struct {
	log     []sds.Delivery              // in the order of arrival
	gaps    map[causeway.MessageID]bool // missing and asked for
	waiting map[causeway.MessageID]bool // arrived, without a place in the log
	unsent  int                         // own messages that the network has not taken
	away    bool
	cut     bool
}

// comeback is how the member that was cut off catches up.
type comeback struct {
	member int
	at     time.Time
	owed   map[causeway.MessageID]bool
	done   time.Time // zero while something is owed
}

// track follows one message. Sets of members are bits by index.
type track struct {
	id      causeway.MessageID
	sender  int
	text    string
	written time.Time
	before  int  // how many messages the log of its sender had
	calm    bool // everybody was online when it was written, and for a while after
	control int  // bytes of the packet beside the content
	level   causeway.Level
	first   time.Time         // somebody is known to have it
	full    time.Time         // everybody is
	held    uint64            // who has it
	known   uint64            // who is known by its sender to have it
	noticed map[int]time.Time // by member: found to be missing
	arrived map[int]time.Time
}

// source is where a member has a message from.
type source uint8

const (
	fromMember  source = iota
	fromHint           // from the store, asked for it
	fromCatchUp        // from the store, asked for all of a time
)

// origins are where the first copies of messages came from that a member got.
type origins struct {
	mu    sync.Mutex
	first map[causeway.MessageID]source
}

// sources count messages by source.
type sources [3]int

func (s sources) total() int { return s[fromMember] + s[fromHint] + s[fromCatchUp] }

// Note is something worth a line.
type Note struct {
	At   time.Duration
	Text string
}

func newRecorder(members int) *recorder {
	r := &recorder{start: time.Now(), members: make([]observed, members), origins: make([]origins, members), index: map[causeway.ParticipantID]int{},
		tracks: map[causeway.MessageID]*track{}, changed: make(chan struct{}, 1)}
	for i := range members {
		r.members[i] = observed{gaps: map[causeway.MessageID]bool{}, waiting: map[causeway.MessageID]bool{}}
		r.origins[i].first = map[causeway.MessageID]source{}
		r.index[participant(i)] = i
	}
	return r
}

// begin sets the moment from which times count.
func (r *recorder) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.start, r.begun = time.Now(), true
}

// connecting notes how many members are connected.
func (r *recorder) connecting(ready int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready = ready
}

// heard notes that a member is about to get a copy of a message. It is called
// for each copy, and so has a lock for each member.
func (r *recorder) heard(member int, id causeway.MessageID, from source) {
	o := &r.origins[member]
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.first[id]; !ok {
		o.first[id] = from
	}
}

// origin returns where the first copy of a message came from.
func (r *recorder) origin(member int, id causeway.MessageID) source {
	o := &r.origins[member]
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.first[id]
}

func (r *recorder) elapsed() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.start)
}

// note is called with mu held.
func (r *recorder) note(format string, args ...any) {
	r.notes = append(r.notes, Note{time.Since(r.start), fmt.Sprintf(format, args...)})
}

// violated notes that a promise was broken. It is called with mu held.
func (r *recorder) violated(format string, args ...any) {
	at := fmt.Sprintf("at %.3f s: ", time.Since(r.start).Seconds())
	r.violations = append(r.violations, at+fmt.Sprintf(format, args...))
}

// counting checks receipts at the instant before they become durable: whoever
// they count holds the message by now.
func (r *recorder) counting(member int, events []causeway.Event) {
	if !slices.ContainsFunc(events, func(e causeway.Event) bool { return e.Receipt != nil }) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		if e.Receipt == nil || len(e.Receipt.Persons) == 0 {
			continue
		}
		t := r.tracks[e.ID]
		if t == nil || t.sender != member {
			r.violated("member %d has a receipt of message %s, which it did not write", member, e.ID)
			continue
		}
		for _, person := range e.Receipt.Persons {
			if i, ok := r.index[causeway.ParticipantID(person)]; !ok || t.held&(1<<i) == 0 {
				r.violated("the receipt of message %s of member %d counts %s, who does not have it", e.ID, member, person)
			}
		}
	}
}

// committed takes in what has become durable at a member.
func (r *recorder) committed(member int, b *store.Batch, events []causeway.Event) {
	if len(events) == 0 && !slices.ContainsFunc(b.Channels, func(ch store.ChannelBatch) bool { return len(ch.Sealed) > 0 }) {
		return // most commits
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range events {
		if m := events[i].Message; m != nil && m.Own && events[i].Kind == causeway.EventDelivered {
			r.wrote(member, m, now)
		}
	}
	for _, ch := range b.Channels {
		for _, s := range ch.Sealed {
			r.holds(member, s, now)
		}
	}
	for i := range events {
		r.event(member, &events[i], now)
	}
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// wrote begins to follow a message.
func (r *recorder) wrote(member int, m *causeway.Message, now time.Time) {
	o := &r.members[member]
	t := &track{id: m.ID, sender: member, text: string(m.Content), written: now, before: len(o.log), calm: r.offline == 0,
		level: causeway.Queued, held: 1 << member, noticed: map[int]time.Time{}, arrived: map[int]time.Time{}}
	r.tracks[m.ID] = t
	r.order = append(r.order, t)
	o.unsent++
	if o.away {
		r.drafted++
	}
}

// holds notes that a member has the bytes of a message.
func (r *recorder) holds(member int, s store.Sealed, now time.Time) {
	t := r.tracks[s.ID]
	if t == nil {
		r.violated("member %d has message %s, which nobody wrote", member, s.ID)
		return
	}
	if t.sender == member {
		t.control = len(s.Bytes) - len(t.text)
		return
	}
	if t.held&(1<<member) != 0 {
		return
	}
	t.held |= 1 << member
	t.arrived[member] = now
	if _, ok := t.noticed[member]; ok {
		r.repaired[r.origin(member, s.ID)]++
	} else {
		r.unmissed[r.origin(member, s.ID)]++
	}
	if c := r.returned; c != nil && c.member == member && c.owed[s.ID] {
		delete(c.owed, s.ID)
		r.caughtUp(now)
	}
}

func (r *recorder) event(member int, e *causeway.Event, now time.Time) {
	o, t := &r.members[member], r.tracks[e.ID]
	if t == nil && (e.Message != nil || e.Receipt != nil) {
		r.violated("member %d speaks of message %s, which nobody wrote", member, e.ID)
		return
	}
	switch {
	case e.Kind == causeway.EventArrived:
		o.waiting[e.ID] = true
	case e.Kind == causeway.EventDelivered:
		delete(o.waiting, e.ID)
		if int(e.Message.Position) != len(o.log)+1 {
			r.violated("member %d has position %d after %d", member, e.Message.Position, len(o.log))
		}
		o.log = append(o.log, sds.Delivery{ID: e.ID, Sender: e.Message.Sender, Position: e.Message.Position, Content: e.Message.Content})
	case e.Receipt != nil:
		r.receipt(o, t, e.Receipt, now)
	case e.Gap != nil:
		r.gap(member, t, e.Gap, now)
	}
}

func (r *recorder) receipt(o *observed, t *track, now *causeway.ReceiptNow, at time.Time) {
	if t.level < causeway.Sent && now.Level >= causeway.Sent {
		o.unsent--
	}
	t.level = max(t.level, now.Level)
	for _, person := range now.Persons {
		t.known |= 1 << r.index[causeway.ParticipantID(person)]
	}
	if t.first.IsZero() && now.Seen > 0 {
		t.first = at
	}
	if t.full.IsZero() && now.Level == causeway.SeenByAll {
		t.full = at
		r.known++
	}
}

func (r *recorder) gap(member int, t *track, g *causeway.Gap, now time.Time) {
	gaps := r.members[member].gaps
	if g.State != causeway.GapMissing && g.State != causeway.GapSkipped {
		delete(gaps, g.ID)
		return
	}
	gaps[g.ID] = true
	if t == nil || t.held&(1<<member) != 0 {
		return
	}
	if _, ok := t.noticed[member]; !ok {
		t.noticed[member] = now
		r.detected++
	}
}

// online notes that a member's network goes or comes back, and whether that is
// the cut.
func (r *recorder) online(member int, online, cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := &r.members[member]
	wasCut := o.cut
	o.away, o.cut = !online, cut
	if online {
		r.offline--
		r.note("member %d is back%s", member, r.comesBack(member, wasCut))
		return
	}
	r.offline++
	for _, t := range slices.Backward(r.order) {
		if time.Since(t.written) >= calmFor {
			break
		}
		t.calm = false
	}
	how := "goes offline"
	if cut {
		how = "is cut off, and goes on writing"
	}
	r.note("member %d %s", member, how)
}

// comesBack notes what a member lacks that was cut off, and says so.
func (r *recorder) comesBack(member int, wasCut bool) string {
	if !wasCut {
		return ""
	}
	c := &comeback{member: member, at: time.Now(), owed: map[causeway.MessageID]bool{}}
	for _, t := range r.order {
		if t.held&(1<<member) == 0 {
			c.owed[t.id] = true
		}
	}
	r.returned = c
	owed := len(c.owed)
	r.caughtUp(c.at)
	return fmt.Sprintf(": it lacks %s and has %s to send", numbers.Plural(owed, "message", "messages"), numbers.Number(r.members[member].unsent))
}

func (r *recorder) caughtUp(now time.Time) {
	if c := r.returned; len(c.owed) == 0 && c.done.IsZero() {
		c.done = now
		r.note("member %d has caught up, %s after its return", c.member, short(now.Sub(c.at)))
	}
}

// complete tells whether every sender of n messages knows that everybody has
// them, and every log has them all.
func (r *recorder) complete(n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known < n {
		return false
	}
	return !slices.ContainsFunc(r.members, func(o observed) bool { return len(o.log) < n })
}
