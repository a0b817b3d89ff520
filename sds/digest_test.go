package sds

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/sketch"
	"github.com/causeway-im/causeway/sds/wire"
)

// saying is a sync of sender that names heads and says e.
func saying(sender ParticipantID, at Time, e wire.Extension, heads ...MessageID) wire.Message {
	m := wire.Message{Dialect: wire.LIP, SenderID: sender, ChannelID: "room", Lamport: uint64(at), HasLamport: true}
	for _, id := range heads {
		m.CausalHistory = append(m.CausalHistory, wire.HistoryEntry{MessageID: id})
	}
	m.MessageID = newSyncID(m.ChannelID, sender, m.Lamport, m.CausalHistory)
	e.Version, e.Incarnation = 1, 3
	m.Extension = e.Encode()
	return m
}

// sumOf is the sum over messages.
func sumOf(all ...wire.Message) Sum {
	var s Sum
	for i := range all {
		in := Prepare(all[i])
		s.Add(in.leaf)
	}
	return s
}

// claimOf is the claim of somebody that its log is these messages.
func claimOf(who ParticipantID, log ...wire.Message) wire.Extension {
	return wire.Extension{HasFingerprint: true, Fingerprint: sumOf(log...).Fingerprint(who, "room", 0)}
}

// digestOf is the digest of somebody that has these ids in [from, to).
func digestOf(t testing.TB, secret string, from, to uint64, symbols int, ids ...MessageID) []byte {
	t.Helper()
	d, err := sketch.Encode([]byte(secret), from, to, ids, symbols)
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// chain gives c a number of messages of author, each naming the one before it.
func chain(t testing.TB, c *Channel, author ParticipantID, n int) []wire.Message {
	t.Helper()
	var all []wire.Message
	for i := range n {
		var parents []MessageID
		if i > 0 {
			parents = []MessageID{all[i-1].MessageID}
		}
		m := lip(author, uint64(testStart)+uint64(i), fmt.Sprint(author, i), parents...)
		receive(t, c, testStart, m)
		all = append(all, m)
	}
	return all
}

// calmly lets c say what it has to say about what it got, and returns a later time.
func calmly(c *Channel) Time {
	now := testStart.Add(2 * time.Minute)
	c.Tick(now)
	drain(c)
	return now
}

func ids(all []wire.Message) []MessageID {
	list := make([]MessageID, len(all))
	for i := range all {
		list[i] = all[i].MessageID
	}
	return list
}

// spec R45: members that name the same heads and claim different sums disagree.
// Whoever notices sends a digest, unless something of its own explains it.
func TestDisagreement(t *testing.T) {
	for _, c := range []struct {
		name string
		said func(me *Channel, log []wire.Message) (wire.Extension, []MessageID)
		want int
	}{
		{"bob lacks the second", func(_ *Channel, log []wire.Message) (wire.Extension, []MessageID) {
			return claimOf("bob", log[0], log[2]), ids(log[2:])
		}, 1},
		{"bob has another one", func(_ *Channel, log []wire.Message) (wire.Extension, []MessageID) {
			return claimOf("bob", append(log, lip("x", 1, "y"))...), ids(log[2:])
		}, 1},
		{"bob agrees", func(_ *Channel, log []wire.Message) (wire.Extension, []MessageID) {
			return claimOf("bob", log...), ids(log[2:])
		}, 0},
		{"bob says what he lacks", func(_ *Channel, log []wire.Message) (wire.Extension, []MessageID) {
			e := claimOf("bob", log[0], log[2])
			e.Holes = []uint64{ShortID("room", log[1].MessageID)}
			return e, ids(log[2:])
		}, 0},
		{"bob names other heads", func(_ *Channel, log []wire.Message) (wire.Extension, []MessageID) {
			return claimOf("bob", log[0]), ids(log[1:2])
		}, 0},
		{"bob claims nothing", func(_ *Channel, log []wire.Message) (wire.Extension, []MessageID) {
			return wire.Extension{}, ids(log[2:])
		}, 0},
		{"one that we can't open explains it", func(me *Channel, log []wire.Message) (wire.Extension, []MessageID) {
			me.NotForMe(me.now, "sealed", nil)
			return claimOf("bob", log[0], log[2]), ids(log[2:])
		}, 0},
	} {
		me := testChannel(t, LIP, nil)
		log := chain(t, me, "author", 3)
		now := calmly(me)
		e, heads := c.said(me, log)
		receive(t, me, now, saying("bob", now, e, heads...))
		if got := digestsOf(t, me, now, pace.Period(64, time.Second)); len(got) != c.want {
			t.Errorf("%s: %d digests, want %d", c.name, len(got), c.want)
		}
	}
}

// spec R45: whoever has gaps of its own asks once more for those that it had
// stopped asking for, instead of sending a digest.
func TestDisagreementOverGaps(t *testing.T) {
	me := testChannel(t, LIP, nil)
	missing := lip("author", uint64(testStart), "missing")
	child := lip("author", uint64(testStart)+1, "child", missing.MessageID)
	receive(t, me, testStart, child)
	now := testStart
	for range 60 { // until it goes cold
		now = now.Add(time.Minute)
		me.Tick(now)
		receive(t, me, now, request("dave", now.Sub(testStart)))
		drain(me)
	}
	a := me.awaited[missing.MessageID]
	if a == nil || !a.cold() {
		t.Fatal("not cold")
	}
	receive(t, me, now, saying("bob", now, claimOf("bob", missing, child), child.MessageID))
	if a.cold() || a.next.Sub(now) > pace.Grace+pace.Period(64, time.Second) {
		t.Errorf("asked for again at %v", a.next.Sub(now))
	}
	if got := digestsOf(t, me, now, 30*time.Second); len(got) != 0 {
		t.Errorf("%d digests", len(got))
	}
}

// spec R46: what a digest covers, and how.
func TestWhatADigestCovers(t *testing.T) {
	me := testChannel(t, LIP, func(cfg *Config) { cfg.Secret, cfg.JoinPoint = []byte("secret"), uint64(testStart)+2 })
	receive(t, me, testStart, lip("fixes", uint64(testStart)+900, "the join point"))
	log := chain(t, me, "author", 10)
	now := calmly(me)
	flying := lip("author", uint64(now), "just now", log[9].MessageID)
	receive(t, me, now.Add(-time.Second), flying)
	me.seek(0)
	got := digestsOf(t, me, now, 900*time.Millisecond)
	for at := now; len(got) == 0 && at < now.Add(time.Minute); at = at.Add(time.Second) {
		flying = lip("author", uint64(at), "just now", log[9].MessageID)
		receive(t, me, at, flying) // there is always something under way
		got = digestsOf(t, me, at, 900*time.Millisecond)
	}
	if len(got) != 1 {
		t.Fatalf("%d digests", len(got))
	}
	d, err := sketch.Parse(got[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	// Base is testStart+2: of the chain 7 count, and the one that fixed it.
	if d.From != uint64(testStart)+3 || d.To <= uint64(testStart)+900 || d.To > flying.Lamport || len(d.Symbols) != 16 {
		t.Errorf("covers [%d, %d) with %d symbols", int64(d.From)-int64(testStart), int64(d.To)-int64(testStart), len(d.Symbols))
	}
	if d.Messages < 8 {
		t.Errorf("%d messages, want at least 8", d.Messages)
	}
	// Whoever has the same decodes it to nothing, with this secret.
	for secret, want := range map[string]bool{"secret": true, "room": false} {
		s, err := sketch.New([]byte(secret), d.From, d.To, len(d.Symbols))
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range me.heldIn(d.From, d.To) {
			s.Add(string(id))
		}
		theirs, ours, complete := s.Decode(d)
		if (complete && len(theirs)+len(ours) == 0) != want {
			t.Errorf("with the secret %q: %v %v %v", secret, theirs, ours, complete)
		}
	}
}

// spec R46: at most 1,000 messages, the newest; the range holds all of them.
func TestDigestIsBounded(t *testing.T) {
	for _, c := range []struct {
		n      int
		same   bool // of one timestamp
		window int
		least  int
	}{{999, false, 0, 700}, {5000, false, 0, 700}, {900, true, 0, 900}, {3000, true, 0, 0}, {500, false, 100, 99}} {
		me := testChannel(t, LIP, func(cfg *Config) { cfg.Window = c.window })
		for i := range c.n {
			lamport := uint64(testStart) + uint64(i)
			if c.same {
				lamport = uint64(testStart)
			}
			receive(t, me, testStart, lip("author", lamport, fmt.Sprint(i), headIDs(me)...))
			for _, id := range drain(me).Lookups {
				me.Found(testStart, []Lookup{{ID: id}})
			}
		}
		me.advance(testStart.Add(time.Minute))
		from, to, ok := me.digestRange()
		if c.least == 0 {
			if ok {
				t.Errorf("%+v: covers [%d, %d)", c, from, to)
			}
			continue
		}
		n := len(me.heldIn(from, to))
		if !ok || n < c.least || n > sketch.MaxMessages || to != me.heads[0].lamport+1 {
			t.Errorf("%+v: covers %d messages, up to %d", c, n, int64(to)-int64(testStart))
		}
		if me.meta.Forgotten > 0 && from <= me.meta.ForgottenMax {
			t.Errorf("%+v: covers what was forgotten", c)
		}
	}
}

// spec R46: 32 symbols after a digest that could not be decoded, once.
func TestLongerDigest(t *testing.T) {
	for name, theirs := range map[string]int{"too many differences": 40, "too many messages": 400, "few": 2} {
		me := testChannel(t, LIP, nil)
		log := chain(t, me, "author", 40)
		now := calmly(me)
		var has []MessageID
		if theirs == 40 {
			has = ids(log[20:])
		}
		for i := range theirs - len(has) {
			has = append(has, MessageID(fmt.Sprint("unknown", i)))
		}
		if theirs == 2 {
			has = append(has, ids(log)...)
		}
		d := digestOf(t, "room", uint64(testStart), uint64(testStart)+40, 16, has...)
		receive(t, me, now, saying("bob", now, wire.Extension{Digest: d}, headIDs(me)...))
		want := 32
		if theirs == 2 {
			want = 16
		}
		for _, want := range []int{want, 16} {
			me.digest.rest, me.digest.restTo = 0, 0
			me.seek(0)
			got := digestsOf(t, me, me.now, 10*time.Second)
			if len(got) != 1 {
				t.Fatalf("%s: %d digests", name, len(got))
			}
			if d, err := sketch.Parse(got[0].Digest); err != nil || len(d.Symbols) != want {
				t.Errorf("%s: %d symbols, %v, want %d", name, len(d.Symbols), err, want)
			}
		}
	}
}

// spec R47: the next digest may follow after 8 s, then 16 s, … up to an hour, and
// at once when one has helped.
func TestDigestsRest(t *testing.T) {
	me := testChannel(t, LIP, nil)
	log := chain(t, me, "author", 3)
	now := calmly(me)
	var at []time.Duration
	disagree := func(until time.Duration) {
		for end := me.now.Add(until); me.now < end; {
			next := me.now.Add(time.Second)
			receive(t, me, next, saying("bob", next, claimOf("bob", log[0], log[2]), log[2].MessageID))
			me.Tick(next)
			if got := extensions(t, drain(me), func(e *wire.Extension) bool { return e.Digest != nil }); len(got) > 0 {
				at = append(at, me.now.Sub(now))
			}
		}
	}
	disagree(6 * time.Hour)
	if len(at) < 10 {
		t.Fatalf("digests at %v", at)
	}
	latest := pace.Period(64, time.Second) + 2*time.Second
	for i := 1; i < len(at); i++ {
		least := min(digestRest<<(i-1), time.Hour)
		if gap := at[i] - at[i-1]; gap < least || gap > least+latest {
			t.Errorf("digest %d after %v, want from %v to %v", i, gap, least, least+latest)
		}
	}
	// Somebody else's shows what we lack, and that comes: it is worth going on.
	extra := lip("author", uint64(testStart)+1, "extra")
	d := digestOf(t, "room", uint64(testStart), uint64(testStart)+3, 16, append(ids(log), extra.MessageID)...)
	receive(t, me, me.now, saying("carol", me.now, wire.Extension{Digest: d}, log[2].MessageID))
	if me.digest.restTo.Sub(me.now) < 50*time.Minute {
		t.Errorf("hearing a digest, we rest for %v", me.digest.restTo.Sub(me.now))
	}
	receive(t, me, me.now, extra)
	at = nil
	disagree(30 * time.Second)
	if len(at) != 0 { // extra is a head of ours now: bob does not name the same
		t.Errorf("digests at %v", at)
	}
	if me.digest.rest != 0 || me.digest.restTo != 0 {
		t.Errorf("still rests for %v", me.digest.rest)
	}
}

// spec R47: hearing a digest ends our own plan for one; outsiders' have no say.
func TestHearingADigestEndsOurs(t *testing.T) {
	roster := &Roster{Members: map[ParticipantID]PersonID{"me": "me", "bob": "bob", "author": "author"}}
	for _, c := range []struct {
		from ParticipantID
		want int
	}{{"bob", 0}, {"mallory", 1}} {
		me := testChannel(t, LIP, func(cfg *Config) { cfg.Roster = roster })
		log := chain(t, me, "author", 3)
		now := calmly(me)
		me.seek(0)
		d := digestOf(t, "room", uint64(testStart), uint64(testStart)+3, 16, ids(log)...)
		receive(t, me, now, saying(c.from, now, wire.Extension{Digest: d}, log[2].MessageID))
		if got := digestsOf(t, me, now, 7*time.Second); len(got) != c.want {
			t.Errorf("%d digests after one of %s, want %d", len(got), c.from, c.want)
		}
	}
}

// wants returns the short ids that c asks for within d, and when.
func wants(t *testing.T, c *Channel, from Time, d time.Duration, each func(at Time)) (at []time.Duration, last wire.Extension) {
	t.Helper()
	for now := from; now <= from.Add(d); now = now.Add(100 * time.Millisecond) {
		if each != nil {
			each(now)
		}
		c.Tick(now)
		for _, e := range extensions(t, drain(c), func(e *wire.Extension) bool { return e.Want != nil }) {
			at, last = append(at, now.Sub(from)), e
		}
	}
	return at, last
}

// spec R48: what a digest shows us to lack is reported and asked for six times,
// after a suppression delay, with growing waits, and then no more.
func TestWantsWhatADigestShows(t *testing.T) {
	me := testChannel(t, LIP, nil)
	log := chain(t, me, "author", 3)
	now := calmly(me)
	lacking := []MessageID{"unknown 1", "unknown 2"}
	from, to := uint64(testStart), uint64(testStart)+3
	d := digestOf(t, "room", from, to, 16, append(lacking, ids(log)...)...)
	receive(t, me, now, saying("bob", now, wire.Extension{Digest: d}, log[2].MessageID))
	key := sketch.NewKey([]byte("room"), from, to)
	want := []uint64{key.ShortID("unknown 1"), key.ShortID("unknown 2")}
	slices.Sort(want)
	var reported []uint64
	for _, l := range drain(me).Losses {
		reported = append(reported, l.ShortID)
	}
	slices.Sort(reported)
	if !slices.Equal(reported, want) {
		t.Errorf("reported %x, want %x", reported, want)
	}
	at, e := wants(t, me, now, 10*time.Minute, nil)
	if len(at) != 6 || !slices.Equal(e.Want, want) || e.WantFrom != from || e.WantTo != to {
		t.Fatalf("asked at %v for %x in [%d, %d)", at, e.Want, e.WantFrom, e.WantTo)
	}
	if at[0] > pace.Period(64, time.Second) {
		t.Errorf("first asked after %v", at[0])
	}
	for i, wait := range []time.Duration{2, 4, 8, 8, 8} { // nobody was heard for a minute at the end only
		if gap := at[i+1] - at[i]; gap < wait*time.Second {
			t.Errorf("asked again after %v, want at least %v s", gap, int(wait))
		}
	}
	// The same digest again tells nothing new while we ask; afterwards it starts anew.
	receive(t, me, me.now, saying("bob", me.now, wire.Extension{Digest: d}, log[2].MessageID))
	if at, _ := wants(t, me, me.now, time.Minute, nil); len(at) == 0 {
		t.Error("never asked again")
	}
}

// spec R48: who hears another asking for the same waits, and asks all the same if
// that brings nothing.
func TestWantSurvivesHearing(t *testing.T) {
	me := testChannel(t, LIP, nil)
	log := chain(t, me, "author", 3)
	now := calmly(me)
	from, to := uint64(testStart), uint64(testStart)+3
	d := digestOf(t, "room", from, to, 16, append(ids(log), "unknown")...)
	receive(t, me, now, saying("bob", now, wire.Extension{Digest: d}, log[2].MessageID))
	key := sketch.NewKey([]byte("room"), from, to)
	same := wire.Extension{Want: []uint64{key.ShortID("unknown")}, WantFrom: from, WantTo: to}
	for i := range 8 {
		receive(t, me, now.Add(time.Duration(i)*time.Millisecond), saying("carol", now.Add(time.Duration(i)*time.Millisecond), same, log[2].MessageID))
	}
	at, _ := wants(t, me, me.now, time.Minute, nil)
	if len(at) == 0 || at[0] < 2*time.Second-10*time.Millisecond {
		t.Errorf("asked at %v after hearing another, want from 2 s on", at)
	}
}

// spec R48: never for what is not our business, nor for what is here and waits.
func TestNeverWantsWhatIsKnown(t *testing.T) {
	me := testChannel(t, LIP, nil)
	log := chain(t, me, "author", 3)
	waits := lip("author", uint64(testStart)+1, "waits", "c1missing")
	receive(t, me, testStart, waits)
	now := testStart.Add(5 * time.Second)
	me.NotForMe(now, "sealed", nil)
	me.Tick(now)
	drain(me)
	d := digestOf(t, "room", uint64(testStart), uint64(testStart)+3, 16, append(ids(log), "sealed", waits.MessageID)...)
	receive(t, me, now, saying("bob", now, wire.Extension{Digest: d}, log[2].MessageID))
	if got := drain(me).Losses; len(got) != 0 {
		t.Errorf("lost are %+v", got)
	}
	if at, e := wants(t, me, now, time.Minute, nil); len(at) != 0 {
		t.Errorf("asked for %x", e.Want)
	}
}

// spec R48: digests below our join point, or below our memory, are not compared.
func TestComparesOnlyWhatItRemembers(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"join point": func(cfg *Config) { cfg.JoinPoint = uint64(testStart) + 1 },
		"window":     func(cfg *Config) { cfg.Window = 3 },
	} {
		me := testChannel(t, LIP, change)
		receive(t, me, testStart, lip("fixes", uint64(testStart)+2, "the join point"))
		for i := range 6 {
			receive(t, me, testStart, lip("author", uint64(testStart)+3+uint64(i), fmt.Sprint(i), headIDs(me)...))
			for _, id := range drain(me).Lookups {
				me.Found(testStart, []Lookup{{ID: id}})
			}
		}
		calmly(me)
		for from, want := range map[uint64]int{0: 0, uint64(testStart) + 1: 0, uint64(testStart) + 8: 1} {
			c := *me
			c.digest = digesting{}
			c.digest.init()
			d := digestOf(t, "room", from, uint64(testStart)+9, 16, append(me.heldIn(from, uint64(testStart)+9), "unknown")...)
			c.compareDigest(&peer{id: "bob"}, d)
			if got := len(c.digest.want); got != want {
				t.Errorf("%s: %d wanted of a digest from %d on, want %d", name, got, int64(from)-int64(testStart), want)
			}
		}
	}
}

// repairs runs c for d and returns the ids that it repairs.
func repairs(c *Channel, from Time, d time.Duration) []MessageID {
	c.Tick(from.Add(d))
	var list []MessageID
	for _, p := range drain(c).Packets {
		if p.Class == ClassRepair {
			list = append(list, p.ID)
		}
	}
	slices.Sort(list)
	return list
}

// spec R49: what a digest shows its sender to lack is answered, at once by its
// author, later by others, once in 3 GRTT; so are short ids that are asked for.
func TestAnswersDigestsAndWants(t *testing.T) {
	from, to := uint64(testStart), uint64(testStart)+100
	key := sketch.NewKey([]byte("room"), from, to)
	for _, own := range []bool{false, true} {
		for _, want := range []bool{false, true} {
			me := testChannel(t, LIP, nil)
			log := chain(t, me, "author", 3)
			lacking := log[1].MessageID
			if own {
				lacking = say(t, me, testStart, "mine", SendOptions{}).MessageID
			}
			now := calmly(me)
			has := slices.DeleteFunc(me.heldIn(from, to), func(id MessageID) bool { return id == lacking })
			e := wire.Extension{Digest: digestOf(t, "room", from, to, 16, has...)}
			if want {
				e = wire.Extension{Want: []uint64{key.ShortID(string(lacking)), 77}, WantFrom: from, WantTo: to}
			}
			receive(t, me, now, saying("bob", now, e, has[0]))
			at := now
			for ; !slices.Contains(repairs(me, at, 0), lacking) && at < now.Add(time.Minute); at = at.Add(10 * time.Millisecond) {
			}
			least, most := 700*time.Millisecond, 2700*time.Millisecond+pace.Period(64, time.Second)
			if own {
				least, most = 0, 0
			}
			if after := at.Sub(now); after < least || after > most {
				t.Errorf("own %v, want %v: answered after %v, want from %v to %v", own, want, after, least, most)
			}
			receive(t, me, at.Add(time.Second), saying("carol", at.Add(time.Second), e, has[0]))
			if got := repairs(me, at, 30*time.Second); len(got) != 0 {
				t.Errorf("own %v, want %v: answered twice in 3 GRTT", own, want)
			}
		}
	}
}

// spec R49: what comes after the first question is answered, too.
func TestAnswersWantsForWhatCameLater(t *testing.T) {
	me := testChannel(t, LIP, nil)
	chain(t, me, "author", 3)
	now := calmly(me)
	from, to := uint64(testStart), uint64(testStart)+100
	key := sketch.NewKey([]byte("room"), from, to)
	late := lip("author", uint64(testStart)+50, "late")
	e := wire.Extension{Want: []uint64{key.ShortID(string(late.MessageID))}, WantFrom: from, WantTo: to}
	receive(t, me, now, saying("bob", now, e))
	receive(t, me, now, late)
	if got := repairs(me, now, 10*time.Second); len(got) != 0 {
		t.Errorf("answered %v before it came", got)
	}
	now = now.Add(20 * time.Second)
	receive(t, me, now, saying("bob", now, e))
	if got := repairs(me, now, 10*time.Second); !slices.Contains(got, late.MessageID) {
		t.Errorf("repaired %v", got)
	}
}

// The index of a range is as large as a thousand messages: it goes when nobody asks
// any more, and who asks again has an answer.
func TestIndexOfARangeGoes(t *testing.T) {
	me := testChannel(t, LIP, nil)
	log := chain(t, me, "author", 3)
	now := calmly(me)
	from, to := uint64(testStart), uint64(testStart)+3
	key := sketch.NewKey([]byte("room"), from, to)
	e := wire.Extension{Want: []uint64{key.ShortID(string(log[1].MessageID))}, WantFrom: from, WantTo: to}
	for i, last := 0, log[2].MessageID; i < 3; i++ {
		receive(t, me, now, saying("bob", now, e))
		if got := repairs(me, now, 10*time.Second); !slices.Contains(got, log[1].MessageID) {
			t.Errorf("question %d is answered with %v", i+1, got)
		}
		if me.digest.index == nil {
			t.Error("there is no index")
		}
		now = now.Add(digestKeep + time.Second)
		m := lip("author", uint64(now), fmt.Sprint(i), last)
		last = m.MessageID
		if receive(t, me, now, m); me.digest.index != nil {
			t.Errorf("the index is there after %v", digestKeep)
		}
	}
}

// spec R46: no digest goes with content, and one that came with content is not
// read: it would make content cost what syncs may cost.
func TestNoDigestWithContent(t *testing.T) {
	me := testChannel(t, LIP, nil)
	log := chain(t, me, "author", 3)
	now := calmly(me)
	me.seek(0)
	m := say(t, me, now, "hello", SendOptions{})
	if e, err := wire.ParseExtension(m.Extension); err != nil || e.Digest != nil {
		t.Error("content with a digest")
	}
	with := lip("bob", uint64(now), "hello", log[2].MessageID)
	e := wire.Extension{Version: 1, Incarnation: 1, Digest: digestOf(t, "room", uint64(testStart), uint64(testStart)+3, 16, "unknown")}
	with.Extension = e.Encode()
	receive(t, me, now, with)
	if got := drain(me).Losses; len(got) != 0 {
		t.Errorf("compared: %+v", got)
	}
}
