package storenode

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

func TestQueryPages(t *testing.T) {
	s, info := newServer(t, ServerOptions{})
	want := texts(1000)
	for i, m := range want {
		m.Timestamp = epoch + int64(i/7) // seven of each time
	}
	shuffled := make([]*wire.Message, len(want))
	for i, k := range rand.New(rand.NewPCG(1, 1)).Perm(len(want)) {
		shuffled[k] = want[i]
	}
	keep(t, s, shuffled...)
	other := text(5, "other topic")
	other.ContentTopic = "/other"
	s.Keep(shard, other)
	s.Keep("/waku/2/rs/16/33", text(5, "other shard"))
	keep(t, s)
	c := newClient(t, Options{}, info)
	for _, limit := range []int{3, 100} {
		wantExactly(t, walkAll(t, c, all(limit)), want)
	}
	if st := c.Stats(); st.Outside+st.Repeated+st.OffTopic+st.Forged+st.Restarts > 0 {
		t.Errorf("dropped: %+v", st)
	}
}

func TestQuerySmallPagesOfTheServer(t *testing.T) {
	s, info := newServer(t, ServerOptions{PageLimit: 3})
	want := texts(10)
	keep(t, s, want...)
	wantExactly(t, walkAll(t, newClient(t, Options{}, info), all(100)), want)
}

func TestQueryWindow(t *testing.T) {
	s, info := newServer(t, ServerOptions{})
	messages := texts(10)
	keep(t, s, messages...)
	c := newClient(t, Options{}, info)
	for _, tt := range []struct{ from, to int64 }{{3, 7}, {3, 8}, {4, 7}, {0, 9}, {9, 10}, {4, 4}, {7, 3}, {-100, 100}} {
		q := all(2)
		q.From, q.To = time.Unix(0, epoch+tt.from), time.Unix(0, epoch+tt.to)
		from, to := max(tt.from, 0), min(tt.to, 10)
		wantExactly(t, walkAll(t, c, q), messages[from:max(from, to)])
	}
	q := all(100)
	q.From, q.To = time.Time{}, time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC) // beyond what a timestamp can say
	wantExactly(t, walkAll(t, c, q), messages)
}

func TestQueryCursorStable(t *testing.T) {
	s, info := newServer(t, ServerOptions{})
	old := texts(10)
	keep(t, s, old...)
	c := newClient(t, Options{}, info)
	first, err := c.Query(within(t), all(4))
	if err != nil || len(first.Messages) != 4 || first.Next == nil {
		t.Fatalf("first page: %d, next %x, %v", len(first.Messages), first.Next, err)
	}
	added := []*wire.Message{text(100, "newer"), text(2, "older, late")}
	keep(t, s, added...)
	rest := all(4)
	rest.Cursor = first.Next
	wantExactly(t, append(walkAll(t, c, rest), first.Messages...), append(old, added[1]))
	wantExactly(t, walkAll(t, c, all(4)), append(old, added...))
}

func TestQueryRejects(t *testing.T) {
	s, info := newServer(t, ServerOptions{})
	keep(t, s, texts(10)...)
	c, other := newClient(t, Options{}, info), newClient(t, Options{}, info)
	page, err := c.Query(within(t), all(1))
	if err != nil {
		t.Fatal(err)
	}
	foreign, _ := other.Query(within(t), all(1))
	changed := append([]byte{}, page.Next...)
	changed[30] ^= 1
	elsewhere := all(1)
	elsewhere.Topic, elsewhere.Cursor = "/other", page.Next
	queries := []transport.Query{all(0), all(-1), all(101), elsewhere, {Limit: 1}}
	for _, cursor := range [][]byte{{}, []byte("x"), changed, foreign.Next, page.Next[1:]} {
		q := all(1)
		q.Cursor = cursor
		queries = append(queries, q)
	}
	for i, q := range queries {
		if _, err := c.Query(within(t), q); err == nil || errors.Is(err, transport.ErrUnavailable) {
			t.Errorf("query %d: error is %v", i, err)
		}
	}
}

