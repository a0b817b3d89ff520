package sds

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/wire"
)

// Channel is one participant in one channel. It is a pure state machine: the
// same state, inputs and seed give the same outputs, byte for byte. It reads no
// clock, does no I/O and starts nothing. It is not safe for concurrent use.
//
// The package documentation shows the loop that drives it.
type Channel struct {
	cfg  Config
	meta Meta

	// The log.
	nodes    map[MessageID]*node // the window
	window   queue
	heads    []*node
	metIDs   metSet
	syncs    metSet      // the last that came
	notForMe []MessageID // the last, to say that our sums lack them
	echoes   metSet      // ephemeral messages of our own

	// The incoming buffer.
	parked        map[MessageID]*parked
	parkedQueue   []*parked
	parkedBytes   int
	far           []*parked // in quarantine
	farLimit      uint64    // what was plausible, and how long the log was, at the last look
	farPosition   Position
	heldBytes     int
	awaited       map[MessageID]*awaited
	skipped       map[MessageID]*awaited // those of awaited that were given up
	awaitedParked int
	skipOrder     []*awaited          // skipped, longest ago first; some are gone
	lost          metSet              // no longer asked for, named by messages of the log
	ready         binaryHeap[*parked] // by place
	releasing     bool
	held          map[MessageID]held  // wait for a lookup
	sought        map[MessageID]*peer // asked for by a peer, wait for a lookup
	doubted       map[MessageID]doubt // wait for a lookup, and are not here
	answers       map[MessageID]*answerTimer
	answered      recentIDs // repairs below the window that went by

	// The outgoing buffer.
	outgoing map[MessageID]*outgoing
	outOrder []*outgoing          // by ordinal, done ones included for a while
	subjects map[string]*outgoing // the last about each
	inflight map[uint64]Packet    // by serial, without payload

	// Others.
	peers     map[ParticipantID]*peer
	recent    []*peer // newest senders first
	peerLimit int
	counted   Time // when those that were heard were counted
	newcomers bool // since then
	lastHeard Time
	persons   persons
	self      int          // our own person
	table     *rosterTable // of cfg.Roster
	audience  *audience
	estimate  pace.GroupSize
	trip      time.Duration // the group's round trip
	round     round
	suspects  []*peer // have numbers missing
	lossTimer timer

	// Frontiers.
	walk        uint32
	walkHeap    binaryHeap[*node] // latest place first
	others      []*node
	claimed     []*node // the heads that a frontier names
	prefixes    []prefix
	highestBase uint64
	shortIDs    map[uint64]*node

	v        voicing
	digest   digesting
	reports  reporting
	surveyed map[uint64]*outgoing // with a census, by short id
	presence presence
	old      legacy

	// Time.
	now          Time
	timers       timerHeap
	online       bool
	busy         bool // half of the quota is used
	offlineSince Time
	offlineTotal Time
	joinedAt     Time
	askedAt      Time // when our last request left
	planned      Time // when holes were last found, and what was drawn for them
	planDraw     float64
	rng          uint64

	authenticated bool // the evidence in hand

	out          Ready // collects what is to be done
	taken        Ready // offered by Ready, not confirmed by Advance
	spare        Ready // its memory is used again
	metaChanged  bool
	headsChanged bool
	serial       uint64
}

// New returns a channel without history, online.
func New(cfg Config, now Time) (*Channel, error) {
	return Restore(cfg, State{}, nil, now)
}

// Restore returns a channel as it was when its last Changes were written. An
// empty State is a new channel. content returns the bytes of a message that the
// host has stored under its id, as decoded; it is called for parked messages.
func Restore(cfg Config, s State, content func(MessageID) (wire.Message, error), now Time) (*Channel, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Channel{cfg: cfg, meta: s.Meta, now: now, online: !cfg.StartOffline, offlineSince: now,
		nodes: map[MessageID]*node{}, parked: map[MessageID]*parked{},
		awaited: map[MessageID]*awaited{}, skipped: map[MessageID]*awaited{},
		held: map[MessageID]held{}, sought: map[MessageID]*peer{}, doubted: map[MessageID]doubt{}, answers: map[MessageID]*answerTimer{},
		outgoing: map[MessageID]*outgoing{}, inflight: map[uint64]Packet{}, peers: map[ParticipantID]*peer{}, peerLimit: maxIdlePeers}
	c.rng = seed(cfg, s.Meta)
	c.ready.less = func(a, b *parked) bool {
		return Place{a.lamport, a.id}.Compare(Place{b.lamport, b.id}) < 0
	}
	c.walkHeap.less = func(a, b *node) bool { return a.place().Compare(b.place()) > 0 }
	c.v.init()
	c.digest.init()
	c.reports.timer.kind = timerReport
	c.lossTimer.kind, c.trip = timerLoss, cfg.RoundTrip
	c.syncs.max = recentSyncs
	c.SetRoster(cfg.Roster)
	if c.meta.Incarnation == 0 {
		c.meta.Incarnation = uint32(c.next()>>32) | 1
		c.metaChanged = true
	}
	if cfg.JoinPoint == 0 {
		c.meta.BaseFixed = true
	}
	if err := c.restore(s, content); err != nil {
		return nil, err
	}
	return c, nil
}

