package estimate

import (
	"slices"

	"github.com/causeway-im/causeway/telemetry/report"
)

// group gathers the cells of one group, cluster by cluster.
type group struct {
	Tally
	members, senders clusters
}

// clusters are sums of the cells of each cluster. Clusters have small numbers.
type clusters struct {
	index []int32 // number → place in sums + 1
	sums  []sums
}

// sums are the cells of one cluster: all, delivered and censored, as they are and
// weighted.
type sums struct{ covered, everyone [measures][3]float64 }

func (k *clusters) of(number int32) *sums {
	if int(number) >= len(k.index) {
		k.index = append(k.index, make([]int32, int(number)+1-len(k.index))...)
	}
	i := k.index[number]
	if i == 0 {
		k.sums = append(k.sums, sums{})
		i = int32(len(k.sums))
		k.index[number] = i
	}
	return &k.sums[i-1]
}

func (s *sums) add(c *counts, weight float64) {
	for i := range c {
		o := &c[i]
		v := [3]float64{float64(o[Delivered] + o[Lost] + o[Censored] + o[Undecodable]), float64(o[Delivered]), float64(o[Censored])}
		for k, x := range v {
			s.covered[i][k] += x
			s.everyone[i][k] += x * weight
		}
	}
}

// counts are cells by measure and outcome.
type counts [measures][outcomes]uint32

// counter runs over the cells of a world.
type counter struct {
	w        *world
	groups   map[Group]*group
	clusters map[cluster]int32
	reach    map[channelHour][]receivers
}

type cluster struct {
	sender int32
	hour   int64
}

// block is the cells of one member in one hour, with one protocol between author and
// member, while the member's device stays as it is: they are in the same groups.
type block struct {
	protocol string
	profile  *report.Device
	groups   []*group
	weight   weight
	counts   counts
	hidden   [measures]uint32
	causes   Causes
	happened []int32 // cells of Histogram
	censored []int32
	senders  []senderCounts
}

type senderCounts struct {
	cluster int32
	counts  counts
}

func newCounter(w *world) *counter {
	return &counter{w: w, groups: map[Group]*group{}, clusters: map[cluster]int32{}, reach: map[channelHour][]receivers{}}
}

func (k *counter) group(g Group) *group {
	t := k.groups[g]
	if t == nil {
		t = &group{Tally: Tally{Group: g}}
		k.groups[g] = t
	}
	return t
}

func (k *counter) all(lists ...[]Group) []*group {
	var out []*group
	for _, list := range lists {
		for _, g := range list {
			out = append(out, k.group(g))
		}
	}
	return out
}

// channel counts the cells of a channel.
func (k *counter) channel(c *channel) {
	var blocks []*block
	var person *person
	at := int64(-1)
	flush := func() {
		for _, b := range blocks {
			k.flush(person, b)
		}
		blocks = blocks[:0]
	}
	k.w.cells(c, func(x *cell) {
		k.w.each(x)
		if h := x.message.at / hour; person != x.person || at != h {
			flush()
			person, at = x.person, h
		}
		from, to := x.message.sender.deviceAt(x.message.at), x.person.deviceAt(x.message.at)
		profile := to.profileAt(x.message.at)
		protocol := pairProtocol(from.profileAt(x.message.at), profile)
		i := slices.IndexFunc(blocks, func(b *block) bool { return b.profile == profile && b.protocol == protocol })
		if i < 0 {
			i = len(blocks)
			blocks = append(blocks, &block{protocol: protocol, profile: profile, weight: k.w.weight(c, x.message.at, to),
				groups: k.all(c.messageGroups(x.message.at), deviceGroups(profile), []Group{{ByProtocol, protocol}})})
		}
		k.cell(blocks[i], x)
	})
	flush()
}

// cell counts one cell in its block.
func (k *counter) cell(b *block, x *cell) {
	key := cluster{x.message.sender.number, x.message.at / hour}
	number, ok := k.clusters[key]
	if !ok {
		number = int32(len(k.clusters))
		k.clusters[key] = number
	}
	i := slices.IndexFunc(b.senders, func(s senderCounts) bool { return s.cluster == number })
	if i < 0 {
		i = len(b.senders)
		b.senders = append(b.senders, senderCounts{cluster: number})
	}
	for m, o := range x.outcomes {
		b.counts[m][o]++
		b.senders[i].counts[m][o]++
	}
	if x.outcomes[Within24h] == Censored || x.outcomes[Within10s] == Censored {
		b.hide(x)
	}
	b.causes.cell(x)
	switch {
	case x.wrong > doubtful.Milliseconds():
	case x.latency >= 0:
		b.happened = append(b.happened, int32(cellOf(x.latency)))
	default:
		b.censored = append(b.censored, int32(cellBefore(x.reach-x.message.at)))
	}
}

