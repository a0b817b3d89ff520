// Package segment cuts payloads that are too large for one message into
// segments, and makes payloads of segments again. It has no clock, does no I/O,
// starts no goroutine and knows nothing of who carries the segments.
//
//	parts, err := segment.Split(payload, segment.Config{ParityRate: 0.125})
//	// each part is a message; some may get lost, none needs to keep its place
//
//	s, err := segment.Decode(part, cfg) // at the other end
//	result, err := reassembler.Add(now, sender, s)
//	if result.Complete {
//		use(result.Payload)
//	}
//
// # Two formats
//
// LIP243 is the newest text of LIP-243: every payload is wrapped, also one that
// needs a single segment. Status is what status-go writes: a payload that fits
// into one message is sent as it is. They share nothing but the idea:
//
//	LIP243                                   Status
//	 1  original_payload_hash    bytes        1  entire_message_hash     bytes
//	 2  original_payload_length  uint64       2  index                   uint32
//	 3  index                    uint32       3  segments_count          uint32
//	 4  data_segment_count       uint32       4  payload                 bytes
//	 5  parity_segment_count     uint32       5  parity_segment_index    uint32
//	 6  is_parity                bool         6  parity_segments_count   uint32
//	 7  segment_payload          bytes        7  original_payload_length uint64
//
// The hash is Keccak-256. Fields are written in ascending order, those that are
// zero are left out, and fields that this version does not know are skipped. In
// LIP243 both counts stand on every segment; in Status a data segment has only
// the count of data segments, and a parity segment, which has a segments_count
// of 0, only that of parity segments. Status peers from before 2026 do not
// write the length: see Segment.Length.
//
// # Parity
//
// Of k data and m parity segments any k make the payload. LIP243 uses the
// Leopard code, over shards of a multiple of 64 bytes; Status the Vandermonde
// code of github.com/klauspost/reedsolomon. The last data segment travels at its
// true length and counts as filled up with zeros.
//
// # Hostile segments
//
// A segment claims what it likes. What is kept is bounded by Limits and grows
// only with bytes that were really received. Segments of different senders never
// come together, so whoever is not taken for the sender can neither spoil a
// payload nor push it out. The sender's name is only as good as the caller's
// authentication.
package segment
