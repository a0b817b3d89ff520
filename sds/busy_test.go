package sds

import (
	"fmt"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/pace"
)

// spec R118: a steward answers early, unless half of its quota is used: then it
// waits as long as everybody else.
func TestBusyStewardAnswersLate(t *testing.T) {
	roster := &Roster{Members: map[ParticipantID]PersonID{"steward": "s"}}
	for i := range 200 { // so many that hashed holders are few
		roster.Members[ParticipantID(rune('A'+i%26))+ParticipantID(rune('a'+i/26))] = PersonID(rune(0x4e00 + i))
	}
	late := pace.ResponseDelay(0, pace.Other, len(roster.Members), time.Second)
	for _, busy := range []bool{false, true} {
		early := 0
		for seed := range uint64(50) {
			c := testChannel(t, LIP, func(cfg *Config) {
				cfg.Participant, cfg.Roster, cfg.Steward, cfg.Seed = "steward", roster, true, seed
			})
			m := lip("Aa", uint64(testStart), fmt.Sprint("asked for ", seed))
			receive(t, c, testStart, m)
			drain(c)
			c.SetBusy(testStart, busy)
			receive(t, c, testStart, request("Ba", time.Millisecond, m.MessageID))
			c.Tick(testStart.Add(late - time.Millisecond))
			for _, p := range drain(c).Packets {
				if p.Class == ClassRepair {
					early++
				}
			}
		}
		if busy && early > 10 || !busy && early < 50 {
			t.Errorf("busy %v: %d of 50 answers were early", busy, early)
		}
	}
}
