// Package budget divides what an identity may send in a window of time among
// the classes of packets, and holds what has to wait (rule P11).
//
// A network that limits its users counts per identity (RLN: 100 messages in 600
// s), so one Queue stands between all channels of a node and its transport. It
// is pure: it reads no clock and does no I/O, and the same calls give the same
// results. It is not safe for concurrent use.
//
// # The window
//
// In every window of that length, wherever it begins, at most the quota leaves.
// Time is cut into slots of a sixtieth of a window. A packet counts from when it is
// granted, without end while nobody knows whether it has left, and then for a
// window after the end of the slot in which that became known: up to a sixtieth
// longer than it has to, never shorter. A host that makes Record durable before
// it lets go of what Grant returned keeps this across crashes: what was under
// way then counts as having left when the Record is loaded.
//
// # The shares
//
// Own content has 70 % of the quota, repairs 15 %, requests and acknowledgements
// 10 %, syncs 5 %, ephemeral messages nothing. What a class does not use is lent
// to those below it, but each keeps half of its share back: what is lent is gone
// for a window, and a user who begins to write must not have to wait for that.
// Nothing is lent upwards: who writes more than its share would otherwise fall
// silent in the protocol, could neither ask nor acknowledge, and cost everybody
// else more. All of it is one rule, with u what a class uses and k what it keeps:
//
//	for each class, the sum of max(u, k) over it and those above it is at most
//	the sum of their shares.
//
// It follows that a class may always use what it keeps, and all of its share
// unless a class below is above its own.
package budget

import (
	"errors"
	"fmt"
	"time"

	"github.com/causeway-im/causeway/sds"
)

// Quota is what may leave in any window of time. Bytes 0 sets no limit for them.
type Quota struct {
	Packets int
	Bytes   int64
	Window  time.Duration
}

// MinBytes is the least limit for bytes: each packet of the protocol fits into
// what its class can get.
const MinBytes = 4 << 20

const (
	maxPackets           = 1 << 40
	maxBytes             = 1 << 50
	minWindow, maxWindow = time.Second, 366 * 24 * time.Hour
	slotsPerWindow       = 60
)

// ErrQuota: a quota is out of range.
var ErrQuota = errors.New("quota is out of range")

// Check tells whether a quota can be kept.
func (q Quota) Check() error {
	switch {
	case q.Packets < 1 || int64(q.Packets) > maxPackets:
		return fmt.Errorf("budget: %w: %d packets, must be from 1 to 2^40", ErrQuota, q.Packets)
	case q.Bytes != 0 && (q.Bytes < MinBytes || q.Bytes > maxBytes):
		return fmt.Errorf("budget: %w: %d bytes, must be 0 (no limit) or from %d to 2^50", ErrQuota, q.Bytes, MinBytes)
	case q.Window < minWindow || q.Window > maxWindow:
		return fmt.Errorf("budget: %w: a window of %v, must be from %v to %v", ErrQuota, q.Window, minWindow, maxWindow)
	}
	return nil
}

// Share is one part of a quota, for the classes that use it. The upper ones lend
// to the lower ones.
type Share uint8

// The shares, from the top.
const (
	Content   Share = iota // content and resends
	Repair                 // repairs
	Request                // requests and acknowledgements
	Sync                   // syncs
	Ephemeral              // ephemeral messages: the share is nothing, all is borrowed
	Shares                 // how many there are
)

// ShareOf returns the share that a class uses.
func ShareOf(c sds.Class) Share {
	switch c {
	case sds.ClassContent, sds.ClassResend:
		return Content
	case sds.ClassRepair:
		return Repair
	case sds.ClassRequest, sds.ClassAck:
		return Request
	case sds.ClassSync:
		return Sync
	}
	return Ephemeral
}

// division is a total of packets or bytes, divided.
type division struct {
	total int64
	upTo  [Shares]int64 // a share and all above it
	kept  [Shares]int64 // what is not lent
}

func divide(total int64) division {
	d := division{total: total}
	var above int64
	for s, percent := range [Shares]int64{70, 85, 95, 100, 100} {
		d.upTo[s] = (total*percent + 50) / 100
		d.kept[s] = (d.upTo[s] - above) / 2
		above = d.upTo[s]
	}
	return d
}

// share returns how much a share is.
func (d *division) share(s Share) int64 {
	if s == Content {
		return d.upTo[s]
	}
	return d.upTo[s] - d.upTo[s-1]
}

// room returns how much more of a share may be used.
func (d *division) room(used *[Shares]int64, of Share) int64 {
	room, sum := d.total, int64(0)
	for s := range Shares {
		sum += max(used[s], d.kept[s])
		if s >= of {
			room = min(room, d.upTo[s]-sum)
		}
	}
	return room + max(d.kept[of]-used[of], 0)
}
