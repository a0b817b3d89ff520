package qa

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/causeway-im/causeway/suite/waku"
	"github.com/causeway-im/causeway/transport"
)

const tea, messages = "/v1/channels/tea", "/v1/channels/tea/messages"

// TestLifecycle goes through RC01 to RC04 and RC13, which need one node alone.
func TestLifecycle(t *testing.T) {
	n := launch(t, t.TempDir(), "alice")
	hello := map[string]any{"payload": []byte("hello")}
	t.Run("RC02 send on an unknown channel", func(t *testing.T) {
		n.do("POST", messages, hello).problem(404, "channel_unknown")
	})
	n.do("POST", "/v1/channels", map[string]any{"channel": "tea"}).want(201)
	t.Run("RC01 create twice", func(t *testing.T) {
		n.do("POST", "/v1/channels", map[string]any{"channel": "tea"}).problem(409, "channel_exists")
		n.do("GET", "/v1/channels", nil).want(200).get("channels.0.joined")
	})
	t.Run("RC04 send", func(t *testing.T) {
		n.do("POST", messages, map[string]any{"payload": []byte{}}).problem(400, "payload_empty")
		first := n.do("POST", messages, hello).want(201).text("id")
		second := n.do("POST", messages, hello).want(201).text("id")
		fleeting := n.do("POST", messages, map[string]any{"payload": []byte("hello"), "ephemeral": true}).want(201).text("id")
		if first == "" || first == second || fleeting == "" || fleeting == second {
			t.Errorf("ids %q, %q, %q", first, second, fleeting)
		}
		if got := n.texts(); !slices.Equal(got, []string{"hello", "hello"}) {
			t.Errorf("the log has %q", got)
		}
		n.do("GET", messages+"/"+fleeting, nil).problem(404, "message_unknown")
	})
	t.Run("RC03 close", func(t *testing.T) {
		n.do("DELETE", "/v1/channels/nobody", nil).problem(404, "channel_unknown")
		n.send("still open")
		n.do("DELETE", tea, nil).want(204)
		n.do("DELETE", tea, nil).problem(404, "channel_unknown")
		n.do("POST", messages, hello).problem(404, "channel_unknown")
	})
	t.Run("RC13 close and create again", func(t *testing.T) {
		n.do("POST", "/v1/channels", map[string]any{"channel": "tea"}).want(201)
		n.send("again")
		if got := strings.Join(n.texts(), ", "); got != "hello, hello, still open, again" {
			t.Error(got)
		}
	})
	t.Run("restart", func(t *testing.T) { // channels and what was said are there, without being asked for
		n.restart()
		n.send("after a crash")
		n.stop()
		n.start()
		if got := n.do("GET", tea, nil).want(200).text("messages"); got != "5" {
			t.Errorf("%s messages", got)
		}
	})
}

// TestBetweenMembers goes through RC05 to RC08 and RC12, on three nodes.
func TestBetweenMembers(t *testing.T) {
	g := newGroup(t, "alice bob carol")
	alice, bob, carol := g[0], g[1], g[2]
	t.Run("RC05 delivery with the sender", func(t *testing.T) {
		id := alice.send("m1", "want", "everyone")
		for _, n := range g[1:] {
			if got := n.reads(id); got.text("sender") != "alice" || got.get("own") != false {
				t.Errorf("%s", got.body)
			}
		}
		alice.reached(id)
	})
	t.Run("RC08 causal order both ways", func(t *testing.T) {
		question := alice.send("question")
		bob.reads(question)
		answer := bob.send("answer")
		alice.reads(answer)
		thanks := alice.send("thanks")
		if got := carol.reads(thanks); !strings.Contains(string(got.body), answer) {
			t.Errorf("it does not name the answer: %s", got.body)
		}
		if got := carol.texts(); !slices.Equal(got[len(got)-3:], []string{"question", "answer", "thanks"}) {
			t.Errorf("carol reads %q", got)
		}
	})
	t.Run("RC12 each exactly once", func(t *testing.T) {
		bob.do("POST", "/v1/faults/rules", map[string]any{"action": "duplicate", "copies": 3, "kind": "content"}).want(201)
		for i := range 10 {
			g[i%3].send(fmt.Sprint("n", i))
		}
		g.same(t)
		for _, n := range g {
			all := n.texts()
			for i := range 10 {
				if count := strings.Count(strings.Join(all, " ")+" ", fmt.Sprintf("n%d ", i)); count != 1 {
					t.Errorf("%s has n%d %d times", n.name, i, count)
				}
			}
		}
	})
	t.Run("RC06 what is no message is dropped", func(t *testing.T) {
		stranger, err := waku.New(t.Context(), waku.Options{Peers: []string{alice.addr, bob.addr, carol.addr}})
		check(t, err)
		defer stranger.Close()
		before := len(carol.texts())
		topic := transport.Topic(carol.do("GET", tea, nil).text("topic"))
		carol.until("the stranger is heard", func() bool {
			_, err := stranger.Publish(t.Context(), transport.Envelope{Topic: topic, Payload: []byte("no message of ours")})
			return err == nil && carol.do("GET", "/v1/traffic", nil).want(200).text("undecodable") != "0"
		})
		if after := len(carol.texts()); after != before {
			t.Errorf("%d messages more", after-before)
		}
	})
	t.Run("RC07 another topic", func(t *testing.T) {
		for _, n := range g {
			topic := "/qa/1/green/proto"
			if n == carol {
				topic = "/qa/1/black/proto"
			}
			n.do("POST", "/v1/channels", map[string]any{"channel": "green", "topic": topic}).want(201)
		}
		id := alice.do("POST", "/v1/channels/green/messages", map[string]any{"payload": []byte("x")}).want(201).text("id")
		bob.until("it has it", func() bool { return bob.do("GET", "/v1/channels/green/messages/"+id, nil).status == 200 })
		carol.reads(alice.send("a later one")) // what would arrive wrongly has arrived by then
		carol.do("GET", "/v1/channels/green/messages/"+id, nil).problem(404, "message_unknown")
	})
}

// TestLateJoiner is RC09: who comes later gets what was said before.
func TestLateJoiner(t *testing.T) {
	folder := t.TempDir()
	g := newPeers(t, folder, "alice bob")
	for _, n := range g {
		n.do("POST", "/v1/channels", map[string]any{"channel": "tea"}).want(201)
	}
	id := g[0].send("before carol")
	g[1].reads(id)
	carol := launch(t, folder, "carol", "--peer", g[0].addr, "--peer", g[1].addr)
	carol.online()
	carol.do("POST", "/v1/channels", map[string]any{"channel": "tea"}).want(201)
	if got := carol.reads(id); got.text("sender") != "alice" {
		t.Errorf("%s", got.body)
	}
}
