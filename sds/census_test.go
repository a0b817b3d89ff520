package sds

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/wire"
)

// rosterOf has me and p1 … p(n−1), each a person with the same name in capitals.
func rosterOf(n int) *Roster {
	r := Roster{Members: map[ParticipantID]PersonID{"me": "ME"}}
	for i := 1; i < n; i++ {
		r.Members[ParticipantID(fmt.Sprint("p", i))] = PersonID(fmt.Sprint("P", i))
	}
	return ShareRoster(r)
}

// memberOf is the channel of one of them.
func memberOf(t testing.TB, r *Roster, id ParticipantID, change func(*Config)) *Channel {
	t.Helper()
	c := testChannel(t, LIP, func(cfg *Config) {
		cfg.Roster, cfg.Participant, cfg.Seed = r, id, uint64(len(id))
		if change != nil {
			change(cfg)
		}
	})
	drain(c)
	return c
}

// censusIn reads the census of a message.
func censusIn(t testing.TB, m wire.Message) (wire.Census, bool) {
	t.Helper()
	e, err := wire.ParseExtension(m.Extension)
	if err != nil {
		t.Fatal(err)
	}
	x, ok := wire.ParseCensus(e.Census)
	if !ok {
		t.Fatalf("census %x can't be read", e.Census)
	}
	return x, e.Census != nil
}

// hashOf is R121, computed from its text.
func hashOf(seed uint64, version uint32, person PersonID) uint64 {
	var b bytes.Buffer
	b.WriteString("causeway/census/1")
	binary.Write(&b, binary.BigEndian, seed)
	binary.Write(&b, binary.BigEndian, version)
	b.WriteString(string(person))
	sum := sha256.Sum256(b.Bytes())
	return binary.BigEndian.Uint64(sum[:8])
}

// sampleOf lists the persons that a census asks, by their hash: those of the
// roster without the asker whose hash is below A/N·2^64.
func sampleOf(r *Roster, asker ParticipantID, seed uint64, version uint32, a int) []PersonID {
	hashes := map[uint64]PersonID{}
	for _, person := range r.Members {
		if person != r.Members[asker] {
			hashes[hashOf(seed, version, person)] = person
		}
	}
	n := len(hashes)
	var sample []PersonID
	for _, h := range slices.Sorted(maps.Keys(hashes)) {
		if a >= n || float64(h) < float64(a)/float64(n)*math.Pow(2, 64) {
			sample = append(sample, hashes[h])
		}
	}
	return sample
}

// spec R120 R127: a census goes with messages that want a share of more than 32
// persons, and with no others.
func TestWhatCarriesACensus(t *testing.T) {
	twice := rosterOf(33)
	devices := Roster{Members: maps.Clone(twice.Members)}
	for id, person := range twice.Members {
		devices.Members[id+"/phone"] = person
	}
	fewer := maps.Clone(devices.Members)
	delete(fewer, "p1")
	delete(fewer, "p1/phone")
	for _, c := range []struct {
		name   string
		roster *Roster
		want   Want
		asks   bool
	}{
		{"32", rosterOf(32), Fraction(0.9), false}, {"33", rosterOf(33), Fraction(0.9), true},
		{"33", rosterOf(33), Everyone, true}, {"33", rosterOf(33), AtLeastOne, false},
		{"33", rosterOf(33), Persons("P1", "P2"), false}, {"33", rosterOf(33), Stewards, false},
		{"33 persons, 66 participants", &devices, Fraction(0.5), true},
		{"32 persons, 64 participants", &Roster{Members: fewer}, Fraction(0.5), false},
		{"no roster", nil, Fraction(0.9), false},
	} {
		me := memberOf(t, c.roster, "me", nil)
		m := say(t, me, testStart, "hello", SendOptions{Want: c.want})
		x, asks := censusIn(t, m)
		if asks != c.asks {
			t.Errorf("%s, want %v: carries a census: %v", c.name, c.want, asks)
		}
		want := wire.Census{Asks: true, Size: 80, Spread: 2000, Roster: x.Roster, Seed: ShortID("room", m.MessageID)}
		if asks && (x.Map != nil || x.Reports != nil || x.Subject != 0 || x.Size != want.Size || x.Spread != want.Spread || x.Seed != want.Seed) {
			t.Errorf("%s: census %+v, want %+v", c.name, x, want)
		}
		me.Tick(testStart.Add(time.Hour))
		later := extensions(t, drain(me), func(e *wire.Extension) bool { return e.Census != nil })
		if !c.asks && len(later) > 0 {
			t.Errorf("%s, want %v: %d censuses later", c.name, c.want, len(later))
		}
	}
}

