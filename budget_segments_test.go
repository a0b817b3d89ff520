//go:build go1.25

package causeway_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/segment"
	"github.com/causeway-im/causeway/transport/loopback"
	"github.com/causeway-im/causeway/transport/segmented"
)

// spec R110: what a transport cuts counts as often as it is handed on, and what could
// never leave is refused at once.
func TestQuotaCountsSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1}, "alice", "bob")
		x := &toll{}
		cut := func(m *member) {
			var err error
			m.options.Transport, err = segmented.New(m.options.Transport, segmented.Options{Config: segment.Config{Format: segment.Status, SegmentSize: 1000}})
			check(t, err)
		}
		alice, bob := w.start("alice", tolled(x), cut, under(causeway.QuotaRLN)), w.start("bob", cut)
		for i := range 30 {
			alice.send(strings.Repeat(fmt.Sprint(i%10), 5000)) // six or seven segments
		}
		until(t, 3*time.Hour, "bob has all", func() bool { return len(bob.log(true)) == 30 })
		if n := x.most(600 * time.Second); n > 100 || n < 60 || len(x.passages()) < 180 {
			t.Errorf("%d packets in a window, %d in all", n, len(x.passages()))
		}
		_, err := alice.ch.Send(t.Context(), bytes.Repeat([]byte{1}, 100_000), causeway.SendOptions{})
		if !errors.Is(err, sds.ErrContentTooLarge) || !strings.Contains(err.Error(), "70") {
			t.Errorf("what makes a hundred segments: %v", err)
		}
	})
}
