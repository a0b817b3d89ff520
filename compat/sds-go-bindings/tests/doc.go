// Package tests holds the tests of package sds. They have a folder of their own
// because one directory serves two module names (docs/status-go.md): go mod tidy
// looks at what the tests of an imported package import, and these import the
// package under the one name.
package tests