// cell counts why a cell ended as it did.
func (k *Causes) cell(x *cell) {
	if x.cause != unknownCause {
		*k.at(x.cause)++
	}
	if !x.message.left {
		return
	}
	inTime := x.path == live && x.outcomes[Within60s] == Delivered
	if o := x.outcomes[Online60s]; o != NotCounted && o != Censored {
		k.Present++
		if inTime {
			k.LiveInTime++
		}
	}
	if o := x.outcomes[Within24h]; !inTime && o != Censored {
		k.Late++
		if o == Delivered {
			k.Recovered++
		}
	}
}

// hide notes the outcomes that are unknown because a device is silent and said no
// goodbye: that may well have to do with what would have happened.
func (b *block) hide(x *cell) {
	if !slices.ContainsFunc(x.person.devices, func(d *device) bool { return d.silent.has(x.reach) }) {
		return
	}
	for m, o := range x.outcomes {
		if o == Censored {
			b.hidden[m]++
		}
	}
}

// flush adds a block to its groups.
func (k *counter) flush(p *person, b *block) {
	weight := b.weight.both()
	for _, g := range b.groups {
		for m := range b.counts {
			g.Hidden[m] += float64(b.hidden[m])
			g.count(Measure(m), &b.counts[m], weight)
		}
		g.members.of(p.number).add(&b.counts, weight)
		for i := range b.senders {
			g.senders.of(b.senders[i].cluster).add(&b.senders[i].counts, weight)
		}
		g.Causes.merge(&b.causes)
		g.weigh(&b.counts[Within10s], b.weight)
		for _, cell := range b.happened {
			g.Covered.Latency.add(&g.Covered.Latency.Happened, int(cell), 1)
			g.Everyone.Latency.add(&g.Everyone.Latency.Happened, int(cell), weight)
		}
		for _, cell := range b.censored {
			g.Covered.Latency.add(&g.Covered.Latency.Censored, int(cell), 1)
			g.Everyone.Latency.add(&g.Everyone.Latency.Censored, int(cell), weight)
		}
	}
}

// weigh notes whom the cells stand for. Every cell is in the first measure.
func (g *group) weigh(c *[outcomes]uint32, w weight) {
	n := 0.0
	for _, k := range c[Delivered:] {
		n += float64(k)
	}
	g.Members += n * w.members
	g.Messages += n * w.messages
}

// count adds cells that are alike.
func (g *group) count(m Measure, c *[outcomes]uint32, weight float64) {
	for o := Delivered; o <= Undecodable; o++ {
		n := float64(c[o])
		if n == 0 {
			continue
		}
		d, cens := 0.0, 0.0
		switch o {
		case Delivered:
			d = 1
		case Censored:
			cens = 1
		}
		g.Covered.Counts[m].add(o, n)
		g.Everyone.Counts[m].add(o, n*weight)
		g.Covered.ByCell[m].alike(n, 1, d, cens)
		g.Everyone.ByCell[m].alike(n, weight, d*weight, cens*weight)
	}
}

// finish closes all groups.
func (k *counter) finish() Tallies {
	out := make(Tallies, 0, len(k.groups))
	for _, g := range k.groups {
		g.close(&g.members, func(r *Row) *[measures]Clusters { return &r.ByMember })
		g.close(&g.senders, func(r *Row) *[measures]Clusters { return &r.BySender })
		out = append(out, &g.Tally)
	}
	slices.SortFunc(out, func(a, b *Tally) int { return compareGroups(a.Group, b.Group) })
	return out
}

func (g *group) close(from *clusters, to func(*Row) *[measures]Clusters) {
	for i := range from.sums {
		s := &from.sums[i]
		for m := range measures {
			to(&g.Covered)[m].add(s.covered[m][0], s.covered[m][1], s.covered[m][2])
			to(&g.Everyone)[m].add(s.everyone[m][0], s.everyone[m][1], s.everyone[m][2])
		}
	}
}
