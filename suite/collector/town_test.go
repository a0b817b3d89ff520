package collector_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/causeway-im/causeway/telemetry/report"
)

// town plays members of one channel who write to each other for some hours, and
// returns what their devices upload.
type town struct {
	channel        string
	members        int
	from, to       int64
	every          int64 // a message
	pace           int64 // an upload, in calm times
	loss           float64
	cutFrom, cutTo int64 // nobody has a network
	never          int   // so many do not come back after that
	dev            func(i int) report.Device
	rng            *rand.Rand
	devices        []*device
	uploads        []timed
	truth          struct{ cells, delivered int }
}

type timed struct {
	at int64
	u  *report.Upload
}

func newTown(channel string, members int, from, to int64) *town {
	return &town{channel: channel, members: members, from: from, to: to, every: 40 * second, pace: 5 * minute, rng: rand.New(rand.NewPCG(7, uint64(members)))}
}

func (w *town) play() []timed {
	for i := range w.members {
		d := newDevice(fmt.Sprintf("%s-%02d", w.channel, i), w.from)
		if w.dev != nil {
			d.dev = w.dev(i)
		}
		d.add(report.Event{At: w.from, Kind: report.Presence, State: report.Online})
		d.add(in(w.channel, report.Event{At: w.from, Kind: report.Membership, Member: w.member(i), Joined: true, Audience: w.members}))
		w.devices = append(w.devices, d)
	}
	message := 0
	next := w.from + w.every
	for at := w.from + minute; at <= w.to; at += minute {
		if w.cutTo > 0 && at == w.cutFrom {
			w.presence(at, report.Offline)
		}
		if w.cutTo > 0 && at == w.cutTo {
			w.presence(at, report.Online)
		}
		for ; next < at; next += w.every {
			w.message(next, message)
			message++
		}
		if at == w.to {
			w.presence(at-1, report.Goodbye)
		}
		for i, d := range w.devices {
			if at%w.pace != 0 && at != w.to {
				continue
			}
			if !w.gone(i, at) && !w.cut(at) {
				w.uploads = append(w.uploads, timed{at, d.upload(at)})
			}
		}
	}
	return w.uploads
}

func (w *town) member(i int) string { return fmt.Sprintf("%s-member-%02d", w.channel, i) }
func (w *town) cut(at int64) bool   { return w.cutFrom <= at && at < w.cutTo }
func (w *town) gone(i int, at int64) bool {
	return w.cutTo > 0 && at >= w.cutFrom && i < w.never
}

func (w *town) presence(at int64, s report.State) {
	for i, d := range w.devices {
		if !w.gone(i, at) {
			d.add(report.Event{At: at, Kind: report.Presence, State: s})
		}
	}
}

// message is written by one and reaches others, if the network is there.
func (w *town) message(at int64, n int) {
	author := n % w.members
	if w.gone(author, at) {
		return
	}
	name := fmt.Sprintf("%s-message-%04d", w.channel, n)
	e := report.Event{At: at, Kind: report.Composed, Message: name, Member: w.member(author), Class: report.Multicast, Audience: w.members - 1, Size: 100}
	w.devices[author].add(in(w.channel, e))
	w.devices[author].add(in(w.channel, report.Event{At: at + 5, Kind: report.Attempted, Message: name, Attempt: 1}))
	if !w.cut(at) {
		w.devices[author].add(in(w.channel, report.Event{At: at + 10, Kind: report.Handed, Message: name, Attempt: 1}))
	}
	got := 0
	for i, d := range w.devices {
		if i == author {
			continue
		}
		w.truth.cells++
		if w.cut(at) || w.gone(i, at) || w.rng.Float64() < w.loss {
			continue
		}
		got++
		w.truth.delivered++
		e := report.Event{At: at + 200 + int64(w.rng.IntN(1500)), Kind: report.Received, Message: name, Member: w.member(author), Class: report.Multicast, Path: report.ByRelay, Sent: at, Size: 100}
		d.add(in(w.channel, e))
	}
	if got > 0 {
		w.devices[author].add(in(w.channel, report.Event{At: at + 2500, Kind: report.Acknowledged, Message: name, Count: 1, Audience: w.members - 1}))
	}
	w.devices[author].add(in(w.channel, report.Event{At: at + 2600, Kind: report.Traffic, Bytes: map[string]int64{"content": 100, "sync": 30}}))
}
