package simulate

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"github.com/causeway-im/causeway/sim/crowd"
	"github.com/causeway-im/causeway/suite/internal/numbers"
	"github.com/causeway-im/causeway/suite/plot"
)

// Grid is many runs: each combination of its values, in a scenario that is else
// the same.
type Grid struct {
	Base     crowd.Scenario
	Policies []crowd.Policy
	Members  []int
	Loss     []float64
	Rate     []float64
	Seeds    []uint64
	// Parallel is how many runs there are at a time, each on one processor. Default
	// the number of processors.
	Parallel int
}

// Row is one run of a grid.
type Row struct {
	Loss, Rate float64
	Result     *crowd.Result
}

// scenarios lists the runs, in the order of the rows.
func (g *Grid) scenarios() []crowd.Scenario {
	var list []crowd.Scenario
	for _, policy := range g.Policies {
		for _, members := range g.Members {
			for _, loss := range g.Loss {
				for _, rate := range g.Rate {
					for _, seed := range g.Seeds {
						sc := g.Base
						sc.Policy, sc.Members, sc.Network.Loss, sc.Load.Rate, sc.Seed = policy, members, loss, rate, seed
						sc.Workers = 1
						list = append(list, sc)
					}
				}
			}
		}
	}
	return list
}

// Check tells what is wrong with any of the runs.
func (g *Grid) Check() error {
	list := g.scenarios()
	if len(list) == 0 {
		return errors.New("the grid is empty")
	}
	for i := range list {
		if err := list[i].Check(); err != nil {
			return err
		}
	}
	return nil
}

// Run plays all of the grid, large runs first, and returns the rows in the order
// of the grid. It stops at the first error.
func (g *Grid) Run(ctx context.Context, p *Progress) ([]Row, error) {
	list := g.scenarios()
	rows := make([]Row, len(list))
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return list[b].Members - list[a].Members })
	workers := g.Parallel
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		wg   sync.WaitGroup
		lock sync.Mutex
		next int
		done int
	)
	take := func() (int, bool) {
		lock.Lock()
		defer lock.Unlock()
		if next == len(order) || ctx.Err() != nil {
			return 0, false
		}
		next++
		return order[next-1], true
	}
	finish := func(i int, r *crowd.Result) {
		lock.Lock()
		defer lock.Unlock()
		done++
		rows[i] = Row{list[i].Network.Loss, list[i].Load.Rate, r}
		p.say("%s of %s runs; the last: %s, %s members, loss %s", numbers.Number(done), numbers.Number(len(list)),
			list[i].Policy, numbers.Number(list[i].Members), numbers.Percent(list[i].Network.Loss))
	}
	for range min(workers, len(list)) {
		wg.Go(func() {
			for i, ok := take(); ok; i, ok = take() {
				r, err := crowd.Run(ctx, list[i], nil)
				if err != nil {
					cancel(err)
					return
				}
				finish(i, r)
			}
		})
	}
	wg.Wait()
	p.clear()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return rows, nil
}

// column is one of the table.
type column struct {
	name string
	of   func(*Row) string
}

