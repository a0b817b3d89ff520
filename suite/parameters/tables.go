package parameters

import (
	"context"
	"fmt"
	"strings"

	"github.com/causeway-im/causeway/sim/crowd"
)

// Sizes are the communities of the tables.
var Sizes = []int{10, 100, 1_000, 10_000}

// meshCopies is how many copies of a packet the gossip mesh brings to a relay node:
// what Waku nodes of the demo count (duplicates and firsts over firsts).
const meshCopies = 5.4

// Grid plays cases once each and remembers their results.
type Grid struct {
	// Sizes are the communities; nil means all.
	Sizes []int
	// Watch, if set, is called before each run.
	Watch func(done int, c Case)

	ctx  context.Context
	done map[Case]*crowd.Result
}

func (g *Grid) run(c Case) (*crowd.Result, error) {
	if r := g.done[c]; r != nil {
		return r, nil
	}
	if g.Watch != nil {
		g.Watch(len(g.done), c)
	}
	r, err := c.Run(g.ctx)
	if err == nil {
		g.done[c] = r
	}
	return r, err
}

// table writes rows as Markdown.
func table(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(head)
	line(strings.Split(strings.Repeat("--- ", len(head)-1)+"---", " "))
	for _, r := range rows {
		line(r)
	}
	return b.String()
}

// costs is what each certainty costs, by size and load, at 5 % loss.
func (g *Grid) costs() (string, error) {
	head := []string{"members", "messages a day", "wanted", "reached after p50 / p95", "SDS bytes per message, whole group",
		"relay member, MB a month", "light member, MB a month down", "and up"}
	var rows [][]string
	for _, n := range g.Sizes {
		for _, l := range []Load{Quiet, Normal, Busy} {
			for _, w := range Wants {
				if n >= 10_000 && w.Everyone > 0 {
					continue // by name, 32 at a time: more than an hour
				}
				c := Case{Members: n, Load: l, Want: w, Loss: 0.05}
				r, err := g.run(c)
				if err != nil {
					return "", err
				}
				m := c.month(r, meshCopies)
				rows = append(rows, []string{count(n), count(l.PerDay), w.Name, span(r.AckWanted), count(int(r.Bytes.ControlPerMessageGroup)),
					mega(m.RelayDown), mega(m.LightDown), mega(m.LightUp)})
			}
		}
	}
	return table(head, rows), nil
}

// losses is how the group fares by loss, with a message per 43 seconds.
func (g *Grid) losses() (string, error) {
	head := []string{"members", "loss", "first acknowledgement p95", "misses noticed", "noticed after p90", "repaired after p50 / p95",
		"delivered in order p99", "never repaired", "SDS bytes per message"}
	var rows [][]string
	for _, n := range g.Sizes {
		for _, loss := range []float64{0.01, 0.05, 0.2} {
			r, err := g.run(Case{Members: n, Load: Normal, Want: Wants[0], Loss: loss})
			if err != nil {
				return "", err
			}
			rows = append(rows, []string{count(n), percent(loss), seconds(r.AckFirst.P95), ofAll(r.MissedDetected, r.Missed), seconds(r.Detect.P90),
				span(r.Repair), seconds(r.Consistency.P99), count(r.Unrepaired), count(int(r.Bytes.ControlPerMessageGroup))})
		}
	}
	return table(head, rows), nil
}

// owners compares groups whose members are mostly away, with and without an owner
// that is always there.
func (g *Grid) owners() (string, error) {
	head := []string{"members", "away", "owner online", "repaired after p50 / p95", "still missing 10 min after the last message, of all", "SDS bytes per message"}
	var rows [][]string
	for _, n := range g.Sizes {
		if n > 1_000 {
			continue // the few that are there are many, and differ little
		}
		for _, owner := range []bool{false, true} {
			r, err := g.run(Case{Members: n, Load: Normal, Want: Wants[0], Loss: 0.05, Away: 0.7, Owner: owner})
			if err != nil {
				return "", err
			}
			yes := "no"
			if owner {
				yes = "yes"
			}
			rows = append(rows, []string{count(n), percent(0.7), yes, span(r.Repair),
				fmt.Sprintf("%s of %s", count(r.Behind), count(r.Messages*n)), count(int(r.Bytes.ControlPerMessageGroup))})
		}
	}
	return table(head, rows), nil
}

// limits sets what was reached beside what the product asks for.
func (g *Grid) limits() (string, error) {
	head := []string{"the product asks for", "members", "reached"}
	var rows [][]string
	for _, n := range g.Sizes {
		r, err := g.run(Case{Members: n, Load: Busy, Want: Wants[0], Loss: 0.05})
		if err != nil {
			return "", err
		}
		m := Case{Members: n, Load: Busy}.month(r, meshCopies)
		rows = append(rows,
			[]string{"acknowledged within 5 s if another member is online", count(n), seconds(r.AckFirst.P99) + " at p99"},
			[]string{"90 % of misses noticed within 3S = 15 s", count(n), seconds(r.Detect.P90) + " at p90"},
			[]string{"the same log within 6S = 30 s", count(n), seconds(r.Consistency.P99) + " at p99, the last " + seconds(r.Consistency.Max)},
			[]string{"mobile below 5 GB a month, busy community", count(n), mega(m.LightDown) + " MB as a light member"})
	}
	return table(head, rows), nil
}

func count(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func percent(f float64) string { return fmt.Sprintf("%.0f %%", 100*f) }

func seconds(ms float64) string {
	if ms >= 600_000 {
		return fmt.Sprintf("%.0f min", ms/60_000)
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}

func span(d crowd.Distribution) string { return seconds(d.P50) + " / " + seconds(d.P95) }

func mega(bytes float64) string {
	if bytes < 1e6 {
		return fmt.Sprintf("%.2f", bytes/1e6)
	}
	return count(int(bytes/1e6 + 0.5))
}

func ofAll(n, all int) string {
	if all == 0 {
		return "no misses"
	}
	return fmt.Sprintf("%.1f %% of %s", 100*float64(n)/float64(all), count(all))
}
