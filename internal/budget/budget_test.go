package budget

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
)

const begin = sds.Time(1_800_000_000_000)

var rln = Quota{Packets: 100, Window: 600 * time.Second}

func load(t testing.TB, q Quota) *Queue[int] {
	t.Helper()
	queue, err := Load[int](q, nil, begin)
	if err != nil {
		t.Fatal(err)
	}
	return queue
}

// offer puts n packets in line, numbered from first.
func (q *Queue[T]) offer(now sds.Time, class sds.Class, first, n int) (taken int) {
	for i := first; i < first+n; i++ {
		if q.Offer(now, Item[T]{Class: class, Channel: "tea", ID: sds.MessageID(fmt.Sprint(i))}) {
			taken++
		}
	}
	return taken
}

// leave grants what may leave now, and has it gone at once.
func (q *Queue[T]) leave(now sds.Time) []*Item[T] {
	granted := q.Grant(now)
	for _, it := range granted {
		q.Landed(now, it)
	}
	q.Expire(now)
	return granted
}

// use lets n packets of a class leave.
func (q *Queue[T]) use(t testing.TB, now sds.Time, class sds.Class, first, n int) {
	t.Helper()
	q.offer(now, class, first, n)
	if got := len(q.leave(now)); got != n {
		t.Fatalf("%d packets of class %v left, want %d", got, class, n)
	}
}

// What a class gets when others use this much: spec R111, spec R112.
func TestShares(t *testing.T) {
	const content, resend, repair, request, ack, sync, ephemeral = sds.ClassContent, sds.ClassResend, sds.ClassRepair,
		sds.ClassRequest, sds.ClassAck, sds.ClassSync, sds.ClassEphemeral
	type use map[sds.Class]int
	tests := []struct {
		name   string
		before []use // one after the other
		class  sds.Class
		want   int
	}{
		{"content alone", nil, content, 70},
		{"resends alone", nil, resend, 10},
		{"repairs alone", nil, repair, 50},
		{"requests alone", nil, request, 53},
		{"acks alone", nil, ack, 53},
		{"syncs alone", nil, sync, 53},
		{"ephemeral alone", nil, ephemeral, 51},

		{"resends are content's", []use{{resend: 10}}, content, 60},
		{"and come after it", []use{{content: 65}}, resend, 5},
		{"acks are requests'", []use{{content: 70, request: 10}}, ack, 8},
		{"content lends what it leaves", []use{{content: 40}}, repair, 45},
		{"all of its share is used", []use{{content: 70}}, repair, 15},
		{"two lend", []use{{content: 70}}, request, 18},
		{"three lend", []use{{content: 70}}, sync, 18},
		{"all of theirs is used", []use{{content: 70, repair: 15, ack: 10}}, sync, 5},
		{"nothing is lent upwards", []use{{content: 70}}, content, 0},
		{"also by repairs", []use{{content: 70, repair: 15}}, repair, 0},
		{"half is kept for content", []use{{repair: 50}}, content, 35},
		{"half is kept for requests", []use{{sync: 53}}, request, 5},
		{"and for repairs", []use{{sync: 53}}, repair, 7},
		{"and for syncs", []use{{content: 70, request: 18}}, sync, 5},
		{"ephemeral ends at nine tenths", []use{{content: 70}, {repair: 15}}, ephemeral, 5},
		{"and has no share", []use{{content: 70, repair: 15, ack: 10, sync: 3}}, ephemeral, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := load(t, rln)
			id := 0
			for _, u := range tt.before {
				for c := content; c <= ephemeral; c++ {
					q.use(t, begin, c, id, u[c])
					id += u[c]
				}
			}
			q.offer(begin, tt.class, 1000, 200)
			if got := len(q.leave(begin)); got != tt.want {
				t.Errorf("%d left, want %d", got, tt.want)
			}
		})
	}
}

