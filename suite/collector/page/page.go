package page

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/causeway-im/causeway/telemetry/estimate"
	"github.com/causeway-im/causeway/telemetry/report"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed style.css
var style []byte

// Style is the style sheet that the pages refer to as /style.css.
func Style() []byte { return style }

// Query is what the page is about, and how to ask for something else.
type Query struct {
	From, To string // days
	Measure  string
	Refresh  int // seconds, 0 for never
}

// Choice is a value and how people say it.
type Choice struct{ Name, Words string }

// Measures are what can be asked for.
func (q Query) Measures() []Choice {
	return []Choice{{"10s", "within 10 s"}, {"60s", "within 60 s"}, {"24h", "within 24 h"}, {"online10s", "within 10 s, member online"},
		{"online60s", "within 60 s, member online"}, {"eventually", "within 24 h, member online at some time"}}
}

// MeasureWords says the measure.
func (q Query) MeasureWords() string {
	for _, c := range q.Measures() {
		if c.Name == q.Measure {
			return "Delivered " + c.Words
		}
	}
	return "Delivered"
}

// Refreshes are how often the page can load itself, in seconds.
func (q Query) Refreshes() []int {
	out := []int{0, 5, 30, 300}
	if !slices.Contains(out, q.Refresh) {
		out = append(out, q.Refresh)
	}
	return out
}

// Data is everything on the main page.
type Data struct {
	Query
	Note string // on every page
	Now  int64

	All         *estimate.Estimate
	M           estimate.Measure
	Everyone    bool
	Points      []Point
	Marks       []Mark
	Legacy      *float64 // what the old service said last
	LegacyAt    string
	Provisional bool

	Groups      []Section
	Comparisons []Comparison

	Timeline     []estimate.Line
	Devices      int
	TimelineFrom int64
	TimelineTo   int64
	Trust        estimate.Trust
	Days         []Day
	Gaps         []report.Span
	Incidents    []estimate.Incident // but for those of single devices
	Singles      int
	Messages     []Message
	Phantoms     []Phantom
	OldRecords   int
}

// Section is the groups of one dimension.
type Section struct {
	ID, Title, Help string
	Groups          []*estimate.Estimate
	More            int // that are not shown
}

// Comparison is one protocol against another.
type Comparison struct {
	A, B string
	estimate.Comparison
}

// Day is how far a day can be relied on.
type Day struct {
	Name        string
	Revision    int64
	Late        int64
	At          int64
	Provisional bool
	Trust       estimate.Trust
	Legacy      *float64
}

// Message is a message that members lack.
type Message struct {
	ID, Channel, Topic string
	At                 int64
	Left               bool
	Minute, Day        [4]int
	Acked              int64
}

// Phantom is a message that others name and nobody reported.
type Phantom struct {
	ID, Channel, Author string
	Noticed             int64
	By                  int
	Counted             bool
}

// Rate is that of the measure and the row of the page.
func (d *Data) Rate(e *estimate.Estimate) estimate.Rate {
	if d.Everyone {
		return e.Everyone[d.M]
	}
	return e.Covered[d.M]
}

// Latest is the last hour or day of which something is known.
func (d *Data) Latest() *Point {
	for i := range slices.Backward(d.Points) {
		if d.Points[i].Says() {
			return &d.Points[i]
		}
	}
	return nil
}

// HasTruth tells whether the truth of any point is known.
func (d *Data) HasTruth() bool {
	return slices.ContainsFunc(d.Points, func(p Point) bool { return p.Truth != nil })
}

// Hourly tells whether Points are hours.
func (d *Data) Hourly() bool { return len(d.Points) > 0 && d.Points[0].Length <= time.Hour }

// Open are the incidents that go on.
func (d *Data) Open() (out []estimate.Incident) {
	for _, in := range d.Incidents {
		if in.Open {
			out = append(out, in)
		}
	}
	return out
}

// Floor is where the axis of a section's bars begins.
func (d *Data) Floor(list []*estimate.Estimate) float64 {
	low := 1.0
	for _, e := range list {
		if r := d.Rate(e); r.Count.All() > 0 {
			low = math.Min(low, r.Interval.Low)
		}
	}
	return math.Max(math.Min(math.Floor(low*10)/10, 0.9), 0)
}

// Band is the chart over time.
func (d *Data) Band() template.HTML { return Band(d.Points, d.Marks) }

// Bar is the chart of one group.
func (d *Data) Bar(e *estimate.Estimate, floor float64) template.HTML {
	r := d.Rate(e)
	return Bar(Range{r.Bounds.Low, r.Bounds.High, r.Interval.Low, r.Interval.High, r.Estimate, r.Count.All()}, floor)
}

// TimelineChart is that of the devices.
func (d *Data) TimelineChart() template.HTML {
	return Timeline(d.Timeline, d.Marks, d.TimelineFrom, d.TimelineTo)
}

// LatencyChart compares the times until receipt of protocols, or shows that of all.
func (d *Data) LatencyChart() template.HTML {
	lines := []Line{{Name: "all", Class: "a", Points: d.All.Latency.Points}}
	return Curves("Share of cells received by time", "time since it was written", append(lines, d.protocolLines()...))
}

// Curves have one colour each; so many are compared.
var curveClasses = []string{"b", "c", "d"}

// ProtocolNames are those that have curves of their own, with their classes.
func (d *Data) ProtocolNames() (out []Line) {
	list := d.protocolLines()
	for i := range list {
		list[i].Points = nil
	}
	return list
}

func (d *Data) protocolLines() (out []Line) {
	for _, s := range d.Groups {
		if s.ID != "protocol" || len(s.Groups) < 2 {
			continue
		}
		for i, e := range s.Groups[:min(len(s.Groups), len(curveClasses))] {
			out = append(out, Line{e.Value, curveClasses[i], e.Latency.Points})
		}
	}
	return out
}

// AckChart shows the times until acknowledgement and until repair.
func (d *Data) AckChart() template.HTML {
	return Curves("Share acknowledged and repaired by time", "time since it was written, or noticed to be missing", []Line{{"acknowledged", "a", d.All.Ack.Points}, {"repaired", "c", d.All.Repair.Points}})
}

// FunnelChart follows the messages of reporting authors.
func (d *Data) FunnelChart() template.HTML {
	f := d.All.Funnel
	steps := []Step{
		{Name: "composed", Count: f.Composed, Of: f.Composed},
		{Name: "handed to the network", Count: f.Handed, Of: f.Composed},
		{Name: "left the device (proof)", Count: f.Left, Of: f.Composed, Class: "strong"},
		{Name: "acknowledged", Count: f.Acked, Of: f.Composed},
	}
	if n := f.Stored + f.Refused; n > 0 {
		steps = append(steps, Step{Name: "in a store", Count: f.Stored, Of: f.Composed, Note: count(f.Refused) + " not there when asked"})
	}
	steps = append(steps, Step{Name: "known never to leave", Count: f.Unsent, Of: f.Composed, Class: "bad"})
	if f.Silent.Mean >= 0.5 {
		steps = append(steps, Step{Name: "perhaps written in silence", Count: f.Silent.Mean, Of: f.Composed + f.Silent.Mean, Class: "unknown", Note: "expected, not reported"})
	}
	return Funnel("From composing to acknowledgement", steps)
}

// CauseParts are why cells ended as they did.
func (d *Data) CauseParts() []Part {
	c := d.All.Causes
	known := c.Live + c.Store + c.Repair + c.Somehow + c.Unsent + c.Unproven + c.Offline + c.Network + c.Unread
	all := d.All.Covered[estimate.Within24h].Count.All()
	return []Part{{"received live", "live", c.Live}, {"from a store", "store", c.Store}, {"repaired by a member", "repair", c.Repair},
		{"received, way unknown", "somehow", c.Somehow}, {"lost: never handed over", "unsent", c.Unsent}, {"lost: no proof that it left", "unproven", c.Unproven},
		{"lost: member offline", "offline", c.Offline}, {"lost: in the network", "network", c.Network}, {"came unreadable", "unread", c.Unread},
		{"not known", "unknown", math.Max(all-known, 0)}}
}

// CauseChart draws CauseParts.
func (d *Data) CauseChart() template.HTML {
	return Stack("What became of the cells after 24 hours", d.CauseParts())
}

// Bytes are the classes of traffic, the largest first.
func (d *Data) Bytes() (out []Step) {
	total := 0.0
	for _, n := range d.All.Traffic {
		total += float64(n)
	}
	for class, n := range d.All.Traffic {
		out = append(out, Step{Name: class, Count: float64(n), Of: total, Class: "strong"})
	}
	slices.SortFunc(out, func(a, b Step) int {
		if a.Count != b.Count {
			return int(math.Copysign(1, b.Count-a.Count))
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}

// PerDelivery is what a delivered cell costs, in bytes sent, 0 if it isn't known.
func (d *Data) PerDelivery() float64 {
	sent := 0.0
	for class, n := range d.All.Traffic {
		if class != "received" && class != "retrieved" {
			sent += float64(n)
		}
	}
	if delivered := d.All.Covered[estimate.Within24h].Delivered; delivered > 0 {
		return sent / delivered
	}
	return 0
}

var functions = template.FuncMap{
	"percent": percent, "percentUp": percentUp, "count": count, "duration": duration, "size": size, "clock": clock, "moment": moment,
	"points": func(p float64) string { return fmt.Sprintf("%+.1f points", 100*p) },
	"seconds": func(from, to int64) string {
		if to < from {
			return "before"
		}
		return duration(to - from)
	},
	"reached": func(ms int64) string {
		if ms < 0 {
			return "not reached"
		}
		return "by " + duration(ms)
	},
	"chance": chance, "scope": scope, "short": short, "share": func(a, b float64) string {
		if b == 0 {
			return "–"
		}
		return percent(a / b)
	},
	"deref": func(p *float64) float64 { return *p },
	"float": func(n uint64) float64 { return float64(n) },
}

// percentUp is percent for upper bounds: rounded up.
func percentUp(p float64) string {
	if p < 0.999 {
		return percent(math.Min(math.Ceil(p*1000-1e-9)/1000, 1))
	}
	return percent(math.Min(math.Ceil(p*10_000-1e-9)/10_000, 1))
}

// chance says how likely it is that so many devices are silent without an outage.
func chance(p float64) string {
	if p < 0.0001 {
		return "below 0.01 %"
	}
	return percentUp(p)
}

// scope names whom an incident concerns.
func scope(in estimate.Incident) string {
	switch in.Scope {
	case estimate.OneDevice:
		return "device " + short(in.Name)
	case estimate.OnePlatform:
		return "all on " + in.Name
	case estimate.OneShard:
		return "shard " + in.Name
	}
	return "everybody"
}

// short is the beginning of a pseudonym.
func short(name string) string {
	if len(name) > 14 {
		return name[:12] + "…"
	}
	return name
}

var parsed = template.Must(template.New("").Funcs(functions).ParseFS(templates, "templates/*.html"))

// Render writes the main page.
func Render(w io.Writer, d *Data) error { return parsed.ExecuteTemplate(w, "index.html", d) }

// Detail is everything on the page of one message.
type Detail struct {
	Note    string
	Message Message
	Author  string
	Without []Without
	Events  []Event
	More    bool
}

// Without is a member without a message.
type Without struct{ Member, Outcome string }

// Event is something that a device witnessed of it.
type Event struct {
	Device string
	report.Event
}

// What says an event in words.
func (e Event) What() string {
	words := []string{string(e.Kind)}
	add := func(text string) {
		if text != "" {
			words = append(words, text)
		}
	}
	switch e.Kind {
	case report.Received, report.Repaired, report.Undecodable:
		if e.Path != "" && e.Path != report.Unknown {
			add("by " + string(e.Path))
		}
	case report.Stored:
		add("answer: " + e.Answer)
	case report.Acknowledged:
		add(fmt.Sprintf("%d of %d", e.Count, e.Audience))
	case report.Attempted, report.Handed, report.Refused, report.Resent:
		add(fmt.Sprintf("attempt %d", e.Attempt))
	case report.Composed:
		add(fmt.Sprintf("for %d members", e.Audience))
	}
	add(e.Code)
	return strings.Join(words, ", ")
}

// RenderDetail writes the page of one message.
func RenderDetail(w io.Writer, d *Detail) error { return parsed.ExecuteTemplate(w, "message.html", d) }

// RenderError writes a page that says what is wrong.
func RenderError(w io.Writer, text string) error {
	return parsed.ExecuteTemplate(w, "error.html", text)
}
