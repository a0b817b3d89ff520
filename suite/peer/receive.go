package peer

import (
	"fmt"
	"slices"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// receive takes what came from the network. An error says why it was refused.
func (m *machine) receive(now int64, payload, hint []byte) error {
	w, err := wire.Decode(payload)
	if err != nil {
		m.emit(problemEvent{"undecodable", err.Error()})
		return nil
	}
	if err := m.check(&w); err != nil {
		return err
	}
	if err := checkHint(hint); err != nil {
		return err
	}
	m.now = now
	own := w.SenderID == m.cfg.Sender
	l := lamport(w.Lamport)
	switch kind := w.Kind(); {
	case kind == wire.Ephemeral:
		if !own || !m.echoes[w.MessageID] {
			m.emit(messageEvent{"ephemeral", w.MessageID, w.SenderID, nil, w.Content, nil})
		}
		return nil
	case kind == wire.Content && m.known[w.MessageID] != nil:
		m.again(m.known[w.MessageID], hint)
		return nil
	case kind == wire.Content:
		m.emit(messageEvent{"received", w.MessageID, w.SenderID, &l, w.Content, nil})
	default:
		key := syncKey{w.MessageID, w.SenderID, w.Lamport}
		if m.syncs[key] || m.kept[w.MessageID] != nil {
			m.repair.arrived(w.MessageID)
			return nil
		}
		m.syncs[key] = true
		m.emit(messageEvent{"syncReceived", w.MessageID, w.SenderID, &l, nil, nil})
	}
	m.repair.arrived(w.MessageID)
	if !own {
		m.clocks.note(w.SenderID, w.Lamport)
		m.vouch(&w)
		m.requested(&w, now)
		m.review(&w)
	}
	if w.Kind() == wire.Content {
		m.content(&w, now, payload, hint)
	} else {
		m.syncIn(&w, now)
	}
	return nil
}

// check refuses what can't be a message of this channel, as sds.Channel does.
func (m *machine) check(w *wire.Message) error {
	switch {
	case w.ChannelID != m.cfg.Channel:
		return fmt.Errorf("%w: %q", sds.ErrWrongChannel, w.ChannelID)
	case w.MessageID == "":
		return sds.ErrNoID
	case w.SenderID == "" && w.Dialect != wire.Nim:
		return sds.ErrNoSender
	case w.Kind() == 0:
		return sds.ErrUnknownKind
	case w.HasLamport && w.Lamport >= sds.MaxLamport:
		return fmt.Errorf("%w: %d must be below 2^53", sds.ErrLamportRange, w.Lamport)
	case len(w.Content) > sds.MaxContent:
		return fmt.Errorf("%w: %d bytes, at most %d", sds.ErrContentTooLarge, len(w.Content), sds.MaxContent)
	case sds.VerifyID(w) == sds.Forged:
		return fmt.Errorf("%w: %s", sds.ErrIDMismatch, w.MessageID)
	}
	return nil
}

// again takes a copy of a message that is here: nobody needs it from us any more.
func (m *machine) again(n *message, hint []byte) {
	m.repair.arrived(n.id)
	if n.hint == nil {
		n.hint = hint
	}
}

// content takes a message that is new towards the log.
func (m *machine) content(w *wire.Message, now int64, payload, hint []byte) {
	n := &message{id: w.MessageID, sender: w.SenderID, lamport: w.Lamport, hint: hint, payload: payload,
		content: w.Content, parents: w.CausalHistory, foreign: w.Dialect != m.wire()}
	m.known[n.id] = n
	m.close(n.id)
	if !n.foreign {
		m.addToFilter(n.id)
	}
	missing, waits, gaps := m.missing(w)
	n.waits, n.gaps = waits, gaps
	n.far = !m.plausible(n)
	if len(waits) == 0 && !n.far {
		m.deliver(n)
		if m.cfg.Dialect != sds.JS {
			m.settle()
		}
		return
	}
	m.parked = append(m.parked, n)
	for id := range waits {
		m.waiting[id] = append(m.waiting[id], n)
	}
	m.report(missing, now)
	if m.cfg.Dialect != sds.JS {
		m.settle()
	}
}

// report notes that messages are missing and says so.
func (m *machine) report(missing []wire.HistoryEntry, now int64) {
	if len(missing) == 0 {
		return
	}
	for _, e := range missing {
		m.open(e, now)
		if at, added := m.repair.want(e, now); added {
			m.emit(requestQueuedEvent{"repairRequestQueued", e.MessageID, at})
		}
	}
	m.emit(newMissing("missing", missing))
}

// syncIn takes a message without content: what it names and we lack is missing.
func (m *machine) syncIn(w *wire.Message, now int64) {
	if w.Dialect == wire.Nim { // nim-sds puts it into its history
		m.meet(w.MessageID)
	}
	missing, _, _ := m.missing(w)
	m.report(missing, now)
}

// meet notes that an id which histories may name will never have a place.
func (m *machine) meet(id wire.MessageID) {
	m.met[id] = true
	m.close(id)
	for _, n := range m.waiting[id] {
		delete(n.waits, id)
	}
	delete(m.waiting, id)
	m.settle()
}

// requested takes somebody's repair requests.
func (m *machine) requested(w *wire.Message, now int64) {
	if len(w.RepairRequest) == 0 {
		return
	}
	e := requestReceivedEvent{"repairRequestReceived", nil, w.SenderID}
	for i := range w.RepairRequest {
		e.IDs = append(e.IDs, w.RepairRequest[i].MessageID)
	}
	m.emit(e)
	m.repair.asked(w.RepairRequest, now)
	for i := range w.RepairRequest {
		r := &w.RepairRequest[i]
		if m.stored(r.MessageID) == nil {
			continue
		}
		if at, added := m.repair.answer(r, now); added {
			m.emit(responseQueuedEvent{"repairResponseQueued", r.MessageID, at})
		}
	}
}

// stored returns a message that we can repeat for others.
func (m *machine) stored(id wire.MessageID) *message {
	if n := m.known[id]; n != nil && n.logged && !n.foreign {
		return n
	}
	return m.kept[id]
}

// review takes what a message says about those of ours that wait for
// acknowledgement: those that it names are acknowledged, those in its filter
// possibly, and for good when enough messages say so.
func (m *machine) review(w *wire.Message) {
	for i := range w.CausalHistory {
		if n := m.pending(w.CausalHistory[i].MessageID); n != nil {
			m.acked(n)
		}
	}
	f := parseFilter(w)
	if f == nil {
		return
	}
	for _, n := range slices.Clone(m.outgoing) {
		if !f.Contains(string(n.id)) {
			continue
		}
		if m.sighted[n.id]++; m.sighted[n.id] < m.cfg.PossibleAcks {
			m.emit(possiblyEvent{"possiblyAcked", n.id, m.sighted[n.id]})
		} else {
			m.acked(n)
		}
	}
}

// acked ends the wait of an own message. If the transport had refused it, it went
// out nevertheless.
func (m *machine) acked(n *message) {
	m.outgoing = slices.DeleteFunc(m.outgoing, func(o *message) bool { return o == n })
	delete(m.sighted, n.id)
	m.enterOwn(n)
	m.emit(idEvent{"acked", n.id})
}
