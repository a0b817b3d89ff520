// Package segmented lets a transport carry payloads that are larger than its
// messages: it cuts what it publishes into segments and makes payloads of the
// segments that it receives. What comes and is no segment goes through untouched.
//
//	network, err := segmented.New(inner, segmented.Options{Config: segment.StatusConfig(150 << 10)})
//
// It is the outermost layer, as in status-go, where what is cut may be an SDS
// message that was sealed: nobody who can't read it knows what the segments are of.
// So a segment has no sender here: whoever can publish on the topic can spoil a
// payload whose hash they saw, and push out others. That costs a repair, and never
// makes a payload another one.
//
// # Hints and times
//
// A payload of several envelopes has one hint, which names the envelopes of its data
// segments (parity adds none); it is stored if all of them are. Where there is one
// envelope, its hint is that of the inner transport. A hint is at most 1,024 bytes,
// which is what SDS messages carry: 30 hashes of 32 bytes, so some 3 MB of payload. A
// payload whose hint would be longer has none. Whoever missed data segments and made
// the payload of parity has a hint of what it used.
//
// A payload has the time of its oldest segment, and each segment travels with its
// Meta.
//
// # Budgets
//
// One Publish makes several envelopes, of which a quota of the network counts each.
// [segment.Count] says how many.
//
// # Stores
//
// A page of a Query has the payloads whose oldest segment is in it; segments of
// others are kept until a page brings the rest. If several copies of a payload were
// published, a walk through the pages returns the newest. What is kept is bounded;
// what a bound drops is missing from the answer, as what a store does not have.
package segmented
