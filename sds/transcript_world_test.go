package sds_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

const (
	start   = sds.Time(1_700_000_000_000)
	channel = sds.ChannelID("general")
	delay   = 100 * time.Millisecond // from one member to another
)

// world is some hosts and the network between them, in virtual time.
type world struct {
	t     testing.TB
	where string // the command that runs

	now      sds.Time
	hosts    []*host
	flying   []copied // in order of arrival
	rules    []*rule
	roster   map[sds.ParticipantID]sds.PersonID
	stewards []sds.PersonID
	noRoster bool
	dialect  sds.Dialect
	backups  map[string]sds.State

	names map[sds.MessageID]string
	ids   map[string]sds.MessageID
	order []string // names as they appeared
	bytes map[sds.MessageID][]byte
	count map[string]int
	said  []string
	tally []tallied // what many did since the command began
}

// tallied is something that quiet members did.
type tallied struct {
	what        string
	count       int
	first, last sds.Time
}

// host drives one Channel and keeps what a host must keep.
type host struct {
	name    string
	cfg     sds.Config
	ch      *sds.Channel
	state   sds.State
	bytes   map[sds.MessageID][]byte
	lookups []sds.MessageID

	online, cut, broken, slow bool
	quiet                     bool          // its lines are counted
	ahead                     time.Duration // its clock

	// What it was promised: the harness fails a transcript that breaks it.
	arrived  map[sds.MessageID]bool
	position sds.Position
	receipts map[sds.MessageID]sds.Receipt
}

// copied is a packet on its way to one member.
type copied struct {
	at       sds.Time
	from, to *host
	class    sds.Class
	payload  []byte
}

// rule loses packets.
type rule struct {
	what, from, to string
	left           int // negative: all
}

func newWorld() *world {
	return &world{now: start, roster: map[sds.ParticipantID]sds.PersonID{}, backups: map[string]sds.State{},
		names: map[sds.MessageID]string{}, ids: map[string]sds.MessageID{},
		bytes: map[sds.MessageID][]byte{}, count: map[string]int{}}
}

func newHost(name string) *host {
	return &host{name: name, online: true, bytes: map[sds.MessageID][]byte{},
		arrived: map[sds.MessageID]bool{}, receipts: map[sds.MessageID]sds.Receipt{}}
}

func (w *world) find(name string) *host {
	for _, h := range w.hosts {
		if h.name == name {
			return h
		}
	}
	w.t.Fatalf("%s: there is no %s", w.where, name)
	return nil
}

// clock is what h believes the time to be.
func (w *world) clock(h *host) sds.Time { return w.now.Add(h.ahead) }

// lamport is a moment as a timestamp of a dialect.
func (w *world) lamport(d sds.Dialect, t sds.Time) uint64 {
	if d == sds.Nim {
		return uint64(t) / 1000
	}
	return uint64(t)
}

// open starts a channel from a state.
func (w *world) open(h *host, s sds.State) {
	c, err := sds.Restore(h.cfg, s.Clone(), func(id sds.MessageID) (wire.Message, error) {
		return wire.Decode(h.bytes[id])
	}, w.clock(h))
	if err != nil {
		w.t.Fatalf("%s: %v", w.where, err)
	}
	if s.Meta.Position < h.position { // an older backup, or nothing
		h.position, h.receipts = s.Meta.Position, map[sds.MessageID]sds.Receipt{}
		for id := range h.arrived {
			h.arrived[id] = s.Messages[id].State != 0
		}
	}
	h.ch, h.state = c, s
	if !h.online {
		c.SetOnline(w.clock(h), false)
	}
	w.handle(h)
}

// handle is the loop of package sds: commit, act, advance.
func (w *world) handle(h *host) {
	for {
		r := h.ch.Ready()
		if r.Empty() {
			return
		}
		if h.broken {
			w.say(h.name, "can't write: %d packets and %d deliveries wait", len(r.Packets), len(r.Deliveries))
			return
		}
		for _, p := range r.Packets {
			if p.Payload != nil {
				h.bytes[p.ID] = p.Payload
			}
		}
		h.state.Apply(r.Changes)
		if h.quiet {
			w.tellBriefly(r)
		} else {
			w.tell(h, r)
		}
		w.check(h, r)
		h.ch.Advance()
		for _, p := range r.Packets {
			payload := h.bytes[p.ID]
			w.bytes[p.ID] = payload
			if h.online {
				w.broadcast(h, p.Class, payload)
				h.ch.Handed(w.clock(h), p.Serial, nil, nil)
			}
		}
		h.lookups = append(h.lookups, r.Lookups...)
		if len(h.lookups) > 0 && !h.slow {
			w.answer(h)
		}
	}
}

// answer looks up what h's channel asked for.
func (w *world) answer(h *host) {
	var results []sds.Lookup
	for _, id := range h.lookups {
		m, ok := h.state.Messages[id]
		l := sds.Lookup{ID: id, Known: ok && m.State == sds.StateLogged, Sender: m.Sender, Reach: m.Reach}
		results = append(results, l)
		w.say(h.name, "lookup %s: %s", w.name(id), map[bool]string{true: "known", false: "unknown"}[l.Known])
	}
	h.lookups = nil
	h.ch.Found(w.clock(h), results)
	w.handle(h)
}

// broadcast puts copies on their way. from is nil for a message made by hand.
func (w *world) broadcast(from *host, class sds.Class, payload []byte) {
	for _, to := range w.hosts {
		if to != from {
			w.flying = append(w.flying, copied{w.now.Add(delay), from, to, class, payload})
		}
	}
}

