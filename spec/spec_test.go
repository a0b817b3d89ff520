package spec

import (
	"os"
	"reflect"
	"testing"
	"testing/fstest"
)

// TestRequirements holds this specification against the tests of this tree.
func TestRequirements(t *testing.T) {
	requirements, err := Load(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	cited, err := Cited(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range Problems(requirements, cited) {
		t.Error(p)
	}
	for _, r := range Uncited(requirements, cited) {
		t.Errorf("%s: no test cites R%d: %s", r.Where, r.Number, r.Text)
	}
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestLoad(t *testing.T) {
	folder := fstest.MapFS{
		"a.md": file("# Title\n**R1** One.\n\n**R2.** Two goes\n**R1** on here.\n\n" +
			"- **R3** Three.\n  * **R4.** Four.\n1. **R5** Five.\n\n" +
			"Not **R6** here.\n\n**R7 is no number**\n\n```\n\n**R8** in code.\n```\n"),
		"b.md":     file("\n**R10** Ten.\n"),
		"c.txt":    file("**R11** Not Markdown.\n"),
		"sub/d.md": file("**R12** In a folder below.\n"),
	}
	got, err := Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	want := []Requirement{
		{1, "One.", "a.md:2"}, {2, "Two goes", "a.md:4"}, {3, "Three.", "a.md:7"},
		{4, "Four.", "a.md:8"}, {5, "Five.", "a.md:9"}, {10, "Ten.", "b.md:2"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestCited(t *testing.T) {
	const word = "spec" // apart from the numbers, or this file itself would cite
	tree := fstest.MapFS{
		"a_test.go":             file("// " + word + " R1\n\nfunc TestX // R2, " + word + "R3 my" + word + " R4 " + word + " r5\n"),
		"x/b_test.go":           file("t.Run(\"" + word + " R1 R6, R7: text\") // and " + word + " R8.\n"),
		"x/testdata/y/talk.txt": file("# " + word + " R9\n"),
		"x/talk.txt":            file(word + " R10\n"),
		"x/c.go":                file("// " + word + " R11\n"),
		".git/d_test.go":        file("// " + word + " R12\n"),
		"x/e_test.go":           file("// " + word + " R13x " + word + "  R14\n"),
	}
	got, err := Cited(tree)
	if err != nil {
		t.Fatal(err)
	}
	want := Citations{
		1: {"a_test.go:1", "x/b_test.go:1"},
		6: {"x/b_test.go:1"},
		7: {"x/b_test.go:1"},
		8: {"x/b_test.go:1"},
		9: {"x/testdata/y/talk.txt:1"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestProblems(t *testing.T) {
	one, two, again := Requirement{1, "One.", "a.md:1"}, Requirement{2, "Two.", "a.md:2"}, Requirement{1, "Again.", "b.md:1"}
	tests := []struct {
		name         string
		requirements []Requirement
		cited        Citations
		problems     []string
		uncited      []Requirement
	}{
		{name: "nothing yet"},
		{
			name: "all well", requirements: []Requirement{one, two},
			cited: Citations{1: {"a_test.go:1"}, 2: {"a_test.go:1"}},
		},
		{
			name: "no test", requirements: []Requirement{one, two},
			cited: Citations{1: {"a_test.go:1"}}, uncited: []Requirement{two},
		},
		{
			name: "number given twice", requirements: []Requirement{one, again},
			cited: Citations{1: {"a_test.go:1"}}, problems: []string{"b.md:1: R1 is already at a.md:1"},
		},
		{
			name: "no such requirement", requirements: []Requirement{one},
			cited:    Citations{1: {"a_test.go:1"}, 3: {"b_test.go:2", "c_test.go:3"}},
			problems: []string{"b_test.go:2: there is no R3", "c_test.go:3: there is no R3"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Problems(tt.requirements, tt.cited); !reflect.DeepEqual(got, tt.problems) {
				t.Errorf("problems: got %q, want %q", got, tt.problems)
			}
			if got := Uncited(tt.requirements, tt.cited); len(got)+len(tt.uncited) > 0 && !reflect.DeepEqual(got, tt.uncited) {
				t.Errorf("uncited: got %v, want %v", got, tt.uncited)
			}
		})
	}
}
