package sds

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/sketch"
	"github.com/causeway-im/causeway/sds/wire"
)

// What hostile participants cost a member, in bytes that it sends, in allocations and
// in memory that it keeps: the figures of docs/security.md, each with its bound.
// Packets come ten a second, in virtual time.

// siege is a member of a group of 20 with a log and own messages on the way.
type siege struct {
	c     *Channel
	log   []wire.Message // of p1
	own   []wire.Message // acknowledged by nobody
	now   Time
	kept  map[MessageID]int // encoded length of what the host has
	sent  int64             // bytes
	count int               // packets
	heard []byte            // an honest acknowledgement
}

// theLiar is a member; honest members of a siege are p1 and p2.
const theLiar ParticipantID = "p19"

func besieged(t *testing.T, d Dialect) *siege {
	s := &siege{now: testStart, kept: map[MessageID]int{}}
	s.c = testChannel(t, d, func(cfg *Config) { cfg.Roster = rosterOf(20) })
	s.log = chain(t, s.c, "p1", 500)
	for i := range s.log {
		s.kept[s.log[i].MessageID] = s.log[i].Size()
	}
	s.turn(t)
	for i := range 8 {
		m := say(t, s.c, s.now, fmt.Sprint("mine ", i), SendOptions{Want: Everyone})
		s.own = append(s.own, m)
		s.kept[m.MessageID] = m.Size()
	}
	ack := saying("p2", s.now, wire.Extension{}, s.own[0].MessageID)
	s.heard = ack.Encode()
	return s
}

// turn does what a host does: all that is due now leaves, lookups find nothing.
func (s *siege) turn(t *testing.T) {
	t.Helper()
	for i := 0; ; i++ {
		s.c.Tick(s.now)
		r := drain(s.c)
		for _, p := range r.Packets {
			s.c.Handed(s.now, p.Serial, nil, nil)
			s.count++
			if p.Payload == nil {
				s.sent += int64(s.kept[p.ID])
			} else {
				s.sent += int64(len(p.Payload))
				s.kept[p.ID] = len(p.Payload)
			}
		}
		found := make([]Lookup, len(r.Lookups))
		for i, id := range r.Lookups {
			found[i] = Lookup{ID: id}
		}
		s.c.Found(s.now, found)
		if at, ok := s.c.Deadline(); (!ok || at > s.now) && r.Empty() {
			return
		}
		if i > 1000 {
			t.Fatal("it never comes to rest")
		}
	}
}

// attack is one way to lie.
type attack struct {
	name    string
	dialect Dialect
	// lie is packet i; it may have any sender_id.
	lie func(t *testing.T, s *siege, i int) wire.Message
	// refused says that the authenticator refuses each packet, open that all hosts do.
	refused, open bool
	// claims: without the authenticator the lie is believed, and says that it is a claim.
	claims bool
	most   most
}

// most bounds a siege: packets and kB sent by the victim, allocations for each packet
// that it hears, and the KiB that stay.
type most struct{ packets, sent, allocs, kept int }

// cost is what one siege came to.
type cost struct {
	heard, sent int64
	replies     int
	allocs      float64
	kept        int64
	took        time.Duration
	refused     int
	falsely     int
}

// A siege has 500 packets, and 2,000 with CAUSEWAY_NIGHTLY=1. They are made in parts, so
// that making them is not counted.
var siegePackets = 500

const siegePart, siegePace = 100, 100 * time.Millisecond

func init() {
	if os.Getenv("CAUSEWAY_NIGHTLY") == "1" {
		siegePackets = 2000
	}
}

// packets makes a part of what is sent from packet i on; nothing in peace.
func (a *attack) packets(t *testing.T, s *siege, i int) [][]byte {
	list := make([][]byte, siegePart)
	if a.lie == nil {
		return list
	}
	defer func(now Time) { s.now = now }(s.now)
	for j := range list {
		s.now = s.now.Add(siegePace)
		m := a.lie(t, s, i+j)
		list[j] = m.Encode()
	}
	return list
}