// spec R120: who asks within 10 s of another census shares its sample.
func TestCensusIsShared(t *testing.T) {
	r := rosterOf(100)
	seed := func(me *Channel, after time.Duration) uint64 {
		x, _ := censusIn(t, say(t, me, testStart.Add(after), fmt.Sprint(after), SendOptions{Want: Fraction(0.9)}))
		return x.Seed
	}
	me := memberOf(t, r, "me", nil)
	first := seed(me, 0)
	if got := seed(me, 9999*time.Millisecond); got != first {
		t.Errorf("9.999 s later the seed is %x, want %x", got, first)
	}
	if got := seed(me, 10*time.Second); got == first {
		t.Error("10 s later the sample is the same")
	}
	// Somebody else's.
	bob := memberOf(t, r, "p1", nil)
	theirs := say(t, bob, testStart, "theirs", SendOptions{Want: Fraction(0.9)})
	me = memberOf(t, r, "me", nil)
	receive(t, me, testStart.Add(time.Second), theirs)
	x, _ := censusIn(t, theirs)
	if got := seed(me, 10*time.Second); got != x.Seed {
		t.Errorf("the seed is %x, want that of another census, %x", got, x.Seed)
	}
	if got := seed(me, 12*time.Second); got == x.Seed {
		t.Error("10 s after another census the sample is the same")
	}
}

// asks is content of sender that asks; author is its channel.
func asks(t testing.TB, author *Channel, at Time) (wire.Message, wire.Census) {
	t.Helper()
	m := say(t, author, at, "who has it?", SendOptions{Want: Fraction(0.9)})
	x, ok := censusIn(t, m)
	if !ok {
		t.Fatal("no census")
	}
	return m, x
}

// report runs c for d from a moment on; it returns when it reports on a message,
// and all reports.
func report(t testing.TB, c *Channel, from Time, d time.Duration) (at []time.Duration, reports []wire.Census) {
	t.Helper()
	for now := from; now <= from.Add(d); now = now.Add(10 * time.Millisecond) {
		c.Tick(now)
		for _, m := range sent(t, drain(c), ClassAck) {
			if x, ok := censusIn(t, m); ok && len(x.Reports) > 0 {
				at, reports = append(at, now.Sub(from)), append(reports, x)
			}
		}
	}
	return at, reports
}

// spec R121 R122: those of the sample report 5 s after the message, spread over
// 2 s, and nobody else but stewards.
func TestWhoReports(t *testing.T) {
	for _, n := range []int{60, 300} {
		r := rosterOf(n)
		m, x := asks(t, memberOf(t, r, "me", nil), testStart)
		sample := sampleOf(r, "me", x.Seed, x.Roster, 80)
		if n == 60 && len(sample) != 59 || n == 300 && (len(sample) < 50 || len(sample) > 110) {
			t.Fatalf("%d of %d are asked", len(sample), n)
		}
		var spread []time.Duration
		for id, person := range r.Members {
			if id == "me" || n == 300 && id[1] > '3' { // not all of them
				continue
			}
			for _, steward := range []bool{false, true} {
				c := memberOf(t, r, id, func(cfg *Config) { cfg.Steward = steward })
				receive(t, c, testStart, m)
				at, reports := report(t, c, testStart, 8*time.Second)
				asked := slices.Contains(sample, person) || steward
				if len(at) > 0 != asked || len(at) > 1 {
					t.Fatalf("%s of %d, steward %v: reports at %v, is asked: %v", id, n, steward, at, asked)
				}
				if !asked {
					continue
				}
				if at[0] < 5*time.Second || at[0] > 7*time.Second+10*time.Millisecond {
					t.Errorf("%s reports after %v", id, at[0])
				}
				if !slices.Equal(reports[0].Reports, []uint64{ShortID("room", m.MessageID)}) || reports[0].Asks || reports[0].Map != nil {
					t.Errorf("%s reports %+v", id, reports[0])
				}
				spread = append(spread, at[0])
			}
		}
		if earliest, latest := slices.Min(spread), slices.Max(spread); earliest > 5300*time.Millisecond || latest < 6700*time.Millisecond {
			t.Errorf("reports from %v to %v", earliest, latest)
		}
	}
}

