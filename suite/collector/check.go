package collector

import (
	"fmt"
	"strings"
	"time"

	"github.com/causeway-im/causeway/telemetry/report"
)

// The limits of what is in an upload. They keep hostile numbers and strings out of
// the archive.
const (
	maxInstall  = 64      // bytes of an installation's pseudonym
	maxName     = 64      // bytes of any other pseudonym, version, code
	maxNumber   = 1 << 53 // of events and epochs
	maxDropped  = 1000    // ranges
	maxSpans    = 5000    // of coverage
	maxCount    = 1 << 31 // of sizes, members and attempts
	maxClasses  = 16      // of bytes
	maxTraffic  = 1 << 50 // bytes
	maxFuture   = 25 * time.Hour
	maxOldClaim = 31 * 24 * time.Hour // of coverage, where raw data is kept for ever
)

// problem is what is wrong with an upload as a whole.
type problem struct {
	field, reason string
}

func (p *problem) Error() string { return p.field + " " + p.reason }

func bad(field, format string, args ...any) *problem {
	return &problem{field, fmt.Sprintf(format, args...)}
}

// window is the times that can be reported.
type window struct{ first, last int64 }

// checkUpload looks at everything but the events, and cuts what is covered to what
// can be. The clock of a device may be wrong by any amount; its times have to fit
// each other.
func checkUpload(u *report.Upload, arrived int64, keep time.Duration) (w window, p *problem) {
	switch {
	case u.Schema != report.Version:
		return w, bad("schema", "is %d, must be %d", u.Schema, report.Version)
	case !isName(u.Install, maxInstall) || len(u.Install) < 8:
		return w, bad("install", "must be 8 to %d letters, digits, -, _, ., : or =", maxInstall)
	case u.Epoch > maxNumber:
		return w, bad("epoch", "is %d, must be at most 2^53", u.Epoch)
	case u.First < 1 || u.First > maxNumber:
		return w, bad("first", "is %d, must be 1 to 2^53", u.First)
	case u.Last+1 < u.First || u.Last > maxNumber:
		return w, bad("last", "is %d, must be first−1 to 2^53", u.Last)
	case u.Clock.Sent <= 0 || u.Clock.Sent > maxNumber:
		return w, bad("clock.sent", "is %d, must be Unix milliseconds", u.Clock.Sent)
	case u.Clock.Offset != nil && (*u.Clock.Offset > maxNumber || *u.Clock.Offset < -maxNumber):
		return w, bad("clock.offset", "is %d, must be milliseconds", *u.Clock.Offset)
	}
	if p := checkDevice(&u.Device); p != nil {
		return w, p
	}
	if p := checkDropped(u); p != nil {
		return w, p
	}
	if keep <= 0 {
		keep = maxOldClaim
	}
	now := arrived
	if d := arrived - u.Clock.Sent; d > maxFuture.Milliseconds() || d < -maxFuture.Milliseconds() {
		now = u.Clock.Sent // a clock that is days wrong: by its own time
	}
	w = window{now - keep.Milliseconds(), now + maxFuture.Milliseconds()}
	return w, checkCoverage(u, w)
}

func checkDevice(d *report.Device) *problem {
	switch {
	case !isPrintable(d.App, maxName):
		return bad("device.app", "must be at most %d printable characters", maxName)
	case d.Mode != report.Relay && d.Mode != report.Light:
		return bad("device.mode", "is %.20q, must be relay or light", d.Mode)
	case !isPrintable(d.Protocol, maxName) || d.Protocol == "":
		return bad("device.protocol", "must be 1 to %d printable characters", maxName)
	case !isPrintable(d.ProtocolVersion, maxName):
		return bad("device.protocolVersion", "must be at most %d printable characters", maxName)
	case d.Consent < 1 || d.Consent > maxCount:
		return bad("device.consent", "is %d, must be the version, from 1, of what the user has agreed to", d.Consent)
	}
	switch d.Platform {
	case report.Android, report.IOS, report.Linux, report.Darwin, report.Windows, report.Other:
	case "":
		return bad("device.platform", "is missing")
	default:
		d.Platform = report.Other
	}
	return nil
}

func checkDropped(u *report.Upload) *problem {
	if len(u.Dropped) > maxDropped {
		return bad("dropped", "has %d ranges, must have at most %d", len(u.Dropped), maxDropped)
	}
	next := uint64(1)
	for i, r := range u.Dropped {
		if r.First < next || r.Last < r.First || r.Last > u.Last {
			return bad(fmt.Sprintf("dropped[%d]", i), "is %d to %d, must be in order, apart, and at most last", r.First, r.Last)
		}
		next = r.Last + 1
	}
	return nil
}

// checkCoverage looks at the claims and cuts off what is too old to be kept, or has
// not been yet.
func checkCoverage(u *report.Upload, w window) *problem {
	if len(u.Coverage) > maxSpans {
		return bad("coverage", "has %d spans, must have at most %d", len(u.Coverage), maxSpans)
	}
	kept, before := u.Coverage[:0], int64(0)
	for i, s := range u.Coverage {
		if s.From < before || s.To < s.From || s.To > maxNumber {
			return bad(fmt.Sprintf("coverage[%d]", i), "is %d to %d, must be in order and apart", s.From, s.To)
		}
		before = s.To
		if s.From, s.To = max(s.From, w.first), min(s.To, u.Clock.Sent); s.From < s.To {
			kept = append(kept, s)
		}
	}
	u.Coverage = kept
	return nil
}