// A small quota still serves every class, one at a time.
func TestTinyQuota(t *testing.T) {
	for c := sds.ClassContent; c <= sds.ClassSync; c++ {
		q := load(t, Quota{Packets: 1, Window: time.Minute})
		q.use(t, begin, c, 0, 1)
		q.offer(begin, c, 1, 1)
		at, ok := q.Deadline(begin)
		if got := q.leave(begin); len(got) > 0 || !ok {
			t.Errorf("%v: %d more left", c, len(got))
		}
		if c == sds.ClassContent && (at < begin.Add(time.Minute) || at > begin.Add(61*time.Second)) {
			t.Errorf("the next after %v", at.Sub(begin))
		}
	}
}

// Bytes are divided as packets are.
func TestBytes(t *testing.T) {
	q := load(t, Quota{Packets: 1000, Bytes: MinBytes, Window: time.Minute})
	const mib = 1 << 20
	for i := range 5 {
		if !q.Offer(begin, Item[int]{Class: sds.ClassContent, Channel: "tea", ID: sds.MessageID(fmt.Sprint(i)), Bytes: mib}) {
			t.Fatal("refused")
		}
	}
	if got := len(q.leave(begin)); got != 2 { // 70 % of 4 MiB
		t.Errorf("%d MiB left", got)
	}
	if st := q.Status(begin, Content); st.Used != (Amount{2, 2 * mib}) || st.Of != (Amount{700, 2936013}) || st.Room.Bytes != 2936013-2*mib {
		t.Errorf("%+v", st)
	}
	if q.Offer(begin, Item[int]{Class: sds.ClassSync, Bytes: MinBytes}) {
		t.Error("a packet waits that can never leave")
	}
	if at, ok := q.Deadline(begin); !ok || at < begin.Add(time.Minute) {
		t.Errorf("the next after %v", at.Sub(begin))
	}
}

// Within a class the oldest is first, and the classes come in their order:
// spec R113.
func TestOrder(t *testing.T) {
	q := load(t, rln)
	q.offer(begin, sds.ClassSync, 1, 2)
	q.offer(begin, sds.ClassAck, 3, 1)
	q.offer(begin, sds.ClassRequest, 4, 1)
	q.offer(begin, sds.ClassRepair, 5, 1)
	q.offer(begin, sds.ClassEphemeral, 6, 1)
	q.offer(begin, sds.ClassContent, 7, 2)
	q.Offer(begin, Item[int]{Class: sds.ClassContent, Channel: "coffee", ID: "8b"})
	var ids []sds.MessageID
	for _, it := range q.leave(begin) {
		ids = append(ids, it.ID)
	}
	if want := []sds.MessageID{"7", "8b", "8", "5", "4", "3", "1", "2", "6"}; !slices.Equal(ids, want) {
		t.Errorf("left %v, want %v", ids, want)
	}
}

// A channel with something urgent comes first, with what is before it; channels
// of the same priority take turns: spec R113.
func TestPriority(t *testing.T) {
	q := load(t, rln)
	add := func(ch sds.ChannelID, id sds.MessageID, p sds.Priority) {
		q.Offer(begin, Item[int]{Class: sds.ClassContent, Channel: ch, ID: id, Priority: p})
	}
	add("low", "l1", sds.PriorityLow)
	add("a", "a1", sds.PriorityNormal)
	add("b", "b1", sds.PriorityNormal)
	add("low", "l2", sds.PriorityLow)
	add("a", "a2", sds.PriorityNormal)
	add("b", "b2", sds.PriorityNormal)
	add("c", "c1", sds.PriorityLow)
	add("c", "c2", sds.PriorityHigh)
	add("c", "c3", sds.PriorityLow)
	q.Withdraw("b", "b2")
	if q.Waits("b", "b2") || !q.Waits("b", "b1") || q.Waits("a", "b1") {
		t.Error("what waits is wrong")
	}
	q.Withdraw("b", "none")
	var ids []sds.MessageID
	for _, it := range q.leave(begin) {
		ids = append(ids, it.ID)
	}
	if want := []sds.MessageID{"c1", "c2", "a1", "b1", "a2", "l1", "c3", "l2"}; !slices.Equal(ids, want) {
		t.Errorf("left %v, want %v", ids, want)
	}
}

