package js

import (
	"errors"
	"fmt"
	"testing"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// node is an sds.Channel in the JS dialect, the state machine of causeway.Node,
// behind the commands of the language. Two of them mean something else here:
// "sweep" lets its timers fire, and "sync" takes its network away and gives it
// back, after which it greets the others with a sync.
type node struct {
	t       *testing.T
	who     string
	channel *sds.Channel
	now     sds.Time
	stored  map[sds.MessageID][]byte
	durable sds.State
	acked   map[sds.MessageID]bool
}

func newNode(t *testing.T, who string, change func(*sds.Config)) *node {
	t.Helper()
	cfg := sds.Config{Channel: room, Participant: sds.ParticipantID(who), Dialect: sds.JS, Seed: 1}
	if change != nil {
		change(&cfg)
	}
	c, err := sds.New(cfg, begin)
	if err != nil {
		t.Fatal(err)
	}
	return &node{t: t, who: who, channel: c, now: begin, stored: map[sds.MessageID][]byte{}, acked: map[sds.MessageID]bool{}}
}

func (n *node) name() string { return n.who }

func (n *node) at(now int64) { n.now = sds.Time(now) }

func (n *node) do(cmd string, args with) []event {
	n.t.Helper()
	content, _ := args["content"].([]byte)
	var err error
	switch cmd {
	case "send":
		_, err = n.channel.Send(n.now, content, sds.SendOptions{})
	case "ephemeral":
		_, err = n.channel.Send(n.now, content, sds.SendOptions{Ephemeral: true})
	case "receive":
		err = n.receive(args["payload"].([]byte))
	case "sweep":
		n.channel.Tick(n.now)
	case "sync":
		n.channel.SetOnline(n.now, false)
		n.channel.SetOnline(n.now, true)
	case "state":
		return []event{n.state()}
	default:
		err = errors.New("unknown command " + cmd)
	}
	events := n.drain()
	if err != nil {
		events = append(events, event{Event: "error", Message: err.Error()})
	}
	return events
}

func (n *node) receive(payload []byte) error {
	m, err := wire.Decode(payload)
	if err != nil {
		return err
	}
	if err := n.channel.Receive(n.now, m, sds.Origin{}); err != nil {
		return err
	}
	if m.Kind() == wire.Content {
		n.stored[m.MessageID] = payload
	}
	return nil
}

// drain does what the channel wants done, and says it in the language.
func (n *node) drain() (events []event) {
	n.t.Helper()
	for {
		r := n.channel.Ready()
		if r.Empty() {
			return events
		}
		n.durable.Apply(r.Changes)
		events = append(events, n.told(r)...)
		packets := append([]sds.Packet(nil), r.Packets...)
		n.channel.Advance()
		for _, p := range packets {
			if p.Payload == nil {
				p.Payload = n.stored[p.ID]
			}
			if p.Payload == nil {
				n.t.Fatalf("%s sends %s, which it has not", n.who, p.ID)
			}
			n.stored[p.ID] = p.Payload
			n.channel.Handed(n.now, p.Serial, nil, nil)
			events = append(events, event{Event: "out", Kind: p.Class.String(), ID: string(p.ID), Payload: p.Payload})
		}
	}
}

// told are the events of what a channel tells its application.
func (n *node) told(r sds.Ready) (events []event) {
	if len(r.Lookups) > 0 {
		n.t.Fatalf("%s looks up %v", n.who, r.Lookups)
	}
	for _, a := range r.Arrivals {
		name := "received"
		if a.Kind == wire.Ephemeral {
			name = "ephemeral"
		}
		events = append(events, event{Event: name, ID: string(a.ID), SenderID: string(a.Sender), Content: a.Content})
	}
	for _, g := range r.Gaps {
		switch g.State {
		case sds.GapMissing:
			events = append(events, event{Event: "missing", IDs: []string{string(g.ID)}})
		case sds.GapSkipped:
			events = append(events, event{Event: "lost", IDs: []string{string(g.ID)}})
		}
	}
	for _, d := range r.Deliveries {
		if d.Own {
			continue
		}
		e := event{Event: "delivered", ID: string(d.ID), SenderID: string(d.Sender), Lamport: fmt.Sprint(d.Lamport), Content: d.Content}
		for _, id := range d.Gaps {
			e.Gaps = append(e.Gaps, string(id))
		}
		events = append(events, e)
	}
	for _, receipt := range r.Receipts {
		if receipt.Seen > 0 && !n.acked[receipt.ID] {
			n.acked[receipt.ID] = true
			events = append(events, event{Event: "acked", ID: string(receipt.ID)})
		} else if receipt.Seen == 0 && receipt.Possibly > 0 {
			events = append(events, event{Event: "possiblyAcked", ID: string(receipt.ID), Count: receipt.Possibly})
		}
	}
	return events
}

func (n *node) state() event {
	e := event{Event: "state", Lamport: fmt.Sprint(n.channel.Meta().Lamport)}
	for _, m := range n.durable.Log() {
		e.History = append(e.History, struct{ ID, SenderID, Lamport string }{string(m.ID), string(m.Sender), fmt.Sprint(m.Lamport)})
		if m.Sender == sds.ParticipantID(n.who) && !n.acked[m.ID] {
			e.Outgoing = append(e.Outgoing, string(m.ID))
		}
	}
	for id, m := range n.durable.Messages {
		if m.State == sds.StateParked {
			e.Incoming = append(e.Incoming, string(id))
		}
	}
	return e
}
