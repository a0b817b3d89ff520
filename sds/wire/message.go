package wire

// MessageID names a message. It is opaque bytes on the wire; the sds package
// says how ids are made and when they can be verified.
type MessageID string

// ParticipantID names one installation that sends and receives (sender_id).
type ParticipantID string

// ChannelID names a channel.
type ChannelID string

// Kind tells what a message is for. It is derived from the fields that are
// present (LIP-109): it is not on the wire.
type Kind uint8

const (
	// Content has a Lamport timestamp and content: it takes a place in the log.
	Content Kind = iota + 1
	// Sync has a Lamport timestamp and no (or empty) content: it carries
	// acknowledgements and repair requests.
	Sync
	// Ephemeral has content and no Lamport timestamp: it is delivered at once
	// and never acknowledged or repaired.
	Ephemeral
)

// String returns "content", "sync", "ephemeral" or "unknown".
func (k Kind) String() string {
	switch k {
	case Content:
		return "content"
	case Sync:
		return "sync"
	case Ephemeral:
		return "ephemeral"
	}
	return "unknown"
}

// Field is a set of fields of a Message whose presence cannot be told from
// their value.
type Field uint8

const (
	FieldSenderID Field = 1 << iota
	FieldMessageID
	FieldChannelID
)

// Message is one SDS message in either dialect.
//
// Presence is kept: a nil slice is a field that was absent, an empty one was
// present without bytes. A string is written when it is not empty or when its
// bit is set in Explicit. So Encode(Decode(b)) gives b back for every message
// that a deployed peer writes.
//
// It follows that whoever builds a nim message says so if its empty fields are
// to be written: nim-sds master refuses a message without field 5, so an empty
// content must be []byte{}, not nil.
//
// A Message is not safe for concurrent use while somebody writes to it.
type Message struct {
	Dialect  Dialect
	Explicit Field // empty strings that are nevertheless written

	SenderID  ParticipantID
	MessageID MessageID
	ChannelID ChannelID

	// Lamport is the Lamport timestamp: milliseconds since 1970 in LIP, seconds
	// in nim. It counts only if HasLamport is set. The whole uint64 range
	// decodes; what is plausible is for the receiver to decide.
	Lamport    uint64
	HasLamport bool

	CausalHistory []HistoryEntry
	RepairRequest []HistoryEntry

	BloomFilter []byte
	Content     []byte

	// Extension is the value of field 100, undecoded: see ParseExtension.
	Extension []byte
	// Unknown holds the fields that this version does not know, tags included,
	// in their order of arrival. They are written again at the end.
	Unknown []byte
}

// Kind returns what m is for, or 0 if m has neither a Lamport timestamp nor
// content.
//
// In the nim dialect every message is Content, except one with empty content,
// which is a Sync: nim-sds knows no ephemeral messages, and release/v0.4 reads
// one without a Lamport timestamp as content at time 0.
func (m *Message) Kind() Kind {
	switch {
	case len(m.Content) > 0 && (m.HasLamport || m.Dialect == Nim):
		return Content
	case len(m.Content) > 0:
		return Ephemeral
	case m.HasLamport || m.Dialect == Nim:
		return Sync
	}
	return 0
}
