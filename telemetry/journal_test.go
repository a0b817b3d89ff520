//go:build go1.25

package telemetry_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/telemetry"
	"github.com/causeway-im/causeway/telemetry/report"
)

// pass lets time pass, until nothing of that is left to do.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// A full journal gives up what can be spared, oldest first, and the claim stays;
// then the oldest of all, and the claim goes with it. The collector learns the
// numbers.
func TestJournalIsBounded(t *testing.T) {
	for name, bounds := range map[string]func(*telemetry.Options){
		"events": func(o *telemetry.Options) { o.MaxEvents = 1000 },
		"bytes":  func(o *telemetry.Options) { o.MaxBytes = 30_000 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCollector(t)
				c.setAnswer(offline)
				o := options(store.NewMemory(), c)
				bounds(&o)
				d := open(t, o)
				d.Presence(report.Offline)
				step := func(n int, f func(id string)) (from, to int64) {
					from = time.Now().UnixMilli()
					for i := range n {
						f(fmt.Sprint(i))
						if i%amount(1, 10) == 0 {
							pass(100 * time.Millisecond)
						}
					}
					pass(10 * time.Second)
					return from, time.Now().UnixMilli()
				}
				early, _ := step(300, func(id string) { d.Composed(message(id), 1) })
				step(2000, func(id string) { d.Attempted(message(id)) })
				spared, err := d.Stats(t.Context())
				check(t, err)
				_, late := step(900, func(id string) { d.Received(message(id), telemetry.Arrival{}) })
				full, err := d.Stats(t.Context())
				check(t, err)
				if full.Pending > 1001 || full.Pending < 500 || spared.Dropped == 0 || full.Dropped <= spared.Dropped || o.MaxBytes > 0 && full.Bytes > o.MaxBytes {
					t.Errorf("%+v, then %+v", spared, full)
				}
				c.setAnswer(nil)
				d.Presence(report.Online)
				pass(10 * time.Minute)
				events := c.all()
				n := kinds(events)
				if n[report.Attempted] != 0 || n[report.Composed] >= 300 || n[report.Received] < 500 {
					t.Errorf("%v", n)
				}
				if len(c.now().dropped) != int(full.Dropped) || len(events)+len(c.now().dropped) < 3200 {
					t.Errorf("%d events and %d dropped, of which it counted %d", len(events), len(c.now().dropped), full.Dropped)
				}
				for _, e := range events {
					if e.Kind == report.Received && !c.covers(e.At) {
						t.Errorf("received at %d is not covered", e.At)
						break
					}
				}
				if c.covers(early) || !c.covers(late) {
					t.Errorf("covers the beginning: %v, the end: %v", c.covers(early), c.covers(late))
				}
				for _, ranges := range c.now().uploads {
					if len(ranges.Dropped) > 500 {
						t.Errorf("%d ranges", len(ranges.Dropped))
					}
				}
			})
		})
	}
}

