package causeway

import (
	"context"
	"errors"
	"fmt"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
)

// session is what the loop keeps of a joined channel. Only the loop touches it.
type session struct {
	*Channel
	core       *sds.Channel // nil while the store can't give it back
	generation uint64       // of core: results for an older one are void
	touched    bool
	queue      int      // of its publisher
	failure    error    // why the last commit failed
	failures   int      // in a row
	retryAt    sds.Time // until then the channel is left alone
	mutedUntil sds.Time // until then it sends nothing: its Sealer failed
	unsealed   int      // times in a row

	sending []sending // in this turn
	pending pending

	// Absence and leftovers (catchup.go).
	work       context.Context // of all calls for this channel; ends when the connection does
	stop       context.CancelFunc
	catch      *catchUp // under way
	answered   bool     // a store has answered since the channel was joined
	completeTo sds.Time
	completed  bool     // completeTo is to be written
	heardAt    sds.Time // when something was last heard on this connection
	quietSince sds.Time // since when it is quiet, or nothing was asked
	quietFor   sds.Time // how long a silence may last, in milliseconds
	arrivals   uint64
	hints      []store.Hint // to be written
	busier     busier       // core
	assemblies assemblies   // payloads of several messages
	tampered   tampering
	sync       syncState
	resync     bool    // whether all is well has to be looked at
	missing    queries // by hint, from stores
	unproved   queries // own messages that no store has confirmed
}

// sending is a Send that waits for the end of the turn.
type sending struct {
	id        MessageID
	ephemeral bool
	done      chan<- error
}

// restore makes the channel what the store says.
func (s *session) restore(ctx context.Context) error {
	db := s.n.opts.Store
	kept, err := db.Load(ctx, s.cfg.Channel, s.cfg.window())
	if err != nil {
		return storeError(err)
	}
	parked := map[MessageID]*store.Message{}
	for i := range kept.Parked {
		parked[kept.Parked[i].ID] = &kept.Parked[i]
	}
	content := func(id MessageID) (wire.Message, error) {
		m := parked[id]
		if m == nil {
			return wire.Message{}, storeError(store.ErrNotFound)
		}
		return wire.Decode(plainBytes(m))
	}
	core, err := sds.Restore(s.cfg.core(s.n.opts.Seed), kept.State, content, s.n.now())
	if err != nil {
		return fmt.Errorf("causeway: %w", err)
	}
	s.core, s.completeTo = core, kept.CompleteTo
	err = s.readSync(ctx)
	if err == nil {
		err = s.readAssemblies(ctx)
	}
	if err != nil {
		s.core = nil
		return err
	}
	s.busier = core
	s.seek(kept.State.Messages)
	s.generation++
	s.pending.clear()
	return nil
}

// plainBytes returns the SDS message of a stored message.
func plainBytes(m *store.Message) []byte {
	if m.Plain != nil {
		return m.Plain
	}
	return m.Sealed
}

// fail gives the channel up until the store gives it back.
func (s *session) fail(l *loop, err error) {
	s.core, s.failure = nil, err
	s.stopWork()
	l.unqueue(s)
	s.retryAt = l.now.Add(min(minPause<<min(s.failures, 10), maxPause))
	s.failures++
}

// mute keeps the channel from sending for a while.
func (s *session) mute(l *loop) {
	s.mutedUntil = l.now.Add(min(minPause<<min(s.unsealed, 10), maxPause))
	s.unsealed++
}

// pausing tells whether the channel is to be left alone after a failure.
func (s *session) pausing(l *loop) bool { return s.failures > 0 && l.now < s.retryAt }

// begin connects a channel that was restored.
func (s *session) begin(l *loop) {
	s.connect(l)
	if l.busy {
		s.tellBusy(l)
	}
	for _, a := range s.assemblies.slots {
		if a.own {
			s.pursue(l, a)
		}
	}
	l.touch(s)
}

// settle ends the turn for the channel: whoever sent learns whether the message
// is durable.
func (s *session) settle(l *loop, failed error) {
	for _, w := range s.sending {
		w.done <- s.outcome(w, failed)
	}
	s.sending = nil
	if s.core == nil || s.core.Sizes().Held == 0 {
		s.pending.clear()
	}
}

// outcome finds out whether a message of a failed turn is durable after all.
func (s *session) outcome(w sending, failed error) error {
	if failed == nil {
		return nil
	}
	var sealing *sealError
	if errors.As(failed, &sealing) {
		return fmt.Errorf("causeway: seal: %w", failed)
	}
	if w.ephemeral { // it left with nothing
		return storeError(failed)
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	_, err := s.n.opts.Store.Message(ctx, s.cfg.Channel, w.id)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound), errors.Is(failed, store.ErrFenced):
		return storeError(failed)
	}
	return fmt.Errorf("causeway: message %s: %w: %w", w.id, ErrUncertain, storeError(failed))
}

