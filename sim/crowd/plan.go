package crowd

import (
	"cmp"
	"slices"

	"github.com/causeway-im/causeway/sim/trace"
)

// plan is everything that is decided before a run begins: who is what, who says
// something when, and who is away when. All of it follows from the Scenario.
type plan struct {
	kinds    []Kind
	speakers []bool // of a trace
	sends    []send
	members  []schedule
	end      int64 // of the run, in milliseconds
	quiet    int64 // when the last message and the last fault are over
	lastSend int64
}

// send is one message that a member is going to write.
type send struct {
	at      int64
	member  int
	content int    // bytes
	text    string // of a trace
	want    wantKind
}

type wantKind uint8

const (
	wantOne wantKind = iota
	wantVerdict
	wantEveryone
)

// schedule is what is planned for one member.
type schedule struct {
	absent  spans // it is offline and knows it, or not there at all
	outage  spans // it is cut off and does not know it
	begins  int64 // before, it does not exist
	actions []action
}

type actionKind uint8

// At the same moment actions happen in this order.
const (
	actJoin actionKind = iota
	actOffline
	actOnline
	actRestart
	actSend
)

type action struct {
	at   int64
	kind actionKind
	send int // index of plan.sends
}

func newPlan(sc *Scenario) *plan {
	p := &plan{members: make([]schedule, sc.Members)}
	p.speakers = make([]bool, sc.Members)
	joins := make([][]int64, sc.Members)
	away := make([][]span, sc.Members)
	p.end = (sc.last() + sc.Tail).Milliseconds()
	if sc.Load.Trace != nil {
		p.playTrace(sc, joins, away)
	}
	p.assign(sc)
	cut := make([][]span, sc.Members)
	restarts := make([][]int64, sc.Members)
	p.faults(sc, away, cut, restarts)
	for i := range p.members {
		s := &p.members[i]
		s.absent, s.outage = union(away[i]), union(cut[i])
		for _, at := range joins[i] {
			s.actions = append(s.actions, action{at: at, kind: actJoin})
		}
		for _, at := range restarts[i] {
			s.actions = append(s.actions, action{at: at, kind: actRestart})
		}
		for _, a := range s.absent {
			s.actions = append(s.actions, action{at: a.from, kind: actOffline}, action{at: a.to, kind: actOnline})
		}
	}
	if sc.Load.Trace == nil {
		p.poisson(sc)
	}
	p.finish(sc)
	return p
}

// finish sorts what was planned.
func (p *plan) finish(sc *Scenario) {
	slices.SortStableFunc(p.sends, func(a, b send) int { return cmp.Compare(a.at, b.at) })
	for i := range p.sends {
		s := &p.sends[i]
		m := &p.members[s.member]
		m.actions = append(m.actions, action{at: s.at, kind: actSend, send: i})
		s.want = wantOf(sc, i)
		p.lastSend = max(p.lastSend, s.at)
	}
	for i := range p.members {
		slices.SortStableFunc(p.members[i].actions, func(a, b action) int {
			return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.kind, b.kind))
		})
	}
	p.quiet = p.lastSend
	for _, f := range sc.Faults {
		p.quiet = max(p.quiet, f.Until.Milliseconds())
	}
}

func wantOf(sc *Scenario, message int) wantKind {
	switch u := unit(hash(sc.Seed, forWant, uint64(message))); {
	case u < sc.Load.Asked:
		return wantVerdict
	case u < sc.Load.Asked+sc.Load.Everyone:
		return wantEveryone
	}
	return wantOne
}

