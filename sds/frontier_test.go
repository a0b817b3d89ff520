package sds

import (
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
)

// two makes a sender and a member of the same roster.
func two(t testing.TB, change func(*Config)) (me, bob *Channel) {
	roster := &Roster{Members: map[ParticipantID]PersonID{"me": "me", "bob": "bob", "carol": "carol"}}
	me = testChannel(t, LIP, func(c *Config) { c.Roster = roster })
	bob = testChannel(t, LIP, func(c *Config) {
		c.Roster, c.Participant = roster, "bob"
		if change != nil {
			change(c)
		}
	})
	drain(me)
	drain(bob)
	return me, bob
}

func seen(t testing.TB, c *Channel, m wire.Message) int {
	t.Helper()
	r, ok := c.Receipt(m.MessageID)
	if !ok {
		t.Fatalf("%s is not tracked", m.MessageID)
	}
	return r.Seen
}

// claims returns the next sync of c that claims a frontier.
func claims(t testing.TB, c *Channel, now Time) wire.Message {
	t.Helper()
	for range 100 {
		now = now.Add(time.Second)
		c.Tick(now)
		r := drain(c)
		for _, class := range []Class{ClassAck, ClassSync, ClassRequest} {
			for _, m := range sent(t, r, class) {
				if e, _ := wire.ParseExtension(m.Extension); e.HasFingerprint && len(m.CausalHistory) > 0 {
					return m
				}
			}
		}
	}
	t.Fatal("no claim")
	return wire.Message{}
}

// spec R53: a claim says nothing about what is below its base.
func TestClaimEndsAtTheJoinPoint(t *testing.T) {
	me, bob := two(t, func(c *Config) { c.JoinPoint = uint64(testStart) + 500 })
	before := say(t, me, testStart, "before bob", SendOptions{})
	after := say(t, me, testStart.Add(time.Second), "after", SendOptions{})
	last := say(t, me, testStart.Add(2*time.Second), "last", SendOptions{})
	receive(t, bob, testStart.Add(3*time.Second), after)
	receive(t, bob, testStart.Add(3*time.Second), last)
	receive(t, me, testStart.Add(5*time.Second), claims(t, bob, testStart.Add(3*time.Second)))
	if got := [3]int{seen(t, me, before), seen(t, me, after), seen(t, me, last)}; got != [3]int{0, 1, 1} {
		t.Errorf("seen %v, want [0 1 1]", got)
	}
}

// spec R53: a sum that covers the same number of other messages does not match.
func TestClaimOfAnotherSetProvesNothing(t *testing.T) {
	me, bob := two(t, nil)
	a := say(t, me, testStart, "a", SendOptions{})
	b := say(t, me, testStart, "b", SendOptions{})
	receive(t, bob, testStart, a)
	receive(t, bob, testStart, b)
	m := claims(t, bob, testStart)
	e, _ := wire.ParseExtension(m.Extension)
	e.Fingerprint++
	m.Extension = e.Encode()
	receive(t, me, testStart.Add(time.Second), m)
	if got := [2]int{seen(t, me, a), seen(t, me, b)}; got != [2]int{0, 1} {
		t.Errorf("seen %v, want [0 1]: the mention alone", got)
	}
}

// spec R58: a claim that waits for a message which it names is void once its
// sender comes with a new incarnation.
func TestNewIncarnationVoidsAWaitingClaim(t *testing.T) {
	for _, lost := range []bool{false, true} {
		me, bob := two(t, nil)
		a := say(t, me, testStart, "a", SendOptions{})
		x := lip("carol", uint64(testStart)+1000, "x", a.MessageID)
		receive(t, bob, testStart.Add(time.Second), a)
		receive(t, bob, testStart.Add(time.Second), x)
		receive(t, me, testStart.Add(5*time.Second), claims(t, bob, testStart.Add(time.Second))) // names x: it waits
		again := lip("bob", uint64(testStart)+9000, "who am I?")
		e := wire.Extension{Version: 1, Incarnation: bob.meta.Incarnation}
		if lost {
			e.Incarnation += 2
		}
		again.Extension = e.Encode()
		receive(t, me, testStart.Add(9*time.Second), again)
		if got := seen(t, me, a); got != 0 {
			t.Fatalf("seen by %d before anything is proved", got)
		}
		receive(t, me, testStart.Add(10*time.Second), x)
		want := []PersonID{"bob", "carol"}
		if lost {
			want = want[1:]
		}
		var got []PersonID
		for _, r := range drain(me).Receipts {
			got = append(got, r.Persons...)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("state lost %v: %v are counted, want %v", lost, got, want)
		}
	}
}
