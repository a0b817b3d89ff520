// Package examples holds short programs, like those of the library, that need what the
// library does without: a database driver, Waku. They compile and run with the tests.
package examples
