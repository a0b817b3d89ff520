package sds

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
)

// openStore takes the Store over and settles who we are.
func (rm *ReliabilityManager) openStore() error {
	o := &rm.options
	if o.Store == nil {
		if o.Participant == "" {
			o.Participant = newParticipant()
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	var err error
	if rm.epoch, err = o.Store.Epoch(ctx); err != nil {
		return persistence(err)
	}
	if o.Participant == "" {
		kept, err := o.Store.Value(ctx, participantKey)
		switch {
		case err == nil:
			o.Participant = string(kept)
		case errors.Is(err, store.ErrNotFound):
			o.Participant = newParticipant()
			b := store.Batch{Epoch: rm.epoch, Values: map[string][]byte{participantKey: []byte(o.Participant)}}
			if err := o.Store.Commit(ctx, &b); err != nil {
				return persistence(err)
			}
		default:
			return persistence(err)
		}
	}
	channels, err := o.Store.Channels(ctx)
	if err != nil {
		return persistence(err)
	}
	for _, id := range channels {
		if _, err := rm.load(id); err != nil {
			return err
		}
	}
	return nil
}

func newParticipant() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func persistence(err error) error { return fmt.Errorf("%w: %w", ErrPersistence, err) }

// trouble is the last failure of the store. For a while nobody tries again.
type trouble struct {
	err   error
	until sds.Time
}

func (t *trouble) now(now sds.Time) error {
	if now < t.until {
		return t.err
	}
	return nil
}

// failed notes that the store failed. If another manager has opened it, it is no
// longer ours.
func (rm *ReliabilityManager) failed(err error) error {
	err = persistence(err)
	rm.trouble = trouble{err, rm.now().Add(retryAfter)}
	if errors.Is(err, store.ErrFenced) {
		rm.trouble.until = math.MaxInt64
	}
	return err
}

// load opens a channel: as the store has it, or without history.
func (rm *ReliabilityManager) load(id sds.ChannelID) (*channel, error) {
	if rm.options.Store == nil {
		core, err := sds.New(rm.config(id), rm.now())
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalidArgument, err)
		}
		return rm.add(id, core), nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	kept, err := rm.options.Store.Load(ctx, id, sds.DefaultWindow)
	if err != nil {
		return nil, rm.failed(err)
	}
	content := func(message sds.MessageID) (wire.Message, error) {
		m, err := rm.options.Store.Message(ctx, id, message)
		if err != nil {
			return wire.Message{}, err
		}
		return wire.Decode(m.Sealed)
	}
	core, err := sds.Restore(rm.config(id), kept.State, content, rm.now())
	if err != nil {
		return nil, rm.failed(fmt.Errorf("channel %q: %w", id, err))
	}
	c := rm.add(id, core)
	for id, m := range kept.State.Messages {
		if m.State == sds.StateParked {
			c.parked[id] = struct{}{}
		}
	}
	for id, o := range kept.State.Outgoing {
		if o.Level < sds.LevelSeen {
			c.pending[id] = struct{}{}
		}
	}
	rm.weigh(c)
	return c, nil
}

// commit makes what a channel changed durable.
func (rm *ReliabilityManager) commit(c *channel, r *sds.Ready) error {
	if rm.options.Store == nil {
		return nil
	}
	b := store.ChannelBatch{Channel: c.id, Changes: r.Changes, Sealed: c.unsaved.sealed, Hints: c.unsaved.hints}
	if err := rm.write(b); err != nil {
		return err
	}
	c.unsaved.sealed, c.unsaved.hints = nil, nil
	return nil
}

// drop forgets channels in the store.
func (rm *ReliabilityManager) drop(ids ...sds.ChannelID) error {
	if rm.options.Store == nil || len(ids) == 0 {
		return nil
	}
	batches := make([]store.ChannelBatch, len(ids))
	for i, id := range ids {
		batches[i] = store.ChannelBatch{Channel: id, Drop: true}
	}
	return rm.write(batches...)
}

func (rm *ReliabilityManager) write(channels ...store.ChannelBatch) error {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if err := rm.options.Store.Commit(ctx, &store.Batch{Epoch: rm.epoch, Channels: channels}); err != nil {
		return rm.failed(err)
	}
	return nil
}
