package tests

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/bloom"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/waku-org/sds-go-bindings/sds"
)

// Recorded bytes of nim-sds stand in for a live peer.

type vectors struct {
	Messages []struct {
		Name      string
		MessageID string `json:"message_id"`
		ChannelID string `json:"channel_id"`
		Lamport   string
		Content   string `json:"content_hex"`
		Wire      string `json:"wire_hex"`
		History   []struct {
			MessageID string `json:"message_id"`
			Hint      string `json:"retrieval_hint_hex"`
		} `json:"causal_history"`
	}
	Sequences []sequence `json:"wrap_sequences"`
	Decode    []verdict
	V04       struct {
		Messages []struct {
			Wire string `json:"wire_hex"`
		}
		Decode []verdict
	} `json:"release_v0_4"`
}

type sequence struct {
	Name        string
	Participant string `json:"participant_id"`
	Channel     string `json:"channel_id"`
	Initial     string `json:"initial_lamport"`
	Hints       bool
	Wraps       []struct {
		MessageID string `json:"message_id"`
		Content   string
		Wire      string `json:"wire_hex"`
	}
}

type verdict struct {
	Name   string
	Wire   string `json:"wire_hex"`
	Result string
}

func loadVectors(t testing.TB) vectors {
	t.Helper()
	b, err := os.ReadFile("testdata/nim.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Messages) == 0 || len(v.Sequences) == 0 || len(v.Decode) == 0 || len(v.V04.Decode) != len(v.Decode) {
		t.Fatal("vectors are missing")
	}
	return v
}

