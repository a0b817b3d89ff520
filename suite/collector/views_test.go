package collector_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/suite/collector/internal/pgtest"
	"github.com/causeway-im/causeway/telemetry/report"
)

// viewColumns are the promise: a column that is here must stay.
var viewColumns = map[string]string{
	"telemetry_channels":       "channel community content_topic pubsub_topic installs",
	"telemetry_buckets":        "day channel community content_topic cells low high revision provisional late_revisions estimated_at",
	"telemetry_revisions":      "day channel revision estimated_at provisional cells low high",
	"telemetry_rates":          "day dimension value members measure delivered lost unknown_cells undecodable silent_cells low high interval_low interval_high estimate no_estimate_because unknown_share effective_cells provisional revision",
	"telemetry_funnel":         "day dimension value composed attempted handed left_device unsent stored acknowledged gave_up resent latency_p50_ms latency_p90_ms ack_p50_ms",
	"telemetry_old_formula":    "hour value",
	"telemetry_messages":       "day channel content_topic message author composed_at left_device handed attempts acknowledged_ms delivered_60s lost_60s unknown_60s undecodable_60s delivered_24h lost_24h unknown_24h undecodable_24h",
	"telemetry_phantoms":       "day channel message author noticed_at devices counted_as_lost",
	"telemetry_incidents":      "from_time to_time open scope name silent_devices isolated_devices watched_devices probability known_share",
	"telemetry_collector_gaps": "from_time to_time",
	"telemetry_events":         "day channel install epoch seq at arrived_at kind message member class path answer code sent_at size audience count attempt bytes",
}

func TestViewsSQLite(t *testing.T)   { testViews(t, sqliteFile(t)) }
func TestViewsPostgres(t *testing.T) { testViews(t, pgtest.Database(t)) }

// testViews: the views have the columns that are promised, and say what the API says.
func testViews(t *testing.T, where string) {
	r := startOn(t, where, roomy)
	w := newTown("green", 6, noon-3*hour, noon+hour)
	w.loss, w.pace = 0.1, minute
	w.cutFrom, w.cutTo = noon-hour, noon-30*minute
	list := w.play()
	ghost := newDevice("ghost", noon)
	ghost.add(in("green", report.Event{At: noon, Kind: report.Membership, Member: "ghost", Joined: true, Audience: 7}))
	ghost.add(in("green", report.Event{At: noon + minute, Kind: report.Missing, Message: "phantom-1", Member: w.member(0)}))
	r.feed(list)
	r.upload(ghost.upload(noon + 2*minute))
	r.clock.set(noon + 2*hour + 20*minute)
	db := r.archive.(*archive.SQL).DB()
	count := func(query string) (n int) {
		t.Helper()
		check(t, db.QueryRowContext(t.Context(), query).Scan(&n))
		return n
	}
	eventually(t, "everything is there", func() bool {
		return count(`SELECT count(*) FROM telemetry_phantoms`) == 1 && count(`SELECT count(*) FROM telemetry_incidents WHERE scope = 'everybody'`) > 0 && count(`SELECT count(*) FROM telemetry_old_formula`) > 0 && len(r.estimates(calm)) == 1
	})
	for view, columns := range viewColumns {
		rows, err := db.QueryContext(t.Context(), `SELECT * FROM `+view+` LIMIT 1`)
		check(t, err)
		got, err := rows.Columns()
		check(t, err)
		for _, c := range strings.Fields(columns) {
			if !slices.Contains(got, c) {
				t.Errorf("%s has no column %s", view, c)
			}
		}
		check(t, rows.Close())
		if view != "telemetry_collector_gaps" && count(`SELECT count(*) FROM `+view) == 0 {
			t.Errorf("%s is empty", view)
		}
	}
	_, err := r.archive.Alive(t.Context(), noon+1000*24*hour, 0) // nobody was there for years
	check(t, err)
	if count(`SELECT count(*) FROM telemetry_collector_gaps`) != 1 {
		t.Error("the gap is not in its view")
	}
	guideQueries(t, db)
	var delivered, low, high float64
	eventually(t, "view and API are of the same revision", func() bool {
		all := r.estimates(calm)[0].Covered[1]
		check(t, db.QueryRowContext(t.Context(), `SELECT delivered, low, high FROM telemetry_rates WHERE dimension = 'all' AND members = 'covered' AND measure = '60s' ORDER BY day DESC LIMIT 1`).Scan(&delivered, &low, &high))
		return delivered == all.Delivered && low == all.Bounds.Low && high == all.Bounds.High
	})
	// The phantom, whose author reports, is a message, too.
	if n := count(`SELECT count(*) FROM telemetry_events WHERE kind = 'composed' AND channel = 'green'`); n+1 != count(`SELECT count(*) FROM telemetry_messages`) || n < 300 {
		t.Errorf("%d composed messages in events, %d in messages", n, count(`SELECT count(*) FROM telemetry_messages`))
	}
	if got := one(t, db, `SELECT at FROM telemetry_events ORDER BY at LIMIT 1`); !strings.HasPrefix(got, "2026-07-01") {
		t.Errorf("the first event is of %s", got)
	}
	if got := one(t, db, `SELECT day FROM telemetry_buckets ORDER BY day DESC LIMIT 1`); !strings.HasPrefix(got, "2026-07-01") {
		t.Errorf("the last bucket is of %s", got)
	}
}

func one(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	var v any
	check(t, db.QueryRowContext(context.Background(), query).Scan(&v))
	return fmt.Sprint(v)
}
