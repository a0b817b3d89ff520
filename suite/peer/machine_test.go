package peer

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/bloom"
	"github.com/causeway-im/causeway/sds/wire"
)

func decode(t testing.TB, payload []byte) wire.Message {
	t.Helper()
	m, err := wire.Decode(payload)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func named(m wire.Message) (ids []string) {
	for _, e := range m.CausalHistory {
		ids = append(ids, string(e.MessageID))
	}
	return ids
}

func asked(m wire.Message) (ids []string) {
	for _, e := range m.RepairRequest {
		ids = append(ids, string(e.MessageID))
	}
	return ids
}

func ids(events []event, name string) (all []string) {
	for _, e := range events {
		if e.Event == name {
			all = append(all, string(e.ID))
		}
	}
	return all
}

func TestDefaults(t *testing.T) {
	for d, want := range map[sds.Dialect]Config{
		sds.LIP: {CausalHistory: 20, PossibleAcks: 2, TMax: 120 * time.Second},
		sds.JS:  {CausalHistory: 200, PossibleAcks: 2, TMax: 120 * time.Second},
		sds.Nim: {CausalHistory: 10, PossibleAcks: 1, TMax: 300 * time.Second},
	} {
		want.Dialect, want.RepairBuffer, want.TMin, want.Groups = d, 1000, 30*time.Second, 1
		if got := Defaults(d); got != want {
			t.Errorf("%v: %+v, want %+v", d, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"channel":         func(c *Config) { c.Channel = "" },
		"sender":          func(c *Config) { c.Sender = wire.ParticipantID(strings.Repeat("x", wire.MaxID+1)) },
		"causal-history":  func(c *Config) { c.CausalHistory = MaxCausalHistory + 1 },
		"possible-acks":   func(c *Config) { c.PossibleAcks = 0 },
		"lost-timeout-ms": func(c *Config) { c.LostTimeout = -time.Second },
		"repair-buffer":   func(c *Config) { c.RepairBuffer = -1 },
		"t-min":           func(c *Config) { c.TMin = 1 << 62 },
		"t-max":           func(c *Config) { c.TMax = -1 * time.Second },
		"groups":          func(c *Config) { c.Groups = -1 },
		"dialect":         func(c *Config) { c.Dialect = 9 },
		"clock":           func(c *Config) { *c.Now = -1 },
	} {
		c := settings(sds.JS, "alice")
		change(&c)
		var out bytes.Buffer
		if err := Serve(c, strings.NewReader(""), &out); err == nil || !strings.Contains(err.Error(), name) || out.Len() > 0 {
			t.Errorf("%s: %v, %s", name, err, out.String())
		}
	}
}

// The cap is strict, the end of the log in js, also where a history would not fit
// into a message; 0 names nothing.
func TestCausalHistory(t *testing.T) {
	for _, limit := range []int{0, 1, 3, 200} {
		cfg := settings(sds.JS, "alice")
		cfg.CausalHistory = limit
		c := run(t, cfg)
		var want []string
		for i := range 250 {
			id := fmt.Sprintf("m%03d", i)
			c.receive(content("bob", id, start+uint64(i)).Encode())
			want = append(want, id)
		}
		if got := named(decode(t, c.send("x").Payload)); !slices.Equal(got, want[250-limit:]) {
			t.Errorf("limit %d: names %v", limit, got)
		}
	}
	c := run(t, settings(sds.JS, "alice"))
	long := strings.Repeat("i", 500)
	for i := range 200 {
		c.do("receive", with{"payload": content("bob", fmt.Sprint(long, i), start+uint64(i)).Encode(), "retrievalHint": make([]byte, 1000)})
	}
	m := decode(t, c.send("x").Payload) // else it fails: too many bytes of entries
	if n := len(m.CausalHistory); n < 40 || named(m)[n-1] != long+"199" {
		t.Errorf("names %d", n)
	}
}

// A message of 1 MiB passes both ways; a line beyond the limit is refused, and what
// follows it is heard.
func TestLargeLines(t *testing.T) {
	alice, bob := run(t, settings(sds.JS, "alice")), run(t, settings(sds.JS, "bob"))
	text := strings.Repeat("x", sds.MaxContent)
	out := alice.send(text)
	if e := the(bob.receive(out.Payload), "delivered"); e == nil || string(e.Content) != text {
		t.Error("not delivered")
	}
	if e := alice.do("send", with{"content": []byte(text + "x")}); the(e, "error") == nil || the(e, "out") != nil {
		t.Errorf("one byte more: %d events", len(e))
	}
	lines := alice.raw(`{"cmd":"state","padding":"` + strings.Repeat("x", maxLine) + `"}`)
	if len(lines) != 2 || !strings.Contains(lines[0], "more than 16777216 bytes") {
		t.Errorf("%d lines: %.100s", len(lines), lines[0])
	}
	if len(alice.state().History) != 1 {
		t.Error("does not go on")
	}
}

// The last line counts without its end, and the end of the input ends the peer.
func TestEndOfInput(t *testing.T) {
	var out bytes.Buffer
	if err := Serve(settings(sds.JS, "alice"), strings.NewReader(`{"cmd":"sync"}`), &out); err != nil {
		t.Fatal(err)
	}
	want := `{"event":"ready","implementation":"causeway","channel":"c","sender":"alice","dialect":"js","causalHistory":200,` +
		`"possibleAcks":2,"lostTimeoutMs":0,"repair":true,"repairBuffer":1000,"tMin":30000,"tMax":120000,"groups":1}` + "\n" +
		`{"event":"syncSkipped"}` + "\n" + `{"event":"done","cmd":"sync"}` + "\n"
	if out.String() != want {
		t.Errorf("says\n%s", out.String())
	}
}

// The clock of the machine: a timestamp between two readings of it.
func TestRealClock(t *testing.T) {
	c := run(t, settings(sds.JS, "alice"))
	c.do("clock", with{"now": nil})
	before := uint64(time.Now().UnixMilli())
	m := decode(t, c.send("now").Payload)
	if after := uint64(time.Now().UnixMilli()); m.Lamport < before || m.Lamport > after {
		t.Errorf("sent at %d, between %d and %d", m.Lamport, before, after)
	}
	c.do("clock", with{"advance": 1_000_000})
	if m := decode(t, c.send("later").Payload); m.Lamport < before+1_000_000 {
		t.Errorf("sent at %d", m.Lamport)
	}
}

// What is refused, with an error, and changes nothing.
func TestRefused(t *testing.T) {
	hex64 := strings.Repeat("0", 64)
	for name, change := range map[string]func(*wire.Message){
		"another channel":    func(m *wire.Message) { m.ChannelID = "other" },
		"no id":              func(m *wire.Message) { m.MessageID = "" },
		"no sender":          func(m *wire.Message) { m.SenderID = "" },
		"lamport":            func(m *wire.Message) { m.Lamport = 1 << 53 },
		"message id does":    func(m *wire.Message) { m.MessageID = wire.MessageID(hex64) },
		"content is too":     func(m *wire.Message) { m.Content = make([]byte, sds.MaxContent+1) },
		"message id does n":  func(m *wire.Message) { m.MessageID = "c1AAAAAAAAAAAAAAAAAAAAAAAAAAA" },
		"message id does no": func(m *wire.Message) { m.Content, m.MessageID = nil, "c1AAAAAAAAAAAAAAAAAAAAAAAAAAA" },
	} {
		c := run(t, settings(sds.JS, "alice"))
		m := content("bob", "m", start+5, "missing")
		change(m)
		e := c.receive(m.Encode())
		if len(e) != 1 || e[0].Event != "error" || !strings.Contains(e[0].Message, name) {
			t.Errorf("%s: %+v", name, e)
		}
		if s := c.state(); len(s.History)+len(s.Incoming) > 0 || s.Lamport != fmt.Sprint(start) {
			t.Errorf("%s: state %+v", name, s)
		}
	}
}

// A filter that can't be read is no reason to lose a message.
func TestBadFilter(t *testing.T) {
	for _, filter := range [][]byte{{}, make([]byte, 18_751), {1}} {
		c := run(t, settings(sds.JS, "alice"))
		c.send("x")
		m := content("bob", "m", start)
		m.BloomFilter = filter
		if e := c.receive(m.Encode()); the(e, "delivered") == nil || the(e, "possiblyAcked") != nil {
			t.Errorf("%d bytes: %+v", len(filter), e)
		}
	}
}

func withFilter(m *wire.Message, ids ...wire.MessageID) []byte {
	m.BloomFilter = newFilter(bloom.JS, bloom.Default(), ids).Append(nil)
	return m.Encode()
}

// --possible-acks, counted by message and not by copy.
func TestPossibleAcks(t *testing.T) {
	for _, threshold := range []int{1, 2, 4} {
		cfg := settings(sds.JS, "alice")
		cfg.PossibleAcks = threshold
		c := run(t, cfg)
		id := c.send("x").ID
		for i := 1; i <= threshold; i++ {
			payload := withFilter(content("bob", fmt.Sprint("m", i), start), id)
			e := c.receive(payload)
			possibly, acked := the(e, "possiblyAcked"), the(e, "acked")
			if i < threshold && (acked != nil || possibly == nil || possibly.ID != id || possibly.Count != i) ||
				i == threshold && (possibly != nil || acked == nil || acked.ID != id) {
				t.Errorf("threshold %d, sighting %d: %+v", threshold, i, e)
			}
			if e := c.receive(payload); len(e) > 0 {
				t.Errorf("a copy: %+v", e)
			}
		}
	}
}

// Our own messages from before a restart are taken like anybody's, and acknowledge
// nothing.
func TestOwnUnknown(t *testing.T) {
	c := run(t, settings(sds.JS, "alice"))
	id := c.send("x").ID
	e := c.receive(withFilter(content("alice", "old", start, string(id)), id))
	if the(e, "delivered") == nil || the(e, "acked") != nil || the(e, "possiblyAcked") != nil {
		t.Errorf("%+v", e)
	}
}

// A mention or a filter of somebody else shows that a refused message went out.
func TestAckOfRefused(t *testing.T) {
	c := run(t, settings(sds.JS, "alice"))
	out := c.do("send", with{"content": []byte("x"), "fail": true})
	id := out[0].ID
	e := c.receive(content("bob", "m", start+5, string(id)).Encode())
	if !slices.Equal(ids(e, "acked"), []string{string(id)}) || the(e, "missing") != nil || the(e, "delivered") == nil {
		t.Errorf("%+v", e)
	}
	if s := c.state(); len(s.History) != 2 || len(s.Outgoing) != 0 {
		t.Errorf("%+v", s)
	}
}

// Requests: three ride on a message, the earliest first; what is not answered is
// asked again after as long a wait, and somebody else's request puts ours off.
func TestRequests(t *testing.T) {
	cfg := settings(sds.JS, "alice")
	cfg.TMin, cfg.TMax = 10*time.Second, 10*time.Second
	c := run(t, cfg)
	c.receive(content("bob", "m", start, "a", "b", "c", "d").Encode())
	c.do("clock", with{"now": start + 10_000})
	first, second, third := decode(t, c.send("1").Payload), decode(t, c.send("2").Payload), decode(t, c.send("3").Payload)
	if !slices.Equal(asked(first), []string{"a", "b", "c"}) || !slices.Equal(asked(second), []string{"d"}) || len(third.RepairRequest) > 0 {
		t.Errorf("asks for %v, %v, %v", asked(first), asked(second), asked(third))
	}
	other := content("carol", "sync", start)
	other.Content, other.RepairRequest = nil, []wire.HistoryEntry{{MessageID: "b", SenderID: "someone"}}
	c.do("clock", with{"now": start + 15_000})
	if e := the(c.receive(other.Encode()), "repairRequestReceived"); e == nil || e.SenderID != "carol" || !slices.Equal(e.IDs, []wire.MessageID{"b"}) {
		t.Errorf("%+v", e)
	}
	c.receive(content("bob", "c", start-1).Encode())
	c.do("clock", with{"now": start + 20_000})
	if again := decode(t, c.send("4").Payload); !slices.Equal(asked(again), []string{"d", "a"}) {
		t.Errorf("asks again for %v", asked(again))
	}
	c.do("clock", with{"now": start + 25_000})
	if again := decode(t, c.send("5").Payload); !slices.Equal(asked(again), []string{"b"}) {
		t.Errorf("then for %v", asked(again))
	}
}

// A refused message did not ask for anything.
func TestRequestOnRefused(t *testing.T) {
	c := run(t, settings(sds.JS, "alice"))
	c.receive(content("bob", "m", start, "a").Encode())
	c.do("clock", with{"advance": 120_000})
	c.do("send", with{"content": []byte("1"), "fail": true})
	if got := asked(decode(t, c.send("2").Payload)); !slices.Equal(got, []string{"a"}) {
		t.Errorf("asks for %v", got)
	}
}

// --repair-buffer: the furthest in time makes room, for requests and for answers.
func TestRepairBuffer(t *testing.T) {
	cfg := settings(sds.JS, "alice")
	cfg.RepairBuffer = 2
	c := run(t, cfg)
	queued := map[string]int64{}
	for _, e := range c.receive(content("bob", "m", start, "a", "b", "d").Encode()) {
		if e.Event == "repairRequestQueued" {
			queued[string(e.ID)] = e.TReq
		}
	}
	gone := "a"
	if queued["b"] > queued["a"] {
		gone = "b"
	}
	c.do("clock", with{"advance": 120_000})
	got := asked(decode(t, c.send("x").Payload))
	if len(queued) != 3 || len(got) != 2 || slices.Contains(got, gone) || !slices.Contains(got, "d") {
		t.Errorf("queued %v, asks for %v", queued, got)
	}
	for _, id := range []string{"p", "q", "r"} {
		c.receive(content("bob", id, start).Encode())
	}
	due := map[string]int64{}
	for _, id := range []string{"p", "q", "r"} {
		due[id] = c.ask(id, "bob").TResp
	}
	gone = "p"
	if due["q"] > due["p"] {
		gone = "q"
	}
	c.do("clock", with{"advance": 120_000})
	if got := ids(c.do("sweep", nil), "out"); len(got) != 2 || slices.Contains(got, gone) || !slices.Contains(got, "r") {
		t.Errorf("due %v, answers %v", due, got)
	}
}

// --no-repair neither asks nor answers.
func TestNoRepair(t *testing.T) {
	cfg := settings(sds.JS, "alice")
	cfg.NoRepair = true
	c := run(t, cfg)
	e := c.receive(content("bob", "m", start, "a").Encode())
	if the(e, "repairRequestQueued") != nil || the(e, "missing") == nil {
		t.Errorf("%+v", e)
	}
	c.receive(content("bob", "p", start).Encode())
	if e := c.ask("p", "bob"); e != nil {
		t.Errorf("answers: %+v", e)
	}
	c.do("clock", with{"advance": 1_000_000})
	if m := decode(t, c.send("x").Payload); len(m.RepairRequest) > 0 || the(c.do("sweep", nil), "out") != nil {
		t.Errorf("asks for %v", asked(m))
	}
}

// An answer that somebody else gave, whatever copy of the message it is, is not
// given again; nor is one without a sender, or for what waits itself.
func TestAnswerOfOthers(t *testing.T) {
	c := run(t, settings(sds.JS, "alice"))
	payload := content("bob", "p", start).Encode()
	c.receive(payload)
	if c.ask("p", "bob") == nil {
		t.Fatal("no answer")
	}
	c.receive(payload)
	c.do("clock", with{"advance": 1_000_000})
	if e := the(c.do("sweep", nil), "out"); e != nil {
		t.Errorf("answers: %+v", e)
	}
	if c.ask("p", "") != nil {
		t.Error("answers a request that names no sender")
	}
	c.receive(content("bob", "waits", start, "nowhere").Encode())
	if c.ask("waits", "bob") != nil || c.ask("nowhere", "bob") != nil {
		t.Error("answers for what is not in the log")
	}
}

// Messages that wait for each other in a circle, as @waku/sds makes them when a
// user repeats a text, are delivered; not before what they miss besides.
func TestCircle(t *testing.T) {
	for _, d := range []sds.Dialect{sds.JS, sds.LIP} {
		c := run(t, settings(d, "alice"))
		events := c.receive(content("bob", "x", start, "y", "x").Encode())
		events = append(events, c.receive(content("bob", "y", start+1, "x", "z").Encode())...)
		events = append(events, c.do("sweep", nil)...)
		if got := ids(events, "delivered"); len(got) > 0 {
			t.Errorf("%v: delivered %v without z", d, got)
		}
		events = append(c.receive(content("bob", "z", start-1).Encode()), c.do("sweep", nil)...)
		if got := ids(events, "delivered"); !slices.Equal(got, []string{"z", "x", "y"}) {
			t.Errorf("%v: delivered %v", d, got)
		}
		if s := c.state(); len(s.Incoming) > 0 {
			t.Errorf("%v: %v wait", d, s.Incoming)
		}
	}
}

// Many wait: all are delivered in the order of the log whatever order they came in.
func TestManyWait(t *testing.T) {
	c := run(t, settings(sds.JS, "alice"))
	const n = 400
	id := func(i int) string { return fmt.Sprintf("m%03d", i) }
	for i := n - 1; i > 0; i-- {
		c.receive(content("bob", id(i*7%n), start+uint64(i*7%n), id(max(0, i*7%n-1))).Encode())
	}
	events := append(c.receive(content("bob", id(0), start).Encode()), c.do("sweep", nil)...)
	got := ids(events, "delivered")
	if len(got) != n || !slices.IsSorted(got) {
		t.Errorf("%d delivered, in order: %v", len(got), slices.IsSorted(got))
	}
}

// A hint that comes with a later mention is kept, as is the sender.
func TestLearns(t *testing.T) {
	c := run(t, settings(sds.JS, "alice"))
	first := content("bob", "m", start, "a")
	first.CausalHistory[0].SenderID = ""
	c.receive(first.Encode())
	second := content("bob", "n", start, "a")
	second.CausalHistory[0].RetrievalHint = []byte("here")
	c.receive(second.Encode())
	e := the(c.do("sweep", nil), "missing")
	if len(e.Entries) != 1 || string(e.Entries[0].RetrievalHint) != "here" || e.Entries[0].SenderID != "someone" {
		t.Errorf("%+v", e)
	}
	c.do("clock", with{"advance": 120_000})
	if r := decode(t, c.send("x").Payload).RepairRequest; len(r) != 1 || r[0].SenderID != "someone" || string(r[0].RetrievalHint) != "here" {
		t.Errorf("asks with %+v", r)
	}
}

// LIP names its heads: all of them, the oldest if there are too many, and a sync
// the newest.
func TestHeads(t *testing.T) {
	cfg := settings(sds.LIP, "alice")
	cfg.CausalHistory = 3
	c := run(t, cfg)
	for i := range 5 {
		c.receive(content("bob", fmt.Sprint("m", i), start-10+uint64(i)).Encode())
	}
	if got := named(decode(t, the(c.do("sync", nil), "out").Payload)); !slices.Equal(got, []string{"m2", "m3", "m4"}) {
		t.Errorf("a sync names %v", got)
	}
	m := decode(t, c.send("x").Payload)
	if got := named(m); !slices.Equal(got, []string{"m0", "m1", "m2"}) || m.BloomFilter != nil || m.Extension != nil {
		t.Errorf("names %v", got)
	}
	if got := named(decode(t, c.send("y").Payload)); !slices.Equal(got, []string{"m3", "m4", string(m.MessageID)}) {
		t.Errorf("then names %v", got)
	}
}

func TestFilterIsMadeAgain(t *testing.T) {
	m := newMachine(settings(sds.JS, "alice"), start, func(any) {})
	for i := range jsFilterMax + 1 {
		m.addToFilter(wire.MessageID(fmt.Sprint("m", i)))
	}
	if len(m.received) != jsFilterKeep || m.filter.Contains("m0") || !m.filter.Contains(fmt.Sprint("m", jsFilterMax)) {
		t.Errorf("%d ids", len(m.received))
	}
}