// TestQueryForgottenCursor: the store forgets the very message that its cursor
// names, and the query goes on without a gap.
func TestQueryForgottenCursor(t *testing.T) {
	s, info := newServer(t, ServerOptions{})
	want := texts(10)
	for _, m := range want {
		m.Timestamp = epoch // by hash alone
	}
	keep(t, s, want...)
	c := newClient(t, Options{}, info)
	first, err := c.Query(within(t), all(4))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Forget(within(t), [32]byte(first.Messages[0].Hint)); err != nil {
		t.Fatal(err)
	}
	q := all(4)
	q.Cursor = first.Next
	wantExactly(t, append(walkAll(t, c, q), first.Messages...), want)
	if st := c.Stats(); st.Restarts != 1 || st.Repeated != 3 {
		t.Errorf("%d restarts, %d repeated, want 1 and 3", st.Restarts, st.Repeated)
	}
}

// TestQueryDailyWindows: a store that takes windows of a day only, as
// logos-delivery does, is asked day by day.
func TestQueryDailyWindows(t *testing.T) {
	s, info := newServer(t, ServerOptions{MaxWindow: 24 * time.Hour})
	want := texts(20)
	for i, m := range want {
		m.Timestamp = epoch + int64(i/2)*int64(36*time.Hour) // some days have none, some two
	}
	silent := text(int64(45*24*time.Hour), "after a month of silence")
	want = append(want, silent, text(-int64(time.Hour), "on the edge"))
	keep(t, s, want...)
	c := newClient(t, Options{}, info)
	q := all(2)
	q.From, q.To = time.Unix(0, epoch).Add(-time.Hour), time.Unix(0, silent.Timestamp+1)
	wantExactly(t, walkAll(t, c, q), want)
	if st := c.Stats(); st.Refused != 1 {
		t.Errorf("%d requests were refused, want the first", st.Refused)
	}
}

func TestQueryFailsOver(t *testing.T) {
	want := texts(30)
	first, a := newServer(t, ServerOptions{})
	second, b := newServer(t, ServerOptions{})
	keep(t, first, want...)
	keep(t, second, want...)
	c := newClient(t, Options{}, a, b)
	q := all(7)
	page, err := c.Query(within(t), q)
	if err != nil {
		t.Fatal(err)
	}
	if second.Stats().Answered > 0 {
		t.Error("the second store was asked first")
	}
	if err := first.SetFaults(within(t), Faults{Absent: true}); err != nil {
		t.Fatal(err)
	}
	q.Cursor = page.Next
	wantExactly(t, append(walkAll(t, c, q), page.Messages...), want)
	if st := c.Stats(); st.Failovers == 0 || st.Broken == 0 {
		t.Errorf("no fail-over is counted: %+v", st)
	}
	// The query stays where it went, though the first store is back.
	page, err = c.Query(within(t), all(7))
	if err != nil {
		t.Fatal(err)
	}
	first.SetFaults(within(t), Faults{})
	before := first.Stats().Answered
	q.Cursor = page.Next
	wantExactly(t, append(walkAll(t, c, q), page.Messages...), want)
	if n := first.Stats().Answered; n != before {
		t.Errorf("the first store was asked %d times in the middle of a query", n-before)
	}
}

