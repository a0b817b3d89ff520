package crowd

import (
	"slices"

	"github.com/causeway-im/causeway/sds"
)

// member is one participant and where it is.
type member struct {
	Participant
	index    int
	id       sds.ParticipantID
	kind     Kind
	schedule *schedule
	skew     int64

	exists   bool
	online   bool // as it knows
	joined   int64
	next     int // of schedule.actions
	deadline int64
	serial   uint32
	late     []arrival // second copies
	burst    burstState
	// missing are the messages whose first copy was lost and that it does not hold:
	// by index, when it noticed, or -1.
	missing map[int32]int64
	control int64 // bytes that it sent beside contents
}

// arrival is a packet that reaches a member.
type arrival struct {
	at     int64
	flight *flight
	again  bool
}

// shard is a part of the members, which one worker at a time plays.
type shard struct {
	e           *engine
	first, last int // members from first up to last
	arrivals    []arrival
	out         Outputs

	// What happened in this window.
	broadcasts []*flight
	written    []*message
	mine       map[sds.MessageID]*message // of written
	held       []held
	seen       []seen

	incidents       map[int32]bool // messages that somebody missed
	copies          Copies
	refused, unsent int64
	tallies         map[Kind]*tally
}

// held says that a member got a message, seen that a receipt counts a person.
type held struct {
	at      int64
	message *message
	member  int
}

type seen struct {
	at      int64
	message *message
	persons []sds.PersonID
	verdict sds.Verdict // if it is the first
}

func newShard(e *engine, first, last int) *shard {
	return &shard{e: e, first: first, last: last, mine: map[sds.MessageID]*message{}, tallies: map[Kind]*tally{},
		incidents: map[int32]bool{}}
}

func (sh *shard) tally(k Kind) *tally {
	t := sh.tallies[k]
	if t == nil {
		t = &tally{}
		sh.tallies[k] = t
	}
	return t
}

// open makes the members that are there from the beginning.
func (sh *shard) open() {
	for i := sh.first; i < sh.last; i++ {
		m := &sh.e.members[i]
		if m.schedule.begins == 0 {
			sh.seat(m, 0, false)
		}
		sh.arm(m)
	}
}

// seat makes a member's participant.
func (sh *shard) seat(m *member, at int64, joins bool) {
	e := sh.e
	make, ok := e.makers[m.kind]
	if !ok {
		e.fail(errorf("nobody knows how to make a member of kind %q", m.kind))
		return
	}
	seat := Seat{Index: m.index, ID: m.id, Kind: m.kind, Channel: channelID, Seed: e.sc.Seed, Roster: e.roster,
		Joins: joins, Messages: len(e.plan.sends),
		Restarts: slices.ContainsFunc(m.schedule.actions, func(a action) bool { return a.kind == actRestart })}
	p, err := make(seat, e.sc, m.clock(at))
	if err != nil {
		e.fail(errorf("member %d: %w", m.index, err))
		return
	}
	m.Participant, m.exists, m.joined, m.online = p, true, at, true
	if joins {
		sh.rejoined(m)
	}
	if m.schedule.absent.has(at) {
		m.online = false
		p.SetOnline(m.clock(at), false)
	}
	sh.drain(m, at)
}

// clock is what m takes for the time.
func (m *member) clock(at int64) sds.Time { return start + sds.Time(at+m.skew) }

// arm works out when m has something to do by itself.
func (sh *shard) arm(m *member) {
	m.deadline = never
	if m.exists {
		if at, ok := m.Deadline(); ok {
			m.deadline = int64(at-start) - m.skew
		}
	}
	wake := m.deadline
	if m.next < len(m.schedule.actions) {
		wake = min(wake, m.schedule.actions[m.next].at)
	}
	sh.e.wake[m.index] = wake
}

// play lets the members of the shard live from from to before until.
func (sh *shard) play(from, until int64) {
	e := sh.e
	for i := sh.first; i < sh.last; i++ {
		m := &e.members[i]
		sh.gather(m, from, until)
		if len(sh.arrivals) > 0 || e.wake[i] < until {
			sh.live(m, from, until)
		}
	}
}

