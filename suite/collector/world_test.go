package collector_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/causeway-im/causeway/suite/collector"
	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/suite/collector/internal/pgtest"
	"github.com/causeway-im/causeway/telemetry/report"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// noon is 1 July 2026, 12:00 UTC.
const noon = int64(1_782_907_200_000)

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
)

// patience is how long a test waits for anything.
const patience = time.Minute

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// clock is one that the test turns.
type clock struct {
	mu sync.Mutex
	at int64
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.UnixMilli(c.at)
}

func (c *clock) set(at int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// running is a service that answers on a loopback address.
type running struct {
	*collector.Service
	t       testing.TB
	archive archive.Archive
	clock   *clock
	url     string
	stop    func() error
}

func sqliteFile(t testing.TB) string { return filepath.Join(t.TempDir(), "telemetry.db") }

// start runs a service on a new SQLite archive, whose time stands still at noon.
func start(t testing.TB, change ...func(*collector.Options)) *running {
	return startOn(t, sqliteFile(t), change...)
}

func startOn(t testing.TB, where string, change ...func(*collector.Options)) *running {
	t.Helper()
	a, err := archive.Open(t.Context(), where)
	check(t, err)
	r := &running{t: t, archive: a, clock: &clock{at: noon}}
	o := collector.Options{Archive: a, Now: r.clock.now, Every: 20 * time.Millisecond, Pause: 20 * time.Millisecond}
	for _, f := range change {
		f(&o)
	}
	r.Service, err = collector.New(o)
	check(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	r.url = "http://" + l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, l) }()
	stop := sync.OnceValue(func() error {
		cancel()
		err := <-done
		if e := a.Close(); err == nil {
			err = e
		}
		return err
	})
	r.stop = stop
	t.Cleanup(func() { check(t, stop()) })
	return r
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	reply  report.Reply
}

// post sends a body to a path.
func (r *running) post(path, body string, header ...string) answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, r.url+path, bytes.NewReader([]byte(body)))
	check(r.t, err)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return r.do(req)
}

func (r *running) get(path string, header ...string) answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, r.url+path, nil)
	check(r.t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return r.do(req)
}

func (r *running) do(req *http.Request) answer {
	r.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	check(r.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	check(r.t, err)
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(text)}
	if resp.StatusCode == http.StatusOK {
		_ = json.Unmarshal(text, &a.reply) // not all answers are replies
	}
	return a
}

// upload sends an upload, and wants it to be taken.
func (r *running) upload(u *report.Upload, header ...string) report.Reply {
	r.t.Helper()
	a := r.post("/v1/uploads", text(u), header...)
	if a.status != http.StatusOK {
		r.t.Fatalf("upload: %d %s", a.status, a.body)
	}
	return a.reply
}

// metric is the value of a line of /metrics, −1 if there is none.
func (r *running) metric(series string) float64 {
	r.t.Helper()
	for line := range strings.Lines(r.get("/metrics").body) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			check(r.t, err)
			return v
		}
	}
	return -1
}

// into reads an answer.
func (a answer) into(t testing.TB, to any) {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	check(t, json.Unmarshal([]byte(a.body), to))
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func zip(body string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(body))
	z.Close()
	return b.String()
}

// device writes a journal.
type device struct {
	install string
	epoch   uint64
	next    uint64
	told    int64
	events  []report.Event
	dev     report.Device
}

func newDevice(name string, from int64) *device {
	return &device{install: "install-" + name, epoch: 1, next: 1, told: from,
		dev: report.Device{App: "2.30", Platform: report.Linux, Mode: report.Relay, Protocol: "causeway", ProtocolVersion: "1", Consent: 1}}
}

// in places an event in a channel.
func in(channel string, e report.Event) report.Event {
	e.Community, e.Channel, e.Topic, e.Pubsub = "tea", channel, "/waku/1/0x01020304/rfc26", "/waku/2/rs/16/32"
	return e
}

func (d *device) add(e report.Event) *device {
	e.Seq = d.next
	d.next++
	d.events = append(d.events, e)
	return d
}

func (d *device) upload(at int64) *report.Upload {
	u := &report.Upload{Schema: report.Version, Install: d.install, Epoch: d.epoch, First: d.next - uint64(len(d.events)), Last: d.next - 1,
		Clock: report.Clock{Sent: at}, Coverage: []report.Span{{From: d.told, To: at}}, Events: d.events, Device: d.dev}
	d.events, d.told = nil, at
	return u
}

// eventually waits until f is true.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-ctx.Done():
			t.Fatalf("it never happened: %s", what)
		case <-tick.C:
		}
	}
}
