package sds

import (
	"context"
	"slices"

	"go.uber.org/zap"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
)

// Bounds on what the network alone can make us keep.
const (
	maxMadeChannels = 1024
	maxMadeBytes    = 64 << 20
	// entryCost is roughly what the library keeps of a message beside its content.
	entryCost = 512
	// maxMarked bounds the ids that MarkDependenciesMet named in a channel.
	maxMarked = 4096
)

// channel is one channel with what the callbacks need to know of it.
type channel struct {
	id      sds.ChannelID
	core    *sds.Channel
	written bool // by the host: it is never forgotten
	used    uint64
	cost    int

	parked  map[sds.MessageID]struct{} // here, waiting for others
	pending map[sds.MessageID]struct{} // our own that were not reported sent
	marked  marks
	receiving
	unsaved struct {
		sealed []store.Sealed
		hints  []store.Hint
	}
	handed []uint64 // serials of packets that the host has
}

// receiving is what an Unwrap or Wrap in progress wants to know.
type receiving struct {
	message *wire.Message // that is being received
	missing []HistoryEntry
	wrapped []byte // the last content packet
}

// marks are the newest ids that the host declared met.
type marks struct {
	set  map[sds.MessageID]struct{}
	ring []sds.MessageID
	next int
}

func (m *marks) add(id sds.MessageID) {
	if m.has(id) {
		return
	}
	if m.set == nil {
		m.set = map[sds.MessageID]struct{}{}
	}
	if len(m.ring) < maxMarked {
		m.ring = append(m.ring, id)
	} else {
		delete(m.set, m.ring[m.next])
		m.ring[m.next] = id
		m.next = (m.next + 1) % maxMarked
	}
	m.set[id] = struct{}{}
}

func (m *marks) has(id sds.MessageID) bool {
	_, ok := m.set[id]
	return ok
}

func (rm *ReliabilityManager) config(id sds.ChannelID) sds.Config {
	return sds.Config{Channel: id, Participant: sds.ParticipantID(rm.options.Participant), Dialect: sds.Nim,
		Seed: rm.options.Seed, FullHistory: true, DropOldest: true, TrustNames: true, Roster: rm.rosters[id]}
}

// channel returns a channel, made if need be. The network makes a channel by
// naming it, the host by writing to it.
func (rm *ReliabilityManager) channel(id sds.ChannelID, write bool) (*channel, error) {
	if err := rm.trouble.now(rm.now()); err != nil {
		return nil, err
	}
	c := rm.channels[id]
	if c == nil {
		var err error
		if c, err = rm.load(id); err != nil {
			return nil, err
		}
		delete(rm.away, id)
	}
	if write && !c.written {
		rm.made--
		rm.madeBytes -= c.cost
		c.written, c.cost = true, 0
	}
	rm.uses++
	c.used = rm.uses
	rm.makeRoom(c)
	return c, nil
}

// add puts a channel into the map.
func (rm *ReliabilityManager) add(id sds.ChannelID, core *sds.Channel) *channel {
	c := &channel{id: id, core: core, written: core.Meta().Ordinal > 0,
		parked: map[sds.MessageID]struct{}{}, pending: map[sds.MessageID]struct{}{}}
	rm.channels[id] = c
	if !c.written {
		rm.made++
	}
	return c
}

// remove takes a channel out of the map.
func (rm *ReliabilityManager) remove(c *channel) {
	if rm.channels[c.id] != c {
		return
	}
	delete(rm.channels, c.id)
	if !c.written {
		rm.made--
		rm.madeBytes -= c.cost
	}
}

// weigh takes account of what c keeps now.
func (rm *ReliabilityManager) weigh(c *channel) {
	if c.written {
		return
	}
	s := c.core.Sizes()
	cost := s.ParkedBytes + entryCost*(1+s.Window+s.Parked+s.Awaited+s.Skipped+s.Peers+s.Met+len(c.marked.ring))
	rm.madeBytes += cost - c.cost
	c.cost = cost
	rm.makeRoom(c)
}

// makeRoom forgets the channels that were used longest ago, as long as those
// that only the network named are too many or too large. keep stays.
func (rm *ReliabilityManager) makeRoom(keep *channel) {
	for rm.made > maxMadeChannels || rm.madeBytes > maxMadeBytes {
		var oldest *channel
		for _, c := range rm.channels {
			if !c.written && c != keep && (oldest == nil || c.used < oldest.used) {
				oldest = c
			}
		}
		if oldest == nil {
			return
		}
		if err := rm.drop(oldest.id); err != nil {
			rm.logger.Warn("forgetting a channel in the store", zap.Error(err))
		}
		rm.remove(oldest)
	}
}

// settle does what the channel wants done, until nothing is left. After an error
// nothing of it has left, and the channel is gone: it begins again with what the
// store has, as after a crash.
func (rm *ReliabilityManager) settle(c *channel) error {
	for {
		r := c.core.Ready()
		if r.Empty() {
			break
		}
		rm.prepare(c, &r)
		if err := rm.commit(c, &r); err != nil {
			rm.remove(c)
			rm.away[c.id] = struct{}{}
			return err
		}
		c.core.Advance()
		rm.publish(c, &r)
		rm.look(c, r.Lookups)
	}
	// What these change is written with whatever comes next: if it is lost, the
	// message counts as one that never left, which does no harm.
	for _, serial := range c.handed {
		c.core.Handed(rm.now(), serial, nil, nil)
	}
	c.handed = c.handed[:0]
	rm.weigh(c)
	rm.tasks.expect(c)
	return nil
}

