package archive

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/causeway-im/causeway/telemetry/report"
)

// Day is a day of Unix time, UTC: 0 is 1 January 1970.
type Day int64

const dayLength = int64(24 * time.Hour / time.Millisecond)

// DayOf returns the day of a moment in Unix milliseconds.
func DayOf(at int64) Day { return Day(floorDiv(at, dayLength)) }

// Start is the first moment of the day, in Unix milliseconds.
func (d Day) Start() int64 { return int64(d) * dayLength }

// End is the first moment after the day.
func (d Day) End() int64 { return d.Start() + dayLength }

// String is the date.
func (d Day) String() string { return time.UnixMilli(d.Start()).UTC().Format(time.DateOnly) }

// DayName is a day as people write it: 2026-07-01.
type DayName string

// Name returns the date.
func (d Day) Name() DayName { return DayName(d.String()) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

const (
	// slot is the time of which the best looks at a clock are kept, and slotBest how
	// many: those that took the shortest way. However often a device uploads, its row
	// stays small.
	slot     = int64(30 * time.Minute / time.Millisecond)
	slotBest = 8
	// maxDevices is how many descriptions of a device a day keeps.
	maxDevices = 16
)

// claims is what one journal says of one day beside its events. It does not depend on
// the order in which uploads came.
type claims struct {
	Covered []report.Span `json:"covered,omitempty"`
	Looks   []look        `json:"looks,omitempty"`
	Devices []described   `json:"devices,omitempty"`
}

// look is one look at a device's clock: when it sent, by its own clock, and how much
// later that was on the collector's.
type look struct {
	Sent   int64  `json:"s"`
	Later  int64  `json:"d"`
	Offset *int64 `json:"o,omitempty"` // by a time service
}

// described is what a device was like at the first and the last upload that said so.
type described struct {
	First  int64         `json:"first"`
	Last   int64         `json:"last"`
	Device report.Device `json:"device"`
}

func readClaims(text string) (c claims, err error) {
	if text == "" {
		return c, nil
	}
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return c, fmt.Errorf("archive: claims: %w", err)
	}
	return c, nil
}

func (c *claims) text() string {
	b, _ := json.Marshal(c) // plain structs can be written
	return string(b)
}

// cover adds a span and tells whether any of it is new.
func (c *claims) cover(s report.Span) (grown bool) {
	before := length(c.Covered)
	c.Covered = union(append(c.Covered, s))
	return length(c.Covered) > before
}

// see adds a look at the clock.
func (c *claims) see(l look) {
	c.Looks = append(c.Looks, l)
	slices.SortFunc(c.Looks, func(a, b look) int {
		return cmp.Or(cmp.Compare(floorDiv(a.Sent, slot), floorDiv(b.Sent, slot)), cmp.Compare(a.Later, b.Later),
			cmp.Compare(a.Sent, b.Sent), cmp.Compare(offsetOf(a), offsetOf(b)))
	})
	n, of := 0, int64(0)
	c.Looks = slices.DeleteFunc(c.Looks, func(l look) bool {
		if s := floorDiv(l.Sent, slot); n == 0 || s != of {
			n, of = 0, s
		}
		n++
		return n > slotBest
	})
}

func offsetOf(l look) int64 {
	if l.Offset == nil {
		return -1 << 62
	}
	return *l.Offset
}

// describe adds what the device is like.
func (c *claims) describe(sent int64, d report.Device) {
	i := slices.IndexFunc(c.Devices, func(x described) bool { return x.Device == d })
	if i < 0 {
		c.Devices = append(c.Devices, described{sent, sent, d})
	} else {
		c.Devices[i].First, c.Devices[i].Last = min(c.Devices[i].First, sent), max(c.Devices[i].Last, sent)
	}
	slices.SortFunc(c.Devices, func(a, b described) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last), cmp.Compare(a.Device.App, b.Device.App))
	})
	c.Devices = c.Devices[:min(len(c.Devices), maxDevices)]
}

// deviceAt is what the device was like when it sent an upload.
func (c *claims) deviceAt(sent int64) report.Device {
	for _, d := range slices.Backward(c.Devices) { // in order of First
		if d.First <= sent && sent <= d.Last {
			return d.Device
		}
	}
	if len(c.Devices) == 0 {
		return report.Device{}
	}
	return c.Devices[0].Device
}

// union puts spans together that meet or overlap.
func union(list []report.Span) []report.Span {
	slices.SortFunc(list, func(a, b report.Span) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	var merged []report.Span
	for _, s := range list {
		if s.To <= s.From {
			continue
		}
		if n := len(merged); n > 0 && s.From <= merged[n-1].To {
			merged[n-1].To = max(merged[n-1].To, s.To)
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

func length(list []report.Span) (n int64) {
	for _, s := range list {
		n += s.To - s.From
	}
	return n
}