// spec R122: a copy that came late is reported at once, within 2 s.
func TestLateCopyIsReportedAtOnce(t *testing.T) {
	r := rosterOf(60)
	m, _ := asks(t, memberOf(t, r, "me", nil), testStart)
	for _, late := range []time.Duration{2100 * time.Millisecond, time.Minute} {
		c := memberOf(t, r, "p1", nil)
		receive(t, c, testStart.Add(late), m)
		if at, _ := report(t, c, testStart.Add(late), 10*time.Second); len(at) != 1 || at[0] > 2010*time.Millisecond {
			t.Errorf("%v late: reports after %v", late, at)
		}
	}
}

// spec R122: reports that are due together are one; one has at most 5 subjects.
func TestReportsAreOne(t *testing.T) {
	r := rosterOf(60)
	author := memberOf(t, r, "me", nil)
	c := memberOf(t, r, "p1", nil)
	var want []uint64
	for i := range 3 {
		m, _ := asks(t, author, testStart.Add(time.Duration(i)*time.Millisecond))
		receive(t, c, testStart.Add(time.Duration(i)*time.Millisecond), m)
		want = append(want, ShortID("room", m.MessageID))
	}
	at, reports := report(t, c, testStart, 10*time.Second)
	if len(at) != 1 || !slices.Equal(reports[0].Reports, want) {
		t.Errorf("reports at %v: %+v, want one of %x", at, reports, want)
	}
}

// spec R122: who holds a message and waits for what it depends on has it.
func TestWaitingMessageIsReported(t *testing.T) {
	r := rosterOf(60)
	author := memberOf(t, r, "me", nil)
	asks(t, author, testStart.Add(-time.Minute)) // never comes
	m, _ := asks(t, author, testStart)
	c := memberOf(t, r, "p1", nil)
	receive(t, c, testStart, m)
	if at, _ := report(t, c, testStart, 8*time.Second); len(at) != 1 || c.Has(m.MessageID) {
		t.Errorf("reports at %v, in the log: %v", at, c.Has(m.MessageID))
	}
}

// asking is a sync of sender that asks about a message again.
func asking(sender ParticipantID, at Time, x wire.Census) wire.Message {
	x.Asks = true
	return saying(sender, at, wire.Extension{Census: x.Encode()})
}

