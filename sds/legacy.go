package sds

import (
	"slices"
	"time"

	"github.com/causeway-im/causeway/sds/bloom"
	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/wire"
)

// What deployed peers need of us (rule P2).

const (
	// nimFilter is how many received ids a nim filter covers, and its error rate.
	nimFilterIDs, nimFilterRate = 256, 1e-4
	// jsFilterMax and jsFilterKeep: a full-size filter is made again from the
	// newest ids before false positives take over.
	jsFilterMax, jsFilterKeep = 12_000, 8_000
	// nimAnswer is how long a nim peer may take for an answer, with its sweep.
	// nimPatience is how many requests are made at our own pace, for ours to answer.
	nimAnswer, nimPatience = 310 * time.Second, 2
	// nimNewest: nim peers can't fetch older messages than these.
	nimNewest = 500
)

// legacy is the state of a channel that emits a legacy dialect.
type legacy struct {
	unnamed  []*node       // others' messages that nobody may have named yet
	received []MessageID   // newest last
	filter   *bloom.Filter // of JS
	filtered int
	newest   *bloom.Sliding // of nim, over the newest of received
	lastAck  Time
	nimHeard Time // when a nim message without our extension came
}

// nimPeers tells whether deployed nim peers are about. Each request for a message
// makes them plan their answer anew, up to nimAnswer from then: who asks too often
// never hears it.
func (c *Channel) nimPeers() bool {
	return c.cfg.Dialect == Nim && c.old.nimHeard != 0 && c.now.Sub(c.old.nimHeard) < 24*time.Hour
}

// causalHistory is what the next message names, oldest first, and whether these
// are all heads. If there are too many, content names the oldest, so that they
// become fewer, and a sync the newest, which others may not have heard of.
func (c *Channel) causalHistory(sync bool) ([]HistoryEntry, bool) {
	slices.SortFunc(c.heads, func(a, b *node) int { return a.place().Compare(b.place()) })
	nodes, limit := c.heads, c.cfg.MaxParents
	if c.cfg.Dialect != LIP || len(nodes) > limit {
		nodes = slices.Clone(nodes)
	}
	if c.cfg.Dialect == Nim {
		nodes = slices.DeleteFunc(nodes, c.tooOldForNim)
	}
	complete := len(nodes) == len(c.heads)
	if len(nodes) > limit {
		complete = false
		if sync {
			nodes = nodes[len(nodes)-limit:]
		} else {
			nodes = keepChain(nodes, limit)
		}
	}
	if c.cfg.Dialect != LIP {
		nodes = c.addUnnamed(nodes, limit)
		if c.cfg.FullHistory && len(nodes) < limit {
			nodes = c.addNewest(nodes, limit)
		}
	}
	entries := make([]HistoryEntry, len(nodes))
	for i, n := range nodes {
		entries[i] = HistoryEntry{MessageID: n.id, RetrievalHint: n.hint, SenderID: n.sender}
	}
	return entries, complete
}

// keepChain cuts heads to the oldest, but keeps the one that leads to our own
// last message: own messages are a chain, which cumulative acknowledgement
// rests on.
func keepChain(heads []*node, limit int) []*node {
	chain := 0
	for i, n := range heads {
		if n.reach > heads[chain].reach {
			chain = i
		}
	}
	if chain >= limit {
		heads[limit-1] = heads[chain]
	}
	return heads[:limit]
}

func (c *Channel) tooOldForNim(n *node) bool {
	return uint64(n.position)+nimNewest <= uint64(c.meta.Position)
}

// notNamed remembers a message of others that a legacy history should name.
func (c *Channel) notNamed(n *node) {
	if c.cfg.Dialect == LIP {
		return
	}
	if len(c.old.unnamed) >= maxUnnamed {
		c.old.unnamed = slices.Delete(c.old.unnamed, 0, 1)
	}
	c.old.unnamed = append(c.old.unnamed, n)
}

// addUnnamed adds messages of others that nobody heard has named, as far as
// there is room: deployed senders take only a mention for an acknowledgement.
func (c *Channel) addUnnamed(nodes []*node, limit int) []*node {
	c.old.unnamed = slices.DeleteFunc(c.old.unnamed, func(n *node) bool {
		author := c.peers[n.sender]
		return n.gone || n.named || n.namedIn > 0 && author != nil && author.mentioned >= n.namedIn
	})
	for _, n := range slices.Backward(c.old.unnamed) {
		if len(nodes) >= limit {
			break
		}
		if !n.head && !n.foreign && !(c.cfg.Dialect == Nim && c.tooOldForNim(n)) {
			nodes = append(nodes, n)
		}
	}
	slices.SortFunc(nodes, func(a, b *node) int { return a.place().Compare(b.place()) })
	return nodes
}

// addNewest fills a history up with the newest messages of the log.
func (c *Channel) addNewest(nodes []*node, limit int) []*node {
	nodes = slices.Grow(nodes, limit-len(nodes))
	for _, n := range slices.Backward(c.window.all()) {
		if len(nodes) >= limit {
			break
		}
		if !n.foreign && !slices.Contains(nodes, n) {
			nodes = append(nodes, n)
		}
	}
	slices.SortFunc(nodes, func(a, b *node) int { return a.place().Compare(b.place()) })
	return nodes
}

// received notes an id for filters.
func (c *Channel) received(id MessageID) {
	switch c.cfg.Dialect {
	case LIP:
		return
	case JS:
		if c.old.filter == nil || c.old.filtered >= jsFilterMax {
			c.old.filter, c.old.filtered = newFilter(bloom.JS, bloom.Default()), 0
			for _, old := range c.old.received {
				c.old.filter.Add(string(old))
				c.old.filtered++
			}
		}
		c.old.filter.Add(string(id))
		c.old.filtered++
	case Nim:
		if c.old.newest == nil {
			c.old.newest = newSliding()
		}
		c.old.newest.Add(string(id))
	}
	c.old.received = append(c.old.received, id)
	if keep := c.keptIDs(); len(c.old.received) > 2*keep {
		c.old.received = slices.Clone(c.old.received[len(c.old.received)-keep:])
	}
}

