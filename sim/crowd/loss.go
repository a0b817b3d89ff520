package crowd

// network is Network prepared for asking it what becomes of a packet.
type network struct {
	Network
	seed     uint64
	longest  int64
	branch   []uint32 // of each member
	service  []int32  // of each light member, -1 for others
	losses   []phase
	cuts     []cutting
	branches bool
}

// phase is a FaultLoss, cutting a FaultPartition.
type phase struct {
	span
	loss, branchLoss float64
}

type cutting struct {
	span
	side []uint32
}

func (n *network) init(sc *Scenario, p *plan) {
	n.Network, n.seed, n.longest = sc.Network, sc.Seed, sc.Network.longest()
	n.branches = n.Branches.Loss > 0
	for i, f := range sc.Faults {
		switch f.Kind {
		case FaultLoss:
			n.losses = append(n.losses, phase{f.span(p.end), f.Loss, f.BranchLoss})
			n.branches = n.branches || f.BranchLoss > 0
		case FaultPartition:
			n.cuts = append(n.cuts, cutting{f.span(p.end), sidesOf(sc, i)})
		}
	}
	n.service = make([]int32, sc.Members)
	n.branch = make([]uint32, sc.Members)
	for i := range n.service {
		n.branch[i] = uint32(hash(sc.Seed, forBranch, uint64(i)) % uint64(n.Branches.Count))
		n.service[i] = -1
		if p.kinds[i] == Light {
			n.service[i] = int32(hash(sc.Seed, forService, uint64(i)) % uint64(n.Service.Count))
		}
	}
}

// sidesOf deals the members to the sides of a partition, as evenly as it goes.
func sidesOf(sc *Scenario, fault int) []uint32 {
	sides := sc.Faults[fault].Sides
	if sides == 0 {
		sides = 2
	}
	side := make([]uint32, sc.Members)
	for n, i := range shuffled(sc.Members, sc.Seed, hash(forFault, uint64(fault), 1)) {
		side[i] = uint32(n % sides)
	}
	return side
}

// crossing is what all receivers of one broadcast have in common.
type crossing struct {
	net   *network
	f     *flight
	seed  uint64
	delay delays
	loss  float64 // of everything that is independent
	cut   []*cutting
	// branchLoss is the loss of branches at that time.
	branchLoss float64
}

func (n *network) crossing(f *flight) crossing {
	c := crossing{net: n, f: f, seed: hash(n.seed, forNetwork, f.number), delay: n.Delay.of(len(f.Bytes))}
	kept, branchKept := 1-n.Loss, 1-n.Branches.Loss
	for i := range n.losses {
		if p := &n.losses[i]; p.has(f.sent) {
			kept *= 1 - p.loss
			branchKept *= 1 - p.branchLoss
		}
	}
	c.loss, c.branchLoss = 1-kept, 1-branchKept
	for i := range n.cuts {
		if n.cuts[i].has(f.sent) {
			c.cut = append(c.cut, &n.cuts[i])
		}
	}
	return c
}

// lose tells whether m loses it.
func (c *crossing) lose(m *member, draw uint64) bool {
	n := c.net
	if unit(draw) < c.loss {
		return true
	}
	if n.Bursts.Bad > 0 && m.burst.loses(&n.Bursts, n.seed, m.index, c.f.sent, unit(mix(draw+1))) {
		return true
	}
	if c.branchLoss > 0 && unit(hash(c.seed, forBranchLoss, uint64(n.branch[m.index]))) < c.branchLoss {
		return true
	}
	for _, from := range [2]int32{n.service[m.index], n.service[c.f.from]} {
		if from >= 0 && n.Service.Loss > 0 && unit(hash(c.seed, forServiceLoss, uint64(from))) < n.Service.Loss {
			return true
		}
	}
	for _, cut := range c.cut {
		if cut.side[m.index] != cut.side[c.f.from] {
			return true
		}
	}
	return false
}

// flight draws how long a copy takes to m.
func (c *crossing) time(m *member, draw uint64) int64 {
	n := c.net
	t := c.delay.min + c.delay.spread*unit(mix(draw+2))
	if n.Reorder > 0 && unit(mix(draw+3)) < n.Reorder {
		t += ms(n.ReorderBy) * unit(mix(draw+4))
	}
	if n.service[m.index] >= 0 {
		t += ms(n.Service.Delay) * unit(mix(draw+5))
	}
	if n.service[c.f.from] >= 0 {
		t += ms(n.Service.Delay) * unit(hash(c.seed, forService, 0))
	}
	return max(int64(t), 1)
}

// distribute decides when new broadcasts reach the members of the shard.
func (sh *shard) distribute(fresh []*flight) {
	e := sh.e
	for _, f := range fresh {
		c := e.net.crossing(f)
		for i := sh.first; i < sh.last; i++ {
			f.due[i] = 0
			if i == f.from {
				continue
			}
			m := &e.members[i]
			draw := hash(c.seed, 0, uint64(i))
			time := c.time(m, draw)
			if c.lose(m, draw) || m.schedule.outage.has(f.sent+time) {
				sh.copies.Lost++
				sh.lost(m, f, time)
				continue
			}
			f.due[i] = uint32(time)
			if f.sent+time >= e.plan.end {
				sh.copies.Underway++
			}
			if n := e.net.Duplicate; n > 0 && unit(mix(draw+6)) < n {
				m.late = append(m.late, arrival{f.sent + c.time(m, mix(draw+7)), f, true})
			}
		}
	}
}
