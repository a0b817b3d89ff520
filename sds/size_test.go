package sds

import (
	"fmt"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/wire"
)

// claiming is a sync of sender that claims a size and a round trip of the group.
func claiming(sender ParticipantID, at Time, size int, trip time.Duration) wire.Message {
	m := wire.Message{Dialect: wire.LIP, SenderID: sender, ChannelID: "room", Lamport: uint64(at), HasLamport: true}
	m.MessageID = newSyncID(m.ChannelID, sender, m.Lamport, nil)
	e := wire.Extension{Version: 1, Incarnation: 3, GroupSize: pace.EncodeGroupSize(size), RoundTrip: pace.EncodeRoundTrip(trip)}
	m.Extension = e.Encode()
	return m
}

// hears lets c hear a sync of each of n members, spread over d.
func hears(t testing.TB, c *Channel, from Time, n int, d time.Duration) {
	t.Helper()
	for i := range n {
		at := from.Add(d * time.Duration(i) / time.Duration(n))
		receive(t, c, at, claiming(ParticipantID(fmt.Sprint("member", i)), at, 0, 0))
	}
}

// spec R43: without a roster n is twice who was heard in 24 hours, within 16 … 10,000.
func TestGroupSizeFromWhoIsHeard(t *testing.T) {
	for _, c := range []struct {
		heard, want int
		over        time.Duration
	}{
		{0, 64, time.Hour}, {1, 16, time.Hour}, {8, 16, time.Hour}, {9, 18, time.Hour}, {100, 200, time.Hour},
		{100, 200, 0}, // all at once, as after an absence
		{6000, 10_000, time.Hour},
	} {
		ch := testChannel(t, LIP, nil)
		hears(t, ch, testStart, c.heard, c.over)
		if c.heard > 0 {
			at := testStart.Add(c.over + 2*time.Second)
			receive(t, ch, at, claiming("member0", at, 0, 0)) // known already
		}
		if got := ch.groupSize(); got != c.want {
			t.Errorf("%d heard over %v: n is %d, want %d", c.heard, c.over, got, c.want)
		}
	}
}

// spec R43: who was not heard for 24 hours does not count any more.
func TestGroupSizeForgets(t *testing.T) {
	c := testChannel(t, LIP, nil)
	hears(t, c, testStart, 50, time.Minute)
	for h := 1; h <= 26; h++ { // one of them goes on
		at := testStart.Add(time.Duration(h) * time.Hour)
		receive(t, c, at, claiming("member0", at, 0, 0))
		if got := c.groupSize(); h < 24 && got != 100 {
			t.Fatalf("after %d h n is %d, want 100", h, got)
		}
	}
	if got := c.groupSize(); got != 16 {
		t.Errorf("after 26 h n is %d, want 16", got)
	}
}

// spec R43: the size of a roster is believed whatever is heard or claimed.
func TestGroupSizeOfTheRoster(t *testing.T) {
	r := &Roster{Members: map[ParticipantID]PersonID{"me": "me"}}
	for i := range 39 {
		r.Members[ParticipantID(fmt.Sprint("member", i))] = "x"
	}
	c := testChannel(t, LIP, func(cfg *Config) { cfg.Roster = r })
	hears(t, c, testStart, 200, time.Minute)
	for i := range 10 {
		receive(t, c, testStart.Add(time.Hour), claiming(ParticipantID(fmt.Sprint("member", i)), testStart.Add(time.Hour), 5000, 0))
	}
	if got := c.groupSize(); got != 40 {
		t.Errorf("n is %d, want 40", got)
	}
}

// spec R43: a round of acknowledgements with more than 8 syncs makes the group 4
// times as large; three with none before ¾ of the period halve it.
func TestGroupSizeFromRounds(t *testing.T) {
	for _, c := range []struct{ syncs, want int }{{8, 64}, {9, 256}} {
		ch := testChannel(t, LIP, nil)
		receive(t, ch, testStart, lip("author", uint64(testStart), "hello"))
		ch.estimate = pace.GroupSize{} // as if nobody was heard, so that only rounds count
		for range c.syncs {
			ch.countSync()
		}
		ch.advance(testStart.Add(pace.Period(64, time.Second)))
		ch.endRound()
		if got := ch.groupSize(); got != c.want {
			t.Errorf("after a round with %d syncs n is %d, want %d", c.syncs, got, c.want)
		}
	}
	c := testChannel(t, LIP, nil)
	for i := range 3 {
		at := testStart.Add(time.Duration(i) * time.Minute)
		receive(t, c, at, lip("author", uint64(at), "hello"))
		c.estimate = c.estimate.WithHeard(0)
		if got := c.groupSize(); got != 64 {
			t.Fatalf("before round %d is over n is %d", i, got)
		}
		c.timers.stop(&c.v.quick) // we stay silent, too
		c.advance(at.Add(pace.Period(64, time.Second)))
		c.endRound()
	}
	if got := c.groupSize(); got != 32 {
		t.Errorf("after three quiet rounds n is %d, want 32", got)
	}
}

