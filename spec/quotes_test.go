package spec

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var quoted = regexp.MustCompile("(?m)^```\\w+ file=(\\S+)\n((?s:.*?))^```$")

// TestQuotes: what the specification quotes from a file is the text of that file, but
// for how far its lines are indented.
func TestQuotes(t *testing.T) {
	pages, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	quotes := 0
	for _, page := range pages {
		if !strings.HasSuffix(page.Name(), ".md") {
			continue
		}
		text, err := os.ReadFile(page.Name())
		if err != nil {
			t.Fatal(err)
		}
		found := quoted.FindAllStringSubmatch(string(text), -1)
		if n := strings.Count(string(text), " file="); n != len(found) {
			t.Errorf("%s: %d of %d quotes are blocks of code", page.Name(), len(found), n)
		}
		for _, q := range found {
			quotes++
			file, err := os.ReadFile("../" + q[1])
			if err != nil {
				t.Errorf("%s: %v", page.Name(), err)
			} else if !holds(string(file), q[2]) {
				t.Errorf("%s: %s does not have\n%s", page.Name(), q[1], q[2])
			}
		}
	}
	if quotes < 15 {
		t.Errorf("only %d quotes were found", quotes)
	}
}

// holds tells whether the lines of part stand in text one after the other.
func holds(text, part string) bool {
	all, some := trimmed(text), trimmed(strings.TrimSuffix(part, "\n"))
	for i := range all {
		if i+len(some) <= len(all) && slices.Equal(all[i:i+len(some)], some) {
			return len(some) > 0
		}
	}
	return false
}

func trimmed(text string) []string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return lines
}

func TestHolds(t *testing.T) {
	const text = "one\n\ttwo\n  three\nfour\n"
	for part, want := range map[string]bool{"two\nthree\n": true, "one\n": true, "two\nfour\n": false, "twoo\n": false, "four\nfive\n": false} {
		if holds(text, part) != want {
			t.Errorf("%q: %v", part, !want)
		}
	}
}
