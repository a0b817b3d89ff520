// Package archivetest is what every archive.Archive has to pass.
package archivetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/telemetry/report"
)

// Open makes a new, empty archive and returns how to open it, any number of times.
type Open func(t testing.TB) (again func() archive.Archive)

// Run runs all tests. Each opens archives of its own.
func Run(t *testing.T, open Open) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Open)
	}{
		{"Once", testOnce}, {"AnyOrder", testAnyOrder}, {"Acknowledged", testAcknowledged}, {"Keys", testKeys},
		{"Holes", testHoles}, {"WrongClock", testWrongClock}, {"Events", testEvents}, {"Dirty", testDirty}, {"DayMarks", testDayMarks}, {"Revise", testRevise},
		{"Late", testLate}, {"History", testHistory}, {"Days", testDays}, {"Messages", testMessages}, {"Incidents", testIncidents},
		{"Notes", testNotes}, {"Gaps", testGaps}, {"Lead", testLead}, {"Old", testOld}, {"Retain", testRetain},
		{"Context", testContext},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open) })
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// one opens an archive that is closed with the test.
func one(t testing.TB, open Open) archive.Archive {
	a := open(t)()
	t.Cleanup(func() { check(t, a.Close()) })
	return a
}

func take(t testing.TB, a archive.Archive, uploads ...archive.Arrival) []archive.Taken {
	t.Helper()
	taken, err := a.Take(t.Context(), uploads)
	check(t, err)
	for _, k := range taken {
		check(t, k.Err)
	}
	return taken
}

// state is everything that an archive gives back of some days.
func state(t testing.TB, a archive.Archive, first, last archive.Day) string {
	t.Helper()
	channels, err := a.Channels(t.Context())
	check(t, err)
	var lines []string
	for id, c := range channels {
		for d := first; d <= last; d++ {
			var r recorder
			check(t, a.Load(t.Context(), archive.Bucket{Channel: id, Day: d}, &r))
			c.ID = 0
			lines = append(lines, fmt.Sprintf("== %+v %s\n%s", c, d, r.String()))
		}
	}
	slices.Sort(lines)
	var all recorder
	check(t, a.LoadDevices(t.Context(), first, last, true, &all))
	return strings.Join(append(lines, "== all", all.String()), "\n")
}

var today = archive.DayOf(Noon)

// testOnce: an upload counts once, and everything in it comes back.
func testOnce(t *testing.T, open Open) {
	a := one(t, open)
	uploads := community(1, 4, 2, 20, Noon)
	direct := &recorder{}
	events := 0
	for i := range uploads {
		events += len(uploads[i].Upload.Events)
		check(t, direct.Add(uploads[i].Upload, uploads[i].At))
	}
	for round := range 2 {
		sum := 0
		for _, k := range take(t, a, uploads...) {
			sum += k.New
		}
		if want := []int{events, 0}[round]; sum != want {
			t.Errorf("round %d: %d events are new, want %d", round, sum, want)
		}
	}
	// Both channels together hold all events about messages, and the devices have the
	// rest.
	got := map[string]bool{}
	channels, err := a.Channels(t.Context())
	check(t, err)
	if len(channels) != 2 {
		t.Fatalf("%d channels", len(channels))
	}
	for id, c := range channels {
		if c.Community != "tea" || c.Topic != "/waku/1/0x"+c.Name+"/rfc26" || c.Pubsub != "/waku/2/rs/16/32" {
			t.Errorf("channel %+v", c)
		}
		var r recorder
		check(t, a.Load(t.Context(), archive.Bucket{Channel: id, Day: today}, &r))
		for name, j := range r.journals {
			for seq, e := range j.events {
				got[fmt.Sprint(name, seq, e)] = true
			}
			want := direct.journals[name]
			if fmt.Sprint(merged(j.covered)) != fmt.Sprint(merged(want.covered)) {
				t.Errorf("%s: covered %v, want %v", name, j.covered, want.covered)
			}
			if len(j.held) != 1 || j.held.Count() != uint64(len(want.events)) {
				t.Errorf("%s: holds %s of %d", name, j.held, len(want.events))
			}
		}
	}
	missing := 0
	for name, j := range direct.journals {
		for seq, e := range j.events {
			if !got[fmt.Sprint(name, seq, e)] {
				missing++
				if !strings.Contains(e, `"kind":"traffic"`) {
					t.Errorf("%s: event %d is gone: %s", name, seq, e)
				}
			}
		}
	}
	if missing != 4 { // the traffic has no channel here
		t.Errorf("%d events are in no channel, want 4", missing)
	}
}

