package waku

import (
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/causeway-im/causeway/suite/waku/wire"
)

// Health is how a node is connected at one moment.
type Health struct {
	// Online is what Watch tells.
	Online bool
	// Peers are those that were configured, in that order, and then others that are
	// connected, by id.
	Peers []PeerHealth
	// Shards are those of a relay; none for a light node.
	Shards []ShardHealth
	// LightNodes is how many light nodes are subscribed at this node.
	LightNodes int
}

// PeerHealth is one peer.
type PeerHealth struct {
	ID         peer.ID
	Configured bool
	Connected  bool
	// What the peer speaks, as far as it has said.
	Relay, Lightpush, Filter, Store bool
	// Receiving: this light node gets its messages from the peer.
	Receiving bool
	// Err is why a configured peer is not connected, or why a service node is not
	// used; nil if all is well or nothing is known.
	Err error
}

// ShardHealth is one shard of a relay.
type ShardHealth struct {
	Shard uint16
	// Peers are on the shard; those in Mesh send each message to each other.
	Peers, Mesh int
}

// Health returns how the node is connected now.
func (n *Node) Health() Health {
	h := Health{Online: n.online(), LightNodes: n.filter.clients()}
	for _, k := range n.keepersInOrder {
		p := n.peerHealth(k.info.ID)
		p.Configured = true
		if p.Err == nil && !p.Connected {
			p.Err = k.err()
		}
		h.Peers = append(h.Peers, p)
	}
	others := n.host.Network().Peers()
	slices.SortFunc(others, func(a, b peer.ID) int { return strings.Compare(string(a), string(b)) })
	for _, id := range others {
		if n.keepers[id] == nil {
			h.Peers = append(h.Peers, n.peerHealth(id))
		}
	}
	if n.relay != nil {
		for _, number := range n.opts.Shards {
			s := n.relay.shards[number]
			h.Shards = append(h.Shards, ShardHealth{
				Shard: number, Peers: n.relay.tracer.reach(s.name), Mesh: len(n.relay.tracer.meshOf(s.name)),
			})
		}
	}
	return h
}

func (n *Node) peerHealth(id peer.ID) PeerHealth {
	p := PeerHealth{
		ID:        id,
		Connected: n.isConnected(id),
		Relay:     n.speaks(id, RelayProtocol),
		Lightpush: n.speaks(id, wire.LightpushProtocol),
		Filter:    n.speaks(id, wire.FilterSubscribeProtocol),
		Store:     n.speaks(id, wire.StoreProtocol),
	}
	if n.light != nil {
		p.Receiving, p.Err = n.light.health(id)
	}
	return p
}

// WatchHealth calls changed with the node's health: at once, and again after each
// change, where changes in quick succession may be told as one. The rules of
// changed and cancel are those of Watch.
func (n *Node) WatchHealth(changed func(Health)) (cancel func()) {
	return n.watch(func() { changed(n.Health()) })
}
