package sds

import (
	"math/bits"
	"time"
)

// presence is which persons were heard lately: of the last quarter of an hour, to
// five minutes. The zero value is ready to use.
type presence struct {
	slots [presenceSlots]personSet
	slot  Time // number of the current one
}

const (
	presenceSlots = 4
	presenceSlot  = Time(5 * time.Minute / time.Millisecond)
)

// turn empties the slots that are over.
func (p *presence) turn(now Time) {
	slot := now / presenceSlot
	if slot-p.slot >= presenceSlots {
		p.slots = [presenceSlots]personSet{}
		p.slot = slot
	}
	for p.slot < slot {
		p.slot++
		clear(p.slots[p.slot%presenceSlots])
	}
}

// note says that a person was heard now.
func (p *presence) note(now Time, person int) {
	if person == noPerson {
		return
	}
	p.turn(now)
	p.slots[p.slot%presenceSlots].add(person)
}

// of counts those of a set that were heard lately.
func (p *presence) of(now Time, set personSet) int {
	p.turn(now)
	n := 0
	for i, w := range set {
		var heard uint64
		for _, s := range p.slots {
			if i < len(s) {
				heard |= s[i]
			}
		}
		n += bits.OnesCount64(w & heard)
	}
	return n
}
