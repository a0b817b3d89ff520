package simulate

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/causeway-im/causeway/sim/crowd"
	"github.com/causeway-im/causeway/suite/internal/numbers"
)

// WriteTable writes results of one scenario for people, 80 columns wide, the
// policies beside each other.
func WriteTable(w io.Writer, sc *crowd.Scenario, results []*crowd.Result) error {
	t := &table{results: results}
	t.head(sc)
	t.lines(countLines(results))
	t.times()
	t.lines(byteLines(results))
	t.kinds()
	for _, r := range results {
		t.verdict(r)
	}
	_, err := io.WriteString(w, t.String())
	return err
}

type table struct {
	strings.Builder
	results []*crowd.Result
}

func (t *table) printf(format string, args ...any) { fmt.Fprintf(t, format, args...) }

func (t *table) head(sc *crowd.Scenario) {
	r := t.results[0]
	t.printf("%s members wrote %s in %s; loss %s, seed %d\n", numbers.Number(r.Members), numbers.Plural(r.Messages, "message", "messages"),
		clock(lengthOf(sc)), numbers.Percent(sc.Network.Loss), r.Seed)
	for _, r := range t.results {
		t.printf("%s: %s of virtual time in %.1f s, %s received, %.1f µs each\n", r.Policy, clock(seconds(r.VirtualSeconds)),
			r.WallSeconds, numbers.Number(int(r.Receives)), 1e6*r.WallSeconds/float64(max(r.Receives, 1)))
	}
}

const left = 40

// line has a value for each policy, or is a heading.
type line struct {
	name   string
	indent int
	head   bool
	cells  []string
}

// lines are what text and page show alike.
type lines struct {
	results []*crowd.Result
	list    []line
}

func (l *lines) heading(name string) {
	cells := make([]string, len(l.results))
	for i, r := range l.results {
		cells[i] = string(r.Policy)
	}
	l.list = append(l.list, line{name, 0, true, cells})
}

func (l *lines) add(indent int, name string, value func(*crowd.Result) string) {
	cells := make([]string, len(l.results))
	for i, r := range l.results {
		cells[i] = value(r)
	}
	l.list = append(l.list, line{name, indent, false, cells})
}

func (t *table) lines(l lines) {
	for _, line := range l.list {
		if line.head {
			t.printf("\n")
		}
		t.printf("%-*s", left, strings.Repeat("  ", line.indent)+line.name)
		for _, cell := range line.cells {
			t.printf("%20s", cell)
		}
		t.printf("\n")
	}
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "NO"
}

// countLines say what became of the messages.
func countLines(results []*crowd.Result) lines {
	l := lines{results: results}
	l.heading("what became of the messages")
	l.add(1, "all hold the same at the end", func(r *crowd.Result) string { return yes(r.Consistent) })
	l.add(1, "first copies lost by the network", func(r *crowd.Result) string { return numbers.Number(r.Missed) })
	l.add(2, "noticed", func(r *crowd.Result) string { return part(r.MissedDetected, r.Missed) })
	l.add(2, "not repaired though somebody has it", func(r *crowd.Result) string { return numbers.Number(r.Unrepaired) })
	l.add(1, "not delivered in order", func(r *crowd.Result) string { return numbers.Number(r.Undelivered) })
	l.add(1, "false acknowledgements", func(r *crowd.Result) string { return numbers.Number(r.FalseAcks) })
	l.add(1, "last delivery after the last event", func(r *crowd.Result) string { return short(r.SettledMs) })
	if results[0].Verdicts.Asked > 0 {
		l.add(1, "verdicts on 90 % of the group", func(r *crowd.Result) string { return numbers.Number(r.Verdicts.Asked) })
		l.add(2, "right", func(r *crowd.Result) string { return part(r.Verdicts.Right, r.Verdicts.Asked) })
		l.add(2, "undecided", func(r *crowd.Result) string { return numbers.Number(r.Verdicts.Undecided) })
		l.add(2, "95 % within", func(r *crowd.Result) string { return short(r.Verdicts.P95Ms) })
	}
	return l
}

// figure is a distribution and its name.
type figure struct {
	name string
	of   func(*crowd.Result) crowd.Distribution
}

var figures = []figure{
	{"written → first acknowledgement", func(r *crowd.Result) crowd.Distribution { return r.AckFirst }},
	{"written → what was wanted is reached", func(r *crowd.Result) crowd.Distribution { return r.AckWanted }},
	{"broadcast → a lost copy is noticed", func(r *crowd.Result) crowd.Distribution { return r.Detect }},
	{"noticed → repaired", func(r *crowd.Result) crowd.Distribution { return r.Repair }},
	{"broadcast → delivered in order", func(r *crowd.Result) crowd.Distribution { return r.Consistency }},
}

