package sds

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"

	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/wire"
)

// SendOptions are the choices for one message. The zero value is a content
// message that wants to reach one other person.
type SendOptions struct {
	Want Want
	// Ephemeral messages are delivered to whoever is there: they are not stored,
	// acknowledged or repaired.
	Ephemeral bool
	// Replace, if not empty, is what the message is about, at most MaxSubject bytes: it
	// replaces the last own one about the same. That one is not sent any more, unless
	// somebody asks for it, and its Receipt says Superseded.
	Replace string
	// Withdraw is an id that Replaceable has returned for Replace, if the host knows
	// that no packet of that message has left and none will: it is taken out of the
	// log.
	Withdraw MessageID
	Priority Priority
	// Part says that the message is a part of something larger of the host's. The
	// channel only keeps it, for its receipts.
	Part bool
	// ID overrides the dialect's message id. Only for Nim, where ids are the
	// host's business. In the Nim and JS dialects the host makes sure that an id
	// was never used before: beyond the window the channel can't tell.
	ID MessageID
}

// Send makes a message of content. It enters the log at once and goes out with
// the next Ready, or when the channel is online again. The id identifies it in
// receipts. content is kept until then and must not be changed.
func (c *Channel) Send(now Time, content []byte, o SendOptions) (MessageID, error) {
	c.advance(now)
	switch {
	case len(content) == 0:
		return "", fmt.Errorf("sds: %w", ErrEmptyContent)
	case len(content) > MaxContent:
		return "", fmt.Errorf("sds: %w: %d bytes, at most %d", ErrContentTooLarge, len(content), MaxContent)
	case o.ID != "" && (c.cfg.Dialect != Nim || formOf(o.ID) == formContent || formOf(o.ID) == formSync) || len(o.ID) > wire.MaxID:
		return "", fmt.Errorf("sds: %w: ID is for the nim dialect, has at most %d bytes and not the form of our own ids", ErrConfig, wire.MaxID)
	}
	if err := o.Want.check(); err != nil {
		return "", err
	}
	if o.Ephemeral && c.cfg.Dialect == Nim {
		return "", fmt.Errorf("sds: %w: Ephemeral: the nim dialect has no such messages", ErrConfig)
	}
	if len(o.Replace) > MaxSubject || o.Ephemeral && o.Replace != "" {
		return "", fmt.Errorf("sds: %w: Replace has %d bytes, at most %d, and an ephemeral message replaces nothing", ErrConfig, len(o.Replace), MaxSubject)
	}
	if o.Priority < PriorityLow || o.Priority > PriorityHigh {
		return "", fmt.Errorf("sds: %w: Priority is %d, must be from %d to %d", ErrConfig, o.Priority, PriorityLow, PriorityHigh)
	}
	older := c.subjects[o.Replace]
	if o.Withdraw != "" {
		if id, _, ok := c.Replaceable(o.Replace); !ok || id != o.Withdraw {
			return "", fmt.Errorf("sds: %w: Withdraw: %s can't be withdrawn", ErrConfig, clip(string(o.Withdraw)))
		}
	}
	if o.Ephemeral {
		return c.sendEphemeral(content), nil
	}
	if len(c.outgoing) >= MaxOutgoing && !c.makeRoom() {
		return "", fmt.Errorf("sds: %w: %d messages that nobody is known to have", ErrOutgoingFull, MaxOutgoing)
	}
	lamport := max(c.cfg.Dialect.floor(now), c.meta.Lamport+1, c.meta.Base+1)
	if lamport >= MaxLamport {
		return "", fmt.Errorf("sds: %w: the clock is at its end", ErrLamportRange)
	}
	if o.Withdraw != "" {
		c.withdraw(older)
	}
	entries, complete := c.causalHistory(false)
	id := c.contentID(o.ID, lamport, entries, content)
	if c.exists(id) {
		return "", fmt.Errorf("sds: %w: %s", ErrDuplicateContent, id)
	}
	if !c.meta.BaseFixed && c.cfg.JoinPoint > 0 {
		c.fixBase(min(c.cfg.JoinPoint, lamport-1))
	}
	c.nextLamport(now)
	m := &wire.Message{Dialect: c.cfg.Dialect.wire(), SenderID: c.cfg.Participant, MessageID: id,
		ChannelID: c.cfg.Channel, Lamport: lamport, HasLamport: true, CausalHistory: entries, Content: content}
	if older != nil {
		c.supersede(older, id, o.Withdraw != "")
	}
	out := c.track(m, &o)
	claim := c.newExtension(complete)
	c.logOwn(m, out)
	if c.online {
		c.spoken(entries, complete)
	}
	if c.online {
		c.emit(out, m, claim)
	} else {
		out.draft, out.entries = content, entries
		c.out.Changes.Outgoing = append(c.out.Changes.Outgoing, c.outgoingRecord(out))
	}
	return id, nil
}

