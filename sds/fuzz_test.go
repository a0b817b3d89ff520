package sds

import (
	"math/rand"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
)

// FuzzReceive gives a channel whatever decodes, in a conversation, and looks for
// panics, endless ticks and buffers above their bounds. The first byte chooses the
// dialect and the window; packets follow, each after its length (2 bytes) and the
// seconds that pass before it (1 byte).
func FuzzReceive(f *testing.F) {
	add := func(first byte, messages ...wire.Message) {
		b := []byte{first}
		for i := range messages {
			p := messages[i].Encode()
			b = append(append(b, byte(len(p)>>8), byte(len(p)), byte(i)), p...)
		}
		f.Add(b)
	}
	now := uint64(testStart)
	a := lip("bob", now, "a")
	b := lip("carol", now+1, "b", a.MessageID)
	far := lip("dave", now+1e9, "far", b.MessageID)
	request := lip("dave", now+2, "please", b.MessageID)
	request.RepairRequest = []wire.HistoryEntry{{MessageID: a.MessageID, SenderID: "bob"}}
	claim := lip("erin", now+3, "claim", "c1me-me-me-me-me-me-me-me-me")
	e := wire.Extension{Version: 1, Incarnation: 1, Sequence: 9, Fingerprint: 1, HasFingerprint: true, Base: 5, Holes: []uint64{1}, HasAsk: true}
	claim.Extension = e.Encode()
	reports := wire.Census{Reports: []uint64{ShortID("room", a.MessageID)}}
	ask := wire.Census{Asks: true, Size: 80, Spread: 2000, Subject: ShortID("room", a.MessageID), Map: []byte{1}}
	said := []wire.Message{saying("p1", testStart+5, wire.Extension{Census: reports.Encode(), Sequence: 5}, a.MessageID),
		saying("p2", testStart+6, wire.Extension{Census: ask.Encode(), Want: []uint64{1}, WantFrom: now, WantTo: now + 9}),
		saying("p1", testStart+7, wire.Extension{Digest: digestOf(f, "room", now, now+9, 16, "unknown"), GroupSize: 255, RoundTrip: 255})}
	for first := range byte(24) {
		add(first, append([]wire.Message{a, numbered("p1", 3, 1), numbered("p1", 3, 60)}, said...)...)
		add(first, a, b, request)
		add(first, b, far, a, claim)
		add(first, nimContent("nim", "0x1", now/1000), nimContent("nim", "0x2", now/1000+1, "0x1"))
		add(first, jsContent("js", now, "x"), wire.Message{Dialect: wire.LIP, SenderID: "js", MessageID: "sync-1", ChannelID: "room",
			Lamport: now, HasLamport: true, CausalHistory: request.CausalHistory})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		c := testChannel(t, Dialect(data[0]%3), func(cfg *Config) {
			if data[0]%4 > 1 {
				cfg.Window = 2
			}
			if data[0]%8 > 3 {
				cfg.JoinPoint = uint64(testStart)
			}
			if data[0]%16 > 11 {
				cfg.Roster = fuzzRoster
			}
		})
		at := testStart
		if _, err := c.Send(at, []byte("mine"), SendOptions{Want: Everyone}); err != nil {
			t.Fatal(err)
		}
		for data = data[1:]; len(data) > 3; {
			n := min(int(data[0])<<8|int(data[1]), len(data)-3)
			at = at.Add(time.Duration(data[2]) * time.Second)
			if m, err := wire.Decode(data[3 : 3+n]); err == nil {
				_ = c.Receive(at, m, Origin{})
			}
			data = data[3+n:]
			settle(t, c, at)
		}
		settle(t, c, at.Add(time.Hour))
	})
}

// drawn is a source whose numbers are the bytes of an input.
type drawn struct{ data []byte }

func (d *drawn) Int63() int64 {
	if len(d.data) == 0 {
		return 0
	}
	b := d.data[0]
	d.data = d.data[1:]
	return int64(uint64(b) * 0x0101010101010101 >> 1) // the same for whichever bits are used
}

func (d *drawn) Seed(int64) {}

// FuzzLife reads the input as the life of a channel: all inputs of a channel in any
// order, with crashes between them.
func FuzzLife(f *testing.F) {
	for seed := range int64(8) {
		b := make([]byte, 1500)
		rand.New(rand.NewSource(seed)).Read(b)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d := &drawn{data[:min(len(data), 4000)]}
		randomLife(t, int64(len(data)), rand.New(d), func(step int) bool { return len(d.data) > 0 && step < 300 })
	})
}

var fuzzRoster = rosterOf(40)

// settle does what a host does, until the channel wants nothing more at now.
func settle(t *testing.T, c *Channel, now Time) {
	for turns := 0; ; turns++ {
		if at, ok := c.Deadline(); ok && at <= now {
			c.Tick(at)
		}
		r := drain(c)
		for _, p := range r.Packets {
			c.Handed(now, p.Serial, nil, nil)
			if p.Payload != nil {
				if m, err := wire.Decode(p.Payload); err != nil || m.Dialect == wire.LIP && VerifyID(&m) == Forged {
					t.Fatalf("made a packet that does not verify: %v", err)
				}
			}
		}
		found := make([]Lookup, len(r.Lookups))
		for i, id := range r.Lookups {
			found[i] = Lookup{ID: id, Known: i%2 == 0}
		}
		c.Found(now, found)
		if at, ok := c.Deadline(); (!ok || at > now) && r.Empty() {
			break
		}
		if turns > 100_000 {
			t.Fatal("it never comes to rest")
		}
	}
	if s := c.Sizes(); s.Awaited > MaxHoles || s.Answers > MaxAnswers || s.Held > MaxHeld || s.Met > MaxMet || s.ParkedBytes > MaxParkedBytes {
		t.Fatalf("a buffer is above its bound: %+v", s)
	}
}
