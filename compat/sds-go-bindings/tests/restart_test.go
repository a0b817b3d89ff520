package tests

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
	"github.com/waku-org/sds-go-bindings/sds"
)

// restart opens a manager on a store, as a process does that begins.
func restart(t *testing.T, s store.Store, now func() time.Time) (*sds.ReliabilityManager, *recorder) {
	t.Helper()
	rm, heard := open(t, sds.Options{Store: s, Now: now}), newRecorder()
	rm.RegisterCallbacks(heard.callbacks())
	return rm, heard
}

// Everything that waits survives a restart: acknowledgements, dependencies, what is
// known, the clock, hints and who we are.
func TestStateSurvivesRestart(t *testing.T) {
	kept := store.NewMemory()
	other, _ := joined(t)
	rm, heard := restart(t, kept, nil)
	callbacks := heard.callbacks()
	callbacks.RetrievalHintProvider = func(id sds.MessageID) []byte { return []byte("hint of " + id) }
	rm.RegisterCallbacks(callbacks)
	own := wrap(t, rm, "own", "ch")
	wrap(t, rm, "own2", "ch") // asks for the hint of own
	unwrap(t, other, own, "own", "ch")
	one := wrap(t, other, "m1", "ch")
	two := wrap(t, other, "m2", "ch")
	wantIDs(t, "missing", unwrap(t, rm, two, "m2", "ch"), "m1")
	heard.take()
	unwrap(t, rm, wrap(t, other, "x1", "quiet"), "x1", "quiet")
	before, err := wire.Decode(wrap(t, rm, "own3", "ch"))
	if err != nil {
		t.Fatal(err)
	}
	if err := rm.Cleanup(); err != nil {
		t.Fatal(err)
	}

	rm, heard = restart(t, kept, nil)
	unwrap(t, rm, one, "m1", "ch") // it names own
	heard.want(t, "ready m1 ch", "ready m2 ch")
	for _, copy := range []struct{ id string }{{"m1"}, {"m2"}} {
		packet := map[string][]byte{"m1": one, "m2": two}[copy.id]
		wantIDs(t, "missing of a copy", unwrap(t, rm, packet, copy.id, "ch"))
	}
	unwrap(t, rm, wrap(t, other, "x2", "quiet"), "x2", "quiet")
	heard.want(t, "ready x2 quiet")
	if again := wrap(t, rm, "own", "ch"); !bytes.Equal(again, own) {
		t.Error("a message that is sent again has other bytes than before the restart")
	}
	after, err := wire.Decode(wrap(t, rm, "own4", "ch"))
	if err != nil {
		t.Fatal(err)
	}
	if after.SenderID != before.SenderID || after.Lamport <= before.Lamport {
		t.Errorf("sender %s at %d, before the restart %s at %d", after.SenderID, after.Lamport, before.SenderID, before.Lamport)
	}
	hints := map[wire.MessageID]string{}
	for _, e := range after.CausalHistory {
		hints[e.MessageID] = string(e.RetrievalHint)
	}
	if hints["own"] != "hint of own" || hints["m2"] != "" {
		t.Errorf("hints %q", hints)
	}
}

// An acknowledgement that comes after a restart is reported, and only once.
func TestAcknowledgedAfterRestart(t *testing.T) {
	kept := store.NewMemory()
	other, _ := joined(t)
	rm, _ := restart(t, kept, nil)
	unwrap(t, other, wrap(t, rm, "own", "ch"), "own", "ch")
	reply := wrap(t, other, "m1", "ch")
	if err := rm.Cleanup(); err != nil {
		t.Fatal(err)
	}
	rm, heard := restart(t, kept, nil)
	unwrap(t, rm, reply, "m1", "ch")
	heard.want(t, "sent own ch", "ready m1 ch")
	if err := rm.Cleanup(); err != nil {
		t.Fatal(err)
	}
	rm, heard = restart(t, kept, nil)
	third, _ := joined(t)
	unwrap(t, third, reply, "m1", "ch")
	unwrap(t, rm, proto(1, "m9", 2, 7, 3, proto(1, "own"), 4, "ch", 5, "content of m9", 7, "third"), "m9", "ch")
	heard.want(t, "ready m9 ch")
}

