// Package waku is a transport.Transport over Waku: its wire protocols on go-libp2p
// and go-libp2p-pubsub, without cgo.
//
//	node, err := waku.New(ctx, waku.Options{
//		Peers:      []string{"/ip4/192.0.2.1/tcp/60000/p2p/16Uiu2…"},
//		StoreNodes: []string{"/ip4/192.0.2.2/tcp/60000/p2p/16Uiu2…"},
//	})
//	defer node.Close()
//	chat, err := causeway.Open(ctx, causeway.Options{Transport: node.Transport(), …})
//
// # Modes
//
// A relay carries the messages of its shards for others (11/WAKU2-RELAY). A light
// node publishes through one service node (lightpush) and receives through two
// (filter), and goes on to the next if one fails. Both find out whether a peer
// belongs to the same cluster (metadata) and leave it if not. Stores are asked by
// package storenode.
//
// A node connects to whom it was told of, and to nobody else; there is no
// discovery. It listens on 127.0.0.1 unless told otherwise.
//
// # What becomes of an envelope
//
// Publish makes a WakuMessage with a new timestamp, later than that of any other
// message of the node: so each envelope is a message of its own, with a hash of
// its own, however often the payload is published. That hash is the hint by which
// a store knows it. A relay sends it to all peers on the shard, not only to its
// mesh, and returns when the first connection has taken it.
//
// What arrives goes through a pump for each shard, which waits for nobody, into a
// queue for each subscription, and for each light node.
//
// # What is lost
//
// Waku promises nothing: what is written to a connection that dies is gone, and
// nobody hears what is published while it is away. Inside a node messages are
// dropped only where a queue is full (16,384 messages or 64 MiB for a slow
// receive, 8,192 messages for a slow peer), and each is counted, by reason, in
// Stats. On the way in nothing is dropped: a peer that sends faster than this node
// takes has to wait.
//
// # Connections
//
// Configured peers are dialled until Close: at once when a connection has ended
// that lasted, and else after pauses that double, by default up to half a minute
// (Options.Redial). Health and WatchHealth tell who is connected and why others
// are not. A service node or a store that was asked too much (429) is asked again
// later, and not given up for that.
package waku
