package conformance

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"strconv"
	"testing"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// TestChannel: sds.Channel, which nodes run, holds the dialogues, too. It has timers where
// a peer is driven, so what a peer says at a sweep or a sync it may say when time passes.
func TestChannel(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.String(), func(t *testing.T) {
			for _, r := range results(t, d, channel(t, d)) {
				if !r.Holds {
					t.Errorf("%v %s: %s", r.Requirements, r.Name, r.Problem)
				}
			}
		})
	}
}

// talker is a channel behind the commands of the language.
type talker struct {
	t      *testing.T
	c      *sds.Channel
	now    sds.Time
	stored map[sds.MessageID][]byte
	sent   map[sds.MessageID]bool
	seen   map[sds.MessageID]bool
	log    sds.State
	say    func(with)
}

func channel(t *testing.T, d sds.Dialect) Start {
	return func(_ context.Context, flags []string) (*Conn, error) {
		peer, err := config(flags)
		if err != nil {
			return nil, err
		}
		now := sds.Time(*peer.Now)
		c, err := sds.New(sds.Config{Channel: peer.Channel, Participant: peer.Sender, Dialect: d, Seed: 1, GapAfter: peer.LostTimeout}, now)
		if err != nil {
			return nil, err
		}
		in, commands := io.Pipe()
		events, out := io.Pipe()
		lines := json.NewEncoder(out)
		k := &talker{t: t, c: c, now: now, stored: map[sds.MessageID][]byte{}, sent: map[sds.MessageID]bool{}, seen: map[sds.MessageID]bool{},
			say: func(e with) { lines.Encode(e) }}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			k.serve(in)
			out.Close()
		}()
		return &Conn{commands, events, func() string {
			commands.Close()
			events.Close()
			<-ended
			return ""
		}}, nil
	}
}

func (k *talker) serve(in io.Reader) {
	k.say(with{"event": "ready"})
	commands := bufio.NewReader(in)
	for {
		line, err := commands.ReadBytes('\n')
		if err != nil {
			return
		}
		var c struct {
			Cmd                             string
			Seq                             any
			Content, Payload, RetrievalHint []byte
			Advance                         int64
		}
		if err := json.Unmarshal(line, &c); err != nil {
			k.say(with{"event": "error", "message": err.Error()})
		}
		switch c.Cmd {
		case "send":
			var id sds.MessageID
			if id, err = k.c.Send(k.now, c.Content, sds.SendOptions{}); err == nil {
				k.sent[id] = true
			}
		case "receive":
			err = k.receive(c.Payload, c.RetrievalHint)
		case "sweep":
			k.c.Tick(k.now)
		case "clock":
			k.pass(k.now + sds.Time(c.Advance))
		case "state":
			k.state()
		}
		if err != nil {
			k.say(with{"event": "error", "message": err.Error()})
		}
		k.drain()
		k.say(with{"event": "done", "cmd": c.Cmd, "seq": c.Seq})
	}
}

func (k *talker) receive(payload, hint []byte) error {
	m, err := wire.Decode(payload)
	if err != nil {
		return err
	}
	if err := k.c.Receive(k.now, m, sds.Origin{Hint: hint}); err != nil {
		return err
	}
	switch m.Kind() {
	case wire.Content:
		k.stored[m.MessageID] = payload
	case wire.Sync:
		k.say(with{"event": "syncReceived", "id": m.MessageID})
	}
	return nil
}

// pass lets timers fire until then.
func (k *talker) pass(end sds.Time) {
	for at, ok := k.c.Deadline(); ok && at <= end; at, ok = k.c.Deadline() {
		k.now = max(k.now, at)
		k.c.Tick(k.now)
		k.drain()
	}
	k.now = end
}

func (k *talker) state() {
	history := []with{}
	for _, m := range k.log.Log() {
		history = append(history, with{"id": m.ID})
	}
	k.say(with{"event": "state", "lamport": strconv.FormatUint(k.c.Meta().Lamport, 10), "history": history})
}

// drain does what the channel wants done, and says it in the language.
func (k *talker) drain() {
	for r := k.c.Ready(); !r.Empty(); r = k.c.Ready() {
		k.log.Apply(r.Changes)
		k.tell(r)
		packets := append([]sds.Packet(nil), r.Packets...)
		k.c.Advance()
		for _, p := range packets {
			if p.Payload == nil {
				p.Payload = k.stored[p.ID]
			}
			k.stored[p.ID] = p.Payload
			k.c.Handed(k.now, p.Serial, nil, nil)
			k.say(with{"event": "out", "kind": p.Class.String(), "id": p.ID, "payload": p.Payload})
		}
	}
}

func (k *talker) tell(r sds.Ready) {
	for _, a := range r.Arrivals {
		k.say(with{"event": map[bool]string{false: "received", true: "ephemeral"}[a.Kind == wire.Ephemeral], "id": a.ID})
	}
	for _, receipt := range r.Receipts {
		if receipt.Seen > 0 && !k.seen[receipt.ID] {
			k.seen[receipt.ID] = true
			k.say(with{"event": "acked", "id": receipt.ID})
		} else if receipt.Seen == 0 && receipt.Possibly > 0 {
			k.say(with{"event": "possiblyAcked", "id": receipt.ID})
		}
	}
	for _, g := range r.Gaps {
		if name := map[sds.GapState]string{sds.GapMissing: "missing", sds.GapSkipped: "lost"}[g.State]; name != "" {
			k.say(with{"event": name, "ids": []any{g.ID}})
		}
	}
	for _, d := range r.Deliveries {
		if !k.sent[d.ID] {
			k.say(with{"event": "delivered", "id": d.ID, "gaps": d.Gaps})
		}
	}
}
