package spec

import (
	"bytes"
	"errors"
	"testing"

	"github.com/causeway-im/causeway/sds/wire"
)

const (
	recordJS  = "@waku/sds 0.0.8"
	recordNim = "nim-sds master 07491b2"
	recordOld = "nim-sds release/v0.4 b5d1364"
)

// recordedEntry is an entry in a record of either implementation.
type recordedEntry struct {
	ID     string `json:"message_id"`
	Hint   string `json:"retrieval_hint_hex"`
	Sender string `json:"sender_id"`
}

type recordedJS struct {
	Message []struct {
		Name   string
		Hex    string
		Fields struct {
			Sender  string          `json:"sender_id"`
			ID      string          `json:"message_id"`
			Channel string          `json:"channel_id"`
			Lamport string          `json:"lamport_timestamp"`
			History []recordedEntry `json:"causal_history"`
			Request []recordedEntry `json:"repair_request"`
			Content *string         `json:"content_hex"`
		}
	}
}

type recordedNim struct {
	Master struct{ Messages []recordedNimMessage } `json:"farmhash64"`
	Old    struct{ Messages []recordedNimMessage } `json:"release_v0_4"`
}

type recordedNimMessage struct {
	Name, Lamport string
	Sender        string          `json:"sender_id"`
	ID            string          `json:"message_id"`
	Channel       string          `json:"channel_id"`
	Content       string          `json:"content_hex"`
	Bloom         string          `json:"bloom_hex"`
	History       []recordedEntry `json:"causal_history"`
	Request       []recordedEntry `json:"repair_request"`
	Hex           string          `json:"wire_hex"`
}

// spec R1 R2 R3 R4 R6 R7: wireCases are messages of deployed peers, ours, and what
// must be refused.
func wireCases(t *testing.T) []vector {
	cases := append(recordedMessages(t), ownMessages(t)...)
	cases = append(cases, censusCases(t)...)
	good := ownMessage().Encode()
	for _, r := range []struct {
		name, needs string
		b           []byte
		err         error
	}{
		{"nothing", "R3", nil, wire.ErrEmpty},
		{"LIP: cut off", "R3", good[:len(good)-1], wire.ErrTruncated},
		{"LIP: timestamp as a string", "R3", append(bytes.Clone(good), 0x52, 0x01, 0x31), wire.ErrWireType},
		{"LIP: no timestamp and no content", "R3", []byte("\x0a\x05alice\x12\x02m1\x1a\x03tea"), wire.ErrNoKind},
		{"LIP: a group", "R3", append(bytes.Clone(good), 0x0b), wire.ErrWireType},
		{"nim: no channel", "R3", []byte("\x0a\x02m1\x10\x01\x2a\x01x"), wire.ErrMissingField},
		{"nim: a history entry without an id", "R4", []byte("\x0a\x02m1\x10\x01\x1a\x03\x12\x01x\x22\x03tea\x2a\x01x"), wire.ErrMissingField},
		{"a sender id of 513 bytes", "R5", append([]byte("\x0a\x81\x04"), bytes.Repeat([]byte("a"), 513)...), wire.ErrTooLarge},
		{"513 entries", "R5", append(bytes.Clone(good), bytes.Repeat([]byte{0x5a, 0x00}, 513)...), wire.ErrTooLarge},
	} {
		_, err := wire.Decode(r.b)
		if !errors.Is(err, r.err) {
			t.Errorf("%s: %v", r.name, err)
		}
		cases = append(cases, vector{Name: "refused: " + r.name, Requirements: need(r.needs), In: object{"hex": inHex(r.b)}, Out: object{"refused": true}})
	}
	return cases
}

