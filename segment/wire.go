package segment

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// HashSize is the length of a payload's hash in bytes.
const HashSize = 32

// Key names a payload. Two payloads with the same key are the same bytes, unless
// somebody lies: that is found out when the payload is complete.
type Key struct {
	Hash [HashSize]byte
	// Length is that of the payload in bytes; 0 if the payload is empty, and in
	// segments of Status peers that do not write it.
	Length uint64
}

// Segment is a piece of a payload.
type Segment struct {
	Key
	// Parity: it is not a piece of the payload, but stands in for any that is lost.
	Parity bool
	// Index counts from 0, data and parity segments each for themselves.
	Index int
	// DataCount and ParityCount are how many segments the payload has. In Status a
	// data segment does not know the ParityCount, nor a parity segment the
	// DataCount: it is 0 then.
	DataCount, ParityCount int
	// Payload of a decoded segment points into the bytes that were decoded.
	Payload []byte

	// Tag comes back in Result.Tags when the payload is complete: whatever the
	// caller wants to know then of the message that brought the segment. It is not
	// on the wire, and its size counts nowhere.
	Tag any
}

// Field numbers. They are called the same in both formats.
const (
	lipHash, lipLength, lipIndex, lipData, lipParity, lipIsParity, lipPayload = 1, 2, 3, 4, 5, 6, 7

	statusHash, statusIndex, statusData, statusPayload            = 1, 2, 3, 4
	statusParityIndex, statusParity, statusLength, fieldsInFormat = 5, 6, 7, 8
)

// fields are the known fields of a message as they stand on the wire.
type fields struct {
	number [fieldsInFormat]uint64
	bytes  [fieldsInFormat][]byte
}

// read takes a message apart. It fails if the bytes are no message, or if a known
// field has another type than it has in the format: of what is not a segment,
// that leaves little.
func (f *fields) read(b []byte, payloadField protowire.Number) error {
	for len(b) > 0 {
		number, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("%w: %w", ErrNotSegment, protowire.ParseError(n))
		}
		b = b[n:]
		known := number < fieldsInFormat
		want := protowire.VarintType
		if number == lipHash || number == payloadField {
			want = protowire.BytesType
		}
		switch {
		case known && typ != want:
			return fmt.Errorf("%w: field %d has wire type %d, want %d", ErrNotSegment, number, typ, want)
		case known && typ == protowire.BytesType:
			f.bytes[number], n = protowire.ConsumeBytes(b)
		case known:
			f.number[number], n = protowire.ConsumeVarint(b)
		case typ == protowire.StartGroupType:
			// Nobody writes groups, and skipping nested ones would cost a stack.
			return fmt.Errorf("%w: field %d is a group", ErrNotSegment, number)
		default:
			n = protowire.ConsumeFieldValue(number, typ, b)
		}
		if n < 0 {
			return fmt.Errorf("%w: field %d: %w", ErrNotSegment, number, protowire.ParseError(n))
		}
		b = b[n:]
	}
	if len(f.bytes[lipHash]) != HashSize {
		return fmt.Errorf("%w: the hash has %d bytes, want %d", ErrNotSegment, len(f.bytes[lipHash]), HashSize)
	}
	return nil
}

// Decode reads a segment of the format that cfg has. An error wraps ErrNotSegment
// if the bytes are anything else, and ErrInvalid or ErrOversized if they are a
// segment that is of no use. It takes no memory.
func Decode(b []byte, cfg Config) (Segment, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return Segment{}, err
	}
	return cfg.decode(b)
}

func (c Config) decode(b []byte) (Segment, error) {
	var f fields
	var s Segment
	if c.Format == Status {
		if err := f.read(b, statusPayload); err != nil {
			return s, err
		}
		s.Length = f.number[statusLength]
		s.Payload = f.bytes[statusPayload]
		s.DataCount, s.Index = narrow(f.number[statusData]), narrow(f.number[statusIndex])
		if s.Parity = s.DataCount == 0; s.Parity {
			s.ParityCount, s.Index = narrow(f.number[statusParity]), narrow(f.number[statusParityIndex])
		}
	} else {
		if err := f.read(b, lipPayload); err != nil {
			return s, err
		}
		s.Length = f.number[lipLength]
		s.Payload = f.bytes[lipPayload]
		s.Parity, s.Index = f.number[lipIsParity] != 0, narrow(f.number[lipIndex])
		s.DataCount, s.ParityCount = narrow(f.number[lipData]), narrow(f.number[lipParity])
	}
	s.Hash = [HashSize]byte(f.bytes[lipHash])
	if c.Format == LIP243 && len(b) > c.SegmentSize {
		return s, fmt.Errorf("%w: %d bytes, SegmentSize is %d", ErrOversized, len(b), c.SegmentSize)
	}
	return s, c.check(&s)
}

// narrow keeps a number that wraps round from becoming one that is allowed.
func narrow(n uint64) int { return int(min(n, MaxSegments+1)) }

// check returns why a segment is of no use, if it isn't.
func (c Config) check(s *Segment) error {
	invalid := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
	}
	count := s.DataCount
	if s.Parity {
		count = s.ParityCount
	}
	leastData := 1
	if c.Format == Status {
		if leastData = 2; s.Parity {
			leastData = 0
		}
	}
	switch {
	case s.DataCount < leastData || s.ParityCount < 0:
		return invalid("%d data and %d parity segments", s.DataCount, s.ParityCount)
	case s.DataCount > c.MaxSegments || s.ParityCount > c.MaxSegments || s.DataCount+s.ParityCount > c.MaxSegments:
		return invalid("%d data and %d parity segments, MaxSegments is %d", s.DataCount, s.ParityCount, c.MaxSegments)
	case s.Index < 0 || s.Index >= count:
		return invalid("index %d of %d", s.Index, count)
	case len(s.Payload) > c.SegmentSize:
		return fmt.Errorf("%w: payload of %d bytes, SegmentSize is %d", ErrOversized, len(s.Payload), c.SegmentSize)
	case s.DataCount > 0 && s.Length > uint64(s.DataCount)*uint64(c.SegmentSize),
		s.Length > uint64(c.MaxSegments)*uint64(c.SegmentSize):
		return invalid("%d bytes do not fit into %d segments", s.Length, s.DataCount)
	case c.Format == Status && s.Parity && len(s.Payload) == 0:
		return invalid("parity without a payload")
	}
	return nil
}

// append encodes a segment.
func (c Config) append(b []byte, s *Segment) []byte {
	number := func(field protowire.Number, v uint64) {
		if v != 0 {
			b = protowire.AppendTag(b, field, protowire.VarintType)
			b = protowire.AppendVarint(b, v)
		}
	}
	bytes := func(field protowire.Number, v []byte) {
		if len(v) != 0 {
			b = protowire.AppendTag(b, field, protowire.BytesType)
			b = protowire.AppendBytes(b, v)
		}
	}
	bytes(lipHash, s.Hash[:])
	if c.Format == Status {
		if !s.Parity {
			number(statusIndex, uint64(s.Index))
			number(statusData, uint64(s.DataCount))
		}
		bytes(statusPayload, s.Payload)
		if s.Parity {
			number(statusParityIndex, uint64(s.Index))
			number(statusParity, uint64(s.ParityCount))
		}
		number(statusLength, s.Length)
		return b
	}
	number(lipLength, s.Length)
	number(lipIndex, uint64(s.Index))
	number(lipData, uint64(s.DataCount))
	number(lipParity, uint64(s.ParityCount))
	number(lipIsParity, protowire.EncodeBool(s.Parity))
	bytes(lipPayload, s.Payload)
	return b
}
