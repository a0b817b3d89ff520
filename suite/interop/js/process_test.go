package js

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
	"sync"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/suite/peer"
)

const (
	room  = "tea"
	begin = 1_700_000_000_000
	// patience is how long a process may take for one command.
	patience = 60 * time.Second
)

// process is a peer in a process of its own: @waku/sds or ours.
type process struct {
	*program
	t    *testing.T
	who  string
	now  int64 // what its clock says
	time int64 // what it will say at the next command
	seq  int
}

// program is what runs.
type program struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

// event is any event of the language; a field that an event does not have is the
// zero value.
type event struct {
	Event, Kind, Message, Cmd            string
	ID, SenderID, Lamport                string
	Payload, Content                     []byte
	Count, Seq                           int
	IDs, Gaps, Incoming, Outgoing        []string
	Unacknowledged, PossiblyAcknowledged []string
	History                              []struct{ ID, SenderID, Lamport string }
	Entries                              []struct {
		ID            string
		RetrievalHint []byte
	}
}

type with = map[string]any

// idle are programs of @waku/sds that wait for another test: Node.js takes half a
// second to start.
var idle struct {
	sync.Mutex
	programs []*program
}

// launchJS starts @waku/sds with its defaults, or with flags of "causeway peer".
func launchJS(t *testing.T, who string, flags ...string) *process {
	t.Helper()
	flags = append([]string{"--channel", room, "--sender", who, "--clock", strconv.Itoa(begin)}, flags...)
	p := &process{t: t, who: who, now: begin, time: begin}
	idle.Lock()
	if n := len(idle.programs); n > 0 {
		p.program, idle.programs = idle.programs[n-1], idle.programs[:n-1]
	}
	idle.Unlock()
	if p.program == nil {
		p.program = launch(t, exec.Command("node", append([]string{filepath.Join(folder, "peer.mjs")}, flags...)...))
		p.ready()
	} else {
		one(t, p.do("restart", with{"flags": flags}), "ready")
	}
	t.Cleanup(func() {
		if t.Failed() {
			p.kill(t)
			return
		}
		idle.Lock()
		defer idle.Unlock()
		idle.programs = append(idle.programs, p.program)
	})
	return p
}

// launchPeer starts a process of ours with the defaults of the js dialect.
func launchPeer(t *testing.T, who string, change func(*peer.Config)) *process {
	t.Helper()
	c, now := peer.Defaults(sds.JS), int64(begin)
	c.Channel, c.Sender, c.Now = room, wire.ParticipantID(who), &now
	if change != nil {
		change(&c)
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asPeer+"="+string(b))
	p := &process{t: t, who: who, now: begin, time: begin, program: launch(t, cmd)}
	p.ready()
	t.Cleanup(func() { p.kill(t) })
	return p
}

func launch(t *testing.T, cmd *exec.Cmd) *program {
	t.Helper()
	p := &program{cmd: cmd}
	cmd.Stderr = &p.stderr
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReaderSize(out, 1<<20)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *program) kill(t *testing.T) {
	p.cmd.Process.Kill()
	p.cmd.Wait()
	if t != nil && t.Failed() && p.stderr.Len() > 0 {
		t.Logf("it says: %s", p.stderr.Bytes())
	}
}

func (p *process) ready() {
	p.t.Helper()
	defer p.watch()()
	if e := p.read(); e.Event != "ready" {
		p.t.Fatalf("%s begins with %+v", p.who, e)
	}
}

// watch kills a process that does not answer.
func (p *process) watch() (stop func() bool) {
	return time.AfterFunc(patience, func() { p.cmd.Process.Kill() }).Stop
}

func (p *process) read() event {
	p.t.Helper()
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		p.t.Fatalf("%s: the process has ended, or does not answer: %v", p.who, err)
	}
	var e event
	if err := json.Unmarshal(line, &e); err != nil {
		p.t.Fatalf("%s: %v: %.300s", p.who, err, line)
	}
	return e
}

// do runs a command and returns its events.
func (p *process) do(cmd string, args with) []event {
	p.t.Helper()
	if p.now != p.time {
		p.now = p.time
		p.do("clock", with{"now": p.time})
	}
	defer p.watch()()
	p.seq++
	line := with{"cmd": cmd, "seq": p.seq}
	maps.Copy(line, args)
	if err := json.NewEncoder(p.in).Encode(line); err != nil {
		p.t.Fatalf("%s: %v", p.who, err)
	}
	var events []event
	for {
		e := p.read()
		if e.Event != "done" {
			events = append(events, e)
			continue
		}
		if e.Cmd != cmd || e.Seq != p.seq {
			p.t.Fatalf("%s: %s %d is done as %s %d", p.who, cmd, p.seq, e.Cmd, e.Seq)
		}
		return events
	}
}

func (p *process) name() string { return p.who }

func (p *process) at(now int64) { p.time = now }

// one returns the first event of a name, which must be there.
func one(t *testing.T, events []event, name string) event {
	t.Helper()
	if all := every(events, name); len(all) > 0 {
		return all[0]
	}
	t.Fatalf("no event %q among %s", name, names(events))
	return event{}
}

func every(events []event, name string) (all []event) {
	for _, e := range events {
		if e.Event == name {
			all = append(all, e)
		}
	}
	return all
}

func names(events []event) (all []string) {
	for _, e := range events {
		all = append(all, e.Event+" "+e.Message)
	}
	return all
}

func millis(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }
