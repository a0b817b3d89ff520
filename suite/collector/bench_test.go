package collector_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/causeway-im/causeway/suite/collector"
	"github.com/causeway-im/causeway/suite/collector/internal/pgtest"
	"github.com/causeway-im/causeway/telemetry/report"
)

// BenchmarkIngest measures what DESIGN.md §6 asks for: 64 clients, each of which sends
// uploads of 50 events one after the other over a connection that stays open, durable
// before they are answered. Clients, service and database share the machine. For
// PostgreSQL set CAUSEWAY_TEST_FSYNC=1, or nothing is flushed.
func BenchmarkIngest(b *testing.B) {
	b.Run("SQLite", func(b *testing.B) { ingest(b, sqliteFile(b)) })
	b.Run("Postgres", func(b *testing.B) {
		if os.Getenv("CAUSEWAY_TEST_FSYNC") == "" {
			b.Skip("CAUSEWAY_TEST_FSYNC is not set: it would measure a database that forgets")
		}
		ingest(b, pgtest.Database(b))
	})
}

const (
	benchClients = 64
	benchEvents  = 50
)

func ingest(b *testing.B, where string) {
	r := startOn(b, where, func(o *collector.Options) {
		o.Now = time.Now
		o.Every, o.Pause = time.Hour, time.Hour // what estimating costs is measured elsewhere
		o.Limits = collector.Limits{PerAddress: 1e9, BurstAddress: 1e9, PerInstall: 1e9, BurstInstall: 1e9}
	})
	transport := &http.Transport{MaxIdleConnsPerHost: benchClients, DialContext: (&net.Dialer{}).DialContext}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	bodies := benchBodies(b.N)
	var next atomic.Int64
	took := make([][]time.Duration, benchClients)
	var all sync.WaitGroup
	b.ResetTimer()
	for c := range benchClients {
		all.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(bodies) {
					return
				}
				began := time.Now()
				if err := send(client, r.url, bodies[i]); err != nil {
					b.Error(err)
					return
				}
				took[c] = append(took[c], time.Since(began))
			}
		})
	}
	all.Wait()
	b.StopTimer()
	times := slices.Sorted(slices.Values(slices.Concat(took...)))
	b.ReportMetric(float64(b.N*benchEvents)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
}

// benchBodies makes uploads of installations that each send many, one after the other.
func benchBodies(n int) []string {
	now := time.Now().UnixMilli()
	devices := make([]*device, 4*benchClients)
	for i := range devices {
		devices[i] = newDevice(fmt.Sprintf("bench-%d", i), now-minute)
	}
	out := make([]string, n)
	for i := range out {
		d := devices[i%len(devices)]
		for k := range benchEvents {
			d.add(in(fmt.Sprintf("channel-%d", k%5), report.Event{At: now - minute + int64(k), Kind: report.Received, Message: fmt.Sprintf("message-%07d-%d", i/len(devices), k),
				Member: "Zx81Qm2vT0aBcDeFgHiJkL", Class: report.Multicast, Path: report.ByRelay, Sent: now - minute, Size: 120}))
		}
		out[i] = zip(text(d.upload(d.told + 1)))
	}
	return out
}

func send(client *http.Client, url, body string) error {
	req, err := http.NewRequest(http.MethodPost, url+"/v1/uploads", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Content-Encoding", "gzip")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", resp.Status)
	}
	return nil
}
