package sds

import (
	"fmt"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
)

// Dialect is what a channel emits. It reads both wire formats in any case
// (rule P2).
type Dialect uint8

const (
	// LIP is LIP-109 with our extension: heads as causal history, no filter.
	LIP Dialect = iota
	// JS is LIP-109 as @waku/sds needs it to acknowledge and to repair.
	JS
	// Nim is the numbering and the habits of nim-sds.
	Nim
)

// String returns "lip", "js" or "nim".
func (d Dialect) String() string {
	switch d {
	case LIP:
		return "lip"
	case JS:
		return "js"
	case Nim:
		return "nim"
	}
	return "unknown"
}

func (d Dialect) wire() wire.Dialect {
	if d == Nim {
		return wire.Nim
	}
	return wire.LIP
}

func (d Dialect) maxParents() int {
	switch d {
	case JS:
		return MaxParentsJS
	case Nim:
		return MaxParentsNim
	}
	return MaxParentsLIP
}

// Config says who takes part in what, and how patient it is. Only Channel and
// Participant are required.
type Config struct {
	Channel ChannelID
	// Participant is this installation. It must be unique in the channel: two
	// installations of one person have two.
	Participant ParticipantID
	Dialect     Dialect
	// Seed is where all randomness comes from. Members must not share it, or their
	// timers fire together.
	Seed uint64
	// Roster says who belongs to the channel. Without it every participant heard
	// counts as a person and the group size is estimated.
	Roster *Roster
	// JoinPoint is the Lamport timestamp up to which history is none of our
	// business: nothing at or below it is missing. 0 means all history matters.
	JoinPoint uint64
	// Steward makes this participant answer repair requests early (rule P10).
	Steward bool
	// RoundTrip is the group's round-trip time. Default 1 s, what Waku shows.
	RoundTrip time.Duration
	// StartOffline begins without a network: nothing is sent before SetOnline.
	StartOffline bool
	// Secret is known to all members and to nobody else, if the host has such a
	// thing: it keys the short ids of digests, so that outsiders can't craft
	// messages that defeat them. Default: the channel's id.
	Secret []byte
	// Window is how many delivered messages are kept in memory. Default 10,000.
	// Older ones are asked for through Ready.Lookups.
	Window int
	// MaxParents lowers the dialect's cap on the causal history.
	MaxParents int
	// FullHistory fills the causal history up to its cap with the newest messages of
	// the log, as nim-sds does: who missed several in a row learns of all of them,
	// and of their retrieval hints, at once. It costs 40 to 160 bytes for each. Only
	// for JS and Nim.
	FullHistory bool
	// DropOldest lets Send go on when MaxOutgoing messages are known to nobody: it
	// gives up the oldest, reported Undelivered, instead of failing.
	DropOldest bool
	// TrustNames asks for a missing message on anybody's word. Only for channels
	// where ids are opaque and nobody is known, as status-go's: else a message that
	// one sender alone names is not asked for (rule P13).
	TrustNames bool
	// AlwaysFilter makes every JS message carry the full-size bloom filter.
	AlwaysFilter bool

	// The times below count only while online (rule P6).

	// GapAfter is how long messages wait for one that they depend on before they
	// are delivered without it. Default 30 s. Longer keeps strict order through
	// longer losses, shorter shows messages sooner.
	GapAfter time.Duration
	// LostAfter is when a missing message is no longer asked for. Default 24 h.
	LostAfter time.Duration
	// UndeliveredAfter is when a message that nobody is known to have is reported
	// Undelivered and no longer resent by itself. Default 10 min.
	UndeliveredAfter time.Duration
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Channel == "" || len(c.Channel) > wire.MaxID:
		return c, fmt.Errorf("sds: %w: Channel must have 1 to %d bytes", ErrConfig, wire.MaxID)
	case c.Participant == "" || len(c.Participant) > wire.MaxID:
		return c, fmt.Errorf("sds: %w: Participant must have 1 to %d bytes", ErrConfig, wire.MaxID)
	case c.Dialect > Nim:
		return c, fmt.Errorf("sds: %w: Dialect %d is unknown", ErrConfig, c.Dialect)
	case c.JoinPoint >= MaxLamport:
		return c, fmt.Errorf("sds: %w: JoinPoint must be below 2^53", ErrConfig)
	case c.RoundTrip < 0 || c.RoundTrip > time.Minute:
		return c, fmt.Errorf("sds: %w: RoundTrip must be from 0 to 1 min", ErrConfig)
	case c.Window < 0 || c.MaxParents < 0:
		return c, fmt.Errorf("sds: %w: Window and MaxParents can't be negative", ErrConfig)
	}
	if c.GapAfter < 0 || c.LostAfter < 0 || c.UndeliveredAfter < 0 {
		return c, fmt.Errorf("sds: %w: GapAfter (%v), LostAfter (%v) and UndeliveredAfter (%v) can't be negative",
			ErrConfig, c.GapAfter, c.LostAfter, c.UndeliveredAfter)
	}
	if c.Secret == nil {
		c.Secret = []byte(c.Channel)
	}
	setDefault(&c.RoundTrip, time.Second)
	setDefault(&c.Window, DefaultWindow)
	setDefault(&c.GapAfter, 30*time.Second)
	setDefault(&c.LostAfter, 24*time.Hour)
	setDefault(&c.UndeliveredAfter, 10*time.Minute)
	for _, d := range []*time.Duration{&c.RoundTrip, &c.GapAfter, &c.LostAfter, &c.UndeliveredAfter} {
		*d = (*d + time.Millisecond - 1).Truncate(time.Millisecond) // what a Time can tell
	}
	setDefault(&c.MaxParents, c.Dialect.maxParents())
	c.MaxParents = min(c.MaxParents, c.Dialect.maxParents())
	return c, nil
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