func TestQueryUnavailable(t *testing.T) {
	s, info := newServer(t, ServerOptions{})
	keep(t, s, texts(3)...)
	c := newClient(t, Options{}, info)
	for _, tt := range []struct {
		faults Faults
		code   uint32
	}{
		{Faults{Status: 429}, 429}, {Faults{Status: 503}, 503}, {Faults{Status: 500}, 500}, {Faults{Absent: true}, 0},
	} {
		s.SetFaults(within(t), tt.faults)
		_, err := c.Query(within(t), all(10))
		var status *StatusError
		if !errors.Is(err, transport.ErrUnavailable) || errors.As(err, &status) != (tt.code > 0) {
			t.Errorf("%+v: error is %v", tt.faults, err)
		}
		if status != nil && (status.Code != tt.code || status.Description != "fault" || status.Store != info.ID) {
			t.Errorf("%+v: status is %+v", tt.faults, status)
		}
	}
	s.SetFaults(within(t), Faults{Status: 429, Every: 3})
	for i := 1; i <= 9; i++ {
		if _, err := c.Query(within(t), all(10)); (err != nil) != (i%3 == 0) {
			t.Errorf("query %d of each third failing: %v", i, err)
		}
	}
	s.SetFaults(within(t), Faults{Status: 400})
	if _, err := c.Query(within(t), all(10)); err == nil || errors.Is(err, transport.ErrUnavailable) {
		t.Errorf("400: error is %v", err)
	}
	st := c.Stats()
	if st.Limited != 4 || st.Failed != 2 || st.Refused != 1 || st.Broken != 1 || st.Answered != 6 ||
		st.Requests != 14 {
		t.Errorf("counted %+v", st)
	}
	if _, err := newClient(t, Options{}).Query(within(t), all(1)); !errors.Is(err, transport.ErrUnavailable) {
		t.Errorf("without stores: error is %v", err)
	}
	gone := newHost(t)
	where := infoOf(gone)
	gone.Close()
	if _, err := newClient(t, Options{}, where).Query(within(t), all(1)); !errors.Is(err, transport.ErrUnavailable) {
		t.Errorf("nobody listens: error is %v", err)
	}
	if _, err := newClient(t, Options{}, infoOf(newHost(t))).Query(within(t), all(1)); !errors.Is(err, transport.ErrUnavailable) {
		t.Errorf("a peer without a store: error is %v", err)
	}
}

func TestBackoff(t *testing.T) {
	now := time.Unix(1000, 0)
	s, info := newServer(t, ServerOptions{})
	c := newClient(t, Options{MinBackoff: time.Second, MaxBackoff: 3 * time.Second, now: func() time.Time { return now }}, info)
	s.SetFaults(within(t), Faults{Status: 503})
	ask := func(wantAsked bool) {
		t.Helper()
		before := c.Stats().Requests
		_, err := c.Query(within(t), all(1))
		if !errors.Is(err, transport.ErrUnavailable) {
			t.Errorf("error is %v", err)
		}
		if asked := c.Stats().Requests > before; asked != wantAsked {
			t.Errorf("at %v the store was asked: %v", now.Sub(time.Unix(1000, 0)), asked)
		}
	}
	ask(true)
	ask(false)
	for _, d := range []time.Duration{1, 2, 3, 3} { // seconds
		now = now.Add(d*time.Second - 1)
		ask(false)
		now = now.Add(1)
		ask(true)
	}
	s.SetFaults(within(t), Faults{})
	now = now.Add(3 * time.Second)
	if _, err := c.Query(within(t), all(1)); err != nil {
		t.Errorf("the store is back: %v", err)
	}
	s.SetFaults(within(t), Faults{Status: 429})
	ask(true)
	now = now.Add(time.Second)
	ask(true)
}

// TestConnected: a store that did not answer is asked again when it is back, and
// one that said that it is busy is not.
func TestConnected(t *testing.T) {
	s, info := newServer(t, ServerOptions{})
	for _, tt := range []struct {
		faults Faults
		mute   bool
	}{{Faults{Absent: true}, true}, {Faults{Status: 429}, false}, {Faults{Status: 503}, false}} {
		c := newClient(t, Options{MinBackoff: time.Hour}, info)
		ask := func() (asked bool) {
			before := c.Stats().Requests
			c.Query(within(t), all(1))
			return c.Stats().Requests > before
		}
		s.SetFaults(within(t), tt.faults)
		if !ask() || ask() {
			t.Errorf("%+v: the store does not rest after a failure", tt.faults)
		}
		s.SetFaults(within(t), Faults{})
		c.Connected(c.host.ID())
		if ask() {
			t.Errorf("%+v: the connection of somebody else ends the rest", tt.faults)
		}
		c.Connected(info.ID)
		if asked := ask(); asked != tt.mute {
			t.Errorf("%+v: connected again, it is asked: %v", tt.faults, asked)
		}
	}
}