// Nothing is recorded or sent before consent, nor after it is taken back; what was
// not uploaded is deleted if asked, and the pseudonym of the install with it.
func TestConsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, c := store.NewMemory(), newCollector(t)
		o := options(db, c)
		o.Consent = 0
		d := open(t, o)
		d.Composed(message("before"), 1)
		d.Presence(report.Online)
		pass(time.Hour)
		entries, err := db.Journal(t.Context(), "telemetry", 0, 10)
		check(t, err)
		if next, err := telemetry.Next(t.Context(), db, time.Now()); len(entries) > 0 || c.requests() > 0 || next != nil || err != nil {
			t.Fatalf("without consent: %d entries, %d requests, %s", len(entries), c.requests(), next)
		}
		if err := d.Enable(0); !errors.Is(err, telemetry.ErrOptions) {
			t.Errorf("Enable(0): %v", err)
		}
		check(t, d.Enable(1))
		began := time.Now().UnixMilli()
		d.Composed(message("with"), 1)
		pass(time.Hour)
		if n := kinds(c.all()); n[report.Composed] != 1 || n[report.Membership] != 1 || n[report.Presence] != 1 || c.covers(began-1) {
			t.Errorf("after consent: %v; covers the time before: %v", n, c.covers(began-1))
		}
		first := c.now().uploads[0]

		c.setAnswer(offline)
		d.Composed(message("secret thought"), 1)
		pass(time.Hour)
		check(t, d.Disable(false))
		d.Composed(message("without"), 1)
		c.setAnswer(nil)
		ended, n := time.Now().UnixMilli(), c.requests()
		pass(time.Hour)
		check(t, d.Enable(2))
		pass(time.Hour)
		if got := kinds(c.all())[report.Composed]; got != 2 || c.requests() == n {
			t.Errorf("%d composed", got)
		}
		if c.covers(ended+1000) || c.now().uploads[len(c.now().uploads)-1].Device.Consent != 2 {
			t.Error("time without consent is covered, or the old one is claimed")
		}

		c.setAnswer(offline)
		d.Composed(message("never told"), 1)
		pass(time.Minute)
		d.Composed(message("not even durable"), 1)
		check(t, d.Disable(true))
		c.setAnswer(nil)
		entries, err = db.Journal(t.Context(), "telemetry", 0, 10)
		check(t, err)
		state, err := db.Value(t.Context(), "telemetry")
		check(t, err)
		if len(entries) > 0 || bytes.Contains(state, []byte(first.Install)) {
			t.Errorf("%d entries are left, state %s", len(entries), state)
		}
		n = c.requests()
		pass(time.Hour)
		if c.requests() != n {
			t.Error("something is sent")
		}
		check(t, d.Enable(3))
		d.Composed(message("again"), 1)
		pass(time.Hour)
		last := c.now().uploads[len(c.now().uploads)-1]
		if got := kinds(c.all())[report.Composed]; got != 3 || last.Install == first.Install || len(c.now().dropped) > 0 {
			t.Errorf("%d composed; install %s, then %s; dropped %v", got, first.Install, last.Install, c.now().dropped)
		}
		check(t, d.Disable(true))
		check(t, d.Close(t.Context()))

		open(t, options(db, c)) // numbers begin anew also after the store was closed
		pass(time.Hour)
		c.all()
		if len(c.now().dropped) > 0 {
			t.Errorf("dropped %v", c.now().dropped)
		}
	})
}

// A request that is under way ends when the user no longer agrees.
func TestDisableEndsRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(store.NewMemory(), newCollector(t))
		network := &counting{}
		o.Client = &http.Client{Transport: network}
		d := open(t, o)
		pass(5 * time.Second)
		if n := network.running.Load(); n != 1 {
			t.Fatalf("%d requests are under way", n)
		}
		check(t, d.Disable(false))
		synctest.Wait()
		if n := network.running.Load(); n != 0 {
			t.Errorf("%d requests are under way after it", n)
		}
		check(t, d.Close(t.Context()))
	})
}

// counting is a network that never answers.
type counting struct{ running atomic.Int32 }

func (n *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	n.running.Add(1)
	defer n.running.Add(-1)
	return hangs{}.RoundTrip(r)
}

// Channels that nobody described leave no trace, nor do words that are no codes.
func TestOnlyWhatIsDescribed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCollector(t)
		d := open(t, options(store.NewMemory(), c))
		d.Composed(telemetry.Message{Channel: "coffee", ID: "x"}, 1)
		d.Membership("coffee", true, 5)
		d.Membership("tea", true, 10) // as it is
		d.Traffic("coffee", map[string]int64{"content": 5})
		d.Traffic("", map[string]int64{"free text": 5, "ack": -1})
		d.Presence("dreaming")
		d.Presence(report.Goodbye)
		d.Refused(message("m"), errors.New("dial 10.1.2.3: refused"))
		d.Undecodable(message(""), "by hand", "free text")
		d.Stored(message("m"), "perhaps")
		d.Received(message("m"), telemetry.Arrival{Size: -5, Path: "pigeon", Sent: time.Unix(-9, 0)})
		for name, bad := range map[string]telemetry.Channel{
			"no id":        {Community: "x", Secret: []byte(secret)},
			"no community": {ID: "x", Secret: []byte(secret)},
			"short secret": {ID: "x", Community: "x", Secret: []byte("short")},
			"class":        {ID: "x", Community: "x", Secret: []byte(secret), Class: "other"},
		} {
			if err := d.Describe(bad); !errors.Is(err, telemetry.ErrOptions) {
				t.Errorf("%s: %v", name, err)
			}
		}
		check(t, d.Close(t.Context()))
		n := kinds(c.all())
		if len(n) != 6 || n[report.Refused]+n[report.Undecodable]+n[report.Stored]+n[report.Received]+n[report.Membership] != 5 {
			t.Errorf("%v", n)
		}
		for _, e := range c.all() {
			if e.Kind == report.Refused && e.Code != "failed" || e.Kind == report.Undecodable && (e.Code != "undecodable" || e.Path != "unknown") ||
				e.Kind == report.Stored && e.Answer != "unknown" || e.Kind == report.Received && (e.Size != 0 || e.Path != "unknown" || e.Sent != 0) {
				t.Errorf("%+v", e)
			}
		}
		if strings.Contains(string(c.now().raw), "free text") {
			t.Error("free text is sent")
		}
	})
}

