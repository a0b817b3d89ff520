package archivetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/telemetry/report"
)

// clean works out all buckets that are dirty, to nothing, and returns them.
func clean(t testing.TB, a archive.Archive) (out []archive.Bucket) {
	t.Helper()
	marks, err := a.Dirty(t.Context())
	check(t, err)
	for _, m := range marks {
		if m.OfDay() {
			continue
		}
		_, err := a.Revise(t.Context(), archive.Revision{Bucket: m.Bucket, UpTo: m.UpTo, Tallies: []byte("x")})
		check(t, err)
		out = append(out, m.Bucket)
	}
	for _, m := range daysOf(t, a) {
		check(t, a.SaveDay(t.Context(), archive.DayRow{Day: m.Day, UpTo: m.UpTo, Tallies: []byte("x")}))
	}
	slices.SortFunc(out, func(x, y archive.Bucket) int {
		return 10*int(x.Channel-y.Channel) + int(x.Day-y.Day)
	})
	return out
}

// daysOf are the marks of days.
func daysOf(t testing.TB, a archive.Archive) []archive.Mark {
	t.Helper()
	marks, err := a.Dirty(t.Context())
	check(t, err)
	return slices.DeleteFunc(marks, func(m archive.Mark) bool { return !m.OfDay() })
}

// testDayMarks: a day is marked by what changes it, together with it, and until it was
// added up with that.
func testDayMarks(t *testing.T, open Open) {
	a := one(t, open)
	r := archive.Revision{Bucket: archive.Bucket{Channel: 1, Day: today}, At: Noon, Tallies: []byte("one")}
	revise := func() {
		t.Helper()
		_, err := a.Revise(t.Context(), r)
		check(t, err)
	}
	revise()
	first := daysOf(t, a)
	if len(first) != 1 || first[0].Day != today || first[0].Since != Noon {
		t.Fatalf("marks %+v", first)
	}
	r.Tallies = []byte("two")
	revise()
	check(t, a.SaveDay(t.Context(), archive.DayRow{Day: today, UpTo: first[0].UpTo, Tallies: []byte("x")}))
	second := daysOf(t, a)
	if len(second) != 1 || second[0].UpTo <= first[0].UpTo {
		t.Fatalf("what changed meanwhile: %+v, was %+v", second, first)
	}
	check(t, a.SaveDay(t.Context(), archive.DayRow{Day: today, UpTo: second[0].UpTo, Tallies: []byte("x")}))
	revise() // as it was
	if left := daysOf(t, a); len(left) != 0 {
		t.Errorf("left are %+v", left)
	}
	check(t, a.TakeOld(t.Context(), []archive.OldRecord{{At: Noon, Type: "SentEnvelope", Who: "p", Message: "m", Topic: "t", Sent: Noon - 24*hour}}))
	if got := daysOf(t, a); len(got) != 1 || got[0].Day != today-1 {
		t.Errorf("old records mark %+v", got)
	}
}

