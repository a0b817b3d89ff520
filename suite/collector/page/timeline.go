package page

import (
	"fmt"
	"html/template"
	"math"

	"github.com/causeway-im/causeway/telemetry/estimate"
	"github.com/causeway-im/causeway/telemetry/report"
)

// freshSilence is a silence, in milliseconds, that is not drawn at the end: the next
// upload is on its way.
const freshSilence = 3 * 60 * 1000

// Timeline draws what each device was doing: a row for each, with the outages behind.
func Timeline(lines []estimate.Line, marks []Mark, from, to int64) template.HTML {
	const row, top = 11.0, 28.0
	bottom := top + row*float64(len(lines)) + 2
	s := newSVG(chartWidth, bottom+48, "timeline", "What each device was doing")
	x := func(at int64) float64 {
		return plotLeft + (plotRight-plotLeft)*float64(min(max(at, from), to)-from)/float64(max(to-from, 1))
	}
	for _, m := range marks {
		if m.To <= from || m.From >= to {
			continue
		}
		s.rect("mark "+m.Class, x(m.From), top-4, math.Max(x(m.To)-x(m.From), 2), bottom-top+4, m.Label)
		s.text("marklabel "+m.Class, "start", math.Min(x(m.From), plotRight-160), top-10, m.Label)
	}
	for i, l := range lines {
		y := top + row*float64(i)
		s.text("axis small", "end", plotLeft-6, y+8, l.Platform)
		for _, state := range []struct {
			class, words string
			spans        []report.Span
		}{{"idle", "not running", l.Idle}, {"covered", "running", l.Covered}, {"online", "online", l.Online},
			{"cut", "no network, as it says", l.Cut}, {"silent", "silent: nothing is known", l.Silent}} {
			for _, span := range state.spans {
				if fresh := state.class == "silent" && span.From > to-freshSilence; span.To > from && span.From < to && !fresh {
					s.rect("state "+state.class, x(span.From), y, math.Max(x(span.To)-x(span.From), 0.8), row-2,
						fmt.Sprintf("%s, %s to %s", state.words, clock(span.From), clock(span.To)))
				}
			}
		}
	}
	timeAxis(s, from, to, x, bottom)
	s.text("axis", "middle", (plotLeft+plotRight)/2, bottom+40, "time (UTC)")
	return s.done()
}