func (c *Channel) keptIDs() int {
	if c.cfg.Dialect == JS {
		return jsFilterKeep
	}
	return nimFilterIDs
}

// attachFilter adds the filter that the dialect calls for. A JS peer loses a
// message with a short filter, so it is the full size or none.
func (c *Channel) attachFilter(m *wire.Message) {
	switch c.cfg.Dialect {
	case JS:
		if c.cfg.AlwaysFilter || c.overflows(m) {
			if c.old.filter == nil {
				c.old.filter = newFilter(bloom.JS, bloom.Default())
			}
			m.BloomFilter = c.old.filter.Append(nil)
		}
	case Nim:
		m.BloomFilter = []byte{}
		if newest := c.newestReceived(); !namesAll(m, newest) {
			m.BloomFilter = c.old.newest.Append(nil)
		}
	}
}

// newFilter makes a filter of parameters that are constants of this package.
func newFilter(k bloom.Kind, p bloom.Params) *bloom.Filter {
	f, err := bloom.New(k, p)
	if err != nil {
		panic("sds: " + err.Error()) // a constant is wrong
	}
	return f
}

func newSliding() *bloom.Sliding {
	s, err := bloom.NewSliding(nimFilterIDs, nimFilterRate)
	if err != nil {
		panic("sds: " + err.Error()) // a constant is wrong
	}
	return s
}

// overflows tells whether there was more to name than the history holds.
func (c *Channel) overflows(m *wire.Message) bool {
	return len(m.CausalHistory) >= c.cfg.MaxParents && len(c.old.unnamed)+len(c.heads) > len(m.CausalHistory)
}

func (c *Channel) newestReceived() []MessageID {
	return c.old.received[max(0, len(c.old.received)-nimFilterIDs):]
}

func namesAll(m *wire.Message, ids []MessageID) bool {
	for _, id := range ids {
		if id != m.MessageID && !slices.ContainsFunc(m.CausalHistory, func(e HistoryEntry) bool { return e.MessageID == id }) {
			return false
		}
	}
	return true
}

// completeJS repeats what a JavaScript peer lacks. It asks for a message once, and
// never again if that request or its answer is lost; but what its filter does not
// have it did not receive. This goes back to a little before the oldest message that
// it names: what is older may be from before it joined.
func (c *Channel) completeJS(m *wire.Message, p *peer) {
	if c.cfg.Dialect != JS || m.Dialect != wire.LIP || p == nil || len(m.BloomFilter) == 0 || len(m.Extension) > 0 {
		return
	}
	oldest := uint64(MaxLamport)
	for i := range m.CausalHistory {
		if n := c.nodes[m.CausalHistory[i].MessageID]; n != nil {
			oldest = min(oldest, n.lamport)
		}
	}
	if oldest == MaxLamport {
		return // it has delivered nothing yet that we know
	}
	f, err := bloom.ParseJS(m.BloomFilter, bloom.Default())
	if err != nil {
		return
	}
	oldest -= min(oldest, c.cfg.Dialect.units(joinOverlap))
	left := MaxCatchUp
	nodes := c.window.all()
	for _, n := range nodes[max(0, len(nodes)-maxPossible):] {
		settled := c.now.Sub(n.copied) >= pace.IgnoreWindow(c.trip) // not just on its way
		if n.lamport > oldest && settled && n.sender != p.id && !n.foreign && !f.Contains(string(n.id)) && left > 0 {
			c.answerNode(n, p)
			left--
		}
	}
}

// scheduleNimAck plans an ack-only message: nim peers take acknowledgements only
// from messages of the log, so there is at most one a minute, and none if others
// named everything meanwhile.
func (c *Channel) scheduleNimAck() {
	if c.v.duty.set() {
		return
	}
	at := max(c.now.Add(dutyPeriod/2), c.old.lastAck.Add(nimAckPeriod))
	c.timers.schedule(&c.v.duty, at.Add(c.suppression()))
}

// nimAck sends an ack-only message, with the repair requests that are due: empty
// content, stored and repairable, because nim peers put it into their history.
func (c *Channel) nimAck() {
	if !c.online || c.old.lastAck != 0 && c.now.Sub(c.old.lastAck) < nimAckPeriod {
		return
	}
	requests := c.dueRequests(MaxRequestIDsLegacy)
	entries, complete := c.causalHistory(false)
	if len(requests) == 0 && (len(entries) == 0 || !c.v.poked && !c.needsVoice()) {
		return
	}
	c.old.lastAck = c.now
	m := wire.Message{Dialect: wire.Nim, SenderID: c.cfg.Participant, ChannelID: c.cfg.Channel,
		Lamport: c.nextLamport(c.now), HasLamport: true, CausalHistory: entries, RepairRequest: requests, Content: []byte{}}
	m.MessageID = newSyncID(m.ChannelID, m.SenderID, m.Lamport, entries)
	ext := c.newExtension(complete)
	m.Extension = ext.Encode()
	c.attachFilter(&m)
	c.spoken(entries, complete)
	c.out.Changes.Messages = append(c.out.Changes.Messages,
		MessageRecord{ID: m.MessageID, State: StateMet, Sender: c.cfg.Participant, Lamport: m.Lamport})
	c.met(m.MessageID, GapRecovered, metInfo{own: true, recorded: true})
	c.send(Packet{Class: ClassAck, ID: m.MessageID, Payload: m.Encode()})
}
