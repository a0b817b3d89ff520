package archive

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// maxChannels is how many channels are remembered, so that most uploads need not ask.
const maxChannels = 10_000

// remember keeps channels that are known to be in the database.
func (s *SQL) remember(found map[string]Channel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, c := range found {
		if len(s.channels) >= maxChannels {
			clear(s.channels)
		}
		s.channels[name] = c
	}
}

// findChannels finds or makes the channels of the events. What is known of a channel
// does not depend on the order of uploads: of two topics, the smaller one counts.
func (b *batch) findChannels() error {
	wanted := map[string]Channel{}
	b.s.mu.Lock()
	for i := range b.uploads {
		for k := range b.uploads[i].Upload.Events {
			e := &b.uploads[i].Upload.Events[k]
			if e.Channel == "" || b.taken[i].Err != nil {
				continue
			}
			told := Channel{Name: e.Channel, Community: e.Community, Topic: e.Topic, Pubsub: e.Pubsub}
			have, ok := b.s.channels[e.Channel]
			if ok {
				b.channels[e.Channel] = have
			}
			if w, asked := wanted[e.Channel]; asked {
				have = w
			} else if ok && have.with(told) == have {
				continue
			}
			wanted[e.Channel] = have.with(told)
		}
	}
	b.s.mu.Unlock()
	var values []any
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		c := wanted[name]
		values = append(values, name, c.Community, c.Topic, c.Pubsub)
	}
	smaller := func(column string) string {
		return strings.ReplaceAll(`COL = CASE WHEN channels.COL = '' OR excluded.COL <> '' AND excluded.COL < channels.COL
			THEN excluded.COL ELSE channels.COL END`, "COL", column)
	}
	return b.bulk(`INSERT INTO channels (name, community, topic, pubsub) VALUES`, 4, `ON CONFLICT (name) DO UPDATE SET `+
		smaller("community")+", "+smaller("topic")+", "+smaller("pubsub")+` RETURNING id, name, community, topic, pubsub`,
		values, func(r *sql.Rows) error {
			var c Channel
			err := r.Scan(&c.ID, &c.Name, &c.Community, &c.Topic, &c.Pubsub)
			b.channels[c.Name] = c
			return err
		})
}

// with adds what was told of a channel.
func (c Channel) with(told Channel) Channel {
	smaller := func(a, b string) string {
		if a == "" || b != "" && b < a {
			return b
		}
		return a
	}
	return Channel{c.ID, told.Name, smaller(c.Community, told.Community), smaller(c.Topic, told.Topic), smaller(c.Pubsub, told.Pubsub)}
}

func (b *batch) saveMembers() error {
	var values []any
	for _, m := range sortedMembers(b.members) {
		values = append(values, m.channel, m.install)
	}
	return b.bulk(`INSERT INTO members (channel, install) VALUES`, 2, `ON CONFLICT DO NOTHING`, values, nil)
}

func sortedMembers(set map[member]bool) []member {
	return slices.SortedFunc(maps.Keys(set), func(x, y member) int {
		return cmp.Or(cmp.Compare(x.channel, y.channel), cmp.Compare(x.install, y.install))
	})
}

// eventColumns are those of events, in order.
const eventColumns = `day, channel, message, journal, seq, at, kind, member, class, path, answer, code, envelope, sent, size, audience, count, attempt, arrived, bytes`

func (r *row) bytes() string {
	if len(r.Bytes) == 0 {
		return ""
	}
	b, _ := json.Marshal(r.Bytes) // numbers by string: can be written
	return string(b)
}

func (b *batch) saveEvents() error {
	if b.s.postgres {
		return b.copyEvents()
	}
	values := make([]any, 0, len(b.events)*20)
	for i := range b.events {
		r := &b.events[i]
		values = append(values, int64(r.day), r.channel, r.Message, r.journal, int64(r.Seq), r.At, string(r.Kind), r.Member,
			string(r.Class), string(r.Path), r.Answer, r.Code, r.Envelope, r.Sent, r.Size, r.Audience, r.Count, r.Attempt, r.arrived, r.bytes())
	}
	return b.bulk(`INSERT INTO events (`+eventColumns+`) VALUES`, 20, ``, values, nil)
}

func (b *batch) saveMarks() error {
	return b.bulk(`INSERT INTO marks (journal, seq, day, channel, at, body) VALUES`, 6, `ON CONFLICT DO NOTHING`, b.marks, nil)
}

func (b *batch) sorted() []*journal {
	return slices.SortedFunc(maps.Values(b.journals), func(x, y *journal) int { return cmp.Compare(x.id, y.id) })
}

func (b *batch) saveJournals() error {
	var values []any
	for _, j := range b.sorted() {
		if !j.changed {
			continue
		}
		device, err := json.Marshal(j.device)
		if err != nil {
			return err
		}
		values = append(values, j.installID, int64(j.epoch), int64(j.base), int64(j.last), j.got.String(), j.dropped.String(), j.rejected.String(), string(device), 0)
	}
	return b.bulk(`INSERT INTO journals (install, epoch, base, last, got, dropped, rejected, device, seen) VALUES`, 9,
		`ON CONFLICT (install, epoch) DO UPDATE SET last = excluded.last, got = excluded.got, dropped = excluded.dropped,
		rejected = excluded.rejected, device = excluded.device`, values, nil)
}

func (b *batch) saveClaims() error {
	var values []any
	for _, j := range b.sorted() {
		for _, d := range slices.Sorted(maps.Keys(j.touched)) {
			values = append(values, j.id, int64(d), j.days[d].text())
		}
	}
	return b.bulk(`INSERT INTO claims (journal, day, body) VALUES`, 3,
		`ON CONFLICT (journal, day) DO UPDATE SET body = excluded.body`, values, nil)
}

// saveDirty marks the buckets that are changed: by events those of their channels, by
// time that is told of those of all channels of the installation.
func (b *batch) saveDirty() error {
	channels := map[int64][]int64{}
	var installs []any
	for _, g := range b.grown {
		if _, asked := channels[g.install]; !asked {
			channels[g.install] = nil
			installs = append(installs, g.install)
		}
	}
	err := b.bulkOf(integer, `SELECT channel, install FROM members WHERE install IN (VALUES`, 1, `)`, installs, func(r *sql.Rows) error {
		var c, in int64
		err := r.Scan(&c, &in)
		channels[in] = append(channels[in], c)
		return err
	})
	if err != nil {
		return err
	}
	for _, g := range b.grown {
		for _, c := range channels[g.install] {
			b.touch(c, g.from, g.to+horizon.Milliseconds(), g.at)
		}
	}
	return b.mark(b.dirty)
}

// mark adds marks. They have no key that two batches could wait for: whoever reads
// them sees those of finished transactions, and takes away only those.
func (t *tx) mark(dirty map[Bucket]int64) error {
	var values []any
	for k, at := range dirty {
		values = append(values, k.Channel, int64(k.Day), at)
	}
	return t.bulk(`INSERT INTO dirty (channel, day, at) VALUES`, 3, ``, values, nil)
}
