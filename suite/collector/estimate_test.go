package collector_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/suite/collector"
	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/telemetry/estimate"
)

// feed sends uploads at the moments at which they were made.
func (r *running) feed(list []timed) {
	r.t.Helper()
	for _, x := range list {
		r.clock.set(x.at + 40)
		r.upload(x.u)
	}
}

// estimates reads GET /v1/estimates.
func (r *running) estimates(query string) []estimate.Estimate {
	r.t.Helper()
	var got struct{ Estimates []estimate.Estimate }
	r.get("/v1/estimates?"+query).into(r.t, &got)
	return got.Estimates
}

// settled waits until everything that has come is estimated, and until a whole round
// has looked at it: outages, and what is live, are looked at before buckets.
func (r *running) settled() {
	r.t.Helper()
	eventually(r.t, "everything is estimated", func() bool {
		marks, err := r.archive.Dirty(r.t.Context())
		check(r.t, err)
		return len(marks) == 0
	})
	const rounds = "causeway_collector_rounds_total"
	begun := r.metric(rounds) // one is perhaps under way
	eventually(r.t, "a round is over that began after that", func() bool { return r.metric(rounds) >= begun+2 })
}

// same tells whether the day that the service knows is what the estimator says of it,
// by every measure: of less, a day that is not worked out to its end may have the same.
func (r *running) same(direct *estimate.Estimate) bool {
	r.t.Helper()
	got := r.estimates(calm)
	if len(got) != 1 {
		return false
	}
	for _, m := range estimate.Measures() {
		if got[0].Covered[m].Count != direct.Covered[m].Count || got[0].Everyone[m].Count != direct.Everyone[m].Count {
			return false
		}
	}
	return true
}

const calm = "from=2026-07-01&to=2026-07-01"

// roomy lets a test upload as fast as it can, and set the clock ahead without a gap.
func roomy(o *collector.Options) {
	o.Patience, o.Beat = 10_000*time.Hour, 10*time.Second
	o.Limits = collector.Limits{PerAddress: 1e9, BurstAddress: 1e9, PerInstall: 1e9, BurstInstall: 1e9}
}

// TestEstimates: what the service says is what the estimator says of the same
// uploads.
func TestEstimates(t *testing.T) {
	r := start(t, roomy)
	var f estimate.Facts
	end := noon + 2*hour
	truth := struct{ cells, delivered int }{}
	for c, loss := range map[string]float64{"green": 0.02, "black": 0.2} {
		w := newTown(c, 6, noon, end)
		w.loss = loss
		list := w.play()
		for _, x := range list {
			check(t, f.Add(x.u, x.at+40))
		}
		r.feed(list)
		truth.cells += w.truth.cells
		truth.delivered += w.truth.delivered
	}
	now := end + 26*hour // every deadline is over, and everybody has said goodbye to nobody
	r.clock.set(now)
	direct := f.Estimate(estimate.Options{From: archive.DayOf(noon).Start(), To: archive.DayOf(noon).End(), Now: now})
	eventually(t, "the day is as the estimator says", func() bool { return r.same(direct.Find(estimate.Group{By: estimate.Everything})) })
	got := r.estimates(calm)
	rate := got[0].Rate(estimate.Within60s)
	if int(rate.Count.Delivered) != truth.delivered || rate.Count.All() < 0.99*float64(truth.cells) {
		t.Errorf("%+v, true are %d of %d", rate.Count, truth.delivered, truth.cells)
	}
	for _, by := range []string{"channel", "topic", "form", "platform", "mode", "app", "protocol", "size", "shard"} {
		list := r.estimates(calm + "&by=" + by)
		for _, e := range list {
			want := direct.Find(e.Group)
			if want == nil {
				t.Errorf("there is no %v", e.Group)
				continue
			}
			// Channels are estimated one by one, so that rates of silence may differ a little.
			for _, m := range estimate.Measures() {
				if g, w := e.Rate(m).Count, want.Rate(m).Count; g != w {
					t.Errorf("%v, %v: %+v, want %+v", e.Group, m, g, w)
				}
			}
		}
		if len(list) == 0 {
			t.Errorf("nothing by %s", by)
		}
	}
	all := direct.Find(estimate.Group{By: estimate.Everything})
	if got[0].Funnel.Composed != all.Funnel.Composed || got[0].Funnel.Left != all.Funnel.Left || got[0].Traffic["sync"] != all.Traffic["sync"] || got[0].Traffic["sync"] == 0 {
		t.Errorf("funnel %+v, traffic %v; want %+v, %v", got[0].Funnel, got[0].Traffic, all.Funnel, all.Traffic)
	}
}

