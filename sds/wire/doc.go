// Package wire turns SDS messages into bytes and back, in both dialects that
// are deployed. It has no state, does no I/O and knows nothing of what a
// message means: whether an id is genuine, a timestamp plausible or a bloom
// filter sound is for its callers to decide.
//
// # Two dialects
//
// SDS (Scalable Data Sync) is LIP-109. @waku/sds follows its field numbers;
// nim-sds uses others for the same fields. Neither population can read the
// other's messages, so a channel writes one dialect and reads both. Decode
// tells them apart by the wire type of field 2: see DetectDialect.
//
//	LIP (LIP-109, @waku/sds 0.0.8)
//	 #    field              type            written by peers when
//	 1    sender_id          string          not empty
//	 2    message_id         string          not empty
//	 3    channel_id         string          not empty
//	 10   lamport_timestamp  uint64, ms      content and sync
//	 11   causal_history     HistoryEntry*   one per entry
//	 12   bloom_filter       bytes           present, even if empty
//	 13   repair_request     HistoryEntry*   one per entry
//	 20   content            bytes           present, even if empty
//	 100  extension          bytes           Causeway only
//
//	nim (nim-sds master 07491b2; release/v0.4 b5d1364 leaves out empty fields)
//	 #    field              type            written by master when
//	 1    message_id         string          always
//	 2    lamport_timestamp  uint64, s       always
//	 3    causal_history     HistoryEntry*   one per entry
//	 4    channel_id         string          always
//	 5    content            bytes           always; master demands it
//	 6    bloom_filter       bytes           always
//	 7    sender_id          string          not empty
//	 13   repair_request     HistoryEntry*   one per entry
//	 100  extension          bytes           Causeway only
//
//	HistoryEntry (both dialects)
//	 1    message_id         string          not empty (nim: always)
//	 2    retrieval_hint     bytes           present (nim: not empty)
//	 3    sender_id          string          present (nim: not empty)
//
// Fields are written in ascending order, fields that this version does not
// know after all others. They are read in any order; of a field that occurs
// twice the last occurrence counts. Strings are bytes: nobody checks UTF-8.
//
// # How strict
//
// A LIP message must use the right wire type for every field that it is known
// to have. In the nim dialect such a field is skipped as unknown, as nim-sds
// does; what else the nim dialect forgives depends on the Generation.
//
// Every size is bounded (limits.go) and checked before memory is taken for it.
// Decoding never panics and never takes more memory than a small multiple of
// its input.
//
// # Aliasing
//
// The byte slices of a decoded message point into the input. The caller must
// not modify the input as long as the message is used; appending to a slice of
// the message is safe. Strings are copies.
package wire
