package legacy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/causeway-im/causeway/telemetry/report"
)

// The window of these tests is from 10,000 to 13,600 s.
const (
	begin = 10_000
	now   = begin + 2*Hour
)

// table collects rows.
type table []Row

// present lets receivers of a chat have a row before and one after the window, which
// is what makes them count.
func (t *table) present(chat string, receivers ...string) {
	for _, r := range receivers {
		*t = append(*t, Row{chat, r, begin - 100, begin - 100}, Row{chat, r, now - 100, now - 100})
	}
}

// got adds so many messages of the window.
func (t *table) got(chat, receiver string, n int) {
	for i := range n {
		*t = append(*t, Row{chat, receiver, begin + 10 + int64(i), begin + 11 + int64(i)})
	}
}

func (t table) want(tb testing.TB, truth, r float64) {
	tb.Helper()
	got := Aggregate(t, now, Hour).Global
	if math.Abs(got-r) > 5e-4 {
		tb.Errorf("the old number is %.4f, want %.4f at a true %.4f", got, r, truth)
	}
	if truth == r {
		tb.Errorf("this test shows no bias")
	}
}

// Defect 1: what all receivers lack is in no term.
func TestBias1SharedLoss(t *testing.T) {
	var rows table
	rows.present("tea", "a", "b", "c")
	for _, r := range []string{"a", "b", "c"} {
		rows.got("tea", r, 5) // of 10
	}
	rows.want(t, 0.5, 1)
}

// Defect 2: one reporter is always perfect.
func TestBias2SingleReporter(t *testing.T) {
	var rows table
	rows.present("tea", "a")
	rows.got("tea", "a", 4) // of 10
	rows.want(t, 0.4, 1)
}

// Defect 3: it compares counts and not messages.
func TestBias3DifferentMessagesMissed(t *testing.T) {
	var rows table
	rows.present("tea", "a", "b", "c")
	for _, r := range []string{"a", "b", "c"} {
		rows.got("tea", r, 9) // of 10, each another
	}
	rows.want(t, 0.9, 1)
}

// Defect 4: who got nothing is left out.
func TestBias4NothingReceived(t *testing.T) {
	var rows table
	rows.present("tea", "a", "b", "c")
	rows.got("tea", "a", 10)
	rows.got("tea", "b", 10)
	rows.want(t, 2.0/3, 1)
}

// Defect 5: who was offline at either end is left out.
func TestBias5OfflineAtTheEdge(t *testing.T) {
	for name, edge := range map[string]int64{"before": begin - 100, "after": now - 100} {
		t.Run(name, func(t *testing.T) {
			var rows table
			rows.present("tea", "a", "b")
			rows = append(rows, Row{"tea", "c", edge, edge}) // at one end only
			rows.got("tea", "a", 10)
			rows.got("tea", "b", 10)
			rows.got("tea", "c", 1)
			rows.want(t, 21.0/30, 1)
		})
	}
}

// Defect 6: the window is closed after an hour, and within it a message may be late.
func TestBias6LateReports(t *testing.T) {
	var rows table
	rows.present("tea", "a", "b")
	rows.got("tea", "a", 10)
	for i := range int64(10) { // 50 minutes late
		rows = append(rows, Row{"tea", "b", begin + i, begin + i + 3000})
	}
	rows.want(t, 0.5, 1) // within a minute

	rows = rows[:len(rows)-10]
	for i := range int64(10) { // reported after the run
		rows = append(rows, Row{"tea", "b", begin + i, now + 1})
	}
	rows.got("tea", "b", 5)
	rows.want(t, 1, 2-1/0.75)
}

