package segment

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestPropertyOnceOrNever: payloads of any size, with any parity and any losses,
// in any order, with duplicates, mixed with each other and with what a hostile
// sender makes of them, come out once or never, unchanged; once, if enough of
// their segments came and none was forged in their sender's name.
func TestPropertyOnceOrNever(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := rapid.SampledFrom([]Config{
			{SegmentSize: 192}, {SegmentSize: 320}, {SegmentSize: 192, MaxSegments: 64},
			{Format: Status, SegmentSize: 100}, {Format: Status, SegmentSize: 33},
		}).Draw(t, "config")
		cfg.ParityRate = rapid.SampledFrom([]float64{0, 0.125, 0.25, 0.5, 1}).Draw(t, "rate")
		limits := Limits{MaxBytes: 1 << 20}
		tight := rapid.Bool().Draw(t, "tight")
		if tight {
			limits = Limits{MaxBytes: 6000, MaxSenderBytes: 4000, MaxSets: 3, MaxRemembered: 100}
		}
		r, err := NewReassembler(cfg, limits)
		if err != nil {
			t.Fatal(err)
		}
		w := &world{cfg: r.cfg, r: r, limits: r.limits, now: start}
		for i := range rapid.IntRange(1, 4).Draw(t, "payloads") {
			w.send(t, i)
		}
		for _, m := range rapid.Permutation(w.traffic).Draw(t, "order") {
			w.deliver(t, m)
		}
		for _, p := range w.payloads {
			enough := len(p.came) >= p.data && !p.forged && !tight && w.countIsKnown(p)
			if p.delivered > 1 || enough && p.delivered == 0 {
				t.Fatalf("a payload of %d bytes (%d + %d segments, %d came, forged: %v) was delivered %d times",
					len(p.bytes), p.data, p.parity, len(p.came), p.forged, p.delivered)
			}
		}
		w.r.Expire(w.now.Add(w.limits.Life))
		if len(w.r.Sets()) != 0 || w.r.Bytes() != 0 || len(w.r.senders) != 0 {
			t.Fatalf("%d bytes are left, senders %v", w.r.Bytes(), w.r.senders)
		}
	})
}

// world is a reassembler and what is on the way to it.
type world struct {
	cfg      Config
	r        *Reassembler
	limits   Limits
	now      time.Time
	payloads []*sent
	traffic  []message
}

// sent is a payload that somebody sends.
type sent struct {
	sender       string
	bytes        []byte
	key          Key
	data, parity int
	came         map[place]bool
	forged       bool // somebody forged a segment in the sender's name
	delivered    int
}

type message struct {
	sender string
	part   []byte
	of     *sent // nil: hostile
}

// send puts what comes of a payload on its way.
func (w *world) send(t *rapid.T, i int) {
	least := 0
	if w.cfg.Format == Status {
		least = w.cfg.SegmentSize + 1
	}
	p := &sent{sender: string(rune('a' + i%2)), came: map[place]bool{}}
	p.bytes = bytesOf(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(least, 3000).Draw(t, "length"))
	p.bytes = append(p.bytes, byte(i)) // no two are the same
	p.key = Key{Hash(p.bytes), uint64(len(p.bytes))}
	parts, err := Split(p.bytes, w.cfg)
	if errors.Is(err, ErrOversized) {
		return
	} else if err != nil {
		t.Fatal(err)
	}
	if p.data, p.parity, err = Count(len(p.bytes), w.cfg); err != nil || len(parts) != p.data+p.parity {
		t.Fatalf("%d segments, want %d + %d, %v", len(parts), p.data, p.parity, err)
	}
	w.payloads = append(w.payloads, p)
	lossy := rapid.IntRange(0, 3).Draw(t, "lossy")
	for _, part := range parts {
		copies := 1
		switch n := rapid.IntRange(0, 19).Draw(t, "fate"); {
		case n < lossy:
			copies = 0
		case n == 19:
			copies = 2
		}
		for range copies {
			w.traffic = append(w.traffic, message{p.sender, part, p})
		}
		w.attack(t, p, part)
	}
}

// attack may forge a segment like this part.
func (w *world) attack(t *rapid.T, p *sent, part []byte) {
	if rapid.IntRange(0, 9).Draw(t, "attack") > 0 {
		return
	}
	s, err := w.cfg.decode(part)
	if err != nil {
		t.Fatal(err)
	}
	s.Payload = bytes.Clone(s.Payload)
	switch rapid.IntRange(0, 5).Draw(t, "how") {
	case 0:
		s.DataCount = rapid.IntRange(-1, w.cfg.MaxSegments+2).Draw(t, "data")
	case 1:
		s.ParityCount = rapid.IntRange(-1, w.cfg.MaxSegments+2).Draw(t, "parity")
	case 2:
		s.Length = rapid.Uint64().Draw(t, "length")
	case 3:
		s.Index = rapid.IntRange(-1, 300).Draw(t, "index")
	case 4:
		s.Parity = !s.Parity
	default:
		s.Payload = bytesOf(1, rapid.IntRange(0, 400).Draw(t, "bytes"))
	}
	m := message{sender: "mallory", part: w.cfg.append(nil, &s)}
	if rapid.IntRange(0, 4).Draw(t, "in whose name") == 0 {
		m.sender, p.forged = p.sender, true
	}
	w.traffic = append(w.traffic, m)
}

// deliver adds a message and checks what must hold at any time.
func (w *world) deliver(t *rapid.T, m message) {
	s, err := Decode(m.part, w.cfg)
	if err != nil {
		if m.of != nil {
			t.Fatalf("a genuine segment: %v", err)
		}
		return
	}
	if m.of != nil {
		m.of.came[place{s.Parity, s.Index}] = true
	}
	result, err := w.r.Add(w.now, m.sender, s)
	if result.Complete {
		if err != nil || Hash(result.Payload) != s.Hash {
			t.Fatalf("another payload than was asked for: %v", err)
		}
		for _, p := range w.payloads {
			if p.key == s.Key && p.sender == m.sender {
				p.delivered++
				if !bytes.Equal(result.Payload, p.bytes) {
					t.Fatal("the payload is not what was sent")
				}
			}
		}
	}
	w.checkBounds(t)
}

// countIsKnown returns whether a segment came that says how many data segments
// there are; in Status those of parity don't.
func (w *world) countIsKnown(p *sent) bool {
	for at := range p.came {
		if w.cfg.Format == LIP243 || !at.parity {
			return true
		}
	}
	return false
}

func (w *world) checkBounds(t *rapid.T) {
	total, bySender := 0, map[string]usage{}
	for _, s := range w.r.Sets() {
		total += s.Bytes
		u := bySender[s.Sender]
		bySender[s.Sender] = usage{u.bytes + s.Bytes, u.sets + 1}
		kept := setOverhead + len(s.Sender)
		for _, h := range w.r.sets[name{s.Sender, s.Key}].segments {
			kept += segmentOverhead + len(h.payload)
		}
		if kept != s.Bytes {
			t.Fatalf("a set of %d bytes counts %d", kept, s.Bytes)
		}
	}
	if total != w.r.Bytes() || total > w.limits.MaxBytes || len(w.r.Sets()) > w.limits.MaxSets {
		t.Fatalf("%d sets of %d bytes, accounted %d", len(w.r.Sets()), total, w.r.Bytes())
	}
	for sender, u := range bySender {
		if u != w.r.senders[sender] || u.bytes > w.limits.MaxSenderBytes {
			t.Fatalf("%s has %+v, accounted %+v", sender, u, w.r.senders[sender])
		}
	}
}