// prepare turns what a channel wants done into a batch and packets.
func (j *job) prepare(l *loop) error {
	s, r := j.s, &j.ready
	j.batch = store.ChannelBatch{Channel: s.cfg.Channel, Changes: r.Changes}
	if err := j.seal(); err != nil {
		return err
	}
	delivered, arrived, retrieved := map[MessageID]bool{}, map[MessageID]bool{}, map[MessageID]bool{}
	for _, d := range r.Deliveries {
		delivered[d.ID] = true
	}
	for i := range r.Arrivals {
		a := &r.Arrivals[i]
		if a.Kind == wire.Content {
			if b, ok := s.pending.byID[a.ID]; ok {
				j.batch.Sealed = append(j.batch.Sealed, store.Sealed{ID: a.ID, Bytes: b.sealed, Plain: b.plain})
				retrieved[a.ID] = b.retrieved
			}
		}
		s.arrivals++
		arrived[a.ID] = true
		content, part := s.see(a.Content)
		if part != nil && a.Kind == wire.Content {
			j.part(l, a.ID, a.Sender, part)
		} else if !delivered[a.ID] {
			e := arrivedEvent(s.Channel, a)
			e.Message.Content = content
			e.Message.Retrieved = retrieved[a.ID]
			j.add(l, e)
		}
	}
	for i := range r.Deliveries {
		d := &r.Deliveries[i]
		content, part := s.see(d.Content)
		if part != nil {
			j.placed(l, d, part)
			continue
		}
		if d.Own {
			j.batch.Transitions = append(j.batch.Transitions, store.Transition{ID: d.ID, Level: Queued, At: l.now})
		}
		e := deliveredEvent(s.Channel, d)
		e.Message.Content = content
		e.Message.Waited, e.Message.Retrieved = !d.Own && !arrived[d.ID], retrieved[d.ID]
		j.add(l, e)
	}
	j.receipts(l)
	for _, g := range r.Gaps {
		j.batch.Gaps = append(j.batch.Gaps, store.Gap{Gap: g, At: l.now})
		j.add(l, gapEvent(&g))
	}
	j.keepPayloads(l)
	j.tellTampered(l)
	j.syncNow(l)
	j.batch.Hints, s.hints = s.hints, nil
	if s.complete(l); s.completed {
		j.batch.CompleteTo = s.completeTo
		s.completed = false
	}
	return nil
}

// receipts adds what is news about own messages.
func (j *job) receipts(l *loop) {
	s, r := j.s, &j.ready
	for i := range r.Receipts {
		if a := s.assemblies.byPart[r.Receipts[i].ID]; a != nil {
			j.partReceipt(l, a, &r.Receipts[i])
			continue
		}
		if r.Receipts[i].Part { // of a payload that is not followed any more: Receipt.Now still adds it up
			continue
		}
		j.batch.Transitions = append(j.batch.Transitions, store.Transition{ID: r.Receipts[i].ID, Level: r.Receipts[i].Level, At: l.now})
		j.add(l, receiptEvent(&r.Receipts[i]))
	}
}

// seal makes the bytes of new packets.
func (j *job) seal() error {
	s := j.s
	for _, p := range j.ready.Packets {
		o := outgoing{s: s, generation: s.generation, serial: p.Serial, class: p.Class, id: p.ID, payload: p.Payload, priority: p.Priority}
		if a := s.assemblies.byPart[p.ID]; a != nil {
			o.part = a.id != p.ID
		} else if p.Class == sds.ClassResend { // the payload is followed no more, all of it left once
			r, _ := s.core.Receipt(p.ID)
			o.part = r.Part
		}
		if p.Payload == nil {
			j.out = append(j.out, o)
			continue
		}
		var plain []byte
		if s.cfg.Sealer != nil && !s.cfg.Profile.SealContent {
			sealed, err := s.cfg.Sealer.Seal(s.cfg.Channel, p.Payload)
			if err != nil && p.Class == sds.ClassContent {
				return &sealError{err}
			}
			if err == nil {
				s.unsealed = 0
			}
			o.payload, o.failed, plain = sealed, err, p.Payload
		}
		if p.Class == sds.ClassContent {
			j.batch.Sealed = append(j.batch.Sealed, store.Sealed{ID: p.ID, Bytes: o.payload, Plain: plain})
		}
		j.out = append(j.out, o)
	}
	return nil
}

// sealError says that a Sealer could not seal something.
type sealError struct{ error }

func (e *sealError) Unwrap() error { return e.error }

func (j *job) add(l *loop, e Event) {
	e.Channel, e.At = j.s.cfg.Channel, timeOf(l.now)
	if e.Gap != nil {
		e.Gap.At = e.At
	}
	j.events = append(j.events, e)
}

// pending keeps the bytes of received content until the channel says that it
// arrived. That is the same turn, unless the host is asked about it first.
type pending struct {
	byID  map[MessageID]sealedBytes
	order []MessageID
	bytes int
}

type sealedBytes struct {
	sealed, plain []byte
	retrieved     bool // from a store of the network
}

// maxPendingBytes is above what sds keeps waiting for lookups (MaxHeldBytes)
// with the turn in hand.
const maxPendingBytes = 64 << 20

func (p *pending) add(id MessageID, sealed, plain []byte, retrieved bool) {
	if _, ok := p.byID[id]; ok {
		return
	}
	if p.byID == nil {
		p.byID = map[MessageID]sealedBytes{}
	}
	p.byID[id] = sealedBytes{sealed, plain, retrieved}
	p.order = append(p.order, id)
	p.bytes += len(sealed) + len(plain)
	for p.bytes > maxPendingBytes && len(p.order) > 1 {
		oldest := p.byID[p.order[0]]
		p.bytes -= len(oldest.sealed) + len(oldest.plain)
		delete(p.byID, p.order[0])
		p.order = p.order[1:]
	}
}

func (p *pending) clear() { *p = pending{} }