// Reset forgets in the store, too.
func TestResetForgetsTheStore(t *testing.T) {
	kept := store.NewMemory()
	rm, _ := restart(t, kept, nil)
	wrap(t, rm, "own", "ch")
	if err := rm.Reset(); err != nil {
		t.Fatal(err)
	}
	if channels, err := kept.Channels(context.Background()); err != nil || len(channels) != 0 {
		t.Errorf("the store has %q, %v", channels, err)
	}
	rm, _ = restart(t, kept, nil)
	if exists(rm, "ch") {
		t.Error("the channel is back after a restart")
	}
}

// Of two managers on one store the older one stops; what it receives is still
// content.
func TestOlderManagerStops(t *testing.T) {
	kept := store.NewMemory()
	other, _ := joined(t)
	older, _ := restart(t, kept, nil)
	wrap(t, older, "m1", "ch")
	newer, _ := restart(t, kept, nil)
	for range 2 {
		if _, err := older.WrapOutgoingMessage([]byte("x"), "m2", "ch"); !errors.Is(err, sds.ErrPersistence) || !errors.Is(err, store.ErrFenced) {
			t.Errorf("the older manager goes on: %v", err)
		}
	}
	unwrap(t, older, wrap(t, other, "x", "ch"), "x", "ch")
	wrap(t, newer, "m2", "ch")
}

// failing is a store that fails on demand, before or after it wrote.
type failing struct {
	store.Store
	before, after bool
}

var errDisk = errors.New("the disk is full")

func (f *failing) Commit(ctx context.Context, b *store.Batch) error {
	if f.before {
		return errDisk
	}
	if err := f.Store.Commit(ctx, b); err != nil {
		return err
	}
	if f.after {
		return errDisk
	}
	return nil
}

// When the store fails, Wrap fails and Unwrap returns content; later the manager
// goes on from what is durable.
func TestStoreFails(t *testing.T) {
	for _, written := range []bool{false, true} {
		now := time.Now()
		kept := &failing{Store: store.NewMemory()}
		other, _ := joined(t)
		rm, heard := restart(t, kept, func() time.Time { return now })
		unwrap(t, rm, wrap(t, other, "m1", "ch"), "m1", "ch")
		heard.want(t, "ready m1 ch")
		two := wrap(t, other, "m2", "ch")
		kept.before, kept.after = !written, written
		if _, err := rm.WrapOutgoingMessage([]byte("content of own"), "own", "ch"); !errors.Is(err, errDisk) {
			t.Fatalf("Wrap: %v", err)
		}
		unwrap(t, rm, two, "m2", "ch")
		if err := rm.MarkDependenciesMet([]sds.MessageID{"x"}, "ch"); !errors.Is(err, sds.ErrPersistence) {
			t.Errorf("MarkDependenciesMet: %v", err)
		}
		heard.want(t)

		kept.before, kept.after = false, false
		now = now.Add(10 * time.Second)
		packet := wrap(t, rm, "own", "ch")
		unwrap(t, rm, two, "m2", "ch")
		heard.want(t, "ready m2 ch")
		u := unwrap(t, other, packet, "own", "ch")
		wantIDs(t, "missing", u)
		unwrap(t, rm, wrap(t, other, "m3", "ch"), "m3", "ch")
		heard.want(t, "sent own ch", "ready m3 ch")
	}
}

// What the store can't give ends the constructor.
func TestStoreFailsAtOnce(t *testing.T) {
	if _, err := sds.NewReliabilityManagerWithOptions(nil, sds.Options{Store: &failing{Store: store.NewMemory(), before: true}}); !errors.Is(err, errDisk) {
		t.Errorf("a store that can't be written: %v", err)
	}
}
