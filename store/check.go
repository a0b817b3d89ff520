package store

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math"

	"github.com/causeway-im/causeway/sds"
)

// ErrInvalid: a Batch, or what is written inside it, breaks a rule of this package,
// which is a mistake in the program. Nothing was written.
var ErrInvalid = errors.New("invalid batch")

// check finds what is wrong with a batch by itself. Numbers that databases sort
// by must fit into their signed integers; honest ones are far below (sds.MaxLamport).
func check(b *Batch) error {
	seen := make(map[sds.ChannelID]bool, len(b.Channels))
	for i := range b.Channels {
		c := &b.Channels[i]
		switch {
		case c.Channel == "":
			return fmt.Errorf("store: %w: a channel has no id", ErrInvalid)
		case seen[c.Channel]:
			return fmt.Errorf("store: %w: channel %q is in it twice", ErrInvalid, short(c.Channel))
		}
		seen[c.Channel] = true
		for j := range c.Changes.Messages {
			m := &c.Changes.Messages[j]
			if m.Lamport > math.MaxInt64 || m.Position > math.MaxInt64 {
				return fmt.Errorf("store: %w: message %q has lamport timestamp %d and position %d, above 2^63-1",
					ErrInvalid, short(m.ID), m.Lamport, m.Position)
			}
		}
	}
	var last Cursor
	for i := range b.Events {
		if c := b.Events[i].Cursor; c <= last || c > math.MaxInt64 {
			return fmt.Errorf("store: %w: event %d after event %d", ErrInvalid, c, last)
		}
		last = b.Events[i].Cursor
	}
	return nil
}

// checkFollows refuses events whose cursors were given before.
func checkFollows(events []Event, newest Cursor) error {
	if len(events) > 0 && events[0].Cursor <= newest {
		return fmt.Errorf("store: %w: event %d after event %d", ErrInvalid, events[0].Cursor, newest)
	}
	return nil
}

// checkMany refuses what no entry can stand for.
func checkMany(n int) error {
	if n < 1 || n > MaxMany {
		return fmt.Errorf("store: %w: an entry for %d things, must be 1 to %d", ErrInvalid, n, MaxMany)
	}
	return nil
}

// empty tells whether a batch says nothing of its channel: such a channel is not
// listed.
func (c *ChannelBatch) empty() bool {
	return c.Changes.Empty() && len(c.Sealed)+len(c.Transitions)+len(c.Gaps)+len(c.Hints) == 0 && c.CompleteTo == 0
}

// finallyForgotten returns the ids that a batch leaves forgotten: bytes that came
// with it go too.
func finallyForgotten(messages []sds.MessageRecord) []sds.MessageID {
	var ids []sds.MessageID
	var last map[sds.MessageID]sds.MessageState
	for i := range messages {
		if messages[i].State != sds.StateForgotten {
			continue
		}
		if last == nil {
			last = make(map[sds.MessageID]sds.MessageState, len(messages))
			for j := range messages {
				last[messages[j].ID] = messages[j].State
			}
		}
		if last[messages[i].ID] == sds.StateForgotten {
			ids = append(ids, messages[i].ID)
		}
	}
	return ids
}

// closed tells whether a gap of this state is no longer one.
func closed(s sds.GapState) bool { return s == sds.GapRecovered || s == sds.GapBelowJoin }

// digester computes a Digest from ids by place.
type digester struct {
	count uint64
	buf   []byte
	hash  hash.Hash
}

func newDigester() *digester { return &digester{hash: sha256.New()} }

func (d *digester) add(id []byte) {
	d.count++
	d.buf = binary.LittleEndian.AppendUint64(d.buf[:0], uint64(len(id)))
	d.buf = append(d.buf, id...)
	d.hash.Write(d.buf)
}

func (d *digester) digest() Digest {
	r := Digest{Count: d.count}
	d.hash.Sum(r.Hash[:0])
	return r
}

// orNil makes empty bytes nil, where that means the same: databases don't tell
// them apart alike.
func orNil(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// short makes an id that came from the network fit for an error message.
func short[T ~string](id T) string {
	if len(id) > 64 {
		return string(id[:64]) + "…"
	}
	return string(id)
}
