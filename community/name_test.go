package community_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/community"
	"github.com/causeway-im/causeway/sds/wire"
)

const (
	teaID  = "0x03" + "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90"
	otherC = "0x02" + "00000000000000000000000000000000000000000000000000000000000000ff"
	lounge = "5f2b6c1e-0d3a-4a52-9f0e-1b2c3d4e5f60"
)

func id(t testing.TB, s string) community.ID {
	t.Helper()
	c, err := community.ParseID(s)
	check(t, err)
	return c
}

func TestID(t *testing.T) {
	for _, s := range []string{teaID, teaID[2:], "0x" + strings.ToUpper(teaID[2:])} {
		if got := id(t, s).String(); got != teaID {
			t.Errorf("%q is read as %s", s, got)
		}
	}
	for s, says := range map[string]string{"": "66 hex digits", teaID + "0": "67", teaID[:67] + "g": "id", "0x04" + teaID[4:]: "not 04"} {
		_, err := community.ParseID(s)
		wantError(t, s, err, community.ErrName, says)
	}
}

// Each form of channel id that was ever in use says the same community.
func TestChannels(t *testing.T) {
	c := id(t, teaID)
	chat, err := community.ChatChannel(c, lounge)
	check(t, err)
	if chat != causeway.ChannelID(teaID+lounge) || community.WideChannel(c) != causeway.ChannelID(teaID) {
		t.Errorf("channels %q and %q", chat, community.WideChannel(c))
	}
	for ch, want := range map[causeway.ChannelID]community.ChannelName{
		chat:                          {Community: c, Chat: lounge},
		community.WideChannel(c):      {Community: c},
		causeway.ChannelID(teaID[2:]): {Community: c},
		causeway.ChannelID(teaID + "|0x01020304"): {Community: c, Topic: "0x01020304"},
	} {
		got, err := community.ParseChannel(ch)
		check(t, err)
		if got != want {
			t.Errorf("%q says %+v, want %+v", ch, got, want)
		}
	}
	for _, ch := range []string{"", "0x03", "tea", teaID + "|", teaID + "a|b", teaID + strings.Repeat("x", 129), teaID + "|" + strings.Repeat("x", 129), "0x" + strings.Repeat("zz", 33)} {
		_, err := community.ParseChannel(causeway.ChannelID(ch))
		wantError(t, ch, err, community.ErrName, "")
	}
	for _, name := range []string{"", "a|b", strings.Repeat("x", 129)} {
		_, err := community.ChatChannel(c, name)
		wantError(t, name, err, community.ErrName, "chat")
	}
}

// Keccak-256 as Ethereum has it: the hash of nothing, and a topic that everybody
// can compute.
func TestKeccak(t *testing.T) {
	if got := community.SDSID(nil); got != "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470" {
		t.Errorf("the id of nothing is %s", got)
	}
	if got := community.TopicOf("").String(); got != "/waku/1/0xc5d24601/rfc26" {
		t.Errorf("the topic of nothing is %s", got)
	}
	key := append([]byte{4}, make([]byte, 64)...)
	app, err := community.ApplicationID(key, []byte("hello"))
	check(t, err)
	if app != string(community.SDSID(append(key, "hello"...))) {
		t.Errorf("the application's id is %s", app)
	}
	for _, bad := range [][]byte{nil, key[:64], append([]byte{3}, key[1:]...)} {
		_, err := community.ApplicationID(bad, nil)
		wantError(t, "a key that is none", err, community.ErrName, "65 bytes")
	}
}

func TestTopics(t *testing.T) {
	c := id(t, teaID)
	if community.UniversalTopic(c) != community.TopicOf(teaID+"-memberUpdate") || community.DescriptionTopic(c) != community.TopicOf(teaID) {
		t.Error("the topics are not those of the names")
	}
	topic := community.Topic{1, 2, 3, 0xab}
	if topic.String() != "/waku/1/0x010203ab/rfc26" || string(topic.Transport()) != topic.String() {
		t.Errorf("topic %s", topic)
	}
	for _, s := range []string{"", "/waku/1/0x010203/rfc26", "/waku/1/0x010203AB/rfc26", "/waku/1/0x010203ag/rfc26", "/waku/1/0x010203ab/proto", "0x010203ab"} {
		_, err := community.ParseTopic(s)
		wantError(t, s, err, community.ErrName, "topic")
	}
}

func TestShards(t *testing.T) {
	if community.ControlShard.String() != "/waku/2/rs/16/128" || community.ContentShard.String() != "/waku/2/rs/16/256" {
		t.Errorf("shards %v and %v", community.ControlShard, community.ContentShard)
	}
	got, err := community.ParseShard("/waku/2/rs/16/256")
	check(t, err)
	if got != community.ContentShard {
		t.Errorf("shard %v", got)
	}
	for _, s := range []string{"", "/waku/2/rs/16", "/waku/2/rs/16/65536", "/waku/2/rs/016/1", "/waku/2/rs/16/-1", "/waku/2/rs/16/1/2", "/waku/2/default-waku/proto"} {
		_, err := community.ParseShard(s)
		wantError(t, s, err, community.ErrName, "pubsub topic")
	}
}

