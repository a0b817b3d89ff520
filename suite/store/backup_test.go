package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/sqlite"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// TestOldBackup is what docs/operations.md says of a member that goes on with an old
// backup of its database: it gets back what it said since, its log and receipts are
// right, and it has forgotten its receipts and gives cursors again. With a store in the
// network it has caught up before it speaks; without one it speaks with numbers that it
// has used before.
func TestOldBackup(t *testing.T) {
	for name, o := range map[string]loopback.Options{"store": {Store: &loopback.StoreOptions{}}, "members": {}} {
		t.Run(name, func(t *testing.T) { oldBackup(t, o) })
	}
}

func oldBackup(t *testing.T, o loopback.Options) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	network, err := loopback.New(o)
	check(err)
	defer network.Close()
	var number atomic.Uint64 // of what alice says first when she is back
	var deaf atomic.Bool     // alice hears nothing before she has said that
	network.SetFilter(func(_, to string, e transport.Envelope) bool {
		if m, err := wire.Decode(e.Payload); err == nil && string(m.Content) == "good morning" {
			x, _ := wire.ParseExtension(m.Extension)
			number.Store(x.Sequence)
			deaf.Store(false)
		}
		return to == "alice" && deaf.Load()
	})
	roster := &causeway.Roster{Members: map[causeway.ParticipantID]causeway.PersonID{"alice": "Alice", "bob": "Bob"}}
	join := func(who causeway.ParticipantID, kept store.Store) (*loopback.Endpoint, *causeway.Node, *causeway.Channel) {
		end, err := network.Attach(string(who))
		check(err)
		node, err := causeway.Open(ctx, causeway.Options{Store: kept, Transport: end})
		check(err)
		channel, err := node.Join(ctx, causeway.ChannelConfig{Channel: "tea", Participant: who, Roster: roster,
			Profile: causeway.Profile{RoundTrip: 10 * time.Millisecond}})
		check(err)
		return end, node, channel
	}
	say := func(c *causeway.Channel, text string) *causeway.Receipt {
		t.Helper()
		r, err := c.Send(ctx, []byte(text), causeway.SendOptions{Want: causeway.Everyone})
		check(err)
		if now, err := r.WaitFor(ctx, causeway.SeenByAll); err != nil {
			t.Fatalf("%s: %v, %+v", text, err, now)
		}
		return r
	}
	_, node, bob := join("bob", store.NewMemory())
	defer node.Close()

	file := filepath.Join(t.TempDir(), "alice.db")
	db, err := sqlite.Open(ctx, file)
	check(err)
	kept, err := store.OpenSQL(ctx, db, store.SQLOptions{})
	check(err)
	end, node, alice := join("alice", kept)
	say(alice, "yesterday")
	_, err = db.ExecContext(ctx, "VACUUM INTO '"+file+".backup'")
	check(err)
	forgotten := say(alice, "today")
	say(alice, "tonight")
	say(bob, "good night")
	_, before, err := node.Cursors(ctx)
	check(err)
	check(node.Close())
	check(db.Close())
	end.Close()

	db, err = sqlite.Open(ctx, file+".backup")
	check(err)
	defer db.Close()
	kept, err = store.OpenSQL(ctx, db, store.SQLOptions{})
	check(err)
	deaf.Store(o.Store == nil) // or members might tell her first
	_, node, alice = join("alice", kept)
	defer node.Close()
	if _, after, err := node.Cursors(ctx); err != nil || after >= before {
		t.Errorf("the newest cursor was %d and is %d, %v", before, after, err)
	}
	say(alice, "good morning")
	for {
		a, err := alice.Digest(ctx)
		check(err)
		b, err := bob.Digest(ctx)
		check(err)
		if a == b && a.Count == 5 {
			break
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("the logs are %v and %v", a, b)
		}
	}
	if m, err := alice.Message(ctx, forgotten.ID()); err != nil || string(m.Content) != "today" || !m.Own {
		t.Errorf("what alice said since is %+v, %v", m, err)
	}
	if _, err := alice.Receipt(forgotten.ID()).Now(ctx); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("its receipt: %v", err)
	}
	// She numbered three messages: the first after them is the fourth, or, if she does
	// not know that, the second once more.
	want := uint64(2)
	if o.Store != nil {
		want = 4
	}
	if got := number.Load(); got != want {
		t.Errorf("her first message after that has number %d, want %d", got, want)
	}
	say(alice, "coffee?")
}
