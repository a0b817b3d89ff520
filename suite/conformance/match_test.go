package conformance

import (
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		want, got string
		problem   string // "" for none
	}{
		{`{"event":"acked"}`, `{"event":"acked","id":"x"}`, ""},
		{`{"event":"acked","id":"x"}`, `{"event":"acked"}`, `id is null, want "x"`},
		{`{"count":1}`, `{"count":1}`, ""},
		{`{"count":1}`, `{"count":2}`, "count is 2, want 1"},
		{`{"count":1}`, `{"count":"1"}`, `count is "1", want 1`},
		{`{"ids":["a","b"]}`, `{"ids":["a","b"]}`, ""},
		{`{"ids":["a"]}`, `{"ids":["a","b"]}`, "ids is"},
		{`{"ids":["b","a"]}`, `{"ids":["a","b"]}`, `ids[0] is "a", want "b"`},
		{`{"ids":[]}`, `{}`, ""},
		{`{"filter":null}`, `{}`, ""},
		{`{"filter":null}`, `{"filter":8}`, "filter is 8, want nothing"},
		{`{"m":{"a":"x"}}`, `{"m":{"a":"y"}}`, `m.a is "y", want "x"`},
		{`{"m":{"a":"x"}}`, `{"m":"x"}`, "m is"},
		{`{"id":"#m1"}`, `{"id":"known"}`, ""},
		{`{"id":"#m1"}`, `{"id":"else"}`, `id is "else", want #m1, which is "known"`},
		{`{"a":"#new","b":"#new"}`, `{"a":"x","b":"x"}`, ""},
		{`{"a":"#new","b":"#new"}`, `{"a":"x","b":"y"}`, "which is"},
		{`{"a":"#new"}`, `{"a":7}`, "a is 7"},
	} {
		want, err := object([]byte(tt.want))
		if err != nil {
			t.Fatal(err)
		}
		got, err := object([]byte(tt.got))
		if err != nil {
			t.Fatal(err)
		}
		err = names{"#m1": "known"}.match("", want, got)
		if (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
			t.Errorf("%s for %s: %v", tt.got, tt.want, err)
		}
	}
}

func TestReport(t *testing.T) {
	results := []Result{
		{"later", []string{"R20"}, true, ""},
		{"first", []string{"R3", "R5"}, false, "it did not come"},
		{"also", []string{"R5"}, false, "nor this"},
	}
	var text, asJSON strings.Builder
	if err := WriteText(&text, "lip", results); err != nil {
		t.Fatal(err)
	}
	const want = `R3 R5  first  FAILS
       it did not come
R5     also   FAILS
       nor this
R20    later  holds
dialect lip: 1 of 3 cases hold; not: R3 R5
`
	if text.String() != want {
		t.Errorf("got\n%s", &text)
	}
	if err := WriteJSON(&asJSON, "lip", results); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"dialect": "lip"`, `"problem": "nor this"`, `"holds": true`, `"failed": 2`} {
		if !strings.Contains(asJSON.String(), part) {
			t.Errorf("no %s in %s", part, &asJSON)
		}
	}
}

func TestOnly(t *testing.T) {
	f := File{Cases: []Case{{Name: "a copy", Requirements: []string{"R33"}}, {Name: "an echo", Requirements: []string{"R3", "R33"}}}}
	for text, want := range map[string]int{"R33": 2, "R3": 1, "copy": 1, "": 2, "R333": 0} {
		g := f
		g.Cases = append([]Case(nil), f.Cases...)
		if g.Only(text); len(g.Cases) != want {
			t.Errorf("%q: %d cases, want %d", text, len(g.Cases), want)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	if _, err := Load("klingon"); err == nil || !strings.Contains(err.Error(), "klingon") {
		t.Errorf("%v", err)
	}
}
