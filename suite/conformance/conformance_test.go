package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/suite/peer"
)

var update = flag.Bool("update", false, "write spec/vectors/dialogues anew")

var dialects = []sds.Dialect{sds.LIP, sds.JS, sds.Nim}

// TestDialoguesAreWhatIsWritten: the files are what the scripts of this package make.
func TestDialoguesAreWhatIsWritten(t *testing.T) {
	for _, d := range dialects {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "\t")
		if err := e.Encode(dialogues(t, d)); err != nil {
			t.Fatal(err)
		}
		path := "../../spec/vectors/dialogues/" + d.String() + ".json"
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		kept, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(kept, b.Bytes()) {
			t.Errorf("%s is not what the scripts make: see go test ./conformance -update", path)
		}
	}
}

// ours starts our own peer in this process. fault, if there is one, changes what it
// says.
func ours(fault func(line string) []string) Start {
	return func(_ context.Context, flags []string) (*Conn, error) {
		cfg, err := config(flags)
		if err != nil {
			return nil, err
		}
		in, commands := io.Pipe()
		events, out := io.Pipe()
		var w io.Writer = out
		if fault != nil {
			w = &spoiled{w: out, fault: fault}
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			out.CloseWithError(peer.Serve(cfg, in, w))
		}()
		return &Conn{commands, events, func() string {
			commands.Close()
			events.Close()
			<-ended
			return ""
		}}, nil
	}
}

// config reads the flags that a participant is given.
func config(flags []string) (peer.Config, error) {
	value := map[string]string{}
	for i := 0; i+1 < len(flags); i += 2 {
		value[strings.TrimPrefix(flags[i], "--")] = flags[i+1]
	}
	cfg := peer.Defaults(map[string]sds.Dialect{"lip": sds.LIP, "js": sds.JS, "nim": sds.Nim}[value["dialect"]])
	cfg.Channel, cfg.Sender = wire.ChannelID(value["channel"]), wire.ParticipantID(value["sender"])
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(value[name], 10, 64) // absent: 0
		return n
	}
	now := number("clock")
	cfg.Now = &now
	ms := func(name string, to *time.Duration) {
		if value[name] != "" {
			*to = time.Duration(number(name)) * time.Millisecond
		}
	}
	ms("lost-timeout-ms", &cfg.LostTimeout)
	ms("t-min", &cfg.TMin)
	ms("t-max", &cfg.TMax)
	if value["possible-acks"] != "" {
		cfg.PossibleAcks = int(number("possible-acks"))
	}
	return cfg, cfg.Check()
}

// spoiled changes the lines that are written to it.
type spoiled struct {
	w     io.Writer
	fault func(line string) []string
	rest  []byte
}

func (s *spoiled) Write(p []byte) (int, error) {
	s.rest = append(s.rest, p...)
	for {
		i := bytes.IndexByte(s.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		for _, line := range s.fault(string(s.rest[:i])) {
			if _, err := io.WriteString(s.w, line+"\n"); err != nil {
				return 0, err
			}
		}
		s.rest = s.rest[i+1:]
	}
}

func results(t *testing.T, d sds.Dialect, start Start) []Result {
	t.Helper()
	f, err := Load(d.String())
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), start, f)
	if err != nil || len(r) != len(f.Cases) {
		t.Fatalf("%d of %d cases: %v", len(r), len(f.Cases), err)
	}
	return r
}

// TestOurPeer: our own participant conforms, in all dialects.
func TestOurPeer(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.String(), func(t *testing.T) {
			for _, r := range results(t, d, ours(nil)) {
				if !r.Holds {
					t.Errorf("%v %s: %s", r.Requirements, r.Name, r.Problem)
				}
			}
		})
	}
}

// TestPage: docs/conformance.md has the right numbers.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	var cases []any
	for _, d := range dialects {
		f, err := Load(d.String())
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, len(f.Cases))
	}
	for _, want := range []string{
		fmt.Sprintf("There are %d cases for LIP, %d for JS and %d for nim.", cases...),
		fmt.Sprintf("; %d faults built into", len(faults())),
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}
