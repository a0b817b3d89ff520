package sds

import (
	"cmp"
	"errors"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
)

// The nouns of SDS (LIP-109) carry the same names here as on the wire.
type (
	MessageID     = wire.MessageID
	ParticipantID = wire.ParticipantID
	ChannelID     = wire.ChannelID
	HistoryEntry  = wire.HistoryEntry
)

// PersonID names somebody who may take part with several installations.
// Acknowledgements are counted per person.
type PersonID string

// Time is a moment in Unix milliseconds. The package never reads a clock: the
// caller says what time it is. Time that runs backwards stands still instead: after
// a clock was ahead, nothing is due until it is reached again.
type Time int64

// At converts a wall-clock time.
func At(t time.Time) Time { return Time(t.UnixMilli()) }

// Add returns t + d, to the millisecond.
func (t Time) Add(d time.Duration) Time { return t + Time(d/time.Millisecond) }

// Sub returns t - u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t-u) * time.Millisecond }

// Place is where a message stands in the log: ordered by Lamport timestamp,
// then by id, so that every member sees the same order (LIP-109, conflict
// resolution; rule P14).
type Place struct {
	Lamport uint64
	ID      MessageID
}

// Compare returns -1, 0 or 1.
func (p Place) Compare(q Place) int {
	return cmp.Or(cmp.Compare(p.Lamport, q.Lamport), cmp.Compare(p.ID, q.ID))
}

// Position counts the messages of this participant's log in the order in which
// they entered it, from 1. It is what cursors use: no position is ever given
// twice, across any crash, and a late arrival gets a high one.
type Position uint64

// Path tells how a message came.
type Path uint8

const (
	// Live is the transport's broadcast.
	Live Path = iota
	// Stored is a history query: such a copy says nothing about what its author
	// still waits for.
	Stored
)

// Origin is what the host knows about an incoming message.
type Origin struct {
	// Hint retrieves this message from the transport's store, if it can.
	Hint []byte
	Path Path
	// Sender is who sent the message according to the host's signatures, and
	// Authenticated that they were checked. A message whose sender_id differs is
	// refused. Without Authenticated all receipts say Claimed.
	Sender        ParticipantID
	Authenticated bool
}

// Class tells what a packet is for, which decides its share of a budget and
// whether a transport should store it: Content and Resend are worth storing.
type Class uint8

const (
	ClassContent   Class = iota + 1 // a message of the application, for the first time
	ClassResend                     // the same again: nobody is known to have it
	ClassRepair                     // a message that somebody asked for
	ClassRequest                    // a sync message that asks for missing messages
	ClassAck                        // a sync message that answers content
	ClassSync                       // a sync message that keeps members consistent
	ClassEphemeral                  // a message that is neither acknowledged nor repaired
)

// String returns the class in lower case.
func (c Class) String() string {
	names := [...]string{"unknown", "content", "resend", "repair", "request", "ack", "sync", "ephemeral"}
	if int(c) < len(names) {
		return names[c]
	}
	return names[0]
}

// Packet is something to broadcast.
type Packet struct {
	// Serial numbers the packets of this Channel value, for Handed.
	Serial   uint64
	Class    Class
	ID       MessageID
	Priority Priority // of content and its resends
	// Payload is the encoded message. It is nil for a message that the host has
	// stored under ID: the stored bytes go out again, in a fresh envelope.
	Payload []byte
}

// Arrival is content at the moment when it arrives, before causal order. Hosts
// that show messages at once use it. Every message arrives once.
type Arrival struct {
	ID      MessageID
	Kind    wire.Kind
	Sender  ParticipantID
	Lamport uint64
	Content []byte // aliases the message that was received
	// Missing are the messages that it depends on and that are not here, with the
	// retrieval hints that its sender knew.
	Missing []HistoryEntry
	// Quarantined is set when the Lamport timestamp is implausible: the message
	// takes its place in the log only when others confirm it or its time comes.
	Quarantined bool
	// BelowJoin is set when the message is older than the join point: it never
	// takes a place in this participant's log.
	BelowJoin bool
}

// Delivery is a message that entered the log: after everything that it depends
// on, unless Gaps says otherwise.
type Delivery struct {
	ID       MessageID
	Sender   ParticipantID
	Lamport  uint64
	Position Position
	Content  []byte
	Own      bool
	// Late is set when messages that depend on this one were delivered before it.
	Late bool
	// Gaps are dependencies that were given up when this message was delivered.
	Gaps []MessageID
}

// Place returns where the message stands in the log.
func (d Delivery) Place() Place { return Place{d.Lamport, d.ID} }

// GapState is what is known about a missing message.
type GapState uint8

const (
	GapMissing   GapState = iota + 1 // named by somebody, not here; messages wait for it
	GapSkipped                       // given up for now: messages that wait were delivered; still asked for
	GapRecovered                     // it came
	GapLost                          // no longer asked for; it may still come
	GapNotForMe                      // it can't be opened by this participant: nothing waits for it, and it is not asked for
	GapBelowJoin                     // it is older than the join point: nothing is missing
)

// String returns the state in lower case with dashes.
func (s GapState) String() string {
	names := [...]string{"unknown", "missing", "skipped", "recovered", "lost", "not-for-me", "below-join"}
	if int(s) < len(names) {
		return names[s]
	}
	return names[0]
}

// Gap reports that the state of a missing message changed.
type Gap struct {
	ID     MessageID
	State  GapState
	Sender ParticipantID // as those who named it say; may be empty
	Hint   []byte        // retrieval hint, if anybody gave one
}

// Errors of Send and Receive. What is returned wraps one of them.
var (
	ErrEmptyContent     = errors.New("content is empty")
	ErrContentTooLarge  = errors.New("content is too large")
	ErrOutgoingFull     = errors.New("outgoing buffer is full")
	ErrDuplicateContent = errors.New("a message with this id exists")
	ErrWrongChannel     = errors.New("message is for another channel")
	ErrNoID             = errors.New("message has no id")
	ErrNoSender         = errors.New("message has no sender")
	ErrLamportRange     = errors.New("lamport timestamp is out of range")
	ErrIDMismatch       = errors.New("message id does not match the message")
	ErrForgedSender     = errors.New("sender_id is not who sent the message")
	ErrUnknownKind      = errors.New("message is neither content, sync nor ephemeral")
	ErrConfig           = errors.New("invalid configuration")
)
