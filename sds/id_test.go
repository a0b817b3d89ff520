package sds

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/causeway-im/causeway/sds/wire"
)

func lipMessage() wire.Message {
	m := wire.Message{Dialect: wire.LIP, SenderID: "alice", ChannelID: "room", Lamport: 1_700_000_000_001, HasLamport: true,
		CausalHistory: []wire.HistoryEntry{{MessageID: "a", SenderID: "bob", RetrievalHint: []byte{1}}, {MessageID: "bc"}},
		Content:       []byte("hello")}
	m.MessageID = NewMessageID(m.ChannelID, m.SenderID, m.Lamport, m.CausalHistory, m.Content)
	return m
}

// spec R10: the recipe, written out byte by byte.
func TestMessageIDRecipe(t *testing.T) {
	var b strings.Builder
	part := func(s string) {
		b.Write([]byte{0, 0, 0, byte(len(s))})
		b.WriteString(s)
	}
	part("causeway/id/1")
	part("room")
	part("alice")
	b.Write([]byte{0, 0, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x01}) // 1,700,000,000,001
	b.Write([]byte{0, 0, 0, 2})
	part("a")
	part("bc")
	part("hello")
	sum := sha256.Sum256([]byte(b.String()))
	want := MessageID("c1" + base64.RawURLEncoding.EncodeToString(sum[:20]))
	got := lipMessage().MessageID
	if got != want || len(got) != 29 {
		t.Errorf("id is %s, want %s of 29 characters", got, want)
	}
}

// spec R10 R11 R12: every part that the id commits to changes the verdict, and
// nothing else does.
func TestVerifyID(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*wire.Message)
		want   Trust
	}{
		{"as made", func(m *wire.Message) {}, Verified},
		{"sender", func(m *wire.Message) { m.SenderID = "mallory" }, Forged},
		{"channel", func(m *wire.Message) { m.ChannelID = "other" }, Forged},
		{"timestamp", func(m *wire.Message) { m.Lamport++ }, Forged},
		{"content", func(m *wire.Message) { m.Content = []byte("hellO") }, Forged},
		{"a parent", func(m *wire.Message) { m.CausalHistory[1].MessageID = "bd" }, Forged},
		{"order of parents", func(m *wire.Message) {
			h := m.CausalHistory
			h[0], h[1] = h[1], h[0]
		}, Forged},
		{"one parent less", func(m *wire.Message) { m.CausalHistory = m.CausalHistory[:1] }, Forged},
		{"parents run together", func(m *wire.Message) {
			m.CausalHistory = []wire.HistoryEntry{{MessageID: "ab"}, {MessageID: "c"}}
		}, Forged},
		{"extension", func(m *wire.Message) { m.Extension = []byte{8, 1} }, Verified},
		{"hint and sender of a parent", func(m *wire.Message) {
			m.CausalHistory[0].RetrievalHint, m.CausalHistory[0].SenderID = nil, ""
		}, Verified},
		{"repair request", func(m *wire.Message) { m.RepairRequest = m.CausalHistory[:1] }, Verified},
		{"an id of another form", func(m *wire.Message) { m.MessageID = "0xabc" }, Opaque},
		{"hex of the content", func(m *wire.Message) {
			sum := sha256.Sum256(m.Content)
			m.MessageID = MessageID(hex.EncodeToString(sum[:]))
		}, Verified},
		{"hex of other content", func(m *wire.Message) {
			m.MessageID = ContentID([]byte("something else"))
		}, Forged},
		{"a sync's id on content", func(m *wire.Message) {
			m.MessageID = newSyncID(m.ChannelID, m.SenderID, m.Lamport, m.CausalHistory)
		}, Forged},
		{"a sync under the id of content", func(m *wire.Message) { m.Content = nil }, Forged},
		{"a sync under the hex id of content", func(m *wire.Message) {
			m.MessageID, m.Content = ContentID(m.Content), nil
		}, Forged},
		{"another format under the same id", func(m *wire.Message) {
			m.Dialect, m.Content = wire.Nim, []byte("other")
		}, Forged},
	} {
		m := lipMessage()
		c.change(&m)
		if got := VerifyID(&m); got != c.want {
			t.Errorf("%s: trust %d, want %d", c.name, got, c.want)
		}
	}
}

// spec R13
func TestNimIDsAreOpaque(t *testing.T) {
	m := lipMessage()
	m.Dialect = wire.Nim
	m.MessageID = "0xb0bf45126fdcae4c3cb4d0fc8bca3e089f8113b85a56ae89e1ee751499488dd8"
	if got := VerifyID(&m); got != Opaque {
		t.Errorf("trust %d, want Opaque", got)
	}
}

// spec R12: what @waku/sds computes (vectors js.json, messageId).
func TestContentID(t *testing.T) {
	for content, want := range map[string]MessageID{
		"":        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"message": "ab530a13e45914982b79f9b7e3fba994cfd1f3fb22f71cea1afbf02b460c6d1d",
	} {
		if got := ContentID([]byte(content)); got != want {
			t.Errorf("%q: %s, want %s", content, got, want)
		}
	}
}

func TestShortNamesDependOnTheChannel(t *testing.T) {
	if ShortID("a", "m") == ShortID("b", "m") || ShortID("a", "m") == ShortID("a", "n") || ShortID("ab", "m") == ShortID("a", "bm") {
		t.Error("short ids collide")
	}
	if ShortParticipant("a", "p") == ShortParticipant("b", "p") || ShortParticipant("a", "p") == ShortParticipant("a", "q") {
		t.Error("short participants collide")
	}
}

func TestLongMessageIDIsTheSameAsPiecewise(t *testing.T) {
	content := []byte(strings.Repeat("x", 5000)) // longer than the buffer on the stack
	a := NewMessageID("c", "s", 1, nil, content)
	b := NewMessageID("c", "s", 1, nil, append([]byte(nil), content...))
	if a != b || a == NewMessageID("c", "s", 1, nil, content[:4999]) {
		t.Error("ids of long content differ from what they commit to")
	}
}