// Defect 7: a quiet chat counts as much as a busy one.
func TestBias7MeanOfChats(t *testing.T) {
	var rows table
	rows.present("busy", "a", "b", "c")
	rows.got("busy", "a", 100)
	rows.got("busy", "b", 50)
	rows.got("busy", "c", 50)
	busy := Aggregate(rows, now, Hour).Global
	if math.Abs(busy-0.5) > 1e-9 {
		t.Fatalf("the busy chat has %v, want 0.5", busy)
	}
	for i := range 9 {
		chat := fmt.Sprint("quiet", i)
		rows.present(chat, "a")
		rows.got(chat, "a", 1)
	}
	rows.want(t, (200.0+9)/(300+9), 0.95)
}

// Defect 8: an author has received its own message before it was sent.
func TestBias8OwnMessages(t *testing.T) {
	u := Upload{&report.Upload{Install: "i", Events: []report.Event{
		{Seq: 1, At: (begin - 100) * 1000, Kind: report.Composed, Channel: "tea", Member: "a", Message: "m0"},
	}}, (begin - 100) * 1000}
	v := Upload{&report.Upload{Install: "i", Events: []report.Event{
		{Seq: 2, At: (begin + 5) * 1000, Kind: report.Composed, Channel: "tea", Member: "a", Message: "m1"},
		{Seq: 3, At: (begin + 6) * 1000, Kind: report.Refused, Channel: "tea", Message: "m1"},
		{Seq: 4, At: (now - 50) * 1000, Kind: report.Composed, Channel: "tea", Member: "a", Message: "m2"},
	}}, (now - 40) * 1000}
	table(Rows([]Upload{u, v})).want(t, 0, 1) // none of it left the device
}

// Defect 9: duplicates are losses of the others.
func TestBias9Duplicates(t *testing.T) {
	var rows table
	rows.present("tea", "a", "b", "c")
	rows.got("tea", "a", 10)
	rows.got("tea", "a", 10) // a resend, a second device, or a report that was sent twice
	rows.got("tea", "b", 10)
	rows.got("tea", "c", 10)
	rows.want(t, 1, 0.5)
}

// of makes the reports of one device: a row before and after the window, and events.
func of(install string, events ...report.Event) []Upload {
	edge := func(seq uint64, at int64) Upload {
		return Upload{&report.Upload{Install: install, Events: []report.Event{
			{Seq: seq, At: at * 1000, Kind: report.Received, Channel: "tea", Message: fmt.Sprint("edge", seq)}}}, at * 1000}
	}
	for i := range events {
		events[i].Channel = "tea"
		events[i].At = (begin + int64(i)) * 1000
	}
	return []Upload{edge(1, begin-100), {&report.Upload{Install: install, Events: events}, (begin + 100) * 1000}, edge(2, now-100)}
}

// Defect 10: what authors, stores and members say about losses is not used.
func TestBias10EvidenceOfLoss(t *testing.T) {
	got := report.Event{Kind: report.Received, Message: "m1"}
	uploads := append(of("i", got,
		report.Event{Kind: report.Refused, Message: "m2"},
		report.Event{Kind: report.Stored, Message: "m2", Answer: "no"},
		report.Event{Kind: report.GaveUp, Message: "m2"}),
		of("j", got, report.Event{Kind: report.Missing, Message: "m3"}, report.Event{Kind: report.Lost, Message: "m3"})...)
	table(Rows(uploads)).want(t, 2.0/6, 1) // m2 reached nobody, m3 not j, and i not known
}

// Defect 11: all sorts of messages are mixed.
func TestBias11AllTraffic(t *testing.T) {
	var busy []report.Event
	for i := range 90 {
		busy = append(busy, report.Event{Kind: report.Received, Message: fmt.Sprint("c", i), Class: report.Control})
	}
	ten := func(n int) (out []report.Event) {
		for i := range n {
			out = append(out, report.Event{Kind: report.Received, Message: fmt.Sprint("m", i), Class: report.Multicast})
		}
		return append(out, busy...)
	}
	uploads := append(of("i", ten(10)...), of("j", ten(0)...)...)
	table(Rows(uploads)).want(t, 0.5, 1-10.0/190) // j has none of the messages to many
}

