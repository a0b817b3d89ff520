package sds

import (
	"slices"
	"time"

	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/wire"
)

// Sync messages: the first acknowledgement after content (rule P7), every
// member's own in a small group (P10), and a Trickle that keeps a quiet channel
// consistent.

// voicing is the state of our own sync messages.
type voicing struct {
	quick, duty, trickle, ask timer

	greets   bool          // an empty log is worth a sync: others say what it lacks
	poked    bool          // a repeated message wants an acknowledgement
	owed     bool          // others' content was delivered since we last spoke
	spoke    Time          // when we last named our heads
	interval time.Duration // of the Trickle
	ends     Time          // of its interval
	fired    bool          // this interval's sync is sent or was not needed
	agreed   int           // how many agreed with us in this interval
	asks     int           // how often we asked
	census   []byte        // goes with the next sync
}

func (v *voicing) init() {
	v.quick.kind, v.duty.kind, v.trickle.kind, v.ask.kind = timerQuick, timerDuty, timerTrickle, timerAsk
}

// voice notes that n is in the log: somebody should tell its sender.
func (c *Channel) voice(n *node) {
	if n.own || n.foreign {
		return
	}
	c.v.owed = true
	c.notNamed(n)
	if c.cfg.Dialect == Nim {
		c.scheduleNimAck()
		return
	}
	if n.head && !n.voiced && !c.v.quick.set() {
		c.endRound()
		c.beginRound()
		c.timers.schedule(&c.v.quick, c.now.Add(c.suppression()))
	}
	if c.groupSize() <= smallGroup && !c.v.duty.set() {
		spread := time.Duration((0.5 + c.random()/2) * float64(dutyPeriod))
		c.timers.schedule(&c.v.duty, c.now.Add(spread))
	}
	c.unsettle()
}

// poke asks for an acknowledgement although nothing is new.
func (c *Channel) poke() {
	c.v.poked = true
	if c.cfg.Dialect == Nim {
		c.scheduleNimAck()
		return
	}
	if !c.v.quick.set() {
		c.timers.schedule(&c.v.quick, c.now.Add(c.suppression()))
	}
}

// suppression draws a delay after which, in the whole group, only few speak.
func (c *Channel) suppression() time.Duration {
	return pace.SuppressionDelay(c.random(), c.groupSize(), c.trip)
}

// quiet stops the quick acknowledgement when others gave it.
func (c *Channel) quiet() {
	if c.v.quick.set() && !c.v.poked && !c.needsVoice() {
		c.timers.stop(&c.v.quick)
	}
}

// needsVoice tells whether there is a message of others that nobody named.
func (c *Channel) needsVoice() bool {
	return slices.ContainsFunc(c.heads, func(n *node) bool { return !n.own && !n.voiced })
}

func (c *Channel) quickDue() {
	if c.v.poked || c.needsVoice() {
		c.sendSync(ClassAck, nil, nil)
	}
}

func (c *Channel) dutyDue() {
	if c.cfg.Dialect == Nim {
		c.nimAck()
	} else if c.v.owed {
		c.sendSync(ClassAck, nil, nil)
	}
}

// spoken notes that a message of ours named these, and whether they are all heads.
func (c *Channel) spoken(entries []HistoryEntry, complete bool) {
	for i := range entries {
		if n := c.nodes[entries[i].MessageID]; n != nil && !n.own {
			n.voiced = true
		}
	}
	if complete {
		c.v.owed, c.v.poked = false, false
		c.v.spoke = c.now
		c.v.agreed++
		c.timers.stop(&c.v.quick)
		c.timers.stop(&c.v.duty)
	}
}

// heed takes what an extension says: what its sender has, and whether it asks.
func (c *Channel) heed(m *wire.Message, p *peer, e *wire.Extension) {
	if e.HasFingerprint {
		c.weigh(p, frontier{m.CausalHistory, e.Fingerprint, e.Base, e.Holes, !c.authenticated})
		c.compare(m, p, e)
	}
	if e.Digest != nil && m.Kind() == wire.Sync {
		c.compareDigest(p, e.Digest)
	}
	if e.Census != nil {
		c.census(p, m, e.Census)
	}
	if e.Want != nil {
		c.wanted(p, e)
	}
	if e.HasAsk && c.mayAsk(p) && (len(e.Ask) == 0 || slices.Contains(e.Ask, ShortParticipant(c.cfg.Channel, c.cfg.Participant))) {
		c.asked(len(e.Ask) > 0, m.Kind() == wire.Content && c.isLate(m))
	}
}

// compare feeds the Trickle: who names the same heads as we do agrees; who
// lacks some of them that are not new needs to hear of them.
func (c *Channel) compare(m *wire.Message, p *peer, e *wire.Extension) {
	if m.Kind() != wire.Sync {
		return
	}
	lacking := 0
	for _, n := range c.heads {
		if !slices.ContainsFunc(m.CausalHistory, func(e HistoryEntry) bool { return e.MessageID == n.id }) {
			lacking++
			if c.now.Sub(n.copied) > 2*c.trip {
				c.unsettle()
				return
			}
		}
	}
	if lacking > 0 || len(m.CausalHistory) != len(c.heads) {
		return
	}
	if c.differs(p, e) {
		c.disagree()
		return
	}
	c.v.agreed++
	c.v.poked = false
	c.quiet()
}

