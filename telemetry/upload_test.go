//go:build go1.25

package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/telemetry"
	"github.com/causeway-im/causeway/telemetry/report"
)

type answerFunc = func(*http.Request, report.Upload, func() report.Reply) (int, http.Header, any)

// status answers with a status and a header.
func status(code int, header ...string) answerFunc {
	return func(*http.Request, report.Upload, func() report.Reply) (int, http.Header, any) {
		h := http.Header{}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return code, h, map[string]string{"error": "no"}
	}
}

// What is composed offline arrives weeks later, after a crash and a clean end, with
// the time at which it was composed.
func TestOfflineForWeeks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, c := store.NewMemory(), newCollector(t)
		c.setAnswer(offline)
		at := map[string]int64{}
		compose := func(d *telemetry.Telemetry, id string) {
			at[names(t).Message(id)] = time.Now().UnixMilli()
			d.Composed(message(id), 7)
			pass(5 * time.Second)
		}
		disk := &faulty{Store: db}
		d := open(t, options(disk, c))
		d.Presence(report.Offline)
		compose(d, "first")
		pass(10 * 24 * time.Hour)
		compose(d, "second")
		disk.mu.Lock()
		disk.dead = true // a crash
		disk.mu.Unlock()
		d.Close(ended())
		pass(10 * 24 * time.Hour)
		gap := time.Now().Add(-time.Hour).UnixMilli()

		d = open(t, options(db, c))
		compose(d, "third")
		check(t, d.Close(t.Context()))
		pass(24 * time.Hour)
		if len(c.now().events) > 0 {
			t.Fatal("something arrived offline")
		}
		c.setAnswer(nil)
		d = open(t, options(db, c))
		d.Presence(report.Online)
		compose(d, "fourth")
		pass(5 * time.Minute)
		found := 0
		for _, e := range c.all() {
			if e.Kind == report.Composed {
				found++
				if e.At != at[e.Message] || !c.covers(e.At) || e.Size != 7 || e.Audience != 9 || e.Member != names(t).Member("alice") {
					t.Errorf("composed at %d: %+v", at[e.Message], e)
				}
			}
		}
		if found != 4 || c.covers(gap) || !c.covers(at[names(t).Message("first")]+int64(5*24*time.Hour/time.Millisecond)) {
			t.Errorf("%d of 4 composed; the time of the crash is covered: %v", found, c.covers(gap))
		}
		epochs := map[uint64]bool{}
		for k := range c.now().events {
			epochs[k.epoch] = true
		}
		if len(epochs) != 2 { // the crash began one, the orderly end none
			t.Errorf("%d epochs", len(epochs))
		}
		stats, err := d.Stats(t.Context())
		check(t, err)
		if stats.Pending != 0 || stats.Failures != 0 || stats.Uploads == 0 {
			t.Errorf("%+v", stats)
		}
	})
}

// Heartbeats: uploads without events, whose coverage advances; every minute, every
// 5 minutes in the background, every 30 on a metered network, none while suspended
// or without consent.
func TestHeartbeats(t *testing.T) {
	long(t)
	synctest.Test(t, func(t *testing.T) {
		c := newCollector(t)
		d := open(t, options(store.NewMemory(), c))
		d.Presence(report.Online)
		pass(time.Minute)
		per := func(period time.Duration) int {
			before := c.requests()
			pass(period)
			return c.requests() - before
		}
		for _, o := range []struct {
			change   func()
			period   time.Duration
			min, max int
		}{
			{func() {}, time.Hour, 60, 120},
			{func() { d.Set(telemetry.Conditions{Background: true}) }, time.Hour, 12, 25},
			{func() { d.Set(telemetry.Conditions{Metered: true}) }, 10 * time.Hour, 20, 42},
			{func() { d.Presence(report.Suspended) }, 10 * time.Hour, 0, 1},
			{func() { d.Presence(report.Online); d.Set(telemetry.Conditions{}) }, time.Hour, 60, 120},
			{func() { check(t, d.Disable(false)) }, time.Hour, 0, 0},
			{func() { check(t, d.Enable(4)) }, time.Hour, 60, 120},
		} {
			o.change()
			if n := per(o.period); n < o.min || n > o.max {
				t.Errorf("%d requests in %v, want %d to %d", n, o.period, o.min, o.max)
			}
		}
		c.all()
		last := c.now().uploads[len(c.now().uploads)-1]
		age := time.Now().UnixMilli() - last.Coverage[len(last.Coverage)-1].To
		if len(last.Events) != 0 || last.Last != last.First-1 || age > time.Minute.Milliseconds() || last.Device.Consent != 4 ||
			last.Clock.Sent < last.Coverage[0].To {
			t.Errorf("%+v covers until %d ms ago", last, age)
		}
	})
}

