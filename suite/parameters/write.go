package parameters

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/causeway-im/causeway/sim/crowd"
)

//go:embed pages/*.md
var pages embed.FS

// figures is what the pages name.
type figures struct {
	Costs, Losses, Owners, Limits string
	// Kinds is the cost column of the review, by certainty, in a community of a
	// thousand members that is neither quiet nor busy.
	PerMessage map[string]string
	Command    string
}

// Write plays the grid and writes the pages into a folder. It takes some minutes
// with all sizes.
func Write(ctx context.Context, g *Grid, folder, command string) error {
	g.ctx, g.done = ctx, map[Case]*crowd.Result{}
	if g.Sizes == nil {
		g.Sizes = Sizes
	}
	f := figures{PerMessage: map[string]string{}, Command: command}
	for _, part := range []struct {
		to   *string
		make func() (string, error)
	}{{&f.Costs, g.costs}, {&f.Losses, g.losses}, {&f.Owners, g.owners}, {&f.Limits, g.limits}} {
		var err error
		if *part.to, err = part.make(); err != nil {
			return err
		}
	}
	reference := g.Sizes[len(g.Sizes)-1]
	if len(g.Sizes) > 2 {
		reference = g.Sizes[2]
	}
	for _, w := range Wants {
		if reference >= 10_000 && w.Everyone > 0 {
			continue
		}
		r, err := g.run(Case{Members: reference, Load: Normal, Want: w, Loss: 0.05})
		if err != nil {
			return err
		}
		f.PerMessage[w.Name] = fmt.Sprintf("%.1f kB", r.Bytes.ControlPerMessageGroup/1000)
	}
	return render(f, folder)
}

// render fills in the pages.
func render(f figures, folder string) error {
	names, err := fs.Glob(pages, "pages/*.md")
	if err != nil {
		return err
	}
	for _, name := range names {
		t, err := template.ParseFS(pages, name)
		if err != nil {
			return err
		}
		var b strings.Builder
		if err := t.Execute(&b, f); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, filepath.Base(name)), []byte(b.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
