package causeway

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
)

// EventKind tells what an Event is about.
type EventKind uint8

const (
	// EventArrived: a message came that has no place in the log yet, since
	// something that it depends on is missing, or never gets one. A message that
	// takes its place at once has only EventDelivered.
	EventArrived EventKind = iota + 1
	// EventDelivered: a message took its place in the log. Own messages do when
	// they are sent.
	EventDelivered
	// EventReceipt: more is known about who has an own message.
	EventReceipt
	// EventGap: the state of a missing message changed.
	EventGap
)

// String returns "arrived", "delivered", "receipt" or "gap".
func (k EventKind) String() string {
	names := [...]string{"", "arrived", "delivered", "receipt", "gap"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Event is one entry of a node's event log. Everything in it is durable.
type Event struct {
	Cursor  Cursor
	Channel ChannelID
	At      time.Time // to the millisecond
	Kind    EventKind
	ID      MessageID // of the message that it is about

	Message *Message    // of EventArrived and EventDelivered
	Receipt *ReceiptNow // of EventReceipt
	Gap     *Gap        // of EventGap
}

// Message is a message as a reader sees it. Late, Gaps, Missing, Quarantined and
// BelowJoin are set in events alone, Parents and Hint in what is read from the log.
type Message struct {
	ID      MessageID
	Sender  ParticipantID
	Lamport uint64
	// Position is where it stands in the order of arrival, 0 while it has no place.
	Position Position
	// Content is nil if the message is known and its bytes are not here.
	Content []byte
	Own     bool
	// Ephemeral messages are neither in the log nor acknowledged.
	Ephemeral bool
	// Late is set when messages that depend on this one were delivered before it.
	Late bool
	// Gaps are dependencies that were given up when it was delivered.
	Gaps []MessageID
	// Missing are the messages that it depends on and that are not here.
	Missing []MessageID
	// Quarantined is set when its Lamport timestamp is implausible: it takes a
	// place when others confirm it or its time comes.
	Quarantined bool
	// BelowJoin is set when it is older than the join point: it never takes a
	// place in this log.
	BelowJoin bool
	// Parents are the messages that it names as its causal history.
	Parents []MessageID
	// Hint retrieves it from a store of the network, if anything does.
	Hint []byte
}

// Place returns where the message stands in the log.
func (m *Message) Place() Place { return Place{Lamport: m.Lamport, ID: m.ID} }

// Gap is a message that is or was missing.
type Gap struct {
	ID     MessageID
	State  GapState
	Sender ParticipantID // as those who named it say; may be empty
	Hint   []byte        // retrieves it from a store of the network, if anything does
	At     time.Time     // when its state changed
}

// eventData is the part of an event that a store keeps as bytes. Content is
// there for ephemeral messages alone; that of others is read from the log.
type eventData struct {
	Position    Position     `json:"position,omitempty"`
	Sender      text         `json:"sender,omitempty"`
	Lamport     uint64       `json:"lamport,omitempty"`
	Content     []byte       `json:"content,omitempty"`
	Own         bool         `json:"own,omitempty"`
	Ephemeral   bool         `json:"ephemeral,omitempty"`
	Late        bool         `json:"late,omitempty"`
	Gaps        []text       `json:"gaps,omitempty"`
	Missing     []text       `json:"missing,omitempty"`
	Quarantined bool         `json:"quarantined,omitempty"`
	BelowJoin   bool         `json:"belowJoin,omitempty"`
	Receipt     *receiptData `json:"receipt,omitempty"`
	Gap         *gapData     `json:"gap,omitempty"`
}

type receiptData struct {
	Level       Level  `json:"level"`
	Seen        int    `json:"seen"`
	Of          int    `json:"of"`
	Possibly    int    `json:"possibly,omitempty"`
	Claimed     bool   `json:"claimed,omitempty"`
	Undelivered bool   `json:"undelivered,omitempty"`
	Persons     []text `json:"persons,omitempty"`
}

type gapData struct {
	State  GapState `json:"state"`
	Sender text     `json:"sender,omitempty"`
	Hint   []byte   `json:"hint,omitempty"`
}

// text is a string of the network. JSON can't hold one that is not UTF-8: it
// becomes a list of its bytes in base64.
type text string

func (t text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return json.Marshal(string(t))
	}
	return json.Marshal([][]byte{[]byte(t)})
}

func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		var list [][]byte
		if err := json.Unmarshal(b, &list); err != nil || len(list) != 1 {
			return errors.New("not a list of one string")
		}
		*t = text(list[0])
		return nil
	}
	return json.Unmarshal(b, (*string)(t))
}

