package sds

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
)

func invented(from, n int) []MessageID {
	ids := make([]MessageID, n)
	for i := range ids {
		ids[i] = MessageID(fmt.Sprintf("c1invented-%017d", from+i))
	}
	return ids
}

func drain(c *Channel) Ready {
	r := c.Ready()
	c.Advance()
	return r
}

// spec R39: a message blocks on the newest 32 unknown ids that it names; the
// others are gaps at once.
func TestBlocksOnTheNewest32(t *testing.T) {
	c := testChannel(t, LIP, nil)
	parents := invented(0, 100)
	receive(t, c, testStart, lip("bob", uint64(testStart), "x", parents...))
	states := map[MessageID]GapState{}
	for _, g := range drain(c).Gaps {
		states[g.ID] = g.State
	}
	for i, id := range parents {
		want := GapSkipped
		if i >= 100-MaxBlocking {
			want = GapMissing
		}
		if states[id] != want {
			t.Errorf("parent %d: %v, want %v", i, states[id], want)
		}
	}
	for i, id := range parents[68:] {
		receive(t, c, testStart, wire.Message{Dialect: wire.LIP, SenderID: "carol", ChannelID: "room", MessageID: id,
			Lamport: uint64(testStart) - 1, HasLamport: true, Content: []byte("opaque")})
		if delivered := len(drain(c).Deliveries) > 1; delivered != (i == 31) {
			t.Fatalf("after %d of 32 the message is delivered: %v", i+1, delivered)
		}
	}
}

// spec R39: at most 256 open holes for one sender, 4,096 in all. Beyond them
// messages are delivered with gaps instead of waiting.
func TestHolesAreBounded(t *testing.T) {
	c := testChannel(t, LIP, nil)
	for i := range 20 {
		receive(t, c, testStart, lip("mallory", uint64(testStart)+uint64(i), "x", invented(100*i, 100)...))
	}
	if got := c.Sizes().Awaited; got != MaxHolesPerSender {
		t.Errorf("one sender opened %d holes, want %d", got, MaxHolesPerSender)
	}
	r := drain(c)
	last := r.Deliveries[len(r.Deliveries)-1]
	if len(last.Gaps) != 100 {
		t.Errorf("beyond the bound a message is delivered with %d gaps, want 100", len(last.Gaps))
	}
	for i := range 40 {
		receive(t, c, testStart, lip(ParticipantID(fmt.Sprint("sybil", i)), uint64(testStart), "y", invented(1_000_000+200*i, 200)...))
	}
	if got := c.Sizes().Awaited; got != MaxHoles {
		t.Errorf("%d holes are open, want %d", got, MaxHoles)
	}
	// An honest message still gets through.
	receive(t, c, testStart, lip("bob", uint64(testStart)+1, "hello"))
	if r := drain(c); r.Deliveries[len(r.Deliveries)-1].Sender != "bob" {
		t.Error("an honest message is not delivered")
	}
	// What was given up makes no room for less: after the policy's time all
	// messages are out.
	c.Tick(testStart.Add(time.Minute))
	if got := c.Sizes().Parked; got != 0 {
		t.Errorf("%d messages still wait", got)
	}
}

// Waiting content is bounded; the oldest makes room.
func TestParkedBytesAreBounded(t *testing.T) {
	c := testChannel(t, LIP, nil)
	big := strings.Repeat("x", MaxContent)
	var first MessageID
	for i := range 40 {
		m := lip(ParticipantID(fmt.Sprint("sender", i)), uint64(testStart), big, invented(i, 1)...)
		if i == 0 {
			first = m.MessageID
		}
		receive(t, c, testStart, m)
		if got := c.Sizes().ParkedBytes; got > MaxParkedBytes {
			t.Fatalf("%d bytes are parked, at most %d", got, MaxParkedBytes)
		}
	}
	if !c.Has(first) {
		t.Error("the oldest message was lost instead of delivered with a gap")
	}
	if got := c.Sizes().Parked; got < 30 {
		t.Errorf("only %d messages still wait", got)
	}
}

