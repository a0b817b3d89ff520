package sds

import (
	"fmt"
	"math/rand"
	"os"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
)

// durableMatches compares what a host has written with what the channel holds.
func durableMatches(c *Channel, s *State) error {
	var sum Sum
	n, maxPos := 0, Position(0)
	seenPos := map[Position]bool{}
	for _, m := range s.Messages {
		if m.State == StateLogged {
			n++
			if seenPos[m.Position] {
				return fmt.Errorf("position %d twice", m.Position)
			}
			seenPos[m.Position] = true
			maxPos = max(maxPos, m.Position)
			if !m.Foreign {
				sum.Add(m.Leaf)
			}
		}
	}
	if n != int(s.Meta.Position) || maxPos != s.Meta.Position {
		return fmt.Errorf("%d logged, max %d, meta %d", n, maxPos, s.Meta.Position)
	}
	if sum != s.Meta.Sum {
		return fmt.Errorf("the sum is not that of the log")
	}
	for id := range c.parked {
		if s.Messages[id].State != StateParked {
			return fmt.Errorf("parked %s is recorded as %d", id, s.Messages[id].State)
		}
	}
	for id, m := range s.Messages {
		if m.State == StateParked && c.parked[id] == nil {
			return fmt.Errorf("recorded as parked but not in memory %s", id)
		}
	}
	for id := range c.skipped {
		if c.parked[id] == nil && s.Messages[id].State != StateGap {
			return fmt.Errorf("gap %s recorded as %d", id, s.Messages[id].State)
		}
	}
	for id, a := range c.awaited {
		if a.reported && !a.skipped && c.parked[id] == nil && s.Messages[id].State != StateMissing {
			return fmt.Errorf("missing %s recorded as %d", id, s.Messages[id].State)
		}
	}
	for id, m := range s.Messages {
		if m.State == StateMissing && (c.awaited[id] == nil || c.awaited[id].skipped) {
			return fmt.Errorf("recorded as missing, and nobody misses it: %s", id)
		}
	}
	for id := range c.nodes {
		if s.Messages[id].State != StateLogged {
			return fmt.Errorf("node %s recorded %d", id, s.Messages[id].State)
		}
	}
	for _, id := range s.Meta.Heads {
		if c.nodes[id] == nil || !c.nodes[id].head {
			return fmt.Errorf("%s is a durable head and not one in memory", id)
		}
	}
	if len(s.Meta.Heads) != len(c.heads) {
		return fmt.Errorf("heads %d durable %d", len(c.heads), len(s.Meta.Heads))
	}
	for _, n := range c.heads {
		if c.nodes[n.id] != n {
			return fmt.Errorf("head not in nodes")
		}
	}
	for _, a := range c.awaited {
		if c.nodes[a.id] != nil {
			return fmt.Errorf("awaited but in log %s", a.id)
		}
	}
	for id, o := range c.outgoing {
		r, ok := s.Outgoing[id]
		if !ok || o.sequence != r.Sequence || len(s.Seen[id]) != o.count {
			return fmt.Errorf("outgoing %s: %v seen %d count %d", id, ok, len(s.Seen[id]), o.count)
		}
	}
	if len(s.Outgoing) != len(c.outgoing) {
		return fmt.Errorf("outgoing %d durable %d", len(c.outgoing), len(s.Outgoing))
	}
	bytes := 0
	for _, q := range c.parked {
		bytes += q.cost()
	}
	if bytes != c.parkedBytes {
		return fmt.Errorf("%d bytes are parked and %d counted", bytes, c.parkedBytes)
	}
	return nil
}

// spec R24 R90: random lives of one member, in all dialects, with failed commits,
// crashes, late answers to lookups and time offline: after every commit what is
// durable is what the channel holds, and in the end it has everything. A failure
// names its seed.
func TestDurableState(t *testing.T) {
	seeds := int64(20)
	if os.Getenv("CAUSEWAY_NIGHTLY") == "1" {
		seeds = 2000
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			randomLife(t, seed, rand.New(rand.NewSource(seed)), func(step int) bool { return step < 300 })
		})
	}
}

