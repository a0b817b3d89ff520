package pace

import "time"

// Bounds of the Trickle interval (rule P7): a few seconds after something
// happened, an hour when nothing does.
const (
	TrickleMin = 4 * time.Second
	TrickleMax = time.Hour
)

// TrickleNext returns the interval that follows interval while everybody agrees:
// twice as long, within TrickleMin … TrickleMax. Zero or less gives TrickleMin,
// which is also what an inconsistency resets the interval to. RFC 6206 §4.2.
func TrickleNext(interval time.Duration) time.Duration {
	if interval >= TrickleMax/2 {
		return TrickleMax
	}
	return max(2*interval, TrickleMin)
}

// TricklePoint returns when in an interval to speak, unless somebody consistent
// was heard before: uniform in [interval/2, interval). The silent first half is
// what keeps members whose intervals are out of step from speaking one after the
// other. An interval outside the bounds is brought into them. RFC 6206 §4.2.
func TricklePoint(interval time.Duration, u float64) time.Duration {
	interval = min(max(interval, TrickleMin), TrickleMax)
	return between(u, interval/2, interval)
}
