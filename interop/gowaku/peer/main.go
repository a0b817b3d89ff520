// Command peer is a go-waku node that does what it is told, for the tests in
// suite/interop/gowaku: they can't link go-waku, which needs an older go-libp2p
// and a fork of gossipsub.
//
// Each line on stdin is a request, a JSON object with Number, Do (one of commands)
// and With, its arguments. Each line on stdout is a reply with the same Number and
// an Error or a Result, or without a number an Event. Requests run concurrently.
// The peer ends with stdin.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
)

// maxLine bounds a request in bytes: a message of the largest size, in base64.
const maxLine = 1 << 20

type request struct {
	Number int
	Do     string
	With   json.RawMessage
}

type line struct {
	Number int    `json:",omitempty"`
	Error  string `json:",omitempty"`
	Result any    `json:",omitempty"`
	Event  *event `json:",omitempty"`
}

func main() {
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

// serve runs requests until in ends.
func serve(in io.Reader, to io.Writer) error {
	p := &peer{out: newOutput(to)}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var r request
		if err := decode(lines.Bytes(), &r); err != nil {
			return err
		}
		go func() {
			l := line{Number: r.Number}
			result, err := p.do(context.Background(), r)
			if err != nil {
				l.Error = err.Error()
			} else {
				l.Result = result
			}
			p.out.put(l)
		}()
	}
	return lines.Err()
}

// do runs one request.
func (p *peer) do(ctx context.Context, r request) (any, error) {
	run := commands[r.Do]
	if run == nil {
		return nil, fmt.Errorf("unknown request %q", r.Do)
	}
	return run(p, ctx, r.With)
}

// decode reads JSON and takes no field that it does not know: the two ends of the
// pipe are compiled apart.
func decode(b []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(to)
}

// output writes lines in a goroutine of its own and never lets anybody wait: a
// go-waku node whose messages are not taken blocks all of its topics.
type output struct {
	mu    sync.Mutex
	queue []line
	more  sync.Cond
}

func newOutput(to io.Writer) *output {
	o := &output{}
	o.more.L = &o.mu
	go o.run(json.NewEncoder(to))
	return o
}

func (o *output) put(l line) {
	o.mu.Lock()
	o.queue = append(o.queue, l)
	o.mu.Unlock()
	o.more.Signal()
}

func (o *output) run(to *json.Encoder) {
	for {
		o.mu.Lock()
		for len(o.queue) == 0 {
			o.more.Wait()
		}
		lines := o.queue
		o.queue = nil
		o.mu.Unlock()
		for _, l := range lines {
			if err := to.Encode(l); err != nil {
				fmt.Fprintln(os.Stderr, "peer:", err)
				os.Exit(1)
			}
		}
	}
}
