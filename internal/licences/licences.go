// Package licences lists what the modules of this tree are built from: which
// version, under which licence, how much of it is compiled, and why it is there.
// docs/dependencies.md is what it writes.
package licences

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Modules are those that are listed, from the root of the tree. interop/gowaku is
// not among them: it is a program of tests, and needs a workspace of its own.
var Modules = []string{".", "compat/sds-go-bindings", "compat/logos-messaging", "integration/status-go", "interop/sqlcipher", "suite"}

// Dependency is a module that at least one of ours is built from.
type Dependency struct {
	Path, Licence string
	In            map[string]*Use // by our module
}

// Use is what one of our modules compiles of a dependency.
type Use struct {
	Version  string
	Released time.Time
	Direct   bool
	Tests    bool // compiled for tests only
	Bytes    int64
	Packages int
}

// listed is what go list tells of a package.
type listed struct {
	ImportPath, Dir, ForTest string
	GoFiles, CgoFiles        []string
	Module                   *struct {
		Path, Version, Dir string
		Time               time.Time
		Main, Indirect     bool
		Replace            *struct{ Path string }
	}
}

// List reads the modules of a tree. It runs the go command, without a workspace.
func List(root string) ([]*Dependency, error) {
	all := map[string]*Dependency{}
	for _, m := range Modules {
		for _, tests := range []bool{false, true} {
			if err := read(all, root, m, tests); err != nil {
				return nil, err
			}
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b *Dependency) int { return cmp.Compare(a.Path, b.Path) }), nil
}

// read takes in what one module is built from. What only tests need is what was
// not there without them: call it without tests first.
func read(all map[string]*Dependency, root, module string, tests bool) error {
	args := []string{"list", "-deps", "-json=ImportPath,Dir,ForTest,GoFiles,CgoFiles,Module"}
	if tests {
		args = append(args, "-test")
	}
	list := exec.Command("go", append(args, "./...")...)
	list.Dir, list.Env = filepath.Join(root, module), append(os.Environ(), "GOWORK=off")
	var problems strings.Builder
	list.Stderr = &problems
	out, err := list.Output()
	if err != nil {
		return fmt.Errorf("go list in %s: %w: %s", module, err, problems.String())
	}
	seen := map[string]bool{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("go list in %s: %w", module, err)
		}
		if p.Module == nil || p.Module.Main || p.Module.Replace != nil || p.ForTest != "" || seen[p.ImportPath] {
			continue
		}
		seen[p.ImportPath] = true
		if err := take(all, module, &p, tests); err != nil {
			return err
		}
	}
}

func take(all map[string]*Dependency, module string, p *listed, tests bool) error {
	m := p.Module
	d := all[m.Path]
	if d == nil {
		licence, err := licenceIn(m.Dir)
		if err != nil {
			return fmt.Errorf("%s %s: %w", m.Path, m.Version, err)
		}
		d = &Dependency{Path: m.Path, Licence: licence, In: map[string]*Use{}}
		all[m.Path] = d
	}
	u := d.In[module]
	if u == nil {
		u = &Use{Version: m.Version, Released: m.Time, Direct: !m.Indirect, Tests: tests}
		d.In[module] = u
	}
	if u.Tests != tests {
		return nil // counted without tests
	}
	u.Packages++
	for _, f := range append(p.GoFiles, p.CgoFiles...) {
		info, err := os.Stat(filepath.Join(p.Dir, f))
		if err != nil {
			return err
		}
		u.Bytes += info.Size()
	}
	return nil
}

// licenceIn names the licence of the module in a folder.
func licenceIn(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var found []string
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if e.IsDir() || !strings.HasPrefix(name, "LICEN") && !strings.HasPrefix(name, "COPYING") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", err
		}
		found = append(found, Names(string(text))...)
	}
	if len(found) == 0 {
		return "", errors.New("no licence that is known")
	}
	if slices.Contains(found, "FTL") { // "your choice of exactly one of": this one
		found = []string{"FTL"}
	}
	slices.Sort(found)
	return strings.Join(slices.Compact(found), ", "), nil
}

// marks are what tells licences apart; of two in one family the first that fits.
var marks = []struct{ name, text string }{
	{"AGPL", "gnu affero general public license"},
	{"LGPL", "gnu lesser general public license"},
	{"GPL", "gnu general public license"},
	{"Apache-2.0", "apache license"},
	{"Apache-2.0", "www.apache.org/licenses/license-2.0"},
	{"MPL-2.0", "mozilla public license"},
	{"FTL", "freetype license"},
	{"MIT", "permission is hereby granted, free of charge"},
	{"ISC", "permission to use, copy, modify, and/or distribute this software"},
	{"ISC", "permission to use, copy, modify, and distribute this software"},
	{"Unlicense", "this is free and unencumbered software"},
	{"CC0-1.0", "cc0 1.0 universal"},
	{"CC-BY-4.0", "creative commons attribution"},
}

// Names returns the licences that a text is.
func Names(text string) (names []string) {
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	for _, m := range marks {
		if strings.Contains(text, m.text) && !slices.Contains(names, m.name) {
			names = append(names, m.name)
		}
	}
	if strings.Contains(text, "redistribution and use in source and binary forms") {
		if strings.Contains(text, "neither the name") || strings.Contains(text, "may not be used to endorse") || strings.Contains(text, "names of its contributors") {
			names = append(names, "BSD-3-Clause")
		} else {
			names = append(names, "BSD-2-Clause")
		}
	}
	if slices.Contains(names, "MPL-2.0") { // it speaks of the others
		names = slices.DeleteFunc(names, func(n string) bool { return strings.HasSuffix(n, "GPL") })
	}
	return names
}

// Permissive are the licences that everything here has.
var Permissive = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0", "FTL", "ISC", "MIT", "MPL-2.0", "Unlicense"}

// Problems names what must not be: a licence that is not permissive, and a direct
// dependency without a reason.
func Problems(all []*Dependency) (problems []string) {
	direct := map[string]bool{}
	for _, d := range all {
		for name := range strings.SplitSeq(d.Licence, ", ") {
			if !slices.Contains(Permissive, name) {
				problems = append(problems, d.Path+" is under "+name)
			}
		}
		if d.direct() {
			direct[d.Path] = true
			if why[d.Path] == "" {
				problems = append(problems, d.Path+" is a direct dependency, and nothing says why")
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(why)) {
		if !direct[path] {
			problems = append(problems, path+" has a reason, and is no direct dependency")
		}
	}
	return problems
}

func (d *Dependency) direct() bool {
	for _, u := range d.In {
		if u.Direct {
			return true
		}
	}
	return false
}
