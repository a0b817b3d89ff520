package rest_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/rest"
)

// TestMessageComesAcross goes through what most people want, with all that is told of
// it: each value is one that a constant can't be.
func TestMessageComesAcross(t *testing.T) {
	alice, bob := pair(t)
	id := alice.send("who wants tea?", "want", "everyone")
	e, _ := bob.follow("", "delivered", id)
	if string(e.Message.Payload) != "who wants tea?" || e.Message.Sender != "alice" || e.Message.Own || e.Channel != "tea" || e.Timestamp == 0 {
		t.Errorf("bob's event is %+v, %+v", e, e.Message)
	}
	alice.do("GET", "/v1/channels/tea/messages/"+id+"/receipt?wait=60s&level=everyone", nil).want(200).is(map[string]any{
		"id": id, "level": "everyone", "seen": 1, "of": 1, "persons.0": "Bob", "want.kind": "everyone", "undelivered": false, "claimed": true,
		"transitions.0.level": "queued"})
	second := bob.send("I do", "want", "persons", "persons", []string{"Alice"})
	bob.do("GET", "/v1/channels/tea/messages/"+second+"/receipt?wait=60s", nil).want(200).is(map[string]any{
		"want.persons.0": "Alice", "persons.0": "Alice", "want.kind": "persons"})
	alice.follow("", "delivered", second)
	alice.do("GET", "/v1/channels/tea/messages/"+second, nil).want(200).is(map[string]any{
		"id": second, "sender": "bob", "own": false, "position": 2, "parents.0": id, "receipt": nil,
		"payload": base64.StdEncoding.EncodeToString([]byte("I do"))})
	alice.do("GET", "/v1/channels/tea/messages/"+id, nil).want(200).is(map[string]any{"own": true, "position": 1, "receipt.seen": 1})
	alice.do("GET", "/v1/channels/tea", nil).want(200).is(map[string]any{
		"channel": "tea", "participant": "alice", "messages": 2, "online": true, "missing": 0, "participants": 2, "topic": "tea",
		"unacknowledged": 0, "profile": "lip"})
	a, b := alice.do("GET", "/v1/channels/tea/digest", nil).want(200), bob.do("GET", "/v1/channels/tea/digest", nil).want(200)
	if string(a.body) != string(b.body) {
		t.Errorf("digests %s and %s", a.body, b.body)
	}
	alice.do("POST", "/v1/compare", map[string]any{"digests": map[string]any{"a": a.get(""), "b": b.get("")}}).want(200).
		is(map[string]any{"same": true, "groups.0.count": 2})
	bob.do("DELETE", "/v1/channels/tea", nil).want(204)
	third := alice.send("gone?", "want", "fraction", "fraction", 0.5)
	alice.do("GET", "/v1/channels/tea/messages/"+third+"/receipt?wait=60s&level=sent", nil).want(200).is(map[string]any{"want.fraction": "0.5", "seen": 0})
	alice.do("POST", "/v1/compare", map[string]any{"digests": map[string]any{
		"a": alice.do("GET", "/v1/channels/tea/digest", nil).get(""), "b": b.get(""), "c": b.get("")}}).want(200).
		is(map[string]any{"same": false, "groups.0.names.1": "c", "groups.1.names.0": "a", "groups.1.count": 3})
	alice.do("GET", "/v1/traffic", nil).want(200).is(map[string]any{"own": 2, "messages": 3, "sent.content.packets": 2})
}