// spec R123: after 8.2 s the asker says whom it heard, by rank, and those report
// once more that it did not.
func TestTheMap(t *testing.T) {
	r := rosterOf(60)
	me := memberOf(t, r, "me", nil)
	m, x := asks(t, me, testStart)
	short := ShortID("room", m.MessageID)
	sample := sampleOf(r, "me", x.Seed, x.Roster, 80)
	heard := map[PersonID]bool{}
	for i, person := range sample {
		if i%3 == 0 {
			continue
		}
		heard[person] = true
		who := ParticipantID(strings.ToLower(string(person)))
		report := wire.Census{Reports: []uint64{short}}
		receive(t, me, testStart.Add(6*time.Second), saying(who, testStart.Add(6*time.Second), wire.Extension{Census: report.Encode()}))
	}
	drain(me)
	var asked []wire.Message
	for now := testStart.Add(6 * time.Second); now <= testStart.Add(10*time.Second); now = now.Add(10 * time.Millisecond) {
		me.Tick(now)
		for _, s := range sent(t, drain(me), ClassAck) {
			if x, ok := censusIn(t, s); ok && x.Map != nil {
				if after := now.Sub(testStart); after != 8200*time.Millisecond {
					t.Errorf("the map is sent after %v", after)
				}
				asked = append(asked, s)
			}
		}
	}
	if len(asked) != 1 {
		t.Fatalf("%d maps", len(asked))
	}
	again, _ := censusIn(t, asked[0])
	if !again.Asks || again.Subject != short || again.Seed != x.Seed || again.Roster != x.Roster || len(again.Map) != (len(sample)+7)/8 {
		t.Fatalf("the map says %+v", again)
	}
	for i, person := range sample {
		if bit := again.Map[i/8]>>(i%8)&1 == 1; bit != heard[person] {
			t.Errorf("bit %d of %s is %v, heard: %v", i, person, bit, heard[person])
		}
	}
	// Members.
	now := testStart.Add(9 * time.Second)
	for i, person := range sample[:20] {
		for _, has := range []bool{true, false} {
			c := memberOf(t, r, ParticipantID(strings.ToLower(string(person))), nil)
			if has {
				receive(t, c, testStart, m)
				if at, _ := report(t, c, testStart, 8*time.Second); len(at) != 1 {
					t.Fatalf("%s reports at %v", person, at)
				}
			}
			receive(t, c, now, asked[0])
			at, _ := report(t, c, now, 5*time.Second)
			if want := has && !heard[person]; len(at) > 0 != want || len(at) > 1 {
				t.Errorf("rank %d, has it %v, was heard %v: reports at %v", i, has, heard[person], at)
			} else if want && at[0] > 810*time.Millisecond {
				t.Errorf("rank %d reports %v after the map", i, at[0])
			}
		}
	}
}

// spec R123: if all were heard there is nothing to ask.
func TestNoMapIfAllWereHeard(t *testing.T) {
	r := rosterOf(40)
	me := memberOf(t, r, "me", nil)
	m := say(t, me, testStart, "hello", SendOptions{Want: Everyone})
	for i := 1; i < 40; i++ {
		who := ParticipantID(fmt.Sprint("p", i))
		receive(t, me, testStart, lip(who, uint64(testStart)+5, string(who), m.MessageID))
	}
	me.Tick(testStart.Add(time.Hour))
	if got := extensions(t, drain(me), func(e *wire.Extension) bool { return e.Census != nil }); len(got) > 0 {
		t.Errorf("%d censuses although everybody has it", len(got))
	}
}

// surveyed is a sender with a message that asks in a group of n.
func surveyed(t testing.TB, n int, want Want) (me *Channel, r *Roster, m wire.Message, sample []PersonID) {
	t.Helper()
	r = rosterOf(n)
	me = memberOf(t, r, "me", nil)
	if _, err := me.Send(testStart, []byte("hello"), SendOptions{Want: want}); err != nil {
		t.Fatal(err)
	}
	ready := drain(me)
	m = sent(t, ready, ClassContent)[0]
	me.Handed(testStart, ready.Packets[0].Serial, nil, nil)
	drain(me)
	if x, ok := censusIn(t, m); ok {
		sample = sampleOf(r, "me", x.Seed, x.Roster, 80)
	}
	return me, r, m, sample
}

// reports lets me hear reports of these persons on m.
func reports(t testing.TB, me *Channel, at Time, m wire.Message, persons ...PersonID) {
	t.Helper()
	for _, p := range persons {
		x := wire.Census{Reports: []uint64{ShortID("room", m.MessageID)}}
		receive(t, me, at, saying(ParticipantID(strings.ToLower(string(p))), at, wire.Extension{Census: x.Encode()}))
	}
}

