package gowaku

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/causeway-im/causeway/suite/waku"
	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

// TestRelay: what a message is on one side, it is on the other.
func TestRelay(t *testing.T) {
	need(t)
	seen := make(chan wire.Message, 100) // what is not in transport.Received
	n, c := pair(t, waku.Options{Lose: func(m *wire.Message) bool {
		seen <- *m
		return false
	}})
	got := listen(t, n, topic)
	t.Run("to_gowaku", func(t *testing.T) {
		for _, ephemeral := range []bool{false, true} {
			before := time.Now()
			hint, err := n.Publish(t.Context(), transport.Envelope{Topic: topic, Payload: []byte("hello"), Ephemeral: ephemeral})
			if err != nil {
				t.Fatal(err)
			}
			m := c.message("relay")
			if string(m.Payload) != "hello" || m.ContentTopic != string(topic) || m.Ephemeral != ephemeral || len(m.Meta) > 0 {
				t.Errorf("go-waku received %+v", m)
			}
			if m.Timestamp < before.UnixNano() || m.Timestamp > time.Now().UnixNano() {
				t.Errorf("it was sent at %d", m.Timestamp)
			}
			if !bytes.Equal(m.Hash, hint) {
				t.Errorf("go-waku knows it as %x, we as %x", m.Hash, hint)
			}
		}
	})
	t.Run("from_gowaku", func(t *testing.T) {
		for name, m := range map[string]message{
			"plain":     note("hello"),
			"meta":      {Payload: []byte{0, 0xff}, ContentTopic: string(topic), Timestamp: 1, Meta: []byte("of the application"), Version: 1},
			"ephemeral": {Payload: []byte("gone"), ContentTopic: string(topic), Timestamp: 1 << 62, Ephemeral: true},
			"no time":   {Payload: []byte("when?"), ContentTopic: string(topic)},
		} {
			hash := c.publish(m)
			r := receive(t, name, got)
			if r.Topic != topic || !bytes.Equal(r.Payload, m.Payload) || !r.Time.Equal(time.Unix(0, m.Timestamp)) {
				t.Errorf("%s: received %+v", name, r)
			}
			if !bytes.Equal(r.Hint, hash) {
				t.Errorf("%s: go-waku knows it as %x, we as %x", name, hash, r.Hint)
			}
			if w := receive(t, name, seen); !reflect.DeepEqual(w, *m.ours()) {
				t.Errorf("%s: the message is %+v", name, w)
			}
		}
	})
}

// TestHash: both sides compute the same hash, of whatever a message may hold.
func TestHash(t *testing.T) {
	need(t)
	c := launch(t, options{})
	for name, m := range map[string]message{
		"empty":       {},
		"plain":       note("hello"),
		"binary":      {Payload: []byte{0, 1, 0xfe, 0xff}, ContentTopic: "/ünï/1/x/y", Meta: []byte{0}, Timestamp: 1},
		"before 1970": {Payload: []byte("x"), ContentTopic: "x", Timestamp: -1},
		"uncovered":   {Payload: []byte("x"), ContentTopic: "x", Timestamp: 7, Version: 2, Ephemeral: true},
		"large":       {Payload: make([]byte, 100<<10), ContentTopic: "x", Meta: make([]byte, 64), Timestamp: 1 << 62},
	} {
		for _, shard := range []string{shardName, "", "/waku/2/default-waku/proto"} {
			var theirs []byte
			c.call("hash", with{"Topic": shard, "Message": m}, &theirs)
			if ours := m.ours().Hash(shard); !bytes.Equal(theirs, ours[:]) {
				t.Errorf("%s on %q: go-waku computes %x, we %x", name, shard, theirs, ours)
			}
		}
	}
}

// TestTwice: the same payload twice is two messages. The same bytes twice are one.
func TestTwice(t *testing.T) {
	need(t)
	n, c := pair(t, waku.Options{})
	got := listen(t, n, topic)
	t.Run("to_gowaku", func(t *testing.T) {
		first, second := publish(t, n, "again"), publish(t, n, "again")
		a, b := c.message("relay"), c.message("relay")
		if bytes.Equal(first, second) || a.Timestamp == b.Timestamp || string(a.Payload) != "again" || string(b.Payload) != "again" {
			t.Errorf("go-waku received %+v and %+v", a, b)
		}
	})
	t.Run("from_gowaku", func(t *testing.T) {
		a, b, fence := note("again"), note("again"), note("fence")
		b.Timestamp++
		for _, m := range []message{a, a, b, a, fence} {
			c.publish(m)
		}
		count := map[string]int{}
		for range 3 {
			count[string(receive(t, "a message", got).Payload)]++
		}
		if count["again"] != 2 || count["fence"] != 1 {
			t.Errorf("received %v", count)
		}
	})
}