// differs tells whether p, who names the same heads as we do, has other messages
// below them.
func (c *Channel) differs(p *peer, e *wire.Extension) bool {
	sum, ok := c.sumAbove(e.Base)
	if !ok {
		return false // we can't tell
	}
	for _, short := range e.Holes {
		if n := c.byShortID(short); n != nil && !n.foreign && n.lamport > e.Base {
			sum.Sub(n.leaf)
		}
	}
	return sum.Fingerprint(p.id, c.cfg.Channel, e.Base) != e.Fingerprint
}

// disagree acts on a difference: what was given up is asked for once more, as
// somebody may have it, and a digest tells the rest.
func (c *Channel) disagree() {
	if c.now < c.digest.restTo {
		return
	}
	if len(c.notForMe) > 0 {
		return // most likely that is what differs
	}
	if len(c.skipped) == 0 {
		c.unsettle()
		c.seek(0)
		return
	}
	c.restDigest()
	for _, a := range c.skipOrder {
		if c.skipped[a.id] == a && a.cold() {
			c.plan(a)
		}
	}
}

// mayAsk tells whether p may make us acknowledge: a member, and not too often. What
// it asks for beyond that comes in our own time.
func (c *Channel) mayAsk(p *peer) bool {
	until := max(p.asksUntil, c.now)
	if !c.counts(p.id) || until.Sub(c.now) >= askBurst*askEvery {
		return false
	}
	p.asksUntil = until.Add(askEvery)
	return true
}

// asked makes us report soon. Who was named reports although nothing is new:
// its last report was lost.
func (c *Channel) asked(named, late bool) {
	if c.cfg.Dialect == Nim || c.groupSize() > smallGroup && !named {
		return
	}
	if named {
		if c.now.Sub(c.v.spoke) < c.trip*4/10 {
			return
		}
		c.v.owed = true
	}
	if c.v.owed {
		spread := 0.35
		if named || late { // few are
			spread = 0.1
		}
		at := c.now.Add(time.Duration(c.random() * spread * float64(c.trip)))
		if !c.v.duty.set() || c.v.duty.at > at {
			c.timers.schedule(&c.v.duty, at)
		}
	}
}

// sendSync broadcasts our heads, what we ask for, and whom we ask to report.
func (c *Channel) sendSync(class Class, requests []HistoryEntry, ask []uint32) {
	if c.cfg.Dialect == Nim || !c.online {
		return
	}
	entries, complete := c.causalHistory(true)
	if requests == nil {
		requests = c.dueRequests(c.maxRequests())
	}
	if len(entries) == 0 && len(requests) == 0 && !c.v.greets && c.v.census == nil {
		return
	}
	c.v.greets = false
	m := wire.Message{Dialect: wire.LIP, SenderID: c.cfg.Participant, ChannelID: c.cfg.Channel,
		Lamport: c.nextLamport(c.now), HasLamport: true, CausalHistory: entries, RepairRequest: requests}
	m.MessageID = newSyncID(m.ChannelID, m.SenderID, m.Lamport, entries)
	ext := c.newExtension(complete)
	if ask != nil {
		ext.Ask, ext.HasAsk = ask, true
	}
	ext.Census = c.v.census
	c.attachDigest(&ext)
	if class == ClassRequest {
		c.attachWant(&ext)
	}
	m.Extension = ext.Encode()
	c.attachFilter(&m)
	c.spoken(entries, complete)
	c.countSync()
	c.send(Packet{Class: class, ID: m.MessageID, Payload: m.Encode()})
}

func (c *Channel) newExtension(complete bool) wire.Extension {
	e := wire.Extension{Version: ExtensionVersion, Incarnation: c.meta.Incarnation}
	c.describe(&e)
	c.claim(&e, complete)
	return e
}

// ExtensionVersion is the version of field 100 that this package writes.
const ExtensionVersion = 1

// The Trickle (RFC 6206): an interval doubles while members agree and starts
// again when they do not, or when there is something new.

const trickleFirst = 4 * time.Second

// unsettle starts the Trickle again.
func (c *Channel) unsettle() {
	if c.cfg.Dialect == Nim || c.v.interval == trickleFirst && c.v.trickle.set() {
		return
	}
	c.v.interval = trickleFirst
	c.startInterval()
}

func (c *Channel) startInterval() {
	c.v.agreed, c.v.fired = 0, false
	c.v.ends = c.now.Add(c.v.interval)
	// The second half of the interval, with the suppression delay instead of a
	// uniform one: in a large group a uniform delay is a storm.
	at := c.now.Add(c.v.interval/2 + c.suppression())
	c.v.ends = max(c.v.ends, at+1)
	c.timers.schedule(&c.v.trickle, at)
}

