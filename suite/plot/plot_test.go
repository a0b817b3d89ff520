package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

func picture(t *testing.T, c Chart) string {
	t.Helper()
	var b strings.Builder
	if err := c.WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(strings.NewReader(b.String()))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return b.String()
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestChart(t *testing.T) {
	c := Chart{Title: "Bytes & more", X: "members", Y: "bytes", LogX: true, LogY: true, Lines: []Line{
		{"causeway", []Point{{10, 1000}, {100, 2000}, {1000, 3000}}},
		{"classic", []Point{{10, 1e5}, {100, 1e6}, {1000, 1e7}}},
		{"nothing", []Point{{0, 1}, {1, 0}, {10, math.NaN()}}},
	}}
	out := picture(t, c)
	for _, want := range []string{"<svg", "Bytes &amp; more", ">members<", ">bytes<", ">causeway<", ">classic<", ">100<", ">1000<", ">10 M<", ">100 k<"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(out, "nothing") {
		t.Error("a line without points has a name")
	}
	if picture(t, c) != out {
		t.Error("drawn again it is another picture")
	}
	c.Lines[0].Points[1].Y = 2500
	if picture(t, c) == out {
		t.Error("another value gives the same picture")
	}
	c.LogX, c.LogY = false, false
	if linear := picture(t, c); linear == out || !strings.Contains(linear, "causeway") {
		t.Error("the axes do not matter")
	}
}

func TestOnePointAndNone(t *testing.T) {
	for _, log := range []bool{false, true} {
		c := Chart{LogX: log, LogY: log, Lines: []Line{{"one", []Point{{7, 3}}}}}
		if out := picture(t, c); strings.Contains(out, "NaN") || strings.Contains(out, "Inf") || !strings.Contains(out, ">one<") {
			t.Error(out)
		}
	}
	c := Chart{LogY: true, Lines: []Line{{"zero", []Point{{1, 0}}}}}
	if err := c.WriteSVG(io.Discard); !errors.Is(err, ErrEmpty) {
		t.Errorf("got %v", err)
	}
}

func TestManyLinesDiffer(t *testing.T) {
	c := Chart{}
	for i := range 2 * len(colours) {
		c.Lines = append(c.Lines, Line{string(rune('a' + i)), []Point{{1, 1}, {2, float64(i)}}})
	}
	if out := picture(t, c); !strings.Contains(out, "stroke-dasharray") {
		t.Error("lines of one colour look alike")
	}
}