// gather lists what reaches m in a window, in order.
func (sh *shard) gather(m *member, from, until int64) {
	list := sh.arrivals[:0]
	for _, f := range sh.e.flights {
		if due := f.due[m.index]; due != 0 {
			if at := f.sent + int64(due); at >= from && at < until {
				list = append(list, arrival{at, f, false})
			}
		}
	}
	for _, f := range sh.e.fresh {
		if due := f.due[m.index]; due != 0 {
			if at := f.sent + int64(due); at >= from && at < until {
				list = append(list, arrival{at, f, false})
			}
		}
	}
	if len(m.late) > 0 {
		m.late = slices.DeleteFunc(m.late, func(a arrival) bool {
			if a.at >= until {
				return false
			}
			list = append(list, a)
			return true
		})
	}
	for i := 1; i < len(list); i++ { // nearly always very few
		for j := i; j > 0 && list[j].before(list[j-1]); j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
	sh.arrivals = list
}

func (a arrival) before(b arrival) bool {
	return a.at < b.at || a.at == b.at && a.flight.number < b.flight.number
}

// live plays one member's window: at one moment first what is planned, then what
// arrives, then what is due.
func (sh *shard) live(m *member, from, until int64) {
	actions := m.schedule.actions
	arrivals := sh.arrivals
	earliest := from
	for {
		action, packet := never, never
		if m.next < len(actions) {
			action = actions[m.next].at
		}
		if len(arrivals) > 0 {
			packet = arrivals[0].at
		}
		tick := max(m.deadline, earliest)
		at := min(action, packet, tick)
		if at >= until {
			break
		}
		switch at {
		case action:
			sh.act(m, actions[m.next])
			m.next++
		case packet:
			sh.receive(m, arrivals[0])
			arrivals = arrivals[1:]
		default:
			m.Tick(m.clock(at))
			sh.drain(m, at)
			earliest = at + 1 // a member that is never done must not stop the time
		}
		earliest = max(earliest, at)
		sh.arm(m)
	}
}

// act does what is planned.
func (sh *shard) act(m *member, a action) {
	if a.kind == actJoin {
		sh.seat(m, a.at, true)
		return
	}
	if !m.exists {
		return
	}
	switch a.kind {
	case actOffline, actOnline:
		if online := a.kind == actOnline; online != m.online {
			m.online = online
			m.SetOnline(m.clock(a.at), online)
		}
	case actRestart:
		if r, ok := m.Participant.(restarter); ok {
			if err := r.Restart(m.clock(a.at), sh.bytesOf); err != nil {
				sh.e.fail(errorf("member %d can't restart: %w", m.index, err))
			}
		}
	case actSend:
		sh.send(m, a)
	}
	sh.drain(m, a.at)
}

func (sh *shard) bytesOf(id sds.MessageID) []byte { return sh.e.stored[id].bytes }

// receive hands a packet to m.
func (sh *shard) receive(m *member, a arrival) {
	switch {
	case !m.exists || !m.online:
		if !a.again {
			sh.copies.Away++
		}
		return
	case a.again:
		sh.copies.Again++
	default:
		sh.copies.Arrived++
	}
	if err := m.Receive(m.clock(a.at), &a.flight.Packet); err != nil {
		sh.refused++
	}
	sh.drain(m, a.at)
}

// send lets m write a message.
func (sh *shard) send(m *member, a action) {
	s := &sh.e.plan.sends[a.send]
	content := sh.e.plan.contentOf(a.send)
	want := sds.AtLeastOne
	switch s.want {
	case wantVerdict:
		want = sds.Fraction(sh.e.sc.Load.Share)
	case wantEveryone:
		want = sds.Everyone
	}
	id, err := m.Send(m.clock(a.at), content, want)
	if err != nil {
		sh.unsent++
		return
	}
	w := newMessage(sh.e, a.send, id, m, a.at, len(content))
	if s.want == wantVerdict && sh.e.sc.Load.Share == verdictShare && m.kind.honest() {
		w.deadline = a.at + sh.e.verdictTime()
	}
	sh.written = append(sh.written, w)
	sh.mine[id] = w
}

// drain takes what m wants done.
func (sh *shard) drain(m *member, at int64) {
	if m.Participant == nil {
		return
	}
	for m.Drain(m.clock(at), &sh.out) {
		for i := range sh.out.Packets {
			p := &sh.out.Packets[i]
			m.serial++
			if m.online {
				sh.broadcasts = append(sh.broadcasts, &flight{Packet: Packet{Class: p.Class, Bytes: p.Payload},
					key: p.ID, from: m.index, serial: m.serial, sent: at})
			}
		}
		sh.observe(m, at, &sh.out)
	}
}

// message finds a message that is followed, or nil.
func (sh *shard) message(id sds.MessageID) *message {
	if w := sh.e.byID[id]; w != nil {
		return w
	}
	return sh.mine[id]
}
