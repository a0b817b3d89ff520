package collector_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/telemetry/report"
)

// values are what was seen of each field: two of each are enough.
type values map[string]map[string]bool

func (v values) add(name string, value any) {
	if v[name] == nil {
		v[name] = map[string]bool{}
	}
	if len(v[name]) < 2 {
		v[name][fmt.Sprint(value)] = true
	}
}

// json adds the fields of an answer: members of lists are of one name.
func (v values) json(name string, x any) {
	switch x := x.(type) {
	case map[string]any:
		for k, value := range x {
			v.json(name+"."+k, value)
		}
	case []any:
		for _, value := range x {
			v.json(name, value)
		}
	default:
		v.add(name, x)
	}
}

// constant lists the names of which one value was seen.
func (v values) constant(but *regexp.Regexp) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if len(v[name]) < 2 && !but.MatchString(name) {
			out = append(out, fmt.Sprint(name, " is always ", slices.Collect(maps.Keys(v[name]))))
		}
	}
	return out
}

// eventful is a day of which each kind of event is a part.
func (r *running) eventful() {
	r.t.Helper()
	w := newTown("red", 8, noon+2*hour, noon+4*hour)
	w.loss, w.pace = 0.3, minute
	w.cutFrom, w.cutTo, w.never = noon+3*hour, noon+3*hour+20*minute, 1
	w.dev = func(i int) report.Device {
		d := newDevice("x", 0).dev
		d.Mode, d.Platform, d.App = report.Light, report.IOS, "2.29"
		return d
	}
	list := w.play()
	for _, x := range list {
		for i := range x.u.Events {
			elsewhere(&x.u.Events[i])
		}
	}
	r.feed(list)
	d := newDevice("witness", noon+2*hour)
	at := noon + 2*hour
	event := func(kind report.Kind, e report.Event) {
		at += second
		e.At, e.Kind = at, kind
		e = in("red", e)
		elsewhere(&e)
		d.add(e)
	}
	event(report.Membership, report.Event{Member: "witness", Joined: true, Audience: 9})
	at += 20 * minute
	for i := range 10 {
		name := fmt.Sprint("trouble-", i)
		event(report.Composed, report.Event{Message: name, Member: "witness", Class: report.Multicast, Audience: 8, Size: 9})
		event(report.Attempted, report.Event{Message: name, Attempt: 1})
		event(report.Refused, report.Event{Message: name, Attempt: 1, Code: "no_peers"})
		if i > 3 {
			event(report.Handed, report.Event{Message: name, Attempt: 2})
			event(report.Resent, report.Event{Message: name, Attempt: 2})
			event(report.Stored, report.Event{Message: name, Answer: []string{"yes", "no"}[i%2]})
		}
		event(report.GaveUp, report.Event{Message: name})
		event(report.Missing, report.Event{Message: fmt.Sprint("red-message-002", i), Member: "red-member-01"})
		event(report.Undecodable, report.Event{Message: fmt.Sprint("red-message-001", i), Member: "red-member-02", Class: report.Multicast, Path: report.ByStore, Code: "decrypt"})
		event(report.Repaired, report.Event{Message: fmt.Sprint("red-message-002", i), Member: "red-member-02", Path: report.ByRepair})
		event(report.Received, report.Event{Message: fmt.Sprint("red-message-002", i), Member: "red-member-02", Class: report.Multicast, Path: report.ByRepair, Sent: at - 10*second})
		event(report.Received, report.Event{Message: fmt.Sprint("red-message-000", i), Member: "red-member-02", Class: report.Multicast, Path: []report.Path{report.ByStore, report.Unknown}[i%2], Sent: at - 10*second})
	}
	event(report.Missing, report.Event{Message: "phantom-1"})
	u := d.upload(at + minute)
	u.Dropped = []report.Range{{First: d.next, Last: d.next + 4}}
	u.Last = d.next + 4
	d.next += 5
	if reply := r.upload(u); len(reply.Rejected) > 0 {
		r.t.Fatalf("rejected: %+v", reply.Rejected)
	}
	r.upload(u) // again
	r.clock.set(noon + 6*hour)
	r.settled()
	tomorrow := newTown("amber", 3, noon+24*hour, noon+25*hour)
	tomorrow.loss = 0.5
	r.feed(tomorrow.play())
	r.settled()
}

// elsewhere moves an event to another community, topic and shard.
func elsewhere(e *report.Event) {
	if e.Channel != "" {
		e.Community, e.Topic, e.Pubsub = "reef", "/waku/1/0x05060708/rfc26", "/waku/2/rs/16/64"
	}
}

