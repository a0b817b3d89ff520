package pace

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"time"

	farm "github.com/dgryski/go-farm"
)

// The repair timers (SDS-R) of the two deployed implementations, exactly, in
// their whole milliseconds. They are here to predict what legacy peers do and to
// compare with; nothing of ours runs on them.
//
//	T_req  = tMin + h(participant ∥ id) mod (tMax − tMin)
//	T_resp = h(participant) ⊕ h(sender), times h(id), mod tMax
//	group  = h(participant ∥ id) mod g, equal to that of the message's sender
//
// h is |FarmHash Fingerprint64 as int64| in nim-sds and the first 8 bytes of
// SHA-256, big-endian, in @waku/sds.
//
// Both implementations apply conditions around the formulae that are not here:
// no answer if the request names no sender, no repair at all in nim-sds for the
// participant "".

// NimRequestDelay returns how long nim-sds waits from finding that id is missing
// to asking for it, in [tMin, tMax); tMin if tMax is not above it.
func NimRequestDelay(participant, id string, tMin, tMax time.Duration) time.Duration {
	return requestDelay(nimHash(participant+id), tMin, tMax)
}

// NimResponseDelay returns how long nim-sds waits from a request for a message of
// sender to the answer, in [0, tMax). The sender itself does not wait.
func NimResponseDelay(participant, sender, id string, tMax time.Duration) time.Duration {
	ms := millis(tMax)
	if ms == 0 {
		return 0
	}
	distance := magnitude(farmHash(participant) ^ farmHash(sender))
	return modMul(distance%ms, nimHash(id)%ms, ms)
}

// NimInGroup reports whether nim-sds answers requests for a message of sender
// when the group is split into groups response groups. With one or none
// everybody answers.
func NimInGroup(participant, sender, id string, groups int) bool {
	return groups <= 1 || nimHash(participant+id)%uint64(groups) == nimHash(sender+id)%uint64(groups)
}

// JSRequestDelay is NimRequestDelay for @waku/sds (which fails where tMax equals
// tMin; here that gives tMin).
func JSRequestDelay(participant, id string, tMin, tMax time.Duration) time.Duration {
	return requestDelay(jsHash(participant+id), tMin, tMax)
}

// JSResponseDelay is NimResponseDelay for @waku/sds, which takes the whole
// 128-bit product of distance and hash.
func JSResponseDelay(participant, sender, id string, tMax time.Duration) time.Duration {
	ms := millis(tMax)
	if ms == 0 {
		return 0
	}
	return modMul(jsHash(participant)^jsHash(sender), jsHash(id), ms)
}

// JSInGroup is NimInGroup for @waku/sds.
func JSInGroup(participant, sender, id string, groups int) bool {
	return groups <= 1 || jsHash(participant+id)%uint64(groups) == jsHash(sender+id)%uint64(groups)
}

// JSResponseGroups returns the number of response groups that @waku/sds uses for
// a number of participants: one per 128, at least one.
func JSResponseGroups(participants int) int { return max(1, participants/128) }

// SpecResponseGroups returns the number of response groups that LIP-109 asks for:
// one more than one per 128.
func SpecResponseGroups(participants int) int { return max(0, participants)/128 + 1 }

func requestDelay(hash uint64, tMin, tMax time.Duration) time.Duration {
	span := millis(tMax - tMin)
	if span == 0 {
		return tMin
	}
	return tMin + time.Duration(hash%span)*time.Millisecond
}

// millis returns d in whole milliseconds, 0 if it is negative.
func millis(d time.Duration) uint64 { return uint64(max(0, d.Milliseconds())) }

// modMul returns a·b mod m milliseconds, with the product in 128 bits.
func modMul(a, b, m uint64) time.Duration {
	hi, lo := bits.Mul64(a, b)
	return time.Duration(bits.Rem64(hi, lo, m)) * time.Millisecond
}

func farmHash(s string) uint64 { return farm.Fingerprint64([]byte(s)) }

func nimHash(s string) uint64 { return magnitude(farmHash(s)) }

// magnitude is the absolute value of the hash as int64. (For the one hash in 2⁶⁴
// that is the smallest int64 nim-sds goes on with a negative number.)
func magnitude(hash uint64) uint64 {
	if int64(hash) < 0 {
		return -hash
	}
	return hash
}

func jsHash(s string) uint64 {
	sum := sha256.Sum256([]byte(s))
	return binary.BigEndian.Uint64(sum[:8])
}
