package archive_test

import (
	"path/filepath"
	"testing"

	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/suite/collector/archive/archivetest"
	"github.com/causeway-im/causeway/suite/collector/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func opener(name func(t testing.TB) string) archivetest.Open {
	return func(t testing.TB) func() archive.Archive {
		where := name(t)
		return func() archive.Archive {
			a, err := archive.Open(t.Context(), where)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
	}
}

func file(t testing.TB) string { return filepath.Join(t.TempDir(), "telemetry.db") }

func TestSQLite(t *testing.T) { archivetest.Run(t, opener(file)) }

func TestPostgres(t *testing.T) { archivetest.Run(t, opener(pgtest.Database)) }
