package prove

import (
	"fmt"
	"io"
	"strings"
)

// The bars.
const (
	leastCovers = 0.95
	mostAbove   = 0.025
	extraWidth  = 0.04
	leastNamed  = 0.9
	leastBetter = 0.8
)

// allowed is how many of n may be on the wrong side of a bar; of few seeds one more,
// since a single one is above every share.
func allowed(n int, share float64) float64 {
	if n < 200 {
		return share*float64(n) + 1
	}
	return share * float64(n)
}

// Missed lists the bars that a result is below. They are for the bounds of
// reporters, the headline, and for how often everyone's interval holds the truth.
func (r *Result) Missed(s Scenario) []string {
	var out []string
	n := float64(r.Seeds)
	check := func(ok bool, format string, args ...any) {
		if !ok {
			out = append(out, fmt.Sprintf("%s, %v: ", r.Scenario, r.Measure)+fmt.Sprintf(format, args...))
		}
	}
	check((1-r.Covers)*n <= allowed(r.Seeds, 1-leastCovers)+hair, "the bounds hold the truth in %.1f %%, must be %v %%", 100*r.Covers, 100*leastCovers)
	check(r.Above*n <= allowed(r.Seeds, mostAbove)+hair, "the lower bound is above the truth in %.1f %%, may be in %v %%", 100*r.Above, 100*mostAbove)
	check(r.Width <= r.Unknown+extraWidth, "the bounds are %.3f wide, may be %.3f", r.Width, r.Unknown+extraWidth)
	check((1-r.AllCovers)*n <= allowed(r.Seeds, 1-leastCovers)+hair, "everyone's interval holds the truth in %.1f %%", 100*r.AllCovers)
	check(r.AllAbove*n <= allowed(r.Seeds, mostAbove)+hair, "everyone's lower end is above the truth in %.1f %%", 100*r.AllAbove)
	if s.Large {
		check(r.AllWidth <= r.AllUnknown+extraWidth, "everyone's interval is %.3f wide, may be %.3f", r.AllWidth, r.AllUnknown+extraWidth)
	}
	if s.Drop == 1 {
		check((1-r.Named)*n <= allowed(r.Seeds, 1-leastNamed)+hair, "the drop is named in %.0f %%, must be in %.0f %%", 100*r.Named, 100*leastNamed)
	}
	if s.Protocols {
		wrong, better := r.Worse, 1-r.Better
		if s.Same {
			wrong, better = r.Better+r.Worse, 0
		}
		check(wrong*n <= allowed(r.Seeds, 1-leastCovers)+hair, "a wrong verdict in %.1f %%", 100*wrong)
		check(better*n <= allowed(r.Seeds, 1-leastBetter)+hair, "the improvement is found in %.0f %%, must be in %.0f %%", 100*r.Better, 100*leastBetter)
	}
	return out
}

// Head is the head of the table that Write writes.
const Head = `Of reporters: the truth, the bounds, the point estimate and the share of seeds that have one, what the old
service says, the share of seeds whose bounds hold the truth and whose lower bound is above it, the width of
the bounds and the share of unknown cells. Of everyone: the truth, the interval, how often it holds the truth
and its width. All are means over the seeds.

                                 reporters                                                             everyone
scenario                by       truth  bounds        estimate     old    covers above  width  unknown truth  interval      covers width
`

// Write writes lines of the table.
func Write(to io.Writer, results []Result) error {
	for i := range results {
		r := &results[i]
		estimate, old := "–", "–"
		if r.Estimated > 0 {
			estimate = fmt.Sprintf("%.3f %3.0f%%", r.Estimate, 100*float64(r.Estimated)/float64(r.Seeds))
		}
		if r.OldKnown > 0 {
			old = fmt.Sprintf("%.3f", r.Old)
		}
		extra := ""
		if r.Named > 0 {
			extra += fmt.Sprintf("  drop named %.0f%%", 100*r.Named)
		}
		if r.Better+r.Worse > 0 {
			extra += fmt.Sprintf("  better %.0f%%, worse %.0f%%", 100*r.Better, 100*r.Worse)
		}
		line := fmt.Sprintf("%-23s %-8v %.3f  %.3f–%.3f   %-11s  %-5s  %.3f  %.3f  %.3f  %.3f   %.3f  %.3f–%.3f   %.3f  %.3f%s",
			r.Scenario, r.Measure, r.Truth, r.Bounds.Low, r.Bounds.High, estimate, old, r.Covers, r.Above, r.Width, r.Unknown,
			r.AllTruth, r.AllInterval.Low, r.AllInterval.High, r.AllCovers, r.AllWidth, extra)
		if _, err := fmt.Fprintln(to, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return nil
}
