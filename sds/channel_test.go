package sds

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
)

// spec R34: our own lost past is processed, acknowledges nothing, and clock and
// sequence go past it.
func TestUnknownOwnMessage(t *testing.T) {
	before := testChannel(t, LIP, nil)
	theirs := lip("bob", uint64(testStart), "from bob")
	var past wire.Message
	for range 5 {
		past = say(t, before, testStart.Add(time.Second), "x", SendOptions{})
	}
	// The same installation, restored from a backup: same incarnation, older state.
	c := testChannel(t, LIP, nil)
	c.meta.Incarnation = before.meta.Incarnation
	mine := say(t, c, testStart, "mine", SendOptions{})
	receive(t, c, testStart, theirs)
	drain(c)
	past.CausalHistory = append(past.CausalHistory, wire.HistoryEntry{MessageID: mine.MessageID})
	past.MessageID = NewMessageID(past.ChannelID, past.SenderID, past.Lamport, past.CausalHistory, past.Content)
	receive(t, c, testStart, past)
	if r, _ := c.Receipt(mine.MessageID); r.Seen != 0 || r.Level >= LevelSeen {
		t.Errorf("we acknowledged ourselves: %+v", r)
	}
	if got := c.Meta(); got.Lamport < past.Lamport || got.Sequence != 5 {
		t.Errorf("clock %d and sequence %d, want at least %d and 5", got.Lamport, got.Sequence, past.Lamport)
	}
	next := say(t, c, testStart, "next", SendOptions{})
	if e, _ := wire.ParseExtension(next.Extension); e.Sequence != 6 || next.Lamport <= past.Lamport {
		t.Errorf("next is sequence %d at %d", e.Sequence, next.Lamport)
	}
}

// spec R37: hints from the transport, from others' histories and from the host
// all end in our histories, requests and gaps.
func TestHints(t *testing.T) {
	c := testChannel(t, LIP, nil)
	now := uint64(testStart)
	a, b, d := lip("bob", now, "a"), lip("carol", now, "b"), lip("dave", now, "d")
	if err := c.Receive(testStart, a, Origin{Hint: []byte("from transport")}); err != nil {
		t.Fatal(err)
	}
	receive(t, c, testStart, b)
	receive(t, c, testStart, d)
	c.SetHint(d.MessageID, []byte("from host"))
	// A sync of bob tells where b is, without being a child of it.
	receive(t, c, testStart, wire.Message{Dialect: wire.LIP, SenderID: "bob", ChannelID: "room", MessageID: "sync-1", Lamport: now,
		HasLamport: true, CausalHistory: []wire.HistoryEntry{{MessageID: b.MessageID, RetrievalHint: []byte("from history")}}})
	want := map[MessageID]string{a.MessageID: "from transport", b.MessageID: "from history", d.MessageID: "from host"}
	for _, e := range c.Heads() {
		if string(e.RetrievalHint) != want[e.MessageID] {
			t.Errorf("hint %q, want %q", e.RetrievalHint, want[e.MessageID])
		}
	}
	drain(c)
	missing := lip("erin", now, "missing")
	m := lip("bob", now+1, "later", missing.MessageID)
	m.CausalHistory[0].RetrievalHint, m.CausalHistory[0].SenderID = []byte("there"), "erin"
	receive(t, c, testStart, m)
	r := drain(c)
	if len(r.Gaps) != 1 || string(r.Gaps[0].Hint) != "there" || r.Gaps[0].Sender != "erin" ||
		string(r.Arrivals[0].Missing[0].RetrievalHint) != "there" {
		t.Errorf("gaps %+v, missing %+v", r.Gaps, r.Arrivals[0].Missing)
	}
	c.Tick(testStart.Add(10 * time.Second))
	var asked []wire.HistoryEntry
	r = drain(c)
	for _, class := range []Class{ClassRequest, ClassAck, ClassSync} { // it may ride on any sync
		for _, sync := range sent(t, r, class) {
			asked = append(asked, sync.RepairRequest...)
		}
	}
	if len(asked) == 0 || asked[0].MessageID != missing.MessageID || string(asked[0].RetrievalHint) != "there" || asked[0].SenderID != "erin" {
		t.Errorf("asked for %+v", asked)
	}
}

