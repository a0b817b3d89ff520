package crowd

import (
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sim/classic"
)

// deployed is a member that runs package classic.
type deployed struct {
	peer     *classic.Peer
	gaps     []sds.Gap
	packets  []sds.Packet
	receipts []sds.Receipt
	seen     map[sds.MessageID]int
	more     map[sds.MessageID]bool // wanted
}

func newDeployed(seat Seat, sc *Scenario, now sds.Time) (Participant, error) {
	cfg := classic.Config{Channel: seat.Channel, Participant: seat.ID, Seed: seat.Seed}
	if sc.Mix.Flavour == sds.Nim.String() {
		cfg.Flavour = classic.Nim
	}
	peer, err := classic.New(cfg, now)
	if err != nil {
		return nil, err
	}
	return &deployed{peer: peer, seen: map[sds.MessageID]int{}, more: map[sds.MessageID]bool{}}, nil
}

// Send sends as ever: a deployed peer knows one want, that anybody has it. Of what
// wants more, nothing is ever heard.
func (d *deployed) Send(now sds.Time, content []byte, want sds.Want) (sds.MessageID, error) {
	id, err := d.peer.Send(now, content)
	if err == nil && want.Kind != sds.WantOne {
		d.more[id] = true
	}
	return id, err
}

// Receive hands it over unchecked: deployed peers do not know who sent what.
func (d *deployed) Receive(now sds.Time, p *Packet) error {
	d.peer.ReceivePrepared(now, p.Classic)
	return nil
}

func (d *deployed) Tick(now sds.Time) { d.peer.Tick(now) }

func (d *deployed) Deadline() (sds.Time, bool) { return d.peer.Deadline() }

func (d *deployed) SetOnline(now sds.Time, online bool) { d.peer.SetOnline(now, online) }

func (d *deployed) Drain(_ sds.Time, out *Outputs) bool {
	r := d.peer.Ready()
	if r.Empty() {
		return false
	}
	d.packets, d.gaps, d.receipts = d.packets[:0], d.gaps[:0], d.receipts[:0]
	for _, p := range r.Packets {
		d.packets = append(d.packets, sds.Packet{Class: p.Class, ID: p.ID, Payload: p.Bytes()})
	}
	for _, id := range r.Missing {
		d.gaps = append(d.gaps, sds.Gap{ID: id, State: sds.GapMissing})
	}
	for _, a := range r.Acked {
		d.acked(a)
	}
	*out = Outputs{Packets: d.packets, Arrivals: r.Arrivals, Deliveries: r.Deliveries, Gaps: d.gaps, Receipts: d.receipts}
	return true
}

// acked takes what the peer tells its application: the message is there. It does
// not say with whom, but we know whose message it took for the proof.
func (d *deployed) acked(a classic.Ack) {
	if a.Proof == classic.Possibly {
		return
	}
	r := sds.Receipt{ID: a.ID, Level: sds.LevelReached, Claimed: true}
	if a.By != "" {
		d.seen[a.ID]++
		r.Persons = []sds.PersonID{sds.PersonID(a.By)}
	}
	r.Seen = d.seen[a.ID]
	if d.more[a.ID] {
		r.Level = sds.LevelSeen
	}
	d.receipts = append(d.receipts, r)
}
