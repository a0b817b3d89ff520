package sim

import (
	"slices"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// Model is a reference of acknowledgement and order that is dumb on purpose. It
// sees the packets, decoded, what members deliver and the receipts, and shares
// no data structure with sds: sets are maps, ancestors are found by walking over
// everything, every time. It is quadratic and more, and meant for small groups
// in the LIP dialect.
//
// It knows which messages each member had in its log when it made a packet. So
// it knows what a packet could prove to whoever received it:
//
//   - a receipt that counts a person whom no packet that came proved to have the
//     message is a violation, even if it is true by chance;
//   - a receipt that does not count whom a mention, a report of a census, or a
//     frontier that can be checked, proves to have it is one too;
//   - so is a verdict "yes" of a group that was asked as a whole without enough
//     persons who are counted, and any other one with them.
//
// Violations go to the group's Checker.
type Model struct {
	g       *Group
	msgs    map[sds.MessageID]*said
	claims  map[sds.MessageID]*claim // by the packet that makes it
	members []*memory
}

// said is a message of content as its packet says it.
type said struct {
	id      sds.MessageID
	sender  sds.ParticipantID
	lamport uint64
	parents []sds.MessageID
	leaf    sds.Leaf
}

// claim is what a fingerprint covers: the log of its maker, and the holes that
// it named.
type claim struct {
	covers idSet
	holes  map[uint64]bool
	base   uint64
}

// memory is what the model knows about one member.
type memory struct {
	log      []sds.MessageID // in the order of delivery
	in       idSet           // likewise
	sums     []sds.Sum       // after so many deliveries
	skipped  idSet           // given up and not here
	known    idSet           // packets that it accepted since it was opened
	may      map[sds.MessageID]persons
	counted  map[sds.MessageID]persons
	level    map[sds.MessageID]sds.Level
	again    bool            // the packet in hand came before
	proved   []sds.MessageID // by it
	opened   bool            // again, after a crash or a restart
	own      sds.MessageID
	clock    uint64 // of its newest packet
	sequence uint64
}

type (
	idSet   map[sds.MessageID]bool
	persons map[sds.PersonID]bool
)

// NewModel makes a model watch g. It must be called before anything happens.
func NewModel(g *Group) *Model {
	m := &Model{g: g, msgs: map[sds.MessageID]*said{}, claims: map[sds.MessageID]*claim{}}
	for range g.Members {
		m.members = append(m.members, &memory{in: idSet{}, sums: make([]sds.Sum, 1), skipped: idSet{}, known: idSet{},
			may: map[sds.MessageID]persons{}, counted: map[sds.MessageID]persons{}, level: map[sds.MessageID]sds.Level{}})
	}
	g.model = m
	return m
}

func (p *persons) add(who sds.PersonID) {
	if *p == nil {
		*p = persons{}
	}
	(*p)[who] = true
}

// reopened notes that a member lost what it did not write.
func (o *Model) reopened(m *Member) {
	o.members[m.Index].known, o.members[m.Index].opened = idSet{}, true
}

// committed takes what a member wrote and is about to send.
func (o *Model) committed(m *Member, r sds.Ready) {
	me := o.members[m.Index]
	packets := make([]wire.Message, len(r.Packets))
	for i, p := range r.Packets {
		if p.Payload == nil {
			if p.Class == sds.ClassResend && len(me.counted[p.ID]) > 0 {
				o.g.Check.violated("member %d: resends %s, which somebody is known to have", m.Index, p.ID)
			}
			continue
		}
		var err error
		if packets[i], err = wire.Decode(p.Payload); err != nil {
			o.g.Check.violated("member %d: made a packet that can't be decoded: %v", m.Index, err)
			continue
		}
		o.learn(&packets[i])
	}
	before := len(me.log)
	for _, d := range r.Deliveries {
		o.delivered(m, d)
	}
	for _, gap := range r.Gaps {
		o.gap(m, gap, before)
	}
	for i := range packets {
		if r.Packets[i].Payload != nil {
			o.packet(m, r.Packets[i].Class, &packets[i], before)
		}
	}
	for _, receipt := range r.Receipts {
		o.receipt(m, receipt)
	}
}

// learn notes a message of content.
func (o *Model) learn(msg *wire.Message) *said {
	if msg.Kind() != wire.Content {
		return nil
	}
	if s := o.msgs[msg.MessageID]; s != nil {
		return s
	}
	s := &said{id: msg.MessageID, sender: msg.SenderID, lamport: msg.Lamport, parents: named(msg)}
	s.leaf = leafOf(msg)
	o.msgs[s.id] = s
	return s
}

// delivered checks one message that entered the log (spec R23 R24 R32 R33).
func (o *Model) delivered(m *Member, d sds.Delivery) {
	me := o.members[m.Index]
	if me.in[d.ID] {
		o.g.Check.violated("member %d: %s delivered twice", m.Index, d.ID)
		return
	}
	me.log, me.in[d.ID] = append(me.log, d.ID), true
	if int(d.Position) != len(me.log) {
		o.g.Check.violated("member %d: %s is number %d and has position %d", m.Index, d.ID, len(me.log), d.Position)
	}
	delete(me.skipped, d.ID)
	s := o.msgs[d.ID]
	if s == nil {
		return // written offline: there is no packet yet
	}
	if s.lamport != d.Lamport || s.sender != d.Sender {
		o.g.Check.violated("member %d: %s is of %s at %d, delivered as of %s at %d", m.Index, d.ID, s.sender, s.lamport, d.Sender, d.Lamport)
	}
	for _, id := range s.parents {
		// Around a join point nothing waits, and nothing is said to be missing.
		if !me.in[id] && !slices.Contains(d.Gaps, id) && m.cfg.JoinPoint == 0 {
			o.g.Check.violated("member %d: %s delivered before %s, on which it depends, without a gap", m.Index, d.ID, id)
		}
	}
	child := slices.ContainsFunc(me.log, func(id sds.MessageID) bool {
		return o.msgs[id] != nil && slices.Contains(o.msgs[id].parents, d.ID)
	})
	if d.Late && !child || child && !d.Late && !o.forgets(m) {
		o.g.Check.violated("member %d: %s has a child in the log: %v, is late: %v", m.Index, d.ID, child, d.Late)
	}
}

// forgets tells whether m may have dropped something from its window.
func (o *Model) forgets(m *Member) bool {
	return m.cfg.Window > 0 && len(o.members[m.Index].log) > m.cfg.Window
}

func (o *Model) gap(m *Member, gap sds.Gap, before int) {
	me := o.members[m.Index]
	switch gap.State {
	case sds.GapSkipped:
		if slices.Contains(me.log[:before], gap.ID) {
			o.g.Check.violated("member %d: gives up %s, which it has", m.Index, gap.ID)
		}
		me.skipped[gap.ID] = true
	case sds.GapRecovered:
		// What is looked up and known was never missing.
		if !o.g.Check.holds[m.Index][gap.ID] && o.msgs[gap.ID] != nil && m.cfg.JoinPoint == 0 {
			o.g.Check.violated("member %d: %s is reported as recovered and did not come", m.Index, gap.ID)
		}
		delete(me.skipped, gap.ID)
	}
}

// receipt checks that nobody is counted without proof (spec R50 R54 R56).
func (o *Model) receipt(m *Member, r sds.Receipt) {
	me := o.members[m.Index]
	counted := me.counted[r.ID]
	for _, who := range r.Persons {
		if counted[who] {
			o.g.Check.violated("member %d: %s is counted twice for %s", m.Index, who, r.ID)
		}
		if !me.may[r.ID][who] {
			o.g.Check.violated("member %d counts %s for %s, which nothing that it received proves", m.Index, who, r.ID)
		}
		counted.add(who)
	}
	me.counted[r.ID] = counted
	me.level[r.ID] = max(me.level[r.ID], r.Level)
	if r.Seen != len(counted) {
		o.g.Check.violated("member %d: %d persons have %s, named were %d", m.Index, r.Seen, r.ID, len(counted))
	}
	if everybody := r.Of > 0 && r.Seen == r.Of; everybody != (r.Level == sds.LevelEveryone) {
		o.g.Check.violated("member %d: level of %s is %v with %d of %d", m.Index, r.ID, r.Level, r.Seen, r.Of)
	}
	o.verdict(m, r)
	if r.Undelivered && r.Seen > 0 {
		o.g.Check.violated("member %d: %s is undelivered, and %d have it", m.Index, r.ID, r.Seen)
	}
}

// verdict checks the answer to "have enough of them got it?" in a group that was
// asked as a whole (spec R124 R125): samples may err.
func (o *Model) verdict(m *Member, r sds.Receipt) {
	out, e := m.State.Outgoing[r.ID], r.Estimate
	if e.Sample > r.Of || e.Heard > min(e.Sample, r.Seen) || e.Low > e.High || r.Present > r.Of {
		o.g.Check.violated("member %d: the receipt of %s contradicts itself: %+v", m.Index, r.ID, r)
	}
	share := map[sds.WantKind]float64{sds.WantFraction: out.Want.Fraction, sds.WantEveryone: 1}[out.Want.Kind]
	if out.ID == "" || share == 0 || m.cfg.Dialect == sds.Nim || r.Of == 0 || r.Of > asksAll || r.Level < sds.LevelSent {
		return
	}
	enough := float64(r.Seen) >= share*float64(r.Of)-1e-9
	if yes := e.Verdict == sds.Yes; yes != enough || yes != (r.Level >= sds.LevelReached) {
		o.g.Check.violated("member %d: %d of %d have %s, %v is wanted, the verdict is %v and the level %v", m.Index, r.Seen, r.Of, r.ID, share, e.Verdict, r.Level)
	}
}

// asksAll is up to how many a census asks all.
const asksAll = 80

// Counted returns how many persons are known to a member to have its message,
// and the highest level that it reported.
func (o *Model) Counted(member int, id sds.MessageID) (int, sds.Level) {
	me := o.members[member]
	return len(me.counted[id]), me.level[id]
}

// Own returns the messages that a member wrote and committed.
func (o *Model) Own(member int) []sds.MessageID {
	var ids []sds.MessageID
	for _, id := range o.members[member].log {
		if s := o.msgs[id]; s != nil && s.sender == o.g.Members[member].ID {
			ids = append(ids, id)
		}
	}
	return ids
}

// Ordered checks that a member's log holds what it delivered, sorted by Lamport
// timestamp and id (spec R23), and returns it.
func (o *Model) Ordered(m *Member) []sds.MessageID {
	want := slices.Clone(o.members[m.Index].log)
	slices.SortFunc(want, func(a, b sds.MessageID) int {
		return sds.Place{Lamport: o.msgs[a].lamport, ID: a}.Compare(sds.Place{Lamport: o.msgs[b].lamport, ID: b})
	})
	if got := m.LogIDs(); !slices.Equal(got, want) {
		o.g.Check.violated("member %d: the log is %q, want %q", m.Index, got, want)
	}
	return want
}

// named returns the ids of a causal history.
func named(msg *wire.Message) []sds.MessageID {
	ids := make([]sds.MessageID, len(msg.CausalHistory))
	for i := range msg.CausalHistory {
		ids[i] = msg.CausalHistory[i].MessageID
	}
	return ids
}
