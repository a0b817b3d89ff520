package sds

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
)

// hintRounds is how often Wrap asks for hints again because other messages came
// while it was asking. What is new after that is named without a hint.
const hintRounds = 4

// WrapOutgoingMessage returns message as an SDS message in that channel, which is
// made if need be. The host broadcasts what it returns.
//
// An empty message or channel id is ErrInvalidArgument, more than 1 MiB is
// ErrMessageTooLarge. Without a message id the message gets one, made from its
// content. An id that was wrapped before gives the same bytes as then, if they are
// still at hand, and in any case a message that those who have it know.
func (rm *ReliabilityManager) WrapOutgoingMessage(message []byte, messageID MessageID, channelID string) ([]byte, error) {
	return rm.wrapOutgoing(message, messageID, channelID, sds.AtLeastOne)
}

func (rm *ReliabilityManager) wrapOutgoing(message []byte, messageID MessageID, channelID string, want sds.Want) ([]byte, error) {
	var wrapped []byte
	err := rm.do("WrapOutgoingMessage", func() error {
		err := checkWrap(message, messageID, channelID)
		if err == nil {
			wrapped, err = rm.wrap(message, sds.ChannelID(channelID), sds.SendOptions{ID: sds.MessageID(messageID), Want: want})
		}
		if err != nil && !errors.Is(err, errNoChannel) {
			err = fmt.Errorf("%s: %w", wrapRequest, err)
		}
		return err
	})
	return wrapped, err
}

func checkWrap(message []byte, id MessageID, channel string) error {
	switch {
	case channel == "":
		return fmt.Errorf("%w (%w)", errNoChannel, ErrInvalidArgument)
	case len(message) == 0:
		return fmt.Errorf("%w: the message is empty", ErrInvalidArgument)
	case len(message) > sds.MaxContent:
		return fmt.Errorf("%w: %d bytes, limit %d", ErrMessageTooLarge, len(message), sds.MaxContent)
	case len(id) > wire.MaxID:
		return fmt.Errorf("%w: the message id has %d bytes, limit %d", ErrInvalidArgument, len(id), wire.MaxID)
	case len(channel) > wire.MaxID:
		return fmt.Errorf("%w: the channel id has %d bytes, limit %d", ErrInvalidArgument, len(channel), wire.MaxID)
	}
	return nil
}

func (rm *ReliabilityManager) wrap(message []byte, channel sds.ChannelID, o sds.SendOptions) ([]byte, error) {
	c, err := rm.channel(channel, true)
	if err != nil {
		return nil, err
	}
	c.core.Tick(rm.now())
	if rm.callbacks.RetrievalHintProvider != nil {
		if c, err = rm.askHints(c); err != nil {
			return nil, err
		}
	}
	given, err := c.core.Send(rm.now(), message, o)
	switch {
	case errors.Is(err, sds.ErrDuplicateContent):
		return rm.wrapAgain(c, message, o.ID)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrInvalidArgument, err)
	}
	c.pending[given] = struct{}{}
	c.wrapped = nil
	if err := rm.settle(c); err != nil {
		return nil, err
	}
	wrapped := c.wrapped
	if c.wrapped = nil; wrapped == nil {
		return nil, ErrInternal
	}
	return slices.Clone(wrapped), nil // the other copy may have to go out again
}

// askHints asks the host how the messages that are named next can be fetched.
// It gives the lock up meanwhile, so the channel may be another one afterwards.
func (rm *ReliabilityManager) askHints(c *channel) (*channel, error) {
	provider := rm.callbacks.RetrievalHintProvider
	asked := map[sds.MessageID]bool{}
	for range hintRounds {
		var ask []sds.HistoryEntry
		for _, e := range c.core.Heads() {
			if !asked[e.MessageID] {
				asked[e.MessageID] = true
				ask = append(ask, e)
			}
		}
		if len(ask) == 0 {
			break
		}
		hints := make([][]byte, len(ask))
		for i := range ask {
			rm.unlocked(func() { hints[i] = provider(MessageID(ask[i].MessageID)) })
			if !rm.open {
				return nil, ErrCleanedUp
			}
		}
		var err error
		if c, err = rm.channel(c.id, true); err != nil {
			return nil, err
		}
		for i, hint := range hints {
			rm.setHint(c, &ask[i], hint)
		}
	}
	return c, nil
}

func (rm *ReliabilityManager) setHint(c *channel, e *sds.HistoryEntry, hint []byte) {
	if len(hint) == 0 || len(hint) > wire.MaxHint || bytes.Equal(hint, e.RetrievalHint) {
		return
	}
	hint = slices.Clone(hint)
	c.core.SetHint(e.MessageID, hint)
	if rm.options.Store != nil {
		c.unsaved.hints = append(c.unsaved.hints, store.Hint{ID: e.MessageID, Hint: hint})
	}
}

// wrapAgain returns a message whose id exists: because the host sends it again,
// or because others named it, who have it from a life before.
func (rm *ReliabilityManager) wrapAgain(c *channel, message []byte, id sds.MessageID) ([]byte, error) {
	if b := rm.bytesOf(c, id); b != nil {
		return slices.Clone(b), nil
	}
	m := wire.Message{Dialect: wire.Nim, SenderID: sds.ParticipantID(rm.options.Participant), MessageID: id,
		ChannelID: c.id, Lamport: max(uint64(rm.now())/1000, c.core.Meta().Lamport+1), HasLamport: true,
		Content: slices.Clone(message), BloomFilter: []byte{}}
	for _, e := range c.core.Heads() {
		if e.MessageID != id {
			m.CausalHistory = append(m.CausalHistory, e)
		}
	}
	if !c.core.Has(id) {
		c.pending[id] = struct{}{} // its delivery is not news
		defer delete(c.pending, id)
	}
	if err := c.core.Receive(rm.now(), m, sds.Origin{}); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidArgument, err)
	}
	return m.Encode(), rm.settle(c)
}
