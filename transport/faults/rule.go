package faults

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/transport"
)

// ErrRule is wrapped by what Add returns for a rule that can't be.
var ErrRule = errors.New("invalid rule")

// Limits of a Faults.
const (
	// MaxRules is how many rules there may be at once.
	MaxRules = 256
	// MaxHeld is how many packets are held at once, delayed or to be overtaken.
	MaxHeld = 10_000
	// MaxDelay is the longest Rule.Delay.
	MaxDelay = time.Hour
	// MaxCopies is the largest Rule.Copies.
	MaxCopies = 100
	// reorderFor is how long a packet waits to be overtaken if Rule.Delay is 0.
	reorderFor = time.Second
)

// Action is what a rule does with a packet that it hits.
type Action uint8

const (
	Drop      Action = iota + 1 // it is gone
	Delay                       // it comes Rule.Delay later
	Duplicate                   // it comes Rule.Copies times more
	Reorder                     // it comes after the next one of its topic, or after Rule.Delay
)

var actions = [...]string{"", "drop", "delay", "duplicate", "reorder"}

// String returns the action in lower case.
func (a Action) String() string {
	if int(a) < len(actions) {
		return actions[a]
	}
	return "unknown"
}

// ParseAction is the reverse of String.
func ParseAction(s string) (Action, bool) {
	for i, name := range actions[1:] {
		if name == s {
			return Action(i + 1), true
		}
	}
	return 0, false
}

// Direction is which way packets go: a set.
type Direction uint8

const (
	Send     Direction = 1 << iota // what this transport publishes
	Receive                        // what it hears
	Retrieve                       // what stores return to it
)

// Rule says what to do with which packets. All conditions that are set must hold;
// with none it is every packet. The zero value of On is Send and Receive.
type Rule struct {
	Action Action
	On     Direction

	Topic  transport.Topic
	ID     wire.MessageID     // of the SDS message
	Sender wire.ParticipantID // its author, whoever sends it now
	Kind   wire.Kind
	// Content is the content of the message, whole: it is known before its id.
	Content []byte
	// Hash is the SHA-256 of the payload: the only name of what is sealed.
	Hash []byte

	// Share of the matching packets is hit, above 0 and up to 1; 0 means all.
	Share float64
	// Next ends the rule when it has hit so many packets; 0 means never.
	Next int

	// Delay is for the actions Delay (required) and Reorder (by default 1 s), Copies
	// for Duplicate (by default 1).
	Delay  time.Duration
	Copies int
}

// Status is a rule and what it has done.
type Status struct {
	Number  uint64 // from 1, never given twice
	Rule    Rule
	Matched uint64 // packets that it looked at and that it is about
	Hit     uint64
	Done    bool           // Next was reached
	Last    wire.MessageID // of the packet hit last, if it is known
}

func (r *Rule) check() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("faults: %w: %s", ErrRule, fmt.Sprintf(format, args...))
	}
	switch {
	case r.Action < Drop || r.Action > Reorder:
		return fail("Action is %d, must be Drop, Delay, Duplicate or Reorder", r.Action)
	case r.On&^(Send|Receive|Retrieve) != 0:
		return fail("On is %d, must be of Send, Receive and Retrieve", r.On)
	case r.On&Retrieve != 0 && r.Action != Drop:
		return fail("On has Retrieve, which is for Drop alone")
	case !(r.Share >= 0 && r.Share <= 1):
		return fail("Share is %v, must be from 0 to 1", r.Share)
	case r.Next < 0:
		return fail("Next is %d, must be at least 0", r.Next)
	case r.Delay < 0 || r.Delay > MaxDelay:
		return fail("Delay is %v, must be from 0 to %v", r.Delay, MaxDelay)
	case r.Action == Delay && r.Delay == 0:
		return fail("Delay is 0, must be above 0 for this action")
	case r.Copies < 0 || r.Copies > MaxCopies:
		return fail("Copies is %d, must be from 0 to %d", r.Copies, MaxCopies)
	case len(r.Hash) != 0 && len(r.Hash) != sha256.Size:
		return fail("Hash has %d bytes, must have %d", len(r.Hash), sha256.Size)
	}
	if r.On == 0 {
		r.On = Send | Receive
	}
	if r.Action == Duplicate && r.Copies == 0 {
		r.Copies = 1
	}
	if r.Action == Reorder && r.Delay == 0 {
		r.Delay = reorderFor
	}
	r.Content, r.Hash = bytes.Clone(r.Content), bytes.Clone(r.Hash)
	return nil
}

// packet is one on its way, described once and only if a rule asks.
type packet struct {
	topic    transport.Topic
	payload  []byte
	describe func(transport.Topic, []byte) (About, bool)

	about   About
	known   bool
	asked   bool
	hash    [sha256.Size]byte
	hasHash bool
}

func (p *packet) message() (*About, bool) {
	if !p.asked {
		p.asked = true
		p.about, p.known = p.describe(p.topic, p.payload)
	}
	return &p.about, p.known
}

func (p *packet) sum() []byte {
	if !p.hasHash {
		p.hasHash, p.hash = true, sha256.Sum256(p.payload)
	}
	return p.hash[:]
}

// matches tells whether a rule is about a packet.
func (r *Rule) matches(p *packet) bool {
	if r.Topic != "" && r.Topic != p.topic || len(r.Hash) > 0 && !bytes.Equal(r.Hash, p.sum()) {
		return false
	}
	if r.ID == "" && r.Sender == "" && r.Kind == 0 && len(r.Content) == 0 {
		return true
	}
	m, ok := p.message()
	return ok && (r.ID == "" || r.ID == m.ID) && (r.Sender == "" || r.Sender == m.Sender) &&
		(r.Kind == 0 || r.Kind == m.Kind) && (len(r.Content) == 0 || bytes.Equal(r.Content, m.Content))
}

// rule is a Rule at work. Its Faults's lock guards it.
type rule struct {
	Status
	chance *rand.Rand
}

// hits tells whether a packet is hit, and counts.
func (r *rule) hits(p *packet) bool {
	if r.Done || !r.Rule.matches(p) {
		return false
	}
	r.Matched++
	if r.Rule.Share > 0 && r.chance.Float64() >= r.Rule.Share {
		return false
	}
	r.Hit++
	r.Done = r.Rule.Next > 0 && r.Hit >= uint64(r.Rule.Next)
	if m, ok := p.message(); ok {
		r.Last = m.ID
	} else {
		r.Last = ""
	}
	return true
}