// run besieges a member. With authenticated its host knows that all packets are of
// theLiar. A nil attack is ten minutes of peace.
func (a *attack) run(t *testing.T, authenticated bool) cost {
	var before, after, m0, m1 runtime.MemStats
	var k cost
	s := besieged(t, a.dialect)
	calm, replies := s.sent, s.count
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := 0; i < siegePackets; i += siegePart {
		packets := a.packets(t, s, i)
		runtime.ReadMemStats(&m0)
		start := time.Now()
		for _, p := range packets {
			s.now = s.now.Add(siegePace)
			k.heard += int64(len(p))
			if p != nil {
				k.refused += s.hear(p, authenticated)
			}
			s.turn(t)
		}
		k.took += time.Since(start)
		runtime.ReadMemStats(&m1)
		k.allocs += float64(m1.Mallocs - m0.Mallocs)
	}
	k.sent, k.replies = s.sent-calm, s.count-replies
	k.allocs /= float64(siegePackets)
	clear(s.kept)
	runtime.GC()
	runtime.ReadMemStats(&after)
	k.kept = int64(after.HeapAlloc) - int64(before.HeapAlloc)
	s.check(t, authenticated)
	k.falsely = s.falselyListed()
	return k
}

// hear gives a packet to the channel, as a host does; 1 if it was refused.
func (s *siege) hear(packet []byte, authenticated bool) int {
	m, err := wire.Decode(packet)
	if err == nil {
		o := Origin{}
		if authenticated {
			o = Origin{Sender: theLiar, Authenticated: true}
		}
		err = s.c.Receive(s.now, m, o)
	}
	if err != nil {
		return 1
	}
	return 0
}

// falselyListed counts persons other than the liar that receipts show. Nobody but
// it says anything in a siege.
func (s *siege) falselyListed() (n int) {
	for _, m := range s.own {
		if r, ok := s.c.Receipt(m.MessageID); ok {
			for _, p := range r.Persons {
				if p != "P19" {
					n++
				}
			}
		}
	}
	return n
}

// check looks at what no siege may touch: bounds, clock, and that an honest message
// still gets through at once.
func (s *siege) check(t *testing.T, authenticated bool) {
	t.Helper()
	z := s.c.Sizes()
	if z.Awaited > MaxHoles || z.Answers > MaxAnswers || z.Held > MaxHeld || z.Met > MaxMet || z.ParkedBytes > MaxParkedBytes ||
		z.Heads > MaxHeads || z.Peers > MaxPeers || z.Window > DefaultWindow {
		t.Errorf("a buffer is above its bound: %+v", z)
	}
	if clock := s.c.Meta().Lamport; s.c.cfg.Dialect == LIP && clock > uint64(s.now.Add(ClockSkew+time.Second)) {
		t.Errorf("the clock is %v ahead", Time(clock).Sub(s.now))
	}
	honest := lip("p2", uint64(s.now)+1, "still here", s.log[len(s.log)-1].MessageID)
	if err := s.c.Receive(s.now, honest, Origin{Sender: "p2", Authenticated: authenticated}); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(drain(s.c).Deliveries, func(d Delivery) bool { return d.ID == honest.MessageID }) {
		t.Error("an honest message is not delivered at once")
	}
}

// at is a sync that the liar sends under a name, in the unit of the dialect.
func (s *siege) says(name ParticipantID, i int, e wire.Extension, heads ...MessageID) wire.Message {
	return saying(name, s.now+Time(i%50), e, heads...)
}

// victim is an honest member or, every other time, somebody invented.
func victim(i int) ParticipantID {
	if i%2 == 0 {
		return ParticipantID(fmt.Sprint("p", 2+i/2%16))
	}
	return ParticipantID(fmt.Sprint("sybil", i))
}

func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	_, _ = r.Read(b)
	return b
}

