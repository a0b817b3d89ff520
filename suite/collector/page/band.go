package page

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"time"
)

// Point is one of a series: an hour or a day.
type Point struct {
	At       int64 // its beginning
	Length   time.Duration
	Low      float64 // of the bounds
	High     float64
	OuterLow float64 // of the interval
	OuterTop float64
	Estimate *float64
	Why      string // there is no estimate
	Cells    float64
	Silent   float64 // cells of messages that were perhaps written in silence
	Unknown  float64
	Legacy   *float64
	Truth    *float64 // which only a simulation knows
	Open     bool     // it will still change
}

// Says tells whether there is anything to say about it: an hour of which nothing but
// silence is known is wide open.
func (p *Point) Says() bool { return p.Cells+p.Silent > 0 }

// Mark is a time that is marked in a chart.
type Mark struct {
	From, To int64
	Class    string // incident, gap
	Label    string
}

// The area of a chart in which it is drawn.
const (
	chartWidth = 960.0
	plotLeft   = 52.0
	plotRight  = 944.0
)

// Band draws bounds over time, the lower first, with what the old formula says.
func Band(points []Point, marks []Mark) template.HTML {
	if len(points) == 0 {
		return ""
	}
	const height, top, bottom = 322.0, 50.0, 270.0
	s := newSVG(chartWidth, height, "band", "Delivery over time, lower and upper bound")
	begin, end := points[0].At, points[len(points)-1].At+points[len(points)-1].Length.Milliseconds()
	x := func(at int64) float64 {
		return plotLeft + (plotRight-plotLeft)*float64(at-begin)/float64(max(end-begin, 1))
	}
	floor := lowest(points)
	y := func(p float64) float64 {
		return bottom - (bottom-top)*(math.Min(math.Max(p, floor), 1)-floor)/(1-floor)
	}
	for _, p := range ticks(floor) {
		s.line("grid", plotLeft, y(p), plotRight, y(p))
		s.text("axis", "end", plotLeft-8, y(p)+4, fmt.Sprintf("%.0f %%", 100*p))
	}
	timeAxis(s, begin, end, x, bottom)
	s.text("axis", "start", 2, top-14, "share")
	s.text("axis", "middle", (plotLeft+plotRight)/2, bottom+42, "when it was written (UTC)")
	for _, run := range runs(points) {
		drawRun(s, run, x, y)
	}
	for _, m := range marks {
		if m.To <= begin || m.From >= end {
			continue
		}
		from, to := x(max(m.From, begin)), x(min(m.To, end))
		s.rect("mark "+m.Class, from, top, math.Max(to-from, 2), bottom-top, m.Label)
		s.text("marklabel "+m.Class, "start", math.Min(from+4, plotRight-120), top-6, m.Label)
	}
	for i := range points {
		drawPoint(s, &points[i], x, y, top, bottom)
	}
	return s.done()
}

// lowest is where the axis of shares begins.
func lowest(points []Point) float64 {
	low := 1.0
	for _, p := range points {
		if p.Says() {
			low = math.Min(low, p.Low)
		}
		for _, v := range []*float64{p.Legacy, p.Truth} {
			if v != nil {
				low = math.Min(low, *v)
			}
		}
	}
	return math.Max(math.Min(math.Floor(low*10-0.2)/10, 0.9), 0)
}

func ticks(floor float64) (out []float64) {
	step := 0.1
	if floor >= 0.9 {
		step = 0.02
	} else if floor < 0.5 {
		step = 0.2
	}
	for p := 1.0; p >= floor-1e-9; p -= step {
		out = append(out, p)
	}
	return out
}

// timeAxis labels hours, or days.
func timeAxis(s *svg, begin, end int64, x func(int64) float64, bottom float64) {
	const hour = int64(time.Hour / time.Millisecond)
	steps := []int64{hour / 12, hour / 6, hour / 4, hour / 2, hour, 2 * hour, 3 * hour, 6 * hour, 12 * hour, 24 * hour, 48 * hour, 7 * 24 * hour, 14 * 24 * hour, 30 * 24 * hour, 61 * 24 * hour}
	step := steps[len(steps)-1]
	for _, c := range steps {
		if (end-begin)/c <= 12 {
			step = c
			break
		}
	}
	for at := (begin + step - 1) / step * step; at <= end; at += step {
		label := clock(at)
		if day := time.UnixMilli(at).UTC(); step >= 24*hour || day.Hour() == 0 && day.Minute() == 0 {
			label = day.Format("2 Jan")
		}
		s.line("tick", x(at), bottom, x(at), bottom+5)
		if at < end-step/3 || step < 24*hour {
			s.text("axis", "middle", math.Min(math.Max(x(at), plotLeft), plotRight-14), bottom+20, label)
		}
	}
}

