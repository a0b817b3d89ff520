package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/rest"
	"github.com/causeway-im/causeway/seal"
	"github.com/causeway-im/causeway/transport"
)

// TestPollMissesNothing: whoever goes on from next sees each event once, in order.
func TestPollMissesNothing(t *testing.T) {
	alice, bob := pair(t)
	const n = 50
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range n {
			alice.send(fmt.Sprint(i))
		}
	}()
	after, last := "", uint64(0)
	for got := 0; got < n; {
		a := bob.do("GET", "/v1/events?wait=60s&limit=3&channel=tea&after="+after, nil).want(200)
		var page struct {
			Events []rest.Event
			Next   json.Number
		}
		check(t, json.Unmarshal(a.body, &page))
		for _, e := range page.Events {
			if e.Cursor <= last {
				t.Fatalf("cursor %d after %d", e.Cursor, last)
			}
			last = e.Cursor
			if e.Kind == "delivered" {
				if text := string(e.Message.Payload); text != fmt.Sprint(got) {
					t.Fatalf("%q came, want %d", text, got)
				}
				got++
			}
		}
		after = page.Next.String()
	}
	<-sent
	if a := bob.do("GET", "/v1/events?after=newest&wait=1ms", nil).want(200); len(a.get("events").([]any)) != 0 {
		t.Errorf("%s", a.body)
	}
}

// TestStreamResumes: a stream goes on after Last-Event-ID, and says when it ends.
func TestStreamResumes(t *testing.T) {
	alice, _ := pair(t)
	first := alice.send("one")
	events := alice.stream("/v1/events/stream?channel=tea")
	e, _ := alice.next(events)
	if e.kind != "delivered" || e.id == "" || !strings.Contains(e.data, first) {
		t.Fatalf("%+v", e)
	}
	second := alice.send("two")
	again := alice.stream("/v1/events/stream?channel=tea&after=0", "Last-Event-ID", e.id)
	for {
		next, ok := alice.next(again)
		if !ok || strings.Contains(next.data, first) && next.kind == "delivered" {
			t.Fatalf("%+v came again", next)
		}
		if next.kind == "delivered" && strings.Contains(next.data, second) {
			break
		}
	}
	alice.api.Close()
	for {
		next, ok := alice.next(again)
		if !ok {
			t.Fatal("the stream ended without a word")
		}
		if next.kind == "end" {
			if next.id != "" || next.data != `{"reason":"stopping"}` {
				t.Errorf("%+v", next)
			}
			break
		}
	}
	if e, ok := alice.next(again); ok {
		t.Errorf("after the end came %+v", e)
	}
}

func TestKeepAlive(t *testing.T) {
	s := serve(t, newNetwork(t), "alice", func(_ *causeway.Options, r *rest.Options) { r.KeepAlive = time.Millisecond })
	if e, ok := s.next(s.stream("/v1/events/stream")); !ok || e.kind != ":" {
		t.Errorf("%+v", e)
	}
}

// TestOldCursor: who was away too long is told where to go on.
func TestOldCursor(t *testing.T) {
	s := serve(t, newNetwork(t), "alice", func(o *causeway.Options, _ *rest.Options) { o.KeepEvents = 10 })
	s.join()
	s.goOffline() // or else receipts that come meanwhile move the oldest cursor on
	for i := 0; s.do("GET", "/info", nil).text("oldest") == "0"; i++ {
		s.send(fmt.Sprint(i))
	}
	oldest := s.do("GET", "/info", nil).text("oldest")
	for _, path := range []string{"/v1/events?after=0", "/v1/events/stream?after=0"} {
		s.do("GET", path, nil).problem(410, "cursor_too_old", "after").is(map[string]any{"oldest": json.Number(oldest)})
	}
	s.do("GET", "/v1/events?after="+oldest, nil).want(200)
	s.do("GET", "/v1/events?after=1000000", nil).problem(400, "bad_request", "after")
}

// TestWaitingIsBounded: too many streams are refused, others go on.
func TestWaitingIsBounded(t *testing.T) {
	s := serve(t, newNetwork(t), "alice", func(_ *causeway.Options, r *rest.Options) { r.MaxWaiting, r.KeepAlive = 2, time.Millisecond })
	s.join()
	s.goOffline() // or else a receipt answers the poll at once
	id := s.send("one")
	s.next(s.stream("/v1/events/stream"))
	s.next(s.stream("/v1/events/stream"))
	for _, path := range []string{"/v1/events/stream", "/v1/events?after=newest&wait=1s", "/v1/channels/tea/messages/" + id + "/receipt?wait=1s"} {
		a := s.do("GET", path, nil).problem(503, "too_many", "").is(map[string]any{"limit": 2})
		if a.header.Get("Retry-After") == "" {
			t.Error("nobody says when to come back")
		}
	}
	s.do("GET", "/v1/events", nil).want(200)
}

