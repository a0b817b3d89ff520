package sds

import (
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
)

// spec R62: where ids are opaque, what one sender alone names is asked for only
// if the host says that anybody's word will do.
func TestTrustNames(t *testing.T) {
	for _, trust := range []bool{false, true} {
		for _, sender := range []ParticipantID{"nim", ""} {
			c := testChannel(t, Nim, func(cfg *Config) { cfg.TrustNames = trust })
			receive(t, c, testStart, nimContent(sender, "0x2", uint64(testStart)/1000, "0x1"))
			c.Tick(testStart.Add(time.Minute))
			c.Tick(testStart.Add(2 * time.Minute))
			asked := false
			for _, m := range sent(t, drain(c), ClassAck) {
				for _, e := range m.RepairRequest {
					asked = asked || e.MessageID == "0x1"
				}
			}
			if asked != trust {
				t.Errorf("sender %q, TrustNames %v: asked for is %v", sender, trust, asked)
			}
		}
	}
}

// spec R62: after a restart a hole is a hole still, and whoever names it then is the
// first: one sender with ids of its own making is not enough.
func TestRestoredHoleNeedsTwo(t *testing.T) {
	names := func(sender ParticipantID, at Time) wire.Message {
		m := wire.Message{Dialect: wire.LIP, SenderID: sender, MessageID: MessageID(sender + " syncs"), ChannelID: "room",
			Lamport: uint64(at), HasLamport: true, CausalHistory: []wire.HistoryEntry{{MessageID: "x", SenderID: "author", RetrievalHint: []byte{7}}}}
		return m
	}
	c := testChannel(t, LIP, nil)
	var s State
	receive(t, c, testStart, names("bob", testStart))
	r := drain(c)
	s.Apply(r.Changes)
	if len(r.Gaps) != 1 || r.Gaps[0].State != GapMissing {
		t.Fatalf("gaps %+v", r.Gaps)
	}
	again, err := Restore(Config{Channel: "room", Participant: "me", Seed: 7}, s, nil, testStart)
	if err != nil {
		t.Fatal(err)
	}
	if missing, skipped := again.Missing(); missing != 1 || skipped != 0 {
		t.Errorf("after the restart %d are missing, %d skipped", missing, skipped)
	}
	requests := func(from Time) (n int) {
		for at := from; at < from.Add(10*time.Second); at = at.Add(time.Second) {
			again.Tick(at)
			r := drain(again)
			s.Apply(r.Changes)
			for _, p := range r.Packets {
				if m, err := wire.Decode(p.Payload); err == nil {
					n += len(m.RepairRequest)
				}
			}
			if len(r.Gaps) > 0 {
				t.Errorf("again: %+v", r.Gaps)
			}
		}
		return n
	}
	receive(t, again, testStart, names("bob", testStart+1))
	if n := requests(testStart); n > 0 {
		t.Errorf("%d requests for what one names", n)
	}
	later := testStart.Add(10 * time.Second)
	receive(t, again, later, names("carol", later))
	if n := requests(later); n == 0 {
		t.Error("no request for what two name")
	}
	if err := durableMatches(again, &s); err != nil {
		t.Error(err)
	}
}

// GiveUp ends a wait at once and for good; a late arrival takes its place.
func TestGiveUp(t *testing.T) {
	c := testChannel(t, Nim, nil)
	seconds := uint64(testStart) / 1000
	receive(t, c, testStart, nimContent("nim", "0x3", seconds+2, "0x2"))
	receive(t, c, testStart, nimContent("nim", "0x2", seconds+1, "0x1")) // here, and waits itself
	c.GiveUp(testStart, "0x9")                                           // nothing waits for it
	c.GiveUp(testStart, "0x1")
	r := drain(c)
	if len(r.Deliveries) != 2 || r.Deliveries[0].ID != "0x2" || r.Deliveries[1].ID != "0x3" || len(r.Deliveries[0].Gaps) != 1 {
		t.Fatalf("deliveries %+v, want 0x2 with a gap, then 0x3", r.Deliveries)
	}
	if n := len(r.Gaps); n == 0 || r.Gaps[n-1].State != GapLost {
		t.Errorf("gaps %+v", r.Gaps)
	}
	if s := c.Sizes(); s.Awaited != 0 || s.Parked != 0 {
		t.Errorf("still waiting: %+v", s)
	}
	receive(t, c, testStart, nimContent("nim", "0x1", seconds))
	if d := drain(c).Deliveries; len(d) != 1 || !d[0].Late {
		t.Errorf("late arrival delivered as %+v", d)
	}
}

// What is here and waits itself is no longer waited for either.
func TestGiveUpParked(t *testing.T) {
	c := testChannel(t, Nim, nil)
	seconds := uint64(testStart) / 1000
	receive(t, c, testStart, nimContent("nim", "0x2", seconds+1, "0x1"))
	receive(t, c, testStart, nimContent("nim", "0x3", seconds+2, "0x2"))
	c.GiveUp(testStart, "0x2")
	if d := drain(c).Deliveries; len(d) != 1 || d[0].ID != "0x3" {
		t.Fatalf("deliveries %+v, want 0x3", d)
	}
	receive(t, c, testStart, nimContent("nim", "0x1", seconds))
	if d := drain(c).Deliveries; len(d) != 2 || d[0].ID != "0x1" || d[1].ID != "0x2" || !d[1].Late {
		t.Errorf("deliveries %+v, want 0x1, then 0x2 late", d)
	}
}
