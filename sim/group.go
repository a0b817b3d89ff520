package sim

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// Options describe a group and its network.
type Options struct {
	Members int
	Seed    uint64
	// Loss is the probability with which each member loses each thing that it is
	// handed, independently.
	Loss float64
	// Duplicate is the probability that something is handed over twice.
	Duplicate float64
	// MinDelay and MaxDelay bound the time from sender to receiver; it is drawn
	// for each receiver, so messages overtake each other. The default is
	// 260 … 630 ms, which was measured on Waku for 10 kB messages.
	MinDelay, MaxDelay time.Duration
	// Start is the virtual time of the beginning.
	Start sds.Time
	// NoRoster leaves members to find out who is there.
	NoRoster bool
	// Devices is how many members are one person (1 means one each).
	Devices int
	// Authenticated makes members check who sent what they receive.
	Authenticated bool
	// Skew is how far a member's clock is ahead of the virtual time.
	Skew func(member int) time.Duration
	// Config changes the configuration of a member before it starts.
	Config func(member int, cfg *sds.Config)
}

// DefaultStart is when virtual time begins unless Options say otherwise.
const DefaultStart = sds.Time(1_700_000_000_000)

// Group is a set of members and what is under way between them. It is not safe
// for concurrent use.
type Group struct {
	Members []*Member
	Stats   Stats
	Check   *Checker

	opts    Options
	now     sds.Time
	events  eventHeap
	count   uint64
	rng     *rand.Rand
	faults  bool
	roster  *sds.Roster
	model   *Model
	signed  map[string]bool              // packets as their authors made them
	Observe func(m *Member, r sds.Ready) // called after every Ready, if set
}

// Member is one participant and its host.
type Member struct {
	Index   int
	ID      sds.ParticipantID
	Person  sds.PersonID
	Channel *sds.Channel
	// State and Bytes are what the host keeps: they survive a restart.
	State  sds.State
	Bytes  map[sds.MessageID][]byte
	Online bool
	// Log is what was delivered, by position.
	Log []sds.Delivery

	cfg     sds.Config
	wake    sds.Time
	skew    time.Duration
	loss    float64 // of its own, -1 for the group's
	side    int     // of a partition
	stalled bool    // its commits fail
	crash   CrashPoint
	crashed bool                     // in the turn in hand
	pending map[sds.MessageID][]byte // received and not committed yet
}

type event struct {
	at     sds.Time
	order  uint64
	member int
	packet []byte // nil: a wake-up
	from   int
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].order < h[j].order
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*h = old[:len(old)-1]
	return e
}

// ChannelID is the channel that all groups talk in.
const ChannelID = sds.ChannelID("causeway-sim/1/general/channel/0")

// NewGroup makes a group whose members are all online.
func NewGroup(o Options) (*Group, error) {
	if o.Members < 1 || o.Members > 100_000 {
		return nil, fmt.Errorf("sim: Members is %d, must be from 1 to 100,000", o.Members)
	}
	if o.Loss < 0 || o.Loss >= 1 || o.Duplicate < 0 || o.Duplicate > 1 {
		return nil, fmt.Errorf("sim: Loss must be at least 0 and below 1, Duplicate from 0 to 1")
	}
	if o.MinDelay == 0 && o.MaxDelay == 0 {
		o.MinDelay, o.MaxDelay = 260*time.Millisecond, 630*time.Millisecond
	}
	if o.MinDelay < 0 || o.MaxDelay < o.MinDelay {
		return nil, fmt.Errorf("sim: delays must be 0 ≤ MinDelay ≤ MaxDelay")
	}
	if o.Start == 0 {
		o.Start = DefaultStart
	}
	o.Devices = max(o.Devices, 1)
	g := &Group{opts: o, now: o.Start, rng: rand.New(rand.NewPCG(o.Seed, 0x5eed)), faults: true,
		signed: map[string]bool{}}
	g.Stats.init()
	g.Check = newChecker(g)
	g.roster = &sds.Roster{Members: map[sds.ParticipantID]sds.PersonID{}}
	for i := range o.Members {
		m := &Member{Index: i, ID: memberID(i), Person: sds.PersonID(fmt.Sprintf("person-%03d", i/o.Devices)),
			Bytes: map[sds.MessageID][]byte{}, Online: true, loss: -1, pending: map[sds.MessageID][]byte{}}
		g.Members = append(g.Members, m)
		g.roster.Members[m.ID] = m.Person
	}
	for _, m := range g.Members {
		m.cfg = sds.Config{Channel: ChannelID, Participant: m.ID, Seed: o.Seed}
		if !o.NoRoster {
			m.cfg.Roster = g.roster
		}
		if o.Config != nil {
			o.Config(m.Index, &m.cfg)
		}
		if o.Skew != nil {
			m.skew = o.Skew(m.Index)
		}
		var err error
		if m.Channel, err = sds.New(m.cfg, g.clock(m)); err != nil {
			return nil, err
		}
		g.handle(m)
	}
	return g, nil
}

