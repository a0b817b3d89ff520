package wire

import "google.golang.org/protobuf/encoding/protowire"

// unknownFields notes where the fields are that nobody knows. Nearly always
// they are one run at the end, which needs no copy. The zero value is ready to
// use.
type unknownFields struct {
	start, end int // the first run
	size       int // of all runs
}

func (u *unknownFields) add(f *rawField) *Error {
	if u.size == 0 {
		u.start, u.end = f.start, f.start
	}
	if u.end == f.start {
		u.end = f.end
	}
	u.size += f.end - f.start
	if u.size > MaxUnknown {
		e := sizeError(u.size, "bytes", MaxUnknown)
		e.Name, e.Offset = "unknown fields", f.start
		return e
	}
	return nil
}

// gather returns the fields that were added as one slice. s stands where the
// first pass began; known tells by number and type which fields were not added.
func (u *unknownFields) gather(s scanner, known func(uint64, protowire.Type) bool) []byte {
	if u.size == 0 {
		return nil
	}
	if u.end-u.start == u.size {
		return s.b[u.start:u.end:u.end]
	}
	all := make([]byte, 0, u.size)
	var f rawField
	for s.more() && s.next(&f) == nil {
		if !known(f.number, f.typ) {
			all = append(all, s.b[f.start:f.end]...)
		}
	}
	return all
}
