package peer

import (
	"cmp"
	"slices"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/wire"
)

// maxRequests is how many requests ride on one message.
const maxRequests = 3

// repairs are the two buffers of SDS-R: what to ask for and when, and what to
// answer and when. Both are in order of time.
type repairs struct {
	cfg      Config
	requests []request
	answers  []answer
}

type request struct {
	entry wire.HistoryEntry
	at    int64 // T_req
}

type answer struct {
	id wire.MessageID
	at int64 // T_resp
}

// want queues a request, unless one is queued. added is false if it was, or if
// there is no repair.
func (r *repairs) want(e wire.HistoryEntry, now int64) (at int64, added bool) {
	if r.cfg.NoRepair || r.cfg.RepairBuffer == 0 {
		return 0, false
	}
	if i := r.index(e.MessageID); i >= 0 {
		learn(&r.requests[i].entry, e)
		return 0, false
	}
	if len(r.requests) >= r.cfg.RepairBuffer {
		r.requests = r.requests[:r.cfg.RepairBuffer-1]
	}
	at = r.requestAt(e.MessageID, now)
	r.requests = append(r.requests, request{e, at})
	r.sort()
	return at, true
}

// learn adds what another message says about the same one.
func learn(known *wire.HistoryEntry, e wire.HistoryEntry) {
	if known.SenderID == "" {
		known.SenderID = e.SenderID
	}
	if len(known.RetrievalHint) == 0 {
		known.RetrievalHint = e.RetrievalHint
	}
}

func (r *repairs) index(id wire.MessageID) int {
	return slices.IndexFunc(r.requests, func(q request) bool { return q.entry.MessageID == id })
}

func (r *repairs) sort() {
	slices.SortStableFunc(r.requests, func(a, b request) int { return cmp.Compare(a.at, b.at) })
}

// due returns the requests whose time has come, as many as ride on one message.
func (r *repairs) due(now int64) []wire.HistoryEntry {
	var due []wire.HistoryEntry
	for _, q := range r.requests {
		if q.at > now || len(due) == maxRequests {
			break
		}
		due = append(due, q.entry)
	}
	return due
}

// asked puts requests off: we or somebody else just made them.
func (r *repairs) asked(entries []wire.HistoryEntry, now int64) {
	for i := range entries {
		if j := r.index(entries[i].MessageID); j >= 0 {
			r.requests[j].at = max(r.requests[j].at, r.requestAt(entries[i].MessageID, now))
		}
	}
	r.sort()
}

// arrived forgets a message: it is here, and others have it from whoever sent it.
func (r *repairs) arrived(id wire.MessageID) {
	r.requests = slices.DeleteFunc(r.requests, func(q request) bool { return q.entry.MessageID == id })
	r.answers = slices.DeleteFunc(r.answers, func(a answer) bool { return a.id == id })
}

// answer queues an answer to somebody's request for a message that we have,
// unless one is queued or it is for others to answer.
func (r *repairs) answer(e *wire.HistoryEntry, now int64) (at int64, added bool) {
	switch {
	case r.cfg.NoRepair, r.cfg.RepairBuffer == 0, e.SenderID == "", !r.inGroup(e.SenderID, e.MessageID),
		slices.ContainsFunc(r.answers, func(a answer) bool { return a.id == e.MessageID }):
		return 0, false
	}
	if len(r.answers) >= r.cfg.RepairBuffer {
		r.answers = r.answers[:r.cfg.RepairBuffer-1]
	}
	at = r.answerAt(e.SenderID, e.MessageID, now)
	r.answers = append(r.answers, answer{e.MessageID, at})
	slices.SortStableFunc(r.answers, func(a, b answer) int { return cmp.Compare(a.at, b.at) })
	return at, true
}

// ready takes out the answers whose time has come.
func (r *repairs) ready(now int64) []answer {
	n := slices.IndexFunc(r.answers, func(a answer) bool { return a.at > now })
	if n < 0 {
		n = len(r.answers)
	}
	ready := r.answers[:n:n]
	r.answers = r.answers[n:]
	return ready
}

func (r *repairs) requestAt(id wire.MessageID, now int64) int64 {
	delay := pace.JSRequestDelay
	if r.cfg.Dialect == sds.Nim {
		delay = pace.NimRequestDelay
	}
	return now + ms(delay(string(r.cfg.Sender), string(id), r.cfg.TMin, r.cfg.TMax))
}

func (r *repairs) answerAt(sender wire.ParticipantID, id wire.MessageID, now int64) int64 {
	delay := pace.JSResponseDelay
	if r.cfg.Dialect == sds.Nim {
		delay = pace.NimResponseDelay
	}
	return now + ms(delay(string(r.cfg.Sender), string(sender), string(id), r.cfg.TMax))
}

func (r *repairs) inGroup(sender wire.ParticipantID, id wire.MessageID) bool {
	in := pace.JSInGroup
	if r.cfg.Dialect == sds.Nim {
		in = pace.NimInGroup
	}
	return in(string(r.cfg.Sender), string(sender), string(id), r.cfg.Groups)
}

func ms(d time.Duration) int64 { return d.Milliseconds() }
