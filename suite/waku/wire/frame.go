package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrFrameTooLarge: a frame is longer than its reader takes.
var ErrFrameTooLarge = errors.New("frame is too large")

// WriteFrame writes a message after its length as a varint, with one Write.
func WriteFrame(w io.Writer, message []byte) error {
	b := make([]byte, 0, binary.MaxVarintLen64+len(message))
	b = binary.AppendUvarint(b, uint64(len(message)))
	_, err := w.Write(append(b, message...))
	return err
}

// ReadFrame reads what WriteFrame wrote. A message of more than limit bytes is
// ErrFrameTooLarge. At the end of the input the error is io.EOF, within a frame
// io.ErrUnexpectedEOF. Memory is taken as bytes arrive, not as they are announced.
func ReadFrame(r *bufio.Reader, limit int) ([]byte, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	if n > uint64(limit) {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrFrameTooLarge, n, limit)
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, r, int64(n)); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return b.Bytes(), nil
}