// TestBurst: 300 messages of 1 KiB as fast as they go, in any order.
func TestBurst(t *testing.T) {
	need(t)
	const count, senders = 300, 8
	n, c := pair(t, waku.Options{})
	got := listen(t, n, topic)
	payload := func(i int) string { return fmt.Sprintf("%04d %s", i, strings.Repeat("x", 1019)) }
	burst := func(send func(payload string)) {
		var work sync.WaitGroup
		for s := range senders {
			work.Go(func() {
				for i := s; i < count; i += senders {
					send(payload(i))
				}
			})
		}
		work.Wait()
	}
	t.Run("to_gowaku", func(t *testing.T) {
		burst(func(p string) {
			if _, err := n.Publish(t.Context(), transport.Envelope{Topic: topic, Payload: []byte(p)}); err != nil {
				t.Error(err)
			}
		})
		arrived := map[string]bool{}
		for len(arrived) < count {
			arrived[string(c.message("relay").Payload)] = true
		}
	})
	t.Run("from_gowaku", func(t *testing.T) {
		burst(func(p string) {
			if err := c.try("publish", with{"Topic": shardName, "Message": note(p)}, nil); err != nil {
				t.Error(err)
			}
		})
		arrived := map[string]bool{}
		for len(arrived) < count {
			arrived[string(receive(t, fmt.Sprint("message ", len(arrived)+1), got).Payload)] = true
		}
	})
	if d := n.Stats().Dropped; d != (waku.Dropped{}) {
		t.Errorf("dropped: %+v", d)
	}
}

// TestOversize: the largest message of each side fits the other, and one byte more
// is refused where it is published. What comes too large nevertheless is dropped.
func TestOversize(t *testing.T) {
	need(t)
	n, c := pair(t, waku.Options{})
	got := listen(t, n, topic)
	limit := n.MaxPayload(topic)
	t.Run("to_gowaku", func(t *testing.T) {
		// MaxPayload reckons with the flag.
		hint, err := n.Publish(t.Context(), transport.Envelope{Topic: topic, Payload: make([]byte, limit), Ephemeral: true})
		if err != nil {
			t.Fatal(err)
		}
		if m := c.message("relay"); len(m.Payload) != limit || !bytes.Equal(m.Hash, hint) {
			t.Errorf("%d bytes arrived", len(m.Payload))
		}
		_, err = n.Publish(t.Context(), transport.Envelope{Topic: topic, Payload: make([]byte, limit+1)})
		if !errors.Is(err, transport.ErrTooLarge) {
			t.Errorf("one byte more: %v", err)
		}
	})
	t.Run("from_gowaku", func(t *testing.T) {
		largest := note("")
		largest.Payload, largest.Ephemeral = make([]byte, limit), true
		hash := c.publish(largest)
		if r := receive(t, "the largest", got); len(r.Payload) != limit || !bytes.Equal(r.Hint, hash) {
			t.Errorf("%d bytes arrived", len(r.Payload))
		}
		largest.Payload = append(largest.Payload, 0)
		if err := c.try("publish", with{"Topic": shardName, "Message": largest}, nil); err == nil {
			t.Error("go-waku publishes one byte more")
		}
	})
	t.Run("dropped", func(t *testing.T) {
		lax := launch(t, options{Relay: true, MaxMessage: 1 << 20})
		lax.call("connect", with{"Addr": n.Addrs()[0]}, nil)
		lax.grafted(n)
		large := note("")
		large.Payload = make([]byte, limit+100)
		lax.publish(large)
		hash := lax.publish(note("fine"))
		wants(t, got, "fine", hash)
		if d := n.Stats().Dropped; d != (waku.Dropped{Malformed: 1}) {
			t.Errorf("dropped: %+v", d)
		}
	})
}

// TestChain: in a chain of three the middle forwards for the ends.
func TestChain(t *testing.T) {
	need(t)
	t.Run("ours_gowaku_ours", func(t *testing.T) {
		a, c := pair(t, waku.Options{})
		b := open(t, waku.Options{Peers: c.Addrs})
		await(t, b, "a mesh", meshed(1))
		c.grafted(b)
		atA, atB := listen(t, a, topic), listen(t, b, topic)
		wants(t, atB, "forth", publish(t, a, "forth"))
		wants(t, atA, "back", publish(t, b, "back"))
	})
	t.Run("gowaku_ours_gowaku", func(t *testing.T) {
		n, a := pair(t, waku.Options{})
		b := launch(t, options{Relay: true})
		b.call("connect", with{"Addr": n.Addrs()[0]}, nil)
		b.grafted(n)
		await(t, n, "both", meshed(2))
		b.wants("relay", "forth", a.publish(note("forth")))
		a.message("relay") // its own
		a.wants("relay", "back", b.publish(note("back")))
	})
}
