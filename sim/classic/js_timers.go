package classic

import (
	"github.com/causeway-im/causeway/sds"
)

func (j *js) deadline() sds.Time {
	at := earliest(j.processAt, j.syncAt)
	if len(j.retries) > 0 {
		at = earliest(at, j.retries[0].at)
	}
	return earliest(at, earliest(j.nextSweep(), j.nextAnswer()))
}

// nextSweep is when the next sweep has something to do; 0 for never.
func (j *js) nextSweep() sds.Time {
	if len(j.waiting) == 0 {
		return 0
	}
	return j.sweep.from(max(j.waiting[0].since, j.sweptAt+1))
}

func (j *js) nextAnswer() sds.Time {
	if len(j.answers.list) == 0 {
		return 0
	}
	return j.repair.from(j.answers.list[0].at)
}

func (j *js) tick() {
	due := func(at sds.Time) bool { return at != 0 && at <= j.now }
	if due(j.processAt) {
		j.processAt = 0
		j.process()
	}
	if due(j.nextSweep()) {
		j.sweepWaiting()
	}
	for len(j.retries) > 0 && due(j.retries[0].at) {
		j.retry()
	}
	if due(j.nextAnswer()) {
		for _, a := range j.answers.due(j.now) {
			j.emit(sds.ClassRepair, a.in)
		}
	}
	if due(j.syncAt) {
		j.sync()
	}
}

// retry pushes content again. What was received is looked at first, as for every
// push: if an acknowledgement is among it the content becomes a new message with
// the old id, and its retries go on.
func (j *js) retry() {
	r := j.retries[0]
	j.retries = j.retries[1:]
	j.process()
	own := j.send(r.own.message.Content)
	if r.left--; r.left > 0 {
		j.retries = append(j.retries, jsRetrial{own, j.now.Add(jsRetry), r.left})
	} else {
		j.out.GaveUp = append(j.out.GaveUp, own.message.MessageID)
	}
}

// sweepWaiting delivers what waited long enough, in the order in which it came.
func (j *js) sweepWaiting() {
	j.sweptAt = j.now
	kept := j.waiting[:0]
	dropped := false
	for _, w := range j.waiting {
		w.missing = j.stillMissing(w)
		switch {
		case len(w.missing) == 0:
			j.deliver(w.in)
			continue
		case j.cfg.LostAfter > 0 && j.now.Sub(w.since) > j.cfg.LostAfter:
			j.drop(w)
			dropped = true
			continue
		}
		kept = append(kept, w)
	}
	clear(j.waiting[len(kept):])
	j.waiting = kept
	if dropped {
		j.recount()
	}
}

func (j *js) stillMissing(w waiting) []int {
	left := w.missing[:0]
	for _, i := range w.missing {
		if !j.available.has(w.in.parents[i]) {
			left = append(left, i)
		}
	}
	return left
}

// drop gives a message up: it is not delivered, and copies of it are ignored.
func (j *js) drop(w waiting) {
	j.out.Dropped = append(j.out.Dropped, w.in.message.MessageID)
	for _, i := range w.missing {
		j.out.Lost = append(j.out.Lost, w.in.message.CausalHistory[i].MessageID)
	}
}

// recount works out anew what is available, after something was dropped, and
// what waits for it.
func (j *js) recount() {
	j.available, j.met = idSet{}, [8]uint64{}
	for _, in := range j.log {
		j.available.add(in.fingerprint)
	}
	for _, w := range j.waiting {
		j.available.add(w.in.fingerprint)
	}
	for i := range j.waiting {
		w := &j.waiting[i]
		w.missing = w.missing[:0]
		for k, f := range w.in.parents {
			if !j.available.has(f) {
				w.missing = append(w.missing, k)
			}
		}
	}
}
