package classic

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/bloom"
	"github.com/causeway-im/causeway/sds/wire"
)

// Each test here proves one fact about @waku/sds 0.0.8 or the reliable channel of
// its SDK.

func alice(t *testing.T, change ...func(*Config)) *Peer {
	t.Helper()
	c := Config{Channel: "general", Participant: "alice", Seed: 1}
	for _, f := range change {
		f(&c)
	}
	return newPeer(t, c)
}

// jsMessage is content of somebody else, a sync if it is empty.
func jsMessage(sender sds.ParticipantID, lamport int, text string, parents ...sds.MessageID) *wire.Message {
	m := &wire.Message{Dialect: wire.LIP, SenderID: sender, ChannelID: "general",
		MessageID: "sync-of-" + sds.MessageID(sender), Lamport: uint64(start) + uint64(lamport), HasLamport: true}
	if text != "" {
		m.Content, m.MessageID = []byte(text), sds.ContentID([]byte(text))
	}
	for _, p := range parents {
		m.CausalHistory = append(m.CausalHistory, wire.HistoryEntry{MessageID: p, SenderID: "author"})
	}
	return m
}

func id(text string) sds.MessageID { return sds.ContentID([]byte(text)) }

// filterOf is a filter that holds ids.
func filterOf(ids ...sds.MessageID) []byte {
	f, _ := bloom.New(bloom.JS, bloom.Default())
	for _, id := range ids {
		f.Add(string(id))
	}
	return f.Append(nil)
}

// hear hands messages over and lets the second pass after which JS looks at them.
func hear(p *Peer, messages ...*wire.Message) Ready {
	for _, m := range messages {
		p.Receive(p.now, m)
	}
	return wait(p, time.Second)
}

// wait lets time pass, with every deadline kept, and collects what happens.
func wait(p *Peer, d time.Duration) Ready {
	var all Ready
	add := func(r Ready) {
		all.Packets = append(all.Packets, r.Packets...)
		all.Arrivals = append(all.Arrivals, r.Arrivals...)
		all.Deliveries = append(all.Deliveries, r.Deliveries...)
		all.Missing = append(all.Missing, r.Missing...)
		all.Acked = append(all.Acked, r.Acked...)
		all.GaveUp = append(all.GaveUp, r.GaveUp...)
		all.Lost = append(all.Lost, r.Lost...)
		all.Dropped = append(all.Dropped, r.Dropped...)
	}
	add(p.Ready())
	for end := p.now.Add(d); p.now < end; {
		at, ok := p.Deadline()
		if !ok || at > end {
			at = end
		}
		p.Tick(at)
		add(p.Ready())
	}
	return all
}

func send(t *testing.T, p *Peer, text string) *wire.Message {
	t.Helper()
	if _, err := p.Send(p.now, []byte(text)); err != nil {
		t.Fatal(err)
	}
	r := p.Ready()
	if len(r.Packets) != 1 {
		t.Fatalf("%d packets", len(r.Packets))
	}
	return r.Packets[0].Message()
}

// quiet keeps a peer from syncing.
func quiet(p *Peer) { p.machine.(*js).syncAt = 0 }

func delivered(r Ready) (ids []sds.MessageID) {
	for _, d := range r.Deliveries {
		ids = append(ids, d.ID)
	}
	return ids
}

func class(r Ready, c sds.Class) (all []Packet) {
	for _, p := range r.Packets {
		if p.Class == c {
			all = append(all, p)
		}
	}
	return all
}

