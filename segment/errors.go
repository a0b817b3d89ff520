package segment

import "errors"

// Why a segment was discarded. Errors of Decode and of Reassembler.Add wrap one
// of these.
var (
	// ErrNotSegment: the bytes are no segment at all, but anything else.
	ErrNotSegment = errors.New("segment: not a segment")
	// ErrInvalid: a segment whose fields contradict each other or a limit.
	ErrInvalid = errors.New("segment: invalid")
	// ErrOversized: the segment is larger than Config.SegmentSize allows, or its
	// payload larger than Limits.MaxSenderBytes.
	ErrOversized = errors.New("segment: oversized")
	// ErrDuplicate: the same segment of the same payload is already held.
	ErrDuplicate = errors.New("segment: duplicate")
	// ErrCompleted: the payload was completed before; this is a late copy, or
	// parity that was not needed.
	ErrCompleted = errors.New("segment: payload is already complete")
	// ErrCountMismatch: other segments of the payload say that it has another
	// number of segments.
	ErrCountMismatch = errors.New("segment: counts differ from those of the payload's other segments")
	// ErrCacheFull: there is no room, and the sender has the most already.
	ErrCacheFull = errors.New("segment: no room")
)

// Why a set of segments was dropped: the values of Dropped.Why.
var (
	// ErrExpired: no new segment came for Limits.Life.
	ErrExpired = errors.New("segment: expired")
	// ErrEvicted: its room was needed.
	ErrEvicted = errors.New("segment: evicted")
	// ErrHashMismatch: the segments make another payload than they claim.
	ErrHashMismatch = errors.New("segment: hash mismatch")
	// ErrMalformed: the lengths of the segments do not fit together.
	ErrMalformed = errors.New("segment: malformed")
)