// late is what comes when the days are over: of a device that was there, and had a
// journal of its own.
func (r *running) late() {
	r.t.Helper()
	r.clock.set(noon + 61*hour)
	eventually(r.t, "the days are final", func() bool {
		return !strings.Contains(r.get("/v1/buckets?to=2026-07-01&from=2026-07-01").body, `"provisional":true`)
	})
	_, err := r.archive.Alive(r.t.Context(), noon+60*hour, 0)
	check(r.t, err)
	d := newDevice("late", noon)
	d.add(in("green", report.Event{At: noon, Kind: report.Membership, Member: "late", Joined: true, Audience: 8}))
	d.add(received("green", "green-message-0005", noon+4*minute))
	u := d.upload(noon + hour)
	u.Clock.Sent = noon + 61*hour
	r.upload(u)
	r.settled()
}

// constantFields are fields of answers that may be the same all through this story: the
// range that is asked for (TestOpenAPI changes it), incidents (TestDrop), and what
// package estimate works out and tests with stories made for it.
var constantFields = regexp.MustCompile(`^/v1/[a-z]+\.from$|\.comparison\.|\.incidents\.|\.causes\.|\.repair\.|\.undecodable$|trust\.(absent|share|idle)$|outcome$|` +
	`\.(design|others|P50|P90|P99|more|epoch|legacy)$|gaps\.gaps|live\.timeline|\.(messages|phantoms|message\})\.day$|message\}\.day$|phantoms\.by$|events\.(class|count|answer)$`)

// metrics adds the families of metrics: of each, all values together.
func (v values) metrics(text string) {
	families := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(causeway_[a-z_]+?)(?:_sum|_count|_bucket)?(\{.*?\})? (\S+)$`).FindAllStringSubmatch(text, -1) {
		families[m[1]] += m[2] + m[3] + " "
	}
	for name, all := range families {
		v.add("metric "+name, all)
	}
}

// constantMetrics need a failure: TestOutage, TestUploadBusy and archivetest's Retain make
// those.
var constantMetrics = regexp.MustCompile(`_(commit_failures_total|gap_seconds_total|deleted_rows_total|queue_length|buckets_due|rejected_events_total)$`)

// constantColumns are those of views that are the same all through this story. What they
// say is compared with the API where they are fields of it.
var constantColumns = regexp.MustCompile(`^telemetry_collector_gaps|_incidents|estimated_at$|telemetry_(messages|phantoms)\.day$|undecodable|lost_24h|silent_cells|epoch$|class$|latency|old_formula|devices$`)

// columns adds what is in the views.
func (v values) columns(t *testing.T, db *sql.DB) {
	t.Helper()
	for view, columns := range viewColumns {
		for _, c := range strings.Fields(columns) {
			rows, err := db.QueryContext(t.Context(), `SELECT DISTINCT `+c+` FROM `+view+` LIMIT 2`)
			check(t, err)
			for rows.Next() {
				var value any
				check(t, rows.Scan(&value))
				v.add(view+"."+c, value)
			}
			check(t, rows.Err())
		}
	}
}

// TestNouns: no field of any answer, no metric and no column of a view is a constant.
func TestNouns(t *testing.T) {
	r, _ := storied(t)
	r.settled() // of half a day there may be too little to differ
	d := describe(t, r)
	v, metrics, columns := values{}, values{}, values{}
	look := func() {
		metrics.metrics(r.get("/metrics").body)
		for path, ask := range d.reading() {
			if path == "/metrics" {
				continue
			}
			if path == "/v1/messages/{message}" {
				for _, m := range []string{"trouble-5", "trouble-6", "trouble-1", "red-message-0012", "red-message-0021", "phantom-1"} {
					var x any
					if a := r.get("/v1/messages/" + m); a.status == 200 && json.Unmarshal([]byte(a.body), &x) == nil {
						v.json(path, x)
					}
				}
			}
			for _, change := range []string{"", "by=topic", "by=protocol", "row=everyone&step=day", "measure=24h&curves=yes", "channel=green", "channel=red&limit=1000", "to=2026-07-02", "a=ios&b=linux&by=platform", "day=2026-07-02&channel=amber"} {
				a := r.withQuery(ask, calm, change)
				var x any
				if a.status == 200 && json.Unmarshal([]byte(a.body), &x) == nil {
					v.json(path, x)
				}
			}
		}
	}
	look()
	r.eventful()
	look()
	r.late()
	look()
	if list := v.constant(constantFields); len(list) > 0 {
		t.Errorf("%s", strings.Join(list, "\n"))
	}
	if list := metrics.constant(constantMetrics); len(list) > 0 || len(metrics) < 20 {
		t.Errorf("%d metrics\n%s", len(metrics), strings.Join(list, "\n"))
	}
	columns.columns(t, r.archive.(*archive.SQL).DB())
	if list := columns.constant(constantColumns); len(list) > 0 || len(columns) < 100 {
		t.Errorf("%d columns\n%s", len(columns), strings.Join(list, "\n"))
	}
	if len(v) < 150 {
		t.Errorf("%d fields", len(v))
	}
}
