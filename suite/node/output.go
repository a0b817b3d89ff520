package node

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"golang.org/x/term"
)

// output writes records. It is safe for concurrent use. The first error is kept:
// who can't be told anything may as well stop.
type output struct {
	mu     sync.Mutex
	w      io.Writer
	asJSON bool
	err    error
	failed chan struct{} // closed with the first error
}

func newOutput(w io.Writer, asJSON bool) *output {
	return &output{w: w, asJSON: asJSON, failed: make(chan struct{})}
}

// tell writes a record.
func (o *output) tell(r record) {
	var b []byte
	if o.asJSON {
		var err error
		if b, err = json.Marshal(r); err != nil {
			panic(err) // records have nothing that can't be written
		}
		b = append(b, '\n')
	} else if text := r.text(); text != "" {
		b = []byte(text + "\n")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(b) == 0 || o.err != nil {
		return
	}
	if _, err := o.w.Write(b); err != nil {
		o.err = fmt.Errorf("standard output: %w", err)
		close(o.failed)
	}
}

func (o *output) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// console is a terminal on which lines are edited while others are written.
type console struct {
	*term.Terminal
	raw     io.Writer
	restore func()
	size    func() (width, height int, err error)
}

// newConsole returns a console if in and out are terminals, and nil if not.
func newConsole(in io.Reader, out io.Writer) *console {
	i, ok := in.(interface{ Fd() uintptr })
	o, also := out.(interface{ Fd() uintptr })
	if !ok || !also || !term.IsTerminal(int(i.Fd())) || !term.IsTerminal(int(o.Fd())) {
		return nil
	}
	before, err := term.MakeRaw(int(i.Fd()))
	if err != nil {
		return nil
	}
	var once sync.Once
	return &console{
		raw: out,
		Terminal: term.NewTerminal(struct {
			io.Reader
			io.Writer
		}{in, out}, "> "),
		restore: func() { once.Do(func() { term.Restore(int(i.Fd()), before) }) },
		size:    func() (int, int, error) { return term.GetSize(int(o.Fd())) },
	}
}

// end gives the terminal back, without a prompt.
func (c *console) end() {
	c.restore()
	io.WriteString(c.raw, "\r\x1b[K")
}

// Write writes above the line that is being edited.
func (c *console) Write(b []byte) (int, error) {
	if width, height, err := c.size(); err == nil && width > 0 {
		c.SetSize(width, height)
	}
	return c.Terminal.Write(b)
}
