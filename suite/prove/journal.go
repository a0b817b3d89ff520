package prove

import (
	"cmp"
	"slices"

	"github.com/causeway-im/causeway/telemetry/report"
)

// upload is a report on its way.
type upload struct {
	*report.Upload
	arrived int64
}

// entry is an event by the true clock.
type entry struct {
	at int64
	report.Event
}

const (
	uploadEvery = 3 * minute
	restEvery   = 2 * hour // after the traffic
	flushEvery  = second   // what a crash takes away
)

// uploads are all that the devices of a town ever send.
func (w *town) uploads() []upload {
	var out []upload
	for _, p := range w.members {
		if p.reports {
			out = append(out, w.journal(p).send(w)...)
		}
	}
	if w.Copies {
		for _, u := range slices.Clone(out) {
			for w.d.chance(0.4) {
				u.arrived += w.d.between(0, 3*minute)
				out = append(out, u)
			}
		}
		w.d.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	}
	return out
}

// journal is what one device writes down, run by run of the program.
type journal struct {
	*member
	entries []entry
	order   []int32       // entries by time
	runs    []report.Span // of one epoch each, without the time asleep
}

func (w *town) journal(p *member) *journal {
	j := &journal{member: p, entries: make([]entry, 0, 2*len(p.got)+100)}
	j.add(opening, report.Event{Kind: report.Membership, Joined: true, Audience: w.Members, Member: p.name})
	j.add(opening, report.Event{Kind: report.Presence, State: report.Online})
	for _, s := range p.offline {
		j.add(s.From, report.Event{Kind: report.Presence, State: report.Offline})
		if s.To < never {
			j.add(s.To, report.Event{Kind: report.Presence, State: report.Online})
		}
	}
	for _, s := range p.asleep {
		j.add(s.From, report.Event{Kind: report.Presence, State: report.Suspended})
		j.add(s.To, report.Event{Kind: report.Presence, State: p.stateAt(s.To)})
	}
	for _, s := range p.crashed {
		j.add(s.To, report.Event{Kind: report.Presence, State: p.stateAt(s.To)})
	}
	for _, m := range w.messages {
		if m.author == p {
			j.own(w, m)
		}
	}
	for _, r := range p.got {
		j.add(r.at, report.Event{Kind: report.Received, Message: r.name, Member: r.author.name, Class: report.Multicast,
			Path: r.path, Sent: r.composed + r.author.skew})
	}
	for _, n := range p.noticed {
		j.add(n.at, report.Event{Kind: report.Missing, Message: n.message, Member: n.author})
	}
	j.order = make([]int32, len(j.entries))
	for i := range j.order {
		j.order[i] = int32(i)
	}
	slices.SortFunc(j.order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(j.entries[a].at, j.entries[b].at), cmp.Compare(a, b))
	})
	begin := opening
	for _, s := range p.crashed {
		j.runs = append(j.runs, report.Span{From: begin, To: s.From - flushEvery})
		begin = s.To
	}
	j.runs = append(j.runs, report.Span{From: begin, To: ending})
	return j
}

// stateAt is what a device finds when it wakes up.
func (p *member) stateAt(t int64) report.State {
	if next(p.offline, t) > t {
		return report.Offline
	}
	return report.Online
}

// own writes what an author witnesses of its message.
func (j *journal) own(w *town, m *message) {
	j.add(m.composed, report.Event{Kind: report.Composed, Message: m.name, Member: j.name, Class: report.Multicast,
		Audience: w.audience(j.member)})
	if m.left >= never {
		return
	}
	j.add(m.left, report.Event{Kind: report.Handed, Message: m.name, Attempt: 1})
	if m.acked < never {
		j.add(m.acked, report.Event{Kind: report.Acknowledged, Message: m.name, Count: 1})
	}
}

// audience is how many others a message is for.
func (w *town) audience(p *member) int {
	n := -1
	for _, o := range w.members {
		if o.town == p.town {
			n++
		}
	}
	return n
}

func (j *journal) add(at int64, e report.Event) {
	if at >= never || next(j.crashed, at) > at {
		return // the program does not run
	}
	if e.Kind != report.Presence {
		e.Community, e.Channel, e.Topic, e.Pubsub = "club", "tea", "/club/1/tea/proto", "/waku/2/rs/16/32"
		if j.town == 1 {
			e.Community, e.Channel, e.Topic = "pub", "beer", "/pub/1/beer/proto"
		}
	}
	j.entries = append(j.entries, entry{at, e})
}

// send uploads the journal while the device is online and the collector is there.
// A run that ends in a crash loses its last second; the next begins an epoch.
func (j *journal) send(w *town) []upload {
	var out []upload
	order := j.order
	var pending []*report.Upload // of former epochs
	for k, run := range j.runs {
		u := j.empty(uint64(k+1), 1)
		covered := run.From
		end := run.To
		if k == len(j.runs)-1 {
			end = ending
		}
		for at := run.From; ; {
			at = min(at+w.wait(at), end)
			n := 0
			for n < len(order) && j.entries[order[n]].at < at {
				n++
			}
			u.Events = slices.Grow(u.Events, n)
			for ; n > 0; n, order = n-1, order[1:] {
				e := &j.entries[order[0]]
				u.Last++
				e.Seq, e.At = u.Last, e.at+j.skew
				u.Events = append(u.Events, e.Event)
			}
			u.Coverage = append(u.Coverage, j.awake(covered, at)...)
			covered = at
			if at < end && w.reaches(j.member, at) {
				for _, p := range append(pending, u) {
					p.Clock.Sent = at + j.skew
					out = append(out, upload{p, at + w.d.between(50, 800)})
				}
				pending, u = nil, j.empty(u.Epoch, u.Last+1)
			}
			if at >= end {
				break
			}
		}
		if len(u.Events)+len(u.Coverage) > 0 {
			pending = append(pending, u)
		}
		for k+1 < len(j.runs) && len(order) > 0 && j.entries[order[0]].at < j.runs[k+1].From {
			order = order[1:] // lost in the crash
		}
	}
	return out
}

func (j *journal) empty(epoch, first uint64) *report.Upload {
	return &report.Upload{Schema: report.Version, Install: "i-" + j.name, Epoch: epoch, First: first, Last: first - 1, Device: j.device}
}

func (w *town) wait(at int64) int64 {
	if at < closing+hour {
		return uploadEvery + w.d.between(0, 20*second)
	}
	return restEvery
}

// reaches tells whether an upload gets through.
func (w *town) reaches(p *member, at int64) bool {
	down := w.Collector && dropFrom <= at && at < dropTo
	return !down && at < p.gone && p.online(at) == at
}

// awake is the part of a time in which the program did not sleep, by the device's
// clock.
func (j *journal) awake(from, to int64) []report.Span {
	var out []report.Span
	for _, s := range j.asleep {
		if s.From >= to || s.To <= from {
			continue
		}
		if s.From > from {
			out = append(out, report.Span{From: from + j.skew, To: s.From + j.skew})
		}
		from = s.To
	}
	if to > from {
		out = append(out, report.Span{From: from + j.skew, To: to + j.skew})
	}
	return out
}
