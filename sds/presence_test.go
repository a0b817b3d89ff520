package sds

import (
	"testing"
	"time"
)

// spec R126: a receipt shows who of the audience was heard in the last 15 minutes,
// to five minutes, and how many belong to it. Nobody is heard for ever.
func TestPresence(t *testing.T) {
	r := rosterOf(40)
	me := memberOf(t, r, "me", nil)
	m := say(t, me, testStart, "hello", SendOptions{Want: Fraction(0.9)})
	present := func() int {
		t.Helper()
		receipt, ok := me.Receipt(m.MessageID)
		if !ok || receipt.Of != 39 {
			t.Fatalf("%+v", receipt)
		}
		return receipt.Present
	}
	if got := present(); got != 0 {
		t.Errorf("%d heard at the beginning", got)
	}
	for _, who := range []ParticipantID{"p1", "p2", "p2", "stranger", "me"} {
		receive(t, me, testStart.Add(time.Second), request(who, time.Second))
	}
	if got := present(); got != 2 {
		t.Errorf("%d are present, want p1 and p2", got)
	}
	receive(t, me, testStart.Add(10*time.Minute), request("p3", 10*time.Minute))
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{10 * time.Minute, 3}, {15*time.Minute - time.Second, 3}, {20*time.Minute + time.Second, 1}, {25*time.Minute - time.Second, 1},
		{31 * time.Minute, 0}, {24 * time.Hour, 0}} {
		me.advance(testStart.Add(c.after))
		if got := present(); got != c.want {
			t.Errorf("after %v %d are present, want %d", c.after, got, c.want)
		}
	}
}

// The same, against a list of when who was heard.
func TestPresenceAgainstAList(t *testing.T) {
	var p presence
	all := personSet{0: 1<<10 - 1}
	var last [10]Time
	now, draw := Time(0), uint64(1)
	for range 3000 {
		draw = draw*6364136223846793005 + 1442695040888963407
		now += Time(draw >> 33 % (8 * 60_000))
		if who := int(draw >> 60); who < 10 {
			p.note(now, who)
			last[who] = now
		} else if draw>>59&1 == 1 {
			now += 3_600_000 // silence
		}
		least, most := 0, 0
		for _, at := range last {
			if at > 0 && now-at <= 15*60_000 {
				least++
			}
			if at > 0 && now-at < 20*60_000 {
				most++
			}
		}
		if got := p.of(now, all); got < least || got > most {
			t.Fatalf("at %d %d are present, want from %d to %d", now, got, least, most)
		}
	}
	p.note(now, noPerson) // is nobody
}