// Defect 12: an offline device can't report, and then it is not there.
func TestBias12OfflineDevices(t *testing.T) {
	var rows table
	rows.present("tea", "a", "b")
	rows = append(rows, Row{"tea", "c", begin - 100, begin - 100}) // never returns
	rows.got("tea", "a", 10)
	rows.got("tea", "b", 10)
	rows.want(t, 2.0/3, 1)
}

// Defect 13: what could not be read is not reported as anything.
func TestBias13Undecodable(t *testing.T) {
	m := report.Event{Kind: report.Received, Message: "m"}
	bad := report.Event{Kind: report.Undecodable, Message: "x"}
	table(Rows(append(of("i", m, bad), of("j", m, bad)...))).want(t, 0.5, 1)
}

// Defect 14: those who report are not like those who do not.
func TestBias14OptIn(t *testing.T) {
	var rows table
	rows.present("tea", "a", "b") // always online; c to j are phones that do not report
	rows.got("tea", "a", 10)
	rows.got("tea", "b", 10)
	rows.want(t, (2*1+8*0.6)/10, 1)
}

// It is no proportion: it can be negative.
func TestNegative(t *testing.T) {
	var rows table
	rows.present("tea", "a", "b", "c")
	rows.got("tea", "a", 10)
	rows.got("tea", "b", 1)
	rows.got("tea", "c", 1)
	rows.want(t, 0.4, -0.5)
}

// Its formula is 2 − 1/p, with p the share of the best receiver's count.
func TestFormula(t *testing.T) {
	draws := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		var rows table
		n, sum, most := 1+draws.IntN(6), 0, 0
		for i := range n {
			k := 1 + draws.IntN(20)
			sum, most = sum+k, max(most, k)
			rows.present("tea", fmt.Sprint(i))
			rows.got("tea", fmt.Sprint(i), k)
		}
		p := float64(sum) / float64(n*most)
		if got := Aggregate(rows, now, Hour).Chats["tea"]; math.Abs(got-(2-1/p)) > 1e-9 {
			t.Fatalf("%v, want %v", got, 2-1/p)
		}
	}
}

// What it says on average where each receiver loses 20 % by itself, and where 30 %
// never leave their authors.
func TestMonteCarlo(t *testing.T) {
	mean := func(n, messages int, loss, unsent float64) float64 {
		draws := rand.New(rand.NewPCG(uint64(n), uint64(messages)))
		sum, windows := 0.0, 0
		for range 200 {
			var rows table
			left := messages - int(unsent*float64(messages))
			for i := range n {
				k := 0
				for range left {
					if draws.Float64() >= loss {
						k++
					}
				}
				rows.present("tea", fmt.Sprint(i))
				rows.got("tea", fmt.Sprint(i), k)
			}
			r := Aggregate(rows, now, Hour)
			if len(r.Chats) > 0 {
				sum, windows = sum+r.Global, windows+1
			}
		}
		return sum / float64(windows)
	}
	for _, c := range []struct {
		n, messages  int
		loss, unsent float64
		truth, r     float64
	}{
		{2, 20, 0.2, 0, 0.8, 0.937}, {10, 100, 0.2, 0, 0.8, 0.926}, {30, 100, 0.2, 0, 0.8, 0.903},
		{1, 20, 0, 0.3, 0.7, 1}, {10, 100, 0, 0.3, 0.7, 1},
	} {
		if got := mean(c.n, c.messages, c.loss, c.unsent); math.Abs(got-c.r) > 0.015 {
			t.Errorf("%d receivers, %d messages, truth %.2f: %.3f, want about %.3f", c.n, c.messages, c.truth, got, c.r)
		}
	}
}

func TestNothing(t *testing.T) {
	if r := Aggregate(nil, now, Hour); r.Global != 0 || len(r.Chats) != 0 {
		t.Errorf("of nothing it says %+v", r)
	}
}
