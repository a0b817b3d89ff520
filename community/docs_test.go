package community_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/community"
)

var update = flag.Bool("update", false, "write the table of docs/status-communities.md")

const (
	page       = "../docs/status-communities.md"
	tableBegin = "<!-- kinds: go test ./community -run TestDocs -update -->\n"
	tableEnd   = "<!-- end of kinds -->\n"
)

// TestDocs compares the page with the table.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile(page)
	check(t, err)
	before, rest, ok := strings.Cut(string(b), tableBegin)
	_, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks %q or %q", page, tableBegin, tableEnd)
	}
	want := before + tableBegin + rendered() + tableEnd + after
	if *update {
		check(t, os.WriteFile(page, []byte(want), 0o644))
	} else if string(b) != want {
		t.Errorf("%s does not have the table as it is now: go test ./community -run TestDocs -update", page)
	}
}

// rendered is the table of kinds; types of one name share a line.
func rendered() string {
	var b strings.Builder
	b.WriteString("| types | name | class | want | priority | deadline | replaced by the same | why |\n|---|---|---|---|---|---|---|---|\n")
	lines := map[string][]community.MessageType{}
	for _, k := range append(community.Kinds(), community.KindOf(0)) {
		lines[k.Name] = append(lines[k.Name], k.Type)
	}
	names := slices.SortedFunc(maps.Keys(lines), func(a, b string) int { // unknown comes last
		x, y := lines[a][0]-1, lines[b][0]-1
		return int(x) - int(y)
	})
	for _, name := range names {
		k := community.KindOf(lines[name][0])
		numbers := "all others"
		if k.Known() {
			numbers = strings.Trim(strings.ReplaceAll(fmt.Sprint(lines[name]), " ", ", "), "[]")
		}
		fmt.Fprintf(&b, "| %s | %s | %v | %v | %v | %s | %v | %s |\n", numbers, name, k.Class, k.Aim, k.Priority, deadline(k.Deadline), k.Key, k.Reason)
	}
	return b.String()
}

func deadline(d time.Duration) string {
	switch {
	case d == 0:
		return "–"
	case d >= time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + " h"
	case d >= time.Minute:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	}
	return strconv.Itoa(int(d/time.Second)) + " s"
}

// TestAgreesWithReview holds the table against the page for the app team: the wants
// there are those here.
func TestAgreesWithReview(t *testing.T) {
	b, err := os.ReadFile("../docs/status-review.md")
	check(t, err)
	says := []struct {
		words string
		aims  []community.Aim
	}{
		{"90 %", []community.Aim{community.AimMost}},
		{"stewards", []community.Aim{community.AimStewards}},
		{"the addressee", []community.Aim{community.AimAddressee}},
		{"at least one", []community.Aim{community.AimOne, community.AimAll}},
		{"everyone", []community.Aim{community.AimEveryone, community.AimAll}},
		{"none", []community.Aim{community.AimNobody}},
		{"ephemeral", []community.Aim{community.AimNobody}},
	}
	compared := 0
	for _, line := range strings.Split(string(b), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 6 {
			continue
		}
		i := slices.IndexFunc(says, func(s struct {
			words string
			aims  []community.Aim
		}) bool {
			return strings.HasPrefix(strings.TrimSpace(cells[2]), s.words)
		})
		for _, numbers := range regexp.MustCompile(`\(([0-9, ]+)\)`).FindAllStringSubmatch(cells[1], -1) {
			for _, n := range strings.Split(numbers[1], ", ") {
				m, err := strconv.Atoi(n)
				check(t, err)
				k := community.KindOf(community.MessageType(m))
				if compared++; i < 0 || !slices.Contains(says[i].aims, k.Aim) {
					t.Errorf("%s (%d) wants %v, the page says %q", k.Name, m, k.Aim, cells[2])
				}
			}
		}
	}
	if compared < 18 {
		t.Errorf("only %d types were compared", compared)
	}
}
