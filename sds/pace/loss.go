package pace

import "time"

// LossNewer is the number of newer messages of a sender after which a gap in its
// sequence is a loss at once. RFC 9002 §6.1.1 (packet threshold); rule P4.
const LossNewer = 3

// LossDelay returns how long after the first newer message of a sender a gap in
// its sequence is a loss, with fewer than LossNewer of them: 9/8 of the group's
// round trip. RFC 9002 §6.1.2 (time threshold); rule P4.
func LossDelay(grtt time.Duration) time.Duration { return roundTrip(grtt) * 9 / 8 }
