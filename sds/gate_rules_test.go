package sds

import (
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/wire"
)

// Rules whose breach shows late or only on the wire, so that the properties of
// package sim do not notice it. The mutation gate rests on these.

// asked runs c until the given time, hearing each of others at its time, and
// returns when c asked for id.
func asked(t *testing.T, c *Channel, id MessageID, until time.Duration, others map[time.Duration]wire.Message) []time.Duration {
	t.Helper()
	var at []time.Duration
	for d := time.Duration(0); d <= until; d += 100 * time.Millisecond {
		if m, ok := others[d]; ok {
			receive(t, c, testStart.Add(d), m)
		}
		c.Tick(testStart.Add(d))
		r := drain(c)
		for _, class := range []Class{ClassRequest, ClassAck, ClassSync} {
			for _, m := range sent(t, r, class) {
				if slices.ContainsFunc(m.RepairRequest, func(e HistoryEntry) bool { return e.MessageID == id }) {
					at = append(at, d)
				}
			}
		}
	}
	return at
}

// four makes a sender and a member of a roster of four.
func four(t *testing.T) (me, bob *Channel) {
	me, bob = two(t, nil)
	for _, c := range []*Channel{me, bob} {
		c.SetRoster(&Roster{Members: map[ParticipantID]PersonID{"me": "me", "bob": "bob", "carol": "carol", "dave": "dave"}})
		drain(c)
	}
	return me, bob
}

// request is a sync of sender, a while after the beginning, that asks for ids.
func request(sender ParticipantID, after time.Duration, ids ...MessageID) wire.Message {
	m := wire.Message{Dialect: wire.LIP, SenderID: sender, ChannelID: "room", Lamport: uint64(testStart.Add(after)), HasLamport: true}
	for _, id := range ids {
		m.RepairRequest = append(m.RepairRequest, HistoryEntry{MessageID: id})
	}
	m.MessageID = newSyncID(m.ChannelID, sender, m.Lamport, nil)
	return m
}

// spec R63: somebody else asks before us and is not answered, and the group never
// falls silent. We wait longer, and ask.
func TestGateRequestSurvivesHearing(t *testing.T) {
	missing := lip("carol", uint64(testStart), "missing")
	child := lip("bob", uint64(testStart)+1, "child", missing.MessageID)
	alone := testChannel(t, LIP, nil)
	receive(t, alone, testStart, child)
	first := asked(t, alone, missing.MessageID, 20*time.Second, nil)
	if len(first) == 0 {
		t.Fatal("never asked")
	}
	c := testChannel(t, LIP, nil)
	receive(t, c, testStart, child)
	others := map[time.Duration]wire.Message{500 * time.Millisecond: request("erin", 500*time.Millisecond, missing.MessageID)}
	for d := 10 * time.Second; d < 3*time.Minute; d += 10 * time.Second {
		others[d] = request("dave", d) // somebody is there, all the time
	}
	at := asked(t, c, missing.MessageID, 3*time.Minute, others)
	if len(at) < 5 || at[0] <= first[0] {
		t.Errorf("asked at %v after somebody else did, and at %v alone", at, first)
	}
}

// spec R62: what may only be late is given a second, and the next request a
// suppression delay.
func TestGateGraceForReordering(t *testing.T) {
	missing := lip("carol", uint64(testStart), "missing")
	for seed := range uint64(50) {
		c := testChannel(t, LIP, func(cfg *Config) { cfg.Seed = seed })
		receive(t, c, testStart, lip("bob", uint64(testStart)+1, "child", missing.MessageID))
		at := asked(t, c, missing.MessageID, 20*time.Second, nil)
		latest := pace.Grace + pace.Period(c.groupSize(), time.Second) + 100*time.Millisecond
		if len(at) == 0 || at[0] < pace.Grace || at[0] > latest {
			t.Fatalf("seed %d: asked at %v, want from %v to %v", seed, at, pace.Grace, latest)
		}
	}
}

// spec R62: one sender with ids of its own choice can't make a group ask; two can.
func TestGateOneOpaqueNamerIsNotEnough(t *testing.T) {
	c := testChannel(t, LIP, nil)
	opaque := func(sender ParticipantID, after time.Duration) wire.Message {
		m := lip(sender, uint64(testStart.Add(after)), "opaque", "invented")
		m.MessageID = MessageID("opaque of " + sender)
		return m
	}
	second := 50 * time.Second
	at := asked(t, c, "invented", 2*time.Minute, map[time.Duration]wire.Message{
		0: opaque("bob", 0), time.Second: request("bob", time.Second), second: opaque("carol", second)})
	if len(at) == 0 || at[0] < second {
		t.Errorf("asked at %v, want none before %v", at, second)
	}
}

