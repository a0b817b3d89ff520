package demo

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sim/trace"
)

// parse makes a trace of lines such as "12 0 msg hello".
func parse(t *testing.T, lines string) *trace.Trace {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(lines) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 4)
		b.WriteString(`{"t": ` + f[0] + `, "member": ` + f[1] + `, "event": "` + f[2] + `"`)
		if len(f) == 4 {
			b.WriteString(`, "text": "` + f[3] + `"`)
		}
		b.WriteString("}\n")
	}
	tr, err := trace.Read(strings.NewReader(b.String()), "test")
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// TestShorten says how the time of a trace becomes that of a run.
func TestShorten(t *testing.T) {
	many := strings.Repeat("0 0 msg x\n", 1000) + "7200 0 msg x" // a second of 1,000, and two hours of silence
	for _, tt := range []struct {
		name, trace string
		want        []float64 // seconds; nil: only the last is looked at
		length      float64
	}{
		{"short ones stay", "0 0 msg a\n3 1 msg b\n10 0 msg c", []float64{0, 3, 10}, 10},
		{"the beginning is cut off", "500 0 msg a\n503 1 msg b", []float64{0, 3}, 3},
		{"a silence", "0 0 msg a\n7200 1 msg b", []float64{0, 60}, 60},
		{"a rhythm", "0 0 msg a\n30 1 msg b\n90 1 msg c\n9999 1 msg d\n10029 1 msg e", []float64{0, 7.5, 22.5, 52.5, 60}, 60},
		{"many messages", many, nil, 120}, // no faster than they were
		{"very many", strings.ReplaceAll(many, "0 0 msg x\n", "0 0 msg x\n0 0 msg y\n") + "\n99999 0 msg z", nil, 240},
	} {
		at := shorten(parse(t, tt.trace))
		if last := at[len(at)-1].Seconds(); last != tt.length || !slices.IsSorted(at) {
			t.Errorf("%s: ends at %v, want %v", tt.name, last, tt.length)
		}
		for i := range tt.want {
			if at[i].Seconds() != tt.want[i] {
				t.Errorf("%s: %v, want %v", tt.name, at, tt.want)
				break
			}
		}
	}
}

// TestBuiltIn: the conversation takes a minute, and its pauses are bearable.
func TestBuiltIn(t *testing.T) {
	tr, err := builtInTrace()
	if err != nil {
		t.Fatal(err)
	}
	p, cut := makePlan(tr, 8, Talker)
	if p.messages != 195 || p.length != time.Minute || cut != 0 {
		t.Errorf("%d messages in %v, member %d is cut off", p.messages, p.length, cut)
	}
	for i, s := range p.steps[1:] {
		if gap := s.at - p.steps[i].at; gap > 1500*time.Millisecond {
			t.Errorf("%v of silence before %v", gap, s.at)
		}
	}
}

// TestPlan says when which member is without a network.
func TestPlan(t *testing.T) {
	tr := parse(t, `0 0 msg a
		10 4 msg b
		31 4 msg c
		32 3 leave
		40 1 msg d
		52 1 join
		90 2 msg g`)
	for _, tt := range []struct {
		offline, cut int
		want         string
	}{
		// Members 4 and 1 are the same, and so are 3 and 0.
		{Talker, 1, "0 say 0|6.67 say 1|20 cut 1|20.7 say 1|21.3 leave 0|26.7 say 1|34.7 join 1|40 back 1|60 say 2|60 join 0|60 join 1|60 join 2"},
		{Nobody, Nobody, "0 say 0|6.67 say 1|20.7 say 1|21.3 leave 0|26.7 say 1|34.7 join 1|60 say 2|60 join 0|60 join 1|60 join 2"},
		{2, 2, "0 say 0|6.67 say 1|20 cut 2|20.7 say 1|21.3 leave 0|26.7 say 1|34.7 join 1|40 back 2|60 say 2|60 join 0|60 join 1|60 join 2"},
	} {
		p, cut := makePlan(tr, 3, tt.offline)
		var got []string
		for _, s := range p.steps {
			what := [...]string{say: "say", leave: "leave", join: "join", cutOff: "cut", reunite: "back"}[s.do]
			got = append(got, fmt.Sprintf("%.3g %s %d", s.at.Seconds(), what, s.member))
		}
		if s := strings.Join(got, "|"); s != tt.want || cut != tt.cut {
			t.Errorf("%d: got  %s, cut %d\nwant %s", tt.offline, s, cut, tt.want)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, transport := range []Transport{Waku, Loopback} {
		for _, o := range []Options{
			{Members: 1}, {Members: 65}, {Members: 8, Loss: -0.1}, {Members: 8, Loss: 0.91}, {Members: 8, Offline: 8},
			{Members: 8, Offline: -3}, {Members: 8, Patience: -1}, {Members: 8, Trace: &trace.Trace{}}, {Offline: transport.Members()},
		} {
			o.Transport = transport
			if _, err := New(o); err == nil {
				t.Errorf("%+v: no error", o)
			}
		}
		if r, err := New(Options{Transport: transport}); err != nil || r.opts.Members != transport.Members() {
			t.Errorf("%s: %v", transport, err)
		}
	}
	for _, o := range []Options{{}, {Transport: "tcp"}, {Transport: Waku, Members: 3}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	if _, err := New(Options{Transport: Loopback, Members: 2}); err != nil {
		t.Error(err)
	}
}