// A queue of messages that wait does not keep those that are gone.
func TestParkedQueueForgets(t *testing.T) {
	c := testChannel(t, LIP, nil)
	receive(t, c, testStart, lip("far", uint64(testStart)+1e9, "in quarantine"))
	for i := range 5_000 {
		child := lip("bob", uint64(testStart)+1, fmt.Sprint("child", i), lip("bob", uint64(testStart), fmt.Sprint(i)).MessageID)
		receive(t, c, testStart, child)
		receive(t, c, testStart, lip("bob", uint64(testStart), fmt.Sprint(i)))
	}
	if got := len(c.parkedQueue); got > 200 {
		t.Errorf("the queue holds %d entries for %d messages", got, len(c.parked))
	}
}

func TestPeersAndMetAreBounded(t *testing.T) {
	c := testChannel(t, LIP, func(cfg *Config) {
		cfg.Roster = &Roster{Members: map[ParticipantID]PersonID{"me": "me", "bob": "bob"}}
	})
	for i := range MaxPeers + 100 {
		receive(t, c, testStart, wire.Message{Dialect: wire.LIP, SenderID: ParticipantID(fmt.Sprint("sybil", i)), ChannelID: "room",
			MessageID: MessageID(fmt.Sprint("sync-", i)), Lamport: uint64(testStart), HasLamport: true})
	}
	if got := c.Sizes(); got.Peers != MaxPeers || got.Met != MaxMet {
		t.Errorf("%d peers and %d met ids, want %d and %d", got.Peers, got.Met, MaxPeers, MaxMet)
	}
	// A member of the roster is still counted.
	id, err := c.Send(testStart, []byte("x"), SendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	receive(t, c, testStart, lip("bob", uint64(testStart)+1, "got it", id))
	if got := drain(c).Receipts; len(got) == 0 || got[len(got)-1].Seen != 1 {
		t.Errorf("receipts %+v", got)
	}
}

// Send pushes back when too many messages are known to nobody, and makes room
// for a new one by the oldest that somebody has.
func TestOutgoingIsBounded(t *testing.T) {
	c := testChannel(t, LIP, nil)
	var first MessageID
	for i := range MaxOutgoing {
		id, err := c.Send(testStart, []byte("x"), SendOptions{})
		if err != nil {
			t.Fatal(i, err)
		}
		if i == 0 {
			first = id
		}
	}
	if _, err := c.Send(testStart, []byte("x"), SendOptions{}); !errors.Is(err, ErrOutgoingFull) {
		t.Fatalf("error %v, want ErrOutgoingFull", err)
	}
	receive(t, c, testStart, lip("bob", uint64(testStart)+MaxOutgoing, "got the first", first))
	if _, err := c.Send(testStart, []byte("x"), SendOptions{}); err != nil {
		t.Error(err)
	}
	if got := c.Sizes().Outgoing; got != MaxOutgoing {
		t.Errorf("%d outgoing, want %d", got, MaxOutgoing)
	}
	if _, tracked := c.Receipt(first); tracked {
		t.Error("room was made by another message than the one that somebody has")
	}
}

// With DropOldest the oldest makes room, and is reported undelivered.
func TestOutgoingDropsTheOldest(t *testing.T) {
	c := testChannel(t, LIP, func(cfg *Config) { cfg.DropOldest = true })
	var ids []MessageID
	undelivered := map[MessageID]bool{}
	for range MaxOutgoing + 1 {
		id, err := c.Send(testStart, []byte("x"), SendOptions{})
		if err != nil {
			t.Fatal(len(ids), err)
		}
		ids = append(ids, id)
		for _, r := range drain(c).Receipts {
			if r.Undelivered {
				undelivered[r.ID] = true
			}
		}
	}
	_, oldest := c.Receipt(ids[0])
	_, newest := c.Receipt(ids[len(ids)-1])
	if oldest || !newest || !undelivered[ids[0]] || undelivered[ids[len(ids)-1]] {
		t.Errorf("oldest tracked %v, newest %v; %d undelivered", oldest, newest, len(undelivered))
	}
	if got := c.Sizes().Outgoing; got > MaxOutgoing || got < MaxOutgoing-MaxOutgoing/64 {
		t.Errorf("%d outgoing, want about %d", got, MaxOutgoing)
	}
}

// Requests for everything at once plan a bounded number of answers.
func TestAnswersAreBounded(t *testing.T) {
	c := testChannel(t, LIP, nil)
	var ids []MessageID
	for i := range 2 * MaxAnswers {
		m := lip("bob", uint64(testStart)+uint64(i), fmt.Sprint(i))
		ids = append(ids, m.MessageID)
		receive(t, c, testStart, m)
	}
	now := testStart.Add(time.Minute)
	for i := 0; i < len(ids); i += MaxRequestIDs {
		m := wire.Message{Dialect: wire.LIP, SenderID: "mallory", ChannelID: "room", MessageID: MessageID(fmt.Sprint("sync-", i)),
			Lamport: uint64(testStart), HasLamport: true}
		for _, id := range ids[i : i+MaxRequestIDs] {
			m.RepairRequest = append(m.RepairRequest, wire.HistoryEntry{MessageID: id})
		}
		receive(t, c, now, m)
	}
	if got := c.Sizes().Answers; got != MaxAnswers {
		t.Errorf("%d answers are planned, want %d", got, MaxAnswers)
	}
	// The same request again within the window is answered once.
	drain(c)
	c.Tick(now.Add(30 * time.Second))
	sent := 0
	for _, p := range drain(c).Packets {
		if p.Class == ClassRepair {
			sent++
		}
	}
	if sent != MaxAnswers {
		t.Errorf("%d repairs were sent, want %d", sent, MaxAnswers)
	}
}

// What is held for a lookup is bounded, and nothing else waits for it.
func TestHeldIsBounded(t *testing.T) {
	c := testChannel(t, LIP, func(cfg *Config) { cfg.Window = 10 })
	for i := range 20 {
		receive(t, c, testStart, lip("bob", uint64(testStart)+uint64(i), fmt.Sprint(i), headIDs(c)...))
	}
	for i := range MaxHeld + 100 {
		receive(t, c, testStart, lip("mallory", 1+uint64(i), "old"))
	}
	if got := c.Sizes().Held; got != MaxHeld {
		t.Errorf("%d messages are held, want %d", got, MaxHeld)
	}
}

func headIDs(c *Channel) []MessageID {
	var ids []MessageID
	for _, e := range c.Heads() {
		ids = append(ids, e.MessageID)
	}
	return ids
}

// spec R90: until Advance, every Ready offers everything again.
func TestReadyIsOfferedAgain(t *testing.T) {
	c := testChannel(t, LIP, nil)
	if _, err := c.Send(testStart, []byte("a"), SendOptions{}); err != nil {
		t.Fatal(err)
	}
	first := c.Ready() // the commit fails
	receive(t, c, testStart, lip("bob", uint64(testStart)+1, "b"))
	again := c.Ready()
	if len(again.Packets) != 1 || again.Packets[0].Serial != first.Packets[0].Serial || len(again.Deliveries) != 2 ||
		len(again.Changes.Messages) != 2 || again.Changes.Meta.Position != 2 || len(again.Arrivals) != 1 {
		t.Errorf("offered again: %+v", again)
	}
	c.Advance()
	if r := c.Ready(); !r.Empty() {
		t.Errorf("after Advance there is still %+v", r)
	}
}

// Bad configurations and messages are refused by name.
func TestRefusals(t *testing.T) {
	for _, cfg := range []Config{
		{}, {Channel: "c"}, {Participant: "p"}, {Channel: "c", Participant: "p", Dialect: 9},
		{Channel: "c", Participant: "p", JoinPoint: MaxLamport}, {Channel: "c", Participant: "p", RoundTrip: -1},
		{Channel: "c", Participant: "p", Window: -1}, {Channel: "c", Participant: "p", GapAfter: -1},
		{Channel: ChannelID(strings.Repeat("c", 600)), Participant: "p"},
	} {
		if _, err := New(cfg, testStart); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: error %v, want ErrConfig", cfg, err)
		}
	}
	now := uint64(testStart)
	for _, c := range []struct {
		want   error
		change func(m *wire.Message, o *Origin)
	}{
		{ErrWrongChannel, func(m *wire.Message, o *Origin) { m.ChannelID = "elsewhere" }},
		{ErrNoID, func(m *wire.Message, o *Origin) { m.MessageID = "" }},
		{ErrNoSender, func(m *wire.Message, o *Origin) { m.SenderID = "" }},
		{ErrUnknownKind, func(m *wire.Message, o *Origin) { m.HasLamport, m.Content = false, nil }},
		{ErrIDMismatch, func(m *wire.Message, o *Origin) { m.Content = []byte("other") }},
		{ErrContentTooLarge, func(m *wire.Message, o *Origin) { m.Content = make([]byte, MaxContent+1) }},
		{ErrForgedSender, func(m *wire.Message, o *Origin) { o.Authenticated, o.Sender = true, "carol" }},
	} {
		ch := testChannel(t, LIP, nil)
		drain(ch)
		m, o := lip("bob", now, "hello"), Origin{}
		c.change(&m, &o)
		if err := ch.Receive(testStart, m, o); !errors.Is(err, c.want) {
			t.Errorf("error %v, want %v", err, c.want)
		}
		if r := ch.Ready(); !r.Empty() {
			t.Errorf("%v: something of it was used: %+v", c.want, r)
		}
	}
	ch := testChannel(t, LIP, nil)
	for _, c := range []struct {
		want    error
		content []byte
		o       SendOptions
	}{
		{ErrEmptyContent, nil, SendOptions{}},
		{ErrContentTooLarge, make([]byte, MaxContent+1), SendOptions{}},
		{ErrConfig, []byte("x"), SendOptions{ID: "mine"}},
		{ErrConfig, []byte("x"), SendOptions{Want: Fraction(1.5)}},
	} {
		if _, err := ch.Send(testStart, c.content, c.o); !errors.Is(err, c.want) {
			t.Errorf("Send: error %v, want %v", err, c.want)
		}
	}
	js := testChannel(t, JS, nil)
	js.Send(testStart, []byte("ok"), SendOptions{})
	if _, err := js.Send(testStart, []byte("ok"), SendOptions{}); !errors.Is(err, ErrDuplicateContent) {
		t.Errorf("the same content again in a JS channel: %v, want ErrDuplicateContent", err)
	}
}

// Room is for several messages what Send makes for one.
func TestRoomForSeveral(t *testing.T) {
	c := testChannel(t, LIP, nil)
	var ids []MessageID
	for i := range MaxOutgoing - 2 {
		id, err := c.Send(testStart, []byte("x"), SendOptions{})
		if err != nil {
			t.Fatal(i, err)
		}
		ids = append(ids, id)
	}
	if !c.Room(testStart, 2) || c.Room(testStart, 3) || c.Room(testStart, MaxOutgoing+1) {
		t.Error("there is room for two, and no more")
	}
	receive(t, c, testStart, lip("bob", uint64(testStart)+MaxOutgoing, "got these", ids[:5]...))
	if got := c.Sizes().Outgoing; got != MaxOutgoing-2 || c.Room(testStart, 8) || !c.Room(testStart, 2) {
		t.Errorf("%d are tracked", got)
	}
	if got := c.Sizes().Outgoing; got != MaxOutgoing-7 || !c.Room(testStart, 7) {
		t.Errorf("%d are tracked after those that bob has made room", got)
	}
}
