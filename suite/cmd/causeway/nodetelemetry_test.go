package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/causeway-im/causeway/suite/collector"
	"github.com/causeway-im/causeway/suite/collector/archive"
	evidence "github.com/causeway-im/causeway/telemetry/report"
)

// listening is a collector on SQLite, behind a network that can be down.
type listening struct {
	t      *testing.T
	url    string
	begun  time.Time
	busy   sync.RWMutex // held to read while a request is answered
	mu     sync.Mutex
	down   bool
	bodies [][]byte // uploads that reached it, unpacked
}

const collectorToken = "what-the-collector-wants-to-be-shown"

func listen(t *testing.T, folder string) *listening {
	t.Helper()
	a, err := archive.Open(t.Context(), filepath.Join(folder, "collector.db"))
	check(t, err)
	s, err := collector.New(collector.Options{Archive: a, Token: collectorToken, Every: time.Millisecond, Pause: time.Millisecond})
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() {
		s.Run(ctx)
		close(ran)
	}()
	l := &listening{t: t, begun: time.Now()}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.busy.RLock()
		defer l.busy.RUnlock()
		if !l.came(r) {
			panic(http.ErrAbortHandler) // the connection ends
		}
		s.Handler().ServeHTTP(w, r)
	}))
	l.url = server.URL
	t.Cleanup(func() {
		server.Close()
		cancel()
		<-ran
		check(t, s.Close())
		check(t, a.Close())
	})
	return l
}

// came keeps the upload in a request, and returns false while the network is down.
func (l *listening) came(r *http.Request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down || r.Method != http.MethodPost {
		return !l.down
	}
	packed, err := io.ReadAll(r.Body)
	if err != nil {
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(packed))
	unpack, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		l.t.Error(err)
		return true
	}
	body, err := io.ReadAll(unpack)
	if err != nil {
		l.t.Error(err)
	}
	l.bodies = append(l.bodies, body)
	return true
}

// setDown takes the network away, or gives it back. What came before is answered.
func (l *listening) setDown(down bool) {
	l.busy.Lock()
	defer l.busy.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = down
}

// uploads are those that came, in order.
func (l *listening) uploads() (list []evidence.Upload) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, body := range l.bodies {
		list = append(list, uploadOf(l.t, body))
	}
	return list
}

func uploadOf(t *testing.T, body []byte) (u evidence.Upload) {
	t.Helper()
	check(t, json.Unmarshal(body, &u))
	return u
}