// exists tells whether a message with this id is known, here or to others.
func (c *Channel) exists(id MessageID) bool {
	_, held := c.held[id]
	return held || c.nodes[id] != nil || c.parked[id] != nil || c.awaited[id] != nil || c.metIDs.has(id) || c.lost.has(id)
}

func (c *Channel) contentID(given MessageID, lamport uint64, entries []HistoryEntry, content []byte) MessageID {
	switch {
	case given != "":
		return given
	case c.cfg.Dialect == JS:
		return ContentID(content)
	}
	return NewMessageID(c.cfg.Channel, c.cfg.Participant, lamport, entries, content)
}

// track begins to follow the acknowledgements of an own message.
func (c *Channel) track(m *wire.Message, opts *SendOptions) *outgoing {
	c.dropDone()
	c.meta.Ordinal++
	o := &outgoing{id: m.MessageID, ordinal: c.meta.Ordinal, lamport: m.Lamport, want: opts.Want, subject: opts.Replace, priority: opts.Priority, part: opts.Part,
		audience: c.audience, sentAt: c.now, started: c.policyNow(), timer: timer{kind: timerOutgoing, id: m.MessageID}}
	o.resolveWant(c)
	c.outgoing[o.id] = o
	c.outOrder = append(c.outOrder, o)
	c.about(o)
	return o
}

// resolveWant finds the persons that a Want names in the audience.
func (o *outgoing) resolveWant(c *Channel) {
	if o.want.Kind != WantPersons || o.audience == nil {
		return
	}
	for _, id := range o.want.Persons {
		if i := c.persons.of(id); o.audience.members.has(i) {
			o.wanted.add(i)
		}
	}
}

// logOwn gives an own message its place.
func (c *Channel) logOwn(m *wire.Message, o *outgoing) {
	parents := make([]MessageID, len(m.CausalHistory))
	for i := range m.CausalHistory {
		parents[i] = m.CausalHistory[i].MessageID
		if n := c.nodes[parents[i]]; n != nil && n.namedIn == 0 {
			n.namedIn = o.ordinal
		}
	}
	n := &node{id: o.id, sender: c.cfg.Participant, lamport: o.lamport, ordinal: o.ordinal, own: true,
		leaf: NewLeaf(o.id, parents, sha256.Sum256(m.Content))}
	c.enter(n, parents, false)
	c.out.Changes.Messages = append(c.out.Changes.Messages, n.record(parents))
	c.out.Deliveries = append(c.out.Deliveries, Delivery{ID: o.id, Sender: n.sender, Lamport: o.lamport,
		Position: n.position, Content: m.Content, Own: true})
	if c.cfg.Dialect != Nim {
		c.unsettle()
	}
}