// spec R43: what peers claim is the lower median of at least three, and at most 4
// times what we estimate ourselves.
func TestGroupSizeFromClaims(t *testing.T) {
	for _, c := range []struct {
		claims []int
		want   int
	}{
		{[]int{60, 60}, 16}, {[]int{60, 60, 60}, 60}, {[]int{60, 60, 20}, 60}, {[]int{20, 60, 20}, 20},
		{[]int{20, 60, 60, 20}, 20}, // of two in the middle the lower
		{[]int{5000, 5000, 5000}, 64},
		{[]int{2, 2, 2}, 16}, // never lower
	} {
		ch := testChannel(t, LIP, nil)
		for i, n := range c.claims {
			at := testStart.Add(time.Duration(i) * time.Minute)
			receive(t, ch, at, claiming(ParticipantID(fmt.Sprint("member", i)), at, n, 0))
		}
		if got := ch.groupSize(); got != c.want {
			t.Errorf("claims %v: n is %d, want %d", c.claims, got, c.want)
		}
	}
}

// spec R43: the newest claim of a sender counts, and only of recent senders.
func TestNewestClaimsCount(t *testing.T) {
	c := testChannel(t, LIP, nil)
	for i := range 4 {
		at := testStart.Add(time.Duration(i) * time.Minute)
		receive(t, c, at, claiming(ParticipantID(fmt.Sprint("member", i%3)), at, []int{500, 500, 500, 20}[i], 0))
	}
	if got := c.groupSize(); got != 64 {
		t.Errorf("n is %d, want 4 · 16: two of three still say so", got)
	}
	for i := range maxRecentSenders {
		at := testStart.Add(time.Hour + time.Duration(i)*time.Minute)
		receive(t, c, at, claiming(ParticipantID(fmt.Sprint("other", i)), at, 0, 0))
	}
	if got := c.groupSize(); got != 2*(3+maxRecentSenders) {
		t.Errorf("n is %d, want %d: who claimed is not recent any more", got, 2*(3+maxRecentSenders))
	}
}

// spec R44: the round trip is what the host says, or longer if most say so, at
// most 4 times; who claims nothing has the default.
func TestRoundTripFromClaims(t *testing.T) {
	s := time.Second
	for _, c := range []struct {
		own    time.Duration
		claims []time.Duration
		want   time.Duration
	}{
		{s, nil, s}, {s, []time.Duration{2 * s, 2 * s}, s}, {s, []time.Duration{2 * s, 2 * s, 2 * s}, 2 * s},
		{s, []time.Duration{8 * s, 8 * s, 8 * s}, 4 * s}, {3 * s, []time.Duration{s / 2, s / 2, s / 2}, 3 * s},
		{s, []time.Duration{s / 2, 2 * s, 3 * s}, 2 * s}, {s, []time.Duration{s, 2 * s, 3 * s, 4 * s}, 2 * s},
		{s, []time.Duration{4 * s, 4 * s, 4 * s, 0, 0, 0, 0}, s}, // most have the default
	} {
		ch := testChannel(t, LIP, func(cfg *Config) { cfg.RoundTrip = c.own })
		for i, d := range c.claims {
			at := testStart.Add(time.Duration(i) * time.Minute)
			receive(t, ch, at, claiming(ParticipantID(fmt.Sprint("member", i)), at, 0, d))
		}
		want := c.want
		if want != c.own {
			want = min(pace.DecodeRoundTrip(pace.EncodeRoundTrip(want)), 4*c.own) // its code is rounded up
		}
		if got := ch.trip; got != want {
			t.Errorf("own %v, claims %v: round trip %v, want %v", c.own, c.claims, got, want)
		}
	}
}

// spec R43 R44: we claim what others can't know: the size without a roster, the
// round trip if it is not the default. Claims do not echo.
func TestWhatIsClaimed(t *testing.T) {
	claims := func(change func(*Config)) wire.Extension {
		c := testChannel(t, LIP, change)
		for i := range 5 {
			at := testStart.Add(time.Duration(i) * time.Minute)
			receive(t, c, at, claiming(ParticipantID(fmt.Sprint("member", i)), at, 60, 2*time.Second))
		}
		m := say(t, c, testStart.Add(time.Hour), "hello", SendOptions{})
		e, err := wire.ParseExtension(m.Extension)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	if e := claims(nil); pace.DecodeGroupSize(e.GroupSize) != 16 || e.RoundTrip != 0 {
		t.Errorf("claims size %d and round trip code %d, want 16 and none", pace.DecodeGroupSize(e.GroupSize), e.RoundTrip)
	}
	e := claims(func(cfg *Config) {
		cfg.Roster, cfg.RoundTrip = &Roster{Members: map[ParticipantID]PersonID{"me": "me"}}, 3*time.Second
	})
	if e.GroupSize != 0 || pace.DecodeRoundTrip(e.RoundTrip) < 3*time.Second || pace.DecodeRoundTrip(e.RoundTrip) > 3200*time.Millisecond {
		t.Errorf("claims size code %d and round trip %v, want none and 3 s", e.GroupSize, pace.DecodeRoundTrip(e.RoundTrip))
	}
}
