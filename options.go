package causeway

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/causeway-im/causeway/internal/budget"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/segment"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport"
)

// Errors of a Node and its Channels. What is returned wraps one of them, one of
// package sds (content too large, say), a context's error, or an error of the
// store.
var (
	// ErrClosed: the node was closed, or stopped because another node opened its
	// store (then it also wraps store.ErrFenced).
	ErrClosed = errors.New("node is closed")
	// ErrOptions: an option is missing or out of range. The text names it.
	ErrOptions = errors.New("invalid option")
	// ErrJoined: the channel is joined already.
	ErrJoined = errors.New("channel is joined already")
	// ErrNotJoined: the channel was left.
	ErrNotJoined = errors.New("channel is not joined")
	// ErrStore: the store failed, so nothing was sent. It also wraps the store's
	// error.
	ErrStore = errors.New("store failed")
	// ErrUncertain: it is not known whether the message was made durable. If it
	// was, it will be sent.
	ErrUncertain = errors.New("outcome is not known")
	// ErrCursorForgotten: events after this cursor have been forgotten. Read the
	// log, and go on at the oldest cursor that Node.Cursors returns.
	ErrCursorForgotten = errors.New("cursor is too old")
)

// Options are what a Node is made of. Store is required.
type Options struct {
	// Store keeps what must not be forgotten. The node does not close it.
	Store store.Store
	// Transport is the network. Without one the node is offline. If it is also a
	// transport.Retriever, the node catches up from the network's stores after an
	// absence; if it is a transport.Confirmer, receipts show Stored.
	Transport transport.Transport
	// Observer, if set, is called inside each commit. If it is also a Witness, it is
	// told what else happens.
	Observer Observer
	// Log receives what an operator should know. Default: nothing.
	Log *slog.Logger
	// Seed is where all randomness of the protocol comes from. Default: random.
	// Two members must not share it, or their timers fire together.
	Seed uint64
	// Clock tells the time of day; timers don't use it. Default: time.Now. When it
	// is set back by more than 10 s, channels start again from what is durable.
	Clock func() time.Time
	// KeepEvents is how many events the event log holds at least; older ones are
	// forgotten. Default 100,000.
	KeepEvents int
	// PublishTimeout bounds one hand-over to the transport. Default 20 s.
	PublishTimeout time.Duration
	// Quota is what the network lets this node send: QuotaRLN, say. Default: no limit.
	Quota Quota
}

// Profile says how a channel speaks, and how patient it is. The zero value of a
// duration is the default of sds.Config.
type Profile struct {
	Name string
	// Dialect is what the channel emits. It reads all.
	Dialect sds.Dialect
	// RoundTrip is the time from a member to another and back. All timers of the
	// protocol scale with it.
	RoundTrip time.Duration
	// GapAfter is how long messages wait for one that they depend on before they
	// are delivered without it.
	GapAfter time.Duration
	// LostAfter is when a missing message is no longer asked for.
	LostAfter time.Duration
	// UndeliveredAfter is when a message that nobody is known to have is reported
	// Undelivered.
	UndeliveredAfter time.Duration
	// Marker travels beside each message (transport.Envelope.Meta), and what comes
	// without exactly this is dropped before anybody tries to open it. It proves
	// nothing: anybody can write it. At most transport.MaxMeta bytes.
	Marker string
	// Segments says how payloads travel that are too large for one message.
	// SegmentSize is the largest message that is cut, in bytes, from 192, and
	// ParityRate how much parity there is for it, from 0 to 1: it costs bandwidth
	// always and helps only until a lost part is repaired. 0 stands for
	// segment.DefaultSegmentSize.
	Segments    Segments
	SegmentSize int
	ParityRate  float64
	// SealContent has the Sealer seal the content inside an SDS message, instead of
	// the whole: who is not a member can read who says something when, and follow
	// what is missing. The Sealer must be able to open a message several times, also
	// own ones. Who can write to the transport can put sealed content into another
	// message: receipts say Claimed, whatever the Sealer authenticates.
	SealContent bool
	// Window is how many delivered messages are kept in memory, without content.
	Window int
}

// The profiles. All of them read every dialect; they differ in what they emit. In
// a nim channel clocks count seconds: what says milliseconds arrives there
// Quarantined. Nim members send nothing by themselves: their last messages are
// acknowledged when somebody speaks.
var (
	// ProfileLIP is the numbering of the specification with our extension.
	ProfileLIP = Profile{Name: "lip", Dialect: sds.LIP}
	// ProfileJS is what @waku/sds needs to acknowledge and to repair.
	ProfileJS = Profile{Name: "js", Dialect: sds.JS, Segments: SegmentsNone}
	// ProfileNim is the numbering and the habits of nim-sds. Status speaks so, within
	// its encryption and within its own segments: ProfileStatusGo, over a transport of
	// package transport/segmented.
	ProfileNim      = Profile{Name: "nim", Dialect: sds.Nim, Segments: SegmentsNone}
	ProfileStatusGo = Profile{Name: "status-go", Dialect: sds.Nim, Segments: SegmentsNone}
	// ProfileLogosDelivery is a channel of logos-delivery from v0.39 on, and
	// ProfileLogosDelivery038 of those before, which do not wrap payloads.
	ProfileLogosDelivery    = Profile{Name: "logos-delivery", Dialect: sds.Nim, Segments: SegmentsAll, Marker: "RELIABLE-CHANNEL-API/1"}
	ProfileLogosDelivery038 = Profile{Name: "logos-delivery-0.38", Dialect: sds.Nim, Segments: SegmentsNone, Marker: "RELIABLE-CHANNEL-API/1"}
)

