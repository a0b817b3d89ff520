package sds

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
)

// replace sends a message about a subject as a host does whose queue still holds
// what was not handed.
func replace(t *testing.T, c *Channel, now Time, text, subject string, s *State) MessageID {
	t.Helper()
	o := SendOptions{Replace: subject}
	if id, _, ok := c.Replaceable(subject); ok {
		o.Withdraw = id
	}
	id, err := c.Send(now, []byte(text), o)
	if err != nil {
		t.Fatal(err)
	}
	if s != nil {
		s.Apply(c.Ready().Changes)
	}
	return id
}

// spec R131: a version that has not left is taken out of the log, its number is
// given again, and the next names what it named.
func TestWithdraw(t *testing.T) {
	for _, online := range []bool{false, true} {
		c := testChannel(t, LIP, func(cfg *Config) { cfg.StartOffline = !online })
		var s State
		theirs := lip("bob", uint64(testStart), "theirs")
		receive(t, c, testStart, theirs)
		s.Apply(drain(c).Changes)
		before := c.Meta()
		old := replace(t, c, testStart, "on", "heart", &s)
		c.Advance()
		id := replace(t, c, testStart, "off", "heart", &s)
		r := c.Ready()
		c.Advance()
		if len(s.Log()) != 2 || s.Log()[1].ID != id || c.Has(old) {
			t.Fatalf("online %v: the log is %v", online, s.Log())
		}
		if got := s.Log()[1].Parents; !slices.Equal(got, []MessageID{theirs.MessageID}) {
			t.Errorf("online %v: it names %v", online, got)
		}
		if got := headIDs(c); !slices.Equal(got, []MessageID{id}) {
			t.Errorf("online %v: heads %v", online, got)
		}
		var sum Sum
		for _, m := range s.Log() {
			sum.Add(m.Leaf)
		}
		if c.Meta().Sum != sum {
			t.Errorf("online %v: the sum is not that of the log", online)
		}
		if c.Meta().Position != before.Position+2 {
			t.Errorf("online %v: position %d given again", online, before.Position+1)
		}
		i := slices.IndexFunc(r.Receipts, func(r Receipt) bool { return r.ID == old })
		if i < 0 || r.Receipts[i].Superseded != id || r.Receipts[i].Level != LevelQueued {
			t.Errorf("online %v: receipts %+v", online, r.Receipts)
		}
		if !online {
			c.SetOnline(testStart, true)
			r = drain(c)
			s.Apply(r.Changes)
		}
		all := sent(t, r, ClassContent)
		e, err := wire.ParseExtension(all[len(all)-1].Extension)
		if len(all) != 1 || err != nil || e.Sequence != 1 || string(all[0].Content) != "off" {
			t.Errorf("online %v: %d left, the last with sequence %d", online, len(all), e.Sequence)
		}
		again, err := Restore(c.cfg, s, nil, testStart)
		if err != nil {
			t.Fatal(err)
		}
		if again.Meta().Sum != sum || again.Meta().Sequence != 1 || again.Has(old) {
			t.Errorf("online %v: restored with %+v", online, again.Meta())
		}
		if got, _, ok := again.Replaceable("heart"); ok {
			t.Errorf("online %v: %s may have left before the restart", online, got)
		}
	}
}

// spec R131: what may have left, or is named by something else, stays.
func TestNotWithdrawn(t *testing.T) {
	for name, after := range map[string]func(c *Channel, packet Packet){
		"it was handed over": func(c *Channel, p Packet) { c.Handed(testStart, p.Serial, nil, nil) },
		"it failed, and goes again": func(c *Channel, p Packet) {
			c.Handed(testStart, p.Serial, nil, errors.New("offline"))
			c.Tick(testStart.Add(10 * time.Second))
		},
		"another message names it": func(c *Channel, p Packet) { say(t, c, testStart, "next", SendOptions{}) },
		"a sync names it":          func(c *Channel, p Packet) { c.SetOnline(testStart, false); c.SetOnline(testStart, true) },
		"somebody has it":          func(c *Channel, p Packet) { receive(t, c, testStart, lip("bob", uint64(testStart)+9, "seen", p.ID)) },
		"a store has it":           func(c *Channel, p Packet) { c.Stored(testStart, p.ID, nil) },
	} {
		c := testChannel(t, LIP, nil)
		old, err := c.Send(testStart, []byte("on"), SendOptions{Replace: "heart"})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, ok := c.Replaceable("heart"); ok {
			t.Errorf("%s: withdrawn in the turn that makes it", name)
		}
		after(c, drain(c).Packets[0])
		drain(c)
		if _, _, ok := c.Replaceable("heart"); ok {
			t.Errorf("%s: withdrawn", name)
		}
		if _, err := c.Send(testStart, []byte("off"), SendOptions{Replace: "heart", Withdraw: old}); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: error %v", name, err)
		}
		id := replace(t, c, testStart, "off", "heart", nil)
		if r, ok := c.Receipt(old); !c.Has(old) || ok && r.Superseded != id {
			t.Errorf("%s: receipt %+v", name, r)
		}
	}
}