// spec R124 R125 R59: the verdict is yes with the report that makes enough, and
// the receipt shows what is known: whom it counts is proved.
func TestVerdictYes(t *testing.T) {
	me, _, m, sample := surveyed(t, 200, Fraction(0.9))
	enough := pace.CensusEnough(0.9, len(sample), 199)
	if share := float64(enough) / float64(len(sample)); share < 0.88 || share > 0.91 {
		t.Fatalf("%d of %d are enough", enough, len(sample))
	}
	for i, person := range sample {
		reports(t, me, testStart.Add(6*time.Second), m, person)
		r, ok := me.Receipt(m.MessageID)
		if !ok || r.Seen != i+1 || r.Of != 199 {
			t.Fatalf("after %d reports seen by %d of %d", i+1, r.Seen, r.Of)
		}
		e := r.Estimate
		low, high := pace.ShareInterval(i+1, len(sample), 199)
		if e.Sample != len(sample) || e.Heard != i+1 || e.Low != low || e.High != high {
			t.Errorf("after %d reports the estimate is %+v, want [%v, %v]", i+1, e, low, high)
		}
		if yes := i+1 >= enough; (e.Verdict == Yes) != yes || (r.Level == LevelReached) != yes {
			t.Errorf("after %d of %d, %d are enough: %v, level %v", i+1, len(sample), enough, e.Verdict, r.Level)
		}
		if i == enough {
			me.Tick(testStart.Add(20 * time.Second)) // later reports count all the same
			drain(me)
		}
	}
	// Stewards and others report without being in the sample: persons, not sample.
	for i := 1; i < 200; i++ {
		if p := PersonID(fmt.Sprint("P", i)); !slices.Contains(sample, p) {
			reports(t, me, testStart.Add(21*time.Second), m, p)
			if r, _ := me.Receipt(m.MessageID); r.Seen != len(sample)+1 || r.Estimate.Heard != len(sample) {
				t.Errorf("seen by %d, heard of the sample %d", r.Seen, r.Estimate.Heard)
			}
			return
		}
	}
}

// spec R124: "by whatever proof": mentions count for the sample, too.
func TestVerdictFromMentions(t *testing.T) {
	me, _, m, sample := surveyed(t, 200, Fraction(0.9))
	for i, person := range sample {
		receive(t, me, testStart.Add(time.Second), lip(ParticipantID(strings.ToLower(string(person))), uint64(testStart)+uint64(i)+1, "saw it", m.MessageID))
	}
	if r, _ := me.Receipt(m.MessageID); r.Estimate.Verdict != Yes || r.Estimate.Heard != len(sample) || r.Level != LevelReached {
		t.Errorf("%+v", r)
	}
}

// verdicts runs me until the given moment and returns when the verdict changed.
func verdicts(t testing.TB, me *Channel, until Time) map[time.Duration]Verdict {
	t.Helper()
	changed := map[time.Duration]Verdict{}
	for now := me.now; now <= until; now = now.Add(10 * time.Millisecond) {
		me.Tick(now)
		for _, r := range drain(me).Receipts {
			if r.Estimate.Verdict != Undecided {
				changed[now.Sub(testStart)] = r.Estimate.Verdict
			}
		}
	}
	return changed
}

// spec R124: otherwise it is no after 10.5 s, after 2.95 s in a small group; until
// then nothing is decided. Silence counts as "has not".
func TestVerdictNo(t *testing.T) {
	for _, c := range []struct {
		n  int
		at time.Duration
	}{{32, 2950 * time.Millisecond}, {33, 10500 * time.Millisecond}, {200, 10500 * time.Millisecond}} {
		me, _, m, sample := surveyed(t, c.n, Fraction(0.9))
		if sample == nil {
			for i := 1; i < c.n; i++ {
				sample = append(sample, PersonID(fmt.Sprint("P", i)))
			}
		}
		half := sample[:len(sample)/2]
		reports(t, me, testStart.Add(time.Second), m, half...)
		if got := verdicts(t, me, testStart.Add(12*time.Second)); len(got) != 1 || got[c.at] != No {
			t.Errorf("%d members: verdicts %v, want no after %v", c.n, got, c.at)
		}
		r, _ := me.Receipt(m.MessageID)
		if e := r.Estimate; e.Verdict != No || e.Heard != len(half) || e.Sample != len(sample) || r.Level >= LevelReached {
			t.Errorf("%d members: %+v", c.n, r)
		}
		// It may still turn.
		reports(t, me, me.now, m, sample[len(half):]...)
		if r, tracked := me.Receipt(m.MessageID); tracked && (r.Estimate.Verdict != Yes || r.Level < LevelReached) || tracked != (c.n > 81) {
			t.Errorf("%d members, after all have reported: tracked %v, %+v", c.n, tracked, r) // if all have it it is done
		}
	}
}

