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

// numbered is content of sender with a sequence number.
func numbered(sender ParticipantID, incarnation uint32, number uint64, parents ...MessageID) wire.Message {
	m := lip(sender, uint64(testStart)+number%1_000_000, fmt.Sprintf("%x number %d", incarnation, number), parents...)
	e := wire.Extension{Version: 1, Incarnation: incarnation, Sequence: number}
	m.Extension = e.Encode()
	return m
}

// lostNumbers returns the numbers of sender that were reported lost.
func lostNumbers(r Ready, sender ParticipantID) []uint64 {
	var list []uint64
	for _, l := range r.Losses {
		if l.Sender == sender && l.Sequence != 0 {
			list = append(list, l.Sequence)
		}
	}
	return list
}

// spec R40: three newer messages show a loss at once, whichever they are.
func TestThreeNewerShowALoss(t *testing.T) {
	for _, c := range []struct {
		come []uint64
		lost map[int][]uint64 // after so many have come
	}{
		{[]uint64{1, 2, 3, 4}, nil},
		{[]uint64{1, 3, 4}, nil},
		{[]uint64{1, 3, 4, 5}, map[int][]uint64{4: {2}}},
		{[]uint64{1, 3, 4, 2, 5}, nil},                              // it was only late
		{[]uint64{1, 3, 4, 5, 6, 2, 7}, map[int][]uint64{4: {2}}},   // once, and a late one changes nothing
		{[]uint64{1, 5, 4, 3}, map[int][]uint64{4: {2}}},            // newer ones out of order count
		{[]uint64{1, 4, 5, 6}, map[int][]uint64{4: {2, 3}}},         // several
		{[]uint64{1, 3, 5, 6, 7}, map[int][]uint64{4: {2}, 5: {4}}}, // each has its own three: 3, 5, 6 and 5, 6, 7
		{[]uint64{50, 52, 53, 54}, map[int][]uint64{4: {51}}},       // from before we listened nothing is missing
		{[]uint64{1, 64, 63, 62}, map[int][]uint64{4: numbersFrom(2, 61)}},
		{[]uint64{1, 65, 66, 67}, nil}, // 64 above: anew
	} {
		ch := testChannel(t, LIP, nil)
		for i, n := range c.come {
			receive(t, ch, testStart, numbered("bob", 7, n))
			if got := lostNumbers(drain(ch), "bob"); !slices.Equal(got, c.lost[i+1]) {
				t.Errorf("%v: after %d lost are %v, want %v", c.come, i+1, got, c.lost[i+1])
			}
		}
	}
}

func numbersFrom(first, last uint64) []uint64 {
	var list []uint64
	for n := first; n <= last; n++ {
		list = append(list, n)
	}
	return list
}

// spec R40: with fewer newer ones it is time that shows a loss: 9/8 of the round
// trip after the first of them, for each number.
func TestTimeShowsALoss(t *testing.T) {
	for _, trip := range []time.Duration{time.Second, 3 * time.Second} {
		c := testChannel(t, LIP, func(cfg *Config) { cfg.RoundTrip = trip })
		wait := pace.LossDelay(trip)
		if wait != trip*9/8 {
			t.Fatalf("9/8 of %v is %v", trip, wait)
		}
		receive(t, c, testStart, numbered("bob", 7, 1))
		receive(t, c, testStart.Add(time.Second), numbered("bob", 7, 3))
		c.Tick(testStart.Add(time.Second + wait - time.Millisecond))
		if got := lostNumbers(drain(c), "bob"); got != nil {
			t.Errorf("%v lost before the time", got)
		}
		c.Tick(testStart.Add(time.Second + wait))
		if got := lostNumbers(drain(c), "bob"); !slices.Equal(got, []uint64{2}) {
			t.Errorf("lost are %v, want 2", got)
		}
		c.Tick(testStart.Add(time.Hour))
		if got := lostNumbers(drain(c), "bob"); got != nil {
			t.Errorf("%v reported again", got)
		}
	}
}