func TestJSCarriesTheWholeFilterAndHistory(t *testing.T) {
	p := alice(t, func(c *Config) {
		c.Participant, c.Channel = sds.ParticipantID(bytes.Repeat([]byte("a"), 66)), sds.ChannelID(bytes.Repeat([]byte("c"), 40))
		c.Hint = func(sds.MessageID) []byte { return make([]byte, 32) }
	})
	for i := range 250 {
		send(t, p, fmt.Sprintf("%0100d", i))
	}
	m := send(t, p, fmt.Sprintf("%0100d", 250))
	if len(m.BloomFilter) != 18_752 || len(m.CausalHistory) != 200 {
		t.Fatalf("filter %d, history %d", len(m.BloomFilter), len(m.CausalHistory))
	}
	if got := m.CausalHistory[199].MessageID; got != id(fmt.Sprintf("%0100d", 249)) {
		t.Error("the newest is not last")
	}
	// 531 times the 100 bytes of content, as was measured.
	if over := m.Size() - 100; over < 53_000 || over > 53_300 {
		t.Errorf("%d bytes beside the content, want 53.1 kB", over)
	}
	p.now++
	p.machine.(*js).sync()
	if r := p.Ready(); len(r.Packets) != 1 || len(r.Packets[0].Message().BloomFilter) != 18_752 || len(r.Packets[0].Message().CausalHistory) != 200 {
		t.Error("a sync does not carry the same")
	}
}

func TestJSFilterNeverRolls(t *testing.T) {
	p := alice(t)
	j := p.machine.(*js)
	for i := range 20_000 {
		j.filter.AddKey(bloom.JS.Key(fmt.Sprint(i)))
	}
	if r := j.filter.FalsePositiveRate(); r < 0.04 || r > 0.055 {
		t.Errorf("false positives %.3f at 20,000 ids, want 0.047", r)
	}
}

func TestJSClock(t *testing.T) {
	p := alice(t)
	if m := send(t, p, "a"); m.Lamport != uint64(start)+1 {
		t.Errorf("lamport %d: max(now, own+1) expected", m.Lamport)
	}
	p.now += 10
	if m := send(t, p, "b"); m.Lamport != uint64(start)+10 {
		t.Errorf("lamport %d is not now", m.Lamport)
	}
	hear(p, jsMessage("bob", 5000, "x")) // delivered: adopted as it is
	if m := send(t, p, "c"); m.Lamport != uint64(start)+5001 {
		t.Errorf("lamport %d after a later one", m.Lamport-uint64(start))
	}
	hear(p, jsMessage("bob", 60_000, ""))                 // a sync
	hear(p, jsMessage("bob", 70_000, "waits", "unknown")) // waits
	if m := send(t, p, "d"); m.Lamport >= uint64(start)+60_000 {
		t.Error("a sync or a message that waits moved the clock")
	}
}

func TestJSSyncTimer(t *testing.T) {
	tests := []struct {
		name   string
		do     func(p *Peer)
		factor float64
	}{
		{"start", func(*Peer) {}, 1},
		{"own content", func(p *Peer) { p.Send(p.now, []byte("own")) }, 1},
		{"somebody's sync", func(p *Peer) { p.Receive(p.now, jsMessage("bob", 0, "")); process(p) }, 1},
		{"somebody's content", func(p *Peer) { p.Receive(p.now, jsMessage("bob", 0, "hi")); process(p) }, 0.5},
		{"own sync", func(p *Peer) { p.machine.(*js).sync() }, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const n = 2000
			var sum, longest time.Duration
			for seed := range uint64(n) {
				p := newPeer(t, Config{Channel: "general", Participant: "alice", Seed: seed})
				tt.do(p)
				d := p.machine.(*js).syncAt.Sub(p.now)
				sum += d
				longest = max(longest, d)
			}
			want := time.Duration(tt.factor * float64(30*time.Second))
			if mean := sum / n; mean < want*45/100 || mean > want*55/100 || longest > want || longest < want*98/100 {
				t.Errorf("mean %v, longest %v; want uniform in [0, %v)", mean, longest, want)
			}
		})
	}
}

// process makes a JS peer look at what came.
func process(p *Peer) { p.machine.(*js).process() }

