package estimate

import "github.com/causeway-im/causeway/telemetry/report"

// The words of a report as small numbers. 0 is a word that is not known here.
type (
	kind   uint8
	path   uint8
	class  uint8
	state  uint8
	answer uint8
)

const (
	composed kind = iota + 1
	attempted
	handed
	refused
	stored
	acknowledged
	resent
	gaveUp
	received
	undecodable
	missing
	repaired
	lost
	presence
	membership
	traffics
)

var kinds = map[report.Kind]kind{
	report.Composed: composed, report.Attempted: attempted, report.Handed: handed, report.Refused: refused,
	report.Stored: stored, report.Acknowledged: acknowledged, report.Resent: resent, report.GaveUp: gaveUp,
	report.Received: received, report.Undecodable: undecodable, report.Missing: missing, report.Repaired: repaired,
	report.Lost: lost, report.Presence: presence, report.Membership: membership, report.Traffic: traffics,
}

const (
	live path = iota + 1 // relay or filter
	byStore
	byRepair
)

var paths = map[report.Path]path{report.ByRelay: live, report.ByFilter: live, report.ByStore: byStore, report.ByRepair: byRepair}

const (
	multicast class = iota + 1
	otherClass
)

var classes = map[report.Class]class{report.Multicast: multicast, report.Control: otherClass,
	report.Ephemeral: otherClass, report.Direct: otherClass}

const (
	online state = iota + 1
	isolated
	offline
	suspended
	goodbye
)

var states = map[report.State]state{report.Online: online, report.Isolated: isolated, report.Offline: offline,
	report.Suspended: suspended, report.Goodbye: goodbye}

const (
	yes answer = iota + 1
	no
)

var answers = map[string]answer{"yes": yes, "no": no}
