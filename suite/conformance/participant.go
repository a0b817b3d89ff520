package conformance

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// ErrStart: the participant could not be started. Nothing is known about what it does.
var ErrStart = errors.New("the participant did not start")

// Conn is a participant that runs: it reads commands from In and prints events to Out.
type Conn struct {
	In  io.WriteCloser
	Out io.Reader
	// Close ends it, also if it does not want to, and returns what it said of problems.
	Close func() string
}

// Start starts a participant with these flags. It ends with ctx at the latest.
type Start func(ctx context.Context, flags []string) (*Conn, error)

const (
	// Patience is how long one command may take.
	Patience = 60 * time.Second
	// maxLine bounds an event, in bytes; maxEvents bounds the answers to one command.
	maxLine   = 16 << 20
	maxEvents = 100_000
	// maxSaid bounds what is kept of standard error.
	maxSaid = 4 << 10
)

// Program starts participants as processes: a program and its first arguments, to
// which the flags are added.
func Program(command ...string) Start {
	return func(ctx context.Context, flags []string) (*Conn, error) {
		if len(command) == 0 {
			return nil, errors.New("no command")
		}
		cmd := exec.CommandContext(ctx, command[0], append(command[1:len(command):len(command)], flags...)...)
		said := &head{}
		cmd.Stderr = said
		cmd.WaitDelay = time.Second
		in, err := cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		return &Conn{in, out, func() string {
			in.Close()
			_ = cmd.Process.Kill() // it may have ended by itself
			_ = cmd.Wait()         // that it was killed is no news
			return said.String()
		}}, nil
	}
}

// head keeps the beginning of what is written.
type head struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.b.Write(p[:min(len(p), maxSaid-h.b.Len())])
	return len(p), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.TrimSpace(h.b.String())
}

// participant is a Conn whose events are read.
type participant struct {
	conn   *Conn
	lines  chan []byte // closed at the end of its output
	failed error       // of reading, once lines is closed
	ended  chan struct{}
}

// open starts a participant and waits for its first event.
func open(ctx context.Context, start Start, flags []string) (*participant, error) {
	conn, err := start(ctx, flags)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStart, err)
	}
	p := &participant{conn: conn, lines: make(chan []byte), ended: make(chan struct{})}
	go p.read()
	ready, err := p.next(ctx)
	if err == nil && ready["event"] != "ready" {
		err = fmt.Errorf("the first event is %s, want ready", short(ready))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w%s", ErrStart, err, because(p.close()))
	}
	return p, nil
}

func because(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}

func (p *participant) read() {
	defer close(p.lines)
	s := bufio.NewScanner(p.conn.Out)
	s.Buffer(make([]byte, 0, 64<<10), maxLine)
	for s.Scan() {
		select {
		case p.lines <- bytes.Clone(s.Bytes()):
		case <-p.ended:
			return
		}
	}
	p.failed = s.Err()
}

// next returns the next event.
func (p *participant) next(ctx context.Context) (map[string]any, error) {
	late := time.NewTimer(Patience)
	defer late.Stop()
	select {
	case line, ok := <-p.lines:
		if !ok {
			return nil, errors.Join(errors.New("the participant ended"), p.failed)
		}
		return object(line)
	case <-late.C:
		return nil, fmt.Errorf("no answer within %v", Patience)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// say sends a command and returns its answers, without "done".
func (p *participant) say(ctx context.Context, line string) (answers []map[string]any, err error) {
	if _, err := io.WriteString(p.conn.In, line); err != nil {
		return nil, fmt.Errorf("the participant takes no command: %w", err)
	}
	for {
		e, err := p.next(ctx)
		switch {
		case err != nil:
			return nil, err
		case e["event"] == "done":
			return answers, nil
		case len(answers) == maxEvents:
			return nil, fmt.Errorf("more than %d answers to one command", maxEvents)
		}
		answers = append(answers, e)
	}
}

// close ends the participant and returns what it said of problems.
func (p *participant) close() string {
	close(p.ended)
	said := p.conn.Close()
	for range p.lines { // until read has ended
	}
	return said
}
