package estimate

// messages counts what the authors know about their messages.
func (k *counter) messages(c *channel) {
	for _, m := range c.messages {
		side := c.messageGroups(m.at)
		if !m.counted {
			if m.class == multicast {
				for _, g := range k.all(side) {
					g.Others++
				}
			}
			continue
		}
		d := m.device
		if d == nil {
			d = m.sender.deviceAt(m.at)
		}
		p := d.profileAt(m.at)
		for _, g := range k.all(side, deviceGroups(p), []Group{{ByProtocol, ProtocolName(p)}}) {
			g.Funnel.message(k.w, m)
			if m.device == nil || m.wrong > doubtful.Milliseconds() {
				continue
			}
			if m.acked < forever {
				g.Ack.happened(max(m.acked-m.at, 0), 1)
			} else {
				g.Ack.censored(min(m.device.covered.reach(m.at), k.w.opts.Now)-m.at, 1)
			}
		}
	}
}

func (f *Funnel) message(w *world, m *message) {
	one := func(yes bool) float64 {
		if yes {
			return 1
		}
		return 0
	}
	f.Composed++
	f.Attempted += one(m.attempts > 0 || m.handed)
	f.Handed += one(m.handed)
	f.Left += one(m.left)
	f.Stored += one(m.kept == yes)
	f.Refused += one(m.kept == no)
	f.Acked += one(m.acked < forever)
	f.GaveUp += one(m.gaveUp)
	f.Resent += float64(m.resent)
	known := m.device != nil && m.device.dropped == 0 && m.device.accounted.reach(m.at) >= min(m.at+deadlines[Within24h], w.opts.Now)
	f.Unsent += one(!m.left && !m.handed && m.device != nil && (m.gaveUp || known))
}

// device counts what belongs to a device: bytes, and how long repairs take.
func (k *counter) device(d *device) {
	type gap struct{ at, channel int64 }
	for i, e := range d.epochs {
		c := &d.clocks[i]
		since := map[int32]gap{} // message → noticed missing
		for n := range e.events {
			ev := &e.events[n]
			at, _ := c.correct(ev.at)
			was, waits := since[ev.message]
			switch {
			case ev.kind == missing && !waits:
				since[ev.message] = gap{at, int64(ev.channel)}
			case waits && (ev.kind == repaired || ev.kind == received):
				k.repair(d, was.at, int32(was.channel), func(h *Histogram) { h.happened(max(at-was.at, 0), 1) })
				delete(since, ev.message)
			}
		}
		for _, was := range since {
			k.repair(d, was.at, int32(was.channel), func(h *Histogram) {
				h.censored(max(min(d.covered.reach(was.at), k.w.opts.Now)-was.at, 0), 1)
			})
		}
		for _, t := range e.traffic {
			at, _ := c.correct(t.at)
			for _, g := range k.groupsOf(d, t.channel, at) {
				if g.Traffic == nil {
					g.Traffic = map[string]int64{}
				}
				g.Traffic[k.w.facts.strings.string(t.class)] += t.bytes
			}
		}
	}
}

func (k *counter) repair(d *device, at int64, channel int32, add func(*Histogram)) {
	for _, g := range k.groupsOf(d, channel, at) {
		add(&g.Repair)
	}
}

// groupsOf are the groups of something that a device witnessed.
func (k *counter) groupsOf(d *device, id int32, at int64) []*group {
	if at < k.w.opts.From || at >= k.w.opts.To {
		return nil
	}
	side := []Group{{Everything, ""}, {ByHour, hourName(at)}, {ByDay, dayName(at)}}
	if c := k.w.byID[id]; c != nil {
		side = c.messageGroups(at)
	}
	p := d.profileAt(at)
	return k.all(side, deviceGroups(p), []Group{{ByProtocol, ProtocolName(p)}})
}
