// Package spec joins the requirements of the protocol's specification with the
// tests that prove them.
//
// A requirement is written in a Markdown file of this folder. It begins a
// paragraph or a list item and has a number of its own for ever:
//
//	**R12** A receiver MUST …
//	* **R13.** A sender SHOULD …
//
// A test cites requirements as "spec" followed by their numbers, in a comment,
// a name or a message of a _test.go file, or in a .txt file below a testdata
// folder. For the two above: the word spec, then R12 R13, or R12, R13.
package spec

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Requirement is one numbered sentence of the specification.
type Requirement struct {
	Number int
	Text   string // its first line, without the number
	Where  string // file:line
}

// Citations maps the numbers that tests cite to the places (file:line).
type Citations map[int][]string

var (
	requirement = regexp.MustCompile(`^\s*(?:[-*+]\s+|\d+\.\s+)?\*\*R(\d+)\.?\*\*\s*(.*)`)
	listItem    = regexp.MustCompile(`^\s*(?:[-*+]|\d+\.)\s`)
	citation    = regexp.MustCompile(`\bspec((?:,? R\d+)+)\b`)
)

// Load reads the requirements from the Markdown files of folder, in order of
// file name and line.
func Load(folder fs.FS) ([]Requirement, error) {
	var found []Requirement
	names, err := fs.Glob(folder, "*.md")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, err
		}
		code, paragraph := false, true // inside a code block; may a paragraph begin here
		for i, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				code = !code
			}
			m := requirement.FindStringSubmatch(line)
			if m != nil && !code && (paragraph || listItem.MatchString(line)) {
				n, err := strconv.Atoi(m[1])
				if err != nil {
					return nil, fmt.Errorf("%s:%d: %w", name, i+1, err)
				}
				found = append(found, Requirement{Number: n, Text: m[2], Where: fmt.Sprintf("%s:%d", name, i+1)})
			}
			paragraph = strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#")
		}
	}
	return found, nil
}

// Cited reads the citations from the tests of the whole tree.
func Cited(tree fs.FS) (Citations, error) {
	found := Citations{}
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if len(name) > 1 && strings.HasPrefix(entry.Name(), ".") {
				return fs.SkipDir
			}
			return nil
		}
		if !isTest(name) {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, m := range citation.FindAllStringSubmatch(line, -1) {
				for _, r := range strings.FieldsFunc(m[1], func(c rune) bool { return c == ' ' || c == ',' }) {
					n, err := strconv.Atoi(r[1:])
					if err != nil {
						return fmt.Errorf("%s:%d: %w", name, i+1, err)
					}
					found[n] = append(found[n], fmt.Sprintf("%s:%d", name, i+1))
				}
			}
		}
		return nil
	})
	return found, err
}

func isTest(name string) bool {
	return strings.HasSuffix(name, "_test.go") ||
		path.Ext(name) == ".txt" && slices.Contains(strings.Split(path.Dir(name), "/"), "testdata")
}

// Uncited returns the requirements that no test cites.
func Uncited(requirements []Requirement, cited Citations) []Requirement {
	return slices.DeleteFunc(slices.Clone(requirements), func(r Requirement) bool {
		return len(cited[r.Number]) > 0
	})
}

// Problems says what is wrong with the numbering: a number that names two
// requirements, and a citation of a number that names none.
func Problems(requirements []Requirement, cited Citations) []string {
	var problems []string
	first := map[int]string{}
	for _, r := range requirements {
		if where, again := first[r.Number]; again {
			problems = append(problems, fmt.Sprintf("%s: R%d is already at %s", r.Where, r.Number, where))
			continue
		}
		first[r.Number] = r.Where
	}
	for _, n := range slices.Sorted(maps.Keys(cited)) {
		if first[n] == "" {
			for _, where := range cited[n] {
				problems = append(problems, fmt.Sprintf("%s: there is no R%d", where, n))
			}
		}
	}
	return problems
}
