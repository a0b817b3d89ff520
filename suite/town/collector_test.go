package town

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/causeway-im/causeway/telemetry"
	"github.com/causeway-im/causeway/telemetry/report"
)

const telemetrySecret = "what all members of the town know"

// collector is where telemetry goes. It counts events by kind, member and message.
type collector struct {
	mu     sync.Mutex
	events map[witnessed]map[uint64]bool // by their numbers: an upload may be repeated
}

type witnessed struct {
	kind                     report.Kind
	install, member, message string
}

func (c *collector) options(d *device) telemetry.Options {
	mode := report.Relay
	if d.light {
		mode = report.Light
	}
	return telemetry.Options{Journal: d.db.(telemetry.Journal), Consent: 1, Collector: "https://collector.example", Client: &http.Client{Transport: c},
		Device: report.Device{App: "town", Platform: report.Linux, Mode: mode, Protocol: "causeway"}}
}

// RoundTrip implements http.RoundTripper.
func (c *collector) RoundTrip(r *http.Request) (*http.Response, error) {
	unpack, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	var u report.Upload
	if err := json.NewDecoder(unpack).Decode(&u); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.events == nil {
		c.events = map[witnessed]map[uint64]bool{}
	}
	for _, e := range u.Events {
		k := witnessed{e.Kind, u.Install, e.Member, e.Message}
		if c.events[k] == nil {
			c.events[k] = map[uint64]bool{}
		}
		c.events[k][u.Epoch<<32|e.Seq] = true
	}
	answer, err := json.Marshal(report.Reply{Acknowledged: u.Last})
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(answer)), Request: r}, nil
}

// count counts the events about a message of somebody, over all devices.
func (c *collector) count(kind report.Kind, member, message string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, numbers := range c.events {
		if k.kind == kind && k.member == member && k.message == message {
			n += len(numbers)
		}
	}
	return n
}

// checkTelemetry ends the devices and fails if the collector was not told once by each
// device with telemetry of each message in its log.
func (w *town) checkTelemetry() {
	w.t.Helper()
	names, err := report.NewPseudonyms([]byte(telemetrySecret))
	check(w.t, err)
	w.close()
	compared := 0
	for _, s := range w.all {
		if s.now.Superseded != "" {
			continue
		}
		receivers, composers := 0, 0
		for _, d := range w.devices {
			switch {
			case !d.telemetry || !d.got(s.mid()):
			case d == s.from:
				composers++
			default:
				receivers++
			}
		}
		member, id := names.Member(string(s.person)), names.Message(s.id)
		if n := w.collect.count(report.Composed, member, id); n != composers {
			w.t.Errorf("%q of %s was composed %d times, not %d", s.Text, s.from.name(), n, composers)
		}
		if n := w.collect.count(report.Received, member, id); n != receivers {
			w.t.Errorf("%q of %s was received %d times, not %d", s.Text, s.from.name(), n, receivers)
		}
		compared += composers + receivers
	}
	if compared == 0 || !slices.ContainsFunc(w.devices, func(d *device) bool { return d.telemetry }) {
		w.t.Error("nothing was compared with telemetry")
	}
}