// ChannelConfig says who takes part in what. Channel and Participant are
// required; the zero value of the rest is a chat of whoever is heard, with
// ProfileLIP.
type ChannelConfig struct {
	Channel ChannelID
	// Participant is this installation: no other may have the same id in the
	// channel, not even of the same person.
	Participant ParticipantID
	// Roster says which participants belong to the channel, and whose they are.
	// Without it every participant heard counts as a person.
	Roster *Roster
	// Profile is how to speak. Default ProfileLIP.
	Profile Profile
	// Topic is where the channel's messages travel. Default: the channel's id.
	Topic transport.Topic
	// Sealer encrypts what leaves and decrypts what comes. Default: plain bytes.
	Sealer Sealer
	// JoinPoint is the Lamport timestamp up to which history is none of our
	// business: nothing at or below it is missing. 0 means that all history
	// matters. It counts at the first Join only.
	JoinPoint uint64
	// Secret is known to all members and to nobody else, if there is such a thing: it
	// keys what members compare their logs with, so that outsiders can't craft
	// messages that escape it. Default: the channel's id.
	Secret []byte
	// Steward makes this node answer requests early: for nodes that are mostly
	// online.
	Steward bool
}

// Observer sees what a node commits, for evidence that must neither be lost nor
// invented.
type Observer interface {
	// Committing is called inside the transaction that makes events durable, when
	// all else of it is written. What is written through tx becomes durable with
	// them or not at all. An error undoes the whole transaction, and with it the
	// messages: return one only if they must not exist without the evidence.
	//
	// It is called by the node's loop: it must return soon and not call the node.
	// It may see events again that an earlier, failed transaction did not commit.
	Committing(tx store.Tx, events []Event) error
}

// Sealer encrypts and decrypts a channel's SDS messages, or signs and checks them:
// package seal does either, or both.
type Sealer interface {
	// Seal encrypts a message. The sealed bytes are stored, and the same bytes
	// are what repairs and resends carry. It is called by the node's loop: it must
	// not call the node.
	Seal(ch ChannelID, message []byte) (sealed []byte, err error)
	// Open decrypts. It returns ErrNotForMe if the message can't be opened with
	// the keys of this installation, which is normal, and any other error if it
	// was tampered with. It may be called concurrently, several times for one
	// message, and for messages of anybody.
	Open(ch ChannelID, sealed []byte) (Opened, error)
}

// Opened is what Sealer.Open returns.
type Opened struct {
	Message []byte
	// Sender is who sealed the message, and Authenticated that this was proved:
	// then a message whose sender_id differs is refused. Without Authenticated all
	// receipts say Claimed.
	Sender        ParticipantID
	Authenticated bool
}

// ErrNotForMe is returned by Sealer.Open for what others can read and we can't.
var ErrNotForMe = errors.New("message is not for this participant")

func (o Options) withDefaults() (Options, error) {
	if o.Store == nil {
		return o, fmt.Errorf("causeway: %w: Store is required", ErrOptions)
	}
	if o.KeepEvents < 0 || o.PublishTimeout < 0 {
		return o, fmt.Errorf("causeway: %w: KeepEvents and PublishTimeout must not be negative", ErrOptions)
	}
	if err := budget.Quota(o.Quota).Check(); err != nil && o.Quota != (Quota{}) {
		return o, fmt.Errorf("causeway: %w: Quota: %w", ErrOptions, err)
	}
	if o.KeepEvents == 0 {
		o.KeepEvents = 100_000
	}
	if o.PublishTimeout == 0 {
		o.PublishTimeout = 20 * time.Second
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// check returns what is wrong with what package sds does not know of.
func (p *Profile) check() error {
	if p.Segments > SegmentsNone {
		return fmt.Errorf("causeway: %w: Profile.Segments is %d", ErrOptions, p.Segments)
	}
	if len(p.Marker) > transport.MaxMeta {
		return fmt.Errorf("causeway: %w: Profile.Marker has %d bytes, at most %d", ErrOptions, len(p.Marker), transport.MaxMeta)
	}
	if _, _, err := segment.Count(1, p.segments()); err != nil {
		return fmt.Errorf("causeway: %w: Profile: %w", ErrOptions, err)
	}
	return nil
}

// core turns the configuration into that of package sds.
func (c *ChannelConfig) core(seed uint64) sds.Config {
	p := c.Profile
	return sds.Config{Channel: c.Channel, Participant: c.Participant, Dialect: p.Dialect, Seed: seed,
		Roster: c.Roster, JoinPoint: c.JoinPoint, Steward: c.Steward, Secret: c.Secret, RoundTrip: p.RoundTrip, StartOffline: true,
		Window: p.Window, GapAfter: p.GapAfter, LostAfter: p.LostAfter, UndeliveredAfter: p.UndeliveredAfter}
}

// window is how many messages of the log are loaded.
func (c *ChannelConfig) window() int {
	if c.Profile.Window > 0 {
		return c.Profile.Window
	}
	return sds.DefaultWindow
}
