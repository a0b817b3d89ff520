package sds

import (
	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/wire"
)

// Repair (SDS-R with the timers of rule P8): asking for what is missing, and
// answering others. Requests travel in field 13, as deployed peers send and
// understand them.

// answerTimer is a repair that we may send.
type answerTimer struct {
	id    MessageID
	timer timer
}

// requestDue asks for everything that is due, in a sync of its own. Channels
// without syncs wait for the next content instead.
func (c *Channel) requestDue() {
	if c.cfg.Dialect == Nim {
		c.nimAck()
		return
	}
	entries := c.dueRequests(c.maxRequests())
	if len(entries) > 0 {
		c.sendSync(ClassRequest, entries, nil)
	}
}

func (c *Channel) maxRequests() int {
	if c.cfg.Dialect == LIP {
		return MaxRequestIDs
	}
	return MaxRequestIDsLegacy
}

// requested handles the repair requests of m.
func (c *Channel) requested(m *wire.Message, p *peer) {
	for i := range m.RepairRequest {
		id := m.RepairRequest[i].MessageID
		if a := c.awaited[id]; a != nil {
			// Somebody asked already: ours waits longer, and stays.
			if a.next != 0 && !a.lost {
				c.backOff(a)
			}
			if c.parked[id] == nil {
				continue
			}
		}
		n := c.nodes[id]
		own, isMet := c.metIDs.index[id]
		switch {
		case n != nil:
			if n.repaired != 0 && c.now.Sub(n.repaired) < pace.IgnoreWindow(c.cfg.RoundTrip) {
				continue
			}
			c.answer(id, p, n.own)
		case c.parked[id] != nil:
			c.answer(id, p, false)
		case isMet && own:
			c.answer(id, p, true)
		case c.meta.Forgotten > 0 && len(c.sought) < MaxAnswers:
			if _, ok := c.sought[id]; !ok {
				c.sought[id] = p
				c.out.Lookups = append(c.out.Lookups, id)
			}
		}
	}
}

// answer plans a repair: at once if the message is ours, early if we are a
// steward or one of the hashed holders, later otherwise. Hearing the message
// meanwhile cancels it.
func (c *Channel) answer(id MessageID, p *peer, own bool) {
	if c.answers[id] != nil || len(c.answers) >= MaxAnswers {
		return
	}
	holder := pace.Other
	switch {
	case own:
		holder = pace.Author
	case c.cfg.Steward || pace.IsHolder(string(id), string(c.cfg.Participant), c.groupSize()):
		holder = pace.Early
	}
	a := &answerTimer{id: id, timer: timer{kind: timerAnswer, id: id}}
	c.answers[id] = a
	c.timers.schedule(&a.timer, c.now.Add(pace.ResponseDelay(c.random(), holder, c.groupSize(), c.cfg.RoundTrip)))
}

// answerDue sends a repair: the identical bytes, in a fresh envelope.
func (c *Channel) answerDue(a *answerTimer) {
	delete(c.answers, a.id)
	if n := c.nodes[a.id]; n != nil {
		n.repaired, n.copied = c.now, c.now
	}
	c.send(Packet{Class: ClassRepair, ID: a.id})
}