// recordedMessages are what deployed implementations wrote, read by us and held
// against what they say is in it.
func recordedMessages(t *testing.T) []vector {
	var js recordedJS
	var nim recordedNim
	record(t, "../sds/wire/testdata/js.json", &js)
	record(t, "../sds/wire/testdata/nim.json", &nim)
	var cases []vector
	for _, r := range js.Message {
		f := r.Fields
		if r.Name == "neither" || len(r.Hex) > 2000 || r.Hex == "" {
			continue // refused by R3, or too long to print
		}
		v := messageCase(t, "JS: "+r.Name, recordJS, fromHex(t, r.Hex), "R1", "R2", "R6")
		holdAgainst(t, v, "lip", f.ID, f.Sender, f.Channel, f.Lamport, f.History, f.Request)
		if f.Content != nil && v.Out["content"] != *f.Content {
			t.Errorf("%s: content %v, recorded %q", v.Name, v.Out["content"], *f.Content)
		}
		cases = append(cases, v)
	}
	for source, list := range map[string][]recordedNimMessage{recordNim: nim.Master.Messages, recordOld: nim.Old.Messages} {
		for _, r := range list {
			if source == recordOld && (r.ID == "" || r.Channel == "") {
				continue // these ids are absent there, which nobody reads
			}
			v := messageCase(t, "nim: "+r.Name, source, fromHex(t, r.Hex), "R1", "R2", "R4", "R6")
			if source == recordOld {
				v.Name += ", release/v0.4"
			}
			lamport := r.Lamport
			if _, ok := v.Out["lamport"]; !ok || lamport == "" || lamport[0] == '-' {
				lamport = "-" // left out, or a number that wraps round
			}
			holdAgainst(t, v, "nim", r.ID, r.Sender, r.Channel, lamport, r.History, r.Request)
			if got, _ := v.Out["content"].(string); got != r.Content {
				t.Errorf("%s: content %v, recorded %q", v.Name, got, r.Content)
			}
			cases = append(cases, v)
		}
	}
	slicesByName(cases)
	return cases
}

// holdAgainst compares what we read with what the writer says. A lamport of "-" is
// not compared.
func holdAgainst(t *testing.T, v vector, dialect, id, sender, channel, lamport string, history, request []recordedEntry) {
	t.Helper()
	for name, want := range map[string]string{"dialect": dialect, "messageId": id, "senderId": sender, "channelId": channel, "lamport": lamport} {
		got, _ := v.Out[name].(string)
		if got != want && !(name == "lamport" && lamport == "-") {
			t.Errorf("%s: %s %q, recorded %q", v.Name, name, got, want)
		}
	}
	for name, want := range map[string][]recordedEntry{"causalHistory": history, "repairRequest": request} {
		got, _ := v.Out[name].([]object)
		if len(got) != len(want) {
			t.Errorf("%s: %d entries of %s, recorded %d", v.Name, len(got), name, len(want))
			continue
		}
		for i, e := range want {
			hint, _ := got[i]["retrievalHint"].(string)
			by, _ := got[i]["senderId"].(string)
			if got[i]["messageId"] != e.ID || hint != e.Hint || by != e.Sender {
				t.Errorf("%s: %s[%d] is %v, recorded %v", v.Name, name, i, got[i], e)
			}
		}
	}
}

// messageCase decodes b, and sees to it that encoding gives the same.
func messageCase(t *testing.T, name, source string, b []byte, needs ...string) vector {
	t.Helper()
	m, err := wire.Decode(b)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	out := fieldsOf(&m)
	if again := m.Encode(); !bytes.Equal(again, b) {
		out["again"] = inHex(again)
	}
	return vector{Name: name, Requirements: needs, Source: source, In: object{"hex": inHex(b)}, Out: out}
}

// fieldsOf is a message as an object.
func fieldsOf(m *wire.Message) object {
	o := object{"dialect": m.Dialect.String(), "kind": m.Kind().String(), "messageId": m.MessageID, "senderId": m.SenderID, "channelId": m.ChannelID}
	for name, value := range o {
		switch v := value.(type) {
		case wire.MessageID:
			o[name] = string(v)
		case wire.ParticipantID:
			o[name] = string(v)
		case wire.ChannelID:
			o[name] = string(v)
		}
	}
	if m.HasLamport {
		o["lamport"] = decimal(m.Lamport)
	}
	for name, list := range map[string][]wire.HistoryEntry{"causalHistory": m.CausalHistory, "repairRequest": m.RepairRequest} {
		if len(list) > 0 {
			o[name] = entriesOf(list)
		}
	}
	for name, b := range map[string][]byte{"bloomFilter": m.BloomFilter, "content": m.Content, "unknown": m.Unknown} {
		if b != nil {
			o[name] = inHex(b)
		}
	}
	if m.Extension != nil {
		if e, err := wire.ParseExtension(m.Extension); err == nil {
			o["extension"] = extensionOf(&e)
		} else {
			o["extension"] = "counts as absent"
		}
	}
	return o
}

func entriesOf(list []wire.HistoryEntry) []object {
	entries := make([]object, len(list))
	for i, e := range list {
		entries[i] = object{"messageId": string(e.MessageID)}
		if e.RetrievalHint != nil {
			entries[i]["retrievalHint"] = inHex(e.RetrievalHint)
		}
		if e.SenderID != "" {
			entries[i]["senderId"] = string(e.SenderID)
		}
		if e.Plain {
			entries[i]["bare"] = true
		}
	}
	return entries
}
