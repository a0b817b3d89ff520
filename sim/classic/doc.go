// Package classic plays the SDS participants that are deployed today, for
// comparison: what Causeway is measured against in simulations, and whom it must
// get on with in mixed groups.
//
// A Peer is a state machine of its own. It shares wire and bloom with Causeway,
// that is the bytes, and nothing of what decides: no flag of package sds turns
// one into the other. Like sds.Channel it is pure: no clock, goroutine, I/O or
// randomness of its own, and the same Config, calls and moments give the same
// bytes. What it emits are real messages that deployed peers and Causeway read.
//
// It does what these programs do, not what they say or what the specification
// asks for. Where they differ from it, in either direction, so does the Peer:
//
//	                   JS: @waku/sds 0.0.8 in the        Nim: nim-sds master
//	                   reliable channel of its SDK
//	numbering          that of LIP-109                   its own
//	timestamps         ms, max(now, own+1)               s, max(now, own)+1, also on receipt
//	filter             18,752 B in every message, never  18,768 B in every message, rolls
//	                   rolls                             over
//	causal history     last 200 of the log               last 10 in order of arrival
//	received messages  looked at 1 s after the first     at once
//	acknowledged by    1 mention or 2 filters            1 mention or 1 filter
//	not acknowledged   sent again every 30 s, 10 times,  never sent again; reported as
//	                   then silence                      acknowledged after 6 to 7 min
//	sync               uniform in [0, 30 s)·f, begun     never
//	                   anew with all that comes:
//	                   f = 1 at the start, after own
//	                   content and somebody's sync, ½
//	                   after somebody's content, 2
//	                   after an own sync
//	waits for          what is neither in the log nor    what is not in its history
//	                   waiting itself
//	delivers           what waited at a sweep of 5 s     at once, dependents first
//	asks for repair    30–120 s later, ≤ 3 ids on        30–300 s later, ≤ 3 ids on
//	                   content and syncs, once           content only, once
//	answers            0–120 s later                     0–300 s later, sweep of 5 s
//	somebody asked     own request is deleted; comes     own request is deleted; comes
//	                   back when named as missing again  back when named as missing again
//	gives up           never                             never
//
// There is no store: neither retrieval by hint nor the queries on connecting of
// the SDK take place.
//
// # Where it is kinder than what is deployed
//
//   - The released SDK sends requests but never answers any: nothing calls the
//     function of its library that does. By default a JS peer answers as on the
//     SDK's development branch, from a sweep every 10 s, since a comparison with
//     repairs that never come would say nothing. Config.NoAnswers gives the
//     released behaviour.
//   - Nim hosts that use the C interface have no participant id, so that nothing
//     is ever asked for or answered. A Nim peer with an empty Participant is
//     theirs.
//   - Calls take no time. @waku/sds needs about 70 ms for a message at 10,000
//     messages of history; nim-sds needs 1.7 ms and more to send one.
//   - What ends the process of a nim-sds host, as a timestamp of 2⁶³, is ignored.
//
// Two details make peers that start at the same virtual moment behave as those
// that did not: sweeps begin at a random phase, and the first sync timer is drawn
// for each.
package classic
