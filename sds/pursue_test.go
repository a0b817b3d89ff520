package sds

import "testing"

// What is asked about a message that was sent with less changes nothing of what its
// receipt says, here or after a restart.
func TestPursueKeepsTheReceipt(t *testing.T) {
	roster := &Roster{Members: map[ParticipantID]PersonID{"me": "me", "bob": "bob", "carol": "carol", "dave": "dave"}}
	c := testChannel(t, LIP, func(cfg *Config) { cfg.Roster = roster })
	id, err := c.Send(testStart, []byte("part"), SendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := c.Ready()
	c.Handed(testStart, r.Packets[0].Serial, nil, nil)
	var s State
	s.Apply(r.Changes)
	c.Advance()
	c.Pursue(testStart, id, Everyone)
	receive(t, c, testStart, lip("bob", uint64(testStart)+1, "names it", id))
	r = drain(c)
	s.Apply(r.Changes)
	if got, _ := c.Receipt(id); got.Level != LevelReached || got.Seen != 1 {
		t.Errorf("%+v", got)
	}
	if want := s.Outgoing[id].Want; want.Kind != WantOne {
		t.Errorf("kept as %+v", want)
	}
	if !c.outgoing[id].awaits() {
		t.Error("nobody is asked any more")
	}
	again, err := Restore(c.cfg, s, nil, testStart)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := again.Receipt(id); got.Level != LevelReached || got.Estimate != (Estimate{}) {
		t.Errorf("restored: %+v", got)
	}
	again.Pursue(testStart, id, Everyone)
	if !again.outgoing[id].awaits() {
		t.Error("restored: nobody is asked")
	}
}
