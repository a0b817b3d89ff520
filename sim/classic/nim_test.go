package classic

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/bloom"
	"github.com/causeway-im/causeway/sds/wire"
)

// Each test here proves one fact about nim-sds.

func nimAlice(t *testing.T, change ...func(*Config)) *Peer {
	t.Helper()
	return alice(t, append([]func(*Config){func(c *Config) { c.Flavour = Nim }}, change...)...)
}

func nimMessage(id sds.MessageID, parents ...sds.MessageID) *wire.Message {
	m := &wire.Message{Dialect: wire.Nim, SenderID: "bob", MessageID: id, ChannelID: "general",
		Lamport: 7, HasLamport: true, BloomFilter: []byte{}, Content: []byte(id)}
	for _, p := range parents {
		m.CausalHistory = append(m.CausalHistory, wire.HistoryEntry{MessageID: p, SenderID: "author"})
	}
	return m
}

// nimHear hands messages over.
func nimHear(p *Peer, messages ...*wire.Message) Ready {
	for _, m := range messages {
		p.Receive(p.now, m)
	}
	return p.Ready()
}

func TestNimCarriesTheWholeFilterAndTenIDs(t *testing.T) {
	p := nimAlice(t)
	var ids []sds.MessageID
	for i := range 30 {
		ids = append(ids, send(t, p, fmt.Sprint(i)).MessageID)
	}
	m := send(t, p, "last")
	if len(m.BloomFilter) != 18_768 || len(m.CausalHistory) != 10 {
		t.Fatalf("filter %d, history %d", len(m.BloomFilter), len(m.CausalHistory))
	}
	for i, e := range m.CausalHistory {
		if e.MessageID != ids[20+i] || e.SenderID != "alice" {
			t.Errorf("history %d is %v", i, e)
		}
	}
	f, err := bloom.ParseNim(m.BloomFilter)
	if err != nil || !f.Contains(string(ids[0])) || f.Contains(string(m.MessageID)) {
		t.Error("the filter is not that before the message")
	}
	if len(m.MessageID) != 66 || m.MessageID == send(t, p, "last").MessageID {
		t.Errorf("id %q", m.MessageID)
	}
}

func TestNimFilterRolls(t *testing.T) {
	p := nimAlice(t)
	n := p.machine.(*nim)
	for i := range 12_001 {
		n.filter.Add(fmt.Sprint(i))
	}
	if m := send(t, p, "x"); len(m.BloomFilter) != 22_520 {
		t.Errorf("filter %d after the roll", len(m.BloomFilter))
	}
}

func TestNimClock(t *testing.T) {
	p := nimAlice(t)
	if m := send(t, p, "a"); m.Lamport != uint64(start)/1000+1 {
		t.Errorf("lamport %d, want seconds and one more", m.Lamport)
	}
	m := nimMessage("x", "unknown")
	m.Lamport = 3_000_000_000
	nimHear(p, m) // waits, and moves the clock nevertheless
	if m := send(t, p, "b"); m.Lamport != 3_000_000_002 {
		t.Errorf("lamport %d, want two above what was received", m.Lamport)
	}
	m.MessageID, m.Lamport = "y", 1<<63-1 // the end of the process
	if r := nimHear(p, m); len(r.Arrivals) != 0 {
		t.Error("survived, and even took the message")
	}
}

func TestNimAcknowledgements(t *testing.T) {
	p := nimAlice(t)
	one, two := send(t, p, "one").MessageID, send(t, p, "two").MessageID
	f, _ := bloom.New(bloom.Nim, bloom.Default())
	f.Add(string(two))
	m := nimMessage("x", one)
	m.BloomFilter = f.Append(nil)
	want := []Ack{{one, "bob", Mentioned}, {two, "bob", Filtered}}
	if r := nimHear(p, m); !slices.Equal(r.Acked, want) {
		t.Errorf("%v, want %v: one mention, one filter", r.Acked, want)
	}
	send(t, p, "three")
	for _, bad := range [][]byte{{}, {1}, make([]byte, 18_768)} {
		m := nimMessage(sds.MessageID(fmt.Sprint("bad", len(bad))))
		m.BloomFilter = bad
		if r := nimHear(p, m); len(r.Acked) != 0 || len(r.Deliveries) != 1 {
			t.Error("a filter that can't be read did something")
		}
	}
}

func TestNimCopiesSayNothing(t *testing.T) {
	p := nimAlice(t)
	m := nimMessage("x")
	nimHear(p, m)
	own := send(t, p, "own")
	copied := *m
	copied.CausalHistory = []wire.HistoryEntry{{MessageID: own.MessageID}}
	if r := nimHear(p, &copied, own); !r.Empty() {
		t.Errorf("%+v", r)
	}
}

// The timer of nim-sds sends nothing; what used up its attempts is reported as
// sent.
func TestNimCountsInsteadOfResending(t *testing.T) {
	p := nimAlice(t)
	send(t, p, "hello?")
	var at sds.Time
	for at == 0 {
		due, ok := p.Deadline()
		if !ok {
			t.Fatal("waits for nothing")
		}
		p.Tick(due)
		r := p.Ready()
		if len(r.Packets) > 0 {
			t.Fatal("sent something")
		}
		if len(r.Acked) > 0 {
			if r.Acked[0].Proof != Exhausted || r.Acked[0].By != "" {
				t.Fatalf("%v", r.Acked)
			}
			at = p.now
		}
	}
	if d := at.Sub(start); d < 6*time.Minute || d > 7*time.Minute+time.Second {
		t.Errorf("reported as sent after %v", d)
	}
	if p.Sizes().Outgoing != 0 {
		t.Error("still outgoing")
	}
}

func TestNimNeverSyncs(t *testing.T) {
	p := nimAlice(t)
	nimHear(p, nimMessage("x", "unknown"))
	if r := wait(p, time.Hour); len(r.Packets) != 0 {
		t.Errorf("%d packets", len(r.Packets))
	}
}

// It takes a sync for content: it enters the history, and is named.
func TestNimTakesSyncsForContent(t *testing.T) {
	p := nimAlice(t)
	m := nimMessage("x")
	m.Content = []byte{}
	if r := nimHear(p, m); len(r.Deliveries) != 1 || len(r.Arrivals) != 0 {
		t.Errorf("%+v", r)
	}
	if m := send(t, p, "own"); len(m.CausalHistory) != 1 || m.CausalHistory[0].MessageID != "x" {
		t.Error("the sync is not named")
	}
}

// Receiving c, b and then their root a is reported as b, c, a.
func TestNimReportsDependentsFirst(t *testing.T) {
	p := nimAlice(t)
	r := nimHear(p, nimMessage("c", "b"), nimMessage("b", "a"))
	if len(r.Arrivals) != 2 || len(r.Deliveries) != 0 {
		t.Fatalf("%+v", r)
	}
	if !slices.Equal(r.Missing, []sds.MessageID{"b", "a"}) {
		t.Errorf("missing %v: what waits itself counts as missing", r.Missing)
	}
	r = nimHear(p, nimMessage("a"))
	if got := delivered(r); !slices.Equal(got, []sds.MessageID{"b", "c", "a"}) {
		t.Errorf("reported %v, want b, c, a", got)
	}
	if r.Deliveries[2].Position != 1 || r.Deliveries[0].Position != 2 || r.Deliveries[1].Position != 3 {
		t.Error("the history is not in the order a, b, c")
	}
	var named []sds.MessageID
	for _, e := range send(t, p, "own").CausalHistory {
		named = append(named, e.MessageID)
	}
	if !slices.Equal(named, []sds.MessageID{"a", "b", "c"}) {
		t.Errorf("names %v", named)
	}
}

func TestNimWaitsForEver(t *testing.T) {
	p := nimAlice(t)
	nimHear(p, nimMessage("b", "a"))
	nimHear(p, nimMessage("b", "a")) // a copy of what waits is gone through again
	wait(p, 24*time.Hour)
	if p.Sizes().Waiting != 1 {
		t.Errorf("%d wait", p.Sizes().Waiting)
	}
}

func TestNimHistoryIsBounded(t *testing.T) {
	p := nimAlice(t)
	for i := range 1001 {
		nimHear(p, nimMessage(sds.MessageID(fmt.Sprint(i))))
	}
	if p.Sizes().Log != 1000 || p.Has("0") || !p.Has("1") {
		t.Error("the oldest is not forgotten")
	}
	if r := nimHear(p, nimMessage("x", "0")); len(r.Missing) != 1 {
		t.Error("what was forgotten is not missing")
	}
}

