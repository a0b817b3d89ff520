package simulate

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sim/crowd"
	"github.com/causeway-im/causeway/sim/trace"
	"github.com/causeway-im/causeway/suite/internal/numbers"
)

func scenario() crowd.Scenario {
	return crowd.Scenario{Members: 40, Seed: 7, Network: crowd.Network{Loss: 0.1},
		Load: crowd.Load{Rate: 0.5, Duration: time.Minute, Asked: 0.3}, Tail: 30 * time.Second}
}

var both = []crowd.Policy{crowd.Causeway, crowd.ClassicPolicy}

func results(t *testing.T, sc crowd.Scenario, policies []crowd.Policy) []*crowd.Result {
	t.Helper()
	r, err := Run(t.Context(), sc, policies, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(r) != len(policies) {
		t.Fatalf("%d results", len(r))
	}
	return r
}

func TestTable(t *testing.T) {
	sc := scenario()
	r := results(t, sc, both)
	var b strings.Builder
	if err := WriteTable(&b, &sc, r); err != nil {
		t.Fatal(err)
	}
	out := b.String()
	for _, want := range []string{
		fmt.Sprintf("40 members wrote %d messages in 1:00; loss 10 %%, seed 7\n", r[0].Messages),
		"causeway: 1:30 of virtual time in ", numbers.Number(int(r[1].Receives)) + " received, ",
		"first copies lost by the network" + fmt.Sprintf("%26s%20s\n", numbers.Number(r[0].Missed), numbers.Number(r[1].Missed)),
		"\n    classic" + strings.Repeat(" ", 29) + fmt.Sprintf("%8s%8s", short(r[1].AckFirst.P50), short(r[1].AckFirst.P90)),
		"control, of the whole group" + fmt.Sprintf("%31s%20s\n", size(float64(r[0].Bytes.Control)), size(float64(r[1].Bytes.Control))),
		fmt.Sprintf("%-40s%20s", "  sync", fmt.Sprintf("%d %9s", r[0].Bytes.Packets["sync"], size(float64(r[0].Bytes.ByClass["sync"])))),
		fmt.Sprintf("%-40s%20d%20d\n    right", "  verdicts on 90 % of the group", r[0].Verdicts.Asked, r[1].Verdicts.Asked),
		" never*", "counted with the time until then",
		"\nOK (causeway): ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	for line := range strings.Lines(out) {
		if n := len([]rune(line)); n > 96 {
			t.Errorf("%d characters: %s", n, line)
		}
	}
	b.Reset()
	failed := *r[0]
	failed.FalseAcks, failed.Consistent = 1, false
	if err := WriteTable(&b, &sc, []*crowd.Result{&failed}); err != nil || !strings.Contains(b.String(),
		"\nFAILED (causeway): members do not hold the same messages at the end; 1 acknowledgement was false\n") {
		t.Errorf("%v, %s", err, b.String())
	}
	b.Reset()
	sc.Mix = crowd.Mix{Light: 0.5}
	if err := WriteTable(&b, &sc, results(t, sc, both[:1])); err != nil || !strings.Contains(b.String(), "causeway: members by kind") ||
		!regexp.MustCompile(`\n  light +20 `).MatchString(b.String()) {
		t.Errorf("%v, %s", err, b.String())
	}
	if err := WriteTable(broken{}, &sc, r); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("got %v", err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestPage(t *testing.T) {
	sc := scenario()
	r := results(t, sc, both)
	sizes, err := RunSizes(t.Context(), sc, both, r, nil)
	if err != nil || len(sizes) != 3 || sizes[0].Members != 10 || sizes[1].Members != 32 || sizes[2].Results[0] != r[0] {
		t.Fatalf("%v, %+v", err, sizes)
	}
	var b bytes.Buffer
	if err := WritePage(&b, &sc, r, sizes); err != nil {
		t.Fatal(err)
	}
	out := b.String()
	if outside := regexp.MustCompile(`(?i)https?://|src=|@import|<link|<script|url\(`).FindString(out); outside != "" {
		t.Errorf("the page needs %s", outside)
	}
	for _, want := range []string{"prefers-color-scheme: dark", "<!DOCTYPE html>", short(r[1].Repair.P95), size(r[0].Bytes.ControlPerMessageGroup),
		"duration: 1m0s", "first acknowledgement, p95", "32 members: " + size(sizes[1].Results[1].Bytes.ControlPerMessageGroup)} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	pictures := regexp.MustCompile(`(?s)<svg viewBox="0 0 520 300".*?</svg>`).FindAllString(out, -1)
	if len(pictures) != 4 {
		t.Fatalf("%d pictures", len(pictures))
	}
	for i, lines := range []int{2, 4, 2, 2} { // by policy; two kinds of acknowledgement
		if err := wellFormed(pictures[i]); err != nil {
			t.Errorf("picture %d: %v", i, err)
		}
		if n := strings.Count(pictures[i], "<polyline"); n != lines {
			t.Errorf("picture %d has %d lines, want %d", i, n, lines)
		}
	}
	// Curves rise.
	for _, points := range regexp.MustCompile(`polyline class="[^"]*" points="([^"]*)"`).FindAllStringSubmatch(pictures[0], -1) {
		x, y := 0.0, 1000.0
		for _, p := range strings.Fields(points[1]) {
			var nextX, nextY float64
			if _, err := fmt.Sscanf(p, "%f,%f", &nextX, &nextY); err != nil || nextX < x || nextY > y || nextX < plotLeft || nextX > plotRight ||
				nextY < plotTop || nextY > plotBottom {
				t.Fatalf("%v: %s after %v,%v", err, p, x, y)
			}
			x, y = nextX, nextY
		}
		if y > plotTop+5 {
			t.Errorf("it ends at %v", y)
		}
	}
	b.Reset()
	r[0].FalseAcks = 3
	if err := WritePage(&b, &sc, r[:1], nil); err != nil || !strings.Contains(b.String(), "3 acknowledgements were false") ||
		!strings.Contains(b.String(), "no smaller group") {
		t.Errorf("%v", err)
	}
}

func wellFormed(text string) error {
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestAxis(t *testing.T) {
	linear := axis{low: 0, top: 4.2}
	if got := fmt.Sprint(linear.ticks()); got != "[0 1 2 3 4]" || linear.at(2.1) != 0.5 {
		t.Errorf("%s, %v", got, linear.at(2.1))
	}
	log := axis{low: 1, top: 100, log: true}
	if got := fmt.Sprint(log.ticks()); got != "[1 2 5 10 20 50 100]" || log.at(10) != 0.5 {
		t.Errorf("%s, %v", got, log.at(10))
	}
	var a axis
	if a.span(1, 10); a.log || a.low != 0 {
		t.Errorf("%+v", a)
	}
	if a.span(1, 100); !a.log || a.low > 1 || a.top < 100 {
		t.Errorf("%+v", a)
	}
}

func TestSizes(t *testing.T) {
	sc := scenario()
	for members, want := range map[int]string{5: "[5]", 10: "[10]", 100: "[10 32 100]", 5000: "[10 32 100 316 1000 3162 5000]"} {
		sc.Members = members
		if got := fmt.Sprint(Sizes(&sc)); got != want {
			t.Errorf("%d: %s, want %s", members, got, want)
		}
	}
	sc.Members, sc.Load = 5000, crowd.Load{Trace: &trace.Trace{}}
	for i := range 50 {
		sc.Load.Trace.Events = append(sc.Load.Trace.Events, trace.Event{Kind: trace.Message, Member: i, Text: "hi"})
	}
	if got := fmt.Sprint(Sizes(&sc)); got != "[100 316 1000 3162 5000]" {
		t.Errorf("with a trace %s", got)
	}
}

func TestProgress(t *testing.T) {
	var b strings.Builder
	width := 0
	p := NewProgress(&b, func() int { return width })
	now := time.Unix(0, 0)
	p.now = func() time.Time { now = now.Add(time.Second); return now }
	watch := p.watch("causeway, 40 members")
	watch(crowd.Progress{Virtual: time.Minute, Total: 5 * time.Minute, Messages: 1, Receives: 1234})
	if want := "\r\x1b[Kcauseway, 40 members: 1:00 of 5:00, about 0:04 left; 1 message, 1,234 received"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	b.Reset()
	width = 40 // a line that reaches the last column would wrap
	watch(crowd.Progress{Virtual: 2 * time.Minute, Total: 5 * time.Minute})
	if want := "\r\x1b[Kcauseway, 40 members: 2:00 of 5:00, abo"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	b.Reset()
	p.now = func() time.Time { return now } // too soon
	if watch(crowd.Progress{Virtual: time.Minute}); b.String() != "" {
		t.Errorf("%q", b.String())
	}
	p.clear()
	if p.clear(); b.String() != "\r\x1b[K" {
		t.Errorf("%q", b.String())
	}
	var none *Progress
	none.clear()
	none.say("nothing")
	if none.watch("") != nil {
		t.Error("nobody watches")
	}
}

func TestText(t *testing.T) {
	for got, want := range map[string]string{
		numbers.Number(1234567): "1,234,567", numbers.Number(-1000): "-1,000", numbers.Plural(1, "cat", "cats"): "1 cat", numbers.Plural(2000, "cat", "cats"): "2,000 cats",
		numbers.Percent(0.05): "5 %", numbers.Percent(0.125): "12.5 %", part(1, 3): "1  33.3 %", part(0, 0): "0", part(99_999, 100_000): "99,999  99.999 %",
		part(5, 5): "5  100.0 %", short(1234): "1.23s", short(12_345): "12.3s", short(125_000): "2m05s", short(3_720_000): "1h02m",
		clock(65 * time.Second): "1:05", clock(time.Hour + time.Second): "1:00:01", size(9999): "9999 B", size(12_345): "12.3 kB",
		size(1.25e6): "1.2 MB", size(3e9): "3.0 GB", tickSize(100): "100 B", tickSize(3e5): "300 kB", tickSize(2e6): "2 MB", tickSize(5e9): "5 GB",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
