package parameters

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/causeway-im/causeway/sim/crowd"
)

// A month is what the run says, times what the load says: computed by hand.
func TestMonth(t *testing.T) {
	r := &crowd.Result{Messages: 10, Bytes: crowd.Bytes{Content: 1_000, Control: 9_000, Packets: map[string]int64{"content": 10, "ack": 40}}}
	got := Case{Members: 100, Load: Normal}.month(r, 5)
	// 10,000 bytes and 50 envelopes of 430 for 10 messages: 3,150 each; 30,000 a month.
	if want := (Month{RelayDown: 5 * 94_500_000, LightDown: 94_500_000, LightUp: 945_000}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Each part of a case changes what is played.
func TestScenario(t *testing.T) {
	base := Case{Members: 10, Load: Normal, Want: Wants[0], Loss: 0.05}
	for name, change := range map[string]func(*Case){
		"members": func(c *Case) { c.Members = 100 }, "load": func(c *Case) { c.Load = Quiet }, "want": func(c *Case) { c.Want = Wants[2] },
		"share": func(c *Case) { c.Want = Wants[1] }, "everyone": func(c *Case) { c.Want = Wants[3] },
		"loss": func(c *Case) { c.Loss = 0.2 }, "away": func(c *Case) { c.Away = 0.5 }, "owner": func(c *Case) { c.Owner = true },
	} {
		other := base
		change(&other)
		a, b := base.Scenario(), other.Scenario()
		if a.Members == b.Members && a.Network.Loss == b.Network.Loss && a.Load.Rate == b.Load.Rate && a.Load.Asked == b.Load.Asked &&
			a.Load.Share == b.Load.Share && a.Load.Everyone == b.Load.Everyone && a.Churn == b.Churn && a.Mix.Stewards == b.Mix.Stewards {
			t.Errorf("%s changes nothing", name)
		}
		if err := b.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The pages have a row for each case, and the figures of a run of their own.
func TestWrite(t *testing.T) {
	folder := t.TempDir()
	g := &Grid{Sizes: []int{10}}
	runs := 0
	g.Watch = func(int, Case) { runs++ }
	if err := Write(context.Background(), g, folder, "the command"); err != nil {
		t.Fatal(err)
	}
	page := read(t, folder, "parameters.md")
	if rows := regexp.MustCompile(`(?m)^\| 10 \|`).FindAllString(page, -1); len(rows) != 3*4+3+2 {
		t.Errorf("%d rows", len(rows))
	}
	r, err := Case{Members: 10, Load: Busy, Want: Wants[2], Loss: 0.05}.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	row := "| 10 | 10,000 | 90 % | " + span(r.AckWanted) + " | " + count(int(r.Bytes.ControlPerMessageGroup)) + " |"
	if !strings.Contains(page, row) {
		t.Errorf("no row %q in\n%s", row, page)
	}
	if runs != 3*4+2+2 { // the losses share a case with the costs, the limits all of theirs
		t.Errorf("%d runs", runs)
	}
	review := read(t, folder, "status-review.md")
	for _, s := range []string{"the command", "CHAT_MESSAGE (1)", " kB |"} {
		if !strings.Contains(review, s) {
			t.Errorf("no %q in the review", s)
		}
	}
	if strings.Contains(page+review, "{{"+"") || strings.Contains(page+review, "<no value>") {
		t.Error("the pages are not filled in")
	}
}

func read(t *testing.T, folder, name string) string {
	b, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The committed pages are of this template, with all communities: who changes one
// runs the command.
func TestPagesAreCommitted(t *testing.T) {
	for _, name := range []string{"parameters.md", "status-review.md"} {
		template, err := pages.ReadFile("pages/" + name)
		if err != nil {
			t.Fatal(err)
		}
		committed, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(template), "\n") {
			if !strings.Contains(line, "{{") && !strings.Contains(string(committed), line) {
				t.Errorf("docs/%s lacks %q: run go run ./suite/cmd/causeway sim parameters", name, line)
			}
		}
	}
	committed, _ := os.ReadFile(filepath.Join("..", "..", "docs", "parameters.md"))
	for _, n := range Sizes {
		if !strings.Contains(string(committed), "\n| "+count(n)+" |") {
			t.Errorf("docs/parameters.md has no row of %d members", n)
		}
	}
}
