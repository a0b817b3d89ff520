package peer

import (
	"slices"

	"github.com/causeway-im/causeway/sds/wire"
)

// sweep delivers what can be, gives up what waited too long, says what is missing,
// gives the answers that are due, and sends unacknowledged messages again if asked.
func (m *machine) sweep(now int64, resend bool) {
	m.now = now
	m.settle()
	m.giveUp(now)
	missing := make([]wire.HistoryEntry, len(m.order))
	for i, h := range m.order {
		missing[i] = h.entry
	}
	if len(missing) > 0 {
		m.emit(newMissing("missing", missing))
	}
	for _, a := range m.repair.ready(now) {
		if n := m.stored(a.id); n != nil {
			m.emit(outEvent{"out", "repair", n.payload, n.id})
		}
	}
	if resend {
		for _, n := range slices.Clone(m.outgoing) {
			m.transmit(n, "resend", nil, false)
		}
	}
	e := outgoingEvent{Event: "outgoing", Unacknowledged: []wire.MessageID{}, PossiblyAcknowledged: []wire.MessageID{}}
	for _, n := range m.outgoing {
		if m.sighted[n.id] > 0 {
			e.PossiblyAcknowledged = append(e.PossiblyAcknowledged, n.id)
		} else {
			e.Unacknowledged = append(e.Unacknowledged, n.id)
		}
	}
	m.emit(e)
}

// giveUp ends the wait for messages that are missing too long, and delivers what
// waited for them, with gaps. They are still asked for.
func (m *machine) giveUp(now int64) {
	if m.cfg.LostTimeout == 0 {
		return
	}
	var lost []wire.HistoryEntry
	for _, h := range slices.Clone(m.order) {
		if now-h.since <= ms(m.cfg.LostTimeout) {
			continue
		}
		id := h.entry.MessageID
		lost = append(lost, h.entry)
		m.close(id)
		m.lost[id] = true
		for _, n := range m.waiting[id] {
			delete(n.waits, id)
			n.gaps = append(n.gaps, id)
		}
		delete(m.waiting, id)
	}
	if len(lost) > 0 {
		m.emit(newMissing("lost", lost))
		m.settle()
	}
}
