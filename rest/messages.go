package rest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
)

// Message is a message as the API tells it.
type Message struct {
	ID          Text   `json:"id"`
	Sender      Text   `json:"sender"`
	Lamport     uint64 `json:"lamport"`
	Position    uint64 `json:"position"` // 0 while it has no place
	Payload     []byte `json:"payload"`  // null if it is not here
	Own         bool   `json:"own"`
	Ephemeral   bool   `json:"ephemeral,omitempty"`
	Late        bool   `json:"late,omitempty"`
	Waited      bool   `json:"waited,omitempty"`
	Retrieved   bool   `json:"retrieved,omitempty"`
	Quarantined bool   `json:"quarantined,omitempty"`
	BelowJoin   bool   `json:"belowJoin,omitempty"`
	Segments    int    `json:"segments,omitempty"` // how many messages it travelled in
	Damaged     bool   `json:"damaged,omitempty"`
	Part        bool   `json:"part,omitempty"` // it is one of those
	Gaps        []Text `json:"gaps,omitempty"`
	Missing     []Text `json:"missing,omitempty"`
	Parents     []Text `json:"parents,omitempty"`
	Hint        []byte `json:"hint,omitempty"`
}

func messageOf(m *causeway.Message) *Message {
	return &Message{ID: Text(m.ID), Sender: Text(m.Sender), Lamport: m.Lamport, Position: uint64(m.Position), Payload: m.Content, Own: m.Own,
		Ephemeral: m.Ephemeral, Late: m.Late, Waited: m.Waited, Retrieved: m.Retrieved, Quarantined: m.Quarantined, BelowJoin: m.BelowJoin,
		Segments: m.Segments, Damaged: m.Damaged, Part: m.Part,
		Gaps: texts(m.Gaps), Missing: texts(m.Missing), Parents: texts(m.Parents), Hint: m.Hint}
}

// sending is the body of POST …/messages.
type sending struct {
	Payload   blob     `json:"payload"`
	Want      string   `json:"want"`
	Fraction  *float64 `json:"fraction"`
	Persons   []Text   `json:"persons"`
	Ephemeral bool     `json:"ephemeral"`
	ID        Text     `json:"id"`
	Replace   string   `json:"replace"`
	Priority  string   `json:"priority"`
}

// want reads how far a message is to come.
func (s *sending) want() (causeway.Want, error) {
	switch {
	case s.Fraction != nil && s.Want != "fraction":
		return causeway.Want{}, bad("fraction", nil, "is for the want fraction")
	case s.Persons != nil && s.Want != "persons":
		return causeway.Want{}, bad("persons", nil, "is for the want persons")
	}
	switch s.Want {
	case "", "one":
		return causeway.AtLeastOne, nil
	case "stewards":
		return causeway.Stewards, nil
	case "everyone":
		return causeway.Everyone, nil
	case "fraction":
		if s.Fraction == nil || !(*s.Fraction > 0 && *s.Fraction <= 1) {
			return causeway.Want{}, bad("fraction", 1, "must be above 0 and at most 1")
		}
		return causeway.Fraction(*s.Fraction), nil
	case "persons":
		if len(s.Persons) == 0 {
			return causeway.Want{}, bad("persons", 1, "must name somebody")
		}
		return causeway.Persons(strs[causeway.PersonID](s.Persons)...), nil
	}
	return causeway.Want{}, bad("want", []string{"one", "fraction", "persons", "stewards", "everyone"},
		"must be one, fraction, persons, stewards or everyone")
}

var priorities = map[string]causeway.Priority{"": causeway.PriorityNormal, "low": causeway.PriorityLow,
	"normal": causeway.PriorityNormal, "high": causeway.PriorityHigh}

func (c *call) options(s *sending) (o causeway.SendOptions, err error) {
	if o.Want, err = s.want(); err != nil {
		return o, err
	}
	priority, ok := priorities[s.Priority]
	if !ok {
		return o, bad("priority", []string{"low", "normal", "high"}, "must be low, normal or high")
	}
	if len(s.Payload) > c.o.MaxPayload {
		return o, &Problem{Status: http.StatusRequestEntityTooLarge, Code: "payload_too_large", Field: "payload", Limit: c.o.MaxPayload,
			Detail: fmt.Sprintf("payload has %d bytes, at most %d go into a message here", len(s.Payload), c.o.MaxPayload)}
	}
	o.Ephemeral, o.ID, o.Replace, o.Priority = s.Ephemeral, causeway.MessageID(s.ID), s.Replace, priority
	return o, nil
}

// send sends a message. What it answers is durable.
func (c *call) send() (any, error) {
	ch, err := c.channel()
	if err != nil {
		return nil, err
	}
	var body sending
	if err := c.body(&body); err != nil {
		return nil, err
	}
	o, err := c.options(&body)
	if err != nil {
		return nil, err
	}
	receipt, err := ch.Send(c.ctx, body.Payload, o)
	if err != nil {
		return nil, err
	}
	id := Text(receipt.ID())
	c.w.Header().Set("Location", "/v1/channels/"+url.PathEscape(Text(ch.ID()).String())+"/messages/"+url.PathEscape(id.String()))
	c.status = http.StatusCreated
	return map[string]Text{"id": id}, nil
}

