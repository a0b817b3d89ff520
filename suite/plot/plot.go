// Package plot draws lines over an axis as SVG files, without a browser.
package plot

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Point is one value of a Line.
type Point struct{ X, Y float64 }

// Line is a series of points in ascending order of X.
type Line struct {
	Name   string
	Points []Point
}

// Chart is what is drawn. A logarithmic axis leaves out values that are not above
// 0.
type Chart struct {
	Title, X, Y string
	LogX, LogY  bool
	Lines       []Line
}

// ErrEmpty is returned for a chart without anything to draw.
var ErrEmpty = errors.New("plot: the chart has no points")

// The size of a picture.
const (
	width  = 18 * vg.Centimeter
	height = 11 * vg.Centimeter
)

// colours are told apart by people who see few of them, too (Okabe and Ito).
var colours = []color.RGBA{
	{0x00, 0x72, 0xb2, 0xff}, {0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x9e, 0x73, 0xff}, {0xcc, 0x79, 0xa7, 0xff},
	{0xe6, 0x9f, 0x00, 0xff}, {0x56, 0xb4, 0xe9, 0xff}, {0x44, 0x44, 0x44, 0xff},
}

// WriteSVG draws c.
func (c *Chart) WriteSVG(w io.Writer) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, c.X, c.Y
	p.Title.Padding = 3 * vg.Millimeter
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.Padding = vg.Millimeter
	p.Add(plotter.NewGrid())
	if c.LogX {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, ticks{}
	}
	if c.LogY {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, ticks{}
	}
	drawn := 0
	for i, l := range c.Lines {
		points := c.visible(l.Points)
		if len(points) == 0 {
			continue
		}
		drawn++
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return fmt.Errorf("plot: %s: %w", l.Name, err)
		}
		line.Color = colours[i%len(colours)]
		line.Width = vg.Points(1.5)
		line.Dashes = dashes(i / len(colours))
		dots.Color, dots.Shape, dots.Radius = line.Color, draw.CircleGlyph{}, vg.Points(2.2)
		p.Add(line, dots)
		p.Legend.Add(l.Name, line, dots)
	}
	if drawn == 0 {
		return ErrEmpty
	}
	c.widen(p)
	canvas := vgsvg.New(width, height)
	p.Draw(draw.New(canvas))
	_, err := canvas.WriteTo(w)
	return err
}

func (c *Chart) visible(points []Point) plotter.XYs {
	var list plotter.XYs
	for _, p := range points {
		if c.LogX && p.X <= 0 || c.LogY && p.Y <= 0 || math.IsNaN(p.Y) || math.IsInf(p.Y, 0) {
			continue
		}
		list = append(list, plotter.XY{X: p.X, Y: p.Y})
	}
	return list
}

// widen makes room for the legend, and for a single point.
func (c *Chart) widen(p *plot.Plot) {
	if p.X.Min == p.X.Max {
		p.X.Min, p.X.Max = p.X.Min/2, max(p.X.Max*2, 1)
	}
	room := 0.07 * float64(len(c.Lines)) // a line of the legend, of the height
	if c.LogY {
		p.Y.Min /= 1.5
		p.Y.Max *= 1.5 * math.Pow(p.Y.Max/p.Y.Min, room/(1-min(room, 0.5)))
		return
	}
	p.Y.Min = 0
	p.Y.Max = max(p.Y.Max*(1.1+room), 1)
}

func dashes(i int) []vg.Length {
	switch i % 3 {
	case 1:
		return []vg.Length{vg.Points(5), vg.Points(3)}
	case 2:
		return []vg.Length{vg.Points(1.5), vg.Points(2.5)}
	}
	return nil
}

// ticks of a logarithmic axis are the powers of ten; 2 and 5 times them have a
// label only where there are few.
type ticks struct{}

func (ticks) Ticks(low, high float64) []plot.Tick {
	var list []plot.Tick
	add := func(v float64, text string) {
		if v >= low && v <= high {
			list = append(list, plot.Tick{Value: v, Label: text})
		}
	}
	for exponent := math.Floor(math.Log10(low)); exponent <= math.Ceil(math.Log10(high)); exponent++ {
		base := math.Pow(10, exponent)
		add(base, label(base))
		for _, m := range []float64{2, 5} {
			if high/low < 100 {
				add(m*base, label(m*base))
			} else {
				add(m*base, "")
			}
		}
	}
	return list
}

func label(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%g M", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%g k", v/1e3)
	}
	return fmt.Sprintf("%.4g", v)
}
