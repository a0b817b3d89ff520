package crowd

import (
	"math"
	"slices"
)

// tally is what was measured at the members of one kind.
type tally struct {
	missed, detected, unnoticed, falseAcks int
	asked, right, rightAtOnce, undecided   int
	detect, repair, consistency            histogram
	ackFirst, ackWanted, verdict           histogram
	lastDelivery                           int64
}

func (t *tally) merge(u *tally) {
	t.missed += u.missed
	t.detected += u.detected
	t.unnoticed += u.unnoticed
	t.falseAcks += u.falseAcks
	t.asked += u.asked
	t.right += u.right
	t.rightAtOnce += u.rightAtOnce
	t.undecided += u.undecided
	t.detect.merge(&u.detect)
	t.repair.merge(&u.repair)
	t.consistency.merge(&u.consistency)
	t.ackFirst.merge(&u.ackFirst)
	t.ackWanted.merge(&u.ackWanted)
	t.verdict.merge(&u.verdict)
	t.lastDelivery = max(t.lastDelivery, u.lastDelivery)
}

// histogram holds times in milliseconds, exactly. The zero value is empty.
type histogram struct {
	fine  []uint32 // how often each short time was seen
	long  []int64
	count int
	open  []int64 // what had not happened by the end, for so long
}

const fineTimes = 1 << 15

func (h *histogram) add(t int64) {
	h.count++
	if t < 0 || t >= fineTimes {
		h.long = append(h.long, t)
		return
	}
	if int(t) >= len(h.fine) {
		h.fine = append(h.fine, make([]uint32, int(t)+1-len(h.fine))...)
	}
	h.fine[t]++
}

// addNever adds a case that did not happen while it could, for so long.
func (h *histogram) addNever(t int64) { h.open = append(h.open, t) }

func (h *histogram) merge(g *histogram) {
	if len(g.fine) > len(h.fine) {
		h.fine = append(h.fine, make([]uint32, len(g.fine)-len(h.fine))...)
	}
	for t, n := range g.fine {
		h.fine[t] += n
	}
	h.long = append(h.long, g.long...)
	h.count += g.count
	h.open = append(h.open, g.open...)
}

// Distribution sums up times in milliseconds. A percentile is the smallest time
// that at least that share of the cases does not exceed.
type Distribution struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
	// Count is how many cases there were. Never is how many of them had not happened
	// by the end: they count with the time that they had.
	Count int `json:"count"`
	Never int `json:"never"`
}

func (h *histogram) distribution() Distribution {
	all := histogram{}
	all.merge(h)
	for _, t := range all.open {
		all.add(t)
	}
	slices.Sort(all.long)
	d := Distribution{Count: all.count, Never: len(all.open)}
	if all.count > 0 {
		d.P50, d.P90, d.P95, d.P99 = all.percentile(.5), all.percentile(.9), all.percentile(.95), all.percentile(.99)
		d.Max = all.percentile(1)
	}
	return d
}

// percentile needs long to be in order.
func (h *histogram) percentile(p float64) float64 {
	rank := max(int(math.Ceil(p*float64(h.count)-1e-9)), 1)
	for t, n := range h.fine {
		if rank -= int(n); rank <= 0 {
			return float64(t)
		}
	}
	return float64(h.long[rank-1])
}

// Point is one of a Curve: this share of the cases took at most Ms.
type Point struct {
	Ms    float64 `json:"ms"`
	Share float64 `json:"share"`
}

// Curve is a cumulative distribution in at most maxPoints points. What never
// happened is missing at its end.
type Curve []Point

const maxPoints = 200

func (h *histogram) curve() Curve {
	slices.Sort(h.long)
	var c Curve
	cases := h.count + len(h.open)
	for i := 1; i <= maxPoints && h.count > 0; i++ {
		p := float64(i) / maxPoints
		t := h.percentile(p)
		share := p * float64(h.count) / float64(cases)
		if n := len(c); n > 0 && c[n-1].Ms == t {
			c[n-1].Share = share
			continue
		}
		c = append(c, Point{t, share})
	}
	return c
}
