package crash

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/transport"
)

// lineKind says what a line between parent and child is about.
type lineKind string

const (
	// The child found this in its file, before its node opened it: Events after
	// order.After, and the newest Cursor.
	lineFound lineKind = "found"
	// Its node is open, and the channel joined.
	lineUp lineKind = "up"
	// Send returned: the message ID with this Text is durable.
	lineSent lineKind = "sent"
	// Send returned an error that says that nothing was sent of Text.
	lineRefused lineKind = "refused"
	// The application has dealt with the event at Cursor.
	lineEvent lineKind = "event"
	// Receipt.Now said this.
	lineReceipt lineKind = "receipt"
	// A transaction with these Events has all its writes and is not committed.
	lineCommitting lineKind = "committing"
	// Commit number Serial has returned, with or without an Error.
	lineCommitted lineKind = "committed"
	// The node's loop does nothing more, and waits to be killed: inside the
	// transaction of the line before, or with it Committed.
	lineHeld lineKind = "held"
	// Something went wrong in the child.
	lineFailed lineKind = "failed"

	// The child's transport publishes; the parent answers with lineTaken.
	linePublish lineKind = "publish"
	lineTaken   lineKind = "taken"
	// The parent has something for the child's transport.
	lineReceived lineKind = "received"
	lineOnline   lineKind = "online"
	// The child is to send no more by itself.
	lineQuiet lineKind = "quiet"
)

// line is what parent and child tell each other, as one line of JSON.
type line struct {
	Kind   lineKind `json:"k"`
	Serial uint64   `json:"n,omitempty"`
	Error  string   `json:"error,omitempty"`

	ID        causeway.MessageID  `json:"id,omitempty"`
	Text      string              `json:"text,omitempty"`
	Ephemeral bool                `json:"ephemeral,omitempty"`
	Cursor    causeway.Cursor     `json:"cursor,omitempty"`
	Event     causeway.EventKind  `json:"event,omitempty"`
	Position  causeway.Position   `json:"position,omitempty"`
	Lamport   uint64              `json:"lamport,omitempty"`
	Own       bool                `json:"own,omitempty"`
	Level     causeway.Level      `json:"level,omitempty"`
	Seen      int                 `json:"seen,omitempty"`
	Persons   []causeway.PersonID `json:"persons,omitempty"`
	Gap       causeway.GapState   `json:"gap,omitempty"`
	Events    []eventName         `json:"events,omitempty"`

	Committed bool `json:"committed,omitempty"`

	Topic   transport.Topic `json:"topic,omitempty"`
	Payload []byte          `json:"payload,omitempty"`
	Hint    []byte          `json:"hint,omitempty"`
	At      time.Time       `json:"at,omitzero"`
	Online  bool            `json:"online,omitempty"`
}

// eventName is an event, as far as nothing but the store is asked.
type eventName struct {
	Cursor causeway.Cursor    `json:"c"`
	Kind   causeway.EventKind `json:"k"`
	ID     causeway.MessageID `json:"id"`
}

// lines writes lines. It is safe for concurrent use.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) tell(x line) {
	b, err := json.Marshal(x)
	if err != nil { // strings, numbers and bytes alone
		panic(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.w.Write(append(b, '\n')) // who does not listen any more has killed us
}

// readLine returns the next line that is whole.
func readLine(r *bufio.Reader) (x line, err error) {
	b, err := r.ReadBytes('\n')
	if err != nil {
		return x, err // what is left of a line doesn't count
	}
	return x, json.Unmarshal(b, &x)
}

// network is the child's end of the pipe: a transport.Transport whose network is
// the parent.
type network struct {
	out *lines

	calls   sync.Mutex // one callback at a time, and none when it is cancelled
	receive map[int]func(transport.Received)
	watch   map[int]func(bool)
	online  bool
	next    int

	mu      sync.Mutex
	serial  uint64
	waiting map[uint64]chan line
}

func newNetwork(out *lines) *network {
	return &network{out: out, receive: map[int]func(transport.Received){}, watch: map[int]func(bool){}, waiting: map[uint64]chan line{}}
}

// handle takes a line of the parent.
func (n *network) handle(x line) {
	switch x.Kind {
	case lineTaken:
		n.mu.Lock()
		answer := n.waiting[x.Serial]
		delete(n.waiting, x.Serial)
		n.mu.Unlock()
		if answer != nil {
			answer <- x
		}
	case lineReceived:
		n.calls.Lock()
		defer n.calls.Unlock()
		for _, receive := range n.receive {
			receive(transport.Received{Topic: x.Topic, Payload: x.Payload, Hint: x.Hint, Time: x.At})
		}
	case lineOnline:
		n.calls.Lock()
		defer n.calls.Unlock()
		n.online = x.Online
		for _, changed := range n.watch {
			changed(x.Online)
		}
	}
}

// Publish implements transport.Transport.
func (n *network) Publish(ctx context.Context, e transport.Envelope) ([]byte, error) {
	answer := make(chan line, 1)
	n.mu.Lock()
	n.serial++
	serial := n.serial
	n.waiting[serial] = answer
	n.mu.Unlock()
	n.out.tell(line{Kind: linePublish, Serial: serial, Topic: e.Topic, Payload: e.Payload, Ephemeral: e.Ephemeral})
	select {
	case x := <-answer:
		if x.Error != "" {
			return nil, errors.Join(transport.ErrOffline, errors.New(x.Error))
		}
		return x.Hint, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Subscribe implements transport.Transport. There is one topic.
func (n *network) Subscribe(_ transport.Topic, receive func(transport.Received)) (func(), error) {
	n.calls.Lock()
	defer n.calls.Unlock()
	n.next++
	id := n.next
	n.receive[id] = receive
	return func() {
		n.calls.Lock()
		defer n.calls.Unlock()
		delete(n.receive, id)
	}, nil
}

// Watch implements transport.Transport.
func (n *network) Watch(changed func(bool)) func() {
	n.calls.Lock()
	defer n.calls.Unlock()
	n.next++
	id := n.next
	n.watch[id] = changed
	changed(n.online)
	return func() {
		n.calls.Lock()
		defer n.calls.Unlock()
		delete(n.watch, id)
	}
}