// messages returns a page of the log.
func (c *call) messages() (any, error) {
	ch, err := c.channel()
	if err != nil {
		return nil, err
	}
	q, err := c.query("order", "descending", "after", "limit")
	if err != nil {
		return nil, err
	}
	log, err := logOf(q)
	if err != nil {
		return nil, err
	}
	page, more, err := ch.Messages(c.ctx, log)
	if err != nil {
		return nil, err
	}
	list := make([]*Message, len(page))
	next := q.Get("after")
	for i := range page {
		list[i] = messageOf(&page[i])
		next = cursorOf(log.ByPosition, &page[i])
	}
	return map[string]any{"messages": list, "next": next, "more": more}, nil
}

func logOf(q url.Values) (log causeway.Log, err error) {
	if log.Limit, err = number(q, "limit", 100, 1, 1000); err != nil {
		return log, err
	}
	if log.Descending, err = flag(q, "descending"); err != nil {
		return log, err
	}
	switch q.Get("order") {
	case "", "place":
	case "position":
		log.ByPosition = true
	default:
		return log, bad("order", []string{"place", "position"}, "must be place or position")
	}
	after := q.Get("after")
	if after == "" {
		return log, nil
	}
	if log.ByPosition {
		n, err := strconv.ParseUint(after, 10, 63)
		log.AfterPosition = causeway.Position(n)
		if err != nil {
			return log, bad("after", nil, "must be a position, such as next of the page before")
		}
		return log, nil
	}
	lamport, id, ok := strings.Cut(after, "-")
	n, err := strconv.ParseUint(lamport, 10, 63)
	decoded, errID := hex.DecodeString(id)
	if !ok || err != nil || errID != nil {
		return log, bad("after", nil, "must be next of the page before")
	}
	log.After = causeway.Place{Lamport: n, ID: causeway.MessageID(decoded)}
	return log, nil
}

// cursorOf says where a page that ends with m goes on.
func cursorOf(byPosition bool, m *causeway.Message) string {
	if byPosition {
		return strconv.FormatUint(uint64(m.Position), 10)
	}
	return strconv.FormatUint(m.Lamport, 10) + "-" + hex.EncodeToString([]byte(m.ID))
}

// messageAndReceipt is one message, with its receipt if it is ours.
type messageAndReceipt struct {
	*Message
	Receipt *Receipt `json:"receipt,omitempty"`
}

func (c *call) message() (any, error) {
	if _, err := c.query(); err != nil {
		return nil, err
	}
	ch, id, err := c.named()
	if err != nil {
		return nil, err
	}
	m, err := ch.Message(c.ctx, id)
	if err != nil {
		return nil, err
	}
	answer := messageAndReceipt{Message: messageOf(&m)}
	now, err := ch.Receipt(id).Now(c.ctx)
	switch {
	case err == nil:
		answer.Receipt = receiptOf(&now, false)
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	return answer, nil
}

// named returns the channel and the message of the path.
func (c *call) named() (*causeway.Channel, causeway.MessageID, error) {
	ch, err := c.channel()
	if err != nil {
		return nil, "", err
	}
	id, err := c.path("message")
	return ch, causeway.MessageID(id), err
}

// gaps lists what is missing.
func (c *call) gaps() (any, error) {
	ch, err := c.channel()
	if err != nil {
		return nil, err
	}
	q, err := c.query("after", "limit")
	if err != nil {
		return nil, err
	}
	limit, err := number(q, "limit", 100, 1, 1000)
	if err != nil {
		return nil, err
	}
	after, err := ParseText(q.Get("after"))
	if err != nil {
		return nil, bad("after", nil, "%v", err)
	}
	page, err := ch.Gaps(c.ctx, causeway.MessageID(after), limit)
	if err != nil {
		return nil, err
	}
	list := make([]*Gap, len(page))
	for i := range page {
		list[i] = gapOf(&page[i])
		after = list[i].ID
	}
	return map[string]any{"gaps": list, "next": after, "more": len(page) == limit}, nil
}

// Gap is a message that is or was missing.
type Gap struct {
	ID        Text   `json:"id"`
	State     string `json:"state"`
	Sender    Text   `json:"sender"` // "" if nobody said
	Hint      []byte `json:"hint,omitempty"`
	Timestamp int64  `json:"timestamp"`
}

func gapOf(g *causeway.Gap) *Gap {
	return &Gap{ID: Text(g.ID), State: g.State.String(), Sender: Text(g.Sender), Hint: g.Hint, Timestamp: nanos(g.At)}
}

// Digest says what a log has: two logs are the same if and only if these are.
type Digest struct {
	Count uint64 `json:"count"`
	Hash  string `json:"hash"` // hex
}

func (c *call) digest() (any, error) {
	ch, err := c.channel()
	if err != nil {
		return nil, err
	}
	d, err := ch.Digest(c.ctx)
	if err != nil {
		return nil, err
	}
	return Digest{d.Count, hex.EncodeToString(d.Hash[:])}, nil
}

// maxCompared is how many digests are compared at once.
const maxCompared = 10_000

// compare says which of several logs are the same.
func (c *call) compare() (any, error) {
	var body struct {
		Digests map[Text]Digest `json:"digests"`
	}
	if err := c.body(&body); err != nil {
		return nil, err
	}
	if n := len(body.Digests); n < 1 || n > maxCompared {
		return nil, bad("digests", maxCompared, "has %d entries, must have from 1 to %d", n, maxCompared)
	}
	return compareDigests(body.Digests), nil
}
