package sds

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
)

// Bugs that were found and must not come back.

// spec R54 R56: a participant that the roster does not list is nobody, whatever its
// name.
func TestUnlistedParticipantIsNobody(t *testing.T) {
	c := testChannel(t, LIP, func(cfg *Config) {
		cfg.Roster = &Roster{Members: map[ParticipantID]PersonID{"me": "me", "alice-phone": "alice"}}
	})
	m := say(t, c, testStart, "hello", SendOptions{Want: Everyone})
	reply := lip("alice", m.Lamport+1, "x", m.MessageID)
	if err := c.Receive(testStart, reply, Origin{Sender: "alice", Authenticated: true}); err != nil {
		t.Fatal(err)
	}
	for _, r := range drain(c).Receipts {
		if r.Seen > 0 {
			t.Errorf("counted: %+v", r)
		}
	}
}

// Making room for waiting messages while the host looks for what they wait for
// loses no record of the log.
func TestMakingRoomDuringALookup(t *testing.T) {
	c := testChannel(t, LIP, func(cfg *Config) { cfg.Window = 5 })
	var s State
	for i := range 10 {
		receive(t, c, testStart, lip("bob", uint64(testStart)+uint64(i), string(rune('a'+i)), headIDs(c)...))
	}
	s.Apply(drain(c).Changes)
	big := strings.Repeat("x", MaxContent)
	hole := invented(0, 1)[0]
	q := lip("alice", uint64(testStart)+100, "victim", hole)
	receive(t, c, testStart, q)
	for i := range 33 {
		receive(t, c, testStart, lip(ParticipantID(fmt.Sprint("s", i)), uint64(testStart)+200, big, invented(1, 1)...))
	}
	receive(t, c, testStart, q) // again
	s.Apply(drain(c).Changes)
	c.Found(testStart, []Lookup{{ID: hole}, {ID: invented(1, 1)[0]}})
	c.Tick(testStart.Add(time.Minute))
	s.Apply(drain(c).Changes)
	for i := range 33 {
		receive(t, c, testStart.Add(time.Minute), lip(ParticipantID(fmt.Sprint("z", i)), uint64(testStart)+300, big, invented(2, 1)...))
	}
	s.Apply(drain(c).Changes)
	for i := range 33 {
		receive(t, c, testStart.Add(time.Minute), lip(ParticipantID(fmt.Sprint("y", i)), uint64(testStart)+300, big, invented(2, 1)...))
	}
	s.Apply(drain(c).Changes)
	if c.Has(q.MessageID) != (s.Messages[q.MessageID].State == StateLogged) {
		t.Errorf("in log %v, recorded %d", c.Has(q.MessageID), s.Messages[q.MessageID].State)
	}
	if int(c.Meta().Position) != len(s.Log()) {
		t.Errorf("position %d, logged records %d", c.Meta().Position, len(s.Log()))
	}
}

// spec R33 R92
func TestContentIDComesAgainAfterTheWindow(t *testing.T) {
	c := testChannel(t, JS, func(cfg *Config) { cfg.Window = 5 })
	hex := func(sender ParticipantID, lamport uint64, text string) wire.Message {
		m := lip(sender, lamport, text, headIDs(c)...)
		m.MessageID = ContentID(m.Content)
		return m
	}
	var s State
	ok := hex("alice", uint64(testStart), "ok")
	receive(t, c, testStart, ok)
	for i := range 10 {
		receive(t, c, testStart, hex("bob", uint64(testStart)+1+uint64(i), fmt.Sprint(i)))
	}
	s.Apply(drain(c).Changes)
	receive(t, c, testStart, hex("carol", uint64(testStart)+100, "ok"))
	r := drain(c)
	s.Apply(r.Changes)
	if !slices.Contains(r.Lookups, ok.MessageID) {
		t.Errorf("lookups %v: ids that don't commit to a time may come again under any", r.Lookups)
	}
	if int(c.Meta().Position) != len(s.Log()) || c.Meta().Sum.Count != uint64(len(s.Log())) {
		t.Error("one id is in the log twice")
	}
}

