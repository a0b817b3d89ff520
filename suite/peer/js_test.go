package peer

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// What @waku/sds 0.0.8 did, through the language: see testdata/README.md.

type jsVectors struct {
	MessageID struct {
		Vectors []struct {
			Payload string `json:"payload_hex"`
			ID      wire.MessageID
		}
	}
	Lamport struct {
		Vectors []struct {
			Now           int64
			Current, Next string
		}
	}
	Repair struct {
		TReq, TResp struct {
			Config  struct{ TMin, TMax int64 }
			Vectors []struct {
				Participant, Sender, Message string
				OffsetMs                     int64
			}
		}
		ResponseGroup []struct {
			Groups  int
			Members []struct {
				Message, Sender string
				InGroup         []string
			}
		}
	}
	Transcript struct {
		StartClock int64
		Steps      []jsStep
	}
}

type jsStep struct {
	Step       int
	At         int64
	Who, What  string
	WireSHA256 string
	Decoded    *struct {
		MessageID     wire.MessageID `json:"message_id"`
		CausalHistory []struct {
			MessageID wire.MessageID `json:"message_id"`
		} `json:"causal_history"`
	}
	Events []struct {
		Event string
		ID    wire.MessageID
		IDs   []wire.MessageID
		Count int
	}
	StateAfter struct {
		Lamport                 string
		Log, Outgoing, Incoming []wire.MessageID
		BloomSha256             string
		RepairOut               []struct {
			ID   wire.MessageID
			TReq int64
		}
		RepairIn []struct {
			ID    wire.MessageID
			TResp int64
		}
	}
}