func memberID(i int) sds.ParticipantID {
	return sds.ParticipantID(fmt.Sprintf("member-%013d", i)) // 20 characters
}

// Now returns the virtual time.
func (g *Group) Now() sds.Time { return g.now }

// clock returns what m takes for the time.
func (g *Group) clock(m *Member) sds.Time { return g.now.Add(m.skew) }

// Elapsed returns the virtual time since the beginning.
func (g *Group) Elapsed() time.Duration { return g.now.Sub(g.opts.Start) }

// Send lets a member say something.
func (g *Group) Send(member int, content []byte, o sds.SendOptions) (sds.MessageID, error) {
	m := g.Members[member]
	id, err := m.Channel.Send(g.clock(m), content, o)
	if err == nil && !o.Ephemeral {
		g.Stats.sent(g, m, id, len(content))
	}
	g.handle(m)
	return id, err
}

// SetOnline connects or disconnects a member: disconnected, it neither sends nor
// receives, and knows it.
func (g *Group) SetOnline(member int, online bool) {
	m := g.Members[member]
	m.Online = online
	m.Channel.SetOnline(g.clock(m), online)
	g.handle(m)
}

// SetLoss gives a member a loss of its own, or the group's again when negative.
func (g *Group) SetLoss(member int, loss float64) { g.Members[member].loss = loss }

// StopFaults makes the network perfect from now on, except for its delay.
func (g *Group) StopFaults() { g.faults = false }

// Run advances virtual time to until.
func (g *Group) Run(until sds.Time) {
	for len(g.events) > 0 && g.events[0].at <= until {
		g.step()
	}
	g.now = max(g.now, until)
}

// RunFor advances virtual time by d.
func (g *Group) RunFor(d time.Duration) { g.Run(g.now.Add(d)) }

// RunUntil advances virtual time until done, or by at most d. It tells whether
// done was reached.
func (g *Group) RunUntil(d time.Duration, done func() bool) bool {
	end := g.now.Add(d)
	for !done() {
		if len(g.events) == 0 || g.events[0].at > end {
			g.now = end
			return done()
		}
		g.step()
	}
	return true
}

func (g *Group) step() {
	e := heap.Pop(&g.events).(event)
	g.now = max(g.now, e.at)
	m := g.Members[e.member]
	if e.packet == nil {
		if m.wake == e.at {
			m.wake = 0
			m.Channel.Tick(g.clock(m))
			g.handle(m)
		}
		return
	}
	if m.Online && m.side == g.Members[e.from].side {
		g.deliver(m, e)
	}
}

// deliver hands a packet to a member.
func (g *Group) deliver(m *Member, e event) {
	g.Stats.Handed++
	loss := g.opts.Loss
	if m.loss >= 0 {
		loss = m.loss
	}
	if g.faults && g.rng.Float64() < loss {
		g.Stats.Lost++
		return
	}
	g.Inject(m.Index, e.packet, sds.Origin{Authenticated: g.signed[string(e.packet)]})
}

