package reliability

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/community"
	"github.com/causeway-im/causeway/telemetry"
	"github.com/causeway-im/causeway/telemetry/report"
	"github.com/waku-org/sds-go-bindings/sds"
)

// Path is how a message came: the names of package report.
type Path = report.Path

// ChannelID returns the SDS channel of a chat: the community's, or with Options.PerChat
// the chat's own.
func (r *Reliability) ChannelID(id community.ID, chat string) (string, error) {
	if !r.o.PerChat {
		return string(community.WideChannel(id)), nil
	}
	ch, err := community.ChatChannel(id, chat)
	return string(ch), err
}

// Message is what the application knows of a message that it sends.
type Message struct {
	ChannelID string
	// ApplicationID is what the application calls it, and how Delivered and Receipt do.
	ApplicationID string
	// Type decides how many must have it for Receipt.Reached.
	Type community.MessageType
	// To are the persons that it is for, where its type has such.
	To []causeway.PersonID
}

// WrapPayloadForSDS makes an SDS message of a payload, and returns when that is durable.
// The host encrypts, segments and publishes what it returns, and says so with
// TrackWithSDSAlias. A payload above 1 MiB is an error whose text has reMessageTooLarge:
// it goes out as it is. The same payload again gives the same bytes.
func (r *Reliability) WrapPayloadForSDS(payload []byte, m Message) ([]byte, error) {
	manager, err := r.enter()
	if err != nil {
		return nil, err
	}
	defer r.leave()
	if m.ApplicationID == "" {
		return nil, fmt.Errorf("reliability: %w: ApplicationID is missing", sds.ErrInvalidArgument)
	}
	id := community.SDSID(payload)
	want := community.KindOf(m.Type).Want(r.persons(m.ChannelID), m.To...)
	if len(payload) > 0 && len(payload) <= maxPayload && m.ChannelID != "" {
		// The name comes first: no acknowledgement finds the message without.
		if err := r.messages().compose(own{m.ChannelID, id, m.ApplicationID}); err != nil {
			return nil, fmt.Errorf("reliability: %w: %w", sds.ErrPersistence, err)
		}
	}
	wrapped, err := manager.WrapWanting(payload, sds.MessageID(id), m.ChannelID, want)
	if errors.Is(err, sds.ErrCleanedUp) {
		return nil, fmt.Errorf("reliability: %w", ErrSDSManagerUnavailable)
	}
	if err != nil {
		return nil, fmt.Errorf("reliability: wrapping a message: %w", err)
	}
	if t := r.o.Telemetry; t != nil {
		t.Composed(telemetry.Message{Channel: m.ChannelID, ID: string(id)}, len(payload))
	}
	return wrapped, nil
}

// maxPayload is the largest message that SDS takes.
const maxPayload = 1 << 20

// TrackWithSDSAlias says in which envelopes a payload went out. It is how others fetch
// it, and it survives a restart. More envelopes than a hint holds are no error: such a
// message is repaired by members.
func (r *Reliability) TrackWithSDSAlias(payload []byte, hashes []community.EnvelopeHash) error {
	if _, err := r.enter(); err != nil {
		return err
	}
	defer r.leave()
	id := community.SDSID(payload)
	if err := r.track(id, hashes); err != nil {
		return err
	}
	if r.o.Telemetry == nil {
		return nil
	}
	all, err := r.messages().named("sds_id", string(id))
	if err != nil {
		return fmt.Errorf("reliability: %w", err)
	}
	for _, m := range all {
		of := telemetry.Message{Channel: m.channel, ID: string(id)}
		r.o.Telemetry.Attempted(of)
		for _, h := range hashes {
			r.o.Telemetry.Handed(of, h.String())
		}
	}
	return nil
}

func (r *Reliability) track(id causeway.MessageID, hashes []community.EnvelopeHash) error {
	hint, err := community.EncodeHint(hashes...)
	if err != nil {
		r.o.Logger.Debug("a message without a hint", zap.String("message", string(id)), zap.Error(err))
		return nil
	}
	if err := r.messages().setHint(id, hint); err != nil {
		return fmt.Errorf("reliability: %w: %w", sds.ErrPersistence, err)
	}
	return nil
}

// hint is what others need to fetch a message.
func (r *Reliability) hint(id sds.MessageID) []byte {
	hint, err := r.messages().hint(causeway.MessageID(id))
	r.warn("reading a retrieval hint", err)
	return hint
}

// Envelope is what the host knows of a received payload. The zero value will do.
type Envelope struct {
	// Hashes are those of the envelopes that it came in: with them others can be told how
	// to fetch it.
	Hashes []community.EnvelopeHash
	// Signer is who signed the envelope, if the host has checked that: what a member
	// acknowledges is proved then, and not a claim (Receipt.Claimed). It is not who signed
	// the message inside: that one can be put into another envelope. Envelopes of one
	// payload that were signed by several have none.
	Signer causeway.PersonID
	// Author is who wrote it, Sent when that one says so, Path how it came; for
	// telemetry.
	Author causeway.PersonID
	Sent   time.Time
	Path   Path
}

// UnwrapPayloadFromSDS returns the payload inside an SDS message, at once, whatever is
// missing; or the payload itself, if it is no SDS message. After ErrNoContent the
// message is processed and not shown, after ErrSDSManagerUnavailable it is tried again
// later. The content of a copy is returned like that of the first.
func (r *Reliability) UnwrapPayloadFromSDS(payload []byte, e Envelope) ([]byte, error) {
	manager, err := r.enter()
	if err != nil {
		return nil, err
	}
	defer r.leave()
	u, err := manager.UnwrapSigned(payload, func(sender, channel string) bool {
		return e.Signer != "" && r.person(channel, sender) == e.Signer
	})
	if errors.Is(err, sds.ErrCleanedUp) {
		return nil, fmt.Errorf("reliability: %w", ErrSDSManagerUnavailable)
	}
	if err != nil {
		return payload, nil
	}
	content := *u.Message
	if len(content) == 0 {
		return nil, fmt.Errorf("reliability: %w", ErrNoContent)
	}
	r.received(*u.ChannelId, content, e)
	return content, nil
}

// received notes a message that came.
func (r *Reliability) received(channel string, content []byte, e Envelope) {
	id := community.SDSID(content)
	hint, err := community.EncodeHint(e.Hashes...)
	if err != nil {
		hint = nil
	}
	first, err := r.messages().receive(channel, id, hint)
	r.warn("noting a message", err)
	repaired := r.missed.take(channel, id)
	if t := r.o.Telemetry; t != nil && first {
		m := telemetry.Message{Channel: channel, ID: string(id)}
		a := telemetry.Arrival{Author: string(e.Author), Path: e.Path, Size: len(content), Sent: e.Sent}
		if len(e.Hashes) > 0 {
			a.Envelope = e.Hashes[0].String()
		}
		t.Received(m, a)
		if repaired {
			t.Repaired(m, e.Path)
		}
	}
}
