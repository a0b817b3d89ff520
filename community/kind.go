package community

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
)

// MessageType is the type field of an ApplicationMetadataMessage.
type MessageType uint16

// Class says what becomes of a message that somebody missed.
type Class uint8

const (
	// Append: every message is kept and repaired. The application orders by its own
	// clock.
	Append Class = iota + 1
	// Replaceable: as Append, but of those with one key (Kind.Key) only the newest by
	// the application's clock counts. They may come in any order.
	Replaceable
	// Command: for one party or a few, repaired until they have it. Doing it twice
	// does no harm.
	Command
	// LatestOnly: a snapshot that is published again and again. Nobody repairs an old
	// one: it goes beside the channel, and the newest is fetched from a store.
	LatestOnly
	// Ephemeral: of no use to who was not there.
	Ephemeral
)

// String returns the class in words.
func (c Class) String() string {
	return name(c, "unknown", "append", "replaceable", "command", "latest only", "ephemeral")
}

// The priorities are those of status-go's publish queue.
const (
	Low    = causeway.PriorityLow
	Normal = causeway.PriorityNormal
	High   = causeway.PriorityHigh
)

// Aim is a want that does not know its audience yet.
type Aim uint8

const (
	AimNobody    Aim = iota // no acknowledgement is of use
	AimOne                  // one other person
	AimAll                  // everyone in a group of up to SmallGroup, above that one other person
	AimMost                 // 90 % of the audience
	AimStewards             // one of those who are mostly online
	AimAddressee            // the persons that it is for
	AimEveryone             // everyone, at any size
)

// String returns the aim in words.
func (a Aim) String() string {
	return name(a, "none", "at least one", fmt.Sprintf("everyone up to %d members, at least one above", SmallGroup),
		"90 %", "stewards", "the addressee", "everyone")
}

func name[T ~uint8](i T, names ...string) string {
	if int(i) < len(names) {
		return names[i]
	}
	return "unknown"
}

// SmallGroup is the largest group in which everybody acknowledges unasked, so
// that knowing everyone's state costs next to nothing (rule P10).
const SmallGroup = 32

// Kind is what is known about a type of message.
type Kind struct {
	Type  MessageType
	Name  string // as in status-go; several types that are alike may share one
	Class Class
	Aim   Aim
	// Priority says what goes first when not all may, in a channel and beside it.
	Priority causeway.Priority
	// Deadline is when an application says that the aim is not reached yet, or does
	// something else about it; the library goes on. For LatestOnly it is when the next
	// one is published. 0: there is none.
	Deadline time.Duration
	// Key says which messages of this type replace each other; 0: none do.
	Key Parts
	// Reason says why, in one sentence.
	Reason string
}

// Known tells whether the kind is in the table.
func (k Kind) Known() bool { return k.Name != unknown.Name }

// Want returns the want of a message to an audience of so many persons, the sender
// not counted. to are the persons that it is for, where Aim is AimAddressee; without
// them at least one is wanted.
func (k Kind) Want(members int, to ...causeway.PersonID) causeway.Want {
	switch {
	case k.Aim == AimAll && members <= SmallGroup, k.Aim == AimEveryone:
		return causeway.Everyone
	case k.Aim == AimMost:
		return causeway.Fraction(0.9)
	case k.Aim == AimStewards:
		return causeway.Stewards
	case k.Aim == AimAddressee && len(to) > 0:
		return causeway.Persons(to...)
	}
	return causeway.AtLeastOne
}

// ErrBeside: messages of this kind do not go through a channel.
var ErrBeside = errors.New("kind goes beside the channel")

// SendOptions returns how to send a message in a channel of this profile. An error
// that wraps ErrBeside says that it does not go there: LatestOnly goes beside it, and
// so does Ephemeral where the dialect has no such messages.
//
// about is what the message is about: where kinds replace each other, the own message
// before it about the same is replaced. The zero value replaces nothing, which is also
// for content that does not fit into one message; if only a part of the key is
// missing, the error is that of ReplaceKey. members and to are as for Want.
func (k Kind) SendOptions(p causeway.Profile, members int, about Fields, to ...causeway.PersonID) (causeway.SendOptions, error) {
	switch {
	case k.Class == LatestOnly, k.Class == Ephemeral && p.Dialect == sds.Nim:
		return causeway.SendOptions{}, fmt.Errorf("community: %w: %s", ErrBeside, k.Name)
	case k.Class == Ephemeral:
		return causeway.SendOptions{Ephemeral: true, Priority: k.Priority}, nil
	}
	o := causeway.SendOptions{Want: k.Want(members, to...), Priority: k.Priority}
	if k.Key == 0 || about == (Fields{}) {
		return o, nil
	}
	key, err := k.ReplaceKey(about)
	if err != nil {
		return causeway.SendOptions{}, err
	}
	o.Replace = key
	return o, nil
}

// Parts are what a replace key is made of.
type Parts uint8

const (
	PartTarget    Parts = 1 << iota // the message that is edited, pinned, reacted to
	PartSender                      // who says it
	PartEmoji                       // with what
	PartCommunity                   // the community that it is about
	PartChat                        // the chat
	PartMember                      // the member
	PartSubject                     // the setting, account, event or property
)

var partNames = [...]string{"message", "sender", "emoji", "community", "chat", "member", "subject"}

// String returns the parts in words, joined by commas.
func (p Parts) String() string {
	var names []string
	for i, n := range partNames {
		if p&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return strings.Join(names, ", ")
}

// Fields are what a message is about. Only the parts that its kind asks for are
// looked at.
type Fields struct {
	Target, Sender, Emoji, Community, Chat, Member, Subject string
}

func (f *Fields) values() [len(partNames)]string {
	return [...]string{f.Target, f.Sender, f.Emoji, f.Community, f.Chat, f.Member, f.Subject}
}

// Errors of ReplaceKey.
var (
	// ErrNoKey: messages of this kind don't replace each other.
	ErrNoKey = errors.New("kind has no replace key")
	// ErrFields: a field that the key is made of is empty, or too long.
	ErrFields = errors.New("invalid field")
)

// MaxField is the most bytes of a field of a replace key.
const MaxField = 512

// ReplaceKey returns the key of a message: of two messages with one key, the one
// with the newer clock is the one that counts. Keys of different types, and of
// different fields, differ.
func (k Kind) ReplaceKey(f Fields) (string, error) {
	if k.Key == 0 {
		return "", fmt.Errorf("community: %w: %s", ErrNoKey, k.Name)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d", k.Type)
	for i, v := range f.values() {
		if k.Key&(1<<i) == 0 {
			continue
		}
		if v == "" || len(v) > MaxField {
			return "", fmt.Errorf("community: %w: the %s of %s has %d bytes, must have 1 to %d", ErrFields, partNames[i], k.Name, len(v), MaxField)
		}
		fmt.Fprintf(&b, "/%d:%s", len(v), v)
	}
	if key := b.String(); len(key) <= sds.MaxSubject {
		return key, nil
	}
	return fmt.Sprintf("%d#%x", k.Type, sha256.Sum256([]byte(b.String()))), nil
}
