package rest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/rest"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport/faults"
	"github.com/causeway-im/causeway/transport/loopback"
)

// patience is how long a test waits for anything.
const patience = time.Minute

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// server is a node with its API, served over a socket.
type server struct {
	t      testing.TB
	url    string
	node   *causeway.Node
	api    *rest.API
	faults *rest.Faults
	http   *httptest.Server
}

func newNetwork(t testing.TB) *loopback.Network {
	t.Helper()
	n, err := loopback.New(loopback.Options{Store: &loopback.StoreOptions{}})
	check(t, err)
	t.Cleanup(n.Close)
	return n
}

// serve starts a node of a member. Each change may set its options.
func serve(t testing.TB, n *loopback.Network, name string, change ...func(*causeway.Options, *rest.Options)) *server {
	t.Helper()
	end, err := n.Attach(name)
	check(t, err)
	network, f := faults.Wrap(end, faults.Options{Seed: 1})
	t.Cleanup(f.Close)
	s := &server{t: t, faults: &rest.Faults{Transport: f, Clock: &faults.Clock{}}}
	o := causeway.Options{Store: store.NewMemory(), Transport: network, Clock: s.faults.Clock.Now}
	r := rest.Options{Version: "1.2", Participant: causeway.ParticipantID(name), Faults: s.faults}
	for _, f := range change {
		f(&o, &r)
	}
	s.node, err = causeway.Open(context.Background(), o)
	check(t, err)
	s.api, err = rest.New(s.node, r)
	check(t, err)
	s.http = httptest.NewServer(s.api)
	s.url = s.http.URL
	t.Cleanup(func() {
		s.api.Close()
		s.http.Close()
		s.node.Close()
	})
	return s
}

// answer is what came back.
type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   []byte
}

// do asks. A body that is a string is sent as it is, all else as JSON.
func (s *server) do(method, path string, body any, header ...string) *answer {
	s.t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		check(s.t, err)
		in = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience) // the server may wait for one
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, in)
	check(s.t, err)
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		if r.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	check(s.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	check(s.t, err)
	return &answer{s.t, method + " " + path, resp.StatusCode, resp.Header, b}
}

// want checks the status.
func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: %d %s, want %d", a.what, a.status, a.body, status)
	}
	return a
}

// problem checks that it is an error of this kind.
func (a *answer) problem(status int, code, field string) *answer {
	a.t.Helper()
	a.want(status)
	var p rest.Problem
	if kind := a.header.Get("Content-Type"); kind != "application/problem+json" {
		a.t.Errorf("%s: Content-Type is %q", a.what, kind)
	}
	check(a.t, json.Unmarshal(a.body, &p))
	if p.Status != status || p.Code != code || p.Field != field || p.Detail == "" || p.Title == "" {
		a.t.Errorf("%s: %s, want code %s and field %q", a.what, a.body, code, field)
	}
	return a
}

// get reads the JSON at a path, such as "messages.0.id".
func (a *answer) get(path string) any {
	a.t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.UseNumber()
	check(a.t, d.Decode(&v))
	for _, part := range strings.Split(path, ".") {
		if path == "" {
			break
		}
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(x) {
				a.t.Fatalf("%s: %s has no %s", a.what, a.body, path)
			}
			v = x[i]
		default:
			a.t.Fatalf("%s: %s has no %s", a.what, a.body, path)
		}
	}
	return v
}

func (a *answer) text(path string) string {
	a.t.Helper()
	v := a.get(path)
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// is checks values by path.
func (a *answer) is(values map[string]any) *answer {
	a.t.Helper()
	for path, want := range values {
		got := a.get(path)
		if n, ok := got.(json.Number); ok {
			if n.String() == fmt.Sprint(want) {
				continue
			}
		}
		if !reflect.DeepEqual(got, want) {
			a.t.Errorf("%s: %s is %v, want %v: %s", a.what, path, got, want, a.body)
		}
	}
	return a
}

var people = map[string]any{"members": map[string]string{"alice": "Alice", "bob": "Bob"}}

// join joins the channel tea with a roster.
func (s *server) join() {
	s.t.Helper()
	s.do("POST", "/v1/channels", map[string]any{"channel": "tea", "roster": people}).want(201)
}

// goOffline returns when the node knows: from then on what it sends is queued, and no
// event but those of calls comes any more.
func (s *server) goOffline() {
	s.t.Helper()
	s.faults.Transport.SetOnline(false)
	s.until("it is offline", func() bool { return s.do("GET", "/health", nil).text("status") == "offline" })
}

// caughtUp waits until the stores were asked for what was said before: what comes after
// comes once.
func (s *server) caughtUp() {
	s.t.Helper()
	s.until("it has caught up", func() bool {
		a := s.do("GET", "/v1/channels/tea", nil).want(200)
		return a.get("online") == true && a.get("catchingUp") == false
	})
}

// send sends a text to tea and returns the message's id.
func (s *server) send(text string, more ...any) string {
	s.t.Helper()
	body := map[string]any{"payload": []byte(text)}
	for i := 0; i < len(more); i += 2 {
		body[more[i].(string)] = more[i+1]
	}
	return s.do("POST", "/v1/channels/tea/messages", body).want(201).text("id")
}

// pair are alice and bob in the channel tea.
func pair(t testing.TB, change ...func(*causeway.Options, *rest.Options)) (alice, bob *server) {
	t.Helper()
	n := newNetwork(t)
	alice, bob = serve(t, n, "alice", change...), serve(t, n, "bob", change...)
	alice.join()
	bob.join()
	return alice, bob
}

// follow waits for an event; it begins at a cursor and returns the one after.
func (s *server) follow(after string, kind, id string, more ...string) (*rest.Event, string) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		a := s.do("GET", "/v1/events?wait=60s&limit=1&after="+after, nil).want(200)
		var page struct {
			Events []rest.Event
			Next   json.Number
		}
		check(s.t, json.Unmarshal(a.body, &page))
		after = page.Next.String()
		for _, e := range page.Events {
			if e.Kind == kind && (id == "" || string(e.ID) == id) && (len(more) == 0 || e.Gap != nil && e.Gap.State == more[0]) {
				return &e, after
			}
		}
	}
	s.t.Fatalf("no event %s of %s", kind, id)
	return nil, ""
}

// event is one of a stream.
type event struct{ id, kind, data string }

// stream reads Server-Sent Events until the test ends or the server does; comments
// are events of the kind ":".
func (s *server) stream(path string, header ...string) <-chan event {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", s.url+path, nil)
	check(s.t, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	check(s.t, err)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		s.t.Fatalf("%s: %s, %s", path, resp.Status, resp.Header.Get("Content-Type"))
	}
	events := make(chan event, 4096) // it reads on while the test does something else
	go func() {
		defer close(events)
		defer resp.Body.Close()
		var e event
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 4<<20)
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "id":
				e.id = value
			case "event":
				e.kind = value
			case "data":
				e.data = value
			case "":
				if lines.Text() != "" {
					e.kind = ":"
				}
				if e.kind != "" {
					select {
					case events <- e:
					case <-ctx.Done():
						return
					}
				}
				e = event{}
			}
		}
	}()
	return events
}

func (s *server) next(events <-chan event) (e event, ok bool) {
	s.t.Helper()
	select {
	case e, ok = <-events:
		return e, ok
	case <-time.After(patience):
		s.t.Fatal("no event came")
	}
	return
}

// until asks again and again.
func (s *server) until(what string, f func() bool) {
	s.t.Helper()
	deadline := time.After(patience)
	for !f() {
		select {
		case <-deadline:
			s.t.Fatalf("it never happened: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