func TestNimWithoutParticipantNeverRepairs(t *testing.T) {
	p := nimAlice(t, func(c *Config) { c.Participant = "" })
	own := send(t, p, "own")
	if own.SenderID != "" {
		t.Error("has a sender id")
	}
	m := nimMessage("x", "unknown")
	m.RepairRequest = []wire.HistoryEntry{{MessageID: own.MessageID, SenderID: "alice"}}
	nimHear(p, m)
	if s := p.Sizes(); s.Requests+s.Answers != 0 {
		t.Errorf("%+v", s)
	}
}

// Requests ride on content alone, three at a time, once.
func TestNimRequests(t *testing.T) {
	p := nimAlice(t)
	nimHear(p, nimMessage("x", "m1", "m2", "m3", "m4"))
	n := p.machine.(*nim)
	for _, q := range n.requests.list {
		if d := q.at.Sub(start); d < 30*time.Second || d >= 300*time.Second {
			t.Errorf("asks after %v", d)
		}
	}
	p.Tick(n.requests.list[3].at)
	if m := send(t, p, "own"); len(m.RepairRequest) != 3 || m.RepairRequest[0].SenderID != "author" {
		t.Errorf("asks for %v", m.RepairRequest)
	}
	if p.Sizes().Requests != 1 {
		t.Errorf("%d requests left, want 1", p.Sizes().Requests)
	}
	nimHear(p, nimMessage("y", "m1"))
	if p.Sizes().Requests != 2 {
		t.Error("another message does not bring a request back")
	}
	nimHear(p, nimMessage("m1"))
	if p.Sizes().Requests != 1 {
		t.Error("still asks for what came")
	}
}

func TestNimRequestsExpire(t *testing.T) {
	p := nimAlice(t)
	nimHear(p, nimMessage("x", "m1"))
	at := p.machine.(*nim).requests.list[0].at
	p.Tick(at.Add(300 * time.Second))
	if p.Sizes().Requests != 1 {
		t.Fatal("expired before T_max")
	}
	wait(p, 10*time.Second)
	if p.Sizes().Requests != 0 {
		t.Error("never expires")
	}
}

func TestNimDeletesOnHear(t *testing.T) {
	p := nimAlice(t)
	nimHear(p, nimMessage("x", "m1"))
	ask := nimMessage("y")
	ask.RepairRequest = []wire.HistoryEntry{{MessageID: "m1", SenderID: "author"}}
	nimHear(p, ask)
	if p.Sizes().Requests != 0 {
		t.Error("the own request stays")
	}
}

func TestNimAnswers(t *testing.T) {
	p := nimAlice(t)
	first := nimMessage("x")
	nimHear(p, first)
	own := send(t, p, "own")
	ask := func(id sds.MessageID) *wire.Message {
		m := nimMessage(id)
		m.RepairRequest = []wire.HistoryEntry{{MessageID: own.MessageID, SenderID: "alice"}, {MessageID: "x", SenderID: "bob"}, {MessageID: "x"}}
		return m
	}
	nimHear(p, ask("ask 1"))
	n := p.machine.(*nim)
	if len(n.answers.list) != 2 || n.answers.list[0].at != start {
		t.Fatalf("%+v", n.answers.list)
	}
	r := wait(p, 5*time.Second)
	if got := class(r, sds.ClassRepair); len(got) != 1 || got[0].Message() != own {
		t.Fatal("the sender does not answer at the next sweep")
	}
	later := n.answers.list[0].at
	nimHear(p, ask("ask 2"))
	if n.answers.list[1].at != later.Add(5*time.Second) {
		t.Error("a repeated request does not put the answer off")
	}
	nimHear(p, first) // somebody else's answer
	if p.Sizes().Answers != 1 {
		t.Error("a copy does not cancel the answer")
	}
}

func TestNimIgnores(t *testing.T) {
	p := nimAlice(t)
	other := nimMessage("x")
	other.ChannelID = "other"
	if r := nimHear(p, jsMessage("bob", 1, "x"), other); !r.Empty() {
		t.Errorf("%+v", r)
	}
}
