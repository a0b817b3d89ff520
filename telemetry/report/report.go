package report

// Version is the schema that this package writes.
const Version = 1

// Upload is one stretch of a device's journal, and what it claims to cover.
type Upload struct {
	// Schema is the version of the schema.
	Schema int `json:"schema"`
	// Install is this installation's random pseudonym.
	Install string `json:"install"`
	// Epoch numbers its journals: a device that lost its journal begins a new epoch,
	// greater than the last.
	// A run that did not end in order may have lost the end of its journal, so the
	// next one begins an epoch, too.
	Epoch uint64 `json:"epoch"`
	// First and Last bound the events: every number from First to Last is that of an
	// event here, or lies in Dropped. With no events Last is First − 1.
	First uint64 `json:"first"`
	// Last is the highest number here, or First − 1.
	Last uint64 `json:"last"`
	// Dropped are numbers whose events were given up to make room, or could not be
	// delivered: events without which the journal still says who has what, while there
	// are any; Coverage ends where it no longer does.
	Dropped []Range `json:"dropped,omitempty"`

	// Clock is what the device knows about its clock.
	Clock Clock `json:"clock"`
	// Device describes the installation.
	Device Device `json:"device"`
	// Coverage are the spans of time for which the journal up to Last is complete:
	// the program was running and wrote down what it witnessed. Ascending, not
	// overlapping. Time in none of them is uncovered: suspended, crashed, not running.
	Coverage []Span `json:"coverage,omitempty"`
	// Events are what was witnessed, by number.
	Events []Event `json:"events,omitempty"`
}

// Range is the numbers from First to Last.
type Range struct {
	// First is the lowest of them.
	First uint64 `json:"first"`
	// Last is the highest of them.
	Last uint64 `json:"last"`
}

// Span is the time from From to before To.
type Span struct {
	// From is its beginning.
	From int64 `json:"from"`
	// To is its end, which does not belong to it.
	To int64 `json:"to"`
}

// Clock is what the device knows about its clock when it sends.
type Clock struct {
	// Sent is its wall clock at this moment. With the time of arrival it tells the
	// offset, to the delay of the request.
	Sent int64 `json:"sent"`
	// Offset is what a time service said is to be added to the wall clock, if one was
	// asked.
	Offset *int64 `json:"offset,omitempty"`
}

// Device describes the installation, coarsely.
type Device struct {
	// App is the version of the application.
	App string `json:"app"`
	// Platform is android, ios, linux, darwin, windows or other.
	Platform Platform `json:"platform"`
	// Mode is relay or light.
	Mode Mode `json:"mode"`
	// Protocol is what carries reliability: none, sds or causeway.
	Protocol string `json:"protocol"`
	// ProtocolVersion is the version of that.
	ProtocolVersion string `json:"protocolVersion,omitempty"`
	// Consent is the version of the text that the user agreed to.
	Consent int `json:"consent"`
}

// Platform is an operating system. Mobile says of which sort.
type Platform string

// The platforms.
const (
	Android Platform = "android" // a phone or a tablet
	IOS     Platform = "ios"     // a phone or a tablet
	Linux   Platform = "linux"
	Darwin  Platform = "darwin" // macOS
	Windows Platform = "windows"
	Other   Platform = "other" // anything else, or not told
)

// Known tells whether it is one of these.
func (p Platform) Known() bool {
	switch p {
	case Android, IOS, Linux, Darwin, Windows, Other:
		return true
	}
	return false
}

// Mobile tells whether devices of this platform are phones and tablets.
func (p Platform) Mobile() bool { return p == Android || p == IOS }

// Mode is how a device takes part in the network.
type Mode string

// The modes.
const (
	Relay Mode = "relay" // carries messages for others
	Light Mode = "light" // asks service nodes for them
)

// Kind is what an event witnesses.
type Kind string

// The kinds. Each says which fields of an Event it has beside Seq, At, Channel and
// Message.
const (
	// Composed: the user's message became durable on this device, online or not.
	// Member is its author, Class, Size and Audience (members of the channel then,
	// without the author). It comes from the store's own transaction.
	Composed Kind = "composed"
	// Attempted: a hand-over to the network begins. Attempt counts from 1.
	Attempted Kind = "attempted"
	// Handed: the network layer took it, which proves nothing about its leaving.
	// Attempt, Envelope, where known.
	Handed Kind = "handed"
	// Refused: the network layer did not take it. Attempt, Code.
	Refused Kind = "refused"
	// Stored: what a store node said about an own message. Answer yes, no or unknown.
	Stored Kind = "stored"
	// Acknowledged: Count members are known to have an own message, of Audience.
	Acknowledged Kind = "acknowledged"
	// Resent: an own message was sent again. Attempt.
	Resent Kind = "resent"
	// GaveUp: nobody is known to have an own message, and it is no longer sent.
	GaveUp Kind = "gaveUp"
	// Received: a message of Member came for the first time, by Path. Size, Class,
	// Sent (the author's timestamp, if the message has one).
	Received Kind = "received"
	// Undecodable: something came that could not be read. Code, Path; Message is
	// empty when its id could not be read either.
	Undecodable Kind = "undecodable"
	// Missing: others name a message that is not here. Member is its author if known.
	Missing Kind = "missing"
	// Repaired: a message that was missing came, by Path. It is received, too.
	Repaired Kind = "repaired"
	// Lost: a missing message is no longer asked for.
	Lost Kind = "lost"
	// Presence: the state of the device changed. State. No channel.
	Presence Kind = "presence"
	// Membership: this device's member is in the channel from now on (Joined) or no
	// longer; Audience is the number of members. Member is this device's own.
	Membership Kind = "membership"
	// Traffic: bytes since the last such event. Bytes. Channel may be empty.
	Traffic Kind = "traffic"
)

