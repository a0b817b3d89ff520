package crowd

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// Attack is what a hostile member does.
type Attack string

// The attacks.
const (
	AttackAcks         Attack = "acks"         // acknowledges in the name of others what they may not have
	AttackParents      Attack = "parents"      // names messages that do not exist
	AttackClocks       Attack = "clocks"       // writes with timestamps from the future
	AttackRequests     Attack = "requests"     // asks for everything, again and again
	AttackFingerprints Attack = "fingerprints" // claims to hold what it names, with fingerprints that are wrong
)

var allAttacks = []Attack{AttackAcks, AttackParents, AttackClocks, AttackRequests, AttackFingerprints}

func (a Attack) known() bool { return slices.Contains(allAttacks, a) }

// liar is a hostile member. It runs our code, so that it looks like the others,
// and lies beside it: one packet at a time, at random, AttackEvery on average. All
// it knows is what it heard.
type liar struct {
	*ours
	seat    Seat
	dialect wire.Dialect
	attacks []Attack
	every   float64 // ms
	members int
	draws   *stream
	next    sds.Time
	heard   []heardMessage // the newest, a ring
	count   int
	lamport uint64
	lies    []sds.Packet
}

type heardMessage struct {
	id     sds.MessageID
	sender sds.ParticipantID
}

const liarMemory = 64

func newLiar(seat Seat, sc *Scenario, now sds.Time) (Participant, error) {
	o, err := openOurs(seat, sc, now)
	if err != nil {
		return nil, err
	}
	l := &liar{ours: o, seat: seat, dialect: wire.LIP, attacks: sc.Mix.Attacks, every: ms(sc.Mix.AttackEvery),
		members: sc.Members, draws: newStream(seat.Seed, forHostile, uint64(seat.Index))}
	if sc.dialect() == sds.Nim {
		l.dialect = wire.Nim
	}
	l.plan(now)
	return l, nil
}

func (l *liar) plan(now sds.Time) { l.next = now + 1 + sds.Time(l.draws.exponential(l.every)) }

func (l *liar) SetOnline(now sds.Time, online bool) {
	l.ours.SetOnline(now, online)
	l.plan(now)
}

func (l *liar) Receive(now sds.Time, p *Packet) error {
	m := &p.Message
	l.lamport = max(l.lamport, m.Lamport)
	if m.Kind() == wire.Content && m.SenderID != l.seat.ID {
		h := heardMessage{m.MessageID, m.SenderID}
		if len(l.heard) < liarMemory {
			l.heard = append(l.heard, h)
		} else {
			l.heard[l.count%liarMemory] = h
		}
		l.count++
	}
	return l.ours.Receive(now, p)
}

func (l *liar) Deadline() (sds.Time, bool) {
	at, ok := l.ours.Deadline()
	if !l.online {
		return at, ok
	}
	if !ok || l.next < at {
		return l.next, true
	}
	return at, true
}

func (l *liar) Tick(now sds.Time) {
	l.ours.Tick(now)
	if l.online && now >= l.next {
		l.plan(now)
		l.lie(now)
	}
}

func (l *liar) Drain(now sds.Time, out *Outputs) bool {
	any := l.ours.Drain(now, out)
	if len(l.lies) == 0 {
		return any
	}
	if !any {
		*out = Outputs{}
	}
	out.Packets = append(slices.Clone(out.Packets), l.lies...)
	l.lies = nil
	return true
}

// lie makes one packet.
func (l *liar) lie(now sds.Time) {
	floor := uint64(now)
	if l.dialect == wire.Nim {
		floor /= 1000
	}
	m := &wire.Message{Dialect: l.dialect, SenderID: l.seat.ID, ChannelID: l.seat.Channel,
		Lamport: max(floor, min(l.lamport, floor+60_000)) + 1, HasLamport: true}
	ext := wire.Extension{Version: sds.ExtensionVersion, Incarnation: 0x1bad1}
	class := sds.ClassSync
	switch attack := l.attacks[l.draws.below(len(l.attacks))]; attack {
	case AttackAcks: // the newest message, which not everybody can have yet
		m.SenderID = l.other()
		m.CausalHistory = l.real(1)
		class = sds.ClassAck
	case AttackParents:
		m.CausalHistory = append(l.invented(16), l.real(2)...)
		if l.draws.float() < 0.5 {
			m.Content = []byte("what came before this?")
			class = sds.ClassContent
		}
	case AttackClocks:
		ahead := [...]uint64{120_000, 86_400_000, 1 << 51, 1<<53 - 1 - m.Lamport}
		m.Lamport += ahead[l.draws.below(len(ahead))]
		m.CausalHistory = l.real(1)
		m.Content = []byte("greetings from the future")
		class = sds.ClassContent
	case AttackRequests:
		m.CausalHistory = l.real(1)
		m.RepairRequest = append(l.real(28), l.invented(4)...)
		class = sds.ClassRequest
	case AttackFingerprints:
		m.CausalHistory = l.real(2)
		ext.Fingerprint, ext.HasFingerprint = l.draws.next(), true
	}
	if len(m.CausalHistory) == 0 {
		return // it has heard nothing yet
	}
	m.Extension = ext.Encode()
	if m.Content != nil {
		m.MessageID = sds.NewMessageID(m.ChannelID, m.SenderID, m.Lamport, m.CausalHistory, m.Content)
	} else {
		m.MessageID = syncID(m)
		if m.Dialect == wire.Nim {
			m.Content = []byte{}
		}
	}
	l.lies = append(l.lies, sds.Packet{Class: class, ID: m.MessageID, Payload: m.Encode()})
}

// other draws another member.
func (l *liar) other() sds.ParticipantID {
	i := l.draws.below(l.members - 1)
	if i >= l.seat.Index {
		i++
	}
	return memberID(i)
}

// real lists the newest n messages that it heard.
func (l *liar) real(n int) []sds.HistoryEntry {
	var entries []sds.HistoryEntry
	for k := l.count - 1; k >= 0 && k >= l.count-min(n, len(l.heard)); k-- {
		h := l.heard[k%liarMemory]
		entries = append(entries, sds.HistoryEntry{MessageID: h.id, SenderID: h.sender})
	}
	return entries
}

// invented makes up n messages.
func (l *liar) invented(n int) []sds.HistoryEntry {
	entries := make([]sds.HistoryEntry, n)
	for i := range entries {
		var b [24]byte
		for k := 0; k < len(b); k += 8 {
			binary.BigEndian.PutUint64(b[k:], l.draws.next())
		}
		entries[i] = sds.HistoryEntry{MessageID: sds.MessageID("c1" + base64.RawURLEncoding.EncodeToString(b[:20])),
			SenderID: l.other()}
	}
	return entries
}

// syncID makes the id that a sync must have to be believed (spec R10): the hash
// of its own parts.
func syncID(m *wire.Message) sds.MessageID {
	var b []byte
	part := func(s string) { b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...) }
	part("causeway/sync/1")
	part(string(m.ChannelID))
	part(string(m.SenderID))
	b = binary.BigEndian.AppendUint64(b, m.Lamport)
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.CausalHistory)))
	for i := range m.CausalHistory {
		part(string(m.CausalHistory[i].MessageID))
	}
	part("")
	sum := sha256.Sum256(b)
	return sds.MessageID("y1" + base64.RawURLEncoding.EncodeToString(sum[:20]))
}
