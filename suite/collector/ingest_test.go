package collector_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/causeway-im/causeway/suite/collector"
	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/telemetry/report"
)

func received(channel, message string, at int64) report.Event {
	return in(channel, report.Event{At: at, Kind: report.Received, Message: message, Member: "author", Class: report.Multicast, Path: report.ByRelay, Sent: at - 100, Size: 5})
}

// TestUpload: an upload is answered with what is durable, plain and compressed, and
// counts once.
func TestUpload(t *testing.T) {
	r := start(t)
	d := newDevice("a", noon-hour)
	u := d.add(report.Event{At: noon - hour, Kind: report.Presence, State: report.Online}).add(received("c", "m", noon-minute)).upload(noon)
	for range 2 {
		if got := r.upload(u); got.Acknowledged != 2 || len(got.Rejected) != 0 {
			t.Errorf("%+v", got)
		}
	}
	u = d.add(received("c", "n", noon)).upload(noon + second)
	if got := r.post("/v1/uploads", zip(text(u)), "Content-Encoding", "gzip"); got.reply.Acknowledged != 3 {
		t.Errorf("compressed: %d %s", got.status, got.body)
	}
	channels, err := r.archive.Channels(t.Context())
	check(t, err)
	for id := range channels {
		events, err := r.archive.Events(t.Context(), archive.Bucket{Channel: id, Day: archive.DayOf(noon)}, "m", 10)
		check(t, err)
		want := d.add(received("c", "m", noon-minute)).events[0]
		want.Seq = 2
		if len(events) != 1 || text(events[0].Event) != text(want) {
			t.Errorf("kept %+v, want %+v", events, want)
		}
	}
}

// TestUploadPerItem: what is wrong with an event is said of it, and the others are
// taken.
func TestUploadPerItem(t *testing.T) {
	r := start(t)
	old := noon - 40*24*hour
	var want []string
	d := newDevice("a", noon-hour)
	good := 0
	for _, x := range []struct {
		field string
		event report.Event
	}{
		{"", received("c", "m", noon)},
		{"kind", report.Event{At: noon, Kind: "telepathy"}},
		{"kind", report.Event{At: noon}},
		{"at", received("c", "m", old)},
		{"at", received("c", "m", noon+26*hour)},
		{"channel", report.Event{At: noon, Kind: report.Composed, Message: "m", Member: "p", Class: report.Multicast}},
		{"message", in("c", report.Event{At: noon, Kind: report.Handed})},
		{"member", in("c", report.Event{At: noon, Kind: report.Composed, Message: "m", Class: report.Multicast})},
		{"class", in("c", report.Event{At: noon, Kind: report.Received, Message: "m", Member: "p"})},
		{"class", in("c", report.Event{At: noon, Kind: report.Received, Message: "m", Member: "p", Class: "gossip"})},
		{"path", in("c", report.Event{At: noon, Kind: report.Repaired, Message: "m", Path: "pigeon"})},
		{"answer", in("c", report.Event{At: noon, Kind: report.Stored, Message: "m", Answer: "perhaps"})},
		{"state", report.Event{At: noon, Kind: report.Presence, State: "asleep"}},
		{"state", in("c", report.Event{At: noon, Kind: report.Handed, Message: "m", State: report.Online})},
		{"channel", in("c", report.Event{At: noon, Kind: report.Presence, State: report.Online})},
		{"message", in("c", report.Event{At: noon, Kind: report.Handed, Message: strings.Repeat("m", 65)})},
		{"message", in("c", report.Event{At: noon, Kind: report.Handed, Message: "a\x00b"})},
		{"message", in("c", report.Event{At: noon, Kind: report.Handed, Message: "<script>"})},
		{"code", in("c", report.Event{At: noon, Kind: report.Refused, Message: "m", Code: "dial tcp 10.0.0.1: no route"})},
		{"topic", report.Event{At: noon, Kind: report.Traffic, Topic: strings.Repeat("x", 300)}},
		{"pubsub", report.Event{At: noon, Kind: report.Traffic, Pubsub: "a b"}},
		{"size", in("c", report.Event{At: noon, Kind: report.Handed, Message: "m", Size: -1})},
		{"audience", in("c", report.Event{At: noon, Kind: report.Handed, Message: "m", Audience: math.MaxInt64})},
		{"sent", in("c", report.Event{At: noon, Kind: report.Handed, Message: "m", Sent: -5})},
		{"bytes.sync", report.Event{At: noon, Kind: report.Traffic, Bytes: map[string]int64{"sync": -1}}},
		{"bytes", report.Event{At: noon, Kind: report.Traffic, Bytes: map[string]int64{"<b>": 1}}},
		{"", in("c", report.Event{At: noon, Kind: report.Undecodable, Code: "tampered"})},
	} {
		d.add(x.event)
		if x.field != "" {
			want = append(want, fmt.Sprintf("%d %s true", d.next-1, x.field))
		} else {
			good++
		}
	}
	got := r.upload(d.upload(noon))
	var fields []string
	for _, x := range got.Rejected {
		fields = append(fields, fmt.Sprintf("%d %s %v", x.Seq, x.Field, x.Permanent))
		if x.Reason == "" {
			t.Errorf("%d has no reason", x.Seq)
		}
	}
	if !slices.Equal(fields, want) {
		t.Errorf("rejected\n%s\nwant\n%s", strings.Join(fields, "\n"), strings.Join(want, "\n"))
	}
	if got.Acknowledged != d.next-1 {
		t.Errorf("acknowledged %d, want %d: what is rejected for good must not come back", got.Acknowledged, d.next-1)
	}
	// The same in JSON of a wrong type.
	body := text(d.add(received("c", "m2", noon)).add(received("c", "m3", noon)).upload(noon))
	body = strings.Replace(body, `"size":5`, `"size":"five"`, 1)
	a := r.post("/v1/uploads", body)
	if a.status != http.StatusOK || len(a.reply.Rejected) != 1 || a.reply.Rejected[0].Field != "size" || a.reply.Acknowledged != d.next-1 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if strings.Contains(a.body, "five") {
		t.Error("the answer repeats what was sent")
	}
}

