package store

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/store/storetest"
	"github.com/causeway-im/causeway/suite/sqlite"
)

// fastName is the name of a database that does not wait for the disk: what is
// tested with it doesn't depend on that.
func fastName(t testing.TB, path string) string {
	t.Helper()
	name, err := sqlite.DSN(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(name, "FULL", "OFF", 1)
}

func openFast(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open(sqlite.Driver, fastName(t, path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func openStore(t testing.TB, db *sql.DB) *store.SQL {
	t.Helper()
	s, err := store.OpenSQL(context.Background(), db, store.SQLOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSQL(t *testing.T) {
	for name, connections := range map[string]int{"ManyConnections": 0, "OneConnection": 1} {
		run := storetest.Run
		if connections == 1 && !nightly {
			run = storetest.RunPromises
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, func(t *testing.T) (store.Store, func() store.Store) {
				path := filepath.Join(t.TempDir(), "store.db")
				db := openFast(t, path)
				db.SetMaxOpenConns(connections)
				return openStore(t, db), func() store.Store {
					db.Close()
					db = openFast(t, path)
					db.SetMaxOpenConns(connections)
					return openStore(t, db)
				}
			})
		})
	}
}
