package crowd

import (
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// captive is a liar whose packets are looked at.
type captive struct {
	*liar
	note func(*liar, sds.Packet)
}

func (c *captive) Drain(now sds.Time, out *Outputs) bool {
	lies := c.lies
	any := c.liar.Drain(now, out)
	for _, p := range lies {
		c.note(c.liar, p)
	}
	return any
}

func (sc *Scenario) watchLiars(note func(*liar, sds.Packet)) {
	sc.Workers = 1
	sc.Kinds = map[Kind]Constructor{Hostile: func(seat Seat, sc *Scenario, now sds.Time) (Participant, error) {
		p, err := newLiar(seat, sc, now)
		return &captive{p.(*liar), note}, err
	}}
}

func TestAttacks(t *testing.T) {
	for _, attack := range allAttacks {
		t.Run(string(attack), func(t *testing.T) {
			sc := small(20, 0.05)
			sc.Mix = Mix{Hostile: 0.2, Attacks: []Attack{attack}, AttackEvery: 4 * time.Second}
			sc.Authenticated = true
			lies, of := 0, 0
			known := map[sds.MessageID]bool{}
			sc.watchLiars(func(l *liar, p sds.Packet) {
				lies++
				m, err := wire.Decode(p.Payload)
				if err != nil {
					t.Fatalf("a lie that nobody can read: %v", err)
				}
				if trust := sds.VerifyID(&m); trust != sds.Verified {
					t.Errorf("the id of a lie is %v", trust)
				}
				for _, h := range l.heard {
					known[h.id] = true
				}
				unknown := 0
				for _, e := range append(m.CausalHistory, m.RepairRequest...) {
					if !known[e.MessageID] {
						unknown++
					}
				}
				ext, _ := wire.ParseExtension(m.Extension)
				is := map[Attack]bool{
					AttackAcks:         m.SenderID != l.seat.ID && m.Kind() == wire.Sync && len(m.CausalHistory) == 1 && unknown == 0,
					AttackParents:      unknown >= 16 && m.SenderID == l.seat.ID,
					AttackClocks:       m.Kind() == wire.Content && m.Lamport > uint64(start)+120_000,
					AttackRequests:     len(m.RepairRequest) > unknown && unknown == 4,
					AttackFingerprints: ext.HasFingerprint && unknown == 0 && m.SenderID == l.seat.ID,
				}
				if is[attack] {
					of++
				}
			})
			r := run(t, sc)
			// 4 liars for 3 minutes, a lie every 4 s: 180, less those before they heard
			// anything.
			if lies < 120 || lies > 240 || of != lies {
				t.Errorf("%d lies, of them %d of this kind", lies, of)
			}
			if !r.Consistent || r.FalseAcks != 0 || r.Unrepaired != 0 || r.Bytes.Hostile == 0 {
				t.Errorf("consistent %v, %d false acknowledgements, %d unrepaired", r.Consistent, r.FalseAcks, r.Unrepaired)
			}
		})
	}
}

// Without the authenticator forged acknowledgements are believed, and counted as
// what they are.
func TestFalseAcknowledgementsAreSeen(t *testing.T) {
	sc := small(20, 0.3)
	sc.Mix = Mix{Hostile: 0.2, Attacks: []Attack{AttackAcks}, AttackEvery: time.Second}
	if r := run(t, sc); r.FalseAcks == 0 {
		t.Error("forged acknowledgements of messages that a third of the members lost were all true")
	}
	sc.Authenticated = true
	r := run(t, sc)
	if r.FalseAcks != 0 {
		t.Errorf("%d with the authenticator", r.FalseAcks)
	}
	if r.Refused == 0 {
		t.Error("nothing was refused")
	}
}

// dreamer counts a member that is never there in each first receipt, and itself.
type dreamer struct {
	*ours
	told map[sds.MessageID]bool
	n    *int
}

func (d *dreamer) Drain(now sds.Time, out *Outputs) bool {
	any := d.ours.Drain(now, out)
	if !any {
		return false
	}
	out.Receipts = append([]sds.Receipt{}, out.Receipts...)
	for i := range out.Receipts {
		if r := &out.Receipts[i]; !d.told[r.ID] {
			d.told[r.ID] = true
			r.Persons = append(append([]sds.PersonID{}, r.Persons...), sds.PersonID(memberID(3)), "nobody")
			*d.n++
		}
	}
	return true
}

func TestDreamsAreFalseAcknowledgements(t *testing.T) {
	sc := small(10, 0)
	sc.Workers = 1
	sc.Faults = []Fault{{Kind: FaultOffline, Members: []int{3}}}
	n := 0
	sc.Kinds = map[Kind]Constructor{Ours: func(seat Seat, sc *Scenario, now sds.Time) (Participant, error) {
		o, err := openOurs(seat, sc, now)
		return &dreamer{o, map[sds.MessageID]bool{}, &n}, err
	}}
	if r := run(t, sc); n == 0 || r.FalseAcks != n || r.FalseAcks != r.Messages {
		t.Errorf("%d dreams, %d false acknowledgements, %d messages", n, r.FalseAcks, r.Messages)
	}
}
