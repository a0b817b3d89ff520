package simulate

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// chart is a picture of lines in a web page, whose styles it uses.
type chart struct {
	title  string // for who can't see it
	x, y   axis
	series []series
}

type series struct {
	name   string
	class  string // of the style sheet: its colour
	dashed bool
	dots   bool
	points []point
}

type point struct {
	x, y float64
	note string
}

// axis maps values to a part of the picture.
type axis struct {
	label    string
	low, top float64
	log      bool
	text     func(float64) string
}

// at returns where v is, from 0 to 1.
func (a *axis) at(v float64) float64 {
	if a.log {
		return (math.Log(v) - math.Log(a.low)) / (math.Log(a.top) - math.Log(a.low))
	}
	return (v - a.low) / (a.top - a.low)
}

// ticks are round values between low and top.
func (a *axis) ticks() []float64 {
	var list []float64
	if !a.log {
		step := niceStep((a.top - a.low) / 5)
		for v := math.Ceil(a.low/step) * step; v <= a.top*(1+1e-9); v += step {
			list = append(list, v)
		}
		return list
	}
	factors := []float64{1}
	switch decades := math.Log10(a.top / a.low); {
	case decades < 1.2:
		factors = []float64{1, 2, 3, 5, 7}
	case decades < 2.5:
		factors = []float64{1, 2, 5}
	case decades < 4:
		factors = []float64{1, 3}
	}
	for e := math.Floor(math.Log10(a.low)); e <= math.Log10(a.top); e++ {
		for _, f := range factors {
			if v := f * math.Pow(10, e); v >= a.low*(1-1e-9) && v <= a.top*(1+1e-9) {
				list = append(list, v)
			}
		}
	}
	return list
}

// niceStep is 1, 2 or 5 times a power of ten, at least v.
func niceStep(v float64) float64 {
	base := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 2, 5} {
		if f*base >= v*(1-1e-9) {
			return f * base
		}
	}
	return 10 * base
}

// The picture, in its own units.
const (
	chartWidth, chartHeight           = 520, 300
	plotLeft, plotRight               = 58, 508
	plotTop, plotBottom               = 14, 252
	tickLength, legendLine, textShift = 4, 18, 4
)

func (a *axis) across(v float64) float64 { return plotLeft + a.at(v)*(plotRight-plotLeft) }
func (a *axis) up(v float64) float64     { return plotBottom - a.at(v)*(plotBottom-plotTop) }

// render draws it as SVG.
func (c *chart) render() template.HTML {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, chartWidth, chartHeight, html.EscapeString(c.title))
	for _, v := range c.y.ticks() {
		y := c.y.up(v)
		fmt.Fprintf(&b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, plotLeft, plotRight, y, y)
		fmt.Fprintf(&b, `<text class="tick" x="%d" y="%.1f" text-anchor="end">%s</text>`, plotLeft-8, y+textShift, html.EscapeString(c.y.text(v)))
	}
	for _, v := range c.x.ticks() {
		x := c.x.across(v)
		fmt.Fprintf(&b, `<line class="axis" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, x, x, plotBottom, plotBottom+tickLength)
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%d" text-anchor="middle">%s</text>`, x, plotBottom+18, html.EscapeString(c.x.text(v)))
	}
	fmt.Fprintf(&b, `<line class="axis" x1="%d" x2="%d" y1="%d" y2="%d"/>`, plotLeft, plotRight, plotBottom, plotBottom)
	fmt.Fprintf(&b, `<text class="label" x="%d" y="%d" text-anchor="middle">%s</text>`, (plotLeft+plotRight)/2, chartHeight-8, html.EscapeString(c.x.label))
	for i := range c.series {
		c.line(&b, &c.series[i])
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

func (c *chart) line(b *strings.Builder, s *series) {
	style := "line " + s.class
	if s.dashed {
		style += " dashed"
	}
	fmt.Fprintf(b, `<polyline class="%s" points="`, style)
	for i, p := range s.points {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(b, "%.1f,%.1f", c.x.across(p.x), c.y.up(p.y))
	}
	fmt.Fprintf(b, `"><title>%s</title></polyline>`, html.EscapeString(s.name))
	if !s.dots {
		return
	}
	for _, p := range s.points {
		fmt.Fprintf(b, `<circle class="dot %s" cx="%.1f" cy="%.1f" r="4"><title>%s</title></circle>`,
			s.class, c.x.across(p.x), c.y.up(p.y), html.EscapeString(p.note))
	}
}

// legend lists the lines.
func (c *chart) legend() template.HTML {
	var b strings.Builder
	for _, s := range c.series {
		style := "line " + s.class
		if s.dashed {
			style += " dashed"
		}
		fmt.Fprintf(&b, `<span><svg class="key" viewBox="0 0 %d 10" aria-hidden="true"><line class="%s" x1="1" x2="%d" y1="5" y2="5"/></svg>%s</span>`,
			legendLine+4, style, legendLine+3, html.EscapeString(s.name))
	}
	return template.HTML(b.String())
}