// convert turns strings of one kind into another.
func convert[To, From ~string](from []From) []To {
	if from == nil {
		return nil
	}
	to := make([]To, len(from))
	for i, s := range from {
		to[i] = To(s)
	}
	return to
}

func arrivedEvent(c *Channel, a *sds.Arrival) Event {
	m := &Message{ID: a.ID, Sender: a.Sender, Lamport: a.Lamport, Content: a.Content, Own: a.Sender == c.cfg.Participant,
		Ephemeral: a.Kind == wire.Ephemeral, Quarantined: a.Quarantined, BelowJoin: a.BelowJoin}
	for _, e := range a.Missing {
		m.Missing = append(m.Missing, e.MessageID)
	}
	return Event{Kind: EventArrived, ID: a.ID, Message: m}
}

func deliveredEvent(c *Channel, d *sds.Delivery) Event {
	return Event{Kind: EventDelivered, ID: d.ID, Message: &Message{ID: d.ID, Sender: d.Sender, Lamport: d.Lamport,
		Position: d.Position, Content: d.Content, Own: d.Own, Late: d.Late, Gaps: d.Gaps}}
}

func receiptEvent(r *sds.Receipt) Event {
	return Event{Kind: EventReceipt, ID: r.ID, Receipt: &ReceiptNow{ID: r.ID, Level: r.Level, Seen: r.Seen, Of: r.Of,
		Possibly: r.Possibly, Claimed: r.Claimed, Undelivered: r.Undelivered, Persons: r.Persons}}
}

func gapEvent(g *sds.Gap) Event {
	return Event{Kind: EventGap, ID: g.ID, Gap: &Gap{ID: g.ID, State: g.State, Sender: g.Sender, Hint: g.Hint}}
}

// record returns the event as the store keeps it.
func (e *Event) record() store.Event {
	var d eventData
	if m := e.Message; m != nil {
		d = eventData{Position: m.Position, Sender: text(m.Sender), Lamport: m.Lamport, Own: m.Own, Ephemeral: m.Ephemeral,
			Late: m.Late, Gaps: convert[text](m.Gaps), Missing: convert[text](m.Missing), Quarantined: m.Quarantined, BelowJoin: m.BelowJoin}
		if m.Ephemeral {
			d.Content = m.Content
		}
	}
	if r := e.Receipt; r != nil {
		d.Receipt = &receiptData{r.Level, r.Seen, r.Of, r.Possibly, r.Claimed, r.Undelivered, convert[text](r.Persons)}
	}
	if g := e.Gap; g != nil {
		d.Gap = &gapData{g.State, text(g.Sender), g.Hint}
	}
	data, err := json.Marshal(d)
	if err != nil { // strings, numbers and bytes alone
		panic(err)
	}
	return store.Event{Cursor: e.Cursor, Channel: e.Channel, At: sds.At(e.At), Kind: uint8(e.Kind), ID: e.ID, Data: data}
}

// eventOf reads an event from the store; content of the log is not in it.
func eventOf(r *store.Event) (Event, error) {
	var d eventData
	if err := json.Unmarshal(r.Data, &d); err != nil {
		return Event{}, fmt.Errorf("causeway: event %d: %w: %w", r.Cursor, store.ErrCorrupt, err)
	}
	e := Event{Cursor: r.Cursor, Channel: r.Channel, At: timeOf(r.At), Kind: EventKind(r.Kind), ID: r.ID}
	switch {
	case d.Receipt != nil:
		e.Receipt = &ReceiptNow{ID: r.ID, Level: d.Receipt.Level, Seen: d.Receipt.Seen, Of: d.Receipt.Of,
			Possibly: d.Receipt.Possibly, Claimed: d.Receipt.Claimed, Undelivered: d.Receipt.Undelivered, Persons: convert[PersonID](d.Receipt.Persons)}
	case d.Gap != nil:
		e.Gap = &Gap{ID: r.ID, State: d.Gap.State, Sender: ParticipantID(d.Gap.Sender), Hint: d.Gap.Hint, At: e.At}
	default:
		e.Message = &Message{ID: r.ID, Sender: ParticipantID(d.Sender), Lamport: d.Lamport, Position: d.Position, Content: d.Content,
			Own: d.Own, Ephemeral: d.Ephemeral, Late: d.Late, Gaps: convert[MessageID](d.Gaps), Missing: convert[MessageID](d.Missing),
			Quarantined: d.Quarantined, BelowJoin: d.BelowJoin}
	}
	return e, nil
}

func timeOf(t sds.Time) time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(t))
}