func TestSlowStore(t *testing.T) {
	s, info := newServer(t, ServerOptions{})
	keep(t, s, texts(3)...)
	fast, second := newServer(t, ServerOptions{})
	keep(t, fast, texts(3)...)
	s.SetFaults(within(t), Faults{Delay: time.Hour})

	c := newClient(t, Options{Timeout: time.Hour}, info)
	ctx, cancel := context.WithCancel(context.Background())
	asked := make(chan error, 1)
	go func() {
		_, err := c.Query(ctx, all(1))
		asked <- err
	}()
	eventually(t, "it has read the query", func() bool { return s.questions.Load() > 0 })
	cancel()
	select {
	case err := <-asked:
		if !errors.Is(err, context.Canceled) || errors.Is(err, transport.ErrUnavailable) {
			t.Errorf("cancelled: error is %v", err)
		}
	case <-time.After(patience):
		t.Fatal("a cancelled query goes on")
	}
	c = newClient(t, Options{Timeout: 200 * time.Millisecond}, info)
	if _, err := c.Query(within(t), all(1)); !errors.Is(err, transport.ErrUnavailable) || c.Stats().TimedOut != 1 {
		t.Errorf("too slow: error is %v, %+v", err, c.Stats())
	}
	// With enough time for the second, which the first does not have either.
	var page transport.Page
	err := transport.ErrUnavailable
	for timeout := 200 * time.Millisecond; err != nil && timeout < patience; timeout *= 2 {
		c = newClient(t, Options{Timeout: timeout}, info, second)
		if page, err = c.Query(within(t), all(10)); err != nil && !errors.Is(err, transport.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	wantExactly(t, page.Messages, texts(3))

	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("Close waits for a slow query")
	}
}

// TestLyingStore: of what a store returns only what can be checked counts.
func TestLyingStore(t *testing.T) {
	good := texts(4)
	lie := func(change func(e *wire.StoreEntry)) wire.StoreEntry {
		e := entryOf(text(2, "good once"))
		change(&e)
		return e
	}
	elsewhere := text(2, "on another topic")
	elsewhere.ContentTopic = "/other"
	entries := []wire.StoreEntry{
		entryOf(good[3]), entryOf(good[1]), entryOf(good[0]), entryOf(good[2]), entryOf(good[1]), // order, repetition
		lie(func(e *wire.StoreEntry) { e.Hash[0] ^= 1 }),
		lie(func(e *wire.StoreEntry) { e.Message = text(2, "put in its place").Marshal() }),
		lie(func(e *wire.StoreEntry) { e.Message = nil }),
		lie(func(e *wire.StoreEntry) { e.Message = []byte{0xff} }),
		lie(func(e *wire.StoreEntry) { e.PubsubTopic = "/waku/2/rs/16/33" }),
		entryOf(elsewhere),
		entryOf(text(-2, "too old")), entryOf(text(int64(time.Hour), "too new")),
	}
	info := fakeStore(t, func(wire.StoreQuery) *wire.StoreAnswer {
		return &wire.StoreAnswer{Status: wire.StoreOK, Entries: entries}
	})
	c := newClient(t, Options{}, info)
	page, err := c.Query(within(t), all(100))
	if err != nil {
		t.Fatal(err)
	}
	wantExactly(t, page.Messages, good)
	// Of good[1] the second is dropped, and "too new" is at the end of the window.
	want := Stats{Requests: 1, Answered: 1, Messages: 4, Malformed: 2, Forged: 2, OffTopic: 2, Outside: 2, Repeated: 1}
	st := c.Stats()
	if st.Bytes == 0 {
		t.Error("no bytes are counted")
	}
	if st.Bytes = 0; st != want {
		t.Errorf("counted %+v, want %+v", st, want)
	}
}

func TestBrokenStores(t *testing.T) {
	page := func(change func(q wire.StoreQuery, a *wire.StoreAnswer)) func(q wire.StoreQuery) *wire.StoreAnswer {
		return func(q wire.StoreQuery) *wire.StoreAnswer {
			a := &wire.StoreAnswer{Status: wire.StoreOK, Cursor: make([]byte, 32)}
			change(q, a)
			return a
		}
	}
	n := byte(0)
	for name, answer := range map[string]func(wire.StoreQuery) *wire.StoreAnswer{
		"resets":                  func(wire.StoreQuery) *wire.StoreAnswer { return nil },
		"other request":           page(func(_ wire.StoreQuery, a *wire.StoreAnswer) { a.RequestID = "x" }),
		"no status":               page(func(_ wire.StoreQuery, a *wire.StoreAnswer) { a.Status = 0 }),
		"more than was asked":     page(func(_ wire.StoreQuery, a *wire.StoreAnswer) { a.Entries = make([]wire.StoreEntry, 3) }),
		"a cursor without end":    page(func(wire.StoreQuery, *wire.StoreAnswer) {}),
		"empty pages without end": page(func(_ wire.StoreQuery, a *wire.StoreAnswer) { n++; a.Cursor[0] = n }),
		"refuses for its rate": func(wire.StoreQuery) *wire.StoreAnswer {
			return &wire.StoreAnswer{RequestID: "N/A", Status: 429, Description: "TOO_MANY_REQUESTS"}
		},
	} {
		c := newClient(t, Options{}, fakeStore(t, answer))
		q := all(2)
		var err error
		for i := 0; err == nil; i++ {
			var page transport.Page
			if page, err = c.Query(within(t), q); err == nil && (page.Next == nil || i > 100) {
				t.Fatalf("%s: a page with %d messages", name, len(page.Messages))
			}
			q.Cursor = page.Next
		}
		if !errors.Is(err, transport.ErrUnavailable) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

// TestInclusiveEnd: nwaku on PostgreSQL has messages at the end of a window.
func TestInclusiveEnd(t *testing.T) {
	messages := texts(10)
	info := fakeStore(t, func(q wire.StoreQuery) *wire.StoreAnswer {
		a := &wire.StoreAnswer{Status: wire.StoreOK}
		for _, m := range messages {
			if *q.TimeStart <= m.Timestamp && m.Timestamp <= *q.TimeEnd {
				a.Entries = append(a.Entries, entryOf(m))
			}
		}
		return a
	})
	q := all(100)
	q.From, q.To = time.Unix(0, epoch+2), time.Unix(0, epoch+6)
	wantExactly(t, walkAll(t, newClient(t, Options{}, info), q), messages[2:6])
}

func TestOptions(t *testing.T) {
	h := newHost(t)
	pubsub := func(transport.Topic) string { return shard }
	for i, o := range []Options{
		{}, {PubsubTopic: pubsub, Timeout: -1}, {PubsubTopic: pubsub, MinBackoff: 2, MaxBackoff: 1},
		{PubsubTopic: pubsub, Stores: make([]peer.AddrInfo, 1)},
	} {
		if _, err := NewClient(h, o); err == nil {
			t.Errorf("options %d pass", i)
		}
	}
	info := infoOf(h)
	stores, err := ParseStores(fmt.Sprintf("%s/p2p/%s", info.Addrs[0], info.ID))
	if err != nil || len(stores) != 1 || stores[0].ID != info.ID {
		t.Errorf("stores are %v, %v", stores, err)
	}
	if _, err := ParseStores("/ip4/127.0.0.1/tcp/1"); err == nil {
		t.Error("an address without a peer passes")
	}
}
