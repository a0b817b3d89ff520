package gowaku

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/causeway-im/causeway/suite/waku"
	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

// service is a go-waku node that serves light nodes.
var service = options{Relay: true, ServeLightpush: true, ServeFilter: true}

// TestLightpush: a light node of each side publishes through the other.
func TestLightpush(t *testing.T) {
	need(t)
	t.Run("to_gowaku", func(t *testing.T) {
		c := launch(t, service)
		n := light(t, c)
		relay := open(t, waku.Options{Peers: c.Addrs})
		await(t, relay, "a mesh", meshed(1))
		c.grafted(relay)
		got := listen(t, relay, topic)
		hint := publish(t, n, "hello")
		wants(t, got, "hello", hint)
		c.wants("relay", "hello", hint)
		publish(t, n, "hello")
		receive(t, "the same payload again", got)
		hint, err := n.Publish(t.Context(), transport.Envelope{Topic: topic, Payload: []byte("gone"), Ephemeral: true})
		if err != nil {
			t.Fatal(err)
		}
		wants(t, got, "gone", hint)
		c.message("relay")
		if m := c.message("relay"); !m.Ephemeral {
			t.Errorf("not ephemeral: %+v", m)
		}
	})
	t.Run("from_gowaku", func(t *testing.T) {
		n, other := pair(t, waku.Options{ServeLightpush: true})
		got := listen(t, n, topic)
		c := launch(t, options{})
		c.call("connect", with{"Addr": n.Addrs()[0]}, nil)
		var hash []byte
		c.call("push", with{"Peer": n.ID().String(), "Topic": shardName, "Message": note("hello")}, &hash)
		wants(t, got, "hello", hash)
		other.wants("relay", "hello", hash)
		err := c.try("push", with{"Peer": n.ID().String(), "Topic": "/waku/2/rs/16/33", "Message": note("elsewhere")}, nil)
		if err == nil || !strings.Contains(err.Error(), "not a topic of this node") {
			t.Errorf("on a shard of others: %v", err)
		}
	})
}

// TestLightpushLimit: go-waku takes one push a second from a peer, and refuses
// more. The refusal moves us to the next service node, or is in the error. Ours it
// understands.
func TestLightpushLimit(t *testing.T) {
	need(t)
	strict := service
	strict.Strict = true
	a, b := launch(t, strict), launch(t, service)
	a.call("connect", with{"Addr": b.Addrs[0]}, nil)
	t.Run("next", func(t *testing.T) {
		n := light(t, a, b)
		for i := 0; n.Stats().Failovers == 0; i++ {
			publish(t, n, fmt.Sprint("message ", i))
		}
		await(t, n, "the subscriptions at both", func(h waku.Health) bool { return h.Peers[0].Receiving && h.Peers[1].Receiving })
	})
	t.Run("alone", func(t *testing.T) {
		n := light(t, a)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var err error
		for err == nil {
			_, err = n.Publish(ctx, transport.Envelope{Topic: topic, Payload: []byte("hello")})
		}
		if !strings.Contains(err.Error(), "exceeds the rate limit") {
			t.Error(err)
		}
	})
	t.Run("from_gowaku", func(t *testing.T) {
		n, _ := pair(t, waku.Options{ServeLightpush: true, Limits: waku.Limits{PushRate: 1e-9, PushBurst: 1}})
		c := launch(t, options{})
		c.call("connect", with{"Addr": n.Addrs()[0]}, nil)
		hello := with{"Peer": n.ID().String(), "Topic": shardName, "Message": note("hello")}
		c.call("push", hello, nil)
		if err := c.try("push", hello, nil); err == nil || !strings.Contains(err.Error(), "too many requests") {
			t.Errorf("error is %v", err)
		}
	})
}

