package demo

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// The widths, in points, at which people look at the page.
const (
	desktop = 1280
	phone   = 390
)

// shot takes a picture for the documentation, if CAUSEWAY_SCREENSHOTS names a folder:
// of so many points from the top of an element on.
func (b *browser) shot(name string, width int64, from string, height float64) {
	b.t.Helper()
	dir := os.Getenv("CAUSEWAY_SCREENSHOTS")
	if dir == "" {
		return
	}
	b.run(emulation.SetDeviceMetricsOverride(width, 900, 1, false), chromedp.Evaluate(`document.activeElement.blur(), scrollTo({top: 0, behavior: "instant"})`, nil))
	top := value[float64](b, `Math.max(0, document.querySelector("`+from+`").getBoundingClientRect().top - 12)`)
	height = min(height, value[float64](b, `document.documentElement.scrollHeight`)-top)
	var shot []byte
	b.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		shot, err = page.CaptureScreenshot().WithFormat(page.CaptureScreenshotFormatPng).WithCaptureBeyondViewport(true).
			WithClip(&page.Viewport{Y: top, Width: float64(width), Height: height, Scale: 1}).Do(ctx)
		return err
	}), emulation.ClearDeviceMetricsOverride())
	check(b.t, os.WriteFile(filepath.Join(dir, name+".png"), small(b.t, shot), 0o644))
}

// small writes a picture with the 256 colours that it has most of.
func small(t *testing.T, shot []byte) []byte {
	t.Helper()
	from, err := png.Decode(bytes.NewReader(shot))
	check(t, err)
	count := map[color.Color]int{}
	for y := range from.Bounds().Dy() {
		for x := range from.Bounds().Dx() {
			count[from.At(x, y)]++
		}
	}
	most := slices.SortedFunc(maps.Keys(count), func(a, b color.Color) int { return count[b] - count[a] })
	to := image.NewPaletted(from.Bounds(), most[:min(len(most), 256)])
	nearest := map[color.Color]uint8{}
	for y := range from.Bounds().Dy() {
		for x := range from.Bounds().Dx() {
			c := from.At(x, y)
			index, known := nearest[c]
			if !known {
				index = uint8(to.Palette.Index(c))
				nearest[c] = index
			}
			to.SetColorIndex(x, y, index)
		}
	}
	var out bytes.Buffer
	check(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, to))
	return out.Bytes()
}

// pictures shows how it ended, of all members, beside the truth.
func (b *browser) pictures(d *demo) {
	b.t.Helper()
	b.run(chromedp.Navigate(d.url+"/?row=everyone&"+d.today()), dark(false))
	b.shot("settled", desktop, "body", 1010)
	b.shot("groups", desktop, "#protocol", 800)
	b.shot("outages", desktop, "#funnel", 1180)
	b.shot("phone", phone, "body", 1500)
	b.run(dark(true))
	b.shot("dark", desktop, "body", 1010)
	b.run(dark(false))
}

// narrow looks at the page as a phone shows it.
func (b *browser) narrow() {
	b.t.Helper()
	b.run(emulation.SetDeviceMetricsOverride(phone, 844, 1, true))
	for what, expression := range map[string]string{
		"no sideways scrolling of the page": `document.documentElement.scrollWidth <= document.documentElement.clientWidth`,
		"letters that can be read":          `[...document.querySelectorAll("svg.chart text.axis:not(.small)")].every(t => t.getBoundingClientRect().height >= 9)`,
		"no menu in front of everything":    `getComputedStyle(document.querySelector("nav.sections")).position === "static"`,
	} {
		if !value[bool](b, expression) {
			b.t.Errorf("at %d points there is not: %s", phone, what)
		}
	}
	b.run(emulation.ClearDeviceMetricsOverride())
}
