package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/causeway-im/causeway/suite/node"
	"github.com/causeway-im/causeway/suite/waku"
	"github.com/causeway-im/causeway/transport"
)

// asCommand makes the test binary the command: processes of their own can be
// killed.
const asCommand = "CAUSEWAY_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		os.Exit(run(newRoot(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// patience is how long a test waits for what takes a second or two.
const patience = time.Minute

// process is a causeway node in a process of its own.
type process struct {
	t     *testing.T
	name  string
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
	seen  []string
}

// start runs causeway node with a folder of its name.
func start(t *testing.T, folder, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, lines: make(chan string, 10_000)}
	p.cmd = exec.Command(os.Args[0], append([]string{"node", "--data", filepath.Join(folder, name), "--name", name}, args...)...)
	p.cmd.Env = append(os.Environ(), asCommand+"=1")
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
	})
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
		close(p.lines)
	}()
	return p
}

func (p *process) write(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

// await returns the next line for which ok is true.
func (p *process) await(what string, ok func(line string) bool) string {
	p.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case line, open := <-p.lines:
			if !open {
				p.t.Fatalf("%s ended without %s:\n%s", p.name, what, strings.Join(p.seen, "\n"))
			}
			p.seen = append(p.seen, line)
			if ok(line) {
				return line
			}
		case <-timeout:
			p.t.Fatalf("%s: no %s in\n%s", p.name, what, strings.Join(p.seen, "\n"))
		}
	}
}

// awaitText waits for a line with all of some parts.
func (p *process) awaitText(parts ...string) string {
	p.t.Helper()
	return p.await(fmt.Sprintf("%q", parts), func(line string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) })
	})
}

// ended waits for the end and returns the exit code.
func (p *process) ended() int {
	p.t.Helper()
	for range p.lines { // what is printed, until it ends
	}
	p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// address returns where a process listens, from its text.
func (p *process) address() string {
	p.t.Helper()
	_, address, _ := strings.Cut(p.awaitText("causeway node --data DIR", "--peer "), "--peer ")
	return address
}

func roster(t *testing.T, folder string, members ...string) string {
	t.Helper()
	r := map[string]map[string]string{"members": {}}
	for _, m := range members {
		r["members"][m] = strings.ToUpper(m)
	}
	b, err := json.Marshal(r)
	name := filepath.Join(folder, "roster.json")
	if err != nil || os.WriteFile(name, b, 0o600) != nil {
		t.Fatal(err)
	}
	return name
}

// TestNode lets three processes chat over Waku: two relays, one with a store, and
// a light node. One is killed, misses something and comes back as who it was.
func TestNode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals")
	}
	folder := t.TempDir()
	members := roster(t, folder, "alice", "bob", "carol")
	alice := start(t, folder, "alice", "--roster", members, "--serve-store", "--serve-light")
	a := alice.address()
	bobs := []string{"--roster", members, "--peer", a, "--store-node", a}
	bob := start(t, folder, "bob", bobs...)
	carol := start(t, folder, "carol", "--roster", members, "--light", "--service", a, "--store-node", a)
	b := bob.address()
	alice.awaitText(" -- online, 2 peers")

	alice.write("who wants tea?")
	for _, p := range []*process{bob, carol} {
		p.awaitText(" alice: who wants tea?")
	}
	alice.awaitText("✓✓ all 2: who wants tea?")
	carol.write("//me")
	bob.awaitText(" carol: /me")
	carol.awaitText("✓✓ all 2: /me")

	bob.cmd.Process.Kill() // as kill -9 does
	bob.ended()
	alice.awaitText(" -- online, 1 peer")
	alice.write("bob?")
	carol.awaitText(" alice: bob?")
	alice.awaitText("✓ 1 of 2 (CAROL): bob?")
	awaitStored(t, a, "bob?")

	bob = start(t, folder, "bob", bobs...)
	if again := bob.address(); again != b {
		t.Errorf("bob listened on %s and now on %s", b, again)
	}
	bob.awaitText(" carol: /me") // from its log
	bob.awaitText(" alice: bob?")
	bob.awaitText(" -- caught up: 1 message")
	alice.awaitText("✓✓ all 2: bob?")
	bob.write("here I am")
	carol.awaitText(" bob: here I am") // who ends waits for the network for a few seconds only
	bob.write("/who\n/peers\n/gaps\n/log 1\n/status\n/nonsense\n/log x\n/quit")
	for _, text := range []string{"alice (ALICE): last wrote ", "bob (BOB), this node: last wrote ", " connected (", "nothing is missing", " bob: here I am",
		"bob in general: online, 4 messages, 3 participants", "! /nonsense: no such command", "! /log: must be a whole number from 1 to 1000", "stopped"} {
		bob.awaitText(text)
	}
	if code := bob.ended(); code != 0 {
		t.Errorf("bob: exit code %d", code)
	}
	carol.in.Close()
	alice.cmd.Process.Signal(syscall.SIGTERM)
	for _, p := range []*process{alice, carol} {
		p.awaitText("stopped")
		if code := p.ended(); code != 0 {
			t.Errorf("%s: exit code %d", p.name, code)
		}
	}
}

