package estimate

import (
	"fmt"

	"github.com/causeway-im/causeway/telemetry/report"
)

// Cell is one message and one member who should get it, and what became of it. See
// Options.Each.
type Cell struct {
	Channel  string
	Message  string
	Author   string // pseudonym
	Composed int64
	Left     bool // it is proved to have left its author's device
	Handed   bool // it was handed to the network
	Attempts int
	Acked    int64 // first acknowledgement, −1 if there is none

	Member   string // pseudonym
	Latency  int64  // milliseconds, −1 if it was not received
	Path     report.Path
	Known    int64 // until when it is known
	Outcomes [measures]Outcome
}

// each gives a cell to the host.
func (w *world) each(x *cell) {
	if w.opts.Each == nil {
		return
	}
	m, c := x.message, &w.lent
	*c = Cell{Channel: x.channel.name, Message: w.facts.strings.string(m.name), Author: m.sender.name, Composed: m.at, Left: m.left,
		Handed: m.handed, Attempts: m.attempts, Acked: -1, Member: x.person.name, Latency: x.latency, Path: pathNames[x.path],
		Known: x.reach, Outcomes: x.outcomes}
	if m.acked < forever {
		c.Acked = m.acked
	}
	w.opts.Each(c)
}

// UnmarshalText reads what MarshalText writes.
func (m *Measure) UnmarshalText(text []byte) error {
	for i, name := range measureNames {
		if name == string(text) {
			*m = Measure(i)
			return nil
		}
	}
	return fmt.Errorf("estimate: there is no measure %.20q", text)
}

// UnmarshalText reads what MarshalText writes.
func (o *Outcome) UnmarshalText(text []byte) error {
	for i, name := range outcomeNames {
		if name == string(text) {
			*o = Outcome(i)
			return nil
		}
	}
	return fmt.Errorf("estimate: there is no outcome %.20q", text)
}
