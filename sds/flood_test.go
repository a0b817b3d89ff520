package sds

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/sketch"
	"github.com/causeway-im/causeway/sds/wire"
)

// What others can make a member do, and how often, at most.

// spec R48: a flood of digests costs one comparison a second, and no more than
// 64 short ids to remember.
func TestDigestFlood(t *testing.T) {
	me := testChannel(t, LIP, nil)
	log := chain(t, me, "author", 3)
	start := calmly(me)
	reported := 0
	for i := range 1000 { // 100 a second
		now := start.Add(time.Duration(i) * 10 * time.Millisecond)
		from := uint64(testStart) - uint64(i) - 1
		d := digestOf(t, "room", from, uint64(testStart)+3, 64, append(ids(log), invented(20*i, 20)...)...)
		receive(t, me, now, saying(ParticipantID(fmt.Sprint("sybil", i)), now, wire.Extension{Digest: d}, log[2].MessageID))
		reported += len(drain(me).Losses)
		if len(me.digest.want) > wire.MaxWant {
			t.Fatalf("%d short ids are wanted", len(me.digest.want))
		}
	}
	if reported != 10*20 {
		t.Errorf("%d of 20,000 were looked at, want 20 in each of 10 s", reported)
	}
	d := digestOf(t, "room", uint64(testStart), uint64(testStart)+3, 64, ids(log)...)
	if n := testing.AllocsPerRun(100, func() { me.compareDigest(&peer{id: "bob"}, d) }); n != 0 {
		t.Errorf("a digest that is not looked at costs %v allocations", n)
	}
}

// spec R48: 64 short ids at most, whatever digests show.
func TestWantsAreBounded(t *testing.T) {
	me := testChannel(t, LIP, nil)
	log := chain(t, me, "author", 3)
	now := calmly(me)
	for i := range 20 {
		at := now.Add(time.Duration(i) * time.Second)
		d := digestOf(t, "room", uint64(testStart), uint64(testStart)+3, 64, append(ids(log), invented(20*i, 20)...)...)
		receive(t, me, at, saying("bob", at, wire.Extension{Digest: d}, log[2].MessageID))
	}
	if got := len(me.digest.want); got != wire.MaxWant {
		t.Errorf("%d short ids are wanted, want %d", got, wire.MaxWant)
	}
	if _, e := wants(t, me, me.now, time.Minute, nil); len(e.Want) != wire.MaxWant {
		t.Errorf("asks for %d", len(e.Want))
	}
}

// spec R49: a flood of short ids costs one index a second and makes a bounded
// number of answers, each once in 3 GRTT.
func TestWantFlood(t *testing.T) {
	me := testChannel(t, LIP, nil)
	log := chain(t, me, "author", 3000)
	start := calmly(me)
	indexed := map[[2]uint64]bool{}
	for i := range 1000 {
		now := start.Add(time.Duration(i) * 10 * time.Millisecond)
		from, to := uint64(testStart), uint64(testStart)+3000+uint64(i)
		key := sketch.NewKey([]byte("room"), from, to)
		e := wire.Extension{WantFrom: from, WantTo: to}
		for _, m := range log[i : i+wire.MaxWant] {
			e.Want = append(e.Want, key.ShortID(string(m.MessageID)))
		}
		receive(t, me, now, saying("bob", now, e))
		indexed[me.digest.indexOf] = true
		if got := len(me.digest.index); got > 2*sketch.MaxMessages {
			t.Fatalf("%d short ids in the index", got)
		}
	}
	if len(indexed) != 10 || me.Sizes().Answers > 10*wire.MaxWant {
		t.Errorf("%d ranges in 10 s, %d answers", len(indexed), me.Sizes().Answers)
	}
	if got := repairs(me, me.now, 20*time.Second); len(got) != len(slices.Compact(got)) || len(got) == 0 {
		t.Errorf("%d repairs, some twice", len(got))
	}
	for _, e := range []wire.Extension{ // ranges that are none
		{Want: []uint64{1}, WantFrom: 5, WantTo: 5}, {Want: []uint64{1}, WantFrom: 6, WantTo: 5}, {Want: []uint64{1}},
		{Want: []uint64{1}, WantFrom: 5, WantTo: math.MaxUint64},
	} {
		c := testChannel(t, LIP, nil)
		receive(t, c, testStart, saying("bob", testStart, e))
		if c.digest.index != nil {
			t.Errorf("[%d, %d) has an index", e.WantFrom, e.WantTo)
		}
	}
}