// takeGood leaves the events that are good in the upload, and returns why the others
// are not taken. Numbers that are none are left out of what is returned, too: they
// can't be told of.
func takeGood(u *report.Upload, w window) (rejected []report.Rejection) {
	good, next := u.Events[:0], u.First
	for i := range u.Events {
		e := &u.Events[i]
		p := checkEvent(e, w)
		if e.Seq < next || e.Seq > u.Last {
			p = bad("seq", "is %d, must be from first to last and greater than the one before", e.Seq)
		} else {
			next = e.Seq + 1
		}
		if p != nil {
			rejected = append(rejected, report.Rejection{Seq: e.Seq, Field: p.field, Reason: p.reason, Permanent: true})
			continue
		}
		good = append(good, *e)
	}
	u.Events = good
	return rejected
}

// needs are the fields that an event must have by kind: c channel, m message, p
// member, k class.
var needs = map[report.Kind]string{
	report.Composed: "cmpk", report.Attempted: "cm", report.Handed: "cm", report.Refused: "cm", report.Stored: "cm",
	report.Acknowledged: "cm", report.Resent: "cm", report.GaveUp: "cm", report.Received: "cmpk", report.Undecodable: "c",
	report.Missing: "cm", report.Repaired: "cm", report.Lost: "cm", report.Presence: "", report.Membership: "cp", report.Traffic: "",
}

func checkEvent(e *report.Event, w window) *problem {
	need, known := needs[e.Kind]
	switch {
	case !known:
		return bad("kind", "is %.20q, which there is not", e.Kind)
	case e.At < w.first:
		return bad("at", "is %d: older than is kept", e.At)
	case e.At > w.last:
		return bad("at", "is %d: in the future", e.At)
	case e.Kind == report.Presence && e.Channel != "":
		return bad("channel", "must be empty")
	case e.Sent < 0 || e.Sent > maxNumber:
		return bad("sent", "is %d, must be Unix milliseconds", e.Sent)
	}
	for _, f := range []struct {
		name, value string
		need        byte
	}{{"channel", e.Channel, 'c'}, {"message", e.Message, 'm'}, {"member", e.Member, 'p'}, {"class", string(e.Class), 'k'}} {
		if f.value == "" && strings.IndexByte(need, f.need) >= 0 {
			return bad(f.name, "is missing")
		}
	}
	for _, f := range []struct{ name, value string }{{"community", e.Community}, {"channel", e.Channel}, {"message", e.Message},
		{"member", e.Member}, {"envelope", e.Envelope}, {"code", e.Code}} {
		if f.value != "" && !isName(f.value, maxName) {
			return bad(f.name, "must be at most %d letters, digits, -, _, ., : or =", maxName)
		}
	}
	if p := checkWords(e); p != nil {
		return p
	}
	for _, f := range []struct {
		name  string
		value int
	}{{"size", e.Size}, {"audience", e.Audience}, {"count", e.Count}, {"attempt", e.Attempt}} {
		if f.value < 0 || f.value > maxCount {
			return bad(f.name, "is %d, must be 0 to 2^31", f.value)
		}
	}
	return checkBytes(e.Bytes)
}

// checkWords looks at what has one of a few values, and brings topics to their form.
func checkWords(e *report.Event) *problem {
	one := func(field, value string, of ...string) *problem {
		for _, o := range of {
			if value == o {
				return nil
			}
		}
		return bad(field, "is %.20q, must be one of %s", value, strings.TrimSpace(strings.Join(of, " ")))
	}
	checks := []*problem{
		one("class", string(e.Class), "", string(report.Multicast), string(report.Control), string(report.Ephemeral), string(report.Direct)),
		one("path", string(e.Path), "", string(report.ByRelay), string(report.ByFilter), string(report.ByStore), string(report.ByRepair), string(report.Unknown)),
		one("answer", e.Answer, "", "yes", "no", "unknown"),
	}
	if e.Kind == report.Presence {
		checks = append(checks, one("state", string(e.State), string(report.Online), string(report.Isolated), string(report.Offline), string(report.Suspended), string(report.Goodbye)))
	} else if e.State != "" {
		return bad("state", "must be empty")
	}
	for _, p := range checks {
		if p != nil {
			return p
		}
	}
	for _, f := range []struct {
		name string
		text *string
	}{{"topic", &e.Topic}, {"pubsub", &e.Pubsub}} {
		form := *f.text
		if f.name == "topic" {
			form = report.Topic(form)
		}
		if *f.text != "" && (form == "" || !isPrintable(form, report.MaxTopic) || strings.Contains(form, " ")) {
			return bad(f.name, "must be at most %d printable characters", report.MaxTopic)
		}
		*f.text = form
	}
	return nil
}

func checkBytes(bytes map[string]int64) *problem {
	if len(bytes) > maxClasses {
		return bad("bytes", "has %d classes, must have at most %d", len(bytes), maxClasses)
	}
	for class, n := range bytes {
		if class == "" || !isName(class, maxName) {
			return bad("bytes", "has a class %.20q, must be letters", class)
		}
		if n < 0 || n > maxTraffic {
			return bad("bytes."+class, "is %d, must be 0 to 2^50", n)
		}
	}
	return nil
}

// isName tells whether s is a pseudonym or a word of a list.
func isName(s string, most int) bool {
	if len(s) > most {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.:=", c) >= 0) {
			return false
		}
	}
	return true
}

// isPrintable tells whether s is short and of printable ASCII.
func isPrintable(s string, most int) bool {
	if len(s) > most {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