// A change of presence counts from when it began, if it lasts; the claim stays
// before it meanwhile. Going to sleep ends the claim, waking begins another one.
func TestPresence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCollector(t)
		d := open(t, options(store.NewMemory(), c))
		d.Presence(report.Online)
		pass(time.Minute)
		for range 50 { // flapping
			d.Presence(report.Isolated)
			pass(2 * time.Second)
			d.Presence(report.Online)
			pass(2 * time.Second)
		}
		cut := time.Now().UnixMilli()
		d.Presence(report.Isolated)
		d.Set(telemetry.Conditions{}) // an upload while it is not known whether that lasts
		n := c.requests()
		pass(2500 * time.Millisecond)
		if c.requests() == n || c.covers(cut) {
			t.Errorf("%d requests; the time of a change is covered: %v", c.requests()-n, c.covers(cut))
		}
		pass(time.Minute)
		d.Presence(report.Online)
		pass(time.Minute)
		slept := time.Now().UnixMilli()
		d.Presence(report.Suspended)
		for i := range 10 { // written while asleep
			pass(10 * time.Second)
			d.Composed(message(fmt.Sprint(i)), 1)
		}
		pass(time.Hour)
		woke := time.Now().UnixMilli()
		d.Presence(report.Isolated)
		pass(time.Minute)
		check(t, d.Close(t.Context()))
		var got []string
		for _, e := range c.all() {
			if e.Kind == report.Presence {
				got = append(got, string(e.State))
				switch at := e.At; {
				case e.State == report.Isolated && at != cut && at != woke, e.State == report.Suspended && at != slept:
					t.Errorf("%s at %d", e.State, at)
				}
			}
		}
		if s := strings.Join(got, " "); s != "online isolated online suspended isolated goodbye" {
			t.Errorf("states: %s", s)
		}
		if !c.covers(cut) || !c.covers(slept-1) || c.covers(slept) || c.covers(slept+65_000) || c.covers(woke-1) || !c.covers(woke) {
			t.Errorf("coverage: %v", c.now().coverage)
		}
	})
}

// A process that did not run for a while, and a clock that is set, are not covered
// time, and no time is claimed twice.
func TestFrozenAndClockSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCollector(t)
		o := options(store.NewMemory(), c)
		var mu sync.Mutex
		shift := time.Duration(0)
		o.Clock = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(shift)
		}
		jump := func(by time.Duration) (from, to int64) {
			from = o.Clock().UnixMilli()
			mu.Lock()
			shift += by
			mu.Unlock()
			return from, o.Clock().UnixMilli()
		}
		d := open(t, o)
		pass(10 * time.Minute)
		frozen, awake := jump(time.Hour)
		d.Received(message("the first after it"), telemetry.Arrival{})
		pass(10 * time.Minute)
		if !c.covers(frozen-90_000) || c.covers(frozen+90_000) || c.covers(awake-1) || !c.covers(awake) {
			t.Errorf("frozen from %d to %d; coverage %v", frozen, awake, c.now().coverage)
		}
		c.mu.Lock()
		c.setBack = true
		c.mu.Unlock()
		before, _ := jump(-30 * time.Minute)
		d.Received(message("set back"), telemetry.Arrival{})
		pass(20 * time.Minute)
		for _, spans := range c.now().coverage {
			if last := spans[len(spans)-1]; last.To > before {
				t.Errorf("claims %v before it is %d again", last, before)
			}
		}
		pass(40 * time.Minute)
		check(t, d.Close(t.Context()))
		if !c.covers(before + 20*60_000) {
			t.Errorf("claims nothing after %d", before)
		}
		if n := kinds(c.all())[report.Received]; n != 2 {
			t.Errorf("%d events", n)
		}
	})
}