// attacks are the rows of docs/security.md. Bounds are about twice what was
// measured.
var attacks = []attack{
	{name: "forged acknowledgements", most: most{25, 5, 15, 100}, refused: true, claims: true, lie: func(t *testing.T, s *siege, i int) wire.Message {
		return s.says(ParticipantID(fmt.Sprint("p", 2+i%16)), i, wire.Extension{}, s.own[i%8].MessageID)
	}},
	{name: "replayed acknowledgements", most: most{25, 5, 15, 100}, refused: true, claims: true, lie: func(t *testing.T, s *siege, i int) wire.Message {
		m, err := wire.Decode(s.heard)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}},
	{name: "repair poisoning", most: most{10, 2, 20, 100}, open: true, lie: func(t *testing.T, s *siege, i int) wire.Message {
		m := s.log[i%500] // the true one is here; what isn't is in TestPoisonDoesNotStick
		m.MessageID, m.Content = lip("p2", uint64(s.now), "not yet here").MessageID, []byte("poison")
		return m
	}},
	{name: "invented parents", most: most{350, 400, 90, 2400}, lie: func(t *testing.T, s *siege, i int) wire.Message {
		return lip(theLiar, uint64(s.now), fmt.Sprint(i), invented(20*i, 20)...)
	}},
	{name: "very many parents", most: most{350, 400, 1100, 8000}, lie: func(t *testing.T, s *siege, i int) wire.Message {
		return lip(theLiar, uint64(s.now), fmt.Sprint(i), invented(512*i, 512)...)
	}},
	{name: "far clocks", most: most{10, 2, 15, 400}, lie: func(t *testing.T, s *siege, i int) wire.Message {
		return lip(theLiar, uint64(s.now)+1<<40+uint64(i), fmt.Sprint(i))
	}},
	{name: "sequence gaps", most: most{310, 250, 20, 1300}, lie: func(t *testing.T, s *siege, i int) wire.Message {
		m := lip(theLiar, uint64(s.now), fmt.Sprint(i))
		e := wire.Extension{Version: 1, Incarnation: 7, Sequence: uint64(60 * (i + 1))}
		m.Extension = e.Encode()
		return m
	}},
	{name: "lying fingerprints", most: most{80, 10, 15, 100}, lie: func(t *testing.T, s *siege, i int) wire.Message {
		return s.says(theLiar, i, wire.Extension{HasFingerprint: true, Fingerprint: uint64(i) << 32, Base: uint64(i)}, s.log[i%500].MessageID)
	}},
	{name: "crafted sketches", most: most{120, 20, 20, 100}, lie: func(t *testing.T, s *siege, i int) wire.Message {
		d := digestOf(t, "room", uint64(testStart), uint64(testStart)+600, 32, append(ids(s.log), invented(i, 16)...)...)
		for k := len(d) / 2; k < len(d); k++ { // what it says of half of its symbols
			d[k] ^= byte(i*k) | 1
		}
		return s.says(theLiar, i, wire.Extension{Digest: d}, s.log[499].MessageID)
	}},
	{name: "abused digests", most: most{120, 40, 30, 200}, lie: func(t *testing.T, s *siege, i int) wire.Message {
		d := digestOf(t, "room", uint64(testStart), uint64(testStart)+600, 64, append(ids(s.log), invented(20*i, 20)...)...)
		return s.says(theLiar, i, wire.Extension{Digest: d}, s.log[499].MessageID)
	}},
	{name: "request flood", most: most{6000, 600, 80, 200}, lie: func(t *testing.T, s *siege, i int) wire.Message {
		m := s.says(theLiar, i, wire.Extension{})
		for j := range 32 {
			m.RepairRequest = append(m.RepairRequest, wire.HistoryEntry{MessageID: s.log[(32*i+j)%500].MessageID})
		}
		return m
	}},
	{name: "request flood, invented names", most: most{6000, 600, 80, 400}, refused: true, lie: func(t *testing.T, s *siege, i int) wire.Message {
		m := s.says(victim(i), i, wire.Extension{})
		for j := range 32 {
			m.RepairRequest = append(m.RepairRequest, wire.HistoryEntry{MessageID: s.log[(32*i+j)%500].MessageID})
		}
		return m
	}},
	{name: "own messages asked for", most: most{170, 20, 30, 100}, lie: func(t *testing.T, s *siege, i int) wire.Message {
		m := s.says(theLiar, i, wire.Extension{})
		for j := range s.own {
			m.RepairRequest = append(m.RepairRequest, wire.HistoryEntry{MessageID: s.own[j].MessageID})
		}
		return m
	}},
	{name: "wanted short ids", most: most{6000, 600, 25, 200}, lie: func(t *testing.T, s *siege, i int) wire.Message {
		from, to := uint64(testStart), uint64(testStart)+500+uint64(i)
		key := sketch.NewKey([]byte("room"), from, to)
		e := wire.Extension{WantFrom: from, WantTo: to}
		for j := range wire.MaxWant {
			e.Want = append(e.Want, key.ShortID(string(s.log[(64*i+j)%500].MessageID)))
		}
		return s.says(theLiar, i, e)
	}},
	{name: "asks for acknowledgement", most: most{350, 300, 20, 1300}, lie: func(t *testing.T, s *siege, i int) wire.Message {
		m := lip(theLiar, uint64(s.now), fmt.Sprint(i))
		e := wire.Extension{Version: 1, Incarnation: 7, HasAsk: true}
		m.Extension = e.Encode()
		return m
	}},
	{name: "abused censuses", most: most{150, 25, 15, 100}, lie: func(t *testing.T, s *siege, i int) wire.Message {
		x := wire.Census{Asks: true, Size: 1 << 31, Spread: 1, Roster: s.c.cfg.Roster.table.version, Seed: uint64(i), Subject: ShortID("room", s.log[i%500].MessageID)}
		return s.says(theLiar, i, wire.Extension{Census: x.Encode()})
	}},
	{name: "false census reports", most: most{25, 5, 15, 100}, refused: true, claims: true, lie: func(t *testing.T, s *siege, i int) wire.Message {
		x := wire.Census{Reports: []uint64{ShortID("room", s.own[i%8].MessageID)}}
		return s.says(ParticipantID(fmt.Sprint("p", 2+i%16)), i, wire.Extension{Census: x.Encode()})
	}},
	{name: "crowd of strangers", most: most{10, 2, 20, 900}, refused: true, lie: func(t *testing.T, s *siege, i int) wire.Message {
		return s.says(ParticipantID(fmt.Sprint("sybil", i)), i, wire.Extension{GroupSize: 255, RoundTrip: 255}, s.own[0].MessageID)
	}},
	{name: "other channels", most: most{10, 2, 15, 100}, open: true, lie: func(t *testing.T, s *siege, i int) wire.Message {
		m := lip(theLiar, uint64(s.now), "x")
		m.ChannelID = ChannelID(fmt.Sprint("room", i))
		m.MessageID = NewMessageID(m.ChannelID, m.SenderID, m.Lamport, nil, m.Content)
		return m
	}},
	{name: "malformed filters", most: most{200, 7000, 30, 1500}, dialect: JS, lie: func(t *testing.T, s *siege, i int) wire.Message {
		m := jsContent(theLiar, uint64(s.now)+uint64(i), fmt.Sprint(i))
		m.BloomFilter = noise(uint64(i), 1+i*37%20_000)
		return m
	}},
	{name: "filters that hold everything", most: most{200, 7000, 25, 1500}, dialect: JS, lie: func(t *testing.T, s *siege, i int) wire.Message {
		m := jsContent(theLiar, uint64(s.now)+uint64(i), fmt.Sprint(i))
		m.BloomFilter = bytes.Repeat([]byte{0xff}, 18_752)
		return m
	}},
	{name: "floods of content", most: most{310, 250, 20, 1300}, lie: func(t *testing.T, s *siege, i int) wire.Message {
		return lip(theLiar, uint64(s.now), string(noise(uint64(i), 2000)))
	}},
}