// Back-off doubles up to an hour, with jitter, and ends with the first success.
func TestBackOff(t *testing.T) {
	long(t)
	synctest.Test(t, func(t *testing.T) {
		c := newCollector(t)
		c.setAnswer(status(500))
		d := open(t, options(store.NewMemory(), c))
		pass(24 * time.Hour)
		var waits []time.Duration
		for i := 1; i < len(c.now().times); i++ {
			waits = append(waits, c.now().times[i].Sub(c.now().times[i-1]))
		}
		for i, w := range waits {
			want := min(5*time.Second<<min(i, 20), time.Hour)
			if w < want/2-time.Second || w > want+time.Second {
				t.Errorf("wait %d is %v, want %v to %v", i, w, want/2, want)
			}
		}
		if len(waits) < 24 || len(waits) > 60 || waits[20] == waits[21] {
			t.Errorf("waits: %v", waits)
		}
		if s, _ := d.Stats(t.Context()); s.Failures != len(c.now().times) || s.LastError == nil {
			t.Errorf("%+v", s)
		}
		c.setAnswer(nil)
		pass(2 * time.Hour)
		if s, _ := d.Stats(t.Context()); s.Failures != 0 || s.LastError != nil || s.Uploads < 50 {
			t.Errorf("%+v", s)
		}
	})
}

// Who comes online does not wait for the back-off, but for what the collector asked.
func TestBackOnline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCollector(t)
		c.setAnswer(offline)
		d := open(t, options(store.NewMemory(), c))
		d.Presence(report.Isolated)
		pass(10 * time.Hour)
		c.setAnswer(nil)
		d.Presence(report.Online)
		pass(10 * time.Second)
		if len(c.now().uploads) == 0 {
			t.Error("nothing was uploaded 10 s after it came online")
		}
		c.setAnswer(status(503, "Retry-After", "7200"))
		pass(2 * time.Minute)
		n := c.requests()
		d.Presence(report.Isolated)
		pass(time.Minute)
		d.Presence(report.Online)
		pass(time.Hour)
		if c.requests() != n {
			t.Error("Retry-After was not respected")
		}
	})
}

// Retry-After in seconds, as a date and in the reply is respected, up to a day.
func TestRetryAfter(t *testing.T) {
	long(t)
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration) answerFunc {
			return func(r *http.Request, u report.Upload, take func() report.Reply) (int, http.Header, any) {
				return status(503, "Retry-After", time.Now().Add(d).UTC().Format(http.TimeFormat))(r, u, take)
			}
		}
		for name, o := range map[string]struct {
			answer   answerFunc
			min, max time.Duration
		}{
			"seconds":   {status(429, "Retry-After", "600"), 10 * time.Minute, 12*time.Minute + time.Second},
			"date":      {in(2 * time.Hour), time.Hour, 3 * time.Hour},
			"past":      {in(-2 * time.Hour), 0, time.Minute},
			"rubbish":   {status(503, "Retry-After", "soon"), 0, time.Minute},
			"negative":  {status(503, "Retry-After", "-5"), 0, time.Minute},
			"far":       {status(503, "Retry-After", "999999999"), 24 * time.Hour, 30 * time.Hour},
			"forbidden": {status(403), 30 * time.Minute, 80 * time.Minute},
			"reply": {func(_ *http.Request, _ report.Upload, take func() report.Reply) (int, http.Header, any) {
				r := take()
				r.RetryAfter = 1800
				return 200, nil, r
			}, 30 * time.Minute, 37 * time.Minute},
		} {
			c := newCollector(t)
			c.setAnswer(o.answer)
			d := open(t, options(store.NewMemory(), c))
			pass(5 * time.Second)
			if c.requests() != 1 {
				t.Fatalf("%s: %d requests", name, c.requests())
			}
			pass(31 * time.Hour)
			if w := c.now().times[1].Sub(c.now().times[0]); w < o.min || w > o.max {
				t.Errorf("%s: waits %v, want %v to %v", name, w, o.min, o.max)
			}
			c.setAnswer(nil)
			check(t, d.Close(ended()))
		}
	})
}

