package gowaku

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for anything.
const patience = 60 * time.Second

// program is the path of the program of interop/gowaku/peer. It ends with the test
// binary.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "gowaku")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "peer")
	return m.Run()
}

// build makes the program, once.
var build = sync.OnceValue(func() error {
	begin := time.Now()
	c := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-s -w", "-tags", "gowaku_no_rln", "-o", program, "./peer")
	c.Dir = filepath.Join("..", "..", "..", "interop", "gowaku")
	c.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=1")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("go build of interop/gowaku/peer: %w\n%s", err, out)
	}
	fmt.Printf("built go-waku v0.10.0 in %v\n", time.Since(begin).Round(time.Second))
	return nil
})

// need skips a test that was not asked for, and fails one that can't be run.
func need(t *testing.T) {
	t.Helper()
	if os.Getenv("CAUSEWAY_GOWAKU")+os.Getenv("CAUSEWAY_NIGHTLY") == "" {
		t.Skip("it builds go-waku, which takes minutes the first time: make interop")
	}
	if _, err := exec.LookPath("cc"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("go-waku needs a C compiler: install gcc")
		}
		t.Skip("no C compiler (cc), which go-waku needs")
	}
	if err := build(); err != nil {
		t.Fatal(err)
	}
	t.Parallel()
}

// The lines of the pipe are declared twice, here and in interop/gowaku/peer, which
// is another module. Both ends refuse fields that they do not know.

type options struct {
	Key     string
	Port    int
	Cluster uint16
	Shards  []uint16

	Relay      bool
	MinPeers   int
	Strict     bool
	MaxMessage int

	ServeLightpush, ServeFilter, FilterLight bool
}

type started struct {
	ID    string
	Addrs []string
	Key   string
	Port  int
}

type message struct {
	Payload      []byte
	ContentTopic string
	Version      uint32
	Timestamp    int64
	Meta         []byte
	Ephemeral    bool
	Hash         []byte
}

type event struct {
	Kind, Peer, Topic, Reason string
	Message                   *message
}

type reply struct {
	Number int
	Error  string
	Result json.RawMessage
	Event  *event
}

// with are the arguments of a request.
type with map[string]any

// child is a go-waku node in a process of its own.
type child struct {
	started
	t       *testing.T
	options options
	process *exec.Cmd
	in      io.WriteCloser
	stderr  bytes.Buffer
	gone    chan struct{} // closed when the process has ended

	mu      sync.Mutex
	number  int
	waiting map[int]chan reply
	events  []event       // that nobody has asked for yet
	more    chan struct{} // closed when there are more
}

// launch starts a process with a node.
func launch(t *testing.T, o options) *child {
	t.Helper()
	c := &child{
		t: t, process: exec.Command(program), gone: make(chan struct{}),
		waiting: map[int]chan reply{}, more: make(chan struct{}),
	}
	c.process.Stderr = &c.stderr
	var err error
	if c.in, err = c.process.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.process.Start(); err != nil {
		t.Fatal(err)
	}
	go c.read(out)
	t.Cleanup(c.kill)
	c.start(o)
	return c
}

// start starts the node of a process.
func (c *child) start(o options) {
	c.t.Helper()
	if o.Cluster == 0 {
		o.Cluster = cluster
	}
	if o.Shards == nil {
		o.Shards = []uint16{shard}
	}
	c.options = o
	c.started = started{}
	c.call("start", o, &c.started)
	if o.Relay {
		c.call("join", with{"Topic": shardName}, nil)
	}
}

// again returns the options for the same node once more.
func (c *child) again() options {
	o := c.options
	o.Key, o.Port = c.Key, c.Port
	return o
}

// kill is kill -9.
func (c *child) kill() {
	c.process.Process.Kill()
	<-c.gone
	if c.t.Failed() && c.stderr.Len() > 0 {
		c.t.Logf("go-waku says: %s", c.stderr.Bytes())
	}
}

// read takes what the process says until it ends.
func (c *child) read(out io.Reader) {
	defer close(c.gone)
	defer c.process.Wait()
	lines := bufio.NewReader(out)
	for {
		b, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var r reply
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		if err := d.Decode(&r); err != nil {
			c.t.Errorf("line %q: %v", b, err)
			return
		}
		c.mu.Lock()
		if r.Event != nil {
			c.events = append(c.events, *r.Event)
			close(c.more)
			c.more = make(chan struct{})
		} else if w := c.waiting[r.Number]; w != nil {
			w <- r
		}
		c.mu.Unlock()
	}
}

// try makes a request and returns go-waku's error.
func (c *child) try(do string, args, result any) error {
	c.t.Helper()
	c.mu.Lock()
	c.number++
	number, answer := c.number, make(chan reply, 1)
	c.waiting[number] = answer
	err := json.NewEncoder(c.in).Encode(map[string]any{"Number": number, "Do": do, "With": args})
	c.mu.Unlock()
	if err != nil {
		c.t.Fatalf("%s: %v", do, err)
	}
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case r := <-answer:
		if r.Error != "" {
			return fmt.Errorf("go-waku: %s: %s", do, r.Error)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(r.Result, result)
	case <-c.gone:
		c.t.Fatalf("%s: the process has ended", do)
	case <-timeout.C:
		c.t.Fatalf("%s: no answer after %v", do, patience)
	}
	return nil
}

// call makes a request that must succeed.
func (c *child) call(do string, args, result any) {
	c.t.Helper()
	if err := c.try(do, args, result); err != nil {
		c.t.Fatal(err)
	}
}

// await waits for an event and takes it away. Those that do not fit stay for others.
func (c *child) await(what string, fits func(event) bool) event {
	c.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		c.mu.Lock()
		i := slices.IndexFunc(c.events, fits)
		more := c.more
		if i >= 0 {
			e := c.events[i]
			c.events = slices.Delete(c.events, i, i+1)
			c.mu.Unlock()
			return e
		}
		c.mu.Unlock()
		select {
		case <-more:
		case <-c.gone:
			c.t.Fatalf("%s: the process has ended", what)
		case <-timeout.C:
			c.t.Fatalf("%s: not after %v", what, patience)
		}
	}
}

// message waits for the next message that came by relay or filter.
func (c *child) message(way string) *message {
	c.t.Helper()
	e := c.await("a message by "+way, func(e event) bool { return e.Kind == way })
	if e.Topic != shardName {
		c.t.Errorf("it came on %q", e.Topic)
	}
	return e.Message
}

// publish sends a message by relay and returns the hash that go-waku gives it.
func (c *child) publish(m message) (hash []byte) {
	c.t.Helper()
	c.call("publish", with{"Topic": shardName, "Message": m}, &hash)
	return hash
}