// TestDrop: a full drop makes the lower bound fall at once, it is named while it
// lasts, and it settles when the journals come.
func TestDrop(t *testing.T) {
	r := start(t, roomy)
	w := newTown("green", 12, noon, noon+2*hour)
	w.pace = minute
	w.cutFrom, w.cutTo = noon+hour, noon+hour+30*minute
	list := w.play()
	// 13:00 to 13:30 nobody uploads; what is to come after that comes later.
	cut := 0
	for list[cut].at < w.cutFrom {
		cut++
	}
	r.feed(list[:cut])
	r.settled()
	before := r.hour("13")
	if before != nil && before.Bounds.Low < 0.9 {
		t.Errorf("before the drop: %+v", before)
	}
	r.clock.set(w.cutFrom + 12*minute)
	var during *point
	eventually(t, "the lower bound falls while the network is away", func() bool {
		during = r.hour("13")
		return during != nil && during.Bounds.Low < 0.5
	})
	incidents := func() (out []estimate.Incident) {
		var got struct{ Incidents []estimate.Incident }
		r.get("/v1/incidents?"+calm).into(t, &got)
		return got.Incidents
	}
	eventually(t, "the incident is named and open", func() bool {
		for _, in := range incidents() {
			if in.Open && in.Scope == estimate.Everybody && in.From > w.cutFrom-5*minute && in.From < w.cutFrom+5*minute && in.P < 1e-4 {
				return true
			}
		}
		return false
	})
	eventually(t, "Prometheus knows of it", func() bool { return r.metric(`causeway_incidents_open{scope="everybody"}`) == 1 })
	if during.Value != nil && *during.Value > 0.9 {
		t.Errorf("during the drop the estimate is %v", *during.Value)
	}

	r.feed(list[cut:])
	r.clock.set(noon + 30*hour)
	r.settled()
	var after *point
	eventually(t, "it settles", func() bool {
		after = r.hour("13")
		return after != nil && after.Unknown < 0.02 && after.Bounds.High-after.Bounds.Low <= 0.05
	})
	if after.Bounds.Low > 0.6 || after.Bounds.Low < 0.4 {
		t.Errorf("half of the hour was lost, and it says %+v", after)
	}
	eventually(t, "the incident is over", func() bool {
		for _, in := range incidents() {
			if in.Scope == estimate.Everybody && !in.Open && in.To <= w.cutTo+5*minute {
				return true
			}
		}
		return false
	})
}

// point is one of GET /v1/series.
type point struct {
	At      string
	Bounds  estimate.Interval
	Value   *float64 `json:"estimate"`
	Unknown float64
	Cells   float64
	Legacy  *float64
}

func (r *running) series(query string) []point {
	r.t.Helper()
	var got struct{ Points []point }
	r.get("/v1/series?"+query).into(r.t, &got)
	return got.Points
}

// hour is the point of an hour of the day, nil if there is none.
func (r *running) hour(hh string) *point {
	r.t.Helper()
	for _, p := range r.series(calm) {
		if p.At == "2026-07-01T"+hh+"Z" {
			return &p
		}
	}
	return nil
}

// TestLateJournal: a journal that comes a week late revises exactly its own buckets,
// and one can see it.
func TestLateJournal(t *testing.T) {
	r := start(t, roomy)
	const week = 7 * 24 * hour
	green, black := newTown("green", 4, noon, noon+hour), newTown("black", 4, noon, noon+hour)
	list := green.play()
	r.feed(black.play())
	late := map[string]bool{"install-green-03": true}
	var kept []timed
	for _, x := range list {
		if late[x.u.Install] {
			kept = append(kept, x)
			continue
		}
		r.feed([]timed{x})
	}
	now := noon + week
	r.clock.set(now)
	r.settled()
	buckets := func() map[string]map[string]any {
		var got struct{ Buckets []map[string]any }
		r.get("/v1/buckets?from=2026-06-28&to=2026-07-09").into(t, &got)
		out := map[string]map[string]any{}
		for _, b := range got.Buckets {
			out[fmt.Sprint(b["channel"], " ", b["day"])] = b
		}
		return out
	}
	var before map[string]map[string]any
	eventually(t, "all days are final", func() bool { // becoming so is a revision, too
		before = buckets()
		for _, b := range before {
			if b["provisional"] != false {
				return false
			}
		}
		return before["green 2026-07-01"] != nil && before["black 2026-07-01"] != nil
	})
	for _, x := range kept {
		x.u.Clock.Sent = now - minute
		r.upload(x.u)
	}
	r.settled()
	after := buckets()
	for name, b := range after {
		was := before[name]
		if was == nil {
			continue
		}
		if changed, want := b["revision"] != was["revision"], name == "green 2026-07-01"; changed != want {
			t.Errorf("%s: revision %v, was %v", name, b["revision"], was["revision"])
		}
	}
	green1 := after["green 2026-07-01"]
	if green1["late"] != 1.0 && green1["late"] != 2.0 && green1["late"].(float64) < 1 {
		t.Errorf("late %v", green1["late"])
	}
	if green1["cells"].(float64) <= before["green 2026-07-01"]["cells"].(float64) {
		t.Errorf("cells %v, were %v", green1["cells"], before["green 2026-07-01"]["cells"])
	}
	var history struct{ Revisions []archive.RevisionRow }
	r.get("/v1/revisions?channel=green&day=2026-07-01").into(t, &history)
	if n := len(history.Revisions); n < 2 || history.Revisions[n-1].At != now || history.Revisions[n-1].Revision != int64(green1["revision"].(float64)) {
		t.Errorf("history %+v", history.Revisions)
	}
}

