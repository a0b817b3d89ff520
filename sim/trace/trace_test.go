package trace

import (
	"strings"
	"testing"
	"time"
)

func TestRead(t *testing.T) {
	const file = `{"t": 0.5, "event": "msg", "member": 0, "bytes": 6, "text": "h\u00e9h\u00e9"}

{"t": 1, "event": "leave", "member": 3}
{"t": 1, "event": "join", "member": 3, "bytes": 0, "note": "ignored"}
  {"t": 6675.0004, "event": "msg", "member": 23, "bytes": 300}` + "\r\n"
	tr, err := Read(strings.NewReader(file), "a.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	want := []Event{
		{500 * time.Millisecond, Message, 0, "héhé"},
		{time.Second, Leave, 3, ""},
		{time.Second, Join, 3, ""},
		{6675 * time.Second, Message, 23, Filler(300)},
	}
	if len(tr.Events) != len(want) {
		t.Fatalf("got %v", tr.Events)
	}
	for i, e := range tr.Events {
		if e != want[i] {
			t.Errorf("event %d is %v, want %v", i, e, want[i])
		}
	}
	if n := len(tr.Events[3].Text); n != 300 {
		t.Errorf("the filler has %d bytes", n)
	}
	if tr.Messages() != 2 || tr.Members() != 3 || tr.Duration() != 6675*time.Second {
		t.Errorf("%d messages, %d members, %v", tr.Messages(), tr.Members(), tr.Duration())
	}
}

func TestReadErrors(t *testing.T) {
	const good = `{"t": 7, "event": "msg", "member": 0, "bytes": 4, "text": "hey."}` + "\n"
	msg := func(fields string) string { return `{"t": 7, "event": "msg", ` + fields + `}` }
	tests := []struct{ name, file, want string }{
		{"empty", "", "a.jsonl:1: the trace has no messages"},
		{"only joins", `{"t": 0, "event": "join", "member": 0}`, "a.jsonl:2: the trace has no messages"},
		{"no JSON", good + "hey.", "a.jsonl:2: not a JSON object: invalid character 'h'"},
		{"cut", good + good[:30], "a.jsonl:2: not a JSON object: unexpected end"},
		{"two on a line", good + "{}{}", "a.jsonl:2: not a JSON object: invalid character '{' after"},
		{"array", good + "[1]", "a.jsonl:2: not a JSON object: array"},
		{"blank lines count", "\n\n" + good + "\n{}", "a.jsonl:5: t is missing"},
		{"text for t", `{"t": "7", "event": "msg"}`, "a.jsonl:1: t cannot be a string"},
		{"t before 0", `{"t": -0.1, "event": "msg", "member": 0}`, "t is -0.1, must be from 0 to 31622400"},
		{"t too late", `{"t": 1e300, "event": "msg", "member": 0}`, "t is 1e+300, must be from 0"},
		{"backwards", good + `{"t": 6.5, "event": "join", "member": 0}`, "a.jsonl:2: t is 6.5, before the event above it at 7"},
		{"no event", `{"t": 7, "member": 0}`, "event is missing"},
		{"unknown event", `{"t": 7, "event": "part", "member": 0}`, `event is "part", must be msg, join or leave`},
		{"no member", `{"t": 7, "event": "join"}`, "member is missing"},
		{"member before 0", msg(`"member": -1`), "member is -1, must be from 0"},
		{"member too high", msg(`"member": 1048576`), "member is 1048576, must be from 0 to 1048575"},
		{"half a member", msg(`"member": 0.5`), "member cannot be a number 0.5"},
		{"no bytes", msg(`"member": 0`), "bytes is missing"},
		{"0 bytes", msg(`"member": 0, "bytes": 0`), "bytes is 0, must be from 1 to 1048576"},
		{"too many bytes", msg(`"member": 0, "bytes": 1048577`), "bytes is 1048577, must be from 1 to 1048576"},
		{"no text", msg(`"member": 0, "text": ""`), "bytes is 0, must be from 1"},
		{"bytes and text", msg(`"member": 0, "bytes": 5, "text": "hey."`), "bytes is 5, but text has 4"},
		{"long line", good + strings.Repeat("x", maxLine+1), "a.jsonl:2: the line has more than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr, err := Read(strings.NewReader(tt.file), "a.jsonl")
			if err == nil {
				t.Fatalf("no error, read %v", tr)
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "a.jsonl:") {
				t.Errorf("error %q, want %q", err, tt.want)
			}
		})
	}
}

// TestTextWithoutBytes accepts a text that says its length itself.
func TestTextWithoutBytes(t *testing.T) {
	tr, err := Read(strings.NewReader(`{"t": 0, "event": "msg", "member": 0, "text": "hi"}`), "a.jsonl")
	if err != nil || tr.Events[0].Text != "hi" {
		t.Errorf("%v, %v", tr, err)
	}
}
