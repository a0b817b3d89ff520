package community

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/sha3"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/transport"
)

// ErrName: a name is not one that a Status Community has. The text says what is
// wrong.
var ErrName = errors.New("invalid name")

func keccak(parts ...[]byte) []byte {
	h := sha3.NewLegacyKeccak256()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// ID is a community: its compressed public key.
type ID [33]byte

// ParseID reads an id as String writes it. Hex digits may be upper case, and 0x may
// be missing. That the key is on the curve is not checked.
func ParseID(s string) (ID, error) {
	var id ID
	digits := strings.TrimPrefix(s, "0x")
	if len(digits) != 2*len(id) {
		return ID{}, fmt.Errorf("community: %w: an id has %d hex digits, this has %d bytes", ErrName, 2*len(id), len(digits))
	}
	if _, err := hex.Decode(id[:], []byte(digits)); err != nil {
		return ID{}, fmt.Errorf("community: %w: id: %w", ErrName, err)
	}
	if id[0] != 2 && id[0] != 3 {
		return ID{}, fmt.Errorf("community: %w: a compressed key begins with 02 or 03, not %02x", ErrName, id[0])
	}
	return id, nil
}

// String returns 0x and 66 digits.
func (id ID) String() string { return "0x" + hex.EncodeToString(id[:]) }

const idLength = 2 + 2*len(ID{})

// MaxChat is the most bytes of a chat's name.
const MaxChat = 128

func checkChat(chat string) error {
	if chat == "" || len(chat) > MaxChat {
		return fmt.Errorf("community: %w: a chat has %d bytes, must have 1 to %d", ErrName, len(chat), MaxChat)
	}
	if strings.Contains(chat, "|") {
		return fmt.Errorf("community: %w: chat %q has a |", ErrName, chat)
	}
	return nil
}

// ChatChannel returns the channel of one chat: the id that the application gives the
// chat, which is the community's and a UUID.
func ChatChannel(id ID, chat string) (causeway.ChannelID, error) {
	if err := checkChat(chat); err != nil {
		return "", err
	}
	return causeway.ChannelID(id.String() + chat), nil
}

// WideChannel returns the channel of a whole community, as deployed clients name it.
func WideChannel(id ID) causeway.ChannelID { return causeway.ChannelID(id.String()) }

// ChannelName is what a channel's id says.
type ChannelName struct {
	Community ID
	// Chat is set for the channel of one chat.
	Chat string
	// Topic is set for the channel of one content topic, as some older clients name
	// it: what follows the bar.
	Topic string
}

// ParseChannel reads a channel id in any form that was ever in use: a chat's, a
// community's with or without 0x, and a content topic's.
func ParseChannel(ch causeway.ChannelID) (ChannelName, error) {
	s := string(ch)
	n := idLength
	if !strings.HasPrefix(s, "0x") {
		n -= 2
	}
	if len(s) < n {
		return ChannelName{}, fmt.Errorf("community: %w: a channel has at least %d bytes, this has %d", ErrName, n, len(s))
	}
	id, err := ParseID(s[:n])
	if err != nil {
		return ChannelName{}, err
	}
	name := ChannelName{Community: id}
	rest := s[n:]
	if topic, ok := strings.CutPrefix(rest, "|"); ok {
		if topic == "" || len(topic) > MaxChat {
			return ChannelName{}, fmt.Errorf("community: %w: a topic has %d bytes, must have 1 to %d", ErrName, len(topic), MaxChat)
		}
		name.Topic = topic
		return name, nil
	}
	if rest != "" {
		name.Chat, err = rest, checkChat(rest)
	}
	if err != nil {
		return ChannelName{}, err
	}
	return name, nil
}

// Topic is a content topic of Status: four bytes, so different things can have the
// same one, and whoever listens hears what is for others.
type Topic [4]byte

// TopicOf returns the topic of a name, such as the id of a chat.
func TopicOf(name string) Topic { return Topic(keccak([]byte(name))[:4]) }

// UniversalTopic returns the one topic of all chats of a community.
func UniversalTopic(id ID) Topic { return TopicOf(id.String() + "-memberUpdate") }

// DescriptionTopic returns where a community's descriptions are published.
func DescriptionTopic(id ID) Topic { return TopicOf(id.String()) }

const topicPrefix, topicSuffix = "/waku/1/0x", "/rfc26"

// String returns the topic as Waku has it.
func (t Topic) String() string { return topicPrefix + hex.EncodeToString(t[:]) + topicSuffix }

// Transport returns the topic for a ChannelConfig.
func (t Topic) Transport() transport.Topic { return transport.Topic(t.String()) }

// ParseTopic reads a topic as String writes it.
func ParseTopic(s string) (Topic, error) {
	var t Topic
	digits, ok := strings.CutPrefix(s, topicPrefix)
	if ok {
		digits, ok = strings.CutSuffix(digits, topicSuffix)
	}
	if !ok || len(digits) != 2*len(t) || digits != strings.ToLower(digits) {
		return Topic{}, fmt.Errorf("community: %w: a topic is /waku/1/0x, 8 lower-case hex digits and /rfc26", ErrName)
	}
	if _, err := hex.Decode(t[:], []byte(digits)); err != nil {
		return Topic{}, fmt.Errorf("community: %w: topic: %w", ErrName, err)
	}
	return t, nil
}

// Shard is where in the network something travels.
type Shard struct{ Cluster, Number uint16 }

// The shards of communities.
var (
	ControlShard = Shard{Cluster: 16, Number: 128} // descriptions and requests
	ContentShard = Shard{Cluster: 16, Number: 256} // chats
)

const shardPrefix = "/waku/2/rs/"

// String returns the pubsub topic.
func (s Shard) String() string { return fmt.Sprintf("%s%d/%d", shardPrefix, s.Cluster, s.Number) }

// ParseShard reads a pubsub topic as String writes it.
func ParseShard(topic string) (Shard, error) {
	rest, ok := strings.CutPrefix(topic, shardPrefix)
	cluster, number, two := strings.Cut(rest, "/")
	c, err := strconv.ParseUint(cluster, 10, 16)
	n, err2 := strconv.ParseUint(number, 10, 16)
	s := Shard{uint16(c), uint16(n)}
	if !ok || !two || err != nil || err2 != nil || s.String() != topic {
		return Shard{}, fmt.Errorf("community: %w: a pubsub topic is %sCLUSTER/SHARD, each from 0 to 65535", ErrName, shardPrefix)
	}
	return s, nil
}

// SDSID returns the id that a payload has in SDS. The same payload has the same id.
func SDSID(payload []byte) causeway.MessageID {
	return causeway.MessageID("0x" + hex.EncodeToString(keccak(payload)))
}

// ApplicationID returns the id that a payload has in the application. sender is the
// uncompressed public key of who signed it, 65 bytes.
func ApplicationID(sender, payload []byte) (string, error) {
	if len(sender) != 65 || sender[0] != 4 {
		return "", fmt.Errorf("community: %w: an uncompressed key has 65 bytes and begins with 04, this has %d", ErrName, len(sender))
	}
	return "0x" + hex.EncodeToString(keccak(sender, payload)), nil
}