// An event that the collector refuses, in whichever way, does not hold up others,
// and is reported as dropped where it was not taken.
func TestPoisonedEvent(t *testing.T) {
	long(t)
	poisoned := func(u report.Upload) int {
		return slices.IndexFunc(u.Events, func(e report.Event) bool { return e.Size == 666 })
	}
	for name, o := range map[string]struct {
		refuse  func(u report.Upload, i int, take func() report.Reply) (int, http.Header, any)
		dropped int
	}{
		"as a whole": {func(report.Upload, int, func() report.Reply) (int, http.Header, any) {
			return 400, nil, map[string]string{"error": "size"}
		}, 1},
		"for good": {func(u report.Upload, i int, take func() report.Reply) (int, http.Header, any) {
			r := take()
			r.Rejected = []report.Rejection{{Seq: u.Events[i].Seq, Field: "size", Reason: "is 666", Permanent: true}}
			return 200, nil, r
		}, 0},
		"for now": {func(u report.Upload, i int, take func() report.Reply) (int, http.Header, any) {
			r := take() // it may have the others already
			r.Acknowledged = u.Events[i].Seq - 1
			r.Rejected = []report.Rejection{{Seq: u.Events[i].Seq, Field: "size", Reason: "is 666"}}
			return 200, nil, r
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCollector(t)
				c.setAnswer(func(_ *http.Request, u report.Upload, take func() report.Reply) (int, http.Header, any) {
					if i := poisoned(u); i >= 0 {
						return o.refuse(u, i, take)
					}
					return 200, nil, take()
				})
				d := open(t, options(store.NewMemory(), c))
				d.Set(telemetry.Conditions{Background: true})
				for i := range 1200 {
					size := 1
					if i == 700 {
						size = 666
					}
					d.Composed(message(fmt.Sprint(i)), size)
				}
				pass(12 * time.Hour)
				events := c.all()
				if n := kinds(events)[report.Composed]; n < 1199 || len(c.now().dropped) != o.dropped {
					t.Errorf("%d of 1200 arrived, %d were dropped", n, len(c.now().dropped))
				}
				if s, _ := d.Stats(t.Context()); s.Rejected != 1 || s.Pending != 0 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// A collector that refuses everything, or acknowledges nothing, costs no event.
func TestCollectorThatTakesNothing(t *testing.T) {
	long(t)
	for name, answer := range map[string]answerFunc{
		"400": status(400),
		"413": status(413),
		"404": status(404),
		"rubbish": func(*http.Request, report.Upload, func() report.Reply) (int, http.Header, any) {
			return 200, nil, "what"
		},
		"zero": func(*http.Request, report.Upload, func() report.Reply) (int, http.Header, any) {
			return 200, nil, report.Reply{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCollector(t)
				c.setAnswer(answer)
				d := open(t, options(store.NewMemory(), c))
				for i := range 100 {
					d.Composed(message(fmt.Sprint(i)), 1)
				}
				pass(20 * time.Hour)
				if n := c.requests(); n > 300 {
					t.Errorf("%d requests", n)
				}
				c.setAnswer(nil)
				pass(4 * time.Hour)
				if n := kinds(c.all())[report.Composed]; n != 100 || len(c.now().dropped) != 0 {
					t.Errorf("%d of 100 arrived, %d were dropped", n, len(c.now().dropped))
				}
				check(t, d.Close(ended()))
			})
		})
	}
}

// "at most 500 events / 256 kB per request", and the claim of each part is within
// what the journal has up to it: RoundTrip and take check.
func TestManyEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCollector(t)
		c.setAnswer(offline)
		channel := tea()
		channel.Topic = "/causeway/1/" + strings.Repeat("x", 200) + "/proto"
		channel.Pubsub = channel.Topic
		d := open(t, options(store.NewMemory(), c))
		check(t, d.Describe(channel))
		const n = 3000
		at, p := map[string]int64{}, names(t)
		for i := range n {
			id := fmt.Sprint(i)
			at[p.Message(id)] = time.Now().UnixMilli()
			d.Received(message(id), telemetry.Arrival{Author: "bob"})
			if i%amount(1, 10) == 0 {
				pass(100 * time.Millisecond)
			}
		}
		c.setAnswer(func(_ *http.Request, _ report.Upload, take func() report.Reply) (int, http.Header, any) {
			return 200, nil, take()
		})
		seen := map[string]bool{}
		c.setAfter(func() { // after each part: what is covered and not there would be a loss
			for _, e := range c.uploads[len(c.uploads)-1].Events {
				seen[e.Message] = true
			}
			for m, when := range at {
				for _, s := range c.uploads[len(c.uploads)-1].Coverage {
					if s.From <= when && when < s.To && !seen[m] {
						t.Errorf("%d is covered and not there", when)
					}
				}
			}
		})
		pass(3 * time.Hour)
		if got := kinds(c.all())[report.Received]; got != n || len(c.now().uploads) < 6 || !slices.ContainsFunc(c.now().uploads[:5], func(u report.Upload) bool { return len(u.Coverage) > 0 }) {
			t.Errorf("%d of %d in %d uploads", got, n, len(c.now().uploads))
		}
		for i, u := range c.now().uploads[1:6] {
			if gap := u.Clock.Sent - c.now().uploads[i].Clock.Sent; gap > 100 {
				t.Errorf("%d ms between parts", gap)
			}
		}
		check(t, d.Close(ended()))
	})
}

