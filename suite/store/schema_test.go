package store

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/store/storetest"
	"github.com/causeway-im/causeway/suite/sqlite"
)

func open(t testing.TB, db *sql.DB, prefix string) (*store.SQL, error) {
	t.Helper()
	return store.OpenSQL(context.Background(), db, store.SQLOptions{Prefix: prefix})
}

func exec(t testing.TB, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.Exec(statement, args...); err != nil {
		t.Fatal(err)
	}
}

func tables(t testing.TB, db *sql.DB) (names []string) {
	t.Helper()
	rows, err := db.Query(`SELECT name FROM sqlite_master ORDER BY name`)
	check(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		check(t, rows.Scan(&name))
		names = append(names, name)
	}
	check(t, rows.Err())
	return names
}

func TestPrefix(t *testing.T) {
	db := openFast(t, filepath.Join(t.TempDir(), "store.db"))
	for _, bad := range []string{"A", "1a", "_a", "a-b", "a b", "a;--", "ä", `a"`, strings.Repeat("a", 65), " "} {
		if _, err := open(t, db, bad); err == nil {
			t.Errorf("prefix %q was taken", bad)
		}
	}
	if got := tables(t, db); len(got) > 0 {
		t.Errorf("tables %q", got)
	}
	// Tables of the host stay, also those that look like ours.
	exec(t, db, `CREATE TABLE message (x)`)
	exec(t, db, `CREATE TABLE causeway_host (x)`)
	one, err := open(t, db, "")
	check(t, err)
	two, err := open(t, db, "two")
	check(t, err)
	epoch, err := one.Epoch(context.Background())
	check(t, err)
	empty := snapshot(t, two)
	check(t, one.Commit(context.Background(), turn(epoch, 0)))
	if d := storetest.Difference(snapshot(t, two), empty); d != "" {
		t.Errorf("the other store changed: %s", d)
	}
	for _, name := range tables(t, db) {
		if !strings.HasPrefix(name, "causeway_") && !strings.HasPrefix(name, "two") && !strings.HasPrefix(name, "sqlite_autoindex_") && name != "message" {
			t.Errorf("%s has no prefix", name)
		}
	}
}

func TestForeignTables(t *testing.T) {
	for statement, names := range map[string]string{
		`CREATE TABLE causeway_message (x)`:                           "causeway_message",
		`CREATE VIEW causeway_gap AS SELECT 1`:                        "causeway_gap",
		`CREATE TABLE "CAUSEWAY_Event" (x)`:                           "causeway_event",
		`CREATE TABLE causeway_version (x)`:                           "causeway_version",
		`CREATE TABLE causeway_version AS SELECT 'text' AS version`:   "causeway_version",
		`CREATE TABLE causeway_version AS SELECT 99 AS version`:       "version 99",
		`CREATE TABLE causeway_version AS SELECT -1 AS version`:       "version -1",
		`CREATE TABLE causeway_version AS SELECT 9e18 * 9 AS version`: "causeway_version",
		`CREATE TABLE causeway_version AS SELECT x'00ff' AS version`:  "causeway_version",
	} {
		db := openFast(t, filepath.Join(t.TempDir(), "store.db"))
		exec(t, db, statement)
		before := tables(t, db)
		_, err := open(t, db, "")
		if !errors.Is(err, store.ErrSchema) || !strings.Contains(err.Error(), names) {
			t.Errorf("%s: %v", statement, err)
		}
		if after := tables(t, db); !slices.Equal(after, before) {
			t.Errorf("%s: tables %q became %q", statement, before, after)
		}
		if _, err := open(t, db, "other_"); err != nil {
			t.Errorf("%s: with another prefix: %v", statement, err)
		}
	}
}

// TestNewerVersion: a program that is older than the tables leaves them alone.
func TestNewerVersion(t *testing.T) {
	db := openFast(t, filepath.Join(t.TempDir(), "store.db"))
	openStore(t, db)
	openStore(t, db) // the same version opens again
	exec(t, db, `INSERT INTO causeway_version (version) VALUES (2)`)
	if _, err := open(t, db, ""); !errors.Is(err, store.ErrSchema) || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("newer tables: %v", err)
	}
}

func TestOpenTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	made, err := sqlite.Open(context.Background(), path) // it waits where the driver doesn't
	check(t, err)
	check(t, made.Close())
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			_, err := open(t, openFast(t, path), "")
			if err != nil {
				t.Errorf("OpenSQL: %v", err)
			}
		})
	}
	all.Wait()
	openStore(t, openFast(t, path))
}

// TestTwoHandles: two programs write to one file; the older is fenced, and what
// it remembers of audiences does no harm when the channel was dropped meanwhile.
func TestTwoHandles(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "store.db")
	a, b := openStore(t, openFast(t, path)), openStore(t, openFast(t, path))
	epoch, err := a.Epoch(ctx)
	check(t, err)
	own := func(epoch uint64, id sds.MessageID, drop bool, members ...sds.PersonID) *store.Batch {
		return &store.Batch{Epoch: epoch, Channels: []store.ChannelBatch{{Channel: "c", Drop: drop, Changes: sds.Changes{
			Outgoing: []sds.OutgoingRecord{{ID: id, HasAudience: true, Members: members}}}}}}
	}
	check(t, a.Commit(ctx, own(epoch, "1", false, "p", "q")))
	newer, err := b.Epoch(ctx)
	check(t, err)
	if err := a.Commit(ctx, own(epoch, "2", false, "p", "q")); !errors.Is(err, store.ErrFenced) {
		t.Errorf("the older program: %v", err)
	}
	check(t, b.Commit(ctx, own(newer, "3", true, "x", "y", "z")))
	check(t, a.Commit(ctx, own(newer, "4", false, "p", "q"))) // with an epoch that it should not have
	for id, want := range map[sds.MessageID][]sds.PersonID{"3": {"x", "y", "z"}, "4": {"p", "q"}} {
		if r, err := a.Receipt(ctx, "c", id); err != nil || !slices.Equal(r.Outgoing.Members, want) {
			t.Errorf("members of %s: %q, %v", id, r.Outgoing.Members, err)
		}
	}
}

// TestHostTables: the host's writing shares the fate of the batch.
func TestHostTables(t *testing.T) {
	ctx := context.Background()
	db := openFast(t, filepath.Join(t.TempDir(), "store.db"))
	s := openStore(t, db)
	exec(t, db, `CREATE TABLE chat (id BLOB PRIMARY KEY)`)
	epoch, err := s.Epoch(ctx)
	check(t, err)
	commit := func(i int, fail error) error {
		b := turn(epoch, i)
		b.Inside = func(tx store.Tx) error {
			if _, err := tx.SQL().Exec(`INSERT INTO chat VALUES (?)`, i); err != nil {
				return err
			}
			return fail
		}
		return s.Commit(ctx, b)
	}
	check(t, commit(0, nil))
	no := errors.New("no")
	if err := commit(1, no); !errors.Is(err, no) {
		t.Errorf("Commit: %v", err)
	}
	if err := commit(0, nil); err == nil { // the host's own error, and event 1 again
		t.Error("Commit: no error")
	}
	var rows int
	check(t, db.QueryRow(`SELECT count(*) FROM chat`).Scan(&rows))
	if rows != 1 {
		t.Errorf("%d rows of the host", rows)
	}
}

// withTurn returns a store with the first turn.
func withTurn(t testing.TB, db *sql.DB) *store.SQL {
	t.Helper()
	s := openStore(t, db)
	epoch, err := s.Epoch(context.Background())
	check(t, err)
	check(t, s.Commit(context.Background(), turn(epoch, 0)))
	return s
}

