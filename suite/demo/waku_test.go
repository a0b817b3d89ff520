package demo

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
)

// patience is how long a test waits for what takes a second or two.
const patience = time.Minute

const shortTalk = `0 0 msg Is anybody there?
	0.3 1 msg Yes.
	0.6 2 msg I am, too.
	0.9 3 msg And I, by light.
	1.2 0 msg I am cut off.
	1.5 0 msg Still.
	1.7 3 msg Hello?
	2.2 1 msg There you are.
	3 0 msg Here I am.`

// TestWaku plays a small conversation over real Waku nodes, in real time.
func TestWaku(t *testing.T) {
	temporary(t)
	r, err := New(Options{Transport: Waku, Members: 4, Loss: 0.1, Seed: 1, Offline: Talker, Patience: patience, Trace: parse(t, shortTalk)})
	if err != nil {
		t.Fatal(err)
	}
	connecting := map[int]bool{}
	if err := r.Play(t.Context(), viewFunc(func(s Status) error {
		if s.Connecting {
			connecting[s.Ready] = true
		}
		if p := strings.Join(s.Picture(100, 28, false), "\n"); s.Connecting != strings.Contains(p, "\nconnecting: ") ||
			!strings.HasPrefix(p, "4 members over Waku (3 relays, 1 light, a store node), each loses 10 %") {
			t.Errorf("connecting %v in\n%s", s.Connecting, p)
		}
		return nil
	})); err != nil {
		t.Fatal(err)
	}
	res, err := r.Result()
	if err != nil {
		t.Fatal(err)
	}
	if !res.OK || res.Acknowledged != 9 || len(res.Violations) > 0 || res.Transport != Waku || len(connecting) == 0 {
		t.Errorf("%q, violations %q, connecting %v", res.Failures, res.Violations, connecting)
	}
	if cut := res.Cut; cut == nil || cut.Member != 0 || cut.CaughtUp == nil || res.Drafts != 2 {
		t.Errorf("%+v, %d drafts", cut, res.Drafts)
	}
	if w := res.Waku; w == nil || w.Queries < 4 || w.Served == 0 || w.Published < 9 {
		t.Errorf("%+v", w)
	}
	// While members still talk, what they count is read at different moments, and the
	// store writes a moment later. Now all of that has ended.
	n := (*r.network.Load()).(*wakuNet)
	w, c := n.traffic(), n.counts()
	if w.Dropped["loss"] != uint64(c.lost) || w.Received+w.Dropped["loss"] != uint64(c.handed) || w.Stored < 9 || c.lost < res.Lost || c.handed < res.Handed {
		t.Errorf("%+v; %d lost of %d", w, c.lost, c.handed)
	}
	if res.ByMembers+res.ByStoreHint+res.ByStoreCatchUp != res.Repaired || res.Repaired != res.Missed ||
		res.ByStoreHint+res.ByStoreCatchUp+res.FromStore == 0 {
		t.Errorf("lost %d, missed %d, repaired %d: %d by members, %d and %d from the store, which brought %d more", res.Lost, res.Missed,
			res.Repaired, res.ByMembers, res.ByStoreHint, res.ByStoreCatchUp, res.FromStore)
	}
	var b strings.Builder
	if err := res.WriteTable(&b, false); err != nil || !strings.Contains(b.String(), "\nover Waku: 3 relays, 1 light node, and a store node") {
		t.Errorf("%v in\n%s", err, &b)
	}
}

// TestSlowness: what takes longer on one machine is expected to.
func TestSlowness(t *testing.T) {
	for _, tt := range []struct {
		transport Transport
		members   int
		length    time.Duration
		roundTrip time.Duration
	}{
		{Waku, 7, time.Minute, 250 * time.Millisecond},
		{Waku, 12, time.Minute, 250 * time.Millisecond},
		{Waku, 48, 4 * time.Minute, time.Second},
		{Loopback, 48, time.Minute, 250 * time.Millisecond},
	} {
		o := Defaults()
		o.Transport, o.Members = tt.transport, tt.members
		r, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if length := r.Length().Round(time.Second); length != tt.length || r.opts.roundTrip() != tt.roundTrip {
			t.Errorf("%d members over %s: %v with a round trip of %v, want %v and %v", tt.members, tt.transport, length,
				r.opts.roundTrip(), tt.length, tt.roundTrip)
		}
	}
}

// TestWakuStopped ends a run while its members connect.
func TestWakuStopped(t *testing.T) {
	temporary(t)
	r, err := New(Options{Transport: Waku, Members: 4, Offline: Nobody})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err = r.Play(ctx, viewFunc(func(s Status) error {
		if s.Connecting {
			cancel()
		}
		return nil
	}))
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestWakuFails has no place for the store.
func TestWakuFails(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "missing")
	_, err := newNetwork(t.Context(), Options{Transport: Waku}, folder, newRecorder(4))
	if err == nil || !strings.Contains(err.Error(), "store node: ") || !strings.Contains(err.Error(), folder) {
		t.Error(err)
	}
}

// TestNeighbours: a group of relays of any size holds together without any one of
// them, and nobody is told of many.
func TestNeighbours(t *testing.T) {
	for relays := 3; relays < MaxMembers; relays++ {
		near := make([][]int, relays)
		for i := range relays {
			told := neighbours(i, relays, 1)
			if len(told) > maxNeighbours || slices.Contains(told, i) || len(slices.Compact(slices.Sorted(slices.Values(told)))) != len(told) {
				t.Errorf("%d of %d: %v", i, relays, told)
			}
			for _, j := range told {
				near[i], near[j] = append(near[i], j), append(near[j], i)
			}
		}
		for gone := range relays {
			seen := make([]bool, relays)
			seen[gone] = true
			reach := 0
			for next := []int{(gone + 1) % relays}; len(next) > 0; {
				i := next[0]
				next = next[1:]
				if !seen[i] {
					seen[i] = true
					reach++
					next = append(next, near[i]...)
				}
			}
			if reach != relays-1 {
				t.Errorf("without %d of %d, only %d reach each other", gone, relays, reach)
			}
		}
	}
}

// TestSources: a message counts for where its first copy came from.
func TestSources(t *testing.T) {
	r := newRecorder(4)
	commit := func(member int, b *store.Batch, events ...causeway.Event) {
		r.counting(member, events)
		r.committed(member, b, events)
	}
	commit(0, &store.Batch{}, causeway.Event{Kind: causeway.EventDelivered, ID: "m", Message: &causeway.Message{
		ID: "m", Sender: participant(0), Position: 1, Own: true}})
	holds := &store.Batch{Channels: []store.ChannelBatch{{Sealed: []store.Sealed{{ID: "m"}}}}}
	missing := causeway.Event{Kind: causeway.EventGap, ID: "m", Gap: &causeway.Gap{ID: "m", State: causeway.GapMissing}}
	r.heard(1, "unknown", fromHint)
	r.heard(1, "m", fromHint)
	r.heard(1, "m", fromMember)
	commit(1, &store.Batch{}, missing)
	commit(1, holds)
	r.heard(2, "m", fromCatchUp)
	commit(2, holds)
	commit(3, &store.Batch{}, missing)
	commit(3, holds)
	if r.repaired != (sources{fromHint: 1, fromMember: 1}) || r.unmissed != (sources{fromCatchUp: 1}) {
		t.Errorf("repaired %v, unmissed %v", r.repaired, r.unmissed)
	}
}
