package second

import (
	"strconv"
	"testing"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// node is an sds.Channel behind the commands of the language. "sweep" lets its timers
// fire; it needs nobody to tell it to sync.
type node struct {
	channel *sds.Channel
	stored  map[sds.MessageID][]byte
	durable sds.State
	seen    map[sds.MessageID]bool
}

func startNode(t *testing.T, who string, dialect sds.Dialect) *node {
	t.Helper()
	cfg := sds.Config{Channel: room, Participant: sds.ParticipantID(who), Dialect: dialect, Seed: 1}
	c, err := sds.New(cfg, begin)
	if err != nil {
		t.Fatal(err)
	}
	return &node{channel: c, stored: map[sds.MessageID][]byte{}, seen: map[sds.MessageID]bool{}}
}

func (n *node) do(t *testing.T, now int64, cmd string, args map[string]any) []event {
	t.Helper()
	at := sds.Time(now)
	switch cmd {
	case "send":
		if _, err := n.channel.Send(at, args["content"].([]byte), sds.SendOptions{}); err != nil {
			t.Fatal(err)
		}
	case "receive":
		payload := args["payload"].([]byte)
		m, err := wire.Decode(payload)
		if err != nil {
			t.Fatal(err)
		}
		if err := n.channel.Receive(at, m, sds.Origin{}); err != nil {
			t.Fatal(err)
		}
		if m.Kind() == wire.Content {
			n.stored[m.MessageID] = payload
		}
	case "sweep":
		n.channel.Tick(at)
	case "state":
		return []event{n.state()}
	}
	return n.drain(t, at)
}

// drain does what the channel wants done. What it broadcasts are its events, and "acked"
// for each message that a first person is proved to have.
func (n *node) drain(t *testing.T, now sds.Time) (events []event) {
	t.Helper()
	for {
		r := n.channel.Ready()
		if r.Empty() {
			return events
		}
		n.durable.Apply(r.Changes)
		for _, receipt := range r.Receipts {
			if receipt.Seen > 0 && !n.seen[receipt.ID] {
				n.seen[receipt.ID] = true
				events = append(events, event{Event: "acked", ID: string(receipt.ID)})
			}
		}
		packets := append([]sds.Packet(nil), r.Packets...)
		n.channel.Advance()
		for _, p := range packets {
			if p.Payload == nil {
				p.Payload = n.stored[p.ID]
			}
			n.stored[p.ID] = p.Payload
			n.channel.Handed(now, p.Serial, nil, nil)
			events = append(events, event{Event: "out", Kind: p.Class.String(), ID: string(p.ID), Payload: p.Payload})
		}
	}
}

func (n *node) state() event {
	e := event{Event: "state"}
	for _, m := range n.durable.Log() {
		e.History = append(e.History, place{string(m.ID), string(m.Sender), strconv.FormatUint(m.Lamport, 10)})
	}
	for id, m := range n.durable.Messages {
		if m.State == sds.StateParked {
			e.Incoming = append(e.Incoming, string(id))
		}
	}
	return e
}