// spec R52 R53: a claim says what it lacks, so that the rest counts.
func TestGateHolesAreNamed(t *testing.T) {
	me, bob := four(t)
	first := say(t, me, testStart, "first", SendOptions{})
	hole := lip("carol", uint64(testStart)+10, "hole", first.MessageID)
	receive(t, me, testStart.Add(time.Second), hole)
	last := say(t, me, testStart.Add(2*time.Second), "last", SendOptions{})
	receive(t, bob, testStart.Add(3*time.Second), first)
	receive(t, bob, testStart.Add(3*time.Second), last)
	now := testStart.Add(time.Minute)
	bob.Tick(now) // gives the hole up
	drain(bob)
	claim := claims(t, bob, now)
	e, err := wire.ParseExtension(claim.Extension)
	if want := []uint64{ShortID("room", hole.MessageID)}; err != nil || !slices.Equal(e.Holes, want) {
		t.Fatalf("holes %x, want %x", e.Holes, want)
	}
	if receive(t, me, now, claim); seen(t, me, first) != 2 || seen(t, me, last) != 1 {
		t.Errorf("first is seen by %d, last by %d, want carol and bob, and bob", seen(t, me, first), seen(t, me, last))
	}
}

// spec R60 R65: nothing is given up while we are offline.
func TestGatePatienceStandsStillOffline(t *testing.T) {
	c := testChannel(t, LIP, nil)
	mine := say(t, c, testStart, "mine", SendOptions{})
	missing := lip("carol", uint64(testStart), "missing")
	receive(t, c, testStart, lip("bob", uint64(testStart)+1, "child", missing.MessageID))
	drain(c)
	c.SetOnline(testStart.Add(10*time.Second), false)
	back := testStart.Add(24 * time.Hour)
	c.SetOnline(back, true)
	c.Tick(back.Add(15 * time.Second)) // 25 s of 30 s and of 10 min
	r := drain(c)
	if len(r.Deliveries) != 0 || slices.ContainsFunc(r.Gaps, func(g Gap) bool { return g.State != GapMissing }) {
		t.Errorf("gave up: %+v %+v", r.Deliveries, r.Gaps)
	}
	if receipt, _ := c.Receipt(mine.MessageID); receipt.Undelivered {
		t.Error("undelivered after 25 s online")
	}
	if c.Tick(back.Add(21 * time.Second)); len(drain(c).Deliveries) != 1 {
		t.Error("still waits after 31 s online")
	}
}

// spec R67: a message is acknowledged within a suppression period, by somebody.
func TestGateFirstAcknowledgement(t *testing.T) {
	for seed := range uint64(50) {
		c := testChannel(t, LIP, func(cfg *Config) {
			cfg.Seed, cfg.Roster = seed, &Roster{Members: map[ParticipantID]PersonID{"me": "me", "bob": "bob"}}
		})
		m := lip("bob", uint64(testStart), "hello")
		receive(t, c, testStart, m)
		c.Tick(testStart.Add(pace.Period(2, time.Second)))
		acks := sent(t, drain(c), ClassAck)
		if len(acks) != 1 || !names(acks[0], m.MessageID) {
			t.Fatalf("seed %d: acknowledged by %d syncs within the period", seed, len(acks))
		}
	}
}

// spec R53: what our own log got late, over a gap, still leads to what we said:
// the sender of a claim is believed for all that the claim covers.
func TestGateLateParentsLeadToOurMessages(t *testing.T) {
	me, bob := four(t)
	mine := say(t, me, testStart, "mine", SendOptions{})
	bridge := lip("carol", uint64(testStart)+10, "bridge", mine.MessageID)
	end := lip("carol", uint64(testStart)+20, "end", bridge.MessageID)
	receive(t, me, testStart.Add(time.Second), end)
	me.Tick(testStart.Add(time.Minute)) // without the bridge
	drain(me)
	receive(t, me, testStart.Add(time.Minute), bridge)
	for _, m := range []wire.Message{mine, bridge, end} {
		receive(t, bob, testStart.Add(time.Second), m)
	}
	claim := claims(t, bob, testStart.Add(time.Minute))
	if len(claim.CausalHistory) != 1 || !names(claim, end.MessageID) {
		t.Fatalf("bob names %v", claim.CausalHistory)
	}
	if receive(t, me, testStart.Add(2*time.Minute), claim); seen(t, me, mine) != 2 {
		t.Errorf("seen by %d, want by carol and bob", seen(t, me, mine))
	}
}

