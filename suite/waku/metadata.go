package waku

import (
	"bufio"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/causeway-im/causeway/suite/waku/wire"
)

// farewell is how long a peer of another cluster has to leave by itself.
const farewell = time.Second

// metadata returns what this node tells of itself.
func (n *Node) metadata() []byte {
	m := wire.Metadata{Cluster: uint32(n.opts.Cluster)}
	for _, shard := range n.opts.Shards {
		m.Shards = append(m.Shards, uint32(shard))
	}
	return m.Marshal()
}

// serveMetadata answers a peer that wants to know where we belong, and learns
// where it belongs.
func (n *Node) serveMetadata(s network.Stream) {
	defer s.Close()
	p := s.Conn().RemotePeer()
	s.SetDeadline(time.Now().Add(n.opts.pace.request))
	request, err := wire.ReadFrame(bufio.NewReader(s), wire.MaxRequest)
	if err != nil {
		s.Reset()
		return
	}
	theirs, err := wire.UnmarshalMetadata(request)
	if err != nil {
		s.Reset()
		return
	}
	// A peer of another cluster may be gone before it has all of the answer.
	if wire.WriteFrame(s, n.metadata()) != nil || s.CloseWrite() != nil {
		s.Reset()
	}
	if n.foreign(theirs) {
		n.letGo(p)
	}
	n.compare(p, theirs)
}

// letGo waits for a moment until a peer has disconnected by itself: it must have
// read our answer, or it will not know why it is kept out and come again.
func (n *Node) letGo(p peer.ID) {
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	for {
		changed := n.health.wait()
		if !n.isConnected(p) {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-n.ctx.Done():
			return
		}
	}
}

// askMetadata asks a new peer where it belongs. One that does not answer may stay:
// it does no harm.
func (n *Node) askMetadata(p peer.ID) {
	answer, err := n.call(n.ctx, p, wire.MetadataProtocol, n.metadata())
	if err != nil {
		n.opts.Log.Debug("waku: no metadata", "peer", p, "error", err)
		return
	}
	theirs, err := wire.UnmarshalMetadata(answer)
	if err != nil {
		n.opts.Log.Debug("waku: malformed metadata", "peer", p, "error", err)
		return
	}
	n.compare(p, theirs)
}

// foreign tells whether a peer belongs to another cluster.
func (n *Node) foreign(theirs wire.Metadata) bool {
	return theirs.HasCluster && theirs.Cluster != uint32(n.opts.Cluster)
}

// compare disconnects a peer of another cluster, and keeps it out for a while: it
// would come again at once, and so would we.
func (n *Node) compare(p peer.ID, theirs wire.Metadata) {
	if !n.foreign(theirs) {
		return
	}
	why := fmt.Errorf("it belongs to cluster %d, this node to %d", theirs.Cluster, n.opts.Cluster)
	if !n.gate.ban(p, ban{time.Now().Add(n.opts.pace.otherClusterTime), why}) {
		return
	}
	n.count.otherCluster.Add(1)
	n.opts.Log.Warn("waku: peer of another cluster", "peer", p, "error", why)
	n.host.Network().ClosePeer(p)
	n.healthChanged()
}
