package js

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/causeway-im/causeway/suite/conformance"
)

// TestConformance has the dialogues of the specification with @waku/sds. What does not
// hold is what docs/conformance.md says.
func TestConformance(t *testing.T) {
	need(t)
	f, err := conformance.Load("js")
	if err != nil {
		t.Fatal(err)
	}
	p := launchJS(t, "alice")
	results, err := conformance.Run(t.Context(), restarted(t, p), f)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "conformance.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Count(string(page), "\n| R")
	for _, r := range results {
		row := fmt.Sprintf("| %s | %s |", strings.Join(r.Requirements, " "), r.Name)
		if told := strings.Contains(string(page), row); told == r.Holds {
			t.Errorf("%s holds: %v; the page has it as failing: %v; %s", row, r.Holds, told, r.Problem)
		}
		if !r.Holds {
			rows--
		}
	}
	if rows != 0 {
		t.Errorf("the page has %d rows more than cases fail", rows)
	}
	if want := fmt.Sprintf("%d of the %d cases hold", len(results)-conformance.Failed(results), len(results)); !strings.Contains(string(page), want) {
		t.Errorf("the page does not say that %s", want)
	}
}

// restarted makes participants of one process, one after the other.
func restarted(t *testing.T, p *process) conformance.Start {
	return func(_ context.Context, flags []string) (*conformance.Conn, error) {
		one(t, p.do("restart", with{"flags": flags}), "ready")
		in, commands := io.Pipe()
		events, out := io.Pipe()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			out.CloseWithError(p.carry(in, out))
		}()
		return &conformance.Conn{In: commands, Out: events, Close: func() string {
			commands.Close()
			events.Close()
			<-ended
			return ""
		}}, nil
	}
}

// carry brings commands to the process and its answers back, to the end of in.
func (p *process) carry(in io.Reader, out io.Writer) error {
	if _, err := io.WriteString(out, `{"event":"ready"}`+"\n"); err != nil {
		return err
	}
	commands := bufio.NewReader(in)
	for {
		line, err := commands.ReadBytes('\n')
		if err != nil {
			return err
		}
		if err := p.pass(line, out); err != nil {
			return err
		}
	}
}

// pass has the process do one command. All of its answers are read, also if nobody
// wants them any more.
func (p *process) pass(line []byte, out io.Writer) error {
	defer p.watch()()
	if _, err := p.in.Write(line); err != nil {
		return err
	}
	for {
		answer, err := p.out.ReadBytes('\n')
		if err != nil {
			return err
		}
		if _, err := out.Write(answer); err != nil {
			out = io.Discard
		}
		if bytes.Contains(answer, []byte(`"event":"done"`)) {
			return nil
		}
	}
}
