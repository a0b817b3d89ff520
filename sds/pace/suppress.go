package pace

import (
	"math"
	"time"
)

// Bounds of the inputs that come from peers. See the package documentation.
const (
	// MaxMembers is the largest group that a formula is evaluated for.
	MaxMembers = 1_000_000
	// MinRoundTrip and MaxRoundTrip bound a group's round trip.
	MinRoundTrip = time.Millisecond
	MaxRoundTrip = time.Minute
	// DefaultRoundTrip stands for a round trip that is not known: two
	// propagation delays of a Waku relay network with a safety margin.
	DefaultRoundTrip = time.Second
)

// Lambda returns λ = ln n + 1, the steepness of the timer for a group of n.
// RFC 5401 §3.2 (NACK suppression, RandomBackoff); rule P7.
func Lambda(n int) float64 { return math.Log(float64(members(n))) + 1 }

// K returns how many round trips a suppression round lasts for a group of n:
// 2 up to 16 members, 3 up to 256, 4 above. More is quieter and slower. Rule P7;
// RFC 5401 recommends 4 for feedback that everybody hears.
func K(n int) int {
	switch {
	case n <= 16:
		return 2
	case n <= 256:
		return 3
	}
	return 4
}

// Period returns T = K·GRTT, the length of a suppression round for a group of n
// with round trip grtt. Rule P7.
func Period(n int, grtt time.Duration) time.Duration {
	return time.Duration(K(n)) * roundTrip(grtt)
}

// SuppressionDelay returns how long a member waits before it says what any
// member of the group could say, and stays silent if it hears it said first:
//
//	t = (T/λ) · ln(1 + u·(e^λ − 1)),   T = Period(n, grtt),   λ = Lambda(n)
//
// The density of t grows with e^(λt/T): almost all of the group waits almost T,
// and the few that fire early silence the others. The result is in [0, T) and
// grows with u. RFC 5401 §3.2 (RandomBackoff), rule P7.
//
// If n is too large the group is slower than it need be; if it is too small
// everybody speaks. So n is to be rounded up.
func SuppressionDelay(u float64, n int, grtt time.Duration) time.Duration {
	period, lambda := Period(n, grtt), Lambda(n)
	share := math.Log1p(unit(u)*math.Expm1(lambda)) / lambda
	return min(time.Duration(share*float64(period)), period-1)
}

// ExpectedTransmissions estimates how many members of a group of n speak in one
// suppression round before silence reaches the rest: exp(1.2·λ/(2K)), the
// approximation in RFC 5401. It is 3.1 at 16 members, 3.7 at 256, 4.6 at 10,000.
//
// Simulated rounds, with delays of 0.26 to 0.63 s at a round trip of 1 s, stay up
// to 20 % below it. Losing 5 % of what is sent adds nothing at 2 members and about
// 1.5 at 10,000.
func ExpectedTransmissions(n int) float64 {
	return math.Exp(1.2 * Lambda(n) / (2 * float64(K(n))))
}

func members(n int) int { return min(max(n, 1), MaxMembers) }

func roundTrip(d time.Duration) time.Duration {
	if d <= 0 {
		return DefaultRoundTrip
	}
	return min(max(d, MinRoundTrip), MaxRoundTrip)
}

// unit brings u into [0, 1); what is not a number becomes the largest value.
func unit(u float64) float64 {
	if u < 0 {
		return 0
	}
	if u < 1 {
		return u
	}
	return math.Nextafter(1, 0)
}

// between returns the point at u in [from, to).
func between(u float64, from, to time.Duration) time.Duration {
	return min(from+time.Duration(unit(u)*float64(to-from)), max(from, to-1))
}