// TestLightpushNobody: a service node without peers. go-waku says that it has
// published if it is not told to want peers; we refuse.
func TestLightpushNobody(t *testing.T) {
	need(t)
	t.Run("to_gowaku", func(t *testing.T) {
		n := light(t, launch(t, service))
		publish(t, n, "into the void")
		careful := service
		careful.MinPeers = 1
		n = light(t, launch(t, careful))
		_, err := n.Publish(t.Context(), transport.Envelope{Topic: topic, Payload: []byte("hello")})
		if err == nil || !strings.Contains(err.Error(), "not enough peers") {
			t.Errorf("a service node that wants one peer: %v", err)
		}
	})
	t.Run("from_gowaku", func(t *testing.T) {
		n := open(t, waku.Options{ServeLightpush: true})
		c := launch(t, options{})
		c.call("connect", with{"Addr": n.Addrs()[0]}, nil)
		err := c.try("push", with{"Peer": n.ID().String(), "Topic": shardName, "Message": note("hello")}, nil)
		if err == nil || !strings.Contains(err.Error(), transport.ErrOffline.Error()) {
			t.Errorf("error is %v", err)
		}
	})
}

// TestFilterFromGowaku: a light node of ours at a go-waku node.
func TestFilterFromGowaku(t *testing.T) {
	need(t)
	c := launch(t, service)
	n := light(t, c)
	id, err := peer.Decode(c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if status := filterPing(t, n, id); status != wire.StatusNotFound {
		t.Errorf("ping without a subscription: %d", status)
	}
	got := make(chan transport.Received, 1000)
	cancel, err := n.Subscribe(topic, func(r transport.Received) { got <- r })
	if err != nil {
		t.Fatal(err)
	}
	t.Run("messages", func(t *testing.T) {
		m := note("hello")
		m.Meta, m.Ephemeral = []byte("meta"), true
		hash := c.publish(m)
		wants(t, got, "hello", hash)
	})
	t.Run("own_messages", func(t *testing.T) {
		publish(t, n, "mine")
		until(t, "its echo", func() bool { return n.Stats().Duplicates == 1 })
		wants(t, got, "fence", c.publish(note("fence")))
	})
	t.Run("burst", func(t *testing.T) {
		const count = 300
		for i := range count {
			c.publish(note(fmt.Sprint("message ", i)))
		}
		arrived := map[string]bool{}
		for len(arrived) < count {
			arrived[string(receive(t, fmt.Sprint("message ", len(arrived)+1), got).Payload)] = true
		}
		if d := n.Stats().Dropped; d != (waku.Dropped{}) {
			t.Errorf("dropped: %+v", d)
		}
	})
	t.Run("ping", func(t *testing.T) {
		if status := filterPing(t, n, id); status != wire.StatusOK {
			t.Errorf("status %d", status)
		}
	})
	t.Run("unsubscribe", func(t *testing.T) {
		second := listen(t, n, other)
		cancel()
		c.publish(message{Payload: []byte("still"), ContentTopic: string(other), Timestamp: 1})
		receive(t, "the other topic", second)
		if status := filterPing(t, n, id); status != wire.StatusOK {
			t.Errorf("ping with one topic left: %d", status)
		}
	})
}

// TestFilterForgotten: when the last subscription ends, go-waku knows of none.
func TestFilterForgotten(t *testing.T) {
	need(t)
	c := launch(t, service)
	n := light(t, c)
	id, err := peer.Decode(c.ID)
	if err != nil {
		t.Fatal(err)
	}
	cancel, err := n.Subscribe(topic, func(transport.Received) {})
	if err != nil {
		t.Fatal(err)
	}
	if status := filterPing(t, n, id); status != wire.StatusOK {
		t.Errorf("ping: %d", status)
	}
	cancel()
	until(t, "go-waku to forget it", func() bool { return filterPing(t, n, id) == wire.StatusNotFound })
}

// filterPing asks a service node whether it knows a light node, and returns the
// status.
func filterPing(t *testing.T, n *waku.Node, service peer.ID) uint32 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := n.Host().NewStream(ctx, service, wire.FilterSubscribeProtocol)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.SetDeadline(time.Now().Add(patience))
	request := wire.FilterRequest{RequestID: "ping", Type: wire.FilterPing}
	if err := wire.WriteFrame(s, request.Marshal()); err != nil {
		t.Fatal(err)
	}
	b, err := wire.ReadFrame(bufio.NewReader(s), wire.MaxRequest)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := wire.UnmarshalFilterResponse(b)
	if err != nil || answer.RequestID != request.RequestID {
		t.Fatalf("answer %+v, %v", answer, err)
	}
	return answer.Status
}

