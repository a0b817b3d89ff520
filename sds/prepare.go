package sds

import (
	"crypto/sha256"
	"fmt"

	"github.com/causeway-im/causeway/sds/wire"
)

// Incoming is a message as it is before a channel looks at it: checked as far as
// no channel is needed for that, its extension read, its id verified. It does not
// change, so one Incoming may be given to many channels, also at the same time.
type Incoming struct {
	m       wire.Message
	kind    wire.Kind
	err     error // why no channel can take it
	trust   Trust // what the id proves
	ext     wire.Extension
	parents []MessageID // of content
	leaf    Leaf        // of content
}

// Prepare does what receiving m costs for the first time. The bytes of m must not
// change afterwards.
func Prepare(m wire.Message) *Incoming {
	in := &Incoming{m: m, kind: m.Kind()}
	if in.err = in.check(); in.err != nil {
		return in
	}
	in.trust = VerifyID(&in.m)
	in.ext = extension(&in.m)
	if in.kind == wire.Content {
		in.parents = make([]MessageID, len(m.CausalHistory))
		for i := range m.CausalHistory {
			in.parents[i] = m.CausalHistory[i].MessageID
		}
		in.leaf = NewLeaf(m.MessageID, in.parents, sha256.Sum256(m.Content))
	}
	return in
}

// Message returns the message. Its slices must not be changed.
func (in *Incoming) Message() *wire.Message { return &in.m }

// check refuses what can't be a message of any channel.
func (in *Incoming) check() error {
	m := &in.m
	switch {
	case m.MessageID == "":
		return fmt.Errorf("sds: %w", ErrNoID)
	case m.SenderID == "" && m.Dialect != wire.Nim:
		return fmt.Errorf("sds: %w: %s", ErrNoSender, clip(string(m.MessageID)))
	case in.kind == 0:
		return fmt.Errorf("sds: %w: %s", ErrUnknownKind, clip(string(m.MessageID)))
	case m.HasLamport && m.Lamport >= MaxLamport:
		return fmt.Errorf("sds: %w: %d must be below 2^53", ErrLamportRange, m.Lamport)
	case len(m.Content) > MaxContent:
		return fmt.Errorf("sds: %w: %d bytes, at most %d", ErrContentTooLarge, len(m.Content), MaxContent)
	}
	return nil
}

// extension decodes field 100. A bad one is as good as none: nothing that
// content depends on lives there.
func extension(m *wire.Message) wire.Extension {
	if m.Extension == nil {
		return wire.Extension{}
	}
	e, err := wire.ParseExtension(m.Extension)
	if err != nil {
		return wire.Extension{}
	}
	return e
}