// awaitStored waits until a store has a text: it writes a moment after it has heard it,
// and who asks before that has caught up without it.
func awaitStored(t *testing.T, addr, text string) {
	t.Helper()
	n, err := waku.New(t.Context(), waku.Options{Peers: []string{addr}, StoreNodes: []string{addr}})
	check(t, err)
	defer n.Close()
	now := time.Now()
	q := transport.Query{Topic: transport.Topic(node.DefaultTopic(node.DefaultChannel)), From: now.Add(-time.Hour), To: now.Add(time.Hour), Limit: transport.MaxPage}
	eventually(t, "the store has "+text, func() bool {
		page, err := n.Query(t.Context(), q)
		return err == nil && slices.ContainsFunc(page.Messages, func(r transport.Received) bool { return bytes.Contains(r.Payload, []byte(text)) })
	})
}

// object is a line of JSON.
type object map[string]any

// awaitEvent waits for an event with certain values.
func (p *process) awaitEvent(event string, want object) (got object) {
	p.t.Helper()
	p.await(fmt.Sprint(event, " ", want), func(line string) bool {
		got = object{}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			p.t.Fatalf("%v in %s", err, line)
		}
		for name, value := range want {
			if fmt.Sprint(got[name]) != fmt.Sprint(value) {
				return false
			}
		}
		return got["event"] == event
	})
	return got
}

// fields are those of each event: programs rely on them.
var fields = map[string]string{
	"started":   "addresses at channel cluster event messages mode participant shard topic",
	"message":   "at event history id lamport late own position sender text",
	"receipt":   "at event id level of persons seen undelivered",
	"network":   "at event online peers",
	"caught_up": "at event messages",
	"error":     "at event text",
	"stopped":   "at event unsent",
	"status": "at catching_up channel event lost may_send messages missing online participant participants published received skipped " +
		"store_error unacknowledged waiting",
	"gaps": "at event gaps", "who": "at event members", "notice": "at event text", "telemetry": "at dropped enabled error event failures pending rejected uploads", "peers": "at event peers", "help": "at event text", "gap": "at event id sender state",
}