// emit makes the packet of an own message: now it gets its sequence number.
func (c *Channel) emit(o *outgoing, m *wire.Message, e wire.Extension) {
	c.meta.Sequence++
	c.metaChanged = true
	o.sequence = c.meta.Sequence
	o.draft, o.entries = nil, nil
	e.Sequence = o.sequence
	if o.want.Kind != WantOne {
		e.Ask = c.askFor(o)
		e.HasAsk = len(e.Ask) > 0 || c.groupSize() <= smallGroup && o.want.Kind != WantPersons && o.want.Kind != WantStewards
		e.Census = c.startCensus(o)
		c.planAsk(c.firstAsk())
	}
	m.RepairRequest = c.dueRequests(MaxRequestIDsLegacy)
	m.Extension = e.Encode()
	c.attachFilter(m)
	if c.cfg.Dialect == JS {
		c.received(m.MessageID) // as @waku/sds does
	}
	c.out.Changes.Outgoing = append(c.out.Changes.Outgoing, c.outgoingRecord(o))
	c.planResend(o)
	c.send(Packet{Class: ClassContent, ID: o.id, Payload: m.Encode(), Priority: o.priority})
	o.serial = c.serial
	c.receipt(o)
}

// emitDrafts sends what was written while offline, oldest first.
func (c *Channel) emitDrafts() {
	for _, o := range slices.Clone(c.outOrder) {
		if o.done || o.draft == nil {
			continue
		}
		m := &wire.Message{Dialect: c.cfg.Dialect.wire(), SenderID: c.cfg.Participant, MessageID: o.id,
			ChannelID: c.cfg.Channel, Lamport: o.lamport, HasLamport: true, CausalHistory: o.entries, Content: o.draft}
		// The heads that it named are not ours any more: it claims nothing.
		c.emit(o, m, c.newExtension(false))
	}
}

func (c *Channel) sendEphemeral(content []byte) MessageID {
	c.meta.Nonce++
	c.metaChanged = true
	m := wire.Message{Dialect: c.cfg.Dialect.wire(), SenderID: c.cfg.Participant, ChannelID: c.cfg.Channel, Content: content}
	switch c.cfg.Dialect {
	case JS:
		m.MessageID = ContentID(content)
	default:
		m.MessageID = makeID(ephPrefix, ephTag, m.ChannelID, m.SenderID, uint64(c.meta.Incarnation)<<32+c.meta.Nonce, nil, content)
	}
	c.echoes.add(m.MessageID, metInfo{}) // to know its echo
	if c.online {
		c.send(Packet{Class: ClassEphemeral, ID: m.MessageID, Payload: m.Encode()})
	}
	return m.MessageID
}

func (c *Channel) send(p Packet) {
	c.serial++
	p.Serial = c.serial
	if p.Class != ClassSync && p.Class != ClassEphemeral && len(c.inflight) < maxInflight {
		c.inflight[p.Serial] = Packet{Class: p.Class, ID: p.ID}
		if o := c.outgoing[p.ID]; o != nil && p.Class != ClassRepair {
			o.pending++
		}
	}
	c.out.Packets = append(c.out.Packets, p)
}

// Handed says what became of a packet: err is nil if the transport took it, and
// hint is where its store will have it, if that is known. A packet for which it is
// not called counts as under way.
func (c *Channel) Handed(now Time, serial uint64, hint []byte, err error) {
	c.advance(now)
	p, ok := c.inflight[serial]
	if !ok {
		return
	}
	delete(c.inflight, serial)
	if hint != nil {
		c.SetHint(p.ID, hint)
	}
	if err != nil {
		c.dropped(p)
	}
	o := c.outgoing[p.ID]
	if o == nil || p.Class == ClassRepair {
		return
	}
	o.pending--
	if err == nil && !o.handed {
		c.firstHanded(o)
	}
}

// firstHanded begins what counts from the moment at which a message left.
func (c *Channel) firstHanded(o *outgoing) {
	o.handed = true
	if o.attempts == 0 && !o.known() && c.policyNow() > o.started {
		o.started = c.policyNow()
		c.planResend(o)
	}
	if o.census != nil && o.census.stage < censusRested {
		o.census.askedAt = c.now
		c.planCensus(o)
	}
	c.raise(o)
	if o.want.Kind != WantOne && !c.v.ask.set() {
		c.planAsk(c.firstAsk()) // it was not asked for before it left
	}
}