func readJSON(t testing.TB, to any, path ...string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func loadJS(t testing.TB) *jsVectors {
	t.Helper()
	v := new(jsVectors)
	readJSON(t, v, "testdata", "js.json")
	if len(v.MessageID.Vectors) != 5 || len(v.Lamport.Vectors) != 5 || len(v.Transcript.Steps) != 12 ||
		len(v.Repair.TReq.Vectors) != 12 || len(v.Repair.TResp.Vectors) != 12 || len(v.Repair.ResponseGroup) != 4 {
		t.Fatal("testdata/js.json is not what it was")
	}
	return v
}

// Two peers of ours replay what two of @waku/sds said to each other: the same
// bytes, the same events, the same state after each step.
func TestTranscript(t *testing.T) {
	v := loadJS(t).Transcript
	cast := map[string]*client{}
	for _, name := range []string{"alice", "bob"} {
		cfg := settings(sds.JS, name)
		*cfg.Now = v.StartClock
		cfg.Channel, cfg.CausalHistory, cfg.TMin, cfg.TMax = "test-channel", 2, time.Second, 5*time.Second
		cast[name] = run(t, cfg)
	}
	hints := map[string][]byte{"message-1": []byte("hint-1"), "message-2": []byte("hint-2")}
	payloads := map[int][]byte{}
	for _, s := range v.Steps {
		c := cast[s.Who]
		for _, other := range cast {
			other.do("clock", with{"now": s.At})
		}
		var from int
		var events []event
		switch {
		case strings.HasPrefix(s.What, "send content"):
			text := strings.Split(s.What, "'")[1]
			events = c.do("send", with{"content": []byte(text), "retrievalHint": hints[text]})
		case strings.HasPrefix(s.What, "send sync"):
			events = c.do("sync", nil)
		case strings.HasPrefix(s.What, "sweep"):
			events = c.do("sweep", nil)
		default:
			if _, err := fmt.Sscanf(s.What, "receive the message of step %d", &from); err != nil {
				t.Fatalf("step %d: %s", s.Step, s.What)
			}
			args := with{"payload": payloads[from]}
			if from == 1 {
				args["retrievalHint"] = []byte("hint-1")
			}
			events = c.do("receive", args)
		}
		if out := the(events, "out"); out != nil {
			payloads[s.Step] = out.Payload
			checkWire(t, s, out.Payload)
		} else if s.WireSHA256 != "" {
			t.Errorf("step %d: nothing goes out", s.Step)
		}
		compareEvents(t, s, events)
		compareState(t, s, c)
	}
}

// checkWire compares bytes. The id of a sync is random there.
func checkWire(t *testing.T, s jsStep, payload []byte) {
	m, err := wire.Decode(payload)
	if err != nil {
		t.Fatal(err)
	}
	if m.Kind() == wire.Sync {
		m.MessageID = s.Decoded.MessageID
		payload = m.Encode()
	}
	if sum := sha256.Sum256(payload); hex.EncodeToString(sum[:]) != s.WireSHA256 {
		t.Errorf("step %d: other bytes go out: names %v", s.Step, m.CausalHistory)
	}
}

// ourNames are the events of @waku/sds in our language.
var ourNames = map[string]string{
	"OutMessageSent": "sent", "InMessageReceived": "received", "InMessageDelivered": "delivered",
	"InMessageMissing": "missing", "RepairRequestReceived": "repairRequestReceived", "InSyncReceived": "syncReceived",
	"OutMessageAcknowledged": "acked", "OutMessagePossiblyAcknowledged": "possiblyAcked",
}

// compareEvents compares all that the transcript has; "out", "outgoing" and the
// queued repairs have no counterpart there.
func compareEvents(t *testing.T, s jsStep, events []event) {
	var got, want []string
	for _, e := range events {
		switch e.Event {
		case "out", "outgoing", "repairRequestQueued", "repairResponseQueued":
			continue
		case "syncReceived":
			e.ID = "sync-i"
		}
		got = append(got, fmt.Sprint(e.Event, e.ID, e.IDs, e.Count))
	}
	for _, e := range s.Events {
		if name := ourNames[e.Event]; name != "" {
			want = append(want, fmt.Sprint(name, e.ID, e.IDs, e.Count))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("step %d, %s: events\n%s\nwant\n%s", s.Step, s.What, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, r := range s.StateAfter.RepairOut {
		if e := the(events, "repairRequestQueued"); e != nil && (e.ID != r.ID || e.TReq != r.TReq) {
			t.Errorf("step %d: asks for %s at %d, want %s at %d", s.Step, e.ID, e.TReq, r.ID, r.TReq)
		}
	}
	if r := s.StateAfter.RepairIn; len(r) > 0 {
		if e := the(events, "repairResponseQueued"); e == nil || e.ID != r[0].ID || e.TResp != r[0].TResp {
			t.Errorf("step %d: answer %+v, want %+v", s.Step, e, r)
		}
	}
}

func compareState(t *testing.T, s jsStep, c *client) {
	got, want := c.state(), s.StateAfter
	var log []wire.MessageID
	for _, m := range got.History {
		log = append(log, m.ID)
	}
	if got.Lamport != want.Lamport || !slices.Equal(log, want.Log) ||
		!slices.Equal(got.Incoming, want.Incoming) || !slices.Equal(got.Outgoing, want.Outgoing) {
		t.Errorf("step %d, %s: state %+v, want %+v", s.Step, s.What, got, want)
	}
}

func TestMessageIDs(t *testing.T) {
	for i, v := range loadJS(t).MessageID.Vectors {
		payload, err := hex.DecodeString(v.Payload)
		if err != nil {
			t.Fatal(err)
		}
		c := run(t, settings(sds.JS, "alice"))
		if len(payload) == 0 { // a hash of nothing: there is no such message
			if e := c.do("send", with{"content": payload}); the(e, "error") == nil || the(e, "out") != nil {
				t.Errorf("%d: empty content: %+v", i, e)
			}
			continue
		}
		if out := c.send(string(payload)); out.ID != v.ID {
			t.Errorf("%d: id %s, want %s", i, out.ID, v.ID)
		}
	}
}

func TestLamport(t *testing.T) {
	for i, v := range loadJS(t).Lamport.Vectors {
		current, err := strconv.ParseUint(v.Current, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		cfg := settings(sds.JS, "alice")
		*cfg.Now = 0
		c := run(t, cfg)
		c.do("clock", with{"now": v.Now})
		if current > 0 {
			c.receive(content("bob", "m", current).Encode())
		}
		c.send("hi")
		if got := c.state().Lamport; got != v.Next {
			t.Errorf("%d: after %s at %d comes %s, want %s", i, v.Current, v.Now, got, v.Next)
		}
	}
}

// The filter of what was received, bit for bit, at 0, 1, 10, 100 and 10,000 ids,
// also of messages that wait.
func TestFilters(t *testing.T) {
	var vectors struct {
		Bloom []struct {
			Name     string
			Options  struct{ Capacity int }
			Inserted any
			SHA256   string
		}
	}
	readJSON(t, &vectors, "..", "..", "sds", "bloom", "testdata", "js.json")
	want := map[string]string{}
	for _, b := range vectors.Bloom {
		want[b.Name] = b.SHA256
	}
	received := 0
	c := run(t, settings(sds.JS, "alice"))
	for _, f := range []struct {
		name string
		ids  int
	}{{"default-empty", 0}, {"default-test1", 1}, {"default-test1..10", 10}, {"default-test1..100", 100}, {"default-test1..10000", 10_000}} {
		for ; received < f.ids; received++ {
			m := content("bob", fmt.Sprint("test", received+1), start)
			if received%5 == 3 {
				m.CausalHistory = []wire.HistoryEntry{{MessageID: "nowhere", SenderID: "bob"}}
			}
			if e := c.receive(m.Encode()); the(e, "received") == nil {
				t.Fatalf("refused: %+v", e)
			}
		}
		out := the(c.do("sync", nil), "out")
		if f.ids == 0 { // there is nothing to say yet
			first := run(t, settings(sds.JS, "bob")).send("hello")
			out = &first
		}
		m, err := wire.Decode(out.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(m.BloomFilter); want[f.name] == "" || hex.EncodeToString(sum[:]) != want[f.name] {
			t.Errorf("%s: other bits", f.name)
		}
	}
}

func decodeHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every message that @waku/sds wrote, and how it read odd ones. The two of
// nim-sds, which it can't read, are read here (rule P2).
func TestDecodeVectors(t *testing.T) {
	type fields struct {
		SenderID      string  `json:"sender_id"`
		MessageID     string  `json:"message_id"`
		ChannelID     string  `json:"channel_id"`
		Lamport       *string `json:"lamport_timestamp"`
		CausalHistory []struct {
			MessageID string  `json:"message_id"`
			Hint      *string `json:"retrieval_hint_hex"`
			SenderID  *string `json:"sender_id"`
		} `json:"causal_history"`
		RepairRequest []struct {
			MessageID string `json:"message_id"`
		} `json:"repair_request"`
		BloomBytes *int    `json:"bloom_filter_bytes"`
		Content    *string `json:"content_hex"`
	}
	var v struct {
		Message []struct {
			Name, Hex, DecodesAs string
			Fields               fields
		}
		Decode []struct {
			Name, Hex, Result string
			Fields            fields
		}
	}
	readJSON(t, &v, "..", "..", "sds", "wire", "testdata", "js.json")
	c := run(t, settings(sds.JS, "alice"))
	check := func(name, bytes, kind string, want fields) {
		t.Helper()
		e := c.do("decode", with{"payload": decodeHex(t, bytes)})[0]
		if strings.HasPrefix(name, "nim-sds") {
			if e.Event != "decoded" || e.Dialect != "nim" || e.Kind != "content" || e.ID != "m1" {
				t.Errorf("%s: %+v", name, e)
			}
			return
		}
		if kind == "undecodable" {
			if e.Event != kind || e.Message == "" {
				t.Errorf("%s: %+v, want %s", name, e, kind)
			}
			return
		}
		var history, requests []entry
		if json.Unmarshal(e.CausalHistory, &history) != nil || json.Unmarshal(e.RepairRequest, &requests) != nil {
			t.Fatalf("%s: %s %s", name, e.CausalHistory, e.RepairRequest)
		}
		lamport := ""
		if want.Lamport != nil {
			lamport = *want.Lamport
		}
		content := ""
		if want.Content != nil {
			content = *want.Content
		}
		if e.Event != "decoded" || e.Dialect != "lip" || e.Kind != kind || e.SenderID != want.SenderID || string(e.ID) != want.MessageID ||
			e.ChannelID != want.ChannelID || e.Lamport != lamport || hex.EncodeToString(e.Content) != content ||
			len(history) != len(want.CausalHistory) || len(requests) != len(want.RepairRequest) ||
			(e.BloomFilter == nil) != (want.BloomBytes == nil) {
			t.Errorf("%s: %+v, want %+v", name, e, want)
			return
		}
		for i, h := range want.CausalHistory {
			if string(history[i].ID) != h.MessageID || h.Hint != nil && hex.EncodeToString(history[i].RetrievalHint) != *h.Hint ||
				h.SenderID != nil && string(history[i].SenderID) != *h.SenderID {
				t.Errorf("%s: names %+v, want %+v", name, history[i], h)
			}
		}
		for i, r := range want.RepairRequest {
			if string(requests[i].ID) != r.MessageID {
				t.Errorf("%s: asks for %s, want %s", name, requests[i].ID, r.MessageID)
			}
		}
	}
	for _, m := range v.Message {
		check(m.Name, m.Hex, m.DecodesAs, m.Fields)
	}
	for _, m := range v.Decode {
		check(m.Name, m.Hex, m.Result, m.Fields)
	}
}

func TestRequestTimes(t *testing.T) {
	v := loadJS(t).Repair.TReq
	for _, r := range v.Vectors {
		c := run(t, settings(sds.JS, r.Participant))
		e := the(c.receive(content("x", "later", start, r.Message).Encode()), "repairRequestQueued")
		if e == nil || string(e.ID) != r.Message || e.TReq != start+r.OffsetMs {
			t.Errorf("%s asks for %s: %+v, want after %d", r.Participant, r.Message, e, r.OffsetMs)
		}
		c.do("clock", with{"now": start + r.OffsetMs - 1})
		early, _ := wire.Decode(c.send("early").Payload)
		c.do("clock", with{"advance": 1})
		due, _ := wire.Decode(c.send("due").Payload)
		next, _ := wire.Decode(c.send("next").Payload)
		if len(early.RepairRequest) != 0 || len(due.RepairRequest) != 1 || string(due.RepairRequest[0].MessageID) != r.Message ||
			due.RepairRequest[0].SenderID != "someone" || len(next.RepairRequest) != 0 {
			t.Errorf("%s asks for %s: %v, %v, %v", r.Participant, r.Message, early.RepairRequest, due.RepairRequest, next.RepairRequest)
		}
	}
}

// The vectors ask for hashes of "message-1" and "message-2", and for "m1".
var vectorTexts = map[string]string{
	"9deb880b43bdf6f465a0afb130aed71b31cf219626f3637f577d4167cd80e5f2": "message-1",
	"dd1dbcb34570c8e7020a2d117a37819e81aac35c95d325ba14339fd9c93d4477": "message-2",
}

func vectorMessage(id, sender string) []byte {
	m := content(sender, id, start)
	if text := vectorTexts[id]; text != "" {
		m.Content = []byte(text)
	}
	return m.Encode()
}

// ask sends a repair request of somebody for a message of sender.
func (c *client) ask(id, sender string) *event {
	c.t.Helper()
	m := content("asker", "request for "+id, start)
	m.Content = nil
	m.RepairRequest = []wire.HistoryEntry{{MessageID: wire.MessageID(id), SenderID: wire.ParticipantID(sender)}}
	return the(c.receive(m.Encode()), "repairResponseQueued")
}

func TestResponseTimes(t *testing.T) {
	for _, r := range loadJS(t).Repair.TResp.Vectors {
		c := run(t, settings(sds.JS, r.Participant))
		payload := vectorMessage(r.Message, r.Sender)
		if e := c.receive(payload); the(e, "delivered") == nil {
			t.Fatalf("%+v", e)
		}
		e := c.ask(r.Message, r.Sender)
		if e == nil || string(e.ID) != r.Message || e.TResp != start+r.OffsetMs {
			t.Errorf("%s answers for %s of %s: %+v, want after %d", r.Participant, r.Message, r.Sender, e, r.OffsetMs)
		}
		if r.OffsetMs > 0 {
			c.do("clock", with{"now": start + r.OffsetMs - 1})
			if out := the(c.do("sweep", nil), "out"); out != nil {
				t.Errorf("answers early: %+v", out)
			}
		}
		c.do("clock", with{"now": start + r.OffsetMs})
		if out := the(c.do("sweep", nil), "out"); out == nil || out.Kind != "repair" || string(out.Payload) != string(payload) {
			t.Errorf("%s: answer %+v", r.Participant, out)
		}
		if out := the(c.do("sweep", nil), "out"); out != nil {
			t.Errorf("%s answers twice", r.Participant)
		}
	}
}

func TestResponseGroups(t *testing.T) {
	for _, g := range loadJS(t).Repair.ResponseGroup {
		for _, m := range g.Members {
			for _, who := range []string{"alice", "bob", "carol", "dave"} {
				cfg := settings(sds.JS, who)
				cfg.Groups = g.Groups
				c := run(t, cfg)
				c.receive(vectorMessage(m.Message, m.Sender))
				if got, want := c.ask(m.Message, m.Sender) != nil, slices.Contains(m.InGroup, who); got != want {
					t.Errorf("%d groups, %s of %s: %s answers: %v, want %v", g.Groups, m.Message, m.Sender, who, got, want)
				}
			}
		}
	}
}

func TestBase64(t *testing.T) {
	c := run(t, settings(sds.JS, "alice"))
	lines := c.raw(`{"cmd":"ephemeral","content":"` + base64.StdEncoding.EncodeToString([]byte{0xff, 0xfe, 0}) + `"}`)
	var e event
	if err := json.Unmarshal([]byte(lines[0]), &e); err != nil {
		t.Fatal(err)
	}
	m, err := wire.Decode(e.Payload)
	if err != nil || string(m.Content) != "\xff\xfe\x00" || m.Kind() != wire.Ephemeral || e.Kind != "ephemeral" {
		t.Errorf("%v %+v", err, m)
	}
}