// runs divides points where there is nothing between them.
func runs(points []Point) (out [][]Point) {
	for i := range points {
		p := points[i]
		if !p.Says() {
			out = append(out, nil)
			continue
		}
		if n := len(out); n > 0 && len(out[n-1]) > 0 && out[n-1][len(out[n-1])-1].end() == p.At {
			out[n-1] = append(out[n-1], p)
			continue
		}
		out = append(out, []Point{p})
	}
	return out
}

func (p *Point) end() int64 { return p.At + p.Length.Milliseconds() }

// drawRun draws the band of points that follow each other, in steps: each figure is
// about all of its hour.
func drawRun(s *svg, run []Point, x func(int64) float64, y func(float64) float64) {
	step := func(value func(*Point) float64) (line []xy) {
		for i := range run {
			line = append(line, xy{x(run[i].At), y(value(&run[i]))}, xy{x(run[i].end()), y(value(&run[i]))})
		}
		return line
	}
	area := func(low, high []xy) []xy {
		out := append([]xy{}, high...)
		for i := len(low) - 1; i >= 0; i-- {
			out = append(out, low[i])
		}
		return out
	}
	low, high := step(func(p *Point) float64 { return p.Low }), step(func(p *Point) float64 { return p.High })
	s.path("outer", area(step(func(p *Point) float64 { return p.OuterLow }), step(func(p *Point) float64 { return p.OuterTop })), true)
	s.path("inner", area(low, high), true)
	s.path("high", high, false)
	s.path("low", low, false)
}

// drawPoint draws what is said of one point, and what shows it: hover and focus.
func drawPoint(s *svg, p *Point, x func(int64) float64, y func(float64) float64, top, bottom float64) {
	left, right := x(p.At), x(p.end())
	if p.Legacy != nil {
		s.line("old", left, y(*p.Legacy), right, y(*p.Legacy))
	}
	if p.Truth != nil {
		s.line("truth", left, y(*p.Truth), right, y(*p.Truth))
	}
	if !p.Says() {
		return
	}
	if p.Estimate != nil {
		s.circle("estimate", (left+right)/2, y(*p.Estimate), 3.5)
	}
	label := p.describe()
	s.addf(`<g class="hit" tabindex="0" role="img" aria-label="%s">`, html.EscapeString(label))
	s.rect("target", left, top, right-left, bottom-top, "")
	anchor, at := "start", left
	if left > (plotLeft+plotRight)/2 {
		anchor, at = "end", right
	}
	s.rect("tipback", plotLeft, 0, plotRight-plotLeft, 22, "")
	s.text("tip", anchor, at, 15, label)
	s.b.WriteString(`</g>`)
}

// describe says a point in words.
func (p *Point) describe() string {
	when := time.UnixMilli(p.At).UTC().Format("2 Jan 15:04")
	if p.Length >= 24*time.Hour {
		when = time.UnixMilli(p.At).UTC().Format("2 Jan")
	}
	text := fmt.Sprintf("%s: at least %s, at most %s", when, percent(p.Low), percentUp(p.High))
	if p.Estimate != nil {
		text += ", likely " + percent(*p.Estimate)
	} else if p.Why != "" {
		text += " (no estimate: " + p.Why + ")"
	}
	text += fmt.Sprintf("; %s cells, %s unknown", count(p.Cells), percent(p.Unknown))
	if p.Silent >= 0.5 {
		text += fmt.Sprintf(", perhaps %s in silence", count(p.Silent))
	}
	if p.Legacy != nil {
		text += "; the old formula says " + percent(*p.Legacy)
	}
	if p.Truth != nil {
		text += "; true are " + percent(*p.Truth)
	}
	if p.Open {
		text += "; will still change"
	}
	return text
}

// Bar draws the bounds of one rate on an axis from floor to 1.
func Bar(r Range, floor float64) template.HTML {
	const width, height = 260.0, 22.0
	s := newSVG(width, height, "bar", r.describe())
	x := func(p float64) float64 { return 4 + (width-8)*(math.Min(math.Max(p, floor), 1)-floor)/(1-floor) }
	s.line("grid", x(floor), height/2, x(1), height/2)
	if r.Cells > 0 {
		s.rect("outer", x(r.OuterLow), height/2-3, x(r.OuterTop)-x(r.OuterLow), 6, "")
		s.rect("inner", x(r.Low), height/2-6, math.Max(x(r.High)-x(r.Low), 1.5), 12, "")
		s.rect("lowend", x(r.Low)-1, height/2-8, 2.5, 16, "")
		if r.Estimate != nil {
			s.circle("estimate", x(*r.Estimate), height/2, 3)
		}
	}
	return s.done()
}

// Range is what a Bar shows.
type Range struct {
	Low, High, OuterLow, OuterTop float64
	Estimate                      *float64
	Cells                         float64
}

func (r *Range) describe() string {
	if r.Cells == 0 {
		return "no data"
	}
	return fmt.Sprintf("at least %s, at most %s", percent(r.Low), percent(r.High))
}
