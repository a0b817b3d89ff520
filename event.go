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
	// EventBudget: the node came near to its quota, or away from it. It belongs to
	// no channel.
	EventBudget
	// EventSync: the channel began to miss messages, has them all again, or gave some
	// up for good.
	EventSync
	// EventProgress: a part of a payload came that is too large for one message, and
	// more are needed.
	EventProgress
	// EventTampered: packets came that the Sealer says were tampered with. There is
	// one at once and then one in a minute at most.
	EventTampered
)

// String returns "arrived", "delivered", "receipt", "gap", "budget", "sync", "progress" or "tampered".
func (k EventKind) String() string {
	names := [...]string{"", "arrived", "delivered", "receipt", "gap", "budget", "sync", "progress", "tampered"}
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

	Message *Message      // of EventArrived and EventDelivered
	Receipt *ReceiptNow   // of EventReceipt
	Gap     *Gap          // of EventGap
	Budget  *BudgetChange // of EventBudget
	Sync    *SyncChange   // of EventSync

	Progress *Progress // of EventProgress
	Tampered int       // of EventTampered: how many packets since the one before
}

// BudgetChange says how near a node is to its quota now.
type BudgetChange struct {
	Level    BudgetLevel
	Used, Of int // packets; content has to wait before all are used (Quota)
}

// Message is a message as a reader sees it. Late, Waited, Retrieved, Gaps,
// Missing, Quarantined and BelowJoin are set in events alone, Parents and Hint in
// what is read from the log.
type Message struct {
	ID      MessageID
	Sender  ParticipantID
	Lamport uint64
	// Position is where it stands in the order of arrival, 0 while it has no place.
	Position Position
	// Content is nil if the message is known and its bytes are not here, or the Sealer
	// can't open them any more.
	Content []byte
	Own     bool
	// Segments is how many messages it travelled in, if those are more than one.
	Segments int
	// Damaged is set when these do not fit together: their sender lied, or some can't
	// be opened. There is no Content then.
	Damaged bool
	// Part is set in what Channel.Message returns for one of these messages.
	Part bool
	// Ephemeral messages are neither in the log nor acknowledged.
	Ephemeral bool
	// Late is set when messages that depend on this one were delivered before it.
	Late bool
	// Waited is set in EventDelivered when there was an EventArrived before.
	Waited bool
	// Retrieved is set when it came from a store of the network, not by broadcast.
	Retrieved bool
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
	Waited      bool         `json:"waited,omitempty"`
	Retrieved   bool         `json:"retrieved,omitempty"`
	Gaps        []text       `json:"gaps,omitempty"`
	Missing     []text       `json:"missing,omitempty"`
	Quarantined bool         `json:"quarantined,omitempty"`
	BelowJoin   bool         `json:"belowJoin,omitempty"`
	Receipt     *receiptData `json:"receipt,omitempty"`
	Gap         *gapData     `json:"gap,omitempty"`
	Budget      *budgetData  `json:"budget,omitempty"`
	Sync        *syncData    `json:"sync,omitempty"`
	Segments    int          `json:"segments,omitempty"`

	Progress *progressData `json:"progress,omitempty"`
	Tampered int           `json:"tampered,omitempty"`
}

type budgetData struct {
	Level BudgetLevel `json:"level"`
	Used  int         `json:"used"`
	Of    int         `json:"of"`
}

type syncData struct {
	Synced   bool     `json:"synced,omitempty"`
	Received Position `json:"received"`
	Missing  int      `json:"missing,omitempty"`
	Lost     int      `json:"lost,omitempty"`
}

type progressData struct {
	Sender  text   `json:"sender"`
	Hash    []byte `json:"hash"`
	Length  uint64 `json:"length"`
	Held    int    `json:"held"`
	Of      int    `json:"of"`
	Dropped bool   `json:"dropped,omitempty"`
}

type estimateData struct {
	Verdict Verdict `json:"verdict"`
	Sample  int     `json:"sample"`
	Heard   int     `json:"heard"`
	Low     float64 `json:"low"`
	High    float64 `json:"high"`
}

