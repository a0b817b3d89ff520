package causeway

import (
	"errors"

	"github.com/causeway-im/causeway/sds"
)

// Witness is an Observer that is also told what no transaction holds, for
// evidence that may be lost in a crash. Its methods are called by the node's loop
// and by those that hand packets over, also at the same time: they must return at
// once, and not call the node. What they are given is not theirs to change.
type Witness interface {
	Observer
	// Joined: the channel is taken part in, or its roster is another one now.
	// self is our person, and persons how many the roster has, 0 without one.
	Joined(ch ChannelID, who Person, self PersonID, persons int)
	// Left: the channel is no longer taken part in.
	Left(ch ChannelID)
	// Publishing: the transport is about to be given an own message of content. class
	// is that of content, of a resend or of an ephemeral message. A payload that
	// travels in several is the last of them.
	Publishing(ch ChannelID, id MessageID, class Class)
	// Published: what became of it. A packet that the transport was never given, since
	// too many wait or it could not be sealed, is Published with an error alone.
	Published(ch ChannelID, id MessageID, class Class, hint []byte, err error)
	// Unusable: a packet came that is no message for us. id is empty where it could
	// not be read.
	Unusable(ch ChannelID, id MessageID, why Unusable)
	// Connected: whether the transport can send, and the node is suspended.
	Connected(online, suspended bool)
}

// Person tells which person a participant of a channel is. Without a roster each
// participant is a person. It may be called at any time.
type Person func(ParticipantID) PersonID

// Unusable says why a packet is no use.
type Unusable string

// The reasons. That a packet can't be opened with our keys is none: that is
// normal.
const (
	UnusableTampered    Unusable = "tampered"    // the Sealer says so
	UnusableUndecodable Unusable = "undecodable" // it is no SDS message
	UnusableRefused     Unusable = "refused"     // it breaks a rule of the protocol
)

// evidence calls the host's Witness, if it has one.
type evidence struct{ Witness }

func (w evidence) joined(c *ChannelConfig) {
	if w.Witness == nil {
		return
	}
	roster, persons := c.Roster, map[PersonID]bool{} // a roster is replaced, never changed
	who := func(p ParticipantID) PersonID {
		if roster != nil && roster.Members[p] != "" {
			return roster.Members[p]
		}
		return PersonID(p)
	}
	if roster != nil {
		for _, person := range roster.Members {
			persons[person] = true
		}
	}
	w.Joined(c.Channel, who, who(c.Participant), len(persons))
}

func (w evidence) left(ch ChannelID) {
	if w.Witness != nil {
		w.Left(ch)
	}
}

func (w evidence) publishing(o *outgoing) {
	if w.Witness != nil && ofOwn(o.class) && !o.part {
		w.Publishing(o.s.cfg.Channel, o.id, o.class)
	}
}

func (w evidence) published(o *outgoing, hint []byte, err error) {
	if w.Witness != nil && ofOwn(o.class) && !o.part {
		w.Published(o.s.cfg.Channel, o.id, o.class, hint, err)
	}
}

func ofOwn(c Class) bool {
	return c == sds.ClassContent || c == sds.ClassResend || c == sds.ClassEphemeral
}

func (w evidence) connection(online, suspended bool) {
	if w.Witness != nil {
		w.Connected(online, suspended)
	}
}

func (w evidence) unusable(ch ChannelID, id MessageID, err error) {
	if w.Witness == nil || errors.Is(err, ErrNotForMe) || errors.Is(err, errUnmarked) {
		return
	}
	why := UnusableRefused
	var opening *openError
	switch {
	case errors.As(err, &opening):
		why = UnusableTampered
	case errors.Is(err, errUndecodable):
		why = UnusableUndecodable
	}
	w.Unusable(ch, id, why)
}