// TestLog reads it in pages, both orders and directions.
func TestLog(t *testing.T) {
	alice, _ := pair(t)
	var want []string
	for i := range 25 {
		alice.send(fmt.Sprint(i))
		want = append(want, fmt.Sprint(i))
	}
	for _, order := range []string{"place", "position"} {
		for _, descending := range []bool{false, true} {
			var got []string
			after := ""
			for page := range 10 {
				a := alice.do("GET", fmt.Sprintf("/v1/channels/tea/messages?order=%s&descending=%v&limit=10&after=%s", order, descending, after), nil).want(200)
				list := a.get("messages").([]any)
				for i := range list {
					b, err := base64.StdEncoding.DecodeString(a.text(fmt.Sprintf("messages.%d.payload", i)))
					check(t, err)
					if descending {
						got = append([]string{string(b)}, got...)
					} else {
						got = append(got, string(b))
					}
				}
				after = a.text("next")
				if a.get("more") != true {
					if page != 2 {
						t.Errorf("%d pages", page+1)
					}
					break
				}
			}
			if strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("%s, descending %v: %q", order, descending, got)
			}
		}
	}
}

// TestChannels: create, list, leave, come back, forget (RC01, RC02, RC03, RC13).
func TestChannels(t *testing.T) {
	s := serve(t, newNetwork(t), "alice")
	list := func() *answer { return s.do("GET", "/v1/channels", nil).want(200) }
	if got := list().get("channels").([]any); len(got) != 0 {
		t.Errorf("there are %v", got)
	}
	created := s.do("POST", "/v1/channels", map[string]any{"channel": "tea", "topic": "/t/1/tea/proto", "profile": "js", "steward": true}).want(201).
		is(map[string]any{"channel": "tea", "topic": "/t/1/tea/proto", "profile": "js", "participant": "alice", "steward": true})
	if at := created.header.Get("Location"); at != "/v1/channels/tea" {
		t.Errorf("it is at %q", at)
	}
	s.do("POST", "/v1/channels", map[string]any{"channel": "tea"}).problem(409, "channel_exists", "channel")
	s.do("POST", "/v1/channels", map[string]any{"channel": "coffee", "participant": "alice-2"}).want(201).is(map[string]any{"participant": "alice-2"})
	list().is(map[string]any{"channels.0.channel": "coffee", "channels.1.channel": "tea", "channels.1.joined": true, "channels.0.participant": "alice-2"})
	s.send("one")
	s.do("DELETE", "/v1/channels/tea", nil).want(204)
	list().is(map[string]any{"channels.1.channel": "tea", "channels.1.joined": false})
	s.do("DELETE", "/v1/channels/tea", nil).problem(404, "channel_unknown", "channel")
	s.do("POST", "/v1/channels/tea/messages", map[string]any{"payload": []byte("x")}).problem(404, "channel_unknown", "channel")
	s.do("POST", "/v1/channels", map[string]any{"channel": "tea", "profile": "js"}).want(201).is(map[string]any{"messages": 1})
	s.do("DELETE", "/v1/channels/tea?forget=true", nil).want(204)
	if got := list().get("channels").([]any); len(got) != 1 {
		t.Errorf("after it was forgotten there are %v", got)
	}
	s.do("POST", "/v1/channels", map[string]any{"channel": "tea"}).want(201).is(map[string]any{"messages": 0})
}

func TestRoster(t *testing.T) {
	s := serve(t, newNetwork(t), "alice")
	s.do("POST", "/v1/channels", map[string]any{"channel": "tea"}).want(201).is(map[string]any{"participants": 0})
	roster := func() *answer { return s.do("GET", "/v1/channels/tea/roster", nil).want(200) }
	roster().is(map[string]any{"roster": nil})
	s.do("PUT", "/v1/channels/tea/roster", map[string]any{"members": map[string]string{"alice": "A", "bob": "B"}, "stewards": []string{"B"}}).want(204)
	roster().is(map[string]any{"roster.members.bob": "B", "roster.stewards.0": "B"})
	s.do("GET", "/v1/channels/tea", nil).is(map[string]any{"participants": 2})
	s.do("PUT", "/v1/channels/tea/roster", map[string]any{"members": map[string]string{}}).problem(400, "bad_request", "members")
	s.do("PUT", "/v1/channels/tea/roster", map[string]any{"members": map[string]string{"alice": "A"}, "stewards": []string{"Z"}}).problem(400, "bad_request", "stewards")
	s.do("DELETE", "/v1/channels/tea/roster", nil).want(204)
	roster().is(map[string]any{"roster": nil})
	s.do("POST", "/v1/channels", map[string]any{"channel": "x", "roster": map[string]any{"members": map[string]string{"bob": "B"}}}).
		problem(400, "bad_request", "roster.members")
}