// spec R64: a message that left the window is still sent to who asks for it, also
// after it was looked up as somebody's parent.
func TestGateForgottenMessagesAreAnswered(t *testing.T) {
	c := testChannel(t, LIP, func(cfg *Config) { cfg.Window = 3 })
	old := lip("bob", uint64(testStart), "old")
	receive(t, c, testStart, old)
	for i := range 6 {
		receive(t, c, testStart, lip("bob", uint64(testStart)+uint64(i)+1, "more", headIDs(c)...))
	}
	drain(c)
	know := func(now Time) {
		for _, id := range drain(c).Lookups {
			c.Found(now, []Lookup{{ID: id, Known: id == old.MessageID}})
		}
	}
	receive(t, c, testStart, lip("carol", uint64(testStart)+20, "child", old.MessageID))
	know(testStart)
	receive(t, c, testStart.Add(time.Minute), request("dave", time.Minute, old.MessageID))
	know(testStart.Add(time.Minute))
	c.Tick(testStart.Add(2 * time.Minute))
	if !slices.ContainsFunc(drain(c).Packets, func(p Packet) bool { return p.Class == ClassRepair && p.ID == old.MessageID }) {
		t.Error("no answer")
	}
}

// spec R92: while the host looks something up, nothing is due for it, however
// long that takes.
func TestGateSlowLookups(t *testing.T) {
	c := testChannel(t, LIP, func(cfg *Config) { cfg.Window = 3 })
	for i := range 6 {
		receive(t, c, testStart, lip("bob", uint64(testStart)+uint64(i), "more", headIDs(c)...))
	}
	missing := lip("carol", uint64(testStart)+20, "missing", "invented")
	receive(t, c, testStart, lip("bob", uint64(testStart)+30, "child", missing.MessageID))
	receive(t, c, testStart, missing) // waits itself
	a := c.awaited[missing.MessageID]
	if a == nil || !a.looking {
		t.Fatal("no lookup")
	}
	c.SetOnline(testStart.Add(time.Second), false)
	c.SetOnline(testStart.Add(2*time.Second), true)
	if a.timer.set() {
		t.Fatalf("a timer is set for %v", a.timer.at.Sub(testStart))
	}
	c.Tick(testStart.Add(time.Hour)) // returns
}

// spec R34: a forged copy of ourselves can't bring our sequence to its end.
func TestGateSequenceDoesNotWrap(t *testing.T) {
	c := testChannel(t, LIP, nil)
	forged := lip("me", uint64(testStart), "forged")
	e := wire.Extension{Version: 1, Incarnation: c.Meta().Incarnation, Sequence: 1<<64 - 1}
	forged.Extension = e.Encode()
	receive(t, c, testStart, forged)
	drain(c)
	m := say(t, c, testStart, "mine", SendOptions{})
	if e, err := wire.ParseExtension(m.Extension); err != nil || e.Sequence == 0 {
		t.Errorf("sequence number %d, %v", e.Sequence, err)
	}
}

// spec R67: whoever wants more than one is asked for it, also when the transport took
// the message late.
func TestGateAsksAfterALateHandover(t *testing.T) {
	me, _ := two(t, nil)
	if _, err := me.Send(testStart, []byte("hello"), SendOptions{Want: Everyone}); err != nil {
		t.Fatal(err)
	}
	me.Tick(testStart.Add(time.Minute)) // the host is slow
	for _, p := range drain(me).Packets {
		me.Handed(testStart.Add(time.Minute), p.Serial, nil, nil)
	}
	me.Tick(testStart.Add(2 * time.Minute))
	asks := 0
	for _, m := range sent(t, drain(me), ClassSync) {
		if e, _ := wire.ParseExtension(m.Extension); e.HasAsk && len(e.Ask) == 2 {
			asks++
		}
	}
	if asks == 0 {
		t.Error("never asked")
	}
}

// spec R53: holes are found among the newest messages, too.
func TestGateHolesOfNewMessages(t *testing.T) {
	me, bob := four(t)
	for i := range 2 {
		now := testStart.Add(time.Duration(i) * 10 * time.Minute)
		first := say(t, me, now, "first", SendOptions{})
		hole := lip("carol", uint64(now)+10, "hole", first.MessageID)
		receive(t, me, now.Add(time.Second), hole)
		last := say(t, me, now.Add(2*time.Second), "last", SendOptions{})
		receive(t, bob, now.Add(3*time.Second), first)
		receive(t, bob, now.Add(3*time.Second), last)
		bob.Tick(now.Add(time.Minute))
		drain(bob)
		claim := claims(t, bob, now.Add(time.Minute))
		if receive(t, me, now.Add(2*time.Minute), claim); seen(t, me, first) != 2 {
			t.Errorf("round %d: seen by %d, want by carol and bob", i, seen(t, me, first))
		}
		receive(t, bob, now.Add(3*time.Minute), hole)
		drain(bob)
		drain(me)
	}
}
