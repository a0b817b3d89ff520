package pace

import "time"

const (
	// ResendFirst is the earliest moment for the first resend after a message was
	// handed over. The first acknowledgement is expected within 3 s (p95, any
	// group size, 5 % loss): by then a resend would be wasted one time in twenty
	// at most.
	ResendFirst = 5 * time.Second
	// ResendMax bounds the wait between two resends.
	ResendMax = 10 * time.Minute
)

// ResendDelay returns how long to wait before resend number attempt (1, 2, …) of
// a message that nobody is known to have. The wait is uniform in an octave that
// doubles with every attempt: [5, 10) s, [10, 20) s, … up to [5, 10) min. A whole
// octave of jitter, because after an outage everybody's messages are due at once.
//
// From the first evidence that somebody has the message there are no more
// resends; time counts only while online, and reconnecting starts again at
// attempt 1. Rule P6.
func ResendDelay(attempt int, u float64) time.Duration {
	from := doubled(ResendFirst, attempt, ResendMax/2)
	return between(u, from, 2*from)
}

// doubled returns base·2^(attempt−1), at most limit, for any attempt.
func doubled(base time.Duration, attempt int, limit time.Duration) time.Duration {
	for ; attempt > 1 && base < limit; attempt-- {
		base *= 2
	}
	return min(base, limit)
}
