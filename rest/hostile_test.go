package rest_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/rest"
	"github.com/causeway-im/causeway/sds"
)

// TestHostile asks for what can't be, and is told which field is wrong.
func TestHostile(t *testing.T) {
	alice, _ := pair(t, func(_ *causeway.Options, r *rest.Options) { r.MaxPayload = 1000 })
	const channels, tea, messages, rules = "/v1/channels", "/v1/channels/tea", "/v1/channels/tea/messages", "/v1/faults/rules"
	long := strings.Repeat("x", 600)
	for _, tt := range []struct {
		method, path string
		body         any
		status       int
		code, field  string
	}{
		{"GET", "/nothing", nil, 404, "no_such_path", ""},
		{"GET", "/page/page.go", nil, 404, "no_such_path", ""},
		{"PATCH", channels, nil, 405, "method_not_allowed", ""},
		{"POST", "/", nil, 405, "method_not_allowed", ""},
		{"GET", "/v1/channels/nobody", nil, 404, "channel_unknown", "channel"},
		{"GET", "/v1/channels/base64:!!", nil, 400, "bad_request", "channel"},
		{"GET", "/v1/channels/%ff", nil, 400, "bad_request", "channel"},
		{"GET", tea + "?x=1", nil, 400, "bad_request", "x"},

		{"POST", channels, "", 400, "bad_json", "body"},
		{"POST", channels, "[]", 400, "bad_json", "body"},
		{"POST", channels, `{"channel":"x"} x`, 400, "bad_json", "body"},
		{"POST", channels, `{"channel":7}`, 400, "bad_json", "channel"},
		{"POST", channels, `{"channel":"x","chanel":"y"}`, 400, "bad_json", "chanel"},
		{"POST", channels, strings.Repeat("[", 1_000_000), 400, "bad_json", "body"},
		{"POST", channels, `{"channel":"` + strings.Repeat("x", 5<<20) + `"}`, 413, "body_too_large", "body"},
		{"POST", channels, `{}`, 400, "bad_request", "channel"},
		{"POST", channels, map[string]string{"channel": long}, 400, "bad_request", ""},
		{"POST", channels, map[string]string{"channel": "x", "participant": long}, 400, "bad_request", ""},
		{"POST", channels, map[string]string{"channel": "x", "profile": "latin"}, 400, "bad_request", "profile"},
		{"POST", channels, map[string]any{"channel": "x", "joinPoint": -1}, 400, "bad_json", "joinPoint"},
		{"POST", channels, map[string]any{"channel": "x", "joinPoint": uint64(1 << 60)}, 400, "bad_request", ""},
		{"DELETE", tea + "?forget=perhaps", nil, 400, "bad_request", "forget"},

		{"POST", messages, `{}`, 400, "payload_empty", "payload"},
		{"POST", messages, `{"payload":"not base64"}`, 400, "bad_json", "payload"},
		{"POST", messages, map[string]any{"payload": make([]byte, 1001)}, 413, "payload_too_large", "payload"},
		{"POST", messages, map[string]any{"payload": []byte("x"), "want": "all"}, 400, "bad_request", "want"},
		{"POST", messages, map[string]any{"payload": []byte("x"), "want": "fraction"}, 400, "bad_request", "fraction"},
		{"POST", messages, map[string]any{"payload": []byte("x"), "want": "fraction", "fraction": 1.5}, 400, "bad_request", "fraction"},
		{"POST", messages, map[string]any{"payload": []byte("x"), "fraction": 0.5}, 400, "bad_request", "fraction"},
		{"POST", messages, map[string]any{"payload": []byte("x"), "want": "persons"}, 400, "bad_request", "persons"},
		{"POST", messages, map[string]any{"payload": []byte("x"), "want": "one", "persons": []string{"Bob"}}, 400, "bad_request", "persons"},
		{"POST", messages, map[string]any{"payload": []byte("x"), "priority": "now"}, 400, "bad_request", "priority"},
		{"POST", messages, map[string]any{"payload": []byte("x"), "replace": strings.Repeat("x", 10_000)}, 400, "bad_request", ""},
		{"GET", messages + "?limit=0", nil, 400, "bad_request", "limit"},
		{"GET", messages + "?limit=1001", nil, 400, "bad_request", "limit"},
		{"GET", messages + "?limit=1&limit=2", nil, 400, "bad_request", "limit"},
		{"GET", messages + "?order=size", nil, 400, "bad_request", "order"},
		{"GET", messages + "?after=x", nil, 400, "bad_request", "after"},
		{"GET", messages + "?after=-1&order=position", nil, 400, "bad_request", "after"},
		{"GET", messages + "?a=%zz", nil, 400, "bad_request", "query"},
		{"GET", messages + "/nothing", nil, 404, "message_unknown", "message"},
		{"GET", messages + "/nothing/receipt", nil, 404, "message_unknown", "message"},
		{"GET", messages + "/x/receipt?level=best", nil, 400, "bad_request", "level"},
		{"GET", messages + "/x/receipt?wait=2h", nil, 400, "bad_request", "wait"},
		{"GET", tea + "/gaps?after=base64:*", nil, 400, "bad_request", "after"},

		{"GET", "/v1/events?after=x", nil, 400, "bad_request", "after"},
		{"GET", "/v1/events?after=-1", nil, 400, "bad_request", "after"},
		{"GET", "/v1/events?wait=-1s", nil, 400, "bad_request", "wait"},
		{"GET", "/v1/events?channel=nobody", nil, 404, "channel_unknown", "channel"},
		{"GET", "/v1/events/stream?limit=1", nil, 400, "bad_request", "limit"},
		{"POST", "/v1/compare", `{"digests":{}}`, 400, "bad_request", "digests"},

		{"POST", rules, `{}`, 400, "bad_request", "action"},
		{"POST", rules, `{"action":"drop","on":["up"]}`, 400, "bad_request", "on"},
		{"POST", rules, `{"action":"drop","kind":"big"}`, 400, "bad_request", "kind"},
		{"POST", rules, `{"action":"drop","hash":"xy"}`, 400, "bad_request", "hash"},
		{"POST", rules, `{"action":"drop","hash":"aa"}`, 400, "bad_rule", "hash"},
		{"POST", rules, `{"action":"drop","share":2}`, 400, "bad_rule", "share"},
		{"POST", rules, `{"action":"drop","next":-1}`, 400, "bad_rule", "next"},
		{"POST", rules, `{"action":"delay","duration":"soon"}`, 400, "bad_json", "duration"},
		{"POST", rules, `{"action":"delay"}`, 400, "bad_rule", "duration"},
		{"POST", rules, `{"action":"delay","duration":"2h"}`, 400, "bad_rule", "duration"},
		{"POST", rules, `{"action":"delay","duration":"1s","on":["retrieve"]}`, 400, "bad_rule", "on"},
		{"POST", rules, `{"action":"duplicate","copies":101}`, 400, "bad_rule", "copies"},
		{"POST", rules, `{"action":"drop","payload":"_-8"}`, 400, "bad_json", "payload"},
		{"GET", rules + "/9", nil, 404, "rule_unknown", "rule"},
		{"PUT", "/v1/faults/online", `{}`, 400, "bad_request", "online"},
		{"PUT", "/v1/faults/partition", `{}`, 400, "bad_request", "participants"},
		{"PUT", "/v1/faults/clock", `{"offset":"999999h"}`, 400, "bad_request", "offset"},
		{"PUT", "/v1/faults/clock", `{}`, 400, "bad_request", "offset"},
	} {
		if a := alice.do(tt.method, tt.path, tt.body); a.status != tt.status {
			body := a.body[:min(len(a.body), 300)]
			t.Errorf("%s: %d %s, want %d", a.what, a.status, body, tt.status)
		} else {
			a.problem(tt.status, tt.code, tt.field)
		}
	}
	alice.do("POST", messages, `{}`, "Content-Type", "text/plain").problem(415, "content_type", "Content-Type")
	if a := alice.do("PUT", channels, nil); a.header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("Allow: %q", a.header.Get("Allow"))
	}
	alice.do("HEAD", "/health", nil).want(200)
	alice.do("HEAD", "/v1/events/stream", nil).want(200)
	alice.do("GET", tea, nil).want(200).is(map[string]any{"messages": 0})
}

