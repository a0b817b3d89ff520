package gowaku

import (
	"slices"
	"testing"

	"github.com/causeway-im/causeway/suite/waku"
)

// belongs is what metadata say.
type belongs struct {
	Cluster uint32
	Shards  []uint32
}

// TestMetadata: both sides ask each other at once, and leave who belongs elsewhere.
func TestMetadata(t *testing.T) {
	need(t)
	t.Run("same_cluster", func(t *testing.T) {
		n, c := pair(t, waku.Options{Shards: []uint16{64, shard}, Shard: onShard})
		var told belongs
		c.call("metadata", with{"Peer": n.ID().String()}, &told)
		if told.Cluster != cluster || !slices.Equal(told.Shards, []uint32{shard, 64}) {
			t.Errorf("go-waku is told %+v", told)
		}
		got := listen(t, n, topic)
		wants(t, got, "still here", c.publish(note("still here")))
	})
	t.Run("light", func(t *testing.T) {
		c := launch(t, options{Relay: true, ServeLightpush: true, ServeFilter: true})
		n := light(t, c)
		var told belongs
		c.call("metadata", with{"Peer": n.ID().String()}, &told)
		if told.Cluster != cluster || !slices.Equal(told.Shards, []uint32{shard}) {
			t.Errorf("go-waku is told %+v", told)
		}
		publish(t, n, "still here")
	})
	t.Run("other_cluster_to_gowaku", func(t *testing.T) {
		c := launch(t, options{Relay: true, Cluster: 17})
		n := open(t, waku.Options{Peers: c.Addrs})
		await(t, n, "the refusal", func(h waku.Health) bool {
			return !h.Peers[0].Connected && h.Peers[0].Err != nil && n.Stats().OtherCluster > 0
		})
		c.parted(n)
	})
	t.Run("other_cluster_from_gowaku", func(t *testing.T) {
		c := launch(t, options{Relay: true, Cluster: 17})
		n := open(t, waku.Options{})
		// The connection may end before go-waku calls it one.
		if err := c.try("connect", with{"Addr": n.Addrs()[0]}, nil); err != nil {
			t.Log(err)
		}
		c.parted(n)
		await(t, n, "no peers", func(h waku.Health) bool { return len(h.Peers) == 0 })
	})
}

// parted waits until go-waku has seen a node of ours come and go.
func (c *child) parted(n *waku.Node) {
	c.t.Helper()
	for _, kind := range []string{"connected", "disconnected"} {
		c.await(n.ID().String()+" to be "+kind, func(e event) bool { return e.Kind == kind && e.Peer == n.ID().String() })
	}
}
