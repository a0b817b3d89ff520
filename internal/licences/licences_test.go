package licences

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// docs/dependencies.md is what the tree is built from, and nothing in it may not be
// there.
func TestPageIsCurrent(t *testing.T) {
	all, err := List(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range Problems(all) {
		t.Error(p)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs/dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS+"/"+runtime.GOARCH == "linux/amd64" && string(page) != Page(all) {
		t.Error("docs/dependencies.md is out of date: go run ./internal/licences/write")
	}
}

func TestNames(t *testing.T) {
	for text, want := range map[string][]string{
		"Permission is hereby granted,\n  free of charge, to any person":                                     {"MIT"},
		"Apache License\nVersion 2.0, January 2004":                                                          {"Apache-2.0"},
		"Redistribution and use in source and binary forms, with or without. Neither the name of Google":     {"BSD-3-Clause"},
		"Redistribution and use in source and binary forms, with or without":                                 {"BSD-2-Clause"},
		"GNU GENERAL PUBLIC LICENSE Version 3":                                                               {"GPL"},
		"GNU LESSER GENERAL PUBLIC LICENSE Version 3":                                                        {"LGPL"},
		"Apache License. And also: Permission is hereby granted, free of charge, to any person obtaining it": {"Apache-2.0", "MIT"},
		"All rights reserved.": nil,
	} {
		if got := Names(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestProblems(t *testing.T) {
	direct := map[string]*Use{".": {Direct: true}}
	all := []*Dependency{{Path: "x/unknown", Licence: "MIT", In: direct}, {Path: "x/copyleft", Licence: "GPL, MIT", In: map[string]*Use{".": {}}}}
	for path := range why {
		if path != "pgregory.net/rapid" {
			all = append(all, &Dependency{Path: path, Licence: "MIT", In: direct})
		}
	}
	got := strings.Join(Problems(all), "\n")
	const want = "x/unknown is a direct dependency, and nothing says why\nx/copyleft is under GPL\npgregory.net/rapid has a reason, and is no direct dependency"
	if got != want {
		t.Errorf("got %s", got)
	}
}
