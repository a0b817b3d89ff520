package store

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/sqlite/sqlitefault"
)

// What was prepared once is not prepared again: a transaction is then to begin, a
// statement for the lock, one for each entry, and to commit; also on one connection,
// and with writers and readers at the same time.
func TestStatementsStayPrepared(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var f sqlitefault.Faults
	db, err := sqlitefault.Open(fastName(t, filepath.Join(t.TempDir(), "store.db")), &f)
	check(t, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	s := openStore(t, db)
	write := func(entries int) {
		err := s.Write(ctx, func(tx store.Tx) error {
			for range entries {
				if err := tx.Append("log", []byte("x")); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	write(1) // makes the journal
	write(1)
	for _, entries := range []int{1, 5} {
		f.Arm(0, sqlitefault.Before)
		write(entries)
		if n := f.Count(); n != 3+entries {
			t.Errorf("%d entries: %d operations", entries, n)
		}
	}
	var all sync.WaitGroup
	for range 4 {
		all.Add(2)
		go func() {
			defer all.Done()
			for range 25 {
				write(1)
			}
		}()
		go func() {
			defer all.Done()
			for range 25 {
				if _, err := s.Journal(ctx, "log", 0, 10); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	all.Wait()
	last, err := s.Journal(ctx, "log", 107, 10)
	check(t, err)
	if len(last) != 1 || last[0].Seq != 108 {
		t.Errorf("entries: %v", last)
	}
}
