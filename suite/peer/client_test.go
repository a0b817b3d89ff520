package peer

import (
	"bufio"
	"encoding/json"
	"io"
	"testing"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

const start = 1_700_000_000_000

// client is the other end of a peer that runs in this process.
type client struct {
	t   testing.TB
	in  *io.PipeWriter
	out *bufio.Reader
}

// event is any event: a field is the zero value if the event does not have it.
type event struct {
	Event, Kind, Message         string
	ID                           wire.MessageID
	SenderID                     string
	Lamport                      string
	Payload, Content             []byte
	Count                        int
	TReq, TResp                  int64
	IDs, Gaps                    []wire.MessageID
	Entries                      []entry
	CausalHistory, RepairRequest json.RawMessage
	BloomFilter                  *[]byte
	History                      []struct {
		ID                wire.MessageID
		SenderID, Lamport string
	}
	Incoming, Outgoing                   []wire.MessageID
	Unacknowledged, PossiblyAcknowledged []wire.MessageID
	ChannelID, Dialect                   string
	Cmd                                  string
	Seq                                  json.RawMessage
}

// start runs a peer that ends with the test.
func run(t testing.TB, cfg Config) *client {
	t.Helper()
	in, toPeer := io.Pipe()
	fromPeer, out := io.Pipe()
	c := &client{t, toPeer, bufio.NewReader(fromPeer)}
	ended := make(chan error, 1)
	go func() {
		err := Serve(cfg, in, out)
		out.CloseWithError(io.EOF)
		ended <- err
	}()
	t.Cleanup(func() {
		toPeer.Close()
		io.Copy(io.Discard, fromPeer)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if e := c.event(); e.Event != "ready" {
		t.Fatalf("begins with %q", e.Event)
	}
	return c
}

// settings are the defaults of a dialect with the clock at start.
func settings(d sds.Dialect, sender string) Config {
	c := Defaults(d)
	c.Channel, c.Sender, c.Now = "c", wire.ParticipantID(sender), new(int64)
	*c.Now = start
	return c
}

func (c *client) line() []byte {
	c.t.Helper()
	b, err := c.out.ReadBytes('\n')
	if err != nil {
		c.t.Fatalf("no answer: %v", err)
	}
	return b
}

func (c *client) event() event {
	c.t.Helper()
	var e event
	b := c.line()
	if err := json.Unmarshal(b, &e); err != nil {
		c.t.Fatalf("%v: %.200s", err, b)
	}
	return e
}

// raw sends a line as it is and returns the lines of the answer, "done" included.
func (c *client) raw(line string) []string {
	c.t.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
	var lines []string
	for {
		b := c.line()
		lines = append(lines, string(b))
		var e event
		if err := json.Unmarshal(b, &e); err != nil {
			c.t.Fatalf("%v: %.200s", err, b)
		}
		if e.Event == "done" {
			return lines
		}
	}
}

// do runs a command and returns its events.
func (c *client) do(cmd string, args map[string]any) []event {
	c.t.Helper()
	line := map[string]any{"cmd": cmd}
	for k, v := range args {
		line[k] = v
	}
	b, err := json.Marshal(line)
	if err != nil {
		c.t.Fatal(err)
	}
	lines := c.raw(string(b))
	events := make([]event, len(lines)-1)
	for i := range events {
		if err := json.Unmarshal([]byte(lines[i]), &events[i]); err != nil {
			c.t.Fatal(err)
		}
	}
	return events
}

// the only event of a name; nil if there is none.
func the(events []event, name string) *event {
	for i := range events {
		if events[i].Event == name {
			return &events[i]
		}
	}
	return nil
}

// send sends a text and returns what goes out.
func (c *client) send(text string) event {
	c.t.Helper()
	out := the(c.do("send", with{"content": []byte(text)}), "out")
	if out == nil {
		c.t.Fatalf("nothing goes out for %q", text)
	}
	return *out
}

func (c *client) receive(payload []byte) []event {
	c.t.Helper()
	return c.do("receive", with{"payload": payload})
}

func (c *client) state() event {
	c.t.Helper()
	return c.do("state", nil)[0]
}

type with = map[string]any

// content returns a LIP content message with an id that proves nothing.
func content(sender, id string, lamport uint64, parents ...string) *wire.Message {
	m := &wire.Message{Dialect: wire.LIP, SenderID: wire.ParticipantID(sender), MessageID: wire.MessageID(id), ChannelID: "c",
		Lamport: lamport, HasLamport: true, Content: []byte("content of " + id)}
	for _, p := range parents {
		m.CausalHistory = append(m.CausalHistory, wire.HistoryEntry{MessageID: wire.MessageID(p), SenderID: "someone"})
	}
	return m
}
