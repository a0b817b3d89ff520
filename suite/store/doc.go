// Package store holds the tests of store.SQL on a real SQLite: the root module
// has no driver, not even for tests.
package store
