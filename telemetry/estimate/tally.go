package estimate

import (
	"cmp"
	"maps"
	"slices"
)

// Count is how many cells of a measure ended how. Those of everyone are weighted.
type Count struct {
	Delivered   float64 `json:"delivered"`
	Lost        float64 `json:"lost"`
	Censored    float64 `json:"censored"`
	Undecodable float64 `json:"undecodable"`
}

// All is the number of cells.
func (c Count) All() float64 { return c.Delivered + c.Lost + c.Censored + c.Undecodable }

func (c *Count) add(o Outcome, n float64) {
	switch o {
	case Delivered:
		c.Delivered += n
	case Lost:
		c.Lost += n
	case Censored:
		c.Censored += n
	case Undecodable:
		c.Undecodable += n
	}
}

func (c *Count) merge(o Count) {
	c.Delivered += o.Delivered
	c.Lost += o.Lost
	c.Censored += o.Censored
	c.Undecodable += o.Undecodable
}

// Clusters is what is needed of clusters of cells to know how uncertain a share is:
// with n cells of a cluster, d delivered and c censored, the sums of the products
// over the clusters. They add up, if no cluster is in two parts.
type Clusters struct {
	Number float64 `json:"number"`
	NN     float64 `json:"nn"`
	ND     float64 `json:"nd"`
	NC     float64 `json:"nc"`
	DD     float64 `json:"dd"`
	DC     float64 `json:"dc"`
	CC     float64 `json:"cc"`
}

func (k *Clusters) add(n, d, c float64) {
	if n == 0 {
		return
	}
	k.Number++
	k.NN += n * n
	k.ND += n * d
	k.NC += n * c
	k.DD += d * d
	k.DC += d * c
	k.CC += c * c
}

// alike adds so many clusters that are all the same.
func (k *Clusters) alike(many, n, d, c float64) {
	k.Number += many
	k.NN += many * n * n
	k.ND += many * n * d
	k.NC += many * n * c
	k.DD += many * d * d
	k.DC += many * d * c
	k.CC += many * c * c
}

func (k *Clusters) merge(o Clusters) {
	k.Number += o.Number
	k.NN += o.NN
	k.ND += o.ND
	k.NC += o.NC
	k.DD += o.DD
	k.DC += o.DC
	k.CC += o.CC
}

// square is the sum over the clusters of (αn + βd + γc)².
func (k *Clusters) square(alpha, beta, gamma float64) float64 {
	return alpha*alpha*k.NN + beta*beta*k.DD + gamma*gamma*k.CC +
		2*(alpha*beta*k.ND+alpha*gamma*k.NC+beta*gamma*k.DC)
}

// Moments are the mean and the variance of a number that is not known.
type Moments struct {
	Mean     float64 `json:"mean"`
	Variance float64 `json:"variance"`
}

func (m *Moments) merge(o Moments) { m.Mean += o.Mean; m.Variance += o.Variance }

// Row is the cells of a group, as one kind of truth.
type Row struct {
	Counts   [measures]Count    `json:"counts"`
	ByMember [measures]Clusters `json:"byMember"`
	BySender [measures]Clusters `json:"bySender"` // author and hour
	ByCell   [measures]Clusters `json:"byCell"`
	// Latency are the times until receipt, those of unreliable clocks left out.
	Latency Histogram `json:"latency"`
	// Silent are the cells of messages that were possibly composed in silence.
	Silent Moments `json:"silent"`
}

func (r *Row) merge(o *Row) {
	for i := range measures {
		r.Counts[i].merge(o.Counts[i])
		r.ByMember[i].merge(o.ByMember[i])
		r.BySender[i].merge(o.BySender[i])
		r.ByCell[i].merge(o.ByCell[i])
	}
	r.Latency.merge(&o.Latency)
	r.Silent.merge(o.Silent)
}

// Funnel follows messages of reporters from their authors on.
type Funnel struct {
	Composed  float64 `json:"composed"`
	Attempted float64 `json:"attempted"`
	Handed    float64 `json:"handed"`
	// Left are those with a proof of leaving: a store has it, or an acknowledgement
	// or any other member's receipt.
	Left    float64 `json:"left"`
	Unsent  float64 `json:"unsent"` // known never to have been handed over, in the 24 hours
	Stored  float64 `json:"stored"`
	Refused float64 `json:"notStored"` // a store said no
	Acked   float64 `json:"acked"`
	GaveUp  float64 `json:"gaveUp"`
	Resent  float64 `json:"resent"` // how often
	// Silent are messages that were possibly composed in silence.
	Silent Moments `json:"silent"`
}

func (f *Funnel) merge(o *Funnel) {
	for _, p := range []struct {
		to   *float64
		from float64
	}{{&f.Composed, o.Composed}, {&f.Attempted, o.Attempted}, {&f.Handed, o.Handed}, {&f.Left, o.Left},
		{&f.Unsent, o.Unsent}, {&f.Stored, o.Stored}, {&f.Refused, o.Refused}, {&f.Acked, o.Acked},
		{&f.GaveUp, o.GaveUp}, {&f.Resent, o.Resent}} {
		*p.to += p.from
	}
	f.Silent.merge(o.Silent)
}

