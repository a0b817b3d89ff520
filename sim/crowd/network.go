package crowd

import (
	"time"
)

// Network is what happens to a packet on its way to each receiver. A packet is
// lost if any of the loss models says so; then all its copies to that receiver
// are.
type Network struct {
	// Loss is the share of packets that each receiver loses, independently.
	Loss float64 `yaml:"loss"`
	// Bursts is Gilbert–Elliott loss, per receiver.
	Bursts Bursts `yaml:"bursts"`
	// Branches is loss that is common to a part of the group.
	Branches Branches `yaml:"branches"`
	Delay    Delay    `yaml:"delay"`
	// Duplicate is the share of packets that arrive twice; the second copy has a
	// delay of its own.
	Duplicate float64 `yaml:"duplicate"`
	// Reorder is the share of packets that come up to ReorderBy later. Default 2 s.
	Reorder   float64       `yaml:"reorder"`
	ReorderBy time.Duration `yaml:"reorder_by"`
	// MeshCopies is how many copies of each packet a member is sent by the gossip
	// mesh below. It counts in Bytes.Mesh only. Default 5.4, as Waku nodes of the
	// demo have it.
	MeshCopies float64 `yaml:"mesh_copies"`
	Service    Service `yaml:"service"`
}

// Bursts is the Gilbert–Elliott model in virtual time: a receiver's link is good
// or bad for exponential times with these means. Off unless Bad is set.
type Bursts struct {
	Good time.Duration `yaml:"good"` // mean time in the good state, default 60 s
	Bad  time.Duration `yaml:"bad"`  // mean time in the bad state
	// Loss of packets that arrive in the bad state, default 1, and in the good one.
	Loss     float64 `yaml:"loss"`
	GoodLoss float64 `yaml:"good_loss"`
}

// Share returns the share of packets that the model loses in the long run.
func (b Bursts) Share() float64 {
	if b.Bad <= 0 {
		return 0
	}
	bad := b.Bad.Seconds() / (b.Good + b.Bad).Seconds()
	return bad*b.Loss + (1-bad)*b.GoodLoss
}

// Branches is loss correlated by mesh branch: members belong to Count branches by
// hash, and each broadcast loses each branch as a whole with probability Loss.
type Branches struct {
	Count int     `yaml:"count"` // default 8
	Loss  float64 `yaml:"loss"`
}

// Delay is the time from sender to receiver, drawn for each receiver. By default
// it is even from 260 to 630 ms, which was measured on Waku for messages of 10 kB.
type Delay struct {
	Min time.Duration `yaml:"min"`
	Max time.Duration `yaml:"max"`
	// BySize draws it as measured on Waku for the packet's size instead; see
	// SizeDelays.
	BySize bool `yaml:"by_size"`
}

// Service is what light members have between them and the network: services that
// lose packets for all their clients together, and take time in both directions.
type Service struct {
	Count int           `yaml:"count"` // services, default 4
	Loss  float64       `yaml:"loss"`
	Delay time.Duration `yaml:"delay"` // at most; drawn evenly. Default 200 ms
}

// SizeDelay is a measured delay of packets of a size.
type SizeDelay struct {
	Bytes     int
	Mean, P95 time.Duration
}

// SizeDelays are measured on 1,000 Waku relays with links of 100 ms; the p95 of
// 100 kB was not reported and is in proportion to the one before. A delay is even
// around the mean, so wide that its 95th percentile is the measured one; between
// the sizes of the table both are interpolated.
var SizeDelays = []SizeDelay{
	{2_000, 497 * time.Millisecond, 597 * time.Millisecond},
	{10_000, 508 * time.Millisecond, 627 * time.Millisecond},
	{25_000, 756 * time.Millisecond, 930 * time.Millisecond},
	{100_000, 986 * time.Millisecond, 1213 * time.Millisecond},
}

func (n Network) withDefaults() Network {
	if n.Delay.Min == 0 && n.Delay.Max == 0 {
		n.Delay.Min, n.Delay.Max = 260*time.Millisecond, 630*time.Millisecond
	}
	setDefault(&n.ReorderBy, 2*time.Second)
	setDefault(&n.MeshCopies, 5.4)
	if n.Bursts.Bad > 0 {
		setDefault(&n.Bursts.Good, time.Minute)
		setDefault(&n.Bursts.Loss, 1)
	}
	setDefault(&n.Branches.Count, 8)
	setDefault(&n.Service.Count, 4)
	setDefault(&n.Service.Delay, 200*time.Millisecond)
	return n
}

