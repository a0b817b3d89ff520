// Package book is nothing but a test: the commands of README.md, docs/guide.md and
// docs/operations.md are run as they stand.
package book