// get asks the API about the days of the test.
func (l *listening) get(path string, query url.Values, into any) {
	l.t.Helper()
	if query == nil {
		query = url.Values{}
	}
	query.Set("from", l.begun.UTC().Format(time.DateOnly))
	query.Set("to", time.Now().UTC().Format(time.DateOnly))
	resp, err := http.Get(l.url + path + "?" + query.Encode())
	check(l.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	check(l.t, err)
	if resp.StatusCode != http.StatusOK {
		l.t.Fatalf("%s: %s %s", path, resp.Status, text)
	}
	check(l.t, json.Unmarshal(text, into))
}

// talk is a group of three processes that tell a collector how they fare.
type talk struct {
	t      *testing.T
	folder string
	l      *listening
	args   []string
	sent   []string // ids of messages
	texts  []string
}

func (k *talk) start(name string, args ...string) *process {
	k.t.Helper()
	return start(k.t, k.folder, name, append(slices.Clone(k.args), args...)...)
}

// says lets one write a line that others get.
func (k *talk) says(p *process, line string, others ...*process) {
	k.t.Helper()
	p.write(line)
	own := p.awaitEvent("message", object{"text": line, "own": true, "history": false})
	k.sent, k.texts = append(k.sent, own["id"].(string)), append(k.texts, line)
	for _, o := range others {
		o.awaitEvent("message", object{"text": line, "own": false})
	}
}

func (k *talk) awaitAll(p *process, n int) {
	k.t.Helper()
	waiting := map[any]bool{}
	for _, id := range k.sent[len(k.sent)-n:] {
		waiting[id] = true
	}
	for len(waiting) > 0 {
		delete(waiting, p.awaitEvent("receipt", object{"level": "everyone", "seen": 2})["id"])
	}
}

const communitySecret = "what-the-tea-drinkers-know-and-no-collector"

// TestNodeTelemetry: three processes report to a collector. One is killed and comes
// back, the network drops while one writes, and the collector with it; in the end
// the collector knows what happened, message by message and member by member, no
// more and no less, and the time of the one that was killed is not covered.
func TestNodeTelemetry(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals")
	}
	folder := t.TempDir()
	k := &talk{t: t, folder: folder, l: listen(t, folder)}
	k.args = []string{"--json", "--roster", roster(t, folder, "alice", "bob", "carol"), "--telemetry", k.l.url,
		"--telemetry-token-file", write(t, folder, "token", collectorToken), "--telemetry-secret-file", write(t, folder, "secret", communitySecret),
		"--telemetry-community", "drinkers", "--telemetry-platform", "android"}
	alices := []string{"--serve-store"}
	alice := k.start("alice", alices...)
	alice.awaitEvent("notice", object{})
	a := alice.awaitEvent("started", nil)["addresses"].([]any)[0].(string)
	others := []string{"--peer", a, "--store-node", a}
	bob, carol := k.start("bob", others...), k.start("carol", others...)
	k.awaitMembers()
	k.says(alice, "who wants tea?", bob, carol)
	k.awaitAll(alice, 1)
	k.says(carol, "I want some", alice, bob)
	k.awaitAll(carol, 1)

	carol.cmd.Process.Kill() // as kill -9 does
	carol.ended()
	killed := time.Now()
	k.says(alice, "carol?", bob)
	alice.awaitEvent("receipt", object{"id": k.sent[2], "seen": 1})
	gone := time.Now()
	carol = k.start("carol", others...)
	carol.awaitEvent("message", object{"text": "carol?", "own": false})
	k.awaitAll(alice, 1)
	k.says(carol, "here I am", alice, bob)
	k.awaitAll(carol, 1)

	k.l.setDown(true)
	alice.cmd.Process.Kill() // the way of all to each other, and the store
	alice.ended()
	bob.awaitEvent("network", object{"online": false})
	dropped := time.Now()
	for i := range 3 {
		k.says(bob, fmt.Sprintf("does anybody hear me? %d", i))
	}
	shown := k.show("bob", k.sent[4:])
	before := len(k.l.uploads())
	if slices.ContainsFunc(k.l.uploads(), func(u evidence.Upload) bool { return mentions(u, k.name(k.sent[4])) }) {
		t.Error("the collector knows what was written offline")
	}
	k.l.setDown(false)
	alice = k.start("alice", alices...)
	for _, p := range []*process{alice, carol} {
		p.awaitEvent("message", object{"text": k.texts[6], "own": false})
	}
	k.awaitAll(bob, 3)
	reached := time.Now()

	k.awaitUploads()
	k.stop(alice, bob, carol)
	k.compareShown(shown, before)
	k.compareUploads(killed, gone, dropped, reached)
	k.compareAPI()
	k.nothingSecretKept()
}

// awaitMembers waits until all have told that they are members. That is durable within
// a second, not at once, and the collector compares clocks, as well as it can, to tell
// it from before a message.
func (k *talk) awaitMembers() {
	k.t.Helper()
	eventually(k.t, "all have told that they are members", func() bool {
		installs := map[string]bool{}
		for _, u := range k.l.uploads() {
			if slices.ContainsFunc(u.Events, func(e evidence.Event) bool { return e.Kind == evidence.Membership }) {
				installs[u.Install] = true
			}
		}
		return len(installs) == 3
	})
}

// awaitUploads waits until all is told but the goodbyes: who ends tries that for a few
// seconds only.
func (k *talk) awaitUploads() {
	k.t.Helper()
	eventually(k.t, "all have told of all messages", func() bool {
		told := map[string]bool{}
		for _, u := range k.l.uploads() {
			for _, e := range u.Events {
				switch e.Kind {
				case evidence.Composed, evidence.Received:
					told[u.Install+e.Message] = true
				case evidence.Handed, evidence.Acknowledged:
					if e.Kind == evidence.Handed || e.Count == e.Audience {
						told[string(e.Kind)+e.Message] = true
					}
				}
			}
		}
		return len(told) >= (3+2)*len(k.sent)
	})
}

