package segmented

import (
	"github.com/causeway-im/causeway/transport"
	"google.golang.org/protobuf/encoding/protowire"
)

// maxHint is what an SDS message carries as a retrieval hint.
const maxHint = 1 << 10

// joinHints returns the hint of a payload whose envelopes have these: of a single
// one it is the same, of several a protobuf message with each in a field 1. It is
// nil if an envelope has none, or if it would be too long.
func joinHints(hints [][]byte) []byte {
	for _, h := range hints {
		if len(h) == 0 {
			return nil
		}
	}
	if len(hints) == 1 && len(splitHints(hints[0])[0]) == len(hints[0]) {
		return hints[0] // which can't be taken for one of several
	}
	if len(hints) > transport.MaxHints {
		return nil
	}
	var b []byte
	for _, h := range hints {
		b = protowire.AppendTag(b, 1, protowire.BytesType)
		b = protowire.AppendBytes(b, h)
	}
	if len(b) > maxHint {
		return nil
	}
	return b
}

// splitHints returns the hints of the envelopes; what no joinHints made is the hint
// of one.
func splitHints(hint []byte) (hints [][]byte) {
	one := [][]byte{hint}
	if len(hint) > maxHint {
		return one
	}
	for rest := hint; len(rest) > 0; {
		number, typ, n := protowire.ConsumeTag(rest)
		if n < 0 || number != 1 || typ != protowire.BytesType || len(hints) == transport.MaxHints {
			return one
		}
		h, m := protowire.ConsumeBytes(rest[n:])
		if m < 0 || len(h) == 0 {
			return one
		}
		hints = append(hints, h)
		rest = rest[n+m:]
	}
	if len(hints) == 0 {
		return one
	}
	return hints
}