type receiptData struct {
	Level       Level         `json:"level"`
	Seen        int           `json:"seen"`
	Of          int           `json:"of"`
	Present     int           `json:"present,omitempty"`
	Estimate    *estimateData `json:"estimate,omitempty"`
	Possibly    int           `json:"possibly,omitempty"`
	Claimed     bool          `json:"claimed,omitempty"`
	Undelivered bool          `json:"undelivered,omitempty"`
	Superseded  text          `json:"superseded,omitempty"`
	Persons     []text        `json:"persons,omitempty"`
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
		Present: r.Present, Estimate: r.Estimate, Possibly: r.Possibly, Claimed: r.Claimed, Undelivered: r.Undelivered,
		Superseded: r.Superseded, Persons: r.Persons}}
}

func gapEvent(g *sds.Gap) Event {
	return Event{Kind: EventGap, ID: g.ID, Gap: &Gap{ID: g.ID, State: g.State, Sender: g.Sender, Hint: g.Hint}}
}

// record returns the event as the store keeps it.
func (e *Event) record() store.Event {
	var d eventData
	if m := e.Message; m != nil {
		d = eventData{Position: m.Position, Sender: text(m.Sender), Lamport: m.Lamport, Own: m.Own, Ephemeral: m.Ephemeral, Segments: m.Segments,
			Late: m.Late, Waited: m.Waited, Retrieved: m.Retrieved, Gaps: convert[text](m.Gaps), Missing: convert[text](m.Missing), Quarantined: m.Quarantined, BelowJoin: m.BelowJoin}
		if m.Ephemeral {
			d.Content = m.Content
		}
	}
	if r := e.Receipt; r != nil {
		d.Receipt = &receiptData{Level: r.Level, Seen: r.Seen, Of: r.Of, Present: r.Present, Possibly: r.Possibly,
			Claimed: r.Claimed, Undelivered: r.Undelivered, Superseded: text(r.Superseded), Persons: convert[text](r.Persons)}
		if e := r.Estimate; e != (Estimate{}) {
			d.Receipt.Estimate = &estimateData{e.Verdict, e.Sample, e.Heard, e.Low, e.High}
		}
	}
	if g := e.Gap; g != nil {
		d.Gap = &gapData{g.State, text(g.Sender), g.Hint}
	}
	if b := e.Budget; b != nil {
		d.Budget = (*budgetData)(b)
	}
	if s := e.Sync; s != nil {
		d.Sync = (*syncData)(s)
	}
	if p := e.Progress; p != nil {
		d.Progress = &progressData{text(p.Sender), p.Hash[:], p.Length, p.Held, p.Of, p.Dropped}
	}
	d.Tampered = e.Tampered
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
			Present: d.Receipt.Present, Possibly: d.Receipt.Possibly, Claimed: d.Receipt.Claimed,
			Undelivered: d.Receipt.Undelivered, Superseded: MessageID(d.Receipt.Superseded), Persons: convert[PersonID](d.Receipt.Persons)}
		if s := d.Receipt.Estimate; s != nil {
			e.Receipt.Estimate = Estimate{Verdict: s.Verdict, Sample: s.Sample, Heard: s.Heard, Low: s.Low, High: s.High}
		}
	case d.Gap != nil:
		e.Gap = &Gap{ID: r.ID, State: d.Gap.State, Sender: ParticipantID(d.Gap.Sender), Hint: d.Gap.Hint, At: e.At}
	case d.Budget != nil:
		e.Budget = (*BudgetChange)(d.Budget)
	case d.Sync != nil:
		e.Sync = (*SyncChange)(d.Sync)
	case d.Tampered > 0:
		e.Tampered = d.Tampered
	case d.Progress != nil:
		p := d.Progress
		e.Progress = &Progress{Sender: ParticipantID(p.Sender), Length: p.Length, Held: p.Held, Of: p.Of, Dropped: p.Dropped}
		copy(e.Progress.Hash[:], p.Hash)
	default:
		e.Message = &Message{ID: r.ID, Sender: ParticipantID(d.Sender), Lamport: d.Lamport, Position: d.Position, Content: d.Content,
			Own: d.Own, Ephemeral: d.Ephemeral, Segments: d.Segments, Late: d.Late, Waited: d.Waited, Retrieved: d.Retrieved, Gaps: convert[MessageID](d.Gaps), Missing: convert[MessageID](d.Missing),
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
