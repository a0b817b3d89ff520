package spec

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/hkdf"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/seal"
	"github.com/causeway-im/causeway/segment"
)

// What is hashed is put together here once more, in the words of the specification.

func part(s string) []byte { return append(be32(len(s)), s...) }
func be32(n int) []byte    { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
func be64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func hashed(parts ...[]byte) ([]byte, [32]byte) {
	all := bytes.Join(parts, nil)
	return all, sha256.Sum256(all)
}

// spec R10 R11 R12 R13: idCases are ids, and messages under ids that are refused.
func idCases(t *testing.T) []vector {
	cases := []vector{
		idCase(t, "content that names nothing", "c1", "causeway/id/1", "tea", "alice", 1_700_000_000_000, nil, "tea?"),
		idCase(t, "content", "c1", "causeway/id/1", "tea", "alice", 1_700_000_000_001, []string{string(firstID())}, "milk?"),
		idCase(t, "content that names two, in this order", "c1", "causeway/id/1", "tea", "bob", 1_700_000_000_002, []string{"m2", "m1"}, "\x00\xff"),
		idCase(t, "the other order is another message", "c1", "causeway/id/1", "tea", "bob", 1_700_000_000_002, []string{"m1", "m2"}, "\x00\xff"),
		idCase(t, "another channel", "c1", "causeway/id/1", "te", "aalice", 1_700_000_000_000, nil, "tea?"),
		idCase(t, "sync", "y1", "causeway/sync/1", "tea", "alice", 1_700_000_000_001, []string{string(firstID())}, ""),
	}
	cases = append(cases, vector{Name: "JavaScript content", Requirements: need("R12", "R80"), In: object{"content": inHex("milk?")},
		Out: object{"id": string(sds.ContentID([]byte("milk?")))}})
	for _, id := range []string{string(firstID()), "m1"} {
		b, sum := hashed(part("causeway/short/1"), part("tea"), part(id))
		short := binary.BigEndian.Uint64(sum[:])
		if short != sds.ShortID("tea", sds.MessageID(id)) {
			t.Errorf("short id of %s: %x", id, short)
		}
		name := "short id"
		if id == "m1" {
			name = "short id of an opaque id"
		}
		cases = append(cases, vector{Name: name, Requirements: need("R52", "R59"), In: object{"channel": "tea", "id": id},
			Out: object{"hashed": inHex(b), "short": hex64(short)}})
	}
	b, sum := hashed(part("causeway/participant/1"), part("tea"), part("bob"))
	if n := binary.BigEndian.Uint32(sum[:]); n != sds.ShortParticipant("tea", "bob") {
		t.Errorf("short participant: %x", n)
	}
	cases = append(cases, vector{Name: "short participant", Requirements: need("R67"), In: object{"channel": "tea", "participant": "bob"},
		Out: object{"hashed": inHex(b), "short": inHex(sum[:4])}})
	return append(cases, trustCases(t)...)
}

func idCase(t *testing.T, name, prefix, tag, channel, sender string, lamport uint64, parents []string, content string) vector {
	t.Helper()
	parts := [][]byte{part(tag), part(channel), part(sender), be64(lamport), be32(len(parents))}
	m := wire.Message{Dialect: wire.LIP, ChannelID: wire.ChannelID(channel), SenderID: wire.ParticipantID(sender), Lamport: lamport, HasLamport: true}
	for _, p := range parents {
		parts = append(parts, part(p))
		m.CausalHistory = append(m.CausalHistory, wire.HistoryEntry{MessageID: wire.MessageID(p)})
	}
	if content != "" {
		m.Content = []byte(content)
	}
	all, sum := hashed(append(parts, part(content))...)
	id := prefix + base64.RawURLEncoding.EncodeToString(sum[:20])
	if m.MessageID = wire.MessageID(id); sds.VerifyID(&m) != sds.Verified {
		t.Errorf("%s: the code does not verify %s", name, id)
	}
	if parents == nil {
		parents = []string{}
	}
	return vector{Name: name, Requirements: need("R10"), In: object{"channel": channel, "sender": sender, "lamport": decimal(lamport),
		"parents": parents, "content": inHex(content), "prefix": prefix}, Out: object{"hashed": inHex(all), "id": id}}
}

// trustCases are whole messages, and what their ids say of them.
func trustCases(t *testing.T) []vector {
	names := map[sds.Trust]string{sds.Verified: "verified", sds.Forged: "refused", sds.Opaque: "opaque"}
	change := func(how func(*wire.Message)) *wire.Message {
		m := *ownMessage()
		how(&m)
		return &m
	}
	jsID := sds.ContentID([]byte("milk?"))
	var cases []vector
	for _, c := range []struct {
		name  string
		needs string
		m     *wire.Message
		want  sds.Trust
	}{
		{"as it was made", "R12", ownMessage(), sds.Verified},
		{"without its extension", "R11", change(func(m *wire.Message) { m.Extension = nil }), sds.Verified},
		{"other content", "R12", change(func(m *wire.Message) { m.Content = []byte("rum?") }), sds.Forged},
		{"other sender", "R12", change(func(m *wire.Message) { m.SenderID = "eve" }), sds.Forged},
		{"other timestamp", "R12", change(func(m *wire.Message) { m.Lamport++ }), sds.Forged},
		{"other history", "R12", change(func(m *wire.Message) { m.CausalHistory = nil }), sds.Forged},
		{"a sync under an id of content", "R12", change(func(m *wire.Message) { m.Content = nil }), sds.Forged},
		{"content under an id of a sync", "R12", change(func(m *wire.Message) { m.MessageID = "y1" + m.MessageID[2:] }), sds.Forged},
		{"the hash of its content", "R12", change(func(m *wire.Message) { m.MessageID = jsID }), sds.Verified},
		{"the hash of other content", "R12", change(func(m *wire.Message) { m.MessageID, m.Content = jsID, []byte("rum?") }), sds.Forged},
		{"any other id", "R13", change(func(m *wire.Message) { m.MessageID = "m1" }), sds.Opaque},
		{"64 hex digits in nim", "R13", change(func(m *wire.Message) { m.Dialect, m.MessageID, m.Content = wire.Nim, jsID, []byte("rum?") }), sds.Opaque},
	} {
		if got := sds.VerifyID(c.m); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, names[got], names[c.want])
		}
		cases = append(cases, vector{Name: "message: " + c.name, Requirements: need(c.needs), In: object{"hex": inHex(c.m.Encode())},
			Out: object{"id": names[c.want]}})
	}
	return cases
}

