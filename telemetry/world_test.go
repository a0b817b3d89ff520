package telemetry_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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

// collector is a collector without a network: it keeps what it is told, and
// complains about whatever is told twice in different words. Safe for concurrent
// use.
type collector struct {
	t  testing.TB
	mu sync.Mutex
	known
	// answer, if set, is asked in place of taking an upload. take takes it.
	answer  func(r *http.Request, u report.Upload, take func() report.Reply) (int, http.Header, any)
	after   func() // before the reply leaves
	setBack bool   // the clock may be
}

// known is what a collector was told.
type known struct {
	// events by install, epoch and number, as JSON.
	events   map[key]string
	dropped  map[key]bool
	coverage map[string][]report.Span // by install, in the order of arrival
	uploads  []report.Upload
	bodies   [][]byte
	raw      []byte // everything that came: addresses, headers and bodies, packed and unpacked
	times    []time.Time
}

// now returns what the collector knows now.
func (c *collector) now() known {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.known
	k.events, k.dropped, k.coverage = maps.Clone(k.events), maps.Clone(k.dropped), maps.Clone(k.coverage)
	return k
}

type key struct {
	install    string
	epoch, seq uint64
}

func newCollector(t testing.TB) *collector {
	return &collector{t: t, known: known{events: map[key]string{}, dropped: map[key]bool{}, coverage: map[string][]report.Span{}}}
}

var errNetwork = errors.New("no network")

func (c *collector) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times = append(c.times, time.Now())
	packed, err := io.ReadAll(r.Body)
	check(c.t, err)
	unpack, err := gzip.NewReader(bytes.NewReader(packed))
	check(c.t, err)
	body, err := io.ReadAll(unpack)
	check(c.t, err)
	c.raw = fmt.Appendf(c.raw, "%s %s %v\n%s\n%s\n", r.Method, r.URL, r.Header, packed, body)
	var u report.Upload
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	check(c.t, d.Decode(&u))
	if len(u.Events) > 500 || len(body) > 256<<10 {
		c.t.Errorf("%d events in %d bytes", len(u.Events), len(body))
	}
	status, header, reply := 200, http.Header{}, any(nil)
	if c.answer != nil {
		status, header, reply = c.answer(r, u, func() report.Reply { return c.take(u, body) })
		if status == 0 {
			return nil, errNetwork
		}
	} else {
		reply = c.take(u, body)
	}
	if c.after != nil {
		c.after()
	}
	text, err := json.Marshal(reply)
	check(c.t, err)
	return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: header, Body: io.NopCloser(bytes.NewReader(text)), Request: r}, nil
}

// take keeps an upload. mu is held.
func (c *collector) take(u report.Upload, body []byte) report.Reply {
	c.uploads, c.bodies = append(c.uploads, u), append(c.bodies, body)
	have := map[uint64]bool{}
	for _, d := range u.Dropped {
		for n := d.First; n <= d.Last; n++ {
			have[n] = true
			c.dropped[key{u.Install, u.Epoch, n}] = true
		}
	}
	for _, e := range u.Events {
		have[e.Seq] = true
		k := key{u.Install, u.Epoch, e.Seq}
		text, err := json.Marshal(e)
		check(c.t, err)
		if was, ok := c.events[k]; ok && was != string(text) {
			c.t.Errorf("number %d of epoch %d was\n%s, is\n%s", e.Seq, u.Epoch, was, text)
		}
		if _, ok := c.events[k]; !ok && !c.setBack {
			for _, s := range c.coverage[u.Install] {
				if s.From <= e.At && e.At < s.To {
					c.t.Errorf("event %d, %s at %d, is in a time that was claimed before it: %v", e.Seq, e.Kind, e.At, s)
				}
			}
		}
		c.events[k] = string(text)
	}
	for n := u.First; n <= u.Last; n++ {
		if !have[n] {
			c.t.Errorf("upload of %d to %d lacks %d", u.First, u.Last, n)
		}
	}
	if len(have) != int(u.Last+1-u.First) {
		c.t.Errorf("upload of %d to %d has %d numbers", u.First, u.Last, len(have))
	}
	for i, s := range u.Coverage {
		if s.From >= s.To || i > 0 && s.From <= u.Coverage[i-1].To {
			c.t.Errorf("coverage %v", u.Coverage)
		}
	}
	c.coverage[u.Install] = append(c.coverage[u.Install], u.Coverage...)
	return report.Reply{Acknowledged: u.Last}
}

