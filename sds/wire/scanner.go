package wire

import (
	"errors"
	"io"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// rawField is one protobuf field as it stands on the wire.
type rawField struct {
	number uint64
	typ    protowire.Type
	start  int    // where the tag begins
	end    int    // where the next field begins
	value  uint64 // of a varint, fixed32 or fixed64
	data   []byte // of a length-delimited field; aliases the input
}

// scanner walks over the fields of one protobuf message. It allocates only for
// its error, after which it must not be used.
type scanner struct {
	b   []byte
	off int

	// minimal refuses varints that are longer than they need be.
	minimal bool
	// anyNumber accepts field numbers that protobuf forbids: 0 and those above
	// 2^29-1.
	anyNumber bool
}

func (s *scanner) more() bool { return s.off < len(s.b) }

// next reads the field at s.off into f. If it fails after the tag was read,
// the error has the field's number.
func (s *scanner) next(f *rawField) *Error {
	f.start = s.off
	f.data = nil
	tag, err := s.varint()
	if err != nil {
		return s.fail(f.start, 0, err)
	}
	f.number, f.typ = tag>>3, protowire.Type(tag&7)
	if !s.anyNumber && (f.number == 0 || f.number > uint64(protowire.MaxValidNumber)) {
		return &Error{
			Offset: f.start,
			Err:    ErrMalformed,
			detail: "field number " + strconv.FormatUint(f.number, 10),
		}
	}
	switch f.typ {
	case protowire.VarintType:
		f.value, err = s.varint()
	case protowire.BytesType:
		f.data, err = s.bytes()
	case protowire.Fixed32Type:
		f.value, err = s.fixed(4)
	case protowire.Fixed64Type:
		f.value, err = s.fixed(8)
	default: // groups are not used by anybody, and 6 and 7 are not defined
		return &Error{
			Field:  int(f.number),
			Offset: f.start,
			Err:    ErrWireType,
			detail: "wire type " + strconv.Itoa(int(f.typ)),
		}
	}
	if err != nil {
		return s.fail(f.start, f.number, err)
	}
	f.end = s.off
	return nil
}

// fail makes an Error of a sentinel.
func (s *scanner) fail(start int, number uint64, err error) *Error {
	e := &Error{Field: int(number), Offset: start, Err: err, detail: "bad varint"}
	if err == ErrTruncated {
		e.detail = "truncated"
	}
	return e
}

func (s *scanner) varint() (uint64, error) {
	rest := s.b[s.off:]
	if len(rest) > 0 && rest[0] < 0x80 {
		s.off++
		return uint64(rest[0]), nil
	}
	v, n := protowire.ConsumeVarint(rest)
	if n < 0 {
		if errors.Is(protowire.ParseError(n), io.ErrUnexpectedEOF) {
			return 0, ErrTruncated
		}
		return 0, ErrVarint
	}
	if s.minimal && n != protowire.SizeVarint(v) {
		return 0, ErrVarint
	}
	s.off += n
	return v, nil
}

func (s *scanner) bytes() ([]byte, error) {
	n, err := s.varint()
	if err != nil {
		return nil, err
	}
	if n > uint64(len(s.b)-s.off) {
		return nil, ErrTruncated
	}
	start := s.off
	s.off += int(n)
	// The capacity is cut so that an append to a member of a message does not
	// write into the members behind it.
	return s.b[start:s.off:s.off], nil
}

func (s *scanner) fixed(size int) (uint64, error) {
	if len(s.b)-s.off < size {
		return 0, ErrTruncated
	}
	var v uint64
	for i := size - 1; i >= 0; i-- {
		v = v<<8 | uint64(s.b[s.off+i])
	}
	s.off += size
	return v, nil
}