// spec R51 R52: fingerprintCases are sets of none, one and two messages.
func fingerprintCases(t *testing.T) []vector {
	messages := []struct {
		id      string
		parents []string
		content string
	}{{string(firstID()), nil, "tea?"}, {string(ownMessage().MessageID), []string{string(firstID())}, "milk?"}}
	var sum sds.Sum
	var cases []vector
	add := func(name string, in []object, base uint64) {
		set := make([]byte, 0, 32)
		for _, w := range sum.Words {
			set = binary.LittleEndian.AppendUint64(set, w)
		}
		_, h := hashed(part("bob"), part("tea"), set, be64(sum.Count), be64(base))
		fp := binary.BigEndian.Uint64(h[:])
		if fp != sum.Fingerprint("bob", "tea", base) {
			t.Errorf("%s: fingerprint %x", name, fp)
		}
		cases = append(cases, vector{Name: name, Requirements: need("R51", "R52"),
			In:  object{"participant": "bob", "channel": "tea", "base": decimal(base), "messages": in},
			Out: object{"sum": inHex(set), "count": decimal(sum.Count), "fingerprint": hex64(fp)}})
	}
	in := []object{}
	add("nothing", in, 0)
	for i, m := range messages {
		parents := make([]sds.MessageID, len(m.parents))
		parts := [][]byte{part(m.id), be32(len(m.parents))}
		for i, p := range m.parents {
			parents[i] = sds.MessageID(p)
			parts = append(parts, part(p))
		}
		content := sha256.Sum256([]byte(m.content))
		_, leaf := hashed(append(parts, content[:])...)
		if leaf != sds.NewLeaf(sds.MessageID(m.id), parents, content) {
			t.Errorf("leaf of %s: %x", m.id, leaf)
		}
		sum.Add(leaf)
		in = append(in, object{"id": m.id, "parents": append([]string{}, m.parents...), "content": inHex(m.content), "leaf": inHex(leaf[:])})
		add([]string{"one message", "two messages"}[i], in, 0)
	}
	add("the same above a join point", in, 1_699_999_999_999)
	var carry sds.Sum
	carry.Add(sds.Leaf(bytes.Repeat([]byte{0xff}, 32)))
	carry.Add(sds.Leaf{2})
	if carry.Words != [4]uint64{1} || carry.Count != 2 {
		t.Errorf("2^256 − 1 + 2 is %v", carry)
	}
	return cases
}

