package tests

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/waku-org/sds-go-bindings/sds"
)

// exists tells whether the manager has a channel.
func exists(rm *sds.ReliabilityManager, channel string) bool {
	return rm.MarkDependenciesMet([]sds.MessageID{"nobody's"}, channel) == nil
}

func name(t *testing.T, rm *sds.ReliabilityManager, channel string, content int) {
	t.Helper()
	packet := proto(1, "m", 2, 7, 3, proto(1, "lost"), 4, channel, 5, make([]byte, content))
	if _, err := rm.UnwrapReceivedMessage(packet); err != nil {
		t.Fatal(err)
	}
}

// Any peer can name a channel: of those that only the network named the 1,024 last
// used are kept, and all that we wrote to.
func TestChannelsOfTheWireAreBounded(t *testing.T) {
	rm := open(t, sds.Options{})
	wrap(t, rm, "m1", "ours")
	name(t, rm, "ours later", 1)
	for i := range 1500 {
		name(t, rm, fmt.Sprint("wire ", i), 1)
		if i == 5 {
			wrap(t, rm, "m1", "ours later") // named by the network first
		}
		if i%250 == 0 {
			name(t, rm, "busy", 1)
		}
	}
	kept := 0
	for i := range 1500 {
		if exists(rm, fmt.Sprint("wire ", i)) {
			kept++
		}
	}
	if kept != 1023 || !exists(rm, "wire 1499") || exists(rm, "wire 0") {
		t.Errorf("%d channels of the wire are kept, want the newest 1023", kept)
	}
	for _, ch := range []string{"ours", "ours later", "busy"} {
		if !exists(rm, ch) {
			t.Errorf("%s is gone", ch)
		}
	}
	if one := wrap(t, rm, "m1", "ours"); len(one) == 0 {
		t.Error("our channel lost its state")
	}
}

// They are bounded in bytes, too: few channels with much that waits.
func TestChannelsOfTheWireAreBoundedInBytes(t *testing.T) {
	rm := open(t, sds.Options{})
	for i := range 100 {
		name(t, rm, fmt.Sprint("wire ", i), 1<<20)
	}
	kept := 0
	for i := range 100 {
		if exists(rm, fmt.Sprint("wire ", i)) {
			kept++
		}
	}
	if kept < 32 || kept > 64 {
		t.Errorf("%d channels with 1 MiB each are kept, want 64 MiB", kept)
	}
}

// heap returns the bytes in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Nobody acknowledges, ever: Wrap goes on, and memory stops growing.
func TestMemoryIsBoundedWithoutAcknowledgements(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	rm := open(t, sds.Options{Now: func() time.Time { return now }})
	before := heap()
	n := 0
	send := func(count int) {
		for range count {
			n++
			now = now.Add(100 * time.Millisecond)
			if _, err := rm.WrapOutgoingMessage(make([]byte, 300), sds.MessageID(fmt.Sprintf("0x%064x", n)), "ch"); err != nil {
				t.Fatalf("message %d: %v", n, err)
			}
		}
	}
	send(18_000)
	full := heap() - before
	send(12_000)
	later := heap() - before
	t.Logf("18,000 messages that nobody has: %.1f MB; 30,000: %.1f MB", float64(full)/1e6, float64(later)/1e6)
	if later > full+full/5 || full > 64<<20 {
		t.Errorf("%d bytes after 18,000 messages, %d after 30,000", full, later)
	}
	runtime.KeepAlive(rm)
}

// Neither do messages that wait for what never comes, nor ids that are marked.
func TestMemoryIsBoundedWithoutDependencies(t *testing.T) {
	rm := open(t, sds.Options{})
	wrap(t, rm, "own", "ch")
	content := make([]byte, 64<<10)
	send := func(from, to int) {
		var ids []sds.MessageID
		for i := from; i < to; i++ {
			lost := fmt.Sprint("lost ", i)
			ids = append(ids, sds.MessageID("met "+lost))
			packet := proto(1, fmt.Sprint(i), 2, 7, 3, proto(1, lost), 4, "ch", 5, content)
			if _, err := rm.UnwrapReceivedMessage(packet); err != nil {
				t.Fatal(err)
			}
		}
		if err := rm.MarkDependenciesMet(ids, "ch"); err != nil {
			t.Fatal(err)
		}
	}
	before := heap()
	send(0, 800) // 50 MiB
	full := heap() - before
	send(800, 1600)
	later := heap() - before
	t.Logf("800 messages of 64 KiB that wait: %.1f MB; 1,600: %.1f MB", float64(full)/1e6, float64(later)/1e6)
	if later > full+full/5 || full > 64<<20 {
		t.Errorf("%d bytes after 800 messages, %d after 1,600", full, later)
	}
	runtime.KeepAlive(rm)
}

// With an outgoing callback messages of others are kept for repairs: at most
// 16 MiB of them.
func TestKeptBytesAreBounded(t *testing.T) {
	rm := open(t, sds.Options{})
	rm.RegisterOutgoingCallback(func(sds.OutgoingMessage) {})
	before := heap()
	for i := range 400 {
		if _, err := rm.UnwrapReceivedMessage(proto(1, fmt.Sprint(i), 2, 7, 4, "ch", 5, make([]byte, 64<<10))); err != nil {
			t.Fatal(err)
		}
	}
	if used := heap() - before; used < 15<<20 || used > 20<<20 {
		t.Errorf("%d bytes in use, want 16 MiB", used)
	}
	runtime.KeepAlive(rm)
}