// testDirty: an upload marks exactly what it may change.
func testDirty(t *testing.T, open Open) {
	a := one(t, open)
	const day = 24 * hour
	tea, milk := newDevice("tea", Noon-4*day), newDevice("milk", Noon-4*day)
	for _, d := range []*device{tea, milk} {
		d.event(channel(d.install, report.Event{At: Noon - 4*day, Kind: report.Membership, Member: "p", Joined: true, Audience: 2}))
		take(t, a, d.upload(Noon-4*day+minute))
	}
	clean(t, a)
	channels := map[string]int64{}
	for _, d := range []*device{tea, milk} {
		channels[d.install] = channelID(t, a, d.install)
	}
	days := func(name string, list ...archive.Day) (out []archive.Bucket) {
		for _, d := range list {
			out = append(out, archive.Bucket{Channel: channels["install-"+name], Day: d})
		}
		return out
	}
	expect := func(what string, want []archive.Bucket) {
		t.Helper()
		if got := clean(t, a); !slices.Equal(got, want) {
			t.Errorf("%s marks %v, want %v", what, got, want)
		}
	}

	// A receipt tells of messages of the day before, too; coverage of that hour of all
	// who count then.
	tea.event(channel("install-tea", report.Event{At: Noon, Kind: report.Received, Message: "m", Member: "q", Class: report.Multicast}))
	u := tea.upload(Noon + minute)
	u.Upload.Coverage = nil
	take(t, a, u)
	expect("a receipt", days("tea", today-1, today))

	u = milk.upload(Noon + minute)
	u.Upload.Coverage[0].From = Noon
	take(t, a, u)
	expect("coverage", days("milk", today-1, today))
	take(t, a, u)
	expect("the same coverage again", nil)

	// A journal that comes three days late.
	milk.event(channel("install-milk", report.Event{At: Noon - 3*day, Kind: report.Composed, Message: "n", Member: "p", Class: report.Multicast}))
	u = milk.upload(Noon + 2*minute)
	u.Upload.Coverage = []report.Span{{From: Noon - 3*day, To: Noon - 3*day + hour}}
	take(t, a, u)
	expect("a late journal", days("milk", today-4, today-3, today-2))

	milk.event(report.Event{At: Noon, Kind: report.Presence, State: report.Isolated})
	u = milk.upload(Noon + 3*minute)
	u.Upload.Coverage = nil
	take(t, a, u)
	expect("a change of presence", days("milk", today-1, today))

	take(t, a, func() archive.Arrival {
		s := newDevice("stranger", Noon)
		return s.upload(Noon + minute)
	}())
	expect("a device without a channel", nil)
}