// spec R57
func TestClaimed(t *testing.T) {
	for _, authenticated := range []bool{false, true} {
		c := testChannel(t, LIP, nil)
		m := say(t, c, testStart, "hello", SendOptions{})
		reply := lip("bob", m.Lamport+1, "got it", m.MessageID)
		if err := c.Receive(testStart, reply, Origin{Sender: "bob", Authenticated: authenticated}); err != nil {
			t.Fatal(err)
		}
		if r, _ := c.Receipt(m.MessageID); r.Seen != 1 || r.Claimed == authenticated {
			t.Errorf("authenticated %v: %+v", authenticated, r)
		}
	}
}

// spec R69: reported once, never asked for, and what depends on it goes on.
func TestNotForMe(t *testing.T) {
	c := testChannel(t, LIP, nil)
	secret := lip("bob", uint64(testStart), "secret")
	child := lip("bob", uint64(testStart)+1, "public", secret.MessageID)
	receive(t, c, testStart, child)
	if r := drain(c); len(r.Deliveries) != 0 || len(r.Gaps) != 1 {
		t.Fatalf("ready %+v", r)
	}
	c.NotForMe(testStart, secret.MessageID, []byte("h1"))
	c.NotForMe(testStart, secret.MessageID, []byte("h1"))
	r := drain(c)
	if len(r.Deliveries) != 1 || len(r.Gaps) != 1 || r.Gaps[0].State != GapNotForMe {
		t.Errorf("ready %+v", r)
	}
	receive(t, c, testStart, lip("carol", uint64(testStart)+2, "also", secret.MessageID))
	c.Tick(testStart.Add(time.Hour))
	r = drain(c)
	if len(r.Gaps) != 0 {
		t.Errorf("reported again: %+v", r.Gaps)
	}
	for _, class := range []Class{ClassRequest, ClassSync, ClassAck} {
		for _, m := range sent(t, r, class) {
			if len(m.RepairRequest) > 0 {
				t.Errorf("asked for: %+v", m.RepairRequest)
			}
		}
	}
}

// spec R69: who gave the hint of what can't be opened may have lied, so another hint is
// tried, in silence and at most four of them; and the message is taken when it comes.
func TestNotForMeByAnotherHint(t *testing.T) {
	c := testChannel(t, LIP, nil)
	secret := lip("bob", uint64(testStart), "secret")
	at := uint64(testStart)
	mention := func(hint string) []Gap {
		at++
		m := lip("carol", at, "names it", secret.MessageID)
		m.CausalHistory[0].RetrievalHint = []byte(hint)
		receive(t, c, testStart, m)
		r := drain(c)
		if len(r.Deliveries) != 1 && at > uint64(testStart)+1 {
			t.Errorf("with %s: %d deliveries", hint, len(r.Deliveries))
		}
		return r.Gaps
	}
	looked := func() bool { return c.awaited[secret.MessageID] != nil }
	if mention("h1"); !looked() {
		t.Fatal("not missing")
	}
	for i, hint := range []string{"h1", "h2", "h3", "h4"} {
		c.NotForMe(testStart, secret.MessageID, []byte(hint))
		gaps := drain(c).Gaps
		if told := len(gaps) == 1 && gaps[0].State == GapNotForMe; told != (i == 0) || len(gaps) > 1 {
			t.Errorf("after %s: %v", hint, gaps)
		}
		if gaps := mention(hint); len(gaps) > 0 || looked() {
			t.Errorf("looked for by %s again: %v", hint, gaps)
		}
		next := fmt.Sprintf("h%d", i+2)
		if gaps := mention(next); len(gaps) > 0 || looked() != (i < 3) {
			t.Errorf("looked for by %s: %v, %v", next, looked(), gaps)
		}
	}
	receive(t, c, testStart, secret)
	r := drain(c)
	if len(r.Deliveries) != 1 || !r.Deliveries[0].Late || len(r.Gaps) != 1 || r.Gaps[0].State != GapRecovered {
		t.Errorf("it came: %+v", r)
	}
	receive(t, c, testStart, secret)
	if r := drain(c); len(r.Deliveries) > 0 || len(c.notForMe) > 0 {
		t.Errorf("it came again: %+v, not for us %v", r, c.notForMe)
	}
}

