// Package pace says when: the delays, back-offs and sizes by which a group of
// anything between two and ten thousand members answers quickly and does not
// all answer at once.
//
// Everything here is a pure function of a few numbers, the same for every
// caller and safe for concurrent use. There is no clock and no randomness:
// where chance is wanted, the caller passes u, drawn uniformly from [0, 1).
// Durations go in, durations come out.
//
//	suppress.go    who speaks first: the truncated exponential timer (rule P7)
//	groupsize.go   how many may speak: the estimate of the group's size (P7)
//	quantise.go    group size and round trip in one byte each for the wire (P4)
//	trickle.go     how often, when there is nothing new to say (P7)
//	request.go     when to ask for what is missing, and when to ask again (P8)
//	answer.go      who answers a request, and when (P8)
//	resend.go      when to send again what nobody is known to have (P6)
//	loss.go        when a gap in a sender's sequence is a loss (P4)
//	legacy.go      the timers of nim-sds and @waku/sds, to compare with
//
// "Rule P7" and the like are sections of the protocol in spec/.
//
// # Inputs from the wire
//
// Group size and round trip arrive from peers. Every function takes any value
// of them and clamps: a size below 1 counts as 1 and one above MaxMembers as
// MaxMembers; a round trip of zero or less, "not known", counts as
// DefaultRoundTrip, and others are brought into MinRoundTrip … MaxRoundTrip. A u
// outside [0, 1) is brought into it, and one that is not a number counts as the
// latest moment, because to be late is harmless and to be early is not.
package pace