// TestOldWidens: what the old service's clients send can only widen the interval of
// everyone, and does not touch that of reporters.
func TestOldWidens(t *testing.T) {
	r := start(t, roomy)
	w := newTown("green", 6, noon-2*hour, noon+3*hour)
	w.loss = 0.1
	list := w.play()
	r.feed(list)
	r.clock.set(noon + 28*hour)
	var f estimate.Facts
	for _, x := range list {
		check(t, f.Add(x.u, x.at+40))
	}
	direct := f.Estimate(estimate.Options{From: archive.DayOf(noon).Start(), To: archive.DayOf(noon).End(), Now: noon + 28*hour}).Find(estimate.Group{By: estimate.Everything})
	read := func() *estimate.Estimate {
		list := r.estimates(calm)
		return &list[0]
	}
	eventually(t, "the day is there", func() bool { return r.same(direct) })
	before := read()
	if a := r.post("/record-metrics", oldBatch(noon)); a.status != http.StatusCreated || strings.TrimSpace(a.body) != "null" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	eventually(t, "the old records are in", func() bool {
		return read().Everyone[estimate.Within60s].Count.All() > before.Everyone[estimate.Within60s].Count.All()
	})
	after := read()
	for _, m := range estimate.Measures() {
		b, a := before.Everyone[m], after.Everyone[m]
		if a.Bounds.Low > b.Bounds.Low || a.Bounds.High < b.Bounds.High || a.Bounds.Width() <= b.Bounds.Width() {
			t.Errorf("everyone, %v: %v, was %v", m, a.Bounds, b.Bounds)
		}
		if before.Covered[m].Bounds != after.Covered[m].Bounds {
			t.Errorf("covered, %v: %v, was %v", m, after.Covered[m].Bounds, before.Covered[m].Bounds)
		}
	}
	var days struct {
		Days []struct {
			Legacy struct {
				OldRecords int
				OldClients map[string]float64
				Hours      map[string]float64
			}
		}
	}
	r.get("/v1/days?"+calm).into(t, &days)
	if len(days.Days) != 1 || days.Days[0].Legacy.OldRecords == 0 || len(days.Days[0].Legacy.Hours) == 0 {
		t.Errorf("%+v", days)
	}
}

// oldBatch is what clients of the old service sent about an hour.
func oldBatch(at int64) string {
	var list []map[string]any
	base := func(who string) map[string]any {
		return map[string]any{"nodeName": "node", "peerId": "16Uiu2HAm" + who, "statusVersion": "2.30.1", "deviceType": "darwin"}
	}
	with := func(m map[string]any, more map[string]any) map[string]any {
		for k, v := range more {
			m[k] = v
		}
		return m
	}
	for i := range 20 {
		hash := fmt.Sprintf("0x%064x", i)
		sent := at/1000 + int64(60*i)
		list = append(list, map[string]any{"id": 2 * i, "telemetry_type": "SentEnvelope", "telemetry_data": with(base("alice"), map[string]any{
			"messageHash": hash, "sentAt": sent, "pubsubTopic": "/waku/2/rs/16/32", "topic": "/waku/1/0x0a0b0c0d/rfc26", "senderKeyUID": "0xalice", "publishMethod": "Relay"})})
		var received []map[string]any
		for _, who := range []string{"bob", "carol"} {
			received = append(received, with(base(who), map[string]any{"chatId": "0xchat", "messageHash": hash, "messageId": hash, "messageType": "CHAT_MESSAGE",
				"receiverKeyUID": "0x" + who, "sentAt": sent, "topic": "0x0a0b0c0d", "pubsubTopic": "/waku/2/rs/16/32"}))
		}
		list = append(list, map[string]any{"id": 2*i + 1, "telemetry_type": "ReceivedMessages", "telemetry_data": received})
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestFinal: a day becomes final when its time is over, also where nobody reports any
// more.
func TestFinal(t *testing.T) {
	r := start(t, roomy)
	w := newTown("green", 4, noon, noon+hour)
	r.feed(w.play())
	state := func() string {
		return fmt.Sprint(regexp.MustCompile(`"provisional":(true|false)`).FindAllString(r.get("/v1/buckets?channel=green&from=2026-06-30&to=2026-07-01").body+r.get("/v1/days?"+calm).body, -1))
	}
	r.settled()
	if got := state(); strings.Contains(got, "false") || !strings.Contains(got, "true") {
		t.Fatalf("at first: %s", got)
	}
	r.clock.set(noon + 37*hour) // the third day
	eventually(t, "all is final", func() bool { return !strings.Contains(state(), "true") })
}
