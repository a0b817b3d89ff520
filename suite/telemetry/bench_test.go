//go:build unix

package telemetry

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/sqlite"
)

// What evidence costs in a node's transaction, in SQLite without the fsync: the
// same transaction without it, and with evidence of one and of ten events. cpu-ns is
// the processor time of one, which others' work on the machine changes less than ns.
func BenchmarkCommit(b *testing.B) {
	for _, events := range []int{0, 1, 10} {
		b.Run(fmt.Sprintf("events=%d", events), func(b *testing.B) {
			ctx := context.Background()
			name, err := sqlite.DSN(filepath.Join(b.TempDir(), "store.db"))
			check(b, err)
			db, err := sql.Open(sqlite.Driver, strings.ReplaceAll(name, "FULL", "OFF"))
			check(b, err)
			defer db.Close()
			s, err := store.OpenSQL(ctx, db, store.SQLOptions{})
			check(b, err)
			epoch, err := s.Epoch(ctx)
			check(b, err)
			d, err := begin(s, nil)
			check(b, err)
			defer d.Close(ctx)
			n, before := 0, processor(b)
			for b.Loop() {
				n++
				id := sds.MessageID(fmt.Sprintf("c14A_0sj-fGded5qT8XUh8WkC%06d", n))
				batch := &store.Batch{Epoch: epoch, Events: []store.Event{{Cursor: store.Cursor(n), Channel: "tea", ID: id, Data: make([]byte, 200)}},
					Channels: []store.ChannelBatch{{Channel: "tea", Sealed: []store.Sealed{{ID: id, Bytes: make([]byte, 500)}},
						Changes: sds.Changes{Messages: []sds.MessageRecord{{ID: id, State: sds.StateLogged, Position: sds.Position(n), Lamport: uint64(n)}}}}}}
				if events > 0 {
					evidence := make([]causeway.Event, events)
					for i := range evidence {
						evidence[i] = causeway.Event{Channel: "tea", Kind: causeway.EventDelivered, ID: id,
							Message: &causeway.Message{ID: id, Sender: "bob", Content: []byte("hi")}}
					}
					batch.Inside = func(tx store.Tx) error { return d.Committing(tx, evidence) }
				}
				check(b, s.Commit(ctx, batch))
			}
			b.ReportMetric(float64(processor(b)-before)/float64(n), "cpu-ns/op")
		})
	}
}

// processor returns the time that processors worked for this process.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	check(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
