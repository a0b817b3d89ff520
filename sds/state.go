package sds

import (
	"maps"
	"slices"
)

// What a host keeps durable. A Channel says what changed; the host writes it in
// one transaction, before anything else of the same Ready leaves; after a
// restart it hands back a State.

// Meta is the small record that every channel has once.
type Meta struct {
	Incarnation  uint32 // made with the state: a new one tells peers that state was lost
	Lamport      uint64
	Sequence     uint64 // of the last content handed to the transport
	Ordinal      uint64 // of the last own message
	Position     Position
	Base         uint64 // the join point, once BaseFixed
	BaseFixed    bool
	Sum          Sum    // of everything in the log above Base
	Forgotten    uint64 // how many messages left the window
	ForgottenMax uint64 // the highest Lamport timestamp among them
	Heads        []MessageID
	Nonce        uint64 // numbers ephemeral messages
}

// MessageState is where a message stands.
type MessageState uint8

const (
	// StateLogged: it has a place in the log.
	StateLogged MessageState = iota + 1
	// StateParked: it waits for others, or for its time. Its content must be at
	// hand after a restart.
	StateParked
	// StateGap: it is missing and was given up; messages that depend on it are in
	// the log.
	StateGap
	// StateMet: it counts as met without a place in the log (below the join point,
	// or a sync that somebody's history names).
	StateMet
	// StateLost: a gap that is no longer asked for.
	StateLost
	// StateForgotten: it was dropped to make room and is unknown again.
	StateForgotten
	// StateMissing: it is missing, which was reported, and was not given up.
	StateMissing
	// StateNotForMe: it could not be opened by this participant. It counts as met
	// until it comes in a form that can be.
	StateNotForMe
)

// MessageRecord is what is known about one message, without its content.
type MessageRecord struct {
	ID       MessageID
	State    MessageState
	Sender   ParticipantID
	Lamport  uint64
	Position Position // of a logged message
	Parents  []MessageID
	Leaf     Leaf
	Reach    uint64 // highest own ordinal among its ancestors and itself
	Ordinal  uint64 // of an own message
	Foreign  bool   // its bytes are of the other wire format: never named by us
	Hint     []byte
}

// OutgoingRecord is an own message whose acknowledgements are tracked. Members
// are the persons that count, when the roster is known.
type OutgoingRecord struct {
	ID   MessageID
	Want Want
	// Members and Stewards are the audience at Send; HasAudience tells an empty
	// one from none.
	HasAudience       bool
	Members, Stewards []PersonID

	Level  Level
	Handed bool
	Stored bool
	// Claimed and Undelivered are as in Receipt.
	Claimed, Undelivered bool

	// Subject is SendOptions.Replace, and Superseded the message that replaced it.
	Subject    string
	Superseded MessageID
	Priority   Priority
	Part       bool // SendOptions.Part

	SentAt Time
	// Draft is the content of a message that no packet was made for yet.
	Draft    []byte
	Sequence uint64
	// Done is set when it is no longer tracked.
	Done bool
}

// SeenRecord says that a person has an own message.
type SeenRecord struct {
	ID     MessageID
	Person PersonID
}

// Changes is what must be durable before anything else of a Ready leaves.
type Changes struct {
	Meta     *Meta
	Messages []MessageRecord  // replace by ID
	Outgoing []OutgoingRecord // replace by ID; drop when Done
	Seen     []SeenRecord     // add
}

// Empty tells whether there is nothing to write.
func (c *Changes) Empty() bool {
	return c.Meta == nil && len(c.Messages)+len(c.Outgoing)+len(c.Seen) == 0
}

// State is everything that Restore needs. A host with a long history may leave
// out logged messages that are older, by Position, than the newest
// Config.Window, unless they are in Meta.Heads or in Outgoing.
type State struct {
	Meta     Meta
	Messages map[MessageID]MessageRecord
	Outgoing map[MessageID]OutgoingRecord
	Seen     map[MessageID]map[PersonID]struct{}
}

// Apply makes the changes. It is what a store does, in memory.
func (s *State) Apply(c Changes) {
	if s.Messages == nil {
		s.Messages = map[MessageID]MessageRecord{}
		s.Outgoing = map[MessageID]OutgoingRecord{}
		s.Seen = map[MessageID]map[PersonID]struct{}{}
	}
	if c.Meta != nil {
		s.Meta = *c.Meta
	}
	for _, m := range c.Messages {
		if m.State == StateForgotten {
			delete(s.Messages, m.ID)
			continue
		}
		s.Messages[m.ID] = m
	}
	for _, o := range c.Outgoing {
		if o.Done {
			delete(s.Outgoing, o.ID)
			delete(s.Seen, o.ID)
			continue
		}
		s.Outgoing[o.ID] = o
	}
	for _, r := range c.Seen {
		if _, ok := s.Outgoing[r.ID]; !ok {
			continue
		}
		if s.Seen[r.ID] == nil {
			s.Seen[r.ID] = map[PersonID]struct{}{}
		}
		s.Seen[r.ID][r.Person] = struct{}{}
	}
}

// Clone returns a copy that shares nothing that changes.
func (s *State) Clone() State {
	t := State{Meta: s.Meta, Messages: maps.Clone(s.Messages), Outgoing: maps.Clone(s.Outgoing),
		Seen: map[MessageID]map[PersonID]struct{}{}}
	for id, persons := range s.Seen {
		t.Seen[id] = maps.Clone(persons)
	}
	return t
}

// Log returns the logged messages by place: what every member agrees on.
func (s *State) Log() []MessageRecord {
	var log []MessageRecord
	for _, m := range s.Messages {
		if m.State == StateLogged {
			log = append(log, m)
		}
	}
	slices.SortFunc(log, func(a, b MessageRecord) int {
		return Place{a.Lamport, a.ID}.Compare(Place{b.Lamport, b.ID})
	})
	return log
}
