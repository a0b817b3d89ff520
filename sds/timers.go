package sds

// Timers are a heap of moments. Equal moments fire in the order in which they
// were set, so that the same inputs always give the same outputs.

type timerKind uint8

const (
	timerHole     timerKind = iota + 1 // an awaited message: ask for it, or give it up
	timerAnswer                        // a repair that we may send
	timerOutgoing                      // an own message that nobody is known to have
	timerParked                        // a quarantined message whose time comes
	timerQuick                         // the first acknowledgement after content
	timerDuty                          // our own acknowledgement in a small group
	timerTrickle                       // the next sync of a quiet channel
	timerAsk                           // asking those that were not heard
	timerLoss                          // numbers that stayed away
	timerDigest                        // a sync with a digest
	timerWant                          // asking by short id
	timerReport                        // our part of a census
	timerCensus                        // what is next in a census of ours
)

type timer struct {
	at    Time
	order uint64
	index int // in the heap plus one; 0 when not set
	kind  timerKind
	id    MessageID
}

func (t *timer) set() bool { return t.index > 0 }

type timerHeap struct {
	heap  []*timer
	count uint64
}

func (h *timerHeap) schedule(t *timer, at Time) {
	h.count++
	t.at, t.order = at, h.count
	if t.index == 0 {
		h.heap = append(h.heap, t)
		t.index = len(h.heap)
	}
	h.fix(t.index - 1)
}

func (h *timerHeap) stop(t *timer) {
	i := t.index - 1
	if i < 0 {
		return
	}
	last := len(h.heap) - 1
	h.swap(i, last)
	h.heap[last] = nil
	h.heap = h.heap[:last]
	t.index = 0
	if i < last {
		h.fix(i)
	}
}

// due returns the first timer if its time has come.
func (h *timerHeap) due(now Time) *timer {
	if len(h.heap) == 0 || h.heap[0].at > now {
		return nil
	}
	return h.heap[0]
}

func (h *timerHeap) less(i, j int) bool {
	a, b := h.heap[i], h.heap[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}

func (h *timerHeap) swap(i, j int) {
	h.heap[i], h.heap[j] = h.heap[j], h.heap[i]
	h.heap[i].index, h.heap[j].index = i+1, j+1
}

func (h *timerHeap) fix(i int) {
	for i > 0 && h.less(i, (i-1)/2) {
		h.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h.heap); child++ {
			if h.less(child, least) {
				least = child
			}
		}
		if least == i {
			return
		}
		h.swap(i, least)
		i = least
	}
}
