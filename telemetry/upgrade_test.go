//go:build go1.25

package telemetry_test

import (
	"bytes"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/telemetry"
	"github.com/causeway-im/causeway/telemetry/report"
)

// oldJournal is a store with the journal that version 0.1.0 left, of 38 events.
func oldJournal(t *testing.T) store.Store {
	text, err := os.ReadFile("testdata/journal-0.1.0.jsonl")
	check(t, err)
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	db := store.NewMemory()
	check(t, db.Write(t.Context(), func(tx store.Tx) error {
		for _, row := range lines[1:] {
			check(t, tx.Append("telemetry", row))
		}
		return tx.Set("telemetry", lines[0])
	}))
	return db
}

// What a version before this one wrote is uploaded as that one would have, to the byte,
// and goes on where it ended.
func TestJournalOfAnOlderVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want, err := os.ReadFile("testdata/upload-0.1.0.json")
		check(t, err)
		db, c := oldJournal(t), newCollector(t)
		time.Sleep(2 * time.Minute)
		got, err := telemetry.Next(t.Context(), db, time.Now())
		check(t, err)
		if !bytes.Equal(got, bytes.TrimSpace(want)) {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		c.setAnswer(lossy(1))
		d := open(t, options(db, c))
		if s, err := d.Stats(t.Context()); s.Pending != 38+1 || err != nil { // and the membership
			t.Errorf("%+v, %v", s, err)
		}
		d.Composed(message("after the upgrade"), 1)
		pass(time.Minute)
		check(t, d.Close(t.Context()))
		n := map[string]int{}
		for _, e := range c.all() {
			n[string(e.Kind)+" "+string(e.Class)+" "+e.Message]++
		}
		for _, m := range []telemetry.Message{{ID: "own0", Class: report.Multicast}, {ID: "own1", Class: report.Control}, {ID: "after the upgrade", Class: report.Multicast}} {
			if k := "composed " + string(m.Class) + " " + names(t).Message(m.ID); n[k] != 1 {
				t.Errorf("%s came %d times", m.ID, n[k])
			}
		}
		epochs := map[uint64]bool{}
		for k := range c.now().events {
			epochs[k.epoch] = true
		}
		if len(c.all()) != 38+3 || len(c.now().dropped) > 0 || len(epochs) != 1 {
			t.Errorf("%d events, %d dropped, %d epochs", len(c.all()), len(c.now().dropped), len(epochs))
		}
		if s, err := d.Stats(t.Context()); s.Pending != 0 || s.Bytes != 0 || err != nil {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

// Rows that can't be read, or say that they have more events than they took numbers,
// are dropped, all their numbers and no others.
func TestRowsThatAreDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, c := store.NewMemory(), newCollector(t)
		c.setAnswer(offline)
		d := open(t, options(db, c))
		var good []store.Entry
		for _, id := range []string{"first", "last"} {
			d.Composed(message(id), 1)
			d.Composed(message(id+" too"), 1)
			pass(10 * time.Second)
			if id == "first" {
				var err error
				good, err = db.Journal(t.Context(), "telemetry", 0, 10)
				check(t, err)
				check(t, db.Write(t.Context(), func(tx store.Tx) error {
					check(t, tx.AppendMany("telemetry", 5, []byte{1, 2, 3}))
					check(t, tx.Append("telemetry", nil))
					return tx.AppendMany("telemetry", 2, good[len(good)-1].Data) // of 3 events
				}))
			}
		}
		if len(good) != 1 || good[0].Seq != 3 {
			t.Fatalf("rows: %v", good)
		}
		c.setAnswer(nil)
		pass(2 * time.Hour)
		check(t, d.Close(t.Context()))
		if n := kinds(c.all()); n[report.Composed] != 4 || n[report.Membership] != 1 || len(c.now().dropped) != 8 {
			t.Errorf("%v, %d dropped", n, len(c.now().dropped))
		}
		for k := range c.now().dropped {
			if k.seq < 4 || k.seq > 11 {
				t.Errorf("number %d is dropped", k.seq)
			}
		}
	})
}
