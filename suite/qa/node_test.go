package qa

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/causeway-im/causeway/suite/internal/commandtest"
)

// patience is how long a test waits for anything.
const patience = time.Minute

// command is the program, built once.
var command string

func TestMain(m *testing.M) { commandtest.Main(m, &command) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// node is a process.
type node struct {
	t      testing.TB
	name   string
	args   []string
	cmd    *exec.Cmd
	ended  chan struct{}
	url    string // of the API
	addr   string // on Waku
	client *client
}

// launch starts a node in folder/name and returns when it serves.
func launch(t testing.TB, folder, name string, args ...string) *node {
	t.Helper()
	n := &node{t: t, name: name, args: append([]string{"node", "--data", filepath.Join(folder, name), "--name", name,
		"--rest", "127.0.0.1:0", "--faults", "--json"}, args...)}
	n.start()
	t.Cleanup(n.kill)
	return n
}

func (n *node) start() {
	n.t.Helper()
	n.cmd = exec.Command(command, n.args...)
	n.cmd.Stderr = os.Stderr
	out, err := n.cmd.StdoutPipe()
	check(n.t, err)
	check(n.t, n.cmd.Start())
	n.ended = make(chan struct{})
	started := make(chan struct{})
	go n.read(out, started)
	select {
	case <-started:
	case <-n.ended:
		n.t.Fatalf("%s ended at once", n.name)
	case <-time.After(patience):
		n.t.Fatalf("%s does not serve", n.name)
	}
	n.client = &client{t: n.t, name: n.name, url: n.url}
}

// read finds out where the node is, and reads on so that it is not held up.
func (n *node) read(out io.Reader, started chan<- struct{}) {
	defer close(n.ended)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var line struct {
			Event, URL string
			Addresses  []string
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue
		}
		switch line.Event {
		case "started":
			n.addr = line.Addresses[0]
		case "rest":
			n.url = line.URL
			close(started)
		}
	}
}

// kill ends the process as a crash does.
func (n *node) kill() { n.end(syscall.SIGKILL) }

// stop ends it in good order.
func (n *node) stop() {
	n.t.Helper()
	if err := n.end(syscall.SIGTERM); err != nil {
		n.t.Errorf("%s: %v", n.name, err)
	}
}

func (n *node) end(signal os.Signal) error {
	if n.cmd == nil {
		return nil
	}
	n.cmd.Process.Signal(signal)
	<-n.ended
	err := n.cmd.Wait()
	n.cmd = nil
	return err
}

// restart starts it again after a crash.
func (n *node) restart() {
	n.t.Helper()
	n.kill()
	n.start()
}

// group are nodes that know each other, members of the channel tea.
type group []*node

// newGroup starts members; more are flags of all.
func newGroup(t testing.TB, names string, more ...string) group {
	t.Helper()
	folder := t.TempDir()
	g := newPeers(t, folder, names, more...)
	g.join(t)
	return g
}

// newPeers starts nodes that know each other.
func newPeers(t testing.TB, folder, names string, more ...string) group {
	t.Helper()
	var g group
	args := more
	for _, name := range strings.Fields(names) {
		n := launch(t, folder, name, args...)
		args = append(args[:len(args):len(args)], "--peer", n.addr)
		g = append(g, n)
	}
	return g
}

// join lets all members join tea, with all of them in the roster.
func (g group) join(t testing.TB) {
	t.Helper()
	members := map[string]string{}
	for _, n := range g {
		members[n.name] = strings.ToUpper(n.name)
	}
	for _, n := range g {
		n.online()
		n.do("POST", "/v1/channels", map[string]any{"channel": "tea", "roster": map[string]any{"members": members}}).want(201)
	}
}

// online waits until the node is connected.
func (n *node) online() {
	n.t.Helper()
	n.until("it is online", func() bool { return n.do("GET", "/health", nil).want(200).get("online") == true })
}

