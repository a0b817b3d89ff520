package sketch

import (
	"crypto/sha256"
	"encoding/binary"
)

const keyTag = "causeway/digest/1"

// Key is what turns message ids into short ids: two keys of SipHash, which
// depend on the channel and on the range, so that ids made to collide in one
// range do not in another. It is a value, safe for concurrent use.
type Key struct {
	id    sipKey // of short ids
	check sipKey // of checks and places, which must not follow from short ids
}

// NewKey returns the key of the Lamport range [from, to) in the channel with
// this secret.
func NewKey(secret []byte, from, to uint64) Key {
	b := make([]byte, 0, len(keyTag)+4+len(secret)+16)
	b = append(b, keyTag...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(secret)))
	b = append(b, secret...)
	b = binary.BigEndian.AppendUint64(b, from)
	b = binary.BigEndian.AppendUint64(b, to)
	sum := sha256.Sum256(b)
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(sum[8*i:]) }
	return Key{sipKey{word(0), word(1)}, sipKey{word(2), word(3)}}
}

// ShortID returns the short id of a message. Two of the 1,000 messages of a
// range share one with a chance of 3·10⁻¹⁴.
func (k *Key) ShortID(id string) uint64 { return sipString(k.id, id) }

// hash returns what the check and the places of a short id follow from.
func (k *Key) hash(short uint64) uint64 { return sipWord(k.check, short) }