// Every attack, with the authenticator and without it, stays within its bounds, and
// gets nobody into a receipt who was not heard. With -v the test prints the table of
// docs/security.md.
func TestHostileCosts(t *testing.T) {
	t.Log("| attack | authenticator | refused | heard kB | sent kB | packets sent | allocations each | kept KiB | µs each |")
	for _, a := range append([]attack{{name: "none", most: most{10, 2, 2, 100}}}, attacks...) {
		for _, authenticated := range []bool{false, true} {
			k := a.run(t, authenticated)
			t.Logf("| %s | %v | %d | %d | %.1f | %d | %.0f | %d | %.0f |", a.name, authenticated, k.refused, k.heard/1000, float64(k.sent)/1000,
				k.replies, k.allocs, max(0, k.kept>>10), float64(k.took.Microseconds())/float64(siegePackets))
			a.judge(t, authenticated, k)
		}
	}
}

func (a *attack) judge(t *testing.T, authenticated bool, k cost) {
	t.Helper()
	refused := 0
	if a.open || a.refused && authenticated {
		refused = siegePackets
	}
	if k.refused != refused {
		t.Errorf("%s, authenticator %v: %d of %d packets refused, want %d", a.name, authenticated, k.refused, siegePackets, refused)
	}
	if (k.falsely > 0) != (a.claims && !authenticated) {
		t.Errorf("%s, authenticator %v: receipts count %d persons who said nothing", a.name, authenticated, k.falsely)
	}
	m := a.most
	if k.replies > m.packets || int(k.sent/1000) > m.sent {
		t.Errorf("%s: %d packets, %d kB sent, at most %d, %d", a.name, k.replies, k.sent/1000, m.packets, m.sent)
	}
	if int(k.allocs) > m.allocs || int(k.kept>>10) > m.kept {
		t.Errorf("%s: %.0f allocations for each packet, %d KiB kept, at most %d, %d", a.name, k.allocs, k.kept>>10, m.allocs, m.kept)
	}
}