// assign gives every member a kind. Who speaks in a trace is hostile last.
func (p *plan) assign(sc *Scenario) {
	base := Ours
	if sc.Policy == ClassicPolicy {
		base = Classic
	}
	order := shuffled(sc.Members, sc.Seed, forKind)
	c := sc.counts()
	p.kinds = make([]Kind, sc.Members)
	for i := range p.kinds {
		p.kinds[i] = base
	}
	take := func(n int, k Kind) {
		for _, i := range order[:n] {
			p.kinds[i] = k
		}
		order = order[n:]
	}
	take(c.stewards, Steward)
	silent := func(i int) int {
		if p.speakers[i] {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(order, func(a, b int) int { return silent(a) - silent(b) })
	take(c.hostile, Hostile)
	take(c.classic, Classic)
	take(c.light, Light)
}

func shuffled(n int, seed uint64, what uint64) []int {
	order := make([]int, n)
	draws := newStream(seed, what, 0)
	for i := range order {
		j := draws.below(i + 1)
		order[i], order[j] = order[j], i
	}
	return order
}

// faults plans when members are away, cut off and restarted.
func (p *plan) faults(sc *Scenario, away, cut [][]span, restarts [][]int64) {
	for n := range sc.Faults {
		f := &sc.Faults[n]
		s := f.span(p.end)
		for _, i := range p.affected(sc, n) {
			switch f.Kind {
			case FaultOffline:
				away[i] = append(away[i], s)
			case FaultCut:
				cut[i] = append(cut[i], s)
			case FaultRestart:
				restarts[i] = append(restarts[i], s.from)
			}
		}
	}
	if sc.Churn.Share == 0 {
		return
	}
	until := sc.last().Milliseconds()
	for _, i := range p.chosen(sc, sc.Churn.Share, forChurn) {
		list := sc.Churn.spans(sc.Seed, i, until)
		if sc.Churn.Unaware {
			cut[i] = append(cut[i], list...)
		} else {
			away[i] = append(away[i], list...)
		}
	}
}

// affected lists the members that a fault concerns.
func (p *plan) affected(sc *Scenario, n int) []int {
	f := &sc.Faults[n]
	if f.Share == 0 && len(f.Members) > 0 {
		return p.existing(f.Members)
	}
	share := f.Share
	if share == 0 {
		share = 1
	}
	list := append(p.chosen(sc, share, hash(forFault, uint64(n), 0)), p.existing(f.Members)...)
	slices.Sort(list)
	return slices.Compact(list)
}

func (p *plan) existing(members []int) []int {
	return slices.DeleteFunc(slices.Clone(members), func(i int) bool { return i >= len(p.members) })
}

// chosen draws a share of the members that are not stewards.
func (p *plan) chosen(sc *Scenario, share float64, what uint64) []int {
	order := slices.DeleteFunc(shuffled(sc.Members, sc.Seed, what), func(i int) bool { return p.kinds[i] == Steward })
	list := order[:min(int(share*float64(sc.Members)+0.5), len(order))]
	slices.Sort(list)
	return list
}

// poisson plans messages at random.
func (p *plan) poisson(sc *Scenario) {
	l := &sc.Load
	draws := newStream(sc.Seed, forLoad, 0)
	mean := 1000 * float64(l.BurstSize) / l.Rate
	spread := ms(l.BurstSpread)
	var senders []int
	for _, i := range shuffled(sc.Members, sc.Seed, forSender) {
		if p.kinds[i].honest() && (l.Senders == 0 || len(senders) < l.Senders) {
			senders = append(senders, i)
		}
	}
	for t := draws.exponential(mean); t < ms(l.Duration); t += draws.exponential(mean) {
		for range l.BurstSize {
			at := int64(t + draws.float()*spread)
			p.sends = append(p.sends, send{at: at, member: p.present(senders, at, draws), content: l.Content})
		}
	}
}

// present draws a sender who is online at that time, if there is one.
func (p *plan) present(senders []int, at int64, draws *stream) int {
	i := senders[draws.below(len(senders))]
	for range 64 {
		if s := &p.members[i]; !s.absent.has(at) && !s.outage.has(at) {
			break
		}
		i = senders[draws.below(len(senders))]
	}
	return i
}

// playTrace plans what a trace tells. Its members are numbered in the order of
// their indexes.
func (p *plan) playTrace(sc *Scenario, joins [][]int64, away [][]span) {
	index := map[int]int{}
	for _, e := range sc.Load.Trace.Events {
		index[e.Member] = 0
	}
	known := make([]int, 0, len(index))
	for member := range index {
		known = append(known, member)
	}
	slices.Sort(known)
	for i, member := range known {
		index[member] = i
	}
	left := make([]int64, len(known)) // since when a member is away
	for i := range left {
		left[i] = -1
	}
	seen := make([]bool, len(known))
	back := func(i int, at int64) {
		if left[i] >= 0 {
			away[i] = append(away[i], span{left[i], at})
			left[i] = -1
		}
	}
	for _, e := range sc.Load.Trace.Events {
		i, at := index[e.Member], e.At.Milliseconds()
		switch e.Kind {
		case trace.Join:
			if !seen[i] {
				left[i], p.members[i].begins = 0, at
			}
			back(i, at)
			joins[i] = append(joins[i], at)
		case trace.Leave:
			if left[i] < 0 {
				left[i] = at
			}
		case trace.Message:
			back(i, at)
			p.speakers[i] = true
			p.sends = append(p.sends, send{at: at, member: i, content: len(e.Text), text: e.Text})
		}
		seen[i] = true
	}
	for i := range left {
		back(i, p.end)
	}
}

// minContent is the least size of a message: room for what makes each different.
const minContent = 12

// contentOf returns what a message says. Unless its text was recorded, it differs
// from all others as far as there is room: where ids are hashes of texts, what was
// said before is no message.
func (p *plan) contentOf(n int) []byte {
	s := &p.sends[n]
	filler := trace.Filler(s.content)
	if s.text != "" && s.text != filler {
		return []byte(s.text)
	}
	text := []byte(filler)
	const digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
	for i := 0; i < min(minContent, len(text)); i++ {
		text[i] = digits[n%len(digits)]
		n /= len(digits)
	}
	return text
}