// stop ends all of them, in three ways, each of them in order.
func (k *talk) stop(alice, bob, carol *process) {
	k.t.Helper()
	bob.write("/telemetry")
	bob.awaitEvent("telemetry", object{"enabled": true, "dropped": 0, "rejected": 0})
	bob.in.Close()
	carol.write("/quit")
	alice.cmd.Process.Signal(syscall.SIGTERM)
	for _, p := range []*process{alice, bob, carol} {
		p.awaitEvent("stopped", object{"unsent": 0})
		if code := p.ended(); code != 0 {
			k.t.Errorf("%s: exit code %d", p.name, code)
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, folder, name, content string) string {
	t.Helper()
	file := filepath.Join(folder, name)
	check(t, os.WriteFile(file, []byte(content+"\n"), 0o600))
	return file
}

func (k *talk) names() *evidence.Pseudonyms {
	p, err := evidence.NewPseudonyms([]byte(communitySecret))
	check(k.t, err)
	return p
}

func (k *talk) name(id string) string { return k.names().Message(id) }

func mentions(u evidence.Upload, message string) bool {
	return slices.ContainsFunc(u.Events, func(e evidence.Event) bool { return e.Message == message })
}

// show asks the command what a node would send next, until that has some messages and
// that it is isolated.
func (k *talk) show(name string, ids []string) (u evidence.Upload) {
	k.t.Helper()
	eventually(k.t, "show has it", func() bool {
		var out, errOut strings.Builder
		if code := run(newRoot(), []string{"telemetry", "show", "--data", filepath.Join(k.folder, name)}, nil, &out, &errOut); code != 0 {
			k.t.Fatalf("exit code %d: %s", code, &errOut)
		}
		if out.Len() > 0 {
			u = uploadOf(k.t, []byte(out.String()))
		}
		isolated := func(e evidence.Event) bool { return e.State == evidence.Isolated }
		return !slices.ContainsFunc(ids, func(id string) bool { return !mentions(u, k.name(id)) }) && slices.ContainsFunc(u.Events, isolated)
	})
	return u
}

// eventually waits until f is true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	timeout, tick := time.After(patience), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-timeout:
			t.Fatalf("it never happened: %s", what)
		case <-tick.C:
		}
	}
}

// compareShown: what show printed is what was sent next, but for what came to it.
func (k *talk) compareShown(shown evidence.Upload, before int) {
	k.t.Helper()
	for _, u := range k.l.uploads()[before:] {
		if u.Install != shown.Install {
			continue
		}
		if u.Epoch != shown.Epoch || u.First != shown.First || u.Device != shown.Device || len(u.Events) < len(shown.Events) {
			k.t.Errorf("shown %+v, sent %+v", shown, u)
			return
		}
		for i, e := range shown.Events {
			if fmt.Sprint(u.Events[i]) != fmt.Sprint(e) {
				k.t.Errorf("shown %+v, sent %+v", e, u.Events[i])
			}
		}
		return
	}
	k.t.Error("what was shown was not sent")
}

// compareUploads checks what came against what happened.
func (k *talk) compareUploads(killed, gone, dropped, reached time.Time) {
	t := k.t
	t.Helper()
	type number struct {
		install    string
		epoch, seq uint64
	}
	events, covered, author := map[number]evidence.Event{}, map[string][]evidence.Span{}, map[string]string{}
	for i, u := range k.l.uploads() {
		covered[u.Install] = append(covered[u.Install], u.Coverage...)
		if len(u.Dropped) > 0 || u.Device.Platform != evidence.Android || u.Device.Protocol != "causeway" || u.Device.Consent != 1 {
			t.Errorf("%+v", u)
		}
		for _, e := range u.Events {
			n := number{u.Install, u.Epoch, e.Seq}
			if was, ok := events[n]; ok && fmt.Sprint(was) != fmt.Sprint(e) {
				t.Errorf("%v was %+v, is %+v", n, was, e)
			}
			events[n] = e
			if e.Kind == evidence.Membership {
				author[u.Install] = e.Member
			}
		}
		k.nothingSecret(fmt.Sprint("upload ", i), k.l.bodies[i])
	}
	if len(covered) != 3 {
		t.Errorf("%d installations", len(covered))
	}
	told, states := map[string]int{}, map[string]string{}
	for n, e := range events {
		switch e.Kind {
		case evidence.Composed, evidence.Received:
			told[fmt.Sprint(e.Kind, " ", e.Message, " ", author[n.install])]++
		case evidence.Presence:
			states[string(e.State)] = n.install
		}
		if e.Kind == evidence.Composed && e.Message == k.name(k.sent[4]) && (e.At < dropped.UnixMilli() || e.At > reached.UnixMilli()) {
			t.Errorf("written offline from %d to %d: %+v", dropped.UnixMilli(), reached.UnixMilli(), e)
		}
	}
	for key, n := range told {
		if n != 1 {
			t.Errorf("%s is there %d times", key, n)
		}
	}
	if want := 3 * len(k.sent); len(told) != want {
		t.Errorf("%d composed and received, want %d", len(told), want)
	}
	for _, s := range []evidence.State{evidence.Online, evidence.Isolated, evidence.Goodbye} {
		if states[string(s)] == "" {
			t.Errorf("nobody was %s", s)
		}
	}
	carol := k.names().Member("CAROL")
	for install, spans := range covered {
		for _, s := range spans {
			if author[install] == carol && s.From < gone.UnixMilli() && s.To > killed.UnixMilli() {
				t.Errorf("the one that was killed claims %v, and was not there from %d to %d", s, killed.UnixMilli(), gone.UnixMilli())
			}
		}
	}
}