// TestUploadRefused: what is wrong with an upload as a whole is told by field.
func TestUploadRefused(t *testing.T) {
	r := start(t)
	make := func(change func(*report.Upload)) string {
		u := newDevice("a", noon-hour).add(received("c", "m", noon)).upload(noon)
		change(u)
		return text(u)
	}
	offset := int64(math.MaxInt64)
	for name, x := range map[string]struct {
		body   string
		status int
		field  string
	}{
		"schema":        {make(func(u *report.Upload) { u.Schema = 2 }), 422, "schema"},
		"no install":    {make(func(u *report.Upload) { u.Install = "" }), 422, "install"},
		"short install": {make(func(u *report.Upload) { u.Install = "abc" }), 422, "install"},
		"odd install":   {make(func(u *report.Upload) { u.Install = "install a/../b" }), 422, "install"},
		"epoch":         {make(func(u *report.Upload) { u.Epoch = 1 << 60 }), 422, "epoch"},
		"first 0":       {make(func(u *report.Upload) { u.First = 0 }), 422, "first"},
		"last":          {make(func(u *report.Upload) { u.First, u.Last = 5, 3 }), 422, "last"},
		"huge last":     {make(func(u *report.Upload) { u.Last = math.MaxUint64 }), 422, "last"},
		"sent":          {make(func(u *report.Upload) { u.Clock.Sent = 0 }), 422, "clock.sent"},
		"offset":        {make(func(u *report.Upload) { u.Clock.Offset = &offset }), 422, "clock.offset"},
		"mode":          {make(func(u *report.Upload) { u.Device.Mode = "" }), 422, "device.mode"},
		"no platform":   {make(func(u *report.Upload) { u.Device.Platform = "" }), 422, "device.platform"},
		"app":           {make(func(u *report.Upload) { u.Device.App = "v\n1" }), 422, "device.app"},
		"protocol":      {make(func(u *report.Upload) { u.Device.Protocol = "" }), 422, "device.protocol"},
		"no consent":    {make(func(u *report.Upload) { u.Device.Consent = 0 }), 422, "device.consent"},
		"dropped":       {make(func(u *report.Upload) { u.Dropped = []report.Range{{First: 5, Last: 4}} }), 422, "dropped[0]"},
		"dropped order": {make(func(u *report.Upload) {
			u.Last, u.Dropped = 9, []report.Range{{First: 5, Last: 6}, {First: 6, Last: 7}}
		}), 422, "dropped[1]"},
		"coverage":             {make(func(u *report.Upload) { u.Coverage = []report.Span{{From: 10, To: 5}} }), 422, "coverage[0]"},
		"not JSON":             {`{"schema":`, 400, ""},
		"an array":             {`[]`, 400, ""},
		"wrong type":           {`{"schema":"1"}`, 400, "schema"},
		"event without number": {`{"schema":1,"events":[{"seq":"x"}]}`, 400, "events[0]"},
		"empty":                {``, 400, ""},
	} {
		a := r.post("/v1/uploads", x.body)
		var f struct{ Error, Field string }
		if a.status != x.status || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s, want %d", name, a.status, a.body, x.status)
			continue
		}
		a.status = http.StatusOK
		a.into(t, &f)
		if f.Field != x.field || f.Error == "" {
			t.Errorf("%s: %+v, want the field %q", name, f, x.field)
		}
	}
	// A platform that is new is one of the others.
	if a := r.post("/v1/uploads", make(func(u *report.Upload) { u.Device.Platform = "haiku" })); a.status != http.StatusOK {
		t.Errorf("new platform: %d %s", a.status, a.body)
	}
}

