package telemetry

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/sqlite"
	"github.com/causeway-im/causeway/suite/sqlite/sqlitefault"
)

// nightly tells whether tests may take long.
var nightly = os.Getenv("CAUSEWAY_NIGHTLY") != ""

// Whatever operation of SQLite fails, in whichever way: no event is lost, invented
// or renumbered, and the claim never says more than the journal has.
func TestEveryOperationFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder, lives := t.TempDir(), 0
		step := 7 // by day every seventh operation
		if nightly {
			step = 1
		}
		for _, mode := range []sqlitefault.Mode{sqlitefault.Before, sqlitefault.After, sqlitefault.CrashBefore, sqlitefault.CrashAfter} {
			for at := 1 + int(mode)%step; ; at += step {
				lives++
				file := filepath.Join(folder, fmt.Sprint(lives))
				if !faultyLife(t, file, at, mode) {
					break
				}
				if t.Failed() {
					t.Fatalf("%v at operation %d", mode, at)
				}
			}
		}
		if lives < 50 {
			t.Errorf("%d lives", lives)
		}
	})
}

// faultyLife writes for some seconds on a database with a fault, then uploads all
// from what is left. It returns false when the fault did not come.
func faultyLife(t *testing.T, file string, at int, mode sqlitefault.Mode) bool {
	ctx := context.Background()
	name, err := sqlite.DSN(file)
	check(t, err)
	name = strings.ReplaceAll(name, "FULL", "OFF") // no machine loses power here
	faults := &sqlitefault.Faults{}
	db, err := sqlitefault.Open(name, faults)
	check(t, err)
	s, err := store.OpenSQL(ctx, db, store.SQLOptions{})
	check(t, err)
	epoch, err := s.Epoch(ctx)
	check(t, err)
	w := truth{recorded: map[string]int64{}, durable: map[string]bool{}}
	faults.Arm(at, mode)
	if d, err := begin(s, nil); err == nil {
		for i := range 8 {
			id := fmt.Sprint("received ", i)
			w.recorded[id] = time.Now().UnixMilli()
			received(d, id)
			composed(ctx, s, epoch, d, fmt.Sprint("composed ", i))
			time.Sleep(600 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		ended, cancel := context.WithCancel(ctx)
		cancel()
		d.Close(ended)
	}
	reached := faults.Failed() != ""
	check(t, db.Close())
	faults.Arm(0, 0)

	db, err = sqlitefault.Open(name, faults)
	check(t, err)
	defer db.Close()
	s, err = store.OpenSQL(ctx, db, store.SQLOptions{})
	check(t, err)
	for i := range 8 {
		id := fmt.Sprint("composed ", i)
		if _, err := s.Value(ctx, id); err == nil { // what the transaction wrote beside the evidence
			w.durable[id] = true
		}
	}
	time.Sleep(time.Hour)
	c := newCollector(t)
	d, err := begin(s, c) // a run that covers something, whatever the first one did
	check(t, err)
	w.recorded["after"] = time.Now().UnixMilli()
	received(d, "after")
	time.Sleep(5 * time.Second)
	check(t, d.Close(ctx))
	drain(t, s, c)
	c.compare(w)
	return reached
}
