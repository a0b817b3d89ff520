package conformance

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/bloom"
	"github.com/causeway-im/causeway/sds/wire"
)

// Build describes a message that names ids which are known only when the dialogue
// runs: {"message": {…}} in the place of a payload. It is made in the dialect of the
// file; content has the id that section 3 gives it, and a sync "sync-" and As.
type Build struct {
	As       string   `json:"as"` // $as and #as are payload and id afterwards
	Sender   string   `json:"sender"`
	Lamport  uint64   `json:"lamport"`
	Content  []byte   `json:"content,omitempty"` // absent: a sync
	Names    []string `json:"names,omitempty"`
	Requests []string `json:"requests,omitempty"`
	Filter   []string `json:"filter,omitempty"` // ids that its filter has
}

// build replaces the payload of a command that is to be made.
func (n names) build(dialect string, command map[string]any) error {
	o, ok := command["payload"].(map[string]any)
	if !ok {
		return nil
	}
	text, err := json.Marshal(o["message"])
	var b Build
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	if err != nil {
		return fmt.Errorf("the dialogue: payload %s: %w", short(o), err)
	}
	d := map[string]sds.Dialect{"lip": sds.LIP, "js": sds.JS, "nim": sds.Nim}[dialect]
	m, err := b.message(d)
	if err != nil {
		return err
	}
	payload := base64.StdEncoding.EncodeToString(m.Encode())
	n["$"+b.As], n["#"+b.As] = payload, string(m.MessageID)
	command["payload"] = payload
	return nil
}

func (b *Build) message(d sds.Dialect) (*wire.Message, error) {
	m := &wire.Message{Dialect: wire.LIP, SenderID: wire.ParticipantID(b.Sender), ChannelID: "tea", Lamport: b.Lamport, HasLamport: true,
		CausalHistory: entries(b.Names), RepairRequest: entries(b.Requests), Content: b.Content}
	kind, params := bloom.JS, bloom.Default()
	if d == sds.Nim {
		m.Dialect, m.BloomFilter = wire.Nim, []byte{}
		m.Content = append([]byte{}, b.Content...)
		kind = bloom.Nim
	}
	if len(b.Filter) > 0 {
		f, err := bloom.New(kind, params)
		if err != nil {
			return nil, err
		}
		for _, id := range b.Filter {
			f.Add(id)
		}
		m.BloomFilter = f.Append(nil)
	}
	if m.MessageID = wire.MessageID("sync-" + b.As); len(b.Content) > 0 {
		m.MessageID = contentID(d, m)
	}
	return m, nil
}

// entries names messages. A repair is answered only for a message whose sender the
// request names: in these dialogues that is the participant.
func entries(ids []string) (list []wire.HistoryEntry) {
	for _, id := range ids {
		list = append(list, wire.HistoryEntry{MessageID: wire.MessageID(id), SenderID: "alice"})
	}
	return list
}

func contentID(d sds.Dialect, m *wire.Message) wire.MessageID {
	if d == sds.JS {
		return sds.ContentID(m.Content)
	}
	return sds.NewMessageID(m.ChannelID, m.SenderID, m.Lamport, m.CausalHistory, m.Content)
}
