package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/store/storetest"
	"github.com/causeway-im/causeway/suite/sqlite/sqlitefault"
)

// nightly tells whether tests may take long.
var nightly = os.Getenv("CAUSEWAY_NIGHTLY") != ""

// turn is batch i of a story in which every table is written, replaced and
// deleted from.
func turn(epoch uint64, i int) *store.Batch {
	persons := []sds.PersonID{"p", "q", "r", sds.PersonID(fmt.Sprint("joined in turn ", i))}
	m := record(i + 1)
	parked := sds.MessageRecord{ID: sds.MessageID(fmt.Sprint("parked ", i)), State: sds.StateParked}
	forgotten := sds.MessageRecord{ID: sds.MessageID(fmt.Sprint("parked ", i-1)), State: sds.StateForgotten}
	c := store.ChannelBatch{Channel: "c", CompleteTo: sds.Time(i + 1), Changes: sds.Changes{
		Meta:     &sds.Meta{Position: m.Position, Heads: []sds.MessageID{m.ID}},
		Messages: []sds.MessageRecord{m, parked, forgotten},
		Outgoing: []sds.OutgoingRecord{{ID: m.ID, HasAudience: true, Members: persons}, {ID: record(i).ID, Done: true}},
		Seen:     []sds.SeenRecord{{ID: m.ID, Person: "q"}, {ID: m.ID, Person: persons[3]}}},
		Sealed:      []store.Sealed{{ID: m.ID, Bytes: make([]byte, 3000+i)}, {ID: parked.ID, Bytes: []byte("waits")}},
		Transitions: []store.Transition{{ID: m.ID, Level: 1, At: sds.Time(i)}},
		Gaps: []store.Gap{{Gap: sds.Gap{ID: "g", State: sds.GapState(1 + i%2)}, At: sds.Time(i)},
			{Gap: sds.Gap{ID: "h", State: sds.GapState(1 + 2*(i%2))}, At: sds.Time(i)}}}
	return &store.Batch{Epoch: epoch,
		Channels: []store.ChannelBatch{c, {Channel: "d", Drop: i%2 == 1, CompleteTo: sds.Time(i)}},
		Events:   []store.Event{{Cursor: store.Cursor(2*i + 1), Channel: "c"}, {Cursor: store.Cursor(2*i + 2), Channel: "d"}},
		Forget:   store.Cursor(i), Values: map[string][]byte{"v": fmt.Append(nil, i), fmt.Sprint("w", i): {1}, fmt.Sprint("w", i-1): nil},
		Inside: func(tx store.Tx) error { return tx.Append("j", fmt.Append(nil, i)) }}
}

