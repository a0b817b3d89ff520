package segment

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// tiny is a configuration with chunks of 64 bytes.
var tiny = Config{SegmentSize: 192}

func withParity(c Config, rate float64) Config {
	c.ParityRate = rate
	return c
}

func newReassembler(t testing.TB, cfg Config, l Limits) *Reassembler {
	t.Helper()
	r, err := NewReassembler(cfg, l)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bytesOf returns n bytes that no other seed gives.
func bytesOf(seed uint64, n int) []byte {
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	b := make([]byte, n)
	source.Read(b)
	return b
}

func split(t testing.TB, payload []byte, cfg Config) []Segment {
	t.Helper()
	parts, err := Split(payload, cfg)
	if err != nil {
		t.Fatal(err)
	}
	segments := make([]Segment, len(parts))
	for i, part := range parts {
		if segments[i], err = Decode(part, cfg); err != nil {
			t.Fatalf("part %d: %v", i, err)
		}
		segments[i].Tag = i
	}
	return segments
}

// feed adds segments of one sender, none of which is discarded, and returns the
// payloads.
func feed(t testing.TB, r *Reassembler, segments ...Segment) (payloads [][]byte, last Result) {
	t.Helper()
	for i, s := range segments {
		var err error
		if last, err = r.Add(start, "alice", s); err != nil {
			t.Fatalf("segment %d: %v", i, err)
		}
		if last.Complete {
			payloads = append(payloads, last.Payload)
		}
	}
	return payloads, last
}

func wantPayload(t testing.TB, got [][]byte, want []byte) {
	t.Helper()
	if len(got) != 1 || !bytes.Equal(got[0], want) {
		t.Fatalf("%d payloads, want one of %d bytes", len(got), len(want))
	}
}

func wantHeld(t testing.TB, r *Reassembler, sets int) {
	t.Helper()
	if len(r.Sets()) != sets || sets == 0 && r.Bytes() != 0 {
		t.Errorf("%d sets of %d bytes are held, want %d sets", len(r.Sets()), r.Bytes(), sets)
	}
}

func discarded(t testing.TB, r *Reassembler, s Segment, want error) Result {
	t.Helper()
	result, err := r.Add(start, "alice", s)
	if !errors.Is(err, want) || result.Complete {
		t.Errorf("error %v, want %v", err, want)
	}
	return result
}

// TestRoundTrip is what LIP-243 and status-go do with sizes around the chunk, in
// order and in the worst order.
func TestRoundTrip(t *testing.T) {
	for _, cfg := range []Config{tiny, withParity(tiny, 0.125), withParity(tiny, 1),
		{Format: Status, SegmentSize: 64}, {Format: Status, SegmentSize: 64, ParityRate: 0.125}} {
		for _, n := range []int{0, 1, 63, 64, 65, 128, 192, 193, 1000, 5000} {
			payload := bytesOf(uint64(n), n)
			data, parity, err := Count(n, cfg)
			if err != nil {
				t.Fatal(err)
			}
			parts, err := Split(payload, cfg)
			if err != nil || len(parts) != data+parity {
				t.Fatalf("%+v: %d bytes make %d segments, %v, want %d + %d", cfg, n, len(parts), err, data, parity)
			}
			if cfg.Format == Status && n <= 64 {
				if !bytes.Equal(parts[0], payload) {
					t.Errorf("a small payload was changed to %x", parts[0])
				}
				continue
			}
			for _, part := range parts {
				if cfg.Format == LIP243 && len(part) > cfg.SegmentSize {
					t.Errorf("%d bytes make a segment of %d", n, len(part))
				}
			}
			segments := split(t, payload, cfg)
			r := newReassembler(t, cfg, Limits{})
			got, last := feed(t, r, segments[:data]...)
			wantPayload(t, got, payload)
			if fmt.Sprint(last.Tags) != fmt.Sprint(seq(data)) || last.Held != data || last.Expected != data {
				t.Errorf("%d bytes: %+v", n, last)
			}
			wantHeld(t, r, 0)

			r = newReassembler(t, cfg, Limits{})
			var backwards []Segment
			for i := range segments {
				backwards = append(backwards, segments[len(segments)-1-i])
			}
			got = nil
			for _, s := range backwards {
				if result, err := r.Add(start, "alice", s); result.Complete {
					got = append(got, result.Payload)
				} else if err != nil && !errors.Is(err, ErrCompleted) {
					t.Fatal(err)
				}
			}
			wantPayload(t, got, payload)
			wantHeld(t, r, 0)
		}
	}
}

func seq(n int) (s []any) {
	for i := range n {
		s = append(s, i)
	}
	return s
}

func TestHelloVector(t *testing.T) {
	want := unhex(t, "0a201c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8100520013a0568656c6c6f")
	parts, err := Split([]byte("hello"), Config{})
	if err != nil || len(parts) != 1 || !bytes.Equal(parts[0], want) {
		t.Errorf("%x, %v", parts, err)
	}
	if empty := Hash(nil); !bytes.Equal(empty[:4], unhex(t, "c5d24601")) || !bytes.Equal(empty[28:], unhex(t, "5d85a470")) {
		t.Errorf("hash of nothing: %x", empty)
	}
}

// TestTrueLengths: data segments travel at their true length, parity at that of a
// whole chunk.
func TestTrueLengths(t *testing.T) {
	s := split(t, bytesOf(1, 70), withParity(tiny, 1))
	for i, want := range []int{64, 6, 64, 64} {
		if len(s[i].Payload) != want || s[i].Parity != (i >= 2) || s[i].Index != i%2 {
			t.Errorf("segment %d: %+v", i, s[i])
		}
	}
}

// TestStatusTrap: a small payload that reads as a segment of Status is cut, so that
// nobody takes it for one.
func TestStatusTrap(t *testing.T) {
	cfg := Config{Format: Status, SegmentSize: 1000}
	for _, inner := range []int{1, 2, 300} {
		trap := cfg.append(nil, &Segment{Key: key(t, 900), DataCount: 2, Payload: make([]byte, inner)})
		segments := split(t, trap, cfg)
		if len(segments) != 2 {
			t.Fatalf("%d segments", len(segments))
		}
		got, _ := feed(t, newReassembler(t, cfg, Limits{}), segments...)
		wantPayload(t, got, trap)
	}
	trap := cfg.append(nil, &Segment{Key: key(t, 9), Parity: true, ParityCount: 1, Payload: make([]byte, 9)})
	if _, err := Split(trap, Config{Format: Status, MaxSegments: 1}); err == nil {
		t.Error("no error where it can't be cut")
	}
}

func TestIncompleteDeliversNothing(t *testing.T) {
	r := newReassembler(t, tiny, Limits{})
	segments := split(t, bytesOf(1, 640), tiny)
	got, last := feed(t, r, segments[1:]...)
	if len(got) > 0 || last.Held != 9 || last.Expected != 10 || last.Tags != nil {
		t.Errorf("%+v", last)
	}
	sets := r.Sets()
	want := Set{Sender: "alice", Key: segments[0].Key, DataCount: 10, Held: 9, Bytes: r.Bytes(), Updated: start}
	if len(sets) != 1 || sets[0] != want {
		t.Errorf("%+v, want %+v", sets, want)
	}
}

func TestParityRecovers(t *testing.T) {
	payload := bytesOf(1, 8*64-10) // 8 data, the last one short
	for _, cfg := range []Config{withParity(tiny, 0.375), {Format: Status, SegmentSize: 64, ParityRate: 0.375}} {
		segments := split(t, payload, cfg)
		for _, lost := range [][]int{{0}, {7}, {3, 7}, {0, 1, 2}, {5, 6, 7}} {
			r := newReassembler(t, cfg, Limits{})
			var sent []Segment
			for i, s := range segments {
				if !contains(lost, i) {
					sent = append(sent, s)
				}
			}
			got, last := feed(t, r, sent[:8]...)
			wantPayload(t, got, payload)
			for i, tag := range last.Tags {
				if tag != sent[i].Tag {
					t.Errorf("lost %v: tags %v", lost, last.Tags)
				}
			}
			for _, s := range sent[8:] {
				discarded(t, r, s, ErrCompleted)
			}
			wantHeld(t, r, 0)
		}
		// Loss beyond parity gives nothing.
		got, last := feed(t, newReassembler(t, cfg, Limits{}), segments[4:]...)
		if len(got) > 0 || last.Held != 7 {
			t.Errorf("%+v", last)
		}
	}
}

func contains(list []int, x int) bool {
	for _, y := range list {
		if x == y {
			return true
		}
	}
	return false
}

// TestOldStatus: without a length the payload can be had as long as the last data
// segment is there; else parity waits for it.
func TestOldStatus(t *testing.T) {
	payload := bytesOf(1, 8*64-10)
	cfg := Config{Format: Status, SegmentSize: 64, ParityRate: 0.25}
	segments := split(t, payload, cfg)
	for i := range segments {
		segments[i].Length = 0
	}
	got, _ := feed(t, newReassembler(t, cfg, Limits{}), segments[2:]...)
	wantPayload(t, got, payload)

	r := newReassembler(t, cfg, Limits{})
	got, _ = feed(t, r, append(segments[1:7:7], segments[8:]...)...)
	if len(got) > 0 {
		t.Fatal("complete without the last segment")
	}
	got, _ = feed(t, r, segments[7])
	wantPayload(t, got, payload)
}

// TestParityFirst: LIP-243 knows the number of data segments at once, Status not.
func TestParityFirst(t *testing.T) {
	for cfg, want := range map[Config]int{withParity(tiny, 1): 3, {Format: Status, SegmentSize: 64, ParityRate: 1}: 0} {
		_, last := feed(t, newReassembler(t, cfg, Limits{}), split(t, bytesOf(1, 150), cfg)[3])
		if last.Held != 1 || last.Expected != want {
			t.Errorf("%v: %+v, want %d expected", cfg.Format, last, want)
		}
	}
}

// TestParityUnasked: who writes no parity reads it.
func TestParityUnasked(t *testing.T) {
	payload := bytesOf(1, 150)
	got, _ := feed(t, newReassembler(t, tiny, Limits{}), split(t, payload, withParity(tiny, 1))[3:]...)
	wantPayload(t, got, payload)
}

func TestDuplicates(t *testing.T) {
	r := newReassembler(t, tiny, Limits{Life: time.Minute})
	segments := split(t, bytesOf(1, 128), tiny)
	feed(t, r, segments[0])
	result, err := r.Add(start.Add(30*time.Second), "alice", segments[0])
	if !errors.Is(err, ErrDuplicate) || result.Held != 1 || result.Expected != 2 || result.Tags[0] != 0 {
		t.Errorf("%+v, %v", result, err)
	}
	if d := r.Deadline(); !d.Equal(start.Add(time.Minute)) {
		t.Errorf("a duplicate moved the deadline to %v", d)
	}
	got, _ := feed(t, r, segments[1])
	wantPayload(t, got, bytesOf(1, 128))
	if !r.Deadline().IsZero() {
		t.Error("a deadline of nothing")
	}
	for _, s := range segments {
		discarded(t, r, s, ErrCompleted)
	}
	wantHeld(t, r, 0)
}

// TestSegmentIsCopied: the caller may use its memory again.
func TestSegmentIsCopied(t *testing.T) {
	payload := bytesOf(1, 128)
	r := newReassembler(t, tiny, Limits{})
	segments := split(t, payload, tiny)
	feed(t, r, segments[0])
	clear(segments[0].Payload)
	got, _ := feed(t, r, segments[1])
	wantPayload(t, got, payload)
}

func TestHashMismatch(t *testing.T) {
	payload := bytesOf(1, 150)
	for _, first := range []int{0, 3} { // with data alone, and with parity
		r := newReassembler(t, withParity(tiny, 1), Limits{})
		segments := split(t, payload, withParity(tiny, 1))[first:]
		forged := segments[0]
		forged.Payload = append([]byte{forged.Payload[0] ^ 1}, forged.Payload[1:]...)
		got, last := feed(t, r, forged, segments[1], segments[2])
		if len(got) > 0 || len(last.Dropped) != 1 || !errors.Is(last.Dropped[0].Why, ErrHashMismatch) ||
			last.Dropped[0].Key != forged.Key || last.Dropped[0].Held != 3 {
			t.Errorf("%+v", last)
		}
		wantHeld(t, r, 0)
		got, _ = feed(t, r, segments[:3]...) // afresh
		wantPayload(t, got, payload)
	}
}

func TestMalformed(t *testing.T) {
	lip := withParity(tiny, 1)
	change := func(s Segment, n int) Segment {
		s.Payload = append(bytes.Clone(s.Payload), make([]byte, 128)...)[:n]
		return s
	}
	payload := bytesOf(1, 150) // data of 64, 64 and 22, parity of 64
	s := split(t, payload, lip)
	otherLength := func(length uint64, segments ...Segment) []Segment {
		for i := range segments {
			segments[i].Length = length
		}
		return segments
	}
	for name, segments := range map[string][]Segment{
		"sum is not the length":   {s[0], s[1], change(s[2], 21)},
		"parity of two sizes":     {s[3], change(s[4], 128), s[5]},
		"data of another size":    {change(s[0], 63), s[3], s[4]},
		"last of another size":    {s[2], s[3], change(s[1], 63)},
		"last too long":           {change(s[2], 65), s[3], s[4]},
		"too short for so many":   otherLength(128, s[3], s[4], s[5]),
		"too long for so many":    otherLength(193, s[3], s[4], s[5]),
		"parity of nothing":       {change(s[3], 0), change(s[4], 0), change(s[5], 0)},
		"last is not what is due": {change(s[2], 23), s[3], s[4]},
	} {
		r := newReassembler(t, lip, Limits{})
		got, last := feed(t, r, segments...)
		if len(got) > 0 || len(last.Dropped) != 1 || !errors.Is(last.Dropped[0].Why, ErrMalformed) {
			t.Errorf("%s: %+v", name, last)
		}
		wantHeld(t, r, 0)
	}

	// More parity than data is a code that does not exist.
	two := split(t, bytesOf(1, 128), lip)
	for i := range two {
		two[i].ParityCount = 3
	}
	_, last := feed(t, newReassembler(t, lip, Limits{}), two[0], two[2])
	if len(last.Dropped) != 1 || !errors.Is(last.Dropped[0].Why, ErrMalformed) {
		t.Errorf("more parity than data: %+v", last)
	}
}

// TestOddShards: a sender whose shards are no multiple of 64 bytes can be
// understood with all data only.
func TestOddShards(t *testing.T) {
	payload := bytesOf(1, 100)
	base := Segment{Key: Key{Hash(payload), 100}, DataCount: 2, ParityCount: 1}
	first, second, parity := base, base, base
	first.Payload, second.Payload, parity.Payload = payload[:50], payload[50:], make([]byte, 50)
	second.Index, parity.Parity = 1, true
	r := newReassembler(t, tiny, Limits{})
	got, last := feed(t, r, parity, first)
	if len(got) > 0 || len(last.Dropped) > 0 {
		t.Fatalf("%+v", last)
	}
	got, _ = feed(t, r, second)
	wantPayload(t, got, payload)
}

// TestCountLiar: who lies about the counts is ignored, and what is true accepted.
func TestCountLiar(t *testing.T) {
	payload := bytesOf(1, 150)
	for cfg, lie := range map[Config]func(*Segment){
		tiny:                              func(s *Segment) { s.DataCount = 4 },
		withParity(tiny, 1):               func(s *Segment) { s.ParityCount = 2 },
		{Format: Status, SegmentSize: 64}: func(s *Segment) { s.DataCount = 4 },
	} {
		r := newReassembler(t, cfg, Limits{})
		segments := split(t, payload, cfg)
		feed(t, r, segments[0])
		liar := segments[1]
		lie(&liar)
		if result := discarded(t, r, liar, ErrCountMismatch); result.Held != 1 || result.Expected != 3 {
			t.Errorf("%+v", result)
		}
		got, _ := feed(t, r, segments[1:3]...)
		wantPayload(t, got, payload)
	}

	// In Status each class has its own count, and together they have a bound.
	cfg := Config{Format: Status, SegmentSize: 64, ParityRate: 1, MaxSegments: 7}
	segments := split(t, payload, cfg)
	r := newReassembler(t, cfg, Limits{})
	feed(t, r, segments[3])
	for _, count := range []int{4, 2} {
		liar := segments[4]
		liar.ParityCount = count
		discarded(t, r, liar, ErrCountMismatch)
	}
	liar := segments[0]
	liar.DataCount = 5
	discarded(t, r, liar, ErrCountMismatch)
	got, _ := feed(t, r, segments[0], segments[5])
	wantPayload(t, got, payload)
}

// TestLiarIsNotAlice: another sender can't get in the way of a payload, be it with
// counts, with bytes, or by completing it first.
func TestLiarIsNotAlice(t *testing.T) {
	payload := bytesOf(1, 150)
	segments := split(t, payload, tiny)
	r := newReassembler(t, tiny, Limits{})
	counts, forged := segments[0], segments[1]
	counts.DataCount = 5
	forged.Payload = make([]byte, 64)
	for _, s := range []Segment{counts, forged} {
		r.Add(start, "mallory", s)
	}
	got, _ := feed(t, r, segments...)
	wantPayload(t, got, payload)

	// Bob sends the same picture: it is his message.
	bobs := 0
	for _, s := range segments {
		if result, err := r.Add(start, "bob", s); err != nil {
			t.Fatal(err)
		} else if result.Complete {
			bobs++
		}
	}
	if bobs != 1 {
		t.Errorf("bob's copy is complete %d times", bobs)
	}
}

func TestAddChecks(t *testing.T) {
	r := newReassembler(t, tiny, Limits{MaxSenderBytes: 1000})
	discarded(t, r, Segment{DataCount: 0}, ErrInvalid)
	discarded(t, r, Segment{DataCount: 257}, ErrInvalid)
	discarded(t, r, Segment{DataCount: 2, Index: -1}, ErrInvalid)
	discarded(t, r, Segment{DataCount: -1, ParityCount: 3, Parity: true}, ErrInvalid)
	discarded(t, r, Segment{DataCount: 1, Payload: make([]byte, 193)}, ErrOversized)
	discarded(t, r, Segment{Key: Key{Length: 1001}, DataCount: 100}, ErrOversized)
	wantHeld(t, r, 0)
}
