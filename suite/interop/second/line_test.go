package second

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/suite/peer"
)

const (
	room  = "tea"
	begin = 1_700_000_000_000
	// patience is how long a participant may take for one command.
	patience = 60 * time.Second
	// A participant without timers asks after so many ms at the earliest and the latest.
	askFrom, askUntil = 2_000, 8_000
)

// folder is where the second implementation is.
var folder = filepath.Join("..", "..", "..", "interop", "second")

// needNode skips a test where there is no Node.js, and fails it where it must run.
func needNode(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no node: install Node.js 18 or newer")
		}
		t.Skip("no node: install Node.js 18 or newer")
	}
	// Reading the files makes go test run again when they change.
	for _, pattern := range []string{"*.mjs", filepath.Join("lib", "*.mjs")} {
		files(t, filepath.Join(folder, pattern))
	}
}

type event struct {
	Event, Kind, Message, Cmd     string
	ID, SenderID                  string
	Payload                       []byte
	IDs, Gaps, Incoming, Outgoing []string
	History                       []place
}

type place struct{ ID, SenderID, Lamport string }

// party is a participant: commands go in, events come out.
type party interface {
	do(t *testing.T, now int64, cmd string, args map[string]any) []event
}

// line is a participant that speaks the language of suite/peer.
type line struct {
	in   io.Writer
	out  *bufio.Reader
	kill func()
	now  int64
}

// startSecond starts the second implementation.
func startSecond(t *testing.T, who, dialect string, flags ...string) *line {
	t.Helper()
	args := []string{filepath.Join(folder, "peer.mjs"), "--channel", room, "--sender", who, "--dialect", dialect,
		"--clock", strconv.Itoa(begin)}
	cmd := exec.Command("node", append(args, flags...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() { cmd.Process.Kill() }
	t.Cleanup(func() {
		kill()
		cmd.Wait()
		if t.Failed() && stderr.Len() > 0 {
			t.Logf("%s says: %s", who, stderr.Bytes())
		}
	})
	return begun(t, in, out, kill)
}

// startPeer starts the machine of "causeway peer".
func startPeer(t *testing.T, who string, dialect sds.Dialect) *line {
	t.Helper()
	c, now := peer.Defaults(dialect), int64(begin)
	c.Channel, c.Sender, c.Now = room, wire.ParticipantID(who), &now
	c.TMin, c.TMax = askFrom*time.Millisecond, askUntil*time.Millisecond
	commands, in := io.Pipe()
	out, events := io.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		events.CloseWithError(peer.Serve(c, commands, events))
	}()
	kill := func() { in.Close(); out.Close() }
	t.Cleanup(func() {
		kill()
		<-ended
	})
	return begun(t, in, out, kill)
}

func begun(t *testing.T, in io.Writer, out io.Reader, kill func()) *line {
	t.Helper()
	l := &line{in: in, out: bufio.NewReaderSize(out, 1<<20), kill: kill, now: begin}
	defer time.AfterFunc(patience, l.kill).Stop()
	if e := l.read(t, nil); e.Event != "ready" {
		t.Fatalf("it begins with %+v", e)
	}
	return l
}

// read gives the next line to see, and returns it as an event.
func (l *line) read(t *testing.T, see func([]byte)) event {
	t.Helper()
	b, err := l.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("it has ended, or does not answer: %v", err)
	}
	var e event
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatalf("%v: %.300s", err, b)
	}
	if see != nil && e.Event != "done" {
		see(b)
	}
	return e
}

// raw runs a command and gives the lines that answer it to see.
func (l *line) raw(t *testing.T, cmd string, args map[string]any, see func([]byte)) (events []event) {
	t.Helper()
	defer time.AfterFunc(patience, l.kill).Stop()
	command := map[string]any{"cmd": cmd}
	maps.Copy(command, args)
	if err := json.NewEncoder(l.in).Encode(command); err != nil {
		t.Fatal(err)
	}
	for {
		e := l.read(t, see)
		if e.Event == "done" {
			return events
		}
		events = append(events, e)
	}
}

func (l *line) do(t *testing.T, now int64, cmd string, args map[string]any) []event {
	t.Helper()
	if l.now != now {
		l.now = now
		l.raw(t, "clock", map[string]any{"now": now}, nil)
	}
	events := l.raw(t, cmd, args, nil)
	for _, e := range events {
		if e.Event == "error" || e.Event == "undecodable" {
			t.Fatalf("%s: %s", cmd, e.Message)
		}
	}
	return events
}

// every returns the events of a name.
func every(events []event, name string) (all []event) {
	for _, e := range events {
		if e.Event == name {
			all = append(all, e)
		}
	}
	return all
}

func stateOf(t *testing.T, p party, now int64) event {
	t.Helper()
	all := every(p.do(t, now, "state", nil), "state")
	if len(all) != 1 {
		t.Fatal("no state")
	}
	return all[0]
}