// Content waits for ever, ephemeral messages not at all, the rest 10 s: spec R115.
func TestPatience(t *testing.T) {
	q := load(t, rln)
	q.offer(begin, sds.ClassContent, 0, 200)
	q.offer(begin, sds.ClassRepair, 300, 40)
	q.offer(begin, sds.ClassEphemeral, 400, 40)
	q.Grant(begin)
	count := func(at sds.Time) (n map[sds.Class]int) {
		n = map[sds.Class]int{}
		for _, it := range q.Expire(at) {
			n[it.Class]++
		}
		return n
	}
	if n := count(begin); n[sds.ClassEphemeral] != 35 || len(n) != 1 { // 5 of them left: 90 in all
		t.Errorf("at once: %v", n)
	}
	if n := count(begin.Add(Patience - time.Millisecond)); len(n) != 0 {
		t.Errorf("before 10 s: %v", n)
	}
	if at, ok := q.Deadline(begin); !ok || at != begin.Add(Patience) {
		t.Errorf("deadline %v, %v", at.Sub(begin), ok)
	}
	if n := count(begin.Add(Patience)); n[sds.ClassRepair] != 25 || len(n) != 1 {
		t.Errorf("after 10 s: %v", n)
	}
	if n := q.Waiting(sds.ClassContent); n != 130 {
		t.Errorf("%d of content wait", n)
	}
	if n := count(begin.Add(1000 * time.Hour)); len(n) != 0 {
		t.Errorf("after 1000 hours: %v", n)
	}
}

// Content that is asked for while it waits goes out itself, from the share of
// repairs; a resend of it does not: spec R116.
func TestCalled(t *testing.T) {
	q := load(t, rln)
	q.use(t, begin, sds.ClassContent, 0, 70)
	q.offer(begin, sds.ClassContent, 100, 30)
	if q.offer(begin, sds.ClassResend, 105, 1) != 0 || q.offer(begin, sds.ClassContent, 105, 1) != 0 {
		t.Error("a second copy was taken")
	}
	if len(q.leave(begin)) != 0 {
		t.Error("a resend brought it out")
	}
	if q.offer(begin, sds.ClassRepair, 105, 1) != 0 {
		t.Error("the repair was taken beside it")
	}
	got := q.leave(begin)
	if len(got) != 1 || got[0].ID != "105" || got[0].Class != sds.ClassRepair {
		t.Fatalf("left: %v", got)
	}
	if n, st := q.Waiting(sds.ClassContent), q.Status(begin, Repair); n != 29 || st.Used.Packets != 1 {
		t.Errorf("%d wait, repair %+v", n, st)
	}
	q.use(t, begin, sds.ClassRepair, 200, 14)
	q.offer(begin, sds.ClassRepair, 106, 1)
	if len(q.leave(begin)) != 0 || q.Waiting(sds.ClassContent) != 29 {
		t.Error("the share of repairs is used up")
	}
	if n := len(q.leave(begin.Add(700 * time.Second))); n != 29 {
		t.Errorf("%d left later", n)
	}
}

// What waits of a channel goes when the channel does.
func TestRemove(t *testing.T) {
	q := load(t, rln)
	q.use(t, begin, sds.ClassContent, 0, 70)
	q.offer(begin, sds.ClassContent, 100, 3)
	q.Offer(begin, Item[int]{Class: sds.ClassContent, Channel: "coffee", ID: "1"})
	q.offer(begin, sds.ClassRepair, 101, 1) // calls it
	q.Remove("tea")
	if got := q.leave(begin); len(got) != 0 || q.Waiting(sds.ClassContent) != 1 || q.Status(begin, Repair).Used.Packets != 0 {
		t.Errorf("left %v; %d wait", got, q.Waiting(sds.ClassContent))
	}
	if got := q.leave(begin.Add(700 * time.Second)); len(got) != 1 || got[0].Channel != "coffee" {
		t.Errorf("left %v", got)
	}
}