func TestJSSyncs(t *testing.T) {
	p := alice(t)
	if r := wait(p, 5*time.Minute); len(r.Packets) > 0 {
		t.Error("a sync although there is nothing to say")
	}
	send(t, p, "hi")
	hear(p, jsMessage("bob", 0, "hello", id("hi")))
	r := wait(p, 10*time.Minute)
	// After each the next one is drawn from twice the time.
	if n := len(r.Packets); n < 14 || n > 28 {
		t.Errorf("%d syncs in 10 min alone, want about 20", n)
	}
	m := r.Packets[0].Message()
	if r.Packets[0].Class != sds.ClassSync || m.Kind() != wire.Sync || m.Content != nil || len(m.CausalHistory) != 2 {
		t.Errorf("%+v", m)
	}
	if n := len(m.MessageID); n != len("sync-")+11 || m.MessageID == r.Packets[1].Message().MessageID {
		t.Errorf("id %q", m.MessageID)
	}
	if p.Sizes().Log != 2 || p.Sizes().Outgoing != 0 {
		t.Error("syncs are kept")
	}
}

func TestJSLooksAfterASecond(t *testing.T) {
	p := alice(t)
	quiet(p)
	p.Receive(start, jsMessage("bob", 0, "one"))
	if r := p.Ready(); len(r.Arrivals) != 1 || len(r.Deliveries) != 0 {
		t.Fatal("content is to arrive at once and to be delivered later")
	}
	p.Receive(start+900, jsMessage("bob", 1, "two"))
	if at, ok := p.Deadline(); !ok || at != start+1000 {
		t.Errorf("looks %v after the first", at.Sub(start))
	}
	p.Tick(start + 1000)
	if r := p.Ready(); len(r.Deliveries) != 2 {
		t.Errorf("%d deliveries", len(r.Deliveries))
	}
	p.Receive(start+1100, jsMessage("bob", 2, "three"))
	m := send(t, p, "own") // a send looks at once
	if m.CausalHistory[2].MessageID != id("three") {
		t.Error("what came is not named by what is sent")
	}
}

func TestJSRetries(t *testing.T) {
	p := alice(t)
	send(t, p, "hello?")
	first := p.machine.(*js).outgoing[0].in
	r := wait(p, 20*time.Minute)
	resends := class(r, sds.ClassResend)
	if len(resends) != 10 || len(r.GaveUp) != 1 || len(r.Acked) != 0 {
		t.Fatalf("%d resends, gave up %v", len(resends), r.GaveUp)
	}
	for _, q := range resends {
		if q.Prepared != first {
			t.Error("not the same bytes")
		}
	}
	if p.Sizes().Outgoing != 1 {
		t.Error("it is not outgoing any more")
	}
	// It can still be acknowledged.
	if r := hear(p, jsMessage("bob", 0, "", id("hello?"))); len(r.Acked) != 1 {
		t.Error("no late acknowledgement")
	}

	p = alice(t) // flat, every 30 s
	send(t, p, "hello?")
	quiet(p)
	for i := range 3 {
		if at, _ := p.Deadline(); at != start.Add(time.Duration(i+1)*30*time.Second) {
			t.Fatalf("resend %d after %v", i, at.Sub(start))
		}
		at, _ := p.Deadline()
		p.Tick(at)
		quiet(p)
	}
	p = alice(t)
	send(t, p, "hello?")
	hear(p, jsMessage("bob", 0, "yes", id("hello?")))
	if r := wait(p, 20*time.Minute); len(class(r, sds.ClassResend)) > 0 {
		t.Error("resent although it was acknowledged")
	}
}