// spec R30 R31
func TestForeignMessagesTakeNoHeads(t *testing.T) {
	c := testChannel(t, LIP, nil)
	a := lip("alice", uint64(testStart), "a")
	receive(t, c, testStart, a)
	nim := wire.Message{Dialect: wire.Nim, SenderID: "alice", ChannelID: "room", MessageID: "n1", Lamport: uint64(testStart) + 1, HasLamport: true,
		Content: []byte("x"), CausalHistory: []wire.HistoryEntry{{MessageID: "unknown"}}}
	receive(t, c, testStart, nim)
	c.Tick(testStart.Add(time.Minute))
	if !slices.Contains(headIDs(c), a.MessageID) {
		t.Error("a foreign message took a head that nothing names")
	}
	// our own head
	c = testChannel(t, LIP, nil)
	m := say(t, c, testStart, "mine", SendOptions{})
	nim.SenderID, nim.Lamport = "me", m.Lamport+1
	receive(t, c, testStart, nim)
	c.Tick(testStart.Add(time.Minute))
	next := say(t, c, testStart.Add(time.Minute), "mine 2", SendOptions{})
	if !names(next, m.MessageID) {
		t.Error("own chain is broken by an outsider")
	}
}

// Times finer than a Time, and moments beyond all clocks, still end a Tick.
func TestTickEnds(t *testing.T) {
	c := testChannel(t, LIP, func(cfg *Config) {
		cfg.UndeliveredAfter, cfg.GapAfter = 4*time.Second+500*time.Microsecond, 3*time.Second+time.Nanosecond
	})
	say(t, c, testStart, "hello", SendOptions{})
	receive(t, c, testStart, lip("bob", uint64(testStart), "x", invented(0, 1)...))
	for s := range 10 {
		c.Tick(testStart.Add(time.Duration(s) * time.Second))
	}
	if n := len(drain(c).Packets); n > 50 {
		t.Errorf("%d packets in ten seconds", n)
	}
	c.SetOnline(testStart.Add(time.Minute), false)
	c.Tick(Time(1<<63 - 1))
	c.SetOnline(Time(1<<63-1), true)
}

// spec R90: what somebody else said under the same id is not ours to say.
func TestSendOfWhatIsAwaited(t *testing.T) {
	c := testChannel(t, JS, nil)
	ok := ContentID([]byte("ok"))
	receive(t, c, testStart, lip("bob", uint64(testStart), "child", ok))
	if _, err := c.Send(testStart, []byte("ok"), SendOptions{}); !errors.Is(err, ErrDuplicateContent) {
		t.Errorf("error %v, want ErrDuplicateContent", err)
	}
}

// What hostile members can fill has bounds in time and memory too.
func TestHeadsQuarantineAndParentsAreBounded(t *testing.T) {
	c := testChannel(t, LIP, func(cfg *Config) { cfg.Window = 100 })
	for i := range 2 * MaxHeads {
		receive(t, c, testStart, lip("bob", uint64(testStart)+uint64(i%50), fmt.Sprint("root", i)))
	}
	if s := c.Sizes(); s.Heads > MaxHeads || s.Window > 100+MaxHeads {
		t.Errorf("sizes %+v", s)
	}
	drain(c)
	for i := range 3 * MaxFar {
		receive(t, c, testStart, lip("far", uint64(testStart)+1e12+uint64(i), "far"))
	}
	if got := len(c.far); got != MaxFar || c.Sizes().Parked != MaxFar {
		t.Errorf("%d in quarantine, %d parked", got, c.Sizes().Parked)
	}
	c = testChannel(t, LIP, nil)
	ids := invented(0, 500)
	for i := range ids {
		ids[i] += MessageID(strings.Repeat("x", 80))
	}
	before := c.Sizes().ParkedBytes
	receive(t, c, testStart, lip("bob", uint64(testStart), "many parents", ids...))
	if got := c.Sizes().ParkedBytes - before; got < 500*100 {
		t.Errorf("500 parents of 109 bytes count as %d bytes", got)
	}
}