// A copy under a missing message's id with other content is refused, whoever sends
// it and however often; the true one is still asked for, and taken.
func TestPoisonDoesNotStick(t *testing.T) {
	c := testChannel(t, LIP, nil)
	missing := lip("p1", uint64(testStart), "true")
	child := lip("p2", uint64(testStart)+1, "child", missing.MessageID)
	receive(t, c, testStart, child)
	for _, name := range []ParticipantID{"p1", theLiar} {
		poison := missing
		poison.SenderID, poison.Content = name, []byte("false")
		for range 100 {
			if err := c.Receive(testStart, poison, Origin{}); !errors.Is(err, ErrIDMismatch) {
				t.Fatalf("poison of %s: %v", name, err)
			}
		}
	}
	if z := c.Sizes(); z.Awaited != 1 || z.Parked != 1 {
		t.Errorf("%+v: it is no longer waited for", z)
	}
	receive(t, c, testStart, missing)
	if d := drain(c).Deliveries; len(d) != 2 || string(d[0].Content) != "true" {
		t.Errorf("delivered %+v", d)
	}
}

// An acknowledgement that is played again proves what it proved: nothing about what
// was written since, and nothing for who plays it.
func TestReplayProvesNothingNew(t *testing.T) {
	me, bob := two(t, nil)
	first := say(t, me, testStart, "first", SendOptions{Want: Everyone})
	receive(t, bob, testStart, first)
	ack := claims(t, bob, testStart)
	receive(t, me, testStart.Add(time.Second), ack)
	second := say(t, me, testStart.Add(2*time.Second), "second", SendOptions{Want: Everyone})
	for i := range 100 {
		receive(t, me, testStart.Add(time.Duration(3+i)*time.Second), ack)
	}
	if a, b := seen(t, me, first), seen(t, me, second); a != 1 || b != 0 {
		t.Errorf("%d have the first, %d the second, want 1 and 0", a, b)
	}
	stolen := ack // with carol's name on it
	stolen.SenderID = "carol"
	if err := me.Receive(testStart.Add(time.Hour), stolen, Origin{}); !errors.Is(err, ErrIDMismatch) || seen(t, me, first) != 1 {
		t.Errorf("stolen: %v, seen by %d", err, seen(t, me, first))
	}
}

// spec R57: what was not authenticated says that it is a claim, what was does not.
func TestForgedAcknowledgementIsAClaim(t *testing.T) {
	for _, authenticated := range []bool{false, true} {
		me, _ := two(t, nil)
		m := say(t, me, testStart, "hello", SendOptions{Want: Everyone})
		ack := saying("bob", testStart, wire.Extension{}, m.MessageID)
		forged := me.Receive(testStart, ack, Origin{Sender: "carol", Authenticated: authenticated})
		r, _ := me.Receipt(m.MessageID)
		if authenticated {
			if !errors.Is(forged, ErrForgedSender) || r.Seen != 0 {
				t.Errorf("carol speaks as bob: %v, %d seen", forged, r.Seen)
			}
			if err := me.Receive(testStart, ack, Origin{Sender: "bob", Authenticated: true}); err != nil {
				t.Fatal(err)
			}
			r, _ = me.Receipt(m.MessageID)
		}
		if r.Seen != 1 || r.Claimed == authenticated {
			t.Errorf("authenticator %v: seen by %d, claimed %v", authenticated, r.Seen, r.Claimed)
		}
	}
}

