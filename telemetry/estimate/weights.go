package estimate

// deviceAt is the device that stands for a person at a time.
func (p *person) deviceAt(at int64) *device {
	for _, d := range p.devices {
		if d.covered.has(at) {
			return d
		}
	}
	return p.devices[0]
}

// weight is what a cell stands for: how many members its member, and how many
// messages its message.
type weight struct{ members, messages float64 }

func (w weight) both() float64 { return w.members * w.messages }

func (w *world) weight(c *channel, at int64, d *device) weight {
	h, ok := c.weights[at/hour]
	if !ok {
		h = c.overall // nobody is known to have written anything in this hour
	}
	out := weight{1, 1}
	if h.reporters > 0 {
		out.members = h.audience / h.reporters
	}
	if c.mine > 0 {
		out.messages = float64(c.mine+c.others) / float64(c.mine)
	}
	if len(w.strata) > 0 {
		p := d.profileAt(at)
		out.members *= w.strata[Stratum{Form(p.Platform), p.Mode, SizeBand(c.audience + 1)}]
	}
	return out
}

// stratify works out by how much each stratum of members is rarer among reporters
// than in the population.
func (w *world) stratify() {
	if len(w.opts.Population) == 0 {
		return
	}
	reporters := map[Stratum]float64{}
	all, wanted := map[string]float64{}, map[string]float64{}
	for _, c := range w.channels {
		for _, p := range c.persons {
			if !p.eligible.meets(w.opts.From, w.opts.To) {
				continue
			}
			at := w.opts.From
			if first := p.eligible[p.eligible.find(at)].From; first > at {
				at = first
			}
			d := p.deviceAt(at).profileAt(at)
			s := Stratum{Form(d.Platform), d.Mode, SizeBand(c.audience + 1)}
			reporters[s]++
			all[s.Size]++
		}
	}
	for s, n := range w.opts.Population {
		if reporters[s] > 0 && n > 0 { // others have no reporter to stand for them
			wanted[s.Size] += n
		}
	}
	w.strata = map[Stratum]float64{}
	for s, n := range reporters {
		w.strata[s] = 1
		if wanted[s.Size] > 0 {
			w.strata[s] = (w.opts.Population[s] / wanted[s.Size]) / (n / all[s.Size])
		}
	}
}
