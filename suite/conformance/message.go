package conformance

import (
	"encoding/base64"
	"encoding/json"
	"strconv"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/bloom"
	"github.com/causeway-im/causeway/sds/wire"
)

// Message is what a payload that was sent decodes to.
type Message struct {
	Dialect   string   `json:"dialect"` // of the wire: lip or nim
	Kind      string   `json:"kind"`
	ID        string   `json:"id"`
	SenderID  string   `json:"senderId"`
	ChannelID string   `json:"channelId"`
	Lamport   string   `json:"lamport,omitempty"`
	History   []string `json:"history"` // ids
	Hints     []string `json:"hints"`   // base64; "" where there is none
	Requests  []string `json:"requests"`
	Content   []byte   `json:"content"`
	// Filter is how many bytes it has; nil: the field is absent. FilterHas are those of
	// the ids that were asked about which it has.
	Filter    *int     `json:"filter"`
	FilterHas []string `json:"filterHas"`
	// Verified says what the id is for the message: verified, refused or opaque.
	Verified string `json:"verified"`
	Problem  string `json:"problem,omitempty"` // why it can't be decoded
}

// show adds to an event that was sent what its payload decodes to. want is what it is
// compared with: it says which ids the filter is asked about.
func show(want, got map[string]any, n names) map[string]any {
	payload, ok := got["payload"].(string)
	if got["event"] != "out" || !ok {
		return got
	}
	message := decode(payload, asked(want, n))
	shown := map[string]any{"message": message}
	for member, v := range got {
		shown[member] = v
	}
	return shown
}

// asked are the ids of filterHas.
func asked(want map[string]any, n names) (ids []string) {
	message, _ := want["message"].(map[string]any)
	list, _ := message["filterHas"].([]any)
	for _, v := range list {
		if s, ok := v.(string); ok {
			if isName(s) {
				s = n[s]
			}
			ids = append(ids, s)
		}
	}
	return ids
}

func decode(payload string, ids []string) map[string]any {
	v := Message{History: []string{}, Hints: []string{}, Requests: []string{}, FilterHas: []string{}}
	b, err := base64.StdEncoding.DecodeString(payload)
	var m wire.Message
	if err == nil {
		m, err = wire.Decode(b)
	}
	if err != nil {
		v.Problem = err.Error()
	} else {
		v.fill(&m, ids)
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic("conformance: " + err.Error()) // it has nothing that JSON lacks
	}
	o, err := object(text)
	if err != nil {
		panic("conformance: " + err.Error())
	}
	return o
}

func (v *Message) fill(m *wire.Message, ids []string) {
	v.Dialect, v.Kind, v.ID = m.Dialect.String(), m.Kind().String(), string(m.MessageID)
	v.SenderID, v.ChannelID, v.Content = string(m.SenderID), string(m.ChannelID), m.Content
	if m.HasLamport {
		v.Lamport = strconv.FormatUint(m.Lamport, 10)
	}
	for _, e := range m.CausalHistory {
		v.History = append(v.History, string(e.MessageID))
		v.Hints = append(v.Hints, base64.StdEncoding.EncodeToString(e.RetrievalHint))
	}
	for _, e := range m.RepairRequest {
		v.Requests = append(v.Requests, string(e.MessageID))
	}
	v.Verified = map[sds.Trust]string{sds.Verified: "verified", sds.Forged: "refused", sds.Opaque: "opaque"}[sds.VerifyID(m)]
	if m.BloomFilter == nil {
		return
	}
	n := len(m.BloomFilter)
	v.Filter = &n
	f, err := bloom.ParseNim(m.BloomFilter)
	if m.Dialect != wire.Nim {
		f, err = bloom.ParseJS(m.BloomFilter, bloom.Default())
	}
	for _, id := range ids {
		if err == nil && f.Contains(id) {
			v.FilterHas = append(v.FilterHas, id)
		}
	}
}