// TestCorrupt damages one record of each table: the error says which.
func TestCorrupt(t *testing.T) {
	ctx := context.Background()
	load := func(s *store.SQL) error { _, err := s.Load(ctx, "c", 10); return err }
	receipt := func(s *store.SQL) error { _, err := s.Receipt(ctx, "c", record(1).ID); return err }
	message := func(s *store.SQL) error { _, err := s.Message(ctx, "c", record(1).ID); return err }
	log := func(s *store.SQL) error { _, err := s.Log(ctx, "c", store.LogQuery{Limit: 9}); return err }
	one := []sds.MessageID{record(1).ID}
	lookup := func(s *store.SQL) error { _, err := s.Lookup(ctx, "c", one); return err }
	gaps := func(s *store.SQL) error { _, err := s.Gaps(ctx, "c", "", 9); return err }
	events := func(s *store.SQL) error { _, err := s.Events(ctx, "", 0, 9); return err }
	cursors := func(s *store.SQL) error { _, _, err := s.Cursors(ctx); return err }
	type reads []func(*store.SQL) error
	id := string(record(1).ID)[:20]
	for _, tt := range []struct {
		damage string
		reads  reads
		names  []string // in the error
	}{
		{`UPDATE causeway_channel SET meta = x''`, reads{load}, []string{"causeway_channel", `"c"`}},
		{`UPDATE causeway_channel SET meta = substr(meta, 1, length(meta) - 1)`, reads{load}, []string{"causeway_channel"}},
		{`UPDATE causeway_channel SET complete_to = 'x'`, reads{load}, []string{"causeway_channel"}},
		{`UPDATE causeway_message SET record = x'01'`, reads{load, message, log, lookup}, []string{"causeway_message", `"c"`, id}},
		{`UPDATE causeway_message SET record = record || x'00'`, reads{load, message, log, lookup}, []string{"causeway_message", id}},
		{`UPDATE causeway_message SET record = x'02' || substr(record, 2)`, reads{load}, []string{"causeway_message"}},
		{`UPDATE causeway_message SET position = -1`, reads{load, message, log}, []string{"causeway_message"}},
		{`UPDATE causeway_message SET lamport = 'text'`, reads{load, message, log}, []string{"causeway_message"}},
		{`UPDATE causeway_outgoing SET record = x'00'`, reads{load, receipt, message, log}, []string{"causeway_outgoing", id}},
		{`UPDATE causeway_outgoing SET audience = 99`, reads{load, receipt}, []string{"causeway_audience", id}},
		{`UPDATE causeway_seen SET persons = x''`, reads{load, receipt}, []string{"causeway_seen", id}},
		{`UPDATE causeway_outgoing SET record = x''`, reads{load, receipt, message, log}, []string{"causeway_outgoing", id}},
		{`UPDATE causeway_audience SET record = x'0101'`, reads{load, receipt}, []string{"causeway_audience", id}},
		{`UPDATE causeway_seen SET persons = x'010001ff7f'`, reads{load, receipt}, []string{"causeway_seen", id}},
		{`DELETE FROM causeway_person WHERE num = 0`, reads{load, receipt}, []string{"causeway_person"}},
		{`UPDATE causeway_transition SET level = 300`, reads{receipt}, []string{"causeway_transition", id}},
		{`UPDATE causeway_gap SET record = x'01'`, reads{gaps}, []string{"causeway_gap", `"c"`, `"g"`}},
		{`UPDATE causeway_event SET kind = 256`, reads{events}, []string{"causeway_event", "cursor 1"}},
		{`UPDATE causeway_counter SET value = 'x'`, reads{cursors}, []string{"causeway_counter"}},
		{`DELETE FROM causeway_counter`, reads{cursors}, []string{"causeway_counter", "forgotten"}},
	} {
		db := openFast(t, filepath.Join(t.TempDir(), "store.db"))
		s := withTurn(t, db)
		for _, read := range tt.reads {
			check(t, read(s))
		}
		exec(t, db, tt.damage)
		for i, read := range tt.reads {
			err := read(s)
			if !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("%s, read %d: %v", tt.damage, i, err)
				continue
			}
			for _, name := range tt.names {
				if !strings.Contains(err.Error(), name) {
					t.Errorf("%s, read %d: %q does not name %s", tt.damage, i, err, name)
				}
			}
		}
	}
}
