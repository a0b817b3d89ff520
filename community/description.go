package community

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds/wire"
)

// Role is what somebody may do in a community.
type Role uint8

// The roles, by their numbers in descriptions.
const (
	NoRole      Role = 0
	Owner       Role = 1
	Admin       Role = 4
	TokenMaster Role = 5
)

// String returns "none", "owner", "admin" or "token master".
func (r Role) String() string {
	return name(r, "none", "owner", "unknown", "unknown", "admin", "token master")
}

// Privileged tells whether a role may change the community.
func (r Role) Privileged() bool { return r == Owner || r == Admin || r == TokenMaster }

// ChannelRole is what somebody may do in a chat that has permissions.
type ChannelRole uint8

// The roles, by their numbers in descriptions. Both read everything.
const (
	Poster ChannelRole = 0
	Viewer ChannelRole = 1
)

// Installation is one device or program of a person.
type Installation struct {
	// ID is the application's name for it, unique for the person.
	ID string
	// MostlyOnline is set for control nodes and others that hardly ever sleep.
	MostlyOnline bool
}

// Member is somebody in a community.
type Member struct {
	Roles []Role
	// Installations are those that are known. Who has none counts with one of the
	// empty ID, until more is known.
	Installations []Installation
}

func (m *Member) has(r Role) bool { return slices.Contains(m.Roles, r) }

func (m *Member) privileged() bool { return slices.ContainsFunc(m.Roles, Role.Privileged) }

func (m *Member) mostlyOnline() bool {
	return slices.ContainsFunc(m.Installations, func(i Installation) bool { return i.MostlyOnline })
}

// Chat is a chat of a community.
type Chat struct {
	// Gated is set when the chat has permissions: then only its Members, and the owner,
	// who makes its keys, can read it. Otherwise all of the community can.
	Gated   bool
	Members map[causeway.PersonID]ChannelRole
}

// Description is a community at one moment: the last signed description, with the
// events of privileged members applied, and the installations that the application
// knows. Persons are named by their public keys, as descriptions name them.
type Description struct {
	Community ID
	// Clock orders descriptions: of two, the higher is the newer. It is above 0.
	Clock   uint64
	Members map[causeway.PersonID]Member
	Banned  []causeway.PersonID
	Chats   map[string]Chat
}

// Bounds of a description. What is above is an error, since a roster is kept in
// memory for each chat and copied for each change.
const (
	MaxMembers       = 50_000
	MaxChats         = 10_000
	MaxInstallations = 32 // of a person
)

// Errors about descriptions.
var (
	// ErrDescription: a description is not valid. The text names the field.
	ErrDescription = errors.New("invalid description")
	// ErrNoChat: the community has no such chat.
	ErrNoChat = errors.New("no such chat")
)

// Check returns what is wrong with a description, or nil.
func (d *Description) Check() error {
	switch {
	case d.Community == ID{}:
		return fmt.Errorf("community: %w: Community is missing", ErrDescription)
	case d.Clock == 0:
		return fmt.Errorf("community: %w: Clock must be above 0", ErrDescription)
	case len(d.Members) > MaxMembers:
		return fmt.Errorf("community: %w: Members are %d, at most %d", ErrDescription, len(d.Members), MaxMembers)
	case len(d.Banned) > MaxMembers:
		return fmt.Errorf("community: %w: Banned are %d, at most %d", ErrDescription, len(d.Banned), MaxMembers)
	case len(d.Chats) > MaxChats:
		return fmt.Errorf("community: %w: Chats are %d, at most %d", ErrDescription, len(d.Chats), MaxChats)
	}
	for person, m := range d.Members {
		if err := checkMember(person, &m); err != nil {
			return err
		}
	}
	for chat, c := range d.Chats {
		if err := checkChat(chat); err != nil {
			return fmt.Errorf("%w: %w", ErrDescription, err)
		}
		if len(c.Members) > MaxMembers {
			return fmt.Errorf("community: %w: Members of chat %q are %d, at most %d", ErrDescription, chat, len(c.Members), MaxMembers)
		}
	}
	return nil
}

func checkMember(person causeway.PersonID, m *Member) error {
	if person == "" || len(person) > wire.MaxID {
		return fmt.Errorf("community: %w: a person in Members has %d bytes, must have 1 to %d", ErrDescription, len(person), wire.MaxID)
	}
	if len(m.Installations) > MaxInstallations {
		return fmt.Errorf("community: %w: Installations of %q are %d, at most %d", ErrDescription, person, len(m.Installations), MaxInstallations)
	}
	for _, i := range m.Installations {
		if len(i.ID) > wire.MaxID {
			return fmt.Errorf("community: %w: an installation of %q has %d bytes, at most %d", ErrDescription, person, len(i.ID), wire.MaxID)
		}
	}
	return nil
}

// Participant returns the participant id of a person's installation: 20 characters
// that all members compute alike, and that nobody else's installation has, whatever
// it calls itself.
func Participant(person causeway.PersonID, installation string) causeway.ParticipantID {
	h := sha256.New()
	for _, part := range []string{"causeway participant", string(person), installation} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		h.Write([]byte(part))
	}
	return causeway.ParticipantID(base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:15]))
}
