package second

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/suite/conformance"
)

// TestVectors has the second implementation compute all vectors of the specification.
func TestVectors(t *testing.T) {
	needNode(t)
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	vectors := filepath.Join("..", "..", "..", "spec", "vectors")
	out, err := exec.CommandContext(ctx, "node", filepath.Join(folder, "peer.mjs"), "--vectors", vectors).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("\n%s", out)
}

// TestConformance holds the dialogues of the specification with it.
func TestConformance(t *testing.T) {
	needNode(t)
	for _, dialect := range []string{"lip", "js", "nim"} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			f, err := conformance.Load(dialect)
			if err != nil {
				t.Fatal(err)
			}
			results, err := conformance.Run(t.Context(), restarted(startSecond(t, "alice", dialect)), f)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range results {
				if !r.Holds {
					t.Errorf("%v %s: %s", r.Requirements, r.Name, r.Problem)
				}
			}
			if len(results) == 0 {
				t.Error("no cases")
			}
		})
	}
}

// restarted makes participants of one process, one after the other: Node.js takes its time
// to start.
func restarted(l *line) conformance.Start {
	return func(_ context.Context, flags []string) (*conformance.Conn, error) {
		in, commands := io.Pipe()
		events, out := io.Pipe()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			out.CloseWithError(l.carry(flags, in, out))
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
func (l *line) carry(flags []string, in io.Reader, out io.Writer) error {
	restart, err := json.Marshal(map[string]any{"cmd": "restart", "flags": flags})
	if err != nil {
		return err
	}
	if err := l.pass(append(restart, '\n'), out); err != nil {
		return err
	}
	commands := bufio.NewReader(in)
	for {
		command, err := commands.ReadBytes('\n')
		if err != nil {
			return err
		}
		if err := l.pass(command, out); err != nil {
			return err
		}
	}
}

// pass has the process do one command. All of its answers are read, also if nobody wants
// them any more.
func (l *line) pass(command []byte, out io.Writer) error {
	defer time.AfterFunc(patience, l.kill).Stop()
	if _, err := l.in.Write(command); err != nil {
		return err
	}
	restart := bytes.Contains(command, []byte(`"cmd":"restart"`))
	for {
		answer, err := l.out.ReadBytes('\n')
		if err != nil {
			return err
		}
		done := bytes.HasPrefix(answer, []byte(`{"event":"done"`))
		if !done || !restart {
			out.Write(answer) // who does not listen any more starts anew
		}
		if done {
			return nil
		}
	}
}

// TestPage: docs/conformance.md has the right numbers.
func TestPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "conformance.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, pattern := range []string{"*.mjs", filepath.Join("lib", "*.mjs")} {
		for _, b := range files(t, filepath.Join(folder, pattern)) {
			lines += bytes.Count(b, []byte("\n"))
		}
	}
	count := func(dir string) (cases int) {
		for _, b := range files(t, filepath.Join("..", "..", "..", "spec", "vectors", dir, "*.json")) {
			var f struct{ Cases []struct{} }
			if err := json.Unmarshal(b, &f); err != nil {
				t.Fatal(err)
			}
			cases += len(f.Cases)
		}
		return cases
	}
	for _, want := range []string{
		fmt.Sprintf("%d,%03d lines", lines/1000, lines%1000),
		fmt.Sprintf("All %d cases of the vectors hold, and all %d dialogues", count("."), count("dialogues")),
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func files(t *testing.T, pattern string) (all [][]byte) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(names), err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}
