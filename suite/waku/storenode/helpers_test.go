package storenode

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"github.com/causeway-im/causeway/suite/sqlite"
	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

const (
	shard = "/waku/2/rs/16/32"
	topic = transport.Topic("/test/1/chat/proto")
	// epoch is when the first message of a test was sent, in ns.
	epoch = int64(1_700_000_000_000_000_000)
	// patience is how long tests wait for what should happen at once.
	patience = 60 * time.Second
)

func newHost(t testing.TB) host.Host {
	t.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.Transport(tcp.NewTCPTransport),
		libp2p.DisableMetrics(), libp2p.DisableRelay(), libp2p.DisableIdentifyAddressDiscovery())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func infoOf(h host.Host) peer.AddrInfo { return peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()} }

func openDB(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sqlite.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// newServer starts a store on a host of its own.
func newServer(t testing.TB, o ServerOptions) (*Server, peer.AddrInfo) {
	t.Helper()
	h := newHost(t)
	return newServerOn(t, h, openDB(t, filepath.Join(t.TempDir(), "store.db")), o), infoOf(h)
}

func newServerOn(t testing.TB, h host.Host, db *sql.DB, o ServerOptions) *Server {
	t.Helper()
	s, err := NewServer(context.Background(), h, db, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// newClient returns a client whose back-off is over at once and who is patient, unless o
// says otherwise.
func newClient(t testing.TB, o Options, stores ...peer.AddrInfo) *Client {
	t.Helper()
	o.Stores = stores
	if o.PubsubTopic == nil {
		o.PubsubTopic = func(transport.Topic) string { return shard }
	}
	if o.MinBackoff == 0 {
		o.MinBackoff, o.MaxBackoff = 1, 1
	}
	if o.Timeout == 0 {
		o.Timeout = patience
	}
	c, err := NewClient(newHost(t), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fakeStore answers queries as a test likes; nil resets the stream.
func fakeStore(t testing.TB, answer func(q wire.StoreQuery) *wire.StoreAnswer) peer.AddrInfo {
	t.Helper()
	h := newHost(t)
	h.SetStreamHandler(wire.StoreProtocol, func(s network.Stream) {
		b, err := wire.ReadFrame(bufio.NewReader(s), wire.MaxStoreQuery)
		if err != nil {
			s.Reset()
			return
		}
		q, err := wire.UnmarshalStoreQuery(b)
		if err != nil {
			t.Errorf("the client sends %x: %v", b, err)
		}
		a := answer(q)
		if a == nil {
			s.Reset()
			return
		}
		if a.RequestID == "" {
			a.RequestID = q.RequestID
		}
		wire.WriteFrame(s, a.Marshal())
		s.Close()
	})
	return infoOf(h)
}

// text returns a message that was sent at a time after epoch.
func text(at int64, content string) *wire.Message {
	return &wire.Message{Payload: []byte(content), ContentTopic: string(topic), Timestamp: epoch + at}
}

func texts(n int) []*wire.Message {
	all := make([]*wire.Message, n)
	for i := range all {
		all[i] = text(int64(i), fmt.Sprint("message ", i))
	}
	return all
}

func hashOf(m *wire.Message) []byte {
	h := m.Hash(shard)
	return h[:]
}

func entryOf(m *wire.Message) wire.StoreEntry {
	return wire.StoreEntry{Hash: m.Hash(shard), Message: m.Marshal(), PubsubTopic: shard}
}

// keep stores messages and waits until they are there.
func keep(t testing.TB, s *Server, messages ...*wire.Message) {
	t.Helper()
	for _, m := range messages {
		s.Keep(shard, m)
	}
	if err := s.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// all is a query for everything.
func all(limit int) transport.Query {
	return transport.Query{Topic: topic, From: time.Unix(0, epoch-1), To: time.Unix(0, epoch).Add(time.Hour), Limit: limit}
}

// walkAll returns all messages of a query, oldest first.
func walkAll(t testing.TB, c *Client, q transport.Query) []transport.Received {
	t.Helper()
	var got []transport.Received
	for range 10_000 {
		page, err := c.Query(within(t), q)
		if err != nil {
			t.Fatalf("after %d messages: %v", len(got), err)
		}
		if len(page.Messages) > q.Limit {
			t.Fatalf("a page of %d messages, at most %d were asked for", len(page.Messages), q.Limit)
		}
		got = append(slices.Clone(page.Messages), got...)
		if q.Cursor = page.Next; q.Cursor == nil {
			return got
		}
	}
	t.Fatal("a query has no end")
	return nil
}

// wantExactly fails unless got are these messages, in the order of a store.
func wantExactly(t testing.TB, got []transport.Received, want []*wire.Message) {
	t.Helper()
	want = slices.Clone(want)
	slices.SortFunc(want, func(x, y *wire.Message) int {
		return position{x.Timestamp, x.Hash(shard)}.compare(position{y.Timestamp, y.Hash(shard)})
	})
	if len(got) != len(want) {
		t.Fatalf("got %d messages, want %d", len(got), len(want))
	}
	for i, m := range want {
		g := got[i]
		if string(g.Payload) != string(m.Payload) || g.Time.UnixNano() != m.Timestamp ||
			string(g.Hint) != string(hashOf(m)) || string(g.Topic) != m.ContentTopic {
			t.Fatalf("message %d is %+v, want %+v", i, g, m)
		}
	}
}

// eventually asks again and again where there is nothing to wait for.
func eventually(t testing.TB, what string, yes func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	ctx := within(t)
	for !yes() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not in %v", what, patience)
		}
	}
}
