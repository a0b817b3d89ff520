package town

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/causeway-im/causeway/community"
)

// message is what the application puts into a payload: a line of JSON, and after it
// the picture, if there is one.
type message struct {
	Type    community.MessageType `json:"type"`
	Clock   uint64                `json:"clock"`
	Chat    string                `json:"chat"`
	Text    string                `json:"text,omitempty"`
	Target  string                `json:"target,omitempty"` // SDS id of what is edited, deleted or reacted to
	Emoji   string                `json:"emoji,omitempty"`
	Retract bool                  `json:"retract,omitempty"`
	Picture []byte                `json:"-"`
}

func (m *message) encode() []byte {
	head, err := json.Marshal(m)
	if err != nil { // strings and numbers alone
		panic(err)
	}
	return append(append(head, '\n'), m.Picture...)
}

func parse(content []byte) (m message, err error) {
	head, picture, ok := bytes.Cut(content, []byte{'\n'})
	if !ok {
		return m, errors.New("no line")
	}
	err = json.Unmarshal(head, &m)
	m.Picture = picture
	return m, err
}

// fields are what a replace key is made of.
func (m *message) fields(sender string) community.Fields {
	return community.Fields{Target: m.Target, Sender: sender, Emoji: m.Emoji, Community: "town", Member: m.Target}
}

// shown is what an application makes of a log: of messages that replace each other
// the one with the newest clock, whatever came last.
type shown struct {
	lines     map[string]string // by SDS id; what was deleted is gone
	reactions map[string]bool   // by replace key; those that were taken back are false
}

// show reads entries of a log in any order. Those of who may not write are left out.
func show(entries []entry, mayWrite func(entry) bool) shown {
	s := shown{lines: map[string]string{}, reactions: map[string]bool{}}
	edits, reactions, deleted := map[string]entry{}, map[string]entry{}, map[string]bool{}
	newest := func(of map[string]entry, key string, e entry) {
		if old, ok := of[key]; !ok || old.Clock < e.Clock {
			of[key] = e
		}
	}
	for _, e := range entries {
		if !mayWrite(e) {
			continue
		}
		switch e.Type {
		case community.ChatMessage:
			s.lines[e.id] = e.Text
		case community.EditMessage:
			newest(edits, e.Target, e)
		case community.DeleteMessage:
			deleted[e.Target] = true
		case community.EmojiReaction:
			key, err := community.KindOf(e.Type).ReplaceKey(e.fields(string(e.person)))
			if err == nil {
				newest(reactions, key, e)
			}
		}
	}
	for id, e := range edits {
		if _, ok := s.lines[id]; ok {
			s.lines[id] = e.Text
		}
	}
	for id := range deleted {
		delete(s.lines, id)
	}
	for key, e := range reactions {
		s.reactions[key] = !e.Retract
	}
	return s
}

// TestShow: the newest clock wins, in whatever order messages come.
func TestShow(t *testing.T) {
	line := func(id, text string) entry {
		return entry{message: message{Type: community.ChatMessage, Text: text}, id: id, person: "mia"}
	}
	edit := func(clock uint64, text string) entry {
		return entry{message: message{Type: community.EditMessage, Clock: clock, Target: "one", Text: text}, person: "mia"}
	}
	react := func(clock uint64, retract bool) entry {
		return entry{message: message{Type: community.EmojiReaction, Clock: clock, Target: "one", Emoji: "4", Retract: retract}, person: "mia"}
	}
	all := []entry{edit(3, "third"), edit(2, "second"), line("one", "first"), line("two", "gone"), react(9, true), react(8, false),
		{message: message{Type: community.DeleteMessage, Target: "two"}}, {message: message{Type: community.ChatMessage}, id: "x", person: "ben"}}
	s := show(all, func(e entry) bool { return e.person != "ben" })
	if len(s.lines) != 1 || s.lines["one"] != "third" {
		t.Errorf("shown are %v", s.lines)
	}
	if len(s.reactions) != 1 || s.reactions["22/3:one/3:mia/1:4"] {
		t.Errorf("reactions are %v", s.reactions)
	}
	if s := show(append(all, react(10, false)), func(entry) bool { return true }); !s.reactions["22/3:one/3:mia/1:4"] || len(s.lines) != 2 {
		t.Errorf("shown are %+v", s)
	}
}

func TestMessage(t *testing.T) {
	m := message{Type: 22, Clock: 7, Chat: lounge, Target: "x", Emoji: "4", Retract: true, Picture: []byte("\n{}\n")}
	got, err := parse(m.encode())
	if err != nil || !bytes.Equal(got.encode(), m.encode()) || string(got.Picture) != "\n{}\n" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := parse([]byte("nothing")); err == nil {
		t.Error("nothing was read as something")
	}
}
