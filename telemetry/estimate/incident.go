package estimate

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Scope is whom an incident concerns.
type Scope string

// The scopes.
const (
	OneDevice   Scope = "device"
	OnePlatform Scope = "platform"
	OneShard    Scope = "shard"
	Everybody   Scope = "everybody" // or many without anything in common
)

// Incident is a time in which many more devices than usual were silent, or said that
// they had no network.
type Incident struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// Open incidents go on; To is then the moment of the estimate.
	Open  bool   `json:"open"`
	Scope Scope  `json:"scope"`
	Name  string `json:"name,omitempty"` // of the platform, the shard or the device
	// P is how likely so many would be unwell by chance, at the worst minute. Usual is
	// the share that is unwell at that hour of the week.
	P     float64 `json:"p"`
	Usual float64 `json:"usual"`
	// Of Watched devices Silent told nothing and Isolated told, over another path, that
	// they had no peer or no network: at the worst minute.
	Watched  int `json:"watched"`
	Silent   int `json:"silent"`
	Isolated int `json:"isolated"`
	// Remaining are unwell at the end.
	Remaining int `json:"remaining"`
	// Settled is the share of the devices' time in the incident that is known by now.
	Settled float64 `json:"settled"`
}

const (
	minute = 60_000
	// unlikely is how improbable a silence must be to be an incident, in each minute.
	unlikely = 1e-5
	// excess is how many more devices than usual must be unwell, as a share.
	excess = 0.1
	// fewest are the devices that make more than an incident of one.
	fewest = 3
	// incidentPause is how short a relief does not end an incident.
	incidentPause = 5
	// maxDevices bounds the incidents of single devices, longest first.
	maxDevices = 100
)

// patience is how long a device may be silent in its usual rhythm: three missed
// uploads.
func (d *device) patience() int64 {
	return min(max(3*d.quiet, 3*minute), 15*minute)
}

// watch works out when a device should be well and when it was not, silent or cut off.
// The time in which the collector was down, or devices were still to come back to
// it, is in neither.
func (w *world) watch(d *device) {
	now := spans{{From: -forever, To: min(w.opts.Now, d.goodbye)}}
	gaps := make([]span, len(w.gaps))
	for i, g := range w.gaps {
		gaps[i] = span{From: g.From, To: g.To + d.patience()}
	}
	down := union(gaps)
	reporter := d.reporter(w.opts.horizon()).both(now)
	silent := slices.DeleteFunc(reporter.without(d.accounted), func(s span) bool { return s.To-s.From <= d.patience() })
	d.watched = reporter.without(d.idle).without(down)
	d.silent = union(silent).both(d.watched)
	d.unwell = union(slices.Concat(d.silent, d.cut)).both(d.watched)
}

// scope counts devices by minute.
type scope struct {
	kind                    Scope
	name                    string
	watched, unwell, silent []int
}

// incidents finds those in the window of the options.
func (w *world) incidents(b *Baseline) []Incident {
	begin, end := w.opts.From, min(w.opts.To, w.opts.Now)
	if end-begin < minute || end-begin > int64(366*24*time.Hour/time.Millisecond) {
		return nil
	}
	all, parts := w.scopes(begin, end)
	var out []Incident
	for _, run := range runs(all, parts, b, begin) {
		out = append(out, w.incident(run, all, parts, b, begin, end))
	}
	slices.SortFunc(out, func(a, b Incident) int { return cmp.Compare(a.From, b.From) })
	return append(out, w.single(out, b, begin, end)...)
}