// spec R40: a number that was first missing shortly before another's time is up
// has its own time: it may only be late.
func TestEachLossHasItsTime(t *testing.T) {
	c := testChannel(t, LIP, nil)
	for i, n := range []uint64{1, 3, 5} {
		receive(t, c, testStart.Add(time.Duration(i)*time.Second/2), numbered("bob", 7, n))
	}
	c.Tick(testStart.Add(1700 * time.Millisecond)) // 3 came at 0.5 s, 5 at 1 s
	if got := lostNumbers(drain(c), "bob"); !slices.Equal(got, []uint64{2}) {
		t.Errorf("lost are %v, want 2", got)
	}
	late := testChannel(t, LIP, nil)
	for i, n := range []uint64{1, 3, 5} {
		receive(t, late, testStart.Add(time.Duration(i)*time.Second/2), numbered("bob", 7, n))
	}
	late.Tick(testStart.Add(1700 * time.Millisecond))
	receive(t, late, testStart.Add(1800*time.Millisecond), numbered("bob", 7, 4))
	late.Tick(testStart.Add(time.Minute))
	c.Tick(testStart.Add(time.Second + 2*pace.LossDelay(time.Second)))
	if got := lostNumbers(drain(c), "bob"); !slices.Equal(got, []uint64{4}) {
		t.Errorf("then lost are %v, want 4", got)
	}
	if got := lostNumbers(drain(late), "bob"); !slices.Equal(got, []uint64{2}) {
		t.Errorf("lost are %v, want 2 alone: 4 came", got)
	}
}

// spec R41: what begins the count anew proves no loss.
func TestCountBeginsAnew(t *testing.T) {
	plain := lip("bob", uint64(testStart)+500, "a copy that lost its number")
	for name, come := range map[string][]wire.Message{
		"a new incarnation": {numbered("bob", 7, 1), numbered("bob", 9, 5), numbered("bob", 9, 6), numbered("bob", 9, 7)},
		"a jump":            {numbered("bob", 7, 1), numbered("bob", 7, 500), numbered("bob", 7, 501), numbered("bob", 7, 502)},
		"a jump to the end": {numbered("bob", 7, 1), numbered("bob", 7, 1<<63), numbered("bob", 7, 1<<64-1), numbered("bob", 7, 2)},
		"no number":         {numbered("bob", 7, 1), plain, numbered("bob", 7, 3), numbered("bob", 7, 4), numbered("bob", 7, 5)},
		"below the first":   {numbered("bob", 7, 40), numbered("bob", 7, 3), numbered("bob", 7, 41)},
		"others' numbers":   {numbered("bob", 7, 1), numbered("carol", 7, 3), numbered("dave", 7, 4), numbered("erin", 7, 5)},
	} {
		c := testChannel(t, LIP, nil)
		for _, m := range come {
			receive(t, c, testStart, m)
		}
		c.Tick(testStart.Add(time.Minute))
		for _, l := range drain(c).Losses {
			t.Errorf("%s: %d of %s is lost", name, l.Sequence, l.Sender)
		}
	}
}

// spec R41: numbers of an older incarnation say nothing, also if its messages
// are the first of that sender that come.
func TestOldIncarnationsNumbersSayNothing(t *testing.T) {
	c := testChannel(t, LIP, nil)
	sync := request("bob", time.Minute) // of the new incarnation
	e := wire.Extension{Version: 1, Incarnation: 9}
	sync.Extension = e.Encode()
	receive(t, c, testStart.Add(time.Minute), sync)
	for _, n := range []uint64{1, 5, 6, 7} { // repairs of what it wrote before
		receive(t, c, testStart.Add(time.Minute), numbered("bob", 7, n))
	}
	c.Tick(testStart.Add(2 * time.Minute))
	if got := lostNumbers(drain(c), "bob"); got != nil {
		t.Errorf("%v of an older incarnation lost", got)
	}
}

// spec R40: a sync that overtakes content does not hide the number of that.
func TestSyncBeforeContent(t *testing.T) {
	c := testChannel(t, LIP, nil)
	sync := request("bob", time.Minute)
	e := wire.Extension{Version: 1, Incarnation: 7}
	sync.Extension = e.Encode()
	receive(t, c, testStart.Add(time.Minute), sync)
	for _, n := range []uint64{1, 3} {
		receive(t, c, testStart.Add(time.Minute), numbered("bob", 7, n))
	}
	c.Tick(testStart.Add(2 * time.Minute))
	if got := lostNumbers(drain(c), "bob"); !slices.Equal(got, []uint64{2}) {
		t.Errorf("lost are %v, want 2", got)
	}
}

// spec R70 R41: below the join point nothing is missing, by number either.
func TestNoLossBelowTheJoinPoint(t *testing.T) {
	c := testChannel(t, LIP, func(cfg *Config) { cfg.JoinPoint = uint64(testStart) + 10 })
	receive(t, c, testStart, lip("carol", uint64(testStart)+20, "fixes it"))
	for _, n := range []uint64{1, 12, 13, 14} {
		receive(t, c, testStart, numbered("bob", 7, n))
	}
	c.Tick(testStart.Add(time.Minute))
	if got := lostNumbers(drain(c), "bob"); got != nil {
		t.Errorf("%v lost", got)
	}
}