// dropped learns that a packet did not leave: what it was to do is still to be
// done.
func (c *Channel) dropped(p Packet) {
	switch p.Class {
	case ClassRepair:
		if n := c.nodes[p.ID]; n != nil {
			n.repaired = 0
		} else {
			c.answered.remove(p.ID)
		}
	case ClassRequest:
		c.askedAt = 0
		for _, id := range slices.Sorted(maps.Keys(c.awaited)) {
			if a := c.awaited[id]; a.attempts > 0 && c.asksFor(a) {
				a.attempts, a.steps = a.attempts-1, max(a.steps-1, 0)
			}
		}
	case ClassAck:
		if c.v.owed = true; c.cfg.Dialect != Nim && !c.v.duty.set() && c.groupSize() <= smallGroup {
			c.timers.schedule(&c.v.duty, c.now.Add(dutyPeriod))
		}
	}
}

// Stored says that a store confirmed an own message: it is no longer resent
// blindly. hint, if not nil, retrieves it.
func (c *Channel) Stored(now Time, id MessageID, hint []byte) {
	c.advance(now)
	c.SetHint(id, hint)
	if o := c.outgoing[id]; o != nil && !o.stored {
		o.stored, o.undelivered = true, false
		c.raise(o)
	}
}

// SetHint notes where a store has a message. Causal histories carry it.
func (c *Channel) SetHint(id MessageID, hint []byte) {
	if n := c.nodes[id]; n != nil && hint != nil && len(hint) <= wire.MaxHint {
		n.hint = hint
	}
}

// planResend sets when o goes out again unless somebody has it by then.
func (c *Channel) planResend(o *outgoing) {
	if o.superseded != "" {
		return
	}
	left := c.cfg.UndeliveredAfter - c.policyNow().Sub(o.started)
	c.timers.schedule(&o.timer, c.now.Add(min(pace.ResendDelay(o.attempts+1, c.random()), max(left, 0))))
}

// outgoingDue resends a message that nobody is known to have.
func (c *Channel) outgoingDue(o *outgoing) {
	if o.known() || o.superseded != "" {
		return
	}
	if c.policyNow().Sub(o.started) >= c.cfg.UndeliveredAfter {
		if !o.undelivered {
			o.undelivered = true
			c.keep(o)
			c.receipt(o)
		}
		return
	}
	class := ClassResend
	if !o.handed {
		if o.pending > 0 { // it waits for its turn: nothing is due yet
			o.started = c.policyNow()
			c.planResend(o)
			return
		}
		class = ClassContent // it never left
	}
	o.attempts++
	c.send(Packet{Class: class, ID: o.id, Priority: o.priority})
	c.planResend(o)
}

// Room makes room for so many messages, as Send does for one, so that none of what
// belongs together fails for want of it. It tells whether there is.
func (c *Channel) Room(now Time, messages int) bool {
	c.advance(now)
	for len(c.outgoing)+messages > MaxOutgoing {
		if messages > MaxOutgoing || !c.makeRoom() {
			return false
		}
	}
	return true
}

// makeRoom stops tracking the oldest messages that somebody has, or else, with
// DropOldest, the oldest of all: several at once, so that the search for them
// costs little per message.
func (c *Channel) makeRoom() bool {
	room := c.drop((*outgoing).known)
	if room == 0 && c.cfg.DropOldest {
		room = c.drop(func(o *outgoing) bool {
			if o.draft != nil {
				return false // it has not left yet
			}
			o.undelivered = true
			c.receipt(o)
			return true
		})
	}
	c.outOrder = slices.DeleteFunc(c.outOrder, func(o *outgoing) bool { return o.done })
	return room > 0
}

// drop stops tracking the oldest of those that which is true of.
func (c *Channel) drop(which func(*outgoing) bool) (dropped int) {
	for _, o := range c.outOrder {
		if dropped < MaxOutgoing/64 && !o.done && which(o) {
			c.finish(o)
			dropped++
		}
	}
	return dropped
}
