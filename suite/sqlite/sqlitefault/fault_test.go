package sqlitefault

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/causeway-im/causeway/suite/sqlite"
)

func TestFaults(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		mode      Mode
		rows      int  // that are there when the commit fails so
		stillOpen bool // the same database can be used on
	}{{Before, 0, true}, {After, 1, true}, {CrashBefore, 0, false}, {CrashAfter, 1, false}} {
		t.Run(tt.mode.String(), func(t *testing.T) {
			var f Faults
			name, err := sqlite.DSN(filepath.Join(t.TempDir(), "x.db"))
			if err != nil {
				t.Fatal(err)
			}
			db, err := Open(name, &f)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(`CREATE TABLE t (x)`); err != nil {
				t.Fatal(err)
			}
			f.Arm(4, tt.mode) // begin, prepare, exec, commit
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(`INSERT INTO t VALUES (?)`, 1); err != nil {
				t.Fatal(err)
			}
			if err := tx.Commit(); !errors.Is(err, Err) || f.Failed() != "commit" || f.Count() != 4 {
				t.Fatalf("%v after %d operations, failed %q", err, f.Count(), f.Failed())
			}
			if tt.mode == Before { // the transaction is open, as the doc comment says
				if _, err := db.Exec(`ROLLBACK`); err != nil {
					t.Errorf("rollback: %v", err)
				}
			}
			if _, err := db.Exec(`SELECT 1`); (err == nil) != tt.stillOpen {
				t.Errorf("after the fault: %v", err)
			}
			db.Close()
			f.Arm(0, Before)
			if db, err = Open(name, &f); err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			var rows int
			if err := db.QueryRow(`SELECT count(*) FROM t`).Scan(&rows); err != nil || rows != tt.rows {
				t.Errorf("%d rows, %v, want %d", rows, err, tt.rows)
			}
		})
	}
}
