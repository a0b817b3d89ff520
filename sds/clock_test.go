package sds

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
)

const testStart = Time(1_700_000_000_000)

func testChannel(t testing.TB, d Dialect, change func(*Config)) *Channel {
	t.Helper()
	cfg := Config{Channel: "room", Participant: "me", Seed: 7, Dialect: d}
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg, testStart)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lip makes a verified LIP message of sender.
func lip(sender ParticipantID, lamport uint64, content string, parents ...MessageID) wire.Message {
	m := wire.Message{Dialect: wire.LIP, SenderID: sender, ChannelID: "room", Lamport: lamport, HasLamport: true, Content: []byte(content)}
	for _, p := range parents {
		m.CausalHistory = append(m.CausalHistory, wire.HistoryEntry{MessageID: p})
	}
	m.MessageID = NewMessageID(m.ChannelID, sender, lamport, m.CausalHistory, m.Content)
	return m
}

func receive(t testing.TB, c *Channel, now Time, m wire.Message) {
	t.Helper()
	if err := c.Receive(now, m, Origin{}); err != nil {
		t.Fatal(err)
	}
}

// spec R20: the js vectors (lamport) and the unit of each dialect.
func TestNextLamport(t *testing.T) {
	for _, c := range []struct {
		dialect       Dialect
		now           Time
		current, next uint64
	}{
		{LIP, 1_700_000_000_000, 1_699_999_999_000, 1_700_000_000_000},
		{LIP, 1_700_000_000_000, 1_699_999_999_999, 1_700_000_000_000},
		{LIP, 1_700_000_000_000, 1_700_000_000_000, 1_700_000_000_001},
		{LIP, 1_700_000_000_000, 1_700_000_000_005, 1_700_000_000_006},
		{JS, 1_700_000_000_000, 0, 1_700_000_000_000},
		{Nim, 1_700_000_000_999, 0, 1_700_000_000},
		{Nim, 1_700_000_000_999, 1_700_000_000, 1_700_000_001},
		{LIP, -5, 0, 1},
	} {
		ch := testChannel(t, c.dialect, nil)
		ch.meta.Lamport = c.current
		if got := ch.nextLamport(c.now); got != c.next || ch.meta.Lamport != c.next {
			t.Errorf("%v now %d current %d: %d, want %d", c.dialect, c.now, c.current, got, c.next)
		}
	}
}

