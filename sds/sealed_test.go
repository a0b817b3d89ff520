package sds

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
)

// lastRecord is what the changes say of a message in the end.
func lastRecord(r *Ready, id MessageID) *MessageRecord {
	for i := len(r.Changes.Messages) - 1; i >= 0; i-- {
		if r.Changes.Messages[i].ID == id {
			return &r.Changes.Messages[i]
		}
	}
	return nil
}

// mentions is a message of carol that names id with a hint.
func mentions(at int, id MessageID, hint string) wire.Message {
	m := lip("carol", uint64(testStart)+uint64(at), fmt.Sprint("names it ", at), id)
	m.CausalHistory[0].RetrievalHint = []byte(hint)
	return m
}

// spec R92: a copy of a message below the window, whose key is gone since, changes
// nothing in the host's log.
func TestNotForMeBelowTheWindow(t *testing.T) {
	for _, known := range []bool{true, false} {
		c := testChannel(t, LIP, func(cfg *Config) { cfg.Window = 5 })
		var old MessageID
		for i := range 10 {
			m := lip("bob", uint64(testStart)+uint64(i), fmt.Sprint(i), headIDs(c)...)
			if i == 0 {
				old = m.MessageID
			}
			receive(t, c, testStart, m)
		}
		drain(c)
		for range 2 {
			c.NotForMe(testStart, old, nil)
		}
		r := drain(c)
		if lastRecord(&r, old) != nil || !slices.Equal(r.Lookups, []MessageID{old}) {
			t.Fatalf("before the answer: %+v, lookups %v", r.Changes.Messages, r.Lookups)
		}
		c.Found(testStart, []Lookup{{ID: old, Known: known}})
		r = drain(c)
		if record := lastRecord(&r, old); (record == nil) != known || len(c.notForMe) > 0 == known {
			t.Errorf("known %v: %+v, not for us %v", known, record, c.notForMe)
		}
	}
}

// spec R92, R39: nor does one that a message names for which there is no room.
func TestNoRoomBelowTheWindow(t *testing.T) {
	c := testChannel(t, LIP, func(cfg *Config) { cfg.Window = 5 })
	var old MessageID
	for i := range 10 {
		m := lip("bob", uint64(testStart)+uint64(i), fmt.Sprint(i), headIDs(c)...)
		if i == 0 {
			old = m.MessageID
		}
		receive(t, c, testStart, m)
	}
	for i := range MaxHolesPerSender / MaxBlocking {
		receive(t, c, testStart, lip("eve", uint64(testStart)+uint64(100+i), fmt.Sprint(i), invented(i*MaxBlocking, MaxBlocking)...))
	}
	drain(c)
	receive(t, c, testStart, lip("eve", uint64(testStart)+200, "no room", old))
	r := drain(c)
	if record := lastRecord(&r, old); record != nil || slices.ContainsFunc(r.Gaps, func(g Gap) bool { return g.ID == old }) {
		t.Errorf("recorded as %+v, gaps %v", record, r.Gaps)
	}
	if len(r.Deliveries) != 1 || !slices.Contains(r.Deliveries[0].Gaps, old) {
		t.Errorf("deliveries %+v", r.Deliveries)
	}
}

// spec R69: what was looked for in vain is known by the hint that could not be opened,
// not by the one that brought nothing, and by nobody's word for its sender.
func TestNotForMeInVainKeepsItsHint(t *testing.T) {
	c := testChannel(t, LIP, nil)
	c.NotForMe(testStart, "sealed", []byte("h1"))
	m := mentions(1, "sealed", "h2")
	m.CausalHistory[0].SenderID = "me"
	m.MessageID = NewMessageID(m.ChannelID, m.SenderID, m.Lamport, m.CausalHistory, m.Content)
	receive(t, c, testStart, m)
	drain(c)
	c.Tick(testStart.Add(c.cfg.LostAfter + time.Minute))
	r := drain(c)
	if record := lastRecord(&r, "sealed"); record == nil || record.State != StateNotForMe || string(record.Hint) != "h1" || record.Sender != "" {
		t.Errorf("recorded as %+v", record)
	}
}

// Where there is no room to look for it by another hint, it stays what it was.
func TestNotForMeWithoutRoom(t *testing.T) {
	c := testChannel(t, LIP, nil)
	c.NotForMe(testStart, "sealed", []byte("h1"))
	for i := range MaxHolesPerSender / MaxBlocking {
		receive(t, c, testStart, lip("carol", uint64(testStart)+uint64(100+i), fmt.Sprint(i), invented(i*MaxBlocking, MaxBlocking)...))
	}
	drain(c)
	receive(t, c, testStart, mentions(200, "sealed", "h2"))
	r := drain(c)
	if record := lastRecord(&r, "sealed"); record != nil || len(r.Gaps) > 0 {
		t.Errorf("recorded as %+v, gaps %v", record, r.Gaps)
	}
	if len(r.Deliveries) != 1 || len(r.Deliveries[0].Gaps) > 0 {
		t.Errorf("deliveries %+v", r.Deliveries)
	}
}

