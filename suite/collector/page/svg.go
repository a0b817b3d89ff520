package page

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
)

// svg collects the elements of a picture. Texts are escaped; classes and numbers are
// the program's own.
type svg struct{ b strings.Builder }

func newSVG(width, height float64, class, label string) *svg {
	s := &svg{}
	s.addf(`<svg class="chart %s" viewBox="0 0 %s %s" role="group" aria-label="%s" xmlns="http://www.w3.org/2000/svg">`,
		class, num(width), num(height), html.EscapeString(label))
	return s
}

func (s *svg) addf(format string, args ...any) { fmt.Fprintf(&s.b, format, args...) }

func (s *svg) rect(class string, x, y, width, height float64, title string) {
	s.addf(`<rect class="%s" x="%s" y="%s" width="%s" height="%s">`, class, num(x), num(y), num(max(width, 0)), num(max(height, 0)))
	s.title(title)
	s.b.WriteString(`</rect>`)
}

func (s *svg) line(class string, x1, y1, x2, y2 float64) {
	s.addf(`<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`, class, num(x1), num(y1), num(x2), num(y2))
}

func (s *svg) circle(class string, x, y, r float64) {
	s.addf(`<circle class="%s" cx="%s" cy="%s" r="%s"/>`, class, num(x), num(y), num(r))
}

func (s *svg) text(class, anchor string, x, y float64, text string) {
	s.addf(`<text class="%s" text-anchor="%s" x="%s" y="%s">%s</text>`, class, anchor, num(x), num(y), html.EscapeString(text))
}

func (s *svg) title(text string) {
	if text != "" {
		s.addf(`<title>%s</title>`, html.EscapeString(text))
	}
}

// xy is a point.
type xy struct{ x, y float64 }

// path draws a line through points, or the area between them if it is closed.
func (s *svg) path(class string, points []xy, closed bool) {
	if len(points) == 0 {
		return
	}
	var d strings.Builder
	for i, p := range points {
		letter := byte('L')
		if i == 0 {
			letter = 'M'
		}
		d.WriteByte(letter)
		d.WriteString(num(p.x))
		d.WriteByte(' ')
		d.WriteString(num(p.y))
	}
	if closed {
		d.WriteByte('Z')
	}
	s.addf(`<path class="%s" d="%s"/>`, class, d.String())
}

func (s *svg) done() template.HTML {
	s.b.WriteString(`</svg>`)
	return template.HTML(s.b.String()) //nolint:gosec // texts are escaped above
}

// num writes a number shortly.
func num(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "0"
	}
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}

// percent writes a share with as many digits as it takes to tell it from 1.
func percent(p float64) string {
	switch {
	case p >= 1:
		return "100\u00a0%"
	case p > 0.999:
		return fmt.Sprintf("%.2f\u00a0%%", math.Floor(p*10_000)/100)
	}
	return fmt.Sprintf("%.1f\u00a0%%", math.Floor(p*1000+1e-9)/10)
}

// count writes a large number with thin spaces.
func count(n float64) string {
	text := strconv.FormatFloat(math.Round(n), 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	return text
}

// duration writes milliseconds for people.
func duration(ms int64) string {
	switch {
	case ms < 0:
		return "never"
	case ms < 1000:
		return fmt.Sprintf("%d ms", ms)
	case ms < 10_000:
		return fmt.Sprintf("%.1f s", float64(ms)/1000)
	case ms < 120_000:
		return fmt.Sprintf("%d s", ms/1000)
	case ms < 7_200_000:
		return fmt.Sprintf("%d min", ms/60_000)
	case ms < 48*3_600_000:
		return fmt.Sprintf("%d h", ms/3_600_000)
	}
	return fmt.Sprintf("%d days", ms/86_400_000)
}

// size writes bytes for people.
func size(n float64) string {
	for _, unit := range []string{"B", "kB", "MB", "GB"} {
		if n < 1000 {
			return strings.TrimSuffix(strconv.FormatFloat(n, 'f', 1, 64), ".0") + " " + unit
		}
		n /= 1000
	}
	return strconv.FormatFloat(n, 'f', 1, 64) + " TB"
}

// clock and moment write a time in UTC.
func clock(at int64) string  { return time.UnixMilli(at).UTC().Format("15:04") }
func moment(at int64) string { return time.UnixMilli(at).UTC().Format("2 Jan 15:04:05") }