func snapshot(t testing.TB, s store.Store) map[string]any {
	t.Helper()
	r, err := storetest.Snapshot(context.Background(), s, []sds.ChannelID{"c", "d"}, []string{"j"},
		[]string{"v", "w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestFaults makes each operation of a Commit fail, in each way: what is left is
// the store before or after it, and it can be used on.
func TestFaults(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := t.TempDir()
	base := filepath.Join(dir, "base.db")
	db := openFast(t, base)
	s := openStore(t, db)
	epoch, err := s.Epoch(ctx)
	check(t, err)
	check(t, s.Commit(ctx, turn(epoch, 0)))
	before := snapshot(t, s)
	check(t, db.Close()) // the last connection writes the WAL back

	// Once without a fault: how many operations there are, and what they lead to.
	var f sqlitefault.Faults
	s, done := openFaulty(t, base, filepath.Join(dir, "clean.db"), &f)
	f.Arm(0, sqlitefault.Before)
	check(t, s.Commit(ctx, turn(epoch, 1)))
	operations := f.Count()
	after := snapshot(t, s)
	done()
	if storetest.Difference(after, before) == "" || operations < 40 {
		t.Fatalf("%d operations, or nothing changed", operations)
	}
	commit := operations // its number: what follows are statements that are prepared for later
	for failed := ""; failed != "commit" && commit > 0; {
		commit--
		s, done := openFaulty(t, base, filepath.Join(dir, "probe.db"), &f)
		f.Arm(commit, sqlitefault.Before)
		s.Commit(ctx, turn(epoch, 1))
		failed = f.Failed()
		done()
	}
	for mode := sqlitefault.Before; mode <= sqlitefault.CrashAfter; mode++ {
		for n := 1; n <= operations; n++ {
			// Only for the commit is before something else than after: of the others
			// half is enough for every day.
			if n != commit && (n+int(mode))%2 == 0 && !nightly {
				continue
			}
			path := filepath.Join(dir, fmt.Sprintf("%d-%d.db", mode, n))
			s, done := openFaulty(t, base, path, &f)
			f.Arm(n, mode)
			if err := s.Commit(ctx, turn(epoch, 1)); errors.Is(err, sqlitefault.Err) != (n <= commit) {
				t.Fatalf("%v, operation %d (%s): %v", mode, n, f.Failed(), err)
			}
			failed := f.Failed()
			if failed == "" || (failed == "commit") != (n == commit) {
				t.Fatalf("operation %d of %d is %q", n, commit, failed)
			}
			if mode == sqlitefault.CrashBefore || mode == sqlitefault.CrashAfter {
				done()
				s, done = openFaulty(t, "", path, &f)
			}
			want := before
			if n > commit || n == commit && (mode == sqlitefault.After || mode == sqlitefault.CrashAfter) {
				want = after
			}
			afterFault(t, s, epoch, mode, n, failed, want, after)
			done()
			check(t, os.Remove(path))
		}
	}
}

// afterFault checks what operation n left, and that the store can be used on.
func afterFault(t *testing.T, s *store.SQL, epoch uint64, mode sqlitefault.Mode, n int, failed string, want, after map[string]any) {
	t.Helper()
	if d := storetest.Difference(snapshot(t, s), want); d != "" {
		t.Fatalf("%v, operation %d (%s): %s", mode, n, failed, d)
	}
	if storetest.Difference(want, after) == "" {
		return
	}
	check(t, s.Commit(context.Background(), turn(epoch, 1))) // the same again
	if n%5 != 0 && failed != "commit" && !nightly {
		return
	}
	if d := storetest.Difference(snapshot(t, s), after); d != "" {
		t.Fatalf("%v, operation %d (%s), again: %s", mode, n, failed, d)
	}
}

// openFaulty opens a copy of a file, or the file at path itself.
func openFaulty(t *testing.T, from, path string, f *sqlitefault.Faults) (s *store.SQL, done func()) {
	t.Helper()
	if from != "" {
		copyFile(t, from, path)
	}
	f.Arm(0, sqlitefault.Before)
	db, err := sqlitefault.Open(fastName(t, path), f)
	check(t, err)
	db.SetMaxOpenConns(1) // what a failed Commit leaves behind would meet the next one
	return openStore(t, db), func() { db.Close() }
}

// TestFaultsWhileOpening: an OpenSQL that was interrupted anywhere is taken up.
func TestFaultsWhileOpening(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var f sqlitefault.Faults
	for n := 1; ; n++ {
		path := filepath.Join(dir, fmt.Sprintf("%d.db", n))
		f.Arm(0, sqlitefault.Before)
		db, err := sqlitefault.Open(fastName(t, path), &f)
		check(t, err)
		f.Arm(n, sqlitefault.Mode(n%4))
		_, err = store.OpenSQL(context.Background(), db, store.SQLOptions{})
		db.Close()
		if f.Failed() == "" {
			check(t, err)
			if n < 40 {
				t.Errorf("only %d operations", n)
			}
			return
		}
		later := strings.HasPrefix(f.Failed(), "prepare") // perhaps of a statement for later: that matters to nobody
		if !errors.Is(err, sqlitefault.Err) && (err != nil || !later) {
			t.Fatalf("operation %d (%s): %v", n, f.Failed(), err)
		}
		db = openFast(t, path)
		s := openStore(t, db)
		epoch, err := s.Epoch(context.Background())
		check(t, err)
		check(t, s.Commit(context.Background(), turn(epoch, 0)))
		check(t, db.Close())
	}
}

// TestFullDisk lets SQLite reach its largest number of pages, which is the same
// error as a full disk.
func TestFullDisk(t *testing.T) {
	ctx := context.Background()
	db := openFast(t, filepath.Join(t.TempDir(), "store.db"))
	db.SetMaxOpenConns(1) // max_page_count is a setting of the connection
	s := openStore(t, db)
	epoch, err := s.Epoch(ctx)
	check(t, err)
	check(t, s.Commit(ctx, turn(epoch, 0)))
	before := snapshot(t, s)
	limit := func(more int) {
		var pages, set int
		check(t, db.QueryRow(`PRAGMA page_count`).Scan(&pages))
		check(t, db.QueryRow(fmt.Sprintf(`PRAGMA max_page_count = %d`, pages+more)).Scan(&set))
	}
	big := turn(epoch, 1)
	big.Channels[0].Sealed[0].Bytes = make([]byte, 1<<20)
	for more := 0; more < 256; more += 1 + more/4 { // full at the first page, …, at the last
		limit(more)
		if err := s.Commit(ctx, big); err == nil {
			t.Fatalf("1 MiB went into %d pages", more)
		}
		if d := storetest.Difference(snapshot(t, s), before); d != "" {
			t.Fatalf("full after %d pages: %s", more, d)
		}
	}
	limit(10_000)
	check(t, s.Commit(ctx, big))
	// Full again; what is dropped makes room.
	limit(0)
	next := turn(epoch, 2)
	next.Channels[0].Sealed[0].Bytes = make([]byte, 500_000)
	if err := s.Commit(ctx, next); err == nil {
		t.Fatal("a full database took 500 KB")
	}
	check(t, s.Commit(ctx, &store.Batch{Epoch: epoch, Channels: []store.ChannelBatch{{Channel: "c", Drop: true}}}))
	check(t, s.Commit(ctx, next))
}

// TestTornWAL cuts off and damages the write-ahead log at many places, as a power
// loss may: what is left is the store after some of the batches, in order.
func TestTornWAL(t *testing.T) {
	t.Parallel()
	const turns = 8
	ctx := context.Background()
	dir := t.TempDir()
	path := filepath.Join(dir, "store.db")
	db := openFast(t, path)
	db.SetMaxOpenConns(1)
	s := openStore(t, db)
	epoch, err := s.Epoch(ctx)
	check(t, err)
	_, err = db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`)
	check(t, err)
	_, err = db.Exec(`PRAGMA wal_autocheckpoint = 0`)
	check(t, err)
	states := []map[string]any{snapshot(t, s)}
	for i := range turns {
		check(t, s.Commit(ctx, turn(epoch, i)))
		states = append(states, snapshot(t, s))
	}
	wal, err := os.ReadFile(path + "-wal")
	check(t, err)
	copyFile(t, path, filepath.Join(dir, "base"))

	const page, frame = 4096, 4096 + 24
	step := len(wal) / 40
	if nightly {
		step = 97
	}
	last := 0
	for at := 0; at <= len(wal); at += step {
		got := recovered(t, dir, wal[:at], states)
		if got < last {
			t.Fatalf("%d of %d bytes of the log left: batch %d, with fewer bytes %d", at, len(wal), got, last)
		}
		last = got
	}
	if last = recovered(t, dir, wal, states); last != turns {
		t.Fatalf("the whole log gives batch %d", last)
	}
	last = 0
	for at := 32; at < len(wal); at += step {
		damaged := append([]byte(nil), wal...)
		damaged[at] ^= 0x10
		got := recovered(t, dir, damaged, states)
		if got < last || got == turns && at < len(wal)-frame {
			t.Fatalf("damaged at %d of %d: batch %d", at, len(wal), got)
		}
		last = got
	}
	if (len(wal)-32)%frame != 0 {
		t.Errorf("the log has %d bytes, which are no frames of pages of %d bytes", len(wal), page)
	}
}

// recovered opens the base with this log and returns how many batches are there.
func recovered(t *testing.T, dir string, wal []byte, states []map[string]any) int {
	t.Helper()
	path := filepath.Join(dir, "torn.db")
	copyFile(t, filepath.Join(dir, "base"), path)
	check(t, os.WriteFile(path+"-wal", wal, 0o600))
	db := openFast(t, path)
	defer db.Close()
	got := snapshot(t, openStore(t, db))
	integrity(t, db)
	for i, want := range states {
		if storetest.Difference(got, want) == "" {
			return i
		}
	}
	t.Fatalf("%d bytes of the log give a state that never was", len(wal))
	return 0
}

func integrity(t testing.TB, db *sql.DB) {
	t.Helper()
	var verdict string
	if err := db.QueryRow(`PRAGMA integrity_check`).Scan(&verdict); err != nil || verdict != "ok" {
		t.Fatalf("integrity_check: %q, %v", verdict, err)
	}
}
