// Package wire is Waku's wire format: WakuMessage, the messages of the metadata,
// lightpush, filter and store protocols, and the frames they travel in. Each type
// has Marshal and a function to read it back. It does no I/O but reading and
// writing frames, and starts no goroutines.
//
// # Reading
//
// What is read comes from strangers. Fields that are not known, or that have
// another wire type than they should, are skipped; of a field that occurs twice
// the last counts. Every length is checked against a limit of this package before
// memory is taken for it. Errors are not detailed: they say what is wrong, not
// where, since nothing can be done about it.
//
// Byte slices of what was read alias the input, unless it says otherwise.
package wire