// prepare takes what the call in progress returns, and the bytes that the store
// must have.
func (rm *ReliabilityManager) prepare(c *channel, r *sds.Ready) {
	for i := range r.Changes.Messages {
		switch m := &r.Changes.Messages[i]; m.State {
		case sds.StateParked:
			c.parked[m.ID] = struct{}{}
		default:
			delete(c.parked, m.ID)
		}
	}
	for i := range r.Arrivals {
		if m := c.message; m != nil && m.MessageID == r.Arrivals[i].ID {
			c.missing = c.really(r.Arrivals[i].Missing)
			rm.keepReceived(c, m)
		}
	}
	for i := range r.Packets {
		p := &r.Packets[i]
		if p.Payload == nil {
			continue
		}
		if p.Class == sds.ClassContent {
			c.wrapped = p.Payload
		}
		rm.keep(c, p.ID, p.Payload)
	}
}

// really leaves out what is here and waits itself, and what the host declared met.
func (c *channel) really(missing []sds.HistoryEntry) []HistoryEntry {
	var entries []HistoryEntry
	for i := range missing {
		e := &missing[i]
		if _, here := c.parked[e.MessageID]; !here && !c.marked.has(e.MessageID) {
			entries = append(entries, HistoryEntry{MessageID(e.MessageID), slices.Clone(e.RetrievalHint)})
		}
	}
	return entries
}

// publish turns what is durable into events: acknowledgements first, as nim-sds
// does, then what is ready, then what is missing.
func (rm *ReliabilityManager) publish(c *channel, r *sds.Ready) {
	var ready []event
	for i := range r.Deliveries {
		d := &r.Deliveries[i]
		if _, ours := c.pending[d.ID]; !ours || !d.Own {
			ready = append(ready, event{kind: eventReady, id: MessageID(d.ID), channel: string(c.id)})
		}
	}
	for i := range r.Receipts {
		m := &r.Receipts[i]
		if rm.receipts != nil && (m.Level >= sds.LevelSeen || m.Undelivered) {
			rm.events.push(event{kind: eventReceipt, channel: string(c.id), receipt: *m})
		}
		if _, waits := c.pending[m.ID]; waits && m.Level >= sds.LevelSeen {
			delete(c.pending, m.ID)
			rm.acknowledged(c, m.ID)
			rm.events.push(event{kind: eventSent, id: MessageID(m.ID), channel: string(c.id)})
		}
	}
	for i := range r.Changes.Outgoing {
		if r.Changes.Outgoing[i].Done {
			delete(c.pending, r.Changes.Outgoing[i].ID)
		}
	}
	for _, e := range ready {
		rm.events.push(e)
	}
	for i := range r.Arrivals {
		a := &r.Arrivals[i]
		delete(c.marked.set, a.ID) // it is here after all
		if missing := c.really(a.Missing); len(missing) > 0 {
			rm.events.push(event{kind: eventMissing, id: MessageID(a.ID), channel: string(c.id), missing: missing})
		}
	}
	rm.publishGaps(c, r.Gaps)
	for i := range r.Packets {
		rm.publishPacket(c, &r.Packets[i])
	}
}

// publishGaps reports what a message without content shows to be missing: such a
// message is no Arrival.
func (rm *ReliabilityManager) publishGaps(c *channel, gaps []sds.Gap) {
	m := c.message
	if m == nil || m.Kind() != wire.Sync {
		return
	}
	var missing []sds.HistoryEntry
	for i := range gaps {
		if g := &gaps[i]; g.State == sds.GapMissing {
			missing = append(missing, sds.HistoryEntry{MessageID: g.ID, RetrievalHint: g.Hint})
		}
	}
	if entries := c.really(missing); len(entries) > 0 {
		c.missing = append(c.missing, entries...)
		rm.events.push(event{kind: eventMissing, id: MessageID(m.MessageID), channel: string(c.id), missing: slices.Clone(entries)})
	}
}

func (rm *ReliabilityManager) publishPacket(c *channel, p *sds.Packet) {
	var kind OutgoingKind
	switch p.Class {
	case sds.ClassContent:
		c.handed = append(c.handed, p.Serial) // the host has it
		return
	case sds.ClassResend:
		c.handed = append(c.handed, p.Serial)
		kind = OutgoingResend
	case sds.ClassRepair:
		kind = OutgoingRepair
	default:
		kind = OutgoingAcknowledgement
	}
	if rm.outgoing == nil {
		return
	}
	payload := p.Payload
	if payload == nil {
		if payload = rm.bytesOf(c, p.ID); payload == nil {
			rm.logger.Debug("a message that should go out again is no longer here",
				zap.String("message", string(p.ID)), zap.Stringer("kind", kind))
			return
		}
	}
	rm.events.push(event{kind: eventOutgoing, out: OutgoingMessage{Kind: kind, MessageID: MessageID(p.ID),
		ChannelID: string(c.id), Message: slices.Clone(payload)}})
}

// look answers which of these ids are in the log below what is in memory.
func (rm *ReliabilityManager) look(c *channel, ids []sds.MessageID) {
	if len(ids) == 0 {
		return
	}
	answers := make([]sds.Lookup, len(ids))
	for i, id := range ids {
		answers[i].ID = id
	}
	if s := rm.options.Store; s != nil {
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		known, err := s.Lookup(ctx, c.id, ids)
		if err != nil {
			rm.logger.Warn("looking up messages in the store", zap.Error(err)) // taken for unknown
		} else {
			answers = known
		}
	}
	c.core.Found(rm.now(), answers)
}