func TestJSAcknowledgements(t *testing.T) {
	filtered := func(sender sds.ParticipantID, text string) *wire.Message {
		m := jsMessage(sender, 1, text)
		m.BloomFilter = filterOf(id("mine"))
		return m
	}
	tests := []struct {
		name  string
		heard []*wire.Message
		want  []Ack
	}{
		{"one mention", []*wire.Message{jsMessage("bob", 1, "a", id("mine"))},
			[]Ack{{id("mine"), "bob", Mentioned}}},
		{"a mention by a sync", []*wire.Message{jsMessage("bob", 1, "", id("mine"))},
			[]Ack{{id("mine"), "bob", Mentioned}}},
		{"one filter", []*wire.Message{filtered("bob", "a")},
			[]Ack{{id("mine"), "bob", Possibly}}},
		{"two filters", []*wire.Message{filtered("bob", "a"), filtered("carol", "b")},
			[]Ack{{id("mine"), "bob", Possibly}, {id("mine"), "carol", Filtered}}},
		{"two filters of one peer", []*wire.Message{filtered("bob", "a"), filtered("bob", "")},
			[]Ack{{id("mine"), "bob", Possibly}, {id("mine"), "bob", Filtered}}},
		{"the same message twice", []*wire.Message{filtered("bob", "a"), filtered("bob", "a")},
			[]Ack{{id("mine"), "bob", Possibly}, {id("mine"), "bob", Filtered}}},
		{"own sender id", []*wire.Message{jsMessage("alice", 1, "a", id("mine"))}, nil},
		{"others only", []*wire.Message{jsMessage("bob", 1, "a", "other")}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := alice(t)
			send(t, p, "mine")
			if r := hear(p, tt.heard...); !slices.Equal(r.Acked, tt.want) {
				t.Errorf("%v, want %v", r.Acked, tt.want)
			}
		})
	}
}

func TestJSShortFilterLosesTheMessage(t *testing.T) {
	for _, filter := range [][]byte{{}, make([]byte, 18_751)} {
		p := alice(t)
		m := jsMessage("bob", 0, "hi", "unknown")
		m.BloomFilter = filter
		r := hear(p, m)
		if len(r.Arrivals) != 1 || len(r.Deliveries)+len(r.Missing) != 0 || p.Sizes().Waiting != 0 {
			t.Errorf("filter of %d bytes: %+v", len(filter), r)
		}
	}
	p := alice(t)
	m := jsMessage("bob", 0, "hi")
	m.BloomFilter = make([]byte, 18_753)
	if r := hear(p, m); len(r.Deliveries) != 1 {
		t.Error("a long filter does harm")
	}
}

// Deviation 1: what waits counts as met, so what depends on it is delivered
// before it.
func TestJSDeliversBeforeWhatItDependsOn(t *testing.T) {
	p := alice(t)
	r := hear(p, jsMessage("bob", 2, "b", id("a")), jsMessage("bob", 3, "c", id("b")))
	if got := delivered(r); !slices.Equal(got, []sds.MessageID{id("c")}) {
		t.Errorf("delivered %v, want c", got)
	}
	if !slices.Equal(r.Missing, []sds.MessageID{id("a")}) {
		t.Errorf("missing %v", r.Missing)
	}
}

// Deviation 2: a delivery does not look at what waits; a sweep every 5 s does, in
// the order of arrival.
func TestJSSweeps(t *testing.T) {
	p := alice(t)
	hear(p, jsMessage("bob", 3, "c", id("a"), id("b")), jsMessage("bob", 2, "b", id("a")))
	if p.Sizes().Waiting != 2 {
		t.Fatal("nothing waits")
	}
	r := hear(p, jsMessage("bob", 1, "a"))
	r2 := wait(p, 5*time.Second)
	got := append(delivered(r), delivered(r2)...)
	if !slices.Equal(got, []sds.MessageID{id("a"), id("c"), id("b")}) {
		t.Errorf("delivered %v, want a, c, b", got)
	}
	// The log is in order nevertheless.
	m := send(t, p, "own")
	for i, text := range []string{"a", "b", "c"} {
		if m.CausalHistory[i].MessageID != id(text) {
			t.Errorf("history %d is not %s", i, text)
		}
	}
}

func TestJSSweepsEveryFiveSeconds(t *testing.T) {
	var longest time.Duration
	for seed := range uint64(200) {
		p := alice(t, func(c *Config) { c.Seed = seed })
		p.Receive(start, jsMessage("bob", 2, "b", id("a")))
		p.Receive(start, jsMessage("bob", 1, "a"))
		process(p)
		quiet(p)
		p.machine.(*js).processAt = 0
		at, _ := p.Deadline()
		p.Tick(at)
		if r := p.Ready(); len(r.Deliveries) != 2 {
			t.Fatalf("%d deliveries", len(r.Deliveries))
		}
		longest = max(longest, at.Sub(start))
	}
	if longest < 4900*time.Millisecond || longest > 5*time.Second {
		t.Errorf("up to %v", longest)
	}
}