// run lets time pass: what arrives first, then what is due, member by member.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for {
		next := end + 1
		if len(w.flying) > 0 {
			next = w.flying[0].at
		}
		for _, h := range w.hosts {
			if at, ok := h.ch.Deadline(); ok {
				next = min(next, at.Add(-h.ahead))
			}
		}
		if next > end {
			break
		}
		w.now = max(w.now, next)
		for len(w.flying) > 0 && w.flying[0].at <= w.now {
			c := w.flying[0]
			w.flying = w.flying[1:]
			w.arrive(c)
		}
		for _, h := range w.hosts {
			if at, ok := h.ch.Deadline(); ok && at <= w.clock(h) {
				h.ch.Tick(w.clock(h))
				w.handle(h)
			}
		}
	}
	w.now = end
}

// arrive ends the way of one copy.
func (w *world) arrive(c copied) {
	m, err := wire.Decode(c.payload)
	if err != nil {
		w.t.Fatalf("%s: %v", w.where, err)
	}
	if c.from != nil && c.from.cut || c.to.cut || !c.to.online {
		return
	}
	for _, r := range w.rules {
		if r.left == 0 || r.to != "" && r.to != c.to.name || r.from != "" && r.from != string(m.SenderID) ||
			r.what != c.class.String() && r.what != w.name(m.MessageID) {
			continue
		}
		r.left--
		if c.to.quiet {
			w.note("loses " + w.name(m.MessageID))
		} else {
			w.say(c.to.name, "loses %s", w.name(m.MessageID))
		}
		return
	}
	w.receive(c.to, c.payload, sds.Origin{})
}

// receive gives bytes to a member.
func (w *world) receive(h *host, payload []byte, o sds.Origin) {
	m, err := wire.Decode(payload)
	if err != nil {
		w.say(h.name, "can't read a packet: %v", err)
		return
	}
	if m.Kind() == wire.Content && h.bytes[m.MessageID] == nil {
		h.bytes[m.MessageID] = payload
	}
	if err := h.ch.Receive(w.clock(h), m, o); err != nil {
		w.say(h.name, "refuses %s: %v", w.name(m.MessageID), err)
	}
	w.handle(h)
}

// check fails the transcript if a promise is broken.
func (w *world) check(h *host, r sds.Ready) {
	broken := func(format string, list ...any) {
		w.t.Errorf("%s: %s: %s", w.where, h.name, fmt.Sprintf(format, list...))
	}
	for _, a := range r.Arrivals {
		if h.arrived[a.ID] && a.Kind == wire.Content {
			broken("%s arrives twice", w.name(a.ID))
		}
		h.arrived[a.ID] = true
	}
	for _, d := range r.Deliveries {
		if !h.arrived[d.ID] && !d.Own {
			broken("%s is delivered before it arrives", w.name(d.ID))
		}
		if d.Position != h.position+1 {
			broken("position %d after %d", d.Position, h.position)
		}
		h.arrived[d.ID], h.position = true, d.Position
	}
	for _, p := range r.Packets {
		m, err := wire.Decode(h.bytes[p.ID])
		if err != nil || !bytes.Equal(m.Encode(), h.bytes[p.ID]) || sds.VerifyID(&m) == sds.Forged {
			broken("packet %s is not sound: %v", w.name(p.ID), err)
		}
	}
	for _, now := range r.Receipts {
		was := h.receipts[now.ID]
		if now.Level < was.Level || now.Seen < was.Seen || now.Possibly < was.Possibly {
			broken("receipt of %s goes back", w.name(now.ID))
		}
		h.receipts[now.ID] = now
		for _, person := range now.Persons {
			if !w.holds(person, now.ID) {
				broken("receipt of %s counts %s", w.name(now.ID), person)
			}
		}
	}
}

// holds tells whether an installation of a person has a message. Of those that
// inject speaks for it is believed.
func (w *world) holds(person sds.PersonID, id sds.MessageID) bool {
	real := false
	for _, h := range w.hosts {
		if w.roster[sds.ParticipantID(h.name)] == person {
			if h.bytes[id] != nil {
				return true
			}
			real = true
		}
	}
	return !real
}

// name returns what a message is called here; the first time it gets a name.
func (w *world) name(id sds.MessageID) string {
	if name := w.names[id]; name != "" {
		return name
	}
	w.bind(id, w.fresh("x"))
	return w.names[id]
}

func (w *world) bind(id sds.MessageID, name string) {
	if w.names[id] == "" {
		if w.ids[name] != "" {
			w.t.Fatalf("%s: there is a %s already", w.where, name)
		}
		w.names[id], w.ids[name] = name, id
		w.order = append(w.order, name)
	}
}

// fresh makes a name that is not in use.
func (w *world) fresh(prefix string) string {
	for {
		w.count[prefix]++
		name := fmt.Sprintf("%s%d", prefix, w.count[prefix])
		if w.ids[name] == "" {
			return name
		}
	}
}

func (w *world) id(name string) sds.MessageID {
	id, ok := w.ids[name]
	if !ok {
		w.t.Fatalf("%s: there is no message %s", w.where, name)
	}
	return id
}

func (w *world) namesOf(ids []sds.MessageID) []string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = w.name(id)
	}
	return names
}

// byAppearance sorts ids whose own order means nothing.
func (w *world) byAppearance(ids []sds.MessageID) []string {
	names := w.namesOf(ids)
	slices.SortFunc(names, func(a, b string) int { return slices.Index(w.order, a) - slices.Index(w.order, b) })
	return names
}
