//go:build go1.25

package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/telemetry"
	"github.com/causeway-im/causeway/telemetry/report"
)

// All methods may be called at the same time; what was recorded arrives once.
func TestConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, c := store.NewMemory(), newCollector(t)
		d := open(t, options(db, c))
		epoch, err := db.Epoch(t.Context())
		check(t, err)
		each := amount(300, 60)
		var all sync.WaitGroup
		run := func(f func(i int)) {
			all.Add(1)
			go func() {
				defer all.Done()
				for i := range each {
					f(i)
					time.Sleep(time.Duration(i%7) * 100 * time.Millisecond)
				}
			}()
		}
		run(func(i int) { d.Composed(message(fmt.Sprint("plain", i)), 1) })
		run(func(i int) { d.Received(message(fmt.Sprint("other", i)), telemetry.Arrival{Author: fmt.Sprint(i)}) })
		run(func(i int) {
			e := causeway.Event{Channel: "tea", Kind: causeway.EventDelivered, ID: causeway.MessageID(fmt.Sprint("node", i)),
				Message: &causeway.Message{Own: true}}
			check(t, db.Commit(t.Context(), &store.Batch{Epoch: epoch, Inside: func(tx store.Tx) error { return d.Committing(tx, []causeway.Event{e}) }}))
		})
		run(func(i int) { d.Presence([]report.State{report.Online, report.Isolated, report.Offline}[i%3]) })
		run(func(i int) { d.Connected(i%2 == 0, false); d.Set(telemetry.Conditions{Background: i%2 == 0}) })
		run(func(i int) { check(t, d.Describe(tea())); d.Membership("tea", true, i) })
		run(func(int) { _, err := d.Stats(t.Context()); check(t, err) })
		run(func(int) { _, err := telemetry.Next(t.Context(), db, time.Now()); check(t, err) })
		run(func(i int) { d.Follow(func() causeway.Metrics { return causeway.Metrics{} })() })
		all.Wait()
		check(t, d.Close(t.Context()))
		if n := kinds(c.all()); n[report.Composed] != 2*each || n[report.Received] != each {
			t.Errorf("%v", n)
		}
	})
}

// Whatever a collector answers, nothing breaks, and what it does not acknowledge
// stays.
func TestHostileReplies(t *testing.T) {
	long(t)
	many := make([]report.Rejection, 20_000) // above the bound of a reply
	for name, o := range map[string]struct {
		reply any
		takes bool // it says that it has everything
	}{
		"beyond the end":     {report.Reply{Acknowledged: math.MaxUint64}, true},
		"numbers of nothing": {report.Reply{Rejected: []report.Rejection{{Seq: math.MaxUint64}, {Seq: math.MaxUint64, Permanent: true}, {}}}, false},
		"waits for ever":     {map[string]any{"retryAfter": math.MaxInt32}, false},
		"negative wait":      {report.Reply{RetryAfter: math.MinInt32}, false},
		"too long":           {report.Reply{Rejected: many}, false},
		"another type":       {[]string{strings.Repeat("x", 100)}, false},
		"nothing":            {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCollector(t)
				c.setAnswer(func(*http.Request, report.Upload, func() report.Reply) (int, http.Header, any) {
					return 200, nil, o.reply
				})
				d := open(t, options(store.NewMemory(), c))
				d.Composed(message("m"), 1)
				pass(10 * time.Minute)
				d.Set(telemetry.Conditions{Metered: true})
				c.setAnswer(nil)
				pass(40 * time.Hour)
				if came := strings.Contains(c.told(), `"kind":"composed"`); came == o.takes {
					t.Errorf("the event came after it: %v", came)
				}
			})
		})
	}
}

// told returns the uploads that were taken.
func (c *collector) told() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(bytes.Join(c.bodies, nil))
}

// A host that knows of the system's network is believed until the node is
// connected.
func TestConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCollector(t)
		d := open(t, options(store.NewMemory(), c))
		step := func(f func()) { f(); pass(10 * time.Second) }
		step(func() { d.Connected(true, false) })
		step(func() { d.Connected(false, false) })
		step(func() { d.Presence(report.Offline) })
		step(func() { d.Connected(false, false) })
		step(func() { d.Connected(true, false) })
		step(func() { d.Connected(false, true) })
		step(func() { d.Connected(true, false) })
		check(t, d.Close(t.Context()))
		var states []string
		for _, e := range c.all() {
			if e.Kind == report.Presence {
				states = append(states, string(e.State))
			}
		}
		if s := strings.Join(states, " "); s != "online isolated offline online suspended online goodbye" {
			t.Errorf("states: %s", s)
		}
	})
}