// spec R132: a superseded message is not sent again by itself, and is when
// somebody asks for it.
func TestSupersededIsRepaired(t *testing.T) {
	c := testChannel(t, LIP, nil)
	old := say(t, c, testStart, "on", SendOptions{Replace: "heart"})
	newer := say(t, c, testStart, "off", SendOptions{Replace: "heart"})
	other := say(t, c, testStart, "on", SendOptions{Replace: "thumb"})
	for serial := uint64(1); serial <= c.serial; serial++ {
		c.Handed(testStart, serial, nil, nil)
	}
	resent := map[MessageID]int{}
	now := testStart
	for range 600 {
		now = now.Add(time.Second)
		c.Tick(now)
		for _, p := range drain(c).Packets {
			if p.Class == ClassResend || p.Class == ClassContent {
				resent[p.ID]++
			}
		}
	}
	if resent[old.MessageID] != 0 || resent[newer.MessageID] == 0 || resent[other.MessageID] == 0 {
		t.Errorf("resent %v, the superseded one is %s", resent, old.MessageID)
	}
	if r, _ := c.Receipt(old.MessageID); r.Superseded != newer.MessageID || r.Undelivered {
		t.Errorf("receipt %+v", r)
	}
	receive(t, c, now, wire.Message{Dialect: wire.LIP, SenderID: "bob", ChannelID: "room", MessageID: "sync-9", Lamport: uint64(now),
		HasLamport: true, RepairRequest: []wire.HistoryEntry{{MessageID: old.MessageID, SenderID: "me"}}})
	for range 60 {
		now = now.Add(time.Second)
		c.Tick(now)
		for _, p := range drain(c).Packets {
			if p.Class == ClassRepair && p.ID == old.MessageID {
				return
			}
		}
	}
	t.Error("not repaired")
}

// spec R130
func TestReplaceBounds(t *testing.T) {
	c := testChannel(t, LIP, nil)
	for name, o := range map[string]SendOptions{
		"Replace":   {Replace: strings.Repeat("x", MaxSubject+1)},
		"ephemeral": {Replace: "x", Ephemeral: true},
		"Withdraw":  {Replace: "x", Withdraw: "c1nothing"},
		"Priority":  {Priority: 2},
	} {
		if _, err := c.Send(testStart, []byte("x"), o); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := c.Send(testStart, []byte("x"), SendOptions{Replace: strings.Repeat("x", MaxSubject), Priority: PriorityHigh}); err != nil {
		t.Error(err)
	}
	if p := drain(c).Packets[0]; p.Priority != PriorityHigh {
		t.Errorf("packet %+v", p)
	}
}

// Members agree on fingerprints after versions were withdrawn, so that what was
// sent is acknowledged: spec R131.
func TestWithdrawnAndAcknowledged(t *testing.T) {
	a := testChannel(t, LIP, func(c *Config) { c.Participant = "a" })
	b := testChannel(t, LIP, func(c *Config) { c.Participant, c.Seed = "b", 8 })
	now := testStart
	var last MessageID
	for i := range 3 {
		now = now.Add(time.Second)
		for j := range 4 {
			last = replace(t, a, now, string(rune('0'+4*i+j)), "thumb", nil)
			r := drain(a)
			if j == 3 {
				for _, p := range r.Packets {
					a.Handed(now, p.Serial, nil, nil)
					m, err := wire.Decode(p.Payload)
					if err != nil {
						t.Fatal(err)
					}
					receive(t, b, now, m)
				}
			}
		}
	}
	for range 30 {
		now = now.Add(time.Second)
		b.Tick(now)
		for _, p := range drain(b).Packets {
			if m, err := wire.Decode(p.Payload); err == nil {
				receive(t, a, now, m)
			}
		}
	}
	if r, ok := a.Receipt(last); ok && r.Seen == 0 {
		t.Errorf("not acknowledged: %+v", r)
	}
	if missing, _ := b.Missing(); missing != 0 {
		t.Errorf("%d missing", missing)
	}
}

func TestPriorityNames(t *testing.T) {
	for p, want := range map[Priority]string{PriorityLow: "low", PriorityNormal: "normal", PriorityHigh: "high", 2: "unknown", -2: "unknown"} {
		if p.String() != want {
			t.Errorf("priority %d is %q, want %q", int8(p), p.String(), want)
		}
	}
}
