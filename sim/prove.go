package sim

import (
	"cmp"
	"crypto/sha256"
	"math"
	"slices"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// The part of the Model that knows what a packet proves, and to whom.

func leafOf(msg *wire.Message) sds.Leaf {
	return sds.NewLeaf(msg.MessageID, named(msg), sha256.Sum256(msg.Content))
}

// packet checks a packet that a member made, when its log had at least before
// entries, and notes what it claims (spec R10 R30 R52).
func (o *Model) packet(m *Member, class sds.Class, msg *wire.Message, before int) {
	if msg.Kind() == wire.Ephemeral {
		return
	}
	me := o.members[m.Index]
	if trust := sds.VerifyID(msg); trust != sds.Verified && msg.Dialect == wire.LIP {
		o.g.Check.violated("member %d: made a packet whose id does not verify: %s", m.Index, msg.MessageID)
	}
	e, err := wire.ParseExtension(msg.Extension)
	if err != nil {
		o.g.Check.violated("member %d: made an extension that can't be read: %v", m.Index, err)
		return
	}
	o.reported(m, msg)
	history := named(msg)
	if !slices.IsSortedFunc(history, o.byPlace) {
		o.g.Check.violated("member %d: %s names %q out of order", m.Index, msg.MessageID, history)
	}
	at := -1 // how long the log was when the packet was made, if we can tell
	if class == sds.ClassContent {
		at = slices.Index(me.log, msg.MessageID)
		o.content(m, msg, &e, at)
	}
	if msg.Lamport <= me.clock {
		o.g.Check.violated("member %d: clock went from %d to %d", m.Index, me.clock, msg.Lamport)
	}
	me.clock = msg.Lamport
	for _, id := range history {
		if !me.in[id] {
			o.g.Check.violated("member %d: %s names %s, which is not in its log", m.Index, msg.MessageID, id)
		}
	}
	if e.HasFingerprint {
		if at = o.claimed(m, msg, &e, before, at); at < 0 {
			return
		}
	}
	if at < 0 || m.cfg.Dialect != sds.LIP {
		return
	}
	o.headsNamed(m, msg, history, me.log[:at], e.HasFingerprint)
}

// headsNamed checks a causal history against the log that its maker had: every
// message that nothing else of the log descends from must be there, or the
// oldest of them, and nothing that another message of the log names.
func (o *Model) headsNamed(m *Member, msg *wire.Message, history, log []sds.MessageID, claims bool) {
	limit := sds.MaxParentsLIP
	if m.cfg.MaxParents > 0 {
		limit = m.cfg.MaxParents
	}
	atLeast, atMost := o.heads(log)
	if len(atMost) > limit {
		if claims && len(atLeast) > limit || len(history) > limit {
			o.g.Check.violated("member %d: %s names %d of at least %d heads and claims: %v", m.Index, msg.MessageID, len(history), len(atLeast), claims)
		}
		return
	}
	for id := range atLeast {
		if !slices.Contains(history, id) {
			o.g.Check.violated("member %d: %s does not name the head %s", m.Index, msg.MessageID, id)
		}
	}
	for _, id := range history {
		if !atMost[id] && !o.forgets(m) {
			o.g.Check.violated("member %d: %s names %s, which is not a head", m.Index, msg.MessageID, id)
		}
	}
}

// keepsChain: a history that had to be cut always leads to its author's last
// message. It does not where a late arrival leads from one to the other, so cases
// with few parents are exempt; acknowledgements do not rest on it.
const keepsChain = false

// content checks that own messages are a chain and that sequence numbers grow
// (spec R30 R38).
func (o *Model) content(m *Member, msg *wire.Message, e *wire.Extension, at int) {
	me := o.members[m.Index]
	if at < 0 {
		o.g.Check.violated("member %d: %s is sent and not in the log", m.Index, msg.MessageID)
		return
	}
	if e.Sequence <= me.sequence {
		o.g.Check.violated("member %d: %s has sequence number %d after %d", m.Index, msg.MessageID, e.Sequence, me.sequence)
	}
	me.sequence = e.Sequence
	cut := m.cfg.MaxParents > 0 && len(msg.CausalHistory) >= m.cfg.MaxParents
	if me.own != "" && !o.closure(named(msg))[me.own] && (!cut || keepsChain) {
		o.g.Check.violated("member %d: %s does not descend from its own last message %s", m.Index, msg.MessageID, me.own)
	}
	me.own = msg.MessageID
}

// claimed finds the state of the log that a fingerprint covers, from before on,
// and returns its length, or -1.
func (o *Model) claimed(m *Member, msg *wire.Message, e *wire.Extension, before, at int) int {
	me := o.members[m.Index]
	for _, id := range me.log[len(me.sums)-1:] {
		if o.msgs[id] == nil {
			break // written offline since
		}
		sum := me.sums[len(me.sums)-1]
		sum.Add(o.msgs[id].leaf)
		me.sums = append(me.sums, sum)
	}
	for n := len(me.sums) - 1; n >= before; n-- {
		if at >= 0 && n != at || me.sums[n].Fingerprint(m.ID, ChannelID, e.Base) != e.Fingerprint {
			continue
		}
		c := &claim{covers: idSet{}, holes: map[uint64]bool{}, base: e.Base}
		for _, id := range me.log[:n] {
			c.covers[id] = true
		}
		for _, short := range e.Holes {
			c.holes[short] = true
		}
		if len(c.holes) > sds.MaxNamedHoles {
			o.g.Check.violated("member %d: %s names %d holes", m.Index, msg.MessageID, len(c.holes))
		}
		o.claims[msg.MessageID] = c
		return n
	}
	o.g.Check.violated("member %d: the fingerprint of %s covers no state of its log", m.Index, msg.MessageID)
	return -1
}

// reports returns the messages that a packet reports on in a census.
func (o *Model) reports(msg *wire.Message) []sds.MessageID {
	e, err := wire.ParseExtension(msg.Extension)
	if err != nil || e.Census == nil {
		return nil
	}
	x, _ := wire.ParseCensus(e.Census)
	var ids []sds.MessageID
	for id := range o.msgs {
		if slices.Contains(x.Reports, sds.ShortID(ChannelID, id)) {
			ids = append(ids, id)
		}
	}
	return ids
}

// reported checks that a member reports on what it has (spec R59 R122).
func (o *Model) reported(m *Member, msg *wire.Message) {
	for _, id := range o.reports(msg) {
		if !o.g.Check.holds[m.Index][id] {
			o.g.Check.violated("member %d: reports on %s, which it does not have", m.Index, id)
		}
	}
}

// reaching notes what a packet proves to the member that is about to get it.
func (o *Model) reaching(m *Member, msg *wire.Message, origin sds.Origin) {
	me := o.members[m.Index]
	me.again = me.known[msg.MessageID] || m.State.Messages[msg.MessageID].State != 0
	o.learn(msg)
	me.proved = o.provable(m, msg)
	from := o.member(msg.SenderID)
	if from == nil || from == m {
		return
	}
	for _, id := range append(named(msg), o.reports(msg)...) {
		o.mayKnow(m, id, from)
	}
	if c := o.claims[msg.MessageID]; c != nil {
		for id := range c.covers {
			o.mayKnow(m, id, from)
		}
	}
}

func (o *Model) mayKnow(m *Member, id sds.MessageID, from *Member) {
	if s := o.msgs[id]; s != nil && s.sender == m.ID {
		may := o.members[m.Index].may[id]
		may.add(from.Person)
		o.members[m.Index].may[id] = may
	}
}

func (o *Model) member(id sds.ParticipantID) *Member {
	for _, m := range o.g.Members {
		if m.ID == id {
			return m
		}
	}
	return nil
}

// reached checks that what a packet proves was understood: direct mentions, and
// frontiers that the receiver could check when it came (spec R50 R53).
func (o *Model) reached(m *Member, msg *wire.Message, err error) {
	me := o.members[m.Index]
	if err != nil || me.again {
		return
	}
	me.known[msg.MessageID] = true
	from := o.member(msg.SenderID)
	if from == nil || from.Person == m.Person || msg.Kind() == wire.Ephemeral {
		return
	}
	for _, id := range named(msg) {
		o.mustCount(m, id, from, msg, "names it")
	}
	for _, id := range o.reports(msg) {
		o.mustCount(m, id, from, msg, "reports on it")
	}
	if o.forgets(m) {
		return
	}
	for _, id := range me.proved {
		o.mustCount(m, id, from, msg, "covers it with its fingerprint")
	}
}

// provable returns the messages of m that a claim proves to have arrived, if m
// can check it now: its maker's log and its holes must be exactly the ancestors
// of what it names, and be here. Then nothing is uncertain.
func (o *Model) provable(m *Member, msg *wire.Message) []sds.MessageID {
	me, c := o.members[m.Index], o.claims[msg.MessageID]
	if c == nil || o.forgets(m) || c.base != m.State.Meta.Base {
		return nil
	}
	if me.opened && len(o.closure(me.log)) > len(me.in) {
		return nil // over a gap, a restart forgets what leads to what
	}
	ancestors := o.closure(named(msg))
	for id := range c.covers {
		if !me.in[id] || !ancestors[id] {
			return nil
		}
	}
	oldest := uint64(math.MaxUint64) // of m's messages among the holes: it ends what is proved
	for id := range ancestors {
		s := o.msgs[id]
		if c.covers[id] || s == nil || s.lamport <= c.base {
			continue
		}
		if !me.in[id] || !c.holes[sds.ShortID(ChannelID, id)] {
			return nil
		}
		if s.sender == m.ID {
			oldest = min(oldest, s.lamport)
		}
	}
	var ids []sds.MessageID
	for id := range c.covers {
		if s := o.msgs[id]; s.sender == m.ID && s.lamport > c.base && s.lamport < oldest {
			ids = append(ids, id)
		}
	}
	return ids
}

func (o *Model) mustCount(m *Member, id sds.MessageID, from *Member, msg *wire.Message, why string) {
	me := o.members[m.Index]
	s := o.msgs[id]
	if s == nil || s.sender != m.ID || !me.in[id] || me.counted[id][from.Person] || me.level[id] == sds.LevelEveryone {
		return
	}
	if _, tracked := m.Channel.Receipt(id); !tracked {
		return
	}
	o.g.Check.violated("member %d does not count %s for %s, although %s %s", m.Index, from.Person, id, msg.MessageID, why)
}

// closure returns ids and all their ancestors, as far as anybody said them.
func (o *Model) closure(ids []sds.MessageID) idSet {
	all := idSet{}
	for _, id := range ids {
		all[id] = true
	}
	for grown := true; grown; {
		grown = false
		for id := range all {
			if s := o.msgs[id]; s != nil {
				for _, p := range s.parents {
					grown = grown || !all[p]
					all[p] = true
				}
			}
		}
	}
	return all
}

// heads returns the messages of a log that no other message of it descends from,
// and those that no other message of it names. They differ by what is missing.
func (o *Model) heads(log []sds.MessageID) (atLeast, atMost idSet) {
	atLeast, atMost = idSet{}, idSet{}
	for _, id := range log {
		atLeast[id], atMost[id] = true, true
	}
	for _, id := range log {
		if s := o.msgs[id]; s != nil {
			for _, p := range s.parents {
				delete(atMost, p)
			}
			for p := range o.closure(s.parents) {
				delete(atLeast, p)
			}
		}
	}
	return atLeast, atMost
}

func (o *Model) byPlace(a, b sds.MessageID) int {
	x, y := o.msgs[a], o.msgs[b]
	if x == nil || y == nil {
		return cmp.Compare(a, b)
	}
	return sds.Place{Lamport: x.lamport, ID: a}.Compare(sds.Place{Lamport: y.lamport, ID: b})
}
