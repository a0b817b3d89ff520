package sds

import (
	"fmt"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/wire"
)

// spec R64: the author answers at once, stewards and hashed holders early,
// everybody else later, and hearing the message meanwhile cancels.
func TestWhoAnswersWhen(t *testing.T) {
	roster := &Roster{Members: map[ParticipantID]PersonID{"me": "me"}}
	for i := range 100 {
		id := fmt.Sprint("member", i)
		roster.Members[ParticipantID(id)] = PersonID(id)
	}
	theirs := lip("bob", uint64(testStart), "theirs")
	for i := 0; pace.IsHolder(string(theirs.MessageID), "me", 101); i++ {
		theirs = lip("bob", uint64(testStart), fmt.Sprint("theirs", i))
	}
	for _, c := range []struct {
		name           string
		steward, own   bool
		heard          bool
		earliest, last time.Duration
	}{
		{"author", false, true, false, 0, 0},
		{"steward", true, false, false, 700 * time.Millisecond, 2700 * time.Millisecond},
		{"other", false, false, false, 2700 * time.Millisecond, 10 * time.Second},
		{"other who hears it", false, false, true, -1, -1},
	} {
		ch := testChannel(t, LIP, func(cfg *Config) { cfg.Roster, cfg.Steward = roster, c.steward })
		m := theirs
		if c.own {
			m = say(t, ch, testStart, "mine", SendOptions{})
		} else {
			receive(t, ch, testStart, m)
		}
		ch.Tick(testStart.Add(time.Minute))
		drain(ch)
		now := testStart.Add(time.Minute)
		request := lip("carol", uint64(now), "please")
		request.RepairRequest = []wire.HistoryEntry{{MessageID: m.MessageID}}
		receive(t, ch, now, request)
		if c.heard {
			receive(t, ch, now.Add(100*time.Millisecond), m)
		}
		at := time.Duration(-1)
		for d := time.Duration(0); d < 20*time.Second && at < 0; d += 10 * time.Millisecond {
			ch.Tick(now.Add(d))
			for _, p := range drain(ch).Packets {
				if p.Class == ClassRepair && p.ID == m.MessageID && p.Payload == nil {
					at = d
				}
			}
		}
		if at < c.earliest || at > c.last {
			t.Errorf("%s: answers after %v, want from %v to %v", c.name, at, c.earliest, c.last)
		}
	}
}
