package sim

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// mallory hears everything at once, says what she likes, and may belong to the
// group.
const (
	mallory       = sds.ParticipantID("mallory")
	malloryPerson = sds.PersonID("person-mallory")
)

// weakIDs: who may choose ids can give different members different messages
// under one id, and a sync the id of a message that is still to come. So an
// honest message may stay unknown to some. Until members refuse that, such ids
// are not used.
const weakIDs = false

// floodAbove is how many ids mallory invents. Above sds.MaxHolesPerSender the
// holes that she named first are given up for good, honest messages among them.
const floodAbove = 100

// maxAhead is how far ahead of the wall clock timestamps are that come in the
// name of others than mallory. Who speaks for two members can put any timestamp
// into a log: then its owner's messages are far ahead too, and keep out of the
// other logs until their time comes (spec R22). So that time must come within
// settleIn. What mallory says in her own name alone may be from any time.
const maxAhead = time.Hour

type attack uint8

const (
	garbage  attack = iota
	flip            // bits of a packet
	splice          // two packets
	squat           // a message of her own under the id of somebody else's
	strange         // content with an opaque id and any history
	verified        // content with a proper id, and any history and time
	sync            // any extension and requests
	flood           // hundreds of invented ids
	echo            // in the name of the victim
	forge           // in the name of another member
	hexID           // content with an id of the JavaScript form
	replay          // an old packet
	attacks
)

// attackStep is what mallory does, before a step of the script.
type attackStep struct {
	attack attack
	victim int
	seed   uint64
}

type attacker struct {
	g      *Group
	seen   [][]byte
	ids    []sds.MessageID // of content, honest and her own
	signed bool            // members know who says what
	flood  int             // ids invented
}

func (a *attacker) watch(_ *Member, r sds.Ready) {
	for _, p := range r.Packets {
		if p.Payload != nil {
			a.seen = append(a.seen, p.Payload)
		}
		if p.Class == sds.ClassContent {
			a.ids = append(a.ids, p.ID)
		}
	}
}

// do takes one hostile step. Members refuse most of it, so errors say nothing.
func (a *attacker) do(st attackStep) {
	rng := rand.New(rand.NewPCG(st.seed, uint64(st.attack)))
	packet := a.packet(rng, st)
	if packet == nil {
		return
	}
	a.seen = append(a.seen, packet)
	origin := sds.Origin{}
	if a.signed && st.attack != echo && st.attack != forge {
		origin = sds.Origin{Sender: mallory, Authenticated: true}
	}
	for i := range a.g.Members {
		if i == st.victim || rng.IntN(2) == 0 {
			_ = a.g.Inject(i, slices.Clone(packet), origin)
		}
	}
}

