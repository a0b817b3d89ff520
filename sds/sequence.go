package sds

import (
	"math/bits"

	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/wire"
)

// Sequence numbers (rule P4, spec R40 … R42): a sender numbers its content, so a
// number that stays away is a loss, whether or not anybody has named the message.

// Loss is a message that must exist and did not come: its sender's numbers show a
// gap, or somebody's digest has it. Its id is not known yet; a Gap says so when it is.
type Loss struct {
	// Sender and Sequence are set if the sender's numbers show it.
	Sender   ParticipantID
	Sequence uint64
	// ShortID is set if a digest shows it: a keyed hash of its id.
	ShortID uint64
}

// sequenceWindow is which of a sender's newest numbers came. The zero value is
// ready to use.
type sequenceWindow struct {
	incarnation uint32
	high        uint64
	have        uint64 // bit i: number high−i came, or is from before we listened
	told        uint64 // bit i: its loss was reported
	gapAt       Time   // when a number below gapTop was first missing, 0 for none
	gapTop      uint64
}

// sequenceBits is how far back a window looks. A jump beyond it says nothing: it
// is a long absence, which the causal history tells of, or a lie.
const sequenceBits = 64

// take notes a number. It returns false if the window began anew.
func (w *sequenceWindow) take(incarnation uint32, number uint64) bool {
	ahead := number - w.high
	switch {
	case incarnation != w.incarnation || number > w.high && ahead >= sequenceBits:
		*w = sequenceWindow{incarnation: incarnation, high: number, have: ^uint64(0)}
		return false
	case number > w.high:
		w.have, w.told = w.have<<ahead|1, w.told<<ahead
		w.high = number
	case w.high-number < sequenceBits:
		w.have |= 1 << (w.high - number)
	}
	return true
}

// lost returns the numbers whose loss is certain now, as bits: those that newer
// ones were received after, three or more, or all below gapTop if its time is up.
func (w *sequenceWindow) lost(timeUp bool) uint64 {
	missing := w.missing()
	if timeUp {
		missing &= ^uint64(0) << (w.high - w.gapTop)
	} else {
		for i := range sequenceBits {
			if missing&(1<<i) != 0 && bits.OnesCount64(w.have&(1<<i-1)) < pace.LossNewer {
				missing &^= 1 << i
			}
		}
	}
	w.told |= missing
	return missing
}

// missing returns the numbers that did not come and were not reported, as bits.
func (w *sequenceWindow) missing() uint64 { return ^w.have &^ w.told }

// wait begins the time after which what is missing now is lost. What turns out to
// be missing meanwhile gets its time afterwards: it may only be late.
func (w *sequenceWindow) wait(now Time) { w.gapAt, w.gapTop = now, w.high }

// numbered takes the sequence number of content that came from p.
func (c *Channel) numbered(p *peer, m *wire.Message, e *wire.Extension) {
	if e.Incarnation == 0 || e.Sequence == 0 {
		p.sequence = sequenceWindow{} // a copy that lost its number: we can't tell which
		return
	}
	if e.Incarnation != p.incarnation {
		return // from before it lost its state
	}
	w := &p.sequence
	if !w.take(e.Incarnation, e.Sequence) {
		return
	}
	c.infer(p, false)
	switch {
	case w.missing() == 0:
		w.gapAt = 0
	case w.gapAt == 0:
		w.wait(c.now)
		if !p.suspect {
			p.suspect = true
			c.suspects = append(c.suspects, p)
		}
		if !c.lossTimer.set() {
			c.timers.schedule(&c.lossTimer, c.now.Add(pace.LossDelay(c.trip)))
		}
	}
}

// infer reports the losses of p that are certain.
func (c *Channel) infer(p *peer, timeUp bool) {
	lost := p.sequence.lost(timeUp)
	if lost == 0 {
		return
	}
	for i := sequenceBits - 1; i >= 0; i-- {
		if lost&(1<<i) != 0 {
			c.out.Losses = append(c.out.Losses, Loss{Sender: p.id, Sequence: p.sequence.high - uint64(i)})
		}
	}
	if !c.explained(p) {
		c.seek(c.now)
	}
}

// explained tells whether a message of p is missing by its id: then what was lost
// is asked for already, or will be when that comes.
func (c *Channel) explained(p *peer) bool {
	if len(c.notForMe) > 0 {
		return true // it may be one that we can't open
	}
	for _, a := range c.awaited {
		if a.sender == p.id || a.sender == "" {
			return true
		}
	}
	return false
}

// lossDue infers the losses whose time is up.
func (c *Channel) lossDue() {
	delay := pace.LossDelay(c.trip)
	var next Time
	rest := c.suspects[:0]
	for _, p := range c.suspects {
		w := &p.sequence
		if w.gapAt != 0 && c.now >= w.gapAt.Add(delay) {
			c.infer(p, true)
			if w.gapAt = 0; w.missing() != 0 {
				w.wait(c.now)
			}
		}
		if w.gapAt != 0 {
			rest = append(rest, p)
			if next == 0 || w.gapAt < next {
				next = w.gapAt
			}
		}
		p.suspect = w.gapAt != 0
	}
	clear(c.suspects[len(rest):])
	c.suspects = rest
	if next != 0 {
		c.timers.schedule(&c.lossTimer, next.Add(delay))
	}
}
