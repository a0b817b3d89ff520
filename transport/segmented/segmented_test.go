package segmented

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/segment"
	"github.com/causeway-im/causeway/transport"
	"pgregory.net/rapid"
)

const topic = transport.Topic("/test/1/segmented/proto")

// air is an inner transport that notes what is published. What is received, tests
// hand to the subscriber themselves: in any order, and as often as they like.
type air struct {
	published []transport.Received
	fail      func(n int) error // of the n-th Publish
	receive   func(transport.Received)
	asked     [][]byte
}

func (a *air) Publish(_ context.Context, e transport.Envelope) ([]byte, error) {
	n := len(a.published)
	if a.fail != nil {
		if err := a.fail(n); err != nil {
			return nil, err
		}
	}
	hint := bytes.Repeat([]byte{0xff}, 32)
	hint[1], hint[2] = byte(n), byte(n>>8)
	a.published = append(a.published, transport.Received{Topic: e.Topic, Payload: bytes.Clone(e.Payload), Hint: hint,
		Time: time.Unix(1_700_000_000, int64(n)).UTC()})
	return bytes.Clone(hint), nil
}

func (a *air) Subscribe(_ transport.Topic, receive func(transport.Received)) (func(), error) {
	a.receive = receive
	return func() {}, nil
}

func (a *air) Watch(func(bool)) func() { return func() {} }

// deliver hands a copy of the n-th envelope over.
func (a *air) deliver(n int) {
	r := a.published[n]
	r.Payload = bytes.Clone(r.Payload)
	a.receive(r)
}

// storing is an air with a store that has what tests put there.
type storing struct {
	*air
	has map[string]bool
}

func (s storing) Query(context.Context, transport.Query) (transport.Page, error) {
	return transport.Page{}, transport.ErrUnavailable
}

func (s storing) Retrieve(_ context.Context, _ transport.Topic, hints [][]byte) (found []transport.Received, err error) {
	if len(hints) > transport.MaxHints {
		return nil, errors.New("too many")
	}
	s.asked = append(s.asked, hints...)
	for _, r := range s.published {
		if s.has[string(r.Hint)] && slices.ContainsFunc(hints, func(h []byte) bool { return bytes.Equal(h, r.Hint) }) {
			found = append(found, r)
		}
	}
	return found, nil
}

func (s storing) Stored(_ context.Context, _ transport.Topic, hints [][]byte) (has []bool, err error) {
	if len(hints) > transport.MaxHints {
		return nil, errors.New("too many")
	}
	for _, h := range hints {
		has = append(has, s.has[string(h)])
	}
	return has, nil
}

func around(t rapid.TB, inner transport.Transport, o Options) transport.Transport {
	t.Helper()
	tr, err := New(inner, o)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// setUp returns a transport and the list of what its subscriber receives.
func setUp(t rapid.TB, o Options) (a *air, tr transport.Transport, heard *[]transport.Received) {
	t.Helper()
	a, heard = &air{}, &[]transport.Received{}
	tr = around(t, a, o)
	if _, err := tr.Subscribe(topic, func(r transport.Received) { *heard = append(*heard, r) }); err != nil {
		t.Fatal(err)
	}
	return a, tr, heard
}

func send(t rapid.TB, tr transport.Transport, payload []byte) []byte {
	t.Helper()
	hint, err := tr.Publish(context.Background(), transport.Envelope{Topic: topic, Payload: payload})
	if err != nil {
		t.Fatal(err)
	}
	return hint
}

var (
	status = Options{Config: segment.Config{Format: segment.Status, SegmentSize: 100, ParityRate: 0.125}}
	lip    = Options{Config: segment.Config{SegmentSize: 192, ParityRate: 0.5}}
)

// TestFormats: a small payload travels as it is with Status, and wrapped with LIP-243.
func TestFormats(t *testing.T) {
	for _, tt := range []struct {
		o      Options
		length int
		parts  int
		whole  bool
	}{{status, 100, 1, true}, {status, 101, 2, false}, {status, 800, 9, false}, {lip, 64, 2, false}} {
		a, tr, heard := setUp(t, tt.o)
		payload := bytes.Repeat([]byte{1}, tt.length)
		hint := send(t, tr, payload)
		if len(a.published) != tt.parts || bytes.Equal(a.published[0].Payload, payload) != tt.whole {
			t.Errorf("%d bytes: %d envelopes, want %d", tt.length, len(a.published), tt.parts)
		}
		for i := range a.published {
			a.deliver(i)
		}
		if len(*heard) != 1 || !bytes.Equal((*heard)[0].Payload, payload) || !bytes.Equal((*heard)[0].Hint, hint) ||
			!(*heard)[0].Time.Equal(a.published[0].Time) || (*heard)[0].Topic != topic {
			t.Errorf("%d bytes: received %+v", tt.length, *heard)
		}
	}
}

// TestForeignBytes: what is no segment goes through untouched.
func TestForeignBytes(t *testing.T) {
	for _, o := range []Options{status, lip} {
		a, _, heard := setUp(t, o)
		for _, text := range []string{"", "tea?", "\x0a\x20not a hash", string(bytes.Repeat([]byte{0x0a}, 300))} {
			want := transport.Received{Topic: topic, Payload: []byte(text), Hint: []byte("hint"), Time: time.Unix(1, 0)}
			a.receive(want)
			got := (*heard)[len(*heard)-1]
			if string(got.Payload) != text || string(got.Hint) != "hint" || !got.Time.Equal(want.Time) {
				t.Errorf("%+v, want %+v", got, want)
			}
		}
	}
}

// TestPropertyCopies: however the segments of payloads mix and get lost, each copy
// that a member published comes at most once, exactly once if nothing was lost, and
// unchanged. What the network repeats may come again, as it may without segments; and
// with parity a copy that was completed early, when its data comes after all.
func TestPropertyCopies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := rapid.SampledFrom([]Options{status, lip, {Config: segment.Config{SegmentSize: 192}}}).Draw(t, "options")
		a, tr, heard := setUp(t, o)
		copies := map[string]int{}
		for i := range rapid.IntRange(1, 3).Draw(t, "payloads") {
			payload := bytes.Repeat([]byte{byte(i)}, rapid.IntRange(1, 900).Draw(t, "length"))
			copies[string(payload)] = rapid.IntRange(1, 2).Draw(t, "copies")
			for range copies[string(payload)] {
				send(t, tr, payload)
			}
		}
		lossless := o.Config.ParityRate == 0 // parity of the first copy may complete the second
		var order []int
		times := 1
		if o.Config.ParityRate > 0 {
			times = 2
		}
		for i := range a.published {
			switch rapid.IntRange(0, 9).Draw(t, "fate") {
			case 0:
				lossless = false
			case 1:
				order = append(order, i, i)
				times = 2
			default:
				order = append(order, i)
			}
		}
		for _, i := range rapid.Permutation(order).Draw(t, "order") {
			a.deliver(i)
		}
		got := map[string]int{}
		for _, r := range *heard {
			got[string(r.Payload)]++
		}
		for payload, n := range got {
			most, known := copies[payload]
			if wrapped := o.Config.Format == segment.LIP243 || len(payload) > 100; !known || wrapped && n > times*most {
				t.Fatalf("a payload of %d bytes came %d times, published %d times", len(payload), n, most)
			}
		}
		for payload, n := range copies {
			if lossless && got[payload] < n {
				t.Fatalf("a payload of %d bytes came %d times, published %d times", len(payload), got[payload], n)
			}
		}
	})
}