// TestFilterToGowaku: a go-waku light node at a node of ours.
func TestFilterToGowaku(t *testing.T) {
	need(t)
	n := open(t, waku.Options{ServeFilter: true})
	c := launch(t, options{FilterLight: true})
	c.call("connect", with{"Addr": n.Addrs()[0]}, nil)
	criteria := with{"Peer": n.ID().String(), "Topic": shardName, "ContentTopics": []string{string(topic)}}
	ping := func() error { return c.try("ping", with{"Peer": n.ID().String()}, nil) }
	if err := ping(); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("ping without a subscription: %v", err)
	}
	c.call("subscribe", criteria, nil)
	if lights := n.Health().LightNodes; lights != 1 {
		t.Errorf("%d light nodes", lights)
	}
	t.Run("messages", func(t *testing.T) {
		// Not more at once: go-waku's light node drops what is above 20.
		for i := range 15 {
			text := fmt.Sprint("message ", i)
			c.wants("filter", text, publish(t, n, text))
		}
	})
	t.Run("ping", func(t *testing.T) {
		if err := ping(); err != nil {
			t.Error(err)
		}
	})
	t.Run("other_shard", func(t *testing.T) {
		err := c.try("subscribe", with{"Peer": n.ID().String(), "Topic": "/waku/2/rs/16/33", "ContentTopics": []string{string(topic)}}, nil)
		if err == nil {
			t.Error("it may subscribe to a shard of others")
		}
	})
	t.Run("unsubscribe", func(t *testing.T) {
		c.call("unsubscribe", criteria, nil)
		if err := ping(); err == nil || !strings.Contains(err.Error(), "404") {
			t.Errorf("ping: %v", err)
		}
		if lights := n.Health().LightNodes; lights != 0 {
			t.Errorf("%d light nodes", lights)
		}
		if _, err := n.Publish(t.Context(), transport.Envelope{Topic: topic, Payload: []byte("x")}); !errors.Is(err, transport.ErrOffline) {
			t.Errorf("Publish: %v", err)
		}
	})
}

// TestFilterRestart: a go-waku service node that stops, and starts as the same with
// nothing in its memory, is told of the subscriptions again.
func TestFilterRestart(t *testing.T) {
	need(t)
	c := launch(t, service)
	n := light(t, c)
	got := listen(t, n, topic)
	wants(t, got, "before", c.publish(note("before")))
	again := c.again()
	c.call("stop", struct{}{}, nil)
	await(t, n, "the end", func(h waku.Health) bool { return !h.Online })
	if _, err := n.Publish(t.Context(), transport.Envelope{Topic: topic, Payload: []byte("x")}); !errors.Is(err, transport.ErrOffline) {
		t.Errorf("Publish: %v", err)
	}
	id := c.ID
	c.start(again)
	if c.ID != id {
		t.Error("another identity")
	}
	await(t, n, "the subscription", func(h waku.Health) bool { return h.Online && h.Peers[0].Receiving })
	wants(t, got, "after", c.publish(note("after")))
	publish(t, n, "and out")
}

// TestFilterLimit: go-waku takes one request a second from a filter client. Two
// subscriptions at once are one too many, and both work in the end.
func TestFilterLimit(t *testing.T) {
	need(t)
	strict := service
	strict.Strict = true
	c := launch(t, strict)
	n := light(t, c)
	one, two := listen(t, n, topic), listen(t, n, other)
	await(t, n, "both subscriptions", func(h waku.Health) bool { return h.Peers[0].Receiving })
	wants(t, one, "one", c.publish(note("one")))
	second := note("two")
	second.ContentTopic = string(other)
	wants(t, two, "two", c.publish(second))
}