// spec R40: one sender's numbers cost what a window has, however they jump.
func TestSequenceFlood(t *testing.T) {
	c := testChannel(t, LIP, nil)
	n, losses := uint64(1), 0
	for i := range 5000 {
		switch i % 4 { // a gap, what fills it, a jump, and back
		case 0:
			n += 2
		case 1:
			n--
		case 2:
			n += 1 << 63
		case 3:
			n++
		}
		m := lip("bob", uint64(testStart)+uint64(i), "x")
		e := wire.Extension{Version: 1, Incarnation: 7, Sequence: n}
		m.Extension = e.Encode()
		receive(t, c, testStart, m)
		losses += len(drain(c).Losses)
	}
	if len(c.suspects) > 1 || losses > 5000 {
		t.Errorf("%d suspects, %d losses", len(c.suspects), losses)
	}
	c.Tick(testStart.Add(time.Minute))
	if losses += len(drain(c).Losses); losses > 5000 || len(c.suspects) != 0 {
		t.Errorf("%d losses of 5,000 messages, %d suspects at the end", losses, len(c.suspects))
	}
	// One jump within the window reports what lies between, once.
	receive(t, c, c.now, numbered("carol", 7, 1))
	receive(t, c, c.now, numbered("carol", 7, 64))
	c.Tick(c.now.Add(time.Minute))
	if got := lostNumbers(drain(c), "carol"); len(got) != 62 {
		t.Errorf("%d numbers lost, want 62", len(got))
	}
}

// flooded lets c hear an ask every 10 ms for d and returns how often it reports.
func flooded(t *testing.T, c *Channel, d time.Duration, from ParticipantID, x wire.Census) int {
	t.Helper()
	reports := 0
	start := c.now
	for after := time.Duration(0); after < d; after += 10 * time.Millisecond {
		receive(t, c, start.Add(after), asking(from, start.Add(after), x))
		c.Tick(start.Add(after))
		for _, m := range sent(t, drain(c), ClassAck) {
			if x, ok := censusIn(t, m); ok && len(x.Reports) > 0 {
				reports++
			}
		}
		if len(c.reports.subjects) > wire.MaxReports {
			t.Fatalf("%d subjects wait", len(c.reports.subjects))
		}
	}
	return reports
}

// spec R122: members can make a member report once in 2 s, outsiders never.
func TestAskFlood(t *testing.T) {
	r := rosterOf(60)
	m, x := asks(t, memberOf(t, r, "me", nil), testStart)
	ask := wire.Census{Size: math.MaxUint32, Roster: x.Roster, Seed: x.Seed, Subject: ShortID("room", m.MessageID)}
	for _, c := range []struct {
		name    string
		from    ParticipantID
		change  func(*wire.Census)
		least   int
		most    int
		without bool // the message
	}{
		{"a member", "p2", nil, 9, 10, false},
		{"a member, with a map", "p2", func(x *wire.Census) { x.Map = []byte{0} }, 9, 10, false},
		{"an outsider", "mallory", nil, 0, 0, false},
		{"our own other device", "me2", nil, 0, 0, false},
		{"about what we don't have", "p2", nil, 0, 0, true},
		{"about a sync", "p2", func(x *wire.Census) { x.Subject = 0 }, 0, 0, false},
		{"of nobody", "p2", func(x *wire.Census) { x.Size = 0 }, 0, 0, false},
	} {
		members := Roster{Members: map[ParticipantID]PersonID{"me2": "P1"}}
		for id, person := range r.Members {
			members.Members[id] = person
		}
		me := memberOf(t, &members, "p1", nil)
		if !c.without {
			receive(t, me, testStart, m)
		}
		me.Tick(testStart.Add(20 * time.Second)) // reports as it should
		drain(me)
		y := ask
		if c.change != nil {
			c.change(&y)
		}
		if got := flooded(t, me, 20*time.Second, c.from, y); got < c.least || got > c.most {
			t.Errorf("%s: %d reports in 20 s, want %d to %d", c.name, got, c.least, c.most)
		}
	}
}