// A steward that says it has everything and answers nothing, or answers with
// poison, delays a repair and prevents none: others answer, too.
func TestLyingStewardIsPassedOver(t *testing.T) {
	roster := rosterOf(4)
	roster.Stewards = []PersonID{"P3"}
	asker, holder := memberOf(t, roster, "p1", nil), memberOf(t, roster, "p2", nil)
	missing := lip("me", uint64(testStart), "missing")
	child := lip("me", uint64(testStart)+1, "child", missing.MessageID)
	receive(t, holder, testStart, missing)
	receive(t, holder, testStart, child)
	receive(t, asker, testStart, child)
	for now := testStart; now < testStart.Add(time.Minute); now = now.Add(100 * time.Millisecond) {
		steward := saying("p3", now, wire.Extension{}, child.MessageID) // has it all, it says
		poison := missing
		poison.Content = []byte("poison")
		for _, c := range []*Channel{asker, holder} {
			receive(t, c, now, steward)
			if err := c.Receive(now, poison, Origin{}); err == nil {
				t.Fatal("poison was taken")
			}
			c.Tick(now)
		}
		for _, m := range sent(t, drain(asker), ClassRequest) {
			receive(t, holder, now, m)
		}
		for _, p := range drain(holder).Packets {
			if p.Class == ClassRepair && p.ID == missing.MessageID {
				receive(t, asker, now, missing)
			}
		}
	}
	if !asker.Has(missing.MessageID) || !asker.Has(child.MessageID) {
		t.Error("nobody but the steward answered")
	}
}

// spec R64: one message asked for again and again is sent at full pace four times,
// then at intervals that double to five minutes, and never not at all.
func TestRepairsOfOneMessageSlowDown(t *testing.T) {
	c := testChannel(t, LIP, nil)
	m := say(t, c, testStart, "mine", SendOptions{})
	var at []time.Duration
	for after := time.Second; after < time.Hour; after += time.Second {
		now := testStart.Add(after)
		receive(t, c, now, request("bob", after, m.MessageID))
		c.Tick(now)
		for _, p := range drain(c).Packets {
			if p.Class == ClassRepair {
				at = append(at, after)
			}
		}
	}
	for i := 1; i < len(at); i++ {
		want := 3 * time.Second << max(0, min(i-freeAnswers, 8))
		if gap := at[i] - at[i-1]; gap < min(want, maxIgnore) || gap > min(want, maxIgnore)+2*time.Second {
			t.Errorf("repair %d after %v, want %v", i+1, gap, min(want, maxIgnore))
		}
	}
	if len(at) < 15 || len(at) > 25 {
		t.Errorf("%d repairs in an hour", len(at))
	}
}

// spec R67: one participant makes us acknowledge 32 times at once and every
// second then, whatever it asks; another is heard all the same, and strangers
// are not.
func TestAsksAreRationed(t *testing.T) {
	c := memberOf(t, rosterOf(20), "p1", nil)
	first := lip("p5", uint64(testStart), "x")
	receive(t, c, testStart, first)
	named := wire.Extension{HasAsk: true, Ask: []uint32{ShortParticipant("room", "p1")}}
	acks := func(from ParticipantID, start Time, d time.Duration) (n int) {
		for now := start; now < start.Add(d); now = now.Add(500 * time.Millisecond) {
			receive(t, c, now, saying(from, now, named, first.MessageID))
			for range 4 {
				now = now.Add(100 * time.Millisecond)
				c.Tick(now)
				n += len(sent(t, drain(c), ClassAck))
			}
			now = now.Add(-400 * time.Millisecond)
		}
		return n
	}
	start := testStart.Add(time.Minute)
	c.Tick(start)
	drain(c)
	if n := acks("stranger", start, 10*time.Second); n != 0 {
		t.Errorf("a stranger was answered %d times", n)
	}
	start = start.Add(10 * time.Second)
	if n := acks("p2", start, time.Minute); n < 60 || n > 32+60+2 {
		t.Errorf("%d acknowledgements in a minute for 120 asks, want 32 and one a second", n)
	}
	start = start.Add(time.Minute)
	if n := acks("p3", start, 5*time.Second); n < 8 {
		t.Errorf("another asks ten times and is answered %d times", n)
	}
}