// all returns the events, by install, epoch and number, and checks that no number
// is missing.
func (c *collector) all() (all []report.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var keys []key
	for k := range c.events {
		keys = append(keys, k)
	}
	for k := range c.dropped {
		if _, ok := c.events[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b key) int {
		if d := strings.Compare(a.install, b.install); d != 0 {
			return d
		}
		if d := int64(a.epoch) - int64(b.epoch); d != 0 {
			return int(d)
		}
		return int(int64(a.seq) - int64(b.seq))
	})
	for i, k := range keys {
		first := i == 0 || keys[i-1].install != k.install || keys[i-1].epoch != k.epoch
		if first && k.seq != 1 || !first && k.seq != keys[i-1].seq+1 {
			c.t.Errorf("number %d of epoch %d is missing", k.seq-1, k.epoch)
		}
		if text, ok := c.events[k]; ok {
			var e report.Event
			check(c.t, json.Unmarshal([]byte(text), &e))
			all = append(all, e)
		}
	}
	return all
}

// covers tells whether a time is covered.
func (c *collector) covers(at int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, spans := range c.coverage {
		for _, s := range spans {
			if s.From <= at && at < s.To {
				return true
			}
		}
	}
	return false
}

func (c *collector) requests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.times)
}

func (c *collector) setAnswer(f func(*http.Request, report.Upload, func() report.Reply) (int, http.Header, any)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = f
}

// setAfter sets what is done before a reply leaves.
func (c *collector) setAfter(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.after = f
}

func offline(*http.Request, report.Upload, func() report.Reply) (int, http.Header, any) {
	return 0, nil, nil
}

// amount returns all, or few where the race detector makes everything slow.
func amount(all, few int) int {
	if raceEnabled {
		return few
	}
	return all
}

// long is for a test that runs hours of a device: with the race detector only nightly,
// since others have the same goroutines.
func long(t *testing.T) {
	t.Helper()
	if raceEnabled && os.Getenv("CAUSEWAY_NIGHTLY") == "" {
		t.Skip("long: nightly")
	}
}

const secret = "the secret of all tea drinkers"

// tea is the channel of these tests.
func tea() telemetry.Channel {
	return telemetry.Channel{ID: "tea", Community: "drinkers", Secret: []byte(secret), Topic: "0x9C22FF5F",
		Pubsub: "/waku/2/rs/16/32", Member: "alice"}
}

// options are those of a device that reports to c.
func options(j telemetry.Journal, c *collector) telemetry.Options {
	return telemetry.Options{Journal: j, Collector: "https://collector.example", Client: &http.Client{Transport: c}, Consent: 3, Seed: 1,
		Device: report.Device{App: "2.31", Platform: report.Android, Mode: report.Light, Protocol: "sds", ProtocolVersion: "1"}}
}

// open starts a Telemetry that is in the channel tea of ten.
func open(t testing.TB, o telemetry.Options) *telemetry.Telemetry {
	t.Helper()
	d, err := telemetry.New(context.Background(), o)
	check(t, err)
	check(t, d.Describe(tea()))
	d.Membership("tea", true, 10)
	t.Cleanup(func() { d.Close(ended()) })
	return d
}

// ended is a context that has ended: nothing is uploaded within it.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func message(id string) telemetry.Message { return telemetry.Message{Channel: "tea", ID: id} }

// names are the pseudonyms of the community of tea.
func names(t testing.TB) *report.Pseudonyms {
	p, err := report.NewPseudonyms([]byte(secret))
	check(t, err)
	return p
}

// kinds counts events.
func kinds(events []report.Event) map[report.Kind]int {
	n := map[report.Kind]int{}
	for _, e := range events {
		n[e.Kind]++
	}
	return n
}

// faulty is a store of which a write can fail.
type faulty struct {
	store.Store
	mu     sync.Mutex
	writes int
	at     int // the number of the write that has a fault
	fault  fault
	dead   bool
}

type fault int

const (
	refused    fault = iota // it fails, and nothing was written
	unreported              // it fails, and all was written
	killed                  // nothing was written, and the process is gone
	killedLate              // all was written, and the process is gone
	faults
)

func (f fault) String() string {
	return [...]string{"refused", "unreported", "killed", "killedLate"}[f]
}

var errDisk = errors.New("the disk is on fire")

func (s *faulty) do(apply func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return errDisk
	}
	s.writes++
	if s.writes != s.at {
		return apply()
	}
	s.dead = s.fault >= killed
	if s.fault == unreported || s.fault == killedLate {
		if err := apply(); err != nil {
			return err
		}
	}
	return errDisk
}

func (s *faulty) Write(ctx context.Context, f func(store.Tx) error) error {
	return s.do(func() error { return s.Store.Write(ctx, f) })
}

func (s *faulty) Commit(ctx context.Context, b *store.Batch) error {
	return s.do(func() error { return s.Store.Commit(ctx, b) })
}

func (s *faulty) isDead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}
