package sketch

import (
	"errors"
	"fmt"
)

// The classes of errors, to be tested with errors.Is. Every error of this
// package is an *Error that wraps one of these.
var (
	// ErrTruncated: the bytes end inside a number or a symbol.
	ErrTruncated = errors.New("sketch: truncated")
	// ErrVarint: a varint exceeds 64 bits or is longer than it need be.
	ErrVarint = errors.New("sketch: bad varint")
	// ErrLimit: a value is outside its limits.
	ErrLimit = errors.New("sketch: limit exceeded")
	// ErrContradiction: the number of messages is not that of symbol 0, which
	// counts them too.
	ErrContradiction = errors.New("sketch: contradiction")
)

// Error says what is wrong with a digest, or with the arguments for one.
type Error struct {
	Field    string // "from", "to", "messages", "symbols" or "bytes"
	Value    int64  // what it is; 0 if it could not be read
	Min, Max int64  // what it may be; both 0 if that is not what is wrong
	Err      error  // the class: ErrTruncated and so on
}

// Error describes the error in one line, for example
//
//	sketch: limit exceeded: messages 1001, want 0 to 1000
func (e *Error) Error() string {
	if e.Min == 0 && e.Max == 0 {
		return fmt.Sprintf("%v: %s", e.Err, e.Field)
	}
	return fmt.Sprintf("%v: %s %d, want %d to %d", e.Err, e.Field, e.Value, e.Min, e.Max)
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// between returns an error unless the value lies in its limits.
func between(field string, value, lowest, highest int64) error {
	if lowest <= value && value <= highest {
		return nil
	}
	return &Error{Field: field, Value: value, Min: lowest, Max: highest, Err: ErrLimit}
}
