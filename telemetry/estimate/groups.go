package estimate

import (
	"fmt"
	"time"

	"github.com/causeway-im/causeway/telemetry/report"
)

// Dimension is a way to divide the cells.
type Dimension string

// The dimensions. Some say something about the message, some about the device of
// the member who should get it; for figures about messages alone, like departure,
// the latter are those of the author's device.
const (
	Everything    Dimension = "all"
	ByTopic       Dimension = "topic" // content topic
	ByChannel     Dimension = "channel"
	ByShard       Dimension = "shard" // pubsub topic
	ByChannelSize Dimension = "size"
	ByHour        Dimension = "hour" // UTC, when it was composed
	ByDay         Dimension = "day"
	ByForm        Dimension = "form" // desktop, mobile
	ByPlatform    Dimension = "platform"
	ByMode        Dimension = "mode"     // relay, light
	ByApp         Dimension = "app"      // version of the application
	ByProtocol    Dimension = "protocol" // with the version; mixed if author and member differ
)

// Group is the cells with one value of a dimension.
type Group struct {
	By    Dimension `json:"by"`
	Value string    `json:"value"`
}

// How channels are divided by the number of their members, the author included.
var sizeBands = []struct {
	below int
	name  string
}{{10, "2–9"}, {50, "10–49"}, {200, "50–199"}, {1000, "200–999"}, {5000, "1000–4999"}}

// SizeBand names the band of channels with so many members.
func SizeBand(members int) string {
	for _, b := range sizeBands {
		if members < b.below {
			return b.name
		}
	}
	return "5000+"
}

// Form is desktop or mobile.
func Form(p report.Platform) string {
	if p.Mobile() {
		return "mobile"
	}
	return "desktop"
}

// ProtocolName is what carries reliability on a device, with its version.
func ProtocolName(d *report.Device) string {
	name := d.Protocol
	if name == "" {
		name = "none"
	}
	if d.ProtocolVersion == "" {
		return name
	}
	return name + " " + d.ProtocolVersion
}

// pairProtocol is the protocol between an author's device and a member's.
func pairProtocol(from, to *report.Device) string {
	if from.Protocol != to.Protocol {
		return "mixed"
	}
	return ProtocolName(to)
}

func hourName(at int64) string {
	return time.UnixMilli(at).UTC().Format("2006-01-02T15Z")
}

func dayName(at int64) string { return time.UnixMilli(at).UTC().Format(time.DateOnly) }

// messageGroups are the groups of a channel's messages in an hour.
func (c *channel) messageGroups(at int64) []Group {
	return []Group{{Everything, ""}, {ByTopic, c.topic}, {ByChannel, c.name}, {ByShard, c.pubsub},
		{ByChannelSize, SizeBand(c.audience + 1)}, {ByHour, hourName(at)}, {ByDay, dayName(at)}}
}

// deviceGroups are the groups of a device.
func deviceGroups(d *report.Device) []Group {
	return []Group{{ByForm, Form(d.Platform)}, {ByPlatform, string(d.Platform)}, {ByMode, string(d.Mode)}, {ByApp, d.App}}
}

// String is for logs and tests.
func (g Group) String() string {
	if g.Value == "" {
		return string(g.By)
	}
	return fmt.Sprintf("%s %s", g.By, g.Value)
}
