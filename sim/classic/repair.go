package classic

import (
	"cmp"
	"slices"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// maxRequests is how many missing messages one message asks for.
const maxRequests = 3

// request is a missing message to ask for.
type request struct {
	fingerprint uint64
	entry       wire.HistoryEntry // as those who named it did
	at          sds.Time
	made        bool
}

// requests are the missing messages of a peer, soonest first. The zero value is
// ready to use.
type requests struct {
	list []request
	ids  map[uint64]bool
}

func (r *requests) has(f uint64) bool { return r.ids[f] }

// add plans a request. If there are limit already, the furthest makes room, even
// if the new one is further; 0 is no limit.
func (r *requests) add(f uint64, entry wire.HistoryEntry, at sds.Time, limit int) {
	if limit > 0 && len(r.list) >= limit {
		delete(r.ids, r.list[len(r.list)-1].fingerprint)
		r.list = r.list[:len(r.list)-1]
	}
	if r.ids == nil {
		r.ids = map[uint64]bool{}
	}
	r.ids[f] = true
	i, _ := slices.BinarySearchFunc(r.list, at, func(q request, at sds.Time) int {
		if q.at <= at {
			return -1
		}
		return 1
	})
	r.list = slices.Insert(r.list, i, request{fingerprint: f, entry: entry, at: at})
}

func (r *requests) remove(f uint64) {
	if r.ids[f] {
		delete(r.ids, f)
		r.list = slices.DeleteFunc(r.list, func(q request) bool { return q.fingerprint == f })
	}
}

// due returns up to maxRequests of those that are due and were not made, soonest
// first, and takes them for made.
func (r *requests) due(now sds.Time) []wire.HistoryEntry {
	var entries []wire.HistoryEntry
	for i := range r.list {
		q := &r.list[i]
		if q.at > now || len(entries) == maxRequests {
			break
		}
		if !q.made {
			q.made = true
			entries = append(entries, q.entry)
		}
	}
	return entries
}

// forget removes those that drop says.
func (r *requests) forget(drop func(request) bool) {
	r.list = slices.DeleteFunc(r.list, func(q request) bool {
		gone := drop(q)
		if gone {
			delete(r.ids, q.fingerprint)
		}
		return gone
	})
}

// answer is a message that somebody asked for.
type answer struct {
	in *Prepared
	at sds.Time
}

// answers are what a peer is to send for others, soonest first. The zero value
// is ready to use.
type answers struct{ list []answer }

func (a *answers) has(f uint64) bool {
	return slices.ContainsFunc(a.list, func(x answer) bool { return x.in.fingerprint == f })
}

func (a *answers) add(in *Prepared, at sds.Time, limit int) {
	if limit > 0 && len(a.list) >= limit {
		a.list = a.list[:len(a.list)-1]
	}
	a.list = append(a.list, answer{in, at})
	slices.SortStableFunc(a.list, func(x, y answer) int { return cmp.Compare(x.at, y.at) })
}

func (a *answers) remove(f uint64) {
	if len(a.list) > 0 {
		a.list = slices.DeleteFunc(a.list, func(x answer) bool { return x.in.fingerprint == f })
	}
}

// due removes and returns what is to be sent by now.
func (a *answers) due(now sds.Time) []answer {
	n := 0
	for n < len(a.list) && a.list[n].at <= now {
		n++
	}
	due := slices.Clone(a.list[:n])
	a.list = slices.Delete(a.list, 0, n)
	return due
}