// TestUploadLimits: sizes, before and after decompression, types and numbers of
// events.
func TestUploadLimits(t *testing.T) {
	r := start(t, func(o *collector.Options) { o.Limits.Body, o.Limits.Events = 100_000, 20 })
	many := newDevice("many", noon-hour)
	for i := range 21 {
		many.add(received("c", fmt.Sprint(i), noon))
	}
	bomb := zip(strings.Repeat(" ", 10_000_000))
	for name, x := range map[string]struct {
		body   string
		header []string
		status int
	}{
		"large":       {strings.Repeat(" ", 100_001), nil, 413},
		"bomb":        {bomb, []string{"Content-Encoding", "gzip"}, 413},
		"not gzip":    {"hello", []string{"Content-Encoding", "gzip"}, 400},
		"broken gzip": {bomb[:100], []string{"Content-Encoding", "gzip"}, 400},
		"coding":      {"hello", []string{"Content-Encoding", "br"}, 415},
		"type":        {"{}", []string{"Content-Type", "text/plain"}, 415},
		"events":      {text(many.upload(noon)), nil, 413},
	} {
		if a := r.post("/v1/uploads", x.body, x.header...); a.status != x.status {
			t.Errorf("%s: %d %s, want %d", name, a.status, a.body, x.status)
		}
	}
	if a := r.get("/v1/uploads"); a.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", a.status)
	}
	if a := r.get("/nothing"); a.status != http.StatusNotFound {
		t.Errorf("no such page: %d", a.status)
	}
}

// TestUploadUnknownLength: a body without a length is limited like others.
func TestUploadUnknownLength(t *testing.T) {
	r := start(t, func(o *collector.Options) { o.Limits.Body = 1000 })
	for n, want := range map[int]int{500: 400, 2000: 413} { // 400: it is no JSON
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/v1/uploads", struct{ *strings.Reader }{strings.NewReader(strings.Repeat("x", n))})
		check(t, err)
		req.ContentLength = -1
		req.Header.Set("Content-Type", "application/json")
		if a := r.do(req); a.status != want {
			t.Errorf("%d bytes: %d %s", n, a.status, a.body)
		}
	}
}

// TestUploadKeys: an installation that has shown a key must show it again; and a
// collector may want the same key of all.
func TestUploadKeys(t *testing.T) {
	r := start(t)
	d := newDevice("a", noon-hour)
	for i, x := range []struct {
		header string
		status int
	}{{"", 200}, {"Bearer mine", 200}, {"Bearer other", 403}, {"", 403}, {"Bearer mine", 200}, {"Basic eDp5", 401}, {"Bearer ", 401}} {
		var header []string
		if x.header != "" {
			header = []string{"Authorization", x.header}
		}
		if a := r.post("/v1/uploads", text(d.upload(noon+int64(i))), header...); a.status != x.status {
			t.Errorf("%d: %d %s, want %d", i, a.status, a.body, x.status)
		}
	}
	r = start(t, func(o *collector.Options) { o.Token = "everybody's" })
	d = newDevice("b", noon-hour)
	for header, status := range map[string]int{"": 401, "Bearer mine": 401, "Bearer everybody's": 200} {
		if a := r.post("/v1/uploads", text(d.upload(noon)), "Authorization", header); a.status != status {
			t.Errorf("%q: %d %s", header, a.status, a.body)
		}
	}
}