// A retry looks at what came first. If an acknowledgement is among it the content
// goes out as a new message with the old id.
func TestJSRetryAfterItsAcknowledgement(t *testing.T) {
	p := alice(t)
	send(t, p, "hello?")
	quiet(p)
	p.Receive(start.Add(29500*time.Millisecond), jsMessage("bob", 1, "yes", id("hello?")))
	p.Tick(start.Add(30 * time.Second))
	r := p.Ready()
	if len(r.Acked) != 1 || len(r.Packets) != 1 || r.Packets[0].Class != sds.ClassContent || r.Packets[0].ID != id("hello?") {
		t.Errorf("%+v", r)
	}
	if p.Sizes().Outgoing != 1 || p.Sizes().Log != 2 {
		t.Errorf("%+v", p.Sizes())
	}
}

// Deviation 3: a copy of what was delivered at once is gone through again, one of
// what waited is not. Neither is reported twice.
func TestJSCopies(t *testing.T) {
	p := alice(t)
	hear(p, jsMessage("bob", 1, "a"))
	p.machine.(*js).syncAt = start.Add(time.Hour)
	r := hear(p, jsMessage("bob", 1, "a"))
	if len(r.Arrivals)+len(r.Deliveries) != 0 || p.machine.(*js).syncAt > start.Add(time.Minute) {
		t.Error("a copy is reported again, or had no effect on the timer")
	}
	hear(p, jsMessage("bob", 3, "c", id("b")))
	p.machine.(*js).syncAt = start.Add(time.Hour)
	if hear(p, jsMessage("bob", 3, "c", id("b"))); p.machine.(*js).syncAt != start.Add(time.Hour) {
		t.Error("a copy of what waits was gone through")
	}
}

// Deviation 4: the same text by somebody else is the same message.
func TestJSContentIsIdentity(t *testing.T) {
	p := alice(t)
	send(t, p, "hi")
	if r := hear(p, jsMessage("bob", 5, "hi", id("hi"))); len(r.Deliveries)+len(r.Acked) != 0 {
		t.Errorf("%+v: bob's message is to be dropped as a copy", r)
	}
	hear(p, jsMessage("bob", 6, "", id("hi")))
	if m := send(t, p, "hi"); len(m.CausalHistory) != 1 || m.CausalHistory[0].MessageID != m.MessageID {
		t.Error("a text that is repeated is to name itself")
	}
	if p.Sizes().Log != 1 {
		t.Error("a second entry in the log")
	}
}

// Deviation 6.
func TestJSLostIsDroppedForGood(t *testing.T) {
	p := alice(t, func(c *Config) { c.LostAfter = time.Minute })
	b := jsMessage("bob", 2, "b", id("a"))
	hear(p, b)
	if r := wait(p, 55*time.Second); len(r.Lost) != 0 {
		t.Fatal("lost too early")
	}
	r := wait(p, 15*time.Second)
	if !slices.Equal(r.Lost, []sds.MessageID{id("a")}) || !slices.Equal(r.Dropped, []sds.MessageID{id("b")}) || len(r.Deliveries) != 0 {
		t.Errorf("%+v", r)
	}
	if r := hear(p, jsMessage("bob", 1, "a"), b, jsMessage("bob", 3, "c", id("b"))); !slices.Equal(delivered(r), []sds.MessageID{id("a")}) {
		t.Errorf("delivered %v, want a alone", delivered(r))
	}
	p = alice(t)
	hear(p, b)
	if r := wait(p, time.Hour); len(r.Lost) != 0 || p.Sizes().Waiting != 1 {
		t.Error("gave up although nothing says when")
	}
}

