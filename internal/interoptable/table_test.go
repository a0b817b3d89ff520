package main

import (
	"slices"
	"strings"
	"testing"
)

const doc = "# What works\n\nProse with `TestElsewhere`.\n\n## The matrix\n\n| what | there | back |\n|---|---|---|\n" +
	"| a | ✓ `TestA/there`, `/again` | ✓ `TestA/back` |\n| b | `TestB` | `TestC` |\n\n## After\n\n| `TestD` |\n"

func event(action, test string) string {
	return `{"Action":"` + action + `","Test":"` + test + `"}` + "\n"
}

func check(t *testing.T, events string) (shown string, problems []string, log string) {
	t.Helper()
	var out, said strings.Builder
	r, err := parse(strings.NewReader(events), &said)
	if err != nil {
		t.Fatal(err)
	}
	problems = append(r.check(&out, doc), r.unnamed()...)
	return out.String(), problems, said.String()
}

var allPass = event("pass", "TestA/there") + event("pass", "TestA/again") + event("pass", "TestA/back") + event("pass", "TestA") +
	event("pass", "TestB") + event("pass", "TestC")

func TestAllProved(t *testing.T) {
	shown, problems, _ := check(t, allPass)
	want := "\nWhat works\n\n| what | there | back |\n|---|---|---|\n" +
		"| a | ✓ `TestA/there`, `/again` | ✓ `TestA/back` |\n| b | `TestB` | `TestC` |\n"
	if _, problems, _ := check(t, allPass+event("pass", "TestD")); len(problems) > 0 {
		t.Errorf("TestD is named outside of the matrix: %v", problems)
	}
	if shown != want || len(problems) > 0 {
		t.Errorf("%s%v\nwant\n%s", shown, problems, want)
	}
}

func TestNotProved(t *testing.T) {
	for name, c := range map[string]struct {
		events, problem, mark string
	}{
		"a subtest failed": {strings.Replace(allPass, event("pass", "TestA/again"), event("fail", "TestA/again"), 1), "TestA/again: fail", "`/again` (FAIL)"},
		"skipped":          {strings.Replace(allPass, event("pass", "TestC"), event("skip", "TestC"), 1), "TestC: skip", "`TestC` (SKIP)"},
		"not run":          {strings.Replace(allPass, event("pass", "TestB"), "", 1), "TestB: not run", "`TestB` (NOT RUN)"},
		"in no document":   {allPass + event("pass", "TestE"), "TestE: in no document", ""},
	} {
		shown, problems, _ := check(t, c.events)
		if !slices.Equal(problems, []string{c.problem}) || !strings.Contains(shown, c.mark) {
			t.Errorf("%s: %v\n%s", name, problems, shown)
		}
	}
}

func TestOutputOfFailures(t *testing.T) {
	_, _, log := check(t, `{"Action":"output","Test":"TestA","Output":"wrong\n"}`+"\n"+`{"Action":"output","Test":"TestB","Output":"fine\n"}`+"\n"+
		`{"Action":"output","Output":"ok package\n"}`+"\n"+event("fail", "TestA")+event("pass", "TestB"))
	if log != "ok package\nwrong\n" {
		t.Errorf("repeats %q", log)
	}
}

func TestBadInput(t *testing.T) {
	if _, err := parse(strings.NewReader("no JSON"), new(strings.Builder)); err == nil {
		t.Error("no error")
	}
}

func TestNoMatrix(t *testing.T) {
	r, err := parse(strings.NewReader(""), new(strings.Builder))
	if err != nil {
		t.Fatal(err)
	}
	if problems := r.check(new(strings.Builder), "# What works\n\n`TestA`\n"); len(problems) != 1 {
		t.Errorf("%v", problems)
	}
}