func (n *Network) limits() []limit {
	return []limit{
		{"network.loss", n.Loss, 0, 0.99, ""},
		share("network.duplicate", n.Duplicate),
		share("network.reorder", n.Reorder),
		seconds("network.reorder_by", n.ReorderBy, 0, maxNetworkTime),
		{"network.mesh_copies", n.MeshCopies, 1, 1000, ""},
		seconds("network.delay.min", n.Delay.Min, time.Millisecond, maxNetworkTime),
		seconds("network.delay.max", n.Delay.Max, n.Delay.Min, maxNetworkTime),
		seconds("network.bursts.good", n.Bursts.Good, 0, 24*time.Hour),
		seconds("network.bursts.bad", n.Bursts.Bad, 0, 24*time.Hour),
		share("network.bursts.loss", n.Bursts.Loss),
		share("network.bursts.good_loss", n.Bursts.GoodLoss),
		{"network.branches.count", float64(n.Branches.Count), 1, maxMembers, ""},
		{"network.branches.loss", n.Branches.Loss, 0, 0.99, ""},
		{"network.service.count", float64(n.Service.Count), 1, maxMembers, ""},
		{"network.service.loss", n.Service.Loss, 0, 0.99, ""},
		seconds("network.service.delay", n.Service.Delay, 0, maxNetworkTime),
	}
}

// delays is how long packets of one size take, in milliseconds.
type delays struct{ min, spread float64 }

// of returns the delays of packets with this many bytes.
func (d *Delay) of(bytes int) delays {
	if !d.BySize {
		return delays{ms(d.Min), ms(d.Max - d.Min)}
	}
	table := SizeDelays
	i := 0
	for i < len(table)-2 && bytes > table[i+1].Bytes {
		i++
	}
	a, b := table[i], table[i+1]
	f := min(max(float64(bytes-a.Bytes)/float64(b.Bytes-a.Bytes), 0), 1)
	mean := ms(a.Mean) + f*ms(b.Mean-a.Mean)
	p95 := ms(a.P95) + f*ms(b.P95-a.P95)
	spread := (p95 - mean) / 0.45
	return delays{mean - spread/2, spread}
}

// shortest is a delay in milliseconds that no packet beats, longest one that none
// exceeds.
func (n *Network) shortest() int64 {
	shortest := ms(n.Delay.Min)
	if n.Delay.BySize {
		shortest = n.Delay.of(0).min
		for _, s := range SizeDelays {
			shortest = min(shortest, n.Delay.of(s.Bytes).min)
		}
	}
	return max(int64(shortest), 1)
}

func (n *Network) longest() int64 {
	longest := ms(n.Delay.Max)
	if n.Delay.BySize {
		for _, s := range SizeDelays {
			d := n.Delay.of(s.Bytes)
			longest = max(longest, d.min+d.spread)
		}
	}
	return int64(longest+ms(n.ReorderBy)+2*ms(n.Service.Delay)) + 1
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// burstState is the state of one receiver's link, worked out as far as it was
// asked for.
type burstState struct {
	draws *stream
	bad   bool
	ends  float64 // of the state, in milliseconds
}

// loses tells whether a packet that arrives at a time is lost. Times must not
// run backwards by more than a packet's flight: the state is that of the latest
// time asked for.
func (s *burstState) loses(b *Bursts, seed uint64, member int, at int64, u float64) bool {
	if s.draws == nil {
		s.draws = newStream(seed, forBurst, uint64(member))
		s.bad = s.draws.float() < b.Bad.Seconds()/(b.Good+b.Bad).Seconds()
		s.ends = s.draws.exponential(ms(s.mean(b)))
	}
	for s.ends <= float64(at) {
		s.bad = !s.bad
		s.ends += s.draws.exponential(ms(s.mean(b)))
	}
	if s.bad {
		return u < b.Loss
	}
	return u < b.GoodLoss
}

func (s *burstState) mean(b *Bursts) time.Duration {
	if s.bad {
		return b.Bad
	}
	return b.Good
}
