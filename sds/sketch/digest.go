package sketch

import "encoding/binary"

// Digest is a sketch on the wire: what its sender has of a Lamport range.
//
//	from      varint, in as few bytes as possible, like the next two
//	to − from varint
//	messages  varint
//	symbols   13 bytes each, to the end: sum (8), check (4), count (1), little-endian
type Digest struct {
	From, To uint64   // the range [From, To) of Lamport timestamps
	Messages int      // how many the sender has there
	Symbols  []Symbol // MinSymbols … MaxSymbols
}

// Append appends the digest to dst. It returns dst and an *Error if Parse would
// refuse the result.
func (d *Digest) Append(dst []byte) ([]byte, error) {
	if err := d.check(); err != nil {
		return dst, err
	}
	dst = binary.AppendUvarint(dst, d.From)
	dst = binary.AppendUvarint(dst, d.To-d.From)
	dst = binary.AppendUvarint(dst, uint64(d.Messages))
	for _, s := range d.Symbols {
		dst = binary.LittleEndian.AppendUint64(dst, s.Sum)
		dst = binary.LittleEndian.AppendUint32(dst, s.Check)
		dst = append(dst, s.Count)
	}
	return dst, nil
}

// Parse reads a digest, which must be all of b. What it accepts, Append writes
// in the same bytes. The digest does not alias b. Every error is an *Error.
func Parse(b []byte) (Digest, error) {
	if err := between("bytes", int64(len(b)), 0, MaxBytes); err != nil {
		return Digest{}, err
	}
	var head [3]uint64
	for i, field := range [...]string{"from", "to", "messages"} {
		v, n := binary.Uvarint(b)
		switch {
		case n == 0:
			return Digest{}, &Error{Field: field, Err: ErrTruncated}
		case n < 0 || n > 1 && b[n-1] == 0:
			return Digest{}, &Error{Field: field, Err: ErrVarint}
		}
		head[i], b = v, b[n:]
	}
	if len(b)%symbolBytes != 0 {
		return Digest{}, &Error{Field: "symbols", Err: ErrTruncated}
	}
	// A sum that overflows is below from, and refused as an empty range is.
	d := Digest{From: head[0], To: head[0] + head[1], Messages: int(min(head[2], MaxMessages+1))}
	if err := checkSymbols(len(b) / symbolBytes); err != nil {
		return Digest{}, err
	}
	d.Symbols = make([]Symbol, len(b)/symbolBytes)
	for i := range d.Symbols {
		at := b[i*symbolBytes:]
		d.Symbols[i] = Symbol{binary.LittleEndian.Uint64(at), binary.LittleEndian.Uint32(at[8:]), at[12]}
	}
	if err := d.check(); err != nil {
		return Digest{}, err
	}
	return d, nil
}

// check returns an error unless the digest can be one of a set.
func (d *Digest) check() error {
	if err := checkRange(d.From, d.To); err != nil {
		return err
	}
	if err := checkMessages(d.Messages); err != nil {
		return err
	}
	if err := checkSymbols(len(d.Symbols)); err != nil {
		return err
	}
	if uint8(d.Messages) != d.Symbols[0].Count {
		return &Error{Field: "messages", Value: int64(d.Messages), Err: ErrContradiction}
	}
	return nil
}

func checkRange(from, to uint64) error {
	if err := between("from", int64(min(from, MaxTo)), 0, MaxTo-1); err != nil {
		return err
	}
	return between("to", int64(min(to, 2*MaxTo)), int64(from)+1, MaxTo)
}

func checkMessages(n int) error { return between("messages", int64(n), 0, MaxMessages) }

func checkSymbols(m int) error { return between("symbols", int64(m), MinSymbols, MaxSymbols) }
