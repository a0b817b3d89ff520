package gowaku

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/causeway-im/causeway/suite/waku"
	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

const (
	cluster = waku.DefaultCluster
	shard   = waku.DefaultShard
	// shardName is the pubsub topic of both.
	shardName = "/waku/2/rs/16/32"

	topic transport.Topic = "/causeway-interop/1/chat/proto"
	other transport.Topic = "/causeway-interop/1/other/proto"
)

// onShard is for nodes with several shards.
func onShard(transport.Topic) uint16 { return shard }

// open starts a node of ours that ends with the test.
func open(t *testing.T, o waku.Options) *waku.Node {
	t.Helper()
	n, err := waku.New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// light starts a light node of ours with these service nodes.
func light(t *testing.T, services ...*child) *waku.Node {
	t.Helper()
	o := waku.Options{Mode: waku.Light}
	for _, c := range services {
		o.ServiceNodes = append(o.ServiceNodes, c.Addrs...)
	}
	n := open(t, o)
	await(t, n, "service nodes", func(h waku.Health) bool {
		count := 0
		for _, p := range h.Peers {
			if p.Receiving {
				count++
			}
		}
		return count == min(2, len(services))
	})
	return n
}

// await waits until a node's health is as wanted.
func await(t *testing.T, n *waku.Node, what string, ok func(waku.Health) bool) {
	t.Helper()
	reached := make(chan struct{}, 1)
	defer n.WatchHealth(func(h waku.Health) {
		if ok(h) {
			select {
			case reached <- struct{}{}:
			default:
			}
		}
	})()
	receive(t, what, reached)
}

// receive waits for something.
func receive[T any](t *testing.T, what string, c <-chan T) (x T) {
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

// until looks again and again for what nobody tells of.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after %v", what, patience)
		}
	}
}

// meshed is true when so many peers are in the mesh of the shard.
func meshed(n int) func(waku.Health) bool {
	return func(h waku.Health) bool { return h.Shards[0].Mesh >= n && h.Shards[0].Peers >= n }
}

// grafted waits until a node of ours is in go-waku's mesh.
func (c *child) grafted(n *waku.Node) {
	c.t.Helper()
	c.await("a mesh with "+n.ID().String(), func(e event) bool { return e.Kind == "graft" && e.Peer == n.ID().String() })
}

// pair returns a relay of ours and one of go-waku's, in each other's mesh.
func pair(t *testing.T, o waku.Options) (*waku.Node, *child) {
	t.Helper()
	c := launch(t, options{Relay: true})
	o.Peers = append(o.Peers, c.Addrs...)
	n := open(t, o)
	await(t, n, "a mesh", meshed(1))
	c.grafted(n)
	return n, c
}

// listen subscribes and returns what arrives.
func listen(t *testing.T, n *waku.Node, topic transport.Topic) <-chan transport.Received {
	t.Helper()
	c := make(chan transport.Received, 10000)
	cancel, err := n.Subscribe(topic, func(r transport.Received) { c <- r })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cancel)
	return c
}

// publish sends a message from a node of ours.
func publish(t *testing.T, n *waku.Node, payload string) (hint []byte) {
	t.Helper()
	hint, err := n.Publish(t.Context(), transport.Envelope{Topic: topic, Payload: []byte(payload)})
	if err != nil {
		t.Fatalf("Publish: %v", err)
	}
	return hint
}

// note is a message of go-waku's.
func note(payload string) message {
	return message{Payload: []byte(payload), ContentTopic: string(topic), Timestamp: time.Now().UnixNano()}
}

// wants fails unless the next message is the one that was sent.
func wants(t *testing.T, c <-chan transport.Received, payload string, hash []byte) {
	t.Helper()
	r := receive(t, fmt.Sprintf("%q", payload), c)
	if string(r.Payload) != payload || !bytes.Equal(r.Hint, hash) {
		t.Errorf("received %q, known as %x; want %q, known as %x", r.Payload, r.Hint, payload, hash)
	}
}

// wants is the same for go-waku.
func (c *child) wants(way, payload string, hash []byte) {
	c.t.Helper()
	if m := c.message(way); string(m.Payload) != payload || !bytes.Equal(m.Hash, hash) {
		c.t.Errorf("go-waku received %q, known as %x; want %q, known as %x", m.Payload, m.Hash, payload, hash)
	}
}

// ours returns m as we have it.
func (m *message) ours() *wire.Message {
	return &wire.Message{
		Payload: m.Payload, ContentTopic: m.ContentTopic, Version: m.Version,
		Timestamp: m.Timestamp, Meta: m.Meta, Ephemeral: m.Ephemeral,
	}
}