// spec R124: asked again after 10 min, 20 min, … up to an hour, with a map and a
// verdict each time; who has it reports at once.
func TestAskedAgain(t *testing.T) {
	me, r, m, sample := surveyed(t, 60, Fraction(0.9))
	var asked []time.Duration
	var last wire.Message
	maps := 0
	for now := testStart; now <= testStart.Add(5*time.Hour); now = now.Add(100 * time.Millisecond) {
		me.Tick(now)
		for _, s := range sent(t, drain(me), ClassAck) {
			x, ok := censusIn(t, s)
			if !ok {
				continue
			}
			if x.Map != nil {
				maps++
				continue
			}
			if x.Subject != ShortID("room", m.MessageID) || !x.Asks {
				t.Errorf("asks %+v", x)
			}
			asked, last = append(asked, now.Sub(testStart)), s
		}
	}
	var want []time.Duration
	for sum, rest := time.Duration(0), 10*time.Minute; sum+rest <= 5*time.Hour; rest = min(2*rest, 24*time.Hour) {
		sum += rest
		want = append(want, sum)
	}
	if !slices.Equal(asked, want) || maps != len(want)+1 {
		t.Errorf("asked at %v with %d maps, want %v and one more", asked, maps, want)
	}
	c := memberOf(t, r, ParticipantID(strings.ToLower(string(sample[0]))), nil)
	receive(t, c, testStart, m)
	now := testStart.Add(10 * time.Minute)
	c.Tick(now)
	drain(c)
	receive(t, c, now, last)
	if at, _ := report(t, c, now, 8*time.Second); len(at) != 1 || at[0] > 2010*time.Millisecond {
		t.Errorf("asked again, reports after %v", at)
	}
}

// spec R120 R121: a census keeps to the roster that it began with.
func TestRosterChangesDuringACensus(t *testing.T) {
	me, _, _, _ := surveyed(t, 60, Fraction(0.9))
	me.SetRoster(rosterOf(61))
	for now := testStart; now <= testStart.Add(11*time.Minute); now = now.Add(100 * time.Millisecond) {
		me.Tick(now)
		for _, s := range sent(t, drain(me), ClassAck) {
			if x, ok := censusIn(t, s); ok && x.Roster != rosterOf(60).table.version {
				t.Errorf("%v: asks by the roster %x", now.Sub(testStart), x.Roster)
			}
		}
	}
}

// spec R124: a sample can't show that all have it; who was asked in full can.
func TestEveryoneNeedsEveryone(t *testing.T) {
	for _, n := range []int{33, 60, 200} {
		me, _, m, sample := surveyed(t, n, Everyone)
		reports(t, me, testStart.Add(6*time.Second), m, sample...)
		r, ok := me.Receipt(m.MessageID)
		if n <= 81 {
			if ok {
				t.Errorf("%d members: still tracked after everybody reported: %+v", n, r)
			}
		} else if r.Estimate.Verdict == Yes || r.Level >= LevelReached {
			t.Errorf("%d members, a sample of %d: %+v", n, len(sample), r)
		}
	}
}

// A verdict is known by its name.
func TestVerdictString(t *testing.T) {
	if got := fmt.Sprint(Undecided, Yes, No, Verdict(9)); got != "undecided yes no undecided" {
		t.Error(got)
	}
}