func (n *node) do(method, path string, body any, header ...string) *answer {
	n.t.Helper()
	return n.client.do(method, path, body, header...)
}

// until asks again and again.
func (n *node) until(what string, f func() bool) {
	n.t.Helper()
	n.within(patience, what, f)
}

// within is until for what may take longer.
func (n *node) within(limit time.Duration, what string, f func() bool) {
	n.t.Helper()
	deadline := time.After(limit)
	for !f() {
		select {
		case <-deadline:
			n.t.Fatalf("%s: it never happened: %s", n.name, what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// send sends a text to tea.
func (n *node) send(text string, more ...any) (id string) {
	n.t.Helper()
	body := map[string]any{"payload": []byte(text)}
	for i := 0; i < len(more); i += 2 {
		body[more[i].(string)] = more[i+1]
	}
	return n.do("POST", "/v1/channels/tea/messages", body).want(201).text("id")
}

// reads waits until the log of tea has a message.
func (n *node) reads(id string) *answer {
	n.t.Helper()
	var a *answer
	n.until("it has "+id, func() bool {
		a = n.do("GET", "/v1/channels/tea/messages/"+id, nil)
		return a.status == 200 && a.text("position") != "0"
	})
	return a
}

// reached waits until an own message is acknowledged by all.
func (n *node) reached(id string) *answer {
	n.t.Helper()
	a := n.do("GET", "/v1/channels/tea/messages/"+id+"/receipt?level=everyone&wait=60s", nil).want(200)
	if a.text("level") != "everyone" {
		n.t.Fatalf("%s: not all have %s: %s", n.name, id, a.body)
	}
	return a
}

// texts returns the log of tea, by place.
func (n *node) texts() (all []string) {
	n.t.Helper()
	after := ""
	for {
		a := n.do("GET", "/v1/channels/tea/messages?limit=1000&after="+after, nil).want(200)
		var page struct {
			Messages []struct{ Payload []byte }
			Next     string
			More     bool
		}
		check(n.t, json.Unmarshal(a.body, &page))
		for _, m := range page.Messages {
			all = append(all, string(m.Payload))
		}
		if after = page.Next; !page.More {
			return all
		}
	}
}

// event waits for one of tea.
func (n *node) event(kind, id, state string) {
	n.t.Helper()
	after := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		a := n.do("GET", "/v1/events?channel=tea&wait=5s&after="+after, nil).want(200)
		var page struct {
			Events []struct {
				Kind, ID string
				Gap      struct{ State string }
			}
			Next json.Number
		}
		check(n.t, json.Unmarshal(a.body, &page))
		for _, e := range page.Events {
			if e.Kind == kind && e.ID == id && e.Gap.State == state {
				return
			}
		}
		after = page.Next.String()
	}
	n.t.Fatalf("%s: no event %s %s of %s", n.name, kind, state, id)
}

// lose drops the next packets that carry a text, n of them, for ever if n is 0. It
// returns where the rule is.
func (n *node) lose(text string, next int, on ...string) string {
	n.t.Helper()
	if on == nil {
		on = []string{"receive"}
	}
	return n.do("POST", "/v1/faults/rules", map[string]any{"action": "drop", "on": on, "payload": []byte(text), "next": next}).
		want(201).header.Get("Location")
}

// lost waits until a rule has hit.
func (n *node) lost(rule string) {
	n.t.Helper()
	n.until("it is lost", func() bool { return n.do("GET", rule, nil).want(200).text("hit") != "0" })
}

// same waits until all logs are the same: 10,000 missed messages may take five
// minutes.
func (g group) same(t testing.TB) {
	t.Helper()
	g[0].within(5*patience, "all logs are the same", func() bool {
		digests := map[string]any{}
		for _, n := range g {
			digests[n.name] = n.do("GET", "/v1/channels/tea/digest", nil).want(200).get("")
		}
		return g[0].do("POST", "/v1/compare", map[string]any{"digests": digests}).want(200).get("same") == true
	})
}
