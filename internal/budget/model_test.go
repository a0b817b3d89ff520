package budget

import (
	"fmt"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
	"pgregory.net/rapid"
)

// departure is a packet of the dumb model: it remembers everything and counts
// again for each question.
type departure struct {
	class   sds.Class
	bytes   int64
	granted sds.Time
	landed  sds.Time // the last moment when it can have left; 0 while it is under way
	left    sds.Time // when it left; drawn
	void    bool
}

type flight struct {
	it *Item[int]
	d  *departure
}

type model struct {
	t        *rapid.T
	quota    Quota
	now      sds.Time
	q        *Queue[int]
	record   []byte
	all      []*departure
	flying   []*flight // in the order of their grants
	channels []sds.ChannelID
}

// counted is the most that the model lets count of a class: as the documentation
// says, until a sixtieth of a window after a window.
func (m *model) counted(of func(sds.Class) bool) (a Amount) {
	slot := sds.Time((m.quota.Window.Milliseconds() + slotsPerWindow - 1) / slotsPerWindow)
	for _, d := range m.all {
		if of(d.class) && !d.void && (d.landed == 0 || m.now < d.landed.Add(m.quota.Window)+slot) {
			a = a.Add(Amount{1, d.bytes})
		}
	}
	return a
}

func (m *model) used(s Share) Amount {
	return m.counted(func(c sds.Class) bool { return ShareOf(c) == s })
}

// checkWindow: what left in the window that ends now is within the quota,
// wherever in their spans packets under way leave.
func (m *model) checkWindow() {
	from := m.now.Add(-m.quota.Window)
	var a Amount
	for _, d := range m.all {
		if !d.void && (d.left == 0 || d.left > from) {
			a = a.Add(Amount{1, d.bytes})
		}
	}
	if a.Packets > int64(m.quota.Packets) || m.quota.Bytes > 0 && a.Bytes > m.quota.Bytes {
		m.t.Fatalf("%d packets, %d bytes in a window of %+v", a.Packets, a.Bytes, m.quota)
	}
}

// checkFree: after Grant nothing waits of a class that has room by right. Only
// packets are looked at: with a limit for bytes a large one may have to wait.
func (m *model) checkFree() {
	if m.quota.Bytes > 0 {
		return
	}
	d := divide(int64(m.quota.Packets))
	for c := sds.ClassContent; c <= sds.ClassSync; c++ {
		if m.q.Waiting(c) == 0 || c == sds.ClassResend && m.counted(func(c sds.Class) bool { return c == sds.ClassResend }).Packets > 0 {
			continue
		}
		s := ShareOf(c)
		if u := m.used(s).Packets; u < d.kept[s] {
			m.t.Fatalf("%v waits, although only %d of %d kept are used", c, u, d.kept[s])
		}
		lent := false
		for below := s + 1; below < Shares; below++ {
			lent = lent || m.used(below).Packets > d.share(below)
		}
		if u := m.used(s).Packets; u < d.share(s) && !lent {
			m.t.Fatalf("%v waits, although only %d of its %d are used and nothing is lent", c, u, d.share(s))
		}
	}
}

func (m *model) grant() {
	granted := m.q.Grant(m.now)
	m.record = m.q.Record(m.q.Level()) // durable before they leave
	for _, it := range granted {
		d := &departure{class: it.Class, bytes: it.Bytes, granted: m.now}
		m.all = append(m.all, d)
		m.flying = append(m.flying, &flight{it, d})
	}
	m.checkFree()
	for _, it := range m.q.Expire(m.now) {
		if it.Class == sds.ClassContent {
			m.t.Fatal("content expired")
		}
	}
	m.checkWindow()
	divided := divide(int64(m.quota.Packets))
	for s := range Content + 1 { // who lends nothing upwards
		if u, of := m.landedIn(s), divided.share(s); u > of {
			m.t.Fatalf("%d packets of content in a window, its share is %d", u, of)
		}
	}
}

// landedIn counts what left of a share in the window that ends now.
func (m *model) landedIn(s Share) (n int64) {
	for _, d := range m.all {
		if ShareOf(d.class) == s && !d.void && (d.left == 0 || d.left > m.now.Add(-m.quota.Window)) {
			n++
		}
	}
	return n
}

// settle ends a hand-over: at any time between the grant and now it left.
func (m *model) settle(it *Item[int], d *departure, failed bool) {
	if failed {
		d.void = true
		m.q.GivenBack(it)
		return
	}
	d.left = sds.Time(rapid.Int64Range(int64(d.granted), int64(m.now)).Draw(m.t, "left"))
	d.landed = m.now
	m.q.Landed(m.now, it)
}

