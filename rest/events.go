package rest

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/causeway-im/causeway"
)

// Event is one entry of the event log.
type Event struct {
	Cursor    uint64   `json:"cursor"`
	Channel   Text     `json:"channel,omitempty"`
	Timestamp int64    `json:"timestamp"`
	Kind      string   `json:"kind"`
	ID        Text     `json:"id,omitempty"`
	Message   *Message `json:"message,omitempty"` // of arrived and delivered
	Receipt   *Receipt `json:"receipt,omitempty"`
	Gap       *Gap     `json:"gap,omitempty"`
	Budget    *change  `json:"budget,omitempty"`
	Sync      *synced  `json:"sync,omitempty"`
	Progress  *held    `json:"progress,omitempty"`
	Tampered  int      `json:"tampered,omitempty"` // packets since the event before
}

// held says how much has come of a payload that travels in several messages.
type held struct {
	Sender  Text   `json:"sender"`
	Hash    string `json:"hash"` // of the payload
	Length  uint64 `json:"length"`
	Held    int    `json:"held"`
	Of      int    `json:"of"`
	Dropped bool   `json:"dropped"`
}

type change struct {
	Level string `json:"level"`
	Used  int    `json:"used"`
	Of    int    `json:"of"`
}

type synced struct {
	Synced   bool   `json:"synced"`
	Received uint64 `json:"received"`
	Missing  int    `json:"missing"`
	Lost     int    `json:"lost"`
}

func eventOf(e *causeway.Event) *Event {
	out := &Event{Cursor: uint64(e.Cursor), Channel: Text(e.Channel), Timestamp: nanos(e.At), Kind: e.Kind.String(), ID: Text(e.ID),
		Tampered: e.Tampered}
	switch {
	case e.Message != nil:
		out.Message = messageOf(e.Message)
	case e.Receipt != nil:
		out.Receipt = receiptOf(e.Receipt, true)
	case e.Gap != nil:
		out.Gap = gapOf(e.Gap)
	case e.Budget != nil:
		out.Budget = &change{budgetLevel(e.Budget.Level), e.Budget.Used, e.Budget.Of}
	case e.Progress != nil:
		p := e.Progress
		out.Progress = &held{Text(p.Sender), hex.EncodeToString(p.Hash[:]), p.Length, p.Held, p.Of, p.Dropped}
	case e.Sync != nil:
		out.Sync = &synced{e.Sync.Synced, uint64(e.Sync.Received), e.Sync.Missing, e.Sync.Lost}
	}
	return out
}

// source reads events, of one channel or of all.
type source struct {
	node    *causeway.Node
	channel *causeway.Channel // nil: of all
}

func (s source) read(ctx context.Context, after causeway.Cursor, limit int) ([]causeway.Event, error) {
	if s.channel != nil {
		return s.channel.ReadEvents(ctx, after, limit)
	}
	return s.node.ReadEvents(ctx, after, limit)
}

func (s source) follow(ctx context.Context, after causeway.Cursor) iter.Seq2[causeway.Event, error] {
	if s.channel != nil {
		return s.channel.Events(ctx, after)
	}
	return s.node.Events(ctx, after)
}

// follows reads which events are asked for.
func (c *call) follows(q url.Values) (source, error) {
	s := source{node: c.node}
	name := q.Get("channel")
	if name == "" {
		return s, nil
	}
	id, err := ParseText(name)
	if err != nil {
		return s, bad("channel", nil, "%v", err)
	}
	s.channel, err = c.joined(causeway.ChannelID(id))
	return s, err
}

// cursor reads after which event to go on: by default the oldest that will do.
func (c *call) cursor(name, s string) (causeway.Cursor, error) {
	oldest, newest, err := c.node.Cursors(c.ctx)
	switch {
	case err != nil:
		return 0, err
	case s == "":
		return oldest, nil
	case s == "newest":
		return newest, nil
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, bad(name, nil, "must be the cursor of an event, or newest")
	}
	if after := causeway.Cursor(n); after <= newest {
		return after, c.tooOld(after, oldest)
	}
	return 0, bad(name, newest, "is %d, which no event has; the newest is %d", n, newest)
}

func (c *call) tooOld(after, oldest causeway.Cursor) error {
	if after >= oldest {
		return nil
	}
	return &Problem{Status: http.StatusGone, Code: "cursor_too_old", Field: "after", Limit: oldest, Oldest: &oldest,
		Detail: fmt.Sprintf("events after %d have been forgotten; the oldest cursor that will do is %d. Read the log, and go on there", after, oldest)}
}

