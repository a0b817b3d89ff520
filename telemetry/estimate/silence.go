package estimate

import (
	"slices"

	"github.com/causeway-im/causeway/telemetry/report"
)

// rates is how much each device writes: numbers from a gamma distribution, from which
// come Poisson counts. Those of a device that was seen for long rest on itself,
// those of others on all devices.
type rates struct {
	shape, scale float64 // of the gamma distribution; scale in hours
	profile      [hoursOfWeek]float64
	written      map[*device]*written
	share        map[int32]float64 // channel → share of all messages
}

// written is what a device is known to have written.
type written struct {
	all      float64
	channels map[int32]float64
	hours    float64 // of known time, those of busy hours counting for more
}

// rates counts what the devices have written until the end of the window, as far
// back as is fed.
func (w *world) rates(b *Baseline) *rates {
	past := spans{{From: -forever, To: w.opts.To}}
	r := &rates{profile: b.profile(), written: map[*device]*written{}, share: map[int32]float64{}}
	total := 0.0
	for _, d := range w.devices {
		known := d.accounted.both(past)
		wr := &written{channels: map[int32]float64{}, hours: r.hours(known)}
		d.writes(func(channel int32, at int64) {
			if known.has(at) {
				wr.all++
				wr.channels[channel]++
				r.share[channel]++
				total++
			}
		})
		r.written[d] = wr
	}
	for c := range r.share {
		r.share[c] /= total
	}
	r.fit(w.devices)
	return r
}

// hours weighs time by how much is usually written in it.
func (r *rates) hours(list spans) float64 {
	var hours [hoursOfWeek]float64
	addHours(&hours, list)
	sum := 0.0
	for h, n := range hours {
		sum += n * r.profile[h]
	}
	return sum
}

// fit finds the gamma distribution by its first two moments.
func (r *rates) fit(devices []*device) {
	counts, time, squares := 0.0, 0.0, 0.0
	for _, d := range devices {
		counts += r.written[d].all
		time += r.written[d].hours
		squares += r.written[d].hours * r.written[d].hours
	}
	if time == 0 {
		r.shape, r.scale = 1, 1 // nothing is known
		return
	}
	mean := max(counts, 0.5) / time
	excess := -mean * time // what Poisson counts vary by themselves
	for _, d := range devices {
		diff := r.written[d].all - mean*r.written[d].hours
		excess += diff * diff
	}
	r.shape = 50
	if variance := excess / squares; variance > 0 {
		r.shape = min(max(mean*mean/variance, 0.05), 50)
	}
	r.scale = r.shape / mean
}

// expect returns how many messages a device writes to a channel in some time of
// silence.
func (r *rates) expect(d *device, c int32, hours float64) Moments {
	wr := r.written[d]
	shape, scale := r.shape+wr.all, r.scale+wr.hours
	prior := r.share[c]
	if len(r.share) == 0 {
		prior = 1
	}
	mean := shape / scale * hours * (wr.channels[c] + prior) / (wr.all + 1)
	return Moments{mean, mean + mean*mean/shape}
}

// silence is when a reporter may have written something that has not come: time of
// which it has not told, without a goodbye.
func (w *world) silence(d *device) spans {
	window := spans{{From: w.opts.From, To: min(w.opts.To, w.opts.Now, d.goodbye)}}
	if window[0].To <= window[0].From {
		return nil
	}
	return d.reporter(w.opts.horizon()).both(window).without(d.accounted)
}

// silent counts the cells of what was possibly composed in silence.
func (k *counter) silent(b *Baseline) {
	r := k.w.rates(b)
	for _, d := range k.w.devices {
		silence := k.w.silence(d)
		if len(silence) == 0 {
			continue
		}
		for _, c := range k.w.channels {
			if p := c.byMember[d.members[c.id]]; p != nil && d.members[c.id] != 0 {
				k.silentIn(r, d, c, p, silence.both(p.in))
			}
		}
	}
}

// silentIn spreads the expected messages of a device to a channel over the hours of
// its silence. What others got from it meanwhile is known already.
func (k *counter) silentIn(r *rates, d *device, c *channel, p *person, silence spans) {
	all := r.hours(silence)
	if all == 0 {
		return
	}
	expected := r.expect(d, c.id, all)
	known := 0.0
	for _, m := range c.messages {
		if m.sender == p && silence.has(m.at) {
			known++
		}
	}
	left := max(expected.Mean-known, 0)
	if left == 0 {
		return
	}
	for _, s := range silence {
		for from := s.From; from < s.To; {
			to := min((from/hour+1)*hour, s.To)
			share := r.hours(spans{{From: from, To: to}}) / all
			k.silentHour(d, c, p, (from+to)/2, Moments{left * share, expected.Variance * share})
			from = to
		}
	}
}

// silentHour adds expected messages to the groups of those who should get them.
func (k *counter) silentHour(d *device, c *channel, p *person, at int64, n Moments) {
	from := d.profileAt(at)
	side := c.messageGroups(at)
	for _, g := range k.all(side, deviceGroups(from), []Group{{ByProtocol, ProtocolName(from)}}) {
		g.Funnel.Silent.merge(n)
	}
	type reach struct{ members, everyone float64 }
	to := map[*group]reach{}
	for _, sort := range k.receivers(c, at) {
		members := float64(sort.count)
		if p.eligible.has(at) && *p.deviceAt(at).profileAt(at) == sort.profile {
			members--
		}
		groups := k.all(side, deviceGroups(&sort.profile), []Group{{ByProtocol, pairProtocol(from, &sort.profile)}})
		for _, g := range groups {
			t := to[g]
			to[g] = reach{t.members + members, t.everyone + members*sort.weight}
		}
	}
	for g, t := range to {
		g.Covered.Silent.merge(Moments{n.Mean * t.members, n.Variance * t.members * t.members})
		g.Everyone.Silent.merge(Moments{n.Mean * t.everyone, n.Variance * t.everyone * t.everyone})
	}
}

// receivers are the reporters of a channel with devices of one sort.
type receivers struct {
	profile report.Device
	count   int
	weight  float64
}

type channelHour struct {
	channel int32
	hour    int64
}

// receivers counts who should get a message of an hour.
func (k *counter) receivers(c *channel, at int64) []receivers {
	key := channelHour{c.id, at / hour}
	list, ok := k.reach[key]
	if ok {
		return list
	}
	for _, p := range c.persons {
		if !p.eligible.has(at) {
			continue
		}
		d := p.deviceAt(at)
		profile := *d.profileAt(at)
		i := slices.IndexFunc(list, func(r receivers) bool { return r.profile == profile })
		if i < 0 {
			i = len(list)
			list = append(list, receivers{profile: profile, weight: k.w.weight(c, at, d).both()})
		}
		list[i].count++
	}
	k.reach[key] = list
	return list
}