// testRevise: a bucket's revision grows when it has changed, and what came while it
// was worked out stays marked.
func testRevise(t *testing.T, open Open) {
	a := one(t, open)
	take(t, a, community(4, 3, 1, 3, Noon)...)
	marks, err := a.Dirty(t.Context())
	check(t, err)
	i := slices.IndexFunc(marks, func(m archive.Mark) bool { return m.Day == today })
	if i < 0 || marks[i].Since == 0 {
		t.Fatalf("marks %v", marks)
	}
	m := marks[i]
	d := newDevice("late", Noon)
	d.event(channel("0", report.Event{At: Noon, Kind: report.Received, Message: "m", Member: "q", Class: report.Multicast}))
	take(t, a, d.upload(Noon+minute))

	r := archive.Revision{Bucket: m.Bucket, At: Noon, UpTo: m.UpTo, Provisional: true, Tallies: []byte("one"),
		Figures: archive.Figures{Cells: 10, Low: 0.5, High: 0.75}}
	revise := func(want archive.Revised) {
		t.Helper()
		got, err := a.Revise(t.Context(), r)
		check(t, err)
		if got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	revise(archive.Revised{Revision: 1, Changed: true})
	left, err := a.Dirty(t.Context())
	check(t, err)
	if !slices.ContainsFunc(left, func(x archive.Mark) bool { return x.Bucket == m.Bucket }) {
		t.Error("the mark of what came meanwhile is gone")
	}
	clean := left[slices.IndexFunc(left, func(x archive.Mark) bool { return x.Bucket == m.Bucket })]
	r.UpTo = clean.UpTo
	revise(archive.Revised{Revision: 1})
	left, err = a.Dirty(t.Context())
	check(t, err)
	if slices.ContainsFunc(left, func(x archive.Mark) bool { return x.Bucket == m.Bucket }) {
		t.Error("a mark is left")
	}
	r.Tallies = []byte("two")
	revise(archive.Revised{Revision: 2, Changed: true})
	r.Provisional = false
	revise(archive.Revised{Revision: 3, Changed: true})
	r.Messages = []archive.MessageRow{{Bucket: m.Bucket, Message: "m", Acked: -1}}
	revise(archive.Revised{Revision: 4, Changed: true})

	rows, err := a.Buckets(t.Context(), today, today, 0, true)
	check(t, err)
	want := archive.BucketRow{Bucket: m.Bucket, Figures: r.Figures, Revision: 4, At: Noon, Late: 1, Tallies: []byte("two")}
	if fmt.Sprint(rows) != fmt.Sprint([]archive.BucketRow{want}) {
		t.Errorf("%+v, want %+v", rows, want)
	}
	rows, err = a.Buckets(t.Context(), today, today, m.Channel+1, false)
	check(t, err)
	if len(rows) != 0 {
		t.Errorf("another channel has %v", rows)
	}
}

// testLate: a journal of a week ago revises the buckets of then, and no other.
func testLate(t *testing.T, open Open) {
	a := one(t, open)
	const week = 7 * 24 * hour
	for _, u := range community(5, 3, 2, 10, Noon-week) {
		take(t, a, u)
	}
	take(t, a, community(6, 3, 2, 10, Noon)...)
	clean(t, a)
	d := newDevice("0", Noon-week)
	d.epoch = 2
	d.event(channel("0", report.Event{At: Noon - week + minute, Kind: report.Received, Message: "message-0", Member: "member-1", Class: report.Multicast}))
	u := d.upload(Noon - week + 2*minute)
	u.At = Noon + hour
	u.Upload.Clock.Sent = Noon + hour - second
	take(t, a, u)
	marks, err := a.Dirty(t.Context())
	check(t, err)
	then := archive.DayOf(Noon - week)
	for _, m := range marks {
		if m.Day < then-1 || m.Day > then+1 || m.OfDay() {
			t.Errorf("%+v is marked", m)
		}
		_, err := a.Revise(t.Context(), archive.Revision{Bucket: m.Bucket, UpTo: m.UpTo, Tallies: []byte("revised"), At: Noon + hour})
		check(t, err)
	}
	rows, err := a.Buckets(t.Context(), then-10, today+1, 0, false)
	check(t, err)
	for _, b := range rows {
		// The day after is new: those who were there then count for a day.
		if late := b.Day == then-1 || b.Day == then; late != (b.Revision == 2) || late != (b.Late == 1) {
			t.Errorf("%s has revision %d, %d late", b.Day, b.Revision, b.Late)
		}
	}
}

// testHistory: revisions are kept, of a bucket that changes all the time one in about
// ten minutes.
func testHistory(t *testing.T, open Open) {
	a := one(t, open)
	b := archive.Bucket{Channel: 1, Day: today}
	for i := range 41 {
		_, err := a.Revise(t.Context(), archive.Revision{Bucket: b, At: Noon + int64(i)*minute, Tallies: []byte(fmt.Sprint(i)), Provisional: i < 40,
			Figures: archive.Figures{Low: float64(i)}})
		check(t, err)
	}
	list, err := a.Revisions(t.Context(), b)
	check(t, err)
	if n := len(list); n < 4 || n > 8 || list[0].Revision != 1 || list[n-1].Revision != 41 || list[n-1].Provisional || list[n-1].Low != 40 {
		t.Errorf("%d lines: %+v", len(list), list)
	}
	for i := 1; i < len(list)-2; i++ {
		if step := list[i].At - list[i-1].At; step < 9*minute {
			t.Errorf("revisions %d and %d are %d min apart", list[i-1].Revision, list[i].Revision, step/minute)
		}
	}
}

func testDays(t *testing.T, open Open) {
	a := one(t, open)
	d := archive.DayRow{Day: today, At: Noon, Provisional: true, Tallies: []byte{0, 1, 255}, Estimates: json.RawMessage(`[]`), Trust: json.RawMessage(`{"devices": 3}`), Legacy: json.RawMessage(`{}`)}
	check(t, a.SaveDay(t.Context(), d))
	check(t, a.SaveDay(t.Context(), d))
	other := d
	other.Day++
	check(t, a.SaveDay(t.Context(), other))
	d.Provisional, d.At = false, Noon+hour
	check(t, a.SaveDay(t.Context(), d))
	if got, err := a.DayRevisions(t.Context(), today-9, today+9); err != nil || len(got) != 2 || got[today] != 2 || got[today+1] != 1 {
		t.Errorf("revisions %v, %v", got, err)
	}
	got, err := a.Days(t.Context(), today-1, today)
	check(t, err)
	d.Revision = 2
	if fmt.Sprint(got) != fmt.Sprint([]archive.DayRow{d}) {
		t.Errorf("%+v, want %+v", got, d)
	}
}

func testMessages(t *testing.T, open Open) {
	a := one(t, open)
	row := func(c int64, d archive.Day, name string, lost int) archive.MessageRow {
		return archive.MessageRow{Bucket: archive.Bucket{Channel: c, Day: d}, Message: name, At: d.Start() + int64(lost), Author: "p", Left: true, Attempts: 2,
			Acked: 1500, Minute: [4]int{1, lost, 3, 4}, Day24: [4]int{5, lost, 2, 1}, Without: []archive.Lacking{{Member: "q", Outcome: "lost"}}}
	}
	save := func(c int64, d archive.Day, phantoms []archive.PhantomRow, rows ...archive.MessageRow) {
		t.Helper()
		_, err := a.Revise(t.Context(), archive.Revision{Bucket: archive.Bucket{Channel: c, Day: d}, Messages: rows, Phantoms: phantoms, Tallies: []byte("x")})
		check(t, err)
	}
	one, two, three := row(1, today, "one", 5), row(1, today, "two", 9), row(2, today-1, "three", 7)
	phantom := archive.PhantomRow{Bucket: one.Bucket, Message: "ghost", Author: "p", Noticed: Noon, By: 3, Counted: true}
	save(1, today, []archive.PhantomRow{phantom}, one, two, row(1, today, "gone", 100))
	save(1, today, []archive.PhantomRow{phantom}, one, two)
	save(2, today-1, nil, three)
	for _, q := range []struct {
		query archive.MessageQuery
		want  []archive.MessageRow
	}{
		{archive.MessageQuery{First: today - 5, Last: today, Limit: 10}, []archive.MessageRow{two, three, one}},
		{archive.MessageQuery{First: today - 5, Last: today, Limit: 1}, []archive.MessageRow{two}},
		{archive.MessageQuery{First: today, Last: today, Limit: 10}, []archive.MessageRow{two, one}},
		{archive.MessageQuery{First: today - 5, Last: today, Channel: 2, Limit: 10}, []archive.MessageRow{three}},
	} {
		got, err := a.Messages(t.Context(), q.query)
		check(t, err)
		if fmt.Sprint(got) != fmt.Sprint(q.want) {
			t.Errorf("%+v: %+v, want %+v", q.query, got, q.want)
		}
	}
	if got, ok, err := a.Message(t.Context(), 0, "three"); err != nil || !ok || fmt.Sprint(got) != fmt.Sprint(three) {
		t.Errorf("%+v, %v, %v", got, ok, err)
	}
	if _, ok, err := a.Message(t.Context(), 1, "three"); err != nil || ok {
		t.Errorf("found in another channel: %v, %v", ok, err)
	}
	ghosts, err := a.Phantoms(t.Context(), today, today, 10)
	check(t, err)
	if len(ghosts) != 1 || ghosts[0] != phantom {
		t.Errorf("%+v", ghosts)
	}
}

func testIncidents(t *testing.T, open Open) {
	a := one(t, open)
	row := func(from, to int64, open bool) archive.IncidentRow {
		return archive.IncidentRow{From: from, To: to, Open: open, Scope: "everybody", Body: json.RawMessage(fmt.Sprintf(`{"from": %d}`, from))}
	}
	past, now := row(Noon-9*hour, Noon-8*hour, false), row(Noon-hour, Noon, true)
	check(t, a.SaveIncidents(t.Context(), 0, Noon+24*hour, []archive.IncidentRow{past, now, row(Noon+30*hour, Noon+31*hour, false)}))
	now.To, now.Open = Noon+hour, false
	check(t, a.SaveIncidents(t.Context(), Noon-4*hour, Noon+24*hour, []archive.IncidentRow{now, past}))
	got, err := a.Incidents(t.Context(), Noon-24*hour, Noon+hour, 10)
	check(t, err)
	if fmt.Sprint(got) != fmt.Sprint([]archive.IncidentRow{now, past}) {
		t.Errorf("%+v", got)
	}
	if got, err := a.Incidents(t.Context(), Noon-24*hour, Noon-2*hour, 10); err != nil || fmt.Sprint(got) != fmt.Sprint([]archive.IncidentRow{past}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func testNotes(t *testing.T, open Open) {
	a := one(t, open)
	for _, body := range []string{"one", "two"} {
		check(t, a.SaveNote(t.Context(), "n", body))
		if got, err := a.Note(t.Context(), "n"); err != nil || got != body {
			t.Errorf("%q, %v", got, err)
		}
	}
	for _, body := range []string{"first", "second"} {
		if got, err := a.Settle(t.Context(), "s", body); err != nil || got != "first" {
			t.Errorf("settled on %q, %v", got, err)
		}
	}
	if got, err := a.Note(t.Context(), "other"); err != nil || got != "" {
		t.Errorf("%q, %v", got, err)
	}
}

// testGaps: time without a collector is recorded, by the first that is back.
func testGaps(t *testing.T, open Open) {
	again := open(t)
	a := again()
	take(t, a, community(7, 2, 1, 3, Noon-2*hour)...)
	clean(t, a)
	for i, step := range []struct {
		at   int64
		want *report.Span
	}{{Noon, nil}, {Noon + 10*second, nil}, {Noon + 9*second, nil}, {Noon + 20*second, nil}} {
		if got, err := a.Alive(t.Context(), step.at, patience); err != nil || fmt.Sprint(got) != fmt.Sprint(step.want) {
			t.Errorf("step %d: %v, %v", i, got, err)
		}
	}
	check(t, a.Close())
	a = again()
	defer a.Close()
	gap := report.Span{From: Noon + 20*second, To: Noon + hour}
	if got, err := a.Alive(t.Context(), Noon+hour, patience); err != nil || got == nil || *got != gap {
		t.Errorf("after an hour: %v, %v", got, err)
	}
	if got, err := a.Alive(t.Context(), Noon+hour, patience); err != nil || got != nil {
		t.Errorf("a second collector: %v, %v", got, err)
	}
	if got := clean(t, a); len(got) == 0 {
		t.Error("the gap marks nothing")
	}
	if got, err := a.Gaps(t.Context(), Noon, Noon+2*hour); err != nil || fmt.Sprint(got) != fmt.Sprint([]report.Span{gap}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := a.Gaps(t.Context(), Noon+hour, Noon+2*hour); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	var r recorder
	check(t, a.Load(t.Context(), archive.Bucket{Channel: channelID(t, a, "0"), Day: today}, &r))
	if got := r.journals["gaps 0"]; got == nil || fmt.Sprint(got.covered) != fmt.Sprint([]report.Span{gap}) {
		t.Errorf("fed %v", got)
	}
}

// testLead: one collector estimates.
func testLead(t *testing.T, open Open) {
	a := one(t, open)
	for i, step := range []struct {
		who        string
		now, until int64
		want       bool
	}{{"a", 0, 10, false}, {"a", 1, 10, true}, {"b", 5, 20, false}, {"a", 9, 15, true}, {"b", 15, 30, false}, {"b", 16, 30, true}, {"a", 17, 40, false}} {
		if got, err := a.Lead(t.Context(), step.who, step.now, step.until); err != nil || got != step.want {
			t.Errorf("step %d: %v, %v", i, got, err)
		}
	}
}

// withoutOld leaves out the installations that are gone.
func withoutOld(state string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(state, "\n"), func(l string) bool { return strings.HasPrefix(l, "old-") }), "\n")
}

func isMembership(event string) bool { return strings.Contains(event, `"kind":"membership"`) }

func testOld(t *testing.T, open Open) {
	a := one(t, open)
	r := archive.OldRecord{At: Noon + hour, Type: "SentEnvelope", Who: "w", Chat: "c", Message: "0xab", Topic: "/waku/1/0x01020304/rfc26", Pubsub: "/waku/2/rs/16/32",
		Sent: Noon, Platform: "linux", App: "2.30", Kind: "CHAT_MESSAGE"}
	failed, next := r, r
	failed.Failed = true
	next.Sent += 24 * hour
	check(t, a.TakeOld(t.Context(), []archive.OldRecord{r, failed, r, next}))
	again := r
	again.At += hour
	check(t, a.TakeOld(t.Context(), []archive.OldRecord{again}))
	got, err := a.Old(t.Context(), today)
	check(t, err)
	if len(got) != 2 || got[0] != r && got[1] != r || got[0] != failed && got[1] != failed {
		t.Errorf("%+v", got)
	}
}

// testRetain: what is too old goes, and nothing else.
func testRetain(t *testing.T, open Open) {
	a := one(t, open)
	const day = 24 * hour
	long := community(8, 3, 1, 6, Noon-40*day)
	for i := range long {
		long[i].Upload.Install = "old-" + long[i].Upload.Install
	}
	take(t, a, long...)
	take(t, a, community(9, 3, 1, 6, Noon-5*day)...)
	check(t, a.TakeOld(t.Context(), []archive.OldRecord{{Type: "x", Sent: Noon - 40*day}, {Type: "y", Sent: Noon - 5*day}}))
	for _, d := range []archive.Day{archive.DayOf(Noon - 100*day), archive.DayOf(Noon - 40*day)} {
		check(t, a.SaveDay(t.Context(), archive.DayRow{Day: d, Tallies: []byte("x"), Estimates: json.RawMessage(`[]`), Trust: json.RawMessage(`{}`), Legacy: json.RawMessage(`{}`)}))
		_, err := a.Revise(t.Context(), archive.Revision{Bucket: archive.Bucket{Channel: 1, Day: d}, Tallies: []byte("x"),
			Messages: []archive.MessageRow{{Bucket: archive.Bucket{Channel: 1, Day: d}, Message: d.String()}}})
		check(t, err)
	}
	keep := archive.Retention{Raw: 30 * 24 * time.Hour, Cells: 90 * 24 * time.Hour}
	young := state(t, a, archive.DayOf(Noon-5*day), archive.DayOf(Noon-4*day))
	done, err := a.Retain(t.Context(), Noon, keep)
	check(t, err)
	if done.Raw == 0 || done.Cells == 0 {
		t.Errorf("removed %+v", done)
	}
	var r recorder
	check(t, a.LoadDevices(t.Context(), archive.DayOf(Noon-41*day), archive.DayOf(Noon-39*day), true, &r))
	for name, j := range r.journals {
		for seq, e := range j.events {
			if len(j.covered) > 0 || !isMembership(e) {
				t.Errorf("%s still has %d %s", name, seq, e)
			}
		}
	}
	if got := state(t, a, archive.DayOf(Noon-5*day), archive.DayOf(Noon-4*day)); withoutOld(got) != withoutOld(young) {
		t.Errorf("what is young has changed: %s", difference(withoutOld(young), withoutOld(got)))
	}
	if old, err := a.Old(t.Context(), archive.DayOf(Noon-40*day)); err != nil || len(old) != 0 {
		t.Errorf("%v, %v", old, err)
	}
	if old, err := a.Old(t.Context(), archive.DayOf(Noon-5*day)); err != nil || len(old) != 1 {
		t.Errorf("%v, %v", old, err)
	}
	rows, err := a.Buckets(t.Context(), 0, today, 0, false)
	check(t, err)
	days, err := a.Days(t.Context(), 0, today)
	check(t, err)
	messages, err := a.Messages(t.Context(), archive.MessageQuery{First: today - 120, Last: today, Limit: 10})
	check(t, err)
	if len(rows) != 1 || len(days) != 2 || len(messages) != 1 {
		t.Errorf("%d buckets, %d days, %d messages, want 1, 2, 1", len(rows), len(days), len(messages))
	}
	if done, err := a.Retain(t.Context(), Noon, keep); err != nil || done != (archive.Removed{}) {
		t.Errorf("a second time: %+v, %v", done, err)
	}
	if done, err := a.Retain(t.Context(), Noon+1000*day, archive.Retention{}); err != nil || done != (archive.Removed{}) {
		t.Errorf("for ever: %+v, %v", done, err)
	}
	// An installation that is away for long is forgotten.
	_, err = a.Retain(t.Context(), Noon+200*day, keep)
	check(t, err)
	if got := state(t, a, today-200, today); strings.Contains(got, "install-") {
		t.Errorf("installations are still there: %s", got)
	}
}