// What made room for others is not named in claims any more once it is here.
func TestNotForMeMadeRoom(t *testing.T) {
	c := testChannel(t, LIP, nil)
	secret := lip("bob", uint64(testStart), "secret")
	c.NotForMe(testStart, secret.MessageID, []byte("h1"))
	for _, id := range invented(0, MaxMet) {
		c.met(id, GapRecovered, metInfo{})
	}
	receive(t, c, testStart, secret)
	if r := drain(c); len(r.Deliveries) != 1 || len(c.notForMe) > 0 {
		t.Errorf("deliveries %v, claims name %v", r.Deliveries, c.notForMe)
	}
}

// What makes room takes no record along that says something else by now.
func TestRoomKeepsOtherRecords(t *testing.T) {
	t.Run("looked for again", func(t *testing.T) {
		c := testChannel(t, LIP, nil)
		c.NotForMe(testStart, "sealed", []byte("h1"))
		receive(t, c, testStart, mentions(1, "sealed", "h2"))
		for _, id := range invented(0, MaxMet) {
			c.met(id, GapRecovered, metInfo{})
		}
		r := drain(c)
		if record := lastRecord(&r, "sealed"); record == nil || record.State != StateGap {
			t.Errorf("recorded as %+v", record)
		}
		c.Tick(testStart.Add(c.cfg.LostAfter + time.Minute))
		r = drain(c)
		if record := lastRecord(&r, "sealed"); record == nil || record.State != StateLost || !c.lost.has("sealed") || len(r.Gaps) > 0 {
			t.Errorf("given up, recorded as %+v, gaps %v", record, r.Gaps)
		}
	})
	t.Run("came and waits", func(t *testing.T) {
		c := testChannel(t, LIP, nil)
		secret := lip("bob", uint64(testStart), "secret", "c1never-seen-never-seen-never")
		c.NotForMe(testStart, secret.MessageID, []byte("h1"))
		receive(t, c, testStart, secret)
		for _, id := range invented(0, MaxMet) {
			c.loseAtOnce(id, "")
		}
		r := drain(c)
		if record := lastRecord(&r, secret.MessageID); record == nil || record.State != StateParked {
			t.Errorf("recorded as %+v", record)
		}
	})
}

// An id that was taken out and comes again has the place of the newest, not of the first.
func TestMetSetAgain(t *testing.T) {
	s := metSet{max: 3}
	s.add("a", metInfo{recorded: true})
	s.add("b", metInfo{})
	s.remove("a")
	s.add("a", metInfo{recorded: true})
	if gone := s.add("c", metInfo{}); gone != "" || !s.has("a") {
		t.Errorf("%q made room, a is there: %v", gone, s.has("a"))
	}
	s.add("d", metInfo{}) // for b
	if gone := s.add("e", metInfo{}); gone != "a" {
		t.Errorf("%q made room", gone)
	}
}

// spec R30: what only syncs named, and could not be opened or was given up, is a head when
// it comes: else members would disagree for as long as nobody speaks.
func TestComesAfterAllAsHead(t *testing.T) {
	for _, named := range []bool{false, true} {
		for _, gone := range []string{"not for us", "lost"} {
			for _, restart := range []bool{false, true} {
				c := testChannel(t, LIP, nil)
				secret := lip("bob", uint64(testStart), "secret")
				receive(t, c, testStart, saying("bob", testStart, wire.Extension{}, secret.MessageID))
				if named {
					receive(t, c, testStart, mentions(1, secret.MessageID, "h1"))
				}
				now := testStart
				if gone == "lost" {
					c.GiveUp(now, secret.MessageID)
				} else {
					c.NotForMe(now, secret.MessageID, []byte("h1"))
				}
				if restart {
					var s State
					s.Apply(drain(c).Changes)
					again, err := Restore(c.cfg, s, nil, now)
					if err != nil {
						t.Fatal(err)
					}
					c = again
				}
				receive(t, c, now, secret)
				if got := slices.Contains(headIDs(c), secret.MessageID); got == named {
					t.Errorf("%s, named %v, restart %v: the heads are %v", gone, named, restart, headIDs(c))
				}
			}
		}
	}
}
