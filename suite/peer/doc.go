// Package peer is one SDS participant in one channel that does what it is told,
// line by line: "causeway peer". It is for anybody who tests an SDS
// implementation: put it on the other end, carry the payloads between the two,
// and compare what both say.
//
// # What it is, and what it is not
//
// It is a participant as the deployed ones are, @waku/sds 0.0.8 and nim-sds:
// driven by its caller, with sweeps, possible acknowledgements that are counted,
// the repair times of SDS-R and a timeout for lost messages, all of which can be
// set. sds.Channel, which nodes run, is another thing: it has timers, a grace for
// reordering, requests that are suppressed in a group and proofs instead of
// counts; none of these can be swept or counted. Bending it would have harmed
// both, so this is a small state machine of its own, on the same sds/wire,
// sds/bloom, sds/pace and the same ids. Where the deployed participants lose or
// confuse messages it does what sds.Channel does:
//
//   - delivery is in causal order, also when a dependency waits itself;
//   - a copy of a message is not delivered again and counts for nothing;
//   - a message whose dependency is lost is delivered with a gap, and the lost one
//     takes its place should it come late;
//   - a timestamp that is far ahead has no place in the log until two others name the
//     message, or its time comes; and a message waits for the newest 32 of those that
//     it names and that are not here, the others being gaps at once;
//   - an id that does not match its message is refused, as is a Lamport timestamp
//     that would end the clock (2⁵³), and a filter that can't be read is ignored;
//   - a request that was not answered is made again, and somebody else's request
//     for the same message puts ours off instead of dropping it;
//   - an answer that somebody else gave first is not given again;
//   - a message of our own that we don't know, from before a restart, is taken
//     like anybody's, but acknowledges nothing;
//   - messages of the other wire format are read and delivered, and never named.
//
// It keeps everything in memory until it ends, and bounds single messages only:
// it is made for tests.
//
// # Dialects
//
//	                         lip            js                    nim
//	numbering                LIP-109        LIP-109               nim-sds
//	id of content            c1…            hex SHA-256(content)  c1…
//	causal history           heads, ≤ 20    end of the log, 200   end of the log, 10
//	bloom filter             none           full, always          small, if it adds anything
//	sightings that make an
//	acknowledgement          2              2                     1
//	waiting messages are
//	delivered                at once        at the next sweep     at once
//	clock                    ms             ms                    s
//	SDS-R hash, T            SHA-256,       SHA-256,              FarmHash,
//	                         30 … 120 s     30 … 120 s            30 … 300 s
//	ephemeral messages       yes            yes                   no
//
// In lip and js a repair request rides on the next content or sync that leaves
// when it is due. In nim too, where a sync is a message without content that is
// kept for repairs, because nim-sds takes it for one of the log.
//
// # The language
//
// A command is a JSON object on a line of its own; "cmd" names it, and "seq", if
// given, comes back. Its events follow, a JSON object on a line each, and then
// {"event":"done","cmd":…,"seq":…}. The first line of all is the event "ready".
// Bytes are base64, Lamport timestamps decimal strings, times milliseconds since
// 1970. Nothing happens between commands. What can't be done is an event "error"
// before "done"; no input ends the peer but "exit" and the end of its input.
//
//	send {content, retrievalHint?, fail?}  out (kind "content"), sent
//	ephemeral {content}                    out (kind "ephemeral")
//	receive {payload, retrievalHint?}      received, syncReceived or ephemeral; repairRequestReceived,
//	                                       repairResponseQueued, acked, possiblyAcked; then delivered, or
//	                                       repairRequestQueued and missing; undecodable, error
//	sweep {resend?}                        delivered, lost, missing, out (kind "repair" or "resend"), outgoing
//	sync                                   out (kind "sync") or syncSkipped
//	state                                  state
//	decode {payload}                       decoded or undecodable
//	clock {now} or {advance}               sets the time or moves it; {"now":null}: that of the machine again
//	exit
//
// With "fail" the transport refused the message: it stays in the outgoing buffer
// and is not in the log until it is sent again, by a sweep with "resend" or, in
// js, by sending the same content. The fields of the events are in events.go.
package peer