// randomLife is a life of a channel in which r decides what happens: messages come,
// in any order or not at all, are sent, time goes by, connections and commits break,
// the host crashes. At all times what is durable is what is in memory, and in the end
// everything is in the log.
func randomLife(t *testing.T, seed int64, r *rand.Rand, goesOn func(step int) bool) {
	dialect := Dialect(r.Intn(3))
	if r.Intn(2) == 0 {
		dialect = LIP
	}
	mem := map[ParticipantID]PersonID{"me": "me", "p0": "p0", "p1": "p1", "p2": "p2"}
	cfg := Config{Channel: "room", Participant: "me", Seed: uint64(seed), Dialect: dialect, Window: []int{3, 10, 1000}[r.Intn(3)], GapAfter: 10 * time.Second,
		LostAfter: 60 * time.Second, Roster: &Roster{Members: mem}, MaxParents: 4}
	if r.Intn(3) == 0 {
		cfg.JoinPoint = uint64(testStart) + 5000
	}
	now := testStart
	c, err := New(cfg, now)
	if err != nil {
		t.Fatal(err)
	}
	var s State
	bytes := map[MessageID]wire.Message{}
	var all []wire.Message
	var lookups []MessageID
	lastLamport, lastSeq := uint64(0), uint64(0)
	online := true
	commit := func() {
		if r.Intn(10) == 0 {
			c.Ready() // fails
		}
		rd := c.Ready()
		s.Apply(rd.Changes)
		lookups = append(lookups, rd.Lookups...)
		for _, p := range rd.Packets {
			if p.Payload == nil {
				if _, ok := bytes[p.ID]; !ok {
					t.Errorf("packet %v without bytes", p.Class)
				}
				continue
			}
			m, err := wire.Decode(p.Payload)
			if err != nil {
				t.Fatal(err)
			}
			bytes[m.MessageID] = m
			if p.Class == ClassContent {
				e, _ := wire.ParseExtension(m.Extension)
				if e.Sequence <= lastSeq {
					t.Errorf("sequence %d after %d", e.Sequence, lastSeq)
				}
				lastSeq = e.Sequence
				all = append(all, m)
			} else if m.HasLamport {
				if m.Lamport <= lastLamport {
					t.Errorf("lamport again")
				}
				lastLamport = m.Lamport
			}
		}
		c.Advance()
		for _, p := range rd.Packets {
			c.Handed(now, p.Serial, nil, nil)
		}
		if err := durableMatches(c, &s); err != nil && cfg.JoinPoint == 0 {
			t.Errorf("seed %d dialect %v window %d: %v", seed, dialect, cfg.Window, err)
			t.FailNow()
		}
	}
	for step := 0; goesOn(step); step++ {
		now = now.Add(time.Duration(r.Intn(3000)) * time.Millisecond)
		switch k := r.Intn(20); {
		case k < 8: // make a message of others
			m := wire.Message{Dialect: dialect.wire(), SenderID: ParticipantID(fmt.Sprint("p", r.Intn(4))), ChannelID: "room", HasLamport: true,
				Content: []byte(fmt.Sprint(seed, step))}
			if r.Intn(12) == 0 {
				m.Dialect = []wire.Dialect{wire.LIP, wire.Nim}[r.Intn(2)]
			}
			m.Lamport = dialect.floor(now)
			for range r.Intn(4) {
				if len(all) > 0 {
					p := all[max(0, len(all)-1-r.Intn(12))]
					m.CausalHistory = append(m.CausalHistory, HistoryEntry{MessageID: p.MessageID})
					m.Lamport = max(m.Lamport, p.Lamport+1)
				}
			}
			if r.Intn(15) == 0 {
				m.CausalHistory = append(m.CausalHistory, HistoryEntry{MessageID: invented(r.Intn(5), 1)[0]})
			}
			if r.Intn(25) == 0 {
				m.Lamport += 200_000
			}
			m.MessageID = NewMessageID("room", m.SenderID, m.Lamport, m.CausalHistory, m.Content)
			all = append(all, m)
			if r.Intn(3) == 0 {
				break // lost
			}
			fallthrough
		case k < 11:
			if len(all) == 0 {
				break
			}
			m := all[len(all)-1]
			if k >= 8 {
				m = all[r.Intn(len(all))]
			}
			if m.SenderID == "me" && r.Intn(2) == 0 {
				break
			}
			bytes[m.MessageID] = m
			receive(t, c, now, m)
		case k < 13:
			if _, err := c.Send(now, []byte(fmt.Sprint("mine", seed, step)), SendOptions{Want: Everyone}); err != nil {
				t.Fatal(err)
			}
		case k < 14: // a sync
			if len(all) == 0 {
				break
			}
			m := wire.Message{Dialect: dialect.wire(), SenderID: ParticipantID(fmt.Sprint("p", r.Intn(3))), ChannelID: "room", HasLamport: true,
				Lamport: dialect.floor(now), MessageID: MessageID(fmt.Sprint("sync-", step)), CausalHistory: []HistoryEntry{{MessageID: all[r.Intn(len(all))].MessageID}},
				RepairRequest: []HistoryEntry{{MessageID: all[r.Intn(len(all))].MessageID}}}
			if dialect != Nim {
				receive(t, c, now, m)
			}
		case k < 15:
			online = !online
			c.SetOnline(now, online)
		case k < 16:
			now = now.Add(time.Duration(r.Intn(60)) * time.Second)
			c.Tick(now)
		case k < 17 && step > 20: // crash
			commit()
			s2 := s.Clone()
			old := c.Meta()
			cfg.StartOffline = !online
			c, err = Restore(cfg, s2, func(id MessageID) (wire.Message, error) { return bytes[id], nil }, now)
			if err != nil {
				t.Fatal(err)
			}
			lookups = nil
			if c.Meta().Position < old.Position {
				t.Fatal("position back")
			}
		default:
			c.Tick(now)
		}
		if r.Intn(3) > 0 {
			commit()
			if r.Intn(2) == 0 {
				var res []Lookup
				for _, id := range lookups {
					m, ok := s.Messages[id]
					res = append(res, Lookup{ID: id, Known: ok && m.State == StateLogged, Sender: m.Sender, Reach: m.Reach})
				}
				lookups = nil
				c.Found(now, res)
			}
		}
	}
	// converge: everything is received
	if !online {
		c.SetOnline(now, true)
	}
	for range 3 {
		for _, m := range all {
			bytes[m.MessageID] = m
			receive(t, c, now, m)
			commit()
			var res []Lookup
			for _, id := range lookups {
				m, ok := s.Messages[id]
				res = append(res, Lookup{ID: id, Known: ok && m.State == StateLogged, Sender: m.Sender, Reach: m.Reach})
			}
			lookups = nil
			c.Found(now, res)
			commit()
		}
		now = now.Add(10 * time.Minute)
		c.Tick(now)
		commit()
	}
	for _, m := range all {
		rec := s.Messages[m.MessageID]
		if rec.State != StateLogged && !(cfg.JoinPoint > 0 && m.Lamport <= s.Meta.Base) {
			t.Errorf("seed %d dialect %v window %d: %s of %s at %d ended in state %d (own %v, quarantine %v)", seed, dialect, cfg.Window, m.MessageID, m.SenderID, m.Lamport, rec.State, m.SenderID == "me", m.Lamport > uint64(now)+60000)
			return
		}
	}
}
