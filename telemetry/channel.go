package telemetry

import (
	"fmt"
	"hash/maphash"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/telemetry/report"
)

// Channel describes a channel. ID, Community and Secret are required.
type Channel struct {
	ID string // as the host or the node calls it
	// Community is what the channel belongs to, and Secret what its members share:
	// the key of pseudonyms (see report.Pseudonyms) is derived from it. A community's
	// own secret will do, if all members have the same.
	Community string
	Secret    []byte
	// Topic is the content topic, in any form, and Pubsub the topic of the shard.
	Topic, Pubsub string
	// Class is what messages are for when nobody says otherwise: Direct in a channel
	// of two. Default Multicast.
	Class report.Class
	// Member is our person. A node knows it itself.
	Member string
}

// channel is what is known of one.
type channel struct {
	names     *report.Pseudonyms // nil until it is described
	label     report.Event       // what its events have in common
	class     report.Class
	self      string // pseudonym
	own       string // id
	persons   int
	member    bool
	announced bool                 // the membership is recorded
	who       causeway.Person      // of a node
	persons2  [2]map[string]string // pseudonyms of persons of late
}

// Describe says what a channel is. Nothing is recorded of a channel that nobody
// described. It may be called before or after a node joins the channel, and again.
func (t *Telemetry) Describe(c Channel) error {
	if c.ID == "" || c.Community == "" {
		return fmt.Errorf("telemetry: %w: Channel.ID and Channel.Community are required", ErrOptions)
	}
	names, err := report.NewPseudonyms(c.Secret)
	if err != nil {
		return fmt.Errorf("telemetry: %w: Channel.Secret: %w", ErrOptions, err)
	}
	switch c.Class {
	case "":
		c.Class = report.Multicast
	case report.Multicast, report.Direct, report.Control, report.Ephemeral:
	default:
		return fmt.Errorf("telemetry: %w: Channel.Class is %q", ErrOptions, c.Class)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	ch := t.channel(c.ID)
	ch.names, ch.class = names, c.Class
	ch.persons2 = [2]map[string]string{}
	ch.label = report.Event{Community: names.Community(c.Community), Channel: names.Channel(c.ID),
		Topic: report.Topic(c.Topic), Pubsub: report.Topic(c.Pubsub)}
	if c.Member != "" {
		ch.own = c.Member
	}
	ch.self = ch.person(ch.own)
	if t.on {
		t.announceMember(ch, t.stamp())
	}
	return nil
}

// channel returns what is known of a channel. t.mu is held.
func (t *Telemetry) channel(id string) *channel {
	c := t.channels[id]
	if c == nil {
		c = &channel{}
		t.channels[id] = c
	}
	return c
}

// Membership says that we are in a channel of so many members, ourselves included,
// or no longer. Of a node's channels the node says it.
func (t *Telemetry) Membership(ch string, joined bool, members int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.setMember(t.channel(ch), joined, members)
}

// setMember records a change of membership. t.mu is held.
func (t *Telemetry) setMember(c *channel, joined bool, members int) {
	if c.announced && c.member == joined && c.persons == members {
		return
	}
	was := c.announced && c.member
	c.member, c.persons, c.announced = joined, max(members, 0), false
	if t.on && c.names != nil && (joined || was) {
		at := t.stamp()
		if joined {
			t.announceMember(c, at)
		} else {
			t.add(c.membership(at))
		}
	}
}

// announceMember records where we are a member, once. t.mu is held.
func (t *Telemetry) announceMember(c *channel, at int64) {
	if c.names != nil && c.member && !c.announced {
		c.announced = true
		t.add(c.membership(at))
	}
}

func (c *channel) membership(at int64) report.Event {
	e := c.event(report.Membership, at)
	e.Member, e.Joined, e.Audience = c.self, c.member, c.persons
	return e
}

// event begins an event of the channel.
func (c *channel) event(kind report.Kind, at int64) report.Event {
	e := c.label
	e.Kind, e.At = kind, at
	return e
}

// maxNames is how many pseudonyms of persons are at hand, twice.
const maxNames = 4096

// person returns the pseudonym of a person.
func (c *channel) person(id string) string {
	if c.names == nil || id == "" {
		return ""
	}
	recent := &c.persons2[0]
	if name, ok := (*recent)[id]; ok {
		return name
	}
	name, ok := c.persons2[1][id]
	if !ok {
		name = c.names.Member(id)
	}
	if len(*recent) >= maxNames {
		c.persons2[1], *recent = *recent, nil
	}
	if *recent == nil {
		*recent = map[string]string{}
	}
	(*recent)[id] = name
	return name
}

// sender returns the pseudonym of a participant's person.
func (c *channel) sender(p causeway.ParticipantID) string {
	if c.who == nil {
		return c.person(string(p))
	}
	return c.person(string(c.who(p)))
}

// recent are pseudonyms of messages of late that there will be more events of: making
// one costs more than all else that an event does. Each has one place, by its id.
// Telemetry.mu guards it.
type recent [256]struct {
	of       *report.Pseudonyms
	id, name string
}

var placeSeed = maphash.MakeSeed()

// message returns the pseudonym of a message, which is kept if there will be more
// events of it. t.mu is held.
func (t *Telemetry) message(c *channel, id string, more bool) string {
	place := &t.recent[maphash.String(placeSeed, id)%uint64(len(t.recent))]
	if place.of == c.names && place.id == id {
		return place.name
	}
	name := c.names.Message(id)
	if more {
		place.of, place.id, place.name = c.names, id, name
	}
	return name
}

// tries counts the hand-overs of messages of late. Telemetry.mu guards it.
type tries struct{ recent, older map[tryKey]*try }

type tryKey struct {
	channel *channel
	message string
}

type try struct {
	count    int
	envelope string // pseudonym of the last one
	taken    bool   // the network took content
	handed   bool   // that was told
	further  bool   // its receipt said more
}

const maxTriesKept = 2048

func (t *tries) of(c *channel, message string) *try {
	k := tryKey{c, message}
	if n := t.recent[k]; n != nil {
		return n
	}
	n := t.older[k]
	if n == nil {
		n = &try{}
	}
	if len(t.recent) >= maxTriesKept {
		t.older, t.recent = t.recent, nil
	}
	if t.recent == nil {
		t.recent = map[tryKey]*try{}
	}
	t.recent[k] = n
	return n
}
