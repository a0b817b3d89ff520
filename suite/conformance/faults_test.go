package conformance

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// event changes the lines of one event; all others stay.
func event(name string, change func(e with) []with) func(string) []string {
	return func(line string) []string {
		var e with
		if json.Unmarshal([]byte(line), &e) != nil || e["event"] != name {
			return []string{line}
		}
		var lines []string
		for _, o := range change(e) {
			lines = append(lines, strings.TrimSpace(encode(o)))
		}
		return lines
	}
}

// sent changes the messages that are sent.
func sent(change func(*wire.Message)) func(string) []string {
	return event("out", func(e with) []with {
		b, err := base64.StdEncoding.DecodeString(fmt.Sprint(e["payload"]))
		m, bad := wire.Decode(b)
		if err != nil || bad != nil {
			return []with{e}
		}
		change(&m)
		e["payload"] = m.Encode()
		return []with{e}
	})
}

func none(with) []with { return nil }

// fault is something that a participant does wrong, and the requirements that it
// breaks.
type fault struct {
	name    string
	dialect sds.Dialect
	does    func(string) []string
	broken  string
}

func faults() []fault {
	return append(deafFaults(), sentFaults()...)
}

// deafFaults are about what it hears and says.
func deafFaults() []fault {
	return []fault{
		{"hears no acknowledgement", sds.LIP, event("acked", none), "R50"},
		{"takes possibly for acknowledged", sds.JS, event("possiblyAcked", func(e with) []with { return []with{e, {"event": "acked", "id": e["id"]}} }), "R55"},
		{"says nothing of filters", sds.Nim, event("possiblyAcked", none), "R55"},
		{"takes everything for an acknowledgement", sds.LIP, acksAll(), "R34 R50 R55"},
		{"delivers what arrives", sds.LIP, event("received", func(e with) []with { return []with{e, {"event": "delivered", "id": e["id"]}} }), "R22 R32 R35 R39 R65"},
		{"shows nothing before its time", sds.LIP, event("received", none), "R22 R32 R35 R39"},
		{"never says what is missing", sds.Nim, event("missing", none), "R32 R35"},
		{"waits for ever", sds.LIP, event("lost", none), "R65"},
		{"hides gaps", sds.JS, event("delivered", func(e with) []with { delete(e, "gaps"); return []with{e} }), "R39 R65"},
		{"has the log the wrong way round", sds.LIP, event("state", func(e with) []with { slices.Reverse(e["history"].([]any)); return []with{e} }), "R23 R65"},
	}
}

// sentFaults are about what it sends.
func sentFaults() []fault {
	return []fault{
		{"has a clock that stands", sds.LIP, sent(func(m *wire.Message) { m.Lamport = 1_700_000_000_001 }), "R10 R20 R22 R34 R35"},
		{"has ids of its own", sds.LIP, sent(func(m *wire.Message) { m.MessageID = "m1" }), "R10 R33"},
		{"names nothing", sds.LIP, sent(func(m *wire.Message) { m.CausalHistory = nil }), "R10 R22 R30 R35 R37"},
		{"names the newest first", sds.JS, sent(func(m *wire.Message) { slices.Reverse(m.CausalHistory) }), "R80"},
		{"keeps hints to itself", sds.Nim, sent(func(m *wire.Message) {
			for i := range m.CausalHistory {
				m.CausalHistory[i].RetrievalHint = nil
			}
		}), "R37"},
		{"asks for nothing", sds.LIP, sent(func(m *wire.Message) { m.RepairRequest = nil }), "R62 R63 R66"},
		{"sends short filters", sds.JS, sent(func(m *wire.Message) { m.BloomFilter = m.BloomFilter[:8] }), "R80"},
		{"leaves out what is empty", sds.Nim, sent(func(m *wire.Message) {
			if len(m.BloomFilter) == 0 {
				m.BloomFilter = nil
			}
		}), "R81 R82"},
		{"sends an empty filter", sds.Nim, sent(func(m *wire.Message) { m.BloomFilter = []byte{} }), "R82"},
		{"answers with other bytes", sds.LIP, event("out", func(e with) []with {
			if e["kind"] == "repair" {
				e["payload"] = "AAAA"
			}
			return []with{e}
		}), "R64 R66"},
		{"answers no request", sds.JS, event("out", func(e with) []with {
			if e["kind"] == "repair" {
				return nil
			}
			return []with{e}
		}), "R64 R66"},
		{"does not know ephemeral messages", sds.LIP, event("ephemeral", none), "R6 R36"},
	}
}

// TestFaults: each fault is found, at the requirements that it breaks and at no others.
func TestFaults(t *testing.T) {
	for _, tt := range faults() {
		t.Run(tt.name, func(t *testing.T) {
			r := results(t, tt.dialect, ours(tt.does))
			if got := strings.Join(Broken(r), " "); got != tt.broken {
				t.Errorf("%s fails, want %s", got, tt.broken)
			}
		})
	}
}

// acksAll says of each message that arrives that it acknowledges the last of ours.
func acksAll() func(string) []string {
	var last any
	return func(line string) []string {
		var e with
		if json.Unmarshal([]byte(line), &e) != nil {
			return []string{line}
		}
		if e["event"] == "out" {
			last = e["id"]
		}
		if e["event"] == "received" && last != nil {
			return []string{line, strings.TrimSpace(encode(with{"event": "acked", "id": last}))}
		}
		return []string{line}
	}
}

// TestMute: a participant that answers nothing but "done" fails every case that
// expects something.
func TestMute(t *testing.T) {
	mute := func(line string) []string {
		if strings.Contains(line, `"event":"ready"`) || strings.Contains(line, `"event":"done"`) {
			return []string{line}
		}
		return nil
	}
	for _, d := range dialects {
		f, err := Load(d.String())
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results(t, d, ours(mute)) {
			expects := slices.ContainsFunc(f.Cases[i].Steps, func(s Step) bool { return len(s.Expect) > 0 })
			if r.Holds == expects {
				t.Errorf("%v %s: holds %v", d, r.Name, r.Holds)
			}
		}
	}
}

// TestDead: one that ends at a command fails, and says so; one that does not start
// is an error.
func TestDead(t *testing.T) {
	f, err := Load("lip")
	if err != nil {
		t.Fatal(err)
	}
	f.Only("R23")
	dying := func(ctx context.Context, flags []string) (*Conn, error) {
		in, commands := io.Pipe()
		events, out := io.Pipe()
		go func() {
			io.WriteString(out, `{"event":"ready"}`+"\n")
			io.ReadFull(in, make([]byte, 1))
			out.Close()
			in.Close()
		}()
		return &Conn{commands, events, func() string { commands.Close(); events.Close(); return "" }}, nil
	}
	r, err := Run(t.Context(), dying, f)
	if err != nil || len(r) != 1 || r[0].Holds || !strings.Contains(r[0].Problem, "participant") {
		t.Errorf("%+v, %v", r, err)
	}
	for name, start := range map[string]Start{
		"no such program": Program("/no/such/program"),
		"no command":      Program(),
		"not ready": func(context.Context, []string) (*Conn, error) {
			return &Conn{nopCloser{io.Discard}, strings.NewReader(`{"event":"hello"}` + "\n"), func() string { return "it said this" }}, nil
		},
	} {
		_, err := Run(t.Context(), start, f)
		if !errors.Is(err, ErrStart) || name == "not ready" && !strings.Contains(err.Error(), "it said this") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