// The pseudonym of an install changes when it is old, and no number is lost.
func TestRotation(t *testing.T) {
	long(t)
	synctest.Test(t, func(t *testing.T) {
		c := newCollector(t)
		o := options(store.NewMemory(), c)
		o.RotateAfter = telemetry.MinRotate
		d := open(t, o)
		var used []int64
		for i := range 90 {
			d.Presence(report.Online)
			d.Composed(message(fmt.Sprint(i)), 1)
			used = append(used, time.Now().UnixMilli())
			pass(10 * time.Minute)
			d.Presence(report.Suspended)
			pass(24*time.Hour - 10*time.Minute)
		}
		if n := kinds(c.all())[report.Composed]; n != 90 || len(c.now().dropped) > 0 {
			t.Errorf("%d of 90, dropped %v", n, c.now().dropped)
		}
		if len(c.now().coverage) != 3 {
			t.Errorf("%d installs within 90 days", len(c.now().coverage))
		}
		for i, at := range used[:89] {
			for minute := range int64(10) {
				if !c.covers(at + minute*60_000) {
					t.Fatalf("minute %d of day %d is not covered", minute, i)
				}
			}
		}
		o.RotateAfter = telemetry.MinRotate - 1
		if _, err := telemetry.New(t.Context(), o); !errors.Is(err, telemetry.ErrOptions) {
			t.Errorf("a shorter time: %v", err)
		}
	})
}

// A device whose runs all end badly does not begin epochs for ever, neither while
// it uploads nor while it can't, and no event is lost for that.
func TestManyCrashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, c := store.NewMemory(), newCollector(t)
		runs, least := amount(620, 70), amount(400, 40)
		for i := range runs {
			if c.setAnswer(nil); i%100 < 80 {
				c.setAnswer(offline)
			}
			disk := &faulty{Store: db}
			d := open(t, options(disk, c))
			d.Composed(message(fmt.Sprint(i)), 1)
			pass(5 * time.Second)
			disk.mu.Lock()
			disk.dead = true
			disk.mu.Unlock()
			d.Close(ended())
			pass(time.Minute)
		}
		c.setAnswer(nil)
		open(t, options(db, c))
		pass(10 * time.Minute)
		epochs := map[uint64]bool{}
		for k := range c.now().events {
			epochs[k.epoch] = true
		}
		if n := kinds(c.all())[report.Composed]; n != runs || len(epochs) < least || len(epochs) > 500 {
			t.Errorf("%d of %d composed, in %d epochs", n, runs, len(epochs))
		}
	})
}

// Of two on one journal the older stops, and says no more.
func TestOlderStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, c := store.NewMemory(), newCollector(t)
		older := open(t, options(db, c))
		pass(time.Minute)
		newer := open(t, options(db, c))
		older.Composed(message("older"), 1)
		pass(time.Minute)
		newer.Composed(message("newer"), 1)
		pass(time.Minute)
		if err := older.Enable(3); !errors.Is(err, telemetry.ErrClosed) {
			t.Errorf("Enable: %v", err)
		}
		older.Close(ended())
		check(t, newer.Close(t.Context()))
		if n := kinds(c.all())[report.Composed]; n != 1 {
			t.Errorf("%d composed", n)
		}
	})
}

// A store that is down for long costs neither memory without end nor truth.
func TestStoreDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCollector(t)
		disk := &faulty{Store: store.NewMemory()}
		d := open(t, options(disk, c))
		pass(10 * time.Second)
		disk.mu.Lock()
		disk.dead = true
		disk.mu.Unlock()
		at, p := map[string]int64{}, names(t)
		for i := range 12_000 {
			id := fmt.Sprint(i)
			at[p.Message(id)] = time.Now().UnixMilli()
			d.Received(message(id), telemetry.Arrival{})
			if i%amount(1, 100) == 0 {
				pass(50 * time.Millisecond)
			}
		}
		disk.mu.Lock()
		disk.dead = false
		disk.mu.Unlock()
		pass(time.Hour)
		check(t, d.Close(t.Context()))
		seen, there, covered := map[string]bool{}, 0, 0
		for _, e := range c.all() {
			seen[e.Message] = true
		}
		for m, when := range at {
			if seen[m] {
				there++
			} else if c.covers(when) {
				covered++
			}
		}
		if there < 9_900 || there > 10_100 || covered > 0 {
			t.Errorf("%d of 12000 are there; %d are covered and not there", there, covered)
		}
	})
}