// TestUploadRates: who asks for too much is told when to come back, and others are
// not concerned.
func TestUploadRates(t *testing.T) {
	r := start(t, func(o *collector.Options) { o.Limits.PerInstall, o.Limits.BurstInstall = 0.001, 30 })
	d, other := newDevice("greedy", noon-hour), newDevice("modest", noon-hour)
	send := func(d *device) answer {
		return r.post("/v1/uploads", text(d.add(received("c", "m", noon)).upload(noon)))
	}
	for i := range 2 {
		if a := send(d); a.status != 200 {
			t.Fatalf("%d: %d %s", i, a.status, a.body)
		}
	}
	a := send(d)
	var f struct{ RetryAfter int }
	status := a.status
	a.status = 200
	a.into(t, &f)
	if status != http.StatusTooManyRequests || f.RetryAfter < 1 || a.header.Get("Retry-After") != fmt.Sprint(f.RetryAfter) {
		t.Errorf("%d %v %s", status, a.header, a.body)
	}
	if a := send(other); a.status != 200 {
		t.Errorf("another installation: %d %s", a.status, a.body)
	}

	r = start(t, func(o *collector.Options) { o.Limits.PerAddress, o.Limits.BurstAddress, o.TrustProxy = 0.001, 3, true })
	for i, x := range []struct {
		address string
		status  int
	}{{"203.0.113.5", 200}, {"203.0.113.5", 200}, {"203.0.113.5", 200}, {"203.0.113.5", 429}, {"203.0.113.6", 200}, {"1.2.3.4, 203.0.113.5", 429},
		{"2001:db8::1", 200}, {"2001:db8::2", 200}, {"2001:db8::3", 200}, {"2001:db8::4", 429}, {"2001:db8:0:1::1", 200}} {
		a := r.post("/v1/uploads", text(newDevice("a", noon-hour).upload(noon)), "X-Forwarded-For", x.address)
		if a.status != x.status {
			t.Errorf("%d, %s: %d %s, want %d", i, x.address, a.status, a.body, x.status)
		}
	}
}

// blocked is an archive that takes nothing until it is released, and remembers.
type blocked struct {
	archive.Archive
	entered chan struct{}
	release chan error
}

