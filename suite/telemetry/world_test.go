package telemetry

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/telemetry"
	"github.com/causeway-im/causeway/telemetry/report"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const secret = "what all members of the community know"

func names(t testing.TB) *report.Pseudonyms {
	p, err := report.NewPseudonyms([]byte(secret))
	check(t, err)
	return p
}

// begin starts a Telemetry on a journal. collector may be nil: then nothing is sent.
func begin(j telemetry.Journal, c *collector) (*telemetry.Telemetry, error) {
	o := telemetry.Options{Journal: j, Consent: 1, MaxEvents: 10_000_000, MaxBytes: 1 << 30} // none is given up
	if c != nil {
		o.Collector, o.Client = "https://collector.example", &http.Client{Transport: c}
	}
	d, err := telemetry.New(context.Background(), o)
	if err != nil {
		return nil, err
	}
	return d, d.Describe(telemetry.Channel{ID: "tea", Community: "drinkers", Secret: []byte(secret), Member: "alice"})
}

func received(d *telemetry.Telemetry, id string) {
	d.Received(telemetry.Message{Channel: "tea", ID: id}, telemetry.Arrival{Author: "bob", Path: report.ByRelay})
}

// composed is what a node's transaction does when we write a message.
func composed(ctx context.Context, s store.Store, epoch uint64, d *telemetry.Telemetry, id string) error {
	e := causeway.Event{Channel: "tea", Kind: causeway.EventDelivered, ID: causeway.MessageID(id),
		Message: &causeway.Message{ID: causeway.MessageID(id), Sender: "alice", Own: true, Content: []byte("hi")}}
	return s.Commit(ctx, &store.Batch{Epoch: epoch, Values: map[string][]byte{id: {1}},
		Inside: func(tx store.Tx) error { return d.Committing(tx, []causeway.Event{e}) }})
}

// collector keeps what it is told, and complains about a number that is told in
// different words.
type collector struct {
	t        testing.TB
	mu       sync.Mutex
	events   map[number]report.Event
	highest  map[number]uint64 // of an install and epoch
	coverage []report.Span
}

type number struct {
	install    string
	epoch, seq uint64
}

func newCollector(t testing.TB) *collector {
	return &collector{t: t, events: map[number]report.Event{}, highest: map[number]uint64{}}
}

func (c *collector) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	unpack, err := gzip.NewReader(r.Body)
	check(c.t, err)
	var u report.Upload
	check(c.t, json.NewDecoder(unpack).Decode(&u))
	if len(u.Dropped) > 0 {
		c.t.Errorf("dropped %v", u.Dropped)
	}
	for _, e := range u.Events {
		k := number{u.Install, u.Epoch, e.Seq}
		if was, ok := c.events[k]; ok && fmt.Sprint(was) != fmt.Sprint(e) {
			c.t.Errorf("number %v was %v, is %v", k, was, e)
		}
		c.events[k] = e
		run := number{install: u.Install, epoch: u.Epoch}
		c.highest[run] = max(c.highest[run], e.Seq)
	}
	c.coverage = append(c.coverage, u.Coverage...)
	text, err := json.Marshal(report.Reply{Acknowledged: u.Last})
	check(c.t, err)
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(text)), Request: r}, nil
}

func (c *collector) covers(at int64) bool {
	for _, s := range c.coverage {
		if s.From <= at && at < s.To {
			return true
		}
	}
	return false
}

// truth is what happened to a device.
type truth struct {
	recorded map[string]int64 // by its methods, and when
	durable  map[string]bool  // in transactions of a node
}

// compare checks what the collector knows against the truth: nothing lost that was
// durable, nothing invented, nothing twice, no number missing, and whatever is
// covered is there.
func (c *collector) compare(w truth) {
	c.t.Helper()
	seen, count := map[string]int{}, uint64(0)
	for _, e := range c.events {
		seen[string(e.Kind)+e.Message]++
		count++
	}
	for _, n := range c.highest {
		count -= n
	}
	if count != 0 {
		c.t.Errorf("%d numbers are missing", -int64(count))
	}
	p, known := names(c.t), map[string]bool{}
	for id := range w.durable {
		k := string(report.Composed) + p.Message(id)
		if known[k] = true; seen[k] != 1 {
			c.t.Errorf("%s is there %d times", id, seen[k])
		}
	}
	there, covered := 0, 0
	for id, at := range w.recorded {
		k := string(report.Received) + p.Message(id)
		known[k] = true
		there += seen[k]
		if c.covers(at) {
			covered++
			if seen[k] != 1 {
				c.t.Errorf("%s at %d is covered, and there %d times", id, at, seen[k])
			}
		}
		if seen[k] > 1 {
			c.t.Errorf("%s is there %d times", id, seen[k])
		}
	}
	for k := range seen {
		if !known[k] && k[:8] == "received" || !known[k] && k[:8] == "composed" {
			c.t.Errorf("%s is invented", k)
		}
	}
	if len(w.recorded) > 0 && covered == 0 {
		c.t.Errorf("nothing is covered of %d, of which %d are there", len(w.recorded), there)
	}
}

// drain uploads everything that a journal has.
func drain(t testing.TB, j telemetry.Journal, c *collector) {
	t.Helper()
	d, err := begin(j, c)
	check(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	check(t, d.Close(ctx))
	if s, err := d.Stats(ctx); err != nil || s.Pending != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}
