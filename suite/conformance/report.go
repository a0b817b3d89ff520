package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Failed counts the cases that do not hold.
func Failed(results []Result) (n int) {
	for i := range results {
		if !results[i].Holds {
			n++
		}
	}
	return n
}

// Broken lists the requirements of the cases that do not hold.
func Broken(results []Result) (requirements []string) {
	for _, r := range results {
		if !r.Holds {
			requirements = append(requirements, r.Requirements...)
		}
	}
	slices.SortFunc(requirements, byNumber)
	return slices.Compact(requirements)
}

func byNumber(a, b string) int { return number(a) - number(b) }

// number is n of "Rn", 0 if it is none.
func number(requirement string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(requirement, "R"))
	if err != nil {
		return 0
	}
	return n
}

// WriteText writes a line for each case, in the order of requirements, and what is
// wrong below it.
func WriteText(w io.Writer, dialect string, results []Result) error {
	sorted := slices.Clone(results)
	slices.SortStableFunc(sorted, func(a, b Result) int { return byNumber(a.first(), b.first()) })
	left, name := 0, 0
	for _, r := range sorted {
		left = max(left, len(strings.Join(r.Requirements, " ")))
		name = max(name, len([]rune(r.Name)))
	}
	var b strings.Builder
	for _, r := range sorted {
		verdict := "holds"
		if !r.Holds {
			verdict = "FAILS"
		}
		fmt.Fprintf(&b, "%-*s  %-*s  %s\n", left, strings.Join(r.Requirements, " "), name, r.Name, verdict)
		if !r.Holds {
			fmt.Fprintf(&b, "%*s  %s\n", left, "", r.Problem)
		}
	}
	fmt.Fprintf(&b, "dialect %s: %d of %d cases hold", dialect, len(results)-Failed(results), len(results))
	if broken := Broken(results); len(broken) > 0 {
		fmt.Fprintf(&b, "; not: %s", strings.Join(broken, " "))
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Result) first() string {
	if len(r.Requirements) == 0 {
		return ""
	}
	return r.Requirements[0]
}

// WriteJSON writes the dialect and the results as one object.
func WriteJSON(w io.Writer, dialect string, results []Result) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "\t")
	return e.Encode(struct {
		Dialect string   `json:"dialect"`
		Cases   []Result `json:"cases"`
		Failed  int      `json:"failed"`
	}{dialect, results, Failed(results)})
}