// testAnyOrder: in whatever order, how often and by how many at once uploads come,
// the archive holds the same.
func testAnyOrder(t *testing.T, open Open) {
	uploads := community(2, 5, 3, 30, Noon-6*hour)
	straight := one(t, open)
	take(t, straight, uploads...)
	want := state(t, straight, today-1, today+1)
	for seed := range uint64(3) {
		again := open(t)
		var all sync.WaitGroup
		for worker := range uint64(4) {
			a := again() // as several collectors, or several goroutines of one
			defer func() { check(t, a.Close()) }()
			rng := rand.New(rand.NewPCG(seed, worker))
			mine := slices.Clone(uploads)
			rng.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
			all.Go(func() {
				for len(mine) > 0 {
					n := min(1+rng.IntN(6), len(mine))
					if _, err := a.Take(t.Context(), mine[:n]); err != nil {
						t.Error(err)
						return
					}
					mine = mine[n:]
				}
			})
		}
		all.Wait()
		a := again()
		got := state(t, a, today-1, today+1)
		check(t, a.Close())
		if got != want {
			t.Fatalf("seed %d: the archive holds something else:\n%s", seed, difference(want, got))
		}
	}
}

// difference is the first lines that differ.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		if i >= len(w) || i >= len(g) || w[i] != g[i] {
			return fmt.Sprintf("line %d: want %q, got %q", i, w[i:min(i+3, len(w))], g[i:min(i+3, len(g))])
		}
	}
	return "none"
}

// testAcknowledged: what is acknowledged has no hole.
func testAcknowledged(t *testing.T, open Open) {
	a := one(t, open)
	upload := func(first, last uint64, dropped []report.Range, rejected ...uint64) archive.Arrival {
		u := &report.Upload{Schema: 1, Install: "i", Epoch: 7, First: first, Last: last, Clock: report.Clock{Sent: Noon}, Dropped: dropped}
		for seq := first; seq <= last; seq++ {
			given := slices.Contains(rejected, seq) || slices.ContainsFunc(dropped, func(r report.Range) bool { return r.First <= seq && seq <= r.Last })
			if !given {
				u.Events = append(u.Events, report.Event{Seq: seq, At: Noon, Kind: report.Presence, State: report.Online})
			}
		}
		return archive.Arrival{Upload: u, At: Noon, Rejected: rejected}
	}
	for _, step := range []struct {
		upload archive.Arrival
		want   uint64
	}{
		{upload(5, 7, nil), 7},                                     // what was before is not to be asked for
		{upload(10, 12, nil), 7},                                   // 8 and 9 are missing
		{upload(8, 9, []report.Range{{First: 9, Last: 9}}), 12},    // one comes, one was given up
		{upload(13, 15, nil, 14), 15},                              // one is rejected for good
		{upload(16, 15, nil), 15},                                  // nothing but a sign of life
		{upload(3, 4, nil), 15},                                    // what was before comes after all
		{upload(1, 1, nil), 1},                                     // 2 is missing now
		{upload(2, 2, []report.Range{{First: 1, Last: 2}}), 15},    // given up
		{upload(1, 20, []report.Range{{First: 19, Last: 20}}), 20}, // everything once more
	} {
		if got := take(t, a, step.upload)[0].Acknowledged; got != step.want {
			t.Errorf("after %d to %d: %d, want %d", step.upload.Upload.First, step.upload.Upload.Last, got, step.want)
		}
	}
	var r recorder
	check(t, a.LoadDevices(t.Context(), today, today, false, &r))
	if j := r.journals["i 7"]; j == nil || j.held.String() != "1-18" {
		t.Errorf("holds %s", r.String())
	}
}