// What the node's events become, one by one.
func TestEventsOfANode(t *testing.T) {
	own := func(m causeway.Message) *causeway.Message { m.Own, m.Sender = true, "alice"; return &m }
	receipt := func(r causeway.ReceiptNow) causeway.Event {
		return causeway.Event{Kind: causeway.EventReceipt, Receipt: &r}
	}
	delivered := func(m *causeway.Message) causeway.Event {
		return causeway.Event{Kind: causeway.EventDelivered, Message: m}
	}
	arrived := func(m *causeway.Message) causeway.Event {
		return causeway.Event{Kind: causeway.EventArrived, Message: m}
	}
	gap := func(s causeway.GapState) causeway.Event {
		return causeway.Event{Kind: causeway.EventGap, Gap: &causeway.Gap{State: s, Sender: "bob"}}
	}
	for name, o := range map[string]struct {
		events []causeway.Event
		want   string
	}{
		"own":                   {[]causeway.Event{delivered(own(causeway.Message{Content: []byte("hi")}))}, "composed multicast alice 2 of 9"},
		"another's":             {[]causeway.Event{delivered(&causeway.Message{Sender: "bob"})}, "received multicast bob filter"},
		"from a store":          {[]causeway.Event{arrived(&causeway.Message{Sender: "bob", Retrieved: true})}, "received multicast bob store"},
		"after it waited":       {[]causeway.Event{delivered(&causeway.Message{Sender: "bob", Waited: true})}, ""},
		"ephemeral":             {[]causeway.Event{arrived(&causeway.Message{Sender: "bob", Ephemeral: true})}, "received ephemeral bob filter"},
		"repaired":              {[]causeway.Event{delivered(&causeway.Message{Sender: "bob"}), gap(causeway.GapRecovered)}, "received multicast bob repair, repaired multicast repair"},
		"missing":               {[]causeway.Event{gap(causeway.GapMissing)}, "missing multicast bob"},
		"skipped":               {[]causeway.Event{gap(causeway.GapSkipped)}, ""},
		"not for us":            {[]causeway.Event{gap(causeway.GapNotForMe)}, ""},
		"lost":                  {[]causeway.Event{gap(causeway.GapLost)}, "lost multicast"},
		"queued":                {[]causeway.Event{receipt(causeway.ReceiptNow{})}, ""},
		"sent":                  {[]causeway.Event{receipt(causeway.ReceiptNow{Level: causeway.Sent})}, "handed multicast"},
		"stored":                {[]causeway.Event{receipt(causeway.ReceiptNow{Level: causeway.Stored})}, "stored multicast yes"},
		"seen":                  {[]causeway.Event{receipt(causeway.ReceiptNow{Level: causeway.Seen, Seen: 2, Of: 9})}, "acknowledged multicast 2/9"},
		"seen by somebody":      {[]causeway.Event{receipt(causeway.ReceiptNow{Level: causeway.Seen, Of: 9})}, "acknowledged multicast 1/9"},
		"undelivered":           {[]causeway.Event{receipt(causeway.ReceiptNow{Level: causeway.Sent, Undelivered: true})}, "gaveUp multicast"},
		"of an unknown channel": {[]causeway.Event{{Channel: "coffee", Kind: causeway.EventDelivered, Message: own(causeway.Message{})}}, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			db, c := store.NewMemory(), newCollector(t)
			d := open(t, options(db, c))
			check(t, db.Write(t.Context(), func(tx store.Tx) error {
				for i := range o.events {
					if o.events[i].ID = "m"; o.events[i].Channel == "" {
						o.events[i].Channel = "tea"
					}
				}
				return d.Committing(tx, o.events)
			}))
			check(t, d.Close(t.Context()))
			person := map[string]string{names(t).Member("alice"): " alice", names(t).Member("bob"): " bob"}
			var got []string
			for _, e := range c.all() {
				if e.Message == "" {
					continue
				}
				if e.Message != names(t).Message("m") {
					t.Errorf("%s: %+v", name, e)
				}
				s := fmt.Sprint(e.Kind, " ", e.Class, person[e.Member])
				switch {
				case e.Kind == report.Composed:
					s += fmt.Sprint(" ", e.Size, " of ", e.Audience)
				case e.Count > 0:
					s += fmt.Sprint(" ", e.Count, "/", e.Audience)
				case e.Path+report.Path(e.Answer) != "":
					s += fmt.Sprint(" ", e.Path, e.Answer)
				}
				got = append(got, s)
			}
			if s := strings.Join(got, ", "); s != o.want {
				t.Errorf("%s: %q, want %q", name, s, o.want)
			}
		})
	}
}

