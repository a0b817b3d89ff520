package sds

// EventChanBufferSize is here because the bindings export it. Nothing uses it.
const EventChanBufferSize = 1024

// MessageID names a message. The host makes it, and the same message has the
// same id everywhere; status-go takes the Keccak-256 of the payload in hex.
//
// Ids are opaque, but for one form: 29 bytes that begin with "c1" or "y1" are
// ids which the library makes itself from a message, and Wrap refuses them.
type MessageID string

// HistoryEntry is a message that another one depends on.
type HistoryEntry struct {
	MessageID MessageID `json:"messageId"`
	// RetrievalHint is what the sender's RetrievalHintProvider said, or nil.
	RetrievalHint []byte `json:"retrievalHint"`
}

// UnwrappedMessage is what UnwrapReceivedMessage returns. No pointer is nil.
type UnwrappedMessage struct {
	Message     *[]byte         `json:"message"`
	MissingDeps *[]HistoryEntry `json:"missingDeps"`
	ChannelId   *string         `json:"channelId"` //nolint:revive // the name in the bindings
}

// EventCallbacks are what a host wants to hear. Each may be nil. The second
// string is the channel.
type EventCallbacks struct {
	// OnMessageReady: a message of others, and all that it depends on, is here or
	// was given up. Each is reported once, in causal order.
	OnMessageReady func(messageID MessageID, channelID string)
	// OnMessageSent: somebody named our message in a causal history, so at least
	// one other participant has it. Once for each message.
	OnMessageSent func(messageID MessageID, channelID string)
	// OnMissingDependencies: a message came that depends on messages which never
	// did. What came and waits itself is not among them.
	OnMissingDependencies func(messageID MessageID, missingDeps []HistoryEntry, channelID string)
	// OnPeriodicSync is called at StartPeriodicTasks and every 30 seconds then.
	OnPeriodicSync func()
	// RetrievalHintProvider returns what others need to fetch a message of this
	// id from a store, or nil.
	RetrievalHintProvider func(messageID MessageID) []byte
}

// OutgoingKind says why a message is to be broadcast.
type OutgoingKind uint8

const (
	// OutgoingResend: nobody is known to have this message of ours.
	OutgoingResend OutgoingKind = iota + 1
	// OutgoingRepair: somebody asked for this message. A store has it already: it
	// may go out as ephemeral.
	OutgoingRepair
	// OutgoingAcknowledgement: a message without content, which tells others what
	// we have and what we lack. At most one a minute in each channel.
	OutgoingAcknowledgement
)

// String returns "resend", "repair" or "acknowledgement".
func (k OutgoingKind) String() string {
	switch k {
	case OutgoingResend:
		return "resend"
	case OutgoingRepair:
		return "repair"
	case OutgoingAcknowledgement:
		return "acknowledgement"
	}
	return "unknown"
}

// OutgoingMessage is a message that the library wants broadcast. The bytes are
// what Wrap would have returned: the host encrypts, segments and publishes them
// in the same way, in a fresh envelope.
type OutgoingMessage struct {
	Kind      OutgoingKind
	MessageID MessageID
	ChannelID string
	Message   []byte
}
