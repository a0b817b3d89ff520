//go:build go1.25

package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/telemetry"
	"github.com/causeway-im/causeway/telemetry/report"
)

// left is what a journal has: entries and the state.
func left(t *testing.T, db store.Store) (entries int, state []byte) {
	t.Helper()
	rows, err := db.Journal(t.Context(), "telemetry", 0, 1000)
	check(t, err)
	state, err = db.Value(t.Context(), "telemetry")
	if !errors.Is(err, store.ErrNotFound) {
		check(t, err)
	}
	return len(rows), state
}

// What is forgotten is told, and no longer there; numbers go on, and the pseudonym is
// another one.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, c := store.NewMemory(), newCollector(t)
		if f, err := telemetry.Forget(t.Context(), db); f != (telemetry.Forgotten{}) || err != nil {
			t.Errorf("of an empty store: %+v, %v", f, err)
		}
		if _, state := left(t, db); state != nil {
			t.Errorf("it wrote %s", state)
		}
		o := options(db, c)
		o.Consent = 0
		check(t, open(t, o).Close(t.Context()))
		if f, err := telemetry.Forget(t.Context(), db); f != (telemetry.Forgotten{}) || err != nil {
			t.Errorf("without consent: %+v, %v", f, err)
		}

		d := open(t, options(db, c))
		d.Composed(message("uploaded"), 1)
		pass(10 * time.Minute)
		c.setAnswer(offline)
		for i := range 120 {
			d.Composed(message(fmt.Sprint(i)), 1)
		}
		check(t, d.Close(t.Context()))
		install := c.now().uploads[0].Install
		f, err := telemetry.Forget(t.Context(), db) // the goodbye is an event, too
		if want := (telemetry.Forgotten{Events: 120 + 1, Install: true}); f != want || err != nil {
			t.Errorf("%+v, %v, want %+v", f, err, want)
		}
		entries, state := left(t, db)
		for _, word := range []string{install, "2.31", "android", `"spans"`, `"consent":3`} {
			if bytes.Contains(state, []byte(word)) {
				t.Errorf("%s is left: %s", word, state)
			}
		}
		if next, err := telemetry.Next(t.Context(), db, time.Now()); entries != 0 || next != nil || err != nil {
			t.Errorf("%d entries; next %s, %v", entries, next, err)
		}
		if f, err := telemetry.Forget(t.Context(), db); f != (telemetry.Forgotten{}) || err != nil {
			t.Errorf("for the second time: %+v, %v", f, err)
		}

		c.setAnswer(nil)
		again := open(t, options(db, c))
		again.Composed(message("again"), 1)
		pass(10 * time.Minute)
		check(t, again.Close(t.Context()))
		uploads := c.now().uploads
		if n := kinds(c.all())[report.Composed]; n != 2 || len(c.now().dropped) != 0 || uploads[len(uploads)-1].Install == install {
			t.Errorf("%d composed, %d dropped, install %s after %s", n, len(c.now().dropped), uploads[len(uploads)-1].Install, install)
		}
	})
}

// A Telemetry that has the journal that is forgotten stops, and what it and its node
// wrote after it is deleted; what another one wrote in its place is not.
func TestForgetWhileInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, c := store.NewMemory(), newCollector(t)
		c.setAnswer(offline)
		d := open(t, options(db, c))
		epoch, err := db.Epoch(t.Context())
		check(t, err)
		compose := func(id string) {
			e := causeway.Event{Channel: "tea", Kind: causeway.EventDelivered, ID: causeway.MessageID(id), Message: &causeway.Message{Own: true}}
			check(t, db.Commit(t.Context(), &store.Batch{Epoch: epoch, Inside: func(tx store.Tx) error { return d.Committing(tx, []causeway.Event{e}) }}))
		}
		compose("before")
		pass(time.Minute)
		f, err := telemetry.Forget(t.Context(), db)
		if f.Events != 2 || !f.Install || err != nil {
			t.Fatalf("%+v, %v", f, err)
		}
		compose("after")
		d.Received(message("after, too"), telemetry.Arrival{})
		if entries, _ := left(t, db); entries != 1 {
			t.Errorf("%d entries at once", entries)
		}
		c.setAnswer(nil)
		pass(2 * time.Second)
		compose("when it has stopped")
		d.Received(message("when it has stopped"), telemetry.Arrival{})
		n := c.requests()
		pass(time.Hour)
		if entries, state := left(t, db); entries != 0 || c.requests() != n || len(c.all()) != 0 {
			t.Errorf("%d entries are left, %d requests; %s", entries, c.requests()-n, state)
		}
		if s, err := d.Stats(t.Context()); s.Enabled || s.Pending != 0 || err != nil {
			t.Errorf("%+v, %v", s, err)
		}
		if err := d.Enable(4); !errors.Is(err, telemetry.ErrClosed) {
			t.Errorf("Enable: %v", err)
		}

		for _, justThen := range []bool{false, true} { // another one comes before the older one knows, and just then
			comes := func() {
				other := open(t, options(db, c))
				other.Composed(message("other's"), 1)
				check(t, other.Close(ended()))
			}
			at := &fencing{Store: db}
			older := open(t, options(at, c))
			pass(time.Minute)
			_, err = telemetry.Forget(t.Context(), db)
			check(t, err)
			if at.fenced = comes; !justThen {
				at.fenced = nil
				comes()
			}
			older.Received(message("after"), telemetry.Arrival{})
			pass(time.Minute)
			if entries, _ := left(t, db); entries == 0 {
				t.Error("what another one wrote is forgotten")
			}
		}
	})
}

// fencing is a store in which something happens when a write was refused since the
// store is another's.
type fencing struct {
	store.Store
	fenced func()
}

func (s *fencing) Write(ctx context.Context, f func(store.Tx) error) error {
	err := s.Store.Write(ctx, f)
	if happens := s.fenced; errors.Is(err, store.ErrFenced) && happens != nil {
		s.fenced = nil
		happens()
	}
	return err
}

// A store that fails says so, and another try does it.
func TestForgetFails(t *testing.T) {
	for f := range killed {
		db := &faulty{Store: store.NewMemory(), at: -1, fault: f}
		d := open(t, options(db, newCollector(t)))
		d.Composed(message("m"), 1)
		check(t, d.Close(ended()))
		db.at = db.writes + 1
		if _, err := telemetry.Forget(t.Context(), db); !errors.Is(err, errDisk) {
			t.Errorf("%v: %v", f, err)
		}
		_, err := telemetry.Forget(t.Context(), db)
		check(t, err)
		if entries, state := left(t, db); entries != 0 || bytes.Contains(state, []byte("2.31")) {
			t.Errorf("%v: %d entries, %s", f, entries, state)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := telemetry.Forget(ctx, db); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
}
