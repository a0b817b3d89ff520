package collector

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/telemetry/estimate"
	"github.com/causeway-im/causeway/telemetry/estimate/legacy"
)

// maxGroups is how many values of a dimension a day keeps; the others become one.
const maxGroups = 200

// otherGroup is what the rest of a dimension becomes.
const otherGroup = "other"

// legacyNote is what the old service would have said of a day, by hour: of these
// reports, and of the records that its own clients still send.
type legacyNote struct {
	Hours      map[string]float64 `json:"hours"`
	OldClients map[string]float64 `json:"oldClients,omitempty"`
	OldRecords int                `json:"oldRecords,omitempty"`
}

// day adds up the buckets of a day, and has then seen its marks up to upTo.
func (e *estimator) day(ctx context.Context, d archive.Day, upTo int64) error {
	contents, err := e.contents(ctx, d)
	if err != nil {
		return err
	}
	now := e.opts.Now().UnixMilli()
	note := legacyNote{Hours: meanByHour(contents)}
	var parts []estimate.Tallies
	for _, c := range contents {
		parts = append(parts, c.Tallies)
	}
	old, err := e.opts.Archive.Old(ctx, d)
	if err != nil {
		return err
	}
	if len(old) > 0 {
		note.OldRecords, note.OldClients = len(old), oldHours(old, d, now)
		parts = append(parts, oldTallies(old))
	}
	all := &content{Tallies: limitGroups(estimate.MergeTallies(parts...))}
	trust, err := e.trust(ctx, d, now)
	if err != nil {
		return err
	}
	row := archive.DayRow{Day: d, UpTo: upTo, At: now, Provisional: provisional(d, now)}
	if row.Tallies, err = all.pack(); err != nil {
		return err
	}
	estimates := make([]estimate.Estimate, 0, len(all.Tallies))
	for _, t := range all.Tallies {
		estimates = append(estimates, finite(t.Estimate(d.End(), now, estimate.DefaultHorizon)))
	}
	for _, f := range []struct {
		to   *json.RawMessage
		from any
	}{{&row.Estimates, estimates}, {&row.Trust, trust}, {&row.Legacy, note}} {
		if *f.to, err = json.Marshal(f.from); err != nil {
			return err
		}
	}
	if d == archive.DayOf(now) {
		e.meters.today(estimates)
	}
	return e.opts.Archive.SaveDay(ctx, row)
}

// trust is how much is known of a day. The incidents of days that live no longer looks
// at are brought up to date beside it.
func (e *estimator) trust(ctx context.Context, d archive.Day, now int64) (estimate.Trust, error) {
	f, r, err := e.outages(ctx, d, min(d.End()+incidentAfter.Milliseconds(), now), now)
	if err != nil {
		return estimate.Trust{}, err
	}
	if d < archive.DayOf(now)-1 {
		if err := e.saveIncidents(ctx, d.Start(), d.End(), r.Incidents); err != nil {
			return estimate.Trust{}, err
		}
	}
	return f.Estimate(estimate.Options{From: d.Start(), To: d.End(), Now: now, Baseline: e.baseline}).Trust, nil
}

// mostEffective stands for an infinite number of effective cells: those of a row that
// everybody is in have no sampling error.
const mostEffective = 1e15

// finite makes an estimate that JSON can hold.
func finite(e estimate.Estimate) estimate.Estimate {
	for _, rates := range [][]estimate.Rate{e.Covered, e.Everyone} {
		for i := range rates {
			rates[i].Effective = min(rates[i].Effective, mostEffective)
		}
	}
	return e
}

// contents are those of a day's buckets, in order of channel.
func (e *estimator) contents(ctx context.Context, d archive.Day) ([]*content, error) {
	rows, err := e.opts.Archive.Buckets(ctx, d, d, 0, false)
	if err != nil {
		return nil, err
	}
	var out []*content
	for _, r := range rows {
		e.mu.Lock()
		k, ok := e.known[r.Bucket]
		e.mu.Unlock()
		if !ok || k.revision != r.Revision {
			full, err := e.opts.Archive.Buckets(ctx, d, d, r.Channel, true)
			if err != nil {
				return nil, err
			}
			if len(full) == 0 {
				continue // deleted meanwhile
			}
			c, err := unpackContent(full[0].Tallies)
			if err != nil {
				return nil, err
			}
			e.remember(r.Bucket, full[0].Revision, c)
			k.content = c
		}
		out = append(out, k.content)
	}
	return out, nil
}

// meanByHour is the mean over the channels, whatever their size, as the old service
// made its global figure.
func meanByHour(contents []*content) map[string]float64 {
	sum, n := map[string]float64{}, map[string]float64{}
	for _, c := range contents {
		for hour, r := range c.Legacy {
			sum[hour] += r
			n[hour]++
		}
	}
	for hour := range sum {
		sum[hour] /= n[hour]
	}
	return sum
}

