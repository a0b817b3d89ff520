package qa

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestDescription asks for everything that the description has, and checks that it is
// what the node serves. Each answer of these tests is checked against it, too.
func TestDescription(t *testing.T) {
	g := newGroup(t, "alice bob", "--quota", "10000/10m")
	alice, bob := g[0], g[1]
	d, err := description()
	check(t, err)
	if served := alice.do("GET", "/openapi.yaml", nil).want(200); string(served.body) != string(d.text) {
		t.Error("the node serves another description")
	}
	id := alice.send("one", "want", "fraction", "fraction", 0.5, "priority", "high", "replace", "subject")
	bob.reads(id)
	alice.reached(id)
	rule := bob.lose("two", 0, "receive", "retrieve")
	lost := alice.send("two", "persons", []string{"BOB"}, "want", "persons")
	alice.send("three")
	bob.event("gap", lost, "missing")
	for _, path := range []string{"/health", "/version", "/info", "/metrics", "/v1/peers", "/v1/budget", "/v1/traffic", "/v1/channels", tea,
		tea + "/roster", messages + "?order=position&descending=true&limit=2", tea + "/gaps?limit=10", messages + "/" + id,
		messages + "/" + id + "/receipt?level=sent&wait=1s", tea + "/digest", "/v1/events?limit=1000", "/v1/faults", "/v1/faults/rules", rule} {
		bob.do("GET", path, nil)
		alice.do("GET", path, nil)
	}
	metrics := alice.do("GET", "/metrics", nil).want(200)
	for _, want := range []string{`causeway_node_messages_total{whose="own"} 3`, "causeway_node_online 1", `causeway_node_gaps_total{state="found"} 0`} {
		if !strings.Contains(string(metrics.body), want+"\n") {
			t.Errorf("no %s in %s", want, metrics.body)
		}
	}
	digest := alice.do("GET", tea+"/digest", nil).get("")
	alice.do("POST", "/v1/compare", map[string]any{"digests": map[string]any{"a": digest}}).want(200)
	bob.do("DELETE", rule, nil).want(204)
	bob.do("PUT", "/v1/faults/partition", map[string]any{"participants": []string{}}).want(204)
	bob.do("PUT", "/v1/faults/clock", map[string]any{"offset": "0s"}).want(204)
	bob.do("PUT", "/v1/faults/online", map[string]any{"online": true}).want(204)
	bob.do("DELETE", "/v1/faults", nil).want(204)
	bob.do("POST", tea+"/sync", nil).want(204)
	bob.do("POST", tea+"/sweep", nil).problem(409, "no_store")
	bob.do("POST", messages+"/"+id+"/resend", nil).want(204)
	stream(t, alice)
	bob.do("PUT", tea+"/roster", map[string]any{"members": map[string]string{"alice": "A", "bob": "B"}, "stewards": []string{"A"}}).want(204)
	bob.do("DELETE", tea+"/roster", nil).want(204)
	bob.do("DELETE", tea+"?forget=true", nil).want(204)
	slices.Sort(d.paths)
	for _, operation := range d.paths {
		if _, ok := seen.Load(operation); !ok && strings.Contains(operation, " 2") && !strings.HasSuffix(operation, "/sweep 204") {
			t.Errorf("nobody asked for %s", operation)
		}
	}
}

// stream reads the beginning of the stream of events.
func stream(t *testing.T, n *node) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", n.url+"/v1/events/stream", nil)
	check(t, err)
	resp, err := http.DefaultClient.Do(r)
	check(t, err)
	defer resp.Body.Close()
	b := make([]byte, 6)
	_, err = io.ReadFull(resp.Body, b)
	check(t, err)
	conform(t, r, nil, resp, b)
}
