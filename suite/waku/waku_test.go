package waku

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	_ "modernc.org/sqlite"

	"github.com/causeway-im/causeway/suite/waku/storenode"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/transporttest"
)

const patience = transporttest.Patience

// fast is a pace for tests.
var fast = pace{
	heartbeat:    200 * time.Millisecond,
	stable:       100 * time.Millisecond,
	serviceRetry: 50 * time.Millisecond,
	request:      patience,
	pushClose:    patience,
}

// open starts a node that ends with the test.
func open(t testing.TB, o Options) *Node {
	t.Helper()
	if o.pace == (pace{}) {
		o.pace = fast
	}
	if o.Redial == 0 {
		o.Redial, o.RedialMax = 20*time.Millisecond, 200*time.Millisecond
	}
	n, err := New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// await waits until a node's health is as wanted.
func await(t testing.TB, n *Node, what string, ok func(Health) bool) {
	t.Helper()
	reached := make(chan struct{}, 1)
	cancel := n.WatchHealth(func(h Health) {
		if ok(h) {
			poke(reached)
		}
	})
	defer cancel()
	receive(t, what, reached)
}

// receive waits for something.
func receive[T any](t testing.TB, what string, c <-chan T) (x T) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case x = <-c:
		return x
	case <-timeout.C:
		t.Fatalf("%s: not after %v", what, patience)
		return x
	}
}

// meshed is true when so many peers are in the mesh of the first shard.
func meshed(n int) func(Health) bool {
	return func(h Health) bool { return h.Shards[0].Mesh >= n && h.Shards[0].Peers >= n }
}

// connected is true when so many peers are.
func connected(n int) func(Health) bool {
	return func(h Health) bool {
		count := 0
		for _, p := range h.Peers {
			if p.Connected {
				count++
			}
		}
		return count == n
	}
}

// receiving is true when a light node receives from so many service nodes.
func receiving(n int) func(Health) bool {
	return func(h Health) bool {
		count := 0
		for _, p := range h.Peers {
			if p.Receiving {
				count++
			}
		}
		return count == n
	}
}

// withStore is a store in a file of the test.
func withStore(t testing.TB) func(context.Context, host.Host) (Store, error) {
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return func(ctx context.Context, h host.Host) (Store, error) {
		return storenode.NewServer(ctx, h, db, storenode.ServerOptions{})
	}
}

// relays starts so many relays, each connected with each.
func relays(t testing.TB, count int, change func(i int, o *Options)) []*Node {
	t.Helper()
	var all []*Node
	var addrs []string
	for i := range count {
		o := Options{Peers: append([]string(nil), addrs...)}
		if change != nil {
			change(i, &o)
		}
		n := open(t, o)
		all, addrs = append(all, n), append(addrs, n.Addrs()...)
	}
	for _, n := range all {
		await(t, n, "a mesh", meshed(count-1))
	}
	return all
}

func TestConformanceRelay(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) transporttest.Network {
		store := open(t, Options{Store: withStore(t)})
		all := relays(t, 3, func(_ int, o *Options) {
			o.Peers = append(o.Peers, store.Addrs()...)
			o.StoreNodes = store.Addrs()
		})
		await(t, store, "a mesh", meshed(3))
		for _, n := range all {
			await(t, n, "a mesh with the store", meshed(3))
		}
		return conformance(all, func(n *Node) {
			await(t, n, "a mesh", meshed(3))
			for _, other := range append(all, store) {
				await(t, other, "a mesh", meshed(3))
			}
		})
	})
}

func TestConformanceLight(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) transporttest.Network {
		services := relays(t, 2, func(i int, o *Options) {
			o.ServeFilter, o.ServeLightpush = true, true
			if i == 0 {
				o.Store = withStore(t)
			}
		})
		o := Options{Mode: Light, StoreNodes: services[0].Addrs()}
		for _, s := range services {
			o.ServiceNodes = append(o.ServiceNodes, s.Addrs()...)
		}
		var all []*Node
		for range 3 {
			all = append(all, open(t, o))
		}
		for _, n := range all {
			await(t, n, "service nodes", receiving(2))
		}
		return conformance(all, func(n *Node) { await(t, n, "service nodes", receiving(2)) })
	})
}

func conformance(all []*Node, reached func(n *Node)) transporttest.Network {
	return transporttest.Network{
		A: all[0], B: all[1], C: all[2],
		MaxPayload: all[0].MaxPayload("/causeway-test/1/abcdefghijklmnopqrstuvwxyz/proto"),
		SetOnline: func(tr transport.Transport, online bool) {
			n := tr.(*Node)
			n.SetOnline(online)
			if online {
				reached(n)
			}
		},
		Close: func(tr transport.Transport) { tr.(*Node).Close() },
	}
}