func (b *blocked) Take(ctx context.Context, uploads []archive.Arrival) ([]archive.Taken, error) {
	b.entered <- struct{}{}
	select {
	case err := <-b.release:
		if err != nil {
			return nil, err
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return b.Archive.Take(ctx, uploads)
}

// TestUploadBusy: while the archive hangs a bounded number of uploads waits and all
// others are told to come back; those that wait are answered when it goes on.
func TestUploadBusy(t *testing.T) {
	b := &blocked{entered: make(chan struct{}, 1000), release: make(chan error, 1000)}
	r := start(t, func(o *collector.Options) {
		b.Archive, o.Archive = o.Archive, b
		o.Limits.Queue = 4
	})
	var taken, busy atomic.Int64
	var all sync.WaitGroup
	post := func(i int) {
		all.Go(func() {
			a := r.post("/v1/uploads", text(newDevice(fmt.Sprint("device", i), noon-hour).add(received("c", "m", noon)).upload(noon)))
			switch {
			case a.status == http.StatusOK:
				taken.Add(1)
			case a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != "":
				busy.Add(1)
			default:
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	for i := range 2 { // one after the other, each in a transaction of its own
		post(i)
		<-b.entered
	}
	for i := range 40 {
		post(2 + i)
	}
	eventually(t, "all but four, who wait, are refused", func() bool { return busy.Load() == 36 })
	for range 200 {
		b.release <- nil
	}
	all.Wait()
	if taken.Load() != 2+4 || busy.Load() != 36 {
		t.Errorf("%d were taken, %d refused", taken.Load(), busy.Load())
	}
}

// TestUploadPoison: an upload that the archive can't take does not keep others out.
func TestUploadPoison(t *testing.T) {
	p := &poisoned{first: make(chan struct{}), go_: make(chan struct{})}
	r := start(t, func(o *collector.Options) { p.Archive, o.Archive = o.Archive, p })
	statuses := make(chan string, 10)
	post := func(name string) {
		a := r.post("/v1/uploads", text(newDevice(name, noon-hour).add(received("c", "m", noon)).upload(noon)))
		statuses <- fmt.Sprint(name, " ", a.status)
		if strings.Contains(a.body, "SQL") {
			t.Errorf("the answer tells of the archive: %s", a.body)
		}
	}
	// Two that block both writers, so that the others come in one batch. One after the
	// other, or one writer would have both.
	for _, name := range []string{"blocker-1", "blocker-2"} {
		go post(name)
		<-p.first
	}
	for _, name := range []string{"healthy-1", "poisoned", "healthy-2"} {
		go post(name)
	}
	eventually(t, "all wait", func() bool { return strings.Contains(r.get("/metrics").body, "causeway_collector_queue_length 3") })
	close(p.go_)
	got := []string{}
	for range 5 {
		got = append(got, <-statuses)
	}
	slices.Sort(got)
	if want := "[blocker-1 200 blocker-2 200 healthy-1 200 healthy-2 200 poisoned 503]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}

type poisoned struct {
	archive.Archive
	first, go_ chan struct{}
}

func (p *poisoned) Take(ctx context.Context, uploads []archive.Arrival) ([]archive.Taken, error) {
	for _, u := range uploads {
		switch {
		case strings.HasPrefix(u.Upload.Install, "install-blocker"):
			p.first <- struct{}{}
			<-p.go_
		case u.Upload.Install == "install-poisoned":
			return nil, errors.New("SQL logic error")
		}
	}
	return p.Archive.Take(ctx, uploads)
}

// TestStop: what waits when the service is told to stop is taken and answered.
func TestStop(t *testing.T) {
	b := &blocked{entered: make(chan struct{}, 10), release: make(chan error, 10)}
	r := start(t, func(o *collector.Options) { b.Archive, o.Archive = o.Archive, b })
	answers := make(chan answer, 1)
	go func() {
		answers <- r.post("/v1/uploads", text(newDevice("a", noon-hour).add(received("c", "m", noon)).upload(noon)))
	}()
	<-b.entered
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	eventually(t, "new connections are refused", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	b.release <- nil
	if a := <-answers; a.status != http.StatusOK || a.reply.Acknowledged != 1 {
		t.Errorf("%d %s", a.status, a.body)
	}
	check(t, <-stopped)
}

// TestFlood: hostile clients that send as much as they can do not make the service
// grow, and a good client still gets through.
func TestFlood(t *testing.T) {
	r := start(t, func(o *collector.Options) { o.Limits.PerAddress, o.Limits.BurstAddress = 1e6, 1e6 })
	bomb := zip(strings.Repeat(`{"schema":1,"events":[`, 400_000))
	half := strings.Repeat(`{"a":[`, 100_000)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var sent atomic.Int64
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			body, header := bomb, "gzip"
			if i%2 == 0 {
				body, header = half, "identity"
			}
			for ctx.Err() == nil {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/v1/uploads", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Content-Encoding", header)
				if resp, err := http.DefaultClient.Do(req); err == nil {
					resp.Body.Close()
					if resp.StatusCode == http.StatusOK {
						t.Error("rubbish was taken")
					}
				}
				sent.Add(1)
			}
		})
	}
	// Slow clients, who never finish.
	for range 50 {
		c, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		check(t, err)
		defer c.Close()
		fmt.Fprintf(c, "POST /v1/uploads HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 200000\r\n\r\n{")
	}
	peak := uint64(0)
	d := newDevice("good", noon-hour)
	taken := 0
	eventually(t, "500 requests and 20 good uploads", func() bool {
		if a := r.post("/v1/uploads", text(d.add(received("c", fmt.Sprint("m", taken), noon)).upload(noon+int64(taken)))); a.status == http.StatusOK {
			taken++
		} else if a.status != http.StatusServiceUnavailable {
			t.Errorf("%d %s", a.status, a.body)
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapInuse)
		return sent.Load() >= 500 && taken >= 20
	})
	stop()
	all.Wait()
	if limit := uint64(400 << 20); peak > limit {
		t.Errorf("the heap reached %d MiB", peak>>20)
	}
	t.Logf("heap at most %d MiB", peak>>20)
}

// TestConcurrent: of many clients at the same time nothing is mixed up.
func TestConcurrent(t *testing.T) {
	r := start(t)
	var all sync.WaitGroup
	const clients, rounds = 64, 5
	for i := range clients {
		all.Go(func() {
			name := fmt.Sprintf("client-%02d", i)
			d := newDevice(name, noon-hour)
			d.dev.App = name
			for k := range rounds {
				e := received(fmt.Sprint("channel-", i%4), fmt.Sprintf("message-%d", k), noon)
				e.Member, e.Code, e.Size = name, name, i
				u := d.add(e).upload(noon + int64(k))
				if a := r.post("/v1/uploads", text(u)); a.status != http.StatusOK || a.reply.Acknowledged != uint64(k+1) {
					t.Errorf("%d %s", a.status, a.body)
				}
			}
		})
	}
	all.Wait()
	channels, err := r.archive.Channels(t.Context())
	check(t, err)
	n := 0
	for id, c := range channels {
		for k := range rounds {
			events, err := r.archive.Events(t.Context(), archive.Bucket{Channel: id, Day: archive.DayOf(noon)}, fmt.Sprintf("message-%d", k), 1000)
			check(t, err)
			for _, e := range events {
				n++
				if want := "install-" + e.Member; e.Install != want || e.Code != e.Member || fmt.Sprintf("client-%02d", e.Size) != e.Member || fmt.Sprint("channel-", e.Size%4) != c.Name || e.Seq != uint64(k+1) {
					t.Errorf("mixed up: %+v", e)
				}
			}
		}
	}
	if n != clients*rounds {
		t.Errorf("%d events, want %d", n, clients*rounds)
	}
}

// TestHealth: healthy as long as the archive can be used.
func TestHealth(t *testing.T) {
	sick := &sickArchive{}
	r := start(t, func(o *collector.Options) { sick.Archive, o.Archive = o.Archive, sick })
	if a := r.get("/health"); a.status != http.StatusOK || a.body != "OK" {
		t.Errorf("%d %q", a.status, a.body)
	}
	sick.sick.Store(true)
	if a := r.get("/health"); a.status != http.StatusServiceUnavailable {
		t.Errorf("%d %q", a.status, a.body)
	}
}

type sickArchive struct {
	archive.Archive
	sick atomic.Bool
}

func (s *sickArchive) Ping(ctx context.Context) error {
	if s.sick.Load() {
		return errors.New("sick")
	}
	return s.Archive.Ping(ctx)
}

// TestOutage: the time in which no collector was there is a gap, which is told.
func TestOutage(t *testing.T) {
	where := sqliteFile(t)
	r := startOn(t, where)
	check(t, r.stop())
	r = startOn(t, where, func(o *collector.Options) {
		c := &clock{at: noon + hour}
		o.Now = c.now
	})
	var got struct{ Gaps []report.Span }
	eventually(t, "the gap is known", func() bool {
		r.get("/v1/gaps?from=2026-07-01&to=2026-07-01").into(t, &got)
		return len(got.Gaps) > 0
	})
	if want := (report.Span{From: noon, To: noon + hour}); len(got.Gaps) != 1 || got.Gaps[0] != want {
		t.Errorf("%+v, want %+v", got.Gaps, want)
	}
	eventually(t, "the metrics tell of the gap", func() bool { return r.metric("causeway_collector_gap_seconds_total") == 3600 })
}

// TestOptions: what can't work is refused.
func TestOptions(t *testing.T) {
	a, err := archive.Open(t.Context(), sqliteFile(t))
	check(t, err)
	defer a.Close()
	for name, o := range map[string]collector.Options{"no archive": {}, "negative": {Archive: a, Every: -1}, "short": {Archive: a, Keep: archive.Retention{Raw: time.Hour}}} {
		if s, err := collector.New(o); err == nil {
			s.Close()
			t.Errorf("%s was taken", name)
		}
	}
}
