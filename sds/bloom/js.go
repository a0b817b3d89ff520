package bloom

import "fmt"

// ParseJS reads a JS filter. The bytes are the bare words, so the parameters
// cannot be read from them: p must be what the sender used, which is Default for
// every deployed peer. The filter points into b, which must not change while the
// filter is in use; nothing is copied.
//
// Fewer than 8·p.Words() bytes are ErrShort, and more are ignored, as in
// @waku/sds (where the former loses the message: never send it a short or empty
// filter). More than MaxEncoded bytes are ErrTooLarge. Parameters outside the
// limits fail as in New.
func ParseJS(b []byte, p Params) (*Filter, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if len(b) > MaxEncoded {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, len(b), MaxEncoded)
	}
	n := 8 * p.Words()
	if len(b) < n {
		return nil, fmt.Errorf("%w: %d bytes, %d bits need %d", ErrShort, len(b), p.Bits, n)
	}
	return &Filter{params: p, kind: JS, words: b[:n:n], shared: true}, nil
}