// There is a bound for what waits.
func TestBounds(t *testing.T) {
	q := load(t, rln)
	if n := q.offer(begin, sds.ClassContent, 0, MaxContent+10); n != MaxContent {
		t.Errorf("%d of content wait", n)
	}
	if n := q.offer(begin, sds.ClassAck, 0, MaxOther+10); n != MaxOther {
		t.Errorf("%d acks wait", n)
	}
	if n := len(q.DropOthers()); n != MaxOther || q.Waiting(sds.ClassContent) != MaxContent {
		t.Errorf("%d dropped", n)
	}
}

// The forecast is what happens if nothing else does.
func TestForecast(t *testing.T) {
	for _, waiting := range []int{0, 69, 70, 75, 139, 140, 300} {
		q := load(t, rln)
		now := begin
		for i := range waiting { // one each 3 s, so that they leave spread
			q.offer(now, sds.ClassContent, i, 1)
			q.leave(now)
			if i < 69 {
				now = now.Add(3 * time.Second)
			}
		}
		want := q.NextContent(now, 1)
		q.offer(now, sds.ClassContent, 1000, 1)
		for {
			got := q.leave(now)
			if n := len(got); n > 0 && got[n-1].ID == "1000" {
				break
			}
			at, ok := q.Deadline(now)
			if !ok || at <= now {
				t.Fatalf("%d waiting: deadline %v %v", waiting, at.Sub(now), ok)
			}
			now = at
		}
		// Whole windows are taken as equal; slots make each up to one slot longer.
		if d := now.Sub(want); d < -20*time.Second || d > 20*time.Second || waiting < 140 && d != 0 {
			t.Errorf("%d waiting: after %v, forecast was %v", waiting, now.Sub(begin), want.Sub(begin))
		}
	}
}

// Each level is noticed once on the way up and once on the way down: spec R117.
func TestLevels(t *testing.T) {
	q := load(t, rln)
	var moves []Level
	look := func(at sds.Time) {
		if l := q.NextLevel(at); l != q.Level() {
			q.SetLevel(l)
			moves = append(moves, l)
		}
	}
	now := begin
	for i := range 70 {
		q.use(t, now, sds.ClassContent, i, 1)
		look(now)
		if i == 54 && len(moves) > 0 || i == 55 && !slices.Equal(moves, []Level{LevelNear}) {
			t.Fatalf("after %d packets: %v", i+1, moves)
		}
		now = now.Add(time.Second)
	}
	for now < begin.Add(700*time.Second) {
		at, ok := q.Deadline(now)
		if !ok {
			break
		}
		now = at
		look(now)
	}
	if want := []Level{LevelNear, LevelFull, LevelNear, LevelNormal}; !slices.Equal(moves, want) {
		t.Errorf("levels %v, want %v", moves, want)
	}
}

// Around a threshold there is one notice, not one per packet: spec R117.
func TestLevelsDoNotFlicker(t *testing.T) {
	q := load(t, Quota{Packets: 100, Window: 60 * time.Second})
	notices := 0
	now := begin
	for i := range 2000 { // 55 or 56 of 70 count at any time
		q.offer(now, sds.ClassContent, i, 1)
		q.leave(now)
		if l := q.NextLevel(now); l != q.Level() {
			q.SetLevel(l)
			notices++
		}
		now = now.Add(1100 * time.Millisecond)
	}
	if used := q.Status(now, Content).Used.Packets; notices != 1 || q.Level() != LevelNear || used < 53 || used > 58 {
		t.Errorf("%d notices, level %d, %d used", notices, q.Level(), used)
	}
}

// A steward is told at half, and again at 40 %: spec R118.
func TestBusy(t *testing.T) {
	q := load(t, rln)
	var busy []int
	was := false
	now := begin
	for i := range 100 {
		if q.Busy(now) != was {
			was = !was
			busy = append(busy, i)
		}
		if i < 50 {
			q.use(t, now, sds.ClassContent, i, 1)
		}
		if now = now.Add(5 * time.Second); i >= 50 {
			now = now.Add(5 * time.Second)
		}
	}
	if len(busy) != 2 || busy[0] != 50 || was {
		t.Errorf("changed at %v", busy)
	}
}