// member is a manager at the time of the recording.
func (s sequence) member(t testing.TB, o sds.Options) (*sds.ReliabilityManager, *recorder) {
	t.Helper()
	initial, err := strconv.ParseInt(s.Initial, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	o.Now = func() time.Time { return time.Unix(initial, 0) }
	rm, heard := open(t, o), newRecorder()
	rm.RegisterCallbacks(heard.callbacks())
	return rm, heard
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every message that nim-sds writes is read, with what it depends on and the
// hints. Exceptions: without a channel it is nobody's, a negative clock kills its
// own author.
func TestNimMessages(t *testing.T) {
	v := loadVectors(t)
	for i, m := range v.Messages {
		for j, packet := range []string{m.Wire, v.V04.Messages[i].Wire} {
			rm, heard := joined(t)
			u, err := rm.UnwrapReceivedMessage(unhex(t, packet))
			if lamport, _ := strconv.ParseInt(m.Lamport, 10, 64); m.ChannelID == "" || lamport < 0 || lamport >= 1<<53 || j == 1 && m.Content == "" {
				if !errors.Is(err, sds.ErrDeserialization) {
					t.Errorf("%s: %v", m.Name, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", m.Name, err)
				continue
			}
			var missing, want []string
			for _, d := range *u.MissingDeps {
				missing = append(missing, fmt.Sprintf("%s %x", d.MessageID, d.RetrievalHint))
			}
			for _, e := range m.History {
				want = append(want, e.MessageID+" "+e.Hint)
			}
			if hex.EncodeToString(*u.Message) != m.Content || *u.ChannelId != m.ChannelID || !slices.Equal(missing, want) {
				t.Errorf("%s: content %x in %q, missing %q, want %q", m.Name, *u.Message, *u.ChannelId, missing, want)
			}
			switch {
			case m.Name == "big_lamport": // in milliseconds: content, but no place in the log (rule P2)
				heard.want(t)
			case len(want) == 0 && m.Content != "":
				heard.want(t, "ready "+m.MessageID+" "+m.ChannelID)
			}
		}
	}
}

// The verdict on odd input is that of one of the two nim-sds in use, but where
// these crash, and where status-go needs strictness.
func TestNimVerdicts(t *testing.T) {
	strict := map[string]string{
		"missing_field2":   "release/v0.4 takes it for content at time 0",
		"missing_field5":   "release/v0.4 takes it for a message without content",
		"empty_channel_id": "master takes it",
		"lamport_2^63":     "it ends master's process",
	}
	tolerant := map[string]string{
		"legacy_causal_history_plain_string_msg0":  "builds of 2025 wrote it",
		"legacy_causal_history_plain_string_hexid": "builds of 2025 wrote it",
	}
	v := loadVectors(t)
	for i, d := range v.Decode {
		reads := d.Result == "ok" || v.V04.Decode[i].Result == "ok"
		if strict[d.Name] != "" {
			reads = false
		}
		if tolerant[d.Name] != "" {
			reads = true
		}
		rm, _ := joined(t)
		wrap(t, rm, "own", "ch") // so that there is something to acknowledge
		if _, err := rm.UnwrapReceivedMessage(unhex(t, d.Wire)); (err == nil) != reads {
			t.Errorf("%s: %v, want it read: %v", d.Name, err, reads)
		}
	}
}

// A recorded conversation in order: everything is ready at once, nothing missing.
// Backwards: each message reports what nim-sds would report, less what is here and
// waits; and ready events come in causal order, not backwards as with nim-sds.
func TestNimConversation(t *testing.T) {
	for _, s := range loadVectors(t).Sequences {
		t.Run(s.Name, func(t *testing.T) {
			var order, ready []string
			rm, heard := s.member(t, sds.Options{})
			for _, w := range s.Wraps {
				u, err := rm.UnwrapReceivedMessage(unhex(t, w.Wire))
				if err != nil || string(*u.Message) != w.Content || len(*u.MissingDeps) != 0 {
					t.Fatalf("%s: %+v, %v", w.MessageID, u, err)
				}
				order = append(order, w.MessageID)
				ready = append(ready, "ready "+w.MessageID+" "+s.Channel)
			}
			heard.want(t, ready...)

			back, heardBack := s.member(t, sds.Options{})
			for i := len(s.Wraps) - 1; i >= 0; i-- {
				u, err := back.UnwrapReceivedMessage(unhex(t, s.Wraps[i].Wire))
				if err != nil {
					t.Fatal(err)
				}
				wantIDs(t, "missing of "+order[i], idsOf(*u.MissingDeps), order[max(0, i-10):i]...)
				wantIDs(t, "missing of a copy", idsOf(copyOf(t, back, unhex(t, s.Wraps[i].Wire))))
			}
			lines := heardBack.take()
			if got := lines[len(lines)-len(ready):]; !slices.Equal(got, ready) {
				t.Errorf("ready in the order %q", got)
			}
		})
	}
}

func copyOf(t *testing.T, rm *sds.ReliabilityManager, packet []byte) []sds.HistoryEntry {
	t.Helper()
	u, err := rm.UnwrapReceivedMessage(packet)
	if err != nil {
		t.Fatal(err)
	}
	return *u.MissingDeps
}

// A parked dependency is not reported missing again; one that never came is.
func TestNimParkedIsNotMissing(t *testing.T) {
	s := loadVectors(t).Sequences[0]
	rm, heard := s.member(t, sds.Options{})
	for _, i := range []int{1, 2, 4} {
		if _, err := rm.UnwrapReceivedMessage(unhex(t, s.Wraps[i].Wire)); err != nil {
			t.Fatal(err)
		}
	}
	heard.want(t, "missing msg-2 [msg-1] test-channel", "missing msg-3 [msg-1] test-channel",
		"missing msg-5 [msg-1 msg-4] test-channel")
}

// A mention in a causal history acknowledges, once, whoever it is; a hit in a
// filter does not, since filters have false positives (rule P5).
func TestNimAcknowledges(t *testing.T) {
	s := loadVectors(t).Sequences[0]
	rm, heard := s.member(t, sds.Options{})
	wrap(t, rm, "msg-1", s.Channel) // as if we had written it
	wrap(t, rm, "msg-2", s.Channel)
	if _, err := rm.UnwrapReceivedMessage(unhex(t, s.Wraps[12].Wire)); err != nil { // names msg-3 … msg-12
		t.Fatal(err)
	}
	full, err := bloom.New(bloom.Nim, bloom.Default())
	if err != nil {
		t.Fatal(err)
	}
	full.Add("msg-1")
	full.Add("msg-2")
	for i := range 3 {
		hit := wire.Message{Dialect: wire.Nim, MessageID: wire.MessageID(fmt.Sprint("f", i)), ChannelID: wire.ChannelID(s.Channel),
			Lamport: 7, HasLamport: true, Content: []byte("x"), BloomFilter: full.Append(nil)}
		if _, err := rm.UnwrapReceivedMessage(hit.Encode()); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(heard.take(), "sent"); n != 0 {
		t.Fatalf("%d messages are sent by filters alone", n)
	}
	for range 2 {
		if _, err := rm.UnwrapReceivedMessage(unhex(t, s.Wraps[2].Wire)); err != nil { // names both
			t.Fatal(err)
		}
	}
	if _, err := rm.UnwrapReceivedMessage(unhex(t, s.Wraps[3].Wire)); err != nil { // again
		t.Fatal(err)
	}
	var sent []string
	for _, l := range heard.take() {
		if strings.HasPrefix(l, "sent") {
			sent = append(sent, l)
		}
	}
	wantIDs(t, "acknowledged", sent, "sent msg-1 test-channel", "sent msg-2 test-channel")
}

// What nim-sds wrote, we write: the same fields but for filter, sender and
// extension, for the same calls at the same clock.
func TestWritesAsNim(t *testing.T) {
	for _, s := range loadVectors(t).Sequences {
		t.Run(s.Name, func(t *testing.T) {
			rm, _ := s.member(t, sds.Options{Participant: s.Participant})
			if s.Hints {
				rm.RegisterCallbacks(sds.EventCallbacks{RetrievalHintProvider: func(id sds.MessageID) []byte {
					return []byte("hint-for-" + id)
				}})
			}
			for _, w := range s.Wraps {
				packet, err := rm.WrapOutgoingMessage([]byte(w.Content), sds.MessageID(w.MessageID), s.Channel)
				if err != nil {
					t.Fatal(err)
				}
				if got, want := comparable(t, packet, s), comparable(t, unhex(t, w.Wire), s); !bytes.Equal(got, want) {
					t.Errorf("%s:\n%x\nnim-sds wrote\n%x", w.MessageID, got, want)
				}
			}
		})
	}
}

// comparable leaves out what differs: our filter is smaller, we have a name and
// an extension.
func comparable(t *testing.T, packet []byte, s sequence) []byte {
	t.Helper()
	m, err := wire.Decode(packet)
	if err != nil {
		t.Fatal(err)
	}
	if m.BloomFilter == nil {
		t.Error("field 6 is absent")
	}
	m.BloomFilter, m.Extension = []byte{}, nil
	if s.Participant == "" {
		m.SenderID = ""
		for i := range m.CausalHistory {
			m.CausalHistory[i].SenderID = ""
		}
	}
	return m.Encode()
}

// emitted collects one message of each kind that we write in a conversation of
// forty messages.
func emitted(t *testing.T) map[string][]byte {
	t.Helper()
	p := &clock{now: time.Unix(1_700_000_000, 0)}
	a, heard := open(t, sds.Options{Now: p.time}), newRecorder()
	b := open(t, sds.Options{Now: p.time})
	a.RegisterCallbacks(sds.EventCallbacks{RetrievalHintProvider: func(sds.MessageID) []byte { return []byte("hint") }})
	a.RegisterOutgoingCallback(heard.outgoing)
	packets := map[string][]byte{"first": wrap(t, a, "first", "ch")}
	unwrap(t, b, packets["first"], "first", "ch")
	for i := range 20 {
		id := fmt.Sprint("b", i)
		unwrap(t, a, wrap(t, b, id, "ch"), id, "ch")
		p.now = p.now.Add(time.Second)
	}
	wrap(t, b, "lost", "ch")
	unwrap(t, a, wrap(t, b, "after", "ch"), "after", "ch")
	p.now = p.now.Add(5 * time.Second)
	packets["with filter, history and request"] = wrap(t, a, "second", "ch")
	p.now = p.now.Add(2 * time.Minute)
	ask := proto(1, "asks", 2, 7, 4, "ch", 5, "content of asks", 7, "asker", 13, proto(1, "b3"), 13, proto(1, "first"))
	unwrap(t, a, ask, "asks", "ch")
	p.now = p.now.Add(time.Minute)
	unwrap(t, a, proto(1, "tick", 2, 7, 4, "ch", 5, "content of tick"), "tick", "ch")
	for _, o := range heard.outs {
		packets[o.Kind.String()] = o.Message
	}
	for _, kind := range []string{"resend", "repair", "acknowledgement"} {
		if packets[kind] == nil {
			t.Fatalf("no %s among %d messages", kind, len(packets))
		}
	}
	return packets
}

type clock struct{ now time.Time }

func (c *clock) time() time.Time { return c.now }

// What we emit satisfies nim's decoder rules, one test each.
func TestNimDecoderRules(t *testing.T) {
	for name, packet := range emitted(t) {
		t.Run(name, func(t *testing.T) {
			m, err := wire.Decode(packet)
			if err != nil {
				t.Fatal(err)
			}
			rule := func(name string, holds bool) {
				t.Helper()
				if !holds {
					t.Errorf("%s: %x", name, packet)
				}
			}
			_, errC := wire.GenerationC.Decode(packet) // minimal varints, too
			rule("master reads it", errC == nil)
			_, errD := wire.GenerationD.Decode(packet)
			rule("release/v0.4 reads it", errD == nil)
			rule("fields 1, 2, 4, 5 and 6 are present",
				m.MessageID != "" && m.HasLamport && m.ChannelID != "" && m.Content != nil && m.BloomFilter != nil)
			rule("the clock is in seconds", m.Lamport > 1_600_000_000 && m.Lamport < 1_800_000_000)
			rule("history has at most 10 entries", len(m.CausalHistory) <= 10)
			rule("at most 3 requests", len(m.RepairRequest) <= 3)
			for _, e := range append(slices.Clone(m.CausalHistory), m.RepairRequest...) {
				rule("entries are sub-messages with an id", e.MessageID != "" && !e.Plain)
				rule("no message names itself", e.MessageID != m.MessageID)
			}
			if len(m.BloomFilter) > 0 {
				f, err := bloom.ParseNim(m.BloomFilter)
				rule("the filter is one that nim can survive", err == nil)
				rule("the filter is small", len(m.BloomFilter) < 800)
				rule("its numbers fit its array", f.Params().Bits <= 8*len(m.BloomFilter) && f.Params().K > 0)
			}
		})
	}
}

// A nim reader finds the ids that we received in our smaller filters, and not
// others.
func TestNimReaderFindsOurIDs(t *testing.T) {
	m, err := wire.Decode(emitted(t)["with filter, history and request"])
	if err != nil {
		t.Fatal(err)
	}
	f, err := bloom.ParseNim(m.BloomFilter)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if !f.Contains(fmt.Sprint("b", i)) {
			t.Errorf("b%d is not in the filter", i)
		}
	}
	for _, id := range []string{"lost", "nobody's", "second"} {
		if f.Contains(id) {
			t.Errorf("%s is in the filter", id)
		}
	}
	var history, requests []string
	for _, e := range m.CausalHistory {
		history = append(history, string(e.MessageID))
	}
	for _, e := range m.RepairRequest {
		requests = append(requests, string(e.MessageID))
	}
	if !slices.Contains(history, "b19") || !slices.Equal(requests, []string{"lost"}) {
		t.Errorf("names %q, requests %q", history, requests)
	}
}
