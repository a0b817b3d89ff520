package estimate

import "time"

// Measure is a question about each cell, a message and a member who should get it.
type Measure int

// The measures. The first three count all cells by the wall clock, and are what a
// user feels. The Online ones count the cells whose member was online all the time
// from the message to the deadline, and are what the network and the protocol do.
// Eventually counts the cells whose member was online at any time of the 24 hours.
const (
	Within10s Measure = iota
	Within60s
	Within24h
	Online10s
	Online60s
	Eventually
	measures = iota
)

var measureNames = [measures]string{"10s", "60s", "24h", "online10s", "online60s", "eventually"}

func (m Measure) String() string {
	if m < 0 || m >= measures {
		return "unknown"
	}
	return measureNames[m]
}

// MarshalText writes the name.
func (m Measure) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Measures lists all of them.
func Measures() []Measure {
	return []Measure{Within10s, Within60s, Within24h, Online10s, Online60s, Eventually}
}

// Deadline is how long a message may take.
func (m Measure) Deadline() time.Duration { return time.Duration(deadlines[m]) * time.Millisecond }

var deadlines = [measures]int64{10_000, 60_000, 86_400_000, 10_000, 60_000, 86_400_000}

// Outcome is what became of a cell by a deadline.
type Outcome uint8

// The outcomes. A cell that a measure does not count has none.
const (
	NotCounted  Outcome = iota
	Delivered           // received in time
	Lost                // known not to be received in time
	Censored            // not known, or not yet
	Undecodable         // came in time and could not be read, which is a loss too
	outcomes    = iota
)

var outcomeNames = [outcomes]string{"", "delivered", "lost", "censored", "undecodable"}

func (o Outcome) String() string { return outcomeNames[min(o, outcomes-1)] }

// MarshalText writes the name.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }
