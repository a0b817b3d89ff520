package simulate

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/causeway-im/causeway/sim/crowd"
	"github.com/causeway-im/causeway/suite/internal/numbers"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// pageData is what the template shows.
type pageData struct {
	Title    string
	Runs     []pageRun
	Tiles    []tile
	Charts   []picture
	Times    []pageRow
	Lines    []pageLine
	Scenario string
}

type pageRun struct {
	Policy, Class, Length, Receives string
	Failures                        []string
}

// tile is a figure to see first.
type tile struct {
	Name   string
	Values []tileValue
}

type tileValue struct {
	Policy, Class, Text string
	Bad                 bool
}

type picture struct {
	Title, Note string
	SVG, Legend template.HTML
}

// pageRow is a line of the table of times.
type pageRow struct {
	Name  string
	Head  bool
	Class string
	Cells []string
}

// WritePage writes one web page that needs nothing else: figures, curves, and how
// bytes grow with the group.
func WritePage(w io.Writer, sc *crowd.Scenario, results []*crowd.Result, sizes []Sized) error {
	text, err := yaml.Marshal(sc)
	if err != nil {
		return err
	}
	r := results[0]
	d := pageData{Scenario: string(text), Title: fmt.Sprintf("%s members, %s, %s loss",
		numbers.Number(r.Members), numbers.Plural(r.Messages, "message", "messages"), numbers.Percent(sc.Network.Loss))}
	for _, r := range results {
		d.Runs = append(d.Runs, pageRun{string(r.Policy), class(r.Policy), clock(seconds(r.VirtualSeconds)), numbers.Number(int(r.Receives)), Failed(r)})
	}
	d.Tiles = tiles(results)
	d.Charts = []picture{
		curves("A lost copy is noticed", "share of the copies that the network lost, by time since the broadcast", results,
			curve{"", func(c *crowd.Curves) crowd.Curve { return c.Detect }}),
		curves("A message is acknowledged", "share of the messages, by time since they were written", results,
			curve{"first", func(c *crowd.Curves) crowd.Curve { return c.AckFirst }},
			curve{"as wanted", func(c *crowd.Curves) crowd.Curve { return c.AckWanted }}),
		curves("What was missed is repaired", "share of the copies that were noticed, by time since then", results,
			curve{"", func(c *crowd.Curves) crowd.Curve { return c.Repair }}),
		growth(sizes, results),
	}
	d.Times = timeRows(results)
	d.Lines = append(pageLines(countLines(results)), pageLines(byteLines(results))...)
	return page.Execute(w, d)
}

func class(p crowd.Policy) string {
	if p == crowd.ClassicPolicy {
		return "classic"
	}
	return "ours"
}

func tiles(results []*crowd.Result) []tile {
	list := []struct {
		name string
		text func(*crowd.Result) string
		bad  func(*crowd.Result) bool
	}{
		{"first acknowledgement, p95", func(r *crowd.Result) string { return short(r.AckFirst.P95) }, nil},
		{"lost copies noticed", func(r *crowd.Result) string { return share(r.MissedDetected, r.Missed) },
			func(r *crowd.Result) bool { return r.MissedDetected < r.Missed }},
		{"noticed → repaired, p95", func(r *crowd.Result) string { return short(r.Repair.P95) }, nil},
		{"delivered in order, p99", func(r *crowd.Result) string { return short(r.Consistency.P99) }, nil},
		{"control bytes per message, whole group", func(r *crowd.Result) string { return size(r.Bytes.ControlPerMessageGroup) }, nil},
		{"false acknowledgements", func(r *crowd.Result) string { return numbers.Number(r.FalseAcks) },
			func(r *crowd.Result) bool { return r.FalseAcks > 0 }},
	}
	var tiles []tile
	for _, f := range list {
		t := tile{Name: f.name}
		for _, r := range results {
			t.Values = append(t.Values, tileValue{string(r.Policy), class(r.Policy), f.text(r), f.bad != nil && f.bad(r)})
		}
		tiles = append(tiles, t)
	}
	return tiles
}

// share writes a part in percent, never rounded up to all.
func share(n, all int) string {
	if all == 0 {
		return "-"
	}
	text := part(n, all)
	return text[strings.LastIndex(text, "  ")+2:]
}

type curve struct {
	name string
	of   func(*crowd.Curves) crowd.Curve
}

// curves draws cumulative shares over time.
func curves(title, note string, results []*crowd.Result, list ...curve) picture {
	c := chart{title: title, y: axis{top: 1, text: func(v float64) string { return numbers.Percent(v) }},
		x: axis{label: "seconds", text: func(v float64) string { return fmt.Sprintf("%.4g", v) }}}
	least, most := 0.0, 0.0
	for _, r := range results {
		for n, curve := range list {
			s := series{name: string(r.Policy), class: class(r.Policy), dashed: n > 0}
			if curve.name != "" {
				s.name += ", " + curve.name
			}
			for _, p := range curve.of(&r.Curves) {
				x := p.Ms / 1000
				s.points = append(s.points, point{x: x, y: p.Share})
				most = max(most, x)
				if x > 0 && (least == 0 || x < least) {
					least = x
				}
			}
			if len(s.points) > 0 {
				c.series = append(c.series, s)
			}
		}
	}
	if len(c.series) == 0 {
		return picture{Title: title, Note: "nothing to show"}
	}
	c.x.span(least, most)
	return picture{title, note, c.render(), c.legend()}
}

// span makes room for values from least to most: on a logarithmic scale if they
// are far apart.
func (a *axis) span(least, most float64) {
	if most > 20*least && least > 0 {
		a.log, a.low, a.top = true, least/1.1, most*1.1
		return
	}
	a.low, a.top = 0, max(most*1.05, 0.001)
}

// growth draws control bytes over the size of the group.
func growth(sizes []Sized, results []*crowd.Result) picture {
	const title = "Bytes over group size"
	if len(sizes) < 2 {
		return picture{Title: title, Note: "the scenario has no smaller group to compare with"}
	}
	c := chart{title: title, x: axis{label: "members", log: true, text: func(v float64) string { return numbers.Number(int(v)) }},
		y: axis{log: true, text: tickSize}}
	low, top := 0.0, 0.0
	for n, r := range results {
		s := series{name: string(r.Policy), class: class(r.Policy), dots: true}
		for _, sized := range sizes {
			if v := sized.Results[n].Bytes.ControlPerMessageGroup; v > 0 {
				s.points = append(s.points, point{float64(sized.Members), v, fmt.Sprintf("%s members: %s", numbers.Number(sized.Members), size(v))})
				top = max(top, v)
				if low == 0 || v < low {
					low = v
				}
			}
		}
		if len(s.points) > 0 {
			c.series = append(c.series, s)
		}
	}
	if len(c.series) == 0 {
		return picture{Title: title, Note: "nothing to show"}
	}
	c.x.low, c.x.top = float64(sizes[0].Members)/1.15, float64(sizes[len(sizes)-1].Members)*1.15
	c.y.low, c.y.top = low/2, top*2
	return picture{title, "control bytes per message of the whole group, each broadcast counted once", c.render(), c.legend()}
}

func timeRows(results []*crowd.Result) []pageRow {
	var rows []pageRow
	for _, f := range figures {
		rows = append(rows, pageRow{Name: f.name, Head: true})
		for _, r := range results {
			d := f.of(r)
			row := pageRow{Name: string(r.Policy), Class: class(r.Policy)}
			for _, ms := range []float64{d.P50, d.P90, d.P95, d.P99, d.Max} {
				if d.Count == 0 {
					row.Cells = append(row.Cells, "-")
					continue
				}
				row.Cells = append(row.Cells, short(ms))
			}
			row.Cells = append(row.Cells, numbers.Number(d.Never))
			rows = append(rows, row)
		}
	}
	return rows
}

// pageLine is a line with a value for each policy.
type pageLine struct {
	Name   string
	Head   bool
	Indent int
	Cells  []string
}

func pageLines(l lines) []pageLine {
	var list []pageLine
	for _, line := range l.list {
		list = append(list, pageLine{line.name, line.head, line.indent, line.cells})
	}
	return list
}