// Deviation 7: who joins late is never told anything.
func TestJSJoiner(t *testing.T) {
	old := newPeer(t, Config{Channel: "general", Participant: "bob", Seed: 2})
	for i := range 50 {
		send(t, old, fmt.Sprint("old ", i))
	}
	p := alice(t)
	var heard []*wire.Message
	for i := range 20 {
		heard = append(heard, send(t, old, fmt.Sprint("new ", i)))
	}
	r := hear(p, heard...)
	if len(r.Arrivals) != 20 || len(r.Deliveries) != 0 || p.Sizes().Waiting != 20 || len(r.Missing) != 50 {
		t.Errorf("arrived %d, delivered %d, missing %d", len(r.Arrivals), len(r.Deliveries), len(r.Missing))
	}
	if m := send(t, p, "hello"); len(m.CausalHistory) != 0 {
		t.Error("names what it did not deliver")
	}
}

func TestJSRequests(t *testing.T) {
	p := alice(t)
	hear(p, jsMessage("bob", 9, "x", "m1", "m2", "m3", "m4"))
	j := p.machine.(*js)
	for _, q := range j.requests.list {
		if d := q.at.Sub(start.Add(time.Second)); d < 30*time.Second || d >= 120*time.Second {
			t.Errorf("asks after %v", d)
		}
	}
	r := wait(p, 10*time.Minute)
	asked := map[sds.MessageID]int{}
	for _, q := range r.Packets {
		if len(q.Message().RepairRequest) > 0 != (q.Class == sds.ClassRequest) || len(q.Message().RepairRequest) > 3 {
			t.Errorf("%v with %d requests", q.Class, len(q.Message().RepairRequest))
		}
		for _, e := range q.Message().RepairRequest {
			asked[e.MessageID]++
			if e.SenderID != "author" {
				t.Error("an entry is not as it was named")
			}
		}
	}
	if len(asked) != 4 || asked["m1"] != 1 {
		t.Errorf("asked %v, want each once", asked)
	}
	if p.Sizes().Requests != 4 {
		t.Error("requests are to stay until the message comes")
	}
	hear(p, jsMessage("bob", 1, "elsewhere"))
	m := jsMessage("m1's author", 1, "one")
	m.MessageID = "m1"
	hear(p, m)
	if p.Sizes().Requests != 3 {
		t.Error("a message came and is still asked for")
	}
}

func TestJSRequestsRideOnContentToo(t *testing.T) {
	p := alice(t)
	hear(p, jsMessage("bob", 9, "x", "m1", "m2", "m3", "m4"))
	p.now = p.now.Add(2 * time.Minute)
	quiet(p)
	if m := send(t, p, "own"); len(m.RepairRequest) != 3 {
		t.Errorf("%d requests, want 3", len(m.RepairRequest))
	}
}

// Hearing somebody else ask deletes the own request; it comes back when a message
// names what is missing again, from then on.
func TestJSDeletesOnHear(t *testing.T) {
	p := alice(t)
	hear(p, jsMessage("bob", 9, "x", "m1"))
	ask := jsMessage("carol", 10, "")
	ask.RepairRequest = []wire.HistoryEntry{{MessageID: "m1", SenderID: "author"}}
	hear(p, ask)
	if p.Sizes().Requests != 0 {
		t.Fatal("the own request stays")
	}
	wait(p, time.Minute)
	if p.Sizes().Requests != 0 {
		t.Error("a sweep brought it back")
	}
	hear(p, jsMessage("bob", 11, "", "m1"))
	j := p.machine.(*js)
	if len(j.requests.list) != 1 || j.requests.list[0].at.Sub(j.now) < 30*time.Second-time.Second {
		t.Error("it does not come back from the next message on")
	}
}

