// Package examples holds short programs that compile and run with the tests.
package examples