// crashed is me as it is durable, begun again: r are the roster, all the changes.
func crashed(t testing.TB, s State, r *Roster, at Time) *Channel {
	t.Helper()
	c, err := Restore(Config{Channel: "room", Participant: "me", Seed: 9, Roster: r}, s.Clone(), nil, at)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// spec R124 R90: after a restart a census that was not decided is taken up again:
// asked 10 s later, with a map and a verdict, then after 10 min.
func TestCensusAfterARestart(t *testing.T) {
	for _, handed := range []bool{true, false} {
		r := rosterOf(60)
		me := testChannel(t, LIP, func(cfg *Config) { cfg.Roster = r })
		if _, err := me.Send(testStart, []byte("hello"), SendOptions{Want: Fraction(0.9)}); err != nil {
			t.Fatal(err)
		}
		var s State
		ready := me.Ready()
		m := sent(t, ready, ClassContent)[0]
		s.Apply(ready.Changes)
		me.Advance()
		if handed {
			me.Handed(testStart, ready.Packets[len(ready.Packets)-1].Serial, nil, nil)
		}
		reports(t, me, testStart.Add(time.Second), m, "P1", "P2")
		s.Apply(drain(me).Changes)

		back := testStart.Add(2 * time.Second)
		me = crashed(t, s, r, back)
		var asked, maps []time.Duration
		verdict := map[time.Duration]Verdict{}
		for now := back; now <= back.Add(11*time.Minute); now = now.Add(100 * time.Millisecond) {
			me.Tick(now)
			ready := drain(me)
			for _, p := range ready.Packets {
				me.Handed(now, p.Serial, nil, nil)
			}
			for _, s := range sent(t, ready, ClassAck) {
				if x, ok := censusIn(t, s); ok && x.Map == nil {
					asked = append(asked, now.Sub(back))
				} else if ok {
					maps = append(maps, now.Sub(back))
				}
			}
			for _, receipt := range ready.Receipts {
				verdict[now.Sub(back)] = receipt.Estimate.Verdict
			}
		}
		if !slices.Equal(asked, []time.Duration{10 * time.Second, 10*time.Minute + 10*time.Second}) ||
			!slices.Equal(maps, []time.Duration{18200 * time.Millisecond, 10*time.Minute + 18200*time.Millisecond}) ||
			verdict[20500*time.Millisecond] != No {
			t.Errorf("handed %v: asked at %v, maps at %v, verdicts %v", handed, asked, maps, verdict)
		}
		receipt, _ := me.Receipt(m.MessageID)
		if receipt.Estimate.Heard != 2 || receipt.Estimate.Sample != 59 || receipt.Seen != 2 {
			t.Errorf("handed %v: %+v", handed, receipt)
		}
		// Answers that come after the restart count.
		for i := 3; i < 60; i++ {
			reports(t, me, me.now, m, PersonID(fmt.Sprint("P", i)))
			if receipt, _ := me.Receipt(m.MessageID); i == 54 && (receipt.Estimate.Verdict != Yes || receipt.Level != LevelReached) {
				t.Errorf("handed %v, after %d of 59: %+v", handed, i, receipt)
			}
		}
	}
}

// spec R124 R59: a verdict that was reached stays, and reports still count.
func TestVerdictAfterARestart(t *testing.T) {
	r := rosterOf(200)
	me := testChannel(t, LIP, func(cfg *Config) { cfg.Roster = r })
	if _, err := me.Send(testStart, []byte("who has it?"), SendOptions{Want: Fraction(0.9)}); err != nil {
		t.Fatal(err)
	}
	var s State
	ready := drain(me)
	s.Apply(ready.Changes)
	m := sent(t, ready, ClassContent)[0]
	x, _ := censusIn(t, m)
	sample := sampleOf(r, "me", x.Seed, x.Roster, 80)
	reports(t, me, testStart.Add(6*time.Second), m, sample[1:]...)
	s.Apply(drain(me).Changes)
	me = crashed(t, s, r, testStart.Add(time.Minute))
	receipt, _ := me.Receipt(m.MessageID)
	if receipt.Level != LevelReached || receipt.Estimate.Verdict != Yes || receipt.Seen != len(sample)-1 {
		t.Errorf("after a restart %+v", receipt)
	}
	reports(t, me, testStart.Add(time.Minute), m, sample[0])
	if receipt, _ := me.Receipt(m.MessageID); receipt.Seen != len(sample) {
		t.Errorf("a late report does not count: %+v", receipt)
	}
	me.Tick(testStart.Add(time.Hour))
	if got := extensions(t, drain(me), func(e *wire.Extension) bool { return e.Census != nil }); len(got) > 0 {
		t.Errorf("%d censuses although the verdict is known", len(got))
	}
}

// spec R59: what counts is who reports, whether it was asked and whose installation
// it is; an outsider's report, and one on a message that nobody asked about, are
// nothing.
func TestReportsProve(t *testing.T) {
	me, _, m, _ := surveyed(t, 40, Fraction(0.9))
	other := say(t, me, testStart.Add(time.Second), "nobody asks", SendOptions{})
	claim := func(who ParticipantID, subjects ...uint64) {
		x := wire.Census{Reports: subjects}
		at := me.now.Add(time.Second)
		receive(t, me, at, saying(who, at, wire.Extension{Census: x.Encode()}))
	}
	claim("mallory", ShortID("room", m.MessageID))
	claim("p1", 0, 1, math.MaxUint64, ShortID("room", "nothing"))
	claim("p1", ShortID("elsewhere", m.MessageID))
	if r, _ := me.Receipt(m.MessageID); r.Seen != 0 {
		t.Fatalf("%+v", r)
	}
	claim("p1", 7, ShortID("room", m.MessageID))
	claim("p1", ShortID("room", m.MessageID))
	if r, _ := me.Receipt(m.MessageID); r.Seen != 1 || r.Persons[0] != "P1" || !r.Claimed {
		t.Errorf("%+v", r)
	}
	if r, _ := me.Receipt(other.MessageID); r.Seen != 0 {
		t.Errorf("nobody reported on it: %+v", r)
	}
}

// spec R67: in a large group nobody is asked by name before the census is over,
// whoever is heard meanwhile.
func TestNobodyIsNamedDuringACensus(t *testing.T) {
	me, _, m, sample := surveyed(t, 60, Everyone)
	for i, person := range sample[:20] {
		at := testStart.Add(time.Duration(i+1) * 100 * time.Millisecond)
		receive(t, me, at, lip(ParticipantID(strings.ToLower(string(person))), uint64(at), "saw it", m.MessageID))
	}
	var asked []time.Duration
	for now := me.now; now <= testStart.Add(time.Minute); now = now.Add(100 * time.Millisecond) {
		me.Tick(now)
		if len(extensions(t, drain(me), func(e *wire.Extension) bool { return len(e.Ask) > 0 })) > 0 {
			asked = append(asked, now.Sub(testStart))
		}
	}
	if len(asked) == 0 || asked[0] < censusVerdict || asked[0] > 25*time.Second {
		t.Errorf("asked by name at %v, want from %v on", asked, censusVerdict)
	}
}

// spec R127: in a nim channel nobody asks, and nobody answers.
func TestNoCensusInNimChannels(t *testing.T) {
	r := rosterOf(60)
	me := memberOf(t, r, "me", func(cfg *Config) { cfg.Dialect = Nim })
	m := say(t, me, testStart, "hello", SendOptions{Want: Fraction(0.9), ID: "0x1"})
	if x, ok := censusIn(t, m); ok {
		t.Errorf("asks: %+v", x)
	}
	theirs, _ := asks(t, memberOf(t, r, "p1", nil), testStart)
	receive(t, me, testStart, theirs)
	me.Tick(testStart.Add(time.Hour))
	if got := extensions(t, drain(me), func(e *wire.Extension) bool { return e.Census != nil }); len(got) > 0 {
		t.Errorf("%d censuses", len(got))
	}
}