func TestJSAnswers(t *testing.T) {
	ask := jsMessage("carol", 10, "")
	ask.RepairRequest = []wire.HistoryEntry{{MessageID: id("own"), SenderID: "alice"}, {MessageID: id("bob's"), SenderID: "bob"},
		{MessageID: id("nobody's")}, {MessageID: "unknown", SenderID: "bob"}}
	p := alice(t)
	send(t, p, "own")
	bobs := jsMessage("bob", 1, "bob's")
	nobodys := jsMessage("bob", 1, "nobody's")
	hear(p, bobs, nobodys)
	hear(p, ask)
	if p.Sizes().Answers != 2 {
		t.Fatalf("%d answers planned", p.Sizes().Answers)
	}
	r := wait(p, 10*time.Second)
	if got := class(r, sds.ClassRepair); len(got) == 0 || got[0].ID != id("own") {
		t.Error("the sender does not answer at the next sweep")
	}
	r2 := wait(p, 2*time.Minute)
	all := append(class(r, sds.ClassRepair), class(r2, sds.ClassRepair)...)
	if len(all) != 2 || !bytes.Equal(all[1].Bytes(), bobs.Encode()) {
		t.Errorf("%d answers, or other bytes", len(all))
	}

	// Heard from somebody else meanwhile: not if it is an own message.
	p = alice(t)
	own := send(t, p, "own")
	hear(p, bobs)
	hear(p, ask)
	hear(p, bobs, own)
	if p.Sizes().Answers != 1 {
		t.Errorf("%d answers left, want the own one", p.Sizes().Answers)
	}

	p = alice(t, func(c *Config) { c.NoAnswers = true })
	send(t, p, "own")
	hear(p, ask)
	if r := wait(p, 10*time.Minute); len(class(r, sds.ClassRepair)) != 0 {
		t.Error("the released SDK answered")
	}
}

func TestJSResponseGroups(t *testing.T) {
	answer := 0
	for i := range 200 {
		p := newPeer(t, Config{Channel: "general", Participant: name(i), ResponseGroups: 10})
		hear(p, jsMessage("bob", 1, "bob's"))
		ask := jsMessage("carol", 10, "")
		ask.RepairRequest = []wire.HistoryEntry{{MessageID: id("bob's"), SenderID: "bob"}}
		hear(p, ask)
		answer += p.Sizes().Answers
	}
	if answer < 8 || answer > 35 {
		t.Errorf("%d of 200 in one of 10 groups", answer)
	}
}

func TestJSBuffersAreBounded(t *testing.T) {
	p := alice(t)
	for i := range 12 {
		var parents []sds.MessageID
		for k := range 100 {
			parents = append(parents, sds.MessageID(fmt.Sprint("m", i*100+k)))
		}
		hear(p, jsMessage("bob", i, fmt.Sprint("x", i), parents...))
	}
	if n := p.Sizes().Requests; n != 1000 {
		t.Errorf("%d requests", n)
	}
}

func TestJSIgnores(t *testing.T) {
	nim := &wire.Message{Dialect: wire.Nim, SenderID: "bob", MessageID: "x", ChannelID: "general", HasLamport: true, Content: []byte("x")}
	other := jsMessage("bob", 1, "x")
	other.ChannelID = "other"
	for name, m := range map[string]*wire.Message{"nim": nim, "other channel": other, "own": jsMessage("alice", 1, "x")} {
		p := alice(t)
		if r := hear(p, m); len(r.Arrivals)+len(r.Deliveries) != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	p := alice(t)
	m := jsMessage("bob", 1, "x")
	m.HasLamport = false
	if r := hear(p, m); len(r.Arrivals) != 1 || len(r.Deliveries) != 0 || p.Has(m.MessageID) {
		t.Error("an ephemeral message arrives and that is all")
	}
}

// A JS peer does not know that it is offline: its attempts are used up.
func TestJSOffline(t *testing.T) {
	p := alice(t)
	p.SetOnline(start, false)
	p.Send(start, []byte("hello?"))
	p.Receive(start, jsMessage("bob", 1, "x"))
	r := wait(p, 6*time.Minute)
	if len(r.Packets)+len(r.Arrivals) != 0 || len(r.GaveUp) != 1 || !p.Has(id("hello?")) {
		t.Errorf("%+v", r)
	}
	p.SetOnline(p.now, true)
	if r := wait(p, 10*time.Minute); len(class(r, sds.ClassResend)) != 0 || len(class(r, sds.ClassSync)) == 0 {
		t.Errorf("%d resends, %d syncs", len(class(r, sds.ClassResend)), len(class(r, sds.ClassSync)))
	}
}