func columns() []column {
	count := func(n int) string { return strconv.Itoa(n) }
	real := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	list := []column{
		{"policy", func(r *Row) string { return string(r.Result.Policy) }},
		{"members", func(r *Row) string { return count(r.Result.Members) }},
		{"loss", func(r *Row) string { return real(r.Loss) }},
		{"rate", func(r *Row) string { return real(r.Rate) }},
		{"seed", func(r *Row) string { return strconv.FormatUint(r.Result.Seed, 10) }},
		{"messages", func(r *Row) string { return count(r.Result.Messages) }},
		{"receives", func(r *Row) string { return strconv.FormatInt(r.Result.Receives, 10) }},
		{"consistent", func(r *Row) string { return strconv.FormatBool(r.Result.Consistent) }},
		{"missed", func(r *Row) string { return count(r.Result.Missed) }},
		{"missed_detected", func(r *Row) string { return count(r.Result.MissedDetected) }},
		{"unrepaired", func(r *Row) string { return count(r.Result.Unrepaired) }},
		{"undelivered", func(r *Row) string { return count(r.Result.Undelivered) }},
		{"false_acks", func(r *Row) string { return count(r.Result.FalseAcks) }},
	}
	for _, d := range []struct {
		name string
		of   func(*crowd.Result) crowd.Distribution
	}{
		{"ack_first_ms", figures[0].of}, {"ack_wanted_ms", figures[1].of}, {"detect_ms", figures[2].of},
		{"repair_ms", figures[3].of}, {"consistency_ms", figures[4].of},
	} {
		for _, part := range []struct {
			name string
			of   func(crowd.Distribution) float64
		}{
			{"p50", func(d crowd.Distribution) float64 { return d.P50 }}, {"p90", func(d crowd.Distribution) float64 { return d.P90 }},
			{"p95", func(d crowd.Distribution) float64 { return d.P95 }}, {"p99", func(d crowd.Distribution) float64 { return d.P99 }},
			{"max", func(d crowd.Distribution) float64 { return d.Max }}, {"never", func(d crowd.Distribution) float64 { return float64(d.Never) }},
		} {
			list = append(list, column{d.name + "." + part.name, func(r *Row) string { return real(part.of(d.of(r.Result))) }})
		}
	}
	return append(list,
		column{"bytes.content", func(r *Row) string { return strconv.FormatInt(r.Result.Bytes.Content, 10) }},
		column{"bytes.control", func(r *Row) string { return strconv.FormatInt(r.Result.Bytes.Control, 10) }},
		column{"bytes.control_per_message_group", func(r *Row) string { return fmt.Sprintf("%.1f", r.Result.Bytes.ControlPerMessageGroup) }},
		column{"bytes.control_in_message_p50", func(r *Row) string { return real(r.Result.Bytes.ControlInMessageP50) }},
		column{"bytes.control_in_message_p99", func(r *Row) string { return real(r.Result.Bytes.ControlInMessageP99) }},
		column{"verdicts.asked", func(r *Row) string { return count(r.Result.Verdicts.Asked) }},
		column{"verdicts.right", func(r *Row) string { return count(r.Result.Verdicts.Right) }},
		column{"verdicts.undecided", func(r *Row) string { return count(r.Result.Verdicts.Undecided) }},
		column{"verdicts.p95_ms", func(r *Row) string { return real(r.Result.Verdicts.P95Ms) }},
	)
}

// WriteCSV writes a line for each run. The same grid gives the same bytes.
func WriteCSV(w io.Writer, rows []Row) error {
	c := csv.NewWriter(w)
	list := columns()
	line := make([]string, len(list))
	for i := range list {
		line[i] = list[i].name
	}
	c.Write(line)
	for r := range rows {
		for i := range list {
			line[i] = list[i].of(&rows[r])
		}
		c.Write(line)
	}
	c.Flush()
	return c.Error()
}

// Plots draws what a grid shows over the size of the group, a line for each
// combination of the rest, seeds averaged. The names are for files.
func (g *Grid) Plots(rows []Row) map[string]*plot.Chart {
	charts := map[string]*plot.Chart{
		"control": g.chart(rows, "Control bytes per message, whole group", "bytes", true,
			func(r *crowd.Result) float64 { return r.Bytes.ControlPerMessageGroup }),
		"acknowledged": g.chart(rows, "First acknowledgement, 95th percentile", "seconds", true,
			func(r *crowd.Result) float64 { return r.AckFirst.P95 / 1000 }),
		"detected": g.chart(rows, "A lost copy is noticed, 90th percentile", "seconds", true,
			func(r *crowd.Result) float64 { return r.Detect.P90 / 1000 }),
		"repaired": g.chart(rows, "Noticed → repaired, 95th percentile", "seconds", true,
			func(r *crowd.Result) float64 { return r.Repair.P95 / 1000 }),
		"consistent": g.chart(rows, "Broadcast → delivered in order, 99th percentile", "seconds", true,
			func(r *crowd.Result) float64 { return r.Consistency.P99 / 1000 }),
	}
	return charts
}

func (g *Grid) chart(rows []Row, title, unit string, log bool, of func(*crowd.Result) float64) *plot.Chart {
	c := &plot.Chart{Title: title, X: "members", Y: unit, LogX: true, LogY: log}
	for _, policy := range g.Policies {
		for _, loss := range g.Loss {
			for _, rate := range g.Rate {
				line := plot.Line{Name: g.lineName(policy, loss, rate)}
				for _, members := range slices.Sorted(slices.Values(g.Members)) {
					sum, n := 0.0, 0
					for i := range rows {
						if r := &rows[i]; r.Result.Policy == policy && r.Loss == loss && r.Rate == rate && r.Result.Members == members {
							sum += of(r.Result)
							n++
						}
					}
					line.Points = append(line.Points, plot.Point{X: float64(members), Y: sum / float64(n)})
				}
				c.Lines = append(c.Lines, line)
			}
		}
	}
	return c
}

// lineName says what is different about a line.
func (g *Grid) lineName(policy crowd.Policy, loss, rate float64) string {
	name := string(policy)
	if len(g.Loss) > 1 {
		name += ", loss " + numbers.Percent(loss)
	}
	if len(g.Rate) > 1 {
		name += fmt.Sprintf(", %g/s", rate)
	}
	return name
}
