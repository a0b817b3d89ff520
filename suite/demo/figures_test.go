package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/causeway-im/causeway/sim"
	"github.com/causeway-im/causeway/sim/trace"
)

// leaves flattens a Result as its readers see it: path → value.
func leaves(t *testing.T, r *Run) map[string]string {
	t.Helper()
	var tree any
	if err := json.Unmarshal([]byte(asJSON(t, r)), &tree); err != nil {
		t.Fatal(err)
	}
	flat := map[string]string{}
	var walk func(path string, node any)
	walk = func(path string, node any) {
		if object, ok := node.(map[string]any); ok {
			for key, value := range object {
				walk(strings.TrimPrefix(path+"."+key, "."), value)
			}
			return
		}
		flat[path] = fmt.Sprint(node)
	}
	walk("", tree)
	return flat
}

// TestNoConstants changes one thing at a time and demands that every figure
// takes part: none would be right if it were always the same.
func TestNoConstants(t *testing.T) {
	base := Options{Members: 8, Loss: 0.2, Seed: 1}
	change := func(f func(o *Options)) map[string]string {
		o := base
		f(&o)
		return leaves(t, play(t, o))
	}
	was := leaves(t, play(t, base))
	others := []map[string]string{
		change(func(o *Options) { o.Seed = 2 }),
		change(func(o *Options) { o.Loss = 0.5 }),
		change(func(o *Options) { o.Members = 5 }),
		change(func(o *Options) { o.Trace = parse(t, smallTalk) }),
		change(func(o *Options) { o.KeepCut = true }),
		change(func(o *Options) { o.Trace = crowd(t) }),
	}
	for _, path := range slices.Sorted(maps.Keys(was)) {
		changed := slices.ContainsFunc(others, func(o map[string]string) bool { return o[path] != was[path] })
		if !changed && path != "violations" { // which has a test of its own
			t.Errorf("%s is %s whatever is changed", path, was[path])
		}
	}
}

// crowd is a trace in which everybody speaks at once, again and again, so that
// messages have many predecessors. Member 5 speaks more in the middle.
func crowd(t *testing.T) *trace.Trace {
	var b strings.Builder
	for round := range 9 {
		for member := range 8 {
			fmt.Fprintf(&b, "%d %d msg Round %d!\n", 10*round, member, round)
		}
		fmt.Fprintf(&b, "%d 5 msg And another.\n", 10*round)
	}
	return parse(t, strings.TrimSpace(b.String()))
}

// TestDirections says what a figure does when something changes.
func TestDirections(t *testing.T) {
	res := func(o Options) Result { return play(t, o).Result() }
	base := res(Options{Members: 8, Loss: 0.2, Seed: 1})
	perfect := res(Options{Members: 8, Loss: 0, Seed: 1})
	lossy := res(Options{Members: 8, Loss: 0.5, Seed: 1})
	few := res(Options{Members: 4, Loss: 0.2, Seed: 1})

	more := func(name string, low, high int64) {
		if !(low < high) {
			t.Errorf("%s: %d is not below %d", name, low, high)
		}
	}
	for _, l := range []struct {
		name      string
		low, high Result
	}{{"no loss", perfect, base}, {"half lost", base, lossy}} {
		a, b := l.low.AllOnline, l.high.AllOnline
		more(l.name+": lost", int64(l.low.Lost), int64(l.high.Lost))
		more(l.name+": missed", int64(a.Missed), int64(b.Missed))
		more(l.name+": repair p95", a.Repair.P95, b.Repair.P95)
		more(l.name+": detect p90", a.Detect.P90, b.Detect.P90)
		more(l.name+": first p95", a.FirstAck.P95, b.FirstAck.P95)
		more(l.name+": full p50", a.FullAck.P50, b.FullAck.P50)
		more(l.name+": repairs", int64(l.low.Packets["repair"]), int64(l.high.Packets["repair"]))
		more(l.name+": control", int64(l.low.Bytes.Control), int64(l.high.Bytes.Control))
	}
	if perfect.Lost != 0 || base.Lost*100/base.Handed < 18 || base.Lost*100/base.Handed > 22 {
		t.Errorf("%d lost without loss; %d of %d at 20 %%", perfect.Lost, base.Lost, base.Handed)
	}
	more("fewer members: handed", int64(few.Handed), int64(base.Handed))
	more("with the cut: full p95", base.AllOnline.FullAck.P95, base.FullAck.P95)
	more("an answer takes two ways", 2*260, base.FirstAck.P50)
	more("in one message", 0, int64(base.Bytes.InMessageP50))
	more("p99 above p50", int64(base.Bytes.InMessageP50), int64(base.Bytes.InMessageP99))
	if base.Bytes.Content != 13_341 || base.Cut.FromSeconds != 2225 || base.Cut.ToSeconds != 4450 {
		t.Errorf("content %d, cut %+v; the trace has 13,341 bytes in 6,675 s", base.Bytes.Content, base.Cut)
	}
	more("longer than the trace", 6675, int64(base.VirtualSeconds))
}

