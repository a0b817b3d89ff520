// Command demopicture plays the demo, over Waku, and writes a picture of its screen, shortly
// before the member that is cut off comes back, as SVG:
//
//	go run ./suite/internal/demopicture > docs/demo.svg
//
// It takes as long as the demo does until then.
package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/causeway-im/causeway/suite/demo"
)

// The terminal of the picture, and when it is taken.
const (
	columns, rows = 100, 28
	moment        = 39 * time.Second
)

func main() {
	lines, err := snapshot()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demopicture:", err)
		os.Exit(1)
	}
	fmt.Print(svg(lines))
}

var errEnough = errors.New("enough seen")

// snapshot plays the demo until the moment and returns the screen.
func snapshot() (lines []string, err error) {
	run, err := demo.New(demo.Defaults())
	if err != nil {
		return nil, err
	}
	err = run.Play(context.Background(), viewFunc(func(s demo.Status) error {
		if s.Connecting || s.Elapsed < moment {
			return nil
		}
		lines = s.Picture(columns, rows, true)
		return errEnough
	}))
	if errors.Is(err, errEnough) {
		err = nil
	}
	return lines, err
}

type viewFunc func(demo.Status) error

func (f viewFunc) Show(s demo.Status) error { return f(s) }

// Sizes in pixels. The picture brings its own background, so that it looks the
// same on light and dark pages.
const (
	charWidth, lineHeight, margin = 8.4, 19, 16
	background, foreground        = "#0d1117", "#d7dde4"
)

// colours are those of the codes that the demo uses.
var colours = map[string]string{"2": "#6e7681", "31": "#ff7b72", "32": "#3fb950", "33": "#d29922", "36": "#39c5cf"}

func svg(lines []string) string {
	var b strings.Builder
	width, height := columns*charWidth+2*margin, float64(len(lines)*lineHeight+2*margin)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" role="img" `+
		`aria-label="causeway demo: what each member has while one comes back after being cut off">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="8" fill="%s"/>`+"\n", background)
	fmt.Fprintf(&b, `<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="14" fill="%s" xml:space="preserve">`+"\n",
		foreground)
	for i, line := range lines {
		y := float64(margin + i*lineHeight)
		column := 0
		for _, part := range parts(line) {
			b.WriteString(part.svg(margin+float64(column)*charWidth, y))
			column += len([]rune(part.text))
		}
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

// part is text of one colour.
type part struct{ code, text string }

var painted = regexp.MustCompile("\x1b\\[(\\d+)m(.*?)\x1b\\[0m")

// parts takes a line of the demo apart: its codes do not nest.
func parts(line string) (list []part) {
	last := 0
	for _, m := range painted.FindAllStringSubmatchIndex(line, -1) {
		list = append(list, part{"", line[last:m[0]]}, part{line[m[2]:m[3]], line[m[4]:m[5]]})
		last = m[1]
	}
	return append(list, part{"", line[last:]})
}

// svg draws the part, with its upper left corner at x and y. Cells are drawn as
// rectangles: fonts disagree about them.
func (p part) svg(x, y float64) string {
	var b strings.Builder
	fill := foreground
	if c, ok := colours[p.code]; ok {
		fill = c
	}
	opacity := map[string]float64{"█": 1, "▓": 0.75, "▒": 0.45, "░": 0.5}
	runes := []rune(p.text)
	for i := 0; i < len(runes); {
		from := i
		o, cell := opacity[string(runes[i])]
		for i < len(runes) {
			if next, also := opacity[string(runes[i])]; also != cell || next != o {
				break
			}
			i++
		}
		at, width := x+float64(from)*charWidth, float64(i-from)*charWidth
		text := string(runes[from:i])
		switch {
		case cell:
			fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%d" fill="%s" opacity="%g"/>`+"\n", at, y+1, width, lineHeight-2, fill, o)
		case strings.TrimSpace(text) != "":
			weight := ""
			if p.code == "1" {
				weight = ` font-weight="bold"`
			}
			fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" textLength="%.1f" fill="%s"%s>%s</text>`+"\n", at, y+14, width, fill, weight, html.EscapeString(text))
		}
	}
	return b.String()
}