// spec R93: sealCases seal in the words of the specification, and package seal opens.
func sealCases(t *testing.T) []vector {
	var cases []vector
	for _, c := range []struct{ name, channel, message string }{{"a message", "tea", "hello"}, {"nothing", "tea", ""}} {
		secret, nonce := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{9}, 24)
		derived := make([]byte, 40)
		if _, err := io.ReadFull(hkdf.New(sha256.New, secret, nil, []byte("causeway/seal/1")), derived); err != nil {
			t.Fatal(err)
		}
		aead, err := chacha20poly1305.NewX(derived[:32])
		if err != nil {
			t.Fatal(err)
		}
		head := append([]byte{1}, derived[32:]...)
		sealed := aead.Seal(append(bytes.Clone(head), nonce...), nonce, []byte(c.message), append(bytes.Clone(head), c.channel...))
		keys, err := seal.New(secret)
		if err != nil {
			t.Fatal(err)
		}
		if o, err := keys.Open(causeway.ChannelID(c.channel), sealed); err != nil || string(o.Message) != c.message {
			t.Errorf("%s: opened %q, %v", c.name, o.Message, err)
		}
		cases = append(cases, vector{Name: c.name, Requirements: need("R93"),
			In:  object{"secret": inHex(secret), "nonce": inHex(nonce), "channel": c.channel, "message": inHex(c.message)},
			Out: object{"key": inHex(derived[:32]), "keyName": inHex(derived[32:]), "sealed": inHex(sealed)}})
		if len(cases) > 1 {
			continue
		}
		sealed[len(sealed)-1] ^= 1
		_, err = keys.Open(causeway.ChannelID(c.channel), sealed)
		other := bytes.Clone(sealed)
		other[1] ^= 1
		_, foreign := keys.Open(causeway.ChannelID(c.channel), other)
		if !errors.Is(err, seal.ErrTampered) || !errors.Is(foreign, causeway.ErrNotForMe) {
			t.Errorf("changed: %v; of another key: %v", err, foreign)
		}
		cases = append(cases, vector{Name: "changed", Requirements: need("R69"), In: object{"secret": inHex(secret), "channel": c.channel, "sealed": inHex(sealed)},
			Out: object{"refused": "tampered with"}},
			vector{Name: "under another key", Requirements: need("R69"), In: object{"secret": inHex(secret), "channel": c.channel, "sealed": inHex(other)},
				Out: object{"refused": "not for me"}})
	}
	return cases
}

// spec R140 R142: segmentCases cut payloads, and put them together of the segments
// that are said to suffice.
func segmentCases(t *testing.T) []vector {
	var cases []vector
	for _, c := range []struct {
		name   string
		size   int
		parity float64
		keep   []int
	}{
		{"one segment", 5, 0, []int{0}},
		{"three segments", 150, 0, []int{2, 0, 1}},
		{"three and two of parity", 150, 0.5, []int{4, 1, 3}},
	} {
		payload := make([]byte, c.size)
		for i := range payload {
			payload[i] = byte(i)
		}
		cfg := segment.Config{SegmentSize: 192, ParityRate: c.parity}
		parts, err := segment.Split(payload, cfg)
		if err != nil {
			t.Fatal(err)
		}
		together, err := segment.NewReassembler(cfg, segment.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		var made []byte
		for _, i := range c.keep {
			s, err := segment.Decode(parts[i], cfg)
			if err != nil {
				t.Fatal(err)
			}
			result, err := together.Add(time.Unix(0, 0), "alice", s)
			if err != nil {
				t.Fatal(err)
			}
			if result.Complete {
				made = result.Payload
			}
		}
		if !bytes.Equal(made, payload) {
			t.Errorf("%s: segments %v make %x", c.name, c.keep, made)
		}
		segments := make([]string, len(parts))
		for i, p := range parts {
			segments[i] = inHex(p)
		}
		hash := segment.Hash(payload)
		cases = append(cases, vector{Name: c.name, Requirements: need("R140", "R142"),
			In:  object{"payload": hex.EncodeToString(payload), "segmentSize": 192, "parityPerData": c.parity},
			Out: object{"hash": inHex(hash[:]), "segments": segments, "suffice": c.keep}})
	}
	return cases
}
