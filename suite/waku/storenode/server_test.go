package storenode

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/causeway-im/causeway/suite/waku/wire"
)

// say opens a stream to a store, writes bytes and returns what comes back.
func say(t testing.TB, h host.Host, store peer.AddrInfo, b []byte) (wire.StoreAnswer, error) {
	t.Helper()
	if err := h.Connect(within(t), store); err != nil {
		t.Fatal(err)
	}
	s, err := h.NewStream(within(t), store.ID, wire.StoreProtocol)
	if err != nil {
		return wire.StoreAnswer{}, err
	}
	defer s.Reset()
	s.SetDeadline(time.Now().Add(patience))
	if _, err := s.Write(b); err != nil {
		return wire.StoreAnswer{}, err
	}
	answer, err := wire.ReadFrame(bufio.NewReader(s), wire.MaxStoreAnswer)
	if err != nil {
		return wire.StoreAnswer{}, err
	}
	return wire.UnmarshalStoreAnswer(answer)
}

func ask(t testing.TB, h host.Host, store peer.AddrInfo, q wire.StoreQuery) wire.StoreAnswer {
	t.Helper()
	var b bytes.Buffer
	wire.WriteFrame(&b, q.Marshal())
	a, err := say(t, h, store, b.Bytes()) // the stream stays open, as with go-waku
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestServerCriteria(t *testing.T) {
	s, info := newServer(t, ServerOptions{})
	h := newHost(t)
	m := texts(30)
	for i := range m {
		m[i].ContentTopic = fmt.Sprint("/topic/", i%3)
	}
	keep(t, s, m...)
	s.Keep("/other", m[0])
	keep(t, s)
	hashes := func(messages ...*wire.Message) (out [][32]byte) {
		for _, x := range messages {
			out = append(out, x.Hash(shard))
		}
		return out
	}
	at := func(i int64) *int64 { i += epoch; return &i }
	elsewhere := m[0].Hash("/other")
	for name, tt := range map[string]struct {
		query wire.StoreQuery
		want  []*wire.Message
		next  *wire.Message
	}{
		"two topics": {wire.StoreQuery{PubsubTopic: shard, ContentTopics: []string{"/topic/2", "/topic/0", "/topic/2"}, Limit: 4},
			[]*wire.Message{m[24], m[26], m[27], m[29]}, m[24]},
		"two topics forward": {wire.StoreQuery{PubsubTopic: shard, ContentTopics: []string{"/topic/2", "/topic/0"}, Limit: 4, Forward: true},
			[]*wire.Message{m[0], m[2], m[3], m[5]}, m[5]},
		"after a cursor": {wire.StoreQuery{PubsubTopic: shard, Cursor: hashOf(m[5]), Limit: 2, Forward: true}, m[6:8], m[7]},
		"before a cursor": {wire.StoreQuery{PubsubTopic: shard, Cursor: hashOf(m[5]), Limit: 2},
			m[3:5], m[3]},
		"exactly a page":     {wire.StoreQuery{PubsubTopic: shard, Limit: 30}, m, nil},
		"default page":       {wire.StoreQuery{PubsubTopic: shard}, m[10:], m[10]},
		"window":             {wire.StoreQuery{PubsubTopic: shard, TimeStart: at(3), TimeEnd: at(5)}, m[3:5], nil},
		"start alone":        {wire.StoreQuery{PubsubTopic: shard, TimeStart: at(28)}, m[28:], nil},
		"end alone":          {wire.StoreQuery{PubsubTopic: shard, TimeEnd: at(2)}, m[:2], nil},
		"hashes":             {wire.StoreQuery{Hashes: hashes(m[7], m[3], text(0, "unknown"))}, []*wire.Message{m[3], m[7]}, nil},
		"hashes, page":       {wire.StoreQuery{Hashes: hashes(m[7], m[3], m[5]), Limit: 2}, []*wire.Message{m[5], m[7]}, m[5]},
		"hashes, next":       {wire.StoreQuery{Hashes: hashes(m[7], m[3], m[5]), Limit: 2, Cursor: hashOf(m[5])}, m[3:4], nil},
		"unknown topic":      {wire.StoreQuery{PubsubTopic: shard, ContentTopics: []string{"/x"}}, nil, nil},
		"a huge limit":       {wire.StoreQuery{PubsubTopic: shard, Limit: 1 << 63}, m, nil},
		"time, no topic":     {wire.StoreQuery{TimeStart: at(29)}, m[29:], nil},
		"forward to the end": {wire.StoreQuery{PubsubTopic: shard, Cursor: hashOf(m[29]), Forward: true}, nil, nil},
	} {
		for _, data := range []bool{false, true} {
			q := tt.query
			q.RequestID, q.IncludeData = "r", data
			wantPage(t, name, ask(t, h, info, q), data, tt.want, tt.next)
		}
	}
	if a := ask(t, h, info, wire.StoreQuery{RequestID: "r", IncludeData: true, Hashes: [][32]byte{elsewhere}}); len(a.Entries) != 1 || a.Entries[0].PubsubTopic != "/other" {
		t.Errorf("the message of another shard is %+v", a.Entries)
	}
}

// wantPage fails unless a page has these messages, and the hash of next as its
// cursor.
func wantPage(t testing.TB, name string, a wire.StoreAnswer, data bool, want []*wire.Message, next *wire.Message) {
	t.Helper()
	if a.Status != 200 || a.Description != "OK" || a.RequestID != "r" || len(a.Entries) != len(want) {
		t.Errorf("%s: %d %s, %d messages, want %d", name, a.Status, a.Description, len(a.Entries), len(want))
		return
	}
	for i, e := range a.Entries {
		if want := entryOf(want[i]); e.Hash != want.Hash || data != bytes.Equal(e.Message, want.Message) {
			t.Errorf("%s: message %d is %x %x", name, i, e.Hash, e.Message)
		}
	}
	if next == nil && a.Cursor != nil || next != nil && !bytes.Equal(a.Cursor, hashOf(next)) {
		t.Errorf("%s: cursor is %x", name, a.Cursor)
	}
}

// TestServerHostile: what is not a proper query is refused, and nothing is
// remembered of it.
func TestServerHostile(t *testing.T) {
	s, info := newServer(t, ServerOptions{MaxWindow: time.Hour})
	keep(t, s, texts(1)...)
	h := newHost(t)
	at := func(i int64) *int64 { return &i }
	for name, q := range map[string]wire.StoreQuery{
		"no request id":        {PubsubTopic: shard},
		"hashes and topic":     {RequestID: "r", PubsubTopic: shard, Hashes: make([][32]byte, 1)},
		"hashes and time":      {RequestID: "r", TimeEnd: at(1), Hashes: make([][32]byte, 1)},
		"topic without pubsub": {RequestID: "r", ContentTopics: []string{"/a"}},
		"empty topic":          {RequestID: "r", PubsubTopic: shard, ContentTopics: []string{""}},
		"too many topics":      {RequestID: "r", PubsubTopic: shard, ContentTopics: make([]string, 11)},
		"too many hashes":      {RequestID: "r", Hashes: make([][32]byte, 101)},
		"unknown cursor":       {RequestID: "r", PubsubTopic: shard, Cursor: make([]byte, 32)},
		"short cursor":         {RequestID: "r", PubsubTopic: shard, Cursor: make([]byte, 31)},
		"backwards":            {RequestID: "r", PubsubTopic: shard, TimeStart: at(2), TimeEnd: at(1)},
		"too long a window":    {RequestID: "r", PubsubTopic: shard, TimeStart: at(-1 << 63), TimeEnd: at(1<<63 - 1)},
		"too long a name":      {RequestID: strings.Repeat("r", wire.MaxText+1)},
	} {
		if a := ask(t, h, info, q); a.Status != 400 || a.Description == "" || len(a.Entries) > 0 {
			t.Errorf("%s: %d %s, %d messages", name, a.Status, a.Description, len(a.Entries))
		}
	}
	if a, err := say(t, h, info, []byte{0xff, 0xff, 0xff, 0xff, 0x0f}); err != nil || a.Status != 400 {
		t.Errorf("a frame of 4 GB: %+v, %v", a, err)
	}
	if a, err := say(t, h, info, []byte{3, 0xff, 0xff, 0xff}); err != nil || a.Status != 400 {
		t.Errorf("nonsense: %+v, %v", a, err)
	}
	if st := s.Stats(); st.Refused != 14 || st.Answered != 0 {
		t.Errorf("counted %+v", st)
	}
}

// TestServerHangs: a peer that says nothing does not hold up Close.
func TestServerHangs(t *testing.T) {
	s, info := newServer(t, ServerOptions{})
	h := newHost(t)
	if err := h.Connect(within(t), info); err != nil {
		t.Fatal(err)
	}
	stream, err := h.NewStream(within(t), info.ID, wire.StoreProtocol)
	if err != nil {
		t.Fatal(err)
	}
	stream.Write([]byte{100}) // a length, and nothing more
	eventually(t, "it waits for the rest", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.streams > 0 })
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := s.Flush(within(t)); err == nil {
		t.Error("Flush after Close: no error")
	}
	s.Keep(shard, text(1, "late"))
	if st := s.Stats(); st.Overflown != 1 {
		t.Errorf("counted %+v", st)
	}
	if err := s.SetFaults(within(t), Faults{Forget: 1}); err == nil {
		t.Error("Forget after Close: no error")
	}
}

