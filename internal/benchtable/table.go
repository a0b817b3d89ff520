package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// result is one line of go test -bench.
type result struct {
	name   string // the package's last folder and the benchmark's name
	values map[string]float64
}

var procs = regexp.MustCompile(`-\d+$`) // the GOMAXPROCS suffix

// parse reads the output of go test -bench, of any number of packages.
func parse(r io.Reader) ([]result, error) {
	var results []result
	pkg := ""
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 2 && fields[0] == "pkg:" {
			pkg = path.Base(fields[1])
		}
		if len(fields) < 4 || len(fields)%2 != 0 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := procs.ReplaceAllString(strings.TrimPrefix(fields[0], "Benchmark"), "")
		res := result{name: pkg + "." + name, values: map[string]float64{}}
		for i := 2; i < len(fields); i += 2 { // fields[1] is the number of runs
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", lines.Text(), err)
			}
			res.values[fields[i+1]] = v
		}
		results = append(results, res)
	}
	return results, lines.Err()
}

// render writes results as a Markdown table: time, bytes and allocations
// first, then the other metrics by name.
func render(w io.Writer, results []result) {
	units := []string{"ns/op", "B/op", "allocs/op"}
	var more []string
	for _, r := range results {
		for unit := range r.values {
			if !slices.Contains(units, unit) && !slices.Contains(more, unit) {
				more = append(more, unit)
			}
		}
	}
	slices.Sort(more)
	units = append(units, more...)

	rows := [][]string{append([]string{"benchmark", "time/op"}, units[1:]...)}
	for _, r := range results {
		row := []string{r.name}
		for _, unit := range units {
			cell := ""
			if v, ok := r.values[unit]; ok {
				cell = number(v)
				if unit == "ns/op" {
					cell = duration(v)
				}
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	write(w, rows)
}

// write pads the cells, the first column to the left, numbers to the right.
func write(w io.Writer, rows [][]string) {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	for n, row := range rows {
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-len([]rune(cell)))
			if i == 0 {
				fmt.Fprintf(w, "| %s%s |", cell, pad)
			} else {
				fmt.Fprintf(w, " %s%s |", pad, cell)
			}
		}
		fmt.Fprintln(w)
		if n == 0 {
			fmt.Fprintf(w, "|%s|", strings.Repeat("-", width[0]+2))
			for _, n := range width[1:] {
				fmt.Fprintf(w, "%s:|", strings.Repeat("-", n+1))
			}
			fmt.Fprintln(w)
		}
	}
}

// duration shows nanoseconds with three significant digits.
func duration(ns float64) string {
	for _, u := range []struct {
		ns   float64
		name string
	}{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}} {
		if ns >= u.ns {
			return number(ns/u.ns) + " " + u.name
		}
	}
	return number(ns) + " ns"
}

// number shows three significant digits, and whole numbers in full.
func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	return strconv.FormatFloat(v, 'f', max(digits, 0), 64)
}