// Close uploads what is left, within its deadline, and says goodbye.
func TestCloseUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCollector(t)
		db := store.NewMemory()
		d := open(t, options(db, c))
		d.Presence(report.Online)
		for i := range 1100 {
			d.Composed(message(fmt.Sprint(i)), 1)
		}
		check(t, d.Close(t.Context()))
		check(t, d.Close(t.Context()))
		events := c.all()
		last := events[len(events)-1]
		if n := kinds(events)[report.Composed]; n != 1100 || last.State != report.Goodbye {
			t.Errorf("%d of 1100; the last one is %+v", n, last)
		}
		if err := d.Enable(3); !errors.Is(err, telemetry.ErrClosed) {
			t.Errorf("Enable after Close: %v", err)
		}
		d.Composed(message("after the end"), 1)

		// After failures it is tried once more, unless the collector asked not to.
		c.setAnswer(offline)
		d = open(t, options(db, c))
		pass(24 * time.Hour)
		c.setAnswer(nil)
		d.Composed(message("after a day without a collector"), 1)
		check(t, d.Close(t.Context()))
		if n := kinds(c.all())[report.Composed]; n != 1101 {
			t.Errorf("%d of 1101", n)
		}
		c.setAnswer(status(503, "Retry-After", "7200"))
		d = open(t, options(db, c))
		pass(10 * time.Second)
		n := c.requests()
		check(t, d.Close(t.Context()))
		if c.requests() != n {
			t.Error("Close did not respect Retry-After")
		}

		// A client that hangs is left alone when the deadline comes.
		o := options(db, c)
		o.Client = &http.Client{Transport: hangs{}}
		d = open(t, o)
		pass(10 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		begun := time.Now()
		check(t, d.Close(ctx))
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("Close took %v", took)
		}
		for _, u := range c.now().uploads {
			if u.Epoch != c.now().uploads[0].Epoch {
				t.Errorf("an orderly end began epoch %d after %d", u.Epoch, c.now().uploads[0].Epoch)
			}
		}
	})
}

// hangs is a network that never answers.
type hangs struct{}

func (hangs) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// Next returns the bytes that are sent next.
func TestNextIsWhatIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, c := store.NewMemory(), newCollector(t)
		fixed := time.Now()
		o := options(db, c)
		o.Clock = func() time.Time { return fixed }
		shown := 0
		var next []byte
		d := open(t, o)
		c.setAnswer(func(_ *http.Request, _ report.Upload, take func() report.Reply) (int, http.Header, any) {
			var err error
			next, err = telemetry.Next(t.Context(), db, fixed)
			check(t, err)
			return 200, nil, take()
		})
		c.setAfter(func() {
			if got := c.bodies[len(c.bodies)-1]; !bytes.Equal(got, next) {
				t.Errorf("sent\n%s\nshown\n%s", got, next)
			}
			shown++
		})
		for i := range 700 {
			d.Composed(message(fmt.Sprint(i)), 1)
		}
		pass(5 * time.Minute)
		if shown < 3 || !bytes.Contains(c.now().bodies[0], []byte(`"composed"`)) {
			t.Errorf("%d uploads: %s", shown, c.now().bodies[0])
		}
		none, err := telemetry.Next(t.Context(), store.NewMemory(), fixed)
		if none != nil || err != nil {
			t.Errorf("of an empty journal: %s, %v", none, err)
		}
	})
}