// limitGroups keeps the largest groups of each dimension.
func limitGroups(list estimate.Tallies) estimate.Tallies {
	by := map[estimate.Dimension]estimate.Tallies{}
	for _, t := range list {
		by[t.By] = append(by[t.By], t)
	}
	var out []estimate.Tallies
	for _, d := range slices.Sorted(maps.Keys(by)) {
		group := by[d]
		if len(group) > maxGroups {
			slices.SortStableFunc(group, func(a, b *estimate.Tally) int {
				return cmp.Compare(b.Covered.Counts[estimate.Within24h].All(), a.Covered.Counts[estimate.Within24h].All())
			})
			rest := &estimate.Tally{Group: estimate.Group{By: d, Value: otherGroup}}
			for _, t := range group[maxGroups:] {
				rest.Merge(t)
			}
			group = append(group[:maxGroups:maxGroups], rest)
		}
		out = append(out, group)
	}
	return estimate.MergeTallies(out...)
}

// oldHours runs the old formula over the old clients' own records.
func oldHours(records []archive.OldRecord, d archive.Day, now int64) map[string]float64 {
	var rows []legacy.Row
	for _, r := range records {
		if r.Type == "ReceivedMessages" {
			rows = append(rows, legacy.Row{Chat: r.Chat, Receiver: r.Who, SentAt: r.Sent / 1000, Stored: r.At / 1000})
		}
	}
	out := map[string]float64{}
	for h := range int64(24) {
		begin := d.Start() + h*int64(time.Hour/time.Millisecond)
		run := begin/1000 + 2*legacy.Hour
		if run*1000 > now {
			break
		}
		if r := legacy.Aggregate(rows, run, legacy.Hour); len(r.Chats) > 0 {
			out[hourName(begin)] = r.Global
		}
	}
	return out
}

// oldTallies are the cells that old clients' records prove to exist. The records
// claim no coverage: nothing says what a client that reports nothing has got, or
// whether it would have told. So all these cells are unknown, and since they are in
// the row of everyone they can only widen its interval.
func oldTallies(records []archive.OldRecord) estimate.Tallies {
	type message struct {
		topic, pubsub string
		at            int64
	}
	members, messages := map[string]map[string]bool{}, map[string]message{}
	for _, r := range records {
		if members[r.Topic] == nil {
			members[r.Topic] = map[string]bool{}
		}
		members[r.Topic][r.Who] = true
		if m, ok := messages[r.Message]; !ok || r.Sent < m.at {
			messages[r.Message] = message{r.Topic, r.Pubsub, r.Sent}
		}
	}
	sums := map[estimate.Group]*estimate.Tally{}
	for _, name := range slices.Sorted(maps.Keys(messages)) {
		m := messages[name]
		n := float64(len(members[m.topic]) - 1)
		if n <= 0 {
			continue
		}
		at := time.UnixMilli(m.at).UTC()
		for _, g := range []estimate.Group{{By: estimate.Everything}, {By: estimate.ByTopic, Value: m.topic}, {By: estimate.ByShard, Value: m.pubsub},
			{By: estimate.ByHour, Value: hourName(m.at)}, {By: estimate.ByDay, Value: at.Format(time.DateOnly)},
			{By: estimate.ByProtocol, Value: "none"}} {
			if sums[g] == nil {
				sums[g] = &estimate.Tally{Group: g}
			}
			addUnknown(&sums[g].Everyone, n)
		}
	}
	return estimate.MergeTallies(slices.Collect(maps.Values(sums)))
}

// addUnknown adds the cells of one message.
func addUnknown(r *estimate.Row, n float64) {
	for _, m := range estimate.Measures() {
		r.Counts[m].Censored += n
		for _, c := range []*estimate.Clusters{&r.ByMember[m], &r.ByCell[m]} {
			c.Number += n
			c.NN += n
			c.NC += n
			c.CC += n
		}
		s := &r.BySender[m]
		s.Number++
		s.NN += n * n
		s.NC += n * n
		s.CC += n * n
	}
}

// live shows what is going on to Prometheus.
func (m *meters) live(r *estimate.Report, unwell int) {
	open := map[estimate.Scope]float64{estimate.OneDevice: 0, estimate.OnePlatform: 0, estimate.OneShard: 0, estimate.Everybody: 0}
	for _, in := range r.Incidents {
		if in.Open {
			open[in.Scope]++
		}
	}
	for scope, n := range open {
		m.incidents.WithLabelValues(string(scope)).Set(n)
	}
	m.devices.Set(float64(r.Trust.Devices))
	m.silent.Set(float64(unwell))
}

// today shows the headline to Prometheus.
func (m *meters) today(list []estimate.Estimate) {
	for i := range list {
		if list[i].By != estimate.Everything {
			continue
		}
		for row, rates := range map[string][]estimate.Rate{"covered": list[i].Covered, "everyone": list[i].Everyone} {
			for _, r := range rates {
				m.bound.WithLabelValues(row, r.Measure.String(), "low").Set(r.Bounds.Low)
				m.bound.WithLabelValues(row, r.Measure.String(), "high").Set(r.Bounds.High)
				m.unknown.WithLabelValues(row, r.Measure.String()).Set(r.Unknown)
			}
		}
	}
}