// spec R20: a message with a lower timestamp moves nothing, and time that runs
// backwards is harmless.
func TestClockNeverRunsBack(t *testing.T) {
	c := testChannel(t, LIP, nil)
	if _, err := c.Send(testStart, []byte("a"), SendOptions{}); err != nil {
		t.Fatal(err)
	}
	before := c.Meta().Lamport
	receive(t, c, testStart-5000, lip("bob", before-1000, "old"))
	if c.Meta().Lamport != before {
		t.Errorf("clock went from %d to %d", before, c.Meta().Lamport)
	}
	if _, err := c.Send(testStart-60_000, []byte("b"), SendOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := c.Meta().Lamport; got != before+1 {
		t.Errorf("clock is %d, want %d", got, before+1)
	}
}

// spec R21
func TestLamportRange(t *testing.T) {
	for _, lamport := range []uint64{MaxLamport, MaxLamport + 1, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
		c := testChannel(t, LIP, nil)
		err := c.Receive(testStart, lip("bob", lamport, "x"), Origin{})
		if !errors.Is(err, ErrLamportRange) {
			t.Errorf("%d: error %v, want ErrLamportRange", lamport, err)
		}
		if r := c.Ready(); len(r.Arrivals)+len(r.Deliveries) > 0 || c.Meta().Lamport != 0 {
			t.Errorf("%d: something of it was used", lamport)
		}
	}
}

// spec R22: the bound is 60 s above what is plausible, and one sender moves it
// nowhere.
func TestPlausible(t *testing.T) {
	now := uint64(testStart)
	c := testChannel(t, LIP, nil)
	if got := c.plausible(testStart); got != now+60_000 {
		t.Errorf("alone: %d above now, want 60000", got-now)
	}
	hear := func(name string, lamport uint64) {
		receive(t, c, testStart, lip(ParticipantID(name), lamport, name))
	}
	hear("liar", now+10_000_000)
	if got := c.plausible(testStart); got != now+60_000 {
		t.Errorf("one liar moves the bound to %d above now", got-now)
	}
	hear("bob", now+300_000)
	hear("carol", now+300_001)
	// own, bob, carol, liar: the lower median is bob.
	if got := c.plausible(testStart); got != now+360_000 {
		t.Errorf("with two who are ahead: %d above now, want 360000", got-now)
	}
	for i := range 40 {
		hear(fmt.Sprint("member", i), now)
	}
	if got := c.plausible(testStart); got != now+60_000 {
		t.Errorf("with forty members: %d above now, want 60000", got-now)
	}
	if len(c.recent) != maxRecentSenders {
		t.Errorf("remembers %d senders, want %d", len(c.recent), maxRecentSenders)
	}
	n := testChannel(t, Nim, nil)
	if got := n.plausible(testStart); got != 1_700_000_000+1_000_000 {
		t.Errorf("nim: %d", got)
	}
}

// spec R22: a message from the future arrives, is no head and moves no clock,
// and enters the log when its time comes.
func TestQuarantineEndsWithTime(t *testing.T) {
	c := testChannel(t, LIP, nil)
	m := lip("bob", uint64(testStart)+90_000, "early")
	receive(t, c, testStart, m)
	r := c.Ready()
	c.Advance()
	if len(r.Arrivals) != 1 || !r.Arrivals[0].Quarantined || len(r.Deliveries) != 0 {
		t.Fatalf("arrivals %+v deliveries %+v", r.Arrivals, r.Deliveries)
	}
	if len(c.Heads()) != 0 || c.Meta().Lamport != 0 {
		t.Error("it is a head or moved the clock")
	}
	c.Tick(testStart.Add(29 * time.Second))
	if r := c.Ready(); len(r.Deliveries) != 0 {
		t.Error("delivered too early")
	}
	c.Advance()
	c.Tick(testStart.Add(30 * time.Second))
	if r := c.Ready(); len(r.Deliveries) != 1 || r.Deliveries[0].ID != m.MessageID {
		t.Errorf("deliveries %+v", r.Deliveries)
	}
}

// spec R22: two others who name it release it; its author and one other do not.
func TestQuarantineEndsWithTwoWitnesses(t *testing.T) {
	c := testChannel(t, LIP, nil)
	now := uint64(testStart)
	m := lip("bob", now+3_600_000, "far")
	receive(t, c, testStart, m)
	receive(t, c, testStart, lip("bob", now+1, "I say it", m.MessageID))
	receive(t, c, testStart, lip("carol", now+2, "so do I", m.MessageID))
	receive(t, c, testStart, lip("carol", now+3, "again", m.MessageID))
	if c.Has(m.MessageID) {
		t.Fatal("one witness was enough")
	}
	receive(t, c, testStart, lip("dave", now+4, "and I", m.MessageID))
	if !c.Has(m.MessageID) {
		t.Fatal("two witnesses were not enough")
	}
	if got := c.Meta().Lamport; got != now+3_600_000 {
		t.Errorf("clock is %d", got)
	}
}

// spec R22: with a roster only members have a say, where one other person belongs
// to the channel that person alone, and no clock comes near its end.
func TestOnlyMembersMoveClocks(t *testing.T) {
	now := uint64(testStart)
	c := testChannel(t, LIP, func(cfg *Config) {
		cfg.Roster = &Roster{Members: map[ParticipantID]PersonID{"me": "me", "bob": "bob"}}
	})
	receive(t, c, testStart, lip("outsider", now+1e6, "x"))
	receive(t, c, testStart, lip("outsider2", now+1e6, "y"))
	if got := c.plausible(testStart); got != now+60_000 {
		t.Errorf("outsiders move the bound to %d above now", got-now)
	}
	m := lip("bob", now+1e6, "my clock is ahead")
	receive(t, c, testStart, m)
	if !c.Has(m.MessageID) {
		t.Error("the only other person's message waits although its word is as good as ours")
	}
	end := lip("bob", MaxLamport-1, "the end of time")
	receive(t, c, testStart, end)
	receive(t, c, testStart, lip("bob", now+1e6+1, "names it", end.MessageID))
	receive(t, c, testStart, lip("outsider", now, "so do I", end.MessageID))
	receive(t, c, testStart, lip("outsider2", now, "and I", end.MessageID))
	if c.Has(end.MessageID) || c.Meta().Lamport > now+2e6 {
		t.Errorf("the clock is at %d", c.Meta().Lamport)
	}
}
