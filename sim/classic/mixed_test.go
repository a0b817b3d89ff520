package classic

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// mixed is a group of two participants of Causeway (0 and 1) and two deployed ones
// (2 and 3), who exchange bytes. Packets take 100 ms.
type mixed struct {
	t       *testing.T
	now     sds.Time
	ours    []*sds.Channel
	classic []*Peer
	bytes   map[sds.MessageID][]byte
	flying  []struct {
		at      sds.Time
		to      int
		payload []byte
	}
	lost     map[sds.MessageID]int // to whom the next copy of a message is lost
	cut      [4]bool
	has      [4]map[sds.MessageID]bool
	acked    map[sds.MessageID]Ack
	receipts map[sds.MessageID]sds.Receipt
	sent     [4]map[sds.Class]int
}

func newMixed(t *testing.T, f Flavour) *mixed {
	t.Helper()
	m := &mixed{t: t, now: start, bytes: map[sds.MessageID][]byte{}, lost: map[sds.MessageID]int{},
		acked: map[sds.MessageID]Ack{}, receipts: map[sds.MessageID]sds.Receipt{}}
	for i := range 4 {
		m.has[i], m.sent[i] = map[sds.MessageID]bool{}, map[sds.Class]int{}
	}
	dialect := map[Flavour]sds.Dialect{JS: sds.JS, Nim: sds.Nim}[f]
	for i := range 2 {
		c, err := sds.New(sds.Config{Channel: "general", Participant: name(i), Dialect: dialect, Seed: uint64(i)}, start)
		if err != nil {
			t.Fatal(err)
		}
		m.ours = append(m.ours, c)
	}
	for i := range 2 {
		m.classic = append(m.classic, newPeer(t, Config{Channel: "general", Participant: name(2 + i), Flavour: f, Seed: 1}))
	}
	return m
}

func (m *mixed) broadcast(from int, class sds.Class, id sds.MessageID, payload []byte) {
	if payload == nil {
		payload = m.bytes[id]
	}
	if m.cut[from] {
		return
	}
	m.sent[from][class]++
	for to := range 4 {
		if l, ok := m.lost[id]; to == from || m.cut[to] || ok && l == to {
			delete(m.lost, id)
			continue
		}
		m.flying = append(m.flying, struct {
			at      sds.Time
			to      int
			payload []byte
		}{m.now.Add(100 * time.Millisecond), to, payload})
	}
}

func (m *mixed) drain() {
	for i, c := range m.ours {
		r := c.Ready()
		for _, a := range r.Receipts {
			m.receipts[a.ID] = a
		}
		for _, d := range r.Deliveries {
			m.has[i][d.ID] = true
		}
		packets := slices.Clone(r.Packets)
		c.Advance()
		for _, p := range packets {
			if p.Payload != nil {
				m.bytes[p.ID] = p.Payload
			}
			m.broadcast(i, p.Class, p.ID, p.Payload)
			c.Handed(m.now, p.Serial, nil, nil)
		}
	}
	for i, c := range m.classic {
		r := c.Ready()
		for _, a := range r.Acked {
			if a.Proof != Possibly {
				m.acked[a.ID] = a
			}
		}
		for _, d := range r.Deliveries {
			m.has[2+i][d.ID] = true
		}
		for _, p := range r.Packets {
			m.broadcast(2+i, p.Class, p.ID, p.Bytes())
		}
	}
}

func (m *mixed) run(d time.Duration) {
	for end := m.now.Add(d); m.now < end; m.now += 20 {
		for i := 0; i < len(m.flying); i++ {
			if f := m.flying[i]; f.at <= m.now {
				m.flying = slices.Delete(m.flying, i, i+1)
				i--
				m.receive(f.to, f.payload)
			}
		}
		for _, c := range m.ours {
			if at, ok := c.Deadline(); ok && at <= m.now {
				c.Tick(m.now)
			}
		}
		for _, c := range m.classic {
			c.Tick(m.now)
		}
		m.drain()
	}
}

func (m *mixed) receive(to int, payload []byte) {
	msg, err := wire.Decode(payload)
	if err != nil {
		m.t.Fatal(err)
	}
	m.bytes[msg.MessageID] = payload // nim-sds has syncs repaired, too
	if to >= 2 {
		m.classic[to-2].Receive(m.now, &msg)
		return
	}
	if err := m.ours[to].Receive(m.now, msg, sds.Origin{}); err != nil {
		m.t.Fatalf("%s from %s: %v", msg.MessageID, msg.SenderID, err)
	}
}