// Ready is what a channel wants done. The host writes Changes in one
// transaction; only then may anything else leave. Then it calls Advance.
type Ready struct {
	Changes    Changes
	Packets    []Packet
	Arrivals   []Arrival
	Deliveries []Delivery
	Receipts   []Receipt
	Gaps       []Gap
	Losses     []Loss
	// Lookups are ids that may be in the log below the window. The host answers
	// each with Found; until then what depends on them waits.
	Lookups []MessageID
}

// Empty tells whether there is nothing to do.
func (r *Ready) Empty() bool {
	return r.Changes.Empty() && len(r.Packets)+len(r.Arrivals)+len(r.Deliveries)+len(r.Receipts)+len(r.Gaps)+len(r.Losses)+len(r.Lookups) == 0
}

// Ready returns what is to be done. Until Advance confirms that it was, every
// call offers the same again, with what came in addition: a failed commit loses
// nothing. The slices of a Ready are valid until the next call of Ready.
func (c *Channel) Ready() Ready {
	if c.metaChanged {
		if c.headsChanged {
			c.meta.Heads = make([]MessageID, len(c.heads))
			for i, n := range c.heads {
				c.meta.Heads[i] = n.id
			}
			c.headsChanged = false
		}
		m := c.meta
		c.out.Changes.Meta = &m
		c.metaChanged = false
	}
	for i := range c.out.Receipts {
		if o := c.outgoing[c.out.Receipts[i].ID]; o != nil {
			o.slot = 0
		}
	}
	if c.taken.Empty() {
		clear(c.spare.Packets[:cap(c.spare.Packets)]) // contents must not live on in it
		clear(c.spare.Arrivals[:cap(c.spare.Arrivals)])
		clear(c.spare.Deliveries[:cap(c.spare.Deliveries)])
		c.taken, c.out, c.spare = c.out, c.spare, Ready{}
	} else {
		c.taken.merge(c.out)
		c.out = Ready{}
	}
	return c.taken
}

// Advance says that everything of the last Ready is done.
func (c *Channel) Advance() {
	c.spare, c.taken = c.taken, Ready{}
	c.spare.reset()
}

func (r *Ready) reset() {
	r.Changes.Meta = nil
	r.Changes.Messages = reuse(r.Changes.Messages)
	r.Changes.Outgoing = reuse(r.Changes.Outgoing)
	r.Changes.Seen = reuse(r.Changes.Seen)
	r.Packets, r.Arrivals, r.Deliveries = reuse(r.Packets), reuse(r.Arrivals), reuse(r.Deliveries)
	r.Receipts, r.Gaps, r.Lookups = reuse(r.Receipts), reuse(r.Gaps), reuse(r.Lookups)
	r.Losses = reuse(r.Losses)
}

// reuse keeps the memory of a slice unless a burst made it large. Its elements
// stay as they are for whoever still reads the last Ready.
func reuse[T any](s []T) []T {
	if cap(s) > 256 {
		return nil
	}
	return s[:0]
}

func (r *Ready) merge(s Ready) {
	if s.Changes.Meta != nil {
		r.Changes.Meta = s.Changes.Meta
	}
	r.Changes.Messages = append(r.Changes.Messages, s.Changes.Messages...)
	r.Changes.Outgoing = append(r.Changes.Outgoing, s.Changes.Outgoing...)
	r.Changes.Seen = append(r.Changes.Seen, s.Changes.Seen...)
	r.Packets = append(r.Packets, s.Packets...)
	r.Arrivals = append(r.Arrivals, s.Arrivals...)
	r.Deliveries = append(r.Deliveries, s.Deliveries...)
	r.Receipts = append(r.Receipts, s.Receipts...)
	r.Gaps = append(r.Gaps, s.Gaps...)
	r.Losses = append(r.Losses, s.Losses...)
	r.Lookups = append(r.Lookups, s.Lookups...)
}

// Tick does what is due at now.
func (c *Channel) Tick(now Time) {
	c.advance(now)
	if !c.online {
		return
	}
	for t := c.timers.due(c.now); t != nil; t = c.timers.due(c.now) {
		c.timers.stop(t)
		c.fire(t)
	}
}

// Deadline returns when Tick has something to do; false if it never will
// without another input.
func (c *Channel) Deadline() (Time, bool) {
	if !c.online || len(c.timers.heap) == 0 {
		return 0, false
	}
	return c.timers.heap[0].at, true
}

