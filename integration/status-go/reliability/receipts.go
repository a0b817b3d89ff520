package reliability

import (
	"errors"
	"fmt"

	"github.com/causeway-im/causeway"
	library "github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/telemetry"
	"github.com/waku-org/sds-go-bindings/sds"
)

// messageSent: somebody has a message of ours.
func (r *Reliability) messageSent(id sds.MessageID, channel string) {
	app, delivered, err := r.messages().alias(channel, causeway.MessageID(id))
	r.warn("reading an alias", err)
	if app != "" && !delivered {
		r.report(own{channel, causeway.MessageID(id), app})
	}
}

// report tells the application that somebody has a message. That it did is noted
// afterwards, so that a crash between the two repeats it and never loses it.
func (r *Reliability) report(m own) {
	if r.o.Delivered != nil {
		r.o.Delivered(Delivered{ApplicationID: m.app, ID: m.id, ChannelID: m.channel})
	}
	r.warn("noting a delivery", r.messages().markDelivered(m.channel, m.id))
}

// reportDelivered makes up for what the last process did not report any more.
func (r *Reliability) reportDelivered() {
	manager, err := r.enter()
	if err != nil {
		return
	}
	defer r.leave()
	waiting, err := r.messages().undelivered()
	r.warn("reading aliases", err)
	for _, m := range waiting {
		receipt, err := manager.Receipt(sds.MessageID(m.id), m.channel)
		if errors.Is(err, sds.ErrInvalidArgument) {
			continue // it was named, and never wrapped
		}
		r.warn("reading a receipt", err)
		if err == nil && receipt.Level >= library.LevelSeen {
			r.report(m)
		}
	}
}

// receiptMoved: more is known about who has a message of ours.
func (r *Reliability) receiptMoved(manager *sds.ReliabilityManager, moved library.Receipt, channel string) {
	app, _, err := r.messages().alias(channel, moved.ID)
	r.warn("reading an alias", err)
	if app == "" {
		return
	}
	if t := r.o.Telemetry; t != nil {
		m := telemetry.Message{Channel: channel, ID: string(moved.ID)}
		if moved.Undelivered {
			t.GaveUp(m)
		} else {
			t.Acknowledged(m, max(1, moved.Seen), moved.Of)
		}
	}
	if r.o.Receipt == nil {
		return
	}
	if all, err := manager.Receipt(sds.MessageID(moved.ID), channel); err == nil {
		moved = all
	}
	r.o.Receipt(receiptOf(own{channel, moved.ID, app}, moved))
}

func receiptOf(m own, x library.Receipt) Receipt {
	return Receipt{Delivered: Delivered{ApplicationID: m.app, ID: m.id, ChannelID: m.channel}, Seen: x.Seen, Of: x.Of, Persons: x.Persons,
		Reached: x.Level >= library.LevelReached, Claimed: x.Claimed, Undelivered: x.Undelivered}
}

// Receipt returns what is known about a message of the last 30 days.
func (r *Reliability) Receipt(applicationID string) (Receipt, error) {
	manager, err := r.enter()
	if err != nil {
		return Receipt{}, err
	}
	defer r.leave()
	found, err := r.messages().named("app_id", applicationID)
	if err != nil {
		return Receipt{}, fmt.Errorf("reliability: %w", err)
	}
	for _, m := range found {
		receipt, err := manager.Receipt(sds.MessageID(m.id), m.channel)
		if err == nil {
			return receiptOf(m, receipt), nil
		}
		if !errors.Is(err, sds.ErrInvalidArgument) {
			return Receipt{}, fmt.Errorf("reliability: %w", err)
		}
	}
	return Receipt{}, fmt.Errorf("reliability: %w: %q", ErrUnknownMessage, applicationID)
}