// spec R69: what is looked for again in vain is not reported again, and stays what it was.
func TestNotForMeInVain(t *testing.T) {
	c := testChannel(t, LIP, nil)
	secret := lip("bob", uint64(testStart), "secret")
	c.NotForMe(testStart, secret.MessageID, []byte("h1"))
	m := lip("carol", uint64(testStart)+1, "names it", secret.MessageID)
	m.CausalHistory[0].RetrievalHint = []byte("h2")
	receive(t, c, testStart, m)
	drain(c)
	c.Tick(testStart.Add(c.cfg.LostAfter + time.Minute))
	r := drain(c)
	records := r.Changes.Messages
	if len(r.Gaps) > 0 || c.awaited[secret.MessageID] != nil || len(records) == 0 || records[len(records)-1].State != StateNotForMe {
		t.Errorf("ready %+v", r)
	}
}

// spec R69: where the packet itself proves what can't be opened, no hint is tried.
func TestNotForMeProved(t *testing.T) {
	c := testChannel(t, LIP, nil)
	secret := lip("bob", uint64(testStart), "secret")
	c.NotForMe(testStart, secret.MessageID, nil)
	m := lip("carol", uint64(testStart)+1, "names it", secret.MessageID)
	m.CausalHistory[0].RetrievalHint = []byte("h1")
	receive(t, c, testStart, m)
	if r := drain(c); len(r.Deliveries) != 1 || c.awaited[secret.MessageID] != nil {
		t.Errorf("looked for: %+v", r)
	}
}

// spec R92: a message and a parent from below the window are looked up before
// they count as new or missing.
func TestLookups(t *testing.T) {
	c := testChannel(t, LIP, func(cfg *Config) { cfg.Window = 5 })
	var all []wire.Message
	for i := range 10 {
		m := lip("bob", uint64(testStart)+uint64(i), string(rune('a'+i)), headIDs(c)...)
		all = append(all, m)
		receive(t, c, testStart, m)
	}
	drain(c)
	old, child := all[0], lip("carol", uint64(testStart)+20, "child", all[1].MessageID)
	receive(t, c, testStart, old)
	receive(t, c, testStart, child)
	fresh := lip("dave", uint64(testStart)+1, "late but new")
	receive(t, c, testStart, fresh)
	r := drain(c)
	if !slices.Equal(r.Lookups, []MessageID{old.MessageID, all[1].MessageID, fresh.MessageID}) {
		t.Fatalf("lookups %v", r.Lookups)
	}
	if len(r.Deliveries) != 0 || len(r.Gaps) != 0 {
		t.Errorf("something happened before the answer: %+v %+v", r.Deliveries, r.Gaps)
	}
	c.Found(testStart, []Lookup{{ID: old.MessageID, Known: true}, {ID: all[1].MessageID, Known: true}, {ID: fresh.MessageID}})
	r = drain(c)
	if len(r.Deliveries) != 2 || r.Deliveries[0].ID != child.MessageID || r.Deliveries[1].ID != fresh.MessageID || len(r.Gaps) != 0 {
		t.Errorf("deliveries %+v, gaps %+v", r.Deliveries, r.Gaps)
	}
	// A request for what is only in the host's log is answered from there.
	request := lip("erin", uint64(testStart)+30, "please")
	request.RepairRequest = []wire.HistoryEntry{{MessageID: old.MessageID}}
	later := testStart.Add(10 * time.Second) // a copy just went by: that one needs no answer
	receive(t, c, later, request)
	r = drain(c)
	if !slices.Equal(r.Lookups, []MessageID{old.MessageID}) {
		t.Fatalf("lookups %v", r.Lookups)
	}
	c.Found(later, []Lookup{{ID: old.MessageID, Known: true}})
	c.Tick(testStart.Add(time.Minute))
	if r = drain(c); !slices.ContainsFunc(r.Packets, func(p Packet) bool { return p.Class == ClassRepair && p.ID == old.MessageID }) {
		t.Errorf("packets %+v", r.Packets)
	}
	// An unknown parent is a hole after the answer.
	receive(t, c, testStart, lip("carol", uint64(testStart)+40, "orphan", "c1never-seen-never-seen-never"))
	r = drain(c)
	c.Found(testStart, []Lookup{{ID: r.Lookups[0]}})
	if r = drain(c); len(r.Gaps) != 1 || r.Gaps[0].State != GapMissing {
		t.Errorf("gaps %+v", r.Gaps)
	}
}