func (c *Channel) fire(t *timer) {
	switch t.kind {
	case timerHole:
		if a := c.awaited[t.id]; a != nil {
			c.holeDue(a)
		}
	case timerAnswer:
		if a := c.answers[t.id]; a != nil {
			c.answerDue(a)
		}
	case timerOutgoing:
		if o := c.outgoing[t.id]; o != nil {
			c.outgoingDue(o)
		}
	case timerParked:
		if q := c.parked[t.id]; q != nil {
			c.parkedDue(q)
		}
	case timerQuick:
		c.quickDue()
	case timerDuty:
		c.dutyDue()
	case timerTrickle:
		c.trickleDue()
	case timerAsk:
		c.askDue()
	case timerLoss:
		c.lossDue()
	case timerDigest:
		c.digestDue()
	case timerReport:
		c.reportDue()
	case timerCensus:
		if o := c.outgoing[t.id]; o != nil && o.census != nil {
			c.censusDue(o)
		}
	case timerWant:
		c.wantDue()
	}
}

// advance takes the time of an input. It never runs backwards.
func (c *Channel) advance(now Time) { c.now = max(c.now, min(now, maxTime)) }

// SetOnline says whether the transport can send. While it can't, nothing is
// sent, no timer fires and no patience runs out. Coming back starts all waits
// anew, sends what was written meanwhile, and one sync.
func (c *Channel) SetOnline(now Time, online bool) {
	c.advance(now)
	if online == c.online {
		return
	}
	if !online {
		c.online, c.offlineSince = false, c.now
		return
	}
	c.online = true
	c.offlineTotal += c.now - c.offlineSince
	c.hurry()
	if len(c.heads) > 0 && c.cfg.Dialect != Nim {
		c.v.interval = 0
		c.unsettle()
	}
	if len(c.outgoing) > 0 {
		c.planAsk(askAfter)
	}
	c.emitDrafts()
	c.v.greets = c.cfg.Dialect == LIP
	c.sendSync(ClassSync, nil, nil)
}

// hurry resets the back-off of everything that waits for others.
func (c *Channel) hurry() {
	for _, id := range slices.Sorted(maps.Keys(c.awaited)) {
		if a := c.awaited[id]; !a.looking {
			c.plan(a)
			c.rearm(a)
		}
	}
	for _, o := range c.outOrder {
		if o.done || o.known() || o.draft != nil || o.superseded != "" {
			continue
		}
		o.attempts = 0
		if !o.handed && o.pending == 0 { // it may never have left: in the order in which it was written
			c.timers.schedule(&o.timer, c.now+1)
			continue
		}
		if c.policyNow().Sub(o.started) < c.cfg.UndeliveredAfter {
			c.planResend(o)
		}
	}
}

// Heads returns the ids that the next message will name, oldest first. A host
// that looks up retrieval hints calls SetHint for them before Send.
func (c *Channel) Heads() []HistoryEntry {
	entries, _ := c.causalHistory(false)
	return entries
}

// Meta returns a copy of the channel's small record: clock, sequence, position,
// sum and join point.
func (c *Channel) Meta() Meta { return c.meta }

// Has tells whether the message is in the window of the log.
func (c *Channel) Has(id MessageID) bool { return c.nodes[id] != nil }

// Sizes counts what a channel keeps, for metrics and for the tests of bounds.
type Sizes struct {
	Window, Heads, Parked, ParkedBytes, Awaited, Skipped, Held, Answers, Outgoing, Peers, Met, Lost, Timers int
}

// Sizes returns how much the channel keeps now.
func (c *Channel) Sizes() Sizes {
	return Sizes{len(c.nodes), len(c.heads), len(c.parked), c.parkedBytes, len(c.awaited), len(c.skipped),
		len(c.held), len(c.answers), len(c.outgoing), len(c.peers), len(c.metIDs.index), len(c.lost.index), len(c.timers.heap)}
}

// Missing returns how many messages are known not to be here, and how many of
// them were given up for now. It looks at each.
func (c *Channel) Missing() (missing, skipped int) {
	for id, a := range c.awaited {
		if c.parked[id] == nil {
			missing++
			if a.skipped {
				skipped++
			}
		}
	}
	return missing, skipped
}

// next is splitmix64: small, and the same on every machine.
func (c *Channel) next() uint64 {
	c.rng += 0x9e3779b97f4a7c15
	z := c.rng
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// random returns a number in [0, 1).
func (c *Channel) random() float64 { return math.Ldexp(float64(c.next()>>11), -53) }

// seed mixes what makes this participant's timers its own, also after a restart.
func seed(cfg Config, m Meta) uint64 {
	id := makeID("", "causeway/seed/1", cfg.Channel, cfg.Participant, cfg.Seed, nil,
		fmt.Appendf(nil, "%d/%d", m.Lamport, m.Nonce))
	var s uint64
	for i := 0; i < 16; i++ {
		s = s*31 + uint64(id[i])
	}
	return s
}
