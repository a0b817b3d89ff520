package archivetest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/telemetry/report"
)

// Noon is the moment in the middle of the tests' day: 1 July 2026, 12:00 UTC.
const Noon = int64(1_782_907_200_000)

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
)

// device writes the journal of one installation.
type device struct {
	install string
	epoch   uint64
	next    uint64
	told    int64 // up to here it has claimed
	events  []report.Event
}

func newDevice(name string, from int64) *device {
	return &device{install: "install-" + name, epoch: 1, next: 1, told: from}
}

func (d *device) event(e report.Event) *device {
	e.Seq = d.next
	d.next++
	d.events = append(d.events, e)
	return d
}

// channel is the place of an event.
func channel(name string, e report.Event) report.Event {
	e.Community, e.Channel, e.Topic, e.Pubsub = "tea", name, "/waku/1/0x"+name+"/rfc26", "/waku/2/rs/16/32"
	return e
}

// upload makes an upload of everything since the last one, which covers the time until at.
func (d *device) upload(at int64) archive.Arrival {
	u := &report.Upload{Schema: report.Version, Install: d.install, Epoch: d.epoch, First: d.next - uint64(len(d.events)), Last: d.next - 1,
		Clock: report.Clock{Sent: at}, Coverage: []report.Span{{From: d.told, To: at}}, Events: d.events,
		Device: report.Device{App: "2.30", Platform: report.Linux, Mode: report.Relay, Protocol: "causeway", ProtocolVersion: "1", Consent: 1}}
	d.events, d.told = nil, at
	return archive.Arrival{Upload: u, At: at + 40, Key: "key of " + d.install}
}

// community plays members who write to each other's channels for some hours, and
// returns what they upload, in order. Nothing is random but by the seed.
func community(seed uint64, members, channels, messages int, from int64) []archive.Arrival {
	rng := rand.New(rand.NewPCG(seed, 1))
	var devices []*device
	for i := range members {
		d := newDevice(fmt.Sprint(i), from)
		d.event(report.Event{At: from, Kind: report.Presence, State: report.Online})
		for c := range channels {
			d.event(channel(fmt.Sprint(c), report.Event{At: from, Kind: report.Membership, Member: fmt.Sprint("member-", i), Joined: true, Audience: members}))
		}
		devices = append(devices, d)
	}
	var out []archive.Arrival
	at := from
	for n := range messages {
		at += 30*second + rng.Int64N(minute)
		c, author, name := fmt.Sprint(rng.IntN(channels)), rng.IntN(members), fmt.Sprintf("message-%d", n)
		from := fmt.Sprint("member-", author)
		for i, d := range devices {
			e := report.Event{At: at + 200 + int64(i), Kind: report.Received, Path: report.ByRelay, Sent: at}
			if i == author {
				e = report.Event{At: at, Kind: report.Composed, Audience: members - 1}
			} else if rng.IntN(10) == 0 {
				continue // lost
			}
			e.Message, e.Member, e.Class, e.Size = name, from, report.Multicast, 120
			d.event(channel(c, e))
		}
		for i, d := range devices {
			if (n+i)%5 == 0 {
				out = append(out, d.upload(at+5*second))
			}
		}
	}
	for _, d := range devices {
		d.event(report.Event{At: at + minute, Kind: report.Traffic, Bytes: map[string]int64{"content": 1200, "sync": 80}})
		out = append(out, d.upload(at+2*minute))
	}
	return out
}

// recorder is a Sink that remembers what it is fed, in a form that does not depend on
// the order or on how it was divided.
type recorder struct{ journals map[string]*recorded }

type recorded struct {
	covered []report.Span
	looks   map[string]bool
	events  map[uint64]string
	held    archive.Numbers
	dropped archive.Numbers
}

func (r *recorder) journal(install string, epoch uint64) *recorded {
	if r.journals == nil {
		r.journals = map[string]*recorded{}
	}
	key := fmt.Sprint(install, " ", epoch)
	if r.journals[key] == nil {
		r.journals[key] = &recorded{looks: map[string]bool{}, events: map[uint64]string{}}
	}
	return r.journals[key]
}

func (r *recorder) Add(u *report.Upload, arrived int64) error {
	j := r.journal(u.Install, u.Epoch)
	j.covered = append(j.covered, u.Coverage...)
	j.looks[fmt.Sprint(u.Clock.Sent, " ", arrived)] = true
	for _, x := range u.Dropped {
		j.dropped.Add(x.First, x.Last)
	}
	for _, e := range u.Events {
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if have, ok := j.events[e.Seq]; ok && have != string(text) {
			return fmt.Errorf("event %d is fed as %s and as %s", e.Seq, have, text)
		} else if ok {
			return fmt.Errorf("event %d is fed twice", e.Seq)
		}
		j.events[e.Seq] = string(text)
	}
	return nil
}

func (r *recorder) Held(install string, epoch uint64, x report.Range) {
	r.journal(install, epoch).held.Add(x.First, x.Last)
}

func (r *recorder) Gap(from, to int64) {
	j := r.journal("gaps", 0)
	j.covered = append(j.covered, report.Span{From: from, To: to})
}

// String is everything in order.
func (r *recorder) String() string {
	var lines []string
	for name, j := range r.journals {
		lines = append(lines, fmt.Sprintf("%s held %s dropped %s", name, j.held, j.dropped))
		for _, s := range merged(j.covered) {
			lines = append(lines, fmt.Sprintf("%s covered %d to %d", name, s.From, s.To))
		}
		for l := range j.looks {
			lines = append(lines, fmt.Sprintf("%s look %s", name, l))
		}
		for seq, e := range j.events {
			lines = append(lines, fmt.Sprintf("%s event %08d %s", name, seq, e))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func merged(list []report.Span) (out []report.Span) {
	slices.SortFunc(list, func(a, b report.Span) int { return int(a.From - b.From) })
	for _, s := range list {
		if n := len(out); n > 0 && s.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, s.To)
			continue
		}
		out = append(out, s)
	}
	return out
}
