package estimate

import (
	"cmp"
	"slices"
)

// cause is why a cell ended as it did, after 24 hours.
type cause uint8

const (
	unknownCause cause = iota
	cameLive
	cameStored
	cameRepaired
	cameSomehow
	lostUnsent   // never handed to the network
	lostUnproven // handed over, without a proof that it left
	lostOffline  // it left, the member was not online in the time
	lostNetwork  // it left, the member was online
	lostUnread
	causes = iota
)

// cell is one message and one member who should get it.
type cell struct {
	channel *channel
	message *message
	person  *person

	latency  int64 // −1 if it was not received
	wrong    int64 // how wrong the latency may be
	reach    int64 // the first moment after the message that is not known
	path     path
	cause    cause
	outcomes [measures]Outcome
}

// hourWeight is how many members each reporter of a channel stands for in an hour.
type hourWeight struct{ audience, reporters float64 }

func (h hourWeight) plus(o hourWeight) hourWeight {
	return hourWeight{h.audience + o.audience, h.reporters + o.reporters}
}

const hour = 3_600_000

// weigh counts for each message how many reporters should get it.
func (c *channel) weigh() {
	changes := make([]int, len(c.messages)+1)
	index := func(t int64) int {
		i, _ := slices.BinarySearchFunc(c.messages, t, func(m *message, t int64) int { return cmp.Compare(m.at, t) })
		return i
	}
	for _, p := range c.persons {
		for _, s := range p.eligible {
			changes[index(s.From)]++
			changes[index(s.To)]--
		}
	}
	byHour := map[int64]hourWeight{}
	reporters := 0
	for i, m := range c.messages {
		reporters += changes[i]
		if !m.counted {
			if m.class == multicast {
				c.others++
			}
			continue
		}
		n := float64(reporters)
		if m.sender.eligible.has(m.at) {
			n--
		}
		c.mine++
		one := hourWeight{max(float64(c.audienceOf(m)), n), n}
		byHour[m.at/hour] = byHour[m.at/hour].plus(one)
		c.overall = c.overall.plus(one)
	}
	c.weights = byHour
}

func (c *channel) audienceOf(m *message) int {
	if m.audience > 0 {
		return m.audience
	}
	return c.audience
}

// cells calls yield for every cell of a channel: person by person, and in order of
// time. The cell is only lent.
func (w *world) cells(c *channel, yield func(*cell)) {
	for _, p := range c.persons {
		w.cellsOf(c, p, yield)
	}
}

func (w *world) cellsOf(c *channel, p *person, yield func(*cell)) {
	slices.SortFunc(p.receipts, func(a, b receipt) int {
		return cmp.Or(cmp.Compare(a.message.order, b.message.order), cmp.Compare(a.at, b.at), cmp.Compare(a.device.name, b.device.name))
	})
	receipts := p.receipts
	eligible, known, onl := walker{spans: p.eligible}, walker{spans: p.known}, walker{spans: p.online}
	x := cell{channel: c, person: p}
	for i, m := range c.messages {
		for len(receipts) > 0 && receipts[0].message.order < i {
			receipts = receipts[1:]
		}
		if !m.counted || m.sender == p || eligible.reach(m.at) == m.at {
			continue
		}
		n := 0
		for n < len(receipts) && receipts[n].message == m {
			n++
		}
		x.message = m
		x.reach = min(known.reach(m.at), max(w.opts.Now, m.at))
		x.judge(receipts[:n], onl.reach(m.at))
		yield(&x)
	}
}

// judge works out what became of a cell from its receipts. online is the first
// moment after the message at which the member is not known to be online.
func (x *cell) judge(receipts []receipt, online int64) {
	m := x.message
	x.latency, x.wrong, x.path = -1, m.wrong, 0
	unread := forever
	var first *receipt
	for i := range receipts {
		r := &receipts[i]
		switch {
		case r.bad:
			unread = min(unread, r.at)
		case first == nil:
			first = r
		}
	}
	alone := x.reach // as far as it is known that there was no earlier receipt
	if first != nil {
		x.latency, x.path = max(first.at-m.at, 0), first.path
		x.wrong += first.wrong
		alone = x.before(first)
	}
	for i := Within10s; i <= Within24h; i++ {
		x.outcomes[i] = x.outcome(deadlines[i], alone, unread)
	}
	x.outcomes[Online10s] = x.whileOnline(Within10s, online)
	x.outcomes[Online60s] = x.whileOnline(Within60s, online)
	x.outcomes[Eventually] = x.outcomes[Within24h]
	met := x.latency >= 0 || x.person.online.meets(m.at, m.at+deadlines[Within24h])
	if !met && x.reach < m.at+deadlines[Within24h] {
		x.outcomes[Eventually] = Censored
	} else if !met {
		x.outcomes[Eventually] = NotCounted
	}
	x.cause = x.blame(met)
}

// before returns until when it is known that no device had the message before the
// one that got it first.
func (x *cell) before(first *receipt) int64 {
	if len(x.person.devices) == 1 {
		return first.at
	}
	alone := first.at
	for _, d := range x.person.devices {
		if d != first.device {
			alone = min(alone, d.known.reach(x.message.at))
		}
	}
	return alone
}

func (x *cell) outcome(deadline, alone, unread int64) Outcome {
	end := x.message.at + deadline
	switch {
	case x.latency >= 0 && x.latency+x.wrong <= deadline:
		return Delivered
	case x.latency >= 0 && (x.latency-x.wrong <= deadline || alone < end):
		return Censored
	case x.latency >= 0:
		return Lost
	case x.reach < end+x.wrong:
		return Censored
	case unread <= end:
		return Undecodable
	}
	return Lost
}

// whileOnline is the outcome for a member who was online until the deadline.
func (x *cell) whileOnline(m Measure, online int64) Outcome {
	end := x.message.at + deadlines[m]
	switch {
	case online >= end:
		return x.outcomes[m]
	case x.reach < end && online >= x.reach:
		return Censored
	}
	return NotCounted
}

func (x *cell) blame(met bool) cause {
	switch x.outcomes[Within24h] {
	case Delivered:
		switch x.path {
		case live:
			return cameLive
		case byStore:
			return cameStored
		case byRepair:
			return cameRepaired
		}
		return cameSomehow
	case Undecodable:
		return lostUnread
	case Lost:
		switch m := x.message; {
		case m.left && met:
			return lostNetwork
		case m.left:
			return lostOffline
		case m.handed:
			return lostUnproven
		}
		return lostUnsent
	}
	return unknownCause
}