func TestServerLargePages(t *testing.T) {
	s, info := newServer(t, ServerOptions{})
	want := texts(60)
	for i, m := range want {
		m.Payload = bytes.Repeat([]byte{byte(i)}, wire.MaxMessage-100)
	}
	keep(t, s, want...)
	a := ask(t, newHost(t), info, wire.StoreQuery{RequestID: "r", IncludeData: true, Limit: 100})
	if n := pageBytes / (wire.MaxMessage - 100); len(a.Entries) != n || a.Cursor == nil {
		t.Errorf("a page of %d messages, want %d", len(a.Entries), n)
	}
	c := newClient(t, Options{}, info)
	wantExactly(t, walkAll(t, c, all(100)), want)
	got, err := c.Retrieve(within(t), topic, hintsOf(want...))
	if err != nil {
		t.Fatal(err)
	}
	wantExactly(t, sorted(got), want)
}

func TestServerRateLimit(t *testing.T) {
	now := time.Unix(1000, 0)
	s, info := newServer(t, ServerOptions{RateLimit: 2, now: func() time.Time { return now }})
	h, other := newHost(t), newHost(t)
	q := wire.StoreQuery{RequestID: "r", PubsubTopic: shard}
	want := func(h host.Host, statuses ...uint32) {
		t.Helper()
		for i, status := range statuses {
			if a := ask(t, h, info, q); a.Status != status {
				t.Errorf("query %d: %d %s, want %d", i, a.Status, a.Description, status)
			}
		}
	}
	want(h, 200, 200, 429)
	want(other, 200)
	now = now.Add(500 * time.Millisecond)
	want(h, 200, 429)
	now = now.Add(time.Hour)
	want(h, 200, 200, 429)
	if st := s.Stats(); st.Limited != 3 {
		t.Errorf("counted %+v", st)
	}
}