func (a *attacker) packet(rng *rand.Rand, st attackStep) []byte {
	if !weakIDs && (st.attack == strange || st.attack == hexID) {
		st.attack = verified
	}
	m := wire.Message{SenderID: mallory, ChannelID: ChannelID, Lamport: a.time(rng), HasLamport: true,
		CausalHistory: a.history(rng, 6), Extension: a.extension(rng)}
	switch st.attack {
	case garbage:
		return random(rng, rng.IntN(200))
	case flip, splice, replay:
		return a.mutated(rng, st.attack)
	case squat:
		if len(a.ids) == 0 {
			return nil
		}
		m.MessageID = a.ids[rng.IntN(len(a.ids))]
		m.Dialect = []wire.Dialect{wire.LIP, wire.Nim}[rng.IntN(2)]
		if m.Content = []byte{}; rng.IntN(2) == 0 {
			m.Content = random(rng, 20)
		}
		return m.Encode()
	case strange:
		m.MessageID = sds.MessageID(fmt.Sprintf("evil-%d", rng.IntN(10)))
		m.Content = random(rng, 20)
	case hexID:
		m.Content = random(rng, 1)
		m.MessageID = sds.ContentID(m.Content)
	case flood:
		m.CausalHistory = nil
		for range min(1+rng.IntN(400), floodAbove-a.flood) {
			a.flood++
			m.CausalHistory = append(m.CausalHistory, sds.HistoryEntry{MessageID: sds.MessageID(hex.EncodeToString(random(rng, 8)))})
		}
		fallthrough
	case verified:
		m.Content = random(rng, 20)
		m.MessageID = sds.NewMessageID(m.ChannelID, m.SenderID, m.Lamport, m.CausalHistory, m.Content)
	case sync:
		m.MessageID = sds.MessageID("sync-" + hex.EncodeToString(random(rng, 4)))
		m.RepairRequest = a.history(rng, 100)
	case echo, forge:
		m.SenderID = a.g.Members[(st.victim+int(st.attack-echo))%len(a.g.Members)].ID
		if a.tooFar(&m) {
			m.Lamport = uint64(a.g.Now().Add(maxAhead))
		}
		m.Content = random(rng, 20)
		m.MessageID = sds.NewMessageID(m.ChannelID, m.SenderID, m.Lamport, m.CausalHistory, m.Content)
		e := wire.Extension{Version: 1, Sequence: math.MaxUint64, Incarnation: a.g.Members[st.victim].State.Meta.Incarnation}
		m.Extension = e.Encode()
	}
	if m.Kind() == wire.Content && !a.tooFar(&m) { // no member is made to name it
		a.ids = append(a.ids, m.MessageID)
	}
	return m.Encode()
}

func (a *attacker) mutated(rng *rand.Rand, how attack) []byte {
	if len(a.seen) == 0 {
		return nil
	}
	p := slices.Clone(a.seen[rng.IntN(len(a.seen))])
	switch how {
	case flip:
		for range min(len(p), 1+rng.IntN(3)) {
			p[rng.IntN(len(p))] ^= 1 << rng.IntN(8)
		}
	case splice:
		q := a.seen[rng.IntN(len(a.seen))]
		p = append(p[:rng.IntN(len(p)+1)], q[rng.IntN(len(q)+1):]...)
	}
	if m, err := wire.Decode(p); err == nil && m.SenderID != mallory && a.tooFar(&m) {
		return nil
	}
	return p
}

// time returns timestamps that are wrong in all the ways there are.
func (a *attacker) time(rng *rand.Rand) uint64 {
	now := uint64(a.g.Now())
	times := [...]uint64{now, now, now - 100_000, 0, 1, now + 59_000, now + 61_000, now + uint64(maxAhead.Milliseconds()),
		now + 1<<rng.IntN(52), sds.MaxLamport - 1, sds.MaxLamport, math.MaxUint64}
	return times[rng.IntN(len(times))]
}

// tooFar tells whether m is further ahead than maxAhead, and may still enter a
// log, or move what is plausible, when members vouch for it.
func (a *attacker) tooFar(m *wire.Message) bool {
	return m.HasLamport && m.Lamport > uint64(a.g.Now().Add(maxAhead)) && m.Lamport < sds.MaxLamport/2
}

func (a *attacker) history(rng *rand.Rand, most int) []sds.HistoryEntry {
	var entries []sds.HistoryEntry
	for range rng.IntN(most) {
		id := sds.MessageID(fmt.Sprintf("evil-%d", rng.IntN(10)))
		if len(a.ids) > 0 && rng.IntN(2) == 0 {
			id = a.ids[rng.IntN(len(a.ids))]
		}
		entries = append(entries, sds.HistoryEntry{MessageID: id, SenderID: mallory})
	}
	return entries
}

func (a *attacker) extension(rng *rand.Rand) []byte {
	e := wire.Extension{Version: 1, Incarnation: rng.Uint32N(3), Sequence: rng.Uint64() >> rng.IntN(64), HasFingerprint: rng.IntN(2) == 0,
		Fingerprint: rng.Uint64(), Base: a.time(rng), HasAsk: rng.IntN(2) == 0}
	for range rng.IntN(9) {
		hole := rng.Uint64()
		if len(a.ids) > 0 {
			hole = sds.ShortID(ChannelID, a.ids[rng.IntN(len(a.ids))])
		}
		e.Holes = append(e.Holes, hole)
	}
	return e.Encode()
}