func TestPublishFails(t *testing.T) {
	for _, tt := range []struct {
		at   int
		err  error
		want error // nil: only that there is an error which does not wrap err
	}{
		{0, transport.ErrOffline, transport.ErrOffline},
		{1, transport.ErrOffline, nil},
		{1, transport.ErrTooLarge, nil},
		{1, transport.ErrClosed, transport.ErrClosed},
		{1, context.Canceled, context.Canceled},
	} {
		a, tr, _ := setUp(t, status)
		a.fail = func(n int) error {
			if n == tt.at {
				return fmt.Errorf("inner: %w", tt.err)
			}
			return nil
		}
		hint, err := tr.Publish(context.Background(), transport.Envelope{Topic: topic, Payload: make([]byte, 500)})
		if err == nil || hint != nil || tt.want != nil && !errors.Is(err, tt.want) || tt.want == nil && errors.Is(err, tt.err) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	_, tr, _ := setUp(t, status)
	_, err := tr.Publish(context.Background(), transport.Envelope{Payload: make([]byte, 100*256+1)})
	if !errors.Is(err, transport.ErrTooLarge) || !strings.Contains(err.Error(), "MaxSegments is 256") {
		t.Errorf("too large: %v", err)
	}
}

func TestHints(t *testing.T) {
	h := func(n int, b byte) []byte { return bytes.Repeat([]byte{b}, n) }
	for _, hints := range [][][]byte{
		{h(32, 1)}, {h(32, 1), h(32, 2)}, {h(1, 1), h(100, 2), h(3, 3)}, {{0x0a, 1, 7}}, {{0x0a, 0}}, {h(maxHint+1, 1)},
	} {
		joined := joinHints(hints)
		if got := splitHints(joined); !slices.EqualFunc(got, hints, bytes.Equal) {
			t.Errorf("%x became %x by way of %x", hints, got, joined)
		}
	}
	if got := joinHints([][]byte{h(32, 1)}); !bytes.Equal(got, h(32, 1)) {
		t.Errorf("a single hint became %x", got)
	}
	most := (maxHint) / 34
	for n, want := range map[int]bool{most: true, most + 1: false} {
		if got := joinHints(slices.Repeat([][]byte{h(32, 1)}, n)); (got != nil) != want || len(got) > wire.MaxHint {
			t.Errorf("%d hints: %d bytes", n, len(got))
		}
	}
	if joinHints([][]byte{h(32, 1), nil}) != nil {
		t.Error("a hint although an envelope has none")
	}
	rapid.Check(t, func(t *rapid.T) { // hostile hints
		hint := rapid.SliceOf(rapid.SampledFrom([]byte{0x0a, 0, 1, 2, 3, 200})).Draw(t, "hint")
		if parts := splitHints(hint); len(parts) == 0 || len(parts) > transport.MaxHints {
			t.Fatalf("%d parts", len(parts))
		}
	})
}

// TestStoreByHint: a payload is stored if all its data segments are, and can be
// retrieved then; nothing less is taken for it.
func TestStoreByHint(t *testing.T) {
	s := storing{&air{}, map[string]bool{}}
	tr := around(t, s, lip)
	var hints [][]byte
	var payloads [][]byte
	for i := range 40 { // 200 envelopes with data: more than one question
		payloads = append(payloads, bytes.Repeat([]byte{byte(i)}, 300))
		hints = append(hints, send(t, tr, payloads[i]))
	}
	for _, r := range s.published {
		s.has[string(r.Hint)] = true
	}
	delete(s.has, string(splitHints(hints[3])[4]))
	ctx := context.Background()
	has, err := tr.(transport.Confirmer).Stored(ctx, topic, hints)
	if err != nil || len(has) != 40 {
		t.Fatalf("%v, %v", has, err)
	}
	got, err := tr.(transport.Retriever).Retrieve(ctx, topic, append(hints, hints[0]))
	if err != nil || len(got) != 39 {
		t.Fatalf("%d payloads, %v", len(got), err)
	}
	byHint := map[string][]byte{}
	for _, r := range got {
		byHint[string(r.Hint)] = r.Payload
	}
	for i, h := range hints {
		if want := i != 3; has[i] != want || want != bytes.Equal(byHint[string(h)], payloads[i]) {
			t.Errorf("payload %d: stored %v, retrieved %d bytes", i, has[i], len(byHint[string(h)]))
		}
	}
}

// TestOptionalInterfaces: the transport can do what the inner one can.
func TestOptionalInterfaces(t *testing.T) {
	s := storing{&air{}, nil}
	for _, tt := range []struct {
		inner              transport.Transport
		retriever, confirm bool
	}{
		{s.air, false, false},
		{s, true, true},
		{struct {
			*air
			transport.Retriever
		}{s.air, s}, true, false},
		{struct {
			*air
			transport.Confirmer
		}{s.air, s}, false, true},
	} {
		tr := around(t, tt.inner, lip)
		_, r := tr.(transport.Retriever)
		_, c := tr.(transport.Confirmer)
		if r != tt.retriever || c != tt.confirm {
			t.Errorf("%T: Retriever %v, Confirmer %v", tt.inner, r, c)
		}
	}
}

func TestNewRejects(t *testing.T) {
	for want, o := range map[string]Options{
		"SegmentSize": {Config: segment.Config{SegmentSize: 1}},
		"MaxSets":     {Limits: segment.Limits{MaxSets: -1}},
		"Spread":      {Spread: -1},
	} {
		if _, err := New(&air{}, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if _, err := New(nil, lip); err == nil {
		t.Error("no error without an inner transport")
	}
}

// TestBounds: a flood of segments of payloads that never come, and of second copies,
// takes what Limits allow, and is reported.
func TestBounds(t *testing.T) {
	dropped := 0
	o := lip
	o.Limits = segment.Limits{MaxBytes: 10_000, MaxSets: 5}
	o.Dropped = func(at transport.Topic, d segment.Dropped) {
		if dropped++; at != topic || !errors.Is(d.Why, segment.ErrEvicted) {
			t.Errorf("%s: %+v", at, d)
		}
	}
	a, tr, heard := setUp(t, o)
	for i := range 100 {
		send(t, tr, bytes.Repeat([]byte{byte(i)}, 300))
		a.deliver(len(a.published) - 8) // the first of 8
	}
	if dropped != 95 || len(*heard) > 0 {
		t.Errorf("%d were dropped, want 95", dropped)
	}
	s, err := newStream(topic, o)
	if err != nil {
		t.Fatal(err)
	}
	first := a.published[0]
	for i := range 1000 {
		first.Time = first.Time.Add(time.Second)
		s.take(first)
		if s.spareBytes > 10_000 || len(s.spare) > i || len(s.spare) > 100 {
			t.Fatalf("%d segments of second copies, %d bytes", len(s.spare), s.spareBytes)
		}
	}
	var w walk
	var page []transport.Received
	for i := 0; i < len(a.published); i += 4 { // of each payload a segment of data and one of parity
		page = append(page, a.published[i+i/4%2*3])
	}
	for range 200 {
		_, w = w.take(topic, page, false, o)
		if w.bytes == 0 || w.bytes > 10_000 {
			t.Fatalf("a walk holds %d bytes", w.bytes)
		}
	}
	cursors := newWalks(o)
	for i := range 1000 {
		cursors.keep(topic, []byte(fmt.Sprint(i)), w)
		if len(cursors.recent) > 1 && cursors.bytes > 10_000 || len(cursors.recent) > maxWalks {
			t.Fatalf("%d walks are kept, %d bytes", len(cursors.recent), cursors.bytes)
		}
	}
	if len(cursors.at(topic, []byte("999")).held) != len(w.held) || cursors.at("other", []byte("999")).held != nil {
		t.Error("the wrong walk is kept")
	}
}
