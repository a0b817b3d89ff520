package collector_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/causeway-im/causeway/suite/collector"
	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/suite/collector/internal/pgtest"
)

// A day of the benchmarks: so many channels of so many members get so many messages,
// which are 1,000,000 cells and a few more events.
const (
	dayChannels = 10
	dayMembers  = 101
	dayMessages = 1000
	dayOf       = "from=2026-07-01&to=2026-07-01"
	benchDays   = 10 // of 1,000,000 events each
)

// benchDay is the morning of 1 July 2026, and benchNow when the day is over and final
// but for what comes late.
const (
	benchDay = noon - 12*hour
	benchNow = benchDay + 49*hour
)

// eachEngine runs a benchmark on both databases.
func eachEngine(b *testing.B, f func(b *testing.B, where string)) {
	b.Run("SQLite", func(b *testing.B) { f(b, sqliteFile(b)) })
	b.Run("Postgres", func(b *testing.B) {
		if os.Getenv("CAUSEWAY_TEST_FSYNC") == "" {
			b.Skip("CAUSEWAY_TEST_FSYNC is not set: it would measure a database that forgets")
		}
		f(b, pgtest.Database(b))
	})
}

// BenchmarkDay: everything of a day of 1,000,000 cells is worked out anew.
func BenchmarkDay(b *testing.B) {
	eachEngine(b, func(b *testing.B, where string) {
		a := fillDay(b, where)
		cells := 0.0
		for b.Loop() {
			b.StopTimer()
			_, err := a.DB().ExecContext(b.Context(), fmt.Sprintf(`INSERT INTO dirty (channel, day, at) SELECT id, %d, 0 FROM channels`, int64(archive.DayOf(benchDay))))
			check(b, err)
			s := benchService(b, a)
			b.StartTimer()
			check(b, s.Round(b.Context()))
			b.StopTimer()
			rows, err := a.Buckets(b.Context(), archive.DayOf(benchDay), archive.DayOf(benchDay), 0, false)
			check(b, err)
			cells = 0
			for _, r := range rows {
				cells += r.Cells
			}
			check(b, s.Close())
			b.StartTimer()
		}
		b.ReportMetric(cells, "cells")
	})
}

// benchService is a collector that works when it is told to.
func benchService(b *testing.B, a archive.Archive) *collector.Service {
	b.Helper()
	s, err := collector.New(collector.Options{Archive: a, Now: func() time.Time { return time.UnixMilli(benchNow) }, Every: time.Nanosecond,
		Limits: collector.Limits{PerAddress: 1e9, BurstAddress: 1e9}})
	check(b, err)
	return s
}

// fillDay makes an archive with the reports of a day.
func fillDay(b *testing.B, where string) *archive.SQL {
	b.Helper()
	a, err := archive.Open(b.Context(), where)
	check(b, err)
	b.Cleanup(func() { check(b, a.Close()) })
	for c := range dayChannels {
		w := newTown(fmt.Sprint("channel-", c), dayMembers, benchDay, benchDay+24*hour)
		w.every, w.pace, w.loss = 24*hour/dayMessages, hour, 0.03
		var batch []archive.Arrival
		for i, x := range w.play() {
			batch = append(batch, archive.Arrival{Upload: x.u, At: x.at + 40})
			if i%dayMembers == dayMembers-1 {
				_, err := a.Take(b.Context(), batch)
				check(b, err)
				batch = nil
			}
		}
		_, err := a.Take(b.Context(), batch)
		check(b, err)
	}
	return a
}

// BenchmarkPages: what people and dashboards ask for, with 10,000,000 events in the
// archive. The days before the first are copies of it.
func BenchmarkPages(b *testing.B) {
	eachEngine(b, func(b *testing.B, where string) {
		a := fillDay(b, where)
		s := benchService(b, a)
		defer s.Close()
		check(b, s.Round(b.Context()))
		_, err := a.DB().ExecContext(b.Context(), fmt.Sprintf(`DELETE FROM buckets WHERE day <> %[1]d; DELETE FROM days WHERE day <> %[1]d`, int64(archive.DayOf(benchDay))))
		check(b, err)
		copyDays(b, a)
		server := httptest.NewServer(s.Handler())
		defer server.Close()
		const range10 = "from=2026-06-22&to=2026-07-01"
		for _, path := range []string{"/?" + dayOf, "/?" + range10, "/v1/estimates?by=topic&" + range10, "/v1/series?" + dayOf, "/v1/series?step=day&" + range10,
			"/v1/messages?" + range10, "/v1/messages/channel-3-message-0500", "/messages/channel-3-message-0500", "/v1/incidents?" + range10, "/v1/buckets?" + range10, "/v1/live", "/metrics"} {
			b.Run(path, func(b *testing.B) {
				for b.Loop() {
					resp, err := http.Get(server.URL + path)
					check(b, err)
					_, err = io.Copy(io.Discard, resp.Body)
					check(b, err)
					check(b, resp.Body.Close())
					if resp.StatusCode != http.StatusOK {
						b.Fatal(resp.Status)
					}
				}
			})
		}
	})
}

// copyDays fills the days before with copies.
func copyDays(b *testing.B, a *archive.SQL) {
	b.Helper()
	columns := map[string]string{
		"events": "channel, message, journal, seq, at, kind, member, class, path, answer, code, envelope, sent, size, audience, count, attempt, arrived, bytes",
		"messages": "channel, message, at, author, has_left, handed, attempts, acked, delivered, lost, censored, undecodable, delivered60, lost60, censored60, " +
			"undecodable60, lacking, without, digest",
		"buckets": "channel, revision, provisional, at, late, cells, low, high, digest, tallies",
		"days":    "at, revision, provisional, digest, tallies, estimates, trust, legacy",
	}
	today := archive.DayOf(benchDay)
	for back := range int64(benchDays - 1) {
		ghost := newDevice(fmt.Sprint("ghost-", back), benchDay-(back+1)*24*hour)
		ghost.add(received("channel-0", "m", benchDay-(back+1)*24*hour))
		u := ghost.upload(benchDay - (back+1)*24*hour + minute)
		u.Clock.Sent = benchNow
		_, err := a.Take(b.Context(), []archive.Arrival{{Upload: u, At: benchNow}}) // makes the partition
		check(b, err)
		for table, list := range columns {
			_, err := a.DB().ExecContext(b.Context(), fmt.Sprintf(`INSERT INTO %s (day, %s) SELECT %d, %s FROM %s WHERE day = %d`, table, list, int64(today)-back-1, list, table, int64(today)))
			check(b, err)
		}
	}
	var n int
	check(b, a.DB().QueryRowContext(b.Context(), `SELECT count(*) FROM events`).Scan(&n))
	if n < 10_000_000 {
		b.Fatalf("%d events", n)
	}
	if _, err := a.DB().ExecContext(b.Context(), `ANALYZE`); err != nil {
		b.Fatal(err)
	}
}