// A failed hand-over leaves the level and is tried again; nothing else does.
func TestHanded(t *testing.T) {
	c := testChannel(t, LIP, nil)
	id, err := c.Send(testStart, []byte("hello"), SendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	serial := drain(c).Packets[0].Serial
	c.Handed(testStart, serial, nil, errors.New("no connection"))
	if r, _ := c.Receipt(id); r.Level != LevelQueued {
		t.Errorf("level %v after a refused hand-over", r.Level)
	}
	c.Tick(testStart.Add(11 * time.Second))
	var again Packet
	for _, p := range drain(c).Packets {
		if p.Class == ClassContent { // it has not left yet: this is no resend
			again = p
		}
	}
	if again.ID != id {
		t.Fatal("not sent again")
	}
	c.Handed(testStart.Add(11*time.Second), again.Serial, []byte("hash"), nil)
	if r, _ := c.Receipt(id); r.Level != LevelSent {
		t.Errorf("level %v, want sent", r.Level)
	}
	c.Stored(testStart.Add(12*time.Second), id, nil)
	if r, _ := c.Receipt(id); r.Level != LevelStored {
		t.Errorf("level %v, want stored", r.Level)
	}
	c.Tick(testStart.Add(time.Hour))
	for _, p := range drain(c).Packets {
		if p.Class == ClassResend {
			t.Error("resent although a store has it")
		}
	}
}

func TestWants(t *testing.T) {
	roster := &Roster{Members: map[ParticipantID]PersonID{"me": "me", "a": "a", "b": "b", "c": "c", "d": "d"}, Stewards: []PersonID{"d"}}
	for _, c := range []struct {
		want  Want
		heard []ParticipantID
		level Level
	}{
		{AtLeastOne, nil, LevelSent},
		{AtLeastOne, []ParticipantID{"a"}, LevelReached},
		{Fraction(0.5), []ParticipantID{"a"}, LevelSeen},
		{Fraction(0.5), []ParticipantID{"a", "b"}, LevelReached},
		{Fraction(0.51), []ParticipantID{"a", "b"}, LevelSeen},
		{Persons("b", "nobody"), []ParticipantID{"a"}, LevelSeen},
		{Persons("b", "nobody"), []ParticipantID{"b"}, LevelReached},
		{Persons("nobody"), []ParticipantID{"a", "b"}, LevelSeen},
		{Stewards, []ParticipantID{"a", "b", "c"}, LevelSeen},
		{Stewards, []ParticipantID{"d"}, LevelReached},
		{Everyone, []ParticipantID{"a", "b", "c"}, LevelSeen},
		{Everyone, []ParticipantID{"a", "b", "c", "d"}, LevelEveryone},
		{AtLeastOne, []ParticipantID{"stranger"}, LevelSent},
	} {
		ch := testChannel(t, LIP, func(cfg *Config) { cfg.Roster = roster })
		id, err := ch.Send(testStart, []byte("x"), SendOptions{Want: c.want})
		if err != nil {
			t.Fatal(err)
		}
		ch.Handed(testStart, drain(ch).Packets[0].Serial, nil, nil)
		for i, who := range c.heard {
			receive(t, ch, testStart, lip(who, uint64(testStart)+1+uint64(i), "ok", id))
		}
		receipts := drain(ch).Receipts
		if got := receipts[len(receipts)-1]; got.Level != c.level || got.Of != 4 {
			t.Errorf("%+v after %v: level %v of %d, want %v of 4", c.want, c.heard, got.Level, got.Of, c.level)
		}
	}
}

// spec R20 R24: clock, sequence and position go on where they were, also when
// the wall clock is behind.
func TestRestoreGoesOn(t *testing.T) {
	c := testChannel(t, LIP, nil)
	var s State
	r := drain(c)
	s.Apply(r.Changes)
	for range 3 {
		if _, err := c.Send(testStart, []byte("x"), SendOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	r = drain(c)
	s.Apply(r.Changes)
	cfg := Config{Channel: "room", Participant: "me", Seed: 7}
	again, err := Restore(cfg, s, nil, testStart.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	before := c.Meta()
	m := say(t, again, testStart.Add(-time.Hour), "y", SendOptions{})
	e, _ := wire.ParseExtension(m.Extension)
	if m.Lamport != before.Lamport+1 || e.Sequence != 4 || e.Incarnation != before.Incarnation || again.Meta().Position != 4 {
		t.Errorf("goes on at clock %d, sequence %d, incarnation %x, position %d; was %+v",
			m.Lamport, e.Sequence, e.Incarnation, again.Meta().Position, before)
	}
}

// Patience begins when a message leaves: what waits for its turn at the host is
// neither sent again nor given up.
func TestPatienceBeginsWhenHanded(t *testing.T) {
	c := testChannel(t, LIP, nil)
	id, err := c.Send(testStart, []byte("waits"), SendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	serial := drain(c).Packets[0].Serial
	late := testStart.Add(time.Hour)
	for now := testStart; now < late; now = now.Add(10 * time.Second) {
		c.Tick(now)
		if r := drain(c); len(r.Receipts) > 0 || slices.ContainsFunc(r.Packets, func(p Packet) bool { return p.ID == id }) {
			t.Fatalf("%v after Send: %+v", now.Sub(testStart), r)
		}
	}
	c.Handed(late, serial, nil, nil)
	drain(c)
	resends, undelivered := 0, false
	for now := late; now < late.Add(time.Hour); now = now.Add(10 * time.Second) {
		c.Tick(now)
		r := drain(c)
		for _, p := range r.Packets {
			if p.Class == ClassResend {
				resends++
			}
		}
		for _, receipt := range r.Receipts {
			undelivered = undelivered || receipt.Undelivered
		}
	}
	if resends == 0 || !undelivered {
		t.Errorf("%d resends, undelivered %v, in the hour after it left", resends, undelivered)
	}
}

// What a packet that was dropped should have done is still to be done.
func TestDroppedPackets(t *testing.T) {
	full := errors.New("quota is used up")
	missing := lip("carol", uint64(testStart), "missing")
	first := func(drop bool) (asked int) {
		c := testChannel(t, LIP, nil)
		receive(t, c, testStart, lip("bob", uint64(testStart)+1, "child", missing.MessageID))
		for now := testStart; now < testStart.Add(20*time.Second); now = now.Add(100 * time.Millisecond) {
			c.Tick(now)
			for _, p := range drain(c).Packets {
				if p.Class != ClassRequest {
					continue
				}
				asked++
				if drop {
					c.Handed(now, p.Serial, nil, full)
				} else {
					c.Handed(now, p.Serial, nil, nil)
				}
			}
		}
		return asked
	}
	if kept, dropped := first(false), first(true); dropped <= kept {
		t.Errorf("asked %d times in 20 s when requests are dropped, %d times when not", dropped, kept)
	}
	c := testChannel(t, LIP, nil)
	receive(t, c, testStart, missing)
	repairs := 0
	for i := range 3 { // each within the ignore window of the one before
		now := testStart.Add(time.Duration(i) * 10 * time.Second)
		receive(t, c, now, request("bob", now.Sub(testStart), missing.MessageID))
		for d := range 100 {
			c.Tick(now.Add(time.Duration(d) * 100 * time.Millisecond))
			for _, p := range drain(c).Packets {
				if p.Class == ClassRepair {
					repairs++
					c.Handed(now, p.Serial, nil, full)
				}
			}
		}
	}
	if repairs != 3 {
		t.Errorf("%d repairs, want one for each request as none left", repairs)
	}
}