// Inject gives bytes to a member as if they had come from the network.
func (g *Group) Inject(member int, packet []byte, o sds.Origin) error {
	m := g.Members[member]
	msg, err := wire.Decode(packet)
	if err != nil {
		return err
	}
	if g.model != nil {
		g.model.reaching(m, &msg, o)
	}
	err = m.Channel.Receive(g.clock(m), msg, o)
	if err == nil && msg.Kind() == wire.Content && m.Bytes[msg.MessageID] == nil {
		m.pending[msg.MessageID] = packet
	}
	g.handle(m)
	if g.model != nil && !m.stalled && !m.crashed {
		g.model.reached(m, &msg, err)
	}
	return err
}

// handle is the loop of the package sds: commit, then act.
func (g *Group) handle(m *Member) {
	m.crashed = false
	for {
		r := m.Channel.Ready()
		if r.Empty() || m.stalled {
			break
		}
		if g.crashes(m, BeforeCommit) {
			continue
		}
		m.commit(r)
		m.Channel.Advance()
		g.Check.ready(m, r)
		g.Stats.ready(g, m, r)
		if g.model != nil {
			g.model.committed(m, r)
		}
		if g.crashes(m, AfterCommit) {
			continue
		}
		leave := r.Packets
		if m.crash == Halfway {
			leave = leave[:(len(leave)+1)/2]
		}
		for _, p := range leave {
			g.broadcast(m, p)
			m.Channel.Handed(g.clock(m), p.Serial, nil, nil)
		}
		if g.crashes(m, Halfway) {
			continue
		}
		if len(r.Lookups) > 0 {
			m.Channel.Found(g.clock(m), m.lookUp(r.Lookups))
		}
		if g.Observe != nil {
			g.Observe(m, r)
		}
	}
	g.Check.sizes(m)
	if at, ok := m.Channel.Deadline(); ok && (m.wake == 0 || at.Add(-m.skew) < m.wake) {
		m.wake = max(at.Add(-m.skew), g.now)
		g.push(event{at: m.wake, member: m.Index})
	}
}

func (m *Member) lookUp(ids []sds.MessageID) []sds.Lookup {
	results := make([]sds.Lookup, len(ids))
	for i, id := range ids {
		r, ok := m.State.Messages[id]
		results[i] = sds.Lookup{ID: id, Known: ok && r.State == sds.StateLogged, Sender: r.Sender, Reach: r.Reach}
	}
	return results
}

// broadcast hands a packet to everybody else.
func (g *Group) broadcast(m *Member, p sds.Packet) {
	payload := p.Payload
	if payload == nil {
		payload = m.Bytes[p.ID]
	}
	g.Stats.packet(p.Class, len(payload), payload)
	if g.opts.Authenticated && p.Payload != nil {
		g.signed[string(payload)] = true
	}
	if !m.Online {
		return
	}
	for _, to := range g.Members {
		if to == m {
			continue
		}
		copies := 1
		if g.faults && g.opts.Duplicate > 0 && g.rng.Float64() < g.opts.Duplicate {
			copies = 2
		}
		for range copies {
			spread := g.opts.MaxDelay - g.opts.MinDelay
			delay := g.opts.MinDelay + time.Duration(g.rng.Float64()*float64(spread))
			g.push(event{at: g.now.Add(delay), member: to.Index, packet: payload, from: m.Index})
		}
	}
}

func (g *Group) push(e event) {
	g.count++
	e.order = g.count
	heap.Push(&g.events, e)
}

// Consistent tells whether all members have the same log.
func (g *Group) Consistent() bool {
	first := g.Members[0].LogIDs()
	for _, m := range g.Members[1:] {
		if !slices.Equal(first, m.LogIDs()) {
			return false
		}
	}
	return true
}

// LogIDs returns the ids of a member's log in the order of the log.
func (m *Member) LogIDs() []sds.MessageID {
	log := m.State.Log()
	ids := make([]sds.MessageID, len(log))
	for i, r := range log {
		ids[i] = r.ID
	}
	return ids
}
