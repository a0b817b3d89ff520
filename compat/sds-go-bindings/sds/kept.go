package sds

import (
	"context"
	"slices"

	"go.uber.org/zap"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
)

// maxKeptBytes bounds the encoded messages in memory, for when one has to go out
// again: our own, and with an outgoing callback those of others, too.
const maxKeptBytes = 16 << 20

type messageKey struct {
	channel sds.ChannelID
	id      sds.MessageID
}

// keptBytes are encoded messages; the oldest make room.
type keptBytes struct {
	items map[messageKey][]byte
	order []messageKey // some are gone
	size  int
}

func (k *keptBytes) add(key messageKey, b []byte) {
	if k.items == nil {
		k.items = map[messageKey][]byte{}
	}
	if _, here := k.items[key]; here {
		return
	}
	k.items[key] = b
	k.order = append(k.order, key)
	k.size += keptCost(key, b)
	for k.size > maxKeptBytes {
		k.remove(k.order[0])
		k.order = k.order[1:]
	}
	if len(k.order) > 2*len(k.items)+64 {
		k.order = slices.DeleteFunc(k.order, func(key messageKey) bool { return k.items[key] == nil })
	}
}

func (k *keptBytes) remove(key messageKey) {
	if b, here := k.items[key]; here {
		k.size -= keptCost(key, b)
		delete(k.items, key)
	}
}

func keptCost(key messageKey, b []byte) int { return 128 + len(key.id) + len(b) }

// keep keeps an encoded message: in the store with the next commit, or else in
// memory.
func (rm *ReliabilityManager) keep(c *channel, id sds.MessageID, b []byte) {
	if rm.options.Store == nil {
		rm.kept.add(messageKey{c.id, id}, b)
		return
	}
	same := func(s store.Sealed) bool { return s.ID == id }
	if !slices.ContainsFunc(c.unsaved.sealed, same) {
		c.unsaved.sealed = append(c.unsaved.sealed, store.Sealed{ID: id, Bytes: b})
	}
}

// keepReceived keeps a message of others if it may be asked for or has to
// survive a restart. Its filter, most of its bytes, says what its sender had once:
// that is of no use to anybody later.
func (rm *ReliabilityManager) keepReceived(c *channel, m *wire.Message) {
	if rm.options.Store == nil && rm.outgoing == nil {
		return
	}
	lean := *m
	if lean.BloomFilter != nil {
		lean.BloomFilter = []byte{}
	}
	if lean.Dialect == wire.LIP {
		lean.BloomFilter = nil // an empty one makes JavaScript peers lose the message
	}
	rm.keep(c, m.MessageID, lean.Encode())
}

// acknowledged drops the bytes of our own message if nobody can ask for them.
func (rm *ReliabilityManager) acknowledged(c *channel, id sds.MessageID) {
	if rm.outgoing == nil {
		rm.kept.remove(messageKey{c.id, id})
	}
}

// bytesOf returns an encoded message, or nil.
func (rm *ReliabilityManager) bytesOf(c *channel, id sds.MessageID) []byte {
	s := rm.options.Store
	if s == nil {
		return rm.kept.items[messageKey{c.id, id}]
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	m, err := s.Message(ctx, c.id, id)
	if err != nil {
		rm.logger.Debug("reading a message from the store", zap.Error(err))
		return nil
	}
	return m.Sealed
}