func random(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// hostile is a script with attacks before its steps.
type hostile struct {
	script
	attacks []attackStep
	member  bool // mallory belongs to the group
	signed  bool // members know who says what
}

func drawAttack(d drawer) hostile {
	h := hostile{script: drawScript(d, limits{members: 4, steps: 15, smallTails: true})}
	for range d.between("attacks", 1, 20) {
		h.attacks = append(h.attacks, attackStep{
			attack: attack(d.between("attack", 0, int(attacks)-1)),
			victim: d.between("victim", 0, h.opts.Members-1),
			seed:   uint64(d.between("details", 0, 1<<16)),
		})
	}
	h.member, h.signed = d.between("member", 0, 1) == 1, d.between("signed", 0, 1) == 1
	return h
}

func (h hostile) String() string {
	return fmt.Sprintf("attacks %v, member %v, signed %v\n%v", h.attacks, h.member, h.signed, h.script)
}

// play requires that the members end with the same order of what they themselves
// said.
func (h hostile) play() error {
	s, steps := h.script, h.attacks
	s.opts.Authenticated = h.signed
	roster := s.roster
	s.roster = func(r *sds.Roster) {
		if roster != nil {
			roster(r)
		}
		if h.member {
			r.Members[mallory] = malloryPerson
		}
	}
	g, err := s.start()
	if err != nil {
		return err
	}
	g.Check.Unsigned, g.Check.Liars = true, map[sds.PersonID]bool{malloryPerson: true, sds.PersonID(mallory): true}
	a := &attacker{g: g, signed: h.signed}
	g.Observe = a.watch
	honest := map[sds.MessageID]int{}
	count := 0
	for i := range max(len(s.steps), len(steps)) {
		if i < len(steps) {
			a.do(steps[i])
		}
		if i < len(s.steps) {
			if err := s.steps[i].do(g, &count); err != nil {
				return err
			}
		}
		if len(g.Check.Violations) > 0 {
			return fmt.Errorf("step %d: %s", i, g.Check.Violations[0])
		}
	}
	calm(g)
	if err := sayBye(g); err != nil {
		return err
	}
	for i, m := range g.Members {
		for _, d := range m.Log {
			if g.Stats.tracks[d.ID] != nil && d.Own {
				honest[d.ID] = i
			}
		}
	}
	for end := g.Now().Add(settleIn); ; g.RunFor(30 * time.Second) {
		err := agree(g, honest)
		if len(g.Check.Violations) > 0 {
			return fmt.Errorf("%s", g.Check.Violations[0])
		}
		if err == nil || g.Now() >= end {
			return err
		}
	}
}

// agree requires every log to hold all honest messages, in one order.
func agree(g *Group, honest map[sds.MessageID]int) error {
	var first []sds.MessageID
	for i, m := range g.Members {
		log := slices.DeleteFunc(m.LogIDs(), func(id sds.MessageID) bool { _, ok := honest[id]; return !ok })
		if len(log) != len(honest) {
			return fmt.Errorf("member %d has %d messages of %d", i, len(log), len(honest))
		}
		if i == 0 {
			first = log
		} else if !slices.Equal(log, first) {
			return fmt.Errorf("members 0 and %d have different orders:\n%q\n%q", i, first, log)
		}
	}
	return nil
}

// TestPropertyHostile: whatever mallory sends, no member panics, goes over a
// bound or gives a position twice; all that members said ends in all logs in the
// same order; and no receipt that is not marked as claimed counts an honest
// member that does not have the message (spec R5 R7 R12 R21 R22 R34 R39 R57).
func TestPropertyHostile(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := drawAttack(rapidDrawer{t})
		if err := h.play(); err != nil {
			t.Fatalf("%v\n%v", err, h)
		}
	})
}
