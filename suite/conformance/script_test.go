package conformance

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/spec"
)

// The dialogues are written here, with messages made by the code, and kept as JSON for
// everybody: go test ./conformance -update.

type with = map[string]any

// script writes the dialogue of one case in one dialect.
type script struct {
	t       *testing.T
	dialect sds.Dialect
	c       *Case
}

// said is a message that somebody else made.
type said struct {
	id      wire.MessageID
	sender  wire.ParticipantID
	payload []byte
}

// scene is a case in the dialects that its requirement is about.
type scene struct {
	name     string
	needs    string // requirements
	dialects string
	flags    string
	play     func(*script)
}

// dialogues makes the file of a dialect.
func dialogues(t *testing.T, d sds.Dialect) File {
	f := File{Format: spec.Format, Dialect: d.String(),
		Description: "What is said to one participant of the " + d.String() + " dialect, alice in the channel tea, and what it must and must not answer: see docs/conformance.md."}
	for _, s := range scenes() {
		if !slices.Contains(strings.Fields(s.dialects), d.String()) {
			continue
		}
		c := Case{Name: s.name, Requirements: strings.Fields(s.needs), Flags: strings.Fields(s.flags)}
		s.play(&script{t, d, &c})
		f.Cases = append(f.Cases, c)
	}
	return f
}

func (s *script) raw(list []with) []json.RawMessage {
	var all []json.RawMessage
	for _, o := range list {
		b, err := json.Marshal(o)
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// do adds a step.
func (s *script) do(does string, commands ...with) *script {
	s.c.Steps = append(s.c.Steps, Step{Does: does, Commands: s.raw(commands)})
	return s
}

// expect says what the step that was added last must bring.
func (s *script) expect(events ...with) *script {
	step := &s.c.Steps[len(s.c.Steps)-1]
	step.Expect = append(step.Expect, s.raw(events)...)
	return s
}

// never says what it must not bring.
func (s *script) never(events ...with) *script {
	step := &s.c.Steps[len(s.c.Steps)-1]
	step.Never = append(step.Never, s.raw(events)...)
	return s
}

// Commands.

func receive(m said) with { return with{"cmd": "receive", "payload": m.payload} }
func raw(b []byte) with   { return with{"cmd": "receive", "payload": b} }

// built receives a message that names ids which are known only when the dialogue runs.
func built(b Build) with       { return with{"cmd": "receive", "payload": with{"message": b}} }
func send(text string) with    { return with{"cmd": "send", "content": []byte(text)} }
func advance(ms int) with      { return with{"cmd": "clock", "advance": ms} }
func command(name string) with { return with{"cmd": name} }

var sweep, syncNow, state = command("sweep"), command("sync"), command("state")

// Events.

func delivered(m said) with { return with{"event": "delivered", "id": m.id} }
func arrived(m said) with   { return with{"event": "received", "id": m.id} }

// out is a message of ours that is sent under the names $name and #name.
func out(name string, message with) with {
	return with{"event": "out", "payload": "$" + name, "id": "#" + name, "message": message}
}

// Messages of others. Their timestamps are so many units after the clock's beginning.

func (s *script) lamport(at uint64) uint64 { return lamportIn(s.dialect, at) }

func lamportIn(d sds.Dialect, at uint64) uint64 {
	if d == sds.Nim {
		return 1_700_000_000 + at
	}
	return 1_700_000_000_000 + at
}

// message is content of somebody in a dialect, which names parents. change, if there
// is one, changes it before it is encoded, and after its id was made.
func message(d sds.Dialect, who, text string, at uint64, change func(*wire.Message), parents ...said) said {
	m := wire.Message{Dialect: wire.LIP, SenderID: wire.ParticipantID(who), ChannelID: "tea", Lamport: lamportIn(d, at), HasLamport: true}
	if text != "" {
		m.Content = []byte(text)
	}
	if d == sds.Nim {
		m.Dialect, m.BloomFilter = wire.Nim, []byte{}
		m.Content = append([]byte{}, text...)
	}
	for _, p := range parents {
		m.CausalHistory = append(m.CausalHistory, wire.HistoryEntry{MessageID: p.id, SenderID: p.sender})
	}
	m.MessageID = idOf(d, &m)
	if change != nil {
		change(&m)
	}
	return said{m.MessageID, m.SenderID, m.Encode()}
}

func idOf(d sds.Dialect, m *wire.Message) wire.MessageID {
	if len(m.Content) == 0 {
		return wire.MessageID("sync-of-" + m.SenderID)
	}
	return contentID(d, m)
}

func (s *script) by(who, text string, at uint64, parents ...said) said {
	return message(s.dialect, who, text, at, nil, parents...)
}

func (s *script) changed(who, text string, at uint64, change func(*wire.Message), parents ...said) said {
	return message(s.dialect, who, text, at, change, parents...)
}

// other is the dialect of the other numbering.
func (s *script) other() sds.Dialect {
	if s.dialect == sds.Nim {
		return sds.LIP
	}
	return sds.Nim
}
