package community

import (
	"encoding/hex"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/causeway-im/causeway/sds/wire"
)

// EnvelopeHash is the hash of a Waku message.
type EnvelopeHash [32]byte

// String returns 0x and 64 digits.
func (h EnvelopeHash) String() string { return "0x" + hex.EncodeToString(h[:]) }

// ParseEnvelopeHash reads a hash as String writes it; digits may be upper case.
func ParseEnvelopeHash(s string) (EnvelopeHash, error) {
	var h EnvelopeHash
	if len(s) != 2+2*len(h) || s[:2] != "0x" {
		return h, fmt.Errorf("community: %w: an envelope hash is 0x and %d hex digits", ErrHint, 2*len(h))
	}
	if _, err := hex.Decode(h[:], []byte(s[2:])); err != nil {
		return EnvelopeHash{}, fmt.Errorf("community: %w: envelope hash: %w", ErrHint, err)
	}
	return h, nil
}

// ErrHint: this is no retrieval hint of Status, or can't be one.
var ErrHint = errors.New("invalid retrieval hint")

// hintField is RetrievalHint.envelope_hashes; an element has a byte of tag, one of
// length and 66 of text.
const (
	hintField   = 1
	hashLength  = 2 + 2*len(EnvelopeHash{})
	hintElement = 2 + hashLength
)

// MaxHintHashes is how many envelopes a hint can name: receivers take no longer
// hints. A message in more segments has none, and is repaired by members.
const MaxHintHashes = wire.MaxHint / hintElement

// EncodeHint returns the retrieval hint of a message that went out in these
// envelopes.
func EncodeHint(hashes ...EnvelopeHash) ([]byte, error) {
	if len(hashes) == 0 || len(hashes) > MaxHintHashes {
		return nil, fmt.Errorf("community: %w: %d envelopes, must be 1 to %d", ErrHint, len(hashes), MaxHintHashes)
	}
	b := make([]byte, 0, len(hashes)*hintElement)
	for _, h := range hashes {
		b = protowire.AppendTag(b, hintField, protowire.BytesType)
		b = protowire.AppendString(b, h.String())
	}
	return b, nil
}

// DecodeHint returns the envelopes that a retrieval hint names, each once, at most
// MaxHintHashes. As deployed clients do, it passes over elements that are no hash
// and fields that it does not know; a hint that names nothing is an error.
func DecodeHint(hint []byte) ([]EnvelopeHash, error) {
	if len(hint) > wire.MaxHint {
		return nil, fmt.Errorf("community: %w: %d bytes, at most %d", ErrHint, len(hint), wire.MaxHint)
	}
	var hashes []EnvelopeHash
	seen := map[EnvelopeHash]bool{}
	for len(hint) > 0 {
		number, kind, n := protowire.ConsumeTag(hint)
		if n < 0 {
			return nil, fmt.Errorf("community: %w: %w", ErrHint, protowire.ParseError(n))
		}
		hint = hint[n:]
		if n = protowire.ConsumeFieldValue(number, kind, hint); n < 0 {
			return nil, fmt.Errorf("community: %w: %w", ErrHint, protowire.ParseError(n))
		}
		if number == hintField && kind == protowire.BytesType {
			text, _ := protowire.ConsumeBytes(hint)
			if h, err := ParseEnvelopeHash(string(text)); err == nil && !seen[h] {
				seen[h] = true
				hashes = append(hashes, h)
			}
		}
		hint = hint[n:]
	}
	if len(hashes) == 0 {
		return nil, fmt.Errorf("community: %w: it names no envelope", ErrHint)
	}
	return hashes, nil
}
