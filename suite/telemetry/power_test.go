package telemetry

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// A machine that lost power may come back with the journal as it was a while ago,
// when the collector has more. What happens then gets no number that the collector
// knows already: the collector would complain.
func TestPowerLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, c := context.Background(), newCollector(t)
		file, old := filepath.Join(t.TempDir(), "journal.db"), filepath.Join(t.TempDir(), "journal.db")
		w := truth{recorded: map[string]int64{}}
		run := func(file string, ids ...string) (stop func()) {
			s, closeDB, err := openStore(file)
			check(t, err)
			d, err := begin(s, c)
			check(t, err)
			for _, id := range ids {
				w.recorded[id] = time.Now().UnixMilli()
				received(d, id)
				time.Sleep(10 * time.Second)
			}
			return func() {
				check(t, d.Close(ctx))
				check(t, closeDB())
			}
		}
		stop := run(file, "first", "second")
		synctest.Wait() // nobody writes while it is copied
		for _, suffix := range []string{"", "-wal"} {
			b, err := os.ReadFile(file + suffix)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			check(t, err)
			check(t, os.WriteFile(old+suffix, b, 0o600))
		}
		time.Sleep(time.Minute)
		stop()
		stop = run(file, "third", "fourth") // only the collector will know of them
		time.Sleep(5 * time.Minute)
		stop()

		stop = run(old, "fifth", "sixth", "seventh")
		time.Sleep(5 * time.Minute)
		stop()
		c.compare(w)
		if len(c.events) < 7 || len(c.highest) != 2 {
			t.Errorf("%d events in %d epochs", len(c.events), len(c.highest))
		}
	})
}
