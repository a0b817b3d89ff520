package sds

import (
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// UnwrapReceivedMessage takes SDS off a message. It returns the content at once,
// and what of that which it depends on is not here. A message that was received
// before, or was wrapped here, returns its content and nothing missing.
//
// What is no SDS message is ErrDeserialization and changes nothing: other
// protobuf messages, text, no bytes at all. A message in the field numbers of
// LIP-109 is read only if its id proves that it is one. The result shares no memory
// with message.
func (rm *ReliabilityManager) UnwrapReceivedMessage(message []byte) (*UnwrappedMessage, error) {
	return rm.UnwrapSigned(message, nil)
}

// UnwrapSigned is UnwrapReceivedMessage for a host that has checked who signed the
// packet around the message. wrote tells whether that is the participant which the
// message names as its sender: what it acknowledges is proved then, else it is a claim.
// It is not called for a message without a sender, and nil is nobody. A message that
// somebody else repairs comes under the signature of that one: no is no error.
func (rm *ReliabilityManager) UnwrapSigned(message []byte, wrote func(sender, channelID string) bool) (*UnwrappedMessage, error) {
	if rm == nil {
		return nil, errEmptyManager
	}
	// What is most of the work needs no lock.
	m, decodeErr := decode(message)
	var in *sds.Incoming
	if decodeErr == nil {
		in = sds.Prepare(m)
	}
	var origin sds.Origin
	if decodeErr == nil && wrote != nil && m.SenderID != "" && wrote(string(m.SenderID), string(m.ChannelID)) {
		origin = sds.Origin{Sender: m.SenderID, Authenticated: true}
	}
	var unwrapped *UnwrappedMessage
	err := rm.do("UnwrapReceivedMessage", func() error {
		err := decodeErr
		if err == nil {
			unwrapped, err = rm.unwrap(in, origin)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", unwrapRequest, err)
		}
		return nil
	})
	return unwrapped, err
}

// decode reads what is an SDS message beyond doubt. The reader of the library is
// more tolerant; but here whatever a host receives comes by.
func decode(b []byte) (wire.Message, error) {
	m, err := wire.Decode(b)
	switch {
	case err != nil:
	case m.ChannelID == "":
		err = fmt.Errorf("channel_id is empty")
	case m.HasLamport && m.Lamport >= sds.MaxLamport:
		err = fmt.Errorf("lamport_timestamp is %d, must be below 2^53", m.Lamport)
	case len(m.Content) > sds.MaxContent:
		err = fmt.Errorf("content has %d bytes, limit %d", len(m.Content), sds.MaxContent)
	case m.Dialect == wire.Nim && !m.HasLamport:
		err = fmt.Errorf("lamport_timestamp is missing")
	case m.Dialect == wire.Nim && m.Content == nil:
		err = fmt.Errorf("content is missing")
	case m.Dialect == wire.LIP && (m.SenderID == "" || sds.VerifyID(&m) != sds.Verified):
		err = fmt.Errorf("message_id does not prove the message")
	}
	if err != nil {
		return m, fmt.Errorf("%w: %w", ErrDeserialization, err)
	}
	// The copy is for the host. The library has it as well, but looks at it in
	// Prepare alone.
	m.Content = append(make([]byte, 0, len(m.Content)), m.Content...)
	return m, nil
}

func (rm *ReliabilityManager) unwrap(in *sds.Incoming, origin sds.Origin) (*UnwrappedMessage, error) {
	m := in.Message()
	content, missing, channelID := m.Content, []HistoryEntry{}, string(m.ChannelID)
	unwrapped := &UnwrappedMessage{Message: &content, MissingDeps: &missing, ChannelId: &channelID}
	if m.MessageID == "" || sds.VerifyID(m) == sds.Forged {
		return unwrapped, nil // nobody can refer to it, or it would take another's place
	}
	c, err := rm.channel(m.ChannelID, false)
	if errors.Is(err, ErrPersistence) {
		rm.logger.Error("reading from the store", zap.String("channel", channelID), zap.Error(err))
		return unwrapped, nil
	}
	if err != nil {
		return nil, err
	}
	now := rm.now()
	c.core.Tick(now)
	c.receiving = receiving{message: m}
	defer func() { c.receiving = receiving{} }()
	if err := c.core.ReceivePrepared(now, in, origin); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDeserialization, err)
	}
	rm.applyMarks(c, m)
	if err := rm.settle(c); err != nil {
		// This is not the message's fault, and its content is as good. Once the store
		// works again the message counts as missing, and comes again.
		rm.logger.Error("writing to the store", zap.String("channel", channelID), zap.Error(err))
	}
	missing = append(missing, c.missing...)
	return unwrapped, nil
}

// MarkDependenciesMet says that messages are at hand, or not wanted: nothing waits
// for them any longer, and they are not reported missing again. Should one come
// nevertheless, it is processed like any other. A channel that doesn't exist is
// ErrInvalidArgument; ids that nobody named are fine.
func (rm *ReliabilityManager) MarkDependenciesMet(messageIDs []MessageID, channelID string) error {
	return rm.do("MarkDependenciesMet", func() error {
		if len(messageIDs) == 0 {
			return nil
		}
		id := sds.ChannelID(channelID)
		if _, away := rm.away[id]; !away && rm.channels[id] == nil {
			return fmt.Errorf("%s: %w: no such channel", markRequest, ErrInvalidArgument)
		}
		c, err := rm.channel(id, false)
		if err != nil {
			return fmt.Errorf("%s: %w", markRequest, err)
		}
		now := rm.now()
		c.core.Tick(now)
		for _, id := range messageIDs {
			if id := sds.MessageID(id); !c.core.Has(id) {
				c.marked.add(id)
				c.core.GiveUp(now, id)
			}
		}
		if err := rm.settle(c); err != nil {
			return fmt.Errorf("%s: %w", markRequest, err)
		}
		return nil
	})
}

// applyMarks makes m not wait for what the host declared met.
func (rm *ReliabilityManager) applyMarks(c *channel, m *wire.Message) {
	if len(c.marked.set) == 0 {
		return
	}
	for i := range m.CausalHistory {
		if id := m.CausalHistory[i].MessageID; c.marked.has(id) {
			c.core.GiveUp(rm.now(), id)
		}
	}
}
