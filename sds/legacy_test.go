package sds

import (
	"fmt"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/bloom"
	"github.com/causeway-im/causeway/sds/wire"
)

// sent decodes the packets of a class in r.
func sent(t testing.TB, r Ready, class Class) []wire.Message {
	t.Helper()
	var all []wire.Message
	for _, p := range r.Packets {
		if p.Class != class || p.Payload == nil {
			continue
		}
		m, err := wire.Decode(p.Payload)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

func say(t testing.TB, c *Channel, now Time, text string, o SendOptions) wire.Message {
	t.Helper()
	if _, err := c.Send(now, []byte(text), o); err != nil {
		t.Fatal(err)
	}
	all := sent(t, drain(c), ClassContent)
	if len(all) != 1 {
		t.Fatalf("%d packets instead of one", len(all))
	}
	return all[0]
}

func names(m wire.Message, id MessageID) bool {
	for _, e := range m.CausalHistory {
		if e.MessageID == id {
			return true
		}
	}
	return false
}

// spec R30: the oldest 20 heads, and always the one that leads to the own last
// message.
func TestHeadsAreCappedAndKeepTheChain(t *testing.T) {
	c := testChannel(t, LIP, nil)
	now := uint64(testStart)
	for i := range 30 {
		receive(t, c, testStart, lip("bob", now-100+uint64(i), fmt.Sprint(i)))
	}
	first := say(t, c, testStart, "first", SendOptions{})
	if len(first.CausalHistory) != MaxParentsLIP {
		t.Fatalf("names %d heads, want %d", len(first.CausalHistory), MaxParentsLIP)
	}
	for i := 1; i < len(first.CausalHistory); i++ {
		if c.nodes[first.CausalHistory[i-1].MessageID].lamport >= c.nodes[first.CausalHistory[i].MessageID].lamport {
			t.Error("heads are not oldest first")
		}
	}
	e, _ := wire.ParseExtension(first.Extension)
	if e.HasFingerprint {
		t.Error("claims everything although it does not name all heads")
	}
	for i := range 30 { // older than the own message, so that it would be cut off
		receive(t, c, testStart, lip("carol", now-200+uint64(i), fmt.Sprint("c", i)))
	}
	second := say(t, c, testStart, "second", SendOptions{})
	if len(second.CausalHistory) != MaxParentsLIP || !names(second, first.MessageID) {
		t.Errorf("the chain of own messages is broken: %d entries", len(second.CausalHistory))
	}
}

// spec R31: what comes late and only a message of the other format names is a head, as
// it is where it came in order: all that members can claim leads from heads.
func TestLateMessageNamedByForeign(t *testing.T) {
	for name, late := range map[string]bool{"in order": false, "late": true} {
		c := testChannel(t, LIP, nil)
		ours := lip("bob", uint64(testStart), "lip")
		nim := wire.Message{Dialect: wire.Nim, SenderID: "nimmy", ChannelID: "room", MessageID: "0x1", Lamport: uint64(testStart) + 1,
			HasLamport: true, Content: []byte("nim"), CausalHistory: []wire.HistoryEntry{{MessageID: ours.MessageID, SenderID: "bob"}}}
		if !late {
			receive(t, c, testStart, ours)
		}
		receive(t, c, testStart, nim)
		c.Tick(testStart.Add(time.Minute))
		if late {
			receive(t, c, testStart.Add(time.Minute), ours)
		}
		if ids := headIDs(c); len(ids) != 1 || ids[0] != ours.MessageID || !c.Has("0x1") {
			t.Errorf("%s: heads %v", name, ids)
		}
	}
}

// spec R31: bytes of the other wire format are never named, and don't disturb
// what is claimed.
func TestForeignMessagesAreNotNamed(t *testing.T) {
	c := testChannel(t, LIP, nil)
	ours := lip("bob", uint64(testStart)-2, "lip")
	receive(t, c, testStart, ours)
	receive(t, c, testStart, wire.Message{Dialect: wire.Nim, SenderID: "nimmy", ChannelID: "room", MessageID: "0x1",
		Lamport: 1_700_000_000, HasLamport: true, Content: []byte("nim")})
	if !c.Has("0x1") {
		t.Fatal("the nim message is not in the log")
	}
	m := say(t, c, testStart, "hi", SendOptions{})
	if len(m.CausalHistory) != 1 || !names(m, ours.MessageID) {
		t.Errorf("names %v", m.CausalHistory)
	}
	if c.Meta().Sum.Count != 2 {
		t.Errorf("the sum covers %d messages, want the 2 of our format", c.Meta().Sum.Count)
	}
	if e, _ := wire.ParseExtension(m.Extension); !e.HasFingerprint {
		t.Error("no claim although all heads are named")
	}
}

func jsContent(sender ParticipantID, lamport uint64, text string, parents ...MessageID) wire.Message {
	m := lip(sender, lamport, text, parents...)
	m.MessageID = ContentID(m.Content)
	return m
}

// spec R80: ids, the list of what nobody named, and the filter: full size or
// none.
func TestJSDialect(t *testing.T) {
	c := testChannel(t, JS, nil)
	now := uint64(testStart)
	var ids []MessageID
	for i := range 150 { // a chain: one head, 149 that others may not have named
		var parents []MessageID
		m := jsContent(ParticipantID(fmt.Sprint("js", i)), now-1000+uint64(i), fmt.Sprint("m", i), parents...)
		ids = append(ids, m.MessageID)
		receive(t, c, testStart, m)
	}
	m := say(t, c, testStart, "hello", SendOptions{})
	if m.MessageID != ContentID([]byte("hello")) {
		t.Errorf("id %s is not that of the content", m.MessageID)
	}
	if len(m.CausalHistory) != 150 || m.BloomFilter != nil {
		t.Errorf("names %d with a filter of %d bytes, want 150 and none", len(m.CausalHistory), len(m.BloomFilter))
	}
	m = say(t, c, testStart, "hello again", SendOptions{})
	if len(m.CausalHistory) != 151 || !names(m, ids[0]) {
		t.Errorf("names %d: what nobody else named must be repeated", len(m.CausalHistory))
	}
	// Somebody else names half of them: these need no mention of ours any more.
	receive(t, c, testStart, jsContent("other", now+10, "I have them", ids[:75]...))
	m = say(t, c, testStart, "three", SendOptions{})
	if names(m, ids[0]) || !names(m, ids[149]) {
		t.Errorf("names %d messages", len(m.CausalHistory))
	}
	for i := range 250 {
		receive(t, c, testStart, jsContent("busy", now-500+uint64(i), fmt.Sprint("b", i)))
	}
	m = say(t, c, testStart, "many", SendOptions{})
	if len(m.CausalHistory) != MaxParentsJS || len(m.BloomFilter) != 18_752 {
		t.Fatalf("names %d with a filter of %d bytes, want 200 and 18752", len(m.CausalHistory), len(m.BloomFilter))
	}
	f, err := bloom.ParseJS(m.BloomFilter, bloom.Default())
	if err != nil {
		t.Fatal(err)
	}
	if !f.Contains(string(ids[149])) || !f.Contains(string(ContentID([]byte("b0")))) || f.Contains(string(m.MessageID)) {
		t.Error("the filter must hold what was received, and not the message itself")
	}
}

// The author's own acknowledgement of the message that named its message is as
// good as another's mention.
func TestUnnamedEndsWhenTheAuthorHeardUs(t *testing.T) {
	c := testChannel(t, JS, nil)
	theirs := jsContent("js", uint64(testStart), "theirs")
	receive(t, c, testStart, theirs)
	ours := say(t, c, testStart, "ours", SendOptions{})
	if next := say(t, c, testStart, "next", SendOptions{}); !names(next, theirs.MessageID) {
		t.Error("named once only although its author may not have heard us")
	}
	receive(t, c, testStart, jsContent("js", uint64(testStart)+5, "reply", ours.MessageID))
	if last := say(t, c, testStart, "last", SendOptions{}); names(last, theirs.MessageID) {
		t.Error("still named although its author heard us")
	}
}

// spec R83: what a JavaScript peer's filter lacks is repeated, since it asks once:
// what is newer than the oldest message that it names, and not on its way.
func TestJSPeerIsCompleted(t *testing.T) {
	c := testChannel(t, JS, nil)
	before := say(t, c, testStart.Add(-time.Hour), "before it joined", SendOptions{})
	named := jsContent("other", uint64(testStart)+10, "it has this")
	lacked := jsContent("other", uint64(testStart)+20, "but not this")
	own := jsContent("js", uint64(testStart)+30, "of course it has its own")
	for _, m := range []wire.Message{named, lacked, own} {
		receive(t, c, testStart, m)
	}
	parked := say(t, c, testStart.Add(30*time.Millisecond), "waits at its end", SendOptions{})
	drain(c)
	sync := jsContent("js", uint64(testStart)+40, "", named.MessageID)
	sync.MessageID, sync.Content = "sync-abc", nil
	f := newFilter(bloom.JS, bloom.Default())
	f.Add(string(named.MessageID))
	f.Add(string(parked.MessageID))
	sync.BloomFilter = f.Append(nil)

	repairs := func(at Time, m wire.Message) (ids []MessageID) {
		receive(t, c, at, m)
		c.Tick(at.Add(10 * time.Second))
		for _, p := range drain(c).Packets {
			if p.Class == ClassRepair {
				ids = append(ids, p.ID)
			}
		}
		return ids
	}
	if got := repairs(testStart.Add(time.Second), sync); len(got) > 0 {
		t.Errorf("repeats %v, which may be on its way", got)
	}
	sync.MessageID, sync.Extension = "sync-node", []byte{0x08, 1}
	if got := repairs(testStart.Add(20*time.Second), sync); len(got) > 0 {
		t.Errorf("repeats %v for a node, whose filter begins anew with each start", got)
	}
	sync.MessageID, sync.Extension = "sync-def", nil
	if got := repairs(testStart.Add(40*time.Second), sync); len(got) != 1 || got[0] != lacked.MessageID {
		t.Errorf("repeats %v, want %s alone, not %s", got, lacked.MessageID, before.MessageID)
	}
	sync.MessageID, sync.CausalHistory = "sync-ghi", nil
	if got := repairs(testStart.Add(80*time.Second), sync); len(got) > 0 {
		t.Errorf("repeats %v for somebody who has delivered nothing yet", got)
	}
}

func nimContent(sender ParticipantID, id MessageID, lamport uint64, parents ...MessageID) wire.Message {
	m := lip(sender, lamport, "content of "+string(id), parents...)
	m.Dialect, m.MessageID = wire.Nim, id
	return m
}

// spec R81 R82
func TestNimDialect(t *testing.T) {
	c := testChannel(t, Nim, nil)
	seconds := uint64(testStart) / 1000
	first := say(t, c, testStart, "first", SendOptions{ID: "0xfirst"})
	if first.Dialect != wire.Nim || first.MessageID != "0xfirst" || first.Lamport != seconds {
		t.Errorf("first message is %+v", first)
	}
	if first.Content == nil || first.BloomFilter == nil || len(first.BloomFilter) != 0 {
		t.Error("fields 5 and 6 must be present, the filter empty while the history names everything")
	}
	for i := range 30 {
		receive(t, c, testStart, nimContent("nim", MessageID(fmt.Sprint("0x", i)), seconds-100+uint64(i)))
	}
	m := say(t, c, testStart, "second", SendOptions{ID: "0xsecond"})
	if len(m.CausalHistory) != MaxParentsNim {
		t.Errorf("names %d, want %d", len(m.CausalHistory), MaxParentsNim)
	}
	f, err := bloom.ParseNim(m.BloomFilter)
	if err != nil {
		t.Fatal(err)
	}
	if !f.Contains("0x29") || !f.Contains("0x0") || len(m.BloomFilter) > 800 {
		t.Errorf("filter of %d bytes", len(m.BloomFilter))
	}
	for i := range 600 {
		receive(t, c, testStart, nimContent("nim", MessageID(fmt.Sprint("0xb", i)), seconds+uint64(i), MessageID(fmt.Sprint("0xb", i-1)))) // 0xb-1 stays missing
	}
	c.Tick(testStart.Add(time.Minute)) // it is given up, the rest delivered
	drain(c)
	for _, e := range c.Heads() {
		if n := c.nodes[e.MessageID]; n == nil || c.tooOldForNim(n) {
			t.Errorf("names %s, which is older than the newest 500", e.MessageID)
		}
	}
}

// spec R81 R66: no sync on timers; one ack-only message a minute, with what is
// missing, that is repaired on request.
func TestNimAckOnly(t *testing.T) {
	c := testChannel(t, Nim, nil)
	seconds := uint64(testStart) / 1000
	for i := range 5 {
		receive(t, c, testStart.Add(time.Duration(i)*10*time.Second), nimContent("nim", MessageID(fmt.Sprint("0x", i)), seconds+uint64(i)))
		c.Tick(testStart.Add(time.Duration(i) * 10 * time.Second))
	}
	for s := range 600 {
		c.Tick(testStart.Add(50*time.Second + time.Duration(s)*time.Second))
	}
	r := drain(c)
	acks := sent(t, r, ClassAck)
	if len(acks) != 2 || len(r.Packets) != 2 {
		t.Fatalf("%d ack-only messages of %d packets, want 2", len(acks), len(r.Packets))
	}
	a := acks[1]
	if a.Dialect != wire.Nim || a.Content == nil || len(a.Content) != 0 || !names(a, "0x4") {
		t.Errorf("ack-only message %+v", a)
	}
	request := nimContent("nim", "0xr", seconds+700)
	request.RepairRequest = []wire.HistoryEntry{{MessageID: a.MessageID, SenderID: "me"}}
	now := testStart.Add(700 * time.Second)
	receive(t, c, now, request)
	c.Tick(now.Add(time.Second))
	r = drain(c)
	if len(r.Packets) != 1 || r.Packets[0].Class != ClassRepair || r.Packets[0].ID != a.MessageID {
		t.Errorf("packets %+v", r.Packets)
	}
}

// spec R55: a filter of a legacy peer is "possibly", once per person, however
// often it comes, and never an acknowledgement.
func TestFilterIsPossiblyOnce(t *testing.T) {
	for _, d := range []Dialect{JS, Nim} {
		c := testChannel(t, d, nil)
		kind, p := bloom.JS, bloom.Default()
		if d == Nim {
			kind = bloom.Nim
		}
		m := say(t, c, testStart, "hello", SendOptions{})
		f, err := bloom.New(kind, p)
		if err != nil {
			t.Fatal(err)
		}
		f.Add(string(m.MessageID))
		for i := range 5 {
			for _, who := range []ParticipantID{"bob", "carol"} {
				text := fmt.Sprint(who, i)
				reply := jsContent(who, m.Lamport, text)
				if d == Nim {
					reply = nimContent(who, MessageID(text), m.Lamport)
				}
				reply.BloomFilter = f.Append(nil)
				receive(t, c, testStart, reply)
			}
			r, ok := c.Receipt(m.MessageID)
			if !ok || r.Seen != 0 || r.Possibly != 2 || r.Level >= LevelSeen {
				t.Fatalf("%v after %d filters of each: %+v", d, i+1, r)
			}
		}
	}
}

// spec R8: a filter that nim can't survive says nothing.
func TestHostileFilterSaysNothing(t *testing.T) {
	c := testChannel(t, Nim, nil)
	m := say(t, c, testStart, "hello", SendOptions{})
	for name, filter := range map[string][]byte{
		"m is 0":          {0x0a, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 1, 0x18, 1, 0x20, 1, 0x28, 0},
		"m above array":   {0x0a, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 1, 0x18, 1, 0x20, 3, 0x28, 0xa0, 0x8d, 0x06},
		"k is 0":          {0x0a, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 1, 0x18, 1, 0x20, 0, 0x28, 64},
		"k is 10 million": {0x0a, 0x08, 255, 255, 255, 255, 255, 255, 255, 255, 0x10, 1, 0x18, 1, 0x20, 0x80, 0xad, 0xe2, 0x04, 0x28, 64},
		"not a filter":    {1, 2, 3},
	} {
		reply := nimContent("nim", MessageID("0x"+name), m.Lamport)
		reply.BloomFilter = filter
		receive(t, c, testStart, reply)
		if r, _ := c.Receipt(m.MessageID); r.Possibly != 0 || r.Seen != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// A full history names the newest of the log besides what it has to name.
func TestFullHistory(t *testing.T) {
	c := testChannel(t, Nim, func(cfg *Config) { cfg.FullHistory = true })
	seconds := uint64(testStart) / 1000
	for i := range 7 { // a chain, all named by others
		id := MessageID(fmt.Sprint("0x", i))
		receive(t, c, testStart, nimContent(ParticipantID(fmt.Sprint("nim", i)), id, seconds+uint64(i), MessageID(fmt.Sprint("0x", i-1))))
		c.GiveUp(testStart, "0x-1")
	}
	own := say(t, c, testStart, "first", SendOptions{ID: "0xa"})
	if len(own.CausalHistory) != 7 {
		t.Fatalf("names %d, want all 7", len(own.CausalHistory))
	}
	for i, e := range own.CausalHistory {
		if e.MessageID != MessageID(fmt.Sprint("0x", i)) {
			t.Errorf("entry %d is %s: oldest first", i, e.MessageID)
		}
	}
	for _, id := range []MessageID{"0xb", "0xc", "0xd", "0xe"} {
		own = say(t, c, testStart, "another", SendOptions{ID: id})
	}
	if len(own.CausalHistory) != MaxParentsNim || !names(own, "0xd") || names(own, "0x0") {
		t.Errorf("names %v, want the newest 10", own.CausalHistory)
	}
}

// A nim peer plans its answer anew with each request: after two at our own pace
// it is given the time to answer.
func TestNimPeersAreGivenTime(t *testing.T) {
	for _, deployed := range []bool{false, true} {
		c := testChannel(t, Nim, func(cfg *Config) { cfg.TrustNames = true })
		m := nimContent("nim", "0x2", uint64(testStart)/1000, "0x1")
		if !deployed {
			m.Extension = []byte{}
		}
		receive(t, c, testStart, m)
		var asked []time.Duration
		for d := time.Duration(0); d < 20*time.Minute; d += time.Second {
			c.Tick(testStart.Add(d))
			for _, m := range sent(t, drain(c), ClassAck) {
				if len(m.RepairRequest) > 0 {
					asked = append(asked, d)
				}
			}
		}
		if len(asked) < 4 {
			t.Fatalf("deployed %v: asked at %v", deployed, asked)
		}
		if waits := asked[3]-asked[2] >= 310*time.Second; waits != deployed {
			t.Errorf("deployed %v: asked at %v", deployed, asked)
		}
	}
}