// What the network layer did with a packet of a node.
func TestPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCollector(t)
		d := open(t, options(store.NewMemory(), c))
		try := func(class sds.Class, err error) {
			d.Publishing("tea", "m", class)
			d.Published("tea", "m", class, []byte("hint"), err)
		}
		try(sds.ClassContent, context.DeadlineExceeded)
		try(sds.ClassContent, nil)
		try(sds.ClassResend, nil)
		try(sds.ClassEphemeral, errors.New("x"))
		try(sds.ClassEphemeral, nil)
		check(t, d.Close(t.Context()))
		var got []string
		for _, e := range c.all() {
			if e.Message != "" {
				got = append(got, fmt.Sprint(e.Kind, " ", e.Attempt, " ", e.Code, e.Class, " ", e.Envelope == names(t).Envelope("hint")))
			}
		}
		want := "attempted 1 multicast false, refused 1 timeoutmulticast false, attempted 2 multicast false, attempted 3 multicast false, " +
			"resent 3 multicast true, attempted 4 ephemeral false, refused 4 failedephemeral false, attempted 5 ephemeral false, handed 5 ephemeral true"
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("got  %s\nwant %s", s, want)
		}
	})
}

// That a message was handed over is told once, also where what comes back is faster than
// the network's word that it took it.
func TestHandedOnce(t *testing.T) {
	for _, o := range []struct {
		steps, want string
	}{
		{"published sent seen", "attempted handed acknowledged"},
		{"published stored seen", "attempted handed stored acknowledged"},
		{"published seen", "attempted handed acknowledged"},
		{"seen published seen", "attempted acknowledged handed acknowledged"},
		{"stored published", "attempted stored handed"},
		{"stored published published", "attempted stored handed"},
		{"seen", "attempted acknowledged"},
	} {
		synctest.Test(t, func(t *testing.T) {
			db, c := store.NewMemory(), newCollector(t)
			d := open(t, options(db, c))
			levels := map[string]causeway.Level{"sent": causeway.Sent, "stored": causeway.Stored, "seen": causeway.Seen}
			d.Publishing("tea", "m", sds.ClassContent)
			for _, step := range strings.Fields(o.steps) {
				if step == "published" {
					d.Published("tea", "m", sds.ClassContent, []byte("hint"), nil)
					continue
				}
				e := causeway.Event{Channel: "tea", ID: "m", Kind: causeway.EventReceipt, Receipt: &causeway.ReceiptNow{ID: "m", Level: levels[step], Of: 9}}
				check(t, db.Write(t.Context(), func(tx store.Tx) error { return d.Committing(tx, []causeway.Event{e}) }))
			}
			check(t, d.Close(t.Context()))
			var got []string
			told := map[report.Kind]report.Event{}
			for _, e := range c.all() {
				if e.Message != "" {
					got, told[e.Kind] = append(got, string(e.Kind)), e
				}
			}
			slices.Sort(got) // those of transactions come before others, whose numbers are later ones
			want := strings.Fields(o.want)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", o.steps, got, want)
			}
			if e, ok := told[report.Handed]; ok && (e.Attempt != 1 || e.Envelope != names(t).Envelope("hint") || e.Class != report.Multicast) {
				t.Errorf("%s: %+v", o.steps, e)
			}
		})
	}
}

// Options that can't be are refused, by name.
func TestOptions(t *testing.T) {
	for want, change := range map[string]func(*telemetry.Options){
		"Journal":         func(o *telemetry.Options) { o.Journal = nil },
		"Consent":         func(o *telemetry.Options) { o.Consent = -1 },
		"MaxEvents":       func(o *telemetry.Options) { o.MaxEvents = -1 },
		"MaxBytes":        func(o *telemetry.Options) { o.MaxBytes = -1 },
		"Collector":       func(o *telemetry.Options) { o.Collector = "http://example.org" },
		"neither https":   func(o *telemetry.Options) { o.Collector = "https://user:secret@example.org" },
		"Device.Platform": func(o *telemetry.Options) { o.Device.Platform = "alice's laptop" },
		"Device.Mode":     func(o *telemetry.Options) { o.Device.Mode = "other" },
		"Device.App has":  func(o *telemetry.Options) { o.Device.App = strings.Repeat("x", 65) },
		"Device.App is":   func(o *telemetry.Options) { o.Device.App = "2.31\n" },
	} {
		o := telemetry.Options{Journal: store.NewMemory()}
		change(&o)
		if _, err := telemetry.New(t.Context(), o); !errors.Is(err, telemetry.ErrOptions) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", want, err)
		}
	}
}
