// Package arch holds the rules about the shape of the source tree: which way
// imports run, what the protocol core may not touch, and what every package
// and file owes its reader. Its test applies them to the whole tree.
package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

const (
	module   = "github.com/causeway-im/causeway"
	core     = "sds" // the pure state machine: no clock, no I/O, no randomness
	maxLines = 600
)

// floors lists the folders of the house from the ground up. A package may
// import packages of its own floor and of those below it; on the ground floor
// only packages of its own folder. A folder belongs to its longest prefix
// here; "." is the package at the root alone.
var floors = [][]string{
	{"sds/wire", "sds/bloom", "sds/sketch", "sds/pace"},
	{"sds"},
	{"segment", "store", "transport", "internal/budget"},
	{"."},
	{"community", "telemetry", "rest", "seal", "sim"},
	{"suite", "compat", "integration", "interop", "examples", "spec", "internal"},
}

// impure lists the imports that the core must not have, folders below them
// included: what they do differs from run to run, or reaches outside.
var impure = []string{
	"context", "crypto/rand", "hash/maphash", "io/fs", "log", "math/rand", "net", "os", "runtime",
	"sync", "syscall",
}

// clock lists the functions of package time that the core must not use.
var clock = []string{
	"After", "AfterFunc", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until",
}

// Check reads every Go file of the tree, tests excepted, and returns what
// breaks a rule, one line each.
func Check(tree fs.FS) (problems []string, err error) {
	documented := map[string]bool{} // folder of a package → has it a doc comment?
	err = fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if hidden(entry.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		src, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, name, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder := path.Dir(name)
		documented[folder] = documented[folder] || file.Doc != nil
		if lines := strings.Count(string(src), "\n"); lines > maxLines {
			problems = append(problems, fmt.Sprintf("%s: %d lines; split it (at most %d)", name, lines, maxLines))
		}
		report := func(at token.Pos, format string, args ...any) {
			problems = append(problems, fmt.Sprintf("%s: %s", files.Position(at), fmt.Sprintf(format, args...)))
		}
		checkImports(file, folder, report)
		if within(folder, core) {
			checkPure(file, report)
		}
		return nil
	})
	for folder, ok := range documented {
		if !ok {
			problems = append(problems, folder+": package without a doc comment")
		}
		if floor(folder) < 0 {
			problems = append(problems, folder+": stands on no floor; give it one in internal/arch")
		}
	}
	slices.Sort(problems)
	return problems, err
}

type reporter func(at token.Pos, format string, args ...any)

// checkImports reports the imports that run upwards.
func checkImports(file *ast.File, folder string, report reporter) {
	for _, spec := range file.Imports {
		to, ours := ourFolder(importPath(spec))
		if ours && !mayImport(folder, to) {
			report(spec.Pos(), "%s must not import %s: it does not stand above it", folder, to)
		}
	}
}

func mayImport(from, to string) bool {
	a, b := floor(from), floor(to)
	if a == 0 && b == 0 {
		return prefix(floors[0], from) == prefix(floors[0], to)
	}
	return b >= 0 && b <= a
}

// checkPure reports what would make the core depend on more than its inputs.
func checkPure(file *ast.File, report reporter) {
	timeName := "" // the name of package time in this file
	for _, spec := range file.Imports {
		imported := importPath(spec)
		if prefix(impure, imported) != "" {
			report(spec.Pos(), "the core must not import %s", imported)
		}
		if imported == "time" {
			timeName = "time"
			if spec.Name != nil {
				timeName = spec.Name.Name
			}
		}
	}
	if timeName == "." {
		report(file.Pos(), "the core must not dot-import time")
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.GoStmt:
			report(node.Pos(), "the core must not start goroutines")
		case *ast.SelectStmt, *ast.ChanType:
			report(node.Pos(), "the core must not use channels")
		case *ast.SelectorExpr:
			x, ok := node.X.(*ast.Ident)
			if ok && x.Name == timeName && slices.Contains(clock, node.Sel.Name) {
				report(node.Pos(), "the core must not read a clock: time.%s", node.Sel.Name)
			}
		}
		return true
	})
}

// floor returns the number of the floor that folder stands on, or -1.
func floor(folder string) int {
	best, length := -1, -1
	for i, names := range floors {
		if p := prefix(names, folder); p != "" && len(p) > length {
			best, length = i, len(p)
		}
	}
	return best
}

// prefix returns the first of names that holds folder, or "".
func prefix(names []string, folder string) string {
	for _, name := range names {
		if within(folder, name) {
			return name
		}
	}
	return ""
}

// within tells whether folder is parent or lies below it.
func within(folder, parent string) bool {
	return folder == parent || strings.HasPrefix(folder, parent+"/")
}

// ourFolder turns an import path of this project into its folder.
func ourFolder(imported string) (folder string, ours bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

func importPath(spec *ast.ImportSpec) string {
	p, _ := strconv.Unquote(spec.Path.Value) // the parser has checked it
	return p
}

// hidden tells whether the go command ignores a folder of this name.
func hidden(name string) bool {
	return name == "testdata" || len(name) > 1 && (name[0] == '.' || name[0] == '_')
}
