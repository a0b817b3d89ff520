package gowaku

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/causeway-im/causeway/suite/sqlite"
	"github.com/causeway-im/causeway/suite/waku"
	"github.com/causeway-im/causeway/suite/waku/storenode"
	"github.com/causeway-im/causeway/transport"
)

// keeper returns a relay of ours with a store, in the mesh of one of go-waku's.
func keeper(t *testing.T, o storenode.ServerOptions) (*waku.Node, *storenode.Server, *child) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	var server *storenode.Server
	n, c := pair(t, waku.Options{Store: func(ctx context.Context, h host.Host) (waku.Store, error) {
		server, err = storenode.NewServer(ctx, h, db, o)
		return server, err
	}})
	return n, server, c
}

// fill makes go-waku publish messages, one second apart in their own time, and
// returns them when the store has them.
func fill(t *testing.T, n *waku.Node, server *storenode.Server, c *child, count int) []message {
	t.Helper()
	got := listen(t, n, topic)
	begin := time.Now().Add(-time.Hour)
	all := make([]message, count)
	for i := range all {
		m := note(fmt.Sprint("message ", i))
		m.Timestamp = begin.Add(time.Duration(i) * time.Second).UnixNano()
		m.Meta = []byte{byte(i)}
		m.Hash = c.publish(m)
		all[i] = m
		receive(t, string(m.Payload), got)
	}
	gone := note("gone")
	gone.Ephemeral = true
	c.publish(gone)
	receive(t, "the ephemeral message", got)
	if err := server.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestStoreToGowaku: go-waku's store client at a store of ours, which has heard the
// messages of go-waku's relay.
func TestStoreToGowaku(t *testing.T) {
	need(t)
	n, server, c := keeper(t, storenode.ServerOptions{})
	all := fill(t, n, server, c, 25)
	ask := func(t *testing.T, q with) (pages [][]message) {
		t.Helper()
		q["Peer"] = n.ID().String()
		c.call("query", q, &pages)
		return pages
	}
	byTopic := func(more with) with {
		q := with{"Topic": shardName, "ContentTopics": []string{string(topic)}}
		for k, v := range more {
			q[k] = v
		}
		return q
	}
	t.Run("by_hash", func(t *testing.T) {
		same(t, ask(t, with{"Hashes": [][]byte{all[3].Hash}}), [][]message{{all[3]}})
		same(t, ask(t, with{"Hashes": [][]byte{make([]byte, 32)}}), [][]message{nil})
	})
	t.Run("exists", func(t *testing.T) {
		for _, want := range []bool{true, false} {
			hash := bytes.Clone(all[7].Hash)
			if !want {
				hash[0] ^= 1
			}
			var has bool
			c.call("exists", with{"Peer": n.ID().String(), "Hash": hash}, &has)
			if has != want {
				t.Errorf("exists is %v, want %v", has, want)
			}
		}
	})
	t.Run("pages", func(t *testing.T) {
		same(t, ask(t, byTopic(with{"Limit": 10})), [][]message{all[:10], all[10:20], all[20:]})
	})
	t.Run("pages_backward", func(t *testing.T) {
		same(t, ask(t, byTopic(with{"Limit": 10, "Backward": true})), [][]message{all[15:], all[5:15], all[:5]})
	})
	t.Run("by_time", func(t *testing.T) {
		same(t, ask(t, byTopic(with{"From": all[5].Timestamp, "To": all[9].Timestamp, "Limit": 3})), [][]message{all[5:8], all[8:9]})
	})
	t.Run("hashes_alone", func(t *testing.T) {
		pages := ask(t, byTopic(with{"Bare": true, "Limit": 100}))
		bare := make([]message, len(all))
		for i := range bare {
			bare[i].Hash = all[i].Hash
		}
		same(t, pages, [][]message{bare})
	})
	t.Run("other_topic", func(t *testing.T) {
		same(t, ask(t, with{"Topic": shardName, "ContentTopics": []string{string(other)}}), [][]message{nil})
	})
}

// same fails unless the pages are as wanted.
func same(t *testing.T, got, want [][]message) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d pages, want %d", len(got), len(want))
	}
	for i := range want {
		if len(got[i]) != len(want[i]) {
			t.Fatalf("page %d has %d messages, want %d", i, len(got[i]), len(want[i]))
		}
		for k, w := range want[i] {
			g := got[i][k]
			if !bytes.Equal(g.Hash, w.Hash) || !bytes.Equal(g.Payload, w.Payload) || g.Timestamp != w.Timestamp ||
				g.ContentTopic != w.ContentTopic || !bytes.Equal(g.Meta, w.Meta) || g.Ephemeral {
				t.Errorf("page %d, message %d: %+v, want %+v", i, k, g, w)
			}
		}
	}
}

// TestStoreLimit: what our store refuses for its rate go-waku understands.
func TestStoreLimit(t *testing.T) {
	need(t)
	n, _, c := keeper(t, storenode.ServerOptions{RateLimit: 1e-9})
	q := with{"Peer": n.ID().String(), "Hash": make([]byte, 32)}
	c.call("exists", q, nil)
	if err := c.try("exists", q, nil); err == nil || !strings.Contains(err.Error(), "429") {
		t.Errorf("error is %v", err)
	}
}

// TestStoreFromGowaku: there is no store v3 in go-waku for us to ask. Our client
// says so, and asks the next.
func TestStoreFromGowaku(t *testing.T) {
	need(t)
	n, server, c := keeper(t, storenode.ServerOptions{})
	all := fill(t, n, server, c, 1)
	hints := [][]byte{all[0].Hash}
	asker := open(t, waku.Options{StoreNodes: c.Addrs})
	await(t, asker, "a connection", func(h waku.Health) bool { return h.Peers[0].Connected && h.Peers[0].Relay })
	if asker.Health().Peers[0].Store {
		t.Error("go-waku has a store v3: test it")
	}
	if _, err := asker.Retrieve(t.Context(), topic, hints); !errors.Is(err, transport.ErrUnavailable) {
		t.Errorf("Retrieve: %v", err)
	}
	asker = open(t, waku.Options{StoreNodes: append(append([]string(nil), c.Addrs...), n.Addrs()...)})
	found, err := asker.Retrieve(t.Context(), topic, hints)
	if err != nil || len(found) != 1 || !bytes.Equal(found[0].Payload, all[0].Payload) {
		t.Errorf("with our store behind it: %v, %v", found, err)
	}
}