// Class tells what a message is for. Only Multicast makes headlines.
type Class string

// The classes.
const (
	Multicast Class = "multicast" // content for all members of a channel
	Control   Class = "control"   // of the application's own protocol, such as who is a member
	Ephemeral Class = "ephemeral" // for whoever is there
	Direct    Class = "direct"    // for one person
)

// Path is how a message came.
type Path string

// The paths.
const (
	ByRelay  Path = "relay"  // broadcast
	ByFilter Path = "filter" // broadcast, through a service node
	ByStore  Path = "store"  // from a store of the network
	ByRepair Path = "repair" // another member sent it again
	Unknown  Path = "unknown"
)

// State is what a device is able to witness.
type State string

// The states. A device that says goodbye ends its silence as an alarm.
const (
	Online    State = "online"    // at least one peer, and the system has a network
	Isolated  State = "isolated"  // running, without a usable peer
	Offline   State = "offline"   // the system has no network
	Suspended State = "suspended" // the system or the user put it to sleep
	Goodbye   State = "goodbye"   // the program ends in order
)

// Event is one thing that a device witnessed.
type Event struct {
	// Seq is its number in the journal of this install and epoch, from 1.
	Seq uint64 `json:"seq"`
	// At is when it was witnessed.
	At int64 `json:"at"`
	// Kind says what it is, and which of the fields below it has.
	Kind Kind `json:"kind"`

	// Community is the pseudonym of the community.
	Community string `json:"community,omitempty"`
	// Channel is the pseudonym of the channel.
	Channel string `json:"channel,omitempty"`
	// Topic is the channel's content topic, in its one form (see Topic), in clear.
	Topic string `json:"topic,omitempty"`
	// Pubsub is the network's topic for the shard, in clear.
	Pubsub string `json:"pubsub,omitempty"`
	// Message is the pseudonym of the application's message: the same for each
	// envelope that carries it.
	Message string `json:"message,omitempty"`
	// Member is the pseudonym of a person in the community.
	Member string `json:"member,omitempty"`

	// Class is what the message is for.
	Class Class `json:"class,omitempty"`
	// Path is how it came.
	Path Path `json:"path,omitempty"`
	// State is what the device is able to witness from now on.
	State State `json:"state,omitempty"`
	// Answer is yes, no or unknown.
	Answer string `json:"answer,omitempty"`
	// Code says why, from a fixed list, never as free text: of refused offline,
	// tooLarge, timeout, closed, failed; of undecodable tampered, undecodable, refused.
	Code string `json:"code,omitempty"`
	// Envelope is the pseudonym of what the network knows the envelope by.
	Envelope string `json:"envelope,omitempty"`
	// Sent is when the author says to have written it.
	Sent int64 `json:"sent,omitempty"`
	// Size is that of the content, in bytes.
	Size int `json:"size,omitempty"`
	// Audience is how many members the message is for.
	Audience int `json:"audience,omitempty"`
	// Count is how many of them are known to have it.
	Count int `json:"count,omitempty"`
	// Attempt counts the hand-overs of the message, from 1.
	Attempt int `json:"attempt,omitempty"`
	// Joined is set when the member is in the channel from now on.
	Joined bool `json:"joined,omitempty"`
	// Bytes are those sent by class of packet (content, resend, repair, request, ack,
	// sync, ephemeral), and those that came by broadcast (received) and from stores
	// (retrieved).
	Bytes map[string]int64 `json:"bytes,omitempty"`
}

// Reply is what a collector answers.
type Reply struct {
	// Acknowledged: everything up to and including this number is durable at the
	// collector, or rejected for good. The device may forget it.
	Acknowledged uint64 `json:"acknowledged"`
	// Rejected are events that were not taken.
	Rejected []Rejection `json:"rejected,omitempty"`
	// RetryAfter asks the device to wait so many seconds.
	RetryAfter int `json:"retryAfter,omitempty"`
}

// Rejection says why one event was not taken, and whether to send it again.
type Rejection struct {
	// Seq is the number of the event.
	Seq uint64 `json:"seq"`
	// Field is what is wrong with it.
	Field string `json:"field"`
	// Reason is why, for people.
	Reason string `json:"reason"`
	// Permanent: sending it again is no use.
	Permanent bool `json:"permanent"`
}