// Time that is set back: what left counts for a window from now: spec R110.
func TestClockSetBack(t *testing.T) {
	q := load(t, rln)
	q.use(t, begin.Add(time.Hour), sds.ClassContent, 0, 70)
	q.offer(begin, sds.ClassContent, 100, 1)
	if len(q.leave(begin)) > 0 || len(q.leave(begin.Add(600*time.Second))) > 0 {
		t.Error("it was forgotten")
	}
	if len(q.leave(begin.Add(611*time.Second))) != 1 {
		t.Error("it counts too long")
	}
}

// spec R114: what a record has counts on, under another quota too.
func TestRecord(t *testing.T) {
	q := load(t, rln)
	q.use(t, begin, sds.ClassContent, 0, 30)
	q.use(t, begin.Add(100*time.Second), sds.ClassAck, 100, 7)
	q.offer(begin.Add(200*time.Second), sds.ClassContent, 200, 5)
	q.Grant(begin.Add(200 * time.Second)) // under way
	record := q.Record(LevelNear)
	t.Logf("%d bytes", len(record))
	for _, quota := range []Quota{rln, {Packets: 36, Window: 100 * time.Second}, {Packets: 5000, Window: 1000 * time.Second}} {
		r, err := Load[int](quota, record, begin.Add(300*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		content, acks := int64(35), int64(7)
		if quota.Window < rln.Window {
			content, acks = 5, 0
		}
		at := begin.Add(300 * time.Second)
		if c, a := r.Status(at, Content).Used.Packets, r.Status(at, Request).Used.Packets; c != content || a != acks || r.Level() != LevelNear {
			t.Errorf("%+v: content %d, acks %d, level %d", quota, c, a, r.Level())
		}
		if at = begin.Add(300*time.Second + quota.Window - 1); r.Status(at, Content).Used.Packets != 5 {
			t.Errorf("%+v: what was under way: %+v", quota, r.Status(at, Content))
		}
	}
	for cut := range record {
		if r, err := Load[int](rln, record[:cut:cut], begin); !errors.Is(err, ErrRecord) && cut > 0 {
			t.Errorf("cut at %d: %v, %v", cut, r, err)
		}
	}
	bad := slices.Clone(record)
	bad[0] = 9
	if _, err := Load[int](rln, bad, begin); !errors.Is(err, ErrRecord) {
		t.Error(err)
	}
	if _, err := Load[int](rln, append(slices.Clone(record), 0), begin); !errors.Is(err, ErrRecord) {
		t.Error(err)
	}
}

func TestQuotaCheck(t *testing.T) {
	for _, bad := range []Quota{{Window: time.Minute}, {Packets: -1, Window: time.Minute}, {Packets: 1}, {Packets: 1, Window: time.Millisecond},
		{Packets: 1, Window: 400 * 24 * time.Hour}, {Packets: 1, Bytes: 1000, Window: time.Minute}, {Packets: 1, Bytes: -1, Window: time.Minute}} {
		if _, err := Load[int](bad, nil, begin); !errors.Is(err, ErrQuota) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	q := load(f, rln)
	q.use(f, begin, sds.ClassContent, 0, 30)
	q.offer(begin, sds.ClassSync, 0, 5)
	q.Grant(begin)
	f.Add(q.Record(LevelFull))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, record []byte) {
		q, err := Load[int](rln, record, begin)
		if err != nil {
			return
		}
		q.offer(begin, sds.ClassContent, 0, 1)
		q.leave(begin)
		q.Deadline(begin)
		q.NextContent(begin, 1)
	})
}

func BenchmarkPacket(b *testing.B) {
	q := load(b, Quota{Packets: 100_000, Window: 600 * time.Second})
	now := begin
	b.ReportAllocs()
	for i := range b.N {
		now += 20
		q.Offer(now, Item[int]{Class: sds.ClassContent, Channel: "tea", ID: "id", Value: i})
		for _, it := range q.Grant(now) {
			q.Landed(now, it)
		}
		q.Expire(now)
		q.NextLevel(now)
		q.Record(q.Level())
	}
}
