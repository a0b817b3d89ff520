package archive_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/suite/sqlite"
	"github.com/causeway-im/causeway/telemetry/report"
)

// version1 is what testdata/version1.db was made with: it is never made again.
func version1() archive.Arrival {
	const at = int64(1_782_907_200_000)
	sent := report.Event{Seq: 1, At: at, Kind: report.Presence, State: report.Online}
	member := report.Event{Seq: 2, At: at, Kind: report.Membership, Member: "alice", Joined: true, Audience: 3,
		Community: "tea", Channel: "room", Topic: "/waku/1/0x01020304/rfc26", Pubsub: "/waku/2/rs/16/32"}
	return archive.Arrival{At: at + 40, Key: "key", Upload: &report.Upload{Schema: 1, Install: "install-1", Epoch: 1, First: 1, Last: 2,
		Clock: report.Clock{Sent: at}, Coverage: []report.Span{{From: at, To: at + 1}}, Events: []report.Event{sent, member},
		Device: report.Device{App: "2.30", Platform: report.Linux, Mode: report.Relay, Protocol: "causeway", ProtocolVersion: "1", Consent: 1}}}
}

// An archive that was made with the first tables opens, knows what was taken, and
// takes more.
func TestVersion1(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "version1.db"))
	if err != nil {
		t.Fatal(err)
	}
	path := file(t)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := archive.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	channels, err := a.Channels(t.Context())
	if err != nil || len(channels) != 1 {
		t.Fatalf("channels %v, %v", channels, err)
	}
	for _, c := range channels {
		if c.Name != "room" {
			t.Errorf("channel %+v", c)
		}
	}
	again, more := version1(), version1()
	more.Upload.First, more.Upload.Last, more.Upload.Events = 3, 3, []report.Event{{Seq: 3, At: again.At, Kind: report.Presence, State: report.Offline}}
	for _, c := range []struct {
		upload archive.Arrival
		fresh  int
		upTo   uint64
	}{{again, 0, 2}, {more, 1, 3}} {
		taken, err := a.Take(t.Context(), []archive.Arrival{c.upload})
		if err != nil || taken[0].Err != nil || taken[0].New != c.fresh || taken[0].Acknowledged != c.upTo {
			t.Errorf("taken %+v, %v, want %d new, up to %d", taken, err, c.fresh, c.upTo)
		}
	}
}

// Tables of a newer program are left alone.
func TestNewerVersion(t *testing.T) {
	path := file(t)
	a, err := archive.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	name, err := sqlite.DSN(path)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open(sqlite.Driver, name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`UPDATE archive_version SET version = 2`); err != nil {
		t.Fatal(err)
	}
	if a, err := archive.Open(t.Context(), path); !errors.Is(err, archive.ErrVersion) {
		t.Errorf("opened %v, %v", a != nil, err)
	}
}
