package page

import (
	"fmt"
	"html/template"
	"math"

	"github.com/causeway-im/causeway/telemetry/estimate"
)

// Line is one curve of shares over time.
type Line struct {
	Name   string
	Class  string
	Points []estimate.Point
}

// The times at which curves begin and end, and are labelled.
const (
	curveFrom = 50.0
	curveTo   = 86_400_000.0
)

var curveTicks = []float64{100, 1000, 10_000, 60_000, 600_000, 3_600_000, 86_400_000}

// Curves draws shares over time, on a logarithmic axis that has a title.
func Curves(label, axis string, lines []Line) template.HTML {
	const width, height, top, bottom, left, right = 470.0, 264.0, 14.0, 218.0, 46.0, 456.0
	s := newSVG(width, height, "curves", label)
	x := func(ms float64) float64 {
		p := (math.Log(math.Max(ms, curveFrom)) - math.Log(curveFrom)) / (math.Log(curveTo) - math.Log(curveFrom))
		return left + (right-left)*math.Min(p, 1)
	}
	y := func(p float64) float64 { return bottom - (bottom-top)*p }
	for _, p := range []float64{0, 0.25, 0.5, 0.75, 1} {
		s.line("grid", left, y(p), right, y(p))
		s.text("axis", "end", left-6, y(p)+4, fmt.Sprintf("%.0f %%", 100*p))
	}
	for _, t := range curveTicks {
		s.line("grid", x(t), top, x(t), bottom)
		s.text("axis", "middle", x(t), bottom+18, duration(int64(t)))
	}
	s.text("axis", "middle", (left+right)/2, bottom+40, axis)
	empty := true
	for _, l := range lines {
		if len(l.Points) == 0 {
			continue
		}
		empty = false
		var low, high, line []xy
		last := estimate.Point{}
		for _, p := range l.Points {
			at := x(float64(p.At))
			line = append(line, xy{at, y(last.Share)}, xy{at, y(p.Share)})
			low = append(low, xy{at, y(last.Low)}, xy{at, y(p.Low)})
			high = append(high, xy{at, y(last.High)}, xy{at, y(p.High)})
			last = p
		}
		end := xy{right, y(last.Share)}
		if float64(last.At) < curveTo {
			line = append(line, end)
		}
		area := append([]xy{}, high...)
		for i := len(low) - 1; i >= 0; i-- {
			area = append(area, low[i])
		}
		s.path("curvearea "+l.Class, area, true)
		s.path("curve "+l.Class, line, false)
	}
	if empty {
		s.text("axis", "middle", (left+right)/2, (top+bottom)/2, "no data")
	}
	return s.done()
}

// Step is one of a funnel.
type Step struct {
	Name  string
	Count float64
	Of    float64
	Note  string
	Class string
}

// Funnel draws steps as bars, each with what is left of the first.
func Funnel(label string, steps []Step) template.HTML {
	const width, row, left, right = 960.0, 30.0, 240.0, 700.0
	s := newSVG(width, row*float64(len(steps))+6, "funnel", label)
	for i, step := range steps {
		y := row*float64(i) + 4
		share := 0.0
		if step.Of > 0 {
			share = step.Count / step.Of
		}
		s.text("axis name", "end", left-10, y+16, step.Name)
		s.rect("back", left, y+2, right-left, row-10, "")
		s.rect("fill "+step.Class, left, y+2, (right-left)*math.Min(share, 1), row-10, "")
		text := count(step.Count)
		if step.Of > 0 {
			text += " · " + percent(share)
		}
		if step.Note != "" {
			text += " · " + step.Note
		}
		s.text("axis", "start", right+10, y+16, text)
	}
	return s.done()
}

// Part is one of a whole.
type Part struct {
	Name  string
	Class string
	Count float64
}

// Stack draws the parts of a whole side by side.
func Stack(label string, parts []Part) template.HTML {
	const width, height = 960.0, 40.0
	total := 0.0
	for _, p := range parts {
		total += p.Count
	}
	s := newSVG(width, height, "stack", label)
	at := 0.0
	for _, p := range parts {
		if total == 0 || p.Count == 0 {
			continue
		}
		w := width * p.Count / total
		s.rect("fill "+p.Class, at, 4, math.Max(w-1, 0.5), height-8, fmt.Sprintf("%s: %s (%s)", p.Name, count(p.Count), percent(p.Count/total)))
		at += w
	}
	return s.done()
}