// crash loses all but the record. What was under way has left, or not.
func (m *model) crash() {
	for _, f := range m.flying {
		f.d.landed, f.d.left = m.now, m.now // the worst: just before the crash
	}
	m.flying = nil
	var err error
	if m.q, err = Load[int](m.quota, m.record, m.now); err != nil {
		m.t.Fatal(err)
	}
	m.checkWindow()
}

func drawQuota(t *rapid.T) Quota {
	q := Quota{Packets: rapid.SampledFrom([]int{1, 3, 10, 20, 37, 100}).Draw(t, "packets"), Window: 600 * time.Second}
	if rapid.Bool().Draw(t, "odd window") {
		q.Window = 7777 * time.Millisecond
	}
	if rapid.IntRange(0, 3).Draw(t, "bytes") == 0 {
		q.Bytes = MinBytes
	}
	return q
}

// In any window at most the quota leaves, whatever happens, and no class waits
// while its share is free: spec R110, spec R111, spec R112, spec R114.
func TestPropertyQuota(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{t: t, quota: drawQuota(t), now: 1_800_000_000_000,
			channels: []sds.ChannelID{"a", "b", "c"}}
		var err error
		if m.q, err = Load[int](m.quota, nil, m.now); err != nil {
			t.Fatal(err)
		}
		id := 0
		t.Repeat(map[string]func(*rapid.T){
			"offer": func(t *rapid.T) {
				for range rapid.SampledFrom([]int{1, 1, 10, 100}).Draw(t, "n") {
					id++
					it := Item[int]{Class: sds.Class(rapid.IntRange(1, classes-1).Draw(t, "class")), ID: sds.MessageID(fmt.Sprint(id)),
						Channel: rapid.SampledFrom(m.channels).Draw(t, "channel"), Value: id}
					if m.quota.Bytes > 0 {
						it.Bytes = rapid.SampledFrom([]int64{100, 10_000, 1 << 20}).Draw(t, "size")
					}
					m.q.Offer(m.now, it)
				}
				m.grant()
			},
			"land": func(t *rapid.T) {
				still := m.flying[:0]
				for _, f := range m.flying {
					if rapid.Bool().Draw(t, "now") {
						m.settle(f.it, f.d, rapid.IntRange(0, 9).Draw(t, "failed") == 0)
					} else {
						still = append(still, f)
					}
				}
				m.flying = still
				m.grant()
			},
			"time": func(t *rapid.T) {
				part := rapid.SampledFrom([]time.Duration{1000, 61, 60, 7, 2, 1}).Draw(t, "part")
				m.now = m.now.Add(m.quota.Window / part)
				m.checkWindow()
				m.grant()
			},
			"deadline": func(t *rapid.T) {
				if at, ok := m.q.Deadline(m.now); ok {
					if at > m.now { // nothing is due before
						if g := m.q.Grant(at - 1); len(g) > 0 {
							t.Fatalf("%d granted before the deadline", len(g))
						}
						m.now = at
					}
					m.grant()
				}
			},
			"crash": func(*rapid.T) { m.crash() },
		})
	})
}

// Channels that all have something waiting take turns: none is ever more than one
// packet ahead of another: spec R113.
func TestPropertyFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		quota := drawQuota(t)
		quota.Bytes = 0
		now := sds.Time(1_800_000_000_000)
		q, err := Load[int](quota, nil, now)
		if err != nil {
			t.Fatal(err)
		}
		class := rapid.SampledFrom([]sds.Class{sds.ClassContent, sds.ClassRepair, sds.ClassAck}).Draw(t, "class")
		channels := rapid.IntRange(2, 5).Draw(t, "channels")
		depth := make([]int, channels)
		served := make([]int, channels)
		next := 0
		for range rapid.IntRange(1, 40).Draw(t, "rounds") {
			for c := range channels { // keep all backlogged, some more than others
				for depth[c] < quota.Packets+rapid.IntRange(1, 50).Draw(t, "depth") {
					next++
					depth[c]++
					if !q.Offer(now, Item[int]{Class: class, Channel: sds.ChannelID(fmt.Sprint(c)), ID: sds.MessageID(fmt.Sprint(next)), Value: c}) {
						t.Fatal("refused")
					}
				}
			}
			for _, it := range q.Grant(now) {
				served[it.Value]++
				depth[it.Value]--
				q.Landed(now, it)
			}
			for c := range channels {
				for d := range channels {
					if served[c] > served[d]+1 {
						t.Fatalf("served %v", served)
					}
				}
			}
			now = now.Add(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, quota.Window / 3, quota.Window}).Draw(t, "wait"))
		}
	})
}