// TestNode tells about the node itself.
func TestNode(t *testing.T) {
	s := serve(t, newNetwork(t), "alice", func(o *causeway.Options, r *rest.Options) {
		o.Quota = causeway.QuotaRLN
		r.Peers = func() []rest.Peer { return []rest.Peer{{ID: "p1", Connected: true}} }
		r.Addresses = func() []string { return []string{"/ip4/127.0.0.1/tcp/1"} }
		r.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "metrics of the host") })
	})
	s.until("it is online", func() bool { return s.do("GET", "/health", nil).get("online") == true }) // the transport says so when it likes
	s.do("GET", "/health", nil).want(200).is(map[string]any{"status": "ok", "online": true, "channels": 0})
	s.do("GET", "/version", nil).want(200).is(map[string]any{"version": "1.2"})
	s.do("GET", "/info", nil).want(200).is(map[string]any{"participant": "alice", "addresses.0": "/ip4/127.0.0.1/tcp/1", "faults": true, "newest": 0,
		"maxPayload": rest.MaxPayload})
	s.do("GET", "/v1/peers", nil).want(200).is(map[string]any{"peers.0.id": "p1", "peers.0.connected": true})
	if got := s.do("GET", "/metrics", nil).want(200); string(got.body) != "metrics of the host" {
		t.Errorf("%s", got.body)
	}
	s.join()
	s.send("one")
	s.do("GET", "/v1/budget", nil).want(200).is(map[string]any{"limited": true, "packets": 100, "window": "10m0s", "level": "normal", "shares.content.share.packets": 70})
	s.goOffline()
	s.do("GET", "/health", nil).want(200).is(map[string]any{"status": "offline"})
	check(t, s.node.Close())
	s.do("GET", "/health", nil).problem(503, "closed", "")
}

// TestDefaults: a node without a quota, metrics and peers says so.
func TestDefaults(t *testing.T) {
	s := serve(t, newNetwork(t), "alice", func(_ *causeway.Options, r *rest.Options) { r.Faults = nil })
	s.do("GET", "/metrics", nil).problem(404, "no_metrics", "")
	s.do("GET", "/v1/budget", nil).want(200).is(map[string]any{"limited": false})
	if peers := s.do("GET", "/v1/peers", nil).want(200).get("peers").([]any); len(peers) != 0 {
		t.Errorf("%v", peers)
	}
	s.do("GET", "/info", nil).is(map[string]any{"faults": false})
	s.join()
	for _, r := range []string{"GET /v1/faults", "DELETE /v1/faults", "POST /v1/faults/rules", "GET /v1/faults/rules", "GET /v1/faults/rules/1", "DELETE /v1/faults/rules/1", "PUT /v1/faults/online",
		"PUT /v1/faults/partition", "PUT /v1/faults/clock", "POST /v1/channels/tea/sync", "POST /v1/channels/tea/sweep", "POST /v1/channels/tea/messages/x/resend"} {
		method, path, _ := strings.Cut(r, " ")
		s.do(method, path, nil).problem(403, "faults_disabled", "")
	}
}

func TestOptions(t *testing.T) {
	for want, o := range map[string]rest.Options{
		"Token has 5 bytes": {Token: "short"},
		"MaxPayload is -1":  {MaxPayload: -1},
		"MaxWaiting":        {MaxWaiting: -1},
		"Faults.Transport":  {Faults: &rest.Faults{}},
	} {
		if _, err := rest.New(nil, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
