package wire

import (
	"errors"
	"strconv"
	"strings"
)

// What can be wrong with a message or an extension. Every error of this package
// is an *Error that wraps one of these.
var (
	// ErrEmpty: there are no bytes at all.
	ErrEmpty = errors.New("wire: empty message")
	// ErrTruncated: the bytes end inside a field.
	ErrTruncated = errors.New("wire: truncated")
	// ErrWireType: a known field has the wrong wire type, or a wire type is one
	// that nobody uses (groups, 6, 7).
	ErrWireType = errors.New("wire: wrong wire type")
	// ErrTooLarge: a limit is exceeded; Error.Limit says which.
	ErrTooLarge = errors.New("wire: too large")
	// ErrMissingField: a field that the dialect demands is absent, or empty
	// where it must not be.
	ErrMissingField = errors.New("wire: missing field")
	// ErrNoKind: a LIP message with neither a Lamport timestamp nor content.
	ErrNoKind = errors.New("wire: message of no kind")
	// ErrVarint: a varint exceeds 64 bits, or is longer than it need be where
	// that is not allowed.
	ErrVarint = errors.New("wire: bad varint")
	// ErrMalformed: anything else, such as field number 0.
	ErrMalformed = errors.New("wire: malformed")
)

// Error says what is wrong with a message and where.
type Error struct {
	// Dialect is the dialect that the bytes were read in, 0 in an extension and
	// when the bytes do not tell.
	Dialect Dialect
	// Field is the number of the field of the message (or extension) at fault,
	// 0 if none is.
	Field int
	// Name is the field's name, such as "causal_history[3].message_id", and
	// empty if this version does not know the field.
	Name string
	// Offset is where the field at fault begins in the input, -1 if there is no
	// such place.
	Offset int
	// Limit is the limit that was exceeded, 0 if none was.
	Limit int
	// Err is the class of the error: ErrTruncated and so on.
	Err error

	detail      string
	inExtension bool
}

// Error describes the error in one line, for example
//
//	wire: lip field 10 (lamport_timestamp) at byte 6: wire type 2, want 0
func (e *Error) Error() string {
	var s strings.Builder
	s.WriteString("wire: ")
	switch {
	case e.inExtension:
		s.WriteString("extension")
	case e.Dialect != 0:
		s.WriteString(e.Dialect.String())
	default:
		s.WriteString("message")
	}
	if e.Field != 0 {
		s.WriteString(" field ")
		s.WriteString(strconv.Itoa(e.Field))
	}
	if e.Name != "" {
		s.WriteString(" (")
		s.WriteString(e.Name)
		s.WriteString(")")
	}
	if e.Offset >= 0 {
		s.WriteString(" at byte ")
		s.WriteString(strconv.Itoa(e.Offset))
	}
	s.WriteString(": ")
	s.WriteString(e.detail)
	if e.Limit != 0 {
		s.WriteString(", limit ")
		s.WriteString(strconv.Itoa(e.Limit))
	}
	return s.String()
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// nowhere is the Offset of an error that is about no particular byte.
const nowhere = -1

// sizeError says that something has n units where limit are allowed.
func sizeError(n int, unit string, limit int) *Error {
	return &Error{
		Offset: nowhere,
		Limit:  limit,
		Err:    ErrTooLarge,
		detail: strconv.Itoa(n) + " " + unit,
	}
}

// missingError says that a field is not there.
func missingError() *Error {
	return &Error{Offset: nowhere, Err: ErrMissingField, detail: "missing"}
}

// wireTypeError says that a known field has wire type got instead of want.
func wireTypeError(offset, got, want int) *Error {
	return &Error{
		Offset: offset,
		Err:    ErrWireType,
		detail: "wire type " + strconv.Itoa(got) + ", want " + strconv.Itoa(want),
	}
}
