package peer

import (
	"fmt"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// MaxCausalHistory is the largest Config.CausalHistory: more entries, with the
// repair requests, no reader of ours would take.
const MaxCausalHistory = wire.MaxEntries - maxRequests

// Config says who takes part and with which habits. Begin with Defaults.
type Config struct {
	Channel wire.ChannelID
	Sender  wire.ParticipantID
	Dialect sds.Dialect
	// CausalHistory is how many messages a message names at most. 0 names none.
	CausalHistory int
	// PossibleAcks is how many messages whose filter has an id acknowledge it.
	PossibleAcks int
	// LostTimeout is how long a missing message is waited for; the sweep after that
	// gives it up. 0 waits for ever.
	LostTimeout time.Duration
	// NoRepair switches SDS-R off: nothing is asked for and nothing answered.
	NoRepair bool
	// RepairBuffer is how many requests, and how many answers, wait at most. The
	// furthest in time makes room.
	RepairBuffer int
	// TMin and TMax bound the wait before a request; TMax that before an answer.
	TMin, TMax time.Duration
	// Groups is how many response groups the participants fall into.
	Groups int
	// Now is the time, in Unix milliseconds, that the clock stands at until it is
	// moved. nil: the clock of the machine.
	Now *int64
}

// Defaults returns what the deployed implementation of a dialect has; for
// sds.LIP, of which there is none but ours, what js has and rule P2 says.
func Defaults(d sds.Dialect) Config {
	c := Config{Dialect: d, CausalHistory: sds.MaxParentsLIP, PossibleAcks: 2, RepairBuffer: 1000,
		TMin: 30 * time.Second, TMax: 120 * time.Second, Groups: 1}
	switch d {
	case sds.JS:
		c.CausalHistory = sds.MaxParentsJS
	case sds.Nim:
		c.CausalHistory, c.PossibleAcks, c.TMax = sds.MaxParentsNim, 1, 300*time.Second
	}
	return c
}

// Check says what is wrong with c.
func (c *Config) Check() error {
	for _, n := range []struct {
		name            string
		value, min, max int64
		unit            string
	}{
		{"channel", int64(len(c.Channel)), 1, wire.MaxID, " bytes"},
		{"sender", int64(len(c.Sender)), 1, wire.MaxID, " bytes"},
		{"causal-history", int64(c.CausalHistory), 0, MaxCausalHistory, ""},
		{"possible-acks", int64(c.PossibleAcks), 1, 1 << 20, ""},
		{"lost-timeout-ms", c.LostTimeout.Milliseconds(), 0, maxWait, ""},
		{"repair-buffer", int64(c.RepairBuffer), 0, 1 << 20, ""},
		{"t-min", c.TMin.Milliseconds(), 0, maxWait, ""},
		{"t-max", c.TMax.Milliseconds(), 0, maxWait, ""},
		{"groups", int64(c.Groups), 0, 1 << 20, ""},
	} {
		if n.value < n.min || n.value > n.max {
			return fmt.Errorf("%s is %d%s, want %d to %d", n.name, n.value, n.unit, n.min, n.max)
		}
	}
	if c.Dialect > sds.Nim {
		return fmt.Errorf("dialect %d is unknown", c.Dialect)
	}
	if c.Now != nil {
		return checkTime(*c.Now)
	}
	return nil
}

// maxWait bounds durations, in milliseconds: a year.
const maxWait = 366 * 24 * 3600 * 1000

// checkTime refuses moments that a Lamport timestamp in milliseconds can't follow.
func checkTime(ms int64) error {
	if ms < 0 || ms > maxClock {
		return fmt.Errorf("clock is %d, want 0 to %d ms", ms, int64(maxClock))
	}
	return nil
}

// maxClock is the last moment, in milliseconds: 2⁵²−1.
const maxClock = 1<<52 - 1