// spec R122: whatever size and spread an ask has, at most about 160 report, and
// within 2 s.
func TestHugeCensus(t *testing.T) {
	r := rosterOf(1000)
	m := lip("me", uint64(testStart), "who has it?")
	x := wire.Census{Asks: true, Size: math.MaxUint32, Spread: math.MaxUint32, Roster: r.table.version, Seed: 5}
	e := wire.Extension{Version: 1, Incarnation: 3, Census: x.Encode()}
	m.Extension = e.Encode()
	in := Prepare(m)
	asked := map[PersonID]bool{}
	for _, person := range sampleOf(r, "me", 5, r.table.version, 160) {
		asked[person] = true
	}
	for i := 1; i < 1000; i++ {
		who := PersonID(fmt.Sprint("P", i))
		if !asked[who] && i > 100 {
			continue
		}
		c := memberOf(t, r, ParticipantID(fmt.Sprint("p", i)), nil)
		if err := c.ReceivePrepared(testStart, in, Origin{}); err != nil {
			t.Fatal(err)
		}
		if c.reports.timer.set() != asked[who] || asked[who] && c.reports.timer.at > testStart.Add(7*time.Second) {
			t.Errorf("%s reports after %v, is asked: %v", who, c.reports.timer.at.Sub(testStart), asked[who])
		}
	}
	if len(asked) < 120 || len(asked) > 200 {
		t.Errorf("%d of 999 are asked", len(asked))
	}
}

// spec R123: a map may have any length: who has no bit in it was not heard.
func TestMapsOfAnyLength(t *testing.T) {
	r := rosterOf(60)
	m, x := asks(t, memberOf(t, r, "me", nil), testStart)
	sample := sampleOf(r, "me", x.Seed, x.Roster, 80)
	for _, c := range []struct {
		heard   []byte
		version uint32
		reports func(rank int) bool
	}{
		{[]byte{0xff}, 0, func(rank int) bool { return rank >= 8 }},
		{bytes.Repeat([]byte{0xff}, wire.MaxCensusMap), 0, func(int) bool { return false }},
		{bytes.Repeat([]byte{0}, wire.MaxCensusMap), 0, func(int) bool { return true }},
		{bytes.Repeat([]byte{0xff}, wire.MaxCensusMap+1), 0, func(int) bool { return false }}, // absent
		{[]byte{0xff, 0xff}, 1, func(int) bool { return true }},                               // of another roster: ranks say nothing
	} {
		for rank, person := range sample {
			me := memberOf(t, r, ParticipantID("p"+string(person[1:])), nil)
			receive(t, me, testStart, m)
			me.Tick(testStart.Add(8 * time.Second))
			drain(me)
			y := wire.Census{Size: 80, Roster: x.Roster ^ c.version, Seed: x.Seed, Subject: ShortID("room", m.MessageID), Map: c.heard}
			if c.version != 0 { // another sample, of which we may be no part
				y.Size = math.MaxUint32
			}
			receive(t, me, testStart.Add(9*time.Second), asking("me", testStart.Add(9*time.Second), y))
			if got := me.reports.timer.set(); got != c.reports(rank) {
				t.Errorf("map of %d bytes, rank %d: reports %v", len(c.heard), rank, got)
			}
		}
	}
}
