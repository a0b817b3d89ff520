package collector_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/causeway-im/causeway/suite/collector"
	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/suite/collector/internal/pgtest"
	"github.com/causeway-im/causeway/telemetry/report"
)

// deathEnv tells a child where to die, as "Revise 2 after": at the second call of
// that method of the archive, before it or after it has returned.
const deathEnv = "CAUSEWAY_COLLECTOR_DEATH"

// evening is the time of children that die: the town is over, and all of it comes at
// once.
const evening = noon + 2*hour + 20*minute

// mortal is an archive whose process dies at some call.
type mortal struct {
	archive.Archive
	method string
	after  bool
	left   atomic.Int64
}

func mortalOf(t *testing.T, a archive.Archive, death string) *mortal {
	t.Helper()
	m := &mortal{Archive: a}
	var n int64
	when := ""
	if _, err := fmt.Sscan(death, &m.method, &n, &when); err != nil {
		t.Fatalf("%s=%q: %v", deathEnv, death, err)
	}
	m.after = when == "after"
	m.left.Store(n)
	return m
}

// mortally calls one of the methods, if the process survives it.
func (m *mortal) mortally(method string, call func()) {
	dies := method == m.method && m.left.Add(-1) == 0
	if dies && !m.after {
		die()
	}
	call()
	if dies {
		die()
	}
}

// die ends this process as kill -9 does: nothing is closed, and nothing is run.
func die() {
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		self.Kill()
	}
	select {}
}

func (m *mortal) Take(ctx context.Context, list []archive.Arrival) (out []archive.Taken, err error) {
	m.mortally("Take", func() { out, err = m.Archive.Take(ctx, list) })
	return out, err
}

func (m *mortal) Revise(ctx context.Context, r archive.Revision) (out archive.Revised, err error) {
	m.mortally("Revise", func() { out, err = m.Archive.Revise(ctx, r) })
	return out, err
}

func (m *mortal) SaveDay(ctx context.Context, d archive.DayRow) (err error) {
	m.mortally("SaveDay", func() { err = m.Archive.SaveDay(ctx, d) })
	return err
}

func (m *mortal) SaveIncidents(ctx context.Context, from, to int64, list []archive.IncidentRow) (err error) {
	m.mortally("SaveIncidents", func() { err = m.Archive.SaveIncidents(ctx, from, to, list) })
	return err
}

func (m *mortal) SaveNote(ctx context.Context, name, body string) (err error) {
	m.mortally("SaveNote", func() { err = m.Archive.SaveNote(ctx, name, body) })
	return err
}

// deaths are where children die, the last where it would hurt most: a channel's day is
// worked out, and the day of all channels is not.
func deaths() (out []string) {
	if os.Getenv("CAUSEWAY_NIGHTLY") == "" {
		return []string{"Take 2 after", "SaveIncidents 1 before", "SaveDay 1 before", "Revise 1 after"}
	}
	for n := range 12 {
		for _, method := range []string{"Take", "SaveIncidents", "SaveNote", "SaveDay", "Revise"} {
			if method == "SaveDay" { // perhaps there is no second one
				n = 0
			}
			out = append(out, fmt.Sprint(method, " ", n+1, " before"), fmt.Sprint(method, " ", n+1, " after"))
		}
	}
	return append(out, "Revise 1 after")
}

// TestDeathSQLite and TestDeathPostgres: collectors die at each step of taking and of
// working out, and in the end the tables are those of one that never died.
func TestDeathSQLite(t *testing.T)   { death(t, sqliteFile(t), sqliteFile(t)) }
func TestDeathPostgres(t *testing.T) { death(t, pgtest.Database(t), pgtest.Database(t)) }