// testKeys: who has shown a key has to show it again.
func testKeys(t *testing.T, open Open) {
	a := one(t, open)
	send := func(key string, at int64) error {
		u := &report.Upload{Schema: 1, Install: "i", Epoch: 1, First: 1, Last: 0, Clock: report.Clock{Sent: at}, Coverage: []report.Span{{From: at - 1000, To: at}}}
		taken, err := a.Take(t.Context(), []archive.Arrival{{Upload: u, At: at, Key: key}})
		check(t, err)
		return taken[0].Err
	}
	for i, step := range []struct {
		key  string
		want error
	}{{"", nil}, {"right", nil}, {"right", nil}, {"wrong", archive.ErrKey}, {"", archive.ErrKey}, {"right", nil}} {
		if got := send(step.key, Noon+int64(i)*minute); !errors.Is(got, step.want) {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
	var r recorder
	check(t, a.LoadDevices(t.Context(), today, today, false, &r))
	if got := len(r.journals["i 1"].covered); got != 4 {
		t.Errorf("%d spans are covered, want 4: a refused upload leaves nothing", got)
	}
}

// testHoles: a journal can't be torn into more ranges than are kept.
func testHoles(t *testing.T, open Open) {
	a := one(t, open)
	upload := func(from uint64, n int) archive.Arrival {
		u := &report.Upload{Schema: 1, Install: "i", Epoch: 1, First: from, Last: from + uint64(2*n), Clock: report.Clock{Sent: Noon}}
		for i := range n {
			u.Dropped = append(u.Dropped, report.Range{First: from + uint64(2*i), Last: from + uint64(2*i)})
		}
		return archive.Arrival{Upload: u, At: Noon}
	}
	take(t, a, upload(1, archive.MaxRanges))
	taken, err := a.Take(t.Context(), []archive.Arrival{upload(uint64(2*archive.MaxRanges+1), 1)})
	check(t, err)
	if !errors.Is(taken[0].Err, archive.ErrHoles) {
		t.Errorf("one range too many: %v", taken[0])
	}
	if got := take(t, a, upload(1, archive.MaxRanges)); got[0].Acknowledged != 1 {
		t.Errorf("acknowledged %d", got[0].Acknowledged)
	}
}

// testWrongClock: what a device with a clock that is years off reports is sorted by
// when it was, and given back as it was told.
func testWrongClock(t *testing.T, open Open) {
	a := one(t, open)
	const years = 30 * 365 * 24 * hour
	d := newDevice("slow", Noon-years)
	d.event(channel("c", report.Event{At: Noon - years + minute, Kind: report.Composed, Message: "m", Member: "p", Class: report.Multicast}))
	u := d.upload(Noon - years + 2*minute)
	u.At = Noon + 2*minute
	take(t, a, u)
	var r recorder
	check(t, a.Load(t.Context(), archive.Bucket{Channel: channelID(t, a, "c"), Day: today}, &r))
	j := r.journals["install-slow 1"]
	if j == nil || len(j.events) != 1 || !strings.Contains(j.events[1], fmt.Sprint(Noon-years+minute)) || len(j.covered) != 1 || !j.looks[fmt.Sprint(Noon-years+2*minute, " ", Noon+2*minute)] {
		t.Errorf("the day has %s", r.String())
	}
}

func channelID(t testing.TB, a archive.Facts, name string) int64 {
	t.Helper()
	channels, err := a.Channels(t.Context())
	check(t, err)
	for id, c := range channels {
		if c.Name == name {
			return id
		}
	}
	t.Fatalf("no channel %q", name)
	return 0
}

// testEvents: everything about one message can be read.
func testEvents(t *testing.T, open Open) {
	a := one(t, open)
	take(t, a, community(3, 4, 1, 10, Noon)...)
	list, err := a.Events(t.Context(), archive.Bucket{Channel: channelID(t, a, "0"), Day: today}, "message-3", 100)
	check(t, err)
	if len(list) < 2 || list[0].Kind != report.Composed || list[0].Install == "" || list[0].Epoch != 1 {
		t.Fatalf("%+v", list)
	}
	seen := map[string]bool{}
	for i, e := range list {
		if e.Message != "message-3" || i > 0 && e.At < list[i-1].At || seen[e.Install] {
			t.Errorf("event %d: %+v", i, e)
		}
		seen[e.Install] = true
	}
	if some, err := a.Events(t.Context(), archive.Bucket{Channel: channelID(t, a, "0"), Day: today}, "message-3", 1); err != nil || len(some) != 1 {
		t.Errorf("limit 1: %d, %v", len(some), err)
	}
}

// testContext: nothing goes on when its context is over, and nothing is half done.
func testContext(t *testing.T, open Open) {
	a := one(t, open)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Take(over, community(1, 2, 1, 3, Noon)); err == nil {
		t.Error("an upload was taken with a context that is over")
	}
	if got, err := a.Channels(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("left %v, %v", got, err)
	}
	check(t, a.Ping(t.Context()))
	if a.Ping(over) == nil {
		t.Error("ping with a context that is over")
	}
}

const patience = 30 * time.Second