// forgotten turns the node's error about an old cursor into a problem.
func (c *call) forgotten(ctx context.Context, after causeway.Cursor, err error) error {
	if !errors.Is(err, causeway.ErrCursorForgotten) {
		return err
	}
	oldest, _, err := c.node.Cursors(ctx)
	if err != nil {
		return err
	}
	return c.tooOld(after, max(oldest, after+1))
}

// events returns those after a cursor; it waits for the first if it is told to.
func (c *call) events() (any, error) {
	q, err := c.query("after", "limit", "wait", "channel")
	if err != nil {
		return nil, err
	}
	limit, err := number(q, "limit", 100, 1, 1000)
	if err != nil {
		return nil, err
	}
	wait, err := waitOf(q)
	if err != nil {
		return nil, err
	}
	from, err := c.follows(q)
	if err != nil {
		return nil, err
	}
	after, err := c.cursor("after", q.Get("after"))
	if err != nil {
		return nil, err
	}
	page, err := from.read(c.ctx, after, limit)
	if err == nil && len(page) == 0 && wait > 0 {
		page, err = c.waitFor(from, after, limit, wait)
	}
	if err != nil {
		return nil, c.forgotten(c.ctx, after, err)
	}
	list := make([]*Event, len(page))
	for i := range page {
		list[i] = eventOf(&page[i])
		after = page[i].Cursor
	}
	return map[string]any{"events": list, "next": after}, nil
}

// waitFor returns events as soon as there are any, or none when the time is up.
func (c *call) waitFor(from source, after causeway.Cursor, limit int, wait time.Duration) ([]causeway.Event, error) {
	ctx, done, err := c.patient(wait)
	if err != nil {
		return nil, err
	}
	defer done()
	for _, err := range from.follow(ctx, after) {
		if err != nil {
			if ctx.Err() != nil {
				return nil, nil
			}
			return nil, err
		}
		reading, cancel := context.WithTimeout(c.r.Context(), requestTime)
		defer cancel()
		return from.read(reading, after, limit)
	}
	return nil, nil
}

// stream sends events as they come, as Server-Sent Events.
func (c *call) stream() (any, error) {
	q, err := c.query("after", "channel")
	if err != nil {
		return nil, err
	}
	from, err := c.follows(q)
	if err != nil {
		return nil, err
	}
	// Who comes back goes on where it was, whatever it asked for at first.
	name, value := "after", q.Get("after")
	if last := c.r.Header.Get("Last-Event-ID"); last != "" {
		name, value = "Last-Event-ID", last
	}
	after, err := c.cursor(name, value)
	if err != nil {
		return nil, err
	}
	if c.r.Method == http.MethodHead {
		c.w.Header().Set("Content-Type", "text/event-stream")
		return written, nil
	}
	ctx, done, err := c.patient(0)
	if err != nil {
		return nil, err
	}
	defer done()
	c.pour(ctx, from, after)
	return written, nil
}

// pour writes a stream until it ends.
func (c *call) pour(ctx context.Context, from source, after causeway.Cursor) {
	c.w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(c.w)
	write := func(text string) error {
		out.SetWriteDeadline(time.Now().Add(writeTime)) // not every writer has one
		if _, err := c.w.Write([]byte(text)); err != nil {
			return err
		}
		return out.Flush()
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if write("retry: 1000\n\n") != nil {
		return
	}
	events := make(chan result)
	go func() {
		defer close(events)
		for e, err := range from.follow(ctx, after) {
			select {
			case events <- result{e, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	alive := time.NewTicker(c.o.KeepAlive)
	defer alive.Stop()
	for {
		var err error
		select {
		case r, ok := <-events:
			if !ok || r.err != nil {
				write(c.farewell(r.err))
				stop()
				for range events { // wait for its end
				}
				return
			}
			err = write(frame(&r.event))
		case <-alive.C:
			err = write(": alive\n\n")
		}
		if err != nil {
			stop()
			for range events {
			}
			return
		}
	}
}

type result struct {
	event causeway.Event
	err   error
}

func frame(e *causeway.Event) string {
	b, err := json.Marshal(eventOf(e))
	if err != nil { // strings, numbers and bytes alone
		panic(err)
	}
	return fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", e.Cursor, e.Kind, b)
}

// farewell is the last event of a stream: why it ends. It has no id, so who comes
// back goes on after the last event that it had.
func (c *call) farewell(err error) string {
	reason := "stopping"
	if err != nil && errors.Is(err, causeway.ErrCursorForgotten) {
		reason = "cursor_too_old"
	}
	return fmt.Sprintf("event: end\ndata: {\"reason\":%q}\n\n", reason)
}
