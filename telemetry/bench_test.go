package telemetry_test

import (
	"database/sql"
	"slices"
	"strconv"
	"testing"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/telemetry"
	"github.com/causeway-im/causeway/telemetry/report"
)

// device without a collector, for benchmarks.
func quiet(b testing.TB) *telemetry.Telemetry {
	o := options(store.NewMemory(), newCollector(b))
	o.Collector = ""
	return open(b, o)
}

// What the path of a message pays for an event that a host reports. It is written
// outside of it.
func BenchmarkReceived(b *testing.B) {
	d := quiet(b)
	ids, i := ids(), 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		d.Received(message(ids[i%len(ids)]), telemetry.Arrival{Author: "bob", Path: report.ByRelay, Size: 100})
	}
}

func ids() (ids []string) {
	for i := range 1000 {
		ids = append(ids, "c14A_0sj-fGded5qT8XUh8WkC5F"+strconv.Itoa(i))
	}
	return ids
}

// What a node's transaction pays for an event, but for the store's own writing: of
// that see suite/telemetry.
func BenchmarkCommitting(b *testing.B) {
	for _, o := range []struct {
		name   string
		events []causeway.Event
	}{
		{"received", []causeway.Event{someReceived}},
		{"composed", []causeway.Event{someComposed}},
		{"acknowledged", []causeway.Event{someAcknowledged}},
		{"ten", append(slices.Repeat([]causeway.Event{someReceived}, 5), slices.Repeat([]causeway.Event{someAcknowledged}, 5)...)},
	} {
		b.Run(o.name, func(b *testing.B) {
			commit := committing(b, quiet(b), o.events)
			b.ReportAllocs()
			for b.Loop() {
				commit()
			}
		})
	}
}

var (
	someReceived = causeway.Event{Channel: "tea", Kind: causeway.EventDelivered,
		Message: &causeway.Message{Sender: "bob", Lamport: 1_700_000_000_000, Content: make([]byte, 100)}}
	someComposed = causeway.Event{Channel: "tea", Kind: causeway.EventDelivered,
		Message: &causeway.Message{Sender: "alice", Own: true, Content: make([]byte, 100)}}
	someAcknowledged = causeway.Event{Channel: "tea", Kind: causeway.EventReceipt, Receipt: &causeway.ReceiptNow{Level: causeway.Seen, Seen: 3, Of: 9}}
)

// committing returns what a node does in one transaction, of messages that are others
// each time but for those that are acknowledged.
func committing(t testing.TB, d *telemetry.Telemetry, events []causeway.Event) func() {
	ids, n := ids(), 0
	d.Joined("tea", func(p causeway.ParticipantID) causeway.PersonID { return causeway.PersonID(p) }, "alice", 10)
	return func() {
		for i := range events {
			events[i].ID = causeway.MessageID(ids[i])
			if events[i].Message != nil {
				n++
				events[i].ID = causeway.MessageID(ids[n%len(ids)])
			}
		}
		if err := d.Committing(nowhere{}, events); err != nil {
			t.Fatal(err)
		}
	}
}

// No more is allocated on the path of a message than the name of one that is new.
func TestCommittingAllocates(t *testing.T) {
	if raceEnabled { // which drops what is kept for later at random
		t.Skip("the race detector allocates")
	}
	for name, want := range map[string]struct {
		event causeway.Event
		most  float64
	}{"received": {someReceived, 1}, "acknowledged": {someAcknowledged, 0}} {
		commit := committing(t, quiet(t), []causeway.Event{want.event})
		if got := testing.AllocsPerRun(1000, commit); got > want.most {
			t.Errorf("%s: %v allocations, at most %v", name, got, want.most)
		}
	}
}

// nowhere is a transaction that writes nothing.
type nowhere struct{}

func (nowhere) Append(string, []byte) error          { return nil }
func (nowhere) AppendMany(string, int, []byte) error { return nil }
func (nowhere) Forget(string, uint64, uint64) error  { return nil }
func (nowhere) Value(string) ([]byte, error)         { return nil, store.ErrNotFound }
func (nowhere) Set(string, []byte) error             { return nil }
func (nowhere) SQL() *sql.Tx                         { return nil }
