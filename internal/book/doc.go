// Package book is nothing but tests of what stands in the pages: README.md, docs, spec
// and the others. Links lead somewhere, code is that of programs which run, files and
// functions that are named are there, each error of the library is explained, and each
// command is run by a test.
package book