// The bytes of a hint, as status-go's generated code writes them.
func TestHint(t *testing.T) {
	one, two := community.EnvelopeHash{0: 0xab, 31: 1}, community.EnvelopeHash{31: 2}
	hint, err := community.EncodeHint(one, two)
	check(t, err)
	want := "\x0a\x420xab" + strings.Repeat("00", 30) + "01" + "\x0a\x420x" + strings.Repeat("00", 31) + "02"
	if string(hint) != want {
		t.Errorf("hint %q, want %q", hint, want)
	}
	hashes, err := community.DecodeHint(hint)
	check(t, err)
	if len(hashes) != 2 || hashes[0] != one || hashes[1] != two {
		t.Errorf("decoded %v", hashes)
	}
	// What is no hash, is there twice, or is another field, is passed over.
	mixed := bytes.Join([][]byte{{0x0a, 2, 'x', 'y'}, hint, {0x10, 7}, hint}, nil)
	if hashes, err = community.DecodeHint(mixed); err != nil || len(hashes) != 2 {
		t.Errorf("mixed: %v, %v", hashes, err)
	}
}

func TestHintLimits(t *testing.T) {
	most := make([]community.EnvelopeHash, community.MaxHintHashes)
	for i := range most {
		most[i][0] = byte(i)
	}
	hint, err := community.EncodeHint(most...)
	check(t, err)
	if len(hint) > wire.MaxHint || len(hint)+2+66 <= wire.MaxHint {
		t.Errorf("%d hashes take %d bytes of %d", len(most), len(hint), wire.MaxHint)
	}
	_, err = community.EncodeHint(append(most, most[0])...)
	wantError(t, "one more", err, community.ErrHint, "1 to 15")
	_, err = community.EncodeHint()
	wantError(t, "none", err, community.ErrHint, "0 envelopes")
	for what, b := range map[string][]byte{"nothing": nil, "no hash": {0x0a, 1, 'x'}, "cut": {0x0a, 9, 'x'}, "text": []byte("no hint"),
		"long": bytes.Repeat([]byte{0x0a, 0}, 600)} {
		_, err := community.DecodeHint(b)
		wantError(t, what, err, community.ErrHint, "")
	}
	for _, s := range []string{"", "0x12", strings.Repeat("0", 66), "0x" + strings.Repeat("zz", 32)} {
		_, err := community.ParseEnvelopeHash(s)
		wantError(t, s, err, community.ErrHint, "envelope hash")
	}
}

// What is read is written again as the same, whatever it is.
func FuzzHint(f *testing.F) {
	h, _ := community.EncodeHint(community.EnvelopeHash{1}, community.EnvelopeHash{2})
	f.Add(h)
	f.Add([]byte{0x0a, 1, 'x'})
	f.Add([]byte{0x0b, 0x0a, 0x0c})
	f.Fuzz(func(t *testing.T, b []byte) {
		hashes, err := community.DecodeHint(b)
		if err != nil {
			return
		}
		again, err := community.EncodeHint(hashes...)
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := community.DecodeHint(again)
		if err != nil || len(decoded) != len(hashes) {
			t.Fatalf("%v became %v, %v", hashes, decoded, err)
		}
		for i := range hashes {
			if hashes[i] != decoded[i] {
				t.Fatalf("%v became %v", hashes, decoded)
			}
		}
	})
}

// A name that is read says what it is made of, and nothing else.
func FuzzNames(f *testing.F) {
	f.Add(teaID + lounge)
	f.Add(teaID[2:] + "|0x01020304")
	f.Add("/waku/1/0x010203ab/rfc26")
	f.Add("/waku/2/rs/16/256")
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := community.ParseChannel(causeway.ChannelID(s)); err == nil {
			text := n.Community.String()
			switch {
			case n.Chat != "" && n.Topic != "":
				t.Fatalf("%q has a chat and a topic", s)
			case n.Topic != "":
				text += "|" + n.Topic
			case n.Chat != "":
				ch, err := community.ChatChannel(n.Community, n.Chat)
				if err != nil {
					t.Fatalf("%q: %v", s, err)
				}
				text = string(ch)
			}
			if !strings.EqualFold(text, s) && !strings.EqualFold(text, "0x"+s) {
				t.Fatalf("%q became %q", s, text)
			}
			if !strings.HasSuffix(s, n.Chat+n.Topic) {
				t.Fatalf("%q became %+v", s, n)
			}
		}
		if topic, err := community.ParseTopic(s); err == nil && topic.String() != s {
			t.Fatalf("%q became %s", s, topic)
		}
		if shard, err := community.ParseShard(s); err == nil && shard.String() != s {
			t.Fatalf("%q became %s", s, shard)
		}
		if h, err := community.ParseEnvelopeHash(s); err == nil && !strings.EqualFold(h.String(), s) {
			t.Fatalf("%q became %s", s, hex.EncodeToString(h[:]))
		}
	})
}
