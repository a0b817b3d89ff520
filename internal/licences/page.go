package licences

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Page is docs/dependencies.md.
func Page(all []*Dependency) string {
	var b strings.Builder
	b.WriteString(`# Dependencies

Written by ` + "`go run ./internal/licences/write`" + `; a test fails when it is out of date, when a direct dependency has no reason, or when a
licence is none of: ` + strings.Join(Permissive, ", ") + `. Sizes are of the Go source that is compiled, for the platform it was
written on (linux/amd64). "tests" means that nothing of it is in what is shipped. The program of
tests in interop/gowaku is not listed: it is built from go-waku and go-ethereum (LGPL-3.0), and nothing else here is.

An application that embeds the library compiles what stands under "the library" without "tests".
`)
	for _, m := range Modules {
		title := m
		if m == "." {
			title = "the library (root module)"
		}
		fmt.Fprintf(&b, "\n## %s\n\n| direct dependency | version | of | licence | compiled | why |\n|---|---|---|---|---|---|\n", title)
		count, size := 0, int64(0)
		for _, d := range all {
			u := d.In[m]
			if u == nil {
				continue
			}
			if !u.Tests {
				count++
				size += u.Bytes
			}
			if u.Direct {
				fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", d.Path, u.Version, u.Released.Format("2006-01"), d.Licence, u, why[d.Path])
			}
		}
		fmt.Fprintf(&b, "\n%d modules, %d kB of source, are compiled into what is shipped, indirect ones included.\n", count, size/1000)
	}
	b.WriteString("\n## All, with indirect ones\n\n| module | licence | used by |\n|---|---|---|\n")
	for _, d := range all {
		var in []string
		for _, m := range slices.Sorted(maps.Keys(d.In)) {
			name := m
			if m == "." {
				name = "library"
			}
			if d.In[m].Tests {
				name += " (tests)"
			}
			in = append(in, name+" "+d.In[m].Version)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", d.Path, d.Licence, strings.Join(in, ", "))
	}
	return b.String()
}

// String tells how much is compiled.
func (u *Use) String() string {
	if u.Tests {
		return "tests"
	}
	plural := "s"
	if u.Packages == 1 {
		plural = ""
	}
	return fmt.Sprintf("%d kB, %d package%s", (u.Bytes+999)/1000, u.Packages, plural)
}