func death(t *testing.T, where, elsewhere string) {
	list, uploads := deaths(), eveningUploads()
	next := 0 // that was not acknowledged
	for i, d := range list {
		freeLease(t, where)
		c := launch(t, where, deathEnv+"="+d)
		ended := make(chan struct{})
		go func() {
			c.cmd.Wait()
			close(ended)
		}()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		until, last := (i+1)*len(uploads)/len(list), max(next-1, 0)
		for ctx.Err() == nil && !isClosed(ended) && (next < until || strings.HasPrefix(d, "Take")) {
			if next == until { // nothing new, until it has taken often enough
				tryUpload(ctx, c.url, uploads[last])
			} else if _, ok := tryUpload(ctx, c.url, uploads[next]); ok {
				next, last = next+1, next
			}
		}
		select {
		case <-ended:
		case <-ctx.Done():
			t.Fatalf("nobody died of %q", d)
		}
		cancel()
		c.stdin.Close()
	}
	freeLease(t, where)
	died, lived := eveningTables(t, where, uploads[next:]), eveningTables(t, elsewhere, uploads)
	for view, rows := range lived {
		if len(rows) == 0 && view != "telemetry_collector_gaps" && view != "telemetry_old_formula" {
			t.Errorf("%s is empty", view)
		}
		if !slices.Equal(rows, died[view]) {
			t.Errorf("%s has %d rows after %d deaths, and %d without\n%s\n%s", view, len(died[view]), len(list), len(rows),
				strings.Join(without(died[view], rows), "\n"), strings.Join(without(rows, died[view]), "\n"))
		}
	}
}

// eveningUploads are those of two towns with an outage, and of one who has seen a
// phantom.
func eveningUploads() (out []*report.Upload) {
	ghost := newDevice("ghost", noon)
	ghost.add(in("green", report.Event{At: noon, Kind: report.Membership, Member: "ghost", Joined: true, Audience: 6}))
	ghost.add(in("green", report.Event{At: noon + minute, Kind: report.Missing, Message: "phantom-1", Member: "green-member-00"}))
	out = append(out, ghost.upload(noon+2*minute))
	for _, name := range []string{"green", "black"} {
		w := newTown(name, 5, noon, noon+2*hour)
		w.loss, w.pace = 0.1, 10*minute
		if os.Getenv("CAUSEWAY_NIGHTLY") != "" {
			w.pace = minute
		}
		w.cutFrom, w.cutTo = noon+hour, noon+hour+20*minute
		for _, x := range w.play() {
			out = append(out, x.u)
		}
	}
	for _, u := range out {
		u.Clock.Sent = evening
	}
	return out
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// freeLease ends that of the one who died: for the children time stands still, so that
// it would never end.
func freeLease(t *testing.T, where string) {
	t.Helper()
	a, err := archive.Open(t.Context(), where)
	check(t, err)
	defer a.Close()
	_, err = a.DB().ExecContext(t.Context(), `UPDATE service SET leads_until = 0`)
	check(t, err)
}

// eveningTables sends what is left, and returns what is then in the views, but for how
// often and when things were worked out.
func eveningTables(t *testing.T, where string, uploads []*report.Upload) map[string][]string {
	t.Helper()
	r := startOn(t, where, roomy, func(o *collector.Options) { o.Now = func() time.Time { return time.UnixMilli(evening) } })
	for _, u := range uploads {
		r.upload(u)
	}
	r.settled()
	db := r.archive.(*archive.SQL).DB()
	out := map[string][]string{}
	for view, columns := range viewColumns {
		if view == "telemetry_revisions" {
			continue
		}
		columns := slices.DeleteFunc(strings.Fields(columns), func(c string) bool {
			return c == "revision" || c == "late_revisions" || c == "estimated_at" || c == "arrived_at"
		})
		rows, err := db.QueryContext(t.Context(), `SELECT `+strings.Join(columns, ", ")+` FROM `+view)
		check(t, err)
		for rows.Next() {
			values := make([]any, len(columns))
			to := make([]any, len(columns))
			for i := range values {
				to[i] = &values[i]
			}
			check(t, rows.Scan(to...))
			out[view] = append(out[view], fmt.Sprint(values))
		}
		check(t, rows.Err())
		slices.Sort(out[view])
	}
	check(t, r.stop())
	return out
}

// without returns some of the rows that are not among others.
func without(rows, others []string) (out []string) {
	for _, r := range rows {
		if !slices.Contains(others, r) && len(out) < 5 {
			out = append(out, r)
		}
	}
	return out
}
