package reliability

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/community"
	"github.com/causeway-im/causeway/telemetry"
	"github.com/waku-org/sds-go-bindings/sds"
)

// Errors, to be tested with errors.Is. Those of wrapping also wrap the errors of
// package sds, with the tokens of nim-sds in their texts (reMessageTooLarge).
var (
	// ErrSDSManagerUnavailable: not started, or closed. A received message is not to be
	// marked as processed, so that it is tried again.
	ErrSDSManagerUnavailable = errors.New("SDS manager is unavailable")
	// ErrNoContent: an SDS message that is for the protocol alone. It is processed, and
	// there is nothing to show.
	ErrNoContent = errors.New("SDS message without content")
	// ErrOptions: an option is missing or out of range. The text names it.
	ErrOptions = errors.New("invalid option")
	// ErrUnknownMessage: no message of ours has this application id.
	ErrUnknownMessage = errors.New("unknown message")
)

// DataSync is MVDS, for private chats, which stays as it is: it is started, stopped and
// paused together with SDS.
type DataSync interface {
	Start() error
	Stop()
	SetPaused(paused bool)
}

// Fetcher asks the stores of the network for envelopes, and gives those that it gets to
// the receive pipeline of the host. nil means that it gave all that stores have.
type Fetcher interface {
	FetchMessagesByHashes(ctx context.Context, hashes []community.EnvelopeHash) error
}

// Processed is the host's durable cache of envelopes that it has dealt with.
type Processed interface {
	IsProcessed(hash community.EnvelopeHash) (bool, error)
}

// Telemetry takes what there is to know about delivery: a *telemetry.Telemetry whose
// channels the host describes.
type Telemetry interface {
	Composed(m telemetry.Message, size int)
	Attempted(m telemetry.Message)
	Handed(m telemetry.Message, envelope string)
	Resent(m telemetry.Message, envelope string)
	Acknowledged(m telemetry.Message, count, audience int)
	GaveUp(m telemetry.Message)
	Received(m telemetry.Message, a telemetry.Arrival)
	Missing(m telemetry.Message, author string)
	Repaired(m telemetry.Message, p Path)
}

var _ Telemetry = (*telemetry.Telemetry)(nil)

// Options are what a Reliability is made of. DB, Person and Installation are required.
type Options struct {
	// DB is the host's own database, SQLite or SQLCipher, which stays open as long as
	// the Reliability is used. Migrations run at the first Start.
	DB *sql.DB
	// Prefix begins the names of all tables. Default "causeway_".
	Prefix string
	// Logger may be nil.
	Logger *zap.Logger
	// Person is our public key as descriptions name it, and Installation the
	// application's id of this device. Together they make our participant id.
	Person       causeway.PersonID
	Installation string
	// PerChat is for communities without deployed clients: each chat is a channel of its
	// own, and a receipt counts those who can read it. Otherwise a community is one
	// channel, as deployed clients have it.
	PerChat bool

	DataSync  DataSync  // may be nil
	Fetcher   Fetcher   // nil: nothing is fetched
	Processed Processed // nil: nothing is known to be processed
	Telemetry Telemetry // may be nil

	// Dispatch encrypts, segments and publishes what the library itself wants sent, in
	// fresh envelopes, and returns their hashes. An error is logged, and the message is
	// given up for this time. nil: nothing is sent by itself.
	Dispatch func(ctx context.Context, o Outgoing) ([]community.EnvelopeHash, error)
	// Delivered hears of the first acknowledgement of a message, once; around a restart
	// perhaps twice. nil: nobody does.
	Delivered func(Delivered)
	// Receipt hears of each step after that, too. nil: nobody does.
	Receipt func(Receipt)

	// Delays are the pauses before a fetch that failed is tried again. Default 5 s, 15 s,
	// 45 s.
	Delays []time.Duration
	// Now is the clock, for tests. Default: time.Now.
	Now func() time.Time
}

// Outgoing is a message that the library wants sent.
type Outgoing struct {
	Kind      sds.OutgoingKind
	ID        causeway.MessageID
	ChannelID string
	Payload   []byte // in place of what WrapPayloadForSDS returns
}

// Delivered is a message that somebody has.
type Delivered struct {
	ApplicationID string
	ID            causeway.MessageID
	ChannelID     string
}

// Receipt is what is known about a message of ours.
type Receipt struct {
	Delivered
	// Seen of Of persons are proved to have it; Of is 0 while nobody told who is in the
	// community.
	Seen, Of int
	// Persons are all who have it, sorted.
	Persons []causeway.PersonID
	// Reached: as many have it as its kind asks for.
	Reached bool
	// Claimed: some of the evidence is a sender id that nobody checked (Envelope.Signer).
	Claimed bool
	// Undelivered: nobody is known to have it after 10 minutes. It may still turn.
	Undelivered bool
}

// maxInstallation bounds Options.Installation and Options.Person, in bytes.
const maxInstallation = 512

func (o Options) withDefaults() (Options, error) {
	switch {
	case o.DB == nil:
		return o, fmt.Errorf("reliability: %w: DB is required", ErrOptions)
	case o.Person == "" || len(o.Person) > maxInstallation:
		return o, fmt.Errorf("reliability: %w: Person has %d bytes, must have 1 to %d", ErrOptions, len(o.Person), maxInstallation)
	case o.Installation == "" || len(o.Installation) > maxInstallation:
		return o, fmt.Errorf("reliability: %w: Installation has %d bytes, must have 1 to %d", ErrOptions, len(o.Installation), maxInstallation)
	case len(o.Delays) > 16:
		return o, fmt.Errorf("reliability: %w: Delays are %d, at most 16", ErrOptions, len(o.Delays))
	}
	for _, d := range o.Delays {
		if d < 0 {
			return o, fmt.Errorf("reliability: %w: Delays must not be negative", ErrOptions)
		}
	}
	if o.Prefix == "" {
		o.Prefix = "causeway_"
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.Delays == nil {
		o.Delays = []time.Duration{5 * time.Second, 15 * time.Second, 45 * time.Second}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}
