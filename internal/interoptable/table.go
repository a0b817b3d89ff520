package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// results are what became of tests, by name: "pass", "fail" or "skip".
type results struct {
	outcome map[string]string
	named   map[string]bool // in a document
	proved  int             // tests that a matrix names and that passed
}

// parse reads what go test -json says and repeats the output of packages and of
// failed tests.
func parse(events io.Reader, log io.Writer) (*results, error) {
	r := &results{outcome: map[string]string{}, named: map[string]bool{}}
	output := map[string][]string{} // by test
	for d := json.NewDecoder(events); ; {
		var e struct{ Action, Test, Output string }
		if err := d.Decode(&e); errors.Is(err, io.EOF) {
			return r, nil
		} else if err != nil {
			return nil, fmt.Errorf("go test -json: %w", err)
		}
		switch e.Action {
		case "output":
			if e.Test == "" {
				fmt.Fprint(log, e.Output)
			}
			output[e.Test] = append(output[e.Test], e.Output)
		case "pass", "fail", "skip":
			if e.Test == "" {
				continue
			}
			r.outcome[e.Test] = e.Action
			if e.Action == "fail" {
				fmt.Fprint(log, strings.Join(output[e.Test], ""))
			}
			delete(output, e.Test)
		}
	}
}

var (
	heading = regexp.MustCompile(`^#+ (.*)$`)
	quoted  = regexp.MustCompile("`(Test[A-Za-z0-9_/]*|/[a-z0-9_/]+)`")
)

// check writes the matrix of a document, with its title, and returns what in it
// was not proved.
func (r *results) check(w io.Writer, text string) (problems []string) {
	inside, first, before := false, true, len(problems)+r.proved
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if h := heading.FindStringSubmatch(line); h != nil {
			inside = h[1] == "The matrix"
			if first {
				fmt.Fprintf(w, "\n%s\n\n", h[1])
				first = false
			}
			continue
		}
		if !inside || !strings.HasPrefix(line, "|") {
			for _, name := range quoted.FindAllStringSubmatch(line, -1) {
				r.named[name[1]] = true
			}
			continue
		}
		test := ""
		line = quoted.ReplaceAllStringFunc(line, func(name string) string {
			full := strings.Trim(name, "`")
			if full[0] == '/' {
				full = test + full
			} else {
				test, _, _ = strings.Cut(full, "/")
			}
			r.named[full] = true
			if r.outcome[full] == "pass" {
				r.proved++
				return name
			}
			what := r.outcome[full]
			if what == "" {
				what = "not run"
			}
			problems = append(problems, fmt.Sprintf("%s: %s", full, what))
			return name + " (" + strings.ToUpper(what) + ")"
		})
		fmt.Fprintln(w, line)
	}
	if len(problems)+r.proved == before {
		problems = append(problems, "a document has no matrix")
	}
	return problems
}

// unnamed returns the tests that no document names, neither themselves nor through
// a subtest.
func (r *results) unnamed() (problems []string) {
	top := map[string]bool{}
	for name := range r.named {
		test, _, _ := strings.Cut(name, "/")
		top[test] = true
	}
	for _, name := range slices.Sorted(maps.Keys(r.outcome)) {
		if !strings.Contains(name, "/") && !top[name] {
			problems = append(problems, name+": in no document")
		}
	}
	return problems
}
