package crowd

import (
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/sim/classic"
)

// Participant is one member as the engine sees it: a pure state machine, like
// sds.Channel. now is what the member's own clock says. A Participant is used by
// one goroutine at a time.
type Participant interface {
	// Send says something. It returns the id under which the message travels.
	Send(now sds.Time, content []byte, want sds.Want) (sds.MessageID, error)
	// Receive takes a packet that is shared with all its receivers: nothing of it
	// may be changed. An error says that it was refused.
	Receive(now sds.Time, p *Packet) error
	// Tick does what is due, Deadline says when something will be.
	Tick(now sds.Time)
	Deadline() (sds.Time, bool)
	// SetOnline says that the member knows that its network goes or comes back.
	SetOnline(now sds.Time, online bool)
	// Drain fills out with what happened since the last call and tells whether
	// there was anything. The engine calls it until there is nothing. The slices are
	// valid until the next call.
	Drain(now sds.Time, out *Outputs) bool
}

// Outputs are what a Participant wants done and what it tells its user, as in
// sds.Ready.
type Outputs struct {
	Packets    []sds.Packet
	Arrivals   []sds.Arrival
	Deliveries []sds.Delivery
	Receipts   []sds.Receipt
	Gaps       []sds.Gap
	Losses     []sds.Loss
}

// restarter is a Participant that can be stopped and started again from what it
// made durable. stored returns the bytes of a message.
type restarter interface {
	Restart(now sds.Time, stored func(sds.MessageID) []byte) error
}

// Packet is one broadcast, shared by everybody who receives it.
type Packet struct {
	Class   sds.Class
	Bytes   []byte
	Message wire.Message // what Bytes say
	// Incoming is the same as package sds likes it.
	Incoming *sds.Incoming
	// Classic is the same as package classic likes it; nil in a crowd without such
	// members.
	Classic *classic.Prepared
	// Author is who made these bytes, which signatures show: not who repeats them,
	// and not what they say about their sender.
	Author sds.ParticipantID
	// Authenticated is set when members check signatures.
	Authenticated bool
}

// Kind is what a member is.
type Kind string

// The kinds of members. Ours run package sds; Light ones too, but receive through
// a service node; Stewards answer first and are never taken away by faults.
const (
	Ours    Kind = "causeway"
	Classic Kind = "classic"
	Light   Kind = "light"
	Steward Kind = "steward"
	Hostile Kind = "hostile"
)

// honest tells whether members of this kind keep to the protocol.
func (k Kind) honest() bool { return k != Hostile }

// sds tells whether members of this kind run our code, and it alone.
func (k Kind) ours() bool { return k == Ours || k == Light || k == Steward }

// Seat is what a member is given when it takes part.
type Seat struct {
	Index   int
	ID      sds.ParticipantID
	Kind    Kind
	Channel sds.ChannelID
	Seed    uint64
	Roster  *sds.Roster // nil without one; shared by all
	// Joins is set when the member comes to a running conversation: what was before
	// is none of its business.
	Joins bool
	// Messages is how many messages the whole run will have.
	Messages int
	// Restarts is set when the member will be restarted.
	Restarts bool
}

// Constructor makes the participants of a kind.
type Constructor func(seat Seat, sc *Scenario, now sds.Time) (Participant, error)