// TestNodeJSON: two processes whose output is for programs, without a roster.
func TestNodeJSON(t *testing.T) {
	folder := t.TempDir()
	ann := start(t, folder, "ann", "--json", "--channel", "tea", "--cluster", "99", "--shard", "0", "--serve-store")
	started := ann.awaitEvent("started", object{"participant": "ann", "channel": "tea", "topic": "/causeway/1/tea/proto", "cluster": 99,
		"shard": 0, "mode": "relay", "messages": 0})
	addr := started["addresses"].([]any)[0].(string)
	ben := start(t, folder, "ben", "--json", "--channel", "tea", "--cluster", "99", "--shard", "0", "--peer", addr, "--store-node", addr)
	ann.awaitEvent("network", object{"online": true, "peers": 1})
	ben.awaitEvent("caught_up", object{"messages": 0})
	ann.write(`a "quoted" line`)
	ann.awaitEvent("message", object{"sender": "ann", "own": true, "history": false, "position": 1})
	ben.awaitEvent("message", object{"sender": "ann", "text": `a "quoted" line`, "own": false, "history": false, "late": false})
	receipt := ann.awaitEvent("receipt", object{"seen": 1, "level": "reached"})
	if fmt.Sprint(receipt["persons"]) != "[ben]" || receipt["undelivered"] != false {
		t.Errorf("%v", receipt)
	}
	ben.write("/status\n/gaps\n/who\n/peers\n/help\n/log\n/log 1 2")
	ben.awaitEvent("status", object{"messages": 1, "online": true, "may_send": true})
	ben.awaitEvent("gaps", object{"gaps": "[]"})
	if who := ben.awaitEvent("who", nil); len(who["members"].([]any)) != 2 {
		t.Errorf("%v", who)
	}
	if peers := ben.awaitEvent("peers", nil); len(peers["peers"].([]any)) != 1 {
		t.Errorf("%v", peers)
	}
	ben.awaitEvent("help", nil)
	ben.awaitEvent("message", object{"sender": "ann", "history": true})
	ben.awaitEvent("error", nil)
	for _, p := range []*process{ben, ann} {
		p.in.Close()
		p.awaitEvent("stopped", object{"unsent": 0})
		if code := p.ended(); code != 0 {
			t.Errorf("%s: exit code %d", p.name, code)
		}
		checkFields(t, p.seen)
	}
}

