package demo

import (
	"context"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
)

// witness stands between a node and its store. It changes nothing, and tells the
// recorder what a commit is about to say, and that it is durable. A node lets
// nothing out before its commit has returned: whoever is counted by a receipt
// must have been seen here to hold the message before.
type witness struct {
	store.Store
	rec    *recorder
	member int
	events []causeway.Event // of the commit in hand; the node commits one at a time
}

var _ causeway.Observer = (*witness)(nil)

// Committing implements causeway.Observer.
func (w *witness) Committing(_ store.Tx, events []causeway.Event) error {
	w.rec.counting(w.member, events)
	w.events = events
	return nil
}

// Commit implements store.Store.
func (w *witness) Commit(ctx context.Context, b *store.Batch) error {
	w.events = nil
	if err := w.Store.Commit(ctx, b); err != nil {
		return err
	}
	w.rec.committed(w.member, b, w.events)
	return nil
}