// digestsOf runs c for d and returns the digests that it sends.
func digestsOf(t *testing.T, c *Channel, from Time, d time.Duration) []wire.Extension {
	t.Helper()
	var list []wire.Extension
	for at := from; at <= from.Add(d); at = at.Add(100 * time.Millisecond) {
		c.Tick(at)
		list = append(list, extensions(t, drain(c), func(e *wire.Extension) bool { return e.Digest != nil })...)
	}
	return list
}

// extensions returns those of the packets of r that keep likes.
func extensions(t *testing.T, r Ready, keep func(*wire.Extension) bool) []wire.Extension {
	t.Helper()
	var list []wire.Extension
	for _, class := range []Class{ClassContent, ClassRequest, ClassAck, ClassSync} {
		for _, m := range sent(t, r, class) {
			if e, err := wire.ParseExtension(m.Extension); err == nil && keep(&e) {
				list = append(list, e)
			}
		}
	}
	return list
}

// spec R42: a loss that no open hole explains makes us send a digest; one that a
// hole of that sender explains does not: that is asked for already.
func TestUnexplainedLossSeeksADigest(t *testing.T) {
	first, second := numbered("bob", 7, 1), numbered("bob", 7, 2)
	run := func(third wire.Message) []wire.Extension {
		c := testChannel(t, LIP, nil)
		receive(t, c, testStart, first)
		receive(t, c, testStart, numbered("carol", 5, 1)) // something else to have
		c.Tick(testStart.Add(time.Minute))
		drain(c)
		receive(t, c, testStart.Add(time.Minute), third)
		return digestsOf(t, c, testStart.Add(time.Minute), 20*time.Second)
	}
	if got := run(numbered("bob", 7, 3)); len(got) != 1 {
		t.Errorf("%d digests for a loss that nobody names, want 1", len(got))
	}
	named := numbered("bob", 7, 3, second.MessageID)
	named.CausalHistory[0].SenderID = "bob"
	if got := run(named); len(got) != 0 {
		t.Errorf("%d digests for a loss that is known by its id", len(got))
	}
	if got := run(numbered("bob", 7, 2)); len(got) != 0 {
		t.Errorf("%d digests without a loss", len(got))
	}
}

// spec R42 R46: the digest reaches beyond what is lost, and goes with no sync
// before that.
func TestDigestAfterALossReachesIt(t *testing.T) {
	for seed := range uint64(20) {
		c := testChannel(t, LIP, func(cfg *Config) { cfg.Seed = seed })
		receive(t, c, testStart, numbered("carol", 5, 1))
		now := testStart.Add(time.Minute)
		c.Tick(now)
		drain(c)
		for _, n := range []uint64{1, 3, 4, 5} {
			m := numbered("bob", 7, n)
			m.Lamport = uint64(now) + n
			m.MessageID = NewMessageID(m.ChannelID, m.SenderID, m.Lamport, nil, m.Content)
			receive(t, c, now, m)
		}
		got := digestsOf(t, c, now, 20*time.Second)
		if len(got) != 1 {
			t.Fatalf("seed %d: %d digests", seed, len(got))
		}
		if d, err := sketch.Parse(got[0].Digest); err != nil || d.To <= uint64(now)+2 || d.Messages != 5 {
			t.Errorf("seed %d: covers %d messages up to %d ms after the loss, %v", seed, d.Messages, int64(d.To)-int64(now), err)
		}
	}
}

// A round trip whose 9/8 is no whole number of milliseconds: the timer of a loss
// does its work when it fires, and is not set again for the same moment.
func TestLossOfOddRoundTrip(t *testing.T) {
	c := testChannel(t, LIP, func(cfg *Config) { cfg.RoundTrip = 250 * time.Millisecond })
	for _, n := range []uint64{1, 3} {
		m := lip("bob", uint64(testStart)+n, fmt.Sprint("number ", n))
		m.Extension = (&wire.Extension{Version: 1, Incarnation: 7, Sequence: n}).Encode()
		receive(t, c, testStart, m)
	}
	drain(c)
	at := testStart.Add(pace.LossDelay(250 * time.Millisecond))
	c.Tick(at)
	if r := drain(c); len(r.Losses) != 1 {
		t.Errorf("losses %+v", r.Losses)
	}
	if next, ok := c.Deadline(); ok && next <= at {
		t.Errorf("due again at %d, now is %d", next, at)
	}
}