// TestDeployedBytes compares with sums made by hand for three messages of 1, 2
// and 3 bytes: each member has heard all before it speaks.
func TestDeployedBytes(t *testing.T) {
	const (
		js       = 22 + 66 + 34 + 7 + 18_756 + 3 // fields of a message of @waku/sds
		jsEntry  = 2 + 66 + 22
		nim      = 68 + 6 + 34 + 18_772 + 2
		nimOwn   = 2 + 68
		nimOther = nimOwn + 22
	)
	res := play(t, Options{Members: 3, Seed: 1, Trace: parse(t, "0 0 msg a\n60 0 msg bb\n300 0 msg ccc")}).Result()
	if want := 3*js + 6 + 3*jsEntry; res.Bytes.JS != want {
		t.Errorf("js %d, want %d", res.Bytes.JS, want)
	}
	if want := 3*nim + 6 + 3*nimOwn; res.Bytes.Nim != want {
		t.Errorf("nim %d, want %d", res.Bytes.Nim, want)
	}
	// Member 1, cut off from 100 s to 200 s, has not heard "bb" when it says "ccc".
	res = play(t, Options{Members: 3, Seed: 1, Trace: parse(t, "0 0 msg a\n110 2 msg bb\n120 1 msg ccc\n121 1 msg d\n300 0 msg e")}).Result()
	if want := 5*js + 8 + (0+1+1+2+4)*jsEntry; res.Bytes.JS != want || res.Cut.Member != 1 {
		t.Errorf("js %d, want %d; cut %+v", res.Bytes.JS, want, res.Cut)
	}
	if want := 5*nim + 8 + (0+1+1+1+3)*nimOther + (0+0+0+1+1)*nimOwn; res.Bytes.Nim != want {
		t.Errorf("nim %d, want %d", res.Bytes.Nim, want)
	}
}

// TestTable fills a Result with values that differ, and looks for each.
func TestTable(t *testing.T) {
	next := int64(0)
	four := func() Latencies {
		p := func() Percentiles {
			next += 5
			return Percentiles{next * 1000, (next + 1) * 1000, (next + 2) * 1000, (next + 3) * 1000, (next + 4) * 1000}
		}
		return Latencies{p(), p(), p(), p()}
	}
	late := int64(4_711_000)
	r := Result{Seed: 77, Members: 41, Loss: 0.125, Messages: 1000, Handed: 20_123_456, Lost: 5_123_456,
		Missed: 60_001, Repaired: 60_002, Latencies: four(), AllOnline: AllOnline{Messages: 987, Latencies: four()},
		Cut:     Cut{Member: 39, FromSeconds: 3600, ToSeconds: 7325, CaughtUp: &late, Drafts: 876},
		Packets: map[string]int{}, VirtualSeconds: 9000.5, OK: true,
		Bytes: Bytes{Content: 111_000, Control: 222_000, ByClass: map[string]int{}, InMessageP50: 171, InMessageP99: 272,
			JS: 33_333_000, Nim: 44_444_000}}
	want := []string{"seed 77", "41 members", "12.5 %", "1,000 messages", "20,123,456", "5,123,456", "25.5 %",
		"60,001", "60,002", "987 messages while", "member 39", "1:00:00", "2:02:05", "1h18m", "876", "2:30:00",
		"111,000", "111\n", "222,000", "222\n", "171", "272", "33,333,000", "33,333 ", "44,444,000", "44,444 ", "all 41 logs"}
	for i, c := range classes {
		r.Packets[c.String()], r.Bytes.ByClass[c.String()] = 501+i, 601_000+1000*i
		want = append(want, number(501+i), number(601_000+1000*i), number(601+i)+"\n")
	}
	want = append(want, number(6*501+15), number(6*601_000+15_000), "55 ×", "74 ×")
	for n := int64(5); n < next+5; n++ {
		want = append(want, short(time.Duration(n)*time.Second))
	}
	var b bytes.Buffer
	if err := r.WriteTable(&b, false); err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if !strings.Contains(b.String(), w) {
			t.Errorf("%q is missing", w)
		}
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(line) - 1; n > 79 || strings.HasSuffix(line, " \n") {
			t.Errorf("%d columns: %q", n, line)
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("colours were not wanted")
	}
	b.Reset()
	if err := r.WriteTable(&b, true); err != nil || !strings.Contains(b.String(), "\x1b[32mOK:\x1b[0m") {
		t.Errorf("%v, no green in\n%s", err, &b)
	}
}

func TestPercentiles(t *testing.T) {
	var d []time.Duration
	for i := range 100 {
		d = append(d, time.Duration(100-i)*time.Second)
	}
	if got, want := percentiles(d), (Percentiles{51_000, 91_000, 96_000, 100_000, 100_000}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := percentiles(nil); got != (Percentiles{}) {
		t.Errorf("of nothing: %v", got)
	}
	if got := percentile([]int{5, 1, 9}, 50); got != 5 || got != int(sim.Percentile([]time.Duration{1, 5, 9}, 50)) {
		t.Errorf("median %d", got)
	}
}

func TestFormats(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{number(0), "0"}, {number(999), "999"}, {number(1000), "1,000"}, {number(1234567), "1,234,567"}, {number(-1234), "-1,234"},
		{percent(0.2), "20 %"}, {percent(0.125), "12.5 %"}, {percent(0), "0 %"}, {lostShare(1, 8), "12.5 %"}, {lostShare(0, 0), "0.0 %"},
		{short(0), "0.00s"}, {short(9994 * time.Millisecond), "9.99s"}, {short(59 * time.Second), "59.0s"},
		{short(61 * time.Second), "1m01s"}, {short(3660 * time.Second), "1h01m"}, {clock(3725 * time.Second), "1:02:05"},
		{plural(1, "draft", "drafts"), "1 draft"}, {plural(2, "draft", "drafts"), "2 drafts"}, {each(7, 0), "-"}, {each(7, 2), "3"},
		{fit("a\x1b[31mb\tc", 7), "a [31mb"}, {fit("日本", 3), "日"}, {fit("häß", 3), "häß"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}