func TestLimiterIsBounded(t *testing.T) {
	now := time.Unix(1000, 0)
	l := newLimiter(1, now)
	passed := 0
	for i := range 2 * maxBuckets {
		if l.allow(peer.ID(fmt.Sprint(i)), now) {
			passed++
		}
	}
	if len(l.buckets) != maxBuckets || passed != maxBuckets+1 {
		t.Errorf("%d buckets, %d passed", len(l.buckets), passed)
	}
	if now = now.Add(time.Second); !l.allow("new", now) || len(l.buckets) != 1 {
		t.Errorf("%d buckets are left of those that are full again", len(l.buckets))
	}
}

func TestServerConcurrent(t *testing.T) {
	s, info := newServer(t, ServerOptions{})
	want := texts(200)
	keep(t, s, want...)
	var wg sync.WaitGroup
	for range 4 {
		c := newClient(t, Options{}, info)
		for range 6 {
			wg.Go(func() {
				got := 0
				q := all(50)
				for range 100 {
					page, err := c.Query(context.Background(), q)
					if err != nil {
						t.Error(err)
						return
					}
					got += len(page.Messages)
					if q.Cursor = page.Next; q.Cursor == nil {
						break
					}
				}
				if got != len(want) {
					t.Errorf("got %d messages, want %d", got, len(want))
				}
			})
		}
	}
	for i := range 1000 { // while others read
		s.Keep(shard, text(int64(2*time.Hour)+int64(i), "later"))
	}
	wg.Wait()
}

func TestServerRestart(t *testing.T) {
	h := newHost(t)
	path := filepath.Join(t.TempDir(), "store.db")
	want := texts(20)
	db := openDB(t, path)
	s := newServerOn(t, h, db, ServerOptions{})
	for _, m := range want {
		s.Keep(shard, m)
	}
	c := newClient(t, Options{}, infoOf(h))
	if err := s.Close(); err != nil { // writes what is queued
		t.Fatal(err)
	}
	db.Close()
	if _, err := c.Query(within(t), all(10)); err == nil {
		t.Error("a closed server answers")
	}
	s = newServerOn(t, h, openDB(t, path), ServerOptions{MaxMessages: 25})
	wantExactly(t, walkAll(t, c, all(7)), want)
	more := []*wire.Message{want[3], text(100, "new"), text(101, "newer")}
	keep(t, s, more...)
	wantExactly(t, walkAll(t, c, all(7)), append(want, more[1:]...))
	if st := s.Stats(); st.Repeated != 1 || st.Stored != 22 {
		t.Errorf("counted %+v", st)
	}
}

func TestServerRefusesNewerTables(t *testing.T) {
	db := openDB(t, filepath.Join(t.TempDir(), "store.db"))
	h := newHost(t)
	newServerOn(t, h, db, ServerOptions{}).Close()
	if _, err := db.Exec(`UPDATE storenode_schema SET version = 2`); err != nil {
		t.Fatal(err)
	}
	if _, err := NewServer(within(t), h, db, ServerOptions{}); err == nil {
		t.Error("tables of another version are opened")
	}
	for i, o := range []ServerOptions{{PageLimit: -1}, {PageLimit: 101}, {Retention: -1}, {RateLimit: -1}} {
		if _, err := NewServer(within(t), h, db, o); err == nil {
			t.Errorf("options %d pass", i)
		}
	}
}

func TestServerResetsStreamsBeyondBound(t *testing.T) {
	s, info := newServer(t, ServerOptions{})
	s.mu.Lock()
	s.streams = maxStreams
	s.mu.Unlock()
	if _, err := say(t, newHost(t), info, []byte{0}); !errors.Is(err, network.ErrReset) {
		t.Errorf("error is %v", err)
	}
	s.mu.Lock()
	s.streams = 0
	s.mu.Unlock()
}
