package loopback

import (
	"container/heap"
	"time"
)

// flight is a copy of a packet on its way to a receiver.
type flight struct {
	due    time.Time
	order  uint64 // the one that left first arrives first at the same instant
	to     *Endpoint
	packet *packet
}

// flights is a heap: the next to arrive is the first.
type flights struct {
	list []flight
	left uint64 // how many have ever left
}

func (f *flights) Len() int      { return len(f.list) }
func (f *flights) Swap(i, j int) { f.list[i], f.list[j] = f.list[j], f.list[i] }
func (f *flights) Push(x any)    { f.list = append(f.list, x.(flight)) }

func (f *flights) Less(i, j int) bool {
	a, b := &f.list[i], &f.list[j]
	if a.due.Equal(b.due) {
		return a.order < b.order
	}
	return a.due.Before(b.due)
}

func (f *flights) Pop() any {
	last := len(f.list) - 1
	x := f.list[last]
	f.list[last] = flight{} // lets the packet go
	f.list = f.list[:last]
	return x
}

// hand decides what becomes of the copy of a packet for one receiver. n.mu is
// held.
func (n *Network) hand(from, to *Endpoint, p *packet, filtered bool) {
	stats := &to.member.stats
	stats.Handed++
	to.member.addressed++
	// All is drawn whether it is used or not, so that what happens to the n-th
	// packet is the same under other faults.
	chance := newChance(n.seed, to.name, to.member.addressed)
	loss, duplicate := chance.next(), chance.next()
	delay, second := n.delay(chance.next()), n.delay(chance.next())
	switch {
	case from.blackhole || to.blackhole:
		stats.Blackholed++
	case !to.online:
		stats.Offline++
	case n.apart(from.name, to.name):
		stats.Partitioned++
	case filtered:
		stats.Filtered++
	case loss < to.loss:
		stats.Lost++
	default:
		n.launch(to, p, delay)
		if duplicate < n.duplicate {
			stats.Duplicated++
			n.launch(to, p, second)
		}
	}
}

// delay turns an even draw from [0, 1) into a delay.
func (n *Network) delay(u float64) time.Duration {
	return n.minDelay + time.Duration(u*float64(n.maxDelay-n.minDelay))
}

// launch puts a copy on its way. n.mu is held.
func (n *Network) launch(to *Endpoint, p *packet, delay time.Duration) {
	n.flying.left++
	f := flight{due: time.Now().Add(delay), order: n.flying.left, to: to, packet: p}
	heap.Push(&n.flying, f)
	to.member.stats.InFlight++
	if n.flying.list[0].order != f.order {
		return // the network's goroutine wakes up before
	}
	select {
	case n.wake <- struct{}{}:
	default: // it is being woken up already
	}
}

// run lets flights arrive at their time, until Close.
func (n *Network) run() {
	defer close(n.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if wait, some := n.arrivals(); some {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
		select {
		case <-timer.C:
		case <-n.wake:
		case <-n.quit:
			return
		}
	}
}

// arrivals lets all that is due arrive and returns how long it is until the
// next flight is due, if there is one.
func (n *Network) arrivals() (wait time.Duration, some bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	for len(n.flying.list) > 0 {
		if wait = n.flying.list[0].due.Sub(now); wait > 0 {
			return wait, true
		}
		f := heap.Pop(&n.flying).(flight)
		f.to.arrive(f.packet)
	}
	return 0, false
}
