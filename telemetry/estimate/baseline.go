package estimate

const hoursOfWeek = 168

// Baseline is what is usual at each hour of the week, UTC, from Monday 0:00. The
// zero value knows nothing. Baselines of different times add up with Add; a
// collector keeps one.
type Baseline struct {
	// Composed messages to many, in Exposure hours of known time of devices.
	Composed [hoursOfWeek]float64 `json:"composed"`
	Exposure [hoursOfWeek]float64 `json:"exposure"`
	// Unwell are the hours of devices that were silent without goodbye, isolated or
	// offline, of Watched hours.
	Unwell  [hoursOfWeek]float64 `json:"unwell"`
	Watched [hoursOfWeek]float64 `json:"watched"`
}

// Add adds what another knows.
func (b *Baseline) Add(o *Baseline) {
	for h := range hoursOfWeek {
		b.Composed[h] += o.Composed[h]
		b.Exposure[h] += o.Exposure[h]
		b.Unwell[h] += o.Unwell[h]
		b.Watched[h] += o.Watched[h]
	}
}

// hourOfWeek numbers the hours from Monday 0:00 UTC.
func hourOfWeek(at int64) int {
	const thursday = 3 * 24 // the day on which Unix time began
	return int(((at/hour)+thursday)%hoursOfWeek+hoursOfWeek) % hoursOfWeek
}

// The strength of what is assumed before anything was seen, in messages and in hours
// of devices.
const (
	profileMessages = 100
	unwellHours     = 50
	unwellShare     = 0.05
	unwellLeast     = 0.01
)

// profile is how much more or less is written in each hour of the week than on
// average.
func (b *Baseline) profile() (p [hoursOfWeek]float64) {
	all, time := 0.0, 0.0
	for h := range hoursOfWeek {
		all += b.Composed[h]
		time += b.Exposure[h]
	}
	for h := range hoursOfWeek {
		p[h] = 1
		if all > 0 {
			mean := all / time
			p[h] = (b.Composed[h] + profileMessages) / (b.Exposure[h]*mean + profileMessages)
		}
	}
	return p
}

// unwell is the usual share of devices that are silent, isolated or offline.
func (b *Baseline) unwell(at int64) float64 {
	h := hourOfWeek(at)
	all, time := 0.0, 0.0
	for i := range hoursOfWeek {
		all += b.Unwell[i]
		time += b.Watched[i]
	}
	usual := (all + unwellShare*unwellHours) / (time + unwellHours)
	return min(max((b.Unwell[h]+usual*unwellHours)/(b.Watched[h]+unwellHours), unwellLeast), 1)
}

// Learn returns what the facts say of the time from From to To. The time of
// incidents that reach further than one device is left out, as judged by the
// Baseline of the options.
func (f *Facts) Learn(o Options) *Baseline {
	w := f.world(o)
	b := o.Baseline
	if b == nil {
		b = &Baseline{}
	}
	var out []span
	for _, i := range w.incidents(b) {
		if i.Scope != OneDevice {
			out = append(out, span{From: i.From, To: i.To})
		}
	}
	return w.learn(union(out))
}

// learn adds up what is usual, outside of some times.
func (w *world) learn(leaveOut spans) *Baseline {
	b := &Baseline{}
	window := spans{{From: w.opts.From, To: min(w.opts.To, w.opts.Now)}}.without(leaveOut)
	for _, d := range w.devices {
		addHours(&b.Watched, d.watched.both(window))
		addHours(&b.Unwell, d.unwell.both(window))
		known := d.accounted.both(window)
		addHours(&b.Exposure, known)
		d.writes(func(_ int32, at int64) {
			if known.has(at) {
				b.Composed[hourOfWeek(at)]++
			}
		})
	}
	return b
}

// writes calls yield for each message to many that a device wrote.
func (d *device) writes(yield func(channel int32, at int64)) {
	for i, e := range d.epochs {
		for k := range e.events {
			if ev := &e.events[k]; ev.kind == composed && ev.class == multicast {
				at, _ := d.clocks[i].correct(ev.at)
				yield(ev.channel, at)
			}
		}
	}
}

// addHours adds spans to the hours of the week in which they are.
func addHours(to *[hoursOfWeek]float64, list spans) {
	for _, s := range list {
		weeks := (s.To - s.From) / (hoursOfWeek * hour)
		for h := range to {
			to[h] += float64(weeks)
		}
		for from := s.From + weeks*hoursOfWeek*hour; from < s.To; {
			next := min((from/hour+1)*hour, s.To)
			to[hourOfWeek(from)] += float64(next-from) / hour
			from = next
		}
	}
}