// TestSlowReaderHoldsNobody: a stream that is not read hinders neither the node nor
// another stream, and goes on where it was.
func TestSlowReaderHoldsNobody(t *testing.T) {
	alice, bob := pair(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(bob.url, "http://"))
	check(t, err)
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v1/events/stream HTTP/1.1\r\nHost: localhost\r\n\r\n") // and reads nothing
	quick := bob.stream("/v1/events/stream")
	payload := strings.Repeat("x", 100_000)
	ids := map[string]bool{}
	for range 100 { // more than what sockets buffer
		ids[alice.send(payload)] = true
	}
	for len(ids) > 0 {
		e, ok := bob.next(quick)
		if !ok {
			t.Fatal("the quick stream ended")
		}
		var got rest.Event
		if e.kind == "delivered" {
			check(t, json.Unmarshal([]byte(e.data), &got))
			delete(ids, string(got.ID))
		}
	}
}

// TestServeStops: what is in flight is finished, streams end with a word, and the
// socket of before is no obstacle.
func TestServeStops(t *testing.T) {
	n := newNetwork(t)
	s := serve(t, n, "alice")
	address := "unix:" + t.TempDir() + "/s"
	for range 2 {
		l, err := rest.Listen(address)
		check(t, err)
		if _, err := rest.Listen(address); err == nil || !strings.Contains(err.Error(), "somebody listens") {
			t.Errorf("twice: %v", err)
		}
		api, err := rest.New(s.node, rest.Options{})
		check(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- api.Serve(ctx, l) }()
		client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", strings.TrimPrefix(address, "unix:"))
		}}}
		waiting := make(chan string, 1)
		go func() {
			resp, err := client.Get("http://localhost/v1/events?after=newest&wait=60s")
			if err != nil {
				waiting <- err.Error()
				return
			}
			defer resp.Body.Close()
			waiting <- resp.Status
		}()
		s.until("the poll waits", func() bool {
			resp, err := client.Get("http://localhost/health")
			if err != nil {
				return false
			}
			resp.Body.Close()
			return resp.StatusCode == 200 && rest.Waiting(api) == 1
		})
		cancel()
		if got := <-waiting; got != "200 OK" {
			t.Errorf("the poll in flight got %q", got)
		}
		check(t, <-done)
	}
}

// TestExposedNeedsToken: others than this machine are not let in without a token.
func TestExposedNeedsToken(t *testing.T) {
	s := serve(t, newNetwork(t), "alice")
	if err := s.api.Serve(t.Context(), exposed{}); err == nil || !strings.Contains(err.Error(), "Token is required") {
		t.Error(err)
	}
	for _, bad := range []string{"unix:", "unix:" + t.TempDir(), "nonsense"} {
		if _, err := rest.Listen(bad); err == nil {
			t.Errorf("%s can be listened on", bad)
		}
	}
}

// exposed is a listener that others can reach.
type exposed struct{}

func (exposed) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (exposed) Close() error              { return nil }
func (exposed) Addr() net.Addr            { return &net.TCPAddr{IP: net.IPv4zero, Port: 1} }

// TestTamperedEvent: what an event of packets that were tampered with says is there,
// and its kind is one that the description has.
func TestTamperedEvent(t *testing.T) {
	keys, err := seal.New(make([]byte, seal.SecretSize))
	check(t, err)
	n := newNetwork(t)
	alice := serve(t, n, "alice", func(_ *causeway.Options, r *rest.Options) {
		r.Configure = func(c *causeway.ChannelConfig) error {
			c.Sealer, c.Topic = keys, "here"
			return nil
		}
	})
	alice.join()
	alice.caughtUp() // or else the packet comes from the store, too
	eve, err := n.Attach("eve")
	check(t, err)
	sealed, err := keys.Seal("tea", []byte("hello"))
	check(t, err)
	sealed[len(sealed)-1] ^= 1
	_, err = eve.Publish(t.Context(), transport.Envelope{Topic: "here", Payload: sealed})
	check(t, err)
	a := alice.do("GET", "/v1/events?wait=60s", nil).want(200)
	var page struct{ Events []map[string]any }
	check(t, json.Unmarshal(a.body, &page))
	if len(page.Events) != 1 || page.Events[0]["kind"] != "tampered" || page.Events[0]["tampered"] != 1.0 {
		t.Errorf("events %s", a.body)
	}
	described := alice.do("GET", "/openapi.yaml", nil).want(200).body
	for k := causeway.EventArrived; k.String() != "unknown"; k++ {
		if !bytes.Contains(described, []byte(k.String()+",")) && !bytes.Contains(described, []byte(k.String()+"]")) {
			t.Errorf("the description has no events of the kind %v", k)
		}
	}
}