// spec R58: a late message from before a participant lost its state claims
// nothing.
func TestOldIncarnationClaimsNothing(t *testing.T) {
	c := testChannel(t, LIP, nil)
	with := func(inc uint32, lamport uint64) wire.Message {
		m := lip("bob", lamport, fmt.Sprint(inc, lamport))
		e := wire.Extension{Version: 1, Incarnation: inc}
		m.Extension = e.Encode()
		return m
	}
	receive(t, c, testStart, with(1, uint64(testStart)))
	receive(t, c, testStart, with(2, uint64(testStart)+10))
	receive(t, c, testStart, with(1, uint64(testStart)+5))
	if got := c.peers["bob"].incarnation; got != 2 {
		t.Errorf("incarnation %d, want 2", got)
	}
}

// spec R22: a timestamp that no honest clock has says nothing about clocks. It
// takes two liars who agree to move the median, not one and a nonsense number.
func TestNoVoiceBeyondAllClocks(t *testing.T) {
	now := uint64(testStart)
	c := testChannel(t, LIP, func(cfg *Config) {
		cfg.Roster = &Roster{Members: map[ParticipantID]PersonID{"me": "me", "alice": "alice", "bob": "bob", "mallory": "mallory"}}
	})
	far := lip("mallory", now+1e10, "far")
	receive(t, c, testStart, far)
	receive(t, c, testStart, lip("bob", MaxLamport-1, "in bob's name"))
	receive(t, c, testStart, lip("bob", maxPlaced, "again"))
	if got := c.plausible(testStart); got != now+60_000 {
		t.Errorf("one liar and a nonsense number move the bound to %d above now", got-now)
	}
	if c.Has(far.MessageID) || c.Meta().Lamport >= now+1e10 {
		t.Errorf("the clock is %d above now", c.Meta().Lamport-now)
	}
	// What it can place speaks.
	receive(t, c, testStart, lip("bob", maxPlaced-1, "an agreement"))
	if !c.Has(far.MessageID) {
		t.Error("two voices are not enough")
	}
}

// spec R23 R30: whatever others put above our last message, what we name leads to
// it: else who lacks it would never learn of it.
func TestOwnLastMessageStaysNamed(t *testing.T) {
	now := uint64(testStart)
	later := testStart.Add(10 * time.Minute)
	gap := func(c *Channel, k int) { // mallory's chain has a gap: what is before it is no head any more
		at := testStart.Add(time.Duration(1+k) * time.Minute)
		receive(t, c, at, lip("mallory", now+50_000+uint64(k), fmt.Sprint("gap", k), invented(k, 1)...))
		c.Tick(at.Add(time.Minute))
	}
	t.Run("taken by one whose chain has a gap", func(t *testing.T) {
		c := testChannel(t, LIP, nil)
		mine := say(t, c, testStart, "mine", SendOptions{})
		child := lip("mallory", 1, "names it, and says that she is older", mine.MessageID)
		receive(t, c, testStart, child)
		gap(c, 0)
		if next := say(t, c, later, "next", SendOptions{}); !names(next, child.MessageID) {
			t.Errorf("names %v", next.CausalHistory)
		}
		if ids := headIDs(c); len(ids) != 1 {
			t.Errorf("heads %v", ids)
		}
	})
	t.Run("taken by one that comes late", func(t *testing.T) {
		c := testChannel(t, LIP, nil)
		mine := say(t, c, testStart, "mine", SendOptions{})
		late := lip("mallory", now+1, "late", mine.MessageID)
		child := lip("mallory", now+2, "above what is late", late.MessageID)
		receive(t, c, testStart, child)
		c.Tick(testStart.Add(time.Minute))
		gap(c, 0)
		receive(t, c, later, late)
		if next := say(t, c, later, "next", SendOptions{}); !names(next, child.MessageID) || names(next, late.MessageID) {
			t.Errorf("names %v", next.CausalHistory)
		}
	})
	t.Run("the oldest of too many", func(t *testing.T) {
		c := testChannel(t, LIP, nil)
		mine := say(t, c, testStart, "mine", SendOptions{})
		for i := range MaxHeads + 10 {
			receive(t, c, testStart, lip(ParticipantID(fmt.Sprint("s", i)), now+uint64(i), "a root"))
		}
		if len(c.heads) != MaxHeads || !c.nodes[mine.MessageID].head {
			t.Errorf("%d heads, mine among them: %v", len(c.heads), c.nodes[mine.MessageID].head)
		}
	})
	t.Run("others' gaps are still merged", func(t *testing.T) {
		c := testChannel(t, LIP, nil)
		say(t, c, testStart, "mine", SendOptions{})
		for i := range 5 {
			gap(c, i)
		}
		if ids := headIDs(c); len(ids) != 2 {
			t.Errorf("heads %v", ids)
		}
	})
}