// nothingSecret checks that nothing is in a text that names somebody or something.
func (k *talk) nothingSecret(what string, text []byte) {
	k.t.Helper()
	for _, s := range append([]string{communitySecret, "ALICE", "alice", "CAROL", "carol", "drinkers", "12D3KooW", "127.0.0.1", "/ip4/", k.folder},
		append(k.texts, k.sent...)...) {
		if bytes.Contains(text, []byte(s)) {
			k.t.Errorf("%s has %q", what, s)
		}
	}
}

// nothingSecretKept checks what the collector has on its disk.
func (k *talk) nothingSecretKept() {
	k.t.Helper()
	for _, file := range []string{"collector.db", "collector.db-wal"} {
		kept, err := os.ReadFile(filepath.Join(k.folder, file))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			k.t.Fatal(err)
		}
		k.nothingSecret(file, kept)
	}
}

// told is a message as the API tells of it.
type told struct {
	Message string
	Author  string
	Topic   string
	Left    bool
	Acked   int64
	Minute  [4]int
	Day24   [4]int `json:"within24h"`
	Events  []struct {
		Install string
		Kind    evidence.Kind
	}
}

// compareAPI asks the collector for the cells, and for how far it can be relied on.
func (k *talk) compareAPI() {
	t := k.t
	t.Helper()
	topic, p := "/causeway/1/general/proto", k.names()
	var channels struct {
		Channels []struct{ Channel, Community, Topic, Pubsub string }
	}
	var list struct{ Messages []told }
	defer func() {
		if t.Failed() {
			t.Logf("the collector knows %+v", list)
		}
	}()
	eventually(t, "all is estimated", func() bool {
		k.l.get("/v1/messages", url.Values{"limit": {"1000"}}, &list)
		return len(list.Messages) == len(k.sent) && !slices.ContainsFunc(list.Messages, func(m told) bool { return m.Day24[0] != 2 || m.Acked < 0 })
	})
	k.l.get("/v1/channels", nil, &channels)
	if c := channels.Channels; len(c) != 1 || c[0].Topic != topic || c[0].Channel != p.Channel("general") || c[0].Community != p.Community("drinkers") || c[0].Pubsub == "" {
		t.Errorf("%+v", c)
	}
	authors := []string{"ALICE", "CAROL", "ALICE", "CAROL", "BOB", "BOB", "BOB"}
	for i, id := range k.sent {
		var m told
		k.l.get("/v1/messages/"+k.name(id), nil, &m)
		n := map[evidence.Kind]int{}
		for _, e := range m.Events {
			n[e.Kind]++
		}
		if m.Author != p.Member(authors[i]) || m.Topic != topic || !m.Left || m.Day24 != [4]int{2} || n[evidence.Composed] != 1 || n[evidence.Received] != 2 ||
			n[evidence.Handed] == 0 || n[evidence.Acknowledged] == 0 || n[evidence.Lost]+n[evidence.GaveUp] > 0 {
			t.Errorf("%s: %+v", k.texts[i], m)
		}
	}
	k.compareEstimates(topic)
}

func (k *talk) compareEstimates(topic string) {
	t := k.t
	t.Helper()
	var e struct {
		Estimates []struct {
			Value   string
			Funnel  struct{ Composed, Handed, Left, Acked float64 }
			Ack     struct{ Cases float64 }
			Covered []struct {
				Measure                    string
				Delivered, Lost, Undecoded float64
			}
		}
	}
	var days struct {
		Days []struct {
			Trust struct {
				Devices, Reporters int
				Covered            float64
				Dropped, Absent    uint64
			}
		}
	}
	all := float64(len(k.sent))
	eventually(t, "the day is estimated with all", func() bool {
		k.l.get("/v1/estimates", url.Values{"by": {"topic"}}, &e)
		k.l.get("/v1/days", nil, &days)
		return len(days.Days) > 0 && len(e.Estimates) > 0 && e.Estimates[0].Ack.Cases == all && e.Estimates[0].Covered[2].Delivered == 2*all
	})
	if len(e.Estimates) != 1 || e.Estimates[0].Value != topic || e.Estimates[0].Ack.Cases != all {
		t.Fatalf("%+v", e)
	}
	if f := e.Estimates[0].Funnel; f.Composed != all || f.Handed != all || f.Left != all || f.Acked != all {
		t.Errorf("%+v", f)
	}
	for _, r := range e.Estimates[0].Covered {
		if r.Measure == "24h" && (r.Delivered != 2*all || r.Lost != 0) {
			t.Errorf("%+v", r)
		}
	}
	for _, d := range days.Days {
		if d.Trust.Devices != 3 || d.Trust.Reporters != 3 || d.Trust.Covered >= 1 || d.Trust.Covered <= 0 || d.Trust.Dropped+d.Trust.Absent > 0 {
			t.Errorf("%+v", d)
		}
	}
}
