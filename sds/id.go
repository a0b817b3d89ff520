package sds

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"

	"github.com/causeway-im/causeway/sds/wire"
)

// Self-certifying ids (rule P3, spec R10 … R13).

const (
	idPrefix   = "c1"
	idTag      = "causeway/id/1"
	syncPrefix = "y1"
	syncTag    = "causeway/sync/1"
	ephPrefix  = "e1"
	ephTag     = "causeway/ephemeral/1"
	// idHash is how many bytes of the hash an id keeps: 160 bits, 29 characters.
	idHash = 20
)

// NewMessageID returns the id of a LIP message: "c1" and the base64url form of
// the first 20 bytes of SHA-256 over tag, channel, sender, Lamport timestamp,
// the ids of the causal history in order, and the content, each preceded by its
// length. Nothing else of the message takes part, so a copy whose extension was
// lost on the way keeps its id.
func NewMessageID(ch ChannelID, sender ParticipantID, lamport uint64, history []HistoryEntry, content []byte) MessageID {
	return makeID(idPrefix, idTag, ch, sender, lamport, history, content)
}

// ContentID returns the id that JavaScript peers give: SHA-256 of the content in
// lower-case hex.
func ContentID(content []byte) MessageID {
	sum := sha256.Sum256(content)
	return MessageID(hex.EncodeToString(sum[:]))
}

// newSyncID returns the id of a sync message, made in the same way.
func newSyncID(ch ChannelID, sender ParticipantID, lamport uint64, history []HistoryEntry) MessageID {
	return makeID(syncPrefix, syncTag, ch, sender, lamport, history, nil)
}

func makeID(prefix, tag string, ch ChannelID, sender ParticipantID, lamport uint64, history []HistoryEntry, content []byte) MessageID {
	var text [32]byte
	return MessageID(appendID(text[:0], prefix, tag, ch, sender, lamport, history, content))
}

func appendID(dst []byte, prefix, tag string, ch ChannelID, sender ParticipantID, lamport uint64, history []HistoryEntry, content []byte) []byte {
	size := 4*6 + len(tag) + len(ch) + len(sender) + 8 + len(content)
	for i := range history {
		size += 4 + len(history[i].MessageID)
	}
	var small [1024]byte
	b := small[:0]
	if size > len(small) {
		b = make([]byte, 0, size)
	}
	b = appendPart(b, tag)
	b = appendPart(b, ch)
	b = appendPart(b, sender)
	b = binary.BigEndian.AppendUint64(b, lamport)
	b = binary.BigEndian.AppendUint32(b, uint32(len(history)))
	for i := range history {
		b = appendPart(b, history[i].MessageID)
	}
	b = appendPart(b, content)
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.AppendEncode(append(dst, prefix...), sum[:idHash])
}

func appendPart[T ~string | ~[]byte](b []byte, part T) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
	return append(b, part...)
}

// Trust is what an id proves about the message that carries it.
type Trust uint8

const (
	Opaque   Trust = iota // chosen by the sender or its host: proves nothing
	Verified              // made from the message, and it matches
	Forged                // made from the message, and it does not match
)

// VerifyID checks an id of a recognised form against its message. An id of a form
// that belongs to another kind of message is forged: a sync under the id of
// content would make members take the content for known.
func VerifyID(m *wire.Message) Trust {
	var text [64]byte // of the id that it should have
	want := text[:0]
	kind := m.Kind()
	switch formOf(m.MessageID) {
	case formContent:
		if kind == wire.Content {
			want = appendID(want, idPrefix, idTag, m.ChannelID, m.SenderID, m.Lamport, m.CausalHistory, m.Content)
		}
	case formSync:
		if kind == wire.Sync {
			want = appendID(want, syncPrefix, syncTag, m.ChannelID, m.SenderID, m.Lamport, m.CausalHistory, nil)
		}
	case formHex:
		if m.Dialect == wire.Nim {
			return Opaque // a host's own hash, of what it likes
		}
		if kind != wire.Sync {
			sum := sha256.Sum256(m.Content)
			want = hex.AppendEncode(want, sum[:])
		}
	default:
		return Opaque
	}
	if string(want) != string(m.MessageID) {
		return Forged
	}
	return Verified
}

type idForm uint8

const (
	formOther idForm = iota
	formContent
	formSync
	formHex
)

func formOf(id MessageID) idForm {
	switch {
	case len(id) == 29 && id[:2] == idPrefix:
		return formContent
	case len(id) == 29 && id[:2] == syncPrefix:
		return formSync
	case len(id) == 64 && isHex(id):
		return formHex
	}
	return formOther
}

// isSync tells whether an id is of the form that LIP syncs have. Such a message
// never takes a place in the log: whoever names it waits for nothing (spec R36).
func isSync(id MessageID) bool { return formOf(id) == formSync }

func isHex(id MessageID) bool {
	for i := 0; i < len(id); i++ {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// ShortID names a message in eight bytes, for the holes of a frontier
// acknowledgement.
func ShortID(ch ChannelID, id MessageID) uint64 {
	b := make([]byte, 0, 128)
	b = appendPart(b, "causeway/short/1")
	b = appendPart(b, ch)
	b = appendPart(b, id)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:])
}

// ShortParticipant names a participant in four bytes, for asking it to report.
func ShortParticipant(ch ChannelID, p ParticipantID) uint32 {
	b := make([]byte, 0, 128)
	b = appendPart(b, "causeway/participant/1")
	b = appendPart(b, ch)
	b = appendPart(b, p)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint32(sum[:])
}
