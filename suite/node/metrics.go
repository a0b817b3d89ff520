package node

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
)

// metricsOf answers for Prometheus about a node. Labels have values of fixed lists:
// none names a member, a message or a channel.
func metricsOf(n *causeway.Node) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{n})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// collector reads the counters of a node when it is asked.
type collector struct{ node *causeway.Node }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("causeway_node_"+name, help, labels, nil)
}

var (
	sentPackets  = describe("sent_packets_total", "Packets that the transport took.", "class")
	sentBytes    = describe("sent_bytes_total", "Their bytes.", "class")
	failed       = describe("failed_packets_total", "Packets that the transport did not take.", "class")
	deferred     = describe("deferred_packets_total", "Packets that had to wait for the quota.", "class")
	dropped      = describe("dropped_packets_total", "Packets that were given up since the quota was used up.", "class")
	received     = describe("received_packets_total", "Packets that came.", "from")
	receivedSize = describe("received_bytes_total", "Their bytes.", "from")
	unusable     = describe("unusable_packets_total", "Of these, those that nobody could use.", "why")
	messages     = describe("messages_total", "Messages that took a place in a log.", "whose")
	gaps         = describe("gaps_total", "Messages that were found missing, came after all, or were given up.", "state")
	commits      = describe("commits_total", "Transactions of the store.", "result")
	queries      = describe("store_queries_total", "Questions to stores of the network.", "result")
	online       = describe("online", "1 if the network can be reached.")
	queued       = describe("queued_packets", "Packets that wait for the transport or the quota.")
)

// Describe implements prometheus.Collector: what there is depends on nothing.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{sentPackets, sentBytes, failed, deferred, dropped, received, receivedSize, unusable, messages, gaps,
		commits, queries, online, queued} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	m := c.node.Metrics()
	count := func(d *prometheus.Desc, n uint64, label string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), label)
	}
	for class := sds.ClassContent; class <= sds.ClassEphemeral; class++ {
		name := class.String()
		count(sentPackets, m.Sent[class].Packets, name)
		count(sentBytes, m.Sent[class].Bytes, name)
		count(failed, m.Failed[class], name)
		count(deferred, m.Deferred[class], name)
		count(dropped, m.Dropped[class], name)
	}
	count(received, m.Received.Packets, "broadcast")
	count(received, m.Retrieved.Packets, "store")
	count(receivedSize, m.Received.Bytes, "broadcast")
	count(receivedSize, m.Retrieved.Bytes, "store")
	for why, n := range map[string]uint64{"undecodable": m.Undecodable, "not_for_me": m.NotForMe, "tampered": m.Tampered,
		"other_channel": m.OtherChannel, "refused": m.Refused, "queue_full": m.DroppedQueue, "store_failed": m.DroppedStore} {
		count(unusable, n, why)
	}
	count(messages, m.Own, "own")
	count(messages, m.Messages-m.Own, "others")
	count(gaps, m.GapsFound, "found")
	count(gaps, m.GapsRecovered, "recovered")
	count(gaps, m.GapsLost, "lost")
	count(commits, m.Commits, "done")
	count(commits, m.CommitFailures, "failed")
	count(queries, m.Queries-m.QueryFailures, "done")
	count(queries, m.QueryFailures, "failed")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if s, err := c.node.Status(ctx); err == nil {
		up := 0.0
		if s.Online {
			up = 1
		}
		out <- prometheus.MustNewConstMetric(online, prometheus.GaugeValue, up)
		out <- prometheus.MustNewConstMetric(queued, prometheus.GaugeValue, float64(s.Queued))
	}
}