// say sends content of a member; its copy for lostFor, if not negative, is lost.
func (m *mixed) say(i int, text string, lostFor int) sds.MessageID {
	m.t.Helper()
	var id sds.MessageID
	var err error
	if i < 2 {
		id, err = m.ours[i].Send(m.now, []byte(text), sds.SendOptions{})
	} else {
		id, err = m.classic[i-2].Send(m.now, []byte(text))
	}
	if err != nil {
		m.t.Fatal(err)
	}
	if lostFor >= 0 {
		m.lost[id] = lostFor
	}
	m.drain()
	return id
}

func (m *mixed) offline(i int, off bool) {
	m.cut[i] = off
	if i < 2 {
		m.ours[i].SetOnline(m.now, !off)
	} else {
		m.classic[i-2].SetOnline(m.now, !off)
	}
}

// TestMixedGroup: in either dialect Causeway reads, acknowledges and repairs what
// the deployed participants send, and they what Causeway sends.
func TestMixedGroup(t *testing.T) {
	for _, f := range []Flavour{JS, Nim} {
		t.Run(f.String(), func(t *testing.T) {
			m := newMixed(t, f)
			var ids []sds.MessageID
			for i := range 4 {
				ids = append(ids, m.say(i, fmt.Sprint("hello from ", i), -1))
				m.run(10 * time.Second)
			}
			ids = append(ids, m.causewayRepairs()...)
			ids = append(ids, m.deployedRepair()...)
			for range 3 {
				ids = append(ids, m.round()...)
			}
			m.round()
			for i := range 4 {
				if i == 2 && f == Nim {
					// It was away, and does not catch up: it asks for three messages with
					// each of its own, first for those that it has and that wait, and
					// forgets requests that had no turn in time.
					continue
				}
				for _, id := range ids {
					if !m.has[i][id] {
						t.Errorf("%d has not delivered %s", i, id)
					}
				}
			}
			m.checkAcks(ids)
			if n := m.sent[2][sds.ClassSync] + m.sent[3][sds.ClassSync]; (n > 0) != (f == JS) {
				t.Errorf("the deployed ones sent %d syncs", n)
			}
		})
	}
}

// causewayRepairs: a deployed participant loses what only Causeway can repair,
// since its sender goes.
func (m *mixed) causewayRepairs() []sds.MessageID {
	lost := m.say(2, "lost to a deployed one", 3)
	m.run(time.Second)
	m.offline(2, true)
	names := m.say(0, "that names it", -1)
	m.run(310 * time.Second)
	asks := m.say(3, "that asks for it", -1)
	m.run(310 * time.Second)
	if !m.has[3][lost] {
		m.t.Error("Causeway did not repair")
	}
	m.offline(2, false)
	return []sds.MessageID{lost, names, asks}
}

// deployedRepair: a participant of Causeway loses what only the deployed ones can
// repair, while the other is away.
func (m *mixed) deployedRepair() []sds.MessageID {
	m.offline(0, true)
	lost := m.say(3, "lost to one of ours", 1)
	m.run(time.Second)
	names := m.say(2, "after it", -1)
	m.run(5 * time.Minute)
	if !m.has[1][lost] {
		m.t.Error("the deployed ones did not repair")
	}
	m.offline(0, false)
	return []sds.MessageID{lost, names}
}

// round lets everybody speak, and passes the time in which nim-sds asks and
// answers.
func (m *mixed) round() (ids []sds.MessageID) {
	for i := range 4 {
		ids = append(ids, m.say(i, fmt.Sprint("at ", m.now), -1))
		m.run(5 * time.Second)
	}
	m.run(310 * time.Second)
	return ids
}

// checkAcks: each message is acknowledged, none because
// the attempts were used up.
func (m *mixed) checkAcks(ids []sds.MessageID) {
	m.t.Helper()
	ours, theirs := 0, 0
	for _, id := range ids {
		a, r := m.acked[id], m.receipts[id]
		switch {
		case a.Proof == Exhausted:
			m.t.Errorf("%s was given up", id)
		case a.By != "":
			theirs++
		case r.Level >= sds.LevelSeen:
			ours++
		}
	}
	if ours+theirs < len(ids) || ours == 0 || theirs == 0 {
		m.t.Errorf("of %d messages acknowledged: %d of ours, %d of theirs", len(ids), ours, theirs)
	}
}
