package community

import (
	"fmt"
	"maps"
	"slices"

	"github.com/causeway-im/causeway"
)

// WholeCommunity stands for the channel of all members where a chat is asked for. A
// message of a gated chat in that channel has an audience of which some can't read it:
// want causeway.Persons(readers...) for it.
const WholeCommunity = ""

// Readers returns the persons who can read a chat, sorted: the members who are not
// banned and, where the chat is gated, may view it.
func (d *Description) Readers(chat string) ([]causeway.PersonID, error) {
	c, ok := d.Chats[chat]
	if !ok && chat != WholeCommunity {
		return nil, fmt.Errorf("community: %w: %q", ErrNoChat, chat)
	}
	banned := map[causeway.PersonID]bool{}
	for _, person := range d.Banned {
		banned[person] = true
	}
	var readers []causeway.PersonID
	for person, m := range d.Members {
		_, listed := c.Members[person]
		if !banned[person] && (!c.Gated || listed || m.has(Owner)) {
			readers = append(readers, person)
		}
	}
	slices.Sort(readers)
	return readers, nil
}

// CanPost tells whether a person may write in a chat.
func (d *Description) CanPost(chat string, person causeway.PersonID) (bool, error) {
	readers, err := d.Readers(chat)
	if err != nil {
		return false, err
	}
	_, reads := slices.BinarySearch(readers, person)
	c, m := d.Chats[chat], d.Members[person]
	return reads && (!c.Gated || m.has(Owner) || c.Members[person] == Poster), nil
}

// Roster returns who takes part in a chat, or with WholeCommunity in a channel of all
// members. Equal descriptions give equal rosters, whatever the order of their lists.
//
// Stewards are the owners, whose control node is meant to be always online, and those
// other privileged members who have an installation that is mostly online.
func (d *Description) Roster(chat string) (*causeway.Roster, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	return d.roster(chat)
}

// roster is Roster of a description that was checked.
func (d *Description) roster(chat string) (*causeway.Roster, error) {
	readers, err := d.Readers(chat)
	if err != nil {
		return nil, err
	}
	r := causeway.Roster{Members: make(map[causeway.ParticipantID]causeway.PersonID, len(readers))}
	for _, person := range readers {
		m := d.Members[person]
		for _, i := range m.Installations {
			r.Members[Participant(person, i.ID)] = person
		}
		if len(m.Installations) == 0 {
			r.Members[Participant(person, "")] = person
		}
		if m.has(Owner) || m.privileged() && m.mostlyOnline() {
			r.Stewards = append(r.Stewards, person)
		}
	}
	return &r, nil
}

// IsSteward tells whether an installation serves others early, which is for
// ChannelConfig.Steward: it is mostly online, and of a privileged person who can read
// the chat.
func (d *Description) IsSteward(chat string, person causeway.PersonID, installation string) (bool, error) {
	readers, err := d.Readers(chat)
	if err != nil {
		return false, err
	}
	_, reads := slices.BinarySearch(readers, person)
	m := d.Members[person]
	return reads && m.privileged() && slices.Contains(m.Installations, Installation{ID: installation, MostlyOnline: true}), nil
}

func equalRosters(a, b *causeway.Roster) bool {
	return a != nil && b != nil && maps.Equal(a.Members, b.Members) && slices.Equal(a.Stewards, b.Stewards)
}

// clone copies a description, so that its owner may change what it handed over.
func (d *Description) clone() *Description {
	c := *d
	c.Banned = slices.Clone(d.Banned)
	c.Members = make(map[causeway.PersonID]Member, len(d.Members))
	for person, m := range d.Members {
		c.Members[person] = Member{Roles: slices.Clone(m.Roles), Installations: slices.Clone(m.Installations)}
	}
	c.Chats = make(map[string]Chat, len(d.Chats))
	for chat, x := range d.Chats {
		c.Chats[chat] = Chat{Gated: x.Gated, Members: maps.Clone(x.Members)}
	}
	return &c
}
