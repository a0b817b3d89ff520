package waku

import "sync/atomic"

// Stats count what a node has done since New. What is dropped anywhere is in one
// of the counters of Dropped, or was dropped by another node.
type Stats struct {
	// Published are messages of this node that a peer has taken, PublishFailed
	// those that nobody has.
	Published, PublishFailed uint64
	// Received are messages of others on topics of this node's subscriptions,
	// each once; Elsewhere those on other topics of its shards.
	Received, Elsewhere uint64
	// Duplicates are further copies of messages, which is normal, and own messages
	// that came back.
	Duplicates uint64
	// Sent and Taken count copies of messages that were put into queues for relay
	// peers, and written to their connections.
	Sent, Taken uint64
	// Pushed are messages that this node published for light nodes, and Served
	// those that it pushed to them.
	Pushed, Served uint64

	Dropped Dropped

	// Dials are attempts to reach configured peers, DialsFailed those that failed.
	Dials, DialsFailed uint64
	// OtherCluster are peers that were disconnected because they belong to another
	// network.
	OtherCluster uint64
	// Failovers are lightpush requests that a service node did not do and that went
	// to another.
	Failovers uint64
	// Limited are requests about subscriptions that a service node found too many,
	// and that were made again later.
	Limited uint64
}

// Dropped counts messages that a node dropped, by reason.
type Dropped struct {
	// Malformed: no WakuMessage, or too large, or signed, which Waku does not do.
	Malformed uint64
	// Invalid: gossipsub refused it for another reason.
	Invalid uint64
	// ValidationQueue, ShardQueue: queues inside the node were full.
	ValidationQueue, ShardQueue uint64
	// Subscription: a receive was so slow that its queue was full. Counted for each
	// subscription.
	Subscription uint64
	// Cancelled: waited for a subscription that was cancelled.
	Cancelled uint64
	// Lost: Options.Lose.
	Lost uint64
	// PeerQueue: a relay peer was so slow that its queue was full. Counted for each
	// peer, as is
	// PeerGone: the connection ended before it was written, or there was none.
	PeerQueue, PeerGone uint64
	// LightQueue, LightFailed: the same for light nodes.
	LightQueue, LightFailed uint64
	// PushRefused: a light node asked for more than its limit, or for nonsense.
	PushRefused uint64
	// Stranger: pushed by a node that is not one of the service nodes, or on a topic
	// that nobody asked for.
	Stranger uint64
}

// counters are Stats that are being counted.
type counters struct {
	published, publishFailed, received, elsewhere, duplicates, sent, taken, pushed, served atomic.Uint64
	dials, dialsFailed, otherCluster, failovers, limited                                   atomic.Uint64

	malformed, invalid, validationQueue, shardQueue, subscription, cancelled, lost atomic.Uint64
	peerQueue, peerGone, lightQueue, lightFailed, pushRefused, stranger            atomic.Uint64
}

// Stats returns the counters. They are read one after the other.
func (n *Node) Stats() Stats {
	c := &n.count
	return Stats{
		Published: c.published.Load(), PublishFailed: c.publishFailed.Load(),
		Received: c.received.Load(), Elsewhere: c.elsewhere.Load(), Duplicates: c.duplicates.Load(),
		Sent: c.sent.Load(), Taken: c.taken.Load(), Pushed: c.pushed.Load(), Served: c.served.Load(),
		Dropped: Dropped{
			Malformed: c.malformed.Load(), Invalid: c.invalid.Load(),
			ValidationQueue: c.validationQueue.Load(), ShardQueue: c.shardQueue.Load(),
			Subscription: c.subscription.Load(), Cancelled: c.cancelled.Load(), Lost: c.lost.Load(),
			PeerQueue: c.peerQueue.Load(), PeerGone: c.peerGone.Load(),
			LightQueue: c.lightQueue.Load(), LightFailed: c.lightFailed.Load(),
			PushRefused: c.pushRefused.Load(), Stranger: c.stranger.Load(),
		},
		Dials: c.dials.Load(), DialsFailed: c.dialsFailed.Load(),
		OtherCluster: c.otherCluster.Load(), Failovers: c.failovers.Load(), Limited: c.limited.Load(),
	}
}
