package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sim"
)

// Result is what a run showed. Its JSON has no wall time in it.
type Result struct {
	Seed     uint64  `json:"seed"`
	Members  int     `json:"members"`
	Loss     float64 `json:"loss"`
	Messages int     `json:"messages"`

	Handed   int `json:"handed"`   // packets handed to members
	Lost     int `json:"lost"`     // of them lost
	Missed   int `json:"missed"`   // times that a member found a message missing
	Repaired int `json:"repaired"` // of them held in the end

	Latencies
	// AllOnline is about the messages that were written while everybody was
	// online and stayed so for a minute.
	AllOnline AllOnline `json:"all_online"`
	Cut       Cut       `json:"cut"`

	Packets map[string]int `json:"packets"` // by class, each broadcast once
	Bytes   Bytes          `json:"bytes"`

	Consistent     bool     `json:"consistent"`   // all logs are identical
	Acknowledged   int      `json:"acknowledged"` // messages that everybody is known to have
	Violations     []string `json:"violations"`   // of what the protocol promises
	VirtualSeconds float64  `json:"virtual_seconds"`
	OK             bool     `json:"ok"`
	Failures       []string `json:"failures"` // why it is not OK
}

// Latencies are how long things took. Messages count from the moment when they
// were written, also when their writer was offline then.
type Latencies struct {
	Detect   Percentiles `json:"detect_ms"`    // from writing to a member's notice that it misses the message
	Repair   Percentiles `json:"repair_ms"`    // from that notice to having it
	FirstAck Percentiles `json:"first_ack_ms"` // from writing to the proof that somebody has it
	FullAck  Percentiles `json:"full_ack_ms"`  // from writing to the proof that everybody has it
}

// AllOnline is a part of a Result.
type AllOnline struct {
	Messages int `json:"messages"`
	Missed   int `json:"missed"`
	Repaired int `json:"repaired"`
	Latencies
}

// Cut tells who was cut off, and when.
type Cut struct {
	Member      int     `json:"member"`
	FromSeconds float64 `json:"from_seconds"`
	ToSeconds   float64 `json:"to_seconds"`
	// CaughtUp is how long after its return the member had everything that had
	// been written before; nil if it never had.
	CaughtUp *int64 `json:"caught_up_ms"`
	Drafts   int    `json:"drafts"` // messages that were written offline, by anybody
}

// Bytes counts each broadcast once, however many members hear it.
type Bytes struct {
	Content      int            `json:"content"` // what the members wrote
	Control      int            `json:"control"` // everything else, repeated content included
	ByClass      map[string]int `json:"by_class"`
	InMessageP50 int            `json:"in_message_p50"` // control in one content message
	InMessageP99 int            `json:"in_message_p99"`
	JS           int            `json:"js"`  // the content messages alone as @waku/sds 0.0.8 sends them
	Nim          int            `json:"nim"` // likewise, nim-sds master
}

// Percentiles of a latency, in milliseconds.
type Percentiles struct {
	P50 int64 `json:"p50"`
	P90 int64 `json:"p90"`
	P95 int64 `json:"p95"`
	P99 int64 `json:"p99"`
	Max int64 `json:"max"`
}

func percentiles(d []time.Duration) Percentiles {
	at := func(p float64) int64 { return sim.Percentile(d, p).Milliseconds() }
	return Percentiles{at(50), at(90), at(95), at(99), at(100)}
}

func (l *latencies) percentiles() Latencies {
	return Latencies{percentiles(l.detect), percentiles(l.repair), percentiles(l.firstAck), percentiles(l.fullAck)}
}

// Result returns what the run has shown so far. It is OK only if the run is done
// and everything that was to be shown is so.
func (r *Run) Result() Result {
	s := &r.group.Stats
	all, calm := r.rec.latencies(false), r.rec.latencies(true)
	res := Result{Seed: r.opts.Seed, Members: r.opts.Members, Loss: r.opts.Loss, Messages: s.Messages,
		Handed: s.Handed, Lost: s.Lost, Missed: len(all.detect), Repaired: len(all.repair),
		Latencies: all.percentiles(),
		AllOnline: AllOnline{calm.messages, len(calm.detect), len(calm.repair), calm.percentiles()},
		Cut:       r.cutResult(),
		Packets:   byClass(s.Packets), Bytes: r.bytes(),
		Consistent: r.group.Consistent(), Acknowledged: s.Acknowledged(),
		Violations: append([]string{}, r.group.Check.Violations...), VirtualSeconds: r.Elapsed().Seconds()}
	res.Failures = r.failures(&res)
	res.OK = len(res.Failures) == 0
	return res
}

func (r *Run) cutResult() Cut {
	c := Cut{Member: r.cut, FromSeconds: r.CutFrom().Seconds(), ToSeconds: r.CutTo().Seconds(), Drafts: r.rec.drafted}
	if d, ok := r.caughtUp(); ok {
		ms := d.Milliseconds()
		c.CaughtUp = &ms
	}
	return c
}

func (r *Run) bytes() Bytes {
	s := &r.group.Stats
	return Bytes{Content: s.Content, Control: s.Control(), ByClass: byClass(s.Bytes),
		InMessageP50: percentile(r.rec.inOne, 50), InMessageP99: percentile(r.rec.inOne, 99),
		JS: r.rec.other.JS, Nim: r.rec.other.Nim}
}

// percentile is sim.Percentile for numbers.
func percentile(n []int, p float64) int {
	d := make([]time.Duration, len(n))
	for i := range n {
		d[i] = time.Duration(n[i])
	}
	return int(sim.Percentile(d, p))
}

// classes are those of a group that sends nothing ephemeral, in the order of
// the table.
var classes = []sds.Class{sds.ClassContent, sds.ClassResend, sds.ClassRepair, sds.ClassRequest, sds.ClassAck, sds.ClassSync}

func byClass(counts map[sds.Class]int) map[string]int {
	m := map[string]int{}
	for _, c := range classes {
		m[c.String()] = counts[c]
	}
	return m
}

// failures lists what the run should have shown and did not.
func (r *Run) failures(res *Result) []string {
	list := []string{}
	fail := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if !r.done {
		fail("stopped at %s, before its end", r.Clock())
	}
	if !res.Consistent {
		fail("the logs differ: %s", r.difference())
	}
	if n := res.Messages - res.Acknowledged; n > 0 {
		fail("%d of %d messages are not known to have reached all", n, res.Messages)
	}
	if n := len(res.Violations); n > 0 {
		fail("%d violations of the protocol's promises, the first %s", n, res.Violations[0])
	}
	return list
}

// difference says who has most and least.
func (r *Run) difference() string {
	low, high := r.group.Members[0], r.group.Members[0]
	for _, m := range r.group.Members {
		if len(m.Log) < len(low.Log) {
			low = m
		}
		if len(m.Log) > len(high.Log) {
			high = m
		}
	}
	return fmt.Sprintf("member %d has %d messages, member %d %d", low.Index, len(low.Log), high.Index, len(high.Log))
}

// WriteJSON writes r as one indented JSON object.
func (r *Result) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}
