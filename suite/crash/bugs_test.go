package crash

import (
	"context"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
)

// The bugs that a child's store may have.
const (
	bugEarly    = "says that it is durable before it is"
	bugMemory   = "keeps all in memory"
	bugTorn     = "commits events and the rest apart"
	bugSequence = "forgets the sequence number"
	bugReceipt  = "forgets receipts"
	bugBytes    = "changes bytes"
)

// withBug breaks one promise of a store.
func withBug(bug string, db store.Store) store.Store {
	switch bug {
	case "":
		return db
	case bugMemory:
		return store.NewMemory()
	case bugEarly:
		s := &earlyStore{Store: db, later: make(chan *store.Batch, 1000)}
		go s.run()
		return s
	}
	return &buggyStore{db, bug}
}

// buggyStore does something else than it is told.
type buggyStore struct {
	store.Store
	bug string
}

func (s *buggyStore) Commit(ctx context.Context, b *store.Batch) error {
	changed := *b
	changed.Channels = nil
	for _, c := range b.Channels {
		s.change(&c)
		changed.Channels = append(changed.Channels, c)
	}
	if s.bug == bugTorn && len(b.Events) > 0 {
		if err := s.Store.Commit(ctx, &store.Batch{Epoch: b.Epoch, Events: b.Events}); err != nil {
			return err
		}
		changed.Events = nil
	}
	return s.Store.Commit(ctx, &changed)
}

func (s *buggyStore) change(c *store.ChannelBatch) {
	switch s.bug {
	case bugSequence:
		if m := c.Changes.Meta; m != nil {
			meta := *m
			meta.Sequence = 0
			c.Changes.Meta = &meta
		}
	case bugReceipt:
		c.Changes.Seen = nil
		var records []sds.OutgoingRecord
		for _, o := range c.Changes.Outgoing {
			o.Level, o.Done = min(o.Level, causeway.Sent), false
			records = append(records, o)
		}
		c.Changes.Outgoing = records
	case bugBytes:
		var sealed []store.Sealed
		for _, m := range c.Sealed {
			sealed = append(sealed, store.Sealed{ID: m.ID, Bytes: append([]byte{0x98, 0x06, 0x01}, m.Bytes...)})
		}
		c.Sealed = sealed
	}
}

// earlyStore commits a while after it has said so.
type earlyStore struct {
	store.Store
	later chan *store.Batch
}

func (s *earlyStore) Commit(_ context.Context, b *store.Batch) error {
	s.later <- b
	return nil
}

func (s *earlyStore) run() {
	for b := range s.later {
		time.Sleep(20 * time.Millisecond)
		s.Store.Commit(context.Background(), b)
	}
}
