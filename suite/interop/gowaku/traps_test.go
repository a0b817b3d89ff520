package gowaku

import (
	"errors"
	"testing"

	"github.com/causeway-im/causeway/suite/waku"
	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

// TestSixthPeer: go-waku takes five connections from one address and refuses more.
// The sixth of our nodes says so, and gets in when one of the others leaves.
func TestSixthPeer(t *testing.T) {
	need(t)
	c := launch(t, options{Relay: true, Strict: true})
	var first *waku.Node
	for range 5 {
		n := open(t, waku.Options{Peers: c.Addrs})
		await(t, n, "a connection", func(h waku.Health) bool { return h.Online })
		if first == nil {
			first = n
		}
	}
	sixth := open(t, waku.Options{Peers: c.Addrs})
	await(t, sixth, "a refusal", func(h waku.Health) bool { return !h.Peers[0].Connected && h.Peers[0].Err != nil })
	first.Close()
	await(t, sixth, "a connection", func(h waku.Health) bool { return h.Online })
	c.grafted(sixth)
	got := listen(t, sixth, topic)
	wants(t, got, "welcome", c.publish(note("welcome")))
}

// TestInvalid: what go-waku's validator refuses counts against whoever sent it:
// after one such message go-waku leaves the sender's mesh, and soon the sender. So
// it is better not published at all.
func TestInvalid(t *testing.T) {
	need(t)
	for name, e := range map[string]transport.Envelope{
		"payload": {Topic: topic},
		"topic":   {Payload: []byte("x")},
		"utf8":    {Topic: "\xff", Payload: []byte("x")},
	} {
		t.Run(name, func(t *testing.T) {
			n, c := pair(t, waku.Options{})
			if _, err := n.Publish(t.Context(), e); !errors.Is(err, wire.ErrInvalid) {
				t.Fatalf("published: %v", err)
			}
			c.wants("relay", "fine", publish(t, n, "fine"))
		})
	}
}

// TestFilterOverflow: a light node of go-waku takes 20 pushes at once and 15 a
// second, and resets the streams of more. We count what it did not take.
func TestFilterOverflow(t *testing.T) {
	need(t)
	n := open(t, waku.Options{ServeFilter: true})
	c := launch(t, options{FilterLight: true})
	c.call("connect", with{"Addr": n.Addrs()[0]}, nil)
	c.call("subscribe", with{"Peer": n.ID().String(), "Topic": shardName, "ContentTopics": []string{string(topic)}}, nil)
	until(t, "a refusal", func() bool {
		publish(t, n, "hello")
		return n.Stats().Dropped.LightFailed > 0
	})
	for range 20 {
		c.message("filter")
	}
	until(t, "the push after the refusals", func() bool { // that of a second later, say
		served := n.Stats().Served
		publish(t, n, "hello")
		return n.Stats().Served > served
	})
}