// TestOddIDs: every id can be written, in a path and in JSON.
func TestOddIDs(t *testing.T) {
	s := serve(t, newNetwork(t), "alice")
	for _, id := range []string{"a/b", "ü 😀", "%2F", "..", "base64:x", "a?b#c", "\xff\x00", "\x01"} {
		name := rest.Text(id)
		s.do("POST", "/v1/channels", map[string]any{"channel": name, "participant": rest.Text("p" + id)}).want(201)
		path := "/v1/channels/" + url.PathEscape(name.String())
		if id == ".." { // which paths understand otherwise
			path = "/v1/channels/base64:" + base64.RawURLEncoding.EncodeToString([]byte(id))
		}
		s.do("GET", path, nil).want(200).is(map[string]any{"channel": name.String(), "participant": rest.Text("p" + id).String()})
		sent := s.do("POST", path+"/messages", map[string]any{"payload": []byte("x")}).want(201)
		if id != ".." {
			s.do("GET", sent.header.Get("Location"), nil).want(200).is(map[string]any{"id": sent.text("id")})
		}
		back, err := rest.ParseText(name.String())
		if err != nil || back != name {
			t.Errorf("%q is read as %q, %v", id, back, err)
		}
	}
}

// TestGuard: who may ask.
func TestGuard(t *testing.T) {
	n := newNetwork(t)
	open := serve(t, n, "alice", func(_ *causeway.Options, r *rest.Options) { r.Hosts = []string{"qa.example"} })
	const token = "a token of sufficient length"
	closed := serve(t, n, "bob", func(_ *causeway.Options, r *rest.Options) { r.Token = token })
	for _, tt := range []struct {
		s      *server
		path   string
		header []string
		status int
		code   string
	}{
		{open, "/health", []string{"Host", "localhost:1"}, 200, ""},
		{open, "/health", []string{"Host", "[::1]:1"}, 200, ""},
		{open, "/health", []string{"Host", "127.0.0.9"}, 200, ""},
		{open, "/health", []string{"Host", "QA.example:80"}, 200, ""},
		{open, "/health", []string{"Host", "evil.example"}, 403, "foreign_host"},
		{open, "/", []string{"Host", "evil.example"}, 403, "foreign_host"},
		{open, "/health", []string{"Host", "localhost.evil.example"}, 403, "foreign_host"},
		{open, "/health", []string{"Host", "192.0.2.1"}, 403, "foreign_host"},
		{open, "/health", []string{"Host", "localhost:1", "Origin", "http://localhost:1"}, 200, ""},
		{open, "/health", []string{"Host", "localhost:1", "Origin", "http://localhost:2"}, 403, "foreign_origin"},
		{open, "/health", []string{"Origin", "http://evil.example"}, 403, "foreign_origin"},
		{open, "/health", []string{"Origin", "null"}, 403, "foreign_origin"},
		{closed, "/health", nil, 401, "unauthorized"},
		{closed, "/health", []string{"Authorization", "Bearer " + token + "x"}, 401, "unauthorized"},
		{closed, "/health", []string{"Authorization", "Basic " + token}, 401, "unauthorized"},
		{closed, "/health", []string{"Authorization", token}, 401, "unauthorized"},
		{closed, "/health", []string{"Authorization", "Bearer " + token}, 200, ""},
		{closed, "/health", []string{"Authorization", "bearer " + token, "Host", "node.example"}, 200, ""},
		{closed, "/health", []string{"Authorization", "Bearer " + token, "Origin", "http://evil.example"}, 403, "foreign_origin"},
		{closed, "/", nil, 200, ""},
		{closed, "/page/main.js", nil, 200, ""},
		{closed, "/openapi.yaml", nil, 401, "unauthorized"},
	} {
		a := tt.s.do("GET", tt.path, nil, tt.header...)
		if a.status != tt.status || tt.code != "" && a.text("code") != tt.code {
			t.Errorf("%s %q: %d %.100s, want %d %s", tt.path, tt.header, a.status, a.body, tt.status, tt.code)
		}
		if got := a.header.Get("WWW-Authenticate"); (got == "Bearer") != (tt.status == 401) {
			t.Errorf("%s %q: WWW-Authenticate %q with %d", tt.path, tt.header, got, a.status)
		}
		if a.header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'self'") {
			t.Errorf("%s: headers %v", tt.path, a.header)
		}
	}
}

