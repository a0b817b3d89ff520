package segment

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestLimitsReject(t *testing.T) {
	for _, tt := range []struct {
		limits Limits
		want   string
	}{
		{Limits{}, ""},
		{Limits{MaxBytes: 192 + 128 + 512}, ""},
		{Limits{MaxBytes: 192 + 128 + 511}, "MaxBytes is 831, must be from 832 to"},
		{Limits{MaxBytes: 1<<30 + 1}, "MaxBytes"},
		{Limits{MaxSenderBytes: -1}, "MaxSenderBytes"},
		{Limits{MaxSets: -1}, "MaxSets is -1, must be from 1 to 65536"},
		{Limits{MaxSets: 1<<16 + 1}, "MaxSets"},
		{Limits{MaxRemembered: -1}, "MaxRemembered"},
		{Limits{MaxRemembered: 1<<20 + 1}, "MaxRemembered"},
		{Limits{Life: -1}, "Life is -1ns, must be more than 0"},
		{Limits{MemoryLife: -1}, "MemoryLife"},
	} {
		_, err := NewReassembler(tiny, tt.limits)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: error %v, want %q", tt.limits, err, tt.want)
		}
	}
}

// open adds the first of two segments of a new payload.
func open(t testing.TB, r *Reassembler, now time.Time, sender string, seed uint64) (Key, Result) {
	t.Helper()
	s := split(t, bytesOf(seed, 128), tiny)[0]
	result, err := r.Add(now, sender, s)
	if err != nil {
		t.Fatal(err)
	}
	return s.Key, result
}

func wantDropped(t testing.TB, got []Dropped, why error, keys ...Key) {
	t.Helper()
	if len(got) != len(keys) {
		t.Fatalf("dropped %+v, want %d", got, len(keys))
	}
	for i, d := range got {
		if d.Key != keys[i] || !errors.Is(d.Why, why) || d.Held != 1 || d.DataCount != 2 {
			t.Errorf("dropped %+v, want %v", d, why)
		}
	}
}

func TestExpiry(t *testing.T) {
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	r := newReassembler(t, tiny, Limits{Life: time.Minute})
	one, _ := open(t, r, at(0), "alice", 1)
	two, _ := open(t, r, at(30), "bob", 2)
	if d := r.Deadline(); !d.Equal(at(60)) {
		t.Errorf("deadline %v", d)
	}
	if d := r.Expire(at(59)); len(d) > 0 {
		t.Errorf("dropped %+v early", d)
	}
	wantDropped(t, r.Expire(at(60)), ErrExpired, one)
	_, result := open(t, r, at(90), "carol", 3) // Add does it too
	wantDropped(t, result.Dropped, ErrExpired, two)

	// A clock that is set back lets nothing live longer, and nothing die earlier.
	_, result = open(t, r, at(0), "dave", 4)
	if len(result.Dropped) > 0 || len(r.Sets()) != 2 || !r.Sets()[1].Updated.Equal(at(90)) {
		t.Errorf("%+v, %+v", result, r.Sets())
	}
	// What expired comes afresh.
	got, _ := feed(t, r, split(t, bytesOf(1, 128), tiny)...)
	wantPayload(t, got, bytesOf(1, 128))
}

// TestProgressProlongs: a set lives as long as it grows.
func TestProgressProlongs(t *testing.T) {
	r := newReassembler(t, tiny, Limits{Life: time.Minute})
	payload := bytesOf(1, 640)
	complete := false
	for i, s := range split(t, payload, tiny) {
		result, err := r.Add(start.Add(time.Duration(i)*59*time.Second), "alice", s)
		if err != nil {
			t.Fatal(err)
		}
		complete = complete || result.Complete
	}
	if !complete {
		t.Error("not complete")
	}
}

func TestMemory(t *testing.T) {
	r := newReassembler(t, tiny, Limits{MaxRemembered: 2, MemoryLife: time.Hour})
	segments := make([]Segment, 4)
	for i := range segments {
		segments[i] = split(t, bytesOf(uint64(i), 50), tiny)[0]
	}
	known := func(now time.Time, i int) bool {
		result, err := r.Add(now, "alice", segments[i])
		if result.Complete == errors.Is(err, ErrCompleted) {
			t.Fatalf("%+v, %v", result, err)
		}
		return !result.Complete
	}
	if known(start, 0) || !known(start, 0) || known(start, 1) || !known(start, 0) || known(start, 2) {
		t.Error("the memory is wrong")
	}
	if !known(start, 1) || !known(start, 2) || known(start, 0) { // 0 was the oldest
		t.Error("the oldest was not forgotten, or another one was")
	}
	if len(r.memory.byName) != 2 || r.memory.order.Len() != 2 {
		t.Errorf("%d are remembered", len(r.memory.byName))
	}
	if !known(start.Add(time.Hour-1), 0) || known(start.Add(time.Hour), 0) {
		t.Error("the memory's life is wrong")
	}
	r.Forget("alice", segments[0].Key)
	if known(start.Add(time.Hour), 0) {
		t.Error("not forgotten")
	}
}

// TestRestart: a host adds what it kept, and names what was complete.
func TestRestart(t *testing.T) {
	payload := bytesOf(1, 128)
	segments := split(t, payload, tiny)
	r := newReassembler(t, tiny, Limits{})
	r.Remember(start, "alice", segments[0].Key)
	discarded(t, r, segments[0], ErrCompleted)
	r.Forget("alice", segments[0].Key)
	feed(t, r, segments[0])
	r.Remember(start, "alice", segments[0].Key) // what is held goes
	wantHeld(t, r, 0)
	discarded(t, r, segments[1], ErrCompleted)
	r.Forget("alice", segments[0].Key)
	feed(t, r, segments[0])
	r.Forget("alice", segments[0].Key)
	wantHeld(t, r, 0)
	got, _ := feed(t, r, segments...)
	wantPayload(t, got, payload)
}