// spec R67: the transport had taken a message and somebody named it, and before
// it was written down that it had left, the process died. The others are asked
// all the same.
func TestAsksAfterRestartBeforeHanded(t *testing.T) {
	roster := &Roster{Members: map[ParticipantID]PersonID{"me": "me", "alice": "alice", "bob": "bob"}}
	cfg := Config{Channel: "room", Participant: "me", Roster: roster, Seed: 1}
	c, err := New(cfg, testStart)
	if err != nil {
		t.Fatal(err)
	}
	var state State
	id, err := c.Send(testStart, []byte("mine"), SendOptions{Want: Everyone})
	if err != nil {
		t.Fatal(err)
	}
	state.Apply(c.Ready().Changes)
	c.Advance()
	receive(t, c, testStart.Add(time.Second), lip("alice", uint64(testStart)+1000, "I have it", id))
	state.Apply(c.Ready().Changes)
	if o := state.Outgoing[id]; o.Handed || o.Level != LevelSeen {
		t.Fatalf("%+v", o)
	}
	c, err = Restore(cfg, state.Clone(), nil, testStart.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for d := time.Minute; d < 3*time.Minute; d += time.Second {
		c.Tick(testStart.Add(d))
		for _, m := range sent(t, drain(c), ClassSync) {
			if e := extension(&m); e.HasAsk && slices.Contains(e.Ask, ShortParticipant("room", "bob")) {
				return
			}
		}
	}
	t.Error("bob is not asked")
}

// spec R30 R65: messages that wait use nobody's share of holes. One lost message
// with 299 followers leaves the same log as no loss, and one head.
func TestFollowersAreNoHoles(t *testing.T) {
	alice, bob := two(t, nil)
	var packets []wire.Message
	for i := range 300 {
		packets = append(packets, say(t, alice, testStart.Add(time.Duration(i)*time.Millisecond), fmt.Sprint("m", i), SendOptions{}))
	}
	for i := len(packets) - 1; i >= 1; i-- {
		receive(t, bob, testStart.Add(time.Second), packets[i])
	}
	receive(t, bob, testStart.Add(time.Second), packets[0])
	r := drain(bob)
	for _, d := range r.Deliveries {
		if len(d.Gaps) > 0 || d.Late {
			t.Fatalf("delivered with gaps %v, late %v", d.Gaps, d.Late)
		}
	}
	if len(r.Deliveries) != 300 || len(headIDs(bob)) != 1 {
		t.Errorf("%d delivered, heads %v", len(r.Deliveries), headIDs(bob))
	}
}

// A message that names more than 32 unknown ones gives the oldest up at once. What
// waited for these enters the log then, and is not missing any more, although the
// message names it too.
func TestNotMissingAfterAll(t *testing.T) {
	c := testChannel(t, JS, nil)
	now := uint64(testStart)
	waits := jsContent("js", now-1000, "waits", "gone")
	receive(t, c, testStart, waits)
	parents := append([]MessageID{"gone", waits.MessageID}, invented(0, 40)...)
	receive(t, c, testStart, jsContent("js", now, "names them all", parents...))
	r := drain(c)
	var state State
	state.Apply(r.Changes)
	if !c.Has(waits.MessageID) || state.Messages[waits.MessageID].State != StateLogged {
		t.Errorf("in the log: %v, durable as %+v", c.Has(waits.MessageID), state.Messages[waits.MessageID])
	}
	for _, g := range r.Gaps {
		if g.ID == waits.MessageID {
			t.Errorf("reported as %v", g.State)
		}
	}
}
