package collector

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/telemetry/report"
)

// meters are the Prometheus metrics. Every label has values of a fixed list: none
// names a device, a member, a message or a channel.
type meters struct {
	registry *prometheus.Registry

	uploads   *prometheus.CounterVec // by code
	events    *prometheus.CounterVec // by kind
	rejected  prometheus.Counter
	duplicate prometheus.Counter
	old       *prometheus.CounterVec // by result
	commits   prometheus.Histogram
	batch     prometheus.Histogram
	failures  prometheus.Counter
	lag       prometheus.Histogram
	offset    prometheus.Histogram
	down      prometheus.Counter
	deleted   *prometheus.CounterVec
	estimated prometheus.Histogram
	backlog   prometheus.Gauge
	rounds    prometheus.Counter
	revised   prometheus.Counter
	late      prometheus.Counter

	bound     *prometheus.GaugeVec // today's: row, measure, bound
	unknown   *prometheus.GaugeVec
	silent    prometheus.Gauge
	incidents *prometheus.GaugeVec // open, by scope
	devices   prometheus.Gauge
}

func newMeters() *meters {
	const space = "causeway_collector_"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: space + name, Help: help})
	}
	vector := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: space + name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: space + name, Help: help, Buckets: buckets})
	}
	m := &meters{registry: prometheus.NewRegistry(),
		uploads:   vector("uploads_total", "Uploads by the status of their answer.", "code"),
		events:    vector("events_total", "Events that were new, by kind.", "kind"),
		rejected:  counter("rejected_events_total", "Events that were rejected for good."),
		duplicate: counter("repeated_events_total", "Events that were here already."),
		old:       vector("old_records_total", "Records of the old service's clients.", "result"),
		commits:   histogram("commit_seconds", "Time to make a batch of uploads durable.", prometheus.ExponentialBuckets(0.001, 2, 14)),
		batch:     histogram("commit_uploads", "Uploads of a batch.", prometheus.ExponentialBuckets(1, 2, 8)),
		failures:  counter("commit_failures_total", "Batches that could not be made durable."),
		lag:       histogram("event_lag_seconds", "From an event to its arrival, by the device's clock.", []float64{1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 86400, 7 * 86400}),
		offset:    histogram("clock_offset_seconds", "How much later the collector's clock is than the device's, or the request took.", []float64{-300, -60, -5, -1, 0, 1, 5, 60, 300}),
		down:      counter("gap_seconds_total", "Time in which no collector was there, as found by this one."),
		deleted:   vector("deleted_rows_total", "Rows deleted by retention.", "what"),
		estimated: histogram("estimate_seconds", "Time to estimate a bucket.", prometheus.ExponentialBuckets(0.001, 3, 10)),
		backlog:   gauge(space+"buckets_due", "Buckets that wait to be estimated."),
		rounds:    counter("rounds_total", "Rounds of the estimator."),
		revised:   counter("buckets_revised_total", "Buckets that changed."),
		late:      counter("buckets_revised_late_total", "Buckets that changed although their day was over for more than the horizon."),
		bound:     gauges("causeway_delivery_ratio", "Today's delivery of messages to many, as bounds; see docs/telemetry.md.", "row", "measure", "bound"),
		unknown:   gauges("causeway_delivery_unknown_ratio", "Share of today's cells that are unknown.", "row", "measure"),
		silent:    gauge("causeway_devices_unwell", "Devices that are silent without goodbye, isolated or offline."),
		incidents: gauges("causeway_incidents_open", "Incidents that go on, by scope.", "scope"),
		devices:   gauge("causeway_devices", "Devices that reported in the last day."),
	}
	m.registry.MustRegister(m.uploads, m.events, m.rejected, m.duplicate, m.old, m.commits, m.batch, m.failures, m.lag, m.offset, m.down,
		m.deleted, m.estimated, m.backlog, m.rounds, m.revised, m.late, m.bound, m.unknown, m.silent, m.incidents, m.devices,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// watch shows how many uploads wait.
func (m *meters) watch(jobs chan *job) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "causeway_collector_queue_length",
		Help: "Uploads that wait for the archive."}, func() float64 { return float64(len(jobs)) }))
}

func (m *meters) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *meters) refused(status int) { m.uploads.WithLabelValues(strconv.Itoa(status)).Inc() }

// took counts an upload.
func (m *meters) took(a *archive.Arrival, fresh, rejected int, now time.Time) {
	m.uploads.WithLabelValues("200").Inc()
	m.rejected.Add(float64(rejected))
	m.duplicate.Add(float64(len(a.Upload.Events) - fresh))
	m.offset.Observe(float64(a.At-a.Upload.Clock.Sent) / 1000)
	if fresh == 0 {
		return
	}
	kinds := map[report.Kind]int{}
	for i := range a.Upload.Events {
		kinds[a.Upload.Events[i].Kind]++
	}
	for kind, n := range kinds {
		m.events.WithLabelValues(string(kind)).Add(float64(n))
	}
	if n := len(a.Upload.Events); n > 0 {
		m.lag.Observe(float64(a.Upload.Clock.Sent-a.Upload.Events[0].At) / 1000)
	}
}

func (m *meters) commit(uploads int, took time.Duration, err error) {
	m.commits.Observe(took.Seconds())
	m.batch.Observe(float64(uploads))
	if err != nil {
		m.failures.Inc()
	}
}

func (m *meters) gap(milliseconds int64) { m.down.Add(float64(milliseconds) / 1000) }

func (m *meters) removed(r archive.Removed) {
	m.deleted.WithLabelValues("raw").Add(float64(r.Raw))
	m.deleted.WithLabelValues("cells").Add(float64(r.Cells))
}
