package causeway

import (
	"context"
	"fmt"
	"time"

	"github.com/causeway-im/causeway/store"
)

// Receipt follows how far an own message has come. It is safe for concurrent
// use, costs nothing while nobody waits, and can be had again with
// Channel.Receipt after a restart.
type Receipt struct {
	c      *Channel
	id     MessageID
	leaves time.Time
}

// ReceiptNow is what is known about an own message at one moment.
type ReceiptNow struct {
	ID    MessageID
	Level Level
	// Seen counts persons of the audience that are proved to have the message, of
	// how many. Of is 0 when there was no roster.
	Seen, Of int
	// Present is how many of the audience were heard in the last 15 minutes.
	Present int
	// Estimate is what those say that were asked, for a message that wants a share of
	// its audience, or all of it. In a large group they are a sample.
	Estimate Estimate
	// Possibly counts persons that may have it: a filter of a deployed peer said
	// so.
	Possibly int
	// Claimed is set when some of the evidence was not authenticated.
	Claimed bool
	// Persons are those that have it, sorted; in an event, those that were proved
	// to since the event before.
	Persons []PersonID
	// Superseded is the newer message that replaced it (SendOptions.Replace).
	Superseded MessageID
	// Undelivered says that nobody is known to have it although it had the time.
	// It may still turn.
	Undelivered bool

	// In events the following are not set.

	Want        Want
	Transitions []Transition // by level
}

// Transition says when a message reached a level. A level may be passed over.
type Transition struct {
	Level Level
	At    time.Time
}

// ID returns the message's id.
func (r *Receipt) ID() MessageID { return r.id }

// Leaves returns when the whole message should have left, as far as could be known
// when it was sent: later than that moment only if the quota makes it wait. It is
// zero without a quota or a connection, for an ephemeral message, and in a Receipt
// that Send did not return.
func (r *Receipt) Leaves() time.Time { return r.leaves }

// Receipt returns the receipt of an own message. That the message exists is
// found out by its methods.
func (c *Channel) Receipt(id MessageID) *Receipt { return &Receipt{c: c, id: id} }

// Now returns what is known. An ephemeral message, or one that is not ours, has
// no receipt: the error wraps store.ErrNotFound.
func (r *Receipt) Now(ctx context.Context) (ReceiptNow, error) {
	var kept store.Receipt
	var whole *tally
	err := r.c.n.read(ctx, func(ctx context.Context) (err error) {
		kept, whole, err = r.c.readReceipt(ctx, r.id)
		return err
	})
	if err != nil {
		return ReceiptNow{}, fmt.Errorf("receipt of %s: %w", r.id, err)
	}
	o := &kept.Outgoing
	now := ReceiptNow{ID: r.id, Level: o.Level, Seen: len(kept.Persons), Of: len(o.Members), Persons: kept.Persons,
		Claimed: o.Claimed, Undelivered: o.Undelivered, Superseded: o.Superseded, Want: o.Want}
	for _, t := range kept.Transitions {
		now.Transitions = append(now.Transitions, Transition{Level: t.Level, At: timeOf(t.At)})
	}
	done := o.Done
	if whole != nil {
		now.Level, now.Seen, now.Persons, done = whole.level, len(whole.whole), whole.whole, whole.final()
		now.Claimed, now.Undelivered = whole.claims, whole.undelivered()
	}
	if done {
		return now, nil
	}
	// Only the tracking knows of filters. A node that has left the channel or is
	// closed still answers with the rest.
	err = r.c.live(ctx, func(_ *loop, s *session) {
		if t, ok := s.core.Receipt(r.id); ok {
			now.Possibly, now.Present, now.Estimate = t.Possibly, t.Present, t.Estimate
		}
	})
	if err != nil && ctx.Err() != nil {
		return now, ctx.Err()
	}
	return now, nil
}

// Wait waits until the message has reached what was wanted at Send. It returns
// what is known then, or when ctx ends, with its error.
func (r *Receipt) Wait(ctx context.Context) (ReceiptNow, error) {
	return r.WaitFor(ctx, Reached)
}

// WaitFor waits until the message has reached a level. It returns what is known
// then, or when ctx ends, with its error.
func (r *Receipt) WaitFor(ctx context.Context, level Level) (ReceiptNow, error) {
	n := r.c.n
	signal, stop := n.news.follow(receiptKey{r.c.cfg.Channel, r.id})
	defer stop()
	for {
		now, err := r.Now(ctx)
		if err != nil || now.Level >= level {
			return now, err
		}
		select {
		case <-signal:
		case <-ctx.Done():
			return now, ctx.Err()
		case <-n.ended:
			return now, n.closedError()
		}
	}
}