func (c *Channel) trickleDue() {
	if !c.v.fired {
		c.v.fired = true
		if c.v.agreed == 0 {
			c.sendSync(ClassSync, nil, nil)
		}
		c.timers.schedule(&c.v.trickle, max(c.v.ends, c.now+1))
		return
	}
	c.v.interval = pace.TrickleNext(c.v.interval)
	c.startInterval()
}

// Asking for acknowledgements: a sender that wants more than it has heard names
// those that it did not hear, up to 32 at a time. (A census will ask large groups
// for less.)

func (c *Channel) planAsk(first time.Duration) {
	if c.cfg.Dialect == Nim {
		return
	}
	c.v.asks = 0
	if !c.v.ask.set() || c.v.ask.at > c.now.Add(first) {
		if first >= askAfter {
			first = pace.Jitter(first, c.random())
		}
		c.timers.schedule(&c.v.ask, c.now.Add(first))
	}
}

// Pursue has the members asked that want is about, until they are known to have this
// own message, which was sent with a smaller Want. Its receipt stays what it is. It is not
// remembered across a restart. A message that is no longer tracked is left alone.
func (c *Channel) Pursue(now Time, id MessageID, want Want) {
	c.advance(now)
	o := c.outgoing[id]
	if o == nil || o.done || o.pursued {
		return
	}
	o.sent, o.want, o.pursued = o.want, want, true
	o.resolveWant(c)
	if o.awaits() {
		c.planAsk(c.nextAsk())
	}
}

// firstAsk is when to name those that did not answer a new message: in a small
// group when all should have. In a large one a census asks first.
func (c *Channel) firstAsk() time.Duration {
	if c.groupSize() <= smallGroup {
		return c.trip * 5 / 4
	}
	return askLarge
}

// nextAsk is when to name them again after somebody was heard: asking helps.
func (c *Channel) nextAsk() time.Duration {
	if c.groupSize() > smallGroup {
		return askLarge // each question has 32 answers, for all to hear
	}
	return askAfter
}

func (c *Channel) askDue() {
	unheard := c.unheard()
	if len(unheard) == 0 {
		return
	}
	c.sendSync(ClassSync, nil, unheard)
	c.v.asks++
	wait := min(c.nextAsk()<<min(c.v.asks-1, 8)*2, askMax)
	if c.v.asks == 1 && c.groupSize() <= smallGroup {
		wait = c.trip / 2 // the answers may have been lost, or the question
	}
	if wait > askPresent && c.lacksPresent() {
		wait = askPresent
	}
	c.timers.schedule(&c.v.ask, c.now.Add(pace.Jitter(wait, c.random())))
}

// lacksPresent tells whether somebody whom we wait for is there. Only in groups
// where looking at everybody costs little.
func (c *Channel) lacksPresent() bool {
	if len(c.peers) > 8*smallGroup {
		return false
	}
	for _, p := range c.peers {
		if c.now.Sub(p.heard) < presentFor && c.lacks(p) {
			return true
		}
	}
	return false
}

// awaits tells whether o's sender still collects acknowledgements.
func (o *outgoing) awaits() bool {
	return !o.done && o.superseded == "" && (o.handed || o.known()) && (o.level < LevelReached || o.pursued && !o.reached()) &&
		o.audience != nil && o.want.Kind != WantOne
}

// lacks tells whether we wait for p to acknowledge something.
func (c *Channel) lacks(p *peer) bool {
	return slices.ContainsFunc(c.outOrder, func(o *outgoing) bool {
		return o.awaits() && o.audience.members.has(p.person) && !o.persons.has(p.person)
	})
}

// askFor lists whom a new message asks to acknowledge; nobody in particular
// means everybody.
func (c *Channel) askFor(o *outgoing) []uint32 {
	if c.cfg.Roster == nil || o.audience == nil {
		return nil
	}
	switch o.want.Kind {
	case WantPersons:
		return c.participants(o.wanted)
	case WantStewards:
		return c.participants(o.audience.stewards)
	}
	return nil
}

// participants lists the installations of these persons, if a message can.
func (c *Channel) participants(set personSet) []uint32 {
	var short []uint32
	for participant, person := range c.cfg.Roster.Members {
		if participant != c.cfg.Participant && set.has(c.persons.of(person)) {
			short = append(short, ShortParticipant(c.cfg.Channel, participant))
		}
	}
	slices.Sort(short)
	return short[:min(len(short), wire.MaxAsk)]
}

// unheard lists the participants that are not known to have some message of
// ours whose Want is not reached.
func (c *Channel) unheard() []uint32 {
	if c.cfg.Roster == nil {
		return nil
	}
	var lacking personSet
	for _, o := range c.outOrder {
		if !o.awaits() || o.want.Kind == WantFraction && o.audience.count >= smallGroup {
			continue // or a census asks
		}
		wanted := o.audience.members
		switch o.want.Kind {
		case WantPersons:
			wanted = o.wanted
		case WantStewards:
			wanted = o.audience.stewards
		}
		for i, w := range wanted {
			if i < len(o.persons) {
				w &^= o.persons[i]
			}
			for len(lacking) <= i {
				lacking = append(lacking, 0)
			}
			lacking[i] |= w
		}
	}
	return c.participants(lacking)
}