func (t *table) times() {
	t.printf("\n%-*s%8s%8s%8s%8s%8s\n", left, "how long it took", "p50", "p90", "p95", "p99", "max")
	never := false
	for _, f := range figures {
		if len(t.results) > 1 {
			t.printf("  %s\n", f.name)
		}
		for _, r := range t.results {
			name := "  " + f.name
			if len(t.results) > 1 {
				name = "    " + string(r.Policy)
			}
			d := f.of(r)
			mark := ""
			if d.Never > 0 {
				mark, never = fmt.Sprintf(" %s never*", numbers.Number(d.Never)), true
			}
			if d.Count == 0 {
				t.printf("%-*s%8s\n", left, name, "-")
				continue
			}
			t.printf("%-*s", left, name)
			for _, ms := range []float64{d.P50, d.P90, d.P95, d.P99, d.Max} {
				t.printf("%8s", short(ms))
			}
			t.printf("%s\n", mark)
		}
	}
	if never {
		t.printf("* by the end of the run: counted with the time until then\n")
	}
}

// byteLines say what it cost.
func byteLines(results []*crowd.Result) lines {
	l := lines{results: results}
	l.heading("bytes, each broadcast counted once")
	l.add(1, "what members wrote", func(r *crowd.Result) string { return size(float64(r.Bytes.Content)) })
	l.add(1, "control, of the whole group", func(r *crowd.Result) string { return size(float64(r.Bytes.Control)) })
	l.add(2, "per message", func(r *crowd.Result) string { return size(r.Bytes.ControlPerMessageGroup) })
	l.add(2, "in one content message, p50", func(r *crowd.Result) string { return size(r.Bytes.ControlInMessageP50) })
	l.add(2, "in one content message, p99", func(r *crowd.Result) string { return size(r.Bytes.ControlInMessageP99) })
	l.add(2, "per second in the second idle hour", func(r *crowd.Result) string {
		if r.Bytes.IdlePerSecond == nil {
			return "-"
		}
		return fmt.Sprintf("%.1f B", *r.Bytes.IdlePerSecond)
	})
	l.add(1, "on all links of the mesh", func(r *crowd.Result) string { return size(r.Bytes.Mesh) })
	l.add(1, "most control by one member, × mean", func(r *crowd.Result) string { return fmt.Sprintf("%.1f", r.Fairness) })
	l.add(1, "repairs per message that was missed", func(r *crowd.Result) string {
		return fmt.Sprintf("%.1f, at most %s", r.RepairsPerIncident, numbers.Number(r.RepairsMax))
	})
	l.heading("broadcasts and their bytes")
	for _, class := range classes(results) {
		l.add(1, class, func(r *crowd.Result) string {
			return fmt.Sprintf("%s %9s", numbers.Number(int(r.Bytes.Packets[class])), size(float64(r.Bytes.ByClass[class])))
		})
	}
	return l
}

// classes lists the classes of packets that there were.
func classes(results []*crowd.Result) []string {
	all := map[string]bool{}
	for _, r := range results {
		for class := range r.Bytes.Packets {
			all[class] = true
		}
	}
	order := []string{"content", "resend", "repair", "request", "ack", "sync", "ephemeral"}
	return slices.DeleteFunc(order, func(class string) bool { return !all[class] })
}

// kinds tells members of different kinds apart.
func (t *table) kinds() {
	for _, r := range t.results {
		if len(r.ByKind) == 0 {
			continue
		}
		t.printf("\n%-*s%8s%8s%8s%8s%8s\n", left, string(r.Policy)+": members by kind", "number", "missed", "lacking", "ack p95", "rep p95")
		for _, kind := range slices.Sorted(maps.Keys(r.ByKind)) {
			k := r.ByKind[kind]
			name := "  " + string(kind)
			if !k.Consistent {
				name += " (not consistent)"
			}
			t.printf("%-*s%8s%8s%8s%8s%8s\n", left, name, numbers.Number(k.Members), numbers.Number(k.Missed), numbers.Number(k.Unrepaired),
				short(k.AckFirst.P95), short(k.Repair.P95))
		}
	}
}

// verdict says how it went.
func (t *table) verdict(r *crowd.Result) {
	if failures := Failed(r); len(failures) > 0 {
		t.printf("\nFAILED (%s): %s\n", r.Policy, strings.Join(failures, "; "))
		return
	}
	t.printf("\nOK (%s): who was there in the end holds the same, and no receipt was false\n", r.Policy)
}

// lengthOf is how long members write.
func lengthOf(sc *crowd.Scenario) time.Duration {
	if sc.Load.Trace != nil {
		return sc.Load.Trace.Duration()
	}
	return sc.Load.Duration
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