// TestPanicIsContained: what goes wrong in the host's code is an error like others.
func TestPanicIsContained(t *testing.T) {
	s := serve(t, newNetwork(t), "alice", func(_ *causeway.Options, r *rest.Options) { r.Peers = func() []rest.Peer { panic("host") } })
	s.do("GET", "/v1/peers", nil).problem(500, "internal", "")
	s.do("GET", "/health", nil).want(200)
}

// keeper remembers what it was told.
type keeper struct {
	told []string
	err  error
}

func (k *keeper) Joined(cfg causeway.ChannelConfig) error {
	k.told = append(k.told, "joined "+string(cfg.Channel)+string(rune('0'+members(cfg))))
	return k.err
}

func (k *keeper) Left(id causeway.ChannelID) error {
	k.told = append(k.told, "left "+string(id))
	return k.err
}

// TestKeeper is told of channels and rosters; when it fails, who asked is told.
func TestKeeper(t *testing.T) {
	k := &keeper{}
	s := serve(t, newNetwork(t), "alice", func(_ *causeway.Options, r *rest.Options) {
		r.Keeper = k
		r.Configure = func(cfg *causeway.ChannelConfig) error {
			if cfg.Channel == "no" {
				return errors.New("not this one")
			}
			cfg.Topic = "made here"
			return nil
		}
	})
	s.do("POST", "/v1/channels", map[string]any{"channel": "no"}).problem(400, "bad_request", "topic")
	s.do("POST", "/v1/channels", map[string]any{"channel": "tea", "roster": people}).want(201).is(map[string]any{"topic": "made here"})
	s.do("DELETE", "/v1/channels/tea/roster", nil).want(204)
	k.err = errors.New("disk full")
	s.do("PUT", "/v1/channels/tea/roster", people).problem(500, "not_kept", "")
	s.do("DELETE", "/v1/channels/tea", nil).problem(500, "not_kept", "")
	s.do("POST", "/v1/channels", map[string]any{"channel": "tea"}).problem(500, "not_kept", "")
	if got := strings.Join(k.told, ", "); got != "joined tea2, joined tea0, joined tea2, left tea, joined tea0" {
		t.Error(got)
	}
}