// scopes counts everybody, and those of each platform and shard.
func (w *world) scopes(begin, end int64) (all *scope, parts []*scope) {
	minutes := int((end - begin) / minute)
	list := map[string]*scope{}
	get := func(kind Scope, name string) *scope {
		key := string(kind) + " " + name
		if list[key] == nil {
			list[key] = &scope{kind: kind, name: name, watched: make([]int, minutes+1), unwell: make([]int, minutes+1),
				silent: make([]int, minutes+1)}
		}
		return list[key]
	}
	all = get(Everybody, "")
	for _, d := range w.devices {
		if len(d.covered) == 0 {
			continue
		}
		scopes := []*scope{all, get(OnePlatform, string(d.profileAt(begin).Platform))}
		for _, shard := range w.shards[d] {
			scopes = append(scopes, get(OneShard, shard))
		}
		for _, s := range scopes {
			mark(s.watched, d.watched, begin)
			mark(s.unwell, d.unwell, begin)
			mark(s.silent, d.silent, begin)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(list)) {
		s := list[key]
		for _, counts := range [][]int{s.watched, s.unwell, s.silent} {
			for i := 1; i < len(counts); i++ {
				counts[i] += counts[i-1]
			}
		}
		if s != all {
			parts = append(parts, s)
		}
	}
	return all, parts
}

// mark counts one more in the minutes that begin in the spans; counts are differences.
func mark(counts []int, list spans, begin int64) {
	index := func(t int64) int {
		return int(min(max((t-begin+minute-1)/minute, 0), int64(len(counts)-1)))
	}
	for _, s := range list {
		if s.To > begin {
			counts[index(max(s.From, begin))]++
			counts[index(s.To)]--
		}
	}
}

// shardsOf lists the pubsub topics that each device uses.
func (w *world) shardsOf() map[*device][]string {
	out := map[*device][]string{}
	for _, c := range w.channels {
		if c.pubsub == "" {
			continue
		}
		for _, p := range c.persons {
			for _, d := range p.devices {
				if !slices.Contains(out[d], c.pubsub) {
					out[d] = append(out[d], c.pubsub)
				}
			}
		}
	}
	return out
}

// p is how likely the unwell of a minute are by chance; 1 if they are too few to
// matter.
func (s *scope) p(i int, usual float64) float64 {
	n, k := s.watched[i], s.unwell[i]
	if k < fewest || float64(k) < (usual+excess)*float64(n) {
		return 1
	}
	return BinomialTail(k, n, usual)
}

// run is the minutes from first to before last.
type run struct{ first, last int }

// runs finds the minutes in which any scope is unwell.
func runs(all *scope, parts []*scope, b *Baseline, begin int64) []run {
	var out []run
	for i := range len(all.watched) - 1 {
		usual := b.unwell(begin + int64(i)*minute)
		bad := all.p(i, usual) < unlikely
		for _, s := range parts {
			bad = bad || s.p(i, usual) < unlikely
		}
		switch n := len(out); {
		case !bad:
		case n > 0 && i-out[n-1].last <= incidentPause:
			out[n-1].last = i + 1
		default:
			out = append(out, run{i, i + 1})
		}
	}
	return out
}

// incident describes a run: its worst minute says whom it concerns, and it lasts
// while at least half as many more than usual are unwell. Who never comes back does
// not make it longer.
func (w *world) incident(r run, all *scope, parts []*scope, b *Baseline, begin, end int64) Incident {
	worst := r.first
	for i := r.first; i < r.last; i++ {
		if all.unwell[i] > all.unwell[worst] {
			worst = i
		}
	}
	usual := b.unwell(begin + int64(worst)*minute)
	s := blamed(all, parts, worst, usual)
	share := func(i int) float64 { return float64(s.unwell[i]) / max(float64(s.watched[i]), 1) }
	half := usual + (share(worst)-usual)/2
	from, to := worst, worst+1
	for from > r.first && share(from-1) >= half {
		from--
	}
	for to < r.last && share(to) >= half {
		to++
	}
	in := Incident{From: begin + int64(from)*minute, To: begin + int64(to)*minute, Scope: s.kind, Name: s.name,
		P: s.p(worst, usual), Usual: usual, Watched: s.watched[worst], Silent: s.silent[worst],
		Isolated: s.unwell[worst] - s.silent[worst], Remaining: s.unwell[max(r.last-1, 0)]}
	if to == len(s.watched)-1 && end == w.opts.Now {
		in.Open, in.To = true, end
	}
	in.Settled = w.settled(in)
	return in
}

// blamed finds the one platform or shard that is unwell while the rest is as usual,
// or else everybody.
func blamed(all *scope, parts []*scope, i int, usual float64) *scope {
	best, p := all, all.p(i, usual)
	alone := p < unlikely
	for _, s := range parts {
		rest, restUnwell := all.watched[i]-s.watched[i], all.unwell[i]-s.unwell[i]
		q := s.p(i, usual)
		if q >= unlikely || rest == 0 || BinomialTail(restUnwell, rest, usual) < 0.01 && restUnwell > 1 {
			continue
		}
		if best == all || q < p {
			best, p = s, q
		}
	}
	if best == all && !alone { // several parts at once
		for _, s := range parts {
			if q := s.p(i, usual); q < p {
				best, p = s, q
			}
		}
	}
	return best
}

// settled is how much of an incident is known by now.
func (w *world) settled(in Incident) float64 {
	window := spans{{From: in.From, To: in.To}}
	all, known := int64(0), int64(0)
	for _, d := range w.devices {
		if !in.concerns(d, w.shards[d]) {
			continue
		}
		counts := d.reporter(w.opts.horizon()).both(window)
		all += counts.length()
		known += counts.both(d.accounted).length()
	}
	if all == 0 {
		return 1
	}
	return float64(known) / float64(all)
}

func (in *Incident) concerns(d *device, shards []string) bool {
	switch in.Scope {
	case OneDevice:
		return d.name == in.Name
	case OnePlatform:
		return string(d.profileAt(in.From).Platform) == in.Name
	case OneShard:
		return slices.Contains(shards, in.Name)
	}
	return true
}

// single finds devices that were unwell outside of larger incidents.
func (w *world) single(larger []Incident, b *Baseline, begin, end int64) []Incident {
	window := spans{{From: begin, To: end}}
	var out []Incident
	for _, d := range w.devices {
		for _, s := range d.unwell.both(window) {
			if slices.ContainsFunc(larger, func(in Incident) bool { return in.From-minute <= s.To && s.From < in.To }) {
				continue
			}
			in := Incident{From: s.From, To: s.To, Open: s.To == w.opts.Now, Scope: OneDevice, Name: d.name, Watched: 1, Remaining: 0}
			in.Usual = b.unwell(s.From)
			in.P = in.Usual
			if d.cut.has(s.From) {
				in.Isolated = 1
			} else {
				in.Silent = 1
			}
			if in.Open {
				in.Remaining = 1
			}
			in.Settled = w.settled(in)
			out = append(out, in)
		}
	}
	slices.SortStableFunc(out, func(a, b Incident) int { return cmp.Compare(b.To-b.From, a.To-a.From) })
	out = out[:min(len(out), maxDevices)]
	slices.SortStableFunc(out, func(a, b Incident) int { return cmp.Compare(a.From, b.From) })
	return out
}
