package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sim"
)

// Result is what a run showed. Times are of a real clock: they differ from run
// to run.
type Result struct {
	Transport Transport `json:"transport"`
	Seed      uint64    `json:"seed"`
	Members   int       `json:"members"`
	Loss      float64   `json:"loss"`
	Messages  int       `json:"messages"`

	Handed   int `json:"handed"`   // copies of packets handed to members who were online
	Lost     int `json:"lost"`     // of them lost
	Unheard  int `json:"unheard"`  // copies that did not reach a member who was offline
	Missed   int `json:"missed"`   // times that a member found a message missing
	Repaired int `json:"repaired"` // of them held in the end
	// Of the repaired: what came from members, and what the store had when it was
	// asked for the message, or for all that was said in a time.
	ByMembers      int `json:"repaired_by_members"`
	ByStoreHint    int `json:"repaired_by_store_hint"`
	ByStoreCatchUp int `json:"repaired_by_store_catch_up"`
	// FromStore is how often the store had a message for a member before that found
	// it missing.
	FromStore int `json:"from_store_unmissed"`

	Latencies
	// AllOnline is about the messages that were written while everybody was
	// online and stayed so for ten seconds.
	AllOnline AllOnline `json:"all_online"`
	Cut       *Cut      `json:"cut"` // null if nobody was cut off
	Drafts    int       `json:"drafts"`

	Packets map[string]int `json:"packets"` // by class, each broadcast once
	Bytes   Bytes          `json:"bytes"`

	// Waku is what the Waku nodes have counted; null over another network.
	Waku *Traffic `json:"waku"`

	Consistent          bool     `json:"consistent"`   // all logs are identical, and whole
	Acknowledged        int      `json:"acknowledged"` // messages that everybody is known to have
	Violations          []string `json:"violations"`   // of what the protocol promises, receipts that count too many above all
	ConversationSeconds float64  `json:"conversation_seconds"`
	Seconds             float64  `json:"seconds"` // until everything was acknowledged, or patience was at an end
	Databases           string   `json:"databases,omitempty"`
	OK                  bool     `json:"ok"`
	Failures            []string `json:"failures"` // why it is not OK
	Overdue             []string `json:"overdue"`  // messages that are not known to have reached all
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

// latencies are how long things took, over a set of messages.
type latencies struct {
	messages                          int
	detect, repair, firstAck, fullAck []time.Duration
}

// latencies collects those of all messages, or of those that were written while
// everybody was online.
func (r *recorder) latencies(calm bool) latencies {
	var l latencies
	for _, t := range r.order {
		if calm && !t.calm {
			continue
		}
		l.messages++
		for i, noticed := range t.noticed {
			l.detect = append(l.detect, noticed.Sub(t.written))
			if arrived, ok := t.arrived[i]; ok {
				l.repair = append(l.repair, arrived.Sub(noticed))
			}
		}
		if !t.first.IsZero() {
			l.firstAck = append(l.firstAck, t.first.Sub(t.written))
		}
		if !t.full.IsZero() {
			l.fullAck = append(l.fullAck, t.full.Sub(t.written))
		}
	}
	return l
}

func (l *latencies) percentiles() Latencies {
	return Latencies{percentiles(l.detect), percentiles(l.repair), percentiles(l.firstAck), percentiles(l.fullAck)}
}

// Result returns what the run has shown, after Play. It is OK only if everything
// that was to be shown is so.
func (r *Run) Result() (Result, error) {
	all, calm := r.rec.latencies(false), r.rec.latencies(true)
	n, repaired := r.audit.counts, r.rec.repaired
	res := Result{Transport: r.opts.Transport, Seed: r.opts.Seed, Members: r.opts.Members, Loss: r.opts.Loss, Messages: len(r.rec.order),
		Handed: n.handed, Lost: n.lost, Unheard: n.unheard, Missed: len(all.detect), Repaired: len(all.repair),
		ByMembers: repaired[fromMember], ByStoreHint: repaired[fromHint], ByStoreCatchUp: repaired[fromCatchUp],
		FromStore: r.rec.unmissed[fromHint] + r.rec.unmissed[fromCatchUp], Waku: r.audit.waku,
		Latencies: all.percentiles(),
		AllOnline: AllOnline{calm.messages, len(calm.detect), len(calm.repair), calm.percentiles()},
		Cut:       r.cutResult(), Drafts: r.rec.drafted, Packets: map[string]int{},
		Consistent: r.audit.identical(r.plan.messages) && len(r.audit.problems) == 0, Acknowledged: r.audit.reached,
		Violations:          append([]string{}, r.rec.violations...),
		ConversationSeconds: r.plan.length.Seconds(), Seconds: r.ended.Seconds(), Overdue: append([]string{}, r.audit.overdue...)}
	if r.opts.Keep != "" {
		res.Databases = r.folder
	}
	if err := r.traffic(&res); err != nil {
		return res, err
	}
	res.Failures = r.failures(&res)
	res.OK = len(res.Failures) == 0
	return res, nil
}

func (r *Run) cutResult() *Cut {
	if r.cut < 0 {
		return nil
	}
	c := &Cut{Member: r.cut, FromSeconds: r.plan.cutFrom().Seconds(), ToSeconds: r.plan.cutTo().Seconds()}
	if back := r.rec.returned; back != nil && !back.done.IsZero() {
		ms := back.done.Sub(back.at).Milliseconds()
		c.CaughtUp = &ms
	}
	return c
}

// classes are those of a group that sends nothing ephemeral, in the order of
// the table.
var classes = []causeway.Class{sds.ClassContent, sds.ClassResend, sds.ClassRepair, sds.ClassRequest, sds.ClassAck, sds.ClassSync}

// traffic fills in what was sent, and what others would have sent.
func (r *Run) traffic(res *Result) error {
	b := &res.Bytes
	b.ByClass = map[string]int{}
	total := 0
	for _, c := range classes {
		for _, m := range r.audit.metrics {
			res.Packets[c.String()] += int(m.Sent[c].Packets)
			b.ByClass[c.String()] += int(m.Sent[c].Bytes)
		}
		total += b.ByClass[c.String()]
	}
	var inOne []time.Duration
	var other sim.Deployed
	for _, t := range r.rec.order {
		b.Content += len(t.text)
		inOne = append(inOne, time.Duration(t.control))
		log := r.rec.members[t.sender].log[:t.before]
		if err := other.Sent(participant(t.sender), sds.At(t.written), t.id, []byte(t.text), log); err != nil {
			return fmt.Errorf("demo: cost of deployed implementations: %w", err)
		}
	}
	b.Control = total - b.Content
	b.InMessageP50, b.InMessageP99 = int(sim.Percentile(inOne, 50)), int(sim.Percentile(inOne, 99))
	b.JS, b.Nim = other.JS, other.Nim
	return nil
}

// failures lists what the run should have shown and did not.
func (r *Run) failures(res *Result) []string {
	list := []string{}
	fail := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if !r.done {
		fail("the group was not done %s after the last message", short(r.opts.Patience))
	}
	if !r.audit.identical(r.plan.messages) {
		fail("the logs differ: %s", r.difference())
	}
	for _, p := range r.audit.problems {
		fail("%s", p)
	}
	if n := res.Messages - res.Acknowledged; n > 0 {
		fail("%d of %d messages are not known to have reached all", n, res.Messages)
	}
	if n := len(res.Violations); n > 0 {
		fail("%d violations of what is promised, the first %s", n, res.Violations[0])
	}
	return list
}

// difference says who has most and least.
func (r *Run) difference() string {
	low, high := 0, 0
	count := func(i int) uint64 { return r.audit.digests[i].Count }
	for i := range r.audit.digests {
		if count(i) < count(low) {
			low = i
		}
		if count(i) > count(high) {
			high = i
		}
	}
	if count(low) == count(high) {
		return fmt.Sprintf("all have %d messages, but not the same, of %d", count(low), r.plan.messages)
	}
	return fmt.Sprintf("member %d has %d messages, member %d has %d, of %d", low, count(low), high, count(high), r.plan.messages)
}

// WriteJSON writes r as one indented JSON object.
func (r *Result) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}
