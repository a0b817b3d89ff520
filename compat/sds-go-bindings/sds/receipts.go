package sds

import (
	"context"
	"errors"
	"fmt"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
)

// SetRoster says who belongs to a channel, nil that nobody knows. From then on
// receipts of what is wrapped count persons of the roster, the sender's excepted;
// what was wrapped before keeps the audience that it had. The roster must not change
// afterwards. It is not kept in the Store: set it again after a restart.
//
// Our own participant is Options.Participant. What a participant says that the roster
// does not list counts for nobody, and OnMessageSent is not called for it; deployed
// members that send no name count as somebody, as before.
func (rm *ReliabilityManager) SetRoster(channelID string, roster *sds.Roster) error {
	return rm.do("SetRoster", func() error {
		if channelID == "" {
			return fmt.Errorf("%w (%w)", errNoChannel, ErrInvalidArgument)
		}
		id := sds.ChannelID(channelID)
		if rm.rosters == nil {
			rm.rosters = map[sds.ChannelID]*sds.Roster{}
		}
		rm.rosters[id] = roster
		if roster == nil {
			delete(rm.rosters, id)
		}
		c := rm.channels[id]
		if c == nil {
			return nil
		}
		c.core.Tick(rm.now())
		c.core.SetRoster(roster)
		return rm.settle(c)
	})
}

// WrapWanting is WrapOutgoingMessage for a message whose receipt is to say when as
// many have it as is wanted. In this dialect members acknowledge when they speak, or
// once a minute with periodic tasks: a want changes neither.
func (rm *ReliabilityManager) WrapWanting(message []byte, messageID MessageID, channelID string, want sds.Want) ([]byte, error) {
	return rm.wrapOutgoing(message, messageID, channelID, want)
}

// RegisterReceiptCallback says who hears when more is known about who has an own
// message, or that nobody is known to after 10 minutes; the string is the channel. It
// is called like the other callbacks, before OnMessageSent where both are due. Persons
// of the receipt are those that were proved to have it since the last.
func (rm *ReliabilityManager) RegisterReceiptCallback(moved func(sds.Receipt, string)) {
	if rm == nil {
		return
	}
	rm.mu.Lock()
	defer rm.mu.Unlock()
	rm.receipts = moved
}

// Receipt returns what is known about an own message: with a Store about every one,
// without as long as it is followed. Persons are all who have it. One that is not
// known is ErrInvalidArgument.
func (rm *ReliabilityManager) Receipt(messageID MessageID, channelID string) (sds.Receipt, error) {
	var r sds.Receipt
	err := rm.do("Receipt", func() error {
		id, ch := sds.MessageID(messageID), sds.ChannelID(channelID)
		if c := rm.channels[ch]; c != nil {
			var ok bool
			if r, ok = c.core.Receipt(id); ok {
				return nil
			}
		}
		if rm.options.Store == nil {
			return fmt.Errorf("%w: no own message %q is followed in channel %q", ErrInvalidArgument, messageID, channelID)
		}
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		kept, err := rm.options.Store.Receipt(ctx, ch, id)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("%w: channel %q has no own message %q", ErrInvalidArgument, channelID, messageID)
		}
		if err != nil {
			return persistence(err)
		}
		o := &kept.Outgoing
		r = sds.Receipt{ID: id, Level: o.Level, Seen: len(kept.Persons), Of: len(o.Members), Persons: kept.Persons,
			Claimed: o.Claimed, Undelivered: o.Undelivered}
		return nil
	})
	return r, err
}
