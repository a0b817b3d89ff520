package classic

import (
	"fmt"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// Flavour is which deployed implementation a Peer behaves as.
type Flavour uint8

const (
	// JS is @waku/sds in the reliable channel of the Waku SDK for JavaScript.
	JS Flavour = iota
	// Nim is nim-sds, as driven by a host that starts its periodic tasks.
	Nim
)

// String returns "js", "nim" or "unknown".
func (f Flavour) String() string {
	switch f {
	case JS:
		return "js"
	case Nim:
		return "nim"
	}
	return "unknown"
}

// Config says who takes part in what. Channel is required, and so is Participant
// for JS. The zero value of everything else is what is deployed.
type Config struct {
	Channel sds.ChannelID
	// Participant is the sender id. An empty one, for Nim only, is what hosts that
	// use its C interface have: no sender id on the wire and no repair at all.
	Participant sds.ParticipantID
	Flavour     Flavour
	// Seed is where all randomness comes from. Together with Participant it
	// draws timers and phases, so a group may share one, unless it has several
	// members without a Participant.
	Seed uint64
	// CausalHistory is how many messages each message names. Default 200 for JS
	// and 10 for Nim; the specification recommends 2.
	CausalHistory int
	// RepairMin and RepairMax are T_min and T_max of SDS-R. Default 30 s and
	// 120 s for JS, 30 s and 300 s for Nim.
	RepairMin, RepairMax time.Duration
	// ResponseGroups is into how many groups those that may answer a repair
	// request are split. Default 1, which both implementations always use; the
	// specification asks for one per 128 participants and one more.
	ResponseGroups int
	// NoAnswers makes a JS peer never answer a repair request, as the released
	// SDK does. See the package documentation.
	NoAnswers bool
	// LostAfter makes a JS peer drop, undelivered and for good, a message whose
	// dependencies are missing for longer. Default 0: never. (On a sync, which is
	// not delivered in any case, it has no effect.)
	LostAfter time.Duration
	// Hint returns the retrieval hint of a message, which every mention of it
	// then carries; nil for a message without. It must be a pure function that
	// may be called at any time. Default: no hints.
	Hint func(sds.MessageID) []byte
}

func (c Config) withDefaults() (Config, error) {
	fail := func(format string, args ...any) (Config, error) {
		return c, fmt.Errorf("classic: %w: "+format, append([]any{sds.ErrConfig}, args...)...)
	}
	switch {
	case c.Flavour > Nim:
		return fail("Flavour %d is unknown", c.Flavour)
	case c.Channel == "" || len(c.Channel) > wire.MaxID:
		return fail("Channel must have 1 to %d bytes", wire.MaxID)
	case c.Participant == "" && c.Flavour == JS || len(c.Participant) > wire.MaxID:
		return fail("Participant must have 1 to %d bytes (or none for nim)", wire.MaxID)
	case c.CausalHistory < 0 || c.CausalHistory > wire.MaxEntries-maxRequests:
		return fail("CausalHistory is %d, must be from 0 to %d", c.CausalHistory, wire.MaxEntries-maxRequests)
	case c.ResponseGroups < 0:
		return fail("ResponseGroups is %d, can't be negative", c.ResponseGroups)
	case c.LostAfter < 0:
		return fail("LostAfter is %v, can't be negative", c.LostAfter)
	case c.Flavour == Nim && (c.NoAnswers || c.LostAfter > 0):
		return fail("NoAnswers and LostAfter are for js only")
	}
	causal, tMax := 200, 120*time.Second
	if c.Flavour == Nim {
		causal, tMax = 10, 300*time.Second
	}
	setDefault(&c.CausalHistory, causal)
	setDefault(&c.RepairMin, 30*time.Second)
	setDefault(&c.RepairMax, tMax)
	setDefault(&c.ResponseGroups, 1)
	if c.RepairMin < 0 || c.RepairMax <= c.RepairMin {
		return fail("RepairMin (%v) must be above 0 and below RepairMax (%v)", c.RepairMin, c.RepairMax)
	}
	return c, nil
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
