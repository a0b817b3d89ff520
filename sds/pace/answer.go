package pace

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"time"
)

// Holder is the part that a member plays in answering a request. Rule P8.
type Holder uint8

const (
	// Other is a member with no duty to answer early.
	Other Holder = iota
	// Early is a steward, or one of the about Holders members that IsHolder names.
	Early
	// Author is the sender of the message asked for.
	Author
)

// String returns "author", "early" or "other".
func (h Holder) String() string {
	switch h {
	case Author:
		return "author"
	case Early:
		return "early"
	}
	return "other"
}

// Holders is the expected number of members that keep a message for others
// longer than for themselves, and answer early. The chance that none of them is
// there is e⁻⁶ if all are online (Özkasap, van Renesse, Birman 1999).
const Holders = 6

// ResponseDelay returns how long a member waits before it answers a request,
// unless it hears an answer first: the author not at all; early holders uniformly
// in [0.7, 2.7)·GRTT, when the author's answer would have been heard; all others
// a SuppressionDelay after that, in [2.7, 2.7 + K)·GRTT. Rule P8.
func ResponseDelay(u float64, h Holder, n int, grtt time.Duration) time.Duration {
	trip := roundTrip(grtt)
	from, to := trip*7/10, trip*27/10
	switch h {
	case Author:
		return 0
	case Early:
		return between(u, from, to)
	}
	return to + SuppressionDelay(u, n, grtt)
}

// IgnoreWindow returns how long further requests for an id are ignored after an
// answer to one was heard or sent: 3·GRTT, in which the answer reaches those that
// asked meanwhile. SRM; rule P8.
func IgnoreWindow(grtt time.Duration) time.Duration { return 3 * roundTrip(grtt) }

// IsHolder reports whether a participant is one of the early holders of a
// message in a group of n: each is with probability Holders/n, all are up to
// Holders members. It is
//
//	x < ⌊Holders·2⁶⁴ / n⌋,   x = the first 8 bytes of SHA-256(|id| ∥ id ∥ |participant| ∥ participant)
//
// with lengths and x as big-endian integers, lengths of 4 bytes. Members whose
// estimates of n differ agree as far as possible: the holders at a larger n are
// among those at a smaller one.
func IsHolder(id, participant string, n int) bool {
	n = members(n)
	if n <= Holders {
		return true
	}
	limit, _ := bits.Div64(Holders, 0, uint64(n))
	return holderHash(id, participant) < limit
}

func holderHash(id, participant string) uint64 {
	b := make([]byte, 0, 192)
	for _, part := range [...]string{id, participant} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:8])
}
