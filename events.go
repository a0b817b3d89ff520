package causeway

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/causeway-im/causeway/store"
)

const (
	// eventPage is how many events an iterator reads at once.
	eventPage = 128
	// maxPageContent is from how many bytes of content on no more events are read at
	// once: others choose how much they send.
	maxPageContent = 16 << 20
)

// Events follows the event log of all channels from the first event after a
// cursor; 0 is the beginning, as long as nothing was forgotten (ErrCursorForgotten,
// Node.Cursors). It yields what is there, then waits for more,
// until ctx ends or the node is closed; then, or when the store fails, it yields
// the error last. The consumer may take its time: events wait in the store, and
// nobody waits for the consumer.
//
// A consumer that keeps the cursor of the last event that it has dealt with
// misses none and, but for that one, sees none twice, across restarts.
func (n *Node) Events(ctx context.Context, after Cursor) iter.Seq2[Event, error] {
	return n.events(ctx, "", after)
}

// Events is like Node.Events, for one channel. The cursors are the same.
func (c *Channel) Events(ctx context.Context, after Cursor) iter.Seq2[Event, error] {
	return c.n.events(ctx, c.cfg.Channel, after)
}

func (n *Node) events(ctx context.Context, ch ChannelID, after Cursor) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			more := n.news.next() // before reading, so that nothing falls between
			page, err := n.readEvents(ctx, ch, after, eventPage)
			for _, e := range page {
				after = e.Cursor
				if !yield(e, nil) {
					return
				}
			}
			switch {
			case err != nil:
				yield(Event{}, err)
				return
			case len(page) > 0:
				continue
			}
			select {
			case <-more:
			case <-ctx.Done():
				yield(Event{}, ctx.Err())
				return
			case <-n.ended:
				yield(Event{}, n.closedError())
				return
			}
		}
	}
}

// ReadEvents returns events after a cursor, oldest first, at most limit (1 to
// 1000), without waiting. There are fewer where they have more than 16 MiB of content
// together, and none only if there is none after the cursor.
func (n *Node) ReadEvents(ctx context.Context, after Cursor, limit int) ([]Event, error) {
	return n.readChecked(ctx, "", after, limit)
}

// ReadEvents is like Node.ReadEvents, for one channel.
func (c *Channel) ReadEvents(ctx context.Context, after Cursor, limit int) ([]Event, error) {
	return c.n.readChecked(ctx, c.cfg.Channel, after, limit)
}

func (n *Node) readChecked(ctx context.Context, ch ChannelID, after Cursor, limit int) ([]Event, error) {
	if limit < 1 || limit > 1000 {
		return nil, fmt.Errorf("causeway: %w: limit is %d, must be from 1 to 1000", ErrOptions, limit)
	}
	return n.readEvents(ctx, ch, after, limit)
}

func (n *Node) readEvents(ctx context.Context, ch ChannelID, after Cursor, limit int) (events []Event, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = n.read(ctx, func(ctx context.Context) error {
		events, err = n.eventsOf(ctx, ch, after, limit)
		return err
	})
	return events, err
}

func (n *Node) eventsOf(ctx context.Context, ch ChannelID, after Cursor, limit int) ([]Event, error) {
	kept, err := n.opts.Store.Events(ctx, ch, after, limit)
	if err != nil {
		return nil, err
	}
	// Asked after reading: what was forgotten meanwhile is noticed too.
	forgotten, _, err := n.opts.Store.Cursors(ctx)
	if err != nil {
		return nil, err
	}
	if after < forgotten {
		return nil, fmt.Errorf("causeway: %w: %d, the oldest that can be used is %d", ErrCursorForgotten, after, forgotten)
	}
	events := make([]Event, 0, len(kept))
	bytes := 0
	for i := 0; i < len(kept) && bytes < maxPageContent; i++ {
		e, err := eventOf(&kept[i])
		if err == nil && e.Message != nil && !e.Message.Ephemeral {
			err = n.fillContent(ctx, &e)
		}
		if err != nil {
			return events, err
		}
		if e.Message != nil {
			bytes += len(e.Message.Content)
		}
		events = append(events, e)
	}
	return events, nil
}

// fillContent reads the content of an event's message.
func (n *Node) fillContent(ctx context.Context, e *Event) error {
	m, err := n.opts.Store.Message(ctx, e.Channel, e.ID)
	switch {
	case errors.Is(err, store.ErrNotFound): // dropped to make room since
		return nil
	case err != nil:
		return err
	}
	return n.channel(e.Channel).reveal(ctx, &m, e.Message)
}

// channel returns a channel that is joined, or one that can be read from all the
// same.
func (n *Node) channel(id ChannelID) *Channel {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.joined[id]; c != nil {
		return c
	}
	return &Channel{n: n, cfg: ChannelConfig{Channel: id}}
}

// Cursors returns the oldest cursor that Events can go on from without missing
// an event, and the newest.
func (n *Node) Cursors(ctx context.Context) (oldest, newest Cursor, err error) {
	err = n.read(ctx, func(ctx context.Context) error {
		oldest, newest, err = n.opts.Store.Cursors(ctx)
		return err
	})
	return oldest, newest, err
}
