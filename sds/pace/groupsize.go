package pace

import (
	"slices"
	"time"
)

const (
	// StartGroup is the estimate before anybody was heard.
	StartGroup = 64
	// MinGroup and MaxGroup bound the estimate. A roster is not bounded by them.
	MinGroup = 16
	MaxGroup = 10_000
	// MinClaimants is the number of distinct senders whose claims count.
	MinClaimants = 3
	// StormTransmissions is the largest number of transmissions in a suppression
	// round that says nothing against the estimate.
	StormTransmissions = 8
	// QuietRounds is the number of rounds in a row with nothing before ¾T after
	// which the estimate is halved.
	QuietRounds = 3

	maxClaimFactor = 4 // how far claims may raise the own estimate
)

// GroupSize estimates n̂, the number of members that the timers of a channel
// reckon with (rule P7). The first of these that is known wins:
//
//  1. the size of the roster, if the host gives one;
//  2. the own estimate: twice the number of distinct participants heard in 24
//     hours, at least MinGroup and at most MaxGroup, or StartGroup before
//     anybody was heard; times 4 for every suppression round with more than
//     StormTransmissions, halved after QuietRounds rounds in a row in which
//     nothing came before ¾T. What peers claim can raise it, up to 4 times, if
//     they are three or more.
//
// Corrections are powers of two of what was heard, so that they keep their
// meaning when more are heard. An estimate that a bound has cut off goes to the
// nearest such value that is not below 4 times, or half, of what it was.
//
// Too small an estimate makes a storm, which is heard, and the next round is
// four times quieter; too large a one only makes the group slow.
//
// The zero value is ready to use. A GroupSize is a value: methods return the
// changed copy and leave the receiver as it was.
type GroupSize struct {
	roster int
	heard  int
	factor int // corrections from rounds, as a power of two
	quiet  int // rounds in a row with nothing before ¾T
	claim  int // median of the claims, 0 for none
}

// N returns n̂, at least 1.
func (g GroupSize) N() int {
	if g.roster > 0 {
		return g.roster
	}
	own := g.own()
	return min(max(own, min(g.claim, maxClaimFactor*own)), MaxGroup)
}

// Claim returns the size to tell others: the roster's or the own estimate,
// without what others claimed. So claims do not echo.
func (g GroupSize) Claim() int {
	if g.roster > 0 {
		return g.roster
	}
	return g.own()
}

// WithRoster sets the size of the roster; below 1, there is none. More than
// MaxMembers counts as MaxMembers.
func (g GroupSize) WithRoster(n int) GroupSize {
	g.roster = min(max(n, 0), MaxMembers)
	return g
}

// WithHeard sets the number of distinct participants heard in the last 24 hours.
func (g GroupSize) WithHeard(distinct int) GroupSize {
	g.heard = min(max(distinct, 0), MaxMembers)
	return g.trimmed()
}

// WithClaims sets what peers claim: the newest claim of each distinct sender
// (the caller sees to that), in any order, none of them the own one. Claims below
// 1 are absent. Below MinClaimants nothing counts; from there on the median
// does, the lower one of two, so that half of the senders cannot raise it.
func (g GroupSize) WithClaims(newest []int) GroupSize {
	sorted := slices.DeleteFunc(slices.Clone(newest), func(n int) bool { return n < 1 })
	g.claim = 0
	if len(sorted) >= MinClaimants {
		slices.Sort(sorted)
		g.claim = min(sorted[(len(sorted)-1)/2], MaxGroup)
	}
	return g
}

// AfterRound learns from a suppression round that is over: how many
// transmissions were heard in it, the own one included, how long after its start
// the first one came, and its length T.
func (g GroupSize) AfterRound(transmissions int, first, period time.Duration) GroupSize {
	switch {
	case transmissions > StormTransmissions:
		for want := min(4*g.own(), MaxGroup); g.own() < want; {
			g.factor++
		}
		g.quiet = 0
	case transmissions > 0 && first < period-period/4:
		g.quiet = 0
	default:
		if g.quiet++; g.quiet == QuietRounds {
			g.factor--
			g.quiet = 0
		}
	}
	return g.trimmed()
}

// base is the own estimate before corrections.
func (g GroupSize) base() int {
	if g.heard == 0 {
		return StartGroup
	}
	return min(max(2*g.heard, MinGroup), MaxGroup)
}

func (g GroupSize) own() int {
	return min(max(shift(g.base(), g.factor), MinGroup), MaxGroup)
}

// trimmed drops corrections that no longer show, so that the estimate leaves a
// bound as soon as it is told to.
func (g GroupSize) trimmed() GroupSize {
	for g.factor > 0 && shift(g.base(), g.factor-1) >= MaxGroup {
		g.factor--
	}
	for g.factor < 0 && shift(g.base(), g.factor+1) <= MinGroup {
		g.factor++
	}
	return g
}

// shift returns n·2^by, rounded up. trimmed keeps by within ±12.
func shift(n, by int) int {
	if by < 0 {
		return (n + 1<<-by - 1) >> -by
	}
	return n << by
}

// GroupRoundTrip returns the round trip that timers reckon with: the own one, or
// the lower median of what others claim if they are MinClaimants or more and it is
// longer, up to 4 times the own one. A shorter one would only make a group louder.
// Rule P4.
func GroupRoundTrip(own time.Duration, claims []time.Duration) time.Duration {
	if len(claims) < MinClaimants {
		return own
	}
	sorted := slices.Sorted(slices.Values(claims))
	return min(max(own, min(sorted[(len(sorted)-1)/2], maxClaimFactor*own)), MaxRoundTrip)
}
