package causeway

import (
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
)

// The nouns of SDS (LIP-109), as package sds explains them.
type (
	ChannelID     = sds.ChannelID
	ParticipantID = sds.ParticipantID
	PersonID      = sds.PersonID
	MessageID     = sds.MessageID
	Position      = sds.Position
	Place         = sds.Place
	Roster        = sds.Roster
	Want          = sds.Want
	Level         = sds.Level
	Verdict       = sds.Verdict
	Estimate      = sds.Estimate
	GapState      = sds.GapState
	Class         = sds.Class
	Priority      = sds.Priority

	// Cursor numbers the events of a node's store from 1, over all channels. None
	// is ever given twice, across any crash.
	Cursor = store.Cursor
)

// How far a message must have come for its sender to be content.
var (
	AtLeastOne = sds.AtLeastOne
	Stewards   = sds.Stewards
	Everyone   = sds.Everyone
)

// Fraction wants a share of the audience, above 0 and up to 1.
func Fraction(f float64) Want { return sds.Fraction(f) }

// Persons wants all of these.
func Persons(ids ...PersonID) Want { return sds.Persons(ids...) }

// How far a message is known to have come. A level never goes back.
const (
	Queued    = sds.LevelQueued   // not handed to the transport
	Sent      = sds.LevelSent     // the transport took it
	Stored    = sds.LevelStored   // a store of the network confirmed it
	Seen      = sds.LevelSeen     // at least one other person has it
	Reached   = sds.LevelReached  // what was wanted is reached
	SeenByAll = sds.LevelEveryone // the whole audience has it
)

// What waits for a quota leaves by priority.
const (
	PriorityLow    = sds.PriorityLow
	PriorityNormal = sds.PriorityNormal
	PriorityHigh   = sds.PriorityHigh
)

// The answer to whether the wanted share of an audience has a message.
const (
	Undecided = sds.Undecided // nobody was asked, or the time is not up
	Yes       = sds.Yes       // proved, or shown by a sample
	No        = sds.No        // not yet: asked again later
)

// What is known about a missing message.
const (
	GapMissing   = sds.GapMissing   // named by somebody, not here; messages wait for it
	GapSkipped   = sds.GapSkipped   // given up for now, and still asked for
	GapRecovered = sds.GapRecovered // it came
	GapLost      = sds.GapLost      // no longer asked for; it may still come
	GapNotForMe  = sds.GapNotForMe  // it can't be opened here: nothing waits for it, and it is not asked for
	GapBelowJoin = sds.GapBelowJoin // it is older than the join point: nothing is missing
)