func checkFields(t *testing.T, lines []string) {
	t.Helper()
	for _, line := range lines {
		var o object
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		var names []string
		for name := range o {
			names = append(names, name)
		}
		slices.Sort(names)
		if want := fields[o["event"].(string)]; strings.Join(names, " ") != want {
			t.Errorf("%s: want the fields %s", line, want)
		}
		if _, err := time.Parse(time.RFC3339, o["at"].(string)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestNodeAlone stops in time though nobody takes what it wrote, and sends it
// after the next start.
func TestNodeAlone(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	var out, errOut strings.Builder
	if code := run(newRoot(), []string{"node", "--data", data}, strings.NewReader("hello\n"), &out, &errOut); code != 0 ||
		!strings.HasPrefix(out.String(), "guest-") || !strings.Contains(out.String(), ": hello\n") ||
		!strings.HasSuffix(out.String(), "\nstopped; 1 message is not sent yet and will be after the next start\n") {
		t.Errorf("exit code %d: %s%s", code, &out, &errOut)
	}
	guest, _, _ := strings.Cut(out.String(), " ")
	out.Reset()
	if code := run(newRoot(), []string{"node", "--data", data}, strings.NewReader("/status"), &out, &errOut); code != 0 ||
		!strings.HasPrefix(out.String(), guest+" in channel general") || !strings.Contains(out.String(), " "+guest+": hello\n") ||
		!strings.Contains(out.String(), "own messages that not all have 1\n") {
		t.Errorf("exit code %d: %s%s", code, &out, &errOut)
	}
	code := run(newRoot(), []string{"node", "--data", data, "--name", "bob"}, strings.NewReader(""), &out, &errOut)
	if code != exitFailed || !strings.Contains(errOut.String(), "--data "+data+` belongs to "`+guest+`", not to "bob"`) {
		t.Errorf("exit code %d: %s", code, &errOut)
	}
}

// TestNodeLongText: what does not fit into a message of Waku, 150 KiB, is refused
// at once, and all else goes on.
func TestNodeLongText(t *testing.T) {
	var out, errOut strings.Builder
	lines := strings.Repeat("x", 150<<10) + "\nhello\n" + strings.Repeat("y", 140<<10) + "\n"
	if code := run(newRoot(), []string{"node", "--data", t.TempDir()}, strings.NewReader(lines), &out, &errOut); code != 0 ||
		!strings.Contains(out.String(), "! not sent: the text has 153600 bytes, and at most 145") ||
		!strings.Contains(out.String(), ": hello\n") || !strings.Contains(out.String(), "stopped; 2 messages are not sent yet") {
		t.Errorf("exit code %d: %.2000s%s", code, &out, &errOut)
	}
}

func TestNodeFlags(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, []byte(`{"members": {"zoe": "Zoe"}, "owners": []}`), 0o600); err != nil {
		t.Fatal(err)
	}
	members, short := roster(t, folder, "zoe"), write(t, folder, "short", "short")
	const addr = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWEWZAUXwsNZ8cckYRZYPQR43gJjZ3Qob3bYVDwxgnwrix"
	for _, tt := range []struct {
		name string
		args string
		env  string
		code int
		want string // of output or error output
	}{
		{"help", "--help", "", 0, "[CAUSEWAY_STORE_NODE]"},
		{"exit codes", "--help", "", 0, "Exit code: 0 "},
		{"argument", "hello", "", 2, "unknown command"},
		{"unknown flag", "--colour", "", 2, "Try 'causeway node --help'"},
		{"no data", "--data=", "", 2, "--data must name a folder"},
		{"no channel", "--channel=", "", 2, "--channel must not be empty"},
		{"channel", "--channel=a/b", "", 2, "--channel with / or space needs --topic"},
		{"light", "--light", "", 2, "--light needs --service"},
		{"light, variable", "", "CAUSEWAY_LIGHT=true", 2, "--light needs --service"},
		{"neither, variable", "", "CAUSEWAY_LIGHT=maybe", 2, `invalid CAUSEWAY_LIGHT "maybe": must be true or false`},
		{"flag wins", "--light=false --channel=", "CAUSEWAY_LIGHT=true", 2, "--channel must not be empty"},
		{"service", "--service=" + addr, "", 2, "--service is for --light"},
		{"light server", "--light --serve-store --service=" + addr, "", 2, "can't be combined with --serve-store"},
		{"light listener", "--light --listen=/ip4/127.0.0.1/tcp/0 --service=" + addr, "", 2, "--listen can't be combined"},
		{"peer", "--peer=localhost:80", "", 2, "--peer must be a multiaddr that ends in /p2p/ and a peer id, and is \"localhost:80\""},
		{"peers, variable", "", "CAUSEWAY_PEER=" + addr + ", x", 2, "--peer must be a multiaddr"},
		{"store node", "--store-node=/ip4/127.0.0.1/tcp/1", "", 2, "--store-node must be a multiaddr"},
		{"listen", "--listen=8080", "", 2, "--listen must be a multiaddr such as /ip4/127.0.0.1/tcp/0"},
		{"cluster", "--cluster=0", "", 2, `"--cluster" flag: must be a whole number from 1 to 65535`},
		{"shard", "--shard=65536", "", 2, `"--shard" flag: must be a whole number from 0 to 65535`},
		{"telemetry", "--help", "", 0, "[CAUSEWAY_TELEMETRY]"},
		{"telemetry in clear", "--telemetry=http://telemetry.example", "", 2, "--telemetry: \"http://telemetry.example\" is neither https nor http on this machine"},
		{"telemetry, variable", "", "CAUSEWAY_TELEMETRY=x", 2, "--telemetry: "},
		{"telemetry's platform", "--telemetry=https://telemetry.example --telemetry-platform=amiga", "", 2, `--telemetry-platform is "amiga", must be android`},
		{"telemetry's secret", "--telemetry=https://telemetry.example --telemetry-secret-file=" + short, "", 2, "--telemetry-secret-file: the secret has 5 bytes, must have 16 or more"},
		{"telemetry's token", "--telemetry=https://telemetry.example --telemetry-token-file=" + file + "x", "", 2, "--telemetry-token-file: open "},
		{"no telemetry", "--telemetry-community=tea", "", 2, "--telemetry-… needs --telemetry"},
		{"loss", "--loss=1", "", 2, `"--loss" flag: must be from 0 to 0.9`},
		{"loss, variable", "", "CAUSEWAY_LOSS=much", 2, `invalid CAUSEWAY_LOSS "much": must be from 0 to 0.9`},

		{"token without REST", "--rest-token=0123456789abcdef", "", 2, "--rest-token and --faults need --rest"},
		{"faults without REST", "--faults", "", 2, "--rest-token and --faults need --rest"},
		{"short token", "--rest-token=secret --rest=127.0.0.1:0", "", 2, "--rest-token must have at least 16 bytes"},
		{"quota", "--quota=100", "", 2, "--quota must be packets and a window"},
		{"exposed REST", "--rest=0.0.0.0:0", "", 2, "--rest 0.0.0.0:0 can be reached by others than this machine: that needs --rest-token"},
		{"REST everywhere", "--rest=:8645", "", 2, "that needs --rest-token"},
		{"REST nowhere", "--rest=here", "", 2, "--rest must be a host and a port such as 127.0.0.1:8645"},
		{"REST on no socket", "--rest=unix:" + file + " --data=" + folder + "/7", "", 1, "is there and is no socket"},
		{"data is a file", "--data=" + file, "", 1, "--data: mkdir "},
		{"no roster", "--roster=" + file + "x --data=" + folder + "/1", "", 1, "--roster: open "},
		{"malformed roster", "--roster=" + file + " --data=" + folder + "/2", "", 1, `unknown field "owners"`},
		{"not in the roster", "--name=adam --roster=" + members + " --data=" + folder + "/3", "", 1, `does not have "adam"`},
		{"listen elsewhere", "--listen=/ip4/192.0.2.1/tcp/1 --data=" + folder + "/4", "", 1, "waku: listen"},
		{"exposed", "--listen=/ip4/0.0.0.0/tcp/0 --data=" + folder + "/5", "", 0, "nothing is encrypted end to end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if name, value, ok := strings.Cut(tt.env, "="); ok {
				t.Setenv(name, value)
			}
			var out, errOut strings.Builder
			code := run(newRoot(), append([]string{"node"}, strings.Fields(tt.args)...), strings.NewReader(""), &out, &errOut)
			if both := out.String() + errOut.String(); code != tt.code || !strings.Contains(both, tt.want) {
				t.Errorf("exit code %d, want %d with %q:\n%s", code, tt.code, tt.want, both)
			}
		})
	}
}

// TestNodeStartedTwice: where the address of the API is taken a second node of the same
// folder ends before it touches the store, and the first goes on.
func TestNodeStartedTwice(t *testing.T) {
	folder := t.TempDir()
	first := start(t, folder, "alice", "--channel", "tea", "--rest", "127.0.0.1:0")
	_, address, _ := strings.Cut(first.awaitText("REST, and a page to watch, on http://"), "http://")
	second := start(t, folder, "alice", "--channel", "tea", "--rest", address)
	if code := second.ended(); code != exitFailed {
		t.Errorf("the second ended with %d, want %d", code, exitFailed)
	}
	first.write("still here")
	first.awaitText("alice: still here")
	first.write("/quit")
	if code := first.ended(); code != 0 {
		t.Errorf("the first ended with %d", code)
	}
}

// TestNodeOnlyServes: a node without a channel names none, and says what it is for.
func TestNodeOnlyServes(t *testing.T) {
	n := start(t, t.TempDir(), "alice", "--rest", "127.0.0.1:0")
	n.awaitText("alice, relay on shard")
	n.awaitText("joined through the API; /quit stops it")
	n.write("/quit")
	if code := n.ended(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
}