// Causes are why the cells of reporters ended as they did after 24 hours, and the
// factors of the way there.
type Causes struct {
	Live     float64 `json:"live"`     // delivered by relay or filter
	Store    float64 `json:"store"`    // delivered from a store node
	Repair   float64 `json:"repair"`   // delivered by another member
	Somehow  float64 `json:"somehow"`  // delivered by a way that is not known
	Unsent   float64 `json:"unsent"`   // lost: never handed to the network
	Unproven float64 `json:"unproven"` // lost: handed over, without proof that it left
	Offline  float64 `json:"offline"`  // lost: it left, the member was never online
	Network  float64 `json:"network"`  // lost: it left, the member was online
	Unread   float64 `json:"unread"`   // came and could not be read

	// Present are the cells of messages that left, of members who were online for the
	// first minute; LiveInTime those of them that came live within it.
	Present    float64 `json:"present"`
	LiveInTime float64 `json:"liveInTime"`
	// Late are the known cells of messages that left and that were not received live
	// within a minute; Recovered those of them that came within 24 hours.
	Late      float64 `json:"late"`
	Recovered float64 `json:"recovered"`
}

func (k *Causes) at(c cause) *float64 {
	return [causes]*float64{nil, &k.Live, &k.Store, &k.Repair, &k.Somehow, &k.Unsent, &k.Unproven, &k.Offline, &k.Network, &k.Unread}[c]
}

func (k *Causes) merge(o *Causes) {
	for c := unknownCause + 1; c < causes; c++ {
		*k.at(c) += *o.at(c)
	}
	k.Present += o.Present
	k.LiveInTime += o.LiveInTime
	k.Late += o.Late
	k.Recovered += o.Recovered
}

// Tally is everything that is counted of one group. Tallies of the same group from
// different buckets add up with Merge; a member or an author who is in both then
// counts as two clusters.
type Tally struct {
	Group
	// Covered are the cells of reporting authors and members. Everyone are the same
	// cells, weighted to stand for all members.
	Covered  Row `json:"covered"`
	Everyone Row `json:"everyone"`
	// Members and Messages are the weights of the cells, added up: how many members
	// their members stand for, and how many messages their messages.
	Members  float64 `json:"members"`
	Messages float64 `json:"messages"`
	// Hidden are the censored cells of members who are silent without a goodbye, by
	// measure.
	Hidden [measures]float64 `json:"hidden"`

	Funnel Funnel `json:"funnel"`
	Causes Causes `json:"causes"`
	// Ack are the times from composing to the first acknowledgement, Repair from
	// noticing that a message is missing to having it.
	Ack    Histogram `json:"ack"`
	Repair Histogram `json:"repair"`
	// Others are messages of members who do not report. They are in no cell.
	Others float64 `json:"others"`
	// Traffic is bytes by class of packet.
	Traffic map[string]int64 `json:"traffic,omitempty"`
}

// Merge adds another tally of the same group.
func (t *Tally) Merge(o *Tally) {
	t.Covered.merge(&o.Covered)
	t.Everyone.merge(&o.Everyone)
	t.Members += o.Members
	t.Messages += o.Messages
	for i := range t.Hidden {
		t.Hidden[i] += o.Hidden[i]
	}
	t.Funnel.merge(&o.Funnel)
	t.Causes.merge(&o.Causes)
	t.Ack.merge(&o.Ack)
	t.Repair.merge(&o.Repair)
	t.Others += o.Others
	if t.Traffic == nil && len(o.Traffic) > 0 {
		t.Traffic = map[string]int64{}
	}
	for class, n := range o.Traffic {
		t.Traffic[class] += n
	}
}

// Tallies are those of all groups, in order.
type Tallies []*Tally

// Find returns the tally of a group, or nil.
func (l Tallies) Find(g Group) *Tally {
	i, ok := slices.BinarySearchFunc(l, g, func(t *Tally, g Group) int { return compareGroups(t.Group, g) })
	if !ok {
		return nil
	}
	return l[i]
}

// MergeTallies adds up buckets.
func MergeTallies(buckets ...Tallies) Tallies {
	sums := map[Group]*Tally{}
	for _, b := range buckets {
		for _, t := range b {
			if sums[t.Group] == nil {
				sums[t.Group] = &Tally{Group: t.Group}
			}
			sums[t.Group].Merge(t)
		}
	}
	return slices.SortedFunc(maps.Values(sums), func(a, b *Tally) int { return compareGroups(a.Group, b.Group) })
}

func compareGroups(a, b Group) int {
	return cmp.Or(cmp.Compare(a.By, b.By), cmp.Compare(a.Value, b.Value))
}
