package peer

import (
	"fmt"
	"slices"
	"testing"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/bloom"
	"github.com/causeway-im/causeway/sds/wire"
)

type nimVectors struct {
	Farmhash64 struct {
		Messages []struct {
			Name      string
			MessageID string `json:"message_id"`
			ChannelID string `json:"channel_id"`
			SenderID  string `json:"sender_id"`
			Lamport   string
			Content   string `json:"content_hex"`
			Hex       string `json:"wire_hex"`
		}
		WrapSequences []struct {
			Name      string
			ChannelID string `json:"channel_id"`
			Wraps     []struct {
				MessageID string `json:"message_id"`
				Hex       string `json:"wire_hex"`
			}
		} `json:"wrap_sequences"`
	}
}

func loadNim(t *testing.T) *nimVectors {
	t.Helper()
	v := new(nimVectors)
	readJSON(t, v, "..", "..", "sds", "wire", "testdata", "nim.json")
	if len(v.Farmhash64.Messages) == 0 || len(v.Farmhash64.WrapSequences) == 0 {
		t.Fatal("nim.json is not what it was")
	}
	return v
}

func TestNimDecodes(t *testing.T) {
	c := run(t, settings(sds.Nim, "alice"))
	for _, m := range loadNim(t).Farmhash64.Messages {
		payload := decodeHex(t, m.Hex)
		e := c.do("decode", with{"payload": payload})[0]
		if m.Lamport == "-1" {
			m.Lamport = "18446744073709551615"
		}
		if e.Event != "decoded" || e.Dialect != "nim" || string(e.ID) != m.MessageID || e.ChannelID != m.ChannelID ||
			e.SenderID != m.SenderID || e.Lamport != m.Lamport || fmt.Sprintf("%x", e.Content) != m.Content {
			t.Errorf("%s: %+v, want %+v", m.Name, e, m)
		}
	}
}

// What a nim-sds wrote, received backwards: it is delivered in the order in which
// it was written.
func TestNimSequences(t *testing.T) {
	for _, s := range loadNim(t).Farmhash64.WrapSequences {
		for _, dialect := range []sds.Dialect{sds.Nim, sds.JS} {
			cfg := settings(dialect, "reader")
			cfg.Channel = wire.ChannelID(s.ChannelID)
			c := run(t, cfg)
			if last := s.Wraps[len(s.Wraps)-1].Hex; last != "" { // what is far ahead has no place
				m := decode(t, decodeHex(t, last))
				c.do("clock", with{"now": 1000 * m.Lamport})
			}
			var events []event
			var want []string
			for _, w := range s.Wraps {
				want = append(want, w.MessageID)
			}
			if len(want) == 0 {
				t.Fatalf("%s is empty", s.Name)
			}
			for _, w := range slices.Backward(s.Wraps) {
				if w.Hex == "" {
					want = nil // only a hash is recorded
					break
				}
				events = append(events, c.receive(decodeHex(t, w.Hex))...)
			}
			events = append(events, c.do("sweep", nil)...)
			if got := ids(events, "delivered"); want != nil && !slices.Equal(got, want) {
				t.Errorf("%s read in %v: delivered %v, want %v", s.Name, dialect, got, want)
			}
			m := decode(t, c.send("what do I name?").Payload)
			if (len(m.CausalHistory) == 0) != (dialect == sds.JS) && want != nil {
				t.Errorf("%s: in %v it names %v", s.Name, dialect, named(m))
			}
		}
	}
}

// A nim reader finds every id that we received in our small filter, which is left
// out when the history names all of them; own messages are not in it.
func TestNimFilter(t *testing.T) {
	cfg := settings(sds.Nim, "alice")
	c := run(t, cfg)
	nim := func(id string, lamport uint64) []byte {
		m := content("bob", id, lamport)
		m.Dialect = wire.Nim
		return m.Encode()
	}
	for i := range 10 {
		c.receive(nim(fmt.Sprint("m", i), uint64(i)))
	}
	if m := decode(t, c.send("named").Payload); m.BloomFilter == nil || len(m.BloomFilter) > 0 || len(m.CausalHistory) != 10 {
		t.Errorf("filter of %d bytes, names %d", len(m.BloomFilter), len(m.CausalHistory))
	}
	for i := 10; i < 600; i++ {
		c.receive(nim(fmt.Sprint("m", i), uint64(i)))
	}
	m := decode(t, c.send("not all named").Payload)
	f, err := bloom.ParseNim(m.BloomFilter)
	if err != nil || len(m.BloomFilter) > 800 {
		t.Fatalf("%d bytes: %v", len(m.BloomFilter), err)
	}
	found := 0
	for i := range 600 {
		if f.Contains(fmt.Sprint("m", i)) {
			found++
		}
	}
	if found < nimFilterIDs || found > nimFilterIDs+3 || !f.Contains("m599") {
		t.Errorf("%d of 600 ids are in the filter", found)
	}
	if m.Content == nil || !m.HasLamport || len(m.CausalHistory) != 10 {
		t.Errorf("%+v", m)
	}
}

// FarmHash and 300 s, as nim-sds computes them: the examples of its facts.
func TestNimRepairTimes(t *testing.T) {
	for _, r := range []struct {
		who       string
		req, resp int64
	}{{"bob", 105_515, 47_732}, {"carol", 263_155, 8_988}} {
		c := run(t, settings(sds.Nim, r.who))
		missing := content("alice", "later", 1, "m1")
		missing.Dialect = wire.Nim
		if e := the(c.receive(missing.Encode()), "repairRequestQueued"); e == nil || e.TReq != start+r.req {
			t.Errorf("%s asks: %+v, want after %d", r.who, e, r.req)
		}
		m := content("alice", "m1", 1)
		m.Dialect = wire.Nim
		c.receive(m.Encode())
		request := content("asker", "sync", 2)
		request.Dialect, request.Content = wire.Nim, []byte{}
		request.RepairRequest = []wire.HistoryEntry{{MessageID: "m1", SenderID: "alice"}}
		if e := the(c.receive(request.Encode()), "repairResponseQueued"); e == nil || e.TResp != start+r.resp {
			t.Errorf("%s answers: %+v, want after %d", r.who, e, r.resp)
		}
	}
}

// A message without content is not one of the log, but nim-sds names it: it counts
// as met, and whoever missed it gets it from us.
func TestNimSyncIsMet(t *testing.T) {
	alice, bob := run(t, settings(sds.Nim, "alice")), run(t, settings(sds.Nim, "bob"))
	bob.receive(alice.send("one").Payload)
	sync := *the(bob.do("sync", nil), "out")
	next := content("nimmy", "next", start/1000+5, string(sync.ID))
	next.Dialect = wire.Nim

	e := alice.receive(next.Encode())
	if the(e, "missing") == nil {
		t.Fatalf("%+v", e)
	}
	alice.do("clock", with{"advance": 300_000})
	request := alice.send("where is it?")
	e = bob.receive(request.Payload)
	if r := the(e, "repairResponseQueued"); r == nil || r.ID != sync.ID {
		t.Fatalf("%+v", e)
	}
	bob.do("clock", with{"advance": 300_000})
	out := the(bob.do("sweep", nil), "out")
	if out == nil || !slices.Equal(out.Payload, sync.Payload) {
		t.Fatalf("%+v", out)
	}
	e = alice.receive(out.Payload)
	if !slices.Equal(ids(e, "delivered"), []string{"next"}) {
		t.Errorf("%+v", e)
	}
	if e := bob.receive(next.Encode()); the(e, "missing") != nil || the(e, "delivered") == nil {
		t.Errorf("who wrote it: %+v", e)
	}
}
