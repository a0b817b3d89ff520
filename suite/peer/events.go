package peer

import (
	"encoding/json"
	"strconv"

	"github.com/causeway-im/causeway/sds/wire"
)

// The events. Each is one line; Event is its name. Byte slices become base64.

type readyEvent struct {
	Event          string `json:"event"`
	Implementation string `json:"implementation"`
	Channel        string `json:"channel"`
	Sender         string `json:"sender"`
	Dialect        string `json:"dialect"`
	CausalHistory  int    `json:"causalHistory"`
	PossibleAcks   int    `json:"possibleAcks"`
	LostTimeoutMs  int64  `json:"lostTimeoutMs"`
	Repair         bool   `json:"repair"`
	RepairBuffer   int    `json:"repairBuffer"`
	TMin           int64  `json:"tMin"`
	TMax           int64  `json:"tMax"`
	Groups         int    `json:"groups"`
}

// outEvent is something to broadcast.
type outEvent struct {
	Event   string         `json:"event"` // "out"
	Kind    string         `json:"kind"`
	Payload []byte         `json:"payload"`
	ID      wire.MessageID `json:"id"`
}

// idEvent is "sent" or "acked".
type idEvent struct {
	Event string         `json:"event"`
	ID    wire.MessageID `json:"id"`
}

// messageEvent is "received", "syncReceived", "ephemeral" or "delivered". Lamport
// is nil in "ephemeral". Gaps are dependencies that were given up.
type messageEvent struct {
	Event    string             `json:"event"`
	ID       wire.MessageID     `json:"id"`
	SenderID wire.ParticipantID `json:"senderId"`
	Lamport  *lamport           `json:"lamport,omitempty"`
	Content  []byte             `json:"content,omitempty"`
	Gaps     []wire.MessageID   `json:"gaps,omitempty"`
}

type possiblyEvent struct {
	Event string         `json:"event"` // "possiblyAcked"
	ID    wire.MessageID `json:"id"`
	Count int            `json:"count"`
}

// missingEvent is "missing" or "lost".
type missingEvent struct {
	Event   string           `json:"event"`
	IDs     []wire.MessageID `json:"ids"`
	Entries []entry          `json:"entries"`
}

type requestReceivedEvent struct {
	Event    string             `json:"event"` // "repairRequestReceived"
	IDs      []wire.MessageID   `json:"ids"`
	SenderID wire.ParticipantID `json:"senderId"`
}

type requestQueuedEvent struct {
	Event string         `json:"event"` // "repairRequestQueued"
	ID    wire.MessageID `json:"id"`
	TReq  int64          `json:"tReq"`
}

type responseQueuedEvent struct {
	Event string         `json:"event"` // "repairResponseQueued"
	ID    wire.MessageID `json:"id"`
	TResp int64          `json:"tResp"`
}

// outgoingEvent is what a sweep finds not acknowledged.
type outgoingEvent struct {
	Event                string           `json:"event"` // "outgoing"
	Unacknowledged       []wire.MessageID `json:"unacknowledged"`
	PossiblyAcknowledged []wire.MessageID `json:"possiblyAcknowledged"`
}

type stateEvent struct {
	Event    string           `json:"event"` // "state"
	Lamport  lamport          `json:"lamport"`
	History  []logged         `json:"history"`
	Incoming []wire.MessageID `json:"incoming"`
	Outgoing []wire.MessageID `json:"outgoing"`
}

type logged struct {
	ID       wire.MessageID     `json:"id"`
	SenderID wire.ParticipantID `json:"senderId"`
	Lamport  lamport            `json:"lamport"`
}

// decodedEvent is a message as it stands on the wire. An optional field that is
// absent there is absent here.
type decodedEvent struct {
	Event         string             `json:"event"` // "decoded"
	Dialect       string             `json:"dialect"`
	Kind          string             `json:"kind"`
	ID            wire.MessageID     `json:"id"`
	SenderID      wire.ParticipantID `json:"senderId"`
	ChannelID     wire.ChannelID     `json:"channelId"`
	Lamport       *lamport           `json:"lamport,omitempty"`
	CausalHistory []entry            `json:"causalHistory"`
	RepairRequest []entry            `json:"repairRequest"`
	BloomFilter   *[]byte            `json:"bloomFilter,omitempty"`
	Content       *[]byte            `json:"content,omitempty"`
}

// entry is one of a causal history or a repair request.
type entry struct {
	ID            wire.MessageID     `json:"id"`
	SenderID      wire.ParticipantID `json:"senderId,omitempty"`
	RetrievalHint []byte             `json:"retrievalHint,omitempty"`
}

// nameEvent has nothing but its name: "syncSkipped".
type nameEvent struct {
	Event string `json:"event"`
}

// problemEvent is "error" or "undecodable".
type problemEvent struct {
	Event   string `json:"event"`
	Message string `json:"message"`
}

type doneEvent struct {
	Event string          `json:"event"` // "done"
	Cmd   string          `json:"cmd"`
	Seq   json.RawMessage `json:"seq,omitempty"`
}

// lamport is a Lamport timestamp, which JSON numbers can't hold: a decimal string.
type lamport uint64

func (l lamport) MarshalText() ([]byte, error) { return strconv.AppendUint(nil, uint64(l), 10), nil }

func entriesOf(history []wire.HistoryEntry) []entry {
	entries := make([]entry, len(history))
	for i, e := range history {
		entries[i] = entry{e.MessageID, e.SenderID, e.RetrievalHint}
	}
	return entries
}

// newMissing lists entries under one of the names of missingEvent.
func newMissing(name string, history []wire.HistoryEntry) missingEvent {
	ids := make([]wire.MessageID, len(history))
	for i, e := range history {
		ids[i] = e.MessageID
	}
	return missingEvent{name, ids, entriesOf(history)}
}

func newDecoded(m *wire.Message) decodedEvent {
	e := decodedEvent{Event: "decoded", Dialect: m.Dialect.String(), Kind: m.Kind().String(), ID: m.MessageID,
		SenderID: m.SenderID, ChannelID: m.ChannelID,
		CausalHistory: entriesOf(m.CausalHistory), RepairRequest: entriesOf(m.RepairRequest)}
	if m.HasLamport {
		l := lamport(m.Lamport)
		e.Lamport = &l
	}
	if m.BloomFilter != nil {
		e.BloomFilter = &m.BloomFilter
	}
	if m.Content != nil {
		e.Content = &m.Content
	}
	return e
}