// cost is what a set with one segment of 64 bytes of a sender with a name of one
// letter counts.
const cost = 512 + 1 + 128 + 64

// TestHeaviestSenderPays: a flood of one sender drops its own sets, the least
// recently updated first, and leaves those of the others.
func TestHeaviestSenderPays(t *testing.T) {
	for name, limits := range map[string]Limits{
		"bytes": {MaxBytes: 10*cost + cost/2},
		"sets":  {MaxSets: 10},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReassembler(t, tiny, limits)
			for i := range uint64(3) {
				open(t, r, start, string(rune('a'+i)), i)
			}
			var flood []Key
			for i := range uint64(50) {
				k, result := open(t, r, start, "m", 100+i)
				if flood = append(flood, k); len(flood) > 7 {
					wantDropped(t, result.Dropped, ErrEvicted, flood[len(flood)-8])
				} else if len(result.Dropped) > 0 {
					t.Fatalf("dropped %+v", result.Dropped)
				}
			}
			if sets := r.Sets(); len(sets) != 10 || sets[0].Sender != "a" || sets[2].Sender != "c" || r.Bytes() > 10*cost {
				t.Errorf("%d sets, %d bytes: %+v", len(sets), r.Bytes(), sets)
			}
			// A newcomer gets in, at the cost of the flood.
			_, result := open(t, r, start, "n", 1)
			wantDropped(t, result.Dropped, ErrEvicted, flood[43])
		})
	}
}

// TestFullOfEquals: with all senders equal, the newcomer drops the least recently
// updated set.
func TestFullOfEquals(t *testing.T) {
	r := newReassembler(t, tiny, Limits{MaxSets: 3})
	var keys []Key
	for i := range uint64(3) {
		k, _ := open(t, r, start, fmt.Sprint(i), i)
		keys = append(keys, k)
	}
	_, result := open(t, r, start, "3", 3)
	wantDropped(t, result.Dropped, ErrEvicted, keys[0])
}

func TestSenderBound(t *testing.T) {
	r := newReassembler(t, tiny, Limits{MaxSenderBytes: 2*cost + 10})
	one, _ := open(t, r, start, "m", 1)
	open(t, r, start, "a", 2)
	open(t, r, start, "m", 3)
	_, result := open(t, r, start, "m", 4)
	wantDropped(t, result.Dropped, ErrEvicted, one)

	// A payload that grows beyond the bound takes its sender's other sets with it,
	// and then goes itself. It could not say so before: old Status peers do not
	// write the length.
	cfg := Config{Format: Status, SegmentSize: 64}
	r = newReassembler(t, cfg, Limits{MaxSenderBytes: 3 * cost})
	segments := split(t, bytesOf(9, 64*20), cfg)
	other := split(t, bytesOf(8, 128), cfg)[0]
	if _, err := r.Add(start, "m", other); err != nil {
		t.Fatal(err)
	}
	var dropped []Dropped
	var last error
	for _, s := range segments {
		s.Length = 0
		result, err := r.Add(start, "m", s)
		dropped = append(dropped, result.Dropped...)
		if last = err; err != nil {
			break
		}
	}
	if !errors.Is(last, ErrCacheFull) || len(dropped) != 2 || dropped[0].Key != other.Key || dropped[1].Key.Hash != segments[0].Hash {
		t.Errorf("%v, %+v", last, dropped)
	}
	wantHeld(t, r, 0)
}

// TestTwoLargePayloads: of two that do not fit together one gives way, the other
// is completed, and then that one too.
func TestTwoLargePayloads(t *testing.T) {
	r := newReassembler(t, tiny, Limits{MaxBytes: 7000})
	a, b := split(t, bytesOf(1, 64*20), tiny), split(t, bytesOf(2, 64*20), tiny) // 4,353 bytes each
	complete, evicted := 0, 0
	for round := 0; round < 3; round++ { // as repairs would bring them again
		for i := range a {
			for k, s := range []Segment{a[i], b[i]} {
				result, err := r.Add(start, string(rune('a'+k)), s)
				if err != nil && !errors.Is(err, ErrCacheFull) && !errors.Is(err, ErrDuplicate) && !errors.Is(err, ErrCompleted) {
					t.Fatal(err)
				}
				if evicted += len(result.Dropped); result.Complete {
					complete++
				}
			}
		}
	}
	if complete != 2 || evicted == 0 {
		t.Errorf("%d are complete, %d evicted", complete, evicted)
	}
}

// TestClaimsCostNothing: the largest claims take as much memory as the smallest.
func TestClaimsCostNothing(t *testing.T) {
	cfg := Config{MaxSegments: MaxSegments}
	memory := func(claim Segment) float64 {
		return testing.AllocsPerRun(100, func() {
			r := newReassembler(t, cfg, Limits{})
			if _, err := r.Add(start, "m", claim); err != nil {
				t.Fatal(err)
			}
			if r.Bytes() != cost-64 {
				t.Fatalf("%d bytes", r.Bytes())
			}
		})
	}
	modest := memory(Segment{DataCount: 2})
	if greedy := memory(Segment{Key: Key{Length: DefaultMaxBytes}, DataCount: MaxSegments / 2, ParityCount: MaxSegments / 2}); greedy != modest {
		t.Errorf("%v allocations for a large claim, %v for a small one", greedy, modest)
	}
}
