package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
)

// screen shows one channel to one person.
type screen struct {
	channel *causeway.Channel
	kept    store.Store
	out     io.Writer
	shown   chan<- causeway.MessageID // where to tell of messages that are shown; nil: nowhere
}

// cursorKey is where the application keeps how far it has shown the channel's events.
// The store has room for such small values of its host.
const cursorKey = "screen/cursor"

// follow shows what happened since it was called last, with this store, and then what
// happens, until ctx ends.
func (s *screen) follow(ctx context.Context) error {
	var cursor uint64 // 0 is the beginning
	value, err := s.kept.Value(ctx, cursorKey)
	if err == nil {
		cursor, err = strconv.ParseUint(string(value), 10, 64)
	} else if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	if err != nil {
		return err
	}
	for event, err := range s.channel.Events(ctx, causeway.Cursor(cursor)) {
		if err != nil {
			return err
		}
		s.show(&event)
		err = s.kept.Write(ctx, func(tx store.Tx) error {
			return tx.Set(cursorKey, strconv.AppendUint(nil, uint64(event.Cursor), 10))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// show says what an event means to a person.
func (s *screen) show(event *causeway.Event) {
	switch event.Kind {
	case causeway.EventArrived:
		if len(event.Message.Missing) > 0 { // it will be delivered when these have come
			fmt.Fprintf(s.out, "(%s wrote something; %d before it are missing)\n", event.Message.Sender, len(event.Message.Missing))
		}
	case causeway.EventDelivered:
		fmt.Fprintf(s.out, "%s: %s\n", event.Message.Sender, event.Message.Content)
		if s.shown != nil {
			s.shown <- event.ID
		}
	case causeway.EventReceipt: // of an own message
		now, err := s.channel.Receipt(event.ID).Now(context.Background())
		if err == nil {
			fmt.Fprintf(s.out, "    %s\n", ticks(&now))
		}
	case causeway.EventGap:
		switch event.Gap.State {
		case causeway.GapSkipped:
			fmt.Fprintf(s.out, "(goes on without a message of %s)\n", event.Gap.Sender)
		case causeway.GapLost:
			fmt.Fprintf(s.out, "(a message of %s is lost)\n", event.Gap.Sender)
		}
	case causeway.EventSync:
		if event.Sync.Synced {
			fmt.Fprintln(s.out, "(nothing is missing)")
		}
	}
}

// ticks is what stands beside an own message.
func ticks(now *causeway.ReceiptNow) string {
	switch {
	case now.Undelivered: // may still turn
		return "! nobody is known to have it"
	case now.Level == causeway.Queued:
		return "… waits for the network"
	case now.Level < causeway.Seen: // Sent or Stored: no member is known to have it
		return "· sent"
	case now.Level == causeway.SeenByAll:
		return "✓✓ all have it"
	case now.Of == 0: // there is no roster, so nobody knows of how many
		return fmt.Sprintf("✓ %d have it", now.Seen)
	}
	return fmt.Sprintf("✓ %d of %d have it", now.Seen, now.Of)
}
