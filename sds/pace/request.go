package pace

import "time"

const (
	// Grace is how long a hole is given to close by itself, because messages
	// overtake each other. Rule P8.
	Grace = time.Second
	// LivelyWithin is how recently anybody must have been heard for a back-off to
	// count as lively.
	LivelyWithin = time.Minute
	// MaxBackoff bounds the back-off of a request while nobody is heard.
	MaxBackoff = 5 * time.Minute

	firstBackoff  = 2 // round trips: a request, its answer, and as much again
	livelyBackoff = 8 // round trips
)

// RequestDelay returns how long after a hole was found to ask for it: Grace and
// a SuppressionDelay. Rule P8.
func RequestDelay(u float64, n int, grtt time.Duration) time.Duration {
	return Grace + SuppressionDelay(u, n, grtt)
}

// RequestBackoff returns how long a request rests after it was made for the
// attempt-th time (1, 2, …), by this member or by another: 2·GRTT, then twice as
// long every time, up to 8·GRTT while anybody was heard within LivelyWithin, and
// up to MaxBackoff otherwise. It is never deleted: it ends with the message, a
// policy's time, or the hole.
//
// What follows the rest is a new round with a new SuppressionDelay (and no
// Grace), so that an answer that is late by less than that still prevents it.
// Reconnecting starts again at attempt 1. SRM's rule (back off, do not delete);
// rule P8.
func RequestBackoff(attempt int, grtt time.Duration, lively bool) time.Duration {
	grtt = roundTrip(grtt)
	limit := MaxBackoff
	if lively {
		limit = min(livelyBackoff*grtt, limit)
	}
	return doubled(firstBackoff*grtt, attempt, limit)
}

// Jitter spreads a duration by a quarter to both sides: uniform in [¾d, 1¼d).
// It is for waits of single members that would otherwise fall into step, such as
// a request that backs off while nobody is heard.
func Jitter(d time.Duration, u float64) time.Duration {
	if d <= 0 {
		return 0
	}
	return between(u, d-d/4, d+d/4)
}