// TestJoinRoundTrip: what a Keeper keeps is what was joined.
func TestJoinRoundTrip(t *testing.T) {
	roster := causeway.Roster{Members: map[causeway.ParticipantID]causeway.PersonID{"a\xff": "A", "b": "B"}, Stewards: []causeway.PersonID{"B"}}
	cfg := causeway.ChannelConfig{Channel: "c\xfe", Participant: "a\xff", Topic: "t", Profile: causeway.ProfileNim, Roster: &roster, JoinPoint: 7, Steward: true}
	j := rest.JoinOf(cfg)
	back, err := j.Config()
	check(t, err)
	if back.Channel != cfg.Channel || back.Participant != cfg.Participant || back.Topic != "t" || back.Profile.Name != "nim" || back.JoinPoint != 7 ||
		!back.Steward || back.Roster.Members["a\xff"] != "A" || len(back.Roster.Members) != 2 || back.Roster.Stewards[0] != "B" {
		t.Errorf("%+v", back)
	}
}

// FuzzBodies: nothing that a body can be makes anything panic, and what is read can be
// written.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{`{}`, `{"channel":"x","roster":{"members":{"a":"A"}}}`, `{"payload":"eA==","want":"fraction","fraction":0.5}`,
		`{"action":"delay","duration":"1s","on":["send"]}`, `{"channel":"base64:_w"}`, `{"members":{"base64:_w":"A"},"stewards":["A"]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, fresh := range rest.Bodies() {
			v := fresh()
			err := rest.Decode(b, v)
			var p *rest.Problem
			if err != nil && (!errors.As(err, &p) || p.Status != http.StatusBadRequest || p.Field == "") {
				t.Fatalf("%v", err)
			}
			if j, ok := v.(*rest.Join); ok && err == nil {
				cfg, err := j.Config()
				if err == nil && cfg.Channel == "" {
					t.Fatal("a channel without an id")
				}
			}
		}
	})
}

// TestContentLimit: without a limit of the host's, that of the protocol holds.
func TestContentLimit(t *testing.T) {
	alice, bob := pair(t)
	alice.do("POST", "/v1/channels/tea/messages", map[string]any{"payload": make([]byte, rest.MaxPayload+1)}).
		problem(413, "payload_too_large", "payload").is(map[string]any{"limit": rest.MaxPayload})
	id := alice.do("POST", "/v1/channels/tea/messages", map[string]any{"payload": make([]byte, rest.MaxPayload)}).want(201).text("id")
	bob.follow("", "progress", "")
	e, _ := bob.follow("", "delivered", id)
	if len(e.Message.Payload) != rest.MaxPayload || e.Message.Segments < 2 {
		t.Errorf("%d bytes came in %d messages", len(e.Message.Payload), e.Message.Segments)
	}
	alice.do("POST", "/v1/channels", map[string]any{"channel": "js", "profile": "js"}).want(201)
	alice.do("POST", "/v1/channels/js/messages", map[string]any{"payload": make([]byte, sds.MaxContent+1)}).problem(413, "payload_too_large", "payload")
}

func members(cfg causeway.ChannelConfig) int {
	if r := rest.JoinOf(cfg).Roster; r != nil {
		return len(r.Members)
	}
	return 0
}

// lateWriter remembers until when something may be written.
type lateWriter struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (w *lateWriter) SetWriteDeadline(t time.Time) error {
	w.until = t
	return nil
}

// TestEveryAnswerHasTime: the time for one answer is not what was left of that for the
// one before on the same connection, whatever is asked for.
func TestEveryAnswerHasTime(t *testing.T) {
	s := serve(t, newNetwork(t), "alice")
	for _, path := range []string{"/", "/page/main.js", "/openapi.yaml", "/nothing", "/health", "http://evil.example/health"} {
		past := time.Now()
		w := &lateWriter{httptest.NewRecorder(), past}
		r := httptest.NewRequest("GET", path, nil)
		if r.Host == "example.com" {
			r.Host = "localhost"
		}
		if s.api.ServeHTTP(w, r); !w.until.After(past) {
			t.Errorf("%s: %d by %v", path, w.Code, w.until)
		}
	}
}

// TestPageOfLargePayloads: a page of the log has a bound, and says that there is more.
func TestPageOfLargePayloads(t *testing.T) {
	s := serve(t, newNetwork(t), "alice")
	s.join()
	const count, size = 24, 1 << 20
	for i := range count {
		content := make([]byte, size)
		content[0] = byte(i)
		_, err := s.node.Channel("tea").Send(t.Context(), content, causeway.SendOptions{})
		check(t, err)
	}
	first := s.do("GET", "/v1/channels/tea/messages?order=position", nil).want(200)
	if n := len(first.get("messages").([]any)); n < 1 || n >= count || first.get("more") != true {
		t.Fatalf("%d messages, more %v", n, first.get("more"))
	}
	rest := s.do("GET", "/v1/channels/tea/messages?order=position&after="+first.text("next"), nil).want(200)
	if n := len(first.get("messages").([]any)) + len(rest.get("messages").([]any)); n != count || rest.get("more") != false {
		t.Errorf("%d messages, more %v", n, rest.get("more"))
	}
}

// TestDetails: what is said of common mistakes names the field and what it must be, and
// has no words of Go.
func TestDetails(t *testing.T) {
	alice, _ := pair(t)
	const channels, messages, rules = "/v1/channels", "/v1/channels/tea/messages", "/v1/faults/rules"
	for _, tt := range []struct{ method, path, body, want string }{
		{"POST", channels, ``, "the body is empty, and must be a JSON object"},
		{"POST", channels, `{"channel":"x"`, "the body is not valid JSON: it ends in the middle"},
		{"POST", channels, `{"channel":7}`, "channel must be a string, and is a number"},
		{"POST", channels, `{"channel":"x","roster":[]}`, "roster must be an object, and is an array"},
		{"POST", channels, `{"channel":"x","joinPoint":-1}`, "joinPoint must be a whole number, not below 0, and is a number -1"},
		{"POST", channels, `{"channel":"tea"}`, "channel is joined already: tea"},
		{"POST", messages, `{"payload":"hello!"}`, "payload must be base64 of the standard alphabet, with its padding"},
		{"POST", messages, `{}`, "payload must be given, and not be empty"},
		{"POST", messages, `{"payload":"aGk=","persons":"Bob"}`, "persons must be a list, and is a string"},
		{"POST", messages, `{"payload":"aGk=","ephemeral":"yes"}`, "ephemeral must be true or false, and is a string"},
		{"GET", messages + "/nothing/receipt", ``, "this node keeps nothing of a message with this id; only own messages have receipts"},
		{"POST", rules, `{"action":"delay","duration":5}`, `duration must be a duration, such as "1.5s"`},
		{"POST", rules, `{"action":"drop","share":20}`, "share must be from 0 to 1, and is 20"},
	} {
		a := alice.do(tt.method, tt.path, tt.body)
		if got := a.get("detail"); got != tt.want {
			t.Errorf("%s %s %s: %q, want %q", tt.method, tt.path, tt.body, got, tt.want)
		}
	}
}
